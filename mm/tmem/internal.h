/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what the files of mm/tmem share
 */
#ifndef _MM_TMEM_INTERNAL_H
#define _MM_TMEM_INTERNAL_H

#include <linux/kobject.h>
#include <linux/percpu.h>
#include <linux/rhashtable.h>
#include <linux/srcu.h>
#include <linux/spinlock.h>
#include <linux/tmem.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

/* Requests of one vector; reclaim isolates SWAP_CLUSTER_MAX folios at a time */
#define TMEM_VEC_MAX	32

/**
 * struct tmem_key - name of an object: what identifies a file for ever
 * @object: file handle of the inode, padded with zeroes
 */
struct tmem_key {
	u64 object[3];
};

/* core.c: transports, vectors, requests */

/**
 * struct tmem_vec - a vector under construction; preallocated, see core.c
 * @nr: requests in it
 * @swap: they are of swapped pages, which must not be lost
 * @waited_us: for how long tmem_submit() had nothing to do but to wait
 * @ios: the requests
 */
struct tmem_vec {
	unsigned int nr;
	bool swap;
	unsigned int waited_us;
	struct tmem_io ios[TMEM_VEC_MAX];
};

extern struct srcu_struct tmem_srcu;
extern struct mutex tmem_lock;

bool tmem_attached(void);
bool tmem_persistent(void);
unsigned int tmem_max_pools(void);
struct tmem_vec *tmem_vec_get(gfp_t gfp);
void tmem_vec_put(struct tmem_vec *vec);
struct tmem_io *tmem_vec_add(struct tmem_vec *vec, u8 op, u32 pool,
			     const struct tmem_key *key, u64 index, u32 nr);
unsigned int tmem_vec_pages(const struct tmem_vec *vec);
void tmem_submit(struct tmem_vec *vec);
int tmem_request(u8 op, u32 pool, u64 index);
int tmem_report(struct page *page);
u32 tmem_seq_next(void);
u32 tmem_seq_now(void);
ssize_t tmem_transport_show(char *buf);
int tmem_transport_select(const char *name);

/* fault.c: a store that misbehaves, for tests */

#ifdef CONFIG_TMEM_FAULT_INJECTION
int tmem_fault_submit(struct tmem_transport *t, struct tmem_vec *vec);

static inline int tmem_carry(struct tmem_transport *t, struct tmem_vec *vec)
{
	return tmem_fault_submit(t, vec);
}
#else
static inline int tmem_carry(struct tmem_transport *t, struct tmem_vec *vec)
{
	return t->ops->submit(t, vec->ios, vec->nr);
}
#endif

/* index.c: the proof that a copy is valid */

/**
 * struct tmem_shard - a share of an index, by hash of the key
 * @lock: protects the shard's objects, their bits, and @invals
 * @invals: ranges that are being invalidated
 */
struct tmem_shard {
	spinlock_t lock; /* see above */
	struct list_head invals;
} ____cacheline_aligned_in_smp;

#define TMEM_SHARDS	64

/**
 * struct tmem_index - which pages of a filesystem's files the store holds
 * @ht: objects by key; lookups and changes of an object under its shard's lock
 * @shards: the locks
 * @objects: number of objects
 * @chunks: number of bitmap chunks
 * @walker: where the last shrink stopped, under @shrink_lock
 * @shrink_lock: one shrinks at a time
 */
struct tmem_index {
	struct rhashtable ht;
	struct tmem_shard *shards;
	atomic_long_t objects;
	atomic_long_t chunks;
	struct rhashtable_iter walker;
	struct mutex shrink_lock; /* see above */
};

int tmem_index_init(struct tmem_index *ix);
void tmem_index_exit(struct tmem_index *ix);
int tmem_index_set(struct tmem_index *ix, const struct tmem_key *key,
		   struct address_space *mapping, pgoff_t index,
		   unsigned int nr);
unsigned int tmem_index_take(struct tmem_index *ix, const struct tmem_key *key,
			     struct address_space *mapping, pgoff_t index,
			     unsigned int nr);
unsigned long tmem_index_block(struct tmem_index *ix, struct tmem_inval *inval,
			       struct address_space *mapping);
void tmem_index_unblock(struct tmem_index *ix, struct tmem_inval *inval);
unsigned long tmem_index_shrink(struct tmem_index *ix, unsigned long nr,
				void (*dropped)(void *data,
						const struct tmem_key *key),
				void *data);
void tmem_index_clear(struct tmem_index *ix);
size_t tmem_index_bytes(struct tmem_index *ix);
int __init tmem_index_caches_init(void);

/* flush.c: garbage collection in the store */

void tmem_flush_queue(u32 pool, const struct tmem_key *key, u64 index, u32 nr);
void tmem_flush_drain(void);
extern atomic_long_t tmem_flush_queued, tmem_flush_done, tmem_flush_dropped;

/* pools.c: ids of pools */

#define TMEM_NO_POOL	U32_MAX

u32 tmem_pool_id_get(void);
void tmem_pool_id_put(u32 id);

/* hcache.c, the traffic, and pools.c, where it goes */

