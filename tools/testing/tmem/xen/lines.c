// SPDX-License-Identifier: GPL-2.0
/*
 * lines DOMAIN FD...: serve the consoles of a domain, from its creation to its end
 *
 * The first file is that of the domain's own console, each further one that of
 * a console which is added to it.  What the domain writes goes to the file, and
 * what comes from a file that can be read goes to the domain.  It replaces
 * xenconsoled, which knows of one console a domain.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include <xen/grant_table.h>
#include <xen/io/console.h>
#include <xen/io/xenbus.h>

#define CONSOLES_MAX 4

struct console {
	int fd;
	bool readable;			/* may something come from the file? */
	bool closed;			/* by the domain */
	char front[80], back[80];	/* in xenstore; not of the domain's own */
	struct xencons_interface *ring;	/* NULL until the domain has one */
	evtchn_port_t port;
};

static struct xs_handle *xs;
static xenevtchn_handle *events;
static xengnttab_handle *grants;
static xc_interface *xc;
static struct console consoles[CONSOLES_MAX];
static int nr_consoles;
static uint32_t domain;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "lines: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(errno));
	exit(1);
}

/* ---- xenstore ---- */

static void store(xs_transaction_t t, const char *dir, const char *name, const char *format, ...)
{
	char path[120], value[100];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!xs_write(xs, t, path, value, strlen(value)))
		die("cannot write %s", path);
}

/* Returns -1 if it is not there */
static long long load(const char *dir, const char *name)
{
	long long value = -1;
	char path[120], *text;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	text = xs_read(xs, XBT_NULL, path, NULL);
	if (text)
		value = strtoll(text, NULL, 10);
	free(text);
	return value;
}

static void allow(xs_transaction_t t, const char *dir, unsigned int owner, unsigned int reader)
{
	struct xs_permissions perms[] = {
		{ .id = owner, .perms = XS_PERM_NONE },
		{ .id = reader, .perms = XS_PERM_READ },
	};

	if (!xs_mkdir(xs, t, dir) || !xs_set_permissions(xs, t, dir, perms, 2))
		die("cannot make %s", dir);
}

/* Show the domain another console; its driver allocates the ring */
static void add_console(int nr)
{
	struct console *c = &consoles[nr];
	xs_transaction_t t;

	snprintf(c->front, sizeof(c->front), "/local/domain/%u/device/console/%d", domain, nr);
	snprintf(c->back, sizeof(c->back), "/local/domain/0/backend/console/%u/%d", domain, nr);
	do {
		t = xs_transaction_start(xs);
		allow(t, c->back, 0, domain);
		store(t, c->back, "frontend", "%s", c->front);
		store(t, c->back, "frontend-id", "%u", domain);
		store(t, c->back, "online", "1");
		store(t, c->back, "state", "%d", XenbusStateInitWait);
		allow(t, c->front, domain, 0);
		store(t, c->front, "backend", "%s", c->back);
		store(t, c->front, "backend-id", "0");
		store(t, c->front, "type", "ioemu");
		store(t, c->front, "state", "%d", XenbusStateInitialising);
	} while (!xs_transaction_end(xs, t, false) && errno == EAGAIN);
	if (!xs_watch(xs, c->front, "console"))
		die("cannot watch %s", c->front);
}

/* ---- rings ---- */

static void map(struct console *c, uint32_t ref, uint32_t port)
{
	int local;

	c->ring = xengnttab_map_grant_ref(grants, domain, ref, PROT_READ | PROT_WRITE);
	if (!c->ring)
		die("cannot map the ring of a console");
	local = xenevtchn_bind_interdomain(events, domain, port);
	if (local < 0)
		die("cannot have events of a console");
	c->port = local;
}

/* The domain's driver has made a ring, if it has */
static void try_connect(struct console *c)
{
	long long ref, port;

	if (c->ring || load(c->front, "state") != XenbusStateInitialised)
		return;
	ref = load(c->front, "ring-ref");
	port = load(c->front, "port");
	if (ref < 0 || port < 0)
		return;
	map(c, ref, port);
	store(XBT_NULL, c->back, "state", "%d", XenbusStateConnected);
}

