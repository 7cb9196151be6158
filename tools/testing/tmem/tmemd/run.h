/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: a tmemd of the test's own
 */
#ifndef _RUN_H
#define _RUN_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "front.h"

extern unsigned int failures;

#define EXPECT(cond) do {						\
	if (!(cond)) {							\
		printf("FAILED: %s:%d: %s\n", __func__, __LINE__, #cond); \
		failures++;						\
	}								\
} while (0)

#define EXPECT_EQ(a, b) do {						\
	long long left = (a), right = (b);				\
									\
	if (left != right) {						\
		printf("FAILED: %s:%d: %s is %lld, not %lld\n", __func__, \
		       __LINE__, #a, left, right);			\
		failures++;						\
	}								\
} while (0)

/**
 * struct run_test - a test of tmemd
 * @name: its name
 * @run: does it; a fresh tmemd serves
 * @args: arguments of that, but for its sockets
 */
struct run_test {
	const char *name;
	void (*run)(void);
	char *const *args;
};

int run_tests(int argc, char **argv, const struct run_test *tests,
	      unsigned int nr);
int run_start(const char *program, char *const *more);
void run_stop(void);
unsigned int run_log(bool show);
const char *run_socket(const char *client);
const char *run_control(const char *request);
pid_t run_worker(void);
void run_kill_worker(void);
u64 run_cpu_ms(void);
void fill(void *page, u64 seed);
bool is_filled(const void *page, u64 seed);
u64 run_now_us(void);

#endif /* _RUN_H */
