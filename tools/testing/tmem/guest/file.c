// SPDX-License-Identifier: GPL-2.0
/*
 * Coherence of hcache: files with a shadow in memory
 */
#include <pthread.h>
#include <sys/wait.h>

#include "coh.h"

static uint32_t last_id;
static pthread_mutex_t id_lock = PTHREAD_MUTEX_INITIALIZER;

static void describe(char *out, size_t room, const unsigned char *at)
{
	uint64_t w;

	memcpy(&w, at, 8);
	if (!w)
		snprintf(out, room, "zeroes");
	else
		snprintf(out, room, "file %u write %u at %#lx",
			 (unsigned int)(w >> 52),
			 (unsigned int)(w >> 32) & 0xfffff,
			 (unsigned long)(w & 0xffffffff) * 8);
}

static void compare(struct file *f, uint64_t pos, const unsigned char *got,
		    size_t len, const char *how)
{
	char wanted[80], found[80];
	size_t i, n, bad = 0;

	if (!memcmp(got, f->want + pos, len))
		return;
	for (i = 0; i < len && got[i] == f->want[pos + i]; i++)
		;
	for (n = i; n < len; n++)
		bad += got[n] != f->want[pos + n];
	n = (i + pos) / 8 * 8;
	describe(wanted, sizeof(wanted), f->want + n);
	if (n >= pos && n - pos + 8 <= len)
		describe(found, sizeof(found), got + n - pos);
	else
		snprintf(found, sizeof(found), "%#x", got[i]);
	fail("%s (file %u, write %u, %zu bytes) %s: byte %#lx, page %lu: wanted %s, got %s; %zu wrong bytes of %zu at %#lx",
	     f->path, f->id, f->gen, f->size, how, (unsigned long)(pos + i),
	     (unsigned long)(pos + i) / PAGE, wanted, found, bad, len,
	     (unsigned long)pos);
}

/* ---- open, close ---- */

void file_open(struct file *f)
{
	f->fd = must(open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	f->dfd = must(open(f->path, O_RDWR | O_DIRECT | O_CLOEXEC));
}

void file_close(struct file *f)
{
	close(f->fd);
	close(f->dfd);
	f->fd = -1;
	f->dfd = -1;
}

struct file *file_new(const char *name, size_t pages)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		fail("no memory");
	snprintf(f->path, sizeof(f->path), "%s", name);
	pthread_mutex_lock(&id_lock);
	f->id = ++last_id;
	pthread_mutex_unlock(&id_lock);
	f->want = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (f->want == MAP_FAILED)
		fail("no memory");
	unlink(f->path);
	file_open(f);
	if (pages)
		file_write(f, 0, pages * PAGE);
	must(fsync(f->fd));
	return f;
}

void file_gone(struct file *f)
{
	if (f->fd >= 0)
		file_close(f);
	unlink(f->path);
	munmap(f->want, ROOM);
	free(f);
}

/* ---- change ---- */

/* The next write, in the shadow already */
const void *file_next(struct file *f, uint64_t pos, size_t len)
{
	if (pos + len > ROOM)
		fail("file too large");
	f->gen++;
	pattern(f->want + pos, f->id, f->gen, pos, len);
	if (pos + len > f->size)
		f->size = pos + len;
	return f->want + pos;
}

void file_write(struct file *f, uint64_t pos, size_t len)
{
	const void *buf = file_next(f, pos, len);

	if (must(pwrite(f->fd, buf, len, pos)) != (long)len)
		fail("short write");
}

void file_dwrite(struct file *f, uint64_t pos, size_t len)
{
	void *buf = aligned(len);
	long done;

	memcpy(buf, file_next(f, pos, len), len);
	done = must(pwrite(f->dfd, buf, len, pos));
	if (done != (long)len)
		fail("short direct write: %ld of %zu", done, len);
	free(buf);
}

/* Within the file; not synchronised */
void file_mwrite(struct file *f, uint64_t pos, size_t len)
{
	unsigned char *map;

	if (pos + len > f->size)
		fail("a mapping ends with the file");
	map = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (map == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	memcpy(map + pos, file_next(f, pos, len), len);
	munmap(map, f->size);
}

void file_truncate(struct file *f, size_t size)
{
	must(ftruncate(f->fd, size));
	if (size < f->size)
		memset(f->want + size, 0, f->size - size);
	f->size = size;
}

/* Returns 0, or -1 with errno if the filesystem cannot */
int file_fallocate(struct file *f, int mode, uint64_t pos, uint64_t len)
{
	uint64_t end;

	if (fallocate(f->fd, mode, pos, len))
		return -1;
	if (mode & FALLOC_FL_COLLAPSE_RANGE) {
		memmove(f->want + pos, f->want + pos + len, f->size - pos - len);
		memset(f->want + f->size - len, 0, len);
		f->size -= len;
	} else if (mode & FALLOC_FL_INSERT_RANGE) {
		memmove(f->want + pos + len, f->want + pos, f->size - pos);
		memset(f->want + pos, 0, len);
		f->size += len;
	} else {
		end = pos + len;
		if (!(mode & FALLOC_FL_KEEP_SIZE) && end > f->size)
			f->size = end;
		if (end > f->size)
			end = f->size;
		if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) &&
		    end > pos)
			memset(f->want + pos, 0, end - pos);
	}
	return 0;
}

/* ---- look ---- */

void file_check_range(struct file *f, uint64_t pos, size_t len)
{
	unsigned char *buf = malloc(len);
	size_t done = 0;
	long n;

	if (!buf)
		fail("no memory");
	while (done < len) {
		n = must(pread(f->fd, buf + done, len - done, pos + done));
		if (!n)
			fail("%s ends at %#lx, wanted %#zx", f->path,
			     (unsigned long)(pos + done), f->size);
		done += n;
	}
	compare(f, pos, buf, len, "read");
	free(buf);
}

