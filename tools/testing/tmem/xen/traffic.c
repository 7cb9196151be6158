// SPDX-License-Identifier: GPL-2.0
/*
 * traffic: makes hypercalls of tmem without a driver, in a PV dom0
 *
 *	traffic keep EPHEMERAL PERSISTENT	attaches, puts so many of both kinds, stays
 *	traffic race THREADS CALLS		puts, gets, flushes, and destroys and creates pools
 *						meanwhile, with so many calls of each thread
 *	traffic share FIRST SECOND		joins the shared pool of this name, two words, uses
 *						it, and tries again when it has read a line
 *	traffic claim DOMAIN PAGES		for a domain, by its number, as a toolstack does
 *
 * Threads of a race use four pools, two of each kind, of which one is shared.  A
 * page says in each of its parts what it was put as, so whoever gets it sees if
 * it is another one, or parts of two.  A kernel with the driver is not to use
 * the store (tmem=off).
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tmem.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE		4096UL
#define RUN		64		/* pages of a thread to put, and to get into */
#define POOLS		4		/* the last two are persistent */
#define OBJECTS		6
#define INDEXES		1024
#define VECTOR		256
#define THREADS_MAX	8
#define TMEM_OP		38
#define MEMORY_OP	12
#define MAX_RAM_PAGE	2
#define CLAIM_PAGES	24
#define M2P_LIST	5
#define M2P_EXTENTS	64		/* of 2 MiB each */
#define DOMID_XEN	0x7ff2

struct hypercall {
	uint64_t op, arg[5];
};

#define HYPERCALL	_IOC(_IOC_NONE, 'P', 0, sizeof(struct hypercall))

struct mapbatch {
	uint32_t num;
	uint16_t dom;
	uint64_t addr;
	const uint64_t *arr;
	int *err;
};

#define MAPBATCH	_IOC(_IOC_NONE, 'P', 4, sizeof(struct mapbatch))

struct m2p_list {
	uint32_t max, pad;
	uint64_t *extents;
	uint32_t nr;
};

struct claim {
	uint64_t extents, pages;
	uint32_t order, flags;
	uint16_t domain;
};

struct submit {
	uint32_t cmd, nr, done, reserved;
	uint64_t reqs;
};

struct v1 {
	uint32_t cmd;
	int32_t pool;
	uint64_t a[2];
	uint32_t flags, pad;
	uint64_t rest[3];
};

/* What a thread hands over, in memory that stays where it is; the lists are pages */
struct own {
	uint8_t from[RUN][PAGE], to[RUN][PAGE];
	struct tmem_req reqs[VECTOR];
	uint64_t from_list[512], to_list[512];
	uint8_t page[PAGE];
	struct submit submit;
	struct v1 v1;
	uint64_t from_frame, to_frame, page_frame;	/* of the two lists, and of page */
};

static_assert(offsetof(struct own, from_list) % PAGE == 0, "a list is not a page");

struct counts {
	uint64_t puts, put, gets, got, flushed, destroyed, created, attached, bad, odd;
};

static int privcmd, pagemap;
static const uint64_t *m2p;
static uint64_t m2p_frames;
static struct own *owns[THREADS_MAX];
static struct counts all;
static unsigned long calls;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- hypercalls ---- */

static long hypercall(uint64_t op, uint64_t a, uint64_t b)
{
	struct hypercall call = { .op = op, .arg = { a, b } };
	long rc = ioctl(privcmd, HYPERCALL, &call);

	return rc < 0 ? -errno : rc;
}

static long submit(struct own *o, unsigned int nr)
{
	o->submit = (struct submit){ .cmd = 16, .nr = nr, .reqs = (uintptr_t)o->reqs };
	return hypercall(TMEM_OP, (uintptr_t)&o->submit, 0);
}

static int one(struct own *o, struct tmem_req req)
{
	long rc;

	o->reqs[0] = req;
	rc = submit(o, 1);
	return rc ? rc : o->reqs[0].status;
}

/* ---- frames ---- */

static uint64_t guest_frame(const void *at)
{
	uint64_t entry = 0, frame;

	if (pread(pagemap, &entry, 8, (uintptr_t)at / PAGE * 8) != 8)
		die("pagemap");
	frame = entry & ((1UL << 55) - 1);
	if (!(entry >> 63) || !frame)
		die("which frame is it?");
	return frame;
}

