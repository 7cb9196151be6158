// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, saving and restoring a domain's pages
 *
 * The hypervisor does not notice when this program ends.  So signals that would
 * end it are only remembered, until it has told the hypervisor.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../damage.h"
#include "xen_abi.h"
#include "xen.h"

/* Runs of pages that may leave before they are told of */
#define LOG_ENTRIES	65536

/* What one call moves: eight records of a page, as many as the hypervisor's */
#define PIECE		(8 * (size_t)TSTORE_SAVE_BYTES)
#define PIECE_PAGES	((PIECE + PAGE - 1) / PAGE)

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

static void heed_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction act = { .sa_handler = on_signal };
	size_t i;

	/* Calls that wait end with EINTR */
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &act, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* An operation that takes nothing and answers nothing */
static int simple_call(domid_t domid, uint32_t what)
{
	struct xen_tmem_control op = { .op = what, .domid = domid };

	return xen_call(&op);
}

/* One that moves *@bytes of the buffer; those of a save may be less then */
static int move_call(struct stream *s, uint32_t what, size_t *bytes, bool *more)
{
	struct xen_tmem_control op = { .op = what, .domid = s->domid };
	int err;

	op.u.save.bytes = *bytes;
	set_xen_guest_handle(op.u.save.buffer, s->buffer);
	err = xen_call(&op);
	if (!err && op.u.save.bytes > *bytes)
		return -EBADMSG;
	*bytes = op.u.save.bytes;
	*more = op.u.save.more;
	return err;
}

/**
 * stream_enough() - was there a signal that would have ended the program?
 *
 * If it is no error, it is to be asked for between two writes.
 *
 * Return: true if there was, which is forgotten then
 */
bool stream_enough(void)
{
	bool is = interrupted;

	interrupted = 0;
	return is;
}

/**
 * stream_open() - prepare to move what belongs to a domain
 * @s: out: what moves it
 * @q: the request, with a file
 * @domid: the domain
 * @pages: of a buffer that the hypervisor can read and write
 *
 * Return: 0 or a negative error number
 */
int stream_open(struct stream *s, struct asked *q, domid_t domid, size_t pages)
{
	if (q->fd < 0)
		return refuse(q, EBADF,
			      "no descriptor of a file came with the request");
	*s = (struct stream){ .q = q, .domid = domid };
	s->buffer = xen_buffer(pages);
	if (!s->buffer)
		return -ENOMEM;
	heed_signals();
	return 0;
}

/* A pipe that does not block is waited for */
static bool file_wait(struct stream *s, short events)
{
	struct pollfd fd = { s->q->fd, events, 0 };

	if (interrupted)
		return false;
	return errno == EINTR || (errno == EAGAIN &&
				  (poll(&fd, 1, -1) >= 0 || errno == EINTR));
}

static int file_failed(struct stream *s)
{
	int err = -errno;

	if (interrupted)
		return -ECANCELED;
	s->file = true;
	return err;
}

/**
 * stream_progress() - have whoever looks on see that there is some
 * @s: what moves
 * @over: nothing more is to be seen
 */
void stream_progress(struct stream *s, bool over)
{
	time_t now = time(NULL);

	if (!isatty(STDERR_FILENO) || (over ? !s->told : now == s->told))
		return;
	if (over)
		fputs("\r\033[K", stderr);
	else if (s->told)
		fprintf(stderr, "\r%llu MiB",
			(unsigned long long)s->bytes >> 20);
	s->told = now;
}

/**
 * stream_write() - write to the file
 * @s: what moves it
 * @from: what to write
 * @bytes: so much
 *
 * Return: 0 or a negative error number
 */
int stream_write(struct stream *s, const void *from, size_t bytes)
{
	size_t nr = 0;
	ssize_t put;

	/* A signal may end a write early, and that is no error */
	while (nr < bytes && !interrupted) {
		put = write(s->q->fd, (const char *)from + nr, bytes - nr);
		if (put < 0 && !file_wait(s, POLLOUT))
			return file_failed(s);
		if (put > 0)
			nr += put;
	}
	s->bytes += bytes;
	stream_progress(s, false);
	return interrupted ? -ECANCELED : 0;
}

/* ---- save ---- */

/* Tells of all that there is at the moment */
static int save_some(struct stream *s)
{
	size_t bytes;
	bool more;
	int err;

	do {
		bytes = PIECE;
		err = move_call(s, XEN_TMEM_SAVE_NEXT, &bytes, &more);
		if (!err)
			err = stream_write(s, s->buffer, bytes);
	} while (!err && more);
	return err;
}

static int save(struct stream *s, const char *name)
{
	int err = save_some(s);

	if (err)
		return err;
	err = simple_call(s->domid, XEN_TMEM_SAVE_FINISH);
	if (err == -EINVAL)
		return refuse(s->q, EBUSY,
			      "the guest is at work: stop it first, as by xl pause %s",
			      name);
	if (!err)
		err = save_some(s);
	if (!err && fsync(s->q->fd) && errno != EINVAL && errno != EROFS)
		err = file_failed(s);
	return err;
}

