/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: the page store
 *
 * The store keeps pages under (client, pool, object, index) and understands
 * the requests of the wire ABI.  It knows no guest, no transport and no
 * kernel: the host it is built for supplies "tmem_env.h".
 *
 * The environment contract.  A tmem_env.h puts in scope, by the host's own
 * names, what Linux, Xen and a userspace shim share:
 *
 * Need:
 *	u8 u16 u32 u64 s32 s64 bool size_t uintptr_t NULL true false
 *	PAGE_SIZE PAGE_SHIFT
 *	spinlock_t spin_lock() spin_unlock()
 *	memcpy() memset() memcmp() ARRAY_SIZE() static_assert()
 *	__always_unused
 *	EPERM ENOENT ENXIO EFAULT EBUSY EEXIST EINVAL ENOSPC ENOMEM ENOTCONN
 *	EOPNOTSUPP EDQUOT EBADMSG, with the numbers of Linux
 *	struct tmem_req and its kin: include/uapi/linux/tmem.h
 *
 * and as env_*:
 *	env_zalloc(bytes)	zeroed memory aligned for any type, or NULL;
 *				called only by tstore_create(),
 *				tstore_client_create(), tstore_client_allow(),
 *				tstore_save_begin() and tstore_restore_begin(),
 *				with no lock held
 *	env_free(ptr)		its opposite; NULL is allowed
 *	env_lock_init(l, level)	initialises a spinlock_t; @level is a constant
 *				of enum tstore_lock_level, for a host that
 *				wants to check the order
 *	env_assert_held(l)	complains unless the caller holds @l
 *	env_relax()		called with no lock held between the slices of
 *				a long operation: reschedule, yield, or nothing
 *	env_stop()		asked after env_relax() by operations that can be
 *				stopped, see tstore_execute_some(): is the CPU
 *				wanted for something else?  A host that can wait
 *				says false
 *	env_read_once(x)	one untorn load or store of an aligned word
 *	env_write_once(x, v)	that the compiler neither repeats nor elides
 *	env_store_release(p, v)	as env_write_once(*p, v), after all earlier
 *				stores
 *	env_prefetch(p)		p will be read soon; may do nothing
 *	env_data_t		the client's pages of one request
 *	env_data_map(data, i)	address of page @i of @data, or NULL if it
 *				cannot be had; called with a lock held, mostly,
 *				so it does not wait for anything of the store
 *	env_data_unmap(ptr)	its opposite
 */
#ifndef _TSTORE_H
#define _TSTORE_H

#include "tmem_env.h"

struct tstore;
struct tstore_client;
struct tstore_policy;
struct tstore_codec;

/* Defaults of struct tstore_config */
#define TSTORE_DEFAULT_CLIENTS	64
#define TSTORE_DEFAULT_POOLS	256

/**
 * struct tstore_config - what tstore_create() needs to know
 * @arena: memory of the store, aligned to a page.  It holds every page and
 *	everything that the store has to remember about one.  It stays the
 *	caller's, who must not touch it until tstore_destroy() has returned.
 * @bytes: size of @arena
 * @max_clients: most clients at one time; 0 for TSTORE_DEFAULT_CLIENTS
 * @max_pools: most pools of one client; 0 for TSTORE_DEFAULT_POOLS
 * @max_shared: most shared pools at one time; 0: there are none
 * @ghosts: estimate for each client what it would gain by more, for policies
 *	that want to know; takes 300 KiB a client
 * @out: all frames are out at first, see tstore_give(): the store touches none
 *	until then, so the host need not have memory there
 * @lasting: the arena is one that outlives the process, such as a shared
 *	mapping of a file, and tstore_open() is to go on with it
 * @dedup: keep pages of a client that are equal once
 * @slots: most pages for a hundred frames, if pages are packed: 100 to 1600; each
 *	takes 45 bytes.  With @dedup a page takes one, and each that is unlike
 *	all others another.  0: 350 with @dedup, 250 with codecs, 100 without
 * @codecs: with which pages are packed, the first one those that are put from
 *	now on, ended by NULL; NULL: pages are kept as they are
 * @seed: a number that clients cannot guess; keeps them from choosing names
 *	that collide in the hash
 *
 */
struct tstore_config {
	void *arena;
	size_t bytes;
	unsigned int max_clients;
	unsigned int max_pools;
	unsigned int max_shared;
	bool ghosts;
	bool out;
	bool lasting;
	bool dedup;
	unsigned int slots;
	const struct tstore_codec *const *codecs;
	u64 seed;
};

