/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, lines that others have written
 */
#ifndef _TMEMD_PARSE_H
#define _TMEMD_PARSE_H

#include <json-c/json.h>

struct json_object *parse_object(const char *line, size_t length, int depth);

#endif /* _TMEMD_PARSE_H */
