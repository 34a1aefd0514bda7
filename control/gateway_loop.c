/* The control core's loop: what workers raised, what waits in rings, what is due, what sockets ask for. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "control/api.h"
#include "control/bench_api.h"
#include "control/command_queue.h"
#include "control/gateway.h"
#include "control/log.h"
#include "control/reload.h"

/*
 * What one turn takes of each class at most, so that none starves another and a turn stays within 1 ms. Handshakes have
 * the protocol core's budget (sl_proto_receive_budget).
 */
#define FACTS_BUDGET      256
#define PACKETS_BUDGET    64
#define MISSES_BUDGET     64
#define TIMERS_BUDGET     256
#define ADMISSION_BUDGET  96 /* handshake messages under load: those without a cookie get one, some 5 µs */
#define EVENTS            32

/*
 * A worker wakes control with its first packet after a sleep, but not while it is busy (a system call is no part of the
 * packet path). So control looks at its rings this often while workers have packets now and then, and sleeps long when none has
 * had one for a while: with some thousand packets a second each would wake it otherwise.
 */
#define SLEEP_MAX_NS  (500 * SL_NSEC_PER_USEC)
#define SLEEP_MIN_NS  (50 * SL_NSEC_PER_USEC)
#define SLEEP_LONG_NS (100 * SL_NSEC_PER_MSEC)
#define REST_NS       (5 * SL_NSEC_PER_MSEC)

/* Timers may be so late: those of many peers are due all the time, and each would be a sleep and a waking of its own. */
#define TIMER_SLACK_NS SLEEP_MAX_NS

static bool
take_facts(struct sl_gateway *gw)
{
	uint32_t slots[FACTS_BUDGET], facts[FACTS_BUDGET];
	unsigned n = sl_peers_take_facts(&gw->dp->peers, &gw->facts_cursor, slots, facts, FACTS_BUDGET);

	sl_proto_facts_batch(gw->proto, slots, facts, n, gw->now);
	return n == FACTS_BUDGET; /* nobody waits for the next one: it may come with others */
}

static bool
take_packets(struct sl_gateway *gw)
{
	struct sl_neighbour_miss misses[MISSES_BUDGET];
	struct rte_mbuf *pkts[PACKETS_BUDGET];
	unsigned n = rte_ring_sc_dequeue_burst(gw->dp->to_control, (void **)pkts, PACKETS_BUDGET, NULL);
	unsigned n_misses =
		rte_ring_sc_dequeue_burst_elem(gw->dp->misses, misses, sizeof(misses[0]), MISSES_BUDGET, NULL);

	for (unsigned i = 0; i < n; i++) {
		if (sl_packet(pkts[i])->punt == SL_PUNT_ARP)
			sl_neighbour_protocol_arp(gw->neighbours, pkts[i], gw->now);
		else if (sl_packet(pkts[i])->punt == SL_PUNT_TRAFFIC)
			sl_bench_api_packet(gw, pkts[i]);
		else if (sl_neighbour_protocol_is_nd(pkts[i]))
			sl_neighbour_protocol_nd(gw->neighbours, pkts[i], gw->now);
		else
			sl_icmp_echo_packet(&gw->echo, pkts[i], gw->now);
	}
	for (unsigned i = 0; i < n_misses; i++)
		sl_neighbour_protocol_miss(gw->neighbours, &misses[i], gw->now);
	return n + n_misses > 0;
}

/* Who sent a received handshake message, and which of our addresses it hit: its outer headers still stand before it. */
static void
describe(struct rte_mbuf *m, struct sl_proto_msg *msg)
{
	const uint8_t *ip = (const uint8_t *)m->buf_addr + sl_packet(m)->outer_off;
	bool v6 = ip[0] >> 4 == 6;
	const uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);

	msg->data = data;
	msg->len = m->data_len;
	msg->src.ip = v6 ? sl_ip6(ip + 8) : sl_ip4(ip + 12);
	msg->dst_local = v6 ? sl_ip6(ip + 24) : sl_ip4(ip + 16);
	/* the UDP header stands right before the message */
	msg->src.port = (uint16_t)(data[-8] << 8 | data[-7]);
}

