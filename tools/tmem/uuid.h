/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: the name of a shared pool, as text and as the ABI has it
 *
 * The text is that of RFC 4122, 36 characters; in a request its sixteen bytes
 * are two little-endian words.
 */
#ifndef _TMEM_UUID_H
#define _TMEM_UUID_H

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define UUID_TEXT	37

/* Byte @i is at these characters of the text */
static inline int uuid_at(int i)
{
	return 2 * i + (i > 3) + (i > 5) + (i > 7) + (i > 9);
}

/* False if that is no uuid, or the one that is all zero, which names nothing */
static inline bool uuid_parse(const char *text, uint64_t *words)
{
	unsigned int byte;
	int i;

	if (strlen(text) != UUID_TEXT - 1 || text[8] != '-' ||
	    text[13] != '-' || text[18] != '-' || text[23] != '-')
		return false;
	words[0] = 0;
	words[1] = 0;
	for (i = 0; i < 16; i++) {
		if (!isxdigit((unsigned char)text[uuid_at(i)]) ||
		    !isxdigit((unsigned char)text[uuid_at(i) + 1]) ||
		    sscanf(text + uuid_at(i), "%2x", &byte) != 1)
			return false;
		words[i / 8] |= (uint64_t)byte << 8 * (i % 8);
	}
	return words[0] || words[1];
}

/* The opposite; returns @text, which has room for UUID_TEXT */
static inline const char *uuid_text(char *text, const uint64_t *words)
{
	int i;

	memset(text, '-', UUID_TEXT - 1);
	text[UUID_TEXT - 1] = 0;
	for (i = 0; i < 16; i++) {
		static const char digits[] = "0123456789abcdef";
		unsigned int byte = words[i / 8] >> 8 * (i % 8) & 0xff;

		text[uuid_at(i)] = digits[byte >> 4];
		text[uuid_at(i) + 1] = digits[byte & 15];
	}
	return text;
}

#endif /* _TMEM_UUID_H */
