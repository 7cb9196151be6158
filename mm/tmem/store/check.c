// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: consistency of the page store
 *
 * For tests.  Walks everything from every side and compares.
 */
#include "private.h"

/* What the walk adds up, to be compared with what is recorded */
struct tstore_tally {
	u64 live;		/* pages on chains of the hash */
	u64 bare;		/* of these, those in slots without a frame */
	u64 chunks;		/* pages and contents in chunks */
	u64 sharing;		/* pages that name contents */
	u64 refs;		/* what contents say how many */
	u64 contents;		/* contents in slots without a frame */
	u64 raw;		/* contents in frames of their own */
	u64 bytes;		/* what all pages cost */
	u64 charged;		/* what clients say that they cost */
	u64 objects;		/* objects on chains of the hash */
	u64 listed;		/* pages on lists of objects */
	u64 solos;		/* solo pages */
	u64 pool_solos;		/* solo pages that pools say they have */
	u64 queued;		/* pages on eviction queues */
	u64 pooled;		/* pages that pools say they have */
	u64 persistent;		/* pages that clients say are persistent */
	u64 ephemeral;		/* pages that clients say are ephemeral */
	u64 pool_objects;	/* objects on lists of pools */
};

/* The whole of a page's name; returns the index */
static u64 tstore_key_of(struct tstore *s, const struct tstore_page *page,
			 struct tstore_key *key)
{
	u64 index = tstore_page_key(s, page, key);

	key->client = &s->clients[key->number / s->max_pools];
	key->pool = &key->client->pools[key->number % s->max_pools];
	key->ident = *key->pool->ident;
	key->held = false;
	tstore_key_hash(s, key);
	return index;
}

static const char *tstore_check_solo(struct tstore_page *page,
				     const struct tstore_key *key, u64 index,
				     u32 p)
{
	if (tstore_page_solo(page) != tstore_key_solo(key, index))
		return "page is not solo, or is but should not be";
	if (tstore_page_solo(page) &&
	    (p < key->pool->solo_low || p > key->pool->solo_high))
		return "solo page where its pool does not look for it";
	return NULL;
}

static const char *tstore_check_chunk(struct tstore *s, u32 word,
				      struct tstore_tally *t)
{
	const struct tstore_page *span = tstore_page(s, tstore_word_span(word));

	t->chunks++;
	if (span->word != TSTORE_PAGE_SPAN)
		return "page in a span that is none";
	if (!(span->used >> tstore_word_chunk(word) & 1))
		return "page in a free chunk";
	return NULL;
}

/* Is a page where its slot says? */
static const char *tstore_check_place(struct tstore *s,
				      const struct tstore_page *page, u32 p,
				      u32 client, struct tstore_tally *t)
{
	const struct tstore_page *content;

	t->bytes += tstore_word_cost(s, page->word);
	if (!(page->word & TSTORE_WORD_PACKED))
		return p < s->nr_frames ? NULL : "page without a frame";
	t->bare++;
	if (p < s->nr_frames)
		return "packed page whose frame is idle";
	if (tstore_word_has_chunk(page->word))
		return tstore_check_chunk(s, page->word, t);
	if (!tstore_word_is_shared(page->word))
		return NULL;
	t->sharing++;
	content = tstore_page(s, tstore_word_content(page->word));
	if (!tstore_page_is_content(content))
		return "page that names a content that is none";
	if (content->client != client)
		return "page that names another client's content";
	return NULL;
}

static const char *tstore_check_content(struct tstore *s,
					struct tstore_dshard *ds, u32 p,
					struct tstore_tally *t)
{
	struct tstore_page *content = tstore_page(s, p);

	if (p >= s->nr_slots || !tstore_page_is_content(content))
		return "no content on a chain";
	if (!content->refs)
		return "content that no page names";
	if ((content->digest & (s->nr_shards - 1)) != (u64)(ds - s->dshards))
		return "content in the wrong shard";
	t->bytes += tstore_content_cost(s, content->word);
	t->refs += content->refs;
	if (content->word == TSTORE_PAGE_CONTENT) {
		t->raw++;
		return p < s->nr_frames ? NULL : "content without a frame";
	}
	t->contents++;
	if (p < s->nr_frames)
		return "packed content whose frame is idle";
	return tstore_check_chunk(s, content->word, t);
}

static const char *tstore_check_dshards(struct tstore *s,
					struct tstore_tally *t)
{
	struct tstore_dshard *ds;
	const char *bad = NULL;
	u32 b, i, p;

