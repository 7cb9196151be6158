// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmem-sched replay, what other schedulers would have decided
 *
 * A recording, of "tmemctl record" or of "tmem-sched run", is decided anew by each
 * policy.  Guests want what they wanted then; what they have follows from what is
 * decided here.
 */
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "tmem_sched.h"

#define GUESTS	64
#define NAME	40

/* A guest brings back such a part of what it lacks in a second */
#define BRINGS	8U

/**
 * struct sums - of a guest, over all decisions
 * @name: its name
 * @seen: there is such a guest
 * @there: in this line
 * @due: pages that it wanted within its share
 * @had: and had
 */
struct sums {
	char name[NAME];
	bool seen;
	bool there;
	double due;
	double had;
};

/**
 * struct replay - of one policy
 * @policy: it
 * @plot: print each decision
 * @host: as it goes
 * @guests: likewise
 * @sums: of these
 * @lines: so far
 * @first_ms: time of the first one
 * @unmet: pages, summed over lines
 * @pool: likewise
 * @moved: pages in all
 */
struct replay {
	const struct sched_policy *policy;
	bool plot;
	struct sched_host host;
	struct sched_guest guests[GUESTS];
	struct sums sums[GUESTS];
	unsigned long lines;
	u64 first_ms;
	double unmet;
	double pool;
	double moved;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "tmem-sched: %s: %s\n", what, why);
	exit(2);
}

/* ---- a line ---- */

static u64 number(struct json_object *from, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(from, name, &value) ?
	       json_object_get_uint64(value) : 0;
}

static u64 pages(struct json_object *from, const char *name)
{
	return number(from, name) >> PAGE_SHIFT;
}

static bool flag(struct json_object *from, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(from, name, &value) &&
	       json_object_get_boolean(value);
}

static const char *text(struct json_object *from, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(from, name, &value) ?
	       json_object_get_string(value) : NULL;
}

static u64 bounded(u64 number, u64 most)
{
	return number < most ? number : most;
}

/* The place of a guest of this name, or of one that is new */
static int place(struct replay *r, const char *name)
{
	int i;

	for (i = 0; i < GUESTS && r->sums[i].seen; i++)
		if (!strcmp(r->sums[i].name, name))
			return i;
	if (i == GUESTS)
		return -1;
	snprintf(r->sums[i].name, sizeof(r->sums[i].name), "%s", name);
	r->sums[i].seen = true;
	return i;
}

static void read_report(struct tmem_report *to, struct json_object *from)
{
	*to = (struct tmem_report){
		.total = bounded(pages(from, "report_total"), SCHED_MAX),
		.floor = bounded(pages(from, "report_floor"), SCHED_MAX),
		.estimate = bounded(pages(from, "report_estimate"), SCHED_MAX),
		.target = bounded(pages(from, "report_target"), SCHED_MAX),
		.confidence = bounded(number(from, "report_confidence"), 100),
	};
}

/* What is known of a guest; what it has is what was decided */
static void read_guest(struct sched_guest *g, struct json_object *from,
		       bool new, u64 ms)
{
	u64 beyond = bounded(pages(from, "beyond"), SCHED_MAX), lacks;

	g->weight = bounded(number(from, "weight"), 1000000);
	g->total = bounded(pages(from, "total"), SCHED_MAX);
	g->least = bounded(pages(from, "least"), SCHED_MAX);
	g->most = bounded(pages(from, "most"), SCHED_MAX);
	g->fixed = bounded(pages(from, "fixed"), SCHED_MAX);
	g->movable = flag(from, "movable");
	g->persistent = bounded(pages(from, "persistent"), SCHED_MAX);
	g->takes = bounded(pages(from, "takes"), SCHED_MAX);
	read_report(&g->report, from);
	g->report_ms = number(from, "report_ms");
	if (new) {
		g->has = bounded(pages(from, "has"), g->total);
		g->goal = g->has;
	}
	if (!g->movable)
		g->has = bounded(pages(from, "has"), SCHED_MAX);
	else
		g->has = g->goal;
	/* It counts itself as it would have, had it had so much then */
	if (g->report.total)
		g->report.total = g->has > beyond ? g->has - beyond : 1;
	lacks = g->report.target + beyond;
	lacks = lacks > g->has ? lacks - g->has : 0;
	g->back = g->report.total ? lacks / BRINGS * ms / 1000 : 0;
}

static bool read_line(struct replay *r, struct json_object *line)
{
	struct json_object *all, *one;
	struct sched_host *host = &r->host;
	u64 now = number(line, "now_ms"), ms;
	size_t i;
	int at;

	if (!json_object_object_get_ex(line, "guests", &all) ||
	    !json_object_is_type(all, json_type_array) || now < host->last_ms)
		return false;
	ms = host->last_ms ? bounded(now - host->last_ms, 10000) : 0;
	host->memory = bounded(pages(line, "memory"), SCHED_MAX);
	host->pool_has = r->lines ? host->pool : pages(line, "pool_has");
	host->pool_has = bounded(host->pool_has, SCHED_MAX);
	host->pool_free = bounded(pages(line, "pool_free"), host->pool_has);
	host->pool_least = bounded(pages(line, "pool_least"), SCHED_MAX);
	host->pool_most = bounded(pages(line, "pool_most"), SCHED_MAX);
	host->now_ms = now;
	for (i = 0; i < GUESTS; i++)
		r->sums[i].there = false;
	for (i = 0; i < json_object_array_length(all); i++) {
		one = json_object_array_get_idx(all, i);
		at = text(one, "name") ? place(r, text(one, "name")) : -1;
		if (at < 0)
			return false;
		read_guest(&r->guests[at], one, !r->guests[at].total, ms);
		r->sums[at].there = true;
	}
	for (i = 0; i < GUESTS; i++)
		if (!r->sums[i].there)
			r->guests[i] = (struct sched_guest){ 0 };
	return true;
}

