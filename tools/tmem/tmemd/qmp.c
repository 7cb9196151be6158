// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, balloons that QEMU has
 *
 * QEMU has a balloon of its own, and moves it when it is told to by QMP: lines
 * of JSON on a socket where it listens.  A client that has the path of such a
 * socket is asked by it, and has no socket for a balloon here.
 *
 * One command is under way at a time: first those that make QMP ready, then each
 * LOOK_S seconds how much memory there is and how much is not in the balloon,
 * and how much is to be kept, whenever that is something else.  A connection is
 * made anew as often as it breaks, and by another worker; what was asked of the
 * balloon is in the state and is told again then.
 *
 * What arrives is not trusted.  A peer that makes no sense is let go of for
 * PAUSE_S seconds, and costs a bounded time and no memory but its line.
 *
 * Context: the main thread, all of this file.  Nothing here waits.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "parse.h"
#include "worker.h"

/* Longest line, and most bytes in a second: QEMU says much less */
#define LINE		16384
#define RATE		(1U << 20)

/* Levels of objects in a line */
#define DEPTH		8

/* Seconds: between two looks, without an answer, at rest after nonsense */
#define LOOK_S		5
#define PATIENCE_S	10
#define PAUSE_S		10

/* Seconds after which a balloon that is not where it is to be does not move */
#define STILL_S		30

/* More memory than a guest can have: its pages could not be counted */
#define MAX_MEMORY	(1ULL << 44)

/**
 * enum qmp_phase - what is waited for
 * @AWAY: that there is somebody
 * @GREETING: the first line
 * @CAPABILITIES: answer to the command that makes it ready
 * @SIZE: answer: how much memory the guest has
 * @ACTUAL: answer: how much of it is not in the balloon
 * @MOVE: answer: how much it is to keep was heard
 * @IDLE: nothing
 */
enum qmp_phase {
	AWAY,
	GREETING,
	CAPABILITIES,
	SIZE,
	ACTUAL,
	MOVE,
	IDLE,
};

/**
 * struct qmp - a connection to a QEMU, or the want of one
 * @client: whose
 * @fd: the socket; -1 if @phase is AWAY
 * @phase: what is waited for
 * @id: of the last command
 * @seconds: for how long @phase has lasted
 * @pause: AWAY: how long it lasts
 * @still: seconds since the balloon has moved
 * @bytes: that came in this second
 * @memory: of the guest; 0: not known
 * @told: bytes that it was told to keep; 0: nothing
 * @reset: the guest has started anew, and QEMU tells what the last one had
 * @state: for users
 * @said: the last state that was logged
 * @why: more about @state
 * @nr: bytes in @in
 * @in: what was read and not looked at yet
 */
struct qmp {
	struct client *client;
	int fd;
	enum qmp_phase phase;
	u32 id;
	unsigned int seconds;
	unsigned int pause;
	unsigned int still;
	u32 bytes;
	u64 memory;
	u64 told;
	bool reset;
	enum qmp_state state;
	enum qmp_state said;
	char why[96];
	size_t nr;
	char in[LINE];
};

/* ---- how it is ---- */

static const char * const state_names[] = {
	[QMP_WAITING] = "waiting",
	[QMP_AWAY] = "away",
	[QMP_SILENT] = "silent",
	[QMP_NONSENSE] = "nonsense",
	[QMP_REFUSED] = "refused",
	[QMP_STUCK] = "stuck",
	[QMP_READY] = "ready",
};

/* @why may be of the peer's; a state is logged when it is another one */
static void become(struct qmp *q, enum qmp_state is, const char *why)
{
	size_t i;

	q->state = is;
	for (i = 0; why[i] && i < sizeof(q->why) - 1; i++)
		q->why[i] = why[i] < ' ' || why[i] > '~' ? '?' : why[i];
	q->why[i] = 0;
	if (is == QMP_WAITING || is == q->said)
		return;
	q->said = is;
	log_guest(q->client, is == QMP_READY || is == QMP_AWAY ? LOG_INFO :
							     LOG_WARNING,
		  "its balloon by QMP: %s%s%s", state_names[is],
		  *why ? ": " : "", q->why);
}

