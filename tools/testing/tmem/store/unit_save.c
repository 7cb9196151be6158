// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, clients that move
 *
 * What was saved and restored is the same; what happened meanwhile is told.
 */
#include "stream_lib.h"
#include "unit.h"

#define E	0
#define P	1
#define Q	2
#define LIMIT	1000

#define PIECE	(3 * TSTORE_SAVE_BYTES)

static void open_save(void)
{
	world_open(300, LIMIT);
	CHECK_EQ(pool_create(w.c[0], E, EPHEMERAL), 0);
	CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), 0);
	CHECK_EQ(pool_create(w.c[0], Q, PERSISTENT), 0);
}

/* An allocation that was made to fail is no error of a test */
static int may_fail(int err)
{
	if (err == -ENOMEM) {
		world_check();
		lib_abandon();
	}
	return err;
}

static void begin(unsigned int i, u32 entries)
{
	stream_reset(&stream);
	CHECK_EQ(may_fail(tstore_save_begin(w.c[i], stream_log, entries)), 0);
}

static void finish(unsigned int i)
{
	tstore_save_finish(w.c[i]);
	CHECK_EQ(stream_drain(&stream, w.c[i], PIECE), 0);
	CHECK_EQ(tstore_save_end(w.c[i]), 0);
}

/* The stream is what client 1 becomes */
static void restore(void)
{
	enum tstore_damage damage;

	world_fresh(1, LIMIT);
	CHECK_EQ(may_fail(stream_restore(&stream, w.c[1], 1000, &damage)), 0);
	CHECK_EQ(damage, TSTORE_DAMAGE_NONE);
	world_check();
}

static void move(void)
{
	CHECK_EQ(may_fail(stream_save(&stream, w.c[0], PIECE)), 0);
	restore();
}

static u64 persistent(unsigned int i)
{
	struct tmem_query q;

	CHECK_EQ(query(w.c[i], &q), 0);
	return q.persistent;
}

static void has(unsigned int i, u32 pool, u64 obj, u64 index, u64 tag)
{
	CHECK_EQ(get(w.c[i], pool, obj, index, 1), 0);
	CHECK(got(0, tag));
}

static void lacks(unsigned int i, u32 pool, u64 obj, u64 index)
{
	CHECK_EQ(get(w.c[i], pool, obj, index, 1), -ENOENT);
}

/* ---- what is told ---- */

static void save_nothing(void)
{
	struct tmem_query q;

	world_open(20, LIMIT);
	world_fresh(0, LIMIT);
	move();					/* it has never attached */
	CHECK_EQ(stream.bytes, 128);
	CHECK_EQ(pool_create(w.c[1], P, PERSISTENT), -ENOTCONN);
	CHECK_EQ(attach(w.c[0], NULL), 0);
	move();					/* it has no pools */
	CHECK_EQ(pool_create(w.c[1], P, PERSISTENT), 0);
	CHECK_EQ(pool_create(w.c[0], E, EPHEMERAL), 0);
	CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), 0);
	move();					/* they are empty */
	CHECK_EQ(stream.bytes, 128 + 2 * 32);
	CHECK_EQ(query(w.c[1], &q), 0);
	CHECK_EQ(q.pools, 2);
	CHECK_EQ(q.persistent, 0);
	CHECK_EQ(pool_create(w.c[1], P, EPHEMERAL), -EEXIST);
	CHECK_EQ(pool_create(w.c[1], E, PERSISTENT), -EEXIST);
}

