/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what the files of the hypervisor's part share
 *
 * A hypercall is checked and carried to the store by hypercall.c, which has the
 * commands of version 2, and v1.c, with the historical ones.  guest.c gets at
 * the pages of guests, domain.c has what belongs to a domain, memory.c the
 * memory that all of it is in, control.c the commands for the privileged, of
 * which trace.c tells what guests ask for.
 *
 * Locks, outermost first:
 *
 *      control_lock    the existence of a struct tmem_domain, for those who are
 *                      not of that domain; only ever tried, never waited for
 *      d->page_alloc_lock
 *                      its charges
 *      pool_lock       frames of the arena that have memory, and no others
 *      those of the store, see store/private.h
 *
 * A domain's own vCPUs need no lock to use their struct tmem_domain: it ends when
 * none of them can run any more.
 */
#ifndef TMEM_TMEM_H
#define TMEM_TMEM_H

#include <xen/guest_access.h>
#include <xen/spinlock.h>
#include <xen/tmem.h>
#include <public/tmem.h>

#include "store/tstore.h"
#include "store/policy.h"

typedef struct tmem_req tmem_req_t;
DEFINE_XEN_GUEST_HANDLE(tmem_req_t);

/* Of a structure, the command that it begins with, or an answer in it */
typedef uint32_t tmem_word_t;
DEFINE_XEN_GUEST_HANDLE(tmem_word_t);

/* Most clients, most pools of each, and most pools that are shared */
#define TMEM_CLIENTS            512
#define TMEM_POOLS              256
#define TMEM_SHARED             64

/*
 * struct tmem_counts - what a client has asked for, and got
 * @vectors: calls with requests that were carried out
 * @requests: how many there were
 * @puts: pages that were to be put
 * @stored: those that were
 * @gets: pages that were asked for
 * @hits: those that were there
 * @flushed: pages that were dropped by flushes
 * @loaded: of the hits, those that had to stay
 */
struct tmem_counts {
    uint64_t vectors;
    uint64_t requests;
    uint64_t puts;
    uint64_t stored;
    uint64_t gets;
    uint64_t hits;
    uint64_t flushed;
    uint64_t loaded;
};

/*
 * struct tmem_vcpu - what a vCPU needs for a hypercall
 * @pages: the guest's pages of one request
 * @page: a page for what is not the guest's
 * @work: how far a request got that was stopped
 * @token: what tells this request from others, or 0
 * @counts: of what it did; only this vCPU adds to it
 */
struct tmem_vcpu {
    struct page_info *pages[TMEM_MAX_RUN];
    void *page;
    struct tstore_work work;
    uint32_t token;
    struct tmem_counts counts;
};

/*
 * struct tmem_domain - a domain that uses tmem
 * @client: the client of the store that it is
 * @reserved: persistent pages that are being put, page_alloc_lock
 * @hswap: persistent pages beyond what it leaves of its memory,
 *         page_alloc_lock
 * @min: pages that it is sure of, control_lock
 * @cap: most pages that it may keep, control_lock
 * @weight: what it is worth, control_lock
 * @frozen: its puts are refused, control_lock
 * @refuse: those are that must stay, control_lock
 * @attaching: it is being attached for its kernel, which has version 1; 0 or 1
 * @destroying: by id, pools whose destroy by version 1 was stopped
 * @log: what leaves while it is being saved, or NULL, control_lock
 * @restore: while it is being restored, the page that contents pass through
 * @vcpus: by number; each belongs to its vCPU
 */
struct tmem_domain {
    struct tstore_client *client;
    uint64_t reserved;
    uint64_t hswap;
    uint64_t min;
    uint64_t cap;
    uint32_t weight;
    bool frozen;
    bool refuse;
    uint32_t attaching;
    unsigned long destroying;
    struct tstore_gone *log;
    struct tmem_data restore;
    struct tmem_vcpu *vcpus[];
};

/* The store; NULL if there is none.  Set once, while booting. */
extern struct tstore *tmem_store;

extern spinlock_t tmem_control_lock;

/* domain.c */
int tmem_domain_get(struct domain *d, struct tmem_domain **out);
struct tmem_vcpu *tmem_vcpu_get(struct tmem_domain *t, struct vcpu *v);
bool tmem_charge(struct domain *d, unsigned int nr);
void tmem_uncharge(struct domain *d, unsigned int nr);

/* guest.c */
void tmem_pages_get(struct domain *d, struct tmem_vcpu *tv,
                    const struct tmem_req *req, bool write,
                    struct tmem_data *data);
void tmem_pages_put(struct domain *d, struct tmem_data *data, bool write,
                    unsigned int written);

/* hypercall.c */
bool tmem_execute(struct domain *d, struct tmem_vcpu *tv, struct tmem_req *req,
                  struct tstore_work *work);

/* v1.c */
long tmem_v1(struct domain *d, uint32_t cmd, XEN_GUEST_HANDLE_PARAM(void) uop);

/* control.c */
long tmem_control(XEN_GUEST_HANDLE_PARAM(void) uop);

/* trace.c */
extern bool tmem_tracing;
void tmem_trace_note(const struct domain *d, const struct tmem_req *req);
int tmem_trace_control(struct xen_tmem_control *op);
void tmem_trace_expire(void);

/* memory.c */
void tmem_grow(unsigned int nr, bool restored);
int tmem_make_free(unsigned long pages);
int tmem_pool_set_size(uint64_t pages);
void tmem_pool_info(struct xen_tmem_info *info);
void tmem_set_policy(unsigned int policy);
void tmem_set_reserve(uint64_t pages);

#endif /* TMEM_TMEM_H */
