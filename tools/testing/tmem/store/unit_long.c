// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, long operations (I14)
 *
 * What a call does between two relaxations is bounded, however long it is
 * altogether.  And what others do in the middle of it is harmless: the hook of
 * env_relax() is another client, or another thread of the same one.
 */
#include <time.h>

#include "unit.h"

#define E	0
#define P	1
#define MANY	4000

/* Shards are cycled through in one go, a slice takes a few locks a page */
#define MOST_LOCKS	(256 + 16 * 12)
#define MOST_MAPS	16

static void open_long(void)
{
	world_open(MANY + 200, 2 * MANY);
	CHECK_EQ(pool_create(w.c[0], E, EPHEMERAL), 0);
	CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), 0);
}

static void put_many(u32 pool, u64 obj, u64 index, u32 nr)
{
	u32 n;

	for (; nr; nr -= n, index += n) {
		n = nr < TMEM_MAX_RUN ? nr : TMEM_MAX_RUN;
		CHECK_EQ(put(w.c[0], pool, obj, index, n, index), 0);
		CHECK_EQ(last.done, n);
	}
}

static void bounded(unsigned long least_relaxed)
{
	CHECK(env_work.most_maps <= MOST_MAPS);
	CHECK(env_work.most_locks <= MOST_LOCKS);
	CHECK(env_work.relaxed >= least_relaxed);
	env_work_reset();
}

static void i14_runs(void)
{
	open_long();
	env_work_reset();
	CHECK_EQ(put(w.c[0], P, 1, 3, 512, 0), 0);
	bounded(32);
	CHECK_EQ(get(w.c[0], P, 1, 3, 512), 0);
	bounded(32);
	CHECK_EQ(flush(w.c[0], P, 1, 3, 512, 0), 0);
	CHECK_EQ(last.done, 512);
	bounded(32);
}

static void i14_flush_object(void)
{
	open_long();
	put_many(P, 1, 0, MANY);
	env_work_reset();
	CHECK_EQ(flush_object(w.c[0], P, 1, 0), 0);
	CHECK_EQ(last.done, MANY);
	bounded(MANY / 64);
}

static void i14_flush_to_the_end(void)
{
	open_long();
	put_many(P, 1, 0, MANY);
	env_work_reset();
	CHECK_EQ(flush(w.c[0], P, 1, MANY - 10, 0, 0), 0);
	CHECK_EQ(last.done, 10);
	bounded(MANY / 64);
	CHECK_EQ(flush(w.c[0], P, 1, 10, 0, 0), 0);
	CHECK_EQ(last.done, MANY - 20);
	bounded(MANY / 64);
	CHECK_EQ(get(w.c[0], P, 1, 0, 512), 0);
	CHECK_EQ(last.done, 10);
}

static void i14_pool_destroy(void)
{
	open_long();
	put_many(P, 1, 0, MANY / 2);
	put_many(P, 2, 0, MANY / 2);
	env_work_reset();
	CHECK_EQ(pool_destroy(w.c[0], P), 0);
	CHECK_EQ(last.done, MANY);
	bounded(MANY / 64);
}

static void i14_attach(void)
{
	open_long();
	put_many(P, 1, 0, MANY / 2);
	put_many(E, 2, 0, MANY / 2);
	env_work_reset();
	CHECK_EQ(attach(w.c[0], NULL), 0);
	bounded(MANY / 64);
}

static void i14_eviction(void)
{
	open_long();
	put_many(E, 1, 0, MANY);
	tstore_client_set_limit(w.c[0], MANY);
	env_work_reset();
	CHECK_EQ(put(w.c[0], P, 1, 0, 512, 1), 0);
	bounded(512);
}

/* The hooks below see the store in the middle of an operation */
static unsigned int steps, answers[200];

static void quietly(struct tmem_req *req)
{
	static unsigned char page[4096];
	struct env_data data = { .base = page, .nr = 1, .bad = ~0u };

	env_relax_hook = NULL;
	tstore_execute(w.c[0], req, &data);
}

static void hook_get(void)
{
	struct tmem_req req = {
		.op = TMEM_OP_GET,
		.pool = P,
		.object = { 2, ~2ull, 0 },
		.nr_pages = 1,
	};

	quietly(&req);
	if (steps < ARRAY_SIZE(answers))
		answers[steps++] = -req.status;
	env_relax_hook = hook_get;
}

static void all_answers(unsigned int least, unsigned int err)
{
	unsigned int i;

	CHECK(steps >= least);
	for (i = 0; i < steps; i++)
		CHECK_EQ(answers[i], err);
	steps = 0;
}

