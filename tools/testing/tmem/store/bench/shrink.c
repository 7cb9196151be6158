// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: how fast the page store gives memory to its host
 *
 * The store is full: an eighth of its pages must stay, the others need not.
 * Taking is measured alone, in large pieces, by the time of the processor, and in
 * the smallest ones; and beside a thread that gets pages, which says how long it
 * had to wait.
 */
#include "bench.h"

#define BULK		4096	/* frames that a host asks for at a time */
#define SLICE		16	/* the store works in slices of that */
#define ROUNDS		64	/* times that each page is got at most */

enum { KEPT, LOSABLE };		/* clients */

static struct tstore_stats stats;
static u32 *frames;
static u32 taken;
static u32 nr_kept;

static struct {
	pthread_t thread;
	struct series series;
	bool started;
	bool stop;
} getter;

/* Full to the last frame */
static void fill(void)
{
	static const struct tstore_config plain;
	u32 i;

	store_create(&plain);
	store_join(TMEM_POOL_PERSISTENT);
	store_join(0);
	bench_age(&keep_store, b.pages);
	for (i = 0; i < b.pages; i++)
		keep_store.put(i < nr_kept ? KEPT : LOSABLE, b.order[i]);
	tstore_stats(st.s, &stats);
	frames = malloc(stats.pages * sizeof(*frames));
	if (!frames)
		bench_die("no memory");
	taken = tstore_take(st.s, frames, stats.free);
	if (taken != stats.free)
		bench_die("%u free frames", taken);
}

static void take(u32 nr)
{
	if (tstore_take(st.s, frames + taken, nr) != nr)
		bench_die("no more than %u frames", taken);
	taken += nr;
}

static double gib_a_second(u32 pages, double ns)
{
	return pages * (double)PAGE_SIZE / ns * 1e9 / (1 << 30);
}

/* Takes @nr frames in pieces; returns GiB a second */
static double take_all(u32 nr, double (*clock)(void))
{
	double start = clock();
	u32 left, few;

	for (left = nr; left; left -= few) {
		few = left < BULK ? left : BULK;
		take(few);
	}
	return gib_a_second(nr, clock() - start);
}

static void take_slice(unsigned int who __always_unused,
		       u32 page __always_unused)
{
	take(SLICE);
}

/*
 * A call for one slice makes room for it and takes it, so none of what it does
 * without a pause is longer than the call.
 */
static void slices(u32 nr)
{
	struct series s;

	series_init(&s, nr);
	series_add(&s, take_slice, b.order, nr, 1);
	series_say(&s, "slice", "take", 1);
	series_free(&s);
}

static void *get_all(void *arg __always_unused)
{
	struct series *s = &getter.series;
	u32 i;

	while (s->nr < s->max)
		for (i = 0; i < nr_kept; i++) {
			if (__atomic_load_n(&getter.stop, __ATOMIC_RELAXED))
				return NULL;
			series_add(s, keep_store.get, &b.order[i], 1, 1);
			__atomic_store_n(&getter.started, true,
					 __ATOMIC_RELAXED);
		}
	return NULL;
}

static void getter_start(void)
{
	series_init(&getter.series, nr_kept * ROUNDS);
	getter.started = false;
	getter.stop = false;
	if (pthread_create(&getter.thread, NULL, get_all, NULL))
		bench_die("no thread");
	while (!__atomic_load_n(&getter.started, __ATOMIC_RELAXED))
		;
}

static void getter_end(const char *what)
{
	__atomic_store_n(&getter.stop, true, __ATOMIC_RELAXED);
	pthread_join(getter.thread, NULL);
	series_say(&getter.series, "get", what, 1);
	series_free(&getter.series);
}

/* Beside the getter: nothing, copies elsewhere, and frames being taken */
static double beside(u32 nr)
{
	double rate, end;
	u32 i;

	getter_start();
	end = bench_now() + nr * 1000.0;
	while (bench_now() < end)
		;
	getter_end("alone");

	keep_copy.open();
	getter_start();
	for (i = 0; i < nr; i++)
		keep_copy.put(0, b.order[nr_kept + i]);
	getter_end("copied");
	keep_copy.close();

	getter_start();
	rate = take_all(nr, bench_now);
	getter_end("taken");
	return rate;
}

/* Returns GiB a second */
static double give_all(void)
{
	double start = bench_spent();

	if (tstore_give(st.s, frames, taken))
		bench_die("frames are not out");
	return gib_a_second(taken, bench_spent() - start);
}

/**
 * bench_shrink() - take the frames of pages that need not stay, and give them
 * back
 */
void bench_shrink(void)
{
	u32 i, part = b.pages / 8;
	double rate;

	nr_kept = part;
	fill();
	rate = take_all(2 * part, bench_spent);
	printf("= take.rate %.2f\n", rate);
	slices(part / SLICE);
	bench_scribble(b.order, nr_kept);
	rate = beside(3 * part);
	printf("= take.rate_beside %.2f\n", rate);
	printf("= give.rate %.2f\n", give_all());
	for (i = 0; i < nr_kept; i++)
		keep_store.get(KEPT, b.order[i]);
	bench_compare(b.order, nr_kept);
	for (i = nr_kept; i < b.pages; i++)
		keep_store.put(LOSABLE, b.order[i]);
	free(frames);
	store_close();
}
