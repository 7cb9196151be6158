/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, messages of vhost-user
 *
 * As in "Vhost-user Protocol" of QEMU's documentation, as far as they are used.
 */
#ifndef _TMEMD_VHOST_H
#define _TMEMD_VHOST_H

#include "state.h"

enum vhost_request {
	VHOST_GET_FEATURES		= 1,
	VHOST_SET_FEATURES		= 2,
	VHOST_SET_OWNER			= 3,
	VHOST_RESET_OWNER		= 4,
	VHOST_SET_MEM_TABLE		= 5,
	VHOST_SET_VRING_NUM		= 8,
	VHOST_SET_VRING_ADDR		= 9,
	VHOST_SET_VRING_BASE		= 10,
	VHOST_GET_VRING_BASE		= 11,
	VHOST_SET_VRING_KICK		= 12,
	VHOST_SET_VRING_CALL		= 13,
	VHOST_SET_VRING_ERR		= 14,
	VHOST_GET_PROTOCOL_FEATURES	= 15,
	VHOST_SET_PROTOCOL_FEATURES	= 16,
	VHOST_GET_QUEUE_NUM		= 17,
	VHOST_SET_VRING_ENABLE		= 18,
	VHOST_SET_BACKEND_REQ_FD	= 21,
	VHOST_GET_CONFIG		= 24,
	VHOST_SET_CONFIG		= 25,
	VHOST_REQUESTS
};

#define VHOST_BACKEND_CONFIG_CHANGE	2

#define VHOST_F_PROTOCOL_FEATURES	30

#define VHOST_PROTOCOL_F_MQ		0
#define VHOST_PROTOCOL_F_REPLY_ACK	3
#define VHOST_PROTOCOL_F_BACKEND_REQ	5
#define VHOST_PROTOCOL_F_CONFIG		9

/* struct vhost_msg.flags */
#define VHOST_VERSION		1U
#define VHOST_VERSION_MASK	3U
#define VHOST_REPLY		(1U << 2)
#define VHOST_NEED_REPLY	(1U << 3)

/* In the number of VHOST_SET_VRING_KICK and the like: there is no descriptor */
#define VHOST_NO_FD		(1U << 8)

#define VHOST_MAX_CONFIG	256U
#define VHOST_HEAD		12U

struct vhost_region {
	u64 gpa;
	u64 size;
	u64 uaddr;
	u64 offset;
};

/**
 * struct vhost_msg - a message
 * @request: enum vhost_request
 * @flags: VHOST_*
 * @size: bytes that follow
 */
struct vhost_msg {
	u32 request;
	u32 flags;
	u32 size;
	union {
		u64 number;
		struct {
			u32 index;
			u32 num;
		} vring;
		struct {
			u32 index;
			u32 flags;
			u64 desc;
			u64 used;
			u64 avail;
			u64 log;
		} addr;
		struct {
			u32 nr;
			u32 padding;
			struct vhost_region regions[TMEMD_REGIONS];
		} memory;
		struct {
			u32 offset;
			u32 size;
			u32 flags;
			u8 bytes[VHOST_MAX_CONFIG];
		} config;
	};
} __attribute__((packed));

#endif /* _TMEMD_VHOST_H */
