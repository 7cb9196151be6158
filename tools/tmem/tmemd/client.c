// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, clients come and go
 *
 * A client is a name with a socket: whoever may connect to that socket is it.
 * One guest at a time is connected.  What it stored is dropped when it leaves;
 * a guest that starts anew without leaving attaches anew, which does the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "worker.h"

/* Pages that a client gives up in one step when its cap is lowered */
#define STEP	512U

/* Messages that are heard before it is the turn of others */
#define TURN	64

struct client clients[TMEMD_CLIENTS];

/**
 * client_find() - the client of a name
 * @name: its name
 *
 * Context: the main thread, as all of this file.
 * Return: the client, or NULL
 */
struct client *client_find(const char *name)
{
	struct client *c;

	for (c = clients; c < clients + TMEMD_CLIENTS; c++)
		if (c->state && !strcmp(c->state->name, name))
			return c;
	return NULL;
}

/* It would be the name of another client's second socket */
static bool is_balloon(const char *name)
{
	size_t len = strlen(name), end = strlen(WORKER_BALLOON);

	return len >= end && !strcmp(name + len - end, WORKER_BALLOON);
}

/**
 * client_is_name() - can this be a client?
 * @name: its name, which is that of a file beside the control socket
 *
 * Return: true if so
 */
bool client_is_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strlen(name);

	return len && len < TMEMD_NAME && name[0] != '.' &&
	       strcmp(name, WORKER_CONTROL) && !is_balloon(name) &&
	       strspn(name, letters) == len;
}

static void on_listener(void *arg)
{
	client_connect(arg);
}

static int client_watch(struct client *c)
{
	return watch(c->listener, EPOLLIN, on_listener, c);
}

/**
 * client_add() - have a client from now on
 * @name: its name
 * @share: what it may have
 * @qmp: where QEMU is asked to move its balloon; empty: the balloon calls
 * @out: the client
 *
 * Return: 0; -EINVAL if that is no name; -EEXIST; -ENOSPC if there are too many
 *	clients; the error of making its socket
 */
int client_add(const char *name, const struct share *share, const char *qmp,
	       struct client **out)
{
	struct client *c = clients;
	struct client_state *cs;
	u64 listener, balloon_listener = 0;
	int fd, balloon = -1, err;

	if (!client_is_name(name))
		return -EINVAL;
	if (client_find(name))
		return -EEXIST;
	while (c < clients + TMEMD_CLIENTS && c->state)
		c++;
	if (c == clients + TMEMD_CLIENTS)
		return -ENOSPC;
	fd = socket_listen(name, 0660, &listener);
	if (fd < 0)
		return fd;
	if (!*qmp)
		balloon = balloon_socket(name, &balloon_listener);
	if (!*qmp && balloon < 0) {
		drop(listener);
		return balloon;
	}
	cs = &state->clients[c - clients];
	memset(cs, 0, sizeof(*cs));
	cs->share = *share;
	cs->tmem.listener = listener;
	cs->balloon.listener = balloon_listener;
	snprintf(cs->qmp, sizeof(cs->qmp), "%s", qmp);
	c->listener = fd;
	c->balloon_listener = balloon;
	/* The name is what makes it valid */
	memcpy(cs->name + 1, name + 1, strlen(name));
	env_store_release(&cs->name[0], name[0]);
	c->state = cs;
	*out = c;
	err = client_watch(c);
	if (!err)
		err = balloon_add(c);
	if (err)
		client_remove(c);
	return err;
}

/* All that its guest stored is dropped */
static void client_store_end(struct client *c)
{
	struct tstore_client *old;

	control_forget(c);
	old = c->store;
	c->store = NULL;
	if (old)
		tstore_client_destroy(old);
	c->state->tag = 0;
	c->state->waiting = 0;
}

/**
 * client_remove() - have a client no more
 * @c: the client; a guest that is connected is let go of
 */
void client_remove(struct client *c)
{
	struct client_state *cs = c->state;

	if (c->device)
		client_disconnect(c, "its client is removed");
	else
		client_store_end(c);
	balloon_remove(c);
	socket_remove(cs->name);
	unwatch(c->listener);
	env_store_release(&cs->name[0], 0);
	drop(cs->tmem.listener);
	*c = (struct client){ 0 };
}

/**
 * client_share() - change what a client may have
 * @c: the client
 * @share: this
 */
