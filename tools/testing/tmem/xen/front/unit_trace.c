// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tests of the hypercall, what is told of what guests ask
 */
#include <pthread.h>

#include "unit.h"

/* Requests that are kept while nobody reads */
#define KEPT	32768

/* Room of one read */
#define ROOM	512

static bool always(void)
{
	return true;
}

static long trace(uint32_t op)
{
	control_op(op, 0);
	return control();
}

static struct xen_tmem_control *last_call(void)
{
	return hv_at(0, AT(P_CALL));
}

static struct xen_tmem_event *events(void)
{
	return hv_at(0, AT(P_FROM));
}

/* Returns how many there are, at events(), or what is wrong */
static long trace_read(uint32_t room)
{
	struct xen_tmem_control *c = control_op(XEN_TMEM_TRACE_READ, 0);
	long rc;

	c->u.trace.nr = room;
	set_xen_guest_handle(c->u.trace.events, (void *)AT(P_FROM));
	rc = control();
	return rc ? rc : c->u.trace.nr;
}

/* Requests that can be told by their index, and that nothing comes of */
static void ask(uint64_t first, unsigned int nr)
{
	unsigned int i, some;

	for (; nr; nr -= some, first += some) {
		some = min_t(unsigned int, nr, TMEM_SUBMIT_MAX);
		for (i = 0; i < some; i++)
			reqs()[i] = keyed(TMEM_OP_FLUSH, 9, 1, first + i, 1);
		CHECK_EQ(submit(some), 0);
	}
}

/* Reads so many requests in a row */
static void expect(uint64_t first, unsigned int nr)
{
	unsigned int seen = 0;
	long got, i;

	while (seen < nr) {
		got = trace_read(min_t(unsigned int, nr - seen, ROOM));
		CHECK(got > 0);
		for (i = 0; i < got; i++)
			CHECK_EQ(events()[i].index, first + seen++);
	}
}

static void check_event(const struct xen_tmem_event *e, unsigned int domain,
			unsigned int op, unsigned int flags, uint64_t us)
{
	static const uint8_t zeros[sizeof(e->pad)];

	CHECK_EQ(e->domid, domain);
	CHECK_EQ(e->op, op);
	CHECK_EQ(e->flags, flags);
	CHECK_EQ(e->us, us);
	CHECK(!memcmp(e->pad, zeros, sizeof(zeros)));
}

static void a_trace_tells_what_is_asked(void)
{
	struct xen_tmem_event *e = events();
	struct tmem_req req;

	be(1);
	attach();
	CHECK_EQ(create(3, TMEM_POOL_PERSISTENT), 0);
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
	/* of what was before, nothing */
	CHECK_EQ(trace_read(ROOM), 0);
	be(1);
	hv_now += MICROSECS(7);
	CHECK_EQ(put(3, 5, 9, 20), 0);
	CHECK_EQ(get(3, 6, 1, 2), -ENOENT);
	hv_now += SECONDS(2);
	/* what is refused is told, too, and by what it is refused is not */
	CHECK_EQ(put(4, 5, 0, 1), -ENXIO);
	CHECK_EQ(put(3, 5, 0, 4000), -EINVAL);
	CHECK_EQ(one((struct tmem_req){ .op = 200, .pool = 0x12345678 }),
		 -EOPNOTSUPP);
	req = (struct tmem_req){ .op = TMEM_OP_POOL_DESTROY, .pool = 3 };
	CHECK_EQ(one(req), 0);
	/* one of version 1 is one of version 2 */
	be(2);
	CHECK_EQ(v1_new(0), 0);
	CHECK_EQ(v1(TMEM_PUT_PAGE, 0, 77, 8, P_FROM), 1);
	CHECK_EQ(trace_read(ROOM), 10);
	check_event(&e[0], 1, TMEM_OP_PUT, TMEM_POOL_PERSISTENT, 7);
	CHECK_EQ(e[0].pool, 3);
	CHECK_EQ(e[0].object[0], 5);
	CHECK_EQ(e[0].object[1], 7);
	CHECK_EQ(e[0].object[2], 0);
	CHECK_EQ(e[0].index, 9);
	CHECK_EQ(e[0].nr_pages, 20);
	check_event(&e[1], 1, TMEM_OP_GET, TMEM_POOL_PERSISTENT, 7);
	check_event(&e[2], 1, TMEM_OP_PUT, XEN_TMEM_NO_POOL, 2000007);
	check_event(&e[3], 1, TMEM_OP_PUT, TMEM_POOL_PERSISTENT, 2000007);
	CHECK_EQ(e[3].nr_pages, 4000);
	check_event(&e[4], 1, 200, XEN_TMEM_NO_POOL, 2000007);
	CHECK_EQ(e[4].pool, 0x12345678);
	check_event(&e[5], 1, TMEM_OP_POOL_DESTROY, XEN_TMEM_NO_POOL, 2000007);
	/* it had not been attached, which nobody had asked for */
	check_event(&e[6], 2, TMEM_OP_POOL_CREATE, XEN_TMEM_NO_POOL, 2000007);
	check_event(&e[7], 2, TMEM_OP_POOL_CREATE, XEN_TMEM_NO_POOL, 2000007);
	check_event(&e[8], 2, TMEM_OP_POOL_CREATE, 0, 2000007);
	check_event(&e[9], 2, TMEM_OP_PUT, 0, 2000007);
	CHECK_EQ(e[9].object[0], 77);
	CHECK_EQ(trace(XEN_TMEM_TRACE_END), 0);
}

