// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a hypervisor and a xenstore for tmemctl, which are none
 *
 * Linked in place of libxencall and, with fake_xenstore.c, libxenstore.  The
 * domains are in a file, so that one tmemctl finds what another one has changed.
 * Whatever tmemctl hands over is checked as a strict hypervisor would; it aborts
 * if that is wrong.
 *
 *	FAKE_XEN	the file; made if it is empty.  Without: no hypervisor.
 *	FAKE_CLIENTS	that it has so many more clients, when it is made
 *	FAKE_FAIL	OP:ERRNO:N: the operation fails when it is called for the
 *			Nth time
 *	FAKE_LIE	what the hypervisor answers that makes no sense
 *	FAKE_NAMES	no: there is no xenstore
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xencall.h>

#include <linux/tmem.h>

#include "tstore.h"
#include "fake_xen.h"

#define BUFFERS		16
#define MEMORY		32768		/* pages of the machine */
#define END_BYTES	64
#define KERNEL_PAGES	500

struct machine *m;
static int calls_of[32];

static struct {
	char *at;
	size_t bytes;
} buffers[BUFFERS];

bool lies(const char *what)
{
	const char *lie = getenv("FAKE_LIE");

	return lie && !strcmp(lie, what);
}

/* ---- the machine ---- */

static struct domain *add(unsigned int id, const char *name, bool client)
{
	struct domain *d = &m->domains[id];

	d->exists = true;
	d->client = client;
	snprintf(d->name, sizeof(d->name), "%s", name);
	/* A guest of 64 MiB, as the toolstack makes one */
	d->pages = 16384;
	d->max_pages = 16384 + 256;
	d->target = 65536;
	d->static_max = 65536;
	d->info = (struct xen_tmem_client){ .domid = id, .weight = 1,
					    .cap = UINT64_MAX };
	return d;
}

static void make(void)
{
	const char *more = getenv("FAKE_CLIENTS");
	struct domain *d;
	int i;

	m->info = (struct xen_tmem_info){
		.pages = 16384, .present = 1000, .free = 100,
		.ephemeral = 700, .persistent = 200, .metadata = 180,
		.heap_free = 5000, .freeable = 800, .size = 16384,
		.reserve = 512, .stored = 12345, .hits = 77, .misses = 3,
		.policy = 2, .nr_policies = 6,
	};
	m->must_stay = 300;
	d = add(0, "Domain-0", false);
	d->pages = 131072;
	d->max_pages = UINT32_MAX;
	d->target = 524288;
	d->static_max = 1048576;
	d = add(1, "web", true);
	d->info.ephemeral = 700;
	d->info.persistent = 150;
	d->info.pools = 2;
	d->info.target = 4096;
	d->info.reject_limit = 5;
	d->info.evicted = 9;
	d->info.vectors = 40;
	d->info.requests = 120;
	d->info.puts = 900;
	d->info.stored = 895;
	d->info.gets = 200;
	d->info.hits = 150;
	d->info.flushed = 30;
	d->info.loaded = 20;
	d->info.reports = 1;
	d->info.report = (struct xen_tmem_report){
		.total = 15000, .floor = 3000, .estimate = 9000,
		.target = 10000, .misses = 5, .grant = 10000, .confidence = 90,
		.flags = TMEM_REPORT_HOST,
	};
	d = add(2, "", true);
	d->info.persistent = 50;
	d->info.pools = 1;
	d->info.hswap = 25;
	d = add(3, "fresh", false);
	d->static_max = 262144;
	d->pages += 100;
	add(4, "twin", true)->target = 0;
	add(5, "twin", true);
	add(6, "1", true);
	add(7, "bad\033[2J", true);
	for (i = 0; more && i < atoi(more); i++)
		add(10 + i, "", true)->info.ephemeral = i;
	m->made = true;
}

static bool machine_open(void)
{
	const char *path = getenv("FAKE_XEN");
	int fd;

	if (m)
		return true;
	if (!path)
		return false;
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert(fd >= 0 && !ftruncate(fd, sizeof(*m)));
	m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert(m != MAP_FAILED);
	close(fd);
	if (!m->made)
		make();
	return true;
}

