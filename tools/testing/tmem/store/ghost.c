// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: how well a ghost cache tells what a client would gain
 *
 * A guest with some memory of its own, which it uses in LRU order, asks the
 * store for each page that it lacks and gives it each page that it evicts.
 * What a store of so many frames answers is known in two other ways: by being
 * one, for each of some sizes, and by Mattson's stack of all references,
 * exact, as guest and store together are an LRU cache of both sizes.
 *
 * Traces are made up, and in DIR those that record-traces made of real programs.
 *
 * Usage: ghost [-v] [DIR]; with -v all points of the curves, for a plot.
 */
#include <malloc.h>
#include <math.h>
#include <stdio.h>

#include "ghost.h"
#include "lib.h"

#define NR_SIZES	32
#define WORST_MEAN	0.02
#define MOST_BYTES	(1024 * 1024)	/* of a ghost cache */

static unsigned int nr_pages;	/* of the trace that is being made */
static u64 seed;
static double *zipf_sum;

static unsigned int below(unsigned int n)
{
	return (lib_rand(&seed) >> 11) % n;
}

/* ---- traces: page @i of a trace ---- */

static unsigned int uniform(unsigned int i __always_unused)
{
	return below(nr_pages);
}

static void zipf_init(double exponent)
{
	unsigned int i;

	zipf_sum = realloc(zipf_sum, (nr_pages + 1) * sizeof(*zipf_sum));
	zipf_sum[0] = 0;
	for (i = 0; i < nr_pages; i++)
		zipf_sum[i + 1] = zipf_sum[i] + pow(i + 1, -exponent);
}

