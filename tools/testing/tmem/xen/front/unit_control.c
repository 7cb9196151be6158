// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tests of the hypercall, what a toolstack does with it
 */
#include "unit.h"

static bool always(void)
{
	return true;
}

static void control_sees_and_sets(void)
{
	struct xen_tmem_control *c;
	struct xen_tmem_client *list;

	be(2);
	attach();
	CHECK_EQ(create(0, 0), 0);
	CHECK_EQ(create(1, TMEM_POOL_PERSISTENT), 0);
	CHECK_EQ(put(0, 1, 0, 100), 0);
	CHECK_EQ(put(1, 1, 0, 10), 0);
	c = control_op(XEN_TMEM_INFO, 0);
	CHECK_EQ(control(), 0);
	CHECK_EQ(c->u.info.ephemeral, 100);
	CHECK_EQ(c->u.info.persistent, 10);
	c = control_op(XEN_TMEM_SET, 2);
	c->u.set.what = XEN_TMEM_SET_MIN | XEN_TMEM_SET_WEIGHT |
			XEN_TMEM_SET_CAP;
	c->u.set.min = 5;
	c->u.set.weight = 7;
	c->u.set.cap = 60;
	CHECK_EQ(control(), 0);
	c = control_op(XEN_TMEM_LIST, 0);
	list = hv_at(0, AT(P_FROM));
	set_xen_guest_handle(c->u.list.clients, (void *)AT(P_FROM));
	c->u.list.nr = 8;
	CHECK_EQ(control(), 0);
	CHECK_EQ(c->u.list.nr, 1);
	CHECK_EQ(list->domid, 2);
	CHECK_EQ(list->min, 5);
	CHECK_EQ(list->weight, 7);
	CHECK_EQ(list->cap, 60);
	CHECK_EQ(list->ephemeral, 50);
	CHECK_EQ(list->persistent, 10);
	c = control_op(XEN_TMEM_DROP, 2);
	c->u.pages.nr = 20;
	CHECK_EQ(control(), 0);
	CHECK_EQ(c->u.pages.done, 20);
	be(2);
	CHECK_EQ(query().ephemeral, 30);
	CHECK_EQ(query().limit, 60);
	c = control_op(XEN_TMEM_POLICY, 0);
	c->u.policy = 2;
	CHECK_EQ(control(), 0);
	c->u.policy = 200;
	CHECK_EQ(control(), -EINVAL);
}

/* What XEN_TMEM_LIST says of a domain */
static struct xen_tmem_client listed(domid_t domid)
{
	struct xen_tmem_control *c = control_op(XEN_TMEM_LIST, domid);

	set_xen_guest_handle(c->u.list.clients, (void *)AT(P_FROM));
	c->u.list.nr = 1;
	CHECK_EQ(control(), 0);
	CHECK_EQ(c->u.list.nr, 1);
	return *(struct xen_tmem_client *)hv_at(0, AT(P_FROM));
}

static void control_tells_what_was_done(void)
{
	struct xen_tmem_control *c;
	struct xen_tmem_client was;
	struct tmem_req flush;
	long p;

	be(1);
	attach();
	CHECK_EQ(create(0, TMEM_POOL_PERSISTENT), 0);
	was = listed(1);
	CHECK_EQ(was.requests, 2);
	CHECK_EQ(was.vectors, 2);
	CHECK_EQ(was.puts + was.stored + was.gets + was.hits + was.flushed, 0);
	be(1);
	fill(40, 1);
	CHECK_EQ(put(0, 1, 0, 40), 0);
	hv_domains[1].max_pages = hv_domains[1].tot_pages + 40;
	/* this one is refused, and drops two */
	CHECK_EQ(put(0, 1, 38, 10), -EDQUOT);
	hv_run_as(1, 1);
	CHECK_EQ(get(0, 1, 30, 20), 0);
	CHECK_EQ(get(0, 1, 100, 3), -ENOENT);
	flush = keyed(TMEM_OP_FLUSH, 0, 1, 7, 2);
	hv_preempt_hook = always;
	reqs()[0] = flush;
	reqs()[1] = keyed(TMEM_OP_FLUSH_OBJECT, 0, 1, 0, 0);
	CHECK_EQ(submit(2), 0);
	CHECK(hv_continued);
	hv_preempt_hook = NULL;
	/* calls that are not carried out */
	CHECK_EQ(submit(0), -EINVAL);
	was = listed(1);
	CHECK_EQ(was.vectors, 7);
	CHECK_EQ(was.requests, 8);
	CHECK_EQ(was.puts, 50);
	CHECK_EQ(was.stored, 40);
	CHECK_EQ(was.gets, 23);
	CHECK_EQ(was.hits, 8);
	CHECK_EQ(was.flushed, 38);
	/* those of version 1 are counted, too */
	be(2);
	p = v1_new(0);
	CHECK_EQ(v1(TMEM_PUT_PAGE, p, 5, 6, P_FROM), 1);
	CHECK_EQ(v1(TMEM_GET_PAGE, p, 5, 6, P_TO), 1);
	CHECK_EQ(v1(TMEM_GET_PAGE, p, 5, 6, P_TO), 0);
	was = listed(2);
	CHECK_EQ(was.vectors, 0);
	CHECK_EQ(was.puts, 1);
	CHECK_EQ(was.stored, 1);
	CHECK_EQ(was.gets, 2);
	CHECK_EQ(was.hits, 1);
	/* and a list may be short, but is never without end */
	hv_preempt_hook = always;
	c = control_op(XEN_TMEM_LIST, 0);
	set_xen_guest_handle(c->u.list.clients, (void *)AT(P_FROM));
	c->u.list.nr = 8;
	CHECK_EQ(control(), 0);
	CHECK_EQ(c->u.list.nr, 1);
	CHECK_EQ(((struct xen_tmem_client *)hv_at(0, AT(P_FROM)))->domid, 1);
}

