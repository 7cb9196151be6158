// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: the virtio transport, vectors on their way
 *
 * A vector of requests becomes a buffer of a virtqueue, or several in turn if
 * the device does not take so much at once: head and requests, the pages of
 * puts, answers, the pages of gets.  Documentation/tmem/abi.rst says how they
 * look.  Pages are handed over as they are; all else is in memory that was
 * allocated when the device was found, as a submit may be part of reclaim.
 *
 * Queues.  Each CPU has its own if the device has enough of them.
 *
 * Waiting.  The way of an interrupt takes longer than most vectors, so whoever
 * has submitted one first polls the queue for a while, with callbacks off, and
 * completes whatever comes back, whosever it is.  Then it sleeps.  Nobody sleeps
 * for ever, as this holds whenever a queue's lock is free:
 *
 *	a buffer is out  =>  somebody polls, or callbacks are on and there was
 *			     nothing to take after they had been switched on.
 *
 * For to add a buffer is to begin polling, under the same lock; and the last
 * who ends polling switches callbacks on and looks at the ring again.
 *
 * Giving up.  A device may write to the pages of a buffer until it has returned
 * the buffer or has been reset.  So nobody runs away from one that is slow, and
 * those who wait on one that is broken, removed or about to sleep get their
 * -EIO when it has been reset.
 *
 * Locks.  vt->reset_lock, a mutex, then queue->lock, which the callback takes,
 * too, and inside of which are only those of the completions.
 */
#include <linux/completion.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/virtio_config.h>

#include "virtio_tmem.h"

/* A device that takes longer than this is worth a line in the log */
#define PATIENCE	(10 * HZ)

/* A table of descriptors is a help, but not worth the last page of memory */
#define TABLE_GFP	(GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC)

static unsigned int spin_us = 50;
module_param(spin_us, uint, 0644);
MODULE_PARM_DESC(spin_us, "Microseconds to poll for an answer before sleeping");

/* ---- what is in a buffer ---- */

static bool has_pages(const struct tmem_req *req)
{
	return req->op == TMEM_OP_PUT || req->op == TMEM_OP_GET;
}

/* Does it have data that is not in pages of its own? */
static bool has_record(const struct tmem_req *req)
{
	return req->op == TMEM_OP_ATTACH || req->op == TMEM_OP_REPORT ||
	       req->op == TMEM_OP_QUERY;
}

static u64 nr_pieces(struct virtio_tmem *vt, const struct tmem_req *req)
{
	if (has_pages(req))
		return DIV_ROUND_UP_ULL((u64)req->nr_pages << PAGE_SHIFT,
					vt->max_bytes);
	return !has_record(req) ? 0 : req->op == TMEM_OP_QUERY ? 1 : 2;
}

/* The pages of a run are those of one folio: one piece, unless it is too long */
static struct scatterlist *add_pages(struct virtio_tmem *vt,
				     struct scatterlist *sg,
				     const struct tmem_io *io)
{
	size_t bytes = (size_t)io->req.nr_pages << PAGE_SHIFT, at, len;

	for (at = 0; at < bytes; at += len) {
		len = min(bytes - at, vt->max_bytes);
		sg_set_page(sg++, io->page + (at >> PAGE_SHIFT), len, 0);
	}
	return sg;
}

static void lay_out(struct virtio_tmem *vt, struct virtio_tmem_buf *buf,
		    const struct tmem_io *ios, unsigned int nr)
{
	struct scatterlist *sg = buf->out;
	unsigned int i;

	sg_init_table(buf->out, PIECES_MAX);
	sg_set_buf(sg++, &buf->head, sizeof(buf->head) + nr * sizeof(*buf->reqs));
	for (i = 0; i < nr; i++) {
		if (ios[i].req.op == TMEM_OP_PUT) {
			sg = add_pages(vt, sg, &ios[i]);
		} else if (ios[i].req.op == TMEM_OP_ATTACH) {
			memcpy(&buf->asked, page_address(ios[i].page),
			       sizeof(buf->asked));
			sg_set_buf(sg++, &buf->asked, sizeof(buf->asked));
		} else if (ios[i].req.op == TMEM_OP_REPORT) {
			memcpy(&buf->told, page_address(ios[i].page),
			       sizeof(buf->told));
			sg_set_buf(sg++, &buf->told, sizeof(buf->told));
		}
	}
	sg_mark_end(sg - 1);

	buf->in = sg;
	sg_set_buf(sg++, buf->answers, nr * sizeof(*buf->answers));
	for (i = 0; i < nr; i++) {
		if (ios[i].req.op == TMEM_OP_GET)
			sg = add_pages(vt, sg, &ios[i]);
		else if (ios[i].req.op == TMEM_OP_ATTACH)
			sg_set_buf(sg++, &buf->attach, sizeof(buf->attach));
		else if (ios[i].req.op == TMEM_OP_REPORT)
			sg_set_buf(sg++, &buf->report, sizeof(buf->report));
		else if (ios[i].req.op == TMEM_OP_QUERY)
			sg_set_buf(sg++, &buf->query, sizeof(buf->query));
	}
	sg_mark_end(sg - 1);
}