/**
 * enum tstore_damage - what is wrong with a stream
 * @TSTORE_DAMAGE_NONE: nothing so far
 * @TSTORE_DAMAGE_MAGIC: it is not a stream
 * @TSTORE_DAMAGE_VERSION: it is of a version that this store does not know
 * @TSTORE_DAMAGE_PAGE_SIZE: its pages are of another size
 * @TSTORE_DAMAGE_TRUNCATED: it ends too early
 * @TSTORE_DAMAGE_SUM: a record is not what it was
 * @TSTORE_DAMAGE_RECORD: a record is of no type, or not of its type's length
 * @TSTORE_DAMAGE_ORDER: a second beginning, or something after the end
 * @TSTORE_DAMAGE_RESERVED: a field is not zero that has to be
 * @TSTORE_DAMAGE_FEATURES: the client has features that this store has not, or
 *	a pool that takes a feature which it has not
 * @TSTORE_DAMAGE_EPOCH: no client can have this epoch
 * @TSTORE_DAMAGE_POOL_ID: the id of a pool is out of range
 * @TSTORE_DAMAGE_POOL_TWICE: a pool that is there already
 * @TSTORE_DAMAGE_POOL_FLAGS: a pool of no kind that there is here
 * @TSTORE_DAMAGE_NO_POOL: something of a pool that is not there
 * @TSTORE_DAMAGE_EPHEMERAL: a page of a pool that is not persistent
 * @TSTORE_DAMAGE_RUN: no, or too many, pages in a run
 * @TSTORE_DAMAGE_COUNTS: records are missing, doubled or misplaced, or pages
 *	are there twice
 * @TSTORE_DAMAGES: number of them, not one itself
 */
enum tstore_damage {
	TSTORE_DAMAGE_NONE,
	TSTORE_DAMAGE_MAGIC,
	TSTORE_DAMAGE_VERSION,
	TSTORE_DAMAGE_PAGE_SIZE,
	TSTORE_DAMAGE_TRUNCATED,
	TSTORE_DAMAGE_SUM,
	TSTORE_DAMAGE_RECORD,
	TSTORE_DAMAGE_ORDER,
	TSTORE_DAMAGE_RESERVED,
	TSTORE_DAMAGE_FEATURES,
	TSTORE_DAMAGE_EPOCH,
	TSTORE_DAMAGE_POOL_ID,
	TSTORE_DAMAGE_POOL_TWICE,
	TSTORE_DAMAGE_POOL_FLAGS,
	TSTORE_DAMAGE_NO_POOL,
	TSTORE_DAMAGE_EPHEMERAL,
	TSTORE_DAMAGE_RUN,
	TSTORE_DAMAGE_COUNTS,
	TSTORE_DAMAGES
};

/**
 * struct tstore_stats - state and history of a store
 * @pages: frames of the arena
 * @free: frames that hold nothing
 * @out: frames that the host has taken
 * @ephemeral: pages in ephemeral pools
 * @persistent: pages in persistent pools
 * @object_frames: frames that hold object records
 * @span_frames: frames that hold packed pages
 * @packed: those pages
 * @packed_bytes: what they and their heads come to
 * @chunk_bytes: what they lie in
 * @sharing: pages of which there may be several that are equal
 * @contents: as many of these as there are if equal ones count once
 * @metadata: bytes of the arena that are not frames
 * @stored: pages accepted
 * @replaced: older copies dropped by a put
 * @hits: pages returned
 * @misses: gets that returned nothing
 * @flushed: pages dropped on request, those of destroyed pools included
 * @evicted: ephemeral pages dropped to make room
 * @recovered: pages that tstore_open() found
 * @damaged: slots that it could make no sense of
 * @reject_full: puts cut short because nothing could be evicted
 * @reject_limit: puts cut short by the client's limit
 * @reject_frozen: puts refused because the client was frozen or being saved
 * @bad_streams: streams refused, by what was wrong with them
 */
struct tstore_stats {
	u64 pages;
	u64 free;
	u64 out;
	u64 ephemeral;
	u64 persistent;
	u64 object_frames;
	u64 span_frames;
	u64 packed;
	u64 packed_bytes;
	u64 chunk_bytes;
	u64 sharing;
	u64 contents;
	u64 metadata;
	u64 stored;
	u64 replaced;
	u64 hits;
	u64 misses;
	u64 flushed;
	u64 evicted;
	u64 recovered;
	u64 damaged;
	u64 reject_full;
	u64 reject_limit;
	u64 reject_frozen;
	u64 bad_streams[TSTORE_DAMAGES];
};

/**
 * struct tstore_client_stats - state and history of a client
 * @limit: pages that it may keep
 * @target: frames that the last tstore_divide() found to be its due; 0 before
 *	the first one
 * @ephemeral: pages in its ephemeral pools, but for shared ones
 * @persistent: pages in its persistent pools
 * @bytes: what they cost, packed or not; the limit is about this
 * @pools: its pools
 * @evicted: ephemeral pages that it had to give up
 * @reject_full: its puts cut short because nothing could be evicted
 * @reject_limit: its puts cut short by the limit
 * @reject_frozen: its puts refused because it was frozen or being saved
 * @found: ephemeral pages that it asked for and that were there, or would have
 *	been, had the store had room for all; an estimate, 0 without ghosts
 * @reports: how many reports of its working set there were
 * @report: the last one, with the answer; zeroes if there was none since it
 *	attached
 */
