// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: unit tests of the page store
 *
 * One scenario for each promise and for each way to be malformed; lib_run()
 * repeats every one with failing allocations.
 */
#include "unit.h"

int main(void)
{
	lib_run(unit_data, nr_unit_data);
	lib_run(unit_pool, nr_unit_pool);
	lib_run(unit_bad, nr_unit_bad);
	lib_run(unit_room, nr_unit_room);
	lib_run(unit_policy, nr_unit_policy);
	lib_run(unit_divide, nr_unit_divide);
	lib_run(unit_crash, nr_unit_crash);
	lib_run(unit_size, nr_unit_size);
	lib_run(unit_pack, nr_unit_pack);
	lib_run(unit_dedup, nr_unit_dedup);
	lib_run(unit_shared, nr_unit_shared);
	lib_run(unit_long, nr_unit_long);
	lib_run(unit_save, nr_unit_save);
	lib_run(unit_restore, nr_unit_restore);
	lib_run(unit_move, nr_unit_move);
	return lib_summary();
}
