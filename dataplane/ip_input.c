/*
 * Stage "ip-input": IPv4 and IPv6 packets, data at the IP header: clear ones from ports, decrypted ones (SL_PKT_DECAPPED),
 * reassembled ones. Checks the header, trims what the link padded, tells what is for us, and refuses clear packets with
 * sources that cannot be (config.md, Routing).
 *
 * Exits:
 *   forward     for somebody else
 *   outer-udp   for one of our addresses and a listen port: wg_if is set, m->l3_len leads to the UDP header
 *   reassembly  a fragment for one of our addresses
 *   punt        for one of our addresses, or ICMPv6 to a group we joined: SL_PUNT_LOCAL
 * Drops: truncated, bad-ip-header, bad-ip-checksum, bad-udp-length, not-for-us, spoofed-source, no-buffer, interface-down
 *
 * Source checks of clear packets:
 *   any              not multicast, broadcast, loopback or zero, nor one of ours; "::" is allowed in ICMPv6 to us (duplicate
 *                    address detection)
 *   all but WireGuard messages, which prove their origin themselves
 *                    not routed into a tunnel; link-local IPv6 sources, which no route is about, may talk to us alone
 */
#include <netinet/in.h>

#include <rte_prefetch.h>
#include <rte_udp.h>

#include "dataplane/ip.h"
#include "dataplane/worker.h"

#define IP4_LENGTH        2 /* offsets in an IPv4 header */
#define IP4_FRAGMENT      6
#define IP4_FRAGMENT_MASK 0x3f
#define IP4_PROTO         9
#define IP4_SRC           12
#define IP4_DST           16

#define DROP(reason) SL_EXIT_DROP(reason)
#define UNDECIDED    UINT8_MAX /* no exit: the general way has to judge */

/* m->l3_len has 9 bits; a longer chain of extension headers before a UDP header has no use. */
#define UPPER_OFFSET_MAX 511

/* Bytes of a message whose session will be looked for: what is behind the first line of the buffer is fetched early. */
#define MESSAGE_AHEAD 64

/* A part of the stage's vector. */
struct input {
	struct sl_worker *w;
	const struct sl_localaddr *local;
	const struct sl_if *ifp; /* of in_if */
	uint16_t in_if;
	/* The last answers for plain IPv4 packets from in_if: what follows has nearly always the same. */
	bool known_src, known_dst;
	uint32_t src, dst;
	const struct sl_localaddr_entry *dst_entry;
	/* where each packet goes: a stage, or DROP() */
	uint8_t next[SL_BURST];
	/* Sources whose routes are to be looked up; of packet i the one at check_of[i] - 1. Is the last one `checked`? */
	unsigned n_checks;
	bool known_checked;
	uint32_t checked;
	uint8_t check_of[SL_BURST];
	struct sl_lpm_key sources[SL_BURST];
	uint32_t sources4[SL_BURST]; /* the addresses, where all are IPv4 */
	bool all_v4;
};

/* Addresses that no packet comes from and none is forwarded to: 0/8, 127/8 and ::1, and 255.255.255.255. */
static bool
is_nobody(uint8_t family, const uint8_t *addr)
{
	static const uint8_t zero[15];

	if (family == SL_AF_INET)
		return addr[0] == 0 || addr[0] == 127 || (addr[0] & addr[1] & addr[2] & addr[3]) == 0xff;
	return memcmp(addr, zero, sizeof(zero)) == 0 && addr[15] <= 1;
}

static bool
is_multicast(uint8_t family, const uint8_t *addr)
{
	return family == SL_AF_INET ? addr[0] >> 4 == 0xe : addr[0] == 0xff;
}

