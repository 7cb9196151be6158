// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: what the page store's tests share
 */
#include <setjmp.h>
#include <stdarg.h>

#include "lib.h"
#include "codec.h"

int lib_passed, lib_failed, lib_skipped;
struct world w;
struct tmem_req last;

static jmp_buf out;
static char why[512];

enum { RUNS = 0, FAILED, ABANDONED };

void lib_result(int ok, const char *name, const char *reason)
{
	int nr;

	if (ok)
		lib_passed++;
	else
		lib_failed++;
	nr = lib_passed + lib_failed;
	if (ok)
		printf("ok %d %s\n", nr, name);
	else
		printf("not ok %d %s # %s\n", nr, name, reason);
	fflush(stdout);
}

int lib_summary(void)
{
	printf("1..%d\n%d passed, %d failed, %d skipped\n",
	       lib_passed + lib_failed, lib_passed, lib_failed, lib_skipped);
	return !!lib_failed;
}

void lib_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(why, sizeof(why), "%s:%d: ", file, line);
	va_start(ap, fmt);
	vsnprintf(why + n, sizeof(why) - n, fmt, ap);
	va_end(ap);
	longjmp(out, FAILED);
}

void lib_abandon(void)
{
	longjmp(out, ABANDONED);
}

bool world_ghosts;
bool world_out;
bool world_lasting;
bool world_packs;
bool world_dedup;
unsigned int world_shared;

static void world_end_client(unsigned int i)
{
	if (w.c[i]) {
		tstore_save_end(w.c[i]);
		tstore_restore_end(w.c[i], NULL);
		tstore_client_destroy(w.c[i]);
	}
	w.c[i] = NULL;
}

/* Frees what a scenario that ended early left, to the extent it is sound */
void world_abandon(void)
{
	unsigned int i;

	if (w.s) {
		for (i = 0; i < NR_CLIENTS; i++)
			world_end_client(i);
		tstore_destroy(w.s);
	}
	free(w.arena);
	free(w.snapshot);
	free(w.buf);
	memset(&w, 0, sizeof(w));
	world_ghosts = false;
	world_lasting = false;
	world_packs = false;
	world_dedup = false;
	world_shared = 0;
	world_out = false;
}

static int lib_once(const struct scenario *sc, int fail_at)
{
	int how;

	env_relax_hook = NULL;
	env_stop_hook = NULL;
	env_map_hook = NULL;
	env_lock_hook = NULL;
	env_fail_at = fail_at;
	env_work_reset();
	how = setjmp(out);
	if (how == RUNS) {
		sc->run();
		env_fail_at = 0;
		if (w.s)
			world_close();
		return RUNS;
	}
	env_fail_at = 0;
	env_relax_hook = NULL;
	env_stop_hook = NULL;
	env_map_hook = NULL;
	env_lock_hook = NULL;
	world_abandon();
	return how;
}

void lib_run(const struct scenario *list, unsigned int nr)
{
	unsigned int i;
	int fail_at, how;

	for (i = 0; i < nr; i++) {
		how = lib_once(&list[i], 0);
		/* an allocation that fails must fail cleanly, then all is well */
		for (fail_at = 1; how == RUNS && fail_at < 1000; fail_at++) {
			how = lib_once(&list[i], fail_at);
			if (how == RUNS)
				break;
			if (how == ABANDONED)
				how = RUNS;
		}
		if (how == RUNS && env_allocated) {
			snprintf(why, sizeof(why), "%d allocations leaked",
				 env_allocated);
			how = FAILED;
			env_allocated = 0;
		}
		lib_result(how == RUNS, list[i].name, why);
	}
}

static const struct tstore_codec * const world_codecs[] = {
	&tstore_lz4, NULL
};

static struct tstore_config world_config(size_t bytes)
{
	struct tstore_config cfg = {
		.arena = w.arena,
		.bytes = bytes,
		.max_clients = NR_CLIENTS,
		.max_pools = 8,
		.max_shared = world_shared,
		.ghosts = world_ghosts,
		.lasting = world_lasting,
		.out = world_out,
		.dedup = world_dedup,
		.codecs = world_packs ? world_codecs : NULL,
		.seed = 0x5eed,
	};

	return cfg;
}

int lib_store_create(size_t bytes, struct tstore **s)
{
	struct tstore_config cfg = world_config(bytes);

	return tstore_create(&cfg, s);
}

size_t lib_store_metadata(size_t bytes)
{
	struct tstore_config cfg = world_config(bytes);
	size_t got = tstore_metadata(&cfg);

	if (!got)
		lib_abandon();
	return got;
}

int lib_store_open(size_t bytes, struct tstore **s)
{
	struct tstore_config cfg = world_config(bytes);

	return tstore_open(&cfg, s);
}

/* Ends a store and its clients, of which nothing may be left; or all ends */
void lib_store_end(struct tstore *s, struct tstore_client **c, unsigned int nr)
{
	const char *bad = tstore_check(s);
	struct tstore_stats st;
	unsigned int i;

	if (bad)
		env_die("inconsistent: %s", bad);
	for (i = 0; i < nr; i++)
		tstore_client_destroy(c[i]);
	tstore_stats(s, &st);
	if (st.free + st.object_frames != st.pages)
		env_die("frames are lost");
	tstore_destroy(s);
	if (env_allocated)
		env_die("memory is lost");
}

