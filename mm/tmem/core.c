// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: transports, vectors, and the way to the store
 *
 * Carriers register; one of them is attached, chosen by the boot parameter
 * tmem= or at run time through sysfs.  Everything that the frontend says to the
 * store goes through tmem_submit(), in vectors, inside an SRCU read section; to
 * detach a carrier is to unpublish it and to wait that section out.
 *
 * tmem=off, the default, is for the whole boot: the hooks are then no-ops, so
 * nothing would know which invalidations are under way when a carrier came.
 */
#define pr_fmt(fmt) "tmem: " fmt

#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/suspend.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include <trace/events/tmem.h>

/* Serialises registration, attaching and detaching, and the pool list */
DEFINE_MUTEX(tmem_lock);
DEFINE_SRCU(tmem_srcu);

static LIST_HEAD(transports); /* under tmem_lock */
static struct tmem_transport __rcu *active; /* written under tmem_lock, SRCU */

/* What ATTACH returned, under tmem_lock */
static struct tmem_attach attached;

/* Who has said that the machine sleeps, and what to attach when it wakes */
static unsigned int sleeping; /* under tmem_lock */
static struct tmem_transport *asleep; /* under tmem_lock */

/* What the user asked for: name of a transport, "auto" or "off" */
static char wanted[16] = "off";
static const char * const known[] = { "off", "auto", "loop", "virtio", "xen" };

static mempool_t *vec_pool;
static atomic_t seq = ATOMIC_INIT(0);

static void reattach(struct work_struct *work);
static DECLARE_DELAYED_WORK(reattach_work, reattach);

/* ---- vectors ---- */

/**
 * tmem_vec_get - get an empty vector
 * @gfp: may it sleep?
 *
 * Some vectors per CPU are preallocated, so that a caller which may sleep
 * always gets one in the end, without waiting for memory to be reclaimed.
 *
 * Return: a vector for tmem_vec_put(), or NULL if @gfp forbids to wait.
 */
struct tmem_vec *tmem_vec_get(gfp_t gfp)
{
	struct tmem_vec *vec = mempool_alloc(vec_pool, gfp);

	if (vec) {
		vec->nr = 0;
		vec->swap = false;
	}
	return vec;
}

/**
 * tmem_vec_put - give a vector back
 * @vec: the vector
 */
void tmem_vec_put(struct tmem_vec *vec)
{
	mempool_free(vec, vec_pool);
}

/**
 * tmem_vec_add - append a request
 * @vec: a vector with fewer than TMEM_VEC_MAX requests
 * @op: what to do
 * @pool: pool id
 * @key: name of the object, or NULL
 * @index: first page
 * @nr: number of pages
 *
 * Return: the request, for what else has to be filled in.
 */
struct tmem_io *tmem_vec_add(struct tmem_vec *vec, u8 op, u32 pool,
			     const struct tmem_key *key, u64 index, u32 nr)
{
	struct tmem_io *io = &vec->ios[vec->nr++];

	memset(io, 0, sizeof(*io));
	io->req.op = op;
	io->req.pool = pool;
	if (key)
		memcpy(io->req.object, key->object, sizeof(io->req.object));
	io->req.index = index;
	io->req.nr_pages = nr;
	return io;
}

/**
 * tmem_vec_pages - count the pages of a vector
 * @vec: the vector
 *
 * Return: pages of all its requests.
 */
unsigned int tmem_vec_pages(const struct tmem_vec *vec)
{
	unsigned int nr = 0, i;

	for (i = 0; i < vec->nr; i++)
		nr += vec->ios[i].req.nr_pages;
	return nr;
}

/**
 * tmem_submit - carry a vector to the store and wait for the answers
 * @vec: the requests; on return, each has a status
 *
 * Context: Process context, may sleep; does not enter reclaim.
 */
void tmem_submit(struct tmem_vec *vec)
{
	struct tmem_transport *t;
	unsigned int i;
	ktime_t start = 0;
	int srcu, ret = -EIO;

	/* A request that nobody answers has failed */
	for (i = 0; i < vec->nr; i++)
		vec->ios[i].req.status = -EIO;
	if (trace_tmem_request_enabled())
		start = ktime_get();
	srcu = srcu_read_lock(&tmem_srcu);
	t = srcu_dereference(active, &tmem_srcu);
	if (t)
		ret = tmem_carry(t, vec);
	srcu_read_unlock(&tmem_srcu, srcu);
	vec->waited_us = max(ret, 0);
	if (t && ret < 0)
		pr_warn_ratelimited("transport failed: error %d\n", ret);
	for (i = 0; i < vec->nr; i++)
		if (vec->ios[i].req.op == TMEM_OP_PUT &&
		    vec->ios[i].req.status == -ENXIO)
			schedule_delayed_work(&reattach_work, HZ);
	if (trace_tmem_request_enabled()) {
		u64 ns = ktime_to_ns(ktime_sub(ktime_get(), start));

		for (i = 0; i < vec->nr; i++)
			trace_tmem_request(&vec->ios[i].req, vec->nr, ns);
	}
}

