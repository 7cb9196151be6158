// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, what can be asked for
 *
 * Everything in a request is looked at before anything is changed.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../uuid.h"
#include "control.h"
#include "keeper.h"
#include "policy.h"
#include "pool.h"
#include "schedule.h"
#include "transfer.h"
#include "worker.h"

/* Pages that are dropped in one step */
#define DROP_STEP	512U

#define MAX_WEIGHT	1000000

/* Bytes that a guest may be asked to keep: as much as pages can be counted of */
#define MAX_MEMORY	(1ULL << 44)

/* Longest trace: a day */
#define MAX_TRACE_S	86400

/**
 * refuse() - say why something cannot be done
 * @conn: who wants it
 * @err: error number
 * @format: as of printf()
 *
 * Return: -@err
 */
int refuse(struct conn *conn, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(conn->why, sizeof(conn->why), format, args);
	va_end(args);
	return -err;
}

/* ---- arguments ---- */

/* 1 if it is there, 0 if not; otherwise a negative error number */
static int find(struct conn *conn, struct json_object *args, const char *name,
		json_type type, struct json_object **out)
{
	if (!json_object_object_get_ex(args, name, out))
		return 0;
	if (json_object_is_type(*out, type))
		return 1;
	return refuse(conn, EINVAL, "%s has to be of type %s", name,
		      json_type_to_name(type));
}

static int find_text(struct conn *conn, struct json_object *args,
		     const char *name, const char **text)
{
	struct json_object *value;
	int there = find(conn, args, name, json_type_string, &value);

	if (there <= 0)
		return there;
	*text = json_object_get_string(value);
	if (strlen(*text) == (size_t)json_object_get_string_len(value))
		return 1;
	return refuse(conn, EINVAL, "%s holds a zero", name);
}

static int find_bool(struct conn *conn, struct json_object *args,
		     const char *name, bool *is)
{
	struct json_object *value;
	int there = find(conn, args, name, json_type_boolean, &value);

	if (there > 0)
		*is = json_object_get_boolean(value);
	return there;
}

static int find_number(struct conn *conn, struct json_object *args,
		       const char *name, u64 most, u64 *number)
{
	struct json_object *value;
	int there = find(conn, args, name, json_type_int, &value);
	s64 got;

	if (there <= 0)
		return there;
	got = json_object_get_int64(value);
	if (got < 0 || (u64)got > most)
		return refuse(conn, ERANGE, "%s is not from 0 to %llu", name,
			      (unsigned long long)most);
	*number = got;
	return 1;
}

static int find_bytes(struct conn *conn, struct json_object *args,
		      const char *name, u64 most, u64 *bytes)
{
	u64 got = 0;
	int there = find_number(conn, args, name, most, &got);

	if (there <= 0)
		return there;
	if (got % PAGE_SIZE)
		return refuse(conn, EINVAL, "%s is not a multiple of %lu",
			      name, PAGE_SIZE);
	*bytes = got;
	return 1;
}

/* Bytes in the request, pages here */
static int find_size(struct conn *conn, struct json_object *args,
		     const char *name, u64 *pages)
{
	u64 bytes;
	int there = find_bytes(conn, args, name, options.max_size, &bytes);

	if (there > 0)
		*pages = bytes >> PAGE_SHIFT;
	return there;
}

/* What its guest is to have of its own: a size, or "auto"; and between what */
static int find_memory(struct conn *conn, struct json_object *args,
		       struct share *share, u64 *memory)
{
	struct json_object *value;
	const char *text;
	int there;

	there = find_bytes(conn, args, "memory_min", MAX_MEMORY,
			   &share->memory_min);
	if (there >= 0)
		there = find_bytes(conn, args, "memory_max", MAX_MEMORY,
				   &share->memory_max);
	if (there < 0)
		return there;
	if (share->memory_max && share->memory_min > share->memory_max)
		return refuse(conn, EINVAL,
			      "memory_min is more than memory_max");
	if (!json_object_object_get_ex(args, "memory", &value))
		return 0;
	share->memory_auto = json_object_is_type(value, json_type_string);
	if (!share->memory_auto)
		return find_bytes(conn, args, "memory", MAX_MEMORY, memory);
	there = find_text(conn, args, "memory", &text);
	if (there < 0)
		return there;
	if (strcmp(text, "auto"))
		return refuse(conn, EINVAL,
			      "memory is a number of bytes, or \"auto\"");
	return options.memory ? 0 :
	       refuse(conn, EINVAL,
		      "tmemd was started without --memory, so nobody decides that");
}