static void wait_for(struct qmp *q, enum qmp_phase phase)
{
	q->phase = phase;
	q->seconds = 0;
}

static void hang_up(struct qmp *q, unsigned int pause)
{
	unwatch(q->fd);
	close(q->fd);
	q->fd = -1;
	q->nr = 0;
	q->memory = 0;
	q->told = 0;
	q->reset = false;
	q->pause = pause;
	env_write_once(q->client->state->inflated, 0);
	wait_for(q, AWAY);
}

static void lose(struct qmp *q, const char *why)
{
	hang_up(q, 1);
	become(q, QMP_AWAY, why);
}

static bool distrust(struct qmp *q, const char *why)
{
	hang_up(q, PAUSE_S);
	become(q, QMP_NONSENSE, why);
	return false;
}

/* ---- commands ---- */

/* Bytes that the guest is to keep; 0: nobody has said so */
static u64 goal(const struct qmp *q)
{
	const struct client_state *cs = q->client->state;

	if (!cs->resized)
		return 0;
	return cs->memory && cs->memory < q->memory ? cs->memory : q->memory;
}

static void ask(struct qmp *q, enum qmp_phase what)
{
	static const char * const commands[] = {
		[CAPABILITIES] = "qmp_capabilities",
		[SIZE] = "query-memory-size-summary",
		[ACTUAL] = "query-balloon",
		[MOVE] = "balloon",
	};
	char line[160], args[64] = "";
	int length;

	if (what == MOVE)
		snprintf(args, sizeof(args), ",\"arguments\":{\"value\":%llu}",
			 (unsigned long long)q->told);
	length = snprintf(line, sizeof(line),
			  "{\"execute\":\"%s\",\"id\":%u%s}\r\n",
			  commands[what], ++q->id, args);
	wait_for(q, what);
	/* Few bytes at a time are under way: there is room for them */
	if (send(q->fd, line, length, MSG_NOSIGNAL | MSG_DONTWAIT) != length)
		lose(q, "it takes no commands");
}

/* Nothing is under way: is there something to tell? */
static void go_on(struct qmp *q)
{
	u64 to = goal(q);

	if (!to || to == q->told) {
		wait_for(q, IDLE);
		if (q->still < STILL_S)
			become(q, QMP_READY, "");
		return;
	}
	q->told = to;
	q->still = 0;
	ask(q, MOVE);
}

/* ---- what is heard ---- */

static bool find_number(struct json_object *from, const char *name, u64 *out)
{
	struct json_object *value;
	s64 number;

	if (!json_object_object_get_ex(from, name, &value) ||
	    !json_object_is_type(value, json_type_int))
		return false;
	number = json_object_get_int64(value);
	*out = number;
	return number >= 0 && (u64)number < MAX_MEMORY;
}

/* So much is not in the balloon */
static void heard_actual(struct qmp *q, u64 actual)
{
	u64 in = actual < q->memory ? q->memory - actual : 0;
	u32 pages = in >> PAGE_SHIFT;

	if (pages != q->client->state->inflated)
		q->still = 0;
	env_write_once(q->client->state->inflated, pages);
}

static bool heard_size(struct qmp *q, struct json_object *value)
{
	u64 base, plugged = 0, all;

	if (!find_number(value, "base-memory", &base) ||
	    (json_object_object_get(value, "plugged-memory") &&
	     !find_number(value, "plugged-memory", &plugged)))
		return distrust(q, "no such memory can be");
	all = base + plugged;
	if (!all || all >= MAX_MEMORY || all % PAGE_SIZE)
		return distrust(q, "no such memory can be");
	/* QEMU has taken what it was told from the memory of that time */
	if (q->memory != all)
		q->told = 0;
	q->memory = all;
	ask(q, ACTUAL);
	return true;
}

