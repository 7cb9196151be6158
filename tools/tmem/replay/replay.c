// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a store that executes a trace
 *
 * Prints for each client what became of its pages, and with --timeline what
 * it had and was meant to have.  Pages are small ones, which hold nothing but
 * who they are: what is returned is compared.
 */
#include <getopt.h>

#include "policy.h"
#include "trace.h"

#define NO_CLIENT	(~0U)

/* What somebody asked for on the command line, and what became of it */
struct client {
	struct tstore_client *c;
	u64 min, cap;
	u32 weight;
	bool pools[TMEM_TRACE_POOLS];
	u64 puts, stored, gets, hits, flushes;
};

static struct client clients[TMEM_TRACE_CLIENTS];
static u32 nr_clients;
static struct tstore *store;
static u64 frames = 65536, interval = 1000000;
static u32 only = NO_CLIENT;
static const struct tstore_policy *policy;
static FILE *timeline;
static unsigned char buffer[TMEM_MAX_RUN * PAGE_SIZE];

static void die(const char *what, const char *why)
{
	fprintf(stderr, "tmem-replay: %s: %s\n", what, why);
	exit(1);
}

static void usage(FILE *file)
{
	u32 i;

	fprintf(file,
		"Usage: tmem-replay [OPTION...] TRACE\n"
		"\n"
		"Has a store execute the requests of a trace, and prints for each client\n"
		"the pages that it put, of these stored, asked for, of these hit.\n"
		"  -f, --frames N        of the store (default %llu)\n"
		"  -p, --policy NAME     ",
		(unsigned long long)frames);
	for (i = 0; i < tstore_nr_policies; i++)
		fprintf(file, "%s%s", i ? ", " : "", tstore_policies[i].name);
	fprintf(file,
		"\n"
		"  -i, --interval SEC    how often the policy is asked (default 1)\n"
		"  -c, --client N:MIN:WEIGHT[:CAP]\n"
		"                        of client N (default 0:1, and no cap)\n"
		"  -o, --only N          leave out the requests of other clients\n"
		"  -t, --timeline FILE   seconds, client, pages, target, gets, hits\n"
		"  -h, --help\n");
	exit(file == stdout ? 0 : 2);
}

static u64 parse_number(const char *text, char **end)
{
	u64 value;

	errno = 0;
	value = strtoull(text, end, 0);
	if (errno || *end == text || *text == '-')
		die(text, "is not a number that can be used here");
	return value;
}

static u64 whole_number(const char *text)
{
	char *end;
	u64 value = parse_number(text, &end);

	if (*end)
		die(text, "is not a number");
	return value;
}

static void client_option(const char *text)
{
	char *end;
	u64 nr = parse_number(text, &end);

	if (nr >= TMEM_TRACE_CLIENTS || *end != ':')
		die(text, "is not N:MIN:WEIGHT");
	clients[nr].min = parse_number(end + 1, &end);
	if (*end != ':')
		die(text, "is not N:MIN:WEIGHT");
	clients[nr].weight = parse_number(end + 1, &end);
	if (*end == ':')
		clients[nr].cap = parse_number(end + 1, &end);
	if (*end)
		die(text, "is not N:MIN:WEIGHT:CAP");
}

static void policy_option(const char *name)
{
	u32 i;

	for (i = 0; i < tstore_nr_policies; i++)
		if (!strcmp(name, tstore_policies[i].name))
			policy = &tstore_policies[i];
	if (!policy)
		die(name, "is not a policy, see --help");
}

/* From a microsecond to a day */
static void interval_option(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (*end || end == text || !(seconds >= 0.000001 && seconds <= 86400))
		die(text, "is not an interval: from 0.000001 to 86400 seconds");
	interval = seconds * 1e6;
}

static void open_timeline(const char *path)
{
	timeline = fopen(path, "w");
	if (!timeline)
		die(path, strerror(errno));
}

