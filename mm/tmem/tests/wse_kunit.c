// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: KUnit tests of the working-set estimator's arithmetic
 */
#include <kunit/test.h>
#include <linux/slab.h>
#include <uapi/linux/tmem.h>

#include "../wse.h"

/* Half of memory is of the kernel or free; of the other half a part is touched */
static const struct tmem_wse_input quiet = {
	.total = 10000,
	.free = 3000,
	.lru = { 4000, 1000 },
	.reserve = 100,
	.ticks = TMEM_WSE_WINDOW,
	.margin = 10,
	.max = TMEM_REPORT_MAX,
	.sampled.seen = {
		[TMEM_WSE_ANON] = { [0] = 300, [3] = 100, [4] = 400 },
		[TMEM_WSE_FILE] = { [TMEM_WSE_AGES - 1] = 200 },
	},
};

static struct tmem_wse_estimate *judge(struct kunit *test,
				       const struct tmem_wse_input *in)
{
	struct tmem_wse_estimate *est;

	est = kunit_kzalloc(test, sizeof(*est), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, est);
	tmem_wse_judge(in, est);
	return est;
}

static void sizes(struct kunit *test)
{
	struct tmem_wse_input in = quiet;
	struct tmem_wse_estimate *est = judge(test, &in);

	KUNIT_EXPECT_EQ(test, est->floor, 2000);
	KUNIT_EXPECT_EQ(test, est->resident, 2000);
	KUNIT_EXPECT_EQ(test, est->absent, 0);
	KUNIT_EXPECT_EQ(test, est->size, 4000);
	KUNIT_EXPECT_EQ(test, est->target, 4000 + 400 + 100);
	/* what nobody watches is all in use */
	memset(&in.sampled, 0, sizeof(in.sampled));
	est = judge(test, &in);
	KUNIT_EXPECT_EQ(test, est->resident, 5000);
	KUNIT_EXPECT_EQ(test, est->confidence, 0);
	/* counters of different moments */
	in.free = 9000;
	in.unevictable = 5;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->floor, 5);
}

static void absent_pages(struct kunit *test)
{
	struct tmem_wse_input in = quiet;
	struct tmem_wse_estimate *est;

	/* a file that is read once: more than fits in has been used */
	in.absent.absent = 50;
	in.absent.evicted = 4000;
	in.absent.watched = 200;
	est = judge(test, &in);
	KUNIT_EXPECT_EQ(test, est->absent, 1000);
	KUNIT_EXPECT_EQ(test, est->size, 5000);
	KUNIT_EXPECT_EQ(test, est->target, 4000 + 400 + 100);
	/* a part of it is used again */
	in.absent.refaulted = 1000;
	est = judge(test, &in);
	KUNIT_EXPECT_EQ(test, est->size, 5000);
	KUNIT_EXPECT_EQ(test, est->target, 4250 + 425 + 100);
	KUNIT_EXPECT_EQ(test, est->misses, 125);
	/* more come back than leave: all of them count, and no more */
	in.absent.refaulted = 9000;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->target, 5000 + 500 + 100);
	/* counters of different moments */
	in.absent.absent = 201;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->absent, 4000);
	in.absent.watched = 0;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->absent, 0);
}

/* What the administrator allows */
static void bounds(struct kunit *test)
{
	struct tmem_wse_input in = quiet;

	in.min = 5000;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->target, 5000);
	in.min = 0;
	in.max = 4000;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->target, 4000);
	in.oom = true;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->target, 4000);
	in.min = 6000;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->target, 6000);
}

/* Up at once, down slowly, and never below the goal */
static void steps(struct kunit *test)
{
	u64 total = 32000;
	int i;

	KUNIT_EXPECT_EQ(test, tmem_wse_step(total, 64000), 64000);
	KUNIT_EXPECT_EQ(test, tmem_wse_step(total, 0), 31000);
	KUNIT_EXPECT_EQ(test, tmem_wse_step(total, 31900), 31900);
	for (i = 0; i < 100; i++)
		total = tmem_wse_step(total, 10000);
	KUNIT_EXPECT_EQ(test, total, 10000);
}

