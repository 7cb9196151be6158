// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: random operations on few pages
 */
#include "perturb.h"
#include "private.h"

#define GUEST_ID	240	/* what guests put, and the thread's number */
#define TAKEN		3	/* frames */

struct tstore *s;
struct tstore_client *clients[CLIENTS];
u64 frames;
u64 rng;
u64 taken_out, returned;
struct thread threads[TURNS_THREADS];

static unsigned char bufs[TURNS_THREADS][RUN * PAGE_SIZE];

unsigned int below(unsigned int n)
{
	return (lib_rand(&rng) >> 11) % n;
}

/* ---- pages: of one byte, of half a frame, and of a whole one ---- */

static u64 page_word(u32 id, u32 i)
{
	if (id % 4 == 0)
		return id * 0x0101010101010101ull;
	if (!i)
		return id;
	if (id % 8 < 7 && i >= PAGE_SIZE / 8 * 3 / 8)
		return 0;
	return (id << 16 | i) * 0x9e3779b97f4a7c15ull;
}

static void page_fill(unsigned char *page, u32 id)
{
	u64 *word = (u64 *)page;
	u32 i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		word[i] = page_word(id, i);
}

static u32 page_id(const unsigned char *page)
{
	const u64 *word = (const u64 *)page;
	u32 i, id = page[0];

	for (i = 0; i < PAGE_SIZE / 8; i++)
		if (word[i] != page_word(id, i))
			perturb_fail("page %u is torn", id);
	return id;
}

/* ---- operations ---- */

static unsigned char *buf_of(const struct op *op)
{
	unsigned int i;

	for (i = 0; i < history.nr_threads; i++)
		if (op >= threads[i].ops && op < threads[i].ops + threads[i].nr)
			return bufs[i];
	return bufs[0];		/* no thread runs */
}

static int execute(struct tstore_client *c, struct tmem_req *req,
		   unsigned char *buf)
{
	struct env_data data = { .base = buf, .nr = RUN, .bad = ~0u };

	tstore_execute(c, req, &data);
	env_idle();
	if (req->op == TMEM_OP_GET) {
		returned += req->done;
		if (!req->pool)
			taken_out += req->done;
	}
	return req->status;
}

static void do_request(struct op *op, u8 what)
{
	bool object = what == TMEM_OP_PUT || what == TMEM_OP_GET ||
		      what == TMEM_OP_FLUSH || what == TMEM_OP_FLUSH_OBJECT;
	struct tmem_req req = {
		.op = what,
		.pool = op->page.pool,
		.object = { object ? 7 : 0, object ? 9 : 0,
			    object && op->page.object ? 5 : 0 },
		.index = op->page.index,
		.nr_pages = op->nr,
		.seq = op->seq,
	};
	unsigned char *buf = buf_of(op);
	u32 i;

	if (what == TMEM_OP_POOL_CREATE)
		req.index = op->page.pool ? PERSISTENT : EPHEMERAL;
	for (i = 0; what == TMEM_OP_PUT && i < op->nr; i++)
		page_fill(buf + i * PAGE_SIZE, op->id + i);
	op->status = execute(clients[op->page.client], &req, buf);
	op->done = req.done;
	for (i = 0; what == TMEM_OP_GET && i < op->done; i++)
		op->got[i] = page_id(buf + i * PAGE_SIZE);
}

static int attach_client(struct tstore_client *c, unsigned char *buf,
			 u64 *epoch)
{
	struct tmem_req req = { .op = TMEM_OP_ATTACH };
	struct tmem_attach at = {
		.version = TMEM_ABI_VERSION,
		.page_shift = PAGE_SHIFT,
		.features = TMEM_FEATURE_PERSISTENT,
	};

	memcpy(buf, &at, sizeof(at));
	execute(c, &req, buf);
	memcpy(&at, buf, sizeof(at));
	*epoch = at.epoch;
	return req.status;
}

/* Which of its pages a client has, a bit each */
static u64 present(u32 client)
{
	u64 name[3] = { 7, 9 }, bits = 0;
	u32 pool, object, i, bit = 0;

	for (pool = 0; pool < POOLS; pool++)
		for (object = 0; object < OBJECTS; object++)
			for (i = 0; i < INDICES; i++, bit++) {
				name[2] = object ? 5 : 0;
				if (tstore_peek(clients[client], pool, name,
						history.ops[0].page.index + i))
					bits |= 1ull << bit;
			}
	return bits;
}