static bool
is_link_local6(uint8_t family, const uint8_t *addr)
{
	return family == SL_AF_INET6 && addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

static const struct sl_localaddr_entry *
local_entry(const struct input *in, uint8_t family, const uint8_t *addr)
{
	return family == SL_AF_INET ? sl_localaddr_lookup4(in->local, addr, in->in_if)
				    : sl_localaddr_lookup6(in->local, addr, in->in_if);
}

/* Whether a source is one that no clear packet may have, whatever the routes say. */
static bool
source_impossible(const struct input *in, const struct sl_packet *p, const struct sl_ip_info *info)
{
	if (is_nobody(info->family, info->src) || is_multicast(info->family, info->src))
		return true;
	return !(p->flags & SL_PKT_DECAPPED) && local_entry(in, info->family, info->src) != NULL;
}

static bool
is_unspecified6(const struct sl_ip_info *info)
{
	return info->family == SL_AF_INET6 && is_nobody(SL_AF_INET6, info->src) && info->src[15] == 0;
}

/* UDP for one of our addresses: a listen port's goes to outer-udp. */
static unsigned
local_udp(const struct input *in, struct rte_mbuf *m, const struct sl_ip_info *info, const struct sl_ip_upper *upper)
{
	struct rte_udp_hdr copy;
	const struct rte_udp_hdr *udp;
	uint16_t listener;

	if (unlikely(upper->off + sizeof(copy) > info->total_len))
		return DROP(BAD_UDP_LENGTH);
	if (unlikely(upper->off > UPPER_OFFSET_MAX))
		return DROP(BAD_IP_HEADER);
	udp = rte_pktmbuf_read(m, upper->off, sizeof(copy), &copy);
	listener = atomic_load_explicit(&in->w->dp->listen[rte_be_to_cpu_16(udp->dst_port)], memory_order_relaxed);
	if (listener == 0)
		return SL_STAGE_PUNT;
	sl_packet(m)->wg_if = listener - 1;
	m->l3_len = upper->off;
	return SL_STAGE_OUTER_UDP;
}

static unsigned
local_input(const struct input *in, struct rte_mbuf *m, const struct sl_ip_info *info, uint8_t kinds)
{
	struct sl_packet *p = sl_packet(m);
	struct sl_ip_upper upper;

	if (unlikely(!sl_ip_upper(m, info, &upper)))
		return DROP(BAD_IP_HEADER);
	p->punt = SL_PUNT_LOCAL;
	if (!(kinds & SL_LOCALADDR_UNICAST)) {
		/* Groups matter for neighbour discovery alone, and broadcasts are ARP's, which is no IP. */
		bool wanted = kinds & SL_LOCALADDR_MULTICAST && upper.proto == IPPROTO_ICMPV6 && !upper.fragment;

		return wanted ? SL_STAGE_PUNT : DROP(NOT_FOR_US);
	}
	if (unlikely(upper.fragment))
		return p->flags & SL_PKT_REASSEMBLED ? DROP(BAD_IP_HEADER) : SL_STAGE_REASSEMBLY;
	if (likely(upper.proto == IPPROTO_UDP))
		return local_udp(in, m, info, &upper);
	return SL_STAGE_PUNT;
}

/* Where a valid packet goes; *check: if the route of its source allows it. */
static unsigned
classify(const struct input *in, struct rte_mbuf *m, const struct sl_ip_info *info, bool *check)
{
	const struct sl_localaddr_entry *local = local_entry(in, info->family, info->dst);
	struct sl_packet *p = sl_packet(m);
	bool clear = !(p->flags & (SL_PKT_DECAPPED | SL_PKT_LOCAL));
	bool link_local = is_link_local6(info->family, info->src);
	unsigned next;

	if (unlikely(!(p->flags & SL_PKT_LOCAL) && source_impossible(in, p, info))) {
		if (!local || !clear || !is_unspecified6(info))
			return DROP(SPOOFED_SOURCE);
		next = info->proto == IPPROTO_ICMPV6 ? local_input(in, m, info, local->flags) : DROP(SPOOFED_SOURCE);
		return next;
	}
	if (local) {
		next = local_input(in, m, info, local->flags);
		*check = clear && !link_local && next == SL_STAGE_PUNT;
		return next;
	}
	if (unlikely(is_nobody(info->family, info->dst) || is_multicast(info->family, info->dst)))
		return DROP(NOT_FOR_US);
	/* Link-local packets stay on their link (RFC 4291 2.5.6). */
	if (unlikely(link_local || is_link_local6(info->family, info->dst)))
		return DROP(NOT_FOR_US);
	*check = clear;
	return SL_STAGE_FORWARD;
}

/* The IPv4 header checksum, by the port's verdict where the port gives one. */
static bool
header_sum_right(const struct input *in, const struct rte_mbuf *m, const struct sl_ip_info *info)
{
	uint64_t verdict = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	if (in->ifp->rx_csum && verdict == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return sl_ip4_checksum(rte_pktmbuf_mtod(m, const void *), info->hdr_len) == 0;
}

/* The source of packet i is to be looked up. */
static inline void
check_source(struct input *in, unsigned i, const uint8_t *src, uint8_t family)
{
	in->sources[in->n_checks++] = (struct sl_lpm_key){.addr = src, .family = family};
	in->check_of[i] = (uint8_t)in->n_checks;
	in->known_checked = false;
	in->all_v4 = false;
}

/* The same for IPv4, whose source may be that of the last one. */
static inline void
check_source4(struct input *in, unsigned i, const uint8_t *at, uint32_t src)
{
	if (likely(in->known_checked && src == in->checked)) {
		in->check_of[i] = (uint8_t)in->n_checks;
		return;
	}
	in->sources4[in->n_checks] = src;
	in->sources[in->n_checks++] = (struct sl_lpm_key){.addr = at, .family = SL_AF_INET};
	in->check_of[i] = (uint8_t)in->n_checks;
	in->known_checked = true;
	in->checked = src;
}

static uint8_t
input_one(struct input *in, struct rte_mbuf *m, unsigned i)
{
	struct sl_ip_info info;
	bool check = false;
	unsigned next;

	switch (sl_ip_hdr_parse_mbuf(m, &info)) {
	case SL_IP_OK:
		break;
	case SL_IP_TRUNCATED:
		return DROP(TRUNCATED);
	case SL_IP_MALFORMED:
	case SL_IP_NOT_IP:
		return DROP(BAD_IP_HEADER);
	}
	if (info.family == SL_AF_INET && unlikely(!header_sum_right(in, m, &info)))
		return DROP(BAD_IP_CHECKSUM);
	sl_ip_trim(m, info.total_len);
	next = classify(in, m, &info, &check);
	if (check)
		check_source(in, i, info.src, info.family);
	return (uint8_t)next;
}

/* --- what nearly all traffic is --- */

/* First bytes of IPv4 addresses that want a closer look. */
static const bool special4[256] = {[0] = true, [127] = true, [224 ... 239] = true, [255] = true};

/* For one of our addresses: UDP to a listen port. */
static inline uint8_t
plain_local(const struct input *in, struct rte_mbuf *m, const uint8_t *h)
{
	bool whole = ((h[IP4_FRAGMENT] & IP4_FRAGMENT_MASK) | h[IP4_FRAGMENT + 1]) == 0;
	uint16_t port, listener;

	if (unlikely(!whole || h[IP4_PROTO] != IPPROTO_UDP || !(in->dst_entry->flags & SL_LOCALADDR_UNICAST) ||
		    m->data_len < SL_IP4_HDR_MIN + SL_UDP_HDR_LEN))
		return UNDECIDED;
	memcpy(&port, h + SL_IP4_HDR_MIN + offsetof(struct rte_udp_hdr, dst_port), sizeof(port));
	listener = atomic_load_explicit(&in->w->dp->listen[rte_be_to_cpu_16(port)], memory_order_relaxed);
	if (unlikely(listener == 0))
		return UNDECIDED;
	rte_prefetch0(h + MESSAGE_AHEAD);
	rte_prefetch0(h + MESSAGE_AHEAD + RTE_CACHE_LINE_SIZE);
	sl_packet(m)->wg_if = listener - 1;
	m->l3_len = SL_IP4_HDR_MIN;
	return SL_STAGE_OUTER_UDP;
}

/*
 * IPv4 without options, in one segment, between addresses that may meet, for somebody else or for a listen port: judged
 * as input_one would. UNDECIDED, with the packet as it was but for what the link padded, for any other.
 */
static inline uint8_t
plain_one(struct input *in, struct rte_mbuf *m, unsigned i)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);
	struct sl_packet *p = sl_packet(m);
	bool clear = !(p->flags & SL_PKT_DECAPPED);
	uint32_t total, src, dst;
	uint8_t next = SL_STAGE_FORWARD;

	if (unlikely(m->nb_segs != 1 || m->data_len < SL_IP4_HDR_MIN || h[0] != RTE_IPV4_VHL_DEF))
		return UNDECIDED;
	total = (uint32_t)h[IP4_LENGTH] << 8 | h[IP4_LENGTH + 1];
	if (unlikely(total < SL_IP4_HDR_MIN || total > m->data_len || special4[h[IP4_SRC]] || special4[h[IP4_DST]] ||
		    p->flags & SL_PKT_LOCAL))
		return UNDECIDED;
	if (unlikely(sl_ip4_checksum(h, SL_IP4_HDR_MIN) != 0))
		return UNDECIDED;
	memcpy(&src, h + IP4_SRC, sizeof(src));
	memcpy(&dst, h + IP4_DST, sizeof(dst));
	if (clear && !(in->known_src && src == in->src)) {
		if (unlikely(sl_localaddr_lookup4(in->local, h + IP4_SRC, in->in_if) != NULL))
			return UNDECIDED;
		in->known_src = true;
		in->src = src;
	}
	if (unlikely(!in->known_dst || dst != in->dst)) {
		in->dst_entry = sl_localaddr_lookup4(in->local, h + IP4_DST, in->in_if);
		in->known_dst = true;
		in->dst = dst;
	}
	m->data_len = (uint16_t)total;
	m->pkt_len = total;
	if (in->dst_entry)
		next = plain_local(in, m, h);
	else if (clear)
		check_source4(in, i, h + IP4_SRC, src);
	return next;
}

