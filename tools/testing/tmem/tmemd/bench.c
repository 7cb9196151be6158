// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: what a trip to tmemd costs
 *
 * bench TMEMD [SECONDS]: round trips of one front end that polls, one page and
 * 32 pages at a time; two front ends beside one, with two threads to serve them;
 * and the same with a processor for each front end and its thread, which take
 * turns there, and with two that only copy.  Prints lines of "= case.what value".
 */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define PAGES	4096	/* of data, of each guest: more than caches hold */
#define KEYS	16384
#define SAMPLES	65536

struct guest {
	struct front front;
	u64 vectors;
	u64 kicks;
	u64 random;
	int processor;	/* to run on, or -1 for any */
	const u8 *from;	/* it only copies from here, KEYS pages */
};

static bool stop;
static double seconds = 1;

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void give_up(const char *why)
{
	fprintf(stderr, "bench: %s\n", why);
	exit(1);
}

static u64 draw(struct guest *g, u64 below)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return g->random % below;
}

/* A vector of single pages, at random, in memory that is not in a cache */
static void trip(struct guest *g, u8 op, unsigned int nr)
{
	struct front_io ios[32];
	unsigned int i;

	for (i = 0; i < nr; i++)
		ios[i] = front_io(op, 0, 1, draw(g, KEYS), 1,
				  g->front.data + draw(g, PAGES) * PAGE_SIZE);
	if (front_submit(&g->front, 0, ios, nr) || ios[0].req.status)
		give_up("a request fails");
	g->vectors++;
}

static void arrive(struct guest *g, const char *name)
{
	struct front_io io;
	unsigned int i;

	memset(g, 0, sizeof(*g));
	g->processor = -1;
	g->random = 88172645463325252ULL;
	if (front_open(&g->front, run_socket(name), PAGES, 1) ||
	    front_attach(&g->front, NULL) ||
	    front_pool(&g->front, 0, TMEM_POOL_PERSISTENT))
		give_up("no guest");
	memset(g->front.data, 1, PAGES * PAGE_SIZE);
	for (i = 0; i < KEYS; i++) {
		io = front_io(TMEM_OP_PUT, 0, 1, i, 1,
			      g->front.data + i % PAGES * PAGE_SIZE);
		if (front_submit(&g->front, 0, &io, 1) || io.req.status)
			give_up("a put is refused");
	}
	g->vectors = 0;
	g->front.queues[0].kicks = 0;
}

static int compare(const void *a, const void *b)
{
	return *(const u64 *)a < *(const u64 *)b ? -1 : 1;
}

static void single(struct guest *g, const char *what, u8 op, unsigned int nr)
{
	static u64 samples[SAMPLES];
	u64 end = now_ns() + seconds * 1e9, start;
	unsigned int n = 0;

	for (start = now_ns(); start < end && n < SAMPLES; n++) {
		trip(g, op, nr);
		samples[n] = now_ns() - start;
		start = now_ns();
	}
	qsort(samples, n, sizeof(*samples), compare);
	printf("= trip.%s.median %.0f\n= trip.%s.p999 %.0f\n", what,
	       (double)samples[n / 2] / nr, what,
	       (double)samples[n * 999ULL / 1000] / nr);
}

static void copy_from(struct guest *g)
{
	u8 *from = malloc((size_t)KEYS * PAGE_SIZE);

	memset(from, 1, (size_t)KEYS * PAGE_SIZE);
	g->from = from;
}

static void copy(struct guest *g)
{
	memcpy(g->front.data + draw(g, PAGES) * PAGE_SIZE,
	       g->from + draw(g, KEYS) * PAGE_SIZE, PAGE_SIZE);
}

/* A copy of a page that is in no cache, for comparison */
static void copies(struct guest *g)
{
	u64 start;
	unsigned int i;

	copy_from(g);
	start = now_ns();
	for (i = 0; i < 50000; i++)
		copy(g);
	printf("= trip.memcpy %.0f\n", (now_ns() - start) / 50000.0);
	free((void *)g->from);
	g->from = NULL;
}

static void pin(pid_t thread, unsigned int processor)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(processor, &one);
	if (sched_setaffinity(thread, sizeof(one), &one))
		give_up("a thread cannot be kept on a processor");
}

