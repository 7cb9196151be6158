// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: changes and tells what is in the machine of fake_xen.c
 *
 *	fake_set FILE {NAME=NUMBER | NAME | DOMAIN}...
 *
 * sets some members and prints others, of the machine, and of each domain behind
 * its number.  The file is made if it is empty, with nothing in the machine.
 */
#include <assert.h>
#include <ctype.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_xen.h"

#define OF(type, name, member) \
	{ name, offsetof(type, member), sizeof(((type *)0)->member) }
#define MACHINE(name)	OF(struct machine, #name, info.name)
#define DOMAIN(name)	OF(struct domain, #name, name)
#define CLIENT(name)	OF(struct domain, #name, info.name)
#define REPORT(name)	OF(struct domain, "report." #name, info.report.name)

struct member {
	const char *name;
	size_t at;
	size_t bytes;
};

static const struct member of_machine[] = {
	MACHINE(pages), MACHINE(present), MACHINE(free), MACHINE(ephemeral),
	MACHINE(heap_free), MACHINE(reserve), MACHINE(size),
	MACHINE(nr_policies),
	{ 0 }
};

static const struct member of_domain[] = {
	DOMAIN(exists), DOMAIN(client), DOMAIN(pages), DOMAIN(max_pages),
	DOMAIN(target), DOMAIN(static_max), DOMAIN(reports), DOMAIN(stuck),
	CLIENT(weight), CLIENT(cap), CLIENT(persistent), CLIENT(hswap),
	CLIENT(found), CLIENT(loaded), CLIENT(refuse),
	REPORT(total), REPORT(floor), REPORT(estimate), REPORT(target), REPORT(confidence),
	REPORT(flags), REPORT(grant),
	{ 0 }
};

static void one(char *base, const struct member *all, char *text)
{
	uint64_t number = 0;
	char *value = strchr(text, '=');

	if (value)
		*value++ = 0;
	while (all->name && strcmp(all->name, text))
		all++;
	if (!all->name) {
		fprintf(stderr, "fake_set: no %s\n", text);
		exit(2);
	}
	if (value) {
		number = strtoull(value, NULL, 10);
		memcpy(base + all->at, &number, all->bytes);
		return;
	}
	memcpy(&number, base + all->at, all->bytes);
	printf("%llu\n", (unsigned long long)number);
}

int main(int argc, char **argv)
{
	struct machine *machine;
	struct domain *d = NULL;
	int i, fd;

	if (argc < 3)
		return 2;
	fd = open(argv[1], O_RDWR | O_CREAT, 0600);
	assert(fd >= 0 && !ftruncate(fd, sizeof(*machine)));
	machine = mmap(NULL, sizeof(*machine), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);
	assert(machine != MAP_FAILED);
	machine->made = true;
	for (i = 2; i < argc; i++) {
		if (isdigit((unsigned char)*argv[i])) {
			assert(atoi(argv[i]) < DOMAINS);
			d = &machine->domains[atoi(argv[i])];
			d->info.domid = atoi(argv[i]);
		} else if (d && !strncmp(argv[i], "name=", 5)) {
			snprintf(d->name, sizeof(d->name), "%s", argv[i] + 5);
		} else {
			one(d ? (char *)d : (char *)machine,
			    d ? of_domain : of_machine, argv[i]);
		}
	}
	return 0;
}
