/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmem-sched, what its files share
 */
#ifndef _TMEM_SCHED_PROGRAM_H
#define _TMEM_SCHED_PROGRAM_H

#include <errno.h>
#include <stdio.h>

int replay_main(int argc, char **argv);

#ifdef WITH_XEN

int run_main(int argc, char **argv);

#else

static inline int run_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	fprintf(stderr,
		"%s: built without Xen, as libxen-dev was not there\n",
		program_invocation_short_name);
	return 2;
}

#endif

#endif /* _TMEM_SCHED_PROGRAM_H */
