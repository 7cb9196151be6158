// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: hcache, a second-chance cache for clean pages
 *
 * Reclaim puts clean pages of regular files into the store before it removes
 * them from the page cache; the generic read paths fetch them before they read
 * the disk.  index.c says why no stale page can ever be read; this file is the
 * traffic.
 *
 * Put.  shrink_folio_list() collects the folios that it is about to remove,
 * still locked, and hands them over in batches.  One vector puts the batch; the
 * bits of what the store accepted are set; then reclaim removes the folios.  A
 * folio that cannot be removed, because somebody took a reference or dirtied
 * it, stays, and its bits are cleared again.  Between the put and the removal
 * nobody can change a page unnoticed: the folio is locked, unmapped and clean,
 * and __remove_mapping() looks for references before it looks for dirt.
 *
 * Get.  Who inserts a folio into the page cache in order to read it marks it
 * first.  The insertion takes the bits of its pages, marked or not.  A marked
 * folio keeps its mark if all its pages had their bits; then it is filled from
 * the store before any filesystem sees it.  The mark is PG_checked, which
 * belongs to the filesystem and is free until the filesystem sees the folio.
 *
 * All of a put happens in one SRCU read section, from the test of "active" to
 * the setting of the bits.  So when a carrier is detached and the section has
 * been waited out, no bit is set any more, and the index can be cleared.
 */
#include <linux/exportfs.h>
#include <linux/fscrypt.h>
#include <linux/idr.h>
#include <linux/memcontrol.h>
#include <linux/pagevec.h>
#include <linux/sched/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "internal.h"

#define PUT_GFP		(GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC)

DEFINE_STATIC_KEY_FALSE(tmem_hcache_key);

bool tmem_hcache_enabled = true;
bool tmem_hcache_encrypted;
enum tmem_admission tmem_hcache_admission = TMEM_ADMIT_ALL;

/* Most bytes of one filesystem's index */
unsigned long tmem_index_limit;

static LIST_HEAD(hcaches); /* under tmem_lock */
static DEFINE_IDA(pool_ids);
static u64 retired[HCACHE_NR_COUNTS]; /* of unmounted filesystems, tmem_lock */

static void count(struct tmem_hcache *hc, enum tmem_hcache_count what,
		  unsigned long nr)
{
	this_cpu_add(hc->counts->nr[what], nr);
}

/* The cache that a file's pages go to, or NULL */
static struct tmem_hcache *mapping_hcache(struct address_space *mapping)
{
	struct inode *inode = mapping->host;

	if (!inode || !S_ISREG(inode->i_mode))
		return NULL;
	return inode->i_sb->s_hcache;
}

/*
 * What identifies a file for as long as the filesystem exists: its file handle,
 * of inode number and generation.
 */
static bool inode_key(struct inode *inode, struct tmem_key *key)
{
	int len = sizeof(*key) / sizeof(u32);
	int type;

	memset(key, 0, sizeof(*key));
	type = exportfs_encode_inode_fh(inode, (struct fid *)key, &len, NULL,
					EXPORT_FH_FID);
	return type > 0 && type != FILEID_INVALID;
}

static void flush_range(struct tmem_hcache *hc, const struct tmem_key *key,
			pgoff_t first, pgoff_t last)
{
	unsigned long nr = last - first + 1;

	if (READ_ONCE(hc->active))
		tmem_flush_queue(hc->id, key, first, nr > U32_MAX ? 0 : nr);
}

