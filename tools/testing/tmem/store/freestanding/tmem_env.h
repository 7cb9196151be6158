/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: the least environment that the page store compiles in
 *
 * Nothing of a host: whoever adds a call to the store that is not in the
 * contract (store/tstore.h) finds out here.  Compiled, never linked.
 */
#ifndef _TMEM_ENV_H
#define _TMEM_ENV_H

#include <linux/tmem.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef long long s64;
typedef _Bool bool;
typedef __SIZE_TYPE__ size_t;
typedef __UINTPTR_TYPE__ uintptr_t;

#define true		1
#define false		0
#define NULL		((void *)0)

#define PAGE_SHIFT	12
#define PAGE_SIZE	(1UL << PAGE_SHIFT)

#define EPERM		1
#define ENOENT		2
#define ENXIO		6
#define ENOMEM		12
#define EFAULT		14
#define EBUSY		16
#define EEXIST		17
#define EINVAL		22
#define ENOSPC		28
#define EBADMSG		74
#define EOPNOTSUPP	95
#define ENOTCONN	107
#define EDQUOT		122

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define static_assert	_Static_assert
#define __always_unused	__attribute__((__unused__))

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

typedef struct { int locked; } spinlock_t;

void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
void env_lock_init(spinlock_t *lock, unsigned int level);
void env_assert_held(spinlock_t *lock);
void env_relax(void);
bool env_stop(void);
void *env_zalloc(size_t bytes);
void env_free(void *ptr);

#define env_read_once(x)	(*(const volatile __typeof__(x) *)&(x))
#define env_write_once(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#define env_store_release(p, v) \
do { \
	__asm__ __volatile__("" : : : "memory"); \
	env_write_once(*(p), v); \
} while (0)

#define env_prefetch(p)		__builtin_prefetch(p)

typedef u64 *env_data_t;

void *env_data_map(env_data_t data, unsigned int i);
void env_data_unmap(void *ptr);

#endif /* _TMEM_ENV_H */
