/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: the memory that the store is in
 *
 * The arena of the store is a range of addresses.  Behind its beginning, which
 * describes the frames, there is memory from boot on.  Behind a frame there is
 * some only while the store has it: tmem_grow() takes single pages from the heap,
 * maps them and gives the frames to the store, and tmem_shrink() has the store
 * name frames, which it scrubs, and does the opposite.  The page tables of all of
 * it are there from boot on: so unmapping cannot fail, and no table lies between
 * pages that come back.
 *
 * So all that nobody needs can be in use, and is had again by whoever does need
 * it.  The heap is never called from by its own lock.  It is kept from running
 * dry in three ways: a put does not grow the pool into the last tmem_reserve of
 * memory, nor into what was claimed; a tasklet shrinks it whenever less than
 * that is free; and where a toolstack asks for memory for a domain, by a claim
 * or by populating it, the pool is shrunk by as much as is missing.  Pages that
 * must stay are the limit to that, and these are charged to domains.
 */
#include <xen/bitmap.h>
#include <xen/init.h>
#include <xen/mm.h>
#include <xen/param.h>
#include <xen/pfn.h>
#include <xen/random.h>
#include <xen/sched.h>
#include <xen/tasklet.h>
#include <xen/timer.h>
#include <xen/vmap.h>

#include "tmem.h"

/* Frames that are mapped or unmapped under one hold of the lock */
#define BATCH           64

/* Each time that a put finds no free frame, so many are added */
#define GROW            256

/* What is left to everything else, unless told otherwise */
#define DEFAULT_RESERVE MB(128)

/* How often targets are set and the heap is looked at */
#define PERIOD          SECONDS(1)

/* After memory was asked for, whoever asked has so long to take it */
#define GRACE           SECONDS(5)

static bool __initdata opt_tmem;
boolean_param("tmem", opt_tmem);

/* Most memory of the store, and what it leaves free; 0: by the machine's */
static uint64_t __initdata opt_max;
size_param("tmem_max", opt_max);
static uint64_t __initdata opt_reserve;
size_param("tmem_reserve", opt_reserve);

struct tstore *__read_mostly tmem_store;

/*
 * Guards the three below, and with them which frames have memory.  A frame whose
 * bit is set has none, and is out of the store.
 */
static DEFINE_SPINLOCK(pool_lock);
static unsigned long *__read_mostly pool_out;
static unsigned long pool_lowest;   /* no bit below it is set */
static unsigned long pool_present;  /* number of clear bits */

static unsigned long __read_mostly pool_pages;
static unsigned long pool_size;     /* most frames that may have memory */
static unsigned long pool_reserve;  /* pages to be left free */
static unsigned int pool_policy;
static s_time_t pool_hold;          /* no growth before */

static struct timer period_timer;

static unsigned long frame_va(unsigned long frame)
{
    return (unsigned long)tstore_frame_addr(tmem_store, frame);
}

/* Pages that are free and not claimed */
static unsigned long heap_free(void)
{
    uint64_t free, claimed;

    get_outstanding_claims(&free, &claimed);
    return free > claimed ? free - claimed : 0;
}

/* Puts a page of memory behind a frame that has none */
static bool frame_populate(unsigned long *frame)
{
    struct page_info *pg;

    ASSERT(spin_is_locked(&pool_lock));
    *frame = find_next_bit(pool_out, pool_pages, pool_lowest);
    if ( *frame >= pool_pages || pool_present >= pool_size )
        return false;
    pg = alloc_domheap_page(NULL, 0);
    if ( !pg )
        return false;
    /* Not to become part of a superpage, which takes a table to unmap */
    if ( map_pages_to_xen(frame_va(*frame), page_to_mfn(pg), 1,
                          PAGE_HYPERVISOR | MAP_SMALL_PAGES) )
    {
        free_domheap_page(pg);
        return false;
    }
    __clear_bit(*frame, pool_out);
    pool_lowest = *frame + 1;
    pool_present++;
    return true;
}

/* The opposite, for frames in a row that the store has scrubbed */
static void frames_depopulate(unsigned long first, unsigned int nr)
{
    struct page_info *pgs[BATCH];
    unsigned int i;

    ASSERT(spin_is_locked(&pool_lock));
    for ( i = 0; i < nr; i++ )
        pgs[i] = vmap_to_page((void *)frame_va(first + i));
    map_pages_to_xen(frame_va(first), INVALID_MFN, nr, _PAGE_NONE);
    for ( i = 0; i < nr; i++ )
    {
        free_domheap_page(pgs[i]);
        __set_bit(first + i, pool_out);
    }
    pool_lowest = min(pool_lowest, first);
    pool_present -= nr;
}