/* Xen's table of what those who have them call the machine's frames; dom0 may look at it */
static void map_m2p(void)
{
	uint64_t extents[M2P_EXTENTS], *frames;
	struct m2p_list list = { .max = M2P_EXTENTS, .extents = extents };
	struct mapbatch map = { .dom = DOMID_XEN };
	uint64_t i;
	int *errors;

	m2p_frames = hypercall(MEMORY_OP, MAX_RAM_PAGE, 0) + 1;
	map.num = (m2p_frames * 8 + PAGE - 1) / PAGE;
	frames = calloc(map.num, sizeof(*frames));
	errors = calloc(map.num, sizeof(*errors));
	memset(extents, 0, sizeof(extents));
	if (!frames || !errors || hypercall(MEMORY_OP, M2P_LIST, (uintptr_t)&list))
		die("no table of frames");
	for (i = 0; i < map.num; i++)
		frames[i] = extents[i / 512] + i % 512;
	m2p = mmap(NULL, map.num * PAGE, PROT_READ, MAP_SHARED, privcmd, 0);
	map.addr = (uintptr_t)m2p;
	map.arr = frames;
	map.err = errors;
	if (m2p == MAP_FAILED || ioctl(privcmd, MAPBATCH, &map))
		die("the table of frames cannot be mapped");
}

/*
 * Frames of a PV guest are the machine's.  Domains call theirs by the same
 * numbers: of those that it could be, ours is the one that Xen writes to.
 */
static uint64_t machine_frame(struct own *o, const void *page)
{
	struct tmem_req req = { .op = TMEM_OP_QUERY };
	uint64_t frame = guest_frame(page), tries;
	static uint64_t at;

	for (tries = 0; tries < m2p_frames; tries++, at = (at + 1) % m2p_frames) {
		req.addr = at;
		if (m2p[at] == frame && !one(o, req))
			return at;
	}
	die("Xen does not know the frame");
}

static struct own *own_pages(void)
{
	struct own *o = mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	unsigned int i;

	if (o == MAP_FAILED || mlock(o, sizeof(*o)))
		die("memory");
	/* Finding one writes to it */
	o->from_frame = machine_frame(o, o->from_list);
	o->to_frame = machine_frame(o, o->to_list);
	o->page_frame = machine_frame(o, o->page);
	for (i = 0; i < 512; i++) {
		o->from_list[i] = i < RUN ? machine_frame(o, o->from[i]) : o->from_list[i % RUN];
		o->to_list[i] = i < RUN ? machine_frame(o, o->to[i]) : o->to_list[i % RUN];
	}
	return o;
}

static void open_all(void)
{
	int fd;

	privcmd = open("/dev/xen/privcmd", O_RDWR);
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	if (privcmd < 0 || pagemap < 0)
		die("no Xen here");
	fd = open("/proc/sys/vm/compact_unevictable_allowed", O_WRONLY);
	if (fd >= 0 && write(fd, "0", 1) != 1)
		die("compaction");
	map_m2p();
}

/* ---- contents ---- */

/* Page @i of a run says what it is eight times, each at @place of its page */
static uint64_t word_of(uint64_t pool, uint64_t object, unsigned int i)
{
	return pool << 48 | object << 32 | i << 8 | 0x5a;
}

static uint64_t *place(uint8_t (*pages)[PAGE], unsigned int i, unsigned int part)
{
	return (uint64_t *)pages[i] + part * 64 + i % 64;
}

static void fill(uint8_t (*pages)[PAGE], uint64_t pool, uint64_t object)
{
	unsigned int i, part;

	for (i = 0; i < RUN; i++)
		for (part = 0; part < 8; part++)
			*place(pages, i, part) = word_of(pool, object, i);
}

/* Is the page what it says, all of it, or blank? */
static bool is_good(uint8_t (*pages)[PAGE], unsigned int i, uint64_t pool, uint64_t object)
{
	unsigned int part, blanks = 0;
	uint64_t word;

	for (part = 0; part < 8; part++) {
		word = *place(pages, i, part);
		blanks += !word;
		if (word && word != word_of(pool, object, i))
			return false;
	}
	return !blanks || blanks == 8;
}

static struct tmem_req keyed(uint8_t op, uint32_t pool, uint64_t object, uint64_t index,
			     uint32_t nr)
{
	return (struct tmem_req){
		.op = op,
		.pool = pool,
		.object = { object, 1, 2 },
		.index = index,
		.nr_pages = nr,
	};
}

/* The pages of a run are those of @o, over and over again */
static struct tmem_req run_of(struct own *o, uint8_t op, uint32_t pool, uint64_t object,
			      uint64_t index, uint32_t nr)
{
	struct tmem_req req = keyed(op, pool, object, index, nr);

	req.flags = TMEM_REQ_LIST;
	req.addr = op == TMEM_OP_PUT ? o->from_frame : o->to_frame;
	return req;
}

