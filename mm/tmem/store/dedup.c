// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: one copy of equal pages
 *
 * With dedup the slot of a page tells only the name, and another slot, the
 * content, where the page is: in the frame of that slot or, packed, in a chunk.
 * Pages of one client that are equal name the same content, which counts them.
 * Those of different clients never do: what a put costs would tell one client
 * what another has.
 *
 * A content is found by the digest of its page in a hash of its own, and then
 * compared byte by byte with the copy that the client cannot change any more.
 *
 * After a crash contents are counted anew: one that no page names is free.
 */
#include "private.h"

/* Lanes of a digest, so that the processor need not wait for each word */
#define TSTORE_LANES	8

static u64 tstore_digest(u64 seed, const void *data)
{
	const u64 *words = data;
	u64 lane[TSTORE_LANES];
	u32 i, j;

	for (j = 0; j < TSTORE_LANES; j++)
		lane[j] = tstore_mix(seed, j);
	for (i = 0; i < PAGE_SIZE / sizeof(*words); i += TSTORE_LANES)
		for (j = 0; j < TSTORE_LANES; j++)
			lane[j] = tstore_mix(lane[j], words[i + j]);
	for (j = 1; j < TSTORE_LANES; j++)
		lane[0] = tstore_mix(lane[0], lane[j]);
	return lane[0];
}

static_assert(PAGE_SIZE % (TSTORE_LANES * sizeof(u64)) == 0, "whole rounds");

static u32 tstore_dshard_number(struct tstore *s, u64 digest)
{
	return digest & (s->nr_shards - 1);
}

static u32 *tstore_content_bucket(struct tstore *s, struct tstore_dshard *ds,
				  u64 digest)
{
	return &ds->buckets[((digest >> 32) * s->oshard_buckets) >> 32];
}

/* What a content is charged, beside the slots of its pages */
u32 tstore_content_cost(struct tstore *s, u32 word)
{
	return tstore_word_cost(s, word == TSTORE_PAGE_CONTENT ? 0 : word);
}

static void tstore_content_charge(struct tstore_client *c, s64 bytes)
{
	spin_lock(&c->L4_lock);
	tstore_charge_locked(c, TSTORE_EPHEMERAL, 0, bytes);
	spin_unlock(&c->L4_lock);
}

static void tstore_content_hash_locked(struct tstore *s,
				       struct tstore_dshard *ds, u32 p)
{
	struct tstore_page *content = tstore_page(s, p);
	u32 *bucket = tstore_content_bucket(s, ds, content->digest);

	env_assert_held(&ds->L3_lock);
	content->hnext = *bucket;
	*bucket = p;
	ds->contents++;
	ds->refs += content->refs;
}

static bool tstore_content_is_locked(struct tstore *s, struct tstore_dshard *ds,
				     u32 p, const void *data)
{
	u32 word = tstore_page(s, p)->word;

	env_assert_held(&ds->L3_lock);
	if (word == TSTORE_PAGE_CONTENT)
		return !memcmp(tstore_page_data(s, p), data, PAGE_SIZE);
	return tstore_chunk_is(s, ds - s->dshards, word, data);
}

/* Names a content that is there; TSTORE_NONE if there is none like it */
static u32 tstore_content_find(struct tstore *s, struct tstore_dshard *ds,
			       u32 client, u64 digest, const void *data)
{
	struct tstore_page *content;
	u32 p;

	spin_lock(&ds->L3_lock);
	for (p = *tstore_content_bucket(s, ds, digest); p != TSTORE_NONE;
	     p = content->hnext) {
		content = tstore_page(s, p);
		if (content->digest != digest || content->client != client ||
		    !tstore_content_is_locked(s, ds, p, data))
			continue;
		content->refs++;
		ds->refs++;
		break;
	}
	spin_unlock(&ds->L3_lock);
	return p;
}

/* Makes a content of a page that is in a frame; returns its slot */
static u32 tstore_content_create(struct tstore *s, struct tstore_dshard *ds,
				 u32 client, u64 digest, u32 frame, bool pack)
{
	u32 shard = ds - s->dshards, home = shard % TSTORE_BANKS;
	u32 p = pack ? tstore_bare_alloc(s, home) : TSTORE_NONE;
	struct tstore_page *content;
	u32 word = 0;

	if (p != TSTORE_NONE)
		word = tstore_page_encode(s, shard, TSTORE_CHUNK_CONTENT,
					  tstore_page_data(s, frame), p);
	if (word) {
		tstore_page_free(s, home, &frame, 1);
	} else {
		if (p != TSTORE_NONE)
			tstore_page_free(s, home, &p, 1);
		p = frame;
	}
	content = tstore_page(s, p);
	content->client = client;
	content->digest = digest;
	content->refs = 1;
	env_store_release(&content->word, word ? word | TSTORE_PAGE_HELD :
						 TSTORE_PAGE_CONTENT);
	spin_lock(&ds->L3_lock);
	tstore_content_hash_locked(s, ds, p);
	spin_unlock(&ds->L3_lock);
	return p;
}

/**
 * tstore_content_get() - have a page that is in a frame share a content
 * @s: the store
 * @c: the client
 * @frame: holds the page, and nobody else knows of it; from here on it is free,
 *	or the content's
 * @pack: make the content smaller, if there is none like it yet
 *
 * The content is charged to the client.
 *
 * Return: the word of the page's slot but for the state
 */
