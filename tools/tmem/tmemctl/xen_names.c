// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemctl, what xenstore tells of domains
 *
 * A domain has a number, and a name if xenstore tells one.  A name that a
 * number could be, or that does not look like one, is none.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xenstore.h>
#include <xenstore_lib.h>

#include "xen_abi.h"
#include "xen.h"

static struct xs_handle *names;

/* Without its socket, xenstore may be one that never answers */
static bool names_open(void)
{
	static bool tried;
	struct stat st;

	if (!tried && !stat(xs_daemon_socket(), &st))
		names = xs_open(0);
	tried = true;
	return names;
}

static void path_of(char *path, size_t room, domid_t domid, const char *what)
{
	snprintf(path, room, "/local/domain/%u/%s", domid, what);
}

/**
 * domain_read() - what xenstore says of a domain
 * @domid: its number
 * @what: the path, below that of the domain
 *
 * Return: text, for free(); or NULL if it says nothing
 */
char *domain_read(domid_t domid, const char *what)
{
	unsigned int length;
	char path[64];

	path_of(path, sizeof(path), domid, what);
	return names_open() ? xs_read(names, XBT_NULL, path, &length) : NULL;
}

/**
 * domain_write() - have xenstore say something of a domain
 * @domid: its number; there is such a domain
 * @what: the path, below that of the domain
 * @text: what it is to say
 *
 * Return: false if it does not, with errno set
 */
bool domain_write(domid_t domid, const char *what, const char *text)
{
	char path[64];

	path_of(path, sizeof(path), domid, what);
	errno = ENOTCONN;
	return names_open() &&
	       xs_write(names, XBT_NULL, path, text, strlen(text));
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

static bool is_name(const char *text, size_t length)
{
	size_t i;

	if (!length || length >= NAME_TEXT || strlen(text) != length)
		return false;
	for (i = 0; i < length; i++)
		if (!isascii(text[i]) || !isgraph(text[i]))
			return false;
	return !is_number(text);
}

/* For free(), or NULL */
static char *name_read(const char *domid)
{
	unsigned int length = 0;
	char path[64], *name;

	snprintf(path, sizeof(path), "/local/domain/%.20s/name", domid);
	name = xs_read(names, XBT_NULL, path, &length);
	if (name && is_name(name, length))
		return name;
	free(name);
	return NULL;
}

/**
 * domain_name() - what a domain is called
 * @text: room for it, NAME_TEXT
 * @domid: its number
 *
 * Return: @text: its name, or else its number
 */
const char *domain_name(char *text, domid_t domid)
{
	char *name;

	snprintf(text, NAME_TEXT, "%u", domid);
	name = names_open() ? name_read(text) : NULL;
	if (name)
		snprintf(text, NAME_TEXT, "%s", name);
	free(name);
	return text;
}

static int number_find(const char *text, domid_t *domid)
{
	unsigned long number = strtoul(text, NULL, 10);

	if (strlen(text) > 5 || number >= DOMID_FIRST_RESERVED)
		return -ENOENT;
	*domid = number;
	return 0;
}

/**
 * domain_list() - the domains that xenstore knows of
 * @all: out: their numbers, for free()
 *
 * Return: how many, or a negative error number, and then nothing is out
 */
int domain_list(domid_t **all)
{
	unsigned int nr = 0, i;
	int found = 0;
	char **text;

	errno = ENOTCONN;
	text = names_open() ? xs_directory(names, XBT_NULL, "/local/domain",
					   &nr) : NULL;
	if (!text)
		return -errno;
	*all = calloc(nr + 1, sizeof(**all));
	for (i = 0; *all && i < nr; i++)
		if (is_number(text[i]) && !number_find(text[i], *all + found))
			found++;
	free(text);
	return *all ? found : -ENOMEM;
}

/**
 * domain_find() - the domain that is called so
 * @name: its name, or its number
 * @domid: out: its number; there may be no such domain
 *
 * Return: 0; -ENOENT; or -EEXIST if several have that name
 */
int domain_find(const char *name, domid_t *domid)
{
	char text[NAME_TEXT], *other;
	domid_t *all = NULL;
	int nr, i, found = 0;

	if (is_number(name))
		return number_find(name, domid);
	nr = domain_list(&all);
	for (i = 0; i < nr; i++) {
		snprintf(text, sizeof(text), "%u", all[i]);
		other = name_read(text);
		if (other && !strcmp(other, name)) {
			*domid = all[i];
			found++;
		}
		free(other);
	}
	free(all);
	if (!found)
		return -ENOENT;
	return found == 1 ? 0 : -EEXIST;
}
