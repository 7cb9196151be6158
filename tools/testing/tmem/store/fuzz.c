// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: vectors of requests from a fuzzer
 *
 * The input is a program of one- or many-byte instructions: a request made of
 * small numbers, so that names meet, or one copied from the input as it is, so
 * that no field is sacred.  Every page that is put says what it is, so that a
 * get can tell whether it is the right one; in the end the store has to be
 * consistent.
 */
#include "lib.h"
#include "codec.h"

#define FRAMES		48
#define CLIENTS		2
#define POOLS		4

int LLVMFuzzerTestOneInput(const u8 *in, size_t len);

static struct {
	const u8 *in;
	size_t left;
	struct tstore *s;
	struct tstore_client *c[CLIENTS];
	struct env_data data;
	u64 hash;
	u64 joined[CLIENTS][POOLS];	/* by id: name of the shared pool */
} f;

static const struct tstore_codec * const codecs[] = { &tstore_lz4, NULL };
static u8 arena[(FRAMES + 2) * 4096] __attribute__((aligned(4096)));
static u8 pages[TMEM_MAX_RUN * 4096] __attribute__((aligned(4096)));

static u8 byte(void)
{
	if (!f.left)
		return 0;
	f.left--;
	return *f.in++;
}

static void bytes(void *to, size_t n)
{
	u8 *p = to;

	while (n--)
		*p++ = byte();
}

/* What a page of this name contains, as far as it is fixed */
static u64 name_tag(unsigned int client, const struct tmem_req *req, u32 i)
{
	int flags = tstore_client_pool(f.c[client], req->pool);
	u64 h = client + 1;
	unsigned int k;

	/* the members of a shared pool see the same */
	if (flags > 0 && flags & TMEM_POOL_SHARED)
		h = (h - client) << 32 ^ f.joined[client][req->pool];
	else
		h = h * 0x100000001b3ull ^ req->pool;
	for (k = 0; k < 3; k++)
		h = h * 0x100000001b3ull ^ req->object[k];
	return h * 0x100000001b3ull ^ (req->index + i);
}

static struct tmem_req small_request(void)
{
	static const u64 bases[] = { 0, 508, 1ull << 33, ~0ull - 40 };
	static const u32 limits[] = { 0, 1, 17, 512 };
	struct tmem_req req = { 0 };
	u8 b = byte();

	req.op = b % (TMEM_OP_NR + 1);
	b = byte();
	req.pool = b & 3;
	req.object[0] = b >> 2 & 3;
	req.index = bases[b >> 4 & 3] + (byte() & 31);
	switch (req.op) {
	case TMEM_OP_POOL_CREATE:
		b = byte();
		req.index = b & 3;
		req.object[0] = b & TMEM_POOL_SHARED ? 1 + (b >> 2 & 1) : 0;
		break;
	case TMEM_OP_PUT:
	case TMEM_OP_GET:
		b = byte();
		req.nr_pages = b & 0x80 ? limits[b & 3] : 1u + (b & 15);
		if (req.op == TMEM_OP_PUT)
			req.seq = byte();
		break;
	case TMEM_OP_FLUSH:
		req.nr_pages = byte() & 63;
		req.seq = byte();
		break;
	case TMEM_OP_FLUSH_OBJECT:
		req.index = 0;
		req.seq = byte();
		break;
	case TMEM_OP_POOL_DESTROY:
		req.index = 0;
		req.object[0] = 0;
		break;
	case TMEM_OP_ATTACH:
	case TMEM_OP_REPORT:
	case TMEM_OP_QUERY:
		memset(req.object, 0, sizeof(req.object));
		req.pool = 0;
		req.index = 0;
		break;
	}
	return req;
}

