// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, the process that serves
 *
 * The first worker makes the arena and the state and has the keeper hold them.
 * Another one finds them, scans the arena and goes on where its predecessor was.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "codecs.h"
#include "control.h"
#include "history.h"
#include "keeper.h"
#include "metrics.h"
#include "policy.h"
#include "pool.h"
#include "schedule.h"
#include "worker.h"

struct state *state;
struct tstore *store;

static struct worker {
	int line;
	int epoll;
	int signals;
	int timer;
	bool ending;
	int status;
	struct watched {
		void (*on)(void *arg);
		void *arg;
	} watched[WORKER_FDS];
	struct holding {
		u64 id;
		int fd;
	} *holdings;
	size_t nr;
	size_t room;
} w;

/* ---- descriptors ---- */

static bool remember(u64 id, int fd)
{
	if (w.nr == w.room) {
		size_t room = w.room ? 2 * w.room : 256;
		void *more = realloc(w.holdings, room * sizeof(*w.holdings));

		if (!more)
			return false;
		w.holdings = more;
		w.room = room;
	}
	w.holdings[w.nr++] = (struct holding){ id, fd };
	return true;
}

/**
 * hold_as() - have a descriptor outlive this process, under a fixed number
 * @id: the number, below TMEMD_HELD_FIRST
 * @fd: the descriptor
 *
 * Context: the main thread.
 */
void hold_as(u64 id, int fd)
{
	struct keeper_msg msg = { .op = KEEPER_HOLD, .id = id };

	if (!remember(id, fd) || !keeper_send(w.line, &msg, fd))
		log_error("a descriptor is lost if this process is");
}

/**
 * hold() - have a descriptor outlive this process
 * @fd: the descriptor
 *
 * Context: the main thread.
 * Return: its number
 */
u64 hold(int fd)
{
	u64 id = state->next++;

	hold_as(id, fd);
	return id;
}

/**
 * drop() - close a descriptor for good
 * @id: its number
 *
 * Context: the main thread.
 */
void drop(u64 id)
{
	struct keeper_msg msg = { .op = KEEPER_DROP, .id = id };
	size_t i;

	for (i = 0; i < w.nr && w.holdings[i].id != id; i++)
		;
	if (i == w.nr)
		return;
	close(w.holdings[i].fd);
	w.holdings[i] = w.holdings[--w.nr];
	keeper_send(w.line, &msg, -1);
}

/**
 * held() - find a descriptor
 * @id: its number
 *
 * Context: the main thread.
 * Return: the descriptor, or -1
 */
int held(u64 id)
{
	size_t i;

	for (i = 0; i < w.nr; i++)
		if (w.holdings[i].id == id)
			return w.holdings[i].fd;
	return -1;
}

static bool hear_all(void)
{
	struct keeper_msg msg;
	int fd;

	while (keeper_receive(w.line, &msg, &fd)) {
		if (msg.op == KEEPER_END)
			return true;
		if (fd >= 0 && !remember(msg.id, fd))
			return false;
	}
	return false;
}

/**
 * watch() - have something done when a descriptor is ready
 * @fd: the descriptor
 * @events: EPOLL*
 * @on: what to do, in the main thread
 * @arg: its argument
 *
 * Return: 0 or a negative error number
 */
