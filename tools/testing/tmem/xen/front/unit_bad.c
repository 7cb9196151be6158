// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tests of the hypercall, what a guest must not do to it
 *
 * Each is a kind of what was found in Xen's first transcendent memory
 * (CVE-2012-3497, CVE-2012-6030 to 6036, and later).  After every call hv_call()
 * looks for locks, references, mappings and charges that were left behind, and
 * after every test that no line was logged and no memory is left.
 */
#include "unit.h"

static bool always(void)
{
	return true;
}

static void control_is_for_the_privileged(void)
{
	unsigned int op;

	for (op = 0; op < 32; op++) {
		struct xen_tmem_control c;

		memcpy(&c, control_op(op, 1), sizeof(c));
		be(1);
		memcpy(hv_at(1, AT(P_CALL)), &c, sizeof(c));
		CHECK_EQ(hv_call(AT(P_CALL)), -EPERM);
	}
	/* nor did it become a client by that */
	CHECK(!hv_domains[1].tmem);
}

static void control_believes_nothing(void)
{
	struct xen_tmem_control *c;
	unsigned int op, i;

	for (op = 0; op < 32; op++) {
		c = control_op(op, 0);
		c->version = 1;
		CHECK_EQ(control(), -EINVAL);
		/* of no such domain, or of one that dies */
		if (op == XEN_TMEM_SET || op == XEN_TMEM_DROP ||
		    (op >= XEN_TMEM_SAVE_BEGIN && op <= XEN_TMEM_RESTORE_END)) {
			control_op(op, 99);
			CHECK_EQ(control(), -ESRCH);
			hv_domains[2].is_dying = 1;
			control_op(op, 2);
			CHECK_EQ(control(), -ESRCH);
			hv_domains[2].is_dying = 0;
		}
		/* all of it ones, and of each kind of client */
		for (i = 0; i < 3; i++) {
			c = control_op(op, i);
			memset(&c->u, 0xff, sizeof(c->u));
			control();
			c = control_op(op, i);
			control();
		}
	}
	control_op(1000, 0);
	CHECK_EQ(control(), -EOPNOTSUPP);
	/* a piece of a stream that is longer than there is room for */
	control_op(XEN_TMEM_RESTORE_BEGIN, 1);
	CHECK_EQ(control(), 0);
	c = control_op(XEN_TMEM_RESTORE_FEED, 1);
	c->u.save.bytes = 1 << 20;
	set_xen_guest_handle(c->u.save.buffer, (void *)AT(P_FROM));
	CHECK_EQ(control(), -EINVAL);
}

static void ids_are_in_range(void)
{
	static const int32_t ids[] = { -1, 16, 17, 31, 32, 255, 1 << 20,
				       INT32_MIN, INT32_MAX };
	unsigned int i, cmd;

	be(1);
	CHECK_EQ(v1_new(0), 0);
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		for (cmd = TMEM_PUT_PAGE; cmd <= TMEM_FLUSH_OBJECT; cmd++)
			CHECK_EQ(v1(cmd, ids[i], 1, 1, P_FROM), -ENODEV);
		CHECK_EQ(v1(TMEM_DESTROY_POOL, ids[i], 0, 0, 0), 0);
		CHECK_EQ(put(ids[i], 1, 1, 1), -ENXIO);
		CHECK_EQ(get(ids[i], 1, 1, 1), -ENXIO);
		CHECK(create(ids[i], 0) == -EINVAL ||
		      (ids[i] > 0 && ids[i] < 32));
	}
}

static void addresses_are_the_guests(void)
{
	static const uint64_t bad[] = {
		0, 1, 8, HV_BASE - 1, HV_BASE - 8, AT(HV_PAGES) - 1,
		AT(HV_PAGES) - 4, AT(HV_PAGES) - 8, AT(HV_PAGES) - 16,
		AT(HV_PAGES), 1ULL << 47, ~0ULL, ~7ULL, 0xffff830000000000ULL,
	};
	struct xen_tmem_submit *sub;
	unsigned int i, cmd;

	be(1);
	attach();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(hv_call(bad[i]) < 0);
		sub = hv_at(me, AT(P_CALL));
		*sub = (struct xen_tmem_submit){ .cmd = TMEM_SUBMIT, .nr = 1,
						 .reqs = bad[i] };
		CHECK_EQ(hv_call(AT(P_CALL)), -EFAULT);
	}
	/* of each structure only the beginning is there */
	for (cmd = 0; cmd < 20; cmd++) {
		*(uint32_t *)hv_at(1, AT(HV_PAGES) - 4) = cmd;
		CHECK(hv_call(AT(HV_PAGES) - 4) < 0);
	}
	/* the second request is not there: the first one is done */
	memset(hv_at(1, AT(HV_PAGES) - 64), 0, 64);
	sub = hv_at(me, AT(P_CALL));
	*sub = (struct xen_tmem_submit){ .cmd = TMEM_SUBMIT, .nr = 2,
					 .reqs = AT(HV_PAGES) - 64 };
	CHECK_EQ(hv_call(AT(P_CALL)), -EFAULT);
	CHECK_EQ(((struct tmem_req *)hv_at(1, AT(HV_PAGES) - 64))->status,
		 -EOPNOTSUPP);
}