static int attach(struct own *o)
{
	struct tmem_attach *at = (void *)o->page;

	memset(at, 0, sizeof(*at));
	at->version = TMEM_ABI_VERSION;
	at->page_shift = 12;
	at->features = TMEM_FEATURES;
	return one(o, (struct tmem_req){ .op = TMEM_OP_ATTACH, .addr = o->page_frame });
}

static struct tmem_req pool_create(uint32_t pool, bool persistent)
{
	return (struct tmem_req){
		.op = TMEM_OP_POOL_CREATE,
		.pool = pool,
		.index = persistent ? TMEM_POOL_PERSISTENT : 0,
	};
}

static struct tmem_req pool_join(uint32_t pool, uint64_t first, uint64_t second)
{
	return (struct tmem_req){
		.op = TMEM_OP_POOL_CREATE,
		.pool = pool,
		.index = TMEM_POOL_SHARED,
		.object = { first, second },
	};
}

/* ---- to keep something ---- */

/* Puts @nr pages; how many it were */
static uint64_t put_pages(struct own *o, uint32_t pool, uint64_t nr)
{
	uint64_t done = 0, index;
	struct tmem_req req;

	for (index = 0; index < nr; index += RUN) {
		fill(o->from, pool, index);
		req = run_of(o, TMEM_OP_PUT, pool, index, 0, nr - index < RUN ? nr - index : RUN);
		if (!one(o, req))
			done += o->reqs[0].done;
	}
	return done;
}

static void keep(uint64_t ephemeral, uint64_t persistent)
{
	struct own *o = owns[0];

	if (attach(o) || one(o, pool_create(0, false)) || one(o, pool_create(1, true)))
		die("no pools");
	ephemeral = put_pages(o, 0, ephemeral);
	printf("kept %lu %lu\n", ephemeral, put_pages(o, 1, persistent));
	fflush(stdout);
	for (;;)
		pause();
}

/* ---- a pool that others may see ---- */

/* How many pages of its run the pool returns, all right; or an error */
static int get_shared(struct own *o)
{
	unsigned int i;
	int status;

	memset(o->to, 0, sizeof(o->to));
	status = one(o, run_of(o, TMEM_OP_GET, 0, 1, 0, RUN));
	if (status)
		return status;
	for (i = 0; i < o->reqs[0].done; i++)
		if (!is_good(o->to, i, 0, 1) || !*place(o->to, i, 0))
			return -EIO;
	return o->reqs[0].done;
}

static void share(uint64_t first, uint64_t second)
{
	struct own *o = owns[0];
	int status, put, got;

	if (attach(o))
		die("no store");
	status = one(o, pool_join(0, first, second));
	printf("join %d\n", status);
	fflush(stdout);
	if (status)
		return;
	fill(o->from, 0, 1);
	status = one(o, run_of(o, TMEM_OP_PUT, 0, 1, 0, RUN));
	put = status ?: (int)o->reqs[0].done;
	/* What is got stays, as it is others', too */
	got = get_shared(o);
	printf("put %d got %d %d\n", put, got, get_shared(o));
	fflush(stdout);
	getchar();
	printf("then %d\n", get_shared(o));
}

/* ---- a race ---- */

/* What comes of a put or a get while pools come and go, and the toolstack interferes */
static bool is_ordinary(int status)
{
	static const int ordinary[] = {
		0, -ENOENT, -ENXIO, -EBUSY, -EEXIST, -ENOSPC, -EDQUOT, -ENOTCONN, -ENOMEM, -EPERM,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ordinary); i++)
		if (status == ordinary[i])
			return true;
	return false;
}

static void count(const struct tmem_req *req, struct counts *c)
{
	if (!is_ordinary(req->status) && !c->odd++)
		fprintf(stderr, "traffic: operation %d: status %d\n", req->op, req->status);
	if (req->status)
		return;
	switch (req->op) {
	case TMEM_OP_PUT:
		c->puts++;
		c->put += req->done;
		break;
	case TMEM_OP_GET:
		c->gets++;
		c->got += req->done;
		break;
	case TMEM_OP_POOL_DESTROY:
		c->destroyed++;
		break;
	case TMEM_OP_POOL_CREATE:
		c->created++;
		break;
	default:
		c->flushed += req->done;
	}
}

static struct tmem_req any_request(struct own *o, unsigned int *seed, uint64_t put, uint64_t get)
{
	unsigned int what = rand_r(seed) % 1000, nr = what % 16 ? 1 + rand_r(seed) % RUN : 512;
	uint64_t index = rand_r(seed) % (INDEXES / RUN) * RUN;

