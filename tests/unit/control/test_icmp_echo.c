/* Packets to ourselves: replies are compared byte for byte with what the RFCs say. */
#include <arpa/inet.h>
#include <stdlib.h>

#include <criterion/criterion.h>
#include <rte_ether.h>

#include "control/icmp_echo.h"
#include "dataplane/ip.h"
#include "dataplane/localaddr.h"
#include "tests/unit/dataplane/qsbr.h"
#include "tests/unit/eal.h"

#define IF   3
#define SENT 256
#define NOW  (100 * SL_NSEC_PER_SEC)

static struct {
	struct sl_dataplane *dp;
	struct rte_mempool *pool;
	struct sl_icmp_echo echo;
	struct rte_mbuf *sent[SENT];
	uint32_t ops[SENT];
	unsigned n_sent;
	bool refuse;
} t;

static struct sl_ip
ip(const char *text)
{
	struct sl_ip out;

	cr_assert(sl_ip_parse(text, &out), "%s", text);
	return out;
}

static bool
command(void *ctx, const struct sl_command *cmd)
{
	if (t.refuse)
		return false;
	cr_assert_lt(t.n_sent, SENT);
	t.ops[t.n_sent] = cmd->op;
	t.sent[t.n_sent++] = cmd->packet;
	return true;
}

static struct rte_mbuf *
alloc(void *ctx)
{
	return rte_pktmbuf_alloc(t.pool);
}

static void
setup(void)
{
	const struct sl_localaddr_entry ours[] = {
		{ip("10.20.0.1"), SL_LOCALADDR_UNICAST, IF},
		{ip("10.20.0.255"), SL_LOCALADDR_BROADCAST, IF},
		{ip("fd00:20::1"), SL_LOCALADDR_UNICAST, IF},
		{ip("fe80::1"), SL_LOCALADDR_UNICAST | SL_LOCALADDR_SCOPED, IF},
		{ip("ff02::1"), SL_LOCALADDR_MULTICAST | SL_LOCALADDR_SCOPED, IF},
	};
	const struct sl_control_out out = {command, alloc, NULL};
	struct sl_if *ifp = calloc(1, sizeof(*ifp));
	struct sl_localaddr *set;

	test_eal_init();
	t.pool = sl_packet_pool_create("t", 511, 0, 2048, SOCKET_ID_ANY);
	t.dp = calloc(1, sizeof(*t.dp));
	t.dp->rcu = test_qsbr(1);
	t.dp->reclaim = calloc(1, sizeof(*t.dp->reclaim));
	sl_reclaim_init(t.dp->reclaim, t.dp->rcu);
	cr_assert_eq(sl_neighbours_create(&t.dp->neighbours, 16, t.dp->reclaim), 0);
	cr_assert_eq(sl_localaddr_create(&set, ours, RTE_DIM(ours)), 0);
	atomic_store(&t.dp->localaddr, set);
	ifp->id = IF;
	ifp->kind = SL_IF_PORT;
	ifp->mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, 1}};
	sl_dataplane_set_if(t.dp, ifp);
	sl_icmp_echo_init(&t.echo, t.dp, &out);
}

static void
teardown(void)
{
	for (unsigned i = 0; i < t.n_sent; i++)
		rte_pktmbuf_free(t.sent[i]);
	cr_expect_eq(rte_mempool_in_use_count(t.pool), 0, "a packet was lost");
}

TestSuite(icmp_echo, .init = setup, .fini = teardown);

struct packet {
	const char *src, *dst;
	uint8_t proto;
	uint8_t head[8];   /* transport header; ICMP checksum is filled in unless bad_sum */
	size_t payload;    /* bytes 0, 1, 2, … behind it */
	unsigned options;  /* bytes of IPv4 options or IPv6 destination options, a multiple of 8 */
	uint16_t frag;     /* IPv4 offset and flags, host order */
	bool bad_sum;
	unsigned padding;  /* bytes behind the packet, as short Ethernet frames have them */
};

