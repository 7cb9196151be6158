// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: pages in the hash, in the charges and in the queue
 *
 * A page is found by its full name: the chain of a bucket leads to page
 * slots, each of which knows its object, which knows the rest of the name.  A
 * page on a chain keeps its object alive, so holding the shard is enough to
 * look at both.  A solo page knows its name itself.
 */
#include "private.h"

/**
 * tstore_shard() - the part of the hash that a page belongs to
 * @s: the store
 * @key: the object
 * @index: the page
 */
struct tstore_shard *tstore_shard(struct tstore *s,
				  const struct tstore_key *key, u64 index)
{
	u64 h = tstore_mix(key->hash, index >> TSTORE_SHARD_SHIFT);

	return &s->shards[h & (s->nr_shards - 1)];
}

/* The bank that this shard begins with */
u32 tstore_shard_home(struct tstore *s, const struct tstore_shard *sh)
{
	return (sh - s->shards) % TSTORE_BANKS;
}

/**
 * tstore_bucket() - the head of the chain that a page belongs to
 * @s: the store
 * @key: the object
 * @index: the page
 */
u32 *tstore_bucket(struct tstore *s, const struct tstore_key *key, u64 index)
{
	struct tstore_shard *sh = tstore_shard(s, key, index);
	u64 h = tstore_mix(~key->hash, index >> TSTORE_CLUSTER_SHIFT);
	u32 b = ((h & 0xffffffff) * s->shard_buckets) >> 32;

	b += index & ((1U << TSTORE_CLUSTER_SHIFT) - 1);
	while (b >= s->shard_buckets)
		b -= s->shard_buckets;
	return &sh->buckets[b];
}

static bool tstore_page_is(struct tstore *s, const struct tstore_page *page,
			   const struct tstore_key *key, u64 index)
{
	if (tstore_key_solo(key, index))
		return tstore_page_solo(page) &&
		       page->owner == tstore_key_owner(key, index) &&
		       page->name[0] == key->name[0] &&
		       page->name[1] == key->name[1];
	return !tstore_page_solo(page) && page->index == index &&
	       tstore_object_is(tstore_object(s, page->obj), key);
}

/* tstore_page_find_locked() for whoever has the store alone */
u32 *tstore_page_find(struct tstore *s, const struct tstore_key *key, u64 index)
{
	u32 *link = tstore_bucket(s, key, index);

	while (*link != TSTORE_NONE &&
	       !tstore_page_is(s, tstore_page(s, *link), key, index))
		link = &tstore_page(s, *link)->hnext;
	return link;
}

/**
 * tstore_page_find_locked() - look a page up
 * @s: the store
 * @sh: its shard
 * @key: the object
 * @index: the page
 *
 * Return: the link that leads to it, which holds TSTORE_NONE if it is absent
 */
u32 *tstore_page_find_locked(struct tstore *s, struct tstore_shard *sh,
			     const struct tstore_key *key, u64 index)
{
	env_assert_held(&sh->L2_lock);
	return tstore_page_find(s, key, index);
}

/* Names a page that nobody else knows yet */
void tstore_page_name(struct tstore_page *page, const struct tstore_key *key,
		      u64 index)
{
	if (tstore_key_solo(key, index)) {
		env_write_once(page->owner, tstore_key_owner(key, index));
		page->name[0] = key->name[0];
		page->name[1] = key->name[1];
	} else {
		page->index = index;
	}
}

/**
 * tstore_page_key() - the name of a page
 * @s: the store
 * @page: something keeps it, and so its object, in existence
 * @key: out: number and name
 *
 * Return: the index
 */
u64 tstore_page_key(struct tstore *s, const struct tstore_page *page,
		    struct tstore_key *key)
{
	const struct tstore_object *obj;

