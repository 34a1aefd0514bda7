/*
 * What is asked of the running configuration as a whole: reading the files again (`sluice reload`, SIGHUP), telling what
 * that would change (--dry-run), and writing the running state as YAML (`sluice save`). One order at a time, the others
 * wait. Reading, checking, comparing, writing and freeing happen on a thread of its own, for they may take longer than
 * a step of the control loop; applying goes on in slices on the loop. A file with errors, or a change that is not live,
 * leaves everything as it is. Where the machine lacks what a change takes, the others are made, and the next reload has that one
 * again, whatever the files say by then.
 *
 * Control thread alone, but for the thread that lies inside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "control/audit.h"
#include "control/gateway.h"

struct sl_reload;

struct sl_order {
	enum {
		SL_ORDER_RELOAD,
		SL_ORDER_SAVE, /* the running state as YAML */
	} kind;
	bool dry_run;      /* reload: tell, apply nothing */
	bool json;         /* reload: the difference as JSON */
	bool keep_runtime; /* reload: what `wg` changed stays */
	struct sl_actor actor;
	/*
	 * Gets the answer, text of len bytes that is to be freed; failed: the order was refused, and nothing has changed, or
	 * some of the changes could not be made, as its last line says. NULL: the log alone tells.
	 */
	void (*done)(void *ctx, char *text, size_t len, bool failed);
	void *ctx;
};

/* Watches a descriptor of its own through gw->epoll_fd. 0 or a negative errno. */
int sl_reload_create(struct sl_reload **out, struct sl_gateway *gw);
/* Waits for a thread under way; orders that wait are forgotten, their done is not called. NULL is fine. */
void sl_reload_destroy(struct sl_reload *r);

/* Queues an order, which is copied. 0; -EBUSY: too many wait; -ENOMEM. */
int sl_reload_order(struct sl_reload *r, const struct sl_order *order);
/* Whoever waits with this ctx has gone: the order goes on, or is taken from the queue, and done is not called. */
void sl_reload_forget(struct sl_reload *r, const void *ctx);

int sl_reload_fd(const struct sl_reload *r);
/* The descriptor is readable: the thread has ended. */
void sl_reload_event(struct sl_reload *r);
/* How much a slice applies at most, in steps and in allowed IPs: for tests, which look between any two steps. */
void sl_reload_bound(struct sl_reload *r, unsigned steps, unsigned prefixes);
/* One slice of applying. Whether there is more to do at once. */
bool sl_reload_advance(struct sl_reload *r);
