// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: pools of the page store that several clients see
 *
 * A shared pool is a client of the store's own, one of the last ones of the
 * table, and its pages are in its pool 0.  So it has a charge, a queue, a target
 * and a ghost cache as any client, and gives up pages as any.  It is there as
 * long as the host allows anybody to join, or anybody has joined.
 *
 * A client that joins has a pool of its own, its slot, which has no pages but
 * names the shared pool.  A request names the slot; its key tells both.
 *
 *		Who excludes whom
 *
 * L1 covers who may join and who has, so of joining, leaving, allowing and
 * forbidding one is over before the next begins.  The first member makes the
 * pool 0, and the last one, before it has left, drops what is in it: meanwhile
 * nobody joins.
 *
 * A request counts itself in its slot, under L4 of its client, before it looks
 * at the shared pool, and until it is over.  Who leaves has killed the slot, and
 * waits until no request is counted there.  So there is a member as long as a
 * request is under way, and what it finds stays; and it is done in full, as others
 * rely on what it has answered.
 *
 * For the pages themselves it does not matter whose requests they are: locks of
 * shards and of the shared pool, as a client, order them.
 */
#include "private.h"

/* The shared pool of a name, or NULL */
static struct tstore_client *tstore_shared_find_locked(struct tstore *s,
						       const u64 *uuid)
{
	struct tstore_client *c;
	u32 i;

	env_assert_held(&s->L1_lock);
	for (i = s->max_clients - s->max_shared; i < s->max_clients; i++) {
		c = &s->clients[i];
		if (c->shared && c->shared->uuid[0] == uuid[0] &&
		    c->shared->uuid[1] == uuid[1])
			return c;
	}
	return NULL;
}

/* Makes the slot; there is a pool to go with it before anybody sees it */
static int tstore_shared_join_locked(struct tstore_client *shared,
				     struct tstore_client *c, u32 id)
{
	struct tstore *s = c->store;
	u32 ident = tstore_instance_locked(s);
	bool joined;
	int err;

	env_assert_held(&s->L1_lock);
	spin_lock(&shared->L4_lock);
	err = tstore_pool_create_locked(shared, 0, ident, NULL);
	spin_unlock(&shared->L4_lock);
	if (err)
		return err;

	ident |= TSTORE_IDENT_SHARED;
	spin_lock(&c->L4_lock);
	err = tstore_pool_create_locked(c, id, ident, shared);
	joined = *c->pools[id].ident == ident;
	spin_unlock(&c->L4_lock);
	shared->shared->members += joined;
	if (shared->shared->members)
		return err;
	/* made in vain, and nobody has seen it */
	spin_lock(&shared->L4_lock);
	env_write_once(*shared->pools[0].ident, 0);
	shared->nr_pools--;
	spin_unlock(&shared->L4_lock);
	return err;
}

/* TMEM_OP_POOL_CREATE of a shared pool */
int tstore_shared_join(struct tstore_client *c, const struct tmem_req *req)
{
	u64 uuid[2] = { req->object[0], req->object[1] };
	struct tstore *s = c->store;
	struct tstore_client *shared;
	int err = -EPERM;

	if (req->index & TMEM_POOL_PERSISTENT)
		return -EINVAL;
	spin_lock(&s->L1_lock);
	shared = tstore_shared_find_locked(s, uuid);
	if (shared && shared->shared->may[c - s->clients])
		err = tstore_shared_join_locked(shared, c, req->pool);
	spin_unlock(&s->L1_lock);
	return err;
}

static void tstore_shared_part_locked(struct tstore_client *shared,
				      struct tstore_client *c, u32 id)
{
	env_assert_held(&c->store->L1_lock);
	spin_lock(&c->L4_lock);
	c->pools[id].shared = NULL;
	spin_unlock(&c->L4_lock);
	shared->shared->members--;
}