static void vectors_are_bounded(void)
{
	struct xen_tmem_submit *sub;
	unsigned int i;

	be(1);
	CHECK_EQ(submit(0), -EINVAL);
	CHECK_EQ(submit(TMEM_SUBMIT_MAX + 1), -EINVAL);
	CHECK_EQ(submit(~0u), -EINVAL);
	sub = hv_at(me, AT(P_CALL));
	for (i = 0; i < 32; i++) {
		*sub = (struct xen_tmem_submit){ .cmd = TMEM_SUBMIT, .nr = 1,
			.reserved = 1u << i, .reqs = AT(P_REQS) };
		CHECK_EQ(hv_call(AT(P_CALL)), -EINVAL);
	}
	*sub = (struct xen_tmem_submit){ .cmd = TMEM_SUBMIT, .nr = 1,
					 .done = 2, .reqs = AT(P_REQS) };
	CHECK_EQ(hv_call(AT(P_CALL)), -EINVAL);
	/* all done, says the guest: then nothing is */
	reqs()[0] = (struct tmem_req){ .status = 5 };
	*sub = (struct xen_tmem_submit){ .cmd = TMEM_SUBMIT, .nr = 1,
					 .done = 1, .reqs = AT(P_REQS) };
	CHECK_EQ(hv_call(AT(P_CALL)), 0);
	CHECK_EQ(reqs()[0].status, 5);
}

static void runs_do_not_overflow(void)
{
	static const uint32_t nrs[] = { 0, 513, 1 << 20, ~0u };
	struct tmem_req req;
	unsigned int i, op;

	be(2);
	attach();
	CHECK_EQ(create(0, 0), 0);
	CHECK_EQ(create(1, 1), 0);
	for (op = TMEM_OP_PUT; op <= TMEM_OP_GET; op++) {
		for (i = 0; i < ARRAY_SIZE(nrs); i++) {
			req = keyed(op, i & 1, 1, 0, nrs[i]);
			req.addr = hv_frame(me, P_FROM);
			CHECK_EQ(one(req), -EINVAL);
		}
		req = keyed(op, 0, 1, ~0ULL, 2);
		req.addr = hv_frame(me, P_FROM);
		CHECK_EQ(one(req), -EINVAL);
		/* frames that go on beyond the last there can be */
		req = keyed(op, 0, 1, 0, 2);
		req.addr = ~0ULL;
		CHECK_EQ(one(req), op == TMEM_OP_PUT ? -EFAULT : -ENOENT);
	}
	req = keyed(TMEM_OP_FLUSH, 0, 1, ~0ULL - 5, 100);
	CHECK_EQ(one(req), -EINVAL);
}

/* Pages that a guest may not name, or not for that */
static void frames_are_the_guests(void)
{
	static const unsigned int odd[] = { HV_TABLE, HV_READ_ONLY, HV_GRANT,
					    HV_ALIEN, HV_HOLE, HV_NR };
	unsigned int d, i, op;
	struct tmem_req req;
	bool mine, hidden;

	for (d = 1; d < 3; d++) {
		be(d);
		attach();
		CHECK_EQ(create(0, TMEM_POOL_PERSISTENT), 0);
		for (i = 0; i < ARRAY_SIZE(odd); i++) {
			mine = odd[i] == HV_TABLE || odd[i] == HV_READ_ONLY;
			req = keyed(TMEM_OP_PUT, 0, i, 0, 1);
			req.addr = hv_frame(d, odd[i]);
			/* pages of its own it may read, of whatever kind */
			CHECK_EQ(one(req), mine ? 0 : -EFAULT);
			fill(1, 1);
			CHECK_EQ(put(0, i, 0, 1), 0);
			req.op = TMEM_OP_GET;
			CHECK_EQ(one(req), -EFAULT);
			/* it is still there */
			CHECK_EQ(get(0, i, 0, 1), 0);
			CHECK(got(1, 1));
			for (op = TMEM_OP_ATTACH; op <= TMEM_OP_QUERY;
			     op += TMEM_OP_QUERY - TMEM_OP_ATTACH) {
				req = (struct tmem_req){ .op = op };
				req.addr = hv_frame(d, odd[i]);
				CHECK_EQ(one(req), -EFAULT);
			}
			/* the list may be such a page, or name one */
			req = keyed(TMEM_OP_GET, 0, i, 0, 1);
			req.flags = TMEM_REQ_LIST;
			req.addr = list_of(odd[i], 1);
			CHECK_EQ(one(req), -EFAULT);
			hidden = !mine;
			req.addr = hv_frame(d, odd[i]);
			if (hidden)
				CHECK_EQ(one(req), -EFAULT);
		}
	}
}

