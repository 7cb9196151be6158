/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: a machine with Xen for tmemctl, which is none
 */
#ifndef _FAKE_XEN_H
#define _FAKE_XEN_H

#include <stdbool.h>
#include <stdint.h>

#include "xen_abi.h"

#define DOMAINS		600

enum stage { NONE, SAVING, FINISHED, RESTORING };

struct domain {
	bool exists;
	bool client;
	bool paused;
	bool reports;		/* it does, whenever clients are listed */
	bool stuck;		/* its balloon does not move */
	enum stage stage;
	uint64_t at;		/* bytes of the stream so far */
	uint64_t wrong;		/* bytes that were not what they are to be */
	char name[32];
	uint64_t pages;		/* it has */
	uint64_t max_pages;
	uint64_t target;	/* KiB, as xenstore has it; 0: it does not */
	uint64_t static_max;	/* likewise */
	struct xen_tmem_client info;
	struct xen_tmem_shared shared[2];	/* uuid 0: none */
};

struct machine {
	bool made;
	bool traced;		/* it has been begun, and not ended */
	uint64_t must_stay;	/* the pool gets no smaller */
	struct xen_tmem_info info;
	struct domain domains[DOMAINS];
};

extern struct machine *m;

bool lies(const char *what);

#endif /* _FAKE_XEN_H */
