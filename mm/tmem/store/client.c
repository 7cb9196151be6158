// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: clients of the page store, their epochs and pools
 *
 * A pool dies in three steps: its ident becomes 0, so that no request finds it
 * any more; every shard is locked once, so that whoever found it before has
 * let go of it; what it holds is dropped, in slices.  Until that is over its
 * id is busy.  An attach does this to all pools of the client before it gives
 * out the new epoch.  For a pool that is shared the latter two are that the
 * client leaves it, see shared.c.
 */
#include "private.h"

void tstore_clients_init(struct tstore *s)
{
	u32 i;

	for (i = 0; i < s->max_clients; i++) {
		s->clients[i].store = s;
		s->clients[i].rec = &s->records[i];
		s->clients[i].oldest = TSTORE_NONE;
		env_lock_init(&s->clients[i].L4_lock, TSTORE_L4);
		env_lock_init(&s->clients[i].L8_lock, TSTORE_L8);
	}
}

/**
 * tstore_client_alloc() - what a client needs beside its record
 * @s: the store
 * @pools: out: memory for its pools
 * @ghost: out: its ghost cache, or NULL
 *
 * Return: 0 or -ENOMEM
 */
int tstore_client_alloc(struct tstore *s, struct tstore_pool **pools,
			struct tstore_ghost **ghost)
{
	*ghost = NULL;
	*pools = env_zalloc(s->max_pools * sizeof(**pools));
	if (!*pools)
		return -ENOMEM;
	if (s->ghosts) {
		*ghost = tstore_ghost_create();
		if (!*ghost) {
			env_free(*pools);
			return -ENOMEM;
		}
	}
	return 0;
}

/**
 * tstore_client_equip() - give a client what it needs beside its record
 * @c: the client
 * @pools: memory for its pools, whose idents are in the head
 * @ghost: its ghost cache, or NULL
 */
void tstore_client_equip(struct tstore_client *c, struct tstore_pool *pools,
			 struct tstore_ghost *ghost)
{
	struct tstore *s = c->store;
	u32 *idents = s->idents + (size_t)(c - s->clients) * s->max_pools;
	u32 i;

	spin_lock(&c->L8_lock);
	c->ghost = ghost;
	spin_unlock(&c->L8_lock);
	spin_lock(&c->L4_lock);
	c->pools = pools;
	c->nr_pools = 0;
	memset(&c->report, 0, sizeof(c->report));
	c->reports = 0;
	c->grant = 0;
	c->refused_persistent = false;
	env_write_once(c->target, 0);
	tstore_freeze_locked(c);
	for (i = 0; i < s->max_pools; i++) {
		pools[i].ident = &idents[i];
		pools[i].first = TSTORE_NONE;
		c->nr_pools += !!idents[i];
	}
	spin_unlock(&c->L4_lock);
}

/* The opposite: takes what is to be freed */
void tstore_client_strip_locked(struct tstore_client *c,
				struct tstore_pool **pools,
				struct tstore_ghost **ghost)
{
	env_assert_held(&c->store->L1_lock);
	spin_lock(&c->L4_lock);
	*pools = c->pools;
	c->pools = NULL;
	spin_unlock(&c->L4_lock);
	spin_lock(&c->L8_lock);
	*ghost = c->ghost;
	c->ghost = NULL;
	spin_unlock(&c->L8_lock);
	env_write_once(c->rec->used, 0);
}

/**
 * tstore_client_create() - add a client
 * @s: the store
 * @limit: most pages that it may keep
 * @out: the client
 *
 * A client can do nothing before its first TMEM_OP_ATTACH.
 *
 * Context: no lock held; allocates.
 * Return: 0, -ENOMEM, or -ENOSPC if there are max_clients already
 */
int tstore_client_create(struct tstore *s, u64 limit,
			 struct tstore_client **out)
{
	struct tstore_client *c = NULL;
	struct tstore_ghost *ghost;
	struct tstore_pool *pools;
	int err;
	u32 i;

	err = tstore_client_alloc(s, &pools, &ghost);
	if (err)
		return err;