static int find_client(struct conn *conn, struct json_object *args,
		       struct client **out)
{
	const char *name;
	int there = find_text(conn, args, "client", &name);

	if (there < 0)
		return there;
	if (!there)
		return refuse(conn, EINVAL, "client: which one?");
	*out = client_find(name);
	return *out ? 0 : refuse(conn, ENOENT, "no client is called %.40s",
				 name);
}

/* The same, with a guest or with what was restored for one */
static int find_live_client(struct conn *conn, struct json_object *args,
			    struct client **out)
{
	int err = find_client(conn, args, out);

	if (err)
		return err;
	return (*out)->store ? 0 : refuse(conn, ENOTCONN,
					  "%s: no guest is connected",
					  (*out)->state->name);
}

/* Changes @share as far as the request says */
static int find_share(struct conn *conn, struct json_object *args,
		      struct share *share)
{
	u64 weight = share->weight;
	int there;

	there = find_size(conn, args, "min", &share->min);
	if (there >= 0)
		there = find_size(conn, args, "cap", &share->cap);
	if (there >= 0)
		there = find_number(conn, args, "weight", MAX_WEIGHT, &weight);
	if (there >= 0)
		there = find_bool(conn, args, "hswap", &share->hswap);
	if (there < 0)
		return there;
	share->weight = weight;
	if (share->min > share->cap)
		return refuse(conn, EINVAL, "min is more than cap");
	return 0;
}

static void answer_client(struct conn *conn, const struct client *client)
{
	json_object_put(conn->answer);
	conn->answer = report_client(client);
}

/* ---- requests ---- */

static int do_list(struct conn *conn, struct json_object *args __always_unused)
{
	json_object_object_add(conn->answer, "clients", report_clients());
	return 0;
}

static int do_show(struct conn *conn, struct json_object *args)
{
	struct client *c;
	int err = find_client(conn, args, &c);

	if (!err)
		answer_client(conn, c);
	return err;
}

static int do_set(struct conn *conn, struct json_object *args)
{
	struct share share;
	struct client *c;
	u64 memory = 0;
	int err = find_client(conn, args, &c), there;

	if (err)
		return err;
	share = c->state->share;
	err = find_share(conn, args, &share);
	if (err)
		return err;
	there = find_memory(conn, args, &share, &memory);
	if (there < 0)
		return there;
	client_share(c, &share);
	if (there)
		balloon_resize(c, memory);
	schedule_tick();
	answer_client(conn, c);
	return 0;
}

static int do_add(struct conn *conn, struct json_object *args)
{
	struct share share = options.share;
	const char *name, *qmp = "";
	u64 memory = 0;
	struct client *c;
	int err;

	err = find_text(conn, args, "client", &name);
	if (err <= 0)
		return err ? err : refuse(conn, EINVAL,
					  "client: what is its name?");
	err = find_share(conn, args, &share);
	if (!err)
		err = find_memory(conn, args, &share, &memory);
	if (err >= 0)
		err = find_text(conn, args, "qmp", &qmp);
	if (err > 0 && !qmp_is_path(qmp))
		return refuse(conn, EINVAL,
			      "qmp is not the whole path of a socket");
	if (err >= 0)
		err = client_add(name, &share, qmp, &c);
	if (err == -EEXIST)
		return refuse(conn, EEXIST, "there is a client %.40s", name);
	if (err == -EINVAL && !*conn->why)
		return refuse(conn, EINVAL,
			      "a name is 1 to %d letters, digits, '.', '_' and '-', and not \"%s\"",
			      TMEMD_NAME - 1, WORKER_CONTROL);
	if (err)
		return err;
	if (memory)
		balloon_resize(c, memory);
	answer_client(conn, c);
	return 0;
}

static int do_remove(struct conn *conn, struct json_object *args)
{
	bool force = false;
	struct client *c;
	int err = find_client(conn, args, &c);

	if (!err)
		err = find_bool(conn, args, "force", &force);
	if (err < 0)
		return err;
	if (c->store && !force)
		return refuse(conn, EBUSY, "%s: a guest has pages here",
			      c->state->name);
	client_remove(c);
	return 0;
}

static int freeze(struct conn *conn, struct json_object *args, bool frozen)
{
	struct share share;
	struct client *c;
	int err = find_client(conn, args, &c);

	if (err)
		return err;
	share = c->state->share;
	share.frozen = frozen;
	client_share(c, &share);
	answer_client(conn, c);
	return 0;
}

static int do_freeze(struct conn *conn, struct json_object *args)
{
	return freeze(conn, args, true);
}

static int do_thaw(struct conn *conn, struct json_object *args)
{
	return freeze(conn, args, false);
}

