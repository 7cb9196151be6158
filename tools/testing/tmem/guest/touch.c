// SPDX-License-Identifier: GPL-2.0
/*
 * Touches memory of which it is known how much that is
 *
 * usage: touch anon|file|mixed uniform|zipf|loop MIB[,MIB...] SECONDS [busy]
 *
 * Touches pages drawn at random, or one after the other, anonymous ones by
 * writing to them, those of a file here by reading them with system calls, for
 * so many seconds; then the same with as much of the memory as is named next.
 * It naps in between, unless it is busy.  Once a second it says how many pages it
 * has touched in the last eight seconds, how many the estimator of the kernel
 * believes are in use beside those of the kernel, and of these, how many are not
 * in memory:
 *
 *	touched SECOND PAGES ESTIMATE ABSENT
 *
 * and in the end how many touches there were:
 *
 *	touches NUMBER
 */
#include <time.h>

#include "coh.h"

#define WINDOW	8
#define BURST	400		/* touches between naps */
#define WSE	TMEM "wse/"

static size_t pages, anon_pages;	/* all that there are */
static size_t used;		/* the first ones of them, now */
static float *last;		/* when each page was touched; 0: never */
static float *sums;		/* zipf: of the shares of the pages so far */
static unsigned char *memory;
static bool looping;
static size_t next_page;	/* of a loop */
static int fd = -1;
static unsigned int touches;

/* Neighbours in rank shall not be neighbours in memory */
static size_t scattered(size_t rank)
{
	return rank * 1000003 % used;
}

static size_t draw(void)
{
	size_t low = 0, high = used - 1, middle;
	float point;

	if (looping)
		return next_page++ % used;
	if (!sums)
		return rnd(used);
	point = rnd(1 << 30) / (float)(1 << 30) * sums[used - 1];
	while (low < high) {
		middle = (low + high) / 2;
		if (sums[middle] < point)
			low = middle + 1;
		else
			high = middle;
	}
	return scattered(low);
}

static void touch(size_t page, float when)
{
	char byte;

	touches++;
	if (page < anon_pages)
		memory[page * PAGE] = touches;
	else
		must(pread(fd, &byte, 1, (page - anon_pages) * PAGE));
	last[page] = when;
}

static void tell(double start, double when)
{
	long resident = read_long(WSE "resident"), absent = read_long(WSE "absent");
	size_t i, touched = 0;

	for (i = 0; i < pages; i++)
		touched += last[i] && when - start - last[i] < WINDOW;
	printf("touched %.0f %zu %ld %ld\n", when - start, touched,
	       (resident + absent) / (long)PAGE, absent / (long)PAGE);
	fflush(stdout);
}

static void make_file(void)
{
	unsigned char *buf = aligned(1 << 20);
	size_t at;

	fd = must(open("touched", O_RDWR | O_CREAT, 0600));
	for (at = 0; at < (pages - anon_pages) * PAGE; at += 1 << 20) {
		pattern(buf, 1, 1, at, 1 << 20);
		must(pwrite(fd, buf, 1 << 20, at));
	}
	must(fsync(fd));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	/* whole windows of readahead would be touched by nobody */
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM));
	free(buf);
}

static void prepare(const char *kind, const char *how)
{
	size_t i;

	anon_pages = !strcmp(kind, "anon") ? pages :
		     !strcmp(kind, "file") ? 0 : pages / 2;
	if (anon_pages < pages)
		make_file();
	memory = (void *)must(mmap(NULL, anon_pages * PAGE + PAGE,
				   PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	last = calloc(pages, sizeof(*last));
	looping = !strcmp(how, "loop");
	if (strcmp(how, "zipf"))
		return;
	sums = calloc(pages, sizeof(*sums));
	for (i = 0; i < pages; i++)
		sums[i] = 1.0f / (i + 1) + (i ? sums[i - 1] : 0);
}

static void phase(double start, double end, bool busy)
{
	double next = now(), when;
	int i;

	while ((when = now()) < end) {
		for (i = 0; i < BURST; i++)
			touch(draw(), when - start + 0.001);
		if (when > next) {
			tell(start, when);
			next++;
		}
		if (!busy)
			usleep(5000);
	}
}

int main(int argc, char **argv)
{
	const char *usage = "anon|file|mixed uniform|zipf|loop MIB[,MIB...] SECONDS [busy]";
	double start, seconds;
	char *size;
	int i = 1;

	if (argc < 5)
		fail("usage: touch %s", usage);
	for (size = argv[3]; size; size = strchr(size, ',')) {
		size += *size == ',';
		used = atol(size) << 8;
		pages = used > pages ? used : pages;
	}
	if (!pages)
		fail("usage: touch %s", usage);
	rnd_seed(1);
	prepare(argv[1], argv[2]);
	seconds = atof(argv[4]);
	start = now();
	for (size = strtok(argv[3], ","); size; size = strtok(NULL, ",")) {
		used = atol(size) << 8;
		phase(start, start + seconds * i++, argc > 5);
	}
	printf("touches %u\n", touches);
	return 0;
}
