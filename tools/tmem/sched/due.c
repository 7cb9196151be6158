// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: how much of a host's memory is everybody's due
 *
 * Policies, with A for what guests can have, and for each guest weight w, least,
 * most, and what it has:
 *
 * static	most, or as much less as there is too little: A * most / sum most.
 * proportional	the share S = clamp(water * w, least, most), where one level of
 *		water makes the sum what there is: weighted max-min fairness
 *		(Bertsekas and Gallager, Data Networks, 6.5.2).  What guests say
 *		is of no effect.
 * demand	what guests ask for, by weight as above, in this order, as far as
 *		A goes:
 *		1. up to what they cannot do without, but no more than S;
 *		2. up to S;
 *		3. up to S + proof: what a guest brought back from the store
 *		   proves that it needs more than its share;
 *		4. up to what it has;
 *		5. up to all that it asks for, as far as the pool holds nothing.
 *		What nobody asks for, or proves to need, is for the pool.
 *
 * A is less than what shares are made of if the pool must keep more than it is
 * to be sure of.
 */
#include "tmem_sched.h"

/* A unit of the water level, for a weight of 1 << WATER_SHIFT */
#define WATER_SHIFT	20

/**
 * sched_is_free() - is it decided here what a guest gets?
 * @g: the guest
 *
 * Return: true if so
 */
bool sched_is_free(const struct sched_guest *g)
{
	return g->movable && !g->fixed;
}

/**
 * sched_reports() - is there a report that can be relied on?
 * @g: the guest
 *
 * Return: true if so
 */
bool sched_reports(const struct sched_guest *g)
{
	return g->report.total && g->report_ms <= SCHED_REPORT_MS;
}

/* Where a level comes to with so much water */
static u64 filled(const struct sched_guest *g, u64 water)
{
	u64 product;

	if (__builtin_mul_overflow(water, (u64)g->weight, &product))
		product = ~0ULL;
	return at_least(g->level, at_most(product >> WATER_SHIFT, g->limit));
}

static u64 sum_filled(const struct sched_guest *guests, u32 nr, u64 water)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < nr; i++)
		if (sched_is_free(&guests[i]))
			sum += filled(&guests[i], water);
	return sum;
}

/**
 * sched_fill() - raise levels to the limits, or as far as there is enough
 * @guests: all of them; only those are filled whose share is free
 * @nr: their number
 * @amount: what all levels may come to
 *
 * If there is too little, whoever is below the limit has as much for its weight
 * as every other such guest, or had more from the beginning.  Levels do not fall,
 * so if they come to more than @amount already, they stay.
 */
void sched_fill(struct sched_guest *guests, u32 nr, u64 amount)
{
	u64 water = 0, bit;
	u32 i;

	for (bit = 1ULL << 63; bit; bit >>= 1)
		if (sum_filled(guests, nr, water | bit) <= amount)
			water |= bit;
	for (i = 0; i < nr; i++)
		if (sched_is_free(&guests[i]))
			guests[i].level = filled(&guests[i], water);
}

static void fixed_parts(struct sched_guest *guests, u32 nr, u64 amount,
			u64 unused __always_unused, u64 ms __always_unused)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < nr; i++)
		if (sched_is_free(&guests[i]))
			sum += guests[i].most;
	for (i = 0; i < nr; i++) {
		struct sched_guest *g = &guests[i];

		if (!sched_is_free(g))
			continue;
		g->target = sum <= amount ? g->most :
					    sched_part(g->most, amount, sum);
		g->rule = SCHED_FIXED;
	}
}

static void proportional(struct sched_guest *guests, u32 nr, u64 amount,
			 u64 unused __always_unused, u64 ms __always_unused)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		guests[i].level = 0;
		guests[i].limit = guests[i].share;
	}
	sched_fill(guests, nr, amount);
	for (i = 0; i < nr; i++) {
		if (!sched_is_free(&guests[i]))
			continue;
		guests[i].target = guests[i].level;
		guests[i].rule = SCHED_SHARE;
	}
}

