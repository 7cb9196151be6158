// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, asking the hypervisor
 *
 * What comes back is looked at here, before anybody believes it.
 */
#include <errno.h>
#include <string.h>
#include <xencall.h>

#include "xen_abi.h"
#include "xen.h"

#define MOST_POLICIES	64

static xencall_handle *calls;
static struct xen_tmem_control *buffer;

/**
 * xen_open() - prepare to ask
 *
 * Return: 0, or a negative error number if this is no control domain of Xen
 */
int xen_open(void)
{
	if (buffer)
		return 0;
	errno = 0;
	if (!calls)
		calls = xencall_open(NULL, 0);
	if (!calls)
		return errno ? -errno : -ENODEV;
	buffer = xencall_alloc_buffer(calls, sizeof(*buffer));
	return buffer ? 0 : -ENOMEM;
}

/**
 * xen_buffer() - memory that the hypervisor can read and write
 * @pages: how much
 *
 * It is there until the program ends.
 *
 * Return: the memory, or NULL
 */
void *xen_buffer(size_t pages)
{
	return xencall_alloc_buffer_pages(calls, pages);
}

/**
 * xen_call() - have something done
 * @op: what; all but the command and the version.  Out: the answer.
 *
 * What takes long is continued by the hypervisor itself.
 *
 * Return: 0 or a negative error number
 */
int xen_call(struct xen_tmem_control *op)
{
	int err = 0;

	op->cmd = TMEM_CONTROL;
	op->version = XEN_TMEM_CONTROL_VERSION;
	memcpy(buffer, op, sizeof(*op));
	errno = 0;
	if (xencall1(calls, __HYPERVISOR_tmem_op, (uintptr_t)buffer))
		err = errno ? -errno : -EBADMSG;
	memcpy(op, buffer, sizeof(*op));
	return err;
}

/**
 * xen_pages() - how many pages a domain has, or may have
 * @what: XENMEM_current_reservation or XENMEM_maximum_reservation
 * @domid: the domain
 * @pages: out: that
 *
 * Return: 0 or a negative error number; -ESRCH if there is no such domain
 */
int xen_pages(unsigned int what, domid_t domid, uint64_t *pages)
{
	long got;

	memcpy(buffer, &domid, sizeof(domid));
	errno = 0;
	got = xencall2L(calls, __HYPERVISOR_memory_op, what,
			(uintptr_t)buffer);
	if (got < 0)
		return errno ? -errno : -EBADMSG;
	*pages = got;
	return *pages < MOST_PAGES ? 0 : -EBADMSG;
}

/**
 * xen_info() - how the store is
 * @info: out: that
 *
 * Return: 0 or a negative error number; -EBADMSG if it makes no sense
 */
int xen_info(struct xen_tmem_info *info)
{
	struct xen_tmem_control op = { .op = XEN_TMEM_INFO };
	int err = xen_call(&op);

	if (err)
		return err;
	*info = op.u.info;
	if (info->pages > MOST_PAGES || info->present > info->pages ||
	    info->free > info->present || info->size > info->pages ||
	    info->metadata > MOST_PAGES || info->heap_free > MOST_PAGES ||
	    info->freeable > MOST_PAGES || info->reserve > MOST_PAGES ||
	    info->nr_policies > MOST_POLICIES ||
	    info->policy >= info->nr_policies)
		return -EBADMSG;
	return 0;
}
