// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the pools of hcache, one for each filesystem
 *
 * A filesystem that wants its files cached says so when it is mounted, and has
 * an index from then on; it has a pool in the store while a carrier is attached.
 * Here is what concerns all of them: attaching and detaching, the memory of the
 * indices, and the counters.
 */
#include <linux/idr.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>

#include "internal.h"

/* Filesystems may be modules */
DEFINE_STATIC_KEY_FALSE(tmem_enabled_key);
EXPORT_SYMBOL_GPL(tmem_enabled_key);

/* Most bytes of one filesystem's index */
unsigned long tmem_index_limit;

static LIST_HEAD(hcaches); /* under tmem_lock */
static DEFINE_IDA(pool_ids);
static u64 retired[HCACHE_NR_COUNTS]; /* of unmounted filesystems, tmem_lock */

/**
 * tmem_pool_id_get - an id for a pool
 *
 * Context: Process context, may sleep.
 * Return: a number that no other pool of this kernel has, until it is given
 *	back; TMEM_NO_POOL if there is no memory.
 */
u32 tmem_pool_id_get(void)
{
	int id = ida_alloc_max(&pool_ids, INT_MAX, GFP_KERNEL);

	return id < 0 ? TMEM_NO_POOL : id;
}

/**
 * tmem_pool_id_put - give the id of a pool back
 * @id: the id; the store has no such pool any more
 */
void tmem_pool_id_put(u32 id)
{
	ida_free(&pool_ids, id);
}

/* ---- filesystems come and go ---- */

static void hcache_activate(struct tmem_hcache *hc)
{
	int err;

	lockdep_assert_held(&tmem_lock);
	if (!tmem_attached() || hc->active)
		return;
	if (hc->id >= tmem_max_pools()) {
		pr_warn("tmem: no pool for %s: the store offers %u\n",
			hc->sb->s_id, tmem_max_pools());
		return;
	}
	err = tmem_request(TMEM_OP_POOL_CREATE, hc->id, 0);
	if (err) {
		pr_warn("tmem: no pool for %s: error %d\n", hc->sb->s_id, err);
		return;
	}
	tmem_admit_reset(hc);
	WRITE_ONCE(hc->active, true);
}

/* After this no bit is set and none will be, until the cache is activated */
static void hcache_deactivate(struct tmem_hcache *hc)
{
	lockdep_assert_held(&tmem_lock);
	if (!hc->active)
		return;
	WRITE_ONCE(hc->active, false);
	synchronize_srcu(&tmem_srcu);
	tmem_index_clear(&hc->index);
	tmem_flush_drain();
	tmem_request(TMEM_OP_POOL_DESTROY, hc->id, 0);
}

/**
 * tmem_hcache_free - the last reference from sysfs is gone
 * @hc: a cache that no filesystem uses any more
 */
void tmem_hcache_free(struct tmem_hcache *hc)
{
	tmem_index_exit(&hc->index);
	tmem_pool_id_put(hc->id);
	free_percpu(hc->counts);
	kfree(hc);
}

static struct tmem_hcache *hcache_alloc(struct super_block *sb)
{
	struct tmem_hcache *hc = kzalloc(sizeof(*hc), GFP_KERNEL);

	if (!hc)
		return NULL;
	hc->id = tmem_pool_id_get();
	if (hc->id == TMEM_NO_POOL)
		goto free;
	hc->sb = sb;
	spin_lock_init(&hc->admit.lock);
	hc->counts = alloc_percpu(struct tmem_hcache_counts);
	if (!hc->counts)
		goto free_id;
	if (tmem_index_init(&hc->index))
		goto free_counts;
	tmem_sysfs_init_pool(hc);
	return hc;

free_counts:
	free_percpu(hc->counts);
free_id:
	tmem_pool_id_put(hc->id);
free:
	kfree(hc);
	return NULL;
}