static void one_request(unsigned int client, struct tmem_req req, bool sane)
{
	struct tmem_attach at = {
		.version = TMEM_ABI_VERSION,
		.page_shift = PAGE_SHIFT,
		.features = TMEM_FEATURE_PERSISTENT,
	};
	struct tmem_req before = req;
	u32 i;

	if (req.op == TMEM_OP_PUT && req.nr_pages <= TMEM_MAX_RUN)
		for (i = 0; i < req.nr_pages; i++)
			fill(pages + i * PAGE_SIZE, name_tag(client, &req, i));
	if (req.op == TMEM_OP_ATTACH) {
		if (sane)
			memcpy(pages, &at, sizeof(at));
		else
			bytes(pages, sizeof(at));
	}
	tstore_execute(f.c[client], &req, &f.data);
	env_idle();

	if (req.status > 0 || req.status < -4095)
		env_die("status %d", req.status);
	if (req.op == TMEM_OP_PUT || req.op == TMEM_OP_GET) {
		if (req.done > req.nr_pages)
			env_die("done %u of %u", req.done, req.nr_pages);
		if (req.status && req.done)
			env_die("status %d with %u done", req.status, req.done);
		if (!req.status && !req.done)
			env_die("success of nothing");
	}
	if (req.op == TMEM_OP_GET)
		for (i = 0; i < req.done; i++)
			if (!holds(pages + i * PAGE_SIZE,
				   name_tag(client, &before, i)))
				env_die("a get returned another page");
	if (req.op == TMEM_OP_POOL_CREATE && !req.status &&
	    req.index & TMEM_POOL_SHARED)
		f.joined[client][req.pool] = req.object[0];
	req.status = before.status;
	req.done = before.done;
	if (memcmp(&req, &before, sizeof(req)))
		env_die("the request was changed");
}

static void fuzz_open(void)
{
	struct tstore_config cfg = {
		.arena = arena,
		.bytes = sizeof(arena) - (byte() & 31) * 4096,
		.max_clients = CLIENTS,
		.max_pools = POOLS,
		.max_shared = 1,
		.seed = byte(),
	};
	struct tmem_req attach = { .op = TMEM_OP_ATTACH };
	unsigned int i;

	if (cfg.seed & 1)
		cfg.codecs = codecs;
	cfg.dedup = cfg.seed & 2;
	if (tstore_create(&cfg, &f.s))
		env_die("no store");
	for (i = 0; i < CLIENTS; i++)
		if (tstore_client_create(f.s, 10 + (byte() & 63), &f.c[i]))
			env_die("no client");
	f.data.base = pages;
	f.data.nr = TMEM_MAX_RUN;
	f.data.bad = ~0u;
	for (i = 0; i < CLIENTS; i++) {
		u32 pool;

		one_request(i, attach, true);
		for (pool = 0; pool < 3; pool++) {
			struct tmem_req create = {
				.op = TMEM_OP_POOL_CREATE,
				.pool = pool,
				.index = pool & 1,
			};

			one_request(i, create, true);
		}
	}
}

/* Of two names, of which one can be in use */
static void let(unsigned int client, u8 how)
{
	u64 uuid[2] = { 1 + (how & 1), 0 };
	bool begun = false;
	int err;

	if (how & 2)
		err = tstore_client_allow(f.c[client], uuid);
	else
		err = tstore_client_forbid(f.c[client], uuid, &begun);
	if (err && err != -ENOSPC && err != -ENOENT)
		env_die("%d for who may join", err);
}

int LLVMFuzzerTestOneInput(const u8 *in, size_t len)
{
	struct tmem_req raw;
	unsigned int client;
	u8 b;

	f.in = in;
	f.left = len;
	fuzz_open();
	while (f.left) {
		b = byte();
		client = b & 1;
		switch (b >> 1 & 15) {
		case 0:
			bytes(&raw, sizeof(raw));
			raw.op %= TMEM_OP_NR + 2;
			one_request(client, raw, false);
			break;
		case 1:
			tstore_client_freeze(f.c[client], byte() & 1);
			break;
		case 2:
			tstore_client_set_limit(f.c[client], byte() & 127);
			break;
		case 3:
			f.data.bad = byte();
			if (f.data.bad & 0x40)
				f.data.bad = ~0u;
			break;
		case 4:
			let(client, byte());
			break;
		default:
			one_request(client, small_request(), true);
		}
	}
	lib_store_end(f.s, f.c, CLIENTS);
	return 0;
}
