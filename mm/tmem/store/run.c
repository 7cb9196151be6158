// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: put, get and flush of runs in the page store
 *
 * A run is handled in slices under the lock of one shard each.  Pages are
 * copied with that lock held: nobody can see half a page, and nothing has to
 * be pinned.  What that costs is concurrency within one shard only.
 */
#include "private.h"

/* Of so many pages of a pool, so many percent should get smaller by packing */
#define TSTORE_PACK_TRIES	128U
#define TSTORE_PACK_MIN		10U

/*
 * If they do not, so many pages are put as they are before it is tried again,
 * but no more than an eighth of the frames: they would fill a small store, where
 * nothing is put then, and so nothing tried.
 */
#define TSTORE_PACK_PAUSE	4096U

/* Length of the next slice: no further than the shard of its first page */
static u32 tstore_slice(u64 index, u32 left)
{
	u32 nr = (1U << TSTORE_SHARD_SHIFT) -
		 (index & ((1U << TSTORE_SHARD_SHIFT) - 1));

	if (nr > TSTORE_SLICE)
		nr = TSTORE_SLICE;
	return nr < left ? nr : left;
}

/**
 * struct tstore_put_slice - a part of a run on its way in
 * @key: the object
 * @sh: the shard
 * @data: pages of the whole run
 * @index: first page
 * @at: its number in the run
 * @nr: pages
 * @seq: of the put
 * @frames: frames that the slice takes
 * @bytes: what it is charged
 * @pages: its slots
 * @words: where the pages are, if they are packed, or 0
 */
struct tstore_put_slice {
	const struct tstore_key *key;
	struct tstore_shard *sh;
	env_data_t data;
	u64 index;
	u32 at;
	u32 nr;
	u32 seq;
	u32 frames;
	u64 bytes;
	u32 pages[TSTORE_SLICE];
	u32 words[TSTORE_SLICE];
};

/*
 * Drops older copies of the pages of the slice.  Whatever becomes of the put,
 * they must not be found again, and at no time are there two of one name.
 */
static void tstore_put_replace_locked(struct tstore *s,
				      struct tstore_put_slice *ps)
{
	u32 pages[TSTORE_SLICE];
	u32 i, nr = 0;
	u32 *link;

	env_assert_held(&ps->sh->L2_lock);
	for (i = 0; i < ps->nr; i++) {
		link = tstore_page_find_locked(s, ps->sh, ps->key,
					       ps->index + i);
		if (*link != TSTORE_NONE)
			pages[nr++] = tstore_page_unhash_locked(s, ps->sh,
								link);
	}
	if (nr)
		tstore_page_drop_locked(s, ps->sh, ps->key, pages, nr,
					tstore_shard_home(s, ps->sh));
	ps->sh->stat[TSTORE_REPLACED] += nr;
}

/*
 * Copies as many pages as can be mapped; returns their number.  From here on the
 * client cannot change them.
 */
static u32 tstore_put_copy(struct tstore *s, struct tstore_put_slice *ps)
{
	void *src;
	u32 i;

	for (i = 0; i < ps->nr; i++) {
		src = env_data_map(ps->data, ps->at + i);
		if (!src)
			break;
		if (i + 1 < ps->nr)
			env_prefetch(tstore_page_data(s, ps->pages[i + 1]));
		memcpy(tstore_page_data(s, ps->pages[i]), src, PAGE_SIZE);
		env_data_unmap(src);
		ps->words[i] = 0;
	}
	return i;
}

/* Does it pay to pack the pages of this pool?  See tstore_put_learn_locked(). */
static bool tstore_put_packs(struct tstore *s,
			     const struct tstore_put_slice *ps)
{
	return s->codec && !env_read_once(ps->key->pool->unpacked);
}

/*
 * Has a page of the slice be where it takes less; @bare is the slot that it will
 * have then.  Returns the word of that, or 0 if the page stays where it is.
 */
