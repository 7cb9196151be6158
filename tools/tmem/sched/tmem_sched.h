/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: who has how much of a host's memory
 *
 * A host has memory for its guests and for the pool of their pages together.
 * Now and then somebody who can move balloons tells what there is, and is told
 * how much each guest is to keep; the pool has what is left.  Nothing here does
 * I/O or looks at a clock.  Documentation/tmem/scheduler.rst has the rules.
 *
 * Everything counts in pages, and is at most SCHED_MAX.
 */
#ifndef _TMEM_SCHED_H
#define _TMEM_SCHED_H

#include "tmem_env.h"

#define SCHED_MAX	TMEM_REPORT_MAX

/* A report that is older is none */
#define SCHED_REPORT_MS	30000U

/* A smaller part than that of what a guest has is not worth moving: 2 % */
#define SCHED_STEADY	50U

/* At most so much of what a guest has is taken in a second, in percent */
#ifndef SCHED_DOWN
#define SCHED_DOWN	5U
#endif

/* Likewise, while another guest waits for it */
#define SCHED_DOWN_FAST	25U

/* A page that was brought back is a reason to have one more for about so long */
#define SCHED_PROOF_MS	2048000U

/* A balloon that does not move for so long is stuck; tests have less patience */
#ifndef SCHED_STUCK_MS
#define SCHED_STUCK_MS	30000U
#endif

/**
 * enum sched_rule - why a guest's target is what it is
 * @SCHED_FIXED: the host's administrator, or the policy, says so
 * @SCHED_ASKED: it asks for so much, and gets it
 * @SCHED_SILENT: it does not report, and keeps what it has
 * @SCHED_FLOOR: it asks for less than it cannot do without
 * @SCHED_LEAST: it asks for less than it is sure of
 * @SCHED_MOST: it asks for more than it may have
 * @SCHED_SHARE: it asks for more than its share, and has not proven that
 * @SCHED_PROVEN: as far above its share as it has proven
 * @SCHED_KEPT: more than is proven, but it has it, and nobody else proves more
 * @SCHED_SPARE: more than is proven, of what nobody uses
 * @SCHED_SCARCE: there is not enough for what guests have proven
 * @SCHED_SCALED: there is not enough for what guests are to be sure of
 * @SCHED_RULES: number of them, not one itself
 */
enum sched_rule {
	SCHED_FIXED,
	SCHED_ASKED,
	SCHED_SILENT,
	SCHED_FLOOR,
	SCHED_LEAST,
	SCHED_MOST,
	SCHED_SHARE,
	SCHED_PROVEN,
	SCHED_KEPT,
	SCHED_SPARE,
	SCHED_SCARCE,
	SCHED_SCALED,
	SCHED_RULES
};

/**
 * enum sched_move - how the goal follows the target
 * @SCHED_STEADY_NOW: it is there, or as good as
 * @SCHED_UP: at once
 * @SCHED_WAITS: up, when there is memory
 * @SCHED_DOWN_NOW: down, a step, a larger one if others wait
 * @SCHED_MOVES: number of them, not one itself
 */
enum sched_move {
	SCHED_STEADY_NOW,
	SCHED_UP,
	SCHED_WAITS,
	SCHED_DOWN_NOW,
	SCHED_MOVES
};

/**
 * struct sched_guest - a guest
 *
 * What is known of it, to be filled in for each decision:
 * @weight: its share, against others; 0: what it is sure of, and no more
 * @total: what it has if nothing is in its balloon
 * @least: what it is to be sure of
 * @most: what it may have; beyond @total there is no more
 * @has: what the host must count it to have at present
 * @fixed: what it is to have, whatever it says; 0: that is decided here
 * @movable: it has a balloon; otherwise it keeps what it has
 * @report: its last one; @total 0: none
 * @report_ms: how old that is
 * @back: pages that it brought back from the store since the decision before,
 *	or would have, had the store had room for them
 * @persistent: pages of it that the store must keep
 * @takes: pages that the store could take from it
 *
 * What one decision leaves for the next one; zero at first, but for @goal:
 * @goal: what it is asked to keep, also the answer
 * @proof: pages above its share that it has proven to need
 * @beyond: what the host counts and the guest does not, as its report says
 * @had: what it had then
 * @lowest: least that it had since its balloon moved last
 * @moved_ms: when that was
 * @stuck: its balloon does not move, also an answer
 *
 * The rest of the answer:
 * @share: what it gets if all ask for more
 * @want: what it asks for, in the host's count
 * @floor: what it cannot do without, likewise
 * @target: what it is to have in the end
 * @rule: why
 * @move: how @goal follows
 * @refuse: it has more than its share, and others have less: what it wants the
 *	store to keep from now on is to be refused
 *
 * While it is decided:
 * @level: what it has got so far
 * @limit: what it may get
 */
