// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, lines that others have written
 */
#include <ctype.h>

#include "parse.h"

/**
 * parse_object() - a JSON object that is all of a line
 * @line: the line
 * @length: of it; space at its end does not count
 * @depth: levels that there may be
 *
 * Return: the object, for json_object_put(); or NULL if it is none, or if there
 *	is no memory for it
 */
struct json_object *parse_object(const char *line, size_t length, int depth)
{
	struct json_tokener *tok = json_tokener_new_ex(depth);
	struct json_object *object;

	if (!tok)
		return NULL;
	while (length && isspace((unsigned char)line[length - 1]))
		length--;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT |
				    JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tok, line, length);
	if (json_tokener_get_error(tok) != json_tokener_success ||
	    json_tokener_get_parse_end(tok) != length ||
	    !json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		object = NULL;
	}
	json_tokener_free(tok);
	return object;
}
