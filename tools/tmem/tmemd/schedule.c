// SPDX-License-Identifier: GPL-2.0
/*
 * Transcendent memory: tmemd, who has how much of the host's memory
 *
 * With --memory guests and the pool share so much.  Each second, and at once when
 * a guest reports that it wants more, what there is to know is collected, and
 * what tools/tmem/sched decides is done: balloons are told, the pool is resized,
 * reports are answered.  What outlives the worker is in the state.
 *
 * Context: the main thread, but for schedule_wanted().
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../json.h"
#include "history.h"
#include "pool.h"
#include "record.h"
#include "schedule.h"
#include "worker.h"

/* Guests that want more are heard so often, and not more */
#define PAUSE_NS	20000000ULL

/* A client that does not give up what it owes has so much less of its weight */
#define STUCK_WEIGHT	4U

/**
 * struct known - what was known of a guest at the decision before
 * @valid: it was there
 * @reports: that there were
 * @reported_ms: when the last one was seen first
 * @back: pages brought back
 */
struct known {
	bool valid;
	u64 reports;
	u64 reported_ms;
	u64 back;
};

static struct {
	const struct sched_policy *policy;
	struct sched_host host;
	struct sched_guest guests[TMEMD_CLIENTS];
	struct known known[TMEMD_CLIENTS];
	u64 decisions;
	u64 soonest_ns;
	int timer;
} schedule = { .timer = -1 };

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static u64 pages_of(u64 bytes)
{
	return bytes >> PAGE_SHIFT;
}

/* ---- what is known ---- */

/* What it brought back from the store since it is there, as far as that is seen */
static u64 brought_back(const struct client *c,
			const struct tstore_client_stats *stats)
{
	u64 count[COUNTS];

	client_counts(c, count);
	return count[COUNT_LOADED] + stats->found;
}

static void look_memory(const struct client *c, struct sched_guest *g)
{
	const struct share *share = &c->state->share;
	u64 resident, total = balloon_memory(c, &resident);

	g->movable = total;
	if (!total)
		total = device_memory(c->device);
	g->total = pages_of(total);
	g->has = g->total;
	if (g->movable) {
		g->has -= g->total < c->state->inflated ? g->total :
							  c->state->inflated;
		/* Whatever it says of its balloon */
		if (g->has < pages_of(resident))
			g->has = pages_of(resident);
	}
	g->goal = c->state->memory ? pages_of(c->state->memory) : g->total;
	if (g->goal > g->total)
		g->goal = g->total;
	g->fixed = 0;
	if (!share->memory_auto)
		g->fixed = g->goal;
	g->weight = share->weight;
	g->least = pages_of(share->memory_min);
	g->most = share->memory_max ? pages_of(share->memory_max) : g->total;
}

static void look(const struct client *c, struct sched_guest *g,
		 struct known *known, u64 now_ms)
{
	struct tstore_client_stats stats = { 0 };
	u64 back, held;

