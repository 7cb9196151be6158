// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, answers for people
 */
#include <stdio.h>
#include <string.h>

#include "tmemctl.h"

#define PAGE	4096

/**
 * state_of() - a client's state, in a word
 * @client: the client
 *
 * Return: the word
 */
const char *state_of(struct json_object *client)
{
	if (flag_of(client, "frozen"))
		return "frozen";
	return flag_of(client, "connected") ? "connected" : "away";
}

/**
 * counted() - is it counted what a client does?
 * @client: the client
 *
 * Return: true if it is
 */
bool counted(struct json_object *client)
{
	return json_object_object_length(part_of(client, "counters"));
}

/**
 * target_text() - what is a client's due
 * @text: room for it, SIZE_TEXT
 * @client: the client
 *
 * A target of 0 is none: there was no division yet, or the policy has none.
 *
 * Return: @text, or "-"
 */
const char *target_text(char *text, struct json_object *client)
{
	uint64_t target = number_of(client, "target");

	return target ? size_text(text, target) : "-";
}

/* The shared pool of a name among those that a client may join, or NULL */
static struct json_object *shared_of(struct json_object *client,
				     const char *uuid)
{
	struct json_object *all = part_of(client, "shared"), *one;
	size_t i;

	for (i = 0; all && i < json_object_array_length(all); i++) {
		one = json_object_array_get_idx(all, i);
		if (!strcmp(text_of(one, "uuid"), uuid))
			return one;
	}
	return NULL;
}

/* Is this the first client, up to this one, that may join it? */
static bool first_shared(struct json_object *clients, size_t nr,
			 const char *uuid)
{
	while (nr--)
		if (shared_of(json_object_array_get_idx(clients, nr), uuid))
			return false;
	return true;
}

/* Who has joined, and, in brackets, who may */
static void print_members(struct json_object *clients, const char *uuid)
{
	struct json_object *c, *one;
	size_t i;

	for (i = 0; i < json_object_array_length(clients); i++) {
		c = json_object_array_get_idx(clients, i);
		one = shared_of(c, uuid);
		if (one)
			printf(flag_of(one, "joined") ? " %s" : " (%s)",
			       text_of(c, "name"));
	}
	putchar('\n');
}

static void print_shared(struct json_object *clients)
{
	struct json_object *all, *one;
	bool head = false;
	const char *uuid;
	size_t i, j;

	for (i = 0; i < json_object_array_length(clients); i++) {
		all = part_of(json_object_array_get_idx(clients, i), "shared");
		for (j = 0; all && j < json_object_array_length(all); j++) {
			one = json_object_array_get_idx(all, j);
			uuid = text_of(one, "uuid");
			if (!first_shared(clients, i, uuid))
				continue;
			if (!head)
				printf("\n%-36s %9s %s\n", "SHARED POOL",
				       "PAGES", "MEMBERS");
			head = true;
			printf("%-36s %9llu", uuid,
			       (unsigned long long)number_of(one, "pages"));
			print_members(clients, uuid);
		}
	}
}

/**
 * print_list() - a table of clients
 * @answer: to "list"
 */
void print_list(struct json_object *answer)
{
	struct json_object *all = part_of(answer, "clients"), *c;
	char min[SIZE_TEXT], cap[SIZE_TEXT], held[SIZE_TEXT], to[SIZE_TEXT];
	size_t i, nr = json_object_array_length(all);

	printf("%-20s %-9s %6s %6s %6s %6s %6s %9s\n", "CLIENT", "STATE",
	       "MIN", "CAP", "WEIGHT", "HELD", "TARGET", "PAGES");
	for (i = 0; i < nr; i++) {
		c = json_object_array_get_idx(all, i);
		printf("%-20s %-9s %6s %6s %6llu %6s %6s %9llu\n",
		       text_of(c, "name"), state_of(c),
		       size_text(min, number_of(c, "min")),
		       size_text(cap, number_of(c, "cap")),
		       (unsigned long long)number_of(c, "weight"),
		       size_text(held, number_of(c, "charged")),
		       target_text(to, c),
		       (unsigned long long)(number_of(c, "ephemeral_pages") +
					    number_of(c, "persistent_pages")));
	}
	print_shared(all);
}

static void line(const char *what, const char *value)
{
	printf("  %-18s %s\n", what, value);
}

static void size_line(const char *what, uint64_t bytes)
{
	char text[SIZE_TEXT];

	line(what, size_text(text, bytes));
}

static void pages_line(const char *what, struct json_object *client,
		       const char *name)
{
	uint64_t pages = number_of(client, name);
	char text[SIZE_TEXT];

	printf("  %-18s %llu pages, %s\n", what, (unsigned long long)pages,
	       size_text(text, pages * PAGE));
}

static void numbers(const char *head, struct json_object *all)
{
	printf("%s\n", head);
	json_object_object_foreach(all, key, value)
		printf("  %-18s %llu\n", key,
		       (unsigned long long)json_object_get_uint64(value));
}

