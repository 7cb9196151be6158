// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: fuzzer of what a guest puts into its memory
 *
 * The input is the guest's memory, from its beginning: the table of descriptors,
 * the rings, then whatever the descriptors name.  It lies in two regions with a
 * hole between them.  After each round the guest's thread has been at it again:
 * some of the words that were written are put back.  Every other buffer is one of
 * a balloon.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "device.h"
#include "trace.h"

#define RING		16U
#define AVAIL		(RING * 16)
#define USED		(AVAIL + 64)
#define HOLE		65536ULL
#define MEMORY		131072ULL

int LLVMFuzzerTestOneInput(const u8 *in, size_t len);

bool trace_on;

void trace_note_slow(const struct client *client __always_unused,
		     const struct tmem_req *req __always_unused)
{
}

void schedule_wanted(void)
{
}

static u8 arena[4 << 20] __attribute__((aligned(4096)));
static struct client_state state_of_client;
static struct client client = { .state = &state_of_client };
static struct tstore *guests_store;
static struct memory mem;
static u8 *memory;

static void begin(void)
{
	struct tstore_config config = { .arena = arena, .bytes = sizeof(arena),
					.max_clients = 1, .max_pools = 4,
					.seed = 1 };

	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mem.nr = 2;
	mem.regions[0] = (struct region){ .size = HOLE, .host = memory };
	mem.regions[1] = (struct region){ .gpa = 2 * HOLE, .uaddr = 2 * HOLE,
					  .size = MEMORY - HOLE,
					  .host = memory + HOLE };
	state_of_client.share.hswap = true;
	if (tstore_create(&config, &guests_store) ||
	    tstore_client_create(guests_store, 512, &client.store))
		__builtin_trap();
}

/* What a used ring must look like whatever the guest does */
static void check_put(const struct ring *ring, u16 before, u64 bytes, u32 len)
{
	if (ring->next != (u16)(before + 1) || ring->used->idx != ring->next ||
	    len > bytes)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const u8 *in, size_t len)
{
	struct queue_state qs = { .desc = 0, .avail = AVAIL, .used = USED,
				  .num = RING };
	u64 count[COUNTS] = { 0 };
	static struct device device = { .client = &client };
	static struct chain chain;
	enum ring_found found;
	struct queue *q;
	struct ring ring;
	unsigned int i;
	const char *why;

	if (!memory)
		begin();
	if (len > MEMORY)
		len = MEMORY;
	memset(memory, 0, MEMORY);
	memcpy(memory, in, len);
	if (ring_init(&ring, &mem, &qs, len & 1))
		__builtin_trap();
	for (i = 0; i < 2 * RING; i++) {
		u16 before = ring.next;
		u32 written = 0;

		ring_listen(&ring, i & 1);
		found = ring_get(&ring, &chain);
		if (found == RING_EMPTY || found == RING_BROKEN)
			break;
		q = &device.queues[i / 2 % BALLOON_QUEUES];
		q->device = &device;
		q->ring = ring;
		if (found == RING_CHAIN && i & 1)
			balloon_serve(q, &chain, count);
		else if (found == RING_CHAIN)
			written = vector_serve(q, &chain, count);
		ring_put(&ring, &chain, written);
		check_put(&ring, before, chain.out.bytes, written);
		if (len > AVAIL)
			memcpy(memory, in, AVAIL);
	}
	why = tstore_check(guests_store);
	if (why) {
		fprintf(stderr, "%s\n", why);
		__builtin_trap();
	}
	return 0;
}
