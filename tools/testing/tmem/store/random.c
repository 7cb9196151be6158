// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: random operations on the page store against a model
 *
 * Every operation is done on both, and then they are compared page by page.
 * The store may have dropped ephemeral pages, but only
 * - during a put or when a limit was lowered, and then
 * - not while there was room: no more of them than frames or pages within the
 *   limit were missing,
 * - the oldest of a client first,
 * - at the limit those of the client itself, and for want of frames those of
 *   the client that has most; a shared pool is a client in this, and a page of
 *   it that was got is as new as one that was put.
 * All else has to be as in the model: I1 to I4, I6, I8, I10, I12 and I13; and
 * so have clients that are saved meanwhile, in another store.
 *
 * Usage: random [--seed N] [--ops N] [--runs N]
 */
#include <getopt.h>

#include "model.h"
#include "policy.h"
#include "random_save.h"

#define OBJECTS		4
#define INDICES		48

#define NAME		0x5a	/* of the shared pool */
#define NOBODY		(MODEL_SHARED + 1)

static struct model m;
static u64 rng;
static u64 seed;
static unsigned long op_nr;
static unsigned int frames;
static bool smaller;	/* a page may take less than a frame */
static u64 next_tag;
static u32 next_seq;

static u32 below(u32 n)
{
	return lib_rand(&rng) % n;
}

/* Frames that the host has taken */
static u32 taken[1024];
static u32 nr_taken;

/* What the operation in progress may evict */
static struct {
	unsigned int client;
	u64 free;		/* frames before it */
	u64 room;		/* pages within the limit before it */
	u64 frames;		/* frames that it may take */
	u64 pages;		/* pages that it may be charged */
	bool puts;
} may;

/* What an operation is about */
struct place {
	unsigned int owner;	/* who has the pages */
	u32 pool;		/* of those of the owner */
	bool exists;
	bool persistent;
};

static struct place place_of(unsigned int client, u32 pool)
{
	struct model_client *mc = &m.client[client];
	struct place at = {
		.owner = client,
		.pool = pool,
		.exists = mc->pool[pool].exists,
		.persistent = mc->pool[pool].persistent,
	};

	if (pool == MODEL_SLOT)
		at = (struct place){ MODEL_SHARED, 0, mc->member, false };
	return at;
}

/* Is a page of the model in the store?  One of all if any member sees it. */
static bool is_there(const struct model_page *p)
{
	unsigned int i = 0;

	if (p->client != MODEL_SHARED)
		return there(w.c[p->client], p->pool, p->obj, p->index);
	while (i < NR_CLIENTS && !m.client[i].member)
		i++;
	CHECK(i < NR_CLIENTS);
	return there(w.c[i], MODEL_SLOT, p->obj, p->index);
}

static void may_evict(unsigned int client, u64 pages)
{
	u64 used = model_count(&m, client, -1);

	may.client = client;
	may.free = world_free();
	may.room = m.client[client].limit > used ?
		   m.client[client].limit - used : 0;
	may.pages = pages;
	/* the object's record may need one */
	may.frames = pages ? pages + 1 : 0;
	may.puts = pages;
}

static u64 base_index(void)
{
	static const u64 bases[] = {
		0, 500, 1ull << 32, ~0ull - INDICES - 64,
	};

	return bases[below(ARRAY_SIZE(bases))];
}

/* Takes from the model what vanished from the store, if that was right */
static void vanished(void)
{
	unsigned int nr[NOBODY + 1] = { 0 }, kept[NOBODY + 1] = { 0 };
	unsigned int i, total = 0, others = 0;
	u64 lack = 0;

	for (i = 0; i < m.nr; ) {
		struct model_page *p = &m.page[i];
		struct model_client *mc = &m.client[p->client];

		if (is_there(p)) {
			if (!mc->pool[p->pool].persistent)
				kept[p->client]++;
			i++;
			continue;
		}
		CHECK(!mc->pool[p->pool].persistent);	/* I4 */
		CHECK_EQ(kept[p->client], 0);		/* oldest first */
		nr[p->client]++;
		total++;
		others += p->client != may.client;
		model_drop(&m, p);
	}
	if (!total)
		return;
	CHECK(may.puts);
	if (may.frames > may.free)
		lack = may.frames - may.free;
	/* a page may take a frame for a while, and leave a hole instead of one */
	if (smaller)
		return;
	CHECK(others <= lack);
	if (may.pages > may.room && may.pages - may.room > lack)
		lack = may.pages - may.room;
	CHECK(total <= lack);
	for (i = 0; i < NOBODY; i++)
		/* a client that gave had no less than the one that gains */
		if (i != may.client && nr[i])
			CHECK(kept[i] + 1 >=
			      (kept[may.client] > TMEM_MAX_RUN ?
			       kept[may.client] - TMEM_MAX_RUN : 0));
}