/* The ancestor lost the first page of every pool */
static void save_first_pages(void)
{
	u32 nr, i, pool;

	for (nr = 0; nr < 4; nr++) {
		open_save();
		for (pool = P; pool < 8; pool++) {
			CHECK_EQ(pool_create(w.c[0], pool, PERSISTENT), 0);
			for (i = 0; i < nr; i++)
				CHECK_EQ(put(w.c[0], pool, 7, 100 * i, 1,
					     10 * pool + i), 0);
		}
		move();
		CHECK_EQ(persistent(1), 7 * nr);
		CHECK_EQ(stream_count(&stream, TSTORE_RECORD_PAGE), 7 * nr);
		CHECK_EQ(stream_count(&stream, TSTORE_RECORD_FLUSH), 0);
		for (pool = P; pool < 8; pool++)
			for (i = 0; i < nr; i++) {
				has(1, pool, 7, 100 * i, 10 * pool + i);
				has(0, pool, 7, 100 * i, 10 * pool + i);
			}
		world_close();
	}
}

static const u64 indices[] = {
	0, 1, 15, 16, 17, 511, 512, 1ull << 32, ~0ull - 1, ~0ull,
};

/* With the object's name in the slot, and on the list of one; long names */
static void save_names(void)
{
	u64 obj;
	u32 i;

	open_save();
	for (obj = 0; obj < 4; obj++)
		for (i = 0; i < ARRAY_SIZE(indices); i++)
			CHECK_EQ(put(w.c[0], P, obj, indices[i], 1,
				     100 * obj + i), 0);
	move();
	CHECK_EQ(persistent(1), 4 * ARRAY_SIZE(indices));
	for (obj = 0; obj < 4; obj++)
		for (i = 0; i < ARRAY_SIZE(indices); i++)
			has(1, P, obj, indices[i], 100 * obj + i);
}

static void save_ephemeral(void)
{
	open_save();
	CHECK_EQ(put(w.c[0], E, 1, 0, 40, 1), 0);
	CHECK_EQ(put(w.c[0], P, 1, 0, 1, 99), 0);
	move();
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_PAGE), 1);
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_POOL), 3);
	lacks(1, E, 1, 0);
	has(1, P, 1, 0, 99);
	has(0, E, 1, 0, 1);
	CHECK_EQ(put(w.c[1], E, 1, 0, 1, 5), 0);
	has(1, E, 1, 0, 5);
}

static void save_seq(void)
{
	open_save();
	CHECK_EQ(put_seq(w.c[0], P, 1, 3, 1, 7, 1000), 0);
	move();
	CHECK_EQ(flush(w.c[1], P, 1, 3, 1, 999), 0);
	has(1, P, 1, 3, 7);
	CHECK_EQ(flush(w.c[1], P, 1, 3, 1, 1000), 0);
	lacks(1, P, 1, 3);
}

/* Others have pages on the same chains, and are not told of */
static void save_of_one(void)
{
	u32 i;

	open_save();
	CHECK_EQ(pool_create(w.c[2], P, PERSISTENT), 0);
	for (i = 0; i < 60; i++) {
		CHECK_EQ(put(w.c[0], P, i, 20, 1, i), 0);
		CHECK_EQ(put(w.c[2], P, i, 20, 1, 1000 + i), 0);
	}
	move();
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_PAGE), 60);
	for (i = 0; i < 60; i++)
		has(1, P, i, 20, i);
}

/* However small the pieces are, they are the same stream */
static void save_pieces(void)
{
	static const size_t sizes[] = {
		TSTORE_SAVE_BYTES, TSTORE_SAVE_BYTES + 24, 20000, 1 << 20,
	};
	static unsigned char first[64 * TSTORE_SAVE_BYTES];
	size_t bytes = 0, i;

	open_save();
	CHECK_EQ(put(w.c[0], P, 1, 0, 20, 1), 0);
	CHECK_EQ(put(w.c[0], Q, 1, 500, 30, 1), 0);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		CHECK_EQ(may_fail(stream_save(&stream, w.c[0], sizes[i])), 0);
		CHECK(stream.bytes <= sizeof(first));
		if (!i)
			memcpy(first, stream.data, stream.bytes);
		else
			CHECK_EQ(stream.bytes, bytes);
		bytes = stream.bytes;
		CHECK(!memcmp(first, stream.data, bytes));
	}
	restore();
	CHECK_EQ(persistent(1), 50);
}