struct sched_guest {
	u32 weight;
	u64 total;
	u64 least;
	u64 most;
	u64 has;
	u64 fixed;
	bool movable;
	struct tmem_report report;
	u64 report_ms;
	u64 back;
	u64 persistent;
	u64 takes;

	u64 goal;
	u64 proof;
	u64 beyond;
	u64 had;
	u64 lowest;
	u64 moved_ms;
	bool stuck;

	u64 share;
	u64 want;
	u64 floor;
	u64 target;
	enum sched_rule rule;
	enum sched_move move;
	bool refuse;

	u64 level;
	u64 limit;
};

/**
 * struct sched_host - the host
 *
 * What is known:
 * @memory: for guests and pool together
 * @pool_has: what the pool has at present
 * @pool_free: of that, holds nothing
 * @pool_least: what it is to be sure of
 * @pool_must: what it cannot be without at present, as it must keep that
 * @pool_most: what it cannot exceed
 * @now_ms: the time, of a clock that does not go backwards
 *
 * @last_ms: when the decision before was; 0 at first
 *
 * The answer:
 * @pool: what the pool is to have
 * @scaled: guests cannot have what they are to be sure of
 * @is_short: somebody waits for what is within its share
 * @over: guests have more than there is, and nothing can be done about it here
 * @waits: guests wait for memory that the pool is to give up: ask again as soon
 *	as it has
 */
struct sched_host {
	u64 memory;
	u64 pool_has;
	u64 pool_free;
	u64 pool_least;
	u64 pool_must;
	u64 pool_most;
	u64 now_ms;

	u64 last_ms;

	u64 pool;
	bool scaled;
	bool is_short;
	bool over;
	bool waits;
};

/**
 * struct sched_policy - a way to decide
 * @name: what users call it
 * @divide: sets target and rule of guests that are movable and not fixed; their
 *	targets come to @amount at most.  The pool uses what is beyond @unused of
 *	that.  @share and @want are set; @ms have passed since the decision before.
 */
struct sched_policy {
	const char *name;
	void (*divide)(struct sched_guest *guests, u32 nr, u64 amount,
		       u64 unused, u64 ms);
};

extern const struct sched_policy sched_policies[];
extern const u32 sched_nr_policies;
extern const char * const sched_rule_names[SCHED_RULES];
extern const char * const sched_rule_texts[SCHED_RULES];
extern const char * const sched_move_names[SCHED_MOVES];

static inline u64 at_most(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 at_least(u64 a, u64 b)
{
	return a > b ? a : b;
}

static inline u64 minus(u64 a, u64 b)
{
	return a > b ? a - b : 0;
}

/* a * b / c; @c is not 0, and the result fits */
static inline u64 sched_part(u64 a, u64 b, u64 c)
{
	return (unsigned __int128)a * b / c;
}

const struct sched_policy *sched_policy(const char *name);
void sched_decide(const struct sched_policy *policy, struct sched_host *host,
		  struct sched_guest *guests, u32 nr);
u64 sched_grant(const struct sched_guest *guest);

/* due.c: how much is everybody's due */

void sched_fill(struct sched_guest *guests, u32 nr, u64 amount);
bool sched_is_free(const struct sched_guest *guest);
bool sched_reports(const struct sched_guest *guest);

#endif /* _TMEM_SCHED_H */
