// SPDX-License-Identifier: GPL-2.0
/*
 * Regions of memory that are swapped
 *
 * Every word says which region it belongs to, which of the writes of its page
 * it comes from, and where it is.
 */
#include "coh.h"

long loaded(void)
{
	return read_long(HSWAP "loaded");
}

void region_init(struct region *r, uint32_t id, size_t nr, int flags)
{
	r->mem = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE,
		      flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	r->gen = calloc(nr, sizeof(*r->gen));
	if (r->mem == MAP_FAILED || !r->gen)
		fail("no memory");
	r->pages = nr;
	r->id = id;
}

void region_exit(struct region *r)
{
	munmap(r->mem, r->pages * PAGE);
	free(r->gen);
}

void page_write(struct region *r, size_t page)
{
	r->gen[page]++;
	pattern(r->mem + page * PAGE, r->id, r->gen[page], page * PAGE, PAGE);
}

void page_check(struct region *r, size_t page)
{
	const uint64_t *word = (uint64_t *)(r->mem + page * PAGE);
	uint64_t want, got;
	size_t i;

	for (i = 0; i < PAGE / 8; i++) {
		want = r->gen[page] ? word_of(r->id, r->gen[page],
					      page * PAGE + i * 8) : 0;
		got = word[i];
		if (got != want)
			fail("region %u, page %zu, word %zu: %#llx, wanted %#llx",
			     r->id, page, i, (unsigned long long)got,
			     (unsigned long long)want);
	}
}

void region_write(struct region *r)
{
	size_t i;

	for (i = 0; i < r->pages; i++)
		page_write(r, i);
}

void region_check(struct region *r)
{
	size_t i;

	for (i = 0; i < r->pages; i++)
		page_check(r, i);
}

/* In memory, be it in the swap cache */
static size_t region_resident(struct region *r)
{
	unsigned char *vec = malloc(r->pages);
	size_t n = 0, i;

	if (!vec)
		fail("no memory");
	must(mincore(r->mem, r->pages * PAGE, vec));
	for (i = 0; i < r->pages; i++)
		n += vec[i] & 1;
	free(vec);
	return n;
}

/* What has been swapped out stays in the swap cache until it is reclaimed, too */
void region_evict(struct region *r)
{
	int tries;

	must(madvise(r->mem, r->pages * PAGE, MADV_PAGEOUT));
	for (tries = 0; tries < 20 && region_resident(r) > r->pages / 8; tries++)
		reclaim("16M");
	if (region_resident(r) > r->pages / 4)
		fail("of %zu pages %zu cannot be evicted", r->pages,
		     region_resident(r));
}

/* All is right, and at least half of it came from hswap */
void region_check_loaded(struct region *r)
{
	long before = loaded();

	region_check(r);
	if (loaded() - before < (long)r->pages / 2)
		fail("of %zu pages %ld came from hswap", r->pages,
		     loaded() - before);
}
