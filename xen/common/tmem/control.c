/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: TMEM_CONTROL, for the toolstack
 *
 * The caller is privileged, and is believed no more than any other as to the
 * structure that it brings.  All of it happens under the control lock, which
 * nobody waits for, neither the next caller nor a domain that dies: a call that
 * finds it taken is made again.
 */
#include <xen/sched.h>
#include <xen/xmalloc.h>

#include <public/sched.h>

#include "tmem.h"

/* What a save or a restore moves in one call; the control lock guards it */
static uint8_t stream[TSTORE_SAVE_BYTES * 8] __aligned(8);

/* What a vCPU that is at work adds meanwhile is seen the next time */
static void client_counts(const struct domain *d, const struct tmem_domain *t,
                          struct xen_tmem_client *info)
{
    const struct tmem_counts *counts;
    const struct tmem_vcpu *tv;
    unsigned int i;

    for ( i = 0; i < d->max_vcpus; i++ )
    {
        tv = ACCESS_ONCE(t->vcpus[i]);
        if ( !tv )
            continue;
        counts = &tv->counts;
        info->vectors += ACCESS_ONCE(counts->vectors);
        info->requests += ACCESS_ONCE(counts->requests);
        info->puts += ACCESS_ONCE(counts->puts);
        info->stored += ACCESS_ONCE(counts->stored);
        info->gets += ACCESS_ONCE(counts->gets);
        info->hits += ACCESS_ONCE(counts->hits);
        info->flushed += ACCESS_ONCE(counts->flushed);
        info->loaded += ACCESS_ONCE(counts->loaded);
    }
}

static void client_report(const struct tmem_report *from,
                          struct xen_tmem_report *to)
{
    to->total = from->total;
    to->floor = from->floor;
    to->estimate = from->estimate;
    to->target = from->target;
    to->misses = from->misses;
    to->grant = from->grant;
    to->pressure = from->pressure;
    to->confidence = from->confidence;
    to->flags = from->flags;
}

static void client_info(const struct domain *d, struct tmem_domain *t,
                        struct xen_tmem_client *info)
{
    struct tstore_client_stats st;

    tstore_client_stats(t->client, &st);
    memset(info, 0, sizeof(*info));
    info->domid = d->domain_id;
    info->frozen = t->frozen;
    info->refuse = t->refuse;
    info->weight = t->weight;
    info->min = t->min;
    info->cap = t->cap;
    info->hswap = t->hswap;
    info->target = st.target;
    info->ephemeral = st.ephemeral;
    info->persistent = st.persistent;
    info->pools = st.pools;
    info->evicted = st.evicted;
    info->reject_full = st.reject_full;
    info->reject_limit = st.reject_limit;
    info->reject_frozen = st.reject_frozen;
    info->found = st.found;
    info->reports = st.reports;
    client_report(&st.report, &info->report);
    client_counts(d, t, info);
}

/* One client at least, if there is any: the caller asks for those behind it */
static int do_list(struct xen_tmem_control *op)
{
    uint32_t nr = 0, room = op->u.list.nr;
    struct xen_tmem_client info;
    struct domain *d;
    int rc = 0;

    rcu_read_lock(&domlist_read_lock);
    for_each_domain ( d )
    {
        if ( d->domain_id < op->domid || !d->tmem )
            continue;
        if ( nr == room || (nr && general_preempt_check()) )
            break;
        client_info(d, d->tmem, &info);
        if ( copy_to_guest_offset(op->u.list.clients, nr, &info, 1) )
        {
            rc = -EFAULT;
            break;
        }
        nr++;
    }
    rcu_read_unlock(&domlist_read_lock);
    op->u.list.nr = nr;
    return rc;
}

/* All of one domain's, or -ENOSPC */
static int domain_shared(const struct domain *d,
                         const struct xen_tmem_control *op, uint32_t *nr)
{
    struct tstore_shared_stats st;
    struct xen_tmem_shared info;
    uint32_t at = 0, end = *nr;

    while ( tstore_client_shared(d->tmem->client, &at, &st) )
    {
        if ( end >= op->u.shared.nr )
            return -ENOSPC;
        memset(&info, 0, sizeof(info));
        info.uuid[0] = st.uuid[0];
        info.uuid[1] = st.uuid[1];
        info.pages = st.pages;
        info.members = st.members;
        info.domid = d->domain_id;
        info.joined = st.joined;
        if ( copy_to_guest_offset(op->u.shared.pools, end, &info, 1) )
            return -EFAULT;
        end++;
    }
    *nr = end;
    return 0;
}

/* As do_list(): the caller asks for those of the domains behind the last one */
static int do_shared(struct xen_tmem_control *op)
{
    struct domain *d;
    uint32_t nr = 0;
    int rc = 0;

    rcu_read_lock(&domlist_read_lock);
    for_each_domain ( d )
    {
        if ( d->domain_id < op->domid || !d->tmem )
            continue;
        if ( nr && general_preempt_check() )
            break;
        rc = domain_shared(d, op, &nr);
        if ( rc )
            break;
    }
    rcu_read_unlock(&domlist_read_lock);
    op->u.shared.nr = nr;
    return rc == -ENOSPC && nr ? 0 : rc;
}

