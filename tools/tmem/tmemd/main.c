// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, a store for the guests of one machine
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "keeper.h"
#include "metrics.h"
#include "policy.h"
#include "tmem_sched.h"
#include "worker.h"

#define MAX_THREADS	64

struct options options = {
	.sockets = "/run/tmemd",
	.codec = "none",
	.threads = 1,
	.poll_us = 400,
	.sample_s = 10,
	.share = { .cap = ~0ULL, .weight = 100, .hswap = true },
};

static const char help[] =
"Usage: tmemd --size SIZE [OPTION...]\n"
"\n"
"Keeps pages for guests that have a virtio tmem device: one pool of memory that\n"
"none of them owns.\n"
"\n"
"  -z, --size SIZE        memory of the pool, such as 512M or 2G\n"
"      --max-size SIZE    most that it can be made later (default: the size)\n"
"  -s, --socket DIR       directory of the sockets (default /run/tmemd): one for\n"
"                         each client, by its name, for vhost-user; and \"control\"\n"
"  -c, --client SPEC      a client; may be said again.  SPEC is name=NAME, and then,\n"
"                         after commas:\n"
"                           min=SIZE   what it is sure of (default 0)\n"
"                           cap=SIZE   what it cannot exceed (default: the pool)\n"
"                           weight=N   its share, against others (default 100)\n"
"                           hswap=on|off  may it store what must not be lost?\n"
"                                      (default on)\n"
"                           qmp=PATH   QMP socket of its QEMU, by which the balloon\n"
"                                      that QEMU has is moved\n"
"                           memory=SIZE|all|auto  what its guest keeps of its own\n"
"                                      memory (default auto with --memory, or all)\n"
"                           memory_min=SIZE, memory_max=SIZE  limits of auto\n"
"      --memory SIZE      memory for guests and pool together: have it divided; the\n"
"                         pool has what guests leave, but not less than --size\n"
"      --scheduler NAME   how:\n";

static const char policy_help[] =
"  -f, --file PATH        the pool is this file, on tmpfs or hugetlbfs\n"
"      --prealloc         have the system provide the pool's memory at once, and not\n"
"                         when it is stored to\n"
"  -p, --policy NAME      how a full pool is divided:\n";

static const char more_help[] =
"      --codec NAME       pack pages with lz4 or zstd (default none)\n"
"      --dedup            keep equal pages of a client once\n"
"  -t, --threads N        threads that serve guests (default 1)\n"
"      --poll US          how long they look for more before they sleep, in\n"
"                         microseconds, at most (default 400)\n"
"      --sample SECONDS   from one sample of the history to the next (default 10);\n"
"                         the last 2879 are kept\n"
"      --metrics ADDRESS:PORT\n"
"                         where Prometheus gets /metrics, such as 127.0.0.1:9464\n"
"  -h, --help             this text\n"
"\n"
"SIGHUP has the program started anew, with nothing lost, after an upgrade.\n";

static void usage(void)
{
	u32 i;

	fputs(help, stdout);
	for (i = 0; i < sched_nr_policies; i++)
		printf("                           %s%s\n",
		       sched_policies[i].name, i ? "" : " (default)");
	fputs(policy_help, stdout);
	for (i = 0; i < tstore_nr_policies; i++)
		printf("                           %s%s\n",
		       tstore_policies[i].name,
		       &tstore_policies[i] == options.policy ? " (default)" : "");
	fputs(more_help, stdout);
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "tmemd: %s: %s (tmemd --help says more)\n", what, why);
	exit(2);
}

/* "64M" in bytes; a multiple of a page */
static u64 parse_size(const char *what, const char *text)
{
	static const char units[] = "KMGT";
	unsigned long long number;
	const char *unit;
	char *end;
	u64 bytes;

	errno = 0;
	number = strtoull(text, &end, 10);
	bytes = number;
	if (end == text || !isdigit((unsigned char)*text) || errno)
		die(what, "not a size, such as 512M");
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1])
			die(what, "not a size, such as 512M");
		bytes <<= 10 * (unit - units + 1);
		if (bytes >> (10 * (unit - units + 1)) != number)
			die(what, "too large");
	}
	if (bytes % PAGE_SIZE)
		die(what, "not a multiple of 4K");
	return bytes;
}

