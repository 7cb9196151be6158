// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a front end for tmemd, for tests
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "front.h"

#define BIT(n)		(1ULL << (n))
#define PER_QUEUE	(FRONT_RING * 16 + 2 * 4096 + FRONT_ROOM)
#define PATIENCE_NS	10000000000ULL

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/**
 * front_send() - say something
 * @f: the front end
 * @msg: request and size are set
 * @fds: to go with it
 * @nr_fds: number of them
 *
 * Return: 0 or a negative error number
 */
int front_send(struct front *f, struct vhost_msg *msg, const int *fds,
	       unsigned int nr_fds)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int) * 16)];
	} control = { 0 };
	struct iovec iov = { msg, VHOST_HEAD + msg->size };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	msg->flags |= VHOST_VERSION;
	if (nr_fds) {
		hdr.msg_control = &control;
		hdr.msg_controllen = CMSG_SPACE(sizeof(int) * nr_fds);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int) * nr_fds);
		memcpy(CMSG_DATA(&control.head), fds, sizeof(int) * nr_fds);
	}
	return sendmsg(f->conn, &hdr, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/**
 * front_ask() - say something, and hear the answer
 * @f: the front end
 * @msg: the message; out: the answer
 *
 * Return: 0, -EPIPE if the daemon hung up, or -ETIME if it says nothing
 */
int front_ask(struct front *f, struct vhost_msg *msg)
{
	struct pollfd poll_fd = { f->conn, POLLIN, 0 };
	int err = front_send(f, msg, NULL, 0);
	ssize_t got;

	if (err)
		return err;
	if (poll(&poll_fd, 1, 10000) <= 0)
		return -ETIME;
	got = recv(f->conn, msg, VHOST_HEAD, MSG_WAITALL);
	if (got != (ssize_t)VHOST_HEAD || msg->size > sizeof(*msg) - VHOST_HEAD)
		return -EPIPE;
	got = recv(f->conn, (u8 *)msg + VHOST_HEAD, msg->size, MSG_WAITALL);
	return got == (ssize_t)msg->size ? 0 : -EPIPE;
}

/**
 * front_call() - connect
 * @f: the front end
 * @path: the socket
 * @pages: of data
 * @nr: queues
 *
 * Return: 0 or a negative error number
 */
int front_call(struct front *f, const char *path, size_t pages,
	       unsigned int nr)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	memset(f, 0, sizeof(*f));
	f->nr = nr;
	f->pages = pages;
	f->bytes = nr * PER_QUEUE + pages * PAGE_SIZE;
	f->fd = memfd_create("guest", MFD_CLOEXEC);
	if (f->fd < 0 || ftruncate(f->fd, f->bytes))
		return -errno;
	f->mem = mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		      f->fd, 0);
	if (f->mem == MAP_FAILED)
		return -errno;
	f->data = f->mem + nr * PER_QUEUE;
	f->conn = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(f->conn, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	return 0;
}

/**
 * front_hang_up() - be gone
 * @f: the front end
 */
void front_hang_up(struct front *f)
{
	unsigned int i;

	close(f->conn);
	close(f->fd);
	munmap(f->mem, f->bytes);
	for (i = 0; i < f->nr; i++) {
		close(f->queues[i].kick);
		close(f->queues[i].call);
	}
}

/**
 * front_memory() - hand the memory over
 * @f: the front end
 *
 * Return: 0 or a negative error number
 */
int front_memory(struct front *f)
{
	struct vhost_msg msg = {
		.request = VHOST_SET_MEM_TABLE,
		.size = 8 + sizeof(struct vhost_region),
		.memory.nr = 1,
		.memory.regions[0] = { FRONT_GPA, f->bytes, FRONT_UADDR, 0 },
	};

	return front_send(f, &msg, &f->fd, 1);
}

static int say_vring(struct front *f, u32 request, u32 index, u32 num)
{
	struct vhost_msg msg = { .request = request, .size = 8,
				 .vring = { index, num } };

	return front_send(f, &msg, NULL, 0);
}

static int say_fd(struct front *f, u32 request, u32 index, int fd)
{
	struct vhost_msg msg = { .request = request, .size = 8,
				 .number = index };

	return front_send(f, &msg, &fd, 1);
}

/**
 * front_queue() - set a queue up
 * @f: the front end
 * @i: its number
 *
 * Return: 0 or a negative error number
 */
