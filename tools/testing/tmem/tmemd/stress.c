// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: guests whose tmemd is killed again and again
 *
 * stress TMEMD KILLS [GUESTS]: guests put, get and flush at random, with every
 * word compared, while the worker is killed.  Nothing persistent may be lost,
 * nothing may be stale, no request may fail.  Tells how long guests had to wait.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define PAGES		256
#define KEYS		4096
#define VECTOR		8
#define MAX_GUESTS	8

/**
 * struct guest - one of them
 * @front: its front end
 * @random: state
 * @versions: of what each key has, in each of the two pools; 0: nothing
 * @last: version given out last
 * @vectors: executed
 * @pages: put or got
 * @lost: ephemeral pages that were not there
 * @longest: wait for a vector since the last look, in us
 * @name: its own
 */
struct guest {
	struct front front;
	u64 random;
	u32 versions[2][KEYS];
	u32 last;
	u64 vectors;
	u64 pages;
	u64 lost;
	u64 longest;
	char name[8];
};

static struct guest guests[MAX_GUESTS];
static unsigned int nr_guests = 2;
static bool stop;

static u64 draw(struct guest *g, u64 below)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return g->random % below;
}

static u64 seed_of(const struct guest *g, u32 pool, u32 key, u32 version)
{
	return ((u64)(g - guests) << 60) + ((u64)pool << 56) +
	       ((u64)key << 32) + version;
}

static void got(struct guest *g, struct front_io *io)
{
	u32 key = io->req.index, *version = &g->versions[io->req.pool][key];

	if (!io->req.status && io->req.done == 1) {
		EXPECT(*version);
		EXPECT(is_filled(io->data,
				 seed_of(g, io->req.pool, key, *version)));
		g->pages++;
	} else {
		EXPECT_EQ(io->req.status, -ENOENT);
		if (*version) {
			EXPECT_EQ(io->req.pool, 1);
			g->lost++;
		}
	}
	if (io->req.pool)
		*version = 0;
}

static void check_answers(struct guest *g, struct front_io *ios, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		u32 *version = &g->versions[ios[i].req.pool][ios[i].req.index];

		switch (ios[i].req.op) {
		case TMEM_OP_PUT:
			EXPECT_EQ(ios[i].req.status, 0);
			*version = ios[i].req.status ? 0 : ios[i].req.seq;
			g->pages++;
			break;
		case TMEM_OP_GET:
			got(g, &ios[i]);
			break;
		default:
			EXPECT_EQ(ios[i].req.status, 0);
			*version = 0;
		}
	}
}

/* Keys of one vector differ, as a vector may be executed twice */
static void round_of(struct guest *g)
{
	u32 first = draw(g, KEYS), nr = 1 + draw(g, VECTOR), i;
	struct front_io ios[VECTOR];
	u64 start, us;

	for (i = 0; i < nr; i++) {
		u32 key = (first + i) % KEYS, pool = draw(g, 2);
		void *page = g->front.data + i * PAGE_SIZE;
		static const u8 ops[] = { TMEM_OP_PUT, TMEM_OP_PUT, TMEM_OP_GET,
					  TMEM_OP_GET, TMEM_OP_FLUSH };

		ios[i] = front_io(ops[draw(g, ARRAY_SIZE(ops))], pool, 1, key,
				  1, page);
		if (ios[i].req.op == TMEM_OP_PUT) {
			ios[i].req.seq = ++g->last;
			fill(page, seed_of(g, pool, key, g->last));
		}
	}
	start = run_now_us();
	EXPECT_EQ(front_submit(&g->front, 0, ios, nr), 0);
	us = run_now_us() - start;
	if (us > env_read_once(g->longest))
		env_write_once(g->longest, us);
	check_answers(g, ios, nr);
	env_write_once(g->vectors, g->vectors + 1);
}

static void *guest_main(void *arg)
{
	struct guest *g = arg;

	while (!env_read_once(stop) && !failures)
		round_of(g);
	return NULL;
}

