// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, dividing it among clients
 */
#include "policy.h"
#include "private.h"
#include "unit.h"

#define E	0
#define P	1
#define FRAMES	1024

static const struct tstore_policy *policy_named(const char *name)
{
	unsigned int i;

	for (i = 0; i < tstore_nr_policies; i++)
		if (!strcmp(tstore_policies[i].name, name))
			return &tstore_policies[i];
	lib_fail(__FILE__, __LINE__, "no policy %s", name);
}

static void open_all(bool ghosts)
{
	unsigned int i;

	world_ghosts = ghosts;
	world_open(FRAMES, FRAMES);
	for (i = 0; i < NR_CLIENTS; i++) {
		CHECK_EQ(pool_create(w.c[i], E, EPHEMERAL), 0);
		CHECK_EQ(pool_create(w.c[i], P, PERSISTENT), 0);
	}
}

static u64 held(unsigned int i)
{
	struct tmem_query q;

	CHECK_EQ(query(w.c[i], &q), 0);
	return q.ephemeral + q.persistent;
}

/* Each of the first @nr puts @pages pages that it has never put */
static void flood(unsigned int nr, unsigned int pages)
{
	static u64 at;
	unsigned int i, k;

	for (k = 0; k < pages; k++, at++)
		for (i = 0; i < nr; i++)
			CHECK_EQ(put(w.c[i], E, at >> 9, at, 1, at), 0);
}

static void check_share(unsigned int i, u64 wanted, int line)
{
	u64 got = held(i);

	if (got + FRAMES / 50 < wanted || got > wanted + FRAMES / 50)
		lib_fail(__FILE__, line, "client %u has %llu, not %llu", i,
			 (unsigned long long)got, (unsigned long long)wanted);
}

#define CHECK_SHARE(i, wanted) check_share(i, wanted, __LINE__)

static void weights_divide_a_full_store(void)
{
	open_all(false);
	tstore_client_set_share(w.c[1], 0, 3);
	tstore_divide(w.s, policy_named("weighted"));
	flood(2, 2 * FRAMES);
	/* of the third, which has a weight and does not use it, both get half */
	CHECK_SHARE(0, FRAMES / 5 + FRAMES / 10);
	CHECK_SHARE(1, FRAMES * 3 / 5 + FRAMES / 10);
	flood(3, 2 * FRAMES);
	CHECK_SHARE(0, FRAMES / 5);
	CHECK_SHARE(1, FRAMES * 3 / 5);
	CHECK_SHARE(2, FRAMES / 5);
	world_check();
	world_close();
}

/* What nobody wants for now, anybody may use */
static void one_alone_has_it_all(void)
{
	open_all(false);
	tstore_client_set_share(w.c[0], 0, 1);
	tstore_client_set_share(w.c[1], 0, 100);
	tstore_divide(w.s, policy_named("weighted"));
	flood(1, 2 * FRAMES);
	CHECK_SHARE(0, FRAMES);
	world_close();
}

static void a_minimum_is_kept(void)
{
	unsigned int i;

	open_all(false);
	tstore_client_set_share(w.c[2], 300, 0);
	for (i = 0; i < 300; i++)
		CHECK_EQ(put(w.c[2], E, 1, i, 1, i), 0);
	tstore_divide(w.s, policy_named("weighted"));
	flood(2, 3 * FRAMES);
	CHECK_EQ(held(2), 300);
	for (i = 0; i < 300; i++)
		CHECK(there(w.c[2], E, 1, i));
	world_close();
}

static void persistent_pages_are_charged(void)
{
	unsigned int i;

	open_all(false);
	for (i = 0; i < 300; i++)
		CHECK_EQ(put(w.c[0], P, 1, i, 1, i), 0);
	tstore_divide(w.s, policy_named("static"));
	flood(3, 3 * FRAMES);
	CHECK_SHARE(0, FRAMES / 3);
	for (i = 0; i < 300; i++)
		CHECK(there(w.c[0], P, 1, i));
	world_close();
}

static void greedy_takes_from_who_has_most(void)
{
	open_all(false);
	tstore_client_set_share(w.c[0], 500, 10);
	tstore_divide(w.s, policy_named("greedy"));
	flood(3, 2 * FRAMES);
	CHECK_SHARE(0, FRAMES / 3);
	CHECK_SHARE(1, FRAMES / 3);
	world_close();
}

/* Goes around @pages pages; returns how many were still there */
static unsigned int go_around(unsigned int i, unsigned int pages)
{
	unsigned int k, hits = 0;

	for (k = 0; k < pages; k++) {
		hits += get(w.c[i], E, 7, k, 1) == 0;
		CHECK_EQ(put(w.c[i], E, 7, k, 1, k), 0);
	}
	return hits;
}

/* Who has hits to gain gets the room of who has none */
static void utility_finds_the_loop(void)
{
	unsigned int turn, hits = 0;

	open_all(true);
	for (turn = 0; turn < 12; turn++) {
		hits = 0;
		flood(2, 200);
		hits += go_around(2, 800);
		tstore_divide(w.s, policy_named("utility"));
	}
	CHECK(tstore_client_target(w.c[2]) >= 800);
	CHECK(hits > 700);
	world_check();
	world_close();
}

