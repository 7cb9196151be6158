/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: an environment for the page store that watches it
 *
 * - the allocator fails when it is told to, and counts what is not freed;
 * - locks check the order of levels, who holds them, and who lets them go;
 * - pages of data cannot be mapped beyond the run, may be made to fail, and
 *   must be unmapped again;
 * - a thread counts what it does between two calls of env_relax();
 * - a test may be told of each lock, map and relax, and hold the thread up.
 *
 * Whatever is wrong ends the process: see env_die().
 */
#ifndef _TMEM_TEST_ENV_H
#define _TMEM_TEST_ENV_H

#define TMEM_ENV_TEST
#include "../../../../tmem/env/tmem_env.h"

void env_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* The allocator: the env_fail_at'th allocation from now fails, 0: none */
extern int env_fail_at;
extern int env_allocated;

void *env_zalloc(size_t bytes);
void env_free(void *ptr);

/* Locks */
typedef struct env_lock {
	pthread_mutex_t mutex;
	unsigned int level;
	const void *owner;
} spinlock_t;

void env_lock_init(spinlock_t *lock, unsigned int level);
void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
void env_assert_held(spinlock_t *lock);

/* Called before a lock is taken, and after one was let go */
extern void (*env_lock_hook)(spinlock_t *lock);
extern void (*env_unlock_hook)(spinlock_t *lock);

/*
 * What the environment knows of a thread.  A thread that plays several may
 * point to another one.
 */
#define ENV_MAX_LEVEL	16

struct env_thread {
	spinlock_t *held[ENV_MAX_LEVEL];	/* outermost first */
	unsigned int nr_held;
	void *mapped;
};

extern __thread struct env_thread *env_thread;

/* Pages of a request */
struct env_data {
	void *base;
	unsigned int nr;	/* mapping more than that is a bug */
	unsigned int bad;	/* this page and later ones cannot be had */
};

typedef struct env_data *env_data_t;

/* Called when a page is mapped, with the locks held that are held then */
extern void (*env_map_hook)(unsigned int i);

void *env_data_map(env_data_t data, unsigned int i);
void env_data_unmap(void *ptr);

/* What one thread did since its last env_relax(), and the most so far */
struct env_work {
	unsigned int maps;
	unsigned int locks;
	unsigned int most_maps;
	unsigned int most_locks;
	unsigned long relaxed;
};

extern __thread struct env_work env_work;

/* Called by env_relax(), so that a test can do something in between */
extern void (*env_relax_hook)(void);

void env_relax(void);

/* What env_stop() says, false without one */
extern bool (*env_stop_hook)(void);

bool env_stop(void);
void env_work_reset(void);

/* Checks that this thread left nothing behind */
void env_idle(void);

#endif /* _TMEM_TEST_ENV_H */
