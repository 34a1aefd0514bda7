#include "control/icmp_echo.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <rte_ether.h>

#include "dataplane/ip.h"
#include "dataplane/localaddr.h"

#define TOKEN_NS  (SL_NSEC_PER_SEC / SL_ICMP_UNREACHABLE_PER_SECOND)
#define TTL       64
#define ICMP_HDR  8
#define QUOTE4    (576 - SL_IP4_HDR_MIN - ICMP_HDR) /* RFC 1812 section 4.3.2.3 */
#define QUOTE6    (1280 - SL_IP6_HDR_LEN - ICMP_HDR) /* RFC 4443 section 2.4 */

/* Type to checksum: the same in both families. */
struct icmp_head {
	uint16_t type_code; /* memory order */
	uint16_t checksum;
	uint32_t rest;
} __attribute__((packed));

static_assert(sizeof(struct icmp_head) == ICMP_HDR, "RFC 792, RFC 4443");

/* A packet for us, parsed. */
struct local {
	struct sl_ip_info info;
	struct sl_ip_upper upper;
	struct sl_ip src, dst;
	uint32_t len; /* of transport header and payload */
	uint16_t in_if;
};

void
sl_icmp_echo_init(struct sl_icmp_echo *e, struct sl_dataplane *dp, const struct sl_control_out *out)
{
	*e = (struct sl_icmp_echo){.dp = dp, .out = *out};
}

