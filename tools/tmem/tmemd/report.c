// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, how things are, in words
 *
 * Sizes are in bytes; what is called pages, or counts events, is a number.
 */
#include <stddef.h>
#include <unistd.h>

#include "control.h"
#include "policy.h"
#include "pool.h"
#include "worker.h"

static const char * const count_names[COUNTS] = {
	[COUNT_VECTORS] = "vectors",
	[COUNT_REQUESTS] = "requests",
	[COUNT_PUTS] = "puts",
	[COUNT_STORED] = "stored",
	[COUNT_GETS] = "gets",
	[COUNT_HITS] = "hits",
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

static void add_number(struct json_object *to, const char *name, u64 number)
{
	json_object_object_add(to, name, json_object_new_uint64(number));
}

static void add_pages(struct json_object *to, const char *name, u64 pages)
{
	add_number(to, name, pages << PAGE_SHIFT);
}

static void add_bool(struct json_object *to, const char *name, bool is)
{
	json_object_object_add(to, name, json_object_new_boolean(is));
}

static void add_text(struct json_object *to, const char *name,
		     const char *text)
{
	json_object_object_add(to, name, json_object_new_string(text));
}

static struct json_object *counters(const struct client *c)
{
	struct json_object *all = json_object_new_object();
	u64 count[COUNTS];
	unsigned int i;

	client_counts(c, count);
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
	add_number(all, "evicted", stats.evicted);
	json_object_object_add(all, "refused", refusals(&stats));
	json_object_object_add(all, "counters", counters(c));
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
