/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemctl, Xen in place of tmemd
 *
 * The requests that tmemd knows are carried out by hypercalls, and answered in
 * the same form.
 */
#ifndef _TMEMCTL_XEN_H
#define _TMEMCTL_XEN_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#ifdef WITH_XEN

struct json_object *xen_ask(struct json_object *request, int fd);
void xen_absent(int err);

#else

static inline struct json_object *xen_ask(struct json_object *request,
					  int fd)
{
	(void)request;
	(void)fd;
	return NULL;
}

static inline void xen_absent(int err)
{
	(void)err;
}

#endif

/* The rest is for xen_*.c alone, which take xen_abi.h first */
#ifdef _TMEMCTL_XEN_ABI_H

#define PAGE		4096ULL
#define PAGE_SHIFT	12

/* Room for the name of a domain */
#define NAME_TEXT	64

/*
 * struct asked - a request that is being carried out
 * @args: the request
 * @answer: an object for the answer
 * @info: how the store was when the request came
 * @fd: a descriptor that came with it, or -1
 * @why: why it is refused, or ""
 */
struct asked {
	struct json_object *args;
	struct json_object *answer;
	struct xen_tmem_info info;
	int fd;
	char why[200];
};

/* More pages than any machine has: 2^52 bytes */
#define MOST_PAGES	(1ULL << 40)

/* xen_call.c: the hypervisor */

int xen_open(void);
void *xen_buffer(size_t pages);
int xen_info(struct xen_tmem_info *info);
int xen_call(struct xen_tmem_control *op);
int xen_pages(unsigned int what, domid_t domid, uint64_t *pages);
struct tmem_report;
void report_of(const struct xen_tmem_client *c, struct tmem_report *out);
int client_list(domid_t from, size_t most, struct xen_tmem_client **all,
		size_t *nr);

/* xen_names.c: what xenstore tells of domains */

char *domain_read(domid_t domid, const char *what);
bool domain_write(domid_t domid, const char *what, const char *text);

const char *domain_name(char *text, domid_t domid);
int domain_list(domid_t **all);
int domain_find(const char *name, domid_t *domid);

/* xen_memory.c: the memory of domains */

/*
 * struct domain_memory - the memory of a domain, in pages
 * @has: what it has
 * @limit: what it may have, with what it keeps in the pool beyond its hswap
 * @all: what it has when nothing is in its balloon
 * @target: what it is asked to have; 0: that is not known
 * @video: of its memory, what @target does not count in xenstore
 */
struct domain_memory {
	uint64_t has;
	uint64_t limit;
	uint64_t all;
	uint64_t target;
	uint64_t video;
};

int memory_look(domid_t domid, struct domain_memory *out);
bool memory_set(domid_t domid, const struct domain_memory *memory,
		uint64_t pages);

/* xen_report.c: how things are */

struct shared_list;
struct json_object *client_report(const struct xen_tmem_info *info,
				  const struct xen_tmem_client *c,
				  const struct shared_list *shared);
int list_report(struct asked *q);
int stats_report(struct asked *q);
void size_report(struct json_object *to, const struct xen_tmem_info *info);
void policy_report(struct json_object *to, const struct xen_tmem_info *info);
int policy_find(const struct xen_tmem_info *info, const char *name);

/* xen_shared.c: pools that domains share */

/*
 * struct shared_list - shared pools that domains may join
 * @all: by the numbers of domains
 * @nr: how many there are
 */
struct shared_list {
	struct xen_tmem_shared *all;
	size_t nr;
};

int shared_list(domid_t from, domid_t to, struct shared_list *list);
void shared_free(struct shared_list *list);
struct json_object *shared_report(const struct shared_list *list,
				  domid_t domid);
int client_share(struct asked *q, const char *name,
		 struct xen_tmem_control *op);

/* xen_stream.c: saving and restoring */

/*
 * struct stream - what goes from the hypervisor to a file, or back
 * @q: the request, with the file
 * @domid: the domain that it is of
 * @buffer: for calls
 * @bytes: that went through
 * @told: when whoever waits was told of them
 * @file: what is wrong is of the file
 * @damage: or of what is in it
 */
struct stream {
	struct asked *q;
	domid_t domid;
	uint8_t *buffer;
	uint64_t bytes;
	time_t told;
	bool file;
	uint32_t damage;
};

bool stream_enough(void);
int stream_open(struct stream *s, struct asked *q, domid_t domid, size_t pages);
void stream_progress(struct stream *s, bool over);
int stream_write(struct stream *s, const void *from, size_t bytes);

int client_save(struct asked *q, const char *name, domid_t domid);
int client_restore(struct asked *q, const char *name, domid_t domid);
void client_unsave(domid_t domid);

/* xen_trace.c: what domains ask for */

int domains_trace(struct asked *q, int64_t seconds);

/* xen.c: requests */

int refuse(struct asked *q, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* _TMEMCTL_XEN_ABI_H */

#endif /* _TMEMCTL_XEN_H */
