// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a stream becomes a client of the page store
 *
 * What save.c made, on another machine perhaps.  The stream comes from outside,
 * so all of it is checked here, record by record, before any of it is believed;
 * and nothing is left of a stream that was not good to its end: the client is
 * as fresh then as it was before.
 *
 * Contents of pages go through a page that the host lends, because that is what
 * a put takes: pages come in by the same way as those of a guest, with the same
 * charges and the same refusals.
 *
 * Fields of struct tstore_restore belong to the one who calls
 * tstore_restore_*(), which only one does at a time.
 */
#include "private.h"
#include "stream.h"

struct tstore_restore {
	struct tstore_client *client;
	env_data_t data;	/* one page */
	int err;		/* 0, or why nothing more is taken */
	enum tstore_damage damage;	/* if err is -EBADMSG */
	bool begun;		/* the first record has come */
	bool ended;		/* the last record has come */
	u32 max_pools;		/* that the guest was told */
	u64 present;		/* pages that should be there */
	struct tstore_record_end end;	/* counts so far */

	u32 have;		/* bytes of the next record that have come */
	union {
		u8 bytes[TSTORE_RECORD_FIXED];
		struct tstore_stream_head head;
		struct tstore_record_start start;
		struct tstore_record_pool pool;
		struct tstore_record_page page;
		struct tstore_record_end end;
	} rec;			/* without the contents of a page */
};

/**
 * tstore_restore_begin() - begin to restore a client
 * @c: the client, which has not attached yet.  It executes nothing before
 *	tstore_restore_end().
 * @data: a page that belongs to the store until then, and that
 *	env_data_map() can always map
 *
 * The limit of the client is to be set before; a stream brings none.
 *
 * Context: no lock held; allocates.
 * Return: 0, -ENOMEM, or -EBUSY if the client is not a fresh one
 */
int tstore_restore_begin(struct tstore_client *c, env_data_t data)
{
	struct tstore_restore *r;
	bool busy;

	r = env_zalloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->client = c;
	r->data = data;
	spin_lock(&c->L4_lock);
	busy = c->rec->epoch || c->attaching || c->save || c->restore;
	if (!busy) {
		c->restore = r;
		env_write_once(c->rec->restoring, 1);
	}
	spin_unlock(&c->L4_lock);
	if (!busy)
		return 0;
	env_free(r);
	return -EBUSY;
}

/* Makes the client a fresh one again */
static void tstore_restore_undo(struct tstore_restore *r)
{
	struct tstore_client *c = r->client;

	while (!tstore_client_clear(c))
		env_relax();
	spin_lock(&c->L4_lock);
	c->rec->epoch = 0;
	c->rec->features = 0;
	spin_unlock(&c->L4_lock);
}

/* @what: an enum tstore_damage, or a negative error number */
static void tstore_restore_fail(struct tstore_restore *r, int what)
{
	struct tstore *s = r->client->store;

	r->err = what;
	if (what > 0) {
		r->err = -EBADMSG;
		r->damage = what;
		spin_lock(&s->L1_lock);
		s->bad_streams[what]++;
		spin_unlock(&s->L1_lock);
	}
	tstore_restore_undo(r);
}

static int tstore_restore_start(struct tstore_restore *r)
{
	const struct tstore_record_start *start = &r->rec.start;
	struct tstore_client *c = r->client;

	if (start->reserved[0] || start->reserved[1] || start->reserved[2])
		return TSTORE_DAMAGE_RESERVED;
	if (start->page_shift != PAGE_SHIFT)
		return TSTORE_DAMAGE_PAGE_SIZE;
	if (start->features & ~(u64)TMEM_FEATURES)
		return TSTORE_DAMAGE_FEATURES;
	if (start->epoch >= TSTORE_STREAM_EPOCHS)
		return TSTORE_DAMAGE_EPOCH;
	/* the guest was told how many it may have */
	if (start->max_pools > c->store->max_pools)
		return TSTORE_DAMAGE_POOL_ID;
	r->max_pools = start->max_pools;
	spin_lock(&c->L4_lock);
	c->rec->epoch = start->epoch;
	c->rec->features = start->features;
	spin_unlock(&c->L4_lock);
	return 0;
}

