// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, streams and what pages lie in
 *
 * Packed pages are saved and restored as the pages that they are; and a process
 * that dies leaves a client that is restored, or as fresh as before, but never
 * half of one.
 */
#include "stream_lib.h"
#include "unit.h"
#include "private.h"

#define P	1
#define FRAMES	200
#define LIMIT	1000
#define PAGES	64
#define PIECE	(3 * TSTORE_SAVE_BYTES)

static unsigned char copy[PAGE_SIZE];

/* An allocation that was made to fail is no error of a test */
static int may_fail(int err)
{
	if (err == -ENOMEM) {
		world_check();
		lib_abandon();
	}
	return err;
}

static void open_packed(void)
{
	world_packs = true;
	world_open(FRAMES, LIMIT);
	CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), 0);
}

/* Pages of one byte, noise, and all sizes between the two */
static void make(unsigned int i)
{
	unsigned int n, random = i < 8 ? 0 : (i - 8) * PAGE_SIZE / (PAGES - 9);
	u64 rng = i;

	for (n = 0; n < PAGE_SIZE; n++)
		w.buf[n] = n < random ? (u8)lib_rand(&rng) :
			   i < 8 ? (u8)i : (u8)"tmem"[n & 3];
}

static int request(struct tstore_client *c, u8 op, u64 index)
{
	struct tmem_req req = {
		.op = op,
		.pool = P,
		.object = { index & 1, 0, index & 1 },
		.index = index,
		.nr_pages = 1,
		.seq = op == TMEM_OP_PUT ? 1000 + index : 0,
	};

	return run(c, &req);
}

static void put_all(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		make(i);
		CHECK_EQ(request(w.c[0], TMEM_OP_PUT, i), 0);
	}
	CHECK(world_stats().packed > PAGES / 2);
	CHECK(world_stats().packed < PAGES - 10);
}

static void has_page(struct tstore_client *c, unsigned int i)
{
	memset(w.buf, 0xee, PAGE_SIZE);
	CHECK_EQ(request(c, TMEM_OP_GET, i), 0);
	memcpy(copy, w.buf, PAGE_SIZE);
	make(i);
	CHECK(!memcmp(copy, w.buf, PAGE_SIZE));
}

static void has_all(struct tstore_client *c)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		has_page(c, i);
}

static void restore(void)
{
	enum tstore_damage damage;

	world_fresh(1, LIMIT);
	CHECK_EQ(may_fail(stream_restore(&stream, w.c[1], 999, &damage)), 0);
	world_check();
}

/* Of all pages, in whatever order */
static u64 page_sums(void)
{
	const struct tstore_stream_head *head;
	u64 sums = 0;
	size_t at;

	for (at = 0; at < stream.bytes; at += head->bytes) {
		head = (void *)(stream.data + at);
		if (head->type == TSTORE_RECORD_PAGE)
			sums += head->sum;
	}
	return sums;
}

static void move_packed(void)
{
	u64 packed;

	open_packed();
	put_all();
	packed = world_stats().packed;
	CHECK_EQ(may_fail(stream_save(&stream, w.c[0], PIECE)), 0);
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_PAGE), PAGES);
	restore();
	has_all(w.c[1]);
	has_all(w.c[0]);
	CHECK_EQ(world_stats().packed, 2 * packed);
}

/* From a store that packs to one that does not, and back: the same stream */
static void move_between_codecs(void)
{
	u64 packed, bytes, sums;

	open_packed();
	put_all();
	packed = world_stats().packed;
	CHECK_EQ(may_fail(stream_save(&stream, w.c[0], PIECE)), 0);
	bytes = stream.bytes;
	sums = page_sums();
	w.s->codec = NULL;
	restore();
	CHECK_EQ(world_stats().packed, packed);
	has_all(w.c[1]);
	CHECK_EQ(may_fail(stream_save(&stream, w.c[1], PIECE)), 0);
	CHECK_EQ(stream.bytes, bytes);
	CHECK_EQ(page_sums(), sums);
	w.s->codec = &tstore_lz4;
	restore();
	CHECK_EQ(world_stats().packed, 2 * packed);
	has_all(w.c[1]);
}

/* They take no frame, neither here nor there */
static void move_same_filled(void)
{
	unsigned int i;
	u64 free;

	open_packed();
	for (i = 0; i < 8; i++) {
		make(i);
		CHECK_EQ(request(w.c[0], TMEM_OP_PUT, 2 * i), 0);
	}
	free = world_free();
	CHECK_EQ(free, FRAMES);
	CHECK_EQ(may_fail(stream_save(&stream, w.c[0], PIECE)), 0);
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_PAGE), 8);
	restore();
	CHECK_EQ(world_free(), free);
	for (i = 0; i < 8; i++) {
		CHECK_EQ(request(w.c[1], TMEM_OP_GET, 2 * i), 0);
		CHECK_EQ(w.buf[0], i);
		CHECK(!memcmp(w.buf, w.buf + 1, PAGE_SIZE - 1));
	}
}

