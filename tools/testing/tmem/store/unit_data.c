// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, put and get and flush
 */
#include "unit.h"

#define E	0	/* an ephemeral pool */
#define P	1	/* a persistent pool */
#define OBJ	7

static void open_both(unsigned int frames, u64 limit)
{
	unsigned int i;

	world_open(frames, limit);
	for (i = 0; i < NR_CLIENTS; i++) {
		CHECK_EQ(pool_create(w.c[i], E, EPHEMERAL), 0);
		CHECK_EQ(pool_create(w.c[i], P, PERSISTENT), 0);
	}
}

/* I1: after a put that failed no older copy comes back */
static void i1_failed_put_drops_old(void)
{
	open_both(32, 4);
	CHECK_EQ(put(w.c[0], P, OBJ, 0, 4, 100), 0);
	/* two old pages, three new ones: more than the limit */
	CHECK_EQ(put(w.c[0], P, OBJ, 2, 5, 200), -EDQUOT);
	CHECK_EQ(last.done, 0);
	CHECK_EQ(get(w.c[0], P, OBJ, 0, 4), 0);
	CHECK_EQ(last.done, 2);
	CHECK(got(0, 100) && got(1, 101));
	CHECK(!there(w.c[0], P, OBJ, 2));
	CHECK(!there(w.c[0], P, OBJ, 3));
	CHECK(!there(w.c[0], P, OBJ, 6));
}

/* I1, ephemeral: old copies beyond the prefix that was stored go as well */
static void i1_short_put_drops_old(void)
{
	open_both(32, 8);
	CHECK_EQ(put(w.c[0], P, 1, 0, 4, 1000), 0);
	CHECK_EQ(put(w.c[0], E, OBJ, 10, 4, 100), 0);
	CHECK_EQ(put(w.c[0], E, OBJ, 4, 8, 200), 0);
	CHECK_EQ(last.done, 4);
	CHECK(!there(w.c[0], E, OBJ, 10));
	CHECK(!there(w.c[0], E, OBJ, 11));
	CHECK_EQ(get(w.c[0], E, OBJ, 4, 8), 0);
	CHECK_EQ(last.done, 4);
	CHECK(got(0, 200) && got(3, 203));
}

static void i1_faulting_put_drops_old(void)
{
	open_both(64, 64);
	CHECK_EQ(put(w.c[0], P, OBJ, 0, 40, 100), 0);
	w.data.bad = 20;
	CHECK_EQ(put(w.c[0], P, OBJ, 0, 40, 200), -EFAULT);
	CHECK_EQ(last.done, 0);
	w.data.bad = ~0u;
	CHECK_EQ(get(w.c[0], P, OBJ, 0, 1), -ENOENT);
	CHECK_EQ(get(w.c[0], P, OBJ, 30, 1), -ENOENT);
	CHECK_EQ(world_stats().persistent, 0);

	CHECK_EQ(put(w.c[0], E, OBJ, 0, 40, 100), 0);
	w.data.bad = 20;
	CHECK_EQ(put(w.c[0], E, OBJ, 0, 40, 200), 0);
	CHECK_EQ(last.done, 20);
	w.data.bad = 0;
	CHECK_EQ(put(w.c[0], E, OBJ, 0, 1, 300), -EFAULT);
	w.data.bad = ~0u;
	CHECK_EQ(get(w.c[0], E, OBJ, 0, 1), -ENOENT);
	CHECK_EQ(get(w.c[0], E, OBJ, 1, 39), 0);
	CHECK_EQ(last.done, 19);
	CHECK(got(18, 219));
}

/* I2, I3: an exclusive get takes the page away, and a miss stays one */
static void i2_i3_exclusive_get(void)
{
	open_both(64, 64);
	CHECK_EQ(get(w.c[0], E, OBJ, 0, 1), -ENOENT);
	CHECK_EQ(put(w.c[0], E, OBJ, 0, 1, 100), 0);
	CHECK_EQ(get(w.c[0], E, OBJ, 0, 1), 0);
	CHECK(got(0, 100));
	CHECK_EQ(get(w.c[0], E, OBJ, 0, 1), -ENOENT);
	CHECK_EQ(last.done, 0);
	CHECK_EQ(world_stats().ephemeral, 0);
	CHECK_EQ(world_stats().hits, 1);
	CHECK_EQ(world_stats().misses, 2);
}

