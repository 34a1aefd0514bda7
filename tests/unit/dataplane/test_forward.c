#include <netinet/in.h>

#include "tests/unit/dataplane/egress.h"

struct forward_case {
	const char *src, *dst;
	uint16_t in_if;
	uint8_t flags;
	enum sl_stage exit;  /* or SL_STAGE_COUNT: dropped */
	enum sl_drop reason;
	uint16_t out_if;
	const char *next_hop;
};

static const struct forward_case cases[] = {
	{HOST_V4, PEER_V4, RIG_LAN, 0, SL_STAGE_ENCAP, 0, RIG_WG0, NULL},
	{HOST_V6, PEER_V6, RIG_LAN, 0, SL_STAGE_ENCAP, 0, RIG_WG0, NULL},
	{HOST_V4, "8.8.8.8", RIG_LAN, 0, SL_STAGE_NEIGHBOUR, 0, RIG_WAN, GATEWAY4},
	{HOST_V4, "203.0.113.5", RIG_LAN, 0, SL_STAGE_NEIGHBOUR, 0, RIG_WAN, "203.0.113.5"},
	{HOST_V6, "2001:4860::1", RIG_LAN, 0, SL_STAGE_NEIGHBOUR, 0, RIG_WAN, GATEWAY6},
	{PEER_V4, HOST_V4, RIG_WG0, SL_PKT_DECAPPED, SL_STAGE_NEIGHBOUR, 0, RIG_LAN, HOST_V4},
	{PEER_V4, "10.64.0.3", RIG_WG0, SL_PKT_DECAPPED, SL_STAGE_ENCAP, 0, RIG_WG0, NULL}, /* spoke to spoke */
	{PEER_V4, PEER_V4, RIG_WG0, SL_PKT_DECAPPED, SL_STAGE_ENCAP, 0, RIG_WG0, NULL},
	{"8.8.8.8", HOST_V4, RIG_WAN, 0, SL_STAGE_NEIGHBOUR, 0, RIG_LAN, HOST_V4},
	{"8.8.8.8", PEER_V4, RIG_WAN, 0, SL_STAGE_COUNT, SL_DROP_CLEAR_NOT_FORWARDED, 0, NULL},
	{"8.8.8.8", "10.64.7.7", RIG_WAN, 0, SL_STAGE_COUNT, SL_DROP_CLEAR_NOT_FORWARDED, 0, NULL},
	{HOST_V4, "10.64.7.7", RIG_LAN, 0, SL_STAGE_ICMP_ERROR, SL_DROP_NO_PEER, 0, NULL},
	{HOST_V4, "224.0.0.5", RIG_LAN, 0, SL_STAGE_COUNT, SL_DROP_NO_ROUTE, 0, NULL},
	{HOST_V4, "255.255.255.255", RIG_LAN, 0, SL_STAGE_COUNT, SL_DROP_NO_ROUTE, 0, NULL},
	{HOST_V4, "169.254.1.1", RIG_LAN, 0, SL_STAGE_COUNT, SL_DROP_NO_ROUTE, 0, NULL},
	{HOST_V4, "127.0.0.1", RIG_LAN, 0, SL_STAGE_COUNT, SL_DROP_NO_ROUTE, 0, NULL},
	{"169.254.1.1", "8.8.8.8", RIG_LAN, 0, SL_STAGE_COUNT, SL_DROP_NO_ROUTE, 0, NULL},
	{HOST_V6, "ff0e::1", RIG_LAN, 0, SL_STAGE_COUNT, SL_DROP_NO_ROUTE, 0, NULL},
	{HOST_V6, "fe80::9", RIG_LAN, 0, SL_STAGE_COUNT, SL_DROP_NO_ROUTE, 0, NULL},
	{"fe80::9", PEER_V6, RIG_LAN, 0, SL_STAGE_COUNT, SL_DROP_NO_ROUTE, 0, NULL},
	{HOST_V6, "::1", RIG_LAN, 0, SL_STAGE_COUNT, SL_DROP_NO_ROUTE, 0, NULL},
	{HOST_V4, PEER_V4, 99, 0, SL_STAGE_COUNT, SL_DROP_CLEAR_NOT_FORWARDED, 0, NULL}, /* its port is gone */
	{"203.0.113.10", PEER_V4, SL_IF_NONE, SL_PKT_LOCAL, SL_STAGE_ENCAP, 0, RIG_WG0, NULL},
};

