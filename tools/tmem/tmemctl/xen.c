// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, what Xen can be asked for
 *
 * The requests and their answers are those of tmemd's control protocol.  A
 * client is a domain.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tmemctl.h"
#include "xen_abi.h"
#include "xen.h"

#define MAX_WEIGHT	1000000
#define MAX_SECONDS	86400

/* With less than so many pages dom0 cannot go on; libxl says so, too */
#define LEAST_DOM0	((128ULL << 20) / PAGE)

/**
 * refuse() - say why something cannot be done
 * @q: the request
 * @err: error number
 * @format: as of printf()
 *
 * Return: -@err
 */
int refuse(struct asked *q, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(q->why, sizeof(q->why), format, args);
	va_end(args);
	return -err;
}

/* ---- arguments ---- */

/* 1 if it is there, 0 if not; otherwise a negative error number */
static int find_number(struct asked *q, const char *name, uint64_t most,
		       uint64_t *number)
{
	struct json_object *value = part_of(q->args, name);
	int64_t got = json_object_get_int64(value);

	if (!value)
		return 0;
	if (got < 0 || (uint64_t)got > most)
		return refuse(q, ERANGE, "%s is not from 0 to %llu", name,
			      (unsigned long long)most);
	*number = got;
	return 1;
}

/* Bytes in the request, pages here */
static int find_size(struct asked *q, const char *name, uint64_t most,
		     uint64_t *pages)
{
	uint64_t bytes = 0;
	int there = find_number(q, name, most << PAGE_SHIFT, &bytes);

	if (there <= 0)
		return there;
	if (bytes % PAGE)
		return refuse(q, EINVAL, "%s is not a multiple of %llu", name,
			      PAGE);
	*pages = bytes >> PAGE_SHIFT;
	return 1;
}

/* Whether there is such a domain is not looked at */
static int find_domain(struct asked *q, const char **name, domid_t *domid)
{
	int err;

	*name = text_of(q->args, "client");
	err = domain_find(*name, domid);
	if (err == -EEXIST)
		return refuse(q, EEXIST,
			      "several domains are called %.40s: say the number of one",
			      *name);
	return err ? refuse(q, ENOENT, "no client is called %.40s", *name) : 0;
}

/* 1 if the domain is a client, 0 if not; otherwise a negative error number */
static int get_client(domid_t domid, struct xen_tmem_client *out)
{
	struct xen_tmem_client *all;
	size_t nr;
	int found, err = client_list(domid, 1, &all, &nr);

	if (err)
		return err;
	found = nr && all->domid == domid;
	if (found)
		*out = *all;
	free(all);
	return found;
}

static int find_client(struct asked *q, const char **name,
		       struct xen_tmem_client *out)
{
	domid_t domid;
	int there, err = find_domain(q, name, &domid);

	if (err)
		return err;
	there = get_client(domid, out);
	if (!there)
		return refuse(q, ENOENT,
			      "no client is called %.40s: a domain is one when it has used tmem",
			      *name);
	return there < 0 ? there : 0;
}

/* ---- requests ---- */

static int do_list(struct asked *q)
{
	return list_report(q);
}

static int do_stats(struct asked *q)
{
	return stats_report(q);
}

static int answer_client(struct asked *q, const struct xen_tmem_client *c)
{
	struct shared_list shared;
	int err = shared_list(c->domid, c->domid, &shared);

	if (err)
		return err;
	json_object_put(q->answer);
	q->answer = client_report(&q->info, c, &shared);
	shared_free(&shared);
	return 0;
}

static int do_show(struct asked *q)
{
	struct xen_tmem_client c;
	const char *name;
	int err = find_client(q, &name, &c);

	return err ? err : answer_client(q, &c);
}