/* The ident of a pool, or 0 */
static u32 tstore_restore_ident(struct tstore_restore *r, u32 id)
{
	struct tstore_client *c = r->client;

	return id < c->store->max_pools ? env_read_once(*c->pools[id].ident) : 0;
}

static int tstore_restore_pool(struct tstore_restore *r)
{
	const struct tstore_record_pool *rec = &r->rec.pool;
	struct tmem_req req = {
		.op = TMEM_OP_POOL_CREATE,
		.pool = rec->id,
		.index = rec->flags,
	};
	struct tstore_work work = { 0 };
	int err;

	if (rec->reserved)
		return TSTORE_DAMAGE_RESERVED;
	if (rec->id >= r->max_pools)
		return TSTORE_DAMAGE_POOL_ID;
	if (rec->flags & ~TMEM_POOL_PERSISTENT)
		return TSTORE_DAMAGE_POOL_FLAGS;
	if (tstore_restore_ident(r, rec->id))
		return TSTORE_DAMAGE_POOL_TWICE;
	r->end.pools++;
	err = tstore_pool_create(r->client, &req, r->data, &work);
	if (err == -ENOTCONN)
		return TSTORE_DAMAGE_EPOCH;
	if (err == -EPERM)
		return TSTORE_DAMAGE_FEATURES;
	return err;
}

static int tstore_restore_pool_gone(struct tstore_restore *r)
{
	const struct tstore_record_pool *rec = &r->rec.pool;
	struct tmem_req req = {
		.op = TMEM_OP_POOL_DESTROY,
		.pool = rec->id,
	};
	struct tstore_work work = { 0 };
	int err;

	if (rec->reserved || rec->flags)
		return TSTORE_DAMAGE_RESERVED;
	if (!tstore_restore_ident(r, rec->id))
		return TSTORE_DAMAGE_NO_POOL;
	r->end.pools_gone++;
	do {
		err = tstore_pool_destroy(r->client, &req, r->data, &work);
	} while (err == TSTORE_STOPPED);
	r->present -= work.done;
	return err;
}

/* The key of a page or a run, and the request that it could have come by */
static int tstore_restore_key(struct tstore_restore *r, u8 op, u32 most,
			      struct tmem_req *req, struct tstore_key *key)
{
	const struct tstore_record_page *rec = &r->rec.page;

	if (rec->reserved || (op == TMEM_OP_FLUSH && rec->seq))
		return TSTORE_DAMAGE_RESERVED;
	if (!rec->nr_pages || rec->nr_pages > most ||
	    rec->index + rec->nr_pages - 1 < rec->index)
		return TSTORE_DAMAGE_RUN;
	memset(req, 0, sizeof(*req));
	req->op = op;
	req->pool = rec->pool;
	req->object[0] = rec->object[0];
	req->object[1] = rec->object[1];
	req->object[2] = rec->object[2];
	req->index = rec->index;
	req->nr_pages = rec->nr_pages;
	req->seq = rec->seq;
	if (tstore_key_init(r->client, req, key))
		return TSTORE_DAMAGE_NO_POOL;
	if (tstore_key_kind(key) == TSTORE_PERSISTENT)
		return 0;
	tstore_key_end(key);
	return TSTORE_DAMAGE_EPHEMERAL;
}

static int tstore_restore_page(struct tstore_restore *r)
{
	struct tstore_key key;
	struct tmem_req req;
	struct tstore_work work = { 0 };
	int err;

	err = tstore_restore_key(r, TMEM_OP_PUT, 1, &req, &key);
	if (err)
		return err;
	r->end.pages++;
	err = tstore_put(&key, &req, r->data, &work);
	tstore_key_end(&key);
	r->present += work.done;
	return err;
}

