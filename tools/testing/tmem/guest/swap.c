// SPDX-License-Identifier: GPL-2.0
/*
 * hswap, tested from user space: memory comes back from swap as it was
 *
 * A test in which nothing was stored in hswap, or nothing came from it, has
 * failed.
 */
#include <dirent.h>
#include <getopt.h>
#include <pthread.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>

#include "coh.h"

#define KSM	"/sys/kernel/mm/ksm/"
#define THP	"/sys/kernel/mm/transparent_hugepage/enabled"

static const char *device;
static size_t pages = 2048;	/* of a region */
static double seconds = 10;
static unsigned int threads = 3, seed;
static bool toggle;

/* ---- tests ---- */

static void test_anon(void)
{
	struct region r;
	size_t i;
	int round;

	region_init(&r, 1, pages, MAP_PRIVATE);
	region_write(&r);
	for (round = 0; round < 4; round++) {
		region_evict(&r);
		region_check_loaded(&r);
		for (i = round; i < r.pages; i += 3)
			page_write(&r, i);
	}
	region_exit(&r);
}

/* Parent and child share slots until one of them writes */
static void test_fork(void)
{
	struct region r;
	size_t i;
	int status;
	pid_t pid;

	region_init(&r, 2, pages, MAP_PRIVATE);
	region_write(&r);
	region_evict(&r);
	pid = must(fork());
	if (!pid) {
		region_check_loaded(&r);
		r.id = 3;
		r.gen = memset(r.gen, 0, r.pages * sizeof(*r.gen));
		region_write(&r);
		region_evict(&r);
		region_check_loaded(&r);
		_exit(0);
	}
	for (i = 0; i < r.pages; i += 2)
		page_write(&r, i);
	region_evict(&r);
	region_check(&r);
	must(waitpid(pid, &status, 0));
	if (status)
		fail("the child has failed");
	region_check(&r);
	region_exit(&r);
}

static void test_shmem(void)
{
	struct region r;
	size_t i;

	region_init(&r, 4, pages, MAP_SHARED);
	region_write(&r);
	region_evict(&r);
	region_check_loaded(&r);
	region_evict(&r);
	must(madvise(r.mem, r.pages / 2 * PAGE, MADV_REMOVE));
	for (i = 0; i < r.pages / 2; i++)
		r.gen[i] = 0;
	region_check(&r);
	for (i = 0; i < r.pages; i += 2)
		page_write(&r, i);
	region_evict(&r);
	region_check(&r);
	region_exit(&r);
}

/* Pages that are alike become one, which is swapped out, and are written */
static void test_ksm(void)
{
	size_t nr = pages / 4, i;
	unsigned char *mem;
	long before;

	if (!echo_to(KSM "run", "1"))
		skip("no KSM");
	echo_to(KSM "pages_to_scan", "5000");
	echo_to(KSM "sleep_millisecs", "5");
	mem = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < nr; i++)
		pattern(mem + i * PAGE, 5, 1 + i % 16, 0, PAGE);
	must(madvise(mem, nr * PAGE, MADV_MERGEABLE));
	for (i = 0; i < 100 && read_long(KSM "pages_sharing") < (long)nr / 2; i++)
		usleep(50000);
	if (read_long(KSM "pages_sharing") < (long)nr / 2)
		fail("KSM does not merge: %ld of %zu",
		     read_long(KSM "pages_sharing"), nr);
	before = loaded();
	for (i = 0; i < 3; i++) {
		must(madvise(mem, nr * PAGE, MADV_PAGEOUT));
		reclaim("16M");
	}
	for (i = 0; i < nr; i += 2)
		pattern(mem + i * PAGE, 5, 100 + i, 0, PAGE);
	must(madvise(mem, nr * PAGE, MADV_PAGEOUT));
	for (i = 0; i < nr; i++)
		if (*(uint64_t *)(mem + i * PAGE + 8) !=
		    word_of(5, i % 2 ? 1 + i % 16 : 100 + i, 8))
			fail("page %zu is wrong", i);
	if (loaded() == before)
		fail("nothing came from hswap");
	munmap(mem, nr * PAGE);
	echo_to(KSM "run", "2");
}