	if (what < 500)
		return run_of(o, TMEM_OP_PUT, put % POOLS, put / POOLS, index, nr);
	if (what < 900)
		return run_of(o, TMEM_OP_GET, get % POOLS, get / POOLS, index, nr);
	if (what < 960)
		return keyed(TMEM_OP_FLUSH, get % POOLS, get / POOLS, index, what % 4 ? nr : 0);
	if (what < 980)
		return keyed(TMEM_OP_FLUSH_OBJECT, get % POOLS, get / POOLS, 0, 0);
	if (what < 988)
		return (struct tmem_req){ .op = TMEM_OP_POOL_DESTROY, .pool = what % POOLS };
	if (what % POOLS == 1)
		return pool_join(1, 1, 2);
	return pool_create(what % POOLS, what % POOLS >= POOLS / 2);
}

/* Also a pool by version 1, which has the same numbers */
static void old_command(struct own *o, unsigned int *seed, struct counts *c)
{
	long rc;

	o->v1 = (struct v1){ .cmd = 2, .pool = rand_r(seed) % POOLS };
	rc = hypercall(TMEM_OP, (uintptr_t)&o->v1, 0);
	c->destroyed += rc == 1;
	c->odd += rc < 0;
}

static void *race(void *arg)
{
	struct own *o = arg;
	unsigned int seed = (uintptr_t)pthread_self() >> 12, i, nr;
	struct counts c = { 0 };
	unsigned long call;
	uint64_t put, get;
	long rc;

	for (call = 0; call < calls; call++) {
		put = rand_r(&seed) % (POOLS * OBJECTS);
		get = rand_r(&seed) % (POOLS * OBJECTS);
		fill(o->from, put % POOLS, put / POOLS);
		memset(o->to, 0, sizeof(o->to));
		nr = seed % 8 ? 1 + rand_r(&seed) % 32 : VECTOR;
		for (i = 0; i < nr; i++)
			o->reqs[i] = any_request(o, &seed, put, get);
		rc = submit(o, nr);
		if (rc && !c.odd++)
			fprintf(stderr, "traffic: a call fails: %ld\n", rc);
		for (i = 0; !rc && i < nr; i++)
			count(&o->reqs[i], &c);
		for (i = 0; i < RUN; i++)
			c.bad += !is_good(o->to, i, get % POOLS, get / POOLS);
		if (rand_r(&seed) % 64 == 0)
			old_command(o, &seed, &c);
		if (rand_r(&seed) % 200 == 0)
			c.attached += !attach(o);
	}
	for (i = 0; i < sizeof(c) / sizeof(uint64_t); i++)
		__atomic_fetch_add(&((uint64_t *)&all)[i], ((uint64_t *)&c)[i], __ATOMIC_RELAXED);
	return NULL;
}

static void race_all(unsigned int threads)
{
	pthread_t ids[THREADS_MAX];
	unsigned int i;

	if (attach(owns[0]))
		die("no store");
	for (i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, race, owns[i]))
			die("threads");
	printf("racing\n");
	fflush(stdout);
	for (i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	printf("puts %lu pages %lu gets %lu pages %lu ", all.puts, all.put, all.gets, all.got);
	printf("flushed %lu destroyed %lu created %lu attached %lu\n", all.flushed, all.destroyed,
	       all.created, all.attached);
	printf("bad %lu odd %lu\n", all.bad, all.odd);
}

static void claim_pages(uint64_t domain, uint64_t pages)
{
	struct claim claim = { .pages = pages, .domain = domain };
	long rc = hypercall(MEMORY_OP, CLAIM_PAGES, (uintptr_t)&claim);

	if (rc) {
		errno = -rc;
		die("no claim");
	}
}

int main(int argc, char **argv)
{
	unsigned long first, second;
	unsigned int i;
	bool racing;

	if (argc != 4) {
		fprintf(stderr, "usage: traffic keep EPHEMERAL PERSISTENT\n");
		fprintf(stderr, "       traffic race THREADS CALLS\n");
		fprintf(stderr, "       traffic share FIRST SECOND\n");
		fprintf(stderr, "       traffic claim DOMAIN PAGES\n");
		return 2;
	}
	first = strtoul(argv[2], NULL, 10);
	second = strtoul(argv[3], NULL, 10);
	racing = !strcmp(argv[1], "race");
	if (racing && (!first || first > THREADS_MAX))
		return 2;
	open_all();
	if (!strcmp(argv[1], "claim")) {
		claim_pages(first, second);
		return 0;
	}
	for (i = 0; i < (racing ? first : 1); i++)
		owns[i] = own_pages();
	calls = second;
	if (racing)
		race_all(first);
	else if (!strcmp(argv[1], "share"))
		share(first, second);
	else
		keep(first, second);
	return 0;
}
