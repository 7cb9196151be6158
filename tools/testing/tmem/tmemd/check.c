// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tests of tmemd by a front end
 *
 * check TMEMD: each test has a daemon of its own with the clients a and b.  A
 * test that misuses a looks at b afterwards: nobody else may notice.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

#define PAGES	64

static u8 *page(struct front *f, unsigned int i)
{
	return f->data + i * PAGE_SIZE;
}

/* A guest with a persistent pool 0 and an ephemeral pool 1 */
static void arrive(struct front *f, const char *name, unsigned int queues)
{
	EXPECT_EQ(front_open(f, run_socket(name), PAGES, queues), 0);
	EXPECT_EQ(front_attach(f, NULL), 0);
	EXPECT_EQ(front_pool(f, 0, TMEM_POOL_PERSISTENT), 0);
	EXPECT_EQ(front_pool(f, 1, 0), 0);
}

static s32 one(struct front *f, u8 op, u32 pool, u64 index, u32 nr, void *data,
	       u32 *done)
{
	struct front_io io = front_io(op, pool, 7, index, nr, data);
	int err = front_submit(f, 0, &io, 1);

	if (done)
		*done = io.req.done;
	return err ?: io.req.status;
}

/* Does everything work for a guest that is there? */
static void works(struct front *f, u64 seed)
{
	u32 done;

	fill(page(f, 1), seed);
	EXPECT_EQ(one(f, TMEM_OP_PUT, 0, 1000, 1, page(f, 1), &done), 0);
	EXPECT_EQ(done, 1);
	memset(page(f, 2), 0, PAGE_SIZE);
	EXPECT_EQ(one(f, TMEM_OP_GET, 0, 1000, 1, page(f, 2), &done), 0);
	EXPECT(is_filled(page(f, 2), seed));
	EXPECT_EQ(one(f, TMEM_OP_FLUSH, 0, 1000, 1, NULL, &done), 0);
	EXPECT_EQ(one(f, TMEM_OP_GET, 0, 1000, 1, page(f, 2), &done), -ENOENT);
}

/* Everybody else, before and after somebody's misuse */
static void others_work(void)
{
	struct front b;

	arrive(&b, "b", 1);
	works(&b, 99);
	front_hang_up(&b);
}

static void test_requests(void)
{
	struct tmem_query query;
	struct tmem_attach at;
	struct front_io io;
	struct front f;
	u32 done;
	int i;

	EXPECT_EQ(front_open(&f, run_socket("a"), PAGES, 1), 0);
	EXPECT_EQ(front_pool(&f, 0, 0), -ENOTCONN);
	EXPECT_EQ(front_attach(&f, &at), 0);
	EXPECT_EQ(at.version, TMEM_ABI_VERSION);
	EXPECT_EQ(at.features, TMEM_FEATURES);
	EXPECT_EQ(at.max_run, TMEM_MAX_RUN);
	EXPECT_EQ(front_pool(&f, 0, TMEM_POOL_PERSISTENT), 0);
	EXPECT_EQ(front_pool(&f, 1, 0), 0);
	for (i = 0; i < 16; i++)
		fill(page(&f, i), i);
	EXPECT_EQ(one(&f, TMEM_OP_PUT, 1, 100, 16, page(&f, 0), &done), 0);
	EXPECT_EQ(done, 16);
	memset(page(&f, 16), 0, 32 * PAGE_SIZE);
	EXPECT_EQ(one(&f, TMEM_OP_GET, 1, 108, 16, page(&f, 16), &done), 0);
	EXPECT_EQ(done, 8);
	for (i = 0; i < 8; i++)
		EXPECT(is_filled(page(&f, 16 + i), 8 + i));
	EXPECT_EQ(page(&f, 24)[0], 0);
	EXPECT_EQ(one(&f, TMEM_OP_GET, 1, 108, 1, page(&f, 16), NULL), -ENOENT);
	io = front_io(TMEM_OP_QUERY, 0, 0, 0, 0, page(&f, 0));
	EXPECT_EQ(front_submit(&f, 0, &io, 1), 0);
	EXPECT_EQ(io.req.status, 0);
	memcpy(&query, page(&f, 0), sizeof(query));
	EXPECT_EQ(query.limit, (64 << 20) / PAGE_SIZE);
	EXPECT_EQ(query.ephemeral, 8);
	EXPECT_EQ(query.pools, 2);
	works(&f, 5);
	front_hang_up(&f);
}

