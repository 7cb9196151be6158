// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tests of the hypercall, what it is to do
 */
#include "unit.h"

#define FRAMES	2500

unsigned int me;

void be(unsigned int domain)
{
	me = domain;
	hv_run_as(domain, 0);
}

struct tmem_req *reqs(void)
{
	return hv_at(me, AT(P_REQS));
}

long submit(unsigned int nr)
{
	struct xen_tmem_submit *sub = hv_at(me, AT(P_CALL));

	memset(sub, 0, sizeof(*sub));
	sub->cmd = TMEM_SUBMIT;
	sub->nr = nr;
	sub->reqs = AT(P_REQS);
	return hv_call(AT(P_CALL));
}

/* Submits one request; its status is the answer */
int one(struct tmem_req req)
{
	reqs()[0] = req;
	CHECK_EQ(submit(1), 0);
	CHECK_EQ(((struct xen_tmem_submit *)hv_at(me, AT(P_CALL)))->done, 1);
	return reqs()[0].status;
}

struct tmem_req keyed(uint8_t op, uint32_t pool, uint64_t obj, uint64_t index,
		      uint32_t nr)
{
	return (struct tmem_req){
		.op = op, .pool = pool, .object = { obj, 7, 0 },
		.index = index, .nr_pages = nr,
	};
}

void attach(void)
{
	struct tmem_attach *at = hv_at(me, AT(P_ATTACH));
	uint64_t before = at->epoch;

	memset(at, 0, sizeof(*at));
	at->version = TMEM_ABI_VERSION;
	at->page_shift = PAGE_SHIFT;
	at->features = TMEM_FEATURES;
	CHECK_EQ(one((struct tmem_req){
		.op = TMEM_OP_ATTACH, .addr = hv_frame(me, P_ATTACH) }), 0);
	CHECK(at->epoch > before);
	CHECK_EQ(at->max_run, TMEM_MAX_RUN);
}

int create(uint32_t pool, uint64_t flags)
{
	return one((struct tmem_req){
		.op = TMEM_OP_POOL_CREATE, .pool = pool, .index = flags });
}

/* Pages to be put hold what belongs to @tag, and those to get into nothing */
void fill(unsigned int nr, unsigned int tag)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		memset(hv_page(me, P_FROM + i), tag + i, PAGE_SIZE);
		*(uint32_t *)hv_page(me, P_FROM + i) = tag * 1000 + i;
		memset(hv_page(me, P_TO + i), 0xee, PAGE_SIZE);
	}
}

bool got(unsigned int nr, unsigned int tag)
{
	const uint8_t *page;
	unsigned int i, j;

	for (i = 0; i < nr; i++) {
		page = hv_page(me, P_TO + i);
		if (*(uint32_t *)page != tag * 1000 + i)
			return false;
		for (j = 4; j < PAGE_SIZE; j++)
			if (page[j] != (uint8_t)(tag + i))
				return false;
	}
	return true;
}

int put(uint32_t pool, uint64_t obj, uint64_t index, uint32_t nr)
{
	struct tmem_req req = keyed(TMEM_OP_PUT, pool, obj, index, nr);

	req.addr = hv_frame(me, P_FROM);
	return one(req);
}

int get(uint32_t pool, uint64_t obj, uint64_t index, uint32_t nr)
{
	struct tmem_req req = keyed(TMEM_OP_GET, pool, obj, index, nr);

	req.addr = hv_frame(me, P_TO);
	return one(req);
}

/* A list of frames, the last page first */
uint64_t list_of(unsigned int first, unsigned int nr)
{
	uint64_t *list = hv_at(me, AT(P_LIST));
	unsigned int i;

	for (i = 0; i < nr; i++)
		list[i] = hv_frame(me, first + nr - 1 - i);
	return hv_frame(me, P_LIST);
}

struct tmem_query query(void)
{
	struct tmem_req req = {
		.op = TMEM_OP_QUERY, .addr = hv_frame(me, P_QUERY) };

	CHECK_EQ(one(req), 0);
	return *(struct tmem_query *)hv_at(me, AT(P_QUERY));
}

long v1_new(uint32_t flags)
{
	struct xen_tmem_v1 *op = hv_at(me, AT(P_CALL));

	memset(op, 0, sizeof(*op));
	op->cmd = TMEM_NEW_POOL;
	op->u.creat.flags = flags | TMEM_SPEC_VERSION << TMEM_POOL_VERSION_SHIFT;
	return hv_call(AT(P_CALL));
}

