/* SPDX-License-Identifier: GPL-2.0 */
/* What the wire ABI needs from <linux/types.h>, where there is none */
#ifndef _LINUX_TYPES_H
#define _LINUX_TYPES_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;

#endif /* _LINUX_TYPES_H */
