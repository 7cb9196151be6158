// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: how many real pages a page store holds
 *
 * Pages of programs, of text and of the heap of a process are put into a store
 * until it refuses one, for each codec, and then compared.  What a codec is worth
 * on pages of zeroes nobody wants to know.  Then each page is put once into a
 * store that keeps equal ones once.
 *
 * Usage: capacity TEXT...; the texts are files
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "codecs.h"
#include "tstore.h"

#define FRAMES		2048UL
#define MAX_PAGES	(FRAMES * 4)

static unsigned char *pages;
static unsigned int passed, failed;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/* Appends a file, page after page; returns the number of pages */
static unsigned long read_file(const char *path, unsigned long nr)
{
	FILE *f = fopen(path, "r");

	if (!f)
		return nr;
	while (nr < MAX_PAGES &&
	       fread(pages + nr * PAGE_SIZE, PAGE_SIZE, 1, f) == 1)
		nr++;
	fclose(f);
	return nr;
}

static unsigned long read_programs(void)
{
	static const char * const files[] = {
		"/bin/bash", "/usr/bin/perl", "/usr/bin/git",
		"/usr/bin/qemu-system-x86_64", "/usr/bin/python3",
		"/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/gdb",
	};
	unsigned long nr = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		nr = read_file(files[i], nr);
	return nr;
}

/* Texts follow each other as in an archive: most are shorter than a page */
static unsigned long read_texts(char **paths)
{
	size_t bytes = 0, got;
	FILE *f;

	for (; *paths && bytes < MAX_PAGES * PAGE_SIZE; paths++) {
		f = fopen(*paths, "r");
		if (!f)
			continue;
		got = fread(pages + bytes, 1, MAX_PAGES * PAGE_SIZE - bytes, f);
		bytes += got;
		fclose(f);
	}
	return bytes / PAGE_SIZE;
}

/* Appends the heap of an interpreter that has a dictionary of words, and a list */
static unsigned long read_heap(unsigned long nr)
{
	static const char script[] =
		"import sys, os\n"
		"d = {}\n"
		"for i in range(60000):\n"
		"    d['key%d' % (i * 7919 % 60000)] = [i, str(i) * 2, i / 3]\n"
		"l = [(k, len(v)) for k, v in d.items()]\n"
		"os.write(1, b'x')\n"
		"sys.stdin.read()\n";
	unsigned long from, to, at;
	int in[2], out[2], mem;
	char line[256], path[64];
	pid_t pid;
	FILE *f;

	if (pipe(in) || pipe(out))
		die("pipe");
	pid = fork();
	if (!pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		execlp("python3", "python3", "-c", script, NULL);
		_exit(1);
	}
	close(out[1]);
	if (read(out[0], line, 1) != 1)
		die("python3");
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "r");
	if (mem < 0 || !f)
		die(path);
	while (fgets(line, sizeof(line), f)) {
		/* writable, and no file */
		if (sscanf(line, "%lx-%lx rw", &from, &to) != 2 ||
		    !strstr(line, " rw") || strchr(line, '/') ||
		    strstr(line, "[v") || strstr(line, "[stack"))
			continue;
		for (at = from; at < to && nr < MAX_PAGES; at += PAGE_SIZE)
			if (pread(mem, pages + nr * PAGE_SIZE, PAGE_SIZE,
				  at) == PAGE_SIZE)
				nr++;
	}
	fclose(f);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return nr;
}

static int request(struct tstore_client *c, u8 op, unsigned long nr, void *data)
{
	struct tmem_req req = {
		.op = op,
		.index = op == TMEM_OP_POOL_CREATE ? TMEM_POOL_PERSISTENT : nr,
		.nr_pages = op == TMEM_OP_PUT || op == TMEM_OP_GET,
	};

	if (op == TMEM_OP_ATTACH)
		req.index = 0;
	tstore_execute(c, &req, data);
	return req.status;
}

static struct tstore *store_open(const struct tstore_codec *codec, bool dedup,
				 struct tstore_client **c, void **arena)
{
	const struct tstore_codec *codecs[] = { codec, NULL };
	struct tstore_config cfg = {
		.max_clients = 1,
		.max_pools = 1,
		.slots = 400,
		.dedup = dedup,
		.codecs = codec ? codecs : NULL,
		.bytes = FRAMES * (PAGE_SIZE + 181 + 4 * dedup) + 3 * PAGE_SIZE,
	};
	struct tmem_attach at = {
		.version = TMEM_ABI_VERSION,
		.page_shift = PAGE_SHIFT,
		.features = TMEM_FEATURE_PERSISTENT,
	};
	unsigned char page[PAGE_SIZE];
	struct tstore *s;

	if (posix_memalign(arena, PAGE_SIZE, cfg.bytes))
		die("arena");
	memset(*arena, 1, cfg.bytes);
	cfg.arena = *arena;
	memcpy(page, &at, sizeof(at));
	if (tstore_create(&cfg, &s) || tstore_client_create(s, ~0ULL >> 1, c) ||
	    request(*c, TMEM_OP_ATTACH, 0, page) ||
	    request(*c, TMEM_OP_POOL_CREATE, 0, NULL)) {
		fprintf(stderr, "no store\n");
		exit(1);
	}
	return s;
}

static void expect(bool ok, const char *what)
{
	if (ok) {
		passed++;
		return;
	}
	failed++;
	printf("not ok %s\n", what);
}

