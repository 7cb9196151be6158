// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a client of the page store becomes a stream
 *
 * A guest that moves to another machine takes along what it put in persistent
 * pools, which nobody else has.  Its host pulls a stream of records, see
 * stream.h, into buffers of its own, piece by piece, and the guest goes on
 * executing until next to nothing is left to be told.
 *
 * While a client is being saved its puts are refused, as if it were frozen.  So
 * its persistent pages can only become fewer: a page that was told of is told
 * of no more than once, and either it is still what it was or it has left.
 *
 * What leaves is written down, by whoever drops it, in a log of names: memory
 * that the host gave.  When the log is full the save has failed, and another
 * may be begun with a larger one.  A pool that is destroyed takes no room in
 * the log: what pools there are is compared, every time, with what was told.
 *
 * The walk over the pages follows the chains of the page hash, shard by shard:
 * on a chain every page is committed, and the lock of the shard keeps it and
 * its object in existence.  Within a chain pages go in the order of their
 * slots, so that a slot number is a position that holds while others add to
 * the chain and take from it.  What leaves a shard that the walk has not
 * reached was not told of, so it need not be written down.
 *
 * A client that attaches begins a new epoch, and has none of what was saved.
 *
 * Fields of struct tstore_save: "L4: " of the client; "O: " of the one who
 * calls tstore_save_*(), which only one does at a time.
 */
#include "private.h"
#include "stream.h"

/* Buckets looked at under one hold of L2_lock */
#define TSTORE_SAVE_BUCKETS	64

/* Such holds in one call, whatever it found: it must not take too long */
#define TSTORE_SAVE_SLICES	256

struct tstore_save {
	struct tstore_client *client;	/* I */
	u64 epoch;		/* I: of the client */

	struct tstore_gone *log;	/* L4: circular */
	u32 entries;		/* I: its size */
	u32 first;		/* L4: its oldest entry */
	u32 nr;			/* L4: entries in use */
	int failed;		/* L4: 0, or why this leads nowhere */
	u32 shard;		/* L4, read by O: that the walk is in */

	u32 bucket;		/* O: of that shard */
	u32 slot;		/* O: pages of lower slots have been told of */
	bool begun;		/* O: the first record has been told */
	bool stopped;		/* O: tstore_save_finish() */
	bool ended;		/* O: the last record has been told */
	u8 *buf;		/* O: where the next record goes */
	size_t left;		/* O: room there */
	struct tstore_record_end end;	/* O: counts so far */
	u32 told[];		/* O: ident of each pool as was told, or 0 */
};

static u32 tstore_client_number(const struct tstore_client *c)
{
	return c - c->store->clients;
}

static void tstore_save_log_locked(struct tstore_save *sv,
				   const struct tstore_key *key, u64 index)
{
	struct tstore_gone *gone;

	env_assert_held(&sv->client->L4_lock);
	gone = &sv->log[((u64)sv->first + sv->nr + sv->entries - 1) %
			sv->entries];
	if (sv->nr && gone->ident == key->ident && gone->nr < TMEM_MAX_RUN &&
	    gone->object[0] == key->name[0] &&
	    gone->object[1] == key->name[1] &&
	    gone->object[2] == key->name[2]) {
		if (index > gone->index && index - gone->index == gone->nr) {
			gone->nr++;
			return;
		}
		if (index < gone->index && gone->index - index == 1) {
			gone->index = index;
			gone->nr++;
			return;
		}
	}
	if (sv->nr == sv->entries) {
		sv->failed = -ENOSPC;
		return;
	}
	gone = &sv->log[((u64)sv->first + sv->nr++) % sv->entries];
	gone->object[0] = key->name[0];
	gone->object[1] = key->name[1];
	gone->object[2] = key->name[2];
	gone->index = index;
	gone->ident = key->ident;
	gone->pool = key->number % sv->client->store->max_pools;
	gone->nr = 1;
}

