// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a decision, and what it was made of, in JSON
 *
 * "tmemctl record" and "tmem-sched run --record" write a line of this each
 * second, and "tmem-sched replay" reads them.
 */
#include "../json.h"
#include "record.h"

/**
 * record_decision() - what was decided of a guest, and why
 * @to: an object to which that is added
 * @g: the guest
 */
void record_decision(struct json_object *to, const struct sched_guest *g)
{
	add_pages(to, "has", g->has);
	add_pages(to, "goal", g->goal);
	add_pages(to, "target", g->target);
	add_pages(to, "share", g->share);
	add_pages(to, "want", g->want);
	add_pages(to, "floor", g->floor);
	add_pages(to, "proof", g->proof);
	add_pages(to, "beyond", g->beyond);
	add_text(to, "rule", sched_rule_names[g->rule]);
	add_text(to, "move", sched_move_names[g->move]);
	add_bool(to, "stuck", g->stuck);
	add_bool(to, "refused", g->refuse);
}

/**
 * record_guest() - what was decided of a guest, and what that was made of
 * @name: its name
 * @g: the guest
 *
 * Return: an object, for json_object_put()
 */
struct json_object *record_guest(const char *name, const struct sched_guest *g)
{
	struct json_object *all = json_object_new_object();

	add_text(all, "name", name);
	record_decision(all, g);
	add_number(all, "weight", g->weight);
	add_pages(all, "total", g->total);
	add_pages(all, "least", g->least);
	add_pages(all, "most", g->most);
	add_pages(all, "fixed", g->fixed);
	add_bool(all, "movable", g->movable);
	add_pages(all, "persistent", g->persistent);
	add_pages(all, "takes", g->takes);
	add_pages(all, "report_total", g->report.total);
	add_pages(all, "report_floor", g->report.floor);
	add_pages(all, "report_estimate", g->report.estimate);
	add_pages(all, "report_target", g->report.target);
	add_number(all, "report_misses", g->report.misses);
	add_number(all, "report_pressure", g->report.pressure);
	add_number(all, "report_confidence", g->report.confidence);
	add_number(all, "report_ms", g->report_ms);
	return all;
}

/**
 * record_host() - what was decided of the host, and what that was made of
 * @to: an object to which that is added
 * @policy: by which it was decided
 * @host: the host
 */
void record_host(struct json_object *to, const struct sched_policy *policy,
		 const struct sched_host *host)
{
	add_text(to, "scheduler", policy->name);
	add_pages(to, "memory", host->memory);
	add_pages(to, "pool", host->pool);
	add_pages(to, "pool_has", host->pool_has);
	add_pages(to, "pool_free", host->pool_free);
	add_pages(to, "pool_least", host->pool_least);
	add_pages(to, "pool_must", host->pool_must);
	add_pages(to, "pool_most", host->pool_most);
	add_bool(to, "scaled", host->scaled);
	add_bool(to, "short", host->is_short);
	add_bool(to, "over", host->over);
	add_number(to, "now_ms", host->now_ms);
}
