/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM tmem

#if !defined(_TRACE_TMEM_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_TMEM_H

#include <linux/tracepoint.h>
#include <uapi/linux/tmem.h>

#define show_tmem_op(op)						\
	__print_symbolic(op,						\
		{ TMEM_OP_ATTACH,	"attach" },			\
		{ TMEM_OP_POOL_CREATE,	"pool_create" },		\
		{ TMEM_OP_POOL_DESTROY,	"pool_destroy" },		\
		{ TMEM_OP_PUT,		"put" },			\
		{ TMEM_OP_GET,		"get" },			\
		{ TMEM_OP_FLUSH,	"flush" },			\
		{ TMEM_OP_FLUSH_OBJECT,	"flush_object" },		\
		{ TMEM_OP_REPORT,	"report" },			\
		{ TMEM_OP_QUERY,	"query" })

/* One request, after its answer; the time is that of the whole vector */
TRACE_EVENT(tmem_request,

	TP_PROTO(const struct tmem_req *req, unsigned int vector, u64 ns),

	TP_ARGS(req, vector, ns),

	TP_STRUCT__entry(
		__field(u8, op)
		__field(u32, pool)
		__array(u64, object, 3)
		__field(u64, index)
		__field(u32, nr_pages)
		__field(u32, seq)
		__field(s32, status)
		__field(u32, done)
		__field(u32, vector)
		__field(u64, ns)
	),

	TP_fast_assign(
		__entry->op = req->op;
		__entry->pool = req->pool;
		memcpy(__entry->object, req->object, sizeof(req->object));
		__entry->index = req->index;
		__entry->nr_pages = req->nr_pages;
		__entry->seq = req->seq;
		__entry->status = req->status;
		__entry->done = req->done;
		__entry->vector = vector;
		__entry->ns = ns;
	),

	TP_printk("op=%s pool=%u object=%llx:%llx:%llx index=%llu nr_pages=%u seq=%u status=%d done=%u vector=%u ns=%llu",
		  show_tmem_op(__entry->op), __entry->pool,
		  __entry->object[0], __entry->object[1], __entry->object[2],
		  __entry->index, __entry->nr_pages, __entry->seq,
		  __entry->status, __entry->done, __entry->vector, __entry->ns)
);

/* A decision of the working-set estimator; sizes are in pages */
TRACE_EVENT(tmem_wse,

	TP_PROTO(u64 total, u64 estimate, u64 resident, u64 absent, u64 target,
		 u64 grant, u64 misses, u32 pressure, u32 confidence,
		 bool event),

	TP_ARGS(total, estimate, resident, absent, target, grant, misses,
		pressure, confidence, event),

	TP_STRUCT__entry(
		__field(u64, total)
		__field(u64, estimate)
		__field(u64, resident)
		__field(u64, absent)
		__field(u64, target)
		__field(u64, grant)
		__field(u64, misses)
		__field(u32, pressure)
		__field(u32, confidence)
		__field(bool, event)
	),

	TP_fast_assign(
		__entry->total = total;
		__entry->estimate = estimate;
		__entry->resident = resident;
		__entry->absent = absent;
		__entry->target = target;
		__entry->grant = grant;
		__entry->misses = misses;
		__entry->pressure = pressure;
		__entry->confidence = confidence;
		__entry->event = event;
	),

	TP_printk("total=%llu estimate=%llu resident=%llu absent=%llu target=%llu grant=%llu misses=%llu pressure=%u confidence=%u cause=%s",
		  __entry->total, __entry->estimate, __entry->resident,
		  __entry->absent, __entry->target, __entry->grant,
		  __entry->misses, __entry->pressure, __entry->confidence,
		  __entry->event ? "event" : "tick")
);

#endif /* _TRACE_TMEM_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