/* Thread n of the daemon, on processor n */
static void pin_daemon(void)
{
	char path[300], name[32];
	struct dirent *task;
	unsigned int nr;
	FILE *comm;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", run_worker());
	tasks = opendir(path);
	if (!tasks)
		give_up("no threads");
	while ((task = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", run_worker(), task->d_name);
		comm = fopen(path, "r");
		if (!comm)
			continue;
		if (fgets(name, sizeof(name), comm) && sscanf(name, "serve-%u", &nr) == 1)
			pin(atoi(task->d_name), nr);
		fclose(comm);
	}
	closedir(tasks);
}

static void *many(void *arg)
{
	struct guest *g = arg;
	unsigned int i;

	if (g->processor >= 0)
		pin(0, g->processor);
	while (!env_read_once(stop)) {
		if (!g->from) {
			trip(g, TMEM_OP_GET, 16);
			continue;
		}
		for (i = 0; i < 16; i++)
			copy(g);
		g->vectors++;
	}
	return NULL;
}

/* Pages a second of so many guests */
static double busy(struct guest *guests, unsigned int nr)
{
	u64 before = 0, after = 0, start = now_ns();
	pthread_t threads[2];
	unsigned int i;

	stop = false;
	for (i = 0; i < nr; i++) {
		before += guests[i].vectors;
		pthread_create(&threads[i], NULL, many, &guests[i]);
	}
	usleep(seconds * 1e6);
	env_write_once(stop, true);
	for (i = 0; i < nr; i++) {
		pthread_join(threads[i], NULL);
		after += guests[i].vectors;
	}
	return (after - before) * 16 / ((now_ns() - start) / 1e9);
}

static void start(const char *program, const char *threads, const char *poll)
{
	char *const args[] = { "--size", "256M", "--threads", (char *)threads,
			       "--poll", (char *)poll,
			       "--client", "name=a", "--client", "name=b",
			       NULL };

	if (run_start(program, args))
		give_up("tmemd does not serve");
}

/* Two front ends that poll, and two threads that do */
static void compete(const char *program, struct guest *guests)
{
	start(program, "2", "400");
	arrive(&guests[0], "a");
	arrive(&guests[1], "b");
	printf("= guests.one %.1f\n", busy(guests, 1) / 1000);
	printf("= guests.two %.1f\n", busy(guests, 2) / 1000);
	run_stop();
}

/* A front end and its thread sleep while the other one is at work, on a processor of their own */
static void take_turns(const char *program, struct guest *guests)
{
	unsigned int i;

	start(program, "2", "0");
	for (i = 0; i < 2; i++) {
		arrive(&guests[i], i ? "b" : "a");
		guests[i].processor = i;
		guests[i].front.sleeps = true;
	}
	pin_daemon();
	printf("= turns.one %.1f\n", busy(guests, 1) / 1000);
	printf("= turns.two %.1f\n", busy(guests, 2) / 1000);
	run_stop();

	copy_from(&guests[0]);
	copy_from(&guests[1]);
	printf("= copies.one %.1f\n", busy(guests, 1) / 1000);
	printf("= copies.two %.1f\n", busy(guests, 2) / 1000);
}

int main(int argc, char **argv)
{
	static struct guest guests[2];
	u64 kicks;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		fprintf(stderr, "Usage: bench TMEMD [SECONDS]\n");
		return 2;
	}
	if (argc > 2)
		seconds = atof(argv[2]);
	start(argv[1], "1", "400");
	arrive(&guests[0], "a");
	copies(&guests[0]);
	single(&guests[0], "get", TMEM_OP_GET, 1);
	single(&guests[0], "put", TMEM_OP_PUT, 1);
	single(&guests[0], "get32", TMEM_OP_GET, 32);
	single(&guests[0], "put32", TMEM_OP_PUT, 32);
	single(&guests[0], "flush", TMEM_OP_FLUSH, 1);
	kicks = guests[0].front.queues[0].kicks;
	printf("= trip.kicks %.2f\n",
	       100.0 * kicks / guests[0].vectors);
	front_hang_up(&guests[0].front);
	run_stop();

	compete(argv[1], guests);
	take_turns(argv[1], guests);
	return 0;
}
