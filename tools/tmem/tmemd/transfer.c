// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, what passes between it and files of users
 *
 * The file is one that a user has opened: a disk, a pipe, or something that
 * never answers.  So a thread of its own reads or writes it, and nobody waits
 * for that thread.  It calls the store with a lock held, and never touches the
 * file then; the main thread, with the lock, ends the work in the store and
 * leaves the thread to find out, or not.
 *
 * Fields of struct transfer: "M: " of the main thread; "T: " of the thread, and
 * of the main thread when it is over; "L: " under the lock; "I: " does not change.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../damage.h"
#include "trace.h"
#include "transfer.h"
#include "worker.h"

/* Threads, those included that are left to their files */
#define TRANSFERS	8

/* Pages that may leave before they are told of */
#define LOG_ENTRIES	65536

#define BUFFER		(64 * PAGE_SIZE)

/* Between two looks at what is to be in a trace */
#define TRACE_US	20000

struct transfer {
	pthread_t thread;		/* I */
	struct conn *conn;		/* M: who waits, or NULL */
	struct client *client;		/* M */
	enum transfer_kind kind;	/* I */
	u64 seconds;			/* I: of a trace */
	int fd;				/* T: the file */
	u64 bytes;			/* T: read or written */
	int err;			/* T: 0 or a negative error number */
	bool file;			/* T: @err is of the file */
	enum tstore_damage damage;	/* T: with -EBADMSG */
	u64 records;			/* T: in the trace */
	u64 lost;			/* T: not in the trace */
	struct tstore_gone *log;	/* I: for a save */
	void *page;			/* I: for a restore */
	pthread_mutex_t lock;
	struct tstore_client *store;	/* L: NULL: it is ended there */
	bool cancelled;			/* L: nobody waits any more */
	bool over;			/* L: the thread has nothing left to do */
	u8 buffer[BUFFER] __attribute__((aligned(8)));	/* T */
};

static struct transfer *transfers[TRANSFERS];
static int done;

/* ---- the thread ---- */

static bool file_failed(struct transfer *t)
{
	t->err = -errno;
	t->file = true;
	return false;
}

/* A pipe that does not block is waited for */
static bool file_wait(struct transfer *t, short events)
{
	struct pollfd fd = { t->fd, events, 0 };

	return errno == EINTR || (errno == EAGAIN && poll(&fd, 1, -1) >= 0);
}

static bool file_write(struct transfer *t, size_t bytes)
{
	size_t nr = 0;
	ssize_t put;

	while (nr < bytes) {
		put = write(t->fd, t->buffer + nr, bytes - nr);
		if (put < 0 && !file_wait(t, POLLOUT))
			return file_failed(t);
		if (put > 0)
			nr += put;
	}
	t->bytes += bytes;
	return true;
}

/* Tells of all that there is at the moment.  False if it has failed. */
static bool save_some(struct transfer *t)
{
	size_t used;
	int more;

	do {
		used = 0;
		pthread_mutex_lock(&t->lock);
		more = t->store ? tstore_save_next(t->store, t->buffer, BUFFER,
						   &used) : -ECANCELED;
		pthread_mutex_unlock(&t->lock);
		if (more < 0)
			t->err = more;
	} while (more >= 0 && file_write(t, used) && more);
	return !t->err;
}

static void save(struct transfer *t)
{
	bool good = save_some(t);
	int err = 0;

	if (good) {
		pthread_mutex_lock(&t->lock);
		if (t->store)
			tstore_save_finish(t->store);
		pthread_mutex_unlock(&t->lock);
		good = save_some(t);
	}
	if (good && fsync(t->fd) && errno != EINVAL && errno != EROFS)
		file_failed(t);
	pthread_mutex_lock(&t->lock);
	if (t->store)
		err = tstore_save_end(t->store);
	t->store = NULL;
	pthread_mutex_unlock(&t->lock);
	if (!t->err)
		t->err = err;
}

