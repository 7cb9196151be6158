/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, messages
 *
 * To stderr, each with the level that the journal understands.
 */
#ifndef _TMEMD_LOG_H
#define _TMEMD_LOG_H

#include <stdbool.h>
#include <syslog.h>
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

#define log_error(...)	log_line(LOG_ERR, __VA_ARGS__)
#define log_warn(...)	log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)	log_line(LOG_INFO, __VA_ARGS__)

/* About a guest, which cannot fill the log */
#define log_guest(client, level, format, ...) do {			\
	if (log_allowed(&(client)->limit))				\
		log_line(level, "%s: " format, (client)->state->name,	\
			 ##__VA_ARGS__);				\
} while (0)

#endif /* _TMEMD_LOG_H */