static void test_thp(void)
{
	long requests = read_long(HSWAP "put_requests");
	long stored = read_long(HSWAP "stored");
	struct region r;
	size_t i;

	if (access(THP, F_OK))
		skip("no transparent huge pages");
	region_init(&r, 6, pages, MAP_PRIVATE);
	must(madvise(r.mem, r.pages * PAGE, MADV_HUGEPAGE));
	region_write(&r);
	region_evict(&r);
	requests = read_long(HSWAP "put_requests") - requests;
	stored = read_long(HSWAP "stored") - stored;
	say("%ld pages in %ld requests", stored, requests);
	region_check_loaded(&r);
	for (i = 0; i < r.pages; i += 5)
		page_write(&r, i);
	region_evict(&r);
	region_check(&r);
	region_exit(&r);
	if (stored < (long)pages / 2)
		fail("only %ld pages were stored", stored);
}

static void *run_swapoff(void *arg)
{
	must(swapoff(device));
	return NULL;
}

static void test_swapoff(void)
{
	struct region r;
	pthread_t tid;
	int i;

	if (!device)
		skip("no swap device");
	region_init(&r, 7, pages, MAP_PRIVATE);
	region_write(&r);
	region_evict(&r);
	if (pthread_create(&tid, NULL, run_swapoff, NULL))
		fail("no thread");
	for (i = 0; i < 3; i++)
		region_check(&r);
	pthread_join(tid, NULL);
	region_check(&r);
	if (read_long(HSWAP "usage"))
		fail("%ld pages are left", read_long(HSWAP "usage"));
	must(swapon(device, 0));
	region_evict(&r);
	region_check_loaded(&r);
	region_exit(&r);
}

/* What the store has goes to the device, and comes from there */
static void test_shrink(void)
{
	long back = read_long(HSWAP "written_back"), before;
	struct region r;

	region_init(&r, 8, pages, MAP_PRIVATE);
	region_write(&r);
	region_evict(&r);
	must(echo_to(HSWAP "shrink", "1000000") ? 0 : -1);
	back = read_long(HSWAP "written_back") - back;
	if (back < (long)pages / 2)
		fail("only %ld pages were written back", back);
	region_evict(&r);
	before = loaded();
	region_check(&r);
	if (loaded() - before > (long)pages / 8)
		fail("%ld pages came from hswap", loaded() - before);
	region_evict(&r);
	region_check(&r);
	region_exit(&r);
}

static void test_limit(void)
{
	struct region r;

	region_init(&r, 9, pages, MAP_PRIVATE);
	region_write(&r);
	region_evict(&r);
	must(echo_to(HSWAP "limit", "100") ? 0 : -1);
	if (read_long(HSWAP "usage") > 100 + 64)
		fail("%ld pages with a limit of 100", read_long(HSWAP "usage"));
	region_check(&r);
	region_write(&r);
	region_evict(&r);
	region_check(&r);
	must(echo_to(HSWAP "limit", "-1") ? -1 : 0);
	must(echo_to(HSWAP "limit", "18446744073709551615") ? 0 : -1);
	if (!read_long(HSWAP "reject_limit"))
		fail("nothing was refused");
	region_exit(&r);
}