static void object_dropped(void *data, const struct tmem_key *key)
{
	struct tmem_hcache *hc = data;

	flush_range(hc, key, 0, ULONG_MAX);
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

static bool index_full(struct tmem_hcache *hc)
{
	if (tmem_index_bytes(&hc->index) < READ_ONCE(tmem_index_limit))
		return false;
	queue_work(system_unbound_wq, &trim_work);
	return true;
}

/* ---- put ---- */

bool __tmem_hcache_wanted(struct address_space *mapping, struct folio *folio)
{
	struct tmem_hcache *hc = mapping_hcache(mapping);
	struct inode *inode = mapping->host;
	unsigned int nr = folio_nr_pages(folio);

	if (!hc || !READ_ONCE(hc->active) || !READ_ONCE(tmem_hcache_enabled))
		return false;
	if (!folio_test_uptodate(folio) || nr > TMEM_MAX_RUN ||
	    folio_contain_hwpoisoned_page(folio))
		return false;
	if (IS_DAX(inode) || IS_SWAPFILE(inode) ||
	    (IS_ENCRYPTED(inode) && !READ_ONCE(tmem_hcache_encrypted)))
		return false;
	if (READ_ONCE(tmem_hcache_admission) == TMEM_ADMIT_WORKINGSET &&
	    !folio_test_workingset(folio)) {
		count(hc, HCACHE_OFFERED, nr);
		count(hc, HCACHE_REJECT_ADMISSION, nr);
		return false;
	}
	return true;
}

static void put_prepare(struct tmem_vec *vec, struct folio *folio)
{
	struct address_space *mapping = folio->mapping;
	struct tmem_hcache *hc = mapping_hcache(mapping);
	unsigned int nr = folio_nr_pages(folio);
	struct tmem_key key;
	struct tmem_io *io;

	count(hc, HCACHE_OFFERED, nr);
	if (!READ_ONCE(hc->active)) {
		count(hc, HCACHE_REJECT_DISABLED, nr);
		return;
	}
	if (!vec) {
		count(hc, HCACHE_REJECT_VECTOR, nr);
		return;
	}
	if (index_full(hc) || !inode_key(mapping->host, &key)) {
		count(hc, HCACHE_REJECT_INDEX, nr);
		return;
	}
	io = tmem_vec_add(vec, TMEM_OP_PUT, hc->id, &key, folio->index, nr);
	io->page = &folio->page;
	io->req.seq = tmem_seq_next();
	if (vec->nr == 1)
		count(hc, HCACHE_PUT_VECTORS, 1);
	count(hc, HCACHE_PUT_REQUESTS, 1);
}

/* Believe nothing that the store says but what it can have meant */
static void put_finish(struct tmem_io *io)
{
	struct folio *folio = page_folio(io->page);
	struct tmem_hcache *hc = mapping_hcache(folio->mapping);
	const struct tmem_key *key = (const struct tmem_key *)io->req.object;
	unsigned int nr = io->req.nr_pages, done = io->req.done;
	struct mem_cgroup *memcg;
	int err;

	if (io->req.status == -ENOSPC || io->req.status == -EDQUOT) {
		count(hc, HCACHE_REJECT_FULL, nr);
		return;
	}
	if (io->req.status || !done || done > nr) {
		count(hc, HCACHE_REJECT_IO, nr);
		return;
	}
	count(hc, HCACHE_REJECT_FULL, nr - done);

	memcg = set_active_memcg(folio_memcg(folio));
	err = tmem_index_set(&hc->index, key, folio->mapping, folio->index,
			     done);
	set_active_memcg(memcg);
	if (!err) {
		count(hc, HCACHE_STORED, done);
		return;
	}
	count(hc, err == -EBUSY ? HCACHE_REJECT_RACE : HCACHE_REJECT_INDEX,
	      done);
	flush_range(hc, key, folio->index, folio->index + done - 1);
}

/**
 * __tmem_hcache_put - put folios that are about to be evicted
 * @folios: locked, clean, unmapped folios in the page cache, for each of which
 *	tmem_hcache_wanted() was true
 *
 * Context: Reclaim; may sleep.
 */
void __tmem_hcache_put(struct folio_batch *folios)
{
	struct tmem_vec *vec = tmem_vec_get(PUT_GFP);
	unsigned int i;
	int srcu;

	BUILD_BUG_ON(PAGEVEC_SIZE > TMEM_VEC_MAX);
	srcu = srcu_read_lock(&tmem_srcu);
	for (i = 0; i < folio_batch_count(folios); i++)
		put_prepare(vec, folios->folios[i]);
	if (vec) {
		if (vec->nr)
			tmem_submit(vec);
		for (i = 0; i < vec->nr; i++)
			put_finish(&vec->ios[i]);
		tmem_vec_put(vec);
	}
	srcu_read_unlock(&tmem_srcu, srcu);
}

/**
 * __tmem_hcache_forget - a folio that was put could not be removed
 * @mapping: where it is
 * @folio: the folio, locked since the put
 *
 * Context: Reclaim.
 */
void __tmem_hcache_forget(struct address_space *mapping, struct folio *folio)
{
	struct tmem_hcache *hc = mapping_hcache(mapping);
	unsigned int nr = folio_nr_pages(folio), taken;
	struct tmem_key key;

	if (!inode_key(mapping->host, &key))
		return;
	taken = tmem_index_take(&hc->index, &key, mapping, folio->index, nr);
	if (!taken)
		return;
	count(hc, HCACHE_RETURNED, taken);
	flush_range(hc, &key, folio->index, folio->index + nr - 1);
}

/* ---- get ---- */

/**
 * __tmem_hcache_want - mark a folio that is about to be inserted to be read
 * @folio: the folio; nobody else knows it
 *
 * Context: Any.
 */
void __tmem_hcache_want(struct folio *folio)
{
	folio_set_checked(folio);
}

/**
 * __tmem_hcache_take - a folio has been inserted into the page cache
 * @mapping: where
 * @folio: the folio, still locked; marked if all its pages can be fetched
 *
 * Context: Process context.
 */
void __tmem_hcache_take(struct address_space *mapping, struct folio *folio)
{
	struct tmem_hcache *hc = mapping_hcache(mapping);
	bool wanted = folio_test_checked(folio);
	unsigned int nr = folio_nr_pages(folio), taken = 0;
	struct tmem_key key;

	if (!hc) {
		if (wanted)
			folio_clear_checked(folio);
		return;
	}
	if (!test_bit(AS_HCACHE_ABSENT, &mapping->flags) &&
	    inode_key(mapping->host, &key))
		taken = tmem_index_take(&hc->index, &key, mapping,
					folio->index, nr);
	if (wanted) {
		if (taken == nr)
			return;
		folio_clear_checked(folio);
		if (READ_ONCE(hc->active))
			count(hc, HCACHE_MISSES, nr);
	}
	if (taken) {
		count(hc, HCACHE_OVERWRITTEN, taken);
		flush_range(hc, &key, folio->index, folio->index + nr - 1);
	}
}

static bool get_prepare(struct tmem_vec *vec, struct folio *folio)
{
	struct address_space *mapping = folio->mapping;
	struct tmem_hcache *hc = mapping_hcache(mapping);
	struct tmem_key key;
	struct tmem_io *io;

	folio_clear_checked(folio);
	if (!inode_key(mapping->host, &key))
		return false;
	io = tmem_vec_add(vec, TMEM_OP_GET, hc->id, &key, folio->index,
			  folio_nr_pages(folio));
	io->page = &folio->page;
	if (vec->nr == 1)
		count(hc, HCACHE_GET_VECTORS, 1);
	count(hc, HCACHE_GET_REQUESTS, 1);
	return true;
}

static bool get_finish(struct tmem_io *io)
{
	struct folio *folio = page_folio(io->page);
	struct tmem_hcache *hc = mapping_hcache(folio->mapping);
	unsigned int nr = io->req.nr_pages;

	if (io->req.status || io->req.done != nr) {
		count(hc, HCACHE_LOST, nr);
		if (nr > 1)
			flush_range(hc, (struct tmem_key *)io->req.object,
				    folio->index, folio->index + nr - 1);
		return false;
	}
	flush_dcache_folio(folio);
	folio_mark_uptodate(folio);
	count(hc, HCACHE_HITS, nr);
	return true;
}

static bool get_submit(struct tmem_vec *vec)
{
	bool hit = false;
	unsigned int i;

	if (!vec->nr)
		return false;
	tmem_submit(vec);
	for (i = 0; i < vec->nr; i++)
		hit |= get_finish(&vec->ios[i]);
	vec->nr = 0;
	return hit;
}

/**
 * __tmem_hcache_fill - fill a folio from the store
 * @folio: the folio, locked, in the page cache, not uptodate
 *
 * Context: Process context, may sleep; does not enter filesystems.
 * Return: true if the folio was filled and is uptodate.
 */
bool __tmem_hcache_fill(struct folio *folio)
{
	struct tmem_vec *vec;
	bool hit;

	if (!folio_test_checked(folio) || folio_test_uptodate(folio) ||
	    !mapping_hcache(folio->mapping))
		return false;
	vec = tmem_vec_get(GFP_NOFS);
	hit = get_prepare(vec, folio) && get_submit(vec);
	tmem_vec_put(vec);
	return hit;
}

/**
 * __tmem_hcache_readahead - fill from the store what it has of a window
 * @rac: the window; its folios are locked
 *
 * Context: Process context, may sleep; does not enter filesystems.
 * Return: true if a folio was filled.  These are uptodate and still locked.
 */
bool __tmem_hcache_readahead(struct readahead_control *rac)
{
	pgoff_t index = readahead_index(rac);
	pgoff_t end = index + readahead_count(rac);
	struct tmem_vec *vec = tmem_vec_get(GFP_NOFS);
	struct folio *folio;
	bool hit = false;

	rac->_stored = false;
	while (index < end) {
		folio = xa_load(&rac->mapping->i_pages, index);
		if (folio_test_checked(folio)) {
			if (vec->nr == TMEM_VEC_MAX)
				hit |= get_submit(vec);
			get_prepare(vec, folio);
		}
		index += folio_nr_pages(folio);
	}
	hit |= get_submit(vec);
	tmem_vec_put(vec);
	return hit;
}

/**
 * tmem_hcache_next_run - find what is still to be read of a window
 * @rac: the window, of which all up to readahead_index() is done with; on
 *	return, the next run of folios that the store did not have
 * @end: end of the original window
 *
 * Unlocks the folios in between, which are uptodate.
 *
 * Context: Process context.
 * Return: false at the end of the window.
 */
bool tmem_hcache_next_run(struct readahead_control *rac, pgoff_t end)
{
	pgoff_t index = readahead_index(rac), start;
	struct folio *folio = NULL;

	while (index < end) {
		folio = xa_load(&rac->mapping->i_pages, index);
		if (!folio_test_uptodate(folio))
			break;
		index += folio_nr_pages(folio);
		folio_unlock(folio);
		folio_put(folio);
	}
	start = index;
	while (index < end) {
		folio = xa_load(&rac->mapping->i_pages, index);
		if (folio_test_uptodate(folio))
			break;
		index += folio_nr_pages(folio);
	}
	rac->_index = start;
	rac->_nr_pages = index - start;
	rac->_batch_count = 0;
	return index > start;
}

/* ---- invalidation ---- */

/**
 * __tmem_hcache_invalidate_begin - folios of a range are about to be removed
 * @mapping: the file
 * @first: first page
 * @last: last page, inclusive
 * @inval: for tmem_hcache_invalidate_end()
 *
 * The final truncation of an inode removes folios whose data is as valid as
 * before, unless the file itself is deleted.
 *
 * Context: Process context.
 */
void __tmem_hcache_invalidate_begin(struct address_space *mapping,
				    pgoff_t first, pgoff_t last,
				    struct tmem_inval *inval)
{
	struct tmem_hcache *hc = mapping_hcache(mapping);
	struct tmem_key key;
	unsigned long cleared;

	inval->hcache = NULL;
	if (!hc || first > last ||
	    (mapping_exiting(mapping) && mapping->host->i_nlink) ||
	    !inode_key(mapping->host, &key))
		return;
	inval->hcache = hc;
	inval->first = first;
	inval->last = last;
	memcpy(inval->object, key.object, sizeof(inval->object));
	cleared = tmem_index_block(&hc->index, inval, mapping);
	if (cleared) {
		count(hc, HCACHE_INVALIDATED, cleared);
		flush_range(hc, &key, first, last);
	}
}

/**
 * __tmem_hcache_invalidate_end - folios of a range have been removed
 * @inval: what tmem_hcache_invalidate_begin() filled in
 *
 * Context: Process context.
 */
void __tmem_hcache_invalidate_end(struct tmem_inval *inval)
{
	if (inval->hcache)
		tmem_index_unblock(&inval->hcache->index, inval);
}

/**
 * __tmem_hcache_rekey_begin - what identifies a file is about to change
 * @inode: the file
 * @inval: for tmem_hcache_rekey_end()
 *
 * Nothing may be found under the old key when it is given back to the file.
 *
 * Context: Process context.
 */
void __tmem_hcache_rekey_begin(struct inode *inode, struct tmem_inval *inval)
{
	__tmem_hcache_invalidate_begin(inode->i_mapping, 0, ULONG_MAX, inval);
}
EXPORT_SYMBOL_GPL(__tmem_hcache_rekey_begin);

/**
 * __tmem_hcache_rekey_end - what identifies a file has changed
 * @inval: what tmem_hcache_rekey_begin() filled in
 *
 * Waits for puts that were prepared with the old key.
 *
 * Context: Process context, may sleep.
 */
void __tmem_hcache_rekey_end(struct tmem_inval *inval)
{
	if (!inval->hcache)
		return;
	synchronize_srcu(&tmem_srcu);
	__tmem_hcache_invalidate_end(inval);
}
EXPORT_SYMBOL_GPL(__tmem_hcache_rekey_end);

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
	ida_free(&pool_ids, hc->id);
	free_percpu(hc->counts);
	kfree(hc);
}