static unsigned int zipf_draw(void)
{
	double x = ldexp(lib_rand(&seed) >> 11, -53) * zipf_sum[nr_pages];
	unsigned int low = 0, high = nr_pages - 1, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (zipf_sum[mid + 1] > x)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static unsigned int zipf(unsigned int i)
{
	if (!i)
		zipf_init(0.9);
	return zipf_draw();
}

static unsigned int skewed(unsigned int i)
{
	if (!i)
		zipf_init(1.2);
	return zipf_draw();
}

static unsigned int loop(unsigned int i)
{
	return i % nr_pages;
}

/* A small loop eight times, then a large one once */
static unsigned int loops(unsigned int i)
{
	unsigned int small = nr_pages / 8, at = i % (2 * nr_pages);

	return at < nr_pages ? at % small : small + at % (nr_pages - small);
}

/* A popular set, and a scan now and then through what is used once */
static unsigned int scans(unsigned int i)
{
	if (!i)
		zipf_init(0.8);
	if (i / 50000 % 4 == 3)
		return nr_pages + i;
	return zipf_draw();
}

/* Working sets that take turns, each a bit different in size */
static unsigned int phases(unsigned int i)
{
	unsigned int phase = i / 200000 % 5, size = nr_pages / 10;

	return phase * 2 * size + below(size * (phase + 1) / 3);
}

/* A merge sort from the bottom, a record a page, as a program would do it */
static unsigned int merge_sort(unsigned int i)
{
	static unsigned int width, at, left, right;
	unsigned int half = nr_pages / 2, mid, end;

	if (!i || (left == at + width && right == at + 2 * width)) {
		at += 2 * width;
		if (at + 2 * width > half) {
			at = 0;
			width *= 2;
		}
		if (!i || 2 * width > half) {
			at = 0;
			width = 64;
		}
		left = at;
		right = at + width;
	}
	mid = at + width;
	end = mid + width;
	if (i & 1)	/* the page that is written */
		return half + left + right - at - width - 1;
	if (left < mid && (right == end || lib_rand(&seed) & 1 << 20))
		return left++;
	return right++;
}

/* ---- the guest: an LRU list of its pages ---- */

struct list {
	unsigned int *next, *prev;	/* page 0 is the head, others are 1 + page */
	unsigned int nr;
};

static void list_open(struct list *l, unsigned int universe)
{
	l->next = calloc(universe + 1, sizeof(*l->next));
	l->prev = calloc(universe + 1, sizeof(*l->prev));
	l->next[0] = 0;
	l->prev[0] = 0;
	l->nr = 0;
}

static void list_close(struct list *l)
{
	free(l->next);
	free(l->prev);
}

static bool list_has(struct list *l, unsigned int page)
{
	return l->next[page + 1] || l->prev[page + 1] ||
	       l->next[0] == page + 1;
}

static void list_add(struct list *l, unsigned int page)
{
	unsigned int old = l->next[0];

	l->next[0] = page + 1;
	l->prev[old] = page + 1;
	l->next[page + 1] = old;
	l->prev[page + 1] = 0;
	l->nr++;
}

static void list_del(struct list *l, unsigned int page)
{
	unsigned int next = l->next[page + 1], prev = l->prev[page + 1];

	l->next[prev] = next;
	l->prev[next] = prev;
	l->next[page + 1] = 0;
	l->prev[page + 1] = 0;
	l->nr--;
}

static unsigned int list_last(struct list *l)
{
	return l->prev[0] - 1;
}

/* ---- what goes to the store ---- */

#define PUT	0x80000000U

struct stream {
	unsigned int *ops;	/* a page to get, or PUT | a page to put */
	unsigned int nr;
	unsigned int universe;
};

static void stream_make(struct stream *s, const unsigned int *refs,
			unsigned int nr, unsigned int memory)
{
	struct list guest;
	unsigned int i, page;

	s->ops = malloc(2 * nr * sizeof(*s->ops));
	s->nr = 0;
	list_open(&guest, s->universe);
	for (i = 0; i < nr; i++) {
		if (list_has(&guest, refs[i])) {
			list_del(&guest, refs[i]);
		} else {
			s->ops[s->nr++] = refs[i];
			if (guest.nr == memory) {
				page = list_last(&guest);
				list_del(&guest, page);
				s->ops[s->nr++] = PUT | page;
			}
		}
		list_add(&guest, refs[i]);
	}
	list_close(&guest);
}

/* The share of gets that a store of so many frames misses */
static double simulate(const struct stream *s, unsigned int frames)
{
	unsigned int i, page, gets = 0, hits = 0;
	struct list store;

	list_open(&store, s->universe);
	for (i = 0; i < s->nr; i++) {
		page = s->ops[i] & ~PUT;
		if (!(s->ops[i] & PUT)) {
			gets++;
			if (list_has(&store, page)) {
				hits++;
				list_del(&store, page);
			}
		} else if (frames) {
			if (store.nr == frames)
				list_del(&store, list_last(&store));
			list_add(&store, page);
		}
	}
	list_close(&store);
	return 1 - (double)hits / gets;
}

/* ---- Mattson's stack of all references ---- */

/* What an LRU cache of each of @sizes misses of what one of @memory misses */
static void mattson(const unsigned int *refs, unsigned int nr,
		    unsigned int universe, unsigned int memory,
		    const unsigned int *sizes, double *miss)
{
	unsigned int *tree = calloc(nr + 1, sizeof(*tree));
	unsigned int *last = calloc(universe, sizeof(*last));
	unsigned int hits[NR_SIZES] = { 0 }, gets = 0;
	unsigned int i, at, above, k;

	for (i = 1; i <= nr; i++) {
		at = last[refs[i - 1]];
		above = ~0U;	/* no cache has what was not used yet */
		if (at) {
			above = 0;
			for (k = i - 1; k; k -= k & -k)
				above += tree[k];
			for (k = at; k; k -= k & -k)
				above -= tree[k];
			for (k = at; k <= nr; k += k & -k)
				tree[k]--;
		}
		for (k = i; k <= nr; k += k & -k)
			tree[k]++;
		last[refs[i - 1]] = i;
		if (above < memory)
			continue;
		gets++;
		for (k = 0; k < NR_SIZES; k++)
			hits[k] += above < memory + sizes[k];
	}
	for (k = 0; k < NR_SIZES; k++)
		miss[k] = 1 - (double)hits[k] / gets;
	free(tree);
	free(last);
}

/* ---- the comparison ---- */

static u64 hash_of(unsigned int page)
{
	u64 h = (page + 1) * 0x9e3779b97f4a7c15ULL;

	h = (h ^ h >> 32) * 0xd6e8feb86659fd93ULL;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93ULL;
	return h ^ h >> 32;
}

static struct tstore_ghost *follow(const struct stream *s)
{
	struct tstore_ghost *g = tstore_ghost_create();
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		if (s->ops[i] & PUT)
			tstore_ghost_put(g, hash_of(s->ops[i] & ~PUT));
		else
			tstore_ghost_get(g, hash_of(s->ops[i]));
	}
	return g;
}

static const struct trace {
	const char *name;
	unsigned int (*page)(unsigned int i);
	unsigned int refs;
	unsigned int pages;	/* that it uses, about */
	unsigned int memory;	/* of the guest */
} traces[] = {
	{ "uniform", uniform, 2000000, 100000, 10000 },
	{ "uniform, small", uniform, 200000, 6000, 1000 },
	{ "zipf 0.9", zipf, 2000000, 200000, 10000 },
	{ "zipf 1.2", skewed, 2000000, 400000, 2000 },
	{ "loop", loop, 1000000, 60000, 5000 },
	{ "loops", loops, 2000000, 80000, 4000 },
	{ "scans", scans, 2000000, 60000, 8000 },
	{ "phases", phases, 2000000, 120000, 6000 },
	{ "merge sort", merge_sort, 2000000, 131072, 4000 },
};

