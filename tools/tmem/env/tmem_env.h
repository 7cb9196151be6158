/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: the page store's environment in a process
 *
 * The contract is in mm/tmem/store/tstore.h.  Build with -I include/uapi.
 */
#ifndef _TMEM_ENV_H
#define _TMEM_ENV_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/tmem.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#ifndef PAGE_SHIFT
#define PAGE_SHIFT	12
#define PAGE_SIZE	(1UL << PAGE_SHIFT)
#endif

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif
#ifndef __always_unused
#define __always_unused	__attribute__((unused))
#endif

#define env_read_once(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define env_write_once(x, val) \
	__atomic_store_n(&(x), val, __ATOMIC_RELAXED)
#define env_store_release(ptr, val) \
	__atomic_store_n(ptr, val, __ATOMIC_RELEASE)
#define env_prefetch(ptr)		__builtin_prefetch(ptr)

/* The tests bring their own allocator, locks and data */
#ifndef TMEM_ENV_TEST

static inline void *env_zalloc(size_t bytes)
{
	return calloc(1, bytes);
}

static inline void env_free(void *ptr)
{
	free(ptr);
}

typedef pthread_mutex_t spinlock_t;

/* One that spins for a while: mostly it is held for less than it takes to sleep */
#define env_lock_init(lock, level)	\
	((void)(*(lock) = \
		(spinlock_t)PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP))
#define env_assert_held(lock)		((void)(lock))

static inline void spin_lock(spinlock_t *lock)
{
	pthread_mutex_lock(lock);
}

static inline void spin_unlock(spinlock_t *lock)
{
	pthread_mutex_unlock(lock);
}

static inline void env_relax(void)
{
}

static inline bool env_stop(void)
{
	return false;
}

/* The first byte of a run in this address space */
typedef void *env_data_t;

static inline void *env_data_map(env_data_t data, unsigned int i)
{
	return data ? (char *)data + (size_t)i * PAGE_SIZE : NULL;
}

static inline void env_data_unmap(void *ptr)
{
	(void)ptr;
}

#endif /* TMEM_ENV_TEST */

#endif /* _TMEM_ENV_H */
