// SPDX-License-Identifier: GPL-2.0
/*
 * Times what a page costs, for scripts/bench-guest.  A result is a line
 * "= NAME NANOSECONDS", for a page of 4 KiB if nothing else is said:
 *
 *  bench memory MIB	copying, scanning and clearing pages in random order
 *  bench swap MIB [FILE]
 *			swapping pages out and in; they are zero, or FILE's
 *  bench read FILE MIB [SKIP]
 *			reading a file, after SKIP MiB that are not timed
 *  bench reclaim MIB	evicting pages
 *  bench idle FILE SECONDS
 *			an operation, if there is enough memory
 *
 * With -c before all that it is the time of the processor, without what is
 * waited for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096UL
#define CHUNK	(2UL << 20)	/* what is swapped out or in at once */

static void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static clockid_t clock_of = CLOCK_MONOTONIC;

static double now(void)
{
	struct timespec t;

	clock_gettime(clock_of, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void result(const char *name, double ns, size_t nr)
{
	printf("= %s %.2f\n", name, ns / nr);
	fflush(stdout);
}

static char *map(size_t bytes)
{
	char *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	return mem;
}

static uint64_t next_random(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static uint32_t *permutation(size_t nr)
{
	uint32_t *order = malloc(nr * sizeof(*order)), swap;
	size_t i, j;

	if (!order)
		die("malloc");
	for (i = 0; i < nr; i++)
		order[i] = i;
	for (i = nr - 1; i > 0; i--) {
		j = next_random() % (i + 1);
		swap = order[i];
		order[i] = order[j];
		order[j] = swap;
	}
	return order;
}

/* As the kernel looks for pages that are zero */
static int is_zero(const uint64_t *word)
{
	size_t i;

	for (i = 0; i < PAGE / sizeof(*word); i++)
		if (word[i])
			return 0;
	return 1;
}

static void bench_memory(size_t mib)
{
	size_t nr = mib * 256 / 2, i, zeroes = 0;
	char *from = map(nr * PAGE), *to = map(nr * PAGE);
	uint32_t *a = permutation(nr), *b = permutation(nr);
	double start;

	/* One after the other: UML's pages have to be neighbours on the host */
	for (i = 0; i < nr; i++)
		from[i * PAGE] = 1;
	for (i = 0; i < nr; i++)
		to[i * PAGE] = 1;
	start = now();
	for (i = 0; i < nr; i++)
		memcpy(to + b[i] * PAGE, from + a[i] * PAGE, PAGE);
	result("memcpy", now() - start, nr);
	start = now();
	for (i = 0; i < nr; i++)
		memset(to + b[i] * PAGE, 0, PAGE);
	result("clear", now() - start, nr);
	start = now();
	for (i = 0; i < nr; i++)
		zeroes += is_zero((uint64_t *)(to + a[i] * PAGE));
	result("scan", now() - start, nr);
	if (zeroes != nr)
		exit(1);
}

/* Memory full of the file's pages; each differs from all others in a word */
static void fill(char *mem, size_t bytes, const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	size_t at;

	if (fd < 0 || fstat(fd, &st) || st.st_size < (off_t)CHUNK)
		die(path);
	st.st_size &= ~(CHUNK - 1);
	for (at = 0; at < bytes; at += PAGE) {
		if (pread(fd, mem + at, PAGE, at % st.st_size) != PAGE)
			die(path);
		memcpy(mem + at + PAGE - sizeof(at), &at, sizeof(at));
		mem[at + PAGE - 1] = 1;		/* never a page of zeroes */
	}
	close(fd);
}

static unsigned long number_in(const char *path, const char *name)
{
	unsigned long value = 0;
	char line[256];
	FILE *in = fopen(path, "r");

	if (!in)
		die(path);
	while (fgets(line, sizeof(line), in))
		if (!strncmp(line, name, strlen(name)))
			value = strtoul(line + strlen(name), NULL, 10);
	fclose(in);
	return value;
}

/* The kernel says EAGAIN if it did not find as much as it was asked for */
static void evict(size_t bytes, const char *how)
{
	int fd = open("/sys/fs/cgroup/memory.reclaim", O_WRONLY);
	char text[64];

	if (fd < 0)
		die("memory.reclaim");
	snprintf(text, sizeof(text), "%zu%s", bytes, how);
	if (write(fd, text, strlen(text)) < 0 && errno != EAGAIN)
		die("memory.reclaim");
	close(fd);
}

/* Waits until pages on their way to a device are there, and frees them */
static void free_swapped(void)
{
	unsigned long cached = 0;
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		cached = number_in("/proc/meminfo", "SwapCached:") << 10;
		if (cached < CHUNK)
			return;
		if (number_in("/proc/vmstat", "nr_writeback ") * PAGE >= CHUNK)
			usleep(1000);
		else
			evict(cached, " swappiness=200");
	}
	fprintf(stderr, "bench: %lu KiB stay in the swap cache\n", cached >> 10);
	exit(1);
}

static void bench_swap(size_t mib, const char *path)
{
	size_t bytes = mib << 20, at, wrong = 0, value;
	char *mem = map(bytes);
	double start;

	if (path)
		fill(mem, bytes, path);
	else
		memset(mem, 0, bytes);
	start = now();
	for (at = 0; at < bytes; at += CHUNK)
		if (madvise(mem + at, CHUNK, MADV_PAGEOUT))
			die("MADV_PAGEOUT");
	free_swapped();
	result(path ? "out" : "out_zero", now() - start, bytes / PAGE);
	start = now();
	for (at = 0; at < bytes; at += CHUNK)
		if (madvise(mem + at, CHUNK, MADV_WILLNEED))
			die("MADV_WILLNEED");
	result(path ? "in" : "in_zero", now() - start, bytes / PAGE);
	for (at = 0; at < bytes; at += PAGE) {
		memcpy(&value, mem + at + PAGE - sizeof(at), sizeof(at));
		wrong += (value & (SIZE_MAX >> 8)) != (path ? at : 0);
		/* UML's host has a limit of mappings for a process */
		if (!((at + PAGE) % CHUNK))
			madvise(mem + at + PAGE - CHUNK, CHUNK, MADV_DONTNEED);
	}
	if (wrong) {
		fprintf(stderr, "bench: %zu pages are wrong\n", wrong);
		exit(1);
	}
}

static void read_some(int fd, const char *path, size_t mib)
{
	static char buffer[128 * 1024];
	size_t at;

	for (at = 0; at < mib << 20; at += sizeof(buffer))
		if (read(fd, buffer, sizeof(buffer)) != sizeof(buffer))
			die(path);
}

static void bench_read(const char *path, size_t mib, size_t skip)
{
	int fd = open(path, O_RDONLY);
	double start;

	if (fd < 0)
		die(path);
	read_some(fd, path, skip);
	start = now();
	read_some(fd, path, mib);
	result("read", now() - start, mib << 20 >> 12);
	close(fd);
}

static void bench_reclaim(size_t mib)
{
	unsigned long before = number_in("/proc/meminfo", "Cached:"), after;
	double start = now(), took;

	evict(mib << 20, "");
	took = now() - start;
	after = number_in("/proc/meminfo", "Cached:");
	if (after >= before)
		exit(1);
	result("reclaim", took, (before - after) / 4);
}

/* ---- what a machine does that has enough memory ---- */

#define NR_IDLE		5
#define MAX_SLICES	4096

static int idle_fd;
static off_t idle_size;

static void idle_read_4k(void)
{
	static char page[PAGE];
	off_t at = next_random() % (idle_size / PAGE) * PAGE;

	if (pread(idle_fd, page, PAGE, at) != (ssize_t)PAGE)
		die("pread");
}

static void idle_read_128k(void)
{
	static char buffer[128 * 1024];
	off_t at = next_random() % (idle_size / sizeof(buffer)) * sizeof(buffer);

	if (pread(idle_fd, buffer, sizeof(buffer), at) != sizeof(buffer))
		die("pread");
}

static void idle_syscall(void)
{
	syscall(SYS_getppid);
}

static void idle_fault(void)
{
	char *mem = map(16 * PAGE);
	size_t at;

	for (at = 0; at < 16 * PAGE; at += PAGE)
		mem[at] = 1;
	munmap(mem, 16 * PAGE);
}

/* Pages enter the page cache, and are truncated */
static void idle_rewrite(void)
{
	static char buffer[16 * PAGE];
	static int fd = -1;

	if (fd < 0)
		fd = open("rewritten", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (pwrite(fd, buffer, sizeof(buffer), 0) != sizeof(buffer) ||
	    ftruncate(fd, 0))
		die("rewritten");
}

static const struct {
	const char *name;
	void (*once)(void);
	int times;		/* takes a few ms, so that noise can be told */
} idle[NR_IDLE] = {
	{ "syscall", idle_syscall, 20000 },
	{ "read_4k", idle_read_4k, 5000 },
	{ "read_128k", idle_read_128k, 500 },
	{ "fault", idle_fault, 50 },
	{ "rewrite", idle_rewrite, 100 },
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The best tenth of many short slices, which the host disturbed the least */
static void bench_idle(const char *path, double seconds)
{
	static double took[NR_IDLE][MAX_SLICES];
	double end, start;
	size_t slice, i;
	struct stat st;
	int n;

	idle_fd = open(path, O_RDONLY);
	if (idle_fd < 0 || fstat(idle_fd, &st))
		die(path);
	idle_size = st.st_size;
	read_some(idle_fd, path, idle_size >> 20);
	end = now() + seconds * 1e9;
	for (slice = 0; slice < MAX_SLICES && now() < end; slice++) {
		for (i = 0; i < NR_IDLE; i++) {
			start = now();
			for (n = 0; n < idle[i].times; n++)
				idle[i].once();
			took[i][slice] = (now() - start) / idle[i].times;
		}
	}
	for (i = 0; i < NR_IDLE; i++) {
		qsort(took[i], slice, sizeof(double), compare);
		result(idle[i].name, took[i][slice / 2], 1);
	}
}

int main(int argc, char **argv)
{
	const char *what;

	if (argc > 1 && !strcmp(argv[1], "-c")) {
		clock_of = CLOCK_PROCESS_CPUTIME_ID;
		argc--;
		argv++;
	}
	what = argc > 1 ? argv[1] : "";
	if (!strcmp(what, "memory") && argc == 3)
		bench_memory(strtoul(argv[2], NULL, 0));
	else if (!strcmp(what, "swap") && (argc == 3 || argc == 4))
		bench_swap(strtoul(argv[2], NULL, 0), argc == 4 ? argv[3] : NULL);
	else if (!strcmp(what, "read") && (argc == 4 || argc == 5))
		bench_read(argv[2], strtoul(argv[3], NULL, 0),
			   argc == 5 ? strtoul(argv[4], NULL, 0) : 0);
	else if (!strcmp(what, "reclaim") && argc == 3)
		bench_reclaim(strtoul(argv[2], NULL, 0));
	else if (!strcmp(what, "idle") && argc == 4)
		bench_idle(argv[2], strtod(argv[3], NULL));
	else
		return fprintf(stderr, "Usage: see the top of bench.c\n"), 2;
	return 0;
}
