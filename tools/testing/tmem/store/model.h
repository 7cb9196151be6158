/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: a naive model of the page store
 *
 * One array of pages in the order in which they came.  No hash, no list, no
 * lock: slow, and right by inspection.
 */
#ifndef _TMEM_TEST_MODEL_H
#define _TMEM_TEST_MODEL_H

#include "lib.h"

#define MODEL_PAGES	4096
#define MODEL_POOLS	8

/* The shared pool: pool 0 of a client more, and what members call it */
#define MODEL_SHARED	NR_CLIENTS
#define MODEL_SLOT	3

struct model_page {
	unsigned int client;
	u32 pool;
	u64 obj;
	u64 index;
	u32 seq;
	u64 tag;
};

struct model_pool {
	bool exists;
	bool persistent;
};

struct model_client {
	struct model_pool pool[MODEL_POOLS];
	u64 limit;
	u64 epoch;
	bool frozen;
	bool saving;
	bool may;		/* join the shared pool, */
	bool member;		/* and it has */
};

struct model {
	struct model_page page[MODEL_PAGES];	/* oldest first */
	unsigned int nr;
	struct model_client client[NR_CLIENTS + 1];
};

struct model_page *model_find(struct model *m, unsigned int client, u32 pool,
			      u64 obj, u64 index);
void model_drop(struct model *m, struct model_page *page);
void model_add(struct model *m, const struct model_page *page);
unsigned int model_count(struct model *m, unsigned int client, int persistent);
unsigned int model_flush(struct model *m, unsigned int client, u32 pool,
			 u64 obj, u64 first, u64 last, u32 seq);
unsigned int model_drop_pool(struct model *m, unsigned int client, u32 pool);

#endif /* _TMEM_TEST_MODEL_H */