/**
 * tmem_hcache_mount - a filesystem wants its files cached
 * @sb: the filesystem, being mounted
 *
 * The filesystem promises that a file handle identifies a regular file for
 * ever, that its files are read and written through the generic page cache,
 * and that it has the device to itself.
 *
 * Context: Process context, may sleep.
 */
void tmem_hcache_mount(struct super_block *sb)
{
	struct tmem_hcache *hc;

	if (!tmem_on() || sb->s_hcache)
		return;
	hc = hcache_alloc(sb);
	if (!hc) {
		pr_warn("tmem: no memory for the cache of %s, going on without\n",
			sb->s_id);
		return;
	}
	mutex_lock(&tmem_lock);
	tmem_sysfs_add_pool(&hc->kobj, hc->id);
	list_add_tail(&hc->node, &hcaches);
	sb->s_hcache = hc;
	hcache_activate(hc);
	mutex_unlock(&tmem_lock);
}
EXPORT_SYMBOL_GPL(tmem_hcache_mount);

/**
 * __tmem_hcache_umount - a filesystem is gone
 * @sb: the filesystem, which has no inodes any more
 *
 * Context: Process context, may sleep.
 */
void __tmem_hcache_umount(struct super_block *sb)
{
	struct tmem_hcache *hc = sb->s_hcache;
	int i;

	if (!hc)
		return;
	sb->s_hcache = NULL;
	mutex_lock(&tmem_lock);
	hcache_deactivate(hc);
	list_del(&hc->node);
	for (i = 0; i < HCACHE_NR_COUNTS; i++)
		retired[i] += tmem_hcache_count(hc, i);
	mutex_unlock(&tmem_lock);
	kobject_del(&hc->kobj);
	kobject_put(&hc->kobj);
}

/**
 * __tmem_hcache_drop - forget all that the store keeps of a filesystem
 * @sb: the filesystem, whose device is gone or has changed
 *
 * Context: Process context, may sleep.
 */
void __tmem_hcache_drop(struct super_block *sb)
{
	if (!sb->s_hcache)
		return;
	mutex_lock(&tmem_lock);
	hcache_deactivate(sb->s_hcache);
	mutex_unlock(&tmem_lock);
}

/**
 * tmem_hcache_attach - there is a store now
 *
 * Context: Process context, tmem_lock held.
 */
void tmem_hcache_attach(void)
{
	struct tmem_hcache *hc;

	lockdep_assert_held(&tmem_lock);
	list_for_each_entry(hc, &hcaches, node)
		hcache_activate(hc);
}

/**
 * tmem_hcache_detach - the store is about to be left
 *
 * Context: Process context, tmem_lock held.
 */
void tmem_hcache_detach(void)
{
	struct tmem_hcache *hc;

	lockdep_assert_held(&tmem_lock);
	list_for_each_entry(hc, &hcaches, node)
		hcache_deactivate(hc);
}

/* ---- counters ---- */

/**
 * tmem_hcache_count - read a counter of one filesystem
 * @hc: its cache
 * @what: which
 *
 * Return: the sum over all CPUs.
 */
u64 tmem_hcache_count(struct tmem_hcache *hc, enum tmem_hcache_count what)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(hc->counts, cpu)->nr[what]);
	return sum;
}

/**
 * tmem_hcache_total - read a counter of all filesystems since boot
 * @what: which
 *
 * Context: Process context, may sleep.
 * Return: the sum, unmounted filesystems included.
 */
u64 tmem_hcache_total(enum tmem_hcache_count what)
{
	struct tmem_hcache *hc;
	u64 sum;

	mutex_lock(&tmem_lock);
	sum = retired[what];
	list_for_each_entry(hc, &hcaches, node)
		sum += tmem_hcache_count(hc, what);
	mutex_unlock(&tmem_lock);
	return sum;
}

/**
 * tmem_hcache_index_bytes - memory of all indices
 *
 * Context: Process context, may sleep.
 * Return: bytes.
 */
