/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: the page store's environment in the Linux kernel
 *
 * The contract is in store/tstore.h.  Requests come in process context, from
 * reclaim too, so nothing on their path allocates; only env_relax() gives up
 * the CPU, and never with a lock held.
 */
#ifndef _TMEM_ENV_H
#define _TMEM_ENV_H

#include <linux/array_size.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/highmem.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/prefetch.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>
#include <uapi/linux/tmem.h>

static inline void *env_zalloc(size_t bytes)
{
	return kvzalloc(bytes, GFP_KERNEL);
}

static inline void env_free(void *ptr)
{
	kvfree(ptr);
}

/* A macro, so that lockdep gets a class for each level */
#define env_lock_init(lock, level) \
do { \
	BUILD_BUG_ON(!(level)); \
	spin_lock_init(lock); \
} while (0)

#define env_assert_held(lock)		lockdep_assert_held(lock)

static inline void env_relax(void)
{
	cond_resched();
}

static inline bool env_stop(void)
{
	return false;
}

#define env_read_once(x)		READ_ONCE(x)
#define env_write_once(x, val)		WRITE_ONCE(x, val)
/* Orders a commit after what is committed: see the stores in the store */
#define env_store_release(ptr, val)	smp_store_release(ptr, val)
#define env_prefetch(ptr)		prefetch(ptr)

/* The first page of a run; the others follow it in the memory map */
typedef struct page *env_data_t;

static inline void *env_data_map(env_data_t data, unsigned int i)
{
	if (!data)
		return NULL;
	return kmap_local_page(nth_page(data, i));
}

static inline void env_data_unmap(void *ptr)
{
	kunmap_local(ptr);
}

#endif /* _TMEM_ENV_H */
