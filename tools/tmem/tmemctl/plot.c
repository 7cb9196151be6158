// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, plots
 *
 * SVG, whose colours are in the page's style sheet: "f" is an area, "l" a line,
 * "c0" to "c7" are colours, and "d0" to "d2" tell guests of one colour apart.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define WIDTH		900
#define HEIGHT		220
#define LEFT		70
#define RIGHT		20
#define BOTTOM		46
#define LETTER		7
#define ROW		18

/* Points of a line; of more samples, some are left out */
#define POINTS		480

/**
 * struct canvas - a plot that is being drawn
 * @to: where
 * @past: what
 * @plot: how
 * @values: of all guests at all points: [guest * @points + point]
 * @points: number of them
 * @stride: samples from one to the next
 * @first: sample before the first of them
 * @most: end of the axis of values
 * @step: from one of its lines to the next
 * @top: y coordinate of that end, below the legend
 */
struct canvas {
	FILE *to;
	const struct past *past;
	const struct plot *plot;
	double *values;
	size_t points;
	size_t stride;
	size_t first;
	double most;
	double step;
	int top;
};

/**
 * escaped() - write a text into HTML
 * @to: where
 * @text: what
 */
void escaped(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (strchr("<>&\"'", *text))
			fprintf(to, "&#%d;", *text);
		else
			fputc(*text, to);
	}
}

/* The sample at the end of a point's time */
static size_t sample_at(const struct canvas *c, size_t point)
{
	return c->first + (point + 1) * c->stride;
}

static double value_at(const struct canvas *c, size_t guest, size_t point)
{
	return c->values[guest * c->points + point];
}

static double begin_of(const struct canvas *c)
{
	return c->past->moments[c->first].at;
}

static double length_of(const struct canvas *c)
{
	return c->past->moments[c->past->nr - 1].at - begin_of(c);
}

static double x_of(const struct canvas *c, double at)
{
	return LEFT + (WIDTH - LEFT - RIGHT) * (at - begin_of(c)) /
		      length_of(c);
}

static double point_x(const struct canvas *c, size_t point)
{
	return x_of(c, c->past->moments[sample_at(c, point)].at);
}

static double y_of(const struct canvas *c, double value)
{
	return c->top + HEIGHT * (1 - value / c->most);
}

static void style_of(const struct canvas *c, size_t guest, const char *kind)
{
	fprintf(c->to, "class=\"%s c%zu d%zu\"", kind, guest % 8,
		guest / 8 % 3);
}

/* ---- values ---- */

static void compute(struct canvas *c)
{
	const struct past *past = c->past;
	double sum, most = 0;
	size_t g, p, to;

	for (p = 0; p < c->points; p++) {
		to = sample_at(c, p);
		sum = 0;
		for (g = 0; g < past->nr_guests; g++) {
			double v = c->plot->value(past, &past->guests[g],
						  to - c->stride, to);

			c->values[g * c->points + p] = v;
			most = fmax(most, v);
			sum += isnan(v) ? 0 : v;
		}
		if (c->plot->stacked)
			most = fmax(most,
				    fmax(sum, past->moments[to].size));
	}
	c->step = axis_step(most, c->plot->bytes);
	c->most = fmax(1, ceil(most / c->step)) * c->step;
}

/* ---- legend and axes ---- */

static void guest_name(const struct canvas *c, size_t guest)
{
	escaped(c->to, c->past->guests[guest].name);
	if (past_gone(c->past, &c->past->guests[guest]))
		fputs(" (removed)", c->to);
}

/* Rows of as many names as there is room for; returns where they end */
static int legend(const struct canvas *c, bool draw)
{
	size_t nr = c->past->nr_guests, longest = 8, in_row, width, i;
	const char *kind = c->plot->stacked ? "f" : "l";

	for (i = 0; i < nr; i++) {
		const struct guest *g = &c->past->guests[i];
		size_t length = strlen(g->name) +
				(past_gone(c->past, g) ? 10 : 0);

		longest = length > longest ? length : longest;
	}
	width = longest * LETTER + 40;
	in_row = (WIDTH - LEFT) / width;
	for (i = 0; draw && i < nr + c->plot->stacked; i++) {
		size_t x = LEFT + i % in_row * width, y = i / in_row * ROW + 12;

		fputs("<path ", c->to);
		if (i < nr)
			style_of(c, i, kind);
		else
			fputs("class=\"pool\"", c->to);
		if (c->plot->stacked && i < nr)
			fprintf(c->to, " d=\"M%zu,%zuh24v10h-24z\"/>", x,
				y - 9);
		else
			fprintf(c->to, " d=\"M%zu,%zuh24\"/>", x, y - 4);
		fprintf(c->to, "<text x=\"%zu\" y=\"%zu\">", x + 30, y);
		if (i < nr)
			guest_name(c, i);
		else
			fputs("the pool", c->to);
		fputs("</text>\n", c->to);
	}
	return (nr + c->plot->stacked + in_row - 1) / in_row * ROW + 12;
}

