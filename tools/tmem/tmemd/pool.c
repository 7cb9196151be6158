// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, how large the pool is
 *
 * The arena is made for the largest pool that there may be.  What is beyond the
 * present size are frames that were taken out of the store, and of which the
 * file has no memory.  How large the pool is to be is written down in the state,
 * and which frames are out in the arena, so another worker goes on with it.
 *
 * A pool whose pages must stay cannot shrink.  It is tried again every second.
 *
 * With --prealloc a frame has its memory before it is in the store: at first,
 * and whenever the pool grows.  Else the system provides it at the first store.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "device.h"
#include "pool.h"
#include "worker.h"

/* Frames of one step: so long the main thread may keep others waiting */
#define STEP	512U

static struct {
	int fd;
	u64 metadata;
	u64 frames;
	u64 out;
	u32 cursor;
	bool stuck;
	bool short_of;
	bool complained;
} pool;

/* Frames that are to be out for a pool of so many bytes */
static u64 out_for(u64 bytes)
{
	u64 in = (bytes - pool.metadata) >> PAGE_SHIFT;

	return in < pool.frames ? pool.frames - in : 0;
}

/* Returns the memory of frames in a row */
static void punch(u32 first, u32 nr)
{
	if (!fallocate(pool.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       pool.metadata + ((u64)first << PAGE_SHIFT),
		       (u64)nr << PAGE_SHIFT) || pool.complained)
		return;
	pool.complained = true;
	log_warn("the memory of the pool cannot be returned: %s",
		 strerror(errno));
}

/* Has the system provide memory */
static int populate(void *at, size_t bytes)
{
	if (!options.prealloc || !bytes ||
	    !madvise(at, bytes, MADV_POPULATE_WRITE))
		return 0;
	/* That is where an access would have raised SIGBUS: the file is full */
	return errno == EFAULT ? -ENOSPC : -errno;
}

static int by_number(const void *a, const void *b)
{
	u32 left = *(const u32 *)a, right = *(const u32 *)b;

	return left < right ? -1 : left > right;
}

static void punch_all(u32 *frames, u32 nr)
{
	u32 first, i;

	qsort(frames, nr, sizeof(*frames), by_number);
	for (first = 0; first < nr; first = i) {
		for (i = first + 1; i < nr; i++)
			if (frames[i] != frames[first] + i - first)
				break;
		punch(frames[first], i - first);
	}
}

static void shrink(u64 nr)
{
	u32 frames[STEP];

	if (nr > STEP)
		nr = STEP;
	env_write_once(state->taking, 1);
	nr = tstore_take(store, frames, nr);
	punch_all(frames, nr);
	env_store_release(&state->taking, 0);
	pool.out += nr;
	pool.cursor = 0;
	pool.stuck = !nr;
}

static void grow(u64 nr)
{
	u32 frames[STEP], got = 0;
	int err;

	if (nr > STEP)
		nr = STEP;
	while (got < nr) {
		pool.cursor = tstore_next_out(store, pool.cursor);
		if (pool.cursor == ~0U)
			break;
		err = populate(tstore_frame_addr(store, pool.cursor),
			       PAGE_SIZE);
		if (err) {
			if (!pool.short_of)
				log_warn("no memory for a larger pool: %s; it is tried again every second",
					 strerror(-err));
			pool.short_of = true;
			pool.stuck = true;
			break;
		}
		frames[got++] = pool.cursor++;
	}
	tstore_give(store, frames, got);
	pool.out -= got;
	if (got < nr)
		pool.cursor = 0;
}

/**
 * pool_step() - go a step on the way to the size that is wanted
 *
 * Return: true if there is more to do
 */
bool pool_step(void)
{
	u64 wanted = out_for(state->size);

	if (pool.stuck)
		return false;
	if (pool.out < wanted)
		shrink(wanted - pool.out);
	else if (pool.out > wanted)
		grow(pool.out - wanted);
	return pool.out != wanted && !pool.stuck;
}

/**
 * pool_tick() - a second has passed: what had to stay may have left, and there
 * may be memory again
 */
void pool_tick(void)
{
	pool.stuck = false;
}

/* A worker has died between taking frames and returning their memory */
static void punch_out(void)
{
	u32 frame = tstore_next_out(store, 0), nr;

	while (frame != ~0U) {
		nr = 1;
		while (tstore_next_out(store, frame + nr) == frame + nr)
			nr++;
		punch(frame, nr);
		frame = tstore_next_out(store, frame + nr);
	}
	env_write_once(state->taking, 0);
}

/* All that is in, and the metadata */
static int populate_all(void)
{
	u8 *frames = tstore_frame_addr(store, 0);
	u64 first = 0, end;
	int err = populate(frames - pool.metadata, pool.metadata);

	while (!err && first < pool.frames) {
		end = tstore_next_out(store, first);
		if (end > pool.frames)
			end = pool.frames;
		err = populate(frames + (first << PAGE_SHIFT),
			       (end - first) << PAGE_SHIFT);
		for (first = end; tstore_next_out(store, first) == first; )
			first++;
	}
	return err;
}

/**
 * pool_start() - begin, or go on, to keep the pool at its size
 * @fd: file of the arena
 * @again: another worker did so before
 *
 * Return: 0, -EINVAL if there is no room for a page, or the error of having its
 * memory provided
 */
int pool_start(int fd, bool again)
{
	struct tstore_stats stats;
	int err;

	tstore_stats(store, &stats);
	pool.fd = fd;
	pool.metadata = stats.metadata;
	pool.frames = stats.pages;
	pool.out = stats.out;
	if (again) {
		if (state->taking)
			punch_out();
		return 0;
	}
	if (pool_resize(options.size)) {
		log_error("a pool that may grow to %llu MiB needs more than %llu MiB to begin with",
			  (unsigned long long)options.max_size >> 20,
			  (unsigned long long)options.size >> 20);
		return -EINVAL;
	}
	while (pool_step())
		;
	err = options.prealloc ? populate_all() : 0;
	if (err)
		log_error("--prealloc: no memory for %llu MiB: %s; make the pool smaller",
			  (unsigned long long)options.size >> 20,
			  strerror(-err));
	return err;
}

/**
 * pool_resize() - make the pool larger or smaller, by and by
 * @bytes: how large it is to be
 *
 * Return: 0, or -EINVAL if it cannot be so small or so large
 */
int pool_resize(u64 bytes)
{
	if (bytes > options.max_size || bytes < pool.metadata + PAGE_SIZE)
		return -EINVAL;
	env_write_once(state->size, bytes);
	pool.stuck = false;
	pool.short_of = false;
	return 0;
}

/**
 * pool_look() - how large is it?
 * @out: so large
 */
void pool_look(struct pool_size *out)
{
	out->goal = state->size;
	out->max = options.max_size;
	out->metadata = pool.metadata;
	out->stuck = pool.stuck && pool.out != out_for(state->size);
	out->size = pool.out == out_for(state->size) ? state->size :
		pool.metadata + ((pool.frames - pool.out) << PAGE_SHIFT);
}
