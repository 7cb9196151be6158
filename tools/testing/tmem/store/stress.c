// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: threads at the page store, for ThreadSanitizer
 *
 * Several threads for each of several clients put, get and flush the same few
 * objects in an arena that is too small, while pools die, epochs end, limits
 * shrink and clients freeze.  A page says what it is: every word of it depends
 * on its client, pool, object, index and on the put, so a page of somebody
 * else, a mixture of two, or one of an earlier epoch is recognised.
 *
 * One object of a persistent pool belongs to each thread alone.  There no
 * other thread can be to blame: what was accepted has to be there.  Now and
 * then a client is saved, and in its stream those objects have to be, too.
 *
 * With --dedup every other page is one of a few that its client has in many
 * places.
 *
 * Usage: stress [--seconds N] [--threads N] [--pack] [--dedup]
 */
#include <getopt.h>
#include <time.h>

#include "lib.h"
#include "codec.h"
#include "policy.h"
#include "stream.h"

#define FRAMES		600
#define OBJECTS		6
#define INDICES		96
#define RUN		24
#define MAX_THREADS	8

#define E		0	/* shared by the threads of a client; ephemeral */
#define P		1	/* the same, persistent; both come and go */
#define OWN		2	/* persistent, goes only with the epoch */
#define S		3	/* of all clients but the last, who come and go */

/* In place of a client: whoever put it */
#define ANYBODY		0x7e

static struct tstore *s;
static struct tstore_client *clients[NR_CLIENTS];
static u64 epochs[NR_CLIENTS];		/* atomic: of the last attach */
static pthread_rwlock_t epoch_lock[NR_CLIENTS];
static int stop;
static unsigned long saves;		/* atomic: complete ones */
static unsigned int nr_threads = 2;
static bool packs, dedups;
static const u64 shared_name[2] = { 7, 7 };
static unsigned long shared_hits;	/* atomic: of others' pages */

struct thread {
	pthread_t id;
	unsigned int client;
	unsigned int nr;
	u64 rng;
	u64 puts, hits, ops;
	unsigned char *buf;
	struct env_data data;
	u64 own[INDICES];	/* tags of what is in OWN, or 0 */
	u64 shared[INDICES];	/* the same of its object in S, 0: not there */
};

static struct thread threads[NR_CLIENTS * MAX_THREADS];

#define COMMON		0xff	/* in place of the pool: pages of many places */

static bool tag_common(u64 index)
{
	return dedups && index & 1;
}

/* who (16) | pool (8) | object (8) | index (8) | put (24) */
static u64 tag_make(struct thread *t, u32 pool, u64 obj, u64 index)
{
	u64 who = pool == S ? ANYBODY : t->client + 1;

	if (tag_common(index))
		return who << 56 | (u64)COMMON << 48 | ++t->puts % 8;
	return who << 56 | (u64)pool << 48 | obj << 40 |
	       index << 32 | (u32)(++t->puts);
}

static void tag_check(struct thread *t, unsigned char *page, u32 pool, u64 obj,
		      u64 index)
{
	u64 who = pool == S ? ANYBODY : t->client + 1;
	u64 tag = tag_of(page);

	if (!holds(page, tag))
		env_die("a page is torn");
	if (tag_common(index) && tag >> 3 == (who << 8 | COMMON) << 45)
		return;
	if (tag >> 32 != (who << 24 | (u64)pool << 16 | obj << 8 | index))
		env_die("page %llx in place of client %u pool %u object %llu index %llu",
			(unsigned long long)tag, t->client, pool,
			(unsigned long long)obj, (unsigned long long)index);
}

static int go(struct thread *t, struct tmem_req *req)
{
	tstore_execute(clients[t->client], req, &t->data);
	env_idle();
	t->ops++;
	return req->status;
}

static void stress_put(struct thread *t, u32 pool, u64 obj, u64 index, u32 nr)
{
	struct tmem_req req = {
		.op = TMEM_OP_PUT,
		.pool = pool,
		.object = { obj },
		.index = index,
		.nr_pages = nr,
		.seq = t->puts + 1,
	};
	u32 i;
	int err;

	for (i = 0; i < nr; i++)
		fill(t->buf + i * PAGE_SIZE, tag_make(t, pool, obj, index + i));
	err = go(t, &req);
	if (err && err != -ENXIO && err != -ENOSPC && err != -EDQUOT &&
	    err != -EBUSY)
		env_die("put: %d", err);
}

