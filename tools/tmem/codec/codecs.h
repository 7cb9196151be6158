/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: codecs of libraries, for stores in processes
 *
 * Link with -llz4 -lzstd.
 */
#ifndef _TMEM_CODECS_H
#define _TMEM_CODECS_H

#include "codec.h"

/* liblz4: the format of tstore_lz4 */
extern const struct tstore_codec tmem_liblz4;

/* libzstd: smaller and slower; call tmem_libzstd_init() once before it is used */
extern struct tstore_codec tmem_libzstd;
void tmem_libzstd_init(void);

#endif /* _TMEM_CODECS_H */
