/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what the files of the page store share
 *
 * Locks, outermost first.  A lock is taken only while all held ones are of
 * lower levels, and never two of one level:
 *
 *	L1_lock	store	the table of clients, the epoch and instance counters,
 *			shared pools and who may be, and is, in them
 *	L2_lock	shard	chains of the page hash, the pages on them, their frames
 *	L3_lock	oshard	chains of the object hash, the objects on them and the
 *			list of pages of each
 *	L3_lock	dshard	chains of the hash of contents, and these
 *	L4_lock	client	charges, the eviction queue, pools and their objects
 *	L5_lock	scratch	memory to encode and decode in
 *	L6_lock	class	spans of chunks of one size
 *	L7_lock	bank	free page slots, free object slots
 *	L8_lock	client	the ghost cache
 *
 * Field legend: "L2: " protected by that lock; "I: " immutable once visible;
 * "R: " written under the lock named, read by env_read_once() without it.
 */
#ifndef _TSTORE_PRIVATE_H
#define _TSTORE_PRIVATE_H

#include "arena.h"
#include "codec.h"
#include "ghost.h"
#include "policy.h"

enum tstore_lock_level {
	TSTORE_L1 = 1,
	TSTORE_L2,
	TSTORE_L3,
	TSTORE_L4,
	TSTORE_L5,
	TSTORE_L6,
	TSTORE_L7,
	TSTORE_L8,
};

enum tstore_shard_stat {
	TSTORE_STORED,
	TSTORE_REPLACED,
	TSTORE_HITS,
	TSTORE_MISSES,
	TSTORE_FLUSHED,
	TSTORE_EVICTED,
	TSTORE_SHARD_STATS
};

/* A part of the page hash */
struct tstore_shard {
	spinlock_t L2_lock;	/* see the table above */
	u32 *buckets;		/* I: s->shard_buckets heads of chains, L2 */
	u64 stat[TSTORE_SHARD_STATS];	/* L2 */
};

/* A part of the object hash */
struct tstore_oshard {
	spinlock_t L3_lock;	/* see the table above */
	u32 *buckets;		/* I: s->oshard_buckets heads of chains, L3 */
};

/* A part of the hash of contents */
struct tstore_dshard {
	spinlock_t L3_lock;	/* see the table above */
	u32 *buckets;		/* I: s->oshard_buckets heads of chains, L3 */
	u64 contents;		/* L3: their number */
	u64 refs;		/* L3: pages that name them */
};

/* Some of the free slots; whoever finds its own bank empty tries the others */
struct tstore_bank {
	spinlock_t L7_lock;	/* see the table above */
	u32 page;		/* L7: first free slot with a frame */
	u32 pages;		/* L7 R: their number */
	u32 bare;		/* L7: first free slot without one */
	u32 bares;		/* L7 R: their number */
	u32 frame;		/* L7: those with free object slots, circular */
	u32 objs;		/* L7 R: number of free object slots */
	u64 object_frames;	/* L7: frames turned into object slots */
};

/* Spans of one class */
struct tstore_pack {
	spinlock_t L6_lock;	/* see the table above */
	u32 span;		/* L6: those with free chunks, circular */
	u32 spans;		/* L6: all of them */
	u64 chunks;		/* L6: chunks taken */
	u64 bytes;		/* L6: what is in them */
};

/* Memory to encode and decode in */
struct tstore_scratch {
	spinlock_t L5_lock;	/* see the table above */
	void *work;		/* I: the codec's, L5 */
	void *out;		/* I: a page, L5 */
	void *page;		/* I: another one, L5 */
};

/* What an operation returns that env_stop() had stopped */
#define TSTORE_STOPPED		1

enum tstore_kind {
	TSTORE_EPHEMERAL,
	TSTORE_PERSISTENT,
	TSTORE_KINDS
};

/*
 * An ident of a pool: 0, or an instance number that no other pool of the store
 * has had, with these bits.  One word, so that one load tells a request what
 * it deals with, and comparing it later tells whether that is still true.
 */
#define TSTORE_IDENT_LIVE	0x1U
#define TSTORE_IDENT_PERSISTENT	0x2U
#define TSTORE_IDENT_SHARED	0x4U	/* its pages are elsewhere, see shared.c */
#define TSTORE_IDENT_SHIFT	3

