// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the page store
 *
 *		What it is for
 *
 * Clients that are short of memory hand pages to somebody who has some: the
 * hypervisor, a daemon, or for want of either their own kernel.  They name a
 * page, not an address.  What they put in an ephemeral pool may vanish at any
 * time; what a persistent pool accepted comes back.  That bargain is all that
 * the store needs to keep memory busy: it may drop the first kind whenever
 * somebody has a better use for the frame, and refuse the second.
 *
 *		The arena
 *
 * All that is kept for a page lives in one stretch of memory:
 *
 *	| head | page slots | page hash | object hash |  frame  |  frame  | ...
 *
 * The head tells how the rest is laid out, which clients there are and which
 * pools they have; it is elsewhere if the arena is not to outlive its process.
 * A page slot (40 bytes) describes one page, a bucket of each hash is the 32-bit
 * handle of the first slot on its chain, a frame holds a page, 85 object slots
 * (48 bytes each), or a part of several pages that were packed, see pack.c.
 * With dedup there is a third hash, see dedup.c.  There are no pointers in it,
 * so it can be mapped anywhere.
 * For every frame there are one slot, one page bucket and a quarter of an object
 * bucket: 45 bytes, 1.1 %.
 *
 * The first 16 pages of an object have its name in their slots, where they need
 * no list and no 64 bits of index, if it is a name of 16 bytes: solo pages.
 * What object slots there are come on top: 0.01 byte a page if each object has
 * 4096 pages, 3 if each has 17, none for objects with fewer; 48 if each has one
 * and a longer name.
 *
 * A slot and a frame of one number belong together.  If pages are packed there
 * are more slots than frames, and a page that was made smaller has one of those.
 *
 *		When the host dies
 *
 * A slot is committed by one store to its word (for an object: to its pool, for
 * a pool: to its ident) after everything else of it is written, and withdrawn
 * likewise before anything of it changes.  Hash, lists, queues and counts
 * follow from the slots.  So whoever finds the arena of a process that was
 * killed at whatever instruction, finds in it every page that was accepted and
 * not a half one: see recover.c.
 *
 *		Who excludes whom
 *
 * The page hash is cut into shards by (pool, object, index / 512), each with a
 * lock that covers the pages and their frames: a run of up to 512 pages meets
 * two of them at most, while the pages of a big object are spread over all.
 * The object hash has its own shards, whose locks cover the lists of pages.
 * One lock a client covers its charges and its queue; free slots are in
 * banks.  There is no lock that all requests take.  private.h has the order.
 *
 * What keeps things in existence: a page on a chain, its shard's lock, or a
 * page on the queue, its client's lock; an object, any of its pages.
 *
 * Long operations proceed in slices: sixteen pages are copied, sixty-four
 * looked at under one hold of a lock, and between slices nothing is held.  Pages
 * are packed with no lock of theirs held, and unpacked under that of the shard.
 *
 *		Who gives up pages
 *
 * When no frame is free, the client does that is furthest above its target.
 * Targets are set now and then by a policy, see policy.c, which may be told by
 * ghost caches what each client would gain by more, see ghost.c.
 *
 *		What it promises
 *
 * The invariants of the ABI document.  Those that shaped the code: a put that
 * is refused takes the older copies of its pages with it, and one that is
 * accepted for some pages only takes those of the others; a request that runs
 * while its pool is destroyed finds that out by the pool's instance number, so
 * that nothing slips from one epoch into the next; frames change owners
 * without being scrubbed, because a put fills all of a frame before it
 * commits the page and a get reads committed pages only.
 */
#include "private.h"

/* Fields that an operation uses; the others have to be zero */
#define USES_POOL	0x01
#define USES_OBJECT	0x02
#define USES_INDEX	0x04
#define USES_RUN	0x08	/* nr_pages from 1 to TMEM_MAX_RUN */
#define USES_RANGE	0x10	/* any nr_pages, 0 to the end */
#define USES_SEQ	0x20
#define USES_ADDR	0x40
#define USES_LIST	0x80

/**
 * struct tstore_op - how an operation is checked and done
 * @uses: USES_*
 * @control: does it, for an operation on the client or a pool
 * @keyed: does it, for an operation on an object
 */
