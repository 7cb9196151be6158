// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, how clients were in the last hours
 *
 * The main thread's timer writes a sample into the place after the newest, and
 * then makes it count by a single store.  A worker that is killed in between
 * leaves nothing but a place that is written anew.  That place never counts, so
 * there is one sample less than there are places.
 *
 * Memory is taken as places are first used: 500 KiB for each slot that ever had
 * a client, and no more after one turn of the ring.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "history.h"
#include "pool.h"
#include "schedule.h"
#include "worker.h"

#define VERSION	2

/* The timer of a second is not exact */
#define SLACK_MS	500

/**
 * struct history - the file
 * @version: of this layout
 * @end: number of the sample that comes next; from 0 on
 * @samples: at their number, modulo that of places
 * @clients: likewise, of each slot
 */
static struct history {
	u64 version;
	u64 end;
	struct history_sample samples[HISTORY_SAMPLES];
	struct history_client clients[TMEMD_CLIENTS][HISTORY_SAMPLES];
} *history;

#if TMEMD_CLIENTS > 64
#error "a sample has a bit for each slot"
#endif

/**
 * history_now() - the clock of samples
 *
 * Return: ms since the machine was started
 */
u64 history_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static struct history *map(int fd)
{
	struct history *all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE,
				   MAP_SHARED, fd, 0);

	return all == MAP_FAILED ? NULL : all;
}

/* That of a worker before, unless its program had another layout */
static bool go_on(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || st.st_size != sizeof(*history))
		return false;
	history = map(fd);
	if (history && history->version == VERSION)
		return true;
	if (history)
		munmap(history, sizeof(*history));
	history = NULL;
	return false;
}

/**
 * history_start() - find the history, or begin one
 *
 * Guests can be served without.
 *
 * Context: the main thread, as all of this file.
 */
void history_start(void)
{
	int fd = held(TMEMD_HELD_HISTORY);

	if (fd >= 0 && go_on(fd))
		return;
	drop(TMEMD_HELD_HISTORY);
	fd = memfd_create("tmemd-history", MFD_CLOEXEC);
	if (fd >= 0 && !ftruncate(fd, sizeof(*history)))
		history = map(fd);
	if (!history) {
		log_warn("there will be no history: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	history->version = VERSION;
	hold_as(TMEMD_HELD_HISTORY, fd);
}

static void record_client(struct history_client *to, const struct client *c)
{
	const struct sched_guest *g = schedule_guest(c);
	struct tstore_client_stats stats = { 0 };

	if (c->store)
		tstore_client_stats(c->store, &stats);
	/* What is held for a client gets numbers that are never used again */
	to->id = c->state->tmem.listener;
	memcpy(to->name, c->state->name, sizeof(to->name));
	to->ephemeral = stats.ephemeral;
	to->persistent = stats.persistent;
	to->charged = stats.bytes;
	to->target = stats.target;
	to->memory = g ? g->has : 0;
	to->goal = g ? g->goal : 0;
	to->estimate = stats.report.estimate;
	client_counts(c, to->count);
}

/**
 * history_tick() - a second has passed
 *
 * Writes a sample if it is time for one.
 */
void history_tick(void)
{
	struct history_sample *to;
	struct tstore_stats stats;
	struct pool_size size;
	unsigned int i, place;
	u64 end, now;

	if (!history)
		return;
	end = history->end;
	now = history_now();
	if (end && now + SLACK_MS <
	    history_sample(end - 1)->at + options.sample_s * 1000ULL)
		return;
	place = end % HISTORY_SAMPLES;
	to = &history->samples[place];
	tstore_stats(store, &stats);
	pool_look(&size);
	*to = (struct history_sample){ .at = now, .worker = state->starts,
				       .size = size.size, .free = stats.free };
	for (i = 0; i < TMEMD_CLIENTS; i++) {
		if (!clients[i].state)
			continue;
		record_client(&history->clients[i][place], &clients[i]);
		to->clients |= 1ULL << i;
	}
	env_store_release(&history->end, end + 1);
}

/**
 * history_first() - the oldest sample
 *
 * Return: its number; history_end() if there is none
 */
u64 history_first(void)
{
	u64 end = history_end();

	return end < HISTORY_SAMPLES ? 0 : end - (HISTORY_SAMPLES - 1);
}

/**
 * history_end() - the sample that comes next
 *
 * Return: its number
 */
u64 history_end(void)
{
	return history ? history->end : 0;
}

/**
 * history_sample() - find a sample
 * @seq: its number, from history_first() on and below history_end()
 *
 * Return: the sample, which stays until history_tick()
 */
const struct history_sample *history_sample(u64 seq)
{
	return &history->samples[seq % HISTORY_SAMPLES];
}

/**
 * history_client() - find a client in a sample
 * @seq: number of the sample
 * @slot: of the client
 *
 * Return: the client, likewise; NULL if there was none
 */
const struct history_client *history_client(u64 seq, unsigned int slot)
{
	if (!(history_sample(seq)->clients >> slot & 1))
		return NULL;
	return &history->clients[slot][seq % HISTORY_SAMPLES];
}
