// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the fuzzer's target without a fuzzer
 *
 * Usage: fuzz-replay FILE...	runs each file, a crash found elsewhere
 *	  fuzz-replay		runs random inputs for a while
 */
#include "lib.h"

int LLVMFuzzerTestOneInput(const u8 *in, size_t len);

static u8 input[1 << 16];

static int replay(const char *name)
{
	FILE *file = fopen(name, "rb");
	size_t len;

	if (!file) {
		perror(name);
		return 1;
	}
	len = fread(input, 1, sizeof(input), file);
	fclose(file);
	LLVMFuzzerTestOneInput(input, len);
	printf("# %s: %zu bytes\n", name, len);
	return 0;
}

int main(int argc, char **argv)
{
	u64 rng = 1;
	unsigned int i, len, j;
	int bad = 0;

	for (i = 1; i < (unsigned int)argc; i++)
		bad |= replay(argv[i]);
	for (i = 0; argc == 1 && i < 3000; i++) {
		len = lib_rand(&rng) % 4000;
		for (j = 0; j < len; j++)
			input[j] = lib_rand(&rng);
		LLVMFuzzerTestOneInput(input, len);
	}
	lib_result(!bad, "fuzz-replay", "a file could not be read");
	return lib_summary();
}
