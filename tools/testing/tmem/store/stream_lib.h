/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: streams of saved clients, for tests
 *
 * What a store saved, or what a test made up record by record, with counts and
 * sums that fit unless the test spoils them afterwards.
 */
#ifndef _TMEM_TEST_STREAM_LIB_H
#define _TMEM_TEST_STREAM_LIB_H

#include "lib.h"
#include "stream.h"

#define STREAM_BYTES	(8u << 20)
#define STREAM_LOG	4096

struct stream {
	unsigned char *data;
	size_t bytes;		/* so far */
	size_t room;
	struct tstore_record_end end;	/* of a stream that is made: counts */
};

/* One to be written to; its memory is never freed, and no others' concern */
extern struct stream stream;
extern struct tstore_gone stream_log[STREAM_LOG];

/* The next piece, in a buffer of @bytes: what tstore_save_next() returned */
int stream_pull(struct stream *st, struct tstore_client *c, size_t bytes);

/* Until there is nothing more at the moment */
int stream_drain(struct stream *st, struct tstore_client *c, size_t bytes);

/* A whole save of a client at rest */
int stream_save(struct stream *st, struct tstore_client *c, size_t bytes);

/* The stream goes to a fresh client, in pieces of @bytes */
int stream_restore(const struct stream *st, struct tstore_client *c,
		   size_t bytes, enum tstore_damage *damage);

/* To make one; what is returned is valid until the next one is made */
void stream_reset(struct stream *st);
struct tstore_record_start *stream_start(struct stream *st, u64 epoch);
struct tstore_record_pool *stream_pool(struct stream *st, u32 id, u32 flags);
struct tstore_record_pool *stream_pool_gone(struct stream *st, u32 id);
struct tstore_record_page *stream_page(struct stream *st, u32 pool, u64 obj,
				       u64 index, u64 tag);
struct tstore_record_page *stream_flush(struct stream *st, u32 pool, u64 obj,
					u64 index, u32 nr);
struct tstore_record_end *stream_end(struct stream *st);

/* After a change: makes sums fit, of all records and of the whole */
void stream_mend(struct stream *st);
size_t stream_count(const struct stream *st, u32 type);

#endif /* _TMEM_TEST_STREAM_LIB_H */
