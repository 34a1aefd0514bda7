/* The ethernet stage: what is for us, what it is, every short frame, and the rings to control behind punt. */
#include <criterion/criterion.h>

#include "tests/unit/dataplane/support.h"

static uint8_t packet[RIG_PACKET], frame[RIG_PACKET];

static const struct rig_flow v4 = {.src = "192.0.2.1", .dst = "203.0.113.10", .sport = 1, .dport = 2};
static const struct rig_flow v4_group = {.src = "192.0.2.1", .dst = "224.0.0.1", .sport = 1, .dport = 2};
static const struct rig_flow v4_all = {.src = "192.0.2.1", .dst = "255.255.255.255", .sport = 1, .dport = 2};
static const struct rig_flow v6 = {.src = "2001:db8::9", .dst = "2001:db8::10", .sport = 1, .dport = 2};
static const struct rig_flow v6_group = {.src = "fe80::9", .dst = "ff02::1", .sport = 1, .dport = 2};

#define OURS     {{0x02, 0, 0, 0, 0, RIG_WAN}}
#define OTHER    {{0x02, 0, 0, 0, 0, 0x77}}
#define ALL      {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
#define GROUP    {{0x33, 0x33, 0, 0, 0, 1}}
#define PADDING  18 /* a frame of 46 bytes */

Test(ethernet, exits)
{
	static const struct {
		const char *what;
		struct rte_ether_addr dst;
		uint16_t type;
		const struct rig_flow *flow;
		unsigned want;
	} cases[] = {
		{"IPv4 for us", OURS, RTE_ETHER_TYPE_IPV4, &v4, SL_STAGE_IP_INPUT},
		{"IPv6 for us", OURS, RTE_ETHER_TYPE_IPV6, &v6, SL_STAGE_IP_INPUT},
		{"ARP for us", OURS, RTE_ETHER_TYPE_ARP, &v4, SL_STAGE_PUNT},
		{"ARP for all", ALL, RTE_ETHER_TYPE_ARP, &v4, SL_STAGE_PUNT},
		{"IPv4 for another host", OTHER, RTE_ETHER_TYPE_IPV4, &v4, RIG_DROPPED(NOT_FOR_US)},
		{"ARP for another host", OTHER, RTE_ETHER_TYPE_ARP, &v4, RIG_DROPPED(NOT_FOR_US)},
		{"group packet in a group frame", GROUP, RTE_ETHER_TYPE_IPV6, &v6_group, SL_STAGE_IP_INPUT},
		{"IPv4 group packet in a broadcast", ALL, RTE_ETHER_TYPE_IPV4, &v4_group, SL_STAGE_IP_INPUT},
		{"IPv4 broadcast in a broadcast", ALL, RTE_ETHER_TYPE_IPV4, &v4_all, SL_STAGE_IP_INPUT},
		{"unicast IPv4 in a broadcast", ALL, RTE_ETHER_TYPE_IPV4, &v4, RIG_DROPPED(NOT_FOR_US)},
		{"unicast IPv6 in a group frame", GROUP, RTE_ETHER_TYPE_IPV6, &v6, RIG_DROPPED(NOT_FOR_US)},
		{"VLAN", OURS, RTE_ETHER_TYPE_VLAN, &v4, RIG_DROPPED(NOT_IP)},
		{"a length instead of a type", OURS, 60, &v4, RIG_DROPPED(NOT_IP)},
		{"IPv6 under IPv4's type", OURS, RTE_ETHER_TYPE_IPV4, &v6, RIG_DROPPED(BAD_IP_HEADER)},
		{"IPv4 under IPv6's type", OURS, RTE_ETHER_TYPE_IPV6, &v4, RIG_DROPPED(BAD_IP_HEADER)},
	};
	struct rig *r = rig_create(1);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = rig_udp(packet, cases[i].flow, "abcdef", 6);
		size_t n = rig_ether(r, frame, RIG_WAN, &cases[i].dst, cases[i].type, packet, len);

		for (size_t seg = 0; seg <= 30; seg += 5) {
			struct rte_mbuf *m = rig_mbuf(r, RIG_WAN, frame, n, seg);
			unsigned exit;

			rig_stage(r, sl_stage_ethernet, &m, 1);
			exit = rig_exit(r, &m);
			cr_expect_eq(exit, cases[i].want, "%s, segments of %zu: %s", cases[i].what, seg, rig_exit_name(exit));
			if (m) {
				uint8_t out[RIG_PACKET];

				cr_expect_eq(rig_bytes(m, out, sizeof(out)), len);
				cr_expect_arr_eq(out, packet, len);
				if (exit == SL_STAGE_PUNT)
					cr_expect_eq(sl_packet(m)->punt, SL_PUNT_ARP);
				rte_pktmbuf_free(m);
			}
		}
	}
	rig_destroy(r);
}

