// SPDX-License-Identifier: GPL-2.0
/*
 * A load that rises and falls: requests, each of which touches some pages at
 * random in anonymous memory and in a file, or some pages in a row in a file alone,
 * and thinks for a while
 *
 * When it uses more than ever before, it reads that part of the file first.
 * A phase says how many of the pages are in use and how long a request thinks.
 * What is not in use any more is not given back: it is for the kernel to see
 * that nobody touches it.  Anonymous pages are written to, and every page is
 * compared with what it should hold.
 *
 * Prints the requests of each quarter of a second, and in the end, or when SIGTERM
 * comes, how many pages were right and how many wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096
#define WORDS	(PAGE / sizeof(uint64_t))
#define TOUCHES	16	/* pages a request */
#define TICK	0.25	/* seconds */

struct phase {
	double seconds;
	uint64_t pages;
	uint64_t think;		/* ns */
};

static uint64_t *mem;
static uint32_t *times;		/* that an anonymous page was written to */
static uint64_t right, wrong, requests, most, state = 1;
static int file = -1;
static bool no_memory;		/* all pages are of the file, one after the other */
static volatile sig_atomic_t over;

static void fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % below;
}

static uint64_t word_of(uint64_t page, uint64_t i)
{
	uint64_t x = (page * WORDS + i + 1) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	return x ^ x >> 27;
}

static void fill(uint64_t *words, uint64_t page)
{
	uint64_t i;

	for (i = 0; i < WORDS; i++)
		words[i] = word_of(page, i);
}

/* A sixteenth of the words, beside the first: a request is work for the kernel */
static int holds(const uint64_t *words, uint64_t page, uint64_t more)
{
	uint64_t i;

	if (words[0] != word_of(page, 0) + more)
		return 0;
	for (i = 1 + page % 16; i < WORDS; i += 16)
		if (words[i] != word_of(page, i))
			return 0;
	return 1;
}

static void touch_memory(uint64_t page)
{
	uint64_t *words = mem + page * WORDS;

	if (!times[page])
		fill(words, page);
	else if (holds(words, page, times[page]))
		right++;
	else
		wrong++;
	words[0] = word_of(page, 0) + ++times[page];
}

static void touch_file(uint64_t page)
{
	static uint64_t words[WORDS];

	if (pread(file, words, PAGE, page * PAGE) != PAGE)
		fail("read");
	if (holds(words, page, 0))
		right++;
	else
		wrong++;
}

static void think(uint64_t ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	if (ns)
		nanosleep(&ts, NULL);
}

static void request(const struct phase *p)
{
	uint64_t run = no_memory ? draw(p->pages / TOUCHES) * TOUCHES : 0;
	int i;

	for (i = 0; i < TOUCHES; i++) {
		if (no_memory)
			touch_file(run + i);
		else if (i % 2)
			touch_file(draw(p->pages / 2));
		else
			touch_memory(draw(p->pages / 2));
	}
	requests++;
	think(p->think);
}

/* SECONDS:MIB:MICROSECONDS */
static int phase_of(const char *text, struct phase *p)
{
	unsigned long mib, us;

	if (sscanf(text, "%lf:%lu:%lu", &p->seconds, &mib, &us) != 3 || !mib)
		return 0;
	p->pages = mib << 20 >> 12;
	p->think = us * 1000;
	if (most < p->pages)
		most = p->pages;
	return 1;
}

/* What was never used before is made, and read as a file is by who starts up */
static void begin_to_use(uint64_t pages)
{
	static char buffer[32 * PAGE];
	static uint64_t used;

	for (; used < pages; used++) {
		if (!no_memory)
			touch_memory(used);
		if (used % 32 == 0 &&
		    pread(file, buffer, sizeof(buffer), used * PAGE) < PAGE)
			fail("read");
	}
}

/* Tells of the ticks that are over, all but the first of which had nothing */
static void tell(double passed)
{
	static uint64_t told, tick;

	for (; (tick + 1) * TICK <= passed; tick++, told = requests) {
		printf("= %llu %llu\n", (unsigned long long)tick,
		       (unsigned long long)(requests - told));
		fflush(stdout);
	}
}

static void run(const struct phase *p, int nr)
{
	double start = now(), end = start, t;

	for (; nr--; p++) {
		end += p->seconds;
		begin_to_use(no_memory ? p->pages : p->pages / 2);
		while ((t = now()) < end && !over) {
			tell(t - start);
			request(p);
		}
		tell(t - start);
	}
	printf("= end %llu %llu\n", (unsigned long long)right,
	       (unsigned long long)wrong);
}

static void make_file(const char *path, uint64_t pages)
{
	static uint64_t words[WORDS];
	FILE *out = fopen(path, "w");
	uint64_t page;

	if (!out)
		fail(path);
	for (page = 0; page < pages; page++) {
		fill(words, page);
		if (fwrite(words, PAGE, 1, out) != 1)
			fail(path);
	}
	if (fclose(out))
		fail(path);
}

static void on_term(int signal)
{
	over = signal;
}

static int usage(void)
{
	fprintf(stderr,
		"Usage: load [-f] FILE SECONDS:MIB:MICROSECONDS...\n"
		"       load --make FILE MIB\n"
		"Phases: so long, so much in use, half of it in FILE,\n"
		"or with -f all, and so long a request thinks.\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct phase phases[64];
	int nr;

	if (argc == 4 && !strcmp(argv[1], "--make")) {
		make_file(argv[2], strtoull(argv[3], NULL, 0) << 20 >> 12);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "-f")) {
		no_memory = true;
		argv++;
		argc--;
	}
	signal(SIGTERM, on_term);
	if (argc < 3 || argc > 2 + 64)
		return usage();
	for (nr = 0; nr < argc - 2; nr++)
		if (!phase_of(argv[nr + 2], &phases[nr]))
			return usage();
	file = open(argv[1], O_RDONLY);
	if (file < 0)
		fail(argv[1]);
	times = calloc(most / 2 + 1, sizeof(*times));
	mem = mmap(NULL, most / 2 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!times || mem == MAP_FAILED)
		fail("memory");
	run(phases, nr);
	return wrong != 0;
}
