/* The ip-input stage: what is for us, what is forwarded, and which sources a clear packet may have (config.md, Routing). */
#include <netinet/in.h>

#include <criterion/criterion.h>

#include "tests/unit/dataplane/support.h"

static uint8_t packet[RIG_PACKET];

#define WG RIG_WG0_PORT

static const struct input_case {
	const char *what;
	uint16_t in_if;
	uint8_t flags;
	struct rig_flow flow;
	unsigned want;
} cases[] = {
	/* forwarding */
	{"LAN to WAN", RIG_LAN, 0, {"10.20.0.5", "192.0.2.1", 1, 2}, SL_STAGE_FORWARD},
	{"LAN to WAN, IPv6", RIG_LAN, 0, {"fd00:20::5", "2001:db8:9::1", 1, 2}, SL_STAGE_FORWARD},
	{"LAN to a peer", RIG_LAN, 0, {"10.20.0.5", "10.64.0.2", 1, 2}, SL_STAGE_FORWARD},
	{"from a tunnel", RIG_WG0, SL_PKT_DECAPPED, {"10.64.0.2", "10.20.0.5", 1, 2}, SL_STAGE_FORWARD},
	{"made here", RIG_LAN, SL_PKT_LOCAL, {"10.20.0.1", "10.64.0.2", 1, 2}, SL_STAGE_FORWARD},
	/* destinations nobody forwards to */
	{"multicast", RIG_LAN, 0, {"10.20.0.5", "224.0.0.5", 1, 2}, RIG_DROPPED(NOT_FOR_US)},
	{"multicast, IPv6", RIG_LAN, 0, {"fd00:20::5", "ff02::5", 1, 2}, RIG_DROPPED(NOT_FOR_US)},
	{"limited broadcast", RIG_LAN, 0, {"10.20.0.5", "255.255.255.255", 1, 2}, RIG_DROPPED(NOT_FOR_US)},
	{"subnet broadcast", RIG_LAN, 0, {"10.20.0.5", "10.20.255.255", 1, 2}, RIG_DROPPED(NOT_FOR_US)},
	{"loopback", RIG_LAN, 0, {"10.20.0.5", "127.0.0.1", 1, 2}, RIG_DROPPED(NOT_FOR_US)},
	{"loopback, IPv6", RIG_LAN, 0, {"fd00:20::5", "::1", 1, 2}, RIG_DROPPED(NOT_FOR_US)},
	{"zero", RIG_LAN, 0, {"10.20.0.5", "0.0.0.0", 1, 2}, RIG_DROPPED(NOT_FOR_US)},
	{"link-local destination elsewhere", RIG_LAN, 0, {"fd00:20::5", "fe80::99", 1, 2}, RIG_DROPPED(NOT_FOR_US)},
	{"link-local source", RIG_LAN, 0, {"fe80::99", "2001:db8:9::1", 1, 2}, RIG_DROPPED(NOT_FOR_US)},
	/* for us */
	{"ping", RIG_LAN, 0, {"10.20.0.5", "10.20.0.1", .proto = IPPROTO_ICMP}, SL_STAGE_PUNT},
	{"ping to another of ours", RIG_LAN, 0, {"10.20.0.5", "203.0.113.10", .proto = IPPROTO_ICMP}, SL_STAGE_PUNT},
	{"ping from a tunnel", RIG_WG0, SL_PKT_DECAPPED, {"10.64.0.2", "10.64.0.1", .proto = IPPROTO_ICMP}, SL_STAGE_PUNT},
	{"UDP nobody listens on", RIG_LAN, 0, {"10.20.0.5", "10.20.0.1", 1, 53}, SL_STAGE_PUNT},
	{"neighbour solicitation", RIG_LAN, 0, {"fe80::99", "ff02::1", .proto = IPPROTO_ICMPV6}, SL_STAGE_PUNT},
	{"from a global address", RIG_LAN, 0, {"fd00:20::5", "ff02::1", .proto = IPPROTO_ICMPV6}, SL_STAGE_PUNT},
	{"to our link-local address", RIG_LAN, 0, {"fe80::99", "fe80::1", .proto = IPPROTO_ICMPV6}, SL_STAGE_PUNT},
	{"duplicate address detection", RIG_LAN, 0, {"::", "ff02::1", .proto = IPPROTO_ICMPV6}, SL_STAGE_PUNT},
	{"duplicate address detection, unicast", RIG_LAN, 0, {"::", "fd00:20::1", .proto = IPPROTO_ICMPV6}, SL_STAGE_PUNT},
	{"UDP to a group", RIG_LAN, 0, {"fe80::99", "ff02::1", 5353, 5353}, RIG_DROPPED(NOT_FOR_US)},
	{"unspecified source otherwise", RIG_LAN, 0, {"::", "ff02::1", 5353, 5353}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"unspecified source to be forwarded", RIG_LAN, 0, {"::", "2001:db8:9::1", .proto = IPPROTO_ICMPV6},
		RIG_DROPPED(SPOOFED_SOURCE)},
	{"unspecified source in a tunnel", RIG_WG0, SL_PKT_DECAPPED, {"::", "fd00:20::1", .proto = IPPROTO_ICMPV6},
		RIG_DROPPED(SPOOFED_SOURCE)},
	/* WireGuard */
	{"WireGuard", RIG_WAN, 0, {"192.0.2.1", "203.0.113.10", 1, WG}, SL_STAGE_OUTER_UDP},
	{"WireGuard over IPv6", RIG_WAN, 0, {"2001:db8:9::1", "2001:db8::10", 1, WG}, SL_STAGE_OUTER_UDP},
	{"WireGuard from the LAN to the WAN address", RIG_LAN, 0, {"10.20.0.5", "203.0.113.10", 1, WG}, SL_STAGE_OUTER_UDP},
	{"WireGuard inside a tunnel", RIG_WG0, SL_PKT_DECAPPED, {"10.64.0.2", "10.64.0.1", 1, RIG_WG1_PORT}, SL_STAGE_OUTER_UDP},
	{"WireGuard claiming a peer's address proves itself", RIG_WAN, 0, {"10.64.0.2", "203.0.113.10", 1, WG}, SL_STAGE_OUTER_UDP},
	{"WireGuard from multicast", RIG_WAN, 0, {"224.1.1.1", "203.0.113.10", 1, WG}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"WireGuard from loopback", RIG_WAN, 0, {"127.0.0.1", "203.0.113.10", 1, WG}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"WireGuard from zero", RIG_WAN, 0, {"0.0.0.0", "203.0.113.10", 1, WG}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"WireGuard from ::", RIG_WAN, 0, {"::", "2001:db8::10", 1, WG}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"WireGuard from ourselves", RIG_WAN, 0, {"10.20.0.1", "203.0.113.10", 1, WG}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"WireGuard from broadcast", RIG_WAN, 0, {"255.255.255.255", "203.0.113.10", 1, WG}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"WireGuard from a subnet's broadcast", RIG_WAN, 0, {"203.0.113.255", "203.0.113.10", 1, WG}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"multicast source inside a tunnel", RIG_WG0, SL_PKT_DECAPPED, {"224.1.1.1", "10.64.0.1", 1, RIG_WG1_PORT},
		RIG_DROPPED(SPOOFED_SOURCE)},
	/* spoofed sources of clear packets */
	{"a peer's address", RIG_WAN, 0, {"10.64.0.2", "10.20.0.5", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"a peer's network", RIG_LAN, 0, {"10.30.7.7", "192.0.2.1", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"a peer's address, IPv6", RIG_WAN, 0, {"fd00:64::2", "fd00:20::5", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"a tunnel's prefix that no peer has", RIG_WAN, 0, {"10.64.9.9", "10.20.0.5", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"routed to an interface", RIG_WAN, 0, {"10.99.0.1", "10.20.0.5", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"routed by a next hop in a tunnel", RIG_WAN, 0, {"10.98.0.1", "10.20.0.5", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"a peer's address pinging us", RIG_LAN, 0, {"10.64.0.2", "10.20.0.1", .proto = IPPROTO_ICMP}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"our address", RIG_LAN, 0, {"10.20.0.1", "192.0.2.1", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"our address on another interface", RIG_WAN, 0, {"10.20.0.1", "10.20.0.5", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"our link-local address", RIG_LAN, 0, {"fe80::1", "ff02::1", .proto = IPPROTO_ICMPV6}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"multicast source", RIG_LAN, 0, {"224.0.0.1", "192.0.2.1", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"multicast source, IPv6", RIG_LAN, 0, {"ff02::2", "2001:db8:9::1", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"broadcast source", RIG_LAN, 0, {"10.20.255.255", "192.0.2.1", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"loopback source", RIG_LAN, 0, {"127.0.0.53", "192.0.2.1", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"loopback source, IPv6", RIG_LAN, 0, {"::1", "2001:db8:9::1", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"zero source", RIG_LAN, 0, {"0.0.0.0", "192.0.2.1", 1, 2}, RIG_DROPPED(SPOOFED_SOURCE)},
	{"no interface", 700, 0, {"10.20.0.5", "192.0.2.1", 1, 2}, RIG_DROPPED(INTERFACE_DOWN)},
};

static struct rig *
rig_with_peers(void)
{
	struct rig *r = rig_create(1);

	rig_peer(r, 7, RIG_WG0, "192.0.2.1:51820", NULL);
	rig_allow(r, 7, "10.64.0.2/32");
	rig_allow(r, 7, "10.30.0.0/16");
	rig_allow(r, 7, "fd00:64::2/128");
	rig_route(r, "10.99.0.0/16", SL_ROUTE(SL_ROUTE_IF, RIG_WG0));
	r->dp->routes.next_hops[2] = (struct sl_next_hop){.gateway = rig_ip("10.64.0.2"), .out_if = RIG_WG0};
	rig_route(r, "10.98.0.0/16", SL_ROUTE(SL_ROUTE_VIA, 2));
	return r;
}

static struct rte_mbuf *
flagged(struct rte_mbuf *m, uint8_t flags)
{
	sl_packet(m)->flags = flags;
	return m;
}

Test(ip_input, exits)
{
	struct rig *r = rig_with_peers();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct input_case *c = &cases[i];
		size_t len = rig_udp(packet, &c->flow, "abcdefgh", 8);

		for (size_t seg = 0; seg <= 23; seg += 23) {
			struct rte_mbuf *m = flagged(rig_mbuf(r, c->in_if, packet, len, seg), c->flags);
			unsigned exit;

			rig_stage(r, sl_stage_ip_input, &m, 1);
			exit = rig_exit(r, &m);
			cr_expect_eq(exit, c->want, "%s, segments of %zu: %s", c->what, seg, rig_exit_name(exit));
			if (exit == SL_STAGE_PUNT)
				cr_expect_eq(sl_packet(m)->punt, SL_PUNT_LOCAL);
			if (exit == SL_STAGE_OUTER_UDP) {
				cr_expect_eq(sl_packet(m)->wg_if, c->flow.dport == WG ? RIG_WG0 : RIG_WG1);
				cr_expect_eq(m->l3_len, c->flow.src[0] == '2' && c->flow.src[3] == '1' ? 40 : 20, "%s", c->what);
			}
			rte_pktmbuf_free(m);
		}
	}
	rig_destroy(r);
}

#define CASES     (sizeof(cases) / sizeof(cases[0]))
#define MIXED_MAX (3 * CASES)

/* The cases order[0..n-1] as one burst: every packet meets its own verdict, in order. */
static void
check_burst(struct rig *r, const unsigned *order, unsigned n)
{
	struct rte_mbuf *pkts[MIXED_MAX];
	uint64_t want_drops[SL_DROP_COUNT] = {0};

	for (unsigned i = 0; i < n; i++) {
		const struct input_case *c = &cases[order[i]];
		struct rig_flow flow = c->flow;
		size_t len;

		flow.sport = (uint16_t)i;
		len = rig_udp(packet, &flow, "abcdefgh", 8);
		pkts[i] = flagged(rig_mbuf(r, c->in_if, packet, len, 0), c->flags);
		if (c->want >= SL_STAGE_COUNT)
			want_drops[c->want - SL_STAGE_COUNT]++;
	}
	rig_stage(r, sl_stage_ip_input, pkts, n);
	for (unsigned i = 0; i < n; i++) {
		const struct input_case *c = &cases[order[i]];
		struct rte_mbuf *m;

		if (c->want >= SL_STAGE_COUNT)
			continue;
		m = rig_take(r, (enum sl_stage)c->want);
		cr_assert_not_null(m, "%s", c->what);
		rig_bytes(m, packet, sizeof(packet));
		cr_assert_eq((packet[0] >> 4 == 4 ? packet[20] << 8 | packet[21] : packet[40] << 8 | packet[41]), (int)i, "%s", c->what);
		rte_pktmbuf_free(m);
	}
	for (unsigned d = 0; d < SL_DROP_COUNT; d++) {
		cr_assert_eq(rig_drops(r, (enum sl_drop)d), want_drops[d], "%s, %s ...", sl_drop_name((enum sl_drop)d),
			cases[order[0]].what);
		atomic_store(&r->w->stats.drops[d], 0);
	}
}

Test(ip_input, one_burst)
{
	struct rig *r = rig_with_peers();
	unsigned order[MIXED_MAX];

	for (unsigned i = 0; i < MIXED_MAX; i++)
		order[i] = i % CASES;
	check_burst(r, order, MIXED_MAX);
	rig_destroy(r);
}

static uint64_t seed = 5;

static unsigned
draw(unsigned below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1;
	return (unsigned)(seed >> 33) % below;
}

/* What is remembered of a packet for the next one from the same interface serves none that differs. */
Test(ip_input, bursts_of_few_kinds)
{
	struct rig *r = rig_with_peers();

	for (unsigned round = 0; round < 20000; round++) {
		unsigned kinds[3] = {draw(CASES)}, order[6];

		for (unsigned i = 1; i < 3; i++)
			do
				kinds[i] = draw(CASES);
			while (cases[kinds[i]].in_if != cases[kinds[0]].in_if);
		for (unsigned i = 0; i < 6; i++)
			order[i] = kinds[draw(3)];
		check_burst(r, order, 6);
	}
	rig_destroy(r);
}

/* A full tunnel's ::/0 and 0/0 are routes of sources too, but not of what stays on the link. */
Test(ip_input, sources_behind_a_full_tunnel)
{
	static const struct {
		const char *src, *dst;
		uint8_t proto;
		unsigned want;
	} sources[] = {
		{"192.0.2.50", "10.20.0.5", 0, RIG_DROPPED(SPOOFED_SOURCE)},
		{"2001:db8:77::1", "fd00:20::5", 0, RIG_DROPPED(SPOOFED_SOURCE)},
		{"203.0.113.77", "10.20.0.5", 0, SL_STAGE_FORWARD},
		{"10.20.0.5", "192.0.2.1", 0, SL_STAGE_FORWARD},
		{"fe80::99", "ff02::1", IPPROTO_ICMPV6, SL_STAGE_PUNT},
		{"fe80::99", "fe80::1", IPPROTO_ICMPV6, SL_STAGE_PUNT},
	};
	struct rig *r = rig_with_peers();
	struct sl_prefix none4 = {.addr = rig_ip("0.0.0.0")}, none6 = {.addr = rig_ip("::")};

	rig_allow(r, 7, "0.0.0.0/0");
	rig_allow(r, 7, "::/0");
	cr_assert_eq(sl_lpm_remove(r->dp->routes.lpm, &none4, NULL), 0);
	cr_assert_eq(sl_lpm_remove(r->dp->routes.lpm, &none6, NULL), 0);
	for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		struct rig_flow flow = {.src = sources[i].src, .dst = sources[i].dst, .proto = sources[i].proto};
		size_t len = rig_udp(packet, &flow, "abcdefgh", 8);
		struct rte_mbuf *m = rig_mbuf(r, strchr(sources[i].src, '.') && sources[i].src[0] == '2' ? RIG_WAN : RIG_LAN, packet, len, 0);
		unsigned exit;

		rig_stage(r, sl_stage_ip_input, &m, 1);
		exit = rig_exit(r, NULL);
		cr_expect_eq(exit, sources[i].want, "%s: %s", sources[i].src, rig_exit_name(exit));
	}
	rig_destroy(r);
}

Test(ip_input, every_truncation)
{
	static const struct rig_flow flows[] = {
		{"192.0.2.1", "203.0.113.10", 1, WG},
		{"2001:db8:9::1", "2001:db8::10", 1, WG},
		{"10.20.0.5", "192.0.2.1", 1, 2},
		{"fe80::99", "ff02::1", .proto = IPPROTO_ICMPV6},
	};
	struct rig *r = rig_with_peers();

	for (unsigned i = 0; i < 4; i++) {
		size_t len = rig_udp(packet, &flows[i], "abcdefghi", 9);

		for (size_t cut = 0; cut < len; cut++) {
			struct rte_mbuf *m = rig_mbuf_guarded(r, RIG_LAN, packet, cut);
			unsigned exit;

			rig_stage(r, sl_stage_ip_input, &m, 1);
			exit = rig_exit(r, NULL);
			cr_expect_eq(exit, RIG_DROPPED(TRUNCATED), "flow %u, %zu bytes: %s", i, cut, rig_exit_name(exit));
		}
	}
	rig_destroy(r);
}

/* The IP header agrees with the frame, but what it carries is cut short. */
Test(ip_input, every_short_payload)
{
	struct rig *r = rig_with_peers();
	uint8_t udp[8] = {0, 1, WG >> 8, WG & 0xff, 0, 8, 0, 0};

	for (unsigned six = 0; six < 2; six++) {
		for (size_t n = 0; n <= 8; n++) {
			const struct rig_flow flow = {.src = six ? "2001:db8:9::1" : "192.0.2.1",
				.dst = six ? "2001:db8::10" : "203.0.113.10", .proto = IPPROTO_UDP};
			size_t len = rig_ip_packet(packet, &flow, udp, n);
			struct rte_mbuf *m = rig_mbuf_guarded(r, RIG_WAN, packet, len);
			unsigned exit;

			rig_stage(r, sl_stage_ip_input, &m, 1);
			exit = rig_exit(r, NULL);
			cr_expect_eq(exit, n < 8 ? RIG_DROPPED(BAD_UDP_LENGTH) : SL_STAGE_OUTER_UDP, "%zu bytes: %s", n, rig_exit_name(exit));
		}
	}
	rig_destroy(r);
}

Test(ip_input, p3_checksums_options_and_padding)
{
	const struct rig_flow flow = {.src = "10.20.0.5", .dst = "192.0.2.1", .sport = 1, .dport = 2};
	struct rig *r = rig_with_peers();
	size_t len = rig_udp(packet, &flow, "abc", 3);
	struct rte_mbuf *m;

	for (unsigned byte = 0; byte < 20; byte++) {
		unsigned exit;

		packet[byte] ^= 0x01;
		m = rig_mbuf(r, RIG_LAN, packet, len + 4, 0);
		packet[byte] ^= 0x01;
		rig_stage(r, sl_stage_ip_input, &m, 1);
		exit = rig_exit(r, NULL);
		cr_expect(exit == RIG_DROPPED(BAD_IP_CHECKSUM) || (byte < 4 && exit >= SL_STAGE_COUNT), "byte %u: %s", byte, rig_exit_name(exit));
	}
	for (size_t pad = 0; pad < 40; pad++) {
		memset(packet + len, 0xee, pad);
		m = rig_mbuf(r, RIG_LAN, packet, len + pad, 17);
		rig_stage(r, sl_stage_ip_input, &m, 1);
		cr_assert_eq(rig_exit(r, &m), SL_STAGE_FORWARD);
		cr_expect_eq(m->pkt_len, len, "padding of %zu", pad);
		rte_mbuf_sanity_check(m, 1);
		rte_pktmbuf_free(m);
	}
	rig_destroy(r);
}

Test(ip_input, port_verdicts_on_checksums)
{
	static const struct {
		bool offers;
		uint64_t flags;
		bool right;
		unsigned want;
	} verdicts[] = {
		{true, RTE_MBUF_F_RX_IP_CKSUM_GOOD, false, SL_STAGE_FORWARD}, /* the port saw it right */
		{true, RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN, false, RIG_DROPPED(BAD_IP_CHECKSUM)},
		{true, RTE_MBUF_F_RX_IP_CKSUM_BAD, false, RIG_DROPPED(BAD_IP_CHECKSUM)},
		{false, RTE_MBUF_F_RX_IP_CKSUM_GOOD, false, RIG_DROPPED(BAD_IP_CHECKSUM)},
		{false, RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN, true, SL_STAGE_FORWARD},
	};
	const struct rig_flow flow = {.src = "10.20.0.5", .dst = "192.0.2.1", .sport = 1, .dport = 2};
	struct rig *r = rig_with_peers();

	for (unsigned i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		size_t len = rig_udp(packet, &flow, "abc", 3);
		struct rte_mbuf *m;

		packet[10] ^= verdicts[i].right ? 0 : 0x80;
		m = rig_mbuf(r, RIG_LAN, packet, len, 0);
		m->ol_flags |= verdicts[i].flags;
		r->ifs[RIG_LAN].rx_csum = verdicts[i].offers;
		rig_publish_if(r, RIG_LAN);
		rig_stage(r, sl_stage_ip_input, &m, 1);
		cr_expect_eq(rig_exit(r, NULL), verdicts[i].want, "verdict %u", i);
	}
	rig_destroy(r);
}

Test(ip_input, fragments)
{
	static const struct {
		const char *dst;
		uint16_t field;
		uint8_t flags;
		unsigned want;
	} frags[] = {
		{"203.0.113.10", 0x2000, 0, SL_STAGE_REASSEMBLY},
		{"203.0.113.10", 0x0010, 0, SL_STAGE_REASSEMBLY},
		{"203.0.113.10", 0x2010, SL_PKT_DECAPPED, SL_STAGE_REASSEMBLY},
		{"203.0.113.10", 0x4000, 0, SL_STAGE_OUTER_UDP},
		{"203.0.113.10", 0x2000, SL_PKT_REASSEMBLED, RIG_DROPPED(BAD_IP_HEADER)},
		{"10.20.0.5", 0x2000, 0, SL_STAGE_FORWARD},
		{"10.20.0.5", 0x0010, 0, SL_STAGE_FORWARD},
	};
	struct rig *r = rig_with_peers();

	for (unsigned i = 0; i < sizeof(frags) / sizeof(frags[0]); i++) {
		const struct rig_flow flow = {.src = "192.0.2.1", .dst = frags[i].dst, .sport = 1, .dport = WG};
		size_t len = rig_udp(packet, &flow, "abcdefgh", 8);
		struct rte_mbuf *m;
		unsigned exit;

		packet[6] = frags[i].field >> 8;
		packet[7] = frags[i].field & 0xff;
		rig_fix_checksums(packet);
		m = flagged(rig_mbuf(r, RIG_WAN, packet, len, 0), frags[i].flags);
		rig_stage(r, sl_stage_ip_input, &m, 1);
		exit = rig_exit(r, NULL);
		cr_expect_eq(exit, frags[i].want, "fragment %u: %s", i, rig_exit_name(exit));
	}
	rig_destroy(r);
}
