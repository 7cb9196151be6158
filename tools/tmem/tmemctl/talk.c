// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, talking to the daemon
 *
 * Each request has a connection of its own: the daemon may be started anew in
 * between.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tmemctl.h"
#include "xen.h"

static struct sockaddr_un where = { .sun_family = AF_UNIX };
static bool xen;

static void no_daemon(int err)
{
	if (xen) {
		xen_absent(err);
		exit(EXIT_NO_DAEMON);
	}
	if (err == ECONNRESET) {
		fprintf(stderr,
			"tmemctl: the daemon was started anew, or has ended, before it answered; ask again\n");
		exit(EXIT_NO_DAEMON);
	}
	fprintf(stderr,
		"tmemctl: no daemon answers at %s: %s\n"
		"Is tmemd running (systemctl status tmemd)?  Another directory is named by --socket DIR\n"
		"or TMEMD_SOCKET; the socket is for the user that runs tmemd, and for root.\n",
		where.sun_path, strerror(err));
	exit(EXIT_NO_DAEMON);
}

/**
 * talk_begin() - choose a daemon
 * @dir: its directory of sockets
 */
void talk_begin(const char *dir)
{
	if (snprintf(where.sun_path, sizeof(where.sun_path), "%s/control",
		     dir) >= (int)sizeof(where.sun_path))
		usage_error("%s: too long for the directory of a socket", dir);
}

/**
 * talk_begin_xen() - choose Xen in place of a daemon
 */
void talk_begin_xen(void)
{
#ifndef WITH_XEN
	usage_error("--host xen: this tmemctl was built without Xen, as libxen-dev was not there");
#endif
	xen = true;
}

static bool say(int conn, const char *line, size_t bytes, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)line, bytes };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (fd >= 0) {
		hdr.msg_control = &control;
		hdr.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	while (iov.iov_len) {
		sent = sendmsg(conn, &hdr, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		hdr.msg_control = NULL;
		hdr.msg_controllen = 0;
		iov.iov_base = (char *)iov.iov_base + sent;
		iov.iov_len -= sent;
	}
	return true;
}

/* A line, or NULL with errno set */
static char *hear(int conn)
{
	size_t room = 0, nr = 0;
	char *line = NULL;
	ssize_t got;

	while (!nr || line[nr - 1] != '\n') {
		if (nr + 1 >= room) {
			room = room ? 2 * room : 4096;
			line = realloc(line, room);
			if (!line)
				return NULL;
		}
		got = read(conn, line + nr, room - nr - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			if (!got)
				errno = ECONNRESET;
			free(line);
			return NULL;
		}
		nr += got;
	}
	line[nr] = 0;
	return line;
}

static char *exchange(struct json_object *request, int fd)
{
	int conn = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *answer = NULL, *line;
	int length, err;

	length = asprintf(&line, "%s\n",
			  json_object_to_json_string_ext(request,
							 JSON_C_TO_STRING_PLAIN));
	/* The daemon may answer without having heard all: too much, say */
	if (conn >= 0 && length >= 0 &&
	    !connect(conn, (struct sockaddr *)&where, sizeof(where)) &&
	    (say(conn, line, length, fd) || errno == EPIPE))
		answer = hear(conn);
	err = errno;
	free(line);
	close(conn);
	errno = err;
	return answer;
}

/**
 * talk_try() - ask the daemon, or Xen, for something
 * @request: what; it is used up
 * @fd: a descriptor to go with it, or -1
 *
 * Return: the answer, or NULL with errno set if there is none
 */
struct json_object *talk_try(struct json_object *request, int fd)
{
	struct json_object *answer;
	char *line;

	if (xen) {
		answer = xen_ask(request, fd);
		json_object_put(request);
		return answer;
	}
	line = exchange(request, fd);
	json_object_put(request);
	if (!line)
		return NULL;
	answer = json_tokener_parse(line);
	free(line);
	if (!json_object_is_type(answer, json_type_object)) {
		json_object_put(answer);
		errno = EBADMSG;
		return NULL;
	}
	return answer;
}

/**
 * talk() - ask the daemon, or Xen, for something that it should do
 * @request: what; it is used up
 * @fd: a descriptor to go with it, or -1
 *
 * If there is no daemon or if it refuses, says so and exits.
 *
 * Return: the answer
 */
struct json_object *talk(struct json_object *request, int fd)
{
	struct json_object *answer = talk_try(request, fd);
	const char *why;

	if (!answer)
		no_daemon(errno);
	why = text_of(answer, "error");
	if (why) {
		fprintf(stderr, "tmemctl: %s\n", why);
		exit(EXIT_REFUSED);
	}
	return answer;
}
