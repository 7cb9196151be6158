// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the pages that are not in memory, but would be
 *
 * When a watched frame loses its page, the page is watched on, by name, until it
 * comes back, into whatever frame, or is forgotten.  So it is known how many of
 * the pages that are away were touched within the window, and how much was
 * evicted between the eviction of a page and its return: had there been so much
 * more memory, it would not have had to return.  Where it comes from, hcache,
 * hswap or a disk, does not matter.
 *
 * A page of a file is named by mapping and index, a swapped one by its slot.
 */
#include <linux/atomic.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/swap.h>

#include "internal.h"
#include "wse.h"

/* Watched pages that may be away: four times as many as frames are watched */
#define PLACES		(4 * TMEM_WSE_SAMPLES)
#define CHAINS		PLACES

/* Pages brought back, as a part of memory, that are an event */
#define BURST		64

/**
 * struct away - a watched page that is away
 * @tag: hash of its name
 * @touched: tick at which it was touched last
 * @evictions: pages evicted until then
 * @next: place of the next one of the same chain, or that is free, plus 1; 0:
 *	none
 * @used: it is in a chain
 */
struct away {
	u32 tag;
	u32 touched;
	u32 evictions;
	u16 next;
	bool used;
};

/**
 * struct away_table - those that are away
 * @chain: place of the first one of a chain, plus 1; 0: none
 * @free: place of the first one that is free again, plus 1; 0: none
 * @filled: places that have ever been used
 * @victim: the one that makes room next, when all are used
 * @place: the pages
 */
struct away_table {
	u16 chain[CHAINS];
	u16 free;
	u16 filled;
	u16 victim;
	struct away place[PLACES];
};

static_assert(PLACES < U16_MAX);

static DEFINE_SPINLOCK(lock); /* innermost; covers all until the empty line */
static struct away_table *table;
static u64 watched;		/* evicted from watched frames */
static u32 distance[TMEM_WSE_DISTANCES];

static bool on;			/* the worker's; read by the hooks */
static atomic64_t evictions, refaults;
static atomic64_t burst_at;	/* refaults at which there is an event */
static u64 seed;

/* The worker's: the counts at the last ticks */
static struct counts {
	u64 evicted, watched, refaulted;
} counts_at[TMEM_WSE_WINDOW];
static u32 tick;

/* Where a folio has its name; false if it has none */
static bool name_of(struct folio *folio, u64 *object, u64 *index)
{
	/* one that is swapped in without the swap cache has no mapping yet */
	if (folio_test_swapcache(folio) ||
	    (folio_test_swapbacked(folio) && !folio->mapping)) {
		*object = seed;
		*index = folio->swap.val;
		return true;
	}
	if (folio_test_anon(folio) || !folio->mapping)
		return false;
	*object = (unsigned long)folio->mapping ^ seed;
	*index = folio->index;
	return true;
}

static u32 tag_of(u64 object, u64 index)
{
	return hash_64(object * GOLDEN_RATIO_64 + index, 32);
}

static u16 *find(u32 tag)
{
	u16 *link = &table->chain[tag % CHAINS];

	lockdep_assert_held(&lock);
	while (*link && table->place[*link - 1].tag != tag)
		link = &table->place[*link - 1].next;
	return link;
}

static void forget(u16 *link)
{
	u16 nr = *link;
	struct away *a = &table->place[nr - 1];

	*link = a->next;
	WRITE_ONCE(a->used, false);
	a->next = table->free;
	table->free = nr;
}

/* A place, plus 1 */
static u16 take(void)
{
	u16 nr;

	if (!table->free && table->filled < PLACES)
		return ++table->filled;
	if (!table->free) {
		forget(find(table->place[table->victim].tag));
		table->victim = (table->victim + 1) % PLACES;
	}
	nr = table->free;
	table->free = table->place[nr - 1].next;
	return nr;
}

static void note_evicted(u32 tag, u32 touched, u32 when)
{
	u16 nr, *link = find(tag);

	if (*link)
		forget(link);
	nr = take();
	link = &table->chain[tag % CHAINS];
	table->place[nr - 1] = (struct away){ tag, touched, when, *link, true };
	*link = nr;
	watched++;
}

static void note_refault(u32 tag, u32 when, u64 memory)
{
	u16 *link = find(tag);
	u64 edge = memory / 8;
	u32 between;
	int d;

	if (!*link)
		return;
	between = when - table->place[*link - 1].evictions;
	forget(link);
	for (d = 0; d < TMEM_WSE_DISTANCES - 1 && between > edge; d++)
		edge *= 2;
	distance[d] += 16;
}

/**
 * __tmem_wse_evicted - a folio is removed from memory, to be read again or not
 * @folio: the folio, locked; still has its name
 *
 * Context: Any, with the lock of its mapping's or of swap's pages held.
 */
void __tmem_wse_evicted(struct folio *folio)
{
	long i, nr = folio_nr_pages(folio);
	u64 object, index, when;
	unsigned long flags;
	u32 touched;

	/* with what was set before it, in tmem_wse_absent_begin() */
	if (!smp_load_acquire(&on))
		return;
	when = atomic64_add_return(nr, &evictions);
	for (i = 0; i < nr; i++) {
		if (!tmem_wse_touched(folio, folio_pfn(folio) + i, &touched) ||
		    !name_of(folio, &object, &index))
			continue;
		spin_lock_irqsave(&lock, flags);
		note_evicted(tag_of(object, index + i), touched, when);
		spin_unlock_irqrestore(&lock, flags);
	}
}

