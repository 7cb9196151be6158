// SPDX-License-Identifier: GPL-2.0
/*
 * So many pages of memory are in hswap, while others do something to the machine
 *
 * A line "out PAGES" has so many pages swapped out, and no others; a line
 * "check" compares them, byte by byte, which brings them back.  Each is
 * answered by a line.  After "churn PAGES" they are written, swapped out and
 * compared again and again, until there is another line.
 */
#include <poll.h>

#include "coh.h"

#define CGROUP "/sys/fs/cgroup/keep/"

static struct region region;

static void fill(size_t pages)
{
	region_init(&region, 1, pages ?: 1, MAP_PRIVATE);
	must(munlock(region.mem, region.pages * PAGE));
	region.pages = pages;
}

static bool is_resident(void)
{
	static unsigned char vec[8192];
	size_t i;

	if (region.pages > sizeof(vec))
		fail("too many pages");
	must(mincore(region.mem, region.pages * PAGE, vec));
	for (i = 0; i < region.pages; i++)
		if (vec[i] & 1)
			return true;
	return false;
}

/* Nothing else is reclaimed: it is locked, or of another cgroup */
static void page_out(void)
{
	int tries = 0;

	region_write(&region);
	while (is_resident()) {
		if (++tries > 1000)
			fail("the pages cannot be evicted");
		echo_to(CGROUP "memory.reclaim", "16M");
	}
}

static void have_out(size_t pages)
{
	fill(pages);
	page_out();
	printf("keep: out, %ld in hswap\n", read_long(HSWAP "usage"));
}

static void check(void)
{
	long before = loaded();

	region_check(&region);
	printf("keep: all %zu right, %ld from hswap\n", region.pages,
	       loaded() - before);
	region_exit(&region);
	printf("keep: %ld in hswap\n", read_long(HSWAP "usage"));
}

static void churn(size_t pages)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	long before = loaded(), turns = 0;

	fill(pages);
	printf("keep: churns\n");
	while (!poll(&input, 1, 0)) {
		page_out();
		region_check(&region);
		if (!turns++)
			printf("keep: has churned\n");
	}
	region_exit(&region);
	printf("keep: %ld turns right, %ld pages from hswap\n", turns,
	       loaded() - before);
}

int main(void)
{
	char line[80];
	size_t pages;

	now_testing = "keep";
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	must(mkdir(CGROUP, 0755));
	if (!echo_to(CGROUP "cgroup.procs", "0"))
		fail("there is no cgroup");
	must(mlockall(MCL_CURRENT | MCL_FUTURE));
	printf("keep: begin\n");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "out %zu", &pages) == 1)
			have_out(pages);
		else if (sscanf(line, "churn %zu", &pages) == 1)
			churn(pages);
		else if (!strncmp(line, "check", 5))
			check();
		else if (!strncmp(line, "end", 3))
			return 0;
	}
	return 1;
}
