/* The worker's pass: commands, stages in their order, counters, RCU, and what goes with a worker when it is destroyed. */
#include <stdlib.h>

#include <criterion/criterion.h>
#include <rte_arp.h>

#include "tests/unit/dataplane/support.h"

#define COMMANDS_A_PASS 64

static struct rte_mbuf *
arp_frame(struct rig *r)
{
	const uint8_t arp[28] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t frame[RIG_PACKET];

	return rig_mbuf(r, RIG_LAN, frame, rig_ether(r, frame, RIG_LAN, NULL, RTE_ETHER_TYPE_ARP, arp, sizeof(arp)), 0);
}

/* A UDP packet to a host on the LAN. */
static struct rte_mbuf *
lan_packet(struct rig *r)
{
	const struct rig_flow flow = {.src = "10.20.0.1", .dst = "10.20.0.9", .sport = 1, .dport = 2};
	uint8_t packet[RIG_PACKET];
	struct rte_mbuf *m = rig_mbuf(r, SL_IF_NONE, packet, rig_udp(packet, &flow, "x", 1), 0);

	sl_packet(m)->flags = SL_PKT_LOCAL;
	return m;
}

static uint64_t
stage(const struct rig *r, enum sl_stage s, bool bursts)
{
	const struct sl_stage_stats *stats = &r->w->stats.stages[s];

	return bursts ? stats->bursts : stats->packets;
}

Test(worker, stages_have_the_names_of_the_man_page)
{
	static const char *const names[] = {"ethernet", "ip-input", "reassembly", "outer-udp", "handshake", "open", "order",
		"decap", "forward", "icmp-error", "encap", "seal", "outer-route", "fragment", "neighbour", "punt", "tx", "help"};

	cr_assert_eq(SL_STAGE_COUNT, RTE_DIM(names));
	for (unsigned i = 0; i < SL_STAGE_COUNT; i++)
		cr_expect_str_eq(sl_stage_name(i), names[i]);
}

Test(worker, a_burst_passes_as_a_burst_and_is_counted)
{
	struct rig *r = rig_create(1);
	struct rte_mbuf *frames[SL_BURST];

	for (unsigned i = 0; i < SL_BURST; i++)
		frames[i] = arp_frame(r);
	cr_expect(!sl_worker_run(r->w, r->now), "nothing to do yet");
	sl_worker_receive(r->w, RIG_LAN, frames, SL_BURST);
	cr_expect(sl_worker_run(r->w, r->now));
	cr_expect_eq(r->w->stats.received, SL_BURST);
	cr_expect_eq(stage(r, SL_STAGE_ETHERNET, false), SL_BURST);
	cr_expect_eq(stage(r, SL_STAGE_ETHERNET, true), 1);
	cr_expect_eq(stage(r, SL_STAGE_PUNT, false), SL_BURST);
	cr_expect_eq(stage(r, SL_STAGE_PUNT, true), 1);
	cr_expect_gt(r->w->stats.stages[SL_STAGE_ETHERNET].cycles, 0);
	cr_expect_eq(r->w->stats.to_control, SL_BURST);
	cr_expect_eq(rte_ring_count(r->dp->to_control), SL_BURST);
	cr_expect_eq(r->w->pending, 0);
	rig_check_conservation(r, 0);
	rig_destroy(r);
}

