// SPDX-License-Identifier: GPL-2.0
/*
 * Coherence of hcache: inodes and filesystems come and go
 */
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "coh.h"

#ifndef FS_IOC_SETVERSION
#define FS_IOC_SETVERSION	_IOW('v', 2, long)
#endif

/* A second-chance cache outlives the inode: rule 4 must not be too strict */
static void inode(void)
{
	struct file *f = file_new("inode", 200), *g = file_new("other", 70);
	int i;

	for (i = 0; i < 5; i++) {
		file_store(f);
		file_store(g);
		file_forget_inode(f, true);
		if (i & 1)
			file_dwrite(f, i * 13 * PAGE, 5 * PAGE);
		file_forget_inode(g, true);
		file_check_hits(f, 150);
		file_check_hits(g, 60);
		file_write(f, i * 20 * PAGE + 10, 30 * PAGE);
	}
	file_gone(f);
	file_gone(g);
}

static void unlinked(void)
{
	struct file *f = file_new("unlinked", 128);

	file_store(f);
	unlink(f->path);
	file_check_hits(f, 100);
	file_store(f);
	file_dwrite(f, 9 * PAGE, 9 * PAGE);
	file_check_hits(f, 100);
	file_gone(f);
}

static void tmpfile_link(void)
{
	struct file *f = file_new("linked", 0);
	char proc[64];

	close(f->fd);
	unlink(f->path);
	f->fd = open(".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (f->fd < 0)
		skip("no O_TMPFILE: %s", strerror(errno));
	file_write(f, 0, 100 * PAGE);
	file_store(f);
	file_check_hits(f, 90);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", f->fd);
	must(linkat(AT_FDCWD, proc, AT_FDCWD, f->path, AT_SYMLINK_FOLLOW));
	close(f->dfd);
	f->dfd = must(open(f->path, O_RDWR | O_DIRECT | O_CLOEXEC));
	file_store(f);
	file_forget_inode(f, true);
	file_check_hits(f, 90);
	file_gone(f);
}

static bool set_generation(struct file *f, unsigned int gen)
{
	return !ioctl(f->fd, FS_IOC_SETVERSION, &gen);
}

/*
 * The number of a deleted file is used again, if possible with the same
 * generation.  Protected by the final truncation of an inode with no links.
 */
static void reuse(void)
{
	struct file *f = file_new("reuse", 64), *g, *spare[32];
	unsigned int gen, tries, i, same = 0;
	struct stat old, st;
	bool can;

	for (tries = 0; tries < 10; tries++) {
		must(fstat(f->fd, &old));
		gen = 4711 + tries;
		can = set_generation(f, gen);
		file_store(f);
		if (tries & 1)
			file_forget_inode(f, true);
		file_gone(f);
		for (i = 0; i < 32; i++) {
			spare[i] = file_new("reuse-new", 0);
			snprintf(spare[i]->path, 64, "reuse-%u-%u", tries, i);
			must(rename("reuse-new", spare[i]->path));
			must(fstat(spare[i]->fd, &st));
			if (st.st_ino == old.st_ino)
				break;
		}
		g = NULL;
		if (i < 32) {
			g = spare[i];
			same++;
		}
		f = file_new("reuse", 64);
		if (g) {
			if (can)
				set_generation(g, gen);
			/* Nobody remembers that nothing was stored */
			file_forget_inode(g, true);
			/* Nothing but direct writes: nothing takes the bits */
			file_truncate(g, 10 * PAGE);
			file_check(g);
			file_truncate(g, 0);
			file_dwrite(g, 0, 64 * PAGE);
			file_check(g);
		}
		for (i = 0; i < 32; i++) {
			if (spare[i])
				file_gone(spare[i]);
			if (spare[i] == g)
				break;
		}
	}
	say("number used again %u times of %u", same, tries);
	if (fs_magic == EXT4_MAGIC && !same)
		fail("no number was used again");
	file_gone(f);
}

/* ext4 can give a file its old generation back.  Protected by rekey. */
static void generation(void)
{
	struct file *f = file_new("generation", 100);
	int i;

	if (!set_generation(f, 1000))
		skip("the generation is fixed: %s", strerror(errno));
	for (i = 0; i < 6; i++) {
		file_store(f);
		if (i & 1)
			file_forget_inode(f, true);
		set_generation(f, 2000 + i);
		file_dwrite(f, i * PAGE, 60 * PAGE);
		file_check(f);
		if (i & 2)
			file_store(f);
		set_generation(f, 1000);
		file_check(f);
		file_store(f);
		file_check_hits(f, 80);
	}
	file_gone(f);
}

/* ---- the filesystem itself ---- */

static void device_of_cwd(char *dev, char *dir, char *type)
{
	FILE *mounts = fopen("/proc/mounts", "r");
	char cwd[64], line[512], d[64], m[64], t[32];
	bool found = false;

	if (!mounts || !getcwd(cwd, sizeof(cwd)))
		fail("/proc/mounts");
	while (fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%63s %63s %31s", d, m, t) == 3 &&
		    !strcmp(m, cwd)) {
			strcpy(dev, d);
			strcpy(dir, m);
			strcpy(type, t);
			found = true;
		}
	}
	fclose(mounts);
	if (!found)
		skip("%s is not a mount point", cwd);
}

