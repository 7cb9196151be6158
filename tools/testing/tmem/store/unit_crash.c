// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, what a dead process left behind
 *
 * A snapshot of the arena is what would be in it if the process had died then.
 */
#include "unit.h"
#include "private.h"

#define E	0	/* an ephemeral pool */
#define P	1	/* a persistent pool */

static void open_both(unsigned int frames)
{
	unsigned int i;

	world_lasting = true;
	world_open(frames, frames);
	for (i = 0; i < NR_CLIENTS; i++) {
		CHECK_EQ(pool_create(w.c[i], E, EPHEMERAL), 0);
		CHECK_EQ(pool_create(w.c[i], P, PERSISTENT), 0);
	}
}

static void recover(void)
{
	CHECK_EQ(world_recover(), 0);
	world_check();
	CHECK_EQ(world_stats().damaged, 0);
}

/* Short and long names, solo pages and others, of all clients */
static void all_pages_come_back(void)
{
	unsigned int i, obj;
	u64 tag = 0;

	open_both(600);
	for (i = 0; i < NR_CLIENTS; i++)
		for (obj = 0; obj < 4; obj++) {
			CHECK_EQ(put(w.c[i], E, obj, 10, 20, tag), 0);
			CHECK_EQ(put(w.c[i], P, obj, 0, 20, tag + 100), 0);
			tag += 1000;
		}
	world_snapshot();
	recover();
	CHECK_EQ(world_stats().recovered, NR_CLIENTS * 4 * 40);
	for (i = 0, tag = 0; i < NR_CLIENTS; i++)
		for (obj = 0; obj < 4; obj++) {
			CHECK_EQ(get(w.c[i], E, obj, 10, 20), 0);
			CHECK_EQ(last.done, 20);
			CHECK(got(0, tag) && got(19, tag + 19));
			CHECK_EQ(get(w.c[i], P, obj, 0, 20), 0);
			CHECK_EQ(last.done, 20);
			CHECK(got(0, tag + 100) && got(19, tag + 119));
			CHECK(!there(w.c[i], P, obj, 20));
			tag += 1000;
		}
	/* and can be used like any other */
	for (i = 0; i < NR_CLIENTS; i++) {
		CHECK_EQ(put(w.c[i], P, 1, 10, 30, 7), 0);
		CHECK_EQ(flush_object(w.c[i], P, 2, 0), 0);
		CHECK_EQ(last.done, 20);
		CHECK_EQ(pool_destroy(w.c[i], P), 0);
		CHECK_EQ(last.done, 20 + 40 + 20);
	}
}

/* A client's epoch, limits, freeze and the numbers of what it put remain */
static void clients_come_back(void)
{
	struct tmem_query q;
	u64 before, after;

	open_both(64);
	CHECK_EQ(attach(w.c[1], &before), 0);
	CHECK_EQ(pool_create(w.c[1], P, PERSISTENT), 0);
	CHECK_EQ(put_seq(w.c[1], P, 5, 0, 1, 50, 1000), 0);
	tstore_client_set_limit(w.c[0], 33);
	tstore_client_freeze(w.c[2], true);
	world_snapshot();
	tstore_client_set_limit(w.c[0], 44);
	recover();
	CHECK_EQ(query(w.c[0], &q), 0);
	CHECK_EQ(q.limit, 33);
	CHECK_EQ(q.pools, 2);
	CHECK_EQ(put(w.c[2], E, 1, 0, 1, 1), -EBUSY);
	tstore_client_freeze(w.c[2], false);
	CHECK_EQ(put(w.c[2], E, 1, 0, 1, 1), 0);
	CHECK_EQ(flush(w.c[1], P, 5, 0, 1, 999), 0);
	CHECK_EQ(last.done, 0);
	CHECK_EQ(flush(w.c[1], P, 5, 0, 1, 1000), 0);
	CHECK_EQ(last.done, 1);
	CHECK_EQ(pool_create(w.c[1], P, EPHEMERAL), -EEXIST);
	CHECK_EQ(attach(w.c[1], &after), 0);
	CHECK(after > before);
	CHECK(!tstore_client_find(w.s, 99));
}

/* One that the host had not named yet is found all the same */
static void nameless_client(void)
{
	struct tstore_client *c;

	open_both(16);
	tstore_client_set_tag(w.c[1], 0);
	tstore_client_destroy(w.c[2]);
	w.c[2] = NULL;
	world_snapshot();
	recover();
	CHECK(w.c[0] && !w.c[1] && !w.c[2]);
	c = tstore_client_find(w.s, 0);
	CHECK(c);
	tstore_client_destroy(c);
	CHECK(!tstore_client_find(w.s, 0));
}

static unsigned int snap_at;

static void snap_on_map(unsigned int i)
{
	if (i == snap_at)
		world_snapshot();
}