static struct rte_mbuf *
build(const struct packet *p)
{
	struct rte_mbuf *m = alloc(NULL);
	struct sl_ip src = ip(p->src), dst = ip(p->dst);
	bool v4 = src.family == SL_AF_INET;
	unsigned head = (v4 ? 20 : 40) + p->options;
	size_t len = sizeof(p->head) + p->payload;
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(head + len + p->padding));
	uint8_t *body = at + head;
	uint16_t sum;

	memset(at, 0, head + len + p->padding);
	sl_packet_init(m, IF);
	if (v4) {
		struct rte_ipv4_hdr *h = (void *)at;

		h->version_ihl = (uint8_t)(0x40 | (5 + p->options / 4));
		h->type_of_service = 0x10;
		h->total_length = htons((uint16_t)(head + len));
		h->fragment_offset = htons(p->frag);
		h->time_to_live = 3;
		h->next_proto_id = p->proto;
		memset(at + 20, 1, p->options);
		memcpy(&h->src_addr, src.bytes, 4);
		memcpy(&h->dst_addr, dst.bytes, 4);
		h->hdr_checksum = sl_ip4_checksum(h, head);
	} else {
		struct rte_ipv6_hdr *h = (void *)at;

		h->vtc_flow = htonl(0x61000000);
		h->payload_len = htons((uint16_t)(p->options + len));
		h->proto = p->options ? IPPROTO_DSTOPTS : p->proto;
		h->hop_limits = 3;
		memcpy(h->src_addr, src.bytes, 16);
		memcpy(h->dst_addr, dst.bytes, 16);
		if (p->options) {
			at[40] = p->proto;
			at[41] = (uint8_t)(p->options / 8 - 1);
			at[42] = 1; /* PadN */
			at[43] = (uint8_t)(p->options - 4);
		}
	}
	memcpy(body, p->head, sizeof(p->head));
	for (size_t i = 0; i < p->payload; i++)
		body[8 + i] = (uint8_t)i;
	if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6) {
		sum = sl_csum_fold(sl_csum_add(
			v4 ? 0 : sl_csum_pseudo(SL_AF_INET6, src.bytes, dst.bytes, IPPROTO_ICMPV6, (uint32_t)len), body, len));
		sum ^= p->bad_sum;
		memcpy(body + 2, &sum, 2);
	}
	return m;
}

static void
deliver(const struct packet *p)
{
	sl_icmp_echo_packet(&t.echo, build(p), NOW);
}

/* Checks the last sent packet's IP header and ICMP checksum; returns its ICMP part. */
static const uint8_t *
check_sent(const char *src, const char *dst, size_t len)
{
	const struct rte_mbuf *m = t.sent[t.n_sent - 1];
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);
	struct sl_ip a = ip(src), b = ip(dst);
	struct sl_ip_info info = {0};
	uint32_t hdr;

	cr_assert_eq(sl_ip_hdr_parse_mbuf(m, &info), SL_IP_OK);
	hdr = info.hdr_len;
	cr_expect_eq(hdr, a.family == SL_AF_INET ? 20 : 40);
	cr_expect_eq(info.total_len, hdr + len);
	cr_expect_eq(m->pkt_len, hdr + len, "padding was not cut");
	cr_expect_eq(info.ttl, 64);
	cr_expect_eq(memcmp(info.src, a.bytes, sl_family_bytes(a.family)), 0);
	cr_expect_eq(memcmp(info.dst, b.bytes, sl_family_bytes(b.family)), 0);
	if (a.family == SL_AF_INET) {
		cr_expect_eq(sl_ip4_checksum(at, 20), 0);
		cr_expect_eq(sl_csum_fold(sl_csum_add(0, at + 20, len)), 0);
		cr_expect_eq(info.proto, IPPROTO_ICMP);
	} else {
		cr_expect_eq(info.proto, IPPROTO_ICMPV6);
		cr_expect_eq(sl_csum_fold(sl_csum_add(
				     sl_csum_pseudo(SL_AF_INET6, info.src, info.dst, IPPROTO_ICMPV6, (uint32_t)len), at + 40, len)),
			0);
	}
	cr_expect(sl_packet((struct rte_mbuf *)(uintptr_t)m)->flags & SL_PKT_LOCAL);
	cr_expect_eq(sl_packet((struct rte_mbuf *)(uintptr_t)m)->in_if, SL_IF_NONE);
	return at + hdr;
}

