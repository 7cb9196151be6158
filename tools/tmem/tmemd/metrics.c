// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, metrics for Prometheus
 *
 * libmicrohttpd has no thread here: the main thread runs it when one of its
 * sockets is ready, so what it asks for is not changed meanwhile, and nobody is
 * excluded.  It never blocks; how many peers there may be, and how long they may
 * say nothing, is limited.
 */
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "metrics.h"
#include "policy.h"
#include "pool.h"
#include "schedule.h"
#include "worker.h"

#define CONNECTIONS	16
#define PATIENCE_S	5

/* Turns of the server before others get theirs */
#define TURNS		64

static struct MHD_Daemon *server;

struct family {
	const char *name;
	const char *type;
	const char *help;
};

enum {
	CONNECTED, FROZEN, MIN, CAP, WEIGHT, TARGET, CHARGED, EPHEMERAL,
	PERSISTENT, POOLS, EVICTED, FULL, LIMIT, REFUSED_FROZEN,
	MEMORY, RESIDENT, BALLOON,
	GOAL, DUE, MEMORY_SHARE, WANTED, ESTIMATE, MISSES, PRESSURE, STUCK,
	COUNTERS,
	VALUES = COUNTERS + COUNTS
};

static const struct family of_client[VALUES] = {
	[CONNECTED] = { "connected", "gauge", "Whether a guest is connected." },
	[FROZEN] = { "frozen", "gauge", "Whether its puts are refused." },
	[MIN] = { "min_bytes", "gauge", "Memory that it is sure of." },
	[CAP] = { "cap_bytes", "gauge", "Memory that it cannot exceed." },
	[WEIGHT] = { "weight", "gauge", "Its share, against others." },
	[TARGET] = { "target_bytes", "gauge",
		     "Its due by the policy; 0 if there is none." },
	[CHARGED] = { "charged_bytes", "gauge", "What its pages cost." },
	[EPHEMERAL] = { "ephemeral_pages", "gauge", "Pages that may vanish." },
	[PERSISTENT] = { "persistent_pages", "gauge", "Pages that must stay." },
	[POOLS] = { "pools", "gauge", "Its pools." },
	[EVICTED] = { "evicted_pages_total", "counter",
		      "Pages that it had to give up." },
	[FULL] = { "refused_full_total", "counter",
		   "Puts cut short as nothing could be dropped for them." },
	[LIMIT] = { "refused_limit_total", "counter",
		    "Puts cut short by its cap." },
	[REFUSED_FROZEN] = { "refused_frozen_total", "counter",
			     "Puts refused as it was frozen." },
	[MEMORY] = { "memory_bytes", "gauge",
		     "Its guest's memory; 0 if it has no balloon." },
	[RESIDENT] = { "resident_bytes", "gauge",
		       "Of that, what the host has memory for." },
	[BALLOON] = { "balloon_bytes", "gauge",
		      "Of that, what is in the balloon." },
	[GOAL] = { "memory_goal_bytes", "gauge",
		   "What it is asked to keep of its memory; 0 for all." },
	[DUE] = { "memory_target_bytes", "gauge",
		  "What the scheduler finds to be its due; 0 if there is none." },
	[MEMORY_SHARE] = { "memory_share_bytes", "gauge",
			   "What it gets if all ask for more; likewise." },
	[WANTED] = { "memory_wanted_bytes", "gauge",
		     "Memory that it asks for; likewise." },
	[ESTIMATE] = { "working_set_bytes", "gauge",
		       "What it says to be its working set." },
	[MISSES] = { "misses_per_second", "gauge",
		     "Pages that it says to bring back for want of memory." },
	[PRESSURE] = { "pressure_per_mille", "gauge",
		       "Time that it says to wait for memory." },
	[STUCK] = { "balloon_stuck", "gauge",
		    "Whether its balloon does not move." },
	[COUNTERS + COUNT_VECTORS] = { "vectors_total", "counter",
				       "Vectors executed." },
	[COUNTERS + COUNT_REQUESTS] = { "requests_total", "counter",
					"Requests in them." },
	[COUNTERS + COUNT_PUTS] = { "put_pages_total", "counter",
				    "Pages offered." },
	[COUNTERS + COUNT_STORED] = { "stored_pages_total", "counter",
				      "Pages stored." },
	[COUNTERS + COUNT_GETS] = { "get_pages_total", "counter",
				    "Pages asked for." },
	[COUNTERS + COUNT_HITS] = { "hit_pages_total", "counter",
				    "Pages returned." },
	[COUNTERS + COUNT_LOADED] = { "loaded_pages_total", "counter",
				      "Of these, those that had to stay." },
	[COUNTERS + COUNT_FLUSHED] = { "flushed_pages_total", "counter",
				       "Pages dropped at its wish." },
	[COUNTERS + COUNT_BAD] = { "bad_buffers_total", "counter",
				   "Buffers that made no sense." },
	[COUNTERS + COUNT_KICKS] = { "kicks_total", "counter",
				     "Notifications from the guest." },
	[COUNTERS + COUNT_CALLS] = { "calls_total", "counter",
				     "Notifications to the guest." },
	[COUNTERS + COUNT_NS] = { "busy_nanoseconds_total", "counter",
				  "Time spent on its vectors." },
};

