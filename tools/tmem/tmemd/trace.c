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

#define MAGIC		"tmemtrc\1"

#define EVENTS		65536U
#define POOLS		256U

/* Objects that a trace can have, and twice as many places to look for them */
#define OBJECTS		1048576U
#define SLOTS		(2 * OBJECTS)

struct event {
	u64 us;
	u64 object[3];
	u64 index;
	u32 nr_pages;
	u16 pool;
	u8 op;
	u8 client;
};

struct object {
	u64 name[3];
	u64 last;
};

static struct trace {
	pthread_mutex_t lock;
	bool busy;			/* L: there is one */
	struct event *events;		/* L: circular */
	u32 first;			/* L: the oldest */
	u32 nr;				/* L */
	u64 lost;			/* L */
	struct object *objects;		/* R */
	u32 *slots;			/* R: object + 1, or 0 */
	u32 nr_objects;			/* R */
	u64 us;				/* R: time of the last record */
	u64 records;			/* R */
	bool begun;			/* R: it has its magic */
	u8 there[TMEMD_CLIENTS][POOLS];	/* R: the pool was created */
	u8 *to;				/* R: where the next byte goes */
} trace = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool trace_on;

/* ---- whoever serves ---- */

static u64 now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

/* Does the format have such a one?  The store has refused it otherwise. */
static bool fits(const struct tmem_req *req)
{
	u64 last = req->index + req->nr_pages - 1;

	if (req->pool >= POOLS)
		return false;
	switch (req->op) {
	case TMEM_OP_PUT:
	case TMEM_OP_GET:
		return req->nr_pages && req->nr_pages <= TMEM_MAX_RUN &&
		       last >= req->index;
	case TMEM_OP_FLUSH:
		return !req->nr_pages || last >= req->index;
	case TMEM_OP_POOL_CREATE:
		return req->index <= TMEM_POOL_PERSISTENT;
	case TMEM_OP_ATTACH:
	case TMEM_OP_POOL_DESTROY:
	case TMEM_OP_FLUSH_OBJECT:
		return true;
	}
	return false;
}

static void note_locked(unsigned int client, const struct tmem_req *req)
{
	struct event *e;

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

/**
 * trace_note_slow() - write a request down
 * @client: whose
 * @req: the request
 *
 * Context: any thread.
 */
void trace_note_slow(const struct client *client, const struct tmem_req *req)
{
	if (!fits(req))
		return;
	pthread_mutex_lock(&trace.lock);
	if (trace_on)
		note_locked(client - clients, req);
	pthread_mutex_unlock(&trace.lock);
}

/* ---- whoever reads ---- */

static void number(u64 value)
{
	while (value > 0x7f) {
		*trace.to++ = value | 0x80;
		value >>= 7;
	}
	*trace.to++ = value;
}

/* Finds an object by its name, or the place for a new one */
static u32 *slot_of(const u64 *name)
{
	u64 h = name[0] * 0x9e3779b97f4a7c15ULL;
	u32 *slot;

	h = (h ^ h >> 29 ^ name[1]) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ h >> 29 ^ name[2]) * 0x9e3779b97f4a7c15ULL;
	for (h >>= 32;; h++) {
		slot = &trace.slots[h % SLOTS];
		if (!*slot || !memcmp(trace.objects[*slot - 1].name, name,
				      sizeof(trace.objects->name)))
			return slot;
	}
}

static void head(u8 op, u64 us, u8 client, u16 pool)
{
	*trace.to++ = op;
	number(us - trace.us);
	trace.us = us;
	number(client);
	number(pool);
	trace.records++;
}

/* False if there are too many objects */
static bool paged(const struct event *e)
{
	u32 *slot = slot_of(e->object);
	struct object *obj;
	u64 delta;
	int i;

	if (!*slot && trace.nr_objects == OBJECTS)
		return false;
	head(e->op, e->us, e->client, e->pool);
	number(*slot ? *slot - 1 : trace.nr_objects);
	if (!*slot) {
		*slot = ++trace.nr_objects;
		obj = &trace.objects[*slot - 1];
		memcpy(obj->name, e->object, sizeof(obj->name));
		for (i = 0; i < 3; i++)
			number(e->object[i]);
	}
	obj = &trace.objects[*slot - 1];
	if (e->op == TMEM_OP_FLUSH_OBJECT)
		return true;
	delta = e->index - obj->last;
	number(delta << 1 ^ (delta >> 63 ? ~0ULL : 0));
	number(e->nr_pages);
	obj->last = e->index + (e->nr_pages ? e->nr_pages - 1 : 0);
	return true;
}

static void destroyed(const struct event *e, u16 pool)
{
	if (!trace.there[e->client][pool])
		return;
	trace.there[e->client][pool] = 0;
	head(TMEM_OP_POOL_DESTROY, e->us, e->client, pool);
}

static bool record(const struct event *e)
{
	unsigned int i;

	switch (e->op) {
	case TMEM_OP_ATTACH:
		for (i = 0; i < POOLS; i++)
			destroyed(e, i);
		return true;
	case TMEM_OP_POOL_CREATE:
		head(e->op, e->us, e->client, e->pool);
		number(e->index);
		trace.there[e->client][e->pool] = 1;
		return true;
	case TMEM_OP_POOL_DESTROY:
		destroyed(e, e->pool);
		return true;
	}
	return paged(e);
}

static bool take(struct event *e)
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
	u8 *end = buf + bytes - TRACE_MARGIN;
	struct event e;

	trace.to = buf;
	if (!trace.begun) {
		memcpy(trace.to, MAGIC, 8);
		trace.to += 8;
		trace.begun = true;
	}
	while (trace.to < end && take(&e)) {
		if (!trace.us)
			trace.us = e.us;
		if (record(&e))
			continue;
		pthread_mutex_lock(&trace.lock);
		trace.lost++;
		pthread_mutex_unlock(&trace.lock);
	}
	return trace.to - buf;
}

/* ---- from beginning to end ---- */

/* The pools that there are already */
static void note_pools(void)
{
	struct tmem_req req = { .op = TMEM_OP_POOL_CREATE };
	struct client *c;
	int flags;

	for (c = clients; c < clients + TMEMD_CLIENTS; c++) {
		for (req.pool = 0; c->store && req.pool < POOLS; req.pool++) {
			flags = tstore_client_pool(c->store, req.pool);
			if (flags < 0)
				continue;
			req.index = flags;
			note_locked(c - clients, &req);
		}
	}
}

static void trace_free(void)
{
	free(trace.events);
	free(trace.objects);
	free(trace.slots);
	trace.events = NULL;
	trace.objects = NULL;
	trace.slots = NULL;
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
	trace.nr_objects = 0;
	trace.us = 0;
	trace.records = 0;
	trace.begun = false;
	memset(trace.there, 0, sizeof(trace.there));
	trace.events = calloc(EVENTS, sizeof(*trace.events));
	trace.objects = calloc(OBJECTS, sizeof(*trace.objects));
	trace.slots = calloc(SLOTS, sizeof(*trace.slots));
	if (trace.events && trace.objects && trace.slots) {
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
	*records = trace.records;
	*lost = trace.lost;
	trace_free();
	pthread_mutex_unlock(&trace.lock);
}
