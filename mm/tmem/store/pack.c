// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: several pages of the store in a frame
 *
 * An encoded page lies in a chunk of a size class.  Chunks of one class are cut
 * out of spans, of one to four frames that need not be neighbours; one chunk may
 * begin in one frame of its span and end in the next.  The slot of a span's
 * first frame describes it, so frames hold nothing but chunks.
 *
 * Sizes are chosen so that a chunk is at most a seventh larger than what is in
 * it, but for the smallest, which is a sixteenth of a page; above three quarters
 * of a page encoding does not pay, and pages stay as they are.
 *
 * Pages come and go, and leave spans of a few chunks each.  Compaction takes one
 * span at a time, moves its chunks to the free chunks of others, and so gains
 * its frames.  A chunk tells whose it is.  Moving it is one store to the word of
 * that page's slot, under the lock of its shard, so the page can be found at any
 * time and after any crash.
 */
#include "private.h"

static const struct tstore_class {
	u8 frames;
	u8 chunks;
} tstore_classes[TSTORE_CLASSES] = {
	{ 1, 16 }, { 1, 14 }, { 1, 12 }, { 1, 11 }, { 1, 10 },
	{ 1, 9 }, { 1, 8 }, { 1, 7 }, { 1, 6 }, { 3, 16 },
	{ 2, 9 }, { 1, 4 }, { 2, 7 }, { 1, 3 }, { 3, 8 },
	{ 3, 7 }, { 1, 2 }, { 4, 7 }, { 2, 3 }, { 3, 4 },
};

/* What a chunk begins with */
struct tstore_chunk {
	u32 owner;	/* slot of its page */
	u16 bytes;	/* encoded */
	u8 codec;
	u8 shard;	/* of its page */
};

static_assert(sizeof(struct tstore_chunk) == 8, "head of a chunk");
static_assert(TSTORE_MAX_SHARDS <= 256, "the number of a shard is a byte");

static u32 tstore_class_size(u32 class)
{
	return PAGE_SIZE * tstore_classes[class].frames /
	       tstore_classes[class].chunks & ~7U;
}

/* tstore_page.used of a span without a free chunk */
static u32 tstore_class_full(u32 class)
{
	return (1U << tstore_classes[class].chunks) - 1;
}

/* The smallest class for so many bytes */
static u32 tstore_class_for(u32 bytes)
{
	u32 class = 0;

	while (tstore_class_size(class) < bytes)
		class++;
	return class;
}

/* The frame numbers of a span */
static u32 tstore_span_frame(struct tstore *s, u32 span, u32 i)
{
	return i ? tstore_page(s, span)->part[i - 1] : span;
}

/**
 * tstore_span_copy() - copy to or from a span
 * @s: the store
 * @span: its first frame
 * @at: where it begins, in bytes of the span
 * @buf: the other side
 * @bytes: how much
 * @out: from the span
 */
static void tstore_span_copy(struct tstore *s, u32 span, u32 at, void *buf,
			     u32 bytes, bool out)
{
	u8 *other = buf, *place;
	u32 piece;

	while (bytes) {
		piece = PAGE_SIZE - at % PAGE_SIZE;
		if (piece > bytes)
			piece = bytes;
		place = tstore_frame(s, tstore_span_frame(s, span,
							  at / PAGE_SIZE));
		place += at % PAGE_SIZE;
		if (out)
			memcpy(other, place, piece);
		else
			memcpy(place, other, piece);
		other += piece;
		at += piece;
		bytes -= piece;
	}
}

/* Where the chunk is that a slot's word tells of */
static u32 tstore_chunk_at(struct tstore *s, u32 word)
{
	u32 class = tstore_page(s, tstore_word_span(word))->class;

	return tstore_word_chunk(word) * tstore_class_size(class);
}

static void tstore_chunk_head(struct tstore *s, u32 word,
			      struct tstore_chunk *head)
{
	tstore_span_copy(s, tstore_word_span(word), tstore_chunk_at(s, word),
			 head, sizeof(*head), true);
}