size_t tmem_hcache_index_bytes(void)
{
	struct tmem_hcache *hc;
	size_t sum = 0;

	mutex_lock(&tmem_lock);
	list_for_each_entry(hc, &hcaches, node)
		sum += tmem_index_bytes(&hc->index);
	mutex_unlock(&tmem_lock);
	return sum;
}

/* ---- memory of the indices ---- */

static void object_dropped(void *data, const struct tmem_key *key)
{
	struct tmem_hcache *hc = data;

	tmem_flush_range(hc, key, 0, ULONG_MAX);
}

/* An index at its limit drops an eighth of its objects, the unused ones */
static void trim_indices(struct work_struct *work)
{
	struct tmem_hcache *hc;

	mutex_lock(&tmem_lock);
	list_for_each_entry(hc, &hcaches, node) {
		if (tmem_index_bytes(&hc->index) >= READ_ONCE(tmem_index_limit))
			tmem_index_shrink(&hc->index,
					  atomic_long_read(&hc->index.objects) /
					  8 + 1, object_dropped, hc);
	}
	mutex_unlock(&tmem_lock);
}

static DECLARE_WORK(trim_work, trim_indices);

/**
 * tmem_index_full - may the index of a filesystem not grow any more?
 * @hc: its cache
 *
 * Context: Any process context.
 * Return: true if it is at its limit; then it is being trimmed.
 */
bool tmem_index_full(struct tmem_hcache *hc)
{
	if (tmem_index_bytes(&hc->index) < READ_ONCE(tmem_index_limit))
		return false;
	queue_work(system_unbound_wq, &trim_work);
	return true;
}

/*
 * An object of some 73 bytes saves the kernel from reading at least a page from
 * the disk, so to free it before pages of files are freed is a bad bargain.  As
 * with the shadow entries of mm/workingset.c, what is reclaimable is what
 * exceeds a part of memory that the index may have in any case.
 */
static unsigned long index_excess(struct tmem_hcache *hc)
{
	unsigned long bytes = tmem_index_bytes(&hc->index);
	unsigned long keep = READ_ONCE(tmem_index_limit) / 2;
	unsigned long objects = atomic_long_read(&hc->index.objects);

	return bytes <= keep ? 0 : mult_frac(objects, bytes - keep, bytes);
}

static unsigned long index_count(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	struct tmem_hcache *hc;
	unsigned long nr = 0;

	if (!mutex_trylock(&tmem_lock))
		return 0;
	list_for_each_entry(hc, &hcaches, node)
		nr += index_excess(hc);
	mutex_unlock(&tmem_lock);
	return nr ?: SHRINK_EMPTY;
}

static unsigned long index_scan(struct shrinker *shrinker,
				struct shrink_control *sc)
{
	struct tmem_hcache *hc;
	unsigned long freed = 0;

	if (!mutex_trylock(&tmem_lock))
		return SHRINK_STOP;
	list_for_each_entry(hc, &hcaches, node) {
		if (freed >= sc->nr_to_scan)
			break;
		freed += tmem_index_shrink(&hc->index,
					   min(sc->nr_to_scan - freed,
					       index_excess(hc)),
					   object_dropped, hc);
	}
	/* Begin with another filesystem next time */
	if (!list_empty(&hcaches))
		list_rotate_left(&hcaches);
	mutex_unlock(&tmem_lock);
	return freed;
}

/**
 * tmem_hcache_init - set up hcache
 *
 * Return: 0 or -ENOMEM.
 */
int __init tmem_hcache_init(void)
{
	struct shrinker *shrinker;

	shrinker = shrinker_alloc(0, "tmem-hcache");
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = index_count;
	shrinker->scan_objects = index_scan;
	shrinker_register(shrinker);
	/* Room for a file of 73 bytes and a bit a page for each 2 KiB of RAM */
	tmem_index_limit = totalram_pages() * (PAGE_SIZE / 32);
	static_branch_enable(&tmem_enabled_key);
	return 0;
}