static bool
into_tunnel(const struct sl_dataplane *dp, uint32_t route)
{
	const struct sl_if *ifp;

	switch (SL_ROUTE_KIND(route)) {
	case SL_ROUTE_PEER:
		return true;
	case SL_ROUTE_IF:
		ifp = sl_dataplane_if(dp, (uint16_t)SL_ROUTE_ID(route));
		return ifp && ifp->kind == SL_IF_WIREGUARD;
	case SL_ROUTE_VIA:
		ifp = sl_dataplane_if(dp, dp->routes.next_hops[SL_ROUTE_ID(route)].out_if);
		return ifp && ifp->kind == SL_IF_WIREGUARD;
	case SL_ROUTE_NONE:
		break;
	}
	return false;
}

static void
check_sources(struct input *in, unsigned n)
{
	const struct sl_dataplane *dp = in->w->dp;
	uint32_t routes[SL_BURST];
	uint64_t refused = 0; /* a bit per source */

	if (likely(in->all_v4))
		sl_route_lookup4_burst(&dp->routes, in->sources4, routes, in->n_checks);
	else
		sl_route_lookup_keys(&dp->routes, in->sources, routes, in->n_checks);
	for (unsigned k = 0; k < in->n_checks; k++)
		refused |= (uint64_t)into_tunnel(dp, routes[k]) << k;
	if (likely(refused == 0))
		return;
	for (unsigned i = 0; i < n; i++)
		if (in->check_of[i] != 0 && refused >> (in->check_of[i] - 1) & 1)
			in->next[i] = DROP(SPOOFED_SOURCE);
}