/*
 * enum tmem_hcache_count - what happened to pages, counted per filesystem
 *
 * Pages offered = stored + all the rejections; pages asked for = hits + lost.
 */
enum tmem_hcache_count {
	HCACHE_OFFERED,
	HCACHE_STORED,
	HCACHE_REJECT_DISABLED,
	HCACHE_REJECT_ADMISSION,
	HCACHE_REJECT_VECTOR,
	HCACHE_REJECT_FULL,
	HCACHE_REJECT_IO,
	HCACHE_REJECT_INDEX,
	HCACHE_REJECT_RACE,
	HCACHE_HITS,
	HCACHE_LOST,
	HCACHE_MISSES,
	HCACHE_OVERWRITTEN,
	HCACHE_INVALIDATED,
	HCACHE_RETURNED,
	HCACHE_PUT_VECTORS,
	HCACHE_PUT_REQUESTS,
	HCACHE_GET_VECTORS,
	HCACHE_GET_REQUESTS,
	HCACHE_PUT_NS,		/* not shown, for admit.c */
	HCACHE_PUT_PAGES,
	HCACHE_GET_NS,
	HCACHE_GET_PAGES,
	HCACHE_TURN,
	HCACHE_NR_COUNTS
};

struct tmem_hcache_counts {
	unsigned long nr[HCACHE_NR_COUNTS];
};

/* admit.c: does it pay to put the pages of a filesystem? */

enum tmem_verdict {
	TMEM_VERDICT_LEARNING,
	TMEM_VERDICT_CHEAP,
	TMEM_VERDICT_PAYS,
	TMEM_VERDICT_SAMPLED,
};

/**
 * struct tmem_rate - a mean that forgets
 * @sum: of what was measured
 * @nr: on how many pages
 */
struct tmem_rate {
	u64 sum;
	u64 nr;
};

static inline u64 tmem_rate_mean(const struct tmem_rate *rate)
{
	return rate->nr ? div64_u64(rate->sum, rate->nr) : 0;
}

/**
 * struct tmem_measured - what decides whether puts pay
 * @verdict: whether they do
 * @sample: of a thousand folios, how many are put if they do not
 * @learnt: pages put since nothing was known
 * @put: nanoseconds for pages that were put
 * @get: for pages that were got
 * @disk: for pages that the disk has read; requests that it had at the same
 *	time count as if one had come after the other
 * @hits: hits for pages that were stored
 */
struct tmem_measured {
	enum tmem_verdict verdict;
	unsigned int sample;
	u64 learnt;
	struct tmem_rate put;
	struct tmem_rate get;
	struct tmem_rate disk;
	struct tmem_rate hits;
};

/**
 * struct tmem_admit - the measurement of a filesystem
 * @lock: protects @last and @m; innermost
 * @fresh: pages put since the last step
 * @next: time of the next step
 * @last: the counters at the last step
 * @m: what was measured; verdict and sample are read without the lock
 */
struct tmem_admit {
	spinlock_t lock; /* see above */
	atomic_t fresh;
	unsigned long next;
	struct tmem_totals {
		u64 put_ns, put_pages, get_ns, get_pages;
		u64 disk_ns, disk_pages, stored, hits;
	} last;
	struct tmem_measured m;
};

/**
 * struct tmem_hcache - the second-chance cache of one filesystem
 * @sb: the filesystem
 * @id: pool id; the filesystem's own for as long as it is mounted, so that a
 *	request that was prepared before the carrier was changed can never
 *	reach another filesystem's pool
 * @active: the store has the pool.  Set and cleared under tmem_lock, read
 *	inside an SRCU read section of tmem_srcu, in which all of a put happens.
 * @index: the proof
 * @admit: whether it pays
 * @counts: per CPU
 * @node: in the list of caches, under tmem_lock
 * @kobj: pools/<id> in sysfs
 */
struct tmem_hcache {
	struct super_block *sb;
	u32 id;
	bool active;
	struct tmem_index index;
	struct tmem_admit admit;
	struct tmem_hcache_counts __percpu *counts;
	struct list_head node;
	struct kobject kobj;
};

enum tmem_admission {
	TMEM_ADMIT_ALL,
	TMEM_ADMIT_WORKINGSET,
	TMEM_ADMIT_ADAPTIVE,
};

extern bool tmem_hcache_enabled, tmem_hcache_encrypted;
extern enum tmem_admission tmem_hcache_admission;
extern unsigned long tmem_index_limit;

static inline void tmem_count(struct tmem_hcache *hc,
			      enum tmem_hcache_count what, unsigned long nr)
{
	this_cpu_add(hc->counts->nr[what], nr);
}

/* The copies of pages @first .. @last have become garbage */
static inline void tmem_flush_range(struct tmem_hcache *hc,
				    const struct tmem_key *key, pgoff_t first,
				    pgoff_t last)
{
	unsigned long nr = last - first + 1;

	if (READ_ONCE(hc->active))
		tmem_flush_queue(hc->id, key, first, nr > U32_MAX ? 0 : nr);
}

