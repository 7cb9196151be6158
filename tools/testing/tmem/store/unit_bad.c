// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, malformed requests
 *
 * A table of requests that are well-formed, and for each operation the list
 * of the fields it does not use.  Every such field is set in turn; the answer
 * must be -EINVAL and nothing may have changed.
 */
#include "unit.h"

enum field {
	FLAGS, FLAG_LIST, RESERVED, POOL, OBJECT0, OBJECT1, OBJECT2, INDEX,
	NR_PAGES, SEQ, ADDR, NR_FIELDS
};

#define F(f)	(1u << (f))

static const struct bad_case {
	struct tmem_req req;	/* fine as it is */
	unsigned int unused;	/* fields that have to be zero */
} cases[] = {
	{ { .op = TMEM_OP_POOL_CREATE, .pool = 0, .index = EPHEMERAL },
	  F(FLAG_LIST) | F(OBJECT0) | F(OBJECT1) | F(OBJECT2) | F(NR_PAGES) |
	  F(SEQ) | F(ADDR) },
	{ { .op = TMEM_OP_POOL_DESTROY, .pool = 0 },
	  F(FLAG_LIST) | F(OBJECT0) | F(OBJECT1) | F(OBJECT2) | F(INDEX) |
	  F(NR_PAGES) | F(SEQ) | F(ADDR) },
	{ { .op = TMEM_OP_PUT, .nr_pages = 1 }, 0 },
	{ { .op = TMEM_OP_GET, .nr_pages = 1 }, F(SEQ) },
	{ { .op = TMEM_OP_FLUSH, .nr_pages = 1 }, F(FLAG_LIST) | F(ADDR) },
	{ { .op = TMEM_OP_FLUSH_OBJECT },
	  F(FLAG_LIST) | F(INDEX) | F(NR_PAGES) | F(ADDR) },
	{ { .op = TMEM_OP_REPORT },
	  F(FLAG_LIST) | F(POOL) | F(OBJECT0) | F(OBJECT1) | F(OBJECT2) |
	  F(INDEX) | F(NR_PAGES) | F(SEQ) },
	{ { .op = TMEM_OP_QUERY },
	  F(FLAG_LIST) | F(POOL) | F(OBJECT0) | F(OBJECT1) | F(OBJECT2) |
	  F(INDEX) | F(NR_PAGES) | F(SEQ) },
	{ { .op = TMEM_OP_ATTACH },
	  F(FLAG_LIST) | F(POOL) | F(OBJECT0) | F(OBJECT1) | F(OBJECT2) |
	  F(INDEX) | F(NR_PAGES) | F(SEQ) },
};

static void set(struct tmem_req *req, enum field f)
{
	switch (f) {
	case FLAGS:
		req->flags = 0x80;
		break;
	case FLAG_LIST:
		req->flags = TMEM_REQ_LIST;
		break;
	case RESERVED:
		req->reserved = 1;
		break;
	case POOL:
		req->pool = 1;
		break;
	case OBJECT0:
	case OBJECT1:
	case OBJECT2:
		req->object[f - OBJECT0] = 1;
		break;
	case INDEX:
		req->index = 1;
		break;
	case NR_PAGES:
		req->nr_pages = 1;
		break;
	case SEQ:
		req->seq = 1;
		break;
	case ADDR:
		req->addr = 1;
		break;
	case NR_FIELDS:
		break;
	}
}

/* A page that is in the way of every request above */
static void open_with_page(void)
{
	struct tmem_req req = { .op = TMEM_OP_PUT, .nr_pages = 1 };

	world_open(16, 16);
	CHECK_EQ(pool_create(w.c[0], 0, PERSISTENT), 0);
	fill(w.buf, 55);
	CHECK_EQ(run(w.c[0], &req), 0);
}

static void unchanged(void)
{
	struct tmem_req req = { .op = TMEM_OP_GET, .nr_pages = 1 };

	CHECK_EQ(run(w.c[0], &req), 0);
	CHECK(got(0, 55));
	CHECK_EQ(world_stats().persistent, 1);
	CHECK_EQ(world_stats().ephemeral, 0);
	CHECK_EQ(world_stats().stored, 1);
	world_check();
}

static void refused(struct tmem_req req, int err)
{
	CHECK_EQ(run(w.c[0], &req), err);
	CHECK_EQ(last.done, 0);
	unchanged();
}

