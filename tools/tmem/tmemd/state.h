/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, what survives its worker
 *
 * The worker serves guests and may die at any moment.  What the next one has to
 * know lies in memory that the keeper holds open: which clients there are, and
 * of each connection what its front end has said so far.  Descriptors are named
 * by numbers under which the keeper holds them.
 */
#ifndef _TMEMD_STATE_H
#define _TMEMD_STATE_H

#include "tstore.h"

#define TMEMD_CLIENTS	64
#define TMEMD_QUEUES	64
#define TMEMD_REGIONS	8
#define TMEMD_NAME	32
#define TMEMD_PATH	108
#define TMEMD_CHANGES	8

/* Shared pools, and those that one client may join */
#define TMEMD_SHARED		16
#define TMEMD_CLIENT_SHARED	8

/*
 * Numbers of what the keeper holds: three files, then all others, and sockets
 * that the service manager has made
 */
#define TMEMD_HELD_STATE	1
#define TMEMD_HELD_ARENA	2
#define TMEMD_HELD_HISTORY	3
#define TMEMD_HELD_FIRST	16
#define TMEMD_HELD_GIVEN	(1ULL << 32)

/**
 * struct region_state - a piece of a guest's memory
 * @gpa: guest physical address
 * @size: bytes
 * @uaddr: address in the front end, which it uses for rings
 * @offset: where it begins in its file
 * @fd: the file
 */
struct region_state {
	u64 gpa;
	u64 size;
	u64 uaddr;
	u64 offset;
	u64 fd;
};

/**
 * struct queue_state - a queue, as the front end set it up
 * @desc: addresses of the front end
 * @avail: likewise
 * @used: likewise
 * @kick: descriptor; the queue is started if there is one
 * @call: descriptor
 * @num: its size
 * @enabled: it may be served
 */
struct queue_state {
	u64 desc;
	u64 avail;
	u64 used;
	u64 kick;
	u64 call;
	u32 num;
	u32 enabled;
};

/**
 * struct device_state - a connection
 * @conn: the socket; 0: there is none
 * @backend: channel for messages to the front end
 * @features: that the driver accepted
 * @protocols: protocol features that the front end accepted
 * @nr_regions: pieces of memory
 * @regions: these
 * @queues: all that there can be
 */
struct device_state {
	u64 conn;
	u64 backend;
	u64 features;
	u64 protocols;
	u32 nr_regions;
	struct region_state regions[TMEMD_REGIONS];
	struct queue_state queues[TMEMD_QUEUES];
};

/**
 * struct line_state - where a guest's front end calls for one kind of device
 * @listener: the socket on which it is waited for
 * @current: which of @device is valid; the other one is being written
 * @device: the connection
 */
struct line_state {
	u64 listener;
	u32 current;
	struct device_state device[2];
};

/**
 * struct shared_state - a shared pool that a client may join
 * @uuid: its name
 * @used: there is one
 */
struct shared_state {
	u64 uuid[2];
	u32 used;
};

/**
 * struct memory_change - another decision about the memory of a guest
 * @at: when, in ms since the machine was started
 * @from: pages that it was to keep
 * @to: pages that it is to keep
 * @rule: why, of enum sched_rule
 */
struct memory_change {
	u64 at;
	u64 from;
	u64 to;
	u32 rule;
};

/**
 * struct client_state - a client, connected or not
 * @name: what users call it, and its socket; empty: nobody
 * @tag: its name in the store, which no other client ever had
 * @waiting: it was restored, and its guest has not come yet
 * @share: what it may have; in pages, but for what concerns memory of the
 *	guest's own, which is in bytes: whether the scheduler decides, and
 *	between what, 0 for the least and for the most
 * @tmem: its device of tmem
 * @balloon: its balloon
 * @qmp: where its QEMU is to be asked to move a balloon; empty: it calls itself
 * @resized: somebody has said what @memory is to be
 * @memory: bytes of memory that its guest is to have, or 0: all that it has
 * @inflated: pages that are in the balloon, as its guest says
 * @shared: shared pools that its guest may join
 * @proof: the scheduler's own
 * @beyond: the scheduler's own
 * @nr_changes: decisions so far that were unlike the one before
 * @changes: the last of these, at their number modulo TMEMD_CHANGES
 */
struct client_state {
	char name[TMEMD_NAME];
	u64 tag;
	u32 waiting;
	struct share {
		u64 min;
		u64 cap;
		u32 weight;
		bool hswap;
		bool frozen;
		bool memory_auto;
		u64 memory_min;
		u64 memory_max;
	} share;
	struct line_state tmem;
	struct line_state balloon;
	char qmp[TMEMD_PATH];
	bool resized;
	u64 memory;
	u32 inflated;
	struct shared_state shared[TMEMD_CLIENT_SHARED];
	u64 proof;
	u64 beyond;
	u32 nr_changes;
	struct memory_change changes[TMEMD_CHANGES];
};

/**
 * struct state - all of it
 * @version: of this layout
 * @ready: the first worker got as far as serving
 * @next: next number for what the keeper holds
 * @tags: clients that there have ever been
 * @control: the socket for tmemctl
 * @starts: workers that there have ever been
 * @size: bytes that the pool is to have
 * @taking: the pool is being made smaller, and memory may be left to return
 * @policy: name of how the pool is divided; empty: as the command line says
 * @scheduler: likewise, of memory
 * @clients: those that there are
 */
struct state {
	u32 version;
	u32 ready;
	u64 next;
	u64 tags;
	u64 control;
	u64 starts;
	u64 size;
	u32 taking;
	char policy[TMEMD_NAME];
	char scheduler[TMEMD_NAME];
	struct client_state clients[TMEMD_CLIENTS];
};

#define TMEMD_STATE_VERSION	5

#endif /* _TMEMD_STATE_H */