/* A destroyed pool is invisible before its pages are all dropped */
static void destroyed_at_once(void)
{
	open_long();
	put_many(P, 1, 0, MANY / 2);
	put_many(P, 2, 0, 1);
	steps = 0;
	env_relax_hook = hook_get;
	CHECK_EQ(pool_destroy(w.c[0], P), 0);
	env_relax_hook = NULL;
	CHECK_EQ(last.done, MANY / 2 + 1);
	all_answers(10, ENXIO);
}

static void detached_at_once(void)
{
	open_long();
	put_many(P, 1, 0, MANY / 2);
	put_many(P, 2, 0, 1);
	steps = 0;
	env_relax_hook = hook_get;
	CHECK_EQ(attach(w.c[0], NULL), 0);
	env_relax_hook = NULL;
	all_answers(10, ENXIO);
}

/* Its id cannot be taken while it is being drained */
static void hook_create(void)
{
	struct tmem_req req = { .op = TMEM_OP_POOL_CREATE, .pool = P };

	quietly(&req);
	if (steps < ARRAY_SIZE(answers))
		answers[steps++] = -req.status;
	env_relax_hook = hook_create;
}

static void dying_id_is_busy(void)
{
	open_long();
	put_many(P, 1, 0, 1000);
	steps = 0;
	env_relax_hook = hook_create;
	CHECK_EQ(pool_destroy(w.c[0], P), 0);
	env_relax_hook = NULL;
	all_answers(10, EBUSY);
	CHECK_EQ(pool_create(w.c[0], P, EPHEMERAL), 0);
	CHECK_EQ(get(w.c[0], P, 1, 0, 1), -ENOENT);
}

static void hook_attach(void)
{
	static unsigned char page[4096];
	struct env_data data = { .base = page, .nr = 1, .bad = ~0u };
	struct tmem_attach at = {
		.version = TMEM_ABI_VERSION,
		.page_shift = PAGE_SHIFT,
	};
	struct tmem_req req = { .op = TMEM_OP_ATTACH };

	env_relax_hook = NULL;
	memcpy(page, &at, sizeof(at));
	tstore_execute(w.c[0], &req, &data);
	if (steps < ARRAY_SIZE(answers))
		answers[steps++] = -req.status;
	env_relax_hook = hook_attach;
}

static void one_attach_at_a_time(void)
{
	open_long();
	put_many(P, 1, 0, 1000);
	steps = 0;
	env_relax_hook = hook_attach;
	CHECK_EQ(attach(w.c[0], NULL), 0);
	env_relax_hook = NULL;
	all_answers(10, EBUSY);
}

/* A put that is overtaken by the end of its pool, and by a new one */
static void hook_replace_pool(void)
{
	struct tmem_req destroy = { .op = TMEM_OP_POOL_DESTROY, .pool = P };
	struct tmem_req create = { .op = TMEM_OP_POOL_CREATE, .pool = P };

	if (++steps != 3)
		return;
	quietly(&destroy);
	answers[0] = -destroy.status;
	quietly(&create);
	answers[1] = -create.status;
}

static void put_does_not_cross_epochs(void)
{
	open_long();
	steps = 0;
	env_relax_hook = hook_replace_pool;
	CHECK_EQ(put(w.c[0], P, 1, 0, 512, 0), -ENXIO);
	env_relax_hook = NULL;
	CHECK_EQ(answers[0], 0);
	CHECK_EQ(answers[1], 0);
	CHECK_EQ(get(w.c[0], P, 1, 0, 512), -ENOENT);
	CHECK_EQ(get(w.c[0], P, 1, 100, 412), -ENOENT);
	CHECK_EQ(world_stats().ephemeral + world_stats().persistent, 0);
}

/* Nor does a flush, which would drop what the new epoch stored */
static void hook_replace_and_put(void)
{
	struct tmem_req req = {
		.op = TMEM_OP_PUT,
		.pool = P,
		.object = { 1, ~1ull, 3 },
		.index = 500,
		.nr_pages = 1,
	};

	hook_replace_pool();
	if (steps == 3)
		quietly(&req);
}

static void flush_does_not_cross_epochs(void)
{
	open_long();
	put_many(P, 1, 0, 600);
	steps = 0;
	env_relax_hook = hook_replace_and_put;
	CHECK_EQ(flush(w.c[0], P, 1, 0, 512, 0), 0);
	env_relax_hook = NULL;
	CHECK_EQ(answers[0], 0);
	CHECK_EQ(get(w.c[0], P, 1, 500, 1), 0);
}

/* Pages that come during a walk do not make it longer, nor hide any */
static u64 next_index;

static void hook_put(void)
{
	struct tmem_req req = {
		.op = TMEM_OP_PUT,
		.pool = P,
		.object = { 1, ~1ull, 3 },
		.index = next_index++,
		.nr_pages = 1,
	};

	quietly(&req);
	steps++;
	env_relax_hook = hook_put;
}

