/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, what passes between it and files of users
 */
#ifndef _TMEMD_TRANSFER_H
#define _TMEMD_TRANSFER_H

#include "control.h"

/**
 * enum transfer_kind - what passes
 * @TRANSFER_SAVE: a client, to the file
 * @TRANSFER_RESTORE: a client, from there
 * @TRANSFER_TRACE: what clients ask for, to the file
 */
enum transfer_kind {
	TRANSFER_SAVE,
	TRANSFER_RESTORE,
	TRANSFER_TRACE,
};

int transfer_start(void);
int transfer_begin(struct conn *conn, struct client *client,
		   enum transfer_kind kind);
void transfer_cancel(struct transfer *t);

#endif /* _TMEMD_TRANSFER_H */
