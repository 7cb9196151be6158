// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: what an operation of the page store costs
 */
#include "bench.h"

#define ROW		64	/* operations between two looks at the clock */
#define FEW		32768	/* pages for memcached, which is slow */

static struct series series;

static void measure(const struct keeper *k, const char *what, bench_op op,
		    u32 nr, u32 group)
{
	series_add(&series, op, b.order, nr, group);
	series_say(&series, k->name, what, group);
}

static void get_and_compare(const struct keeper *k, const char *what, u32 nr,
			    u32 group)
{
	bench_scribble(b.order, nr);
	measure(k, what, k->get, nr, group);
	bench_compare(b.order, nr);
}

static void cost_of(const struct keeper *k, u32 nr)
{
	k->open();
	bench_age(k, nr);
	measure(k, "put", k->put, nr, 1);
	measure(k, "again", k->put, nr, 1);
	get_and_compare(k, "get", nr, 1);
	if (!k->exclusive) {
		measure(k, "flush", k->flush, nr, 1);
		measure(k, "miss", k->miss, nr, 1);
	}
	measure(k, "put_row", k->put, nr, ROW);
	get_and_compare(k, "get_row", nr, ROW);
	if (!k->exclusive) {
		measure(k, "flush_row", k->flush, nr, ROW);
		measure(k, "miss_row", k->miss, nr, ROW);
	}
	k->close();
}

static void cost_of_copy(void)
{
	keep_copy.open();
	measure(&keep_copy, "each", keep_copy.put, b.pages, 1);
	measure(&keep_copy, "row", keep_copy.put, b.pages, ROW);
	keep_copy.close();
}

/**
 * bench_cost() - single operations on pages that are in no cache
 *
 * Twice: each one timed, where nothing overlaps with the next operation, and
 * in a row, where it does.
 */
void bench_cost(void)
{
	series_init(&series, b.pages);
	cost_of_copy();
	cost_of(&keep_store, b.pages);
	cost_of(&keep_ephemeral, b.pages);
	cost_of(&keep_naive, b.pages);
	if (b.socket)
		cost_of(&keep_memcached, b.pages < FEW ? b.pages : FEW);
	series_free(&series);
}

static void cost_of_codec(void)
{
	const struct keeper *k = &keep_codec;

	k->open();
	measure(k, "put", k->put, b.pages, 1);
	get_and_compare(k, "get", b.pages, 1);
	measure(k, "put_row", k->put, b.pages, ROW);
	get_and_compare(k, "get_row", b.pages, ROW);
	k->close();
}

/* How much smaller pages get */
static void say_packed(void)
{
	struct tstore_stats stats;
	u32 i;

	keep_packed.open();
	for (i = 0; i < b.pages; i++)
		keep_packed.put(0, b.order[i]);
	tstore_stats(st.s, &stats);
	printf("= packed.share %.4f\n= packed.frames %.4f\n",
	       (double)stats.packed / b.pages,
	       (double)(stats.pages - stats.free) / b.pages);
	keep_packed.close();
}

/**
 * bench_packed() - single operations on pages that are packed
 *
 * Beside the codec alone, which puts what it makes of a page where there is
 * place for a whole one.
 */
void bench_packed(void)
{
	series_init(&series, b.pages);
	cost_of_copy();
	cost_of_codec();
	cost_of(&keep_packed, b.pages);
	say_packed();
	series_free(&series);
}

static void group_of(const char *what, bench_op op, const u32 *pages)
{
	series_add(&series, op, pages, b.pages, RUN);
	series_say(&series, "store", what, RUN);
}

static void run_of(const char *what, bench_op op)
{
	series_add(&series, op, b.firsts, b.pages / RUN, 1);
	series_say(&series, "store", what, RUN);
}

/**
 * bench_runs() - runs of pages, and the same pages one by one
 *
 * One by one in the order of the runs, which is easier on memory, and in no
 * order.  The clock is looked at as often for all of them.
 */
void bench_runs(void)
{
	const struct keeper *k = &keep_store;

	series_init(&series, b.pages);
	keep_copy.open();
	series_add(&series, keep_copy.put, b.runs, b.pages, RUN);
	series_say(&series, "memcpy", "run", RUN);
	keep_copy.close();

	k->open();
	bench_age(k, b.pages);
	group_of("put_any", k->put, b.order);
	group_of("get_any", k->get, b.order);
	bench_each(k->flush, b.order, b.pages);
	group_of("put_single", k->put, b.runs);
	group_of("get_single", k->get, b.runs);
	bench_each(k->flush, b.order, b.pages);
	run_of("put_run", k->put_run);
	bench_scribble(b.order, b.pages);
	run_of("get_run", k->get_run);
	bench_compare(b.order, b.pages);
	k->close();
	series_free(&series);
}