static int tstore_restore_flush(struct tstore_restore *r)
{
	struct tstore_key key;
	struct tmem_req req;
	struct tstore_work work = { 0 };
	int err;

	err = tstore_restore_key(r, TMEM_OP_FLUSH, TMEM_MAX_RUN, &req, &key);
	if (err)
		return err;
	r->end.flushes++;
	do {
		err = tstore_flush(&key, &req, r->data, &work);
	} while (err == TSTORE_STOPPED);
	tstore_key_end(&key);
	r->present -= work.done;
	return err;
}

static int tstore_restore_last(struct tstore_restore *r)
{
	const struct tstore_record_end *end = &r->rec.end;
	struct tstore_client *c = r->client;
	u64 present;

	if (end->reserved)
		return TSTORE_DAMAGE_RESERVED;
	spin_lock(&c->L4_lock);
	present = c->charged[TSTORE_PERSISTENT];
	spin_unlock(&c->L4_lock);
	if (end->pools != r->end.pools || end->pages != r->end.pages ||
	    end->flushes != r->end.flushes ||
	    end->pools_gone != r->end.pools_gone ||
	    end->sums != r->end.sums || present != r->present)
		return TSTORE_DAMAGE_COUNTS;
	r->ended = true;
	return 0;
}

/* The beginning of a record, as soon as it is there */
static int tstore_restore_head(struct tstore_restore *r)
{
	const struct tstore_stream_head *head = &r->rec.head;

	if (!r->begun)
		return head->type != TSTORE_RECORD_START ||
		       head->bytes != tstore_record_bytes(head->type) ?
		       TSTORE_DAMAGE_MAGIC : 0;
	if (r->ended || head->type == TSTORE_RECORD_START)
		return TSTORE_DAMAGE_ORDER;
	if (!head->bytes || head->bytes != tstore_record_bytes(head->type))
		return TSTORE_DAMAGE_RECORD;
	return 0;
}

/* What has to be right before the sum can be believed in */
static int tstore_restore_version(struct tstore_restore *r)
{
	const struct tstore_record_start *start = &r->rec.start;

	if (r->begun)
		return 0;
	r->begun = true;
	if (start->magic != TSTORE_STREAM_MAGIC)
		return TSTORE_DAMAGE_MAGIC;
	if (start->version != TSTORE_STREAM_VERSION)
		return TSTORE_DAMAGE_VERSION;
	return 0;
}

static int tstore_restore_sum(struct tstore_restore *r)
{
	struct tstore_stream_head *head = &r->rec.head;
	u64 sum = head->sum;
	void *ptr = NULL;
	bool same;

	head->sum = 0;
	if (head->type == TSTORE_RECORD_PAGE) {
		ptr = env_data_map(r->data, 0);
		if (!ptr)
			return -EFAULT;
	}
	same = tstore_record_sum(head, ptr) == sum;
	if (ptr)
		env_data_unmap(ptr);
	return same ? 0 : TSTORE_DAMAGE_SUM;
}

/* A whole record */
static int tstore_restore_record(struct tstore_restore *r)
{
	u64 sum = r->rec.head.sum;
	int err;

	err = tstore_restore_version(r);
	if (!err)
		err = tstore_restore_sum(r);
	if (err)
		return err;
	switch (r->rec.head.type) {
	case TSTORE_RECORD_START:
		err = tstore_restore_start(r);
		break;
	case TSTORE_RECORD_POOL:
		err = tstore_restore_pool(r);
		break;
	case TSTORE_RECORD_PAGE:
		err = tstore_restore_page(r);
		break;
	case TSTORE_RECORD_FLUSH:
		err = tstore_restore_flush(r);
		break;
	case TSTORE_RECORD_POOL_GONE:
		err = tstore_restore_pool_gone(r);
		break;
	default:
		err = tstore_restore_last(r);
	}
	r->end.sums = tstore_stream_mix(r->end.sums, sum);
	return err;
}

