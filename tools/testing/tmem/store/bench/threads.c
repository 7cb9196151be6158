// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: what a second thread gains in the page store
 */
#include "bench.h"

struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	unsigned int who;
	bench_op op;
	double begin;
	double end;
};

static const struct keeper *keeper;

/* The pages of each thread are its own */
static void *worker(void *arg)
{
	u32 i, nr = b.pages / THREADS;
	struct worker *w = arg;
	const u32 *pages = b.order + w->who * nr;

	pthread_barrier_wait(w->start);
	w->begin = bench_now();
	for (i = 0; i < nr; i++)
		w->op(w->who, pages[i]);
	w->end = bench_now();
	return NULL;
}

/* Pages a second, in thousands, of @nr threads from @first on */
static double rate(bench_op op, unsigned int first, unsigned int nr)
{
	struct worker w[THREADS] = { 0 };
	double begin, end;
	pthread_barrier_t start;
	unsigned int i;

	pthread_barrier_init(&start, NULL, nr);
	for (i = 0; i < nr; i++) {
		w[i].who = first + i;
		w[i].start = &start;
		w[i].op = op;
		if (pthread_create(&w[i].thread, NULL, worker, &w[i]))
			bench_die("no thread");
	}
	for (i = 0; i < nr; i++)
		pthread_join(w[i].thread, NULL);
	pthread_barrier_destroy(&start);
	begin = w[0].begin;
	end = w[0].end;
	for (i = 1; i < nr; i++) {
		begin = w[i].begin < begin ? w[i].begin : begin;
		end = w[i].end > end ? w[i].end : end;
	}
	return nr * (b.pages / THREADS) / (end - begin) * 1e6;
}

static void forget(unsigned int first, unsigned int nr)
{
	if (keeper->flush)
		rate(keeper->flush, first, nr);
}

/* Half of them puts, half of them gets, of pages that are there */
static void mixed(unsigned int who, u32 page)
{
	if (page * 0x9e3779b9U >> 31)
		keeper->put(who, page);
	else
		keeper->get(who, page);
}

static void say(const char *what, double one, double two)
{
	printf("= %s.%s_one %.1f\n= %s.%s_two %.1f\n", keeper->name, what, one,
	       keeper->name, what, two);
}

/* One thread is measured before and after two, each time another one */
static void compare(const char *what, bench_op op)
{
	double one, two;

	one = rate(op, 0, 1);
	two = rate(op, 0, THREADS);
	one = (one + rate(op, 1, 1)) / 2;
	say(what, one, two);
}

static void threads_of(const struct keeper *k)
{
	double one, two;

	keeper = k;
	k->open();
	if (k->flush)
		bench_age(k, b.pages);
	one = rate(k->put, 0, 1);
	forget(0, 1);
	two = rate(k->put, 0, THREADS);
	forget(0, THREADS);
	one = (one + rate(k->put, 1, 1)) / 2;
	say("put", one, two);

	rate(k->put, 0, THREADS);
	bench_scribble(b.order, b.pages);
	compare("get", k->get);
	bench_compare(b.order, b.pages);
	compare("mix", mixed);
	k->close();
}

/**
 * bench_threads() - one thread, and two of them at a time
 *
 * A bare memcpy tells what the machine's memory, and who else uses it, have
 * room for.
 */
void bench_threads(void)
{
	threads_of(&keep_copy);
	threads_of(&keep_store);
	threads_of(&keep_clients);
	threads_of(&keep_naive);
}
