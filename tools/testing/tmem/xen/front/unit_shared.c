// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tests of the hypercall, pools that domains share
 */
#include "unit.h"

#define NAME	{ 0x1122334455667788, 0x99 }

static const uint64_t name[2] = NAME;

static bool always(void)
{
	return true;
}

static int join(uint32_t pool)
{
	return one((struct tmem_req){
		.op = TMEM_OP_POOL_CREATE, .pool = pool, .object = NAME,
		.index = TMEM_POOL_SHARED });
}

static long share(uint32_t op, domid_t domid)
{
	struct xen_tmem_control *c = control_op(op, domid);

	c->u.share.uuid[0] = name[0];
	c->u.share.uuid[1] = name[1];
	return control();
}

/* What XEN_TMEM_SHARED says of domains from @domid on */
static const struct xen_tmem_shared *shared(domid_t domid, uint32_t room)
{
	struct xen_tmem_control *c = control_op(XEN_TMEM_SHARED, domid);

	set_xen_guest_handle(c->u.shared.pools, (void *)AT(P_FROM));
	c->u.shared.nr = room;
	memset(hv_at(0, AT(P_FROM)), 0, PAGE_SIZE);
	CHECK_EQ(control(), 0);
	return hv_at(0, AT(P_FROM));
}

static uint32_t shared_nr(void)
{
	return ((struct xen_tmem_control *)hv_at(0, AT(P_CALL)))->u.shared.nr;
}

/* Domains 1 and 2 are let in, domain 0 is not */
static void two_share_and_a_third_does_not(void)
{
	unsigned int d;

	for (d = 0; d < 3; d++) {
		be(d);
		attach();
		CHECK_EQ(join(0), -EPERM);
	}
	CHECK_EQ(share(XEN_TMEM_ALLOW, 1), 0);
	CHECK_EQ(share(XEN_TMEM_ALLOW, 2), 0);
	for (d = 0; d < 3; d++) {
		be(d);
		CHECK_EQ(join(0), d ? 0 : -EPERM);
	}
	be(1);
	fill(40, 1);
	CHECK_EQ(put(0, 1, 0, 40), 0);
	be(2);
	fill(40, 7);
	CHECK_EQ(get(0, 1, 0, 40), 0);
	CHECK_EQ(reqs()[0].done, 40);
	CHECK(got(40, 1));
	/* nobody is charged for it, and it stays */
	CHECK_EQ(query().ephemeral, 0);
	CHECK_EQ(one(keyed(TMEM_OP_FLUSH, 0, 1, 0, 30)), 0);
	CHECK_EQ(reqs()[0].done, 30);
	be(1);
	CHECK_EQ(get(0, 1, 0, 1), -ENOENT);
	CHECK_EQ(get(0, 1, 30, 10), 0);
	CHECK_EQ(reqs()[0].done, 10);
	be(0);
	CHECK_EQ(get(0, 1, 30, 10), -ENXIO);
}

static void control_tells_of_shared_pools(void)
{
	const struct xen_tmem_shared *s;

	CHECK_EQ(share(XEN_TMEM_FORBID, 1), -ENOENT);
	CHECK_EQ(share(XEN_TMEM_ALLOW, 1), 0);
	CHECK_EQ(share(XEN_TMEM_ALLOW, 1), 0);
	CHECK_EQ(share(XEN_TMEM_ALLOW, 2), 0);
	be(2);
	attach();
	CHECK_EQ(join(3), 0);
	fill(5, 1);
	CHECK_EQ(put(3, 1, 0, 5), 0);
	s = shared(0, 8);
	CHECK_EQ(shared_nr(), 2);
	CHECK_EQ(s[0].domid, 1);
	CHECK_EQ(s[0].joined, 0);
	CHECK_EQ(s[1].domid, 2);
	CHECK_EQ(s[1].joined, 1);
	CHECK_EQ(s[1].members, 1);
	CHECK_EQ(s[1].pages, 5);
	CHECK(!memcmp(s[1].uuid, name, sizeof(name)));
	shared(2, 8);
	CHECK_EQ(shared_nr(), 1);
	shared(3, 8);
	CHECK_EQ(shared_nr(), 0);
	/* some at a time, but those of a domain together */
	shared(0, 1);
	CHECK_EQ(shared_nr(), 1);
	hv_preempt_hook = always;
	shared(0, 8);
	CHECK_EQ(shared_nr(), 1);
	hv_preempt_hook = NULL;
	control_op(XEN_TMEM_SHARED, 0);
	CHECK_EQ(control(), -ENOSPC);
	/* what is no name, and who is no domain */
	control_op(XEN_TMEM_ALLOW, 1);
	CHECK_EQ(control(), -EINVAL);
	CHECK_EQ(share(XEN_TMEM_ALLOW, 77), -ESRCH);
	hv_no_memory = true;
	((struct xen_tmem_control *)hv_at(0, AT(P_CALL)))->domid = 1;
	((struct xen_tmem_control *)hv_at(0, AT(P_CALL)))->u.share.uuid[0]++;
	CHECK_EQ(control(), -ENOMEM);
	hv_no_memory = false;
}

