// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, clients and epochs and pools
 */
#include "unit.h"

static void create_is_idempotent(void)
{
	world_open(16, 16);
	CHECK_EQ(pool_create(w.c[0], 3, PERSISTENT), 0);
	CHECK_EQ(put(w.c[0], 3, 1, 0, 2, 10), 0);
	CHECK_EQ(pool_create(w.c[0], 3, PERSISTENT), 0);
	CHECK_EQ(get(w.c[0], 3, 1, 0, 2), 0);
	CHECK_EQ(pool_create(w.c[0], 3, EPHEMERAL), -EEXIST);
	CHECK_EQ(get(w.c[0], 3, 1, 0, 2), 0);
	CHECK_EQ(pool_create(w.c[0], 4, EPHEMERAL), 0);
	CHECK_EQ(pool_create(w.c[0], 4, PERSISTENT), -EEXIST);
}

static void destroyed_pool_is_gone(void)
{
	world_open(64, 64);
	CHECK_EQ(pool_create(w.c[0], 0, PERSISTENT), 0);
	CHECK_EQ(pool_create(w.c[0], 1, EPHEMERAL), 0);
	CHECK_EQ(put(w.c[0], 0, 1, 0, 10, 10), 0);
	CHECK_EQ(put(w.c[0], 0, 2, 0, 10, 10), 0);
	CHECK_EQ(put(w.c[0], 1, 1, 0, 10, 10), 0);
	CHECK_EQ(pool_destroy(w.c[0], 0), 0);
	CHECK_EQ(last.done, 20);
	world_check();
	CHECK_EQ(world_stats().persistent, 0);
	CHECK_EQ(get(w.c[0], 0, 1, 0, 10), -ENXIO);
	CHECK_EQ(put(w.c[0], 0, 1, 0, 10, 10), -ENXIO);
	CHECK_EQ(flush(w.c[0], 0, 1, 0, 10, 0), -ENXIO);
	CHECK_EQ(flush_object(w.c[0], 0, 1, 0), -ENXIO);
	CHECK_EQ(pool_destroy(w.c[0], 0), -ENXIO);
	CHECK_EQ(get(w.c[0], 1, 1, 0, 10), 0);
	CHECK_EQ(last.done, 10);

	CHECK_EQ(pool_create(w.c[0], 0, EPHEMERAL), 0);
	CHECK_EQ(get(w.c[0], 0, 1, 0, 10), -ENOENT);
}

static void pools_are_the_clients_own(void)
{
	world_open(64, 64);
	CHECK_EQ(pool_create(w.c[0], 0, EPHEMERAL), 0);
	CHECK_EQ(put(w.c[1], 0, 1, 0, 1, 10), -ENXIO);
	CHECK_EQ(pool_destroy(w.c[1], 0), -ENXIO);
	CHECK_EQ(put(w.c[0], 0, 1, 0, 1, 10), 0);
	CHECK_EQ(attach(w.c[1], NULL), 0);
	CHECK_EQ(get(w.c[0], 0, 1, 0, 1), 0);
}

/* I4: a later epoch sees nothing of an earlier one */
static void attach_begins_anew(void)
{
	u64 first, second, other;

	world_open(64, 64);
	CHECK_EQ(attach(w.c[0], &first), 0);
	CHECK_EQ(pool_create(w.c[0], 0, PERSISTENT), 0);
	CHECK_EQ(pool_create(w.c[0], 1, EPHEMERAL), 0);
	CHECK_EQ(put(w.c[0], 0, 1, 0, 5, 10), 0);
	CHECK_EQ(put(w.c[0], 1, 1, 0, 5, 20), 0);
	CHECK_EQ(attach(w.c[0], &second), 0);
	CHECK_EQ(last.done, 10);
	CHECK(second != first);
	CHECK_EQ(attach(w.c[1], &other), 0);
	CHECK(other != first && other != second);
	world_check();
	CHECK_EQ(world_stats().persistent + world_stats().ephemeral, 0);
	CHECK_EQ(get(w.c[0], 0, 1, 0, 5), -ENXIO);
	CHECK_EQ(pool_create(w.c[0], 0, PERSISTENT), 0);
	CHECK_EQ(pool_create(w.c[0], 1, EPHEMERAL), 0);
	CHECK_EQ(get(w.c[0], 0, 1, 0, 5), -ENOENT);
	CHECK_EQ(get(w.c[0], 1, 1, 0, 5), -ENOENT);
}

static int attach_with(struct tmem_attach *at)
{
	struct tmem_req req = { .op = TMEM_OP_ATTACH };
	int err;

	memcpy(w.buf, at, sizeof(*at));
	err = run(w.c[0], &req);
	memcpy(at, w.buf, sizeof(*at));
	return err;
}