Test(worker, commands_enter_where_they_belong)
{
	struct rig *r = rig_create(1);
	struct rte_mbuf *frame = arp_frame(r);
	struct sl_command cmd = {.op = SL_CMD_FRAME, .peer = SL_PEER_NONE, .packet = frame};

	rig_neighbour(r, RIG_LAN, "10.20.0.9", 9);
	sl_packet_init(frame, SL_IF_NONE);
	sl_packet(frame)->out_if = RIG_LAN;
	cr_assert(sl_dataplane_command(r->dp, 0, &cmd));
	cr_expect(sl_worker_run(r->w, r->now));
	cr_assert_eq(r->n_sent, 1);
	cr_expect_eq(r->sent[0].m, frame);
	cr_expect_eq(r->sent[0].port, RIG_LAN);

	cmd = (struct sl_command){.op = SL_CMD_OUTPUT, .peer = SL_PEER_NONE, .packet = lan_packet(r)};
	cr_assert(sl_dataplane_command(r->dp, 0, &cmd));
	cr_expect(sl_worker_run(r->w, r->now));
	cr_expect_eq(stage(r, SL_STAGE_FORWARD, false), 1);
	cr_expect_eq(r->n_sent, 2);
	cr_expect_eq(r->w->stats.from_control, 2);
	rig_check_conservation(r, 0);
	rig_destroy(r);
}

Test(worker, a_flood_of_commands_does_not_hold_a_pass_up)
{
	struct rig *r = rig_create(1);
	unsigned queued = 0;

	rig_neighbour(r, RIG_LAN, "10.20.0.9", 9);
	for (; queued < 3 * COMMANDS_A_PASS; queued++) {
		struct sl_command cmd = {.op = SL_CMD_OUTPUT, .peer = SL_PEER_NONE, .packet = lan_packet(r)};

		cr_assert(sl_dataplane_command(r->dp, 0, &cmd));
	}
	for (unsigned pass = 1; pass <= 3; pass++) {
		cr_expect(sl_worker_run(r->w, r->now));
		cr_expect_eq(r->n_sent, pass * COMMANDS_A_PASS);
	}
	cr_expect(!sl_worker_run(r->w, r->now));
	rig_check_conservation(r, 0);
	rig_destroy(r);
}

Test(worker, a_full_command_ring_leaves_the_packet_to_the_caller)
{
	struct rig *r = rig_create(1);
	struct sl_command cmd = {.op = SL_CMD_KEEPALIVE, .peer = 5};
	unsigned n = 0;

	while (sl_dataplane_command(r->dp, 0, &cmd))
		cr_assert_lt(++n, 1u << 20);
	cr_expect_geq(n, 1024);
	rig_destroy(r);
}

Test(worker, a_full_vector_drops_and_counts)
{
	struct rig *r = rig_create(1);
	struct rte_mbuf *frames[SL_BURST];

	for (unsigned burst = 0; burst < SL_VECTOR / SL_BURST + 1; burst++) {
		for (unsigned i = 0; i < SL_BURST; i++)
			frames[i] = arp_frame(r);
		sl_worker_receive(r->w, RIG_LAN, frames, SL_BURST);
	}
	cr_expect_eq(rig_drops(r, SL_DROP_STAGE_FULL), SL_BURST);
	cr_expect_eq(sl_worker_room(r->w, SL_STAGE_ETHERNET), 0);
	sl_worker_run(r->w, r->now);
	cr_expect_eq(stage(r, SL_STAGE_ETHERNET, false), SL_VECTOR);
	rig_check_conservation(r, 0);
	rig_destroy(r);
}

Test(worker, what_still_waits_goes_with_the_worker)
{
	struct rig *r = rig_create(1);
	struct rte_mbuf *m = arp_frame(r);
	struct sl_command cmd = {.op = SL_CMD_OUTPUT, .peer = SL_PEER_NONE, .packet = lan_packet(r)};

	sl_worker_receive(r->w, RIG_LAN, &m, 1);
	cr_assert(sl_dataplane_command(r->dp, 0, &cmd));
	/* and one staged for a neighbour that is not there */
	m = lan_packet(r);
	sl_worker_enqueue(r->w, SL_STAGE_FORWARD, m);
	sl_worker_run(r->w, r->now);
	m = arp_frame(r);
	sl_worker_receive(r->w, RIG_LAN, &m, 1);
	cmd.packet = lan_packet(r);
	cr_assert(sl_dataplane_command(r->dp, 0, &cmd));
	/* counts the buffers */
	rig_destroy(r);
}

static void
freed(void *ctx, void *ptr)
{
	*(bool *)ptr = true;
}

