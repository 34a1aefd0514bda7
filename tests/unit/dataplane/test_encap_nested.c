/* Nested tunnels: peer 1 on WG0 is reached through peer 2 on WG1. */
#include "tests/unit/dataplane/egress.h"

#define INNER_ENDPOINT "10.65.0.7:4444"

static struct rig *
nested(void)
{
	struct rig *r = tunnel(1, INNER_ENDPOINT);

	rig_peer(r, 2, RIG_WG1, ENDPOINT6, NULL);
	rig_allow(r, 2, "10.65.0.7/32");
	return r;
}

Test(encap_nested, a_tunnel_in_a_tunnel)
{
	struct rig *r = nested();
	struct rig_session s1 = rig_session(r, PEER, true, true), s2 = rig_session(r, 2, true, true);
	uint8_t outer[RIG_PACKET], plain[RIG_PACKET];
	struct sl_ip_info info;

	encap(r, PEER, inner4(r, 333));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 1);
	cr_assert_eq(sent_plain(r, 0, &s2, outer, NULL), 28 + 32 + 336 + 4); /* padded to 16 */
	cr_assert_eq(sl_ip_hdr_parse(outer, 396, 396, &info), SL_IP_OK);
	cr_expect_eq(info.total_len, 28 + 32 + 336);
	cr_expect_eq(sl_ip4_checksum(outer, 20), 0);
	cr_expect_eq(memcmp(info.src, "\x0a\x41\0\1", 4), 0, "WG1's address");
	cr_expect_eq(memcmp(info.dst, "\x0a\x41\0\7", 4), 0);
	cr_expect_eq(rig_open(plain, &s1, outer + 28, 32 + 336), 336);
	cr_expect_eq(length_of(plain), 333);
	finish(r);
}

/* An outer packet above the next tunnel's MTU goes in pieces; pieces and what follows keep their order. */
Test(encap_nested, nested_packets_are_fragmented)
{
	struct rig *r = nested();
	struct rig_session s1 = rig_session(r, PEER, true, true), s2 = rig_session(r, 2, true, true);
	uint8_t piece[3][RIG_PACKET], whole[RIG_PACKET], plain[RIG_PACKET];

	encap(r, PEER, inner4(r, 1420));
	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 3);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_geq(sent_plain(r, i, &s2, piece[i], NULL), 48);
	cr_expect_eq(piece[0][6] << 8 | piece[0][7], 0x2000, "more fragments");
	cr_expect_eq((piece[1][6] << 8 | piece[1][7]) * 8u, length_of(piece[0]) - 20);
	memcpy(whole, piece[0] + 20, length_of(piece[0]) - 20);
	memcpy(whole + length_of(piece[0]) - 20, piece[1] + 20, length_of(piece[1]) - 20);
	cr_expect_eq(rig_open(plain, &s1, whole + 8, length_of(piece[0]) + length_of(piece[1]) - 48), 1420);
	cr_expect_eq(rig_open(plain, &s1, piece[2] + 28, length_of(piece[2]) - 28), 112);
	finish(r);
}

Test(encap_nested, the_inner_packet_waits_for_the_outer_tunnel)
{
	struct rig *r = nested();
	struct rig_session s1 = rig_session(r, PEER, true, true), s2;
	uint8_t outer[RIG_PACKET], plain[RIG_PACKET];

	for (unsigned i = 0; i < 3; i++)
		encap(r, PEER, inner4(r, 100 + i));
	rig_run(r, 0);
	cr_expect_eq(queued(r), 3);
	cr_expect_eq(facts(r, PEER), 0);
	cr_expect_eq(facts(r, 2), SL_FACT_NEED_SESSION);
	cr_expect_eq(sl_sender_counter(s1.s->sender), 0);
	s2 = rig_session(r, 2, true, true);
	encap(r, PEER, inner4(r, 103));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 4);
	for (unsigned i = 0; i < 4; i++) {
		cr_assert_gt(sent_plain(r, i, &s2, outer, NULL), 0);
		cr_expect_eq(rig_open(plain, &s1, outer + 28, length_of(outer) - 28), 112);
		cr_expect_eq(length_of(plain), 100 + i);
	}
	finish(r);
}

/* Each of two tunnels leads into the other: the chain is given up before anything is sealed. */
Test(encap_nested, tunnels_that_lead_into_each_other)
{
	struct rig *r = nested();
	struct rig_session s1 = rig_session(r, PEER, true, true), s2 = rig_session(r, 2, true, true);

	rig_peer(r, 2, RIG_WG1, "10.64.0.2:9", NULL);
	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NESTING), 1);
	cr_expect_eq(sl_sender_counter(s1.s->sender) + sl_sender_counter(s2.s->sender), 0);
	finish(r);
}

/* Peers 1 → 2 → 3 → 4 → port is as deep as it goes. */
Test(encap_nested, depth_limit)
{
	struct rig *r = tunnel(1, "10.65.0.2:9");
	struct rig_session s = rig_session(r, PEER, true, true);

	for (uint32_t i = 2; i <= 5; i++) {
		char own[32], next[32];

		snprintf(own, sizeof(own), "10.%u.0.%u/32", i % 2 ? 64 : 65, i);
		snprintf(next, sizeof(next), "10.%u.0.%u:9", i % 2 ? 65 : 64, i + 1);
		rig_peer(r, i, i % 2 ? RIG_WG0 : RIG_WG1, i == 4 ? ENDPOINT4 : next, NULL);
		rig_allow(r, i, own);
		rig_session(r, i, true, true);
	}
	encap(r, PEER, inner4(r, 500));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 1);
	cr_expect_eq(rig_all_drops(r), 0);
	/* the same way for a packet that has been through a tunnel before */
	encap(r, PEER, inner4(r, 500));
	sl_packet(r->w->stages[SL_STAGE_ENCAP]->pkts[0])->nesting = 1;
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NESTING), 1);
	/* one deeper */
	rig_peer(r, 4, RIG_WG1, "10.64.0.5:9", NULL);
	rig_peer(r, 5, RIG_WG0, ENDPOINT4, NULL);
	encap(r, PEER, inner4(r, 500));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 1);
	cr_expect_eq(rig_drops(r, SL_DROP_NESTING), 2);
	cr_expect_eq(sl_sender_counter(s.s->sender), 1, "given up before anything was sealed");
	finish(r);
}
