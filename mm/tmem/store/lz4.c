// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a small codec for hosts that have none
 *
 * The format is that of LZ4 blocks, so that whatever else speaks it can take
 * over: sequences of a token, literals, and a match that is told by its distance
 * and length.  Matches are found by one probe of a hash of four bytes.
 */
#include "codec.h"

#define HASH_BITS	11
#define MIN_MATCH	4
/* The format wants the last bytes to be literals, and matches to end early */
#define LAST_LITERALS	5
#define LAST_MATCH	12

/* The low and the high half of a token: this much, and the rest follows */
#define TOKEN_MAX	15U

static u32 lz4_get32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static u64 lz4_get64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static u32 lz4_hash(u32 v)
{
	return v * 2654435761U >> (32 - HASH_BITS);
}

/* What a token does not hold of a length; NULL if there is no room */
static u8 *lz4_put_rest(u8 *out, const u8 *end, u32 rest)
{
	for (;;) {
		if (out == end)
			return NULL;
		if (rest < 255)
			break;
		*out++ = 255;
		rest -= 255;
	}
	*out++ = rest;
	return out;
}

/* One sequence, the last of which has no match; NULL if there is no room */
static u8 *lz4_put(u8 *out, const u8 *end, const u8 *literals, u32 nr,
		   u32 distance, u32 match)
{
	u32 extra = match ? match - MIN_MATCH : 0;
	u8 *token = out;

	if (out == end)
		return NULL;
	*out++ = (nr < TOKEN_MAX ? nr : TOKEN_MAX) << 4 |
		 (extra < TOKEN_MAX ? extra : TOKEN_MAX);
	if (nr >= TOKEN_MAX) {
		out = lz4_put_rest(out, end, nr - TOKEN_MAX);
		if (!out)
			return NULL;
	}
	if ((u32)(end - out) < nr + (match ? 2 : 0))
		return NULL;
	memcpy(out, literals, nr);
	out += nr;
	if (!match)
		return out;
	*out++ = distance;
	*out++ = distance >> 8;
	if ((*token & TOKEN_MAX) == TOKEN_MAX)
		out = lz4_put_rest(out, end, extra - TOKEN_MAX);
	return out;
}

/* How far two places are alike, up to @end of the later one */
static u32 lz4_alike(const u8 *p, const u8 *match, const u8 *end)
{
	const u8 *start = p;

	while (end - p >= 8 && lz4_get64(p) == lz4_get64(match)) {
		p += 8;
		match += 8;
	}
	while (p < end && *p == *match) {
		p++;
		match++;
	}
	return p - start;
}

static u32 lz4_encode(void *work, const void *page, void *to, u32 room)
{
	const u8 *src = page, *end = src + PAGE_SIZE;
	const u8 *done = src, *p = src + 1, *match;
	u8 *out = to, *out_end = out + room;
	u16 *table = work;
	u32 h, len;

	memset(table, 0, sizeof(*table) << HASH_BITS);
	while (p + LAST_MATCH <= end) {
		h = lz4_hash(lz4_get32(p));
		match = src + table[h];
		table[h] = p - src;
		if (lz4_get32(match) != lz4_get32(p)) {
			/* the longer nothing is found, the faster on */
			p += 1 + ((p - done) >> 6);
			continue;
		}
		while (p > done && match > src && p[-1] == match[-1]) {
			p--;
			match--;
		}
		len = lz4_alike(p, match, end - LAST_LITERALS);
		out = lz4_put(out, out_end, done, p - done, p - match, len);
		if (!out)
			return 0;
		p += len;
		done = p;
	}
	out = lz4_put(out, out_end, done, end - done, 0, 0);
	return out ? out - (u8 *)to : 0;
}

/* The rest of a length; false if it is cut off or cannot be */
static bool lz4_get_rest(const u8 **in, const u8 *end, u32 *len)
{
	u8 byte;

	do {
		if (*in == end || *len > PAGE_SIZE)
			return false;
		byte = *(*in)++;
		*len += byte;
	} while (byte == 255);
	return true;
}

/*
 * Lengths are short: copy words, and up to seven bytes too many, if there is
 * @room for that in both places and no word overlaps what it makes.
 */
static void lz4_copy(u8 *out, const u8 *from, u32 len, bool room)
{
	u8 *end = out + len;

	if (room) {
		for (; out < end; out += 8, from += 8)
			memcpy(out, from, 8);
		return;
	}
	while (out < end)
		*out++ = *from++;
}

static bool lz4_decode(void *work __always_unused, const void *from, u32 bytes,
		       void *page)
{
	const u8 *in = from, *in_end = in + bytes;
	u8 *out = page, *out_end = out + PAGE_SIZE;
	u32 token, len, distance;
	bool room;

	while (in < in_end) {
		token = *in++;
		len = token >> 4;
		if (len == TOKEN_MAX && !lz4_get_rest(&in, in_end, &len))
			return false;
		if (len > (u32)(in_end - in) || len > (u32)(out_end - out))
			return false;
		room = (u32)(in_end - in) >= len + 8 &&
		       (u32)(out_end - out) >= len + 8;
		lz4_copy(out, in, len, room);
		in += len;
		out += len;
		if (in == in_end)
			return out == out_end;

		if (in_end - in < 2)
			return false;
		distance = in[0] | in[1] << 8;
		in += 2;
		len = token & TOKEN_MAX;
		if (len == TOKEN_MAX && !lz4_get_rest(&in, in_end, &len))
			return false;
		len += MIN_MATCH;
		if (!distance || distance > (u32)(out - (u8 *)page) ||
		    len > (u32)(out_end - out))
			return false;
		lz4_copy(out, out - distance, len,
			 distance >= 8 && (u32)(out_end - out) >= len + 8);
		out += len;
	}
	return false;
}

const struct tstore_codec tstore_lz4 = {
	.name = "lz4",
	.id = TSTORE_CODEC_LZ4,
	.work = sizeof(u16) << HASH_BITS,
	.encode = lz4_encode,
	.decode = lz4_decode,
};
