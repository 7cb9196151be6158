// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: streams of saved clients, see stream_lib.h
 */
#include "stream_lib.h"

struct stream stream;
struct tstore_gone stream_log[STREAM_LOG];

void stream_reset(struct stream *st)
{
	if (!st->data) {
		st->data = malloc(STREAM_BYTES);
		st->room = STREAM_BYTES;
		if (!st->data)
			env_die("no memory");
	}
	st->bytes = 0;
	memset(&st->end, 0, sizeof(st->end));
}

int stream_pull(struct stream *st, struct tstore_client *c, size_t bytes)
{
	/* of exactly this size, so that writing beyond it is seen */
	unsigned char *buf = malloc(bytes);
	size_t used = ~0ul;
	int more;

	if (!buf)
		env_die("no memory");
	memset(buf, 0xa5, bytes);
	more = tstore_save_next(c, buf, bytes, &used);
	if (used > bytes || used % 32)
		env_die("%zu bytes used of %zu", used, bytes);
	if (st->bytes + used > st->room)
		env_die("the stream is too long");
	memcpy(st->data + st->bytes, buf, used);
	st->bytes += used;
	free(buf);
	env_idle();
	return more;
}

int stream_drain(struct stream *st, struct tstore_client *c, size_t bytes)
{
	int more;

	do {
		more = stream_pull(st, c, bytes);
	} while (more > 0);
	return more;
}

int stream_save(struct stream *st, struct tstore_client *c, size_t bytes)
{
	int err;

	stream_reset(st);
	err = tstore_save_begin(c, stream_log, STREAM_LOG);
	if (err)
		return err;
	err = stream_drain(st, c, bytes);
	if (!err) {
		tstore_save_finish(c);
		err = stream_drain(st, c, bytes);
	}
	return err ? err : tstore_save_end(c);
}

int stream_restore(const struct stream *st, struct tstore_client *c,
		   size_t bytes, enum tstore_damage *damage)
{
	static unsigned char page[PAGE_SIZE];
	struct env_data data = { .base = page, .nr = 1, .bad = ~0u };
	enum tstore_damage why;
	size_t at, nr;
	int err;

	err = tstore_restore_begin(c, &data);
	if (err)
		return err;
	for (at = 0; !err && at < st->bytes; at += nr) {
		nr = st->bytes - at < bytes ? st->bytes - at : bytes;
		err = tstore_restore_feed(c, st->data + at, nr);
		env_idle();
	}
	if (tstore_restore_end(c, &why) != err && !err)
		err = -EBADMSG;
	if (!err != !why && err == -EBADMSG)
		env_die("error %d, but damage %d", err, why);
	if (damage)
		*damage = why;
	env_idle();
	return err;
}

/* ---- made ---- */

static void *stream_add(struct stream *st, u32 type)
{
	struct tstore_stream_head *head = (void *)(st->data + st->bytes);
	u32 bytes = tstore_record_bytes(type);

	if (st->bytes + bytes > st->room)
		env_die("the stream is too long");
	memset(head, 0, bytes);
	head->type = type;
	head->bytes = bytes;
	st->bytes += bytes;
	return head;
}

struct tstore_record_start *stream_start(struct stream *st, u64 epoch)
{
	struct tstore_record_start *rec = stream_add(st, TSTORE_RECORD_START);

	rec->magic = TSTORE_STREAM_MAGIC;
	rec->version = TSTORE_STREAM_VERSION;
	rec->page_shift = PAGE_SHIFT;
	rec->features = TMEM_FEATURE_PERSISTENT;
	rec->epoch = epoch;
	rec->max_pools = 4;
	return rec;
}

struct tstore_record_pool *stream_pool(struct stream *st, u32 id, u32 flags)
{
	struct tstore_record_pool *rec = stream_add(st, TSTORE_RECORD_POOL);

	rec->id = id;
	rec->flags = flags;
	st->end.pools++;
	return rec;
}

struct tstore_record_pool *stream_pool_gone(struct stream *st, u32 id)
{
	struct tstore_record_pool *rec;

	rec = stream_add(st, TSTORE_RECORD_POOL_GONE);
	rec->id = id;
	st->end.pools_gone++;
	return rec;
}

static struct tstore_record_page *stream_named(struct stream *st, u32 type,
					       u32 pool, u64 obj, u64 index,
					       u32 nr)
{
	struct tstore_record_page *rec = stream_add(st, type);

	rec->pool = pool;
	rec->object[0] = obj;
	rec->object[1] = ~obj;
	rec->object[2] = obj & 1 ? obj * 3 : 0;
	rec->index = index;
	rec->nr_pages = nr;
	return rec;
}

struct tstore_record_page *stream_page(struct stream *st, u32 pool, u64 obj,
				       u64 index, u64 tag)
{
	struct tstore_record_page *rec;

	rec = stream_named(st, TSTORE_RECORD_PAGE, pool, obj, index, 1);
	fill((unsigned char *)(rec + 1), tag);
	st->end.pages++;
	return rec;
}

struct tstore_record_page *stream_flush(struct stream *st, u32 pool, u64 obj,
					u64 index, u32 nr)
{
	st->end.flushes++;
	return stream_named(st, TSTORE_RECORD_FLUSH, pool, obj, index, nr);
}

struct tstore_record_end *stream_end(struct stream *st)
{
	struct tstore_record_end *rec = stream_add(st, TSTORE_RECORD_END);

	rec->pools = st->end.pools;
	rec->pages = st->end.pages;
	rec->flushes = st->end.flushes;
	rec->pools_gone = st->end.pools_gone;
	return rec;
}

void stream_mend(struct stream *st)
{
	struct tstore_record_end *end;
	struct tstore_stream_head *head;
	size_t at;
	u64 sums = 0;

	for (at = 0; at + sizeof(*head) <= st->bytes; at += head->bytes) {
		head = (void *)(st->data + at);
		if (head->bytes < sizeof(*head) || head->bytes % 32 ||
		    head->bytes > st->bytes - at)
			return;
		if (head->type == TSTORE_RECORD_END &&
		    head->bytes == sizeof(*end)) {
			end = (void *)head;
			end->sums = sums;
		}
		head->sum = 0;
		head->sum = tstore_record_sum(head, head->bytes ==
				TSTORE_SAVE_BYTES ? head + 4 : NULL);
		sums = tstore_stream_mix(sums, head->sum);
	}
}

size_t stream_count(const struct stream *st, u32 type)
{
	const struct tstore_stream_head *head;
	size_t at, nr = 0;

	for (at = 0; at < st->bytes; at += head->bytes) {
		head = (void *)(st->data + at);
		nr += head->type == type;
	}
	return nr;
}
