// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, steers tmemd, or Xen, and shows how it is
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tmemctl.h"

static const char help[] =
"Usage: tmemctl [--host HOST | --socket DIR] [--json] VERB [ARGUMENT...]\n"
"\n"
"Steers what keeps pages for the guests of this machine: tmemd, or Xen.\n"
"\n"
"  list                     the clients\n"
"  show CLIENT              all about one of them\n"
"  top                      what they do, live; q quits\n"
"      --once               one table, without a terminal\n"
"      --delay SECONDS      between two tables (default 1)\n"
"  set CLIENT KEY=VALUE...  min=SIZE, cap=SIZE, weight=N, hswap=on|off (Xen:\n"
"                           hswap=SIZE); of the guest's own memory: memory=SIZE|all,\n"
"                           not in Xen memory=auto, memory_min=SIZE, memory_max=SIZE\n"
"  add CLIENT [KEY=VALUE...]\n"
"                           a new client, and its socket; qmp=PATH: where its QEMU\n"
"                           is asked to move its balloon\n"
"  remove CLIENT [--force]  a client no more; --force: with a guest connected\n"
"  freeze CLIENT            refuse its puts\n"
"  thaw CLIENT              accept them again\n"
"  allow CLIENT UUID        let it join the shared pool of this name\n"
"  forbid CLIENT UUID       the opposite; if it has joined it is out at once\n"
"  drop CLIENT --ephemeral  drop its pages that may be dropped\n"
"  save CLIENT FILE         write its pages that must stay to a file, or to - for\n"
"                           standard output; its puts are refused meanwhile\n"
"  restore CLIENT FILE      have a client that has nothing go on where one was saved\n"
"  trace FILE               write what clients ask for to a file, for tmem-trace\n"
"      --seconds N          for so long (default 10), or until interrupted\n"
"  report FILE              write a page of HTML with plots of the last hours to a file,\n"
"                           or to - for standard output\n"
"      --since DURATION     no earlier than so long ago, such as 30m or 2h\n"
"  why CLIENT               why its guest has as much memory as it has\n"
"  record FILE              write what the scheduler of memory decides, and of what, to\n"
"      --seconds N          a file, for tmem-sched, likewise\n"
"  scheduler [NAME]         how memory is divided; or divide it so\n"
"  policy [NAME]            how a full pool is divided; or divide it so\n"
"  size [SIZE]              how large the pool is; or make it so large\n"
"  reserve [SIZE]           Xen: how much memory it leaves free; or leave so much\n"
"  free SIZE                Xen: have so much memory free now\n"
"  stats                    how the daemon is\n"
"  reload                   start the daemon anew, with nothing lost\n"
"\n"
"  -H, --host HOST          tmemd, or xen: the hypervisor itself, whose clients are\n"
"                           domains, by name or number; it cannot add, remove,\n"
"                           report and reload\n"
"  -s, --socket DIR         directory of tmemd's sockets (default $TMEMD_SOCKET, or else\n"
"                           /run/tmemd)\n"
"  -j, --json               print the answer as it came\n"
"  -h, --help               this text\n"
"\n"
"A SIZE is a number of bytes, or such as 64M or 2G.\n"
"Status: 0; 1: the host refused; 2: this makes no sense; 3: there is no host.\n";

static struct {
	bool xen;
	bool json;
	bool once;
	bool force;
	bool ephemeral;
	bool delayed;
	bool timed;
	uint64_t since;
	unsigned int delay;
	unsigned int seconds;
} opts = { .delay = 1, .seconds = 10 };

static void add_number(struct json_object *to, const char *name, int64_t number)
{
	json_object_object_add(to, name, json_object_new_int64(number));
}

static void add_text(struct json_object *to, const char *name, const char *text)
{
	json_object_object_add(to, name, json_object_new_string(text));
}

static void add_bool(struct json_object *to, const char *name, bool is)
{
	json_object_object_add(to, name, json_object_new_boolean(is));
}

static struct json_object *request(const char *name)
{
	struct json_object *all = json_object_new_object();

	json_object_object_add(all, "request", json_object_new_string(name));
	return all;
}

static struct json_object *about(const char *name, const char *client)
{
	struct json_object *all = request(name);

	json_object_object_add(all, "client", json_object_new_string(client));
	return all;
}

/* Asks, and shows the answer; @print NULL: it needs no words */
static void ask(struct json_object *what, int fd,
		void (*print)(struct json_object *answer))
{
	struct json_object *answer = talk(what, fd);

	if (opts.json)
		puts(json_object_to_json_string_ext(answer,
						    JSON_C_TO_STRING_PLAIN));
	else if (print)
		print(answer);
	json_object_put(answer);
}

/* ---- verbs ---- */

