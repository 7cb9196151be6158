// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: how much memory does this machine need?
 *
 * The working set is what was touched within the last eight seconds:
 *
 *	kernel, slab, page tables, locked pages		counted, as needed
 *	pages on the lists of reclaim			watched: wse_sample.c
 *	pages that have been evicted since		watched: wse_absent.c
 *
 * A sample, because it is right whatever touches a page, mapping or system call,
 * and costs the same in any memory.  The generations of the multi-gen LRU alone
 * would not do: a page that is read by a system call stays in its generation,
 * and making a new one takes a walk of all page tables, or tells nothing where
 * the processor sets no accessed bits.  They are asked about the watched pages.
 *
 * The target is that and a margin.  But of evicted pages it counts as many only
 * as come back, refaults by evictions: a file that is read once is evicted for
 * ever, and no memory is good for it.  And if somebody waits for memory, or there
 * is none left, the target is more than is in use.
 *
 * A worker looks at the watched pages every two seconds.  When many pages are
 * brought back or memory runs out, it does the arithmetic at once.  It does not
 * run, and nothing is watched, until a store listens or somebody asks for it.
 */
#define pr_fmt(fmt) "tmem: " fmt

#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/oom.h>
#include <linux/psi.h>
#include <linux/sched/loadavg.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include <xen/balloon.h>
#include <xen/xen.h>

#include "internal.h"
#include "wse.h"

#include <trace/events/tmem.h>

#define TICK		msecs_to_jiffies(TMEM_WSE_TICK_MS)

/* No two decisions are nearer to each other */
#define SOON		(HZ / 4)

unsigned int tmem_wse_margin = 10;
u64 tmem_wse_min;
u64 tmem_wse_max = TMEM_REPORT_MAX;

static void decide(struct work_struct *work);
static DECLARE_DELAYED_WORK(decide_work, decide);

/* The worker's */
static struct tmem_wse_state current_state;
static struct page *report_page;
static unsigned long next_tick;
static u32 ticks;

static DEFINE_MUTEX(mode_lock);	/* covers @chosen, and writing @mode */
static enum tmem_wse_mode mode;	/* not off: the worker runs */
static bool chosen;		/* by somebody, so it is not to be changed */

static DEFINE_SPINLOCK(lock); /* covers @shown */
static struct tmem_wse_state shown;

static unsigned long oom_at;	/* jiffies; 0: never */
static unsigned long kicked;	/* bit 0: a decision will be made soon */

/**
 * tmem_wse_read - the last decision
 * @out: a copy of it
 *
 * Context: Any process context.
 */
void tmem_wse_read(struct tmem_wse_state *out)
{
	spin_lock(&lock);
	*out = shown;
	spin_unlock(&lock);
}

/**
 * tmem_wse_has_psi - does the kernel tell who waits for memory?
 *
 * Return: false if it was built or booted without.
 */
bool tmem_wse_has_psi(void)
{
#ifdef CONFIG_PSI
	return !static_branch_likely(&psi_disabled);
#else
	return false;
#endif
}

/* Thousandths of the last ten seconds */
static u32 pressure(void)
{
#ifdef CONFIG_PSI
	unsigned long avg;

	if (!tmem_wse_has_psi())
		return 0;
	avg = READ_ONCE(psi_system.avg[PSI_MEM_SOME][0]);
	return min(LOAD_INT(avg) * 10 + LOAD_FRAC(avg) / 10, 1000UL);
#else
	return 0;
#endif
}

/*
 * Pages that this machine has: not those in its balloon, whose driver takes them
 * from the total, or leaves it alone if it gives them back when memory runs out
 */
static u64 present(void)
{
#ifdef CONFIG_MEMORY_BALLOON
	static unsigned long events[NR_VM_EVENT_ITEMS], most;
	unsigned long inside;

	all_vm_events(events);
	inside = events[BALLOON_INFLATE] - events[BALLOON_DEFLATE];
	most = max(most, totalram_pages());
	return min(totalram_pages(), most > inside ? most - inside : 1);
#else
	return totalram_pages();
#endif
}

static void collect(struct tmem_wse_input *in)
{
	unsigned long oom = READ_ONCE(oom_at);

	in->total = present();
	in->free = global_zone_page_state(NR_FREE_PAGES);
	in->lru[TMEM_WSE_ANON] = global_node_page_state(NR_ACTIVE_ANON) +
				 global_node_page_state(NR_INACTIVE_ANON);
	in->lru[TMEM_WSE_FILE] = global_node_page_state(NR_ACTIVE_FILE) +
				 global_node_page_state(NR_INACTIVE_FILE);
	in->unevictable = global_node_page_state(NR_UNEVICTABLE);
	in->reserve = totalreserve_pages;
	in->ticks = ticks;
	in->pressure = pressure();
	in->oom = oom && time_before(jiffies, oom + TMEM_WSE_WINDOW * TICK);
	in->margin = READ_ONCE(tmem_wse_margin);
	in->min = READ_ONCE(tmem_wse_min);
	in->max = READ_ONCE(tmem_wse_max);
}

/* Can this machine change its size by itself? */
static bool has_balloon(void)
{
	return IS_ENABLED(CONFIG_XEN_BALLOON) && xen_domain() &&
	       !xen_initial_domain();
}

/* What the host is to know of who changes the size of this machine */
static u32 report_flags(void)
{
	enum tmem_wse_mode m = READ_ONCE(mode);

	if (m == TMEM_WSE_SELF && has_balloon())
		return TMEM_REPORT_SELF;
	return m >= TMEM_WSE_SELF ? TMEM_REPORT_HOST : 0;
}

