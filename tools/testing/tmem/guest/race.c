// SPDX-License-Identifier: GPL-2.0
/*
 * Coherence of hcache: readers race with writers and evictions
 *
 * The writer makes rounds.  It announces a round, does something to the page,
 * and says that it is complete.  A word that a reader gets must not be older
 * than the last round that was complete when the read began, nor newer than
 * the last that was announced when it ended.  This holds without hcache, too.
 */
#include <linux/btrfs.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "coh.h"

#define SLOTS	24

static struct {
	int fd, dfd;
	bool over;
	enum { DIRECT, PUNCH, TRUNCATE, ENCODED } mode;
	uint32_t announced[SLOTS], complete[SLOTS];
	unsigned long reads;
} race;

/* What is at a position after a round; even rounds leave zeroes, but for some */
static uint64_t word_after(uint32_t round, uint64_t pos)
{
	if (race.mode == ENCODED)
		return (round & 0xff) * 0x0101010101010101ULL;
	if (!round || (race.mode != DIRECT && round % 2 == 0))
		return 0;
	return word_of(1, round, pos);
}

/* btrfs: writes a page of one byte as a zstd frame with an RLE block */
static void write_encoded(off_t pos, unsigned char byte)
{
	unsigned char frame[] = {
		0x28, 0xb5, 0x2f, 0xfd,		/* magic */
		0x60,				/* one segment, size in 2 bytes */
		(PAGE - 256) & 0xff, (PAGE - 256) >> 8,
		0x03, PAGE << 3 >> 8 & 0xff, PAGE << 3 >> 16, byte
	};
	struct iovec iov = { frame, sizeof(frame) };
	struct btrfs_ioctl_encoded_io_args args = {
		.iov = &iov, .iovcnt = 1, .offset = pos,
		.len = PAGE, .unencoded_len = PAGE,
		.compression = BTRFS_ENCODED_IO_COMPRESSION_ZSTD,
	};

	/* Busy: somebody has just got hold of a page */
	while (ioctl(race.fd, BTRFS_IOC_ENCODED_WRITE, &args) == -1)
		if (errno != EBUSY)
			fail("BTRFS_IOC_ENCODED_WRITE: %s", strerror(errno));
}

static void punch_or_write(unsigned int slot, uint32_t round, void *buf)
{
	off_t pos = slot * PAGE;

	if (race.mode == ENCODED) {
		write_encoded(pos, round);
		return;
	}

	/* Even rounds leave zeroes */
	if (race.mode == PUNCH && round % 2 == 0) {
		must(fallocate(race.fd, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, pos, PAGE));
		return;
	}
	pattern(buf, 1, round, pos, PAGE);
	if (must(pwrite(race.dfd, buf, PAGE, pos)) != PAGE)
		fail("short write");
}