void client_share(struct client *c, const struct share *share)
{
	bool granted = c->state->share.cap != share->cap;

	c->state->share = *share;
	if (!c->store)
		return;
	tstore_client_set_share(c->store, share->min, share->weight);
	tstore_client_freeze(c->store, share->frozen);
	c->settling = true;
	if (granted && c->device)
		vhost_config_changed(c->device);
}

/**
 * client_settle() - have a client's limit be its cap, a step at a time
 * @c: the client
 *
 * What is above a lower limit is dropped at once, which may be much.
 *
 * Return: true if there is more to do
 */
bool client_settle(struct client *c)
{
	u64 cap = c->state->share.cap, limit;
	struct tstore_client_stats stats;

	if (!c->store)
		return false;
	tstore_client_stats(c->store, &stats);
	limit = (stats.bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
	if (limit > stats.limit)
		limit = stats.limit;
	if (limit <= cap + STEP) {
		tstore_client_set_limit(c->store, cap);
		return false;
	}
	tstore_client_set_limit(c->store, limit - STEP);
	return true;
}

/* The store's client, which has a name then */
static int client_store(struct client *c)
{
	u64 tag = c->state->tag;
	int err;

	if (tag && !c->store)
		c->store = tstore_client_find(store, tag);
	if (!c->store) {
		err = tstore_client_create(store, c->state->share.cap,
					   &c->store);
		if (err)
			return err;
		tag = 0;
	}
	if (!tag) {
		tag = ++state->tags;
		env_write_once(c->state->tag, tag);
		tstore_client_set_tag(c->store, tag);
	}
	tstore_client_set_share(c->store, c->state->share.min,
				c->state->share.weight);
	tstore_client_freeze(c->store, c->state->share.frozen);
	shared_client(c);
	c->settling = true;
	return 0;
}

/* The guest's queues are served, or were */
static bool client_at_work(const struct client *c)
{
	unsigned int i;

	for (i = 0; i < TMEMD_QUEUES; i++)
		if (c->device && c->device->queues[i].thread)
			return true;
	return false;
}

/**
 * client_restoring() - prepare a client for being restored
 * @c: the client
 *
 * From now on nothing is heard from its guest, if there is one.  Until the end
 * the store's client has no name, so that another worker does not keep it.
 *
 * Return: 0; -EBUSY if its guest is at work; -EEXIST if it was restored and its
 *	guest has not come yet; or -ENOMEM
 */
int client_restoring(struct client *c)
{
	int err = 0;

	if (c->restoring || client_at_work(c))
		return -EBUSY;
	if (c->store && !c->device)
		return -EEXIST;
	if (!c->store)
		err = tstore_client_create(store, c->state->share.cap,
					   &c->store);
	if (err)
		return err;
	c->restoring = true;
	rewatch(c->listener, 0);
	return 0;
}

/**
 * client_restored() - go on with a client that was restored
 * @c: the client
 * @good: it has succeeded; otherwise the client is as if nothing had been tried
 */
void client_restored(struct client *c, bool good)
{
	c->restoring = false;
	rewatch(c->listener, EPOLLIN);
	if (c->device) {
		/* By an edge, if there is something to hear */
		rewatch(c->device->conn, CONN_EVENTS);
		return;
	}
	if (good) {
		c->state->waiting = 1;
		client_store(c);
	} else {
		tstore_client_destroy(c->store);
		c->store = NULL;
	}
}

/**
 * device_hear() - hear what the front end says, as much as there is a turn for
 * @dev: the connection
 *
 * Return: false if the front end is gone
 */
bool device_hear(struct device *dev)
{
	enum vhost_heard heard = VHOST_MESSAGE;
	unsigned int nr;

	for (nr = 0; nr < TURN && heard == VHOST_MESSAGE; nr++)
		heard = vhost_listen(dev);
	/* The others first; there is an edge again if there is more */
	if (heard == VHOST_MESSAGE)
		rewatch(dev->conn, CONN_EVENTS);
	return heard != VHOST_GONE;
}

/**
 * device_create() - a connection to a front end
 * @c: its client
 * @type: of the device
 * @line: its state
 * @conn: the socket
 *
 * Return: the connection, or NULL if there is no memory
 */
struct device *device_create(struct client *c, const struct device_type *type,
			     struct line_state *line, int conn)
{
	struct device *dev = env_zalloc(sizeof(*dev));

	if (!dev)
		return NULL;
	dev->type = type;
	dev->client = c;
	dev->line = line;
	dev->conn = conn;
	return dev;
}

static void on_message(void *arg)
{
	struct client *c = arg;

	if (!c->restoring && !device_hear(c->device))
		client_disconnect(c, "gone");
}

static void tmem_get_config(const struct device *dev, u8 *config)
{
	const struct share *share = &dev->client->state->share;

	*(struct virtio_tmem_config *)config = (struct virtio_tmem_config){
		.version = TMEM_ABI_VERSION,
		.page_shift = PAGE_SHIFT,
		.features = share->hswap ? TMEM_FEATURES :
			    TMEM_FEATURES & ~TMEM_FEATURE_PERSISTENT,
		.num_queues = TMEMD_QUEUES,
		.max_requests = VIRTIO_TMEM_MAX_REQUESTS,
		.max_pages = VECTOR_PAGES,
		.grant = share->cap,
	};
}

static const struct device_type tmem_device = {
	.queues = TMEMD_QUEUES,
	.get_config = tmem_get_config,
	.serve = vector_serve,
};

static int device_start(struct client *c, int conn)
{
	int err;

	c->device = device_create(c, &tmem_device, &c->state->tmem, conn);
	if (!c->device)
		return -ENOMEM;
	err = client_store(c);
	if (err)
		return err;
	c->state->waiting = 0;
	err = vhost_resume(c->device);
	if (err)
		return err;
	return watch(conn, CONN_EVENTS, on_message, c);
}

/* Has the front end that is connected hung up, and nobody has looked yet? */
static void look_after(struct client *c)
{
	if (c->device)
		on_message(c);
}

/**
 * client_connect() - a front end calls
 * @c: the client on whose socket it does
 */
void client_connect(struct client *c)
{
	struct line_state *line = &c->state->tmem;
	int conn, err;

	conn = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn < 0)
		return;
	look_after(c);
	if (c->device) {
		log_guest(c, LOG_WARNING,
			  "a second guest calls, and is sent away");
		close(conn);
		return;
	}
	line->device[line->current & 1].conn = hold(conn);
	err = device_start(c, conn);
	if (err)
		client_disconnect(c, strerror(-err));
	else
		log_guest(c, LOG_INFO, "connected");
}

