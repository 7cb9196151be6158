/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmem-sched, domains of Xen as guests
 */
#ifndef _TMEM_SCHED_DOMAINS_H
#define _TMEM_SCHED_DOMAINS_H

/* Before what includes the C library's headers: both have a page size */
#include "tmem_sched.h"
#include "xen_abi.h"
#include "xen.h"

/* More domains than Xen has clients; of those beyond nothing is decided */
#define DOMAINS		1024

/*
 * struct domain - a domain that is there, but for dom0
 * @there: there is one in this place
 * @seen: also in this round
 * @domid: its number
 * @name: its name
 * @except: nobody is to change it
 * @client: it is a client of the store, and has been looked at as one
 * @memory: of it
 * @reports: number of those that it has made
 * @reported_ms: when the last one was seen first
 * @back: pages that it has brought back
 * @granted: what its reports are answered; 0: what they ask for
 * @refused: its puts that must stay are
 * @said: the goal that was spoken of last
 */
struct domain {
	bool there;
	bool seen;
	domid_t domid;
	char name[NAME_TEXT];
	bool except;
	bool client;
	struct domain_memory memory;
	u64 reports;
	u64 reported_ms;
	u64 back;
	u64 granted;
	bool refused;
	u64 said;
};

void domain_begin(struct domain *d, struct sched_guest *g, u64 now_ms);
void domain_look(struct domain *d, struct sched_guest *g,
		 const struct xen_tmem_client *c, u64 pool, u64 now_ms);
void host_look(struct sched_host *host, const struct xen_tmem_info *before,
	       const struct xen_tmem_info *info, u64 guests, u64 memory);

#endif /* _TMEM_SCHED_DOMAINS_H */