/* Many requests in one buffer, of every kind */
static void test_vectors(void)
{
	struct front_io ios[32];
	struct front f;
	unsigned int i;

	arrive(&f, "a", 1);
	for (i = 0; i < 32; i++) {
		fill(page(&f, i), 1000 + i);
		ios[i] = front_io(TMEM_OP_PUT, i % 2, i, i, 1, page(&f, i));
	}
	EXPECT_EQ(front_submit(&f, 0, ios, 32), 0);
	for (i = 0; i < 32; i++) {
		EXPECT_EQ(ios[i].req.status, 0);
		ios[i] = front_io(i % 3 ? TMEM_OP_GET : TMEM_OP_FLUSH, i % 2,
				  i, i, 1, i % 3 ? page(&f, 32 + i) : NULL);
	}
	memset(page(&f, 32), 0, 32 * PAGE_SIZE);
	EXPECT_EQ(front_submit(&f, 0, ios, 32), 0);
	for (i = 0; i < 32; i++) {
		EXPECT_EQ(ios[i].req.status, 0);
		EXPECT_EQ(ios[i].req.done, 1);
		EXPECT_EQ(is_filled(page(&f, 32 + i), 1000 + i), i % 3 != 0);
	}
	front_hang_up(&f);
}

/* The same buffer, cut into pieces of all sizes */
static void test_framing(void)
{
	struct virtio_tmem_head *head;
	struct virtio_tmem_answer *answer;
	struct front_queue *q;
	struct front f;
	u32 len, cut;

	arrive(&f, "a", 1);
	q = &f.queues[0];
	head = (void *)q->room;
	answer = (void *)(q->room + 4096);
	for (cut = 1; cut < 4096; cut = cut * 3 + 1) {
		struct tmem_req *req = (void *)(head + 1);
		unsigned int n = 0;
		u32 at;

		*head = (struct virtio_tmem_head){ .nr = 1 };
		*req = front_io(TMEM_OP_PUT, 0, 1, cut, 1, NULL).req;
		fill(page(&f, 3), cut);
		front_desc(&f, &q->desc[n], head, 5, VRING_DESC_F_NEXT, 1);
		front_desc(&f, &q->desc[++n], (u8 *)head + 5, 8 + 64 - 5,
			   VRING_DESC_F_NEXT, 2);
		for (at = 0; at < PAGE_SIZE; at += len) {
			len = n < 100 && PAGE_SIZE - at > cut ? cut :
			      PAGE_SIZE - at;
			n++;
			front_desc(&f, &q->desc[n], page(&f, 3) + at, len,
				   VRING_DESC_F_NEXT, n + 1);
		}
		n++;
		front_desc(&f, &q->desc[n], answer, 3,
			   VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, n + 1);
		n++;
		front_desc(&f, &q->desc[n], (u8 *)answer + 3, 5,
			   VRING_DESC_F_WRITE, 0);
		answer->status = 1;
		front_publish(&f, 0, 0);
		EXPECT_EQ(front_wait(&f, 0, &len), 0);
		EXPECT_EQ(len, 8);
		EXPECT_EQ(answer->status, 0);
		memset(page(&f, 4), 0, PAGE_SIZE);
		{
			struct front_io io = front_io(TMEM_OP_GET, 0, 1, cut, 1,
						      page(&f, 4));

			EXPECT_EQ(front_submit(&f, 0, &io, 1), 0);
			EXPECT_EQ(io.req.status, 0);
		}
		EXPECT(is_filled(page(&f, 4), cut));
	}
	front_hang_up(&f);
}

