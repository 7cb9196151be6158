// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: what a hypercall costs, in instructions
 *
 * To be run by valgrind's callgrind, which counts them, and dumps each case
 * under its name.  A case moves PAGES pages, by calls of the store alone, whose
 * requests and pages are at hand, or by hypercalls, whose requests are in the
 * guest's memory.  Making a request is no part of either.
 */
#include <valgrind/callgrind.h>

#include "tmem.h"

#define PAGES		512
#define RUN		32
#define PER_OBJECT	64
#define ME		2	/* a PV guest */

/* Where the guest has what it hands over: pages of its memory */
#define P_CALLS		0
#define P_REQS		4
#define P_ATTACH	15
#define P_FROM		16	/* what is moved */
#define P_LISTS		(P_FROM + PAGES)
#define AT(page)	(HV_BASE + (uint64_t)(page) * PAGE_SIZE)

/* How pages are named: so many requests a call, of so many pages */
static const struct way {
	const char *name;
	unsigned int reqs, pages;
	uint8_t flags;
	bool store;		/* by the store alone, too */
} ways[] = {
	{ "single", 1, 1, 0, true },
	{ "vector", RUN, 1, 0, false },
	{ "run", 1, RUN, 0, true },
	{ "list", 1, RUN, TMEM_REQ_LIST, false },
};

static struct tmem_req requests[PAGES];
static struct page_info *pages[PAGES];

/* As Xen does it; that of the C library depends on the processor */
void *memcpy(void *to, const void *from, size_t bytes)
{
	size_t words = bytes / 8, rest = bytes % 8;
	void *at = to;

	asm volatile ("rep movsq; mov %3, %2; rep movsb"
		      : "+D" (at), "+S" (from), "+c" (words) : "r" (rest)
		      : "memory");
	return to;
}

static struct tmem_req *reqs(void)
{
	return hv_at(ME, AT(P_REQS));
}

static void call(unsigned int i)
{
	XEN_GUEST_HANDLE(void) uop;
	long rc;

	uop.p = (void *)(AT(P_CALLS) + i * sizeof(struct xen_tmem_submit));
	rc = do_tmem_op(uop);
	if (rc)
		hv_die("hypercall %u: %ld", i, rc);
}

/* Has the guest make the calls that move all pages */
static void prepare(uint8_t op, const struct way *way)
{
	struct xen_tmem_submit *sub = hv_at(ME, AT(P_CALLS));
	unsigned int page, i, per = way->reqs * way->pages;

	for (i = 0; i < PAGES / per; i++)
		sub[i] = (struct xen_tmem_submit){
			.cmd = TMEM_SUBMIT, .nr = way->reqs,
			.reqs = AT(P_REQS) + i * way->reqs * sizeof(*requests),
		};
	for (i = 0; i < PAGES / way->pages; i++) {
		page = i * way->pages;
		requests[i] = (struct tmem_req){
			.op = op, .flags = way->flags,
			.object = { page / PER_OBJECT },
			.index = page % PER_OBJECT, .nr_pages = way->pages,
			.addr = hv_frame(ME, way->flags ? P_LISTS + i :
							  P_FROM + page),
			.status = -1,
		};
	}
	memcpy(reqs(), requests, sizeof(requests));
	for (page = 0; way->flags && page < PAGES; page++)
		((uint64_t *)hv_page(ME, P_LISTS + page / RUN))[page % RUN] =
			hv_frame(ME, P_FROM + page);
}

static void by_store(const struct way *way)
{
	struct tstore_client *client = hv_domains[ME].tmem->client;
	struct tmem_data data = { .nr = way->pages };
	unsigned int i;

	for (i = 0; i < PAGES / way->pages; i++) {
		data.pages = pages + i * way->pages;
		tstore_execute(client, &requests[i], &data);
	}
}

static void by_hypercall(const struct way *way)
{
	unsigned int i;

	for (i = 0; i < PAGES / (way->reqs * way->pages); i++)
		call(i);
}

