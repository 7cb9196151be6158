// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, what the front end says
 *
 * A message changes a copy of the connection's state; what has changed is then
 * put into effect, and the copy becomes the state.  Only after that the message
 * is taken from the socket, so a worker that dies in between leaves it to the
 * next one.  All messages that change something may be heard twice.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "vhost.h"

#define BIT(n)		(1ULL << (n))

#define FEATURES	(BIT(32) /* VIRTIO_F_VERSION_1 */ | \
			 BIT(VIRTIO_RING_F_INDIRECT_DESC) | \
			 BIT(VIRTIO_RING_F_EVENT_IDX) | \
			 BIT(VHOST_F_PROTOCOL_FEATURES))

#define PROTOCOLS	(BIT(VHOST_PROTOCOL_F_MQ) | \
			 BIT(VHOST_PROTOCOL_F_REPLY_ACK) | \
			 BIT(VHOST_PROTOCOL_F_BACKEND_REQ) | \
			 BIT(VHOST_PROTOCOL_F_CONFIG))

/* A message, and what is to become of it */
struct heard {
	struct vhost_msg msg;
	int fds[TMEMD_REGIONS];
	unsigned int nr_fds;
	struct device_state next;
	struct memory *mem;		/* mapped for next */
	bool reply;			/* msg is the answer */
};

static struct device_state *current(const struct device *dev)
{
	return &dev->line->device[dev->line->current & 1];
}

static void commit(struct device *dev, const struct device_state *next)
{
	u32 other = !(dev->line->current & 1);

	dev->line->device[other] = *next;
	env_store_release(&dev->line->current, other);
}

/* ---- putting a state into effect ---- */

/* A driver that does not know of protocol features enables no queues: they are */
static bool wants_service(const struct device_state *s,
			  const struct queue_state *qs)
{
	return s->nr_regions && s->features & BIT(32) && qs->num && qs->desc &&
	       qs->kick && (qs->enabled ||
			    !(s->features & BIT(VHOST_F_PROTOCOL_FEATURES)));
}

static int queue_start(struct device *dev, const struct device_state *s,
		       unsigned int i)
{
	const struct queue_state *qs = &s->queues[i];
	struct queue *q = &dev->queues[i];
	int err;

	err = ring_init(&q->ring, dev->mem, qs,
			s->features & BIT(VIRTIO_RING_F_EVENT_IDX));
	if (err)
		return err;
	q->device = dev;
	q->kick = held(qs->kick);
	q->call = qs->call ? held(qs->call) : -1;
	return queue_serve(q);
}

/* Goes from one state to the next */
static int settle(struct device *dev, const struct device_state *was,
		  const struct device_state *next, struct memory *mem)
{
	struct memory *old = dev->mem;
	bool all = mem || was->features != next->features;
	bool changed[TMEMD_QUEUES];
	unsigned int i;
	int err = 0;

	for (i = 0; i < TMEMD_QUEUES; i++) {
		changed[i] = all || memcmp(&was->queues[i], &next->queues[i],
					   sizeof(was->queues[i]));
		if (changed[i])
			queue_leave(&dev->queues[i]);
	}
	if (mem) {
		dev->mem = mem;
		memory_unmap(old);
	}
	for (i = 0; i < TMEMD_QUEUES && !err; i++)
		if (changed[i] && wants_service(next, &next->queues[i]))
			err = queue_start(dev, next, i);
	return err;
}

/* Does the state have this descriptor? */
static bool names(const struct device_state *s, u64 id)
{
	unsigned int i;

	for (i = 0; i < s->nr_regions; i++)
		if (s->regions[i].fd == id)
			return true;
	for (i = 0; i < TMEMD_QUEUES; i++)
		if (s->queues[i].kick == id || s->queues[i].call == id)
			return true;
	return s->backend == id || s->conn == id;
}

static void drop_unless(u64 id, const struct device_state *s)
{
	if (id && !names(s, id))
		drop(id);
}

/* Lets go of descriptors that one state has and another one has not */
static void drop_lost(const struct device_state *was,
		      const struct device_state *now)
{
	unsigned int i;

	for (i = 0; i < was->nr_regions; i++)
		drop_unless(was->regions[i].fd, now);
	for (i = 0; i < TMEMD_QUEUES; i++) {
		drop_unless(was->queues[i].kick, now);
		drop_unless(was->queues[i].call, now);
	}
	drop_unless(was->backend, now);
}

/* ---- messages ---- */

static bool has(const struct heard *h, size_t bytes)
{
	return h->msg.size == bytes;
}

static void answer(struct heard *h, u64 number)
{
	h->msg.number = number;
	h->msg.size = sizeof(h->msg.number);
	h->reply = true;
}

