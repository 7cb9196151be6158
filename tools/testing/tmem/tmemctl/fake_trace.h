/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: traces of the hypervisor that is none, a part of fake_xen.c
 */

/*
 * What is read of a trace: of pools that are there before it, and end, and are
 * there again; of a time that goes back; and of what every store refuses.
 */
#define EVENT(d, what, p, kind, obj, from, pages, time) \
	{ .domid = (d), .op = TMEM_OP_##what, .pool = (p), .flags = (kind), \
	  .object = { (obj), 7 }, .index = (from), .nr_pages = (pages), \
	  .us = (time) }
static const struct xen_tmem_event events[] = {
	EVENT(1, PUT, 0, 0, 5, 0, 4, 100),
	EVENT(1, GET, 0, 0, 5, 0, 2, 90),
	EVENT(2, POOL_CREATE, 1, 1, 0, 1, 0, 200),
	EVENT(2, PUT, 1, 1, 6, 10, 3, 1000),
	EVENT(2, GET, 1, 1, 6, 10, 4, 70000),
	EVENT(1, PUT, 256, XEN_TMEM_NO_POOL, 5, 0, 4, 70000),
	EVENT(1, PUT, 7, XEN_TMEM_NO_POOL, 5, 0, 4, 70000),
	EVENT(1, PUT, 0, 0, 5, 0, 513, 70000),
	EVENT(1, GET, 0, 0, 5, UINT64_MAX, 2, 70000),
	EVENT(1, QUERY, 0, 0, 5, 0, 0, 70000),
	EVENT(1, FLUSH, 0, 0, 5, 0, 0, 70001),
	EVENT(1, POOL_DESTROY, 0, XEN_TMEM_NO_POOL, 0, 0, 0, 70002),
	EVENT(1, GET, 0, 0, 5, 0, 1, 70003),
	EVENT(2, ATTACH, 0, XEN_TMEM_NO_POOL, 0, 0, 0, 70004),
	EVENT(2, GET, 1, 1, 6, 10, 3, 70005),
};

/* and this was done before it was stopped, but not read */
static const struct xen_tmem_event last_event =
	EVENT(1, PUT, 0, 0, 9, UINT64_MAX, 1, 1000000);

/* A client of the trace for each of so many domains */
static uint32_t crowd(struct xen_tmem_event *out)
{
	uint32_t i;

	for (i = 0; i < 70; i++) {
		out[i] = events[1];
		out[i].domid = 100 + i;
	}
	return i;
}

static int trace_read(struct xen_tmem_control *op)
{
	static bool told, told_last;
	struct xen_tmem_event *out = op->u.trace.events.p;
	uint32_t room = op->u.trace.nr;

	op->u.trace.nr = 0;
	if (!told && lies("crowd")) {
		op->u.trace.nr = crowd(out);
	} else if (!told) {
		memcpy(out, events, sizeof(events));
		op->u.trace.nr = sizeof(events) / sizeof(*events);
	} else if (calls_of[XEN_TMEM_TRACE_STOP] && !told_last) {
		*out = last_event;
		op->u.trace.nr = 1;
		told_last = true;
	}
	told = true;
	if (lies("events"))
		op->u.trace.nr = room + 1;
	return 0;
}

static int trace(struct xen_tmem_control *op)
{
	if (op->op == XEN_TMEM_TRACE_BEGIN) {
		if (m->traced)
			return EBUSY;
		m->traced = true;
		return 0;
	}
	if (!m->traced)
		return ENOENT;
	op->u.trace.lost = calls_of[XEN_TMEM_TRACE_STOP] ? 7 : 3;
	if (op->op == XEN_TMEM_TRACE_READ)
		return trace_read(op);
	if (op->op == XEN_TMEM_TRACE_END)
		m->traced = false;
	return 0;
}
