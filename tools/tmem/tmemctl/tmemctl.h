/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemctl, what its files share
 */
#ifndef _TMEMCTL_H
#define _TMEMCTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* Status to exit with */
#define EXIT_REFUSED	1
#define EXIT_USAGE	2
#define EXIT_NO_DAEMON	3

/* Room for a size in words */
#define SIZE_TEXT	24

/* talk.c: the daemon */

void talk_begin(const char *dir);
void talk_begin_xen(void);
struct json_object *talk_try(struct json_object *request, int fd);
struct json_object *talk(struct json_object *request, int fd);

/* words.c: numbers and what they mean */

void usage_error(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
int64_t parse_size(const char *what, const char *text);
int64_t parse_number(const char *what, const char *text);
int64_t parse_duration(const char *what, const char *text);
const char *size_text(char *text, uint64_t bytes);
uint64_t number_of(struct json_object *from, const char *name);
const char *text_of(struct json_object *from, const char *name);
bool flag_of(struct json_object *from, const char *name);
struct json_object *part_of(struct json_object *from, const char *name);

/* table.c: answers, for people */

const char *state_of(struct json_object *client);
bool counted(struct json_object *client);
const char *target_text(char *text, struct json_object *client);
void print_list(struct json_object *answer);
void print_client(struct json_object *client);
void print_stats(struct json_object *answer);
void print_memory(struct json_object *answer);
void print_why(struct json_object *answer);
void print_size(struct json_object *answer);

/* top.c: a table that lives */

void top(bool once, unsigned int delay);

/* report.c: a page about the last hours */

void report(const char *path, uint64_t since);

#endif /* _TMEMCTL_H */
