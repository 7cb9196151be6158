// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a hypervisor in a process, see hv.h
 */
#include "tmem.h"

#define DOMAINS		3
#define CALLS_AT_MOST	1000000

struct domain hv_domains[DOMAINS];
const unsigned int hv_nr_domains = DOMAINS;
struct vcpu *current;
spinlock_t domlist_read_lock;
struct tstore *tmem_store;

unsigned int hv_logged, hv_continued, hv_grown;
bool hv_no_memory;
s_time_t hv_now;
bool (*hv_preempt_hook)(void);
void (*hv_fetch_hook)(void);
void (*hv_time_hook)(void);

static struct vcpu vcpus[DOMAINS][HV_VCPUS];
static struct vcpu *vcpu_lists[DOMAINS][HV_VCPUS];
static struct page_info pages[DOMAINS][HV_NR];
static uint8_t *memory;
static void *arena;
static unsigned int locks, allocated;
static unsigned int policy;
static bool again;

void hv_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void spin_lock(spinlock_t *l)
{
	if (l->held)
		hv_die("a lock is taken twice");
	l->held = true;
	locks++;
}

void spin_unlock(spinlock_t *l)
{
	if (!l->held)
		hv_die("a lock is let go that is not held");
	l->held = false;
	locks--;
}

bool spin_trylock(spinlock_t *l)
{
	if (l->held)
		return false;
	spin_lock(l);
	return true;
}

void *hv_zalloc(size_t bytes)
{
	void *ptr = NULL;

	if (hv_no_memory)
		return NULL;
	if (posix_memalign(&ptr, PAGE_SIZE, bytes))
		hv_die("out of memory");
	memset(ptr, 0, bytes);
	allocated++;
	return ptr;
}

void hv_free(void *ptr)
{
	allocated -= !!ptr;
	free(ptr);
}

struct domain *rcu_lock_domain_by_any_id(domid_t id)
{
	if (id == DOMID_SELF)
		return current->domain;
	return id < DOMAINS ? &hv_domains[id] : NULL;
}

/* Waits for the domain's vCPUs, so nobody pauses his own */
void domain_pause(struct domain *d)
{
	ASSERT(d != current->domain);
	d->pause_count.counter++;
	d->pauses++;
}

void domain_unpause(struct domain *d)
{
	ASSERT(d->pause_count.counter > 0);
	d->pause_count.counter--;
}

int xsm_tmem_op(int action)
{
	ASSERT(action == XSM_HOOK);
	return 0;
}

int xsm_tmem_control(int action)
{
	ASSERT(action == XSM_PRIV);
	return current->domain->privileged ? 0 : -EPERM;
}

/*
 * Frames: for one that is translated, its own numbers; otherwise the number of
 * the domain comes before that of the page.
 */
uint64_t hv_frame(unsigned int domain, unsigned int page)
{
	return hv_domains[domain].pv ? domain * HV_NR + page : page;
}

bool mfn_valid(mfn_t mfn)
{
	return mfn.n < DOMAINS * HV_NR && mfn.n % HV_NR != HV_HOLE;
}

struct page_info *mfn_to_page(mfn_t mfn)
{
	ASSERT(mfn_valid(mfn));
	return &pages[mfn.n / HV_NR][mfn.n % HV_NR];
}

mfn_t page_to_mfn(const struct page_info *page)
{
	return _mfn(page - &pages[0][0]);
}

int check_get_page_from_gfn(struct domain *d, gfn_t gfn, bool readonly,
			    p2m_type_t *type, struct page_info **out)
{
	unsigned int page = gfn.n % HV_NR;
	mfn_t mfn = _mfn(gfn.n);

	(void)readonly;
	if (!d->pv) {
		if (gfn.n >= HV_NR)
			return -EINVAL;
		mfn.n += (d - hv_domains) * HV_NR;
	}
	if (!mfn_valid(mfn))
		return -EINVAL;
	*out = mfn_to_page(mfn);
	*type = page == HV_READ_ONLY && !d->pv ? p2m_ram_ro :
		page == HV_GRANT && !d->pv ? p2m_grant_map_rw : p2m_ram_rw;
	/* a PV guest's frame is its own, or Xen says so to the log */
	if (d->pv && (*out)->owner != d) {
		hv_logged++;
		return -EINVAL;
	}
	(*out)->refs++;
	return 0;
}

