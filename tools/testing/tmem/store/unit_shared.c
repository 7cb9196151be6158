// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, pools that several clients see
 */
#include "unit.h"
#include "stream_lib.h"

#define S	0	/* the shared pool, as each member calls it */
#define E	1	/* an ephemeral pool of its own */
#define U	77	/* the name of the shared pool */

/* Clients 0 and 1 share a pool, and the third one does not */
static void open_shared(unsigned int frames)
{
	unsigned int i;

	world_shared = 2;
	world_open(frames, frames);
	for (i = 0; i < NR_CLIENTS; i++)
		CHECK_EQ(pool_create(w.c[i], E, EPHEMERAL), 0);
	for (i = 0; i < 2; i++) {
		CHECK_EQ(allow(w.c[i], U), 0);
		CHECK_EQ(join(w.c[i], S, U), 0);
	}
}

static struct tstore_shared_stats look(struct tstore_client *c)
{
	struct tstore_shared_stats st;
	u32 at = 0;

	CHECK(tstore_client_shared(c, &at, &st));
	CHECK_EQ(st.uuid[0], U);
	CHECK_EQ(st.uuid[1], ~(u64)U);
	return st;
}

static int may_fail(int err)
{
	if (err == -ENOMEM)
		lib_abandon();
	return err;
}

static bool may_any(struct tstore_client *c)
{
	struct tstore_shared_stats st;
	u32 at = 0;

	return tstore_client_shared(c, &at, &st);
}

static void shared_needs_permission(void)
{
	static const u64 none[2];

	world_shared = 2;
	world_open(32, 32);
	CHECK_EQ(join(w.c[0], S, U), -EPERM);
	CHECK_EQ(allow(w.c[0], U + 1), 0);
	CHECK_EQ(join(w.c[0], S, U), -EPERM);
	CHECK_EQ(allow(w.c[1], U), 0);
	CHECK_EQ(join(w.c[0], S, U), -EPERM);
	CHECK_EQ(get(w.c[0], S, 1, 0, 1), -ENXIO);
	CHECK_EQ(join(w.c[1], S, U), 0);
	CHECK_EQ(join(w.c[1], 99, U), -EINVAL);
	CHECK_EQ(tstore_client_allow(w.c[0], none), -EINVAL);
	/* none of them is a client that can be found */
	CHECK(!tstore_client_find(w.s, 0));
	/* two names are all that there are here */
	CHECK_EQ(allow(w.c[0], U + 2), -ENOSPC);
	CHECK_EQ(forbid(w.c[0], U), -ENOENT);
	CHECK_EQ(forbid(w.c[0], U + 3), -ENOENT);
	CHECK_EQ(forbid(w.c[0], U + 1), 0);
	CHECK_EQ(allow(w.c[0], U + 2), 0);
}

static void shared_unless_there_are_none(void)
{
	world_open(32, 32);
	CHECK_EQ(allow(w.c[0], U), -ENOSPC);
	CHECK_EQ(forbid(w.c[0], U), -ENOENT);
	CHECK_EQ(join(w.c[0], S, U), -EPERM);
	CHECK(!may_any(w.c[0]));
}

static void shared_join_is_idempotent(void)
{
	open_shared(32);
	CHECK_EQ(allow(w.c[0], U), 0);
	CHECK_EQ(join(w.c[0], S, U), 0);
	CHECK_EQ(look(w.c[0]).members, 2);
	CHECK_EQ(pool_create(w.c[0], S, EPHEMERAL), -EEXIST);
	CHECK_EQ(pool_create(w.c[0], S, PERSISTENT), -EEXIST);
	CHECK_EQ(join(w.c[0], E, U), -EEXIST);
	CHECK_EQ(allow(w.c[0], U + 1), 0);
	CHECK_EQ(join(w.c[0], S, U + 1), -EEXIST);
	world_check();
	CHECK_EQ(tstore_client_pool(w.c[0], S), TMEM_POOL_SHARED);
	CHECK_EQ(tstore_client_pool(w.c[0], E), 0);
	/* one that nobody has joined is of no harm */
	CHECK_EQ(forbid(w.c[0], U + 1), 0);
}

