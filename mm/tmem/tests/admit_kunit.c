// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: KUnit tests of adaptive admission
 */
#include <kunit/test.h>

#include "../internal.h"

/* Means, in nanoseconds; @hits of a thousand stored pages */
static struct tmem_measured measured(u64 put, u64 get, u64 disk, u64 hits)
{
	return (struct tmem_measured) {
		.put = { put * 2000, 2000 },
		.get = { get * 2000, 2000 },
		.disk = { disk * 2000, disk ? 2000 : 0 },
		.hits = { hits * 2, 2000 },
		.learnt = 20000,
	};
}

static void rate_forgets(struct kunit *test)
{
	struct tmem_rate rate = {};
	int i;

	KUNIT_EXPECT_EQ(test, tmem_rate_mean(&rate), 0);
	tmem_rate_add(&rate, 5000, 10);
	KUNIT_EXPECT_EQ(test, tmem_rate_mean(&rate), 500);
	/* No news change nothing */
	for (i = 0; i < 100; i++)
		tmem_rate_add(&rate, 0, 0);
	KUNIT_EXPECT_EQ(test, tmem_rate_mean(&rate), 500);
	/* Steps of STEP: within 5 seconds the past counts for less than 1 % */
	for (i = 0; i < 4 * 5; i++)
		tmem_rate_add(&rate, 100 * 1000, 1000);
	KUNIT_EXPECT_GE(test, tmem_rate_mean(&rate), 100);
	KUNIT_EXPECT_LE(test, tmem_rate_mean(&rate), 104);
}

static void share_needed(struct kunit *test)
{
	/* A fast disk: 3 / (100 - 3) */
	struct tmem_measured m = measured(3000, 3000, 100000, 0);

	KUNIT_EXPECT_EQ(test, tmem_admit_needed(&m), 30);
	/* Getting is no faster than reading */
	m = measured(1000, 2000, 2000, 1000);
	KUNIT_EXPECT_EQ(test, tmem_admit_needed(&m), 1000);
	m = measured(9000, 2000, 3000, 1000);
	KUNIT_EXPECT_EQ(test, tmem_admit_needed(&m), 1000);
	/* More hits than puts: of pages that were put before */
	m = measured(1000, 1000, 9000, 5000);
	KUNIT_EXPECT_EQ(test, tmem_admit_share(&m), 1000);
}

static void verdicts(struct kunit *test)
{
	struct tmem_measured m = measured(1000, 1000, 10000, 500);

	/* 500 of 1000 are hit, 111 have to be */
	KUNIT_EXPECT_EQ(test, tmem_admit_judge(&m), TMEM_VERDICT_PAYS);
	m = measured(1000, 1000, 10000, 111);
	KUNIT_EXPECT_EQ(test, tmem_admit_judge(&m), TMEM_VERDICT_SAMPLED);
	m = measured(1000, 1000, 10000, 112);
	KUNIT_EXPECT_EQ(test, tmem_admit_judge(&m), TMEM_VERDICT_PAYS);
	/* A put takes two hundredths of a read: whatever is hit */
	m = measured(1000, 1000, 50000, 0);
	KUNIT_EXPECT_EQ(test, tmem_admit_judge(&m), TMEM_VERDICT_CHEAP);
	m = measured(1001, 1000, 50000, 0);
	KUNIT_EXPECT_EQ(test, tmem_admit_judge(&m), TMEM_VERDICT_SAMPLED);
	/* All are hit, and all in vain */
	m = measured(1000, 5000, 4000, 1000);
	KUNIT_EXPECT_EQ(test, tmem_admit_judge(&m), TMEM_VERDICT_SAMPLED);
	/* Nothing is known about the disk */
	m = measured(1000, 1000, 0, 0);
	KUNIT_EXPECT_EQ(test, tmem_admit_judge(&m), TMEM_VERDICT_LEARNING);
}

/* What is put in vain takes two hundredths of the time of reading, or less */
static void sample(struct kunit *test)
{
	struct tmem_measured m = measured(1000, 1000, 10000, 0);

	KUNIT_EXPECT_EQ(test, tmem_admit_sample(&m), 200);
	m = measured(1010, 1000, 10000, 0);
	KUNIT_EXPECT_EQ(test, tmem_admit_sample(&m), 198);
	m = measured(1000, 1000, 1000000, 0);
	KUNIT_EXPECT_EQ(test, tmem_admit_sample(&m), 1000);
	m = measured(1000000, 1000, 1000, 0);
	KUNIT_EXPECT_EQ(test, tmem_admit_sample(&m), 1);
	/* Nothing was put */
	m = measured(0, 1000, 1000, 0);
	KUNIT_EXPECT_EQ(test, tmem_admit_sample(&m), 1000);
}

static void learning(struct kunit *test)
{
	struct tmem_measured m = measured(1000, 1000, 10000, 0);

	m.learnt = 16383;
	KUNIT_EXPECT_EQ(test, tmem_admit_judge(&m), TMEM_VERDICT_LEARNING);
	m.learnt = 16384;
	KUNIT_EXPECT_EQ(test, tmem_admit_judge(&m), TMEM_VERDICT_SAMPLED);
	/* Once is enough */
	m.verdict = TMEM_VERDICT_SAMPLED;
	m.learnt = 0;
	KUNIT_EXPECT_EQ(test, tmem_admit_judge(&m), TMEM_VERDICT_SAMPLED);
}

static struct kunit_case admit_cases[] = {
	KUNIT_CASE(rate_forgets),
	KUNIT_CASE(share_needed),
	KUNIT_CASE(verdicts),
	KUNIT_CASE(sample),
	KUNIT_CASE(learning),
	{}
};

static struct kunit_suite admit_suite = {
	.name = "tmem_admit",
	.test_cases = admit_cases,
};

kunit_test_suite(admit_suite);

MODULE_DESCRIPTION("KUnit tests of adaptive admission of transcendent memory");
MODULE_LICENSE("GPL");
