// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the watching environment, see env/tmem_env.h
 */
#include <stdarg.h>
#include <stdio.h>

#include "tmem_env.h"

#define MAX_LEVEL	16

int env_fail_at;
int env_allocated;
void (*env_relax_hook)(void);
void (*env_map_hook)(unsigned int i);
__thread struct env_work env_work;

static __thread spinlock_t *held[MAX_LEVEL];
static __thread unsigned int nr_held;
static __thread void *mapped;
static __thread char me;	/* its address tells threads apart */

void env_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "# fatal: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	abort();
}

void *env_zalloc(size_t bytes)
{
	void *ptr;

	if (nr_held)
		env_die("allocation with a lock of level %u held",
			held[nr_held - 1]->level);
	if (env_fail_at && !--env_fail_at)
		return NULL;
	ptr = calloc(1, bytes);
	if (ptr)
		__atomic_fetch_add(&env_allocated, 1, __ATOMIC_RELAXED);
	return ptr;
}

void env_free(void *ptr)
{
	if (nr_held)
		env_die("free with a lock held");
	if (ptr)
		__atomic_fetch_sub(&env_allocated, 1, __ATOMIC_RELAXED);
	free(ptr);
}

void env_lock_init(spinlock_t *lock, unsigned int level)
{
	if (!level || level >= MAX_LEVEL)
		env_die("lock of level %u", level);
	pthread_mutex_init(&lock->mutex, NULL);
	lock->level = level;
	lock->owner = NULL;
}

void spin_lock(spinlock_t *lock)
{
	if (!lock->level)
		env_die("lock was not initialised");
	if (nr_held && held[nr_held - 1]->level >= lock->level)
		env_die("lock of level %u taken under one of level %u",
			lock->level, held[nr_held - 1]->level);
	pthread_mutex_lock(&lock->mutex);
	env_write_once(lock->owner, &me);
	held[nr_held++] = lock;
	env_work.locks++;
}

void spin_unlock(spinlock_t *lock)
{
	if (!nr_held || held[nr_held - 1] != lock)
		env_die("lock of level %u let go, but it is not the last one taken",
			lock->level);
	if (mapped && nr_held == 1)
		env_die("lock let go with a page mapped");
	nr_held--;
	env_write_once(lock->owner, NULL);
	pthread_mutex_unlock(&lock->mutex);
}

void env_assert_held(spinlock_t *lock)
{
	if (env_read_once(lock->owner) != &me)
		env_die("lock of level %u is not held", lock->level);
}

void *env_data_map(env_data_t data, unsigned int i)
{
	if (mapped)
		env_die("two pages mapped at a time");
	if (!data)
		return NULL;
	if (i >= data->nr)
		env_die("page %u of %u mapped", i, data->nr);
	if (i >= data->bad)
		return NULL;
	mapped = (char *)data->base + (size_t)i * PAGE_SIZE;
	env_work.maps++;
	if (env_map_hook)
		env_map_hook(i);
	return mapped;
}

void env_data_unmap(void *ptr)
{
	if (ptr != mapped)
		env_die("unmapped what is not mapped");
	mapped = NULL;
}

static void env_work_note(void)
{
	if (env_work.maps > env_work.most_maps)
		env_work.most_maps = env_work.maps;
	if (env_work.locks > env_work.most_locks)
		env_work.most_locks = env_work.locks;
	env_work.maps = 0;
	env_work.locks = 0;
}

void env_relax(void)
{
	if (nr_held)
		env_die("relaxing with a lock of level %u held",
			held[nr_held - 1]->level);
	if (mapped)
		env_die("relaxing with a page mapped");
	env_work_note();
	env_work.relaxed++;
	if (env_relax_hook)
		env_relax_hook();
}

void env_work_reset(void)
{
	memset(&env_work, 0, sizeof(env_work));
}

void env_idle(void)
{
	env_work_note();
	if (nr_held)
		env_die("%u locks still held", nr_held);
	if (mapped)
		env_die("a page is still mapped");
}
