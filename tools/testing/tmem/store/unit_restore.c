// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: page store unit tests, streams of all kinds
 *
 * What is wrong with a stream is found and said, and nothing is left of it.
 */
#include "stream_lib.h"
#include "unit.h"

#define E	0
#define P	1
#define LIMIT	30

static int may_fail(int err)
{
	if (err == -ENOMEM) {
		world_check();
		lib_abandon();
	}
	return err;
}

static void open_restore(void)
{
	world_open(60, LIMIT);
	world_fresh(1, LIMIT);
}

/* Client 1 is as fresh as it ever was */
static void nothing_left(void)
{
	struct tmem_query q;

	CHECK_EQ(query(w.c[1], &q), 0);
	CHECK_EQ(q.pools, 0);
	CHECK_EQ(q.ephemeral + q.persistent, 0);
	CHECK_EQ(pool_create(w.c[1], 0, EPHEMERAL), -ENOTCONN);
	world_check();
}

static void refused(int err, enum tstore_damage damage)
{
	u64 before = world_stats().bad_streams[damage];
	enum tstore_damage why;

	CHECK_EQ(may_fail(stream_restore(&stream, w.c[1], 77, &why)), err);
	CHECK_EQ(why, damage);
	if (damage)
		CHECK_EQ(world_stats().bad_streams[damage], before + 1);
	nothing_left();
}

/* One of each kind of record, and a few pages */
static void small_stream(void)
{
	stream_reset(&stream);
	stream_start(&stream, 7);
	stream_pool(&stream, E, EPHEMERAL);
	stream_pool(&stream, P, PERSISTENT);
	stream_page(&stream, P, 2, 3, 100);
	stream_page(&stream, P, 3, 30, 101);
	stream_page(&stream, P, 3, 31, 102);
	stream_flush(&stream, P, 3, 28, 3);
	stream_pool_gone(&stream, E);
	stream_end(&stream);
	stream_mend(&stream);
}

static void small_client(void)
{
	struct tmem_query q;

	CHECK_EQ(query(w.c[1], &q), 0);
	CHECK_EQ(q.pools, 1);
	CHECK_EQ(q.persistent, 2);
	CHECK_EQ(get(w.c[1], P, 2, 3, 1), 0);
	CHECK(got(0, 100));
	CHECK_EQ(get(w.c[1], P, 3, 30, 1), -ENOENT);
	CHECK_EQ(get(w.c[1], P, 3, 31, 1), 0);
	CHECK(got(0, 102));
	world_check();
}

static void restore_pieces(void)
{
	static const size_t sizes[] = {
		1, 2, 15, 16, 17, 31, 33, 4096, 1 << 20,
	};
	size_t i;

	open_restore();
	small_stream();
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		world_fresh(1, LIMIT);
		CHECK_EQ(may_fail(stream_restore(&stream, w.c[1], sizes[i],
						 NULL)), 0);
		small_client();
	}
}

static void restore_every_truncation(void)
{
	size_t whole;

	open_restore();
	small_stream();
	whole = stream.bytes;
	for (stream.bytes = 0; stream.bytes < whole; stream.bytes++)
		refused(-EBADMSG, TSTORE_DAMAGE_TRUNCATED);
	/* all that did no harm */
	CHECK_EQ(may_fail(stream_restore(&stream, w.c[1], 4096, NULL)), 0);
	small_client();
}

/* Whatever byte is changed, and however, somebody complains */
static void restore_every_byte(void)
{
	enum tstore_damage why;
	u64 rng = 5;
	size_t i;
	u8 old;

	open_restore();
	small_stream();
	for (i = 0; i < stream.bytes; i += i < 700 ? 1 : 5) {
		old = stream.data[i];
		stream.data[i] ^= i & 1 ? 1u << lib_rand(&rng) % 8 :
					  1u + lib_rand(&rng) % 255;
		CHECK_EQ(may_fail(stream_restore(&stream, w.c[1], 1 << 20,
						 &why)), -EBADMSG);
		CHECK(why);
		nothing_left();
		stream.data[i] = old;
	}
	CHECK_EQ(may_fail(stream_restore(&stream, w.c[1], 4096, NULL)), 0);
	small_client();
}

/* ---- damage that has the right sum ---- */

static struct tstore_record_start *start;
static struct tstore_record_pool *pool;
static struct tstore_record_page *page, *gone;
static struct tstore_record_end *end;