u32 tstore_content_get(struct tstore *s, struct tstore_client *c, u32 frame,
		       bool pack)
{
	void *data = tstore_page_data(s, frame);
	u64 digest = tstore_digest(s->seed, data);
	u32 shard = tstore_dshard_number(s, digest);
	struct tstore_dshard *ds = &s->dshards[shard];
	u32 client = c - s->clients;
	u32 p, cost;

	p = tstore_content_find(s, ds, client, digest, data);
	if (p != TSTORE_NONE) {
		tstore_page_free(s, shard % TSTORE_BANKS, &frame, 1);
		return tstore_word_shared(p);
	}
	p = tstore_content_create(s, ds, client, digest, frame, pack);
	cost = tstore_content_cost(s, env_read_once(tstore_page(s, p)->word));
	tstore_content_charge(c, cost);
	return tstore_word_shared(p);
}

/* A page does not name a content any more */
static void tstore_content_put(struct tstore *s, struct tstore_client *c,
			       u32 p, u32 home)
{
	struct tstore_page *content = tstore_page(s, p);
	u32 shard = tstore_dshard_number(s, content->digest);
	struct tstore_dshard *ds = &s->dshards[shard];
	u32 word = 0, cost;
	u32 *link;

	spin_lock(&ds->L3_lock);
	ds->refs--;
	if (!--content->refs) {
		link = tstore_content_bucket(s, ds, content->digest);
		while (*link != p)
			link = &tstore_page(s, *link)->hnext;
		*link = content->hnext;
		ds->contents--;
		word = content->word;
		env_write_once(content->word, TSTORE_PAGE_FREE);
	}
	spin_unlock(&ds->L3_lock);
	if (!word)
		return;
	cost = tstore_content_cost(s, word);
	if (word != TSTORE_PAGE_CONTENT)
		tstore_chunk_free(s, word, home);
	tstore_page_free(s, home, &p, 1);
	tstore_content_charge(c, -(s64)cost);
}

/**
 * tstore_word_free() - free what the word of a page tells of
 * @s: the store
 * @c: the client
 * @word: of a page that is found by nobody any more, and is packed
 * @home: bank that gets what becomes free
 */
void tstore_word_free(struct tstore *s, struct tstore_client *c, u32 word,
		      u32 home)
{
	if (tstore_word_is_shared(word))
		tstore_content_put(s, c, tstore_word_content(word), home);
	else
		tstore_chunk_free(s, word, home);
}

/**
 * tstore_content_read() - copy a page that shares a content
 * @s: the store
 * @p: the content's slot; a page names it, and keeps doing so
 * @to: where to
 *
 * Return: false if it is no page: the arena was damaged
 */
bool tstore_content_read(struct tstore *s, u32 p, void *to)
{
	struct tstore_page *content = tstore_page(s, p);
	u32 shard = tstore_dshard_number(s, content->digest);
	struct tstore_dshard *ds = &s->dshards[shard];
	bool ok = true;

	/* a frame stays, a chunk may be moved */
	if (env_read_once(content->word) == TSTORE_PAGE_CONTENT) {
		memcpy(to, tstore_page_data(s, p), PAGE_SIZE);
		return true;
	}
	spin_lock(&ds->L3_lock);
	ok = tstore_page_decode(s, shard, content->word, to);
	spin_unlock(&ds->L3_lock);
	return ok;
}

/**
 * tstore_content_rejoin() - have a page that was found name its content again
 * @s: the store
 * @client: the page's
 * @p: what its slot says that the content is
 *
 * Return: false if it is none
 */
bool tstore_content_rejoin(struct tstore *s, u32 client, u32 p)
{
	struct tstore_page *content;
	struct tstore_dshard *ds;
	u32 shard;

	if (!s->dedup || p >= s->nr_slots)
		return false;
	content = tstore_page(s, p);
	if (!tstore_page_is_content(content) || content->client != client)
		return false;
	shard = tstore_dshard_number(s, content->digest);
	ds = &s->dshards[shard];
	if (!content->refs) {
		if (content->word == TSTORE_PAGE_CONTENT ?
		    p >= s->nr_frames : p < s->nr_frames)
			return false;
		if (!tstore_chunk_rejoin(s, shard, TSTORE_CHUNK_CONTENT, p))
			return false;
		spin_lock(&ds->L3_lock);
		tstore_content_hash_locked(s, ds, p);
		spin_unlock(&ds->L3_lock);
		tstore_content_charge(&s->clients[client],
				      tstore_content_cost(s, content->word));
	}
	spin_lock(&ds->L3_lock);
	content->refs++;
	ds->refs++;
	spin_unlock(&ds->L3_lock);
	return true;
}

void tstore_contents_clear(struct tstore *s)
{
	u32 i;

	for (i = 0; s->dedup && i < s->nr_shards; i++) {
		s->dshards[i].contents = 0;
		s->dshards[i].refs = 0;
	}
}

/* Before any page is found: nobody names contents yet */
void tstore_contents_begin(struct tstore *s)
{
	u32 p;

	for (p = 0; s->dedup && p < s->nr_slots; p++)
		if (tstore_page_is_content(tstore_page(s, p)))
			tstore_page(s, p)->refs = 0;
}

/* After all have been found: what nobody names is free */
void tstore_contents_settle(struct tstore *s)
{
	u32 p;

	for (p = 0; s->dedup && p < s->nr_slots; p++)
		if (tstore_page_is_content(tstore_page(s, p)) &&
		    !tstore_page(s, p)->refs)
			tstore_page(s, p)->word = TSTORE_PAGE_FREE;
}

/* Contents, and pages that share them */
void tstore_contents_stats(struct tstore *s, struct tstore_stats *out)
{
	struct tstore_dshard *ds;
	u32 i;

	for (i = 0; s->dedup && i < s->nr_shards; i++) {
		ds = &s->dshards[i];
		spin_lock(&ds->L3_lock);
		out->contents += ds->contents;
		out->sharing += ds->refs;
		spin_unlock(&ds->L3_lock);
	}
}