/* Drops ephemeral pages until @done is @nr or there are none; -ERESTART: more */
static int drop_some(struct tmem_domain *t, uint64_t nr, uint64_t *done)
{
    uint32_t want, got;

    while ( *done < nr )
    {
        want = min(nr - *done, (uint64_t)64);
        got = tstore_client_evict(t->client, want);
        *done += got;
        if ( got < want )
            break;
        if ( general_preempt_check() )
            return -ERESTART;
    }
    return 0;
}

static int set_cap(struct tmem_domain *t, uint64_t cap)
{
    struct tstore_client_stats st;
    uint64_t used, done = 0;

    /* The store would do it in one go */
    tstore_client_stats(t->client, &st);
    used = PFN_UP(st.bytes);
    if ( used > cap && drop_some(t, used - cap, &done) )
        return -ERESTART;
    tstore_client_set_limit(t->client, cap);
    t->cap = cap;
    return 0;
}

static int do_set(struct domain *d, struct tmem_domain *t,
                  struct xen_tmem_control *op)
{
    uint32_t what = op->u.set.what;

    if ( what & ~(XEN_TMEM_SET_MIN | XEN_TMEM_SET_CAP | XEN_TMEM_SET_WEIGHT |
                  XEN_TMEM_SET_HSWAP | XEN_TMEM_SET_FROZEN |
                  XEN_TMEM_SET_REFUSE | XEN_TMEM_SET_GRANT) ||
         op->u.set.frozen > 1 || op->u.set.refuse > 1 )
        return -EINVAL;
    if ( what & XEN_TMEM_SET_MIN )
        t->min = op->u.set.min;
    if ( what & XEN_TMEM_SET_WEIGHT )
        t->weight = op->u.set.weight;
    if ( what & (XEN_TMEM_SET_MIN | XEN_TMEM_SET_WEIGHT) )
        tstore_client_set_share(t->client, t->min, t->weight);
    if ( what & XEN_TMEM_SET_HSWAP )
    {
        spin_lock(&d->page_alloc_lock);
        t->hswap = op->u.set.hswap;
        spin_unlock(&d->page_alloc_lock);
    }
    if ( what & XEN_TMEM_SET_FROZEN )
    {
        t->frozen = op->u.set.frozen;
        tstore_client_freeze(t->client, t->frozen);
    }
    if ( what & XEN_TMEM_SET_REFUSE )
    {
        t->refuse = op->u.set.refuse;
        tstore_client_refuse(t->client, t->refuse);
    }
    if ( what & XEN_TMEM_SET_GRANT )
        tstore_client_set_grant(t->client, op->u.set.grant);
    return what & XEN_TMEM_SET_CAP ? set_cap(t, op->u.set.cap) : 0;
}

static int do_forbid(struct tmem_domain *t, struct xen_tmem_control *op)
{
    bool begun = op->u.share.begun;
    int rc = tstore_client_forbid(t->client, op->u.share.uuid, &begun);

    op->u.share.begun = begun;
    return rc > 0 ? -ERESTART : rc;
}

static int do_save_next(struct tmem_domain *t, struct xen_tmem_control *op)
{
    size_t used = 0;
    int rc;

    if ( op->u.save.bytes < TSTORE_SAVE_BYTES )
        return -EINVAL;
    rc = tstore_save_next(t->client, stream,
                          min_t(size_t, op->u.save.bytes, sizeof(stream)),
                          &used);
    if ( rc < 0 )
        return rc;
    op->u.save.more = rc;
    op->u.save.bytes = used;
    /* What was told of is not told again: this save is of no more use */
    return copy_to_guest(op->u.save.buffer, stream, used) ? -EFAULT : 0;
}

static int do_restore_begin(struct tmem_domain *t)
{
    if ( !t->restore.local )
    {
        t->restore.local = alloc_xenheap_page();
        if ( !t->restore.local )
            return -ENOMEM;
        clear_page(t->restore.local);
    }
    return tstore_restore_begin(t->client, &t->restore);
}

static int do_restore_feed(struct tmem_domain *t, struct xen_tmem_control *op)
{
    if ( op->u.save.bytes > sizeof(stream) )
        return -EINVAL;
    if ( copy_from_guest(stream, op->u.save.buffer, op->u.save.bytes) )
        return -EFAULT;
    /* and the one of which a part has come already */
    tmem_grow(op->u.save.bytes / TSTORE_SAVE_BYTES + 1, true);
    return tstore_restore_feed(t->client, stream, op->u.save.bytes);
}

/*
 * Makes no call, and will make none until a toolstack has it go on: @d is paused,
 * or has suspended itself to be saved.
 */
static bool is_stopped(struct domain *d)
{
    if ( d == current->domain )
        return false;
    if ( atomic_read(&d->pause_count) )
        return true;
    if ( !d->is_shut_down || d->shutdown_code != SHUTDOWN_suspend )
        return false;
    /* Its other vCPUs were told to stop, and not waited for: now they are */
    domain_pause(d);
    domain_unpause(d);
    return true;
}

