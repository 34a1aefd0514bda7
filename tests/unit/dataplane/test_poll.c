/* The polling loop on a thread of its own, over net_ring ports: work gets done, an idle worker sleeps, it stops. */
#include <pthread.h>
#include <time.h>

#include <criterion/criterion.h>
#include <rte_arp.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "dataplane/poll.h"
#include "tests/unit/dataplane/support.h"

#define WIRE     1024
#define PATIENCE (5 * SL_NSEC_PER_SEC)

static struct {
	struct rig *rig;
	struct rte_ring *wire; /* to the worker */
	struct sl_ports *ports;
	struct sl_clock clock;
	struct sl_poll poll;
	pthread_t thread;
} t;

static void *
thread_main(void *arg)
{
	sl_poll_main(arg);
	return NULL;
}

static void
start(bool adaptive)
{
	struct rte_eth_conf conf = {0};
	struct sl_port port;
	int id;

	t.rig = rig_create(1);
	t.wire = rte_ring_create("wire", WIRE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	id = rte_eth_from_rings("p", &t.wire, 1, &t.wire, 1, 0);
	cr_assert_geq(id, 0);
	cr_assert_eq(rte_eth_dev_configure((uint16_t)id, 1, 1, &conf), 0);
	cr_assert_eq(rte_eth_rx_queue_setup((uint16_t)id, 0, 64, 0, NULL, t.rig->dp->pool), 0);
	cr_assert_eq(rte_eth_tx_queue_setup((uint16_t)id, 0, 64, 0, NULL), 0);
	cr_assert_eq(rte_eth_dev_start((uint16_t)id), 0);
	port = (struct sl_port){.port = (uint16_t)id, .l3_if = RIG_LAN, .n_rx = 1, .n_tx = 1};
	cr_assert_eq(sl_ports_create(&t.ports, "t", &port, 1, 1), 0);
	sl_clock_init(&t.clock);
	t.poll = (struct sl_poll){
		.worker = t.rig->w, .port = t.ports->workers[0], .clock = &t.clock, .adaptive = adaptive};
	cr_assert_eq(pthread_create(&t.thread, NULL, thread_main, &t.poll), 0);
}

static void
finish(void)
{
	atomic_store(&t.poll.stop, true);
	cr_assert_eq(pthread_join(t.thread, NULL), 0);
	sl_ports_destroy(t.ports);
	rig_check_conservation(t.rig, 0);
	rig_destroy(t.rig);
}

static void
put_arp(void)
{
	const uint8_t arp[28] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t frame[RIG_PACKET];
	struct rte_mbuf *m = rig_mbuf(
		t.rig, RIG_LAN, frame, rig_ether(t.rig, frame, RIG_LAN, NULL, RTE_ETHER_TYPE_ARP, arp, sizeof(arp)), 0);

	cr_assert_eq(rte_ring_enqueue(t.wire, m), 0);
}

static void
wait_for_control(void)
{
	uint64_t began = sl_clock_boot_ns();

	while (rte_ring_empty(t.rig->dp->to_control))
		cr_assert_lt(sl_clock_boot_ns() - began, PATIENCE, "the packet did not arrive");
	rte_pktmbuf_free(rig_take_ring(t.rig->dp->to_control));
}

/* Until the worker has no more to do and gives its core away. How much of a core that leaves is bench/idle's to say. */
static void
wait_for_sleep(void)
{
	uint64_t began = sl_clock_boot_ns();

	while (!atomic_load(&t.rig->w->waker.asleep))
		cr_assert_lt(sl_clock_boot_ns() - began, PATIENCE, "an idle worker stays awake");
}

Test(poll, packets_are_taken_in_both_modes)
{
	start(false);
	for (unsigned i = 0; i < 100; i++) {
		put_arp();
		wait_for_control();
	}
	atomic_store(&t.poll.adaptive, true);
	for (unsigned i = 0; i < 100; i++) {
		put_arp();
		wait_for_control();
	}
	cr_expect_eq(t.rig->w->stats.received, 200);
	cr_expect_gt(t.rig->w->stats.busy_cycles, 0);
	cr_expect_gt(t.rig->w->stats.idle_cycles, 0);
	finish();
}

Test(poll, an_idle_worker_sleeps_and_wakes_for_a_packet)
{
	start(true);
	for (unsigned i = 0; i < 20; i++) {
		wait_for_sleep();
		put_arp();
		wait_for_control();
	}
	cr_expect_eq(t.rig->w->stats.received, 20);
	finish();
}

static void
freed(void *ctx, void *ptr)
{
	*(bool *)ptr = true;
}

Test(poll, control_does_not_wait_for_a_sleeper)
{
	struct sl_reclaim_node node;
	uint64_t began;
	bool done = false;

	start(true);
	wait_for_sleep();
	sl_reclaim_defer(t.rig->dp->reclaim, &node, freed, NULL, &done);
	began = sl_clock_boot_ns();
	while (!done) {
		sl_reclaim_poll(t.rig->dp->reclaim);
		cr_assert_lt(sl_clock_boot_ns() - began, PATIENCE);
	}
	finish();
}