static int submit_one(u8 op, u32 pool, u64 index, struct page *page)
{
	struct tmem_vec *vec = tmem_vec_get(GFP_KERNEL);
	struct tmem_io *io = tmem_vec_add(vec, op, pool, NULL, index, 0);
	int err;

	io->page = page;
	tmem_submit(vec);
	err = io->req.status;
	tmem_vec_put(vec);
	return err > 0 ? -EIO : err;
}

/**
 * tmem_request - send one request that carries no data
 * @op: what to do
 * @pool: pool id
 * @index: its argument
 *
 * Context: Process context, may sleep.
 * Return: 0 or the store's error.
 */
int tmem_request(u8 op, u32 pool, u64 index)
{
	return submit_one(op, pool, index, NULL);
}

/**
 * tmem_seq_next - number a put
 *
 * Return: a number that is newer than all before; never 0.
 */
u32 tmem_seq_next(void)
{
	return atomic_inc_return(&seq) ?: atomic_inc_return(&seq);
}

/**
 * tmem_seq_now - number of the last put
 *
 * Return: what a flush of an older copy has to carry; never 0.
 */
u32 tmem_seq_now(void)
{
	return atomic_read(&seq) ?: -1;
}

/* ---- attach and detach ---- */

/**
 * tmem_attached - is there a store?
 *
 * Context: tmem_lock held.
 * Return: true if a carrier is attached.
 */
bool tmem_attached(void)
{
	lockdep_assert_held(&tmem_lock);
	return rcu_access_pointer(active);
}

/**
 * tmem_max_pools - how many pools the store offers
 *
 * Context: tmem_lock held, a carrier is attached.
 * Return: pool ids have to be below this.
 */
unsigned int tmem_max_pools(void)
{
	lockdep_assert_held(&tmem_lock);
	return attached.max_pools;
}

/**
 * tmem_persistent - does the store keep what it accepts, if asked to?
 *
 * Context: tmem_lock held, a carrier is attached.
 * Return: true if persistent pools can be created.
 */
bool tmem_persistent(void)
{
	lockdep_assert_held(&tmem_lock);
	return attached.features & TMEM_FEATURE_PERSISTENT;
}

/* Agree with the store about what will be said; its answer is in "attached" */
static int negotiate(void)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	struct tmem_attach *a;
	int err;

	if (!page)
		return -ENOMEM;
	a = page_address(page);
	a->version = TMEM_ABI_VERSION;
	a->page_shift = PAGE_SHIFT;
	a->features = TMEM_FEATURE_PERSISTENT;
	if (IS_ENABLED(CONFIG_TMEM_WSE))
		a->features |= TMEM_FEATURE_REPORT;
	err = submit_one(TMEM_OP_ATTACH, 0, 0, page);
	attached = *a;
	__free_page(page);
	if (err)
		return err;
	if (attached.version != TMEM_ABI_VERSION ||
	    attached.page_shift != PAGE_SHIFT || !attached.max_pools ||
	    attached.max_run < TMEM_MAX_RUN)
		return -EPROTO;
	return 0;
}

/**
 * tmem_report - tell the host of the working set
 * @page: begins with a struct tmem_report, which gets the answer
 *
 * Context: Process context, may sleep.
 * Return: 0, or -ENOTCONN if there is no store, -EOPNOTSUPP if it does not
 *	listen, -EBUSY if it is being changed, or the store's error.
 */
int tmem_report(struct page *page)
{
	int err = -EOPNOTSUPP;

	if (!mutex_trylock(&tmem_lock))
		return -EBUSY;
	if (!tmem_attached())
		err = -ENOTCONN;
	else if (attached.features & TMEM_FEATURE_REPORT)
		err = submit_one(TMEM_OP_REPORT, 0, 0, page);
	mutex_unlock(&tmem_lock);
	return err;
}

/* Fails if the store has swapped pages that cannot be had back, unless forced */
static int detach(bool force)
{
	struct tmem_transport *t;
	int err;

	lockdep_assert_held(&tmem_lock);
	t = rcu_dereference_protected(active, lockdep_is_held(&tmem_lock));
	if (!t)
		return 0;
	err = tmem_hswap_detach(force);
	if (err)
		return err;
	tmem_hcache_detach();
	rcu_assign_pointer(active, NULL);
	synchronize_srcu(&tmem_srcu);
	pr_info("transport %s detached\n", t->ops->name);
	return 0;
}