static void members_see_the_same(void)
{
	open_shared(64);
	CHECK_EQ(put(w.c[0], S, 1, 0, 20, 100), 0);
	CHECK_EQ(get(w.c[1], S, 1, 0, 20), 0);
	CHECK_EQ(last.done, 20);
	CHECK(got(0, 100) && got(19, 119));
	/* it stays, for all of them */
	CHECK_EQ(get(w.c[0], S, 1, 0, 20), 0);
	CHECK_EQ(last.done, 20);
	CHECK_EQ(get(w.c[1], S, 1, 0, 20), 0);
	CHECK_EQ(last.done, 20);
	/* I1: the newer one, whoever put it */
	CHECK_EQ(put(w.c[1], S, 1, 5, 1, 500), 0);
	CHECK_EQ(get(w.c[0], S, 1, 5, 1), 0);
	CHECK(got(0, 500));
	CHECK_EQ(world_stats().ephemeral, 20);
	/* I6, I2 */
	CHECK_EQ(flush(w.c[0], S, 1, 5, 1, 0), 0);
	CHECK_EQ(last.done, 1);
	CHECK_EQ(get(w.c[1], S, 1, 5, 1), -ENOENT);
	CHECK_EQ(get(w.c[0], S, 1, 5, 1), -ENOENT);
	CHECK_EQ(flush_object(w.c[1], S, 1, 0), 0);
	CHECK_EQ(last.done, 19);
	CHECK_EQ(get(w.c[0], S, 1, 0, 1), -ENOENT);
}

/* I13 */
static void others_see_nothing(void)
{
	open_shared(64);
	CHECK_EQ(put(w.c[0], S, 1, 0, 4, 100), 0);
	CHECK_EQ(get(w.c[2], S, 1, 0, 4), -ENXIO);
	CHECK_EQ(join(w.c[2], S, U), -EPERM);
	CHECK_EQ(pool_create(w.c[2], S, EPHEMERAL), 0);
	CHECK_EQ(get(w.c[2], S, 1, 0, 4), -ENOENT);
	CHECK_EQ(put(w.c[2], S, 1, 0, 4, 900), 0);
	/* nor do members see each other's own */
	CHECK_EQ(put(w.c[0], E, 1, 0, 4, 300), 0);
	CHECK_EQ(get(w.c[1], E, 1, 0, 4), -ENOENT);
	CHECK_EQ(get(w.c[1], S, 1, 0, 4), 0);
	CHECK(got(0, 100) && got(3, 103));
}

static void shared_seq_is_of_all(void)
{
	open_shared(32);
	CHECK_EQ(put_seq(w.c[0], S, 1, 0, 1, 100, 10), 0);
	CHECK_EQ(flush(w.c[1], S, 1, 0, 1, 9), 0);
	CHECK_EQ(last.done, 0);
	CHECK_EQ(flush(w.c[1], S, 1, 0, 1, 10), 0);
	CHECK_EQ(last.done, 1);
}

static void forbidden_is_out(void)
{
	open_shared(64);
	CHECK_EQ(put(w.c[0], S, 1, 0, 10, 100), 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 10, 300), 0);
	CHECK_EQ(forbid(w.c[0], U), 0);
	world_check();
	CHECK_EQ(get(w.c[0], S, 1, 0, 10), -ENXIO);
	CHECK_EQ(put(w.c[0], S, 1, 0, 10, 1), -ENXIO);
	CHECK_EQ(flush(w.c[0], S, 1, 0, 10, 0), -ENXIO);
	CHECK_EQ(pool_destroy(w.c[0], S), -ENXIO);
	CHECK_EQ(join(w.c[0], S, U), -EPERM);
	CHECK(!may_any(w.c[0]));
	CHECK_EQ(get(w.c[0], E, 1, 0, 10), 0);
	CHECK(got(0, 300));
	/* the pages are the other one's */
	CHECK_EQ(get(w.c[1], S, 1, 0, 10), 0);
	CHECK_EQ(last.done, 10);
	CHECK(got(0, 100));
	/* until it is out, too */
	CHECK_EQ(forbid(w.c[1], U), 0);
	CHECK_EQ(world_stats().ephemeral, 0);
	CHECK_EQ(allow(w.c[1], U), 0);
	CHECK_EQ(join(w.c[1], S, U), 0);
	CHECK_EQ(get(w.c[1], S, 1, 0, 1), -ENOENT);
}

