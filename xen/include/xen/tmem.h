/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what the rest of the hypervisor knows of it
 *
 * common/tmem/ keeps pages for guests in memory that nobody has a better use
 * for.  The interface to guests is public/tmem.h.
 */
#ifndef XEN_TMEM_H
#define XEN_TMEM_H

#include <xen/types.h>

struct domain;

#ifdef CONFIG_TMEM

/* Drops all that a dying domain keeps; -ERESTART: call again */
int tmem_domain_destroy(struct domain *d);

/*
 * Persistent pages of a domain, which count against d->max_pages.  The caller
 * holds d->page_alloc_lock.
 */
unsigned long tmem_charged_pages(const struct domain *d);

/*
 * Gives memory back to the heap until so many pages of it, and the reserve, are
 * free and not claimed, as far as what guests were promised to keep allows: for
 * a claim, which is granted whole or not at all.  If there will never be enough,
 * nothing is given back.  No lock is held.
 * -ERESTART: preempted, call again; 0: that is all there is.
 */
int tmem_prepare_claim(unsigned long pages);

/* The same for one allocation that has failed; tells if it is worth a retry */
bool tmem_release_some(unsigned int order);

/* Pages that could be given back */
unsigned long tmem_freeable_pages(void);

#else /* !CONFIG_TMEM */

static inline int tmem_domain_destroy(struct domain *d)
{
    return 0;
}

static inline unsigned long tmem_charged_pages(const struct domain *d)
{
    return 0;
}

static inline int tmem_prepare_claim(unsigned long pages)
{
    return 0;
}

static inline bool tmem_release_some(unsigned int order)
{
    return false;
}

static inline unsigned long tmem_freeable_pages(void)
{
    return 0;
}

#endif /* CONFIG_TMEM */

#endif /* XEN_TMEM_H */
