// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tests of who has how much of a host's memory
 *
 * check [SEED]: guests of all kinds, by themselves and at random, and what has
 * to be true of every decision.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tmem_sched.h"

#define MIB(n)		((u64)(n) << (20 - PAGE_SHIFT))
#define MOST_GUESTS	12
#define ROUNDS		3000

static unsigned int failures;
static u64 seed;

#define EXPECT(cond) do {						\
	if (!(cond)) {							\
		if (failures++ < 20)					\
			printf("FAILED: %s:%d: %s\n", __func__, __LINE__, \
			       #cond);					\
	}								\
} while (0)

#define EXPECT_EQ(a, b) do {						\
	unsigned long long left = (a), right = (b);			\
									\
	if (left != right && failures++ < 20)				\
		printf("FAILED: %s:%d: %s is %llu, not %llu\n",		\
		       __func__, __LINE__, #a, left, right);		\
} while (0)

static u64 below(u64 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return n ? (seed >> 11) % n : 0;
}

static u64 more(u64 a, u64 b)
{
	return a > b ? a : b;
}

static u64 less(u64 a, u64 b)
{
	return a < b ? a : b;
}

/* ---- guests and a host that behave ---- */

/**
 * struct model - how a guest is
 * @needs: its working set, in the host's count
 * @says: what it reports to want instead, or 0
 * @floor: what it reports not to be able to do without, in its own count
 * @silent: it does not report
 * @deaf: its balloon does not move
 */
struct model {
	u64 needs;
	u64 says;
	u64 floor;
	bool silent;
	bool deaf;
};

static struct sched_guest guests[MOST_GUESTS];
static struct model models[MOST_GUESTS];
static struct sched_host host;
static u64 pool_uses;		/* of what it has; the rest of that is free */
static u32 nr;

#define BEYOND	MIB(3)

static void begin(u64 memory)
{
	memset(guests, 0, sizeof(guests));
	memset(models, 0, sizeof(models));
	host = (struct sched_host){ .memory = memory, .pool_least = MIB(8),
				    .pool_has = MIB(8), .pool_most = memory,
				    .now_ms = 1000 };
	pool_uses = ~0ULL;
	nr = 0;
}

/* A guest that has @total, and needs @needs of it */
static struct sched_guest *add(u64 total, u32 weight, u64 needs)
{
	struct sched_guest *g = &guests[nr];

	*g = (struct sched_guest){ .weight = weight, .total = total,
				   .most = total, .has = total, .goal = total,
				   .movable = true, .takes = SCHED_MAX };
	models[nr++] = (struct model){ .needs = needs };
	return g;
}

static void look(struct sched_guest *g, const struct model *m)
{
	u64 wants = m->says ?: m->needs, lacks;

	g->report = (struct tmem_report){ 0 };
	if (!m->silent)
		g->report = (struct tmem_report){
			.total = more(g->has, BEYOND + 1) - BEYOND,
			.target = more(wants, BEYOND) - BEYOND,
			.floor = less(m->floor, more(g->has, BEYOND + 1) -
						BEYOND),
			.confidence = 100,
		};
	/* What it lacks it brings back, again and again */
	lacks = m->needs > g->has ? m->needs - g->has : 0;
	g->back = lacks / 4;
}

/* Who goes down goes at once, then the pool */
static void obey(void)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (!models[i].deaf && guests[i].movable)
			guests[i].has = guests[i].goal;
	host.pool_has = host.pool;
}

static u64 handed_out(void)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < nr; i++)
		sum += more(guests[i].has, guests[i].goal);
	return sum;
}

