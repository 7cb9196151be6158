// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, pages that are kept once
 */
#include "unit.h"
#include "private.h"

#define E	0
#define P	1
#define FRAMES	100

static void open_both(void)
{
	unsigned int i;

	world_dedup = true;
	world_open(FRAMES, 1000);
	for (i = 0; i < NR_CLIENTS; i++) {
		CHECK_EQ(pool_create(w.c[i], E, EPHEMERAL), 0);
		CHECK_EQ(pool_create(w.c[i], P, PERSISTENT), 0);
	}
}

static u64 frames_used(void)
{
	struct tstore_stats st = world_stats();

	return st.pages - st.free - st.object_frames;
}

/* One frame, whatever the names are */
static void equal_pages_are_kept_once(void)
{
	unsigned int i;

	open_both();
	for (i = 0; i < 40; i++)
		CHECK_EQ(put(w.c[0], i & 1, i, 10 * i, 1, 7), 0);
	CHECK_EQ(world_stats().sharing, 40);
	CHECK_EQ(world_stats().contents, 1);
	CHECK_EQ(frames_used(), 1);
	world_check();
	for (i = 0; i < 40; i += 2)
		CHECK_EQ(flush(w.c[0], 0, i, 10 * i, 1, 0), 0);
	CHECK_EQ(world_stats().sharing, 20);
	CHECK_EQ(frames_used(), 1);
	world_check();
	for (i = 1; i < 40; i += 2) {
		CHECK_EQ(get(w.c[0], 1, i, 10 * i, 1), 0);
		CHECK(got(0, 7));
		CHECK_EQ(flush(w.c[0], 1, i, 10 * i, 1, 0), 0);
	}
	CHECK_EQ(world_stats().contents, 0);
	CHECK_EQ(frames_used(), 0);
}

/* A get that takes the page away leaves it to the others, and so does a put */
static void the_others_keep_it(void)
{
	open_both();
	CHECK_EQ(put(w.c[0], E, 1, 1, 1, 7), 0);
	CHECK_EQ(put(w.c[0], E, 2, 1, 1, 7), 0);
	CHECK_EQ(put(w.c[0], E, 3, 1, 1, 7), 0);
	CHECK_EQ(get(w.c[0], E, 2, 1, 1), 0);
	CHECK(got(0, 7));
	CHECK_EQ(put(w.c[0], E, 1, 1, 1, 9), 0);
	CHECK_EQ(world_stats().contents, 2);
	world_check();
	CHECK_EQ(get(w.c[0], E, 3, 1, 1), 0);
	CHECK(got(0, 7));
	CHECK_EQ(get(w.c[0], E, 1, 1, 1), 0);
	CHECK(got(0, 9));
	CHECK_EQ(world_stats().contents, 0);
}

static void clients_do_not_share(void)
{
	unsigned int i;

	open_both();
	for (i = 0; i < NR_CLIENTS; i++)
		CHECK_EQ(put(w.c[i], P, 1, 1, 1, 7), 0);
	CHECK_EQ(world_stats().contents, NR_CLIENTS);
	CHECK_EQ(frames_used(), NR_CLIENTS);
	CHECK_EQ(pool_destroy(w.c[0], P), 0);
	CHECK_EQ(get(w.c[1], P, 1, 1, 1), 0);
	CHECK(got(0, 7));
}

/*
 * Two pages of one digest: a lane takes two words after each other, and the
 * second makes up for the first.
 */
static void equal_digest_is_not_enough(void)
{
	struct tmem_req req = {
		.op = TMEM_OP_PUT, .pool = P, .nr_pages = 1,
	};
	u64 lane, *words;
	unsigned int i;

	open_both();
	words = (void *)w.buf;
	for (i = 0; i < PAGE_SIZE / sizeof(u64); i++)
		words[i] = i;
	CHECK_EQ(run(w.c[0], &req), 0);
	lane = tstore_mix(w.s->seed, 0);
	words[8] ^= tstore_mix(lane, words[0]) ^ tstore_mix(lane, 0x1234);
	words[0] = 0x1234;
	req.index = 50;
	CHECK_EQ(run(w.c[0], &req), 0);
	/* on one chain and yet two */
	for (i = 0; i < FRAMES; i++)
		if (tstore_page_is_content(tstore_page(w.s, i)))
			break;
	req.index = 0;
	for (req.seq = i++; i < FRAMES; i++)
		if (tstore_page_is_content(tstore_page(w.s, i)))
			req.index += tstore_page(w.s, i)->digest ==
				     tstore_page(w.s, req.seq)->digest;
	CHECK_EQ(req.index, 1);
	CHECK_EQ(world_stats().contents, 2);
	req.op = TMEM_OP_GET;
	req.seq = 0;
	req.index = 0;
	CHECK_EQ(run(w.c[0], &req), 0);
	CHECK_EQ(words[0], 0);
	CHECK_EQ(words[8], 8);
}

