// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: does it pay to put the pages of a filesystem?
 *
 * A put that is never hit is wasted.  With
 *
 *	h	the share of stored pages that are hit later,
 *	Tp, Tg	what it takes to put and to get a page,
 *	Td	what the disk takes to read a page,
 *
 * a put costs Tp and saves Td - Tg with the probability h.  A page without a
 * copy costs nothing, as nobody asks for it.  So puts pay if
 *
 *	h > Tp / (Td - Tg).
 *
 * All four are measured for each pool.  While puts do not pay, some folios are
 * put nevertheless, so that a change of h is noticed; in runs, as folios that are
 * evicted together are often read together, and a lone hit saves no read.
 *
 * A page had to be read from the disk before it could be evicted.  So if a share
 * s of the folios is put, and in vain, reading is slowed down by s * Tp / Td; s
 * is what keeps this below WASTE.  It may be all of them: then h does not matter,
 * which helps a workload whose cycle is longer than the memory of the
 * measurement.
 *
 * Files that are read for the first time look like a stream.  So the first LEARN
 * pages, 64 MiB, are put in any case; that takes some tens of milliseconds, once.
 */
#include <linux/blkdev.h>
#include <linux/part_stat.h>

#include "internal.h"

#define STEP		(HZ / 4)	/* judge as often, */
#define STEP_MIN	64		/* if so many pages were put, */
#define STEP_MAX	4096		/* or as soon as so many were */
#define LEARN		16384		/* before this many no page is refused */
#define WASTE		50		/* 1/50: two hundredths */
#define SAMPLE_RUN	64		/* folios that are put in a row, */
#define SAMPLE_ALL	1000		/* so many runs of so many, */
#define SAMPLE_MIN	1		/* and at least so many */

/* ---- arithmetic ---- */

/**
 * tmem_rate_add - add what was measured since the last step
 * @rate: of the past, three quarters count at each step: half is gone after 2.4
 * @sum: of what was measured
 * @nr: on how many pages; 0: there is no news
 */
void tmem_rate_add(struct tmem_rate *rate, u64 sum, u64 nr)
{
	if (!nr)
		return;
	rate->sum = rate->sum * 3 / 4 + sum;
	rate->nr = rate->nr * 3 / 4 + nr;
}

/**
 * tmem_admit_share - how many of a thousand stored pages are hit
 * @m: what was measured
 *
 * Return: 0 to 1000.
 */
unsigned int tmem_admit_share(const struct tmem_measured *m)
{
	if (!m->hits.nr)
		return 0;
	return min_t(u64, div64_u64(m->hits.sum * 1000, m->hits.nr), 1000);
}

/**
 * tmem_admit_needed - how many of a thousand have to be hit for puts to pay
 * @m: what was measured
 *
 * Return: 0 to 1000; at 1000 nothing pays, as the disk is as fast.
 */
unsigned int tmem_admit_needed(const struct tmem_measured *m)
{
	u64 put = tmem_rate_mean(&m->put), get = tmem_rate_mean(&m->get);
	u64 disk = tmem_rate_mean(&m->disk);

	if (disk <= get)
		return 1000;
	return min_t(u64, div64_u64(put * 1000, disk - get), 1000);
}

/**
 * tmem_admit_sample - how many folios to put, though it does not pay
 * @m: what was measured
 *
 * Return: 1 to 1000, of a thousand.
 */
unsigned int tmem_admit_sample(const struct tmem_measured *m)
{
	u64 put = tmem_rate_mean(&m->put), disk = tmem_rate_mean(&m->disk);

	return clamp_t(u64, div64_u64(disk * SAMPLE_ALL, put * WASTE ?: 1),
		       SAMPLE_MIN, SAMPLE_ALL);
}

/**
 * tmem_admit_judge - are pages to be put?
 * @m: what was measured, and the verdict so far
 *
 * Return: the verdict.
 */
enum tmem_verdict tmem_admit_judge(const struct tmem_measured *m)
{
	if (!m->disk.nr ||
	    (m->verdict == TMEM_VERDICT_LEARNING && m->learnt < LEARN))
		return TMEM_VERDICT_LEARNING;
	if (tmem_admit_sample(m) == SAMPLE_ALL)
		return TMEM_VERDICT_CHEAP;
	if (tmem_admit_share(m) > tmem_admit_needed(m))
		return TMEM_VERDICT_PAYS;
	return TMEM_VERDICT_SAMPLED;
}

