// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, limits and eviction
 */
#include "policy.h"
#include "unit.h"

#define E	0
#define P	1

static void open_both(unsigned int frames, u64 limit)
{
	unsigned int i;

	world_open(frames, limit);
	for (i = 0; i < NR_CLIENTS; i++) {
		CHECK_EQ(pool_create(w.c[i], E, EPHEMERAL), 0);
		CHECK_EQ(pool_create(w.c[i], P, PERSISTENT), 0);
	}
}

/* Pages @from to @to of object 1 are there, and no other below @end */
static void only(struct tstore_client *c, u64 from, u64 to, u64 end)
{
	u64 i;

	for (i = 0; i < end; i++)
		if (there(c, E, 1, i) != (i >= from && i <= to))
			lib_fail(__FILE__, __LINE__, "page %llu is%s there",
				 (unsigned long long)i,
				 i >= from && i <= to ? " not" : "");
}

static void oldest_go_first_at_the_limit(void)
{
	unsigned int i;

	open_both(64, 20);
	for (i = 0; i < 50; i++) {
		CHECK_EQ(put(w.c[0], E, 1, i, 1, i), 0);
		only(w.c[0], i < 20 ? 0 : i - 19, i, 50);
	}
	CHECK_EQ(world_stats().evicted, 30);
	CHECK_EQ(world_stats().ephemeral, 20);
}

static void oldest_go_first_when_full(void)
{
	unsigned int i;

	open_both(21, 1000);
	for (i = 0; i < 50; i++) {
		CHECK_EQ(put(w.c[0], E, 1, i, 1, i), 0);
		only(w.c[0], i < 20 ? 0 : i - 19, i, 50);
	}
	CHECK_EQ(world_stats().evicted, 30);
	CHECK_EQ(world_stats().object_frames, 1);
}

/* Runs evict in the same order, across pools and objects of the client */
static void oldest_go_first_in_runs(void)
{
	open_both(64, 40);
	CHECK_EQ(pool_create(w.c[0], 2, EPHEMERAL), 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 10, 1), 0);
	CHECK_EQ(put(w.c[0], 2, 1, 0, 10, 1), 0);
	CHECK_EQ(put(w.c[0], E, 2, 0, 10, 1), 0);
	CHECK_EQ(put(w.c[0], E, 1, 10, 10, 1), 0);
	CHECK_EQ(world_stats().evicted, 0);
	CHECK_EQ(put(w.c[0], 2, 3, 0, 15, 1), 0);
	CHECK_EQ(world_stats().evicted, 15);
	only(w.c[0], 10, 19, 20);
	CHECK(!there(w.c[0], 2, 1, 4));
	CHECK(there(w.c[0], 2, 1, 5));
	CHECK(there(w.c[0], E, 2, 0));
}

/* A page that is put again arrives again */
static void put_again_is_young_again(void)
{
	open_both(64, 10);
	CHECK_EQ(put(w.c[0], E, 1, 0, 10, 1), 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 3, 50), 0);
	CHECK_EQ(put(w.c[0], E, 1, 10, 7, 1), 0);
	CHECK(there(w.c[0], E, 1, 0));
	CHECK(there(w.c[0], E, 1, 2));
	CHECK(!there(w.c[0], E, 1, 3));
	CHECK(!there(w.c[0], E, 1, 9));
	CHECK(there(w.c[0], E, 1, 10));
}

/* Nothing is evicted while there is room, to the last frame */
static void no_eviction_with_room(void)
{
	unsigned int i;

	open_both(101, 100);
	for (i = 0; i < 100; i++)
		CHECK_EQ(put(w.c[i % 2], i & 2 ? E : P, i % 3, i, 1, i), 0);
	CHECK_EQ(world_free(), 0);
	CHECK_EQ(world_stats().evicted, 0);
	for (i = 0; i < 100; i++) {
		CHECK_EQ(get(w.c[i % 2], i & 2 ? E : P, i % 3, i, 1), 0);
		CHECK(got(0, i));
	}
}

