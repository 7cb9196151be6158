// SPDX-License-Identifier: GPL-2.0
/*
 * Reads all regular files below a directory, as a build would, and prints one
 * line: files, bytes, digest.  The digest covers names, sizes and contents, and
 * is cheap, so that reading, not digesting, takes the time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t buffer[128 * 1024 / sizeof(uint64_t)];
static unsigned long long files, bytes;
static uint64_t digest;

static uint64_t mix(uint64_t h, const void *data, size_t len)
{
	const uint64_t *word = data;
	uint64_t last = 0;
	size_t i;

	for (i = 0; i < len / 8; i++)
		h = (h ^ word[i]) * 0x9e3779b97f4a7c15ULL + (h >> 29);
	memcpy(&last, (const char *)data + len / 8 * 8, len % 8);
	return (h ^ last ^ len) * 0x9e3779b97f4a7c15ULL + (h >> 31);
}

static int read_file(const char *path, const char *name)
{
	uint64_t h = 0;
	ssize_t got;
	int fd;

	memset(buffer, 0, 256);
	strncpy((char *)buffer, name, 255);
	h = mix(h, buffer, strlen(name));

	fd = open(path, O_RDONLY);
	if (fd < 0)
		goto fail;
	while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
		h = mix(h, buffer, got);
		bytes += got;
	}
	if (got < 0)
		goto fail;
	close(fd);
	/* A sum, so that the order of the directory does not matter */
	digest += h;
	files++;
	return 0;

fail:
	fprintf(stderr, "readtree: %s: %s\n", path, strerror(errno));
	return -1;
}

int main(int argc, char **argv)
{
	char *roots[] = { argc == 2 ? argv[1] : NULL, NULL };
	FTSENT *entry;
	FTS *tree;

	if (argc != 2) {
		fprintf(stderr, "Usage: readtree DIRECTORY\n");
		return 2;
	}
	tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	if (!tree)
		goto fail;
	for (;;) {
		errno = 0;
		entry = fts_read(tree);
		if (!entry)
			break;
		if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR) {
			errno = entry->fts_errno;
			goto fail;
		}
		if (entry->fts_info == FTS_F &&
		    read_file(entry->fts_accpath, entry->fts_name))
			return 1;
	}
	if (errno)
		goto fail;
	printf("%llu %llu %016llx\n", files, bytes, (unsigned long long)digest);
	return 0;

fail:
	fprintf(stderr, "readtree: %s: %s\n", argv[1], strerror(errno));
	return 1;
}