static void decide(const char *policy)
{
	u64 least = more(host.pool_least, host.pool_must);
	u64 used = less(pool_uses, host.pool_has);
	u64 pool = more(host.pool_has, least), targets = 0, kept[MOST_GUESTS];
	bool was_within = handed_out() + pool <= host.memory;
	u32 i;

	for (i = 0; i < nr; i++) {
		kept[i] = guests[i].goal;
		look(&guests[i], &models[i]);
	}
	host.pool_free = host.pool_has - used;
	sched_decide(sched_policy(policy), &host, guests, nr);
	for (i = 0; i < nr; i++) {
		struct sched_guest *g = &guests[i];

		targets += g->target;
		EXPECT(g->goal <= g->total);
		EXPECT(g->rule < SCHED_RULES && g->move < SCHED_MOVES);
		EXPECT(!sched_is_free(g) || g->target <= g->most);
		EXPECT(!sched_is_free(g) || g->target >= g->least ||
		       host.pool_must || !strcmp(policy, "static"));
		/* No more than so much less in two seconds at most */
		EXPECT(!sched_is_free(g) ||
		       g->goal >= kept[i] - kept[i] * 2 * SCHED_DOWN_FAST / 100 - 1);
	}
	if (!host.over)
		EXPECT(targets + least <= host.memory);
	if (was_within)
		EXPECT(handed_out() + pool <= host.memory);
	if (was_within)
		EXPECT(handed_out() + host.pool <= host.memory);
}

/* @seconds pass, with decisions each second, and at once where there is more */
static void go_on(const char *policy, unsigned int seconds)
{
	while (seconds--) {
		host.now_ms += 1000;
		decide(policy);
		obey();
		if (host.waits) {
			host.now_ms += 100;
			decide(policy);
			obey();
		}
	}
}

static bool near(u64 a, u64 b)
{
	return a <= b + b / 33 && b <= a + a / 33;
}

/* ---- by themselves ---- */

static void test_idle(void)
{
	begin(MIB(2048));
	add(MIB(1024), 100, MIB(200));
	add(MIB(1024), 100, MIB(700));
	go_on("demand", 60);
	EXPECT(near(guests[0].goal, MIB(200)));
	EXPECT(near(guests[1].goal, MIB(700)));
	EXPECT_EQ(guests[0].rule, SCHED_ASKED);
	EXPECT(host.pool > MIB(1100));

	/* Awake again: it has all at the next decision, as that is in the pool */
	models[0].needs = MIB(900);
	go_on("demand", 1);
	EXPECT(guests[0].goal >= MIB(880));
}

/* Down in no hurry, unless somebody waits for it */
static void test_haste(void)
{
	begin(MIB(1024));
	add(MIB(1024), 100, MIB(500));
	add(MIB(1024), 100, MIB(500));
	go_on("demand", 100);
	models[0].needs = MIB(100);
	go_on("demand", 4);
	EXPECT(guests[0].goal >= MIB(390));
	models[1].needs = MIB(850);
	go_on("demand", 8);
	EXPECT(guests[1].goal >= MIB(800));
}

static void test_steady(void)
{
	u64 goals[3], i, k;

	begin(MIB(1024));
	add(MIB(512), 100, MIB(200));
	add(MIB(512), 100, MIB(400));
	add(MIB(512), 200, MIB(300));
	go_on("demand", 300);
	/* What is asked for goes to and fro by a percent, after a while for long */
	for (k = 0; k < 360; k++) {
		for (i = 0; i < nr; i++)
			models[i].says = models[i].needs / 200 *
					 (199 + below(3));
		go_on("demand", 1);
		for (i = 0; i < nr; i++) {
			if (k > 60)
				EXPECT_EQ(guests[i].goal, goals[i]);
			goals[i] = guests[i].goal;
		}
	}
}

/* Above the share: only what is proven, and that is what the need is */
static void test_proof(void)
{
	begin(MIB(1024));
	add(MIB(1024), 100, MIB(600));
	add(MIB(1024), 100, MIB(200));
	go_on("demand", 100);
	EXPECT(near(guests[0].goal, MIB(600)));
	EXPECT(near(guests[1].goal, MIB(200)));
}

/* What nobody uses is for who asks for it, until somebody does */
static void test_spare(void)
{
	begin(MIB(1024));
	add(MIB(1024), 100, MIB(200));
	add(MIB(1024), 100, MIB(200));
	go_on("demand", 100);
	models[0].says = MIB(1024);
	go_on("demand", 20);
	EXPECT(guests[0].goal <= guests[0].share);
	EXPECT_EQ(guests[0].rule, SCHED_SHARE);
	pool_uses = MIB(100);
	host.now_ms += 1000;
	decide("demand");
	EXPECT_EQ(guests[0].rule, SCHED_SPARE);
	go_on("demand", 4);
	EXPECT(near(guests[0].goal, MIB(1024 - 200 - 100)));
	models[1].needs = MIB(600);
	go_on("demand", 60);
	EXPECT(guests[1].goal >= MIB(500));
	EXPECT(guests[0].goal <= guests[0].share);
}

