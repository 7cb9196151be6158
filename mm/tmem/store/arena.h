/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what is in the arena of a page store
 *
 * Locks and the legend of the fields are explained in private.h.
 */
#ifndef _TSTORE_ARENA_H
#define _TSTORE_ARENA_H

#include "tstore.h"

/* The first word of an arena that holds a store, and how it is laid out */
#define TSTORE_MAGIC		0x65726f7473746d74ULL	/* "tmstore" */
#define TSTORE_ARENA_VERSION	2

/* No page or object: an impossible handle */
#define TSTORE_NONE		(~0U)

/* Pages handled under one hold of L2_lock */
#define TSTORE_SLICE		16

/* Neighbours that share a shard: a run touches two at most */
#define TSTORE_SHARD_SHIFT	9

/* Neighbours in neighbouring buckets, hence in one cache line */
#define TSTORE_CLUSTER_SHIFT	3

#define TSTORE_BANKS		16

/* Frames are 32-bit numbers and so are the objects that fill them */
#define TSTORE_MAX_FRAMES	0x2000000U
#define TSTORE_MAX_SHARED	0xffffU
#define TSTORE_MAX_SLOTS	1600U	/* for a hundred frames */

/* Pages of an object that may be solo pages: see tstore_key_solo() */
#define TSTORE_SOLO_SHIFT	4
#define TSTORE_SOLO_PAGES	16U

/*
 * The word of a page slot.  Its low bits are the state; for the first ones it is
 * all of the word, unless the page is packed: then it is in no frame of its own
 * but, as the rest of the word says, in a chunk of a span, or is made of one
 * byte, or is what a content holds, see dedup.c.
 */
enum tstore_page_state {
	TSTORE_PAGE_FREE,	/* on a bank's list or in a put's hands */
	TSTORE_PAGE_LIVE,	/* committed: on a chain of the page hash */
	TSTORE_PAGE_SOLO,	/* the same, and it has the object's name */
	TSTORE_PAGE_HELD,	/* no page: its frame is, in use otherwise */
};

#define TSTORE_WORD_STATE	0x3U
#define TSTORE_WORD_PACKED	0x4U
#define TSTORE_WORD_SHIFT	3
#define TSTORE_WORD_NO_CHUNK	0x80000000U	/* a byte is above the shift, */
#define TSTORE_WORD_SHARED	0x40000000U	/* or with this a content */
#define TSTORE_CHUNK_BITS	4	/* chunk, and above it the span */

/* Words of slots whose frames are held */
#define TSTORE_PAGE_OBJECTS	(TSTORE_PAGE_HELD | 0 << TSTORE_WORD_SHIFT)
#define TSTORE_PAGE_OUT		(TSTORE_PAGE_HELD | 1 << TSTORE_WORD_SHIFT)
#define TSTORE_PAGE_SPAN	(TSTORE_PAGE_HELD | 2 << TSTORE_WORD_SHIFT)
#define TSTORE_PAGE_PART	(TSTORE_PAGE_HELD | 3 << TSTORE_WORD_SHIFT)
#define TSTORE_PAGE_CONTENT	(TSTORE_PAGE_HELD | 4 << TSTORE_WORD_SHIFT)

/* Chunks in frames, see pack.c */
#define TSTORE_CLASSES		20
#define TSTORE_SPAN_FRAMES	4
#define TSTORE_SCRATCHES	8
#define TSTORE_MAX_SHARDS	256
#define TSTORE_MAX_SPAN		0x1000000U	/* numbers of their frames */
#define TSTORE_CHUNK_CONTENT	0x80U	/* beside the codec: of a content */
#define TSTORE_MAX_CONTENT	0x8000000U	/* numbers of slots of contents */

/* Pages that do not get below this many percent are stored as they are */
#define TSTORE_RAW_ABOVE	73

/* What the slot of a packed page costs, with its part of the hashes */
#define TSTORE_SLOT_COST	48

static_assert(TSTORE_SOLO_PAGES <= TSTORE_SLICE, "flushed in one slice");

/**
 * struct tstore_super - what the head of a store begins with
 * @magic: I: TSTORE_MAGIC; the last to be written
 * @version: I: TSTORE_ARENA_VERSION
 * @page_shift: I
 * @dedup: I: so the arena has a hash of contents
 * @max_shared: I: of the clients, those that are shared pools
 * @bytes: I: of the arena
 * @seed: I
 * @nr_frames: I
 * @max_clients: I
 * @max_pools: I
 * @check: I: of all above
 * @instances: L1: last pool instance given out
 * @nr_slots: I: covered by @check, too
 * @epochs: L1: last epoch given out
 */
struct tstore_super {
	u64 magic;
	u32 version;
	u8 page_shift;
	u8 dedup;
	u16 max_shared;
	u64 bytes;
	u64 seed;
	u32 nr_frames;
	u32 max_clients;
	u32 max_pools;
	u32 check;
	u32 instances;
	u32 nr_slots;
	u64 epochs;
};

static_assert(sizeof(struct tstore_super) == 64, "head of an arena");

/**
 * struct tstore_record - what is to outlive a crash of a client: lives in the
 *	head, as do the idents of its pools
 * @used: L1: there is such a client
 * @frozen: L4: the host wants puts to be refused
 * @weight: L4: against that of other clients
 * @restoring: L4: a stream comes in, of which nothing is to remain if it does
 *	not come to its end
 * @tag: L4: the host's name for it
 * @limit: L4: most pages of both kinds
 * @min: L4: pages that it is sure of
 * @epoch: L4: of the last attach; 0: none yet
 * @features: L4: negotiated by it
 * @unused: zero
 */
