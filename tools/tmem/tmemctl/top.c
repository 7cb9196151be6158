// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, a table that lives
 *
 * Made for 80 columns.  Rates are differences of what is counted.
 */
#include <errno.h>
#include <locale.h>
#include <ncurses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tmemctl.h"

#define WIDTH	80
#define BAR	8
#define PAGE	4096

struct sample {
	struct json_object *stats;
	struct json_object *list;
	double at;
};

/* Rows go to the terminal, or are printed */
static bool screen;

static void row(bool bright, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void row(bool bright, const char *format, ...)
{
	char text[WIDTH + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!screen) {
		puts(text);
		return;
	}
	if (bright)
		attron(A_REVERSE);
	printw("%-*s\n", COLS < WIDTH ? COLS - 1 : WIDTH - 1, text);
	attroff(A_REVERSE);
}

static bool sample(struct sample *out)
{
	struct json_object *list = json_object_new_object();
	struct json_object *stats = json_object_new_object();
	struct timespec ts;

	json_object_object_add(list, "request", json_object_new_string("list"));
	json_object_object_add(stats, "request",
			       json_object_new_string("stats"));
	out->list = screen ? talk_try(list, -1) : talk(list, -1);
	out->stats = screen ? talk_try(stats, -1) : talk(stats, -1);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	out->at = ts.tv_sec + ts.tv_nsec / 1e9;
	return part_of(out->list, "clients") && part_of(out->stats, "store");
}

static void sample_free(struct sample *s)
{
	json_object_put(s->list);
	json_object_put(s->stats);
	*s = (struct sample){ 0 };
}

static struct json_object *client_in(const struct sample *s, const char *name)
{
	struct json_object *all = part_of(s->list, "clients"), *c;
	size_t i, nr = all ? json_object_array_length(all) : 0;

	for (i = 0; i < nr; i++) {
		c = json_object_array_get_idx(all, i);
		if (!strcmp(text_of(c, "name"), name))
			return c;
	}
	return NULL;
}

/* A worker that was started anew counts from 0 */
static double grown(struct json_object *now, struct json_object *was,
		    const char *group, const char *name)
{
	uint64_t a = number_of(part_of(now, group), name);
	uint64_t b = was ? number_of(part_of(was, group), name) : a;

	return a > b ? a - b : 0;
}

static void bar(char *text, uint64_t part, uint64_t whole)
{
	unsigned int full = whole ? part * BAR / whole : 0;

	if (full > BAR)
		full = BAR;
	memset(text, '.', BAR);
	memset(text, '#', full);
	text[BAR] = 0;
}

static void client_row(struct json_object *c, struct json_object *was,
		       double seconds)
{
	double gets = grown(c, was, "counters", "gets");
	double hits = grown(c, was, "counters", "hits");
	char held[SIZE_TEXT], cap[SIZE_TEXT], eph[SIZE_TEXT], pers[SIZE_TEXT];
	char ratio[8] = "-", put_s[8] = "-", get_s[8] = "-", fill[BAR + 1];
	double refused = grown(c, was, "refused", "full") +
			 grown(c, was, "refused", "limit") +
			 grown(c, was, "refused", "frozen");

	if (gets)
		snprintf(ratio, sizeof(ratio), "%.0f%%", 100 * hits / gets);
	if (counted(c)) {
		snprintf(put_s, sizeof(put_s), "%.0f",
			 grown(c, was, "counters", "puts") / seconds);
		snprintf(get_s, sizeof(get_s), "%.0f", gets / seconds);
	}
	bar(fill, number_of(c, "charged"), number_of(c, "cap"));
	row(false, "%-12.12s %c %6s %6s %6s %6s [%s] %6s %6s %5s %5.0f",
	    text_of(c, "name"),
	    flag_of(c, "frozen") ? 'F' : flag_of(c, "connected") ? 'C' : '-',
	    size_text(held, number_of(c, "charged")),
	    size_text(cap, number_of(c, "cap")),
	    size_text(eph, number_of(c, "ephemeral_pages") * PAGE),
	    size_text(pers, number_of(c, "persistent_pages") * PAGE), fill,
	    put_s, get_s, ratio, refused / seconds);
}

/* Of guests whose memory is divided */
static void memory_rows(struct json_object *all)
{
	char has[SIZE_TEXT], goal[SIZE_TEXT], want[SIZE_TEXT], set[SIZE_TEXT];
	struct json_object *c, *m, *r;
	char share[SIZE_TEXT];
	size_t i;

	row(false, "%s", "");
	row(true, "%-12s %6s %6s %6s %6s %6s %7s %6s  %-8s %s", "CLIENT", "MEMORY",
	    "GOAL", "WANTS", "SHARE", "SET", "MISS/S", "WAITS", "RULE", "");
	for (i = 0; i < json_object_array_length(all); i++) {
		c = json_object_array_get_idx(all, i);
		m = part_of(c, "scheduled");
		r = part_of(c, "report");
		if (!m)
			continue;
		row(false, "%-12.12s %6s %6s %6s %6s %6s %7llu %5.1f%%  %-8s %s",
		    text_of(c, "name"), size_text(has, number_of(m, "has")),
		    size_text(goal, number_of(m, "goal")),
		    size_text(want, number_of(m, "want")),
		    size_text(share, number_of(m, "share")),
		    r ? size_text(set, number_of(r, "estimate")) : "-",
		    (unsigned long long)number_of(r, "misses_per_second"),
		    number_of(r, "pressure_per_mille") / 10.0,
		    text_of(m, "rule"),
		    flag_of(m, "stuck") ? "stuck" : text_of(m, "move"));
	}
}

static void show(const struct sample *now, const struct sample *was)
{
	struct json_object *store = part_of(now->stats, "store"), *all, *c;
	uint64_t frames = number_of(store, "pages") - number_of(store, "out");
	uint64_t used = frames - number_of(store, "free");
	char size[SIZE_TEXT], text[SIZE_TEXT], fill[BAR + 1];
	double seconds = now->at - was->at;
	size_t i;

	if (seconds <= 0)
		seconds = 1;
	bar(fill, used, frames);
	row(false, "pool %s, used %s [%s] %llu%%, policy %s, %llu of %llu connected",
	    size_text(size, number_of(now->stats, "size")),
	    size_text(text, used * PAGE), fill,
	    (unsigned long long)(frames ? 100 * used / frames : 0),
	    text_of(now->stats, "policy"),
	    (unsigned long long)number_of(now->stats, "connected"),
	    (unsigned long long)number_of(now->stats, "clients"));
	row(false, "%s", "");
	row(true, "%-12s %c %6s %6s %6s %6s %-10s %6s %6s %5s %5s", "CLIENT",
	    'S', "HELD", "CAP", "EPHEM", "PERSIS", "OF CAP", "PUT/S",
	    "GET/S", "HIT", "REF/S");
	all = part_of(now->list, "clients");
	for (i = 0; i < json_object_array_length(all); i++) {
		c = json_object_array_get_idx(all, i);
		client_row(c, client_in(was, text_of(c, "name")), seconds);
	}
	if (number_of(now->stats, "memory"))
		memory_rows(all);
}

static void top_once(unsigned int delay)
{
	struct timespec wait = { .tv_sec = delay };
	struct sample was, now;

	sample(&was);
	nanosleep(&wait, NULL);
	sample(&now);
	show(&now, &was);
	sample_free(&was);
	sample_free(&now);
}

/**
 * top() - show what clients do
 * @once: print a table and return; otherwise go on until q is pressed
 * @delay: seconds between two looks
 */
void top(bool once, unsigned int delay)
{
	struct sample was, now;
	int key;

	if (once) {
		top_once(delay);
		return;
	}
	/* Without a daemon there is to be no screen */
	sample(&was);
	setlocale(LC_CTYPE, "");
	if (!newterm(NULL, stdout, stdin))
		usage_error("this is no terminal; try --once");
	screen = true;
	cbreak();
	noecho();
	curs_set(0);
	timeout(delay * 1000);
	do {
		erase();
		move(0, 0);
		if (!sample(&now)) {
			row(false, "no answer; still trying");
			sample_free(&now);
		} else {
			show(&now, was.list ? &was : &now);
			sample_free(&was);
			was = now;
		}
		refresh();
		key = getch();
	} while (key != 'q' && key != 'Q');
	endwin();
	sample_free(&was);
}