/* ---- checks ---- */

/* Only such memory is known to be there while the hypervisor looks */
static void in_buffer(const void *at, size_t bytes)
{
	int i;

	for (i = 0; i < BUFFERS; i++)
		if (buffers[i].at && (char *)at >= buffers[i].at &&
		    (char *)at + bytes <= buffers[i].at + buffers[i].bytes)
			return;
	fprintf(stderr, "fake: not a buffer for hypercalls\n");
	abort();
}

static void all_zero(const struct xen_tmem_control *op, size_t from)
{
	const char *at = (const char *)&op->u;

	for (; from < sizeof(op->u); from++)
		if (at[from]) {
			fprintf(stderr, "fake: op %u, %zu is not zero\n",
				op->op, from);
			abort();
		}
}

/* What an operation does not use is zero */
static void check(const struct xen_tmem_control *op)
{
	bool domain = true;

	assert(op->cmd == TMEM_CONTROL && !op->pad);
	assert(op->version == XEN_TMEM_CONTROL_VERSION);
	switch (op->op) {
	case XEN_TMEM_LIST:
		in_buffer(op->u.list.clients.p, op->u.list.nr *
			  sizeof(struct xen_tmem_client));
		assert(!op->u.list.pad);
		all_zero(op, sizeof(op->u.list));
		break;
	case XEN_TMEM_SHARED:
		in_buffer(op->u.shared.pools.p, op->u.shared.nr *
			  sizeof(struct xen_tmem_shared));
		assert(!op->u.shared.pad);
		all_zero(op, sizeof(op->u.shared));
		break;
	case XEN_TMEM_ALLOW:
	case XEN_TMEM_FORBID:
		assert(op->u.share.uuid[0] || op->u.share.uuid[1]);
		all_zero(op, sizeof(op->u.share.uuid));
		break;
	case XEN_TMEM_SET:
		all_zero(op, sizeof(op->u.set));
		break;
	case XEN_TMEM_DROP:
		all_zero(op, 8);
		break;
	case XEN_TMEM_SIZE:
	case XEN_TMEM_RESERVE:
	case XEN_TMEM_FREE:
	case XEN_TMEM_POLICY:
		all_zero(op, op->op == XEN_TMEM_POLICY ? 4 : 8);
		domain = false;
		break;
	case XEN_TMEM_TRACE_READ:
		in_buffer(op->u.trace.events.p, op->u.trace.nr *
			  sizeof(struct xen_tmem_event));
		assert(!op->u.trace.pad && !op->u.trace.lost);
		all_zero(op, sizeof(op->u.trace));
		domain = false;
		break;
	case XEN_TMEM_SAVE_BEGIN:
		all_zero(op, 4);
		break;
	case XEN_TMEM_SAVE_NEXT:
	case XEN_TMEM_RESTORE_FEED:
		in_buffer(op->u.save.buffer.p, op->u.save.bytes);
		assert(!op->u.save.entries && !op->u.save.more &&
		       !op->u.save.damage);
		all_zero(op, sizeof(op->u.save));
		break;
	default:
		all_zero(op, 0);
		domain = op->op != XEN_TMEM_INFO &&
			 op->op < XEN_TMEM_TRACE_BEGIN;
	}
	assert(domain || !op->domid);
}

/* ---- operations ---- */

static int list(struct xen_tmem_control *op)
{
	struct xen_tmem_client *out = op->u.list.clients.p;
	uint32_t nr = 0, room = op->u.list.nr, i;
	struct domain *d;

	/* It is wanted for something else, and tells of as many as it has */
	if (room > 3)
		room = 3;

	for (i = op->domid; i < DOMAINS && nr < room; i++) {
		d = &m->domains[i];
		if (!d->client)
			continue;
		/* What a kernel has for itself it does not count */
		if (d->reports) {
			d->info.reports++;
			d->info.report.total = d->pages - KERNEL_PAGES;
		}
		out[nr] = d->info;
		if (lies("absurd")) {
			memset(&out[nr], 0xff, sizeof(*out));
			out[nr].domid = i;
		}
		nr++;
	}
	if (nr > 1 && lies("order"))
		out[1].domid = out[0].domid;
	if (nr && lies("domid"))
		out[nr - 1].domid = DOMID_FIRST_RESERVED;
	op->u.list.nr = lies("nr") ? room + 1 : nr;
	return 0;
}