/* The good pages of a run that has a bad one */
static void a_bad_frame_in_a_run(void)
{
	struct tmem_req req;
	uint64_t *list;

	be(1);
	attach();
	CHECK_EQ(create(0, TMEM_POOL_PERSISTENT), 0);
	CHECK_EQ(create(1, 0), 0);
	fill(40, 1);
	CHECK_EQ(put(0, 1, 0, 40), 0);
	list_of(P_FROM, 40);
	list = hv_at(1, AT(P_LIST));
	list[20] = hv_frame(1, HV_ALIEN);
	req = keyed(TMEM_OP_PUT, 0, 1, 0, 40);
	req.flags = TMEM_REQ_LIST;
	req.addr = hv_frame(1, P_LIST);
	CHECK_EQ(one(req), -EFAULT);
	CHECK_EQ(query().persistent, 0);
	req.pool = 1;
	CHECK_EQ(one(req), 0);
	CHECK_EQ(reqs()[0].done, 20);
	CHECK_EQ(query().ephemeral, 20);
	req.op = TMEM_OP_GET;
	req.index = 10;
	list_of(P_TO, 40);
	list[5] = ~0ULL;
	CHECK_EQ(one(req), 0);
	CHECK_EQ(reqs()[0].done, 5);
	CHECK_EQ(query().ephemeral, 15);
}

static void nobody_logs_anything(void)
{
	unsigned int i;

	be(2);
	attach();
	CHECK_EQ(create(0, 0), 0);
	for (i = 0; i < 3 * HV_NR; i++) {
		struct tmem_req req = keyed(TMEM_OP_PUT, 0, 1, 0, 1);

		req.addr = i;
		one(req);
		req.op = TMEM_OP_GET;
		one(req);
	}
	CHECK_EQ(hv_logged, 0);
}

static void nobody_joins_a_pool(void)
{
	struct xen_tmem_v1 *op;
	unsigned int d;
	long id[3];

	for (d = 1; d < 3; d++) {
		be(d);
		op = hv_at(me, AT(P_CALL));
		memset(op, 0, sizeof(*op));
		op->cmd = TMEM_NEW_POOL;
		op->u.creat.flags = TMEM_POOL_SHARED |
			TMEM_SPEC_VERSION << TMEM_POOL_VERSION_SHIFT;
		op->u.creat.uuid[0] = 0x1234;
		id[d] = hv_call(AT(P_CALL));
		CHECK(id[d] >= 0);
		CHECK_EQ(create(20, TMEM_POOL_SHARED), -EPERM);
		CHECK_EQ(create(20, 4), -EINVAL);
	}
	be(1);
	CHECK_EQ(v1(TMEM_PUT_PAGE, id[1], 1, 1, P_FROM), 1);
	be(2);
	CHECK_EQ(v1(TMEM_GET_PAGE, id[2], 1, 1, P_TO), 0);
}

/* Clients, and what one put, are kept apart whatever names they use */
static void nobody_sees_what_others_put(void)
{
	unsigned int d;

	for (d = 0; d < 3; d++) {
		be(d);
		attach();
		CHECK_EQ(create(0, TMEM_POOL_PERSISTENT), 0);
		fill(4, 10 * d);
		CHECK_EQ(put(0, 1, 0, 4), 0);
	}
	for (d = 0; d < 3; d++) {
		be(d);
		fill(4, 99);
		CHECK_EQ(get(0, 1, 0, 4), 0);
		CHECK(got(4, 10 * d));
		CHECK_EQ(one(keyed(TMEM_OP_FLUSH_OBJECT, 0, 1, 0, 0)), 0);
		CHECK_EQ(reqs()[0].done, 4);
	}
}

