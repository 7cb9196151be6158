// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, memory that guests give back
 *
 * Each client has a second socket, NAME.balloon, on which its guest's front end
 * may call for a balloon of virtio: the guest puts pages into it until there are
 * as many as it is asked for, and takes them out when it is asked for fewer, or
 * when it runs out of memory.  With free page reporting it also tells of memory
 * that it does not use, without giving it up.
 *
 * Here are its configuration and connections; see balloon_pages.c for the pages,
 * and qmp.c for the balloon of a client whose QEMU has one of its own.
 *
 * Context: the main thread, all of this file.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/virtio_balloon.h>

#include "schedule.h"
#include "vhost.h"
#include "worker.h"

#define BIT(n)		(1ULL << (n))

/* ---- configuration ---- */

/**
 * device_memory() - all memory that a front end has handed over
 * @dev: the connection to it, or NULL
 *
 * Return: bytes
 */
u64 device_memory(const struct device *dev)
{
	unsigned int i;
	u64 bytes = 0;

	for (i = 0; dev && dev->mem && i < dev->mem->nr; i++)
		bytes += dev->mem->regions[i].size;
	return bytes;
}

static void get_config(const struct device *dev, u8 *config)
{
	struct virtio_balloon_config *b = (void *)config;
	const struct client_state *cs = dev->client->state;
	u64 all = device_memory(dev);

	if (cs->memory && cs->memory < all)
		b->num_pages = (all - cs->memory) / PAGE_SIZE;
	b->actual = cs->inflated;
}

/* All that a driver writes is how many pages are in the balloon */
static int set_config(struct device *dev, u32 offset, u32 size, const u8 *bytes)
{
	u32 actual;

	if (offset != offsetof(struct virtio_balloon_config, actual) ||
	    size != sizeof(actual))
		return -EINVAL;
	memcpy(&actual, bytes, sizeof(actual));
	env_write_once(dev->client->state->inflated, actual);
	return 0;
}

static const struct device_type balloon_device = {
	.features = BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
		    BIT(VIRTIO_BALLOON_F_REPORTING),
	.queues = BALLOON_QUEUES,
	.get_config = get_config,
	.set_config = set_config,
	.serve = balloon_serve,
};

/* ---- connections ---- */

static void on_message(void *arg)
{
	struct client *c = arg;

	if (!device_hear(c->balloon))
		balloon_disconnect(c, "gone");
}

static int start(struct client *c, int conn)
{
	int err;

	c->balloon = device_create(c, &balloon_device, &c->state->balloon,
				   conn);
	if (!c->balloon)
		return -ENOMEM;
	err = vhost_resume(c->balloon);
	return err ? err : watch(conn, CONN_EVENTS, on_message, c);
}

static void on_listener(void *arg)
{
	struct client *c = arg;
	struct line_state *line = &c->state->balloon;
	int conn, err;

	conn = accept4(c->balloon_listener, NULL, NULL,
		       SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn < 0)
		return;
	/* One that has hung up, and nobody has looked yet */
	if (c->balloon)
		on_message(c);
	if (c->balloon) {
		log_guest(c, LOG_WARNING,
			  "a second balloon calls, and is sent away");
		close(conn);
		return;
	}
	line->device[line->current & 1].conn = hold(conn);
	c->state->inflated = 0;
	if (c->state->share.memory_auto)
		c->state->memory = 0;
	c->state->proof = 0;
	c->state->beyond = 0;
	schedule_forget(c);
	err = start(c, conn);
	if (err)
		balloon_disconnect(c, strerror(-err));
	else
		log_guest(c, LOG_INFO, "its balloon is connected");
}

static void socket_name(const char *client, char *name, size_t room)
{
	snprintf(name, room, "%s%s", client, WORKER_BALLOON);
}

/**
 * balloon_socket() - make the socket for the balloon of a client
 * @client: its name
 * @id: out: the number under which it is held
 *
 * Return: the socket, or the error of making it
 */
