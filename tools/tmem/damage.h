/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what may be wrong with a file that a client was saved to
 */
#ifndef _TMEM_DAMAGE_H
#define _TMEM_DAMAGE_H

#include "tstore.h"

static const char * const damages[TSTORE_DAMAGES] = {
	[TSTORE_DAMAGE_MAGIC] = "it is not of a client that was saved",
	[TSTORE_DAMAGE_VERSION] = "it is of a version that is not known here",
	[TSTORE_DAMAGE_PAGE_SIZE] = "its pages are of another size",
	[TSTORE_DAMAGE_TRUNCATED] = "it ends too early",
	[TSTORE_DAMAGE_SUM] = "a part is not what it was",
	[TSTORE_DAMAGE_RECORD] = "a part is of no type",
	[TSTORE_DAMAGE_ORDER] = "there is something after its end",
	[TSTORE_DAMAGE_RESERVED] = "a field is not zero",
	[TSTORE_DAMAGE_FEATURES] = "it takes features that are not here",
	[TSTORE_DAMAGE_EPOCH] = "its epoch makes no sense",
	[TSTORE_DAMAGE_POOL_ID] = "a pool is out of range",
	[TSTORE_DAMAGE_POOL_TWICE] = "a pool is there twice",
	[TSTORE_DAMAGE_POOL_FLAGS] = "a pool is of no kind",
	[TSTORE_DAMAGE_NO_POOL] = "a pool is not there",
	[TSTORE_DAMAGE_EPHEMERAL] = "a page is of a pool that may vanish",
	[TSTORE_DAMAGE_RUN] = "a run is too long",
	[TSTORE_DAMAGE_COUNTS] = "parts are missing or there twice",
};

#endif /* _TMEM_DAMAGE_H */