/* What the request says, and which of it */
static int find_share(struct asked *q, struct xen_tmem_control *op)
{
	uint64_t weight = 0;
	int there;

	there = find_size(q, "min", q->info.pages, &op->u.set.min);
	if (there > 0)
		op->u.set.what |= XEN_TMEM_SET_MIN;
	if (there >= 0)
		there = find_size(q, "cap", q->info.pages, &op->u.set.cap);
	if (there > 0)
		op->u.set.what |= XEN_TMEM_SET_CAP;
	if (there >= 0)
		there = find_number(q, "weight", MAX_WEIGHT, &weight);
	if (there > 0)
		op->u.set.what |= XEN_TMEM_SET_WEIGHT;
	op->u.set.weight = weight;
	/* false is 0, too */
	if (there >= 0)
		there = find_size(q, "hswap", INT64_MAX >> PAGE_SHIFT,
				  &op->u.set.hswap);
	if (there > 0)
		op->u.set.what |= XEN_TMEM_SET_HSWAP;
	return there < 0 ? there : 0;
}

/* How a domain is now that it has been changed, and so is a client */
static int answer_changed(struct asked *q, const char *name, domid_t domid)
{
	struct xen_tmem_client c;
	int there = get_client(domid, &c);

	if (there < 0)
		return there;
	if (!there)
		return refuse(q, ENOENT, "%.40s has ended meanwhile", name);
	return answer_client(q, &c);
}

/* A domain that has not used tmem is a client from then on */
static int change_client(struct asked *q, const char *name,
			 struct xen_tmem_control *op)
{
	int err;

	op->op = XEN_TMEM_SET;
	err = xen_call(op);
	if (err == -ESRCH)
		return refuse(q, ENOENT, "no client is called %.40s", name);
	if (err == -ENOSPC)
		return refuse(q, ENOSPC, "there are too many clients");
	return err;
}

/* May a domain be asked to keep so much?  0 is all; out: what that comes to */
static int check_memory(struct asked *q, domid_t domid,
			struct domain_memory *memory, uint64_t *pages)
{
	int err = memory_look(domid, memory);

	if (err)
		return err;
	if (!memory->target)
		return refuse(q, ENOENT,
			      "xenstore has no target for this domain's memory");
	if (!*pages || *pages > memory->all)
		*pages = memory->all;
	if (!domid && *pages < LEAST_DOM0)
		return refuse(q, EINVAL, "dom0 needs 128 MiB at least");
	return 0;
}

static int do_set(struct asked *q)
{
	struct xen_tmem_client was = { .cap = UINT64_MAX };
	struct xen_tmem_control op = { 0 };
	uint64_t min, cap, pages = 0;
	struct domain_memory memory;
	const char *name;
	int err, there;

	err = find_domain(q, &name, &op.domid);
	if (!err)
		err = get_client(op.domid, &was);
	if (err >= 0)
		err = find_share(q, &op);
	if (err)
		return err;
	min = op.u.set.what & XEN_TMEM_SET_MIN ? op.u.set.min : was.min;
	cap = op.u.set.what & XEN_TMEM_SET_CAP ? op.u.set.cap : was.cap;
	if (min > cap)
		return refuse(q, EINVAL, "min is more than cap");
	there = find_size(q, "memory", MOST_PAGES, &pages);
	if (there > 0)
		err = check_memory(q, op.domid, &memory, &pages);
	if (err == -ESRCH)
		return refuse(q, ENOENT, "no client is called %.40s", name);
	if (there < 0 || err)
		return there < 0 ? there : err;
	err = change_client(q, name, &op);
	if (!err && there && !memory_set(op.domid, &memory, pages))
		err = refuse(q, EIO, "xenstore does not take it: %s",
			     strerror(errno));
	return err ? err : answer_changed(q, name, op.domid);
}

static int set_frozen(struct asked *q, bool frozen)
{
	struct xen_tmem_control op = {
		.u.set.what = XEN_TMEM_SET_FROZEN,
		.u.set.frozen = frozen,
	};
	const char *name;
	int err = find_domain(q, &name, &op.domid);

	if (err)
		return err;
	if (!frozen)
		client_unsave(op.domid);
	err = change_client(q, name, &op);
	return err ? err : answer_changed(q, name, op.domid);
}

static int do_freeze(struct asked *q)
{
	return set_frozen(q, true);
}

static int do_thaw(struct asked *q)
{
	return set_frozen(q, false);
}

