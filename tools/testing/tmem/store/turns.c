// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: threads that run one at a time, as a plan says
 *
 * The threads are contexts of one thread of the host.  Each step of the store
 * is a place where another may go on instead: before a lock is taken, after it
 * is let go, where pages are mapped, in the middle of a copy; and, as the store
 * is compiled with -fsanitize=thread, whose calls end here and not in a
 * sanitizer, at each load and each store.
 *
 * Which thread runs is a matter of priorities that change at a few random steps
 * (Burckhardt et al., A Randomized Scheduler with Probabilistic Guarantees of
 * Finding Bugs, ASPLOS 2010).  A thread that wants a lock that another holds
 * does not run, so a deadlock is when none does.
 */
#include <ucontext.h>

#include "turns.h"

#define STACK_BYTES	(128 << 10)
#define MOST_STEPS	5000000	/* of a run: beyond it is a livelock */

struct turns_thread {
	ucontext_t context;
	struct env_thread env;
	spinlock_t *wants;	/* it waits for this one, or NULL */
	bool ended;
	int priority;
	unsigned int op;
	unsigned int steps;	/* of this operation */
	unsigned int next;	/* of these, the one of the next point, or ~0 */
	char stack[STACK_BYTES];
};

static struct turns_thread threads[TURNS_THREADS];
static struct turns_thread *current;	/* NULL: no plan is being followed */
static struct turns_plan plan;
static ucontext_t main_context;
static void (*thread_body)(unsigned int);
static unsigned int all_steps;
static int lowest;

static unsigned int number(const struct turns_thread *t)
{
	return t - threads;
}

void turns_print(void)
{
	struct turns_thread *t;
	unsigned int i;

	for (t = threads; t < threads + plan.nr_threads; t++) {
		printf("# thread %u, operation %u, step %u:", number(t), t->op,
		       t->steps);
		for (i = 0; i < t->env.nr_held; i++)
			printf(" holds L%u %p", t->env.held[i]->level,
			       (void *)t->env.held[i]);
		if (t->wants)
			printf(" waits for L%u %p", t->wants->level,
			       (void *)t->wants);
		printf("%s\n", t->ended ? " has ended" : "");
	}
}

/* The runnable thread of the highest priority, or NULL */
static struct turns_thread *turns_best(void)
{
	struct turns_thread *t, *best = NULL;

	for (t = threads; t < threads + plan.nr_threads; t++)
		if (!t->ended && !(t->wants && t->wants->owner) &&
		    (!best || t->priority > best->priority))
			best = t;
	return best;
}

static void turns_switch(void)
{
	struct turns_thread *from = current, *to = turns_best(), *t;

	if (to == from)
		return;
	for (t = threads; !to && t < threads + plan.nr_threads; t++)
		if (!t->ended)
			env_die("deadlock: no thread can run");
	if (plan.verbose)
		printf("# thread %u, operation %u, step %u: go on with %d\n",
		       number(from), from->op, from->steps,
		       to ? (int)number(to) : -1);
	current = to;
	env_thread = to ? &to->env : NULL;
	swapcontext(&from->context, to ? &to->context : &main_context);
}

static void turns_next_point(struct turns_thread *t)
{
	struct turns_point *p;

	t->next = ~0u;
	for (p = plan.points; p < plan.points + plan.nr_points; p++)
		if (p->thread == number(t) && p->op == t->op &&
		    p->step > t->steps && p->step < t->next)
			t->next = p->step;
}

static void turns_demote(struct turns_thread *t)
{
	t->priority = --lowest;
	turns_next_point(t);
	turns_switch();
}

void turns_step(void)
{
	struct turns_thread *t = current;

	if (!t)
		return;
	if (++all_steps > MOST_STEPS)
		env_die("livelock: no end after %u steps", all_steps);
	if (++t->steps == t->next)
		turns_demote(t);
}

static inline void turns_fine_step(void)
{
	if (plan.fine)
		turns_step();
}

void turns_op(unsigned int op)
{
	current->op = op;
	current->steps = 0;
	turns_next_point(current);
}

unsigned int turns_steps(void)
{
	return current->steps;
}

static void turns_lock_step(void)
{
	turns_step();
	if (plan.restless && !(lib_rand(&plan.rng) & 7))
		turns_demote(current);
}

static void turns_lock(spinlock_t *lock)
{
	struct turns_thread *t = current;

	if (!t)
		return;
	turns_lock_step();
	t->wants = lock;
	while (lock->owner)
		turns_switch();
	t->wants = NULL;
}

