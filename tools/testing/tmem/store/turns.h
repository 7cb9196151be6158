/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: threads that run one at a time, as a plan says
 */
#ifndef _TMEM_TEST_TURNS_H
#define _TMEM_TEST_TURNS_H

#include <stdio.h>

#include "lib.h"

#define TURNS_THREADS	4
#define TURNS_POINTS	8

/* Where a thread is held up: at a step of one of its operations */
struct turns_point {
	unsigned int thread;
	unsigned int op;
	unsigned int step;
};

/*
 * A schedule.  The runnable thread of the highest priority runs; at a point,
 * and sometimes when it calls env_relax(), it gets the lowest one.
 */
struct turns_plan {
	unsigned int nr_threads;
	unsigned int nr_points;
	bool fine;		/* steps are loads and stores, too */
	bool restless;		/* one lock of eight is a point besides */
	bool verbose;
	int priority[TURNS_THREADS];
	struct turns_point points[TURNS_POINTS];
	u64 rng;
};

void turns_init(void);
void turns_run(const struct turns_plan *plan, void (*body)(unsigned int));

/* For @body: its next operation begins; a step of its own; steps so far */
void turns_op(unsigned int op);
void turns_step(void);
unsigned int turns_steps(void);

/* Who holds what, and who waits for whom */
void turns_print(void);

#endif /* _TMEM_TEST_TURNS_H */
