/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what the page store's tests share
 */
#ifndef _TMEM_TEST_LIB_H
#define _TMEM_TEST_LIB_H

#include <stdio.h>

#include "tstore.h"

#define NR_CLIENTS	3
#define EPHEMERAL	0
#define PERSISTENT	TMEM_POOL_PERSISTENT

/* Results, one line each in the manner of TAP */
extern int lib_passed, lib_failed, lib_skipped;
void lib_result(int ok, const char *name, const char *why);
int lib_summary(void);

/*
 * A scenario runs once as it is and then with each of its allocations made to
 * fail in turn.
 */
struct scenario {
	const char *name;
	void (*run)(void);
};

void lib_run(const struct scenario *list, unsigned int nr);
void lib_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void lib_abandon(void) __attribute__((noreturn));

#define CHECK(cond) \
	do { \
		if (!(cond)) \
			lib_fail(__FILE__, __LINE__, "%s", #cond); \
	} while (0)

#define CHECK_EQ(a, b) \
	do { \
		long long _a = (a), _b = (b); \
		if (_a != _b) \
			lib_fail(__FILE__, __LINE__, "%s is %lld, not %lld", \
				 #a, _a, _b); \
	} while (0)

/* A store with clients that are attached and may keep @limit pages each */
struct world {
	struct tstore *s;
	struct tstore_client *c[NR_CLIENTS];
	void *arena;
	size_t bytes;		/* of the arena */
	void *snapshot;		/* of the arena, or NULL */
	unsigned char *buf;	/* TMEM_MAX_RUN pages */
	struct env_data data;
};

extern struct world w;
extern bool world_ghosts;	/* of the next world: its clients have them */
extern bool world_out;		/* the same: all frames are out at first */
extern bool world_lasting;	/* the same: its arena outlives it */
extern bool world_packs;	/* the same: it packs pages */
extern bool world_dedup;	/* the same: it keeps equal pages once */
extern unsigned int world_shared;	/* the same: most shared pools */

void world_open(unsigned int frames, u64 limit);
void world_close(void);
void world_abandon(void);
void world_snapshot(void);
int world_recover(void);
void world_check(void);
void world_fresh(unsigned int i, u64 limit);
u64 world_free(void);
struct tstore_stats world_stats(void);
int lib_store_create(size_t bytes, struct tstore **out);
size_t lib_store_metadata(size_t bytes);
int lib_store_open(size_t bytes, struct tstore **out);
void lib_store_end(struct tstore *s, struct tstore_client **c,
		   unsigned int nr);

/* The last request and its answer */
extern struct tmem_req last;

int run(struct tstore_client *c, const struct tmem_req *req);
int attach(struct tstore_client *c, u64 *epoch);
int pool_create(struct tstore_client *c, u32 pool, u64 flags);
int pool_destroy(struct tstore_client *c, u32 pool);
int join(struct tstore_client *c, u32 pool, u64 uuid);
int allow(struct tstore_client *c, u64 uuid);
int forbid(struct tstore_client *c, u64 uuid);
int put(struct tstore_client *c, u32 pool, u64 obj, u64 index, u32 nr,
	u64 tag);
int put_seq(struct tstore_client *c, u32 pool, u64 obj, u64 index, u32 nr,
	    u64 tag, u32 seq);
int get(struct tstore_client *c, u32 pool, u64 obj, u64 index, u32 nr);
int flush(struct tstore_client *c, u32 pool, u64 obj, u64 index, u32 nr,
	  u32 seq);
int flush_object(struct tstore_client *c, u32 pool, u64 obj, u32 seq);
int query(struct tstore_client *c, struct tmem_query *q);
bool there(struct tstore_client *c, u32 pool, u64 obj, u64 index);

/* Page @i of the buffer holds, in each word, what belongs to @tag + i */
void fill(unsigned char *page, u64 tag);
bool holds(const unsigned char *page, u64 tag);
bool got(unsigned int i, u64 tag);
u64 tag_of(const unsigned char *page);

u64 lib_rand(u64 *state);

#endif /* _TMEM_TEST_LIB_H */
