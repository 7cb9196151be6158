// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: free slots of the page store
 *
 * A page slot and its frame are one, so one list holds both.  Object slots are
 * cut out of frames when they run short, and frames without objects are free
 * again: pages and objects live on the same memory, and nobody has to guess how
 * many of each there will be.
 */
#include "private.h"

void tstore_banks_init(struct tstore *s)
{
	u32 i;

	for (i = 0; i < TSTORE_BANKS; i++)
		env_lock_init(&s->banks[i].L7_lock, TSTORE_L7);
}

void tstore_banks_clear(struct tstore *s)
{
	struct tstore_bank *bank;
	u32 i;

	for (i = 0; i < TSTORE_BANKS; i++) {
		bank = &s->banks[i];
		bank->page = TSTORE_NONE;
		bank->pages = 0;
		bank->bare = TSTORE_NONE;
		bank->bares = 0;
		bank->frame = TSTORE_NONE;
		bank->objs = 0;
		bank->object_frames = 0;
	}
}

static u32 tstore_bank_take(struct tstore *s, struct tstore_bank *bank,
			    u32 *pages, u32 nr)
{
	u32 got = 0;

	if (!env_read_once(bank->pages))
		return 0;
	spin_lock(&bank->L7_lock);
	while (got < nr && bank->page != TSTORE_NONE) {
		pages[got] = bank->page;
		bank->page = tstore_page(s, bank->page)->hnext;
		got++;
	}
	env_write_once(bank->pages, bank->pages - got);
	/* for whoever comes next */
	if (bank->page != TSTORE_NONE) {
		env_prefetch(tstore_page(s, bank->page));
		env_prefetch(tstore_page_data(s, bank->page));
	}
	spin_unlock(&bank->L7_lock);
	return got;
}

/**
 * tstore_frame_alloc() - take free page slots that have a frame
 * @s: the store
 * @home: bank to begin with
 * @pages: out: handles
 * @nr: how many
 *
 * Return: true if all @nr were there; otherwise none is taken
 */
bool tstore_frame_alloc(struct tstore *s, u32 home, u32 *pages, u32 nr)
{
	u32 got = 0;
	u32 i;

	for (i = 0; i < TSTORE_BANKS && got < nr; i++)
		got += tstore_bank_take(s, &s->banks[(home + i) % TSTORE_BANKS],
					pages + got, nr - got);
	if (got == nr)
		return true;
	tstore_page_free(s, home, pages, got);
	return false;
}

/**
 * tstore_bare_alloc() - take a free page slot that has no frame
 * @s: the store
 * @home: bank to begin with
 *
 * Return: a handle, or TSTORE_NONE
 */
u32 tstore_bare_alloc(struct tstore *s, u32 home)
{
	struct tstore_bank *bank;
	u32 p = TSTORE_NONE;
	u32 i;

	for (i = 0; i < TSTORE_BANKS && p == TSTORE_NONE; i++) {
		bank = &s->banks[(home + i) % TSTORE_BANKS];
		if (!env_read_once(bank->bares))
			continue;
		spin_lock(&bank->L7_lock);
		p = bank->bare;
		if (p != TSTORE_NONE) {
			bank->bare = tstore_page(s, p)->hnext;
			env_write_once(bank->bares, bank->bares - 1);
		}
		spin_unlock(&bank->L7_lock);
	}
	return p;
}

static void tstore_bank_add_locked(struct tstore *s, struct tstore_bank *bank,
				   u32 p)
{
	struct tstore_page *page = tstore_page(s, p);

	env_assert_held(&bank->L7_lock);
	if (p < s->nr_frames) {
		page->hnext = bank->page;
		bank->page = p;
		env_write_once(bank->pages, bank->pages + 1);
	} else {
		page->hnext = bank->bare;
		bank->bare = p;
		env_write_once(bank->bares, bank->bares + 1);
	}
}

/* Deals free slots out to the banks in stretches, lowest number first */
void tstore_banks_fill(struct tstore *s)
{
	struct tstore_bank *bank;
	u32 p = s->nr_slots;

	while (p--) {
		if (s->pages[p].word != TSTORE_PAGE_FREE)
			continue;
		bank = &s->banks[(u64)p * TSTORE_BANKS / s->nr_frames %
				 TSTORE_BANKS];
		spin_lock(&bank->L7_lock);
		tstore_bank_add_locked(s, bank, p);
		spin_unlock(&bank->L7_lock);
	}
}