Test(forward, where_packets_go)
{
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct forward_case *c = &cases[i];
		struct rig *r = tunnel(1, ENDPOINT4);
		struct rte_mbuf *m, *out;

		rig_peer(r, 3, RIG_WG0, ENDPOINT4, NULL);
		rig_allow(r, 3, "10.64.0.3/32");
		m = udp(r, c->in_if, &(struct rig_flow){.src = c->src, .dst = c->dst}, 100);
		sl_packet(m)->flags = c->flags;
		strays++;
		rig_stage(r, sl_stage_forward, &m, 1);
		if (c->exit == SL_STAGE_COUNT) {
			cr_expect_eq(rig_drops(r, c->reason), 1, "case %u", i);
			cr_expect_eq(rig_all_drops(r), 1, "case %u", i);
			finish(r);
			continue;
		}
		out = rig_take(r, c->exit);
		cr_assert_eq(out, m, "case %u: not at its exit", i);
		strays--;
		if (c->exit == SL_STAGE_ICMP_ERROR)
			cr_expect_eq(sl_packet(m)->drop, c->reason, "case %u", i);
		else
			cr_expect_eq(sl_packet(m)->out_if, c->out_if, "case %u", i);
		if (c->next_hop) {
			struct sl_ip want = rig_ip(c->next_hop);

			cr_expect(sl_ip_equal(&sl_packet(m)->next_hop, &want), "case %u", i);
			cr_expect_eq(sl_packet(m)->out_peer, SL_PEER_NONE);
		}
		rte_pktmbuf_free(m);
		finish(r);
	}
}

static struct rte_mbuf *
packet_of(struct rig *r, const struct forward_case *c)
{
	struct rte_mbuf *m = udp(r, c->in_if, &(struct rig_flow){.src = c->src, .dst = c->dst}, 100);

	sl_packet(m)->flags = c->flags;
	return m;
}

#define BURST_OF_KINDS 70

/* Every packet of the burst goes where its case says, in its order. */
static void
check_burst(struct rig *r, const struct forward_case *const *burst, unsigned n)
{
	struct rte_mbuf *pkts[BURST_OF_KINDS], *given[BURST_OF_KINDS], *m;

	for (unsigned i = 0; i < n; i++)
		given[i] = pkts[i] = packet_of(r, burst[i]);
	rig_stage(r, sl_stage_forward, given, n);
	for (unsigned i = 0; i < n; i++) {
		const struct forward_case *c = burst[i];

		if (c->exit == SL_STAGE_COUNT) {
			cr_assert_gt(rig_drops(r, c->reason), 0, "case %u", (unsigned)(c - cases));
			atomic_fetch_sub(&r->w->stats.drops[c->reason], 1);
			continue;
		}
		m = rig_take(r, c->exit);
		cr_assert_eq(m, pkts[i], "case %u: not at its exit, or not in its order", (unsigned)(c - cases));
		if (c->exit == SL_STAGE_ICMP_ERROR)
			cr_assert_eq(sl_packet(m)->drop, c->reason);
		else
			cr_assert_eq(sl_packet(m)->out_if, c->out_if);
		if (c->next_hop) {
			struct sl_ip want = rig_ip(c->next_hop);

			cr_assert(sl_ip_equal(&sl_packet(m)->next_hop, &want));
			cr_assert_eq(sl_packet(m)->out_peer, SL_PEER_NONE);
		}
		if (c->exit == SL_STAGE_ENCAP)
			cr_assert_eq(sl_packet(m)->out_peer, strcmp(c->dst, "10.64.0.3") == 0 ? 3 : PEER);
		rte_pktmbuf_free(m);
	}
	cr_assert_eq(rig_all_drops(r), 0);
}

static unsigned
random_below(uint64_t *seed, unsigned n)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1;
	return (unsigned)(*seed >> 33) % n;
}

