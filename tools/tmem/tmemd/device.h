/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transcendent memory: tmemd, clients, their devices, and who serves these
 *
 * The main thread does everything but serving queues.  A queue belongs to one
 * thread, which alone touches it; the main thread asks that one to take it, or
 * to let go of it.  So nothing of a queue, of a device or of a client is locked.
 */
#ifndef _TMEMD_DEVICE_H
#define _TMEMD_DEVICE_H

#include <linux/virtio_tmem.h>

#include "log.h"
#include "memory.h"
#include "ring.h"

struct device;
struct qmp;
struct thread;

/* Most pages of data of a vector: so long a guest may keep others waiting */
#define VECTOR_PAGES	TMEM_MAX_RUN

/**
 * enum client_count - what is counted for each client
 * @COUNT_VECTORS: vectors executed
 * @COUNT_REQUESTS: requests in them
 * @COUNT_PUTS: pages offered
 * @COUNT_STORED: pages stored
 * @COUNT_GETS: pages asked for
 * @COUNT_HITS: pages returned
 * @COUNT_LOADED: of these, those that had to stay
 * @COUNT_FLUSHED: pages dropped at the guest's wish
 * @COUNT_BAD: buffers that made no sense
 * @COUNT_KICKS: notifications from the guest
 * @COUNT_CALLS: notifications to the guest
 * @COUNT_NS: nanoseconds spent on its vectors
 * @COUNTS: number of them, not one itself
 */
enum client_count {
	COUNT_VECTORS,
	COUNT_REQUESTS,
	COUNT_PUTS,
	COUNT_STORED,
	COUNT_GETS,
	COUNT_HITS,
	COUNT_LOADED,
	COUNT_FLUSHED,
	COUNT_BAD,
	COUNT_KICKS,
	COUNT_CALLS,
	COUNT_NS,
	COUNTS
};

/**
 * struct queue - a queue that is served
 * @device: whose
 * @thread: who serves it; NULL: nobody
 * @ring: the queue in the guest's memory
 * @kick: descriptor that the driver writes to
 * @call: descriptor that the driver reads from, or -1
 * @broken: it makes no sense, and is not served until it is set up anew
 * @count: for the client; written by the thread
 */
struct queue {
	struct device *device;
	struct thread *thread;
	struct ring ring;
	int kick;
	int call;
	bool broken;
	u64 count[COUNTS];
};

/**
 * struct device_type - a kind of device
 * @features: that drivers may accept, beside those of all kinds
 * @queues: most that it can have
 * @get_config: fills its configuration in, VHOST_MAX_CONFIG bytes that are zero
 * @set_config: the driver writes to it; 0, or -EINVAL if it may not; NULL: it
 *	never may
 * @serve: does what a buffer asks for, in any thread; returns the bytes that it
 *	has written to it
 */
struct device_type {
	u64 features;
	unsigned int queues;
	void (*get_config)(const struct device *dev, u8 *config);
	int (*set_config)(struct device *dev, u32 offset, u32 size,
			  const u8 *bytes);
	u32 (*serve)(struct queue *q, const struct chain *chain, u64 *count);
};

/**
 * struct device - a connection to a front end
 * @type: what it is
 * @client: whose
 * @line: what survives the worker
 * @conn: the socket
 * @mem: the guest's memory, or NULL
 * @queues: all that there can be
 */
struct device {
	const struct device_type *type;
	struct client *client;
	struct line_state *line;
	int conn;
	struct memory *mem;
	struct queue queues[TMEMD_QUEUES];
};

/**
 * struct client - a guest, or the place for one
 * @state: what survives the worker
 * @listener: the socket on which it is waited for
 * @store: the store's client, or NULL if no guest is connected
 * @device: the connection, or NULL
 * @balloon_listener: the socket on which its balloon is waited for
 * @balloon: the connection, or NULL
 * @qmp: how its balloon is moved if QEMU has it, or NULL
 * @restoring: it is being restored, and its guest has to wait
 * @settling: its limit is on the way down to its cap
 * @count: of earlier connections and queues
 * @limit: for what is said about this guest
 */
