// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, how things are, in words
 *
 * Sizes are in bytes; what is called pages, or counts events, is a number.
 */
#include <stddef.h>
#include <unistd.h>

#include "../json.h"
#include "control.h"
#include "history.h"
#include "policy.h"
#include "pool.h"
#include "schedule.h"
#include "worker.h"

/* Samples of the history in one answer */
#define HISTORY_ANSWER	32

static const char * const count_names[COUNTS] = {
	[COUNT_VECTORS] = "vectors",
	[COUNT_REQUESTS] = "requests",
	[COUNT_PUTS] = "puts",
	[COUNT_STORED] = "stored",
	[COUNT_GETS] = "gets",
	[COUNT_HITS] = "hits",
	[COUNT_LOADED] = "loaded",
	[COUNT_FLUSHED] = "flushed",
	[COUNT_BAD] = "bad",
	[COUNT_KICKS] = "kicks",
	[COUNT_CALLS] = "calls",
	[COUNT_NS] = "ns",
};

#define STAT(name)	{ #name, offsetof(struct tstore_stats, name) }

static const struct {
	const char *name;
	size_t offset;
} stat_names[] = {
	STAT(pages),
	STAT(free),
	STAT(out),
	STAT(ephemeral),
	STAT(persistent),
	STAT(object_frames),
	STAT(span_frames),
	STAT(packed),
	STAT(packed_bytes),
	STAT(chunk_bytes),
	STAT(sharing),
	STAT(contents),
	STAT(stored),
	STAT(replaced),
	STAT(hits),
	STAT(misses),
	STAT(flushed),
	STAT(evicted),
	STAT(recovered),
	STAT(damaged),
	STAT(reject_full),
	STAT(reject_limit),
	STAT(reject_frozen),
};

static struct json_object *counters(const u64 *count)
{
	struct json_object *all = json_object_new_object();
	unsigned int i;

	for (i = 0; i < COUNTS; i++)
		add_number(all, count_names[i], count[i]);
	return all;
}

static struct json_object *refusals(const struct tstore_client_stats *stats)
{
	struct json_object *all = json_object_new_object();

	add_number(all, "full", stats->reject_full);
	add_number(all, "limit", stats->reject_limit);
	add_number(all, "frozen", stats->reject_frozen);
	return all;
}

/* What the scheduler may do with its memory, and does */
static void add_scheduled(struct json_object *all, const struct client *c)
{
	struct json_object *scheduled = schedule_client(c);

	add_bool(all, "memory_auto", c->state->share.memory_auto);
	add_number(all, "memory_min", c->state->share.memory_min);
	add_number(all, "memory_max", c->state->share.memory_max);
	if (scheduled)
		json_object_object_add(all, "scheduled", scheduled);
}

/**
 * report_client() - how a client is
 * @c: the client
 *
 * Context: the main thread, as all of this file.
 * Return: an object, for json_object_put()
 */
struct json_object *report_client(const struct client *c)
{
	const struct share *share = &c->state->share;
	struct json_object *all = json_object_new_object();
	struct tstore_client_stats stats = { 0 };
	u64 count[COUNTS], resident;
	const char *why;

	if (c->store)
		tstore_client_stats(c->store, &stats);
	add_text(all, "name", c->state->name);
	add_bool(all, "connected", c->device);
	add_pages(all, "min", share->min);
	add_pages(all, "cap", share->cap);
	add_number(all, "weight", share->weight);
	add_bool(all, "hswap", share->hswap);
	add_bool(all, "frozen", share->frozen);
	add_number(all, "pools", stats.pools);
	add_number(all, "ephemeral_pages", stats.ephemeral);
	add_number(all, "persistent_pages", stats.persistent);
	add_number(all, "charged", stats.bytes);
	add_pages(all, "target", stats.target);
	if (stats.report.total)
		json_object_object_add(all, "report",
				       report_object(&stats.report));
	add_number(all, "evicted", stats.evicted);
	add_number(all, "memory", balloon_memory(c, &resident));
	add_number(all, "memory_goal", c->state->memory);
	add_number(all, "resident", resident);
	add_pages(all, "balloon", c->state->inflated);
	if (c->qmp) {
		add_text(all, "qmp", qmp_state(c->qmp, &why));
		add_text(all, "qmp_why", why);
	}
	if (options.memory)
		add_scheduled(all, c);
	json_object_object_add(all, "refused", refusals(&stats));
	json_object_object_add(all, "shared", shared_report(c));
	client_counts(c, count);
	json_object_object_add(all, "counters", counters(count));
	return all;
}

