#include <netinet/in.h>

#include "dataplane/icmp_error.h"
#include "tests/unit/dataplane/egress.h"

/* Runs the stage on one packet; the error it made, or NULL. */
static struct rte_mbuf *
turn_away(struct rig *r, struct rte_mbuf *m, enum sl_icmp_kind kind, uint32_t mtu)
{
	struct rte_mbuf *e;

	strays++;
	sl_icmp_reject(r->w, m, SL_DROP_NO_ROUTE, kind, mtu);
	m = rig_take(r, SL_STAGE_ICMP_ERROR);
	if (m)
		rig_stage(r, sl_stage_icmp_error, &m, 1);
	e = rig_take(r, SL_STAGE_FORWARD);
	if (e) {
		cr_expect_eq(sl_packet(e)->flags, SL_PKT_LOCAL | SL_PKT_ICMP_ERROR);
		strays--; /* taken out by hand, neither sent nor dropped */
	}
	return e;
}

static void
done(struct rig *r, struct rte_mbuf *e)
{
	rte_pktmbuf_free(e);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_ROUTE), 1, "the packet is counted under its own reason");
	finish(r);
}

static uint16_t
icmp6_sum(const uint8_t *p, size_t len)
{
	return sl_csum_fold(sl_csum_add(sl_csum_pseudo(SL_AF_INET6, p + 8, p + 24, IPPROTO_ICMPV6, (uint32_t)len - 40),
		p + 40, len - 40));
}

Test(icmp_error, p36_kinds)
{
	static const struct {
		enum sl_icmp_kind kind;
		uint8_t v4[2], v6[2];
	} kinds[] = {
		{SL_ICMP_NET_UNREACHABLE, {3, 0}, {1, 0}},
		{SL_ICMP_HOST_UNREACHABLE, {3, 1}, {1, 3}},
		{SL_ICMP_PORT_UNREACHABLE, {3, 3}, {1, 4}},
		{SL_ICMP_TIME_EXCEEDED, {11, 0}, {3, 0}},
		{SL_ICMP_TOO_BIG, {3, 4}, {2, 0}},
	};

	for (unsigned i = 0; i < RTE_DIM(kinds); i++)
		for (unsigned v6 = 0; v6 < 2; v6++) {
			struct rig *r = tunnel(1, ENDPOINT4);
			struct rte_mbuf *m = v6 ? inner6(r, 100) : inner4(r, 100), *e;
			uint32_t mtu = kinds[i].kind == SL_ICMP_TOO_BIG ? 1420 : 0;
			uint8_t quoted[100];
			const uint8_t *p;

			rig_bytes(m, quoted, sizeof(quoted));
			e = turn_away(r, m, kinds[i].kind, mtu);
			cr_assert_not_null(e);
			p = rte_pktmbuf_mtod(e, const uint8_t *);
			cr_expect_eq(e->pkt_len, (v6 ? 40 : 20) + 8 + 100);
			if (v6) {
				cr_expect_eq(icmp6_sum(p, e->pkt_len), 0);
				cr_expect_eq(memcmp(p + 40, kinds[i].v6, 2), 0, "kind %u", i);
				cr_expect_eq(p[46] << 8 | p[47], mtu);
				cr_expect_eq(memcmp(p + 48, quoted, 100), 0);
				cr_expect_eq(memcmp(p + 8, r->ifs[RIG_LAN].addresses[1].addr.bytes, 16), 0);
				cr_expect_eq(memcmp(p + 24, quoted + 8, 16), 0);
			} else {
				cr_expect_eq(sl_ip4_checksum(p, 20), 0);
				cr_expect_eq(sl_csum_fold(sl_csum_add(0, p + 20, 108)), 0);
				cr_expect_eq(memcmp(p + 20, kinds[i].v4, 2), 0, "kind %u", i);
				cr_expect_eq(p[26] << 8 | p[27], mtu);
				cr_expect_eq(memcmp(p + 28, quoted, 100), 0);
				cr_expect_eq(memcmp(p + 12, r->ifs[RIG_LAN].addresses[0].addr.bytes, 4), 0);
				cr_expect_eq(memcmp(p + 16, quoted + 12, 4), 0);
			}
			done(r, e);
		}
}

