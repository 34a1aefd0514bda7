/*
 * Stage ICMP_ERROR. In: packets to be dropped, with the error to be made and the reason.
 * Exits: FORWARD (the error, as a packet of our own); the packet itself is dropped here.
 */
#include "dataplane/icmp_error.h"

#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/icmp6.h>

#include <rte_ip.h>

#include "dataplane/icmp_limit.h"
#include "dataplane/ip.h"

#define IPV4_ERROR_MAX 576  /* RFC 1812 4.3.2.3 */
#define IPV6_ERROR_MAX 1280 /* RFC 4443 2.4 (c) */
#define ICMP_ERROR_HDR 8    /* type, code, checksum, and a word of which too-big's MTU is a part */
#define ERROR_TTL      64
#define TOS_CONTROL    0xc0 /* precedence 6, RFC 1812 4.3.2.5 */
#define ICMP6_INFO     128  /* types from here on are no errors */

struct kind {
	uint8_t type4, code4, type6, code6;
};

static const struct kind kinds[] = {
	[SL_ICMP_NET_UNREACHABLE] = {ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE},
	[SL_ICMP_HOST_UNREACHABLE] = {ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR},
	[SL_ICMP_PORT_UNREACHABLE] = {ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT},
	[SL_ICMP_TIME_EXCEEDED] = {ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT},
	[SL_ICMP_TOO_BIG] = {ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP6_PACKET_TOO_BIG, 0},
};

void
sl_icmp_reject(struct sl_worker *w, struct rte_mbuf *m, enum sl_drop reason, enum sl_icmp_kind kind, uint32_t mtu)
{
	struct sl_packet *p = sl_packet(m);

	if (p->flags & SL_PKT_LOCAL) { /* nobody to tell but ourselves */
		sl_worker_drop(w, m, reason);
		return;
	}
	if (*rte_pktmbuf_mtod(m, const uint8_t *) >> 4 == 4) {
		p->icmp_type = kinds[kind].type4;
		p->icmp_code = kinds[kind].code4;
	} else {
		p->icmp_type = kinds[kind].type6;
		p->icmp_code = kinds[kind].code6;
	}
	p->icmp_mtu = mtu;
	p->drop = reason;
	sl_worker_enqueue(w, SL_STAGE_ICMP_ERROR, m);
}

