/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what the files of the working-set estimator share
 */
#ifndef _MM_TMEM_WSE_H
#define _MM_TMEM_WSE_H

#include <linux/kobject.h>
#include <linux/types.h>

struct folio;

/* How often pages are looked at, and how long ago a touch may be, in ms */
#define TMEM_WSE_TICK_MS	2000
#define TMEM_WSE_WINDOW		4	/* ticks */

/* A machine that gives memory away by itself gives this part of it a tick */
#define TMEM_WSE_STEPS		32

/* Pages that are watched */
#define TMEM_WSE_SAMPLES	2048

/* Ages are told apart up to this, in ticks; the last one is "or more" */
#define TMEM_WSE_AGES		16

/* Refault distances are: eighth, quarter, half, one, two, four times memory */
#define TMEM_WSE_DISTANCES	7

/* Knots of a curve: nothing, ages, what there is, distances */
#define TMEM_WSE_KNOTS		(2 + TMEM_WSE_AGES + TMEM_WSE_DISTANCES)

/* What comes of the estimate */
enum tmem_wse_mode {
	TMEM_WSE_OFF,		/* there is none */
	TMEM_WSE_ADVISE,	/* it is reported */
	TMEM_WSE_SELF,		/* this machine changes its size by itself */
	TMEM_WSE_HOST,		/* the host is asked to change it */
	TMEM_WSE_MODES
};

enum tmem_wse_type {
	TMEM_WSE_ANON,
	TMEM_WSE_FILE,
	TMEM_WSE_TYPES
};

/**
 * struct tmem_wse_sampled - what watching pages has shown
 * @seen: watched pages that are on the lists of reclaim, by type and age
 * @again: those of them that were touched after having had an age, with the
 *	past counting less and less, in sixteenths of a page a tick
 */
struct tmem_wse_sampled {
	u32 seen[TMEM_WSE_TYPES][TMEM_WSE_AGES];
	u32 again[TMEM_WSE_TYPES][TMEM_WSE_AGES];
};

/**
 * struct tmem_wse_absent - what is known of pages that were evicted
 * @evicted: pages evicted within the window
 * @watched: those of them that are watched
 * @refaulted: pages brought back within the window
 * @absent: watched pages that are not back, touched within the window
 * @distance: watched pages that were brought back, by what was evicted between;
 *	the past counts less and less
 */
struct tmem_wse_absent {
	u64 evicted;
	u64 watched;
	u64 refaulted;
	u32 absent;
	u32 distance[TMEM_WSE_DISTANCES];
};

/**
 * struct tmem_wse_input - all that an estimate is made of
 * @total: pages of memory
 * @free: of these, nobody has
 * @lru: on the lists of reclaim, by type
 * @unevictable: locked in memory
 * @reserve: that the page allocator keeps back
 * @ticks: since the beginning, at most TMEM_WSE_WINDOW
 * @pressure: thousandths of the time that somebody waits for memory
 * @oom: memory ran out within the window
 * @margin: percent of the estimate to have on top of it
 * @min: pages of memory that are not asked to be taken
 * @max: pages of memory beyond which none are asked for
 * @sampled: of pages that are there
 * @absent: of pages that are not
 */
struct tmem_wse_input {
	u64 total;
	u64 free;
	u64 lru[TMEM_WSE_TYPES];
	u64 unevictable;
	u64 reserve;
	u32 ticks;
	u32 pressure;
	bool oom;
	u32 margin;
	u64 min;
	u64 max;
	struct tmem_wse_sampled sampled;
	struct tmem_wse_absent absent;
};

/**
 * struct tmem_wse_knot - a point of the curve
 * @size: pages of memory
 * @misses: pages a second that would have to be brought back
 */
struct tmem_wse_knot {
	u64 size;
	u64 misses;
};

/**
 * struct tmem_wse_estimate - what came of it, in pages
 * @floor: what cannot be given up
 * @resident: pages in memory that were touched within the window
 * @absent: pages touched within the window that were evicted since
 * @size: the working set, all three
 * @target: memory to ask for
 * @confidence: in percent
 * @misses: pages brought back in a second
 * @knots: misses by size, ascending
 */
struct tmem_wse_estimate {
	u64 floor;
	u64 resident;
	u64 absent;
	u64 size;
	u64 target;
	u32 confidence;
	u64 misses;
	struct tmem_wse_knot knots[TMEM_WSE_KNOTS];
};

/**
 * struct tmem_wse_state - the last decision
 * @in: what it was made of
 * @out: what came of it
 * @grant: what the host answered, in pages; 0 if it was not asked
 * @report: status of the last report
 * @decisions: number of this one
 * @spent_ns: time that the estimator has taken
 */
struct tmem_wse_state {
	struct tmem_wse_input in;
	struct tmem_wse_estimate out;
	u64 grant;
	int report;
	u64 decisions;
	u64 spent_ns;
};

/* wse_math.c: arithmetic alone */
void tmem_wse_judge(const struct tmem_wse_input *in,
		    struct tmem_wse_estimate *out);
u64 tmem_wse_curve(const struct tmem_wse_estimate *est, u64 size);
u64 tmem_wse_steady(u64 old, u64 new);
u64 tmem_wse_step(u64 total, u64 goal);

/* wse_sample.c: pages that are in memory */
int tmem_wse_sample_begin(void);
u32 tmem_wse_sample(struct tmem_wse_sampled *out);
bool tmem_wse_touched(struct folio *folio, unsigned long pfn, u32 *touched);

/* wse_absent.c: pages that are not */
int tmem_wse_absent_begin(void);
void tmem_wse_absent_end(void);
void tmem_wse_absent_tick(void);
u64 tmem_wse_refaulted(void);
void tmem_wse_absent_read(u32 now, struct tmem_wse_absent *out);

/* wse.c */
extern unsigned int tmem_wse_margin;
extern u64 tmem_wse_min, tmem_wse_max;
enum tmem_wse_mode tmem_wse_mode(void);
int tmem_wse_set_mode(enum tmem_wse_mode mode);
void tmem_wse_read(struct tmem_wse_state *out);
void tmem_wse_kick(void);
bool tmem_wse_has_psi(void);

#endif /* _MM_TMEM_WSE_H */
