// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, what the daemon remembers
 *
 * The daemon's counts begin anew with each worker; here they go on.
 */
#include <stdlib.h>
#include <string.h>

#include "report.h"

static const char * const total_names[TOTALS] = {
	[VECTORS] = "vectors",
	[PUTS] = "puts",
	[GETS] = "gets",
	[HITS] = "hits",
	[NS] = "ns",
};

static void *must(void *memory)
{
	if (memory)
		return memory;
	fputs("tmemctl: no memory for the history\n", stderr);
	exit(EXIT_REFUSED);
}

static struct json_object *ask_from(uint64_t seq)
{
	struct json_object *request = json_object_new_object();

	json_object_object_add(request, "request",
			       json_object_new_string("history"));
	json_object_object_add(request, "from", json_object_new_uint64(seq));
	return talk(request, -1);
}

static struct guest *guest_of(struct past *past, uint64_t id, const char *name)
{
	struct guest *g = past->guests;
	size_t at = 0;

	while (at < past->nr_guests && g[at].id < id)
		at++;
	if (at < past->nr_guests && g[at].id == id)
		return &g[at];
	g = must(realloc(g, (past->nr_guests + 1) * sizeof(*g)));
	memmove(g + at + 1, g + at, (past->nr_guests - at) * sizeof(*g));
	past->guests = g;
	past->nr_guests++;
	g[at] = (struct guest){ .id = id };
	snprintf(g[at].name, sizeof(g[at].name), "%s", name ? name : "");
	g[at].readings = must(calloc(past->room, sizeof(struct reading)));
	return &g[at];
}

static void add_guest(struct past *past, struct json_object *client)
{
	struct guest *g = guest_of(past, number_of(client, "id"),
				   text_of(client, "name"));
	struct json_object *counters = part_of(client, "counters");
	const struct moment *moments = past->moments;
	struct reading *before = &g->readings[g->last];
	struct reading *now = &g->readings[past->nr];
	bool same = moments[g->last].worker == moments[past->nr].worker;
	uint64_t counted;
	int i;

	for (i = 0; i < TOTALS; i++) {
		counted = number_of(counters, total_names[i]);
		if (before->there)
			now->total[i] = before->total[i] + counted -
					(same ? g->counted[i] : 0);
		g->counted[i] = counted;
	}
	now->there = true;
	now->held = number_of(client, "charged");
	now->memory = number_of(client, "memory");
	now->goal = number_of(client, "memory_goal");
	past->divided |= now->memory;
	g->last = past->nr;
}

static void add_sample(struct past *past, struct json_object *sample,
		       double epoch)
{
	struct json_object *all = part_of(sample, "clients");
	size_t i;

	past->moments[past->nr] = (struct moment){
		.at = epoch + number_of(sample, "at") / 1e3,
		.worker = number_of(sample, "worker"),
		.size = number_of(sample, "size"),
	};
	for (i = 0; i < json_object_array_length(all); i++)
		add_guest(past, json_object_array_get_idx(all, i));
	past->nr++;
}

static void add_answer(struct past *past, struct json_object *answer,
		       uint64_t since)
{
	struct json_object *all = part_of(answer, "samples"), *sample;
	uint64_t now = number_of(answer, "now"), at;
	double epoch;
	struct timespec ts;
	size_t i;

	clock_gettime(CLOCK_REALTIME, &ts);
	epoch = ts.tv_sec + ts.tv_nsec / 1e9 - now / 1e3;
	for (i = 0; i < json_object_array_length(all); i++) {
		sample = json_object_array_get_idx(all, i);
		at = number_of(sample, "at");
		if (past->nr < past->room && now - at <= since * 1000)
			add_sample(past, sample, epoch);
	}
}

/**
 * past_get() - ask the daemon for its history
 * @past: out: the history
 * @since: the last so many seconds of it
 *
 * Samples that come meanwhile may be left out.
 */
void past_get(struct past *past, uint64_t since)
{
	struct json_object *answer = ask_from(0);
	uint64_t end = number_of(answer, "end"), next;

	*past = (struct past){ .seconds = number_of(answer, "seconds") };
	next = number_of(answer, "next");
	past->room = end - next +
		     json_object_array_length(part_of(answer, "samples"));
	past->moments = must(calloc(past->room + 1, sizeof(struct moment)));
	for (;;) {
		add_answer(past, answer, since);
		next = number_of(answer, "next");
		json_object_put(answer);
		if (next >= end)
			break;
		answer = ask_from(next);
	}
}

/**
 * past_free() - the opposite
 * @past: the history
 */
void past_free(struct past *past)
{
	size_t i;

	for (i = 0; i < past->nr_guests; i++)
		free(past->guests[i].readings);
	free(past->guests);
	free(past->moments);
}

/**
 * past_gone() - was a guest's client removed?
 * @past: the history
 * @guest: the guest
 *
 * Return: true if the last sample does not have it
 */
bool past_gone(const struct past *past, const struct guest *guest)
{
	return guest->last + 1 < past->nr;
}
