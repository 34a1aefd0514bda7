/*
 * A worker at its edge: the endless loop that takes bursts from port queues,
 * runs the worker and sends. Runs on the worker's core (lcore_function_t:
 * rte_eal_remote_launch(sl_poll_main, poll, lcore)) until control sets `stop`.
 * Control fills the object, owns it, and frees it after the core was joined.
 *
 * Idle: with `adaptive` a worker that found nothing spins for a moment and then
 * sleeps. Where every queue it polls has a descriptor, it sleeps until one is
 * readable or control has a command; else in steps that grow to
 * SL_POLL_SLEEP_MAX_NS, later to SL_POLL_DEEP_NS. It is offline for RCU while
 * it sleeps, so control never waits for a sleeper, and it wakes control with
 * the first packet after a sleep.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "dataplane/clock.h"
#include "dataplane/port.h"
#include "dataplane/worker.h"

#define SL_POLL_SPIN_NS      UINT64_C(50000)  /* awake without work before the first sleep */
#define SL_POLL_SLEEP_MIN_NS UINT64_C(20000)
#define SL_POLL_SLEEP_MAX_NS UINT64_C(500000)
#define SL_POLL_DEEP_NS      UINT64_C(750000)    /* a sleep of a worker that has been idle for long … */
#define SL_POLL_DEEP_AFTER   UINT64_C(100000000) /* … which begins here */
#define SL_POLL_WAIT_NS      UINT64_C(100000000) /* the longest sleep on descriptors … */
#define SL_POLL_TEND_NS      UINT64_C(1000000)   /* … and while packets wait here that time may end */
#define SL_POLL_BURSTS       4 /* bursts between two passes of the worker */

struct sl_poll {
	struct sl_worker *worker;
	struct sl_port_worker *port;  /* this worker's part of sl_ports */
	const struct sl_clock *clock;
	_Atomic bool adaptive; /* may change while running */
	_Atomic bool stop;
};

/* arg: struct sl_poll. Returns 0 once stopped, with this worker unregistered from RCU. */
int sl_poll_main(void *arg);

/* One turn of the loop without sleeping, for tests and benches: rx, run at `now`, hand-offs. Whether anything was to do. */
bool sl_poll_once(struct sl_poll *p, uint64_t now);