Test(icmp_error, quotes_as_much_as_fits)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	uint8_t bytes[1500];
	struct rte_mbuf *m = inner4(r, 1500), *e;

	rig_bytes(m, bytes, sizeof(bytes));
	rte_pktmbuf_free(m);
	e = turn_away(r, rig_mbuf(r, RIG_LAN, bytes, 1500, 133), SL_ICMP_TOO_BIG, 1420);
	cr_assert_not_null(e);
	cr_expect_eq(e->pkt_len, 576);
	cr_expect_eq(memcmp(rte_pktmbuf_mtod_offset(e, uint8_t *, 28), bytes, 548), 0, "over segments");
	done(r, e);
	r = tunnel(1, ENDPOINT4);
	e = turn_away(r, inner6(r, 1500), SL_ICMP_TOO_BIG, 1420);
	cr_assert_not_null(e);
	cr_expect_eq(e->pkt_len, 1280);
	cr_expect_eq(icmp6_sum(rte_pktmbuf_mtod(e, const uint8_t *), 1280), 0);
	done(r, e);
}

/* The whole way: the error about a decrypted packet goes back through the tunnel, from the tunnel's address. */
Test(icmp_error, goes_back_through_the_tunnel)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	struct rte_mbuf *m = udp(r, RIG_WG0, &(struct rig_flow){.src = PEER_V4, .dst = HOST_V4, .ttl = 1}, 100);
	uint8_t plain[RIG_PACKET];

	sl_packet(m)->flags = SL_PKT_DECAPPED;
	sl_packet(m)->in_peer = PEER;
	put(r, SL_STAGE_FORWARD, m);
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 1);
	cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), 128);
	cr_expect_eq(memcmp(plain + 12, "\x0a\x40\0\1\x0a\x40\0\2\x0b\0", 10), 0);
	cr_expect_eq(rig_drops(r, SL_DROP_TTL_EXCEEDED), 1);
	finish(r);
}

/* --- packets that are never answered --- */

static struct rte_mbuf *
of_proto(struct rig *r, const char *src, const char *dst, uint8_t proto, const void *body, size_t len)
{
	uint8_t packet[RIG_PACKET];

	return rig_mbuf(r, RIG_LAN, packet,
		rig_ip_packet(packet, &(struct rig_flow){.src = src, .dst = dst, .proto = proto}, body, len), 0);
}

struct silent {
	const char *src, *dst;
	uint8_t proto;
	uint8_t body[16];
	bool answered;
};

static const struct silent silents[] = {
	{HOST_V4, PEER_V4, IPPROTO_ICMP, {8}, true}, /* echo request */
	{HOST_V4, PEER_V4, IPPROTO_ICMP, {0}, true},
	{HOST_V4, PEER_V4, IPPROTO_ICMP, {3}, false},
	{HOST_V4, PEER_V4, IPPROTO_ICMP, {4}, false},
	{HOST_V4, PEER_V4, IPPROTO_ICMP, {5}, false},
	{HOST_V4, PEER_V4, IPPROTO_ICMP, {11}, false},
	{HOST_V4, PEER_V4, IPPROTO_ICMP, {12}, false},
	{HOST_V6, PEER_V6, IPPROTO_ICMPV6, {128}, true},
	{HOST_V6, PEER_V6, IPPROTO_ICMPV6, {1}, false},
	{HOST_V6, PEER_V6, IPPROTO_ICMPV6, {127}, false},
	{HOST_V6, PEER_V6, IPPROTO_DSTOPTS, {IPPROTO_ICMPV6, 0, 0, 0, 0, 0, 0, 0, 1}, false},
	{HOST_V6, PEER_V6, IPPROTO_DSTOPTS, {IPPROTO_UDP, 0, 0, 0, 0, 0, 0, 0, 1}, true},
	{HOST_V6, PEER_V6, IPPROTO_FRAGMENT, {IPPROTO_UDP, 0, 0, 1}, true},
	{HOST_V6, PEER_V6, IPPROTO_FRAGMENT, {IPPROTO_UDP, 0, 0, 9}, false},
	{"0.0.0.0", PEER_V4, IPPROTO_UDP, {0}, false},
	{"224.0.0.1", PEER_V4, IPPROTO_UDP, {0}, false},
	{"127.0.0.1", PEER_V4, IPPROTO_UDP, {0}, false},
	{"255.255.255.255", PEER_V4, IPPROTO_UDP, {0}, false},
	{"0.1.2.3", PEER_V4, IPPROTO_UDP, {0}, false},
	{HOST_V4, "224.0.0.1", IPPROTO_UDP, {0}, false},
	{HOST_V4, "255.255.255.255", IPPROTO_UDP, {0}, false},
	{"::", PEER_V6, IPPROTO_UDP, {0}, false},
	{"ff02::1", PEER_V6, IPPROTO_UDP, {0}, false},
	{"::1", PEER_V6, IPPROTO_UDP, {0}, false},
	{HOST_V6, "ff02::1", IPPROTO_UDP, {0}, false},
};