int front_queue(struct front *f, unsigned int i)
{
	struct front_queue *q = &f->queues[i];
	u8 *at = f->mem + i * PER_QUEUE;
	u64 uaddr = FRONT_UADDR + i * PER_QUEUE;
	struct vhost_msg addr = {
		.request = VHOST_SET_VRING_ADDR,
		.size = sizeof(addr.addr),
		.addr = { .index = i, .desc = uaddr,
			  .avail = uaddr + FRONT_RING * 16,
			  .used = uaddr + FRONT_RING * 16 + 4096 },
	};
	int err;

	memset(at, 0, PER_QUEUE);
	q->desc = (void *)at;
	q->avail = (void *)(at + FRONT_RING * 16);
	q->used = (void *)(at + FRONT_RING * 16 + 4096);
	q->room = at + FRONT_RING * 16 + 2 * 4096;
	q->sent = 0;
	q->seen = 0;
	q->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	err = say_vring(f, VHOST_SET_VRING_NUM, i, FRONT_RING);
	err = err ?: say_vring(f, VHOST_SET_VRING_BASE, i, 0);
	err = err ?: front_send(f, &addr, NULL, 0);
	err = err ?: say_fd(f, VHOST_SET_VRING_CALL, i, q->call);
	err = err ?: say_fd(f, VHOST_SET_VRING_KICK, i, q->kick);
	return err ?: say_vring(f, VHOST_SET_VRING_ENABLE, i, 1);
}

static int say_number(struct front *f, u32 request, u64 number)
{
	struct vhost_msg msg = { .request = request, .size = 8,
				 .number = number };

	return front_send(f, &msg, NULL, 0);
}

/**
 * front_open() - be a guest, as far as the first request
 * @f: the front end
 * @path: the socket
 * @pages: of data
 * @nr: queues
 *
 * Return: 0 or a negative error number
 */
int front_open(struct front *f, const char *path, size_t pages,
	       unsigned int nr)
{
	struct vhost_msg msg = { .request = VHOST_GET_FEATURES };
	unsigned int i;
	int err;

	err = front_call(f, path, pages, nr);
	err = err ?: front_ask(f, &msg);
	err = err ?: say_number(f, VHOST_SET_FEATURES, msg.number);
	err = err ?: say_number(f, VHOST_SET_PROTOCOL_FEATURES,
				BIT(VHOST_PROTOCOL_F_CONFIG));
	err = err ?: front_memory(f);
	for (i = 0; i < nr && !err; i++)
		err = front_queue(f, i);
	return err;
}

/**
 * front_gpa() - where the guest would say that something is
 * @f: the front end
 * @ptr: in its memory
 *
 * Return: guest physical address
 */
u64 front_gpa(const struct front *f, const void *ptr)
{
	return FRONT_GPA + ((const u8 *)ptr - f->mem);
}

/**
 * front_desc() - fill a descriptor
 * @f: the front end
 * @desc: the descriptor
 * @ptr: memory that it names
 * @len: bytes
 * @flags: VRING_DESC_F_*
 * @next: number of the one that follows
 */
void front_desc(struct front *f, struct vring_desc *desc, void *ptr, u32 len,
		u16 flags, u16 next)
{
	*desc = (struct vring_desc){ front_gpa(f, ptr), len, flags, next };
}

/**
 * front_publish() - make a buffer available, and notify if need be
 * @f: the front end
 * @i: number of the queue
 * @head: its first descriptor
 */
void front_publish(struct front *f, unsigned int i, u16 head)
{
	struct front_queue *q = &f->queues[i];
	const u64 one = 1;
	u16 old = q->sent++, event;

	q->avail->ring[old % FRONT_RING] = head;
	__atomic_store_n(&q->avail->idx, q->sent, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = env_read_once(*(u16 *)&q->used->ring[FRONT_RING]);
	if (!vring_need_event(event, q->sent, old))
		return;
	q->kicks++;
	if (write(q->kick, &one, sizeof(one)) < 0)
		perror("kick");
}

/* Until there is something in the ring, which is to be told */
static void front_sleep(struct front_queue *q)
{
	struct pollfd told = { .fd = q->call, .events = POLLIN };
	u64 count;

	env_write_once(*(u16 *)&q->avail->ring[FRONT_RING], q->seen);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (env_read_once(q->used->idx) == q->seen)
		poll(&told, 1, 1000);
	if (read(q->call, &count, sizeof(count)) < 0 && errno != EAGAIN)
		perror("call");
}

/**
 * front_wait() - wait for the next buffer to be returned
 * @f: the front end
 * @i: number of the queue
 * @len: out: bytes written, as the device says
 *
 * Return: its first descriptor, or -ETIME
 */
int front_wait(struct front *f, unsigned int i, u32 *len)
{
	struct front_queue *q = &f->queues[i];
	struct vring_used_elem elem;
	u64 end = now_ns() + PATIENCE_NS;
	unsigned int looks = 0;

	while (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) == q->seen) {
		__builtin_ia32_pause();
		if (f->sleeps)
			front_sleep(q);
		else if (++looks % 4096)
			continue;
		if (now_ns() > end)
			return -ETIME;
		if (!f->sleeps)
			sched_yield();
	}
	elem = q->used->ring[q->seen++ % FRONT_RING];
	*len = elem.len;
	return elem.id;
}