static bool tstore_slot_busy(struct tstore_client *c, u32 id)
{
	bool busy;

	spin_lock(&c->L4_lock);
	busy = c->pools[id].requests;
	spin_unlock(&c->L4_lock);
	return busy;
}

/**
 * tstore_shared_leave() - what has to be done when a slot has died
 * @c: its client
 * @id: its id; the caller has killed it, and nobody else deals with it
 * @work: the pages dropped are added to its done, if this was the last member
 *
 * Context: no lock held; env_relax() and env_stop() between slices.
 * Return: false if it was stopped
 */
bool tstore_shared_leave(struct tstore_client *c, u32 id,
			 struct tstore_work *work)
{
	struct tstore_client *shared = c->pools[id].shared;
	struct tstore *s = c->store;
	u32 ident;

	while (tstore_slot_busy(c, id)) {
		env_relax();
		if (env_stop())
			return false;
	}
	for (;;) {
		ident = 0;
		spin_lock(&s->L1_lock);
		if (shared->shared->members == 1)
			ident = tstore_pool_kill(shared, 0);
		/* others, or nothing is there any more: it can go */
		if (!ident)
			tstore_shared_part_locked(shared, c, id);
		spin_unlock(&s->L1_lock);
		if (!ident)
			return true;
		if (!tstore_pool_bury(shared, 0, ident, work))
			return false;
	}
}

/**
 * tstore_shared_enter() - have a request find the pages of a shared pool
 * @key: names a slot; out: names the shared pool, which stays there until
 *	tstore_shared_exit()
 *
 * Return: 0, or -ENXIO if the client has left it
 */
int tstore_shared_enter(struct tstore_key *key)
{
	struct tstore_client *c = key->asker, *shared = NULL;
	struct tstore *s = c->store;

	key->slot = key->pool;
	spin_lock(&c->L4_lock);
	if (*key->slot->ident == key->ident) {
		shared = key->slot->shared;
		key->slot->requests++;
	}
	spin_unlock(&c->L4_lock);
	if (!shared)
		return -ENXIO;
	key->client = shared;
	key->pool = &shared->pools[0];
	key->number = (u32)(shared - s->clients) * s->max_pools;
	key->held = true;
	return 0;
}

/* The opposite */
void tstore_shared_exit(const struct tstore_key *key)
{
	spin_lock(&key->asker->L4_lock);
	key->slot->requests--;
	spin_unlock(&key->asker->L4_lock);
}

/* Ends the shared pools that nobody is in or may join */
static void tstore_shared_sweep(struct tstore *s)
{
	struct tstore_ghost *ghost;
	struct tstore_shared *sh;
	struct tstore_client *c;
	struct tstore_pool *pools;
	u32 i;

	for (i = s->max_clients - s->max_shared; i < s->max_clients; i++) {
		c = &s->clients[i];
		spin_lock(&s->L1_lock);
		sh = c->shared;
		if (!sh || sh->members || sh->allowed) {
			spin_unlock(&s->L1_lock);
			continue;
		}
		c->shared = NULL;
		tstore_client_strip_locked(c, &pools, &ghost);
		spin_unlock(&s->L1_lock);
		env_free(pools);
		tstore_ghost_destroy(ghost);
		env_free(sh);
	}
}

/* Allows; false if there is no such shared pool */
static bool tstore_shared_allow_locked(struct tstore_client *c, const u64 *uuid)
{
	struct tstore_client *shared;
	bool *may;

	shared = tstore_shared_find_locked(c->store, uuid);
	if (!shared)
		return false;
	may = &shared->shared->may[c - c->store->clients];
	shared->shared->allowed += !*may;
	*may = true;
	return true;
}

/* The opposite; false if it was not allowed */
static bool tstore_shared_forbid_locked(struct tstore_client *c,
					struct tstore_client *shared)
{
	bool *may = &shared->shared->may[c - c->store->clients];