/* I4: persistent pages come back every time */
static void i4_persistent_get_stays(void)
{
	unsigned int i;

	open_both(64, 64);
	CHECK_EQ(put(w.c[0], P, OBJ, 5, 20, 100), 0);
	CHECK_EQ(last.done, 20);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(get(w.c[0], P, OBJ, 5, 20), 0);
		CHECK_EQ(last.done, 20);
		CHECK(got(0, 100) && got(19, 119));
	}
	CHECK_EQ(flush(w.c[0], P, OBJ, 6, 1, 0), 0);
	CHECK_EQ(last.done, 1);
	CHECK_EQ(get(w.c[0], P, OBJ, 5, 20), 0);
	CHECK_EQ(last.done, 1);
}

/* I6: what was flushed is gone */
static void i6_flush(void)
{
	unsigned int pool;

	open_both(64, 64);
	for (pool = E; pool <= P; pool++) {
		CHECK_EQ(put(w.c[0], pool, OBJ, 0, 20, 100), 0);
		CHECK_EQ(flush(w.c[0], pool, OBJ, 5, 3, 0), 0);
		CHECK_EQ(last.done, 3);
		CHECK_EQ(flush(w.c[0], pool, OBJ, 5, 3, 0), 0);
		CHECK_EQ(last.done, 0);
		CHECK(there(w.c[0], pool, OBJ, 4));
		CHECK(!there(w.c[0], pool, OBJ, 5));
		CHECK(!there(w.c[0], pool, OBJ, 7));
		CHECK(there(w.c[0], pool, OBJ, 8));
		CHECK_EQ(flush(w.c[0], pool, OBJ, 10, 0, 0), 0);
		CHECK_EQ(last.done, 10);
		CHECK(there(w.c[0], pool, OBJ, 9));
		CHECK_EQ(flush_object(w.c[0], pool, OBJ, 0), 0);
		CHECK_EQ(last.done, 7);
		CHECK_EQ(flush_object(w.c[0], pool, OBJ, 0), 0);
		CHECK_EQ(last.done, 0);
	}
}

static void flush_keeps_to_its_object(void)
{
	open_both(64, 64);
	CHECK_EQ(put(w.c[0], E, 1, 0, 10, 100), 0);
	CHECK_EQ(put(w.c[0], E, 2, 0, 10, 200), 0);
	CHECK_EQ(put(w.c[0], P, 1, 0, 10, 300), 0);
	CHECK_EQ(put(w.c[1], E, 1, 0, 10, 400), 0);
	CHECK_EQ(flush_object(w.c[0], E, 1, 0), 0);
	CHECK_EQ(last.done, 10);
	CHECK_EQ(get(w.c[0], E, 2, 0, 10), 0);
	CHECK(got(9, 209));
	CHECK_EQ(get(w.c[0], P, 1, 0, 10), 0);
	CHECK(got(9, 309));
	CHECK_EQ(get(w.c[1], E, 1, 0, 10), 0);
	CHECK(got(9, 409));
}

/* A range much larger than the object, at both ends of the numbers */
static void flush_far_ranges(void)
{
	u64 far = 0xfffffffffffffff0ull;

	open_both(64, 64);
	CHECK_EQ(put(w.c[0], P, OBJ, far, 16, 100), 0);
	CHECK_EQ(put(w.c[0], P, OBJ, 0, 16, 200), 0);
	CHECK_EQ(put(w.c[0], P, OBJ, 1ull << 40, 1, 300), 0);
	CHECK_EQ(flush(w.c[0], P, OBJ, 1, 0xffffffff, 0), 0);
	CHECK_EQ(last.done, 15);
	CHECK_EQ(flush(w.c[0], P, OBJ, far + 8, 0, 0), 0);
	CHECK_EQ(last.done, 8);
	CHECK_EQ(get(w.c[0], P, OBJ, far, 16), 0);
	CHECK_EQ(last.done, 8);
	CHECK_EQ(flush(w.c[0], P, OBJ, 1, 0, 0), 0);
	CHECK_EQ(last.done, 9);
	CHECK(there(w.c[0], P, OBJ, 0));
}

