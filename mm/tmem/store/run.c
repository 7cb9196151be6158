// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: put, get and flush of runs in the page store
 *
 * A run is handled in slices under the lock of one shard each.  Pages are
 * copied with that lock held: nobody can see half a page, and nothing has to
 * be pinned.  What that costs is concurrency within one shard only.
 */
#include "private.h"

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
 * @pages: reserved slots
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
	u32 pages[TSTORE_SLICE];
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

/* Copies as many pages as can be mapped; returns their number */
static u32 tstore_put_copy_locked(struct tstore *s,
				  struct tstore_put_slice *ps)
{
	struct tstore_page *page;
	void *src;
	u32 i;

	env_assert_held(&ps->sh->L2_lock);
	for (i = 0; i < ps->nr; i++) {
		src = env_data_map(ps->data, ps->at + i);
		if (!src)
			break;
		page = tstore_page(s, ps->pages[i]);
		tstore_page_name(page, ps->key, ps->index + i);
		page->seq = ps->seq;
		memcpy(tstore_page_data(s, ps->pages[i]), src, PAGE_SIZE);
		env_data_unmap(src);
	}
	return i;
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
					ps->pages[i]);

	spin_lock(&c->L4_lock);
	ps->key->pool->pages += nr;
	for (i = 0; i < solo; i++)
		tstore_solo_add_locked(c, ps->key->pool, ps->pages[i]);
	for (i = 0; kind == TSTORE_EPHEMERAL && i < nr; i++)
		tstore_queue_add_locked(s, c, ps->pages[i]);
	spin_unlock(&c->L4_lock);

	ps->sh->stat[TSTORE_STORED] += nr;
	return 0;
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
	u32 home = tstore_shard_home(s, ps->sh);
	int err = 0;
	u32 nr;

	spin_lock(&ps->sh->L2_lock);
	if (!tstore_key_alive(ps->key))
		err = -ENXIO;
	else if (env_read_once(c->rec->frozen))
		err = -EBUSY;
	if (err) {
		ps->nr = 0;
		goto unlock;
	}
	tstore_put_replace_locked(s, ps);
	ps->frames = ps->nr;
	err = tstore_reserve(c, kind, home, ps->pages, ps->nr);
	if (err)
		goto unlock;

	nr = tstore_put_copy_locked(s, ps);
	if (nr)
		err = tstore_put_commit_locked(s, ps, nr);
	if (err) {
		/* the object needs a frame too */
		ps->frames++;
		tstore_unreserve(c, kind, home, ps->pages, ps->nr);
		goto unlock;
	}
	if (nr < ps->nr) {
		tstore_unreserve(c, kind, home, ps->pages + nr, ps->nr - nr);
		ps->nr = nr;
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
	       env_data_t data, u32 *done)
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
	*done = ps.at;
	tstore_note(key, req->index, ps.at, tstore_ghost_put);
	if (!err)
		return 0;

	tstore_put_refused(key->client, err);
	if (persistent)
		*done = 0;
	tstore_put_undo(s, key, req->index + *done, req->nr_pages - *done);
	return *done ? 0 : err;
}

/* Returns a prefix of @nr pages of one shard; an error says why not all */
static int tstore_get_slice(struct tstore *s, const struct tstore_key *key,
			    u64 index, env_data_t data, u32 at, u32 *nr)
{
	bool exclusive = tstore_key_kind(key) == TSTORE_EPHEMERAL;
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
	for (i = 0; !err && i < *nr; i++) {
		link = tstore_page_find_locked(s, sh, key, index + i);
		if (*link == TSTORE_NONE) {
			err = -ENOENT;
			break;
		}
		dst = env_data_map(data, at + i);
		if (!dst) {
			err = -EFAULT;
			break;
		}
		memcpy(dst, tstore_page_data(s, *link), PAGE_SIZE);
		env_data_unmap(dst);
		if (exclusive)
			pages[i] = tstore_page_unhash_locked(s, sh, link);
	}
	if (exclusive && i)
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
	       env_data_t data, u32 *done)
{
	struct tstore *s = key->client->store;
	int err = 0;
	u32 at, nr;

	for (at = 0; !err && at < req->nr_pages; at += nr) {
		nr = tstore_slice(req->index + at, req->nr_pages - at);
		err = tstore_get_slice(s, key, req->index + at, data, at, &nr);
		env_relax();
	}
	*done = at;
	tstore_note(key, req->index, at + (err == -ENOENT), tstore_ghost_get);
	return at ? 0 : err;
}

/* TMEM_OP_FLUSH */
int tstore_flush(const struct tstore_key *key, const struct tmem_req *req,
		 env_data_t data __always_unused, u32 *done)
{
	struct tstore *s = key->client->store;
	u64 last = ~0ULL;
	u64 dropped = 0;
	u32 i, nr;

	if (req->nr_pages)
		last = req->index + req->nr_pages - 1;
	/* ask for each index, or look at each page, whichever is less */
	if (req->nr_pages && (req->nr_pages <= TSTORE_SLICE ||
			      req->nr_pages <= tstore_object_count(s, key))) {
		for (i = 0; i < req->nr_pages; i += nr) {
			nr = tstore_slice(req->index + i, req->nr_pages - i);
			dropped += tstore_flush_few(s, key, req->index + i, nr,
						    req->seq);
			env_relax();
		}
	} else {
		dropped = tstore_object_flush(s, key, req->index, last,
					      req->seq);
	}
	*done = dropped;
	return 0;
}

/* TMEM_OP_FLUSH_OBJECT */
int tstore_flush_object(const struct tstore_key *key,
			const struct tmem_req *req,
			env_data_t data __always_unused, u32 *done)
{
	struct tstore *s = key->client->store;

	*done = tstore_object_flush(s, key, 0, ~0ULL, req->seq);
	return 0;
}
