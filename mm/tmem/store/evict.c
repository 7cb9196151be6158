// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: room in the page store
 *
 * Every client has one queue of its ephemeral pages in the order in which
 * they came.  A page that a client gets leaves its private pool, so no page
 * is ever used twice, and the order of arrival is the order of age.
 *
 * A client at its limit gives up its own oldest page.  When the arena is full,
 * the client does that is furthest above its target.  Without targets that is
 * the one with the most pages, which for two clients that want more than there
 * is ends in equal shares.  The pages that a put has stored so far do not count
 * as its client's: a run never evicts itself.
 *
 * Persistent pages are not on a queue and so are never evicted.
 */
#include "private.h"

/* Changes what a client is charged */
void tstore_charge_locked(struct tstore_client *c, enum tstore_kind kind,
			  s64 pages, s64 bytes)
{
	env_assert_held(&c->L4_lock);
	env_write_once(c->charged[kind], c->charged[kind] + pages);
	env_write_once(c->bytes, c->bytes + bytes);
}

/**
 * tstore_reserve() - charge pages and take slots for them
 * @c: who pays
 * @kind: ephemeral or persistent
 * @home: bank to begin with
 * @pages: out: handles
 * @nr: how many
 *
 * Context: may be called with the lock of a shard held.
 * Return: 0 with all @nr, or -EDQUOT or -ENOSPC with none
 */
int tstore_reserve(struct tstore_client *c, enum tstore_kind kind, u32 home,
		   u32 *pages, u32 nr)
{
	spin_lock(&c->L4_lock);
	if (tstore_used(c->bytes) + nr > c->rec->limit) {
		spin_unlock(&c->L4_lock);
		return -EDQUOT;
	}
	tstore_charge_locked(c, kind, nr, (u64)nr * PAGE_SIZE);
	spin_unlock(&c->L4_lock);

	if (tstore_frame_alloc(c->store, home, pages, nr))
		return 0;
	spin_lock(&c->L4_lock);
	tstore_charge_locked(c, kind, -(s64)nr, -(s64)nr * (s64)PAGE_SIZE);
	spin_unlock(&c->L4_lock);
	return -ENOSPC;
}

/* Names a client's oldest ephemeral page; false if it has none */
static bool tstore_oldest(struct tstore_client *c, struct tstore_key *key,
			  u32 *p, u64 *index)
{
	struct tstore *s = c->store;
	struct tstore_page *page;

	spin_lock(&c->L4_lock);
	*p = c->oldest;
	/* on the queue, so neither it nor its object can go away */
	if (*p != TSTORE_NONE) {
		page = tstore_page(s, *p);
		*index = tstore_page_key(s, page, key);
		/* one victim is rarely enough */
		env_prefetch(tstore_page(s, page->qnext));
	}
	spin_unlock(&c->L4_lock);
	return *p != TSTORE_NONE;
}

/* Is it still?  Then it stays so while the caller holds its shard. */
static bool tstore_is_oldest(struct tstore_client *c, struct tstore_key *key,
			     u32 p)
{
	bool is;

	spin_lock(&c->L4_lock);
	is = c->oldest == p;
	if (is) {
		key->pool = &c->pools[key->number % c->store->max_pools];
		c->evicted++;
	}
	spin_unlock(&c->L4_lock);
	return is;
}

/**
 * tstore_evict_one() - drop the oldest ephemeral page of a client
 * @c: the client
 * @home: bank that gets the slot
 *
 * The queue names a victim, but its shard comes before the queue in the order
 * of locks; so it is named, looked up, and dropped if it is still the oldest.
 *
 * Context: no lock held.
 * Return: false if it has none
 */
bool tstore_evict_one(struct tstore_client *c, u32 home)
{
	struct tstore_key key = { .client = c, .ident = TSTORE_IDENT_LIVE };
	struct tstore *s = c->store;
	struct tstore_shard *sh;
	bool done = false;
	u64 index = 0;
	u32 *link;
	u32 p;

	while (!done) {
		if (!tstore_oldest(c, &key, &p, &index))
			return false;
		tstore_key_hash(s, &key);
		sh = tstore_shard(s, &key, index);
		spin_lock(&sh->L2_lock);
		link = tstore_page_find_locked(s, sh, &key, index);
		if (*link == p && tstore_is_oldest(c, &key, p)) {
			tstore_page_unhash_locked(s, sh, link);
			tstore_page_drop_locked(s, sh, &key, &p, 1, home);
			sh->stat[TSTORE_EVICTED]++;
			done = true;
		}
		spin_unlock(&sh->L2_lock);
	}
	return true;
}

/* How far a client is above its target, as pages below are negative */
static s64 tstore_above(struct tstore_client *c)
{
	return tstore_used(env_read_once(c->bytes)) - env_read_once(c->target);
}

/**
 * tstore_victim() - who is to give up pages
 * @s: the store
 * @c: who wants to put, or NULL
 * @own: pages that it could give up itself
 * @done: its pages of the put in progress
 *
 * Return: who is furthest above its target, of those that have something to
 * give; @c itself if nobody is further and it has any of its @own; or NULL
 */
struct tstore_client *tstore_victim(struct tstore *s, struct tstore_client *c,
				    u64 own, u64 done)
{
	struct tstore_client *victim = own ? c : NULL, *other;
	s64 above, most = own ? tstore_above(c) - (s64)done : 0;
	u32 i;

	for (i = 0; i < s->max_clients; i++) {
		other = &s->clients[i];
		if (other == c ||
		    !env_read_once(other->charged[TSTORE_EPHEMERAL]))
			continue;
		above = tstore_above(other);
		if (!victim || above > most) {
			most = above;
			victim = other;
		}
	}
	return victim;
}

/**
 * tstore_make_room() - evict until a reservation can succeed
 * @c: who wants to put
 * @home: bank that gets the slots
 * @want: pages to be charged
 * @frames: free frames that it takes
 * @done: ephemeral pages of @c that belong to the same put and must stay
 *
 * Context: no lock held; env_relax() between evictions.
 * Return: 0, or -EDQUOT or -ENOSPC if there is nothing to evict
 */
int tstore_make_room(struct tstore_client *c, u32 home, u32 want, u32 frames,
		     u64 done)
{
	struct tstore *s = c->store;
	struct tstore_client *victim;
	u64 ephemeral, limit, own, sum;
	u32 evicted = 0;
	int err;

	for (;;) {
		spin_lock(&c->L4_lock);
		limit = c->rec->limit;
		ephemeral = c->charged[TSTORE_EPHEMERAL];
		sum = tstore_used(c->bytes);
		spin_unlock(&c->L4_lock);

		own = ephemeral > done ? ephemeral - done : 0;
		if (sum + want > limit) {
			if (sum + want - limit > own)
				return -EDQUOT;
			victim = c;
			err = -EDQUOT;
		} else if (tstore_pages_free(s) < frames) {
			/* packed pages may leave holes instead of frames */
			if (evicted >= TSTORE_SLICE && tstore_compact(s)) {
				evicted = 0;
				continue;
			}
			victim = tstore_victim(s, c, own, done);
			err = -ENOSPC;
			if (!victim)
				return err;
		} else {
			return 0;
		}
		if (!tstore_evict_one(victim, home))
			return err;
		evicted++;
		env_relax();
	}
}
