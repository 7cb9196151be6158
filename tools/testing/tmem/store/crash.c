// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the page store's process is killed, and another goes on
 *
 * crash --kill N: N times, a process opens the arena that the last one left,
 * compares it with what that one had been told, executes again what had not been
 * answered, and works on in a thread for each client until it is killed, at
 * any instruction.
 *
 * crash --step N: a process that executes N requests is stepped through one
 * instruction at a time, and after each that changed the arena a copy of the
 * arena is opened and compared.
 *
 * The log of what each client was told lies in shared memory, too.  A request in
 * progress may have been done or not, page by page.  All else is as it was:
 * a persistent page is there and is right (I4), an ephemeral page is right or
 * gone (I1), what was flushed, taken or destroyed does not come back (I2, I3,
 * I6), nothing of another client is seen (I13).
 *
 * A client may be saved, destroyed and restored, too.  If the process dies
 * meanwhile the stream is lost, and the client has all its persistent pages or
 * is a fresh one.
 */
#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "codec.h"

#define POOLS		2	/* an ephemeral and a persistent one */
#define OBJECTS		3
#define INDICES		40
#define RUN		20
#define STREAM		((OBJECTS * INDICES + 4) * TSTORE_SAVE_BYTES)

enum { PUT, GET, FLUSH, FLUSH_OBJECT, DESTROY, CREATE, ATTACH, MOVE };

struct op {
	u32 kind, pool, obj, index, nr;
	u64 tag;
};

/* What one client asked for and was told */
struct log {
	struct op op;
	u32 busy;		/* @op is in progress */
	bool live[POOLS];
	u64 tag[POOLS][OBJECTS][INDICES];	/* 0: no page */
	u64 next_tag, rng, done;
};

static struct shared {
	u32 ready;		/* the arena holds the clients */
	u32 nr_clients;
	u64 recovered;
	u64 moved, fresh;	/* clients that were being moved */
	struct log log[NR_CLIENTS];
} *sh;

static void *arena;
static size_t bytes;
static bool dedup;
static struct tstore *store;	/* in @arena */
static struct tstore_client *clients[NR_CLIENTS];

static __thread struct env_data data;
static __thread unsigned char buf[RUN * PAGE_SIZE] __attribute__((aligned(64)));

#define FAIL(...) \
	do { \
		fprintf(stderr, "# " __VA_ARGS__); \
		fprintf(stderr, "\n"); \
		_exit(1); \
	} while (0)

static int execute(struct tstore_client *c, const struct op *op, u32 *done)
{
	static const u8 ops[] = {
		TMEM_OP_PUT, TMEM_OP_GET, TMEM_OP_FLUSH, TMEM_OP_FLUSH_OBJECT,
		TMEM_OP_POOL_DESTROY, TMEM_OP_POOL_CREATE, TMEM_OP_ATTACH,
	};
	struct tmem_req req = { .op = ops[op->kind] };
	struct tmem_attach at = {
		.version = TMEM_ABI_VERSION,
		.page_shift = PAGE_SHIFT,
		.features = TMEM_FEATURE_PERSISTENT,
	};
	u32 i;

	if (op->kind != ATTACH)
		req.pool = op->pool;
	if (op->kind <= FLUSH_OBJECT) {
		/* the last object has a long name */
		req.object[0] = op->obj + 1;
		req.object[2] = op->obj == OBJECTS - 1;
	}
	if (op->kind <= FLUSH) {
		req.index = op->index;
		req.nr_pages = op->nr;
	}
	if (op->kind == CREATE)
		req.index = op->pool;
	if (op->kind == ATTACH)
		memcpy(buf, &at, sizeof(at));
	for (i = 0; op->kind == PUT && i < op->nr; i++)
		fill(buf + i * PAGE_SIZE, op->tag + i);
	data = (struct env_data){ .base = buf, .nr = RUN, .bad = RUN };
	tstore_execute(c, &req, &data);
	*done = req.done;
	return req.status;
}

static bool touches(const struct op *op, u32 pool, u32 obj, u32 index)
{
	if (op->kind == ATTACH || op->kind == MOVE)
		return true;
	if (op->pool != pool)
		return false;
	if (op->kind == DESTROY || op->kind == CREATE)
		return true;
	return op->obj == obj && (op->kind == FLUSH_OBJECT ||
				  (index >= op->index &&
				   index < op->index + op->nr));
}