/*
 * Put as many of these requests into a buffer as it may have, with room for the
 * record of one only; returns how many.
 */
static unsigned int fill(struct virtio_tmem *vt, struct virtio_tmem_buf *buf,
			 const struct tmem_io *ios, unsigned int nr)
{
	u64 pages = 0, pieces = 2;
	struct tmem_req *req;
	unsigned int i;

	nr = min(nr, vt->max_requests);
	for (i = 0; i < nr; i++) {
		req = &buf->reqs[i];
		*req = ios[i].req;
		pages += has_pages(req) ? req->nr_pages : 0;
		pieces += nr_pieces(vt, req);
		if (pages > vt->max_pages || pieces > vt->max_pieces ||
		    (i && has_record(req)))
			break;
		req->flags &= ~TMEM_REQ_LIST;
		req->addr = 0;
		buf->answers[i].status = cpu_to_le32(-EIO);
		buf->answers[i].done = 0;
	}
	if (i) {
		buf->head.nr = cpu_to_le16(i);
		lay_out(vt, buf, ios, i);
	}
	return i;
}

static void take_record(struct virtio_tmem_buf *buf, const struct tmem_io *io)
{
	if (io->req.op == TMEM_OP_ATTACH)
		memcpy(page_address(io->page), &buf->attach,
		       sizeof(buf->attach));
	else if (io->req.op == TMEM_OP_REPORT)
		memcpy(page_address(io->page), &buf->report,
		       sizeof(buf->report));
	else
		memcpy(page_address(io->page), &buf->query, sizeof(buf->query));
}

/* Believe an answer that is there and can be meant */
static void take_answers(struct virtio_tmem_buf *buf, struct tmem_io *ios,
			 unsigned int nr)
{
	unsigned int i, there = buf->len / sizeof(*buf->answers);
	const struct virtio_tmem_answer *answer;
	struct tmem_req *req;
	u32 most;

	for (i = 0; i < nr; i++) {
		req = &ios[i].req;
		req->status = -EIO;
		req->done = 0;
		if (i >= there)
			continue;
		answer = &buf->answers[i];
		req->status = le32_to_cpu(READ_ONCE(answer->status));
		req->done = le32_to_cpu(READ_ONCE(answer->done));
		most = has_pages(req) ||
		       (req->op == TMEM_OP_FLUSH && req->nr_pages) ?
			req->nr_pages : U32_MAX;
		if (req->status > 0 || req->status < -MAX_ERRNO ||
		    req->done > most) {
			req->status = -EIO;
			req->done = 0;
		} else if (has_record(req) && !req->status) {
			take_record(buf, &ios[i]);
		}
	}
}

/* ---- queues ---- */

static void finish(struct virtio_tmem_queue *q, struct virtio_tmem_buf *buf,
		   u32 len)
{
	lockdep_assert_held(&q->lock);
	buf->len = len;
	q->out--;
	complete(&buf->done);
}

static bool is_broken(struct virtio_tmem_queue *q)
{
	lockdep_assert_held(&q->lock);
	return q->dead || virtqueue_is_broken(q->vq);
}

/* Take what the device has returned */
static void reap(struct virtio_tmem_queue *q)
{
	struct virtio_tmem_buf *buf;
	u32 len;

	lockdep_assert_held(&q->lock);
	if (q->dead)
		return;
	while ((buf = virtqueue_get_buf(q->vq, &len)))
		finish(q, buf, len);
}