/* Whatever is read twice is something else the second time */
static unsigned int fetches, change_at, change_bytes;

static void change(void)
{
	if (++fetches != change_at)
		return;
	memset(hv_page(me, P_CALL), 0xff, change_bytes);
	memset(hv_page(me, P_REQS), 0xff, 4 * 64);
}

static void nothing_is_fetched_twice(void)
{
	struct xen_tmem_submit *sub;
	unsigned int i;

	be(1);
	attach();
	CHECK_EQ(create(0, 0), 0);
	fill(1, 3);
	hv_fetch_hook = change;
	change_bytes = 256;
	/* after the first: the call; after the second: the request, too */
	for (change_at = 1; change_at < 6; change_at++) {
		fetches = 0;
		reqs()[0] = keyed(TMEM_OP_PUT, 0, change_at, 0, 1);
		reqs()[0].addr = hv_frame(me, P_FROM);
		sub = hv_at(me, AT(P_CALL));
		*sub = (struct xen_tmem_submit){ .cmd = TMEM_SUBMIT, .nr = 1,
						 .reqs = AT(P_REQS) };
		CHECK_EQ(hv_call(AT(P_CALL)), 0);
		if (change_at > 1)
			CHECK_EQ(reqs()[0].status, 0);
	}
	hv_fetch_hook = NULL;
	CHECK_EQ(get(0, 3, 0, 1), 0);
	CHECK(got(1, 3));
	/* a command of version 1 that becomes another one after it was chosen */
	change_bytes = 4;
	change_at = 1;
	for (i = TMEM_PUT_PAGE; i <= TMEM_FLUSH_OBJECT; i++) {
		hv_fetch_hook = change;
		fetches = 0;
		CHECK_EQ(v1(i, 0, 1, 1, P_FROM), 1);
		CHECK_EQ(fetches, 2);
	}
}