/* A buffer of one readable and one writable piece; what comes of it */
static int odd(struct front *f, u32 in, u32 out, u32 *len)
{
	struct front_queue *q = &f->queues[0];

	front_desc(f, &q->desc[0], q->room, in, VRING_DESC_F_NEXT, 1);
	front_desc(f, &q->desc[1], q->room + FRONT_ROOM / 2, out,
		   VRING_DESC_F_WRITE, 0);
	memset(q->room + FRONT_ROOM / 2, 0x55, FRONT_ROOM / 2);
	front_publish(f, 0, 0);
	return front_wait(f, 0, len);
}

static void test_odd_buffers(void)
{
	struct virtio_tmem_head *head;
	struct virtio_tmem_answer *answers;
	struct tmem_req *req;
	struct front f;
	u32 len = 99;

	arrive(&f, "a", 1);
	head = (void *)f.queues[0].room;
	req = (void *)(head + 1);
	answers = (void *)(f.queues[0].room + FRONT_ROOM / 2);
	*head = (struct virtio_tmem_head){ .nr = 1 };
	*req = front_io(TMEM_OP_FLUSH, 0, 1, 1, 1, NULL).req;
	EXPECT_EQ(odd(&f, 72, 8, &len), 0);
	EXPECT_EQ(len, 8);
	EXPECT_EQ((s32)answers[0].status, 0);
	/* Too short or too long, either way */
	EXPECT_EQ(odd(&f, 71, 8, &len), 0);
	EXPECT_EQ(len, 8);
	EXPECT_EQ((s32)answers[0].status, -EINVAL);
	EXPECT_EQ(odd(&f, 73, 8, &len), 0);
	EXPECT_EQ((s32)answers[0].status, -EINVAL);
	EXPECT_EQ(odd(&f, 72, 9, &len), 0);
	EXPECT_EQ((s32)answers[0].status, -EINVAL);
	EXPECT_EQ(odd(&f, 72, 7, &len), 0);
	EXPECT_EQ(len, 0);
	EXPECT_EQ(answers[0].status, 0x55555555);
	EXPECT_EQ(odd(&f, 7, 8, &len), 0);
	EXPECT_EQ(len, 0);
	/* Numbers that cannot be */
	head->nr = 0;
	EXPECT_EQ(odd(&f, 8, 8, &len), 0);
	EXPECT_EQ(len, 0);
	head->nr = 33;
	EXPECT_EQ(odd(&f, 8 + 33 * 64, 33 * 8, &len), 0);
	EXPECT_EQ(len, 32 * 8);
	EXPECT_EQ((s32)answers[31].status, -EINVAL);
	*head = (struct virtio_tmem_head){ .nr = 1, .reserved = { 0, 0, 1 } };
	EXPECT_EQ(odd(&f, 72, 8, &len), 0);
	EXPECT_EQ((s32)answers[0].status, -EINVAL);
	*head = (struct virtio_tmem_head){ .nr = 1 };
	req->op = TMEM_OP_PUT;
	req->nr_pages = 0xffffffff;
	EXPECT_EQ(odd(&f, 72, 8, &len), 0);
	EXPECT_EQ((s32)answers[0].status, -EINVAL);
	/* Fields that are of no use here, and operations that there are not */
	*req = front_io(TMEM_OP_FLUSH, 0, 1, 1, 1, NULL).req;
	req->addr = 1;
	EXPECT_EQ(odd(&f, 72, 8, &len), 0);
	EXPECT_EQ((s32)answers[0].status, -EINVAL);
	*req = front_io(77, 0, 1, 1, 1, NULL).req;
	EXPECT_EQ(odd(&f, 72, 8, &len), 0);
	EXPECT_EQ((s32)answers[0].status, -EOPNOTSUPP);
	works(&f, 3);
	front_hang_up(&f);
}