	spin_lock(&s->L1_lock);
	for (i = 0; i < s->max_clients - s->max_shared && !c; i++)
		if (!s->records[i].used)
			c = &s->clients[i];
	if (c) {
		spin_lock(&c->L4_lock);
		memset(c->rec, 0, sizeof(*c->rec));
		c->rec->limit = limit;
		c->rec->weight = 1;
		spin_unlock(&c->L4_lock);
		env_store_release(&c->rec->used, 1);
	}
	spin_unlock(&s->L1_lock);
	if (!c) {
		tstore_ghost_destroy(ghost);
		env_free(pools);
		return -ENOSPC;
	}
	tstore_client_equip(c, pools, ghost);
	*out = c;
	return 0;
}

/**
 * tstore_client_set_tag() - name a client, for the time after a crash
 * @c: the client
 * @tag: a name of the host's choice; a new client has 0
 *
 * Context: no lock held.
 */
void tstore_client_set_tag(struct tstore_client *c, u64 tag)
{
	spin_lock(&c->L4_lock);
	c->rec->tag = tag;
	spin_unlock(&c->L4_lock);
}

/**
 * tstore_client_find() - the client that has a tag
 * @s: the store
 * @tag: its tag
 *
 * After tstore_open() a host claims its clients by this and destroys those that
 * it does not know or had not named yet, which have the tag 0.
 *
 * Context: no lock held; clients are neither created nor destroyed meanwhile.
 * Return: the first such client, or NULL
 */
struct tstore_client *tstore_client_find(struct tstore *s, u64 tag)
{
	u32 i;

	for (i = 0; i < s->max_clients - s->max_shared; i++)
		if (s->records[i].used && s->records[i].tag == tag)
			return &s->clients[i];
	return NULL;
}

/*
 * Makes a pool invisible, or takes over one whose end was stopped; its ident,
 * or 0 if there is nothing to drain
 */
u32 tstore_pool_kill(struct tstore_client *c, u32 id)
{
	struct tstore_pool *pool = &c->pools[id];
	u32 ident;

	spin_lock(&c->L4_lock);
	ident = *pool->ident;
	if (ident) {
		pool->dying = ident;
		env_write_once(*pool->ident, 0);
		c->nr_pools--;
	} else if (pool->stopped) {
		ident = pool->dying;
	}
	pool->stopped = false;
	spin_unlock(&c->L4_lock);
	return ident;
}

static void tstore_pool_buried(struct tstore_client *c, u32 id, bool over)
{
	spin_lock(&c->L4_lock);
	if (over)
		c->pools[id].dying = 0;
	else
		c->pools[id].stopped = true;
	spin_unlock(&c->L4_lock);
}

/*
 * The rest of the death of a pool that has pages of its own, for whoever killed
 * it; false: stopped
 */
bool tstore_pool_bury(struct tstore_client *c, u32 id, u32 ident,
		      struct tstore_work *work)
{
	bool over;

	tstore_shards_cycle(c->store);
	over = tstore_pool_drain(c->store, c, id, ident, work);
	tstore_pool_buried(c, id, over);
	return over;
}

/* The same for any pool */
bool tstore_pool_end(struct tstore_client *c, u32 id, u32 ident,
		     struct tstore_work *work)
{
	bool over;

	if (!(ident & TSTORE_IDENT_SHARED))
		return tstore_pool_bury(c, id, ident, work);
	over = tstore_shared_leave(c, id, work);
	tstore_pool_buried(c, id, over);
	return over;
}

static bool tstore_pool_busy(struct tstore_client *c, u32 id)
{
	bool busy;

	spin_lock(&c->L4_lock);
	busy = *c->pools[id].ident || c->pools[id].dying;
	spin_unlock(&c->L4_lock);
	return busy;
}

/*
 * Destroys all pools; false: stopped.  The caller has seen to it that none is
 * created meanwhile, but another request may be destroying one: that is waited
 * for.
 */