static void begin_polling(struct virtio_tmem_queue *q)
{
	lockdep_assert_held(&q->lock);
	if (!q->pollers++)
		virtqueue_disable_cb(q->vq);
}

static void end_polling(struct virtio_tmem_queue *q)
{
	lockdep_assert_held(&q->lock);
	if (--q->pollers)
		return;
	/* What a queue that is broken has out is for virtio_tmem_give_up() */
	while (q->out && !is_broken(q) && !virtqueue_enable_cb(q->vq))
		reap(q);
}

/**
 * virtio_tmem_callback - the device has returned something
 * @vq: the queue
 *
 * Or it did not know yet that somebody polls.
 *
 * Context: Any, interrupts included.
 */
void virtio_tmem_callback(struct virtqueue *vq)
{
	struct virtio_tmem *vt = vq->vdev->priv;
	struct virtio_tmem_queue *q = &vt->queues[vq->index];
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	q->counts[INTERRUPTS]++;
	reap(q);
	spin_unlock_irqrestore(&q->lock, flags);
}

static struct virtio_tmem_buf *try_get_buf(struct virtio_tmem_queue *q)
{
	struct virtio_tmem_buf *buf;

	spin_lock_irq(&q->lock);
	buf = list_first_entry_or_null(&q->idle, struct virtio_tmem_buf, node);
	if (buf) {
		list_del(&buf->node);
		q->counts[VECTORS]++;
	}
	spin_unlock_irq(&q->lock);
	return buf;
}

static struct virtio_tmem_buf *get_buf(struct virtio_tmem_queue *q)
{
	struct virtio_tmem_buf *buf;

	wait_event(q->wait, (buf = try_get_buf(q)));
	return buf;
}

static void put_buf(struct virtio_tmem_queue *q, struct virtio_tmem_buf *buf)
{
	spin_lock_irq(&q->lock);
	list_add(&buf->node, &q->idle);
	spin_unlock_irq(&q->lock);
	wake_up(&q->wait);
}

/**
 * virtio_tmem_give_up - reset a device
 * @vt: the device
 *
 * Whatever is out comes back with -EIO, and nothing goes out any more.  Nobody
 * may notify a device that has been reset, so those who are at it are waited
 * for.
 *
 * Context: Process context, may sleep; does not enter reclaim.
 */
void virtio_tmem_give_up(struct virtio_tmem *vt)
{
	struct virtio_tmem_queue *q, *end = vt->queues + vt->nr_queues;
	struct virtio_tmem_buf *buf;

	mutex_lock(&vt->reset_lock);
	if (vt->dead)
		goto unlock;
	vt->dead = true;
	for (q = vt->queues; q < end; q++) {
		spin_lock_irq(&q->lock);
		WRITE_ONCE(q->dead, true);
		spin_unlock_irq(&q->lock);
	}
	virtio_break_device(vt->vdev);
	for (q = vt->queues; q < end; q++)
		wait_event(q->wait, !atomic_read(&q->kicking));
	virtio_reset_device(vt->vdev);
	for (q = vt->queues; q < end; q++) {
		spin_lock_irq(&q->lock);
		while ((buf = virtqueue_detach_unused_buf(q->vq)))
			finish(q, buf, 0);
		spin_unlock_irq(&q->lock);
	}
unlock:
	mutex_unlock(&vt->reset_lock);
}

/* ---- a vector on its way ---- */

static int try_add(struct virtio_tmem_queue *q, struct virtio_tmem_buf *buf,
		   unsigned int *out)
{
	struct scatterlist *sgs[] = { buf->out, buf->in };
	bool kick = false;
	int err = -EIO;

	spin_lock_irq(&q->lock);
	if (!q->dead)
		err = virtqueue_add_sgs(q->vq, sgs, 1, 1, buf, TABLE_GFP);
	*out = q->out;
	if (!err) {
		q->out++;
		q->counts[BUFFERS]++;
		begin_polling(q);
		kick = virtqueue_kick_prepare(q->vq);
	}
	if (kick) {
		q->counts[KICKS]++;
		atomic_inc(&q->kicking);
	}
	spin_unlock_irq(&q->lock);
	if (kick) {
		virtqueue_notify(q->vq);
		if (atomic_dec_and_test(&q->kicking))
			wake_up(&q->wait);
	}
	return err;
}