static void stress_get(struct thread *t, u32 pool, u64 obj, u64 index, u32 nr)
{
	struct tmem_req req = {
		.op = TMEM_OP_GET,
		.pool = pool,
		.object = { obj },
		.index = index,
		.nr_pages = nr,
	};
	u32 i;
	int err;

	err = go(t, &req);
	if (err && err != -ENXIO && err != -ENOENT)
		env_die("get: %d", err);
	for (i = 0; i < req.done; i++)
		tag_check(t, t->buf + i * PAGE_SIZE, pool, obj, index + i);
	t->hits += req.done;
}

static void stress_flush(struct thread *t, u32 pool, u64 obj, u64 index,
			 u32 nr, u8 op)
{
	struct tmem_req req = {
		.op = op,
		.pool = pool,
		.object = { obj },
		.index = op == TMEM_OP_FLUSH ? index : 0,
		.nr_pages = op == TMEM_OP_FLUSH ? nr : 0,
	};
	int err = go(t, &req);

	if (err && err != -ENXIO)
		env_die("flush: %d", err);
}

/* In an object of its own, a thread knows what there is */
static void stress_own(struct thread *t, u64 index)
{
	struct tmem_req req = {
		.op = TMEM_OP_PUT,
		.pool = OWN,
		.object = { 100 + t->nr },
		.index = index,
		.nr_pages = 1,
	};
	u64 tag;

	pthread_rwlock_rdlock(&epoch_lock[t->client]);
	switch (lib_rand(&t->rng) % 4) {
	case 0:
		tag = tag_make(t, OWN, 100 + t->nr, index);
		fill(t->buf, tag);
		t->own[index] = go(t, &req) ? 0 : tag;
		break;
	case 1:
		req.op = TMEM_OP_FLUSH;
		if (go(t, &req))
			env_die("flush of an own page: %d", req.status);
		if (req.done != !!t->own[index])
			env_die("flush of an own page drops %u", req.done);
		t->own[index] = 0;
		break;
	default:
		req.op = TMEM_OP_GET;
		go(t, &req);
		if (req.status != (t->own[index] ? 0 : -ENOENT))
			env_die("get of an own page: %d", req.status);
		if (t->own[index] && !holds(t->buf, t->own[index]))
			env_die("own page is another");
	}
	pthread_rwlock_unlock(&epoch_lock[t->client]);
}

/*
 * In its own object of the pool of all, whoever else looks at it and however
 * often its client is thrown out, a thread finds what it put last, or nothing
 */
static void stress_shared(struct thread *t, u64 index)
{
	struct tmem_req req = {
		.op = TMEM_OP_PUT,
		.pool = S,
		.object = { 100 + (t - threads) },
		.index = index,
		.nr_pages = 1,
	};
	u64 tag;

	switch (lib_rand(&t->rng) % 4) {
	case 0:
		tag = tag_make(t, S, req.object[0], index);
		fill(t->buf, tag);
		/* if it is not in, what there is stays as it was */
		if (go(t, &req) != -ENXIO)
			t->shared[index] = req.status ? 0 : tag;
		break;
	case 1:
		req.op = TMEM_OP_FLUSH;
		if (!go(t, &req))
			t->shared[index] = 0;
		break;
	default:
		req.op = TMEM_OP_GET;
		go(t, &req);
		if (req.status == -ENOENT)
			t->shared[index] = 0;		/* I2 */
		if (!req.status && !(t->shared[index] &&
				     holds(t->buf, t->shared[index])))
			env_die("a page of all is not what was put last");
	}
}

/* Looks at what others have put there */
static void stress_peer(struct thread *t, u64 index)
{
	unsigned int other = lib_rand(&t->rng) % (NR_CLIENTS * nr_threads);
	struct tmem_req req = {
		.op = TMEM_OP_GET,
		.pool = S,
		.object = { 100 + other },
		.index = index,
		.nr_pages = 1,
	};

	if (go(t, &req))
		return;
	tag_check(t, t->buf, S, req.object[0], index);
	if (threads[other].client != t->client)
		__atomic_fetch_add(&shared_hits, 1, __ATOMIC_RELAXED);
}

static int stress_join(struct thread *t)
{
	struct tmem_req req = {
		.op = TMEM_OP_POOL_CREATE,
		.pool = S,
		.object = { shared_name[0], shared_name[1] },
		.index = TMEM_POOL_SHARED,
	};
	int err = go(t, &req);

	if (err && err != -EPERM && err != -EBUSY)
		env_die("join: %d", err);
	return err;
}

