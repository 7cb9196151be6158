// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: fuzzer of who has how much of a host's memory
 *
 * The input is what is known of guests, whatever it is, for some decisions in a
 * row.  What is handed out is never more than there is, unless it was before.
 */
#include "tmem_sched.h"

#define GUESTS	5
#define ROUNDS	6

int LLVMFuzzerTestOneInput(const u8 *in, size_t len);

static const u8 *input;
static size_t left;

static u64 number(void)
{
	u64 value = 0;
	size_t bytes;

	if (!left)
		return 0;
	bytes = *input++ % 9;
	left--;
	if (bytes > left)
		bytes = left;
	memcpy(&value, input, bytes);
	input += bytes;
	left -= bytes;
	return value;
}

static u64 pages(void)
{
	return number() % (SCHED_MAX + 1);
}

/* What a report is when it is past the door of the store */
static void look(struct sched_guest *g)
{
	g->weight = number() % 1000001;
	g->total = number();
	g->least = number();
	g->most = number();
	g->has = pages();
	g->fixed = number() % 4 ? 0 : pages();
	g->movable = number() % 4;
	g->report.total = pages();
	g->report.floor = g->report.total ? pages() % g->report.total : 0;
	g->report.estimate = pages();
	g->report.target = pages();
	g->report.confidence = number() % 101;
	g->report_ms = number();
	g->back = pages();
	g->persistent = pages();
	g->takes = pages();
}

static u64 handed_out(const struct sched_guest *guests)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < GUESTS; i++)
		sum += guests[i].has > guests[i].goal ? guests[i].has :
							guests[i].goal;
	return sum;
}

static void require(bool holds)
{
	if (!holds)
		__builtin_trap();
}

static void decide(struct sched_host *host, struct sched_guest *guests)
{
	u64 pool, goals[GUESTS];
	bool fixed = false;
	u32 i;

	host->pool_has = pages();
	host->pool_free = pages();
	host->pool_least = pages();
	host->pool_must = pages();
	host->pool_most = pages();
	host->now_ms += number() % 100000;
	for (i = 0; i < GUESTS; i++) {
		look(&guests[i]);
		goals[i] = guests[i].goal;
		fixed |= guests[i].fixed || !guests[i].movable;
	}
	pool = host->pool_has;
	if (pool < host->pool_least)
		pool = host->pool_least;
	if (pool < host->pool_must)
		pool = host->pool_must;
	sched_decide(&sched_policies[number() % sched_nr_policies], host,
		     guests, GUESTS);
	for (i = 0; i < GUESTS; i++) {
		struct sched_guest *g = &guests[i];

		require(!sched_is_free(g) || g->goal <= g->total);
		require(g->rule < SCHED_RULES && g->move < SCHED_MOVES);
		require(sched_grant(g));
		/* Nobody gets more unless all that is handed out is there */
		if (!fixed && g->goal > goals[i] && g->goal > g->has)
			require(handed_out(guests) + pool <= host->memory);
	}
	require(host->pool <= host->pool_most);
}

int LLVMFuzzerTestOneInput(const u8 *in, size_t len)
{
	struct sched_guest guests[GUESTS] = { 0 };
	struct sched_host host = { 0 };
	u32 i;

	input = in;
	left = len;
	host.memory = pages();
	for (i = 0; i < ROUNDS && left; i++)
		decide(&host, guests);
	return 0;
}
