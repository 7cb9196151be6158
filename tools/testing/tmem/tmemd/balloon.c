// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tests of tmemd's balloon by a front end
 *
 * balloon TMEMD: what a guest gives back is gone from its file, and nothing
 * else is, whatever it says.
 */
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"

#define PAGES	64
#define QUEUES	3
#define INFLATE	0
#define DEFLATE	1
#define REPORT	2

static u8 *page(struct front *f, unsigned int i)
{
	return f->data + i * PAGE_SIZE;
}

static u32 number(struct front *f, unsigned int i)
{
	return front_gpa(f, page(f, i)) / PAGE_SIZE;
}

static bool is_blank(struct front *f, unsigned int i)
{
	unsigned int k;

	for (k = 0; k < PAGE_SIZE; k++)
		if (page(f, i)[k])
			return false;
	return true;
}

/* All pages have contents of their own, but for one that is for lists */
static void fill_all(struct front *f)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		fill(page(f, i), i + 1);
}

/* Which pages are blank, and the others are as they were? */
static void expect_blank(struct front *f, u64 blank)
{
	unsigned int i;

	for (i = 0; i < PAGES - 1; i++)
		EXPECT(blank >> i & 1 ? is_blank(f, i) :
					is_filled(page(f, i), i + 1));
}

static void arrive(struct front *f)
{
	EXPECT_EQ(front_open(f, run_socket("a.balloon"), PAGES, QUEUES), 0);
	fill_all(f);
}

/* Hands over what the first descriptors name */
static void hand_over(struct front *f, unsigned int queue)
{
	u32 len = ~0u;

	front_publish(f, queue, 0);
	EXPECT_EQ(front_wait(f, queue, &len), 0);
	EXPECT_EQ(len, 0);
}

/* The list is at @at, in the last page */
static void list(struct front *f, unsigned int queue, const u32 *pages,
		 unsigned int nr, unsigned int at, unsigned int cut)
{
	u8 *room = page(f, PAGES - 1) + at;
	struct vring_desc *desc = f->queues[queue].desc;
	u32 bytes = nr * sizeof(*pages);

	memcpy(room, pages, bytes);
	front_desc(f, &desc[0], room, cut ?: bytes,
		   cut ? VRING_DESC_F_NEXT : 0, 1);
	front_desc(f, &desc[1], room + cut, bytes - cut, 0, 0);
	hand_over(f, queue);
}

static u64 blocks(struct front *f)
{
	struct stat st;

	EXPECT_EQ(fstat(f->fd, &st), 0);
	return st.st_blocks;
}

static void expect_said(const char *answer, const char *what)
{
	EXPECT(strstr(answer, what));
	if (!strstr(answer, what))
		printf("no %s in %s", what, answer);
}

/* ---- tests ---- */

static void test_inflate(void)
{
	u32 pages[] = { 0, 9, 3, 4, 5, 4 };
	struct front f;
	unsigned int i;
	u64 before;

	arrive(&f);
	before = blocks(&f);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = number(&f, pages[i]);
	list(&f, INFLATE, pages, ARRAY_SIZE(pages), 0, 0);
	EXPECT_EQ(before - blocks(&f), 5 * PAGE_SIZE / 512);
	expect_blank(&f, 1 << 0 | 1 << 9 | 7 << 3);

	/* A number in two pieces, at an odd address */
	pages[0] = number(&f, 20);
	pages[1] = number(&f, 21);
	list(&f, INFLATE, pages, 2, 5, 3);
	expect_blank(&f, 1 << 0 | 1 << 9 | 7 << 3 | 3 << 20);

	/* What is taken out is there when it is written to */
	fill(page(&f, 20), 21);
	list(&f, DEFLATE, pages, 1, 0, 0);
	expect_blank(&f, 1 << 0 | 1 << 9 | 7 << 3 | 1 << 21);
	front_hang_up(&f);
}

