/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, how large the pool is
 */
#ifndef _TMEMD_POOL_H
#define _TMEMD_POOL_H

#include "state.h"

/**
 * struct pool_size - how large the pool is, in bytes
 * @size: now
 * @goal: what it is on its way to
 * @max: most that it could be
 * @metadata: the part of it that holds no pages
 * @stuck: what is above @goal holds pages that must stay, or there is no memory
 *	for what is below
 */
struct pool_size {
	u64 size;
	u64 goal;
	u64 max;
	u64 metadata;
	bool stuck;
};

int pool_start(int fd, bool again);
int pool_resize(u64 bytes);
void pool_look(struct pool_size *out);
bool pool_step(void);
void pool_tick(void);

#endif /* _TMEMD_POOL_H */