/**
 * report_clients() - how all clients are
 *
 * Return: an array, for json_object_put()
 */
struct json_object *report_clients(void)
{
	struct json_object *all = json_object_new_array();
	struct client *c;

	for (c = clients; c < clients + TMEMD_CLIENTS; c++)
		if (c->state)
			json_object_array_add(all, report_client(c));
	return all;
}

/**
 * report_size() - how large the pool is
 * @answer: object to which that is added
 */
void report_size(struct json_object *answer)
{
	struct pool_size size;

	pool_look(&size);
	add_number(answer, "size", size.size);
	add_number(answer, "goal", size.goal);
	add_number(answer, "max_size", size.max);
	add_number(answer, "metadata", size.metadata);
}

/**
 * report_stats() - how the daemon is
 * @answer: object to which that is added
 */
void report_stats(struct json_object *answer)
{
	struct json_object *all = json_object_new_object();
	unsigned int nr = 0, connected = 0, i;
	struct tstore_stats stats;
	struct client *c;

	for (c = clients; c < clients + TMEMD_CLIENTS; c++) {
		nr += !!c->state;
		connected += !!c->device;
	}
	add_number(answer, "worker", getpid());
	add_number(answer, "starts", state->starts);
	add_text(answer, "policy", options.policy->name);
	if (options.memory)
		add_number(answer, "memory", options.memory);
	add_text(answer, "codec", options.codec);
	add_bool(answer, "dedup", options.dedup);
	add_number(answer, "threads", options.threads);
	add_number(answer, "clients", nr);
	add_number(answer, "connected", connected);
	report_size(answer);
	tstore_stats(store, &stats);
	for (i = 0; i < ARRAY_SIZE(stat_names); i++)
		add_number(all, stat_names[i].name,
			   *(u64 *)((u8 *)&stats + stat_names[i].offset));
	json_object_object_add(answer, "store", all);
}

static struct json_object *past_client(const struct history_client *c)
{
	struct json_object *all = json_object_new_object();

	add_number(all, "id", c->id);
	add_text(all, "name", c->name);
	add_number(all, "ephemeral_pages", c->ephemeral);
	add_number(all, "persistent_pages", c->persistent);
	add_number(all, "charged", c->charged);
	add_pages(all, "target", c->target);
	add_pages(all, "memory", c->memory);
	add_pages(all, "memory_goal", c->goal);
	add_pages(all, "working_set", c->estimate);
	json_object_object_add(all, "counters", counters(c->count));
	return all;
}

static struct json_object *past_sample(u64 seq)
{
	const struct history_sample *sample = history_sample(seq);
	struct json_object *all = json_object_new_object();
	struct json_object *list = json_object_new_array();
	const struct history_client *c;
	unsigned int i;

	add_number(all, "seq", seq);
	add_number(all, "at", sample->at);
	add_number(all, "worker", sample->worker);
	add_number(all, "size", sample->size);
	add_pages(all, "free", sample->free);
	for (i = 0; i < TMEMD_CLIENTS; i++) {
		c = history_client(seq, i);
		if (c)
			json_object_array_add(list, past_client(c));
	}
	json_object_object_add(all, "clients", list);
	return all;
}

/**
 * report_history() - how things were
 * @answer: object to which that is added: as many samples as an answer may have
 * @from: number of the first one
 */
void report_history(struct json_object *answer, u64 from)
{
	struct json_object *all = json_object_new_array();
	u64 end = history_end(), stop;

	if (from < history_first())
		from = history_first();
	if (from > end)
		from = end;
	stop = end - from < HISTORY_ANSWER ? end : from + HISTORY_ANSWER;
	add_number(answer, "now", history_now());
	add_number(answer, "seconds", options.sample_s);
	add_number(answer, "next", stop);
	add_number(answer, "end", end);
	for (; from < stop; from++)
		json_object_array_add(all, past_sample(from));
	json_object_object_add(answer, "samples", all);
}