/* I8: frozen puts are refused, and take old copies with them all the same */
static void i8_frozen(void)
{
	open_both(64, 64);
	CHECK_EQ(put(w.c[0], P, OBJ, 0, 4, 100), 0);
	CHECK_EQ(put(w.c[0], E, OBJ, 0, 4, 200), 0);
	tstore_client_freeze(w.c[0], true);
	CHECK_EQ(put(w.c[0], P, OBJ, 1, 1, 300), -EBUSY);
	CHECK_EQ(put(w.c[0], E, OBJ, 1, 2, 300), -EBUSY);
	CHECK_EQ(last.done, 0);
	CHECK(!there(w.c[0], P, OBJ, 1));
	CHECK(!there(w.c[0], E, OBJ, 1));
	CHECK(!there(w.c[0], E, OBJ, 2));
	CHECK(there(w.c[0], P, OBJ, 0));
	CHECK_EQ(get(w.c[0], P, OBJ, 2, 2), 0);
	CHECK(got(0, 102) && got(1, 103));
	CHECK_EQ(flush(w.c[0], P, OBJ, 2, 1, 0), 0);
	CHECK_EQ(last.done, 1);
	CHECK_EQ(put(w.c[1], P, OBJ, 0, 1, 400), 0);
	CHECK_EQ(world_stats().reject_frozen, 2);
	tstore_client_freeze(w.c[0], false);
	CHECK_EQ(put(w.c[0], P, OBJ, 1, 1, 300), 0);
}

/* I10: a flush that is older than the page leaves it alone */
static void i10_seq(void)
{
	unsigned int pool;

	open_both(64, 64);
	for (pool = E; pool <= P; pool++) {
		CHECK_EQ(put_seq(w.c[0], pool, OBJ, 0, 4, 100, 10), 0);
		CHECK_EQ(put_seq(w.c[0], pool, OBJ, 2, 1, 200, 12), 0);
		CHECK_EQ(flush(w.c[0], pool, OBJ, 0, 1, 9), 0);
		CHECK_EQ(last.done, 0);
		CHECK_EQ(flush(w.c[0], pool, OBJ, 0, 1, 10), 0);
		CHECK_EQ(last.done, 1);
		CHECK_EQ(flush(w.c[0], pool, OBJ, 0, 0, 11), 0);
		CHECK_EQ(last.done, 2);
		CHECK(there(w.c[0], pool, OBJ, 2));
		CHECK_EQ(flush_object(w.c[0], pool, OBJ, 11), 0);
		CHECK_EQ(last.done, 0);
		CHECK_EQ(flush(w.c[0], pool, OBJ, 1, 2, 0), 0);
		CHECK_EQ(last.done, 1);
	}
}

/* Serial number arithmetic, where the numbers wrap */
static void i10_seq_wraps(void)
{
	open_both(64, 64);
	CHECK_EQ(put_seq(w.c[0], P, OBJ, 0, 1, 1, 0x00000005), 0);
	CHECK_EQ(put_seq(w.c[0], P, OBJ, 1, 1, 2, 0xfffffff0), 0);
	CHECK_EQ(flush(w.c[0], P, OBJ, 0, 2, 0xfffffff8), 0);
	CHECK_EQ(last.done, 1);
	CHECK(there(w.c[0], P, OBJ, 0));
	CHECK_EQ(flush_object(w.c[0], P, OBJ, 6), 0);
	CHECK_EQ(last.done, 1);
	CHECK_EQ(put_seq(w.c[0], P, OBJ, 0, 1, 1, 0), 0);
	CHECK_EQ(flush(w.c[0], P, OBJ, 0, 1, 0x80000001), 0);
	CHECK_EQ(last.done, 0);
}