/* Of no more than two domains at a time */
static int list_shared(struct xen_tmem_control *op)
{
	struct xen_tmem_shared *out = op->u.shared.pools.p;
	uint32_t nr = 0, room = op->u.shared.nr, i, j, some = 0;

	for (i = op->domid; i < DOMAINS && some < 2; i++) {
		for (j = 0; j < 2; j++)
			if (m->domains[i].shared[j].uuid[0])
				out[nr++] = m->domains[i].shared[j];
		some += m->domains[i].shared[0].uuid[0] ||
			m->domains[i].shared[1].uuid[0];
	}
	assert(nr <= room);
	if (nr > 1 && lies("shared order"))
		out[1].domid = out[0].domid - 1;
	if (nr && lies("shared name"))
		memset(out[0].uuid, 0, sizeof(out[0].uuid));
	if (nr && lies("shared domid"))
		out[nr - 1].domid = DOMID_FIRST_RESERVED;
	op->u.shared.nr = lies("shared nr") ? room + 1 : nr;
	return 0;
}

/* Domain 1 joins what it may; two pools are all that there may be */
static int share(struct domain *d, const struct xen_tmem_control *op)
{
	struct xen_tmem_shared *s = d->shared;
	bool allow = op->op == XEN_TMEM_ALLOW;
	size_t bytes = sizeof(s->uuid);

	if (s->uuid[0] && memcmp(s->uuid, op->u.share.uuid, bytes))
		s++;
	if (memcmp(s->uuid, op->u.share.uuid, bytes) && (s->uuid[0] || !allow))
		return allow ? ENOSPC : ENOENT;
	memset(s, 0, sizeof(*s));
	if (!allow)
		return 0;
	memcpy(s->uuid, op->u.share.uuid, bytes);
	s->domid = d - m->domains;
	s->joined = s->domid == 1;
	s->members = s->joined;
	s->pages = 77;
	d->client = true;
	d->info.domid = s->domid;
	return 0;
}

static int set(struct domain *d, const struct xen_tmem_control *op)
{
	uint32_t what = op->u.set.what;

	d->client = true;
	if (what & XEN_TMEM_SET_MIN)
		d->info.min = op->u.set.min;
	if (what & XEN_TMEM_SET_CAP)
		d->info.cap = op->u.set.cap;
	if (what & XEN_TMEM_SET_WEIGHT)
		d->info.weight = op->u.set.weight;
	if (what & XEN_TMEM_SET_HSWAP)
		d->info.hswap = op->u.set.hswap;
	if (what & XEN_TMEM_SET_FROZEN)
		d->info.frozen = op->u.set.frozen;
	if (what & XEN_TMEM_SET_REFUSE)
		d->info.refuse = op->u.set.refuse;
	if (what & XEN_TMEM_SET_GRANT)
		d->info.report.grant = op->u.set.grant;
	return lies("gone") ? d->client = false : 0;
}

static int drop(struct domain *d, struct xen_tmem_control *op)
{
	uint64_t nr = op->u.pages.nr;

	if (nr > d->info.ephemeral)
		nr = d->info.ephemeral;
	d->info.ephemeral -= nr;
	op->u.pages.done = lies("dropped") ? UINT64_MAX : nr;
	return 0;
}

static int size(uint64_t pages)
{
	uint64_t was = m->info.present;

	m->info.size = pages < m->info.pages ? pages : m->info.pages;
	if (m->info.present > m->info.size)
		m->info.present = m->info.size < m->must_stay ? m->must_stay :
								m->info.size;
	m->info.heap_free += was - m->info.present;
	if (m->info.free > m->info.present)
		m->info.free = m->info.present;
	return 0;
}

static int make_free(uint64_t pages)
{
	uint64_t nr = pages > m->info.heap_free ? pages - m->info.heap_free : 0;

	if (nr > m->info.present - m->must_stay)
		nr = m->info.present - m->must_stay;
	m->info.heap_free += nr;
	m->info.present -= nr;
	if (m->info.free > m->info.present)
		m->info.free = m->info.present;
	return 0;
}