/* Every request has been carried out, and every page is what it was */
static void check(const struct tmem_req *req, const struct way *way)
{
	unsigned int i;

	for (i = 0; i < PAGES / way->pages; i++)
		if (req[i].status || req[i].done != way->pages)
			hv_die("%s: request %u: status %d, %u pages", way->name,
			       i, req[i].status, req[i].done);
	for (i = 0; i < PAGES; i++) {
		uint32_t *page = (uint32_t *)hv_page(ME, P_FROM + i);

		if (page[0] != i || page[PAGE_SIZE / 4 - 1] != ~i)
			hv_die("%s: page %u is another", way->name, i);
	}
}

static void fill(bool right)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		uint32_t *page = (uint32_t *)hv_page(ME, P_FROM + i);

		page[0] = right ? i : 0;
		page[PAGE_SIZE / 4 - 1] = right ? ~i : 0;
	}
}

static void measure(const char *kind, uint8_t op, const struct way *way,
		    bool store)
{
	char name[80];

	prepare(op, way);
	fill(op == TMEM_OP_PUT);
	snprintf(name, sizeof(name), "%s %s %s %s", kind,
		 op == TMEM_OP_PUT ? "put" : "get",
		 store ? "store" : "hypercall", way->name);
	CALLGRIND_ZERO_STATS;
	if (store)
		by_store(way);
	else
		by_hypercall(way);
	CALLGRIND_DUMP_STATS_AT(name);
	check(store ? requests : reqs(), way);
}

static void measure_copy(void)
{
	unsigned int i;

	CALLGRIND_ZERO_STATS;
	for (i = 0; i < PAGES; i++)
		memcpy(hv_page(0, i), hv_page(ME, P_FROM + i), PAGE_SIZE);
	CALLGRIND_DUMP_STATS_AT("copy");
}

/* Something that is no part of a measurement */
static void control(struct tmem_req req)
{
	struct xen_tmem_submit *sub = hv_at(ME, AT(P_CALLS));

	reqs()[0] = req;
	*sub = (struct xen_tmem_submit){ .cmd = TMEM_SUBMIT, .nr = 1,
					 .reqs = AT(P_REQS) };
	call(0);
	if (reqs()[0].status)
		hv_die("op %u: status %d", req.op, reqs()[0].status);
}

static void begin(uint64_t flags)
{
	struct tmem_attach *at = hv_at(ME, AT(P_ATTACH));
	unsigned int i;

	hv_open(PAGES + 100);
	hv_run_as(ME, 0);
	*at = (struct tmem_attach){
		.version = TMEM_ABI_VERSION, .page_shift = PAGE_SHIFT,
		.features = TMEM_FEATURES,
	};
	control((struct tmem_req){
		.op = TMEM_OP_ATTACH, .addr = hv_frame(ME, P_ATTACH) });
	control((struct tmem_req){ .op = TMEM_OP_POOL_CREATE, .index = flags });
	for (i = 0; i < PAGES; i++)
		pages[i] = mfn_to_page(_mfn(hv_frame(ME, P_FROM + i)));
}

/* The same history for each: a new store */
static void cost(const char *kind, uint64_t flags, const struct way *way,
		 bool store)
{
	begin(flags);
	measure(kind, TMEM_OP_PUT, way, store);
	measure(kind, TMEM_OP_GET, way, store);
	hv_close();
}

int main(void)
{
	unsigned int i;

	hv_open(1);
	measure_copy();
	hv_close();
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		cost("ephemeral", 0, &ways[i], false);
		cost("persistent", TMEM_POOL_PERSISTENT, &ways[i], false);
		if (!ways[i].store)
			continue;
		cost("ephemeral", 0, &ways[i], true);
		cost("persistent", TMEM_POOL_PERSISTENT, &ways[i], true);
	}
	return 0;
}