/* Chains that lead nowhere are returned, and the next one is served */
static void test_odd_chains(void)
{
	struct front_queue *q;
	struct front f;
	unsigned int i;
	u32 len;

	arrive(&f, "a", 1);
	q = &f.queues[0];
	for (i = 0; i < 9; i++) {
		front_desc(&f, &q->desc[0], q->room, 72, VRING_DESC_F_NEXT, 1);
		front_desc(&f, &q->desc[1], q->room, 8, VRING_DESC_F_WRITE, 0);
		switch (i) {
		case 0:		/* a circle */
			q->desc[1].flags |= VRING_DESC_F_NEXT;
			q->desc[1].flags &= ~VRING_DESC_F_WRITE;
			break;
		case 1:		/* beyond the table */
			q->desc[0].next = FRONT_RING;
			break;
		case 2:		/* no memory */
			q->desc[0].addr = 0x1000;
			break;
		case 3:		/* beyond its end */
			q->desc[0].addr = FRONT_GPA + f.bytes - 8;
			break;
		case 4:		/* round the end of addresses */
			q->desc[0].addr = -8ULL;
			break;
		case 5:		/* readable after writable */
			q->desc[0].flags |= VRING_DESC_F_WRITE;
			q->desc[1].flags = 0;
			break;
		case 6:		/* an indirect table of no whole entries */
			front_desc(&f, &q->desc[0], q->room, 17,
				   VRING_DESC_F_INDIRECT, 0);
			break;
		case 7:		/* an indirect table in an indirect table */
			front_desc(&f, (void *)q->room, q->room, 16,
				   VRING_DESC_F_INDIRECT, 0);
			front_desc(&f, &q->desc[0], q->room, 16,
				   VRING_DESC_F_INDIRECT, 0);
			break;
		case 8:		/* an indirect table, and something after it */
			q->desc[0].flags |= VRING_DESC_F_INDIRECT;
			break;
		}
		len = 99;
		front_publish(&f, 0, 0);
		EXPECT_EQ(front_wait(&f, 0, &len), 0);
		EXPECT_EQ(len, 0);
	}
	works(&f, 4);
	front_hang_up(&f);
}

/* A ring that makes no sense is not served, until it is set up anew */
static void test_odd_rings(void)
{
	struct front_queue *q;
	struct front f;

	others_work();
	arrive(&f, "a", 1);
	q = &f.queues[0];
	q->avail->ring[q->sent % FRONT_RING] = FRONT_RING;
	front_publish(&f, 0, FRONT_RING);
	usleep(50000);
	EXPECT_EQ(q->used->idx, q->seen);
	others_work();
	EXPECT_EQ(front_queue(&f, 0), 0);
	works(&f, 1);
	/* More buffers than there can be */
	__atomic_store_n(&q->avail->idx, q->sent + FRONT_RING + 1,
			 __ATOMIC_RELEASE);
	EXPECT(write(q->kick, &(u64){ 1 }, 8) == 8);
	usleep(50000);
	EXPECT_EQ(q->used->idx, q->seen);
	others_work();
	EXPECT_EQ(front_queue(&f, 0), 0);
	works(&f, 2);
	front_hang_up(&f);
}

/* True if the daemon hangs up on this */
static bool refused(struct vhost_msg *msg, const int *fds, unsigned int nr)
{
	struct front f;
	char byte;
	bool gone;

	if (front_open(&f, run_socket("a"), PAGES, 1))
		return false;
	front_send(&f, msg, fds, nr);
	gone = !recv(f.conn, &byte, 1, 0);
	front_hang_up(&f);
	return gone;
}