/**
 * tstore_page_free() - give page slots and their frames, if any, back
 * @s: the store
 * @home: bank that gets them
 * @pages: handles; on no list and no chain any more
 * @nr: their number
 *
 * Frames are not scrubbed: a put overwrites all of one before it commits the
 * page, and nothing else makes a frame readable.
 */
void tstore_page_free(struct tstore *s, u32 home, const u32 *pages, u32 nr)
{
	struct tstore_bank *bank = &s->banks[home];
	u32 i;

	if (!nr)
		return;
	spin_lock(&bank->L7_lock);
	for (i = 0; i < nr; i++) {
		env_write_once(tstore_page(s, pages[i])->word,
			       TSTORE_PAGE_FREE);
		tstore_bank_add_locked(s, bank, pages[i]);
	}
	spin_unlock(&bank->L7_lock);
}

/* Free frames: a snapshot, exact when nobody else is at work */
u64 tstore_pages_free(struct tstore *s)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < TSTORE_BANKS; i++)
		sum += env_read_once(s->banks[i].pages);
	return sum;
}

static struct tstore_bank *tstore_object_bank(struct tstore *s, u32 o)
{
	return &s->banks[o / TSTORE_OBJECTS_PER_FRAME % TSTORE_BANKS];
}

/*
 * Lists a frame that has free object slots.  At the end, so that one that has
 * nothing else stays where it is found, see tstore_object_trim().
 */
static void tstore_frame_add_locked(struct tstore *s, struct tstore_bank *bank,
				    u32 p)
{
	struct tstore_page *page = tstore_page(s, p), *first;

	env_assert_held(&bank->L7_lock);
	if (bank->frame == TSTORE_NONE) {
		bank->frame = p;
		page->qnext = p;
		page->qprev = p;
	} else {
		first = tstore_page(s, bank->frame);
		page->qnext = bank->frame;
		page->qprev = first->qprev;
		tstore_page(s, first->qprev)->qnext = p;
		first->qprev = p;
	}
}

static void tstore_frame_del_locked(struct tstore *s, struct tstore_bank *bank,
				    u32 p)
{
	struct tstore_page *page = tstore_page(s, p);

	env_assert_held(&bank->L7_lock);
	tstore_page(s, page->qprev)->qnext = page->qnext;
	tstore_page(s, page->qnext)->qprev = page->qprev;
	if (bank->frame == p)
		bank->frame = page->qnext == p ? TSTORE_NONE : page->qnext;
}

/* Forgets a frame of which all object slots are free */
static void tstore_object_release_locked(struct tstore *s,
					 struct tstore_bank *bank, u32 p)
{
	env_assert_held(&bank->L7_lock);
	tstore_frame_del_locked(s, bank, p);
	env_write_once(bank->objs, bank->objs - TSTORE_OBJECTS_PER_FRAME);
	bank->object_frames--;
}

static u32 tstore_bank_take_object(struct tstore *s, struct tstore_bank *bank)
{
	struct tstore_page *page;
	u32 o = TSTORE_NONE;

	if (!env_read_once(bank->objs))
		return o;
	spin_lock(&bank->L7_lock);
	if (bank->frame != TSTORE_NONE) {
		page = tstore_page(s, bank->frame);
		o = page->free_obj;
		page->free_obj = tstore_object(s, o)->hnext;
		if (!--page->free_objs)
			tstore_frame_del_locked(s, bank, bank->frame);
		env_write_once(bank->objs, bank->objs - 1);
	}
	spin_unlock(&bank->L7_lock);
	return o;
}

/**
 * tstore_object_adopt() - have a frame's free object slots used
 * @s: the store
 * @p: the frame, whose slot says that it holds objects; no bank knows of it
 *
 * Those slots are free that belong to no pool.
 */