static_assert(SL_BURST <= 64, "refused sources are bits of a word");

/* The interface of a packet; false where it is gone. */
static inline bool
find_if(struct input *in, uint16_t in_if)
{
	if (unlikely(in->ifp == NULL || in_if != in->in_if)) {
		in->in_if = in_if;
		in->ifp = sl_dataplane_if(in->w->dp, in_if);
		in->known_src = in->known_dst = false;
	}
	return in->ifp != NULL;
}

/* The general way. Returns the packet to go on with. */
static struct rte_mbuf *
input_any(struct input *in, struct rte_mbuf *m, unsigned i)
{
	struct rte_mbuf *packet = sl_ip_pullup(m, in->w->dp->jumbo);

	in->check_of[i] = 0;
	if (unlikely(packet == NULL)) {
		in->next[i] = DROP(NO_BUFFER);
		return m;
	}
	in->next[i] = input_one(in, packet, i);
	return packet;
}

static void
input_burst(struct input *in, struct rte_mbuf **pkts, unsigned n)
{
	in->n_checks = 0;
	in->known_checked = false;
	in->all_v4 = true;
	for (unsigned i = 0; i < n; i++) {
		in->check_of[i] = 0;
		if (unlikely(!find_if(in, sl_packet(pkts[i])->in_if))) {
			in->next[i] = DROP(INTERFACE_DOWN);
			continue;
		}
		in->next[i] = plain_one(in, pkts[i], i);
		if (unlikely(in->next[i] == UNDECIDED))
			pkts[i] = input_any(in, pkts[i], i);
	}
	if (in->n_checks > 0)
		check_sources(in, n);
	sl_worker_dispatch(in->w, pkts, in->next, n);
}

void
sl_stage_ip_input(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct input in;

	in.w = w;
	in.local = atomic_load_explicit(&w->dp->localaddr, memory_order_acquire);
	in.ifp = NULL;
	in.in_if = SL_IF_NONE;
	for (unsigned done = 0; done < n; done += SL_BURST)
		input_burst(&in, pkts + done, RTE_MIN(n - done, (unsigned)SL_BURST));
}