	if (tstore_page_solo(page)) {
		key->number = page->owner >> TSTORE_SOLO_SHIFT;
		key->name[0] = page->name[0];
		key->name[1] = page->name[1];
		key->name[2] = 0;
		return page->owner & (TSTORE_SOLO_PAGES - 1);
	}
	obj = tstore_object(s, page->obj);
	key->number = obj->pool;
	key->name[0] = obj->name[0];
	key->name[1] = obj->name[1];
	key->name[2] = obj->name[2];
	return page->index;
}

/**
 * tstore_page_hash_locked() - commit a page: from here on it is found
 * @s: the store
 * @sh: its shard
 * @key: the object
 * @index: the page
 * @p: its slot
 * @word: where it is, if it is packed, or 0
 */
void tstore_page_hash_locked(struct tstore *s, struct tstore_shard *sh,
			     const struct tstore_key *key, u64 index, u32 p,
			     u32 word)
{
	u32 state = tstore_key_solo(key, index) ? TSTORE_PAGE_SOLO :
						  TSTORE_PAGE_LIVE;
	struct tstore_page *page = tstore_page(s, p);
	u32 *bucket;

	env_assert_held(&sh->L2_lock);
	bucket = tstore_bucket(s, key, index);
	page->hnext = *bucket;
	env_store_release(&page->word, word | state);
	*bucket = p;
}

/* Has the pool remember where its solo pages are */
void tstore_solo_add_locked(struct tstore_client *c, struct tstore_pool *pool,
			    u32 p)
{
	env_assert_held(&c->L4_lock);
	if (!pool->solos || p < pool->solo_low)
		pool->solo_low = p;
	if (!pool->solos || p > pool->solo_high)
		pool->solo_high = p;
	pool->solos++;
}

/* Appends a page to the eviction queue of its client */
void tstore_queue_add_locked(struct tstore *s, struct tstore_client *c, u32 p)
{
	struct tstore_page *page = tstore_page(s, p);
	struct tstore_page *oldest;

	env_assert_held(&c->L4_lock);
	if (c->oldest == TSTORE_NONE) {
		c->oldest = p;
		page->qnext = p;
		page->qprev = p;
		return;
	}
	oldest = tstore_page(s, c->oldest);
	page->qnext = c->oldest;
	page->qprev = oldest->qprev;
	tstore_page(s, oldest->qprev)->qnext = p;
	oldest->qprev = p;
}

void tstore_queue_del_locked(struct tstore *s, struct tstore_client *c, u32 p)
{
	struct tstore_page *page = tstore_page(s, p);

	env_assert_held(&c->L4_lock);
	if (page->qnext == p) {
		c->oldest = TSTORE_NONE;
		return;
	}
	tstore_page(s, page->qprev)->qnext = page->qnext;
	tstore_page(s, page->qnext)->qprev = page->qprev;
	if (c->oldest == p)
		c->oldest = page->qnext;
}

/* Pages that have been got are the last ones to go: they may be wanted again */
void tstore_queue_renew(struct tstore *s, struct tstore_client *c,
			const u32 *pages, u32 nr)
{
	u32 i;

	spin_lock(&c->L4_lock);
	for (i = 0; i < nr; i++) {
		tstore_queue_del_locked(s, c, pages[i]);
		tstore_queue_add_locked(s, c, pages[i]);
	}
	spin_unlock(&c->L4_lock);
}

/* First half of a page's removal: from here on it is not found */
u32 tstore_page_unhash_locked(struct tstore *s, struct tstore_shard *sh,
			      u32 *link)
{
	u32 p = *link;

	env_assert_held(&sh->L2_lock);
	*link = tstore_page(s, p)->hnext;
	return p;
}

/* Has the processor fetch what taking a page from its object is going to change */
static void tstore_object_ahead(struct tstore *s, u32 p)
{
	struct tstore_page *page = tstore_page(s, p);

	if (tstore_page_solo(page))
		return;
	env_prefetch(tstore_page(s, env_read_once(page->onext)));
	env_prefetch(tstore_page(s, env_read_once(page->oprev)));
}