static int report(uint64_t target, uint64_t *grant)
{
	struct tmem_report *said = hv_at(me, AT(P_QUERY));
	struct tmem_req req = {
		.op = TMEM_OP_REPORT, .addr = hv_frame(me, P_QUERY) };
	int err;

	*said = (struct tmem_report){
		.total = 1000, .floor = 200, .estimate = 700, .target = target,
		.misses = 50, .pressure = 7, .confidence = 90,
		.flags = TMEM_REPORT_HOST,
	};
	err = one(req);
	*grant = said->grant;
	return err;
}

static void control_set(uint32_t what, uint8_t refuse, uint64_t grant, long err)
{
	struct xen_tmem_control *c = control_op(XEN_TMEM_SET, 1);

	c->u.set.what = what;
	c->u.set.refuse = refuse;
	c->u.set.grant = grant;
	CHECK_EQ(control(), err);
}

/* What a guest says of its memory, and is answered */
static void control_hears_and_answers(void)
{
	struct xen_tmem_client was;
	uint64_t grant;

	be(1);
	attach();
	was = listed(1);
	CHECK_EQ(was.reports + was.report.total, 0);
	be(1);
	CHECK_EQ(report(800, &grant), 0);
	CHECK_EQ(grant, 800);
	control_set(XEN_TMEM_SET_GRANT, 0, 600, 0);
	be(1);
	CHECK_EQ(report(900, &grant), 0);
	CHECK_EQ(grant, 600);
	CHECK_EQ(report(TMEM_REPORT_MAX + 1, &grant), -EINVAL);
	was = listed(1);
	CHECK_EQ(was.reports, 2);
	CHECK_EQ(was.report.total, 1000);
	CHECK_EQ(was.report.floor, 200);
	CHECK_EQ(was.report.estimate, 700);
	CHECK_EQ(was.report.target, 900);
	CHECK_EQ(was.report.misses, 50);
	CHECK_EQ(was.report.grant, 600);
	CHECK_EQ(was.report.pressure, 7);
	CHECK_EQ(was.report.confidence, 90);
	CHECK_EQ(was.report.flags, TMEM_REPORT_HOST);
	control_set(XEN_TMEM_SET_GRANT, 0, 0, 0);
	be(1);
	CHECK_EQ(report(900, &grant), 0);
	CHECK_EQ(grant, 900);
}

/* Only what must stay, and only from then on */
static void control_refuses(void)
{
	struct xen_tmem_client was;

	be(1);
	attach();
	CHECK_EQ(create(0, 0), 0);
	CHECK_EQ(create(1, TMEM_POOL_PERSISTENT), 0);
	CHECK_EQ(put(1, 1, 0, 10), 0);
	control_set(XEN_TMEM_SET_REFUSE, 2, 0, -EINVAL);
	control_set(1u << 7, 0, 0, -EINVAL);
	control_set(XEN_TMEM_SET_REFUSE, 1, 0, 0);
	CHECK_EQ(listed(1).refuse, 1);
	be(1);
	CHECK_EQ(put(1, 2, 0, 10), -EBUSY);
	CHECK_EQ(put(0, 2, 0, 10), 0);
	CHECK_EQ(get(1, 1, 0, 10), 0);
	CHECK_EQ(get(0, 2, 0, 10), 0);
	was = listed(1);
	CHECK_EQ(was.hits, 20);
	CHECK_EQ(was.loaded, 10);
	CHECK(was.found >= 10);
	control_set(XEN_TMEM_SET_REFUSE, 0, 0, 0);
	be(1);
	CHECK_EQ(put(1, 2, 0, 10), 0);
	CHECK_EQ(listed(1).refuse, 0);
}