/* What is remembered of one packet's destination serves no other packet that it is not true of. */
Test(forward, bursts_of_few_kinds)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	uint64_t seed = 3;

	rig_peer(r, 3, RIG_WG0, ENDPOINT4, NULL);
	rig_allow(r, 3, "10.64.0.3/32");
	for (unsigned round = 0; round < 20000; round++) {
		const struct forward_case *burst[6];
		unsigned kinds[3];

		for (unsigned i = 0; i < 3; i++)
			kinds[i] = random_below(&seed, RTE_DIM(cases));
		for (unsigned i = 0; i < 6; i++)
			burst[i] = &cases[kinds[random_below(&seed, 3)]];
		check_burst(r, burst, 6);
	}
	finish(r);
}

/* Long bursts: IPv4 alone, and with an IPv6 packet at any place among them. */
Test(forward, bursts_of_both_families)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	uint64_t seed = 4;

	rig_peer(r, 3, RIG_WG0, ENDPOINT4, NULL);
	rig_allow(r, 3, "10.64.0.3/32");
	for (unsigned round = 0; round < 1000; round++) {
		const struct forward_case *burst[BURST_OF_KINDS];
		unsigned n = 1 + random_below(&seed, BURST_OF_KINDS);

		for (unsigned i = 0; i < n; i++) {
			do {
				burst[i] = &cases[random_below(&seed, RTE_DIM(cases))];
			} while (burst[i]->exit == SL_STAGE_ICMP_ERROR || strchr(burst[i]->dst, ':') != NULL);
		}
		if (round % 2 == 1)
			burst[random_below(&seed, n)] = &cases[random_below(&seed, 2) == 0 ? 1 : 4];
		check_burst(r, burst, n);
	}
	finish(r);
}

/* The same as a route to the interface rather than to the peer: the cryptokey table decides. */
Test(forward, interface_routes_ask_the_cryptokey_table)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct sl_prefix p;
	struct rte_mbuf *m;

	cr_assert(sl_prefix_parse("10.99.0.0/16", &p));
	cr_assert_eq(sl_lpm_set(r->ifs[RIG_WG0].cryptokey, &p, PEER + 1, NULL), 0);
	rig_route(r, "10.99.0.0/17", SL_ROUTE(SL_ROUTE_IF, RIG_WG0));
	r->dp->routes.next_hops[9] = (struct sl_next_hop){.gateway = rig_ip("10.64.0.2"), .out_if = RIG_WG0};
	rig_route(r, "10.99.128.0/17", SL_ROUTE(SL_ROUTE_VIA, 9));
	for (unsigned i = 0; i < 2; i++) {
		m = udp(r, RIG_LAN, &(struct rig_flow){.src = HOST_V4, .dst = i ? "10.99.200.1" : "10.99.1.1"}, 100);
		rig_stage(r, sl_stage_forward, &m, 1);
		cr_assert_eq(rig_take(r, SL_STAGE_ENCAP), m);
		cr_expect_eq(sl_packet(m)->out_peer, PEER);
		rte_pktmbuf_free(m);
	}
	finish(r);
}

Test(forward, a_one_armed_gateway_says_so)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rte_mbuf *m = udp(r, RIG_WAN, &(struct rig_flow){.src = "203.0.113.7", .dst = PEER_V4}, 100);

	r->ifs[RIG_WAN].forward_clear = true;
	rig_publish_if(r, RIG_WAN);
	rig_stage(r, sl_stage_forward, &m, 1);
	cr_assert_eq(rig_take(r, SL_STAGE_ENCAP), m);
	rte_pktmbuf_free(m);
	finish(r);
}

Test(forward, hops_are_spent)
{
	static const struct {
		uint8_t ttl, flags;
		bool passes;
		uint8_t want;
	} hops[] = {{64, 0, true, 63}, {2, 0, true, 1}, {1, 0, false, 1}, {255, SL_PKT_DECAPPED, true, 254},
		{1, SL_PKT_LOCAL, true, 1}, {64, SL_PKT_LOCAL, true, 64}};

	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned i = 0; i < RTE_DIM(hops); i++) {
			struct rig *r = tunnel(1, ENDPOINT4);
			struct rig_flow f = {.src = v6 ? HOST_V6 : HOST_V4, .dst = v6 ? PEER_V6 : PEER_V4, .ttl = hops[i].ttl};
			struct rte_mbuf *m = udp(r, RIG_LAN, &f, 100);
			const uint8_t *h;

			sl_packet(m)->flags = hops[i].flags;
			rig_stage(r, sl_stage_forward, &m, 1);
			cr_assert_eq(rig_take(r, hops[i].passes ? SL_STAGE_ENCAP : SL_STAGE_ICMP_ERROR), m, "case %u", i);
			h = rte_pktmbuf_mtod(m, const uint8_t *);
			cr_expect_eq(h[v6 ? 7 : 8], hops[i].want, "case %u", i);
			if (!v6)
				cr_expect_eq(sl_ip4_checksum(h, 20), 0);
			if (!hops[i].passes)
				cr_expect_eq(sl_packet(m)->drop, SL_DROP_TTL_EXCEEDED);
			rte_pktmbuf_free(m);
			finish(r);
		}
}