/* Takes up to n messages out of the ring: to be consumed at once, or only to be admitted. How many there were. */
static unsigned
empty_ring(struct sl_gateway *gw, struct sl_gateway_if *gi, unsigned n,
	void (*take)(struct sl_proto_if *ifp, const struct sl_proto_msg *msgs, unsigned n, uint64_t now))
{
	struct rte_mbuf *pkts[ADMISSION_BUDGET];
	struct sl_proto_msg msgs[ADMISSION_BUDGET];

	n = rte_ring_sc_dequeue_burst(gi->handshakes, (void **)pkts, RTE_MIN(n, (unsigned)ADMISSION_BUDGET), NULL);
	for (unsigned i = 0; i < n; i++)
		describe(pkts[i], &msgs[i]);
	take(gi->proto, msgs, n, gw->now);
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

/*
 * Returns how much of the budget was used, which is in messages to consume. Under load the ring is emptied faster than
 * that: messages that bring a cookie wait behind it, and the more there are in it, the less is left for consuming them.
 */
static unsigned
take_handshakes_of(struct sl_gateway *gw, struct sl_gateway_if *gi, unsigned budget)
{
	unsigned in_ring = rte_ring_count(gi->handshakes), behind = sl_proto_if_waiting(gi->proto);
	unsigned admitted;

	if (in_ring + behind == 0)
		return 0;
	sl_proto_if_note_load(gi->proto, in_ring + behind, rte_ring_get_capacity(gi->handshakes), gw->now);
	if (behind == 0 && !sl_proto_if_under_load(gi->proto, gw->now))
		return empty_ring(gw, gi, budget, sl_proto_receive);
	admitted = empty_ring(gw, gi, ADMISSION_BUDGET * budget / sl_proto_receive_budget(gw->proto), sl_proto_admit);
	sl_proto_work(gi->proto, in_ring > admitted ? (budget + 1) / 2 : budget, gw->now);
	return budget;
}

static bool
handshakes_wait(const struct sl_gateway *gw)
{
	for (unsigned i = 0; i < gw->n_wg_ifs; i++) {
		if (!rte_ring_empty(gw->wg_ifs[i]->handshakes) || sl_proto_if_waiting(gw->wg_ifs[i]->proto) > 0)
			return true;
	}
	return false;
}

/*
 * Interfaces take turns at being first, so that a flood at one leaves the others their share. Whether more wait: those to come
 * are cheaper together, so they are not waited for by looking again at once.
 */
static bool
take_handshakes(struct sl_gateway *gw)
{
	const unsigned budget = sl_proto_receive_budget(gw->proto);
	unsigned left = budget;

	if (gw->n_wg_ifs == 0)
		return false;
	for (unsigned i = 0; i < gw->n_wg_ifs && left > 0; i++) {
		struct sl_gateway_if *gi = gw->wg_ifs[(gw->next_wg_if + i) % gw->n_wg_ifs];
		unsigned share = (left + 1) / 2;

		left -= take_handshakes_of(gw, gi, gw->n_wg_ifs == 1 ? left : share);
	}
	gw->next_wg_if = (gw->next_wg_if + 1) % gw->n_wg_ifs;
	return left < budget && handshakes_wait(gw);
}

static void
calibrate(struct sl_gateway *gw)
{
	if (gw->now < gw->calibrate_at)
		return;
	sl_clock_calibrate(&gw->clock);
	gw->calibrate_at = gw->now + SL_CLOCK_CALIBRATE_NS;
}

bool
sl_gateway_turn(struct sl_gateway *gw)
{
	bool busy = take_facts(gw);

	calibrate(gw);
	busy |= take_packets(gw);
	busy |= take_handshakes(gw);
	busy |= sl_proto_advance(gw->proto, gw->now, TIMERS_BUDGET);
	sl_neighbour_protocol_tick(gw->neighbours, gw->now, TIMERS_BUDGET);
	busy |= sl_command_queue_flush(gw->commands);
	busy |= sl_reclaim_poll(gw->dp->reclaim) > 0;
	busy |= sl_api_advance(gw->api);
	busy |= sl_reload_advance(gw->reload);
	busy |= sl_gateway_expire_peers(gw);
	return busy;
}

static void
take_signal(struct sl_gateway *gw)
{
	struct signalfd_siginfo info;

	if (read(gw->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		struct sl_order order = {.kind = SL_ORDER_RELOAD,
			.actor = {.via = "signal", .uid = info.ssi_uid, .pid = (int64_t)info.ssi_pid}};

		sl_log_notice("SIGHUP: reading %s again", gw->config_path);
		if (sl_reload_order(gw->reload, &order) != 0)
			sl_log_error("reload: too many orders wait already; try again");
		return;
	}
	sl_log_notice("%s: stopping", info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
	gw->stop = true;
}

/* Waits for sockets until the next deadline, at most `most` ns. Whether there was an event. */
static bool
wait_events(struct sl_gateway *gw, uint64_t most)
{
	struct epoll_event events[EVENTS];
	struct timespec timeout = {.tv_nsec = (long)most};
	int n = epoll_pwait2(gw->epoll_fd, events, EVENTS, &timeout, NULL);

	gw->now = sl_clock_boot_ns();
	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == gw->signal_fd)
			take_signal(gw);
		else if (events[i].data.fd == gw->dp->control.fd)
			sl_waker_rise(&gw->dp->control); /* it has done its work; it may come late, in a wait that needed none */
		else if (events[i].data.fd == sl_reload_fd(gw->reload))
			sl_reload_event(gw->reload);
		else if (events[i].data.fd == sl_resolver_fd(gw->resolver))
			sl_gateway_take_names(gw);
		else
			sl_api_event(gw->api, events[i].data.fd, events[i].events);
	}
	return n > 0;
}

static uint64_t
sleep_time(const struct sl_gateway *gw, uint64_t longest)
{
	uint64_t next = sl_proto_next(gw->proto);
	uint64_t tick = sl_neighbour_protocol_deadline(gw->neighbours);

	next = RTE_MIN(next, tick);
	if (next <= gw->now)
		return 0;
	return RTE_MIN(RTE_MAX(next - gw->now, TIMER_SLACK_NS), longest);
}

static bool
all_workers_sleep(const struct sl_gateway *gw)
{
	for (unsigned w = 0; w < gw->dp->n_workers; w++) {
		if (!atomic_load_explicit(&gw->dp->workers[w]->waker.asleep, memory_order_relaxed))
			return false;
	}
	return true;
}

/* Whether all workers sleep, and none has worked for a while. */
static bool
workers_rest(struct sl_gateway *gw)
{
	uint64_t work = 0;

	for (unsigned w = 0; w < gw->dp->n_workers; w++)
		work += atomic_load_explicit(&gw->dp->workers[w]->stats.busy_cycles, memory_order_relaxed);
	if (work != gw->work_seen) {
		gw->work_seen = work;
		gw->work_at = gw->now;
	}
	return gw->now - gw->work_at >= REST_NS && all_workers_sleep(gw);
}

/* Whether workers left something between the last turn and their falling asleep. */
static bool
anything_left(const struct sl_gateway *gw)
{
	bool left = !rte_ring_empty(gw->dp->to_control) || !rte_ring_empty(gw->dp->misses) || gw->dp->reclaim->pending > 0;

	for (unsigned i = 0; i < gw->n_wg_ifs && !left; i++)
		left = !rte_ring_empty(gw->wg_ifs[i]->handshakes);
	return left || sl_peers_any_facts(&gw->dp->peers);
}

/*
 * Waits for sockets, and for workers where all of them rest. Else their rings are looked at every SLEEP_MAX_NS
 * anyway, so no worker that falls asleep and rises again meanwhile needs to pay for waking control. Whether there was an event.
 */
static bool
wait_for_work(struct sl_gateway *gw, uint64_t longest)
{
	bool any;

	if (longest < SLEEP_MAX_NS || !workers_rest(gw))
		return wait_events(gw, sleep_time(gw, longest));
	sl_waker_doze(&gw->dp->control);
	/* one may have risen, and left something, before it could see that we doze */
	if (!all_workers_sleep(gw))
		longest = SLEEP_MAX_NS;
	else
		longest = anything_left(gw) ? 0 : SLEEP_LONG_NS;
	any = wait_events(gw, sleep_time(gw, longest));
	sl_waker_rise(&gw->dp->control);
	return any;
}

void
sl_gateway_run(struct sl_gateway *gw)
{
	uint64_t longest = SLEEP_MIN_NS;

	while (!gw->stop) {
		bool busy;

		gw->now = sl_clock_boot_ns();
		busy = sl_gateway_turn(gw);
		if (busy)
			wait_events(gw, 0);
		else
			busy = wait_for_work(gw, longest);
		longest = busy ? SLEEP_MIN_NS : RTE_MIN(longest * 2, SLEEP_MAX_NS);
	}
}