static void pain(struct kunit *test)
{
	struct tmem_wse_input in = quiet;

	/* who waits for memory but brings nothing back reads a stream */
	in.pressure = 500;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->target, 4500);
	/* nor do a few pages matter that were evicted by mistake */
	in.absent.evicted = 300;
	in.absent.refaulted = 300;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->target, 4500);
	in.absent.evicted = 400;
	in.absent.refaulted = 400;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->target, 8250);
	in.pressure = 0;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->target, 4500);
	in.oom = true;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->target, 8250);
	/* an eighth more than is in use, which is all of it by now */
	in.lru[TMEM_WSE_ANON] += in.free;
	in.free = 0;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->target, 11250);
}

static void trust(struct kunit *test)
{
	struct tmem_wse_input in = quiet;
	u32 full = judge(test, &in)->confidence;

	/* 4000 pages, 800 watched, half touched: 71 pages; doubled, of 4000 */
	KUNIT_EXPECT_GE(test, full, 96);
	KUNIT_EXPECT_LE(test, full, 97);
	in.ticks = 1;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->confidence, full / 4);
	in.ticks = 0;
	KUNIT_EXPECT_EQ(test, judge(test, &in)->confidence, 0);
}

static void curve(struct kunit *test)
{
	struct tmem_wse_input in = quiet;
	struct tmem_wse_estimate *est;
	u64 size, last = U64_MAX, misses;

	/* each page of age 0 is touched each tick */
	in.sampled.again[TMEM_WSE_ANON][0] = 300 * 16;
	in.absent.evicted = 8000;
	in.absent.refaulted = 8000;
	in.absent.distance[2] = 30;	/* up to half of memory */
	in.absent.distance[6] = 10;	/* more than four times of it */
	est = judge(test, &in);
	for (size = 0; size <= 60000; size += 100) {
		misses = tmem_wse_curve(est, size);
		KUNIT_EXPECT_LE(test, misses, last);
		last = misses;
	}
	KUNIT_EXPECT_EQ(test, tmem_wse_curve(est, 0), 1000 + 750);
	KUNIT_EXPECT_EQ(test, tmem_wse_curve(est, 10000), 1000);
	KUNIT_EXPECT_EQ(test, tmem_wse_curve(est, 15000), 250);
	KUNIT_EXPECT_EQ(test, tmem_wse_curve(est, U64_MAX), 0);
}

static void steady(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, tmem_wse_steady(0, 1), 1);
	KUNIT_EXPECT_EQ(test, tmem_wse_steady(1000, 1020), 1000);
	KUNIT_EXPECT_EQ(test, tmem_wse_steady(1000, 980), 1000);
	KUNIT_EXPECT_EQ(test, tmem_wse_steady(1000, 1021), 1021);
	KUNIT_EXPECT_EQ(test, tmem_wse_steady(1000, 979), 979);
	KUNIT_EXPECT_EQ(test, tmem_wse_steady(1000, 0), 0);
}

/* A machine of 16 TiB, thrashing */
static void large(struct kunit *test)
{
	struct tmem_wse_input in = quiet;
	struct tmem_wse_estimate *est;

	in.total = 1ULL << 32;
	in.free = 0;
	in.lru[TMEM_WSE_ANON] = 1ULL << 31;
	in.lru[TMEM_WSE_FILE] = 1ULL << 31;
	in.absent.absent = TMEM_WSE_SAMPLES;
	in.absent.watched = 64 * TMEM_WSE_SAMPLES;
	in.absent.evicted = 1ULL << 40;
	in.absent.refaulted = 1ULL << 40;
	est = judge(test, &in);
	KUNIT_EXPECT_EQ(test, est->resident, 1ULL << 30);
	KUNIT_EXPECT_EQ(test, est->absent, 1ULL << 34);
	KUNIT_EXPECT_GE(test, est->confidence, 95);
}

static struct kunit_case wse_cases[] = {
	KUNIT_CASE(sizes),
	KUNIT_CASE(absent_pages),
	KUNIT_CASE(pain),
	KUNIT_CASE(bounds),
	KUNIT_CASE(steps),
	KUNIT_CASE(trust),
	KUNIT_CASE(curve),
	KUNIT_CASE(steady),
	KUNIT_CASE(large),
	{}
};

static struct kunit_suite wse_suite = {
	.name = "tmem_wse",
	.test_cases = wse_cases,
};

kunit_test_suite(wse_suite);

MODULE_DESCRIPTION("KUnit tests of tmem's working-set estimator");
MODULE_LICENSE("GPL");
