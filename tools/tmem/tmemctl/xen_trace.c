// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, traces of what domains ask for
 *
 * The hypervisor keeps requests for a moment, and this reads them and writes the
 * trace.  A client of the trace is a domain, by a number of its own.  The
 * hypervisor says of which kind the pool of a request is: so one that was there
 * before is created in the trace when it is used first.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/tmem.h>

#include "../trace/writer.h"
#include "xen_abi.h"
#include "xen.h"

#define READ_PAGES	14
#define READ_ROOM	(READ_PAGES * PAGE / sizeof(struct xen_tmem_event))

/* Between two looks; 32768 requests are kept meanwhile */
#define WAIT_US		10000

/* Written to the file in one go, and a request more */
#define PIECE		65536

struct trace {
	struct stream s;
	struct trace_writer writer;
	const struct xen_tmem_event *events;
	uint8_t piece[PIECE + 2 * TRACE_MARGIN];
	uint8_t *to;
	domid_t domains[TMEM_TRACE_CLIENTS];
	unsigned int nr_domains;
	uint64_t lost_there;	/* for want of room in the hypervisor */
	uint64_t lost_here;	/* too many domains, or objects */
};

/* One of the four.  Returns how many events were read. */
static int trace_call(struct trace *t, uint32_t what)
{
	struct xen_tmem_control op = { .op = what };
	int err;

	if (what == XEN_TMEM_TRACE_READ) {
		op.u.trace.nr = READ_ROOM;
		set_xen_guest_handle(op.u.trace.events, (void *)t->events);
	}
	err = xen_call(&op);
	if (err)
		return err;
	if (what != XEN_TMEM_TRACE_BEGIN)
		t->lost_there = op.u.trace.lost;
	if (what != XEN_TMEM_TRACE_READ)
		return 0;
	return op.u.trace.nr > READ_ROOM ? -EBADMSG : (int)op.u.trace.nr;
}

/* Its number in the trace, or -1 if there are too many */
static int client_of(struct trace *t, domid_t domid)
{
	unsigned int i = 0;

	while (i < t->nr_domains && t->domains[i] != domid)
		i++;
	if (i == TMEM_TRACE_CLIENTS)
		return -1;
	if (i == t->nr_domains)
		t->domains[t->nr_domains++] = domid;
	return i;
}

static void write_event(struct trace *t, const struct trace_event *e)
{
	uint8_t *next = trace_write(&t->writer, t->to, e);

	if (next)
		t->to = next;
	else
		t->lost_here++;
}

static void take(struct trace *t, const struct xen_tmem_event *got)
{
	bool ends = got->op == TMEM_OP_ATTACH ||
		    got->op == TMEM_OP_POOL_DESTROY;
	struct tmem_req req = {
		.op = got->op,
		.pool = got->pool,
		.index = got->index,
		.nr_pages = got->nr_pages,
	};
	struct trace_event e = {
		.us = got->us,
		.index = got->index,
		.nr_pages = got->nr_pages,
		.pool = got->pool,
		.op = got->op,
	}, create;
	int client;

	/* What was refused, whoever had been asked, is in no trace */
	if (!trace_fits(&req) || (!ends && got->flags > TMEM_POOL_PERSISTENT))
		return;
	client = client_of(t, got->domid);
	if (client < 0) {
		t->lost_here++;
		return;
	}
	e.client = client;
	memcpy(e.object, got->object, sizeof(e.object));
	if (!ends && !t->writer.there[client][e.pool]) {
		create = e;
		create.op = TMEM_OP_POOL_CREATE;
		create.index = got->flags;
		write_event(t, &create);
	}
	if (got->op != TMEM_OP_POOL_CREATE)
		write_event(t, &e);
}

static int piece_write(struct trace *t)
{
	size_t bytes = t->to - t->piece;

	t->to = t->piece;
	return bytes ? stream_write(&t->s, t->piece, bytes) : 0;
}

/* All that there is at the moment */
static int read_some(struct trace *t)
{
	int nr, i, err;

	do {
		nr = trace_call(t, XEN_TMEM_TRACE_READ);
		for (i = 0; i < nr; i++) {
			take(t, &t->events[i]);
			if (t->to < t->piece + PIECE)
				continue;
			err = piece_write(t);
			if (err)
				return err;
		}
	} while (nr > 0);
	return nr < 0 ? nr : piece_write(t);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* For so long, or until a signal says that it is enough */
static int trace(struct trace *t, int64_t seconds)
{
	int64_t end = now_ms() + 1000 * seconds;
	bool over;
	int err;

	t->to = trace_writer_head(t->piece);
	do {
		over = now_ms() >= end || stream_enough();
		err = over ? trace_call(t, XEN_TMEM_TRACE_STOP) : 0;
		if (!err)
			err = read_some(t);
		if (!err && !over)
			usleep(WAIT_US);
	} while (!err && !over);
	return err;
}

static void trace_answer(struct trace *t)
{
	struct json_object *all = json_object_new_array();
	char text[NAME_TEXT];
	const char *name;
	unsigned int i;

	for (i = 0; i < t->nr_domains; i++) {
		name = domain_name(text, t->domains[i]);
		json_object_array_add(all, json_object_new_string(name));
	}
	json_object_object_add(t->s.q->answer, "bytes",
			       json_object_new_uint64(t->s.bytes));
	json_object_object_add(t->s.q->answer, "records",
			       json_object_new_uint64(t->writer.records));
	json_object_object_add(t->s.q->answer, "lost",
			       json_object_new_uint64(t->lost_there +
						      t->lost_here));
	json_object_object_add(t->s.q->answer, "clients", all);
}

static int trace_explain(struct trace *t, int err)
{
	if (t->s.file)
		return refuse(t->s.q, -err, "the file: %s", strerror(-err));
	if (err == -ECANCELED)
		return refuse(t->s.q, ECANCELED,
			      "interrupted; the file has the beginning of the trace");
	if (err == -ENOENT)
		return refuse(t->s.q, EIO,
			      "the hypervisor has ended the trace, as nothing was read for too long");
	return err;
}

/**
 * domains_trace() - write what domains ask for to a file
 * @q: the request, with the file
 * @seconds: for so long
 *
 * Return: 0 or a negative error number
 */
int domains_trace(struct asked *q, int64_t seconds)
{
	static struct trace t;
	int err, end;

	err = stream_open(&t.s, q, 0, READ_PAGES);
	if (!err)
		err = trace_writer_begin(&t.writer);
	if (err)
		return err;
	t.events = (void *)t.s.buffer;
	err = trace_call(&t, XEN_TMEM_TRACE_BEGIN);
	if (err == -EBUSY)
		return refuse(q, EBUSY,
			      "there is a trace already; one whose reader was killed ends ten seconds later");
	if (err)
		return err;
	err = trace(&t, seconds);
	stream_progress(&t.s, true);
	end = trace_call(&t, XEN_TMEM_TRACE_END);
	if (!err)
		err = end;
	trace_answer(&t);
	trace_writer_end(&t.writer);
	return err ? trace_explain(&t, err) : 0;
}