static void test_odd_messages(void)
{
	struct vhost_msg msg;
	int fd = memfd_create("small", MFD_CLOEXEC), fds[9];
	u32 request;
	unsigned int i;

	EXPECT_EQ(ftruncate(fd, 4096), 0);
	for (i = 0; i < 9; i++)
		fds[i] = fd;
	for (request = 0; request < 64; request++) {
		if (request >= VHOST_GET_FEATURES &&
		    request <= VHOST_SET_BACKEND_REQ_FD)
			continue;
		if (request == VHOST_GET_CONFIG)
			continue;
		msg = (struct vhost_msg){ .request = request };
		EXPECT(refused(&msg, NULL, 0));
	}
	msg = (struct vhost_msg){ .request = VHOST_SET_VRING_NUM, .size = 8,
				  .vring = { TMEMD_QUEUES, 256 } };
	EXPECT(refused(&msg, NULL, 0));
	msg.vring.index = 0;
	msg.vring.num = 65536;
	EXPECT(refused(&msg, NULL, 0));
	msg.vring.num = 100;	/* no power of two, and in use */
	EXPECT(refused(&msg, NULL, 0));
	msg = (struct vhost_msg){ .request = VHOST_SET_VRING_ADDR,
				  .size = sizeof(msg.addr),
				  .addr = { .desc = 4096 } };
	EXPECT(refused(&msg, NULL, 0));
	msg = (struct vhost_msg){ .request = VHOST_SET_FEATURES, .size = 8,
				  .number = -1ULL };
	EXPECT(refused(&msg, NULL, 0));
	msg = (struct vhost_msg){ .request = VHOST_GET_CONFIG, .size = 12,
				  .config = { .offset = -1U, .size = 16 } };
	EXPECT(refused(&msg, NULL, 0));
	msg = (struct vhost_msg){ .request = VHOST_SET_MEM_TABLE, .size = 8,
				  .memory = { .nr = -1U } };
	EXPECT(refused(&msg, NULL, 0));
	msg.memory.nr = 1;
	msg.size = 8 + sizeof(struct vhost_region);
	msg.memory.regions[0] = (struct vhost_region){ 0, 8192, 0, 0 };
	EXPECT(refused(&msg, fds, 1));		/* a file that is too short */
	msg.memory.regions[0].size = 4096;
	EXPECT(refused(&msg, NULL, 0));		/* no file */
	EXPECT(refused(&msg, fds, 2));		/* too many */
	EXPECT(refused(&msg, fds, 9));
	msg.memory.regions[0].offset = -4096ULL;
	EXPECT(refused(&msg, fds, 1));
	msg.memory.regions[0].offset = 0;
	msg.memory.regions[0].gpa = -1ULL;
	EXPECT(refused(&msg, fds, 1));
	msg = (struct vhost_msg){ .request = VHOST_SET_VRING_KICK, .size = 8,
				  .number = VHOST_NO_FD };
	EXPECT(refused(&msg, NULL, 0));
	close(fd);
	others_work();
}

/* Half a message, and nobody waits for the other one */
static void test_half_message(void)
{
	struct vhost_msg msg = { .request = VHOST_SET_FEATURES,
				 .flags = VHOST_VERSION, .size = 8 };
	struct front f;

	EXPECT_EQ(front_call(&f, run_socket("a"), PAGES, 1), 0);
	EXPECT(send(f.conn, &msg, 7, 0) == 7);
	others_work();
	EXPECT(send(f.conn, (u8 *)&msg + 7, 7, 0) == 7);
	others_work();
	EXPECT(send(f.conn, (u8 *)&msg + 14, 6, 0) == 6);
	msg = (struct vhost_msg){ .request = VHOST_GET_QUEUE_NUM };
	EXPECT_EQ(front_ask(&f, &msg), 0);
	EXPECT_EQ(msg.number, TMEMD_QUEUES);
	front_hang_up(&f);
}

/* One front end says the same without end; another one is heard, too */
static void test_endless_messages(void)
{
	struct vhost_msg msg = { .request = VHOST_SET_OWNER };
	pid_t talkers[8];
	struct front f;
	unsigned int i;

	EXPECT_EQ(front_call(&f, run_socket("a"), PAGES, 1), 0);
	/* So many that the socket is never empty */
	for (i = 0; i < ARRAY_SIZE(talkers); i++) {
		talkers[i] = fork();
		while (!talkers[i])
			if (front_send(&f, &msg, NULL, 0))
				_exit(0);
	}
	usleep(200000);
	others_work();
	for (i = 0; i < ARRAY_SIZE(talkers); i++) {
		kill(talkers[i], SIGKILL);
		waitpid(talkers[i], NULL, 0);
	}
	front_hang_up(&f);
}

