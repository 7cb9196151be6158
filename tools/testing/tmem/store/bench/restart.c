// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: how long the page store takes to find itself again
 */
#include "bench.h"

#define TAG		1	/* of the client */
#define OPENINGS	3
#define SAMPLES		65536
#define FEW		0x100000U

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What was left is there, and it is what was put */
static void verify(void)
{
	u32 i, nr = b.pages < SAMPLES ? b.pages : SAMPLES;
	struct tstore_stats stats;

	tstore_stats(st.s, &stats);
	if (stats.recovered != b.pages || stats.damaged)
		bench_die("%llu pages recovered, %llu damaged",
			  (unsigned long long)stats.recovered,
			  (unsigned long long)stats.damaged);
	st.clients[0] = tstore_client_find(st.s, TAG);
	if (!st.clients[0])
		bench_die("the client is lost");
	bench_scribble(b.order, nr);
	for (i = 0; i < nr; i++)
		keep_store.get(0, b.order[i]);
	bench_compare(b.order, nr);
}

/*
 * The store that there was before is left as if its process had died, and so is
 * its memory but for the arena, of which nothing is in a cache.
 */
static void restart_of(const char *kind, u64 flags)
{
	static const struct tstore_config lasting = { .lasting = true };
	double took[OPENINGS];
	u32 i;

	store_create(&lasting);
	store_join(flags);
	tstore_client_set_tag(st.clients[0], TAG);
	bench_each(keep_store.put, b.order, b.pages);
	for (i = 0; i < OPENINGS; i++) {
		bench_cold();
		took[i] = bench_spent();
		if (tstore_open(&st.cfg, &st.s))
			bench_die("the store cannot be opened");
		took[i] = bench_spent() - took[i];
	}
	qsort(took, OPENINGS, sizeof(*took), compare);
	printf("= %s.rate %.2f\n= %s.ms %.2f\n", kind,
	       b.pages / took[OPENINGS / 2] * 1e3, kind,
	       took[OPENINGS / 2] / 1e6);
	verify();
	store_close();
}

/**
 * bench_restart() - open the arena of a store that holds all pages
 *
 * Rates are in millions of pages a second, of the processor's time: nothing waits
 * but for memory.  Slots are read in their order and refer to each other in none.
 */
void bench_restart(void)
{
	restart_of("persistent", TMEM_POOL_PERSISTENT);
	if (b.pages <= FEW)
		restart_of("ephemeral", 0);
}
