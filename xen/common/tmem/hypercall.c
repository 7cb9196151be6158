/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: the hypercall
 *
 * Everything that a guest says is copied in once, and the copy is what is
 * checked and done.  The store checks a request in full, and takes nothing for
 * granted that is in one; what is left to do here is to find pages, to charge
 * for those that must stay, to find memory for them, and to stop in time.
 *
 * Between two requests, and in the middle of one that destroys much, a call may
 * be made a continuation.  Then the guest's structure says how many requests are
 * done, and the request that was stopped carries, in the fields where its answer
 * will be, a token that tells it from any other.  A guest that writes nonsense
 * to either has its own requests done twice, or not at all.
 */
#include <xen/event.h>
#include <xen/hypercall.h>
#include <xen/sched.h>

#include <xsm/xsm.h>

#include "tmem.h"

/* A status that no request ever has: it was stopped, and done is a token */
#define STATUS_STOPPED  INT32_MIN

static bool op_writes(const struct tmem_req *req)
{
    return req->op == TMEM_OP_GET || req->op == TMEM_OP_ATTACH ||
           req->op == TMEM_OP_REPORT || req->op == TMEM_OP_QUERY;
}

static bool op_has_pages(const struct tmem_req *req)
{
    return req->op == TMEM_OP_PUT || op_writes(req);
}

/* A put that is refused drops what there is of its pages, as any that fails */
static void put_refuse(struct tmem_domain *t, struct tmem_req *req)
{
    struct tmem_req flush = *req;

    flush.op = TMEM_OP_FLUSH;
    flush.flags = 0;
    flush.seq = 0;
    flush.addr = 0;
    tstore_execute(t->client, &flush, NULL);
    /* one that is malformed, or of no pool, is told so */
    req->status = flush.status ? flush.status : -EDQUOT;
    req->done = 0;
}

/* Executes a request that brings or wants pages: these are never stopped */
static void execute_pages(struct domain *d, struct tmem_vcpu *tv,
                          struct tmem_req *req)
{
    bool put = req->op == TMEM_OP_PUT, write = op_writes(req);
    struct tmem_domain *t = d->tmem;
    unsigned int charge = 0;
    struct tmem_data data;

    if ( put && req->nr_pages && req->nr_pages <= TMEM_MAX_RUN )
    {
        if ( tstore_client_pool(t->client, req->pool) == TMEM_POOL_PERSISTENT )
            charge = req->nr_pages;
        if ( charge && !tmem_charge(d, charge) )
        {
            put_refuse(t, req);
            return;
        }
        tmem_grow(req->nr_pages, false);
    }
    tmem_pages_get(d, tv, req, write, &data);
    tstore_execute(t->client, req, &data);
    tmem_pages_put(d, &data, write, req->op == TMEM_OP_GET ? req->done + 1 : 1);
    if ( charge )
        tmem_uncharge(d, charge);
}

/* Returns false if it was stopped */
static bool execute(struct domain *d, struct tmem_vcpu *tv,
                    struct tmem_req *req, struct tstore_work *work)
{
    struct tmem_data data = { .pages = tv->pages };
    bool over;

    if ( req->op == TMEM_OP_ATTACH )
    {
        tmem_pages_get(d, tv, req, true, &data);
        over = tstore_execute_some(d->tmem->client, req, &data, work);
        tmem_pages_put(d, &data, true, 1);
        return over;
    }
    if ( op_has_pages(req) )
    {
        execute_pages(d, tv, req);
        return true;
    }
    return tstore_execute_some(d->tmem->client, req, NULL, work);
}

static void count(const struct tmem_domain *t, struct tmem_counts *counts,
                  const struct tmem_req *req)
{
    counts->requests++;
    switch ( req->op )
    {
    case TMEM_OP_PUT:
        counts->puts += req->nr_pages;
        counts->stored += req->done;
        break;
    case TMEM_OP_GET:
        counts->gets += req->nr_pages;
        counts->hits += req->done;
        if ( req->done && tstore_client_pool(t->client, req->pool) ==
                          TMEM_POOL_PERSISTENT )
            counts->loaded += req->done;
        break;
    case TMEM_OP_FLUSH:
    case TMEM_OP_FLUSH_OBJECT:
        counts->flushed += req->done;
        break;
    }
}

/*
 * Executes a request of the current domain's.  Returns false if it was stopped:
 * it is to be executed again with the same @work.
 */
bool tmem_execute(struct domain *d, struct tmem_vcpu *tv, struct tmem_req *req,
                  struct tstore_work *work)
{
    ASSERT(d == current->domain);
    if ( !execute(d, tv, req, work) )
        return false;
    count(d->tmem, &tv->counts, req);
    if ( unlikely(ACCESS_ONCE(tmem_tracing)) )
        tmem_trace_note(d, req);
    return true;
}