Test(worker, every_pass_reports_to_rcu)
{
	struct rig *r = rig_create(1);
	struct sl_reclaim_node node;
	bool done = false;

	rte_rcu_qsbr_thread_register(r->dp->rcu, 0);
	rte_rcu_qsbr_thread_online(r->dp->rcu, 0);
	sl_reclaim_defer(r->dp->reclaim, &node, freed, NULL, &done);
	sl_reclaim_poll(r->dp->reclaim);
	sl_reclaim_poll(r->dp->reclaim);
	cr_expect(!done, "the worker may hold it");
	sl_worker_run(r->w, r->now);
	sl_reclaim_poll(r->dp->reclaim);
	cr_expect(done);
	rte_rcu_qsbr_thread_offline(r->dp->rcu, 0);
	rte_rcu_qsbr_thread_unregister(r->dp->rcu, 0);
	rig_destroy(r);
}

Test(worker, an_interface_is_freed_when_no_worker_holds_it)
{
	struct rig *r = rig_create(1);
	struct sl_if *ifp = calloc(1, sizeof(*ifp));

	ifp->id = 100;
	sl_dataplane_set_if(r->dp, ifp);
	cr_expect_eq(sl_dataplane_if(r->dp, 100), ifp);
	cr_expect_null(sl_dataplane_if(r->dp, SL_IF_MAX));
	cr_expect_null(sl_dataplane_if(r->dp, SL_IF_NONE));
	sl_dataplane_clear_if(r->dp, 100);
	cr_expect_null(sl_dataplane_if(r->dp, 100));
	sl_dataplane_clear_if(r->dp, 100);
	rig_reclaim(r);
	rig_destroy(r);
}

Test(worker, what_cannot_be_created_leaves_nothing)
{
	struct rig *r = rig_create(2);
	struct sl_worker_config cfg = {.socket = SOCKET_ID_ANY};
	struct sl_dataplane_config none = {.name = "none", .workers = 0};
	struct sl_dataplane *dp;

	cr_expect_eq(sl_worker_create(r->dp, 2, &cfg), -EINVAL);
	cr_expect_eq(sl_worker_create(r->dp, 1, &cfg), -EINVAL, "it exists");
	cr_expect_eq(sl_dataplane_create(&dp, &none), -EINVAL);
	none.workers = SL_WORKERS_MAX + 1;
	cr_expect_eq(sl_dataplane_create(&dp, &none), -EINVAL);
	none = (struct sl_dataplane_config){.name = "huge", .pool_size = 1u << 30, .frame_len = 9000, .jumbo_size = 1,
		.peers = 16, .sessions = 16, .neighbours = 16, .workers = 1, .socket = SOCKET_ID_ANY};
	cr_expect_lt(sl_dataplane_create(&dp, &none), 0, "a terabyte of packets");
	rig_destroy(r);
}

/* Each worker goes round in numbers of its own, and through all of them. */
Test(worker, p39_identifications_of_workers_never_meet)
{
	static const uint16_t counts[] = {1, 2, 3, 7};
	static uint8_t owner[UINT16_MAX + 1];

	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		unsigned ids = (UINT16_MAX + 1u) / counts[i];
		struct rig *r = rig_create(counts[i]);

		memset(owner, 0, sizeof(owner));
		for (uint16_t w = 0; w < counts[i]; w++) {
			uint16_t first = sl_worker_ip_id(r->dp->workers[w]);

			owner[first] = (uint8_t)(w + 1);
			for (unsigned n = 1; n < ids; n++) {
				uint16_t id = sl_worker_ip_id(r->dp->workers[w]);

				cr_assert_eq(owner[id], 0, "%u workers: %u of worker %u is worker %d's", counts[i], id, w, owner[id] - 1);
				owner[id] = (uint8_t)(w + 1);
			}
			cr_assert_eq(sl_worker_ip_id(r->dp->workers[w]), first, "then round again");
		}
		rig_destroy(r);
	}
}