/* The memory of one guest vanishes: it is let go of, another one is not */
static void test_torn_memory(void)
{
	struct front a, b;
	struct front_io io;
	char byte;

	arrive(&a, "a", 1);
	arrive(&b, "b", 1);
	works(&a, 1);
	works(&b, 2);
	io = front_io(TMEM_OP_PUT, 0, 1, 1, PAGES - 2, page(&a, 2));
	EXPECT_EQ(ftruncate(a.fd, a.bytes - (PAGES - 4) * PAGE_SIZE), 0);
	/* Not answered: the daemon hangs up instead */
	front_desc(&a, &a.queues[0].desc[0], a.queues[0].room,
		   72, VRING_DESC_F_NEXT, 1);
	front_desc(&a, &a.queues[0].desc[1], io.data, (PAGES - 2) * PAGE_SIZE,
		   VRING_DESC_F_NEXT, 2);
	front_desc(&a, &a.queues[0].desc[2], a.queues[0].room + 4096, 8,
		   VRING_DESC_F_WRITE, 0);
	*(struct virtio_tmem_head *)a.queues[0].room =
		(struct virtio_tmem_head){ .nr = 1 };
	*(struct tmem_req *)(a.queues[0].room + 8) = io.req;
	front_publish(&a, 0, 0);
	EXPECT_EQ(recv(a.conn, &byte, 1, 0), 0);
	works(&b, 3);
	front_hang_up(&a);
	front_hang_up(&b);
}

/* One guest at a time; what it stored goes with it */
static void test_departures(void)
{
	struct front f, second;
	char byte;

	arrive(&f, "a", 1);
	fill(page(&f, 1), 11);
	EXPECT_EQ(one(&f, TMEM_OP_PUT, 0, 1, 1, page(&f, 1), NULL), 0);
	EXPECT_EQ(front_call(&second, run_socket("a"), 1, 0), 0);
	EXPECT_EQ(recv(second.conn, &byte, 1, 0), 0);
	front_hang_up(&second);
	works(&f, 1);
	/* A kernel that starts anew, in the same guest */
	EXPECT_EQ(front_attach(&f, NULL), 0);
	EXPECT_EQ(front_pool(&f, 0, TMEM_POOL_PERSISTENT), 0);
	EXPECT_EQ(one(&f, TMEM_OP_GET, 0, 1, 1, page(&f, 1), NULL), -ENOENT);
	EXPECT_EQ(one(&f, TMEM_OP_PUT, 0, 1, 1, page(&f, 1), NULL), 0);
	front_hang_up(&f);
	arrive(&f, "a", 1);
	EXPECT_EQ(one(&f, TMEM_OP_GET, 0, 1, 1, page(&f, 1), NULL), -ENOENT);
	front_hang_up(&f);
}

/* A worker that dies loses nothing, and needs not be asked twice */
static void test_killed_worker(void)
{
	struct front f;
	unsigned int i;
	u32 done;

	arrive(&f, "a", 2);
	for (i = 0; i < 20; i++) {
		fill(page(&f, 1), 500 + i);
		EXPECT_EQ(one(&f, TMEM_OP_PUT, i % 2, i, 1, page(&f, 1), NULL),
			  0);
		run_kill_worker();
		EXPECT_EQ(one(&f, TMEM_OP_GET, i % 2, i, 1, page(&f, 2), &done),
			  0);
		EXPECT(is_filled(page(&f, 2), 500 + i));
	}
	for (i = 0; i < 20; i += 2) {
		EXPECT_EQ(one(&f, TMEM_OP_GET, 0, i, 1, page(&f, 2), &done), 0);
		EXPECT(is_filled(page(&f, 2), 500 + i));
	}
	EXPECT(run_worker() > 0);
	front_hang_up(&f);
	others_work();
}

/* A guest cannot fill the log, and another one is still heard */
static void test_log(void)
{
	struct vhost_msg msg = { .request = 63 };
	unsigned int i, before;

	for (i = 0; i < 200; i++)
		EXPECT(refused(&msg, NULL, 0));
	before = run_log(false);
	EXPECT(before < 50);
	others_work();
	EXPECT(run_log(false) > before);
}