/* The checksum stays right whatever the header holds. */
Test(forward, incremental_checksum)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	for (unsigned i = 0; i < 2000; i++) {
		struct rig_flow f = {.src = HOST_V4, .dst = PEER_V4, .ttl = (uint8_t)(2 + i % 254), .id = (uint16_t)(i * 33)};
		struct rte_mbuf *m = udp(r, RIG_LAN, &f, 100);

		rig_stage(r, sl_stage_forward, &m, 1);
		cr_assert_eq(rig_take(r, SL_STAGE_ENCAP), m);
		cr_assert_eq(sl_ip4_checksum(rte_pktmbuf_mtod(m, void *), 20), 0);
		rte_pktmbuf_free(m);
	}
	finish(r);
}

Test(forward, above_the_mtu)
{
	static const struct {
		const char *src, *dst;
		unsigned len;
		bool df;
		uint8_t flags;
		enum sl_stage exit;
		uint32_t mtu;
	} mtus[] = {
		{HOST_V4, PEER_V4, 1420, true, 0, SL_STAGE_ENCAP, 0},
		{HOST_V4, PEER_V4, 1421, true, 0, SL_STAGE_ICMP_ERROR, 1420},
		{HOST_V4, PEER_V4, 1421, false, 0, SL_STAGE_FRAGMENT, 0},
		{HOST_V6, PEER_V6, 1420, false, 0, SL_STAGE_ENCAP, 0},
		{HOST_V6, PEER_V6, 1421, false, 0, SL_STAGE_ICMP_ERROR, 1420},
		{HOST_V6, PEER_V6, 1421, false, SL_PKT_LOCAL, SL_STAGE_FRAGMENT, 0},
		{PEER_V4, HOST_V4, 1500, true, SL_PKT_DECAPPED, SL_STAGE_NEIGHBOUR, 0},
		{PEER_V4, HOST_V4, 1501, true, SL_PKT_DECAPPED, SL_STAGE_ICMP_ERROR, 1500},
		{PEER_V4, HOST_V4, 1501, false, SL_PKT_DECAPPED, SL_STAGE_FRAGMENT, 0},
	};

	for (unsigned i = 0; i < RTE_DIM(mtus); i++) {
		struct rig *r = tunnel(1, ENDPOINT4);
		struct rig_flow f = {.src = mtus[i].src, .dst = mtus[i].dst, .df = mtus[i].df};
		struct rte_mbuf *m = udp(r, RIG_LAN, &f, mtus[i].len);

		sl_packet(m)->flags = mtus[i].flags;
		rig_stage(r, sl_stage_forward, &m, 1);
		cr_assert_eq(rig_take(r, mtus[i].exit), m, "case %u", i);
		if (mtus[i].exit == SL_STAGE_ICMP_ERROR) {
			cr_expect_eq(sl_packet(m)->icmp_mtu, mtus[i].mtu);
			cr_expect_eq(sl_packet(m)->drop, SL_DROP_TOO_BIG);
			cr_expect_eq(rte_pktmbuf_mtod(m, uint8_t *)[f.src[4] == ':' ? 7 : 8], 64, "quoted as it was sent");
		}
		rte_pktmbuf_free(m);
		finish(r);
	}
}

/* An interface of MTU 0 has none. */
Test(forward, no_mtu_no_limit)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rte_mbuf *m;

	r->ifs[RIG_WG0].mtu = 0;
	rig_publish_if(r, RIG_WG0);
	m = inner4(r, 1500);
	rig_stage(r, sl_stage_forward, &m, 1);
	cr_assert_eq(rig_take(r, SL_STAGE_ENCAP), m);
	rte_pktmbuf_free(m);
	finish(r);
}