/* What it is charged, which a put that goes on changes before all else */
static u64 charged(u32 client, unsigned char *buf)
{
	struct tmem_req req = { .op = TMEM_OP_QUERY };
	struct tmem_query query;

	execute(clients[client], &req, buf);
	memcpy(&query, buf, sizeof(query));
	return query.ephemeral + query.persistent;
}

static void do_freeze(struct op *op)
{
	struct tstore_client *c = clients[op->page.client];
	u64 pages, before;

	tstore_client_freeze(c, true);
	op->frozen = ++history.now;
	pages = charged(op->page.client, buf_of(op));
	before = present(op->page.client);
	if (present(op->page.client) & ~before ||
	    charged(op->page.client, buf_of(op)) > pages)
		perturb_fail("a page was put into a frozen client");
	op->thawing = ++history.now;
	tstore_client_freeze(c, false);
}

static void do_limit(struct op *op)
{
	tstore_client_set_limit(clients[op->page.client], op->nr);
	tstore_client_set_limit(clients[op->page.client], frames);
}

/* Frames that were taken are the host's until it gives them back */
static void do_take(struct op *op)
{
	u32 taken[TAKEN], nr, i, k;
	unsigned char *frame;

	nr = tstore_take(s, taken, op->nr);
	for (i = 0; i < nr; i++) {
		frame = tstore_frame_addr(s, taken[i]);
		for (k = 0; k < PAGE_SIZE; k++)
			if (frame[k])
				perturb_fail("a frame was taken unscrubbed");
		memset(frame, 0x77, PAGE_SIZE);
		turns_step();
	}
	for (i = 0; i < nr; i++) {
		frame = tstore_frame_addr(s, taken[i]);
		for (k = 0; k < PAGE_SIZE; k++)
			if (frame[k] != 0x77)
				perturb_fail("a frame was used while taken");
	}
	op->done = nr;
	if (tstore_give(s, taken, nr))
		perturb_fail("a frame that was taken is not out");
}

/* The pool of all guests, which they come to and leave in each way that there is */
static void share(struct op *op, struct tstore_client *c, u32 id)
{
	static const u64 uuid[2] = { 5, 6 };
	struct tmem_req create = {
		.op = TMEM_OP_POOL_CREATE,
		.pool = 1,
		.object = { uuid[0], uuid[1] },
		.index = TMEM_POOL_SHARED,
	};
	struct tmem_req destroy = { .op = TMEM_OP_POOL_DESTROY, .pool = 1 };
	struct tmem_req run = { .op = TMEM_OP_PUT, .pool = 1, .nr_pages = op->nr };
	unsigned int how = (op - history.ops) % 3;
	unsigned char *buf = buf_of(op);
	bool begun = false;
	u32 i;

	if (tstore_client_allow(c, uuid))
		perturb_fail("a guest is not allowed in");
	/* another one may just be the last to leave */
	if (execute(c, &create, buf) == -EBUSY)
		return;
	if (create.status)
		perturb_fail("a guest cannot join");
	for (i = 0; i < op->nr; i++)
		page_fill(buf + i * PAGE_SIZE, id);
	execute(c, &run, buf);
	run.op = TMEM_OP_GET;
	execute(c, &run, buf);
	for (i = 0; i < run.done; i++)
		if (page_id(buf + i * PAGE_SIZE) <= GUEST_ID)
			perturb_fail("a guest got what no guest has put");
	if (how == 0 && execute(c, &destroy, buf))
		perturb_fail("a guest cannot leave");
	if (how == 1 && tstore_client_forbid(c, uuid, &begun))
		perturb_fail("a guest cannot be thrown out");
	if (how < 2 && execute(c, &run, buf) != -ENXIO)
		perturb_fail("a guest that is out is in");
	if (how == 1 && execute(c, &create, buf) != -EPERM)
		perturb_fail("a guest that was thrown out is in again");
}