static void lie(bool lies, u64 *liar, u64 *honest)
{
	begin(MIB(1024));
	add(MIB(1024), 100, MIB(100));
	add(MIB(1024), 100, MIB(650));
	add(MIB(1024), 100, MIB(300));
	models[0].says = lies ? MIB(1024) : 0;
	go_on("demand", 600);
	*liar = guests[0].goal;
	*honest = guests[1].goal;
}

static void test_liar(void)
{
	u64 liar, honest, fair, share;

	lie(false, &liar, &fair);
	lie(true, &liar, &honest);
	share = guests[0].share;
	EXPECT(liar <= share);
	EXPECT(honest >= share);
	EXPECT_EQ(guests[0].rule, SCHED_SHARE);
	EXPECT(fair >= honest);

	/* A floor is a claim, too */
	begin(MIB(1024));
	add(MIB(1024), 100, MIB(100));
	add(MIB(1024), 100, MIB(900));
	models[0].floor = MIB(1000);
	go_on("demand", 300);
	EXPECT(guests[0].goal <= guests[0].share + guests[0].share / 50);
}

static void test_silent(void)
{
	begin(MIB(1024));
	add(MIB(256), 100, 0);
	add(MIB(256), 100, MIB(256));
	models[0].silent = true;
	go_on("demand", 100);
	EXPECT_EQ(guests[0].goal, MIB(256));
	EXPECT_EQ(guests[0].rule, SCHED_SILENT);

	/* Memory is short: its share at most */
	begin(MIB(512));
	add(MIB(512), 100, 0);
	add(MIB(512), 100, MIB(512));
	models[0].silent = true;
	go_on("demand", 300);
	EXPECT(near(guests[0].goal, MIB(252)));
	EXPECT(near(guests[1].goal, MIB(252)));
}

static void test_limits(void)
{
	begin(MIB(512));
	add(MIB(512), 100, MIB(10))->least = MIB(100);
	add(MIB(512), 100, MIB(400))->most = MIB(150);
	add(MIB(512), 100, MIB(40));
	guests[2].takes = 0;
	go_on("demand", 300);
	EXPECT(near(guests[0].goal, MIB(100)));
	EXPECT_EQ(guests[0].rule, SCHED_LEAST);
	EXPECT(near(guests[1].goal, MIB(150)));
	EXPECT_EQ(guests[1].rule, SCHED_MOST);
	EXPECT(!host.scaled);

	/* Sure of more than there is */
	begin(MIB(308));
	add(MIB(512), 100, MIB(400))->least = MIB(400);
	add(MIB(512), 100, MIB(400))->least = MIB(200);
	host.now_ms += 1000;
	decide("demand");
	EXPECT(host.scaled);
	EXPECT_EQ(guests[0].target, MIB(200));
	EXPECT_EQ(guests[1].target, MIB(100));
	EXPECT_EQ(guests[1].rule, SCHED_SCALED);
}

static void test_floor(void)
{
	struct sched_guest *g;

	begin(MIB(2048));
	g = add(MIB(512), 100, MIB(20));
	add(MIB(512), 100, MIB(20));
	host.now_ms += 1000;
	g->report = (struct tmem_report){ .total = MIB(512), .floor = MIB(64),
					  .target = MIB(20),
					  .confidence = 100 };
	sched_decide(sched_policy("demand"), &host, guests, nr);
	EXPECT_EQ(g->target, MIB(64) + MIB(512) / 8);
	EXPECT_EQ(g->rule, SCHED_FLOOR);
	/* What the store cannot take has to stay */
	g->report.estimate = MIB(300);
	g->takes = MIB(50);
	sched_decide(sched_policy("demand"), &host, guests, nr);
	EXPECT_EQ(g->target, MIB(250));
	/* It is not certain */
	g->takes = SCHED_MAX;
	g->report.confidence = 50;
	sched_decide(sched_policy("demand"), &host, guests, nr);
	EXPECT_EQ(g->target, MIB(266));
	g->report_ms = SCHED_REPORT_MS + 1;
	sched_decide(sched_policy("demand"), &host, guests, nr);
	EXPECT_EQ(g->rule, SCHED_SILENT);
	EXPECT_EQ(g->target, MIB(512));
}

