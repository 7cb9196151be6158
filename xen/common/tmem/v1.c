/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: the commands of version 1
 *
 * Guests of the time when Xen had another tmem know these.  They are made
 * requests of version 2, whose meaning is the same or stricter.
 *
 * Such a guest does not attach.  It is attached when it creates a pool and has
 * not been; a later kernel of the same domain, which does not attach either,
 * gets other ids, and what was stored under those of its predecessor is not
 * found by it and remains until the domain ends or attaches.
 */
#include <xen/sched.h>

#include "tmem.h"

/* So many pools a guest of version 1 could have */
#define V1_POOLS        16

static struct tmem_req v1_req(uint8_t op, uint32_t pool)
{
    struct tmem_req req;

    memset(&req, 0, sizeof(req));
    req.op = op;
    req.pool = pool;
    return req;
}

/* Executes a request; 0, its status, or -ERESTART */
static int v1_run(struct domain *d, struct tmem_vcpu *tv, struct tmem_req *req)
{
    memset(&tv->work, 0, sizeof(tv->work));
    tv->token = 0;
    /* What was stopped goes on where it was: each part drops pages */
    if ( !tmem_execute(d, tv, req, &tv->work) )
        return -ERESTART;
    return req->status;
}

static int v1_attach(struct domain *d, struct tmem_vcpu *tv)
{
    struct tmem_attach *at = tv->page;
    struct tmem_data data = { .local = at };
    struct tmem_req req = v1_req(TMEM_OP_ATTACH, 0);

    memset(at, 0, PAGE_SIZE);
    at->version = TMEM_ABI_VERSION;
    at->page_shift = PAGE_SHIFT;
    at->features = TMEM_FEATURES;
    /* It has no pools yet: this is short */
    tstore_execute(d->tmem->client, &req, &data);
    return req.status;
}

/* Under the first id that is free; @pool has all the rest */
static int v1_pool_create(struct domain *d, struct tmem_vcpu *tv,
                          const struct tmem_req *pool)
{
    struct tmem_req req = *pool;
    unsigned int id;
    int rc = -ENOSPC;

    for ( id = 0; id < V1_POOLS; id++ )
    {
        if ( tstore_client_pool(d->tmem->client, id) != -ENXIO )
            continue;
        req.pool = id;
        rc = v1_run(d, tv, &req);
        /* another vCPU may be creating or destroying this one */
        if ( rc != -EBUSY && rc != -EEXIST )
            break;
    }
    if ( !rc )
        clear_bit(id, &d->tmem->destroying);
    return rc ? rc : (int)id;
}

/* The same, with an attach before if there was none */
static int v1_pool_begin(struct domain *d, struct tmem_vcpu *tv,
                         const struct tmem_req *pool)
{
    int rc;

    rc = v1_pool_create(d, tv, pool);
    if ( rc != -ENOTCONN )
        return rc;
    /* An attach of two vCPUs would destroy what the first one of them created */
    if ( cmpxchg(&d->tmem->attaching, 0, 1) )
        return -ERESTART;
    rc = v1_pool_create(d, tv, pool);
    if ( rc == -ENOTCONN )
    {
        rc = v1_attach(d, tv);
        if ( !rc )
            rc = v1_pool_create(d, tv, pool);
    }
    smp_wmb();
    ACCESS_ONCE(d->tmem->attaching) = 0;
    return rc;
}

static long v1_new_pool(struct domain *d, struct tmem_vcpu *tv,
                        const struct xen_tmem_v1 *op)
{
    struct tmem_req pool = v1_req(TMEM_OP_POOL_CREATE, 0);
    uint32_t flags = op->u.creat.flags;
    bool persist = flags & TMEM_POOL_PERSIST;
    int rc;

    if ( ((flags >> TMEM_POOL_VERSION_SHIFT) & TMEM_POOL_VERSION_MASK) !=
         TMEM_SPEC_VERSION )
        return -ENOSYS;
    if ( ((flags >> TMEM_POOL_PAGESIZE_SHIFT) & TMEM_POOL_PAGESIZE_MASK) ||
         flags & (TMEM_POOL_RESERVED_BITS | TMEM_POOL_PRECOMPRESSED) ||
         (persist && flags & TMEM_POOL_SHARED) )
        return -EPERM;
    if ( flags & TMEM_POOL_SHARED )
    {
        pool.index = TMEM_POOL_SHARED;
        pool.object[0] = op->u.creat.uuid[0];
        pool.object[1] = op->u.creat.uuid[1];
        rc = v1_pool_begin(d, tv, &pool);
        if ( rc != -EPERM )
            return rc;
        /* Who was not authorised has always got a private one */
        pool = v1_req(TMEM_OP_POOL_CREATE, 0);
    }
    pool.index = persist ? TMEM_POOL_PERSISTENT : 0;
    return v1_pool_begin(d, tv, &pool);
}