/* ---- the text ---- */

static void family(FILE *out, const char *prefix, const struct family *f)
{
	fprintf(out, "# HELP %s_%s %s\n# TYPE %s_%s %s\n", prefix, f->name,
		f->help, prefix, f->name, f->type);
}

static void look_scheduled(const struct client *c,
			   const struct tmem_report *report, u64 *v)
{
	static const struct sched_guest nothing;
	const struct sched_guest *g = schedule_guest(c) ?: &nothing;

	v[GOAL] = c->state->memory;
	v[DUE] = g->target << PAGE_SHIFT;
	v[MEMORY_SHARE] = g->share << PAGE_SHIFT;
	v[WANTED] = g->want << PAGE_SHIFT;
	v[STUCK] = g->stuck;
	v[ESTIMATE] = report->estimate << PAGE_SHIFT;
	v[MISSES] = report->misses;
	v[PRESSURE] = report->pressure;
}

static void look(const struct client *c, u64 *v)
{
	const struct share *share = &c->state->share;
	struct tstore_client_stats stats = { 0 };

	if (c->store)
		tstore_client_stats(c->store, &stats);
	v[CONNECTED] = !!c->device;
	v[FROZEN] = share->frozen;
	v[MIN] = share->min << PAGE_SHIFT;
	v[CAP] = share->cap << PAGE_SHIFT;
	v[WEIGHT] = share->weight;
	v[TARGET] = stats.target << PAGE_SHIFT;
	v[CHARGED] = stats.bytes;
	v[EPHEMERAL] = stats.ephemeral;
	v[PERSISTENT] = stats.persistent;
	v[POOLS] = stats.pools;
	v[EVICTED] = stats.evicted;
	v[FULL] = stats.reject_full;
	v[LIMIT] = stats.reject_limit;
	v[REFUSED_FROZEN] = stats.reject_frozen;
	v[MEMORY] = balloon_memory(c, &v[RESIDENT]);
	v[BALLOON] = (u64)c->state->inflated << PAGE_SHIFT;
	look_scheduled(c, &stats.report, v);
	client_counts(c, v + COUNTERS);
}

static void write_clients(FILE *out)
{
	static u64 values[TMEMD_CLIENTS][VALUES];
	unsigned int i, k;

	for (k = 0; k < TMEMD_CLIENTS; k++)
		if (clients[k].state)
			look(&clients[k], values[k]);
	for (i = 0; i < VALUES; i++) {
		family(out, "tmemd_client", &of_client[i]);
		for (k = 0; k < TMEMD_CLIENTS; k++)
			if (clients[k].state)
				fprintf(out,
					"tmemd_client_%s{client=\"%s\"} %llu\n",
					of_client[i].name,
					clients[k].state->name,
					(unsigned long long)values[k][i]);
	}
}

static void write_one(FILE *out, const char *name, const char *type,
		      const char *help, u64 value)
{
	const struct family f = { name, type, help };

	family(out, "tmemd", &f);
	fprintf(out, "tmemd_%s %llu\n", name, (unsigned long long)value);
}

static void write_pool(FILE *out)
{
	struct tstore_stats stats;
	struct pool_size size;

	tstore_stats(store, &stats);
	pool_look(&size);
	write_one(out, "pool_bytes", "gauge", "Size of the pool.", size.size);
	write_one(out, "pool_goal_bytes", "gauge",
		  "Size that the pool is to have.", size.goal);
	write_one(out, "pool_max_bytes", "gauge",
		  "Most that the pool can be made.", size.max);
	write_one(out, "pool_free_bytes", "gauge",
		  "Memory of the pool that holds nothing.",
		  stats.free << PAGE_SHIFT);
	write_one(out, "pool_metadata_bytes", "gauge",
		  "Memory of the pool that the store needs for itself.",
		  size.metadata);
	write_one(out, "memory_bytes", "gauge",
		  "Memory that guests and the pool share; 0 if that is not divided.",
		  options.memory);
	write_one(out, "ephemeral_pages", "gauge", "Pages that may vanish.",
		  stats.ephemeral);
	write_one(out, "persistent_pages", "gauge", "Pages that must stay.",
		  stats.persistent);
	write_one(out, "packed_pages", "gauge", "Pages that are packed.",
		  stats.packed);
	write_one(out, "packed_bytes", "gauge", "What these have come to.",
		  stats.packed_bytes);
	write_one(out, "evicted_pages_total", "counter",
		  "Pages dropped to make room.", stats.evicted);
	write_one(out, "worker_starts_total", "counter",
		  "Workers that there have been.", state->starts);
	fprintf(out, "# HELP tmemd_policy How the pool is divided.\n"
		"# TYPE tmemd_policy gauge\ntmemd_policy{policy=\"%s\"} 1\n",
		options.policy->name);
}

