// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, who serves queues
 *
 * A thread looks at its queues in turn, one vector of each at a time, so that no
 * queue waits for more than one vector of each other one.  As long as there was
 * something to do a short time ago it goes on looking, and guests need not
 * notify it; then it asks for notifications, looks once more, and sleeps.
 *
 * How short depends on what comes: if looking for some longer would have saved
 * it the last sleep it looks for twice as long from now on, and if that would
 * have been in vain, half as long.  Whoever wants the processor meanwhile may
 * have it.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "device.h"

#define MAX_THREADS	64

/* Looks at the queues between two looks at the clock */
#define LOOKS		64

/* It goes on looking for at least this part of the longest time */
#define POLL_LEAST	8

/**
 * struct thread - serves queues
 * @id: the thread
 * @epoll: on which it sleeps
 * @wake: what wakes it for the main thread
 * @posted: the main thread wants something
 * @add: queue to take, with @posted
 * @remove: queue to let go of, with @posted
 * @stop: end, with @posted
 * @poll_ns: how long it goes on looking
 * @idle_since: when it had something to do for the last time
 * @err: what became of @add, when @posted was seen to
 * @done: @posted was seen to
 * @nr: number of queues; written by the thread, read by the main thread while
 *	it waits for nothing
 * @queues: these
 */
struct thread {
	pthread_t id;
	int epoll;
	int wake;
	bool posted;
	struct queue *add;
	struct queue *remove;
	bool stop;
	u64 poll_ns;
	u64 idle_since;
	int err;
	sem_t done;
	unsigned int nr;
	struct queue *queues[TMEMD_CLIENTS * TMEMD_QUEUES];
};

static struct thread *threads;
static unsigned int nr_threads;
static u64 poll_most_ns;

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void count_add(u64 *count, u64 more)
{
	/* The main thread reads it */
	env_write_once(*count, *count + more);
}

static void queue_break(struct queue *q, const char *why)
{
	q->broken = true;
	count_add(&q->count[COUNT_BAD], 1);
	log_guest(q->device->client, LOG_WARNING,
		  "queue %u %s; not served until it is set up anew",
		  (unsigned int)(q - q->device->queues), why);
}

static void queue_call(struct queue *q)
{
	const u64 one = 1;

	/* A pipe that is full is being read; a guest that is gone is gone */
	if (q->call >= 0 && write(q->call, &one, sizeof(one)) < 0)
		return;
	count_add(&q->count[COUNT_CALLS], 1);
}

/* Serves a vector.  False if there was none. */
static bool queue_turn(struct queue *q)
{
	u64 count[COUNTS] = { 0 }, start;
	enum ring_found found;
	struct chain chain;
	u32 written = 0;
	unsigned int i;

	if (q->broken)
		return false;
	found = ring_get(&q->ring, &chain);
	if (found == RING_EMPTY)
		return false;
	if (found == RING_BROKEN) {
		queue_break(q, "makes no sense");
		return false;
	}
	start = now_ns();
	if (found == RING_CHAIN)
		written = q->device->type->serve(q, &chain, count);
	else
		count[COUNT_BAD]++;
	if (env_read_once(q->ring.mem->torn)) {
		queue_break(q, "has lost memory of its guest");
		return false;
	}
	if (ring_put(&q->ring, &chain, written))
		queue_call(q);
	count[COUNT_NS] = now_ns() - start;
	for (i = 0; i < COUNTS; i++)
		if (count[i])
			count_add(&q->count[i], count[i]);
	return true;
}

static bool thread_turn(struct thread *t)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		any |= queue_turn(t->queues[i]);
	return any;
}

/* True if there is something to do already */
static bool thread_listen(struct thread *t, bool on)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (!t->queues[i]->broken)
			any |= ring_listen(&t->queues[i]->ring, on);
	return any;
}

static void thread_sleep(struct thread *t)
{
	struct epoll_event events[16];
	int nr, i;

	nr = epoll_wait(t->epoll, events, ARRAY_SIZE(events), -1);
	for (i = 0; i < nr; i++) {
		struct queue *q = events[i].data.ptr;

		if (q)
			count_add(&q->count[COUNT_KICKS], 1);
	}
}

static int thread_add(struct thread *t, struct queue *q)
{
	/* By edges, so that what drivers write need not be read */
	struct epoll_event event = { .events = EPOLLIN | EPOLLET,
				     .data.ptr = q };

	if (t->nr == ARRAY_SIZE(t->queues))
		return -ENOSPC;
	if (epoll_ctl(t->epoll, EPOLL_CTL_ADD, q->kick, &event))
		return -errno;
	t->queues[t->nr++] = q;
	return 0;
}

static void thread_remove(struct thread *t, struct queue *q)
{
	unsigned int i;

	for (i = 0; i < t->nr && t->queues[i] != q; i++)
		;
	if (i == t->nr)
		return;
	epoll_ctl(t->epoll, EPOLL_CTL_DEL, q->kick, NULL);
	t->queues[i] = t->queues[--t->nr];
}

