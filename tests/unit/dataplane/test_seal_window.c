/*
 * Two workers seal for one peer: whatever one of them sends while the other is between taking counters and its port, the
 * receiver's window takes all of it. That holds because counters are taken in the pass in which they leave.
 */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "crypto/bytes.h"
#include "dataplane/replay.h"
#include "tests/unit/dataplane/support.h"

#define PEER        1
#define PASS        (4 * SL_BURST) /* the most that comes in for one pass */
#define COUNTER_OFF (RTE_ETHER_HDR_LEN + SL_IP4_HDR_MIN + SL_UDP_HDR_LEN + offsetof(struct sl_msg_data, counter))

static struct {
	struct rig *r;
	struct sl_replay receiver;
	uint64_t greatest;    /* counter on the wire so far */
	uint64_t behind;      /* the most that a later one was behind it */
	unsigned sent, refused;
	unsigned meanwhile;   /* bursts that the second worker sends while the first one's wait at the port */
} t;

static uint16_t
on_the_wire(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		uint64_t counter = sl_load_le64(rte_pktmbuf_mtod_offset(pkts[i], const uint8_t *, COUNTER_OFF));

		t.refused += !sl_replay_accept(&t.receiver, counter);
		if (counter < t.greatest)
			t.behind = RTE_MAX(t.behind, t.greatest - counter);
		t.greatest = RTE_MAX(t.greatest, counter);
		rte_pktmbuf_free(pkts[i]);
	}
	t.sent += n;
	return n;
}

static void
pass(uint16_t worker, unsigned n)
{
	const struct rig_flow flow = {.src = "10.20.0.9", .dst = "10.64.1.2", .sport = 5, .dport = 6};
	uint8_t packet[RIG_PACKET], frame[RIG_PACKET];

	for (unsigned i = 0; i < n; i++) {
		size_t len = rig_ether(t.r, frame, RIG_LAN, NULL, RTE_ETHER_TYPE_IPV4, packet, rig_udp(packet, &flow, "x", 1));

		rig_receive(t.r, worker, RIG_LAN, rig_mbuf(t.r, RIG_LAN, frame, len, 0));
	}
	rig_run(t.r, worker);
}

/* The first worker's port is slow: what it was given is on the wire only after what the second one sends meanwhile. */
static uint16_t
slow_port(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	for (; t.meanwhile > 0; t.meanwhile--)
		pass(1, SL_BURST);
	return on_the_wire(ctx, port, pkts, n);
}

static void
begin(void)
{
	memset(&t, 0, sizeof(t));
	t.r = rig_create(2);
	rig_peer(t.r, PEER, RIG_WG0, "198.51.100.7:4444", "203.0.113.10");
	rig_allow(t.r, PEER, "10.64.1.0/24");
	rig_route(t.r, "10.64.1.0/24", SL_ROUTE(SL_ROUTE_PEER, PEER));
	rig_neighbour(t.r, RIG_WAN, "203.0.113.1", 1);
	rig_session(t.r, PEER, true, true);
	t.r->dp->workers[0]->tx = slow_port;
	t.r->dp->workers[1]->tx = on_the_wire;
}

Test(seal_window, p42_a_pass_holds_no_more_counters_than_it_has_packets)
{
	begin();
	t.meanwhile = 1;
	pass(0, PASS);
	cr_expect_eq(t.sent, PASS + SL_BURST);
	cr_expect_eq(t.refused, 0);
	cr_expect_leq(t.behind, PASS + SL_BURST - 1);
	rig_check_conservation(t.r, 0);
	rig_destroy(t.r);
}

Test(seal_window, p42_two_workers_stay_in_the_receivers_window)
{
	const unsigned most = (SL_COUNTER_WINDOW_SIZE - PASS) / SL_BURST;

	for (unsigned bursts = 0; bursts <= most; bursts += bursts < most && bursts + 41 > most ? most - bursts : 41) {
		begin();
		for (unsigned round = 0; round < 3; round++) {
			t.meanwhile = bursts;
			pass(0, PASS);
		}
		cr_expect_eq(t.sent, 3 * (PASS + bursts * SL_BURST));
		cr_expect_eq(t.refused, 0, "%u bursts meanwhile: %u refused", bursts, t.refused);
		rig_check_conservation(t.r, 0);
		rig_destroy(t.r);
		if (bursts == most)
			break;
	}
	/* and the window is what limits it: beyond, the first ones come too late */
	begin();
	t.meanwhile = most + 3;
	pass(0, SL_BURST);
	pass(0, SL_BURST);
	cr_expect_eq(t.refused, 0, "a short pass has more time");
	t.meanwhile = most + 8;
	pass(0, SL_BURST);
	cr_expect_gt(t.refused, 0);
	rig_destroy(t.r);
}
