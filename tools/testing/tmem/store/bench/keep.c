// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: who keeps pages in the page store's benchmark
 *
 * Beside the store, which is in store.c: a bare memcpy; a codec, without anything
 * that remembers what it made; and what one would write in an hour, a hash table
 * of pages from malloc(), with one mutex.
 */
#include "bench.h"
#include "codec.h"

/* ---- memcpy: a page has its place ---- */

static unsigned char *copies;

static void copy_open(void)
{
	copies = bench_map((size_t)b.pages * PAGE_SIZE);
}

static void copy_close(void)
{
	bench_unmap(copies);
}

static void copy_put(unsigned int who __always_unused, u32 page)
{
	memcpy(copies + (size_t)page * PAGE_SIZE, bench_page(page), PAGE_SIZE);
}

static void copy_get(unsigned int who __always_unused, u32 page)
{
	memcpy(bench_page(page), copies + (size_t)page * PAGE_SIZE, PAGE_SIZE);
}

const struct keeper keep_copy = {
	.name = "memcpy",
	.open = copy_open,
	.close = copy_close,
	.put = copy_put,
	.get = copy_get,
};

/* ---- a codec: what does not get small enough is copied ---- */

static u32 *packed_bytes;
static void *work;

static void codec_open(void)
{
	copy_open();
	packed_bytes = calloc(b.pages, sizeof(*packed_bytes));
	work = malloc(tstore_lz4.work);
	if (!packed_bytes || !work)
		bench_die("no memory");
}

static void codec_close(void)
{
	free(work);
	free(packed_bytes);
	copy_close();
}

static void codec_put(unsigned int who, u32 page)
{
	packed_bytes[page] = tstore_lz4.encode(work, bench_page(page),
					       copies + (size_t)page * PAGE_SIZE,
					       PAGE_SIZE * 73 / 100);
	if (!packed_bytes[page])
		copy_put(who, page);
}

static void codec_get(unsigned int who, u32 page)
{
	if (!packed_bytes[page])
		copy_get(who, page);
	else if (!tstore_lz4.decode(work, copies + (size_t)page * PAGE_SIZE,
				    packed_bytes[page], bench_page(page)))
		bench_die("page %u cannot be decoded", page);
}

const struct keeper keep_codec = {
	.name = "codec",
	.open = codec_open,
	.close = codec_close,
	.put = codec_put,
	.get = codec_get,
};

/* ---- the naive way ---- */

struct naive_page {
	struct naive_page *next;
	u64 object;
	u64 index;
	unsigned char data[PAGE_SIZE];
};

static pthread_mutex_t naive_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct naive_page **buckets;
static u32 nr_buckets;

static void naive_open(void)
{
	for (nr_buckets = 1; nr_buckets < b.pages; nr_buckets *= 2)
		;
	buckets = bench_map(nr_buckets * sizeof(*buckets));
}

static void naive_close(void)
{
	struct naive_page *page;
	u32 i;

	for (i = 0; i < nr_buckets; i++) {
		while (buckets[i]) {
			page = buckets[i];
			buckets[i] = page->next;
			free(page);
		}
	}
	bench_unmap(buckets);
}

static struct naive_page **naive_find(u64 object, u64 index)
{
	u64 h = (object * PER_OBJECT + index) * 0x9e3779b97f4a7c15ULL;
	struct naive_page **link = &buckets[(h >> 32) & (nr_buckets - 1)];

	while (*link && ((*link)->object != object || (*link)->index != index))
		link = &(*link)->next;
	return link;
}

static void naive_put(unsigned int who __always_unused, u32 page)
{
	u64 object = page / PER_OBJECT, index = page % PER_OBJECT;
	struct naive_page **link, *p;

	pthread_mutex_lock(&naive_mutex);
	link = naive_find(object, index);
	p = *link;
	if (!p) {
		p = malloc(sizeof(*p));
		if (!p)
			bench_die("no memory");
		p->next = NULL;
		p->object = object;
		p->index = index;
		*link = p;
	}
	memcpy(p->data, bench_page(page), PAGE_SIZE);
	pthread_mutex_unlock(&naive_mutex);
}

static bool naive_found(u32 page)
{
	struct naive_page *p;

	pthread_mutex_lock(&naive_mutex);
	p = *naive_find(page / PER_OBJECT, page % PER_OBJECT);
	if (p)
		memcpy(bench_page(page), p->data, PAGE_SIZE);
	pthread_mutex_unlock(&naive_mutex);
	return p;
}

static void naive_get(unsigned int who __always_unused, u32 page)
{
	if (!naive_found(page))
		bench_die("page %u is lost", page);
}

static void naive_miss(unsigned int who __always_unused, u32 page)
{
	if (naive_found(page))
		bench_die("page %u is still there", page);
}

static void naive_flush(unsigned int who __always_unused, u32 page)
{
	struct naive_page **link, *p;

	pthread_mutex_lock(&naive_mutex);
	link = naive_find(page / PER_OBJECT, page % PER_OBJECT);
	p = *link;
	if (p)
		*link = p->next;
	free(p);
	pthread_mutex_unlock(&naive_mutex);
}

const struct keeper keep_naive = {
	.name = "naive",
	.open = naive_open,
	.close = naive_close,
	.put = naive_put,
	.get = naive_get,
	.flush = naive_flush,
	.miss = naive_miss,
};
