// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: hswap, a pre-cache in front of the swap devices
 *
 * A page that is swapped out is offered to a persistent pool first.  If the
 * store accepts it, the swap device is not written; if it refuses, which it may
 * do at any time, the page goes to the device as ever.
 *
 * Proof.  Each swap device has one bit a slot:
 *
 *	bit set  <=>  the store has this slot's page, and the device has not.
 *
 * A bit is changed only by the slot's owner: whoever holds the lock of the
 * folio that is in the swap cache for it, or has that folio under writeback, or
 * frees the slot, which has neither then.  swap_writepage() clears the bits of
 * a folio before it stores the folio anywhere, so whatever has stored it last,
 * the device, zswap, the map of zeroes or hswap, is the only one to have it.
 * A page whose bit is set and that the store does not return is lost; then the
 * read fails, as the device holds the page of somebody else.
 *
 * Garbage.  Where a bit is cleared the store still has the copy, against this
 * kernel's limit, so it has to be flushed; but neither under si->lock nor page
 * by page.  A second bit a slot says so, and a worker makes flushes of these
 * bits.  A put takes the bit of its slot away, as the new copy will replace the
 * old one, and gets its number; the worker takes a bit and reads the number of
 * the last put; each of the two under hs->lock.  So a flush has a number that is
 * not less than that of the put whose copy is garbage, and is less than that of
 * any put to the slot that follows, to which the store does not apply it.
 *
 * All of a put happens in one SRCU read section, from the test of "active" to
 * the setting of the bits, as with hcache.
 */
#define pr_fmt(fmt) "tmem: " fmt

#include <linux/bio.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/workqueue.h>
#include <linux/zswap.h>

#include "../swap.h"
#include "internal.h"

/* Slots of one object; a folio lies in one, as its slots are aligned */
#define OBJECT_SHIFT	9

#define PUT_GFP		(GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC)

bool tmem_hswap_enabled = true;
bool tmem_hswap_after_zswap;
unsigned long tmem_hswap_limit = ULONG_MAX;

/*
 * The list of devices, and who moves pages back to them.  Changes are made under
 * tmem_lock, too, which is the outer one; it may be held for long.
 */
static DEFINE_MUTEX(hswaps_lock);
static LIST_HEAD(hswaps);
DEFINE_PER_CPU(unsigned long [HSWAP_NR_COUNTS], tmem_hswap_counts);
static atomic_long_t hswap_pages;

static void count(enum tmem_hswap_count what, unsigned long nr)
{
	this_cpu_add(tmem_hswap_counts[what], nr);
}

/**
 * tmem_hswap_usage - pages that the store keeps for all swap devices
 *
 * Return: pages.
 */
unsigned long tmem_hswap_usage(void)
{
	return atomic_long_read(&hswap_pages);
}

static void slot_key(unsigned long slot, struct tmem_key *key)
{
	memset(key, 0, sizeof(*key));
	key->object[0] = slot >> OBJECT_SHIFT;
}

/* ---- garbage ---- */

static void queue_flush(struct tmem_hswap *hs)
{
	queue_delayed_work(system_unbound_wq, &hs->flush_work, HZ / 10);
}

/*
 * Take the garbage bits of a run that begins at @slot; returns its length, and
 * the number of the last put in @seq.
 */
static unsigned long take_garbage(struct tmem_hswap *hs, unsigned long slot,
				  u32 *seq)
{
	unsigned long end = min(hs->slots, (slot | ((1UL << OBJECT_SHIFT) - 1)) + 1);
	unsigned long nr = 0;

	spin_lock(&hs->lock);
	while (slot + nr < end && test_and_clear_bit(slot + nr, hs->garbage))
		nr++;
	*seq = tmem_seq_now();
	spin_unlock(&hs->lock);
	return nr;
}