bool tstore_pools_destroy(struct tstore_client *c, struct tstore_work *work)
{
	u32 id, ident;

	for (id = 0; id < c->store->max_pools; id++) {
		while (tstore_pool_busy(c, id)) {
			ident = tstore_pool_kill(c, id);
			if (ident && !tstore_pool_end(c, id, ident, work))
				return false;
			if (ident)
				continue;
			env_relax();
			if (env_stop())
				return false;
		}
	}
	return true;
}

/**
 * tstore_client_clear() - remove all that a client keeps
 * @c: the client; no request of it is being executed, and none will be; it is
 *	neither being saved nor restored
 *
 * For a host that has to stop now and then; tstore_client_destroy() has little
 * left to do then.
 *
 * Context: no lock held; env_relax() and env_stop() between slices.
 * Return: false if it was stopped, and is to be called again
 */
bool tstore_client_clear(struct tstore_client *c)
{
	struct tstore_work work = { 0 };

	return tstore_pools_destroy(c, &work);
}

/**
 * tstore_client_destroy() - remove a client and all that it keeps
 * @c: the client; no request of it is being executed, and none will be; it is
 *	neither being saved nor restored
 *
 * Context: no lock held; env_relax() between slices.
 */
void tstore_client_destroy(struct tstore_client *c)
{
	struct tstore *s = c->store;
	struct tstore_ghost *ghost;
	struct tstore_pool *pools;

	while (!tstore_client_clear(c))
		env_relax();
	tstore_shared_forget(c);
	spin_lock(&s->L1_lock);
	tstore_client_strip_locked(c, &pools, &ghost);
	spin_unlock(&s->L1_lock);
	env_free(pools);
	tstore_ghost_destroy(ghost);
}

/**
 * tstore_client_set_limit() - change how many pages a client may keep
 * @c: the client
 * @limit: pages
 *
 * Ephemeral pages beyond it are dropped, oldest first.  Persistent ones are
 * not: a client that has more of them cannot put until it has flushed some.
 *
 * Context: no lock held; env_relax() between evictions.
 */
void tstore_client_set_limit(struct tstore_client *c, u64 limit)
{
	bool over;

	spin_lock(&c->L4_lock);
	c->rec->limit = limit;
	spin_unlock(&c->L4_lock);
	do {
		spin_lock(&c->L4_lock);
		over = tstore_used(c->bytes) > c->rec->limit;
		spin_unlock(&c->L4_lock);
		env_relax();
	} while (over && tstore_evict_one(c, 0));
}

/* Whether puts are refused follows from what the host wants and from a save */
void tstore_freeze_locked(struct tstore_client *c)
{
	env_assert_held(&c->L4_lock);
	if (c->rec->frozen || c->save)
		env_write_once(c->frozen, 0xff);
	else
		env_write_once(c->frozen,
			       c->refused_persistent << TSTORE_PERSISTENT);
}

/**
 * tstore_client_freeze() - refuse puts, or accept them again
 * @c: the client
 * @frozen: refuse
 *
 * A refused put still drops older copies of its pages; gets and flushes go on.
 * When this returns, no put that began before is in progress.  A client that is
 * being saved stays frozen until that is over.
 *
 * Context: no lock held.
 */
void tstore_client_freeze(struct tstore_client *c, bool frozen)
{
	spin_lock(&c->L4_lock);
	c->rec->frozen = frozen;
	tstore_freeze_locked(c);
	spin_unlock(&c->L4_lock);
	tstore_shards_cycle(c->store);
}

/**
 * tstore_client_refuse() - refuse puts that must stay, or accept them again
 * @c: the client
 * @refuse: do
 *
 * For a client that keeps memory which it owes to others.  Nothing is done to
 * what it has put before, and its other puts go on.  What was refused is counted
 * as if the client was frozen.
 *
 * Context: no lock held.
 */
void tstore_client_refuse(struct tstore_client *c, bool refuse)
{
	spin_lock(&c->L4_lock);
	c->refused_persistent = refuse;
	tstore_freeze_locked(c);
	spin_unlock(&c->L4_lock);
}

