// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: ghost caches of the page store
 *
 * How many of a client's gets would find their page if the client had so many
 * frames?  For every number of frames at once, from one look at the requests.
 *
 *		The stack
 *
 * A store of C frames that drops the page that came first holds, of the pages
 * that were put and neither asked for nor flushed since, the newest ones.  Line
 * them up, the newest first.  A get takes its page out, which leaves a free
 * frame: a hole in the line.  A put goes to the front, and the line moves back
 * by one, but no further than the first hole, which is filled; if that is
 * beyond place C, or there is none, a store of C frames drops the page that
 * moves from place C to C + 1.  So the store of C frames has those pages whose
 * place is at most C, for each C, and a get is a hit wherever the place of its
 * page allows.  That is Mattson's stack (IBM Systems Journal 9(2), 1970) for a
 * cache whose hits remove.
 *
 * Pages and holes have positions, which only grow; the place of a page is the
 * number of positions taken from its own on.  Two Fenwick trees (Software:
 * Practice and Experience 24(3), 1994) count what is taken and what is a hole.
 *
 *		The sample
 *
 * Remembered are the pages whose hash is below a threshold, a fraction R of all
 * (SHARDS, FAST 2015): they are a cache in small, with places R times as deep.
 * When there are too many of them, R is halved, and so are the holes.  What is
 * counted weighs 1 / R, so that counts of different R add up.
 *
 *		Who excludes whom
 *
 * One user at a time, but for tstore_ghost_samples(), which needs no lock.
 */
#include "ghost.h"

#define NONE		(~0U)
#define HOLE		(~0U - 1)

#define NR_PAGES	TSTORE_GHOST_PAGES
#define NR_PLACES	(2 * NR_PAGES)
#define NR_BUCKETS	NR_PAGES

/**
 * struct ghost_page - a page that is remembered
 * @hash: which one
 * @next: chain of its bucket, or of the free ones
 * @at: its position
 */
struct ghost_page {
	u64 hash;
	u32 next;
	u32 at;
};

/**
 * struct tstore_ghost - a ghost cache
 * @shift: R is 2^-shift; read without a lock
 * @end: the next position
 * @taken: positions with a page or a hole
 * @holes: positions with a hole
 * @free: first free page
 * @gets: of all pages, that is, weighted
 * @puts: likewise
 * @found: gets whose page was remembered, weighted; these are not aged
 * @bins: gets by the place of their page, weighted
 * @bucket: heads of chains
 * @owner: what is at a position: a page, HOLE, or NONE
 * @taken_tree: Fenwick tree of taken positions
 * @hole_tree: Fenwick tree of holes
 * @pages: the pages
 */
struct tstore_ghost {
	u32 shift;
	u32 end;
	u32 taken;
	u32 holes;
	u32 free;
	u64 gets;
	u64 puts;
	u64 found;
	u64 bins[TSTORE_GHOST_BINS];
	u32 bucket[NR_BUCKETS];
	u32 owner[NR_PLACES];
	u16 taken_tree[NR_PLACES + 1];
	u16 hole_tree[NR_PLACES + 1];
	struct ghost_page pages[NR_PAGES];
};

static_assert(sizeof(struct tstore_ghost) <= 300 << 10, "as ghost.h says");

/* ---- Fenwick trees: element i counts the i & -i positions before i ---- */

static void tree_add(u16 *tree, u32 at, int what)
{
	u32 i;

	for (i = at + 1; i <= NR_PLACES; i += i & -i)
		tree[i] += what;
}

/* How many positions before @at count */
static u32 tree_before(const u16 *tree, u32 at)
{
	u32 sum = 0;

	for (; at; at -= at & -at)
		sum += tree[at];
	return sum;
}

/* The position of the @nr'th that counts, from 1; there are so many */
static u32 tree_find(const u16 *tree, u32 nr)
{
	u32 step, at = 0;

	for (step = NR_PLACES; step; step >>= 1) {
		if (at + step <= NR_PLACES && tree[at + step] < nr) {
			at += step;
			nr -= tree[at];
		}
	}
	return at;
}

/* ---- positions ---- */

static void ghost_take(struct tstore_ghost *g, u32 at, u32 owner)
{
	g->owner[at] = owner;
	g->taken++;
	tree_add(g->taken_tree, at, 1);
	if (owner == HOLE) {
		g->holes++;
		tree_add(g->hole_tree, at, 1);
	} else {
		g->pages[owner].at = at;
	}
}

static void ghost_make_hole(struct tstore_ghost *g, u32 at)
{
	g->owner[at] = HOLE;
	g->holes++;
	tree_add(g->hole_tree, at, 1);
}

