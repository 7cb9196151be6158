// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: reading traces
 *
 * A trace is whatever somebody's file holds, so each number is checked here,
 * and what comes out of here is good for a store that can hold it.
 */
#include "trace.h"

/* Fails; returns false so that it can be returned */
static bool bad(struct tmem_trace *t, const char *why)
{
	if (!t->error)
		t->error = why;
	return false;
}

/* A number of at most @limit */
static bool read_number(struct tmem_trace *t, u64 *out, u64 limit)
{
	unsigned int shift = 0;
	u64 value = 0;
	int c;

	do {
		c = getc_unlocked(t->file);
		if (c == EOF)
			return bad(t, "it ends within a record");
		if (shift == 63 && c > 1)
			return bad(t, "a number has more than 64 bits");
		value |= (u64)(c & 0x7f) << shift;
		shift += 7;
	} while (c & 0x80);
	if (value > limit)
		return bad(t, "a number is too large");
	*out = value;
	return true;
}

/* Makes room for one more name */
static bool new_name(struct tmem_trace *t)
{
	struct tmem_trace_name *more;
	u32 max = t->max_names ? 2 * t->max_names : 1024;

	if (t->nr_names < t->max_names)
		return true;
	more = realloc(t->names, max * sizeof(*more));
	if (!more)
		return bad(t, "no memory for the names of its objects");
	t->names = more;
	t->max_names = max;
	return true;
}

static bool object(struct tmem_trace *t, struct tmem_event *event)
{
	struct tmem_trace_name *name;
	u64 nr;
	int i;

	if (!read_number(t, &nr, t->nr_names))
		return false;
	if (nr == t->nr_names) {
		if (!new_name(t))
			return false;
		name = &t->names[nr];
		name->last = 0;
		for (i = 0; i < 3; i++)
			if (!read_number(t, &name->name[i], ~0ULL))
				return false;
		t->nr_names++;
	}
	event->object = nr;
	memcpy(event->req.object, t->names[nr].name,
	       sizeof(event->req.object));
	return true;
}

static bool range(struct tmem_trace *t, struct tmem_event *event)
{
	struct tmem_trace_name *name = &t->names[event->object];
	struct tmem_req *req = &event->req;
	bool flush = req->op == TMEM_OP_FLUSH;
	u64 delta, nr;

	if (!read_number(t, &delta, ~0ULL) ||
	    !read_number(t, &nr, flush ? ~0U : TMEM_MAX_RUN))
		return false;
	if (!nr && !flush)
		return bad(t, "a run has no pages");
	req->index = name->last + (delta >> 1 ^ -(delta & 1));
	req->nr_pages = nr;
	if (nr && req->index + nr - 1 < req->index)
		return bad(t, "a run goes beyond the last index");
	name->last = req->index + (nr ? nr - 1 : 0);
	return true;
}

/**
 * tmem_trace_next() - read a record
 * @t: the trace
 * @event: out: what it says; the seq and addr of a request are 0
 *
 * Return: false at the end, or with @t->error set
 */
bool tmem_trace_next(struct tmem_trace *t, struct tmem_event *event)
{
	u64 client, pool, time, flags;
	int op = getc_unlocked(t->file);

	if (op == EOF)
		return ferror(t->file) ? bad(t, "it cannot be read") : false;
	memset(event, 0, sizeof(*event));
	if (!read_number(t, &time, ~0ULL >> 1) ||
	    !read_number(t, &client, TMEM_TRACE_CLIENTS - 1) ||
	    !read_number(t, &pool, TMEM_TRACE_POOLS - 1))
		return false;
	t->at += time;
	t->records++;
	event->at = t->at;
	event->client = client;
	event->req.op = op;
	event->req.pool = pool;
	switch (op) {
	case TMEM_OP_POOL_CREATE:
		if (!read_number(t, &flags, TMEM_POOL_PERSISTENT))
			return false;
		event->req.index = flags;
		return true;
	case TMEM_OP_POOL_DESTROY:
		return true;
	case TMEM_OP_FLUSH_OBJECT:
		return object(t, event);
	case TMEM_OP_PUT:
	case TMEM_OP_GET:
	case TMEM_OP_FLUSH:
		return object(t, event) && range(t, event);
	default:
		return bad(t, "there is no such operation");
	}
}

/**
 * tmem_trace_open() - begin to read a trace
 * @t: out: the trace
 * @file: where it is, and stays: tmem_trace_close() does not close it
 *
 * Return: 0, or -EINVAL with @t->error set
 */
int tmem_trace_open(struct tmem_trace *t, FILE *file)
{
	char magic[8];

	memset(t, 0, sizeof(*t));
	t->file = file;
	if (fread(magic, sizeof(magic), 1, file) == 1 &&
	    !memcmp(magic, TMEM_TRACE_MAGIC, sizeof(magic)))
		return 0;
	bad(t, "it is not a trace of this version");
	return -EINVAL;
}

/* Ends it; t->error remains */
void tmem_trace_close(struct tmem_trace *t)
{
	free(t->names);
	t->names = NULL;
}
