/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: the stream that a saved client is
 *
 * Records of fixed size, one after another: what Documentation/tmem/save.rst
 * says, which is the normative text.  Little-endian, naturally aligned, no
 * implicit padding; fields that a record does not use are zero, and a store
 * refuses a stream in which they are not.
 */
#ifndef _TSTORE_STREAM_H
#define _TSTORE_STREAM_H

#include "tstore.h"

#define TSTORE_STREAM_MAGIC	0x6d61657274736d74ULL	/* "tmstream" */
#define TSTORE_STREAM_VERSION	1

/* Epochs of a stream are below this, so that counting on never wraps */
#define TSTORE_STREAM_EPOCHS	0x8000000000000000ULL

/**
 * enum tstore_record_type - what a record says
 * @TSTORE_RECORD_START: whose stream this is; the first one
 * @TSTORE_RECORD_POOL: the client has this pool
 * @TSTORE_RECORD_PAGE: and in it this page; its contents follow
 * @TSTORE_RECORD_FLUSH: pages left that were told of, or were not
 * @TSTORE_RECORD_POOL_GONE: the pool was destroyed, with all that it held
 * @TSTORE_RECORD_END: there is no more; the last one
 * @TSTORE_RECORDS: number of types, not one itself
 */
enum tstore_record_type {
	TSTORE_RECORD_START	= 1,
	TSTORE_RECORD_POOL	= 2,
	TSTORE_RECORD_PAGE	= 3,
	TSTORE_RECORD_FLUSH	= 4,
	TSTORE_RECORD_POOL_GONE	= 5,
	TSTORE_RECORD_END	= 6,
	TSTORE_RECORDS
};

/**
 * struct tstore_stream_head - how every record begins
 * @type: enum tstore_record_type
 * @bytes: length, from here to the next record
 * @sum: tstore_record_sum() of all of it, with 0 in this field
 */
struct tstore_stream_head {
	u32 type;
	u32 bytes;
	u64 sum;
};

/**
 * struct tstore_record_start - TSTORE_RECORD_START
 * @head: see there
 * @magic: TSTORE_STREAM_MAGIC
 * @version: TSTORE_STREAM_VERSION; what is above stays the same in others
 * @page_shift: log2 of the size of a page
 * @features: TMEM_FEATURE_* that the client has
 * @epoch: of its last attach; 0 if there was none
 * @max_pools: its pool ids are below this
 * @reserved: zero
 */
struct tstore_record_start {
	struct tstore_stream_head head;
	u64 magic;
	u32 version;
	u32 page_shift;
	u64 features;
	u64 epoch;
	u32 max_pools;
	u32 reserved[3];
};

/**
 * struct tstore_record_pool - TSTORE_RECORD_POOL and TSTORE_RECORD_POOL_GONE
 * @head: see there
 * @id: the client's number for it
 * @flags: TMEM_POOL_*; of a pool that is gone: zero
 * @reserved: zero
 */
struct tstore_record_pool {
	struct tstore_stream_head head;
	u32 id;
	u32 flags;
	u64 reserved;
};

/**
 * struct tstore_record_page - TSTORE_RECORD_PAGE and TSTORE_RECORD_FLUSH
 * @head: see there
 * @object: the client's name for the object
 * @index: the page, or the first of those that left
 * @pool: id of their pool, which is persistent
 * @nr_pages: 1; of those that left: their number, up to TMEM_MAX_RUN
 * @seq: of the put that stored it; of those that left: zero
 * @reserved: zero
 */
struct tstore_record_page {
	struct tstore_stream_head head;
	u64 object[3];
	u64 index;
	u32 pool;
	u32 nr_pages;
	u32 seq;
	u32 reserved;
};

/**
 * struct tstore_record_end - TSTORE_RECORD_END
 * @head: see there
 * @pools: number of records TSTORE_RECORD_POOL
 * @pages: of TSTORE_RECORD_PAGE
 * @flushes: of TSTORE_RECORD_FLUSH
 * @pools_gone: of TSTORE_RECORD_POOL_GONE
 * @sums: tstore_stream_mix() of the sums of all records before, from 0
 * @reserved: zero
 */
struct tstore_record_end {
	struct tstore_stream_head head;
	u64 pools;
	u64 pages;
	u64 flushes;
	u64 pools_gone;
	u64 sums;
	u64 reserved;
};

/* The longest part of a record that is not the contents of a page */
#define TSTORE_RECORD_FIXED	64U

static_assert(sizeof(struct tstore_stream_head) == 16, "record");
static_assert(sizeof(struct tstore_record_start) == 64, "start");
static_assert(sizeof(struct tstore_record_pool) == 32, "pool");
static_assert(sizeof(struct tstore_record_page) == 64, "page");
static_assert(sizeof(struct tstore_record_end) == 64, "end");
static_assert(sizeof(struct tstore_record_page) + PAGE_SIZE ==
	      TSTORE_SAVE_BYTES, "longest");

/* Length of a record; 0: there is no such type */
static inline u32 tstore_record_bytes(u32 type)
{
	switch (type) {
	case TSTORE_RECORD_POOL:
	case TSTORE_RECORD_POOL_GONE:
		return sizeof(struct tstore_record_pool);
	case TSTORE_RECORD_PAGE:
		return sizeof(struct tstore_record_page) + PAGE_SIZE;
	case TSTORE_RECORD_START:
	case TSTORE_RECORD_FLUSH:
	case TSTORE_RECORD_END:
		return TSTORE_RECORD_FIXED;
	}
	return 0;
}

/* Part of the format: tstore_mix(), which is alike, may become another */
static inline u64 tstore_stream_mix(u64 sum, u64 word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
	return sum ^ (sum >> 32);
}

/*
 * Four lanes, so that a processor can work on all of them at a time; @bytes is
 * a multiple of 32.  Against accidents: whoever wants to forge a stream can
 * work the sum out, too.
 */
static inline u64 tstore_stream_sum(u64 sum, const void *data, size_t bytes)
{
	u64 lane[4] = { sum, 1, 2, 3 };
	const u8 *from = data;
	u64 word[4];
	u32 i;

	for (; bytes >= sizeof(word); bytes -= sizeof(word)) {
		memcpy(word, from, sizeof(word));
		from += sizeof(word);
		for (i = 0; i < 4; i++)
			lane[i] = tstore_stream_mix(lane[i], word[i]);
	}
	for (i = 1; i < 4; i++)
		lane[0] = tstore_stream_mix(lane[0], lane[i]);
	return lane[0];
}

/* Of a record whose sum is 0; @page: contents of a page, if it has any */
static inline u64 tstore_record_sum(const struct tstore_stream_head *head,
				    const void *page)
{
	u32 fixed = head->bytes < TSTORE_RECORD_FIXED ? head->bytes :
							TSTORE_RECORD_FIXED;
	u64 sum = tstore_stream_sum(0, head, fixed);

	return page ? tstore_stream_sum(sum, page, PAGE_SIZE) : sum;
}

#endif /* _TSTORE_STREAM_H */
