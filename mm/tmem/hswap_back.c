// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: swapped pages move from the store to their devices
 *
 * Every slot has its place on the device.  So a page is read into the swap
 * cache, as for a fault, and written out, and is the device's from then on.  It
 * happens in batches: one vector of gets, then the writes, which are waited for.
 * So it takes little memory, which is short when pages are swapped, and a
 * device that does not write is found out before memory is full of its pages.
 */
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/pagevec.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/writeback.h>

#include "../swap.h"
#include "internal.h"

/* For the sake of the store no process is killed */
#define READ_GFP	(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* The device is broken if so many writes in a row have failed */
#define FAILURES_MAX	64

/**
 * struct batch - pages that move together
 * @folios: in the swap cache
 * @slots: of the folios
 * @next: slot to go on with
 * @failures: writes in a row that failed
 */
struct batch {
	struct folio_batch folios;
	unsigned long slots[PAGEVEC_SIZE];
	unsigned long next;
	unsigned int failures;
};

/* Returns how many slots were looked at, or an error if it is none */
static int batch_read(struct batch *b, struct tmem_hswap *hs, unsigned long nr)
{
	struct swap_iocb *plug = NULL;
	unsigned long seen;
	struct folio *folio;
	swp_entry_t entry;
	bool allocated;

	folio_batch_init(&b->folios);
	for (seen = 0; seen < nr && folio_batch_space(&b->folios); seen++) {
		b->next = find_next_bit(hs->stored, hs->slots, b->next);
		if (b->next >= hs->slots)
			break;
		entry = swp_entry(hs->si->type, b->next);
		folio = __read_swap_cache_async(entry, READ_GFP,
						get_task_policy(current),
						NO_INTERLEAVE_INDEX, &allocated,
						false);
		/* Nobody's slot any more, or there is no memory */
		if (!folio && __swap_count(entry))
			break;
		if (folio) {
			if (allocated)
				swap_read_folio(folio, &plug);
			b->slots[folio_batch_count(&b->folios)] = b->next;
			folio_batch_add(&b->folios, folio);
		}
		b->next++;
	}
	swap_read_unplug(plug);
	return seen || b->next >= hs->slots ? seen : -ENOMEM;
}

/*
 * Start to write a folio to the device, if the store has it; returns 1 if it is
 * being written, or 0, or an error.
 */
static int write_folio(struct swap_info_struct *si, struct folio *folio,
		       unsigned long slot)
{
	struct writeback_control wbc = { .sync_mode = WB_SYNC_NONE };
	int err = 0;

	folio_lock(folio);
	folio_wait_writeback(folio);
	if (!folio_test_swapcache(folio) || swp_swap_info(folio->swap) != si ||
	    slot - swp_offset(folio->swap) >= folio_nr_pages(folio) ||
	    !test_bit(slot, si->hswap->stored))
		goto unlock;	/* freed, or written, meanwhile */
	if (!folio_test_uptodate(folio)) {
		err = -EIO;
		goto unlock;
	}
	tmem_hswap_drop(si->hswap, swp_offset(folio->swap),
			folio_nr_pages(folio), HSWAP_WRITTEN_BACK);
	/* What is dirty is written by reclaim, when it is its turn */
	if (folio_test_dirty(folio))
		goto unlock;
	__swap_writepage(folio, &wbc);
	return 1;

unlock:
	folio_unlock(folio);
	return err;
}

/*
 * What could not be written is dirty again, and stays in memory.  So is what a
 * process has written to meanwhile; but seldom so many in a row.
 * A folio that was dirty before is left to reclaim, and says nothing of the
 * device.
 */
static int batch_write(struct batch *b, struct swap_info_struct *si)
{
	unsigned int nr = folio_batch_count(&b->folios), i;
	int started[PAGEVEC_SIZE], err = 0;
	struct folio *folio;

	for (i = 0; i < nr; i++) {
		started[i] = write_folio(si, b->folios.folios[i], b->slots[i]);
		err = min(started[i], err);
	}
	for (i = 0; i < nr; i++) {
		folio = b->folios.folios[i];
		folio_wait_writeback(folio);
		if (started[i] > 0)
			b->failures = folio_test_dirty(folio) ?
					b->failures + 1 : 0;
		folio_put(folio);
	}
	return b->failures >= FAILURES_MAX ? -EIO : err;
}

/**
 * tmem_hswap_write_back - move pages from the store to the device
 * @hs: the device; on the list of devices, whose lock is held
 * @nr: how many, at most
 *
 * Context: Process context, may sleep; starts I/O.
 * Return: how many slots were looked at; -EINTR; -ENOMEM; -EIO if a page is
 *	lost or the device broken.
 */
long tmem_hswap_write_back(struct tmem_hswap *hs, unsigned long nr)
{
	swp_entry_t last = swp_entry(hs->si->type, hs->slots - 1);
	unsigned long moved = 0;
	struct batch b = {};
	int seen, err;

	while (moved < nr) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (!get_swap_device(last))
			break;	/* swapoff has found all slots free */
		seen = batch_read(&b, hs, nr - moved);
		err = batch_write(&b, hs->si);
		put_swap_device(hs->si);
		if (err || seen < 0)
			return err ?: seen;
		if (!seen)
			break;
		moved += seen;
		cond_resched();
	}
	return moved;
}
