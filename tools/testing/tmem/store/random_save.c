// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: clients that are saved while random operations go on
 *
 * One step is one piece of one client's stream.  A stream that is complete is
 * restored into another store, which has to be what the model says of that
 * client; one that fails has to have a reason.
 */
#include "random_save.h"
#include "codec.h"
#include "stream_lib.h"

#define OTHER_FRAMES	700

static struct saving {
	struct stream st;
	struct tstore_gone log[600];
	u32 entries;
	u64 epoch;
	unsigned long flushed;	/* of the store when it was begun */
} saving[NR_CLIENTS];

unsigned long random_saved, random_failed;

static void compare(struct model *m, unsigned int client,
		    struct tstore_client *c, struct tstore *s)
{
	struct model_client *mc = &m->client[client];
	struct tmem_query q;
	const char *bad;
	unsigned int i;
	u32 pool;

	for (i = 0; i < m->nr; i++) {
		struct model_page *p = &m->page[i];

		if (p->client != client)
			continue;
		if (!mc->pool[p->pool].persistent) {
			CHECK(!there(c, p->pool, p->obj, p->index));
			continue;
		}
		CHECK_EQ(get(c, p->pool, p->obj, p->index, 1), 0);
		CHECK(got(0, p->tag));
		/* the seq came along */
		if (p->seq > 1) {
			CHECK_EQ(flush(c, p->pool, p->obj, p->index, 1,
				       p->seq - 1), 0);
			CHECK_EQ(last.done, 0);
		}
	}
	CHECK_EQ(query(c, &q), 0);
	CHECK_EQ(q.persistent, model_count(m, client, 1));
	CHECK_EQ(q.ephemeral, 0);
	for (pool = 0; pool < MODEL_POOLS; pool++) {
		if (!mc->pool[pool].exists) {
			CHECK_EQ(get(c, pool, 0, 0, 1), -ENXIO);
			continue;
		}
		CHECK_EQ(pool_create(c, pool, !mc->pool[pool].persistent),
			 -EEXIST);
	}
	bad = tstore_check(s);
	if (bad)
		lib_fail(__FILE__, __LINE__, "inconsistent: %s", bad);
}

/* Another store, with nothing but this client in it */
static void restore(struct model *m, unsigned int client, size_t piece)
{
	static const struct tstore_codec * const codecs[] = {
		&tstore_lz4, NULL
	};
	struct tstore_config cfg = {
		.bytes = OTHER_FRAMES * (PAGE_SIZE + 180),
		.max_clients = 2,
		.max_pools = MODEL_POOLS,
		.codecs = piece & 1 ? codecs : NULL,
		.dedup = piece & 2,
		.seed = client,
	};
	struct tstore_client *c;
	enum tstore_damage why;
	struct tstore *s;
	u64 epoch;

	if (posix_memalign(&cfg.arena, PAGE_SIZE, cfg.bytes))
		env_die("no memory");
	if (tstore_create(&cfg, &s) ||
	    tstore_client_create(s, OTHER_FRAMES, &c))
		env_die("no other store");
	CHECK_EQ(stream_restore(&saving[client].st, c, piece, &why), 0);
	compare(m, client, c, s);
	CHECK_EQ(attach(c, &epoch), 0);
	CHECK(epoch > m->client[client].epoch);
	tstore_client_destroy(c);
	tstore_destroy(s);
	free(cfg.arena);
	random_saved++;
}

static void begin(struct model *m, unsigned int client, u32 entries)
{
	struct saving *sv = &saving[client];
	int err = tstore_save_begin(w.c[client], sv->log, entries);

	/* an allocation may have been made to fail */
	if (err == -ENOMEM)
		return;
	CHECK_EQ(err, 0);
	m->client[client].saving = true;
	stream_reset(&sv->st);
	sv->entries = entries;
	sv->epoch = m->client[client].epoch;
	sv->flushed = world_stats().flushed;
}

static void end(struct model *m, unsigned int client, int expect)
{
	CHECK_EQ(tstore_save_end(w.c[client]), expect);
	m->client[client].saving = false;
}

static void failed(struct model *m, unsigned int client, int err)
{
	struct saving *sv = &saving[client];

	if (err == -ENOTCONN)
		CHECK(m->client[client].epoch != sv->epoch);
	else
		CHECK_EQ(err, -ENOSPC);
	if (err == -ENOSPC)
		CHECK(world_stats().flushed - sv->flushed > sv->entries);
	random_failed++;
	end(m, client, err);
}

void random_save(struct model *m, unsigned int client, u64 random)
{
	struct tstore_client *c = w.c[client];
	struct saving *sv = &saving[client];
	size_t piece = TSTORE_SAVE_BYTES * (1 + (random >> 8) % 40) +
		       (random >> 16) % 512 / 8 * 8;
	int more;

	if (!m->client[client].saving) {
		if (random % 4 == 0)
			begin(m, client, random & 0x10000 ?
			      1 + (random >> 20) % 30 : ARRAY_SIZE(sv->log));
		return;
	}
	if (random % 100 == 0) {
		more = tstore_save_end(c);		/* cancelled */
		CHECK(more);
		m->client[client].saving = false;
		return;
	}
	more = stream_pull(&sv->st, c, piece);
	if (more > 0)
		return;
	if (more < 0) {
		failed(m, client, more);
		return;
	}
	if (random >> 40 & 1)
		return;					/* it may go on */
	tstore_save_finish(c);
	more = stream_drain(&sv->st, c, piece);
	if (more < 0) {
		failed(m, client, more);
		return;
	}
	CHECK_EQ(m->client[client].epoch, sv->epoch);
	end(m, client, 0);
	restore(m, client, 1 + (random >> 16) % 9000);
}
