// SPDX-License-Identifier: GPL-2.0
/*
 * Coherence of hcache: files exchange and share their blocks
 *
 * All of these change what a file's bytes are without a write to its pages;
 * each empties the page cache of the range through truncate_inode_pages_range(),
 * and so hcache.
 */
#include <linux/btrfs.h>
#include <sys/wait.h>

#include "coh.h"

static void clone_file(void)
{
	struct file *a = file_new("clone-a", 128), *b = file_new("clone-b", 128);
	struct file_clone_range r;
	int i;

	for (i = 0; i < 6; i++) {
		file_store(a);
		file_store(b);
		if (i & 1)
			file_forget_inode(b, true);
		if (ioctl(b->fd, FICLONE, a->fd))
			skip("no FICLONE: %s", strerror(errno));
		memcpy(b->want, a->want, a->size);
		file_check(b);
		file_check_hits(a, 100);
		/* The two must not follow each other any more */
		file_store(b);
		file_dwrite(a, 10 * PAGE, 10 * PAGE);
		file_write(a, 30 * PAGE + 17, 10 * PAGE);
		file_check(b);
		file_check(a);
		file_store(a);
		file_store(b);
		if (i & 2)
			file_forget_inode(b, true);
		r = (struct file_clone_range) {
			.src_fd = a->fd,
			.src_offset = 8 * PAGE,
			.src_length = 30 * PAGE,
			.dest_offset = (60 + i) * PAGE,
		};
		must(ioctl(b->fd, FICLONERANGE, &r));
		memcpy(b->want + r.dest_offset, a->want + r.src_offset,
		       r.src_length);
		file_check_hits(b, 80);
		file_dwrite(b, 0, 20 * PAGE);
		file_check(a);
	}
	file_gone(a);
	file_gone(b);
}

static void dedupe(void)
{
	struct file *a = file_new("dedupe-a", 64), *b = file_new("dedupe-b", 64);
	struct {
		struct file_dedupe_range head;
		struct file_dedupe_range_info info;
	} r;
	int i;

	for (i = 0; i < 4; i++) {
		memcpy(b->want, a->want, 64 * PAGE);
		if (pwrite(b->fd, a->want, 64 * PAGE, 0) != 64 * PAGE)
			fail("write");
		file_store(a);
		file_store(b);
		if (i & 1)
			file_forget_inode(b, true);
		memset(&r, 0, sizeof(r));
		r.head.src_length = 64 * PAGE;
		r.head.dest_count = 1;
		r.info.dest_fd = b->fd;
		if (ioctl(a->fd, FIDEDUPERANGE, &r))
			skip("no FIDEDUPERANGE: %s", strerror(errno));
		if (r.info.status < 0)
			skip("dedupe: %s", strerror(-r.info.status));
		if (r.info.status != FILE_DEDUPE_RANGE_SAME)
			fail("the files differ");
		file_check(a);
		file_check(b);
		file_store(a);
		file_store(b);
		/* What differs must not be shared */
		file_dwrite(a, 5 * PAGE, PAGE);
		memset(&r.info, 0, sizeof(r.info));
		r.info.dest_fd = b->fd;
		must(ioctl(a->fd, FIDEDUPERANGE, &r));
		if (r.info.status != FILE_DEDUPE_RANGE_DIFFERS)
			fail("the files do not differ");
		file_check(b);
		file_check(a);
	}
	file_gone(a);
	file_gone(b);
}

/* The shadows of two files of the same size change places */
static void swap_wants(struct file *a, struct file *b)
{
	unsigned char *want = a->want;

	a->want = b->want;
	b->want = want;
}

struct exchange_range {
	int32_t file1_fd;
	uint32_t pad;
	uint64_t file1_offset, file2_offset, length, flags;
};

#define XFS_IOC_EXCHANGE_RANGE	_IOW('X', 129, struct exchange_range)

struct xfs_bstat_time {
	long sec;
	int nsec;
};

struct xfs_bstat_old {
	uint64_t ino;
	uint16_t mode, nlink;
	uint32_t uid, gid, rdev;
	int32_t blksize;
	int64_t size;
	struct xfs_bstat_time atime, mtime, ctime;
	int64_t blocks;
	uint32_t xflags;
	int32_t extsize, extents;
	uint32_t gen;
	uint16_t projid_lo, forkoff, projid_hi;
	uint8_t sick, checked_pad;
	uint32_t cowextsize;
	uint32_t dmevmask;
	uint16_t dmstate, aextents;
};