/* Nothing is in the store that is not in the model */
static void same_counts(void)
{
	struct tstore_shared_stats st;
	struct tmem_query q;
	unsigned int i;
	u32 at;

	for (i = 0; i < NR_CLIENTS; i++) {
		at = 0;
		CHECK_EQ(tstore_client_shared(w.c[i], &at, &st),
			 m.client[i].may);
		if (m.client[i].may)
			CHECK_EQ(st.pages, model_count(&m, MODEL_SHARED, 0));
		if (m.client[i].may)
			CHECK_EQ(st.joined, m.client[i].member);
		CHECK_EQ(query(w.c[i], &q), 0);
		CHECK_EQ(q.ephemeral, model_count(&m, i, 0));
		CHECK_EQ(q.persistent, model_count(&m, i, 1));
		CHECK_EQ(q.limit, m.client[i].limit);
	}
}

/* Pages of a run that are not there: what a put would have to find room for */
static u32 fresh(const struct place *at, u64 obj, u64 index, u32 nr)
{
	u32 i, n = 0;

	for (i = 0; i < nr; i++)
		n += !model_find(&m, at->owner, at->pool, obj, index + i);
	return n;
}

/* With dedup the name of a page costs something, beside the page */
static u64 slack(u64 pages)
{
	return world_dedup ? pages / 64 + 1 : 0;
}

static void refused_put(int err, const struct model_client *mc,
			const struct place *at, u32 new)
{
	u32 pages;

	switch (err) {
	case -EBUSY:
		CHECK(mc->frozen || mc->saving);	/* I8 */
		break;
	case -EDQUOT:
		/* all that can be evicted would not have been enough */
		pages = model_count(&m, at->owner, at->persistent ? 1 : -1) +
			new;
		CHECK(pages + slack(pages) > m.client[at->owner].limit);
		break;
	case -ENOSPC:
		CHECK(may.frames > may.free || smaller);
		break;
	case -EFAULT:
		CHECK(w.data.bad != ~0u);
		break;
	default:
		CHECK_EQ(err, 0);
	}
}

static void do_put(unsigned int client, u32 pool, u64 obj, u64 index)
{
	struct model_client *mc = &m.client[client];
	struct place at = place_of(client, pool);
	u32 nr = 1 + below(below(4) ? 6 : 40);
	u32 i, done, new, seq = next_seq;
	u64 tag;
	int err;

	next_seq += below(3);
	next_tag += 1000;
	tag = world_dedup && below(2) ? 1000 * below(8) : next_tag;
	new = at.exists ? fresh(&at, obj, index, nr) : 0;
	may_evict(at.owner, new);
	may.puts |= smaller;
	if (!below(20))
		w.data.bad = below(nr);
	err = put_seq(w.c[client], pool, obj, index, nr, tag, seq);
	done = last.done;
	if (!at.exists) {
		CHECK_EQ(err, -ENXIO);
		CHECK_EQ(done, 0);
		return;
	}
	CHECK(done <= nr);
	if (err)
		CHECK_EQ(done, 0);
	if (err || done < nr) {
		if (err)
			refused_put(err, mc, &at, new);
		if (at.persistent)
			CHECK_EQ(done, 0);		/* all or nothing */
	}
	CHECK(err || !(mc->frozen || mc->saving));
	/* nothing is refused, nor a run cut short, without a reason */
	if (!err && done < nr)
		CHECK(w.data.bad == done || may.pages > may.room ||
		      may.frames > may.free || smaller);
	for (i = 0; i < nr; i++) {
		struct model_page page = {
			.client = at.owner,
			.pool = at.pool,
			.obj = obj,
			.index = index + i,
			.seq = seq,
			.tag = tag + i,
		};
		struct model_page *old;

		if (i < done) {
			CHECK(there(w.c[client], pool, obj, index + i));
			model_add(&m, &page);
			continue;
		}
		CHECK(!there(w.c[client], pool, obj, index + i)); /* I1 */
		old = model_find(&m, at.owner, at.pool, obj, index + i);
		if (old)
			model_drop(&m, old);
	}
}

/* Of a shared pool: it is the newest again */
static void renew(const struct model_page *p)
{
	struct model_page page = *p;

	model_add(&m, &page);
}

