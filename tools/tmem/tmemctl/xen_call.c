// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, asking the hypervisor
 *
 * What comes back is looked at here, before anybody believes it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/tmem.h>
#include <xencall.h>

#include "xen_abi.h"
#include "xen.h"

#define MOST_POLICIES	64

/* Clients that one call tells of */
#define LIST_PAGES	4
#define LIST_ROOM	(LIST_PAGES * PAGE / sizeof(struct xen_tmem_client))

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

/**
 * report_of() - what a client said last of its memory
 * @c: the client
 * @out: out: that, as it said it; nobody has looked at it here
 */
void report_of(const struct xen_tmem_client *c, struct tmem_report *out)
{
	*out = (struct tmem_report){
		.total = c->report.total,
		.floor = c->report.floor,
		.estimate = c->report.estimate,
		.target = c->report.target,
		.misses = c->report.misses,
		.grant = c->report.grant,
		.pressure = c->report.pressure,
		.confidence = c->report.confidence,
		.flags = c->report.flags,
	};
}

/* Clients from @from on.  Returns how many, or a negative error number. */
static int list_some(domid_t from, uint32_t room, struct xen_tmem_client *all)
{
	struct xen_tmem_control op = { .op = XEN_TMEM_LIST, .domid = from };
	static struct xen_tmem_client *buffer;
	uint32_t i;
	int err;

	if (!buffer)
		buffer = xen_buffer(LIST_PAGES);
	if (!buffer)
		return -ENOMEM;
	op.u.list.nr = room;
	set_xen_guest_handle(op.u.list.clients, buffer);
	err = xen_call(&op);
	if (err)
		return err;
	if (op.u.list.nr > room)
		return -EBADMSG;
	memcpy(all, buffer, op.u.list.nr * sizeof(*all));
	/* In their order, or else there would be no end to it */
	for (i = 0; i < op.u.list.nr; from = all[i++].domid + 1)
		if (all[i].domid < from ||
		    all[i].domid >= DOMID_FIRST_RESERVED)
			return -EBADMSG;
	return op.u.list.nr;
}

/**
 * client_list() - the clients that there are
 * @from: number of the first domain that may be one
 * @most: how many are wanted at most
 * @all: out: the clients, by their numbers, for free()
 * @nr: out: how many
 *
 * Return: 0 or a negative error number, and then nothing is out
 */
int client_list(domid_t from, size_t most, struct xen_tmem_client **all,
		size_t *nr)
{
	size_t room = most < LIST_ROOM ? most : LIST_ROOM;
	struct xen_tmem_client *list = NULL, *more;
	int got;

	*nr = 0;
	do {
		more = realloc(list, (*nr + room) * sizeof(*list));
		got = more ? list_some(from, room, more + *nr) : -ENOMEM;
		list = more ? more : list;
		if (got < 0) {
			free(list);
			return got;
		}
		*nr += got;
		if (got)
			from = list[*nr - 1].domid + 1;
	} while (got && *nr < most);
	*all = list;
	return 0;
}
