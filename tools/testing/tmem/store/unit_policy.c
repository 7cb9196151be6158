// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, policies
 */
#include "policy.h"
#include "unit.h"

#define NR		4
#define CAPACITY	6400
#define NO_CAP		(~0ULL)

static struct tstore_share shares[NR];

static void reset(void)
{
	unsigned int i;

	memset(shares, 0, sizeof(shares));
	for (i = 0; i < NR; i++) {
		shares[i].weight = 1;
		shares[i].cap = NO_CAP;
		shares[i].active = TSTORE_ACTIVE_ALL;
	}
}

static void divide(const char *name, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < tstore_nr_policies; i++)
		if (!strcmp(tstore_policies[i].name, name))
			break;
	CHECK(i < tstore_nr_policies);
	tstore_policies[i].divide(shares, nr, CAPACITY);
}

static void check_about(u64 got, u64 wanted, int line)
{
	if (got > wanted + NR || got + NR < wanted)
		lib_fail(__FILE__, line, "%llu, not about %llu",
			 (unsigned long long)got, (unsigned long long)wanted);
}

#define CHECK_ABOUT(got, wanted) check_about(got, wanted, __LINE__)

static void weight_counts_the_right_way(void)
{
	reset();
	shares[1].weight = 3;
	divide("weighted", 2);
	CHECK_ABOUT(shares[0].target, CAPACITY / 4);
	CHECK_ABOUT(shares[1].target, CAPACITY * 3 / 4);
}

static void minimum_comes_first(void)
{
	reset();
	shares[0].min = 4000;
	shares[0].weight = 0;
	divide("weighted", 2);
	CHECK_EQ(shares[0].target, 4000);
	CHECK_ABOUT(shares[1].target, CAPACITY - 4000);
	shares[1].min = 4000;
	divide("weighted", 2);
	CHECK_ABOUT(shares[0].target, CAPACITY / 2);
	CHECK_ABOUT(shares[1].target, CAPACITY / 2);
}

static void what_caps_cut_off_goes_to_others(void)
{
	reset();
	shares[0].cap = 100;
	shares[1].cap = 1000;
	shares[3].weight = 2;
	divide("weighted", 4);
	CHECK_EQ(shares[0].target, 100);
	CHECK_EQ(shares[1].target, 1000);
	CHECK_ABOUT(shares[2].target, (CAPACITY - 1100) / 3);
	CHECK_ABOUT(shares[3].target, (CAPACITY - 1100) * 2 / 3);
	shares[2].cap = 0;
	shares[3].cap = 7;
	divide("weighted", 4);
	CHECK_EQ(shares[2].target, 0);
	CHECK_EQ(shares[3].target, 7);
}

static void idle_memory_is_taxed(void)
{
	reset();
	shares[0].active = 0;
	divide("idle-tax", 2);
	CHECK_ABOUT(shares[0].target, CAPACITY / 5);
	CHECK_ABOUT(shares[1].target, CAPACITY * 4 / 5);
	shares[0].active = TSTORE_ACTIVE_ALL;
	divide("idle-tax", 2);
	CHECK_ABOUT(shares[0].target, CAPACITY / 2);
}

/* All hits at once, from @pages on */
static void cliff(struct tstore_share *share, u64 pages, u64 hits)
{
	unsigned int i;

	for (i = 0; i <= TSTORE_CURVE_STEPS; i++)
		share->hits[i] = CAPACITY * i / TSTORE_CURVE_STEPS >= pages ?
				 hits : 0;
}

/* Less and less */
static void concave(struct tstore_share *share, u64 hits)
{
	unsigned int i;

	for (i = 0; i <= TSTORE_CURVE_STEPS; i++)
		share->hits[i] = hits * (2 * TSTORE_CURVE_STEPS - i) * i /
				 (TSTORE_CURVE_STEPS * TSTORE_CURVE_STEPS);
}

static void a_cliff_is_worth_its_height(void)
{
	reset();
	cliff(&shares[0], CAPACITY / 2, 100000);
	concave(&shares[1], 1000);
	divide("utility", 2);
	CHECK(shares[0].target >= CAPACITY / 2);
	CHECK_ABOUT(shares[1].target, CAPACITY / 2);
	/* the other way round, the loop gets nothing that it can use */
	cliff(&shares[0], CAPACITY, 10);
	concave(&shares[1], 100000);
	divide("utility", 2);
	CHECK(shares[1].target > CAPACITY * 9 / 10);
}

static void utility_is_weighted(void)
{
	u64 alone;

	reset();
	concave(&shares[0], 1000000);
	concave(&shares[1], 1000000);
	divide("utility", 2);
	alone = shares[0].target;
	CHECK(alone > CAPACITY * 2 / 5 && alone < CAPACITY * 3 / 5);
	shares[0].weight = 3;
	divide("utility", 2);
	CHECK(shares[0].target > CAPACITY * 2 / 3);
}