static void control_stops_in_time(void)
{
	struct xen_tmem_control *c;
	unsigned int i;

	be(1);
	attach();
	CHECK_EQ(create(0, 0), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(put(0, i, 0, TMEM_MAX_RUN), 0);
	hv_preempt_hook = always;
	c = control_op(XEN_TMEM_DROP, 1);
	c->u.pages.nr = 500;
	CHECK_EQ(control(), 0);
	CHECK_EQ(c->u.pages.done, 500);
	CHECK(hv_continued >= 500 / 64);
	c = control_op(XEN_TMEM_SET, 1);
	c->u.set.what = XEN_TMEM_SET_CAP;
	c->u.set.cap = 100;
	CHECK_EQ(control(), 0);
	CHECK(hv_continued >= 1000 / 64);
	be(1);
	CHECK_EQ(query().ephemeral, 100);
}

static long stream_op(uint32_t op, domid_t domid, uint32_t bytes)
{
	struct xen_tmem_control *c = control_op(op, domid);

	c->u.save.entries = op == XEN_TMEM_SAVE_BEGIN ? 100 : 0;
	c->u.save.bytes = bytes;
	set_xen_guest_handle(c->u.save.buffer, (void *)AT(P_FROM));
	return control();
}

static void a_guest_moves(void)
{
	struct xen_tmem_control *c = hv_at(0, AT(P_CALL));
	unsigned int i, pieces = 0;

	be(1);
	attach();
	CHECK_EQ(create(3, TMEM_POOL_PERSISTENT), 0);
	for (i = 0; i < 10; i++) {
		fill(8, i);
		CHECK_EQ(put(3, i, 0, 8), 0);
	}
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_NEXT, 1, 8192), -EINVAL);
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_BEGIN, 1, 0), 0);
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_BEGIN, 1, 0), -EBUSY);
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_NEXT, 1, 100), -EINVAL);
	CHECK_EQ(stream_op(XEN_TMEM_RESTORE_BEGIN, 2, 0), 0);
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_FINISH, 1, 0), -EINVAL);
	hv_domains[1].pause_count.counter = 1;
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_FINISH, 1, 0), 0);
	do {
		CHECK_EQ(stream_op(XEN_TMEM_SAVE_NEXT, 1, 16384), 0);
		i = c->u.save.more;
		hv_grown = 0;
		CHECK_EQ(stream_op(XEN_TMEM_RESTORE_FEED, 2, c->u.save.bytes),
			 0);
		CHECK(hv_grown);
		pieces++;
	} while (i);
	CHECK(pieces > 10);
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_END, 1, 0), 0);
	CHECK_EQ(stream_op(XEN_TMEM_RESTORE_END, 2, 0), 0);
	be(2);
	for (i = 0; i < 10; i++) {
		fill(8, 77);
		CHECK_EQ(get(3, i, 0, 8), 0);
		CHECK_EQ(reqs()[0].done, 8);
		CHECK(got(8, i));
	}
	/* and a stream that is not one */
	memset(hv_page(0, P_FROM), 0x5a, PAGE_SIZE);
	CHECK_EQ(stream_op(XEN_TMEM_RESTORE_FEED, 2, 100), -EINVAL);
	attach();
	CHECK_EQ(stream_op(XEN_TMEM_RESTORE_BEGIN, 0, 0), -EBUSY);
}

/* What is left to tell is all that there is only once the domain has stopped */
static void only_who_stands_still_is_finished(void)
{
	struct domain *d = &hv_domains[1];

	be(1);
	attach();
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_BEGIN, 1, 0), 0);
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_FINISH, 1, 0), -EINVAL);
	/* its vCPUs are on the way, or it has ended in another way */
	d->shutdown_code = SHUTDOWN_suspend;
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_FINISH, 1, 0), -EINVAL);
	d->is_shut_down = true;
	d->shutdown_code = SHUTDOWN_poweroff;
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_FINISH, 1, 0), -EINVAL);
	CHECK_EQ(d->pauses, 0);
	d->shutdown_code = SHUTDOWN_suspend;
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_FINISH, 1, 0), 0);
	/* they were waited for, and it is as it was */
	CHECK_EQ(d->pauses, 1);
	CHECK_EQ(d->pause_count.counter, 0);
	/* nothing of it was told */
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_END, 1, 0), -EBUSY);
	/* whoever calls does not stand still */
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_BEGIN, 0, 0), 0);
	hv_domains[0].is_shut_down = true;
	hv_domains[0].shutdown_code = SHUTDOWN_suspend;
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_FINISH, 0, 0), -EINVAL);
	CHECK_EQ(stream_op(XEN_TMEM_SAVE_END, 0, 0), -EBUSY);
}

const struct test control_tests[] = {
	TEST(control_sees_and_sets),
	TEST(control_tells_what_was_done),
	TEST(control_hears_and_answers),
	TEST(control_refuses),
	TEST(control_stops_in_time),
	TEST(a_guest_moves),
	TEST(only_who_stands_still_is_finished),
};

const unsigned int nr_control_tests = ARRAY_SIZE(control_tests);