struct tstore_pool {
	u32 *ident;		/* L4 R: see above; lives in the head */
	u32 first;		/* L4: its objects */
	u64 pages;		/* L4: pages charged to it */
	u64 solos;		/* L4: of these, solo pages */
	u32 unpacked;		/* L4 R: pages to be put without trying to pack
				 * them
				 */
	u32 tried;		/* L4: pages that were tried since then */
	u32 packed;		/* L4: of these, those that got smaller */
	u32 solo_low;		/* L4: if there are any, none is in a slot */
	u32 solo_high;		/* below or above */
	u32 dying;		/* L4: its ident while it is being drained; until
				 * whoever drains it clears this, the id is busy
				 */
	bool stopped;		/* L4: it is dying, and nobody drains it */
	struct tstore_client *shared;	/* L1 and L4: what has its pages, or NULL */
	u32 requests;		/* L4: under way here, if it is shared */
};

enum tstore_reject {
	TSTORE_REJECT_FULL,
	TSTORE_REJECT_LIMIT,
	TSTORE_REJECT_FROZEN,
	TSTORE_REJECTS
};

/* A shared pool, which is one of the last clients of the table: see shared.c */
struct tstore_shared {
	u64 uuid[2];		/* I */
	u32 members;		/* L1: pools of clients that are this one */
	u32 allowed;		/* L1: clients that may join */
	bool may[];		/* L1: by number of the client: is it one? */
};

struct tstore_key;
struct tstore_save;
struct tstore_restore;

struct tstore_client {
	struct tstore *store;	/* I */
	struct tstore_record *rec;	/* I */

	spinlock_t L4_lock;	/* see the table above */
	struct tstore_pool *pools;	/* I while used: s->max_pools of them */
	u64 target;		/* R: by tstore_divide() */
	u64 evicted;		/* L4: pages that it had to give up */
	u64 refused;		/* L4: puts and pages, at the last divide */
	u64 charged[TSTORE_KINDS];	/* L4 R: pages and reservations */
	u64 bytes;		/* L4 R: what they cost, see pack.c */
	u32 oldest;		/* L4: eviction queue */
	u32 nr_pools;		/* L4 */
	bool attaching;		/* L4: an attach is in progress */
	u8 frozen;		/* L4 R: puts are refused: a bit for each kind */
	bool refused_persistent;	/* L4: the host refuses that kind */
	void (*gone)(struct tstore_client *c, const struct tstore_shard *sh,
		     const struct tstore_key *key, const u32 *pages, u32 nr);
				/* L4: told of pages that leave, or NULL */
	struct tstore_save *save;	/* L4: it is being saved, or NULL */
	struct tstore_restore *restore;	/* L4: it is being restored, or NULL */
	struct tstore_shared *shared;	/* L1: it is a shared pool, or NULL */
	u64 reject[TSTORE_REJECTS];	/* L4 */
	struct tmem_report report;	/* L4: the last one of this epoch */
	u64 reports;		/* L4: that there were */
	u64 grant;		/* L4: what they are answered; 0: what they ask for */

	spinlock_t L8_lock;	/* see the table above */
	struct tstore_ghost *ghost;	/* L8; or NULL */
};

/* What tstore_open() found */
struct tstore_recovery {
	u64 pages;		/* in slots that were committed */
	u64 damaged;		/* slots that made no sense */
};

struct tstore {
	spinlock_t L1_lock;	/* see the table above */
	u64 bad_streams[TSTORE_DAMAGES];	/* L1: that were refused */

	struct tstore_super *super;	/* I: what the head begins with */
	struct tstore_record *records;	/* I: max_clients */
	u32 *idents;		/* I: max_clients * max_pools */
	struct tstore_page *pages;	/* I: nr_slots slots */
	u32 *buckets;		/* I: of all hashes */
	u64 nr_buckets;		/* I */
	u8 *frames;		/* I: nr_frames frames */
	u32 nr_frames;		/* I */
	u32 nr_slots;		/* I: the first nr_frames have a frame each */
	u32 nr_shards;		/* I: of each hash, a power of two */
	u32 shard_buckets;	/* I */
	u32 oshard_buckets;	/* I */
	u32 max_clients;	/* I: shared pools included, */
	u32 max_shared;		/* I: which are the last ones */
	u32 max_pools;		/* I */
	u64 seed;		/* I */
	size_t metadata;	/* I: bytes of the arena before frames */
	struct tstore_recovery recovery;	/* I */
	struct tstore_shard *shards;	/* I: nr_shards */
	struct tstore_oshard *oshards;	/* I: nr_shards */
	struct tstore_dshard *dshards;	/* I: nr_shards, or NULL: no dedup */
	struct tstore_bank banks[TSTORE_BANKS];	/* I */
	struct tstore_pack packs[TSTORE_CLASSES];	/* I */
	struct tstore_scratch *scratches;	/* I: TSTORE_SCRATCHES, or NULL */
	const struct tstore_codec *codec;	/* I: for pages to come, or NULL */
	const struct tstore_codec *codecs[TSTORE_CODECS];	/* I: by id */
	struct tstore_client *clients;	/* I: max_clients */
	struct tstore_share *shares;	/* tstore_divide(): max_clients */
	u32 out;			/* L1 R: frames that are out */
	bool ghosts;			/* I */
	bool lasting;			/* I: the arena begins with the head */
	bool dedup;			/* I: equal pages are kept once */
};