bool get_page_type(struct page_info *page, int type)
{
	ASSERT(type == PGT_writable_page && page->refs > 0);
	if (page->table)
		return false;
	page->types++;
	return true;
}

void put_page(struct page_info *page)
{
	ASSERT(page->refs > 0);
	page->refs--;
}

void put_page_and_type(struct page_info *page)
{
	ASSERT(page->types > 0);
	page->types--;
	put_page(page);
}

void *__map_domain_page(struct page_info *page)
{
	ASSERT(page->refs > 0);
	page->maps++;
	return page->data;
}

void unmap_domain_page(const void *ptr)
{
	size_t i = ((const uint8_t *)ptr - memory) / PAGE_SIZE;

	/* what is not a guest's was not mapped */
	if ((const uint8_t *)ptr < memory || i >= DOMAINS * HV_NR)
		return;
	ASSERT((&pages[0][0])[i].maps > 0);
	(&pages[0][0])[i].maps--;
}

void paging_mark_dirty(struct domain *d, mfn_t mfn)
{
	ASSERT(mfn_to_page(mfn)->owner == d);
	mfn_to_page(mfn)->dirty = true;
}

/* The guest's bytes at an address; NULL: it has no such memory */
static void *guest_bytes(const void *at, size_t bytes)
{
	unsigned int d = current->domain - hv_domains;
	size_t where = (uintptr_t)at - HV_BASE;

	if ((uintptr_t)at < HV_BASE || where > HV_PAGES * PAGE_SIZE ||
	    bytes > HV_PAGES * PAGE_SIZE - where)
		return NULL;
	return pages[d][0].data + where;
}

int hv_copy_from(void *to, const void *from, size_t bytes)
{
	const void *ptr = guest_bytes(from, bytes);

	if (!ptr)
		return -1;
	memcpy(to, ptr, bytes);
	if (hv_fetch_hook)
		hv_fetch_hook();
	return 0;
}

int hv_copy_to(void *to, const void *from, size_t bytes)
{
	void *ptr = guest_bytes(to, bytes);

	if (!ptr)
		return -1;
	memcpy(ptr, from, bytes);
	return 0;
}

s_time_t hv_time(void)
{
	if (hv_time_hook)
		hv_time_hook();
	return hv_now;
}

bool hv_preempt(void)
{
	return hv_preempt_hook && hv_preempt_hook();
}

long hypercall_create_continuation(unsigned int op, const char *format, ...)
{
	ASSERT(op == 38 && !strcmp(format, "h"));
	again = true;
	return -ERESTART;
}

/* ---- the pool, whose memory is all there ---- */

void tmem_grow(unsigned int nr, bool restored)
{
	/* the control lock is held by who restores */
	ASSERT(nr && nr <= TMEM_MAX_RUN && locks == restored);
	hv_grown++;
}

int tmem_make_free(unsigned long want)
{
	(void)want;
	return 0;
}

int tmem_pool_set_size(uint64_t size)
{
	(void)size;
	return 0;
}

void tmem_set_reserve(uint64_t reserve)
{
	(void)reserve;
}

void tmem_set_policy(unsigned int which)
{
	ASSERT(which < tstore_nr_policies);
	policy = which;
	tstore_divide(tmem_store, &tstore_policies[policy]);
}

void tmem_pool_info(struct xen_tmem_info *info)
{
	struct tstore_stats st;

	memset(info, 0, sizeof(*info));
	tstore_stats(tmem_store, &st);
	info->ephemeral = st.ephemeral;
	info->persistent = st.persistent;
	info->pages = st.pages;
	info->policy = policy;
	info->nr_policies = tstore_nr_policies;
}

/* ---- for tests ---- */

