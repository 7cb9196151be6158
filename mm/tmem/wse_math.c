// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the arithmetic of the working-set estimator
 *
 * Functions of their arguments alone, for the tests' sake.  What they mean is
 * at the top of wse.c.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "wse.h"

/* A change of a target by less than a fiftieth is none */
#define STEADY		50

/* Waiting for memory for a hundredth of the time is too much */
#define PRESSURE_MAX	10

/* Bringing back so small a part of memory within the window is not */
#define REFAULTS_MAX	32

static u32 seen_all(const struct tmem_wse_input *in, int type)
{
	u32 all = 0;
	int age;

	for (age = 0; age < TMEM_WSE_AGES; age++)
		all += in->sampled.seen[type][age];
	return all;
}

/* Pages for which so many watched ones stand; all if none of them is watched */
static u64 scaled(const struct tmem_wse_input *in, int type, u64 seen, u32 all)
{
	return all ? mul_u64_u64_div_u64(in->lru[type], seen, all) :
		     in->lru[type];
}

static u32 seen_within(const struct tmem_wse_input *in, int type)
{
	u32 seen = 0;
	int age;

	for (age = 0; age < TMEM_WSE_WINDOW; age++)
		seen += in->sampled.seen[type][age];
	return seen;
}

static u64 resident(const struct tmem_wse_input *in)
{
	u64 pages = 0;
	int type;

	for (type = 0; type < TMEM_WSE_TYPES; type++)
		pages += scaled(in, type, seen_within(in, type),
				seen_all(in, type));
	return pages;
}

/* Each watched page stands for evicted by watched ones */
static u64 absent(const struct tmem_wse_input *in)
{
	const struct tmem_wse_absent *ab = &in->absent;

	if (!ab->watched)
		return 0;
	return mul_u64_u64_div_u64(min_t(u64, ab->absent, ab->watched),
				   ab->evicted, ab->watched);
}

/* Those of them that would be used again, as far as evicted pages come back */
static u64 missing(const struct tmem_wse_input *in)
{
	const struct tmem_wse_absent *ab = &in->absent;

	if (!ab->evicted)
		return 0;
	return mul_u64_u64_div_u64(absent(in),
				   min(ab->refaulted, ab->evicted),
				   ab->evicted);
}

/* What is neither free nor on the lists of reclaim: kernel, slab, page tables */
static u64 floor_of(const struct tmem_wse_input *in)
{
	u64 other = in->free + in->lru[TMEM_WSE_ANON] + in->lru[TMEM_WSE_FILE];

	/* The counters are not of one moment; unevictable pages are part of it */
	return in->total > other ? in->total - other : in->unevictable;
}

/*
 * Standard deviation of @pages of type @type of which @t of @all were touched:
 * pages * sqrt(t / all * (all - t) / all / all)
 */
static u64 deviation(u64 pages, u64 t, u64 all)
{
	u64 variance;

	if (!all)
		return pages;
	variance = div64_u64((t * (all - t)) << 30, all * all * all);
	return (pages * int_sqrt64(variance)) >> 15;
}

/* Twice the standard deviation, as a share of the estimate, is the doubt */
static u32 confidence(const struct tmem_wse_input *in, u64 size)
{
	u64 sum = 0, one;
	int type;

	for (type = 0; type < TMEM_WSE_TYPES; type++) {
		one = deviation(in->lru[type], seen_within(in, type),
				seen_all(in, type));
		sum += one * one;
	}
	one = absent(in);
	sum += one ? div64_u64(one * one, in->absent.absent) : 0;
	one = div64_u64(200 * (u64)int_sqrt64(sum), max(size, 1ULL));
	one = 100 - min(one, 100ULL);
	return div64_u64(one * min_t(u32, in->ticks, TMEM_WSE_WINDOW),
			 TMEM_WSE_WINDOW);
}

/* Somebody waits, and not for a few pages that were evicted by mistake */
static bool hurts(const struct tmem_wse_input *in)
{
	return in->oom || (in->pressure >= PRESSURE_MAX &&
			   in->absent.refaulted > in->total / REFAULTS_MAX);
}

static u64 target(const struct tmem_wse_input *in,
		  const struct tmem_wse_estimate *est)
{
	u64 size = est->floor + est->resident + missing(in);
	u64 want = size + div64_u64(size * in->margin, 100) + in->reserve;

	/*
	 * Whatever the estimate says, this is too little.  What is free has
	 * come since then, as what is said here is of the past seconds.
	 */
	if (hurts(in))
		want = max(want, in->total + in->total / 8 -
				 min(in->free, in->total));
	return clamp(want, in->min, max(in->min, in->max));
}