/* The first hole of the line is the last position that is one */
static void ghost_fill_hole(struct tstore_ghost *g)
{
	u32 at = tree_find(g->hole_tree, g->holes);

	g->owner[at] = NONE;
	g->taken--;
	g->holes--;
	tree_add(g->taken_tree, at, -1);
	tree_add(g->hole_tree, at, -1);
}

/* Numbers the positions anew, without gaps; leaves out every other hole if @half */
static void ghost_compact(struct tstore_ghost *g, bool half)
{
	u32 at, owner, end = g->end, seen = 0;

	memset(g->taken_tree, 0, sizeof(g->taken_tree));
	memset(g->hole_tree, 0, sizeof(g->hole_tree));
	g->end = 0;
	g->taken = 0;
	g->holes = 0;
	for (at = 0; at < end; at++) {
		owner = g->owner[at];
		g->owner[at] = NONE;
		if (owner == NONE || (owner == HOLE && half && seen++ & 1))
			continue;
		ghost_take(g, g->end++, owner);
	}
}

/* ---- pages ---- */

static u32 *ghost_find(struct tstore_ghost *g, u64 hash)
{
	u32 *link = &g->bucket[hash % NR_BUCKETS];

	while (*link != NONE && g->pages[*link].hash != hash)
		link = &g->pages[*link].next;
	return link;
}

static void ghost_free(struct tstore_ghost *g, u32 *link)
{
	u32 p = *link;

	*link = g->pages[p].next;
	g->pages[p].next = g->free;
	g->free = p;
}

/* Forgets the pages whose hash is too large from now on */
static void ghost_halve(struct tstore_ghost *g)
{
	u32 *link;
	u32 i;

	env_write_once(g->shift, g->shift + 1);
	for (i = 0; i < NR_BUCKETS; i++) {
		link = &g->bucket[i];
		while (*link != NONE) {
			if (tstore_ghost_samples(g, g->pages[*link].hash)) {
				link = &g->pages[*link].next;
				continue;
			}
			g->owner[g->pages[*link].at] = NONE;
			ghost_free(g, link);
		}
	}
	ghost_compact(g, true);
}

/* Of a place, from 0: linear below FINE, then FINE bins for each doubling */
static u32 ghost_bin(u64 place)
{
	u32 doublings = 0;

	while (place >> doublings >= 2 * TSTORE_GHOST_FINE)
		doublings++;
	if (place < TSTORE_GHOST_FINE)
		return place;
	return TSTORE_GHOST_FINE * doublings + (place >> doublings);
}

/* The first place of a bin */
static u64 ghost_bin_start(u32 bin)
{
	u32 doublings;

	if (bin < 2 * TSTORE_GHOST_FINE)
		return bin;
	doublings = bin / TSTORE_GHOST_FINE - 1;
	return (u64)(bin - doublings * TSTORE_GHOST_FINE) << doublings;
}

/**
 * tstore_ghost_samples() - whether a ghost cache wants to know of a page
 * @g: the ghost cache
 * @hash: of the page's full name
 *
 * Cheap: others need not be called for a page of which this is not true.
 *
 * Context: any; no lock needed.
 */
bool tstore_ghost_samples(struct tstore_ghost *g, u64 hash)
{
	return !(hash >> 1 >> (63 - env_read_once(g->shift)));
}

/* A page is the newest one, whether it was remembered or not */
static void ghost_add(struct tstore_ghost *g, u64 hash)
{
	u32 *link = ghost_find(g, hash);
	u32 p;

	if (*link == NONE && g->free == NONE) {
		ghost_halve(g);
		if (!tstore_ghost_samples(g, hash) || g->free == NONE)
			return;
		link = ghost_find(g, hash);
	}
	if (g->end == NR_PLACES)
		ghost_compact(g, false);
	if (*link == NONE) {
		p = g->free;
		g->free = g->pages[p].next;
		g->pages[p].hash = hash;
		g->pages[p].next = NONE;
		*link = p;
	} else {
		p = *link;
		ghost_make_hole(g, g->pages[p].at);
	}
	if (g->holes)
		ghost_fill_hole(g);
	ghost_take(g, g->end++, p);
}

/**
 * tstore_ghost_put() - a page comes into the store
 * @g: the ghost cache
 * @hash: of the page's full name
 *
 * Also one that is refused for want of room: what if there had been some?
 */
void tstore_ghost_put(struct tstore_ghost *g, u64 hash)
{
	if (!tstore_ghost_samples(g, hash))
		return;
	g->puts += 1ULL << g->shift;
	ghost_add(g, hash);
}

