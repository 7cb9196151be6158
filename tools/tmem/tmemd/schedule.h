/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, who has how much of the host's memory
 */
#ifndef _TMEMD_SCHEDULE_H
#define _TMEMD_SCHEDULE_H

#include <json-c/json.h>

#include "device.h"
#include "tmem_sched.h"

int schedule_start(void);
void schedule_tick(void);
void schedule_step(void);
void schedule_forget(const struct client *c);
bool schedule_choose(const char *name);
const struct sched_guest *schedule_guest(const struct client *c);
struct json_object *schedule_client(const struct client *c);
void schedule_report(struct json_object *answer);
void schedule_why(struct json_object *answer, const struct client *c);

#endif /* _TMEMD_SCHEDULE_H */
