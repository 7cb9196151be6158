/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: what the tests of the hypervisor's part share
 */
#ifndef TMEM_TEST_XEN_UNIT_H
#define TMEM_TEST_XEN_UNIT_H

#include "tmem.h"

/* Where a guest has what it hands over: pages of its memory */
#define AT(page)	(HV_BASE + (uint64_t)(page) * PAGE_SIZE)
#define P_CALL		0	/* the structure of a call */
#define P_REQS		1	/* requests, four pages of them */
#define P_LIST		8	/* a list of frames */
#define P_ATTACH	9
#define P_QUERY		10
#define P_FROM		16	/* pages to be put */
#define P_TO		(P_FROM + TMEM_MAX_RUN)	/* and got */

struct test {
	const char *name;
	void (*run)(void);
};

#define TEST(fn)	{ #fn, fn }

extern const struct test control_tests[];
extern const unsigned int nr_control_tests;
extern const struct test shared_tests[];
extern const unsigned int nr_shared_tests;
extern const struct test trace_tests[];
extern const unsigned int nr_trace_tests;
extern const struct test bad_tests[];
extern const unsigned int nr_bad_tests;

#define CHECK(c) \
	do { \
		if (!(c)) \
			hv_die("%s:%d: %s", __FILE__, __LINE__, #c); \
	} while (0)
#define CHECK_EQ(a, b) \
	do { \
		long long _a = (a), _b = (b); \
		if (_a != _b) \
			hv_die("%s:%d: %s is %lld, not %lld", __FILE__, \
			       __LINE__, #a, _a, _b); \
	} while (0)

/* The domain that calls, and its last requests */
extern unsigned int me;

void be(unsigned int domain);
struct tmem_req *reqs(void);
long submit(unsigned int nr);
int one(struct tmem_req req);
struct tmem_req keyed(uint8_t op, uint32_t pool, uint64_t obj, uint64_t index,
		      uint32_t nr);
void attach(void);
int create(uint32_t pool, uint64_t flags);
void fill(unsigned int nr, unsigned int tag);
bool got(unsigned int nr, unsigned int tag);
int put(uint32_t pool, uint64_t obj, uint64_t index, uint32_t nr);
int get(uint32_t pool, uint64_t obj, uint64_t index, uint32_t nr);
uint64_t list_of(unsigned int first, unsigned int nr);
struct tmem_query query(void);

long v1_new(uint32_t flags);
void v1_make(uint32_t cmd, int32_t pool, uint64_t obj, uint32_t index,
	     unsigned int page);
long v1(uint32_t cmd, int32_t pool, uint64_t obj, uint32_t index,
	unsigned int page);
struct xen_tmem_control *control_op(uint32_t op, domid_t domid);
long control(void);

#endif /* TMEM_TEST_XEN_UNIT_H */