void v1_make(uint32_t cmd, int32_t pool, uint64_t obj, uint32_t index,
	     unsigned int page)
{
	struct xen_tmem_v1 *op = hv_at(me, AT(P_CALL));

	memset(op, 0, sizeof(*op));
	op->cmd = cmd;
	op->pool_id = pool;
	op->u.gen.oid[0] = obj;
	op->u.gen.index = index;
	op->u.gen.cmfn = hv_frame(me, page);
}

long v1(uint32_t cmd, int32_t pool, uint64_t obj, uint32_t index,
	unsigned int page)
{
	v1_make(cmd, pool, obj, index, page);
	return hv_call(AT(P_CALL));
}

struct xen_tmem_control *control_op(uint32_t op, domid_t domid)
{
	struct xen_tmem_control *c;

	be(0);
	c = hv_at(me, AT(P_CALL));
	memset(c, 0, sizeof(*c));
	c->cmd = TMEM_CONTROL;
	c->version = XEN_TMEM_CONTROL_VERSION;
	c->op = op;
	c->domid = domid;
	return c;
}

long control(void)
{
	return hv_call(AT(P_CALL));
}

/* ---- version 2 ---- */

static void pages_come_back(void)
{
	unsigned int d, kind, nr;
	struct tmem_req req;

	for (d = 1; d < 3; d++) {
		be(d);
		attach();
		for (kind = 0; kind < 2; kind++) {
			CHECK_EQ(create(kind, kind), 0);
			for (nr = 1; nr <= TMEM_MAX_RUN; nr *= 8) {
				fill(nr, d + kind);
				CHECK_EQ(put(kind, 3, 10, nr), 0);
				CHECK_EQ(reqs()[0].done, nr);
				CHECK_EQ(get(kind, 3, 10, nr), 0);
				CHECK_EQ(reqs()[0].done, nr);
				CHECK(got(nr, d + kind));
				CHECK_EQ(get(kind, 3, 10, nr),
					 kind ? 0 : -ENOENT);
			}
			/* the same by lists, which turn the run round twice */
			fill(nr / 8, 99);
			req = keyed(TMEM_OP_PUT, kind, 4, 0, nr / 8);
			req.flags = TMEM_REQ_LIST;
			req.addr = list_of(P_FROM, nr / 8);
			CHECK_EQ(one(req), 0);
			req.op = TMEM_OP_GET;
			req.addr = list_of(P_TO, nr / 8);
			CHECK_EQ(one(req), 0);
			CHECK_EQ(reqs()[0].done, nr / 8);
			CHECK(got(nr / 8, 99));
		}
	}
	CHECK(hv_grown);
}

static void a_vector_is_in_order(void)
{
	unsigned int i;

	be(2);
	attach();
	CHECK_EQ(create(0, 0), 0);
	fill(TMEM_SUBMIT_MAX, 5);
	for (i = 0; i < TMEM_SUBMIT_MAX; i++) {
		reqs()[i] = keyed(i & 1 ? TMEM_OP_GET : TMEM_OP_PUT, 0, 1,
				  i / 2, 1);
		reqs()[i].addr = hv_frame(me, (i & 1 ? P_TO : P_FROM) + i / 2);
		reqs()[i].status = 77;
	}
	reqs()[8].op = 200;
	reqs()[9].pool = 5;
	CHECK_EQ(submit(TMEM_SUBMIT_MAX), 0);
	for (i = 0; i < TMEM_SUBMIT_MAX; i++) {
		CHECK_EQ(reqs()[i].status, i == 8 ? -EOPNOTSUPP :
					   i == 9 ? -ENXIO : 0);
		CHECK_EQ(reqs()[i].done, i != 8 && i != 9);
	}
	memcpy(hv_page(me, P_TO + 4), hv_page(me, P_FROM + 4), PAGE_SIZE);
	CHECK(got(TMEM_SUBMIT_MAX / 2, 5));
}