/* Every byte, in reads of some size */
void file_check(struct file *f)
{
	size_t chunk = PAGE << rnd(6), pos, len;
	struct stat st;

	must(fstat(f->fd, &st));
	if ((size_t)st.st_size != f->size)
		fail("%s has %zu bytes, wanted %zu", f->path,
		     (size_t)st.st_size, f->size);
	for (pos = 0; pos < f->size; pos += len) {
		len = f->size - pos < chunk ? f->size - pos : chunk;
		file_check_range(f, pos, len);
	}
}

void file_check_mapped(struct file *f, int advice)
{
	size_t len = (f->size + PAGE - 1) / PAGE * PAGE, i;
	unsigned char *map;

	if (!len)
		return;
	map = mmap(NULL, len, PROT_READ, MAP_SHARED, f->fd, 0);
	if (map == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	must(madvise(map, len, advice));
	compare(f, 0, map, f->size, "mapped");
	for (i = f->size; i < len; i++)
		if (map[i])
			fail("%s: byte %#zx beyond the end, mapped, is %#x",
			     f->path, i, map[i]);
	munmap(map, len);
}

size_t file_resident(struct file *f)
{
	size_t pages = (f->size + PAGE - 1) / PAGE, i, n = 0;
	unsigned char *vec;
	void *map;

	if (!pages)
		return 0;
	map = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, f->fd, 0);
	vec = malloc(pages);
	if (map == MAP_FAILED || !vec)
		fail("no memory");
	must(mincore(map, pages * PAGE, vec));
	for (i = 0; i < pages; i++)
		n += vec[i] & 1;
	munmap(map, pages * PAGE);
	free(vec);
	return n;
}

/* ---- evict ---- */

void reclaim(const char *how_much)
{
	/* EAGAIN says that there was less than that */
	echo_to("/sys/fs/cgroup/memory.reclaim", how_much);
}

/* Memory pressure: a process of its own, so that it can be killed */
void burst(size_t bytes)
{
	pid_t pid = must(fork());
	size_t i;
	char *p;

	if (!pid) {
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		echo_to("/proc/self/oom_score_adj", "1000");
		for (i = 0; p != MAP_FAILED && i < bytes; i += PAGE)
			p[i] = 1;
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

/* Reclaim just these pages: maps them, and asks for their eviction */
void file_pageout(struct file *f, uint64_t pos, size_t len)
{
	void *map;

	if (pos >= f->size)
		return;
	if (len > f->size - pos)
		len = f->size - pos;
	len = (len + PAGE - 1) / PAGE * PAGE;
	map = mmap(NULL, len, PROT_READ, MAP_SHARED, f->fd, pos / PAGE * PAGE);
	if (map == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	must(madvise(map, len, MADV_POPULATE_READ));
	must(madvise(map, len, MADV_PAGEOUT));
	munmap(map, len);
}

void file_evict(struct file *f)
{
	int tries;

	must(fsync(f->fd));
	for (tries = 0; tries < 20 && file_resident(f); tries++) {
		if (tries % 4 == 3)
			file_pageout(f, 0, f->size);
		else
			reclaim(tries < 2 ? "16M" : "64M");
	}
	if (file_resident(f))
		fail("%s: %zu pages cannot be evicted", f->path,
		     file_resident(f));
}

/* All of the file goes to the store, or the test tests nothing */
void file_store(struct file *f)
{
	long pages = (f->size + PAGE - 1) / PAGE, stored;
	struct counts before;

	/* All its pages at once, as evicted pages are not put again */
	file_check(f);
	before = counts();
	file_evict(f);
	stored = counts().stored - before.stored;
	if (too_few(stored, pages - pages / 8))
		fail("%s: %ld pages evicted, only %ld stored", f->path, pages,
		     stored);
}

/*
 * An inode stays in memory for the sake of its shadow entries.  Others that are
 * younger, more than the kernel wants to keep, drive them out.
 */
static void forget_shadows(void)
{
	int fd = must(open("shadows", O_RDWR | O_CREAT | O_CLOEXEC, 0600)), i;
	char byte;

	must(ftruncate(fd, 1500 * 64 * PAGE));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM));
	for (i = 0; i < 1500; i++)
		must(pread(fd, &byte, 1, i * 64 * PAGE));
	for (i = 0; i < 3; i++)
		reclaim("16M");
	must(echo_to("/proc/sys/vm/drop_caches", "2") ? 0 : -1);
	close(fd);
	unlink("shadows");
}

/*
 * The inode leaves memory, and comes back; its mapping is then empty.  Without
 * the shadows it may stay.
 */
void file_forget_inode(struct file *f, bool shadows)
{
	struct stat st;
	ino_t ino;
	int i;

	must(fstat(f->fd, &st));
	ino = st.st_ino;
	must(fsync(f->fd));
	file_close(f);
	if (shadows)
		forget_shadows();
	/* What was used lately is spared the first times */
	for (i = 0; i < 4; i++)
		must(echo_to("/proc/sys/vm/drop_caches", "2") ? 0 : -1);
	file_open(f);
	must(fstat(f->fd, &st));
	if (st.st_ino != ino)
		fail("%s: another inode", f->path);
}

/* All bytes are right, and at least so many pages came from the store */
void file_check_hits(struct file *f, long least)
{
	struct counts before = counts(), after;

	file_check(f);
	after = counts();
	if (too_few(after.hits - before.hits, least))
		fail("%s: %ld hits, wanted %ld; %ld lost", f->path,
		     after.hits - before.hits, least, after.lost - before.lost);
	file_check_mapped(f, MADV_NORMAL);
}
