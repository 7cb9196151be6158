/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: hooks for the page cache, and the transport interface
 *
 * The hooks are inlines behind one static key.  Until a transport has been
 * attached for the first time they are no-ops; after that the key stays on,
 * because folios that a hook has marked may be in flight at any moment.
 * Documentation/tmem/design.rst says why the hooks sit where they sit.
 */
#ifndef _LINUX_TMEM_H
#define _LINUX_TMEM_H

#include <linux/fs.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/swap.h>
#include <uapi/linux/tmem.h>

struct bio_vec;
struct folio_batch;
struct readahead_control;
struct tmem_transport;

/**
 * struct tmem_io - a wire request and the memory of its data
 * @req: the request; a transport fills in @addr, if its carrier needs one,
 *	and status and done
 * @page: first page of the run, NULL if the request carries no data; the
 *	pages of a run belong to one folio
 */
struct tmem_io {
	struct tmem_req req;
	struct page *page;
};

/**
 * struct tmem_transport_ops - what a carrier has to offer
 * @name: name in the boot parameter and in sysfs
 * @submit: carry @nr requests to the store and wait for all of them
 * @resume: the machine has slept, and is about to attach again; its memory may
 *	have come from a disk.  May be NULL.
 *
 * @submit is called by the frontend in process context, possibly from
 * reclaim: it may sleep, must not allocate memory with anything that enters
 * reclaim, and is never called with a spinlock held.  Calls run concurrently.
 * On return every request has a status, also when the carrier died: -EIO.
 * Return: for how many microseconds the caller had nothing to do but to wait, in
 * which others had the CPU if they wanted it; or -EIO when the carrier is dead
 * for good.
 */
struct tmem_transport_ops {
	const char *name;
	int (*submit)(struct tmem_transport *t, struct tmem_io *ios,
		      unsigned int nr);
	void (*resume)(struct tmem_transport *t);
};

/**
 * struct tmem_transport - one carrier; a driver embeds it in its own state
 * @ops: constant for the life of the transport
 * @node: in the list of registered transports, the core's
 */
struct tmem_transport {
	const struct tmem_transport_ops *ops;
	struct list_head node;
};

#ifdef CONFIG_TMEM_LOOP
void __init tmem_loop_reserve(void);
#else
static inline void tmem_loop_reserve(void) {}
#endif

#ifdef CONFIG_TMEM

int tmem_transport_register(struct tmem_transport *t);
void tmem_transport_unregister(struct tmem_transport *t);
int tmem_transport_sleep(void);
void tmem_transport_wake(void);

DECLARE_STATIC_KEY_FALSE(tmem_enabled_key);

/**
 * struct tmem_inval - a range of a file that is being invalidated
 * @hcache: cache of the filesystem, NULL if there is nothing to do
 * @node: in the list of its shard
 * @object: name of the file in the store
 * @first: first page of the range
 * @last: last page of the range, inclusive
 *
 * Lives on the stack of the invalidating function.
 */
struct tmem_inval {
	struct tmem_hcache *hcache;
	struct list_head node;
	u64 object[3];
	pgoff_t first;
	pgoff_t last;
};

void tmem_hcache_mount(struct super_block *sb);
void __tmem_hcache_umount(struct super_block *sb);
void __tmem_hcache_drop(struct super_block *sb);
void __tmem_hcache_want(struct folio *folio);
void __tmem_hcache_take(struct address_space *mapping, struct folio *folio);
bool __tmem_hcache_fill(struct folio *folio);
bool __tmem_hcache_readahead(struct readahead_control *rac);
bool tmem_hcache_next_run(struct readahead_control *rac, pgoff_t end);
bool __tmem_hcache_wanted(struct address_space *mapping, struct folio *folio);
void __tmem_hcache_put(struct folio_batch *folios);
void __tmem_hcache_forget(struct address_space *mapping, struct folio *folio);
void __tmem_hcache_invalidate_begin(struct address_space *mapping,
				    pgoff_t first, pgoff_t last,
				    struct tmem_inval *inval);
void __tmem_hcache_invalidate_end(struct tmem_inval *inval);
void __tmem_hcache_rekey_begin(struct inode *inode, struct tmem_inval *inval);
void __tmem_hcache_rekey_end(struct inode *inode, struct tmem_inval *inval);

static __always_inline bool tmem_on(void)
{
	return static_branch_unlikely(&tmem_enabled_key);
}

/* May the store hold pages of this file that are valid? */
static __always_inline bool tmem_hcache_may_hold(struct address_space *mapping)
{
	if (!tmem_on())
		return false;
	/*
	 * Callers test nrpages first.  Pairs with the barrier of the eviction,
	 * which clears the flag before it lowers nrpages.
	 */
	smp_rmb();
	return mapping->host->i_sb->s_hcache &&
	       S_ISREG(mapping->host->i_mode) &&
	       !test_bit(AS_HCACHE_ABSENT, &mapping->flags);
}

#else /* !CONFIG_TMEM */

