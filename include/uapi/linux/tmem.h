/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/*
 * Transcendent memory: the wire ABI, version 2
 *
 * A client (one boot of one guest) keeps pages in a store that is not its own
 * memory.  It names a page by pool, object and index, never by address, and
 * says everything in fixed-size requests that a carrier transports in vectors.
 * This file is the only definition of the ABI; every carrier and every store
 * includes it.  Documentation/tmem/abi.rst is the normative text.
 *
 * Little-endian, naturally aligned, no implicit padding.  Fields that an
 * operation does not use are zero, and a store refuses a request in which they
 * are not.
 */
#ifndef _UAPI_LINUX_TMEM_H
#define _UAPI_LINUX_TMEM_H

#include <linux/types.h>

#define TMEM_ABI_VERSION	2

/* The longest run of one request: a 2 MiB folio of 4 KiB pages */
#define TMEM_MAX_RUN		512

/**
 * enum tmem_opcode - what a request asks for
 * @TMEM_OP_ATTACH: negotiate; @addr names a page with a struct tmem_attach.
 *	Destroys all pools of the client's earlier epochs.
 * @TMEM_OP_POOL_CREATE: create the pool whose id the client chose, in @pool,
 *	with the TMEM_POOL_* flags in @index and, for a shared one, its uuid in
 *	object[0] and object[1].  Creating a pool that exists with the same
 *	flags and uuid is a success, so that a request may be replayed.
 * @TMEM_OP_POOL_DESTROY: destroy a pool and all it holds; leave a shared one,
 *	which is destroyed when its last member has left.
 * @TMEM_OP_PUT: store a run.  Persistent: all of it or none.  Ephemeral: a
 *	prefix, whose length is in @done.  A page that was not stored is no
 *	longer in the pool, whatever it held under that key before.
 * @TMEM_OP_GET: return the longest prefix of a run that is present; @done is
 *	its length and the status is -ENOENT only when it is empty.  From a
 *	private ephemeral pool the pages returned leave the store.
 * @TMEM_OP_FLUSH: drop a run of one object; @nr_pages 0 means to the end of
 *	the object.  Absent pages are a success.
 * @TMEM_OP_FLUSH_OBJECT: drop an object.
 * @TMEM_OP_REPORT: the client's working-set report, in the struct tmem_report
 *	in the page at @addr, to which the host's grant is written.
 * @TMEM_OP_QUERY: the client's limits and usage, written to the struct
 *	tmem_query in the page at @addr.
 * @TMEM_OP_NR: number of operations, not one itself.
 */
enum tmem_opcode {
	TMEM_OP_ATTACH		= 1,
	TMEM_OP_POOL_CREATE	= 2,
	TMEM_OP_POOL_DESTROY	= 3,
	TMEM_OP_PUT		= 4,
	TMEM_OP_GET		= 5,
	TMEM_OP_FLUSH		= 6,
	TMEM_OP_FLUSH_OBJECT	= 7,
	TMEM_OP_REPORT		= 8,
	TMEM_OP_QUERY		= 9,
	TMEM_OP_NR
};

/* tmem_req.flags: @addr names a page with a list of frames, not a first frame */
#define TMEM_REQ_LIST		(1 << 0)
#define TMEM_REQ_FLAGS		TMEM_REQ_LIST

/*
 * Pool flags, in the index field of TMEM_OP_POOL_CREATE.  A shared pool is
 * ephemeral; the sixteen bytes of its uuid are in object[0] and object[1].  Only
 * clients that the host has authorised may join it.
 */
#define TMEM_POOL_PERSISTENT	(1 << 0)
#define TMEM_POOL_SHARED	(1 << 1)
#define TMEM_POOL_FLAGS		(TMEM_POOL_PERSISTENT | TMEM_POOL_SHARED)

