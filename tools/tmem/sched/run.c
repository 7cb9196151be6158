// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmem-sched run, who has how much of a machine with Xen
 *
 * Each second all domains but dom0 are looked at, a decision is made, and what
 * it says is done: the pool gets its size, balloons their targets in xenstore,
 * and reports their answers.  What a domain is to keep is in xenstore, so that
 * whoever comes after goes on from there; the rest is forgotten at the end.
 */
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "domains.h"
#include "record.h"
#include "program.h"
#include "tmemctl.h"

#define MIB(pages)	((unsigned long long)(pages) >> (20 - PAGE_SHIFT))

static struct {
	const struct sched_policy *policy;
	u64 memory;
	u64 size;
	char *except;
	time_t interval;
	bool dry;
	bool verbose;
	FILE *record;
} options = { .interval = 1 };

static struct sched_host host;
static struct xen_tmem_info info;
static struct domain domains[DOMAINS];
static struct sched_guest guests[DOMAINS];

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	va_list args;

	fputs("tmem-sched: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* ---- what is known ---- */

/* Is it one of those that are not to be changed, by its name or its number? */
static bool is_except(const struct domain *d)
{
	char number[8], *list = options.except, *end;
	size_t length;

	snprintf(number, sizeof(number), "%u", d->domid);
	for (; list && *list; list = *end ? end + 1 : end) {
		end = strchrnul(list, ',');
		length = end - list;
		if ((length == strlen(d->name) &&
		     !strncmp(list, d->name, length)) ||
		    (length == strlen(number) && !strncmp(list, number, length)))
			return true;
	}
	return false;
}

/* The place of a domain, or of one that has just come; -1: there is none left */
static int place(domid_t domid, u64 now)
{
	static bool full;
	int i, empty = -1;

	for (i = DOMAINS - 1; i >= 0; i--) {
		if (!domains[i].there)
			empty = i;
		else if (domains[i].domid == domid)
			return i;
	}
	if (empty < 0) {
		if (!full)
			say("there are more than %d domains", DOMAINS);
		full = true;
		return -1;
	}
	domains[empty].there = true;
	domains[empty].domid = domid;
	domain_begin(&domains[empty], &guests[empty], now);
	return empty;
}

static const struct xen_tmem_client *client_of(const struct xen_tmem_client *all,
					       size_t nr, domid_t domid)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (all[i].domid == domid)
			return &all[i];
	return NULL;
}

/* One that ends meanwhile is not there; returns what it has */
static u64 look_domain(domid_t domid, const struct xen_tmem_client *c, u64 now)
{
	struct domain_memory memory;
	bool was;
	int i;

	if (!domid || memory_look(domid, &memory))
		return 0;
	i = place(domid, now);
	if (i < 0)
		return memory.has;
	domains[i].seen = true;
	domains[i].memory = memory;
	/* It may get its name after it has come */
	domain_name(domains[i].name, domid);
	domains[i].except = is_except(&domains[i]);
	was = domains[i].client;
	domain_look(&domains[i], &guests[i], c, info.pages, now);
	if (!was && domains[i].client && options.verbose)
		say("%s is a client: domain %u, %llu of %llu MiB",
		    domains[i].name, domid, MIB(memory.has), MIB(memory.all));
	return memory.has;
}

static void forget_ended(void)
{
	int i;

	for (i = 0; i < DOMAINS; i++) {
		if (!domains[i].there || domains[i].seen)
			continue;
		if (domains[i].client && options.verbose)
			say("%s has ended", domains[i].name);
		domains[i] = (struct domain){ 0 };
		guests[i] = (struct sched_guest){ 0 };
	}
}

/* Returns what they all have */
static u64 look_domains(const domid_t *ids, int nr,
			const struct xen_tmem_client *clients, size_t nr_clients,
			u64 now)
{
	const struct xen_tmem_client *c;
	u64 sum = 0;
	int i;

	for (i = 0; i < DOMAINS; i++)
		domains[i].seen = false;
	for (i = 0; i < nr; i++) {
		c = client_of(clients, nr_clients, ids[i]);
		sum += look_domain(ids[i], c, now);
	}
	forget_ended();
	return sum;
}

