// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: a tmemd of the test's own
 *
 * In a directory of its own; it ends with the test, however that ends.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define MORE	24

unsigned int failures;
static char dir[PATH_MAX - TMEMD_NAME];
static pid_t keeper;

/**
 * run_now_us() - time
 *
 * Return: microseconds since whenever
 */
u64 run_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

/**
 * run_socket() - the socket of a client
 * @client: its name
 *
 * Return: the path, until the next call
 */
const char *run_socket(const char *client)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, client);
	return path;
}

/* Socket of the last client: when it is there, so are all others */
static bool is_up(const char *last)
{
	struct front f;
	bool up = !front_call(&f, run_socket(last), 1, 0);

	if (up)
		front_hang_up(&f);
	return up;
}

static void child(const char *program, char *const *more)
{
	char *argv[MORE + 8] = { (char *)program, "--socket", dir };
	unsigned int n = 3;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (!freopen(run_socket("log"), "w", stderr))
		_exit(127);
	while (*more)
		argv[n++] = *more++;
	execv(program, argv);
	perror(program);
	_exit(127);
}

/**
 * run_start() - start the daemon
 * @program: its path
 * @more: arguments, at most 24, ended by NULL; one of them is "name=b" or begins
 *	with that
 *
 * Return: 0, or -1 if it does not serve
 */
int run_start(const char *program, char *const *more)
{
	u64 end = run_now_us() + 10000000;
	const char *top = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/tmemd-test.XXXXXX", top ?: "/tmp");
	if (!mkdtemp(dir))
		return -1;
	keeper = fork();
	if (!keeper)
		child(program, more);
	while (!is_up("b")) {
		if (run_now_us() > end || waitpid(keeper, NULL, WNOHANG))
			return -1;
		usleep(2000);
	}
	return 0;
}

/**
 * run_log() - what the daemon has said
 * @show: show it, too
 *
 * Return: number of lines
 */
unsigned int run_log(bool show)
{
	FILE *log = fopen(run_socket("log"), "r");
	unsigned int nr = 0;
	char line[1024];

	while (log && fgets(line, sizeof(line), log)) {
		nr++;
		if (show)
			fputs(line, stderr);
	}
	if (log)
		fclose(log);
	return nr;
}

/**
 * run_stop() - end it, and expect it to end well
 */
void run_stop(void)
{
	struct dirent *entry;
	int status = 0;
	DIR *d;

	kill(keeper, SIGTERM);
	waitpid(keeper, &status, 0);
	EXPECT(WIFEXITED(status) && !WEXITSTATUS(status));
	if (failures)
		run_log(true);
	d = opendir(dir);
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	rmdir(dir);
}

/**
 * run_control() - ask for something by tmemctl's socket
 * @request: what
 *
 * Return: the answer, until the next one
 */
const char *run_control(const char *request)
{
	static char answer[65536];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	u64 end = run_now_us() + 10000000;
	ssize_t got, all = 0;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s",
		 run_socket("control"));
	/* It is made after those of the clients */
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) &&
	       run_now_us() < end)
		usleep(2000);
	dprintf(fd, "%s\n", request);
	while ((got = read(fd, answer + all, sizeof(answer) - 1 - all)) > 0) {
		all += got;
		if (answer[all - 1] == '\n')
			break;
	}
	answer[all] = 0;
	close(fd);
	return answer;
}

/**
 * run_worker() - the process that serves
 *
 * Return: its id, or 0 if there is none just now
 */
pid_t run_worker(void)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", keeper,
		 keeper);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return atoi(text);
}

/**
 * run_kill_worker() - kill it as nothing else does
 */
void run_kill_worker(void)
{
	pid_t worker = run_worker();

	if (worker > 0)
		kill(worker, SIGKILL);
}

/**
 * run_cpu_ms() - what the worker has had of the processors
 *
 * Return: milliseconds
 */
u64 run_cpu_ms(void)
{
	unsigned long user = 0, kernel = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", run_worker());
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
		   &user, &kernel) != 2)
		user = 0;
	fclose(file);
	return (user + kernel) * 1000 / sysconf(_SC_CLK_TCK);
}

/**
 * fill() - contents of a page
 * @page: the page
 * @seed: what they follow from
 */
void fill(void *page, u64 seed)
{
	u64 *words = page;
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		words[i] = (seed + i) * 0x9e3779b97f4a7c15ULL;
}

/**
 * is_filled() - compare them
 * @page: the page
 * @seed: what they should follow from
 *
 * Return: true if each word is right
 */
bool is_filled(const void *page, u64 seed)
{
	const u64 *words = page;
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		if (words[i] != (seed + i) * 0x9e3779b97f4a7c15ULL)
			return false;
	return true;
}

/* What a program of tests does; returns its status */
int run_tests(int argc, char **argv, const struct run_test *tests,
	      unsigned int nr)
{
	unsigned int i, before, bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2 || argc > 3) {
		fprintf(stderr, "Usage: %s TMEMD [TEST]\n", argv[0]);
		return 2;
	}
	for (i = 0; i < nr; i++) {
		if (argc > 2 && strcmp(argv[2], tests[i].name))
			continue;
		before = failures;
		if (run_start(argv[1], tests[i].args)) {
			printf("FAILED: %s: tmemd does not serve\n",
			       tests[i].name);
			return 1;
		}
		tests[i].run();
		run_stop();
		bad += failures != before;
		if (failures == before)
			printf("ok: %s\n", tests[i].name);
	}
	return bad ? 1 : 0;
}
