/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, steered and looked at from outside
 *
 * All of it runs in the main thread, but for the reading and writing of files
 * that others chose, see transfer.c.
 */
#ifndef _TMEMD_CONTROL_H
#define _TMEMD_CONTROL_H

#include <json-c/json.h>

#include "device.h"

/* Longest request, with its newline */
#define CONTROL_LINE	8192

/* Most connections at a time; more are told so and sent away */
#define CONTROL_CONNS	16

/* Seconds after which a connection is closed that has not asked for anything */
#define CONTROL_IDLE_S	30

/* What a request returns if its answer comes later */
#define CONTROL_LATER	1

/**
 * struct conn - a connection to the control socket
 * @fd: the socket, or -1: this one is free
 * @passed: descriptor that came with a request, or -1
 * @in: what was read and not looked at yet
 * @nr_in: bytes of it
 * @out: answer that is being sent, or NULL
 * @nr_out: bytes of it
 * @sent: of these, those that are sent
 * @closing: to be closed when the answer is sent
 * @heard: when something was read last
 * @step: does a bounded step of what was asked for: returns 1 if there is more
 *	to do, 0 with @answer, or a negative error number; NULL: nothing to do
 * @client: what @step is about
 * @number: of the step's own
 * @answer: to the request under way, or NULL
 * @why: why it is refused, if the error number does not say it all
 * @transfer: reads or writes a file for this connection, or NULL
 */
struct conn {
	int fd;
	int passed;
	char in[CONTROL_LINE];
	size_t nr_in;
	char *out;
	size_t nr_out;
	size_t sent;
	bool closing;
	time_t heard;
	int (*step)(struct conn *conn);
	struct client *client;
	u64 number;
	struct json_object *answer;
	char why[160];
	struct transfer *transfer;
};

/* control.c: connections and lines */

int control_start(void);
bool control_step(void);
void control_tick(void);
void control_forget(const struct client *client);
void control_answer(struct conn *conn, int err);

/* request.c: what can be asked for */

int request_do(struct conn *conn, struct json_object *args);
int refuse(struct conn *conn, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* report.c: how things are, in words */

struct json_object *report_client(const struct client *client);
struct json_object *report_clients(void);
void report_size(struct json_object *answer);
void report_stats(struct json_object *answer);
void report_history(struct json_object *answer, u64 from);

/* shared.c: who may join which shared pools */

int shared_allow(struct client *c, const u64 *uuid);
int shared_forbid(struct client *c, const u64 *uuid);
void shared_client(struct client *c);
struct json_object *shared_report(const struct client *c);

#endif /* _TMEMD_CONTROL_H */
