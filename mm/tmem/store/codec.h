/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: codecs of the page store
 */
#ifndef _TSTORE_CODEC_H
#define _TSTORE_CODEC_H

#include "tstore.h"

/**
 * struct tstore_codec - makes pages smaller, and as large as they were
 * @name: in the field's terms
 * @id: 1 to TSTORE_CODECS - 1, the same for all that understand each other; an
 *	arena may be opened again by a process with other codecs
 * @work: bytes of memory that @encode and @decode need for themselves
 * @encode: packs @page into no more than @room bytes at @out; returns the number
 *	of bytes, or 0 if it takes more
 * @decode: unpacks the @bytes at @in into @page; returns false if they are not
 *	what @encode made of a page.  Must not write beyond the page whatever
 *	they are.
 */
struct tstore_codec {
	const char *name;
	u32 id;
	size_t work;
	u32 (*encode)(void *work, const void *page, void *out, u32 room);
	bool (*decode)(void *work, const void *in, u32 bytes, void *page);
};

#define TSTORE_CODEC_LZ4	1
#define TSTORE_CODEC_ZSTD	2
#define TSTORE_CODECS		16

extern const struct tstore_codec tstore_lz4;

#endif /* _TSTORE_CODEC_H */