/* Whether the packet is itself an ICMP error, or an ICMP message that may be one. */
static bool
is_icmp_error(const struct rte_mbuf *m, const struct sl_ip_info *info, const struct sl_ip_upper *upper)
{
	uint8_t copy;
	const uint8_t *type;

	if (upper->proto != (info->family == SL_AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	type = upper->off < info->total_len ? rte_pktmbuf_read(m, upper->off, 1, &copy) : NULL;
	if (type == NULL)
		return true;
	if (info->family == SL_AF_INET6)
		return *type < ICMP6_INFO;
	return *type == ICMP_DEST_UNREACH || *type == ICMP_SOURCE_QUENCH || *type == ICMP_REDIRECT ||
		*type == ICMP_TIME_EXCEEDED || *type == ICMP_PARAMETERPROB;
}

/* Whether an address may be the source of a packet that is answered: one host's, and not only on its own link. */
static bool
is_host(const struct sl_ip *ip)
{
	return !sl_ip_is_zero(ip) && !sl_ip_is_multicast(ip) && !sl_ip_is_loopback(ip) &&
		!(ip->family == SL_AF_INET && (ip->bytes[0] >= 240 || ip->bytes[0] == 0));
}

/* The frame a packet came in by may have been a link-layer broadcast; its header still stands before the packet. */
static bool
was_link_multicast(const struct sl_worker *w, struct rte_mbuf *m)
{
	const struct sl_packet *p = sl_packet(m);
	const struct sl_if *ifp = sl_dataplane_if(w->dp, p->in_if);

	if (ifp == NULL || ifp->kind != SL_IF_PORT || (p->flags & (SL_PKT_DECAPPED | SL_PKT_REASSEMBLED)))
		return false;
	if (rte_pktmbuf_headroom(m) < RTE_ETHER_HDR_LEN)
		return false;
	return *(rte_pktmbuf_mtod(m, const uint8_t *) - RTE_ETHER_HDR_LEN) & RTE_ETHER_GROUP_ADDR;
}

/* RFC 1812 4.3.2.7 and RFC 4443 2.4 (e). */
static bool
may_answer(const struct sl_worker *w, struct rte_mbuf *m, const struct sl_ip_info *info)
{
	struct sl_ip src = sl_ip_of(info->family, info->src);
	struct sl_ip dst = sl_ip_of(info->family, info->dst);
	struct sl_ip_upper upper;

	if (sl_packet(m)->flags & SL_PKT_LOCAL)
		return false;
	if (!is_host(&src) || sl_ip_is_multicast(&dst) || (info->family == SL_AF_INET && dst.bytes[0] >= 240))
		return false;
	if (was_link_multicast(w, m))
		return false;
	return sl_ip_upper(m, info, &upper) && upper.first && !is_icmp_error(m, info, &upper);
}

/*
 * Our address on the interface the packet came in by; where that has none of the family, one of another interface that
 * is not outside.
 */
static const struct sl_ip *
source_address(const struct sl_worker *w, uint16_t in_if, const struct sl_ip *to)
{
	const struct sl_if *ifp = sl_dataplane_if(w->dp, in_if);
	const struct sl_ip *source = ifp ? sl_if_source(ifp, to) : NULL;

	for (uint16_t i = 0; source == NULL && i < SL_IF_MAX; i++) {
		ifp = sl_dataplane_if(w->dp, i);
		if (ifp && !ifp->outside)
			source = sl_if_source(ifp, to);
	}
	return source;
}

static void
write_ipv4(struct sl_worker *w, uint8_t *hdr, uint32_t len, const struct sl_ip *from, const struct sl_ip *to)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = TOS_CONTROL,
		.total_length = rte_cpu_to_be_16((uint16_t)len),
		.packet_id = rte_cpu_to_be_16(sl_worker_ip_id(w)),
		.time_to_live = ERROR_TTL,
		.next_proto_id = IPPROTO_ICMP,
	};

	memcpy(&ip.src_addr, from->bytes, sizeof(ip.src_addr));
	memcpy(&ip.dst_addr, to->bytes, sizeof(ip.dst_addr));
	ip.hdr_checksum = sl_ip4_checksum(&ip, sizeof(ip));
	memcpy(hdr, &ip, sizeof(ip));
}

static void
write_ipv6(uint8_t *hdr, uint32_t len, const struct sl_ip *from, const struct sl_ip *to)
{
	struct rte_ipv6_hdr ip = {
		.vtc_flow = rte_cpu_to_be_32(6u << 28),
		.payload_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(ip))),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = ERROR_TTL,
	};

	memcpy(ip.src_addr, from->bytes, sizeof(ip.src_addr));
	memcpy(ip.dst_addr, to->bytes, sizeof(ip.dst_addr));
	memcpy(hdr, &ip, sizeof(ip));
}

/* Type, code and checksum over the quote that follows; the second word carries the MTU in either family's place. */
static void
write_icmp(const struct sl_packet *about, uint8_t family, uint8_t *hdr, uint32_t len, uint64_t sum)
{
	uint32_t word = 0;
	uint16_t checksum;

	if (family == SL_AF_INET6 && about->icmp_type == ICMP6_PACKET_TOO_BIG)
		word = rte_cpu_to_be_32(about->icmp_mtu);
	else if (family == SL_AF_INET && about->icmp_type == ICMP_DEST_UNREACH && about->icmp_code == ICMP_FRAG_NEEDED)
		word = rte_cpu_to_be_32(about->icmp_mtu & UINT16_MAX); /* RFC 1191: the lower 16 bits */
	memset(hdr, 0, ICMP_ERROR_HDR);
	hdr[0] = about->icmp_type;
	hdr[1] = about->icmp_code;
	memcpy(hdr + 4, &word, sizeof(word));
	checksum = sl_csum_fold(sl_csum_add(sum, hdr, len));
	memcpy(hdr + 2, &checksum, sizeof(checksum));
}