/* The stream of a domain: a number of pages, those, and an end */
static uint8_t byte_of(uint64_t pages, uint64_t at)
{
	if (at < 8)
		return pages >> (8 * at);
	return at * 11 + (at >> 12);
}

static uint64_t stream_bytes(uint64_t pages)
{
	return 64 + pages * TSTORE_SAVE_BYTES + END_BYTES;
}

static int save_next(struct domain *d, struct xen_tmem_control *op)
{
	uint64_t end = stream_bytes(d->info.persistent), nr, i;

	if (op->u.save.bytes < TSTORE_SAVE_BYTES ||
	    (d->stage != SAVING && d->stage != FINISHED))
		return EINVAL;
	if (d->stage == SAVING)
		end -= END_BYTES;
	nr = end - d->at;
	if (nr > op->u.save.bytes)
		nr = op->u.save.bytes;
	for (i = 0; i < nr; i++)
		((uint8_t *)op->u.save.buffer.p)[i] =
			byte_of(d->info.persistent, d->at + i);
	d->at += nr;
	op->u.save.more = d->at < end;
	op->u.save.bytes = lies("bytes") ? op->u.save.bytes + 1 : nr;
	return 0;
}

static int save(struct domain *d, struct xen_tmem_control *op)
{
	bool complete;

	switch (op->op) {
	case XEN_TMEM_SAVE_BEGIN:
		if (!op->u.save.entries || d->stage != NONE)
			return op->u.save.entries ? EBUSY : EINVAL;
		d->stage = SAVING;
		d->at = 0;
		return 0;
	case XEN_TMEM_SAVE_NEXT:
		return save_next(d, op);
	case XEN_TMEM_SAVE_FINISH:
		if (d->stage != SAVING || !d->paused)
			return EINVAL;
		d->stage = FINISHED;
		return 0;
	}
	if (d->stage != SAVING && d->stage != FINISHED)
		return EINVAL;
	complete = d->stage == FINISHED &&
		   d->at == stream_bytes(d->info.persistent);
	d->stage = NONE;
	return complete ? 0 : EBUSY;
}

static int restore(struct domain *d, struct xen_tmem_control *op)
{
	const uint8_t *from = op->u.save.buffer.p;
	uint64_t i, pages;

	if (op->op == XEN_TMEM_RESTORE_BEGIN) {
		if (d->info.pools || d->info.frozen || d->stage != NONE)
			return EBUSY;
		d->client = true;
		d->stage = RESTORING;
		d->at = 0;
		d->wrong = 0;
		d->info.persistent = 0;
		return 0;
	}
	if (d->stage != RESTORING)
		return EINVAL;
	pages = d->info.persistent;
	if (op->op == XEN_TMEM_RESTORE_FEED) {
		for (i = 0; i < op->u.save.bytes; i++, d->at++) {
			if (d->at < 8)
				pages |= (uint64_t)from[i] << (8 * d->at);
			d->wrong += from[i] != byte_of(pages, d->at);
		}
		d->info.persistent = pages;
		if (pages > d->info.cap)
			return EDQUOT;
		return d->wrong ? EBADMSG : 0;
	}
	d->stage = NONE;
	if (!d->wrong && d->at == stream_bytes(pages) && pages <= d->info.cap) {
		d->info.pools = 1;
		return 0;
	}
	d->info.persistent = 0;
	if (pages > d->info.cap && !d->wrong)
		return EDQUOT;
	op->u.save.damage = d->wrong ? TSTORE_DAMAGE_SUM :
				       TSTORE_DAMAGE_TRUNCATED;
	if (lies("damage"))
		op->u.save.damage = UINT32_MAX;
	return EBADMSG;
}

#include "fake_trace.h"

static int info(struct xen_tmem_control *op)
{
	op->u.info = m->info;
	if (lies("pages"))
		op->u.info.pages = UINT64_MAX;
	if (lies("free"))
		op->u.info.free = op->u.info.present + 1;
	if (lies("policy"))
		op->u.info.policy = op->u.info.nr_policies;
	if (lies("policies"))
		op->u.info.nr_policies = UINT32_MAX;
	if (lies("newer"))
		op->u.info.nr_policies++;
	return 0;
}