/* Has what was restored for its guest; otherwise one has just left */
static void client_wait(struct client *c)
{
	if (!c->state->tag)
		return;
	c->store = tstore_client_find(store, c->state->tag);
	c->settling = true;
	if (!c->state->waiting || !c->store)
		client_store_end(c);
}

/**
 * client_resume() - go on with a client of a worker that has died
 * @c: the client, whose state is there
 *
 * Return: 0 or a negative error number; a guest that cannot be served any more
 *	is let go of, which is no error
 */
int client_resume(struct client *c)
{
	struct line_state *line = &c->state->tmem;
	u64 conn = line->device[line->current & 1].conn;
	int err;

	c->listener = held(line->listener);
	if (conn) {
		err = device_start(c, held(conn));
		if (err)
			client_disconnect(c, strerror(-err));
		else
			on_message(c);
	} else {
		client_wait(c);
	}
	err = client_watch(c);
	return err ? err : balloon_resume(c);
}

/**
 * client_disconnect() - let go of a guest, and of all that it stored
 * @c: its client
 * @why: for the log
 */
void client_disconnect(struct client *c, const char *why)
{
	control_forget(c);
	unwatch(c->device->conn);
	vhost_forget(c->device);
	env_free(c->device);
	c->device = NULL;
	client_store_end(c);
	log_guest(c, LOG_INFO, "disconnected: %s", why);
}

/**
 * client_counts() - what has happened to a client since it is there
 * @c: the client
 * @count: out: COUNTS numbers
 */
void client_counts(const struct client *c, u64 *count)
{
	unsigned int i, q;

	for (i = 0; i < COUNTS; i++) {
		count[i] = c->count[i];
		for (q = 0; c->device && q < TMEMD_QUEUES; q++)
			count[i] += env_read_once(c->device->queues[q].count[i]);
		for (q = 0; c->balloon && q < BALLOON_QUEUES; q++)
			count[i] += env_read_once(c->balloon->queues[q].count[i]);
	}
}
