// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: objects of the page store and the lists of their pages
 *
 * An object exists while it has pages, or while somebody walks its list.  The
 * list is in no order of indices, and a walk drops the lock between slices,
 * so it needs a cursor that survives what others do meanwhile.  The list
 * itself is the cursor: it is circular, a walk turns it page by page, and new
 * pages join at the end, so after as many steps as there were pages every one
 * of those was seen.  Two walks turning one list would hide pages from each
 * other; therefore the second waits for the first.
 */
#include "private.h"

/* Pages that a walk looks at under one hold of L3_lock */
#define TSTORE_WALK_STEPS	64

/* Completes a key whose number and name are set */
void tstore_key_hash(struct tstore *s, struct tstore_key *key)
{
	u64 h = tstore_mix(s->seed, key->number);

	h = tstore_mix(h, key->name[0]);
	h = tstore_mix(h, key->name[1]);
	h = tstore_mix(h, key->name[2]);
	key->hash = tstore_mix(h, s->seed);
}

static struct tstore_oshard *tstore_oshard(struct tstore *s,
					   const struct tstore_key *key)
{
	return &s->oshards[key->hash & (s->nr_shards - 1)];
}

static u32 tstore_oshard_home(struct tstore *s, const struct tstore_oshard *os)
{
	return (os - s->oshards) % TSTORE_BANKS;
}

static u32 *tstore_object_bucket(struct tstore *s, struct tstore_oshard *os,
				 const struct tstore_key *key)
{
	return &os->buckets[((key->hash >> 32) * s->oshard_buckets) >> 32];
}

/* The link that leads to an object; holds TSTORE_NONE if it is absent */
static u32 *tstore_object_find_locked(struct tstore *s,
				      struct tstore_oshard *os,
				      const struct tstore_key *key)
{
	u32 *link;

	env_assert_held(&os->L3_lock);
	link = tstore_object_bucket(s, os, key);
	while (*link != TSTORE_NONE &&
	       !tstore_object_is(tstore_object(s, *link), key))
		link = &tstore_object(s, *link)->hnext;
	return link;
}

static void tstore_pool_add(struct tstore *s, const struct tstore_key *key,
			    u32 o)
{
	struct tstore_object *obj = tstore_object(s, o);
	struct tstore_object *first;

	spin_lock(&key->client->L4_lock);
	if (key->pool->first == TSTORE_NONE) {
		key->pool->first = o;
		obj->pnext = o;
		obj->pprev = o;
	} else {
		first = tstore_object(s, key->pool->first);
		obj->pnext = key->pool->first;
		obj->pprev = first->pprev;
		tstore_object(s, first->pprev)->pnext = o;
		first->pprev = o;
	}
	spin_unlock(&key->client->L4_lock);
}

static void tstore_pool_del(struct tstore *s, const struct tstore_key *key,
			    u32 o)
{
	struct tstore_object *obj = tstore_object(s, o);

	spin_lock(&key->client->L4_lock);
	if (obj->pnext == o) {
		key->pool->first = TSTORE_NONE;
	} else {
		tstore_object(s, obj->pprev)->pnext = obj->pnext;
		tstore_object(s, obj->pnext)->pprev = obj->pprev;
		if (key->pool->first == o)
			key->pool->first = obj->pnext;
	}
	spin_unlock(&key->client->L4_lock);
}

static u32 tstore_object_new_locked(struct tstore *s, struct tstore_oshard *os,
				    const struct tstore_key *key)
{
	struct tstore_object *obj;
	u32 *bucket;
	u32 o;

	env_assert_held(&os->L3_lock);
	o = tstore_object_alloc(s, tstore_oshard_home(s, os));
	if (o == TSTORE_NONE)
		return o;
	obj = tstore_object(s, o);
	obj->name[0] = key->name[0];
	obj->name[1] = key->name[1];
	obj->name[2] = key->name[2];
	obj->first = TSTORE_NONE;
	obj->count = 0;
	env_store_release(&obj->pool, key->number);

	bucket = tstore_object_bucket(s, os, key);
	obj->hnext = *bucket;
	*bucket = o;
	tstore_pool_add(s, key, o);
	return o;
}

/* Ends an object that nothing needs any more */
static void tstore_object_end_locked(struct tstore *s,
				     struct tstore_oshard *os,
				     const struct tstore_key *key, u32 *link)
{
	u32 o = *link;

	env_assert_held(&os->L3_lock);
	*link = tstore_object(s, o)->hnext;
	tstore_pool_del(s, key, o);
	tstore_object_free(s, o);
}

