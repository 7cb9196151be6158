// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: when were the pages touched that are in memory?
 *
 * Of each so many frames one is watched, which one is left to chance.  A page
 * that it holds is marked idle and as not accessed in all page tables; whoever
 * touches it, by a mapping or by a system call, clears one or the other.  What
 * the page tables said before goes to PG_young, where reclaim finds it.
 *
 * Reclaim clears accessed bits, too, and moves the page to a younger generation
 * of the multi-gen LRU when it finds one, so a mapped page that got there counts
 * as touched.
 *
 * All of this is done by one worker, which nobody else excludes: a frame may
 * change its owner at any time, and a page is looked at with a reference to it.
 */
#include <linux/hash.h>
#include <linux/memblock.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmu_notifier.h>
#include <linux/page_idle.h>
#include <linux/random.h>
#include <linux/rmap.h>
#include <linux/slab.h>

#include "../internal.h"
#include "internal.h"
#include "wse.h"

/* No more blocks than this, where there are holes in the physical memory */
#define BLOCKS_MAX	(16 * TMEM_WSE_SAMPLES)

/**
 * struct watched - the frame of a block that is watched
 * @touched: tick at which its page was found touched last
 * @gen: generation of the page then
 * @known: it had a page when it was looked at last
 */
struct watched {
	u32 touched;
	s8 gen;
	bool known;
};

/* Set once: a block is so many frames, beginning with min_low_pfn */
static struct watched *watched;
static u32 block, nr_blocks;
static u64 seed;

/* The worker's */
static u32 now = TMEM_WSE_AGES;	/* read by all */
static u32 again[TMEM_WSE_TYPES][TMEM_WSE_AGES];

static unsigned long frame_of(u32 nr)
{
	return min_low_pfn + (unsigned long)nr * block +
	       hash_64(nr ^ seed, 32) % block;
}

static struct folio *get_folio(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	struct folio *folio;

	if (!page)
		return NULL;
	folio = page_folio(page);
	if (!folio_test_lru(folio) || !folio_try_get(folio))
		return NULL;
	if (page_folio(page) != folio || !folio_test_lru(folio) ||
	    folio_test_unevictable(folio)) {
		folio_put(folio);
		return NULL;
	}
	return folio;
}

