// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: what a client asks about itself, and says of its memory
 */
#include "private.h"

/**
 * tstore_client_set_grant() - say what reports are answered
 * @c: the client
 * @pages: of memory that it may have; 0: what it asks for
 *
 * Context: no lock held.
 */
void tstore_client_set_grant(struct tstore_client *c, u64 pages)
{
	spin_lock(&c->L4_lock);
	c->grant = pages;
	spin_unlock(&c->L4_lock);
}

/* TMEM_OP_QUERY */
int tstore_query(struct tstore_client *c,
		 const struct tmem_req *req __always_unused, env_data_t data,
		 struct tstore_work *work __always_unused)
{
	struct tmem_query query;
	void *ptr;

	memset(&query, 0, sizeof(query));
	spin_lock(&c->L4_lock);
	query.limit = c->rec->limit;
	query.ephemeral = c->charged[TSTORE_EPHEMERAL];
	query.persistent = c->charged[TSTORE_PERSISTENT];
	query.pools = c->nr_pools;
	spin_unlock(&c->L4_lock);

	ptr = env_data_map(data, 0);
	if (!ptr)
		return -EFAULT;
	memcpy(ptr, &query, sizeof(query));
	env_data_unmap(ptr);
	return 0;
}

static bool tstore_report_valid(const struct tmem_report *rep)
{
	return rep->total && rep->total <= TMEM_REPORT_MAX &&
	       rep->floor <= rep->total &&
	       rep->estimate <= TMEM_REPORT_MAX &&
	       rep->target <= TMEM_REPORT_MAX &&
	       rep->misses <= TMEM_REPORT_MAX &&
	       rep->pressure <= 1000 && rep->confidence <= 100 &&
	       !rep->grant && rep->flags <= TMEM_REPORT_SELF && !rep->reserved;
}

/* TMEM_OP_REPORT; where nobody divides the memory of clients, each gets it */
int tstore_report(struct tstore_client *c,
		  const struct tmem_req *req __always_unused, env_data_t data,
		  struct tstore_work *work __always_unused)
{
	struct tmem_report rep;
	int err = 0;
	void *ptr;

	ptr = env_data_map(data, 0);
	if (!ptr)
		return -EFAULT;
	memcpy(&rep, ptr, sizeof(rep));
	env_data_unmap(ptr);
	if (!tstore_report_valid(&rep))
		return -EINVAL;

	spin_lock(&c->L4_lock);
	rep.grant = c->grant ? c->grant : rep.target;
	if (!c->rec->epoch)
		err = -ENOTCONN;
	else if (!(c->rec->features & TMEM_FEATURE_REPORT))
		err = -EPERM;
	if (!err) {
		c->report = rep;
		c->reports++;
	}
	spin_unlock(&c->L4_lock);
	if (err)
		return err;

	ptr = env_data_map(data, 0);
	if (!ptr)
		return -EFAULT;
	memcpy(ptr, &rep, sizeof(rep));
	env_data_unmap(ptr);
	return 0;
}