/* Copies the first len bytes of m. */
static void
quote(uint8_t *to, const struct rte_mbuf *m, uint32_t len)
{
	const void *from = rte_pktmbuf_read(m, 0, len, to);

	if (from != to)
		memcpy(to, from, len);
}

/* The error about m, or NULL where there is no buffer. */
static struct rte_mbuf *
build(struct sl_worker *w, struct rte_mbuf *m, const struct sl_ip_info *info, const struct sl_ip *from,
	const struct sl_ip *to)
{
	bool v4 = info->family == SL_AF_INET;
	uint32_t ip_len = v4 ? SL_IP4_HDR_MIN : SL_IP6_HDR_LEN;
	uint32_t room = (v4 ? IPV4_ERROR_MAX : IPV6_ERROR_MAX) - ip_len - ICMP_ERROR_HDR;
	uint32_t quoted = RTE_MIN(info->total_len, room);
	uint32_t icmp_len = ICMP_ERROR_HDR + quoted;
	struct rte_mbuf *e = rte_pktmbuf_alloc(w->dp->pool);
	uint8_t *hdr;

	if (e == NULL)
		return NULL;
	hdr = (uint8_t *)rte_pktmbuf_append(e, (uint16_t)(ip_len + icmp_len));
	if (hdr == NULL) {
		rte_pktmbuf_free(e);
		return NULL;
	}
	sl_packet_init(e, SL_IF_NONE);
	sl_packet(e)->flags = SL_PKT_LOCAL | SL_PKT_ICMP_ERROR;
	quote(hdr + ip_len + ICMP_ERROR_HDR, m, quoted);
	if (v4) {
		write_ipv4(w, hdr, ip_len + icmp_len, from, to);
		write_icmp(sl_packet(m), info->family, hdr + ip_len, icmp_len, 0);
	} else {
		write_ipv6(hdr, ip_len + icmp_len, from, to);
		write_icmp(sl_packet(m), info->family, hdr + ip_len, icmp_len,
			sl_csum_pseudo(info->family, from->bytes, to->bytes, IPPROTO_ICMPV6, icmp_len));
	}
	return e;
}

static void
answer(struct sl_worker *w, struct rte_mbuf *m)
{
	const struct sl_ip *from;
	struct sl_ip_info info;
	struct rte_mbuf *e;
	struct sl_ip to;

	if (sl_ip_hdr_parse_mbuf(m, &info) != SL_IP_OK || !may_answer(w, m, &info))
		return;
	to = sl_ip_of(info.family, info.src);
	/* An error that is not sent counts as made and dropped, so that nothing goes uncounted. */
	if (!sl_icmp_limit_allow(w->icmp_limit, &to, w->now)) {
		sl_count(&w->stats.generated, 1);
		sl_count(&w->stats.drops[SL_DROP_ICMP_LIMITED], 1);
		return;
	}
	from = source_address(w, sl_packet(m)->in_if, &to);
	if (from == NULL)
		return;
	e = build(w, m, &info, from, &to);
	sl_count(&w->stats.generated, 1);
	if (e)
		sl_worker_enqueue(w, SL_STAGE_FORWARD, e);
	else
		sl_count(&w->stats.drops[SL_DROP_NO_BUFFER], 1);
}

void
sl_stage_icmp_error(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		answer(w, pkts[i]);
		sl_worker_drop(w, pkts[i], sl_packet(pkts[i])->drop);
	}
}