/* Fills a store with the pages again and again; returns pages a frame */
static double measure(const char *content, const struct tstore_codec *codec,
		      unsigned long nr)
{
	unsigned char page[PAGE_SIZE];
	unsigned long n, same = 0;
	struct tstore_client *c;
	struct tstore_stats st;
	double put, get, held;
	struct tstore *s;
	unsigned long i;
	void *arena;

	s = store_open(codec, false, &c, &arena);
	put = now();
	for (n = 0; n < MAX_PAGES; n++)
		if (request(c, TMEM_OP_PUT, n, pages + n % nr * PAGE_SIZE))
			break;
	put = (now() - put) / n;
	get = now();
	for (i = 0; i < n; i++)
		if (!request(c, TMEM_OP_GET, i, page))
			same += !memcmp(page, pages + i % nr * PAGE_SIZE,
					PAGE_SIZE);
	get = (now() - get) / n;
	tstore_stats(s, &st);
	held = (double)st.persistent / st.pages;
	printf("# %-9s %-8s %5.2f pages a frame, %4.1f %% as they are, chunks %4.1f %% larger, put %6.0f ns, get %5.0f ns\n",
	       content, codec ? codec->name : "none", held,
	       100.0 * (st.pages - st.free - st.object_frames -
			st.span_frames) / st.persistent,
	       st.packed ? 100.0 * st.chunk_bytes / st.packed_bytes - 100 : 0,
	       put, get);
	expect(same == n, "pages come back as they were");
	expect(n == MAX_PAGES || st.free < 64, "no frame is left unused");
	if (codec)
		expect(st.packed_bytes > 0.85 * st.chunk_bytes,
		       "chunks are not much larger than what is in them");
	tstore_client_destroy(c);
	tstore_destroy(s);
	free(arena);
	return held;
}

/* Puts each page once, with and without dedup; returns contents per page */
static double measure_dedup(const char *content,
			    const struct tstore_codec *codec, unsigned long nr)
{
	unsigned long i, n[2], same = 0;
	unsigned char page[PAGE_SIZE];
	struct tstore_stats st[2];
	double put[2], get[2];
	struct tstore_client *c;
	struct tstore *s;
	void *arena;
	int on;

	for (on = 0; on < 2; on++) {
		s = store_open(codec, on, &c, &arena);
		put[on] = now();
		for (n[on] = 0; n[on] < nr; n[on]++)
			if (request(c, TMEM_OP_PUT, n[on],
				    pages + n[on] * PAGE_SIZE))
				break;
		put[on] = (now() - put[on]) / n[on];
		tstore_stats(s, &st[on]);
		get[on] = now();
		for (i = 0; i < n[on]; i++)
			if (!request(c, TMEM_OP_GET, i, page))
				same += !memcmp(page, pages + i * PAGE_SIZE,
						PAGE_SIZE);
		get[on] = (now() - get[on]) / n[on];
		tstore_client_destroy(c);
		tstore_destroy(s);
		free(arena);
	}
	printf("# %-9s %-8s dedup: %5.2f contents a page, put %6.0f ns (%.0f without), get %5.0f ns (%.0f)\n",
	       content, codec ? codec->name : "none",
	       (double)st[1].contents / st[1].sharing, put[1], put[0], get[1],
	       get[0]);
	expect(same == n[0] + n[1], "pages come back with dedup, too");
	return (double)st[1].contents / st[1].sharing;
}

static void content(const char *name, unsigned long nr, double least)
{
	double none, own, lz4, zstd;

	if (nr < 100) {
		printf("not ok %s: only %lu pages\n", name, nr);
		failed++;
		return;
	}
	none = measure(name, NULL, nr);
	own = measure(name, &tstore_lz4, nr);
	lz4 = measure(name, &tmem_liblz4, nr);
	zstd = measure(name, &tmem_libzstd, nr);
	expect(none > 0.98 && none <= 1, "a page takes a frame");
	expect(own > least, "packing pays");
	expect(own > 0.95 * lz4, "the small codec is about as good");
	expect(zstd > lz4, "zstd packs more");
	if (nr > FRAMES / 2)
		nr = FRAMES / 2;
	measure_dedup(name, NULL, nr);
	measure_dedup(name, &tstore_lz4, nr);
}

int main(int argc, char **argv)
{
	unsigned long i, nr;

	if (argc < 2) {
		fprintf(stderr, "Usage: capacity TEXT...\n");
		return 2;
	}
	pages = malloc(MAX_PAGES * PAGE_SIZE);
	if (!pages)
		die("malloc");
	tmem_libzstd_init();
	content("programs", read_programs(), 1.05);
	content("text", read_texts(argv + 1), 1.4);
	nr = read_heap(0);
	content("heap", nr, 1.8);
	nr = read_heap(nr);
	measure_dedup("two heaps", NULL, nr < FRAMES ? nr : FRAMES);
	/* the same pages at the same places */
	for (i = 0; i < FRAMES / 2; i++)
		memcpy(pages + (FRAMES / 2 + i) * PAGE_SIZE,
		       pages + i * PAGE_SIZE, PAGE_SIZE);
	expect(measure_dedup("a fork", NULL, FRAMES) <= 0.5,
	       "equal pages are kept once");
	printf("%u passed, %u failed, 0 skipped\n", passed, failed);
	return !!failed;
}