Test(forward, no_route)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct sl_prefix all;
	struct rte_mbuf *m[3];

	cr_assert(sl_prefix_parse("0.0.0.0/0", &all));
	cr_assert_eq(sl_lpm_remove(r->dp->routes.lpm, &all, NULL), 0);
	m[0] = udp(r, RIG_LAN, &(struct rig_flow){.src = HOST_V4, .dst = "8.8.8.8"}, 100);
	m[1] = udp(r, RIG_LAN, &(struct rig_flow){.src = HOST_V4, .dst = "8.8.8.8"}, 100);
	sl_packet(m[1])->flags = SL_PKT_LOCAL;
	rig_route(r, "9.0.0.0/8", SL_ROUTE(SL_ROUTE_IF, 500));
	m[2] = udp(r, RIG_LAN, &(struct rig_flow){.src = HOST_V4, .dst = "9.8.8.8"}, 100);
	rig_stage(r, sl_stage_forward, m, 3);
	cr_assert_eq(rig_take(r, SL_STAGE_ICMP_ERROR), m[0]);
	cr_expect_eq(sl_packet(m[0])->drop, SL_DROP_NO_ROUTE);
	cr_expect_eq(sl_packet(m[0])->icmp_type, 3);
	cr_expect_eq(sl_packet(m[0])->icmp_code, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_ROUTE), 1, "nobody to tell about a packet of our own");
	cr_expect_eq(rig_drops(r, SL_DROP_INTERFACE_DOWN), 1);
	rte_pktmbuf_free(m[0]);
	strays = 2;
	finish(r);
}

/* A packet of our own that names its port needs no route: answers to link-local addresses, and multicast. */
Test(forward, our_own_packets_to_the_link)
{
	static const char *const dst[] = {"fe80::77", "ff02::1"};

	for (unsigned i = 0; i < 2; i++) {
		struct rig *r = tunnel(1, ENDPOINT4);
		struct rte_mbuf *m = udp(r, SL_IF_NONE, &(struct rig_flow){.src = "fe80::1", .dst = dst[i]}, 100);

		sl_packet(m)->flags = SL_PKT_LOCAL;
		sl_packet(m)->out_if = RIG_LAN;
		rig_neighbour(r, RIG_LAN, "fe80::77", 0x77);
		put(r, SL_STAGE_FORWARD, m);
		rig_run(r, 0);
		cr_assert_eq(r->n_sent, 1);
		cr_expect_eq(r->sent[0].port, RIG_LAN);
		cr_expect_eq(memcmp(rte_pktmbuf_mtod(r->sent[0].m, void *), i ? "\x33\x33\0\0\0\1" : "\x02\xaa\0\0\0\x77", 6), 0);
		finish(r);
	}
}

/* A small packet behind one that is cut does not overtake it. */
Test(forward, order_behind_fragments)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	uint8_t plain[RIG_PACKET];

	put(r, SL_STAGE_FORWARD, inner4(r, 200));
	put(r, SL_STAGE_FORWARD, inner4(r, 1500));
	put(r, SL_STAGE_FORWARD, inner4(r, 300));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 4);
	sent_plain(r, 0, &s, plain, NULL);
	cr_expect_eq(plain[2] << 8 | plain[3], 200);
	sent_plain(r, 1, &s, plain, NULL);
	cr_expect_eq(plain[2] << 8 | plain[3], 1420 - (1420 - 20) % 8);
	sent_plain(r, 3, &s, plain, NULL);
	cr_expect_eq(plain[2] << 8 | plain[3], 300);
	finish(r);
}

/* More packets than a burst, of all kinds at once. */
Test(forward, large_mixed_vectors)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rte_mbuf *m[300];

	for (unsigned i = 0; i < 300; i++)
		m[i] = i % 3 == 0 ? inner4(r, 100)
			: i % 3 == 1 ? inner6(r, 100)
				     : udp(r, RIG_LAN, &(struct rig_flow){.src = HOST_V4, .dst = "10.64.9.9"}, 100);
	strays = 300;
	rig_stage(r, sl_stage_forward, m, 300);
	cr_expect_eq(rig_waiting(r, SL_STAGE_ENCAP), 200);
	cr_expect_eq(rig_waiting(r, SL_STAGE_ICMP_ERROR), 100);
	rig_run(r, 0);
	finish(r);
}
