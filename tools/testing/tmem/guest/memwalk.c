// SPDX-License-Identifier: GPL-2.0
/*
 * Walks through anonymous memory, a pass for each line of its input
 *
 * The memory holds what no compressor makes small or, if there is a FILE, its
 * pages again and again, with a number in each.
 *
 * Each pass compares every word with what the last one left there, and changes
 * a word of each page.  It prints how many pages were right, and how many wrong.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define WORDS	(4096 / sizeof(uint64_t))

static uint64_t *sample, sample_pages;

static uint64_t word_of(uint64_t page, uint64_t i)
{
	uint64_t x = (page * WORDS + i + 1) * 0x9e3779b97f4a7c15ULL;

	if (sample_pages && i)
		return sample[page % sample_pages * WORDS + i];
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static int page_is_right(const uint64_t *word, uint64_t page, uint64_t pass)
{
	uint64_t i;

	if (word[0] != word_of(page, 0) + pass)
		return 0;
	for (i = 1; i < WORDS; i++)
		if (word[i] != word_of(page, i))
			return 0;
	return 1;
}

static void read_sample(const char *path)
{
	FILE *in = fopen(path, "r");
	size_t bytes = 0;

	if (in && !fseek(in, 0, SEEK_END))
		bytes = ftell(in) & ~4095UL;
	sample = malloc(bytes);
	if (!bytes || !sample || fseek(in, 0, SEEK_SET) ||
	    fread(sample, 1, bytes, in) != bytes) {
		perror(path);
		exit(1);
	}
	fclose(in);
	sample_pages = bytes / 4096;
}

int main(int argc, char **argv)
{
	uint64_t pages, page, i, pass, right;
	char line[64];
	uint64_t *mem;

	pages = argc == 2 || argc == 3 ? strtoull(argv[1], NULL, 0) * 256 : 0;
	if (!pages) {
		fprintf(stderr, "Usage: memwalk MIB [FILE], and a line of input for each pass\n");
		return 2;
	}
	if (argc == 3)
		read_sample(argv[2]);
	mem = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED) {
		perror("memwalk: mmap");
		return 1;
	}
	for (page = 0; page < pages; page++)
		for (i = 0; i < WORDS; i++)
			mem[page * WORDS + i] = word_of(page, i);
	for (pass = 0; fgets(line, sizeof(line), stdin); pass++) {
		right = 0;
		for (page = 0; page < pages; page++) {
			right += page_is_right(mem + page * WORDS, page, pass);
			mem[page * WORDS] = word_of(page, 0) + pass + 1;
		}
		printf("%llu %llu\n", (unsigned long long)right,
		       (unsigned long long)(pages - right));
		fflush(stdout);
	}
	return 0;
}
