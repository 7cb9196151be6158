// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, frames that come and go
 */
#include "unit.h"

#define E	0
#define P	1
#define FRAMES	200

static u32 frames[FRAMES + 8];

static void open_both(void)
{
	unsigned int i;

	world_open(FRAMES, 1000);
	for (i = 0; i < NR_CLIENTS; i++) {
		CHECK_EQ(pool_create(w.c[i], E, EPHEMERAL), 0);
		CHECK_EQ(pool_create(w.c[i], P, PERSISTENT), 0);
	}
}

static bool zeroed(u32 frame)
{
	const u8 *at = tstore_frame_addr(w.s, frame);
	unsigned int i;

	for (i = 0; i < PAGE_SIZE; i++)
		if (at[i])
			return false;
	return true;
}

static void all_frames_can_leave(void)
{
	unsigned int i;

	open_both();
	for (i = 0; i < 40; i++)
		CHECK_EQ(put(w.c[i % 3], E, i, 100 * i, 4, i), 0);
	CHECK(world_stats().object_frames > 0);
	CHECK_EQ(tstore_take(w.s, frames, FRAMES + 8), FRAMES);
	CHECK_EQ(world_stats().out, FRAMES);
	CHECK_EQ(world_stats().free + world_stats().object_frames, 0);
	CHECK_EQ(world_stats().evicted, 160);
	for (i = 0; i < FRAMES; i++)
		CHECK(zeroed(frames[i]));
	world_check();
	CHECK_EQ(tstore_take(w.s, frames, 1), 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 1, 1), -ENOSPC);
	CHECK_EQ(put(w.c[0], P, 1, 0, 1, 1), -ENOSPC);
	for (i = 0; i < FRAMES; i++)
		frames[i] = i;
	CHECK_EQ(tstore_give(w.s, frames, FRAMES), 0);
	CHECK_EQ(put(w.c[0], P, 1, 0, FRAMES / 2, 1), 0);
}

/* Free frames go first, then pages, oldest first, and what must stay stays */
static void what_must_stay_stays(void)
{
	u32 taken;

	open_both();
	CHECK_EQ(put(w.c[0], P, 1, 0, 50, 1000), 0);
	CHECK_EQ(put(w.c[0], E, 2, 0, 60, 2000), 0);
	taken = tstore_take(w.s, frames, 80);
	CHECK_EQ(taken, 80);
	CHECK_EQ(world_stats().evicted, 0);
	taken += tstore_take(w.s, frames + taken, 30);
	CHECK_EQ(taken, 110);
	CHECK(world_stats().evicted > 0);
	CHECK(!there(w.c[0], E, 2, 0) && there(w.c[0], E, 2, 59));
	taken += tstore_take(w.s, frames + taken, FRAMES);
	CHECK_EQ(world_stats().ephemeral, 0);
	CHECK(taken >= 140 && taken <= 150);
	CHECK_EQ(get(w.c[0], P, 1, 0, 50), 0);
	CHECK_EQ(last.done, 50);
	CHECK(got(0, 1000) && got(49, 1049));
	CHECK_EQ(tstore_give(w.s, frames, taken), 0);
	CHECK_EQ(world_stats().out, 0);
}

/* Who is furthest above the target gives */
static void the_richest_gives(void)
{
	open_both();
	CHECK_EQ(put(w.c[0], E, 1, 0, 20, 1), 0);
	CHECK_EQ(put(w.c[1], E, 1, 0, 100, 1), 0);
	CHECK_EQ(put(w.c[2], E, 1, 0, 60, 1), 0);
	tstore_take(w.s, frames, 50);
	CHECK(there(w.c[0], E, 1, 0));
	CHECK(there(w.c[2], E, 1, 0));
	CHECK(!there(w.c[1], E, 1, 10));
}

static void only_what_was_taken_is_given(void)
{
	open_both();
	CHECK_EQ(tstore_take(w.s, frames, 10), 10);
	frames[10] = FRAMES;
	CHECK_EQ(tstore_give(w.s, frames + 10, 1), -EINVAL);
	frames[10] = frames[9];
	CHECK_EQ(tstore_give(w.s, frames, 11), -EINVAL);
	CHECK_EQ(world_stats().out, 0);
	CHECK_EQ(world_stats().free, FRAMES);
}

static void divided_by_what_there_is(void)
{
	open_both();
	tstore_client_set_limit(w.c[0], FRAMES);
	CHECK_EQ(tstore_take(w.s, frames, 150), 150);
	CHECK_EQ(put(w.c[0], P, 1, 0, 1, 1), 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 200, 1), 0);
	CHECK(last.done < 50);
	CHECK_EQ(tstore_give(w.s, frames, 150), 0);
}

static void out_after_a_crash(void)
{
	u32 frame, n = 0;

	world_lasting = true;
	open_both();
	CHECK_EQ(put(w.c[0], P, 1, 0, 50, 1000), 0);
	CHECK_EQ(tstore_take(w.s, frames, 70), 70);
	world_snapshot();
	CHECK_EQ(world_recover(), 0);
	world_check();
	CHECK_EQ(world_stats().out, 70);
	for (frame = tstore_next_out(w.s, 0); frame != ~0u;
	     frame = tstore_next_out(w.s, frame + 1)) {
		CHECK(zeroed(frame));
		frames[n++] = frame;
	}
	CHECK_EQ(n, 70);
	CHECK_EQ(tstore_give(w.s, frames, 70), 0);
	CHECK_EQ(get(w.c[0], P, 1, 0, 50), 0);
}

/* Nothing is held for longer than a slice takes */
static void taking_is_sliced(void)
{
	open_both();
	CHECK_EQ(put(w.c[0], E, 1, 0, 190, 1), 0);
	env_work_reset();
	CHECK_EQ(tstore_take(w.s, frames, 190), 190);
	env_relax();
	CHECK(env_work.relaxed >= 190 / 16);
	CHECK(env_work.most_locks < 400);
}

/* A store can begin with no memory for frames, and be given some */
static void begins_with_nothing(void)
{
	unsigned int i;

	world_out = true;
	open_both();
	world_out = false;
	CHECK_EQ(world_stats().out, FRAMES);
	CHECK_EQ(lib_store_metadata(w.bytes), world_stats().metadata);
	CHECK_EQ(tstore_free_frames(w.s), 0);
	world_check();
	CHECK_EQ(tstore_take(w.s, frames, 1), 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 1, 1), -ENOSPC);
	for (i = 0; i < 10; i++)
		frames[i] = i;
	CHECK_EQ(tstore_give(w.s, frames, 10), 0);
	CHECK_EQ(tstore_free_frames(w.s), 10);
	/* one for the object */
	CHECK_EQ(put(w.c[0], P, 1, 0, 9, 1), 0);
	CHECK_EQ(put(w.c[0], P, 1, 9, 1, 1), -ENOSPC);
	for (i = 0; i < FRAMES; i++)
		frames[i] = i;
	CHECK_EQ(tstore_give(w.s, frames + 10, FRAMES - 10), 0);
	CHECK_EQ(get(w.c[0], P, 1, 0, 9), 0);
	world_check();
}

const struct scenario unit_size[] = {
	SCENARIO(all_frames_can_leave),
	SCENARIO(what_must_stay_stays),
	SCENARIO(the_richest_gives),
	SCENARIO(only_what_was_taken_is_given),
	SCENARIO(divided_by_what_there_is),
	SCENARIO(out_after_a_crash),
	SCENARIO(taking_is_sliced),
	SCENARIO(begins_with_nothing),
};

const unsigned int nr_unit_size = ARRAY_SIZE(unit_size);