/**
 * tstore_save_gone_locked() - write down pages that leave
 * @c: their client
 * @sh: their shard, which is locked
 * @key: their object
 * @pages: handles; not found any more, but their object still exists
 * @nr: their number
 */
static void tstore_save_gone_locked(struct tstore_client *c,
				    const struct tstore_shard *sh,
				    const struct tstore_key *key,
				    const u32 *pages, u32 nr)
{
	struct tstore_save *sv = c->save;
	struct tstore *s = c->store;
	struct tstore_key name;
	u64 index;
	u32 i;

	env_assert_held(&c->L4_lock);
	if (tstore_key_kind(key) != TSTORE_PERSISTENT ||
	    *key->pool->ident != key->ident ||
	    (u32)(sh - s->shards) > sv->shard)
		return;
	for (i = 0; i < nr && !sv->failed; i++) {
		index = tstore_page_key(s, tstore_page(s, pages[i]), &name);
		tstore_save_log_locked(sv, key, index);
	}
}

/**
 * tstore_save_begin() - begin to save a client
 * @c: the client; it may be executing requests
 * @log: room for the names of pages that leave during the save; the store's
 *	until tstore_save_end()
 * @entries: entries of @log: runs of up to TMEM_MAX_RUN neighbours of one
 *	object
 *
 * Puts are refused from now on.
 *
 * Context: no lock held; allocates.
 * Return: 0, -ENOMEM, -EINVAL if there is no log, or -EBUSY if the client is
 * being saved or restored already or is attaching
 */
int tstore_save_begin(struct tstore_client *c, struct tstore_gone *log,
		      u32 entries)
{
	struct tstore *s = c->store;
	struct tstore_save *sv;
	size_t pools = s->max_pools * sizeof(sv->told[0]);
	bool busy;

	if (!log || !entries)
		return -EINVAL;
	sv = env_zalloc(sizeof(*sv) + pools);
	if (!sv)
		return -ENOMEM;
	sv->client = c;
	sv->log = log;
	sv->entries = entries;

	spin_lock(&c->L4_lock);
	busy = c->save || c->restore || c->attaching;
	if (!busy) {
		sv->epoch = c->rec->epoch;
		c->save = sv;
		c->gone = tstore_save_gone_locked;
		tstore_freeze_locked(c);
	}
	spin_unlock(&c->L4_lock);
	if (busy) {
		env_free(sv);
		return -EBUSY;
	}
	/* no put that began before is in progress after this */
	tstore_shards_cycle(s);
	return 0;
}

/* An empty record in the buffer, in which there is room for it */
static void *tstore_save_record(u8 *at, enum tstore_record_type type)
{
	u32 bytes = tstore_record_bytes(type);
	struct tstore_stream_head *head = (struct tstore_stream_head *)at;

	memset(head, 0, bytes < TSTORE_RECORD_FIXED ? bytes :
						      TSTORE_RECORD_FIXED);
	head->type = type;
	head->bytes = bytes;
	return head;
}

/* The next record of the buffer is complete */
static void tstore_save_emit(struct tstore_save *sv)
{
	struct tstore_stream_head *head = (struct tstore_stream_head *)sv->buf;
	u32 bytes = head->bytes;

	head->sum = tstore_record_sum(head, bytes > TSTORE_RECORD_FIXED ?
			sv->buf + TSTORE_RECORD_FIXED : NULL);
	sv->end.sums = tstore_stream_mix(sv->end.sums, head->sum);
	sv->buf += bytes;
	sv->left -= bytes;
}

static void tstore_save_start(struct tstore_save *sv)
{
	struct tstore_client *c = sv->client;
	struct tstore_record_start *start;

	start = tstore_save_record(sv->buf, TSTORE_RECORD_START);
	start->magic = TSTORE_STREAM_MAGIC;
	start->version = TSTORE_STREAM_VERSION;
	start->page_shift = PAGE_SHIFT;
	start->epoch = sv->epoch;
	start->max_pools = c->store->max_pools;
	spin_lock(&c->L4_lock);
	start->features = c->rec->features;
	spin_unlock(&c->L4_lock);
	tstore_save_emit(sv);
	sv->begun = true;
}

