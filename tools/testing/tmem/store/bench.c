// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: what the page store costs, against a bare memcpy
 *
 * All in one run on one core: the median of several passes over more memory
 * than the caches hold, in nanoseconds a page, and the ratio to copying cold
 * pages from one place to another.
 *
 * Usage: bench [--pages N] [--passes N]
 */
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "tstore.h"

#define MAX_PASSES	31
#define PER_OBJECT	64

static unsigned long pages = 65536;
static unsigned int passes = 7;
static unsigned char *arena, *guest;
static struct tstore *s;
static struct tstore_client *c;
static u32 *order;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void request(u8 op, u32 pool, unsigned long page, u32 nr, int expect)
{
	struct tmem_req req = {
		.op = op,
		.pool = pool,
		.object = { page / PER_OBJECT },
		.index = page % PER_OBJECT,
		.nr_pages = nr,
	};

	tstore_execute(c, &req, guest + page * PAGE_SIZE);
	if (req.status != expect) {
		fprintf(stderr, "op %u: status %d\n", op, req.status);
		exit(1);
	}
}

static void control(u8 op, u32 pool, u64 index, void *data)
{
	struct tmem_req req = { .op = op, .pool = pool, .index = index };

	tstore_execute(c, &req, data);
	if (req.status) {
		fprintf(stderr, "op %u: status %d\n", op, req.status);
		exit(1);
	}
}

static void *cold(size_t bytes)
{
	void *p;

	if (posix_memalign(&p, PAGE_SIZE, bytes))
		exit(1);
	memset(p, 1, bytes);
	return p;
}

enum { MEMCPY, PUT, REPUT, GET, GET_X, MISS, FLUSH, PUT64, GET64, FLUSH64, NR };

static const char * const names[NR] = {
	"memcpy", "put", "put again", "get", "get, exclusive", "miss", "flush",
	"put, run of 64", "get, run of 64", "flush, run of 64",
};

static double took[NR][MAX_PASSES];

static void pass(unsigned int n)
{
	unsigned long i;
	double t;

#define MEASURE(what, op) \
	do { \
		t = now(); \
		for (i = 0; i < pages; i++) \
			op; \
		took[what][n] = (now() - t) / pages; \
	} while (0)
#define MEASURE_RUNS(what, op) \
	do { \
		t = now(); \
		for (i = 0; i < pages; i += PER_OBJECT) \
			op; \
		took[what][n] = (now() - t) / pages; \
	} while (0)

	MEASURE(MEMCPY, memcpy(arena + (size_t)order[i] * PAGE_SIZE,
			       guest + (size_t)order[i] * PAGE_SIZE, PAGE_SIZE));
	control(TMEM_OP_POOL_CREATE, 0, 0, NULL);
	control(TMEM_OP_POOL_CREATE, 1, TMEM_POOL_PERSISTENT, NULL);
	MEASURE(PUT, request(TMEM_OP_PUT, 1, order[i], 1, 0));
	MEASURE(REPUT, request(TMEM_OP_PUT, 1, order[i], 1, 0));
	MEASURE(GET, request(TMEM_OP_GET, 1, order[i], 1, 0));
	MEASURE(FLUSH, request(TMEM_OP_FLUSH, 1, order[i], 1, 0));
	MEASURE(MISS, request(TMEM_OP_GET, 1, order[i], 1, -ENOENT));
	MEASURE_RUNS(PUT64, request(TMEM_OP_PUT, 0, i, PER_OBJECT, 0));
	MEASURE(GET_X, request(TMEM_OP_GET, 0, order[i], 1, 0));
	MEASURE_RUNS(PUT64, request(TMEM_OP_PUT, 1, i, PER_OBJECT, 0));
	MEASURE_RUNS(GET64, request(TMEM_OP_GET, 1, i, PER_OBJECT, 0));
	MEASURE_RUNS(FLUSH64, request(TMEM_OP_FLUSH, 1, i, PER_OBJECT, 0));
	control(TMEM_OP_POOL_DESTROY, 0, 0, NULL);
	control(TMEM_OP_POOL_DESTROY, 1, 0, NULL);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void bench_open(void)
{
	struct tmem_attach *at = (void *)guest;
	struct tstore_config cfg = { .max_clients = 1, .max_pools = 2 };
	unsigned long i, j;
	u32 tmp;
	u64 rng = 1;

	/* each page once in random order, so that nothing is prefetched */
	order = malloc(pages * sizeof(*order));
	for (i = 0; i < pages; i++)
		order[i] = i;
	for (i = pages - 1; i; i--) {
		rng = rng * 6364136223846793005ull + 1442695040888963407ull;
		j = (rng >> 33) % (i + 1);
		tmp = order[i];
		order[i] = order[j];
		order[j] = tmp;
	}
	cfg.bytes = pages * (PAGE_SIZE + 64) + (pages / 32 + 64) * PAGE_SIZE;
	cfg.arena = cold(cfg.bytes);
	if (tstore_create(&cfg, &s) ||
	    tstore_client_create(s, pages * 2, &c))
		exit(1);
	at->version = TMEM_ABI_VERSION;
	at->page_shift = PAGE_SHIFT;
	at->features = TMEM_FEATURE_PERSISTENT;
	memset(at->reserved, 0, sizeof(at->reserved));
	control(TMEM_OP_ATTACH, 0, 0, guest);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pages", required_argument, NULL, 'p' },
		{ "passes", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned int i;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'p')
			pages = strtoul(optarg, NULL, 0) & ~(PER_OBJECT - 1ul);
		else if (opt == 'n')
			passes = strtoul(optarg, NULL, 0);
		else
			return 2;
	}
	if (!pages || !passes || passes > MAX_PASSES)
		return 2;
	arena = cold(pages * PAGE_SIZE);
	guest = cold(pages * PAGE_SIZE);
	bench_open();
	for (i = 0; i < passes; i++)
		pass(i);
	printf("%lu pages, median of %u passes\n", pages, passes);
	for (i = 0; i < NR; i++)
		qsort(took[i], passes, sizeof(double), compare);
	for (i = 0; i < NR; i++)
		printf("%-18s %8.1f ns a page  %6.2f of memcpy\n", names[i],
		       took[i][passes / 2],
		       took[i][passes / 2] / took[MEMCPY][passes / 2]);
	return 0;
}