static void arrive(struct guest *g, unsigned int i)
{
	snprintf(g->name, sizeof(g->name), "%c", 'a' + i);
	g->random = 88172645463325252ULL + i;
	EXPECT_EQ(front_open(&g->front, run_socket(g->name), PAGES, 1), 0);
	EXPECT_EQ(front_attach(&g->front, NULL), 0);
	EXPECT_EQ(front_pool(&g->front, 0, TMEM_POOL_PERSISTENT), 0);
	EXPECT_EQ(front_pool(&g->front, 1, 0), 0);
}

static int compare(const void *a, const void *b)
{
	return *(const u64 *)a < *(const u64 *)b ? -1 : 1;
}

static void report(u64 *stalls, unsigned int kills, u64 us)
{
	u64 vectors = 0, pages = 0, lost = 0;
	unsigned int i;

	for (i = 0; i < nr_guests; i++) {
		vectors += guests[i].vectors;
		pages += guests[i].pages;
		lost += guests[i].lost;
	}
	printf("%u guests, %u kills, %.1f s: %llu vectors, %llu pages, %llu ephemeral ones gone\n",
	       nr_guests, kills, us / 1e6, (unsigned long long)vectors,
	       (unsigned long long)pages, (unsigned long long)lost);
	if (!kills)
		return;
	qsort(stalls, kills, sizeof(*stalls), compare);
	printf("longest wait for a vector at a kill: median %.1f ms, most %.1f ms\n",
	       stalls[kills / 2] / 1e3, stalls[kills - 1] / 1e3);
}

/* True when every guest has had two vectors since the last look */
static bool all_served(u64 *before)
{
	unsigned int i;

	for (i = 0; i < nr_guests; i++)
		if (env_read_once(guests[i].vectors) < before[i] + 2)
			return false;
	return true;
}

static void kill_often(unsigned int kills, u64 *stalls)
{
	u64 before[MAX_GUESTS];
	unsigned int i, k;

	for (k = 0; k < kills && !failures; k++) {
		usleep(40000 + k * 7919 % 40000);
		for (i = 0; i < nr_guests; i++) {
			env_write_once(guests[i].longest, 0);
			before[i] = env_read_once(guests[i].vectors);
		}
		run_kill_worker();
		while (!all_served(before) && !failures)
			usleep(1000);
		stalls[k] = 0;
		for (i = 0; i < nr_guests; i++)
			if (env_read_once(guests[i].longest) > stalls[k])
				stalls[k] = guests[i].longest;
	}
}

int main(int argc, char **argv)
{
	char *const args[] = { "--size", "128M", "--threads", "2",
			       "--client", "name=a", "--client", "name=c",
			       "--client", "name=d", "--client", "name=e",
			       "--client", "name=f", "--client", "name=g",
			       "--client", "name=h", "--client", "name=b",
			       NULL };
	unsigned int kills = argc > 2 ? atoi(argv[2]) : 0, i;
	u64 *stalls = calloc(kills + 1, sizeof(*stalls)), start;
	pthread_t threads[MAX_GUESTS];

	signal(SIGPIPE, SIG_IGN);
	if (argc > 3)
		nr_guests = atoi(argv[3]);
	if (argc < 3 || !nr_guests || nr_guests > MAX_GUESTS || !stalls) {
		fprintf(stderr, "Usage: stress TMEMD KILLS [GUESTS]\n");
		return 2;
	}
	if (run_start(argv[1], args)) {
		printf("FAILED: tmemd does not serve\n");
		return 1;
	}
	start = run_now_us();
	for (i = 0; i < nr_guests; i++) {
		arrive(&guests[i], i);
		pthread_create(&threads[i], NULL, guest_main, &guests[i]);
	}
	if (kills)
		kill_often(kills, stalls);
	else
		sleep(2);
	env_write_once(stop, true);
	for (i = 0; i < nr_guests; i++)
		pthread_join(threads[i], NULL);
	report(stalls, kills, run_now_us() - start);
	run_stop();
	return failures ? 1 : 0;
}