struct tstore_client_stats {
	u64 limit;
	u64 target;
	u64 ephemeral;
	u64 persistent;
	u64 bytes;
	u64 pools;
	u64 evicted;
	u64 reject_full;
	u64 reject_limit;
	u64 reject_frozen;
	u64 found;
	u64 reports;
	struct tmem_report report;
};

/**
 * struct tstore_shared_stats - a shared pool, and what a client is to it
 * @uuid: its name
 * @pages: that are in it
 * @bytes: what they cost
 * @evicted: pages that it had to give up
 * @members: pools of clients that are this one
 * @joined: one of these is the client's
 */
struct tstore_shared_stats {
	u64 uuid[2];
	u64 pages;
	u64 bytes;
	u64 evicted;
	u32 members;
	bool joined;
};

/* Room that tstore_save_next() needs: the longest record */
#define TSTORE_SAVE_BYTES	(64 + PAGE_SIZE)

/**
 * struct tstore_gone - pages that left while their client was being saved
 * @object: their object
 * @index: the first of them
 * @ident: the store's own: their pool, for ever
 * @pool: its id
 * @nr: their number
 * @reserved: not used
 */
struct tstore_gone {
	u64 object[3];
	u64 index;
	u32 ident;
	u32 pool;
	u32 nr;
	u32 reserved;
};

/**
 * struct tstore_work - how far a request got that was stopped
 * @done: pages so far
 * @asked: pages of its range that it has asked for, one by one; or
 * @left: pages of its object that it has not looked at yet, and
 * @at: where among them it was, the store's own
 */
struct tstore_work {
	u32 done;
	u32 asked;
	u32 left;
	u32 at;
};

int tstore_create(const struct tstore_config *cfg, struct tstore **out);
int tstore_open(const struct tstore_config *cfg, struct tstore **out);
size_t tstore_metadata(const struct tstore_config *cfg);
void tstore_destroy(struct tstore *s);
void tstore_reset(struct tstore *s);
void tstore_stats(struct tstore *s, struct tstore_stats *out);
void tstore_divide(struct tstore *s, const struct tstore_policy *policy);

u32 tstore_take(struct tstore *s, u32 *frames, u32 nr);
int tstore_give(struct tstore *s, const u32 *frames, u32 nr);
u32 tstore_next_out(struct tstore *s, u32 frame);
u64 tstore_free_frames(struct tstore *s);
void *tstore_frame_addr(struct tstore *s, u32 frame);

int tstore_client_create(struct tstore *s, u64 limit,
			 struct tstore_client **out);
bool tstore_client_clear(struct tstore_client *c);
void tstore_client_destroy(struct tstore_client *c);
struct tstore_client *tstore_client_find(struct tstore *s, u64 tag);
void tstore_client_set_tag(struct tstore_client *c, u64 tag);
void tstore_client_set_limit(struct tstore_client *c, u64 limit);
void tstore_client_set_share(struct tstore_client *c, u64 min, u32 weight);
u64 tstore_client_target(struct tstore_client *c);
void tstore_client_freeze(struct tstore_client *c, bool frozen);
void tstore_client_refuse(struct tstore_client *c, bool refuse);
void tstore_client_set_grant(struct tstore_client *c, u64 pages);
u32 tstore_client_evict(struct tstore_client *c, u32 nr);
void tstore_client_stats(struct tstore_client *c,
			 struct tstore_client_stats *out);
int tstore_client_pool(struct tstore_client *c, u32 id);

/* shared.c: who may join which shared pools */
int tstore_client_allow(struct tstore_client *c, const u64 *uuid);
int tstore_client_forbid(struct tstore_client *c, const u64 *uuid,
			 bool *begun);
bool tstore_client_shared(struct tstore_client *c, u32 *at,
			  struct tstore_shared_stats *out);

void tstore_execute(struct tstore_client *c, struct tmem_req *req,
		    env_data_t data);
bool tstore_execute_some(struct tstore_client *c, struct tmem_req *req,
			 env_data_t data, struct tstore_work *work);

/* save.c, restore.c: a client as a stream, for migration */
int tstore_save_begin(struct tstore_client *c, struct tstore_gone *log,
		      u32 entries);
int tstore_save_next(struct tstore_client *c, void *buf, size_t bytes,
		     size_t *used);
void tstore_save_finish(struct tstore_client *c);
int tstore_save_end(struct tstore_client *c);

int tstore_restore_begin(struct tstore_client *c, env_data_t data);
int tstore_restore_feed(struct tstore_client *c, const void *buf,
			size_t bytes);
int tstore_restore_end(struct tstore_client *c, enum tstore_damage *damage);

/* check.c, for tests */
const char *tstore_check(struct tstore *s);
bool tstore_peek(struct tstore_client *c, u32 pool, const u64 *name,
		 u64 index);

#endif /* _TSTORE_H */
