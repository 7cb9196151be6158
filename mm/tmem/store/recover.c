// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: finding a store again after its process died
 *
 * Slots are read from the first to the last, and what follows from them is made
 * anew: hashes, lists, queues, charges.  A slot counts if it is committed, if
 * its pool is alive, and if all of its fields can be true.  What a dead process
 * was about needs no log: a page, an object or a pool is either committed or it
 * is not, and which of them somebody was about to add or to drop is for whoever
 * asked for it to ask again.
 *
 * The arena is the host's own, but it may be damaged.  Every handle is checked
 * before it is followed; a slot that cannot be true is as good as free, and is
 * counted.
 *
 * Nobody else knows of the store yet, so those locks are taken only that what is
 * called here asserts, and for a page none of a shard.
 */
#include "private.h"

/* Slots that are read ahead of each other, to wait for memory together */
#define TSTORE_BATCH		32

/* A page on its way back */
struct tstore_found {
	u32 p;
	struct tstore_key key;
	u64 index;
};

/* Which pools are there? */
static void tstore_recover_idents(struct tstore *s)
{
	struct tstore_record *rec;
	u32 *idents;
	u32 i, id;

	for (i = 0; i < s->max_clients; i++) {
		rec = &s->records[i];
		idents = s->idents + (size_t)i * s->max_pools;
		/* whose members have to join anew: see shared.c */
		if (i >= s->max_clients - s->max_shared)
			env_write_once(rec->used, 0);
		for (id = 0; id < s->max_pools; id++)
			if (!rec->used || rec->restoring ||
			    idents[id] & TSTORE_IDENT_SHARED)
				idents[id] = 0;
		/* as fresh as before the stream, which was not all there */
		if (rec->restoring) {
			rec->epoch = 0;
			rec->features = 0;
			env_store_release(&rec->restoring, 0);
		}
		if (rec->used && rec->epoch > s->super->epochs)
			s->super->epochs = rec->epoch;
	}
}

static int tstore_recover_clients(struct tstore *s)
{
	struct tstore_ghost *ghost;
	struct tstore_pool *pools;
	u32 i;

	for (i = 0; i < s->max_clients; i++) {
		if (!s->records[i].used)
			continue;
		if (tstore_client_alloc(s, &pools, &ghost))
			goto fail;
		tstore_client_equip(&s->clients[i], pools, ghost);
	}
	return 0;

fail:
	while (i--) {
		env_free(s->clients[i].pools);
		tstore_ghost_destroy(s->clients[i].ghost);
	}
	return -ENOMEM;
}

/* Is this the number of a pool?  Then @live tells whether there is such. */
static bool tstore_recover_pool(struct tstore *s, struct tstore_key *key,
				bool *live)
{
	if (key->number >= s->max_clients * s->max_pools)
		return false;
	key->client = &s->clients[key->number / s->max_pools];
	key->ident = s->idents[key->number];
	key->held = false;
	*live = key->ident;
	if (*live)
		key->pool = &key->client->pools[key->number % s->max_pools];
	return true;
}

/* Takes an object back, or turns its slot into a free one */
static void tstore_recover_object(struct tstore *s, u32 o)
{
	struct tstore_object *obj = tstore_object(s, o);
	struct tstore_key key = {
		.number = obj->pool,
		.name = { obj->name[0], obj->name[1], obj->name[2] },
	};
	bool live = false;

	if (obj->pool == TSTORE_NONE)
		return;
	if (!tstore_recover_pool(s, &key, &live))
		s->recovery.damaged++;
	if (live) {
		tstore_key_hash(s, &key);
		live = tstore_object_rejoin(s, &key, o);
		s->recovery.damaged += !live;
	}
	if (!live)
		obj->pool = TSTORE_NONE;
}

/* Frames that hold no page of their own */
static void tstore_recover_frames(struct tstore *s)
{
	struct tstore_page *page;
	u32 i, p;

	for (p = 0; p < s->nr_frames; p++) {
		page = tstore_page(s, p);
		for (i = 0; page->word == TSTORE_PAGE_OBJECTS &&
		     i < TSTORE_OBJECTS_PER_FRAME; i++)
			tstore_recover_object(s, p * TSTORE_OBJECTS_PER_FRAME +
						 i);
		s->out += page->word == TSTORE_PAGE_OUT;
		if (page->word == TSTORE_PAGE_SPAN &&
		    !tstore_span_rejoin(s, p)) {
			page->word = TSTORE_PAGE_FREE;
			s->recovery.damaged++;
		}
	}
}

/* Is a frame still that part of a span which it says it is? */
static bool tstore_recover_part(struct tstore *s, u32 p)
{
	u32 head = tstore_page(s, p)->head;

	return head < s->nr_frames &&
	       tstore_page(s, head)->word == TSTORE_PAGE_SPAN &&
	       tstore_span_has(s, head, p);
}

