/* SPDX-License-Identifier: MIT */
/*
 * Transcendent memory: the control of it in Xen, by the hypercall tmem_op
 *
 * A copy of what is in Xen's public/tmem.h, for a machine whose header does not
 * have it: what is between the first comment and the assertions is the same.
 * Before it come <xen/xen.h>, with __XEN_TOOLS__, and the number of the command.
 */
#ifndef _TMEMCTL_XEN_ABI_H
#define _TMEMCTL_XEN_ABI_H

#define __XEN_TOOLS__ 1
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/memory.h>

#define TMEM_CONTROL               0 /* struct xen_tmem_control, privileged */

/* TMEM_CONTROL: for the toolstack.  Anything that is not used is zero. */
#define XEN_TMEM_CONTROL_VERSION   5

#define XEN_TMEM_INFO              1 /* u.info */
#define XEN_TMEM_LIST              2 /* u.list, of clients from domid on, or some */
#define XEN_TMEM_SET               3 /* u.set, of one client */
#define XEN_TMEM_DROP              4 /* u.pages of one client, ephemeral */
#define XEN_TMEM_POLICY            5 /* u.policy */
#define XEN_TMEM_RESERVE           6 /* u.pages that are left free */
#define XEN_TMEM_SIZE              7 /* u.pages that all of it may take */
#define XEN_TMEM_FREE              8 /* u.pages that are to be free now */
#define XEN_TMEM_SAVE_BEGIN        9 /* u.save, as up to RESTORE_END */
#define XEN_TMEM_SAVE_NEXT        10
#define XEN_TMEM_SAVE_FINISH      11
#define XEN_TMEM_SAVE_END         12
#define XEN_TMEM_RESTORE_BEGIN    13
#define XEN_TMEM_RESTORE_FEED     14
#define XEN_TMEM_RESTORE_END      15
#define XEN_TMEM_TRACE_BEGIN      16 /* u.trace, as up to TRACE_END */
#define XEN_TMEM_TRACE_READ       17
#define XEN_TMEM_TRACE_STOP       18
#define XEN_TMEM_TRACE_END        19
#define XEN_TMEM_ALLOW            20 /* u.share: one client may join it */
#define XEN_TMEM_FORBID           21 /* u.share: it has to leave, for good */
#define XEN_TMEM_SHARED           22 /* u.shared, of clients from domid on, or some */

struct xen_tmem_info {
    uint64_aligned_t pages;       /* most pages that the pool can have */
    uint64_aligned_t present;     /* pages that it has at present */
    uint64_aligned_t free;        /* of these, those that hold nothing */
    uint64_aligned_t ephemeral;   /* pages that may be dropped */
    uint64_aligned_t persistent;  /* pages that must stay */
    uint64_aligned_t metadata;    /* pages that describe them */
    uint64_aligned_t heap_free;   /* pages that nobody uses */
    uint64_aligned_t freeable;    /* pages that XEN_TMEM_FREE could add */
    uint64_aligned_t size;        /* of XEN_TMEM_SIZE */
    uint64_aligned_t reserve;     /* of XEN_TMEM_RESERVE */
    uint64_aligned_t stored;      /* pages since boot, as the rest */
    uint64_aligned_t replaced;
    uint64_aligned_t hits;
    uint64_aligned_t misses;
    uint64_aligned_t flushed;
    uint64_aligned_t evicted;
    uint64_aligned_t reject_full;
    uint64_aligned_t reject_limit;
    uint64_aligned_t reject_frozen;
    uint32_t policy;
    uint32_t nr_policies;
};

/* What a client said last of its memory, by REPORT; zero: nothing so far */
struct xen_tmem_report {
    uint64_aligned_t total;       /* pages, as the rest */
    uint64_aligned_t floor;
    uint64_aligned_t estimate;
    uint64_aligned_t target;
    uint64_aligned_t misses;      /* a second */
    uint64_aligned_t grant;       /* the answer */
    uint32_t pressure;            /* per mille */
    uint32_t confidence;          /* percent */
    uint32_t flags;               /* TMEM_REPORT_* of version 2 */
    uint32_t pad;
};

struct xen_tmem_client {
    domid_t domid;
    uint8_t frozen;
    uint8_t refuse;
    uint32_t weight;
    uint64_aligned_t min;         /* pages, as the rest */
    uint64_aligned_t cap;
    uint64_aligned_t hswap;
    uint64_aligned_t target;      /* what the policy found to be its due */
    uint64_aligned_t ephemeral;
    uint64_aligned_t persistent;
    uint64_aligned_t pools;
    uint64_aligned_t evicted;
    uint64_aligned_t reject_full;
    uint64_aligned_t reject_limit;
    uint64_aligned_t reject_frozen;
    /* since it became a client; of pages but for the first two */
    uint64_aligned_t vectors;     /* TMEM_SUBMITs */
    uint64_aligned_t requests;    /* of both versions of the ABI */
    uint64_aligned_t puts;        /* that were to be put */
    uint64_aligned_t stored;
    uint64_aligned_t gets;        /* that were asked for */
    uint64_aligned_t hits;
    uint64_aligned_t flushed;
    uint64_aligned_t loaded;      /* of the hits, those that had to stay */
    uint64_aligned_t found;       /* the others, and those that room for all
                                     would have made; an estimate */
    uint64_aligned_t reports;     /* REPORTs that were listened to */
    struct xen_tmem_report report;
};
typedef struct xen_tmem_client xen_tmem_client_t;
DEFINE_XEN_GUEST_HANDLE(xen_tmem_client_t);