	env_assert_held(&c->store->L1_lock);
	if (!*may)
		return false;
	*may = false;
	shared->shared->allowed--;
	return true;
}

/* Takes a free place of the table; false if there is none */
static bool tstore_shared_begin_locked(struct tstore *s,
				       struct tstore_shared *sh,
				       struct tstore_pool *pools,
				       struct tstore_ghost *ghost)
{
	u32 i = s->max_clients - s->max_shared;
	struct tstore_client *c;

	env_assert_held(&s->L1_lock);
	while (i < s->max_clients && s->clients[i].shared)
		i++;
	if (i == s->max_clients)
		return false;
	c = &s->clients[i];
	spin_lock(&c->L4_lock);
	memset(c->rec, 0, sizeof(*c->rec));
	c->rec->limit = ~0ULL;
	c->rec->weight = 1;
	c->rec->epoch = ++s->super->epochs;
	spin_unlock(&c->L4_lock);
	env_store_release(&c->rec->used, 1);
	tstore_client_equip(c, pools, ghost);
	c->shared = sh;
	return true;
}

/* Makes a shared pool that one client may join */
static int tstore_shared_create(struct tstore_client *c, const u64 *uuid)
{
	struct tstore *s = c->store;
	struct tstore_ghost *ghost;
	struct tstore_pool *pools;
	struct tstore_shared *sh;
	bool there, begun = false;

	sh = env_zalloc(sizeof(*sh) + s->max_clients * sizeof(sh->may[0]));
	if (!sh)
		return -ENOMEM;
	if (tstore_client_alloc(s, &pools, &ghost)) {
		env_free(sh);
		return -ENOMEM;
	}
	sh->uuid[0] = uuid[0];
	sh->uuid[1] = uuid[1];
	spin_lock(&s->L1_lock);
	/* somebody else may have made it meanwhile */
	there = tstore_shared_allow_locked(c, uuid);
	if (!there)
		begun = tstore_shared_begin_locked(s, sh, pools, ghost);
	if (begun)
		there = tstore_shared_allow_locked(c, uuid);
	spin_unlock(&s->L1_lock);
	if (!begun) {
		env_free(pools);
		tstore_ghost_destroy(ghost);
		env_free(sh);
	}
	return there ? 0 : -ENOSPC;
}

/**
 * tstore_client_allow() - let a client join a shared pool
 * @c: the client
 * @uuid: two words, the name of the shared pool, which need not be there yet
 *
 * Until tstore_client_forbid(), or the client's end.  Allowed twice is allowed.
 *
 * Context: no lock held; allocates.
 * Return: 0, -EINVAL if that is no name, all zero, -ENOMEM, or -ENOSPC if there
 * are max_shared already
 */
int tstore_client_allow(struct tstore_client *c, const u64 *uuid)
{
	struct tstore *s = c->store;
	bool there;

	if (!uuid[0] && !uuid[1])
		return -EINVAL;
	spin_lock(&s->L1_lock);
	there = tstore_shared_allow_locked(c, uuid);
	spin_unlock(&s->L1_lock);
	return there ? 0 : tstore_shared_create(c, uuid);
}

/* Kills a slot if it is of this shared pool; then @busy, and its ident or 0 */
static u32 tstore_slot_kill(struct tstore_client *c, u32 id, const u64 *uuid,
			    bool *busy)
{
	struct tstore *s = c->store;
	struct tstore_client *shared;
	u32 ident = 0;

	spin_lock(&s->L1_lock);
	shared = tstore_shared_find_locked(s, uuid);
	*busy = shared && c->pools[id].shared == shared;
	if (*busy)
		ident = tstore_pool_kill(c, id);
	spin_unlock(&s->L1_lock);
	return ident;
}

