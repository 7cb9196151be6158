/* SPDX-License-Identifier: MIT */
/*
 * Transcendent memory: the hypercall that carries a vector of requests
 *
 * HYPERVISOR_tmem_op takes the address of one of several structures, all of
 * which begin with a command.  The commands of the historical interface are not
 * used any more.
 */
#ifndef __XEN_PUBLIC_TMEM_H__
#define __XEN_PUBLIC_TMEM_H__

#include <linux/types.h>

#define TMEM_SUBMIT	16

/* Most requests of one call */
#define TMEM_SUBMIT_MAX	256

/**
 * struct tmem_submit - TMEM_SUBMIT: execute requests
 * @cmd: TMEM_SUBMIT
 * @nr: how many requests, 1 to TMEM_SUBMIT_MAX
 * @done: zero; the hypervisor counts here while the call goes on
 * @reserved: zero
 * @reqs: address of an array of struct tmem_req
 *
 * Returns 0 if each request has its status, or a negative error number.
 */
struct tmem_submit {
	u32 cmd;
	u32 nr;
	u32 done;
	u32 reserved;
	u64 reqs;
};

#endif /* __XEN_PUBLIC_TMEM_H__ */
