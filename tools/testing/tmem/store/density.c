// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: what the page store needs to remember a page
 *
 * Stores of three sizes are filled, with files of many pages, of one page, and
 * of one page with names as long as they may be.  Pages are of 64 bytes, so
 * that the largest fits anywhere, and each object takes one of them.
 *
 * Usage: density [--large]; with --large 16 million pages of each kind, a minute
 */
#include <stdio.h>

#include "tstore.h"

#define OBJECTS		85	/* in a frame of 4 KiB */

static unsigned char page[PAGE_SIZE];
static struct tstore_client *c;

static void request(u8 op, u64 name, u64 more, u64 index)
{
	struct tmem_req req = {
		.op = op,
		.object = { name, op == TMEM_OP_PUT, more },
		.index = index,
		.nr_pages = op == TMEM_OP_PUT,
	};

	tstore_execute(c, &req, page);
	if (req.status) {
		fprintf(stderr, "op %u: status %d\n", op, req.status);
		exit(1);
	}
}

static struct tstore *store_open(u64 pages, void **arena)
{
	struct tmem_attach *at = (struct tmem_attach *)page;
	struct tstore_config cfg = { .max_clients = 1, .max_pools = 16 };
	struct tstore *s;

	/* with a frame for each object, if it should come to that */
	cfg.bytes = (2 * pages + 64) * (PAGE_SIZE + 46) / 64 * 64;
	cfg.arena = aligned_alloc(64, cfg.bytes);
	if (!cfg.arena || tstore_create(&cfg, &s) ||
	    tstore_client_create(s, ~0ULL >> 1, &c)) {
		fprintf(stderr, "no store of %llu pages\n",
			(unsigned long long)pages);
		exit(1);
	}
	memset(at, 0, PAGE_SIZE);
	at->version = TMEM_ABI_VERSION;
	at->page_shift = PAGE_SHIFT;
	request(TMEM_OP_ATTACH, 0, 0, 0);
	*arena = cfg.arena;
	return s;
}

/* Bytes a page, as if frames with object slots were of 4 KiB */
static double measure(u64 pages, u64 per_object, u64 more)
{
	struct tstore_stats st;
	double frame, objects;
	struct tstore *s;
	void *arena;
	u64 i;

	s = store_open(pages, &arena);
	request(TMEM_OP_POOL_CREATE, 0, 0, 0);
	for (i = 0; i < pages; i++)
		request(TMEM_OP_PUT, i / per_object, more, i % per_object);
	tstore_stats(s, &st);
	if (st.ephemeral != pages) {
		fprintf(stderr, "pages are missing\n");
		exit(1);
	}
	tstore_client_destroy(c);
	tstore_destroy(s);
	free(arena);
	frame = (double)st.metadata / st.pages;
	objects = st.object_frames;
	return frame + objects / OBJECTS * (4096 + frame) / pages;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		u64 per_object, more;
		double most;
		bool large;	/* in any case */
	} kinds[] = {
		{ "4096 pages an object", 4096, 0, 48.1, false },
		{ "17 pages an object", 17, 0, 48.1, true },
		{ "16 pages an object", 16, 0, 48.1, false },
		{ "1 page an object", 1, 0, 48.1, false },
		{ "the same, long names", 1, 1, 96, false },
	};
	static const u64 sizes[] = { 1000, 1000000, 16000000 };
	bool large = argc > 1 && !strcmp(argv[1], "--large");
	unsigned int i, k, passed = 0, failed = 0;
	double bytes;

	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			if (sizes[i] > 1000000 && !large && !kinds[k].large)
				continue;
			bytes = measure(sizes[i], kinds[k].per_object,
					kinds[k].more);
			printf("# %-22s %8llu pages: %.1f bytes a page\n",
			       kinds[k].name, (unsigned long long)sizes[i],
			       bytes);
			if (bytes <= kinds[k].most)
				passed++;
			else
				failed++;
		}
	}
	printf("%u passed, %u failed, 0 skipped\n", passed, failed);
	return failed;
}
