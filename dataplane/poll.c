#include "dataplane/poll.h"

#include <stdlib.h>
#include <sys/poll.h> /* <poll.h> would be this room's */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_pause.h>

#include "dataplane/traffic.h"

#include "dataplane/order.h"

#define TIMER_SLACK_NS 1000 /* the kernel's default of 50 µs would add to every sleep */

bool
sl_poll_once(struct sl_poll *p, uint64_t now)
{
	struct rte_mbuf *pkts[SL_BURST];
	bool any = false;

	/* the worker takes few bursts a pass: with many queues there are several passes a turn */
	for (uint32_t i = 0; i < p->port->n_rx; i++) {
		const struct sl_port_rx *rx = &p->port->rx[i];
		uint16_t n = rte_eth_rx_burst(rx->port, rx->queue, pkts, SL_BURST);

		if (n == 0)
			continue;
		any = true;
		sl_worker_receive(p->worker, rx->l3_if, pkts, n);
		if (i % SL_POLL_BURSTS == SL_POLL_BURSTS - 1)
			sl_worker_run(p->worker, now);
	}
	any |= sl_worker_run(p->worker, now);
	any |= sl_port_handoff(p->port) > 0;
	return any;
}

/* What a sleeping worker waits for. */
struct bed {
	struct pollfd *fds; /* of the queues, and last control's */
	nfds_t n;           /* 0: some queue has none, so it sleeps by the clock */
};

static void
make_bed(const struct sl_poll *p, struct bed *bed)
{
	const struct sl_port_worker *pw = p->port;

	*bed = (struct bed){0};
	/* packets that other workers hand over come without a sign */
	for (uint32_t i = 0; i < pw->n_rx; i++)
		if (pw->rx[i].fd < 0 || pw->n_handoffs > 0)
			return;
	bed->fds = calloc(pw->n_rx + 1, sizeof(*bed->fds));
	if (!bed->fds)
		return;
	for (uint32_t i = 0; i < pw->n_rx; i++)
		bed->fds[i] = (struct pollfd){.fd = pw->rx[i].fd, .events = POLLIN};
	bed->fds[pw->n_rx] = (struct pollfd){.fd = p->worker->waker.fd, .events = POLLIN};
	bed->n = pw->n_rx + 1;
}

/* An interface that goes down leaves an error in its socket, which would end every wait at once. */
static void
clear_errors(const struct bed *bed)
{
	const struct timespec pause = {.tv_nsec = SL_POLL_SLEEP_MAX_NS};
	bool any = false;

	for (nfds_t i = 0; i < bed->n; i++) {
		socklen_t len = sizeof(int);
		int err;

		if (!(bed->fds[i].revents & (POLLERR | POLLHUP | POLLNVAL)))
			continue;
		any = true;
		getsockopt(bed->fds[i].fd, SOL_SOCKET, SO_ERROR, &err, &len);
	}
	if (any)
		nanosleep(&pause, NULL);
}

static void
sleep_ns(struct sl_poll *p, const struct bed *bed, uint64_t ns, uint64_t most)
{
	struct sl_worker *w = p->worker;
	struct rte_rcu_qsbr *rcu = w->dp->rcu;
	struct timespec ts = {.tv_nsec = (long)RTE_MIN(ns, most)};

	sl_waker_doze(&w->waker);
	rte_rcu_qsbr_thread_offline(rcu, w->index);
	if (!rte_ring_empty(w->commands) || sl_order_wanted(w) || atomic_load_explicit(&p->stop, memory_order_relaxed)) {
		/* control or another worker has been quicker */
	} else if (bed->n == 0) {
		nanosleep(&ts, NULL);
	} else {
		ns = atomic_load_explicit(&w->stats.queued, memory_order_relaxed) ? SL_POLL_TEND_NS : SL_POLL_WAIT_NS;
		ts.tv_nsec = (long)RTE_MIN(most, ns);
		if (ppoll(bed->fds, bed->n, &ts, NULL) > 0)
			clear_errors(bed);
	}
	rte_rcu_qsbr_thread_online(rcu, w->index);
	sl_waker_rise(&w->waker);
}

/* How long a worker may sleep without anything coming: until it has to send something of a bench that runs here. */
static uint64_t
longest_sleep(const struct sl_worker *w)
{
	const struct sl_traffic *t = atomic_load_explicit(&w->dp->traffic, memory_order_acquire);

	return t ? sl_traffic_wait(w, t) : UINT64_MAX;
}

/* Length of the next sleep of a worker that has been idle for some ns; 0: not yet. */
static uint64_t
sleep_length(uint64_t idle, uint64_t last)
{
	if (idle < SL_POLL_SPIN_NS)
		return 0;
	if (last == 0)
		return SL_POLL_SLEEP_MIN_NS;
	return RTE_MIN(last * 2, idle < SL_POLL_DEEP_AFTER ? SL_POLL_SLEEP_MAX_NS : SL_POLL_DEEP_NS);
}

static void
loop(struct sl_poll *p)
{
	struct sl_clock_reader clock = {.clock = p->clock};
	struct sl_worker_stats *stats = &p->worker->stats;
	uint64_t idle_since = 0, sleep = 0, turn = rte_rdtsc();
	bool slept = false;
	struct bed bed;

	make_bed(p, &bed);

	while (!atomic_load_explicit(&p->stop, memory_order_relaxed)) {
		uint64_t now = sl_clock_reader_now(&clock), end;
		bool any = sl_poll_once(p, now);

		if (any) {
			if (slept)
				sl_waker_wake(&p->worker->dp->control);
			slept = false;
			idle_since = sleep = 0;
		} else if (idle_since == 0) {
			idle_since = now;
		} else if (atomic_load_explicit(&p->adaptive, memory_order_relaxed)) {
			sleep = sleep_length(now - idle_since, sleep);
			if (sleep) {
				sleep_ns(p, &bed, sleep, longest_sleep(p->worker));
				slept = true;
			}
		}
		if (!any)
			rte_pause();
		end = rte_rdtsc();
		sl_count(any ? &stats->busy_cycles : &stats->idle_cycles, end - turn);
		turn = end;
	}
	free(bed.fds);
}

/* What other workers have not finished for this one, they soon will: a worker that stops finishes the batch it has. */
static void
finish(struct sl_poll *p)
{
	struct sl_clock_reader clock = {.clock = p->clock};

	sl_order_stop(p->worker);
	while (sl_order_any(p->worker))
		sl_worker_run(p->worker, sl_clock_reader_now(&clock));
}

int
sl_poll_main(void *arg)
{
	struct sl_poll *p = arg;
	struct rte_rcu_qsbr *rcu = p->worker->dp->rcu;
	unsigned index = p->worker->index;

	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	rte_rcu_qsbr_thread_register(rcu, index);
	rte_rcu_qsbr_thread_online(rcu, index);
	loop(p);
	finish(p);
	rte_rcu_qsbr_thread_offline(rcu, index);
	rte_rcu_qsbr_thread_unregister(rcu, index);
	return 0;
}