static long v1_destroy_pool(struct domain *d, struct tmem_vcpu *tv,
                            const struct xen_tmem_v1 *op)
{
    struct tmem_req req = v1_req(TMEM_OP_POOL_DESTROY, op->pool_id);
    int rc;

    if ( op->pool_id < 0 || op->pool_id >= V1_POOLS )
        return 0;
    rc = v1_run(d, tv, &req);
    if ( rc == -ERESTART )
    {
        set_bit(op->pool_id, &d->tmem->destroying);
        return rc;
    }
    /* one that was stopped may find that an attach has done the rest */
    return test_and_clear_bit(op->pool_id, &d->tmem->destroying) || !rc;
}

/* The answer that stands for the status of a put, a get or a flush */
static long v1_answer(uint32_t cmd, int status)
{
    switch ( status )
    {
    case 0:
        return 1;
    case -ENOENT:
        return 0;
    case -ENXIO:
        return -ENODEV;
    case -EDQUOT:
    case -ENOSPC:
        return -ENOMEM;
    case -EBUSY:
        return -EFROZEN;
    }
    return status;
}

static long v1_generic(struct domain *d, struct tmem_vcpu *tv,
                       const struct xen_tmem_v1 *op)
{
    static const uint8_t ops[] = {
        [TMEM_PUT_PAGE] = TMEM_OP_PUT,
        [TMEM_GET_PAGE] = TMEM_OP_GET,
        [TMEM_FLUSH_PAGE] = TMEM_OP_FLUSH,
        [TMEM_FLUSH_OBJECT] = TMEM_OP_FLUSH_OBJECT,
    };
    struct tmem_req req;
    int rc;

    if ( op->pool_id < 0 || op->pool_id >= V1_POOLS )
        return -ENODEV;
    req = v1_req(ops[op->cmd], op->pool_id);
    req.object[0] = op->u.gen.oid[0];
    req.object[1] = op->u.gen.oid[1];
    req.object[2] = op->u.gen.oid[2];
    if ( op->cmd != TMEM_FLUSH_OBJECT )
    {
        req.index = op->u.gen.index;
        req.nr_pages = 1;
    }
    if ( op->cmd == TMEM_PUT_PAGE || op->cmd == TMEM_GET_PAGE )
    {
        /* parts of pages were never put */
        if ( op->u.gen.tmem_offset || op->u.gen.pfn_offset ||
             (op->u.gen.len && op->u.gen.len != PAGE_SIZE) )
            return -EINVAL;
        req.addr = op->u.gen.cmfn;
    }
    rc = v1_run(d, tv, &req);
    return rc == -ERESTART ? rc : v1_answer(op->cmd, rc);
}

long tmem_v1(struct domain *d, uint32_t cmd, XEN_GUEST_HANDLE_PARAM(void) uop)
{
    struct tmem_vcpu *tv;
    struct xen_tmem_v1 op;

    switch ( cmd )
    {
    case TMEM_NEW_POOL:
    case TMEM_DESTROY_POOL:
    case TMEM_PUT_PAGE:
    case TMEM_GET_PAGE:
    case TMEM_FLUSH_PAGE:
    case TMEM_FLUSH_OBJECT:
        break;
    default:
        return -ENOSYS;
    }
    if ( copy_from_guest(&op, guest_handle_cast(uop, xen_tmem_v1_t), 1) )
        return -EFAULT;
    /* what was looked at before is what is done */
    op.cmd = cmd;
    tv = tmem_vcpu_get(d->tmem, current);
    if ( !tv )
        return -ENOMEM;
    if ( cmd == TMEM_NEW_POOL )
        return v1_new_pool(d, tv, &op);
    if ( cmd == TMEM_DESTROY_POOL )
        return v1_destroy_pool(d, tv, &op);
    return v1_generic(d, tv, &op);
}
