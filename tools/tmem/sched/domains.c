// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmem-sched, domains of Xen as guests
 *
 * From what the hypervisor and xenstore say to what a decision is made of.
 * Nothing here asks for anything.
 */
#include "domains.h"

/**
 * domain_begin() - a domain is seen for the first time
 * @d: the domain
 * @g: the guest that it is to the scheduler
 * @now_ms: the time
 */
void domain_begin(struct domain *d, struct sched_guest *g, u64 now_ms)
{
	*g = (struct sched_guest){ .moved_ms = now_ms, .lowest = SCHED_MAX };
	d->client = false;
	d->reports = 0;
	d->said = 0;
}

/* What makes no sense is no report: the hypervisor would not have taken it */
static bool report_is_one(const struct tmem_report *r)
{
	return r->total && r->total <= SCHED_MAX && r->floor <= r->total &&
	       r->estimate <= SCHED_MAX && r->target <= SCHED_MAX &&
	       r->misses <= SCHED_MAX && r->pressure <= 1000 &&
	       r->confidence <= 100;
}

/* Who is not to be asked for memory has not reported; who moves by itself has */
static void look_report(struct domain *d, struct sched_guest *g,
			const struct xen_tmem_client *c, u64 now_ms)
{
	struct tmem_report report;

	report_of(c, &report);
	if (d->reports != c->reports)
		d->reported_ms = now_ms;
	d->reports = c->reports;
	g->report = (struct tmem_report){ 0 };
	if (report_is_one(&report) && report.flags)
		g->report = report;
	g->report_ms = now_ms - d->reported_ms;
}

/* What must stay counts as its memory, but for what it is granted beyond that */
static u64 most_of(const struct domain_memory *memory,
		   const struct xen_tmem_client *c)
{
	return minus(memory->limit, minus(c->persistent, c->hswap));
}

/**
 * domain_look() - what is known of a domain
 * @d: the domain, with its memory, which is of this moment
 * @g: the guest that it is to the scheduler
 * @c: the client that it is to the store, or NULL
 * @pool: most pages that the pool can have
 * @now_ms: the time
 *
 * Whoever is no client, has no target in xenstore or is an exception is counted,
 * and that is all.
 */
void domain_look(struct domain *d, struct sched_guest *g,
		 const struct xen_tmem_client *c, u64 pool, u64 now_ms)
{
	u64 back, held;

	g->total = d->memory.all;
	g->has = d->memory.has;
	g->most = g->total;
	g->weight = 1;
	g->goal = d->memory.target;
	g->movable = c && d->memory.target && !d->except;
	if (!c) {
		d->client = false;
		return;
	}
	look_report(d, g, c, now_ms);
	back = c->found + c->loaded;
	g->back = d->client ? minus(back, d->back) : 0;
	d->back = back;
	d->client = true;
	g->weight = c->weight;
	g->most = at_most(g->total, most_of(&d->memory, c));
	g->persistent = c->persistent;
	held = c->ephemeral + c->persistent;
	g->takes = c->frozen ? 0 : minus(at_most(c->cap, pool), held);
	d->refused = c->refuse;
}

static u64 idle(const struct xen_tmem_info *info)
{
	return info->present + minus(info->heap_free, info->reserve);
}

/**
 * host_look() - what is known of the host
 * @host: the host
 * @before: its store, before anybody looked at domains
 * @info: its store now
 * @guests: pages that all domains but dom0 have
 * @memory: pages that guests and pool may have; 0: all that there are
 *
 * What a domain gave back or took between the two counts once at most.  The pool
 * has what it has, not its size: it is made as small as is decided before guests
 * are told to grow.
 */
void host_look(struct sched_host *host, const struct xen_tmem_info *before,
	       const struct xen_tmem_info *info, u64 guests, u64 memory)
{
	u64 all = guests + at_most(idle(before), idle(info));

	host->memory = memory && memory < all ? memory : all;
	host->pool_has = info->present;
	host->pool_free = at_most(info->free, info->present);
	host->pool_must = minus(info->present, info->free + info->ephemeral);
	host->pool_most = info->pages;
}