static void write_all(int fd, const char *data, size_t len)
{
	ssize_t done;

	while (len) {
		done = write(fd, data, len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			die("cannot write");
		data += done;
		len -= done;
	}
}

/* What the domain has written goes to the file; a domain that lies about its ring gets nowhere */
static void take_output(struct console *c)
{
	uint32_t cons, prod, at, len;
	bool any = false;

	while (c->ring) {
		cons = c->ring->out_cons;
		prod = __atomic_load_n(&c->ring->out_prod, __ATOMIC_ACQUIRE);
		len = prod - cons;
		if (!len || len > sizeof(c->ring->out))
			break;
		at = MASK_XENCONS_IDX(cons, c->ring->out);
		if (len > sizeof(c->ring->out) - at)
			len = sizeof(c->ring->out) - at;
		write_all(c->fd, c->ring->out + at, len);
		__atomic_store_n(&c->ring->out_cons, cons + len, __ATOMIC_RELEASE);
		any = true;
	}
	if (any)
		xenevtchn_notify(events, c->port);
}

static uint32_t input_room(struct console *c)
{
	uint32_t used;

	if (!c->ring || !c->readable)
		return 0;
	used = c->ring->in_prod - __atomic_load_n(&c->ring->in_cons, __ATOMIC_ACQUIRE);
	return used < sizeof(c->ring->in) ? sizeof(c->ring->in) - used : 0;
}

static void give_input(struct console *c)
{
	uint32_t prod = c->ring->in_prod, room = input_room(c);
	uint32_t at = MASK_XENCONS_IDX(prod, c->ring->in);
	ssize_t len;

	if (room > sizeof(c->ring->in) - at)
		room = sizeof(c->ring->in) - at;
	len = read(c->fd, c->ring->in + at, room);
	if (len <= 0) {
		c->readable = len < 0 && (errno == EINTR || errno == EAGAIN);
		return;
	}
	__atomic_store_n(&c->ring->in_prod, prod + len, __ATOMIC_RELEASE);
	xenevtchn_notify(events, c->port);
}

/* ---- the domain ---- */

static bool has_ended(void)
{
	xc_dominfo_t info;

	return xc_domain_getinfo(xc, domain, 1, &info) != 1 ||
	       info.domid != domain || info.shutdown || info.dying;
}

static void on_event(void)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(events);
	int i;

	if (port < 0)
		return;
	xenevtchn_unmask(events, port);
	for (i = 0; i < nr_consoles; i++)
		if (consoles[i].ring && consoles[i].port == (evtchn_port_t)port)
			take_output(&consoles[i]);
}

/* The domain shuts its consoles down before it ends, and waits for us */
static void try_close(struct console *c)
{
	if (c->closed || load(c->front, "state") != XenbusStateClosing)
		return;
	c->closed = true;
	take_output(c);
	store(XBT_NULL, c->back, "state", "%d", XenbusStateClosing);
}

/* The domain is being created: libxl waits until it is told that somebody serves its console */
static void try_begin(void)
{
	char own[60];
	long long port;
	int i;

	snprintf(own, sizeof(own), "/local/domain/%u/console", domain);
	port = load(own, "port");
	if (port < 0)
		return;
	map(&consoles[0], GNTTAB_RESERVED_CONSOLE, port);
	for (i = 1; i < nr_consoles; i++)
		add_console(i);
	store(XBT_NULL, own, "tty", "none");
}

/* Something has changed in xenstore: it is cheap to look at all that matters */
static void on_watch(void)
{
	unsigned int nr;
	int i;

	free(xs_read_watch(xs, &nr));
	if (!consoles[0].ring)
		try_begin();
	for (i = 1; i < nr_consoles && consoles[0].ring; i++) {
		try_connect(&consoles[i]);
		try_close(&consoles[i]);
	}
}

static void serve(void)
{
	struct pollfd polls[2 + CONSOLES_MAX] = {
		{ .fd = xenevtchn_fd(events), .events = POLLIN },
		{ .fd = xs_fileno(xs), .events = POLLIN },
	};
	int i;

	while (!consoles[0].ring || !has_ended()) {
		for (i = 0; i < nr_consoles; i++) {
			polls[2 + i].fd = input_room(&consoles[i]) ? consoles[i].fd : -1;
			polls[2 + i].events = POLLIN;
			polls[2 + i].revents = 0;
		}
		if (poll(polls, 2 + nr_consoles, -1) < 0 && errno != EINTR)
			die("cannot poll");
		if (polls[0].revents)
			on_event();
		if (polls[1].revents)
			on_watch();
		for (i = 0; i < nr_consoles; i++)
			if (polls[2 + i].revents)
				give_input(&consoles[i]);
	}
	/* Its last words are in the rings */
	for (i = 0; i < nr_consoles; i++)
		take_output(&consoles[i]);
}

int main(int argc, char **argv)
{
	char own[60];
	int i;

	nr_consoles = argc - 2;
	if (nr_consoles < 1 || nr_consoles > CONSOLES_MAX) {
		fprintf(stderr, "usage: lines DOMAIN FD...\n");
		return 2;
	}
	domain = strtoul(argv[1], NULL, 10);
	xs = xs_open(0);
	events = xenevtchn_open(NULL, 0);
	grants = xengnttab_open(NULL, 0);
	xc = xc_interface_open(NULL, NULL, 0);
	if (!xs || !events || !grants || !xc)
		die("cannot talk to Xen");
	for (i = 0; i < nr_consoles; i++) {
		consoles[i].fd = strtol(argv[2 + i], NULL, 10);
		consoles[i].readable = true;
	}
	snprintf(own, sizeof(own), "/local/domain/%u/console", domain);
	if (!xs_watch(xs, own, "begin") || !xs_watch(xs, "@releaseDomain", "end"))
		die("cannot watch the domain");
	serve();
	return 0;
}
