// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, pages that are packed
 */
#include "unit.h"
#include "private.h"

#define E	0
#define P	1
#define FRAMES	100

static void open_of(unsigned int frames)
{
	unsigned int i;

	world_packs = true;
	world_open(frames, 10 * frames);
	for (i = 0; i < NR_CLIENTS; i++) {
		CHECK_EQ(pool_create(w.c[i], E, EPHEMERAL), 0);
		CHECK_EQ(pool_create(w.c[i], P, PERSISTENT), 0);
	}
}

static void open_both(void)
{
	open_of(FRAMES);
}

/* Puts what is in the buffer, which put() would fill */
static int put_buf(u32 pool, u64 index, u32 nr)
{
	struct tmem_req req = {
		.op = TMEM_OP_PUT,
		.pool = pool,
		.index = index,
		.nr_pages = nr,
	};

	return run(w.c[0], &req);
}

static int get_buf(u32 pool, u64 index, u32 nr)
{
	struct tmem_req req = {
		.op = TMEM_OP_GET,
		.pool = pool,
		.index = index,
		.nr_pages = nr,
	};

	return run(w.c[0], &req);
}

/* Page @i of the buffer: the first @random bytes are noise, the rest is text */
static void noise(unsigned int i, unsigned int random)
{
	u8 *page = w.buf + i * PAGE_SIZE;
	u64 rng = i * 1000 + random;
	unsigned int n;

	for (n = 0; n < PAGE_SIZE; n++)
		page[n] = n < random ? (u8)lib_rand(&rng) : "tmem"[n & 3];
}

/* Pages of one byte take no frame */
static void same_filled(void)
{
	unsigned int i, n;

	open_both();
	for (i = 0; i < 32; i++)
		memset(w.buf + i * PAGE_SIZE, i * 8 + 7, PAGE_SIZE);
	CHECK_EQ(put_buf(P, 0, 32), 0);
	CHECK_EQ(world_stats().persistent, 32);
	CHECK_EQ(world_stats().free, FRAMES - world_stats().object_frames);
	world_check();
	memset(w.buf, 0xee, 32 * PAGE_SIZE);
	CHECK_EQ(get_buf(P, 0, 32), 0);
	for (i = 0; i < 32; i++)
		for (n = 0; n < PAGE_SIZE; n++)
			CHECK_EQ(w.buf[i * PAGE_SIZE + n], i * 8 + 7);
	/* all but one byte */
	memset(w.buf, 0, PAGE_SIZE);
	w.buf[PAGE_SIZE - 1] = 1;
	CHECK_EQ(put_buf(P, 100, 1), 0);
	w.buf[PAGE_SIZE - 1] = 0;
	CHECK_EQ(get_buf(P, 100, 1), 0);
	CHECK_EQ(w.buf[PAGE_SIZE - 1], 1);
}

/* Every size comes back as it was, and a chunk is not much larger than that */
static void every_size(void)
{
	static unsigned char copy[PAGE_SIZE];
	struct tstore_stats st;
	unsigned int random;
	double lost;

	open_both();
	env_fail_at = 0;
	for (random = 1; random < PAGE_SIZE; random += 7) {
		noise(0, random);
		memcpy(copy, w.buf, PAGE_SIZE);
		CHECK_EQ(put_buf(P, 0, 1), 0);
		memset(w.buf, 0, PAGE_SIZE);
		CHECK_EQ(get_buf(P, 0, 1), 0);
		CHECK(!memcmp(w.buf, copy, PAGE_SIZE));
		st = world_stats();
		/* above 73 % it stays as it is */
		if (random < 2700 || random > 2990)
			CHECK_EQ(st.packed, random < 2700);
		if (st.packed && st.packed_bytes > 256) {
			lost = 1 - (double)st.packed_bytes / st.chunk_bytes;
			CHECK(lost < 0.15);
		}
		world_check();
	}
}

