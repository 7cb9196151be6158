// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, why a guest has as much memory as it has
 */
#include <stdio.h>

#include "tmemctl.h"

static void size_line(const char *what, struct json_object *from,
		      const char *name, const char *more)
{
	char text[SIZE_TEXT];

	printf("  %-18s %-8s %s\n", what, size_text(text, number_of(from, name)),
	       more);
}

/**
 * print_memory() - what of the host's memory is for guests, and for the pool
 * @answer: to "scheduler" or "why"
 */
void print_memory(struct json_object *answer)
{
	printf("host\n");
	size_line("memory", answer, "memory", "for guests and the pool");
	size_line("pool", answer, "pool_has", "");
	if (number_of(answer, "pool") != number_of(answer, "pool_has"))
		size_line("on the way to", answer, "pool", "");
	size_line("must keep", answer, "pool_must", "");
	if (flag_of(answer, "short"))
		printf("  memory is short: somebody waits for what is within its share\n");
	if (flag_of(answer, "scaled"))
		printf("  there is less than what guests are to be sure of\n");
	if (flag_of(answer, "over"))
		printf("  guests have more than there is, and it cannot be had back\n");
}

static void print_changes(struct json_object *all)
{
	size_t i = json_object_array_length(all);
	char from[SIZE_TEXT], to[SIZE_TEXT];
	struct json_object *c;

	if (i)
		printf("the last changes, newest first\n");
	while (i--) {
		c = json_object_array_get_idx(all, i);
		printf("  %8.1f s ago  %8s -> %-8s %s\n",
		       number_of(c, "ms_ago") / 1e3,
		       size_text(from, number_of(c, "from")),
		       size_text(to, number_of(c, "to")), text_of(c, "rule"));
	}
}

/**
 * print_why() - why a guest has as much memory as it has
 * @answer: to "why"
 */
void print_why(struct json_object *answer)
{
	struct json_object *g = part_of(answer, "guest");

	printf("%s: %s, %s\n", text_of(g, "name"), text_of(g, "rule"),
	       text_of(answer, "text"));
	size_line("has", g, "has", "");
	size_line("is to keep now", g, "goal", text_of(g, "move"));
	size_line("in the end", g, "target", "");
	size_line("asks for", g, "want", "");
	size_line("cannot do without", g, "floor", "");
	size_line("its share", g, "share", "if all ask for more");
	size_line("proof", g, "proof", "above that, by pages brought back");
	size_line("at least", g, "least", "");
	size_line("at most", g, "most", "");
	printf("  %-18s %llu\n", "weight",
	       (unsigned long long)number_of(g, "weight"));
	printf("  %-18s %llu pages, and it waits %.1f %% of the time\n",
	       "misses a second",
	       (unsigned long long)number_of(g, "report_misses"),
	       number_of(g, "report_pressure") / 10.0);
	if (number_of(g, "report_total"))
		printf("  %-18s %.1f s ago\n", "reported",
		       number_of(g, "report_ms") / 1e3);
	if (flag_of(g, "stuck"))
		printf("  its balloon does not move\n");
	if (flag_of(g, "refused"))
		printf("  puts that must stay are refused: it has more than its share\n");
	print_changes(part_of(answer, "changes"));
	print_memory(answer);
}