	for (i = 0; s->dedup && i < s->nr_shards && !bad; i++) {
		ds = &s->dshards[i];
		spin_lock(&ds->L3_lock);
		for (b = 0; b < s->oshard_buckets && !bad; b++) {
			p = ds->buckets[b];
			while (p != TSTORE_NONE && !bad) {
				bad = tstore_check_content(s, ds, p, t);
				if (t->raw + t->contents > s->nr_slots)
					bad = "content chain is a circle";
				p = tstore_page(s, p)->hnext;
			}
		}
		spin_unlock(&ds->L3_lock);
	}
	if (!bad && t->refs != t->sharing)
		bad = "contents and pages differ in references";
	return bad;
}

static const char *tstore_check_page(struct tstore *s,
				     struct tstore_shard *sh, u32 p,
				     struct tstore_tally *t)
{
	struct tstore_page *page = tstore_page(s, p);
	struct tstore_key key;
	const char *bad;
	u64 index;

	if (p >= s->nr_slots)
		return "page handle out of range";
	if (!tstore_page_solo(page)) {
		if (tstore_page_state(page) != TSTORE_PAGE_LIVE)
			return "page on a chain is not live";
		if (tstore_object(s, page->obj)->pool == TSTORE_NONE)
			return "page of a free object";
	}
	index = tstore_key_of(s, page, &key);
	if (!key.ident)
		return "page of a dead pool";
	if (tstore_shard(s, &key, index) != sh)
		return "page in the wrong shard";
	if (*tstore_page_find_locked(s, sh, &key, index) != p)
		return "page is not found, or not first under its name";
	bad = tstore_check_place(s, page, p, key.client - s->clients, t);
	if (bad)
		return bad;
	t->solos += tstore_page_solo(page);
	return tstore_check_solo(page, &key, index, p);
}

static const char *tstore_check_shards(struct tstore *s,
				       struct tstore_tally *t)
{
	const char *bad = NULL;
	struct tstore_shard *sh;
	u32 b, i, p;

	for (i = 0; i < s->nr_shards && !bad; i++) {
		sh = &s->shards[i];
		spin_lock(&sh->L2_lock);
		for (b = 0; b < s->shard_buckets && !bad; b++) {
			p = sh->buckets[b];
			while (p != TSTORE_NONE && !bad) {
				bad = tstore_check_page(s, sh, p, t);
				if (++t->live > s->nr_slots)
					bad = "page chain is a circle";
				p = tstore_page(s, p)->hnext;
			}
		}
		spin_unlock(&sh->L2_lock);
	}
	return bad;
}

static const char *tstore_check_object(struct tstore *s, u32 o,
				       struct tstore_tally *t)
{
	struct tstore_object *obj = tstore_object(s, o);
	struct tstore_page *page;
	u32 frame = o / TSTORE_OBJECTS_PER_FRAME;
	u32 nr = 0;
	u32 p;

	if (frame >= s->nr_frames ||
	    tstore_page(s, frame)->word != TSTORE_PAGE_OBJECTS)
		return "object in a frame that holds none";
	if (obj->pool == TSTORE_NONE)
		return "free object on a chain";
	if (!obj->count || obj->count & TSTORE_WALKED)
		return "object without pages, or walked";
	p = obj->first;
	do {
		page = tstore_page(s, p);
		if (page->obj != o)
			return "page on the list of another object";
		if (tstore_page(s, page->onext)->oprev != p)
			return "list of pages is broken";
		if (++nr > obj->count)
			return "list of pages is too long";
		p = page->onext;
	} while (p != obj->first);
	if (nr != obj->count)
		return "list of pages is too short";
	t->listed += nr;
	return NULL;
}

static const char *tstore_check_oshards(struct tstore *s,
					struct tstore_tally *t)
{
	struct tstore_oshard *os;
	const char *bad = NULL;
	u32 b, i, o;

	for (i = 0; i < s->nr_shards && !bad; i++) {
		os = &s->oshards[i];
		spin_lock(&os->L3_lock);
		for (b = 0; b < s->oshard_buckets && !bad; b++) {
			o = os->buckets[b];
			while (o != TSTORE_NONE && !bad) {
				bad = tstore_check_object(s, o, t);
				if (++t->objects > s->nr_slots)
					bad = "object chain is a circle";
				o = tstore_object(s, o)->hnext;
			}
		}
		spin_unlock(&os->L3_lock);
	}
	return bad;
}

static const char *tstore_check_queue_locked(struct tstore *s,
					     struct tstore_client *c,
					     struct tstore_tally *t)
{
	struct tstore_page *page;
	struct tstore_key key;
	u32 p = c->oldest;
	u64 nr = 0;