struct tstore_op {
	unsigned int uses;
	int (*control)(struct tstore_client *c, const struct tmem_req *req,
		       env_data_t data, struct tstore_work *work);
	int (*keyed)(const struct tstore_key *key, const struct tmem_req *req,
		     env_data_t data, struct tstore_work *work);
};

static const struct tstore_op tstore_ops[TMEM_OP_NR] = {
	[TMEM_OP_ATTACH] = {
		.uses = USES_ADDR,
		.control = tstore_attach,
	},
	[TMEM_OP_POOL_CREATE] = {
		.uses = USES_POOL | USES_OBJECT | USES_INDEX,
		.control = tstore_pool_create,
	},
	[TMEM_OP_POOL_DESTROY] = {
		.uses = USES_POOL,
		.control = tstore_pool_destroy,
	},
	[TMEM_OP_PUT] = {
		.uses = USES_POOL | USES_OBJECT | USES_INDEX | USES_RUN |
			USES_SEQ | USES_ADDR | USES_LIST,
		.keyed = tstore_put,
	},
	[TMEM_OP_GET] = {
		.uses = USES_POOL | USES_OBJECT | USES_INDEX | USES_RUN |
			USES_ADDR | USES_LIST,
		.keyed = tstore_get,
	},
	[TMEM_OP_FLUSH] = {
		.uses = USES_POOL | USES_OBJECT | USES_INDEX | USES_RANGE |
			USES_SEQ,
		.keyed = tstore_flush,
	},
	[TMEM_OP_FLUSH_OBJECT] = {
		.uses = USES_POOL | USES_OBJECT | USES_SEQ,
		.keyed = tstore_flush_object,
	},
	[TMEM_OP_REPORT] = {
		.uses = USES_ADDR,
		.control = tstore_report,
	},
	[TMEM_OP_QUERY] = {
		.uses = USES_ADDR,
		.control = tstore_query,
	},
};

/* Reads each field once: the client may be changing them */
static void tstore_copy_req(struct tmem_req *copy, const struct tmem_req *req)
{
	memset(copy, 0, sizeof(*copy));
	copy->op = env_read_once(req->op);
	copy->flags = env_read_once(req->flags);
	copy->reserved = env_read_once(req->reserved);
	copy->pool = env_read_once(req->pool);
	copy->object[0] = env_read_once(req->object[0]);
	copy->object[1] = env_read_once(req->object[1]);
	copy->object[2] = env_read_once(req->object[2]);
	copy->index = env_read_once(req->index);
	copy->nr_pages = env_read_once(req->nr_pages);
	copy->seq = env_read_once(req->seq);
	copy->addr = env_read_once(req->addr);
}

static int tstore_check_run(const struct tmem_req *req, unsigned int uses)
{
	if (uses & USES_RUN &&
	    (!req->nr_pages || req->nr_pages > TMEM_MAX_RUN))
		return -EINVAL;
	if (!(uses & (USES_RUN | USES_RANGE)) && req->nr_pages)
		return -EINVAL;
	if (req->nr_pages && req->index + req->nr_pages - 1 < req->index)
		return -EINVAL;
	return 0;
}

/* The door: what is wrong with a request whatever the state of the store */
static int tstore_check_req(const struct tmem_req *req)
{
	unsigned int uses;

	if (req->op >= TMEM_OP_NR || !tstore_ops[req->op].uses)
		return -EOPNOTSUPP;
	uses = tstore_ops[req->op].uses;
	if (req->reserved || req->flags & ~TMEM_REQ_FLAGS ||
	    (req->flags & TMEM_REQ_LIST && !(uses & USES_LIST)) ||
	    (req->pool && !(uses & USES_POOL)) ||
	    (req->index && !(uses & USES_INDEX)) ||
	    (req->seq && !(uses & USES_SEQ)) ||
	    (req->addr && !(uses & USES_ADDR)))
		return -EINVAL;
	if ((req->object[0] || req->object[1] || req->object[2]) &&
	    !(uses & USES_OBJECT))
		return -EINVAL;
	return tstore_check_run(req, uses);
}