static void forget(struct log *log, u32 pool)
{
	memset(log->tag[pool], 0, sizeof(log->tag[pool]));
	log->live[pool] = false;
}

/* What a get returned is what was put */
static void got_pages(struct log *log, const struct op *op, u32 done)
{
	u64 *tag = &log->tag[op->pool][op->obj][op->index];
	u32 i;

	for (i = 0; i < done; i++) {
		if (!tag[i] || !holds(buf + i * PAGE_SIZE, tag[i]))
			FAIL("pool %u object %u page %u: wrong data %llx (%d), not %llx", op->pool,
			     op->obj, op->index + i,
			     (unsigned long long)tag_of(buf + i * PAGE_SIZE),
			     holds(buf + i * PAGE_SIZE,
				   tag_of(buf + i * PAGE_SIZE)),
			     (unsigned long long)tag[i]);
		if (!op->pool)
			tag[i] = 0;
	}
	if (done == op->nr || !log->live[op->pool])
		return;
	if (op->pool && tag[done])
		FAIL("pool %u object %u page %u: lost", op->pool, op->obj,
		     op->index + done);
	tag[done] = 0;
}

/* The client attaches, and creates pools when it wants to */
static void attach_again(struct tstore_client *c, struct log *log)
{
	struct op op = { ATTACH, 0, 0, 0, 0, 0 };
	u32 done;
	int err;

	err = execute(c, &op, &done);
	if (err)
		FAIL("attach: status %d", err);
	forget(log, 0);
	forget(log, 1);
}

static void save(struct tstore_client *c, u8 *stream, size_t *nr)
{
	struct tstore_gone gone[1];
	size_t used;
	int more;

	*nr = 0;
	if (tstore_save_begin(c, gone, 1))
		FAIL("client cannot be saved");
	do {
		more = tstore_save_next(c, stream + *nr, STREAM - *nr, &used);
		*nr += used;
		if (!more && !used)
			break;
		tstore_save_finish(c);
	} while (more >= 0);
	more = tstore_save_end(c);
	if (more)
		FAIL("save: %d", more);
}

/* Another client takes the place of this one */
static void move(struct tstore_client *c, struct log *log)
{
	struct env_data page = { .base = buf, .nr = 1, .bad = 1 };
	struct op create = { CREATE, 0, 0, 0, 0, 0 };
	u8 *stream = malloc(STREAM);
	u32 i = log - sh->log, done;
	size_t nr;
	int err;

	if (!stream)
		FAIL("no memory");
	save(c, stream, &nr);
	tstore_client_destroy(c);
	if (tstore_client_create(store, ~0ull >> 1, &c))
		FAIL("no client");
	tstore_client_set_tag(c, i + 1);
	clients[i] = c;
	if (tstore_restore_begin(c, &page))
		FAIL("client cannot be restored");
	tstore_restore_feed(c, stream, nr);
	err = tstore_restore_end(c, NULL);
	free(stream);
	if (err && err != -ENOSPC)
		FAIL("restore: %d", err);
	if (err) {
		attach_again(c, log);
		return;
	}
	memset(log->tag[0], 0, sizeof(log->tag[0]));
	/* it may have been lost when a process died before */
	if (log->live[0] && execute(c, &create, &done))
		FAIL("pool 0 cannot be created");
}

/* The process has died while the client was moved */
static void move_again(struct tstore_client *c, struct log *log)
{
	struct tmem_req query = { .op = TMEM_OP_QUERY };
	struct tmem_query q;

	data = (struct env_data){ .base = buf, .nr = RUN, .bad = RUN };
	tstore_execute(c, &query, &data);
	memcpy(&q, buf, sizeof(q));
	if (q.pools) {
		move(c, log);
		sh->moved++;
	} else {
		attach_again(c, log);
		sh->fresh++;
	}
}