/* Somebody of a higher priority may have waited for it */
static void turns_unlock(spinlock_t *lock __always_unused)
{
	if (!current)
		return;
	turns_lock_step();
	turns_switch();
}

/* Whoever waits in a loop must not be in the way of whom it waits for */
static void turns_relax(void)
{
	if (!current)
		return;
	turns_step();
	if (!(lib_rand(&plan.rng) & 3))
		turns_demote(current);
}

static void turns_map(unsigned int i __always_unused)
{
	turns_step();
}

static void turns_thread(void)
{
	thread_body(number(current));
	env_idle();
	current->ended = true;
	turns_switch();
}

void turns_init(void)
{
	env_lock_hook = turns_lock;
	env_unlock_hook = turns_unlock;
	env_relax_hook = turns_relax;
	env_map_hook = turns_map;
}

void turns_run(const struct turns_plan *what, void (*body)(unsigned int))
{
	struct turns_thread *t;

	plan = *what;
	thread_body = body;
	all_steps = 0;
	lowest = 0;
	for (t = threads; t < threads + plan.nr_threads; t++) {
		memset(&t->env, 0, sizeof(t->env));
		t->wants = NULL;
		t->ended = false;
		t->priority = 1 + plan.priority[number(t)];
		t->op = 0;
		t->steps = 0;
		t->next = ~0u;
		getcontext(&t->context);
		t->context.uc_stack.ss_sp = t->stack;
		t->context.uc_stack.ss_size = sizeof(t->stack);
		t->context.uc_link = NULL;
		makecontext(&t->context, turns_thread, 0);
	}
	current = turns_best();
	env_thread = &current->env;
	swapcontext(&main_context, &current->context);
}

/* ---- what gcc calls for a load or store of code under -fsanitize=thread ---- */

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define ACCESS(kind, bytes) \
	void __tsan_##kind##bytes(void *at __always_unused) \
	{ \
		turns_fine_step(); \
	}

ACCESS(read, 1)
ACCESS(read, 2)
ACCESS(read, 4)
ACCESS(read, 8)
ACCESS(read, 16)
ACCESS(write, 1)
ACCESS(write, 2)
ACCESS(write, 4)
ACCESS(write, 8)
ACCESS(write, 16)
ACCESS(unaligned_read, 1)
ACCESS(unaligned_read, 2)
ACCESS(unaligned_read, 4)
ACCESS(unaligned_read, 8)
ACCESS(unaligned_read, 16)
ACCESS(unaligned_write, 1)
ACCESS(unaligned_write, 2)
ACCESS(unaligned_write, 4)
ACCESS(unaligned_write, 8)
ACCESS(unaligned_write, 16)

#define RANGE(kind) \
	void __tsan_##kind##_range(void *at __always_unused, \
				   unsigned long bytes __always_unused) \
	{ \
		turns_fine_step(); \
	}

RANGE(read)
RANGE(write)

#define ATOMIC(bits) \
	u##bits __tsan_atomic##bits##_load(const void *at, \
					   int order __always_unused) \
	{ \
		turns_step(); \
		return __atomic_load_n((const u##bits *)at, __ATOMIC_SEQ_CST); \
	} \
	void __tsan_atomic##bits##_store(void *at, u##bits val, \
					 int order __always_unused) \
	{ \
		turns_step(); \
		__atomic_store_n((u##bits *)at, val, __ATOMIC_SEQ_CST); \
	}

ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller __always_unused)
{
}

void __tsan_func_exit(void)
{
}

/* The linker puts these in the place of memcpy() and memset() */
void *__real_memcpy(void *to, const void *from, size_t bytes);
void *__wrap_memcpy(void *to, const void *from, size_t bytes)
{
	size_t half = bytes / 2 & ~7ul;

	turns_fine_step();
	__real_memcpy(to, from, half);
	turns_fine_step();
	return (char *)__real_memcpy((char *)to + half,
				     (const char *)from + half,
				     bytes - half) - half;
}

void *__real_memset(void *to, int c, size_t bytes);
void *__wrap_memset(void *to, int c, size_t bytes)
{
	size_t half = bytes / 2 & ~7ul;

	turns_fine_step();
	__real_memset(to, c, half);
	turns_fine_step();
	return (char *)__real_memset((char *)to + half, c, bytes - half) - half;
}