static void leave_by_each_way(void)
{
	open_shared(64);
	CHECK_EQ(put(w.c[0], S, 1, 0, 10, 100), 0);
	CHECK_EQ(look(w.c[0]).members, 2);
	CHECK_EQ(look(w.c[0]).pages, 10);
	CHECK(look(w.c[0]).joined);
	CHECK_EQ(pool_destroy(w.c[0], S), 0);
	CHECK_EQ(last.done, 0);
	CHECK_EQ(look(w.c[0]).members, 1);
	CHECK(!look(w.c[0]).joined);
	/* it was not forbidden */
	CHECK_EQ(join(w.c[0], 3, U), 0);
	CHECK_EQ(get(w.c[0], 3, 1, 0, 10), 0);
	CHECK_EQ(last.done, 10);
	CHECK_EQ(attach(w.c[0], NULL), 0);
	CHECK_EQ(last.done, 0);
	CHECK_EQ(get(w.c[0], 3, 1, 0, 10), -ENXIO);
	CHECK_EQ(look(w.c[1]).members, 1);
	CHECK_EQ(look(w.c[1]).pages, 10);
	CHECK_EQ(join(w.c[0], S, U), 0);
	world_fresh(0, 64);
	world_check();
	CHECK_EQ(look(w.c[1]).members, 1);
	/* who has its place has none of its permissions */
	CHECK_EQ(attach(w.c[0], NULL), 0);
	CHECK_EQ(join(w.c[0], S, U), -EPERM);
	CHECK_EQ(pool_destroy(w.c[1], S), 0);
	CHECK_EQ(last.done, 10);
	CHECK_EQ(world_stats().ephemeral, 0);
	CHECK_EQ(look(w.c[1]).members, 0);
	CHECK_EQ(join(w.c[1], S, U), 0);
	CHECK_EQ(get(w.c[1], S, 1, 0, 1), -ENOENT);
}

/* A client may know it by two numbers, and is out by both at once */
static void shared_twice(void)
{
	open_shared(64);
	CHECK_EQ(join(w.c[0], 5, U), 0);
	CHECK_EQ(look(w.c[0]).members, 3);
	CHECK_EQ(put(w.c[0], S, 1, 0, 4, 100), 0);
	CHECK_EQ(get(w.c[0], 5, 1, 0, 4), 0);
	CHECK_EQ(put(w.c[0], 5, 1, 0, 4, 200), 0);
	CHECK_EQ(get(w.c[1], S, 1, 0, 4), 0);
	CHECK(got(0, 200));
	CHECK_EQ(pool_destroy(w.c[0], S), 0);
	CHECK_EQ(get(w.c[0], 5, 1, 0, 4), 0);
	CHECK_EQ(join(w.c[0], S, U), 0);
	CHECK_EQ(forbid(w.c[0], U), 0);
	CHECK_EQ(get(w.c[0], S, 1, 0, 4), -ENXIO);
	CHECK_EQ(get(w.c[0], 5, 1, 0, 4), -ENXIO);
	CHECK_EQ(look(w.c[1]).members, 1);
}

/* What was got of late goes last */
static void used_ones_stay(void)
{
	unsigned int i;

	open_shared(21);
	for (i = 0; i < 20; i++)
		CHECK_EQ(put(w.c[i & 1], S, 1, i, 1, i), 0);
	CHECK_EQ(world_stats().evicted, 0);
	CHECK_EQ(get(w.c[1], S, 1, 0, 5), 0);
	for (i = 20; i < 30; i++)
		CHECK_EQ(put(w.c[0], S, 1, i, 1, i), 0);
	CHECK_EQ(world_stats().evicted, 10);
	for (i = 0; i < 30; i++)
		CHECK_EQ(there(w.c[0], S, 1, i), i < 5 || i >= 15);
}

/* It is a client among others, with no limit but the arena */
static void shared_has_a_charge(void)
{
	struct tstore_client_stats st;
	struct tmem_query q;
	unsigned int i;

	open_shared(101);
	tstore_client_set_limit(w.c[0], 5);
	CHECK_EQ(put(w.c[0], S, 1, 0, 90, 0), 0);
	CHECK_EQ(last.done, 90);
	CHECK_EQ(query(w.c[0], &q), 0);
	CHECK_EQ(q.ephemeral, 0);
	CHECK_EQ(q.pools, 2);
	tstore_client_stats(w.c[0], &st);
	CHECK_EQ(st.ephemeral, 0);
	CHECK_EQ(world_stats().ephemeral, 90);
	/* who has most gives up first */
	for (i = 0; i < 40; i++)
		CHECK_EQ(put(w.c[2], E, 1, i, 1, i), 0);
	CHECK_EQ(look(w.c[0]).evicted + look(w.c[0]).pages, 90);
	CHECK(look(w.c[0]).pages < 61);
	tstore_client_stats(w.c[2], &st);
	CHECK_EQ(st.ephemeral, 40);
}