/* More pages than frames, up to the number of slots */
static void more_pages_than_frames(void)
{
	static unsigned char copy[PAGE_SIZE];
	unsigned int i, nr = 0;
	int err;

	open_both();
	for (i = 0; i < 400; i++) {
		noise(0, 200 + i);
		err = put_buf(P, i, 1);
		if (err)
			break;
		nr++;
	}
	CHECK_EQ(err, -ENOSPC);
	CHECK(nr > 200 && nr <= 250);
	world_check();
	for (i = 0; i < nr; i++) {
		CHECK_EQ(get_buf(P, i, 1), 0);
		memcpy(copy, w.buf, PAGE_SIZE);
		noise(0, 200 + i);
		CHECK(!memcmp(w.buf, copy, PAGE_SIZE));
	}
}

/* What is left of many spans is gathered in few */
static void compaction_gains_frames(void)
{
	static unsigned char copy[PAGE_SIZE];
	u32 frames[FRAMES], got;
	unsigned int i;

	open_both();
	for (i = 0; i < 140; i++) {
		noise(0, 600);
		memcpy(w.buf, &i, sizeof(i));
		CHECK_EQ(put_buf(P, i, 1), 0);
	}
	for (i = 0; i < 140; i++) {
		struct tmem_req req = {
			.op = TMEM_OP_FLUSH,
			.pool = P,
			.index = i,
			.nr_pages = 1,
		};

		if (i % 5)
			CHECK_EQ(run(w.c[0], &req), 0);
	}
	world_check();
	CHECK_EQ(world_stats().packed, 28);
	CHECK(world_stats().span_frames > 15);
	got = tstore_take(w.s, frames, FRAMES);
	world_check();
	CHECK(world_stats().span_frames < 8);
	CHECK(got > FRAMES - 15);
	CHECK_EQ(tstore_give(w.s, frames, got), 0);
	for (i = 0; i < 140; i += 5) {
		CHECK_EQ(get_buf(P, i, 1), 0);
		memcpy(copy, w.buf, PAGE_SIZE);
		noise(0, 600);
		memcpy(w.buf, &i, sizeof(i));
		CHECK(!memcmp(w.buf, copy, PAGE_SIZE));
	}
}

/* A client pays for what its pages take, not for their number */
static void charged_by_size(void)
{
	struct tmem_query q;
	unsigned int i;

	open_both();
	tstore_client_set_limit(w.c[0], 20);
	for (i = 0; i < 60; i++) {
		noise(0, 500);
		w.buf[0] = i;
		CHECK_EQ(put_buf(P, i, 1), 0);
	}
	CHECK_EQ(query(w.c[0], &q), 0);
	CHECK_EQ(q.persistent, 60);
	for (i = 0; i < 30; i++) {
		noise(0, PAGE_SIZE);
		if (put_buf(P, 1000 + i, 1))
			break;
	}
	CHECK_EQ(last.status, -EDQUOT);
	CHECK(i > 5 && i < 15);
}

static unsigned int encoded;

static u32 count_encode(void *work, const void *page, void *out, u32 room)
{
	encoded++;
	return tstore_lz4.encode(work, page, out, room);
}

/* A pool of noise is let be for some pages, and then tried again */
static void noise_is_not_tried_for_ever(void)
{
	struct tstore_codec codec = tstore_lz4;
	unsigned int i;

	open_of(4096);
	codec.encode = count_encode;
	w.s->codec = &codec;
	encoded = 0;
	noise(0, PAGE_SIZE);
	for (i = 0; i < 500; i++)
		CHECK_EQ(put_buf(E, i, 1), 0);
	CHECK(encoded >= 100 && encoded < 200);
	for (i = 0; i < 500; i++)
		CHECK_EQ(put_buf(E, i, 1), 0);
	CHECK(encoded > 200 && encoded < 400);
	/* the other pool is another matter */
	encoded = 0;
	noise(0, 100);
	CHECK_EQ(put_buf(P, 0, 1), 0);
	CHECK_EQ(encoded, 1);
	w.s->codec = &tstore_lz4;
}

