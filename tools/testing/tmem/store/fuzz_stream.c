// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: streams of clients from a fuzzer
 *
 * The input is a program that writes a stream: records made of small numbers,
 * so that they meet, bytes as they are, and changes to what is there already.
 * Mostly the sums are mended in the end, or nothing would get past them.  Pages
 * are of 128 bytes, so that a whole stream fits into an input.
 *
 * What a store does not take leaves nothing behind.  What it does take is saved
 * again, while the rest of the input changes it, and another client that is
 * restored from that has to be the same.
 */
#include "codec.h"
#include "stream_lib.h"

#define FRAMES		96
#define CLIENTS		2
#define POOLS		4
#define MOST		65536	/* bytes of a stream */

int LLVMFuzzerTestOneInput(const u8 *in, size_t len);

static struct {
	const u8 *in;
	size_t left;
	struct tstore *s;
	struct tstore_client *c[CLIENTS];
} f;

static const struct tstore_codec * const codecs[] = { &tstore_lz4, NULL };
static u8 arena[FRAMES * 320] __attribute__((aligned(128)));
static u8 pages[TMEM_MAX_RUN * PAGE_SIZE] __attribute__((aligned(128)));

static u8 byte(void)
{
	if (!f.left)
		return 0;
	f.left--;
	return *f.in++;
}

static u64 small_index(void)
{
	static const u64 bases[] = { 0, 508, 1ull << 33, ~0ull - 40 };
	u8 b = byte();

	return bases[b >> 6] + (b & 63);
}

/* As long as records are */
static void raw_bytes(void)
{
	u32 n = byte() & ~31u;

	while (n--)
		stream.data[stream.bytes++] = byte();
}

static void spoil(void)
{
	size_t at = byte() | byte() << 8;

	if (stream.bytes)
		stream.data[at % stream.bytes] ^= byte();
}

static void one_record(u8 b)
{
	u8 name = byte();
	u32 pool = b >> 4 & 3;
	struct tstore_record_page *page;

	switch (b & 7) {
	case 0:
		stream_pool(&stream, name & 7, name >> 3 & 3);
		break;
	case 1:
	case 2:
	case 3:
		page = stream_page(&stream, pool, name & 3, small_index(),
				   name);
		page->seq = name;
		break;
	case 4:
		stream_flush(&stream, pool, name & 3, small_index(),
			     1 + (name >> 2));
		break;
	case 5:
		if (name & 0xf0)
			stream_pool_gone(&stream, pool);
		else if (name & 8)
			stream_end(&stream);
		else
			stream_start(&stream, name);
		break;
	case 6:
		raw_bytes();
		break;
	default:
		spoil();
	}
}

/* A stream from the first half of the input */
static void write_stream(u8 how)
{
	size_t stop = f.left / 2;

	stream_reset(&stream);
	if (!(how & 1)) {
		stream_start(&stream, how >> 4);
		stream_pool(&stream, 0, PERSISTENT);
	}
	while (f.left > stop && stream.bytes < MOST)
		one_record(byte());
	if (!(how & 2))
		stream_end(&stream);
	if (how & 0xc)
		stream_mend(&stream);
	if (how & 8 && stream.bytes > 40)
		stream.bytes -= how >> 4;
}

static struct tmem_query ask(struct tstore_client *c)
{
	struct env_data data = { .base = pages, .nr = 1, .bad = ~0u };
	struct tmem_req req = { .op = TMEM_OP_QUERY };
	struct tmem_query query;

	tstore_execute(c, &req, &data);
	memcpy(&query, pages, sizeof(query));
	return query;
}

static void check(void)
{
	const char *bad = tstore_check(f.s);

	env_idle();
	if (bad)
		env_die("inconsistent: %s", bad);
}