Test(icmp_echo, echo_is_answered)
{
	static const size_t sizes[] = {0, 1, 56, 57, 1400};

	for (unsigned i = 0; i < RTE_DIM(sizes); i++) {
		for (unsigned options = 0; options <= 8; options += 8) {
			const struct packet v4 = {"10.20.0.7", "10.20.0.1", IPPROTO_ICMP, {8, 0, 0, 0, 0x12, 0x34, 0, 1}, sizes[i],
				.options = options, .padding = 6};
			const struct packet v6 = {"fd00:20::7", "fd00:20::1", IPPROTO_ICMPV6, {128, 0, 0, 0, 0x12, 0x34, 0, 1},
				sizes[i], .options = options};

			for (unsigned f = 0; f < 2; f++) {
				const struct packet *p = f ? &v6 : &v4;
				const uint8_t *icmp;

				deliver(p);
				cr_assert_eq(t.ops[t.n_sent - 1], SL_CMD_OUTPUT);
				icmp = check_sent(p->dst, p->src, 8 + sizes[i]);
				cr_expect_eq(icmp[0], f ? 129 : 0);
				cr_expect_eq(icmp[1], 0);
				cr_expect_eq(memcmp(icmp + 4, p->head + 4, 4), 0);
				for (size_t j = 0; j < sizes[i]; j++)
					cr_assert_eq(icmp[8 + j], (uint8_t)j);
			}
		}
	}
	cr_expect_eq(t.echo.stats.echo_replies, 4 * RTE_DIM(sizes));
}

Test(icmp_echo, nothing_is_said_to_these)
{
	static const struct {
		struct packet p;
		bool invalid;
	} cases[] = {
		{{"10.20.0.7", "10.20.0.1", IPPROTO_ICMP, {8}, 8, .bad_sum = true}, true},
		{{"fd00:20::7", "fd00:20::1", IPPROTO_ICMPV6, {128}, 8, .bad_sum = true}, true},
		{{"10.20.0.7", "10.20.0.1", IPPROTO_ICMP, {0}, 8}, false},          /* a reply */
		{{"10.20.0.7", "10.20.0.1", IPPROTO_ICMP, {8, 1}, 8}, false},       /* unknown code */
		{{"10.20.0.7", "10.20.0.255", IPPROTO_ICMP, {8}, 8}, false},        /* broadcast */
		{{"10.20.0.7", "10.20.0.2", IPPROTO_ICMP, {8}, 8}, false},          /* not ours */
		{{"224.0.0.1", "10.20.0.1", IPPROTO_ICMP, {8}, 8}, false},          /* from a group */
		{{"0.0.0.0", "10.20.0.1", IPPROTO_ICMP, {8}, 8}, false},
		{{"127.0.0.1", "10.20.0.1", IPPROTO_ICMP, {8}, 8}, false},
		{{"fd00:20::7", "ff02::1", IPPROTO_ICMPV6, {128}, 8}, false},
		{{"10.20.0.7", "10.20.0.1", IPPROTO_ICMP, {8}, 8, .frag = 0x2000}, false},
		{{"10.20.0.7", "10.20.0.1", IPPROTO_ICMP, {8}, 8, .frag = 100}, false},
		{{"10.20.0.7", "10.20.0.1", IPPROTO_GRE, {0}, 8}, false},
		{{"10.20.0.7", "10.20.0.255", IPPROTO_UDP, {0}, 8}, false},
		{{"fd00:20::7", "ff02::1", IPPROTO_UDP, {0}, 8}, false},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct sl_icmp_echo_stats before = t.echo.stats;

		deliver(&cases[i].p);
		cr_expect_eq(t.n_sent, 0, "case %u", i);
		cr_expect_eq(t.echo.stats.invalid - before.invalid, cases[i].invalid, "case %u", i);
		cr_expect_eq(t.echo.stats.ignored - before.ignored, !cases[i].invalid, "case %u", i);
	}
}

