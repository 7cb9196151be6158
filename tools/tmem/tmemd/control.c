// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, the control socket
 *
 * A request is a line, and so is its answer.  A connection has one request under
 * way: while it is answered, nothing more is read from it.  So what a peer can
 * make this process keep is bounded, and a peer that does not read its answers
 * waits for itself alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "parse.h"
#include "pool.h"
#include "schedule.h"
#include "transfer.h"
#include "worker.h"

/* Levels of objects in a request */
#define DEPTH	4

static int listener;
static struct conn conns[CONTROL_CONNS];

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* Ends what the connection has under way */
static void conn_cancel(struct conn *conn)
{
	if (conn->transfer)
		transfer_cancel(conn->transfer);
	conn->transfer = NULL;
	conn->step = NULL;
	conn->client = NULL;
}

static void conn_close(struct conn *conn)
{
	conn_cancel(conn);
	unwatch(conn->fd);
	close(conn->fd);
	if (conn->passed >= 0)
		close(conn->passed);
	json_object_put(conn->answer);
	free(conn->out);
	*conn = (struct conn){ .fd = -1, .passed = -1 };
}

/* Is a request being executed? */
static bool conn_busy(const struct conn *conn)
{
	return conn->step || conn->transfer;
}

/* Waits for what can be done next */
static void conn_wait(struct conn *conn)
{
	u32 events = EPOLLIN;

	if (conn->out || memchr(conn->in, '\n', conn->nr_in))
		events = EPOLLOUT;
	if (conn_busy(conn))
		events = 0;
	if (rewatch(conn->fd, events))
		conn_close(conn);
}

/* False if the peer is gone */
static bool conn_send(struct conn *conn)
{
	ssize_t sent;

	while (conn->sent < conn->nr_out) {
		sent = send(conn->fd, conn->out + conn->sent,
			    conn->nr_out - conn->sent,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN;
		conn->sent += sent;
	}
	free(conn->out);
	conn->out = NULL;
	return !conn->closing;
}

static void answer_error(struct conn *conn, int err)
{
	const char *why = *conn->why ? conn->why : strerror(-err);

	json_object_put(conn->answer);
	conn->answer = json_object_new_object();
	json_object_object_add(conn->answer, "error",
			       json_object_new_string(why));
	json_object_object_add(conn->answer, "errno",
			       json_object_new_int(-err));
}

/**
 * control_answer() - answer the request under way
 * @conn: the connection
 * @err: 0: with conn->answer; or a negative error number: why it is refused
 *
 * The answer is sent as far as the peer takes it.  When this returns, the
 * connection may be closed.
 */
void control_answer(struct conn *conn, int err)
{
	const char *text;
	size_t length;

	conn_cancel(conn);
	if (err)
		answer_error(conn, err);
	text = json_object_to_json_string_length(conn->answer,
						 JSON_C_TO_STRING_PLAIN,
						 &length);
	conn->out = text ? malloc(length + 1) : NULL;
	if (!conn->out) {
		conn_close(conn);
		return;
	}
	memcpy(conn->out, text, length);
	conn->out[length] = '\n';
	conn->nr_out = length + 1;
	conn->sent = 0;
	json_object_put(conn->answer);
	conn->answer = NULL;
	conn->why[0] = 0;
	if (conn_send(conn))
		conn_wait(conn);
	else
		conn_close(conn);
}

/* Executes the line that ends at @end */
static void conn_request(struct conn *conn, const char *end)
{
	size_t length = end - conn->in;
	struct json_object *args;
	int err;

	args = parse_object(conn->in, length, DEPTH);
	conn->nr_in -= length + 1;
	memmove(conn->in, end + 1, conn->nr_in);
	conn->answer = json_object_new_object();
	err = args ? request_do(conn, args) :
		     refuse(conn, EBADMSG,
			    "a request is a line with a JSON object");
	json_object_put(args);
	if (err == CONTROL_LATER)
		conn_wait(conn);
	else
		control_answer(conn, err);
}

/* What recvmsg() has brought beside bytes: the last descriptor is kept */
static void take_passed(struct conn *conn, struct msghdr *hdr)
{
	struct cmsghdr *c;
	size_t i, nr;
	int fd;

	for (c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		nr = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < nr; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			       sizeof(fd));
			if (conn->passed >= 0)
				close(conn->passed);
			conn->passed = fd;
		}
	}
}