static int save_explain(struct stream *s, int err)
{
	if (*s->q->why)
		return err;
	if (s->file)
		return refuse(s->q, -err, "the file: %s", strerror(-err));
	switch (err) {
	case -EBUSY:
		return refuse(s->q, EBUSY,
			      "the guest changed something: stop it first");
	case -ENOTCONN:
		return refuse(s->q, ENOTCONN,
			      "the guest was started anew meanwhile");
	case -ENOSPC:
		return refuse(s->q, ENOSPC,
			      "too much left the store meanwhile: stop the guest first");
	case -EINVAL:
		return refuse(s->q, EINVAL, "somebody else has ended it");
	}
	return err;
}

/**
 * client_save() - write what must stay of a domain to a file
 * @q: the request, with the file
 * @name: what the domain is called
 * @domid: its number
 *
 * Return: 0 or a negative error number
 */
int client_save(struct asked *q, const char *name, domid_t domid)
{
	struct xen_tmem_control op = {
		.op = XEN_TMEM_SAVE_BEGIN,
		.domid = domid,
		.u.save.entries = LOG_ENTRIES,
	};
	struct stream s;
	int err, end;

	err = stream_open(&s, q, domid, PIECE_PAGES);
	if (err)
		return err;
	err = xen_call(&op);
	if (err == -EBUSY)
		return refuse(q, EBUSY,
			      "%s: it is being saved or restored already; if not, thaw it, and all is well",
			      name);
	if (err)
		return err;
	err = save(&s, name);
	stream_progress(&s, true);
	end = simple_call(domid, XEN_TMEM_SAVE_END);
	if (!err)
		err = end;
	json_object_object_add(q->answer, "bytes",
			       json_object_new_uint64(s.bytes));
	return err ? save_explain(&s, err) : 0;
}

/* ---- restore ---- */

static int restore(struct stream *s)
{
	size_t bytes;
	ssize_t got;
	int err = 0;
	bool more;

	do {
		got = read(s->q->fd, s->buffer, PIECE);
		if (got < 0) {
			if (file_wait(s, POLLIN))
				continue;
			return file_failed(s);
		}
		s->bytes += got;
		stream_progress(s, false);
		bytes = got;
		if (got)
			err = move_call(s, XEN_TMEM_RESTORE_FEED, &bytes,
					&more);
	} while (got && !err && !interrupted);
	return interrupted ? -ECANCELED : err;
}

static int restore_explain(struct stream *s, int err)
{
	if (s->file)
		return refuse(s->q, -err, "the file: %s", strerror(-err));
	switch (err) {
	case -EBADMSG:
		return refuse(s->q, EBADMSG, "the file is damaged: %s",
			      s->damage < TSTORE_DAMAGES &&
			      damages[s->damage] ? damages[s->damage] :
						   "it makes no sense");
	case -EDQUOT:
		return refuse(s->q, EDQUOT,
			      "the client's cap is less than what was saved");
	case -ENOSPC:
		return refuse(s->q, ENOSPC,
			      "there is no room, and what is here must stay");
	case -EINVAL:
		return refuse(s->q, EINVAL, "somebody else has ended it");
	}
	return err;
}

/**
 * client_restore() - have a domain go on where one was saved
 * @q: the request, with the file
 * @name: what the domain is called
 * @domid: its number
 *
 * Return: 0 or a negative error number
 */
int client_restore(struct asked *q, const char *name, domid_t domid)
{
	struct xen_tmem_control op = {
		.op = XEN_TMEM_RESTORE_END,
		.domid = domid,
	};
	struct stream s;
	int err, end;

	err = stream_open(&s, q, domid, PIECE_PAGES);
	if (err)
		return err;
	err = simple_call(domid, XEN_TMEM_RESTORE_BEGIN);
	if (err == -EBUSY)
		return refuse(q, EBUSY,
			      "%s: its guest is at work, or it has something already, or it is frozen",
			      name);
	if (err)
		return err;
	err = restore(&s);
	stream_progress(&s, true);
	end = xen_call(&op);
	s.damage = op.u.save.damage;
	if (err != -ECANCELED && !s.file)
		err = end;
	json_object_object_add(q->answer, "bytes",
			       json_object_new_uint64(s.bytes));
	return err ? restore_explain(&s, err) : 0;
}

/**
 * client_unsave() - end a save or a restore that nobody is there to end
 * @domid: the domain's number
 */
void client_unsave(domid_t domid)
{
	simple_call(domid, XEN_TMEM_SAVE_END);
	simple_call(domid, XEN_TMEM_RESTORE_END);
}