/* False if the thread is to end */
static bool thread_obey(struct thread *t)
{
	bool stop = t->stop;
	u64 ignored;

	t->err = t->add ? thread_add(t, t->add) : 0;
	if (t->remove)
		thread_remove(t, t->remove);
	if (read(t->wake, &ignored, sizeof(ignored)) < 0)
		stop |= errno != EAGAIN;
	__atomic_store_n(&t->posted, false, __ATOMIC_RELEASE);
	sem_post(&t->done);
	return !stop;
}

/* Serves until there was nothing to do for some time, or something else is */
static void thread_poll(struct thread *t)
{
	u64 last = now_ns(), now;
	unsigned int look;

	thread_listen(t, false);
	for (;;) {
		for (look = 0; look < LOOKS; look++) {
			if (__atomic_load_n(&t->posted, __ATOMIC_ACQUIRE))
				return;
			if (thread_turn(t))
				last = 0;
			else
				__builtin_ia32_pause();
		}
		now = now_ns();
		if (!last)
			last = now;
		else
			sched_yield();
		t->idle_since = last;
		if (now - last >= t->poll_ns)
			return;
	}
}

/* Looks for longer or for shorter from now on */
static void thread_adapt(struct thread *t)
{
	u64 least = poll_most_ns / POLL_LEAST;

	if (now_ns() - t->idle_since > poll_most_ns)
		t->poll_ns = t->poll_ns / 2 > least ? t->poll_ns / 2 : least;
	else
		t->poll_ns = t->poll_ns * 2 < poll_most_ns ? t->poll_ns * 2 :
							     poll_most_ns;
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	for (;;) {
		thread_poll(t);
		if (__atomic_load_n(&t->posted, __ATOMIC_ACQUIRE)) {
			if (!thread_obey(t))
				return NULL;
			continue;
		}
		if (!thread_listen(t, true)) {
			thread_sleep(t);
			thread_adapt(t);
		}
	}
}

/* Has a thread do what is written in it, and waits until it has */
static void thread_post(struct thread *t)
{
	const u64 one = 1;

	__atomic_store_n(&t->posted, true, __ATOMIC_RELEASE);
	if (write(t->wake, &one, sizeof(one)) < 0)
		log_error("cannot wake a thread: %s", strerror(errno));
	while (sem_wait(&t->done) && errno == EINTR)
		;
	t->add = NULL;
	t->remove = NULL;
}

/**
 * queue_serve() - have a queue served from now on
 * @q: the queue; nobody serves it, and its ring is set up
 *
 * Context: the main thread.
 * Return: 0, or the error of waiting for notifications
 */
int queue_serve(struct queue *q)
{
	struct thread *least = threads, *t;

	for (t = threads; t < threads + nr_threads; t++)
		if (t->nr < least->nr)
			least = t;
	/* Of an earlier time */
	q->broken = false;
	q->thread = least;
	least->add = q;
	thread_post(least);
	if (least->err)
		q->thread = NULL;
	return least->err;
}

/**
 * queue_leave() - have a queue not served any more
 * @q: the queue; when this returns no thread looks at it
 *
 * Context: the main thread.
 */
void queue_leave(struct queue *q)
{
	unsigned int i;

	if (!q->thread)
		return;
	q->thread->remove = q;
	thread_post(q->thread);
	q->thread = NULL;
	for (i = 0; i < COUNTS; i++) {
		q->device->client->count[i] += q->count[i];
		q->count[i] = 0;
	}
}

static int thread_start(struct thread *t)
{
	struct epoll_event event = { .events = EPOLLIN };

	t->poll_ns = poll_most_ns;
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->epoll < 0 || t->wake < 0 || sem_init(&t->done, 0, 0) ||
	    epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->wake, &event))
		return -errno;
	return -pthread_create(&t->id, NULL, thread_main, t);
}

/**
 * threads_start() - start the threads that serve queues
 * @nr: how many, at most 64
 * @poll_us: how long a thread goes on looking when there is nothing to do, at
 *	most
 *
 * Context: the main thread, with all signals blocked that it wants for itself.
 * Return: 0 or a negative error number
 */
int threads_start(unsigned int nr, unsigned int poll_us)
{
	char name[16];
	int err;

	if (!nr || nr > MAX_THREADS)
		return -EINVAL;
	poll_most_ns = poll_us * 1000ULL;
	threads = env_zalloc(nr * sizeof(*threads));
	if (!threads)
		return -ENOMEM;
	for (; nr_threads < nr; nr_threads++) {
		err = thread_start(&threads[nr_threads]);
		if (err)
			return err;
		snprintf(name, sizeof(name), "serve-%u", nr_threads);
		pthread_setname_np(threads[nr_threads].id, name);
	}
	return 0;
}

/**
 * threads_stop() - end them, each after the vector that it is serving
 *
 * Context: the main thread.
 */
void threads_stop(void)
{
	struct thread *t;

	for (t = threads; t < threads + nr_threads; t++) {
		t->stop = true;
		thread_post(t);
		pthread_join(t->id, NULL);
	}
	nr_threads = 0;
}
