// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: can what operations returned be explained?
 *
 * Each operation took place at some time between its start and its end, page by
 * page.  A put drops what there was, and then stores; if it is refused, it drops
 * again what it stored.  So, of one page:
 *
 * - what a get returns was put, and between the two nothing dropped it that was
 *   not under way when one of them was (I1, I2, I6, I11);
 * - nothing of an ephemeral pool is returned twice (I3);
 * - what is missing from a persistent pool was dropped by something that was
 *   not over when it was put (I4, I10);
 * - a pool that nobody destroys is there, and what is frozen is refused (I8).
 */
#include "perturb.h"

struct history history;

static const char * const names[OP_KINDS] = {
	"put", "get", "flush", "flush rest", "flush object", "destroy",
	"create", "attach", "freeze", "limit", "take", "compact", "divide",
	"stats", "guest",
};

void history_print(void)
{
	struct op *op;
	u32 i;

	for (op = history.ops; op < history.ops + history.nr; op++) {
		if (op >= history.ops + history.last && !op->done)
			continue;
		printf("# %3llu %3lld %-12s client %u pool %u object %u index %llu nr %u seq %u",
		       (unsigned long long)op->start, (long long)op->end,
		       names[op->kind], op->page.client, op->page.pool,
		       op->page.object, (unsigned long long)op->page.index,
		       op->nr, op->seq);
		if (op->kind == OP_PUT)
			printf(" ids from %u", op->id);
		printf(": %d, %u done", op->status, op->done);
		for (i = 0; op->kind == OP_GET && i < op->done; i++)
			printf(" %u", op->got[i]);
		printf("\n");
	}
}

static bool in_pool(const struct op *op, const struct op_page *page)
{
	if (op->page.client != page->client)
		return false;
	return op->kind == OP_ATTACH || op->page.pool == page->pool;
}

/* Is this one of the op's pages?  Sets its number in the run. */
static bool in_run(const struct op *op, const struct op_page *page, u32 *i)
{
	*i = page->index - op->page.index;
	return in_pool(op, page) && op->page.object == page->object &&
	       page->index >= op->page.index && *i < op->nr;
}

static bool seq_applies(u32 flush, u32 put)
{
	return !flush || (s32)(flush - put) >= 0;
}

/*
 * Does @op drop the page that @put stored?  Sets when it has done so, which is
 * never if it need not: a put whose pool dies may have come to that or not.
 */
static bool drops(const struct op *op, const struct op *put,
		  const struct op_page *page, u64 *by)
{
	u32 i;

	*by = op->status == -ENXIO ? ~0ull : op->end;
	if (op == put || !in_pool(op, page) ||
	    (op->status && op->kind != OP_PUT))
		return false;
	switch (op->kind) {
	case OP_PUT:
		if (!in_run(op, page, &i))
			return false;
		if (op->seen[i] < *by)
			*by = op->seen[i];
		return true;
	case OP_FLUSH:
		return in_run(op, page, &i) && seq_applies(op->seq, put->seq);
	case OP_FLUSH_REST:
		return op->page.object == page->object &&
		       page->index >= op->page.index &&
		       seq_applies(op->seq, put->seq);
	case OP_FLUSH_OBJECT:
		return op->page.object == page->object &&
		       seq_applies(op->seq, put->seq);
	case OP_DESTROY:
	case OP_ATTACH:
		return true;
	default:
		return false;
	}
}

static struct op *put_of(u32 id)
{
	struct op *op;

	for (op = history.ops; op < history.ops + history.nr; op++)
		if (op->kind == OP_PUT && id >= op->id && id < op->id + op->nr)
			return op;
	return NULL;
}

/* When @put had stored its page @i, if it has */
static u64 stored_by(const struct op *put, u32 i)
{
	if (put->seen[i] < put->end)
		return put->seen[i];
	return !put->status && i < put->done ? put->end : ~0ull;
}

static void judge_hit(const struct op *get, u32 at)
{
	struct op_page page = get->page;
	u32 id = get->got[at], i, j;
	struct op *put = put_of(id), *op;
	u64 since, by;

	page.index += at;
	if (!put || !in_run(put, &page, &i) || put->id + i != id)
		perturb_fail("get at %llu returned page %u, which is another",
			     (unsigned long long)get->start, id);
	if (put->end < get->start && (put->status || i >= put->done))
		perturb_fail("get at %llu returned page %u, which was refused",
			     (unsigned long long)get->start, id);
	since = stored_by(put, i);
	for (op = history.ops; op < history.ops + history.nr; op++) {
		if (op != get && op->kind == OP_GET && !page.pool &&
		    in_run(op, &page, &j) && j < op->done && op->got[j] == id)
			perturb_fail("page %u was returned twice", id);
		if (drops(op, put, &page, &by) && op->start > since &&
		    by < get->start)
			perturb_fail("get at %llu returned page %u, which was dropped at %llu",
				     (unsigned long long)get->start, id,
				     (unsigned long long)op->start);
	}
}