static bool clear_one(struct folio *folio, struct vm_area_struct *vma,
		      unsigned long addr, void *arg)
{
	DEFINE_FOLIO_VMA_WALK(pvmw, folio, vma, addr, 0);
	bool *touched = arg;

	while (page_vma_mapped_walk(&pvmw)) {
		addr = pvmw.address;
		if (pvmw.pte)
			*touched |= ptep_clear_flush_young_notify(vma, addr,
								  pvmw.pte);
		else if (IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
			*touched |= pmdp_clear_flush_young_notify(vma, addr,
								  pvmw.pmd);
	}
	return true;
}

/* Nobody is waited for: what cannot be had now is had at another time */
static bool mapped_touched(struct folio *folio)
{
	bool touched = false, lock;
	struct rmap_walk_control rwc = {
		.arg = &touched,
		.rmap_one = clear_one,
		.anon_lock = folio_lock_anon_vma_read,
		.try_lock = true,
	};

	if (!folio_mapped(folio) || !folio_raw_mapping(folio))
		return false;
	lock = !folio_test_anon(folio) || folio_test_ksm(folio);
	if (lock && !folio_trylock(folio))
		return false;
	rmap_walk(folio, &rwc);
	if (lock)
		folio_unlock(folio);
	if (touched)
		folio_set_young(folio);
	return touched;
}

#ifdef CONFIG_LRU_GEN
/* Has reclaim moved it to one of the two generations that are young? */
static bool gen_touched(struct watched *w, struct folio *folio)
{
	int gen = folio_lru_gen(folio), before = w->gen;
	unsigned long seq;

	w->gen = gen;
	if (!lru_gen_enabled() || gen < 0 || gen == before)
		return false;
	rcu_read_lock();
	seq = READ_ONCE(folio_lruvec(folio)->lrugen.max_seq);
	rcu_read_unlock();
	return gen == lru_gen_from_seq(seq) || gen == lru_gen_from_seq(seq - 1);
}
#else
static bool gen_touched(struct watched *w, struct folio *folio)
{
	return false;
}
#endif

/* Swapped in with others, and not wanted so far */
static bool is_unused(struct folio *folio)
{
	return folio_test_swapcache(folio) && !folio_mapped(folio) &&
	       !folio_test_writeback(folio) && folio_test_readahead(folio);
}

static void look(struct watched *w, struct folio *folio,
		 struct tmem_wse_sampled *out)
{
	int type = folio_is_file_lru(folio) ? TMEM_WSE_FILE : TMEM_WSE_ANON;
	bool touched = !folio_test_idle(folio);
	u32 age = min_t(u32, now - w->touched, TMEM_WSE_AGES);

	if (is_unused(folio)) {
		folio_set_idle(folio);
		WRITE_ONCE(w->touched, now - TMEM_WSE_AGES);
		age = TMEM_WSE_AGES;
		touched = false;
	}
	touched |= mapped_touched(folio);
	touched |= gen_touched(w, folio) && folio_mapped(folio);
	if (touched) {
		folio_set_idle(folio);
		/* it was looked at a tick ago, when it was a tick younger */
		if (w->known && age)
			again[type][age - 1] += 16;
		WRITE_ONCE(w->touched, now);
		age = 0;
	}
	w->known = true;
	out->seen[type][min_t(u32, age, TMEM_WSE_AGES - 1)]++;
}

/**
 * tmem_wse_sample - look at the watched pages, once a tick
 * @out: what there is to see
 *
 * Context: Process context, one caller at a time.
 * Return: the number of this tick.
 */
u32 tmem_wse_sample(struct tmem_wse_sampled *out)
{
	struct folio *folio;
	int type;
	u32 i;

	memset(out, 0, sizeof(*out));
	WRITE_ONCE(now, now + 1);
	for (type = 0; type < TMEM_WSE_TYPES; type++)
		for (i = 0; i < TMEM_WSE_AGES; i++)
			again[type][i] -= DIV_ROUND_UP(again[type][i], 4);
	for (i = 0; i < nr_blocks; i++) {
		folio = get_folio(frame_of(i));
		if (folio) {
			look(&watched[i], folio, out);
			folio_put(folio);
		} else {
			watched[i].known = false;
			watched[i].gen = -1;
		}
		if (!(i % 64))
			cond_resched();
	}
	/* of an endless row of quarters that are left, the sum is four times one */
	for (type = 0; type < TMEM_WSE_TYPES; type++)
		for (i = 0; i < TMEM_WSE_AGES; i++)
			out->again[type][i] = again[type][i] / 4;
	return now;
}

/**
 * tmem_wse_touched - when was a page touched that is being evicted?
 * @folio: the folio that it is of
 * @pfn: its frame
 * @touched: tick; that of the next look if it was since the last one
 *
 * Context: Any, the folio locked, after tmem_wse_sample_begin().
 * Return: false if the frame is not watched.
 */
bool tmem_wse_touched(struct folio *folio, unsigned long pfn, u32 *touched)
{
	u32 nr = (pfn - min_low_pfn) / block;

	if (nr >= nr_blocks || pfn != frame_of(nr))
		return false;
	/* a page that is new has never been marked idle */
	if (is_unused(folio))
		*touched = READ_ONCE(now) - TMEM_WSE_AGES;
	else if (folio_test_idle(folio))
		*touched = READ_ONCE(watched[nr].touched);
	else
		*touched = READ_ONCE(now) + 1;
	return true;
}

/**
 * tmem_wse_sample_begin - choose the frames to watch, or forget what they held
 *
 * Context: Process context; not while the others are called.
 * Return: 0 or -ENOMEM.
 */
int tmem_wse_sample_begin(void)
{
	u64 frames = max_pfn - min_low_pfn;
	u32 i;

	if (!watched) {
		block = max3(totalram_pages() / TMEM_WSE_SAMPLES,
			     frames / BLOCKS_MAX, 1ULL);
		nr_blocks = div_u64(frames, block);
		seed = get_random_u64();
		watched = kvcalloc(nr_blocks, sizeof(*watched), GFP_KERNEL);
	}
	if (!watched)
		return -ENOMEM;
	WRITE_ONCE(now, now + TMEM_WSE_AGES);
	memset(again, 0, sizeof(again));
	for (i = 0; i < nr_blocks; i++)
		watched[i] = (struct watched){ .touched = now, .gen = -1 };
	return 0;
}