/* Records that a case spoils, in a stream that would be good without */
static void make(void)
{
	stream_reset(&stream);
	start = stream_start(&stream, 7);
	stream_pool(&stream, E, EPHEMERAL);
	pool = stream_pool(&stream, P, PERSISTENT);
	page = stream_page(&stream, P, 2, 3, 100);
	gone = stream_flush(&stream, P, 3, 28, 3);
	end = stream_end(&stream);
}

static void spoilt(enum tstore_damage damage)
{
	stream_mend(&stream);
	refused(-EBADMSG, damage);
	make();
}

static void restore_start(void)
{
	open_restore();
	make();
	start->head.type = TSTORE_RECORD_POOL;
	spoilt(TSTORE_DAMAGE_MAGIC);
	start->head.type = 0x1f8b;
	spoilt(TSTORE_DAMAGE_MAGIC);
	start->head.bytes = 32;
	spoilt(TSTORE_DAMAGE_MAGIC);
	start->magic++;
	spoilt(TSTORE_DAMAGE_MAGIC);
	start->version = 2;
	spoilt(TSTORE_DAMAGE_VERSION);
	start->version = 2;		/* whose sums may be others */
	refused(-EBADMSG, TSTORE_DAMAGE_VERSION);
	make();
	start->page_shift = 16;
	spoilt(TSTORE_DAMAGE_PAGE_SIZE);
	start->features |= 1ull << 40;
	spoilt(TSTORE_DAMAGE_FEATURES);
	start->features = 0;
	spoilt(TSTORE_DAMAGE_FEATURES);
	start->epoch = 0;
	spoilt(TSTORE_DAMAGE_EPOCH);
	start->epoch = 1ull << 63;
	spoilt(TSTORE_DAMAGE_EPOCH);
	start->max_pools = 9;
	spoilt(TSTORE_DAMAGE_POOL_ID);
	start->max_pools = 1;
	spoilt(TSTORE_DAMAGE_POOL_ID);
	start->reserved[0] = 1;
	spoilt(TSTORE_DAMAGE_RESERVED);
	start->reserved[2] = 1;
	spoilt(TSTORE_DAMAGE_RESERVED);
	stream_mend(&stream);
	start->head.sum++;
	refused(-EBADMSG, TSTORE_DAMAGE_SUM);
}

static void restore_pool(void)
{
	open_restore();
	make();
	pool->id = 4;
	spoilt(TSTORE_DAMAGE_POOL_ID);
	pool->id = ~0u;
	spoilt(TSTORE_DAMAGE_POOL_ID);
	pool->id = E;
	spoilt(TSTORE_DAMAGE_POOL_TWICE);
	pool->id = E;
	pool->flags = EPHEMERAL;
	spoilt(TSTORE_DAMAGE_POOL_TWICE);
	pool->flags |= TMEM_POOL_SHARED;
	spoilt(TSTORE_DAMAGE_POOL_FLAGS);
	pool->flags |= 1u << 31;
	spoilt(TSTORE_DAMAGE_POOL_FLAGS);
	pool->reserved = 1;
	spoilt(TSTORE_DAMAGE_RESERVED);
	pool->head.type = TSTORE_RECORD_POOL_GONE;
	spoilt(TSTORE_DAMAGE_RESERVED);
	pool->head.type = TSTORE_RECORD_POOL_GONE;
	pool->flags = 0;
	spoilt(TSTORE_DAMAGE_NO_POOL);
	pool->head.type = TSTORE_RECORD_POOL_GONE;
	pool->flags = 0;
	pool->id = 1u << 30;
	spoilt(TSTORE_DAMAGE_NO_POOL);
	pool->head.type = TSTORE_RECORD_POOL_GONE;
	pool->flags = 0;
	pool->reserved = 1ull << 63;
	spoilt(TSTORE_DAMAGE_RESERVED);
	stream_mend(&stream);
	pool->id = 2;
	refused(-EBADMSG, TSTORE_DAMAGE_SUM);
}

static void restore_page(void)
{
	open_restore();
	make();
	page->pool = 2;
	spoilt(TSTORE_DAMAGE_NO_POOL);
	page->pool = 1u << 31;
	spoilt(TSTORE_DAMAGE_NO_POOL);
	page->pool = E;
	spoilt(TSTORE_DAMAGE_EPHEMERAL);
	page->nr_pages = 0;
	spoilt(TSTORE_DAMAGE_RUN);
	page->nr_pages = 2;
	spoilt(TSTORE_DAMAGE_RUN);
	page->reserved = 1;
	spoilt(TSTORE_DAMAGE_RESERVED);
	stream_mend(&stream);
	((u8 *)page)[64 + PAGE_SIZE - 1] ^= 0x80;
	refused(-EBADMSG, TSTORE_DAMAGE_SUM);
	make();
	page->head.bytes = 64;
	spoilt(TSTORE_DAMAGE_RECORD);
	page->head.bytes += 32;
	spoilt(TSTORE_DAMAGE_RECORD);
	page->head.type = TSTORE_RECORDS;
	spoilt(TSTORE_DAMAGE_RECORD);
	page->head.type = 0;
	page->head.bytes = 0;
	spoilt(TSTORE_DAMAGE_RECORD);
}