static bool tstore_save_pop(struct tstore_save *sv, struct tstore_gone *gone)
{
	struct tstore_client *c = sv->client;
	bool found;

	spin_lock(&c->L4_lock);
	found = sv->nr;
	if (found) {
		*gone = sv->log[sv->first];
		sv->first = ((u64)sv->first + 1) % sv->entries;
		sv->nr--;
	}
	spin_unlock(&c->L4_lock);
	return found;
}

/* Tells of the pages in the log; false if the buffer is too small for all */
static bool tstore_save_flushes(struct tstore_save *sv)
{
	struct tstore_record_page *rec;
	struct tstore_gone gone;

	while (sv->left >= sizeof(*rec)) {
		if (!tstore_save_pop(sv, &gone))
			return true;
		env_relax();
		/* of a pool that was not told of, or that will be told dead */
		if (sv->told[gone.pool] != gone.ident)
			continue;
		rec = tstore_save_record(sv->buf, TSTORE_RECORD_FLUSH);
		rec->object[0] = gone.object[0];
		rec->object[1] = gone.object[1];
		rec->object[2] = gone.object[2];
		rec->index = gone.index;
		rec->pool = gone.pool;
		rec->nr_pages = gone.nr;
		sv->end.flushes++;
		tstore_save_emit(sv);
	}
	return false;
}

static void tstore_save_pool(struct tstore_save *sv, u32 id, u32 ident)
{
	enum tstore_record_type type = ident ? TSTORE_RECORD_POOL :
					       TSTORE_RECORD_POOL_GONE;
	struct tstore_record_pool *rec = tstore_save_record(sv->buf, type);

	rec->id = id;
	if (ident & TSTORE_IDENT_PERSISTENT)
		rec->flags = TMEM_POOL_PERSISTENT;
	if (ident)
		sv->end.pools++;
	else
		sv->end.pools_gone++;
	sv->told[id] = ident;
	tstore_save_emit(sv);
}

/* The ident of a pool, or 0: shared pools are not taken along */
static u32 tstore_save_ident(struct tstore_client *c, u32 id)
{
	u32 ident = env_read_once(*c->pools[id].ident);

	return ident & TSTORE_IDENT_SHARED ? 0 : ident;
}

/* Tells which pools came and went; false if the buffer is too small for all */
static bool tstore_save_pools(struct tstore_save *sv)
{
	struct tstore_client *c = sv->client;
	u32 id, ident;

	for (id = 0; id < c->store->max_pools; id++) {
		ident = tstore_save_ident(c, id);
		if (ident == sv->told[id])
			continue;
		if (sv->left < 2 * sizeof(struct tstore_record_pool))
			return false;
		if (sv->told[id])
			tstore_save_pool(sv, id, 0);
		if (ident)
			tstore_save_pool(sv, id, ident);
	}
	return true;
}

/* Is this a page to tell of?  If so, its name. */
static bool tstore_save_wants(struct tstore_save *sv,
			      const struct tstore_page *page,
			      struct tstore_key *key, u64 *index)
{
	struct tstore_client *c = sv->client;
	struct tstore *s = c->store;
	u32 id, ident;

	*index = tstore_page_key(s, page, key);
	if (key->number / s->max_pools != tstore_client_number(c))
		return false;
	id = key->number % s->max_pools;
	ident = env_read_once(*c->pools[id].ident);
	return ident & TSTORE_IDENT_PERSISTENT && ident == sv->told[id];
}

/* The next page to tell of on the chain that the walk is in */
static u32 tstore_save_find_locked(struct tstore_save *sv,
				   struct tstore_shard *sh,
				   struct tstore_key *key, u64 *index)
{
	struct tstore *s = sv->client->store;
	u32 p, found = TSTORE_NONE;
	struct tstore_key name;
	u64 i;