/**
 * struct tstore_key - an object as a request or an eviction names it
 * @client: who has the page
 * @pool: its pool
 * @asker: whose the request is: @client, unless the pool is shared
 * @slot: if the pool is shared, the one of @asker that refers to it
 * @ident: of the pool that the request names, when it came in
 * @number: the number of @pool in the store
 * @name: the client's name for the object
 * @hash: of @number and @name
 * @held: whether the pool is alive need not be asked: it is being drained, or is
 *	shared and cannot go away
 */
struct tstore_key {
	struct tstore_client *client;
	struct tstore_pool *pool;
	struct tstore_client *asker;
	struct tstore_pool *slot;
	u32 ident;
	u32 number;
	bool held;
	u64 name[3];
	u64 hash;
};

static inline enum tstore_kind tstore_key_kind(const struct tstore_key *key)
{
	return key->ident & TSTORE_IDENT_PERSISTENT ? TSTORE_PERSISTENT :
						      TSTORE_EPHEMERAL;
}

static inline bool tstore_key_shared(const struct tstore_key *key)
{
	return key->ident & TSTORE_IDENT_SHARED;
}

/*
 * The first pages of an object are solo pages if the object's name fits into
 * their slots.  They are on no object's list, so a small object takes no
 * object slot, and for others it is not much a page.
 */
static inline bool tstore_key_solo(const struct tstore_key *key, u64 index)
{
	return index < TSTORE_SOLO_PAGES && !key->name[2];
}

static inline u32 tstore_key_owner(const struct tstore_key *key, u64 index)
{
	return key->number << TSTORE_SOLO_SHIFT | index;
}

/* Is the pool of this request still the one that it was? */
static inline bool tstore_key_alive(const struct tstore_key *key)
{
	return key->held || env_read_once(*key->pool->ident) == key->ident;
}

static inline u64 tstore_mix(u64 h, u64 w)
{
	h = (h ^ w) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 32);
}

static inline struct tstore_page *tstore_page(struct tstore *s, u32 p)
{
	return &s->pages[p];
}

static inline void *tstore_frame(struct tstore *s, u32 frame)
{
	return s->frames + (size_t)frame * PAGE_SIZE;
}

/* A slot and its frame have one number */
static inline void *tstore_page_data(struct tstore *s, u32 p)
{
	return tstore_frame(s, p);
}