static void do_list(char **args __attribute__((unused)))
{
	ask(request("list"), -1, print_list);
}

static void do_show(char **args)
{
	ask(about("show", args[0]), -1, print_client);
}

static void do_stats(char **args __attribute__((unused)))
{
	ask(request("stats"), -1, print_stats);
}

static void do_top(char **args __attribute__((unused)))
{
	if (opts.json)
		ask(request("list"), -1, NULL);
	else
		top(opts.once, opts.delay);
}

/* Xen grants so much, beyond what a domain leaves of its memory */
static void add_hswap(struct json_object *to, const char *value)
{
	bool on = !strcmp(value, "on"), off = !strcmp(value, "off");

	if (opts.xen && on)
		usage_error("hswap: in Xen it is a size, such as 512M, or off");
	if (opts.xen && !off)
		add_number(to, "hswap", parse_size("hswap", value));
	else if (on || off)
		add_bool(to, "hswap", on);
	else
		usage_error("hswap: '%s' is neither on nor off", value);
}

/* Xen divides no memory of domains */
static void add_memory(struct json_object *to, const char *key,
		       const char *value)
{
	bool is_auto = !strcmp(key, "memory") && !strcmp(value, "auto");

	if (opts.xen && (is_auto || strcmp(key, "memory")))
		usage_error("%s=%s is for tmemd", key, value);
	if (is_auto)
		json_object_object_add(to, key, json_object_new_string(value));
	else if (!strcmp(key, "memory") && !strcmp(value, "all"))
		add_number(to, key, 0);
	else
		add_number(to, key, parse_size(key, value));
}

static void add_share(struct json_object *to, char *text)
{
	char *value = strchr(text, '=');

	if (!value)
		usage_error("%s: not KEY=VALUE, such as cap=64M", text);
	*value++ = 0;
	if (!strcmp(text, "min") || !strcmp(text, "cap"))
		add_number(to, text, parse_size(text, value));
	else if (!strcmp(text, "weight"))
		add_number(to, text, parse_number(text, value));
	else if (!strcmp(text, "hswap"))
		add_hswap(to, value);
	else if (!strcmp(text, "memory") || !strcmp(text, "memory_min") ||
		 !strcmp(text, "memory_max"))
		add_memory(to, text, value);
	else if (!strcmp(text, "qmp"))
		add_text(to, text, value);
	else
		usage_error("%s: not min, cap, weight, hswap, memory, memory_min, memory_max or qmp",
			    text);
}

static void do_set(char **args)
{
	struct json_object *what = about("set", *args++);

	while (*args)
		add_share(what, *args++);
	ask(what, -1, NULL);
}

static void do_add(char **args)
{
	struct json_object *what = about("add", *args++);

	while (*args)
		add_share(what, *args++);
	ask(what, -1, NULL);
}

static void do_remove(char **args)
{
	struct json_object *what = about("remove", args[0]);

	if (opts.force)
		add_bool(what, "force", true);
	ask(what, -1, NULL);
}

static void do_freeze(char **args)
{
	ask(about("freeze", args[0]), -1, NULL);
}

static void do_thaw(char **args)
{
	ask(about("thaw", args[0]), -1, NULL);
}

static struct json_object *about_shared(const char *name, char **args)
{
	struct json_object *what = about(name, args[0]);

	json_object_object_add(what, "uuid", json_object_new_string(args[1]));
	return what;
}

static void do_allow(char **args)
{
	ask(about_shared("allow", args), -1, NULL);
}

static void do_forbid(char **args)
{
	ask(about_shared("forbid", args), -1, NULL);
}

static void print_dropped(struct json_object *answer)
{
	printf("%llu pages\n", (unsigned long long)number_of(answer, "pages"));
}

static void do_drop(char **args)
{
	if (!opts.ephemeral)
		usage_error("drop: only pages that may vanish can be dropped: say --ephemeral");
	ask(about("drop", args[0]), -1, print_dropped);
}

static void print_names(struct json_object *answer, const char *names,
			const char *which)
{
	struct json_object *all = part_of(answer, names);
	const char *now = text_of(answer, which), *name;
	size_t i;

	for (i = 0; i < json_object_array_length(all); i++) {
		name = json_object_get_string(json_object_array_get_idx(all,
									i));
		printf("%c %s\n", strcmp(name, now) ? ' ' : '*', name);
	}
}

static void print_policy(struct json_object *answer)
{
	print_names(answer, "policies", "policy");
}

static void print_scheduler(struct json_object *answer)
{
	print_names(answer, "schedulers", "scheduler");
	print_memory(answer);
}