static uint16_t
type_code(uint8_t type, uint8_t code)
{
	const uint8_t bytes[2] = {type, code};
	uint16_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* Writes a fresh IP header without options for `len` bytes behind it. */
static void
write_header(struct sl_icmp_echo *e, void *at, const struct sl_ip *src, const struct sl_ip *dst, uint8_t tos, uint32_t len)
{
	if (src->family == SL_AF_INET) {
		struct rte_ipv4_hdr *ip = at;

		*ip = (struct rte_ipv4_hdr){
			.version_ihl = RTE_IPV4_VHL_DEF,
			.type_of_service = tos,
			.total_length = htons((uint16_t)(SL_IP4_HDR_MIN + len)),
			.packet_id = htons(e->ip_id++),
			.time_to_live = TTL,
			.next_proto_id = IPPROTO_ICMP,
		};
		memcpy(&ip->src_addr, src->bytes, sizeof(ip->src_addr));
		memcpy(&ip->dst_addr, dst->bytes, sizeof(ip->dst_addr));
		ip->hdr_checksum = sl_ip4_checksum(ip, sizeof(*ip));
	} else {
		struct rte_ipv6_hdr *ip = at;

		*ip = (struct rte_ipv6_hdr){
			.vtc_flow = htonl(6u << 28 | (uint32_t)tos << 20),
			.payload_len = htons((uint16_t)len),
			.proto = IPPROTO_ICMPV6,
			.hop_limits = TTL,
		};
		memcpy(ip->src_addr, src->bytes, sizeof(ip->src_addr));
		memcpy(ip->dst_addr, dst->bytes, sizeof(ip->dst_addr));
	}
}

static uint32_t
header_len(uint8_t family)
{
	return family == SL_AF_INET ? SL_IP4_HDR_MIN : SL_IP6_HDR_LEN;
}

/* To a link-local neighbour a route says nothing: it is the one on the interface that asked. */
static bool
send_on_link(struct sl_icmp_echo *e, struct rte_mbuf *m, uint16_t l3_if, const struct sl_ip *to)
{
	const struct sl_if *ifp = sl_dataplane_if(e->dp, l3_if);
	struct rte_ether_hdr *eth;
	struct rte_ether_addr mac;

	if (!ifp || ifp->kind != SL_IF_PORT || !sl_neighbour_lookup(e->dp->neighbours, l3_if, to, &mac) ||
		!(eth = (struct rte_ether_hdr *)rte_pktmbuf_prepend(m, sizeof(*eth)))) {
		rte_pktmbuf_free(m);
		return false;
	}
	eth->dst_addr = mac;
	eth->src_addr = ifp->mac;
	eth->ether_type = htons(RTE_ETHER_TYPE_IPV6);
	sl_packet(m)->out_if = l3_if;
	return sl_control_send(&e->out, SL_CMD_FRAME, m);
}

static bool
send_reply(struct sl_icmp_echo *e, struct rte_mbuf *m, uint16_t in_if, const struct sl_ip *to)
{
	bool sent;

	m->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
	sl_packet_init(m, SL_IF_NONE);
	sl_packet(m)->flags = SL_PKT_LOCAL;
	if (to->family == SL_AF_INET)
		sl_packet(m)->flags |= SL_PKT_FRAGMENT_OK;
	if (to->family == SL_AF_INET6 && sl_ip_is_link_local(to))
		sent = send_on_link(e, m, in_if, to);
	else
		sent = sl_control_send(&e->out, SL_CMD_OUTPUT, m);
	if (!sent)
		e->stats.no_room++;
	return sent;
}

static bool
checksum_ok(const struct rte_mbuf *m, const struct local *l)
{
	uint64_t sum = l->info.family == SL_AF_INET ?
		0 :
		sl_csum_pseudo(SL_AF_INET6, l->info.src, l->info.dst, IPPROTO_ICMPV6, l->len);

	return sl_csum_fold(sl_csum_add_mbuf(sum, m, l->upper.off, l->len)) == 0;
}

/* Turns the request into its reply in place. */
static void
answer_echo(struct sl_icmp_echo *e, struct rte_mbuf *m, const struct local *l, uint8_t reply_type)
{
	struct icmp_head *icmp = rte_pktmbuf_mtod_offset(m, struct icmp_head *, l->upper.off);
	uint16_t before = icmp->type_code;
	uint32_t hdr = header_len(l->info.family);
	uint8_t tos = l->info.tos;

	icmp->type_code = type_code(reply_type, 0);
	/* swapping the addresses leaves IPv6's pseudo-header sum as it was */
	icmp->checksum = sl_csum_replace16(icmp->checksum, before, icmp->type_code);
	sl_ip_trim(m, l->info.total_len);
	rte_pktmbuf_adj(m, (uint16_t)(l->upper.off - hdr));
	write_header(e, rte_pktmbuf_mtod(m, void *), &l->dst, &l->src, tos, l->len);
	if (send_reply(e, m, l->in_if, &l->src))
		e->stats.echo_replies++;
}

static void
on_icmp(struct sl_icmp_echo *e, struct rte_mbuf *m, const struct local *l)
{
	bool v4 = l->info.family == SL_AF_INET;
	const struct icmp_head *icmp = rte_pktmbuf_mtod_offset(m, const struct icmp_head *, l->upper.off);

	if (l->len < ICMP_HDR || m->data_len < l->upper.off + ICMP_HDR || !checksum_ok(m, l)) {
		e->stats.invalid++;
	} else if (icmp->type_code == type_code(v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST, 0)) {
		answer_echo(e, m, l, v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY);
		return;
	} else {
		e->stats.ignored++;
	}
	rte_pktmbuf_free(m);
}

static bool
take_token(struct sl_icmp_echo *e, uint64_t now)
{
	const uint64_t most = SL_ICMP_UNREACHABLE_BURST * TOKEN_NS;

	e->tokens = RTE_MIN(most, e->tokens + (now - e->filled));
	e->filled = now;
	if (e->tokens < TOKEN_NS)
		return false;
	e->tokens -= TOKEN_NS;
	return true;
}

/* Port unreachable about m, which stays the caller's. */
static void
send_unreachable(struct sl_icmp_echo *e, const struct rte_mbuf *m, const struct local *l)
{
	bool v4 = l->info.family == SL_AF_INET;
	uint32_t hdr = header_len(l->info.family);
	uint32_t quote = RTE_MIN(l->info.total_len, (uint32_t)(v4 ? QUOTE4 : QUOTE6));
	uint32_t len = ICMP_HDR + quote;
	struct rte_mbuf *out = e->out.alloc(e->out.ctx);
	uint8_t copy[QUOTE6];
	const void *original = rte_pktmbuf_read(m, 0, quote, copy);
	struct icmp_head *icmp;
	char *at;

	at = out ? rte_pktmbuf_append(out, (uint16_t)(hdr + len)) : NULL;
	if (!at || !original) {
		rte_pktmbuf_free(out);
		e->stats.no_room++;
		return;
	}
	write_header(e, at, &l->dst, &l->src, 0, len);
	icmp = (struct icmp_head *)(void *)(at + hdr);
	*icmp = (struct icmp_head){
		.type_code = v4 ? type_code(ICMP_UNREACH, ICMP_UNREACH_PORT) :
				  type_code(ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT)};
	memcpy(icmp + 1, original, quote);
	icmp->checksum = sl_csum_fold(sl_csum_add(
		v4 ? 0 : sl_csum_pseudo(SL_AF_INET6, l->dst.bytes, l->src.bytes, IPPROTO_ICMPV6, len), icmp, len));
	if (send_reply(e, out, l->in_if, &l->src))
		e->stats.unreachables++;
}

/* Whether it is well-formed, whole, from a host and for an address of ours alone. */
static bool
parse(struct sl_icmp_echo *e, const struct rte_mbuf *m, struct local *l)
{
	const struct sl_localaddr_entry *ours;

	if (sl_ip_hdr_parse_mbuf(m, &l->info) != SL_IP_OK || !sl_ip_upper(m, &l->info, &l->upper)) {
		e->stats.invalid++;
		return false;
	}
	l->src = sl_ip_of(l->info.family, l->info.src);
	l->dst = sl_ip_of(l->info.family, l->info.dst);
	l->len = l->info.total_len - l->upper.off;
	l->in_if = sl_packet((struct rte_mbuf *)(uintptr_t)m)->in_if;
	ours = sl_localaddr_lookup(atomic_load_explicit(&e->dp->localaddr, memory_order_acquire), &l->dst, l->in_if);
	if (l->upper.fragment || !ours || !(ours->flags & SL_LOCALADDR_UNICAST) || sl_ip_is_zero(&l->src) ||
		sl_ip_is_multicast(&l->src) || sl_ip_is_loopback(&l->src)) {
		e->stats.ignored++;
		return false;
	}
	return true;
}

void
sl_icmp_echo_packet(struct sl_icmp_echo *e, struct rte_mbuf *m, uint64_t now)
{
	struct local l;

	if (!parse(e, m, &l)) {
		rte_pktmbuf_free(m);
		return;
	}
	if (l.upper.proto == (l.info.family == SL_AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		on_icmp(e, m, &l);
		return;
	}
	if (l.upper.proto != IPPROTO_UDP && l.upper.proto != IPPROTO_TCP)
		e->stats.ignored++;
	else if (!take_token(e, now))
		e->stats.unreachables_limited++;
	else
		send_unreachable(e, m, &l);
	rte_pktmbuf_free(m);
}