/* I8: it is the member who is frozen */
static void frozen_member(void)
{
	struct tstore_client_stats st;

	open_shared(32);
	CHECK_EQ(put(w.c[0], S, 1, 0, 2, 100), 0);
	tstore_client_freeze(w.c[0], true);
	CHECK_EQ(put(w.c[0], S, 1, 0, 1, 200), -EBUSY);
	CHECK_EQ(get(w.c[1], S, 1, 0, 1), -ENOENT);
	CHECK_EQ(get(w.c[0], S, 1, 1, 1), 0);
	tstore_client_stats(w.c[0], &st);
	CHECK_EQ(st.reject_frozen, 1);
	CHECK_EQ(put(w.c[1], S, 1, 0, 1, 300), 0);
	CHECK_EQ(get(w.c[0], S, 1, 0, 1), 0);
	CHECK(got(0, 300));
}

static bool begun;
static int stopped;

static bool stop_at_once(void)
{
	return true;
}

/* In the midst of a request of client 0 it is forbidden */
static void forbid_on_relax(void)
{
	static const u64 name[2] = { U, ~(u64)U };

	env_relax_hook = NULL;
	env_stop_hook = stop_at_once;
	stopped = tstore_client_forbid(w.c[0], name, &begun);
	env_stop_hook = NULL;
}

static void forbidden_in_a_put(void)
{
	static const u64 name[2] = { U, ~(u64)U };

	open_shared(128);
	begun = false;
	stopped = -1;
	env_relax_hook = forbid_on_relax;
	CHECK_EQ(put(w.c[0], S, 1, 0, 64, 100), 0);
	/* it waits for the request, which is done in full */
	CHECK_EQ(stopped, 1);
	CHECK(begun);
	CHECK_EQ(last.done, 64);
	CHECK_EQ(get(w.c[0], S, 1, 0, 1), -ENXIO);
	CHECK_EQ(tstore_client_forbid(w.c[0], name, &begun), 0);
	world_check();
	CHECK_EQ(get(w.c[0], S, 1, 0, 1), -ENXIO);
	CHECK_EQ(get(w.c[1], S, 1, 0, 64), 0);
	CHECK_EQ(last.done, 64);
}

/* I6 is for all: what was flushed is gone, whatever becomes of who did it */
static void forbidden_in_a_flush(void)
{
	static const u64 name[2] = { U, ~(u64)U };
	unsigned int i;

	open_shared(128);
	CHECK_EQ(put(w.c[1], S, 1, 0, 100, 100), 0);
	begun = false;
	stopped = -1;
	env_relax_hook = forbid_on_relax;
	CHECK_EQ(flush(w.c[0], S, 1, 0, 100, 0), 0);
	CHECK_EQ(last.done, 100);
	CHECK_EQ(stopped, 1);
	CHECK_EQ(tstore_client_forbid(w.c[0], name, &begun), 0);
	CHECK_EQ(forbid(w.c[0], U), -ENOENT);
	for (i = 0; i < 100; i++)
		CHECK(!there(w.c[1], S, 1, i));
}