static void restore_flush(void)
{
	open_restore();
	make();
	gone->pool = 3;
	spoilt(TSTORE_DAMAGE_NO_POOL);
	gone->pool = E;
	spoilt(TSTORE_DAMAGE_EPHEMERAL);
	gone->nr_pages = 0;
	spoilt(TSTORE_DAMAGE_RUN);
	gone->nr_pages = TMEM_MAX_RUN + 1;
	spoilt(TSTORE_DAMAGE_RUN);
	gone->index = ~0ull - 1;
	spoilt(TSTORE_DAMAGE_RUN);
	gone->seq = 1;
	spoilt(TSTORE_DAMAGE_RESERVED);
	gone->reserved = 1;
	spoilt(TSTORE_DAMAGE_RESERVED);
	gone->head.bytes = TSTORE_SAVE_BYTES;
	spoilt(TSTORE_DAMAGE_RECORD);
}

static void restore_end(void)
{
	struct tstore_record_page twice;

	open_restore();
	make();
	end->pools++;
	spoilt(TSTORE_DAMAGE_COUNTS);
	end->pages--;
	spoilt(TSTORE_DAMAGE_COUNTS);
	end->flushes = 0;
	spoilt(TSTORE_DAMAGE_COUNTS);
	end->pools_gone = ~0ull;
	spoilt(TSTORE_DAMAGE_COUNTS);
	end->reserved = 1;
	spoilt(TSTORE_DAMAGE_RESERVED);
	/* a record in another place, with the sum of its own */
	stream_mend(&stream);
	end->sums++;
	end->head.sum = 0;
	end->head.sum = tstore_record_sum(&end->head, NULL);
	refused(-EBADMSG, TSTORE_DAMAGE_COUNTS);
	/* something after the end: a record, or a byte */
	make();
	stream_end(&stream);
	spoilt(TSTORE_DAMAGE_ORDER);
	stream_mend(&stream);
	stream.bytes++;
	refused(-EBADMSG, TSTORE_DAMAGE_ORDER);
	/* two streams, one after the other */
	make();
	stream_start(&stream, 8);
	spoilt(TSTORE_DAMAGE_ORDER);
	/* a second beginning */
	stream_reset(&stream);
	stream_start(&stream, 7);
	stream_start(&stream, 7);
	spoilt(TSTORE_DAMAGE_ORDER);
	/* the same page twice */
	stream_reset(&stream);
	stream_start(&stream, 7);
	stream_pool(&stream, P, PERSISTENT);
	twice = *stream_page(&stream, P, 2, 3, 100);
	stream_page(&stream, P, 2, 3, 101)->seq = twice.seq;
	stream_end(&stream);
	spoilt(TSTORE_DAMAGE_COUNTS);
}

/* Good streams that the store cannot take */
static void restore_no_room(void)
{
	static unsigned char buf[PAGE_SIZE];
	struct env_data none = { .base = buf, .nr = 1, .bad = 0 };
	u32 i;

	open_restore();
	stream_reset(&stream);
	stream_start(&stream, 7);
	stream_pool(&stream, P, PERSISTENT);
	for (i = 0; i < LIMIT + 1; i++)
		stream_page(&stream, P, 1, i, i);
	stream_end(&stream);
	stream_mend(&stream);
	refused(-EDQUOT, TSTORE_DAMAGE_NONE);
	CHECK(world_stats().reject_limit);

	world_fresh(1, 1000);
	CHECK_EQ(pool_create(w.c[0], P, PERSISTENT), 0);
	CHECK_EQ(put(w.c[0], P, 1, 0, 30, 1), 0);
	refused(-ENOSPC, TSTORE_DAMAGE_NONE);
	CHECK(world_stats().reject_full);
	CHECK_EQ(flush(w.c[0], P, 1, 0, 0, 0), 0);
	/* ephemeral pages of others give way, as for any put */
	CHECK_EQ(pool_create(w.c[0], E, EPHEMERAL), 0);
	CHECK_EQ(put(w.c[0], E, 1, 0, 30, 1), 0);

	tstore_client_freeze(w.c[1], true);
	refused(-EBUSY, TSTORE_DAMAGE_NONE);
	tstore_client_freeze(w.c[1], false);

	CHECK_EQ(may_fail(tstore_restore_begin(w.c[1], &none)), 0);
	CHECK_EQ(tstore_restore_feed(w.c[1], stream.data, stream.bytes),
		 -EFAULT);
	CHECK_EQ(tstore_restore_feed(w.c[1], stream.data, stream.bytes),
		 -EFAULT);
	CHECK_EQ(tstore_restore_end(w.c[1], NULL), -EFAULT);
	nothing_left();

	CHECK_EQ(may_fail(stream_restore(&stream, w.c[1], 4096, NULL)), 0);
	CHECK_EQ(get(w.c[1], P, 1, 0, LIMIT + 1), 0);
	CHECK_EQ(last.done, LIMIT + 1);
	for (i = 0; i < LIMIT + 1; i++)
		CHECK(got(i, i));
}

