// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, pages that guests give back
 *
 * What is in the balloon, or is told of, leaves the file that the guest's memory
 * is in; the host has it at once.  The guest finds zeroes there when it takes it
 * back.  So a guest that lies about its pages loses its own, and no one else's.
 * A list of more pages than VECTOR_PAGES is cut there.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "device.h"

/* Most memory in a report, for nobody to be kept waiting: 32 pieces of 4 MiB */
#define REPORT_BYTES	(128UL << 20)

static int by_number(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

/* Pages in a row; returns how many of them the guest has */
static u32 give_up(const struct memory *mem, u64 gpa, u64 bytes)
{
	u32 given = 0;
	u64 part;
	u8 *at;

	for (; bytes; bytes -= part, gpa += part) {
		part = bytes;
		at = memory_at(mem, gpa, &part);
		if (!at) {
			part = PAGE_SIZE;
			continue;
		}
		/* Where that cannot be done, the host has less and nobody is harmed */
		if (!((uintptr_t)at % PAGE_SIZE) && !(part % PAGE_SIZE))
			madvise(at, part, MADV_REMOVE);
		given += part / PAGE_SIZE;
	}
	return given;
}

static u32 give_up_listed(const struct memory *mem, u32 *pages, u32 nr)
{
	u32 from, to, given = 0;

	qsort(pages, nr, sizeof(*pages), by_number);
	for (from = 0; from < nr; from = to) {
		for (to = from + 1; to < nr; to++)
			if (pages[to] != pages[to - 1] + 1)
				break;
		given += give_up(mem, (u64)pages[from] * PAGE_SIZE,
				 (to - from) * PAGE_SIZE);
	}
	return given;
}

/* The buffer lists numbers of pages; a number may lie in two pieces of it */
static void inflate(const struct memory *mem, const struct chain *chain,
		    u64 *count)
{
	u32 pages[VECTOR_PAGES], nr;
	size_t bytes = 0, part;
	unsigned int i;

	for (i = 0; i < chain->in.nr && bytes < sizeof(pages); i++) {
		part = chain->in.span[i].len;
		if (part > sizeof(pages) - bytes)
			part = sizeof(pages) - bytes;
		memcpy((u8 *)pages + bytes, chain->in.span[i].base, part);
		bytes += part;
	}
	nr = bytes / sizeof(*pages);
	if (give_up_listed(mem, pages, nr) < nr ||
	    chain->in.bytes != nr * sizeof(*pages))
		count[COUNT_BAD]++;
}

/* The buffer is the memory that is not used */
static void report(const struct chain *chain, u64 *count)
{
	unsigned int i;

	if (chain->out.bytes > REPORT_BYTES) {
		count[COUNT_BAD]++;
		return;
	}
	for (i = 0; i < chain->out.nr; i++) {
		const struct span *span = &chain->out.span[i];

		if (!((uintptr_t)span->base % PAGE_SIZE) &&
		    !(span->len % PAGE_SIZE))
			madvise(span->base, span->len, MADV_REMOVE);
	}
}

/**
 * balloon_serve() - do what a buffer of a balloon says
 * @q: its queue
 * @chain: the buffer
 * @count: COUNTS counters, to be added to
 *
 * Context: any thread; the balloon stays connected.
 * Return: bytes that were written: none
 */
u32 balloon_serve(struct queue *q, const struct chain *chain, u64 *count)
{
	switch (q - q->device->queues) {
	case BALLOON_INFLATE:
		inflate(q->ring.mem, chain, count);
		break;
	case BALLOON_REPORT:
		report(chain, count);
		break;
	}
	/* What is taken out of it needs no help */
	return 0;
}