/*
 * Give a buffer to the device.  There may be no room in the ring, for want of
 * memory for a table of descriptors, until others are done.  Or it cannot be
 * mapped; that need not end, so nobody waits for it for ever.
 */
static int add(struct virtio_tmem_queue *q, struct virtio_tmem_buf *buf)
{
	unsigned long end = jiffies + PATIENCE;
	unsigned int out;
	int err;

	reinit_completion(&buf->done);
	for (;;) {
		err = try_add(q, buf, &out);
		if (err != -ENOSPC && err != -ENOMEM)
			break;
		if (!out && time_after(jiffies, end))
			break;
		wait_event_timeout(q->wait, READ_ONCE(q->out) < out,
				   msecs_to_jiffies(10));
	}
	return err;
}

/* Poll for a while; returns true if the buffer is done */
static bool poll(struct virtio_tmem_queue *q, struct virtio_tmem_buf *buf)
{
	u64 end = ktime_get_ns() + (u64)READ_ONCE(spin_us) * NSEC_PER_USEC;
	bool done = false, stop;

	do {
		spin_lock_irq(&q->lock);
		reap(q);
		stop = completion_done(&buf->done) || is_broken(q) ||
		       need_resched() || ktime_get_ns() >= end;
		if (stop) {
			end_polling(q);
			done = completion_done(&buf->done);
			q->counts[done ? SPINS_WON : SLEEPS]++;
		}
		spin_unlock_irq(&q->lock);
		cpu_relax();
	} while (!stop);
	return done;
}

/* A queue that is broken has no callbacks, so look at it now and then */
static void sleep(struct virtio_tmem_queue *q, struct virtio_tmem_buf *buf)
{
	unsigned long end = jiffies + PATIENCE;
	bool broken, late, told = false;

	do {
		spin_lock_irq(&q->lock);
		reap(q);
		broken = is_broken(q);
		spin_unlock_irq(&q->lock);
		late = time_after(jiffies, end);
		if (broken || (late && READ_ONCE(q->vt->leaving))) {
			virtio_tmem_give_up(q->vt);
		} else if (late && !told) {
			dev_warn_ratelimited(&q->vt->vdev->dev,
					     "no answer for %u s, going on to wait\n",
					     PATIENCE / HZ);
			told = true;
		}
	} while (!wait_for_completion_io_timeout(&buf->done, HZ));
}

/* Returns 0 if there is an answer, or there may be one next time */
static int carry(struct virtio_tmem_queue *q, struct virtio_tmem_buf *buf)
{
	int err = add(q, buf);
	u64 start = ktime_get_ns();

	if (err == -EIO)
		virtio_tmem_give_up(q->vt);
	else if (!err && !poll(q, buf))
		sleep(q, buf);
	buf->waited_ns += ktime_get_ns() - start;
	return READ_ONCE(q->dead) ? -EIO : 0;
}

/**
 * virtio_tmem_submit - carry a vector to the store and wait for the answers
 * @t: the transport
 * @ios: the requests
 * @nr: how many
 *
 * Context: Process context, may sleep; does not enter reclaim.
 * Return: for how many microseconds the caller had nothing to do but to
 * wait, or -EIO if the device is dead.
 */
int virtio_tmem_submit(struct tmem_transport *t, struct tmem_io *ios,
		       unsigned int nr)
{
	struct virtio_tmem *vt = container_of(t, struct virtio_tmem, transport);
	unsigned int cpu = raw_smp_processor_id();
	struct virtio_tmem_queue *q = &vt->queues[cpu % vt->nr_queues];
	struct virtio_tmem_buf *buf = get_buf(q);
	unsigned int i, n;
	int err = 0, waited;

	buf->waited_ns = 0;
	for (i = 0; i < nr; i += n) {
		n = fill(vt, buf, ios + i, nr - i);
		if (!n) {
			ios[i].req.status = -EINVAL;
			ios[i].req.done = 0;
			n = 1;
			continue;
		}
		buf->len = 0;
		if (!err)
			err = carry(q, buf);
		take_answers(buf, ios + i, n);
	}
	waited = min_t(u64, buf->waited_ns / NSEC_PER_USEC, INT_MAX);
	put_buf(q, buf);
	return err ?: waited;
}
