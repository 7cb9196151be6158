/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what the files of the virtio transport share
 */
#ifndef _DRIVERS_TMEM_VIRTIO_TMEM_H
#define _DRIVERS_TMEM_VIRTIO_TMEM_H

#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/tmem.h>
#include <linux/virtio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/virtio_tmem.h>

/* Buffers of a queue; whoever finds none waits */
#define BUFS		4

/* Pieces of a buffer: head and requests, answers, the data of each request */
#define PIECES_MAX	(2 + VIRTIO_TMEM_MAX_REQUESTS)

enum virtio_tmem_count {
	VECTORS,
	BUFFERS,
	KICKS,
	INTERRUPTS,
	SPINS_WON,
	SLEEPS,
	NR_COUNTS
};

/**
 * struct virtio_tmem_buf - what a vector needs on its way
 * @node: in the list of idle buffers
 * @done: the device has returned it, or will not touch it any more
 * @len: how many bytes of the answers the device claims to have written
 * @waited_ns: for how long the device was waited for, for this vector
 * @out: pieces that the device reads
 * @in: pieces that it writes, in the same table
 * @head: what the buffer begins with
 * @reqs: the requests, right behind it
 * @asked: data of an attach, to the store
 * @told: data of a report, to the store
 * @answers: one for each request
 * @attach: data of an attach, from the store
 * @report: data of a report, from the store
 * @query: data of a query
 */
struct virtio_tmem_buf {
	struct list_head node;
	struct completion done;
	u32 len;
	u64 waited_ns;
	struct scatterlist out[PIECES_MAX];
	struct scatterlist *in;

	/* Read by the device */
	struct virtio_tmem_head head ____cacheline_aligned;
	struct tmem_req reqs[VIRTIO_TMEM_MAX_REQUESTS];
	union {
		struct tmem_attach asked;
		struct tmem_report told;
	};

	/* Written by the device */
	struct virtio_tmem_answer answers[VIRTIO_TMEM_MAX_REQUESTS]
		____cacheline_aligned;
	union {
		struct tmem_attach attach;
		struct tmem_report report;
		struct tmem_query query;
	};
};

/**
 * struct virtio_tmem_queue - a virtqueue and its buffers
 * @lock: protects what follows, but for @kicking
 * @vt: the device
 * @vq: the virtqueue; not there while @dead
 * @dead: nothing can be sent: the device was reset, or is not ready yet
 * @pollers: who polls; if there are any, callbacks are off
 * @out: buffers that the device has
 * @idle: buffers that nobody uses
 * @counts: see enum virtio_tmem_count
 * @kicking: who is about to notify the device; it is not reset meanwhile
 * @wait: for a buffer, or room in the ring
 * @name: of the virtqueue
 * @bufs: all buffers
 */
struct virtio_tmem_queue {
	spinlock_t lock; /* see above */
	struct virtio_tmem *vt;
	struct virtqueue *vq;
	bool dead;
	unsigned int pollers;
	unsigned int out;
	struct list_head idle;
	u64 counts[NR_COUNTS];
	atomic_t kicking;
	wait_queue_head_t wait;
	char name[20];
	struct virtio_tmem_buf *bufs[BUFS];
} ____cacheline_aligned_in_smp;

/**
 * struct virtio_tmem - a store behind a virtio device
 * @transport: how the core knows it
 * @vdev: the device
 * @reset_lock: one starts or resets the device at a time
 * @dead: what @dead of all queues is, under @reset_lock
 * @leaving: the driver leaves the device: no patience any more
 * @max_requests: most requests of a buffer
 * @max_pages: most pages of data of a buffer
 * @max_pieces: most pieces of a buffer
 * @max_bytes: most bytes of a piece
 * @nr_queues: how many queues are used
 * @queues: the queues
 * @config_work: tells about a new configuration
 * @debugfs: directory with the counters
 * @files: of each counter, what its file has to know
 */
struct virtio_tmem {
	struct tmem_transport transport;
	struct virtio_device *vdev;
	struct mutex reset_lock; /* see above */
	bool dead;
	bool leaving;
	unsigned int max_requests;
	unsigned int max_pages;
	unsigned int max_pieces;
	size_t max_bytes;
	unsigned int nr_queues;
	struct virtio_tmem_queue *queues;
	struct work_struct config_work;
	struct dentry *debugfs;
	struct virtio_tmem_file {
		struct virtio_tmem *vt;
		enum virtio_tmem_count what;
	} files[NR_COUNTS];
};

void virtio_tmem_callback(struct virtqueue *vq);
void virtio_tmem_give_up(struct virtio_tmem *vt);
int virtio_tmem_submit(struct tmem_transport *t, struct tmem_io *ios,
		       unsigned int nr);

#endif /* _DRIVERS_TMEM_VIRTIO_TMEM_H */
