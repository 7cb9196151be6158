// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: making the page store smaller and larger
 *
 * A host that needs memory takes frames out of the store and does with them what
 * it likes, and gives them back when it has memory to spare.  It is told which
 * frames; the store takes those that are free, and makes some free by dropping
 * ephemeral pages as for a put: from whom is furthest above its target, oldest
 * first.  The slot of a frame that is out says so, and is otherwise not used.
 */
#include "private.h"

/* Takes free frames of which nobody knows any more, and scrubs them */
static u32 tstore_take_free(struct tstore *s, u32 *frames, u32 nr)
{
	u32 i;

	if (nr > TSTORE_SLICE)
		nr = TSTORE_SLICE;
	while (nr && !tstore_frame_alloc(s, 0, frames, nr))
		nr /= 2;
	for (i = 0; i < nr; i++) {
		memset(tstore_frame(s, frames[i]), 0, PAGE_SIZE);
		env_store_release(&tstore_page(s, frames[i])->word,
				  TSTORE_PAGE_OUT);
	}
	spin_lock(&s->L1_lock);
	env_write_once(s->out, s->out + nr);
	spin_unlock(&s->L1_lock);
	return nr;
}

/* Drops up to @nr ephemeral pages */
static u32 tstore_take_evict(struct tstore *s, u32 nr)
{
	struct tstore_client *victim;
	u32 i;

	for (i = 0; i < nr && i < TSTORE_SLICE; i++) {
		victim = tstore_victim(s, NULL, 0, 0);
		if (!victim || !tstore_evict_one(victim, 0))
			break;
	}
	return i;
}

/**
 * tstore_take() - take frames out of the store
 * @s: the store
 * @frames: out: their numbers
 * @nr: how many are wanted
 *
 * They hold zeroes, and until tstore_give() the store does not touch them.  If
 * clients put at the same time they compete for what becomes free, so a host
 * that wants all it can get asks again until it gets none.
 *
 * Context: no lock held; env_relax() between slices of sixteen frames.
 * Return: how many there are: fewer if the others hold what must stay
 */
u32 tstore_take(struct tstore *s, u32 *frames, u32 nr)
{
	u32 got = 0, more;

	while (got < nr) {
		more = tstore_take_free(s, frames + got, nr - got);
		got += more;
		if (!more && !tstore_object_trim(s) && !tstore_compact(s) &&
		    !tstore_take_evict(s, nr - got))
			break;
		env_relax();
	}
	return got;
}

/**
 * tstore_give() - have the store use frames again
 * @s: the store
 * @frames: numbers of frames that tstore_take() returned
 * @nr: how many
 *
 * Context: no lock held.
 * Return: 0, or -EINVAL if one of them is not out, with those before it given
 */
int tstore_give(struct tstore *s, const u32 *frames, u32 nr)
{
	int err = 0;
	u32 i;

	for (i = 0; i < nr && !err; i++) {
		spin_lock(&s->L1_lock);
		if (frames[i] >= s->nr_frames ||
		    env_read_once(tstore_page(s, frames[i])->word) !=
			    TSTORE_PAGE_OUT) {
			err = -EINVAL;
		} else {
			env_write_once(s->out, s->out - 1);
			tstore_page_free(s, frames[i] % TSTORE_BANKS,
					 &frames[i], 1);
		}
		spin_unlock(&s->L1_lock);
	}
	return err;
}

/**
 * tstore_free_frames() - how many frames hold nothing
 * @s: the store
 *
 * For a host that gives frames before a put has to drop pages.
 *
 * Context: any; takes no lock, so the number is of a moment ago.
 * Return: frames
 */
u64 tstore_free_frames(struct tstore *s)
{
	return tstore_pages_free(s);
}

/**
 * tstore_next_out() - find frames that are out
 * @s: the store
 * @frame: number of the first one that may be returned
 *
 * For a host that has forgotten which ones it took, see tstore_open().
 *
 * Context: no lock held; frames are neither taken nor given meanwhile.
 * Return: the first frame from there on that is out, or ~0
 */
u32 tstore_next_out(struct tstore *s, u32 frame)
{
	for (; frame < s->nr_frames; frame++)
		if (env_read_once(tstore_page(s, frame)->word) ==
		    TSTORE_PAGE_OUT)
			return frame;
	return TSTORE_NONE;
}

/**
 * tstore_frame_addr() - where a frame is
 * @s: the store
 * @frame: its number
 *
 * Context: any.
 * Return: its address, within the arena
 */
void *tstore_frame_addr(struct tstore *s, u32 frame)
{
	return tstore_frame(s, frame);
}