/* Equal pages are told of each by itself, and are kept once again */
static void move_shared(void)
{
	unsigned int i;
	u64 before;

	world_dedup = true;
	open_packed();
	before = world_free();
	for (i = 0; i < 40; i++) {
		make(PAGES - 1 - (i & 1));
		CHECK_EQ(request(w.c[0], TMEM_OP_PUT, 2 * i), 0);
	}
	/* two pages, and objects */
	CHECK_EQ(before - world_free(), 3);
	CHECK_EQ(may_fail(stream_save(&stream, w.c[0], PIECE)), 0);
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_PAGE), 40);
	before = world_free();
	restore();
	CHECK_EQ(before - world_free(), 2);
	CHECK_EQ(request(w.c[1], TMEM_OP_FLUSH, 0), 0);
	for (i = 1; i < 40; i++) {
		CHECK_EQ(request(w.c[1], TMEM_OP_GET, 2 * i), 0);
		memcpy(copy, w.buf, PAGE_SIZE);
		make(PAGES - 1 - (i & 1));
		CHECK(!memcmp(copy, w.buf, PAGE_SIZE));
	}
}

/* Chunks move between the pieces of a stream; nothing is told twice, or not */
static void move_while_compacting(void)
{
	unsigned int i, moves = 0;
	int more;

	open_packed();
	for (i = 0; i < 120; i++) {
		make(20);
		memcpy(w.buf, &i, sizeof(i));
		CHECK_EQ(request(w.c[0], TMEM_OP_PUT, i), 0);
	}
	stream_reset(&stream);
	CHECK_EQ(may_fail(tstore_save_begin(w.c[0], stream_log, STREAM_LOG)),
		 0);
	for (i = 0, more = 1; more > 0; i++) {
		more = stream_pull(&stream, w.c[0], TSTORE_SAVE_BYTES);
		if (i < 120 && i % 5)
			CHECK_EQ(request(w.c[0], TMEM_OP_FLUSH, i), 0);
		moves += tstore_compact(w.s);
	}
	CHECK_EQ(more, 0);
	CHECK(moves > 5);
	tstore_save_finish(w.c[0]);
	CHECK_EQ(stream_drain(&stream, w.c[0], PIECE), 0);
	CHECK_EQ(tstore_save_end(w.c[0]), 0);
	restore();
	for (i = 0; i < 120; i++) {
		if (i % 5) {
			CHECK_EQ(request(w.c[1], TMEM_OP_GET, i), -ENOENT);
			continue;
		}
		CHECK_EQ(request(w.c[1], TMEM_OP_GET, i), 0);
		memcpy(copy, w.buf, PAGE_SIZE);
		make(20);
		memcpy(w.buf, &i, sizeof(i));
		CHECK(!memcmp(copy, w.buf, PAGE_SIZE));
	}
}

/* A page that cannot be decoded ends the save, not the guest's memory */
static void move_damaged_chunk(void)
{
	unsigned int frame, i;
	int err;

	open_packed();
	make(0);
	CHECK_EQ(request(w.c[0], TMEM_OP_PUT, 2), 0);
	make(20);
	CHECK_EQ(request(w.c[0], TMEM_OP_PUT, 4), 0);
	CHECK_EQ(world_stats().packed, 1);
	for (frame = 0; frame < FRAMES; frame++)
		for (i = 8; i < 200; i++)
			((u8 *)tstore_frame_addr(w.s, frame))[i] = 0xff;
	err = may_fail(stream_save(&stream, w.c[0], PIECE));
	CHECK_EQ(err, -EFAULT);
	CHECK_EQ(tstore_save_end(w.c[0]), -EFAULT);
	/* it may go on where it is */
	CHECK_EQ(request(w.c[0], TMEM_OP_GET, 2), 0);
	CHECK_EQ(request(w.c[0], TMEM_OP_PUT, 6), 0);
}

/* ---- the process dies ---- */

static void open_lasting(void)
{
	world_lasting = true;
	world_packs = true;
	world_open(FRAMES, LIMIT);
	CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), 0);
}

static void recover(void)
{
	CHECK_EQ(world_recover(), 0);
	world_check();
	CHECK_EQ(world_stats().damaged, 0);
}

