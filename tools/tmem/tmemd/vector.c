// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, what a buffer asks for
 *
 * Requests are copied, and everything is found from the copy.  The data of a
 * request lies in one piece of the guest's memory nearly always, and the store
 * copies it from there or to there; otherwise it is gathered, or scattered.
 */
#include "device.h"
#include "trace.h"

/* Memory of a thread, for a vector */
static __thread struct {
	struct tmem_req reqs[VIRTIO_TMEM_MAX_REQUESTS];
	struct virtio_tmem_answer answers[VIRTIO_TMEM_MAX_REQUESTS];
	u8 bounce[VECTOR_PAGES * PAGE_SIZE]
		__attribute__((aligned(PAGE_SIZE)));
} scratch;

/* A place in a buffer */
struct cursor {
	const struct spans *spans;
	unsigned int i;
	size_t offset;
};

enum cursor_way {
	CURSOR_READ,
	CURSOR_WRITE,
	CURSOR_SKIP,
};

/* The caller has seen to it that there are so many bytes */
static void cursor_move(struct cursor *cur, enum cursor_way way, void *ptr,
			size_t bytes)
{
	const struct span *span;
	size_t part;
	u8 *p = ptr;

	while (bytes) {
		span = &cur->spans->span[cur->i];
		part = span->len - cur->offset;
		if (part > bytes)
			part = bytes;
		if (way == CURSOR_READ)
			memcpy(p, span->base + cur->offset, part);
		else if (way == CURSOR_WRITE)
			memcpy(span->base + cur->offset, p, part);
		if (way != CURSOR_SKIP)
			p += part;
		bytes -= part;
		cur->offset += part;
		if (cur->offset == span->len) {
			cur->i++;
			cur->offset = 0;
		}
	}
}

/* Where the next bytes are, if they are in one piece */
static void *cursor_piece(const struct cursor *cur, size_t bytes)
{
	const struct span *span = &cur->spans->span[cur->i];

	if (!bytes || span->len - cur->offset < bytes)
		return NULL;
	return span->base + cur->offset;
}

/* Bytes that a request brings, and those that it has room for */
static void data_bytes(const struct tmem_req *req, u64 *in, u64 *out)
{
	*in = 0;
	*out = 0;
	switch (req->op) {
	case TMEM_OP_PUT:
		*in = (u64)req->nr_pages << PAGE_SHIFT;
		break;
	case TMEM_OP_GET:
		*out = (u64)req->nr_pages << PAGE_SHIFT;
		break;
	case TMEM_OP_ATTACH:
		*in = sizeof(struct tmem_attach);
		*out = sizeof(struct tmem_attach);
		break;
	case TMEM_OP_REPORT:
		*in = sizeof(struct tmem_report);
		*out = sizeof(struct tmem_report);
		break;
	case TMEM_OP_QUERY:
		*out = sizeof(struct tmem_query);
		break;
	}
}

/* Copies the requests.  Their number, or 0 if the buffer is not as it should be */
static unsigned int vector_read(struct cursor *in, const struct chain *chain)
{
	u64 bytes_in, bytes_out, all_in, all_out, pages = 0;
	struct virtio_tmem_head head;
	unsigned int i;

	if (chain->in.bytes < sizeof(head))
		return 0;
	cursor_move(in, CURSOR_READ, &head, sizeof(head));
	if (!head.nr || head.nr > VIRTIO_TMEM_MAX_REQUESTS ||
	    head.reserved[0] || head.reserved[1] || head.reserved[2])
		return 0;
	all_in = sizeof(head) + head.nr * sizeof(struct tmem_req);
	all_out = head.nr * sizeof(struct virtio_tmem_answer);
	if (chain->in.bytes < all_in)
		return 0;
	cursor_move(in, CURSOR_READ, scratch.reqs,
		    head.nr * sizeof(struct tmem_req));
	for (i = 0; i < head.nr; i++) {
		data_bytes(&scratch.reqs[i], &bytes_in, &bytes_out);
		all_in += bytes_in;
		all_out += bytes_out;
		pages += (bytes_in + bytes_out) >> PAGE_SHIFT;
	}
	if (chain->in.bytes != all_in || chain->out.bytes != all_out ||
	    pages > VECTOR_PAGES)
		return 0;
	return head.nr;
}

/* Answers a buffer that is not as it should be, as far as there is room */
static u32 vector_refuse(const struct chain *chain)
{
	struct virtio_tmem_answer no = { .status = (u32)-EINVAL };
	struct cursor out = { .spans = &chain->out };
	struct virtio_tmem_head head = { 0 };
	struct cursor in = { .spans = &chain->in };
	unsigned int i, nr;

	if (chain->in.bytes < sizeof(head))
		return 0;
	cursor_move(&in, CURSOR_READ, &head, sizeof(head));
	nr = head.nr;
	if (nr > chain->out.bytes / sizeof(no))
		nr = chain->out.bytes / sizeof(no);
	if (nr > VIRTIO_TMEM_MAX_REQUESTS)
		nr = VIRTIO_TMEM_MAX_REQUESTS;
	for (i = 0; i < nr; i++)
		cursor_move(&out, CURSOR_WRITE, &no, sizeof(no));
	return nr * sizeof(no);
}