static void do_scheduler(char **args)
{
	struct json_object *what = request("scheduler");

	if (args[0])
		json_object_object_add(what, "scheduler",
				       json_object_new_string(args[0]));
	ask(what, -1, args[0] ? NULL : print_scheduler);
}

static void do_why(char **args)
{
	ask(about("why", args[0]), -1, print_why);
}

static void do_policy(char **args)
{
	struct json_object *what = request("policy");

	if (args[0])
		json_object_object_add(what, "policy",
				       json_object_new_string(args[0]));
	ask(what, -1, args[0] ? NULL : print_policy);
}

static void do_size(char **args)
{
	struct json_object *what = request("size");

	if (args[0])
		add_number(what, "size", parse_size("size", args[0]));
	ask(what, -1, print_size);
}

/* tmemd has the memory that it was started with, whatever else needs some */
static void for_xen(const char *verb)
{
	if (!opts.xen)
		usage_error("%s is for --host xen", verb);
}

static void do_reserve(char **args)
{
	struct json_object *what = request("reserve");

	for_xen("reserve");
	if (args[0])
		add_number(what, "size", parse_size("reserve", args[0]));
	ask(what, -1, print_size);
}

static void do_free(char **args)
{
	struct json_object *what = request("free");

	for_xen("free");
	add_number(what, "size", parse_size("free", args[0]));
	ask(what, -1, print_size);
}

static void print_bytes(struct json_object *answer)
{
	char text[SIZE_TEXT];

	printf("%s\n", size_text(text, number_of(answer, "bytes")));
}

/* Has the host write a file; standard output is then not for words */
static void ask_into(struct json_object *what, const char *path,
		     void (*print)(struct json_object *answer))
{
	bool out = !strcmp(path, "-");
	int fd = STDOUT_FILENO;

	if (!out)
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			  0600);
	if (fd < 0)
		usage_error("%s: %s", path, strerror(errno));
	if (out)
		json_object_put(talk(what, fd));
	else
		ask(what, fd, print);
}

static void do_save(char **args)
{
	ask_into(about("save", args[0]), args[1], print_bytes);
}

static void print_trace(struct json_object *answer)
{
	struct json_object *all = part_of(answer, "clients");
	size_t i;

	printf("%llu requests, %llu more were lost\n",
	       (unsigned long long)number_of(answer, "records"),
	       (unsigned long long)number_of(answer, "lost"));
	for (i = 0; all && i < json_object_array_length(all); i++)
		printf("client %zu is %s\n", i,
		       json_object_get_string(json_object_array_get_idx(all,
									i)));
}

static void do_trace(char **args)
{
	struct json_object *what = request("trace");

	add_number(what, "seconds", opts.seconds);
	ask_into(what, args[0], print_trace);
}

/* The daemon is asked each second, until interrupted */
static void do_record(char **args)
{
	bool out = !strcmp(args[0], "-");
	FILE *to = out ? stdout : fopen(args[0], "we");
	struct json_object *answer;
	unsigned int left;

	if (!to)
		usage_error("%s: %s", args[0], strerror(errno));
	for (left = opts.seconds; left; left--) {
		answer = talk(request("scheduler"), -1);
		json_object_object_del(answer, "schedulers");
		fprintf(to, "%s\n",
			json_object_to_json_string_ext(answer,
						       JSON_C_TO_STRING_PLAIN));
		json_object_put(answer);
		if (fflush(to)) {
			fprintf(stderr, "tmemctl: %s: %s\n", args[0],
				strerror(errno));
			exit(EXIT_REFUSED);
		}
		if (left > 1)
			sleep(1);
	}
	if (!out && fclose(to))
		exit(EXIT_REFUSED);
}

static void do_report(char **args)
{
	if (opts.json)
		usage_error("report: a page is not of JSON");
	report(args[0], opts.since ? opts.since : 365 * 86400);
}