static u32 tstore_put_smaller(struct tstore *s, struct tstore_put_slice *ps,
			      u32 i, u32 bare)
{
	u32 frame = ps->pages[i], home = tstore_shard_home(s, ps->sh);
	u32 word = tstore_page_same(tstore_page_data(s, frame));

	if (!word && s->dedup)
		return tstore_content_get(s, ps->key->client, frame,
					  tstore_put_packs(s, ps));
	if (!word)
		word = tstore_page_encode(s, ps->sh - s->shards, 0,
					  tstore_page_data(s, frame), bare);
	if (word)
		tstore_page_free(s, home, &frame, 1);
	return word;
}

/* Moves what gets smaller by it from frames to chunks */
static void tstore_put_encode(struct tstore *s, struct tstore_put_slice *ps,
			      u32 nr)
{
	u32 home = tstore_shard_home(s, ps->sh);
	u32 bare = tstore_bare_alloc(s, home);
	u32 i;

	for (i = 0; i < nr && bare != TSTORE_NONE; i++) {
		ps->words[i] = tstore_put_smaller(s, ps, i, bare);
		if (!ps->words[i])
			continue;
		ps->pages[i] = bare;
		ps->bytes -= PAGE_SIZE - tstore_word_cost(s, ps->words[i]);
		bare = tstore_bare_alloc(s, home);
	}
	if (bare != TSTORE_NONE)
		tstore_page_free(s, home, &bare, 1);
}

/* Undoes the reservation of all pages of the slice but the first @nr */
static void tstore_put_release(struct tstore *s, struct tstore_put_slice *ps,
			       u32 nr)
{
	struct tstore_client *c = ps->key->client;
	u32 home = tstore_shard_home(s, ps->sh);
	u64 bytes = 0;
	u32 i;

	for (i = nr; i < ps->nr; i++) {
		bytes += tstore_word_cost(s, ps->words[i]);
		if (ps->words[i])
			tstore_word_free(s, c, ps->words[i], home);
	}
	tstore_page_free(s, home, ps->pages + nr, ps->nr - nr);
	spin_lock(&c->L4_lock);
	tstore_charge_locked(c, tstore_key_kind(ps->key), -(s64)(ps->nr - nr),
			     -(s64)bytes);
	spin_unlock(&c->L4_lock);
}

static bool tstore_put_got_smaller(struct tstore *s, u32 word)
{
	struct tstore_page *content;

	if (tstore_word_is_shared(word)) {
		content = tstore_page(s, tstore_word_content(word));
		word = env_read_once(content->word);
	}
	return word & TSTORE_WORD_PACKED;
}

static u32 tstore_put_pause(struct tstore *s)
{
	u32 some = s->nr_frames / 8;

	return some < TSTORE_PACK_PAUSE ? some : TSTORE_PACK_PAUSE;
}

/*
 * A pool whose pages hardly get smaller is left alone for a while, and then
 * tried again.
 */
static void tstore_put_learn_locked(struct tstore *s,
				    struct tstore_put_slice *ps, u32 nr)
{
	struct tstore_pool *pool = ps->key->pool;
	u32 i;

	env_assert_held(&ps->key->client->L4_lock);
	if (pool->unpacked) {
		env_write_once(pool->unpacked, pool->unpacked > nr ?
					       pool->unpacked - nr : 0);
		return;
	}
	for (i = 0; i < nr; i++)
		pool->packed += tstore_put_got_smaller(s, ps->words[i]);
	pool->tried += nr;
	if (pool->tried < TSTORE_PACK_TRIES)
		return;
	if (pool->packed * 100 < pool->tried * TSTORE_PACK_MIN)
		env_write_once(pool->unpacked, tstore_put_pause(s));
	pool->tried = 0;
	pool->packed = 0;
}

/* Makes the first @nr pages of the slice visible */
static int tstore_put_commit_locked(struct tstore *s,
				    struct tstore_put_slice *ps, u32 nr)
{
	enum tstore_kind kind = tstore_key_kind(ps->key);
	struct tstore_client *c = ps->key->client;
	u32 i, solo = 0;
	int err;

