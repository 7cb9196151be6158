// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: from what is everybody's due to what is asked for now
 *
 * A policy says where guests are to be in the end.  They get there without more
 * than there is being handed out at any time, without haste on the way down, and
 * without going to and fro for little.
 */
#include "tmem_sched.h"

/* If nobody decided for longer, it is as if it had been so long */
#define LONGEST_MS	2000U

/* How much to spare there is to be above a floor: a part of all it can have */
#define RESERVE		8U

const char * const sched_rule_names[SCHED_RULES] = {
	[SCHED_FIXED] = "fixed",
	[SCHED_ASKED] = "asked",
	[SCHED_SILENT] = "silent",
	[SCHED_FLOOR] = "floor",
	[SCHED_LEAST] = "least",
	[SCHED_MOST] = "most",
	[SCHED_SHARE] = "share",
	[SCHED_PROVEN] = "proven",
	[SCHED_KEPT] = "kept",
	[SCHED_SPARE] = "spare",
	[SCHED_SCARCE] = "scarce",
	[SCHED_SCALED] = "scaled",
};

const char * const sched_rule_texts[SCHED_RULES] = {
	[SCHED_FIXED] = "it is set so, or there is no balloon that could be moved",
	[SCHED_ASKED] = "the guest asks for so much",
	[SCHED_SILENT] = "the guest does not report, and keeps what it has",
	[SCHED_FLOOR] = "the guest asks for less than it cannot do without",
	[SCHED_LEAST] = "the guest asks for less than it is sure of",
	[SCHED_MOST] = "the guest asks for more than it may have",
	[SCHED_SHARE] = "the guest wants more than its share, and has not proven to need it",
	[SCHED_PROVEN] = "so much above its share has the guest brought back",
	[SCHED_KEPT] = "the guest has it, and nobody else has proven to need it",
	[SCHED_SPARE] = "the guest has not proven to need it, but nobody uses it",
	[SCHED_SCARCE] = "guests have proven to need more than there is",
	[SCHED_SCALED] = "there is less than guests are to be sure of",
};

const char * const sched_move_names[SCHED_MOVES] = {
	[SCHED_STEADY_NOW] = "steady",
	[SCHED_UP] = "up",
	[SCHED_WAITS] = "waits",
	[SCHED_DOWN_NOW] = "down",
};

static u64 apart(u64 a, u64 b)
{
	return a > b ? a - b : b - a;
}

/* ---- what is known ---- */

static void bound(struct sched_guest *g)
{
	g->total = at_most(g->total, SCHED_MAX);
	g->has = at_most(g->has, SCHED_MAX);
	g->most = at_most(g->most, g->total);
	g->least = at_most(g->least, g->most);
	g->goal = at_most(g->goal, g->total);
	g->fixed = at_most(g->fixed, g->total);
}

/*
 * The host counts memory that a kernel does not: itself, and what describes
 * memory.  How much that is can be seen when nothing moves.
 */
static void compare(struct sched_guest *g, u64 ms)
{
	bool fresh = g->report_ms <= ms || !g->had;

	if (sched_reports(g) && fresh &&
	    (!g->had || apart(g->had, g->has) <= g->has / 256))
		g->beyond = minus(g->has, g->report.total);
	g->had = g->has;
}

/* What it asks for, less what it is not certain that it can do without */
static void hear(struct sched_guest *g)
{
	const struct tmem_report *r = &g->report;

	g->want = g->has;
	g->floor = 0;
	if (!sched_reports(g))
		return;
	g->want = r->target + g->beyond;
	if (g->want < g->has)
		g->want = g->has - (g->has - g->want) * r->confidence / 100;
	g->floor = at_least(r->floor + g->total / RESERVE,
			    minus(r->estimate, g->takes)) + g->beyond;
}

/* A balloon that is asked for more, and of which nothing comes */
static void watch(struct sched_guest *g, u64 now_ms)
{
	if (!sched_is_free(g) || g->has <= g->goal + g->goal / SCHED_STEADY) {
		g->stuck = false;
		g->lowest = g->has;
		g->moved_ms = now_ms;
	} else if (g->has + g->has / 128 < g->lowest) {
		g->lowest = g->has;
		g->moved_ms = now_ms;
	} else if (now_ms - g->moved_ms >= SCHED_STUCK_MS) {
		g->stuck = true;
	}
}

/* ---- what is everybody's due ---- */

/* Of whom it is not decided here; returns what that comes to */
static u64 set_aside(struct sched_guest *guests, u32 nr)
{
	struct sched_guest *g;
	u64 sum = 0;

	for (g = guests; g < guests + nr; g++) {
		if (sched_is_free(g))
			continue;
		g->target = g->movable ? g->fixed : g->has;
		g->share = g->target;
		g->rule = SCHED_FIXED;
		g->move = SCHED_STEADY_NOW;
		g->goal = g->target;
		sum += at_least(g->target, g->has);
	}
	return sum;
}

/* What each gets if all ask for all; false if not even @least is there for all */
static bool set_shares(struct sched_guest *guests, u32 nr, u64 amount)
{
	struct sched_guest *g;
	u64 sum = 0;

	for (g = guests; g < guests + nr; g++)
		if (sched_is_free(g))
			sum += g->least;
	for (g = guests; g < guests + nr; g++) {
		if (sum > amount)
			g->least = sched_part(g->least, amount, sum);
		g->level = g->least;
		g->limit = g->most;
	}
	sched_fill(guests, nr, amount);
	for (g = guests; g < guests + nr; g++)
		if (sched_is_free(g))
			g->share = g->level;
	return sum <= amount;
}