/* I12: a get that fails half-way */
static void i12_faulting_get(void)
{
	open_both(96, 96);
	CHECK_EQ(put(w.c[0], E, OBJ, 0, 40, 100), 0);
	CHECK_EQ(put(w.c[0], P, OBJ, 0, 40, 200), 0);
	w.data.bad = 20;
	CHECK_EQ(get(w.c[0], E, OBJ, 0, 40), 0);
	CHECK_EQ(last.done, 20);
	CHECK_EQ(get(w.c[0], P, OBJ, 0, 40), 0);
	CHECK_EQ(last.done, 20);
	w.data.bad = 0;
	CHECK_EQ(get(w.c[0], E, OBJ, 20, 1), -EFAULT);
	CHECK_EQ(get(w.c[0], P, OBJ, 0, 1), -EFAULT);
	w.data.bad = ~0u;
	CHECK_EQ(get(w.c[0], E, OBJ, 19, 1), -ENOENT);
	CHECK_EQ(get(w.c[0], E, OBJ, 20, 20), 0);
	CHECK_EQ(last.done, 20);
	CHECK(got(0, 120));
	CHECK_EQ(get(w.c[0], P, OBJ, 0, 40), 0);
	CHECK_EQ(last.done, 40);
}

/* I13: the same name is another page for another client, and for each pool */
static void i13_clients_are_apart(void)
{
	unsigned int i, pool;

	open_both(64, 64);
	for (i = 0; i < NR_CLIENTS; i++)
		for (pool = E; pool <= P; pool++)
			CHECK_EQ(put(w.c[i], pool, OBJ, 3, 1,
				     1000 * i + 100 * pool), 0);
	for (i = 0; i < NR_CLIENTS; i++) {
		for (pool = E; pool <= P; pool++) {
			CHECK_EQ(get(w.c[i], pool, OBJ, 3, 1), 0);
			CHECK(got(0, 1000 * i + 100 * pool));
		}
	}
}

/* I13: a frame that changes hands shows nothing of its last owner */
static void i13_frames_change_hands(void)
{
	unsigned int i;

	open_both(8, 64);
	for (i = 0; i < 50; i++) {
		struct tstore_client *c = w.c[i % NR_CLIENTS];

		CHECK_EQ(put(c, E, i, 0, 7, 1000 * i), 0);
		CHECK_EQ(last.done, 7);
		w.data.bad = i % 7;
		CHECK_EQ(put(w.c[1], E, 99, 0, 7, 77), i % 7 ? 0 : -EFAULT);
		w.data.bad = ~0u;
		CHECK_EQ(flush_object(w.c[1], E, 99, 0), 0);
		if (get(c, E, i, 0, 1) == 0)
			CHECK(got(0, 1000 * i));
		CHECK_EQ(flush_object(c, E, i, 0), 0);
	}
}

static void duplicate_put_replaces(void)
{
	unsigned int pool;

	open_both(64, 64);
	for (pool = E; pool <= P; pool++) {
		CHECK_EQ(put(w.c[0], pool, OBJ, 0, 10, 100), 0);
		CHECK_EQ(put(w.c[0], pool, OBJ, 5, 10, 200), 0);
		CHECK_EQ(last.done, 10);
		CHECK_EQ(get(w.c[0], pool, OBJ, 0, 15), 0);
		CHECK_EQ(last.done, 15);
		CHECK(got(4, 104) && got(5, 200) && got(14, 209));
	}
	CHECK_EQ(world_stats().replaced, 10);
	CHECK_EQ(world_stats().stored, 40);
}

/* Replacing needs no room, so it works when there is none */
static void duplicate_put_when_full(void)
{
	open_both(17, 64);
	CHECK_EQ(put(w.c[0], P, OBJ, 0, 16, 100), 0);
	CHECK_EQ(world_free(), 0);
	CHECK_EQ(put(w.c[0], P, OBJ, 0, 16, 200), 0);
	CHECK_EQ(get(w.c[0], P, OBJ, 0, 16), 0);
	CHECK_EQ(last.done, 16);
	CHECK(got(15, 215));
	tstore_client_set_limit(w.c[0], 16);
	CHECK_EQ(put(w.c[0], P, OBJ, 0, 16, 300), 0);
}

static void get_longest_prefix(void)
{
	open_both(256, 256);
	CHECK_EQ(put(w.c[0], P, OBJ, 0, 100, 100), 0);
	CHECK_EQ(flush(w.c[0], P, OBJ, 77, 1, 0), 0);
	CHECK_EQ(get(w.c[0], P, OBJ, 0, 100), 0);
	CHECK_EQ(last.done, 77);
	CHECK(got(76, 176));
	CHECK_EQ(tag_of(w.buf + 77 * PAGE_SIZE), (long long)0xeeeeeeeeeeeeeeeeull);
	CHECK_EQ(get(w.c[0], P, OBJ, 77, 10), -ENOENT);
	CHECK_EQ(last.done, 0);
}