Test(icmp_echo, a_link_local_host_is_answered_on_its_link)
{
	const struct packet p = {"fe80::7", "fe80::1", IPPROTO_ICMPV6, {128, 0, 0, 0, 1, 2, 3, 4}, 56};
	const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 7}};
	const struct rte_ether_hdr *eth;
	struct sl_ip host = ip("fe80::7");

	deliver(&p);
	cr_expect_eq(t.n_sent, 0);
	cr_expect_eq(t.echo.stats.no_room, 1);
	cr_assert_eq(sl_neighbour_set(t.dp->neighbours, IF, &host, &mac, SL_NEIGHBOUR_STALE), 0);
	deliver(&p);
	cr_assert_eq(t.n_sent, 1);
	cr_expect_eq(t.ops[0], SL_CMD_FRAME);
	cr_expect_eq(sl_packet(t.sent[0])->out_if, IF);
	eth = rte_pktmbuf_mtod(t.sent[0], const struct rte_ether_hdr *);
	cr_expect(rte_is_same_ether_addr(&eth->dst_addr, &mac));
	cr_expect_eq(eth->ether_type, htons(RTE_ETHER_TYPE_IPV6));
	rte_pktmbuf_adj(t.sent[0], sizeof(*eth));
	cr_expect_eq(check_sent("fe80::1", "fe80::7", 64)[0], 129);
}

Test(icmp_echo, ports_are_unreachable)
{
	static const struct packet cases[] = {
		{"10.20.0.7", "10.20.0.1", IPPROTO_UDP, {1, 2, 3, 4, 0, 0, 0, 0}, 100},
		{"10.20.0.7", "10.20.0.1", IPPROTO_TCP, {1, 2, 3, 4}, 1400},
		{"fd00:20::7", "fd00:20::1", IPPROTO_UDP, {1, 2, 3, 4}, 1400},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct packet *p = &cases[i];
		bool v4 = p->proto == IPPROTO_TCP || i == 0;
		struct rte_mbuf *m = build(p), *copy = rte_pktmbuf_copy(m, t.pool, 0, UINT32_MAX);
		uint32_t most = v4 ? 576 - 28 : 1280 - 48, quote = RTE_MIN(m->pkt_len, most);
		const uint8_t *icmp;

		sl_icmp_echo_packet(&t.echo, m, NOW);
		cr_assert_eq(t.n_sent, i + 1);
		icmp = check_sent(p->dst, p->src, 8 + quote);
		cr_expect_eq(icmp[0], v4 ? 3 : 1);
		cr_expect_eq(icmp[1], v4 ? 3 : 4);
		cr_expect_eq(memcmp(icmp + 8, rte_pktmbuf_mtod(copy, void *), quote), 0);
		rte_pktmbuf_free(copy);
	}
}

Test(icmp_echo, unreachables_are_limited)
{
	const struct packet p = {"10.20.0.7", "10.20.0.1", IPPROTO_UDP, {1}, 8};

	for (unsigned i = 0; i < 3 * SL_ICMP_UNREACHABLE_BURST; i++)
		deliver(&p);
	cr_expect_eq(t.echo.stats.unreachables, SL_ICMP_UNREACHABLE_BURST);
	cr_expect_eq(t.echo.stats.unreachables_limited, 2 * SL_ICMP_UNREACHABLE_BURST);
	for (unsigned i = 0; i < 10; i++)
		sl_icmp_echo_packet(&t.echo, build(&p), NOW + SL_NSEC_PER_SEC / 20);
	cr_expect_eq(t.echo.stats.unreachables, SL_ICMP_UNREACHABLE_BURST + SL_ICMP_UNREACHABLE_PER_SECOND / 20);
}

Test(icmp_echo, a_full_ring_frees_the_packet)
{
	const struct packet p = {"10.20.0.7", "10.20.0.1", IPPROTO_ICMP, {8}, 8}, u = {"10.20.0.7", "10.20.0.1", IPPROTO_UDP, {1}, 8};

	t.refuse = true;
	deliver(&p);
	deliver(&u);
	cr_expect_eq(t.echo.stats.no_room, 2);
	cr_expect_eq(t.echo.stats.echo_replies + t.echo.stats.unreachables, 0);
}

Test(icmp_echo, every_truncation_is_survived)
{
	const struct packet p = {"fd00:20::7", "fd00:20::1", IPPROTO_ICMPV6, {128}, 40, .options = 8};
	uint32_t full = 40 + 8 + 48;

	for (uint32_t len = 0; len < full; len++) {
		struct rte_mbuf *m = build(&p);

		rte_pktmbuf_trim(m, (uint16_t)(full - len));
		sl_icmp_echo_packet(&t.echo, m, NOW);
	}
	cr_expect_eq(t.n_sent, 0);
	cr_expect_eq(t.echo.stats.invalid, full);
}