static bool heard_answer(struct qmp *q, struct json_object *value)
{
	u64 actual;

	switch (q->phase) {
	case CAPABILITIES:
		ask(q, SIZE);
		return true;
	case SIZE:
		return heard_size(q, value);
	case ACTUAL:
		if (!find_number(value, "actual", &actual))
			return distrust(q, "no such balloon can be");
		if (!q->reset)
			heard_actual(q, actual);
		break;
	default:
		break;
	}
	go_on(q);
	return true;
}

/* It is asked again at the next look */
static void heard_error(struct qmp *q, struct json_object *error)
{
	const char *why = "for no reason";
	struct json_object *desc;

	if (json_object_is_type(error, json_type_object) &&
	    json_object_object_get_ex(error, "desc", &desc) &&
	    json_object_is_type(desc, json_type_string))
		why = json_object_get_string(desc);
	q->memory = 0;
	q->told = 0;
	env_write_once(q->client->state->inflated, 0);
	wait_for(q, IDLE);
	become(q, QMP_REFUSED, why);
}

static void heard_event(struct qmp *q, struct json_object *name,
			struct json_object *line)
{
	const char *is = json_object_get_string(name);
	struct json_object *data;
	u64 actual;

	if (!strcmp(is, "RESET")) {
		q->reset = true;
		q->still = 0;
		env_write_once(q->client->state->inflated, 0);
	}
	if (strcmp(is, "BALLOON_CHANGE") || !q->memory ||
	    !json_object_object_get_ex(line, "data", &data) ||
	    !json_object_is_type(data, json_type_object) ||
	    !find_number(data, "actual", &actual))
		return;
	q->reset = false;
	heard_actual(q, actual);
}

/* Is this the answer to the command under way? */
static bool is_answer(const struct qmp *q, struct json_object *line)
{
	struct json_object *id;

	return q->phase != GREETING && q->phase != IDLE &&
	       json_object_object_get_ex(line, "id", &id) &&
	       json_object_is_type(id, json_type_int) &&
	       json_object_get_int64(id) == q->id;
}

/* False if the connection is no more */
static bool heard_object(struct qmp *q, struct json_object *line)
{
	struct json_object *value;

	if (json_object_object_get_ex(line, "event", &value) &&
	    json_object_is_type(value, json_type_string)) {
		heard_event(q, value, line);
		return true;
	}
	if (q->phase == GREETING) {
		if (!json_object_object_get_ex(line, "QMP", &value))
			return distrust(q, "this is not QMP");
		ask(q, CAPABILITIES);
		return q->phase != AWAY;
	}
	if (!is_answer(q, line))
		return distrust(q, "an answer to nothing");
	if (json_object_object_get_ex(line, "error", &value)) {
		heard_error(q, value);
		return true;
	}
	if (!json_object_object_get_ex(line, "return", &value) ||
	    !json_object_is_type(value, json_type_object))
		return distrust(q, "an answer that is none");
	return heard_answer(q, value) && q->phase != AWAY;
}

static bool heard_line(struct qmp *q, const char *text, size_t length)
{
	struct json_object *line = parse_object(text, length, DEPTH);
	bool goes_on;

	if (!line)
		return distrust(q, "a line without a JSON object");
	goes_on = heard_object(q, line);
	json_object_put(line);
	return goes_on;
}

/* All lines that are complete */
static void heard(struct qmp *q)
{
	size_t at = 0;
	char *end;

	while ((end = memchr(q->in + at, '\n', q->nr - at))) {
		if (!heard_line(q, q->in + at, end - q->in - at))
			return;
		at = end + 1 - q->in;
	}
	if (!at && q->nr == sizeof(q->in)) {
		distrust(q, "a line without an end");
		return;
	}
	q->nr -= at;
	memmove(q->in, q->in + at, q->nr);
}

