/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: a few operations on few pages, and what they came to
 */
#ifndef _TMEM_TEST_PERTURB_H
#define _TMEM_TEST_PERTURB_H

#include "turns.h"

#define CLIENTS		2
#define POOLS		2	/* an ephemeral and a persistent one */
#define OBJECTS		2	/* one with a short name, one with a long one */
#define INDICES		8
#define RUN		5
#define THREAD_OPS	8
#define FIRST_OPS	12	/* what there is when threads begin */
#define LAST_OPS	(CLIENTS * POOLS * OBJECTS * INDICES)
#define OPS		(CLIENTS * (1 + POOLS) + FIRST_OPS + \
			 TURNS_THREADS * THREAD_OPS + LAST_OPS)

enum op_kind {
	OP_PUT,
	OP_GET,
	OP_FLUSH,
	OP_FLUSH_REST,		/* to the end of the object */
	OP_FLUSH_OBJECT,
	OP_DESTROY,
	OP_CREATE,
	OP_ATTACH,
	OP_FREEZE,		/* and thaw */
	OP_LIMIT,		/* lower and raise */
	OP_TAKE,		/* and give */
	OP_COMPACT,
	OP_DIVIDE,
	OP_STATS,
	OP_GUEST,		/* a client that comes and goes */
	OP_KINDS
};

/* Of a client's page */
struct op_page {
	u32 client, pool, object;
	u64 index;
};

struct op {
	enum op_kind kind;
	struct op_page page;	/* the first one */
	u32 nr;
	u32 seq;
	u32 id;			/* put: of the first page, the next has id + 1 */

	int status;
	u32 done;
	u64 start, end;		/* when; @end is ~0 until then */
	u64 frozen, thawing;	/* freeze: nothing is put between these */
	u64 epoch;		/* attach */
	u32 got[RUN];		/* get: ids */
	u64 seen[RUN];		/* put: end of the first get that returned it */
};

struct history {
	struct op ops[OPS];
	u32 nr;
	u32 nr_threads;		/* 0 before and after they run */
	u32 last;		/* from here on gets of what is left */
	u64 now;
};

extern struct history history;

/* What threads do: theirs of history.ops, which are in a row */
struct thread {
	struct op *ops;
	unsigned int nr;
};

extern struct thread threads[TURNS_THREADS];

/* Of the run */
extern struct tstore *s;
extern struct tstore_client *clients[CLIENTS];
extern u64 frames;		/* limit of a client */
extern u64 rng;
extern u64 taken_out, returned;	/* pages, by gets */

unsigned int below(unsigned int n);
void op_do(struct op *op);
void history_begin(void);
void history_threads(void);
void history_end(void);
void history_print(void);
void history_judge(void);

/* Complains of the run that is being made */
void perturb_fail(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

#endif /* _TMEM_TEST_PERTURB_H */