/**
 * tstore_execute() - execute one request
 * @c: whose it is
 * @req: the request; may lie in memory that the client can change, as it is
 *	read once.  Its status and done are written.
 * @data: for a put and a get the pages of the run; for an attach, a query and
 *	a report the page with the struct; otherwise not looked at
 *
 * A put or get of which some pages, but not all, were done has status 0 and
 * their number in done.  Statuses, beyond what the ABI says of each operation:
 *
 * -EINVAL:	malformed: a field that must be zero is not, or one is out of
 *		its range
 * -EOPNOTSUPP:	no such operation here, or an ABI too old
 * -ENOTCONN:	a pool or a report before the first attach
 * -ENXIO:	no such pool
 * -EEXIST:	the pool exists with other flags or another uuid
 * -EPERM:	a shared pool without permission; a persistent one, or a report,
 *		without its feature
 * -EBUSY:	the pool's last destruction or another attach is not over; the
 *		client is being restored; a put: it is frozen or being saved
 * -ENOENT:	a get of a page that is not there
 * -EDQUOT:	a put beyond the client's limit
 * -ENOSPC:	a put when the store is full of pages that must stay
 * -EFAULT:	a page of @data could not be had
 *
 * Context: no lock held.  Any number of requests of the same and of different
 * clients may be executed at a time.  Never allocates and never sleeps, but
 * for what env_relax() does.
 */
void tstore_execute(struct tstore_client *c, struct tmem_req *req,
		    env_data_t data)
{
	struct tstore_work work = { 0 };

	while (!tstore_execute_some(c, req, data, &work))
		env_relax();
}

/**
 * tstore_execute_some() - execute one request, or a part of it
 * @c: see tstore_execute()
 * @req: likewise
 * @data: likewise
 * @work: zeroes for a request that begins; it goes on with what is in there
 *
 * For a host that must not be kept for long: a destroy, a flush and an attach
 * end early when env_stop() says so.  The request may then be executed again
 * with the same @work, or be forgotten: an attach or the client's end finishes
 * what it left.
 *
 * Context: as tstore_execute().
 * Return: false if it was stopped: it has no status yet
 */
bool tstore_execute_some(struct tstore_client *c, struct tmem_req *req,
			 env_data_t data, struct tstore_work *work)
{
	const struct tstore_op *op;
	struct tstore_key key;
	struct tmem_req copy;
	int err;

	tstore_copy_req(&copy, req);
	err = tstore_check_req(&copy);
	if (err)
		goto out;
	op = &tstore_ops[copy.op];
	if (op->control) {
		err = op->control(c, &copy, data, work);
	} else if (op->keyed) {
		err = tstore_key_init(c, &copy, &key);
		if (!err) {
			err = op->keyed(&key, &copy, data, work);
			tstore_key_end(&key);
		}
	} else {
		err = -EOPNOTSUPP;
	}
out:
	if (err == TSTORE_STOPPED)
		return false;
	req->done = work->done;
	req->status = err;
	return true;
}

/* A slot, a page bucket and a quarter of an object bucket */
#define TSTORE_PAGE_COST	(sizeof(struct tstore_page) + 5)

/* Page slots for a hundred frames, if pages are packed and the host is silent */
#define TSTORE_PACKED_SLOTS	250

/* The same if equal ones are kept once: one for a name, one for a content */
#define TSTORE_DEDUP_SLOTS	350

/* Head, records of clients and idents of pools */
static size_t tstore_head_bytes(const struct tstore *s)
{
	size_t bytes = sizeof(struct tstore_super) +
		       s->max_clients * sizeof(struct tstore_record) +
		       (size_t)s->max_clients * s->max_pools * sizeof(u32);

	return (bytes + 63) & ~(size_t)63;
}

/*
 * Shards of each hash for an arena of so many frames.  A run is in one shard, so
 * if there were more of them than runs, some would be crowded and others empty.
 */
static u32 tstore_shards_for(u32 frames)
{
	u32 shards = 8;

	while (shards < 64 && shards << TSTORE_SHARD_SHIFT < frames)
		shards *= 2;
	return frames < 1U << 18 ? shards : TSTORE_MAX_SHARDS;
}

