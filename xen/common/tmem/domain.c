/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what belongs to a domain
 *
 * A domain becomes a client of the store with its first request, and stays one
 * until it is torn down, when none of its vCPUs can run any more.
 */
#include <xen/sched.h>
#include <xen/xmalloc.h>

#include "tmem.h"

DEFINE_SPINLOCK(tmem_control_lock);

static void domain_free(struct domain *d, struct tmem_domain *t)
{
    unsigned int i;

    for ( i = 0; i < d->max_vcpus; i++ )
    {
        if ( t->vcpus[i] )
            free_xenheap_page(t->vcpus[i]->page);
        xfree(t->vcpus[i]);
    }
    tstore_client_destroy(t->client);
    vfree(t->log);
    free_xenheap_page(t->restore.local);
    xfree(t);
}

static struct tmem_domain *domain_alloc(struct domain *d, int *rc)
{
    struct tmem_domain *t;

    t = xzalloc_flex_struct(struct tmem_domain, vcpus, d->max_vcpus);
    if ( !t )
    {
        *rc = -ENOMEM;
        return NULL;
    }
    t->cap = ~0ULL;
    t->weight = 1;
    *rc = tstore_client_create(tmem_store, t->cap, &t->client);
    if ( *rc )
    {
        xfree(t);
        return NULL;
    }
    return t;
}

/*
 * What @d is to tmem.  Of two vCPUs that are the first, one has made it in vain.
 */
int tmem_domain_get(struct domain *d, struct tmem_domain **out)
{
    struct tmem_domain *t = ACCESS_ONCE(d->tmem);
    int rc = 0;

    if ( !t )
    {
        t = domain_alloc(d, &rc);
        if ( !t )
            return rc;
        if ( cmpxchgptr(&d->tmem, NULL, t) )
        {
            domain_free(d, t);
            t = ACCESS_ONCE(d->tmem);
        }
    }
    *out = t;
    return 0;
}

/* What the current vCPU needs; NULL: no memory for it */
struct tmem_vcpu *tmem_vcpu_get(struct tmem_domain *t, struct vcpu *v)
{
    struct tmem_vcpu *tv = t->vcpus[v->vcpu_id];

    ASSERT(v == current);
    if ( tv )
        return tv;
    tv = xzalloc(struct tmem_vcpu);
    if ( !tv )
        return NULL;
    tv->page = alloc_xenheap_page();
    if ( !tv->page )
    {
        xfree(tv);
        return NULL;
    }
    clear_page(tv->page);
    /* Others look at what it counts */
    smp_wmb();
    t->vcpus[v->vcpu_id] = tv;
    return tv;
}

/*
 * Called when the domain is dying and paused: it makes no more hypercalls.  What
 * others may be doing to it they do under the control lock, which is left to
 * them until they are through.
 */
int tmem_domain_destroy(struct domain *d)
{
    struct tmem_domain *t;

    /* One that was never finished nobody has found, and it cannot be retried */
    if ( !tmem_store || d->is_dying == DOMDYING_dead )
        return 0;
    if ( !spin_trylock(&tmem_control_lock) )
        return -ERESTART;
    t = d->tmem;
    if ( !t )
    {
        spin_unlock(&tmem_control_lock);
        return 0;
    }
    /* a restore or a save that nobody ended */
    tstore_restore_end(t->client, NULL);
    tstore_save_end(t->client);
    if ( !tstore_client_clear(t->client) )
    {
        spin_unlock(&tmem_control_lock);
        return -ERESTART;
    }
    d->tmem = NULL;
    spin_unlock(&tmem_control_lock);
    /* whoever counts its charges */
    spin_barrier(&d->page_alloc_lock);
    domain_free(d, t);
    return 0;
}

/*
 * Persistent pages are the domain's own memory: they take the place of pages that
 * it could have had and has not, having ballooned down, and are counted with
 * those that it has whenever it asks for more.  So what a guest can make the
 * host keep for it is bounded by what the host's administrator let it have,
 * whether as memory or as pages that were swapped out, and swapping does not
 * make a domain any larger.  A domain that has all of its memory may keep none,
 * unless it is granted some beyond: hswap, which is set with its weight and cap.
 *
 * The store's count and the domain's are compared under the lock that all
 * allocations to the domain take, with pages that are just being put counted in
 * full.  Ephemeral pages are not charged: they go whenever anybody needs memory.
 */
static uint64_t charged(const struct domain *d)
{
    const struct tmem_domain *t = ACCESS_ONCE(d->tmem);
    struct tstore_client_stats st;
    uint64_t pages;

    if ( !t )
        return 0;
    tstore_client_stats(t->client, &st);
    pages = st.persistent + t->reserved;
    return pages > t->hswap ? pages - t->hswap : 0;
}

unsigned long tmem_charged_pages(const struct domain *d)
{
    return charged(d);
}

/* May @nr persistent pages be put?  Then they are charged until uncharged. */
bool tmem_charge(struct domain *d, unsigned int nr)
{
    bool ok;

    spin_lock(&d->page_alloc_lock);
    d->tmem->reserved += nr;
    ok = domain_tot_pages(d) + charged(d) <= d->max_pages;
    if ( !ok )
        d->tmem->reserved -= nr;
    spin_unlock(&d->page_alloc_lock);
    return ok;
}

/* The put is over: pages that it stored are in the store's count now */
void tmem_uncharge(struct domain *d, unsigned int nr)
{
    spin_lock(&d->page_alloc_lock);
    ASSERT(d->tmem->reserved >= nr);
    d->tmem->reserved -= nr;
    spin_unlock(&d->page_alloc_lock);
}