/* In a cgroup below one that keeps its pages to itself, and then does not */
static void test_cgroup(void)
{
	static const char own[] = "/sys/fs/cgroup/own", enabled[] =
		"/sys/fs/cgroup/own/memory.hswap.enabled";
	long stored, rejected = read_long(HSWAP "reject_cgroup");
	struct region r;

	must(echo_to("/sys/fs/cgroup/cgroup.subtree_control", "+memory") ?
	     0 : -1);
	must(mkdir(own, 0755));
	must(echo_to("/sys/fs/cgroup/own/cgroup.subtree_control", "+memory") ?
	     0 : -1);
	must(mkdir("/sys/fs/cgroup/own/below", 0755));
	if (read_long(enabled) != 1 || echo_to(enabled, "2"))
		fail("%s is not a switch that is on", enabled);
	must(echo_to(enabled, "0") ? 0 : -1);
	must(echo_to("/sys/fs/cgroup/own/below/cgroup.procs", "0") ? 0 : -1);
	region_init(&r, 11, pages, MAP_PRIVATE);
	region_write(&r);
	stored = read_long(HSWAP "stored");
	region_evict(&r);
	if (read_long(HSWAP "reject_cgroup") - rejected < (long)pages / 2)
		fail("%ld pages were kept out",
		     read_long(HSWAP "reject_cgroup") - rejected);
	/* Somebody outside of the cgroup may be swapped out, too */
	if (read_long(HSWAP "stored") - stored > (long)pages / 8)
		fail("%ld pages were stored", read_long(HSWAP "stored") - stored);
	region_check(&r);
	must(echo_to(enabled, "1") ? 0 : -1);
	region_write(&r);
	region_evict(&r);
	region_check_loaded(&r);
	region_exit(&r);
	must(echo_to("/sys/fs/cgroup/cgroup.procs", "0") ? 0 : -1);
	must(rmdir("/sys/fs/cgroup/own/below"));
	must(rmdir(own));
}

/* What pools/<id>/ says of the swap device */
static void test_pools(void)
{
	char path[300], type[16], device[64];
	bool found = false;
	struct dirent *d;
	struct region r;
	FILE *f;
	DIR *dir;

	region_init(&r, 12, pages, MAP_PRIVATE);
	region_write(&r);
	region_evict(&r);
	dir = opendir(TMEM "pools");
	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), TMEM "pools/%s/type", d->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		must(fscanf(f, "%15s", type) == 1 ? 0 : -1);
		fclose(f);
		if (strcmp(type, "hswap"))
			continue;
		snprintf(path, sizeof(path), TMEM "pools/%s/device", d->d_name);
		f = fopen(path, "r");
		must(f && fscanf(f, "%63s", device) == 1 ? 0 : -1);
		fclose(f);
		must(access(device, F_OK));
		snprintf(path, sizeof(path), TMEM "pools/%s/pages", d->d_name);
		found |= read_long(path) > (long)pages / 2;
	}
	if (!found)
		fail("no pool of a swap device has the pages");
	region_check_loaded(&r);
	region_exit(&r);
}

/* The store is left while pages are swapped, and come back to */
static void test_leave(void)
{
	struct region r;

	region_init(&r, 10, pages, MAP_PRIVATE);
	region_write(&r);
	region_evict(&r);
	must(echo_to(TMEM "transport", "none") ? 0 : -1);
	region_check(&r);
	region_evict(&r);
	must(echo_to(TMEM "transport", transport()) ? 0 : -1);
	region_check(&r);
	region_write(&r);
	region_evict(&r);
	region_check_loaded(&r);
	region_exit(&r);
}

/* The sums of the counters, and of what they should be */
static bool sums_differ(long *offered, long *answers, long *stored, long *fates)
{
	static const char * const refused[] = {
		"reject_disabled", "reject_cgroup", "reject_limit",
		"reject_vector", "reject_full", "reject_io",
	};
	char path[80];
	unsigned int i;

	*offered = read_long(HSWAP "offered");
	*stored = read_long(HSWAP "stored");
	*answers = *stored;
	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		snprintf(path, sizeof(path), HSWAP "%s", refused[i]);
		*answers += read_long(path);
	}
	*fates = read_long(HSWAP "usage") + read_long(HSWAP "freed") +
		 read_long(HSWAP "overwritten") + read_long(HSWAP "written_back");
	return *offered != *answers || *stored != *fates;
}