/* The last one's leaving may be stopped: until it is over nobody joins */
static void last_leave_is_stopped(void)
{
	static const u64 name[2] = { U, ~(u64)U };
	struct tmem_req req = { .op = TMEM_OP_POOL_DESTROY, .pool = S };
	struct tstore_work work = { 0 };
	unsigned int i, turns;

	open_shared(600);
	for (i = 0; i < 8; i++)
		CHECK_EQ(put(w.c[0], S, i, 0, 60, 100 * i), 0);
	CHECK_EQ(pool_destroy(w.c[1], S), 0);
	env_stop_hook = stop_at_once;
	for (turns = 0; !tstore_execute_some(w.c[0], &req, NULL, &work);
	     turns++) {
		CHECK_EQ(get(w.c[0], S, 0, 0, 1), -ENXIO);
		CHECK_EQ(join(w.c[0], S, U), -EBUSY);
		CHECK_EQ(join(w.c[1], S, U), -EBUSY);
		CHECK_EQ(join(w.c[1], 4, U), -EBUSY);
	}
	CHECK(turns > 4);
	CHECK_EQ(req.status, 0);
	CHECK_EQ(req.done, 480);
	env_stop_hook = NULL;
	CHECK_EQ(join(w.c[1], S, U), 0);
	CHECK_EQ(get(w.c[1], S, 0, 0, 1), -ENOENT);

	/* and forgotten, it is taken up by who forbids */
	for (i = 0; i < 8; i++)
		CHECK_EQ(put(w.c[1], S, i, 0, 60, 100 * i), 0);
	req.done = 0;
	memset(&work, 0, sizeof(work));
	env_stop_hook = stop_at_once;
	CHECK(!tstore_execute_some(w.c[1], &req, NULL, &work));
	begun = false;
	for (turns = 0; tstore_client_forbid(w.c[1], name, &begun) == 1;
	     turns++)
		CHECK(begun);
	CHECK(turns > 4);
	env_stop_hook = NULL;
	CHECK_EQ(world_stats().ephemeral, 0);
	CHECK_EQ(join(w.c[0], S, U), 0);
}

static unsigned int rejoined;

/* While the last one leaves, others try to get in, and to get out again */
static void rejoin_on_relax(void)
{
	void (*hook)(void) = env_relax_hook;
	struct tmem_req req = {
		.op = TMEM_OP_POOL_CREATE,
		.pool = S,
		.object = { U, ~(u64)U },
		.index = TMEM_POOL_SHARED,
	};

	env_relax_hook = NULL;
	tstore_execute(w.c[1], &req, NULL);
	CHECK(!req.status || req.status == -EBUSY);
	if (!req.status)
		rejoined++;
	env_relax_hook = hook;
}

static void joins_while_the_last_one_leaves(void)
{
	unsigned int i;

	open_shared(300);
	for (i = 0; i < 4; i++)
		CHECK_EQ(put(w.c[0], S, i, 0, 60, 100 * i), 0);
	CHECK_EQ(pool_destroy(w.c[1], S), 0);
	rejoined = 0;
	env_relax_hook = rejoin_on_relax;
	CHECK_EQ(pool_destroy(w.c[0], S), 0);
	env_relax_hook = NULL;
	CHECK_EQ(last.done, 240);
	CHECK_EQ(rejoined, 0);
	CHECK_EQ(join(w.c[1], S, U), 0);
	world_check();
	for (i = 0; i < 4; i++)
		CHECK_EQ(get(w.c[1], S, i, 0, 1), -ENOENT);
}

static bool stays;

/* The pages are gone, but the last one is a member still: another one comes */
static void come_on_lock(spinlock_t *lock)
{
	if (lock->level != 1 || rejoined++ != 1)
		return;
	env_lock_hook = NULL;
	CHECK_EQ(join(w.c[1], S, U), 0);
	CHECK_EQ(put(w.c[1], S, 9, 0, 3, 900), 0);
	if (!stays)
		CHECK_EQ(pool_destroy(w.c[1], S), 0);
}

static void another_comes_as_the_last_one_leaves(void)
{
	unsigned int i;

	open_shared(64);
	CHECK_EQ(pool_destroy(w.c[1], S), 0);
	for (i = 0; i < 2; i++) {
		stays = i;
		rejoined = 0;
		CHECK_EQ(put(w.c[0], S, 1, 0, 4, 100), 0);
		env_lock_hook = come_on_lock;
		CHECK_EQ(pool_destroy(w.c[0], S), 0);
		env_lock_hook = NULL;
		CHECK(rejoined > 1);
		world_check();
		CHECK_EQ(world_stats().ephemeral, stays ? 3 : 0);
		CHECK_EQ(look(w.c[0]).members, stays);
		CHECK_EQ(join(w.c[0], S, U), 0);
		CHECK_EQ(get(w.c[0], S, 9, 0, 3), stays ? 0 : -ENOENT);
		CHECK_EQ(get(w.c[0], S, 1, 0, 1), -ENOENT);
	}
}