static void walk_while_pages_come(void)
{
	u64 i;

	open_long();
	put_many(P, 1, 0, 2000);
	next_index = 100000;
	steps = 0;
	env_relax_hook = hook_put;
	CHECK_EQ(flush(w.c[0], P, 1, 1000, 0, 0), 0);
	env_relax_hook = NULL;
	CHECK(steps < 500);
	for (i = 0; i < 2000; i++)
		CHECK_EQ(there(w.c[0], P, 1, i), i < 1000);

	/* whatever the order: all that was there when it began is seen */
	put_many(P, 1, 0, 2000);
	env_relax_hook = hook_put;
	CHECK_EQ(flush_object(w.c[0], P, 1, 0), 0);
	env_relax_hook = NULL;
	for (i = 0; i < 2000; i++)
		CHECK(!there(w.c[0], P, 1, i));
}

/* The object a walk is in the middle of loses all its pages */
static void hook_drop(void)
{
	struct tmem_req req = {
		.op = TMEM_OP_FLUSH,
		.pool = P,
		.object = { 1, ~1ull, 3 },
		.nr_pages = 300,
	};

	if (++steps != 2)
		return;
	quietly(&req);
	answers[0] = req.done;
}

static void walk_of_an_emptied_object(void)
{
	open_long();
	put_many(P, 1, 0, 300);
	steps = 0;
	env_relax_hook = hook_drop;
	CHECK_EQ(flush(w.c[0], P, 1, 100000, 0, 0), 0);
	env_relax_hook = NULL;
	CHECK_EQ(last.done, 0);
	CHECK_EQ(answers[0], 300);
	CHECK_EQ(world_stats().persistent, 0);
	world_check();
}

/*
 * A put is in the middle of a copy, in another thread, when its pool is
 * destroyed: nothing of it may be left when both are over.
 */
static int in_flight;

static void hook_wait(unsigned int i)
{
	const struct timespec wait = { .tv_nsec = 30000000 };

	if (i)
		return;
	__atomic_store_n(&in_flight, 1, __ATOMIC_RELEASE);
	nanosleep(&wait, NULL);
	__atomic_store_n(&in_flight, 2, __ATOMIC_RELEASE);
}

static void *put_in_flight(void *arg)
{
	static unsigned char page[4096];
	struct env_data data = { .base = page, .nr = 1, .bad = ~0u };
	struct tmem_req req = { .op = TMEM_OP_PUT, .pool = P, .nr_pages = 1 };

	tstore_execute(w.c[0], &req, &data);
	*(int *)arg = req.status;
	return NULL;
}

static void around_a_put(void (*end)(void))
{
	pthread_t id;
	int status;

	open_long();
	in_flight = 0;
	env_map_hook = hook_wait;
	if (pthread_create(&id, NULL, put_in_flight, &status))
		env_die("no thread");
	while (!__atomic_load_n(&in_flight, __ATOMIC_ACQUIRE))
		sched_yield();
	/* only the other thread is to wait, and it is doing so already */
	end();
	pthread_join(id, NULL);
	env_map_hook = NULL;
	CHECK_EQ(status, 0);
	world_check();
}

static void end_by_destroy(void)
{
	struct tmem_req req = { .op = TMEM_OP_POOL_DESTROY, .pool = P };

	tstore_execute(w.c[0], &req, NULL);
}

/* Statistics would wait for the put, so they cannot tell */
static bool waited;

static void end_by_freeze(void)
{
	tstore_client_freeze(w.c[0], true);
	waited = __atomic_load_n(&in_flight, __ATOMIC_ACQUIRE) == 2;
}

static void end_by_save(void)
{
	static struct tstore_gone log[1];
	int err = tstore_save_begin(w.c[0], log, 1);

	/* an allocation may have been made to fail */
	waited = err || __atomic_load_n(&in_flight, __ATOMIC_ACQUIRE) == 2;
	tstore_save_end(w.c[0]);
}

static void destroy_waits_for_puts(void)
{
	around_a_put(end_by_destroy);
	CHECK_EQ(world_stats().persistent, 0);
}

static void freeze_waits_for_puts(void)
{
	around_a_put(end_by_freeze);
	CHECK(waited);
}

static void save_waits_for_puts(void)
{
	around_a_put(end_by_save);
	CHECK(waited);
}

/* A host that is always in a hurry */
static bool always(void)
{
	return true;
}

/* Executes a request in parts; returns how many there were */
static unsigned int in_parts(struct tmem_req *req, env_data_t data)
{
	struct tstore_work work = { 0 };
	unsigned int parts = 1;

	env_work_reset();
	env_stop_hook = always;
	while (!tstore_execute_some(w.c[0], req, data, &work)) {
		bounded(1);
		parts++;
	}
	env_stop_hook = NULL;
	return parts;
}