/* Appends a page to the list of its object, which nobody else looks at */
static void tstore_object_add(struct tstore *s, struct tstore_object *obj,
			      u32 p)
{
	struct tstore_page *page = tstore_page(s, p);
	struct tstore_page *first;

	if (obj->first == TSTORE_NONE) {
		obj->first = p;
		env_write_once(page->onext, p);
		env_write_once(page->oprev, p);
	} else {
		first = tstore_page(s, obj->first);
		env_write_once(page->onext, obj->first);
		env_write_once(page->oprev, first->oprev);
		env_write_once(tstore_page(s, first->oprev)->onext, p);
		env_write_once(first->oprev, p);
	}
	obj->count++;
}

/**
 * tstore_object_link() - add pages to an object, which need not exist yet
 * @s: the store
 * @key: the object
 * @pages: handles of pages that are on no chain yet
 * @nr: their number
 *
 * Return: 0, or -ENOSPC if there is no room for the object
 */
int tstore_object_link(struct tstore *s, const struct tstore_key *key,
		       const u32 *pages, u32 nr)
{
	struct tstore_oshard *os = tstore_oshard(s, key);
	struct tstore_object *obj;
	u32 i, o;

	spin_lock(&os->L3_lock);
	o = *tstore_object_find_locked(s, os, key);
	if (o == TSTORE_NONE)
		o = tstore_object_new_locked(s, os, key);
	if (o == TSTORE_NONE) {
		spin_unlock(&os->L3_lock);
		return -ENOSPC;
	}
	obj = tstore_object(s, o);
	for (i = 0; i < nr; i++) {
		env_write_once(tstore_page(s, pages[i])->obj, o);
		tstore_object_add(s, obj, pages[i]);
	}
	spin_unlock(&os->L3_lock);
	return 0;
}

static void tstore_object_del_locked(struct tstore *s,
				     struct tstore_oshard *os,
				     struct tstore_object *obj, u32 p)
{
	struct tstore_page *page = tstore_page(s, p);

	env_assert_held(&os->L3_lock);
	if (page->onext == p) {
		obj->first = TSTORE_NONE;
	} else {
		env_write_once(tstore_page(s, page->oprev)->onext, page->onext);
		env_write_once(tstore_page(s, page->onext)->oprev, page->oprev);
		if (obj->first == p)
			obj->first = page->onext;
	}
	obj->count--;
}

/**
 * tstore_object_unlink() - take pages from their object
 * @s: the store
 * @key: the object
 * @pages: handles; they have been on its list
 * @nr: their number
 *
 * Ends the object if these were its last pages.
 */
void tstore_object_unlink(struct tstore *s, const struct tstore_key *key,
			  const u32 *pages, u32 nr)
{
	struct tstore_oshard *os = tstore_oshard(s, key);
	struct tstore_object *obj;
	u32 i;

	if (!nr)
		return;
	obj = tstore_object(s, tstore_page(s, pages[0])->obj);
	spin_lock(&os->L3_lock);
	for (i = 0; i < nr; i++)
		tstore_object_del_locked(s, os, obj, pages[i]);
	if (!obj->count)
		tstore_object_end_locked(s, os, key,
					 tstore_object_find_locked(s, os, key));
	spin_unlock(&os->L3_lock);
}

/**
 * tstore_object_rejoin() - take an object that was found in the arena back
 * @s: the store
 * @key: its name
 * @o: its slot
 *
 * Return: false if there is one of that name
 */
bool tstore_object_rejoin(struct tstore *s, const struct tstore_key *key,
			  u32 o)
{
	struct tstore_oshard *os = tstore_oshard(s, key);
	struct tstore_object *obj = tstore_object(s, o);
	bool fresh;
	u32 *link;

	spin_lock(&os->L3_lock);
	link = tstore_object_find_locked(s, os, key);
	fresh = *link == TSTORE_NONE;
	if (fresh) {
		obj->hnext = TSTORE_NONE;
		obj->first = TSTORE_NONE;
		obj->count = 0;
		*link = o;
	}
	spin_unlock(&os->L3_lock);
	return fresh;
}

/**
 * tstore_object_rejoin_page() - add a page that was found to its object
 * @s: the store, of which nobody else knows yet
 * @p: the page; its slot names the object
 */
void tstore_object_rejoin_page(struct tstore *s, u32 p)
{
	tstore_object_add(s, tstore_object(s, tstore_page(s, p)->obj), p);
}

