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
#include <linux/ktime.h>
#include <linux/memcontrol.h>
#include <linux/pagevec.h>
#include <linux/sched/mm.h>
#include <linux/srcu.h>

#include "internal.h"

#define PUT_GFP		(GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC)

bool tmem_hcache_enabled = true;
bool tmem_hcache_encrypted;
enum tmem_admission tmem_hcache_admission = TMEM_ADMIT_ADAPTIVE;

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

/* ---- put ---- */

static bool is_admitted(struct tmem_hcache *hc, struct folio *folio)
{
	switch (READ_ONCE(tmem_hcache_admission)) {
	case TMEM_ADMIT_WORKINGSET:
		return folio_test_workingset(folio);
	case TMEM_ADMIT_ADAPTIVE:
		return tmem_admit_folio(hc);
	default:
		return true;
	}
}

/**
 * __tmem_hcache_wanted - is a folio to be put before it is evicted?
 * @mapping: where it is
 * @folio: the folio, locked, clean and unmapped
 *
 * Context: Reclaim.
 * Return: true if it should be collected for __tmem_hcache_put().
 */
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
	if (!is_admitted(hc, folio)) {
		tmem_count(hc, HCACHE_OFFERED, nr);
		tmem_count(hc, HCACHE_REJECT_ADMISSION, nr);
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

	tmem_count(hc, HCACHE_OFFERED, nr);
	if (!READ_ONCE(hc->active)) {
		tmem_count(hc, HCACHE_REJECT_DISABLED, nr);
		return;
	}
	if (!vec) {
		tmem_count(hc, HCACHE_REJECT_VECTOR, nr);
		return;
	}
	if (tmem_index_full(hc) || !inode_key(mapping->host, &key)) {
		tmem_count(hc, HCACHE_REJECT_INDEX, nr);
		return;
	}
	io = tmem_vec_add(vec, TMEM_OP_PUT, hc->id, &key, folio->index, nr);
	io->page = &folio->page;
	io->req.seq = tmem_seq_next();
	if (vec->nr == 1)
		tmem_count(hc, HCACHE_PUT_VECTORS, 1);
	tmem_count(hc, HCACHE_PUT_REQUESTS, 1);
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
		tmem_count(hc, HCACHE_REJECT_FULL, nr);
		return;
	}
	if (io->req.status || !done || done > nr) {
		tmem_count(hc, HCACHE_REJECT_IO, nr);
		return;
	}
	tmem_count(hc, HCACHE_REJECT_FULL, nr - done);

	memcg = set_active_memcg(folio_memcg(folio));
	err = tmem_index_set(&hc->index, key, folio->mapping, folio->index,
			     done);
	set_active_memcg(memcg);
	if (!err) {
		tmem_count(hc, HCACHE_STORED, done);
		return;
	}
	tmem_count(hc, err == -EBUSY ? HCACHE_REJECT_RACE : HCACHE_REJECT_INDEX,
		   done);
	tmem_flush_range(hc, key, folio->index, folio->index + done - 1);
}

/*
 * A vector is nearly always of one filesystem.  While kswapd waits it takes
 * nothing from anybody; if reclaim falls behind for it, others begin to put, and
 * theirs counts.
 */
static void put_measured(struct tmem_vec *vec, u64 ns)
{
	u64 free = current_is_kswapd() ? vec->waited_us * NSEC_PER_USEC : 0;
	struct folio *folio = page_folio(vec->ios[0].page);
	struct tmem_hcache *hc = mapping_hcache(folio->mapping);
	unsigned int nr = tmem_vec_pages(vec);

	tmem_count(hc, HCACHE_PUT_NS, ns - min(ns, free));
	tmem_count(hc, HCACHE_PUT_PAGES, nr);
	tmem_admit_update(hc, nr);
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
	u64 start = ktime_get_ns();
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
		if (vec->nr)
			put_measured(vec, ktime_get_ns() - start);
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
	tmem_count(hc, HCACHE_RETURNED, taken);
	tmem_flush_range(hc, &key, folio->index, folio->index + nr - 1);
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
			tmem_count(hc, HCACHE_MISSES, nr);
	}
	if (taken) {
		tmem_count(hc, HCACHE_OVERWRITTEN, taken);
		tmem_flush_range(hc, &key, folio->index, folio->index + nr - 1);
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
		tmem_count(hc, HCACHE_GET_VECTORS, 1);
	tmem_count(hc, HCACHE_GET_REQUESTS, 1);
	return true;
}

static bool get_finish(struct tmem_io *io)
{
	struct folio *folio = page_folio(io->page);
	struct tmem_hcache *hc = mapping_hcache(folio->mapping);
	unsigned int nr = io->req.nr_pages;

	if (io->req.status || io->req.done != nr) {
		tmem_count(hc, HCACHE_LOST, nr);
		if (nr > 1)
			tmem_flush_range(hc, (struct tmem_key *)io->req.object,
					 folio->index, folio->index + nr - 1);
		return false;
	}
	flush_dcache_folio(folio);
	folio_mark_uptodate(folio);
	tmem_count(hc, HCACHE_HITS, nr);
	return true;
}

/* All of the vector's folios are of one file */
static bool get_submit(struct tmem_vec *vec)
{
	u64 start = ktime_get_ns();
	struct tmem_hcache *hc;
	bool hit = false;
	unsigned int i;

	if (!vec->nr)
		return false;
	tmem_submit(vec);
	for (i = 0; i < vec->nr; i++)
		hit |= get_finish(&vec->ios[i]);
	hc = mapping_hcache(page_folio(vec->ios[0].page)->mapping);
	tmem_count(hc, HCACHE_GET_NS, ktime_get_ns() - start);
	tmem_count(hc, HCACHE_GET_PAGES, tmem_vec_pages(vec));
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
		tmem_count(hc, HCACHE_INVALIDATED, cleared);
		tmem_flush_range(hc, &key, first, last);
	}
}
EXPORT_SYMBOL_GPL(__tmem_hcache_invalidate_begin);

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
EXPORT_SYMBOL_GPL(__tmem_hcache_invalidate_end);

/**
 * __tmem_hcache_rekey_begin - what identifies a file is about to change
 * @inode: the file
 * @inval: for tmem_hcache_rekey_end()
 *
 * Nothing may be found under the old key when it is given back to the file, and
 * no reader may be between the taking of a bit and the getting of the page: the
 * invalidate_lock of the mapping is held until the end.
 *
 * Context: Process context, may sleep; outside of a transaction.
 */
void __tmem_hcache_rekey_begin(struct inode *inode, struct tmem_inval *inval)
{
	filemap_invalidate_lock(inode->i_mapping);
	__tmem_hcache_invalidate_begin(inode->i_mapping, 0, ULONG_MAX, inval);
	if (!inval->hcache)
		filemap_invalidate_unlock(inode->i_mapping);
}
EXPORT_SYMBOL_GPL(__tmem_hcache_rekey_begin);

/**
 * __tmem_hcache_rekey_end - what identifies a file has changed
 * @inode: the file
 * @inval: what tmem_hcache_rekey_begin() filled in
 *
 * Waits for puts that were prepared with the old key.
 *
 * Context: Process context, may sleep.
 */
void __tmem_hcache_rekey_end(struct inode *inode, struct tmem_inval *inval)
{
	if (!inval->hcache)
		return;
	synchronize_srcu(&tmem_srcu);
	__tmem_hcache_invalidate_end(inval);
	filemap_invalidate_unlock(inode->i_mapping);
}
EXPORT_SYMBOL_GPL(__tmem_hcache_rekey_end);