static void test_report(void)
{
	struct vring_desc *desc;
	struct front f;

	arrive(&f);
	desc = f.queues[REPORT].desc;
	front_desc(&f, &desc[0], page(&f, 2), 3 * PAGE_SIZE,
		   VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	/* Not whole pages: these stay */
	front_desc(&f, &desc[1], page(&f, 10) + 8, PAGE_SIZE,
		   VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2);
	front_desc(&f, &desc[2], page(&f, 12), 100, VRING_DESC_F_WRITE, 0);
	hand_over(&f, REPORT);
	expect_blank(&f, 7 << 2);
	front_hang_up(&f);
}

static void test_nonsense(void)
{
	u32 bad[] = { 0, ~0u, 0x80000000, 1 };
	struct vring_desc *desc;
	struct front f;
	u32 pages[2], many[PAGE_SIZE / sizeof(u32)];

	arrive(&f);
	desc = f.queues[INFLATE].desc;
	list(&f, INFLATE, bad, ARRAY_SIZE(bad), 0, 0);
	/* The one behind the last, and the last one that is no list */
	pages[0] = number(&f, PAGES);
	pages[1] = number(&f, 30);
	list(&f, INFLATE, pages, 2, 0, 0);
	expect_blank(&f, 1 << 30);
	/* Not a whole number */
	memcpy(page(&f, PAGES - 1), pages, sizeof(pages));
	front_desc(&f, &desc[0], page(&f, PAGES - 1), 3, 0, 0);
	hand_over(&f, INFLATE);
	/* No list, and a list on the other side */
	front_desc(&f, &desc[0], page(&f, PAGES - 1), 0, 0, 0);
	hand_over(&f, INFLATE);
	front_desc(&f, &desc[0], page(&f, PAGES - 1), 8, VRING_DESC_F_WRITE, 0);
	hand_over(&f, INFLATE);
	/* A list that would keep others waiting: its end is left out */
	memset(many, 0, sizeof(many));
	many[511] = number(&f, 27);
	many[512] = number(&f, 28);
	list(&f, INFLATE, many, ARRAY_SIZE(many), 0, 0);
	expect_blank(&f, 1 << 30 | 1 << 27);
	fill(page(&f, 27), 28);
	/* A list where reports are expected */
	front_desc(&f, &f.queues[REPORT].desc[0], page(&f, 40), PAGE_SIZE, 0, 0);
	hand_over(&f, REPORT);
	expect_blank(&f, 1 << 30);
	pages[0] = number(&f, 29);
	list(&f, INFLATE, pages, 1, 0, 0);
	expect_blank(&f, 3 << 29);
	front_hang_up(&f);
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

static void say_config(struct front *f, u32 offset, u32 size, u32 value)
{
	struct vhost_msg msg = { .request = VHOST_SET_CONFIG, .size = 12 + size,
				 .config = { .offset = offset, .size = size } };

	memcpy(msg.config.bytes, &value, sizeof(value));
	EXPECT_EQ(front_send(f, &msg, NULL, 0), 0);
}

static bool is_sent_away(struct front *f)
{
	char byte;

	return recv(f->conn, &byte, 1, 0) <= 0;
}

static void test_config(void)
{
	const u32 actual = offsetof(struct virtio_balloon_config, actual);
	char request[128];
	struct front f;

	arrive(&f);
	EXPECT_EQ(config_number(&f, 0), 0);
	snprintf(request, sizeof(request),
		 "{\"request\":\"set\",\"client\":\"a\",\"memory\":%zu}",
		 f.bytes - 7 * PAGE_SIZE);
	expect_said(run_control(request), "\"memory_goal\":");
	EXPECT_EQ(config_number(&f, 0), 7);
	say_config(&f, actual, 4, 5);
	EXPECT_EQ(config_number(&f, actual), 5);
	expect_said(run_control("{\"request\":\"show\",\"client\":\"a\"}"),
		    "\"balloon\":20480");
	expect_said(run_control("{\"request\":\"set\",\"client\":\"a\",\"memory\":7}"),
		    "not a multiple");
	expect_said(run_control("{\"request\":\"set\",\"client\":\"a\",\"memory\":-1}"),
		    "memory is not from 0");
	/* More than it has: all of it */
	run_control("{\"request\":\"set\",\"client\":\"a\",\"memory\":1099511627776}");
	EXPECT_EQ(config_number(&f, 0), 0);

	/* A guest may say nothing else */
	say_config(&f, 0, 4, 1);
	EXPECT(is_sent_away(&f));
	front_hang_up(&f);
	arrive(&f);
	say_config(&f, actual, 2, 1);
	EXPECT(is_sent_away(&f));
	front_hang_up(&f);
	arrive(&f);
	EXPECT_EQ(config_number(&f, actual), 0);
	front_hang_up(&f);
}

/* A worker dies: the balloon is where it was */
static void test_killed(void)
{
	const u32 actual = offsetof(struct virtio_balloon_config, actual);
	struct front f;
	u32 pages[1];
	unsigned int i;

	arrive(&f);
	say_config(&f, actual, 4, 11);
	EXPECT_EQ(config_number(&f, actual), 11);
	for (i = 0; i < 20; i++) {
		pages[0] = number(&f, i);
		run_kill_worker();
		list(&f, INFLATE, pages, 1, 0, 0);
		EXPECT(is_blank(&f, i));
	}
	EXPECT_EQ(config_number(&f, actual), 11);
	expect_blank(&f, (1 << 20) - 1);
	front_hang_up(&f);
}

/* A guest of tmem and another one's balloon have nothing to do with each other */
static void test_names(void)
{
	struct front a, b, second;

	expect_said(run_control("{\"request\":\"add\",\"client\":\"c.balloon\"}"),
		    "a name is");
	arrive(&a);
	EXPECT_EQ(front_open(&b, run_socket("b"), PAGES, 1), 0);
	EXPECT_EQ(front_attach(&b, NULL), 0);
	EXPECT_EQ(front_call(&second, run_socket("a.balloon"), 1, 0), 0);
	EXPECT(is_sent_away(&second));
	front_hang_up(&second);
	run_control("{\"request\":\"remove\",\"client\":\"a\",\"force\":true}");
	EXPECT(is_sent_away(&a));
	EXPECT(access(run_socket("a.balloon"), F_OK));
	EXPECT_EQ(front_pool(&b, 0, 0), 0);
	front_hang_up(&a);
	front_hang_up(&b);
}

static char *const args[] = { "--size", "16M", "--client", "name=a",
			      "--client", "name=b", NULL };

static const struct run_test tests[] = {
	{ "inflate", test_inflate, args },
	{ "report", test_report, args },
	{ "nonsense", test_nonsense, args },
	{ "config", test_config, args },
	{ "killed", test_killed, args },
	{ "names", test_names, args },
};

int main(int argc, char **argv)
{
	return run_tests(argc, argv, tests, ARRAY_SIZE(tests));
}