static void only_what_was_written_is_dirty(void)
{
	unsigned int i;

	be(1);
	attach();
	CHECK_EQ(create(0, 0), 0);
	fill(4, 1);
	CHECK_EQ(put(0, 1, 0, 2), 0);
	for (i = 0; i < 4; i++)
		mfn_to_page(_mfn(HV_NR + P_TO + i))->dirty = false;
	CHECK_EQ(get(0, 1, 0, 4), 0);
	CHECK_EQ(reqs()[0].done, 2);
	CHECK(mfn_to_page(_mfn(HV_NR + P_TO))->dirty);
	CHECK(mfn_to_page(_mfn(HV_NR + P_TO + 1))->dirty);
	CHECK(!mfn_to_page(_mfn(HV_NR + P_TO + 3))->dirty);
	CHECK(!mfn_to_page(_mfn(HV_NR + P_FROM))->dirty);
}

static void an_epoch_ends_with_its_pools(void)
{
	be(1);
	attach();
	CHECK_EQ(create(0, TMEM_POOL_PERSISTENT), 0);
	fill(8, 1);
	CHECK_EQ(put(0, 1, 0, 8), 0);
	CHECK_EQ(query().persistent, 8);
	attach();
	CHECK_EQ(reqs()[0].done, 8);
	CHECK_EQ(get(0, 1, 0, 1), -ENXIO);
	CHECK_EQ(query().persistent, 0);
}

static void persistent_pages_are_charged(void)
{
	struct domain *d = &hv_domains[1];

	be(1);
	attach();
	CHECK_EQ(create(0, TMEM_POOL_PERSISTENT), 0);
	d->max_pages = d->tot_pages + 10;
	fill(16, 1);
	CHECK_EQ(put(0, 1, 0, 8), 0);
	CHECK_EQ(tmem_charged_pages(d), 8);
	CHECK_EQ(put(0, 1, 20, 4), -EDQUOT);
	/* a put that is refused takes the older copy along */
	CHECK_EQ(put(0, 1, 6, 4), -EDQUOT);
	CHECK_EQ(get(0, 1, 6, 1), -ENOENT);
	CHECK_EQ(get(0, 1, 0, 6), 0);
	CHECK_EQ(query().persistent, 6);
	CHECK_EQ(put(0, 1, 20, 4), 0);
	/* what is granted beyond does not count */
	control_op(XEN_TMEM_SET, 1)->u.set.what = XEN_TMEM_SET_HSWAP;
	((struct xen_tmem_control *)hv_at(0, AT(P_CALL)))->u.set.hswap = 100;
	CHECK_EQ(control(), 0);
	CHECK_EQ(tmem_charged_pages(d), 0);
	be(1);
	CHECK_EQ(put(0, 2, 0, 16), 0);
	d->max_pages = d->tot_pages;
	CHECK_EQ(put(0, 3, 0, 16), 0);
	/* ephemeral ones never do */
	CHECK_EQ(create(1, 0), 0);
	d->max_pages = 0;
	CHECK_EQ(put(1, 1, 0, 16), 0);
}