static void run_does_not_evict_itself(void)
{
	open_both(101, 30);
	CHECK_EQ(put(w.c[0], E, 2, 0, 10, 1), 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 50, 100), 0);
	CHECK_EQ(last.done, 30);
	only(w.c[0], 0, 29, 60);
	CHECK(!there(w.c[0], E, 2, 9));
	CHECK_EQ(world_stats().reject_limit, 1);

	tstore_client_set_limit(w.c[0], 1000);
	CHECK_EQ(put(w.c[0], E, 1, 0, 512, 100), 0);
	CHECK_EQ(last.done, 100);
	only(w.c[0], 0, 99, 512);
	CHECK_EQ(world_stats().reject_full, 1);
}

static void persistent_is_never_evicted(void)
{
	unsigned int i;

	open_both(41, 1000);
	CHECK_EQ(put(w.c[0], P, 1, 0, 40, 100), 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 1, 1), -ENOSPC);
	CHECK_EQ(put(w.c[1], E, 1, 0, 4, 1), -ENOSPC);
	CHECK_EQ(put(w.c[1], P, 1, 0, 4, 1), -ENOSPC);
	CHECK_EQ(put(w.c[0], P, 1, 40, 1, 1), -ENOSPC);
	CHECK_EQ(get(w.c[0], P, 1, 0, 40), 0);
	CHECK_EQ(last.done, 40);
	for (i = 0; i < 40; i++)
		CHECK(got(i, 100 + i));
	CHECK_EQ(world_stats().reject_full, 4);
}

static void persistent_evicts_ephemeral(void)
{
	open_both(41, 30);
	CHECK_EQ(put(w.c[0], E, 1, 0, 30, 1), 0);
	CHECK_EQ(put(w.c[0], P, 1, 0, 12, 100), 0);
	CHECK_EQ(last.done, 12);
	only(w.c[0], 12, 29, 40);
	CHECK_EQ(put(w.c[0], P, 2, 0, 19, 100), -EDQUOT);
	CHECK_EQ(last.done, 0);
	CHECK(!there(w.c[0], P, 2, 0));
	CHECK_EQ(put(w.c[0], P, 2, 0, 18, 100), 0);
	CHECK_EQ(world_stats().ephemeral, 0);
	CHECK_EQ(get(w.c[0], P, 1, 0, 12), 0);
	CHECK_EQ(last.done, 12);
}

/* Full arena: whoever has most gives, and two greedy clients come out even */
static void greedy_clients_share(void)
{
	unsigned int i;

	open_both(101, 1000);
	CHECK_EQ(put(w.c[0], E, 1, 0, 100, 1), 0);
	CHECK_EQ(put(w.c[1], E, 1, 0, 1, 1), 0);
	only(w.c[0], 1, 99, 100);
	for (i = 0; i < 300; i++)
		CHECK_EQ(put(w.c[1], E, 1, 1000 + i, 1, i), 0);
	CHECK_EQ(world_free(), 0);
	only(w.c[0], 50, 99, 100);
	/* the third, small one is left alone by the others */
	CHECK_EQ(put(w.c[2], E, 1, 0, 5, 1), 0);
	for (i = 0; i < 300; i++) {
		CHECK_EQ(put(w.c[0], E, 1, 1000 + i, 1, i), 0);
		CHECK_EQ(put(w.c[1], E, 1, 2000 + i, 1, i), 0);
	}
	only(w.c[2], 0, 4, 5);
	CHECK_EQ(world_stats().ephemeral, 100);
}

/* An object needs a frame for its record, which may have to be made free */
static void objects_need_room_too(void)
{
	unsigned int i;

	open_both(86, 86);
	for (i = 0; i < 85; i++)
		CHECK_EQ(put(w.c[0], E, 2 * i + 1, 0, 1, i), 0);
	CHECK_EQ(world_free(), 0);
	CHECK_EQ(world_stats().object_frames, 1);
	CHECK_EQ(put(w.c[0], P, 1001, 0, 1, 5), 0);
	world_check();
	CHECK_EQ(get(w.c[0], P, 1001, 0, 1), 0);
	CHECK(got(0, 5));
	CHECK(!there(w.c[0], E, 1, 0));
}

