// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, numbers and what they mean
 *
 * Also for tmem-sched.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tmemctl.h"

static const char units[] = "KMGT";

/**
 * usage_error() - end, as what was wanted makes no sense
 * @format: why, as of printf()
 */
void usage_error(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n(%s --help says more)\n",
		program_invocation_short_name);
	exit(EXIT_USAGE);
}

/**
 * parse_number() - a number of the command line
 * @what: what it is for
 * @text: the number
 *
 * Return: it; what is none ends the program
 */
int64_t parse_number(const char *what, const char *text)
{
	long long number;
	char *end;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno)
		usage_error("%s: '%s' is not a number", what, text);
	return number;
}

/**
 * parse_size() - a size of the command line, such as 64M
 * @what: what it is for
 * @text: the size
 *
 * Return: bytes; what is no size ends the program
 */
int64_t parse_size(const char *what, const char *text)
{
	long long number;
	const char *unit;
	int shift = 0;
	char *end;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno)
		usage_error("%s: '%s' is not a size, such as 64M", what, text);
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1])
			usage_error("%s: '%s' is not a size, such as 64M",
				    what, text);
		shift = 10 * (unit - units + 1);
	}
	if (number > INT64_MAX >> shift)
		usage_error("%s: %s is too large", what, text);
	return number << shift;
}

/**
 * parse_duration() - a duration of the command line, such as 2h
 * @what: what it is for
 * @text: the duration
 *
 * Return: seconds, a year at most; what is no duration ends the program
 */
int64_t parse_duration(const char *what, const char *text)
{
	static const struct {
		char unit;
		int seconds;
	} known[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	long long number;
	size_t i = 0;
	char *end;

	errno = 0;
	number = strtoll(text, &end, 10);
	while (i < 3 && known[i].unit != *end)
		i++;
	if (!isdigit((unsigned char)*text) || known[i].unit != *end || end[1])
		usage_error("%s: '%s' is not a duration, such as 30m or 2h",
			    what, text);
	if (errno || number < 1 || number > 365 * 86400 / known[i].seconds)
		usage_error("%s: not from 1s to 365d", what);
	return number * known[i].seconds;
}

/**
 * size_text() - a size in few letters
 * @text: room for it, SIZE_TEXT
 * @bytes: the size
 *
 * Return: @text
 */
const char *size_text(char *text, uint64_t bytes)
{
	uint64_t unit = 1, tenths;
	int i = -1;

	while (bytes / unit >= 1024 && units[i + 1]) {
		unit <<= 10;
		i++;
	}
	/* 1024 tenths of a unit fit twice: no overflow below 2^60 */
	tenths = bytes / unit * 10 + (bytes % unit) * 10 / unit;
	if (i < 0)
		snprintf(text, SIZE_TEXT, "%llu", (unsigned long long)bytes);
	else if (tenths % 10 && tenths < 1000)
		snprintf(text, SIZE_TEXT, "%llu.%llu%c",
			 (unsigned long long)tenths / 10,
			 (unsigned long long)tenths % 10, units[i]);
	else
		snprintf(text, SIZE_TEXT, "%llu%c",
			 (unsigned long long)tenths / 10, units[i]);
	return text;
}

/**
 * part_of() - a member of an object
 * @from: the object
 * @name: the member
 *
 * Return: the member, or NULL
 */
struct json_object *part_of(struct json_object *from, const char *name)
{
	struct json_object *part;

	return json_object_object_get_ex(from, name, &part) ? part : NULL;
}

/**
 * number_of() - a number in an object
 * @from: the object
 * @name: the member
 *
 * Return: it, or 0
 */
uint64_t number_of(struct json_object *from, const char *name)
{
	return json_object_get_uint64(part_of(from, name));
}

/**
 * text_of() - a text in an object
 * @from: the object
 * @name: the member
 *
 * Return: it, or NULL
 */
const char *text_of(struct json_object *from, const char *name)
{
	return json_object_get_string(part_of(from, name));
}

/**
 * flag_of() - a truth in an object
 * @from: the object
 * @name: the member
 *
 * Return: it, or false
 */
bool flag_of(struct json_object *from, const char *name)
{
	return json_object_get_boolean(part_of(from, name));
}