/* Bytes of the arena before the frames if there are so many of them */
static u64 tstore_layout(struct tstore *s, u32 frames, u32 percent)
{
	u32 slots = (u64)frames * percent / 100;
	u64 bytes = (u64)slots * sizeof(struct tstore_page);

	if (s->lasting)
		bytes += tstore_head_bytes(s);
	s->nr_frames = frames;
	s->nr_slots = slots;
	s->nr_shards = tstore_shards_for(frames);
	s->shard_buckets = slots > s->nr_shards ? slots / s->nr_shards : 1;
	s->oshard_buckets = s->shard_buckets / 4 + 1;
	s->nr_buckets = (u64)s->nr_shards *
			(s->shard_buckets + s->oshard_buckets +
			 (s->dedup ? s->oshard_buckets : 0));
	bytes += s->nr_buckets * sizeof(u32);
	bytes = (bytes + PAGE_SIZE - 1) & ~(u64)(PAGE_SIZE - 1);
	s->metadata = bytes;
	return bytes;
}

static int tstore_arena_init(struct tstore *s,
			     const struct tstore_config *cfg)
{
	u32 percent = cfg->slots;
	u8 *arena = cfg->arena;
	u64 frames, each;

	if (!percent && s->dedup)
		percent = TSTORE_DEDUP_SLOTS;
	if (!percent)
		percent = s->codec ? TSTORE_PACKED_SLOTS : 100;
	each = TSTORE_PAGE_COST + s->dedup;
	frames = cfg->bytes / (PAGE_SIZE + each * percent / 100);
	if (!arena || (uintptr_t)arena & (PAGE_SIZE - 1) || percent < 100 ||
	    percent > TSTORE_MAX_SLOTS || frames > TSTORE_MAX_FRAMES ||
	    (s->codec && frames > TSTORE_MAX_SPAN) ||
	    (s->dedup && frames * percent / 100 > TSTORE_MAX_CONTENT))
		return -EINVAL;
	/* rounding and the one extra bucket of each shard may cost a few */
	while (frames && tstore_layout(s, frames, percent) +
			 frames * PAGE_SIZE > cfg->bytes)
		frames--;
	if (!frames)
		return -EINVAL;
	s->frames = arena + s->metadata;
	if (s->lasting) {
		s->super = (struct tstore_super *)arena;
		arena += tstore_head_bytes(s);
	} else {
		s->super = env_zalloc(tstore_head_bytes(s));
		if (!s->super)
			return -ENOMEM;
	}
	s->records = (struct tstore_record *)(s->super + 1);
	s->idents = (u32 *)(s->records + s->max_clients);
	s->pages = (struct tstore_page *)arena;
	s->buckets = (u32 *)(s->pages + s->nr_slots);
	return 0;
}

/* Of what does not change in a head */
u32 tstore_super_sum(const struct tstore_super *super)
{
	u64 h = tstore_mix(super->version,
			   (u32)super->max_shared << 16 |
			   super->dedup << 8 | super->page_shift);

	h = tstore_mix(h, super->bytes);
	h = tstore_mix(h, super->seed);
	h = tstore_mix(h, (u64)super->nr_frames << 32 | super->max_clients);
	h = tstore_mix(h, (u64)super->nr_slots << 32 | super->max_pools);
	return h;
}

/* Makes the arena a store: the magic comes last */
static void tstore_super_init(struct tstore *s, u64 bytes)
{
	struct tstore_super *super = s->super;

	env_write_once(super->magic, 0);
	memset(super, 0, tstore_head_bytes(s));
	super->version = TSTORE_ARENA_VERSION;
	super->page_shift = PAGE_SHIFT;
	super->dedup = s->dedup;
	super->max_shared = s->max_shared;
	super->bytes = bytes;
	super->seed = s->seed;
	super->nr_frames = s->nr_frames;
	super->nr_slots = s->nr_slots;
	super->max_clients = s->max_clients;
	super->max_pools = s->max_pools;
	super->check = tstore_super_sum(super);
	tstore_reset(s);
	env_store_release(&super->magic, TSTORE_MAGIC);
}