	env_assert_held(&sh->L2_lock);
	for (p = sh->buckets[sv->bucket]; p != TSTORE_NONE;
	     p = tstore_page(s, p)->hnext) {
		if (p < sv->slot || p >= found ||
		    !tstore_save_wants(sv, tstore_page(s, p), &name, &i))
			continue;
		found = p;
		*key = name;
		*index = i;
	}
	return found;
}

/* Copies a page with its name, as it was before it was packed */
static bool tstore_save_page_locked(struct tstore *s, struct tstore_shard *sh,
				    const struct tstore_key *key, u64 index,
				    u32 p, u8 *at)
{
	struct tstore_record_page *rec;

	env_assert_held(&sh->L2_lock);
	rec = tstore_save_record(at, TSTORE_RECORD_PAGE);
	rec->object[0] = key->name[0];
	rec->object[1] = key->name[1];
	rec->object[2] = key->name[2];
	rec->index = index;
	rec->pool = key->number % s->max_pools;
	rec->nr_pages = 1;
	rec->seq = tstore_page(s, p)->seq;
	return tstore_page_read_locked(s, sh, p, rec + 1);
}

static void tstore_save_fail(struct tstore_save *sv, int err)
{
	struct tstore_client *c = sv->client;

	spin_lock(&c->L4_lock);
	sv->failed = err;
	spin_unlock(&c->L4_lock);
}

/* Goes on with the walk; false: it is over */
static bool tstore_save_walk(struct tstore_save *sv)
{
	struct tstore_client *c = sv->client;
	u32 steps = TSTORE_SAVE_BUCKETS;
	struct tstore_key key = { 0 };
	struct tstore *s = c->store;
	struct tstore_shard *sh;
	u64 index = 0;
	u32 i, p, nr = 0;
	u8 *at;

	if (sv->shard == s->nr_shards)
		return false;
	sh = &s->shards[sv->shard];
	spin_lock(&sh->L2_lock);
	while (nr < TSTORE_SLICE && steps && sv->bucket < s->shard_buckets &&
	       sv->left >= (nr + 1) * TSTORE_SAVE_BYTES) {
		p = tstore_save_find_locked(sv, sh, &key, &index);
		if (p == TSTORE_NONE) {
			sv->bucket++;
			sv->slot = 0;
			steps--;
			continue;
		}
		at = sv->buf + nr * TSTORE_SAVE_BYTES;
		if (tstore_save_page_locked(s, sh, &key, index, p, at))
			nr++;
		else
			tstore_save_fail(sv, -EFAULT);
		sv->slot = p + 1;
	}
	spin_unlock(&sh->L2_lock);
	for (i = 0; i < nr; i++)
		tstore_save_emit(sv);
	sv->end.pages += nr;
	if (sv->bucket == s->shard_buckets) {
		spin_lock(&c->L4_lock);
		sv->shard++;
		spin_unlock(&c->L4_lock);
		sv->bucket = 0;
	}
	return true;
}

static void tstore_save_last(struct tstore_save *sv)
{
	struct tstore_record_end *rec;

	rec = tstore_save_record(sv->buf, TSTORE_RECORD_END);
	rec->pools = sv->end.pools;
	rec->pages = sv->end.pages;
	rec->flushes = sv->end.flushes;
	rec->pools_gone = sv->end.pools_gone;
	rec->sums = sv->end.sums;
	tstore_save_emit(sv);
	sv->ended = true;
}

/* 0, or why the save has failed */
static int tstore_save_failed(struct tstore_save *sv)
{
	struct tstore_client *c = sv->client;
	int err;

	spin_lock(&c->L4_lock);
	if (!sv->failed && (c->attaching || c->rec->epoch != sv->epoch))
		sv->failed = -ENOTCONN;
	err = sv->failed;
	spin_unlock(&c->L4_lock);
	return err;
}

