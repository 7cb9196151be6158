// SPDX-License-Identifier: GPL-2.0
/*
 * Memory and files keep their contents while something is done to the machine
 *
 * Fills memory and files, evicts them, so that they are in hswap and hcache,
 * runs a command, and compares them.
 */
#include <getopt.h>
#include <sys/wait.h>

#include "coh.h"

#define NR_FILES	3
#define FILE_PAGES	512

static size_t pages = 4096;
static bool left;		/* COMMAND makes the kernel leave the store */
static struct region anon, shared;
static struct file *files[NR_FILES];

static void fill(void)
{
	char name[16];
	int i;

	for (i = 0; i < NR_FILES; i++) {
		snprintf(name, sizeof(name), "held%d", i);
		files[i] = file_new(name, FILE_PAGES);
	}
	region_init(&anon, 1, pages, MAP_PRIVATE);
	region_init(&shared, 2, pages / 4, MAP_SHARED);
	region_write(&anon);
	region_write(&shared);
}

static void evict(void)
{
	int i;

	region_evict(&anon);
	region_evict(&shared);
	for (i = 0; i < NR_FILES; i++)
		file_store(files[i]);
	region_evict(&anon);
	region_evict(&shared);
}

static void run(const char *command)
{
	int status;

	fflush(stdout);
	status = system(command);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail("status %#x of: %s", status, command);
}

static void compare(void)
{
	long hits = counts().hits, swapped = loaded();
	int i;

	for (i = 0; i < NR_FILES; i++)
		file_check(files[i]);
	hits = counts().hits - hits;
	region_check(&anon);
	region_check(&shared);
	swapped = loaded() - swapped;
	if (left && hits)
		fail("%ld pages came from hcache, which had been left", hits);
	printf("compared: %ld pages from hcache, %ld from hswap\n", hits,
	       swapped);
}

/* The store is in use, as before */
static void use(void)
{
	int i;

	for (i = 0; i < NR_FILES; i++)
		file_write(files[i], i * PAGE, 100 * PAGE);
	region_write(&anon);
	for (i = 0; i < NR_FILES; i++)
		must(fsync(files[i]->fd));
	evict();
	for (i = 0; i < NR_FILES; i++)
		file_check_hits(files[i], FILE_PAGES / 2);
	region_evict(&anon);
	region_check_loaded(&anon);
	region_check(&shared);
	if (read_long(HSWAP "failed"))
		fail("%ld pages were lost", read_long(HSWAP "failed"));
}

static void usage(void)
{
	printf("Usage: hold [OPTION...] COMMAND\n"
	       "\n"
	       "Holds memory and files of the current directory in hswap and hcache,\n"
	       "runs COMMAND, which has to succeed, and compares all bytes.\n"
	       "  -l          the store is left meanwhile: nothing old comes from hcache\n"
	       "  -p PAGES    size of the memory (default 4096)\n");
	exit(2);
}

int main(int argc, char **argv)
{
	int c, i;

	now_testing = "hold";
	while ((c = getopt(argc, argv, "lp:")) != -1) {
		switch (c) {
		case 'l': left = true; break;
		case 'p': pages = strtoul(optarg, NULL, 0); break;
		default: usage();
		}
	}
	if (optind != argc - 1)
		usage();
	all_pages();
	fill();
	evict();
	printf("held: %ld pages in hswap\n", read_long(HSWAP "usage"));
	run(argv[optind]);
	compare();
	use();
	for (i = 0; i < NR_FILES; i++)
		file_gone(files[i]);
	return 0;
}