/* ---- measurement ---- */

static void read_totals(struct tmem_hcache *hc, struct tmem_totals *t)
{
	struct block_device *bdev = hc->sb->s_bdev;

	t->put_ns = tmem_hcache_count(hc, HCACHE_PUT_NS);
	t->put_pages = tmem_hcache_count(hc, HCACHE_PUT_PAGES);
	t->get_ns = tmem_hcache_count(hc, HCACHE_GET_NS);
	t->get_pages = tmem_hcache_count(hc, HCACHE_GET_PAGES);
	t->stored = tmem_hcache_count(hc, HCACHE_STORED);
	t->hits = tmem_hcache_count(hc, HCACHE_HITS);
	t->disk_ns = bdev ? part_stat_read(bdev, nsecs[STAT_READ]) : 0;
	t->disk_pages = bdev ? part_stat_read(bdev, sectors[STAT_READ]) >>
			       (PAGE_SHIFT - SECTOR_SHIFT) : 0;
}

static void step(struct tmem_hcache *hc)
{
	struct tmem_admit *admit = &hc->admit;
	struct tmem_totals *last = &admit->last, now;
	struct tmem_measured *m = &admit->m;

	lockdep_assert_held(&admit->lock);
	read_totals(hc, &now);
	tmem_rate_add(&m->put, now.put_ns - last->put_ns,
		      now.put_pages - last->put_pages);
	tmem_rate_add(&m->get, now.get_ns - last->get_ns,
		      now.get_pages - last->get_pages);
	tmem_rate_add(&m->disk, now.disk_ns - last->disk_ns,
		      now.disk_pages - last->disk_pages);
	tmem_rate_add(&m->hits, now.hits - last->hits,
		      now.stored - last->stored);
	m->learnt += now.put_pages - last->put_pages;
	*last = now;
	WRITE_ONCE(admit->next, jiffies + STEP);
	atomic_set(&admit->fresh, 0);
	WRITE_ONCE(m->sample, tmem_admit_sample(m));
	WRITE_ONCE(m->verdict, tmem_admit_judge(m));
}

/**
 * tmem_admit_update - pages have been put
 * @hc: the cache
 * @nr: how many
 *
 * Context: Reclaim, with a folio of the filesystem locked.
 */
void tmem_admit_update(struct tmem_hcache *hc, unsigned int nr)
{
	struct tmem_admit *admit = &hc->admit;
	int fresh = atomic_add_return(nr, &admit->fresh);

	if (fresh < STEP_MIN ||
	    (fresh < STEP_MAX && time_before(jiffies, READ_ONCE(admit->next))))
		return;
	/* One is enough */
	if (!spin_trylock(&admit->lock))
		return;
	step(hc);
	spin_unlock(&admit->lock);
}

/**
 * tmem_admit_folio - is a folio to be put, as things are?
 * @hc: the cache
 *
 * Context: Reclaim.
 * Return: true if puts pay, or if it is one of the sample.
 */
bool tmem_admit_folio(struct tmem_hcache *hc)
{
	unsigned int run, sample;

	if (READ_ONCE(hc->admit.m.verdict) != TMEM_VERDICT_SAMPLED)
		return true;
	run = this_cpu_inc_return(hc->counts->nr[HCACHE_TURN]) / SAMPLE_RUN %
		SAMPLE_ALL;
	sample = READ_ONCE(hc->admit.m.sample);
	/* As evenly as can be: whenever the sum of shares passes a whole */
	return run * sample % SAMPLE_ALL < sample;
}

/**
 * tmem_admit_reset - begin to learn
 * @hc: a cache to which nobody puts
 *
 * Context: Process context.
 */
void tmem_admit_reset(struct tmem_hcache *hc)
{
	struct tmem_admit *admit = &hc->admit;

	spin_lock(&admit->lock);
	memset(&admit->m, 0, sizeof(admit->m));
	read_totals(hc, &admit->last);
	admit->next = jiffies + STEP;
	spin_unlock(&admit->lock);
}

/**
 * tmem_admit_read - read what was measured
 * @hc: the cache
 * @m: where to
 *
 * Context: Process context.
 */
void tmem_admit_read(struct tmem_hcache *hc, struct tmem_measured *m)
{
	spin_lock(&hc->admit.lock);
	*m = hc->admit.m;
	spin_unlock(&hc->admit.lock);
}