/* The host lets a client in, and throws it out: then it is out */
static void stress_allow(struct thread *t)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	struct tmem_req req = {
		.op = TMEM_OP_GET,
		.pool = S,
		.nr_pages = 1,
	};
	struct tstore_shared_stats st;
	bool begun = false;
	u32 at = 0;
	int err;

	if (t->client == NR_CLIENTS - 1) {
		if (stress_join(t) != -EPERM)
			env_die("a stranger has joined");
		return;
	}
	pthread_mutex_lock(&one);
	if (lib_rand(&t->rng) % 4) {
		err = tstore_client_allow(clients[t->client], shared_name);
	} else {
		err = tstore_client_forbid(clients[t->client], shared_name,
					   &begun);
		if (go(t, &req) != -ENXIO || stress_join(t) != -EPERM ||
		    tstore_client_shared(clients[t->client], &at, &st))
			env_die("who was thrown out is in");
		if (err == -ENOENT)
			err = 0;
	}
	if (err)
		env_die("allow or forbid: %d", err);
	pthread_mutex_unlock(&one);
}

/* Leaves it, or comes back */
static void stress_member(struct thread *t)
{
	struct tmem_req req = { .op = TMEM_OP_POOL_DESTROY, .pool = S };

	if (!(lib_rand(&t->rng) % 8)) {
		stress_allow(t);
	} else if (lib_rand(&t->rng) % 8) {
		stress_join(t);
	} else {
		go(t, &req);
		if (req.status && req.status != -ENXIO)
			env_die("leave: %d", req.status);
	}
}

static void stress_pool(struct thread *t, u32 pool)
{
	struct tmem_req req = { .op = TMEM_OP_POOL_DESTROY, .pool = pool };
	int err = go(t, &req);

	if (err && err != -ENXIO)
		env_die("pool destroy: %d", err);
	req.op = TMEM_OP_POOL_CREATE;
	req.index = pool == E ? EPHEMERAL : PERSISTENT;
	err = go(t, &req);
	if (err && err != -EBUSY)
		env_die("pool create: %d", err);
}

/* Alone as far as OWN goes; the other pools are in full use meanwhile */
static void stress_attach(struct thread *t)
{
	struct tmem_attach at = {
		.version = TMEM_ABI_VERSION,
		.page_shift = PAGE_SHIFT,
		.features = TMEM_FEATURE_PERSISTENT,
	};
	struct tmem_req req = { .op = TMEM_OP_ATTACH };
	struct thread *o;
	u64 old;

	pthread_rwlock_wrlock(&epoch_lock[t->client]);
	memcpy(t->buf, &at, sizeof(at));
	if (go(t, &req))
		env_die("attach: %d", req.status);
	memcpy(&at, t->buf, sizeof(at));
	old = __atomic_exchange_n(&epochs[t->client], at.epoch,
				  __ATOMIC_RELAXED);
	if (at.epoch <= old)
		env_die("epoch %llu after %llu", (unsigned long long)at.epoch,
			(unsigned long long)old);
	for (o = threads; o < threads + ARRAY_SIZE(threads); o++)
		if (o->client == t->client)
			memset(o->own, 0, sizeof(o->own));
	memset(&req, 0, sizeof(req));
	req.op = TMEM_OP_POOL_CREATE;
	req.pool = OWN;
	req.index = PERSISTENT;
	if (go(t, &req))
		env_die("pool create after attach: %d", req.status);
	pthread_rwlock_unlock(&epoch_lock[t->client]);
	stress_pool(t, E);
	stress_pool(t, P);
}

/* One at a time, as the host has to see to */
static void stress_divide(struct thread *t)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	u64 r = lib_rand(&t->rng);

	tstore_client_set_share(clients[t->client], r % FRAMES, r >> 32 & 7);
	if (pthread_mutex_trylock(&one))
		return;
	tstore_divide(s, &tstore_policies[(r >> 40) % tstore_nr_policies]);
	pthread_mutex_unlock(&one);
}

/* The host takes some frames, which nobody else must touch, and returns them */
static void stress_size(struct thread *t)
{
	u32 frames[40], got, i;

	got = tstore_take(s, frames, 1 + lib_rand(&t->rng) % 40);
	for (i = 0; i < got; i++)
		memset(tstore_frame_addr(s, frames[i]), 0xd0 + t->nr,
		       PAGE_SIZE);
	sched_yield();
	for (i = 0; i < got; i++)
		if (*(u8 *)tstore_frame_addr(s, frames[i]) != 0xd0 + t->nr)
			env_die("a frame that is out was written to");
	if (tstore_give(s, frames, got))
		env_die("a frame that was taken cannot be given");
}