/* Executes the request in the log and notes what it was told */
static void perform(struct tstore_client *c, struct log *log)
{
	struct op *op = &log->op;
	u64 *tag = &log->tag[op->pool][op->obj][op->index];
	bool again = log->busy;
	u32 done = 0, i;
	int err = 0;

	__atomic_store_n(&log->busy, 1, __ATOMIC_SEQ_CST);
	if (op->kind != MOVE)
		err = execute(c, op, &done);
	switch (op->kind) {
	case PUT:
		for (i = 0; err != -ENXIO && i < op->nr; i++)
			tag[i] = i < done ? op->tag + i : 0;
		break;
	case GET:
		got_pages(log, op, done);
		break;
	case FLUSH:
		memset(tag, 0, op->nr * sizeof(*tag));
		break;
	case FLUSH_OBJECT:
		memset(log->tag[op->pool][op->obj], 0, sizeof(log->tag[0][0]));
		break;
	case DESTROY:
		forget(log, op->pool);
		break;
	case CREATE:
		if (err)
			FAIL("create: status %d", err);
		log->live[op->pool] = true;
		break;
	case ATTACH:
		if (err)
			FAIL("attach: status %d", err);
		forget(log, 0);
		forget(log, 1);
		break;
	case MOVE:
		if (again)
			move_again(c, log);
		else
			move(c, log);
		break;
	}
	log->done++;
	__atomic_store_n(&log->busy, 0, __ATOMIC_SEQ_CST);
}

static void next_op(struct log *log)
{
	u64 r = lib_rand(&log->rng);
	u32 what = r % 1000;
	struct op *op = &log->op;

	op->pool = r >> 10 & 1;
	op->obj = (r >> 12) % OBJECTS;
	op->nr = 1 + (r >> 20) % (r >> 30 & 3 ? 4 : RUN);
	op->index = (r >> 32) % (INDICES - op->nr + 1);
	op->tag = log->next_tag;
	log->next_tag += RUN;
	/* pages that there are already, sometimes */
	if (dedup && r & 0x800)
		op->tag &= ~2047ull;
	if (!log->live[op->pool])
		op->kind = CREATE;
	else if (what < 450)
		op->kind = PUT;
	else if (what < 750)
		op->kind = GET;
	else if (what < 930)
		op->kind = FLUSH;
	else if (what < 970)
		op->kind = FLUSH_OBJECT;
	else if (what < 995)
		op->kind = DESTROY;
	else if (what < 998)
		op->kind = ATTACH;
	else
		op->kind = MOVE;
}

/* One page, against the log; false if it is not there */
static bool verify_page(struct tstore_client *c, struct log *log, u32 pool,
			u32 obj, u32 index)
{
	struct op get = { GET, pool, obj, index, 1, 0 };
	struct op *op = &log->op;
	bool open = log->busy && touches(op, pool, obj, index);
	u64 tag = log->tag[pool][obj][index];
	u32 done;
	int err;

	err = execute(c, &get, &done);
	if (err) {
		if (pool && tag && !open)
			FAIL("object %u page %u: lost, %d", obj, index, err);
		return false;
	}
	if (tag && holds(buf, tag))
		return true;
	if (open && op->kind == PUT &&
	    holds(buf, op->tag + index - op->index))
		return true;
	FAIL("pool %u object %u page %u: tag %llu, expected %llu", pool, obj,
	     index, (unsigned long long)tag_of(buf), (unsigned long long)tag);
	return false;
}

static void verify(struct tstore_client *c, struct log *log, u32 pool)
{
	u32 obj, index, found = 0, all = 0;

	for (obj = 0; obj < OBJECTS; obj++)
		for (index = 0; index < INDICES; index++) {
			found += verify_page(c, log, pool, obj, index);
			all += log->tag[pool][obj][index] != 0;
		}
	if (log->busy && log->op.kind == MOVE && pool && found && found != all)
		FAIL("%u of %u pages of a client that was moved", found, all);
}

/* Stepping takes time: a codec of few instructions, as pages end in one word */
static u32 few_encode(void *work, const void *page, void *out, u32 room)
{
	const u64 *word = page;
	u32 nr = PAGE_SIZE / 8;

	(void)work;
	while (nr > 1 && word[nr - 2] == word[nr - 1])
		nr--;
	if (nr * 8 > room)
		return 0;
	memcpy(out, page, nr * 8);
	return nr * 8;
}

static bool few_decode(void *work, const void *in, u32 bytes, void *page)
{
	u64 *word = page;
	u32 i;

	(void)work;
	memcpy(page, in, bytes);
	for (i = bytes / 8; i < PAGE_SIZE / 8; i++)
		word[i] = word[i - 1];
	return bytes;
}