int balloon_socket(const char *client, u64 *id)
{
	char name[TMEMD_NAME + sizeof(WORKER_BALLOON)];

	socket_name(client, name, sizeof(name));
	return socket_listen(name, 0660, id);
}

/**
 * balloon_add() - wait for the balloon of a client
 * @c: the client, with the socket, or with a path for QMP
 *
 * Return: 0 or a negative error number
 */
int balloon_add(struct client *c)
{
	if (*c->state->qmp) {
		c->qmp = qmp_start(c);
		return c->qmp ? 0 : -ENOMEM;
	}
	return watch(c->balloon_listener, EPOLLIN, on_listener, c);
}

/**
 * balloon_resume() - go on with the balloon of a client of another worker
 * @c: the client
 *
 * Return: 0 or a negative error number; a balloon that cannot be served any more
 *	is let go of, which is no error
 */
int balloon_resume(struct client *c)
{
	struct line_state *line = &c->state->balloon;
	u64 conn = line->device[line->current & 1].conn;
	int err;

	c->balloon_listener = held(line->listener);
	if (conn) {
		err = start(c, held(conn));
		if (err)
			balloon_disconnect(c, strerror(-err));
		else
			on_message(c);
	}
	return balloon_add(c);
}

/**
 * balloon_disconnect() - let go of a balloon
 * @c: its client
 * @why: for the log
 *
 * What is in it stays with the guest's file as it is: the guest may come back.
 */
void balloon_disconnect(struct client *c, const char *why)
{
	unwatch(c->balloon->conn);
	vhost_forget(c->balloon);
	env_free(c->balloon);
	c->balloon = NULL;
	log_guest(c, LOG_INFO, "its balloon is disconnected: %s", why);
}

/**
 * balloon_remove() - wait for no balloon any more
 * @c: the client; it is removed
 */
void balloon_remove(struct client *c)
{
	char name[TMEMD_NAME + sizeof(WORKER_BALLOON)];

	if (c->balloon)
		balloon_disconnect(c, "its client is removed");
	if (c->qmp)
		qmp_stop(c->qmp);
	if (*c->state->qmp)
		return;
	socket_name(c->state->name, name, sizeof(name));
	socket_remove(name);
	unwatch(c->balloon_listener);
	drop(c->state->balloon.listener);
}

/**
 * balloon_resize() - have a guest keep so much of its memory
 * @c: the client
 * @memory: bytes, or 0: all
 *
 * It does as far as it can, and tells how far.
 */
void balloon_resize(struct client *c, u64 memory)
{
	bool changed = c->state->memory != memory;

	c->state->memory = memory;
	c->state->resized = true;
	if (changed && c->balloon)
		vhost_config_changed(c->balloon);
	if (c->qmp)
		qmp_resize(c->qmp);
}

/* Of a guest's memory, what the host has memory for */
static u64 resident_of(const struct line_state *line)
{
	const struct device_state *s = &line->device[line->current & 1];
	u64 last = 0, bytes = 0;
	struct stat st;
	unsigned int i;

	for (i = 0; i < s->nr_regions; i++) {
		if (fstat(held(s->regions[i].fd), &st) || st.st_ino == last)
			continue;
		/* Pieces of one file come one after the other */
		last = st.st_ino;
		bytes += st.st_blocks * 512ULL;
	}
	return bytes;
}

/**
 * balloon_memory() - what memory a guest has
 * @c: the client
 * @resident: out: bytes of it that the host has memory for; 0 if that is not
 *	known, as its QEMU has not handed its memory over
 *
 * Return: bytes, with those in the balloon; 0 if no balloon is connected
 */
u64 balloon_memory(const struct client *c, u64 *resident)
{
	*resident = 0;
	if (c->qmp && qmp_memory(c->qmp)) {
		*resident = c->device ? resident_of(&c->state->tmem) : 0;
		return qmp_memory(c->qmp);
	}
	if (!c->balloon || !c->balloon->mem)
		return 0;
	*resident = resident_of(&c->state->balloon);
	return device_memory(c->balloon);
}