static void restore_arguments(void)
{
	static unsigned char buf[PAGE_SIZE];
	struct env_data data = { .base = buf, .nr = 1, .bad = ~0u };
	u64 epoch;

	open_restore();
	small_stream();
	CHECK_EQ(tstore_restore_feed(w.c[1], buf, 1), -EINVAL);
	CHECK_EQ(tstore_restore_end(w.c[1], NULL), -EINVAL);
	/* not fresh */
	CHECK_EQ(may_fail(tstore_restore_begin(w.c[0], &data)), -EBUSY);
	CHECK_EQ(may_fail(tstore_restore_begin(w.c[1], &data)), 0);
	CHECK_EQ(may_fail(tstore_restore_begin(w.c[1], &data)), -EBUSY);
	CHECK_EQ(may_fail(tstore_save_begin(w.c[1], stream_log, 1)), -EBUSY);
	CHECK_EQ(attach(w.c[1], NULL), -EBUSY);
	CHECK_EQ(tstore_restore_feed(w.c[1], stream.data, 64 + 32 + 5), 0);
	CHECK_EQ(attach(w.c[1], NULL), -EBUSY);
	/* a client that goes while it is being restored */
	world_fresh(1, LIMIT);
	CHECK_EQ(attach(w.c[1], NULL), 0);
	world_fresh(1, LIMIT);
	/* epochs are not used up by streams that are no good */
	make();
	start->epoch = (1ull << 63) - 1;
	end->pages++;
	spoilt(TSTORE_DAMAGE_COUNTS);
	CHECK_EQ(attach(w.c[0], &epoch), 0);
	CHECK(epoch < 100);
	make();
	start->epoch = (1ull << 63) - 1;
	stream_mend(&stream);
	CHECK_EQ(may_fail(stream_restore(&stream, w.c[1], 4096, NULL)), 0);
	CHECK_EQ(attach(w.c[0], &epoch), 0);
	CHECK_EQ(epoch, 1ull << 63);
}

/* Every record is a step of its own, and so is what a bad one undoes */
static void restore_is_bounded(void)
{
	u32 i;

	world_open(700, 1000);
	world_fresh(1, 1000);
	stream_reset(&stream);
	stream_start(&stream, 7);
	stream_pool(&stream, P, PERSISTENT);
	for (i = 0; i < 600; i++)
		stream_page(&stream, P, 1, i, i);
	stream_flush(&stream, P, 1, 20, 512);
	stream_mend(&stream);
	env_work_reset();
	CHECK_EQ(may_fail(stream_restore(&stream, w.c[1], 1 << 20, NULL)),
		 -EBADMSG);
	CHECK(env_work.relaxed > 600);
	CHECK(env_work.most_locks <= 256 + 16 * 12);
	CHECK(env_work.most_maps <= 4);
	nothing_left();
}

const struct scenario unit_restore[] = {
	SCENARIO(restore_pieces),
	SCENARIO(restore_every_truncation),
	SCENARIO(restore_every_byte),
	SCENARIO(restore_start),
	SCENARIO(restore_pool),
	SCENARIO(restore_page),
	SCENARIO(restore_flush),
	SCENARIO(restore_end),
	SCENARIO(restore_no_room),
	SCENARIO(restore_arguments),
	SCENARIO(restore_is_bounded),
};

const unsigned int nr_unit_restore = ARRAY_SIZE(unit_restore);