Test(ethernet, every_truncation)
{
	static const uint16_t types[] = {RTE_ETHER_TYPE_IPV4, RTE_ETHER_TYPE_IPV6, RTE_ETHER_TYPE_ARP};
	static const struct rte_ether_addr dsts[] = {OURS, ALL};
	struct rig *r = rig_create(1);

	for (unsigned t = 0; t < 3; t++) {
		for (unsigned d = 0; d < 2; d++) {
			size_t n = rig_udp(packet, t == 1 ? &v6 : &v4, "abcdef", 6);

			n = rig_ether(r, frame, RIG_WAN, &dsts[d], types[t], packet, n);
			for (size_t cut = 0; cut < n; cut++) {
				struct rte_mbuf *m = rig_mbuf_guarded(r, RIG_WAN, frame, cut);
				unsigned exit;

				rig_stage(r, sl_stage_ethernet, &m, 1);
				exit = rig_exit(r, NULL);
				cr_expect_eq(exit == RIG_DROPPED(TRUNCATED), cut <= RTE_ETHER_HDR_LEN, "%zu bytes: %s", cut,
					rig_exit_name(exit));
			}
		}
	}
	rig_destroy(r);
}

Test(ethernet, mtu)
{
	static const struct {
		uint16_t mtu;
		size_t len;
		unsigned want;
	} cases[] = {
		{1500, 1500, SL_STAGE_IP_INPUT},
		{1500, 1501, RIG_DROPPED(OVERSIZED)},
		{1280, 1280, SL_STAGE_IP_INPUT},
		{1280, 1281, RIG_DROPPED(OVERSIZED)},
	};
	struct rig *r = rig_create(1);
	uint8_t zeros[RIG_PACKET] = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = rig_udp(packet, &v4, zeros, cases[i].len - 28);
		struct rte_mbuf *m;
		unsigned exit;

		r->ifs[RIG_WAN].mtu = cases[i].mtu;
		rig_publish_if(r, RIG_WAN);
		n = rig_ether(r, frame, RIG_WAN, NULL, RTE_ETHER_TYPE_IPV4, packet, n);
		m = rig_mbuf(r, RIG_WAN, frame, n, 0);
		rig_stage(r, sl_stage_ethernet, &m, 1);
		exit = rig_exit(r, NULL);
		cr_expect_eq(exit, cases[i].want, "%zu at %u: %s", cases[i].len, cases[i].mtu, rig_exit_name(exit));
	}
	rig_destroy(r);
}

Test(ethernet, interfaces_that_are_none)
{
	static const uint16_t ifs[] = {0, RIG_WG0, 900, SL_IF_NONE};
	struct rig *r = rig_create(1);
	size_t n = rig_udp(packet, &v4, "x", 1);

	n = rig_ether(r, frame, RIG_WAN, NULL, RTE_ETHER_TYPE_IPV4, packet, n);
	for (unsigned i = 0; i < 4; i++) {
		struct rte_mbuf *m = rig_mbuf(r, ifs[i], frame, n, 0);

		rig_stage(r, sl_stage_ethernet, &m, 1);
		cr_expect_eq(rig_exit(r, NULL), RIG_DROPPED(INTERFACE_DOWN));
	}
	rig_destroy(r);
}

Test(punt, a_full_ring_drops_and_counts)
{
	struct rig *r = rig_create(1);
	unsigned room = rte_ring_free_count(r->dp->to_control);
	struct rte_mbuf *pkts[64];
	unsigned given = 0;

	while (given < room + 40) {
		for (unsigned i = 0; i < 64; i++)
			pkts[i] = rig_mbuf(r, RIG_WAN, "arp", 3, 0);
		rig_stage(r, sl_stage_punt, pkts, 64);
		given += 64;
	}
	cr_expect_eq(atomic_load(&r->w->stats.to_control), room);
	cr_expect_eq(rig_drops(r, SL_DROP_CONTROL_FULL), given - room);
	rig_check_conservation(r, given);
	rig_destroy(r);
}
