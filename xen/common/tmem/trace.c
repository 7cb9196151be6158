/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: traces of what guests ask for
 *
 * While a toolstack wants to know, each request that was carried out is written
 * down in a ring, as it was copied in; of pages it has the names, not the
 * contents.  Who writes waits for nobody: of several vCPUs one has the next slot,
 * and the others the one behind it; when none is free the request is counted as
 * lost.  The toolstack reads under the control lock.
 *
 * A toolstack may be killed.  A ring from which nobody has read for a while is
 * freed.
 */
#include <xen/guest_access.h>
#include <xen/lib.h>
#include <xen/sched.h>
#include <xen/time.h>
#include <xen/vmap.h>

#include "tmem.h"

/* 2 MiB */
#define SLOTS           32768

/* Nobody has read for so long: nobody will */
#define IDLE            SECONDS(10)

/*
 * A slot is free in the turn n of the ring if its state is 2n, and has an event
 * of that turn if it is 2n + 1.
 */
struct slot {
    uint64_t state;
    struct xen_tmem_event event;
};

/*
 * struct ring - requests that were not read yet
 * @head: number of the next one to be written
 * @lost: those that were not written
 * @tail: number of the next one to be read, control_lock
 * @begun: time of its beginning
 * @read: when it was read last, control_lock
 */
struct ring {
    uint64_t head;
    uint64_t lost;
    uint64_t tail;
    s_time_t begun;
    s_time_t read;
    struct slot slots[SLOTS];
};

bool __read_mostly tmem_tracing;

/*
 * There while it is traced, and until nobody writes any more.  Changed under the
 * control lock; who writes has counted himself before he sees that it is traced.
 */
static struct ring *ring;
static atomic_t writers = ATOMIC_INIT(0);

/* The slot of that number, if it is free in its turn, and nobody else has it */
static struct slot *slot_take(uint64_t *nr)
{
    struct slot *slot;
    uint64_t turn, state;

    for ( ; ; )
    {
        *nr = ACCESS_ONCE(ring->head);
        slot = &ring->slots[*nr % SLOTS];
        turn = 2 * (*nr / SLOTS);
        state = ACCESS_ONCE(slot->state);
        if ( state < turn )
            return NULL;
        /* If it is of a later state somebody else was faster */
        if ( state == turn && cmpxchg(&ring->head, *nr, *nr + 1) == *nr )
            return slot;
    }
}

static void note(const struct domain *d, const struct tmem_req *req)
{
    struct xen_tmem_event *event;
    struct slot *slot;
    uint64_t nr;
    int flags;

    slot = slot_take(&nr);
    if ( !slot )
    {
        arch_fetch_and_add(&ring->lost, 1);
        return;
    }
    event = &slot->event;
    event->us = (NOW() - ring->begun) / MICROSECS(1);
    memcpy(event->object, req->object, sizeof(event->object));
    event->index = req->index;
    event->nr_pages = req->nr_pages;
    event->pool = req->pool;
    event->domid = d->domain_id;
    event->op = req->op;
    flags = tstore_client_pool(d->tmem->client, req->pool);
    event->flags = flags < 0 ? XEN_TMEM_NO_POOL : flags;
    smp_wmb();
    ACCESS_ONCE(slot->state) = 2 * (nr / SLOTS) + 1;
}

/* @d, the current domain, had this executed */
void tmem_trace_note(const struct domain *d, const struct tmem_req *req)
{
    atomic_inc(&writers);
    smp_mb__after_atomic();
    /* It may have been stopped just now */
    if ( ACCESS_ONCE(tmem_tracing) )
        note(d, req);
    smp_mb__before_atomic();
    atomic_dec(&writers);
}

static int trace_begin(void)
{
    /* One that was stopped, too, is somebody's */
    if ( ring )
        return -EBUSY;
    ring = vzalloc(sizeof(*ring));
    if ( !ring )
        return -ENOMEM;
    ring->begun = ring->read = NOW();
    smp_wmb();
    ACCESS_ONCE(tmem_tracing) = true;
    return 0;
}

/* -ERESTART: a vCPU that had not seen it yet is writing */
static int trace_stop(void)
{
    ACCESS_ONCE(tmem_tracing) = false;
    smp_mb();
    return atomic_read(&writers) ? -ERESTART : 0;
}

static int trace_end(void)
{
    int rc = trace_stop();

    if ( rc )
        return rc;
    vfree(ring);
    ring = NULL;
    return 0;
}

/* What is read is gone, but for what could not be copied out */
static int trace_read(struct xen_tmem_control *op)
{
    uint32_t nr = 0, room = op->u.trace.nr;
    struct slot *slot;
    uint64_t turn;
    int rc = 0;

    ring->read = NOW();
    while ( nr < room && !(nr && general_preempt_check()) )
    {
        slot = &ring->slots[ring->tail % SLOTS];
        turn = 2 * (ring->tail / SLOTS);
        if ( ACCESS_ONCE(slot->state) != turn + 1 )
            break;
        smp_rmb();
        if ( copy_to_guest_offset(op->u.trace.events, nr, &slot->event, 1) )
        {
            rc = nr ? 0 : -EFAULT;
            break;
        }
        smp_mb();
        ACCESS_ONCE(slot->state) = turn + 2;
        ring->tail++;
        nr++;
    }
    op->u.trace.nr = nr;
    return rc;
}

/* The control lock is held */
int tmem_trace_control(struct xen_tmem_control *op)
{
    int rc;

    ASSERT(spin_is_locked(&tmem_control_lock));
    if ( op->op == XEN_TMEM_TRACE_BEGIN )
        return trace_begin();
    if ( !ring )
        return -ENOENT;
    op->u.trace.lost = ACCESS_ONCE(ring->lost);
    switch ( op->op )
    {
    case XEN_TMEM_TRACE_READ:
        return trace_read(op);
    case XEN_TMEM_TRACE_STOP:
        rc = trace_stop();
        op->u.trace.lost = ACCESS_ONCE(ring->lost);
        return rc;
    }
    return trace_end();
}

/* Once in a while: frees what nobody will read */
void tmem_trace_expire(void)
{
    if ( !ACCESS_ONCE(ring) || !spin_trylock(&tmem_control_lock) )
        return;
    if ( ring && NOW() - ring->read > IDLE )
        trace_end();
    spin_unlock(&tmem_control_lock);
}
