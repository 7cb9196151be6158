/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: writing traces
 *
 * Whoever watches a store hands over what clients ask for, in its order, and
 * gets the bytes that tools/tmem/replay/trace.h tells of.
 */
#ifndef _TMEM_TRACE_WRITER_H
#define _TMEM_TRACE_WRITER_H

#include "../replay/trace.h"

/* Longest that one event may come to */
#define TRACE_MARGIN	8192

/**
 * struct trace_event - a request, as a trace has it
 * @us: when, in microseconds; what came later may be a bit earlier
 * @object: its name
 * @index: its first page, or the flags of a pool that is created
 * @nr_pages: how many there are
 * @pool: its pool
 * @op: TMEM_OP_*
 * @client: whose, less than TMEM_TRACE_CLIENTS
 */
struct trace_event {
	u64 us;
	u64 object[3];
	u64 index;
	u32 nr_pages;
	u16 pool;
	u8 op;
	u8 client;
};

struct trace_object {
	u64 name[3];
	u64 last;
};

/**
 * struct trace_writer - a trace that is being written
 * @objects: those that it has named, by their numbers
 * @slots: where to look for one: its number + 1, or 0
 * @nr_objects: how many there are
 * @us: time of the last record
 * @records: how many there are
 * @there: the pool was created
 * @to: where the next byte goes
 */
struct trace_writer {
	struct trace_object *objects;
	u32 *slots;
	u32 nr_objects;
	u64 us;
	u64 records;
	u8 there[TMEM_TRACE_CLIENTS][TMEM_TRACE_POOLS];
	u8 *to;
};

bool trace_fits(const struct tmem_req *req);
int trace_writer_begin(struct trace_writer *w);
u8 *trace_writer_head(u8 *to);
u8 *trace_write(struct trace_writer *w, u8 *to, const struct trace_event *e);
void trace_writer_end(struct trace_writer *w);

#endif /* _TMEM_TRACE_WRITER_H */