	env_assert_held(&c->L4_lock);
	while (p != TSTORE_NONE) {
		page = tstore_page(s, p);
		if (!tstore_page_solo(page) &&
		    tstore_page_state(page) != TSTORE_PAGE_LIVE)
			return "page on a queue is not live";
		tstore_page_key(s, page, &key);
		if (key.number / s->max_pools != (u32)(c - s->clients))
			return "page on the queue of another client";
		if (tstore_page(s, page->qnext)->qprev != p)
			return "queue is broken";
		if (++nr > c->charged[TSTORE_EPHEMERAL])
			return "queue is longer than the charge";
		p = page->qnext == c->oldest ? TSTORE_NONE : page->qnext;
	}
	if (nr != c->charged[TSTORE_EPHEMERAL])
		return "queue is shorter than the charge";
	t->queued += nr;
	return NULL;
}

static const char *tstore_check_pool_locked(struct tstore *s,
					    struct tstore_client *c, u32 id,
					    struct tstore_tally *t)
{
	struct tstore_pool *pool = &c->pools[id];
	struct tstore_object *obj;
	u32 o = pool->first;
	u64 pages = pool->solos;

	env_assert_held(&c->L4_lock);
	if (pool->dying)
		return "pool is still dying";
	if (pool->requests)
		return "request that has not ended";
	if (pool->shared ? !(*pool->ident & TSTORE_IDENT_SHARED) || pages :
			   *pool->ident & TSTORE_IDENT_SHARED)
		return "pool is shared, or is not, but should be";
	if (!*pool->ident && o != TSTORE_NONE)
		return "dead pool has objects";
	while (o != TSTORE_NONE) {
		obj = tstore_object(s, o);
		if (obj->pool != (u32)(c - s->clients) * s->max_pools + id)
			return "object on the list of another pool";
		if (tstore_object(s, obj->pnext)->pprev != o)
			return "list of objects is broken";
		pages += obj->count;
		if (++t->pool_objects > s->nr_slots)
			return "list of objects is a circle";
		o = obj->pnext == pool->first ? TSTORE_NONE : obj->pnext;
	}
	if (pages != pool->pages)
		return "pool has not the pages of its objects";
	t->pooled += pages;
	t->pool_solos += pool->solos;
	return NULL;
}

static const char *tstore_check_clients(struct tstore *s,
					struct tstore_tally *t)
{
	struct tstore_client *c;
	const char *bad = NULL;
	u32 i, id, pools;

	for (i = 0; i < s->max_clients && !bad; i++) {
		c = &s->clients[i];
		pools = 0;
		spin_lock(&c->L4_lock);
		bad = tstore_check_queue_locked(s, c, t);
		for (id = 0; c->pools && id < s->max_pools && !bad; id++) {
			bad = tstore_check_pool_locked(s, c, id, t);
			pools += !!*c->pools[id].ident;
		}
		if (!bad && c->pools && pools != c->nr_pools)
			bad = "number of pools is wrong";
		t->charged += c->bytes;
		t->ephemeral += c->charged[TSTORE_EPHEMERAL];
		t->persistent += c->charged[TSTORE_PERSISTENT];
		spin_unlock(&c->L4_lock);
	}
	return bad;
}

static u32 tstore_check_members(struct tstore *s, struct tstore_client *shared)
{
	struct tstore_client *c;
	u32 i, id, nr = 0;

	for (i = 0; i < s->max_clients; i++) {
		c = &s->clients[i];
		spin_lock(&c->L4_lock);
		for (id = 0; c->pools && id < s->max_pools; id++)
			nr += c->pools[id].shared == shared;
		spin_unlock(&c->L4_lock);
	}
	return nr;
}

static const char *tstore_check_shared(struct tstore *s)
{
	struct tstore_client *c;
	const char *bad = NULL;
	u32 i, j, may = 0;

	spin_lock(&s->L1_lock);
	for (i = 0; i < s->max_clients && !bad; i++) {
		c = &s->clients[i];
		if (!c->shared) {
			if (tstore_check_members(s, c))
				bad = "member of a pool that is not shared";
			continue;
		}
		for (j = 0, may = 0; j < s->max_clients; j++)
			may += c->shared->may[j];
		if (may != c->shared->allowed)
			bad = "shared pool is wrong about who may join";
		if (!may && !c->shared->members)
			bad = "shared pool of nobody";
		if (tstore_check_members(s, c) != c->shared->members)
			bad = "shared pool is wrong about its members";
		if (!*c->pools[0].ident != !c->shared->members)
			bad = "shared pool without members, or dead with some";
	}
	spin_unlock(&s->L1_lock);
	return bad;
}

/* Free object slots of a bank, counted */
static u32 tstore_check_frames_locked(struct tstore *s,
				      struct tstore_bank *bank)
{
	struct tstore_page *page;
	u32 p = bank->frame;
	u32 i, o, n = 0;

