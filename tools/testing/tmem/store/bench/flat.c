// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: what an operation costs in stores of any size
 *
 * Pages are of 64 bytes here, so nearly all of it is the store's own work.  In
 * a small store this is done in the caches, in a large one it is not, which
 * tells about the machine and not about the store.  Therefore everything is
 * measured twice: as it comes, and after all memory of the store and of the
 * guest was put out of the caches, so that at any size an operation begins
 * with none of it.
 */
#include "bench.h"

#define SAMPLES		4096
#define NR		5

static struct series series[NR];
static const char * const names[NR] = {
	"memcpy", "flush", "miss", "put", "get"
};

/*
 * The caches are emptied once for several pages, few enough that they seldom
 * share a line of the store.
 */
static void measure(unsigned int what, bench_op op, const u32 *pages, u32 nr,
		    bool cold)
{
	u32 batch = b.pages / 64;
	u32 i, few;

	if (batch > nr || !cold)
		batch = nr;
	for (i = 0; i < nr; i += few) {
		few = nr - i < batch ? nr - i : batch;
		if (cold)
			bench_cold();
		series_add(&series[what], op, pages + i, few, 1);
	}
}

/* A store of which a sixteenth at most is free at a time */
static void flat(bool cold)
{
	const struct keeper *k = &keep_store;
	u32 nr = b.pages / 16 < SAMPLES ? b.pages / 16 : SAMPLES;
	const u32 *pages;
	u32 at, i;

	for (at = 0; at < SAMPLES; at += nr) {
		pages = b.order + at % b.pages;
		measure(0, keep_copy.put, pages, nr, cold);
		measure(1, k->flush, pages, nr, cold);
		measure(2, k->miss, pages, nr, cold);
		measure(3, k->put, pages, nr, cold);
		bench_scribble(pages, nr);
		measure(4, k->get, pages, nr, cold);
		bench_compare(pages, nr);
	}
	for (i = 0; i < NR; i++)
		series_say(&series[i], cold ? "cold" : "warm", names[i], 1);
}

/**
 * bench_flat() - a store of as many pages as were asked for
 */
void bench_flat(void)
{
	u32 i;

	for (i = 0; i < NR; i++)
		series_init(&series[i], SAMPLES);
	keep_copy.open();
	keep_store.open();
	bench_age(&keep_store, b.pages);
	bench_each(keep_store.put, b.order, b.pages);
	flat(false);
	flat(true);
	keep_store.close();
	keep_copy.close();
	for (i = 0; i < NR; i++)
		series_free(&series[i]);
}
