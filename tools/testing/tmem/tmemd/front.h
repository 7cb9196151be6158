/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: a front end for tmemd, for tests
 *
 * What QEMU and a guest's driver do together, in one process: connect, hand over
 * memory, set queues up, put buffers into them and wait.  It can do all of that
 * wrongly, too.
 */
#ifndef _FRONT_H
#define _FRONT_H

#include <stdbool.h>

#include <linux/virtio_ring.h>
#include <linux/virtio_tmem.h>

#include "tstore.h"
#include "vhost.h"

#define FRONT_QUEUES	4
#define FRONT_RING	256
#define FRONT_GPA	(1ULL << 32)
#define FRONT_UADDR	(5ULL << 40)

/* Room for the head, requests and answers of a buffer, and an indirect table */
#define FRONT_ROOM	32768

/**
 * struct front_queue - a queue, from the driver's side
 * @desc: in the guest's memory
 * @avail: likewise
 * @used: likewise
 * @room: likewise, FRONT_ROOM bytes
 * @kick: eventfd
 * @call: eventfd
 * @sent: buffers made available
 * @seen: buffers returned
 * @kicks: notifications sent
 */
struct front_queue {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	u8 *room;
	int kick;
	int call;
	u16 sent;
	u16 seen;
	u64 kicks;
};

/**
 * struct front - a guest
 * @conn: socket to the daemon
 * @fd: file of its memory
 * @mem: the memory
 * @bytes: its size
 * @data: where pages of data begin
 * @pages: how many of them there are
 * @sleeps: it sleeps while it waits for an answer, or else polls
 * @nr: queues
 * @queues: these
 */
struct front {
	int conn;
	int fd;
	u8 *mem;
	size_t bytes;
	u8 *data;
	size_t pages;
	bool sleeps;
	unsigned int nr;
	struct front_queue queues[FRONT_QUEUES];
};

/**
 * struct front_io - a request and where its data is
 * @req: the request; status and done are the answer
 * @data: its pages, in the guest's memory
 */
struct front_io {
	struct tmem_req req;
	void *data;
};

/* Connected and no more */
int front_call(struct front *f, const char *path, size_t pages,
	       unsigned int nr);
void front_hang_up(struct front *f);
int front_send(struct front *f, struct vhost_msg *msg, const int *fds,
	       unsigned int nr_fds);
int front_ask(struct front *f, struct vhost_msg *msg);
int front_memory(struct front *f);
int front_queue(struct front *f, unsigned int i);

/* All of that */
int front_open(struct front *f, const char *path, size_t pages,
	       unsigned int nr);

u64 front_gpa(const struct front *f, const void *ptr);
void front_desc(struct front *f, struct vring_desc *desc, void *ptr, u32 len,
		u16 flags, u16 next);
void front_publish(struct front *f, unsigned int i, u16 head);
int front_wait(struct front *f, unsigned int i, u32 *len);
int front_submit(struct front *f, unsigned int i, struct front_io *ios,
		 unsigned int nr);
int front_attach(struct front *f, struct tmem_attach *at);
int front_pool(struct front *f, u32 pool, u64 flags);
struct front_io front_io(u8 op, u32 pool, u64 object, u64 index, u32 nr,
			 void *data);

#endif /* _FRONT_H */
