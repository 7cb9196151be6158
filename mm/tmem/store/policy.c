// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: policies of the page store
 *
 * A policy is asked now and then.  It sets targets; whoever looks for room
 * compares what clients have to them and does no arithmetic.
 *
 * Formulas, with C for capacity, and for each client weight w, pages P, minimum
 * and cap:
 *
 * greedy	no targets: who has most gives up first.
 * static	C / n.
 * weighted	T = clamp(min + (C - sum min) * w / sum w, cap), where what caps
 *		cut off goes to the others.  It is where min-funding revocation
 *		(take from the least w / P, Waldspurger, OSDI 2002) comes to
 *		rest.
 * idle-tax	the same with w / (f + k * (1 - f)), f the active share of P,
 *		and k = 1 / (1 - tax), tax 75 % (ibid.).
 * utility	the most hits, weighted: the curve of each client is made
 *		concave (Talus, HPCA 2015), then the next step goes to whom it
 *		brings most (Stone et al., IEEE ToC 41(9), 1992, is why that is
 *		best on concave curves).  What brings nobody hits is for who
 *		puts: nothing is known of pages that come for the first time.
 * smart-alloc	P % of C more where puts failed, P % less where much is
 *		unused, scaled to C (Garrido, SmarTmem, IPDPSW 2019).
 */
#include "policy.h"

/* k = 1 / (1 - tax) */
#define IDLE_TAX_K		4U

/* Puts of a second or so, and what a product with a weight has room for */
#define PUTS_MAX		(4ULL << 20)

/* P of smart-alloc, and how much of a target has to be unused, in percent */
#define SMART_STEP		2U
#define SMART_UNUSED		10U

/* a * b / c without overflow: 64 bits in 32 steps of the quotient */
static u64 scale(u64 a, u64 b, u64 c)
{
	u64 high, low;

	if (!c)
		return 0;
	high = (a / c) * b;
	a %= c;
	/* a < c: shrink a and c alike until a * b fits */
	while (a && b > ~0ULL / a) {
		a >>= 1;
		c >>= 1;
	}
	low = c ? a * b / c : 0;
	return high + low;
}

/* a * b, or as much as there is of it */
static u64 times(u64 a, u64 b)
{
	return b && a > ~0ULL / b ? ~0ULL : a * b;
}

static u64 at_most(u64 a, u64 b)
{
	return a < b ? a : b;
}

static void greedy(struct tstore_share *shares, u32 nr,
		   u64 capacity __always_unused)
{
	u32 i;

	for (i = 0; i < nr; i++)
		shares[i].target = 0;
}

static void even(struct tstore_share *shares, u32 nr, u64 capacity)
{
	u32 i;

	for (i = 0; i < nr; i++)
		shares[i].target = capacity / nr;
}

static u64 plain(const struct tstore_share *share)
{
	return (u64)share->weight * TSTORE_ACTIVE_ALL;
}

static u64 by_puts(const struct tstore_share *share)
{
	return share->weight * at_most(share->puts, PUTS_MAX);
}

static u64 taxed(const struct tstore_share *share)
{
	u64 active = at_most(share->active, TSTORE_ACTIVE_ALL);
	u64 idle = TSTORE_ACTIVE_ALL - active;

	/* in units of 1 / 1024, so that a tax on weight 1 can be seen */
	return scale(plain(share), TSTORE_ACTIVE_ALL,
		     active + IDLE_TAX_K * idle);
}

/* Gives everybody the minimum, or what there is of it; returns what is left */
static u64 give_minimum(struct tstore_share *shares, u32 nr, u64 capacity)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < nr; i++)
		sum += at_most(shares[i].min, shares[i].cap);
	for (i = 0; i < nr; i++) {
		shares[i].target = at_most(shares[i].min, shares[i].cap);
		if (sum > capacity)
			shares[i].target = scale(shares[i].target, capacity,
						 sum);
	}
	return sum > capacity ? 0 : capacity - sum;
}

