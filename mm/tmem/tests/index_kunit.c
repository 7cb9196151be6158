// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: KUnit tests of the index of hcache
 */
#include <kunit/test.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/prandom.h>

#include "../internal.h"

struct index_test {
	struct tmem_index ix;
	struct address_space mapping;
};

static const struct tmem_key file1 = { .object = { 12, 34, 0 } };
static const struct tmem_key file2 = { .object = { 12, 35, 0 } };

static int index_test_init(struct kunit *test)
{
	struct index_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	return tmem_index_init(&t->ix);
}

static void index_test_exit(struct kunit *test)
{
	struct index_test *t = test->priv;

	if (t && t->ix.shards)
		tmem_index_exit(&t->ix);
}

static unsigned int take(struct index_test *t, const struct tmem_key *key,
			 pgoff_t index, unsigned int nr)
{
	return tmem_index_take(&t->ix, key, &t->mapping, index, nr);
}

static int set(struct index_test *t, const struct tmem_key *key,
	       pgoff_t index, unsigned int nr)
{
	return tmem_index_set(&t->ix, key, &t->mapping, index, nr);
}

static void inval_init(struct tmem_inval *inval, const struct tmem_key *key,
		       pgoff_t first, pgoff_t last)
{
	memset(inval, 0, sizeof(*inval));
	memcpy(inval->object, key->object, sizeof(inval->object));
	inval->first = first;
	inval->last = last;
}

static void index_take_once(struct kunit *test)
{
	struct index_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, take(t, &file1, 3, 1), 0);
	KUNIT_EXPECT_EQ(test, set(t, &file1, 3, 1), 0);
	KUNIT_EXPECT_EQ(test, take(t, &file2, 3, 1), 0);
	KUNIT_EXPECT_EQ(test, take(t, &file1, 2, 1), 0);
	KUNIT_EXPECT_EQ(test, take(t, &file1, 3, 1), 1);
	KUNIT_EXPECT_EQ(test, take(t, &file1, 3, 1), 0);
	/* An object without pages is gone */
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->ix.objects), 0);
}

/* Runs across the border between inline bits and chunks, and between chunks */
static void index_runs(struct kunit *test)
{
	static const struct { pgoff_t index; unsigned int nr; } runs[] = {
		{ 0, 64 }, { 63, 2 }, { 60, 512 }, { 1000, 100 }, { 1023, 1 },
		{ 1024, 512 }, { 5 << 20, 512 }, { 511, 512 },
		{ (1UL << 44) - 256, 512 },
	};
	struct index_test *t = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(runs); i++) {
		pgoff_t index = runs[i].index;
		unsigned int nr = runs[i].nr;

		KUNIT_EXPECT_EQ(test, set(t, &file1, index, nr), 0);
		if (index)
			KUNIT_EXPECT_EQ(test, take(t, &file1, index - 1, 1), 0);
		KUNIT_EXPECT_EQ(test, take(t, &file1, index + nr, 1), 0);
		/* A folio larger than the run finds the run's bits only */
		KUNIT_EXPECT_EQ(test, take(t, &file1, index, nr + 1), nr);
		KUNIT_EXPECT_EQ(test, take(t, &file1, index, nr), 0);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&t->ix.chunks), 0);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&t->ix.objects), 0);
	}
}

