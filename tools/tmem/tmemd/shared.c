// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, who may join which shared pools
 *
 * What a client may join is a part of its state, and outlives its guests and the
 * worker; the store's client, if there is one, is told.  The pools themselves end
 * with the worker: the guests' requests get -ENXIO, and they may join anew.
 */
#include <errno.h>
#include <string.h>

#include "../json.h"
#include "../uuid.h"
#include "control.h"
#include "worker.h"

static struct shared_state *find(struct client *c, const u64 *uuid)
{
	struct shared_state *s = c->state->shared;

	for (; s < c->state->shared + TMEMD_CLIENT_SHARED; s++)
		if (s->used && s->uuid[0] == uuid[0] && s->uuid[1] == uuid[1])
			return s;
	return NULL;
}

/**
 * shared_allow() - let a client join a shared pool
 * @c: the client, with a guest or without
 * @uuid: name of the pool
 *
 * Context: the main thread, as all of this file.
 * Return: 0; -ENOMEM; -ENOSPC if there are too many pools; -E2BIG if the client
 *	may join too many
 */
int shared_allow(struct client *c, const u64 *uuid)
{
	struct shared_state *s = c->state->shared;
	int err;

	if (find(c, uuid))
		return 0;
	while (s < c->state->shared + TMEMD_CLIENT_SHARED && s->used)
		s++;
	if (s == c->state->shared + TMEMD_CLIENT_SHARED)
		return -E2BIG;
	err = c->store ? tstore_client_allow(c->store, uuid) : 0;
	if (err)
		return err;
	s->uuid[0] = uuid[0];
	s->uuid[1] = uuid[1];
	/* What makes it valid */
	env_store_release(&s->used, 1);
	return 0;
}

/**
 * shared_forbid() - the opposite: a guest that has joined is out
 * @c: the client
 * @uuid: name of the pool
 *
 * Return: 0 or -ENOENT
 */
int shared_forbid(struct client *c, const u64 *uuid)
{
	struct shared_state *s = find(c, uuid);
	bool begun = false;

	if (!s)
		return -ENOENT;
	env_write_once(s->used, 0);
	/* What it was not told of, as there was no room, it does not forbid */
	while (c->store && tstore_client_forbid(c->store, uuid, &begun) > 0)
		env_relax();
	return 0;
}

/**
 * shared_client() - tell the store what a client may join
 * @c: the client; it has one of the store's
 */
void shared_client(struct client *c)
{
	struct shared_state *s = c->state->shared;
	char text[UUID_TEXT];

	for (; s < c->state->shared + TMEMD_CLIENT_SHARED; s++)
		if (s->used && tstore_client_allow(c->store, s->uuid))
			log_guest(c, LOG_WARNING,
				  "no room for the shared pool %s",
				  uuid_text(text, s->uuid));
}

/* How the pool is; all zero if it is not there */
static void look(const struct client *c, const u64 *uuid,
		 struct tstore_shared_stats *out)
{
	u32 at = 0;

	while (c->store && tstore_client_shared(c->store, &at, out))
		if (out->uuid[0] == uuid[0] && out->uuid[1] == uuid[1])
			return;
	memset(out, 0, sizeof(*out));
}

/**
 * shared_report() - what a client may join
 * @c: the client
 *
 * Return: an array, for json_object_put()
 */
struct json_object *shared_report(const struct client *c)
{
	const struct shared_state *s = c->state->shared;
	struct json_object *all = json_object_new_array(), *one;
	struct tstore_shared_stats stats;
	char text[UUID_TEXT];

	for (; s < c->state->shared + TMEMD_CLIENT_SHARED; s++) {
		if (!s->used)
			continue;
		look(c, s->uuid, &stats);
		one = json_object_new_object();
		uuid_text(text, s->uuid);
		add_text(one, "uuid", text);
		add_bool(one, "joined", stats.joined);
		add_number(one, "pages", stats.pages);
		json_object_array_add(all, one);
	}
	return all;
}