static int attach(struct tmem_transport *t)
{
	int err;

	lockdep_assert_held(&tmem_lock);
	if (rcu_access_pointer(active) == t)
		return 0;
	err = detach(false);
	if (err)
		return err;
	rcu_assign_pointer(active, t);
	err = negotiate();
	if (err) {
		pr_err("transport %s refuses to attach: error %d\n",
		       t->ops->name, err);
		rcu_assign_pointer(active, NULL);
		synchronize_srcu(&tmem_srcu);
		return err;
	}
	pr_info("transport %s attached, epoch %llu, %u pools\n", t->ops->name,
		attached.epoch, attached.max_pools);
	tmem_hcache_attach();
	tmem_hswap_attach();
	if (attached.features & TMEM_FEATURE_REPORT)
		tmem_wse_attach();
	return 0;
}

/*
 * The store does not know the pool of a put, which cannot be destroyed during
 * the put: it has begun a new epoch by itself, without what it had.  Or it lies;
 * so as long as it may have swapped pages that cannot be had back, it is not
 * left, and the next put that fails tries again.
 */
static void reattach(struct work_struct *work)
{
	struct tmem_transport *t;

	mutex_lock(&tmem_lock);
	t = rcu_dereference_protected(active, lockdep_is_held(&tmem_lock));
	if (t) {
		pr_warn("the store has lost its pools, attaching anew\n");
		if (!detach(false))
			attach(t);
	}
	mutex_unlock(&tmem_lock);
}

static struct tmem_transport *find(const char *name)
{
	struct tmem_transport *t;

	lockdep_assert_held(&tmem_lock);
	list_for_each_entry(t, &transports, node) {
		if (!strcmp(t->ops->name, name))
			return t;
	}
	return NULL;
}

static bool is_registered(struct tmem_transport *which)
{
	struct tmem_transport *t;

	lockdep_assert_held(&tmem_lock);
	list_for_each_entry(t, &transports, node) {
		if (t == which)
			return true;
	}
	return false;
}

/* auto is for machines with a hypervisor; a loop has to be asked for */
static bool is_wanted(struct tmem_transport *t)
{
	if (!strcmp(wanted, "auto"))
		return strcmp(t->ops->name, "loop");
	return !strcmp(wanted, t->ops->name);
}

/**
 * tmem_transport_register - offer a carrier
 * @t: the transport; stays valid until it is unregistered
 *
 * It is attached at once if it is the one that the user asked for and nothing
 * else is attached.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EINVAL if it is incomplete, -EEXIST if there is one of its name.
 */
int tmem_transport_register(struct tmem_transport *t)
{
	int err = 0;

	if (!t->ops || !t->ops->name || !t->ops->submit)
		return -EINVAL;
	mutex_lock(&tmem_lock);
	if (find(t->ops->name)) {
		err = -EEXIST;
	} else {
		list_add_tail(&t->node, &transports);
		if (is_wanted(t) && !rcu_access_pointer(active) && !sleeping)
			attach(t);
	}
	mutex_unlock(&tmem_lock);
	return err;
}
EXPORT_SYMBOL_GPL(tmem_transport_register);

/**
 * tmem_transport_unregister - a carrier goes away
 * @t: a registered transport
 *
 * On return it is not used any more.  Swapped pages that cannot be had back
 * before are lost.
 *
 * Context: Process context, may sleep.
 */
void tmem_transport_unregister(struct tmem_transport *t)
{
	mutex_lock(&tmem_lock);
	if (rcu_access_pointer(active) == t)
		detach(true);
	list_del(&t->node);
	mutex_unlock(&tmem_lock);
}
EXPORT_SYMBOL_GPL(tmem_transport_unregister);

/**
 * tmem_transport_show - say which carrier is attached
 * @buf: a page
 *
 * Context: Process context, may sleep.
 * Return: length of the text: a name, or "none", with the reason if the one
 *	that was asked for is not there.
 */
ssize_t tmem_transport_show(char *buf)
{
	struct tmem_transport *t;
	ssize_t len;

	mutex_lock(&tmem_lock);
	t = rcu_dereference_protected(active, lockdep_is_held(&tmem_lock));
	if (t)
		len = sysfs_emit(buf, "%s\n", t->ops->name);
	else if (!strcmp(wanted, "off") || !strcmp(wanted, "none"))
		len = sysfs_emit(buf, "none\n");
	else
		len = sysfs_emit(buf, "none (%s not %s)\n", wanted,
				 find(wanted) ? "attached" : "found");
	mutex_unlock(&tmem_lock);
	return len;
}