/* A client that comes and goes, whatever else happens */
static void stress_visit(void)
{
	struct tstore_client *c;
	int err = tstore_client_create(s, FRAMES, &c);

	if (err == -ENOSPC)
		return;
	if (err)
		env_die("create: %d", err);
	sched_yield();
	tstore_client_destroy(c);
}

static void stress_control(struct thread *t)
{
	struct tstore_stats st;

	switch (lib_rand(&t->rng) % 7) {
	case 0:
		tstore_client_freeze(clients[t->client], true);
		tstore_client_freeze(clients[t->client], false);
		break;
	case 1:
		tstore_client_set_limit(clients[t->client],
					lib_rand(&t->rng) % FRAMES);
		break;
	case 2:
		tstore_client_set_limit(clients[t->client], FRAMES);
		break;
	case 3:
		stress_divide(t);
		break;
	case 4:
		stress_size(t);
		break;
	case 5:
		stress_visit();
		break;
	default:
		tstore_stats(s, &st);
		if (st.free > st.pages)
			env_die("more frames free than there are");
	}
}

/* What a stream says of the pool OWN: by thread and index, a tag or 0 */
struct told {
	u64 tag[MAX_THREADS][INDICES];
	unsigned char buf[20 * TSTORE_SAVE_BYTES];
	struct tstore_gone log[4096];
};

static void told_record(struct thread *t, struct told *told,
			struct tstore_record_page *rec)
{
	u64 obj = rec->object[0], i;

	if (rec->head.type == TSTORE_RECORD_PAGE && rec->pool != OWN)
		tag_check(t, (unsigned char *)(rec + 1), rec->pool, obj,
			  rec->index);
	if (rec->head.type == TSTORE_RECORD_PAGE && rec->pool == OWN)
		told->tag[obj - 100][rec->index] =
			tag_of((unsigned char *)(rec + 1));
	if (rec->head.type == TSTORE_RECORD_FLUSH && rec->pool == OWN)
		for (i = 0; i < rec->nr_pages; i++)
			told->tag[obj - 100][rec->index + i] = 0;
}

static int told_next(struct thread *t, struct told *told)
{
	struct tstore_stream_head *rec;
	size_t used, at;
	int more;

	more = tstore_save_next(clients[t->client], told->buf,
				sizeof(told->buf), &used);
	for (at = 0; at < used; at += rec->bytes) {
		rec = (void *)(told->buf + at);
		told_record(t, told, (void *)rec);
	}
	if (more < 0 && more != -ENOSPC && more != -ENOTCONN)
		env_die("save: %d", more);
	return more;
}

/* While everybody goes on; in the end, while nobody touches OWN */
static void stress_save(struct thread *t)
{
	static pthread_mutex_t one[NR_CLIENTS] = {
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
		PTHREAD_MUTEX_INITIALIZER,
	};
	struct told *told;
	struct thread *o;
	int more;

	if (pthread_mutex_trylock(&one[t->client]))
		return;
	told = calloc(1, sizeof(*told));
	if (!told || tstore_save_begin(clients[t->client], told->log,
				       ARRAY_SIZE(told->log)))
		goto unlock;
	do {
		more = told_next(t, told);
	} while (more > 0);
	pthread_rwlock_wrlock(&epoch_lock[t->client]);
	do {
		more = told_next(t, told);
	} while (more > 0);
	for (o = threads; !more && o < threads + ARRAY_SIZE(threads); o++)
		if (o->buf && o->client == t->client &&
		    memcmp(o->own, told->tag[o->nr], sizeof(o->own)))
			env_die("an own page and the stream differ");
	pthread_rwlock_unlock(&epoch_lock[t->client]);
	if (!more)
		__atomic_fetch_add(&saves, 1, __ATOMIC_RELAXED);
	tstore_save_end(clients[t->client]);
unlock:
	free(told);
	pthread_mutex_unlock(&one[t->client]);
}