/**
 * tstore_client_evict() - drop ephemeral pages of a client, oldest first
 * @c: the client
 * @nr: how many; each takes about as long as an eviction by a put does, so a
 *	host that must not wait asks for a few at a time
 *
 * Context: no lock held; env_relax() between evictions.
 * Return: how many there were; fewer than @nr if it has no more
 */
u32 tstore_client_evict(struct tstore_client *c, u32 nr)
{
	u32 done;

	for (done = 0; done < nr && tstore_evict_one(c, 0); done++)
		env_relax();
	return done;
}

/**
 * tstore_client_stats() - look at a client
 * @c: the client
 * @out: what it has and what has happened to it, all of one moment but for
 *	@out->found
 *
 * Context: no lock held.
 */
void tstore_client_stats(struct tstore_client *c,
			 struct tstore_client_stats *out)
{
	memset(out, 0, sizeof(*out));
	spin_lock(&c->L4_lock);
	out->limit = c->rec->limit;
	out->target = env_read_once(c->target);
	out->ephemeral = c->charged[TSTORE_EPHEMERAL];
	out->persistent = c->charged[TSTORE_PERSISTENT];
	out->bytes = c->bytes;
	out->pools = c->nr_pools;
	out->evicted = c->evicted;
	out->reject_full = c->reject[TSTORE_REJECT_FULL];
	out->reject_limit = c->reject[TSTORE_REJECT_LIMIT];
	out->reject_frozen = c->reject[TSTORE_REJECT_FROZEN];
	out->report = c->report;
	out->reports = c->reports;
	spin_unlock(&c->L4_lock);

	spin_lock(&c->L8_lock);
	if (c->ghost)
		out->found = tstore_ghost_found(c->ghost);
	spin_unlock(&c->L8_lock);
}

/**
 * tstore_client_pool() - what pool does an id name?
 * @c: the client
 * @id: the id
 *
 * Context: any; the answer may be of the past when others are at work.
 * Return: TMEM_POOL_* flags, or -ENXIO if there is no such pool
 */
int tstore_client_pool(struct tstore_client *c, u32 id)
{
	u32 ident;

	if (id >= c->store->max_pools)
		return -ENXIO;
	ident = env_read_once(*c->pools[id].ident);
	if (!ident)
		return -ENXIO;
	return (ident & TSTORE_IDENT_PERSISTENT ? TMEM_POOL_PERSISTENT : 0) |
	       (ident & TSTORE_IDENT_SHARED ? TMEM_POOL_SHARED : 0);
}

static bool tstore_attach_valid(const struct tmem_attach *at)
{
	u64 reserved = 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(at->reserved); i++)
		reserved |= at->reserved[i];
	return !reserved && at->page_shift == PAGE_SHIFT;
}

/* TMEM_OP_ATTACH */
int tstore_attach(struct tstore_client *c,
		  const struct tmem_req *req __always_unused, env_data_t data,
		  struct tstore_work *work)
{
	struct tstore *s = c->store;
	struct tmem_attach at;
	bool busy, over;
	void *ptr;

	ptr = env_data_map(data, 0);
	if (!ptr)
		return -EFAULT;
	memcpy(&at, ptr, sizeof(at));
	env_data_unmap(ptr);
	if (at.version < TMEM_ABI_VERSION)
		return -EOPNOTSUPP;
	if (!tstore_attach_valid(&at))
		return -EINVAL;

	spin_lock(&c->L4_lock);
	busy = c->attaching || c->restore;
	if (!busy)
		c->attaching = true;
	spin_unlock(&c->L4_lock);
	if (busy)
		return -EBUSY;
	over = tstore_pools_destroy(c, work);
	if (!over) {
		spin_lock(&c->L4_lock);
		c->attaching = false;
		spin_unlock(&c->L4_lock);
		return TSTORE_STOPPED;
	}

	at.version = TMEM_ABI_VERSION;
	at.features &= TMEM_FEATURES;
	at.max_pools = s->max_pools;
	at.max_run = TMEM_MAX_RUN;
	spin_lock(&s->L1_lock);
	at.epoch = ++s->super->epochs;
	spin_unlock(&s->L1_lock);

