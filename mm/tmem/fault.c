// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a store that misbehaves, for tests
 *
 * Between the core and the transport, requests are left out and answers are
 * spoiled, at the rates set below /sys/kernel/debug/tmem/, where each fault has
 * a directory of the fault-inject framework.  Whatever is set there, no page of
 * a file may be stale; and as long as neither "lose" nor "forget" is, no swapped
 * page is lost.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fault-inject.h>
#include <linux/init.h>
#include <linux/mutex.h>
#include <linux/random.h>

#include "internal.h"

static DECLARE_FAULT_ATTR(fault_refuse);	/* a put is not made */
static DECLARE_FAULT_ATTR(fault_drop);		/* hcache's page is not there */
static DECLARE_FAULT_ATTR(fault_lose);		/* nor is hswap's, which it must */
static DECLARE_FAULT_ATTR(fault_delay);		/* a vector takes long */
static DECLARE_FAULT_ATTR(fault_status);	/* any status, whatever was done */
static DECLARE_FAULT_ATTR(fault_done);		/* any number of pages done */
static DECLARE_FAULT_ATTR(fault_die);		/* the rest of a vector is lost */
static DECLARE_FAULT_ATTR(fault_forget);	/* the store begins a new epoch */

static struct page *forget_page;
static DEFINE_MUTEX(forget_lock);

static const struct {
	const char *name;
	struct fault_attr *attr;
} faults[] = {
	{ "refuse", &fault_refuse },
	{ "drop", &fault_drop },
	{ "lose", &fault_lose },
	{ "delay", &fault_delay },
	{ "status", &fault_status },
	{ "done", &fault_done },
	{ "die", &fault_die },
	{ "forget", &fault_forget },
};

/* A get of a swapped page that fails is a lost page */
static bool may_fail(const struct tmem_vec *vec, const struct tmem_req *req)
{
	return req->op == TMEM_OP_PUT || (req->op == TMEM_OP_GET && !vec->swap);
}

/* Does the store never see this request?  Then it is answered here. */
static bool is_left_out(const struct tmem_vec *vec, struct tmem_req *req)
{
	struct fault_attr *get = vec->swap ? &fault_lose : &fault_drop;

	if (req->op == TMEM_OP_PUT && should_fail(&fault_refuse, 1))
		req->status = -ENOSPC;
	else if (req->op == TMEM_OP_GET && should_fail(get, 1))
		req->status = -ENOENT;
	else
		return false;
	return true;
}

static void spoil(const struct tmem_vec *vec, struct tmem_req *req)
{
	if (!may_fail(vec, req))
		return;
	if (should_fail(&fault_status, 1))
		req->status = get_random_u32() ?: 1;
	/* Less than was done, or more than was asked for: more is a lie */
	if (!req->status && req->done && should_fail(&fault_done, 1))
		req->done = get_random_u32_below(2) ?
			get_random_u32_below(req->done) :
			req->nr_pages + 1 + get_random_u32_below(1000);
}

/* As if the host had come back without what it had */
static void forget(struct tmem_transport *t)
{
	struct tmem_io io = { .page = forget_page };
	struct tmem_attach *a = page_address(forget_page);

	mutex_lock(&forget_lock);
	memset(a, 0, sizeof(*a));
	a->version = TMEM_ABI_VERSION;
	a->page_shift = PAGE_SHIFT;
	a->features = TMEM_FEATURE_PERSISTENT;
	io.req.op = TMEM_OP_ATTACH;
	t->ops->submit(t, &io, 1);
	mutex_unlock(&forget_lock);
}

/**
 * tmem_fault_submit - carry a vector through a transport that misbehaves
 * @t: the transport
 * @vec: the requests, with the status of requests that nobody answers
 *
 * Context: Process context, may sleep; does not enter reclaim.
 * Return: for how many microseconds the carrier was waited for, or -EIO.
 */
int tmem_fault_submit(struct tmem_transport *t, struct tmem_vec *vec)
{
	unsigned int nr = vec->nr, first = 0, i;
	int err = 0, waited = 0, ret;

	if (should_fail(&fault_delay, 1))
		usleep_range(100, 5000);
	if (forget_page && should_fail(&fault_forget, 1))
		forget(t);
	if (may_fail(vec, &vec->ios[0].req) && should_fail(&fault_die, 1)) {
		nr = get_random_u32_below(nr);
		err = -EIO;
	}
	for (i = 0; i <= nr; i++) {
		if (i < nr && !is_left_out(vec, &vec->ios[i].req))
			continue;
		if (i > first) {
			ret = t->ops->submit(t, &vec->ios[first], i - first);
			if (ret < 0)
				err = ret;
			else
				waited += ret;
		}
		first = i + 1;
	}
	for (i = 0; i < nr; i++)
		spoil(vec, &vec->ios[i].req);
	return err ?: waited;
}

static int __init fault_init(void)
{
	struct dentry *dir = debugfs_create_dir("tmem", NULL);
	unsigned int i;

	forget_page = alloc_page(GFP_KERNEL);
	for (i = 0; i < ARRAY_SIZE(faults); i++)
		fault_create_debugfs_attr(faults[i].name, dir, faults[i].attr);
	return 0;
}
late_initcall(fault_init);
