// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, round numbers for axes
 */
#include "report.h"

/* Most lines of an axis of values, and of one of times */
#define LINES		5
#define TIMES		9

#define DAY		86400

/**
 * axis_step() - how far lines are apart
 * @most: the largest value
 * @bytes: that is a size
 *
 * Return: a power of two, or 1, 2 or 5 times one of ten
 */
double axis_step(double most, bool bytes)
{
	double step = bytes ? 4096 : 0.001;
	int i;

	for (i = 0; most > LINES * step; i++) {
		if (bytes)
			step *= 2;
		else
			step *= i % 3 == 1 ? 2.5 : 2;
	}
	return step;
}

/**
 * axis_time_step() - how far lines of time are apart
 * @seconds: from begin to end of the axis
 *
 * Return: seconds
 */
time_t axis_time_step(double seconds)
{
	static const time_t steps[] = {
		1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
		10800, 21600, 43200, DAY, 2 * DAY, 5 * DAY, 10 * DAY, 0
	};
	const time_t *step = steps;

	while (step[1] && seconds > TIMES * *step)
		step++;
	return *step;
}

/**
 * axis_time() - a time, as exact as the axis is
 * @text: room for it
 * @room: of @text
 * @at: the time
 * @seconds: from begin to end of the axis
 *
 * Return: @text
 */
const char *axis_time(char *text, size_t room, time_t at, double seconds)
{
	const char *format = "%H:%M:%S";
	struct tm tm;

	if (axis_time_step(seconds) >= DAY)
		format = "%-d %b";
	else if (seconds > DAY)
		format = "%-d %b %H:%M";
	else if (axis_time_step(seconds) >= 60)
		format = "%H:%M";
	if (!strftime(text, room, format, localtime_r(&at, &tm)))
		*text = 0;
	return text;
}