/* In the midst of a run: what was committed is whole, the rest is not there */
static void dies_in_a_put(void)
{
	unsigned int at, i;

	for (at = 0; at < 40; at += 3) {
		open_both(200);
		env_fail_at = 0;
		CHECK_EQ(put(w.c[0], P, 3, 0, 50, 100), 0);
		snap_at = at;
		env_map_hook = snap_on_map;
		CHECK_EQ(put(w.c[0], P, 3, 5, 40, 500), 0);
		env_map_hook = NULL;
		recover();
		for (i = 0; i < 50; i++) {
			int err = get(w.c[0], P, 3, i, 1);

			if (i < 5 || i >= 45)
				CHECK(!err && got(0, 100 + i));
			else if (i < 5 + at / 16 * 16)
				CHECK(!err && got(0, 500 + i - 5));
			else
				CHECK(err == -ENOENT || got(0, 100 + i) ||
				      got(0, 500 + i - 5));
		}
		/* asked again, it is as if nothing had been */
		CHECK_EQ(put(w.c[0], P, 3, 5, 40, 500), 0);
		CHECK_EQ(last.done, 40);
		CHECK_EQ(world_stats().persistent, 50);
		world_close();
	}
}

static unsigned int relaxed;

static void snap_on_relax(void)
{
	if (relaxed++ == snap_at)
		world_snapshot();
}

/* A pool that was being destroyed is gone, and can be created anew */
static void dies_in_a_destroy(void)
{
	unsigned int i;

	for (snap_at = 0; snap_at < 8; snap_at++) {
		open_both(400);
		env_fail_at = 0;
		for (i = 0; i < 8; i++)
			CHECK_EQ(put(w.c[0], P, i, 0, 40, 1000 * i), 0);
		CHECK_EQ(put(w.c[0], E, 1, 0, 4, 5), 0);
		relaxed = 0;
		env_relax_hook = snap_on_relax;
		CHECK_EQ(pool_destroy(w.c[0], P), 0);
		env_relax_hook = NULL;
		CHECK(relaxed > snap_at);
		recover();
		CHECK_EQ(world_stats().persistent, 0);
		CHECK_EQ(get(w.c[0], P, 0, 0, 1), -ENXIO);
		CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), 0);
		for (i = 0; i < 8; i++)
			CHECK(!there(w.c[0], P, i, 0));
		CHECK_EQ(get(w.c[0], E, 1, 0, 4), 0);
		CHECK_EQ(last.done, 4);
		world_close();
	}
}

/* The head tells what is wrong, and then nothing is touched */
static void foreign_arena(void)
{
	struct tstore_super *super;
	static const struct {
		size_t at;
		int err;
	} damage[] = {
		{ offsetof(struct tstore_super, magic), -ENOENT },
		{ offsetof(struct tstore_super, version), -EOPNOTSUPP },
		{ offsetof(struct tstore_super, bytes), -EFAULT },
		{ offsetof(struct tstore_super, seed), -EFAULT },
		{ offsetof(struct tstore_super, check), -EFAULT },
		{ offsetof(struct tstore_super, nr_slots), -EFAULT },
	};
	struct tstore *s;
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(damage); i++) {
		open_both(32);
		world_snapshot();
		super = w.snapshot;
		((unsigned char *)super)[damage[i].at] ^= 4;
		CHECK_EQ(world_recover(), damage[i].err);
		CHECK(!memcmp(w.arena, w.snapshot, w.bytes));
		world_abandon();
	}
	/* another size, a file cut off */
	open_both(32);
	world_snapshot();
	w.bytes -= PAGE_SIZE;
	CHECK_EQ(world_recover(), -EEXIST);
	world_abandon();
	/* not meant to last */
	world_open(32, 32);
	err = lib_store_open(w.bytes, &s);
	if (err == -ENOMEM)
		lib_abandon();
	CHECK_EQ(err, -EINVAL);
}

/* Any bytes in the arena: a store all the same, consistent, damage counted */
static void damaged_arena(void)
{
	u64 rng = 1, damaged = 0, recovered = 0;
	unsigned int i, n, round;
	struct tstore_super *super;
	size_t from, at;

	for (round = 0; round < 300; round++) {
		world_packs = round & 4;
		world_dedup = round & 8;
		open_both(90);
		env_fail_at = 0;	/* the first world has seen to that */
		for (i = 0; i < 12; i++) {
			put(w.c[i % 3], i & 1, i, i & 4 ? 0 : 100, 1 + i, i);
			put(w.c[i % 3], P, 3, 20 + i, 1, i);
		}
		world_snapshot();
		super = w.snapshot;
		from = round & 1 ? sizeof(*super) : 0;
		for (n = 0; n < 1u << round % 8; n++) {
			at = from + lib_rand(&rng) % (super->bytes - from);
			if (round % 3)	/* where the slots are */
				at = from + at % (225 * 40);
			((u8 *)w.snapshot)[at] ^= lib_rand(&rng);
		}
		if (world_recover()) {
			CHECK(!(round & 1));
			world_abandon();
			continue;
		}
		world_check();
		damaged += world_stats().damaged;
		recovered += world_stats().recovered;
		/* whoever is left can be got rid of, tags may be wrong */
		for (i = 0; i < NR_CLIENTS; i++)
			w.c[i] = w.s->records[i].used ? &w.s->clients[i] :
							NULL;
		world_close();
	}
	CHECK(damaged > 100 && recovered > 1000);
}

const struct scenario unit_crash[] = {
	SCENARIO(all_pages_come_back),
	SCENARIO(clients_come_back),
	SCENARIO(nameless_client),
	SCENARIO(dies_in_a_put),
	SCENARIO(dies_in_a_destroy),
	SCENARIO(foreign_arena),
	SCENARIO(damaged_arena),
};

const unsigned int nr_unit_crash = ARRAY_SIZE(unit_crash);