/* Takes up to BATCH frames out of the store; returns how many there were */
static unsigned int tmem_shrink(unsigned int nr)
{
    uint32_t frames[BATCH];
    unsigned int got, from, to;

    got = tstore_take(tmem_store, frames, min(nr, BATCH + 0u));
    spin_lock(&pool_lock);
    for ( from = 0; from < got; from = to )
    {
        for ( to = from + 1; to < got; to++ )
            if ( frames[to] != frames[to - 1] + 1 )
                break;
        frames_depopulate(frames[from], to - from);
    }
    spin_unlock(&pool_lock);
    return got;
}

/*
 * Sees to it that so many pages that come find memory, if there is some idle.
 * What a toolstack restores cannot come later, and it has asked for the memory of
 * the domain before: this is not kept waiting for others to take theirs, who
 * have claimed it.
 */
void tmem_grow(unsigned int nr, bool restored)
{
    unsigned int i;
    unsigned long frame;
    uint32_t given;

    /* one for the object */
    if ( tstore_free_frames(tmem_store) > nr ||
         ACCESS_ONCE(pool_present) >= ACCESS_ONCE(pool_size) ||
         (!restored && NOW() < ACCESS_ONCE(pool_hold)) )
        return;
    if ( heap_free() < ACCESS_ONCE(pool_reserve) + GROW + nr )
    {
        /* puts come often, and it costs a lock that all share to find out */
        if ( !restored )
            ACCESS_ONCE(pool_hold) = NOW() + MILLISECS(10);
        return;
    }
    for ( i = 0; i < GROW + nr; i++ )
    {
        spin_lock(&pool_lock);
        if ( !frame_populate(&frame) )
        {
            spin_unlock(&pool_lock);
            break;
        }
        given = frame;
        if ( tstore_give(tmem_store, &given, 1) )
            ASSERT_UNREACHABLE();
        spin_unlock(&pool_lock);
    }
}

/* Shrinks the pool to its size, if that was lowered; -ERESTART: call again */
static int pool_fit(void)
{
    while ( ACCESS_ONCE(pool_present) > ACCESS_ONCE(pool_size) )
    {
        if ( !tmem_shrink(pool_present - pool_size) )
            break;
        if ( general_preempt_check() )
            return -ERESTART;
    }
    return 0;
}

static int free_until(unsigned long pages)
{
    unsigned long free;

    while ( (free = heap_free()) < pages )
    {
        if ( !tmem_shrink(min(pages - free, BATCH + 0UL)) )
            break;
        if ( general_preempt_check() )
            return -ERESTART;
    }
    return 0;
}

/*
 * As tmem_prepare_claim(), but what can be had is made free even if it is not
 * enough
 */
int tmem_make_free(unsigned long pages)
{
    unsigned long reserve = ACCESS_ONCE(pool_reserve);

    ACCESS_ONCE(pool_hold) = NOW() + GRACE;
    /* Beside its pages a domain takes some that no claim is for */
    return free_until(pages + min(reserve, ~0UL - pages));
}

/*
 * All that the heap would have free if the pool gave up what may be dropped.
 * The frames of objects count, though some may have to stay.
 */
static unsigned long most_free(void)
{
    struct tstore_stats st;
    unsigned long most;

    tstore_stats(tmem_store, &st);
    /* No page is on its way between the two while the lock is held */
    spin_lock(&pool_lock);
    most = heap_free() + pool_present;
    spin_unlock(&pool_lock);
    return most > st.persistent ? most - st.persistent : 0;
}

int tmem_prepare_claim(unsigned long pages)
{
    if ( !tmem_store || pages > most_free() )
        return 0;
    return tmem_make_free(pages);
}

/* Only single pages: what comes out of the store is not in one piece */
bool tmem_release_some(unsigned int order)
{
    if ( !tmem_store || order )
        return false;
    ACCESS_ONCE(pool_hold) = NOW() + GRACE;
    return tmem_shrink(BATCH);
}

unsigned long tmem_freeable_pages(void)
{
    struct tstore_stats st;

    if ( !tmem_store )
        return 0;
    tstore_stats(tmem_store, &st);
    return st.free + st.ephemeral;
}

int tmem_pool_set_size(uint64_t pages)
{
    pool_size = min(pages, pool_pages + 0UL);
    return pool_fit();
}

void tmem_set_reserve(uint64_t pages)
{
    pool_reserve = min(pages, total_pages + 0UL);
}

void tmem_set_policy(unsigned int policy)
{
    pool_policy = policy;
}