static void *writer(void *arg)
{
	void *buf = aligned(SLOTS * PAGE);
	uint32_t round = 0;
	unsigned int slot, i;

	while (!__atomic_load_n(&race.over, __ATOMIC_RELAXED)) {
		round++;
		if (race.mode == TRUNCATE) {
			/* All of the file: odd rounds write it, even ones empty it */
			for (i = 0; i < SLOTS; i++)
				__atomic_store_n(&race.announced[i], round,
						 __ATOMIC_SEQ_CST);
			if (round & 1) {
				pattern(buf, 1, round, 0, SLOTS * PAGE);
				must(pwrite(race.dfd, buf, SLOTS * PAGE, 0));
			} else {
				must(ftruncate(race.fd, 0));
				must(ftruncate(race.fd, SLOTS * PAGE));
			}
			for (i = 0; i < SLOTS; i++)
				__atomic_store_n(&race.complete[i], round,
						 __ATOMIC_SEQ_CST);
			continue;
		}
		slot = rnd(SLOTS);
		i = race.announced[slot] + 1;
		__atomic_store_n(&race.announced[slot], i, __ATOMIC_SEQ_CST);
		punch_or_write(slot, i, buf);
		__atomic_store_n(&race.complete[slot], i, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/*
 * Of a round from least to most?  A read of the disk that meets a direct write
 * may get some bytes of before and some of after, even within a word.
 */
static bool is_right(uint64_t word, uint64_t pos, uint32_t least, uint32_t most)
{
	unsigned char *byte = (unsigned char *)&word;
	uint64_t whole;
	uint32_t round;
	unsigned int i;

	for (i = 0; i < sizeof(word); i++) {
		for (round = least; round <= most; round++) {
			whole = word_after(round, pos);
			if (byte[i] == ((unsigned char *)&whole)[i])
				break;
		}
		if (round > most)
			return false;
	}
	return true;
}

static void judge(unsigned int slot, const uint64_t *words, uint32_t least)
{
	uint32_t most = __atomic_load_n(&race.announced[slot], __ATOMIC_SEQ_CST);
	uint64_t pos;
	uint32_t round;
	unsigned int i;

	for (i = 0; i < PAGE / 8; i++) {
		round = words[i] >> 32 & 0xfffff;
		pos = slot * PAGE + i * 8;
		if (is_right(words[i], pos, least, most))
			continue;
		if (!words[i] || race.mode == ENCODED)
			fail("page %u, word %u: %#llx, complete was round %u, announced %u",
			     slot, i, (unsigned long long)words[i], least, most);
		if (words[i] != word_of(1, round, pos))
			fail("page %u, word %u: %#llx belongs elsewhere", slot,
			     i, (unsigned long long)words[i]);
		fail("page %u, word %u: of round %u, complete was %u, announced %u",
		     slot, i, round, least, most);
	}
}

static void *reader(void *arg)
{
	uint32_t least[SLOTS];
	uint64_t *buf = aligned(SLOTS * PAGE);
	unsigned char *map = mmap(NULL, SLOTS * PAGE, PROT_READ, MAP_SHARED,
				  race.fd, 0);
	unsigned int slot, n, i;
	long done;

	rnd_seed((uintptr_t)arg + 77);
	while (!__atomic_load_n(&race.over, __ATOMIC_RELAXED)) {
		slot = rnd(SLOTS);
		n = 1 + rnd(SLOTS - slot);
		for (i = 0; i < n; i++)
			least[i] = __atomic_load_n(&race.complete[slot + i],
						   __ATOMIC_SEQ_CST);
		if (race.mode != TRUNCATE && rnd(4) == 0) {
			memcpy(buf, map + slot * PAGE, n * PAGE);
			done = n * PAGE;
		} else {
			done = must(pread(race.fd, buf, n * PAGE, slot * PAGE));
		}
		for (i = 0; i < done / PAGE; i++)
			judge(slot + i, buf + i * PAGE / 8, least[i]);
		__atomic_add_fetch(&race.reads, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *evictor(void *arg)
{
	void *map = mmap(NULL, SLOTS * PAGE, PROT_READ, MAP_SHARED, race.fd, 0);
	unsigned int slot, n;

	rnd_seed(5);
	while (!__atomic_load_n(&race.over, __ATOMIC_RELAXED)) {
		slot = rnd(SLOTS);
		n = 1 + rnd(SLOTS - slot);
		/* Fails beyond the end of the file */
		madvise((char *)map + slot * PAGE, n * PAGE, MADV_POPULATE_READ);
		madvise((char *)map + slot * PAGE, n * PAGE, MADV_PAGEOUT);
		if (rnd(16) == 0)
			reclaim(rnd(2) ? "64K" : "512K");
	}
	return NULL;
}

/*
 * The pages without which the race shows nothing: hits.  btrfs holds on to the
 * pages of a file that is truncated: most are put in vain, so it is puts there.
 */
static long race_pages(void)
{
	struct counts c = counts();

	if (fs_magic == BTRFS_MAGIC && race.mode == TRUNCATE)
		return c.stored;
	return c.hits;
}

static void run(int mode)
{
	/* One processor: let the writer have its share */
	unsigned int threads = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 5 : 3, i;
	struct counts before = counts(), c;
	double start = now();
	pthread_t t[5];
	long pages;

	unlink("race");
	memset(&race, 0, sizeof(race));
	race.mode = mode;
	race.fd = must(open("race", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	race.dfd = must(open("race", O_RDWR | O_DIRECT | O_CLOEXEC));
	must(ftruncate(race.fd, SLOTS * PAGE));
	pages = race_pages();
	if (pthread_create(&t[0], NULL, writer, NULL) ||
	    pthread_create(&t[1], NULL, reader, (void *)1) ||
	    pthread_create(&t[2], NULL, evictor, NULL) ||
	    (threads == 5 &&
	     (pthread_create(&t[3], NULL, reader, (void *)2) ||
	      pthread_create(&t[4], NULL, evictor, NULL))))
		fail("no thread");
	/* The busier the machine, the longer */
	do
		usleep(100000);
	while (now() - start < 3 ||
	       (too_few(race_pages() - pages, 20) && now() - start < 60));
	__atomic_store_n(&race.over, true, __ATOMIC_RELAXED);
	for (i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	c = counts();
	say("%lu reads, %u rounds of page 0, %ld stored, %ld hits, %ld invalidated",
	    race.reads, race.complete[0], c.stored - before.stored,
	    c.hits - before.hits, c.invalidated - before.invalidated);
	if (too_few(race_pages() - pages, 20))
		fail("only %ld pages", race_pages() - pages);
	unlink("race");
}

static void race_direct(void)
{
	run(DIRECT);
}

static void race_punch(void)
{
	run(PUNCH);
}

static void race_truncate(void)
{
	run(TRUNCATE);
}

static void race_encoded(void)
{
	/* Only with checksums, which only new files get */
	if (fs_magic != BTRFS_MAGIC)
		skip("not btrfs");
	must(mount(NULL, ".", NULL, MS_REMOUNT, "datasum"));
	run(ENCODED);
	must(mount(NULL, ".", NULL, MS_REMOUNT, "nodatasum"));
}

/*
 * The page is read, put and evicted while it is being written: the write has
 * invalidated it before, and must do so again, although nothing is resident at
 * its end.  The buffer of the write is a page that has to be read from the disk
 * first, which leaves time.  Shows something only if the disk is slow.
 */
static int post_fd;
static bool post_writing, post_over;

static void *post_reader(void *arg)
{
	void *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, post_fd, 0);

	while (!__atomic_load_n(&post_over, __ATOMIC_SEQ_CST)) {
		if (!__atomic_load_n(&post_writing, __ATOMIC_SEQ_CST)) {
			usleep(100);
			continue;
		}
		madvise(map, PAGE, MADV_POPULATE_READ);
		madvise(map, PAGE, MADV_PAGEOUT);
	}
	return NULL;
}

static void race_post(void)
{
	struct file *from = file_new("post-from", 150), *to;
	struct counts before = counts();
	unsigned char *map, *buf = aligned(PAGE);
	double limit = now() + 15;
	pthread_t tid;
	size_t page;
	int i;

	to = file_new("post-to", 1);
	post_fd = to->fd;
	map = mmap(NULL, from->size, PROT_READ, MAP_SHARED, from->fd, 0);
	if (map == MAP_FAILED || pthread_create(&tid, NULL, post_reader, NULL))
		fail("no memory");
	must(madvise(map, from->size, MADV_RANDOM));
	/* The faster the disk, and the busier the machine, the more it takes */
	for (i = 0; i < 150 || (now() < limit &&
				counts().stored - before.stored < 100); i++) {
		page = i % 150;
		must(posix_fadvise(from->fd, 0, 0, POSIX_FADV_DONTNEED));
		__atomic_store_n(&post_writing, true, __ATOMIC_SEQ_CST);
		if (must(pwrite(to->dfd, map + page * PAGE, PAGE, 0)) !=
		    PAGE)
			fail("short write");
		__atomic_store_n(&post_writing, false, __ATOMIC_SEQ_CST);
		must(pread(to->fd, buf, PAGE, 0));
		if (memcmp(buf, from->want + page * PAGE, PAGE))
			fail("write %d is not what is read", i);
		usleep(300);
		must(pread(to->fd, buf, PAGE, 0));
		if (memcmp(buf, from->want + page * PAGE, PAGE))
			fail("write %d is not what is read later", i);
	}
	__atomic_store_n(&post_over, true, __ATOMIC_SEQ_CST);
	pthread_join(tid, NULL);
	say("%ld stored, %ld invalidated", counts().stored - before.stored,
	    counts().invalidated - before.invalidated);
	if (too_few(counts().stored - before.stored, 100))
		fail("too little was stored");
	file_gone(from);
	file_gone(to);
}

const struct test race_tests[] = {
	{ "race-direct", race_direct },
	{ "race-punch", race_punch },
	{ "race-truncate", race_truncate },
	{ "race-encoded", race_encoded },
	{ "race-post", race_post },
	{ 0 }
};
