// SPDX-License-Identifier: GPL-2.0
/*
 * Coherence of hcache, tested from user space
 *
 * Each test is a process of its own, in a directory of the filesystem that is
 * to be tested.  Every byte is compared with what it should
 * be after each step, and a test in which nothing was stored, or nothing came
 * from the store where it had to, has failed.
 *
 * README.rst says which hook protects from what, and which tests were seen to
 * fail without it.
 */
#include <getopt.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>

#include "coh.h"

static const struct test * const suites[] = {
	io_tests, range_tests, life_tests, share_tests, race_tests,
	special_tests
};

static const char *dir = "/mnt";
static int passed, failed, skipped;

static void run(const struct test *t)
{
	double start = now();
	int status;
	pid_t pid;

	now_testing = t->name;
	fflush(stdout);
	pid = must(fork());
	if (!pid) {
		must(chdir(dir));
		t->run();
		exit(0);
	}
	must(waitpid(pid, &status, 0));
	all_pages();	/* A test may have died in between */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		passed++;
		printf("ok: %s (%.1f s)\n", t->name, now() - start);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 4) {
		skipped++;
	} else {
		failed++;
		if (WIFSIGNALED(status))
			printf("FAILED: %s: signal %d\n", t->name,
			       WTERMSIG(status));
	}
	fflush(stdout);
}

static bool chosen(const char *name, char **names, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return nr == 0;
}

static void usage(void)
{
	printf("Usage: coherence [OPTION...] [TEST...]\n"
	       "\n"
	       "Runs the tests whose names begin with a TEST, or all, and a random test.\n"
	       "  -d DIR      where (default /mnt)\n"
	       "  -f          the store misbehaves: do not ask for many hits\n"
	       "  -l          list them\n"
	       "  -o          leave out those that unmount\n"
	       "  -r SECONDS  of the random test (default 15; 0: none)\n"
	       "  -s SEED     of the random test\n"
	       "  -t N        threads of the random test (default 1)\n"
	       "  -x          switch hcache off and on, meanwhile\n"
	       "  -v          say more\n");
	exit(2);
}

int main(int argc, char **argv)
{
	unsigned int seed = time(NULL) ^ getpid(), threads = 1, i;
	bool list = false, stay = false, toggle = false;
	const struct test *t;
	double seconds = 15;
	struct statfs sfs;
	int c, status;
	pid_t pid;

	while ((c = getopt(argc, argv, "d:flor:s:t:xv")) != -1) {
		switch (c) {
		case 'd': dir = optarg; break;
		case 'f': faults = true; break;
		case 'l': list = true; break;
		case 'o': stay = true; break;
		case 'r': seconds = seconds_of(optarg); break;
		case 's': seed = strtoul(optarg, NULL, 0); break;
		case 't': threads = atoi(optarg); break;
		case 'x': toggle = true; break;
		case 'v': verbose = true; break;
		default: usage();
		}
	}
	all_pages();
	must(chdir("/"));
	must(statfs(dir, &sfs));
	fs_magic = (uint32_t)sfs.f_type;
	large_folios = fs_magic == XFS_MAGIC &&
		!access("/sys/kernel/mm/transparent_hugepage", F_OK);
	for (i = 0; i < sizeof(suites) / sizeof(*suites); i++) {
		for (t = suites[i]; t->name; t++) {
			if (!chosen(t->name, argv + optind, argc - optind) ||
			    (stay && t->own_fs))
				continue;
			if (list)
				printf("%s\n", t->name);
			else
				run(t);
		}
	}
	if (!list && seconds && (chosen("random", argv + optind, argc - optind))) {
		now_testing = "random";
		printf("random: seed %u, %u threads%s\n", seed, threads,
		       toggle ? ", switching" : "");
		fflush(stdout);
		pid = must(fork());
		if (!pid) {
			must(chdir(dir));
			random_test(seed, seconds, threads, toggle);
			exit(0);
		}
		must(waitpid(pid, &status, 0));
		all_pages();
		if (status)
			failed++;
		else
			passed++;
	}
	printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
	return failed || !(passed || list);
}