/* False if there will be no more */
static bool conn_read(struct conn *conn)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { conn->in + conn->nr_in,
			     sizeof(conn->in) - conn->nr_in };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t got;

	got = recvmsg(conn->fd, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	take_passed(conn, &hdr);
	conn->nr_in += got;
	conn->heard = now();
	return got;
}

static void on_conn(void *arg)
{
	struct conn *conn = arg;
	char *end;

	/* Nothing is waited for, so it has hung up */
	if (conn_busy(conn)) {
		conn_close(conn);
		return;
	}
	if (conn->out) {
		if (conn_send(conn))
			conn_wait(conn);
		else
			conn_close(conn);
		return;
	}
	end = memchr(conn->in, '\n', conn->nr_in);
	if (!end) {
		if (!conn_read(conn)) {
			conn_close(conn);
			return;
		}
		end = memchr(conn->in, '\n', conn->nr_in);
	}
	if (end) {
		conn_request(conn, end);
	} else if (conn->nr_in == sizeof(conn->in)) {
		conn->closing = true;
		control_answer(conn, refuse(conn, EMSGSIZE,
					    "a request is longer than %d bytes",
					    CONTROL_LINE));
	}
}

static void on_listener(void *arg __always_unused)
{
	static const char full[] =
		"{\"error\":\"too many connections\",\"errno\":16}\n";
	struct conn *conn = conns;
	int fd;

	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	while (conn < conns + CONTROL_CONNS && conn->fd >= 0)
		conn++;
	if (conn == conns + CONTROL_CONNS) {
		if (send(fd, full, strlen(full), MSG_NOSIGNAL) < 0)
			log_warn("control: too many connections");
		close(fd);
		return;
	}
	conn->fd = fd;
	conn->heard = now();
	if (watch(fd, EPOLLIN, on_conn, conn))
		conn_close(conn);
}

/**
 * control_start() - wait for connections
 *
 * Return: 0 or a negative error number
 */
int control_start(void)
{
	struct conn *conn;
	u64 id;
	int err;

	for (conn = conns; conn < conns + CONTROL_CONNS; conn++)
		*conn = (struct conn){ .fd = -1, .passed = -1 };
	if (!state->control) {
		listener = socket_listen(WORKER_CONTROL, 0600, &id);
		if (listener < 0)
			return listener;
		env_write_once(state->control, id);
	}
	listener = held(state->control);
	err = transfer_start();
	return err ? err : watch(listener, EPOLLIN, on_listener, NULL);
}

/**
 * control_step() - go on with what takes long
 *
 * Return: true if there is more to do
 */
bool control_step(void)
{
	struct client *c;
	struct conn *conn;
	bool more;
	int err;

	more = pool_step();
	if (!more)
		schedule_step();
	for (c = clients; c < clients + TMEMD_CLIENTS; c++) {
		if (!c->settling)
			continue;
		c->settling = client_settle(c);
		more |= c->settling;
	}
	for (conn = conns; conn < conns + CONTROL_CONNS; conn++) {
		if (!conn->step)
			continue;
		err = conn->step(conn);
		if (err == CONTROL_LATER)
			more = true;
		else
			control_answer(conn, err);
	}
	return more;
}

/**
 * control_tick() - a second has passed
 *
 * Closes connections that nobody uses.
 */
void control_tick(void)
{
	struct conn *conn;

	for (conn = conns; conn < conns + CONTROL_CONNS; conn++)
		if (conn->fd >= 0 && !conn_busy(conn) &&
		    now() - conn->heard >= CONTROL_IDLE_S)
			conn_close(conn);
}

/**
 * control_forget() - nothing of a client can be waited for any more
 * @client: the client; its guest leaves
 */
void control_forget(const struct client *client)
{
	struct conn *conn;

	for (conn = conns; conn < conns + CONTROL_CONNS; conn++)
		if (conn->fd >= 0 && conn->client == client)
			control_answer(conn, refuse(conn, ENOTCONN,
						    "the guest has left"));
}