/* ---- the server ---- */

static enum MHD_Result respond(struct MHD_Connection *conn, unsigned int status,
			       const char *text, size_t bytes,
			       enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_buffer(bytes, (void *)text, mode);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type",
				"text/plain; version=0.0.4; charset=utf-8");
	result = MHD_queue_response(conn, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
on_request(void *arg __always_unused, struct MHD_Connection *conn,
	   const char *url, const char *method,
	   const char *version __always_unused,
	   const char *data __always_unused, size_t *bytes,
	   void **seen)
{
	static const char elsewhere[] = "tmemd has /metrics, and nothing else\n";
	char *text = NULL;
	size_t length = 0;
	FILE *out;

	/* The first call is about the head; what is uploaded is not looked at */
	if (!*seen || *bytes) {
		*seen = (void *)elsewhere;
		*bytes = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return respond(conn, MHD_HTTP_METHOD_NOT_ALLOWED, elsewhere,
			       strlen(elsewhere), MHD_RESPMEM_PERSISTENT);
	if (strcmp(url, "/metrics"))
		return respond(conn, MHD_HTTP_NOT_FOUND, elsewhere,
			       strlen(elsewhere), MHD_RESPMEM_PERSISTENT);
	out = open_memstream(&text, &length);
	if (!out)
		return MHD_NO;
	write_pool(out);
	write_clients(out);
	if (fclose(out))
		return MHD_NO;
	return respond(conn, MHD_HTTP_OK, text, length, MHD_RESPMEM_MUST_FREE);
}

static void on_ready(void *arg __always_unused)
{
	MHD_UNSIGNED_LONG_LONG wait;
	int turn = 0;

	do {
		MHD_run(server);
	} while (++turn < TURNS && MHD_get_timeout(server, &wait) == MHD_YES &&
		 !wait);
}

static int serve(void)
{
	const union MHD_DaemonInfo *info;
	unsigned int flags = MHD_USE_EPOLL;

	if (options.metrics.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	server = MHD_start_daemon(flags, 0, NULL, NULL, on_request, NULL,
				  MHD_OPTION_SOCK_ADDR, &options.metrics,
				  MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
				  MHD_OPTION_CONNECTION_TIMEOUT, PATIENCE_S,
				  MHD_OPTION_END);
	if (!server)
		return errno ? -errno : -EADDRNOTAVAIL;
	info = MHD_get_daemon_info(server, MHD_DAEMON_INFO_EPOLL_FD);
	return watch(info->epoll_fd, EPOLLIN, on_ready, NULL);
}

/**
 * metrics_start() - answer requests for metrics, if that is wanted
 *
 * Context: the main thread, as all of this file.
 * Return: 0 or a negative error number
 */
int metrics_start(void)
{
	int err;

	if (!options.metrics.ss_family)
		return 0;
	err = serve();
	if (!err || state->starts) {
		if (err)
			log_warn("no metrics at present: %s", strerror(-err));
		return 0;
	}
	log_error("--metrics: %s", strerror(-err));
	return err;
}

/**
 * metrics_tick() - a second has passed
 *
 * Lets go of peers that say nothing, and tries again what has failed.
 */
void metrics_tick(void)
{
	if (server)
		on_ready(NULL);
	else if (options.metrics.ss_family && !serve())
		log_info("metrics can be had again");
}

/**
 * metrics_parse() - an address of the command line
 * @text: ADDRESS:PORT, as numbers; an IPv6 address is in brackets
 * @out: the address
 *
 * Return: false if it is none
 */
bool metrics_parse(const char *text, struct sockaddr_storage *out)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	const char *colon = strrchr(text, ':');
	struct addrinfo *found;
	char host[64];
	size_t length;

	if (!colon)
		return false;
	length = colon - text;
	if (length > 2 && text[0] == '[' && colon[-1] == ']') {
		text++;
		length -= 2;
	}
	if (!length || length >= sizeof(host))
		return false;
	memcpy(host, text, length);
	host[length] = 0;
	if (getaddrinfo(host, colon + 1, &hints, &found))
		return false;
	memcpy(out, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return true;
}