/* Frames that a client's pages amount to */
static inline u64 tstore_used(u64 bytes)
{
	return (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

static inline struct tstore_object *tstore_object(struct tstore *s, u32 o)
{
	struct tstore_object *base;

	base = tstore_frame(s, o / TSTORE_OBJECTS_PER_FRAME);
	return base + o % TSTORE_OBJECTS_PER_FRAME;
}

static inline bool tstore_object_is(const struct tstore_object *obj,
				    const struct tstore_key *key)
{
	return obj->name[0] == key->name[0] && obj->name[1] == key->name[1] &&
	       obj->name[2] == key->name[2] && obj->pool == key->number;
}

/* bank.c: free slots */
void tstore_banks_init(struct tstore *s);
void tstore_banks_clear(struct tstore *s);
void tstore_banks_fill(struct tstore *s);
bool tstore_frame_alloc(struct tstore *s, u32 home, u32 *frames, u32 nr);
u32 tstore_bare_alloc(struct tstore *s, u32 home);
void tstore_page_free(struct tstore *s, u32 home, const u32 *pages, u32 nr);
u64 tstore_pages_free(struct tstore *s);
u32 tstore_object_alloc(struct tstore *s, u32 home);
void tstore_object_free(struct tstore *s, u32 o);
void tstore_object_adopt(struct tstore *s, u32 p);
bool tstore_object_trim(struct tstore *s);

/* pack.c: several pages in a frame */
u32 tstore_page_same(const void *data);
u32 tstore_page_encode(struct tstore *s, u32 shard, u32 flags,
		       const void *data, u32 p);
bool tstore_page_decode(struct tstore *s, u32 shard, u32 word, void *to);
bool tstore_chunk_is(struct tstore *s, u32 shard, u32 word, const void *data);
bool tstore_page_read_locked(struct tstore *s, struct tstore_shard *sh, u32 p,
			     void *to);
u32 tstore_word_cost(struct tstore *s, u32 word);
void tstore_chunk_free(struct tstore *s, u32 word, u32 home);
bool tstore_compact(struct tstore *s);
void tstore_packs_init(struct tstore *s);
void tstore_packs_clear(struct tstore *s);
void tstore_packs_stats(struct tstore *s, struct tstore_stats *out);
bool tstore_span_rejoin(struct tstore *s, u32 span);
bool tstore_chunk_rejoin(struct tstore *s, u32 shard, u32 flags, u32 p);
void tstore_span_settle(struct tstore *s, u32 span);
bool tstore_span_has(struct tstore *s, u32 span, u32 frame);

/* scratch.c: codecs, and memory for them */
bool tstore_codecs_init(struct tstore *s,
			const struct tstore_codec *const *codecs);
bool tstore_scratches_alloc(struct tstore *s);
void tstore_scratches_free(struct tstore *s);

/* dedup.c: pages that are kept once */
u32 tstore_content_get(struct tstore *s, struct tstore_client *c, u32 frame,
		       bool pack);
bool tstore_content_read(struct tstore *s, u32 p, void *to);
void tstore_word_free(struct tstore *s, struct tstore_client *c, u32 word,
		      u32 home);
void tstore_contents_clear(struct tstore *s);
void tstore_contents_begin(struct tstore *s);
bool tstore_content_rejoin(struct tstore *s, u32 client, u32 p);
void tstore_contents_settle(struct tstore *s);
u32 tstore_content_cost(struct tstore *s, u32 word);
void tstore_contents_stats(struct tstore *s, struct tstore_stats *out);

/* store.c: what recover.c has to do likewise */
int tstore_alloc(const struct tstore_config *cfg, struct tstore **out);
void tstore_free(struct tstore *s);
u32 tstore_super_sum(const struct tstore_super *super);
void tstore_buckets_clear(struct tstore *s);

/* size.c: frames that come and go */

/* object.c: objects and the lists of their pages */
void tstore_key_hash(struct tstore *s, struct tstore_key *key);
int tstore_object_link(struct tstore *s, const struct tstore_key *key,
		       const u32 *pages, u32 nr);
void tstore_object_unlink(struct tstore *s, const struct tstore_key *key,
			  const u32 *pages, u32 nr);
u32 tstore_object_count(struct tstore *s, const struct tstore_key *key);
bool tstore_object_flush(struct tstore *s, const struct tstore_key *key,
			 u64 first, u64 last, u32 seq,
			 struct tstore_work *work);
bool tstore_object_rejoin(struct tstore *s, const struct tstore_key *key,
			  u32 o);
void tstore_object_rejoin_page(struct tstore *s, u32 p);
bool tstore_object_settle(struct tstore *s, const struct tstore_key *key,
			  u32 o);
bool tstore_pool_drain(struct tstore *s, struct tstore_client *c, u32 id,
		       u32 ident, struct tstore_work *work);

/* page.c: pages in the hash, the charges and the queue */
struct tstore_shard *tstore_shard(struct tstore *s,
				  const struct tstore_key *key, u64 index);
u32 tstore_shard_home(struct tstore *s, const struct tstore_shard *sh);
u32 *tstore_bucket(struct tstore *s, const struct tstore_key *key, u64 index);
u32 *tstore_page_find(struct tstore *s, const struct tstore_key *key,
		      u64 index);
u32 *tstore_page_find_locked(struct tstore *s, struct tstore_shard *sh,
			     const struct tstore_key *key, u64 index);
void tstore_page_name(struct tstore_page *page, const struct tstore_key *key,
		      u64 index);
u64 tstore_page_key(struct tstore *s, const struct tstore_page *page,
		    struct tstore_key *key);
void tstore_page_hash_locked(struct tstore *s, struct tstore_shard *sh,
			     const struct tstore_key *key, u64 index, u32 p,
			     u32 word);
u32 tstore_page_unhash_locked(struct tstore *s, struct tstore_shard *sh,
			      u32 *link);
void tstore_page_drop_locked(struct tstore *s, struct tstore_shard *sh,
			     const struct tstore_key *key, const u32 *pages,
			     u32 nr, u32 home);
void tstore_solo_add_locked(struct tstore_client *c, struct tstore_pool *pool,
			    u32 p);
void tstore_queue_add_locked(struct tstore *s, struct tstore_client *c, u32 p);
void tstore_queue_del_locked(struct tstore *s, struct tstore_client *c, u32 p);
void tstore_queue_renew(struct tstore *s, struct tstore_client *c,
			const u32 *pages, u32 nr);
u32 tstore_flush_few(struct tstore *s, const struct tstore_key *key,
		     u64 index, u32 nr, u32 seq);
void tstore_shards_cycle(struct tstore *s);
bool tstore_flush_applies(u32 flush, u32 put);

/* evict.c: room */
int tstore_reserve(struct tstore_client *c, enum tstore_kind kind, u32 home,
		   u32 *pages, u32 nr);
void tstore_charge_locked(struct tstore_client *c, enum tstore_kind kind,
			  s64 pages, s64 bytes);
int tstore_make_room(struct tstore_client *c, u32 home, u32 want, u32 frames,
		     u64 done);
struct tstore_client *tstore_victim(struct tstore *s, struct tstore_client *c,
				    u64 own, u64 done);
bool tstore_evict_one(struct tstore_client *c, u32 home);

/* divide.c: targets, and what they are made of */
void tstore_note(const struct tstore_key *key, u64 index, u32 nr,
		 void (*what)(struct tstore_ghost *g, u64 hash));

/* run.c: put, get, flush */
int tstore_put(const struct tstore_key *key, const struct tmem_req *req,
	       env_data_t data, struct tstore_work *work);
int tstore_get(const struct tstore_key *key, const struct tmem_req *req,
	       env_data_t data, struct tstore_work *work);
int tstore_flush(const struct tstore_key *key, const struct tmem_req *req,
		 env_data_t data, struct tstore_work *work);
int tstore_flush_object(const struct tstore_key *key,
			const struct tmem_req *req, env_data_t data,
			struct tstore_work *work);

/* client.c: clients, epochs, pools */
void tstore_clients_init(struct tstore *s);
int tstore_client_alloc(struct tstore *s, struct tstore_pool **pools,
			struct tstore_ghost **ghost);
void tstore_client_equip(struct tstore_client *c, struct tstore_pool *pools,
			 struct tstore_ghost *ghost);
void tstore_client_strip_locked(struct tstore_client *c,
				struct tstore_pool **pools,
				struct tstore_ghost **ghost);
void tstore_freeze_locked(struct tstore_client *c);
u32 tstore_pool_kill(struct tstore_client *c, u32 id);
bool tstore_pool_bury(struct tstore_client *c, u32 id, u32 ident,
		      struct tstore_work *work);
bool tstore_pool_end(struct tstore_client *c, u32 id, u32 ident,
		     struct tstore_work *work);
bool tstore_pools_destroy(struct tstore_client *c, struct tstore_work *work);
int tstore_attach(struct tstore_client *c, const struct tmem_req *req,
		  env_data_t data, struct tstore_work *work);
int tstore_query(struct tstore_client *c, const struct tmem_req *req,
		 env_data_t data, struct tstore_work *work);
int tstore_report(struct tstore_client *c, const struct tmem_req *req,
		  env_data_t data, struct tstore_work *work);
int tstore_pool_create_locked(struct tstore_client *c, u32 id, u32 ident,
			      struct tstore_client *shared);
u32 tstore_instance_locked(struct tstore *s);
int tstore_pool_create(struct tstore_client *c, const struct tmem_req *req,
		       env_data_t data, struct tstore_work *work);
int tstore_pool_destroy(struct tstore_client *c, const struct tmem_req *req,
			env_data_t data, struct tstore_work *work);
int tstore_key_init(struct tstore_client *c, const struct tmem_req *req,
		    struct tstore_key *key);

/* shared.c: pools that several clients see */
int tstore_shared_join(struct tstore_client *c, const struct tmem_req *req);
bool tstore_shared_leave(struct tstore_client *c, u32 id,
			 struct tstore_work *work);
void tstore_shared_forget(struct tstore_client *c);
int tstore_shared_enter(struct tstore_key *key);
void tstore_shared_exit(const struct tstore_key *key);

/* The request is over */
static inline void tstore_key_end(const struct tstore_key *key)
{
	if (tstore_key_shared(key))
		tstore_shared_exit(key);
}

#endif /* _TSTORE_PRIVATE_H */