static void save_epochs(void)
{
	u64 before, later;

	open_save();
	CHECK_EQ(attach(w.c[0], &before), 0);
	CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), 0);
	CHECK_EQ(put(w.c[0], P, 1, 0, 1, 5), 0);
	CHECK_EQ(may_fail(stream_save(&stream, w.c[0], PIECE)), 0);
	/* as if of a store where there were many */
	((struct tstore_record_start *)stream.data)->epoch = 1ull << 40;
	stream_mend(&stream);
	restore();
	/* it goes on, with no attach, and has its features */
	has(1, P, 1, 0, 5);
	CHECK_EQ(pool_create(w.c[1], 5, PERSISTENT), 0);
	CHECK_EQ(attach(w.c[1], &later), 0);
	CHECK(later > 1ull << 40);
	CHECK_EQ(get(w.c[1], P, 1, 0, 1), -ENXIO);
}

/* ---- what happens meanwhile ---- */

static void save_refuses_puts(void)
{
	open_save();
	CHECK_EQ(put(w.c[0], P, 1, 0, 1, 5), 0);
	CHECK_EQ(put(w.c[0], P, 1, 1, 1, 6), 0);
	begin(0, 8);
	CHECK_EQ(put(w.c[0], E, 1, 0, 1, 5), -EBUSY);
	CHECK_EQ(put(w.c[0], P, 2, 0, 1, 5), -EBUSY);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	has(0, P, 1, 0, 5);
	CHECK_EQ(put(w.c[0], P, 1, 0, 1, 7), -EBUSY);	/* I1, I8 */
	tstore_client_freeze(w.c[0], false);
	CHECK_EQ(put(w.c[0], P, 2, 0, 1, 5), -EBUSY);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	finish(0);
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_FLUSH), 1);
	CHECK_EQ(put(w.c[0], P, 2, 0, 1, 5), 0);
	restore();
	lacks(1, P, 1, 0);
	has(1, P, 1, 1, 6);
	CHECK_EQ(put(w.c[1], P, 1, 0, 1, 8), 0);
	has(1, P, 1, 0, 8);
	CHECK(world_stats().reject_frozen >= 4);

	tstore_client_freeze(w.c[0], true);
	CHECK_EQ(may_fail(stream_save(&stream, w.c[0], PIECE)), 0);
	CHECK_EQ(put(w.c[0], P, 2, 0, 1, 5), -EBUSY);
	tstore_client_freeze(w.c[0], false);
	CHECK_EQ(put(w.c[0], P, 2, 0, 1, 5), 0);
}

static void save_flushes(void)
{
	open_save();
	CHECK_EQ(put(w.c[0], P, 1, 0, 64, 100), 0);
	CHECK_EQ(put(w.c[0], P, 2, 0, 64, 200), 0);
	CHECK_EQ(put(w.c[0], P, 3, ~0ull, 1, 300), 0);
	CHECK_EQ(put(w.c[0], P, 3, 20, 1, 301), 0);
	begin(0, 64);
	CHECK_EQ(flush(w.c[0], P, 1, 8, 1, 0), 0);	/* not told of yet */
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_PAGE), 129);
	CHECK_EQ(flush(w.c[0], P, 1, 10, 20, 0), 0);	/* both kinds */
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_FLUSH), 1);
	CHECK_EQ(flush_object(w.c[0], P, 2, 0), 0);
	CHECK_EQ(flush(w.c[0], P, 3, ~0ull, 1, 0), 0);
	CHECK_EQ(flush(w.c[0], P, 3, 0, 1, 0), 0);
	CHECK_EQ(flush(w.c[0], P, 3, 20, 1, 0), 0);
	finish(0);
	restore();
	CHECK_EQ(persistent(0), 43);
	CHECK_EQ(persistent(1), 43);
	has(1, P, 1, 9, 109);
	lacks(1, P, 1, 8);
	lacks(1, P, 1, 10);
	lacks(1, P, 1, 29);
	has(1, P, 1, 30, 130);
	lacks(1, P, 2, 0);
	lacks(1, P, 3, ~0ull);
	lacks(1, P, 3, 20);
}

