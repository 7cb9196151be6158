// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: how long it takes to move a client
 *
 * Clients with no page, with one, with two, and with a million are moved from
 * one store to another, piece by piece, while they flush some of their pages.
 * All that is left has to arrive.  Pages are small, so that the most of them
 * fit anywhere: this measures the names, and the contents come on top.
 */
#include <stdio.h>
#include <time.h>

#include "stream.h"

#define LOG		8192
#define POOLS		3
#define PIECE		(64u << 10)

static unsigned char page[PAGE_SIZE] __attribute__((aligned(8)));
static unsigned char piece[PIECE] __attribute__((aligned(8)));
static unsigned char scratch[PAGE_SIZE];
static struct tstore_gone gone[LOG];

struct side {
	struct tstore *s;
	struct tstore_client *c;
	void *arena;
};

static void die(const char *what, int status)
{
	fprintf(stderr, "%s: %d\n", what, status);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Objects of 1000 pages in turns in each pool */
static int request(struct tstore_client *c, u8 op, u64 nr)
{
	u64 in_pool = nr / POOLS;
	struct tmem_req req = {
		.op = op,
		.pool = nr % POOLS,
		.object = { in_pool / 1000, 0, in_pool / 1000 & 1 },
		.index = in_pool % 1000,
		.nr_pages = 1,
	};

	tstore_execute(c, &req, page);
	return req.status;
}

static void control(struct tstore_client *c, u8 op, u32 pool, u64 index)
{
	struct tmem_req req = { .op = op, .pool = pool, .index = index };

	tstore_execute(c, &req, page);
	if (req.status)
		die("control", req.status);
}

static struct side side_open(u64 pages)
{
	struct tstore_config cfg = { .max_clients = 2 };
	struct side side;

	cfg.bytes = (pages + pages / 500 + 64) * (PAGE_SIZE + 46) / PAGE_SIZE *
		    PAGE_SIZE;
	cfg.arena = aligned_alloc(PAGE_SIZE, cfg.bytes);
	if (!cfg.arena || tstore_create(&cfg, &side.s) ||
	    tstore_client_create(side.s, ~0ULL >> 1, &side.c))
		die("no store", 0);
	side.arena = cfg.arena;
	return side;
}

static void side_close(struct side *side)
{
	tstore_client_destroy(side->c);
	tstore_destroy(side->s);
	free(side->arena);
}

static void fill(u64 nr)
{
	u64 i, word;

	for (i = 0; i < PAGE_SIZE / 8; i++) {
		word = (nr + i) * 0x9e3779b97f4a7c15ULL;
		memcpy(page + 8 * i, &word, 8);
	}
}

static void fill_store(struct side *from, u64 pages)
{
	struct tmem_attach *at = (struct tmem_attach *)page;
	u64 i;
	int err;

	memset(page, 0, PAGE_SIZE);
	at->version = TMEM_ABI_VERSION;
	at->page_shift = PAGE_SHIFT;
	at->features = TMEM_FEATURE_PERSISTENT;
	control(from->c, TMEM_OP_ATTACH, 0, 0);
	for (i = 0; i < POOLS; i++)
		control(from->c, TMEM_OP_POOL_CREATE, i, TMEM_POOL_PERSISTENT);
	for (i = 0; i < pages; i++) {
		fill(i);
		err = request(from->c, TMEM_OP_PUT, i);
		if (err)
			die("put", err);
	}
}

struct times {
	double save, restore, stopped;
	u64 bytes, flushed;
};

/* What one call tells goes over */
static bool step(struct side *from, struct side *to, struct times *t)
{
	double begin = now(), middle;
	size_t used;
	int err, more;

	more = tstore_save_next(from->c, piece, sizeof(piece), &used);
	middle = now();
	if (more < 0)
		die("save", more);
	err = tstore_restore_feed(to->c, piece, used);
	if (err)
		die("restore", err);
	t->save += middle - begin;
	t->restore += now() - middle;
	t->bytes += used;
	return more;
}

static void go(struct side *from, struct side *to, u64 pages, struct times *t)
{
	double begin;
	int err;

	if (tstore_save_begin(from->c, gone, LOG) ||
	    tstore_restore_begin(to->c, scratch))
		die("begin", 0);
	/* the guest goes on, and wants to have some of its memory back */
	while (step(from, to, t))
		if (pages > 100 && t->flushed < pages / 10)
			request(from->c, TMEM_OP_FLUSH, 10 * t->flushed++);
	begin = now();
	tstore_save_finish(from->c);
	while (step(from, to, t))
		;
	err = tstore_save_end(from->c);
	if (!err)
		err = tstore_restore_end(to->c, NULL);
	if (err)
		die("end", err);
	t->stopped = now() - begin;
}

static void move(u64 pages)
{
	static unsigned char want[PAGE_SIZE];
	struct side from = side_open(pages), to = side_open(pages);
	struct times t = { 0 };
	const char *bad;
	int err, expect;
	u64 i;

	fill_store(&from, pages);
	go(&from, &to, pages, &t);
	side_close(&from);
	for (i = 0; i < pages; i++) {
		expect = i % 10 == 0 && i / 10 < t.flushed ? -ENOENT : 0;
		fill(i);
		memcpy(want, page, PAGE_SIZE);
		err = request(to.c, TMEM_OP_GET, i);
		if (err != expect)
			die("get", err);
		if (!err && memcmp(want, page, PAGE_SIZE))
			die("another page", i);
	}
	bad = tstore_check(to.s);
	if (bad)
		die(bad, 0);
	side_close(&to);
	printf("# %7llu pages of %lu bytes, %llu flushed meanwhile: ",
	       (unsigned long long)pages, (unsigned long)PAGE_SIZE,
	       (unsigned long long)t.flushed);
	printf("save %.3f s, restore %.3f s, stopped %.3f ms\n", t.save,
	       t.restore, t.stopped * 1e3);
}

int main(void)
{
	static const u64 sizes[] = { 0, 1, 2, 1000, 1000000 };
	unsigned int i;

	/* it ends where one is not as it should be */
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		move(sizes[i]);
	printf("%u passed, 0 failed, 0 skipped\n", i);
	return 0;
}
