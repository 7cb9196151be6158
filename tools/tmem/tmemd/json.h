/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tmemd: members of its answers
 */
#ifndef _TMEMD_JSON_H
#define _TMEMD_JSON_H

#include <json-c/json.h>

#include "tmem_env.h"

static inline void add_number(struct json_object *to, const char *name,
			      u64 number)
{
	json_object_object_add(to, name, json_object_new_uint64(number));
}

/* In bytes */
static inline void add_pages(struct json_object *to, const char *name,
			     u64 pages)
{
	add_number(to, name, pages << PAGE_SHIFT);
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

#endif /* _TMEMD_JSON_H */
