// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the Xen transport, a store in the hypervisor
 *
 * A hypercall executes a vector of requests, or several do in turn if it is
 * long.  Requests name pages by frame: those of a PV domain are the machine's,
 * and a run of pages that has not a run of frames gets a list of them.  All
 * memory that a call takes is there from the beginning, as a submit may be part
 * of reclaim.
 *
 * Each CPU has memory for one call.  Whoever makes one is not preempted from
 * before it looks frames up until it has read the answers.  So nobody else is at
 * that memory; and a domain that goes on elsewhere, on other frames, is stopped
 * before or after, but not in between.
 */
#define pr_fmt(fmt) "xen_tmem: " fmt

#include <linux/build_bug.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tmem.h>

#include <asm/xen/hypercall.h>
#include <xen/interface/tmem.h>
#include <xen/page.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

/* Most requests and lists of frames of one call */
#define REQS_MAX	32
#define LISTS_MAX	4

/**
 * struct xen_tmem_call - a call on its way
 * @submit: its argument
 * @reqs: the requests
 * @lists: pages for frames; those of a PV domain only
 */
struct xen_tmem_call {
	struct tmem_submit submit;
	struct tmem_req reqs[REQS_MAX];
	__le64 *lists[LISTS_MAX];
};

static struct xen_tmem_call __percpu *calls;

/* ---- a vector on its way ---- */

static bool is_run(unsigned long pfn, unsigned int nr)
{
	unsigned long gfn = pfn_to_gfn(pfn);
	unsigned int i;

	for (i = 1; i < nr; i++)
		if (pfn_to_gfn(pfn + i) != gfn + i)
			return false;
	return true;
}

/* Name the pages of a request; false if there is no list left to do it with */
static bool name_pages(struct xen_tmem_call *call, struct tmem_req *req,
		       unsigned long pfn, unsigned int *lists)
{
	unsigned int nr = max(req->nr_pages, 1U), i;
	__le64 *list;

	if (is_run(pfn, nr)) {
		req->addr = pfn_to_gfn(pfn);
		return true;
	}
	if (*lists == LISTS_MAX)
		return false;
	list = call->lists[(*lists)++];
	for (i = 0; i < nr; i++)
		list[i] = cpu_to_le64(pfn_to_gfn(pfn + i));
	req->flags |= TMEM_REQ_LIST;
	req->addr = virt_to_gfn(list);
	return true;
}

/*
 * Put as many of these requests into a call as it may have: no more pages than
 * the longest run has, as nobody is scheduled meanwhile.  Returns how many.
 */
static unsigned int fill(struct xen_tmem_call *call, const struct tmem_io *ios,
			 unsigned int nr)
{
	unsigned int pages = 0, lists = 0, i;
	struct tmem_req *req;

	nr = min(nr, REQS_MAX);
	for (i = 0; i < nr; i++) {
		req = &call->reqs[i];
		*req = ios[i].req;
		req->flags &= ~TMEM_REQ_LIST;
		req->addr = 0;
		if (!ios[i].page)
			continue;
		pages += req->nr_pages;
		if (i && pages > TMEM_MAX_RUN)
			break;
		if (!name_pages(call, req, page_to_pfn(ios[i].page), &lists))
			break;
	}
	return i;
}

static int carry(struct xen_tmem_call *call, unsigned int nr)
{
	lockdep_assert_preemption_disabled();
	call->submit = (struct tmem_submit) {
		.cmd = TMEM_SUBMIT,
		.nr = nr,
		.reqs = (unsigned long)call->reqs,
	};
	return _hypercall1(int, tmem_op, &call->submit);
}

/* What an answer may be, the core knows */
static void take_answers(const struct xen_tmem_call *call, struct tmem_io *ios,
			 unsigned int nr, int err)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		ios[i].req.status = err ? -EIO : call->reqs[i].status;
		ios[i].req.done = err ? 0 : call->reqs[i].done;
	}
}

static int submit(struct tmem_io *ios, unsigned int nr)
{
	struct xen_tmem_call *call;
	unsigned int i, n;
	int err = 0;

	for (i = 0; i < nr; i += n) {
		call = get_cpu_ptr(calls);
		n = fill(call, ios + i, nr - i);
		if (!err)
			err = carry(call, n);
		take_answers(call, ios + i, n, err);
		put_cpu_ptr(calls);
	}
	return err;
}

static int xen_tmem_submit(struct tmem_transport *t, struct tmem_io *ios,
			   unsigned int nr)
{
	return submit(ios, nr) ? -EIO : 0;
}

static const struct tmem_transport_ops xen_tmem_ops = {
	.name = "xen",
	.submit = xen_tmem_submit,
};

