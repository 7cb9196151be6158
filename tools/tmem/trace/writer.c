// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: writing traces
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "writer.h"

/* Objects that a trace can have, and twice as many places to look for them */
#define OBJECTS		1048576U
#define SLOTS		(2 * OBJECTS)

/**
 * trace_fits() - does the format have such a request?
 * @req: the request
 *
 * Return: false, and then every store has refused it
 */
bool trace_fits(const struct tmem_req *req)
{
	u64 last = req->index + req->nr_pages - 1;

	if (req->pool >= TMEM_TRACE_POOLS)
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

static void number(struct trace_writer *w, u64 value)
{
	while (value > 0x7f) {
		*w->to++ = value | 0x80;
		value >>= 7;
	}
	*w->to++ = value;
}

/* Finds an object by its name, or the place for a new one */
static u32 *slot_of(struct trace_writer *w, const u64 *name)
{
	u64 h = name[0] * 0x9e3779b97f4a7c15ULL;
	u32 *slot;

	h = (h ^ h >> 29 ^ name[1]) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ h >> 29 ^ name[2]) * 0x9e3779b97f4a7c15ULL;
	for (h >>= 32;; h++) {
		slot = &w->slots[h % SLOTS];
		if (!*slot || !memcmp(w->objects[*slot - 1].name, name,
				      sizeof(w->objects->name)))
			return slot;
	}
}

static void head(struct trace_writer *w, const struct trace_event *e, u8 op,
		 u16 pool)
{
	/* Time does not go back, whatever several processors say */
	u64 us = w->records && e->us < w->us ? w->us : e->us;

	*w->to++ = op;
	number(w, w->records ? us - w->us : 0);
	w->us = us;
	number(w, e->client);
	number(w, pool);
	w->records++;
}

/* False if there are too many objects */
static bool paged(struct trace_writer *w, const struct trace_event *e)
{
	u32 *slot = slot_of(w, e->object);
	struct trace_object *obj;
	u64 delta;
	int i;

	if (!*slot && w->nr_objects == OBJECTS)
		return false;
	head(w, e, e->op, e->pool);
	number(w, *slot ? *slot - 1 : w->nr_objects);
	if (!*slot) {
		*slot = ++w->nr_objects;
		obj = &w->objects[*slot - 1];
		memcpy(obj->name, e->object, sizeof(obj->name));
		for (i = 0; i < 3; i++)
			number(w, e->object[i]);
	}
	obj = &w->objects[*slot - 1];
	if (e->op == TMEM_OP_FLUSH_OBJECT)
		return true;
	delta = e->index - obj->last;
	number(w, delta << 1 ^ (delta >> 63 ? ~0ULL : 0));
	number(w, e->nr_pages);
	obj->last = e->index + (e->nr_pages ? e->nr_pages - 1 : 0);
	return true;
}

static void destroyed(struct trace_writer *w, const struct trace_event *e,
		      u16 pool)
{
	if (!w->there[e->client][pool])
		return;
	w->there[e->client][pool] = 0;
	head(w, e, TMEM_OP_POOL_DESTROY, pool);
}

/**
 * trace_writer_begin() - begin a trace
 * @w: out: the trace
 *
 * Return: 0 or -ENOMEM
 */
int trace_writer_begin(struct trace_writer *w)
{
	memset(w, 0, sizeof(*w));
	w->objects = calloc(OBJECTS, sizeof(*w->objects));
	w->slots = calloc(SLOTS, sizeof(*w->slots));
	if (w->objects && w->slots)
		return 0;
	trace_writer_end(w);
	return -ENOMEM;
}

/**
 * trace_writer_head() - write what a trace begins with
 * @to: room for it, TRACE_MARGIN
 *
 * Return: where the next byte goes
 */
u8 *trace_writer_head(u8 *to)
{
	memcpy(to, TMEM_TRACE_MAGIC, 8);
	return to + 8;
}

/**
 * trace_write() - write a request, and what follows from it
 * @w: the trace
 * @to: room for it, TRACE_MARGIN
 * @e: the request, which fits
 *
 * Return: where the next byte goes, or NULL if there are too many objects
 */
u8 *trace_write(struct trace_writer *w, u8 *to, const struct trace_event *e)
{
	unsigned int i;

	w->to = to;
	switch (e->op) {
	case TMEM_OP_ATTACH:
		for (i = 0; i < TMEM_TRACE_POOLS; i++)
			destroyed(w, e, i);
		return w->to;
	case TMEM_OP_POOL_CREATE:
		head(w, e, e->op, e->pool);
		number(w, e->index);
		w->there[e->client][e->pool] = 1;
		return w->to;
	case TMEM_OP_POOL_DESTROY:
		destroyed(w, e, e->pool);
		return w->to;
	}
	return paged(w, e) ? w->to : NULL;
}

/**
 * trace_writer_end() - be done with a trace
 * @w: the trace
 */
void trace_writer_end(struct trace_writer *w)
{
	free(w->objects);
	free(w->slots);
	w->objects = NULL;
	w->slots = NULL;
}