/* Lists a span that has free chunks */
static void tstore_span_list_locked(struct tstore *s, struct tstore_pack *pk,
				    u32 span)
{
	struct tstore_page *page = tstore_page(s, span), *first;

	env_assert_held(&pk->L6_lock);
	page->listed = true;
	if (pk->span == TSTORE_NONE) {
		pk->span = span;
		page->qnext = span;
		page->qprev = span;
		return;
	}
	first = tstore_page(s, pk->span);
	page->qnext = pk->span;
	page->qprev = first->qprev;
	tstore_page(s, first->qprev)->qnext = span;
	first->qprev = span;
}

static void tstore_span_unlist_locked(struct tstore *s, struct tstore_pack *pk,
				      u32 span)
{
	struct tstore_page *page = tstore_page(s, span);

	env_assert_held(&pk->L6_lock);
	page->listed = false;
	tstore_page(s, page->qprev)->qnext = page->qnext;
	tstore_page(s, page->qnext)->qprev = page->qprev;
	if (pk->span == span)
		pk->span = page->qnext == span ? TSTORE_NONE : page->qnext;
}

/* Makes a span of free frames, and one chunk of it taken */
static u32 tstore_span_create(struct tstore *s, u32 class, u32 home)
{
	u32 nr = tstore_classes[class].frames;
	u32 frames[TSTORE_SPAN_FRAMES], i;
	struct tstore_page *page;

	if (!tstore_frame_alloc(s, home, frames, nr))
		return TSTORE_NONE;
	page = tstore_page(s, frames[0]);
	for (i = 1; i < nr; i++) {
		tstore_page(s, frames[i])->head = frames[0];
		page->part[i - 1] = frames[i];
		env_store_release(&tstore_page(s, frames[i])->word,
				  TSTORE_PAGE_PART);
	}
	page->class = class;
	page->used = 0;
	page->listed = false;
	page->closed = false;
	env_store_release(&page->word, TSTORE_PAGE_SPAN);
	return frames[0];
}

/* Gives the frames of a span back, of which nobody knows any more */
static void tstore_span_free(struct tstore *s, u32 span, u32 home)
{
	u32 nr = tstore_classes[tstore_page(s, span)->class].frames;
	u32 frames[TSTORE_SPAN_FRAMES], i;

	for (i = 0; i < nr; i++)
		frames[i] = tstore_span_frame(s, span, i);
	tstore_page_free(s, home, frames, nr);
}

static u32 tstore_chunk_take_locked(struct tstore *s, struct tstore_pack *pk,
				    u32 class, u32 span)
{
	struct tstore_page *page = tstore_page(s, span);
	u32 i = 0;

	env_assert_held(&pk->L6_lock);
	while (page->used & 1U << i)
		i++;
	env_write_once(page->used, page->used | 1U << i);
	pk->chunks++;
	if (page->used == tstore_class_full(class))
		tstore_span_unlist_locked(s, pk, span);
	return tstore_word_packed(span, i);
}

/* A free chunk as a part of a slot's word; @grow: make a span if need be */
static u32 tstore_chunk_alloc(struct tstore *s, u32 class, u32 home,
			      const struct tstore_chunk *head, bool grow)
{
	struct tstore_pack *pk = &s->packs[class];
	u32 span, word = 0;

	spin_lock(&pk->L6_lock);
	span = pk->span;
	if (span == TSTORE_NONE && grow) {
		spin_unlock(&pk->L6_lock);
		span = tstore_span_create(s, class, home);
		if (span == TSTORE_NONE)
			return 0;
		spin_lock(&pk->L6_lock);
		tstore_span_list_locked(s, pk, span);
		pk->spans++;
	}
	/* of the new span even if others made one too: none stays empty */
	if (span != TSTORE_NONE) {
		word = tstore_chunk_take_locked(s, pk, class, span);
		pk->bytes += head->bytes + sizeof(*head);
		tstore_span_copy(s, tstore_word_span(word),
				 tstore_chunk_at(s, word), (void *)head,
				 sizeof(*head), false);
	}
	spin_unlock(&pk->L6_lock);
	return word;
}

