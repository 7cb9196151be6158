// SPDX-License-Identifier: GPL-2.0
/*
 * Coherence of hcache: reads and writes of every kind
 */
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "coh.h"

/* ---- direct writes ---- */

/*
 * Protected by invalidate_inode_pages2_range(), reached from
 * kiocb_invalidate_pages() before and kiocb_invalidate_post_direct_write()
 * after the write, although no page is resident.
 */
static void direct_writes(struct file *f)
{
	file_dwrite(f, 4 * PAGE, 3 * PAGE);
	file_check_hits(f, f->size / PAGE / 2);
	file_store(f);
	file_dwrite(f, 0, PAGE);
	file_dwrite(f, f->size - PAGE, PAGE);
	file_dwrite(f, 70 * PAGE, 10 * PAGE);
	file_check_hits(f, f->size / PAGE / 2);
}

static void direct(void)
{
	struct file *f = file_new("direct", 256);

	file_store(f);
	direct_writes(f);
	file_store(f);
	file_dwrite(f, f->size, 4 * PAGE);
	file_check_hits(f, 200);
	file_gone(f);
}

/* The same with not even a shadow entry in the mapping: mapping_empty() */
static void direct_empty(void)
{
	struct file *f = file_new("direct", 256);

	file_store(f);
	file_forget_inode(f, true);
	direct_writes(f);
	file_store(f);
	file_forget_inode(f, true);
	/* All of it: a mistake of one page at the edges would show */
	file_dwrite(f, PAGE, f->size - 2 * PAGE);
	file_check(f);
	file_gone(f);
}

/* Parts of pages, if the filesystem can: the rest of the page is old */
static void direct_sector(void)
{
	struct file *f = file_new("direct", 64);
	void *buf = aligned(PAGE);
	int i;

	for (i = 0; i < 8; i++) {
		file_store(f);
		if (i & 1)
			file_forget_inode(f, true);
		memset(buf, 0, PAGE);
		pattern(buf, f->id, f->gen + 1, (5 * i + 1) * 512, 512);
		if (pwrite(f->dfd, buf, 512, (5 * i + 1) * 512) != 512)
			skip("no direct writes of 512 bytes: %s",
			     strerror(errno));
		file_next(f, (5 * i + 1) * 512, 512);
		file_check_hits(f, 32);
	}
	free(buf);
	file_gone(f);
}

/* The completion of an asynchronous write has to go to process context */
static void aio(void)
{
	struct file *f = file_new("aio", 128);
	struct iocb cb[16] = { 0 }, *cbs[16];
	struct io_event events[16];
	void *buf[16];
	aio_context_t ctx = 0;
	int i, round;

	if (syscall(SYS_io_setup, 16, &ctx))
		skip("no aio: %s", strerror(errno));
	for (i = 0; i < 16; i++)
		buf[i] = aligned(2 * PAGE);
	for (round = 0; round < 4; round++) {
		file_store(f);
		if (round & 1)
			file_forget_inode(f, true);
		for (i = 0; i < 16; i++) {
			memset(&cb[i], 0, sizeof(cb[i]));
			cb[i].aio_lio_opcode = IOCB_CMD_PWRITE;
			cb[i].aio_fildes = f->dfd;
			cb[i].aio_offset = i * 7 * PAGE;
			cb[i].aio_nbytes = 2 * PAGE;
			memcpy(buf[i], file_next(f, i * 7 * PAGE, 2 * PAGE),
			       2 * PAGE);
			cb[i].aio_buf = (uintptr_t)buf[i];
			cbs[i] = &cb[i];
		}
		if (must(syscall(SYS_io_submit, ctx, 16, cbs)) != 16)
			fail("io_submit");
		if (must(syscall(SYS_io_getevents, ctx, 16, 16, events,
				 NULL)) != 16)
			fail("io_getevents");
		for (i = 0; i < 16; i++)
			if (events[i].res != (long)(2 * PAGE))
				fail("aio result %lld", (long long)events[i].res);
		file_check_hits(f, large_folios ? 0 : 64);
	}
	syscall(SYS_io_destroy, ctx);
	file_gone(f);
}

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static void ring_open(struct ring *r)
{
	struct io_uring_params p = { 0 };
	char *map;

	r->fd = syscall(SYS_io_uring_setup, 8, &p);
	if (r->fd < 0)
		skip("no io_uring: %s", strerror(errno));
	if (!(p.features & IORING_FEAT_SINGLE_MMAP))
		skip("io_uring too old");
	map = mmap(NULL, p.sq_off.array + p.sq_entries * 4 + PAGE +
		   p.cq_entries * sizeof(struct io_uring_cqe),
		   PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		   IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, p.sq_entries * sizeof(*r->sqes),
		       PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		       IORING_OFF_SQES);
	if (map == MAP_FAILED || r->sqes == MAP_FAILED)
		fail("mmap of rings: %s", strerror(errno));
	r->sq_tail = (void *)(map + p.sq_off.tail);
	r->sq_mask = (void *)(map + p.sq_off.ring_mask);
	r->sq_array = (void *)(map + p.sq_off.array);
	r->cq_head = (void *)(map + p.cq_off.head);
	r->cq_tail = (void *)(map + p.cq_off.tail);
	r->cq_mask = (void *)(map + p.cq_off.ring_mask);
	r->cqes = (void *)(map + p.cq_off.cqes);
}