static void tstore_shards_init(struct tstore *s)
{
	u32 *end = s->buckets;
	u32 i;

	for (i = 0; i < s->nr_shards; i++) {
		env_lock_init(&s->shards[i].L2_lock, TSTORE_L2);
		s->shards[i].buckets = end;
		end += s->shard_buckets;
	}
	for (i = 0; i < s->nr_shards; i++) {
		env_lock_init(&s->oshards[i].L3_lock, TSTORE_L3);
		s->oshards[i].buckets = end;
		end += s->oshard_buckets;
	}
	for (i = 0; s->dedup && i < s->nr_shards; i++) {
		env_lock_init(&s->dshards[i].L3_lock, TSTORE_L3);
		s->dshards[i].buckets = end;
		end += s->oshard_buckets;
	}
}

/**
 * tstore_reset() - begin with an empty arena, whatever is in it
 * @s: the store; no client has a pool, no request is being executed, and no
 *	frame is out
 *
 * For a host whose memory was restored without the arena.  Limits, statistics
 * and the number of the last epoch remain.
 *
 * Context: the caller sees to it that nobody else uses the store.
 */
void tstore_reset(struct tstore *s)
{
	memset(s->pages, 0, s->nr_slots * sizeof(*s->pages));
	s->out = 0;
	tstore_buckets_clear(s);
	tstore_banks_clear(s);
	tstore_packs_clear(s);
	tstore_contents_clear(s);
	tstore_banks_fill(s);
}

void tstore_buckets_clear(struct tstore *s)
{
	u64 i;

	for (i = 0; i < s->nr_buckets; i++)
		s->buckets[i] = TSTORE_NONE;
}

/* All of a store but its clients */
void tstore_free(struct tstore *s)
{
	tstore_scratches_free(s);
	env_free(s->shares);
	env_free(s->clients);
	env_free(s->dshards);
	env_free(s->oshards);
	env_free(s->shards);
	if (!s->lasting)
		env_free(s->super);
	env_free(s);
}

/**
 * tstore_alloc() - all of a store but what is in the arena
 * @cfg: see there
 * @out: the store, for tstore_free()
 *
 * Return: as tstore_create()
 */
int tstore_alloc(const struct tstore_config *cfg, struct tstore **out)
{
	struct tstore *s;
	int err;

	s = env_zalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->seed = cfg->seed;
	s->max_pools = cfg->max_pools ? cfg->max_pools : TSTORE_DEFAULT_POOLS;
	s->max_clients = cfg->max_clients ? cfg->max_clients :
					    TSTORE_DEFAULT_CLIENTS;
	s->max_clients += cfg->max_shared;
	s->max_shared = cfg->max_shared;
	s->ghosts = cfg->ghosts;
	s->lasting = cfg->lasting;
	s->dedup = cfg->dedup;
	err = -EINVAL;
	if (cfg->max_shared > TSTORE_MAX_SHARED ||
	    (u64)s->max_pools * s->max_clients >=
	    TSTORE_NONE >> TSTORE_SOLO_SHIFT)
		goto err_free;
	if (!tstore_codecs_init(s, cfg->codecs))
		goto err_free;
	err = tstore_arena_init(s, cfg);
	if (err)
		goto err_free;
	err = -ENOMEM;
	if (s->codec && !tstore_scratches_alloc(s))
		goto err_free;
	s->shards = env_zalloc(s->nr_shards * sizeof(*s->shards));
	s->oshards = env_zalloc(s->nr_shards * sizeof(*s->oshards));
	if (s->dedup)
		s->dshards = env_zalloc(s->nr_shards * sizeof(*s->dshards));
	s->clients = env_zalloc(s->max_clients * sizeof(*s->clients));
	s->shares = env_zalloc(s->max_clients * sizeof(*s->shares));
	if (!s->shards || !s->oshards || !s->clients || !s->shares ||
	    (s->dedup && !s->dshards))
		goto err_free;

	env_lock_init(&s->L1_lock, TSTORE_L1);
	tstore_shards_init(s);
	tstore_banks_init(s);
	tstore_packs_init(s);
	tstore_clients_init(s);
	*out = s;
	return 0;

err_free:
	tstore_free(s);
	return err;
}