/**
 * tstore_chunk_free() - free the chunk of a page
 * @s: the store
 * @word: the page's; it is found by nobody any more
 * @home: bank that gets the frames, if it was the last one of its span
 */
void tstore_chunk_free(struct tstore *s, u32 word, u32 home)
{
	u32 span = tstore_word_span(word);
	struct tstore_page *page = tstore_page(s, span);
	struct tstore_chunk head;
	struct tstore_pack *pk;
	bool empty;

	if (!tstore_word_has_chunk(word))
		return;
	tstore_chunk_head(s, word, &head);
	pk = &s->packs[page->class];
	spin_lock(&pk->L6_lock);
	env_write_once(page->used,
		       page->used & ~(1U << tstore_word_chunk(word)));
	pk->chunks--;
	pk->bytes -= head.bytes + sizeof(head);
	empty = !page->used && !page->closed;
	if (empty) {
		if (page->listed)
			tstore_span_unlist_locked(s, pk, span);
		pk->spans--;
		/* from here on nobody takes it for a span */
		env_write_once(page->word, TSTORE_PAGE_FREE);
	} else if (!page->listed && !page->closed) {
		tstore_span_list_locked(s, pk, span);
	}
	spin_unlock(&pk->L6_lock);
	if (empty)
		tstore_span_free(s, span, home);
}

/* A page of one byte all over has it in its word; 0 if it is not one */
u32 tstore_page_same(const void *data)
{
	const u64 *words = data;
	const u8 *bytes = data;
	u32 i;

	if (words[0] != bytes[0] * 0x0101010101010101ULL)
		return 0;
	for (i = 1; i < PAGE_SIZE / sizeof(*words); i++)
		if (words[i] != words[0])
			return 0;
	return TSTORE_WORD_NO_CHUNK | TSTORE_WORD_PACKED |
	       bytes[0] << TSTORE_WORD_SHIFT;
}

static struct tstore_scratch *tstore_scratch(struct tstore *s, u32 shard)
{
	return &s->scratches[shard % TSTORE_SCRATCHES];
}

/**
 * tstore_page_encode() - make a page smaller
 * @s: the store, which has a codec
 * @shard: number of the page's shard
 * @flags: TSTORE_CHUNK_CONTENT if it is one of contents, or 0
 * @data: a copy of the page that the client cannot change
 * @p: the slot that it will have
 *
 * Context: may not be called with a lock of L5 or beyond held.
 * Return: the word of the slot but for the state, or 0 if the page is to stay as
 * it is
 */
u32 tstore_page_encode(struct tstore *s, u32 shard, u32 flags,
		       const void *data, u32 p)
{
	struct tstore_chunk head = { .owner = p, .shard = shard };
	u32 room = tstore_class_size(TSTORE_CLASSES - 1) - sizeof(head);
	const struct tstore_codec *codec = s->codec;
	struct tstore_scratch *sc;
	u32 word = 0;

	if (room > PAGE_SIZE * TSTORE_RAW_ABOVE / 100)
		room = PAGE_SIZE * TSTORE_RAW_ABOVE / 100;
	head.codec = codec->id | flags;
	sc = tstore_scratch(s, head.shard);
	spin_lock(&sc->L5_lock);
	head.bytes = codec->encode(sc->work, data, sc->out, room);
	if (head.bytes) {
		word = tstore_chunk_alloc(s, tstore_class_for(head.bytes +
							      sizeof(head)),
					  shard % TSTORE_BANKS, &head, true);
		if (word)
			tstore_span_copy(s, tstore_word_span(word),
					 tstore_chunk_at(s, word) +
					 sizeof(head), sc->out, head.bytes,
					 false);
	}
	spin_unlock(&sc->L5_lock);
	return word;
}