/* Something may have dropped the page that @put stored before @get was over */
static bool may_be_gone(const struct op *put, const struct op_page *page,
			const struct op *get)
{
	struct op *op;
	u64 by;

	for (op = history.ops; op < history.ops + history.nr; op++)
		if (drops(op, put, page, &by) && op->end > put->start &&
		    op->start < get->end)
			return true;
	return false;
}

static void judge_miss(const struct op *get)
{
	struct op_page page = get->page;
	struct op *put;
	u32 i;

	page.index += get->done;
	for (put = history.ops; put < history.ops + history.nr; put++) {
		if (put->kind != OP_PUT || !in_run(put, &page, &i) ||
		    put->status || stored_by(put, i) > get->start)
			continue;
		if (!may_be_gone(put, &page, get))
			perturb_fail("get at %llu did not return page %u, which was lost",
				     (unsigned long long)get->start,
				     put->id + i);
	}
}

/* Was any operation of this kind under way at the time of @op? */
static bool overlaps(const struct op *op, enum op_kind kind)
{
	struct op *o;

	for (o = history.ops; o < history.ops + history.nr; o++)
		if (o != op && o->kind == kind && o->end > op->start &&
		    o->start < op->end && o->page.client == op->page.client)
			return true;
	return false;
}

/* Is it certain that there was a pool? */
static bool pool_lives(const struct op *op)
{
	struct op *o, *born = NULL;

	for (o = history.ops; o < history.ops + history.nr; o++)
		if (o->kind == OP_CREATE && in_pool(o, &op->page) &&
		    !o->status && o->end < op->start &&
		    (!born || o->start > born->start))
			born = o;
	if (!born)
		return false;
	for (o = history.ops; o < history.ops + history.nr; o++)
		if ((o->kind == OP_DESTROY || o->kind == OP_ATTACH) &&
		    in_pool(o, &op->page) && o->end > born->start &&
		    o->start < op->end && o != op)
			return false;
	return true;
}

static bool status_fits(const struct op *op)
{
	switch (op->status) {
	case 0:
		return true;
	case -ENXIO:
		return op->kind <= OP_DESTROY && !pool_lives(op);
	case -EBUSY:
		if (op->kind == OP_CREATE)
			return overlaps(op, OP_DESTROY) ||
			       overlaps(op, OP_ATTACH);
		if (op->kind == OP_PUT)
			return overlaps(op, OP_FREEZE);
		return op->kind == OP_ATTACH && overlaps(op, OP_ATTACH);
	case -ENOENT:
		return op->kind == OP_GET;
	case -ENOSPC:
	case -EDQUOT:
		return op->kind == OP_PUT;
	default:
		return false;
	}
}

static void judge_frozen(const struct op *put)
{
	struct op *op;

	for (op = history.ops; op < history.ops + history.nr; op++)
		if (op->kind == OP_FREEZE &&
		    op->page.client == put->page.client && op->frozen &&
		    put->start > op->frozen && put->end < op->thawing &&
		    put->done)
			perturb_fail("put at %llu into a frozen client",
				     (unsigned long long)put->start);
}

static void judge_epoch(const struct op *attach)
{
	struct op *op;

	for (op = history.ops; op < history.ops + history.nr; op++)
		if (op->kind == OP_ATTACH && !op->status && op != attach &&
		    (op->epoch == attach->epoch ||
		     (op->end < attach->start && op->epoch > attach->epoch)))
			perturb_fail("epoch %llu after %llu",
				     (unsigned long long)attach->epoch,
				     (unsigned long long)op->epoch);
}

/* What gets saw tells when puts had stored, which drops what was before */
static void note_seen(const struct op *get)
{
	struct op *put;
	u32 i, page;

	for (i = 0; get->kind == OP_GET && i < get->done; i++) {
		put = put_of(get->got[i]);
		page = put ? get->got[i] - put->id : 0;
		if (put && get->end < put->seen[page])
			put->seen[page] = get->end;
	}
}

void history_judge(void)
{
	struct op *op;
	u32 i;

	for (op = history.ops; op < history.ops + history.nr; op++)
		note_seen(op);
	for (op = history.ops; op < history.ops + history.nr; op++) {
		if (!status_fits(op))
			perturb_fail("status %d of %s at %llu", op->status,
				     names[op->kind],
				     (unsigned long long)op->start);
		for (i = 0; op->kind == OP_GET && i < op->done; i++)
			judge_hit(op, i);
		if (op->kind == OP_GET && op->done < op->nr && op->page.pool &&
		    (op->done || op->status == -ENOENT))
			judge_miss(op);
		if (op->kind == OP_PUT)
			judge_frozen(op);
		if (op->kind == OP_ATTACH && !op->status)
			judge_epoch(op);
	}
}
