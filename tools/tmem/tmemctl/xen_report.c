// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, how a hypervisor's store is
 *
 * The hypervisor counts pages.  Answers are in bytes, as tmemd's are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tmem_env.h>

#include "../json.h"
#include "policy.h"
#include "xen_abi.h"
#include "xen.h"

/* ---- clients ---- */

/* In tmemd's order, and by its names */
static struct json_object *counts_report(const struct xen_tmem_client *c)
{
	struct json_object *all = json_object_new_object();

	add_number(all, "vectors", c->vectors);
	add_number(all, "requests", c->requests);
	add_number(all, "puts", c->puts);
	add_number(all, "stored", c->stored);
	add_number(all, "gets", c->gets);
	add_number(all, "hits", c->hits);
	add_number(all, "flushed", c->flushed);
	add_number(all, "loaded", c->loaded);
	return all;
}

/* By the names that a guest's balloon has with tmemd */
static void memory_report(struct json_object *to, domid_t domid)
{
	struct domain_memory memory;

	if (memory_look(domid, &memory))
		return;
	add_pages(to, "memory", memory.all);
	add_pages(to, "memory_goal",
		  memory.target < memory.all ? memory.target : 0);
	add_pages(to, "resident", memory.has);
	add_pages(to, "balloon", memory.all - memory.has);
}

/**
 * client_report() - how a client is
 * @info: the store
 * @c: the client
 * @shared: the shared pools that it may join, and maybe those of others
 *
 * Return: an object, for json_object_put()
 */
struct json_object *client_report(const struct xen_tmem_info *info,
				  const struct xen_tmem_client *c,
				  const struct shared_list *shared)
{
	struct json_object *all = json_object_new_object();
	struct json_object *refused = json_object_new_object();
	struct tmem_report said;
	char name[NAME_TEXT];

	add_text(all, "name", domain_name(name, c->domid));
	add_number(all, "domain", c->domid);
	add_bool(all, "connected", c->pools);
	add_pages(all, "min", c->min < info->pages ? c->min : info->pages);
	add_pages(all, "cap", c->cap < info->pages ? c->cap : info->pages);
	add_number(all, "weight", c->weight);
	add_bool(all, "hswap", c->hswap);
	add_pages(all, "hswap_size", c->hswap);
	add_bool(all, "frozen", c->frozen);
	add_number(all, "pools", c->pools);
	add_number(all, "ephemeral_pages", c->ephemeral);
	add_number(all, "persistent_pages", c->persistent);
	add_pages(all, "charged", c->ephemeral + c->persistent);
	add_pages(all, "target", c->target);
	if (c->report.total) {
		report_of(c, &said);
		json_object_object_add(all, "report", report_object(&said));
	}
	add_number(all, "evicted", c->evicted);
	memory_report(all, c->domid);
	add_number(refused, "full", c->reject_full);
	add_number(refused, "limit", c->reject_limit);
	add_number(refused, "frozen", c->reject_frozen);
	json_object_object_add(all, "refused", refused);
	json_object_object_add(all, "shared", shared_report(shared, c->domid));
	json_object_object_add(all, "counters", counts_report(c));
	return all;
}

/**
 * list_report() - how all clients are
 * @q: the request
 *
 * Return: 0 or a negative error number
 */
int list_report(struct asked *q)
{
	struct json_object *list = json_object_new_array();
	struct xen_tmem_client *all;
	struct shared_list shared;
	size_t nr, i;
	int err = client_list(0, SIZE_MAX, &all, &nr);

	json_object_object_add(q->answer, "clients", list);
	if (err)
		return err;
	err = shared_list(0, DOMID_FIRST_RESERVED, &shared);
	for (i = 0; !err && i < nr; i++)
		json_object_array_add(list, client_report(&q->info, &all[i],
							  &shared));
	shared_free(&shared);
	free(all);
	return err;
}

/* ---- the store ---- */

/**
 * size_report() - how large the pool is
 * @to: an object to which that is added
 * @info: the store
 *
 * It has memory only for what is in it.  Its size is how much it may have; what
 * it has beyond that, as that must stay, it is on its way to give up.
 */
void size_report(struct json_object *to, const struct xen_tmem_info *info)
{
	add_pages(to, "size", info->present > info->size ? info->present :
							   info->size);
	add_pages(to, "goal", info->size);
	add_pages(to, "max_size", info->pages);
	add_pages(to, "metadata", info->metadata);
	add_pages(to, "present", info->present);
	add_pages(to, "reserve", info->reserve);
	add_pages(to, "memory_free", info->heap_free);
	add_pages(to, "memory_freeable", info->freeable);
}

/* A policy that was made after this program has its number only */
static const char *policy_name(char *text, size_t bytes, uint32_t policy)
{
	if (policy < tstore_nr_policies)
		return tstore_policies[policy].name;
	snprintf(text, bytes, "%u", policy);
	return text;
}

/**
 * policy_find() - the policy that is called so
 * @info: the store
 * @name: its name
 *
 * Return: its number or -ENOENT
 */
int policy_find(const struct xen_tmem_info *info, const char *name)
{
	char text[16];
	uint32_t i;

	for (i = 0; i < info->nr_policies; i++)
		if (!strcmp(policy_name(text, sizeof(text), i), name))
			return i;
	return -ENOENT;
}

/**
 * policy_report() - how the pool is divided
 * @to: an object to which that is added
 * @info: the store
 */
void policy_report(struct json_object *to, const struct xen_tmem_info *info)
{
	struct json_object *all = json_object_new_array();
	const char *name;
	char text[16];
	uint32_t i;

	add_text(to, "policy", policy_name(text, sizeof(text), info->policy));
	for (i = 0; i < info->nr_policies; i++) {
		name = policy_name(text, sizeof(text), i);
		json_object_array_add(all, json_object_new_string(name));
	}
	json_object_object_add(to, "policies", all);
}

static struct json_object *store_report(const struct xen_tmem_info *info)
{
	struct json_object *all = json_object_new_object();

	add_number(all, "pages", info->pages);
	add_number(all, "free", info->free);
	add_number(all, "out", info->pages - info->present);
	add_number(all, "ephemeral", info->ephemeral);
	add_number(all, "persistent", info->persistent);
	add_number(all, "stored", info->stored);
	add_number(all, "replaced", info->replaced);
	add_number(all, "hits", info->hits);
	add_number(all, "misses", info->misses);
	add_number(all, "flushed", info->flushed);
	add_number(all, "evicted", info->evicted);
	add_number(all, "reject_full", info->reject_full);
	add_number(all, "reject_limit", info->reject_limit);
	add_number(all, "reject_frozen", info->reject_frozen);
	return all;
}

/**
 * stats_report() - how the store is
 * @q: the request
 *
 * Return: 0 or a negative error number
 */
int stats_report(struct asked *q)
{
	struct xen_tmem_client *all;
	size_t nr, i, connected = 0;
	char text[16];
	int err = client_list(0, SIZE_MAX, &all, &nr);

	if (err)
		return err;
	for (i = 0; i < nr; i++)
		connected += !!all[i].pools;
	free(all);
	add_text(q->answer, "host", "xen");
	add_text(q->answer, "policy",
		 policy_name(text, sizeof(text), q->info.policy));
	add_text(q->answer, "codec", "none");
	add_bool(q->answer, "dedup", false);
	add_number(q->answer, "clients", nr);
	add_number(q->answer, "connected", connected);
	size_report(q->answer, &q->info);
	json_object_object_add(q->answer, "store", store_report(&q->info));
	return 0;
}
