/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, how clients were in the last hours
 *
 * A ring of samples, in a file of its own that outlives the worker.
 */
#ifndef _TMEMD_HISTORY_H
#define _TMEMD_HISTORY_H

#include "device.h"

/*
 * Places for samples: with one each ten seconds, those of eight hours.  Tests
 * have fewer.
 */
#ifndef HISTORY_SAMPLES
#define HISTORY_SAMPLES	2880
#endif

/**
 * struct history_client - a client in a sample
 * @id: number that no other client ever had, even one of the same name
 * @name: its name
 * @ephemeral: pages that may vanish
 * @persistent: pages that must stay
 * @charged: what they cost, in bytes
 * @target: what is its due, in pages
 * @memory: pages that its guest has of its own, if that is divided
 * @goal: pages that it is to keep, likewise
 * @estimate: its working set as it says, in pages
 * @count: since the worker began
 */
struct history_client {
	u64 id;
	char name[TMEMD_NAME];
	u64 ephemeral;
	u64 persistent;
	u64 charged;
	u64 target;
	u64 memory;
	u64 goal;
	u64 estimate;
	u64 count[COUNTS];
};

/**
 * struct history_sample - what is not of one client
 * @at: when, in ms since the machine was started
 * @worker: which one, of those that there have ever been: the first is 1
 * @size: of the pool, in bytes
 * @free: of that, pages without use
 * @clients: a bit for each slot: there is a client
 */
struct history_sample {
	u64 at;
	u64 worker;
	u64 size;
	u64 free;
	u64 clients;
};

void history_start(void);
void history_tick(void);
u64 history_now(void);
u64 history_first(void);
u64 history_end(void);
const struct history_sample *history_sample(u64 seq);
const struct history_client *history_client(u64 seq, unsigned int slot);

#endif /* _TMEMD_HISTORY_H */
