/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: clients that are saved while random operations go on
 */
#ifndef _TMEM_TEST_RANDOM_SAVE_H
#define _TMEM_TEST_RANDOM_SAVE_H

#include "model.h"

/* Streams that were restored and compared, and saves that had to fail */
extern unsigned long random_saved, random_failed;

/* The next step in the save of a client, or a new save; decided by @random */
void random_save(struct model *m, unsigned int client, u64 random);

#endif /* _TMEM_TEST_RANDOM_SAVE_H */