struct tmem_inval {};

static inline void tmem_hcache_mount(struct super_block *sb) {}
static inline void __tmem_hcache_umount(struct super_block *sb) {}
static inline void __tmem_hcache_drop(struct super_block *sb) {}
static inline void __tmem_hcache_want(struct folio *folio) {}
static inline void __tmem_hcache_take(struct address_space *mapping,
				      struct folio *folio) {}
static inline bool __tmem_hcache_fill(struct folio *folio) { return false; }
static inline bool __tmem_hcache_readahead(struct readahead_control *rac)
{
	return false;
}

static inline bool tmem_hcache_next_run(struct readahead_control *rac,
					pgoff_t end)
{
	return false;
}

static inline bool __tmem_hcache_wanted(struct address_space *mapping,
					struct folio *folio)
{
	return false;
}

static inline void __tmem_hcache_put(struct folio_batch *folios) {}
static inline void __tmem_hcache_forget(struct address_space *mapping,
					struct folio *folio) {}
static inline void
__tmem_hcache_invalidate_begin(struct address_space *mapping, pgoff_t first,
			       pgoff_t last, struct tmem_inval *inval) {}
static inline void __tmem_hcache_invalidate_end(struct tmem_inval *inval) {}
static inline void __tmem_hcache_rekey_begin(struct inode *inode,
					     struct tmem_inval *inval) {}
static inline void __tmem_hcache_rekey_end(struct inode *inode,
					   struct tmem_inval *inval) {}
static __always_inline bool tmem_on(void) { return false; }
static __always_inline bool tmem_hcache_may_hold(struct address_space *mapping)
{
	return false;
}

#endif /* CONFIG_TMEM */

/* The filesystem is gone: so is what the store keeps of it */
static __always_inline void tmem_hcache_umount(struct super_block *sb)
{
	__tmem_hcache_umount(sb);
}

/* The device is gone or changed: nothing that the store keeps is valid */
static __always_inline void tmem_hcache_drop(struct super_block *sb)
{
	if (tmem_on())
		__tmem_hcache_drop(sb);
}

/*
 * A folio is about to be inserted into the page cache in order to be read.
 * Only a folio so marked is filled from the store.
 */
static __always_inline void tmem_hcache_want(struct folio *folio)
{
	if (tmem_on())
		__tmem_hcache_want(folio);
}

/*
 * A folio has been inserted and is still locked: from here on the page cache
 * has the file's data, the copy in the store is not valid any more, and only
 * whoever inserted the folio may still fetch it, if the folio was marked.
 */
static __always_inline void tmem_hcache_take(struct address_space *mapping,
					     struct folio *folio)
{
	if (tmem_on())
		__tmem_hcache_take(mapping, folio);
}

/* Can this folio, marked and inserted, be filled from the store? */
static __always_inline bool tmem_hcache_stored(struct folio *folio)
{
	return tmem_on() && folio_test_checked(folio);
}

/* Fill a locked folio from the store.  True if it is uptodate now. */
static __always_inline bool tmem_hcache_fill(struct folio *folio)
{
	return tmem_on() && __tmem_hcache_fill(folio);
}

/*
 * Fill what can be filled of a readahead window.  True if any folio was; these
 * are uptodate and still locked.
 */
static __always_inline bool
tmem_hcache_readahead(struct readahead_control *rac)
{
	return tmem_on() && rac->_stored &&
	       __tmem_hcache_readahead(rac);
}

/* Is this clean, locked, unmapped folio to be put before it is removed? */
static __always_inline bool tmem_hcache_wanted(struct address_space *mapping,
					       struct folio *folio)
{
	return tmem_on() && __tmem_hcache_wanted(mapping, folio);
}

/* Put a batch of locked folios for which tmem_hcache_wanted() was true */
static __always_inline void tmem_hcache_put(struct folio_batch *folios)
{
	__tmem_hcache_put(folios);
}

/* A folio that was put stays in the page cache after all; it is locked */
static __always_inline void tmem_hcache_forget(struct address_space *mapping,
					       struct folio *folio)
{
	__tmem_hcache_forget(mapping, folio);
}

/*
 * Bracket the scan that removes the folios of a range, @first to @last
 * inclusive, from the page cache, or finds that there is none.  From begin on,
 * no copy in the range is valid and until end none becomes so.
 */
static __always_inline void
tmem_hcache_invalidate_begin(struct address_space *mapping, pgoff_t first,
			     pgoff_t last, struct tmem_inval *inval)
{
	if (tmem_on())
		__tmem_hcache_invalidate_begin(mapping, first, last, inval);
#ifdef CONFIG_TMEM
	else
		inval->hcache = NULL;
#endif
}

static __always_inline void
tmem_hcache_invalidate_end(struct tmem_inval *inval)
{
	if (tmem_on())
		__tmem_hcache_invalidate_end(inval);
}