static void do_guest(struct op *op)
{
	struct tmem_req create = { .op = TMEM_OP_POOL_CREATE };
	struct tmem_req put = { .op = TMEM_OP_PUT, .nr_pages = op->nr };
	struct tmem_req get = { .op = TMEM_OP_GET, .nr_pages = op->nr };
	unsigned char *buf = buf_of(op);
	u32 i, id = GUEST_ID + 1 + (buf - bufs[0]) / sizeof(bufs[0]);
	struct tstore_client *c;
	u64 epoch;

	if (tstore_client_create(s, frames, &c))
		return;
	if (attach_client(c, buf, &epoch) || execute(c, &create, buf))
		perturb_fail("a guest cannot begin");
	for (i = 0; i < op->nr; i++)
		page_fill(buf + i * PAGE_SIZE, id);
	execute(c, &put, buf);
	execute(c, &get, buf);
	for (i = 0; i < get.done; i++)
		if (page_id(buf + i * PAGE_SIZE) != id)
			perturb_fail("a guest got another's page");
	execute(c, &put, buf);
	share(op, c, id);
	tstore_client_destroy(c);
}

/* No pool is created before what had its number is gone */
static void check_pools(void)
{
	struct tstore_pool *pool;
	u32 i, id;

	for (i = 0; i < CLIENTS; i++)
		for (id = 0; id < POOLS; id++) {
			pool = &clients[i]->pools[id];
			if (!clients[i]->L4_lock.owner && pool->dying &&
			    *pool->ident)
				perturb_fail("a pool lives and is dying");
		}
}

static bool is_of(u32 ident, u32 instances)
{
	return ident && ident >> TSTORE_IDENT_SHIFT <= instances;
}

/* After an attach nothing is left of pools that were there before */
static void do_attach(struct op *op)
{
	struct tstore_client *c = clients[op->page.client];
	u32 id, before = s->super->instances;
	bool creating = false;
	struct op *o;

	for (o = history.ops; o < history.ops + history.nr; o++)
		creating |= o->kind == OP_CREATE && o->start && o->end == ~0ull;
	op->status = attach_client(c, buf_of(op), &op->epoch);
	for (id = 0; !op->status && !creating && id < POOLS; id++)
		if (is_of(*c->pools[id].ident, before) ||
		    is_of(c->pools[id].dying, before))
			perturb_fail("a pool is left of an earlier epoch");
}

void op_do(struct op *op)
{
	static const u8 request[] = {
		[OP_PUT] = TMEM_OP_PUT,
		[OP_GET] = TMEM_OP_GET,
		[OP_FLUSH] = TMEM_OP_FLUSH,
		[OP_FLUSH_REST] = TMEM_OP_FLUSH,
		[OP_FLUSH_OBJECT] = TMEM_OP_FLUSH_OBJECT,
		[OP_DESTROY] = TMEM_OP_POOL_DESTROY,
		[OP_CREATE] = TMEM_OP_POOL_CREATE,
	};
	struct tstore_stats st;

	op->start = ++history.now;
	if (op->kind <= OP_CREATE)
		do_request(op, request[op->kind]);
	else if (op->kind == OP_ATTACH)
		do_attach(op);
	else if (op->kind == OP_FREEZE)
		do_freeze(op);
	else if (op->kind == OP_LIMIT)
		do_limit(op);
	else if (op->kind == OP_TAKE)
		do_take(op);
	else if (op->kind == OP_COMPACT)
		tstore_compact(s);
	else if (op->kind == OP_DIVIDE)
		tstore_divide(s, &tstore_policies[op->nr % tstore_nr_policies]);
	else if (op->kind == OP_STATS)
		tstore_stats(s, &st);
	else
		do_guest(op);
	op->end = ++history.now;
	check_pools();
}

/* ---- a history ---- */

/* The place where most things happen */
static struct op_page focus;
static u32 next_id;

static struct op *op_new(enum op_kind kind, u32 client, u32 pool, u32 object,
			 u64 index, u32 nr)
{
	struct op *op = &history.ops[history.nr++];
	u32 i;

	memset(op, 0, sizeof(*op));
	op->kind = kind;
	op->page.client = client;
	op->page.pool = pool;
	op->page.object = object;
	op->page.index = index;
	op->nr = nr;
	op->end = ~0ull;
	for (i = 0; i < RUN; i++)
		op->seen[i] = ~0ull;
	if (kind == OP_PUT) {
		op->id = next_id;
		next_id += nr;
	}
	return op;
}

