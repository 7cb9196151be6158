/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: the lists of scenarios of the page store's unit tests
 */
#ifndef _TMEM_TEST_UNIT_H
#define _TMEM_TEST_UNIT_H

#include "lib.h"

extern const struct scenario unit_data[], unit_pool[], unit_bad[], unit_room[];
extern const struct scenario unit_long[], unit_policy[], unit_divide[];
extern const unsigned int nr_unit_data, nr_unit_pool, nr_unit_bad;
extern const unsigned int nr_unit_room, nr_unit_long, nr_unit_policy;
extern const struct scenario unit_crash[], unit_size[], unit_pack[];
extern const struct scenario unit_dedup[], unit_shared[];
extern const unsigned int nr_unit_divide, nr_unit_crash, nr_unit_size;
extern const unsigned int nr_unit_pack, nr_unit_dedup, nr_unit_shared;

extern const struct scenario unit_save[], unit_restore[], unit_move[];
extern const unsigned int nr_unit_save, nr_unit_restore, nr_unit_move;

#define SCENARIO(fn)	{ .name = #fn, .run = fn }

#endif /* _TMEM_TEST_UNIT_H */