/* Neighbours share an entry of the log, up to the longest run; nobody else */
static void save_log_merges(void)
{
	u32 i;

	open_save();
	CHECK_EQ(put(w.c[0], P, 1, ~0ull, 1, 1), 0);
	CHECK_EQ(put(w.c[0], P, 1, 0, 20, 1), 0);
	CHECK_EQ(put(w.c[0], P, 2, 40, 20, 1), 0);
	CHECK_EQ(put(w.c[0], P, 3, 40, 20, 1), 0);
	CHECK_EQ(put(w.c[0], Q, 3, 60, 20, 1), 0);
	CHECK_EQ(put(w.c[0], Q, 1, ~0ull, 1, 1), 0);
	CHECK_EQ(put(w.c[0], Q, 1, 0, 1, 1), 0);
	begin(0, 64);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	CHECK_EQ(flush(w.c[0], P, 1, ~0ull, 1, 0), 0);
	CHECK_EQ(flush(w.c[0], P, 1, 0, 1, 0), 0);
	CHECK_EQ(flush(w.c[0], P, 1, 2, 1, 0), 0);
	for (i = 60; i-- > 40; )
		CHECK_EQ(flush(w.c[0], P, 2, i, 1, 0), 0);
	for (i = 40; i < 60; i++)
		CHECK_EQ(flush(w.c[0], P, 3, i, 1, 0), 0);
	CHECK_EQ(flush(w.c[0], Q, 3, 60, 20, 0), 0);
	CHECK_EQ(flush(w.c[0], Q, 1, 0, 1, 0), 0);
	CHECK_EQ(flush(w.c[0], Q, 1, ~0ull, 1, 0), 0);
	finish(0);
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_FLUSH), 8);
	restore();
	CHECK_EQ(persistent(1), 18);
	has(1, P, 1, 1, 2);
	has(1, P, 1, 3, 4);
}

static void save_longest_run(void)
{
	world_open(1100, 2000);
	CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), 0);
	CHECK_EQ(put(w.c[0], P, 1, 1000, 512, 1), 0);
	CHECK_EQ(put(w.c[0], P, 1, 1512, 100, 513), 0);
	begin(0, 64);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	CHECK_EQ(flush(w.c[0], P, 1, 1000, 600, 0), 0);
	finish(0);
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_FLUSH), 2);
	restore();
	CHECK_EQ(persistent(1), 12);
	has(1, P, 1, 1600, 601);
}

static void save_pool_changes(void)
{
	open_save();
	CHECK_EQ(put(w.c[0], P, 1, 0, 40, 100), 0);
	CHECK_EQ(put(w.c[0], Q, 1, 0, 40, 200), 0);
	CHECK_EQ(pool_create(w.c[0], 3, PERSISTENT), 0);
	begin(0, 4);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	/* takes no room in the log */
	CHECK_EQ(flush(w.c[0], Q, 1, 5, 1, 0), 0);
	CHECK_EQ(pool_destroy(w.c[0], Q), 0);
	CHECK_EQ(pool_create(w.c[0], Q, EPHEMERAL), 0);
	CHECK_EQ(pool_destroy(w.c[0], 3), 0);
	CHECK_EQ(pool_create(w.c[0], 3, PERSISTENT), 0);
	CHECK_EQ(pool_create(w.c[0], 4, PERSISTENT), 0);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	CHECK_EQ(pool_destroy(w.c[0], 4), 0);
	CHECK_EQ(pool_destroy(w.c[0], E), 0);
	finish(0);
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_POOL_GONE), 4);
	restore();
	CHECK_EQ(persistent(1), 40);
	has(1, P, 1, 39, 139);
	CHECK_EQ(pool_create(w.c[1], Q, PERSISTENT), -EEXIST);
	CHECK_EQ(pool_create(w.c[1], 3, EPHEMERAL), -EEXIST);
	CHECK_EQ(get(w.c[1], 4, 1, 0, 1), -ENXIO);
	CHECK_EQ(get(w.c[1], E, 1, 0, 1), -ENXIO);
}