/* What was let be after noise is text: it does not take the whole store */
static void text_after_noise(void)
{
	struct tmem_req req = { .op = TMEM_OP_FLUSH, .pool = P };
	unsigned int i;

	open_of(1000);
	noise(0, PAGE_SIZE);
	for (i = 0; i < 200; i++)
		CHECK_EQ(put_buf(P, i, 1), 0);
	CHECK_EQ(run(w.c[0], &req), 0);
	CHECK_EQ(world_stats().persistent, 0);
	noise(0, 100);
	for (i = 0; i < 1400; i++)
		CHECK_EQ(put_buf(P, i, 1), 0);
	CHECK(world_stats().packed > 1200);
	world_check();
}

static void packed_pages_survive(void)
{
	unsigned int i;

	world_lasting = true;
	open_both();
	for (i = 0; i < 8; i++) {
		CHECK_EQ(put(w.c[i % 3], E, i, 30 * i, 20, 100 * i), 0);
		CHECK_EQ(put(w.c[i % 3], P, i, 30 * i, 7, 100 * i), 0);
	}
	memset(w.buf, 0x55, PAGE_SIZE);
	CHECK_EQ(put_buf(P, 3, 1), 0);
	CHECK(world_stats().packed > 40);
	world_snapshot();
	CHECK_EQ(world_recover(), 0);
	world_check();
	CHECK_EQ(world_stats().damaged, 0);
	CHECK_EQ(get_buf(P, 3, 1), 0);
	for (i = 0; i < PAGE_SIZE; i++)
		CHECK_EQ(w.buf[i], 0x55);
	for (i = 0; i < 8; i++) {
		CHECK_EQ(get(w.c[i % 3], P, i, 30 * i, 7), 0);
		CHECK_EQ(last.done, 7);
		CHECK(got(0, 100 * i) && got(6, 100 * i + 6));
	}
}

/* A page that cannot be decoded is not there, and nothing else happens */
static void damaged_chunk(void)
{
	unsigned int frame, i;

	open_both();
	noise(0, 100);
	CHECK_EQ(put_buf(P, 0, 1), 0);
	CHECK_EQ(world_stats().packed, 1);
	for (frame = 0; frame < FRAMES; frame++)
		for (i = 8; i < 250; i++)
			((u8 *)tstore_frame_addr(w.s, frame))[i] = 0xff;
	CHECK_EQ(get_buf(P, 0, 1), -EFAULT);
	CHECK_EQ(last.done, 0);
}

/* Whatever it is given, a decoder writes one page and no more */
static void decoder_stays_within_a_page(void)
{
	static u8 in[PAGE_SIZE], out[PAGE_SIZE + 64];
	unsigned int round, i, n, good = 0;
	u64 rng = 7;

	world_open(8, 8);
	for (round = 0; round < 20000; round++) {
		memset(out, 0xa5, sizeof(out));
		n = 1 + lib_rand(&rng) % (round & 1 ? 40 : PAGE_SIZE - 1);
		if (round & 2) {
			noise(0, lib_rand(&rng) % 300);
			n = tstore_lz4.encode(w.buf + PAGE_SIZE, w.buf, in,
					      PAGE_SIZE);
			in[lib_rand(&rng) % n] ^= 1 << lib_rand(&rng) % 8;
		} else {
			for (i = 0; i < n; i++)
				in[i] = lib_rand(&rng);
		}
		good += tstore_lz4.decode(NULL, in, n, out);
		for (i = 0; i < 64; i++)
			CHECK_EQ(out[PAGE_SIZE + i], 0xa5);
	}
	CHECK(good > 100 && good < 10000);
}

const struct scenario unit_pack[] = {
	SCENARIO(same_filled),
	SCENARIO(every_size),
	SCENARIO(more_pages_than_frames),
	SCENARIO(compaction_gains_frames),
	SCENARIO(charged_by_size),
	SCENARIO(noise_is_not_tried_for_ever),
	SCENARIO(text_after_noise),
	SCENARIO(packed_pages_survive),
	SCENARIO(damaged_chunk),
	SCENARIO(decoder_stays_within_a_page),
};

const unsigned int nr_unit_pack = ARRAY_SIZE(unit_pack);