struct client {
	struct client_state *state;
	int listener;
	struct tstore_client *store;
	struct device *device;
	int balloon_listener;
	struct device *balloon;
	struct qmp *qmp;
	bool restoring;
	bool settling;
	u64 count[COUNTS];
	struct log_limit limit;
};

/* vector.c: what a buffer asks for */

u32 vector_serve(struct queue *q, const struct chain *chain, u64 *count);

/* balloon_pages.c: memory that guests give back */

/* The queue of reports is the first one that is there by a feature */
enum balloon_queue {
	BALLOON_INFLATE,
	BALLOON_DEFLATE,
	BALLOON_REPORT,
	BALLOON_QUEUES
};

u32 balloon_serve(struct queue *q, const struct chain *chain, u64 *count);

/* balloon.c: how much of it, and who asks them */

int balloon_socket(const char *client, u64 *id);
int balloon_add(struct client *client);
int balloon_resume(struct client *client);
void balloon_remove(struct client *client);
void balloon_disconnect(struct client *client, const char *why);
void balloon_resize(struct client *client, u64 memory);
u64 balloon_memory(const struct client *client, u64 *resident);
u64 device_memory(const struct device *dev);

/* qmp.c: balloons that QEMU has */

/**
 * enum qmp_state - how it is to have a balloon moved by QMP
 * @QMP_WAITING: somebody was called, and has not answered all yet
 * @QMP_AWAY: nobody can be called
 * @QMP_SILENT: who was called has not answered for long
 * @QMP_NONSENSE: who was called made no sense, and is left alone for a while
 * @QMP_REFUSED: there is no balloon, or it is not moved, with a reason
 * @QMP_STUCK: it was told where to be, and is not on the way there
 * @QMP_READY: all is well
 */
enum qmp_state {
	QMP_WAITING,
	QMP_AWAY,
	QMP_SILENT,
	QMP_NONSENSE,
	QMP_REFUSED,
	QMP_STUCK,
	QMP_READY,
};

bool qmp_is_path(const char *path);
struct qmp *qmp_start(struct client *client);
void qmp_stop(struct qmp *qmp);
void qmp_tick(struct qmp *qmp);
void qmp_resize(struct qmp *qmp);
u64 qmp_memory(const struct qmp *qmp);
const char *qmp_state(const struct qmp *qmp, const char **why);

/* thread.c: who serves queues */

int threads_start(unsigned int nr, unsigned int poll_us);
void threads_stop(void);
int queue_serve(struct queue *q);
void queue_leave(struct queue *q);

/* vhost.c: what the front end says */

enum vhost_heard {
	VHOST_NOTHING,
	VHOST_MESSAGE,
	VHOST_GONE,
};

enum vhost_heard vhost_listen(struct device *dev);
int vhost_resume(struct device *dev);
void vhost_config_changed(struct device *dev);
void vhost_forget(struct device *dev);
bool vhost_names(const struct line_state *line, u64 id);

/* schedule.c: a guest wants more memory */

void schedule_wanted(void);

/* client.c: clients come and go */

extern struct client clients[TMEMD_CLIENTS];

#define CONN_EVENTS	(EPOLLIN | EPOLLET | EPOLLRDHUP)

bool device_hear(struct device *dev);
struct device *device_create(struct client *c, const struct device_type *type,
			     struct line_state *line, int conn);

bool client_is_name(const char *name);
struct client *client_find(const char *name);
int client_add(const char *name, const struct share *share, const char *qmp,
	       struct client **out);
int client_resume(struct client *client);
void client_remove(struct client *client);
bool client_settle(struct client *client);
int client_restoring(struct client *client);
void client_restored(struct client *client, bool good);
void client_share(struct client *client, const struct share *share);
void client_connect(struct client *client);
void client_disconnect(struct client *client, const char *why);
void client_counts(const struct client *client, u64 *count);

/* worker.c: descriptors that outlive the worker */

u64 hold(int fd);
void hold_as(u64 id, int fd);
void drop(u64 id);
int held(u64 id);

extern struct state *state;
extern struct tstore *store;

#endif /* _TMEMD_DEVICE_H */
