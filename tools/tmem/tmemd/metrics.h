/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, metrics for Prometheus
 */
#ifndef _TMEMD_METRICS_H
#define _TMEMD_METRICS_H

#include <stdbool.h>
#include <sys/socket.h>

bool metrics_parse(const char *text, struct sockaddr_storage *out);
int metrics_start(void);
void metrics_tick(void);

#endif /* _TMEMD_METRICS_H */