static void unused_fields(void)
{
	struct tmem_req req;
	unsigned int i, f;

	open_with_page();
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (f = 0; f < NR_FIELDS; f++) {
			if (!(cases[i].unused & F(f)) && f != FLAGS &&
			    f != RESERVED)
				continue;
			req = cases[i].req;
			set(&req, f);
			refused(req, -EINVAL);
		}
	}
}

static void unknown_ops(void)
{
	struct tmem_req req = { 0 };
	unsigned int op;

	open_with_page();
	for (op = 0; op < 256; op++) {
		if (op && op < TMEM_OP_NR)
			continue;
		req.op = op;
		refused(req, -EOPNOTSUPP);
	}
}

static void run_lengths(void)
{
	static const u8 ops[] = { TMEM_OP_PUT, TMEM_OP_GET };
	static const u32 lengths[] = { 0, TMEM_MAX_RUN + 1, 0x10000, ~0u };
	struct tmem_req req = { 0 };
	unsigned int i, j;

	open_with_page();
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		for (j = 0; j < ARRAY_SIZE(lengths); j++) {
			req.op = ops[i];
			req.nr_pages = lengths[j];
			refused(req, -EINVAL);
		}
	}
}

static void run_overflows(void)
{
	static const u8 ops[] = { TMEM_OP_PUT, TMEM_OP_GET, TMEM_OP_FLUSH };
	struct tmem_req req = { 0 };
	unsigned int i;

	open_with_page();
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		req.op = ops[i];
		req.index = ~0ull;
		req.nr_pages = 2;
		refused(req, -EINVAL);
		req.index = ~0ull - 510;
		req.nr_pages = 512;
		refused(req, -EINVAL);
	}
	req.op = TMEM_OP_FLUSH;
	req.index = ~0ull - 0xfffffffd;
	req.nr_pages = ~0u;
	refused(req, -EINVAL);
	/* the last page of all is one like any other */
	req.index = ~0ull;
	req.nr_pages = 1;
	CHECK_EQ(run(w.c[0], &req), 0);
	req.nr_pages = 0;
	CHECK_EQ(run(w.c[0], &req), 0);
	unchanged();
}

static void unknown_pools(void)
{
	static const u32 ids[] = { 1, 7, 8, 9, 0x7fffffff, ~0u };
	struct tmem_req req;
	unsigned int i, j;

	open_with_page();
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		for (j = 0; j < ARRAY_SIZE(cases); j++) {
			req = cases[j].req;
			if (req.op == TMEM_OP_POOL_CREATE ||
			    cases[j].unused & F(POOL))
				continue;
			req.pool = ids[i];
			refused(req, -ENXIO);
		}
	}
}

static void pool_flags(void)
{
	struct tmem_req req = { .op = TMEM_OP_POOL_CREATE, .pool = 1 };
	unsigned int i;

	open_with_page();
	for (i = 2; i < 64; i++) {
		req.index = 1ull << i;
		refused(req, -EINVAL);
	}
	req.index = TMEM_POOL_SHARED;
	refused(req, -EPERM);
	req.object[0] = 1;
	req.object[1] = 2;
	refused(req, -EPERM);
	req.index = TMEM_POOL_SHARED | TMEM_POOL_PERSISTENT;
	refused(req, -EINVAL);
	req.object[2] = 3;
	refused(req, -EINVAL);

	memset(req.object, 0, sizeof(req.object));
	req.index = EPHEMERAL;
	for (i = 8; i < 64; i++) {
		req.pool = i;
		refused(req, -EINVAL);
	}
	req.pool = ~0u;
	refused(req, -EINVAL);
}

/* The answer fields are written, whatever was in them, and nothing else is */
static void answers_are_written(void)
{
	struct tmem_req req = { .op = TMEM_OP_GET, .nr_pages = 1 }, before;

	open_with_page();
	req.status = 12345;
	req.done = 678;
	before = req;
	tstore_execute(w.c[0], &req, &w.data);
	CHECK_EQ(req.status, 0);
	CHECK_EQ(req.done, 1);
	req.status = before.status;
	req.done = before.done;
	CHECK(!memcmp(&req, &before, sizeof(req)));
	unchanged();
}