static void leave(struct file *f, const char *dir)
{
	file_close(f);
	must(chdir("/"));
	if (umount2(dir, 0))
		fail("umount %s: %s", dir, strerror(errno));
}

/* The pool goes with the mount: what is stored says nothing about the next */
static void remount(void)
{
	struct file *f = file_new("remount", 200);
	char dev[64], dir[64], type[32];
	int i;

	device_of_cwd(dev, dir, type);
	for (i = 0; i < 4; i++) {
		file_store(f);
		leave(f, dir);
		must(mount(dev, dir, type, 0, NULL));
		must(chdir(dir));
		file_open(f);
		file_check(f);
		file_dwrite(f, i * 10 * PAGE, 10 * PAGE);
		file_check(f);
		file_store(f);
		file_check_hits(f, 150);
	}
	/* Read-only and back: the pool stays */
	file_store(f);
	file_close(f);
	must(mount(dev, dir, type, MS_REMOUNT | MS_RDONLY, NULL));
	must(mount(dev, dir, type, MS_REMOUNT, NULL));
	file_open(f);
	file_check(f);
	file_gone(f);
}

/* Anew on the same device: the same names, numbers and places, other bytes */
static void mkfs_anew(void)
{
	struct file *f = file_new("mkfs", 200);
	char dev[64], dir[64], type[32], cmd[200];
	unsigned char *old = f->want;
	int i;

	device_of_cwd(dev, dir, type);
	for (i = 0; i < 2; i++) {
		snprintf(cmd, sizeof(cmd), "command -v mkfs.%s >/dev/null", type);
		if (system(cmd))
			skip("no mkfs.%s here", type);
		if (set_generation(f, 77))
			say("same generation");
		file_store(f);
		leave(f, dir);
		snprintf(cmd, sizeof(cmd), "mkfs.%s -%c%s %s >/dev/null 2>&1",
			 type, fs_magic == EXT4_MAGIC ? 'F' : 'f',
			 fs_magic == EXT4_MAGIC ? " -O ^metadata_csum" : "",
			 dev);
		if (system(cmd))
			fail("%s", cmd);
		must(mount(dev, dir, type, 0, NULL));
		must(chdir(dir));
		file_open(f);
		set_generation(f, 77);
		f->size = 0;
		memset(old, 0, ROOM);
		file_truncate(f, 200 * PAGE);
		file_check(f);
		file_dwrite(f, 0, 100 * PAGE);
		file_check(f);
	}
	file_gone(f);
}

const struct test life_tests[] = {
	{ "inode", inode },
	{ "unlinked", unlinked },
	{ "tmpfile-link", tmpfile_link },
	{ "reuse", reuse },
	{ "generation", generation },
	{ "remount", remount, true },
	{ "mkfs-anew", mkfs_anew, true },
	{ 0 }
};