/**
 * tstore_object_settle() - add an object that was found to its pool
 * @s: the store
 * @key: its name
 * @o: its slot
 *
 * All its pages have been added.  If there are none, its slot is free.
 *
 * Return: true if there are some
 */
bool tstore_object_settle(struct tstore *s, const struct tstore_key *key,
			  u32 o)
{
	struct tstore_oshard *os = tstore_oshard(s, key);

	bool used;
	u32 *link;

	spin_lock(&os->L3_lock);
	used = tstore_object(s, o)->count;
	if (used) {
		tstore_pool_add(s, key, o);
	} else {
		link = tstore_object_find_locked(s, os, key);
		*link = tstore_object(s, o)->hnext;
		tstore_object(s, o)->pool = TSTORE_NONE;
	}
	spin_unlock(&os->L3_lock);
	return used;
}

/* Number of pages of an object */
u32 tstore_object_count(struct tstore *s, const struct tstore_key *key)
{
	struct tstore_oshard *os = tstore_oshard(s, key);
	u32 count = 0;
	u32 o;

	spin_lock(&os->L3_lock);
	o = *tstore_object_find_locked(s, os, key);
	if (o != TSTORE_NONE)
		count = tstore_object(s, o)->count & ~TSTORE_WALKED;
	spin_unlock(&os->L3_lock);
	return count;
}

/*
 * Becomes the one walker of an object, to look at @work->left pages of it;
 * false: there is nothing to walk, or with some left, it was stopped.  One that
 * was stopped goes on where it was, but from the beginning if another one has
 * turned the list meanwhile.
 */
static bool tstore_walk_begin(struct tstore *s, const struct tstore_key *key,
			      struct tstore_work *work)
{
	struct tstore_oshard *os = tstore_oshard(s, key);
	struct tstore_object *obj;
	u32 count;
	u32 o;

	for (;;) {
		spin_lock(&os->L3_lock);
		o = *tstore_object_find_locked(s, os, key);
		if (o == TSTORE_NONE) {
			spin_unlock(&os->L3_lock);
			work->left = 0;
			return false;
		}
		obj = tstore_object(s, o);
		count = obj->count;
		if (!(count & TSTORE_WALKED)) {
			obj->count |= TSTORE_WALKED;
			if (!work->left || work->left > count ||
			    work->at != obj->first)
				work->left = count;
			spin_unlock(&os->L3_lock);
			return true;
		}
		spin_unlock(&os->L3_lock);
		env_relax();
		if (env_stop()) {
			if (!work->left)
				work->at = TSTORE_NONE;
			work->left += !work->left;
			return false;
		}
	}
}

static void tstore_walk_end(struct tstore *s, const struct tstore_key *key,
			    struct tstore_work *work)
{
	struct tstore_oshard *os = tstore_oshard(s, key);
	struct tstore_object *obj;
	u32 *link;

	spin_lock(&os->L3_lock);
	link = tstore_object_find_locked(s, os, key);
	obj = tstore_object(s, *link);
	obj->count &= ~TSTORE_WALKED;
	work->at = obj->first;
	if (!obj->count)
		tstore_object_end_locked(s, os, key, link);
	spin_unlock(&os->L3_lock);
}

/* Turns the list until TSTORE_SLICE pages of the range were seen */
static u32 tstore_walk_slice(struct tstore *s, const struct tstore_key *key,
			     u64 first, u64 last, u64 *found,
			     struct tstore_work *work)
{
	struct tstore_oshard *os = tstore_oshard(s, key);
	u32 steps = TSTORE_WALK_STEPS;
	struct tstore_object *obj;
	struct tstore_page *page;
	u32 nr = 0;

	spin_lock(&os->L3_lock);
	obj = tstore_object(s, *tstore_object_find_locked(s, os, key));
	if (obj->first == TSTORE_NONE)
		work->left = 0;
	while (work->left && steps-- && nr < TSTORE_SLICE) {
		page = tstore_page(s, obj->first);
		if (page->index >= first && page->index <= last)
			found[nr++] = page->index;
		obj->first = page->onext;
		work->left--;
	}
	spin_unlock(&os->L3_lock);
	return nr;
}

/**
 * tstore_object_flush() - drop the pages of an object that lie in a range
 * @s: the store
 * @key: the object
 * @first: first index of the range
 * @last: last index of the range
 * @seq: of the flush
 * @work: how far it got; the pages dropped are added to its done
 *
 * Takes time in proportion to the pages of the object, in bounded slices.
 *
 * Context: no lock held; env_relax() and env_stop() between slices.
 * Return: false if it was stopped
 */