/* The smallest store there can be holds nothing, and says so */
static void one_frame(void)
{
	open_both(1, 10);
	CHECK_EQ(put(w.c[0], E, 1, 0, 1, 1), -ENOSPC);
	CHECK_EQ(put(w.c[0], P, 1, 0, 2, 1), -ENOSPC);
	CHECK_EQ(get(w.c[0], E, 1, 0, 1), -ENOENT);
	CHECK_EQ(world_stats().ephemeral, 0);
	world_check();
}

static void two_frames(void)
{
	unsigned int i;

	open_both(2, 10);
	for (i = 0; i < 10; i++) {
		CHECK_EQ(put(w.c[i % 3], E, 2 * i + 1, 0, 2, i), 0);
		CHECK_EQ(last.done, 1);
		CHECK_EQ(world_stats().ephemeral, 1);
	}
	CHECK_EQ(put(w.c[0], P, 1, 0, 2, 1), -ENOSPC);
	CHECK_EQ(put(w.c[0], P, 1, 0, 1, 1), 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 1, 1), -ENOSPC);
}

static void limit_of_zero(void)
{
	open_both(16, 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 1, 1), -EDQUOT);
	CHECK_EQ(put(w.c[0], P, 1, 0, 1, 1), -EDQUOT);
	CHECK_EQ(world_free(), 16);
}

/* Exactly at the limit, with the object's frame being the last one */
static void limit_is_exact(void)
{
	open_both(64, 10);
	CHECK_EQ(put(w.c[0], P, 1, 0, 10, 1), 0);
	CHECK_EQ(put(w.c[0], P, 1, 10, 1, 1), -EDQUOT);
	CHECK_EQ(flush(w.c[0], P, 1, 0, 1, 0), 0);
	CHECK_EQ(put(w.c[0], P, 2, 10, 1, 1), 0);
	CHECK_EQ(put(w.c[0], P, 3, 10, 1, 1), -EDQUOT);
}

static void limit_can_change(void)
{
	open_both(64, 40);
	CHECK_EQ(put(w.c[0], P, 2, 0, 10, 1), 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 30, 1), 0);
	tstore_client_set_limit(w.c[0], 25);
	only(w.c[0], 15, 29, 30);
	tstore_client_set_limit(w.c[0], 5);
	CHECK_EQ(world_stats().ephemeral, 0);
	CHECK_EQ(world_stats().persistent, 10);
	CHECK_EQ(put(w.c[0], P, 3, 0, 1, 1), -EDQUOT);
	CHECK_EQ(get(w.c[0], P, 2, 0, 10), 0);
	CHECK_EQ(last.done, 10);
	tstore_client_set_limit(w.c[0], 11);
	CHECK_EQ(put(w.c[0], P, 3, 0, 1, 1), 0);
}

static void frames_are_used_again(void)
{
	unsigned int i;

	open_both(33, 100);
	for (i = 0; i < 1000; i++) {
		CHECK_EQ(put(w.c[i % 3], P, i, 0, 32, i), 0);
		CHECK_EQ(world_free(), 0);
		CHECK_EQ(flush_object(w.c[i % 3], P, i, 0), 0);
		CHECK_EQ(last.done, 32);
	}
	CHECK_EQ(world_free(), 32);
}

static struct tstore_client_stats stats_of(unsigned int i)
{
	struct tstore_client_stats stats;

	memset(&stats, 0xff, sizeof(stats));
	tstore_client_stats(w.c[i], &stats);
	return stats;
}

/* As many as are asked for, oldest first, of this client, and none that stays */
static void evicted_by_the_host(void)
{
	open_both(64, 100);
	CHECK_EQ(put(w.c[0], E, 1, 0, 20, 1), 0);
	CHECK_EQ(put(w.c[0], P, 1, 0, 10, 1), 0);
	CHECK_EQ(put(w.c[1], E, 1, 0, 10, 1), 0);
	CHECK_EQ(tstore_client_evict(w.c[0], 0), 0);
	CHECK_EQ(tstore_client_evict(w.c[0], 5), 5);
	only(w.c[0], 5, 19, 20);
	CHECK_EQ(tstore_client_evict(w.c[0], 100), 15);
	CHECK_EQ(tstore_client_evict(w.c[0], 1), 0);
	CHECK_EQ(stats_of(0).ephemeral, 0);
	CHECK_EQ(stats_of(0).persistent, 10);
	CHECK_EQ(stats_of(0).evicted, 20);
	only(w.c[1], 0, 9, 10);
	CHECK_EQ(world_stats().evicted, 20);
	CHECK_EQ(get(w.c[0], P, 1, 0, 10), 0);
	CHECK_EQ(last.done, 10);
	world_check();
}