/* Bracket a change of what identifies a file, such as its generation */
static __always_inline void tmem_hcache_rekey_begin(struct inode *inode,
						    struct tmem_inval *inval)
{
	if (tmem_on())
		__tmem_hcache_rekey_begin(inode, inval);
#ifdef CONFIG_TMEM
	else
		inval->hcache = NULL;
#endif
}

static __always_inline void tmem_hcache_rekey_end(struct inode *inode,
						  struct tmem_inval *inval)
{
	if (tmem_on())
		__tmem_hcache_rekey_end(inode, inval);
}

/* ---- the working-set estimator ---- */

#ifdef CONFIG_TMEM_WSE
void __tmem_wse_evicted(struct folio *folio);
void __tmem_wse_refault(struct folio *folio);
#else
static inline void __tmem_wse_evicted(struct folio *folio) {}
static inline void __tmem_wse_refault(struct folio *folio) {}
#endif

/* A folio loses its place in memory and leaves a shadow */
static __always_inline void tmem_wse_evicted(struct folio *folio)
{
	if (tmem_on())
		__tmem_wse_evicted(folio);
}

/* A folio that left a shadow is back */
static __always_inline void tmem_wse_refault(struct folio *folio)
{
	if (tmem_on())
		__tmem_wse_refault(folio);
}

/* ---- hswap ---- */

#ifdef CONFIG_TMEM_HSWAP
void __tmem_hswap_swapon(struct swap_info_struct *si, unsigned long slots);
void __tmem_hswap_swapoff(struct swap_info_struct *si);
void __tmem_hswap_free(struct swap_info_struct *si, unsigned long slot,
		       unsigned int nr);
void __tmem_hswap_forget(struct folio *folio);
bool __tmem_hswap_wanted(struct folio *folio, bool after_zswap);
unsigned int __tmem_hswap_stored(swp_entry_t entry, unsigned int nr);
unsigned long tmem_hswap_put(const struct bio_vec *bvec, unsigned int nr);
unsigned long tmem_hswap_get(const struct bio_vec *bvec, unsigned int nr);

static __always_inline bool tmem_hswap_on(void)
{
	return tmem_on();
}
#else /* !CONFIG_TMEM_HSWAP */
static inline void __tmem_hswap_swapon(struct swap_info_struct *si,
				       unsigned long slots) {}
static inline void __tmem_hswap_swapoff(struct swap_info_struct *si) {}
static inline void __tmem_hswap_free(struct swap_info_struct *si,
				     unsigned long slot, unsigned int nr) {}
static inline void __tmem_hswap_forget(struct folio *folio) {}
static inline bool __tmem_hswap_wanted(struct folio *folio, bool after_zswap)
{
	return false;
}

static inline unsigned int __tmem_hswap_stored(swp_entry_t entry,
					       unsigned int nr)
{
	return 0;
}

static inline unsigned long tmem_hswap_put(const struct bio_vec *bvec,
					   unsigned int nr)
{
	return 0;
}

static inline unsigned long tmem_hswap_get(const struct bio_vec *bvec,
					   unsigned int nr)
{
	return 0;
}

static __always_inline bool tmem_hswap_on(void) { return false; }
#endif /* CONFIG_TMEM_HSWAP */

/* A device of so many slots is about to be used */
static __always_inline void tmem_hswap_swapon(struct swap_info_struct *si,
					      unsigned long slots)
{
	if (tmem_hswap_on())
		__tmem_hswap_swapon(si, slots);
}

/* A device is not used any more, all its slots are free */
static __always_inline void tmem_hswap_swapoff(struct swap_info_struct *si)
{
	if (tmem_hswap_on())
		__tmem_hswap_swapoff(si);
}

/* Slots have been freed; si->lock is held */
static __always_inline void tmem_hswap_free(struct swap_info_struct *si,
					    unsigned long slot, unsigned int nr)
{
	if (tmem_hswap_on())
		__tmem_hswap_free(si, slot, nr);
}

/*
 * A folio of the swap cache, locked, is about to be stored somewhere: what the
 * store has for its slots is not valid any more.
 */
static __always_inline void tmem_hswap_forget(struct folio *folio)
{
	if (tmem_hswap_on())
		__tmem_hswap_forget(folio);
}

/* Is it to be offered to the store, before zswap or after zswap refused it? */
static __always_inline bool tmem_hswap_wanted(struct folio *folio,
					      bool after_zswap)
{
	return tmem_hswap_on() && __tmem_hswap_wanted(folio, after_zswap);
}

/* How many of these slots does the store have, instead of the device? */
static __always_inline unsigned int tmem_hswap_stored(swp_entry_t entry,
						      unsigned int nr)
{
	return tmem_hswap_on() ? __tmem_hswap_stored(entry, nr) : 0;
}

/* Does the store have some of these slots, but not all? */
static __always_inline bool tmem_hswap_mixed(swp_entry_t entry, unsigned int nr)
{
	return tmem_hswap_on() && __tmem_hswap_stored(entry, nr) % nr;
}

#endif /* _LINUX_TMEM_H */
