// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the page store as its benchmark uses it
 */
#include "bench.h"
#include "codec.h"

struct bench_store st;

static void request(unsigned int who, u8 op, u32 page, u32 nr, int expect)
{
	struct tmem_req req = {
		.op = op,
		.object = { page / PER_OBJECT },
		.index = page % PER_OBJECT,
		.nr_pages = nr,
	};

	tstore_execute(st.clients[who], &req, bench_page(page));
	if (req.status != expect || (!expect && req.done != nr))
		bench_die("op %u of page %u: status %d, %u done", op, page,
			  req.status, req.done);
}

static void control(struct tstore_client *c, u8 op, u64 flags, void *data)
{
	struct tmem_req req = { .op = op, .index = flags };

	tstore_execute(c, &req, data);
	if (req.status)
		bench_die("op %u: status %d", op, req.status);
}

/* A store with room for all pages of the guest, and its @cfg but for that */
void store_create(const struct tstore_config *cfg)
{
	u32 slots = cfg->slots ? cfg->slots : 100;

	st.cfg = *cfg;
	st.cfg.max_clients = THREADS;
	st.cfg.max_pools = 1;
	/* objects take frames too, one each if pages are small */
	st.cfg.bytes = (b.pages + b.pages / 16 + 64) *
		       (PAGE_SIZE + 64 * slots / 100);
	st.cfg.arena = bench_map(st.cfg.bytes);
	if (tstore_create(&st.cfg, &st.s))
		bench_die("no store of %u pages", b.pages);
	st.nr_clients = 0;
}

/* One more client, with a pool of the kind that @flags say */
void store_join(u64 flags)
{
	struct tstore_client **c = &st.clients[st.nr_clients];
	union {
		struct tmem_attach at;
		unsigned char page[PAGE_SIZE];
	} u;

	memset(&u, 0, sizeof(u));
	u.at.version = TMEM_ABI_VERSION;
	u.at.page_shift = PAGE_SHIFT;
	u.at.features = TMEM_FEATURE_PERSISTENT;
	if (tstore_client_create(st.s, ~0ULL >> 1, c))
		bench_die("no client");
	control(*c, TMEM_OP_ATTACH, 0, &u);
	control(*c, TMEM_OP_POOL_CREATE, flags, NULL);
	st.nr_clients++;
	/* threads without a client of their own use the last one */
	while (++c < st.clients + THREADS)
		*c = c[-1];
}

void store_close(void)
{
	unsigned int i;

	bench_say_memory();
	for (i = 0; i < st.nr_clients; i++)
		tstore_client_destroy(st.clients[i]);
	tstore_destroy(st.s);
	bench_unmap(st.cfg.arena);
}

static const struct tstore_config plain;

static void persistent_open(void)
{
	store_create(&plain);
	store_join(TMEM_POOL_PERSISTENT);
}

static void ephemeral_open(void)
{
	store_create(&plain);
	store_join(0);
}

static void clients_open(void)
{
	unsigned int i;

	store_create(&plain);
	for (i = 0; i < THREADS; i++)
		store_join(TMEM_POOL_PERSISTENT);
}

static void packed_open(void)
{
	static const struct tstore_codec * const codecs[] = {
		&tstore_lz4, NULL
	};
	struct tstore_config cfg = { .codecs = codecs, .slots = 250 };

	store_create(&cfg);
	store_join(TMEM_POOL_PERSISTENT);
}

static void store_put(unsigned int who, u32 page)
{
	request(who, TMEM_OP_PUT, page, 1, 0);
}

static void store_get(unsigned int who, u32 page)
{
	request(who, TMEM_OP_GET, page, 1, 0);
}

static void store_flush(unsigned int who, u32 page)
{
	request(who, TMEM_OP_FLUSH, page, 1, 0);
}

static void store_miss(unsigned int who, u32 page)
{
	request(who, TMEM_OP_GET, page, 1, -ENOENT);
}

static void store_put_run(unsigned int who, u32 page)
{
	request(who, TMEM_OP_PUT, page, RUN, 0);
}

static void store_get_run(unsigned int who, u32 page)
{
	request(who, TMEM_OP_GET, page, RUN, 0);
}

#define STORE_OPERATIONS \
	.close = store_close, \
	.put = store_put, \
	.get = store_get, \
	.flush = store_flush, \
	.miss = store_miss, \
	.put_run = store_put_run, \
	.get_run = store_get_run

/* A client with a persistent pool, whatever the number of threads */
const struct keeper keep_store = {
	.name = "store",
	.open = persistent_open,
	STORE_OPERATIONS
};

/* The same with an ephemeral pool, from which pages are returned once */
const struct keeper keep_ephemeral = {
	.name = "ephemeral",
	.exclusive = true,
	.open = ephemeral_open,
	STORE_OPERATIONS
};

/* Each thread is a client */
const struct keeper keep_clients = {
	.name = "clients",
	.open = clients_open,
	STORE_OPERATIONS
};

/* A client with a persistent pool of which pages are packed */
const struct keeper keep_packed = {
	.name = "packed",
	.open = packed_open,
	STORE_OPERATIONS
};
