// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: what the page store costs, against a bare memcpy
 *
 * One pass of one part; scripts/bench-store runs it, several times, and makes
 * tables of what it says: lines of "= CASE.NAME VALUE", in nanoseconds a page
 * if the name does not tell otherwise.
 *
 * Usage: bench [--pages N] [--memcached SOCKET] [--content FILE] PART
 */
#include <getopt.h>

#include "bench.h"

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{ "cost", bench_cost },
	{ "runs", bench_runs },
	{ "threads", bench_threads },
	{ "flat", bench_flat },
	{ "packed", bench_packed },
	{ "restart", bench_restart },
	{ "shrink", bench_shrink },
};

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pages", required_argument, NULL, 'p' },
		{ "memcached", required_argument, NULL, 'm' },
		{ "content", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned int i;
	int opt;

	b.pages = 65536;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'p')
			b.pages = strtoul(optarg, NULL, 0) & ~(PER_OBJECT - 1U);
		else if (opt == 'm')
			b.socket = optarg;
		else if (opt == 'c')
			bench_content(optarg);
		else
			return 2;
	}
	if (optind != argc - 1 || b.pages < 16 * PER_OBJECT)
		return 2;
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!strcmp(parts[i].name, argv[optind])) {
			bench_init();
			parts[i].run();
			return 0;
		}
	}
	return 2;
}
