// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: KUnit tests of the page store
 *
 * The store itself is tested in userspace (tools/testing/tmem/store).  These
 * few cases are about its environment in the kernel: its locks under lockdep,
 * its mappings, its sizes.
 */
#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "tstore.h"

#define ARENA_BYTES	(64 * PAGE_SIZE)
#define RUN_ORDER	4	/* of RUN */
#define RUN		16
#define EPHEMERAL	0
#define PERSISTENT	1

struct store_test {
	void *arena;
	struct tstore *s;
	struct tstore_client *c;
	struct page *pages;	/* RUN of them */
};

static int request(struct store_test *t, struct tmem_req *req)
{
	tstore_execute(t->c, req, t->pages);
	return req->status;
}

static int attach(struct store_test *t, u64 *epoch)
{
	struct tmem_req req = { .op = TMEM_OP_ATTACH };
	struct tmem_attach *at = page_address(t->pages);
	int err;

	memset(at, 0, sizeof(*at));
	at->version = TMEM_ABI_VERSION;
	at->page_shift = PAGE_SHIFT;
	at->features = TMEM_FEATURE_PERSISTENT;
	err = request(t, &req);
	*epoch = at->epoch;
	return err;
}

static int pool_create(struct store_test *t, u32 pool, u64 flags)
{
	struct tmem_req req = {
		.op = TMEM_OP_POOL_CREATE,
		.pool = pool,
		.index = flags,
	};

	return request(t, &req);
}

/* Runs of object 7; the pages of a put are filled with @byte and up */
static int pages_do(struct store_test *t, u8 op, u32 pool, u64 index, u32 nr,
		    u8 byte, u32 *done)
{
	struct tmem_req req = {
		.op = op,
		.pool = pool,
		.object = { 7 },
		.index = index,
		.nr_pages = nr,
	};
	u32 i;
	int err;

	for (i = 0; i < nr && i < RUN; i++)
		memset(page_address(t->pages + i),
		       op == TMEM_OP_PUT ? byte + i : 0xee, PAGE_SIZE);
	err = request(t, &req);
	*done = req.done;
	return err;
}

static bool page_is(struct store_test *t, u32 i, u8 byte)
{
	return !memchr_inv(page_address(t->pages + i), byte, PAGE_SIZE);
}

static void store_test_exit(struct kunit *test)
{
	struct store_test *t = test->priv;

	if (t->c) {
		KUNIT_EXPECT_NULL(test, tstore_check(t->s));
		tstore_client_destroy(t->c);
		KUNIT_EXPECT_NULL(test, tstore_check(t->s));
	}
	if (t->s)
		tstore_destroy(t->s);
	if (t->pages)
		__free_pages(t->pages, RUN_ORDER);
	vfree(t->arena);
}

static int store_test_init(struct kunit *test)
{
	struct tstore_config cfg = { .bytes = ARENA_BYTES, .max_clients = 1 };
	struct store_test *t;
	u64 epoch;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	t->arena = vmalloc(ARENA_BYTES);
	KUNIT_ASSERT_NOT_NULL(test, t->arena);
	t->pages = alloc_pages(GFP_KERNEL, RUN_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, t->pages);
	cfg.arena = t->arena;
	KUNIT_ASSERT_EQ(test, tstore_create(&cfg, &t->s), 0);
	KUNIT_ASSERT_EQ(test, tstore_client_create(t->s, 40, &t->c), 0);
	KUNIT_ASSERT_EQ(test, attach(t, &epoch), 0);
	KUNIT_ASSERT_EQ(test, pool_create(t, EPHEMERAL, 0), 0);
	KUNIT_ASSERT_EQ(test,
			pool_create(t, PERSISTENT, TMEM_POOL_PERSISTENT), 0);
	return 0;
}

static void test_put_get(struct kunit *test)
{
	struct store_test *t = test->priv;
	u32 done, i, pool;

	for (pool = EPHEMERAL; pool <= PERSISTENT; pool++) {
		KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_GET, pool, 3, RUN, 0,
					       &done), -ENOENT);
		KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_PUT, pool, 3, RUN,
					       0x10, &done), 0);
		KUNIT_EXPECT_EQ(test, done, RUN);
		KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_GET, pool, 3, RUN, 0,
					       &done), 0);
		KUNIT_EXPECT_EQ(test, done, RUN);
		for (i = 0; i < RUN; i++)
			KUNIT_EXPECT_TRUE(test, page_is(t, i, 0x10 + i));
		/* an exclusive get took them, the other left them */
		KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_GET, pool, 3, 1, 0,
					       &done),
				pool == EPHEMERAL ? -ENOENT : 0);
	}
}