static void do_get(unsigned int client, u32 pool, u64 obj, u64 index)
{
	struct place at = place_of(client, pool);
	u32 nr = 1 + below(below(4) ? 6 : 40);
	struct model_page *p;
	u32 i, expect;
	int err;

	if (!below(20))
		w.data.bad = below(nr);
	err = get(w.c[client], pool, obj, index, nr);
	if (!at.exists) {
		CHECK_EQ(err, -ENXIO);
		return;
	}
	for (expect = 0; expect < nr && expect < w.data.bad; expect++)
		if (!model_find(&m, at.owner, at.pool, obj, index + expect))
			break;
	CHECK_EQ(last.done, expect);
	if (expect)
		CHECK_EQ(err, 0);
	else if (!w.data.bad &&
		 model_find(&m, at.owner, at.pool, obj, index))
		CHECK_EQ(err, -EFAULT);
	else
		CHECK_EQ(err, -ENOENT);
	for (i = 0; i < expect; i++) {
		p = model_find(&m, at.owner, at.pool, obj, index + i);
		CHECK(got(i, p->tag));			/* I1, I13 */
		if (at.owner == MODEL_SHARED)
			renew(p);
		else if (!at.persistent)
			model_drop(&m, p);		/* I3 */
	}
}

static void do_flush(unsigned int client, u32 pool, u64 obj, u64 index)
{
	u32 seq = below(2) ? 0 : next_seq - below(6);
	struct place at = place_of(client, pool);
	u64 end = ~0ull;
	u32 nr;
	int err;

	switch (below(4)) {
	case 0:
		nr = 0;
		break;
	case 1:
		nr = 1 + below(100000);
		if (index + nr - 1 < index)
			nr = 1;
		break;
	default:
		nr = 1 + below(20);
		break;
	}
	if (nr)
		end = index + nr - 1;
	err = flush(w.c[client], pool, obj, index, nr, seq);
	if (!at.exists) {
		CHECK_EQ(err, -ENXIO);
		return;
	}
	CHECK_EQ(err, 0);
	/* counts are compared, too: what vanished before is not in the model */
	CHECK_EQ(last.done, model_flush(&m, at.owner, at.pool, obj, index, end,
					seq));		/* I6, I10 */
}

static void do_flush_object(unsigned int client, u32 pool, u64 obj)
{
	u32 seq = below(2) ? 0 : next_seq - below(6);
	struct place at = place_of(client, pool);
	int err = flush_object(w.c[client], pool, obj, seq);

	if (!at.exists) {
		CHECK_EQ(err, -ENXIO);
		return;
	}
	CHECK_EQ(err, 0);
	CHECK_EQ(last.done, model_flush(&m, at.owner, at.pool, obj, 0, ~0ull,
					seq));
}

/* A client leaves the shared pool, or has been made to; returns the pages dropped */
static unsigned int left(unsigned int client)
{
	unsigned int i, members = 0;

	if (!m.client[client].member)
		return 0;
	m.client[client].member = false;
	for (i = 0; i < NR_CLIENTS; i++)
		members += m.client[i].member;
	return members ? 0 : model_drop_pool(&m, MODEL_SHARED, 0);
}

static void do_shared(unsigned int client)
{
	struct model_client *mc = &m.client[client];
	int err;

	switch (below(10)) {
	case 0:
		err = forbid(w.c[client], NAME);
		CHECK_EQ(err, mc->may ? 0 : -ENOENT);
		mc->may = false;
		left(client);
		break;
	case 1:
		err = pool_destroy(w.c[client], MODEL_SLOT);
		CHECK_EQ(err, mc->member ? 0 : -ENXIO);
		if (!err)
			CHECK_EQ(last.done, left(client));
		break;
	case 2 ... 4:
		if (client == 2)	/* never */
			break;
		CHECK_EQ(allow(w.c[client], NAME), 0);
		mc->may = true;
		break;
	default:
		err = join(w.c[client], MODEL_SLOT, NAME);
		CHECK_EQ(err, mc->may ? 0 : -EPERM);
		mc->member = mc->may;
	}
}

static void do_pool(unsigned int client, u32 pool)
{
	struct model_pool *mp = &m.client[client].pool[pool];
	bool persistent = below(2);
	int err;

	if (below(2)) {
		err = pool_destroy(w.c[client], pool);
		CHECK_EQ(err, mp->exists ? 0 : -ENXIO);
		if (mp->exists)
			CHECK_EQ(last.done, model_drop_pool(&m, client, pool));
		return;
	}
	err = pool_create(w.c[client], pool, persistent);
	if (mp->exists) {
		CHECK_EQ(err, mp->persistent == persistent ? 0 : -EEXIST);
		return;
	}
	CHECK_EQ(err, 0);
	mp->exists = true;
	mp->persistent = persistent;
}

static void do_attach(unsigned int client)
{
	u64 epoch;
	u32 pool;

	CHECK_EQ(attach(w.c[client], &epoch), 0);
	CHECK(epoch > m.client[client].epoch);
	m.client[client].epoch = epoch;
	for (pool = 0; pool < MODEL_POOLS; pool++)
		model_drop_pool(&m, client, pool);
	left(client);
}