/* A client in the midst of a stream is as fresh as before it */
static void dies_in_restore(void)
{
	static unsigned char page[PAGE_SIZE];
	struct env_data data = { .base = page, .nr = 1, .bad = ~0u };
	struct tmem_query q;
	size_t at, nr = 20000;

	open_lasting();
	put_all();
	CHECK_EQ(may_fail(stream_save(&stream, w.c[0], PIECE)), 0);
	world_fresh(1, LIMIT);
	for (at = 0; at <= stream.bytes; at += nr) {
		CHECK_EQ(may_fail(tstore_restore_begin(w.c[1], &data)), 0);
		CHECK_EQ(tstore_restore_feed(w.c[1], stream.data, at), 0);
		env_idle();
		world_snapshot();
		recover();
		CHECK_EQ(world_stats().persistent, PAGES);
		has_page(w.c[0], at % PAGES);
		CHECK_EQ(query(w.c[1], &q), 0);
		CHECK_EQ(q.pools + q.persistent, 0);
		CHECK_EQ(q.limit, LIMIT);
		CHECK_EQ(pool_create(w.c[1], P, PERSISTENT), -ENOTCONN);
		CHECK_EQ(tstore_save_end(w.c[1]), -EINVAL);
		/* the last of them has the whole stream, but not its end */
		if (at + nr > stream.bytes && at < stream.bytes)
			nr = stream.bytes - at;
	}
	restore();
	has_all(w.c[1]);
}

/* From the end of the stream on it is there, and no epoch comes twice */
static void dies_after_restore(void)
{
	u64 epoch;

	open_lasting();
	put_all();
	CHECK_EQ(may_fail(stream_save(&stream, w.c[0], PIECE)), 0);
	((struct tstore_record_start *)stream.data)->epoch = 12345;
	stream_mend(&stream);
	restore();
	world_snapshot();
	recover();
	CHECK_EQ(world_stats().persistent, 2 * PAGES);
	has_all(w.c[0]);
	has_all(w.c[1]);
	make(3);
	CHECK_EQ(request(w.c[1], TMEM_OP_PUT, 3), 0);
	CHECK_EQ(attach(w.c[0], &epoch), 0);
	CHECK(epoch > 12345);
}

/* A stream that was refused is nothing, now and later */
static void dies_after_refusal(void)
{
	struct tmem_query q;

	open_lasting();
	put_all();
	CHECK_EQ(may_fail(stream_save(&stream, w.c[0], PIECE)), 0);
	stream.data[stream.bytes - 100] ^= 1;
	world_fresh(1, LIMIT);
	CHECK_EQ(may_fail(stream_restore(&stream, w.c[1], PIECE, NULL)),
		 -EBADMSG);
	CHECK_EQ(attach(w.c[1], NULL), 0);
	CHECK_EQ(pool_create(w.c[1], P, PERSISTENT), 0);
	make(3);
	CHECK_EQ(request(w.c[1], TMEM_OP_PUT, 3), 0);
	world_snapshot();
	recover();
	CHECK_EQ(query(w.c[1], &q), 0);
	CHECK_EQ(q.persistent, 1);
	has_page(w.c[1], 3);
}

/* Nobody saves it any more, so its puts are accepted unless the host says no */
static void dies_in_save(void)
{
	unsigned int frozen;

	open_lasting();
	put_all();
	for (frozen = 0; frozen < 2; frozen++) {
		tstore_client_freeze(w.c[0], frozen);
		CHECK_EQ(may_fail(tstore_save_begin(w.c[0], stream_log, 9)),
			 0);
		make(5);
		CHECK_EQ(request(w.c[0], TMEM_OP_PUT, 5), -EBUSY);
		world_snapshot();
		recover();
		CHECK_EQ(world_stats().persistent, PAGES - 1);
		make(5);
		CHECK_EQ(request(w.c[0], TMEM_OP_PUT, 5), frozen ? -EBUSY : 0);
	}
	tstore_client_freeze(w.c[0], false);
	make(5);
	CHECK_EQ(request(w.c[0], TMEM_OP_PUT, 5), 0);
	CHECK_EQ(may_fail(stream_save(&stream, w.c[0], PIECE)), 0);
	restore();
	has_all(w.c[1]);
}

const struct scenario unit_move[] = {
	SCENARIO(move_packed),
	SCENARIO(move_between_codecs),
	SCENARIO(move_same_filled),
	SCENARIO(move_shared),
	SCENARIO(move_while_compacting),
	SCENARIO(move_damaged_chunk),
	SCENARIO(dies_in_restore),
	SCENARIO(dies_after_restore),
	SCENARIO(dies_after_refusal),
	SCENARIO(dies_in_save),
};

const unsigned int nr_unit_move = ARRAY_SIZE(unit_move);