void tmem_pool_info(struct xen_tmem_info *info)
{
    struct tstore_stats st;

    tstore_stats(tmem_store, &st);
    memset(info, 0, sizeof(*info));
    info->pages = st.pages;
    info->present = st.pages - st.out;
    info->free = st.free;
    info->ephemeral = st.ephemeral;
    info->persistent = st.persistent;
    info->metadata = PFN_UP(st.metadata);
    info->heap_free = heap_free();
    info->freeable = st.free + st.ephemeral;
    info->size = pool_size;
    info->reserve = pool_reserve;
    info->stored = st.stored;
    info->replaced = st.replaced;
    info->hits = st.hits;
    info->misses = st.misses;
    info->flushed = st.flushed;
    info->evicted = st.evicted;
    info->reject_full = st.reject_full;
    info->reject_limit = st.reject_limit;
    info->reject_frozen = st.reject_frozen;
    info->policy = pool_policy;
    info->nr_policies = tstore_nr_policies;
}

/* Runs on an idle vCPU, which others wait for: a part at a time */
static void cf_check period_work(void *unused);
static DECLARE_TASKLET(period_tasklet, period_work, NULL);

static void cf_check period_work(void *unused)
{
    tmem_trace_expire();
    tstore_divide(tmem_store, &tstore_policies[pool_policy]);
    if ( pool_fit() || free_until(pool_reserve) )
        tasklet_schedule(&period_tasklet);
    else
        set_timer(&period_timer, NOW() + PERIOD);
}

static void cf_check period_tick(void *unused)
{
    tasklet_schedule(&period_tasklet);
}

/* Memory for the beginning of the arena, which stays */
static bool __init arena_populate(void *arena, unsigned long pages)
{
    struct page_info *pg;
    unsigned long i;

    for ( i = 0; i < pages; i++ )
    {
        pg = alloc_domheap_page(NULL, 0);
        if ( !pg || map_pages_to_xen((unsigned long)arena + i * PAGE_SIZE,
                                     page_to_mfn(pg), 1, PAGE_HYPERVISOR) )
            return false;
    }
    return true;
}

/* Makes the store, without a frame; returns what is wrong, or NULL */
static const char *__init store_create(struct tstore_config *cfg)
{
    unsigned long free = heap_free(), head;
    struct tstore_stats st;
    struct tstore *store;

    cfg->bytes = opt_max ? opt_max & PAGE_MASK : (free / 2) << PAGE_SHIFT;
    if ( cfg->bytes >= VMAP_VIRT_END - VMAP_VIRT_START )
        return "more than there are addresses for";
    cfg->arena = vmap_reserve(PFN_DOWN(cfg->bytes));
    if ( !cfg->arena )
        return "no such range of addresses is free";
    head = PFN_UP(tstore_metadata(cfg));
    if ( !head )
        return "not a size that a store can have";
    if ( head > free / 2 ||
         populate_pt_range((unsigned long)cfg->arena, PFN_DOWN(cfg->bytes)) ||
         !arena_populate(cfg->arena, head) ||
         tstore_create(cfg, &store) )
        return "no memory for what describes the frames";
    tstore_stats(store, &st);
    pool_pages = pool_size = st.pages;
    pool_out = vzalloc(BITS_TO_LONGS(pool_pages) * sizeof(long));
    if ( !pool_out )
        return "no memory for what is known of frames";
    bitmap_fill(pool_out, pool_pages);
    tmem_store = store;
    return NULL;
}

static int __init cf_check tmem_init(void)
{
    struct tstore_config cfg = {
        .max_clients = TMEM_CLIENTS,
        .max_pools = TMEM_POOLS,
        .max_shared = TMEM_SHARED,
        .ghosts = true,
        .out = true,
        .seed = ((uint64_t)get_random() << 32) | get_random(),
    };
    const char *wrong;

    if ( !opt_tmem )
        return 0;
    if ( !opt_reserve )
        opt_reserve = min_t(uint64_t, DEFAULT_RESERVE,
                            (uint64_t)total_pages << (PAGE_SHIFT - 3));
    tmem_set_reserve(PFN_DOWN(opt_reserve));
    wrong = store_create(&cfg);
    if ( wrong )
    {
        printk(XENLOG_ERR "tmem: going on without: tmem_max=%zuk: %s\n",
               cfg.bytes >> 10, wrong);
        return 0;
    }
    init_timer(&period_timer, period_tick, NULL, 0);
    set_timer(&period_timer, NOW() + PERIOD);
    printk("tmem: up to %lu MiB of memory, of which %lu MiB are left free\n",
           pool_pages >> (20 - PAGE_SHIFT), pool_reserve >> (20 - PAGE_SHIFT));
    return 0;
}
__initcall(tmem_init);