/* A client may be one whose pages are not kept for good */
static void attach_limit(const struct client *client)
{
	struct tmem_attach *at = (struct tmem_attach *)scratch.bounce;

	if (!client->state->share.hswap)
		at->features &= ~TMEM_FEATURE_PERSISTENT;
}

/* What a report asks for is more than what it is answered */
static bool is_wanting(const struct tmem_req *req)
{
	const struct tmem_report *rep = (struct tmem_report *)scratch.bounce;

	return req->op == TMEM_OP_REPORT && !req->status &&
	       rep->target > rep->grant;
}

static void request_serve(struct client *client, struct tmem_req *req,
			  struct cursor *in, struct cursor *out)
{
	bool small = req->op == TMEM_OP_ATTACH || req->op == TMEM_OP_REPORT ||
		     req->op == TMEM_OP_QUERY;
	u64 bytes_in, bytes_out;
	void *data = NULL;

	data_bytes(req, &bytes_in, &bytes_out);
	if (req->addr || req->flags) {
		req->status = -EINVAL;
		req->done = 0;
		cursor_move(in, CURSOR_SKIP, NULL, bytes_in);
		cursor_move(out, CURSOR_SKIP, NULL, bytes_out);
		return;
	}
	if (!small)
		data = bytes_in ? cursor_piece(in, bytes_in) :
				  cursor_piece(out, bytes_out);
	if (data) {
		cursor_move(in, CURSOR_SKIP, NULL, bytes_in);
	} else if (bytes_in || bytes_out) {
		data = scratch.bounce;
		cursor_move(in, CURSOR_READ, data, bytes_in);
		if (req->op == TMEM_OP_ATTACH)
			attach_limit(client);
	}
	tstore_execute(client->store, req, data);
	if (data != scratch.bounce || req->status) {
		cursor_move(out, CURSOR_SKIP, NULL, bytes_out);
	} else if (small) {
		cursor_move(out, CURSOR_WRITE, data, bytes_out);
		if (is_wanting(req))
			schedule_wanted();
	} else if (bytes_out) {
		u64 got = (u64)req->done << PAGE_SHIFT;

		cursor_move(out, CURSOR_WRITE, data, got);
		cursor_move(out, CURSOR_SKIP, NULL, bytes_out - got);
	}
}

static void request_count(const struct client *client,
			  const struct tmem_req *req, u64 *count)
{
	switch (req->op) {
	case TMEM_OP_PUT:
		count[COUNT_PUTS] += req->nr_pages;
		count[COUNT_STORED] += req->done;
		break;
	case TMEM_OP_GET:
		count[COUNT_GETS] += req->nr_pages;
		count[COUNT_HITS] += req->done;
		if (req->done && tstore_client_pool(client->store, req->pool) ==
				 TMEM_POOL_PERSISTENT)
			count[COUNT_LOADED] += req->done;
		break;
	case TMEM_OP_FLUSH:
	case TMEM_OP_FLUSH_OBJECT:
		count[COUNT_FLUSHED] += req->done;
		break;
	}
}

/**
 * vector_serve() - execute a buffer of requests
 * @q: its queue
 * @chain: the buffer
 * @count: COUNTS counters, to be added to
 *
 * Context: any thread; the client stays connected.
 * Return: bytes of answers that were written
 */
u32 vector_serve(struct queue *q, const struct chain *chain, u64 *count)
{
	struct client *client = q->device->client;
	struct cursor in = { .spans = &chain->in };
	struct cursor out = { .spans = &chain->out };
	struct cursor answers = out;
	unsigned int nr, i;
	u32 bytes;

	nr = vector_read(&in, chain);
	if (!nr) {
		count[COUNT_BAD]++;
		return vector_refuse(chain);
	}
	bytes = nr * sizeof(struct virtio_tmem_answer);
	cursor_move(&out, CURSOR_SKIP, NULL, bytes);
	for (i = 0; i < nr; i++) {
		struct tmem_req *req = &scratch.reqs[i];

		request_serve(client, req, &in, &out);
		scratch.answers[i].status = (u32)req->status;
		scratch.answers[i].done = req->done;
		request_count(client, req, count);
		trace_note(client, req);
	}
	cursor_move(&answers, CURSOR_WRITE, scratch.answers, bytes);
	count[COUNT_VECTORS]++;
	count[COUNT_REQUESTS] += nr;
	return bytes;
}