/* ---- how they get there ---- */

static u64 committed(const struct sched_guest *guests, u32 nr)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < nr; i++)
		sum += at_least(guests[i].has, guests[i].goal);
	return sum;
}

/* What is free, and what the pool can give up, is less than guests are to get */
static bool is_awaited(const struct sched_guest *guests, u32 nr, u64 rest)
{
	const struct sched_guest *g;
	u64 sum = 0;

	for (g = guests; g < guests + nr; g++)
		if (sched_is_free(g))
			sum += minus(g->target, at_least(g->has, g->goal));
	return sum > rest;
}

/* Small differences are left alone, unless there is too little already */
static void step_down(struct sched_guest *g, u64 percent_ms, bool tight)
{
	u64 step = g->goal * percent_ms / 100000;

	g->move = SCHED_STEADY_NOW;
	if (g->target >= g->goal ||
	    (!tight && g->goal - g->target <= g->goal / SCHED_STEADY))
		return;
	g->move = SCHED_DOWN_NOW;
	g->goal = at_least(g->target, minus(g->goal, step));
}

/* Those who are to have more share what is free now */
static void step_up(struct sched_guest *guests, u32 nr, u64 amount)
{
	struct sched_guest *g;

	for (g = guests; g < guests + nr; g++) {
		if (!sched_is_free(g))
			continue;
		g->level = at_least(g->has, g->goal);
		g->limit = g->level;
		if (g->target <= g->goal + g->goal / SCHED_STEADY)
			continue;
		g->limit = at_least(g->level, g->target);
		g->move = SCHED_UP;
	}
	sched_fill(guests, nr, amount);
	for (g = guests; g < guests + nr; g++) {
		if (!sched_is_free(g) || g->move != SCHED_UP)
			continue;
		g->goal = at_least(g->goal, at_most(g->level, g->target));
		if (g->goal < g->target)
			g->move = SCHED_WAITS;
	}
}

/*
 * Whoever has more than its share, in the store, too, while another one cannot
 * have its own, stores no more that must stay; and neither does one that does
 * not give up what it owes.
 */
static void set_refusals(struct sched_host *host, struct sched_guest *guests,
			 u32 nr)
{
	struct sched_guest *g;

	host->is_short = false;
	for (g = guests; g < guests + nr; g++) {
		u64 due = at_most(at_least(g->want, g->least), g->share);

		if (sched_is_free(g) && g->goal + g->goal / SCHED_STEADY < due)
			host->is_short = true;
	}
	for (g = guests; g < guests + nr; g++)
		g->refuse = g->stuck ||
			    (host->is_short && g->has + g->persistent >
					       g->share + g->share / SCHED_STEADY);
}

/* What is not, and is not to become, a guest's */
static void size_pool(struct sched_host *host, const struct sched_guest *guests,
		      u32 nr)
{
	u64 least = at_least(host->pool_least, host->pool_must), sum = 0;
	const struct sched_guest *g;

	host->waits = false;
	for (g = guests; g < guests + nr; g++) {
		bool waits = g->move == SCHED_WAITS;

		host->waits |= waits;
		sum += at_least(g->has, waits ? g->target : g->goal);
	}
	host->pool = at_most(at_least(minus(host->memory, sum), least),
			     host->pool_most);
}

/**
 * sched_decide() - decide who is to have how much
 * @policy: by which rules
 * @host: the host
 * @guests: its guests
 * @nr: their number
 *
 * What guests and pool have may come to more than there is before, but if not,
 * it does not if all do as is decided: guests first go down, then the pool, and
 * only then, by another decision, guests go up.
 */
void sched_decide(const struct sched_policy *policy, struct sched_host *host,
		  struct sched_guest *guests, u32 nr)
{
	u64 ms = host->last_ms ? host->now_ms - host->last_ms : 0;
	u64 least = at_least(host->pool_least, host->pool_must), pool, aside, all;
	u64 percent_ms, rest;
	struct sched_guest *g;
	bool enough;

	ms = at_most(ms, LONGEST_MS);
	for (g = guests; g < guests + nr; g++) {
		bound(g);
		watch(g, host->now_ms);
		compare(g, ms);
		hear(g);
	}
	aside = set_aside(guests, nr);
	host->over = least + aside > host->memory;
	enough = set_shares(guests, nr,
			    minus(host->memory, host->pool_least + aside));
	host->scaled = !enough;
	rest = minus(host->memory, least + aside);
	policy->divide(guests, nr, rest,
		       minus(rest, minus(minus(host->pool_has, host->pool_free),
					 least)), ms);

	all = committed(guests, nr);
	rest = minus(host->memory, least);
	percent_ms = ms * (is_awaited(guests, nr, minus(rest, all)) ?
			   SCHED_DOWN_FAST : SCHED_DOWN);
	for (g = guests; g < guests + nr; g++) {
		if (!sched_is_free(g))
			continue;
		if (!enough && g->target <= g->least)
			g->rule = SCHED_SCALED;
		step_down(g, percent_ms, all > rest);
	}
	all = committed(guests, nr);
	/* Of what is free, nothing is for those set aside, who have theirs */
	pool = at_least(host->pool_has, least);
	step_up(guests, nr, all - aside + minus(host->memory, pool + all));
	set_refusals(host, guests, nr);
	size_pool(host, guests, nr);
	host->last_ms = host->now_ms;
}

/**
 * sched_grant() - the answer to a guest's report
 * @g: the guest
 *
 * Return: pages that it may have, as it counts them; at least 1
 */
u64 sched_grant(const struct sched_guest *g)
{
	return at_least(minus(g->goal, g->beyond), 1);
}