/**
 * tmem_transport_select - attach another carrier, or none
 * @name: its name, or "none"
 *
 * What the store keeps of the filesystems is dropped; what it keeps of the swap
 * devices is written to them.
 *
 * Context: Process context, may sleep; starts I/O.
 * Return: 0; -EPERM if the machine was booted with tmem=off; -ENODEV if there
 *	is no such carrier; -EBUSY if the machine is going to sleep; the error
 *	of attaching it, or of writing to the swap devices.
 */
int tmem_transport_select(const char *name)
{
	struct tmem_transport *t;
	int err = 0;

	if (!tmem_on()) {
		pr_info("booted with tmem=off, which is for good; boot with tmem=auto or the name of a transport\n");
		return -EPERM;
	}
	mutex_lock(&tmem_lock);
	if (sleeping) {
		err = -EBUSY;
	} else if (!strcmp(name, "none")) {
		err = detach(false);
	} else {
		t = find(name);
		err = t ? attach(t) : -ENODEV;
	}
	if (!err)
		strscpy(wanted, name);
	mutex_unlock(&tmem_lock);
	return err;
}

/*
 * While the machine sleeps its disk may be set back to an older state, and what
 * the store has kept would not match it; and of a machine that sleeps on a disk
 * only memory and disks come back.  So the store is left before, which moves
 * swapped pages to their devices, and a new epoch begins on resume.
 */
static int prepare_sleep(void)
{
	struct tmem_transport *t;
	int err;

	lockdep_assert_held(&tmem_lock);
	if (!sleeping) {
		t = rcu_dereference_protected(active,
					      lockdep_is_held(&tmem_lock));
		err = detach(false);
		if (err) {
			pr_err("no sleep, as pages would be lost: free memory, or mend the swap device, and try again\n");
			return err;
		}
		asleep = t;
	}
	sleeping++;
	return 0;
}

static void end_sleep(void)
{
	lockdep_assert_held(&tmem_lock);
	if (!sleeping || --sleeping)
		return;
	/* It may have been unregistered meanwhile */
	if (is_registered(asleep)) {
		if (asleep->ops->resume)
			asleep->ops->resume(asleep);
		attach(asleep);
	}
}

/**
 * tmem_transport_sleep - the machine is about to stop, and to go on later
 *
 * For a transport that knows when power management does not say so.  The store
 * is left, whichever it is.
 *
 * Context: Process context, may sleep; starts I/O.
 * Return: 0, and tmem_transport_wake() has to follow; or an error if pages
 *	would be lost.
 */
int tmem_transport_sleep(void)
{
	int err;

	mutex_lock(&tmem_lock);
	err = prepare_sleep();
	mutex_unlock(&tmem_lock);
	return err;
}
EXPORT_SYMBOL_GPL(tmem_transport_sleep);

/**
 * tmem_transport_wake - the machine goes on
 *
 * Context: Process context, may sleep.
 */
void tmem_transport_wake(void)
{
	mutex_lock(&tmem_lock);
	end_sleep();
	mutex_unlock(&tmem_lock);
}
EXPORT_SYMBOL_GPL(tmem_transport_wake);

static int tmem_pm_notify(struct notifier_block *nb, unsigned long event,
			  void *unused)
{
	int err = 0;

	mutex_lock(&tmem_lock);
	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
		err = prepare_sleep();
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_SUSPEND:
		end_sleep();
		break;
	}
	mutex_unlock(&tmem_lock);
	return notifier_from_errno(err);
}

static struct notifier_block tmem_pm_block = {
	.notifier_call = tmem_pm_notify,
};

/* ---- boot ---- */

static int __init tmem_param(char *str)
{
	if (match_string(known, ARRAY_SIZE(known), str) < 0) {
		pr_err("tmem=%s: unknown transport, going on without; the known ones are off, auto, loop, virtio, xen\n",
		       str);
		return 1;
	}
	strscpy(wanted, str);
	return 1;
}
__setup("tmem=", tmem_param);

/* Before any filesystem that takes part can be mounted */
static int __init tmem_init(void)
{
	int err = tmem_index_caches_init();

	if (err)
		return err;
	vec_pool = mempool_create_kmalloc_pool(4 * num_possible_cpus(),
					       sizeof(struct tmem_vec));
	if (!vec_pool)
		return -ENOMEM;
	register_pm_notifier(&tmem_pm_block);
	if (!strcmp(wanted, "off"))
		return 0;
	return tmem_hcache_init();
}
core_initcall(tmem_init);

static int __init tmem_late_init(void)
{
	bool missing;

	mutex_lock(&tmem_lock);
	missing = strcmp(wanted, "off") && !rcu_access_pointer(active);
	mutex_unlock(&tmem_lock);
	if (missing)
		pr_err("tmem=%s: no such transport here, going on without\n",
		       wanted);
	return tmem_sysfs_init();
}
late_initcall(tmem_late_init);