static void a_trace_has_one_reader(void)
{
	static const uint32_t others[] = { XEN_TMEM_TRACE_READ,
					   XEN_TMEM_TRACE_STOP,
					   XEN_TMEM_TRACE_END };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		CHECK_EQ(trace(others[i]), -ENOENT);
	hv_no_memory = true;
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), -ENOMEM);
	hv_no_memory = false;
	for (i = 0; i < ARRAY_SIZE(others); i++)
		CHECK_EQ(trace(others[i]), -ENOENT);
	CHECK(!tmem_tracing);
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), -EBUSY);
	be(1);
	ask(0, 3);
	CHECK_EQ(trace(XEN_TMEM_TRACE_STOP), 0);
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), -EBUSY);
	/* nothing is added to it any more, but what there was is read */
	be(1);
	ask(3, 3);
	expect(0, 3);
	CHECK_EQ(trace_read(ROOM), 0);
	CHECK_EQ(trace(XEN_TMEM_TRACE_STOP), 0);
	CHECK_EQ(trace(XEN_TMEM_TRACE_END), 0);
	CHECK_EQ(trace(XEN_TMEM_TRACE_END), -ENOENT);
	/* the next one begins with nothing */
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
	CHECK_EQ(trace_read(ROOM), 0);
	CHECK_EQ(trace(XEN_TMEM_TRACE_END), 0);
}

static void a_trace_counts_what_is_lost(void)
{
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
	be(1);
	ask(0, KEPT);
	CHECK_EQ(trace_read(100), 100);
	CHECK_EQ(last_call()->u.trace.lost, 0);
	CHECK_EQ(events()[99].index, 99);
	be(1);
	ask(KEPT, 150);
	expect(100, 1000);
	CHECK_EQ(last_call()->u.trace.lost, 50);
	be(1);
	ask(KEPT + 150, 1000);
	/* stopped while it is full */
	be(1);
	ask(0, 7);
	CHECK_EQ(trace(XEN_TMEM_TRACE_STOP), 0);
	CHECK_EQ(last_call()->u.trace.lost, 57);
	expect(1100, KEPT - 1000);
	expect(KEPT + 150, 1000);
	CHECK_EQ(trace_read(ROOM), 0);
	CHECK_EQ(trace(XEN_TMEM_TRACE_END), 0);
	CHECK_EQ(last_call()->u.trace.lost, 57);
	/* ended while it is full */
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
	be(1);
	ask(0, KEPT + 5);
	CHECK_EQ(trace(XEN_TMEM_TRACE_END), 0);
	CHECK_EQ(last_call()->u.trace.lost, 5);
}

static void a_trace_loses_nothing_by_reading(void)
{
	struct xen_tmem_control *c;

	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
	be(1);
	ask(0, 6);
	CHECK_EQ(trace_read(0), 0);
	/* nobody has such memory */
	c = control_op(XEN_TMEM_TRACE_READ, 0);
	c->u.trace.nr = 5;
	CHECK_EQ(control(), -EFAULT);
	/* of this there is a part */
	c = control_op(XEN_TMEM_TRACE_READ, 0);
	c->u.trace.nr = 5;
	set_xen_guest_handle(c->u.trace.events, (void *)
			     (AT(HV_PAGES) - 2 * sizeof(*events()) - 8));
	CHECK_EQ(control(), 0);
	CHECK_EQ(c->u.trace.nr, 2);
	/* one that is preempted is short */
	hv_preempt_hook = always;
	CHECK_EQ(trace_read(ROOM), 1);
	CHECK_EQ(events()[0].index, 2);
	CHECK_EQ(hv_continued, 0);
	hv_preempt_hook = NULL;
	expect(3, 3);
	CHECK_EQ(trace(XEN_TMEM_TRACE_END), 0);
}

static void a_trace_without_reader_ends(void)
{
	unsigned int i;

	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
	for (i = 0; i < 30; i++) {
		hv_now += SECONDS(9);
		tmem_trace_expire();
		CHECK_EQ(trace_read(ROOM), 0);
	}
	hv_now += SECONDS(11);
	spin_lock(&tmem_control_lock);
	tmem_trace_expire();
	spin_unlock(&tmem_control_lock);
	CHECK(tmem_tracing);
	tmem_trace_expire();
	CHECK(!tmem_tracing);
	CHECK_EQ(trace_read(ROOM), -ENOENT);
	/* when there is none, nothing ends */
	tmem_trace_expire();
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
}

