// SPDX-License-Identifier: GPL-2.0
/*
 * Coherence of hcache: words, chance, counters
 */
#include <stdarg.h>
#include <time.h>

#include "coh.h"

#define HCACHE	"/sys/kernel/mm/tmem/hcache/"

unsigned long fs_magic;
const char *now_testing = "?";
bool verbose;
bool faults;
bool large_folios;

static __thread uint64_t rnd_state = 1;

void fail(const char *fmt, ...)
{
	va_list ap;

	flockfile(stdout);
	printf("FAILED: %s: ", now_testing);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

void skip(const char *fmt, ...)
{
	va_list ap;

	printf("skip: %s: ", now_testing);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(4);
}

void say(const char *fmt, ...)
{
	va_list ap;

	if (!verbose)
		return;
	flockfile(stdout);
	printf("  %s: ", now_testing);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	funlockfile(stdout);
}

/* 12 bits of file, 20 bits of write, 32 bits of place; never 0 */
uint64_t word_of(uint32_t id, uint32_t gen, uint64_t pos)
{
	return (uint64_t)(id & 0xfff) << 52 | (uint64_t)(gen & 0xfffff) << 32 |
		(pos / 8 & 0xffffffff);
}

void pattern(void *buf, uint32_t id, uint32_t gen, uint64_t pos, size_t len)
{
	unsigned char *out = buf;
	uint64_t word;
	size_t i = 0;

	while (i < len) {
		word = word_of(id, gen, pos + i);
		if ((pos + i) % 8 == 0 && len - i >= 8) {
			memcpy(out + i, &word, 8);
			i += 8;
		} else {
			out[i] = ((unsigned char *)&word)[(pos + i) % 8];
			i++;
		}
	}
}

void *aligned(size_t len)
{
	void *buf;

	if (posix_memalign(&buf, PAGE, len))
		fail("no memory");
	return buf;
}

void rnd_seed(unsigned int seed)
{
	rnd_state = seed * 2654435769ULL + 1;
}

unsigned int rnd(unsigned int below)
{
	rnd_state = rnd_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (rnd_state >> 33) % below;
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* For how long something is to go on; a slow machine may have no more than $TMEM_SECONDS for it */
double seconds_of(const char *word)
{
	const char *most = getenv("TMEM_SECONDS");
	double seconds = atof(word);

	return most && atof(most) < seconds ? atof(most) : seconds;
}

bool echo_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text));
	close(fd);
	return done == (ssize_t)strlen(text);
}

/* The number in a file of sysfs; -1 if there is none */
long read_long(const char *path)
{
	char buf[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	return len > 0 ? atol(buf) : -1;
}

/* The one that the guest was booted with */
const char *transport(void)
{
	const char *name = getenv("VM_TRANSPORT");

	return name ? name : "loop";
}

struct counts counts(void)
{
	struct counts c = {
		.stored = read_long(HCACHE "stored"),
		.hits = read_long(HCACHE "hits"),
		.lost = read_long(HCACHE "lost"),
		.invalidated = read_long(HCACHE "invalidated"),
		.overwritten = read_long(HCACHE "overwritten"),
		.offered = read_long(HCACHE "offered"),
		.returned = read_long(HCACHE "returned"),
	};

	if (c.stored < 0 || c.hits < 0)
		fail("no counters in " HCACHE);
	return c;
}

/* Put every clean page, whether it pays or not */
void all_pages(void)
{
	echo_to(HCACHE "enabled", "1");
	echo_to(HCACHE "admission", "all");
}