static void flush_worker(struct work_struct *work)
{
	struct tmem_hswap *hs = container_of(to_delayed_work(work),
					     struct tmem_hswap, flush_work);
	struct tmem_vec *vec = tmem_vec_get(GFP_NOIO);
	unsigned long slot = 0, nr;
	struct tmem_key key;
	u32 seq;

	do {
		vec->nr = 0;
		while (vec->nr < TMEM_VEC_MAX) {
			slot = find_next_bit(hs->garbage, hs->slots, slot);
			if (slot >= hs->slots)
				break;
			nr = take_garbage(hs, slot, &seq);
			if (!nr)
				continue;
			slot_key(slot, &key);
			tmem_vec_add(vec, TMEM_OP_FLUSH, hs->id, &key, slot,
				     nr)->req.seq = seq;
			slot += nr;
		}
		if (vec->nr)
			tmem_submit(vec);
		cond_resched();
	} while (slot < hs->slots);
	tmem_vec_put(vec);
}

/**
 * tmem_hswap_drop - the store's copies of a run are garbage
 * @hs: the swap device
 * @slot: the first
 * @nr: how many
 * @why: HSWAP_FREED, HSWAP_OVERWRITTEN or HSWAP_WRITTEN_BACK, to be counted
 *
 * Context: The caller owns the slots.
 */
void tmem_hswap_drop(struct tmem_hswap *hs, unsigned long slot,
		     unsigned long nr, enum tmem_hswap_count why)
{
	unsigned long dropped = 0, i;

	for (i = slot; i < slot + nr; i++) {
		if (!test_bit(i, hs->stored) ||
		    !test_and_clear_bit(i, hs->stored))
			continue;
		set_bit(i, hs->garbage);
		dropped++;
	}
	if (dropped) {
		atomic_long_sub(dropped, &hs->pages);
		atomic_long_sub(dropped, &hswap_pages);
		queue_flush(hs);
	}
	count(why, dropped);
}

/**
 * __tmem_hswap_free - slots have been freed
 * @si: the swap device
 * @slot: the first
 * @nr: how many
 *
 * Context: si->lock is held.
 */
void __tmem_hswap_free(struct swap_info_struct *si, unsigned long slot,
		       unsigned int nr)
{
	if (si->hswap)
		tmem_hswap_drop(si->hswap, slot, nr, HSWAP_FREED);
}

/**
 * __tmem_hswap_forget - a folio is about to be stored elsewhere, or anew
 * @folio: the folio, locked, in the swap cache
 *
 * Context: Reclaim.
 */
void __tmem_hswap_forget(struct folio *folio)
{
	struct tmem_hswap *hs = swp_swap_info(folio->swap)->hswap;

	if (hs)
		tmem_hswap_drop(hs, swp_offset(folio->swap),
				folio_nr_pages(folio), HSWAP_OVERWRITTEN);
}

/* ---- put ---- */

static bool refused(enum tmem_hswap_count why, unsigned int nr)
{
	count(HSWAP_OFFERED, nr);
	count(why, nr);
	return false;
}

/**
 * __tmem_hswap_wanted - is a folio to be offered to the store?
 * @folio: the folio, locked, in the swap cache
 * @after_zswap: zswap has refused it already
 *
 * If so, zswap loses what it has for these slots.
 *
 * Context: Reclaim.
 * Return: true if it is to be put under writeback and given to
 *	tmem_hswap_put().
 */
bool __tmem_hswap_wanted(struct folio *folio, bool after_zswap)
{
	struct tmem_hswap *hs = swp_swap_info(folio->swap)->hswap;
	unsigned long slot = swp_offset(folio->swap);
	unsigned int nr = folio_nr_pages(folio), i;

	if (!hs || !READ_ONCE(hs->active) || !READ_ONCE(tmem_hswap_enabled) ||
	    READ_ONCE(tmem_hswap_after_zswap) != after_zswap)
		return false;
	/* Its pages may be asked for one by one: they have to be in one object */
	if ((slot ^ (slot + nr - 1)) >> OBJECT_SHIFT ||
	    folio_contain_hwpoisoned_page(folio))
		return false;
	if (tmem_hswap_excluded(folio))
		return refused(HSWAP_REJECT_CGROUP, nr);
	if (tmem_hswap_usage() + nr > READ_ONCE(tmem_hswap_limit))
		return refused(HSWAP_REJECT_LIMIT, nr);
	if (!zswap_never_enabled()) {
		for (i = 0; i < nr; i++)
			zswap_invalidate(page_swap_entry(folio_page(folio, i)));
	}
	return true;
}