static void domain_init(unsigned int d)
{
	struct domain *dom = &hv_domains[d];
	unsigned int i;

	memset(dom, 0, sizeof(*dom));
	dom->domain_id = d;
	dom->max_vcpus = HV_VCPUS;
	dom->max_pages = 2 * HV_PAGES;
	dom->tot_pages = HV_PAGES;
	dom->privileged = !d;
	dom->pv = d != 1;
	dom->vcpu = vcpu_lists[d];
	for (i = 0; i < HV_VCPUS; i++) {
		vcpus[d][i].vcpu_id = i;
		vcpus[d][i].domain = dom;
		vcpu_lists[d][i] = &vcpus[d][i];
	}
	for (i = 0; i < HV_NR; i++) {
		struct page_info *pg = &pages[d][i];

		memset(pg, 0, sizeof(*pg));
		pg->data = memory + (d * HV_NR + i) * PAGE_SIZE;
		pg->owner = i == HV_GRANT || i == HV_ALIEN ?
			    &hv_domains[(d + 1) % DOMAINS] : dom;
		pg->table = i == HV_TABLE || (dom->pv && i == HV_READ_ONLY);
	}
}

void hv_open(unsigned int frames)
{
	struct tstore_config cfg = {
		.bytes = (size_t)frames * (PAGE_SIZE + 64) + PAGE_SIZE,
		.max_clients = DOMAINS,
		.max_pools = 32,
		.max_shared = 4,
		.seed = 1,
		.ghosts = true,
	};
	unsigned int d;

	if (!memory &&
	    posix_memalign((void **)&memory, PAGE_SIZE,
			   DOMAINS * HV_NR * PAGE_SIZE))
		hv_die("out of memory");
	memset(memory, 0, DOMAINS * HV_NR * PAGE_SIZE);
	if (posix_memalign(&arena, PAGE_SIZE, cfg.bytes))
		hv_die("out of memory");
	cfg.arena = arena;
	if (tstore_create(&cfg, &tmem_store))
		hv_die("no store");
	for (d = 0; d < DOMAINS; d++)
		domain_init(d);
	hv_logged = 0;
	hv_grown = 0;
	hv_no_memory = false;
	hv_preempt_hook = NULL;
	hv_fetch_hook = NULL;
	hv_time_hook = NULL;
	hv_run_as(1, 0);
}

/* All domains end; what is left then was forgotten */
void hv_close(void)
{
	unsigned int d, tries;
	const char *bad = hv_check();

	if (bad)
		hv_die("inconsistent: %s", bad);
	for (d = 0; d < DOMAINS; d++) {
		hv_domains[d].is_dying = 1;
		for (tries = 0; tmem_domain_destroy(&hv_domains[d]); tries++)
			if (tries == CALLS_AT_MOST)
				hv_die("a domain does not end");
		ASSERT(!hv_domains[d].tmem);
	}
	/* a trace that nobody reads any more */
	hv_now += SECONDS(11);
	tmem_trace_expire();
	hv_idle();
	tstore_destroy(tmem_store);
	free(arena);
	if (allocated)
		hv_die("%u pieces of memory are left", allocated);
}

/* Nothing is held between two calls */
void hv_idle(void)
{
	unsigned int i;

	if (locks)
		hv_die("%u locks are held", locks);
	for (i = 0; i < DOMAINS * HV_NR; i++)
		if ((&pages[0][0])[i].refs || (&pages[0][0])[i].types ||
		    (&pages[0][0])[i].maps)
			hv_die("page %u is in use", i);
	for (i = 0; i < DOMAINS; i++)
		if (hv_domains[i].tmem && hv_domains[i].tmem->reserved)
			hv_die("domain %u is charged for a put that is over", i);
}

const char *hv_check(void)
{
	return tstore_check(tmem_store);
}

uint8_t *hv_page(unsigned int domain, unsigned int page)
{
	return pages[domain][page].data;
}

void *hv_at(unsigned int domain, uint64_t address)
{
	return pages[domain][0].data + (address - HV_BASE);
}

void hv_run_as(unsigned int domain, unsigned int vcpu)
{
	current = &vcpus[domain][vcpu];
}

/* A call, and its continuations, as the processor would make them */
long hv_call(uint64_t address)
{
	XEN_GUEST_HANDLE(void) uop = { (void *)address };
	long rc;

	hv_continued = 0;
	for (;;) {
		again = false;
		rc = do_tmem_op(uop);
		hv_idle();
		if (!again)
			return rc;
		if (++hv_continued == CALLS_AT_MOST)
			hv_die("a call does not end");
	}
}