/* An arena that has exactly so many frames, up to 4096 */
static size_t arena_bytes(unsigned int frames)
{
	unsigned long percent = world_dedup ? 350 : world_packs ? 250 : 100;
	size_t slots = frames * percent / 100;
	size_t buckets = slots > 8 ? slots / 8 : 1;
	size_t few = (buckets / 4 + 1) * (world_dedup ? 2 : 1);
	size_t meta = slots * 40 + 8 * 4ul * (buckets + few);

	if (world_lasting)
		meta += 64 + (NR_CLIENTS + world_shared) * (64 + 4 * 8) + 32;
	meta = (meta + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
	return meta + frames * PAGE_SIZE;
}

void world_open(unsigned int frames, u64 limit)
{
	size_t bytes = arena_bytes(frames);
	unsigned int i;
	int err;

	w.bytes = bytes;
	if (posix_memalign(&w.arena, PAGE_SIZE, bytes))
		env_die("no memory");
	memset(w.arena, 0xa5, bytes);
	w.buf = malloc(TMEM_MAX_RUN * PAGE_SIZE);
	w.data.base = w.buf;
	w.data.nr = TMEM_MAX_RUN;
	w.data.bad = ~0u;
	memset(&last, 0, sizeof(last));
	err = lib_store_create(bytes, &w.s);
	if (err == -ENOMEM) {
		w.s = NULL;
		lib_abandon();
	}
	CHECK_EQ(err, 0);
	CHECK_EQ(world_stats().pages, frames);
	for (i = 0; i < NR_CLIENTS; i++) {
		err = tstore_client_create(w.s, limit, &w.c[i]);
		if (err == -ENOMEM) {
			w.c[i] = NULL;
			lib_abandon();
		}
		CHECK_EQ(err, 0);
		tstore_client_set_tag(w.c[i], i + 1);
		CHECK_EQ(attach(w.c[i], NULL), 0);
	}
}

/* What the arena would hold if the process died now */
void world_snapshot(void)
{
	if (!w.snapshot && posix_memalign(&w.snapshot, PAGE_SIZE, w.bytes))
		env_die("no memory");
	memcpy(w.snapshot, w.arena, w.bytes);
}

/* Opens the store of the last snapshot in place of the one there is */
int world_recover(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < NR_CLIENTS; i++)
		world_end_client(i);
	tstore_destroy(w.s);
	w.s = NULL;
	memcpy(w.arena, w.snapshot, w.bytes);
	err = lib_store_open(w.bytes, &w.s);
	if (err)
		w.s = NULL;
	if (err == -ENOMEM)
		lib_abandon();
	for (i = 0; !err && i < NR_CLIENTS; i++)
		w.c[i] = tstore_client_find(w.s, i + 1);
	return err;
}

/* Another client in place of this one: it has not attached yet */
void world_fresh(unsigned int i, u64 limit)
{
	int err;

	world_end_client(i);
	err = tstore_client_create(w.s, limit, &w.c[i]);
	if (err) {
		w.c[i] = NULL;
		if (err == -ENOMEM)
			lib_abandon();
	}
	CHECK_EQ(err, 0);
	tstore_client_set_tag(w.c[i], i + 1);
}

void world_check(void)
{
	const char *bad = tstore_check(w.s);

	env_idle();
	if (bad)
		lib_fail(__FILE__, __LINE__, "inconsistent: %s", bad);
}

/* Every scenario ends here: consistent, and nothing left when all are gone */
void world_close(void)
{
	struct tstore_stats st;
	unsigned int i;

	world_check();
	for (i = 0; i < NR_CLIENTS; i++) {
		world_end_client(i);
		world_check();
	}
	st = world_stats();
	CHECK_EQ(st.ephemeral + st.persistent, 0);
	CHECK_EQ(st.free + st.object_frames + st.out, st.pages);
	world_abandon();
}

struct tstore_stats world_stats(void)
{
	struct tstore_stats st;

	tstore_stats(w.s, &st);
	return st;
}

u64 world_free(void)
{
	return world_stats().free;
}

int run(struct tstore_client *c, const struct tmem_req *req)
{
	last = *req;
	last.status = 0x5a5a5a5a;
	last.done = 0xa5a5a5a5;
	tstore_execute(c, &last, &w.data);
	env_idle();
	CHECK(last.status <= 0 && last.status > -4096);
	return last.status;
}

int attach(struct tstore_client *c, u64 *epoch)
{
	struct tmem_req req = { .op = TMEM_OP_ATTACH, .addr = 1 };
	struct tmem_attach at = {
		.version = TMEM_ABI_VERSION,
		.page_shift = PAGE_SHIFT,
		.features = TMEM_FEATURE_PERSISTENT,
	};
	int err;

	memcpy(w.buf, &at, sizeof(at));
	err = run(c, &req);
	memcpy(&at, w.buf, sizeof(at));
	if (epoch)
		*epoch = at.epoch;
	return err;
}

