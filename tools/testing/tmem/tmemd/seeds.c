// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: inputs for the fuzzers of tmemd to begin with
 *
 * seeds DIRECTORY: writes DIRECTORY/ring/, DIRECTORY/vhost/ and DIRECTORY/qmp/,
 * each with inputs of every request and of every message as they should be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "front.h"

#define RING	16
#define AVAIL	(RING * 16)
#define ROOM	4096

static const char *dir;

static void keep(const char *kind, unsigned int nr, const void *bytes,
		 size_t len)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%u", dir, kind, nr);
	file = fopen(path, "w");
	if (!file || fwrite(bytes, 1, len, file) != len || fclose(file)) {
		perror(path);
		exit(1);
	}
}

/* A vector of two requests of a kind, after an attach and two pools */
static void ring(unsigned int nr, u8 op, bool indirect)
{
	static u8 mem[32768];
	struct vring_desc *desc = (void *)mem;
	struct vring_avail *avail = (void *)(mem + AVAIL);
	struct virtio_tmem_head *head = (void *)(mem + ROOM);
	struct tmem_req *req = (void *)(head + 1);
	struct tmem_attach *at = (void *)(mem + 2 * ROOM);

	memset(mem, 0, sizeof(mem));
	head->nr = 5;
	req[0] = (struct tmem_req){ .op = TMEM_OP_ATTACH };
	req[1] = (struct tmem_req){ .op = TMEM_OP_POOL_CREATE };
	req[2] = (struct tmem_req){ .op = TMEM_OP_POOL_CREATE, .pool = 1,
				    .index = TMEM_POOL_PERSISTENT };
	req[3] = (struct tmem_req){ .op = op, .nr_pages = 1 };
	req[4] = (struct tmem_req){ .op = op, .nr_pages = 1, .pool = 1 };
	*at = (struct tmem_attach){ TMEM_ABI_VERSION, PAGE_SHIFT,
				    TMEM_FEATURES, 0, 0, 0, { 0 } };
	desc[0] = (struct vring_desc){ ROOM, 8 + 5 * 64, VRING_DESC_F_NEXT, 1 };
	desc[1] = (struct vring_desc){ 2 * ROOM,
				       64 + (op == TMEM_OP_PUT ? 8192 : 0) +
				       (op == TMEM_OP_REPORT ? 128 : 0),
				       VRING_DESC_F_NEXT, 2 };
	desc[2] = (struct vring_desc){ 5 * ROOM, 40 + 64 +
				       (op == TMEM_OP_GET ? 8192 : 0) +
				       (op == TMEM_OP_REPORT ? 128 : 0) +
				       (op == TMEM_OP_QUERY ? 64 : 0),
				       VRING_DESC_F_WRITE, 0 };
	if (indirect) {
		memcpy(mem + 3072, desc, 3 * 16);
		desc[0] = (struct vring_desc){ 3072, 48, VRING_DESC_F_INDIRECT,
					       0 };
	}
	avail->idx = 2;
	keep("ring", nr, mem, sizeof(mem) - !indirect);
}

static u8 said[65536];
static size_t len;

static void say(u8 fds, struct vhost_msg msg)
{
	msg.flags = VHOST_VERSION | VHOST_NEED_REPLY;
	said[len++] = fds;
	memcpy(said + len, &msg, VHOST_HEAD + msg.size);
	len += VHOST_HEAD + msg.size;
}

static void number(u8 fds, u32 request, u64 value)
{
	say(fds, (struct vhost_msg){ .request = request, .size = 8,
				     .number = value });
}

static void messages(void)
{
	u32 request;

	number(0, VHOST_GET_FEATURES, 0);
	number(0, VHOST_SET_FEATURES, 0x170000000ULL);
	number(0, VHOST_SET_PROTOCOL_FEATURES, 1 << VHOST_PROTOCOL_F_REPLY_ACK |
	       1 << VHOST_PROTOCOL_F_CONFIG);
	number(1, VHOST_SET_BACKEND_REQ_FD, 0);
	say(2, (struct vhost_msg){
		.request = VHOST_SET_MEM_TABLE,
		.size = 8 + 2 * sizeof(struct vhost_region),
		.memory = { .nr = 2, .regions = {
				{ 0, 32768, 65536, 0 },
				{ 65536, 32768, 1 << 20, 32768 } } } });
	number(0, VHOST_SET_VRING_NUM, (u64)RING << 32);
	number(0, VHOST_SET_VRING_BASE, 0);
	say(0, (struct vhost_msg){ .request = VHOST_SET_VRING_ADDR,
				   .size = sizeof(said[0]) * 40,
				   .addr = { 0, 0, 65536, 65536 + 512,
					     65536 + 256, 0 } });
	number(1, VHOST_SET_VRING_CALL, 0);
	number(1, VHOST_SET_VRING_KICK, 0);
	number(0, VHOST_SET_VRING_ENABLE, 1ULL << 32);
	keep("vhost", 1, said, len);
	number(1, VHOST_SET_VRING_KICK, 0);
	number(0, VHOST_GET_VRING_BASE, 0);
	say(0, (struct vhost_msg){ .request = VHOST_GET_CONFIG, .size = 44,
				   .config = { 0, 32, 0, { 0 } } });
	keep("vhost", 2, said, len);
	for (request = 1; request < VHOST_REQUESTS; request++)
		number(request % 3, request, 0);
	keep("vhost", 3, said, len);
}

/* What a QEMU says: see fuzz_qmp.c for what else is in such an input */
static void qmp(void)
{
	static const char * const said[] = {
		"{\"QMP\":{\"version\":{},\"capabilities\":[\"oob\"]}}\r\n",
		"{\"return\":{},\"id\":1}\r\n",
		"{\"return\":{\"base-memory\":1048576,\"plugged-memory\":0},\"id\":2}\n",
		"{\"return\":{\"actual\":1048576},\"id\":3}\r\n\1",
		"{\"return\":{},\"id\":4}\r\n",
		"{\"event\":\"BALLOON_CHANGE\",\"data\":{\"actual\":4096}}\r\n\2\2",
		"{\"event\":\"RESET\",\"data\":{\"guest\":true}}\r\n\2\2\2\2",
		"{\"id\":5,\"error\":{\"class\":\"X\",\"desc\":\"no\"}}\r\n\1",
	};
	char all[2048] = "";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(said); i++) {
		strcat(all, said[i]);
		keep("qmp", i, all, strlen(all));
	}
}

int main(int argc, char **argv)
{
	char path[4096];
	unsigned int op;

	if (argc != 2) {
		fprintf(stderr, "Usage: seeds DIRECTORY\n");
		return 2;
	}
	dir = argv[1];
	snprintf(path, sizeof(path), "%s/ring", dir);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/vhost", dir);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/qmp", dir);
	mkdir(path, 0777);
	qmp();
	for (op = TMEM_OP_ATTACH; op < TMEM_OP_NR; op++) {
		ring(op, op, false);
		ring(100 + op, op, true);
	}
	messages();
	return 0;
}
