// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: free slots of the page store
 *
 * A page slot owns its frame while it is free, so that one list holds both.
 * Object slots are cut out of frames when they run short: pages and objects
 * live on the same memory, and nobody has to guess how many of each there
 * will be.  A frame cut up stays so; with one-page objects everywhere that is
 * 1.2 % of the arena.
 */
#include "private.h"

void tstore_banks_init(struct tstore *s)
{
	u32 i;

	for (i = 0; i < TSTORE_BANKS; i++)
		env_lock_init(&s->banks[i].L5_lock, TSTORE_L5);
}

void tstore_banks_clear(struct tstore *s)
{
	struct tstore_bank *bank;
	u32 i;

	for (i = 0; i < TSTORE_BANKS; i++) {
		bank = &s->banks[i];
		bank->page = TSTORE_NONE;
		bank->pages = 0;
		bank->obj = TSTORE_NONE;
		bank->objs = 0;
		bank->object_frames = 0;
	}
}

/* Deals free slots out to the banks in stretches, lowest number first */
void tstore_banks_fill(struct tstore *s)
{
	struct tstore_bank *bank;
	u32 p = s->nr_frames;

	while (p--) {
		if (s->pages[p].word != TSTORE_PAGE_FREE)
			continue;
		bank = &s->banks[(u64)p * TSTORE_BANKS / s->nr_frames];
		s->pages[p].hnext = bank->page;
		bank->page = p;
		bank->pages++;
	}
}

static u32 tstore_bank_take(struct tstore *s, struct tstore_bank *bank,
			    u32 *pages, u32 nr)
{
	u32 got = 0;

	if (!env_read_once(bank->pages))
		return 0;
	spin_lock(&bank->L5_lock);
	while (got < nr && bank->page != TSTORE_NONE) {
		pages[got] = bank->page;
		bank->page = tstore_page(s, bank->page)->hnext;
		got++;
	}
	env_write_once(bank->pages, bank->pages - got);
	spin_unlock(&bank->L5_lock);
	return got;
}

/**
 * tstore_page_alloc() - take free page slots, each with its frame
 * @s: the store
 * @home: bank to begin with
 * @pages: out: handles
 * @nr: how many
 *
 * Return: true if all @nr were there; otherwise none is taken
 */
bool tstore_page_alloc(struct tstore *s, u32 home, u32 *pages, u32 nr)
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
 * tstore_page_free() - give page slots and their frames back
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
	struct tstore_page *page;
	u32 i;

	if (!nr)
		return;
	spin_lock(&bank->L5_lock);
	for (i = 0; i < nr; i++) {
		page = tstore_page(s, pages[i]);
		env_write_once(page->word, TSTORE_PAGE_FREE);
		page->hnext = bank->page;
		bank->page = pages[i];
	}
	env_write_once(bank->pages, bank->pages + nr);
	spin_unlock(&bank->L5_lock);
}

/* Free page slots: a snapshot, exact when nobody else is at work */
u64 tstore_pages_free(struct tstore *s)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < TSTORE_BANKS; i++)
		sum += env_read_once(s->banks[i].pages);
	return sum;
}

static u32 tstore_bank_take_object(struct tstore *s, struct tstore_bank *bank)
{
	u32 o = TSTORE_NONE;

	if (!env_read_once(bank->objs))
		return o;
	spin_lock(&bank->L5_lock);
	if (bank->obj != TSTORE_NONE) {
		o = bank->obj;
		bank->obj = tstore_object(s, o)->hnext;
		env_write_once(bank->objs, bank->objs - 1);
	}
	spin_unlock(&bank->L5_lock);
	return o;
}

/* Counts a frame that holds object slots */
void tstore_bank_add_frame(struct tstore *s, u32 p)
{
	struct tstore_bank *bank = &s->banks[p % TSTORE_BANKS];

	spin_lock(&bank->L5_lock);
	bank->object_frames++;
	spin_unlock(&bank->L5_lock);
}

/* Cuts a free frame into object slots, keeps the first, banks the others */
static u32 tstore_object_cut(struct tstore *s, u32 home)
{
	struct tstore_bank *bank = &s->banks[home];
	u32 base, i, p;

	if (!tstore_page_alloc(s, home, &p, 1))
		return TSTORE_NONE;
	memset(tstore_frame(s, p), 0, PAGE_SIZE);
	base = p * TSTORE_OBJECTS_PER_FRAME;
	for (i = 0; i < TSTORE_OBJECTS_PER_FRAME; i++) {
		tstore_object(s, base + i)->pool = TSTORE_NONE;
		tstore_object(s, base + i)->hnext = base + i + 1;
	}
	env_store_release(&tstore_page(s, p)->word, TSTORE_PAGE_OBJECTS);

	spin_lock(&bank->L5_lock);
	tstore_object(s, base + i - 1)->hnext = bank->obj;
	bank->obj = base + 1;
	env_write_once(bank->objs, bank->objs + i - 1);
	bank->object_frames++;
	spin_unlock(&bank->L5_lock);
	return base;
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

	for (i = 0; i < TSTORE_BANKS; i++) {
		o = tstore_bank_take_object(s, &s->banks[(home + i) %
							 TSTORE_BANKS]);
		if (o != TSTORE_NONE)
			return o;
	}
	return tstore_object_cut(s, home);
}

/**
 * tstore_object_free() - give an object slot back
 * @s: the store
 * @home: bank that gets it
 * @o: handle; on no list and no chain any more
 */
void tstore_object_free(struct tstore *s, u32 home, u32 o)
{
	struct tstore_bank *bank = &s->banks[home];
	struct tstore_object *obj = tstore_object(s, o);

	obj->pool = TSTORE_NONE;
	spin_lock(&bank->L5_lock);
	obj->hnext = bank->obj;
	bank->obj = o;
	env_write_once(bank->objs, bank->objs + 1);
	spin_unlock(&bank->L5_lock);
}