	if (!known->valid) {
		g->proof = c->state->proof;
		g->beyond = c->state->beyond;
		/* As if it had rested there: else the first report would count */
		g->had = g->beyond ? 1 : 0;
		g->moved_ms = now_ms;
		g->lowest = SCHED_MAX;
	}
	look_memory(c, g);
	if (c->store)
		tstore_client_stats(c->store, &stats);
	if (known->reports != stats.reports || !known->valid)
		known->reported_ms = now_ms;
	known->reports = stats.reports;
	g->report = (struct tmem_report){ 0 };
	if (stats.report.flags == TMEM_REPORT_HOST)
		g->report = stats.report;
	g->report_ms = now_ms - known->reported_ms;
	back = brought_back(c, &stats);
	g->back = known->valid && back > known->back ? back - known->back : 0;
	known->back = back;
	known->valid = true;
	g->persistent = stats.persistent;
	held = (stats.bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
	g->takes = c->state->share.hswap && c->state->share.cap > held ?
		   c->state->share.cap - held : 0;
}

static void look_all(u64 now_ms)
{
	struct sched_host *host = &schedule.host;
	struct tstore_stats stats;
	struct pool_size size;
	unsigned int i;

	for (i = 0; i < TMEMD_CLIENTS; i++) {
		struct client *c = &clients[i];

		if (c->state && (c->device || c->balloon))
			look(c, &schedule.guests[i], &schedule.known[i],
			     now_ms);
		else
			schedule_forget(c);
	}
	tstore_stats(store, &stats);
	pool_look(&size);
	host->memory = pages_of(options.memory);
	host->pool_has = pages_of(size.size);
	host->pool_free = stats.free;
	host->pool_least = pages_of(options.size);
	host->pool_must = pages_of(size.metadata) + stats.object_frames +
			  stats.persistent;
	/* Packed, they take less */
	if (host->pool_must > host->pool_has - stats.free)
		host->pool_must = host->pool_has - stats.free;
	host->pool_most = pages_of(size.max);
	host->now_ms = now_ms;
}

/* ---- what is done ---- */

/* Steps of one way, for one reason, are one change */
static void note_change(struct client *c, const struct sched_guest *g, u64 from)
{
	struct client_state *cs = c->state;
	struct memory_change *change;

	if (from == g->goal)
		return;
	change = &cs->changes[(cs->nr_changes - 1) % TMEMD_CHANGES];
	if (cs->nr_changes && change->rule == g->rule && change->to == from &&
	    (change->from < from) == (from < g->goal)) {
		change->to = g->goal;
		return;
	}
	change = &cs->changes[cs->nr_changes % TMEMD_CHANGES];
	*change = (struct memory_change){ .at = history_now(), .from = from,
					  .to = g->goal, .rule = g->rule };
	env_store_release(&cs->nr_changes, cs->nr_changes + 1);
}

static void say_stuck(struct client *c, const struct sched_guest *g, bool was)
{
	if (g->stuck && !was)
		log_guest(c, LOG_WARNING,
			  "its balloon does not move: it has %llu MiB, and is to keep %llu",
			  (unsigned long long)g->has >> (20 - PAGE_SHIFT),
			  (unsigned long long)g->goal >> (20 - PAGE_SHIFT));
	else if (was && !g->stuck)
		log_guest(c, LOG_INFO, "its balloon has moved");
}

static void obey(struct client *c, const struct sched_guest *g)
{
	const struct share *share = &c->state->share;
	u64 memory = g->goal == g->total ? 0 : g->goal << PAGE_SHIFT;
	u32 weight = share->weight;

	c->state->proof = g->proof;
	c->state->beyond = g->beyond;
	if (sched_is_free(g) && memory != c->state->memory)
		balloon_resize(c, memory);
	if (!c->store)
		return;
	if (g->stuck && weight > STUCK_WEIGHT)
		weight /= STUCK_WEIGHT;
	tstore_client_set_share(c->store, g->stuck ? 0 : share->min, weight);
	tstore_client_refuse(c->store, g->refuse);
	tstore_client_set_grant(c->store, sched_grant(g));
}

static void say_host(const struct sched_host *was)
{
	const struct sched_host *host = &schedule.host;

	if (host->over && !was->over)
		log_warn("guests and what the pool must keep take more than --memory");
	if (host->scaled && !was->scaled)
		log_warn("what guests are to be sure of comes to more than there is; each is sure of a part");
}

static void decide(void)
{
	struct sched_guest was[TMEMD_CLIENTS];
	struct sched_host host_was = schedule.host;
	u64 now = now_ns();
	unsigned int i;

	env_write_once(schedule.soonest_ns, now + PAUSE_NS);
	look_all(now / 1000000);
	memcpy(was, schedule.guests, sizeof(was));
	sched_decide(schedule.policy, &schedule.host, schedule.guests,
		     TMEMD_CLIENTS);
	schedule.decisions++;
	for (i = 0; i < TMEMD_CLIENTS; i++) {
		if (!schedule.guests[i].total)
			continue;
		say_stuck(&clients[i], &schedule.guests[i], was[i].stuck);
		note_change(&clients[i], &schedule.guests[i], was[i].goal);
		obey(&clients[i], &schedule.guests[i]);
	}
	say_host(&host_was);
	if (state->size >> PAGE_SHIFT != schedule.host.pool &&
	    pool_resize(schedule.host.pool << PAGE_SHIFT))
		log_error("the pool cannot have %llu MiB",
			  (unsigned long long)schedule.host.pool >>
			  (20 - PAGE_SHIFT));
}

/* ---- when ---- */

static void on_wanted(void *arg __always_unused)
{
	u64 times;

	if (read(schedule.timer, &times, sizeof(times)) > 0)
		decide();
}

/**
 * schedule_start() - begin, or go on, to divide memory, if that is wanted
 *
 * Return: 0 or a negative error number
 */
int schedule_start(void)
{
	if (!options.memory)
		return 0;
	schedule.policy = options.scheduler;
	if (state->scheduler[0])
		schedule.policy = sched_policy(state->scheduler);
	if (!schedule.policy) {
		log_warn("no scheduler is called %s any more",
			 state->scheduler);
		schedule.policy = options.scheduler;
	}
	schedule.timer = timerfd_create(CLOCK_MONOTONIC,
					TFD_CLOEXEC | TFD_NONBLOCK);
	if (schedule.timer < 0)
		return -errno;
	return watch(schedule.timer, EPOLLIN, on_wanted, NULL);
}

/**
 * schedule_tick() - a second has passed, or it is to be decided by other rules
 */
void schedule_tick(void)
{
	if (options.memory)
		decide();
}

/**
 * schedule_step() - the pool is as it is to be, or stuck: who has waited for that?
 */
void schedule_step(void)
{
	struct pool_size size;

	if (!options.memory || !schedule.host.waits)
		return;
	pool_look(&size);
	if (pages_of(size.size) < schedule.host.pool_has)
		decide();
}

/**
 * schedule_wanted() - a guest has reported that it wants more
 *
 * Context: any thread.
 */
void schedule_wanted(void)
{
	/* A time of 0 would be none */
	u64 soonest = env_read_once(schedule.soonest_ns) + 1;
	struct itimerspec when = {
		.it_value = { soonest / 1000000000, soonest % 1000000000 },
	};

	if (schedule.timer >= 0)
		timerfd_settime(schedule.timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/**
 * schedule_forget() - a client has no guest, or another one
 * @c: the client
 */
void schedule_forget(const struct client *c)
{
	schedule.guests[c - clients] = (struct sched_guest){ 0 };
	schedule.known[c - clients] = (struct known){ 0 };
}

/**
 * schedule_choose() - decide in another way
 * @name: of the policy
 *
 * Return: false if there is none of this name
 */
bool schedule_choose(const char *name)
{
	const struct sched_policy *policy = sched_policy(name);

	if (!policy)
		return false;
	schedule.policy = policy;
	snprintf(state->scheduler, sizeof(state->scheduler), "%s", name);
	return true;
}

/* ---- in words ---- */

/**
 * schedule_guest() - what was decided of a client's guest
 * @c: the client
 *
 * Return: the guest, or NULL if nothing is decided of it
 */
const struct sched_guest *schedule_guest(const struct client *c)
{
	const struct sched_guest *g = &schedule.guests[c - clients];

	return g->total ? g : NULL;
}

/**
 * schedule_client() - what was decided of a guest, and why
 * @c: its client
 *
 * Return: an object, or NULL if nothing is decided of it
 */
struct json_object *schedule_client(const struct client *c)
{
	const struct sched_guest *g = schedule_guest(c);
	struct json_object *all;

	if (!g)
		return NULL;
	all = json_object_new_object();
	record_decision(all, g);
	add_number(all, "back_pages", schedule.known[c - clients].back);
	return all;
}

static struct json_object *schedule_input(const struct client *c)
{
	struct json_object *all = record_guest(c->state->name,
					       schedule_guest(c));

	add_number(all, "back_pages", schedule.known[c - clients].back);
	return all;
}

static void add_host(struct json_object *answer)
{
	record_host(answer, schedule.policy, &schedule.host);
	add_number(answer, "decisions", schedule.decisions);
}

/**
 * schedule_report() - the last decision, and what it was made of
 * @answer: object to which that is added
 */
void schedule_report(struct json_object *answer)
{
	struct json_object *all = json_object_new_array(), *names;
	struct client *c;
	u32 i;

	add_host(answer);
	for (c = clients; c < clients + TMEMD_CLIENTS; c++)
		if (c->state && schedule_guest(c))
			json_object_array_add(all, schedule_input(c));
	json_object_object_add(answer, "guests", all);
	names = json_object_new_array();
	for (i = 0; i < sched_nr_policies; i++)
		json_object_array_add(names,
				      json_object_new_string(sched_policies[i].name));
	json_object_object_add(answer, "schedulers", names);
}

/**
 * schedule_why() - why a guest has what it has
 * @answer: object to which that is added
 * @c: its client, of whom something is decided
 */
void schedule_why(struct json_object *answer, const struct client *c)
{
	const struct client_state *cs = c->state;
	struct json_object *all = json_object_new_array(), *one;
	u32 i = cs->nr_changes > TMEMD_CHANGES ?
		cs->nr_changes - TMEMD_CHANGES : 0;
	const struct memory_change *change;

	add_host(answer);
	json_object_object_add(answer, "guest", schedule_input(c));
	add_text(answer, "text",
		 sched_rule_texts[schedule_guest(c)->rule]);
	for (; i < cs->nr_changes; i++) {
		change = &cs->changes[i % TMEMD_CHANGES];
		one = json_object_new_object();
		add_number(one, "ms_ago", history_now() - change->at);
		add_pages(one, "from", change->from);
		add_pages(one, "to", change->to);
		add_text(one, "rule", sched_rule_names[change->rule %
						       SCHED_RULES]);
		json_object_array_add(all, one);
	}
	json_object_object_add(answer, "changes", all);
}