static int ring_do(struct ring *r, int op, int fd, void *buf, unsigned int len,
		   uint64_t pos)
{
	unsigned int tail = *r->sq_tail, at = tail & *r->sq_mask;
	struct io_uring_cqe *cqe;

	memset(&r->sqes[at], 0, sizeof(r->sqes[at]));
	r->sqes[at].opcode = op;
	r->sqes[at].fd = fd;
	r->sqes[at].addr = (uintptr_t)buf;
	r->sqes[at].len = len;
	r->sqes[at].off = pos;
	r->sq_array[at] = at;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	must(syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS,
		     NULL, 0));
	cqe = &r->cqes[*r->cq_head & *r->cq_mask];
	__atomic_store_n(r->cq_head, *r->cq_head + 1, __ATOMIC_RELEASE);
	return cqe->res;
}

static void uring(void)
{
	struct file *f = file_new("uring", 128);
	void *buf = aligned(2 * PAGE);
	struct ring r;
	int round, i, res;

	ring_open(&r);
	for (round = 0; round < 4; round++) {
		file_store(f);
		if (round & 1)
			file_forget_inode(f, true);
		for (i = 0; i < 8; i++) {
			memcpy(buf, file_next(f, i * 9 * PAGE, 2 * PAGE),
			       2 * PAGE);
			res = ring_do(&r, IORING_OP_WRITE, f->dfd, buf,
				      2 * PAGE, i * 9 * PAGE);
			if (res != (int)(2 * PAGE))
				fail("io_uring: %s", strerror(-res));
			res = ring_do(&r, IORING_OP_READ, f->fd, buf, 2 * PAGE,
				      i * 9 * PAGE);
			if (res != (int)(2 * PAGE) ||
			    memcmp(buf, f->want + i * 9 * PAGE, 2 * PAGE))
				fail("io_uring read of page %d: %d", i * 9, res);
		}
		file_check_hits(f, large_folios ? 0 : 64);
	}
	file_gone(f);
}

/* ---- buffered writes ---- */

/*
 * The rest of a page that is written in part comes from the store or from the
 * disk.  Protected by the take in filemap_add_folio(): the bit must be gone
 * when the page is evicted without being put.
 */
static void overwrite(void)
{
	struct file *f = file_new("overwrite", 128);
	struct counts before;
	int i;

	file_store(f);
	before = counts();
	for (i = 0; i < 128; i += 2)
		file_write(f, i * PAGE, PAGE);
	/* Written back, then removed without a put */
	must(fsync(f->fd));
	must(posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED));
	file_check_hits(f, large_folios ? 0 : 60);
	if (too_few(counts().overwritten, before.overwritten + 1))
		fail("nothing was overwritten");
	file_store(f);
	for (i = 0; i < 128; i += 2)
		file_write(f, i * PAGE + 100 + i, 1000);
	file_check_hits(f, large_folios ? 0 : 60);
	file_store(f);
	file_write(f, 0, f->size);
	must(fsync(f->fd));
	must(posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED));
	must(echo_to("/proc/sys/vm/drop_caches", "1") ? 0 : -1);
	file_check(f);
	file_gone(f);
}

/* Evicted without a put after having been read: the bit was taken */
static void refuse(void)
{
	struct file *f = file_new("refuse", 128);

	file_store(f);
	file_check_hits(f, 120);
	file_mwrite(f, 3 * PAGE, 10 * PAGE);
	must(echo_to("/sys/kernel/mm/tmem/hcache/enabled", "0") ? 0 : -1);
	file_evict(f);
	must(echo_to("/sys/kernel/mm/tmem/hcache/enabled", "1") ? 0 : -1);
	file_check(f);
	file_gone(f);
}

/* ---- mappings ---- */

