// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, a page about the last hours
 *
 * One file of HTML that needs nothing else: no script, no font, no network.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

/* Colours that those who see few of them can tell apart, by day and by night */
static const char style[] =
":root { --ink: #222; --paper: #fff; --faint: #ddd; }\n"
".c0 { --c: #0072b2; } .c1 { --c: #e69f00; } .c2 { --c: #009e73; } .c3 { --c: #cc79a7; }\n"
".c4 { --c: #56b4e9; } .c5 { --c: #d55e00; } .c6 { --c: #b8a800; } .c7 { --c: #777; }\n"
"@media screen and (prefers-color-scheme: dark) {\n"
"	:root { --ink: #ddd; --paper: #181818; --faint: #3a3a3a; }\n"
"	.c0 { --c: #4aa3df; } .c7 { --c: #aaa; }\n"
"}\n"
"body { font: 15px/1.4 sans-serif; color: var(--ink); background: var(--paper);\n"
"	max-width: 60rem; margin: 1rem auto; padding: 0 1rem; }\n"
"h1 { font-size: 1.5rem; margin-bottom: 0; } h2, figcaption { font-size: 1.1rem; font-weight: bold; }\n"
"figure { margin: 1.5rem 0; break-inside: avoid; } svg { width: 100%; display: block; margin-top: .5rem; }\n"
"svg text { font-size: 12px; fill: var(--ink); } .v { text-anchor: end; } .t { text-anchor: middle; }\n"
".grid { stroke: var(--faint); fill: none; } .pool { stroke: var(--ink); fill: none; stroke-dasharray: 6 3; }\n"
".l { stroke: var(--c); stroke-width: 1.5; fill: none; stroke-linejoin: round; stroke-linecap: round; }\n"
".l.d1 { stroke-dasharray: 7 4; } .l.d2 { stroke-dasharray: 1 4; }\n"
".f { fill: var(--c); stroke: var(--paper); stroke-width: .5; }\n"
".f.d1 { fill-opacity: .65; } .f.d2 { fill-opacity: .35; }\n"
".wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; width: 100%; }\n"
"td, th { text-align: right; padding: .2rem .4rem; border-bottom: 1px solid var(--faint); white-space: nowrap; }\n"
"td:first-child, th:first-child, td:nth-child(2), th:nth-child(2) { text-align: left; }\n";

/* ---- what is drawn ---- */

static double rise(const struct guest *g, enum total what, size_t from,
		   size_t to)
{
	if (!g->readings[from].there || !g->readings[to].there)
		return NAN;
	return g->readings[to].total[what] - g->readings[from].total[what];
}

static double ratio(double part, double of)
{
	return of ? part / of : NAN;
}

static double held(const struct past *past __attribute__((unused)),
		   const struct guest *g,
		   size_t from __attribute__((unused)), size_t to)
{
	return g->readings[to].there ? g->readings[to].held : NAN;
}

static double memory(const struct past *past __attribute__((unused)),
		     const struct guest *g,
		     size_t from __attribute__((unused)), size_t to)
{
	return g->readings[to].there ? g->readings[to].memory : NAN;
}

static double goal(const struct past *past __attribute__((unused)),
		   const struct guest *g,
		   size_t from __attribute__((unused)), size_t to)
{
	return g->readings[to].there ? g->readings[to].goal : NAN;
}

static double hit_rate(const struct past *past __attribute__((unused)),
		       const struct guest *g, size_t from, size_t to)
{
	return ratio(100 * rise(g, HITS, from, to), rise(g, GETS, from, to));
}

static double latency(const struct past *past __attribute__((unused)),
		      const struct guest *g, size_t from, size_t to)
{
	return ratio(rise(g, NS, from, to) / 1e3, rise(g, VECTORS, from, to));
}

static double per_second(const struct past *past, double rise, size_t from,
			 size_t to)
{
	return ratio(rise, past->moments[to].at - past->moments[from].at);
}

static double puts_rate(const struct past *past, const struct guest *g,
			size_t from, size_t to)
{
	return per_second(past, rise(g, PUTS, from, to), from, to);
}

static double gets_rate(const struct past *past, const struct guest *g,
			size_t from, size_t to)
{
	return per_second(past, rise(g, GETS, from, to), from, to);
}

static const struct plot plots[] = {
	{ "Memory of each guest, and of the pool", "bytes", true, true, false,
	  held },
	{ "Memory that guests have of their own", "bytes", false, true, true,
	  memory },
	{ "Memory that guests are to keep", "bytes", false, true, true, goal },
	{ "Hit rate", "% of gets", .value = hit_rate },
	{ "Latency", "\302\265s per vector", .value = latency },
	{ "Puts", "pages per second", .value = puts_rate },
	{ "Gets", "pages per second", .value = gets_rate },
	{ 0 }
};

/* ---- what there is now ---- */

static void cell(FILE *to, const char *text)
{
	fputs("<td>", to);
	escaped(to, text);
	fputs("</td>", to);
}

static void size_cell(FILE *to, uint64_t bytes)
{
	char text[SIZE_TEXT];

	cell(to, size_text(text, bytes));
}

static void number_cell(FILE *to, uint64_t number)
{
	fprintf(to, "<td>%llu</td>", (unsigned long long)number);
}

/* Of its own memory, and what it says of it */
static void memory_cells(FILE *to, struct json_object *c)
{
	struct json_object *m = part_of(c, "scheduled");
	struct json_object *r = part_of(c, "report");

	size_cell(to, number_of(m, "has"));
	size_cell(to, number_of(m, "goal"));
	size_cell(to, number_of(r, "estimate"));
	number_cell(to, number_of(r, "misses_per_second"));
	fprintf(to, "<td>%.1f %%</td>",
		number_of(r, "pressure_per_mille") / 10.0);
	cell(to, m ? text_of(m, "rule") : "-");
}

