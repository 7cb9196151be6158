// SPDX-License-Identifier: GPL-2.0
/*
 * Coherence of hcache: what must not be cached, what sits on top, and whether
 * the counters add up
 */
#include <dirent.h>
#include <linux/fscrypt.h>
#include <linux/fsverity.h>
#include <sys/mount.h>
#include <sys/swap.h>

#include "coh.h"

#define TMEM	"/sys/kernel/mm/tmem/"

/* Pages that were verified once and come from the store are not verified again */
static void verity(void)
{
	struct fsverity_enable_arg arg = {
		.version = 1,
		.hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
		.block_size = PAGE,
	};
	struct file *f = file_new("verity", 200);
	int i;

	file_store(f);
	file_close(f);
	f->fd = must(open(f->path, O_RDONLY | O_CLOEXEC));
	if (ioctl(f->fd, FS_IOC_ENABLE_VERITY, &arg))
		skip("no fs-verity: %s", strerror(errno));
	f->dfd = dup(f->fd);
	for (i = 0; i < 3; i++) {
		file_store(f);
		file_check_hits(f, 150);
	}
	file_gone(f);
}

/* A lower file is read through, copied up, and written */
static void overlay(void)
{
	struct file *low, *top;

	mkdir("lower", 0700);
	mkdir("upper", 0700);
	mkdir("work", 0700);
	mkdir("merged", 0700);
	low = file_new("lower/file", 150);
	file_store(low);
	if (mount("overlay", "merged", "overlay", 0,
		  "lowerdir=lower,upperdir=upper,workdir=work"))
		skip("no overlayfs: %s", strerror(errno));
	top = calloc(1, sizeof(*top));
	*top = *low;
	strcpy(top->path, "merged/file");
	top->fd = must(open(top->path, O_RDONLY | O_CLOEXEC));
	file_check_hits(top, 100);
	file_store(low);
	close(top->fd);
	file_open(top);			/* copies it up */
	top->want = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	memcpy(top->want, low->want, low->size);
	file_check(top);
	top->gen += 1000;
	file_write(top, 10 * PAGE + 5, 40 * PAGE);
	must(fsync(top->fd));
	reclaim("32M");
	file_check(top);
	file_dwrite(top, 60 * PAGE, 40 * PAGE);
	file_check(top);
	file_check(low);
	file_close(top);
	must(umount("merged"));
	file_gone(low);
	unlink("upper/file");
}

/* The blocks of a swap file change behind the page cache's back */
static void swapfile(void)
{
	struct file *f = file_new("swap", 512);
	unsigned char *head = aligned(PAGE);
	struct counts before;

	file_store(f);
	memset(head, 0, PAGE);
	*(uint32_t *)(head + 1024) = 1;
	*(uint32_t *)(head + 1028) = 511;
	memcpy(head + PAGE - 10, "SWAPSPACE2", 10);
	must(pwrite(f->dfd, head, PAGE, 0));
	memcpy(f->want, head, PAGE);
	if (swapon(f->path, 0))
		skip("cannot swap to a file: %s", strerror(errno));
	before = counts();
	file_pageout(f, 0, f->size);
	file_evict(f);
	if (counts().stored - before.stored > 16)
		fail("%ld pages of a swap file were stored",
		     counts().stored - before.stored);
	must(swapoff(f->path));
	file_write(f, 0, f->size);
	file_store(f);
	file_check_hits(f, 400);
	file_gone(f);
}

/* Plain text stays here, unless somebody says otherwise */
static void encrypted(void)
{
	struct {
		struct fscrypt_add_key_arg arg;
		unsigned char raw[64];
	} key = {
		.arg.key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER,
		.arg.raw_size = 64,
	};
	struct fscrypt_policy_v2 policy = {
		.version = FSCRYPT_POLICY_V2,
		.contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS,
		.filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS,
		.flags = FSCRYPT_POLICY_FLAGS_PAD_32,
	};
	struct counts before;
	struct file *f;
	int dir;

	memset(key.raw, 0x5a, sizeof(key.raw));
	mkdir("secret", 0700);
	dir = must(open("secret", O_RDONLY | O_DIRECTORY));
	if (ioctl(dir, FS_IOC_ADD_ENCRYPTION_KEY, &key))
		skip("no fscrypt: %s", strerror(errno));
	memcpy(policy.master_key_identifier, key.arg.key_spec.u.identifier, 16);
	if (ioctl(dir, FS_IOC_SET_ENCRYPTION_POLICY, &policy))
		skip("cannot encrypt: %s", strerror(errno));
	f = file_new("secret/file", 200);
	before = counts();
	file_evict(f);
	if (counts().stored - before.stored > 16)
		fail("%ld pages of an encrypted file were stored",
		     counts().stored - before.stored);
	file_check(f);
	must(echo_to(TMEM "hcache/encrypted", "1") ? 0 : -1);
	file_store(f);
	file_check_hits(f, 150);
	file_store(f);
	file_dwrite(f, 20 * PAGE, 30 * PAGE);
	file_check(f);
	must(echo_to(TMEM "hcache/encrypted", "0") ? 0 : -1);
	file_gone(f);
	rmdir("secret");
}

/* ---- counters ---- */

static long value(const char *dir, const char *name)
{
	char path[600];
	long n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	n = read_long(path);
	if (n < 0)
		fail("no %s", path);
	return n;
}