/* With nothing to do it does nothing */
static void test_idle(void)
{
	struct front f;
	u64 before;

	arrive(&f, "a", 2);
	works(&f, 1);
	usleep(100000);
	before = run_cpu_ms();
	sleep(2);
	EXPECT(run_cpu_ms() - before <= 20);
	works(&f, 2);
	front_hang_up(&f);
}

/* Pages that a guest has in its ephemeral pools */
static u64 ephemeral(struct front *f)
{
	struct front_io io = front_io(TMEM_OP_QUERY, 0, 0, 0, 0, page(f, 0));
	struct tmem_query query;

	EXPECT_EQ(front_submit(f, 0, &io, 1), 0);
	memcpy(&query, page(f, 0), sizeof(query));
	return query.ephemeral;
}

/* Two guests that want all of the pool get what they weigh: b has 1, a has 3 */
static void test_weights(void)
{
	u64 end = run_now_us() + 5000000, a_has, b_has;
	struct front a, b;
	u64 index = 0;

	arrive(&a, "a", 1);
	arrive(&b, "b", 1);
	do {
		index += 16;
		EXPECT_EQ(one(&a, TMEM_OP_PUT, 1, index, 16, page(&a, 0), NULL),
			  0);
		EXPECT_EQ(one(&b, TMEM_OP_PUT, 1, index, 16, page(&b, 0), NULL),
			  0);
	} while (run_now_us() < end && !failures);
	a_has = ephemeral(&a);
	b_has = ephemeral(&b);
	printf("# weights 3 to 1: %llu and %llu pages, %.3f\n",
	       (unsigned long long)a_has, (unsigned long long)b_has,
	       (double)a_has / b_has);
	EXPECT(a_has * 100 >= b_has * 285 && a_has * 100 <= b_has * 315);
	front_hang_up(&a);
	front_hang_up(&b);
}

static void test_config(void)
{
	struct virtio_tmem_config config;
	struct vhost_msg msg = {
		.request = VHOST_GET_CONFIG,
		.size = 12 + sizeof(config),
		.config = { .size = sizeof(config) },
	};
	struct front f;

	EXPECT_EQ(front_open(&f, run_socket("b"), PAGES, 1), 0);
	EXPECT_EQ(front_ask(&f, &msg), 0);
	memcpy(&config, msg.config.bytes, sizeof(config));
	EXPECT_EQ(config.version, TMEM_ABI_VERSION);
	EXPECT_EQ(config.page_shift, PAGE_SHIFT);
	EXPECT_EQ(config.features, TMEM_FEATURES);
	EXPECT_EQ(config.max_pages, TMEM_MAX_RUN);
	EXPECT_EQ(config.grant, (8 << 20) / PAGE_SIZE);
	front_hang_up(&f);
}

static char *const plain[] = { "--size", "64M", "--client", "name=a",
			       "--client", "name=b,cap=8M", NULL };

static char *const weighted[] = { "--size", "32M", "--policy", "weighted",
				  "--client", "name=a,weight=300",
				  "--client", "name=b,weight=100", NULL };

static const struct run_test tests[] = {
	{ "requests", test_requests, plain },
	{ "vectors", test_vectors, plain },
	{ "framing", test_framing, plain },
	{ "odd-buffers", test_odd_buffers, plain },
	{ "odd-chains", test_odd_chains, plain },
	{ "odd-rings", test_odd_rings, plain },
	{ "odd-messages", test_odd_messages, plain },
	{ "half-message", test_half_message, plain },
	{ "endless-messages", test_endless_messages, plain },
	{ "torn-memory", test_torn_memory, plain },
	{ "departures", test_departures, plain },
	{ "killed-worker", test_killed_worker, plain },
	{ "log", test_log, plain },
	{ "idle", test_idle, plain },
	{ "config", test_config, plain },
	{ "weights", test_weights, weighted },
};

int main(int argc, char **argv)
{
	return run_tests(argc, argv, tests, ARRAY_SIZE(tests));
}
