// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, the memory of domains
 *
 * A domain's balloon is its own: it goes by what it finds in xenstore, in KiB,
 * and the hypervisor says how far it got.  Nothing here changes max_pages, as
 * "xl mem-set" does: what a domain has less than that it may keep in the pool.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tmemctl.h"
#include "xen_abi.h"
#include "xen.h"

#define KIB		1024ULL

/* What the toolstack grants a domain beyond its memory */
#define EXTRA_PAGES	(1024 * KIB / PAGE)

/* In pages; 0 if it is not there, or nonsense */
static uint64_t pages_read(domid_t domid, const char *name)
{
	char path[32], *text, *end = NULL;
	unsigned long long kib = 0;

	snprintf(path, sizeof(path), "memory/%s", name);
	text = domain_read(domid, path);
	if (text) {
		errno = 0;
		kib = strtoull(text, &end, 10);
		if (*text < '0' || *text > '9' || *end || errno)
			kib = 0;
	}
	free(text);
	return kib / (PAGE / KIB) < MOST_PAGES ? kib / (PAGE / KIB) : 0;
}

/**
 * memory_look() - how much memory a domain has
 * @domid: the domain
 * @out: out: that
 *
 * Return: 0, -ESRCH if there is no such domain, or the hypervisor's error
 */
int memory_look(domid_t domid, struct domain_memory *out)
{
	int err;

	*out = (struct domain_memory){ 0 };
	err = xen_pages(XENMEM_current_reservation, domid, &out->has);
	if (!err)
		err = xen_pages(XENMEM_maximum_reservation, domid,
				&out->limit);
	if (err)
		return err;
	out->video = pages_read(domid, "videoram");
	out->target = pages_read(domid, "target");
	if (out->target)
		out->target += out->video;
	out->all = pages_read(domid, "static-max");
	if (out->all > out->limit)
		out->all = out->limit - (out->limit > EXTRA_PAGES ?
					 EXTRA_PAGES : 0);
	/* Its tables and rings count, too */
	if (!out->all || out->all < out->has)
		out->all = out->has;
	return 0;
}

/**
 * memory_set() - ask a domain to keep so much
 * @domid: the domain
 * @memory: of it, of memory_look()
 * @pages: what it is to have in all
 *
 * Return: false if xenstore does not take it, with errno set
 */
bool memory_set(domid_t domid, const struct domain_memory *memory,
		uint64_t pages)
{
	char text[32];

	pages -= pages > memory->video ? memory->video : 0;
	snprintf(text, sizeof(text), "%llu",
		 (unsigned long long)(pages * (PAGE / KIB)));
	return domain_write(domid, "memory/target", text);
}