/* Weights may be as large as they like */
static void utility_does_not_overflow(void)
{
	reset();
	concave(&shares[0], 1 << 29);
	concave(&shares[1], 1 << 10);
	shares[0].weight = 1U << 31;
	shares[1].weight = 1U << 31;
	divide("utility", 2);
	CHECK(shares[0].target > CAPACITY * 9 / 10);
}

/* Without a reason to prefer anybody, and to the end */
static void utility_leaves_nothing(void)
{
	reset();
	shares[2].cap = 10;
	divide("utility", 4);
	CHECK_EQ(shares[2].target, 10);
	CHECK_ABOUT(shares[0].target + shares[1].target + shares[3].target,
		    CAPACITY - 10);
}

/* What nobody has hits by is not for who sleeps */
static void utility_expects_more_of_who_puts(void)
{
	reset();
	shares[0].puts = 300;
	shares[1].puts = 3000;
	divide("utility", 3);
	CHECK_ABOUT(shares[0].target, CAPACITY / 11);
	CHECK_ABOUT(shares[1].target, CAPACITY * 10 / 11);
	CHECK_EQ(shares[2].target, 0);
	shares[0].weight = 10;
	shares[1].puts = ~0ULL;
	shares[1].cap = 100;
	divide("utility", 3);
	CHECK_EQ(shares[1].target, 100);
	CHECK_ABOUT(shares[0].target, CAPACITY - 100);
	/* hits come first */
	shares[2].min = 50;
	concave(&shares[2], 1000000);
	divide("utility", 3);
	CHECK(shares[2].target > CAPACITY * 9 / 10);
}

static void smart_alloc_follows_refusals(void)
{
	unsigned int i;

	reset();
	for (i = 0; i < 200; i++) {
		shares[0].refused = 1;
		shares[0].held = shares[0].target;
		divide("smart-alloc", 2);
	}
	CHECK_ABOUT(shares[0].target, CAPACITY);
	for (i = 0; i < 200; i++) {
		shares[0].refused = 0;
		shares[0].held = 1000;
		divide("smart-alloc", 2);
	}
	CHECK(shares[0].target < 2000 && shares[0].target > 1000);
	CHECK_EQ(shares[1].target, 0);
}

/* Whatever the numbers: minima as far as they fit, caps, and not too much */
static void any_numbers(void)
{
	static const char * const names[] = {
		"weighted", "idle-tax", "utility", "smart-alloc",
	};
	u64 seed = 1, sum, mins, r;
	unsigned int i, k, turn, step;

	for (turn = 0; turn < 20000; turn++) {
		reset();
		for (i = 0, mins = 0; i < NR; i++) {
			r = lib_rand(&seed);
			shares[i].weight = r >> (r >> 8 & 31) & 0xffffffff;
			shares[i].min = lib_rand(&seed) % (r & 1 ? 9000 : 9);
			shares[i].cap = lib_rand(&seed) >> (r >> 16 & 63);
			shares[i].active = lib_rand(&seed) % 2000;
			shares[i].held = lib_rand(&seed) >> (r >> 24 & 63);
			shares[i].refused = r >> 40 & 1;
			for (k = 1; k <= TSTORE_CURVE_STEPS; k++) {
				step = lib_rand(&seed) & 0xffff;
				shares[i].hits[k] = shares[i].hits[k - 1] +
						    (step >> (r >> 48 & 15));
			}
			mins += shares[i].min < shares[i].cap ? shares[i].min :
								shares[i].cap;
		}
		divide(names[turn % ARRAY_SIZE(names)], NR);
		for (i = 0, sum = 0; i < NR; i++) {
			CHECK(shares[i].target <= shares[i].cap);
			if (turn % ARRAY_SIZE(names) < 3 && mins <= CAPACITY)
				CHECK(shares[i].target >= shares[i].min ||
				      shares[i].target == shares[i].cap);
			sum += shares[i].target;
		}
		CHECK(sum <= CAPACITY);
	}
}

const struct scenario unit_policy[] = {
	SCENARIO(weight_counts_the_right_way),
	SCENARIO(minimum_comes_first),
	SCENARIO(what_caps_cut_off_goes_to_others),
	SCENARIO(idle_memory_is_taxed),
	SCENARIO(a_cliff_is_worth_its_height),
	SCENARIO(utility_is_weighted),
	SCENARIO(utility_does_not_overflow),
	SCENARIO(utility_leaves_nothing),
	SCENARIO(utility_expects_more_of_who_puts),
	SCENARIO(smart_alloc_follows_refusals),
	SCENARIO(any_numbers),
};

const unsigned int nr_unit_policy = ARRAY_SIZE(unit_policy);
