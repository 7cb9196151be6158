// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, a split virtqueue from the device's side
 *
 * The guest may write to the ring at any moment.  Whatever is read of it is read
 * once, and checked in the copy.  Buffers are finished in the order in which
 * they were made available, one after the other, so that the index of the used
 * ring says where the device stands; a ring that was served by a process that
 * has died needs no other memory.
 */
#include "ring.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	      "rings are little-endian, and read as they are");

/* Here: what is aligned there may lie anywhere in its file */
static bool is_aligned(const void *ptr, uintptr_t to)
{
	return !((uintptr_t)ptr & (to - 1));
}

/**
 * ring_init() - begin, or go on, to serve a queue
 * @ring: the queue
 * @mem: the guest's memory
 * @state: where the queue is
 * @event_idx: the driver accepted VIRTIO_RING_F_EVENT_IDX
 *
 * Return: 0, or -EINVAL if there can be no queue
 */
int ring_init(struct ring *ring, const struct memory *mem,
	      const struct queue_state *state, bool event_idx)
{
	u32 num = state->num;

	if (!num || num > RING_MAX_SIZE || num & (num - 1))
		return -EINVAL;
	ring->desc = memory_of_user(mem, state->desc, 16ULL * num);
	ring->avail = memory_of_user(mem, state->avail, 6 + 2ULL * num);
	ring->used = memory_of_user(mem, state->used, 6 + 8ULL * num);
	if (!ring->desc || !ring->avail || !ring->used ||
	    !is_aligned(ring->desc, 16) || !is_aligned(ring->avail, 2) ||
	    !is_aligned(ring->used, 4))
		return -EINVAL;
	ring->mem = mem;
	ring->num = num;
	ring->event_idx = event_idx;
	ring->next = env_read_once(ring->used->idx);
	return 0;
}

/* Appends guest memory, in as few pieces as it has */
static bool spans_add(struct spans *spans, const struct memory *mem, u64 gpa,
		      u64 len)
{
	struct span *last;
	u64 part;
	u8 *at;

	for (; len; len -= part, gpa += part) {
		part = len;
		at = memory_at(mem, gpa, &part);
		if (!at)
			return false;
		last = &spans->span[spans->nr];
		if (spans->nr && last[-1].base + last[-1].len == at) {
			last[-1].len += part;
		} else {
			if (spans->nr == CHAIN_SPANS)
				return false;
			*last = (struct span){ at, part };
			spans->nr++;
		}
		spans->bytes += part;
	}
	return true;
}

static struct vring_desc desc_copy(const struct vring_desc *desc)
{
	struct vring_desc copy;

	copy.addr = env_read_once(desc->addr);
	copy.len = env_read_once(desc->len);
	copy.flags = env_read_once(desc->flags);
	copy.next = env_read_once(desc->next);
	return copy;
}

/* The table that a descriptor names instead of memory, and its length */
static const struct vring_desc *indirect(const struct ring *ring,
					 const struct vring_desc *desc,
					 u32 *size)
{
	u64 len = desc->len;
	void *table;

	if (desc->flags & VRING_DESC_F_NEXT || !len || len % 16)
		return NULL;
	table = memory_at(ring->mem, desc->addr, &len);
	if (len != desc->len || !is_aligned(table, 16))
		return NULL;
	*size = len / 16;
	return table;
}

static bool chain_read(const struct ring *ring, struct chain *chain)
{
	const struct vring_desc *table = ring->desc;
	u32 size = ring->num, i = chain->head, seen;
	struct vring_desc desc = desc_copy(&table[i]);

	chain->in.nr = 0;
	chain->in.bytes = 0;
	chain->out.nr = 0;
	chain->out.bytes = 0;
	if (desc.flags & VRING_DESC_F_INDIRECT) {
		table = indirect(ring, &desc, &size);
		if (!table)
			return false;
		desc = desc_copy(&table[0]);
	}
	/* A chain that is longer than its table goes in a circle */
	for (seen = 0; seen < size; seen++) {
		bool write = desc.flags & VRING_DESC_F_WRITE;

		if (desc.flags & VRING_DESC_F_INDIRECT ||
		    (!write && chain->out.nr))
			return false;
		if (!spans_add(write ? &chain->out : &chain->in, ring->mem,
			       desc.addr, desc.len))
			return false;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return true;
		if (desc.next >= size)
			return false;
		desc = desc_copy(&table[desc.next]);
	}
	return false;
}

/**
 * ring_get() - look for the next buffer
 * @ring: the queue
 * @chain: out: the buffer
 *
 * Return: see enum ring_found; a buffer, good or bad, is to be returned by
 * ring_put() before the next one
 */
enum ring_found ring_get(struct ring *ring, struct chain *chain)
{
	u16 ready;

	ready = __atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE);
	ready -= ring->next;
	if (!ready)
		return RING_EMPTY;
	if (ready > ring->num)
		return RING_BROKEN;
	chain->head =
		env_read_once(ring->avail->ring[ring->next & (ring->num - 1)]);
	if (chain->head >= ring->num)
		return RING_BROKEN;
	return chain_read(ring, chain) ? RING_CHAIN : RING_BAD_CHAIN;
}

/**
 * ring_put() - return a buffer
 * @ring: the queue
 * @chain: what ring_get() found
 * @written: bytes of it that were written, from its beginning
 *
 * Return: true if the driver wants to be told
 */
bool ring_put(struct ring *ring, const struct chain *chain, u32 written)
{
	struct vring_used_elem *elem;
	u16 old = ring->next++, wanted;

	elem = &ring->used->ring[old & (ring->num - 1)];
	env_write_once(elem->id, chain->head);
	env_write_once(elem->len, written);
	env_store_release(&ring->used->idx, ring->next);
	/* The driver sets what it wants, then looks at the index once more */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!ring->event_idx)
		return !(env_read_once(ring->avail->flags) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	wanted = env_read_once(ring->avail->ring[ring->num]);
	return vring_need_event(wanted, ring->next, old);
}

/**
 * ring_listen() - ask the driver for notifications, or for none
 * @ring: the queue
 * @on: ask for them
 *
 * With the index of an event none can be had simply by not asking again.
 *
 * Return: with @on, true if there is a buffer already
 */
bool ring_listen(struct ring *ring, bool on)
{
	u16 *event = (u16 *)&ring->used->ring[ring->num];

	if (ring->event_idx) {
		if (!on)
			return false;
		env_write_once(*event, ring->next);
	} else {
		env_write_once(ring->used->flags,
			       on ? 0 : VRING_USED_F_NO_NOTIFY);
		if (!on)
			return false;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return env_read_once(ring->avail->idx) != ring->next;
}