Test(icmp_error, never_about_these)
{
	for (unsigned i = 0; i < RTE_DIM(silents); i++) {
		const struct silent *c = &silents[i];
		struct rig *r = tunnel(1, ENDPOINT4);
		struct rte_mbuf *e = turn_away(r, of_proto(r, c->src, c->dst, c->proto, c->body, sizeof(c->body)),
			SL_ICMP_NET_UNREACHABLE, 0);

		cr_expect_eq(e != NULL, c->answered, "case %u", i);
		done(r, e);
	}
}

Test(icmp_error, never_about_later_fragments_nor_our_own)
{
	for (unsigned i = 0; i < 4; i++) {
		struct rig *r = tunnel(1, ENDPOINT4);
		struct rte_mbuf *m = inner4(r, 100), *e;
		uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

		if (i == 0)
			p[7] = 1;
		if (i == 1)
			sl_packet(m)->flags = SL_PKT_LOCAL;
		if (i == 2) /* came in as a link-layer broadcast */
			memset(p - 14, 0xff, 6);
		if (i == 3) { /* decrypted: what stands before it is no frame */
			memset(p - 14, 0xff, 6);
			sl_packet(m)->flags = SL_PKT_DECAPPED;
		}
		e = turn_away(r, m, SL_ICMP_NET_UNREACHABLE, 0);
		cr_expect_eq(e != NULL, i == 3, "case %u", i);
		done(r, e);
	}
}

/* An interface without addresses answers from another that is not outside; with none at all nothing is sent. */
Test(icmp_error, source_address)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rte_mbuf *e;

	r->ifs[RIG_LAN].n_addresses = 0;
	rig_publish_if(r, RIG_LAN);
	e = turn_away(r, inner4(r, 100), SL_ICMP_NET_UNREACHABLE, 0);
	cr_assert_not_null(e);
	cr_expect_eq(memcmp(rte_pktmbuf_mtod_offset(e, uint8_t *, 12), "\x0a\x40\0\1", 4), 0);
	rte_pktmbuf_free(e);
	for (uint16_t id = RIG_WG0; id <= RIG_WG1; id++) {
		r->ifs[id].n_addresses = 0;
		rig_publish_if(r, id);
	}
	cr_expect_null(turn_away(r, inner4(r, 100), SL_ICMP_NET_UNREACHABLE, 0));
	cr_expect_eq(rig_drops(r, SL_DROP_NO_ROUTE), 2);
	finish(r);
}

Test(icmp_error, limited_and_counted)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	rig_neighbour(r, RIG_LAN, HOST_V4, 5);
	for (unsigned i = 0; i < 50; i++)
		put(r, SL_STAGE_FORWARD, udp(r, RIG_LAN, &(struct rig_flow){.src = HOST_V4, .dst = "10.64.9.9"}, 100));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 10);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_PEER), 50);
	cr_expect_eq(rig_drops(r, SL_DROP_ICMP_LIMITED), 40);
	finish(r);
}

Test(icmp_error, no_buffer)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rte_mbuf *hold[8192], *m = inner4(r, 100);
	unsigned n = 0;

	while (n < 8192 && (hold[n] = rte_pktmbuf_alloc(r->dp->pool)) != NULL)
		n++;
	cr_expect_null(turn_away(r, m, SL_ICMP_NET_UNREACHABLE, 0));
	cr_expect_eq(rig_drops(r, SL_DROP_NO_BUFFER), 1);
	rte_pktmbuf_free_bulk(hold, n);
	done(r, NULL);
}