/*
 * Pours @left over those below their caps, by what @weight says.  Each round
 * fills somebody to the cap or is the last one.  Returns what is left.
 */
static u64 pour(struct tstore_share *shares, u32 nr, u64 left,
		u64 (*weight)(const struct tstore_share *share))
{
	u64 sum, more, given;
	bool full;
	u32 i;

	do {
		sum = 0;
		for (i = 0; i < nr; i++)
			if (shares[i].target < shares[i].cap)
				sum += weight(&shares[i]);
		full = false;
		given = 0;
		for (i = 0; sum && i < nr; i++) {
			if (shares[i].target >= shares[i].cap)
				continue;
			more = scale(left, weight(&shares[i]), sum);
			if (more >= shares[i].cap - shares[i].target) {
				more = shares[i].cap - shares[i].target;
				full = true;
			}
			shares[i].target += more;
			given += more;
		}
		left -= given;
	} while (full && left);
	return left;
}

static void weighted(struct tstore_share *shares, u32 nr, u64 capacity)
{
	pour(shares, nr, give_minimum(shares, nr, capacity), plain);
}

static void idle_tax(struct tstore_share *shares, u32 nr, u64 capacity)
{
	pour(shares, nr, give_minimum(shares, nr, capacity), taxed);
}

/*
 * Where does the steepest line from here to a later point of the curve lead?
 * Following it again and again is the concave hull.
 */
static void hull_next(struct tstore_share *share, u64 capacity)
{
	u32 at = scale(share->target, TSTORE_CURVE_STEPS, capacity);
	u64 rise;
	u32 i;

	share->gain = 0;
	if (share->target >= share->cap)
		return;
	for (i = at + 1; i <= TSTORE_CURVE_STEPS; i++) {
		/* hits per step, with 16 bits of fraction */
		rise = (share->hits[i] - share->hits[at]) << 16;
		rise = times(rise / (i - at), share->weight);
		if (rise > share->gain) {
			share->gain = rise;
			share->corner = i;
		}
	}
}

static struct tstore_share *most_gain(struct tstore_share *shares, u32 nr)
{
	struct tstore_share *best = shares;
	u32 i;

	for (i = 1; i < nr; i++)
		if (shares[i].gain > best->gain)
			best = &shares[i];
	return best;
}

static void utility(struct tstore_share *shares, u32 nr, u64 capacity)
{
	u64 left = give_minimum(shares, nr, capacity), more;
	struct tstore_share *s;
	u32 i;

	for (i = 0; i < nr; i++)
		hull_next(&shares[i], capacity);
	while (left) {
		s = most_gain(shares, nr);
		if (!s->gain)
			break;
		/* rounded up, so that it is at the corner then */
		more = scale(capacity, s->corner, TSTORE_CURVE_STEPS) + 1;
		more = at_most(more, s->cap) - s->target;
		more = at_most(more, left);
		s->target += more;
		left -= more;
		hull_next(s, capacity);
	}
	left = pour(shares, nr, left, by_puts);
	pour(shares, nr, left, plain);
}

static void smart_alloc(struct tstore_share *shares, u32 nr, u64 capacity)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < nr; i++) {
		struct tstore_share *s = &shares[i];

		if (s->refused)
			s->target += capacity / 100 * SMART_STEP;
		else if (s->target > s->held &&
			 s->target - s->held > capacity / 100 * SMART_UNUSED)
			s->target = s->target / 100 * (100 - SMART_STEP);
		s->target = at_most(s->target, s->cap);
		sum += s->target;
	}
	for (i = 0; sum > capacity && i < nr; i++)
		shares[i].target = scale(shares[i].target, capacity, sum);
}

const struct tstore_policy tstore_policies[] = {
	{ "greedy", greedy },
	{ "static", even },
	{ "weighted", weighted },
	{ "idle-tax", idle_tax },
	{ "utility", utility },
	{ "smart-alloc", smart_alloc },
};

const u32 tstore_nr_policies = ARRAY_SIZE(tstore_policies);