static struct tmem_hcache *hcache_alloc(struct super_block *sb)
{
	struct tmem_hcache *hc = kzalloc(sizeof(*hc), GFP_KERNEL);
	int id;

	if (!hc)
		return NULL;
	id = ida_alloc_max(&pool_ids, INT_MAX, GFP_KERNEL);
	if (id < 0)
		goto free;
	hc->id = id;
	hc->sb = sb;
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
	ida_free(&pool_ids, hc->id);
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

	if (!tmem_hcache_on() || sb->s_hcache)
		return;
	hc = hcache_alloc(sb);
	if (!hc) {
		pr_warn("tmem: no memory for the cache of %s, going on without\n",
			sb->s_id);
		return;
	}
	mutex_lock(&tmem_lock);
	if (tmem_sysfs_add_pool(hc))
		pr_warn("tmem: no sysfs files for pool %u\n", hc->id);
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

/* ---- shrinker of the indices ---- */

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
	int err = tmem_index_caches_init();

	if (err)
		return err;
	shrinker = shrinker_alloc(0, "tmem-hcache");
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = index_count;
	shrinker->scan_objects = index_scan;
	shrinker_register(shrinker);
	/* 73 bytes a file and one bit a page seldom come to 1/64 of the RAM */
	tmem_index_limit = totalram_pages() * (PAGE_SIZE / 64);
	static_branch_enable(&tmem_hcache_key);
	return 0;
}
