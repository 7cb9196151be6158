// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmem-sched, who has how much of a host's memory
 */
#include <string.h>

#include "program.h"

static const char help[] =
"Usage: tmem-sched run [OPTION...]\n"
"       tmem-sched replay FILE [--policy NAME,NAME...] [--plot]\n"
"\n"
"run divides the memory of a machine with Xen among its domains and the pool of\n"
"their pages, until it is told to end; for root in the control domain.\n"
"\n"
"  -m, --memory SIZE      what they share (default: all that dom0, Xen and the\n"
"                         reserve of the pool leave, as it is at each time)\n"
"      --size SIZE        what the pool is sure of (default 0)\n"
"  -p, --policy NAME      demand (default), proportional or static\n"
"  -x, --except NAME,...  domains that are not to be changed\n"
"      --interval SECONDS between two decisions (default 1)\n"
"  -n, --dry-run          change nothing, but say what would be changed\n"
"  -v, --verbose          a line for each change, with the rule\n"
"      --record FILE      write what is known and decided, for replay\n"
"\n"
"replay has policies decide anew what was recorded, by \"tmemctl record\" or by run,\n"
"and compares them.\n"
"\n"
"  -p, --policy NAMES     which ones, with commas (default: all)\n"
"      --plot             print what each decides: policy, seconds, guest, and pages\n"
"                         that it wants, has, and is to keep\n"
"\n"
"  -h, --help             this text\n"
"\n"
"Sizes may have a unit, as in 64M.  tmem-sched(8) has more.\n";

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} verbs[] = {
	{ "run", run_main },
	{ "replay", replay_main },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 1; i < (size_t)argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(help, stdout);
			return 0;
		}
	for (i = 0; argc > 1 && i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strcmp(argv[1], verbs[i].name))
			continue;
		argv[1] = argv[0];
		return verbs[i].main(argc - 1, argv + 1);
	}
	fputs("tmem-sched: run or replay? (tmem-sched --help says more)\n",
	      stderr);
	return 2;
}