static void *stress_thread(void *arg)
{
	struct thread *t = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		u32 pool = lib_rand(&t->rng) % 2;
		u64 obj = lib_rand(&t->rng) % OBJECTS;
		u64 index = lib_rand(&t->rng) % INDICES;
		u32 nr = 1 + lib_rand(&t->rng) % RUN;
		u32 what = lib_rand(&t->rng) % 1000;

		if (what < 350)
			stress_put(t, pool, obj, index, nr);
		else if (what < 600)
			stress_get(t, pool, obj, index, nr);
		else if (what < 700)
			stress_flush(t, pool, obj, index, nr, TMEM_OP_FLUSH);
		else if (what < 730)
			stress_flush(t, pool, obj, index, 0, TMEM_OP_FLUSH);
		else if (what < 760)
			stress_flush(t, pool, obj, 0, 0, TMEM_OP_FLUSH_OBJECT);
		else if (what < 850)
			stress_own(t, index);
		else if (what < 910)
			stress_shared(t, index % 8);
		else if (what < 940)
			stress_peer(t, index % 8);
		else if (what < 970)
			stress_member(t);
		else if (what < 985)
			stress_pool(t, pool);
		else if (what < 987)
			stress_attach(t);
		else if (what < 990)
			stress_save(t);
		else
			stress_control(t);
	}
	return NULL;
}

static void stress_open(void)
{
	static const struct tstore_codec * const codecs[] = {
		&tstore_lz4, NULL
	};
	struct tstore_config cfg = {
		.codecs = packs ? codecs : NULL,
		.dedup = dedups,
		.bytes = FRAMES * PAGE_SIZE,
		.max_clients = NR_CLIENTS + 2,
		.max_pools = 4,
		.max_shared = 1,
		.ghosts = true,
	};
	unsigned int i;

	if (posix_memalign(&cfg.arena, PAGE_SIZE, cfg.bytes) ||
	    tstore_create(&cfg, &s))
		env_die("no store");
	w.s = s;
	w.arena = cfg.arena;
	for (i = 0; i < NR_CLIENTS; i++) {
		pthread_rwlock_init(&epoch_lock[i], NULL);
		if (tstore_client_create(s, FRAMES, &clients[i]))
			env_die("no client");
	}
	for (i = 0; i < NR_CLIENTS * nr_threads; i++) {
		struct thread *t = &threads[i];

		t->client = i % NR_CLIENTS;
		t->nr = i / NR_CLIENTS;
		t->rng = i + 1;
		t->buf = malloc(RUN * PAGE_SIZE);
		t->data.base = t->buf;
		t->data.nr = RUN;
		t->data.bad = ~0u;
		if (i >= NR_CLIENTS)
			continue;
		stress_attach(t);
		if (i < NR_CLIENTS - 1 &&
		    (tstore_client_allow(clients[i], shared_name) ||
		     stress_join(t)))
			env_die("no pool of all");
	}
}

/* Whether all was well; the threads are gone */
static const char *stress_close(u64 hits)
{
	const char *bad = tstore_check(s);
	unsigned int i;

	for (i = 0; i < NR_CLIENTS; i++)
		tstore_client_destroy(clients[i]);
	if (!bad)
		bad = tstore_check(s);
	if (!bad && world_stats().free + world_stats().object_frames !=
		    world_stats().pages)
		bad = "frames are lost";
	tstore_destroy(s);
	free(w.arena);
	if (env_allocated)
		bad = "memory is lost";
	if (!hits)
		bad = "nothing was ever returned";
	if (!saves)
		bad = "nobody was ever saved";
	return bad;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "threads", required_argument, NULL, 't' },
		{ "pack", no_argument, NULL, 'p' },
		{ "dedup", no_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	struct timespec wait = { .tv_sec = 8 };
	u64 ops = 0, hits = 0;
	const char *bad;
	unsigned int i;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's')
			wait.tv_sec = strtoul(optarg, NULL, 0);
		else if (opt == 't')
			nr_threads = strtoul(optarg, NULL, 0);
		else if (opt == 'p')
			packs = true;
		else if (opt == 'd')
			dedups = true;
		else
			return 2;
	}
	if (!nr_threads || nr_threads > MAX_THREADS)
		return 2;
	stress_open();
	for (i = 0; i < NR_CLIENTS * nr_threads; i++)
		if (pthread_create(&threads[i].id, NULL, stress_thread,
				   &threads[i]))
			env_die("no thread");
	nanosleep(&wait, NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < NR_CLIENTS * nr_threads; i++) {
		pthread_join(threads[i].id, NULL);
		ops += threads[i].ops;
		hits += threads[i].hits;
		free(threads[i].buf);
	}
	printf("# %llu requests, %llu pages returned, %llu evicted\n",
	       (unsigned long long)ops, (unsigned long long)hits,
	       (unsigned long long)world_stats().evicted);
	printf("# %lu saves, %lu pages of other clients\n", saves, shared_hits);
	bad = stress_close(hits);
	lib_result(!bad, "stress", bad);
	return lib_summary();
}