static int domain_op(struct xen_tmem_control *op)
{
	struct domain *d = &m->domains[op->domid < DOMAINS ? op->domid :
					       DOMAINS - 1];

	if (!d->exists)
		return ESRCH;
	switch (op->op) {
	case XEN_TMEM_SET:
		return set(d, op);
	case XEN_TMEM_DROP:
		return drop(d, op);
	case XEN_TMEM_ALLOW:
	case XEN_TMEM_FORBID:
		return share(d, op);
	case XEN_TMEM_SAVE_BEGIN ... XEN_TMEM_SAVE_END:
		return save(d, op);
	case XEN_TMEM_RESTORE_BEGIN ... XEN_TMEM_RESTORE_END:
		return restore(d, op);
	}
	return EOPNOTSUPP;
}

static int op_run(struct xen_tmem_control *op)
{
	unsigned int which, err, nth;
	const char *fail = getenv("FAKE_FAIL");

	assert(op->op < 32);
	calls_of[op->op]++;
	if (fail && sscanf(fail, "%u:%u:%u", &which, &err, &nth) == 3 &&
	    which == op->op && (int)nth == calls_of[op->op])
		return err;
	switch (op->op) {
	case XEN_TMEM_INFO:
		return info(op);
	case XEN_TMEM_LIST:
		return list(op);
	case XEN_TMEM_SHARED:
		return list_shared(op);
	case XEN_TMEM_POLICY:
		m->info.policy = op->u.policy;
		return op->u.policy < m->info.nr_policies + lies("newer") ?
		       0 : EINVAL;
	case XEN_TMEM_SIZE:
		return size(op->u.pages.nr);
	case XEN_TMEM_RESERVE:
		m->info.reserve = op->u.pages.nr < MEMORY ? op->u.pages.nr :
							    MEMORY;
		return 0;
	case XEN_TMEM_FREE:
		return make_free(op->u.pages.nr);
	case XEN_TMEM_TRACE_BEGIN ... XEN_TMEM_TRACE_END:
		return trace(op);
	}
	return domain_op(op);
}

/* ---- libxencall ---- */

xencall_handle *xencall_open(struct xentoollog_logger *logger, unsigned int flags)
{
	assert(!logger && !flags);
	if (machine_open())
		return (xencall_handle *)m;
	errno = ENOENT;
	return NULL;
}

void *xencall_alloc_buffer(xencall_handle *xcall, size_t bytes)
{
	int i = 0;

	assert(xcall);
	while (i < BUFFERS && buffers[i].at)
		i++;
	assert(i < BUFFERS);
	buffers[i].at = calloc(1, bytes);
	buffers[i].bytes = bytes;
	return buffers[i].at;
}

void *xencall_alloc_buffer_pages(xencall_handle *xcall, size_t pages)
{
	return xencall_alloc_buffer(xcall, pages * 4096);
}

int xencall1(xencall_handle *xcall, unsigned int nr, uint64_t arg)
{
	struct xen_tmem_control *op = (void *)(uintptr_t)arg;
	int err;

	assert(xcall && nr == __HYPERVISOR_tmem_op);
	in_buffer(op, sizeof(*op));
	check(op);
	err = op_run(op);
	if (!err)
		return 0;
	errno = err;
	return -1;
}

long xencall2L(xencall_handle *xcall, unsigned int nr, uint64_t what,
	       uint64_t arg)
{
	domid_t domid;

	assert(xcall && nr == __HYPERVISOR_memory_op);
	in_buffer((void *)(uintptr_t)arg, sizeof(domid));
	memcpy(&domid, (void *)(uintptr_t)arg, sizeof(domid));
	assert(what == XENMEM_current_reservation ||
	       what == XENMEM_maximum_reservation);
	if (domid >= DOMAINS || !m->domains[domid].exists) {
		errno = ESRCH;
		return -1;
	}
	if (lies("memory"))
		return INT64_MAX;
	return what == XENMEM_current_reservation ?
	       m->domains[domid].pages : m->domains[domid].max_pages;
}