/* Takes bytes until something can be done about them; returns their number */
static size_t tstore_restore_take(struct tstore_restore *r, const u8 *from,
				  size_t bytes)
{
	u32 fixed = sizeof(r->rec.head);
	u32 want;
	u8 *ptr;

	if (r->have >= fixed)
		fixed = r->rec.head.bytes < TSTORE_RECORD_FIXED ?
			r->rec.head.bytes : TSTORE_RECORD_FIXED;
	want = r->have < fixed ? fixed : r->rec.head.bytes;
	if (bytes > want - r->have)
		bytes = want - r->have;
	if (r->have < fixed) {
		memcpy(r->rec.bytes + r->have, from, bytes);
	} else {
		ptr = env_data_map(r->data, 0);
		if (!ptr) {
			tstore_restore_fail(r, -EFAULT);
			return 0;
		}
		memcpy(ptr + r->have - fixed, from, bytes);
		env_data_unmap(ptr);
	}
	r->have += bytes;
	return bytes;
}

/**
 * tstore_restore_feed() - the next piece of a stream
 * @c: a client that is being restored
 * @buf: the bytes that follow those of the last call
 * @bytes: their number: any; pieces need not be records
 *
 * After an error nothing is left of what came before, and all that the client
 * takes is tstore_restore_end().
 *
 * Context: no lock held; one caller at a time; env_relax() between records.
 * Return: 0, -EBADMSG if the stream is damaged, -EDQUOT if it does not fit into
 * the client's limit, -ENOSPC if not into the store, -EBUSY if the client is
 * frozen, -EFAULT if the page of tstore_restore_begin() cannot be mapped, or
 * -EINVAL if the client is not being restored
 */
int tstore_restore_feed(struct tstore_client *c, const void *buf,
			size_t bytes)
{
	struct tstore_restore *r = c->restore;
	const u8 *from = buf;
	size_t taken;
	int what;

	if (!r)
		return -EINVAL;
	while (!r->err && bytes) {
		taken = tstore_restore_take(r, from, bytes);
		from += taken;
		bytes -= taken;
		what = 0;
		if (r->have == sizeof(r->rec.head)) {
			what = tstore_restore_head(r);
		} else if (r->have > sizeof(r->rec.head) &&
			   r->have == r->rec.head.bytes) {
			what = tstore_restore_record(r);
			r->have = 0;
			env_relax();
		}
		if (what)
			tstore_restore_fail(r, what);
	}
	return r->err;
}

/**
 * tstore_restore_end() - end the restoration of a client
 * @c: the client
 * @damage: out, may be NULL: what was wrong with the stream
 *
 * At any time; before the end of the stream it is one that was truncated.
 * After a success the guest goes on as if nothing had happened: it has the
 * epoch, the features and the pools that it had, the persistent ones with all
 * their pages.
 *
 * Context: as tstore_restore_feed().
 * Return: 0, or as tstore_restore_feed(), and the client is as if nothing had
 * been restored
 */
int tstore_restore_end(struct tstore_client *c, enum tstore_damage *damage)
{
	struct tstore_restore *r = c->restore;
	struct tstore *s = c->store;
	int err;

	if (damage)
		*damage = TSTORE_DAMAGE_NONE;
	if (!r)
		return -EINVAL;
	/* with bytes of a record after the end, too */
	if (!r->err && (!r->ended || r->have))
		tstore_restore_fail(r, r->ended ? TSTORE_DAMAGE_ORDER :
						  TSTORE_DAMAGE_TRUNCATED);
	err = r->err;
	if (damage)
		*damage = r->damage;
	spin_lock(&s->L1_lock);
	if (!err && s->super->epochs < c->rec->epoch)
		s->super->epochs = c->rec->epoch;
	spin_unlock(&s->L1_lock);
	spin_lock(&c->L4_lock);
	c->restore = NULL;
	/* from here on it is there, whatever happens to the process */
	env_store_release(&c->rec->restoring, 0);
	spin_unlock(&c->L4_lock);
	env_free(r);
	return err;
}