static bool tstore_decode_locked(struct tstore *s, struct tstore_scratch *sc,
				 u32 word, void *to)
{
	const struct tstore_codec *codec;
	struct tstore_chunk head;
	u32 id;

	env_assert_held(&sc->L5_lock);
	tstore_chunk_head(s, word, &head);
	id = head.codec & ~TSTORE_CHUNK_CONTENT;
	codec = id < TSTORE_CODECS ? s->codecs[id] : NULL;
	if (!codec || head.bytes > PAGE_SIZE)
		return false;
	tstore_span_copy(s, tstore_word_span(word),
			 tstore_chunk_at(s, word) + sizeof(head), sc->out,
			 head.bytes, true);
	return codec->decode(sc->work, sc->out, head.bytes, to);
}

/* Unpacks a page whose word says in which chunk it is; false if it is none */
bool tstore_page_decode(struct tstore *s, u32 shard, u32 word, void *to)
{
	struct tstore_scratch *sc = tstore_scratch(s, shard);
	bool ok;

	spin_lock(&sc->L5_lock);
	ok = tstore_decode_locked(s, sc, word, to);
	spin_unlock(&sc->L5_lock);
	return ok;
}

/* Is this the page that is in a chunk? */
bool tstore_chunk_is(struct tstore *s, u32 shard, u32 word, const void *data)
{
	struct tstore_scratch *sc = tstore_scratch(s, shard);
	bool is;

	spin_lock(&sc->L5_lock);
	is = tstore_decode_locked(s, sc, word, sc->page) &&
	     !memcmp(sc->page, data, PAGE_SIZE);
	spin_unlock(&sc->L5_lock);
	return is;
}

/**
 * tstore_page_read_locked() - copy a page out of the store
 * @s: the store
 * @sh: its shard
 * @p: its slot
 * @to: where to
 *
 * Return: false if what is there is no page: the arena was damaged
 */
bool tstore_page_read_locked(struct tstore *s, struct tstore_shard *sh, u32 p,
			     void *to)
{
	u32 word = tstore_page(s, p)->word;

	env_assert_held(&sh->L2_lock);
	if (!(word & TSTORE_WORD_PACKED))
		memcpy(to, tstore_page_data(s, p), PAGE_SIZE);
	else if (tstore_word_is_shared(word))
		return tstore_content_read(s, tstore_word_content(word), to);
	else if (!tstore_word_has_chunk(word))
		memset(to, word >> TSTORE_WORD_SHIFT & 0xff, PAGE_SIZE);
	else
		return tstore_page_decode(s, sh - s->shards, word, to);
	return true;
}

/* What a page is charged: its memory, and that of its slot if it has no frame */
u32 tstore_word_cost(struct tstore *s, u32 word)
{
	if (!(word & TSTORE_WORD_PACKED))
		return PAGE_SIZE;
	if (!tstore_word_has_chunk(word))
		return TSTORE_SLOT_COST;
	return TSTORE_SLOT_COST +
	       tstore_class_size(tstore_page(s, tstore_word_span(word))->class);
}

/* What keeps the page of a chunk as it is; NULL if the chunk was damaged */
static spinlock_t *tstore_chunk_lock(struct tstore *s,
				     const struct tstore_chunk *head)
{
	if (head->owner >= s->nr_slots || head->shard >= s->nr_shards ||
	    head->bytes > PAGE_SIZE)
		return NULL;
	if (!(head->codec & TSTORE_CHUNK_CONTENT))
		return &s->shards[head->shard].L2_lock;
	return s->dedup ? &s->dshards[head->shard].L3_lock : NULL;
}

