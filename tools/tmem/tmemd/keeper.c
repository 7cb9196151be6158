// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, the process that outlives the worker
 *
 * The keeper starts the worker, holds descriptors for it, and starts it again
 * when it dies.  It understands none of what it holds and parses nothing that
 * comes from a guest, so there is not much in it that could fail.
 *
 * A worker that was killed has sent what it wanted held before it relied on
 * that; the keeper reads its line to the end before it starts the next one.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "keeper.h"
#include "log.h"
#include "state.h"

/* A worker that lived no longer than this dies of something that is still there */
#define TOO_SHORT_MS	30
#define PAUSE_MS	500

struct held {
	uint64_t id;
	int fd;
};

static struct {
	char path[PATH_MAX];
	char **argv;
	pid_t worker;
	int line;
	int signals;
	bool ready;
	bool ending;
	uint64_t started_ms;
	struct held *held;
	size_t nr;
	size_t room;
} keeper;

/**
 * keeper_send() - say something on the line
 * @line: the socket
 * @msg: what
 * @fd: a descriptor to go with it, or -1
 *
 * Return: false if the other side is gone
 */
bool keeper_send(int line, const struct keeper_msg *msg, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)msg, sizeof(*msg) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (fd >= 0) {
		hdr.msg_control = &control;
		hdr.msg_controllen = CMSG_SPACE(sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	do {
		sent = sendmsg(line, &hdr, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent == sizeof(*msg);
}

/**
 * keeper_receive() - hear something on the line
 * @line: the socket
 * @msg: out: what
 * @fd: out: the descriptor that came with it, or -1
 *
 * Return: false if the other side is gone and has said all
 */
bool keeper_receive(int line, struct keeper_msg *msg, int *fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { msg, sizeof(*msg) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *head;
	ssize_t got;

	*fd = -1;
	do {
		got = recvmsg(line, &hdr, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got != sizeof(*msg))
		return false;
	head = CMSG_FIRSTHDR(&hdr);
	if (head && head->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(head), sizeof(*fd));
	return true;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static void hold(uint64_t id, int fd)
{
	if (keeper.nr == keeper.room) {
		size_t room = keeper.room ? 2 * keeper.room : 64;
		struct held *more = realloc(keeper.held, room * sizeof(*more));

		if (!more) {
			log_error("no memory to hold a descriptor");
			close(fd);
			return;
		}
		keeper.held = more;
		keeper.room = room;
	}
	keeper.held[keeper.nr++] = (struct held){ id, fd };
}

static void drop(uint64_t id)
{
	size_t i;

	for (i = 0; i < keeper.nr; i++) {
		if (keeper.held[i].id != id)
			continue;
		close(keeper.held[i].fd);
		keeper.held[i] = keeper.held[--keeper.nr];
		return;
	}
}

/* False if the worker is gone */
static bool listen_to_worker(void)
{
	struct keeper_msg msg;
	int fd;

	if (!keeper_receive(keeper.line, &msg, &fd))
		return false;
	if (msg.op == KEEPER_HOLD && fd >= 0) {
		hold(msg.id, fd);
		fd = -1;
	} else if (msg.op == KEEPER_DROP) {
		drop(msg.id);
	} else if (msg.op == KEEPER_READY) {
		if (!keeper.ready)
			sd_notify(0, "READY=1");
		keeper.ready = true;
	}
	if (fd >= 0)
		close(fd);
	return true;
}

static void become_worker(int line)
{
	char number[16];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	line = dup(line);	/* without close-on-exec */
	snprintf(number, sizeof(number), "%d", line);
	setenv(KEEPER_ENV, number, 1);
	unsetenv("NOTIFY_SOCKET");
	execv(keeper.path, keeper.argv);
	log_error("cannot start %s: %s", keeper.path, strerror(errno));
	_exit(127);
}

static bool start_worker(void)
{
	struct keeper_msg msg = { .op = KEEPER_HAVE };
	int pair[2];
	size_t i;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		log_error("no socket pair: %s", strerror(errno));
		return false;
	}
	keeper.worker = fork();
	if (keeper.worker < 0) {
		log_error("no worker: %s", strerror(errno));
		close(pair[0]);
		close(pair[1]);
		return false;
	}
	if (!keeper.worker)
		become_worker(pair[1]);
	close(pair[1]);
	keeper.line = pair[0];
	keeper.started_ms = now_ms();
	for (i = 0; i < keeper.nr; i++) {
		msg.id = keeper.held[i].id;
		keeper_send(keeper.line, &msg, keeper.held[i].fd);
	}
	msg = (struct keeper_msg){ .op = KEEPER_END };
	keeper_send(keeper.line, &msg, -1);
	return true;
}

/* Waits for a worker whose line has ended.  True if there is to be another. */
static bool bury_worker(int *status)
{
	int how;

	close(keeper.line);
	while (waitpid(keeper.worker, &how, 0) < 0 && errno == EINTR)
		;
	*status = WIFEXITED(how) ? WEXITSTATUS(how) : 1;
	if (WIFEXITED(how) && *status == KEEPER_AGAIN && !keeper.ending) {
		log_info("starting the worker anew, as asked");
		return true;
	}
	if (keeper.ending || !keeper.ready || (WIFEXITED(how) && !*status))
		return false;
	if (WIFSIGNALED(how))
		log_error("worker %d was killed by signal %d, starting another one",
			  keeper.worker, WTERMSIG(how));
	else
		log_error("worker %d ended with status %d, starting another one",
			  keeper.worker, *status);
	if (now_ms() - keeper.started_ms < TOO_SHORT_MS)
		usleep(PAUSE_MS * 1000);
	return true;
}

static void on_signal(void)
{
	struct signalfd_siginfo info;

	if (read(keeper.signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		kill(keeper.worker, SIGHUP);
		return;
	}
	sd_notify(0, "STOPPING=1");
	keeper.ending = true;
	kill(keeper.worker, SIGTERM);
}

/* Sockets that the service manager has made are held from the beginning */
static void hold_given(void)
{
	int nr = sd_listen_fds(0), i;

	if (nr < 0)
		log_error("sockets that were passed: %s", strerror(-nr));
	for (i = 0; i < nr; i++)
		hold(TMEMD_HELD_GIVEN + i, SD_LISTEN_FDS_START + i);
}

static bool keeper_init(char **argv)
{
	sigset_t set;
	ssize_t len;

	len = readlink("/proc/self/exe", keeper.path, sizeof(keeper.path) - 1);
	if (len < 0) {
		log_error("cannot tell which program this is: %s",
			  strerror(errno));
		return false;
	}
	keeper.path[len] = 0;
	keeper.argv = argv;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	keeper.signals = signalfd(-1, &set, SFD_CLOEXEC);
	hold_given();
	return keeper.signals >= 0;
}

/**
 * keeper_run() - start a worker, and another one whenever it dies
 * @argv: arguments of this process, which are the worker's, too
 *
 * Return: status to exit with, after the worker has ended of its own accord
 */
int keeper_run(char **argv)
{
	struct pollfd fds[2];
	int status = 1;

	if (!keeper_init(argv))
		return 1;
	do {
		if (!start_worker())
			return 1;
		fds[0] = (struct pollfd){ keeper.line, POLLIN, 0 };
		fds[1] = (struct pollfd){ keeper.signals, POLLIN, 0 };
		for (;;) {
			if (poll(fds, 2, -1) < 0 && errno != EINTR)
				break;
			if (fds[1].revents)
				on_signal();
			if (fds[0].revents && !listen_to_worker())
				break;
			fds[0].revents = 0;
			fds[1].revents = 0;
		}
	} while (bury_worker(&status));
	return status;
}