struct tstore_record {
	u32 used;
	u32 frozen;
	u32 weight;
	u32 restoring;
	u64 tag;
	u64 limit;
	u64 min;
	u64 epoch;
	u64 features;
	u64 unused;
};

static_assert(sizeof(struct tstore_record) == 64, "record of a client");

/**
 * struct tstore_page - one page: lives in the arena
 * @word: see above; the store that commits a page is the last one of its put.
 *	Written under L2 of its shard, or by the only owner.
 * @hnext: L2: chain of the page hash; L3: of contents; L7: list of a bank
 * @obj: I R: handle of its object
 * @head: I: part of a span: the slot that describes the span
 * @owner: I R: solo: number of its pool, and the index in the low bits
 * @refs: L3: content: pages that name it
 * @seq: L2: seq of its put
 * @client: I: content: whose
 * @index: I: index in the object
 * @onext: L3 R: list of the object's pages, circular
 * @oprev: L3 R
 * @name: I: solo: the first two words of its object's name, and the third is 0
 * @digest: I: content: of the page
 * @part: I: span: its other frames
 * @class: I: span: size of its chunks
 * @listed: L6: span: on the list of its class
 * @closed: L6: span: being emptied, so no chunk of it is to be taken
 * @used: L6 R: span: bit i: chunk i is taken
 * @free_obj: L7: objects: first free object slot of the frame
 * @free_objs: L7: objects: number of those
 * @qnext: L4: the client's eviction queue, circular; persistent: not used;
 *	L7: objects: the bank's frames that have free object slots, circular;
 *	L6: span: those of its class that have free chunks, circular
 * @qprev: L4; L7; L6
 */
struct tstore_page {
	u32 word;
	u32 hnext;
	union {
		u32 obj;
		u32 owner;
		u32 head;
		u32 refs;
	};
	union {
		u32 seq;
		u32 client;
	};
	union {
		struct {
			u64 index;
			u32 onext;
			u32 oprev;
		};
		u64 name[2];
		u64 digest;
		struct {
			u32 free_obj;
			u32 free_objs;
		};
		struct {
			u32 part[TSTORE_SPAN_FRAMES - 1];
			u8 class;
			u8 listed:1;
			u8 closed:1;
			u16 used;
		};
	};
	u32 qnext;
	u32 qprev;
};

static_assert(sizeof(struct tstore_page) == 40, "page slot");

/* tstore_object.count: somebody walks the list, so the object must stay */
#define TSTORE_WALKED		0x80000000U

/**
 * struct tstore_object - one object: lives in a frame of the arena
 * @name: I: the client's name for it
 * @hnext: L3: chain of the object hash; L7: list of a bank
 * @pool: I: number of its pool in the store; TSTORE_NONE in a free slot
 * @first: L3: oldest page, or TSTORE_NONE
 * @count: L3: pages, and TSTORE_WALKED
 * @pnext: L4: list of the pool's objects, circular
 * @pprev: L4
 */
struct tstore_object {
	u64 name[3];
	u32 hnext;
	u32 pool;
	u32 first;
	u32 count;
	u32 pnext;
	u32 pprev;
};

static_assert(sizeof(struct tstore_object) == 48, "object slot");

#define TSTORE_OBJECTS_PER_FRAME \
	((u32)(PAGE_SIZE / sizeof(struct tstore_object)))

static inline u32 tstore_page_state(const struct tstore_page *page)
{
	return env_read_once(page->word) & TSTORE_WORD_STATE;
}

static inline bool tstore_page_solo(const struct tstore_page *page)
{
	return tstore_page_state(page) == TSTORE_PAGE_SOLO;
}

/* Of a packed page, the word but for the state */
static inline u32 tstore_word_packed(u32 span, u32 chunk)
{
	return (span << TSTORE_CHUNK_BITS | chunk) << TSTORE_WORD_SHIFT |
	       TSTORE_WORD_PACKED;
}

static inline u32 tstore_word_span(u32 word)
{
	return word >> (TSTORE_WORD_SHIFT + TSTORE_CHUNK_BITS);
}

static inline u32 tstore_word_chunk(u32 word)
{
	return word >> TSTORE_WORD_SHIFT & ((1U << TSTORE_CHUNK_BITS) - 1);
}

/* Is a packed page in a chunk of its own? */
static inline bool tstore_word_has_chunk(u32 word)
{
	return word & TSTORE_WORD_PACKED && !(word & TSTORE_WORD_NO_CHUNK);
}

static inline bool tstore_word_is_shared(u32 word)
{
	u32 shared = TSTORE_WORD_PACKED | TSTORE_WORD_NO_CHUNK |
		     TSTORE_WORD_SHARED;

	return (word & shared) == shared;
}

/* Of a page that names a content, the word but for the state */
static inline u32 tstore_word_shared(u32 content)
{
	return TSTORE_WORD_PACKED | TSTORE_WORD_NO_CHUNK | TSTORE_WORD_SHARED |
	       content << TSTORE_WORD_SHIFT;
}

static inline u32 tstore_word_content(u32 word)
{
	return word >> TSTORE_WORD_SHIFT & (TSTORE_MAX_CONTENT - 1);
}

static inline bool tstore_page_is_content(const struct tstore_page *page)
{
	u32 word = env_read_once(page->word);

	return word == TSTORE_PAGE_CONTENT ||
	       ((word & TSTORE_WORD_STATE) == TSTORE_PAGE_HELD &&
		tstore_word_has_chunk(word));
}

#endif /* _TSTORE_ARENA_H */