static void restore(struct transfer *t)
{
	ssize_t got;
	int err = 0;

	do {
		got = read(t->fd, t->buffer, BUFFER);
		if (got < 0) {
			if (file_wait(t, POLLIN))
				continue;
			file_failed(t);
			break;
		}
		t->bytes += got;
		pthread_mutex_lock(&t->lock);
		err = t->store ? tstore_restore_feed(t->store, t->buffer, got) :
				 -ECANCELED;
		pthread_mutex_unlock(&t->lock);
	} while (got && !err);
	pthread_mutex_lock(&t->lock);
	if (t->store)
		err = tstore_restore_end(t->store, &t->damage);
	t->store = NULL;
	pthread_mutex_unlock(&t->lock);
	if (!t->err)
		t->err = err;
}

static u64 seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void trace(struct transfer *t)
{
	u64 end = seconds() + t->seconds;
	size_t bytes;
	bool stop;

	do {
		pthread_mutex_lock(&t->lock);
		stop = t->cancelled || seconds() >= end;
		pthread_mutex_unlock(&t->lock);
		if (stop)
			trace_stop();
		do {
			bytes = trace_next(t->buffer, BUFFER);
		} while (bytes && file_write(t, bytes));
		if (!stop)
			usleep(TRACE_US);
	} while (!stop && !t->err);
	trace_end(&t->records, &t->lost);
}

static void *transfer_main(void *arg)
{
	struct transfer *t = arg;
	const u64 one = 1;

	if (t->kind == TRANSFER_RESTORE)
		restore(t);
	else if (t->kind == TRANSFER_SAVE)
		save(t);
	else
		trace(t);
	pthread_mutex_lock(&t->lock);
	t->over = true;
	pthread_mutex_unlock(&t->lock);
	if (write(done, &one, sizeof(one)) < 0)
		log_error("a transfer that is over is not seen");
	return NULL;
}

/* ---- the main thread ---- */

static int explain(struct transfer *t)
{
	if (t->file)
		return refuse(t->conn, -t->err, "the file: %s",
			      strerror(-t->err));
	if (t->err == -EBADMSG && damages[t->damage])
		return refuse(t->conn, EBADMSG, "the file is damaged: %s",
			      damages[t->damage]);
	if (t->kind == TRANSFER_RESTORE && (t->err == -EDQUOT || t->err == -ENOSPC))
		return refuse(t->conn, -t->err,
			      t->err == -EDQUOT ?
			      "the client's cap is less than what was saved" :
			      "there is no room, and what is here must stay");
	if (t->kind == TRANSFER_SAVE && t->err == -EBUSY)
		return refuse(t->conn, EBUSY,
			      "the guest changed something: stop it first");
	if (t->kind == TRANSFER_SAVE && t->err == -ENOTCONN)
		return refuse(t->conn, ENOTCONN,
			      "the guest was started anew meanwhile");
	return t->err;
}

static void transfer_free(struct transfer *t)
{
	pthread_mutex_destroy(&t->lock);
	close(t->fd);
	free(t->log);
	free(t->page);
	free(t);
}

static void answer_number(struct conn *conn, const char *name, u64 number)
{
	json_object_object_add(conn->answer, name,
			       json_object_new_uint64(number));
}

static void transfer_finish(struct transfer *t)
{
	struct conn *conn = t->conn;

	pthread_join(t->thread, NULL);
	if (t->kind == TRANSFER_RESTORE && t->client)
		client_restored(t->client, !t->err);
	if (conn) {
		conn->transfer = NULL;
		answer_number(conn, "bytes", t->bytes);
		if (t->kind == TRANSFER_TRACE) {
			answer_number(conn, "records", t->records);
			answer_number(conn, "lost", t->lost);
		}
		control_answer(conn, t->err ? explain(t) : 0);
	}
	transfer_free(t);
}

static void on_done(void *arg __always_unused)
{
	struct transfer *t;
	bool over;
	int i;
	u64 nr;

	if (read(done, &nr, sizeof(nr)) < 0)
		return;
	for (i = 0; i < TRANSFERS; i++) {
		t = transfers[i];
		if (!t)
			continue;
		pthread_mutex_lock(&t->lock);
		over = t->over;
		pthread_mutex_unlock(&t->lock);
		if (!over)
			continue;
		transfers[i] = NULL;
		transfer_finish(t);
	}
}