static void on_ready(void *arg)
{
	struct qmp *q = arg;
	ssize_t got = recv(q->fd, q->in + q->nr, sizeof(q->in) - q->nr,
			   MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		lose(q, got ? strerror(errno) : "it has hung up");
		return;
	}
	q->nr += got;
	q->bytes += got;
	if (q->bytes > RATE)
		distrust(q, "too much in a second");
	else
		heard(q);
}

/* ---- connections ---- */

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	memcpy(addr.sun_path, path, strlen(path));
	if (fd < 0 || !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd < 0 ? -errno : fd;
	err = -errno;
	close(fd);
	return err;
}

/**
 * qmp_is_path() - can this be a socket for QMP?
 * @path: its path
 *
 * Return: true if so
 */
bool qmp_is_path(const char *path)
{
	return path[0] == '/' && strlen(path) < TMEMD_PATH;
}

static void call(struct qmp *q)
{
	int fd = connect_to(q->client->state->qmp), err;

	wait_for(q, AWAY);
	q->pause = 1;
	if (fd < 0) {
		become(q, QMP_AWAY, strerror(-fd));
		return;
	}
	q->fd = fd;
	wait_for(q, GREETING);
	become(q, QMP_WAITING, "");
	err = watch(fd, EPOLLIN, on_ready, q);
	if (err)
		lose(q, strerror(-err));
}

/* A balloon that is not where it is to be: its guest has no driver, or cannot */
static void look_whether_still(struct qmp *q)
{
	u64 in = (u64)q->client->state->inflated << PAGE_SHIFT;

	if (!q->told || q->memory - in == q->told)
		q->still = 0;
	else if (++q->still >= STILL_S && q->state == QMP_READY)
		become(q, QMP_STUCK, "the guest does not move it");
}

/**
 * qmp_tick() - a second has passed
 * @q: the connection
 */
void qmp_tick(struct qmp *q)
{
	q->bytes = 0;
	q->seconds++;
	switch (q->phase) {
	case AWAY:
		if (q->seconds >= q->pause)
			call(q);
		return;
	case IDLE:
		if (q->seconds >= LOOK_S)
			ask(q, SIZE);
		break;
	default:
		if (q->seconds >= PATIENCE_S)
			become(q, QMP_SILENT, "another program may use it");
	}
	look_whether_still(q);
}

/**
 * qmp_resize() - somebody has said how much a guest is to keep
 * @q: the connection; what is wanted is in the state
 */
void qmp_resize(struct qmp *q)
{
	if (q->phase == IDLE && q->memory)
		go_on(q);
}

/**
 * qmp_memory() - what memory a guest has
 * @q: the connection
 *
 * Return: bytes; 0 if that is not known
 */
u64 qmp_memory(const struct qmp *q)
{
	return q->memory;
}

/**
 * qmp_state() - how a connection is
 * @q: the connection
 * @why: out: more about it, may be empty
 *
 * Return: a word
 */
const char *qmp_state(const struct qmp *q, const char **why)
{
	*why = q->why;
	return state_names[q->state];
}

/**
 * qmp_start() - have the balloon of a client moved by QMP
 * @client: the client, with a path
 *
 * Return: the connection, or NULL if there is no memory
 */
struct qmp *qmp_start(struct client *client)
{
	struct qmp *q = env_zalloc(sizeof(*q));

	if (!q)
		return NULL;
	q->client = client;
	q->fd = -1;
	/* What another worker has heard last */
	client->state->inflated = 0;
	call(q);
	return q;
}

/**
 * qmp_stop() - the opposite
 * @q: the connection
 *
 * The balloon stays as it is.
 */
void qmp_stop(struct qmp *q)
{
	if (q->fd >= 0)
		hang_up(q, 0);
	env_free(q);
}