static void test_flush(struct kunit *test)
{
	struct store_test *t = test->priv;
	u32 done;

	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_PUT, PERSISTENT, 0, RUN, 1,
				       &done), 0);
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_FLUSH, PERSISTENT, 4, 2, 0,
				       &done), 0);
	KUNIT_EXPECT_EQ(test, done, 2);
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_GET, PERSISTENT, 0, RUN, 0,
				       &done), 0);
	KUNIT_EXPECT_EQ(test, done, 4);
	/* 0: to the end of the object */
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_FLUSH, PERSISTENT, 1, 0, 0,
				       &done), 0);
	KUNIT_EXPECT_EQ(test, done, RUN - 3);
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_GET, PERSISTENT, 0, RUN, 0,
				       &done), 0);
	KUNIT_EXPECT_EQ(test, done, 1);
}

/* The limit is 40: the oldest go, and persistent pages are not among them */
static void test_eviction(struct kunit *test)
{
	struct store_test *t = test->priv;
	struct tstore_stats st;
	u32 done, i;

	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_PUT, PERSISTENT, 0, 10, 1,
				       &done), 0);
	for (i = 0; i < 50; i++)
		KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_PUT, EPHEMERAL, i, 1,
					       i, &done), 0);
	tstore_stats(t->s, &st);
	KUNIT_EXPECT_EQ(test, st.evicted, 20);
	KUNIT_EXPECT_EQ(test, st.ephemeral, 30);
	KUNIT_EXPECT_EQ(test, st.persistent, 10);
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_GET, EPHEMERAL, 19, 1, 0,
				       &done), -ENOENT);
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_GET, EPHEMERAL, 20, RUN, 0,
				       &done), 0);
	KUNIT_EXPECT_EQ(test, done, RUN);
	KUNIT_EXPECT_TRUE(test, page_is(t, 0, 20));
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_GET, PERSISTENT, 0, 10, 0,
				       &done), 0);
	KUNIT_EXPECT_EQ(test, done, 10);
}

static void test_refused_put(struct kunit *test)
{
	struct store_test *t = test->priv;
	u32 done;

	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_PUT, PERSISTENT, 0, 8, 1,
				       &done), 0);
	tstore_client_freeze(t->c, true);
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_PUT, PERSISTENT, 4, 2, 9,
				       &done), -EBUSY);
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_GET, PERSISTENT, 0, 8, 0,
				       &done), 0);
	KUNIT_EXPECT_EQ(test, done, 4);
	tstore_client_freeze(t->c, false);
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_PUT, PERSISTENT, 4, 2, 9,
				       &done), 0);
}

static void test_epoch(struct kunit *test)
{
	struct store_test *t = test->priv;
	u64 first, second;
	u32 done;

	KUNIT_EXPECT_EQ(test, attach(t, &first), 0);
	KUNIT_EXPECT_EQ(test, pool_create(t, PERSISTENT, TMEM_POOL_PERSISTENT),
			0);
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_PUT, PERSISTENT, 0, 8, 1,
				       &done), 0);
	KUNIT_EXPECT_EQ(test, attach(t, &second), 0);
	KUNIT_EXPECT_GT(test, second, first);
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_GET, PERSISTENT, 0, 8, 0,
				       &done), -ENXIO);
	KUNIT_EXPECT_EQ(test, pool_create(t, PERSISTENT, TMEM_POOL_PERSISTENT),
			0);
	KUNIT_EXPECT_EQ(test, pages_do(t, TMEM_OP_GET, PERSISTENT, 0, 8, 0,
				       &done), -ENOENT);
}

static struct kunit_case store_test_cases[] = {
	KUNIT_CASE(test_put_get),
	KUNIT_CASE(test_flush),
	KUNIT_CASE(test_eviction),
	KUNIT_CASE(test_refused_put),
	KUNIT_CASE(test_epoch),
	{}
};

static struct kunit_suite store_test_suite = {
	.name = "tmem_store",
	.init = store_test_init,
	.exit = store_test_exit,
	.test_cases = store_test_cases,
};

kunit_test_suites(&store_test_suite);

MODULE_DESCRIPTION("Transcendent memory: tests of the page store");
MODULE_LICENSE("GPL");
