// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tests of how tmemd divides memory, by front ends
 *
 * schedule TMEMD: guests that report, and whose balloons do as they are told, or
 * not.  The daemon is built to have less patience than usual.
 */
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define MIB(n)		((u64)(n) << 20)
#define PAGES_OF(mib)	((u64)(mib) << (20 - PAGE_SHIFT))
#define GUEST		64
#define QUEUES		3
#define LONG_US		60000000ULL

/**
 * struct guest - a guest with two devices
 * @name: of its client
 * @tmem: the first
 * @balloon: the other one, whose memory is the guest's
 * @held: pages in the balloon
 * @deaf: they stay as many
 * @wants: MiB that it reports to want
 * @floor: MiB likewise
 * @granted: the answer, in pages
 */
static struct guest {
	const char *name;
	struct front tmem;
	struct front balloon;
	u32 held;
	bool deaf;
	u64 wants;
	u64 floor;
	u64 granted;
} a = { .name = "a" }, b = { .name = "b" };

static void arrive(struct guest *g, u64 wants)
{
	char name[40];

	snprintf(name, sizeof(name), "%s.balloon", g->name);
	g->held = 0;
	g->deaf = false;
	g->floor = 1;
	g->wants = wants;
	EXPECT_EQ(front_open(&g->balloon, run_socket(name), PAGES_OF(GUEST),
			     QUEUES), 0);
	EXPECT_EQ(front_open(&g->tmem, run_socket(g->name), 64, 1), 0);
	EXPECT_EQ(front_attach(&g->tmem, NULL), 0);
	EXPECT_EQ(front_pool(&g->tmem, 0, TMEM_POOL_PERSISTENT), 0);
}

static void leave(struct guest *g)
{
	front_hang_up(&g->tmem);
	front_hang_up(&g->balloon);
}

static u64 all_pages(const struct guest *g)
{
	return g->balloon.bytes >> PAGE_SHIFT;
}

/* Two MiB are the kernel's own: a guest does not know of them */
static void report(struct guest *g)
{
	struct tmem_report *rep = (void *)g->tmem.data;
	struct front_io io = front_io(TMEM_OP_REPORT, 0, 0, 0, 0, rep);

	*rep = (struct tmem_report){
		.total = all_pages(g) - g->held - PAGES_OF(2),
		.floor = PAGES_OF(g->floor), .target = PAGES_OF(g->wants - 2),
		.estimate = PAGES_OF(g->wants - 2), .misses = 7,
		.pressure = 12, .confidence = 100,
		.flags = TMEM_REPORT_HOST,
	};
	EXPECT_EQ(front_submit(&g->tmem, 0, &io, 1), 0);
	EXPECT_EQ(io.req.status, 0);
	g->granted = rep->grant;
}

static u32 config_number(struct front *f, u32 offset)
{
	struct vhost_msg msg = { .request = VHOST_GET_CONFIG, .size = 12 + 4,
				 .config = { .offset = offset, .size = 4 } };
	u32 value = ~0u;

	EXPECT_EQ(front_ask(f, &msg), 0);
	memcpy(&value, msg.config.bytes, sizeof(value));
	return value;
}

/* Puts into the balloon what it is asked for, or takes out */
static void obey(struct guest *g)
{
	const u32 actual = offsetof(struct virtio_balloon_config, actual);
	struct vhost_msg msg = { .request = VHOST_SET_CONFIG, .size = 12 + 4,
				 .config = { .offset = actual, .size = 4 } };
	u32 asked = config_number(&g->balloon, 0);

	if (g->deaf || asked == g->held)
		return;
	g->held = asked;
	memcpy(msg.config.bytes, &asked, sizeof(asked));
	EXPECT_EQ(front_send(&g->balloon, &msg, NULL, 0), 0);
}

/* What it is asked to keep, in MiB, rounded */
static u64 goal(struct guest *g)
{
	return (all_pages(g) - config_number(&g->balloon, 0) +
		PAGES_OF(1) / 2) / PAGES_OF(1);
}

