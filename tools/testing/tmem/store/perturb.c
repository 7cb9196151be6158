// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: interleavings that free running does not reach
 *
 * Each run is a history of its own: two to four threads execute a few operations
 * each on a few pages, in an arena that is too small for them, one thread at a
 * time and as a random plan says, see turns.c.  When all have ended the store
 * must be consistent, its counters must add up, and what each operation returned
 * must have an explanation, see judge.c.
 *
 * All of a run follows from its seed.
 *
 * Usage: perturb [--seconds N | --runs N] [--seed N] [--verbose]
 */
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>

#include "codec.h"
#include "perturb.h"

#define MAX_CLIENTS	(CLIENTS + 2)
#define CALIBRATION	300	/* runs */

static void *arena;
static unsigned long long seed;
static struct turns_plan plan;

/* Steps of operations of each kind, coarse and fine: their sum and number */
static u64 steps[2][OP_KINDS], nr_steps[2][OP_KINDS];

static u64 all_hits, all_evicted, all_packed, all_refused;

void perturb_fail(const char *fmt, ...)
{
	char why[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	printf("# seed %llu: %s\n", seed, why);
	history_print();
	turns_print();
	lib_result(0, "perturb", why);
	exit(lib_summary());
}

static void died(int sig)
{
	perturb_fail("signal %d, try --seed %llu --runs 1 --verbose", sig,
		     seed);
}

static void body(unsigned int thread)
{
	struct thread *t = &threads[thread];
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		turns_op(i);
		op_do(&t->ops[i]);
		steps[plan.fine][t->ops[i].kind] += turns_steps();
		nr_steps[plan.fine][t->ops[i].kind]++;
	}
}

/* ---- a run ---- */

static void plan_make(bool calibrate)
{
	struct turns_point *p;
	enum op_kind kind;
	u32 i, k;

	plan.nr_threads = history.nr_threads;
	plan.fine = below(2);
	plan.restless = !calibrate && !below(3);
	for (i = 0; i < plan.nr_threads; i++)
		plan.priority[i] = i;
	for (i = plan.nr_threads; i > 1; i--) {
		k = below(i);
		plan.priority[i - 1] = plan.priority[k];
		plan.priority[k] = i - 1;
	}
	plan.rng = lib_rand(&rng);
	plan.nr_points = calibrate ? 0 : 1 + below(TURNS_POINTS) / 2;
	for (p = plan.points; p < plan.points + plan.nr_points; p++) {
		p->thread = below(plan.nr_threads);
		p->op = below(threads[p->thread].nr);
		kind = threads[p->thread].ops[p->op].kind;
		p->step = 1;
		if (nr_steps[plan.fine][kind])
			p->step += below(2 * steps[plan.fine][kind] /
					 nr_steps[plan.fine][kind] + 1);
	}
}

static void store_open(void)
{
	static const struct tstore_codec * const codecs[] = {
		&tstore_lz4, NULL
	};
	struct tstore_config cfg = {
		.arena = arena,
		.bytes = (16 + below(32)) * PAGE_SIZE,
		.max_clients = MAX_CLIENTS,
		.max_pools = POOLS,
		.max_shared = 1,
		.codecs = below(2) ? codecs : NULL,
		.dedup = !below(3),
		.ghosts = !below(16),
		.seed = lib_rand(&rng),
	};
	struct tstore_stats st;
	u32 i;

	memset(arena, 0xa5, cfg.bytes);
	if (tstore_create(&cfg, &s))
		perturb_fail("no store");
	tstore_stats(s, &st);
	frames = st.pages;
	for (i = 0; i < CLIENTS; i++)
		if (tstore_client_create(s, frames, &clients[i]))
			perturb_fail("no client");
}

static void store_check(void)
{
	const char *bad = tstore_check(s);
	struct tstore_stats st;

	if (bad)
		perturb_fail("%s", bad);
	tstore_stats(s, &st);
	if (st.stored != st.replaced + taken_out + st.flushed + st.evicted +
			 st.ephemeral + st.persistent)
		perturb_fail("pages stored are not those that left or are there");
	if (st.hits != returned)
		perturb_fail("%llu hits, but %llu pages were returned",
			     (unsigned long long)st.hits,
			     (unsigned long long)returned);
	if (st.out)
		perturb_fail("frames are still out");
}

static void store_close(void)
{
	struct tstore_stats st;
	u32 i;

	for (i = 0; i < CLIENTS; i++) {
		tstore_client_destroy(clients[i]);
		store_check();
	}
	tstore_stats(s, &st);
	if (st.ephemeral + st.persistent ||
	    st.free + st.object_frames != st.pages)
		perturb_fail("something is left of clients that are gone");
	all_hits += st.hits;
	all_evicted += st.evicted;
	all_refused += st.reject_frozen;
	tstore_destroy(s);
	if (env_allocated)
		perturb_fail("memory is lost");
}

static void run_once(bool calibrate)
{
	struct tstore_stats st;

	rng = seed;
	taken_out = 0;
	returned = 0;
	store_open();
	history_begin();
	history_threads();
	plan_make(calibrate);
	turns_run(&plan, body);
	store_check();
	tstore_stats(s, &st);
	all_packed += st.packed;
	history_end();
	store_check();
	history_judge();
	store_close();
}

static void watch_signals(void)
{
	static char stack[65536];
	stack_t alternative = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction act = {
		.sa_handler = died,
		.sa_flags = SA_ONSTACK | SA_RESETHAND,
	};

	sigaltstack(&alternative, NULL);
	sigaction(SIGABRT, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
}

/* How long operations take, the same for all seeds */
static void calibrate(void)
{
	for (seed = ~0ull - CALIBRATION; seed != ~0ull; seed++)
		run_once(true);
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start->tv_sec +
	       (now.tv_nsec - start->tv_nsec) / 1e9;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'S' },
		{ "runs", required_argument, NULL, 'r' },
		{ "verbose", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long long first = 1, runs = 0, done;
	struct timespec start;
	double seconds = 5;
	bool verbose = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's')
			seconds = strtoul(optarg, NULL, 0);
		else if (opt == 'S')
			first = strtoull(optarg, NULL, 0);
		else if (opt == 'r')
			runs = strtoull(optarg, NULL, 0);
		else if (opt == 'v')
			verbose = true;
		else
			return 2;
	}
	if (posix_memalign(&arena, PAGE_SIZE, 64 * PAGE_SIZE))
		return 2;
	turns_init();
	watch_signals();
	calibrate();
	plan.verbose = verbose;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (done = 0; runs ? done < runs : seconds_since(&start) < seconds;
	     done++) {
		seed = first + done;
		run_once(false);
	}
	printf("# %llu runs in %.1f s\n", done, seconds_since(&start));
	printf("# %llu pages returned, %llu evicted, %llu packed, %llu puts refused\n",
	       (unsigned long long)all_hits,
	       (unsigned long long)all_evicted, (unsigned long long)all_packed,
	       (unsigned long long)all_refused);
	lib_result(runs || (all_hits && all_evicted && all_packed &&
			    all_refused), "perturb", "something never happens");
	return lib_summary();
}