static void long_requests_are_stopped(void)
{
	struct tmem_req req;
	unsigned int i;

	be(1);
	attach();
	CHECK_EQ(create(0, 0), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(put(0, 1, i * TMEM_MAX_RUN, TMEM_MAX_RUN), 0);
	req = keyed(TMEM_OP_FLUSH, 0, 1, 2000, 0);
	req.seq = 0;
	hv_preempt_hook = NULL;
	CHECK_EQ(one(req), 0);
	CHECK_EQ(reqs()[0].done, 4 * TMEM_MAX_RUN - 2000);
	CHECK_EQ(hv_continued, 0);
}

static bool always(void)
{
	return true;
}

static void a_call_goes_on(void)
{
	struct tmem_req flush = keyed(TMEM_OP_FLUSH, 0, 1, 2000, 0);
	unsigned int i;

	be(1);
	attach();
	CHECK_EQ(create(0, 0), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(put(0, 1, i * TMEM_MAX_RUN, TMEM_MAX_RUN), 0);
	hv_preempt_hook = always;
	reqs()[0] = flush;
	reqs()[1] = keyed(TMEM_OP_GET, 0, 1, 1999, 1);
	reqs()[1].addr = hv_frame(me, P_TO);
	reqs()[2] = keyed(TMEM_OP_GET, 0, 1, 2000, 1);
	reqs()[2].addr = hv_frame(me, P_TO);
	CHECK_EQ(submit(3), 0);
	/* it looks at all of an object's pages, of which few are to go */
	CHECK(hv_continued > 2000 / 64);
	CHECK_EQ(reqs()[0].status, 0);
	CHECK_EQ(reqs()[0].done, 4 * TMEM_MAX_RUN - 2000);
	CHECK_EQ(reqs()[1].status, 0);
	CHECK_EQ(reqs()[2].status, -ENOENT);
	CHECK_EQ(one((struct tmem_req){ .op = TMEM_OP_POOL_DESTROY }), 0);
	CHECK_EQ(reqs()[0].done, 1999);
	CHECK(hv_continued > 1);
}

/* A task that was stopped and goes on elsewhere begins anew, and misses nothing */
static void a_call_may_move(void)
{
	unsigned int i, vcpu = 0;
	long rc;

	be(1);
	attach();
	CHECK_EQ(create(0, 0), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(put(0, 1, i * TMEM_MAX_RUN, TMEM_MAX_RUN), 0);
	reqs()[0] = keyed(TMEM_OP_FLUSH_OBJECT, 0, 1, 0, 0);
	hv_preempt_hook = always;
	((struct xen_tmem_submit *)hv_at(me, AT(P_CALL)))->done = 0;
	for (i = 0; i < 1000; i++) {
		XEN_GUEST_HANDLE(void) uop = { (void *)AT(P_CALL) };

		hv_run_as(1, vcpu ^= 1);
		rc = do_tmem_op(uop);
		hv_idle();
		if (rc != -ERESTART)
			break;
	}
	CHECK_EQ(rc, 0);
	CHECK(i > 2);
	hv_preempt_hook = NULL;
	be(1);
	CHECK_EQ(query().ephemeral, 0);
}

/* ---- version 1 ---- */

static void v1_does_what_it_did(void)
{
	unsigned int d;
	long e, p;

	for (d = 1; d < 3; d++) {
		be(d);
		e = v1_new(0);
		p = v1_new(TMEM_POOL_PERSIST);
		CHECK_EQ(e, 0);
		CHECK_EQ(p, 1);
		fill(2, d);
		CHECK_EQ(v1(TMEM_PUT_PAGE, e, 5, 6, P_FROM), 1);
		CHECK_EQ(v1(TMEM_GET_PAGE, e, 5, 7, P_TO), 0);
		CHECK_EQ(v1(TMEM_GET_PAGE, e, 5, 6, P_TO), 1);
		CHECK(got(1, d));
		CHECK_EQ(v1(TMEM_GET_PAGE, e, 5, 6, P_TO), 0);
		CHECK_EQ(v1(TMEM_PUT_PAGE, p, 5, ~0u, P_FROM), 1);
		CHECK_EQ(v1(TMEM_GET_PAGE, p, 5, ~0u, P_TO), 1);
		CHECK_EQ(v1(TMEM_GET_PAGE, p, 5, ~0u, P_TO), 1);
		/* a second put replaces */
		CHECK_EQ(v1(TMEM_PUT_PAGE, p, 5, ~0u, P_FROM + 1), 1);
		CHECK_EQ(v1(TMEM_GET_PAGE, p, 5, ~0u, P_TO + 1), 1);
		CHECK(!memcmp(hv_page(d, P_FROM + 1), hv_page(d, P_TO + 1),
			      PAGE_SIZE));
		CHECK_EQ(v1(TMEM_FLUSH_PAGE, p, 5, ~0u, 0), 1);
		CHECK_EQ(v1(TMEM_FLUSH_PAGE, p, 5, ~0u, 0), 1);
		CHECK_EQ(v1(TMEM_GET_PAGE, p, 5, ~0u, P_TO), 0);
		CHECK_EQ(v1(TMEM_PUT_PAGE, p, 5, 1, P_FROM), 1);
		CHECK_EQ(v1(TMEM_FLUSH_OBJECT, p, 5, 0, 0), 1);
		CHECK_EQ(v1(TMEM_GET_PAGE, p, 5, 1, P_TO), 0);
		CHECK_EQ(v1(TMEM_DESTROY_POOL, p, 0, 0, 0), 1);
		CHECK_EQ(v1(TMEM_DESTROY_POOL, p, 0, 0, 0), 0);
		CHECK_EQ(v1(TMEM_PUT_PAGE, p, 5, 1, P_FROM), -ENODEV);
		CHECK_EQ(v1_new(TMEM_POOL_PERSIST), p);
	}
}

static void v1_refuses_what_it_did(void)
{
	struct xen_tmem_v1 *op;
	unsigned int i;

	be(1);
	CHECK_EQ(v1_new(TMEM_POOL_PRECOMPRESSED), -EPERM);
	CHECK_EQ(v1_new(1 << TMEM_POOL_PAGESIZE_SHIFT), -EPERM);
	CHECK_EQ(v1_new(0x100), -EPERM);
	CHECK_EQ(v1_new(TMEM_POOL_PERSIST | TMEM_POOL_SHARED), -EPERM);
	CHECK_EQ(v1_new(2 << TMEM_POOL_VERSION_SHIFT), -ENOSYS);
	for (i = 0; i < 16; i++)
		CHECK_EQ(v1_new(0), i);
	CHECK_EQ(v1_new(0), -ENOSPC);
	op = hv_at(me, AT(P_CALL));
	for (i = 0; i < 3; i++) {
		memset(op, 0, sizeof(*op));
		op->cmd = TMEM_PUT_PAGE;
		op->u.gen.cmfn = hv_frame(me, P_FROM);
		if (i == 0)
			op->u.gen.tmem_offset = 1;
		else if (i == 1)
			op->u.gen.pfn_offset = 1;
		else
			op->u.gen.len = 100;
		CHECK_EQ(hv_call(AT(P_CALL)), -EINVAL);
	}
	for (i = 8; i < 200; i++)
		if (i != TMEM_SUBMIT)
			CHECK_EQ(v1(i, 0, 0, 0, 0), -ENOSYS);
	CHECK_EQ(v1(3, 0, 0, 0, 0), -ENOSYS);
}

static void v1_is_told_of_frost_and_quota(void)
{
	long p;

	be(1);
	p = v1_new(TMEM_POOL_PERSIST);
	CHECK_EQ(v1(TMEM_PUT_PAGE, p, 1, 1, P_FROM), 1);
	hv_domains[1].max_pages = hv_domains[1].tot_pages;
	CHECK_EQ(v1(TMEM_PUT_PAGE, p, 1, 1, P_FROM), -ENOMEM);
	CHECK_EQ(v1(TMEM_GET_PAGE, p, 1, 1, P_TO), 0);
	hv_domains[1].max_pages = ~0u;
	CHECK_EQ(v1(TMEM_PUT_PAGE, p, 1, 2, P_FROM), 1);
	control_op(XEN_TMEM_SET, 1)->u.set.what = XEN_TMEM_SET_FROZEN;
	((struct xen_tmem_control *)hv_at(0, AT(P_CALL)))->u.set.frozen = 1;
	CHECK_EQ(control(), 0);
	be(1);
	CHECK_EQ(v1(TMEM_PUT_PAGE, p, 1, 3, P_FROM), -EFROZEN);
	CHECK_EQ(v1(TMEM_GET_PAGE, p, 1, 2, P_TO), 1);
	CHECK_EQ(v1(TMEM_FLUSH_PAGE, p, 1, 2, 0), 1);
	CHECK_EQ(v1(TMEM_GET_PAGE, p, 1, 2, P_TO), 0);
}

static const struct test tests[] = {
	TEST(pages_come_back),
	TEST(a_vector_is_in_order),
	TEST(only_what_was_written_is_dirty),
	TEST(an_epoch_ends_with_its_pools),
	TEST(persistent_pages_are_charged),
	TEST(long_requests_are_stopped),
	TEST(a_call_goes_on),
	TEST(a_call_may_move),
	TEST(v1_does_what_it_did),
	TEST(v1_refuses_what_it_did),
	TEST(v1_is_told_of_frost_and_quota),
};

static void run(const struct test *list, unsigned int nr, const char *only)
{
	static unsigned int number;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (only && strcmp(only, list[i].name))
			continue;
		hv_open(FRAMES);
		list[i].run();
		hv_close();
		CHECK_EQ(hv_logged, 0);
		printf("ok %u %s\n", ++number, list[i].name);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;

	run(tests, ARRAY_SIZE(tests), only);
	run(control_tests, nr_control_tests, only);
	run(shared_tests, nr_shared_tests, only);
	run(trace_tests, nr_trace_tests, only);
	run(bad_tests, nr_bad_tests, only);
	return 0;
}
