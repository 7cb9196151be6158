/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Coherence of hcache, tested from user space: what the files share
 *
 * A struct file is a file together with a shadow of it in memory.  Every word
 * of eight bytes says which file it belongs to, which of its writes it comes
 * from, and where it is; so a wrong byte tells its history.
 */
#ifndef COH_H
#define COH_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE	4096UL
#define ROOM	(8UL << 20)	/* no file grows beyond this */

#define TMEM	"/sys/kernel/mm/tmem/"
#define HSWAP	TMEM "hswap/"

#define EXT4_MAGIC	0xef53
#define XFS_MAGIC	0x58465342
#define BTRFS_MAGIC	0x9123683e

struct file {
	char path[64];
	int fd;			/* buffered */
	int dfd;		/* O_DIRECT */
	uint32_t id, gen;
	size_t size;
	unsigned char *want;	/* ROOM bytes; zero beyond size */
};

/* Memory that is swapped */
struct region {
	unsigned char *mem;
	size_t pages;
	uint32_t id;
	uint32_t *gen;		/* of each page; 0: zeroes */
};

/* What hcache has counted */
struct counts {
	long stored, hits, lost, invalidated, overwritten, offered, returned;
};

extern unsigned long fs_magic;
extern const char *now_testing;
extern bool verbose;
extern bool faults;		/* the store misbehaves: do not ask for many hits */
extern bool large_folios;	/* a folio of which one page was written has no hit */

/* Did the store have less than it should?  One that misbehaves may. */
static inline bool too_few(long got, long least)
{
	return !faults && got < least;
}

/* util.c */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void skip(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define must(call) ({							\
	long must_ret = (long)(call);					\
	if (must_ret == -1)						\
		fail("%s:%d: %s: %s", __FILE__, __LINE__, #call,	\
		     strerror(errno));					\
	must_ret;							\
})
uint64_t word_of(uint32_t id, uint32_t gen, uint64_t pos);
void pattern(void *buf, uint32_t id, uint32_t gen, uint64_t pos, size_t len);
void *aligned(size_t len);
unsigned int rnd(unsigned int below);
void rnd_seed(unsigned int seed);
double now(void);
double seconds_of(const char *word);
bool echo_to(const char *path, const char *text);
long read_long(const char *path);
const char *transport(void);
void all_pages(void);
struct counts counts(void);

/* file.c */
struct file *file_new(const char *name, size_t pages);
void file_open(struct file *f);
void file_close(struct file *f);
void file_gone(struct file *f);
void file_write(struct file *f, uint64_t pos, size_t len);
void file_dwrite(struct file *f, uint64_t pos, size_t len);
void file_mwrite(struct file *f, uint64_t pos, size_t len);
void file_truncate(struct file *f, size_t size);
int file_fallocate(struct file *f, int mode, uint64_t pos, uint64_t len);
const void *file_next(struct file *f, uint64_t pos, size_t len);
void file_check(struct file *f);
void file_check_mapped(struct file *f, int advice);
void file_check_range(struct file *f, uint64_t pos, size_t len);
size_t file_resident(struct file *f);
void file_evict(struct file *f);
void file_pageout(struct file *f, uint64_t pos, size_t len);
void file_store(struct file *f);
void file_forget_inode(struct file *f, bool shadows);
void file_check_hits(struct file *f, long least);
void reclaim(const char *how_much);
void burst(size_t bytes);

/* region.c */
void region_init(struct region *r, uint32_t id, size_t nr, int flags);
void region_exit(struct region *r);
void page_write(struct region *r, size_t page);
void page_check(struct region *r, size_t page);
void region_write(struct region *r);
void region_check(struct region *r);
void region_evict(struct region *r);
void region_check_loaded(struct region *r);
long loaded(void);

/* The tests.  Each is a function that returns if all is well. */
struct test {
	const char *name;
	void (*run)(void);
	bool own_fs;		/* unmounts: not under others' feet */
};

extern const struct test io_tests[], range_tests[], life_tests[], share_tests[],
	race_tests[], special_tests[];

/* random.c */
void random_test(unsigned int seed, double seconds, unsigned int threads,
		 bool toggle);

#endif