/* Takes up the work of a request if it is the one that was stopped last here */
static void work_resume(struct tmem_vcpu *tv, const struct tmem_req *req)
{
    if ( !tv->token || req->status != STATUS_STOPPED ||
         req->done != tv->token )
        memset(&tv->work, 0, sizeof(tv->work));
    tv->token = 0;
}

static void work_stop(struct tmem_vcpu *tv, struct tmem_req *req)
{
    static atomic_t tokens = ATOMIC_INIT(0);

    /* Should it be 0, the request begins anew */
    tv->token = atomic_inc_return(&tokens);
    req->status = STATUS_STOPPED;
    req->done = tv->token;
}

/* Executes one request in the guest's memory; 0, -EFAULT, or -ERESTART */
static int submit_one(struct domain *d, struct tmem_vcpu *tv,
                      XEN_GUEST_HANDLE_PARAM(tmem_req_t) reqs, unsigned int i)
{
    struct tmem_req req;
    tmem_word_t answer[2];
    bool over;

    if ( copy_from_guest_offset(&req, reqs, i, 1) )
        return -EFAULT;
    work_resume(tv, &req);
    over = tmem_execute(d, tv, &req, &tv->work);
    if ( !over )
        work_stop(tv, &req);
    BUILD_BUG_ON(offsetof(struct tmem_req, done) !=
                 offsetof(struct tmem_req, status) + 4);
    answer[0] = req.status;
    answer[1] = req.done;
    if ( copy_to_guest_offset(guest_handle_from_ptr(reqs.p, tmem_word_t),
                              (i * sizeof(req) +
                               offsetof(struct tmem_req, status)) / 4,
                              answer, 2) )
        return -EFAULT;
    return over ? 0 : -ERESTART;
}

/* @sub is the copy of what the guest has at @arg */
static long submit(struct domain *d, struct xen_tmem_submit *sub,
                   XEN_GUEST_HANDLE_PARAM(xen_tmem_submit_t) arg)
{
    XEN_GUEST_HANDLE_PARAM(tmem_req_t) reqs;
    struct tmem_vcpu *tv;
    long rc = 0;

    if ( !sub->nr || sub->nr > TMEM_SUBMIT_MAX || sub->done > sub->nr ||
         sub->reserved )
        return -EINVAL;
    tv = tmem_vcpu_get(d->tmem, current);
    if ( !tv )
        return -ENOMEM;
    reqs = guest_handle_from_ptr((void *)sub->reqs, tmem_req_t);

    while ( sub->done < sub->nr )
    {
        rc = submit_one(d, tv, reqs, sub->done);
        if ( rc )
            break;
        if ( ++sub->done < sub->nr && hypercall_preempt_check() )
        {
            rc = -ERESTART;
            break;
        }
    }
    tv->counts.vectors += !rc;
    if ( (!rc || rc == -ERESTART) && copy_field_to_guest(arg, sub, done) )
        rc = -EFAULT;
    return rc;
}

long do_tmem_op(XEN_GUEST_HANDLE_PARAM(void) uop)
{
    XEN_GUEST_HANDLE_PARAM(xen_tmem_submit_t) arg =
        guest_handle_cast(uop, xen_tmem_submit_t);
    struct domain *d = current->domain;
    struct xen_tmem_submit sub;
    struct tmem_domain *t;
    long rc;

    if ( !tmem_store )
        return -EOPNOTSUPP;
    /* The structures of all other commands are longer */
    if ( copy_from_guest(&sub, arg, 1) )
        return -EFAULT;

    if ( sub.cmd == TMEM_CONTROL )
    {
        rc = xsm_tmem_control(XSM_PRIV);
        if ( !rc )
            rc = tmem_control(uop);
    }
    else
    {
        rc = xsm_tmem_op(XSM_HOOK);
        if ( !rc )
            rc = tmem_domain_get(d, &t);
        if ( !rc )
            rc = sub.cmd == TMEM_SUBMIT ? submit(d, &sub, arg)
                                        : tmem_v1(d, sub.cmd, uop);
    }

    if ( rc == -ERESTART )
        rc = hypercall_create_continuation(__HYPERVISOR_tmem_op, "h", uop);
    return rc;
}

#ifdef CONFIG_COMPAT
/* Their structures are laid out in another way, and none has ever been built */
int compat_tmem_op(XEN_GUEST_HANDLE_PARAM(void) uop)
{
    return -EOPNOTSUPP;
}
#endif
