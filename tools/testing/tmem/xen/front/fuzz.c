// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: fuzzer of the hypercall
 *
 * The input begins with calls of eight bytes, up to one of zeroes; the rest is
 * the memory of all guests, from its beginning.  A call says who makes it, where
 * its structure is, how often it is preempted, and what becomes of the guest's
 * memory while it is being read.
 */
#include "tmem.h"

#define CALLS	16
#define FRAMES	300

struct step {
	uint8_t domain;		/* and, in bit 7, the vCPU */
	uint8_t where;		/* its structure, in units of 64 bytes */
	uint8_t preempt;	/* often: at each so-manieth occasion */
	uint8_t fetch;		/* after this read, */
	uint16_t change;	/* this byte of memory */
	uint8_t to;		/* becomes that */
	uint8_t ends;		/* the domain, if it is 1 */
};

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static const struct step *step;
static unsigned int occasions, fetches;

static bool preempt(void)
{
	return step->preempt && !(++occasions % step->preempt);
}

static void change(void)
{
	unsigned int domain = current->domain - hv_domains;

	if (++fetches == step->fetch)
		hv_page(domain, 0)[step->change] = step->to;
}

/* A domain ends, and another one begins that has its number */
static void end(struct domain *d)
{
	unsigned int tries;

	d->is_dying = 1;
	for (tries = 0; tmem_domain_destroy(d); tries++)
		if (tries > 100000)
			hv_die("a domain does not end");
	d->is_dying = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct step steps[CALLS];
	unsigned int i, nr;
	const char *bad;

	memset(steps, 0, sizeof(steps));
	memcpy(steps, in, len < sizeof(steps) ? len : sizeof(steps));
	for (nr = 0; nr < CALLS; nr++) {
		static const struct step none;

		if (!memcmp(&steps[nr], &none, sizeof(none)))
			break;
	}
	hv_open(FRAMES);
	i = (nr + (nr < CALLS)) * sizeof(*steps);
	if (len > i) {
		in += i;
		len -= i;
		if (len > 16 * PAGE_SIZE)
			len = 16 * PAGE_SIZE;
		for (i = 0; i < 3; i++)
			memcpy(hv_page(i, 0), in, len);
	}
	for (i = 0; i < nr; i++) {
		step = &steps[i];
		occasions = 0;
		fetches = 0;
		hv_preempt_hook = preempt;
		hv_fetch_hook = change;
		hv_run_as(step->domain % 3, step->domain >> 7);
		hv_call(HV_BASE + step->where * 64);
		if (step->ends == 1)
			end(current->domain);
		bad = hv_check();
		if (bad)
			hv_die("inconsistent: %s", bad);
	}
	hv_preempt_hook = NULL;
	hv_fetch_hook = NULL;
	hv_close();
	if (hv_logged)
		hv_die("a guest wrote to the log");
	return 0;
}
