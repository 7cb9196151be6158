// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a xenstore for tmemctl and tmem-sched, which is none
 *
 * What it tells of domains is that of fake_xen.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>
#include <xenstore_lib.h>

#include "fake_xen.h"

const char *xs_daemon_socket(void)
{
	const char *names = getenv("FAKE_NAMES");

	return names && !strcmp(names, "no") ? "/nowhere" : getenv("FAKE_XEN");
}

struct xs_handle *xs_open(unsigned long flags)
{
	assert(!flags);
	return (struct xs_handle *)m;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path,
	      unsigned int *len)
{
	uint64_t number = 0;
	char rest[32], *text = NULL;
	struct domain *d;
	unsigned int id;

	assert(h && !t);
	if (sscanf(path, "/local/domain/%u/%31s", &id, rest) != 2 ||
	    id >= DOMAINS)
		return NULL;
	d = &m->domains[id];
	if (!strcmp(rest, "name") && *d->name) {
		*len = strlen(d->name);
		return strdup(d->name);
	}
	if (!strcmp(rest, "memory/target"))
		number = d->target;
	if (!strcmp(rest, "memory/static-max"))
		number = d->static_max;
	if (number && asprintf(&text, lies("target") ? "-%llu" : "%llu",
			       (unsigned long long)number) > 0)
		*len = strlen(text);
	return text;
}

/* The guest does as it is told, as far as it may */
bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path,
	      const void *data, unsigned int len)
{
	struct domain *d;
	char text[32] = "";
	uint64_t pages;
	unsigned int id;
	int end = 0;

	assert(h && !t && len < sizeof(text));
	assert(sscanf(path, "/local/domain/%u/memory/target%n", &id, &end) == 1);
	assert(!path[end] && id < DOMAINS && m->domains[id].exists);
	if (lies("readonly")) {
		errno = EACCES;
		return false;
	}
	memcpy(text, data, len);
	d = &m->domains[id];
	d->target = strtoull(text, NULL, 10);
	if (d->stuck)
		return true;
	pages = d->target / 4 < d->max_pages ? d->target / 4 : d->max_pages;
	if (pages > d->pages + m->info.heap_free)
		pages = d->pages + m->info.heap_free;
	m->info.heap_free += d->pages - pages;
	d->pages = pages;
	return true;
}

/* A block of pointers and what they point to, as the library's */
char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path,
		    unsigned int *num)
{
	char **all = calloc(DOMAINS, sizeof(*all) + 8), *text;
	unsigned int i;

	assert(h && !t && !strcmp(path, "/local/domain"));
	text = (char *)(all + DOMAINS);
	for (i = *num = 0; i < DOMAINS; i++) {
		if (!m->domains[i].exists)
			continue;
		all[*num] = text + 8 * *num;
		snprintf(all[(*num)++], 8, "%u", i);
	}
	return all;
}
