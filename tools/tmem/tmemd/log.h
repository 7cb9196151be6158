/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, messages
 *
 * To stderr, each with the level that the journal understands.
 */
#ifndef _TMEMD_LOG_H
#define _TMEMD_LOG_H

#include <stdbool.h>
#include <time.h>

/**
 * struct log_limit - how often one guest may be complained about
 * @since: begin of the present period
 * @said: messages in it
 * @kept: messages that were not said
 */
struct log_limit {
	time_t since;
	unsigned int said;
	unsigned int kept;
};

void log_start(void);
bool log_allowed(struct log_limit *limit);
void log_line(int level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)	log_line(3, __VA_ARGS__)
#define log_warn(...)	log_line(4, __VA_ARGS__)
#define log_info(...)	log_line(6, __VA_ARGS__)

#endif /* _TMEMD_LOG_H */
