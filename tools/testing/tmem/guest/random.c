// SPDX-License-Identifier: GPL-2.0
/*
 * Coherence of hcache: anything, in any order, for a while
 *
 * Each thread has files of its own and compares after each operation what that
 * has touched, now and then everything.  Others evict meanwhile, and switch
 * hcache off and on.
 */
#include <pthread.h>

#include "coh.h"

#define FILES	4
#define PAGES	300UL		/* about the size of a file */

static double end;
static bool stop;
static unsigned long operations;
static unsigned int seed_of_all;

static struct file *fresh(struct file *old, unsigned int thread, unsigned int i)
{
	char name[32];

	if (old)
		file_gone(old);
	snprintf(name, sizeof(name), "random-%u-%u", thread, i);
	return file_new(name, 1 + rnd(PAGES));
}

static void clone_some(struct file *to, struct file *from)
{
	struct file_clone_range r = { .src_fd = from->fd };

	r.src_offset = rnd(from->size / PAGE + 1) * PAGE;
	r.src_length = (1 + rnd(30)) * PAGE;
	r.dest_offset = rnd(to->size / PAGE + 1) * PAGE;
	if (r.src_offset + r.src_length > from->size)
		return;
	if (ioctl(to->fd, FICLONERANGE, &r)) {
		if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL)
			return;
		fail("clone: %s", strerror(errno));
	}
	memmove(to->want + r.dest_offset, from->want + r.src_offset,
		r.src_length);
	if (r.dest_offset + r.src_length > to->size)
		to->size = r.dest_offset + r.src_length;
}

static void copy_some(struct file *to, struct file *from)
{
	loff_t in = rnd(from->size + 1), out = rnd(to->size + 1);
	size_t len = 1 + rnd(20 * PAGE);
	loff_t at = in, start = out;
	long n;

	if (from == to || in + len > from->size)
		return;
	while (len) {
		n = must(copy_file_range(from->fd, &at, to->fd, &out, len, 0));
		if (!n)
			fail("copy_file_range ends early");
		len -= n;
	}
	memcpy(to->want + start, from->want + in, out - start);
	if ((size_t)out > to->size)
		to->size = out;
}

static void change_range(struct file *f, uint64_t pos, uint64_t len)
{
	static const int modes[] = {
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE, 0,
	};
	int mode = modes[rnd(5)];

	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) {
		pos = pos / PAGE * PAGE;
		len = (len / PAGE + 1) * PAGE;
		if (pos >= f->size ||
		    (mode == FALLOC_FL_COLLAPSE_RANGE && pos + len >= f->size))
			return;
	}
	if (file_fallocate(f, mode, pos, len) && errno != EOPNOTSUPP)
		fail("fallocate %#x at %#lx, %#lx bytes of %#zx: %s", mode,
		     (unsigned long)pos, (unsigned long)len, f->size,
		     strerror(errno));
}

static void change(struct file **files, unsigned int i, unsigned int thread)
{
	struct file *f = files[i], *other = files[rnd(FILES)];
	uint64_t pos = rnd(f->size + 8 * PAGE), len = 1 + rnd(16 * PAGE);
	uint64_t page = pos / PAGE;

	if (f->size > 2 * PAGES * PAGE)
		file_truncate(f, PAGES * PAGE / 2);
	switch (rnd(14)) {
	case 0:
	case 1:
		file_write(f, pos, len);
		break;
	case 2:
	case 3:
	case 4:
		file_dwrite(f, page * PAGE, (1 + rnd(20)) * PAGE);
		break;
	case 5:
		if (pos < f->size)
			file_mwrite(f, pos, len < f->size - pos ? len :
				    f->size - pos);
		break;
	case 6:
		file_truncate(f, pos);
		break;
	case 7:
	case 8:
	case 9:
		change_range(f, pos, len);
		break;
	case 10:
		clone_some(f, other);
		break;
	case 11:
		copy_some(f, other);
		break;
	case 12:
		must(fsync(f->fd));
		break;
	case 13:
		if (rnd(4) == 0)
			files[i] = fresh(f, thread, i);
		break;
	}
}