/* The longest run, not aligned to anything */
static void longest_run(void)
{
	unsigned int i;

	open_both(600, 600);
	CHECK_EQ(put(w.c[0], E, OBJ, 333, TMEM_MAX_RUN, 5000), 0);
	CHECK_EQ(last.done, TMEM_MAX_RUN);
	CHECK_EQ(get(w.c[0], E, OBJ, 333, TMEM_MAX_RUN), 0);
	CHECK_EQ(last.done, TMEM_MAX_RUN);
	for (i = 0; i < TMEM_MAX_RUN; i++)
		CHECK(got(i, 5000 + i));
	CHECK_EQ(put(w.c[0], P, OBJ, ~0ull - TMEM_MAX_RUN + 1, TMEM_MAX_RUN, 1),
		 0);
	CHECK_EQ(get(w.c[0], P, OBJ, ~0ull, 1), 0);
	CHECK(got(0, TMEM_MAX_RUN));
}

/* Names that differ in one bit anywhere */
static void names_matter(void)
{
	struct tmem_req req = { .op = TMEM_OP_PUT, .pool = P, .nr_pages = 1 };
	unsigned int i;

	open_both(400, 400);
	for (i = 0; i < 256; i++) {
		req.op = TMEM_OP_PUT;
		memset(req.object, 0, sizeof(req.object));
		req.index = 0;
		if (i < 192)
			req.object[i / 64] = 1ull << i % 64;
		else
			req.index = 1ull << i % 64;
		fill(w.buf, i);
		CHECK_EQ(run(w.c[0], &req), 0);
	}
	for (i = 0; i < 256; i++) {
		req.op = TMEM_OP_GET;
		memset(req.object, 0, sizeof(req.object));
		req.index = 0;
		if (i < 192)
			req.object[i / 64] = 1ull << i % 64;
		else
			req.index = 1ull << i % 64;
		CHECK_EQ(run(w.c[0], &req), 0);
		CHECK(got(0, i));
	}
	req.index = 0;
	memset(req.object, 0, sizeof(req.object));
	CHECK_EQ(run(w.c[0], &req), -ENOENT);
}

static void list_flag_is_the_carriers(void)
{
	struct tmem_req req = {
		.op = TMEM_OP_PUT,
		.flags = TMEM_REQ_LIST,
		.pool = E,
		.nr_pages = 2,
		.addr = 0x123456789,
	};

	open_both(16, 16);
	CHECK_EQ(run(w.c[0], &req), 0);
	req.op = TMEM_OP_GET;
	CHECK_EQ(run(w.c[0], &req), 0);
	CHECK_EQ(last.done, 2);
	CHECK_EQ(last.flags, TMEM_REQ_LIST);
	CHECK_EQ(last.addr, 0x123456789);
}

const struct scenario unit_data[] = {
	SCENARIO(i1_failed_put_drops_old),
	SCENARIO(i1_short_put_drops_old),
	SCENARIO(i1_faulting_put_drops_old),
	SCENARIO(i2_i3_exclusive_get),
	SCENARIO(i4_persistent_get_stays),
	SCENARIO(i6_flush),
	SCENARIO(flush_keeps_to_its_object),
	SCENARIO(flush_far_ranges),
	SCENARIO(i8_frozen),
	SCENARIO(i10_seq),
	SCENARIO(i10_seq_wraps),
	SCENARIO(i12_faulting_get),
	SCENARIO(i13_clients_are_apart),
	SCENARIO(i13_frames_change_hands),
	SCENARIO(duplicate_put_replaces),
	SCENARIO(duplicate_put_when_full),
	SCENARIO(get_longest_prefix),
	SCENARIO(longest_run),
	SCENARIO(names_matter),
	SCENARIO(list_flag_is_the_carriers),
};

const unsigned int nr_unit_data = ARRAY_SIZE(unit_data);