static void test_sums(void)
{
	long offered, answers, stored, fates;
	int tries;

	/* Somebody may be swapping still */
	for (tries = 0; tries < 50; tries++) {
		if (!sums_differ(&offered, &answers, &stored, &fates))
			break;
		usleep(100000);
	}
	if (!offered || offered != answers)
		fail("%ld offered, %ld stored or refused", offered, answers);
	if (stored != fates)
		fail("%ld stored, %ld kept, freed, overwritten or written back",
		     stored, fates);
	if (read_long(HSWAP "failed"))
		fail("%ld pages were lost", read_long(HSWAP "failed"));
}

/* ---- anything, in any order ---- */

static double end;
static bool stop;

/* Pages that a test wants to have seen come back from hswap */
static long loaded_before;

static long loads_wanted(void)
{
	return faults ? 1 : 1000;
}

/*
 * Until the time is up and hswap has taken its part: a busy machine may take
 * longer, though not ten times as long.
 */
static bool going_on(void)
{
	double t = now();

	if (t < end)
		return true;
	return t < end + 9 * seconds &&
	       loaded() - loaded_before < loads_wanted();
}

static void *worker(void *arg)
{
	unsigned int me = (uintptr_t)arg;
	size_t page, nr, i;
	struct region r;
	int status;
	pid_t pid;

	rnd_seed(seed + me);
	region_init(&r, 100 + me, pages, me % 2 ? MAP_SHARED : MAP_PRIVATE);
	while (going_on()) {
		page = rnd(r.pages);
		nr = 1 + rnd(rnd(8) ? 64 : r.pages);
		nr = nr < r.pages - page ? nr : r.pages - page;
		switch (rnd(8)) {
		case 0:
		case 1:
			for (i = page; i < page + nr; i++)
				page_write(&r, i);
			break;
		case 2:
		case 3:
			must(madvise(r.mem + page * PAGE, nr * PAGE, MADV_PAGEOUT));
			break;
		case 4:
			must(madvise(r.mem + page * PAGE, nr * PAGE,
				     me % 2 ? MADV_REMOVE : MADV_DONTNEED));
			for (i = page; i < page + nr; i++)
				r.gen[i] = 0;
			break;
		case 5:
			if (rnd(8) || me % 2)
				break;
			pid = must(fork());
			if (!pid) {
				region_check(&r);
				region_write(&r);
				region_evict(&r);
				region_check(&r);
				_exit(0);
			}
			region_check(&r);
			must(waitpid(pid, &status, 0));
			if (status)
				fail("a child has failed");
			break;
		default:
			for (i = page; i < page + nr; i++)
				page_check(&r, i);
		}
	}
	region_check(&r);
	region_exit(&r);
	return NULL;
}

/*
 * A store that fails is not left, so cannot be joined.  And zram takes nothing
 * when there is no memory, so pages cannot be moved there.
 */
static bool refusal(int err)
{
	return (faults && (err == EIO || err == EBUSY)) ||
	       (err == EIO && device && strstr(device, "zram"));
}

static void *switcher(void *arg)
{
	const struct {
		const char *file, *value;
	} settings[] = {
		{ "hswap/enabled", "0" }, { "hswap/enabled", "1" },
		{ "transport", "none" }, { "transport", transport() },
		{ "hswap/shrink", "500" }, { "hswap/shrink", "1" },
		{ "hswap/limit", "1000" }, { "hswap/limit", "1000000" },
		{ "hswap/after_zswap", "1" }, { "hswap/after_zswap", "0" },
	};
	char path[80];
	unsigned int i, n;

	rnd_seed(seed + 1000);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		n = rnd(5) * 2;
		for (i = n; i < n + 2; i++) {
			snprintf(path, sizeof(path), TMEM "%s", settings[i].file);
			if (!echo_to(path, settings[i].value) &&
			    !refusal(errno))
				fail("%s > %s: %s", settings[i].value, path,
				     strerror(errno));
			usleep(rnd(200000));
		}
	}
	return NULL;
}

