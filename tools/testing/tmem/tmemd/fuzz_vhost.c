// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: fuzzer of what a front end says
 *
 * The input is messages, one after the other: a byte that says how many
 * descriptors go with it, and the message itself, of the length that its head
 * says or shorter.  Queues are set up and not served.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front.h"
#include "device.h"

#define FDS	64

int LLVMFuzzerTestOneInput(const u8 *in, size_t len);

static struct client_state client_state;
static struct client client = { .state = &client_state };
static struct thread *nobody = (struct thread *)&client;
static int file, held_fds[FDS];
static u64 last_id;

/* ---- what the rest of the daemon does ---- */

int queue_serve(struct queue *q)
{
	if (q->thread || q->kick < 0 || !q->ring.num)
		__builtin_trap();
	q->thread = nobody;
	return 0;
}

void queue_leave(struct queue *q)
{
	q->thread = NULL;
}

u64 hold(int fd)
{
	unsigned int i;

	for (i = 0; i < FDS && held_fds[i]; i++)
		;
	if (i == FDS || fd < 0)
		__builtin_trap();
	held_fds[i] = fd;
	/* Numbers are not used again soon, and tell the place */
	last_id += FDS;
	return last_id + i;
}

int held(u64 id)
{
	if (!held_fds[id % FDS])
		__builtin_trap();
	return held_fds[id % FDS];
}

void drop(u64 id)
{
	close(held(id));
	held_fds[id % FDS] = 0;
}

bool log_allowed(struct log_limit *limit __always_unused)
{
	return true;
}

void log_line(int level __always_unused, const char *format __always_unused,
	      ...)
{
}

static void get_config(const struct device *dev __always_unused, u8 *config)
{
	memset(config, 1, VHOST_MAX_CONFIG);
}

static int set_config(struct device *dev __always_unused, u32 offset, u32 size,
		      const u8 *bytes)
{
	static u8 config[VHOST_MAX_CONFIG];

	memcpy(config + offset, bytes, size);
	return offset % 2 ? -EINVAL : 0;
}

static const struct device_type fuzzed = {
	.queues = TMEMD_QUEUES,
	.get_config = get_config,
	.set_config = set_config,
};

/* ---- the fuzzer ---- */

static void send_message(int line, const u8 *bytes, size_t len, unsigned int nr)
{
	struct front f = { .conn = line };
	int fds[16];
	struct vhost_msg msg;
	unsigned int i;

	for (i = 0; i < nr; i++)
		fds[i] = file;
	memset(&msg, 0, sizeof(msg));
	memcpy(&msg, bytes, len);
	/* front_send() takes the length from the message */
	if (len >= VHOST_HEAD && len == VHOST_HEAD + msg.size)
		front_send(&f, &msg, fds, nr);
	else
		send(line, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void listen_all(struct device *dev, int line)
{
	char sink[4096];
	int more;

	do {
		more = vhost_listen(dev) == VHOST_MESSAGE;
		while (recv(line, sink, sizeof(sink), MSG_DONTWAIT) > 0)
			;
	} while (more);
}

int LLVMFuzzerTestOneInput(const u8 *in, size_t len)
{
	struct device dev = { .client = &client, .type = &fuzzed,
			      .line = &client_state.tmem };
	size_t at = 0, size;
	unsigned int i;
	int pair[2];

	if (!file) {
		file = memfd_create("guest", 0);
		if (ftruncate(file, 65536))
			__builtin_trap();
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		__builtin_trap();
	dev.conn = dup(pair[0]);
	dev.line->device[dev.line->current & 1].conn = hold(dev.conn);
	while (at + 1 + VHOST_HEAD <= len) {
		u32 said;

		memcpy(&said, in + at + 1 + 8, sizeof(said));
		size = VHOST_HEAD + (said < 512 ? said : 4);
		if (size > len - at - 1)
			size = len - at - 1;
		if (size > sizeof(struct vhost_msg))
			size = sizeof(struct vhost_msg);
		send_message(pair[1], in + at + 1, size, in[at] % 10);
		listen_all(&dev, pair[1]);
		at += 1 + size;
	}
	vhost_resume(&dev);
	vhost_forget(&dev);
	for (i = 0; i < FDS; i++)
		if (held_fds[i])
			__builtin_trap();
	close(pair[0]);
	close(pair[1]);
	return 0;
}
