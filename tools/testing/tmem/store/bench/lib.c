// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: memory and time for the page store's benchmark
 */
#include <stdarg.h>
#include <sys/mman.h>
#include <time.h>

#include "bench.h"

#define HUGE		(2UL << 20)
#define MAX_MAPS	8

struct bench b;

static struct {
	void *at;	/* what mmap() returned */
	size_t size;
	unsigned char *p;
	size_t bytes;
} maps[MAX_MAPS];

static bool all_locked = true;
static double ticks_a_ns;
static u32 overhead;	/* ticks of measuring nothing */

void bench_die(const char *fmt, ...)
{
	va_list ap;

	fputs("bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/*
 * Memory as a host would have it: in huge pages if it can be had, touched, and
 * kept from being swapped out.
 */
void *bench_map(size_t bytes)
{
	unsigned int i = 0;

	while (i < MAX_MAPS && maps[i].at)
		i++;
	if (i == MAX_MAPS)
		bench_die("too many maps");
	maps[i].bytes = (bytes + HUGE - 1) & ~(HUGE - 1);
	maps[i].size = maps[i].bytes + HUGE;
	maps[i].at = mmap(NULL, maps[i].size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (maps[i].at == MAP_FAILED)
		bench_die("no %zu MiB of memory", bytes >> 20);
	maps[i].p = (void *)(((uintptr_t)maps[i].at + HUGE - 1) & ~(HUGE - 1));
	madvise(maps[i].p, maps[i].bytes, MADV_HUGEPAGE);
	if (mlock(maps[i].p, maps[i].bytes))
		all_locked = false;
	memset(maps[i].p, 0, maps[i].bytes);
	return maps[i].p;
}

void bench_unmap(void *p)
{
	unsigned int i;

	for (i = 0; i < MAX_MAPS; i++) {
		if (maps[i].at && maps[i].p == p) {
			munmap(maps[i].at, maps[i].size);
			memset(&maps[i], 0, sizeof(maps[i]));
		}
	}
}

/* Puts everything that was mapped out of all caches */
void bench_cold(void)
{
#ifdef __x86_64__
	unsigned int i;
	size_t at;

	for (i = 0; i < MAX_MAPS; i++)
		for (at = 0; at < maps[i].bytes; at += 64)
			__builtin_ia32_clflush(maps[i].p + at);
	__builtin_ia32_mfence();
#endif
}

/* How much there is, and how much of it in huge pages */
void bench_say_memory(void)
{
	size_t mapped = 0, huge = 0;
	char line[256];
	unsigned int i;
	FILE *f;

	for (i = 0; i < MAX_MAPS; i++)
		mapped += maps[i].bytes;
	f = fopen("/proc/self/smaps_rollup", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "AnonHugePages: %zu kB", &huge) == 1)
			break;
	if (f)
		fclose(f);
	printf("= memory.mib %zu\n= memory.huge %zu\n= memory.locked %d\n",
	       mapped >> 20, huge >> 10, all_locked);
}

static double now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

double bench_now(void)
{
	return now(CLOCK_MONOTONIC);
}

/* What this thread had of a processor, whoever else wants one */
double bench_spent(void)
{
	return now(CLOCK_THREAD_CPUTIME_ID);
}

/*
 * All that comes before is done, and stores have left the processor.  Else those
 * of a copy would be paid for by whoever takes a lock next.
 */
static inline void settle(void)
{
#ifdef __x86_64__
	__builtin_ia32_mfence();
	__builtin_ia32_lfence();
#endif
}

static inline u64 clock_read(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	return bench_now();
#endif
}

static inline u64 ticks(void)
{
	u64 now;

	settle();
	now = clock_read();
	settle();
	return now;
}

static u64 mix(u64 z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Has pages filled with those of a file */
void bench_content(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t bytes;

	if (!f || fseek(f, 0, SEEK_END))
		bench_die("%s cannot be read", path);
	bytes = ftell(f) & ~(PAGE_SIZE - 1);
	rewind(f);
	b.content = malloc(bytes);
	b.contents = bytes / PAGE_SIZE;
	if (!bytes || !b.content || fread(b.content, bytes, 1, f) != 1)
		bench_die("%s holds no page", path);
	fclose(f);
}

static const u64 *content_of(u32 page)
{
	return (u64 *)(b.content + page % b.contents * PAGE_SIZE);
}

/* Without other content no page is like another, and none can get smaller */
static u64 word_of(u32 page, unsigned int i)
{
	if (b.content)
		return content_of(page)[i];
	return mix(((u64)page << 32 | i) + 0x9e3779b97f4a7c15ULL);
}

static void fill(u32 page)
{
	u64 *word = (u64 *)bench_page(page);
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		word[i] = word_of(page, i);
}

/* Damages pages at both ends, to see whether they are returned */
void bench_scribble(const u32 *pages, u32 nr)
{
	u32 i, last = PAGE_SIZE / 8 - 1;
	u64 *word;

	for (i = 0; i < nr; i++) {
		word = (u64 *)bench_page(pages[i]);
		word[0] = ~word_of(pages[i], 0);
		word[last] = ~word_of(pages[i], last);
	}
}

void bench_compare(const u32 *pages, u32 nr)
{
	u32 i, last = PAGE_SIZE / 8 - 1;
	u64 *word;

	for (i = 0; i < nr; i++) {
		word = (u64 *)bench_page(pages[i]);
		if (word[0] != word_of(pages[i], 0) ||
		    word[last] != word_of(pages[i], last) ||
		    (b.content &&
		     memcmp(word, content_of(pages[i]), PAGE_SIZE)))
			bench_die("page %u is not what it was", pages[i]);
	}
}

static void shuffle(u32 *list, u32 nr, u64 seed)
{
	u32 i, j, tmp;

	for (i = nr - 1; i && nr; i--) {
		j = mix(seed + i) % (i + 1);
		tmp = list[i];
		list[i] = list[j];
		list[j] = tmp;
	}
}

void bench_each(bench_op op, const u32 *pages, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		op(0, pages[i]);
}

/*
 * Leaves free memory in no order, as after long use: if pages went in the order
 * in which they came, the next ones would find free slots one after the other.
 */
void bench_age(const struct keeper *k, u32 nr)
{
	bench_each(k->put, b.order, nr);
	bench_each(k->flush, nr == b.pages ? b.runs : b.order, nr);
}

static int compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return (x > y) - (x < y);
}

/* What the clock advances by at a time, mostly */
static u64 clock_step(struct series *s)
{
	u64 before, after;

	for (s->nr = 0; s->nr < s->max;) {
		before = clock_read();
		after = clock_read();
		if (after > before)
			s->ticks[s->nr++] = after - before;
	}
	qsort(s->ticks, s->nr, sizeof(u32), compare);
	return s->ticks[s->nr / 2];
}

static void calibrate(void)
{
	double start = bench_now();
	u64 first = ticks();
	struct series s;

	while (bench_now() < start + 5e7)
		;
	ticks_a_ns = (ticks() - first) / (bench_now() - start);
	series_init(&s, 1 << 16);
	series_add(&s, NULL, NULL, 1 << 16, 1);
	series_say(&s, "clock", "each", 1);
	overhead = s.ticks[s.max / 2];
	printf("= clock.step %.2f\n", clock_step(&s) / ticks_a_ns);
	series_free(&s);
}

void bench_init(void)
{
	u32 nr = b.pages;
	u32 i;

	calibrate();
	b.guest = bench_map((size_t)nr * PAGE_SIZE);
	b.order = malloc(nr * sizeof(u32));
	b.runs = malloc(nr * sizeof(u32));
	b.firsts = malloc(nr / RUN * sizeof(u32));
	if (!b.order || !b.runs || !b.firsts)
		bench_die("no memory");
	for (i = 0; i < nr; i++) {
		fill(i);
		b.order[i] = i;
	}
	for (i = 0; i < nr / RUN; i++)
		b.firsts[i] = i * RUN;
	shuffle(b.order, nr, 1ULL << 40);
	shuffle(b.firsts, nr / RUN, 2ULL << 40);
	for (i = 0; i < nr; i++)
		b.runs[i] = b.firsts[i / RUN] + i % RUN;
}

void series_init(struct series *s, u32 max)
{
	s->nr = 0;
	s->max = max;
	s->ticks = calloc(max, sizeof(u32));
	if (!s->ticks)
		bench_die("no memory");
	/* no page fault while something is measured */
	memset(s->ticks, 1, max * sizeof(u32));
}

void series_free(struct series *s)
{
	free(s->ticks);
}

/*
 * Does @op to each of @pages and looks at the clock before and after each
 * @group of them.
 */
void series_add(struct series *s, bench_op op, const u32 *pages, u32 nr,
		u32 group)
{
	u64 before, took;
	u32 i, j;

	for (i = 0; i + group <= nr && s->nr < s->max; i += group) {
		before = ticks();
		for (j = i; op && j < i + group; j++)
			op(0, pages[j]);
		took = ticks() - before;
		took = took > overhead ? took - overhead : 0;
		s->ticks[s->nr++] = took < ~0U ? took : ~0U;
	}
}

/* In nanoseconds a page; one time is that of @per pages */
void series_say(struct series *s, const char *who, const char *what, u32 per)
{
	double unit = ticks_a_ns * per;

	if (!s->nr)
		return;
	qsort(s->ticks, s->nr, sizeof(u32), compare);
	printf("= %s.%s.median %.2f\n", who, what, s->ticks[s->nr / 2] / unit);
	printf("= %s.%s.p999 %.2f\n", who, what,
	       s->ticks[(u64)s->nr * 999 / 1000] / unit);
	printf("= %s.%s.max %.2f\n", who, what, s->ticks[s->nr - 1] / unit);
	s->nr = 0;
}
