/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: members of answers, and of what is recorded
 */
#ifndef _TMEM_JSON_H
#define _TMEM_JSON_H

#include <json-c/json.h>

#include "tmem_env.h"

static inline void add_number(struct json_object *to, const char *name,
			      u64 number)
{
	json_object_object_add(to, name, json_object_new_uint64(number));
}

/* In bytes; what cannot be, such as "no limit", is as large as can be told */
static inline void add_pages(struct json_object *to, const char *name,
			     u64 pages)
{
	add_number(to, name, pages > INT64_MAX >> PAGE_SHIFT ?
		   INT64_MAX & ~(PAGE_SIZE - 1) : pages << PAGE_SHIFT);
}

static inline void add_bool(struct json_object *to, const char *name, bool is)
{
	json_object_object_add(to, name, json_object_new_boolean(is));
}

static inline void add_text(struct json_object *to, const char *name,
			    const char *text)
{
	json_object_object_add(to, name, json_object_new_string(text));
}

/* What a client said of its own memory */
static inline struct json_object *report_object(const struct tmem_report *report)
{
	struct json_object *all = json_object_new_object();

	add_pages(all, "total", report->total);
	add_pages(all, "floor", report->floor);
	add_pages(all, "estimate", report->estimate);
	add_pages(all, "target", report->target);
	add_pages(all, "grant", report->grant);
	add_number(all, "misses_per_second", report->misses);
	add_number(all, "pressure_per_mille", report->pressure);
	add_number(all, "confidence_percent", report->confidence);
	add_text(all, "moved_by",
		 report->flags == TMEM_REPORT_HOST ? "host" :
		 report->flags == TMEM_REPORT_SELF ? "self" : "nobody");
	return all;
}

#endif /* _TMEM_JSON_H */