void tstore_object_adopt(struct tstore *s, u32 p)
{
	u32 o = p * TSTORE_OBJECTS_PER_FRAME + TSTORE_OBJECTS_PER_FRAME;
	struct tstore_bank *bank = tstore_object_bank(s, o - 1);
	struct tstore_page *page = tstore_page(s, p);

	page->free_obj = TSTORE_NONE;
	page->free_objs = 0;
	while (o-- > p * TSTORE_OBJECTS_PER_FRAME) {
		if (tstore_object(s, o)->pool != TSTORE_NONE)
			continue;
		tstore_object(s, o)->hnext = page->free_obj;
		page->free_obj = o;
		page->free_objs++;
	}
	spin_lock(&bank->L7_lock);
	if (page->free_objs)
		tstore_frame_add_locked(s, bank, p);
	env_write_once(bank->objs, bank->objs + page->free_objs);
	bank->object_frames++;
	spin_unlock(&bank->L7_lock);
}

/* Cuts a free frame into object slots; false if there is no free frame */
static bool tstore_object_cut(struct tstore *s, u32 home)
{
	u32 i, p;

	if (!tstore_frame_alloc(s, home, &p, 1))
		return false;
	memset(tstore_frame(s, p), 0, PAGE_SIZE);
	for (i = 0; i < TSTORE_OBJECTS_PER_FRAME; i++)
		tstore_object(s, p * TSTORE_OBJECTS_PER_FRAME + i)->pool =
			TSTORE_NONE;
	env_store_release(&tstore_page(s, p)->word, TSTORE_PAGE_OBJECTS);
	tstore_object_adopt(s, p);
	return true;
}

/**
 * tstore_object_alloc() - take a free object slot
 * @s: the store
 * @home: bank to begin with
 *
 * Return: a handle, or TSTORE_NONE if there is neither a slot nor a free
 * frame to make some of
 */
u32 tstore_object_alloc(struct tstore *s, u32 home)
{
	u32 i, o;

	do {
		for (i = 0; i < TSTORE_BANKS; i++) {
			o = tstore_bank_take_object(s, &s->banks[(home + i) %
								TSTORE_BANKS]);
			if (o != TSTORE_NONE)
				return o;
		}
	} while (tstore_object_cut(s, home));
	return TSTORE_NONE;
}

/**
 * tstore_object_free() - give an object slot back
 * @s: the store
 * @o: handle; on no list and no chain any more
 *
 * If no other object is in its frame, the frame is free as well, unless it is
 * the last one of its bank with free slots: the next object comes soon.
 */
void tstore_object_free(struct tstore *s, u32 o)
{
	struct tstore_bank *bank = tstore_object_bank(s, o);
	u32 p = o / TSTORE_OBJECTS_PER_FRAME;
	struct tstore_page *page = tstore_page(s, p);
	bool empty;

	tstore_object(s, o)->pool = TSTORE_NONE;
	spin_lock(&bank->L7_lock);
	tstore_object(s, o)->hnext = page->free_obj;
	page->free_obj = o;
	if (!page->free_objs++)
		tstore_frame_add_locked(s, bank, p);
	env_write_once(bank->objs, bank->objs + 1);
	empty = page->free_objs == TSTORE_OBJECTS_PER_FRAME &&
		page->qnext != p;
	if (empty)
		tstore_object_release_locked(s, bank, p);
	spin_unlock(&bank->L7_lock);
	if (empty)
		tstore_page_free(s, p % TSTORE_BANKS, &p, 1);
}

/**
 * tstore_object_trim() - give up a frame that holds no object
 * @s: the store
 *
 * Return: false if there is none
 */
bool tstore_object_trim(struct tstore *s)
{
	struct tstore_bank *bank;
	bool empty = false;
	u32 i, p;

	for (i = 0; i < TSTORE_BANKS && !empty; i++) {
		bank = &s->banks[i];
		spin_lock(&bank->L7_lock);
		p = bank->frame;
		empty = p != TSTORE_NONE && tstore_page(s, p)->free_objs ==
					    TSTORE_OBJECTS_PER_FRAME;
		if (empty)
			tstore_object_release_locked(s, bank, p);
		spin_unlock(&bank->L7_lock);
		if (empty)
			tstore_page_free(s, i, &p, 1);
	}
	return empty;
}