static void test_stuck(void)
{
	begin(MIB(1024));
	add(MIB(900), 100, MIB(100));
	add(MIB(900), 100, MIB(600));
	models[0].deaf = true;
	go_on("demand", 20);
	EXPECT(!guests[0].stuck);
	go_on("demand", 40);
	EXPECT(guests[0].stuck);
	EXPECT(guests[0].refuse);
	EXPECT(!guests[1].stuck);
	/* And proves nothing, whatever it brings back */
	guests[0].back = MIB(100);
	guests[0].report.target = MIB(900);
	sched_decide(sched_policy("demand"), &host, guests, nr);
	EXPECT_EQ(guests[0].proof, 0);
	models[0].deaf = false;
	go_on("demand", 30);
	EXPECT(!guests[0].stuck);
	EXPECT(guests[1].goal > MIB(590));
}

/* Of whom nothing is decided: they are counted, and that is all */
static void test_aside(void)
{
	begin(MIB(1024));
	add(MIB(400), 100, MIB(100))->movable = false;
	add(MIB(400), 100, MIB(100))->fixed = MIB(300);
	add(MIB(400), 100, MIB(400));
	go_on("demand", 100);
	EXPECT_EQ(guests[0].goal, MIB(400));
	EXPECT_EQ(guests[1].goal, MIB(300));
	EXPECT_EQ(guests[2].rule, SCHED_SCARCE);
	EXPECT_EQ(guests[2].target, MIB(1024 - 8 - 700));
	EXPECT(!host.over);
	guests[1].fixed = MIB(400);
	host.memory = MIB(700);
	go_on("demand", 1);
	EXPECT(host.over);
}

/* One that has much in the store: others do not pay for it */
static void test_hog(void)
{
	begin(MIB(1024));
	add(MIB(1024), 100, MIB(300))->persistent = MIB(400);
	add(MIB(1024), 100, MIB(500));
	host.pool_must = MIB(400);
	host.pool_has = host.pool_must;
	go_on("demand", 60);
	EXPECT(host.is_short);
	EXPECT(guests[0].refuse);
	EXPECT(!guests[1].refuse);
	guests[0].persistent = MIB(20);
	host.pool_must = MIB(20);
	go_on("demand", 2);
	EXPECT(!host.is_short);
	EXPECT(!guests[0].refuse);
}

static void test_policies(void)
{
	begin(MIB(1008));
	add(MIB(1500), 100, MIB(100));
	add(MIB(500), 300, MIB(100));
	go_on("static", 100);
	EXPECT(near(guests[0].goal, MIB(750)));
	EXPECT(near(guests[1].goal, MIB(250)));
	go_on("proportional", 100);
	EXPECT(near(guests[0].goal, MIB(500)));
	EXPECT(near(guests[1].goal, MIB(500)));
	EXPECT(!sched_policy("best"));
}

/* ---- at random ---- */

static void random_guests(void)
{
	u32 i, many = 1 + below(MOST_GUESTS);
	struct sched_guest *g;

	begin(MIB(64 + below(4000)));
	host.pool_must = below(4) ? 0 : below(host.memory / 2);
	for (i = 0; i < many; i++) {
		g = add(MIB(16 + below(1500)), below(4) ? 1 + below(1000) : 100,
			0);
		models[i] = (struct model){
			.needs = below(g->total * 3 / 2),
			.says = below(3) ? 0 : below(4 * g->total),
			.silent = !below(5),
			.deaf = !below(8),
		};
		g->least = below(3) ? 0 : below(g->total);
		g->most = below(3) ? g->total : below(g->total);
		g->movable = below(6);
		g->fixed = below(6) ? 0 : below(g->total);
	}
}