/* In the middle of the walk, with the log holding names of a pool that dies */
static void save_pool_dies_midway(void)
{
	open_save();
	CHECK_EQ(put(w.c[0], P, 1, 0, 60, 100), 0);
	CHECK_EQ(put(w.c[0], Q, 1, 0, 60, 200), 0);
	begin(0, 60);
	while (stream_count(&stream, TSTORE_RECORD_PAGE) < 40)
		CHECK_EQ(stream_pull(&stream, w.c[0], TSTORE_SAVE_BYTES), 1);
	CHECK_EQ(flush(w.c[0], Q, 1, 0, 50, 0), 0);
	CHECK_EQ(pool_destroy(w.c[0], Q), 0);
	CHECK_EQ(pool_create(w.c[0], Q, PERSISTENT), 0);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	finish(0);
	restore();
	CHECK_EQ(persistent(1), 60);
	lacks(1, Q, 1, 55);
	has(1, P, 1, 55, 155);
}

static void save_log_overflows(void)
{
	u32 i;

	open_save();
	CHECK_EQ(put(w.c[0], P, 1, 0, 60, 100), 0);
	begin(0, 4);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(flush(w.c[0], P, 1, 2 * i, 1, 0), 0);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	for (i = 4; i < 9; i++)
		CHECK_EQ(flush(w.c[0], P, 1, 2 * i, 1, 0), 0);
	CHECK_EQ(stream_pull(&stream, w.c[0], PIECE), -ENOSPC);
	CHECK_EQ(put(w.c[0], P, 1, 0, 1, 5), -EBUSY);
	tstore_save_finish(w.c[0]);
	CHECK_EQ(stream_pull(&stream, w.c[0], PIECE), -ENOSPC);
	CHECK_EQ(tstore_save_end(w.c[0]), -ENOSPC);
	CHECK_EQ(put(w.c[0], P, 1, 0, 1, 5), 0);
	CHECK_EQ(persistent(0), 52);
	move();
	CHECK_EQ(persistent(1), 52);
	has(1, P, 1, 0, 5);
	lacks(1, P, 1, 2);
}

/* The log is circular: told, it is free again */
static void save_log_goes_round(void)
{
	u32 i;

	open_save();
	CHECK_EQ(put(w.c[0], P, 1, 0, 100, 100), 0);
	begin(0, 3);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	for (i = 0; i < 50; i++) {
		CHECK_EQ(flush(w.c[0], P, 1, 2 * i, 1, 0), 0);
		if (i % 3 != 1)
			CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	}
	finish(0);
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_FLUSH), 50);
	restore();
	CHECK_EQ(persistent(1), 50);
	for (i = 0; i < 50; i++) {
		lacks(1, P, 1, 2 * i);
		has(1, P, 1, 2 * i + 1, 101 + 2 * i);
	}
}

/* What leaves before it was told of does not fill the log */
static void save_log_not_ahead(void)
{
	u32 i;

	open_save();
	for (i = 0; i < 200; i++)
		CHECK_EQ(put(w.c[0], P, 1, i << 20, 1, i), 0);
	begin(0, 60);
	for (i = 0; i < 200; i++)
		CHECK_EQ(flush(w.c[0], P, 1, i << 20, 1, 0), 0);
	finish(0);
	restore();
	CHECK_EQ(persistent(1), 0);
}