bool tstore_object_flush(struct tstore *s, const struct tstore_key *key,
			 u64 first, u64 last, u32 seq,
			 struct tstore_work *work)
{
	u64 found[TSTORE_SLICE];
	u32 nr;

	if (!work->left && tstore_key_solo(key, first)) {
		nr = TSTORE_SOLO_PAGES - first;
		if (nr > last - first)
			nr = last - first + 1;
		work->done += tstore_flush_few(s, key, first, nr, seq);
	}
	if (!tstore_walk_begin(s, key, work))
		return !work->left;
	do {
		nr = tstore_walk_slice(s, key, first, last, found, work);
		while (nr--)
			work->done += tstore_flush_few(s, key, found[nr], 1,
						       seq);
		env_relax();
	} while (work->left && !env_stop());
	tstore_walk_end(s, key, work);
	return !work->left;
}

/*
 * Names one of a dead pool's solo pages in the slots from *@p on.  No page of
 * the pool is committed any more, and those that are there are not freed while
 * L4_lock is held.
 */
static bool tstore_solo_next(struct tstore *s, struct tstore_key *key, u32 *p)
{
	struct tstore_pool *pool = key->pool;
	u32 steps = TSTORE_WALK_STEPS;
	struct tstore_page *page;
	bool found = false;

	spin_lock(&key->client->L4_lock);
	while (pool->solos && *p <= pool->solo_high && steps-- && !found) {
		page = tstore_page(s, (*p)++);
		found = (env_read_once(page->word) & TSTORE_WORD_STATE) ==
			TSTORE_PAGE_SOLO &&
			env_read_once(page->owner) >> TSTORE_SOLO_SHIFT ==
			key->number;
		if (found) {
			key->name[0] = page->name[0];
			key->name[1] = page->name[1];
			key->name[2] = 0;
		}
	}
	if (!pool->solos)
		*p = TSTORE_NONE;
	spin_unlock(&key->client->L4_lock);
	return found;
}

/*
 * Takes time in proportion to the stretch of slots that they are in, which is
 * no longer than the pool's pages for one that had the store to itself.
 */
static bool tstore_solos_drain(struct tstore *s, struct tstore_key *key,
			       struct tstore_work *work)
{
	u32 p, last;

	spin_lock(&key->client->L4_lock);
	p = key->pool->solos ? key->pool->solo_low : TSTORE_NONE;
	last = key->pool->solo_high;
	spin_unlock(&key->client->L4_lock);
	while (p <= last) {
		if (tstore_solo_next(s, key, &p)) {
			tstore_key_hash(s, key);
			work->done += tstore_flush_few(s, key, 0,
						       TSTORE_SOLO_PAGES, 0);
		}
		env_relax();
		if (p <= last && env_stop()) {
			/* nothing is added to a dead pool: none is below */
			spin_lock(&key->client->L4_lock);
			key->pool->solo_low = p;
			spin_unlock(&key->client->L4_lock);
			return false;
		}
	}
	return true;
}

/**
 * tstore_pool_drain() - drop all that a dead pool holds
 * @s: the store
 * @c: its client
 * @id: its id
 * @ident: its ident while it lived
 * @work: the pages dropped are added to its done
 *
 * Nothing is added meanwhile: see tstore_shards_cycle().
 *
 * Context: no lock held; one caller at a time for each pool; env_relax() and
 * env_stop() between slices.
 * Return: false if it was stopped
 */
bool tstore_pool_drain(struct tstore *s, struct tstore_client *c, u32 id,
		       u32 ident, struct tstore_work *work)
{
	struct tstore_key key = {
		.client = c,
		.pool = &c->pools[id],
		.ident = ident,
		.number = (u32)(c - s->clients) * s->max_pools + id,
		.held = true,
	};
	struct tstore_object *obj;

	for (;;) {
		spin_lock(&c->L4_lock);
		if (key.pool->first == TSTORE_NONE) {
			spin_unlock(&c->L4_lock);
			return tstore_solos_drain(s, &key, work);
		}
		obj = tstore_object(s, key.pool->first);
		key.name[0] = obj->name[0];
		key.name[1] = obj->name[1];
		key.name[2] = obj->name[2];
		spin_unlock(&c->L4_lock);

		tstore_key_hash(s, &key);
		work->left = 0;
		if (!tstore_object_flush(s, &key, 0, ~0ULL, 0, work) ||
		    env_stop())
			return false;
	}
}