	env_assert_held(&ps->sh->L2_lock);
	for (i = 0; i < nr; i++) {
		tstore_page_name(tstore_page(s, ps->pages[i]), ps->key,
				 ps->index + i);
		tstore_page(s, ps->pages[i])->seq = ps->seq;
	}
	/* solo pages are the first ones of an object, and so of the slice */
	while (solo < nr && tstore_key_solo(ps->key, ps->index + solo))
		solo++;
	if (nr > solo) {
		err = tstore_object_link(s, ps->key, ps->pages + solo,
					 nr - solo);
		if (err)
			return err;
	}
	for (i = 0; i < nr; i++)
		tstore_page_hash_locked(s, ps->sh, ps->key, ps->index + i,
					ps->pages[i], ps->words[i]);

	spin_lock(&c->L4_lock);
	tstore_put_learn_locked(s, ps, nr);
	ps->key->pool->pages += nr;
	for (i = 0; i < solo; i++)
		tstore_solo_add_locked(c, ps->key->pool, ps->pages[i]);
	for (i = 0; kind == TSTORE_EPHEMERAL && i < nr; i++)
		tstore_queue_add_locked(s, c, ps->pages[i]);
	spin_unlock(&c->L4_lock);

	ps->sh->stat[TSTORE_STORED] += nr;
	return 0;
}

/* May the pages of the slice be stored?  Then older copies are gone. */
static int tstore_put_begin_locked(struct tstore *s,
				   struct tstore_put_slice *ps)
{
	env_assert_held(&ps->sh->L2_lock);
	if (!tstore_key_alive(ps->key))
		return -ENXIO;
	if (env_read_once(ps->key->asker->frozen) >>
	    tstore_key_kind(ps->key) & 1)
		return -EBUSY;
	tstore_put_replace_locked(s, ps);
	return 0;
}

/*
 * Fills the reserved frames, and packs what they hold, which takes so long that
 * the shard is let go of meanwhile: whoever put the same pages has then come
 * first.  Returns the number of pages.
 */
static u32 tstore_put_fill_locked(struct tstore *s,
				  struct tstore_put_slice *ps, int *err)
{
	struct tstore_client *c = ps->key->client;
	u32 nr;

	env_assert_held(&ps->sh->L2_lock);
	memset(ps->words, 0, sizeof(ps->words));
	if (!s->dedup && !tstore_put_packs(s, ps))
		return tstore_put_copy(s, ps);

	spin_unlock(&ps->sh->L2_lock);
	nr = tstore_put_copy(s, ps);
	ps->bytes = (u64)nr * PAGE_SIZE;
	tstore_put_encode(s, ps, nr);
	spin_lock(&c->L4_lock);
	tstore_charge_locked(c, tstore_key_kind(ps->key), 0,
			     ps->bytes - (u64)nr * PAGE_SIZE);
	spin_unlock(&c->L4_lock);
	spin_lock(&ps->sh->L2_lock);
	*err = tstore_put_begin_locked(s, ps);
	return nr;
}

/*
 * Stores a prefix of the slice; on return ps->nr is its length, and an error
 * says why it is not all of it.  After -EDQUOT and -ENOSPC ps->nr is as it
 * was, and room for ps->nr pages in ps->frames frames would help.
 */
static int tstore_put_slice(struct tstore *s, struct tstore_put_slice *ps)
{
	enum tstore_kind kind = tstore_key_kind(ps->key);
	struct tstore_client *c = ps->key->client;
	u32 nr = 0;
	int err;

	spin_lock(&ps->sh->L2_lock);
	err = tstore_put_begin_locked(s, ps);
	if (err) {
		ps->nr = 0;
		goto unlock;
	}
	ps->frames = ps->nr;
	err = tstore_reserve(c, kind, tstore_shard_home(s, ps->sh), ps->pages,
			     ps->nr);
	if (err)
		goto unlock;

	nr = tstore_put_fill_locked(s, ps, &err);
	if (!err && nr)
		err = tstore_put_commit_locked(s, ps, nr);
	if (!err && nr == ps->nr)
		goto unlock;
	/* the object needs a frame too */
	if (err)
		nr = 0;
	tstore_put_release(s, ps, nr);
	if (err == -ENOSPC) {
		ps->frames++;
	} else {
		ps->nr = nr;
		if (!err)
			err = -EFAULT;
	}
unlock:
	spin_unlock(&ps->sh->L2_lock);
	return err;
}