static bool put_prepare(struct tmem_vec *vec, struct folio *folio)
{
	struct tmem_hswap *hs = swp_swap_info(folio->swap)->hswap;
	unsigned long slot = swp_offset(folio->swap), i;
	unsigned int nr = folio_nr_pages(folio);
	struct tmem_key key;
	struct tmem_io *io;

	if (!vec)
		return refused(HSWAP_REJECT_VECTOR, nr);
	if (!READ_ONCE(hs->active))
		return refused(HSWAP_REJECT_DISABLED, nr);
	count(HSWAP_OFFERED, nr);
	slot_key(slot, &key);
	io = tmem_vec_add(vec, TMEM_OP_PUT, hs->id, &key, slot, nr);
	io->page = &folio->page;
	spin_lock(&hs->lock);
	for (i = slot; i < slot + nr; i++)
		if (test_bit(i, hs->garbage))
			clear_bit(i, hs->garbage);
	io->req.seq = tmem_seq_next();
	spin_unlock(&hs->lock);
	count(HSWAP_PUT_REQUESTS, 1);
	return true;
}

/* A status that nobody can have meant may hide a copy that was stored */
static bool put_finish(struct tmem_io *io)
{
	struct folio *folio = page_folio(io->page);
	struct tmem_hswap *hs = swp_swap_info(folio->swap)->hswap;
	unsigned int nr = io->req.nr_pages;
	unsigned long slot = io->req.index, i;

	if (io->req.status == -ENOSPC || io->req.status == -EDQUOT) {
		count(HSWAP_REJECT_FULL, nr);
		return false;
	}
	if (io->req.status || io->req.done != nr) {
		count(HSWAP_REJECT_IO, nr);
		for (i = slot; i < slot + nr; i++)
			set_bit(i, hs->garbage);
		queue_flush(hs);
		return false;
	}
	for (i = slot; i < slot + nr; i++)
		set_bit(i, hs->stored);
	atomic_long_add(nr, &hs->pages);
	atomic_long_add(nr, &hswap_pages);
	count(HSWAP_STORED, nr);
	return true;
}

/**
 * tmem_hswap_put - offer folios that are being swapped out
 * @bvec: the folios, each for which tmem_hswap_wanted() was true, in the swap
 *	cache and under writeback
 * @nr: how many, TMEM_VEC_MAX at most
 *
 * Context: Reclaim; may sleep.
 * Return: a bit for each folio, set if the store has it now.
 */
unsigned long tmem_hswap_put(const struct bio_vec *bvec, unsigned int nr)
{
	struct tmem_vec *vec = tmem_vec_get(PUT_GFP);
	unsigned long asked = 0, stored = 0;
	unsigned int i, n = 0;
	int srcu;

	BUILD_BUG_ON(TMEM_VEC_MAX > BITS_PER_LONG);
	srcu = srcu_read_lock(&tmem_srcu);
	for (i = 0; i < nr; i++)
		if (put_prepare(vec, page_folio(bvec[i].bv_page)))
			asked |= 1UL << i;
	if (asked) {
		count(HSWAP_PUT_VECTORS, 1);
		tmem_submit(vec);
	}
	for (i = 0; i < nr; i++)
		if (asked & 1UL << i && put_finish(&vec->ios[n++]))
			stored |= 1UL << i;
	srcu_read_unlock(&tmem_srcu, srcu);
	if (vec)
		tmem_vec_put(vec);
	return stored;
}

/* ---- get ---- */

/**
 * __tmem_hswap_stored - how much of a run of slots is in the store
 * @entry: the first
 * @nr: how many
 *
 * Context: The caller owns the slots, or can do with an answer that is old.
 * Return: number of slots in the store.
 */
unsigned int __tmem_hswap_stored(swp_entry_t entry, unsigned int nr)
{
	struct tmem_hswap *hs = swp_swap_info(entry)->hswap;
	unsigned long slot = swp_offset(entry), i;
	unsigned int stored = 0;

	for (i = slot; hs && i < slot + nr; i++)
		stored += test_bit(i, hs->stored);
	return stored;
}

static bool get_finish(struct tmem_io *io)
{
	unsigned int nr = io->req.nr_pages;

	if (io->req.status || io->req.done != nr) {
		count(HSWAP_FAILED, nr);
		pr_alert_ratelimited("hswap: %u pages of pool %u at slot %llu are lost: error %d\n",
				     nr, io->req.pool, io->req.index,
				     io->req.status);
		return false;
	}
	flush_dcache_folio(page_folio(io->page));
	count(HSWAP_LOADED, nr);
	return true;
}