static void attach_negotiates(void)
{
	struct tmem_attach at = {
		.version = 99,
		.page_shift = PAGE_SHIFT,
		.features = ~0ull,
	};

	world_open(16, 16);
	CHECK_EQ(attach_with(&at), 0);
	CHECK_EQ(at.version, TMEM_ABI_VERSION);
	CHECK_EQ(at.features, TMEM_FEATURES);
	CHECK_EQ(at.max_pools, 8);
	CHECK_EQ(at.max_run, TMEM_MAX_RUN);
	CHECK(at.epoch);

	at.features = 0;
	CHECK_EQ(attach_with(&at), 0);
	CHECK_EQ(at.features, 0);
	CHECK_EQ(pool_create(w.c[0], 0, PERSISTENT), -EPERM);
	CHECK_EQ(pool_create(w.c[0], 0, EPHEMERAL), 0);
}

/* What is refused leaves the old epoch and its pools as they were */
static void attach_refused(void)
{
	struct tmem_attach good = {
		.version = TMEM_ABI_VERSION,
		.page_shift = PAGE_SHIFT,
	};
	struct tmem_attach at;
	unsigned int i;

	world_open(16, 16);
	CHECK_EQ(pool_create(w.c[0], 0, PERSISTENT), 0);
	CHECK_EQ(put(w.c[0], 0, 1, 0, 1, 10), 0);

	at = good;
	at.version = 1;
	CHECK_EQ(attach_with(&at), -EOPNOTSUPP);
	at = good;
	at.page_shift = 16;
	CHECK_EQ(attach_with(&at), -EINVAL);
	for (i = 0; i < ARRAY_SIZE(at.reserved); i++) {
		at = good;
		at.reserved[i] = 1;
		CHECK_EQ(attach_with(&at), -EINVAL);
	}
	w.data.bad = 0;
	at = good;
	CHECK_EQ(attach_with(&at), -EFAULT);
	w.data.bad = ~0u;
	CHECK_EQ(get(w.c[0], 0, 1, 0, 1), 0);
	CHECK(got(0, 10));
}

static void nothing_before_attach(void)
{
	struct tstore_client *c;
	struct tmem_query q;
	int err;

	world_open(16, 16);
	tstore_client_destroy(w.c[2]);
	w.c[2] = NULL;
	err = tstore_client_create(w.s, 5, &c);
	if (err == -ENOMEM)
		lib_abandon();
	CHECK_EQ(err, 0);
	w.c[2] = c;
	CHECK_EQ(pool_create(c, 0, EPHEMERAL), -ENOTCONN);
	CHECK_EQ(put(c, 0, 1, 0, 1, 10), -ENXIO);
	CHECK_EQ(query(c, &q), 0);
	CHECK_EQ(q.limit, 5);
	CHECK_EQ(q.pools, 0);
}

static void query_tells(void)
{
	struct tmem_query q;

	world_open(64, 40);
	CHECK_EQ(pool_create(w.c[0], 0, PERSISTENT), 0);
	CHECK_EQ(pool_create(w.c[0], 1, EPHEMERAL), 0);
	CHECK_EQ(put(w.c[0], 0, 1, 0, 5, 10), 0);
	CHECK_EQ(put(w.c[0], 1, 1, 0, 7, 20), 0);
	memset(w.buf, 0xff, sizeof(q));
	CHECK_EQ(query(w.c[0], &q), 0);
	CHECK_EQ(q.limit, 40);
	CHECK_EQ(q.persistent, 5);
	CHECK_EQ(q.ephemeral, 7);
	CHECK_EQ(q.pools, 2);
	CHECK_EQ(q.reserved, 0);
	w.data.bad = 0;
	CHECK_EQ(query(w.c[0], &q), -EFAULT);
}

/* A client's place is used again, what it held is not seen by the next */
static void clients_come_and_go(void)
{
	struct tstore_client *c, *extra;
	unsigned int i;
	int err;

	world_open(64, 64);
	err = tstore_client_create(w.s, 1, &extra);
	if (err == -ENOMEM)
		lib_abandon();
	CHECK_EQ(err, -ENOSPC);
	for (i = 0; i < 5; i++) {
		CHECK_EQ(pool_create(w.c[1], 0, PERSISTENT), 0);
		CHECK_EQ(get(w.c[1], 0, 1, 0, 1), -ENOENT);
		CHECK_EQ(put(w.c[1], 0, 1, 0, 30, 100), 0);
		tstore_client_freeze(w.c[1], true);
		tstore_client_destroy(w.c[1]);
		w.c[1] = NULL;
		world_check();
		err = tstore_client_create(w.s, 64, &c);
		if (err == -ENOMEM)
			lib_abandon();
		CHECK_EQ(err, 0);
		w.c[1] = c;
		CHECK_EQ(attach(c, NULL), 0);
	}
}

static void arena_is_checked(void)
{
	struct tstore *s;
	int err;

	w.arena = NULL;
	err = lib_store_create(1 << 20, &s);
	if (err == -ENOMEM)
		lib_abandon();
	CHECK_EQ(err, -EINVAL);
}