/* Stores one slice, evicting what it takes, page by page if it must be */
static int tstore_put_some(struct tstore *s, struct tstore_put_slice *ps,
			   u64 protect)
{
	struct tstore_client *c = ps->key->client;
	u32 home = tstore_shard_home(s, ps->sh);
	unsigned int tries = 16;
	int err, room;

	for (;;) {
		err = tstore_put_slice(s, ps);
		if (err != -EDQUOT && err != -ENOSPC)
			return err;
		room = -ENOSPC;
		if (tries--)
			room = tstore_make_room(c, home, ps->nr,
						ps->frames, protect);
		if (!room)
			continue;
		if (ps->nr == 1) {
			ps->nr = 0;
			return room;
		}
		ps->nr = 1;
		tries = 16;
	}
}

/* A put that failed leaves no older copy of a page behind either */
static void tstore_put_undo(struct tstore *s, const struct tstore_key *key,
			    u64 index, u32 nr)
{
	u32 i, few;

	for (i = 0; i < nr; i += few) {
		few = tstore_slice(index + i, nr - i);
		tstore_flush_few(s, key, index + i, few, 0);
		env_relax();
	}
}

static void tstore_put_refused(struct tstore_client *c, int err)
{
	spin_lock(&c->L4_lock);
	if (err == -ENOSPC)
		c->reject[TSTORE_REJECT_FULL]++;
	else if (err == -EDQUOT)
		c->reject[TSTORE_REJECT_LIMIT]++;
	else if (err == -EBUSY)
		c->reject[TSTORE_REJECT_FROZEN]++;
	spin_unlock(&c->L4_lock);
}

/* TMEM_OP_PUT */
int tstore_put(const struct tstore_key *key, const struct tmem_req *req,
	       env_data_t data, struct tstore_work *work)
{
	bool persistent = tstore_key_kind(key) == TSTORE_PERSISTENT;
	struct tstore *s = key->client->store;
	struct tstore_put_slice ps;
	int err = 0;

	ps.key = key;
	ps.data = data;
	ps.seq = req->seq;
	for (ps.at = 0; !err && ps.at < req->nr_pages; ps.at += ps.nr) {
		ps.index = req->index + ps.at;
		ps.nr = tstore_slice(ps.index, req->nr_pages - ps.at);
		ps.sh = tstore_shard(s, key, ps.index);
		err = tstore_put_some(s, &ps, persistent ? 0 : ps.at);
		env_relax();
	}
	work->done = ps.at;
	tstore_note(key, req->index, ps.at, tstore_ghost_put);
	if (!err)
		return 0;

	tstore_put_refused(key->asker, err);
	if (persistent)
		work->done = 0;
	tstore_put_undo(s, key, req->index + work->done,
			req->nr_pages - work->done);
	return work->done ? 0 : err;
}

/*
 * Has the processor fetch what a get of a page is most likely to need; false if
 * there is no such page for certain.
 */
static bool tstore_get_ahead(struct tstore *s, struct tstore_shard *sh,
			     const struct tstore_key *key, u64 index)
{
	u32 p = *tstore_bucket(s, key, index);

	env_assert_held(&sh->L2_lock);
	if (p == TSTORE_NONE)
		return false;
	env_prefetch(tstore_page(s, p));
	if (p < s->nr_frames)
		env_prefetch(tstore_page_data(s, p));
	return true;
}

/* Copies a page out; @next says whether the one after it is wanted, too */
static int tstore_get_page_locked(struct tstore *s, struct tstore_shard *sh,
				  const struct tstore_key *key, u64 index,
				  bool next, void *dst, u32 **link)
{
	env_assert_held(&sh->L2_lock);
	if (dst)
		env_prefetch(dst);
	*link = tstore_page_find_locked(s, sh, key, index);
	if (**link == TSTORE_NONE)
		return -ENOENT;
	if (next)
		tstore_get_ahead(s, sh, key, index + 1);
	if (!dst || !tstore_page_read_locked(s, sh, **link, dst))
		return -EFAULT;
	return 0;
}