/**
 * tmem_hswap_get - read folios that the store has
 * @bvec: the folios, locked, for each of which tmem_hswap_stored() was true
 * @nr: how many, TMEM_VEC_MAX at most
 *
 * Context: Process context, may sleep; does not enter filesystems or start I/O.
 * Return: a bit for each folio, set if it has been read.
 */
unsigned long tmem_hswap_get(const struct bio_vec *bvec, unsigned int nr)
{
	struct tmem_vec *vec = tmem_vec_get(GFP_NOIO);
	unsigned long slot, read = 0;
	struct folio *folio;
	struct tmem_key key;
	unsigned int i;

	vec->swap = true;
	for (i = 0; i < nr; i++) {
		folio = page_folio(bvec[i].bv_page);
		slot = swp_offset(folio->swap);
		slot_key(slot, &key);
		tmem_vec_add(vec, TMEM_OP_GET,
			     swp_swap_info(folio->swap)->hswap->id, &key, slot,
			     folio_nr_pages(folio))->page = &folio->page;
	}
	count(HSWAP_GET_VECTORS, 1);
	count(HSWAP_GET_REQUESTS, nr);
	tmem_submit(vec);
	for (i = 0; i < nr; i++)
		if (get_finish(&vec->ios[i]))
			read |= 1UL << i;
	tmem_vec_put(vec);
	return read;
}

/* ---- back to the device ---- */

/* Says so if pages could not be moved to their devices; returns 0 or the error */
static int moved(long ret)
{
	if (ret < 0)
		pr_err("hswap: %lu pages cannot be written to their swap devices: error %ld\n",
		       tmem_hswap_usage(), ret);
	return min(ret, 0L);
}

/**
 * tmem_hswap_shrink - give memory of the store back
 * @nr: pages
 *
 * They are written to their swap devices.
 *
 * Context: Process context, may sleep; starts I/O.
 * Return: 0; -EINTR; -ENOMEM; -EIO if a page is lost or the device broken.
 */
int tmem_hswap_shrink(unsigned long nr)
{
	struct tmem_hswap *hs;
	long ret = 0;

	mutex_lock(&hswaps_lock);
	list_for_each_entry(hs, &hswaps, node) {
		ret = tmem_hswap_write_back(hs, nr);
		if (ret < 0)
			break;
		nr -= ret;
	}
	mutex_unlock(&hswaps_lock);
	return moved(ret);
}

/* ---- devices and carriers come and go ---- */

static void hswap_activate(struct tmem_hswap *hs)
{
	int err;

	lockdep_assert_held(&tmem_lock);
	if (hs->pooled || !tmem_attached() || !tmem_persistent())
		return;
	err = hs->id < tmem_max_pools() ?
		tmem_request(TMEM_OP_POOL_CREATE, hs->id,
			     TMEM_POOL_PERSISTENT) : -ENOSPC;
	if (err) {
		pr_warn("no pool for swap device %d: error %d\n", hs->si->type,
			err);
		return;
	}
	hs->pooled = true;
	WRITE_ONCE(hs->active, true);
}

/* Nothing is put any more, and all that was put before has its bits */
static void hswap_quiesce(struct tmem_hswap *hs)
{
	WRITE_ONCE(hs->active, false);
	synchronize_srcu(&tmem_srcu);
}

static void hswap_end_pool(struct tmem_hswap *hs)
{
	flush_delayed_work(&hs->flush_work);
	tmem_request(TMEM_OP_POOL_DESTROY, hs->id, 0);
	hs->pooled = false;
}

/**
 * tmem_hswap_attach - there is a store now
 *
 * Context: Process context, tmem_lock held.
 */
void tmem_hswap_attach(void)
{
	struct tmem_hswap *hs;

	lockdep_assert_held(&tmem_lock);
	list_for_each_entry(hs, &hswaps, node)
		hswap_activate(hs);
}