/* The shared pools that a client may join */
static void shared_lines(struct json_object *client)
{
	struct json_object *all = part_of(client, "shared"), *one;
	size_t i, nr = all ? json_object_array_length(all) : 0;

	if (nr)
		printf("shared pools\n");
	for (i = 0; i < nr; i++) {
		one = json_object_array_get_idx(all, i);
		printf("  %s %s, %llu pages\n", text_of(one, "uuid"),
		       flag_of(one, "joined") ? "joined" : "may be joined",
		       (unsigned long long)number_of(one, "pages"));
	}
}

/* What a guest says of its memory */
static void print_report(struct json_object *report)
{
	if (!report)
		return;
	printf("what it says\n");
	size_line("memory", number_of(report, "total"));
	size_line("cannot do without", number_of(report, "floor"));
	size_line("working set", number_of(report, "estimate"));
	size_line("wants", number_of(report, "target"));
	size_line("is granted", number_of(report, "grant"));
	printf("  %-18s %llu pages a second\n", "brings back",
	       (unsigned long long)number_of(report, "misses_per_second"));
	printf("  %-18s %.1f %% of the time\n", "waits",
	       number_of(report, "pressure_per_mille") / 10.0);
}

/* What of its memory a guest has given back, or why that cannot be said */
static void print_balloon(struct json_object *c)
{
	const char *qmp = text_of(c, "qmp"), *why = text_of(c, "qmp_why");

	if (qmp)
		printf("  %-18s by QMP: %s%s%s\n", "balloon", qmp,
		       why && *why ? ": " : "", why ? why : "");
	if (qmp && !number_of(c, "memory") && number_of(c, "memory_goal"))
		size_line("to be kept", number_of(c, "memory_goal"));
	if (!number_of(c, "memory"))
		return;
	size_line("memory", number_of(c, "memory"));
	if (number_of(c, "memory_goal"))
		size_line("to be kept", number_of(c, "memory_goal"));
	size_line("in the balloon", number_of(c, "balloon"));
	if (number_of(c, "resident"))
		size_line("of the host's", number_of(c, "resident"));
}

/**
 * print_client() - all about a client
 * @c: the client
 */
void print_client(struct json_object *c)
{
	char text[SIZE_TEXT];

	printf("%s\n", text_of(c, "name"));
	if (part_of(c, "domain"))
		printf("  %-18s %llu\n", "domain",
		       (unsigned long long)number_of(c, "domain"));
	line("state", state_of(c));
	size_line("min", number_of(c, "min"));
	size_line("cap", number_of(c, "cap"));
	printf("  %-18s %llu\n", "weight",
	       (unsigned long long)number_of(c, "weight"));
	if (part_of(c, "hswap_size"))
		size_line("hswap", number_of(c, "hswap_size"));
	else
		line("hswap", flag_of(c, "hswap") ? "on" : "off");
	line("target", target_text(text, c));
	size_line("held", number_of(c, "charged"));
	pages_line("ephemeral", c, "ephemeral_pages");
	pages_line("persistent", c, "persistent_pages");
	printf("  %-18s %llu\n", "pools",
	       (unsigned long long)number_of(c, "pools"));
	printf("  %-18s %llu\n", "evicted",
	       (unsigned long long)number_of(c, "evicted"));
	numbers("puts refused", part_of(c, "refused"));
	shared_lines(c);
	print_balloon(c);
	print_report(part_of(c, "report"));
	if (counted(c))
		numbers("counters", part_of(c, "counters"));
}

/**
 * print_size() - how large the pool is
 * @answer: to "size"
 */
void print_size(struct json_object *answer)
{
	size_line("size", number_of(answer, "size"));
	if (number_of(answer, "goal") != number_of(answer, "size"))
		size_line("on the way to", number_of(answer, "goal"));
	size_line("at most", number_of(answer, "max_size"));
	size_line("for itself", number_of(answer, "metadata"));
	if (!part_of(answer, "present"))
		return;
	size_line("has at present", number_of(answer, "present"));
	size_line("leaves free", number_of(answer, "reserve"));
	printf("memory of the machine\n");
	size_line("free", number_of(answer, "memory_free"));
	size_line("could be made free", number_of(answer, "memory_freeable"));
}

/**
 * print_stats() - how the daemon is
 * @answer: to "stats"
 */
void print_stats(struct json_object *answer)
{
	printf("%s\n", part_of(answer, "host") ? text_of(answer, "host") :
						 "tmemd");
	line("policy", text_of(answer, "policy"));
	line("codec", text_of(answer, "codec"));
	line("dedup", flag_of(answer, "dedup") ? "on" : "off");
	printf("  %-18s %llu, %llu connected\n", "clients",
	       (unsigned long long)number_of(answer, "clients"),
	       (unsigned long long)number_of(answer, "connected"));
	if (part_of(answer, "worker"))
		printf("  %-18s %llu, started %llu times\n", "worker",
		       (unsigned long long)number_of(answer, "worker"),
		       (unsigned long long)number_of(answer, "starts"));
	printf("pool\n");
	print_size(answer);
	numbers("store, in pages", part_of(answer, "store"));
}
