// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, the memory of guests
 *
 * A guest's memory is files that its front end hands over.  Who has such a file
 * can truncate it, and then an access here raises SIGBUS.  So that this harms
 * nobody else, a page of zeroes is put where the file has none any more, the
 * access is repeated, and the memory is marked as torn, for its guest to be let
 * go of soon.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

#define HOST_PAGE	4096UL

/*
 * What is mapped, for the handler of signals, which may run in any thread.  An
 * entry is filled from back to front and emptied from front to back.
 */
static struct guarded {
	uintptr_t start;
	uintptr_t end;
	struct memory *mem;
} guarded[TMEMD_CLIENTS * TMEMD_REGIONS * 4];

static void guard(struct memory *mem, const struct region *r)
{
	struct guarded *g;

	for (g = guarded; g < guarded + ARRAY_SIZE(guarded); g++) {
		if (g->start)
			continue;
		g->mem = mem;
		g->end = (uintptr_t)r->map + r->map_size;
		env_store_release(&g->start, (uintptr_t)r->map);
		return;
	}
}

static void unguard(const struct region *r)
{
	struct guarded *g;

	for (g = guarded; g < guarded + ARRAY_SIZE(guarded); g++)
		if (g->start == (uintptr_t)r->map)
			env_store_release(&g->start, 0);
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr, start;
	struct guarded *g;

	(void)context;
	for (g = guarded; g < guarded + ARRAY_SIZE(guarded); g++) {
		start = __atomic_load_n(&g->start, __ATOMIC_ACQUIRE);
		if (!start || at < start || at >= g->end)
			continue;
		if (mmap((void *)(at & ~(HOST_PAGE - 1)), HOST_PAGE,
			 PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			 0) == MAP_FAILED)
			break;
		env_write_once(g->mem->torn, true);
		return;
	}
	/* Our own, such as an arena on a filesystem that is full: fatal */
	signal(number, SIG_DFL);
}

/**
 * memory_start() - be prepared for guests whose memory vanishes
 *
 * Return: 0 or -1, with errno set
 */
int memory_start(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus,
				    .sa_flags = SA_SIGINFO };

	return sigaction(SIGBUS, &action, NULL);
}

static int region_map(struct memory *mem, const struct region_state *state,
		      int fd)
{
	struct region *r = &mem->regions[mem->nr];
	struct stat st;
	u64 end, last;

	if (!state->size ||
	    __builtin_add_overflow(state->offset, state->size, &end) ||
	    __builtin_add_overflow(state->gpa, state->size, &last) ||
	    __builtin_add_overflow(state->uaddr, state->size, &last))
		return -EINVAL;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || (u64)st.st_size < end)
		return -EINVAL;
	r->map_size = end;
	r->map = mmap(NULL, end, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (r->map == MAP_FAILED)
		return -errno;
	/* Copies of guests' memory are no use in a dump of ours */
	madvise(r->map, end, MADV_DONTDUMP);
	r->gpa = state->gpa;
	r->size = state->size;
	r->uaddr = state->uaddr;
	r->host = (u8 *)r->map + state->offset;
	mem->nr++;
	guard(mem, r);
	return 0;
}

/**
 * memory_map() - map a guest's memory
 * @states: its pieces, as the front end tells
 * @fds: their files
 * @nr: number of them
 * @out: the memory, for memory_unmap()
 *
 * Context: the main thread.
 * Return: 0, -EINVAL if the pieces make no sense, or the error of mapping them
 */
int memory_map(const struct region_state *states, const int *fds,
	       unsigned int nr, struct memory **out)
{
	struct memory *mem = env_zalloc(sizeof(*mem));
	unsigned int i;
	int err = 0;

	if (!mem)
		return -ENOMEM;
	for (i = 0; i < nr && !err; i++)
		err = region_map(mem, &states[i], fds[i]);
	if (err) {
		memory_unmap(mem);
		return err;
	}
	*out = mem;
	return 0;
}

/**
 * memory_unmap() - the opposite
 * @mem: memory that no thread uses any more, or NULL
 *
 * Context: the main thread.
 */
void memory_unmap(struct memory *mem)
{
	unsigned int i;

	if (!mem)
		return;
	for (i = 0; i < mem->nr; i++) {
		unguard(&mem->regions[i]);
		munmap(mem->regions[i].map, mem->regions[i].map_size);
	}
	env_free(mem);
}

/**
 * memory_at() - find guest memory
 * @mem: the guest's
 * @gpa: guest physical address
 * @len: bytes that are wanted; out: as many of them as are in one piece
 *
 * Return: where it is here, or NULL if there is none at @gpa
 */
void *memory_at(const struct memory *mem, u64 gpa, u64 *len)
{
	const struct region *r;
	u64 left;

	for (r = mem->regions; r < mem->regions + mem->nr; r++) {
		if (gpa < r->gpa || gpa - r->gpa >= r->size)
			continue;
		left = r->size - (gpa - r->gpa);
		if (*len > left)
			*len = left;
		return r->host + (gpa - r->gpa);
	}
	return NULL;
}

/**
 * memory_of_user() - find what the front end names by its own address
 * @mem: the guest's memory
 * @uaddr: address in the front end
 * @len: bytes, all of which are wanted in one piece
 *
 * Return: where it is here, or NULL
 */
void *memory_of_user(const struct memory *mem, u64 uaddr, u64 len)
{
	const struct region *r;

	for (r = mem->regions; r < mem->regions + mem->nr; r++)
		if (uaddr >= r->uaddr && uaddr - r->uaddr < r->size &&
		    len <= r->size - (uaddr - r->uaddr))
			return r->host + (uaddr - r->uaddr);
	return NULL;
}
