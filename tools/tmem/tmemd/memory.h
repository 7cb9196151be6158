/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, the memory of guests
 */
#ifndef _TMEMD_MEMORY_H
#define _TMEMD_MEMORY_H

#include "state.h"

/**
 * struct region - a piece of a guest's memory, mapped
 * @gpa: guest physical address
 * @size: bytes
 * @uaddr: address in the front end
 * @host: address here
 * @map: what was mapped, from the beginning of the file
 * @map_size: its bytes
 */
struct region {
	u64 gpa;
	u64 size;
	u64 uaddr;
	u8 *host;
	void *map;
	size_t map_size;
};

/**
 * struct memory - a guest's memory; does not change
 * @torn: set when a page turned out not to be there; the guest cannot be served
 * @nr: pieces
 * @regions: these
 */
struct memory {
	bool torn;
	unsigned int nr;
	struct region regions[TMEMD_REGIONS];
};

int memory_start(void);
int memory_map(const struct region_state *states, const int *fds,
	       unsigned int nr, struct memory **out);
void memory_unmap(struct memory *mem);
void *memory_at(const struct memory *mem, u64 gpa, u64 *len);
void *memory_of_user(const struct memory *mem, u64 uaddr, u64 len);

#endif /* _TMEMD_MEMORY_H */
