/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: traces of requests
 *
 * A trace is 8 bytes, "tmemtrc" and the version 1, and records of what clients
 * asked of a store, whoever it was and whatever it answered.  Numbers are
 * LEB128: seven bits a byte, the least significant first, and the eighth bit
 * says that more follow.  A record is
 *
 *	op		TMEM_OP_POOL_CREATE, POOL_DESTROY, PUT, GET, FLUSH or
 *			FLUSH_OBJECT
 *	time		microseconds since the record before
 *	client		from 0
 *	pool
 *	flags		of a POOL_CREATE, and nothing follows it; nothing follows
 *			a POOL_DESTROY either
 *	object		number of its name; they are numbered as they appear
 *	name		three numbers, if it is the first of that number
 *	index		less that of the last page of this object before it, in
 *			zigzag: 0, -1, 1, -2, 2 are 0, 1, 2, 3, 4
 *	nr_pages
 *
 * and a FLUSH_OBJECT ends after the object.
 */
#ifndef _TMEM_TRACE_H
#define _TMEM_TRACE_H

#include <stdio.h>

#include "tmem_env.h"

#define TMEM_TRACE_MAGIC	"tmemtrc\1"
#define TMEM_TRACE_CLIENTS	64
#define TMEM_TRACE_POOLS	256

/* A record; @at is the time since the first one, in microseconds */
struct tmem_event {
	u64 at;
	u32 client;
	u32 object;
	struct tmem_req req;
};

struct tmem_trace_name {
	u64 name[3];
	u64 last;
};

struct tmem_trace {
	FILE *file;
	u64 at;
	u64 records;
	const char *error;
	struct tmem_trace_name *names;
	u32 nr_names;
	u32 max_names;
};

int tmem_trace_open(struct tmem_trace *t, FILE *file);
bool tmem_trace_next(struct tmem_trace *t, struct tmem_event *event);
void tmem_trace_close(struct tmem_trace *t);

#endif /* _TMEM_TRACE_H */