static u32 parse_number(const char *what, const char *text, u32 least, u32 most)
{
	char *end, range[64];
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (end == text || *end || errno || !isdigit((unsigned char)*text) ||
	    number < least || number > most) {
		snprintf(range, sizeof(range), "not a number from %u to %u",
			 least, most);
		die(what, range);
	}
	return number;
}

enum { NAME, MIN, CAP, WEIGHT, HSWAP, MEMORY_OF, MEMORY_MIN, MEMORY_MAX, QMP };

static char *const keys[] = { "name", "min", "cap", "weight", "hswap", "memory",
			      "memory_min", "memory_max", "qmp", NULL };

static void parse_key(struct spec *spec, int key, const char *value)
{
	struct share *share = &spec->share;

	switch (key) {
	case NAME:
		if (snprintf(spec->name, sizeof(spec->name), "%s", value) >=
		    (int)sizeof(spec->name))
			die(value, "too long for a name");
		break;
	case MIN:
		share->min = parse_size("min", value) >> PAGE_SHIFT;
		break;
	case CAP:
		share->cap = parse_size("cap", value) >> PAGE_SHIFT;
		break;
	case WEIGHT:
		share->weight = parse_number("weight", value, 0, 1000000);
		break;
	case HSWAP:
		if (strcmp(value, "on") && strcmp(value, "off"))
			die("hswap", "neither on nor off");
		share->hswap = !strcmp(value, "on");
		break;
	case MEMORY_OF:
		spec->decided = strcmp(value, "auto");
		share->memory_auto = !spec->decided;
		if (spec->decided && strcmp(value, "all"))
			spec->memory = parse_size("memory", value);
		break;
	case MEMORY_MIN:
		share->memory_min = parse_size("memory_min", value);
		break;
	case MEMORY_MAX:
		share->memory_max = parse_size("memory_max", value);
		break;
	case QMP:
		if (!qmp_is_path(value))
			die(value, "not the whole path of a socket");
		snprintf(spec->qmp, sizeof(spec->qmp), "%s", value);
		break;
	}
}

static void parse_client(const char *said)
{
	struct spec *spec = &options.specs[options.nr];
	/* The worker reads the same words again */
	char *copy = strdup(said), *text = copy, *value;

	if (options.nr == WORKER_SPECS || !copy)
		die("--client", "too many");
	spec->share = options.share;
	while (*text) {
		char *whole = text;
		int key = getsubopt(&text, keys, &value);

		if (key < 0 || !value)
			die(whole, "not name=, min=, cap=, weight=, hswap=, memory=, memory_min=, memory_max= or qmp=");
		parse_key(spec, key, value);
	}
	if (!*spec->name)
		die("--client", "no name=");
	free(copy);
	options.nr++;
}

static void parse_policy(const char *name)
{
	u32 i;

	for (i = 0; i < tstore_nr_policies; i++)
		if (!strcmp(name, tstore_policies[i].name)) {
			options.policy = &tstore_policies[i];
			return;
		}
	die(name, "no such policy");
}

static void parse_scheduler(const char *name)
{
	options.scheduler = sched_policy(name);
	if (!options.scheduler)
		die(name, "no such scheduler");
}

static void parse_codec(const char *name)
{
	if (strcmp(name, "none") && strcmp(name, "lz4") && strcmp(name, "zstd"))
		die(name, "no such codec");
	options.codec = name;
}

enum { CODEC = 256, POLL, MAX_SIZE, METRICS, SAMPLE, MEMORY, SCHEDULER };