static u64 per_second(u64 in_window)
{
	return div64_u64(in_window * 1000,
			 TMEM_WSE_WINDOW * TMEM_WSE_TICK_MS);
}

/* Pages of an age, and those a second that are touched after having had it */
static void of_age(const struct tmem_wse_input *in, int age, u64 *pages,
		   u64 *again)
{
	int type;
	u32 all;

	*pages = 0;
	*again = 0;
	for (type = 0; type < TMEM_WSE_TYPES; type++) {
		all = seen_all(in, type);
		if (!all)
			continue;
		*pages += scaled(in, type, in->sampled.seen[type][age], all);
		*again += scaled(in, type, in->sampled.again[type][age], all);
	}
	/* sixteenths of a page a tick */
	*again = div64_u64(*again * 1000, 16 * TMEM_WSE_TICK_MS);
}

/*
 * Less memory would be without the pages that were not touched for longest; and
 * more of it would have saved those refaults between whose eviction and return
 * no more was evicted than it is larger.
 */
static void draw(const struct tmem_wse_input *in,
		 struct tmem_wse_estimate *out)
{
	u64 misses = out->misses, size, pages, again, returned = 0, beyond;
	struct tmem_wse_knot *knot = &out->knots[TMEM_WSE_AGES + 1];
	int i;

	size = out->floor + in->lru[TMEM_WSE_ANON] + in->lru[TMEM_WSE_FILE];
	for (i = TMEM_WSE_AGES - 1; i >= 0; i--, knot--) {
		*knot = (struct tmem_wse_knot){ size, misses };
		of_age(in, i, &pages, &again);
		size -= min(pages, size);
		misses += again;
	}
	*knot-- = (struct tmem_wse_knot){ size, misses };
	*knot = (struct tmem_wse_knot){ 0, misses };

	for (i = 0; i < TMEM_WSE_DISTANCES; i++)
		returned += in->absent.distance[i];
	beyond = returned;
	for (i = 0; i < TMEM_WSE_DISTANCES; i++) {
		knot = &out->knots[2 + TMEM_WSE_AGES + i];
		size = in->total + (in->total << i) / 8;
		beyond -= in->absent.distance[i];
		misses = returned ? mul_u64_u64_div_u64(out->misses, beyond,
							returned) : 0;
		*knot = (struct tmem_wse_knot){ size, misses };
	}
}

/**
 * tmem_wse_judge - estimate a working set
 * @in: what is known
 * @out: what follows
 */
void tmem_wse_judge(const struct tmem_wse_input *in,
		    struct tmem_wse_estimate *out)
{
	out->floor = floor_of(in);
	out->resident = resident(in);
	out->absent = absent(in);
	out->size = out->floor + out->resident + out->absent;
	out->confidence = confidence(in, out->size);
	out->target = target(in, out);
	out->misses = per_second(in->absent.refaulted);
	draw(in, out);
}

/**
 * tmem_wse_curve - what would be missed with another amount of memory
 * @est: the estimate
 * @size: pages of memory
 *
 * Return: pages a second that would have to be brought back.
 */
u64 tmem_wse_curve(const struct tmem_wse_estimate *est, u64 size)
{
	const struct tmem_wse_knot *a, *b;
	int i;

	for (i = 1; i < TMEM_WSE_KNOTS; i++) {
		a = &est->knots[i - 1];
		b = &est->knots[i];
		if (size > b->size)
			continue;
		if (b->size == a->size || size <= a->size ||
		    b->misses >= a->misses)
			return a->misses;
		return a->misses - mul_u64_u64_div_u64(a->misses - b->misses,
						       size - a->size,
						       b->size - a->size);
	}
	return est->knots[TMEM_WSE_KNOTS - 1].misses;
}

/**
 * tmem_wse_steady - do not follow noise
 * @old: what was said
 * @new: what would be said now
 *
 * Return: @new if it is another thing, else @old.
 */
u64 tmem_wse_steady(u64 old, u64 new)
{
	u64 change = old > new ? old - new : new - old;

	return change > old / STEADY ? new : old;
}

/**
 * tmem_wse_step - the way from one size to another
 * @total: pages of memory
 * @goal: how many it should be
 *
 * Return: how many it should be next: up at once, down slowly, as what is given
 *	away is not there if it was needed, and is had back late.
 */
u64 tmem_wse_step(u64 total, u64 goal)
{
	return max(goal, total - total / TMEM_WSE_STEPS);
}