	env_assert_held(&bank->L7_lock);
	while (p != TSTORE_NONE && n <= bank->objs) {
		page = tstore_page(s, p);
		o = page->free_obj;
		for (i = 0; i < page->free_objs && o != TSTORE_NONE; i++)
			o = tstore_object(s, o)->hnext;
		if (!i || i != page->free_objs || o != TSTORE_NONE ||
		    page->word != TSTORE_PAGE_OBJECTS ||
		    tstore_page(s, page->qnext)->qprev != p)
			return ~0U;
		n += i;
		p = page->qnext == bank->frame ? TSTORE_NONE : page->qnext;
	}
	return n;
}

static const char *tstore_check_banks(struct tstore *s, struct tstore_tally *t)
{
	u64 cut = 0, free = 0, objs = 0, bares = 0;
	struct tstore_stats st;
	struct tstore_bank *bank;
	u32 h, i, n;

	for (i = 0; i < TSTORE_BANKS; i++) {
		bank = &s->banks[i];
		spin_lock(&bank->L7_lock);
		n = 0;
		for (h = bank->page; h != TSTORE_NONE && n <= s->nr_frames; n++)
			h = tstore_page(s, h)->hnext;
		if (n != bank->pages)
			free = ~0U;
		free += n;
		n = 0;
		for (h = bank->bare; h != TSTORE_NONE && n <= s->nr_slots; n++)
			h = tstore_page(s, h)->hnext;
		if (n != bank->bares)
			bares = ~0U;
		bares += n;
		n = tstore_check_frames_locked(s, bank);
		if (n != bank->objs)
			objs = ~0U;
		objs += n;
		cut += bank->object_frames;
		spin_unlock(&bank->L7_lock);
	}
	memset(&st, 0, sizeof(st));
	tstore_packs_stats(s, &st);
	if (st.packed != t->chunks)
		return "chunks are lost or doubled";
	if (free + t->live - t->bare + t->raw + cut + s->out +
	    st.span_frames != s->nr_frames)
		return "frames are lost or doubled";
	if (bares + t->bare + t->contents != s->nr_slots - s->nr_frames)
		return "slots are lost or doubled";
	if (objs + t->objects != cut * TSTORE_OBJECTS_PER_FRAME)
		return "object slots are lost or doubled";
	return NULL;
}

/**
 * tstore_check() - check a store for consistency
 * @s: the store; nobody else is at work on it
 *
 * Hash, lists, queues, charges and free slots must tell the same story.
 *
 * Context: no lock held; takes as long as the store is big.
 * Return: NULL, or a word on what is wrong
 */
const char *tstore_check(struct tstore *s)
{
	struct tstore_tally t;
	const char *bad;

	memset(&t, 0, sizeof(t));
	bad = tstore_check_shards(s, &t);
	if (!bad)
		bad = tstore_check_oshards(s, &t);
	if (!bad)
		bad = tstore_check_dshards(s, &t);
	if (!bad)
		bad = tstore_check_clients(s, &t);
	if (!bad)
		bad = tstore_check_shared(s);
	if (!bad)
		bad = tstore_check_banks(s, &t);
	if (bad)
		return bad;
	if (t.listed + t.solos != t.live || t.pooled != t.live)
		return "hash, objects and pools differ in pages";
	if (t.pool_solos != t.solos)
		return "hash and pools differ in solo pages";
	if (t.pool_objects != t.objects)
		return "hash and pools differ in objects";
	if (t.charged != t.bytes)
		return "charges differ from what pages cost";
	if (t.queued != t.ephemeral || t.ephemeral + t.persistent != t.live)
		return "charges differ from pages";
	return NULL;
}

/**
 * tstore_peek() - is a page there?
 * @c: a client
 * @pool: id of one of its pools
 * @name: of an object
 * @index: page
 *
 * Unlike a get it changes nothing.
 *
 * Context: no lock held.
 */
bool tstore_peek(struct tstore_client *c, u32 pool, const u64 *name, u64 index)
{
	struct tmem_req req = {
		.pool = pool,
		.object = { name[0], name[1], name[2] },
	};
	struct tstore_shard *sh;
	struct tstore_key key;
	bool there;

	if (tstore_key_init(c, &req, &key))
		return false;
	sh = tstore_shard(c->store, &key, index);
	spin_lock(&sh->L2_lock);
	there = *tstore_page_find_locked(c->store, sh, &key, index) !=
		TSTORE_NONE;
	spin_unlock(&sh->L2_lock);
	tstore_key_end(&key);
	return there;
}