/* A client that is being saved executes something */
static void one_request(struct tstore_client *c)
{
	struct env_data data = {
		.base = pages, .nr = TMEM_MAX_RUN, .bad = ~0u,
	};
	u8 b = byte(), name = byte();
	struct tmem_req req = { .pool = b >> 4 & 3 };
	bool keyed = true;

	switch (b & 7) {
	case 0:
		req.op = TMEM_OP_POOL_DESTROY;
		keyed = false;
		break;
	case 1:
		req.op = TMEM_OP_POOL_CREATE;
		req.index = name & 1;
		keyed = false;
		break;
	case 2:
		req.op = TMEM_OP_PUT;
		req.nr_pages = 1 + (name >> 2);
		break;
	case 3:
		req.op = TMEM_OP_FLUSH_OBJECT;
		break;
	default:
		req.op = TMEM_OP_FLUSH;
		req.nr_pages = name >> 2;
	}
	if (keyed) {
		req.object[0] = name & 3;
		req.object[1] = ~req.object[0];
		req.object[2] = name & 1 ? req.object[0] * 3 : 0;
		if (req.op != TMEM_OP_FLUSH_OBJECT)
			req.index = small_index();
	}
	tstore_execute(c, &req, &data);
	if (req.op == TMEM_OP_PUT && !req.status)
		env_die("a put while being saved");
}

/* Saves client 0 while it lives on; false: the log was too small */
static bool save_live(u8 how)
{
	u32 entries = 1 + (how & 31);
	size_t bytes = TSTORE_SAVE_BYTES + (how >> 5) * 100;
	int more;

	stream_reset(&stream);
	if (tstore_save_begin(f.c[0], stream_log, entries))
		env_die("no save");
	do {
		more = stream_pull(&stream, f.c[0], bytes);
		if (f.left)
			one_request(f.c[0]);
	} while (more > 0 || (!more && f.left));
	if (!more) {
		tstore_save_finish(f.c[0]);
		more = stream_drain(&stream, f.c[0], bytes);
	}
	if (tstore_save_end(f.c[0]) != more)
		env_die("the end differs from %d", more);
	if (more && more != -ENOSPC)
		env_die("save: %d", more);
	return !more;
}

/* Each page of the stream is there in client 1, and nothing else is */
static void compare(void)
{
	struct env_data data = { .base = pages, .nr = 1, .bad = ~0u };
	const struct tstore_record_page *rec;
	struct tmem_req req;
	size_t at, nr = 0;

	for (at = 0; at < stream.bytes; at += rec->head.bytes) {
		rec = (void *)(stream.data + at);
		if (rec->head.type != TSTORE_RECORD_PAGE)
			continue;
		memset(&req, 0, sizeof(req));
		req.op = TMEM_OP_GET;
		req.pool = rec->pool;
		req.index = rec->index;
		req.nr_pages = 1;
		memcpy(req.object, rec->object, sizeof(req.object));
		tstore_execute(f.c[1], &req, &data);
		if (req.status || memcmp(rec + 1, pages, PAGE_SIZE))
			env_die("a page was lost: %d", req.status);
		nr++;
	}
	if (nr != ask(f.c[1]).persistent)
		env_die("%zu pages became %llu", nr,
			(unsigned long long)ask(f.c[1]).persistent);
	if (ask(f.c[0]).pools != ask(f.c[1]).pools)
		env_die("pools were lost");
}

static void fuzz_open(u8 how)
{
	struct tstore_config cfg = {
		.arena = arena,
		.bytes = how & 6 ? sizeof(arena) : FRAMES * 180 / 128 * 128,
		.max_clients = CLIENTS,
		.max_pools = POOLS,
		.codecs = how & 2 ? codecs : NULL,
		.dedup = how & 4,
		.seed = how,
	};
	unsigned int i;

	if (tstore_create(&cfg, &f.s))
		env_die("no store");
	for (i = 0; i < CLIENTS; i++)
		if (tstore_client_create(f.s, how & 1 ? 20 : FRAMES, &f.c[i]))
			env_die("no client");
}

int LLVMFuzzerTestOneInput(const u8 *in, size_t len)
{
	struct tmem_query query;
	u8 how;
	int err;

	f.in = in;
	f.left = len;
	fuzz_open(byte());
	how = byte();
	write_stream(how);
	err = stream_restore(&stream, f.c[0], 1 + byte(), NULL);
	query = ask(f.c[0]);
	if (err && (query.pools || query.persistent || query.ephemeral))
		env_die("something is left of a stream that was refused");
	check();
	/* two of them have to fit */
	if (!err && query.persistent < FRAMES / 3 && save_live(byte())) {
		if (stream_restore(&stream, f.c[1], 4096, NULL) == 0) {
			if (!save_live(31))
				env_die("no second save");
			compare();
		} else if (ask(f.c[0]).limit == FRAMES) {
			env_die("what was saved cannot be restored");
		}
	}
	lib_store_end(f.s, f.c, CLIENTS);
	return 0;
}
