// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: dividing the page store among its clients
 *
 * Now and then the host has a policy look at all clients and set a target for
 * each.  In between, requests only compare integers: the client that is
 * furthest above its target gives up pages when there are none free, see
 * tstore_victim().
 *
 * What clients would do with more, or less, is what their ghost caches tell.
 * Only ephemeral pages are in those: a persistent page is no matter of hits.
 */
#include "private.h"

/* Active are the pages that this part of the hits, in percent, comes from */
#define TSTORE_ACTIVE_HITS	95U

static u64 tstore_ghost_hash(const struct tstore_key *key, u64 index)
{
	/* nothing in common with shards and buckets, which go by blocks */
	return tstore_mix(tstore_mix(key->hash, index), key->hash);
}

/**
 * tstore_note() - tell a client's ghost cache what became of pages
 * @key: the object
 * @index: first page
 * @nr: pages
 * @what: tstore_ghost_put(), tstore_ghost_get() or tstore_ghost_flush()
 *
 * Context: no lock held, so what others do at the same time may be noted in
 * another order than it was done; that is one error more of an estimate.
 */
void tstore_note(const struct tstore_key *key, u64 index, u32 nr,
		 void (*what)(struct tstore_ghost *g, u64 hash))
{
	struct tstore_client *c = key->client;
	u64 hash;
	u32 i;

	if (!c->ghost || tstore_key_kind(key) == TSTORE_PERSISTENT)
		return;
	for (i = 0; i < nr; i++) {
		hash = tstore_ghost_hash(key, index + i);
		if (!tstore_ghost_samples(c->ghost, hash))
			continue;
		spin_lock(&c->L8_lock);
		what(c->ghost, hash);
		spin_unlock(&c->L8_lock);
	}
}

/* Which part of @held pages brings nearly all hits, of TSTORE_ACTIVE_ALL */
static u32 tstore_active_locked(struct tstore_client *c, u64 held)
{
	struct tstore_ghost_at all = {}, at = {};
	u64 wanted;
	u32 i;

	env_assert_held(&c->L8_lock);
	wanted = tstore_ghost_hits(c->ghost, &all, held) * TSTORE_ACTIVE_HITS /
		 100;
	for (i = 0; i < TSTORE_CURVE_STEPS; i++)
		if (tstore_ghost_hits(c->ghost, &at,
				      held * i / TSTORE_CURVE_STEPS) >= wanted)
			break;
	return held ? i * TSTORE_ACTIVE_ALL / TSTORE_CURVE_STEPS :
		      TSTORE_ACTIVE_ALL;
}

/*
 * Fills the curve in; from here on what it is made of weighs half.  Packed or
 * not, more of the client's pages are taken to be like those that it has.
 */
static void tstore_curve(struct tstore_client *c, struct tstore_share *share,
			 u64 ephemeral, u64 persistent, u64 capacity)
{
	u64 held = ephemeral + persistent;
	struct tstore_ghost_at at = {};
	u64 pages;
	u32 i;

	spin_lock(&c->L8_lock);
	/* one that is not there yet, or not any more */
	if (!c->ghost) {
		spin_unlock(&c->L8_lock);
		return;
	}
	share->active = tstore_active_locked(c, ephemeral);
	share->puts = tstore_ghost_puts(c->ghost);
	for (i = 0; i <= TSTORE_CURVE_STEPS; i++) {
		pages = capacity * i / TSTORE_CURVE_STEPS;
		if (share->held)
			pages = pages * held / share->held;
		share->hits[i] = pages <= persistent ? 0 :
			tstore_ghost_hits(c->ghost, &at, pages - persistent);
	}
	tstore_ghost_age(c->ghost);
	spin_unlock(&c->L8_lock);
}

static void tstore_share_init(struct tstore_client *c,
			      struct tstore_share *share, u64 capacity)
{
	u64 ephemeral, persistent, refused;

	memset(share, 0, sizeof(*share));
	share->client = c - c->store->clients;
	spin_lock(&c->L4_lock);
	ephemeral = c->charged[TSTORE_EPHEMERAL];
	persistent = c->charged[TSTORE_PERSISTENT];
	share->held = tstore_used(c->bytes);
	share->weight = c->rec->weight;
	share->min = c->rec->min;
	share->cap = c->rec->limit;
	share->target = c->target;
	refused = c->reject[TSTORE_REJECT_FULL] +
		  c->reject[TSTORE_REJECT_LIMIT] + c->evicted;
	share->refused = refused - c->refused;
	c->refused = refused;
	spin_unlock(&c->L4_lock);

	share->active = TSTORE_ACTIVE_ALL;
	if (c->store->ghosts)
		tstore_curve(c, share, ephemeral, persistent, capacity);
}

static bool tstore_is_used(struct tstore *s, u32 client)
{
	bool used;

	spin_lock(&s->L1_lock);
	used = s->records[client].used;
	spin_unlock(&s->L1_lock);
	return used;
}

/**
 * tstore_divide() - have a policy set the clients' targets
 * @s: the store
 * @policy: one of tstore_policies
 *
 * Moves no page: who is above the target gives up pages when others put.
 * A host calls this once a second or so.
 *
 * Context: no lock held.  One call is over before the next begins.  A client that
 * is destroyed meanwhile is counted or not, and so is one that is created, which
 * may begin with the target of one before.
 */
void tstore_divide(struct tstore *s, const struct tstore_policy *policy)
{
	u64 capacity = s->nr_frames - env_read_once(s->out);
	u32 i, nr = 0;

	for (i = 0; i < s->max_clients; i++)
		if (tstore_is_used(s, i))
			tstore_share_init(&s->clients[i], &s->shares[nr++],
					  capacity);
	if (!nr)
		return;
	policy->divide(s->shares, nr, capacity);
	for (i = 0; i < nr; i++)
		env_write_once(s->clients[s->shares[i].client].target,
			       s->shares[i].target);
}

/**
 * tstore_client_set_share() - change what a client may expect of the store
 * @c: the client
 * @min: pages that it is sure of
 * @weight: what it is worth, against others; 1 for a new client
 *
 * To be seen after the next tstore_divide().
 *
 * Context: no lock held.
 */
void tstore_client_set_share(struct tstore_client *c, u64 min, u32 weight)
{
	spin_lock(&c->L4_lock);
	c->rec->min = min;
	c->rec->weight = weight;
	spin_unlock(&c->L4_lock);
}

/**
 * tstore_client_target() - what the last tstore_divide() found to be its due
 * @c: the client
 *
 * Context: any.
 * Return: pages; 0 before the first division
 */
u64 tstore_client_target(struct tstore_client *c)
{
	return env_read_once(c->target);
}