/* Fills the buffer; false if there is nothing to tell at the moment */
static bool tstore_save_fill(struct tstore_save *sv)
{
	u32 slices = TSTORE_SAVE_SLICES;

	if (sv->ended)
		return false;
	if (!sv->begun)
		tstore_save_start(sv);
	if (!tstore_save_flushes(sv) || !tstore_save_pools(sv))
		return true;
	while (slices-- && sv->left >= TSTORE_SAVE_BYTES) {
		if (!tstore_save_walk(sv)) {
			if (sv->stopped)
				tstore_save_last(sv);
			return false;
		}
		env_relax();
	}
	return true;
}

/**
 * tstore_save_next() - the next piece of the stream
 * @c: a client that is being saved
 * @buf: where it goes; aligned to 8 bytes
 * @bytes: room there, TSTORE_SAVE_BYTES at least
 * @used: out: bytes written, whole records
 *
 * Called again and again, with a buffer that has been sent or another, until
 * it returns 0: by then all pages have been told of, and some may have left
 * since.  To be called now and then while the client goes on, so that the log
 * does not fill up; and, after tstore_save_finish(), until it returns 0 once
 * more.
 *
 * Context: no lock held; one caller at a time; env_relax() between slices.  A
 * call takes a bounded time, so it may return 1 with nothing in the buffer.
 * Return: 1 if there is more, 0 if there is nothing more at the moment, -EINVAL
 * if the client is not being saved or the buffer is too small, -ENOSPC if the
 * log was too small, -ENOTCONN if the client has attached, or -EFAULT if the
 * arena is damaged where one of its pages was.  After the latter three, this
 * save can only be ended.
 */
int tstore_save_next(struct tstore_client *c, void *buf, size_t bytes,
		     size_t *used)
{
	struct tstore_save *sv = c->save;
	bool more;
	int err;

	*used = 0;
	if (!sv || bytes < TSTORE_SAVE_BYTES || (uintptr_t)buf & 7)
		return -EINVAL;
	err = tstore_save_failed(sv);
	if (err)
		return err;
	sv->buf = buf;
	sv->left = bytes;
	more = tstore_save_fill(sv);
	*used = bytes - sv->left;
	err = tstore_save_failed(sv);
	return err ? err : more;
}

/**
 * tstore_save_finish() - say that the client is stopped
 * @c: a client that is being saved; it executes nothing any more
 *
 * tstore_save_next() then tells the rest, and that it was the rest.
 *
 * Context: as tstore_save_next().
 */
void tstore_save_finish(struct tstore_client *c)
{
	if (c->save)
		c->save->stopped = true;
}

/* Does the stream say what there is? */
static int tstore_save_result(struct tstore_save *sv)
{
	struct tstore_client *c = sv->client;
	int err = tstore_save_failed(sv);
	u32 id;

	if (err)
		return err;
	spin_lock(&c->L4_lock);
	if (!sv->ended || sv->nr)
		err = -EBUSY;
	for (id = 0; id < c->store->max_pools; id++)
		if (tstore_save_ident(c, id) != sv->told[id])
			err = -EBUSY;
	spin_unlock(&c->L4_lock);
	return err;
}

/**
 * tstore_save_end() - end the save of a client
 * @c: the client
 *
 * At any time.  The client has all that it had and may put again, unless the
 * host froze it.  If it lives on elsewhere, it is to be destroyed.
 *
 * Context: as tstore_save_next().
 * Return: 0 if the stream is complete and the client is what it says; -EBUSY if
 * it is not complete, or a request has been executed since; -EINVAL if the
 * client was not being saved; or what tstore_save_next() says of a save that
 * has failed
 */
int tstore_save_end(struct tstore_client *c)
{
	struct tstore_save *sv = c->save;
	int err;

	if (!sv)
		return -EINVAL;
	err = tstore_save_result(sv);
	spin_lock(&c->L4_lock);
	c->save = NULL;
	c->gone = NULL;
	tstore_freeze_locked(c);
	spin_unlock(&c->L4_lock);
	env_free(sv);
	return err;
}