static const struct option longs[] = {
	{ "size", required_argument, NULL, 'z' },
	{ "max-size", required_argument, NULL, MAX_SIZE },
	{ "memory", required_argument, NULL, MEMORY },
	{ "scheduler", required_argument, NULL, SCHEDULER },
	{ "socket", required_argument, NULL, 's' },
	{ "client", required_argument, NULL, 'c' },
	{ "file", required_argument, NULL, 'f' },
	{ "policy", required_argument, NULL, 'p' },
	{ "threads", required_argument, NULL, 't' },
	{ "codec", required_argument, NULL, CODEC },
	{ "dedup", no_argument, &options.dedup, true },
	{ "poll", required_argument, NULL, POLL },
	{ "prealloc", no_argument, &options.prealloc, true },
	{ "sample", required_argument, NULL, SAMPLE },
	{ "metrics", required_argument, NULL, METRICS },
	{ "help", no_argument, NULL, 'h' },
	{ 0 }
};

static void parse(int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "z:s:c:f:p:t:h", longs,
				  NULL)) >= 0) {
		switch (opt) {
		case 0:
			break;
		case 'z':
			options.size = parse_size("--size", optarg);
			break;
		case 's':
			options.sockets = optarg;
			break;
		case 'c':
			parse_client(optarg);
			break;
		case 'f':
			options.file = optarg;
			break;
		case 'p':
			parse_policy(optarg);
			break;
		case 't':
			options.threads = parse_number("--threads", optarg, 1,
						       MAX_THREADS);
			break;
		case MAX_SIZE:
			options.max_size = parse_size("--max-size", optarg);
			break;
		case MEMORY:
			options.memory = parse_size("--memory", optarg);
			break;
		case SCHEDULER:
			parse_scheduler(optarg);
			break;
		case METRICS:
			if (!metrics_parse(optarg, &options.metrics))
				die(optarg, "not ADDRESS:PORT in numbers, such as 127.0.0.1:9464");
			break;
		case CODEC:
			parse_codec(optarg);
			break;
		case POLL:
			options.poll_us = parse_number("--poll", optarg, 0,
						       1000000);
			break;
		case SAMPLE:
			options.sample_s = parse_number("--sample", optarg, 1,
							3600);
			break;
		case 'h':
			usage();
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind < argc)
		die(argv[optind], "what is this?");
}

static void check_spec(struct spec *spec)
{
	struct share *share = &spec->share;

	if (share->cap > options.max_size >> PAGE_SHIFT)
		share->cap = options.max_size >> PAGE_SHIFT;
	if (share->min > share->cap)
		die(spec->name, "its min is more than its cap, or than the pool");
	if (share->memory_max && share->memory_min > share->memory_max)
		die(spec->name, "its memory_min is more than its memory_max");
	if (share->memory_auto && !options.memory)
		die(spec->name, "memory=auto takes --memory");
	share->memory_auto = options.memory && !spec->decided;
}

static void check(void)
{
	struct spec *spec;
	struct stat st;

	if (!options.size)
		die("--size", "how large is the pool to be?");
	if (options.memory && options.memory < options.size)
		die("--memory", "less than --size");
	if (!options.max_size)
		options.max_size = options.memory ? options.memory :
						    options.size;
	if (options.max_size < options.size)
		die("--max-size", "less than --size");
	if (stat(options.sockets, &st) || !S_ISDIR(st.st_mode))
		die(options.sockets, "no such directory; make it, or name another by --socket");
	options.share.cap = options.max_size >> PAGE_SHIFT;
	options.share.memory_auto = options.memory;
	for (spec = options.specs; spec < options.specs + options.nr; spec++)
		check_spec(spec);
}

/* A guest with many queues has more descriptors than are usual for a process */
static void want_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max < WORKER_FDS ? limit.rlim_max :
						       WORKER_FDS;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	const char *line = getenv(KEEPER_ENV);

	options.policy = &tstore_policies[0];
	options.scheduler = &sched_policies[0];
	log_start();
	want_descriptors();
	parse(argc, argv);
	check();
	if (line)
		return worker_run(atoi(line));
	if (!options.nr && !sd_listen_fds(0))
		log_warn("no --client, so nobody can connect");
	return keeper_run(argv);
}