/* The state holds the descriptor from now on, and the message does not */
static u64 take_fd(struct heard *h, unsigned int i)
{
	u64 id = hold(h->fds[i]);

	h->fds[i] = -1;
	return id;
}

static struct queue_state *queue_of(const struct device *dev, struct heard *h,
				    u32 index)
{
	return index < dev->type->queues ? &h->next.queues[index] : NULL;
}

static int set_features(struct device *dev, struct heard *h)
{
	if (!has(h, 8) || h->msg.number & ~(FEATURES | dev->type->features))
		return -EINVAL;
	h->next.features = h->msg.number;
	return 0;
}

static int set_protocols(struct device *dev __always_unused, struct heard *h)
{
	if (!has(h, 8) || h->msg.number & ~PROTOCOLS)
		return -EINVAL;
	h->next.protocols = h->msg.number;
	return 0;
}

static int set_memory(struct device *dev __always_unused, struct heard *h)
{
	struct region_state *r = h->next.regions;
	unsigned int i, nr = h->msg.memory.nr;
	int err;

	/* User-Mode Linux sends unused regions, too */
	if (h->msg.size < 8 || nr > TMEMD_REGIONS || !nr || nr != h->nr_fds ||
	    h->msg.size < 8 + nr * sizeof(struct vhost_region))
		return -EINVAL;
	for (i = 0; i < nr; i++)
		r[i] = (struct region_state){
			.gpa = h->msg.memory.regions[i].gpa,
			.size = h->msg.memory.regions[i].size,
			.uaddr = h->msg.memory.regions[i].uaddr,
			.offset = h->msg.memory.regions[i].offset,
		};
	err = memory_map(r, h->fds, nr, &h->mem);
	if (err)
		return err;
	for (i = 0; i < nr; i++)
		r[i].fd = take_fd(h, i);
	h->next.nr_regions = nr;
	return 0;
}

static int set_num(struct device *dev, struct heard *h)
{
	struct queue_state *qs = queue_of(dev, h, h->msg.vring.index);

	if (!has(h, 8) || !qs || h->msg.vring.num > RING_MAX_SIZE)
		return -EINVAL;
	qs->num = h->msg.vring.num;
	return 0;
}

static int set_addr(struct device *dev, struct heard *h)
{
	struct queue_state *qs = queue_of(dev, h, h->msg.addr.index);

	if (!has(h, sizeof(h->msg.addr)) || !qs)
		return -EINVAL;
	qs->desc = h->msg.addr.desc;
	qs->avail = h->msg.addr.avail;
	qs->used = h->msg.addr.used;
	return 0;
}

/* Where the queue stands is seen in its used ring */
static int set_base(struct device *dev, struct heard *h)
{
	return has(h, 8) && queue_of(dev, h, h->msg.vring.index) ? 0 : -EINVAL;
}

static int get_base(struct device *dev, struct heard *h)
{
	u32 index = h->msg.vring.index;
	struct queue_state *qs = queue_of(dev, h, index);

	if (!has(h, 8) || !qs)
		return -EINVAL;
	queue_leave(&dev->queues[index]);
	qs->kick = 0;
	h->msg.vring.num = dev->queues[index].ring.next;
	h->reply = true;
	return 0;
}

/* Queues without a descriptor to wait on are not served by anybody here */
static int set_fd(struct heard *h, u64 *id)
{
	if (!h->nr_fds || h->msg.number & VHOST_NO_FD)
		return -EINVAL;
	*id = take_fd(h, 0);
	return 0;
}

static int set_kick(struct device *dev, struct heard *h)
{
	struct queue_state *qs = queue_of(dev, h, h->msg.number & 0xff);

	return has(h, 8) && qs ? set_fd(h, &qs->kick) : -EINVAL;
}

static int set_call(struct device *dev, struct heard *h)
{
	struct queue_state *qs = queue_of(dev, h, h->msg.number & 0xff);

	if (!has(h, 8) || !qs)
		return -EINVAL;
	if (h->msg.number & VHOST_NO_FD) {
		qs->call = 0;
		return 0;
	}
	return set_fd(h, &qs->call);
}

static int set_enable(struct device *dev, struct heard *h)
{
	struct queue_state *qs = queue_of(dev, h, h->msg.vring.index);

	if (!has(h, 8) || !qs || h->msg.vring.num > 1)
		return -EINVAL;
	qs->enabled = h->msg.vring.num;
	return 0;
}

static int set_backend(struct device *dev __always_unused, struct heard *h)
{
	if (!h->nr_fds)
		return -EINVAL;
	h->next.backend = take_fd(h, 0);
	return 0;
}