/**
 * __tmem_wse_refault - a folio is brought back that was evicted once
 * @folio: the folio, locked; has its name again
 *
 * Context: Any.
 */
void __tmem_wse_refault(struct folio *folio)
{
	long i, nr = folio_nr_pages(folio);
	u64 object, index, when;
	unsigned long flags;
	u32 tag;

	/* with what was set before it, in tmem_wse_absent_begin() */
	if (!smp_load_acquire(&on))
		return;
	when = atomic64_read(&evictions);
	if (atomic64_add_return(nr, &refaults) > atomic64_read(&burst_at))
		tmem_wse_kick();
	if (!name_of(folio, &object, &index))
		return;
	for (i = 0; i < nr; i++) {
		tag = tag_of(object, index + i);
		/* mostly there is none, and no lock is needed to see that */
		if (!READ_ONCE(table->chain[tag % CHAINS]))
			continue;
		spin_lock_irqsave(&lock, flags);
		note_refault(tag, when, totalram_pages());
		spin_unlock_irqrestore(&lock, flags);
	}
}

static struct counts counts_now(void)
{
	lockdep_assert_held(&lock);
	return (struct counts){
		.evicted = atomic64_read(&evictions),
		.watched = watched,
		.refaulted = atomic64_read(&refaults),
	};
}

/**
 * tmem_wse_absent_tick - a tick is over
 *
 * Context: Process context, one caller at a time.
 */
void tmem_wse_absent_tick(void)
{
	int i;

	spin_lock_irq(&lock);
	for (i = 0; i < TMEM_WSE_DISTANCES; i++)
		distance[i] -= DIV_ROUND_UP(distance[i], 4);
	counts_at[tick++ % TMEM_WSE_WINDOW] = counts_now();
	spin_unlock_irq(&lock);
}

static u64 refaulted_since(const struct counts *before)
{
	u64 nr = atomic64_read(&refaults);

	atomic64_set(&burst_at, nr + totalram_pages() / BURST);
	return nr - before->refaulted;
}

/* Its age in ticks; TMEM_WSE_AGES if there is none, or it is too old to matter */
static u32 age_of(struct away *a, u32 now)
{
	s32 age = now - READ_ONCE(a->touched);

	/* one that changes just now may be seen either way */
	if (READ_ONCE(a->used) && age < TMEM_WSE_AGES)
		return max(age, 0);
	if (READ_ONCE(a->used)) {
		spin_lock_irq(&lock);
		if (a->used && (s32)(now - a->touched) >= TMEM_WSE_AGES)
			forget(find(a->tag));
		spin_unlock_irq(&lock);
	}
	return TMEM_WSE_AGES;
}

/**
 * tmem_wse_refaulted - pages brought back within the window
 *
 * Context: Process context, the one that calls tmem_wse_absent_tick().
 * Return: their number, now.
 */
u64 tmem_wse_refaulted(void)
{
	return refaulted_since(&counts_at[tick % TMEM_WSE_WINDOW]);
}

/**
 * tmem_wse_absent_read - what is known after a look at the sample
 * @now: tick of that
 * @out: of pages that are not in memory
 *
 * Context: Process context, the one that calls tmem_wse_absent_tick().
 */
void tmem_wse_absent_read(u32 now, struct tmem_wse_absent *out)
{
	/* the oldest counts are those of a window ago */
	const struct counts *before = &counts_at[tick % TMEM_WSE_WINDOW];
	struct counts counts;
	int i;

	memset(out, 0, sizeof(*out));
	spin_lock_irq(&lock);
	counts = counts_now();
	memcpy(out->distance, distance, sizeof(distance));
	spin_unlock_irq(&lock);
	out->evicted = counts.evicted - before->evicted;
	out->watched = counts.watched - before->watched;
	out->refaulted = refaulted_since(before);
	for (i = 0; i < PLACES; i++)
		out->absent += age_of(&table->place[i], now) < TMEM_WSE_WINDOW;
}

/**
 * tmem_wse_absent_begin - begin, knowing nothing
 *
 * Context: Process context; not while the others of the worker's are called.
 * Return: 0 or -ENOMEM.
 */
int tmem_wse_absent_begin(void)
{
	struct away_table *room = table;
	int i;

	if (!room)
		room = kvzalloc(sizeof(*room), GFP_KERNEL);
	if (!room)
		return -ENOMEM;
	spin_lock_irq(&lock);
	memset(room, 0, sizeof(*room));
	table = room;
	if (!seed)
		seed = get_random_u64() | 1;
	memset(distance, 0, sizeof(distance));
	for (i = 0; i < TMEM_WSE_WINDOW; i++)
		counts_at[i] = counts_now();
	atomic64_set(&burst_at, atomic64_read(&refaults) +
				totalram_pages() / BURST);
	spin_unlock_irq(&lock);
	/* everything else is set: the hooks may begin */
	smp_store_release(&on, true);
	return 0;
}

/**
 * tmem_wse_absent_end - note nothing more
 *
 * Context: Process context.  A hook that has begun may go on.
 */
void tmem_wse_absent_end(void)
{
	WRITE_ONCE(on, false);
}