/* The same for equal shares: all that is put is gone before it is asked for */
static void static_shares_do_not(void)
{
	unsigned int turn, hits = 0;

	open_all(true);
	for (turn = 0; turn < 12; turn++) {
		flood(2, 200);
		hits = go_around(2, 800);
		tstore_divide(w.s, policy_named("static"));
	}
	CHECK(hits < 100);
	world_close();
}

static void idle_pages_are_taxed(void)
{
	unsigned int turn;

	open_all(true);
	for (turn = 0; turn < 6; turn++) {
		go_around(1, 200);
		flood(1, 400);
		tstore_divide(w.s, policy_named("idle-tax"));
	}
	CHECK(tstore_client_target(w.c[1]) >
	      2 * tstore_client_target(w.c[0]));
	world_close();
}

/* Pages of a few words and text around them: several to a frame */
static int small(u8 op, u64 page)
{
	struct tmem_req req = {
		.op = op, .pool = E, .index = page, .nr_pages = 1,
	};

	memset(w.buf, 'x', PAGE_SIZE);
	memcpy(w.buf, &page, sizeof(page));
	return run(w.c[0], &req);
}

/* A curve is of frames, though hits are of pages */
static void a_curve_of_packed_pages(void)
{
	struct tstore_share *share;
	unsigned int turn, i;

	world_packs = true;
	open_all(true);
	for (turn = 0; turn < 4; turn++) {
		for (i = 0; i < 640; i++) {
			CHECK_EQ(small(TMEM_OP_GET, i), turn ? 0 : -ENOENT);
			CHECK_EQ(small(TMEM_OP_PUT, i), 0);
		}
	}
	tstore_divide(w.s, policy_named("utility"));
	share = &w.s->shares[0];
	CHECK_EQ(share->held, tstore_used(w.c[0]->bytes));
	CHECK(share->held < 640 / 8);
	for (i = 0; share->hits[i] * 10 < share->hits[TSTORE_CURVE_STEPS] * 9;)
		i++;
	/* all hits with about what it has, not with as many frames as pages */
	CHECK(share->hits[TSTORE_CURVE_STEPS] > 1000);
	CHECK(FRAMES * i / TSTORE_CURVE_STEPS >= share->held / 2);
	CHECK(FRAMES * i / TSTORE_CURVE_STEPS <= share->held * 2);
}

/* What is asked for and was dropped for want of room counts as found */
static void found(void)
{
	struct tstore_client_stats stats;
	unsigned int i;

	open_all(true);
	for (i = 0; i < 2 * FRAMES; i++)
		CHECK_EQ(put(w.c[0], E, i >> 9, i, 1, i), 0);
	tstore_divide(w.s, policy_named("greedy"));
	for (i = 0; i < 2 * FRAMES; i++)
		get(w.c[0], E, i >> 9, i, 1);
	get(w.c[0], E, 99, 0, 1);
	tstore_client_stats(w.c[0], &stats);
	CHECK_EQ(stats.found, 2 * FRAMES);
	get(w.c[0], E, 0, 0, 1);
	tstore_client_stats(w.c[1], &stats);
	CHECK_EQ(stats.found, 0);
}

/* A client whose puts that must stay are refused: others go on */
static void refuse_persistent(void)
{
	struct tstore_client_stats stats;

	open_all(false);
	CHECK_EQ(put(w.c[0], P, 1, 1, 1, 1), 0);
	tstore_client_refuse(w.c[0], true);
	CHECK_EQ(put(w.c[0], P, 1, 2, 1, 2), -EBUSY);
	CHECK_EQ(put(w.c[0], E, 1, 2, 1, 2), 0);
	CHECK_EQ(put(w.c[1], P, 1, 2, 1, 2), 0);
	CHECK_EQ(get(w.c[0], P, 1, 1, 1), 0);
	/* Frozen beside that, and thawed: it is refused still */
	tstore_client_freeze(w.c[0], true);
	CHECK_EQ(put(w.c[0], E, 1, 3, 1, 3), -EBUSY);
	tstore_client_freeze(w.c[0], false);
	CHECK_EQ(put(w.c[0], P, 1, 2, 1, 2), -EBUSY);
	CHECK_EQ(put(w.c[0], E, 1, 3, 1, 3), 0);
	tstore_client_stats(w.c[0], &stats);
	CHECK_EQ(stats.reject_frozen, 3);
	tstore_client_refuse(w.c[0], false);
	CHECK_EQ(put(w.c[0], P, 1, 2, 1, 2), 0);
}

const struct scenario unit_divide[] = {
	SCENARIO(weights_divide_a_full_store),
	SCENARIO(one_alone_has_it_all),
	SCENARIO(a_minimum_is_kept),
	SCENARIO(persistent_pages_are_charged),
	SCENARIO(greedy_takes_from_who_has_most),
	SCENARIO(utility_finds_the_loop),
	SCENARIO(static_shares_do_not),
	SCENARIO(idle_pages_are_taxed),
	SCENARIO(a_curve_of_packed_pages),
	SCENARIO(found),
	SCENARIO(refuse_persistent),
};

const unsigned int nr_unit_divide = ARRAY_SIZE(unit_divide);