static void value_axis(const struct canvas *c)
{
	char text[SIZE_TEXT];
	double v, y;

	for (v = 0; v < c->most + c->step / 2; v += c->step) {
		y = y_of(c, v);
		fprintf(c->to, "<path class=\"grid\" d=\"M%d,%.1fH%d\"/>", LEFT,
			y, WIDTH - RIGHT);
		if (c->plot->bytes)
			size_text(text, v);
		else
			snprintf(text, sizeof(text), "%.10g", v);
		fprintf(c->to,
			"<text class=\"v\" x=\"%d\" y=\"%.1f\">%s</text>\n",
			LEFT - 8, y + 4, text);
	}
	fprintf(c->to,
		"<text class=\"t\" transform=\"translate(12,%d) rotate(-90)\">",
		c->top + HEIGHT / 2);
	escaped(c->to, c->plot->unit);
	fputs("</text>\n", c->to);
}

static void time_axis(const struct canvas *c)
{
	double begin = begin_of(c), length = length_of(c);
	time_t step = axis_time_step(length), at = begin;
	int bottom = c->top + HEIGHT;
	char text[64];
	struct tm tm;

	/* Round numbers of local time */
	localtime_r(&at, &tm);
	at += tm.tm_gmtoff;
	at += step - 1 - (at - 1) % step - tm.tm_gmtoff;
	for (; at <= begin + length; at += step) {
		if (at < begin)
			continue;
		fprintf(c->to,
			"<path class=\"grid\" d=\"M%.1f,%dv%d\"/><text class=\"t\" x=\"%.1f\" y=\"%d\">%s</text>\n",
			x_of(c, at), c->top, HEIGHT + 4, x_of(c, at),
			bottom + 18,
			axis_time(text, sizeof(text), at, length));
	}
	strftime(text, sizeof(text), "local time (%Z)", &tm);
	fprintf(c->to, "<text class=\"t\" x=\"%d\" y=\"%d\">",
		(LEFT + WIDTH - RIGHT) / 2, bottom + 38);
	escaped(c->to, text);
	fputs("</text>\n", c->to);
}

/* ---- what there is to see ---- */

static void end_guest(const struct canvas *c, size_t guest)
{
	fputs("\"><title>", c->to);
	guest_name(c, guest);
	fputs("</title></path>\n", c->to);
}

/* A line, with gaps where there is no value; what stands alone is a dot */
static void draw_line(const struct canvas *c, size_t guest)
{
	bool on = false;
	size_t p;

	fputs("<path ", c->to);
	style_of(c, guest, "l");
	fputs(" d=\"", c->to);
	for (p = 0; p < c->points; p++) {
		double v = value_at(c, guest, p);

		if (!isnan(v))
			fprintf(c->to, on ? "L%.1f,%.1f" : "M%.1f,%.1fh0",
				point_x(c, p), y_of(c, v));
		on = !isnan(v);
	}
	end_guest(c, guest);
}

/* An area on top of @below, which is raised by it */
static void draw_area(const struct canvas *c, size_t guest, double *below)
{
	size_t p;

	fputs("<path ", c->to);
	style_of(c, guest, "f");
	fputs(" d=\"", c->to);
	for (p = 0; p < c->points; p++)
		fprintf(c->to, "%c%.1f,%.1f", p ? 'L' : 'M', point_x(c, p),
			y_of(c, below[p]));
	while (p--) {
		double v = value_at(c, guest, p);

		below[p] += isnan(v) ? 0 : v;
		fprintf(c->to, "L%.1f,%.1f", point_x(c, p), y_of(c, below[p]));
	}
	fputc('z', c->to);
	end_guest(c, guest);
}

static void draw_pool(const struct canvas *c)
{
	size_t p;

	fputs("<path class=\"pool\" d=\"", c->to);
	for (p = 0; p < c->points; p++)
		fprintf(c->to, "%c%.1f,%.1f", p ? 'L' : 'M', point_x(c, p),
			y_of(c, c->past->moments[sample_at(c, p)].size));
	fputs("\"><title>the pool</title></path>\n", c->to);
}

static void draw_guests(const struct canvas *c, double *below)
{
	size_t g;

	for (g = 0; g < c->past->nr_guests; g++) {
		if (c->plot->stacked)
			draw_area(c, g, below);
		else
			draw_line(c, g);
	}
	if (c->plot->stacked)
		draw_pool(c);
}

/**
 * plot_draw() - draw a plot
 * @to: a page of HTML
 * @past: the history, of two samples at least
 * @plot: what is drawn of it
 */
void plot_draw(FILE *to, const struct past *past, const struct plot *plot)
{
	struct canvas c = { .to = to, .past = past, .plot = plot };
	double *below;

	c.stride = (past->nr - 1 + POINTS - 1) / POINTS;
	c.points = (past->nr - 1) / c.stride;
	c.first = past->nr - 1 - c.points * c.stride;
	c.values = calloc(past->nr_guests * c.points + 1, sizeof(double));
	below = calloc(c.points, sizeof(*below));
	if (!c.values || !below) {
		fputs("tmemctl: no memory for a plot\n", stderr);
		exit(EXIT_REFUSED);
	}
	compute(&c);
	c.top = legend(&c, false);
	fputs("<figure>\n<figcaption>", to);
	escaped(to, plot->title);
	fprintf(to,
		"</figcaption>\n<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 %d %d\">\n<title>",
		WIDTH, c.top + HEIGHT + BOTTOM);
	escaped(to, plot->title);
	fputs("</title>\n", to);
	legend(&c, true);
	value_axis(&c);
	time_axis(&c);
	draw_guests(&c, below);
	fputs("</svg>\n</figure>\n", to);
	free(below);
	free(c.values);
}