static void client_row(FILE *to, struct json_object *c, bool divided)
{
	struct json_object *counters = part_of(c, "counters");
	struct json_object *refused = part_of(c, "refused");
	uint64_t gets = number_of(counters, "gets");
	uint64_t hits = number_of(counters, "hits");
	char text[SIZE_TEXT];

	fputs("<tr>", to);
	cell(to, text_of(c, "name"));
	cell(to, state_of(c));
	size_cell(to, number_of(c, "min"));
	size_cell(to, number_of(c, "cap"));
	number_cell(to, number_of(c, "weight"));
	size_cell(to, number_of(c, "charged"));
	cell(to, target_text(text, c));
	number_cell(to, number_of(c, "ephemeral_pages"));
	number_cell(to, number_of(c, "persistent_pages"));
	if (gets)
		fprintf(to, "<td>%.1f %%</td>", 100.0 * hits / gets);
	else
		cell(to, "-");
	number_cell(to, number_of(c, "evicted"));
	number_cell(to, number_of(refused, "full") +
			number_of(refused, "limit") +
			number_of(refused, "frozen"));
	if (divided)
		memory_cells(to, c);
	fputs("</tr>\n", to);
}

static void write_heads(FILE *to, const char * const *heads, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		fprintf(to, "<th>%s</th>", heads[i]);
}

static void write_clients(FILE *to, struct json_object *list, bool divided)
{
	static const char * const columns[] = {
		"Client", "State", "Min", "Cap", "Weight", "Held", "Target",
		"Ephemeral pages", "Persistent pages", "Hits", "Evicted",
		"Refused"
	};
	static const char * const of_memory[] = {
		"Own memory", "To keep", "Working set", "Misses/s", "Waits",
		"Rule"
	};
	struct json_object *all = part_of(list, "clients");
	size_t i;

	fputs("<h2>Clients, as they are now</h2>\n", to);
	fputs("<div class=\"wide\"><table>\n<tr>", to);
	write_heads(to, columns, sizeof(columns) / sizeof(*columns));
	if (divided)
		write_heads(to, of_memory,
			    sizeof(of_memory) / sizeof(*of_memory));
	fputs("</tr>\n", to);
	for (i = 0; i < json_object_array_length(all); i++)
		client_row(to, json_object_array_get_idx(all, i), divided);
	fputs("</table></div>\n", to);
}

/* ---- the page ---- */

static void write_head(FILE *to, struct json_object *stats)
{
	uint64_t free_pages = number_of(part_of(stats, "store"), "free");
	char host[256] = "", when[64], size[SIZE_TEXT], left[SIZE_TEXT];
	time_t now = time(NULL);
	struct tm tm;

	gethostname(host, sizeof(host) - 1);
	strftime(when, sizeof(when), "%-d %B %Y, %H:%M:%S %Z",
		 localtime_r(&now, &tm));
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n", to);
	fputs("<meta charset=\"utf-8\">\n", to);
	fputs("<meta name=\"viewport\" content=\"width=device-width\">\n", to);
	fputs("<title>tmemd on ", to);
	escaped(to, host);
	fprintf(to, "</title>\n<style>\n%s</style>\n</head>\n", style);
	fputs("<body>\n<h1>tmemd on ", to);
	escaped(to, host);
	fputs("</h1>\n<p>", to);
	escaped(to, when);
	fprintf(to, ": a pool of %s, %s of it free; policy ",
		size_text(size, number_of(stats, "size")),
		size_text(left, free_pages * 4096));
	escaped(to, text_of(stats, "policy"));
	fputs(", codec ", to);
	escaped(to, text_of(stats, "codec"));
	fprintf(to, ", %llu of %llu clients connected.</p>\n",
		(unsigned long long)number_of(stats, "connected"),
		(unsigned long long)number_of(stats, "clients"));
}

static void write_page(FILE *to, struct json_object *stats,
		       struct json_object *list, const struct past *past)
{
	const struct plot *plot;

	write_head(to, stats);
	if (past->nr < 2)
		fprintf(to,
			"<p>There is nothing to be plotted yet: the daemon takes a sample each %u s.</p>\n",
			past->seconds);
	for (plot = plots; plot->title && past->nr >= 2; plot++)
		if (!plot->divided || past->divided)
			plot_draw(to, past, plot);
	write_clients(to, list, number_of(stats, "memory"));
	fputs("</body>\n</html>\n", to);
}

static struct json_object *ask(const char *name)
{
	struct json_object *request = json_object_new_object();

	json_object_object_add(request, "request",
			       json_object_new_string(name));
	return talk(request, -1);
}

/**
 * report() - write a page about the last hours
 * @path: its file, or "-" for standard output
 * @since: the last so many seconds
 */
void report(const char *path, uint64_t since)
{
	struct json_object *stats = ask("stats"), *list = ask("list");
	struct past past;
	FILE *to;
	bool bad;

	past_get(&past, since);
	to = strcmp(path, "-") ? fopen(path, "we") : stdout;
	if (!to)
		usage_error("%s: %s", path, strerror(errno));
	write_page(to, stats, list, &past);
	bad = ferror(to);
	if ((to == stdout ? fflush(to) : fclose(to)) || bad) {
		fprintf(stderr, "tmemctl: %s: %s\n", path, strerror(errno));
		exit(EXIT_REFUSED);
	}
	past_free(&past);
	json_object_put(stats);
	json_object_put(list);
}