int watch(int fd, u32 events, void (*on)(void *arg), void *arg)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (fd < 0 || fd >= WORKER_FDS)
		return -EMFILE;
	w.watched[fd] = (struct watched){ on, arg };
	return epoll_ctl(w.epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/**
 * rewatch() - have something done at other events
 * @fd: a descriptor that is watched
 * @events: EPOLL*
 *
 * Return: 0 or a negative error number
 */
int rewatch(int fd, u32 events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(w.epoll, EPOLL_CTL_MOD, fd, &event) ? -errno : 0;
}

/**
 * unwatch() - the opposite
 * @fd: the descriptor, watched or not
 */
void unwatch(int fd)
{
	if (fd < 0 || fd >= WORKER_FDS)
		return;
	w.watched[fd].on = NULL;
	epoll_ctl(w.epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* ---- the arena and the state ---- */

static int arena_file(void)
{
	int fd;

	if (!options.file)
		return memfd_create("tmemd-arena", MFD_CLOEXEC);
	fd = open(options.file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		errno = EBUSY;
		return -1;
	}
	return fd;
}

static int arena_map(int fd, bool fresh)
{
	static const struct tstore_codec * const lz4[] = { &tmem_liblz4, NULL };
	static const struct tstore_codec * const zstd[] = { &tmem_libzstd,
							    NULL };
	struct tstore_config config = {
		.bytes = options.max_size,
		.max_clients = TMEMD_CLIENTS,
		.max_shared = TMEMD_SHARED,
		.ghosts = true,
		.lasting = true,
		.dedup = options.dedup,
	};

	config.arena = mmap(NULL, options.max_size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (config.arena == MAP_FAILED)
		return -errno;
	madvise(config.arena, options.max_size, MADV_DONTDUMP);
	madvise(config.arena, options.max_size, MADV_HUGEPAGE);
	tmem_libzstd_init();
	if (!strcmp(options.codec, "lz4"))
		config.codecs = lz4;
	else if (!strcmp(options.codec, "zstd"))
		config.codecs = zstd;
	if (getrandom(&config.seed, sizeof(config.seed), 0) < 0)
		return -errno;
	return fresh ? tstore_create(&config, &store) :
		       tstore_open(&config, &store);
}

/* The first worker's beginning */
static int begin(void)
{
	int arena = arena_file(), fd, err;

	if (arena < 0) {
		log_error("%s: %s", options.file ? options.file : "memfd",
			  strerror(errno));
		return -errno;
	}
	if (ftruncate(arena, 0) || ftruncate(arena, options.max_size)) {
		log_error("no file of %llu MiB: %s",
			  (unsigned long long)options.max_size >> 20,
			  strerror(errno));
		return -errno;
	}
	fd = memfd_create("tmemd-state", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, sizeof(*state)))
		return -errno;
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	if (state == MAP_FAILED)
		return -errno;
	state->version = TMEMD_STATE_VERSION;
	state->next = TMEMD_HELD_FIRST;
	err = arena_map(arena, true);
	if (!err)
		err = pool_start(arena, false);
	if (err)
		return err;
	hold_as(TMEMD_HELD_STATE, fd);
	hold_as(TMEMD_HELD_ARENA, arena);
	return 0;
}

/* Another one's */
static int go_on(int fd)
{
	struct timespec from, to;
	struct tstore_stats stats;
	int err;

	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	if (state == MAP_FAILED)
		return -errno;
	if (state->version != TMEMD_STATE_VERSION)
		return -EPROTO;
	clock_gettime(CLOCK_MONOTONIC, &from);
	err = arena_map(held(TMEMD_HELD_ARENA), false);
	if (err)
		return err;
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (state->policy[0] && !policy_choose(state->policy))
		log_warn("no policy is called %s any more", state->policy);
	tstore_stats(store, &stats);
	log_info("found %llu pages in the arena within %lld ms, %llu damaged",
		 (unsigned long long)stats.recovered,
		 (to.tv_sec - from.tv_sec) * 1000LL +
		 (to.tv_nsec - from.tv_nsec) / 1000000,
		 (unsigned long long)stats.damaged);
	return pool_start(held(TMEMD_HELD_ARENA), true);
}

/* ---- clients ---- */

static int client_begin(const char *name, const struct share *share,
			const char *qmp, u64 memory)
{
	struct client *c;
	int err = client_add(name, share, qmp, &c);

	if (err)
		log_error("client %s: %s", name, strerror(-err));
	else if (memory)
		balloon_resize(c, memory);
	return err;
}

static int clients_begin(void)
{
	const char *name;
	unsigned int i;
	int err = 0;

	for (i = 0; i < options.nr && !err; i++)
		err = client_begin(options.specs[i].name,
				   &options.specs[i].share,
				   options.specs[i].qmp,
				   options.specs[i].memory);
	/* A socket that was passed makes a client, unless it is for another one */
	for (i = 0; !err && (name = socket_given_name(i)); i++)
		if (client_is_name(name) && !client_find(name))
			err = client_begin(name, &options.share, "", 0);
	return err;
}

static int clients_go_on(void)
{
	struct tstore_client *nobody;
	unsigned int i;
	int err;

	for (i = 0; i < TMEMD_CLIENTS; i++) {
		if (!state->clients[i].name[0])
			continue;
		clients[i].state = &state->clients[i];
		err = client_resume(&clients[i]);
		if (err)
			return err;
	}
	/* Of a worker that died before it named them */
	while ((nobody = tstore_client_find(store, 0)))
		tstore_client_destroy(nobody);
	return 0;
}

/* Descriptors that were held, and not written down before the worker died */
static void drop_strays(void)
{
	size_t i = 0;

	while (i < w.nr) {
		u64 id = w.holdings[i].id;
		bool known = id < TMEMD_HELD_FIRST || id == state->control ||
			     id >= TMEMD_HELD_GIVEN;
		unsigned int k;

		for (k = 0; k < TMEMD_CLIENTS && !known; k++)
			known = clients[k].state &&
				(vhost_names(&clients[k].state->tmem, id) ||
				 vhost_names(&clients[k].state->balloon, id));
		if (known)
			i++;
		else
			drop(id);
	}
}

/* ---- the main thread ---- */

static void on_signal(void *arg __always_unused)
{
	struct signalfd_siginfo info;

	if (read(w.signals, &info, sizeof(info)) != sizeof(info))
		return;
	worker_end(info.ssi_signo == SIGHUP ? KEEPER_AGAIN : 0);
}

static void on_keeper(void *arg __always_unused)
{
	log_error("the keeper is gone: nobody will start this process again");
	unwatch(w.line);
}

static bool is_torn(const struct device *dev)
{
	return dev && dev->mem && env_read_once(dev->mem->torn);
}

static void on_timer(void *arg __always_unused)
{
	struct client *c;
	u64 ticks;

	if (read(w.timer, &ticks, sizeof(ticks)) < 0)
		return;
	tstore_divide(store, options.policy);
	pool_tick();
	schedule_tick();
	control_tick();
	metrics_tick();
	history_tick();
	for (c = clients; c < clients + TMEMD_CLIENTS; c++) {
		if (is_torn(c->device))
			client_disconnect(c, "its memory has vanished");
		if (is_torn(c->balloon))
			balloon_disconnect(c, "its memory has vanished");
		if (c->qmp)
			qmp_tick(c->qmp);
	}
}

static int loop_init(void)
{
	struct itimerspec second = { { 1, 0 }, { 1, 0 } };
	sigset_t set;
	int err;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	w.signals = signalfd(-1, &set, SFD_CLOEXEC);
	w.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	w.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w.signals < 0 || w.timer < 0 || w.epoll < 0 ||
	    timerfd_settime(w.timer, 0, &second, NULL))
		return -errno;
	err = watch(w.signals, EPOLLIN, on_signal, NULL);
	if (!err)
		err = watch(w.timer, EPOLLIN, on_timer, NULL);
	if (!err)
		err = watch(w.line, EPOLLHUP, on_keeper, NULL);
	return err;
}

static void loop(void)
{
	struct epoll_event events[16];
	bool more = true;
	int nr, i;

	while (!w.ending) {
		nr = epoll_wait(w.epoll, events, ARRAY_SIZE(events),
				more ? 0 : -1);
		for (i = 0; i < nr; i++) {
			struct watched *watched = &w.watched[events[i].data.fd];

			/* One of the events before may have ended this */
			if (watched->on)
				watched->on(watched->arg);
		}
		more = control_step();
	}
}

static int start(void)
{
	struct keeper_msg ready = { .op = KEEPER_READY };
	bool again;
	int err;

	if (!hear_all())
		return -EPIPE;
	again = held(TMEMD_HELD_STATE) >= 0;
	err = again ? go_on(held(TMEMD_HELD_STATE)) : begin();
	if (!err)
		err = loop_init();
	if (!err)
		err = memory_start() ? -errno : 0;
	if (!err)
		err = threads_start(options.threads, options.poll_us);
	if (!err)
		err = sockets_start();
	if (!err)
		err = again ? clients_go_on() : clients_begin();
	if (!err)
		err = control_start();
	if (!err)
		err = schedule_start();
	if (!err)
		err = metrics_start();
	if (err)
		return err;
	if (again)
		drop_strays();
	history_start();
	state->starts++;
	keeper_send(w.line, &ready, -1);
	return 0;
}

/**
 * worker_end() - end this process when what is being done is done
 * @status: to exit with
 *
 * Context: the main thread.
 */
void worker_end(int status)
{
	w.ending = true;
	w.status = status;
}

/**
 * policy_choose() - have the pool divided in another way
 * @name: the policy
 *
 * Context: the main thread.
 * Return: false if there is none of this name
 */
bool policy_choose(const char *name)
{
	u32 i;

	for (i = 0; i < tstore_nr_policies; i++) {
		if (strcmp(name, tstore_policies[i].name))
			continue;
		options.policy = &tstore_policies[i];
		snprintf(state->policy, sizeof(state->policy), "%s", name);
		return true;
	}
	return false;
}

/**
 * worker_run() - serve until told to end
 * @line: to the keeper
 *
 * Return: status to exit with
 */
int worker_run(int line)
{
	int err;

	w.line = line;
	fcntl(line, F_SETFD, FD_CLOEXEC);
	err = start();
	if (err) {
		log_error("cannot serve: %s", strerror(-err));
		return 1;
	}
	log_info("a pool of %llu MiB, %u threads, policy %s",
		 (unsigned long long)state->size >> 20, options.threads,
		 options.policy->name);
	loop();
	threads_stop();
	return w.status;
}