static void stopped_flush_goes_on(void)
{
	struct tmem_req req = {
		.op = TMEM_OP_FLUSH, .pool = P, .object = { 1, ~1ULL, 3 },
	};

	open_long();
	put_many(P, 1, 0, MANY);
	req.index = MANY - 10;
	/* few of many: each part looks at pages that the others did not */
	CHECK(in_parts(&req, NULL) <= MANY / 16);
	CHECK_EQ(req.status, 0);
	CHECK_EQ(req.done, 10);
	req.index = 100;
	req.nr_pages = 3000;
	CHECK(in_parts(&req, NULL) >= 3000 / 16);
	CHECK_EQ(req.done, 3000);
	CHECK_EQ(world_stats().persistent, MANY - 3010);
	req.op = TMEM_OP_FLUSH_OBJECT;
	req.index = 0;
	req.nr_pages = 0;
	CHECK(in_parts(&req, NULL) > 1);
	CHECK_EQ(req.done, MANY - 3010);
	CHECK_EQ(world_stats().persistent, 0);
}

/* Whoever turns the list meanwhile makes a stopped walk begin anew */
static void stopped_flush_misses_nothing(void)
{
	struct tmem_req req = {
		.op = TMEM_OP_FLUSH, .pool = P, .object = { 1, ~1ULL, 3 },
	};
	struct tstore_work work = { 0 }, other = { 0 };
	struct tmem_req one;

	open_long();
	put_many(P, 1, 0, MANY);
	req.index = 16;
	one = req;
	one.index = MANY - 1;
	env_stop_hook = always;
	CHECK(!tstore_execute_some(w.c[0], &req, NULL, &work));
	CHECK(!tstore_execute_some(w.c[0], &one, NULL, &other));
	env_stop_hook = NULL;
	CHECK(tstore_execute_some(w.c[0], &req, NULL, &work));
	CHECK(tstore_execute_some(w.c[0], &one, NULL, &other));
	CHECK_EQ(world_stats().persistent, 16);
}

static void stopped_destroy_goes_on(void)
{
	struct tmem_req req = { .op = TMEM_OP_POOL_DESTROY, .pool = P };
	u32 i;

	open_long();
	put_many(P, 1, 0, MANY / 2);
	for (i = 0; i < MANY / 4; i++)
		CHECK_EQ(put(w.c[0], P, 2 + i, 0, 1, i), 0);
	CHECK(in_parts(&req, NULL) > 1);
	CHECK_EQ(req.status, 0);
	CHECK_EQ(req.done, MANY / 2 + MANY / 4);
	CHECK_EQ(world_stats().persistent, 0);
	CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), 0);
}

/* What was begun and forgotten: the id is busy, until an attach ends it */
static void stopped_destroy_is_taken_over(void)
{
	struct tmem_req req = { .op = TMEM_OP_POOL_DESTROY, .pool = P };
	struct tstore_work work = { 0 };
	u64 epoch;

	open_long();
	put_many(P, 1, 0, MANY);
	env_stop_hook = always;
	CHECK(!tstore_execute_some(w.c[0], &req, NULL, &work));
	env_stop_hook = NULL;
	CHECK_EQ(get(w.c[0], P, 1, MANY - 1, 1), -ENXIO);
	CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), -EBUSY);
	CHECK_EQ(attach(w.c[0], &epoch), 0);
	CHECK_EQ(world_stats().persistent, 0);
	CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), 0);
	put_many(P, 1, 0, MANY);
	env_work_reset();
	env_stop_hook = always;
	while (!tstore_client_clear(w.c[0]))
		bounded(1);
	env_stop_hook = NULL;
	CHECK_EQ(world_stats().persistent, 0);
}

const struct scenario unit_long[] = {
	SCENARIO(i14_runs),
	SCENARIO(i14_flush_object),
	SCENARIO(i14_flush_to_the_end),
	SCENARIO(i14_pool_destroy),
	SCENARIO(i14_attach),
	SCENARIO(i14_eviction),
	SCENARIO(destroyed_at_once),
	SCENARIO(detached_at_once),
	SCENARIO(dying_id_is_busy),
	SCENARIO(one_attach_at_a_time),
	SCENARIO(put_does_not_cross_epochs),
	SCENARIO(flush_does_not_cross_epochs),
	SCENARIO(walk_while_pages_come),
	SCENARIO(walk_of_an_emptied_object),
	SCENARIO(stopped_flush_goes_on),
	SCENARIO(stopped_flush_misses_nothing),
	SCENARIO(stopped_destroy_goes_on),
	SCENARIO(stopped_destroy_is_taken_over),
	SCENARIO(destroy_waits_for_puts),
	SCENARIO(freeze_waits_for_puts),
	SCENARIO(save_waits_for_puts),
};

const unsigned int nr_unit_long = ARRAY_SIZE(unit_long);