/* Bytes that a request brings, and that it has room for */
static void data_bytes(const struct front_io *io, u32 *in, u32 *out)
{
	*in = 0;
	*out = 0;
	if (io->req.op == TMEM_OP_PUT)
		*in = io->req.nr_pages * PAGE_SIZE;
	else if (io->req.op == TMEM_OP_GET)
		*out = io->req.nr_pages * PAGE_SIZE;
	else if (io->req.op == TMEM_OP_ATTACH)
		*in = *out = sizeof(struct tmem_attach);
	else if (io->req.op == TMEM_OP_REPORT)
		*in = *out = sizeof(struct tmem_report);
	else if (io->req.op == TMEM_OP_QUERY)
		*out = sizeof(struct tmem_query);
}

/**
 * front_submit() - have a vector executed
 * @f: the front end
 * @i: number of the queue, which nobody else uses meanwhile
 * @ios: the requests, at most 32
 * @nr: number of them
 *
 * Return: 0 when each has its answer, -ETIME, or -EIO if what was returned is
 * not what was sent
 */
int front_submit(struct front *f, unsigned int i, struct front_io *ios,
		 unsigned int nr)
{
	struct front_queue *q = &f->queues[i];
	struct vring_desc *table = (void *)(q->room + FRONT_ROOM / 2);
	struct virtio_tmem_head *head = (void *)q->room;
	struct tmem_req *reqs = (void *)(head + 1);
	struct virtio_tmem_answer *answers = (void *)(reqs + nr);
	unsigned int k, n = 0;
	u32 in, out, len;
	int got;

	*head = (struct virtio_tmem_head){ .nr = nr };
	front_desc(f, &table[n], head, sizeof(*head) + nr * sizeof(*reqs),
		   VRING_DESC_F_NEXT, 1);
	for (k = 0, n = 1; k < nr; k++) {
		reqs[k] = ios[k].req;
		data_bytes(&ios[k], &in, &out);
		if (in)
			front_desc(f, &table[n], ios[k].data, in,
				   VRING_DESC_F_NEXT, n + 1), n++;
	}
	memset(answers, 0xff, nr * sizeof(*answers));
	front_desc(f, &table[n], answers, nr * sizeof(*answers),
		   VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, n + 1);
	for (k = 0, n++; k < nr; k++) {
		data_bytes(&ios[k], &in, &out);
		if (out)
			front_desc(f, &table[n], ios[k].data, out,
				   VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
				   n + 1), n++;
	}
	table[n - 1].flags &= ~VRING_DESC_F_NEXT;
	front_desc(f, &q->desc[0], table, n * 16, VRING_DESC_F_INDIRECT, 0);
	front_publish(f, i, 0);
	got = front_wait(f, i, &len);
	if (got)
		return got < 0 ? got : -EIO;
	if (len != nr * sizeof(*answers))
		return -EIO;
	for (k = 0; k < nr; k++) {
		ios[k].req.status = (s32)answers[k].status;
		ios[k].req.done = answers[k].done;
	}
	return 0;
}

/**
 * front_io() - make a request
 * @op: TMEM_OP_*
 * @pool: pool
 * @object: first word of the object's name
 * @index: first page
 * @nr: pages
 * @data: where they are
 *
 * Return: the request
 */
struct front_io front_io(u8 op, u32 pool, u64 object, u64 index, u32 nr,
			 void *data)
{
	return (struct front_io){
		.req = { .op = op, .pool = pool, .object = { object },
			 .index = index, .nr_pages = nr },
		.data = data,
	};
}

/**
 * front_attach() - begin an epoch
 * @f: the front end
 * @at: out: what was agreed upon, or NULL
 *
 * Return: the status, or the error of asking
 */
int front_attach(struct front *f, struct tmem_attach *at)
{
	struct front_io io = front_io(TMEM_OP_ATTACH, 0, 0, 0, 0, f->data);
	struct tmem_attach *page = (void *)f->data;
	int err;

	*page = (struct tmem_attach){ .version = TMEM_ABI_VERSION,
				      .page_shift = PAGE_SHIFT,
				      .features = TMEM_FEATURES };
	err = front_submit(f, 0, &io, 1);
	if (at)
		*at = *page;
	return err ?: io.req.status;
}

/**
 * front_pool() - create a pool
 * @f: the front end
 * @pool: its id
 * @flags: TMEM_POOL_*
 *
 * Return: the status, or the error of asking
 */
int front_pool(struct front *f, u32 pool, u64 flags)
{
	struct front_io io = front_io(TMEM_OP_POOL_CREATE, pool, 0, flags, 0,
				      NULL);
	int err = front_submit(f, 0, &io, 1);

	return err ?: io.req.status;
}
