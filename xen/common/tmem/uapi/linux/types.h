/* SPDX-License-Identifier: GPL-2.0 */
/* What the wire ABI, linux/tmem.h, needs of Linux, by way of Xen's own */
#ifndef TMEM_LINUX_TYPES_H
#define TMEM_LINUX_TYPES_H

#include <xen/types.h>

#endif /* TMEM_LINUX_TYPES_H */
