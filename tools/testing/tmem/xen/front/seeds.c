// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: inputs for the fuzzer of the hypercall to begin with
 */
#include "hv.h"
#include <linux/tmem.h>

#define STEPS	16
#define PAGE(n)	((n) * 4096)

static uint8_t input[STEPS * 8 + 12 * 4096];
static uint8_t *const memory = input + STEPS * 8;

static void step(unsigned int i, uint8_t domain, uint8_t where, uint8_t often)
{
	input[i * 8] = domain;
	input[i * 8 + 1] = where;
	input[i * 8 + 2] = often;
}

static void save(const char *dir, const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f || fwrite(input, 1, sizeof(input), f) != sizeof(input) ||
	    fclose(f)) {
		perror(path);
		exit(1);
	}
	memset(input, 0, sizeof(input));
}

/* Requests as a guest would make them, the frames being those of domain 1 */
static unsigned int requests(struct tmem_req *req, uint8_t list)
{
	struct tmem_attach *at = (void *)(memory + PAGE(9));
	uint64_t *frames = (void *)(memory + PAGE(8));
	unsigned int nr = 0, i;

	at->version = TMEM_ABI_VERSION;
	at->page_shift = 12;
	at->features = TMEM_FEATURES;
	for (i = 0; i < 512; i++)
		frames[i] = 20 + i % 40;
	req[nr++] = (struct tmem_req){ .op = TMEM_OP_ATTACH, .addr = 9 };
	for (i = 0; i < 2; i++) {
		req[nr++] = (struct tmem_req){ .op = TMEM_OP_POOL_CREATE,
					       .pool = i, .index = i };
		req[nr++] = (struct tmem_req){
			.op = TMEM_OP_PUT, .flags = list, .pool = i,
			.object = { 5 }, .nr_pages = 40,
			.addr = list ? 8 : 20 };
		req[nr] = req[nr - 1];
		req[nr++].op = TMEM_OP_GET;
		req[nr] = req[nr - 2];
		req[nr++].index = 30;
		req[nr++] = (struct tmem_req){ .op = TMEM_OP_FLUSH, .pool = i,
					       .object = { 5 }, .index = 7 };
		req[nr++] = (struct tmem_req){ .op = TMEM_OP_FLUSH_OBJECT,
					       .pool = i, .object = { 5 } };
	}
	req[nr++] = (struct tmem_req){ .op = TMEM_OP_QUERY, .addr = 9 };
	req[nr++] = (struct tmem_req){ .op = TMEM_OP_POOL_DESTROY, .pool = 1 };
	return nr;
}

static void version2(const char *dir, uint8_t list, uint8_t often)
{
	struct xen_tmem_submit *sub = (void *)memory;
	char name[16];

	sub->cmd = TMEM_SUBMIT;
	sub->reqs = HV_BASE + PAGE(1);
	sub->nr = requests((void *)(memory + PAGE(1)), list);
	step(0, 1, 0, often);
	step(1, 0x81, 0, often);
	snprintf(name, sizeof(name), "v2-%u-%u", list, often);
	save(dir, name);
}

static void version1(const char *dir)
{
	struct xen_tmem_v1 *op = (void *)memory;
	unsigned int i;

	for (i = 0; i < STEPS; i++, op = (void *)((uint8_t *)op + 64)) {
		op->cmd = i < 2 ? TMEM_NEW_POOL :
				  TMEM_PUT_PAGE + i % 4;
		step(i, 1, i, 0);
		if (i < 2) {
			op->u.creat.flags = i | 1u << TMEM_POOL_VERSION_SHIFT;
			continue;
		}
		op->pool_id = i / 4 & 1;
		op->u.gen.oid[0] = 3;
		op->u.gen.cmfn = 20 + i;
	}
	save(dir, "v1");
}

