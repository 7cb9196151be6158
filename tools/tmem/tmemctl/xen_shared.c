// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, pools that domains of Xen share
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../uuid.h"
#include "tmemctl.h"
#include "xen_abi.h"
#include "xen.h"

/* Shared pools that one call tells of; all those of a domain have to fit */
#define SHARED_PAGES	4
#define SHARED_ROOM	(SHARED_PAGES * PAGE / sizeof(struct xen_tmem_shared))

static bool makes_sense(const struct xen_tmem_shared *s, domid_t from)
{
	return s->domid >= from && s->domid < DOMID_FIRST_RESERVED &&
	       s->joined <= 1 && (s->uuid[0] || s->uuid[1]);
}

/* Those of domains from @from on.  Returns how many, or a negative error number. */
static int list_some(domid_t from, struct xen_tmem_shared *all)
{
	struct xen_tmem_control op = { .op = XEN_TMEM_SHARED, .domid = from };
	static struct xen_tmem_shared *buffer;
	uint32_t i;
	int err;

	if (!buffer)
		buffer = xen_buffer(SHARED_PAGES);
	if (!buffer)
		return -ENOMEM;
	op.u.shared.nr = SHARED_ROOM;
	set_xen_guest_handle(op.u.shared.pools, buffer);
	err = xen_call(&op);
	if (err)
		return err;
	if (op.u.shared.nr > SHARED_ROOM)
		return -EBADMSG;
	memcpy(all, buffer, op.u.shared.nr * sizeof(*all));
	/* In the order of domains, or else there would be no end to it */
	for (i = 0; i < op.u.shared.nr; from = all[i++].domid)
		if (!makes_sense(&all[i], from))
			return -EBADMSG;
	return op.u.shared.nr;
}

/**
 * shared_list() - the shared pools that domains may join
 * @from: number of the first domain that is wanted
 * @to: and of the last one
 * @list: out: that, to be given to shared_free()
 *
 * Return: 0 or a negative error number, and then nothing is out
 */
int shared_list(domid_t from, domid_t to, struct shared_list *list)
{
	struct xen_tmem_shared *more;
	int got;

	*list = (struct shared_list){ 0 };
	do {
		more = realloc(list->all,
			       (list->nr + SHARED_ROOM) * sizeof(*more));
		if (more)
			list->all = more;
		got = more ? list_some(from, more + list->nr) : -ENOMEM;
		if (got < 0) {
			shared_free(list);
			return got;
		}
		list->nr += got;
		if (got)
			from = list->all[list->nr - 1].domid + 1;
	} while (got && from <= to);
	return 0;
}

/**
 * shared_free() - the opposite of shared_list()
 * @list: what it returned
 */
void shared_free(struct shared_list *list)
{
	free(list->all);
	*list = (struct shared_list){ 0 };
}

/**
 * shared_report() - the shared pools that a domain may join
 * @list: those of all
 * @domid: the domain
 *
 * Return: an array, for json_object_put()
 */
struct json_object *shared_report(const struct shared_list *list, domid_t domid)
{
	struct json_object *all = json_object_new_array(), *one;
	const struct xen_tmem_shared *s;
	char text[UUID_TEXT];

	for (s = list->all; s < list->all + list->nr; s++) {
		if (s->domid != domid)
			continue;
		one = json_object_new_object();
		uuid_text(text, s->uuid);
		json_object_object_add(one, "uuid",
				       json_object_new_string(text));
		json_object_object_add(one, "joined",
				       json_object_new_boolean(s->joined));
		json_object_object_add(one, "pages",
				       json_object_new_uint64(s->pages));
		json_object_array_add(all, one);
	}
	return all;
}

/**
 * client_share() - let a domain join a shared pool, or throw it out
 * @q: the request
 * @name: of the domain
 * @op: with the number of the domain, and what is to be done
 *
 * Return: 0 or a negative error number
 */
int client_share(struct asked *q, const char *name,
		 struct xen_tmem_control *op)
{
	const char *text = text_of(q->args, "uuid");
	uint64_t uuid[2];
	int err;

	if (!text || !uuid_parse(text, uuid))
		return refuse(q, EINVAL,
			      "uuid: not one, such as 01234567-89ab-cdef-0123-456789abcdef");
	op->u.share.uuid[0] = uuid[0];
	op->u.share.uuid[1] = uuid[1];
	err = xen_call(op);
	if (err == -ESRCH)
		return refuse(q, ENOENT, "no client is called %.40s", name);
	if (err == -ENOSPC)
		return refuse(q, ENOSPC,
			      "there are too many clients or shared pools");
	if (err == -ENOENT)
		return refuse(q, ENOENT,
			      "%.40s is not allowed to join this shared pool",
			      name);
	return err;
}
