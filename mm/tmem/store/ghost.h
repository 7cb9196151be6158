/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what a client would gain by having more of the store
 */
#ifndef _TSTORE_GHOST_H
#define _TSTORE_GHOST_H

#include "tstore.h"

/* Pages that a ghost cache remembers, a power of two: 300 KiB */
#define TSTORE_GHOST_PAGES	8192U

/* Bins of the histogram: 16 for each doubling of the distance */
#define TSTORE_GHOST_FINE	16U
#define TSTORE_GHOST_BINS	(TSTORE_GHOST_FINE * 30)

struct tstore_ghost;

/* A point of the curve: @hits of the bins before @bin */
struct tstore_ghost_at {
	u32 bin;
	u64 hits;
};

struct tstore_ghost *tstore_ghost_create(void);
void tstore_ghost_destroy(struct tstore_ghost *g);

bool tstore_ghost_samples(struct tstore_ghost *g, u64 hash);
void tstore_ghost_put(struct tstore_ghost *g, u64 hash);
void tstore_ghost_stay(struct tstore_ghost *g, u64 hash);
void tstore_ghost_get(struct tstore_ghost *g, u64 hash);
void tstore_ghost_flush(struct tstore_ghost *g, u64 hash);

void tstore_ghost_age(struct tstore_ghost *g);
u64 tstore_ghost_gets(struct tstore_ghost *g);
u64 tstore_ghost_puts(struct tstore_ghost *g);
u64 tstore_ghost_found(struct tstore_ghost *g);
u64 tstore_ghost_hits(struct tstore_ghost *g, struct tstore_ghost_at *from,
		      u64 pages);

#endif /* _TSTORE_GHOST_H */