static int share(struct asked *q, uint32_t what)
{
	struct xen_tmem_control op = { .op = what };
	const char *name;
	int err = find_domain(q, &name, &op.domid);

	if (!err)
		err = client_share(q, name, &op);
	return err ? err : answer_changed(q, name, op.domid);
}

static int do_allow(struct asked *q)
{
	return share(q, XEN_TMEM_ALLOW);
}

static int do_forbid(struct asked *q)
{
	return share(q, XEN_TMEM_FORBID);
}

/* As many as there are: those that come meanwhile may stay */
static int do_drop(struct asked *q)
{
	struct xen_tmem_control op = { .op = XEN_TMEM_DROP };
	struct xen_tmem_client c;
	const char *name;
	int err = find_client(q, &name, &c);

	if (err)
		return err;
	op.domid = c.domid;
	op.u.pages.nr = c.ephemeral;
	err = xen_call(&op);
	if (!err && op.u.pages.done > c.ephemeral)
		err = -EBADMSG;
	json_object_object_add(q->answer, "pages",
			       json_object_new_uint64(op.u.pages.done));
	return err;
}

static int do_save(struct asked *q)
{
	struct xen_tmem_client c;
	const char *name;
	int err = find_client(q, &name, &c);

	return err ? err : client_save(q, name, c.domid);
}

static int do_restore(struct asked *q)
{
	const char *name;
	domid_t domid;
	int err = find_domain(q, &name, &domid);

	if (err)
		return err;
	err = client_restore(q, name, domid);
	if (err == -ESRCH)
		return refuse(q, ENOENT, "no client is called %.40s", name);
	return err;
}

static int do_policy(struct asked *q)
{
	const char *name = text_of(q->args, "policy");
	struct xen_tmem_control op = { .op = XEN_TMEM_POLICY };
	int err = 0, policy;

	if (name) {
		policy = policy_find(&q->info, name);
		if (policy < 0)
			return refuse(q, EINVAL, "no policy is called %.40s",
				      name);
		op.u.policy = policy;
		err = xen_call(&op);
		if (!err)
			err = xen_info(&q->info);
	}
	if (!err)
		policy_report(q->answer, &q->info);
	return err;
}

/*
 * If the request says a size it is set, and what there is then is known.  1 if
 * it says one, 0 if not; otherwise a negative error number.
 */
static int set_size(struct asked *q, uint32_t what, uint64_t most,
		    uint64_t *pages)
{
	struct xen_tmem_control op = { .op = what };
	int err, there = find_size(q, "size", most, pages);

	if (there <= 0)
		return there;
	op.u.pages.nr = *pages;
	err = xen_call(&op);
	if (!err)
		err = xen_info(&q->info);
	return err ? err : 1;
}

static int do_size(struct asked *q)
{
	uint64_t pages;
	int there = set_size(q, XEN_TMEM_SIZE, q->info.pages, &pages);

	if (there < 0)
		return there;
	if (there && q->info.present > pages)
		return refuse(q, ENOSPC,
			      "the pool has %llu KiB, and the rest must stay at present",
			      (unsigned long long)q->info.present << 2);
	size_report(q->answer, &q->info);
	return 0;
}

static int do_reserve(struct asked *q)
{
	uint64_t pages;
	int there = set_size(q, XEN_TMEM_RESERVE, INT64_MAX >> PAGE_SHIFT,
			     &pages);

	if (there < 0)
		return there;
	size_report(q->answer, &q->info);
	return 0;
}

static int do_free(struct asked *q)
{
	uint64_t pages;
	int there = set_size(q, XEN_TMEM_FREE, INT64_MAX >> PAGE_SHIFT, &pages);

	if (there < 0)
		return there;
	if (!there)
		return refuse(q, EINVAL, "free: no size is said");
	if (q->info.heap_free < pages)
		return refuse(q, ENOSPC,
			      "%llu KiB are free, and the pool can give no more at present",
			      (unsigned long long)q->info.heap_free << 2);
	size_report(q->answer, &q->info);
	return 0;
}

static int do_trace(struct asked *q)
{
	uint64_t seconds = 0;
	int there = find_number(q, "seconds", MAX_SECONDS, &seconds);

	return there < 0 ? there : domains_trace(q, seconds);
}

/* ---- what only tmemd can ---- */

