// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the watching environment, see env/tmem_env.h
 */
#include <stdarg.h>
#include <stdio.h>

#include "tmem_env.h"

int env_fail_at;
int env_allocated;
void (*env_relax_hook)(void);
bool (*env_stop_hook)(void);
void (*env_map_hook)(unsigned int i);
void (*env_lock_hook)(spinlock_t *lock);
void (*env_unlock_hook)(spinlock_t *lock);
__thread struct env_work env_work;
__thread struct env_thread *env_thread;

static __thread struct env_thread own;

static struct env_thread *self(void)
{
	return env_thread ? env_thread : &own;
}

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
	struct env_thread *me = self();
	void *ptr;

	if (me->nr_held)
		env_die("allocation with a lock of level %u held",
			me->held[me->nr_held - 1]->level);
	if (env_fail_at && !--env_fail_at)
		return NULL;
	ptr = calloc(1, bytes);
	if (ptr)
		__atomic_fetch_add(&env_allocated, 1, __ATOMIC_RELAXED);
	return ptr;
}

void env_free(void *ptr)
{
	struct env_thread *me = self();

	if (me->nr_held)
		env_die("free with a lock held");
	if (ptr)
		__atomic_fetch_sub(&env_allocated, 1, __ATOMIC_RELAXED);
	free(ptr);
}

void env_lock_init(spinlock_t *lock, unsigned int level)
{
	if (!level || level >= ENV_MAX_LEVEL)
		env_die("lock of level %u", level);
	pthread_mutex_init(&lock->mutex, NULL);
	lock->level = level;
	lock->owner = NULL;
}

void spin_lock(spinlock_t *lock)
{
	struct env_thread *me = self();

	if (!lock->level)
		env_die("lock was not initialised");
	if (me->nr_held && me->held[me->nr_held - 1]->level >= lock->level)
		env_die("lock of level %u taken under one of level %u",
			lock->level, me->held[me->nr_held - 1]->level);
	if (env_lock_hook)
		env_lock_hook(lock);
	pthread_mutex_lock(&lock->mutex);
	env_write_once(lock->owner, me);
	me->held[me->nr_held++] = lock;
	env_work.locks++;
}

void spin_unlock(spinlock_t *lock)
{
	struct env_thread *me = self();

	if (!me->nr_held || me->held[me->nr_held - 1] != lock)
		env_die("lock of level %u let go, but it is not the last one taken",
			lock->level);
	if (me->mapped && me->nr_held == 1)
		env_die("lock let go with a page mapped");
	me->nr_held--;
	env_write_once(lock->owner, NULL);
	pthread_mutex_unlock(&lock->mutex);
	if (env_unlock_hook)
		env_unlock_hook(lock);
}

void env_assert_held(spinlock_t *lock)
{
	struct env_thread *me = self();

	if (env_read_once(lock->owner) != me)
		env_die("lock of level %u is not held", lock->level);
}

void *env_data_map(env_data_t data, unsigned int i)
{
	struct env_thread *me = self();

	if (me->mapped)
		env_die("two pages mapped at a time");
	if (!data)
		return NULL;
	if (i >= data->nr)
		env_die("page %u of %u mapped", i, data->nr);
	if (i >= data->bad)
		return NULL;
	me->mapped = (char *)data->base + (size_t)i * PAGE_SIZE;
	env_work.maps++;
	if (env_map_hook)
		env_map_hook(i);
	return me->mapped;
}

void env_data_unmap(void *ptr)
{
	struct env_thread *me = self();

	if (ptr != me->mapped)
		env_die("unmapped what is not mapped");
	me->mapped = NULL;
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
	struct env_thread *me = self();

	if (me->nr_held)
		env_die("relaxing with a lock of level %u held",
			me->held[me->nr_held - 1]->level);
	if (me->mapped)
		env_die("relaxing with a page mapped");
	env_work_note();
	env_work.relaxed++;
	if (env_relax_hook)
		env_relax_hook();
}

bool env_stop(void)
{
	struct env_thread *me = self();

	if (me->nr_held || me->mapped)
		env_die("asked for a stop with a lock held or a page mapped");
	return env_stop_hook && env_stop_hook();
}

void env_work_reset(void)
{
	memset(&env_work, 0, sizeof(env_work));
}

void env_idle(void)
{
	struct env_thread *me = self();

	env_work_note();
	if (me->nr_held)
		env_die("%u locks still held", me->nr_held);
	if (me->mapped)
		env_die("a page is still mapped");
}