static struct tmem_transport xen_tmem_transport = { .ops = &xen_tmem_ops };

/* ---- a domain that is saved ---- */

/*
 * Xen keeps no pages of a domain that is saved, or goes on elsewhere, unless the
 * toolstack sees to it: then it has asked so in xenstore, and is answered, for
 * each time anew.  If it has not, the store is left.  If it has, there is nothing
 * to do: the pages are there again before the domain is.
 *
 * Xen tells the notifiers of sleep nothing.  It does go through the devices; so
 * there is one, which is prepared before any of those that swapped pages are
 * written to stops.
 */
static bool kept;

static bool ask_to_be_kept(void)
{
	char *word = xenbus_read(XBT_NIL, "control", "tmem", NULL);
	bool keep;

	if (IS_ERR(word))
		return false;
	keep = !strcmp(word, "keep") &&
	       !xenbus_write(XBT_NIL, "control", "tmem", "kept");
	kfree(word);
	return keep;
}

static int xen_tmem_prepare(struct device *dev)
{
	kept = ask_to_be_kept();
	if (!kept)
		return tmem_transport_sleep();
	pr_info("saved with the domain\n");
	return 0;
}

static void xen_tmem_complete(struct device *dev)
{
	if (!kept)
		tmem_transport_wake();
}

static const struct dev_pm_ops xen_tmem_pm_ops = {
	.prepare	= pm_sleep_ptr(xen_tmem_prepare),
	.complete	= pm_sleep_ptr(xen_tmem_complete),
};

static struct platform_driver xen_tmem_driver = {
	.driver.name	= KBUILD_MODNAME,
	.driver.pm	= pm_sleep_ptr(&xen_tmem_pm_ops),
};

static struct platform_device *device;

/* ---- the driver ---- */

static void free_calls(void)
{
	unsigned int cpu, i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < LISTS_MAX; i++)
			free_page((unsigned long)
				  per_cpu_ptr(calls, cpu)->lists[i]);
	free_percpu(calls);
}

static int alloc_calls(void)
{
	struct xen_tmem_call *call;
	unsigned int cpu, i;

	/* A list is a page, and a call is as Xen has it */
	BUILD_BUG_ON(TMEM_MAX_RUN * sizeof(__le64) > PAGE_SIZE);
	BUILD_BUG_ON(sizeof(struct tmem_submit) != 24);
	BUILD_BUG_ON(REQS_MAX > TMEM_SUBMIT_MAX);

	calls = alloc_percpu(struct xen_tmem_call);
	if (!calls)
		return -ENOMEM;
	if (!xen_pv_domain())
		return 0;
	for_each_possible_cpu(cpu) {
		call = per_cpu_ptr(calls, cpu);
		for (i = 0; i < LISTS_MAX; i++) {
			call->lists[i] = (void *)__get_free_page(GFP_KERNEL);
			if (!call->lists[i]) {
				free_calls();
				return -ENOMEM;
			}
		}
	}
	return 0;
}

/* Ask for the limits of this domain: whatever they are, there is a store */
static int find_store(void)
{
	struct tmem_io io = { .req.op = TMEM_OP_QUERY };
	int err;

	io.page = alloc_page(GFP_KERNEL);
	if (!io.page)
		return -ENOMEM;
	err = submit(&io, 1);
	if (err)
		pr_info("no store in this hypervisor: error %d\n", err);
	__free_page(io.page);
	return err;
}

static int __init xen_tmem_init(void)
{
	int err;

	/* With tmem=off there is nothing to ask for, in this boot */
	if (!xen_domain() || !tmem_on())
		return -ENODEV;
	err = alloc_calls();
	if (err)
		return err;
	err = find_store();
	if (err)
		goto free;
	err = platform_driver_register(&xen_tmem_driver);
	if (err)
		goto free;
	device = platform_device_register_simple(KBUILD_MODNAME,
						 PLATFORM_DEVID_NONE, NULL, 0);
	err = PTR_ERR_OR_ZERO(device);
	if (err)
		goto unregister_driver;
	err = tmem_transport_register(&xen_tmem_transport);
	if (err)
		goto unregister_device;
	return 0;

unregister_device:
	platform_device_unregister(device);
unregister_driver:
	platform_driver_unregister(&xen_tmem_driver);
free:
	free_calls();
	return err;
}
module_init(xen_tmem_init);

static void __exit xen_tmem_exit(void)
{
	tmem_transport_unregister(&xen_tmem_transport);
	platform_device_unregister(device);
	platform_driver_unregister(&xen_tmem_driver);
	free_calls();
}
module_exit(xen_tmem_exit);

MODULE_DESCRIPTION("Xen transport of transcendent memory");
MODULE_LICENSE("GPL");