static void index_block(struct kunit *test)
{
	struct index_test *t = test->priv;
	struct tmem_inval inval, other;

	KUNIT_ASSERT_EQ(test, set(t, &file1, 10, 10), 0);
	KUNIT_ASSERT_EQ(test, set(t, &file2, 10, 10), 0);
	inval_init(&inval, &file1, 15, 16);
	KUNIT_EXPECT_EQ(test, tmem_index_block(&t->ix, &inval, &t->mapping), 2);
	/* No bit of the range can be set, or is */
	KUNIT_EXPECT_EQ(test, set(t, &file1, 15, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, set(t, &file1, 16, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, set(t, &file1, 0, 512), -EBUSY);
	KUNIT_EXPECT_EQ(test, take(t, &file1, 15, 2), 0);
	/* Others can */
	KUNIT_EXPECT_EQ(test, set(t, &file1, 17, 1), 0);
	KUNIT_EXPECT_EQ(test, set(t, &file1, 14, 1), 0);
	KUNIT_EXPECT_EQ(test, set(t, &file2, 15, 1), 0);
	/* Two at a time */
	inval_init(&other, &file1, 16, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, tmem_index_block(&t->ix, &other, &t->mapping), 3);
	tmem_index_unblock(&t->ix, &inval);
	KUNIT_EXPECT_EQ(test, set(t, &file1, 15, 1), 0);
	KUNIT_EXPECT_EQ(test, set(t, &file1, 16, 1), -EBUSY);
	tmem_index_unblock(&t->ix, &other);
	KUNIT_EXPECT_EQ(test, set(t, &file1, 16, 1), 0);
	KUNIT_EXPECT_EQ(test, take(t, &file2, 10, 10), 10);
}

static void index_absent(struct kunit *test)
{
	struct index_test *t = test->priv;

	KUNIT_EXPECT_FALSE(test, test_bit(AS_HCACHE_ABSENT, &t->mapping.flags));
	take(t, &file1, 0, 1);
	KUNIT_EXPECT_TRUE(test, test_bit(AS_HCACHE_ABSENT, &t->mapping.flags));
	KUNIT_ASSERT_EQ(test, set(t, &file1, 0, 1), 0);
	KUNIT_EXPECT_FALSE(test, test_bit(AS_HCACHE_ABSENT, &t->mapping.flags));
}

static void count_dropped(void *data, const struct tmem_key *key)
{
	(*(unsigned long *)data)++;
}

static void index_shrink(struct kunit *test)
{
	struct index_test *t = test->priv;
	struct tmem_key key = {};
	unsigned long dropped = 0, freed = 0;
	int round;

	for (key.object[0] = 0; key.object[0] < 1000; key.object[0]++)
		KUNIT_ASSERT_EQ(test, set(t, &key, key.object[0], 1), 0);
	/* All are referenced, so the first round drops nothing */
	for (round = 0; round < 100 && freed < 1000; round++)
		freed += tmem_index_shrink(&t->ix, 100, count_dropped,
					   &dropped);
	KUNIT_EXPECT_GT(test, round, 5);
	KUNIT_EXPECT_EQ(test, freed, 1000);
	KUNIT_EXPECT_EQ(test, dropped, 1000);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->ix.objects), 0);
}

static void index_clear(struct kunit *test)
{
	struct index_test *t = test->priv;
	struct tmem_key key = {};

	for (key.object[1] = 0; key.object[1] < 300; key.object[1]++)
		KUNIT_ASSERT_EQ(test, set(t, &key, 1 << key.object[1] % 20,
					  500), 0);
	tmem_index_clear(&t->ix);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->ix.objects), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&t->ix.chunks), 0);
}

/* Against a plain bitmap */
static void index_random(struct kunit *test)
{
	const unsigned int pages = 4096;
	struct index_test *t = test->priv;
	unsigned long *model = kunit_kcalloc(test, BITS_TO_LONGS(pages),
					     sizeof(long), GFP_KERNEL);
	struct tmem_inval inval;
	struct rnd_state rnd;
	unsigned int i, index, nr, want;

	KUNIT_ASSERT_NOT_NULL(test, model);
	prandom_seed_state(&rnd, 42);
	for (i = 0; i < 20000; i++) {
		index = prandom_u32_state(&rnd) % pages;
		nr = prandom_u32_state(&rnd) % min(pages - index, 600u) + 1;
		want = bitmap_weight(model, pages);
		switch (prandom_u32_state(&rnd) % 3) {
		case 0:
			KUNIT_ASSERT_EQ(test, set(t, &file1, index, nr), 0);
			bitmap_set(model, index, nr);
			break;
		case 1:
			bitmap_clear(model, index, nr);
			want -= bitmap_weight(model, pages);
			KUNIT_ASSERT_EQ(test, take(t, &file1, index, nr), want);
			break;
		case 2:
			bitmap_clear(model, index, nr);
			want -= bitmap_weight(model, pages);
			inval_init(&inval, &file1, index, index + nr - 1);
			KUNIT_ASSERT_EQ(test, tmem_index_block(&t->ix, &inval,
							       &t->mapping),
					want);
			tmem_index_unblock(&t->ix, &inval);
			break;
		}
	}
}

