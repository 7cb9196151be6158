// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a fuzzer of arenas that the page store opens
 *
 * A store is filled, and its arena changed in places that the input tells.
 * Whatever that makes of it, it is refused, or opened and consistent, and then
 * serves requests as any other.
 *
 * The input: a byte whose lowest bit says whether equal pages are kept once, and
 * six bytes a change: where, what, how; see change().
 */
#include "lib.h"
#include "codec.h"
#include "private.h"

#define FRAMES		48
#define BYTES		((FRAMES * (PAGE_SIZE + 180ul) + 3 * PAGE_SIZE) & \
			 ~(PAGE_SIZE - 1))

int LLVMFuzzerTestOneInput(const unsigned char *in, size_t bytes);

static u8 *original[2], *arena;	/* without and with dedup */
static struct env_data data;
static const struct tstore_codec * const codecs[] = { &tstore_lz4, NULL };

static struct tstore_config config(void *at, bool dedup)
{
	struct tstore_config cfg = {
		.arena = at,
		.bytes = BYTES,
		.max_clients = 2,
		.max_pools = 3,
		.lasting = true,
		.codecs = codecs,
		.dedup = dedup,
		.seed = 1,
	};

	return cfg;
}

static int request(struct tstore_client *c, u8 op, u32 pool, u64 obj, u64 index,
		   u32 nr)
{
	struct tmem_req req = {
		.op = op,
		.pool = pool,
		.object = { obj, 0, obj & 1 },
		.index = index,
		.nr_pages = nr,
	};

	if (op == TMEM_OP_POOL_CREATE)
		req.object[2] = 0;
	tstore_execute(c, &req, &data);
	env_idle();
	return req.status;
}

static void attach_to(struct tstore_client *c)
{
	struct tmem_attach at = {
		.version = TMEM_ABI_VERSION,
		.page_shift = PAGE_SHIFT,
		.features = TMEM_FEATURE_PERSISTENT,
	};

	memcpy(data.base, &at, sizeof(at));
	if (request(c, TMEM_OP_ATTACH, 0, 0, 0, 0))
		env_die("cannot attach");
}

/* Objects of both kinds, pages of all kinds, some of which are gone again */
static void fill_client(struct tstore_client *c, u32 me)
{
	u32 pool, obj, i;

	attach_to(c);
	for (pool = 0; pool < 2; pool++)
		if (request(c, TMEM_OP_POOL_CREATE, pool, 0, pool, 0))
			env_die("cannot create a pool");
	for (obj = 0; obj < 4; obj++) {
		for (i = 0; i < 4; i++)
			fill((u8 *)data.base + i * PAGE_SIZE,
			     me * 100 + obj * 10 + i);
		memset(data.base, obj, PAGE_SIZE);
		request(c, TMEM_OP_PUT, obj & 1, obj, obj < 2 ? 0 : 14, 4);
	}
	/* what is there already */
	for (i = 0; i < 3; i++)
		fill((u8 *)data.base + i * PAGE_SIZE, me * 100 + 1 + i);
	request(c, TMEM_OP_PUT, 1, 5, 7, 3);
	request(c, TMEM_OP_FLUSH, 1, 1, 1, 1);
	tstore_client_set_tag(c, me + 1);
}

static u8 *prepare(bool dedup)
{
	struct tstore_config cfg;
	struct tstore_client *c;
	struct tstore *s;
	u32 frame, i;
	void *made;

	if (posix_memalign(&made, PAGE_SIZE, BYTES))
		env_die("no memory");
	cfg = config(made, dedup);
	if (tstore_create(&cfg, &s))
		env_die("no store");
	for (i = 0; i < 2; i++) {
		if (tstore_client_create(s, 1000, &c))
			env_die("no client");
		fill_client(c, i);
	}
	if (tstore_take(s, &frame, 1) != 1)
		env_die("no frame");
	/* what the process knows dies with it */
	for (i = 0; i < 2; i++)
		env_free(s->clients[i].pools);
	tstore_free(s);
	return made;
}

static void prepare_all(void)
{
	if (posix_memalign((void **)&arena, PAGE_SIZE, BYTES))
		env_die("no memory");
	data.base = malloc(8 * PAGE_SIZE);
	data.nr = 8;
	data.bad = 8;
	original[0] = prepare(false);
	original[1] = prepare(true);
}

/* Mostly in the head and the slots, in words, and by little */
static void change(const unsigned char *in)
{
	size_t head = BYTES - FRAMES * PAGE_SIZE;
	size_t at = in[0] | in[1] << 8 | (size_t)in[2] << 16;
	u32 word;

	at = (in[5] & 1 ? at % BYTES : at % head) & ~(size_t)3;
	memcpy(&word, arena + at, sizeof(word));
	switch (in[5] >> 1 & 3) {
	case 0:
		word ^= 1u << (in[3] & 31);
		break;
	case 1:
		word += (signed char)in[3];
		break;
	case 2:
		word = in[3] | in[4] << 8;
		break;
	default:
		/* what is somewhere else */
		memcpy(&word, arena + (at + in[3] * 40) % (BYTES - 4),
		       sizeof(word));
		break;
	}
	memcpy(arena + at, &word, sizeof(word));
}

static void use(struct tstore *s)
{
	struct tstore_client *c;
	u32 i, n;

	for (i = 0; i < 2; i++) {
		if (!s->records[i].used)
			continue;
		c = &s->clients[i];
		for (n = 0; n < 24; n++)
			request(c, n % 3 ? TMEM_OP_PUT : TMEM_OP_GET, n & 1,
				n & 3, n * 5 % 18, 1 + n % 4);
		request(c, TMEM_OP_FLUSH_OBJECT, 0, 2, 0, 0);
		request(c, TMEM_OP_POOL_DESTROY, 1, 0, 0, 0);
		attach_to(c);
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *in, size_t bytes)
{
	struct tstore_config cfg;
	const char *bad;
	struct tstore *s;
	int err;
	bool dedup;
	u32 i;

	if (!arena)
		prepare_all();
	if (!bytes--)
		return 0;
	dedup = *in++ & 1;
	memcpy(arena, original[dedup], BYTES);
	for (; bytes >= 6; in += 6, bytes -= 6)
		change(in);
	cfg = config(arena, dedup);
	err = tstore_open(&cfg, &s);
	if (err) {
		if (err != -ENOENT && err != -EOPNOTSUPP && err != -EFAULT &&
		    err != -EEXIST)
			env_die("refused with %d", err);
		return 0;
	}
	bad = tstore_check(s);
	if (bad)
		env_die("inconsistent: %s", bad);
	use(s);
	bad = tstore_check(s);
	if (bad)
		env_die("inconsistent after use: %s", bad);
	for (i = 0; i < 2; i++)
		if (s->records[i].used)
			tstore_client_destroy(&s->clients[i]);
	bad = tstore_check(s);
	if (bad)
		env_die("inconsistent at the end: %s", bad);
	tstore_destroy(s);
	return 0;
}