static void controls(const char *dir)
{
	struct xen_tmem_control *op = (void *)memory;
	unsigned int i;

	for (i = 0; i < 15; i++, op = (void *)((uint8_t *)op + 256)) {
		op->cmd = TMEM_CONTROL;
		op->version = XEN_TMEM_CONTROL_VERSION;
		op->op = i + 1;
		op->domid = 1;
		step(i, 0, i * 4, 0);
		if (op->op >= XEN_TMEM_SAVE_BEGIN) {
			op->u.save.entries = 8;
			op->u.save.bytes = 8192;
			op->u.save.buffer.p = (void *)(HV_BASE + PAGE(9));
		}
	}
	save(dir, "control");
}

/* Lets two domains in, looks, and throws one out, with requests in between */
static void shared(const char *dir)
{
	static const uint32_t ops[] = {
		XEN_TMEM_ALLOW, XEN_TMEM_ALLOW, 0, XEN_TMEM_SHARED,
		XEN_TMEM_FORBID, 0, XEN_TMEM_FORBID, XEN_TMEM_SHARED,
	};
	struct xen_tmem_submit *sub = (void *)memory;
	struct xen_tmem_control *op = (void *)memory;
	struct tmem_req *req = (void *)(memory + PAGE(1));
	unsigned int i, nr;

	sub->cmd = TMEM_SUBMIT;
	sub->reqs = HV_BASE + PAGE(1);
	nr = requests(req, 0);
	for (i = 0; i < nr; i++) {
		if (req[i].op != TMEM_OP_POOL_CREATE)
			continue;
		req[i].index = TMEM_POOL_SHARED;
		req[i].object[0] = 5;
	}
	sub->nr = nr;
	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		op = (void *)((uint8_t *)op + 256);
		step(i, !ops[i], ops[i] ? (i + 1) * 4 : 0, 0);
		op->cmd = TMEM_CONTROL;
		op->version = XEN_TMEM_CONTROL_VERSION;
		op->op = ops[i];
		op->domid = i % 2;
		if (ops[i] != XEN_TMEM_SHARED) {
			op->u.share.uuid[0] = 5;
			continue;
		}
		op->domid = 0;
		op->u.shared.nr = 4;
		op->u.shared.pools.p = (void *)(HV_BASE + PAGE(10));
	}
	save(dir, "shared");
}

/* What a guest asks for, while it is told of, and after that */
static void trace(const char *dir)
{
	static const uint32_t ops[] = {
		XEN_TMEM_TRACE_BEGIN, 0, XEN_TMEM_TRACE_READ, 0,
		XEN_TMEM_TRACE_STOP, XEN_TMEM_TRACE_READ, XEN_TMEM_TRACE_END,
		XEN_TMEM_TRACE_BEGIN, 0,
	};
	struct xen_tmem_submit *sub = (void *)memory;
	struct xen_tmem_control *op = (void *)memory;
	unsigned int i;

	sub->cmd = TMEM_SUBMIT;
	sub->reqs = HV_BASE + PAGE(1);
	sub->nr = requests((void *)(memory + PAGE(1)), 0);
	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		op = (void *)((uint8_t *)op + 256);
		step(i, !ops[i], ops[i] ? (i + 1) * 4 : 0, 0);
		op->cmd = TMEM_CONTROL;
		op->version = XEN_TMEM_CONTROL_VERSION;
		op->op = ops[i];
		if (ops[i] != XEN_TMEM_TRACE_READ)
			continue;
		op->u.trace.nr = 20;
		op->u.trace.events.p = (void *)(HV_BASE + PAGE(10));
	}
	save(dir, "trace");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	version2(argv[1], 0, 0);
	version2(argv[1], 0, 1);
	version2(argv[1], TMEM_REQ_LIST, 0);
	version2(argv[1], TMEM_REQ_LIST, 3);
	version1(argv[1]);
	controls(argv[1]);
	shared(argv[1]);
	trace(argv[1]);
	return 0;
}