static void mapped(void)
{
	struct file *f = file_new("mapped", 200);
	struct counts before;
	unsigned char *map;
	int i;

	for (i = 0; i < 3; i++) {
		file_store(f);
		before = counts();
		file_check_mapped(f, i == 1 ? MADV_RANDOM : MADV_NORMAL);
		if (too_few(counts().hits - before.hits, 150))
			fail("faults with advice %d: %ld hits", i == 1,
			     counts().hits - before.hits);
	}
	file_store(f);
	file_mwrite(f, 10 * PAGE + 5, 20 * PAGE);
	file_check(f);
	file_store(f);
	file_check_hits(f, 150);
	/* msync of pages that were evicted while mapped */
	map = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (map == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	for (i = 0; i < 200; i += 3) {
		memcpy(map + i * PAGE, file_next(f, i * PAGE, 64), 64);
		if (i % 30 == 0) {
			must(msync(map, f->size, MS_SYNC));
			must(madvise(map, f->size, MADV_PAGEOUT));
		}
	}
	if (memcmp(map, f->want, f->size))
		fail("the mapping has other bytes");
	munmap(map, f->size);
	file_check(f);
	file_store(f);
	file_check_mapped(f, MADV_RANDOM);
	file_gone(f);
}

/*
 * A page that a pipe holds cannot be removed, so it stays after it was put.
 * Protected by forget: changed then, and evicted without a put, it must not be
 * found in the store.
 */
static void splice_hold(void)
{
	struct file *f = file_new("splice", 64);
	unsigned char *buf = malloc(8 * PAGE);
	struct counts before;
	int pipes[2], i, round;
	size_t done;
	loff_t pos;
	long n;

	must(pipe(pipes));
	for (round = 0; round < 4; round++) {
		file_store(f);
		pos = round * 16 * PAGE;
		for (done = 0; done < 8 * PAGE; done += n)
			n = must(splice(f->fd, &pos, pipes[1], NULL,
					8 * PAGE - done, 0));
		before = counts();
		for (i = 0; i < 4; i++)
			reclaim("8M");
		must(echo_to("/sys/kernel/mm/tmem/hcache/enabled", "0") ? 0 : -1);
		file_dwrite(f, round * 16 * PAGE + 2 * PAGE, PAGE);
		file_write(f, round * 16 * PAGE + 4 * PAGE, PAGE);
		file_mwrite(f, round * 16 * PAGE + 5 * PAGE + 7, PAGE);
		for (done = 0; done < 8 * PAGE; done += n)
			n = must(read(pipes[0], buf + done, 8 * PAGE - done));
		file_evict(f);
		must(echo_to("/sys/kernel/mm/tmem/hcache/enabled", "1") ? 0 : -1);
		file_check(f);
		if (counts().returned == before.returned)
			fail("nothing was returned");
	}
	free(buf);
	file_gone(f);
}

/* sendfile() and copy_file_range() to another file */
static void copies(void)
{
	struct file *a = file_new("copy-a", 128), *b = file_new("copy-b", 128);
	struct counts before;
	loff_t from, to;
	size_t done;
	long n;

	file_store(a);
	file_store(b);
	before = counts();
	from = 0;
	must(lseek(b->fd, 0, SEEK_SET));
	for (done = 0; done < 64 * PAGE; done += n)
		n = must(sendfile(b->fd, a->fd, &from, 64 * PAGE - done));
	memcpy(b->want, a->want, 64 * PAGE);
	file_check(b);
	if (too_few(counts().hits - before.hits, 100))
		fail("%ld hits", counts().hits - before.hits);
	file_store(a);
	file_store(b);
	from = 32 * PAGE;
	to = 80 * PAGE;
	for (done = 0; done < 40 * PAGE; done += n) {
		n = must(copy_file_range(a->fd, &from, b->fd, &to,
					 40 * PAGE - done, 0));
		if (!n)
			fail("copy_file_range ends early");
	}
	memcpy(b->want + 80 * PAGE, a->want + 32 * PAGE, 40 * PAGE);
	file_check(b);
	file_check(a);
	file_store(b);
	file_forget_inode(b, true);
	file_check_hits(b, 100);
	file_gone(a);
	file_gone(b);
}

const struct test io_tests[] = {
	{ "direct", direct },
	{ "direct-empty", direct_empty },
	{ "direct-sector", direct_sector },
	{ "aio", aio },
	{ "io-uring", uring },
	{ "overwrite", overwrite },
	{ "refuse", refuse },
	{ "mapped", mapped },
	{ "splice-hold", splice_hold },
	{ "copies", copies },
	{ 0 }
};