/* Moves a chunk to another span of its class; false if that cannot be now */
static bool tstore_chunk_move(struct tstore *s, u32 class, u32 word)
{
	struct tstore_scratch *sc;
	struct tstore_chunk head;
	struct tstore_page *page;
	spinlock_t *lock;	/* of the page's shard */
	u32 now, to = 0;

	tstore_chunk_head(s, word, &head);
	lock = tstore_chunk_lock(s, &head);
	if (!lock)
		return false;
	page = tstore_page(s, head.owner);
	sc = tstore_scratch(s, head.shard);
	spin_lock(lock);
	now = env_read_once(page->word);
	/* not if it is on its way in or out */
	if (now & TSTORE_WORD_STATE && (now & ~TSTORE_WORD_STATE) == word) {
		spin_lock(&sc->L5_lock);
		tstore_span_copy(s, tstore_word_span(word),
				 tstore_chunk_at(s, word) + sizeof(head),
				 sc->out, head.bytes, true);
		to = tstore_chunk_alloc(s, class, 0, &head, false);
		if (to)
			tstore_span_copy(s, tstore_word_span(to),
					 tstore_chunk_at(s, to) + sizeof(head),
					 sc->out, head.bytes, false);
		spin_unlock(&sc->L5_lock);
	}
	if (to) {
		env_store_release(&page->word, to | (now & TSTORE_WORD_STATE));
		tstore_chunk_free(s, word, 0);
	}
	spin_unlock(lock);
	return to;
}

/* The span of a class whose chunks the other spans have room for */
static u32 tstore_compact_choose(struct tstore *s, u32 class)
{
	u32 per_span = tstore_classes[class].chunks;
	struct tstore_pack *pk = &s->packs[class];
	u32 span = TSTORE_NONE;

	spin_lock(&pk->L6_lock);
	if (pk->span != TSTORE_NONE &&
	    (u64)pk->spans * per_span - pk->chunks >= per_span) {
		span = tstore_page(s, pk->span)->qprev;
		tstore_span_unlist_locked(s, pk, span);
		tstore_page(s, span)->closed = true;
	}
	spin_unlock(&pk->L6_lock);
	return span;
}

/* Lets a span be used again, or frees it; true if it is free */
static bool tstore_compact_end(struct tstore *s, u32 class, u32 span)
{
	struct tstore_page *page = tstore_page(s, span);
	struct tstore_pack *pk = &s->packs[class];
	bool empty;

	spin_lock(&pk->L6_lock);
	page->closed = false;
	empty = !page->used;
	if (empty) {
		pk->spans--;
		env_write_once(page->word, TSTORE_PAGE_FREE);
	} else if (page->used != tstore_class_full(class)) {
		tstore_span_list_locked(s, pk, span);
	}
	spin_unlock(&pk->L6_lock);
	if (empty)
		tstore_span_free(s, span, 0);
	return empty;
}

/**
 * tstore_compact() - gain a frame or more from free chunks
 * @s: the store
 *
 * Context: no lock held; env_relax() between pages.
 * Return: false if there is nothing to gain
 */
bool tstore_compact(struct tstore *s)
{
	u32 class, chunk, span;

	if (!s->codec)
		return false;
	for (class = 0; class < TSTORE_CLASSES; class++) {
		span = tstore_compact_choose(s, class);
		if (span == TSTORE_NONE)
			continue;
		for (chunk = 0; chunk < tstore_classes[class].chunks; chunk++) {
			if (!(env_read_once(tstore_page(s, span)->used) >>
			      chunk & 1))
				continue;
			if (!tstore_chunk_move(s, class,
					       tstore_word_packed(span,
								  chunk)))
				break;
			env_relax();
		}
		if (tstore_compact_end(s, class, span))
			return true;
	}
	return false;
}

void tstore_packs_init(struct tstore *s)
{
	u32 i;

	for (i = 0; i < TSTORE_CLASSES; i++)
		env_lock_init(&s->packs[i].L6_lock, TSTORE_L6);
	for (i = 0; s->codec && i < TSTORE_SCRATCHES; i++)
		env_lock_init(&s->scratches[i].L5_lock, TSTORE_L5);
}

void tstore_packs_clear(struct tstore *s)
{
	u32 i;

	for (i = 0; i < TSTORE_CLASSES; i++) {
		s->packs[i].span = TSTORE_NONE;
		s->packs[i].spans = 0;
		s->packs[i].chunks = 0;
		s->packs[i].bytes = 0;
	}
}

