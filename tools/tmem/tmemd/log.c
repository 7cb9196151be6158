// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, messages
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

/* So many messages about one guest in so many seconds */
#define BURST		10
#define PERIOD_S	60

static bool journal;

/* Limits, of which queues that different threads serve may share one */
static pthread_mutex_t limits = PTHREAD_MUTEX_INITIALIZER;

/**
 * log_start() - find out who reads
 */
void log_start(void)
{
	journal = getenv("JOURNAL_STREAM") && !isatty(2);
}

/**
 * log_line() - say something
 * @level: as in syslog
 * @format: as of printf(), without a newline
 *
 * Context: any thread.
 */
void log_line(int level, const char *format, ...)
{
	char line[512], head[16] = "";
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (journal)
		snprintf(head, sizeof(head), "<%d>", level);
	fprintf(stderr, "%stmemd: %s\n", head, line);
}

static bool is_allowed(struct log_limit *limit)
{
	time_t now = time(NULL);

	if (now - limit->since >= PERIOD_S) {
		if (limit->kept)
			log_warn("%u more messages about a guest were not shown",
				 limit->kept);
		*limit = (struct log_limit){ .since = now };
	}
	if (limit->said < BURST) {
		limit->said++;
		return true;
	}
	limit->kept++;
	return false;
}

/**
 * log_allowed() - may something more be said about a guest?
 * @limit: the guest's
 *
 * Context: any thread.
 * Return: true if so
 */
bool log_allowed(struct log_limit *limit)
{
	bool allowed;

	pthread_mutex_lock(&limits);
	allowed = is_allowed(limit);
	pthread_mutex_unlock(&limits);
	return allowed;
}