static void option(int c)
{
	switch (c) {
	case 'f':
		frames = whole_number(optarg);
		break;
	case 'p':
		policy_option(optarg);
		break;
	case 'i':
		interval_option(optarg);
		break;
	case 'c':
		client_option(optarg);
		break;
	case 'o':
		only = whole_number(optarg);
		break;
	case 't':
		open_timeline(optarg);
		break;
	case 'h':
		usage(stdout);
		break;
	default:
		usage(stderr);
	}
}

static const char *parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "frames", required_argument, NULL, 'f' },
		{ "policy", required_argument, NULL, 'p' },
		{ "interval", required_argument, NULL, 'i' },
		{ "client", required_argument, NULL, 'c' },
		{ "only", required_argument, NULL, 'o' },
		{ "timeline", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	u32 i;
	int c;

	for (i = 0; i < TMEM_TRACE_CLIENTS; i++) {
		clients[i].weight = 1;
		clients[i].cap = ~0ULL >> 1;
	}
	while ((c = getopt_long(argc, argv, "f:p:i:c:o:t:h", options,
				NULL)) != -1)
		option(c);
	if (argc - optind != 1)
		usage(stderr);
	return argv[optind];
}

/* ---- pages that say who they are ---- */

static void page_name(const struct tmem_event *event, u64 index, u64 *name)
{
	name[0] = (u64)event->client << 32 | event->req.pool;
	name[1] = event->object;
	name[2] = index;
}

static void page_fill(const struct tmem_event *event, u64 index, u32 at)
{
	page_name(event, index, (u64 *)&buffer[at * PAGE_SIZE]);
}

static void page_check(const struct tmem_event *event, u64 index, u32 at)
{
	u64 name[3];

	page_name(event, index, name);
	if (memcmp(&buffer[at * PAGE_SIZE], name, sizeof(name)))
		die("the store", "returned another page than it was asked for");
}

/* ---- requests ---- */

static struct client *client_of(const struct tmem_event *event)
{
	struct client *client = &clients[event->client];
	struct tmem_req req = { .op = TMEM_OP_ATTACH };
	struct tmem_attach *at = (void *)buffer;

	if (client->c)
		return client;
	if (tstore_client_create(store, client->cap, &client->c))
		die("the store", "no memory for another client");
	memset(at, 0, sizeof(*at));
	at->version = TMEM_ABI_VERSION;
	at->page_shift = PAGE_SHIFT;
	at->features = TMEM_FEATURES;
	tstore_execute(client->c, &req, buffer);
	if (req.status)
		die("the store", "a client cannot attach");
	tstore_client_set_share(client->c, client->min, client->weight);
	if (event->client >= nr_clients)
		nr_clients = event->client + 1;
	return client;
}

/* Traces may begin in the middle: a pool that was not created is ephemeral */
static void need_pool(struct client *client, const struct tmem_event *event)
{
	struct tmem_req req = {
		.op = TMEM_OP_POOL_CREATE,
		.pool = event->req.pool,
	};

	if (client->pools[event->req.pool])
		return;
	client->pools[event->req.pool] = true;
	if (event->req.op != TMEM_OP_POOL_CREATE)
		tstore_execute(client->c, &req, NULL);
}

static void put(struct client *client, struct tmem_event *event)
{
	struct tmem_req *req = &event->req;
	u32 i;

	for (i = 0; i < req->nr_pages; i++)
		page_fill(event, req->index + i, i);
	tstore_execute(client->c, req, buffer);
	client->puts += req->nr_pages;
	client->stored += req->done;
}

/* A client asks for the rest, too, if a page in the middle is missing */
static void get(struct client *client, struct tmem_event *event)
{
	struct tmem_req *req = &event->req;
	u32 i, nr = req->nr_pages;

	client->gets += nr;
	while (nr) {
		req->nr_pages = nr;
		tstore_execute(client->c, req, buffer);
		for (i = 0; i < req->done; i++)
			page_check(event, req->index + i, i);
		client->hits += req->done;
		i = req->done < nr ? req->done + 1 : nr;
		req->index += i;
		nr -= i;
	}
}