static void test_random(void)
{
	long stored = read_long(HSWAP "stored");
	pthread_t tid[16], other;
	unsigned int i;

	printf("random: seed %u, %u threads%s\n", seed, threads,
	       toggle ? ", switching" : "");
	fflush(stdout);
	loaded_before = loaded();
	end = now() + seconds;
	if (toggle && pthread_create(&other, NULL, switcher, NULL))
		fail("no thread");
	for (i = 0; i < threads; i++)
		if (pthread_create(&tid[i], NULL, worker, (void *)(uintptr_t)i))
			fail("no thread");
	for (i = 0; i < threads; i++)
		pthread_join(tid[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	if (toggle)
		pthread_join(other, NULL);
	printf("random: %ld pages stored, %ld loaded\n",
	       read_long(HSWAP "stored") - stored,
	       loaded() - loaded_before);
	if (loaded() - loaded_before < loads_wanted())
		fail("hswap took too small a part");
}

/* ---- */

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "anon", test_anon },
	{ "fork", test_fork },
	{ "shmem", test_shmem },
	{ "ksm", test_ksm },
	{ "thp", test_thp },
	{ "swapoff", test_swapoff },
	{ "shrink", test_shrink },
	{ "limit", test_limit },
	{ "cgroup", test_cgroup },
	{ "pools", test_pools },
	{ "leave", test_leave },
	{ "random", test_random },
	{ "sums", test_sums },
};

static void usage(void)
{
	printf("Usage: swap [OPTION...] [TEST...]\n"
	       "\n"
	       "Runs the tests whose names begin with a TEST, or all.\n"
	       "  -d DEVICE   swap device, for swapoff\n"
	       "  -f          the store misbehaves: do not ask for much\n"
	       "  -p PAGES    size of the memory that a test swaps (default 2048)\n"
	       "  -r SECONDS  of the random test (default 10)\n"
	       "  -s SEED     of the random test\n"
	       "  -t N        threads of the random test (default 3)\n"
	       "  -x          switch hswap off and on, meanwhile\n"
	       "  -v          say more\n");
	exit(2);
}

static bool chosen(const char *name, char **names, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return nr == 0;
}

int main(int argc, char **argv)
{
	int passed = 0, failed = 0, skipped = 0, status, c;
	double start;
	size_t i;
	pid_t pid;

	seed = time(NULL) ^ getpid();
	while ((c = getopt(argc, argv, "d:fp:r:s:t:xv")) != -1) {
		switch (c) {
		case 'd': device = optarg; break;
		case 'f': faults = true; break;
		case 'p': pages = strtoul(optarg, NULL, 0); break;
		case 'r': seconds = seconds_of(optarg); break;
		case 's': seed = strtoul(optarg, NULL, 0); break;
		case 't': threads = atoi(optarg) < 16 ? atoi(optarg) : 16; break;
		case 'x': toggle = true; break;
		case 'v': verbose = true; break;
		default: usage();
		}
	}
	/*
	 * Readahead charges with GFP_NOFS, which cannot write shmem out: in a
	 * memory cgroup full of it, pages of the program evict each other for
	 * ever, whatever the swap device.
	 */
	must(mlockall(MCL_CURRENT));
	for (i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		now_testing = tests[i].name;
		if (!chosen(now_testing, argv + optind, argc - optind))
			continue;
		fflush(stdout);
		start = now();
		pid = must(fork());
		if (!pid) {
			tests[i].run();
			exit(0);
		}
		must(waitpid(pid, &status, 0));
		if (status == 0) {
			passed++;
			printf("ok: %s (%.1f s)\n", now_testing, now() - start);
		} else if (WIFEXITED(status) && WEXITSTATUS(status) == 4) {
			skipped++;
		} else {
			failed++;
			if (WIFSIGNALED(status))
				printf("FAILED: %s: signal %d\n", now_testing,
				       WTERMSIG(status));
		}
	}
	printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
	return failed || !passed;
}