/* A client, and the name of a shared pool */
static int find_shared(struct conn *conn, struct json_object *args,
		       struct client **c, u64 *uuid)
{
	const char *text;
	int err = find_client(conn, args, c), there;

	if (err)
		return err;
	there = find_text(conn, args, "uuid", &text);
	if (there < 0)
		return there;
	return there && uuid_parse(text, uuid) ? 0 :
	       refuse(conn, EINVAL,
		      "uuid: not one, such as 01234567-89ab-cdef-0123-456789abcdef");
}

static int do_allow(struct conn *conn, struct json_object *args)
{
	struct client *c;
	u64 uuid[2];
	int err = find_shared(conn, args, &c, uuid);

	if (err)
		return err;
	err = shared_allow(c, uuid);
	if (err == -E2BIG)
		return refuse(conn, E2BIG, "a client may join %d shared pools",
			      TMEMD_CLIENT_SHARED);
	if (err == -ENOSPC)
		return refuse(conn, ENOSPC, "there are %d shared pools already",
			      TMEMD_SHARED);
	if (!err)
		answer_client(conn, c);
	return err;
}

static int do_forbid(struct conn *conn, struct json_object *args)
{
	struct client *c;
	u64 uuid[2];
	int err = find_shared(conn, args, &c, uuid);

	if (err)
		return err;
	err = shared_forbid(c, uuid);
	if (err)
		return refuse(conn, ENOENT,
			      "%s is not allowed to join this shared pool",
			      c->state->name);
	answer_client(conn, c);
	return 0;
}

static int do_policy(struct conn *conn, struct json_object *args)
{
	struct json_object *all;
	const char *name;
	int there;
	u32 i;

	there = find_text(conn, args, "policy", &name);
	if (there < 0)
		return there;
	if (there && !policy_choose(name))
		return refuse(conn, EINVAL, "no policy is called %.40s", name);
	json_object_object_add(conn->answer, "policy",
			       json_object_new_string(options.policy->name));
	all = json_object_new_array();
	for (i = 0; i < tstore_nr_policies; i++) {
		name = tstore_policies[i].name;
		json_object_array_add(all, json_object_new_string(name));
	}
	json_object_object_add(conn->answer, "policies", all);
	return 0;
}

/* conn->number is how many there were: those that come meanwhile may stay */
static int drop_step(struct conn *conn)
{
	u32 nr = conn->number < DROP_STEP ? conn->number : DROP_STEP;
	u32 done = tstore_client_evict(conn->client->store, nr);

	conn->number -= done;
	return done == nr && conn->number ? CONTROL_LATER : 0;
}

static int do_drop(struct conn *conn, struct json_object *args)
{
	struct tstore_client_stats stats;
	struct client *c;
	int err = find_live_client(conn, args, &c);

	if (err)
		return err;
	tstore_client_stats(c->store, &stats);
	json_object_object_add(conn->answer, "pages",
			       json_object_new_uint64(stats.ephemeral));
	conn->client = c;
	conn->number = stats.ephemeral;
	conn->step = drop_step;
	return CONTROL_LATER;
}

static int do_save(struct conn *conn, struct json_object *args)
{
	struct client *c;
	int err = find_live_client(conn, args, &c);

	return err ? err : transfer_begin(conn, c, TRANSFER_SAVE);
}

static int do_restore(struct conn *conn, struct json_object *args)
{
	struct client *c;
	int err = find_client(conn, args, &c);

	return err ? err : transfer_begin(conn, c, TRANSFER_RESTORE);
}

static int do_trace(struct conn *conn, struct json_object *args)
{
	int there;

	there = find_number(conn, args, "seconds", MAX_TRACE_S, &conn->number);
	if (there <= 0)
		return there ? there : refuse(conn, EINVAL,
					      "seconds: how long?");
	return transfer_begin(conn, NULL, TRANSFER_TRACE);
}

static int size_step(struct conn *conn)
{
	struct pool_size size;

	pool_look(&size);
	if (size.stuck && size.goal == conn->number && size.size < size.goal)
		return refuse(conn, ENOMEM,
			      "the pool has %llu KiB, and the system has no memory for more at present",
			      (unsigned long long)size.size >> 10);
	if (size.stuck && size.goal == conn->number)
		return refuse(conn, ENOSPC,
			      "the pool has %llu KiB, and the rest must stay at present",
			      (unsigned long long)size.size >> 10);
	if (size.size != size.goal && size.goal == conn->number)
		return CONTROL_LATER;
	report_size(conn->answer);
	return 0;
}