/**
 * struct tmem_req - one request
 * @op: enum tmem_opcode
 * @flags: TMEM_REQ_*
 * @reserved: zero
 * @pool: pool id, below the max_pools that ATTACH returned
 * @object: name of the object, 24 bytes of the client's choice
 * @index: first page of the run
 * @nr_pages: length of the run, 1 to TMEM_MAX_RUN; FLUSH takes any length,
 *	and 0 for "to the end of the object"
 * @seq: orders a late flush against a newer put: a flush removes a page only
 *	if its own seq is not older, by serial number arithmetic
 *	((__s32)(flush - put) >= 0).  A flush with seq 0 removes unconditionally.
 * @addr: guest frame number of the first page; of a frame list with
 *	TMEM_REQ_LIST
 * @status: out: 0 or a negative error number (Linux numbering)
 * @done: out: pages stored, returned or dropped
 */
struct tmem_req {
	__u8	op;
	__u8	flags;
	__u16	reserved;
	__u32	pool;
	__u64	object[3];
	__u64	index;
	__u32	nr_pages;
	__u32	seq;
	__u64	addr;
	__s32	status;
	__u32	done;
};

/**
 * struct tmem_attach - the page of TMEM_OP_ATTACH
 * @version: in: the newest version that the client speaks; out: the version
 *	that both will speak
 * @page_shift: in: the client's; refused when the store's differs
 * @features: in: TMEM_FEATURE_* that the client wants; out: those it gets
 * @epoch: out: number of this attachment, never used before for this client
 * @max_pools: out: pool ids are below this
 * @max_run: out: longest run, at most TMEM_MAX_RUN
 * @reserved: zero
 */
struct tmem_attach {
	__u32	version;
	__u32	page_shift;
	__u64	features;
	__u64	epoch;
	__u32	max_pools;
	__u32	max_run;
	__u64	reserved[4];
};

/* Pools that keep what they accepted are offered to this client */
#define TMEM_FEATURE_PERSISTENT	(1ULL << 0)
/* This client's reports of its working set are listened to */
#define TMEM_FEATURE_REPORT	(1ULL << 1)
#define TMEM_FEATURES		(TMEM_FEATURE_PERSISTENT | TMEM_FEATURE_REPORT)

/**
 * struct tmem_query - the page of TMEM_OP_QUERY
 * @limit: most pages that the client may keep in the store
 * @ephemeral: pages in its ephemeral pools, but for shared ones
 * @persistent: pages in its persistent pools
 * @pools: number of its pools
 * @reserved: zero
 */
struct tmem_query {
	__u64	limit;
	__u64	ephemeral;
	__u64	persistent;
	__u32	pools;
	__u32	reserved;
};

/**
 * struct tmem_report - the page of TMEM_OP_REPORT
 * @total: in: pages of memory that the client has
 * @floor: in: those that it cannot give up, whatever they are worth; at most
 *	@total
 * @estimate: in: its working set, in pages; may be more than @total
 * @target: in: pages of memory that it would like to have
 * @misses: in: pages a second that it brings back into memory because there is
 *	not more of that
 * @pressure: in: the share of time for which somebody waits for memory, in
 *	thousandths, at most 1000
 * @confidence: in: how much it trusts its estimate, in percent, at most 100
 * @grant: in: zero; out: pages of memory that the host lets it have
 * @flags: in: TMEM_REPORT_*, at most one; 0: the report is for information
 * @reserved: zero
 */
struct tmem_report {
	__u64	total;
	__u64	floor;
	__u64	estimate;
	__u64	target;
	__u64	misses;
	__u32	pressure;
	__u32	confidence;
	__u64	grant;
	__u32	flags;
	__u32	reserved;
};

/* The host is asked to see to it that the client gets its target */
#define TMEM_REPORT_HOST	(1U << 0)
/* The client will change its memory by itself, towards what it is granted */
#define TMEM_REPORT_SELF	(1U << 1)

/* No client has, wants or misses as much as this: the sums of many fit */
#define TMEM_REPORT_MAX		(1ULL << 44)

#endif /* _UAPI_LINUX_TMEM_H */