/**
 * tmem_hswap_detach - the store is about to be left
 * @force: leave it, whatever is lost
 *
 * What it keeps is written to the swap devices first.
 *
 * Context: Process context, tmem_lock held; starts I/O.
 * Return: 0, or an error if that was not possible; then the store is in use as
 *	before, unless forced.
 */
int tmem_hswap_detach(bool force)
{
	struct tmem_hswap *hs;
	long ret = 0, moving;

	lockdep_assert_held(&tmem_lock);
	mutex_lock(&hswaps_lock);
	list_for_each_entry(hs, &hswaps, node) {
		if (!hs->pooled)
			continue;
		hswap_quiesce(hs);
		moving = tmem_hswap_write_back(hs, ULONG_MAX);
		if (moving < 0)
			ret = moving;
		if (moving < 0 && !force)
			break;
	}
	list_for_each_entry(hs, &hswaps, node) {
		if (!hs->pooled)
			continue;
		if (ret < 0 && !force)
			WRITE_ONCE(hs->active, true);
		else
			hswap_end_pool(hs);
	}
	mutex_unlock(&hswaps_lock);
	ret = moved(ret);
	return force ? 0 : ret;
}

/**
 * tmem_hswap_release - nobody knows a device's pool any more
 * @hs: the device, which is not used for swap any more
 */
void tmem_hswap_release(struct tmem_hswap *hs)
{
	kvfree(hs->stored);
	kvfree(hs->garbage);
	if (hs->id != TMEM_NO_POOL)
		tmem_pool_id_put(hs->id);
	kfree(hs);
}

static struct tmem_hswap *hswap_alloc(struct swap_info_struct *si,
				      unsigned long slots)
{
	struct tmem_hswap *hs = kzalloc(sizeof(*hs), GFP_KERNEL);
	size_t longs = BITS_TO_LONGS(slots);

	if (!hs)
		return NULL;
	hs->id = TMEM_NO_POOL;
	tmem_hswap_sysfs_init_pool(hs);
	hs->stored = kvcalloc(longs, sizeof(long), GFP_KERNEL);
	hs->garbage = kvcalloc(longs, sizeof(long), GFP_KERNEL);
	if (!hs->stored || !hs->garbage || sio_pool_init())
		goto free;
	hs->id = tmem_pool_id_get();
	if (hs->id == TMEM_NO_POOL)
		goto free;
	hs->si = si;
	hs->slots = slots;
	spin_lock_init(&hs->lock);
	INIT_DELAYED_WORK(&hs->flush_work, flush_worker);
	return hs;

free:
	kobject_put(&hs->kobj);
	return NULL;
}

/**
 * __tmem_hswap_swapon - a swap device is about to be used
 * @si: the device
 * @slots: its size
 *
 * Context: Process context, may sleep.
 */
void __tmem_hswap_swapon(struct swap_info_struct *si, unsigned long slots)
{
	struct tmem_hswap *hs = hswap_alloc(si, slots);

	si->hswap = hs;
	if (!hs) {
		pr_warn("no memory for hswap on swap device %d, going on without\n",
			si->type);
		return;
	}
	mutex_lock(&tmem_lock);
	tmem_sysfs_add_pool(&hs->kobj, hs->id);
	mutex_lock(&hswaps_lock);
	list_add_tail(&hs->node, &hswaps);
	mutex_unlock(&hswaps_lock);
	hswap_activate(hs);
	mutex_unlock(&tmem_lock);
}

/**
 * __tmem_hswap_swapoff - a swap device is not used any more
 * @si: the device; all its slots are free
 *
 * Context: Process context, may sleep.
 */
void __tmem_hswap_swapoff(struct swap_info_struct *si)
{
	struct tmem_hswap *hs = si->hswap;

	if (!hs)
		return;
	si->hswap = NULL;
	mutex_lock(&tmem_lock);
	mutex_lock(&hswaps_lock);
	list_del(&hs->node);
	mutex_unlock(&hswaps_lock);
	if (hs->pooled) {
		hswap_quiesce(hs);
		hswap_end_pool(hs);
	}
	mutex_unlock(&tmem_lock);
	cancel_delayed_work_sync(&hs->flush_work);
	atomic_long_sub(atomic_long_read(&hs->pages), &hswap_pages);
	kobject_del(&hs->kobj);
	kobject_put(&hs->kobj);
}