static int do_add(struct asked *q)
{
	return refuse(q, EOPNOTSUPP,
		      "add: in Xen a domain becomes a client by itself; one that there is can be set before");
}

static int do_remove(struct asked *q)
{
	return refuse(q, EOPNOTSUPP,
		      "remove: in Xen a domain is a client until it ends (xl destroy); freeze and drop it, or set its cap");
}

static int do_history(struct asked *q)
{
	return refuse(q, EOPNOTSUPP,
		      "report: Xen remembers nothing; keep the answers of --json list and --json stats, or look at top");
}

static int do_reload(struct asked *q)
{
	return refuse(q, EOPNOTSUPP,
		      "reload: there is no daemon; Xen starts anew with the machine");
}

/* ---- the table ---- */

static const struct {
	const char *name;
	int (*run)(struct asked *q);
} requests[] = {
	{ "list", do_list },
	{ "show", do_show },
	{ "set", do_set },
	{ "add", do_add },
	{ "remove", do_remove },
	{ "freeze", do_freeze },
	{ "thaw", do_thaw },
	{ "allow", do_allow },
	{ "forbid", do_forbid },
	{ "policy", do_policy },
	{ "drop", do_drop },
	{ "save", do_save },
	{ "restore", do_restore },
	{ "trace", do_trace },
	{ "size", do_size },
	{ "reserve", do_reserve },
	{ "free", do_free },
	{ "stats", do_stats },
	{ "history", do_history },
	{ "reload", do_reload },
	{ 0 }
};

static int run(struct asked *q)
{
	const char *name = text_of(q->args, "request");
	int i = 0;

	while (requests[i].name && strcmp(requests[i].name, name))
		i++;
	if (!requests[i].name)
		return refuse(q, EOPNOTSUPP, "Xen knows no %s", name);
	return requests[i].run(q);
}

/* What an error says about the hypervisor, where a request has no better word */
static const char *words(int err)
{
	switch (err) {
	case -EBADMSG:
		return "what the hypervisor answers makes no sense";
	case -EBUSY:
		return "the hypervisor is busy with this";
	case -EPERM:
	case -EACCES:
		return "the hypervisor's security policy forbids it";
	case -ENOMEM:
		return "there is no memory for it";
	case -ESRCH:
		return "the domain has ended";
	case -ECANCELED:
		return "interrupted; nothing was changed";
	}
	return strerror(-err);
}

static void answer_error(struct asked *q, int err)
{
	json_object_put(q->answer);
	q->answer = json_object_new_object();
	json_object_object_add(q->answer, "error",
			       json_object_new_string(*q->why ? q->why :
						      words(err)));
	json_object_object_add(q->answer, "errno", json_object_new_int(-err));
}

/**
 * xen_ask() - ask the hypervisor for something
 * @request: what
 * @fd: a descriptor to go with it, or -1
 *
 * Return: the answer, or NULL with errno set if there is no store in it
 */
struct json_object *xen_ask(struct json_object *request, int fd)
{
	struct asked q = { .args = request, .fd = fd };
	int err = xen_open();

	if (!err)
		err = xen_info(&q.info);
	if (err && err != -EBADMSG) {
		errno = -err;
		return NULL;
	}
	q.answer = json_object_new_object();
	if (!err)
		err = run(&q);
	if (err)
		answer_error(&q, err);
	return q.answer;
}

/**
 * xen_absent() - say why no store has answered
 * @err: error number
 */
void xen_absent(int err)
{
	static const char *const ways_out[] = {
		"Xen has one if it was built with it, and started with tmem=1 on its command line.",
		"The hypervisor does this for its control domain only, dom0.",
		"It has another version of the interface than this tmemctl.",
		"This is for root in the control domain of Xen, dom0; for tmemd, leave out --host.",
	};
	int way = 3;

	if (err == EOPNOTSUPP || err == ENOSYS)
		way = 0;
	else if (err == EPERM)
		way = 1;
	else if (err == EINVAL)
		way = 2;
	fprintf(stderr, "tmemctl: no store answers in the hypervisor: %s\n%s\n",
		strerror(err), ways_out[way]);
}