/* The host takes frames, as a put by nobody, or gives some back */
static void do_size(void)
{
	u32 nr = 1 + below(frames), got, stay = model_count(&m, 0, 1) +
		 model_count(&m, 1, 1) + model_count(&m, 2, 1);

	if (nr_taken && below(2)) {
		nr = 1 + below(nr_taken);
		nr_taken -= nr;
		CHECK_EQ(tstore_give(w.s, taken + nr_taken, nr), 0);
		return;
	}
	may.client = NOBODY;
	may.free = world_free();
	may.frames = nr;
	may.pages = 0;
	may.room = 0;
	may.puts = true;
	got = tstore_take(w.s, taken + nr_taken, nr);
	nr_taken += got;
	if (got == nr)
		return;
	CHECK_EQ(world_stats().ephemeral, 0);
	if (!smaller)
		CHECK(stay + nr_taken + world_stats().object_frames == frames);
}

static void do_control(unsigned int client)
{
	struct model_client *mc = &m.client[client];
	u64 used, limit;

	if (below(3) == 0) {
		tstore_client_set_share(w.c[client], below(2 * frames),
					below(9));
		tstore_divide(w.s,
			      &tstore_policies[below(tstore_nr_policies)]);
		return;
	}
	if (below(2)) {
		mc->frozen = !mc->frozen && !below(3);
		tstore_client_freeze(w.c[client], mc->frozen);
		return;
	}
	used = model_count(&m, client, -1);
	limit = below(3) ? below(frames * 2) : 1000000;
	may_evict(client, 0);
	if (used + slack(used) > limit)
		may.puts = smaller;
	if (used > limit) {
		may.puts = true;
		may.pages = used - limit;
		may.room = 0;
	}
	mc->limit = limit;
	tstore_client_set_limit(w.c[client], limit);
}

static void one_op(void)
{
	unsigned int client = below(NR_CLIENTS);
	u32 pool = below(MODEL_SLOT + 2);
	u64 obj = below(OBJECTS);
	u64 index = base_index() + below(INDICES);
	u32 what = below(1000);

	if (pool > MODEL_SLOT)
		pool = MODEL_SLOT;
	may_evict(client, 0);
	if (what < 450)
		do_put(client, pool, obj, index);
	else if (what < 680)
		do_get(client, pool, obj, index);
	else if (what < 750)
		random_save(&m, client, lib_rand(&rng));
	else if (what < 900)
		do_flush(client, pool, obj, index);
	else if (what < 930)
		do_flush_object(client, pool, obj);
	else if (what < 970 && pool == MODEL_SLOT)
		do_shared(client);
	else if (what < 970)
		do_pool(client, pool);
	else if (what < 975)
		do_attach(client);
	else if (what < 980)
		do_size();
	else
		do_control(client);
	w.data.bad = ~0u;
	vanished();
}

static unsigned long ops = 3000;

static void random_run(void)
{
	static const unsigned int sizes[] = { 2, 5, 17, 40, 90, 200, 600 };
	unsigned int i;

	rng = seed;
	memset(&m, 0, sizeof(m));
	nr_taken = 0;
	next_tag = 0;
	next_seq = lib_rand(&rng);
	frames = sizes[below(ARRAY_SIZE(sizes))];
	world_ghosts = below(2);
	world_packs = below(2);
	world_dedup = !below(3);
	smaller = world_packs || world_dedup;
	world_shared = 1;
	world_open(frames, frames);
	for (i = 0; i < NR_CLIENTS; i++)
		m.client[i].limit = frames;
	m.client[MODEL_SHARED].limit = ~0ull;
	for (i = 0; i < 2; i++) {
		CHECK_EQ(allow(w.c[i], NAME), 0);
		CHECK_EQ(join(w.c[i], MODEL_SLOT, NAME), 0);
		m.client[i].may = true;
		m.client[i].member = true;
	}
	for (op_nr = 0; op_nr < ops; op_nr++) {
		one_op();
		if (op_nr % 16 == 0) {
			same_counts();
			world_check();
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "ops", required_argument, NULL, 'o' },
		{ "runs", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long runs = 40, r;
	char name[64];
	struct scenario sc = { .name = name, .run = random_run };
	int opt;

	seed = 1;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 'o')
			ops = strtoul(optarg, NULL, 0);
		else if (opt == 'r')
			runs = strtoul(optarg, NULL, 0);
		else
			return 2;
	}
	for (r = 0; r < runs; r++, seed++) {
		snprintf(name, sizeof(name), "random --seed %llu --ops %lu",
			 (unsigned long long)seed, ops);
		op_nr = 0;
		lib_run(&sc, 1);
		if (lib_failed) {
			printf("# failed at operation %lu\n", op_nr);
			break;
		}
	}
	printf("# %lu clients moved, %lu saves failed\n", random_saved,
	       random_failed);
	if (runs > 9 && !(random_saved && random_failed))
		lib_result(0, "saves", "none was complete, or none failed");
	return lib_summary();
}