void tmem_rate_add(struct tmem_rate *rate, u64 sum, u64 nr);
unsigned int tmem_admit_share(const struct tmem_measured *m);
unsigned int tmem_admit_needed(const struct tmem_measured *m);
unsigned int tmem_admit_sample(const struct tmem_measured *m);
enum tmem_verdict tmem_admit_judge(const struct tmem_measured *m);
void tmem_admit_update(struct tmem_hcache *hc, unsigned int nr);
bool tmem_admit_folio(struct tmem_hcache *hc);
void tmem_admit_reset(struct tmem_hcache *hc);
void tmem_admit_read(struct tmem_hcache *hc, struct tmem_measured *m);

int __init tmem_hcache_init(void);
bool tmem_index_full(struct tmem_hcache *hc);
void tmem_hcache_attach(void);
void tmem_hcache_detach(void);
u64 tmem_hcache_count(struct tmem_hcache *hc, enum tmem_hcache_count what);
u64 tmem_hcache_total(enum tmem_hcache_count what);
size_t tmem_hcache_index_bytes(void);
void tmem_hcache_free(struct tmem_hcache *hc);

/* hswap.c: a pre-cache in front of the swap devices */

/*
 * enum tmem_hswap_count - what happened to pages that were swapped
 *
 * Pages offered = stored + all the rejections; stored = in the store now +
 * freed + overwritten + written back.
 */
enum tmem_hswap_count {
	HSWAP_OFFERED,
	HSWAP_STORED,
	HSWAP_REJECT_DISABLED,
	HSWAP_REJECT_CGROUP,
	HSWAP_REJECT_LIMIT,
	HSWAP_REJECT_VECTOR,
	HSWAP_REJECT_FULL,
	HSWAP_REJECT_IO,
	HSWAP_LOADED,
	HSWAP_FAILED,
	HSWAP_FREED,
	HSWAP_OVERWRITTEN,
	HSWAP_WRITTEN_BACK,
	HSWAP_PUT_VECTORS,
	HSWAP_PUT_REQUESTS,
	HSWAP_GET_VECTORS,
	HSWAP_GET_REQUESTS,
	HSWAP_NR_COUNTS
};

/**
 * struct tmem_hswap - what the store keeps of one swap device
 * @si: the swap device
 * @id: pool id; the device's own from swapon to swapoff
 * @active: pages are offered.  Set and cleared under tmem_lock, read inside an
 *	SRCU read section of tmem_srcu, in which all of a put happens.
 * @pooled: the store has the pool, under tmem_lock
 * @slots: size of the device
 * @stored: bit per slot: the store has its page, and the device has not
 * @garbage: bit per slot: the store has a copy that is to be flushed
 * @lock: held by a put from taking bits of @garbage to getting its number, and
 *	by the worker from taking bits to reading the number of the last put
 * @pages: bits in @stored
 * @flush_work: makes flushes of @garbage
 * @node: in the list of devices
 * @kobj: pools/<id> in sysfs
 */
struct tmem_hswap {
	struct swap_info_struct *si;
	u32 id;
	bool active;
	bool pooled;
	unsigned long slots;
	unsigned long *stored;
	unsigned long *garbage;
	spinlock_t lock; /* see above */
	atomic_long_t pages;
	struct delayed_work flush_work;
	struct list_head node;
	struct kobject kobj;
};

#ifdef CONFIG_TMEM_HSWAP
extern bool tmem_hswap_enabled, tmem_hswap_after_zswap;
extern unsigned long tmem_hswap_limit;
DECLARE_PER_CPU(unsigned long [HSWAP_NR_COUNTS], tmem_hswap_counts);

void tmem_hswap_drop(struct tmem_hswap *hs, unsigned long slot,
		     unsigned long nr, enum tmem_hswap_count why);
long tmem_hswap_write_back(struct tmem_hswap *hs, unsigned long nr);
unsigned long tmem_hswap_usage(void);
int tmem_hswap_shrink(unsigned long nr);
void tmem_hswap_attach(void);
int tmem_hswap_detach(bool force);
void tmem_hswap_release(struct tmem_hswap *hs);
int __init tmem_hswap_sysfs_init(struct kobject *parent);
void tmem_hswap_sysfs_init_pool(struct tmem_hswap *hs);
#else
static inline void tmem_hswap_attach(void) {}
static inline int tmem_hswap_detach(bool force) { return 0; }
static inline int tmem_hswap_sysfs_init(struct kobject *parent) { return 0; }
#endif

#ifdef CONFIG_MEMCG
bool tmem_hswap_excluded(struct folio *folio);
#else
static inline bool tmem_hswap_excluded(struct folio *folio) { return false; }
#endif

/* wse.c and its kin: how much memory is needed */

#ifdef CONFIG_TMEM_WSE
int __init tmem_wse_sysfs_init(struct kobject *parent);
void tmem_wse_attach(void);
#else
static inline int tmem_wse_sysfs_init(struct kobject *parent) { return 0; }
static inline void tmem_wse_attach(void) {}
#endif

/* sysfs.c */

int __init tmem_sysfs_init(void);
void tmem_sysfs_init_pool(struct tmem_hcache *hc);
void tmem_sysfs_add_pool(struct kobject *kobj, u32 id);

#endif /* _MM_TMEM_INTERNAL_H */
