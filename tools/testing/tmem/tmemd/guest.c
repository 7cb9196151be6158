// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a guest of tmemd that does as it is told
 *
 * guest SOCKET: connects, and reads commands, one a line, from standard input.
 * Each is answered by a line, which begins with the status of the request that
 * was executed last and the pages that were done.
 *
 *	attach
 *	pool ID persistent|ephemeral|UUID	the last one: a shared one
 *	put POOL INDEX NR SEED
 *	get POOL INDEX NR SEED		a third number: pages that are right
 *	flush POOL INDEX NR
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../../../tmem/uuid.h"
#include "run.h"

static struct front f;

/* Executes a run in pieces that fit; false when one of them failed */
static void run(u8 op, u32 pool, u64 index, u64 nr, u64 seed)
{
	u64 done = 0, right = 0;
	struct front_io io;
	u32 part, i;

	do {
		part = nr < TMEM_MAX_RUN ? nr : TMEM_MAX_RUN;
		for (i = 0; i < part; i++)
			fill(f.data + i * PAGE_SIZE,
			     op == TMEM_OP_PUT ? seed + index + i : ~0ULL);
		io = front_io(op, pool, 1, index, part,
			      op == TMEM_OP_FLUSH ? NULL : f.data);
		if (front_submit(&f, 0, &io, 1))
			io.req.status = -EIO;
		for (i = 0; i < io.req.done && op == TMEM_OP_GET; i++)
			right += is_filled(f.data + i * PAGE_SIZE,
					   seed + index + i);
		done += io.req.done;
		index += part;
		nr -= part;
	} while (nr && !io.req.status);
	printf("%d %llu", io.req.status, (unsigned long long)done);
	if (op == TMEM_OP_GET)
		printf(" %llu", (unsigned long long)right);
	printf("\n");
}

static int create(u32 pool, const char *kind)
{
	struct front_io io = front_io(TMEM_OP_POOL_CREATE, pool, 0,
				      TMEM_POOL_SHARED, 0, NULL);
	u64 uuid[2];
	int err;

	if (!uuid_parse(kind, uuid))
		return front_pool(&f, pool, kind[0] == 'p' ?
				  TMEM_POOL_PERSISTENT : 0);
	io.req.object[0] = uuid[0];
	io.req.object[1] = uuid[1];
	err = front_submit(&f, 0, &io, 1);
	return err ?: io.req.status;
}

static void obey(const char *line)
{
	unsigned long long pool, index, nr, seed;
	char kind[40];

	if (!strncmp(line, "attach", 6))
		printf("%d 0\n", front_attach(&f, NULL));
	else if (sscanf(line, "pool %llu %39s", &pool, kind) == 2)
		printf("%d 0\n", create(pool, kind));
	else if (sscanf(line, "put %llu %llu %llu %llu", &pool, &index, &nr,
			&seed) == 4)
		run(TMEM_OP_PUT, pool, index, nr, seed);
	else if (sscanf(line, "get %llu %llu %llu %llu", &pool, &index, &nr,
			&seed) == 4)
		run(TMEM_OP_GET, pool, index, nr, seed);
	else if (sscanf(line, "flush %llu %llu %llu", &pool, &index,
			&nr) == 3)
		run(TMEM_OP_FLUSH, pool, index, nr, 0);
	else
		printf("what?\n");
}

int main(int argc, char **argv)
{
	char line[128];

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2) {
		fprintf(stderr, "Usage: guest SOCKET\n");
		return 2;
	}
	if (front_open(&f, argv[1], TMEM_MAX_RUN, 1)) {
		printf("refused\n");
		return 1;
	}
	printf("connected\n");
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	front_hang_up(&f);
	return 0;
}
