// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, sockets on which it is called
 *
 * Most are made in the directory of sockets.  A service manager may have made
 * others and pass them on, sd_listen_fds(3), each under the name of the client
 * that it is for; these may be anywhere, and stay there when tmemd ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "device.h"
#include "worker.h"

/* One for each client, and one for tmemctl */
#define MAX_GIVEN	(TMEMD_CLIENTS + 1)

static char *given[MAX_GIVEN];
static unsigned int nr_given;

/**
 * sockets_start() - see what the service manager has made
 *
 * Return: 0, or a negative error number if that makes no sense
 */
int sockets_start(void)
{
	const char *said = getenv("LISTEN_FDNAMES");
	char *names = said ? strdup(said) : NULL;
	int fd;

	for (nr_given = 0; nr_given < MAX_GIVEN; nr_given++) {
		given[nr_given] = strsep(&names, ":");
		fd = held(TMEMD_HELD_GIVEN + nr_given);
		if (!given[nr_given] && fd < 0)
			return 0;
		/* The socket of a client that was removed is closed */
		if (fd < 0)
			continue;
		if (!given[nr_given]) {
			log_error("a socket was passed without a name: set FileDescriptorName=");
			return -EINVAL;
		}
		if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0 ||
		    fcntl(fd, F_SETFL, O_NONBLOCK)) {
			log_error("%s: not a Unix stream socket that listens",
				  given[nr_given]);
			return -EINVAL;
		}
	}
	log_error("more sockets were passed than there can be clients");
	return -E2BIG;
}

/**
 * socket_given_name() - name a socket that the service manager has made
 * @i: which of them
 *
 * Return: its name, or NULL if there are not so many
 */
const char *socket_given_name(unsigned int i)
{
	return i < nr_given ? given[i] : NULL;
}

/* Does a process listen there?  Another tmemd must not lose its socket to us. */
static bool is_served(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool served;

	served = !connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) ||
		 errno == EAGAIN;
	close(fd);
	return served;
}

static int make_socket(const char *name, mode_t mode)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s",
		     options.sockets, name) >= (int)sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	if (is_served(&addr))
		return -EADDRINUSE;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(addr.sun_path);
	if (!bind(fd, (struct sockaddr *)&addr, sizeof(addr)) &&
	    !chmod(addr.sun_path, mode) && !listen(fd, 16))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/**
 * socket_listen() - have a socket on which a client, or tmemctl, can call
 * @name: its name
 * @mode: its permissions, if there is none yet
 * @id: out: the number under which it is held
 *
 * Return: the socket, -EADDRINUSE if somebody listens in its place, or the error
 *	of making it
 */
int socket_listen(const char *name, mode_t mode, u64 *id)
{
	unsigned int i;
	int fd;

	for (i = 0; i < nr_given; i++) {
		*id = TMEMD_HELD_GIVEN + i;
		fd = held(*id);
		if (fd >= 0 && !strcmp(given[i], name))
			return fd;
	}
	fd = make_socket(name, mode);
	if (fd >= 0)
		*id = hold(fd);
	return fd;
}

/**
 * socket_remove() - remove a socket from the directory of sockets
 * @name: its name there
 */
void socket_remove(const char *name)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

	if (snprintf(path, sizeof(path), "%s/%s", options.sockets, name) <
	    (int)sizeof(path))
		unlink(path);
}
