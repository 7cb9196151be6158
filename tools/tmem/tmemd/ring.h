/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, a split virtqueue from the device's side
 */
#ifndef _TMEMD_RING_H
#define _TMEMD_RING_H

#include <linux/virtio_ring.h>

#include "memory.h"

#define RING_MAX_SIZE	32768U

/* Head and requests, a piece for each page of data, answers */
#define CHAIN_SPANS	(2 * TMEM_MAX_RUN + 64)

/**
 * struct span - memory of a guest, in one piece
 * @base: where it is
 * @len: bytes
 */
struct span {
	u8 *base;
	size_t len;
};

/**
 * struct spans - memory of a guest, in order
 * @nr: pieces
 * @bytes: of all
 * @span: the pieces
 */
struct spans {
	unsigned int nr;
	u64 bytes;
	struct span span[CHAIN_SPANS];
};

/**
 * struct chain - a buffer
 * @head: number of its first descriptor
 * @in: what the device reads
 * @out: what it writes
 */
struct chain {
	u16 head;
	struct spans in;
	struct spans out;
};

/**
 * struct ring - a queue in a guest's memory
 * @mem: the guest's memory
 * @num: size, a power of two
 * @next: number of the next buffer, modulo 65536; how many there were
 * @event_idx: the driver accepted VIRTIO_RING_F_EVENT_IDX
 * @desc: table of descriptors
 * @avail: written by the driver
 * @used: written by the device
 */
struct ring {
	const struct memory *mem;
	u32 num;
	u16 next;
	bool event_idx;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
};

/**
 * enum ring_found - what ring_get() found
 * @RING_EMPTY: no buffer
 * @RING_CHAIN: a buffer
 * @RING_BAD_CHAIN: a buffer that makes no sense; to be returned as it is
 * @RING_BROKEN: the ring itself makes no sense
 */
enum ring_found {
	RING_EMPTY,
	RING_CHAIN,
	RING_BAD_CHAIN,
	RING_BROKEN,
};

int ring_init(struct ring *ring, const struct memory *mem,
	      const struct queue_state *state, bool event_idx);
enum ring_found ring_get(struct ring *ring, struct chain *chain);
bool ring_put(struct ring *ring, const struct chain *chain, u32 written);
bool ring_listen(struct ring *ring, bool on);

#endif /* _TMEMD_RING_H */