/* Adds an object to its pool; false if it has no pages and so is no more */
static bool tstore_recover_used(struct tstore *s, u32 o)
{
	struct tstore_object *obj = tstore_object(s, o);
	struct tstore_key key = {
		.number = obj->pool,
		.name = { obj->name[0], obj->name[1], obj->name[2] },
	};
	bool live;

	tstore_recover_pool(s, &key, &live);
	tstore_key_hash(s, &key);
	return tstore_object_settle(s, &key, o);
}

/* Now that all pages are there, what holds none is not needed */
static void tstore_recover_settle(struct tstore *s)
{
	u32 i, o, p, used;

	for (p = 0; p < s->nr_frames; p++) {
		if (tstore_page(s, p)->word == TSTORE_PAGE_SPAN)
			tstore_span_settle(s, p);
		if (tstore_page(s, p)->word != TSTORE_PAGE_OBJECTS)
			continue;
		for (i = 0, used = 0; i < TSTORE_OBJECTS_PER_FRAME; i++) {
			o = p * TSTORE_OBJECTS_PER_FRAME + i;
			if (tstore_object(s, o)->pool != TSTORE_NONE)
				used += tstore_recover_used(s, o);
		}
		if (used)
			tstore_object_adopt(s, p);
		else
			tstore_page(s, p)->word = TSTORE_PAGE_FREE;
	}
}

/* Does a committed slot make sense, and is it wanted? */
static bool tstore_recover_name(struct tstore *s, struct tstore_found *f,
				bool *live)
{
	struct tstore_page *page = tstore_page(s, f->p);
	u32 frame = page->obj / TSTORE_OBJECTS_PER_FRAME;

	*live = false;
	/* a page that is not packed has the frame of its slot and a bare word */
	if (!(page->word & TSTORE_WORD_PACKED) &&
	    (f->p >= s->nr_frames || page->word & ~TSTORE_WORD_STATE))
		return false;
	if (page->word & TSTORE_WORD_PACKED && f->p < s->nr_frames)
		return false;
	if (tstore_page_state(page) == TSTORE_PAGE_LIVE) {
		if (frame >= s->nr_frames ||
		    tstore_page(s, frame)->word != TSTORE_PAGE_OBJECTS)
			return false;
		/* that of a dead pool was dropped before its pages */
		if (tstore_object(s, page->obj)->pool == TSTORE_NONE)
			return true;
	} else if (!tstore_page_solo(page)) {
		return false;
	}
	f->index = tstore_page_key(s, page, &f->key);
	if (!tstore_recover_pool(s, &f->key, live))
		return false;
	return tstore_key_solo(&f->key, f->index) == tstore_page_solo(page);
}

/* Is a page where it says? */
static bool tstore_recover_place(struct tstore *s, struct tstore_found *f,
				 struct tstore_shard *sh)
{
	u32 word = tstore_page(s, f->p)->word;

	if (tstore_word_is_shared(word))
		return tstore_content_rejoin(s, f->key.client - s->clients,
					     tstore_word_content(word));
	return tstore_chunk_rejoin(s, sh - s->shards, 0, f->p);
}

/*
 * Hashes a page, and adds it to its object; false if there is one already, or if
 * it is not where it says
 */
static bool tstore_recover_page(struct tstore *s, struct tstore_found *f)
{
	struct tstore_shard *sh = tstore_shard(s, &f->key, f->index);
	struct tstore_page *page = tstore_page(s, f->p);
	bool fresh;
	u32 *link;

	link = tstore_page_find(s, &f->key, f->index);
	fresh = *link == TSTORE_NONE && tstore_recover_place(s, f, sh);
	if (fresh) {
		page->hnext = TSTORE_NONE;
		*link = f->p;
		if (!tstore_page_solo(page))
			tstore_object_rejoin_page(s, f->p);
	}
	return fresh;
}

/* Charges pages to their clients */
static void tstore_recover_charge(struct tstore *s,
				  const struct tstore_found *found, u32 nr)
{
	struct tstore_client *c = NULL;
	struct tstore_page *page;
	enum tstore_kind kind;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (c != found[i].key.client) {
			if (c)
				spin_unlock(&c->L4_lock);
			c = found[i].key.client;
			spin_lock(&c->L4_lock);
		}
		kind = tstore_key_kind(&found[i].key);
		page = tstore_page(s, found[i].p);
		tstore_charge_locked(c, kind, 1,
				     tstore_word_cost(s, page->word));
		found[i].key.pool->pages++;
		if (tstore_page_solo(page))
			tstore_solo_add_locked(c, found[i].key.pool,
					       found[i].p);
		if (kind == TSTORE_EPHEMERAL)
			tstore_queue_add_locked(s, c, found[i].p);
	}
	if (c)
		spin_unlock(&c->L4_lock);
	s->recovery.pages += nr;
}

