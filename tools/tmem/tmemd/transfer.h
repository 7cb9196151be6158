/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, clients that are saved and restored
 */
#ifndef _TMEMD_TRANSFER_H
#define _TMEMD_TRANSFER_H

#include "control.h"

int transfer_start(void);
int transfer_begin(struct conn *conn, struct client *client, bool restore);
void transfer_cancel(struct transfer *t);

#endif /* _TMEMD_TRANSFER_H */