static u64 number(const char *answer, const char *name)
{
	char key[64];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(answer, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : ~0ULL;
}

static const char *why(struct guest *g)
{
	char request[64];

	snprintf(request, sizeof(request),
		 "{\"request\":\"why\",\"client\":\"%s\"}", g->name);
	return run_control(request);
}

static bool is_said(const char *answer, const char *what)
{
	return strstr(answer, what);
}

static void expect_said(const char *answer, const char *what)
{
	EXPECT(is_said(answer, what));
	if (!is_said(answer, what))
		printf("no %s in %s", what, answer);
}

/* Both live on until @g is to keep so much, for a minute at most */
static void until(struct guest *g, u64 least, u64 most)
{
	u64 begin = run_now_us(), now;

	do {
		obey(&a);
		report(&a);
		obey(&b);
		report(&b);
		now = goal(g);
		if (now >= least && now <= most)
			return;
		usleep(50000);
	} while (run_now_us() - begin < LONG_US);
	printf("FAILED: %s is to keep %llu MiB, not %llu to %llu\n", g->name,
	       (unsigned long long)now, (unsigned long long)least,
	       (unsigned long long)most);
	failures++;
	printf("%s", why(g));
}

static void expect_within(void)
{
	const char *answer;

	answer = run_control("{\"request\":\"scheduler\"}");
	EXPECT(number(answer, "pool_has") + MIB(goal(&a) + goal(&b)) <=
	       MIB(144) + MIB(2));
}

/* ---- tests: 144 MiB, of which the pool is sure of 16, and a share is 64 ---- */

static void test_demand(void)
{
	arrive(&a, 30);
	arrive(&b, 40);
	until(&a, 29, 31);
	until(&b, 39, 41);
	expect_within();
	expect_said(why(&a), "\"rule\":\"asked\"");
	expect_said(why(&a), "\"report_misses\":7");
	EXPECT(number(why(&a), "to") > 0);
	/* The pool has the rest */
	EXPECT(number(run_control("{\"request\":\"size\"}"), "goal") >=
	       MIB(68));
	/* The answer is what it may have, as it counts */
	report(&a);
	EXPECT(a.granted >= PAGES_OF(27) && a.granted <= PAGES_OF(30));

	/* Up again, all at once, which takes more memory from the pool */
	a.wants = 60;
	b.wants = 60;
	until(&a, 59, 61);
	until(&b, 59, 61);
	expect_within();
	leave(&a);
	leave(&b);
}

static void test_killed(void)
{
	u64 before;

	arrive(&a, 30);
	arrive(&b, 40);
	until(&a, 29, 31);
	before = config_number(&a.balloon, 0);
	run_kill_worker();
	report(&a);
	EXPECT_EQ(config_number(&a.balloon, 0), before);
	until(&a, 29, 31);
	until(&b, 39, 41);
	/* A guest that comes begins with all of its memory */
	leave(&a);
	arrive(&a, 60);
	EXPECT(goal(&a) > 60);
	leave(&a);
	leave(&b);
}

/* Brings pages back that it has put away, which proves that it needs them */
static void bring_back(struct guest *g, unsigned int pages)
{
	struct front_io io;
	unsigned int i;

	for (i = 0; i < pages; i++) {
		io = front_io(TMEM_OP_PUT, 0, 1, i % 64, 1, g->tmem.data);
		EXPECT_EQ(front_submit(&g->tmem, 0, &io, 1), 0);
		io = front_io(TMEM_OP_GET, 0, 1, i % 64, 1, g->tmem.data);
		EXPECT_EQ(front_submit(&g->tmem, 0, &io, 1), 0);
		EXPECT_EQ(io.req.done, 1);
	}
}

/* Which is seen by the next decision */
static void until_back(u64 pages)
{
	unsigned int tries;

	for (tries = 0; tries < 100; tries++) {
		if (number(why(&b), "back_pages") >= pages)
			return;
		usleep(100000);
	}
	EXPECT(!"what b brought back is seen");
}

static void test_proof(void)
{
	run_control("{\"request\":\"set\",\"client\":\"a\",\"weight\":300}");
	arrive(&a, 20);
	arrive(&b, 60);
	until(&a, 19, 21);
	/* By weight b's share is 64 of 128: it can have no more than 64 */
	until(&b, 59, 64);
	a.wants = 64;
	until(&a, 63, 64);
	run_control("{\"request\":\"set\",\"client\":\"a\",\"memory_max\":33554432}");
	until(&a, 31, 33);
	expect_said(why(&a), "\"rule\":\"most\"");
	run_control("{\"request\":\"set\",\"client\":\"a\",\"memory\":41943040}");
	until(&a, 40, 40);
	expect_said(why(&a), "\"rule\":\"fixed\"");
	run_control("{\"request\":\"set\",\"client\":\"a\",\"memory\":\"auto\",\"memory_max\":0}");
	bring_back(&b, 500);
	until(&a, 63, 64);
	EXPECT(number(run_control("{\"request\":\"show\",\"client\":\"b\"}"),
		      "loaded") == 500);
	until_back(500);
	leave(&a);
	leave(&b);
}

static int put_persistent(struct guest *g)
{
	struct front_io io = front_io(TMEM_OP_PUT, 0, 9, 9, 1, g->tmem.data);

	return front_submit(&g->tmem, 0, &io, 1) ?: io.req.status;
}

static void test_stuck(void)
{
	unsigned int tries;

	arrive(&a, 20);
	arrive(&b, 40);
	a.deaf = true;
	for (tries = 0; tries < 600; tries++) {
		report(&a);
		report(&b);
		obey(&b);
		if (is_said(why(&a), "\"stuck\":true"))
			break;
		usleep(100000);
	}
	expect_said(why(&a), "\"stuck\":true");
	EXPECT_EQ(put_persistent(&a), -EBUSY);
	EXPECT_EQ(put_persistent(&b), 0);
	a.deaf = false;
	until(&a, 19, 21);
	for (tries = 0; tries < 100 && put_persistent(&a); tries++)
		usleep(100000);
	EXPECT_EQ(put_persistent(&a), 0);
	expect_said(why(&a), "\"stuck\":false");
	leave(&a);
	leave(&b);
}

static void test_requests(void)
{
	expect_said(run_control("{\"request\":\"why\",\"client\":\"a\"}"),
		    "no guest is connected");
	expect_said(run_control("{\"request\":\"why\",\"client\":\"x\"}"),
		    "no client");
	expect_said(run_control("{\"request\":\"scheduler\",\"scheduler\":\"best\"}"),
		    "no scheduler is called best");
	expect_said(run_control("{\"request\":\"scheduler\",\"scheduler\":\"static\"}"),
		    "\"scheduler\":\"static\"");
	expect_said(run_control("{\"request\":\"size\",\"size\":33554432}"),
		    "what guests leave");
	expect_said(run_control("{\"request\":\"set\",\"client\":\"a\",\"memory\":\"much\"}"),
		    "auto");
	expect_said(run_control("{\"request\":\"set\",\"client\":\"a\",\"memory_min\":8192,\"memory_max\":4096}"),
		    "more than memory_max");
	expect_said(run_control("{\"request\":\"set\",\"client\":\"a\",\"memory_min\":5}"),
		    "not a multiple");
}

static char *const args[] = { "--size", "16M", "--memory", "144M", "--client",
			      "name=a", "--client", "name=b", NULL };

static const struct run_test tests[] = {
	{ "what is asked for", test_demand, args },
	{ "a worker that is killed", test_killed, args },
	{ "proof and limits", test_proof, args },
	{ "a balloon that is stuck", test_stuck, args },
	{ "requests", test_requests, args },
};

int main(int argc, char **argv)
{
	return run_tests(argc, argv, tests, ARRAY_SIZE(tests));
}