static void forbidden_and_ended(void)
{
	unsigned int i;

	CHECK_EQ(share(XEN_TMEM_ALLOW, 1), 0);
	CHECK_EQ(share(XEN_TMEM_ALLOW, 2), 0);
	for (i = 2; i; i--) {
		be(i);
		attach();
		CHECK_EQ(join(0), 0);
	}
	for (i = 0; i < 8; i++) {
		fill(60, i);
		CHECK_EQ(put(0, i, 0, 60), 0);
	}
	CHECK_EQ(share(XEN_TMEM_FORBID, 1), 0);
	be(1);
	CHECK_EQ(get(0, 1, 0, 1), -ENXIO);
	CHECK_EQ(join(0), -EPERM);
	/* its last member is thrown out, which takes long */
	be(2);
	CHECK_EQ(get(0, 1, 0, 60), 0);
	CHECK(got(60, 1));
	hv_preempt_hook = always;
	CHECK_EQ(share(XEN_TMEM_FORBID, 2), 0);
	CHECK(hv_continued > 4);
	hv_preempt_hook = NULL;
	shared(0, 8);
	CHECK_EQ(shared_nr(), 0);
	/* and one that ends leaves as well */
	CHECK_EQ(share(XEN_TMEM_ALLOW, 1), 0);
	CHECK_EQ(share(XEN_TMEM_ALLOW, 2), 0);
	be(1);
	CHECK_EQ(join(0), 0);
	fill(3, 1);
	CHECK_EQ(put(0, 1, 0, 3), 0);
	be(2);
	CHECK_EQ(join(0), 0);
	hv_domains[1].is_dying = 1;
	CHECK_EQ(tmem_domain_destroy(&hv_domains[1]), 0);
	be(2);
	CHECK_EQ(get(0, 1, 0, 3), 0);
	CHECK_EQ(shared(0, 8)->members, 1);
	CHECK_EQ(shared_nr(), 1);
}

static long v1_new_shared(const uint64_t *uuid)
{
	struct xen_tmem_v1 *op = hv_at(me, AT(P_CALL));

	memset(op, 0, sizeof(*op));
	op->cmd = TMEM_NEW_POOL;
	op->u.creat.flags = TMEM_POOL_SHARED |
			    TMEM_SPEC_VERSION << TMEM_POOL_VERSION_SHIFT;
	op->u.creat.uuid[0] = uuid[0];
	op->u.creat.uuid[1] = uuid[1];
	return hv_call(AT(P_CALL));
}

/* A guest of version 1 that may joins; who may not has always got its own */
static void v1_shares_if_it_may(void)
{
	static const uint64_t none[2] = { ~0ull, ~0ull };
	unsigned int d;

	CHECK_EQ(share(XEN_TMEM_ALLOW, 1), 0);
	CHECK_EQ(share(XEN_TMEM_ALLOW, 2), 0);
	for (d = 0; d < 3; d++) {
		be(d);
		CHECK_EQ(v1_new_shared(none), 0);
		CHECK_EQ(v1_new_shared(name), 1);
	}
	be(1);
	fill(2, 1);
	CHECK_EQ(v1(TMEM_PUT_PAGE, 1, 5, 6, P_FROM), 1);
	CHECK_EQ(v1(TMEM_PUT_PAGE, 0, 5, 6, P_FROM + 1), 1);
	be(2);
	fill(1, 7);
	CHECK_EQ(v1(TMEM_GET_PAGE, 1, 5, 6, P_TO), 1);
	CHECK(got(1, 1));
	CHECK_EQ(v1(TMEM_GET_PAGE, 1, 5, 6, P_TO), 1);
	CHECK_EQ(v1(TMEM_GET_PAGE, 0, 5, 6, P_TO), 0);
	be(0);
	CHECK_EQ(v1(TMEM_GET_PAGE, 1, 5, 6, P_TO), 0);
	CHECK_EQ(v1(TMEM_PUT_PAGE, 1, 5, 6, P_FROM), 1);
	be(1);
	CHECK_EQ(v1(TMEM_DESTROY_POOL, 1, 0, 0, 0), 1);
	be(2);
	CHECK_EQ(v1(TMEM_FLUSH_PAGE, 1, 5, 6, 0), 1);
	CHECK_EQ(v1(TMEM_GET_PAGE, 1, 5, 6, P_TO), 0);
	CHECK_EQ(share(XEN_TMEM_FORBID, 2), 0);
	be(2);
	CHECK_EQ(v1(TMEM_GET_PAGE, 1, 5, 6, P_TO), -ENODEV);
}

const struct test shared_tests[] = {
	TEST(two_share_and_a_third_does_not),
	TEST(control_tells_of_shared_pools),
	TEST(forbidden_and_ended),
	TEST(v1_shares_if_it_may),
};

const unsigned int nr_shared_tests = ARRAY_SIZE(shared_tests);
