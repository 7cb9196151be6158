/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what the files of the page store's benchmark share
 */
#ifndef _TMEM_BENCH_H
#define _TMEM_BENCH_H

#include <stdio.h>

#include "tstore.h"

#define THREADS		2
#define PER_OBJECT	64	/* pages of an object */
#define RUN		32	/* pages of a run */

static_assert(PER_OBJECT % RUN == 0, "a run is of one object");

/* An operation on a page of the guest, on behalf of one of the threads */
typedef void (*bench_op)(unsigned int who, u32 page);

/**
 * struct keeper - somebody who keeps pages of the guest
 * @name: what the results are called
 * @exclusive: a page that was returned is not kept any more
 * @open: makes it, empty
 * @close: ends it
 * @put: hands it a page
 * @get: has a page returned to where it came from
 * @flush: has it forget a page
 * @miss: asks for a page that it does not have
 * @put_run: hands it RUN pages
 * @get_run: has RUN pages returned
 */
struct keeper {
	const char *name;
	bool exclusive;
	void (*open)(void);
	void (*close)(void);
	bench_op put;
	bench_op get;
	bench_op flush;
	bench_op miss;
	bench_op put_run;
	bench_op get_run;
};

extern const struct keeper keep_copy, keep_codec, keep_store, keep_ephemeral,
	keep_clients, keep_packed, keep_naive, keep_memcached;

/**
 * struct bench - what is measured with
 * @pages: of the guest, a multiple of PER_OBJECT
 * @guest: their memory
 * @order: each page once, in random order: nothing can guess the next one
 * @runs: the same, run by run
 * @firsts: the first page of each run, in the order of @runs
 * @socket: of memcached, or NULL
 * @content: pages that those of the guest are filled with, in turn; or NULL
 * @contents: their number
 */
struct bench {
	u32 pages;
	unsigned char *guest;
	u32 *order;
	u32 *runs;
	u32 *firsts;
	const char *socket;
	unsigned char *content;
	u32 contents;
};

extern struct bench b;

/**
 * struct bench_store - the store that is being measured
 * @s: the store
 * @cfg: as it was created with
 * @clients: those of the threads
 * @nr_clients: different ones of these
 */
struct bench_store {
	struct tstore *s;
	struct tstore_config cfg;
	struct tstore_client *clients[THREADS];
	unsigned int nr_clients;
};

extern struct bench_store st;

/* store.c */
void store_create(const struct tstore_config *cfg);
void store_join(u64 flags);
void store_close(void);

/* lib.c: memory, time */
void *bench_map(size_t bytes);
void bench_unmap(void *p);
void bench_cold(void);
void bench_content(const char *path);
void bench_init(void);
void bench_each(bench_op op, const u32 *pages, u32 nr);
void bench_age(const struct keeper *k, u32 nr);
void bench_say_memory(void);
void bench_die(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
double bench_now(void);
double bench_spent(void);
void bench_scribble(const u32 *pages, u32 nr);
void bench_compare(const u32 *pages, u32 nr);

static inline unsigned char *bench_page(u32 page)
{
	return b.guest + (size_t)page * PAGE_SIZE;
}

/* Times of operations, in ticks */
struct series {
	u32 nr;
	u32 max;
	u32 *ticks;
};

void series_init(struct series *s, u32 max);
void series_free(struct series *s);
void series_add(struct series *s, bench_op op, const u32 *pages, u32 nr,
		u32 group);
void series_say(struct series *s, const char *who, const char *what, u32 per);

/* The parts: cost.c, threads.c, flat.c, restart.c, shrink.c */
void bench_cost(void);
void bench_packed(void);
void bench_runs(void);
void bench_threads(void);
void bench_flat(void);
void bench_restart(void);
void bench_shrink(void);

#endif /* _TMEM_BENCH_H */