static int do_size(struct conn *conn, struct json_object *args)
{
	struct pool_size size;
	u64 pages;
	int there = find_size(conn, args, "size", &pages);

	if (there < 0)
		return there;
	if (!there) {
		report_size(conn->answer);
		return 0;
	}
	if (options.memory)
		return refuse(conn, EBUSY,
			      "the pool has what guests leave of --memory");
	pool_look(&size);
	conn->number = pages << PAGE_SHIFT;
	if (pool_resize(conn->number))
		return refuse(conn, EINVAL,
			      "less than %llu KiB, which the pool needs for itself",
			      (unsigned long long)(size.metadata + PAGE_SIZE) >>
			      10);
	conn->step = size_step;
	return CONTROL_LATER;
}

static int do_scheduler(struct conn *conn, struct json_object *args)
{
	const char *name;
	int there;

	there = find_text(conn, args, "scheduler", &name);
	if (there < 0)
		return there;
	if (!options.memory)
		return refuse(conn, EOPNOTSUPP,
			      "tmemd was started without --memory");
	if (there && !schedule_choose(name))
		return refuse(conn, EINVAL, "no scheduler is called %.40s",
			      name);
	if (there)
		schedule_tick();
	schedule_report(conn->answer);
	return 0;
}

static int do_why(struct conn *conn, struct json_object *args)
{
	struct client *c;
	int err = find_client(conn, args, &c);

	if (err)
		return err;
	if (!options.memory)
		return refuse(conn, EOPNOTSUPP,
			      "tmemd was started without --memory");
	if (!schedule_guest(c))
		return refuse(conn, ENOTCONN,
			      "%s: no guest is connected, or it is too new",
			      c->state->name);
	schedule_why(conn->answer, c);
	return 0;
}

static int do_stats(struct conn *conn,
		    struct json_object *args __always_unused)
{
	report_stats(conn->answer);
	return 0;
}

static int do_history(struct conn *conn, struct json_object *args)
{
	u64 from = 0;
	int there = find_number(conn, args, "from", INT64_MAX, &from);

	if (there < 0)
		return there;
	report_history(conn->answer, from);
	return 0;
}

static int do_reload(struct conn *conn __always_unused,
		     struct json_object *args __always_unused)
{
	worker_end(KEEPER_AGAIN);
	return 0;
}

/* ---- the table ---- */

static const struct {
	const char *name;
	int (*run)(struct conn *conn, struct json_object *args);
	const char *keys;	/* after a space each */
} requests[] = {
	{ "list", do_list, "" },
	{ "show", do_show, " client " },
	{ "set", do_set,
	  " client min cap weight hswap memory memory_min memory_max " },
	{ "add", do_add,
	  " client min cap weight hswap memory memory_min memory_max qmp " },
	{ "remove", do_remove, " client force " },
	{ "freeze", do_freeze, " client " },
	{ "thaw", do_thaw, " client " },
	{ "allow", do_allow, " client uuid " },
	{ "forbid", do_forbid, " client uuid " },
	{ "policy", do_policy, " policy " },
	{ "drop", do_drop, " client " },
	{ "save", do_save, " client " },
	{ "restore", do_restore, " client " },
	{ "trace", do_trace, " seconds " },
	{ "size", do_size, " size " },
	{ "scheduler", do_scheduler, " scheduler " },
	{ "why", do_why, " client " },
	{ "stats", do_stats, "" },
	{ "history", do_history, " from " },
	{ "reload", do_reload, "" },
};

static bool allowed(const char *keys, const char *key)
{
	char padded[40];

	return snprintf(padded, sizeof(padded), " %s ", key) <
	       (int)sizeof(padded) && strstr(keys, padded);
}

/**
 * request_do() - do what a request asks for
 * @conn: who asks
 * @args: the request
 *
 * Return: 0, with the answer in @conn; CONTROL_LATER; or a negative error number
 */
int request_do(struct conn *conn, struct json_object *args)
{
	const char *name = "";
	unsigned int i = 0;
	int err;

	err = find_text(conn, args, "request", &name);
	if (err < 0)
		return err;
	while (i < ARRAY_SIZE(requests) && strcmp(requests[i].name, name))
		i++;
	if (i == ARRAY_SIZE(requests))
		return refuse(conn, EOPNOTSUPP, "no request is called \"%.40s\"",
			      name);
	json_object_object_foreach(args, key, value) {
		(void)value;
		if (strcmp(key, "request") && !allowed(requests[i].keys, key))
			return refuse(conn, EINVAL, "%s knows no \"%.40s\"",
				      name, key);
	}
	return requests[i].run(conn, args);
}
