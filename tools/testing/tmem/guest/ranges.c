// SPDX-License-Identifier: GPL-2.0
/*
 * Coherence of hcache: ranges of a file change their meaning
 *
 * Protected by truncate_inode_pages_range(), although no page is resident.
 */
#include "coh.h"

/* Evict, then with or without the inode in memory */
static void away(struct file *f, bool inode)
{
	file_store(f);
	if (inode)
		file_forget_inode(f, true);
}

static void truncate_size(bool inode)
{
	static const size_t sizes[] = {
		100 * PAGE, 40 * PAGE + 123, 40 * PAGE + 100, 90 * PAGE + 4095,
		PAGE, 1, 70 * PAGE, 0, 200 * PAGE + 1,
	};
	struct file *f = file_new("truncate", 150);
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		if (f->size > 4 * PAGE)
			away(f, inode);
		file_truncate(f, sizes[i]);
		if (i & 1)
			file_check(f);
		file_truncate(f, 150 * PAGE);
		file_check(f);
		file_check_mapped(f, MADV_NORMAL);
		away(f, inode);
		file_write(f, 20 * PAGE, 60 * PAGE);
		file_check(f);
	}
	file_gone(f);
}

static void truncate_resident(void)
{
	truncate_size(false);
}

static void truncate_empty(void)
{
	truncate_size(true);
}

static void fallocate_mode(const char *name, int mode, uint64_t unit)
{
	struct file *f = file_new("fallocate", 160);
	uint64_t pos, len;
	int i;

	for (i = 0; i < 12; i++) {
		away(f, i & 1);
		pos = (5 + i * 3) * PAGE + (i % 3 ? 700 * i / unit * unit : 0);
		len = (1 + i * 2) * PAGE + (i % 4 ? 900 * i / unit * unit : 0);
		if (unit == PAGE) {
			pos = pos / PAGE * PAGE;
			len = len / PAGE * PAGE;
		}
		if (file_fallocate(f, mode, pos, len))
			skip("%s: %s", name, strerror(errno));
		file_check(f);
		if (i % 4 == 3)
			file_write(f, 0, 160 * PAGE);
	}
	file_gone(f);
}

static void punch(void)
{
	fallocate_mode("punch hole",
		       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1);
}

static void zero(void)
{
	fallocate_mode("zero range", FALLOC_FL_ZERO_RANGE, 1);
}

static void collapse(void)
{
	fallocate_mode("collapse range", FALLOC_FL_COLLAPSE_RANGE, PAGE);
}

static void insert(void)
{
	fallocate_mode("insert range", FALLOC_FL_INSERT_RANGE, PAGE);
}

/* Direct writes into a hole, whose zeroes the store has */
static void hole(void)
{
	struct file *f = file_new("hole", 0);

	file_truncate(f, 128 * PAGE);
	file_store(f);
	file_dwrite(f, 10 * PAGE, 20 * PAGE);
	file_check(f);
	file_store(f);
	file_forget_inode(f, true);
	file_dwrite(f, 64 * PAGE, 20 * PAGE);
	file_check_hits(f, 64);
	if (!file_fallocate(f, 0, 90 * PAGE, 30 * PAGE)) {
		file_check(f);
		file_store(f);
		file_dwrite(f, 92 * PAGE, 20 * PAGE);
		file_check(f);
	}
	file_gone(f);
}

/* The tail of the last page, as it becomes part of the file */
static void tail(void)
{
	struct file *f = file_new("tail", 0);
	int i;

	for (i = 0; i < 40; i++) {
		file_write(f, f->size, 777 + i * 13);
		if (i % 8 == 7)
			away(f, i & 8);
		if (i % 5 == 4) {
			file_truncate(f, f->size + 1500);
			file_check(f);
		}
		if (i % 9 == 8)
			file_dwrite(f, (f->size / PAGE + 2) * PAGE, PAGE);
	}
	file_check(f);
	file_gone(f);
}

/*
 * Large folios stored, small ones refaulted, and the other way round: one bit
 * a page, and a folio is fetched only if all its pages have theirs.
 */
static void sizes(void)
{
	struct file *f = file_new("sizes", 1024);
	struct counts before = counts();
	int round, i;

	for (round = 0; round < 6; round++) {
		must(posix_fadvise(f->fd, 0, 0, round & 1 ? POSIX_FADV_RANDOM :
				   POSIX_FADV_SEQUENTIAL));
		if (round & 1) {
			for (i = 0; i < 1024; i++)
				file_check_range(f, i * PAGE, PAGE);
		} else {
			must(readahead(f->fd, 0, f->size));
			file_check_range(f, 0, f->size);
		}
		file_evict(f);
		/* Holes in what is stored, then a window over them */
		for (i = 0; i < 1024; i += 37 + round)
			file_dwrite(f, i * PAGE, PAGE);
		if (round == 3)
			file_forget_inode(f, true);
	}
	if (too_few(counts().hits - before.hits, 1024))
		fail("%ld hits", counts().hits - before.hits);
	file_check(f);
	/* Parts of what may be one folio */
	for (i = 0; i < 64; i++) {
		file_pageout(f, rnd(1000) * PAGE, (1 + rnd(40)) * PAGE);
		if (i & 1)
			file_write(f, rnd(1020) * PAGE + rnd(4096), 1 + rnd(9000));
		else
			file_truncate(f, (1 + rnd(1023)) * PAGE + rnd(4096));
		file_check_range(f, 0, f->size);
		if (f->size < 512 * PAGE)
			file_write(f, f->size, 500 * PAGE);
	}
	file_check(f);
	file_gone(f);
}

const struct test range_tests[] = {
	{ "truncate", truncate_resident },
	{ "truncate-empty", truncate_empty },
	{ "punch", punch },
	{ "zero", zero },
	{ "collapse", collapse },
	{ "insert", insert },
	{ "hole", hole },
	{ "tail", tail },
	{ "sizes", sizes },
	{ 0 }
};