/* Says it to the host, if that listens */
static int report(const struct tmem_wse_state *st, u64 *grant)
{
	struct tmem_report *rep = page_address(report_page);
	int err;

	memset(rep, 0, sizeof(*rep));
	rep->total = st->in.total;
	rep->floor = min(max(st->out.floor, st->in.min), st->in.total);
	rep->estimate = st->out.size;
	rep->target = st->out.target;
	rep->misses = st->out.misses;
	rep->pressure = st->in.pressure;
	rep->confidence = st->out.confidence;
	rep->flags = report_flags();
	err = tmem_report(report_page);
	/* Whatever is answered, it is not more than what there can be */
	*grant = err ? 0 : min(rep->grant, TMEM_REPORT_MAX);
	return err;
}

/* Change the size of this machine, as far as the host lets it */
static void follow(const struct tmem_wse_state *st)
{
#ifdef CONFIG_XEN_BALLOON
	u64 goal = st->report ? st->out.target : st->grant;

	if (!(report_flags() & TMEM_REPORT_SELF))
		return;
	goal = clamp(goal, st->in.min, max(st->in.min, st->in.max));
	goal = tmem_wse_step(st->in.total, goal);
	balloon_set_new_target(balloon_stats.current_pages + goal -
			       st->in.total);
#endif
}

static void decide(struct work_struct *work)
{
	struct tmem_wse_state *st = &current_state;
	u64 start = ktime_get_ns(), before = st->out.target;
	bool event = time_before(jiffies, next_tick);

	clear_bit(0, &kicked);
	if (READ_ONCE(mode) == TMEM_WSE_OFF)
		return;
	if (event) {
		/* The sample has aged: what was evicted since is still in it */
		st->in.absent.refaulted = tmem_wse_refaulted();
	} else {
		tmem_wse_absent_tick();
		tmem_wse_absent_read(tmem_wse_sample(&st->in.sampled),
				     &st->in.absent);
		ticks = min(ticks + 1, TMEM_WSE_WINDOW);
		next_tick = jiffies + TICK;
	}
	collect(&st->in);
	tmem_wse_judge(&st->in, &st->out);
	st->out.target = tmem_wse_steady(before, st->out.target);
	st->report = report(st, &st->grant);
	if (!event)
		follow(st);
	st->decisions++;
	st->spent_ns += ktime_get_ns() - start;
	trace_tmem_wse(st->in.total, st->out.size, st->out.resident,
		       st->out.absent, st->out.target, st->grant,
		       st->out.misses, st->in.pressure, st->out.confidence,
		       event);
	spin_lock(&lock);
	shown = *st;
	spin_unlock(&lock);
	schedule_delayed_work(&decide_work, max_t(long, next_tick - jiffies,
						  SOON));
}

/**
 * tmem_wse_kick - something has happened, decide soon
 *
 * Context: Any.
 */
void tmem_wse_kick(void)
{
	if (READ_ONCE(mode) != TMEM_WSE_OFF && !test_and_set_bit(0, &kicked))
		mod_delayed_work(system_wq, &decide_work, SOON);
}

static int oom_notify(struct notifier_block *nb, unsigned long unused,
		      void *freed)
{
	WRITE_ONCE(oom_at, jiffies | 1);
	tmem_wse_kick();
	return NOTIFY_OK;
}

static struct notifier_block oom_block = { .notifier_call = oom_notify };

/* Forget what was known of another time, and let the worker run */
static int begin(void)
{
	int err;

	if (!report_page) {
		report_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!report_page)
			return -ENOMEM;
		register_oom_notifier(&oom_block);
	}
	err = tmem_wse_sample_begin();
	if (!err)
		err = tmem_wse_absent_begin();
	if (err)
		return err;
	ticks = 0;
	next_tick = jiffies;
	return 0;
}

static int set_mode(enum tmem_wse_mode new)
{
	int err = 0;

	lockdep_assert_held(&mode_lock);
	if (mode == TMEM_WSE_OFF && new != TMEM_WSE_OFF)
		err = begin();
	if (err)
		return err;
	WRITE_ONCE(mode, new);
	if (new == TMEM_WSE_OFF) {
		tmem_wse_absent_end();
		cancel_delayed_work_sync(&decide_work);
	} else {
		schedule_delayed_work(&decide_work, 0);
	}
	return 0;
}

/**
 * tmem_wse_mode - what comes of the estimate
 *
 * Return: the mode.
 */
enum tmem_wse_mode tmem_wse_mode(void)
{
	return READ_ONCE(mode);
}

/**
 * tmem_wse_set_mode - choose what comes of the estimate
 * @new: the mode
 *
 * Context: Process context, may sleep.
 * Return: 0, -EPERM if the kernel was booted without tmem, or -ENOMEM.
 */
int tmem_wse_set_mode(enum tmem_wse_mode new)
{
	int err;

	if (!tmem_on())
		return -EPERM;
	mutex_lock(&mode_lock);
	err = set_mode(new);
	if (!err)
		chosen = true;
	mutex_unlock(&mode_lock);
	return err;
}

/**
 * tmem_wse_attach - a store is there that listens to reports
 *
 * Context: Process context, may sleep; tmem_lock may be held.
 */
void tmem_wse_attach(void)
{
	mutex_lock(&mode_lock);
	if (!chosen && mode == TMEM_WSE_OFF && set_mode(TMEM_WSE_ADVISE))
		pr_warn("no memory to estimate the working set\n");
	mutex_unlock(&mode_lock);
}
