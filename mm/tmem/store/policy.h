/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: how a full store is divided
 */
#ifndef _TSTORE_POLICY_H
#define _TSTORE_POLICY_H

#include "tstore.h"

/* Points of a client's curve, beside 0 */
#define TSTORE_CURVE_STEPS	64U

/* Where everything of a client is in use, see @active */
#define TSTORE_ACTIVE_ALL	1024U

/**
 * struct tstore_share - a client as a policy sees it
 * @weight: what it is worth, against others; 0: it gets its minimum only
 * @min: pages that it is sure of
 * @cap: pages that it may not exceed
 * @held: frames that its pages of both kinds amount to
 * @refused: puts that were refused or evicted pages of its own, since the
 *	policy was asked last
 * @puts: ephemeral pages that it put of late
 * @active: how much of @held is of use, of TSTORE_ACTIVE_ALL
 * @hits: hits of the past period, had it had @capacity * i /
 *	TSTORE_CURVE_STEPS frames; does not fall with i
 * @target: frames that it should have: the answer, and the one of last time
 * @client: its number, the store's own
 * @corner: the policy's own
 * @gain: the policy's own
 */
struct tstore_share {
	u32 weight;
	u64 min;
	u64 cap;
	u64 held;
	u64 refused;
	u64 puts;
	u32 active;
	u64 hits[TSTORE_CURVE_STEPS + 1];
	u64 target;
	u32 client;
	u32 corner;
	u64 gain;
};

/**
 * struct tstore_policy - a way to divide the store
 * @name: what users call it
 * @divide: sets each share's target.  When the store is full, the client that
 *	is furthest above its target gives pages up, so targets may add up to
 *	more than @capacity.
 */
struct tstore_policy {
	const char *name;
	void (*divide)(struct tstore_share *shares, u32 nr, u64 capacity);
};

extern const struct tstore_policy tstore_policies[];
extern const u32 tstore_nr_policies;

#endif /* _TSTORE_POLICY_H */