/**
 * tstore_page_drop_locked() - drop pages that are not found any more
 * @s: the store
 * @sh: their shard
 * @key: their object
 * @pages: what tstore_page_unhash_locked() returned, in order of indices
 * @nr: their number
 * @home: bank that gets the slots
 *
 * In the order that others rely on: off the queue, whose lock alone keeps a
 * page and its object in existence; off the object, which may end the object;
 * free.
 */
void tstore_page_drop_locked(struct tstore *s, struct tstore_shard *sh,
			     const struct tstore_key *key, const u32 *pages,
			     u32 nr, u32 home)
{
	enum tstore_kind kind = tstore_key_kind(key);
	struct tstore_client *c = key->client;
	u32 words[TSTORE_SLICE];
	struct tstore_page *page;
	u32 i, solos = 0;
	s64 bytes = 0;

	env_assert_held(&sh->L2_lock);
	for (i = 0; i < nr; i++)
		tstore_object_ahead(s, pages[i]);
	spin_lock(&c->L4_lock);
	if (c->gone)
		c->gone(c, sh, key, pages, nr);
	for (i = 0; i < nr; i++) {
		page = tstore_page(s, pages[i]);
		words[i] = page->word;
		bytes += tstore_word_cost(s, words[i]);
		if (kind == TSTORE_EPHEMERAL)
			tstore_queue_del_locked(s, c, pages[i]);
		solos += tstore_page_solo(page);
		/*
		 * no solo page any more for whoever drains the pool, and no
		 * page for whoever finds the arena: its object may end before
		 * it is free, and the object's slot have another name
		 */
		env_write_once(page->word, TSTORE_PAGE_FREE);
	}
	tstore_charge_locked(c, kind, -(s64)nr, -bytes);
	key->pool->pages -= nr;
	key->pool->solos -= solos;
	spin_unlock(&c->L4_lock);

	/* in order of indices, so that solo pages come first */
	tstore_object_unlink(s, key, pages + solos, nr - solos);
	for (i = 0; i < nr; i++)
		if (words[i] & TSTORE_WORD_PACKED)
			tstore_word_free(s, c, words[i], home);
	tstore_page_free(s, home, pages, nr);
}

/* Serial number arithmetic; a flush with seq 0 removes unconditionally */
bool tstore_flush_applies(u32 flush, u32 put)
{
	return !flush || (s32)(flush - put) >= 0;
}

/**
 * tstore_flush_few() - drop pages unless they are newer than the flush
 * @s: the store
 * @key: their object
 * @index: the first page
 * @nr: pages, of one shard and no more than a slice
 * @seq: of the flush
 *
 * Return: number of pages dropped
 */
u32 tstore_flush_few(struct tstore *s, const struct tstore_key *key,
		     u64 index, u32 nr, u32 seq)
{
	struct tstore_shard *sh = tstore_shard(s, key, index);
	u32 home = tstore_shard_home(s, sh);
	u32 pages[TSTORE_SLICE];
	u32 dropped = 0;
	u32 *link;
	u32 i;

	spin_lock(&sh->L2_lock);
	for (i = 0; tstore_key_alive(key) && i < nr; i++) {
		link = tstore_page_find_locked(s, sh, key, index + i);
		if (*link == TSTORE_NONE ||
		    !tstore_flush_applies(seq, tstore_page(s, *link)->seq))
			continue;
		pages[dropped++] = tstore_page_unhash_locked(s, sh, link);
	}
	if (dropped)
		tstore_page_drop_locked(s, sh, key, pages, dropped, home);
	sh->stat[TSTORE_FLUSHED] += dropped;
	spin_unlock(&sh->L2_lock);
	tstore_note(key, index, nr, tstore_ghost_flush);
	return dropped;
}

/*
 * Waits out everybody who looked at a pool before it was marked dead: they
 * look, insert and let go under the lock of one shard.
 */
void tstore_shards_cycle(struct tstore *s)
{
	u32 i;

	for (i = 0; i < s->nr_shards; i++) {
		spin_lock(&s->shards[i].L2_lock);
		spin_unlock(&s->shards[i].L2_lock);
	}
}