/* What real programs used; each guest has a tenth of that */
static const char * const real_traces[] = {
	"sort", "sqlite-insert", "sqlite-select",
};

static unsigned int *trace_make(const struct trace *t)
{
	unsigned int *refs = malloc(t->refs * sizeof(*refs));
	unsigned int i;

	nr_pages = t->pages;
	seed = 1;
	for (i = 0; i < t->refs; i++)
		refs[i] = t->page(i);
	return refs;
}

static unsigned int *trace_read(const char *dir, struct trace *t)
{
	unsigned int *refs = NULL;
	char path[4096];
	FILE *file;
	long bytes;

	snprintf(path, sizeof(path), "%s/%s.refs", dir, t->name);
	file = fopen(path, "r");
	if (!file || fseek(file, 0, SEEK_END))
		env_die("%s cannot be read", path);
	bytes = ftell(file);
	rewind(file);
	refs = malloc(bytes);
	t->refs = fread(refs, sizeof(*refs), bytes / sizeof(*refs), file);
	fclose(file);
	return refs;
}

/* The number of different pages; those of a real trace are numbered so */
static unsigned int universe_of(const unsigned int *refs, unsigned int nr)
{
	unsigned int universe = 0, i;

	for (i = 0; i < nr; i++)
		if (refs[i] >= universe)
			universe = refs[i] + 1;
	return universe;
}

static void result(const struct trace *t, double mean_sim, double mean,
		   double worst, size_t bytes)
{
	char why[100];

	printf("# %-14s %8u %8u %8.4f %8.4f %8.3f %8zu\n", t->name, t->refs,
	       t->pages, mean_sim, mean, worst, bytes >> 10);
	snprintf(why, sizeof(why), "mean error %.4f and %.4f, %zu bytes",
		 mean_sim, mean, bytes);
	lib_result(mean_sim < WORST_MEAN && mean < WORST_MEAN &&
		   bytes <= MOST_BYTES, t->name, why);
}

static void compare(const struct trace *t, unsigned int *refs, bool verbose)
{
	double exact[NR_SIZES], ghost, sim, mean = 0, mean_sim = 0, worst = 0;
	unsigned int sizes[NR_SIZES], i;
	struct tstore_ghost_at at = { 0 }, anew;
	struct stream s = { 0 };
	struct tstore_ghost *g;
	u64 hits;

	s.universe = universe_of(refs, t->refs);
	stream_make(&s, refs, t->refs, t->memory);
	for (i = 0; i < NR_SIZES; i++)
		sizes[i] = (u64)t->pages * i / (NR_SIZES - 1);
	mattson(refs, t->refs, s.universe, t->memory, sizes, exact);
	g = follow(&s);
	for (i = 0; i < NR_SIZES; i++) {
		memset(&anew, 0, sizeof(anew));
		hits = tstore_ghost_hits(g, &at, sizes[i]);
		if (hits != tstore_ghost_hits(g, &anew, sizes[i]))
			env_die("a curve differs from its points");
		ghost = 1 - (double)hits / tstore_ghost_gets(g);
		sim = simulate(&s, sizes[i]);
		if (verbose)
			printf("%s\t%u\t%.4f\t%.4f\t%.4f\n", t->name, sizes[i],
			       exact[i], sim, ghost);
		mean += fabs(ghost - exact[i]) / NR_SIZES;
		mean_sim += fabs(ghost - sim) / NR_SIZES;
		worst = fmax(worst, fabs(ghost - exact[i]));
	}
	result(t, mean_sim, mean, worst, malloc_usable_size(g));
	tstore_ghost_destroy(g);
	free(s.ops);
	free(refs);
}

static void compare_real(const char *dir, const char *name, bool verbose)
{
	struct trace t = { .name = name };
	unsigned int *refs = trace_read(dir, &t);

	t.pages = universe_of(refs, t.refs);
	t.memory = t.pages / 10;
	compare(&t, refs, verbose);
}

int main(int argc, char **argv)
{
	bool verbose = argc > 1 && !strcmp(argv[1], "-v");
	const char *dir = argv[verbose ? 2 : 1];
	unsigned int i;

	printf("# %-14s %8s %8s %8s %8s %8s %8s\n", "trace", "accesses",
	       "pages", "error", "of stack", "worst", "KiB");
	for (i = 0; i < ARRAY_SIZE(traces); i++)
		compare(&traces[i], trace_make(&traces[i]), verbose);
	for (i = 0; dir && i < ARRAY_SIZE(real_traces); i++)
		compare_real(dir, real_traces[i], verbose);
	return lib_summary();
}