static void save_attach_ends_it(void)
{
	open_save();
	CHECK_EQ(put(w.c[0], P, 1, 0, 10, 100), 0);
	begin(0, 4);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	CHECK_EQ(attach(w.c[0], NULL), 0);
	CHECK_EQ(stream_pull(&stream, w.c[0], PIECE), -ENOTCONN);
	CHECK_EQ(tstore_save_end(w.c[0]), -ENOTCONN);

	begin(0, 4);
	tstore_save_finish(w.c[0]);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	CHECK_EQ(attach(w.c[0], NULL), 0);
	CHECK_EQ(tstore_save_end(w.c[0]), -ENOTCONN);
	move();
}

/* The result says whether the stream is the client */
static void save_ends(void)
{
	open_save();
	CHECK_EQ(put(w.c[0], P, 1, 0, 10, 100), 0);
	begin(0, 4);
	CHECK_EQ(tstore_save_end(w.c[0]), -EBUSY);	/* not begun */
	begin(0, 4);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	CHECK_EQ(tstore_save_end(w.c[0]), -EBUSY);	/* not ended */
	begin(0, 4);
	tstore_save_finish(w.c[0]);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	CHECK_EQ(flush(w.c[0], P, 1, 0, 1, 0), 0);	/* after the end */
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	CHECK_EQ(tstore_save_end(w.c[0]), -EBUSY);
	begin(0, 4);
	tstore_save_finish(w.c[0]);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	CHECK_EQ(pool_create(w.c[0], 7, PERSISTENT), 0);
	CHECK_EQ(tstore_save_end(w.c[0]), -EBUSY);
	CHECK_EQ(tstore_save_end(w.c[0]), -EINVAL);
	CHECK_EQ(persistent(0), 9);
	CHECK_EQ(put(w.c[0], P, 1, 0, 1, 5), 0);
}

static void save_arguments(void)
{
	size_t used;

	open_save();
	CHECK_EQ(tstore_save_begin(w.c[0], NULL, 5), -EINVAL);
	CHECK_EQ(tstore_save_begin(w.c[0], stream_log, 0), -EINVAL);
	CHECK_EQ(tstore_save_next(w.c[0], w.buf, 1 << 20, &used), -EINVAL);
	tstore_save_finish(w.c[0]);
	begin(0, 1);
	CHECK_EQ(may_fail(tstore_save_begin(w.c[0], stream_log, 1)), -EBUSY);
	CHECK_EQ(tstore_save_next(w.c[0], w.buf, TSTORE_SAVE_BYTES - 1, &used),
		 -EINVAL);
	CHECK_EQ(tstore_save_next(w.c[0], w.buf + 4, 1 << 20, &used), -EINVAL);
	CHECK_EQ(used, 0);
	finish(0);
	/* a client that goes while it is being saved */
	begin(2, 1);
	world_fresh(2, LIMIT);
	CHECK_EQ(attach(w.c[2], NULL), 0);
	CHECK_EQ(pool_create(w.c[2], P, PERSISTENT), 0);
	CHECK_EQ(put(w.c[2], P, 1, 0, 1, 5), 0);
}

/* Two at a time, one of which goes to where the other comes from */
static void save_two(void)
{
	static struct stream two;
	static struct tstore_gone log[8];

	open_save();
	CHECK_EQ(pool_create(w.c[2], P, PERSISTENT), 0);
	CHECK_EQ(put(w.c[0], P, 1, 0, 50, 100), 0);
	CHECK_EQ(put(w.c[2], P, 1, 0, 50, 200), 0);
	begin(0, 8);
	stream_reset(&two);
	CHECK_EQ(may_fail(tstore_save_begin(w.c[2], log, 8)), 0);
	while (stream_pull(&stream, w.c[0], TSTORE_SAVE_BYTES) > 0)
		CHECK(stream_pull(&two, w.c[2], TSTORE_SAVE_BYTES) >= 0);
	CHECK_EQ(flush(w.c[0], P, 1, 0, 1, 0), 0);
	CHECK_EQ(flush(w.c[2], P, 1, 1, 1, 0), 0);
	CHECK_EQ(stream_drain(&two, w.c[2], PIECE), 0);
	tstore_save_finish(w.c[2]);
	CHECK_EQ(stream_drain(&two, w.c[2], PIECE), 0);
	CHECK_EQ(tstore_save_end(w.c[2]), 0);
	finish(0);
	restore();
	lacks(1, P, 1, 0);
	has(1, P, 1, 1, 101);
	world_fresh(1, LIMIT);
	CHECK_EQ(may_fail(stream_restore(&two, w.c[1], 99, NULL)), 0);
	has(1, P, 1, 0, 200);
	lacks(1, P, 1, 1);
}

