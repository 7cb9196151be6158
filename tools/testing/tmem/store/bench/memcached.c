// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: memcached as a keeper of pages, over a socket
 */
#include <libmemcached/memcached.h>

#include "bench.h"

static struct memcached_st *connection[THREADS];

static void mc_check(unsigned int who, memcached_return_t rc,
		     memcached_return_t expect, const char *what)
{
	if (rc != expect)
		bench_die("memcached: %s: %s", what,
			  memcached_strerror(connection[who], rc));
}

static void mc_open(void)
{
	memcached_return_t rc;
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		connection[i] = memcached_create(NULL);
		if (!connection[i])
			bench_die("no memory");
		rc = memcached_server_add_unix_socket(connection[i], b.socket);
		mc_check(i, rc, MEMCACHED_SUCCESS, b.socket);
	}
	mc_check(0, memcached_flush(connection[0], 0), MEMCACHED_SUCCESS,
		 "flush_all");
}

static void mc_close(void)
{
	unsigned int i;

	for (i = 0; i < THREADS; i++)
		memcached_free(connection[i]);
}

static int mc_key(char *key, size_t size, u32 page)
{
	return snprintf(key, size, "%x:%x", page / PER_OBJECT,
			page % PER_OBJECT);
}

static void mc_put(unsigned int who, u32 page)
{
	char key[32];
	int len = mc_key(key, sizeof(key), page);

	mc_check(who, memcached_set(connection[who], key, len,
				    (char *)bench_page(page), PAGE_SIZE, 0, 0),
		 MEMCACHED_SUCCESS, "set");
}

static void mc_ask(unsigned int who, u32 page, memcached_return_t expect)
{
	memcached_return_t rc;
	char key[32];
	int len = mc_key(key, sizeof(key), page);
	uint32_t flags;
	size_t size;
	char *value;

	value = memcached_get(connection[who], key, len, &size, &flags, &rc);
	mc_check(who, rc, expect, "get");
	if (!value)
		return;
	if (size != PAGE_SIZE)
		bench_die("memcached: a page of %zu bytes", size);
	memcpy(bench_page(page), value, PAGE_SIZE);
	free(value);
}

static void mc_get(unsigned int who, u32 page)
{
	mc_ask(who, page, MEMCACHED_SUCCESS);
}

static void mc_miss(unsigned int who, u32 page)
{
	mc_ask(who, page, MEMCACHED_NOTFOUND);
}

static void mc_flush(unsigned int who, u32 page)
{
	char key[32];
	int len = mc_key(key, sizeof(key), page);

	mc_check(who, memcached_delete(connection[who], key, len, 0),
		 MEMCACHED_SUCCESS, "delete");
}

const struct keeper keep_memcached = {
	.name = "memcached",
	.open = mc_open,
	.close = mc_close,
	.put = mc_put,
	.get = mc_get,
	.flush = mc_flush,
	.miss = mc_miss,
};