/* Returns a prefix of @nr pages of one shard; an error says why not all */
static int tstore_get_slice(struct tstore *s, const struct tstore_key *key,
			    u64 index, env_data_t data, u32 at, u32 *nr)
{
	bool ephemeral = tstore_key_kind(key) == TSTORE_EPHEMERAL;
	struct tstore_shard *sh = tstore_shard(s, key, index);
	u32 home = tstore_shard_home(s, sh);
	u32 pages[TSTORE_SLICE];
	int err = 0;
	u32 *link;
	void *dst;
	u32 i;

	spin_lock(&sh->L2_lock);
	if (!tstore_key_alive(key))
		err = -ENXIO;
	else if (!tstore_get_ahead(s, sh, key, index))
		err = -ENOENT;
	for (i = 0; !err && i < *nr; i++) {
		dst = env_data_map(data, at + i);
		err = tstore_get_page_locked(s, sh, key, index + i,
					     i + 1 < *nr, dst, &link);
		if (dst)
			env_data_unmap(dst);
		if (err)
			break;
		if (ephemeral)
			pages[i] = tstore_key_shared(key) ? *link :
				tstore_page_unhash_locked(s, sh, link);
	}
	/* a page of a private pool leaves, one of a shared pool does not */
	if (ephemeral && i && tstore_key_shared(key))
		tstore_queue_renew(s, key->client, pages, i);
	else if (ephemeral && i)
		tstore_page_drop_locked(s, sh, key, pages, i, home);
	sh->stat[TSTORE_HITS] += i;
	if (err == -ENOENT && !at && !i)
		sh->stat[TSTORE_MISSES]++;
	spin_unlock(&sh->L2_lock);
	*nr = i;
	return err;
}

/* TMEM_OP_GET */
int tstore_get(const struct tstore_key *key, const struct tmem_req *req,
	       env_data_t data, struct tstore_work *work)
{
	struct tstore *s = key->client->store;
	int err = 0;
	u32 at, nr;

	for (at = 0; !err && at < req->nr_pages; at += nr) {
		nr = tstore_slice(req->index + at, req->nr_pages - at);
		err = tstore_get_slice(s, key, req->index + at, data, at, &nr);
		env_relax();
	}
	work->done = at;
	tstore_note(key, req->index, at + (err == -ENOENT), tstore_ghost_get);
	if (tstore_key_shared(key))
		tstore_note(key, req->index, at, tstore_ghost_stay);
	return at ? 0 : err;
}

/* Asks for each index of a range */
static int tstore_flush_each(struct tstore *s, const struct tstore_key *key,
			     const struct tmem_req *req,
			     struct tstore_work *work)
{
	u64 index;
	u32 nr;

	while (work->asked < req->nr_pages) {
		index = req->index + work->asked;
		nr = tstore_slice(index, req->nr_pages - work->asked);
		work->done += tstore_flush_few(s, key, index, nr, req->seq);
		work->asked += nr;
		env_relax();
		if (work->asked < req->nr_pages && env_stop())
			return TSTORE_STOPPED;
	}
	return 0;
}

/* TMEM_OP_FLUSH */
int tstore_flush(const struct tstore_key *key, const struct tmem_req *req,
		 env_data_t data __always_unused, struct tstore_work *work)
{
	struct tstore *s = key->client->store;
	u64 last = ~0ULL;

	if (req->nr_pages)
		last = req->index + req->nr_pages - 1;
	/* ask for each index, or look at each page, whichever is less */
	if (work->asked ||
	    (!work->left && req->nr_pages &&
	     (req->nr_pages <= TSTORE_SLICE ||
	      req->nr_pages <= tstore_object_count(s, key))))
		return tstore_flush_each(s, key, req, work);
	return tstore_object_flush(s, key, req->index, last, req->seq, work) ?
	       0 : TSTORE_STOPPED;
}

/* TMEM_OP_FLUSH_OBJECT */
int tstore_flush_object(const struct tstore_key *key,
			const struct tmem_req *req,
			env_data_t data __always_unused, struct tstore_work *work)
{
	struct tstore *s = key->client->store;

	return tstore_object_flush(s, key, 0, ~0ULL, req->seq, work) ?
	       0 : TSTORE_STOPPED;
}