/**
 * transfer_start() - be prepared
 *
 * Return: 0 or a negative error number
 */
int transfer_start(void)
{
	done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return done < 0 ? -errno : watch(done, EPOLLIN, on_done, NULL);
}

/**
 * transfer_cancel() - end a transfer that nobody waits for any more
 * @t: the transfer; the client may be destroyed when this returns
 */
void transfer_cancel(struct transfer *t)
{
	pthread_mutex_lock(&t->lock);
	if (t->store && t->kind == TRANSFER_RESTORE)
		tstore_restore_end(t->store, NULL);
	else if (t->store)
		tstore_save_end(t->store);
	t->store = NULL;
	t->cancelled = true;
	pthread_mutex_unlock(&t->lock);
	if (t->kind == TRANSFER_TRACE)
		trace_stop();
	if (t->kind == TRANSFER_RESTORE && t->client)
		client_restored(t->client, false);
	t->conn = NULL;
	t->client = NULL;
}

static struct transfer *transfer_alloc(enum transfer_kind kind)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->kind = kind;
	if (kind == TRANSFER_RESTORE)
		t->page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	if (kind == TRANSFER_SAVE)
		t->log = calloc(LOG_ENTRIES, sizeof(*t->log));
	if (t->page || t->log || kind == TRANSFER_TRACE)
		return t;
	free(t);
	return NULL;
}

/* In the store; otherwise nothing is left of it */
static int begin(struct transfer *t, struct client *c)
{
	int err;

	if (t->kind == TRANSFER_TRACE)
		return trace_begin();
	if (t->kind == TRANSFER_SAVE)
		return tstore_save_begin(c->store, t->log, LOG_ENTRIES);
	err = client_restoring(c);
	if (err)
		return err;
	err = tstore_restore_begin(c->store, t->page);
	if (err)
		client_restored(c, false);
	return err;
}

static int launch(struct transfer *t, int i)
{
	int err;

	transfers[i] = t;
	err = pthread_create(&t->thread, NULL, transfer_main, t);
	if (!err)
		return CONTROL_LATER;
	transfers[i] = NULL;
	transfer_cancel(t);
	if (t->kind == TRANSFER_TRACE)
		trace_end(&t->records, &t->lost);
	return -err;
}

static int busy(struct conn *conn, const struct transfer *t,
		const struct client *c)
{
	if (t->kind == TRANSFER_TRACE)
		return refuse(conn, EBUSY, "another trace is being written");
	return refuse(conn, EBUSY, t->kind == TRANSFER_RESTORE ?
		      "%s: its guest is at work, or it is frozen" :
		      "%s: it is being saved or restored already",
		      c->state->name);
}

/**
 * transfer_begin() - let something pass
 * @conn: who wants it, with the descriptor of the file; in conn->number, the
 *	seconds of a trace
 * @c: the client, or NULL for a trace
 * @kind: what passes
 *
 * Return: CONTROL_LATER or a negative error number
 */
int transfer_begin(struct conn *conn, struct client *c,
		   enum transfer_kind kind)
{
	struct transfer *t;
	int i = 0, err;

	if (conn->passed < 0)
		return refuse(conn, EBADF,
			      "no descriptor of a file came with the request");
	while (i < TRANSFERS && transfers[i])
		i++;
	if (i == TRANSFERS)
		return refuse(conn, EBUSY, "too many of these are under way");
	t = transfer_alloc(kind);
	if (!t)
		return -ENOMEM;
	err = begin(t, c);
	if (err == -EBUSY)
		err = busy(conn, t, c);
	if (err == -EEXIST)
		err = refuse(conn, EEXIST, "%s: it has something already",
			     c->state->name);
	t->fd = conn->passed;
	conn->passed = -1;
	pthread_mutex_init(&t->lock, NULL);
	t->conn = conn;
	t->client = c;
	if (!err) {
		t->store = c ? c->store : NULL;
		t->seconds = conn->number;
		err = launch(t, i);
	}
	if (err == CONTROL_LATER) {
		conn->client = c;
		conn->transfer = t;
	} else {
		transfer_free(t);
	}
	return err;
}