/* For a store that begins without frames */
static void tstore_all_out(struct tstore *s)
{
	u32 i;

	tstore_banks_clear(s);
	for (i = 0; i < s->nr_frames; i++)
		tstore_page(s, i)->word = TSTORE_PAGE_OUT;
	tstore_banks_fill(s);
	s->out = s->nr_frames;
}

/**
 * tstore_create() - create a store
 * @cfg: see there
 * @out: the store
 *
 * Context: allocates, in proportion to the clients and not to the arena.
 * Return: 0, -ENOMEM, or -EINVAL if the arena is too small, too big or not
 * aligned
 */
int tstore_create(const struct tstore_config *cfg, struct tstore **out)
{
	int err;

	err = tstore_alloc(cfg, out);
	if (err)
		return err;
	tstore_super_init(*out, cfg->bytes);
	if (cfg->out)
		tstore_all_out(*out);
	return 0;
}

/**
 * tstore_metadata() - how much of an arena will not be frames
 * @cfg: as for tstore_create(); the arena is not touched
 *
 * For a host that has no memory behind frames yet, see @out: it has to have some
 * behind that many bytes at the beginning.
 *
 * Context: allocates and frees.
 * Return: bytes, a multiple of a page; 0 if tstore_create() would fail
 */
size_t tstore_metadata(const struct tstore_config *cfg)
{
	struct tstore *s;
	size_t bytes;

	if (tstore_alloc(cfg, &s))
		return 0;
	bytes = s->metadata;
	tstore_free(s);
	return bytes;
}

/**
 * tstore_destroy() - end a store
 * @s: the store; it has no clients any more
 *
 * The arena is the caller's again.  It still holds what clients put there, and
 * tstore_open() would find no client in it.
 */
void tstore_destroy(struct tstore *s)
{
	tstore_free(s);
}

static void tstore_client_sums(struct tstore_client *c,
			       struct tstore_stats *out)
{
	spin_lock(&c->L4_lock);
	out->ephemeral += c->charged[TSTORE_EPHEMERAL];
	out->persistent += c->charged[TSTORE_PERSISTENT];
	out->reject_full += c->reject[TSTORE_REJECT_FULL];
	out->reject_limit += c->reject[TSTORE_REJECT_LIMIT];
	out->reject_frozen += c->reject[TSTORE_REJECT_FROZEN];
	spin_unlock(&c->L4_lock);
}

/**
 * tstore_stats() - look at a store
 * @s: the store
 * @out: what there is
 *
 * The numbers are of slightly different moments when others are at work.
 *
 * Context: no lock held.
 */
void tstore_stats(struct tstore *s, struct tstore_stats *out)
{
	struct tstore_shard *sh;
	u32 i;

	memset(out, 0, sizeof(*out));
	out->pages = s->nr_frames;
	out->out = env_read_once(s->out);
	out->metadata = s->metadata;
	out->recovered = s->recovery.pages;
	out->damaged = s->recovery.damaged;
	out->free = tstore_pages_free(s);
	tstore_packs_stats(s, out);
	tstore_contents_stats(s, out);
	for (i = 0; i < TSTORE_BANKS; i++) {
		spin_lock(&s->banks[i].L7_lock);
		out->object_frames += s->banks[i].object_frames;
		spin_unlock(&s->banks[i].L7_lock);
	}
	spin_lock(&s->L1_lock);
	memcpy(out->bad_streams, s->bad_streams, sizeof(out->bad_streams));
	spin_unlock(&s->L1_lock);
	for (i = 0; i < s->max_clients; i++)
		tstore_client_sums(&s->clients[i], out);
	for (i = 0; i < s->nr_shards; i++) {
		sh = &s->shards[i];
		spin_lock(&sh->L2_lock);
		out->stored += sh->stat[TSTORE_STORED];
		out->replaced += sh->stat[TSTORE_REPLACED];
		out->hits += sh->stat[TSTORE_HITS];
		out->misses += sh->stat[TSTORE_MISSES];
		out->flushed += sh->stat[TSTORE_FLUSHED];
		out->evicted += sh->stat[TSTORE_EVICTED];
		spin_unlock(&sh->L2_lock);
	}
}