static void no_data(void)
{
	static const u8 ops[] = {
		TMEM_OP_ATTACH, TMEM_OP_REPORT, TMEM_OP_QUERY, TMEM_OP_GET,
	};
	struct tmem_req req;
	unsigned int i;

	open_with_page();
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		memset(&req, 0, sizeof(req));
		req.op = ops[i];
		req.nr_pages = req.op == TMEM_OP_GET;
		tstore_execute(w.c[0], &req, NULL);
		CHECK_EQ(req.status, -EFAULT);
		CHECK_EQ(req.done, 0);
		unchanged();
	}
	/* these have none and ask for none */
	memset(&req, 0, sizeof(req));
	req.op = TMEM_OP_FLUSH_OBJECT;
	tstore_execute(w.c[0], &req, NULL);
	CHECK_EQ(req.status, 0);
	CHECK_EQ(req.done, 1);
}

static int attach_as(u64 features)
{
	struct tmem_attach at = {
		.version = TMEM_ABI_VERSION,
		.page_shift = PAGE_SHIFT,
		.features = features,
	};
	struct tmem_req req = { .op = TMEM_OP_ATTACH };

	memcpy(w.buf, &at, sizeof(at));
	return run(w.c[0], &req);
}

static int report(const struct tmem_report *rep)
{
	struct tmem_req req = { .op = TMEM_OP_REPORT };

	memcpy(w.buf, rep, sizeof(*rep));
	return run(w.c[0], &req);
}

/* The last good report stays, and goes with its epoch */
static void reports(void)
{
	static const struct tmem_report good = {
		.total = 1000, .floor = 1000, .estimate = TMEM_REPORT_MAX,
		.target = 900, .misses = 7, .pressure = 1000, .confidence = 100,
		.flags = TMEM_REPORT_SELF,
	};
	struct tmem_report bad[10], got;
	struct tstore_client_stats stats;
	unsigned int i;

	world_open(16, 16);
	CHECK_EQ(report(&good), -EPERM);
	CHECK_EQ(attach_as(TMEM_FEATURES), 0);
	CHECK_EQ(report(&good), 0);
	memcpy(&got, w.buf, sizeof(got));
	CHECK_EQ(got.grant, 900);
	got.grant = 0;
	CHECK(!memcmp(&got, &good, sizeof(got)));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].total = 0;
	bad[1].total = TMEM_REPORT_MAX + 1;
	bad[2].floor = 1001;
	bad[3].estimate = TMEM_REPORT_MAX + 1;
	bad[4].target = ~0ull;
	bad[5].misses = TMEM_REPORT_MAX + 1;
	bad[6].pressure = 1001;
	bad[7].confidence = 101;
	bad[8].grant = 1;
	bad[9].flags = TMEM_REPORT_HOST | TMEM_REPORT_SELF;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(report(&bad[i]), -EINVAL);
	bad[8] = good;
	bad[8].reserved = 1;
	CHECK_EQ(report(&bad[8]), -EINVAL);
	tstore_client_stats(w.c[0], &stats);
	CHECK_EQ(stats.report.estimate, TMEM_REPORT_MAX);
	CHECK_EQ(stats.report.grant, 900);
	CHECK_EQ(stats.reports, 1);
	tstore_client_set_grant(w.c[0], 800);
	CHECK_EQ(report(&good), 0);
	memcpy(&got, w.buf, sizeof(got));
	CHECK_EQ(got.grant, 800);
	tstore_client_set_grant(w.c[0], 0);
	CHECK_EQ(report(&good), 0);
	tstore_client_stats(w.c[0], &stats);
	CHECK_EQ(stats.report.grant, 900);
	CHECK_EQ(stats.reports, 3);
	CHECK_EQ(attach_as(TMEM_FEATURE_PERSISTENT), 0);
	tstore_client_stats(w.c[0], &stats);
	CHECK_EQ(stats.report.total, 0);
	CHECK_EQ(report(&good), -EPERM);
}

const struct scenario unit_bad[] = {
	SCENARIO(unused_fields),
	SCENARIO(unknown_ops),
	SCENARIO(run_lengths),
	SCENARIO(run_overflows),
	SCENARIO(unknown_pools),
	SCENARIO(pool_flags),
	SCENARIO(answers_are_written),
	SCENARIO(no_data),
	SCENARIO(reports),
};

const unsigned int nr_unit_bad = ARRAY_SIZE(unit_bad);