/* What is told is what was done, whatever the guest has there by now */
static unsigned int fetches;

static void change(void)
{
	if (++fetches == 2)
		memset(reqs(), 0xff, sizeof(*reqs()));
}

static void a_trace_reads_nothing_again(void)
{
	be(1);
	attach();
	CHECK_EQ(create(0, 0), 0);
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
	be(1);
	fetches = 0;
	hv_fetch_hook = change;
	CHECK_EQ(put(0, 4, 2, 1), 0);
	hv_fetch_hook = NULL;
	CHECK_EQ(trace_read(ROOM), 1);
	check_event(events(), 1, TMEM_OP_PUT, 0, 0);
	CHECK_EQ(events()->object[0], 4);
	CHECK_EQ(events()->index, 2);
}

/* ---- several vCPUs ---- */

static bool met;

/* Another vCPU has counted itself, has a slot, and has not written to it yet */
static void end_meanwhile(void)
{
	XEN_GUEST_HANDLE(void) uop = { (void *)AT(P_CALL) };
	static const uint32_t ops[] = { XEN_TMEM_TRACE_STOP,
					XEN_TMEM_TRACE_END };
	unsigned int i;

	hv_time_hook = NULL;
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		control_op(ops[i], 0);
		CHECK_EQ(do_tmem_op(uop), -ERESTART);
	}
	CHECK(!tmem_tracing);
	met = true;
	be(1);
}

static void a_trace_ends_when_nobody_writes(void)
{
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
	be(1);
	met = false;
	hv_time_hook = end_meanwhile;
	ask(5, 2);
	CHECK(met);
	/* the first one was written, as was promised; the other came too late */
	expect(5, 1);
	CHECK_EQ(trace_read(ROOM), 0);
	CHECK_EQ(trace(XEN_TMEM_TRACE_END), 0);
	CHECK_EQ(last_call()->u.trace.lost, 0);
}

#define WRITERS	3
#define EACH	100000

static atomic_t writing;

static void *writer(void *arg)
{
	struct tmem_req req = keyed(TMEM_OP_FLUSH, 9, 1, 0, 1);

	req.object[1] = *(unsigned int *)arg;
	for (; req.index < EACH; req.index++)
		tmem_trace_note(&hv_domains[1], &req);
	atomic_dec(&writing);
	return NULL;
}

/* Each in its order, none twice, and those that are not there were counted */
static void writers_do_not_disturb_each_other(void)
{
	uint64_t next[WRITERS] = { 0 }, seen = 0;
	unsigned int who[WRITERS] = { 0, 1, 2 }, i;
	pthread_t threads[WRITERS];
	bool over = false;
	long got, j;

	be(1);
	attach();
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
	writing = (atomic_t){ WRITERS };
	for (i = 0; i < WRITERS; i++)
		CHECK(!pthread_create(&threads[i], NULL, writer, &who[i]));
	do {
		if (!over && !atomic_read(&writing)) {
			over = true;
			CHECK_EQ(trace(XEN_TMEM_TRACE_STOP), 0);
		}
		got = trace_read(ROOM);
		CHECK(got >= 0);
		for (j = 0; j < got; j++, seen++) {
			i = events()[j].object[1];
			CHECK(i < WRITERS);
			CHECK(events()[j].index >= next[i]);
			next[i] = events()[j].index + 1;
		}
	} while (got || !over);
	for (i = 0; i < WRITERS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	CHECK_EQ(seen + last_call()->u.trace.lost, WRITERS * EACH);
	/* and it ends while they write: whoever was about to does not */
	CHECK_EQ(trace(XEN_TMEM_TRACE_END), 0);
	CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
	writing = (atomic_t){ WRITERS };
	for (i = 0; i < WRITERS; i++)
		CHECK(!pthread_create(&threads[i], NULL, writer, &who[i]));
	while (atomic_read(&writing)) {
		CHECK_EQ(trace(XEN_TMEM_TRACE_END), 0);
		CHECK_EQ(trace(XEN_TMEM_TRACE_BEGIN), 0);
	}
	for (i = 0; i < WRITERS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	CHECK_EQ(trace(XEN_TMEM_TRACE_END), 0);
}

const struct test trace_tests[] = {
	TEST(a_trace_tells_what_is_asked),
	TEST(a_trace_has_one_reader),
	TEST(a_trace_counts_what_is_lost),
	TEST(a_trace_loses_nothing_by_reading),
	TEST(a_trace_without_reader_ends),
	TEST(a_trace_reads_nothing_again),
	TEST(a_trace_ends_when_nobody_writes),
	TEST(writers_do_not_disturb_each_other),
};

const unsigned int nr_trace_tests = ARRAY_SIZE(trace_tests);