/* A weight that grows is worth no less */
static void check_weight(u32 who)
{
	struct sched_guest all[MOST_GUESTS], before;
	struct sched_host same = host;
	u32 i;

	for (i = 0; i < nr; i++)
		look(&guests[i], &models[i]);
	memcpy(all, guests, sizeof(all));
	sched_decide(sched_policy("demand"), &same, all, nr);
	before = all[who];
	memcpy(all, guests, sizeof(all));
	all[who].weight *= 1 + below(5);
	same = host;
	sched_decide(sched_policy("demand"), &same, all, nr);
	EXPECT(all[who].share >= before.share);
	EXPECT(all[who].target + nr >= before.target);
}

static u64 apart(u64 a, u64 b)
{
	return a > b ? a - b : b - a;
}

/* Proof that is old gives way to what is new, but nothing goes to and fro */
static void check_steady(void)
{
	u64 first[MOST_GUESTS], last[MOST_GUESTS], way[MOST_GUESTS] = { 0 };
	u32 i, k;

	go_on("demand", 400);
	for (k = 0; k < 60; k++) {
		for (i = 0; i < nr; i++) {
			if (!k)
				first[i] = guests[i].goal;
			else
				way[i] += apart(guests[i].goal, last[i]);
			last[i] = guests[i].goal;
		}
		go_on("demand", 1);
	}
	for (i = 0; i < nr; i++)
		EXPECT(way[i] <= apart(first[i], last[i]) + last[i] / 20 +
		       MIB(1));
}

static void test_random(void)
{
	unsigned int round;
	u32 i;

	for (round = 0; round < ROUNDS && failures < 20; round++) {
		random_guests();
		pool_uses = below(host.memory);
		go_on(sched_policies[round % sched_nr_policies].name, 20);
		check_weight(below(nr));
		for (i = 0; i < nr; i++)
			models[i].needs = below(guests[i].total);
		if (!(round % 8))
			check_steady();
	}
}

static void test_liars(void)
{
	struct sched_guest *g;
	unsigned int round;
	u32 i;

	for (round = 0; round < ROUNDS / 10; round++) {
		random_guests();
		if (round % 2)
			pool_uses = below(host.memory);
		for (i = 0; i < nr; i++) {
			models[i].deaf = false;
			models[i].needs = below(guests[i].total);
			models[i].says = i % 2 ? 4 * guests[i].total : 0;
			models[i].silent = false;
			if (i % 2)
				models[i].needs = 0;
		}
		go_on("demand", 600);
		for (i = 0; i < nr; i++) {
			g = &guests[i];
			/* Unless nobody else wants it, a liar has its share */
			if (i % 2 && sched_is_free(g) &&
			    g->rule != SCHED_KEPT && g->rule != SCHED_SPARE &&
			    g->rule != SCHED_MOST)
				EXPECT(g->target <= more(g->share, g->least));
			/* And who needs no more than the share has that */
			if (!(i % 2) && sched_is_free(g) && !host.pool_must)
				EXPECT(g->goal + g->goal / 40 + 4 >=
				       less(less(models[i].needs, g->share),
					    g->most));
		}
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "idle memory goes to the pool, and comes back", test_idle },
	{ "no haste on the way down, but for others", test_haste },
	{ "a steady load changes nothing", test_steady },
	{ "proof", test_proof },
	{ "what nobody uses", test_spare },
	{ "a liar gains nothing", test_liar },
	{ "no report", test_silent },
	{ "least and most", test_limits },
	{ "floors", test_floor },
	{ "a balloon that is stuck", test_stuck },
	{ "guests set aside", test_aside },
	{ "one that has much in the store", test_hog },
	{ "the other policies", test_policies },
	{ "random guests", test_random },
	{ "random liars", test_liars },
};

int main(int argc, char **argv)
{
	unsigned int i, before, bad = 0;

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	seed = seed * 0x9e3779b97f4a7c15ULL + 1;
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		before = failures;
		tests[i].run();
		bad += failures != before;
		if (failures == before)
			printf("ok: %s\n", tests[i].name);
		else
			printf("FAILED: %s\n", tests[i].name);
	}
	return bad ? 1 : 0;
}