/* A shared pool that a client may join */
struct xen_tmem_shared {
    uint64_aligned_t uuid[2];     /* words, as in POOL_CREATE of version 2 */
    uint64_aligned_t pages;       /* that are in it, of whichever client */
    uint32_t members;             /* pools of clients that are this one */
    domid_t domid;
    uint8_t joined;               /* the client has joined */
    uint8_t pad;
};
typedef struct xen_tmem_shared xen_tmem_shared_t;
DEFINE_XEN_GUEST_HANDLE(xen_tmem_shared_t);

/* A request of a guest's, as it was asked for, whatever came of it */
struct xen_tmem_event {
    uint64_aligned_t us;          /* since the trace began; not quite in order */
    uint64_aligned_t object[3];
    uint64_aligned_t index;
    uint32_t nr_pages;
    uint32_t pool;
    domid_t domid;
    uint8_t op;                   /* TMEM_OP_* of version 2 */
    uint8_t flags;                /* of the pool, as it is then, TMEM_POOL_* */
    uint8_t pad[4];
};
typedef struct xen_tmem_event xen_tmem_event_t;
DEFINE_XEN_GUEST_HANDLE(xen_tmem_event_t);

/* xen_tmem_event.flags: there is no such pool */
#define XEN_TMEM_NO_POOL          0xff

/* xen_tmem_control.u.set.what: which of them */
#define XEN_TMEM_SET_MIN          (1u << 0)
#define XEN_TMEM_SET_CAP          (1u << 1)
#define XEN_TMEM_SET_WEIGHT       (1u << 2)
#define XEN_TMEM_SET_HSWAP        (1u << 3)
#define XEN_TMEM_SET_FROZEN       (1u << 4)
#define XEN_TMEM_SET_REFUSE       (1u << 5)
#define XEN_TMEM_SET_GRANT        (1u << 6)

struct xen_tmem_control {
    uint32_t cmd;
    uint32_t version;             /* XEN_TMEM_CONTROL_VERSION */
    uint32_t op;                  /* XEN_TMEM_* */
    domid_t domid;
    uint16_t pad;
    union {
        struct xen_tmem_info info;                     /* out */
        struct {
            uint32_t nr;                               /* in: room, out */
            uint32_t pad;
            XEN_GUEST_HANDLE_64(xen_tmem_client_t) clients;
        } list;
        struct {
            uint32_t what;                             /* XEN_TMEM_SET_* */
            uint32_t weight;
            uint64_aligned_t min;
            uint64_aligned_t cap;
            uint64_aligned_t hswap;
            uint8_t frozen;
            uint8_t refuse;     /* puts that must stay */
            uint8_t pad[6];
            uint64_aligned_t grant; /* what REPORTs are answered; 0: what they ask */
        } set;
        struct {
            uint64_aligned_t nr;                       /* in */
            uint64_aligned_t done;                     /* zero, out */
        } pages;
        uint32_t policy;
        struct {
            uint32_t entries;   /* BEGIN: of the log of what leaves meanwhile */
            uint32_t bytes;     /* NEXT: in: room, out; FEED: in */
            uint32_t more;      /* NEXT: out: there is more to tell */
            uint32_t damage;    /* END: out: what is wrong with the stream */
            XEN_GUEST_HANDLE_64(uint8) buffer;
        } save;
        /*
         * There is one trace at a time: BEGIN says -EBUSY if there is one, the
         * others -ENOENT if there is none.  It ends by itself when there was no
         * READ for ten seconds.  STOP: nothing is added any more; END: it is
         * gone.
         */
        struct {
            uint32_t nr;        /* READ: in: room, out: 0: none at present */
            uint32_t pad;
            uint64_aligned_t lost; /* READ, STOP, END: out: for want of room */
            XEN_GUEST_HANDLE_64(xen_tmem_event_t) events;
        } trace;
        struct {
            uint64_aligned_t uuid[2]; /* not zero; there need be no such pool */
            uint32_t begun;     /* zero; the hypervisor's own while it lasts */
            uint32_t pad;
        } share;
        /* All of a client's, or none: -ENOSPC if not the first one's fit */
        struct {
            uint32_t nr;        /* in: room, out: 0: there are no more */
            uint32_t pad;
            XEN_GUEST_HANDLE_64(xen_tmem_shared_t) pools;
        } shared;
    } u;
};
typedef struct xen_tmem_control xen_tmem_control_t;
DEFINE_XEN_GUEST_HANDLE(xen_tmem_control_t);

_Static_assert(sizeof(struct xen_tmem_info) == 160, "size of info");
_Static_assert(sizeof(struct xen_tmem_client) == 240, "size of client");
_Static_assert(sizeof(struct xen_tmem_event) == 56, "size of event");
_Static_assert(sizeof(struct xen_tmem_shared) == 32, "size of shared");
_Static_assert(sizeof(struct xen_tmem_control) == 176, "size of control");
_Static_assert(offsetof(struct xen_tmem_control, domid) == 12, "domid");
_Static_assert(offsetof(struct xen_tmem_control, u) == 16, "u");
_Static_assert(offsetof(struct xen_tmem_control, u.list.clients) == 24, "clients");
_Static_assert(offsetof(struct xen_tmem_control, u.save.buffer) == 32, "buffer");
_Static_assert(offsetof(struct xen_tmem_control, u.trace.events) == 32, "events");
_Static_assert(offsetof(struct xen_tmem_control, u.share.begun) == 32, "begun");
_Static_assert(offsetof(struct xen_tmem_control, u.shared.pools) == 24, "pools");

#endif /* _TMEMCTL_XEN_ABI_H */
