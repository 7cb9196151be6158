/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemctl, pages with plots
 */
#ifndef _TMEMCTL_REPORT_H
#define _TMEMCTL_REPORT_H

#include <stdio.h>
#include <time.h>

#include "tmemctl.h"

/* Room for a guest's name, longer than the daemon allows */
#define GUEST_NAME	40

/* What counts up for as long as there is a guest, whatever becomes of workers */
enum total { VECTORS, PUTS, GETS, HITS, NS, TOTALS };

/**
 * struct reading - a guest in a sample
 * @there: it was
 * @held: bytes that its pages cost
 * @memory: bytes that it has of its own, 0 if that is not divided
 * @goal: bytes that it is to keep of them
 * @total: counted since its first sample
 */
struct reading {
	bool there;
	uint64_t held;
	uint64_t memory;
	uint64_t goal;
	uint64_t total[TOTALS];
};

/**
 * struct guest - one that there is or was
 * @id: the daemon's number for it, as there may be another one of its name
 * @name: its name
 * @last: sample that has it; the newest so far
 * @counted: what the worker had counted then
 * @readings: for each sample
 */
struct guest {
	uint64_t id;
	char name[GUEST_NAME];
	size_t last;
	uint64_t counted[TOTALS];
	struct reading *readings;
};

/**
 * struct moment - what a sample has of all guests
 * @at: seconds since the epoch
 * @worker: which one it was
 * @size: bytes of the pool
 */
struct moment {
	double at;
	uint64_t worker;
	uint64_t size;
};

/**
 * struct past - the history
 * @seconds: from one sample to the next, as the daemon is set at present
 * @nr: samples
 * @room: of @moments, and of readings of each guest
 * @moments: the samples
 * @divided: there is memory of guests that is divided
 * @nr_guests: guests that are in any of them
 * @guests: these, in the order of their ids
 */
struct past {
	unsigned int seconds;
	size_t nr;
	size_t room;
	struct moment *moments;
	bool divided;
	size_t nr_guests;
	struct guest *guests;
};

/**
 * struct plot - how something is drawn
 * @title: what it is
 * @unit: of its values
 * @stacked: guests are on top of each other, below the pool's size; in bytes
 * @bytes: values are in bytes
 * @divided: it is there only where memory is divided
 * @value: a guest's between two samples, NAN if there is none
 */
struct plot {
	const char *title;
	const char *unit;
	bool stacked;
	bool bytes;
	bool divided;
	double (*value)(const struct past *past, const struct guest *guest,
			size_t from, size_t to);
};

/* past.c: what the daemon remembers */

void past_get(struct past *past, uint64_t since);
void past_free(struct past *past);
bool past_gone(const struct past *past, const struct guest *guest);

/* plot.c: pictures of it */

void escaped(FILE *to, const char *text);
void plot_draw(FILE *to, const struct past *past, const struct plot *plot);

/* axis.c: where its lines are */

double axis_step(double most, bool bytes);
time_t axis_time_step(double seconds);
const char *axis_time(char *text, size_t room, time_t at, double seconds);

#endif /* _TMEMCTL_REPORT_H */