static void look(struct file *f)
{
	size_t pos, len;

	if (!f->size)
		return;
	pos = rnd(f->size);
	len = 1 + rnd(40 * PAGE);
	if (len > f->size - pos)
		len = f->size - pos;
	switch (rnd(5)) {
	case 0:
		file_check_mapped(f, rnd(2) ? MADV_RANDOM : MADV_NORMAL);
		break;
	case 1:
		file_check(f);
		break;
	case 2:
		must(posix_fadvise(f->fd, 0, 0, rnd(2) ? POSIX_FADV_RANDOM :
				   POSIX_FADV_SEQUENTIAL));
		/* fall through */
	default:
		file_check_range(f, pos, len);
		break;
	}
}

static void evict(struct file *f)
{
	static const char * const sizes[] = { "256K", "1M", "4M", "16M" };

	switch (rnd(10)) {
	case 0:
	case 1:
		reclaim(sizes[rnd(4)]);
		break;
	case 2:
		if (rnd(8) == 0)
			burst((32 + rnd(32)) << 20);
		break;
	case 3:
		if (rnd(3) == 0)
			file_forget_inode(f, false);
		break;
	case 4:
		must(posix_fadvise(f->fd, rnd(PAGES) * PAGE, rnd(90) * PAGE,
				   POSIX_FADV_DONTNEED));
		break;
	case 5:
		if (rnd(2))
			must(fsync(f->fd));
		/* fall through */
	default:
		file_pageout(f, rnd(PAGES) * PAGE, (1 + rnd(100)) * PAGE);
		break;
	}
}

static void *worker(void *arg)
{
	unsigned int thread = (uintptr_t)arg, i;
	struct file *files[FILES] = { 0 };
	unsigned long n = 0;

	rnd_seed(seed_of_all + 1000 * thread);
	for (i = 0; i < FILES; i++)
		files[i] = fresh(NULL, thread, i);
	while (now() < end) {
		i = rnd(FILES);
		switch (rnd(4)) {
		case 0:
			change(files, i, thread);
			break;
		case 1:
			evict(files[i]);
			break;
		default:
			look(files[i]);
			break;
		}
		if (++n % 256 == 0)
			for (i = 0; i < FILES; i++)
				file_check(files[i]);
	}
	for (i = 0; i < FILES; i++) {
		file_check(files[i]);
		file_evict(files[i]);
		file_check(files[i]);
		file_gone(files[i]);
	}
	__atomic_add_fetch(&operations, n, __ATOMIC_RELAXED);
	return NULL;
}

/* Bits that were set before stay valid, or their pool goes with them */
static void *switcher(void *arg)
{
	const struct {
		const char *file, *value;
	} settings[] = {
		{ "hcache/enabled", "0" }, { "hcache/enabled", "1" },
		{ "hcache/admission", "workingset" },
		{ "hcache/admission", "all" },
		{ "hcache/admission", "adaptive" },
		{ "hcache/admission", "all" },
		{ "transport", "none" }, { "transport", transport() },
	};
	char path[80];
	unsigned int i;

	rnd_seed(seed_of_all + 1);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		i = rnd(4) * 2;
		snprintf(path, sizeof(path), TMEM "%s", settings[i].file);
		if (!echo_to(path, settings[i].value))
			fail("%s > %s", settings[i].value, path);
		usleep(rnd(100000));
		if (!echo_to(path, settings[i + 1].value))
			fail("%s > %s", settings[i + 1].value, path);
		usleep(rnd(300000));
	}
	return NULL;
}

void random_test(unsigned int seed, double seconds, unsigned int threads,
		 bool toggle)
{
	pthread_t tid[16], other;
	struct counts before = counts(), c;
	unsigned int i;

	if (threads > 16)
		threads = 16;
	seed_of_all = seed;
	end = now() + seconds;
	if (toggle && pthread_create(&other, NULL, switcher, NULL))
		fail("no thread");
	for (i = 0; i < threads; i++)
		if (pthread_create(&tid[i], NULL, worker, (void *)(uintptr_t)i))
			fail("no thread");
	for (i = 0; i < threads; i++)
		pthread_join(tid[i], NULL);
	if (toggle) {
		__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
		pthread_join(other, NULL);
	}
	c = counts();
	printf("ok: random: %lu operations, %ld pages stored, %ld hits, %ld lost, %ld invalidated, %ld overwritten\n",
	       operations, c.stored - before.stored, c.hits - before.hits,
	       c.lost - before.lost, c.invalidated - before.invalidated,
	       c.overwritten - before.overwritten);
	if (too_few(c.hits - before.hits, operations) ||
	    too_few(c.invalidated - before.invalidated, operations / 10))
		fail("hcache took too small a part");
}
