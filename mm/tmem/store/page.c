// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: pages in the hash, in the charges and in the queue
 *
 * A page is found by its full name: the chain of a bucket leads to page
 * slots, each of which knows its object, which knows the rest of the name.  A
 * page on a chain keeps its object alive, so holding the shard is enough to
 * look at both.
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

static u32 *tstore_bucket(struct tstore *s, struct tstore_shard *sh,
			  const struct tstore_key *key, u64 index)
{
	u64 h = tstore_mix(~key->hash, index >> TSTORE_CLUSTER_SHIFT);
	u32 b = ((h & 0xffffffff) * s->shard_buckets) >> 32;

	b += index & ((1U << TSTORE_CLUSTER_SHIFT) - 1);
	while (b >= s->shard_buckets)
		b -= s->shard_buckets;
	return &sh->buckets[b];
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
	struct tstore_page *page;
	u32 *link;

	env_assert_held(&sh->L2_lock);
	link = tstore_bucket(s, sh, key, index);
	while (*link != TSTORE_NONE) {
		page = tstore_page(s, *link);
		if (page->index == index &&
		    tstore_object_is(tstore_object(s, page->obj), key))
			break;
		link = &page->hnext;
	}
	return link;
}

/* Commits a page: from here on it is found */
void tstore_page_hash_locked(struct tstore *s, struct tstore_shard *sh,
			     const struct tstore_key *key, u32 p)
{
	struct tstore_page *page = tstore_page(s, p);
	u32 *bucket;

	env_assert_held(&sh->L2_lock);
	bucket = tstore_bucket(s, sh, key, page->index);
	page->hnext = *bucket;
	env_store_release(&page->word, (page->word & ~TSTORE_STATE_MASK) |
				       TSTORE_PAGE_LIVE);
	*bucket = p;
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

/**
 * tstore_page_remove_locked() - drop a page
 * @s: the store
 * @sh: its shard
 * @key: its object
 * @link: what tstore_page_find_locked() returned for it
 * @home: bank that gets the slot
 *
 * In the order that others rely on: off the hash, so that nobody finds it;
 * off the queue, whose lock alone keeps a page and its object in existence;
 * off the object, which may end the object; free.
 */
void tstore_page_remove_locked(struct tstore *s, struct tstore_shard *sh,
			       const struct tstore_key *key, u32 *link,
			       u32 home)
{
	enum tstore_kind kind = tstore_key_kind(key);
	struct tstore_client *c = key->client;
	u32 p = *link;

	env_assert_held(&sh->L2_lock);
	*link = tstore_page(s, p)->hnext;

	spin_lock(&c->L4_lock);
	if (kind == TSTORE_EPHEMERAL)
		tstore_queue_del_locked(s, c, p);
	env_write_once(c->charged[kind], c->charged[kind] - 1);
	key->pool->pages--;
	spin_unlock(&c->L4_lock);

	tstore_object_unlink(s, key, p);
	tstore_page_free(s, home, p);
}

/* Serial number arithmetic; a flush with seq 0 removes unconditionally */
bool tstore_flush_applies(u32 flush, u32 put)
{
	return !flush || (s32)(flush - put) >= 0;
}

/**
 * tstore_flush_one() - drop a page unless it is newer than the flush
 * @s: the store
 * @key: its object
 * @index: the page
 * @seq: of the flush
 *
 * Return: true if a page was dropped
 */
bool tstore_flush_one(struct tstore *s, const struct tstore_key *key,
		      u64 index, u32 seq)
{
	struct tstore_shard *sh = tstore_shard(s, key, index);
	bool found;
	u32 *link;

	spin_lock(&sh->L2_lock);
	link = tstore_page_find_locked(s, sh, key, index);
	found = tstore_key_alive(key) && *link != TSTORE_NONE &&
		tstore_flush_applies(seq, tstore_page(s, *link)->seq);
	if (found) {
		tstore_page_remove_locked(s, sh, key, link,
					  tstore_shard_home(s, sh));
		sh->stat[TSTORE_FLUSHED]++;
	}
	spin_unlock(&sh->L2_lock);
	tstore_note(key, index, 1, tstore_ghost_flush);
	return found;
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