int pool_create(struct tstore_client *c, u32 pool, u64 flags)
{
	struct tmem_req req = {
		.op = TMEM_OP_POOL_CREATE,
		.pool = pool,
		.index = flags,
	};

	return run(c, &req);
}

int pool_destroy(struct tstore_client *c, u32 pool)
{
	struct tmem_req req = { .op = TMEM_OP_POOL_DESTROY, .pool = pool };

	return run(c, &req);
}

/* A shared pool, of which the number is a part of the name */
int join(struct tstore_client *c, u32 pool, u64 uuid)
{
	struct tmem_req req = {
		.op = TMEM_OP_POOL_CREATE,
		.pool = pool,
		.object = { uuid, ~uuid },
		.index = TMEM_POOL_SHARED,
	};

	return run(c, &req);
}

int allow(struct tstore_client *c, u64 uuid)
{
	u64 name[2] = { uuid, ~uuid };
	int err = tstore_client_allow(c, name);

	if (err == -ENOMEM)
		lib_abandon();
	env_idle();
	return err;
}

int forbid(struct tstore_client *c, u64 uuid)
{
	u64 name[2] = { uuid, ~uuid };
	bool begun = false;
	int err;

	do {
		err = tstore_client_forbid(c, name, &begun);
	} while (err > 0);
	env_idle();
	return err;
}

static struct tmem_req req_of(u8 op, u32 pool, u64 obj, u64 index, u32 nr)
{
	struct tmem_req req = {
		.op = op,
		.pool = pool,
		.object = { obj, ~obj, obj & 1 ? obj * 3 : 0 },
		.index = index,
		.nr_pages = nr,
	};

	return req;
}

int put_seq(struct tstore_client *c, u32 pool, u64 obj, u64 index, u32 nr,
	    u64 tag, u32 seq)
{
	struct tmem_req req = req_of(TMEM_OP_PUT, pool, obj, index, nr);
	u32 i;

	for (i = 0; i < nr && i < TMEM_MAX_RUN; i++)
		fill(w.buf + i * PAGE_SIZE, tag + i);
	req.seq = seq;
	req.addr = 42;
	return run(c, &req);
}

int put(struct tstore_client *c, u32 pool, u64 obj, u64 index, u32 nr, u64 tag)
{
	return put_seq(c, pool, obj, index, nr, tag, 0);
}

int get(struct tstore_client *c, u32 pool, u64 obj, u64 index, u32 nr)
{
	struct tmem_req req = req_of(TMEM_OP_GET, pool, obj, index, nr);

	if (nr <= TMEM_MAX_RUN)
		memset(w.buf, 0xee, nr * PAGE_SIZE);
	req.addr = 43;
	return run(c, &req);
}

int flush(struct tstore_client *c, u32 pool, u64 obj, u64 index, u32 nr,
	  u32 seq)
{
	struct tmem_req req = req_of(TMEM_OP_FLUSH, pool, obj, index, nr);

	req.seq = seq;
	return run(c, &req);
}

int flush_object(struct tstore_client *c, u32 pool, u64 obj, u32 seq)
{
	struct tmem_req req = req_of(TMEM_OP_FLUSH_OBJECT, pool, obj, 0, 0);

	req.seq = seq;
	return run(c, &req);
}

int query(struct tstore_client *c, struct tmem_query *q)
{
	struct tmem_req req = { .op = TMEM_OP_QUERY };
	int err = run(c, &req);

	memcpy(q, w.buf, sizeof(*q));
	return err;
}

bool there(struct tstore_client *c, u32 pool, u64 obj, u64 index)
{
	u64 name[3] = { obj, ~obj, obj & 1 ? obj * 3 : 0 };

	return tstore_peek(c, pool, name, index);
}

/* Some pages are more regular than others */
static unsigned int irregular(u64 tag)
{
	return 1 + (PAGE_SIZE / 8 - 1) *
		   ((tag * 0x9e3779b97f4a7c15ull) >> 61) / 7;
}

static u64 word_of(u64 tag, unsigned int i)
{
	return i < irregular(tag) ? (tag ^ i) * 0x9e3779b97f4a7c15ull + i :
				    tag * 0x9e3779b97f4a7c15ull;
}

/* Word i of a page is a function of its tag and i, so no mixture goes unseen */
void fill(unsigned char *page, u64 tag)
{
	u64 *word = (u64 *)page;
	unsigned int i;

	word[0] = tag;
	for (i = 1; i < PAGE_SIZE / 8; i++)
		word[i] = word_of(tag, i);
}

u64 tag_of(const unsigned char *page)
{
	return *(const u64 *)page;
}

bool holds(const unsigned char *page, u64 tag)
{
	const u64 *word = (const u64 *)page;
	unsigned int i;

	if (word[0] != tag)
		return false;
	for (i = 1; i < PAGE_SIZE / 8; i++)
		if (word[i] != word_of(tag, i))
			return false;
	return true;
}

bool got(unsigned int i, u64 tag)
{
	return holds(w.buf + i * PAGE_SIZE, tag);
}

u64 lib_rand(u64 *state)
{
	u64 z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}
