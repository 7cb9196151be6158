/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, the process that serves
 */
#ifndef _TMEMD_WORKER_H
#define _TMEMD_WORKER_H

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "device.h"

struct sched_policy;

/* Descriptors that one process can have */
#define WORKER_FDS	65536

/* Name of the socket for tmemctl, beside those of the clients */
#define WORKER_CONTROL	"control"

/* What the name of a socket for a client's balloon ends in */
#define WORKER_BALLOON	".balloon"

/* Clients that the command line may name */
#define WORKER_SPECS	TMEMD_CLIENTS

/**
 * struct options - what the command line says
 * @sockets: directory of the sockets
 * @file: of the arena, or NULL for memory without a name
 * @size: bytes of the pool, at first
 * @max_size: most that it can ever have
 * @memory: for guests and pool together, or 0: nobody divides it
 * @scheduler: how it is divided
 * @prealloc: its memory is provided at once
 * @policy: how it is divided
 * @codec: how pages are packed: "none", "lz4" or "zstd"
 * @dedup: keep equal pages of a client once
 * @threads: that serve queues
 * @poll_us: how long they go on looking
 * @sample_s: seconds from one sample of the history to the next
 * @metrics: address where they can be had; of family 0: nowhere
 * @share: what a client may have of whom nothing is said
 * @nr: clients
 * @specs: these, and whether it is said what their guests keep, and that
 */
struct options {
	const char *sockets;
	const char *file;
	u64 size;
	u64 max_size;
	u64 memory;
	const struct sched_policy *scheduler;
	int prealloc;
	const struct tstore_policy *policy;
	const char *codec;
	int dedup;
	unsigned int threads;
	unsigned int poll_us;
	unsigned int sample_s;
	struct sockaddr_storage metrics;
	struct share share;
	unsigned int nr;
	struct spec {
		char name[TMEMD_NAME];
		char qmp[TMEMD_PATH];
		struct share share;
		bool decided;
		u64 memory;
	} specs[WORKER_SPECS];
};

extern struct options options;

int worker_run(int line);
void worker_end(int status);
bool policy_choose(const char *name);
int watch(int fd, u32 events, void (*on)(void *arg), void *arg);
int rewatch(int fd, u32 events);
void unwatch(int fd);
int sockets_start(void);
const char *socket_given_name(unsigned int i);
int socket_listen(const char *name, mode_t mode, u64 *id);
void socket_remove(const char *name);

#endif /* _TMEMD_WORKER_H */