static int look_all(void)
{
	struct xen_tmem_client *clients = NULL;
	struct xen_tmem_info before;
	size_t nr_clients;
	domid_t *ids;
	int nr, err;
	u64 sum;

	nr = domain_list(&ids);
	if (nr < 0)
		return nr;
	err = xen_info(&before);
	if (!err)
		err = client_list(0, SIZE_MAX, &clients, &nr_clients);
	host.now_ms = now_ms();
	if (!err)
		sum = look_domains(ids, nr, clients, nr_clients, host.now_ms);
	free(clients);
	free(ids);
	if (!err)
		err = xen_info(&info);
	if (err)
		return err;
	host_look(&host, &before, &info, sum, options.memory);
	host.pool_least = options.size;
	return 0;
}

/* ---- what is done ---- */

static void size_pool(void)
{
	struct xen_tmem_control op = {
		.op = XEN_TMEM_SIZE,
		.u.pages.nr = host.pool,
	};
	int err;

	if (options.dry || info.size == host.pool)
		return;
	err = xen_call(&op);
	if (err)
		say("the pool cannot have %llu MiB: %s", MIB(host.pool),
		    strerror(-err));
}

/* What reports are answered, and whether puts that must stay are refused */
static void answer(struct domain *d, u64 grant, bool refuse)
{
	struct xen_tmem_control op = {
		.op = XEN_TMEM_SET,
		.domid = d->domid,
		.u.set.what = XEN_TMEM_SET_GRANT | XEN_TMEM_SET_REFUSE,
		.u.set.grant = grant,
		.u.set.refuse = refuse,
	};
	int err;

	if (options.dry || (grant == d->granted && refuse == d->refused))
		return;
	err = xen_call(&op);
	if (err && err != -ESRCH)
		say("%s cannot be answered: %s", d->name, strerror(-err));
	d->granted = grant;
	d->refused = refuse;
}

static void say_change(struct domain *d, const struct sched_guest *g)
{
	u64 from = d->said ? d->said : d->memory.target;

	if (from == g->goal)
		return;
	d->said = g->goal;
	if (options.verbose || options.dry)
		say("%s: %llu MiB -> %llu MiB: %s", d->name, MIB(from),
		    MIB(g->goal), sched_rule_names[g->rule]);
}

static void obey(struct domain *d, const struct sched_guest *g)
{
	if (!sched_is_free(g)) {
		if (d->client)
			answer(d, 0, false);
		return;
	}
	say_change(d, g);
	if (!options.dry && g->goal != d->memory.target &&
	    !memory_set(d->domid, &d->memory, g->goal))
		say("xenstore takes no target of %s: %s", d->name,
		    strerror(errno));
	answer(d, sched_grant(g), g->refuse);
}

static void say_stuck(const struct domain *d, const struct sched_guest *g,
		      bool was)
{
	if (g->stuck && !was)
		say("%s: its balloon does not move: it has %llu MiB, and is to keep %llu",
		    d->name, MIB(g->has), MIB(g->goal));
	else if (was && !g->stuck)
		say("%s: its balloon has moved", d->name);
}

static void say_host(const struct sched_host *was)
{
	static bool less;

	if (host.over && !was->over)
		say("guests and what the pool must keep take more than there is");
	if (options.memory && host.memory < options.memory && !less)
		say("of the %llu MiB of --memory there are %llu",
		    MIB(options.memory), MIB(host.memory));
	less = options.memory && host.memory < options.memory;
}

static void record(void)
{
	struct json_object *all, *list;
	int i;

	if (!options.record)
		return;
	all = json_object_new_object();
	list = json_object_new_array();
	record_host(all, options.policy, &host);
	for (i = 0; i < DOMAINS; i++)
		if (domains[i].there)
			json_object_array_add(list,
					      record_guest(domains[i].name,
							   &guests[i]));
	json_object_object_add(all, "guests", list);
	fprintf(options.record, "%s\n",
		json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN));
	json_object_put(all);
	if (fflush(options.record)) {
		say("nothing more is recorded: %s", strerror(errno));
		fclose(options.record);
		options.record = NULL;
	}
}

