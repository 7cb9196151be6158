/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, the process that outlives the worker
 */
#ifndef _TMEMD_KEEPER_H
#define _TMEMD_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

/* Status with which a worker ends that wants to be started again */
#define KEEPER_AGAIN	3

/* In the environment: tells a worker its end of the line to the keeper */
#define KEEPER_ENV	"TMEMD_KEEPER"

/**
 * enum keeper_op - what the two say
 * @KEEPER_HOLD: worker: hold this descriptor under this number
 * @KEEPER_DROP: worker: do not hold it any longer
 * @KEEPER_READY: worker: clients are served
 * @KEEPER_HAVE: keeper, to a new worker: here is what is held
 * @KEEPER_END: keeper: that was all
 */
enum keeper_op {
	KEEPER_HOLD,
	KEEPER_DROP,
	KEEPER_READY,
	KEEPER_HAVE,
	KEEPER_END,
};

struct keeper_msg {
	uint32_t op;
	uint32_t reserved;
	uint64_t id;
};

int keeper_run(char **argv);
bool keeper_send(int line, const struct keeper_msg *msg, int fd);
bool keeper_receive(int line, struct keeper_msg *msg, int *fd);

#endif /* _TMEMD_KEEPER_H */
