// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, traces of what clients ask for
 *
 * Threads that serve write requests down in a queue, for as long as it takes to
 * copy one, and never wait: what does not fit is counted as lost.  One thread
 * takes them from there and writes records, as tools/tmem/replay/trace.h has
 * them.
 *
 * Fields of struct trace: "L: " under the lock; "R: " of the thread that reads.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "trace.h"
#include "../trace/writer.h"

#define EVENTS		65536U

static struct trace {
	pthread_mutex_t lock;
	bool busy;			/* L: there is one */
	struct trace_event *events;	/* L: circular */
	u32 first;			/* L: the oldest */
	u32 nr;				/* L */
	u64 lost;			/* L */
	struct trace_writer writer;	/* R */
	bool begun;			/* R: it has its magic */
} trace = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool trace_on;

/* ---- whoever serves ---- */

static u64 now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static void note_locked(unsigned int client, const struct tmem_req *req)
{
	struct trace_event *e;

	if (trace.nr == EVENTS) {
		trace.lost++;
		return;
	}
	e = &trace.events[(trace.first + trace.nr++) % EVENTS];
	e->us = now_us();
	memcpy(e->object, req->object, sizeof(e->object));
	e->index = req->index;
	e->nr_pages = req->nr_pages;
	e->pool = req->pool;
	e->op = req->op;
	e->client = client;
}

/* What is in a shared pool depends on others: a trace leaves it out */
static bool is_shared(const struct client *client, const struct tmem_req *req)
{
	int flags = tstore_client_pool(client->store, req->pool);

	return flags > 0 && flags & TMEM_POOL_SHARED;
}

/**
 * trace_note_slow() - write a request down
 * @client: whose
 * @req: the request
 *
 * Context: any thread.
 */
void trace_note_slow(const struct client *client, const struct tmem_req *req)
{
	if (!trace_fits(req) || is_shared(client, req))
		return;
	pthread_mutex_lock(&trace.lock);
	if (trace_on)
		note_locked(client - clients, req);
	pthread_mutex_unlock(&trace.lock);
}

/* ---- whoever reads ---- */

static bool take(struct trace_event *e)
{
	bool any;

	pthread_mutex_lock(&trace.lock);
	any = trace.nr;
	if (any) {
		*e = trace.events[trace.first];
		trace.first = (trace.first + 1) % EVENTS;
		trace.nr--;
	}
	pthread_mutex_unlock(&trace.lock);
	return any;
}

/**
 * trace_next() - get the next part of the trace
 * @buf: room for it
 * @bytes: so much; TRACE_MARGIN of it is for what one request may come to
 *
 * Context: one thread.
 * Return: bytes that there are; 0: nothing at the moment
 */
size_t trace_next(u8 *buf, size_t bytes)
{
	u8 *to = buf, *end = buf + bytes - TRACE_MARGIN, *next;
	struct trace_event e;

	if (!trace.begun)
		to = trace_writer_head(to);
	trace.begun = true;
	while (to < end && take(&e)) {
		next = trace_write(&trace.writer, to, &e);
		if (next) {
			to = next;
			continue;
		}
		pthread_mutex_lock(&trace.lock);
		trace.lost++;
		pthread_mutex_unlock(&trace.lock);
	}
	return to - buf;
}

/* ---- from beginning to end ---- */

/* The pools that there are already */
static void note_pools(void)
{
	struct tmem_req req = { .op = TMEM_OP_POOL_CREATE };
	struct client *c;
	int flags;

	for (c = clients; c < clients + TMEMD_CLIENTS; c++) {
		for (req.pool = 0; c->store && req.pool < TMEM_TRACE_POOLS;
		     req.pool++) {
			flags = tstore_client_pool(c->store, req.pool);
			if (flags < 0 || flags & TMEM_POOL_SHARED)
				continue;
			req.index = flags;
			note_locked(c - clients, &req);
		}
	}
}

static void trace_free(void)
{
	trace_writer_end(&trace.writer);
	free(trace.events);
	trace.events = NULL;
	trace.busy = false;
}

/**
 * trace_begin() - write down from now on what clients ask for
 *
 * Context: the main thread.
 * Return: 0, -EBUSY if there is a trace already, or -ENOMEM
 */
int trace_begin(void)
{
	int err = 0;

	pthread_mutex_lock(&trace.lock);
	if (trace.busy) {
		pthread_mutex_unlock(&trace.lock);
		return -EBUSY;
	}
	trace.busy = true;
	trace.first = 0;
	trace.nr = 0;
	trace.lost = 0;
	trace.begun = false;
	trace.events = calloc(EVENTS, sizeof(*trace.events));
	if (!trace_writer_begin(&trace.writer) && trace.events) {
		note_pools();
		env_write_once(trace_on, true);
	} else {
		trace_free();
		err = -ENOMEM;
	}
	pthread_mutex_unlock(&trace.lock);
	return err;
}

/**
 * trace_stop() - write nothing down any more
 *
 * What was written down can still be read.
 *
 * Context: any thread.
 */
void trace_stop(void)
{
	pthread_mutex_lock(&trace.lock);
	env_write_once(trace_on, false);
	pthread_mutex_unlock(&trace.lock);
}

/**
 * trace_end() - be done with a trace
 * @records: out: what it has
 * @lost: out: requests that are not in it
 *
 * Context: the thread that reads.
 */
void trace_end(u64 *records, u64 *lost)
{
	pthread_mutex_lock(&trace.lock);
	env_write_once(trace_on, false);
	*records = trace.writer.records;
	*lost = trace.lost;
	trace_free();
	pthread_mutex_unlock(&trace.lock);
}