/* Is it about a part of the configuration, and is all of that there? */
static bool is_config(const struct heard *h)
{
	u32 offset = h->msg.config.offset, size = h->msg.config.size;

	return h->msg.size >= 12 && size <= VHOST_MAX_CONFIG &&
	       offset <= VHOST_MAX_CONFIG - size && has(h, 12 + size);
}

static int get_config(struct device *dev, struct heard *h)
{
	u8 config[VHOST_MAX_CONFIG] = { 0 };

	if (!is_config(h))
		return -EINVAL;
	dev->type->get_config(dev, config);
	memcpy(h->msg.config.bytes, config + h->msg.config.offset,
	       h->msg.config.size);
	h->reply = true;
	return 0;
}

static int set_config(struct device *dev, struct heard *h)
{
	if (!is_config(h) || !dev->type->set_config)
		return -EINVAL;
	return dev->type->set_config(dev, h->msg.config.offset,
				     h->msg.config.size, h->msg.config.bytes);
}

static int get_features(struct device *dev, struct heard *h)
{
	answer(h, FEATURES | dev->type->features);
	return 0;
}

static int get_protocols(struct device *dev __always_unused, struct heard *h)
{
	answer(h, PROTOCOLS);
	return 0;
}

static int get_queue_num(struct device *dev, struct heard *h)
{
	answer(h, dev->type->queues);
	return 0;
}

/* Nothing that would change anything here */
static int ignore(struct device *dev __always_unused,
		  struct heard *h __always_unused)
{
	return 0;
}

static int (*const requests[VHOST_REQUESTS])(struct device *, struct heard *) = {
	[VHOST_GET_FEATURES] = get_features,
	[VHOST_SET_FEATURES] = set_features,
	[VHOST_SET_OWNER] = ignore,
	[VHOST_RESET_OWNER] = ignore,
	[VHOST_SET_MEM_TABLE] = set_memory,
	[VHOST_SET_VRING_NUM] = set_num,
	[VHOST_SET_VRING_ADDR] = set_addr,
	[VHOST_SET_VRING_BASE] = set_base,
	[VHOST_GET_VRING_BASE] = get_base,
	[VHOST_SET_VRING_KICK] = set_kick,
	[VHOST_SET_VRING_CALL] = set_call,
	[VHOST_SET_VRING_ERR] = ignore,
	[VHOST_GET_PROTOCOL_FEATURES] = get_protocols,
	[VHOST_SET_PROTOCOL_FEATURES] = set_protocols,
	[VHOST_GET_QUEUE_NUM] = get_queue_num,
	[VHOST_SET_VRING_ENABLE] = set_enable,
	[VHOST_SET_BACKEND_REQ_FD] = set_backend,
	[VHOST_GET_CONFIG] = get_config,
	[VHOST_SET_CONFIG] = set_config,
};

/* ---- the socket ---- */

static ssize_t peek(int conn, void *buf, size_t bytes, struct heard *h)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * TMEMD_REGIONS)];
	} control;
	struct iovec iov = { buf, bytes };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t got;

	if (h) {
		hdr.msg_control = &control;
		hdr.msg_controllen = sizeof(control);
	}
	do {
		got = recvmsg(conn, &hdr,
			      MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got <= 0 || !h)
		return got;
	for (c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		h->nr_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(h->fds, CMSG_DATA(c), h->nr_fds * sizeof(int));
	}
	return got;
}

/* Takes from the socket what was peeked at; the kernel closes descriptors */
static void consume(int conn, size_t bytes)
{
	char gone[sizeof(struct vhost_msg)];

	while (recv(conn, gone, bytes, MSG_DONTWAIT) < 0 && errno == EINTR)
		;
}

static bool send_reply(struct device *dev, struct heard *h, int err)
{
	bool ack = current(dev)->protocols & BIT(VHOST_PROTOCOL_F_REPLY_ACK) &&
		   h->msg.flags & VHOST_NEED_REPLY;

	if (!h->reply) {
		if (!ack)
			return !err;
		answer(h, err ? 1 : 0);
	}
	h->msg.flags = VHOST_VERSION | VHOST_REPLY;
	return send(dev->conn, &h->msg, VHOST_HEAD + h->msg.size,
		    MSG_NOSIGNAL | MSG_DONTWAIT) ==
	       (ssize_t)(VHOST_HEAD + h->msg.size);
}

static int execute(struct device *dev, struct heard *h)
{
	struct device_state was = *current(dev);
	u32 request = h->msg.request;
	int err;

	h->next = was;
	if (request >= VHOST_REQUESTS || !requests[request])
		return -EOPNOTSUPP;
	err = requests[request](dev, h);
	if (err) {
		drop_lost(&h->next, &was);
		return err;
	}
	err = settle(dev, &was, &h->next, h->mem);
	commit(dev, &h->next);
	drop_lost(&was, &h->next);
	return err;
}

