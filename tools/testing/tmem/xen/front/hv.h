/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: as much of a hypervisor as its hypercall needs, in a
 * process
 *
 * xen/common/tmem/ is compiled as it is; each header of Xen's that it includes is
 * this one.  Guests are pages of memory.  What is taken, a reference, a lock, a
 * mapping, memory, is counted, and hv_idle() says if something was left.
 */
#ifndef TMEM_TEST_HV_H
#define TMEM_TEST_HV_H

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_TMEM		1
#define CONFIG_COMPAT		1
/* What the headers for guests and toolstacks have only for these */
#define __XEN_TOOLS__		1
#include <xen-public/tmem.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
typedef uint8_t __u8;
typedef uint16_t __u16;
typedef uint32_t __u32;
typedef uint64_t __u64;
typedef int32_t __s32;

#define PAGE_SHIFT		12
#define PAGE_SIZE		(1L << PAGE_SHIFT)
#define BITS_PER_LONG		64
#define PFN_UP(x)		(((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define ERESTART		85

#define __read_mostly
#define __maybe_unused		__attribute__((unused))
#define __aligned(a)		__attribute__((aligned(a)))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define BUILD_BUG_ON(c)		((void)sizeof(char[1 - 2 * !!(c)]))
#ifdef HV_RELEASE
#define ASSERT(c)		((void)sizeof(c))
#else
#define ASSERT(c) \
	do { \
		if (!(c)) \
			hv_die("assertion failed: %s", #c); \
	} while (0)
#endif
#define ACCESS_ONCE(x)		(*(volatile __typeof__(x) *)&(x))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define min_t(t, a, b)		min((t)(a), (t)(b))
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define smp_mb()		__sync_synchronize()
#define smp_rmb()		__sync_synchronize()
#define smp_wmb()		__sync_synchronize()
#define smp_mb__before_atomic()	__sync_synchronize()
#define smp_mb__after_atomic()	__sync_synchronize()
#define arch_fetch_and_add(p, v)	__sync_fetch_and_add(p, v)
#define cpu_relax()		((void)0)
#define prefetch(p)		__builtin_prefetch(p)
#define cmpxchg(p, o, n)	__sync_val_compare_and_swap(p, o, n)
#define cmpxchgptr(p, o, n)	__sync_val_compare_and_swap(p, o, n)

#define set_bit(n, p)		((void)__sync_fetch_and_or(p, 1UL << (n)))
#define clear_bit(n, p)		((void)__sync_fetch_and_and(p, ~(1UL << (n))))
#define test_and_clear_bit(n, p) \
	(__sync_fetch_and_and(p, ~(1UL << (n))) >> (n) & 1)

void hv_die(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

typedef struct { int counter; } atomic_t;
#define ATOMIC_INIT(i)		{ i }
#define atomic_read(a)		((a)->counter)
#define atomic_inc(a)		((void)__sync_add_and_fetch(&(a)->counter, 1))
#define atomic_dec(a)		((void)__sync_sub_and_fetch(&(a)->counter, 1))
#define atomic_inc_return(a)	__sync_add_and_fetch(&(a)->counter, 1)

/* Time goes on when a test says so */
typedef int64_t s_time_t;
s_time_t hv_time(void);
#define NOW()			hv_time()
#define SECONDS(n)		((s_time_t)(n) * 1000000000)
#define MICROSECS(n)		((s_time_t)(n) * 1000)

/* Locks, of which a call that returns holds none */
typedef struct { bool held; } spinlock_t;
#define DEFINE_SPINLOCK(l)	spinlock_t l
#define spin_lock_init(l)	((void)((l)->held = false))
#define spin_is_locked(l)	((l)->held)
void spin_lock(spinlock_t *l);
void spin_unlock(spinlock_t *l);
bool spin_trylock(spinlock_t *l);
#define spin_barrier(l)		ASSERT(!(l)->held)

/* Memory */
void *hv_zalloc(size_t bytes);
void hv_free(void *ptr);
#define vzalloc(n)		hv_zalloc(n)
#define vfree(p)		hv_free(p)
#define xfree(p)		hv_free(p)
#define xzalloc(t)		((t *)hv_zalloc(sizeof(t)))
#define xzalloc_flex_struct(t, f, n) \
	((t *)hv_zalloc(offsetof(t, f[n])))
#define alloc_xenheap_page()	hv_zalloc(PAGE_SIZE)
#define free_xenheap_page(p)	hv_free(p)
#define clear_page(p)		memset(p, 0, PAGE_SIZE)

/* Domains */
struct domain;

struct vcpu {
	unsigned int vcpu_id;
	struct domain *domain;
};

#define HV_VCPUS		2

enum { DOMDYING_alive, DOMDYING_dying, DOMDYING_dead };

struct domain {
	domid_t domain_id;
	unsigned int max_vcpus;
	unsigned int max_pages;
	unsigned int tot_pages;
	spinlock_t page_alloc_lock;
	struct tmem_domain *tmem;
	int is_dying;
	struct vcpu **vcpu;
	atomic_t pause_count;
	unsigned int pauses;		/* calls of domain_pause() */
	bool is_shut_down;
	unsigned int shutdown_code;
	bool privileged;
	bool pv;
};

extern struct vcpu *current;
extern struct domain hv_domains[];
extern const unsigned int hv_nr_domains;
extern spinlock_t domlist_read_lock;

#define rcu_read_lock(l)	((void)(l))
#define rcu_read_unlock(l)	((void)(l))
#define for_each_domain(d) \
	for (d = hv_domains; d < hv_domains + hv_nr_domains; d++)
#define domain_tot_pages(d)	((d)->tot_pages)
#define paging_mode_translate(d)	(!(d)->pv)
#define SHUTDOWN_poweroff	0
#define SHUTDOWN_suspend	2
void domain_pause(struct domain *d);
void domain_unpause(struct domain *d);
struct domain *rcu_lock_domain_by_any_id(domid_t id);
#define rcu_unlock_domain(d)	((void)(d))

#define XSM_HOOK		0
#define XSM_PRIV		1
int xsm_tmem_op(int action);
int xsm_tmem_control(int action);

/* Pages of guests */
struct page_info {
	struct domain *owner;
	int refs;
	int types;
	int maps;
	bool table;		/* may not be written to */
	bool dirty;
	uint8_t *data;
};

typedef struct { unsigned long n; } gfn_t;
typedef struct { unsigned long n; } mfn_t;
typedef enum { p2m_ram_rw, p2m_ram_logdirty, p2m_ram_ro, p2m_grant_map_rw }
	p2m_type_t;
#define _gfn(n)			((gfn_t){ n })
#define _mfn(n)			((mfn_t){ n })
#define PGT_writable_page	1

bool mfn_valid(mfn_t mfn);
struct page_info *mfn_to_page(mfn_t mfn);
mfn_t page_to_mfn(const struct page_info *page);
#define page_get_owner(pg)	((pg)->owner)
int check_get_page_from_gfn(struct domain *d, gfn_t gfn, bool readonly,
			    p2m_type_t *type, struct page_info **page);
bool get_page_type(struct page_info *page, int type);
void put_page(struct page_info *page);
void put_page_and_type(struct page_info *page);
void *__map_domain_page(struct page_info *page);
void unmap_domain_page(const void *ptr);
void paging_mark_dirty(struct domain *d, mfn_t mfn);

/* Guest memory: addresses begin at HV_BASE, at the beginning of page 0 */
#define HV_BASE			0x100000UL
/* of each domain, beside a few odd ones */
#ifndef HV_PAGES
#define HV_PAGES		1100
#endif

#undef XEN_GUEST_HANDLE_PARAM
#define XEN_GUEST_HANDLE_PARAM(t)	XEN_GUEST_HANDLE(t)
#define guest_handle_cast(h, t)		guest_handle_from_ptr((h).p, t)
#define guest_handle_from_ptr(ptr, t) \
	((XEN_GUEST_HANDLE(t)){ (t *)(ptr) })
DEFINE_XEN_GUEST_HANDLE(uint8_t);

int hv_copy_from(void *to, const void *from, size_t bytes);
int hv_copy_to(void *to, const void *from, size_t bytes);
#define copy_from_guest_offset(ptr, h, off, nr) \
	hv_copy_from(ptr, (h).p + (off), sizeof(*(ptr)) * (nr))
#define copy_to_guest_offset(h, off, ptr, nr) \
	hv_copy_to((h).p + (off), ptr, sizeof(*(ptr)) * (nr))
#define copy_from_guest(ptr, h, nr)	copy_from_guest_offset(ptr, h, 0, nr)
#define copy_to_guest(h, ptr, nr)	copy_to_guest_offset(h, 0, ptr, nr)
#define copy_field_to_guest(h, ptr, field) \
	hv_copy_to(&(h).p->field, &(ptr)->field, sizeof((ptr)->field))

/* Preemption */
bool hv_preempt(void);
#define hypercall_preempt_check()	hv_preempt()
#define general_preempt_check()		hv_preempt()
long hypercall_create_continuation(unsigned int op, const char *format, ...);

/* The hypercall, as the table of them would call it */
long do_tmem_op(XEN_GUEST_HANDLE(void) uop);
int compat_tmem_op(XEN_GUEST_HANDLE(void) uop);

/* ---- for tests ---- */

/* Page that a domain calls @i; some are odd, see hv.c */
enum hv_odd {
	HV_TABLE = HV_PAGES,	/* its own, a page table */
	HV_READ_ONLY,		/* its own, and it may not write */
	HV_GRANT,		/* of another domain, granted */
	HV_ALIEN,		/* of another domain */
	HV_HOLE,		/* none */
	HV_NR
};

extern unsigned int hv_logged;		/* lines that a guest made Xen log */
extern unsigned int hv_continued;	/* continuations of the last call */
extern unsigned int hv_grown;		/* calls of tmem_grow() */
extern bool hv_no_memory;		/* allocations fail */
extern bool (*hv_preempt_hook)(void);	/* NULL: never */
extern void (*hv_fetch_hook)(void);	/* after each read of guest memory */
extern s_time_t hv_now;
extern void (*hv_time_hook)(void);	/* before each look at the time */

void hv_open(unsigned int frames);
void hv_close(void);
void hv_idle(void);
const char *hv_check(void);
uint8_t *hv_page(unsigned int domain, unsigned int page);
uint64_t hv_frame(unsigned int domain, unsigned int page);
void *hv_at(unsigned int domain, uint64_t address);
void hv_run_as(unsigned int domain, unsigned int vcpu);
long hv_call(uint64_t address);

#endif /* TMEM_TEST_HV_H */
