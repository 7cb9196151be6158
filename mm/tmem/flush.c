// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: lazy flushes
 *
 * A copy whose bit has been cleared is garbage: nobody can ask for it any more.
 * To tell the store so is a courtesy that frees its memory early, so it may be
 * late, and may be left out when there is too much of it: an ephemeral pool
 * ages its pages anyway.  Flushes are queued where the bits are cleared, often
 * with locks held, and are sent in vectors by a worker.
 *
 * By the time that a flush arrives, the same page may have been put again.  A
 * flush therefore carries the number of the last put that had been prepared
 * when its copy became garbage, and the store does not apply it to newer ones.
 */
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "internal.h"

#define FLUSH_QUEUE_LEN	1024	/* a power of two */

struct flush_entry {
	struct tmem_key key;
	u64 index;
	u32 pool;
	u32 nr;
	u32 seq;
};

static DEFINE_SPINLOCK(flush_lock); /* protects the queue and its indices */
static struct flush_entry flush_ring[FLUSH_QUEUE_LEN];
static unsigned int flush_head, flush_tail;

/* Flushes that were queued, sent, and left out because the queue was full */
atomic_long_t tmem_flush_queued, tmem_flush_done, tmem_flush_dropped;

static void flush_worker(struct work_struct *work);
static DECLARE_DELAYED_WORK(flush_dwork, flush_worker);

/* A flush of adjacent pages with no put in between extends the last one */
static bool flush_merge(const struct flush_entry *new)
{
	struct flush_entry *last;

	lockdep_assert_held(&flush_lock);
	if (flush_head == flush_tail)
		return false;
	last = &flush_ring[(flush_head - 1) % FLUSH_QUEUE_LEN];
	if (last->pool != new->pool || last->seq != new->seq ||
	    last->nr == 0 || new->nr == 0 ||
	    last->index + last->nr != new->index ||
	    last->nr + new->nr < last->nr ||
	    memcmp(&last->key, &new->key, sizeof(last->key)))
		return false;
	last->nr += new->nr;
	return true;
}

/**
 * tmem_flush_queue - some copies in the store have become garbage
 * @pool: the pool
 * @key: the object
 * @index: first page
 * @nr: number of pages, 0 for all from @index on
 *
 * Context: Any process context, spinlocks may be held.
 */
void tmem_flush_queue(u32 pool, const struct tmem_key *key, u64 index, u32 nr)
{
	struct flush_entry new = {
		.key = *key,
		.index = index,
		.pool = pool,
		.nr = nr,
		.seq = tmem_seq_now(),
	};

	spin_lock(&flush_lock);
	if (flush_merge(&new)) {
		/* counted already */
	} else if (flush_head - flush_tail < FLUSH_QUEUE_LEN) {
		flush_ring[flush_head++ % FLUSH_QUEUE_LEN] = new;
		atomic_long_inc(&tmem_flush_queued);
	} else {
		atomic_long_inc(&tmem_flush_dropped);
	}
	spin_unlock(&flush_lock);
	queue_delayed_work(system_unbound_wq, &flush_dwork, HZ / 10);
}

static void flush_fill(struct tmem_vec *vec)
{
	struct flush_entry *e;
	struct tmem_io *io;

	spin_lock(&flush_lock);
	while (flush_head != flush_tail && vec->nr < TMEM_VEC_MAX) {
		e = &flush_ring[flush_tail++ % FLUSH_QUEUE_LEN];
		io = tmem_vec_add(vec, TMEM_OP_FLUSH, e->pool, &e->key,
				  e->index, e->nr);
		io->req.seq = e->seq;
	}
	spin_unlock(&flush_lock);
}

static void flush_worker(struct work_struct *work)
{
	struct tmem_vec *vec = tmem_vec_get(GFP_KERNEL);

	for (;;) {
		vec->nr = 0;
		flush_fill(vec);
		if (!vec->nr)
			break;
		tmem_submit(vec);
		atomic_long_add(vec->nr, &tmem_flush_done);
		cond_resched();
	}
	tmem_vec_put(vec);
}

/**
 * tmem_flush_drain - send all that is queued, and wait for it
 *
 * Context: Process context, may sleep.
 */
void tmem_flush_drain(void)
{
	mod_delayed_work(system_unbound_wq, &flush_dwork, 0);
	flush_delayed_work(&flush_dwork);
}