struct xfs_bulkreq_old {
	uint64_t *lastip;
	int32_t icount;
	void *ubuffer;
	int32_t *ocount;
};

struct xfs_swapext_old {
	int64_t version, fdtarget, fdtmp, offset, length;
	char pad[16];
	struct xfs_bstat_old stat;
};

#define XFS_IOC_FSBULKSTAT_SINGLE _IOWR('X', 102, struct xfs_bulkreq_old)
#define XFS_IOC_SWAPEXT		_IOWR('X', 109, struct xfs_swapext_old)

static bool exchange_two(struct file *a, struct file *b)
{
	struct exchange_range r = { .file1_fd = b->fd, .length = a->size };
	struct xfs_swapext_old sx = { 0 };
	struct xfs_bulkreq_old bulk = { 0 };
	struct stat st;
	uint64_t ino;
	int32_t n;

	if (!ioctl(a->fd, XFS_IOC_EXCHANGE_RANGE, &r))
		return true;
	must(fstat(a->fd, &st));
	ino = st.st_ino;
	bulk.lastip = &ino;
	bulk.icount = 1;
	bulk.ubuffer = &sx.stat;
	bulk.ocount = &n;
	if (ioctl(a->fd, XFS_IOC_FSBULKSTAT_SINGLE, &bulk))
		return false;
	sx.fdtarget = a->fd;
	sx.fdtmp = b->fd;
	sx.length = a->size;
	return !ioctl(a->fd, XFS_IOC_SWAPEXT, &sx);
}

static void xfs_exchange(void)
{
	struct file *a = file_new("swap-a", 100), *b = file_new("swap-b", 100);
	int i;

	if (fs_magic != XFS_MAGIC)
		skip("not XFS");
	for (i = 0; i < 4; i++) {
		file_store(a);
		file_store(b);
		if (i & 1)
			file_forget_inode(a, true);
		if (i & 2)
			file_forget_inode(b, true);
		if (!exchange_two(a, b))
			skip("cannot exchange: %s", strerror(errno));
		swap_wants(a, b);
		file_check(a);
		file_check(b);
		file_dwrite(a, i * 3 * PAGE, 5 * PAGE);
	}
	file_gone(a);
	file_gone(b);
}

struct move_extent {
	uint32_t reserved, donor_fd;
	uint64_t orig_start, donor_start, len, moved_len;
};

#define EXT4_IOC_MOVE_EXT	_IOWR('f', 15, struct move_extent)
#define EXT4_IOC_SWAP_BOOT	_IO('f', 17)

/*
 * The file keeps its bytes, in other blocks.  The donor gets unwritten blocks
 * for it.
 */
static void ext4_move(void)
{
	struct file *a = file_new("move-a", 100), *b = file_new("move-b", 100);
	struct move_extent m;
	int i;

	if (fs_magic != EXT4_MAGIC)
		skip("not ext4");
	for (i = 0; i < 4; i++) {
		file_store(a);
		file_store(b);
		if (i & 1)
			file_forget_inode(a, true);
		m = (struct move_extent) {
			.donor_fd = b->fd, .orig_start = 10 * i,
			.donor_start = 10 * i, .len = 40,
		};
		if (ioctl(a->fd, EXT4_IOC_MOVE_EXT, &m))
			skip("cannot move extents: %s", strerror(errno));
		file_check(a);
		memset(b->want + 10 * i * PAGE, 0, 40 * PAGE);
		file_check(b);
		file_store(a);
		file_dwrite(a, 20 * PAGE, 9 * PAGE);
		file_check_hits(a, 80);
	}
	file_gone(a);
	file_gone(b);
}

/* The file and the boot loader's inode change places, again and again */
static void ext4_boot(void)
{
	struct file *f = file_new("boot", 90);
	unsigned char *other, *want;
	size_t other_size = 0, size;
	int i;

	if (fs_magic != EXT4_MAGIC)
		skip("not ext4");
	other = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	for (i = 0; i < 6; i++) {
		if (f->size)
			file_store(f);
		if (i & 2)
			file_forget_inode(f, true);
		if (ioctl(f->fd, EXT4_IOC_SWAP_BOOT))
			skip("cannot swap: %s", strerror(errno));
		want = f->want;
		size = f->size;
		f->want = other;
		f->size = other_size;
		other = want;
		other_size = size;
		file_check(f);
		file_write(f, 0, 60 * PAGE);
		file_check(f);
	}
	file_gone(f);
}

