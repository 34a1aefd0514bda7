#include <netinet/in.h>

#include "tests/unit/dataplane/egress.h"

/* A handshake message as control makes it: no identification, no checksums, and no source where src is NULL. */
static struct rte_mbuf *
handshake(struct rig *r, const char *src, const char *dst, uint16_t wg_if, unsigned payload)
{
	bool v6 = strchr(dst, ':');
	struct rig_flow f = {.src = src ? src : v6 ? "::" : "0.0.0.0", .dst = dst, .sport = 51820, .dport = 9, .tos = 0x88,
		.no_udp_sum = true};
	uint8_t packet[RIG_PACKET], body[RIG_PACKET];
	struct rte_mbuf *m;
	size_t n;

	memset(body, 0x5a, sizeof(body));
	n = rig_udp(packet, &f, body, payload);
	if (!v6)
		packet[10] = packet[11] = 0;
	m = rig_mbuf(r, SL_IF_NONE, packet, n, 0);
	sl_packet(m)->wg_if = wg_if;
	sl_packet(m)->flags = SL_PKT_LOCAL | SL_PKT_OUTER;
	return m;
}

static void
expect_finished(const struct rig *r, unsigned i, const char *src, uint8_t tos)
{
	struct sl_ip_info info;
	const uint8_t *p = sent_ip(r, i, &info);
	struct sl_ip want = rig_ip(src), got = sl_ip_of(info.family, info.src);
	uint8_t fixed[RIG_PACKET];

	cr_expect(sl_ip_equal(&want, &got), "packet %u", i);
	cr_expect_eq(info.tos, tos);
	memcpy(fixed, p, info.total_len);
	rig_fix_checksums(fixed);
	cr_expect_eq(memcmp(fixed, p, info.total_len), 0, "checksums of packet %u", i);
}

Test(outer_route, p39_what_control_left_open_is_filled_in)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct sl_ip_info info;

	command(r, 0, SL_CMD_OUTER, 0, handshake(r, NULL, "198.51.100.7", RIG_WG0, 148));
	command(r, 0, SL_CMD_OUTER, 0, handshake(r, "10.20.0.1", "198.51.100.7", RIG_WG0, 148));
	command(r, 0, SL_CMD_OUTER, 0, handshake(r, NULL, "2001:db8:7::7", RIG_WG0, 148));
	command(r, 0, SL_CMD_OUTER, 0, handshake(r, "2001:db8::77", "2001:db8:7::7", RIG_WG0, 149));
	command(r, 0, SL_CMD_OUTER, 0, handshake(r, NULL, "10.20.9.9", RIG_WG0, 64));
	rig_neighbour(r, RIG_LAN, "10.20.9.9", 5);
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 5);
	for (unsigned i = 0; i < 5; i++) {
		static const char *const src[] = {"203.0.113.10", "10.20.0.1", "2001:db8::10", "2001:db8::77", "10.20.0.1"};
		bool lan = r->sent[i].port == RIG_LAN;

		expect_finished(r, i, src[i], 0x88);
		cr_expect_eq(lan, i == 4);
	}
	cr_expect_neq(memcmp(sent_ip(r, 0, &info) + 4, sent_ip(r, 1, &info) + 4, 2), 0, "identification");
	finish(r);
}

/* 0.0.0.0/0 as allowed IP does not swallow handshakes, nor does a route into their own interface. */
Test(outer_route, outer_routing)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	rig_allow(r, PEER, "0.0.0.0/0");
	rig_allow(r, PEER, "198.51.100.0/24");
	command(r, 0, SL_CMD_OUTER, 0, handshake(r, NULL, "198.51.100.7", RIG_WG0, 148));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 1);
	expect_finished(r, 0, "203.0.113.10", 0x88);
	finish(r);
}

/* A handshake through another tunnel is sealed for it, or waits for its session. */
Test(outer_route, nested)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s;
	uint8_t plain[RIG_PACKET];

	rig_allow(r, PEER, "10.66.0.0/16");
	command(r, 0, SL_CMD_OUTER, 0, handshake(r, NULL, "10.66.0.7", RIG_WG1, 148));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 0);
	cr_expect_eq(queued(r), 1);
	cr_expect_eq(facts(r, PEER), SL_FACT_NEED_SESSION);
	s = rig_session(r, PEER, true, true);
	command(r, 0, SL_CMD_DRAIN_PEER, PEER, NULL);
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 1);
	cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), 176);
	cr_expect_eq(memcmp(plain + 12, "\x0a\x40\0\1", 4), 0, "WG0's address");
	cr_expect_eq(sl_ip4_checksum(plain, 20), 0);
	finish(r);
}

Test(outer_route, waits_for_its_neighbour)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	command(r, 0, SL_CMD_OUTER, 0, handshake(r, NULL, "203.0.113.50", RIG_WG0, 148));
	rig_run(r, 0);
	cr_expect_eq(queued(r), 1);
	rig_neighbour(r, RIG_WAN, "203.0.113.50", 50);
	r->now += SL_NSEC_PER_MSEC;
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 1);
	expect_finished(r, 0, "203.0.113.10", 0x88);
	finish(r);
}

Test(outer_route, above_the_mtu)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	command(r, 0, SL_CMD_OUTER, 0, handshake(r, NULL, "198.51.100.7", RIG_WG0, 1600));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 2);
	finish(r);
}

Test(outer_route, what_cannot_go)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rte_mbuf *m;

	rig_route(r, "192.0.2.0/24", SL_ROUTE(SL_ROUTE_IF, 99));
	rig_route(r, "192.0.3.0/24", SL_ROUTE(SL_ROUTE_VIA, SL_NEXT_HOPS));
	rig_route(r, "192.0.4.0/24", SL_ROUTE(SL_ROUTE_IF, RIG_WG0));
	rig_route(r, "192.0.5.0/24", SL_ROUTE(SL_ROUTE_PEER, 1 << 20));
	command(r, 0, SL_CMD_OUTER, 0, handshake(r, NULL, "192.0.2.1", RIG_WG1, 148));
	command(r, 0, SL_CMD_OUTER, 0, handshake(r, NULL, "192.0.3.1", RIG_WG1, 148));
	command(r, 0, SL_CMD_OUTER, 0, handshake(r, NULL, "192.0.4.1", RIG_WG1, 148));
	command(r, 0, SL_CMD_OUTER, 0, handshake(r, NULL, "192.0.5.1", RIG_WG1, 148));
	m = handshake(r, NULL, "198.51.100.7", RIG_WG1, 148);
	rte_pktmbuf_mtod(m, uint8_t *)[9] = IPPROTO_TCP;
	command(r, 0, SL_CMD_OUTER, 0, m);
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_INTERFACE_DOWN), 2);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_ROUTE), 1);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_PEER), 1);
	cr_expect_eq(rig_drops(r, SL_DROP_BAD_IP_HEADER), 1);
	r->ifs[RIG_WAN].n_addresses = 0;
	rig_publish_if(r, RIG_WAN);
	command(r, 0, SL_CMD_OUTER, 0, handshake(r, NULL, "198.51.100.7", RIG_WG0, 148));
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_ROUTE), 2);
	finish(r);
}