/* ---- what comes of it ---- */

static void add_up(struct replay *r, const u64 *goals)
{
	u32 i;

	for (i = 0; i < GUESTS; i++) {
		const struct sched_guest *g = &r->guests[i];
		u64 want = bounded(g->want, g->most), due;

		if (!r->sums[i].there || !g->movable)
			continue;
		due = bounded(want, g->share);
		r->sums[i].due += due;
		r->sums[i].had += bounded(g->goal, due);
		r->unmet += want > g->goal ? want - g->goal : 0;
		r->moved += g->goal > goals[i] ? g->goal - goals[i] :
						 goals[i] - g->goal;
		if (r->plot)
			printf("%s %.1f %s %llu %llu %llu\n", r->policy->name,
			       (r->host.now_ms - r->first_ms) / 1e3,
			       r->sums[i].name, (unsigned long long)want,
			       (unsigned long long)g->has,
			       (unsigned long long)g->goal);
	}
	r->pool += r->host.pool;
}

static void decide(struct replay *r)
{
	u64 goals[GUESTS];
	u32 i;

	if (!r->lines)
		r->first_ms = r->host.now_ms;
	for (i = 0; i < GUESTS; i++)
		goals[i] = r->guests[i].goal;
	sched_decide(r->policy, &r->host, r->guests, GUESTS);
	if (r->host.waits) {
		/* Balloons go down, and the pool, and then it is asked again */
		for (i = 0; i < GUESTS; i++)
			if (r->guests[i].movable &&
			    r->guests[i].goal < r->guests[i].has)
				r->guests[i].has = r->guests[i].goal;
		r->host.pool_has = r->host.pool;
		sched_decide(r->policy, &r->host, r->guests, GUESTS);
	}
	add_up(r, goals);
	r->lines++;
}

static double fairness(const struct replay *r)
{
	double sum = 0, squares = 0, x;
	unsigned int nr = 0, i;

	for (i = 0; i < GUESTS; i++) {
		if (!r->sums[i].seen || !r->sums[i].due)
			continue;
		x = r->sums[i].had / r->sums[i].due;
		sum += x;
		squares += x * x;
		nr++;
	}
	return squares ? sum * sum / (nr * squares) : 1;
}

static double mib(double pages)
{
	return pages / (1 << (20 - PAGE_SHIFT));
}

static void replay(const char *path, const struct sched_policy *policy,
		   bool plot)
{
	static struct replay r;
	struct json_object *line;
	char *bytes = NULL;
	size_t room = 0;
	double minutes;
	FILE *from;

	from = strcmp(path, "-") ? fopen(path, "r") : stdin;
	if (!from)
		die(path, "cannot be read");
	r = (struct replay){ .policy = policy, .plot = plot };
	while (getline(&bytes, &room, from) > 0) {
		line = json_tokener_parse(bytes);
		if (!line || !read_line(&r, line))
			die(path, "is not a recording");
		json_object_put(line);
		decide(&r);
	}
	free(bytes);
	if (from != stdin)
		fclose(from);
	if (!r.lines)
		die(path, "is empty");
	if (plot)
		return;
	minutes = (r.host.now_ms - r.first_ms) / 6e4;
	printf("%-14s %10.1f %10.1f %10.1f %10.3f\n", policy->name,
	       mib(r.unmet / r.lines), mib(r.pool / r.lines),
	       minutes ? mib(r.moved) / minutes : 0, fairness(&r));
}

/**
 * replay_main() - have policies decide anew what was recorded
 * @argc: number of arguments
 * @argv: of the verb
 *
 * Return: the status to exit with
 */
int replay_main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "policy", required_argument, NULL, 'p' },
		{ "plot", no_argument, NULL, 'P' },
		{ 0 }
	};
	char *names = NULL, *name;
	bool plot = false;
	int opt;
	u32 i;

	while ((opt = getopt_long(argc, argv, "p:", longs, NULL)) >= 0) {
		if (opt == 'p')
			names = optarg;
		else if (opt == 'P')
			plot = true;
		else
			return 2;
	}
	if (argc - optind != 1)
		die("usage", "tmem-sched replay FILE [--policy NAMES] [--plot]");
	if (!plot)
		printf("%-14s %10s %10s %10s %10s\n", "policy", "unmet/MiB",
		       "pool/MiB", "moved/min", "fairness");
	for (i = 0; !names && i < sched_nr_policies; i++)
		replay(argv[optind], &sched_policies[i], plot);
	for (name = names ? strtok(names, ",") : NULL; name;
	     name = strtok(NULL, ",")) {
		if (!sched_policy(name))
			die(name, "no such policy");
		replay(argv[optind], sched_policy(name), plot);
	}
	return 0;
}
