/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, traces of what clients ask for
 */
#ifndef _TMEMD_TRACE_H
#define _TMEMD_TRACE_H

#include "device.h"

extern bool trace_on;

void trace_note_slow(const struct client *client, const struct tmem_req *req);

/**
 * trace_note() - a request was executed
 * @client: whose
 * @req: the request, as it was asked for
 *
 * Context: any thread.
 */
static inline void trace_note(const struct client *client,
			      const struct tmem_req *req)
{
	if (env_read_once(trace_on))
		trace_note_slow(client, req);
}

int trace_begin(void);
size_t trace_next(u8 *buf, size_t bytes);
void trace_stop(void);
void trace_end(u64 *records, u64 *lost);

#endif /* _TMEMD_TRACE_H */