static const struct tstore_codec few = {
	.name = "few", .id = 3, .encode = few_encode, .decode = few_decode,
};

static const struct tstore_codec * const lz4[] = { &tstore_lz4, NULL };
static const struct tstore_codec * const step_codecs[] = { &few, NULL };
static const struct tstore_codec * const *codecs = lz4;

/* The client that was found, or was lost on its way */
static struct tstore_client *client_find(struct tstore *s, u32 i)
{
	struct tstore_client *c = tstore_client_find(s, i + 1);

	if (c)
		return c;
	if (!sh->log[i].busy || sh->log[i].op.kind != MOVE)
		FAIL("client %u is gone", i);
	if (tstore_client_create(s, ~0ull >> 1, &c))
		FAIL("no client");
	tstore_client_set_tag(c, i + 1);
	return c;
}

static struct tstore *store_open(void *at, bool create,
				 struct tstore_client **c)
{
	struct tstore_config cfg = {
		.arena = at,
		.bytes = bytes,
		.max_clients = NR_CLIENTS,
		.max_pools = POOLS,
		.lasting = true,
		.dedup = dedup,
		.codecs = codecs,
		.seed = 1,
	};
	struct tstore_client *nobody;
	const char *bad;
	struct tstore *s;
	u32 i;
	int err;

	err = create ? tstore_create(&cfg, &s) : tstore_open(&cfg, &s);
	if (err)
		FAIL("no store: %d", err);
	/* one that had no name yet is not missed */
	while (!create && (nobody = tstore_client_find(s, 0)))
		tstore_client_destroy(nobody);
	for (i = 0; i < sh->nr_clients; i++) {
		if (!create) {
			c[i] = client_find(s, i);
			continue;
		}
		if (tstore_client_create(s, ~0ull >> 1, &c[i]))
			FAIL("no client");
		tstore_client_set_tag(c[i], i + 1);
		memset(&sh->log[i], 0, sizeof(sh->log[i]));
		sh->log[i].rng = i + 1;
		sh->log[i].next_tag = (i + 1ull) << 40;
		sh->log[i].op.kind = ATTACH;
		perform(c[i], &sh->log[i]);
	}
	bad = tstore_check(s);
	if (bad)
		FAIL("inconsistent: %s", bad);
	return s;
}

static void *work(void *arg)
{
	struct log *log = arg;

	for (;;) {
		next_op(log);
		perform(clients[log - sh->log], log);
	}
	return NULL;
}

/* Some ephemeral pages are looked at, which takes them out, and some stay */
static void sample(struct tstore_client *c, struct log *log)
{
	u32 obj, index;

	for (obj = 0; obj < OBJECTS; obj++)
		for (index = 0; index < INDICES; index++) {
			if (lib_rand(&log->rng) & 3)
				continue;
			log->op = (struct op){ GET, 0, obj, index, 1, 0 };
			perform(c, log);
		}
}

static void live_and_die(void)
{
	struct tstore_stats st;
	pthread_t thread;
	u32 i;

	store = store_open(arena, !sh->ready, clients);
	sh->ready = 1;
	tstore_stats(store, &st);
	if (st.damaged)
		FAIL("%llu slots are damaged", (unsigned long long)st.damaged);
	sh->recovered += st.recovered;
	for (i = 0; i < sh->nr_clients; i++) {
		verify(clients[i], &sh->log[i], 1);
		if (sh->log[i].busy)
			perform(clients[i], &sh->log[i]);
		sample(clients[i], &sh->log[i]);
	}
	for (i = 0; i < sh->nr_clients; i++)
		if (pthread_create(&thread, NULL, work, &sh->log[i]))
			FAIL("no thread");
	for (;;)
		pause();
}

static void shared_open(unsigned int frames, unsigned int nr_clients)
{
	bytes = ((size_t)frames * (PAGE_SIZE + 50) + 4096) & ~(PAGE_SIZE - 1);
	arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED || sh == MAP_FAILED)
		env_die("no memory");
	memset(sh, 0, sizeof(*sh));
	sh->nr_clients = nr_clients;
}