/**
 * tstore_ghost_stay() - a page that was got has not left
 * @g: the ghost cache
 * @hash: of the page's full name
 *
 * As if it had come again at once, but for the count of puts.
 */
void tstore_ghost_stay(struct tstore_ghost *g, u64 hash)
{
	if (tstore_ghost_samples(g, hash))
		ghost_add(g, hash);
}

/**
 * tstore_ghost_get() - a page is asked for, and leaves if it is there
 * @g: the ghost cache
 * @hash: of the page's full name
 */
void tstore_ghost_get(struct tstore_ghost *g, u64 hash)
{
	u64 place;
	u32 *link;
	u32 at, bin;

	if (!tstore_ghost_samples(g, hash))
		return;
	g->gets += 1ULL << g->shift;
	link = ghost_find(g, hash);
	if (*link == NONE)
		return;
	g->found += 1ULL << g->shift;
	at = g->pages[*link].at;
	place = (u64)(g->taken - tree_before(g->taken_tree, at) - 1) << g->shift;
	bin = ghost_bin(place);
	if (bin < TSTORE_GHOST_BINS)
		g->bins[bin] += 1ULL << g->shift;
	ghost_make_hole(g, at);
	ghost_free(g, link);
}

/**
 * tstore_ghost_flush() - a page leaves the store without being asked for
 * @g: the ghost cache
 * @hash: of the page's full name
 */
void tstore_ghost_flush(struct tstore_ghost *g, u64 hash)
{
	u32 *link;

	if (!tstore_ghost_samples(g, hash))
		return;
	link = ghost_find(g, hash);
	if (*link == NONE)
		return;
	ghost_make_hole(g, g->pages[*link].at);
	ghost_free(g, link);
}

/**
 * tstore_ghost_age() - let what was counted so far weigh half
 * @g: the ghost cache
 *
 * Called once a period, it makes the curve follow the client.
 */
void tstore_ghost_age(struct tstore_ghost *g)
{
	u32 i;

	g->gets /= 2;
	g->puts /= 2;
	for (i = 0; i < TSTORE_GHOST_BINS; i++)
		g->bins[i] /= 2;
}

/* All gets that were counted, weighted by age */
u64 tstore_ghost_gets(struct tstore_ghost *g)
{
	return g->gets;
}

/**
 * tstore_ghost_puts() - how much has been put
 * @g: the ghost cache
 *
 * Return: an estimate of the number of pages, see tstore_ghost_age()
 */
u64 tstore_ghost_puts(struct tstore_ghost *g)
{
	return g->puts;
}

/**
 * tstore_ghost_found() - how many gets would have been hits, with room for all
 * @g: the ghost cache
 *
 * Return: an estimate of the number since the beginning
 */
u64 tstore_ghost_found(struct tstore_ghost *g)
{
	return g->found;
}

/**
 * tstore_ghost_hits() - how many of the gets would have been hits
 * @g: the ghost cache
 * @from: where the call before has come to, with no more pages; zeros for the
 *	first one
 * @pages: if the store had so many frames for this client
 *
 * The gets of a whole curve are counted once.
 *
 * Return: an estimate, at most tstore_ghost_gets().  It does not fall when
 * @pages grows.
 */
u64 tstore_ghost_hits(struct tstore_ghost *g, struct tstore_ghost_at *from,
		      u64 pages)
{
	u64 start = 0, width = 1, hits;

	for (; from->bin < TSTORE_GHOST_BINS; from->bin++) {
		start = ghost_bin_start(from->bin);
		width = ghost_bin_start(from->bin + 1) - start;
		if (start + width > pages)
			break;
		from->hits += g->bins[from->bin];
	}
	hits = from->hits;
	/* the part of a bin that is below @pages */
	if (from->bin < TSTORE_GHOST_BINS && pages > start)
		hits += g->bins[from->bin] / width * (pages - start) +
			g->bins[from->bin] % width * (pages - start) / width;
	return hits;
}

/**
 * tstore_ghost_create() - a ghost cache that remembers nothing yet
 *
 * Context: allocates.
 * Return: NULL if there is no memory
 */
struct tstore_ghost *tstore_ghost_create(void)
{
	struct tstore_ghost *g = env_zalloc(sizeof(*g));
	u32 i;

	if (!g)
		return NULL;
	memset(g->bucket, 0xff, sizeof(g->bucket));
	memset(g->owner, 0xff, sizeof(g->owner));
	for (i = 0; i < NR_PAGES; i++)
		g->pages[i].next = i + 1 < NR_PAGES ? i + 1 : NONE;
	return g;
}

/* The opposite */
void tstore_ghost_destroy(struct tstore_ghost *g)
{
	env_free(g);
}