	spin_lock(&c->L4_lock);
	c->rec->epoch = at.epoch;
	c->rec->features = at.features;
	memset(&c->report, 0, sizeof(c->report));
	c->attaching = false;
	spin_unlock(&c->L4_lock);

	ptr = env_data_map(data, 0);
	if (!ptr)
		return -EFAULT;
	memcpy(ptr, &at, sizeof(at));
	env_data_unmap(ptr);
	return 0;
}

/* @shared: what has its pages if it is shared, or NULL */
int tstore_pool_create_locked(struct tstore_client *c, u32 id, u32 ident,
			      struct tstore_client *shared)
{
	struct tstore_pool *pool = &c->pools[id];

	env_assert_held(&c->L4_lock);
	if (!c->rec->epoch)
		return -ENOTCONN;
	if (c->attaching || pool->dying)
		return -EBUSY;
	if (*pool->ident)
		return (*pool->ident ^ ident) & TSTORE_IDENT_PERSISTENT ||
		       pool->shared != shared ? -EEXIST : 0;
	if (ident & TSTORE_IDENT_PERSISTENT &&
	    !(c->rec->features & TMEM_FEATURE_PERSISTENT))
		return -EPERM;
	c->nr_pools++;
	pool->shared = shared;
	env_write_once(*pool->ident, ident);
	return 0;
}

/* Makes the ident of a pool that is to be, but for its kind */
u32 tstore_instance_locked(struct tstore *s)
{
	env_assert_held(&s->L1_lock);
	return ++s->super->instances << TSTORE_IDENT_SHIFT | TSTORE_IDENT_LIVE;
}

/* TMEM_OP_POOL_CREATE */
int tstore_pool_create(struct tstore_client *c, const struct tmem_req *req,
		       env_data_t data __always_unused,
		       struct tstore_work *work __always_unused)
{
	struct tstore *s = c->store;
	u32 ident;
	int err;

	if (req->pool >= s->max_pools || req->index & ~(u64)TMEM_POOL_FLAGS ||
	    req->object[2])
		return -EINVAL;
	if (req->index & TMEM_POOL_SHARED)
		return tstore_shared_join(c, req);
	if (req->object[0] || req->object[1])
		return -EINVAL;

	spin_lock(&s->L1_lock);
	ident = tstore_instance_locked(s);
	spin_unlock(&s->L1_lock);
	if (req->index & TMEM_POOL_PERSISTENT)
		ident |= TSTORE_IDENT_PERSISTENT;
	spin_lock(&c->L4_lock);
	err = tstore_pool_create_locked(c, req->pool, ident, NULL);
	spin_unlock(&c->L4_lock);
	return err;
}

/* TMEM_OP_POOL_DESTROY */
int tstore_pool_destroy(struct tstore_client *c, const struct tmem_req *req,
			env_data_t data __always_unused, struct tstore_work *work)
{
	u32 ident;

	if (req->pool >= c->store->max_pools)
		return -ENXIO;
	ident = tstore_pool_kill(c, req->pool);
	if (!ident)	/* an attach has taken it over if this was stopped */
		return work->done ? 0 : -ENXIO;
	return tstore_pool_end(c, req->pool, ident, work) ?
	       0 : TSTORE_STOPPED;
}

/*
 * What a request for pages is about, until tstore_key_end(); -ENXIO if it names
 * no pool
 */
int tstore_key_init(struct tstore_client *c, const struct tmem_req *req,
		    struct tstore_key *key)
{
	struct tstore *s = c->store;

	if (req->pool >= s->max_pools)
		return -ENXIO;
	key->client = c;
	key->pool = &c->pools[req->pool];
	key->ident = env_read_once(*key->pool->ident);
	if (!key->ident)
		return -ENXIO;
	key->asker = c;
	key->number = (u32)(c - s->clients) * s->max_pools + req->pool;
	key->held = false;
	key->name[0] = req->object[0];
	key->name[1] = req->object[1];
	key->name[2] = req->object[2];
	if (tstore_key_shared(key) && tstore_shared_enter(key))
		return -ENXIO;
	tstore_key_hash(s, key);
	return 0;
}