/* Makes a client leave by one of its pools, if it is in by that; false: stopped */
static bool tstore_slot_expel(struct tstore_client *c, u32 id, const u64 *uuid)
{
	struct tstore_work work = { 0 };
	bool busy;
	u32 ident;

	for (;;) {
		ident = tstore_slot_kill(c, id, uuid, &busy);
		if (!busy)
			return true;
		if (ident)
			return tstore_pool_end(c, id, ident, &work);
		/* another request is at it */
		env_relax();
		if (env_stop())
			return false;
	}
}

/**
 * tstore_client_forbid() - make a client leave a shared pool, for good
 * @c: the client; it may be executing requests
 * @uuid: two words, the name of the shared pool
 * @begun: false at first; if this was stopped it is to be called again with what
 *	is there
 *
 * When this returns 0 no request of the client is under way there, and those to
 * come get -ENXIO.  The pages stay if there is another member.
 *
 * Context: no lock held; env_relax() and env_stop() between slices.
 * Return: 0, -ENOENT if it was not allowed, or 1 if it was stopped
 */
int tstore_client_forbid(struct tstore_client *c, const u64 *uuid,
			 bool *begun)
{
	struct tstore *s = c->store;
	struct tstore_client *shared;
	u32 id;

	spin_lock(&s->L1_lock);
	shared = tstore_shared_find_locked(s, uuid);
	if (shared && tstore_shared_forbid_locked(c, shared))
		*begun = true;
	spin_unlock(&s->L1_lock);
	if (!*begun)
		return -ENOENT;
	for (id = 0; id < s->max_pools; id++)
		if (!tstore_slot_expel(c, id, uuid))
			return TSTORE_STOPPED;
	tstore_shared_sweep(s);
	return 0;
}

/* A client ends, and has left all shared pools: it may join none any more */
void tstore_shared_forget(struct tstore_client *c)
{
	struct tstore *s = c->store;
	u32 i;

	for (i = s->max_clients - s->max_shared; i < s->max_clients; i++) {
		spin_lock(&s->L1_lock);
		if (s->clients[i].shared)
			tstore_shared_forbid_locked(c, &s->clients[i]);
		spin_unlock(&s->L1_lock);
	}
	tstore_shared_sweep(s);
}

static bool tstore_shared_joined_locked(struct tstore_client *c,
					struct tstore_client *shared)
{
	bool joined = false;
	u32 id;

	env_assert_held(&c->store->L1_lock);
	spin_lock(&c->L4_lock);
	for (id = 0; id < c->store->max_pools && !joined; id++)
		joined = c->pools[id].shared == shared;
	spin_unlock(&c->L4_lock);
	return joined;
}

static void tstore_shared_look_locked(struct tstore_client *c,
				      struct tstore_client *shared,
				      struct tstore_shared_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->uuid[0] = shared->shared->uuid[0];
	out->uuid[1] = shared->shared->uuid[1];
	out->members = shared->shared->members;
	out->joined = tstore_shared_joined_locked(c, shared);
	spin_lock(&shared->L4_lock);
	out->pages = shared->charged[TSTORE_EPHEMERAL];
	out->bytes = shared->bytes;
	out->evicted = shared->evicted;
	spin_unlock(&shared->L4_lock);
}

/**
 * tstore_client_shared() - look at the shared pools that a client may join
 * @c: the client
 * @at: 0 for the first one; what the last call left for the next
 * @out: how it is
 *
 * Context: no lock held.
 * Return: false if there are no more
 */
bool tstore_client_shared(struct tstore_client *c, u32 *at,
			  struct tstore_shared_stats *out)
{
	struct tstore *s = c->store;
	struct tstore_client *shared;
	bool found = false;

	spin_lock(&s->L1_lock);
	while (*at < s->max_shared && !found) {
		shared = &s->clients[s->max_clients - s->max_shared + *at];
		found = shared->shared &&
			shared->shared->may[c - s->clients];
		if (found)
			tstore_shared_look_locked(c, shared, out);
		++*at;
	}
	spin_unlock(&s->L1_lock);
	return found;
}