/*
 * What a guest is to get if there is enough, and why not what it asks for.  Its
 * floor is a claim, too, which nobody believes beyond its share.
 */
static u64 wanted(const struct sched_guest *g, enum sched_rule *rule)
{
	u64 floor = at_most(g->floor, g->share);

	*rule = sched_reports(g) ? SCHED_ASKED : SCHED_SILENT;
	if (g->want > g->most) {
		*rule = SCHED_MOST;
		return g->most;
	}
	if (g->want >= at_least(floor, g->least))
		return g->want;
	*rule = floor > g->least ? SCHED_FLOOR : SCHED_LEAST;
	return at_least(floor, g->least);
}

/* A page that it brought back proves a page, and is forgotten by and by */
static void prove(struct sched_guest *g, u64 want, u64 ms)
{
	u64 above = want > g->share ? want - g->share : 0;

	if (g->proof && ms)
		g->proof -= 1 + sched_part(g->proof - 1,
					   at_most(ms, SCHED_PROOF_MS),
					   SCHED_PROOF_MS);
	g->proof = g->stuck ? 0 : at_most(g->proof + g->back, above);
}

static enum sched_rule why(const struct sched_guest *g, u64 want, u64 proven,
			   enum sched_rule rule)
{
	if (g->level >= want)
		return rule;
	if (proven < at_most(want, g->share + g->proof))
		return SCHED_SCARCE;
	if (g->level > proven)
		return SCHED_KEPT;
	return g->proof ? SCHED_PROVEN : SCHED_SHARE;
}

/* What is proven, and what is not but had already */
static void pour(struct sched_guest *guests, u32 nr, u64 amount, u64 ms)
{
	struct sched_guest *g, *end = guests + nr;
	enum sched_rule rule;

	for (g = guests; g < end; g++) {
		prove(g, wanted(g, &rule), ms);
		g->level = 0;
		g->limit = at_most(g->share, at_least(g->floor, g->least));
	}
	/* Each of these is a limit that the next one is not below */
	sched_fill(guests, nr, amount);
	for (g = guests; g < end; g++)
		g->limit = at_most(wanted(g, &rule), g->share);
	sched_fill(guests, nr, amount);
	for (g = guests; g < end; g++)
		g->limit = at_most(wanted(g, &rule), g->share + g->proof);
	sched_fill(guests, nr, amount);
	for (g = guests; g < end; g++) {
		/* As far as that is proven; the target, for now */
		if (sched_is_free(g))
			g->target = g->level;
		g->limit = at_most(wanted(g, &rule), g->has);
	}
	sched_fill(guests, nr, amount);
}

static void demand(struct sched_guest *guests, u32 nr, u64 amount, u64 unused,
		   u64 ms)
{
	struct sched_guest *g, *end = guests + nr;
	enum sched_rule rule;
	u64 want;

	pour(guests, nr, amount, ms);
	for (g = guests; g < end; g++) {
		want = wanted(g, &rule);
		if (sched_is_free(g)) {
			g->rule = why(g, want, g->target, rule);
			g->target = g->level;
		}
		g->limit = want;
	}
	sched_fill(guests, nr, unused);
	for (g = guests; g < end; g++) {
		if (!sched_is_free(g) || g->level <= g->target)
			continue;
		g->rule = SCHED_SPARE;
		g->target = g->level;
	}
}

const struct sched_policy sched_policies[] = {
	{ "demand", demand },
	{ "proportional", proportional },
	{ "static", fixed_parts },
};

const u32 sched_nr_policies = ARRAY_SIZE(sched_policies);

/**
 * sched_policy() - find a policy
 * @name: its name
 *
 * Return: the policy, or NULL
 */
const struct sched_policy *sched_policy(const char *name)
{
	u32 i;

	for (i = 0; i < sched_nr_policies; i++)
		if (!strcmp(sched_policies[i].name, name))
			return &sched_policies[i];
	return NULL;
}