/* Slots that name no page; those that cannot be so are damaged */
static bool tstore_recover_held(struct tstore *s, u32 p, u32 word)
{
	if (s->dedup && tstore_page_is_content(tstore_page(s, p)))
		return true;
	if (p >= s->nr_frames)
		return false;
	if (word == TSTORE_PAGE_PART && !tstore_recover_part(s, p)) {
		/* of a span that was being made, or freed */
		tstore_page(s, p)->word = TSTORE_PAGE_FREE;
		return true;
	}
	return word == TSTORE_PAGE_OBJECTS || word == TSTORE_PAGE_OUT ||
	       word == TSTORE_PAGE_SPAN || word == TSTORE_PAGE_PART;
}

/* Reads slots from @p to @end; what is not wanted becomes free */
static void tstore_recover_batch(struct tstore *s, u32 p, u32 end,
				 struct tstore_found *found)
{
	u32 i, nr = 0, kept = 0;
	bool live;

	for (; p < end; p++) {
		u32 word = tstore_page(s, p)->word;

		if (word == TSTORE_PAGE_FREE || tstore_recover_held(s, p, word))
			continue;
		found[nr].p = p;
		if (!tstore_recover_name(s, &found[nr], &live)) {
			s->recovery.damaged++;
			live = false;
		}
		if (!live) {
			tstore_page(s, p)->word = TSTORE_PAGE_FREE;
			continue;
		}
		tstore_key_hash(s, &found[nr].key);
		env_prefetch(tstore_bucket(s, &found[nr].key,
					   found[nr].index));
		nr++;
	}
	for (i = 0; i < nr; i++) {
		p = *tstore_bucket(s, &found[i].key, found[i].index);
		if (p != TSTORE_NONE)
			env_prefetch(tstore_page(s, p));
	}
	for (i = 0; i < nr; i++) {
		if (tstore_recover_page(s, &found[i])) {
			found[kept++] = found[i];
			continue;
		}
		tstore_page(s, found[i].p)->word = TSTORE_PAGE_FREE;
		s->recovery.damaged++;
	}
	tstore_recover_charge(s, found, kept);
}

/* Is the arena a store, and laid out as this one would be? */
static int tstore_super_check(const struct tstore *s, u64 bytes)
{
	const struct tstore_super *super = s->super;

	if (super->magic != TSTORE_MAGIC)
		return -ENOENT;
	if (super->version != TSTORE_ARENA_VERSION)
		return -EOPNOTSUPP;
	if (super->check != tstore_super_sum(super))
		return -EFAULT;
	if (super->page_shift != PAGE_SHIFT || super->dedup != s->dedup ||
	    super->bytes != bytes ||
	    super->nr_frames != s->nr_frames ||
	    super->nr_slots != s->nr_slots ||
	    super->max_clients != s->max_clients ||
	    super->max_shared != s->max_shared ||
	    super->max_pools != s->max_pools)
		return -EEXIST;
	return 0;
}

/* Makes a store of what is in the arena, of which only the head was read */
static int tstore_recover(struct tstore *s)
{
	struct tstore_found *found;
	u32 p, left;
	int err;

	found = env_zalloc(TSTORE_BATCH * sizeof(*found));
	if (!found)
		return -ENOMEM;
	tstore_recover_idents(s);
	err = tstore_recover_clients(s);
	if (err)
		goto out;
	tstore_buckets_clear(s);
	tstore_banks_clear(s);
	tstore_packs_clear(s);
	tstore_contents_clear(s);
	tstore_recover_frames(s);
	tstore_contents_begin(s);
	for (p = 0; p < s->nr_slots; p += TSTORE_BATCH) {
		left = s->nr_slots - p;
		tstore_recover_batch(s, p, p + (left < TSTORE_BATCH ? left :
						TSTORE_BATCH), found);
		env_relax();
	}
	tstore_contents_settle(s);
	tstore_recover_settle(s);
	tstore_banks_fill(s);
out:
	env_free(found);
	return err;
}

/**
 * tstore_open() - go on with a store whose process is no more
 * @cfg: as it was created with, lasting; the seed is the one that the arena
 *	has
 * @out: the store
 *
 * Clients, their pools and all pages that had been accepted are there again;
 * tstore_client_find() returns the clients.  What was being put, and what
 * belonged to pools that were being destroyed, is not.  A slot that makes no
 * sense is dropped and counted, see struct tstore_stats.
 *
 * Context: allocates; takes time in proportion to the arena.
 * Return: 0, -ENOMEM, or -EINVAL as tstore_create(), and with the arena
 * unchanged: -ENOENT if there is no store in it, -EOPNOTSUPP if it is of
 * another version, -EFAULT if its head is damaged, -EEXIST if it was created
 * with another @cfg or is not all there
 */
int tstore_open(const struct tstore_config *cfg, struct tstore **out)
{
	struct tstore *s;
	int err;

	err = tstore_alloc(cfg, &s);
	if (err)
		return err;
	err = s->lasting ? tstore_super_check(s, cfg->bytes) : -EINVAL;
	if (!err) {
		s->seed = s->super->seed;
		err = tstore_recover(s);
	}
	if (err) {
		tstore_free(s);
		return err;
	}
	*out = s;
	return 0;
}