/* Frames, pages and bytes that are packed */
void tstore_packs_stats(struct tstore *s, struct tstore_stats *out)
{
	struct tstore_pack *pk;
	u32 i;

	for (i = 0; i < TSTORE_CLASSES; i++) {
		pk = &s->packs[i];
		spin_lock(&pk->L6_lock);
		out->span_frames += (u64)pk->spans * tstore_classes[i].frames;
		out->packed += pk->chunks;
		out->packed_bytes += pk->bytes;
		out->chunk_bytes += pk->chunks * tstore_class_size(i);
		spin_unlock(&pk->L6_lock);
	}
}

/* Does a span have this frame, beside its first? */
bool tstore_span_has(struct tstore *s, u32 span, u32 frame)
{
	u32 nr = tstore_classes[tstore_page(s, span)->class].frames;
	u32 i;

	for (i = 1; i < nr; i++)
		if (tstore_span_frame(s, span, i) == frame)
			return true;
	return false;
}

/**
 * tstore_span_rejoin() - take a span that was found in the arena back
 * @s: the store
 * @span: its first frame, whose slot says that it is one
 *
 * Return: false if its frames are not what they should be
 */
bool tstore_span_rejoin(struct tstore *s, u32 span)
{
	struct tstore_page *page = tstore_page(s, span);
	u32 i, part;

	if (page->class >= TSTORE_CLASSES || span >= TSTORE_MAX_SPAN)
		return false;
	for (i = 1; i < tstore_classes[page->class].frames; i++) {
		part = page->part[i - 1];
		if (part >= s->nr_frames ||
		    tstore_page(s, part)->word != TSTORE_PAGE_PART ||
		    tstore_page(s, part)->head != span)
			return false;
	}
	page->used = 0;
	page->listed = false;
	page->closed = false;
	return true;
}

/**
 * tstore_chunk_rejoin() - have a page that was found keep its chunk, if any
 * @s: the store
 * @shard: number of its shard
 * @flags: as for tstore_page_encode()
 * @p: its slot
 *
 * Return: false if it is not there
 */
bool tstore_chunk_rejoin(struct tstore *s, u32 shard, u32 flags, u32 p)
{
	u32 word = tstore_page(s, p)->word & ~TSTORE_WORD_STATE;
	u32 span = tstore_word_span(word);
	u32 chunk = tstore_word_chunk(word);
	struct tstore_chunk head;
	struct tstore_page *page;

	if (!tstore_word_has_chunk(word))
		return true;
	if (span >= s->nr_frames)
		return false;
	page = tstore_page(s, span);
	if (page->word != TSTORE_PAGE_SPAN ||
	    chunk >= tstore_classes[page->class].chunks ||
	    page->used & 1U << chunk)
		return false;
	tstore_chunk_head(s, word, &head);
	if (head.owner != p || head.shard != shard ||
	    (head.codec & TSTORE_CHUNK_CONTENT) != flags ||
	    head.bytes + sizeof(head) > tstore_class_size(page->class))
		return false;
	page->used |= 1U << chunk;
	s->packs[page->class].chunks++;
	s->packs[page->class].bytes += head.bytes + sizeof(head);
	return true;
}

/**
 * tstore_span_settle() - have the free chunks of a span that was found used
 * @s: the store
 * @span: its first frame
 *
 * All its pages have been found.  If there are none, its frames are free.
 */
void tstore_span_settle(struct tstore *s, u32 span)
{
	struct tstore_page *page = tstore_page(s, span);
	struct tstore_pack *pk = &s->packs[page->class];
	u32 i;

	if (!page->used) {
		for (i = tstore_classes[page->class].frames; i--; )
			tstore_page(s, tstore_span_frame(s, span, i))->word =
				TSTORE_PAGE_FREE;
		return;
	}
	spin_lock(&pk->L6_lock);
	pk->spans++;
	if (page->used != tstore_class_full(page->class))
		tstore_span_list_locked(s, pk, span);
	spin_unlock(&pk->L6_lock);
}