static void add_up(const char *dir)
{
	static const char * const rejects[] = {
		"reject_disabled", "reject_admission", "reject_vector",
		"reject_full", "reject_io", "reject_index", "reject_race",
	};
	long sum = value(dir, "stored"), asked;
	unsigned int i;

	for (i = 0; i < sizeof(rejects) / sizeof(*rejects); i++)
		sum += value(dir, rejects[i]);
	if (sum != value(dir, "offered"))
		fail("%s: %ld pages offered, %ld stored or rejected", dir,
		     value(dir, "offered"), sum);
	/* Each page stored leaves in one way, or is still there */
	asked = value(dir, "hits") + value(dir, "lost");
	sum = asked + value(dir, "overwritten") + value(dir, "invalidated") +
		value(dir, "returned");
	if (sum > value(dir, "stored"))
		fail("%s: %ld pages stored, but %ld left", dir,
		     value(dir, "stored"), sum);
	if (value(dir, "get_requests") > asked ||
	    value(dir, "get_vectors") > value(dir, "get_requests") ||
	    value(dir, "put_requests") > value(dir, "offered") ||
	    value(dir, "put_vectors") > value(dir, "put_requests"))
		fail("%s: more requests than pages", dir);
}

static void sums(void)
{
	static const char * const names[] = {
		"offered", "stored", "hits", "lost", "misses", "overwritten",
		"invalidated", "returned", "put_vectors", "put_requests",
		"get_vectors", "get_requests",
	};
	struct file *f = file_new("sums", 300);
	char path[300];
	struct dirent *d;
	unsigned int i;
	long sum;
	DIR *dir;

	for (i = 0; i < 3; i++) {
		file_store(f);
		file_dwrite(f, 0, 10 * PAGE);
		file_check_hits(f, 200);
		file_write(f, 20 * PAGE, 70 * PAGE);
	}
	must(echo_to(TMEM "hcache/admission", "workingset") ? 0 : -1);
	file_evict(f);
	must(echo_to(TMEM "hcache/admission", "all") ? 0 : -1);
	file_evict(f);
	sleep(1);
	add_up(TMEM "hcache");
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		sum = 0;
		dir = opendir(TMEM "pools");
		while (dir && (d = readdir(dir))) {
			if (d->d_name[0] == '.')
				continue;
			/* Of a swap device: it has none of these */
			snprintf(path, sizeof(path), TMEM "pools/%s/device",
				 d->d_name);
			if (!access(path, F_OK))
				continue;
			snprintf(path, sizeof(path), TMEM "pools/%s",
				 d->d_name);
			sum += value(path, names[i]);
			add_up(path);
		}
		if (dir)
			closedir(dir);
		/* Those of filesystems that are gone count, too */
		if (sum > value(TMEM "hcache", names[i]) || !dir)
			fail("%s: %ld in all pools, %ld in total", names[i],
			     sum, value(TMEM "hcache", names[i]));
	}
	if (value(TMEM "hcache", "flushes_sent") >
	    value(TMEM "hcache", "flushes_queued"))
		fail("more flushes sent than queued");
	file_gone(f);
}

/* Every request leaves a line that makes sense */
static void trace(void)
{
	static const char enable[] =
		"/sys/kernel/tracing/events/tmem/tmem_request/enable";
	unsigned int pool, nr, seq, done, vector, puts = 0, gets = 0;
	unsigned long long object[3], index, ns;
	char line[512], op[32], *at;
	struct file *f = file_new("trace", 100);
	struct counts before;
	FILE *trace;
	long stored, hits;
	int status;

	if (faults)
		skip("what is traced is not what was done");
	file_store(f);
	file_check(f);
	must(echo_to("/sys/kernel/tracing/trace", "\n") ? 0 : -1);
	if (!echo_to(enable, "1"))
		fail("no trace event");
	before = counts();
	file_evict(f);
	file_check(f);
	echo_to(enable, "0");
	stored = counts().stored - before.stored;
	hits = counts().hits - before.hits;
	trace = fopen("/sys/kernel/tracing/trace", "r");
	while (trace && fgets(line, sizeof(line), trace)) {
		at = strstr(line, "tmem_request: ");
		if (line[0] == '#' || !at)
			continue;
		if (sscanf(at, "tmem_request: op=%31s pool=%u object=%llx:%llx:%llx index=%llu nr_pages=%u seq=%u status=%d done=%u vector=%u ns=%llu",
			   op, &pool, &object[0], &object[1], &object[2],
			   &index, &nr, &seq, &status, &done, &vector, &ns) != 12)
			fail("a strange line: %s", at);
		if (!strcmp(op, "put")) {
			puts += done;
			if (!seq)
				fail("a put without a number: %s", at);
		} else if (!strcmp(op, "get")) {
			gets += done;
		} else {
			continue;
		}
		if (!nr || done > nr || !vector || vector > 32 ||
		    status > 0 || !object[0] || ns > 10000000000ULL)
			fail("a strange line: %s", at);
	}
	if (!trace)
		fail("no trace");
	fclose(trace);
	if (puts < stored || gets < hits || !stored || !hits)
		fail("%u puts of %ld and %u gets of %ld seen", puts, stored,
		     gets, hits);
	file_gone(f);
}

const struct test special_tests[] = {
	{ "verity", verity },
	{ "overlay", overlay },
	{ "swapfile", swapfile },
	{ "encrypted", encrypted },
	{ "sums", sums },
	{ "trace", trace },
	{ 0 }
};