/* ---- btrfs ---- */

static void btrfs_defrag(void)
{
	struct btrfs_ioctl_vol_args args = { 0 };
	struct file *f = file_new("defrag", 200);
	int i;

	if (fs_magic != BTRFS_MAGIC)
		skip("not btrfs");
	for (i = 0; i < 200; i += 3)
		file_dwrite(f, (i * 7 % 200) * PAGE, PAGE);
	file_store(f);
	must(ioctl(f->fd, BTRFS_IOC_DEFRAG, &args));
	file_check(f);
	file_store(f);
	file_dwrite(f, 30 * PAGE, 60 * PAGE);
	file_check_hits(f, 100);
	file_gone(f);
}

/* A snapshot has the same inode numbers and generations, in another root */
static void btrfs_snapshot(void)
{
	struct btrfs_ioctl_vol_args args = { 0 };
	struct file *f, *snap;
	int dir;

	if (fs_magic != BTRFS_MAGIC)
		skip("not btrfs");
	dir = must(open(".", O_RDONLY | O_DIRECTORY));
	strcpy(args.name, "volume");
	must(ioctl(dir, BTRFS_IOC_SUBVOL_CREATE, &args));
	f = file_new("volume/file", 150);
	file_store(f);
	memset(&args, 0, sizeof(args));
	args.fd = must(open("volume", O_RDONLY | O_DIRECTORY));
	strcpy(args.name, "snapshot");
	must(ioctl(dir, BTRFS_IOC_SNAP_CREATE, &args));
	snap = calloc(1, sizeof(*snap));
	*snap = *f;
	strcpy(snap->path, "snapshot/file");
	snap->want = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	memcpy(snap->want, f->want, f->size);
	file_open(snap);
	file_dwrite(f, 0, 75 * PAGE);
	file_check(snap);
	file_check(f);
	file_store(snap);
	file_store(f);
	snap->gen += 1000;
	file_dwrite(snap, 50 * PAGE, 50 * PAGE);
	file_check(f);
	file_check(snap);
	file_store(snap);
	file_forget_inode(snap, true);
	file_check_hits(snap, 100);
	file_gone(snap);
	file_gone(f);
	close(args.fd);
	memset(&args, 0, sizeof(args));
	strcpy(args.name, "snapshot");
	must(ioctl(dir, BTRFS_IOC_SNAP_DESTROY, &args));
	strcpy(args.name, "volume");
	must(ioctl(dir, BTRFS_IOC_SNAP_DESTROY, &args));
	close(dir);
}

/* Balance moves all blocks while the files are read and written */
static void btrfs_balance(void)
{
	struct btrfs_ioctl_balance_args args = { 0 };
	struct file *f = file_new("balance", 400);
	int dir, status, i;
	pid_t pid;

	if (fs_magic != BTRFS_MAGIC)
		skip("not btrfs");
	dir = must(open(".", O_RDONLY | O_DIRECTORY));
	file_store(f);
	pid = must(fork());
	if (!pid) {
		args.flags = BTRFS_BALANCE_DATA | BTRFS_BALANCE_METADATA |
			BTRFS_BALANCE_FORCE;
		_exit(ioctl(dir, BTRFS_IOC_BALANCE_V2, &args) ? errno : 0);
	}
	for (i = 0; !waitpid(pid, &status, WNOHANG) || i < 20; i++) {
		file_dwrite(f, (i * 11 % 390) * PAGE, 7 * PAGE);
		file_check(f);
		file_evict(f);
		if (i % 3 == 2)
			file_forget_inode(f, true);
	}
	if (status)
		fail("balance: %s", strerror(WEXITSTATUS(status)));
	file_check(f);
	file_store(f);
	file_check_hits(f, 300);
	close(dir);
	file_gone(f);
}

const struct test share_tests[] = {
	{ "clone", clone_file },
	{ "dedupe", dedupe },
	{ "xfs-exchange", xfs_exchange },
	{ "ext4-move", ext4_move },
	{ "ext4-boot", ext4_boot },
	{ "btrfs-defrag", btrfs_defrag },
	{ "btrfs-snapshot", btrfs_snapshot },
	{ "btrfs-balance", btrfs_balance },
	{ 0 }
};