/* ---- others, while it is under way ---- */

static unsigned int calls;

static void flush_meanwhile(void)
{
	void (*self)(void) = env_relax_hook;

	env_relax_hook = NULL;
	if (++calls % 7 == 0)
		CHECK_EQ(flush(w.c[0], P, 1, calls / 7, 1, 0), 0);
	/* on the chains that the walk is in, and off again */
	if (calls % 3 == 0)
		CHECK_EQ(put(w.c[2], P, calls, 30, 1, 1), 0);
	if (calls % 3 == 2)
		CHECK_EQ(flush_object(w.c[2], P, calls - 2, 0), 0);
	env_relax_hook = self;
}

static void save_meanwhile(void)
{
	u32 i, left = 0;

	open_save();
	CHECK_EQ(pool_create(w.c[2], P, PERSISTENT), 0);
	CHECK_EQ(put(w.c[0], P, 1, 0, 150, 100), 0);
	begin(0, 200);
	calls = 0;
	env_relax_hook = flush_meanwhile;
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	env_relax_hook = NULL;
	CHECK(calls > 30);
	finish(0);
	restore();
	for (i = 0; i < 150; i++) {
		CHECK_EQ(there(w.c[1], P, 1, i), there(w.c[0], P, 1, i));
		left += there(w.c[1], P, 1, i);
	}
	CHECK(left < 150);
}

static void save_is_bounded(void)
{
	int more = 1;

	world_open(4000, 5000);
	CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), 0);
	CHECK_EQ(put(w.c[0], P, 1, 0, 512, 1), 0);
	CHECK_EQ(put(w.c[0], P, 1, 512, 512, 1), 0);
	begin(0, 600);
	while (more) {
		env_work_reset();
		more = stream_pull(&stream, w.c[0], 1 << 20);
		CHECK(more >= 0);
		CHECK(env_work.most_locks <= 40);
		CHECK(env_work.relaxed <= 300);
	}
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_PAGE), 1024);
	CHECK_EQ(flush(w.c[0], P, 1, 0, 0, 0), 0);
	env_work_reset();
	finish(0);
	CHECK(env_work.most_locks <= 40);
}

const struct scenario unit_save[] = {
	SCENARIO(save_nothing),
	SCENARIO(save_first_pages),
	SCENARIO(save_names),
	SCENARIO(save_ephemeral),
	SCENARIO(save_seq),
	SCENARIO(save_of_one),
	SCENARIO(save_pieces),
	SCENARIO(save_epochs),
	SCENARIO(save_refuses_puts),
	SCENARIO(save_flushes),
	SCENARIO(save_log_merges),
	SCENARIO(save_longest_run),
	SCENARIO(save_pool_changes),
	SCENARIO(save_pool_dies_midway),
	SCENARIO(save_log_overflows),
	SCENARIO(save_log_goes_round),
	SCENARIO(save_log_not_ahead),
	SCENARIO(save_attach_ends_it),
	SCENARIO(save_ends),
	SCENARIO(save_arguments),
	SCENARIO(save_two),
	SCENARIO(save_meanwhile),
	SCENARIO(save_is_bounded),
};

const unsigned int nr_unit_save = ARRAY_SIZE(unit_save);