/* ---- when ---- */

static int decide(void)
{
	static bool stuck[DOMAINS];
	struct sched_host was = host;
	int err = look_all(), i;

	if (err)
		return err;
	for (i = 0; i < DOMAINS; i++)
		stuck[i] = guests[i].stuck;
	sched_decide(options.policy, &host, guests, DOMAINS);
	size_pool();
	for (i = 0; i < DOMAINS; i++) {
		if (!domains[i].there)
			continue;
		say_stuck(&domains[i], &guests[i], stuck[i]);
		obey(&domains[i], &guests[i]);
	}
	say_host(&was);
	return 0;
}

/* A decision, and once more if guests wait for what the pool has just given up */
static int tick(void)
{
	int err = decide();

	if (!err && host.waits && !options.dry && !xen_info(&info) &&
	    info.present < host.pool_has)
		err = decide();
	if (err)
		return err;
	record();
	return 0;
}

/* Nobody is there any more to say otherwise */
static void let_go(void)
{
	int i;

	for (i = 0; i < DOMAINS; i++)
		if (domains[i].there && domains[i].client)
			answer(&domains[i], 0, false);
}

static void wait_and_tick(const sigset_t *signals)
{
	struct timespec pause = { .tv_sec = options.interval };
	int err, was = 0;

	do {
		err = tick();
		if (err && err != was)
			say("the hypervisor or xenstore does not answer: %s",
			    strerror(-err));
		else if (was && !err)
			say("they answer again");
		was = err;
	} while (sigtimedwait(signals, NULL, &pause) < 0);
}

/* ---- the command line ---- */

static u64 pages_of(const char *what, const char *text)
{
	u64 pages = parse_size(what, text) >> PAGE_SHIFT;

	if (!pages)
		usage_error("%s: a page at least", what);
	return pages;
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "memory", required_argument, NULL, 'm' },
		{ "size", required_argument, NULL, 's' },
		{ "policy", required_argument, NULL, 'p' },
		{ "except", required_argument, NULL, 'x' },
		{ "interval", required_argument, NULL, 'i' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "record", required_argument, NULL, 'r' },
		{ 0 }
	};
	const char *policy = "demand";
	int opt;

	while ((opt = getopt_long(argc, argv, "m:p:x:nv", longs, NULL)) >= 0) {
		if (opt == 'm')
			options.memory = pages_of("--memory", optarg);
		else if (opt == 's')
			options.size = pages_of("--size", optarg);
		else if (opt == 'p')
			policy = optarg;
		else if (opt == 'x')
			options.except = optarg;
		else if (opt == 'i')
			options.interval = parse_number("--interval", optarg);
		else if (opt == 'n')
			options.dry = true;
		else if (opt == 'v')
			options.verbose = true;
		else if (opt == 'r')
			options.record = fopen(optarg, "we");
		else
			exit(EXIT_USAGE);
		if (opt == 'r' && !options.record)
			usage_error("%s: %s", optarg, strerror(errno));
	}
	options.policy = sched_policy(policy);
	if (!options.policy)
		usage_error("no such policy: %s", policy);
	if (optind < argc)
		usage_error("'%s' is too much", argv[optind]);
	if (options.interval < 1 || options.interval > 60)
		usage_error("--interval: from 1 to 60 seconds");
	if (options.memory && options.memory < options.size)
		usage_error("--memory is less than --size");
}

/**
 * run_main() - divide the memory of a machine with Xen until told to end
 * @argc: number of arguments
 * @argv: of the verb
 *
 * Return: the status to exit with
 */
int run_main(int argc, char **argv)
{
	sigset_t signals;
	int err;

	parse(argc, argv);
	err = xen_open();
	if (!err)
		err = xen_info(&info);
	if (err) {
		say("no store answers in the hypervisor: %s", strerror(-err));
		return EXIT_NO_DAEMON;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	wait_and_tick(&signals);
	let_go();
	if (options.record && fclose(options.record)) {
		say("what was recorded is not all there: %s", strerror(errno));
		return EXIT_REFUSED;
	}
	return 0;
}