static void do_restore(char **args)
{
	int fd = STDIN_FILENO;

	if (strcmp(args[1], "-"))
		fd = open(args[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		usage_error("%s: %s", args[1], strerror(errno));
	ask(about("restore", args[0]), fd, print_bytes);
}

static void do_reload(char **args __attribute__((unused)))
{
	ask(request("reload"), -1, NULL);
}

/* ---- the table ---- */

static const struct verb {
	const char *name;
	void (*run)(char **args);
	int least;
	int most;
	const char *args;
} verbs[] = {
	{ "list", do_list, 0, 0, "" },
	{ "show", do_show, 1, 1, " CLIENT" },
	{ "top", do_top, 0, 0, " [--once] [--delay SECONDS]" },
	{ "set", do_set, 2, 10, " CLIENT KEY=VALUE..." },
	{ "add", do_add, 1, 10, " CLIENT [KEY=VALUE...]" },
	{ "remove", do_remove, 1, 1, " CLIENT [--force]" },
	{ "freeze", do_freeze, 1, 1, " CLIENT" },
	{ "thaw", do_thaw, 1, 1, " CLIENT" },
	{ "allow", do_allow, 2, 2, " CLIENT UUID" },
	{ "forbid", do_forbid, 2, 2, " CLIENT UUID" },
	{ "drop", do_drop, 1, 1, " CLIENT --ephemeral" },
	{ "save", do_save, 2, 2, " CLIENT FILE" },
	{ "restore", do_restore, 2, 2, " CLIENT FILE" },
	{ "trace", do_trace, 1, 1, " FILE [--seconds N]" },
	{ "report", do_report, 1, 1, " FILE [--since DURATION]" },
	{ "why", do_why, 1, 1, " CLIENT" },
	{ "record", do_record, 1, 1, " FILE [--seconds N]" },
	{ "scheduler", do_scheduler, 0, 1, " [NAME]" },
	{ "policy", do_policy, 0, 1, " [NAME]" },
	{ "size", do_size, 0, 1, " [SIZE]" },
	{ "reserve", do_reserve, 0, 1, " [SIZE]" },
	{ "free", do_free, 1, 1, " SIZE" },
	{ "stats", do_stats, 0, 0, "" },
	{ "reload", do_reload, 0, 0, "" },
	{ 0 }
};

/* Options of verbs are of no use to others */
static void check_options(const struct verb *v)
{
	if ((opts.once || opts.delayed) && v->run != do_top)
		usage_error("--once and --delay are for top");
	if (opts.timed && v->run != do_trace && v->run != do_record)
		usage_error("--seconds is for trace and record");
	if (opts.since && v->run != do_report)
		usage_error("--since is for report");
	if (opts.force && v->run != do_remove)
		usage_error("--force is for remove");
	if (opts.ephemeral && v->run != do_drop)
		usage_error("--ephemeral is for drop");
}

static void run(int nr, char **args)
{
	const struct verb *v = verbs;

	if (!nr)
		usage_error("what is to be done?");
	while (v->name && strcmp(v->name, args[0]))
		v++;
	if (!v->name)
		usage_error("%s: no such verb", args[0]);
	if (nr - 1 < v->least || nr - 1 > v->most)
		usage_error("usage: tmemctl %s%s", v->name, v->args);
	check_options(v);
	v->run(args + 1);
}

static unsigned int parse_seconds(const char *what, const char *text)
{
	int64_t seconds = parse_number(what, text);

	if (seconds < 1 || seconds > 86400)
		usage_error("%s: not from 1 to 86400 seconds", what);
	return seconds;
}

static bool host_is_xen(const char *host)
{
	if (strcmp(host, "xen") && strcmp(host, "tmemd"))
		usage_error("--host: '%s' is neither tmemd nor xen", host);
	return !strcmp(host, "xen");
}

/* @dir: of tmemd's sockets, or NULL */
static void choose_host(const char *dir)
{
	if (opts.xen && dir)
		usage_error("--socket is for tmemd");
	if (opts.xen) {
		talk_begin_xen();
		return;
	}
	if (!dir)
		dir = getenv("TMEMD_SOCKET");
	talk_begin(dir && *dir ? dir : "/run/tmemd");
}

int main(int argc, char **argv)
{
	enum { ONCE = 256, DELAY, SECONDS, SINCE, FORCE, EPHEMERAL };
	static const struct option longs[] = {
		{ "host", required_argument, NULL, 'H' },
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "once", no_argument, NULL, ONCE },
		{ "delay", required_argument, NULL, DELAY },
		{ "seconds", required_argument, NULL, SECONDS },
		{ "since", required_argument, NULL, SINCE },
		{ "force", no_argument, NULL, FORCE },
		{ "ephemeral", no_argument, NULL, EPHEMERAL },
		{ 0 }
	};
	const char *dir = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "H:s:jh", longs, NULL)) >= 0) {
		switch (opt) {
		case 'H':
			opts.xen = host_is_xen(optarg);
			break;
		case 's':
			dir = optarg;
			break;
		case 'j':
			opts.json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		case ONCE:
			opts.once = true;
			break;
		case DELAY:
			opts.delay = parse_seconds("--delay", optarg);
			opts.delayed = true;
			break;
		case SECONDS:
			opts.seconds = parse_seconds("--seconds", optarg);
			opts.timed = true;
			break;
		case SINCE:
			opts.since = parse_duration("--since", optarg);
			break;
		case FORCE:
			opts.force = true;
			break;
		case EPHEMERAL:
			opts.ephemeral = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	choose_host(dir);
	run(argc - optind, argv + optind);
	return fflush(stdout) ? EXIT_REFUSED : 0;
}