static void execute(struct tmem_event *event)
{
	struct client *client;

	if (only != NO_CLIENT && event->client != only)
		return;
	client = client_of(event);
	need_pool(client, event);
	switch (event->req.op) {
	case TMEM_OP_PUT:
		put(client, event);
		break;
	case TMEM_OP_GET:
		get(client, event);
		break;
	default:
		if (event->req.op == TMEM_OP_POOL_DESTROY)
			client->pools[event->req.pool] = false;
		tstore_execute(client->c, &event->req, buffer);
		client->flushes += event->req.done;
	}
}

/* ---- time ---- */

static u64 held(struct client *client)
{
	struct tmem_req req = { .op = TMEM_OP_QUERY };
	struct tmem_query query;

	tstore_execute(client->c, &req, buffer);
	memcpy(&query, buffer, sizeof(query));
	return query.ephemeral + query.persistent;
}

static void tick(u64 at)
{
	u32 i;

	if (policy)
		tstore_divide(store, policy);
	for (i = 0; timeline && i < nr_clients; i++)
		if (clients[i].c)
			fprintf(timeline, "%.3f\t%u\t%llu\t%llu\t%llu\t%llu\n",
				at / 1e6, i,
				(unsigned long long)held(&clients[i]),
				(unsigned long long)
				tstore_client_target(clients[i].c),
				(unsigned long long)clients[i].gets,
				(unsigned long long)clients[i].hits);
}

static void open_store(void)
{
	struct tstore_config cfg = {
		.max_clients = TMEM_TRACE_CLIENTS,
		.ghosts = true,
		.seed = 1,
	};
	struct tstore_stats stats;

	/* metadata on top, generously; 1 GiB of small pages is enough for any */
	if (frames < 2 || frames > 1U << 24)
		die("--frames", "from 2 to 16777216");
	cfg.bytes = frames * (PAGE_SIZE + 46) + 256 * PAGE_SIZE;
	cfg.bytes -= cfg.bytes % PAGE_SIZE;
	cfg.arena = aligned_alloc(PAGE_SIZE, cfg.bytes);
	if (!cfg.arena || tstore_create(&cfg, &store))
		die("--frames", "there is not enough memory");
	tstore_stats(store, &stats);
	frames = stats.pages;
}

static void print_result(void)
{
	u32 i;

	printf("client\tputs\tstored\tgets\thits\tflushed\n");
	for (i = 0; i < nr_clients; i++)
		if (clients[i].c)
			printf("%u\t%llu\t%llu\t%llu\t%llu\t%llu\n", i,
			       (unsigned long long)clients[i].puts,
			       (unsigned long long)clients[i].stored,
			       (unsigned long long)clients[i].gets,
			       (unsigned long long)clients[i].hits,
			       (unsigned long long)clients[i].flushes);
}

int main(int argc, char **argv)
{
	const char *path = parse(argc, argv);
	struct tmem_event event;
	struct tmem_trace trace;
	u64 next = interval;
	FILE *file;

	file = strcmp(path, "-") ? fopen(path, "rb") : stdin;
	if (!file)
		die(path, strerror(errno));
	open_store();
	if (!tmem_trace_open(&trace, file)) {
		while (tmem_trace_next(&trace, &event)) {
			/* an hour of nothing need not be gone through */
			if (event.at >= next + 1000 * interval)
				next = event.at - event.at % interval;
			while (event.at >= next) {
				tick(next);
				next += interval;
			}
			execute(&event);
		}
		tick(trace.at);
	}
	tmem_trace_close(&trace);
	if (trace.error) {
		fprintf(stderr, "tmem-replay: %s: after %llu records: %s\n",
			path, (unsigned long long)trace.records, trace.error);
		return 1;
	}
	if (timeline && fclose(timeline))
		die("--timeline", strerror(errno));
	print_result();
	return fflush(stdout) ? 1 : 0;
}