/* The first page of a kind is paid for, the others hardly */
static void charged_once(void)
{
	struct tmem_query q;
	unsigned int i;

	open_both();
	tstore_client_set_limit(w.c[0], 10);
	for (i = 0; i < 200; i++)
		CHECK_EQ(put(w.c[0], P, 1, i, 1, i % 4), 0);
	CHECK_EQ(query(w.c[0], &q), 0);
	CHECK_EQ(q.persistent, 200);
	for (i = 0; i < 20; i++)
		if (put(w.c[0], P, 2, i, 1, 100 + i))
			break;
	CHECK_EQ(last.status, -EDQUOT);
	CHECK(i > 1 && i < 6);
	world_check();
}

/* Without a slot for the name a page is stored as it is */
static void slots_run_out(void)
{
	unsigned int i;

	open_both();
	/* 350 slots, one is the content's, some hold objects */
	for (i = 0; i < 340; i++) {
		if (put(w.c[0], P, 1, i, 1, 7))
			break;
	}
	CHECK(i > 300);
	CHECK(world_stats().sharing <= 250);
	CHECK(frames_used() > 50);
	world_check();
	while (i--) {
		CHECK_EQ(get(w.c[0], P, 1, i, 1), 0);
		CHECK(got(0, 7));
	}
}

static void fill_shared(bool packs)
{
	unsigned int i;

	world_packs = packs;
	world_lasting = true;
	open_both();
	for (i = 0; i < 60; i++)
		CHECK_EQ(put(w.c[i % 3], P, i, i, 2, 1 + i % 7), 0);
	CHECK(world_stats().contents < 27);
	CHECK_EQ(world_stats().sharing, 120);
}

/* Pages and contents are there after a crash, and are counted right */
static void shared_pages_survive(void)
{
	unsigned int i, packs;
	struct tstore_stats st;

	for (packs = 0; packs < 2; packs++) {
		fill_shared(packs);
		st = world_stats();
		world_snapshot();
		CHECK_EQ(world_recover(), 0);
		world_check();
		CHECK_EQ(world_stats().damaged, 0);
		CHECK_EQ(world_stats().contents, st.contents);
		CHECK_EQ(world_stats().sharing, st.sharing);
		CHECK_EQ(world_stats().free, st.free);
		for (i = 0; i < 60; i++) {
			CHECK_EQ(get(w.c[i % 3], P, i, i, 2), 0);
			CHECK(got(0, 1 + i % 7) && got(1, 2 + i % 7));
			CHECK_EQ(flush(w.c[i % 3], P, i, i, 2, 0), 0);
		}
		CHECK_EQ(frames_used(), 0);
		world_close();
	}
}

/* An arena with contents is not for a store that knows none */
static void foreign_to_others(void)
{
	fill_shared(false);
	world_snapshot();
	world_dedup = false;
	CHECK_EQ(world_recover(), -EEXIST);
	world_abandon();
}

/* Compaction moves what pages share */
static void contents_are_moved(void)
{
	u32 frames[FRAMES], got_frames;
	unsigned int i;

	world_packs = true;
	open_both();
	for (i = 0; i < 80; i++) {
		CHECK_EQ(put(w.c[0], P, 1, i, 1, 1000 + i), 0);
		CHECK_EQ(put(w.c[0], P, 2, i, 1, 1000 + i), 0);
	}
	CHECK_EQ(world_stats().contents, 80);
	CHECK(world_stats().packed > 40);	/* others are noise */
	for (i = 0; i < 80; i++) {
		if (!(i % 5))
			continue;
		CHECK_EQ(flush(w.c[0], P, 1, i, 1, 0), 0);
		CHECK_EQ(flush(w.c[0], P, 2, i, 1, 0), 0);
	}
	i = world_stats().span_frames;
	got_frames = tstore_take(w.s, frames, FRAMES);
	world_check();
	CHECK(world_stats().span_frames < i);
	CHECK_EQ(world_stats().contents, 16);
	CHECK_EQ(tstore_give(w.s, frames, got_frames), 0);
	for (i = 0; i < 80; i += 5) {
		CHECK_EQ(get(w.c[0], P, 1 + i % 2, i, 1), 0);
		CHECK(got(0, 1000 + i));
	}
}

const struct scenario unit_dedup[] = {
	SCENARIO(equal_pages_are_kept_once),
	SCENARIO(the_others_keep_it),
	SCENARIO(clients_do_not_share),
	SCENARIO(equal_digest_is_not_enough),
	SCENARIO(charged_once),
	SCENARIO(slots_run_out),
	SCENARIO(shared_pages_survive),
	SCENARIO(foreign_to_others),
	SCENARIO(contents_are_moved),
};

const unsigned int nr_unit_dedup = ARRAY_SIZE(unit_dedup);