static bool kill_all(unsigned long rounds, u64 seed)
{
	unsigned long round, busy = 0, done = 0;
	int status;
	pid_t pid;
	u32 i;

	shared_open(240, NR_CLIENTS);
	for (round = 0; round < rounds; round++) {
		pid = fork();
		if (pid < 0)
			env_die("no process");
		if (!pid)
			live_and_die();
		usleep(500 + lib_rand(&seed) % 2500);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
			printf("# failed after %lu kills\n", round);
			return false;
		}
		for (i = 0; i < NR_CLIENTS; i++)
			busy += sh->log[i].busy;
	}
	for (i = 0; i < NR_CLIENTS; i++)
		done += sh->log[i].done;
	printf("# %lu kills, %lu with a request in progress, %lu requests, %llu pages found again\n",
	       round, busy, done, (unsigned long long)sh->recovered);
	printf("# clients that were being moved: %llu had all, %llu were fresh\n",
	       (unsigned long long)sh->moved, (unsigned long long)sh->fresh);
	return done > 100 * rounds && busy > rounds / 10 &&
	       sh->recovered > 10 * rounds &&
	       (rounds < 1000 || (sh->moved && sh->fresh));
}

/* The arena as it is after one more instruction of the process */
static void verify_copy(void *copy)
{
	struct tstore_client *c[NR_CLIENTS];
	struct tstore *s = store_open(copy, false, c);
	struct tstore_stats st;
	u32 i;

	tstore_stats(s, &st);
	if (st.damaged)
		FAIL("%llu slots are damaged", (unsigned long long)st.damaged);
	for (i = 0; i < sh->nr_clients; i++) {
		verify(c[i], &sh->log[i], 0);
		verify(c[i], &sh->log[i], 1);
		tstore_client_destroy(c[i]);
	}
	tstore_destroy(s);
}

static void run_stepped(unsigned long ops)
{
	unsigned long moves = ops / 2;
	u32 i;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	raise(SIGSTOP);
	while (ops--) {
		i = ops % sh->nr_clients;
		next_op(&sh->log[i]);
		/* if not by chance */
		if (ops == moves)
			sh->log[i].op.kind = MOVE;
		perform(clients[i], &sh->log[i]);
	}
	_exit(0);
}

/* -1: this machine has no ptrace() */
static int step_all(unsigned long ops, u64 seed)
{
	unsigned long steps = 0, changes = 0;
	void *copy, *before;
	int status;
	pid_t pid;

	codecs = step_codecs;
	shared_open(24, 2);
	store = store_open(arena, true, clients);
	sh->log[0].rng = seed;
	sh->log[1].rng = ~seed;
	if (posix_memalign(&copy, 4096, bytes) ||
	    posix_memalign(&before, 4096, bytes))
		env_die("no memory");
	memcpy(before, arena, bytes);
	pid = fork();
	if (!pid)
		run_stepped(ops);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		steps++;
		if (memcmp(before, arena, bytes)) {
			memcpy(before, arena, bytes);
			memcpy(copy, arena, bytes);
			verify_copy(copy);
			changes++;
		}
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL))
			break;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		return -1;
	printf("# %lu requests, %lu instructions, %lu of them changed the arena\n",
	       ops, steps, changes);
	return WIFEXITED(status) && !WEXITSTATUS(status) &&
	       changes > 5 * ops;
}

static void usage(FILE *f)
{
	fprintf(f, "Usage: crash [--seed N] [--dedup] --kill N | --step N\n"
		"Kills a process with a page store N times, or steps through N requests,\n"
		"and checks what is found in the arena afterwards.\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "kill", required_argument, NULL, 'k' },
		{ "step", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "dedup", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long kills = 0, steps = 0;
	u64 seed = 1;
	int opt, ok;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'k')
			kills = strtoul(optarg, NULL, 0);
		else if (opt == 'n')
			steps = strtoul(optarg, NULL, 0);
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 'd')
			dedup = true;
		else
			break;
	}
	if (opt == 'h' || !kills == !steps) {
		usage(opt == 'h' ? stdout : stderr);
		return opt == 'h' ? 0 : 2;
	}
	ok = kills ? kill_all(kills, seed) : step_all(steps, seed);
	if (ok < 0) {
		printf("# skipped: ptrace() is not allowed\n");
		lib_skipped++;
	} else {
		lib_result(ok, kills ? "killed" : "stepped through",
			   "see above");
	}
	return lib_summary();
}
