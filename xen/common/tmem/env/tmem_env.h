/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: the page store's environment in the hypervisor
 *
 * The contract is in store/tstore.h.  Requests come from hypercalls, which are
 * not preempted: env_stop() has those that take long stopped, and hypercall.c
 * makes a continuation of what is left.
 */
#ifndef TMEM_ENV_H
#define TMEM_ENV_H

#include <xen/domain_page.h>
#include <xen/errno.h>
#include <xen/event.h>
#include <xen/lib.h>
#include <xen/mm.h>
#include <xen/prefetch.h>
#include <xen/sched.h>
#include <xen/spinlock.h>
#include <xen/string.h>
#include <xen/types.h>
#include <xen/vmap.h>
#include <linux/tmem.h>

/* Statuses have the numbers of Linux; this one Xen does not know */
#ifndef EDQUOT
#define EDQUOT          122
#endif

#ifndef static_assert
#define static_assert   _Static_assert
#endif
#define __always_unused __maybe_unused

static inline void *env_zalloc(size_t bytes)
{
    return vzalloc(bytes);
}

static inline void env_free(void *ptr)
{
    vfree(ptr);
}

/* What debug builds of Xen check of locks knows of no levels */
#define env_lock_init(lock, level)      spin_lock_init(lock)
#define env_assert_held(lock)           ASSERT(spin_is_locked(lock))

/* What has to be waited for is another processor that is at work */
static inline void env_relax(void)
{
    cpu_relax();
}

static inline bool env_stop(void)
{
    return general_preempt_check();
}

#define env_read_once(x)                ACCESS_ONCE(x)
#define env_write_once(x, val)          ((void)(ACCESS_ONCE(x) = (val)))
#define env_store_release(ptr, val)     \
do {                                    \
    smp_wmb();                          \
    env_write_once(*(ptr), val);        \
} while ( 0 )
#define env_prefetch(ptr)               prefetch(ptr)

/*
 * struct tmem_data - pages of one request
 * @local: a page of the hypervisor's own, or NULL
 * @pages: those of the guest, each with a reference
 * @nr: how many there are of these
 *
 * A page past @nr cannot be had: its number is no frame of the guest's.
 */
struct tmem_data {
    void *local;
    struct page_info **pages;
    unsigned int nr;
};

typedef struct tmem_data *env_data_t;

static inline void *env_data_map(env_data_t data, unsigned int i)
{
    if ( !data )
        return NULL;
    if ( data->local )
        return i ? NULL : data->local;
    return i < data->nr ? __map_domain_page(data->pages[i]) : NULL;
}

/* Of an address that is not of its own, unmap_domain_page() makes nothing */
static inline void env_data_unmap(void *ptr)
{
    unmap_domain_page(ptr);
}

#endif /* TMEM_ENV_H */
