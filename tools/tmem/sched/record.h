/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: a decision, and what it was made of, in JSON
 */
#ifndef _TMEM_SCHED_RECORD_H
#define _TMEM_SCHED_RECORD_H

#include <json-c/json.h>

#include "tmem_sched.h"

void record_decision(struct json_object *to, const struct sched_guest *g);
struct json_object *record_guest(const char *name, const struct sched_guest *g);
void record_host(struct json_object *to, const struct sched_policy *policy,
		 const struct sched_host *host);

#endif /* _TMEM_SCHED_RECORD_H */