static void what_a_client_has(void)
{
	open_both(64, 20);
	CHECK_EQ(stats_of(0).limit, 20);
	CHECK_EQ(stats_of(0).pools, 2);
	CHECK_EQ(stats_of(0).bytes, 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 4, 1), 0);
	CHECK_EQ(put(w.c[0], P, 1, 0, 3, 1), 0);
	CHECK_EQ(put(w.c[1], P, 1, 0, 5, 1), 0);
	CHECK_EQ(stats_of(0).ephemeral, 4);
	CHECK_EQ(stats_of(0).persistent, 3);
	CHECK_EQ(stats_of(0).bytes, 7 * PAGE_SIZE);
	CHECK_EQ(stats_of(1).ephemeral, 0);
	CHECK_EQ(stats_of(1).persistent, 5);
	CHECK_EQ(stats_of(2).bytes, 0);
	CHECK_EQ(tstore_client_pool(w.c[0], E), 0);
	CHECK_EQ(tstore_client_pool(w.c[0], P), TMEM_POOL_PERSISTENT);
	CHECK_EQ(tstore_client_pool(w.c[0], P + 1), -ENXIO);
	CHECK_EQ(tstore_client_pool(w.c[0], ~0u), -ENXIO);
	CHECK_EQ(pool_destroy(w.c[0], P), 0);
	CHECK_EQ(tstore_client_pool(w.c[0], P), -ENXIO);
	CHECK_EQ(stats_of(0).pools, 1);
	CHECK_EQ(stats_of(0).persistent, 0);
}

static void what_a_client_was_refused(void)
{
	open_both(30, 20);
	CHECK_EQ(put(w.c[0], P, 1, 0, 15, 1), 0);
	CHECK_EQ(put(w.c[0], P, 2, 0, 6, 1), -EDQUOT);
	CHECK_EQ(stats_of(0).reject_limit, 1);
	CHECK_EQ(put(w.c[1], P, 1, 0, 16, 1), -ENOSPC);
	CHECK_EQ(stats_of(1).reject_full, 1);
	tstore_client_freeze(w.c[0], true);
	CHECK_EQ(put(w.c[0], P, 2, 0, 1, 1), -EBUSY);
	CHECK_EQ(stats_of(0).reject_frozen, 1);
	CHECK_EQ(stats_of(0).reject_limit, 1);
	CHECK_EQ(stats_of(0).reject_full, 0);
	CHECK_EQ(stats_of(1).reject_frozen + stats_of(1).reject_limit, 0);
	CHECK_EQ(stats_of(0).evicted, 0);
	tstore_client_set_share(w.c[0], 7, 1);
	tstore_divide(w.s, &tstore_policies[1]);
	CHECK_EQ(stats_of(0).target, tstore_client_target(w.c[0]));
	CHECK(stats_of(0).target);
}

const struct scenario unit_room[] = {
	SCENARIO(oldest_go_first_at_the_limit),
	SCENARIO(oldest_go_first_when_full),
	SCENARIO(oldest_go_first_in_runs),
	SCENARIO(put_again_is_young_again),
	SCENARIO(no_eviction_with_room),
	SCENARIO(run_does_not_evict_itself),
	SCENARIO(persistent_is_never_evicted),
	SCENARIO(persistent_evicts_ephemeral),
	SCENARIO(greedy_clients_share),
	SCENARIO(objects_need_room_too),
	SCENARIO(one_frame),
	SCENARIO(two_frames),
	SCENARIO(limit_of_zero),
	SCENARIO(limit_is_exact),
	SCENARIO(limit_can_change),
	SCENARIO(frames_are_used_again),
	SCENARIO(evicted_by_the_host),
	SCENARIO(what_a_client_has),
	SCENARIO(what_a_client_was_refused),
};

const unsigned int nr_unit_room = ARRAY_SIZE(unit_room);
