// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: fuzzer of what a QEMU says by QMP
 *
 * The input is what it sends, as it comes.  Bytes that are in no JSON stand for
 * what happens meanwhile: 1: somebody wants another size, 2: seconds pass, 3: it
 * hangs up.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device.h"
#include "worker.h"

int LLVMFuzzerTestOneInput(const u8 *in, size_t len);

static struct client_state client_state = { .name = "a" };
static struct client client = { .state = &client_state };
static int listener = -1, peer = -1, ready_fd;
static void (*ready)(void *arg);
static void *ready_arg;
static u64 commands;

/* ---- what the rest of the daemon does ---- */

int watch(int fd, u32 events __always_unused, void (*on)(void *arg), void *arg)
{
	if (ready || fd < 0)
		__builtin_trap();
	ready = on;
	ready_arg = arg;
	ready_fd = fd;
	return 0;
}

void unwatch(int fd __always_unused)
{
	ready = NULL;
}

bool log_allowed(struct log_limit *limit __always_unused)
{
	return false;
}

void log_line(int level __always_unused, const char *format __always_unused,
	      ...)
{
}

/* ---- the fuzzer ---- */

static void listen_somewhere(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(client_state.qmp, sizeof(client_state.qmp),
		 "/tmp/fuzz-qmp.%d", getpid());
	memcpy(addr.sun_path, client_state.qmp, sizeof(addr.sun_path));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	unlink(addr.sun_path);
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(listener, 16))
		__builtin_trap();
}

static void check(const struct qmp *q)
{
	const char *why;
	u64 memory = qmp_memory(q), in;

	in = (u64)client_state.inflated << PAGE_SHIFT;
	if (memory >= 1ULL << 44 || in > memory || !qmp_state(q, &why))
		__builtin_trap();
	for (; *why; why++)
		if (*why < ' ' || *why > '~')
			__builtin_trap();
	/* A connection is watched if there is one */
	if (ready && ready_arg != q)
		__builtin_trap();
}

static void hear_all(struct qmp *q)
{
	char sink[4096];
	ssize_t got;
	int next;

	while (ready) {
		next = accept(listener, NULL, NULL);
		if (next >= 0) {
			if (peer >= 0)
				close(peer);
			peer = next;
		}
		if (recv(ready_fd, sink, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
			break;
		ready(ready_arg);
		check(q);
	}
	while (peer >= 0 &&
	       (got = recv(peer, sink, sizeof(sink), MSG_DONTWAIT)) > 0)
		commands += got;
}

static void meanwhile(struct qmp *q, u8 what)
{
	unsigned int i;

	if (what == 1) {
		client_state.resized = true;
		client_state.memory = (client_state.memory + (1 << 18)) &
				      ((1 << 20) - 1);
		qmp_resize(q);
	}
	for (i = 0; what == 2 && i < 4; i++)
		qmp_tick(q);
	if (what == 3 && peer >= 0) {
		close(peer);
		peer = -1;
	}
	hear_all(q);
	check(q);
}

int LLVMFuzzerTestOneInput(const u8 *in, size_t len)
{
	size_t at = 0, end;
	struct qmp *q;

	if (listener < 0)
		listen_somewhere();
	client_state.resized = false;
	client_state.memory = 0;
	commands = 0;
	q = qmp_start(&client);
	if (!q)
		return 0;
	hear_all(q);
	while (at < len) {
		for (end = at; end < len && (in[end] < 1 || in[end] > 3); end++)
			;
		if (peer >= 0 && end > at)
			send(peer, in + at, end - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		hear_all(q);
		if (end < len)
			meanwhile(q, in[end]);
		at = end + 1;
	}
	/* No more is said than was asked for: an answer has a dozen bytes */
	if (commands > 256 + 16 * len)
		__builtin_trap();
	qmp_stop(q);
	if (ready)
		__builtin_trap();
	if (peer >= 0)
		close(peer);
	peer = -1;
	return 0;
}