static int do_stream(struct domain *d, struct tmem_domain *t,
                     struct xen_tmem_control *op)
{
    enum tstore_damage damage;
    int rc;

    switch ( op->op )
    {
    case XEN_TMEM_SAVE_BEGIN:
        /* 48 bytes each: at most some pages, not a way to use memory up */
        if ( !op->u.save.entries || op->u.save.entries > (1u << 20) )
            return -EINVAL;
        if ( t->log )
            return -EBUSY;
        t->log = vzalloc(op->u.save.entries * sizeof(*t->log));
        if ( !t->log )
            return -ENOMEM;
        rc = tstore_save_begin(t->client, t->log, op->u.save.entries);
        if ( rc )
        {
            vfree(t->log);
            t->log = NULL;
        }
        return rc;
    case XEN_TMEM_SAVE_NEXT:
        return t->log ? do_save_next(t, op) : -EINVAL;
    case XEN_TMEM_SAVE_FINISH:
        /* What it is about to write is to be all that there is */
        if ( !t->log || !is_stopped(d) )
            return -EINVAL;
        tstore_save_finish(t->client);
        return 0;
    case XEN_TMEM_SAVE_END:
        if ( !t->log )
            return -EINVAL;
        rc = tstore_save_end(t->client);
        vfree(t->log);
        t->log = NULL;
        return rc;
    case XEN_TMEM_RESTORE_BEGIN:
        return do_restore_begin(t);
    case XEN_TMEM_RESTORE_FEED:
        return do_restore_feed(t, op);
    }
    rc = tstore_restore_end(t->client, &damage);
    op->u.save.damage = damage;
    return rc;
}

/* What is about one domain, which need not have used tmem yet */
static int do_domain(struct xen_tmem_control *op)
{
    struct tmem_domain *t;
    struct domain *d;
    int rc;

    d = rcu_lock_domain_by_any_id(op->domid);
    if ( !d )
        return -ESRCH;
    rc = d->is_dying || !d->vcpu ? -ESRCH : tmem_domain_get(d, &t);
    if ( rc )
        goto out;
    switch ( op->op )
    {
    case XEN_TMEM_SET:
        rc = do_set(d, t, op);
        break;
    case XEN_TMEM_DROP:
        rc = drop_some(t, op->u.pages.nr, &op->u.pages.done);
        break;
    case XEN_TMEM_ALLOW:
        rc = tstore_client_allow(t->client, op->u.share.uuid);
        break;
    case XEN_TMEM_FORBID:
        rc = do_forbid(t, op);
        break;
    default:
        rc = do_stream(d, t, op);
    }
 out:
    rcu_unlock_domain(d);
    return rc;
}

static int do_control(struct xen_tmem_control *op)
{
    switch ( op->op )
    {
    case XEN_TMEM_INFO:
        tmem_pool_info(&op->u.info);
        return 0;
    case XEN_TMEM_LIST:
        return do_list(op);
    case XEN_TMEM_POLICY:
        if ( op->u.policy >= tstore_nr_policies )
            return -EINVAL;
        tmem_set_policy(op->u.policy);
        return 0;
    case XEN_TMEM_RESERVE:
        tmem_set_reserve(op->u.pages.nr);
        return 0;
    case XEN_TMEM_SIZE:
        return tmem_pool_set_size(op->u.pages.nr);
    case XEN_TMEM_FREE:
        return tmem_make_free(op->u.pages.nr);
    case XEN_TMEM_SET:
    case XEN_TMEM_DROP:
    case XEN_TMEM_SAVE_BEGIN ... XEN_TMEM_RESTORE_END:
    case XEN_TMEM_ALLOW ... XEN_TMEM_FORBID:
        return do_domain(op);
    case XEN_TMEM_SHARED:
        return do_shared(op);
    case XEN_TMEM_TRACE_BEGIN ... XEN_TMEM_TRACE_END:
        return tmem_trace_control(op);
    }
    return -EOPNOTSUPP;
}

long tmem_control(XEN_GUEST_HANDLE_PARAM(void) uop)
{
    XEN_GUEST_HANDLE_PARAM(xen_tmem_control_t) arg =
        guest_handle_cast(uop, xen_tmem_control_t);
    struct xen_tmem_control op;
    int rc;

    if ( copy_from_guest(&op, arg, 1) )
        return -EFAULT;
    if ( op.version != XEN_TMEM_CONTROL_VERSION || op.pad )
        return -EINVAL;
    if ( !spin_trylock(&tmem_control_lock) )
        return -ERESTART;
    rc = do_control(&op);
    spin_unlock(&tmem_control_lock);
    /* How far it got, too */
    op.cmd = TMEM_CONTROL;
    if ( (!rc || rc == -ERESTART || rc == -EBADMSG) &&
         copy_to_guest(arg, &op, 1) )
        rc = -EFAULT;
    return rc;
}
