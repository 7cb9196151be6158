/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/*
 * Transcendent memory: the virtio device, a carrier of vectors
 *
 * Documentation/tmem/abi.rst is the normative text.
 */
#ifndef _UAPI_LINUX_VIRTIO_TMEM_H
#define _UAPI_LINUX_VIRTIO_TMEM_H

#include <linux/types.h>

/*
 * OASIS has not assigned a number yet.  This is the last one that virtio over
 * PCI has room for, and so the least likely to be assigned to something else.
 * Whoever changes it changes it on both sides: by virtio_tmem.device_id= in the
 * guest and by device-id= of the device in QEMU.
 */
#define VIRTIO_TMEM_DEVICE_ID	63

/* Requests of one vector, if the device does not say less */
#define VIRTIO_TMEM_MAX_REQUESTS	32

/**
 * struct virtio_tmem_config - configuration space, read-only
 * @version: newest version of the ABI that the store speaks
 * @page_shift: of its pages
 * @features: TMEM_FEATURE_* that it has
 * @num_queues: queues that there are, at least 1
 * @max_requests: most requests of one vector, at least 1
 * @max_pages: most pages of data of one vector, at least TMEM_MAX_RUN
 * @grant: pages that the host lets this client keep at present; a change is
 *	announced by a configuration change notification
 */
struct virtio_tmem_config {
	__le32 version;
	__le32 page_shift;
	__le64 features;
	__le16 num_queues;
	__le16 max_requests;
	__le32 max_pages;
	__le64 grant;
};

/**
 * struct virtio_tmem_head - what a buffer begins with
 * @nr: number of struct tmem_req that follow
 * @reserved: zero
 *
 * The data of puts comes after the requests, in their order.
 */
struct virtio_tmem_head {
	__le16 nr;
	__le16 reserved[3];
};

/**
 * struct virtio_tmem_answer - answer to one request
 * @status: status of the request, in two's complement
 * @done: as in the request
 *
 * The part that the device writes begins with one for each request; then there
 * is room for the data of gets, in the order of the requests.
 */
struct virtio_tmem_answer {
	__le32 status;
	__le32 done;
};

#endif /* _UAPI_LINUX_VIRTIO_TMEM_H */