/* A guest that says of itself how far the hypervisor got */
static void progress_is_the_guests_own(void)
{
	struct xen_tmem_submit *sub;
	unsigned int i;

	be(1);
	attach();
	CHECK_EQ(create(0, 0), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(put(0, 1, i * TMEM_MAX_RUN, TMEM_MAX_RUN), 0);
	hv_preempt_hook = always;
	for (i = 0; i < 300; i++) {
		XEN_GUEST_HANDLE(void) uop = { (void *)AT(P_CALL) };

		/* the token of what was stopped, on a request of another kind */
		reqs()[0].op = TMEM_OP_FLUSH + i % 2;
		reqs()[0].pool = 0;
		reqs()[0].object[0] = 1 + i % 3;
		reqs()[0].object[1] = 7;
		reqs()[0].index = i % 2 ? 0 : 17;
		reqs()[0].nr_pages = i % 4 == 2 ? 1000 : 0;
		sub = hv_at(me, AT(P_CALL));
		*sub = (struct xen_tmem_submit){ .cmd = TMEM_SUBMIT, .nr = 1,
						 .reqs = AT(P_REQS) };
		do_tmem_op(uop);
		hv_idle();
		CHECK(!hv_check());
	}
}

/* What is begun and never ended: others, and the domain's end, are not delayed */
static void destroy_may_be_left_undone(void)
{
	XEN_GUEST_HANDLE(void) uop = { (void *)AT(P_CALL) };
	struct xen_tmem_submit *sub;
	unsigned int i;

	be(1);
	attach();
	CHECK_EQ(create(0, TMEM_POOL_PERSISTENT), 0);
	for (i = 0; i < 2; i++)
		CHECK_EQ(put(0, 1, i * TMEM_MAX_RUN, TMEM_MAX_RUN), 0);
	hv_preempt_hook = always;
	reqs()[0] = (struct tmem_req){ .op = TMEM_OP_POOL_DESTROY };
	sub = hv_at(me, AT(P_CALL));
	*sub = (struct xen_tmem_submit){ .cmd = TMEM_SUBMIT, .nr = 1,
					 .reqs = AT(P_REQS) };
	CHECK_EQ(do_tmem_op(uop), -ERESTART);
	hv_preempt_hook = NULL;
	CHECK_EQ(create(0, 0), -EBUSY);
	CHECK_EQ(get(0, 1, 0, 1), -ENXIO);
	hv_preempt_hook = always;
	for (i = 0; tmem_domain_destroy(&hv_domains[1]); i++)
		CHECK(i < 1000);
	CHECK(i > 1);
	CHECK(!hv_domains[1].tmem);
}

/* Whoever ends it, the one who began it is told that it was there */
static void a_destroy_is_finished_by_another(void)
{
	XEN_GUEST_HANDLE(void) uop = { (void *)AT(P_CALL) };
	unsigned int i;
	long p;

	be(1);
	p = v1_new(TMEM_POOL_PERSIST);
	for (i = 0; i < 2; i++)
		CHECK_EQ(put(p, 1, i * TMEM_MAX_RUN, TMEM_MAX_RUN), 0);
	hv_preempt_hook = always;
	v1_make(TMEM_DESTROY_POOL, p, 0, 0, 0);
	CHECK_EQ(do_tmem_op(uop), -ERESTART);
	hv_run_as(1, 1);
	attach();
	hv_run_as(1, 0);
	CHECK_EQ(v1(TMEM_DESTROY_POOL, p, 0, 0, 0), 1);
	CHECK_EQ(v1(TMEM_DESTROY_POOL, p, 0, 0, 0), 0);
	/* and one that nobody went on with is not remembered of the next pool */
	CHECK_EQ(v1_new(TMEM_POOL_PERSIST), p);
	for (i = 0; i < 2; i++)
		CHECK_EQ(put(p, 1, i * TMEM_MAX_RUN, TMEM_MAX_RUN), 0);
	v1_make(TMEM_DESTROY_POOL, p, 0, 0, 0);
	CHECK_EQ(do_tmem_op(uop), -ERESTART);
	attach();
	CHECK_EQ(v1_new(0), p);
	CHECK_EQ(one((struct tmem_req){ .op = TMEM_OP_POOL_DESTROY }), 0);
	CHECK_EQ(v1(TMEM_DESTROY_POOL, p, 0, 0, 0), 0);
}

static void no_memory_is_no_harm(void)
{
	be(1);
	hv_no_memory = true;
	CHECK_EQ(submit(1), -ENOMEM);
	CHECK_EQ(v1_new(0), -ENOMEM);
	CHECK(!hv_domains[1].tmem);
	hv_no_memory = false;
	attach();
	hv_no_memory = true;
	hv_run_as(1, 1);
	CHECK_EQ(submit(1), -ENOMEM);
	hv_no_memory = false;
	CHECK_EQ(submit(1), 0);
}

static void narrow_callers_are_refused(void)
{
	XEN_GUEST_HANDLE(void) uop = { (void *)AT(P_CALL) };

	be(1);
	memset(hv_page(1, P_CALL), 0, PAGE_SIZE);
	CHECK_EQ(compat_tmem_op(uop), -EOPNOTSUPP);
}

/* A call that finds the control lock taken waits by being made again */
static void nobody_waits_for_control(void)
{
	XEN_GUEST_HANDLE(void) uop = { (void *)AT(P_CALL) };

	be(1);
	attach();
	spin_lock(&tmem_control_lock);
	control_op(XEN_TMEM_INFO, 0);
	CHECK_EQ(do_tmem_op(uop), -ERESTART);
	CHECK_EQ(tmem_domain_destroy(&hv_domains[1]), -ERESTART);
	/* but for one that has failed to be created, whose end cannot wait */
	hv_domains[2].is_dying = DOMDYING_dead;
	CHECK_EQ(tmem_domain_destroy(&hv_domains[2]), 0);
	spin_unlock(&tmem_control_lock);
	CHECK_EQ(control(), 0);
}

const struct test bad_tests[] = {
	TEST(control_is_for_the_privileged),
	TEST(control_believes_nothing),
	TEST(ids_are_in_range),
	TEST(addresses_are_the_guests),
	TEST(vectors_are_bounded),
	TEST(runs_do_not_overflow),
	TEST(frames_are_the_guests),
	TEST(a_bad_frame_in_a_run),
	TEST(nobody_logs_anything),
	TEST(nobody_joins_a_pool),
	TEST(nobody_sees_what_others_put),
	TEST(nothing_is_fetched_twice),
	TEST(progress_is_the_guests_own),
	TEST(destroy_may_be_left_undone),
	TEST(a_destroy_is_finished_by_another),
	TEST(no_memory_is_no_harm),
	TEST(narrow_callers_are_refused),
	TEST(nobody_waits_for_control),
};

const unsigned int nr_bad_tests = ARRAY_SIZE(bad_tests);