static void op_random(enum op_kind kind)
{
	u32 client = below(4) ? focus.client : below(CLIENTS);
	u32 pool = below(4) ? focus.pool : below(POOLS);
	u32 object = below(4) ? focus.object : below(OBJECTS);
	u32 at = below(INDICES), nr = 1 + below(RUN);
	u64 index = focus.index + at;
	struct op *op;

	if (below(2))
		nr = 1;
	if (nr > INDICES - at)
		nr = INDICES - at;
	switch (kind) {
	case OP_FLUSH_REST:
		nr = 0;
		break;
	case OP_LIMIT:
	case OP_DIVIDE:
		nr = below(8);
		index = 0;
		break;
	case OP_TAKE:
		nr = 1 + below(TAKEN);
		index = 0;
		break;
	case OP_PUT:
	case OP_GET:
	case OP_FLUSH:
	case OP_GUEST:
		break;
	default:
		nr = 0;
		index = 0;
	}
	op = op_new(kind, client, pool, object, index, nr);
	if (kind == OP_PUT || kind == OP_FLUSH || kind == OP_FLUSH_REST ||
	    kind == OP_FLUSH_OBJECT)
		op->seq = below(2) ? 0 : 1 + below(3);
}

/* Each run knows a few kinds of operations, so that these meet */
static enum op_kind kind_random(u32 kinds, bool first)
{
	enum op_kind kind;

	if (!below(3))
		return OP_PUT;
	for (;;) {
		kind = below(OP_KINDS);
		if (kinds >> kind & 1 &&
		    (first || (kind != OP_FREEZE && kind != OP_DIVIDE)))
			return kind;
	}
}

void history_begin(void)
{
	static const u64 bases[] = { 0, TMEM_MAX_RUN - 3, 13, 1000 };
	u32 i, client, pool;

	history.nr = 0;
	history.last = OPS;
	history.now = 0;
	next_id = 1;
	focus.client = below(CLIENTS);
	focus.pool = below(POOLS);
	focus.object = below(OBJECTS);
	focus.index = bases[below(ARRAY_SIZE(bases))];
	history.nr_threads = 0;
	for (client = 0; client < CLIENTS; client++) {
		op_new(OP_ATTACH, client, 0, 0, focus.index, 0);
		for (pool = 0; pool < POOLS; pool++)
			op_new(OP_CREATE, client, pool, 0, 0, 0);
	}
	for (i = below(3) ? FIRST_OPS : 1; i; i--)
		op_random(below(4) ? OP_PUT : OP_FLUSH);
	for (i = 0; i < history.nr; i++)
		op_do(&history.ops[i]);
}

void history_threads(void)
{
	u32 kinds = 1 << OP_PUT | 1 << OP_GET;
	u32 i, k;

	for (i = 0; i < OP_KINDS; i++)
		if (!below(3))
			kinds |= 1 << i;
	/* clients do not come and go while the store is divided */
	if (kinds & 1 << OP_DIVIDE)
		kinds &= ~(1 << OP_GUEST);
	history.nr_threads = 2 + below(2) + !below(4);
	for (i = 0; i < history.nr_threads; i++) {
		threads[i].ops = &history.ops[history.nr];
		threads[i].nr = 2 + below(THREAD_OPS - 1);
		for (k = 0; k < threads[i].nr; k++)
			op_random(kind_random(kinds, !i));
	}
}

/* All that there still is */
void history_end(void)
{
	u32 i, client, pool, object;
	struct op *op;

	history.nr_threads = 0;
	history.last = history.nr;
	for (client = 0; client < CLIENTS; client++)
		for (pool = 0; pool < POOLS; pool++)
			for (object = 0; object < OBJECTS; object++)
				for (i = 0; i < INDICES; i++) {
					op = op_new(OP_GET, client, pool,
						    object, focus.index + i, 1);
					op_do(op);
				}
}