/**
 * vhost_listen() - hear one message and do as it says
 * @dev: the connection
 *
 * Context: the main thread.
 * Return: VHOST_NOTHING if there is no whole message yet, VHOST_GONE if the
 *	front end has hung up or makes no sense
 */
enum vhost_heard vhost_listen(struct device *dev)
{
	struct heard h = { 0 };
	bool alive;
	ssize_t got;
	unsigned int i;
	u32 request;
	size_t all;
	int err;

	got = peek(dev->conn, &h.msg, VHOST_HEAD, NULL);
	if (!got || (got < 0 && errno != EAGAIN))
		return VHOST_GONE;
	if (got < (ssize_t)VHOST_HEAD)
		return VHOST_NOTHING;
	request = h.msg.request;
	all = VHOST_HEAD + h.msg.size;
	if ((h.msg.flags & VHOST_VERSION_MASK) != VHOST_VERSION ||
	    h.msg.size > sizeof(h.msg) - VHOST_HEAD) {
		log_guest(dev->client, LOG_WARNING,
			  "message %u of %u bytes is not of vhost-user",
			  request, h.msg.size);
		return VHOST_GONE;
	}
	got = peek(dev->conn, &h.msg, all, &h);
	if (got < 0)
		return VHOST_GONE;
	err = got == (ssize_t)all ? execute(dev, &h) : 0;
	for (i = 0; i < h.nr_fds; i++)
		if (h.fds[i] >= 0)
			close(h.fds[i]);
	if (got < (ssize_t)all)
		return VHOST_NOTHING;
	if (err)
		log_guest(dev->client, LOG_WARNING, "message %u refused: %s",
			  request, strerror(-err));
	alive = send_reply(dev, &h, err);
	consume(dev->conn, all);
	return alive ? VHOST_MESSAGE : VHOST_GONE;
}

/**
 * vhost_resume() - serve a connection that another worker served
 * @dev: the connection; its socket is there
 *
 * Context: the main thread.
 * Return: 0 or a negative error number
 */
int vhost_resume(struct device *dev)
{
	struct device_state *s = current(dev), nothing = { 0 };
	const u64 one = 1;
	int fds[TMEMD_REGIONS], err = 0;
	struct memory *mem = NULL;
	unsigned int i;

	for (i = 0; i < s->nr_regions; i++)
		fds[i] = held(s->regions[i].fd);
	if (s->nr_regions)
		err = memory_map(s->regions, fds, s->nr_regions, &mem);
	if (!err)
		err = settle(dev, &nothing, s, mem);
	/* The other worker may have returned a buffer and not said so */
	for (i = 0; i < TMEMD_QUEUES && !err; i++)
		if (dev->queues[i].thread && dev->queues[i].call >= 0 &&
		    write(dev->queues[i].call, &one, sizeof(one)) < 0)
			log_guest(dev->client, LOG_WARNING,
				  "queue %u cannot be told of anything", i);
	return err;
}

/**
 * vhost_config_changed() - tell the driver to read the configuration anew
 * @dev: the connection
 *
 * Context: the main thread.
 */
void vhost_config_changed(struct device *dev)
{
	struct vhost_msg msg = {
		.request = VHOST_BACKEND_CONFIG_CHANGE,
		.flags = VHOST_VERSION,
	};
	u64 id = current(dev)->backend;

	if (id && current(dev)->protocols & BIT(VHOST_PROTOCOL_F_CONFIG) &&
	    write(held(id), &msg, VHOST_HEAD) < 0)
		log_guest(dev->client, LOG_WARNING,
			  "cannot be told that its configuration has changed: %s",
			  strerror(errno));
}

/**
 * vhost_forget() - let go of all that a connection holds
 * @dev: the connection; it is over
 *
 * Context: the main thread.
 */
void vhost_forget(struct device *dev)
{
	struct device_state was = *current(dev), nothing = { 0 };
	unsigned int i;

	for (i = 0; i < TMEMD_QUEUES; i++)
		queue_leave(&dev->queues[i]);
	memory_unmap(dev->mem);
	dev->mem = NULL;
	commit(dev, &nothing);
	drop_lost(&was, &nothing);
	drop(was.conn);
}

/**
 * vhost_names() - does a connection need a descriptor?
 * @line: the connection
 * @id: number of the descriptor
 *
 * Return: true if so
 */
bool vhost_names(const struct line_state *line, u64 id)
{
	return line->listener == id ||
	       names(&line->device[line->current & 1], id);
}