static void arena_sizes(void)
{
	size_t bytes = 1 << 20;
	struct tstore *s;
	int err;

	if (posix_memalign(&w.arena, PAGE_SIZE, bytes))
		env_die("no memory");
	for (; bytes > 2 * PAGE_SIZE; bytes -= bytes / 3) {
		struct tstore_stats st;

		err = lib_store_create(bytes, &s);
		if (err == -ENOMEM)
			lib_abandon();
		CHECK_EQ(err, 0);
		tstore_stats(s, &st);
		tstore_destroy(s);
		CHECK(st.metadata + st.pages * PAGE_SIZE <= bytes);
		CHECK(st.metadata + (st.pages + 2) * PAGE_SIZE > bytes);
		CHECK_EQ(st.free, st.pages);
	}
	err = lib_store_create(PAGE_SIZE, &s);
	if (err == -ENOMEM)
		lib_abandon();
	CHECK_EQ(err, -EINVAL);
	free(w.arena);
	w.arena = NULL;
}

static void arena_must_be_aligned(void)
{
	struct tstore_config cfg = { .bytes = 1 << 20 };
	struct tstore *s;
	char here[64];
	int err;

	cfg.arena = (void *)(((uintptr_t)here & ~(PAGE_SIZE - 1)) + 8);
	err = tstore_create(&cfg, &s);
	if (err == -ENOMEM)
		lib_abandon();
	CHECK_EQ(err, -EINVAL);
	cfg.arena = (void *)PAGE_SIZE;
	cfg.bytes = 1ull << 50;
	err = tstore_create(&cfg, &s);
	if (err == -ENOMEM)
		lib_abandon();
	CHECK_EQ(err, -EINVAL);
}

/* The machine's memory was restored, but not the arena */
static void reset_begins_anew(void)
{
	struct tstore_stats st;
	u64 before, after;
	unsigned int i;

	world_open(256, 256);
	CHECK_EQ(attach(w.c[0], &before), 0);
	CHECK_EQ(pool_create(w.c[0], 0, EPHEMERAL), 0);
	for (i = 0; i < 100; i++)
		CHECK_EQ(put(w.c[0], 0, i, 0, 1, i), 0);
	CHECK_EQ(pool_destroy(w.c[0], 0), 0);
	st = world_stats();
	CHECK(st.object_frames > 0);
	memset(w.arena, 0xa5, st.metadata + st.pages * PAGE_SIZE);
	tstore_reset(w.s);
	world_check();
	st = world_stats();
	CHECK_EQ(st.free, st.pages);
	CHECK_EQ(st.object_frames, 0);
	CHECK_EQ(attach(w.c[0], &after), 0);
	CHECK(after > before);
	CHECK_EQ(pool_create(w.c[0], 0, PERSISTENT), 0);
	for (i = 0; i < 100; i++)
		CHECK(!there(w.c[0], 0, i, 0));
	CHECK_EQ(put(w.c[0], 0, 7, 0, 8, 70), 0);
	CHECK_EQ(get(w.c[0], 0, 7, 0, 8), 0);
	CHECK_EQ(last.done, 8);
	for (i = 0; i < 8; i++)
		CHECK(got(i, 70 + i));
}

/* The numbers that the documentation promises */
static void metadata_is_small(void)
{
	const unsigned int frames = 16384;
	struct tstore_stats st;
	unsigned int i;

	world_open(frames, frames);
	st = world_stats();
	CHECK(st.metadata <= 45 * frames + 8192);
	CHECK_EQ(pool_create(w.c[0], 0, EPHEMERAL), 0);
	/* one page an object, with names that fit into page slots */
	for (i = 0; i < 8500; i++)
		CHECK_EQ(put(w.c[0], 0, 2 * i, 0, 1, i), 0);
	CHECK_EQ(world_stats().object_frames, 0);
	/* and with names that do not: 85 object slots a frame */
	for (i = 0; i < 4250; i++)
		CHECK_EQ(put(w.c[0], 0, 2 * i + 1, 0, 1, i), 0);
	CHECK_EQ(world_stats().object_frames, 50);
}

const struct scenario unit_pool[] = {
	SCENARIO(create_is_idempotent),
	SCENARIO(destroyed_pool_is_gone),
	SCENARIO(pools_are_the_clients_own),
	SCENARIO(attach_begins_anew),
	SCENARIO(attach_negotiates),
	SCENARIO(attach_refused),
	SCENARIO(nothing_before_attach),
	SCENARIO(query_tells),
	SCENARIO(clients_come_and_go),
	SCENARIO(arena_is_checked),
	SCENARIO(arena_sizes),
	SCENARIO(arena_must_be_aligned),
	SCENARIO(reset_begins_anew),
	SCENARIO(metadata_is_small),
};

const unsigned int nr_unit_pool = ARRAY_SIZE(unit_pool);
