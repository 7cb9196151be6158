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
 *	EOPNOTSUPP EDQUOT, with the numbers of Linux
 *	struct tmem_req and its kin: include/uapi/linux/tmem.h
 *
 * and as env_*:
 *	env_zalloc(bytes)	zeroed memory aligned for any type, or NULL;
 *				called only by tstore_create() and
 *				tstore_client_create(), with no lock held
 *	env_free(ptr)		its opposite; NULL is allowed
 *	env_lock_init(l, level)	initialises a spinlock_t; @level is a constant
 *				of enum tstore_lock_level, for a host that
 *				wants to check the order
 *	env_assert_held(l)	complains unless the caller holds @l
 *	env_relax()		called with no lock held between the slices of
 *				a long operation: reschedule, yield, or nothing
 *	env_read_once(x)	one untorn load or store of an aligned word
 *	env_write_once(x, v)	that the compiler neither repeats nor elides
 *	env_store_release(p, v)	as env_write_once(*p, v), after all earlier
 *				stores
 *	env_prefetch(p)		p will be read soon; may do nothing
 *	env_data_t		the client's pages of one request
 *	env_data_map(data, i)	address of page @i of @data, or NULL if it
 *				cannot be had; called with a lock held, so it
 *				does not wait for anything of the store
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
 * @ghosts: estimate for each client what it would gain by more, for policies
 *	that want to know; takes 300 KiB a client
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
	bool ghosts;
	bool lasting;
	bool dedup;
	unsigned int slots;
	const struct tstore_codec *const *codecs;
	u64 seed;
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
 * @reject_frozen: puts refused because the client was frozen
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
};

int tstore_create(const struct tstore_config *cfg, struct tstore **out);
int tstore_open(const struct tstore_config *cfg, struct tstore **out);
void tstore_destroy(struct tstore *s);
void tstore_reset(struct tstore *s);
void tstore_stats(struct tstore *s, struct tstore_stats *out);
void tstore_divide(struct tstore *s, const struct tstore_policy *policy);

u32 tstore_take(struct tstore *s, u32 *frames, u32 nr);
int tstore_give(struct tstore *s, const u32 *frames, u32 nr);
u32 tstore_next_out(struct tstore *s, u32 frame);
void *tstore_frame_addr(struct tstore *s, u32 frame);

int tstore_client_create(struct tstore *s, u64 limit,
			 struct tstore_client **out);
void tstore_client_destroy(struct tstore_client *c);
struct tstore_client *tstore_client_find(struct tstore *s, u64 tag);
void tstore_client_set_tag(struct tstore_client *c, u64 tag);
void tstore_client_set_limit(struct tstore_client *c, u64 limit);
void tstore_client_set_share(struct tstore_client *c, u64 min, u32 weight);
u64 tstore_client_target(struct tstore_client *c);
void tstore_client_freeze(struct tstore_client *c, bool frozen);

void tstore_execute(struct tstore_client *c, struct tmem_req *req,
		    env_data_t data);

/* check.c, for tests */
const char *tstore_check(struct tstore *s);
bool tstore_peek(struct tstore_client *c, u32 pool, const u64 *name,
		 u64 index);

#endif /* _TSTORE_H */