/* Neither pages nor the pool are taken along; the rest is */
static void save_leaves_shared_out(void)
{
	open_shared(64);
	CHECK_EQ(pool_create(w.c[0], 2, PERSISTENT), 0);
	CHECK_EQ(put(w.c[0], S, 1, 0, 4, 100), 0);
	CHECK_EQ(put(w.c[0], 2, 1, 0, 4, 200), 0);
	CHECK_EQ(may_fail(stream_save(&stream, w.c[0], 20000)), 0);
	CHECK_EQ(stream_count(&stream, TSTORE_RECORD_POOL), 2);
	CHECK_EQ(put(w.c[1], S, 1, 0, 1, 300), 0);
	world_fresh(0, 64);
	CHECK_EQ(allow(w.c[0], U), 0);
	CHECK_EQ(may_fail(stream_restore(&stream, w.c[0], 999, NULL)), 0);
	CHECK_EQ(get(w.c[0], S, 1, 0, 1), -ENXIO);
	CHECK_EQ(get(w.c[0], 2, 1, 0, 4), 0);
	CHECK(got(0, 200));
	/* it may join again */
	CHECK_EQ(join(w.c[0], S, U), 0);
	CHECK_EQ(get(w.c[0], S, 1, 0, 1), 0);
	CHECK(got(0, 300));
}

/* A process that goes on with the arena finds no shared pool in it */
static void crash_ends_shared(void)
{
	world_lasting = true;
	world_packs = true;
	world_dedup = true;
	open_shared(200);
	CHECK_EQ(put(w.c[0], S, 1, 0, 40, 100), 0);
	CHECK_EQ(put(w.c[1], S, 2, 0, 40, 200), 0);
	CHECK_EQ(put(w.c[1], E, 1, 0, 40, 300), 0);
	world_snapshot();
	CHECK_EQ(world_recover(), 0);
	world_check();
	CHECK_EQ(world_stats().damaged, 0);
	CHECK_EQ(world_stats().recovered, 40);
	CHECK_EQ(world_stats().ephemeral, 40);
	CHECK_EQ(get(w.c[0], S, 1, 0, 1), -ENXIO);
	CHECK_EQ(join(w.c[0], S, U), -EPERM);
	CHECK(!may_any(w.c[0]));
	CHECK_EQ(allow(w.c[0], U), 0);
	CHECK_EQ(join(w.c[0], S, U), 0);
	CHECK_EQ(get(w.c[0], S, 1, 0, 1), -ENOENT);
	CHECK_EQ(get(w.c[1], E, 1, 0, 40), 0);
	CHECK_EQ(last.done, 40);
}

/* In all the ways in which pages may be kept */
static void shared_packed_and_once(void)
{
	unsigned int i;

	world_ghosts = true;
	world_packs = true;
	world_dedup = true;
	open_shared(200);
	for (i = 0; i < 100; i++)
		CHECK_EQ(put(w.c[i & 1], S, i / 10, i, 1, 1 + i % 20), 0);
	world_check();
	/* equal ones of both are one, but not those of others */
	CHECK_EQ(world_stats().contents, 20);
	CHECK_EQ(put(w.c[0], E, 1, 0, 1, 1), 0);
	CHECK_EQ(world_stats().contents, 21);
	for (i = 0; i < 100; i++) {
		CHECK_EQ(get(w.c[!(i & 1)], S, i / 10, i, 1), 0);
		CHECK(got(0, 1 + i % 20));
	}
	CHECK_EQ(world_stats().ephemeral, 101);
	CHECK_EQ(forbid(w.c[0], U), 0);
	CHECK_EQ(forbid(w.c[1], U), 0);
	CHECK_EQ(world_stats().contents, 1);
}

const struct scenario unit_shared[] = {
	SCENARIO(shared_needs_permission),
	SCENARIO(shared_unless_there_are_none),
	SCENARIO(shared_join_is_idempotent),
	SCENARIO(members_see_the_same),
	SCENARIO(others_see_nothing),
	SCENARIO(shared_seq_is_of_all),
	SCENARIO(forbidden_is_out),
	SCENARIO(leave_by_each_way),
	SCENARIO(shared_twice),
	SCENARIO(used_ones_stay),
	SCENARIO(shared_has_a_charge),
	SCENARIO(frozen_member),
	SCENARIO(forbidden_in_a_put),
	SCENARIO(forbidden_in_a_flush),
	SCENARIO(last_leave_is_stopped),
	SCENARIO(joins_while_the_last_one_leaves),
	SCENARIO(another_comes_as_the_last_one_leaves),
	SCENARIO(save_leaves_shared_out),
	SCENARIO(crash_ends_shared),
	SCENARIO(shared_packed_and_once),
};

const unsigned int nr_unit_shared = ARRAY_SIZE(unit_shared);