/* The best of five: the machine may be shared */
static void look_up(struct kunit *test, const char *what, struct tmem_index *ix,
		    unsigned long files, unsigned long stride)
{
	struct tmem_key key = {};
	u64 ns, best = U64_MAX;
	unsigned long i, bits = 0;
	ktime_t start;
	int run;

	for (run = 0; run < 5; run++) {
		start = ktime_get();
		for (i = 0; i < 100000; i++) {
			key.object[0] = i * stride % files;
			bits += tmem_index_take(ix, &key, NULL, 1, 1);
		}
		ns = ktime_to_ns(ktime_sub(ktime_get(), start));
		best = min(best, ns);
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, bits, 0);
	kunit_info(test, "look-up at insertion, %s: %llu ns", what,
		   best / 100000);
}

/* What Documentation/tmem/design.rst says about the size of the index */
static void index_size(struct kunit *test)
{
	const unsigned long files = 1000000, pages = 100UL << (30 - PAGE_SHIFT);
	struct index_test *t = test->priv;
	struct tmem_key key = {};
	unsigned long i;
	size_t bytes;

	for (i = 0; i < files; i++) {
		key.object[0] = i;
		KUNIT_ASSERT_EQ(test, set(t, &key, 0, 1), 0);
		if (i % 1024 == 0)
			cond_resched();
	}
	/* Let the table grow to its size */
	flush_work(&t->ix.ht.run_work);
	bytes = tmem_index_bytes(&t->ix);
	kunit_info(test, "%lu files: %zu bytes a file", files, bytes / files);
	KUNIT_EXPECT_LE(test, bytes, 80 * files);

	look_up(test, "of one file", &t->ix, files, 0);
	look_up(test, "of files in turn", &t->ix, files, 1);
	look_up(test, "of files at random", &t->ix, files, 7919);
	tmem_index_clear(&t->ix);

	/* One page in eight of a file of 100 GiB */
	for (i = 0; i < pages; i += 8) {
		KUNIT_ASSERT_EQ(test, set(t, &file1, i, 1), 0);
		if (i % 65536 == 0)
			cond_resched();
	}
	flush_work(&t->ix.ht.run_work);
	bytes = tmem_index_bytes(&t->ix);
	kunit_info(test, "100 GiB: %zu bytes for %lu pages", bytes, pages);
	/* A bit a page, the array of the chunks and the empty table */
	KUNIT_EXPECT_LE(test, bytes, pages / 8 * 11 / 10 + PAGE_SIZE);
}

static struct kunit_case index_cases[] = {
	KUNIT_CASE(index_take_once),
	KUNIT_CASE(index_runs),
	KUNIT_CASE(index_block),
	KUNIT_CASE(index_absent),
	KUNIT_CASE(index_shrink),
	KUNIT_CASE(index_clear),
	KUNIT_CASE(index_random),
	KUNIT_CASE_SLOW(index_size),
	{}
};

static struct kunit_suite index_suite = {
	.name = "tmem_index",
	.init = index_test_init,
	.exit = index_test_exit,
	.test_cases = index_cases,
};

kunit_test_suite(index_suite);

MODULE_DESCRIPTION("KUnit tests of the index of hcache");
MODULE_LICENSE("GPL");
