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

#include <rte_udp.h>

#include "dataplane/ip.h"
#include "dataplane/worker.h"

#define DROP(reason) (SL_STAGE_COUNT + SL_DROP_##reason)

/* m->l3_len has 9 bits; a longer chain of extension headers before a UDP header has no use. */
#define UPPER_OFFSET_MAX 511

/* A part of the stage's vector. */
struct input {
	struct sl_worker *w;
	const struct sl_localaddr *local;
	const struct sl_if *ifp; /* of in_if */
	uint16_t in_if;
	/* where each packet goes: a stage, or DROP() */
	unsigned next[SL_BURST];
	/* sources whose route is to be looked up */
	unsigned n_checks;
	unsigned checked[SL_BURST]; /* → packet */
	struct sl_ip sources[SL_BURST];
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

static unsigned
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
	if (check) {
		in->checked[in->n_checks] = i;
		in->sources[in->n_checks++] = sl_ip_of(info.family, info.src);
	}
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
check_sources(struct input *in)
{
	const struct sl_dataplane *dp = in->w->dp;
	const struct sl_ip *sources[SL_BURST];
	uint32_t routes[SL_BURST];

	for (unsigned k = 0; k < in->n_checks; k++)
		sources[k] = &in->sources[k];
	sl_route_lookup_burst(&dp->routes, sources, routes, in->n_checks);
	for (unsigned k = 0; k < in->n_checks; k++)
		if (unlikely(into_tunnel(dp, routes[k])))
			in->next[in->checked[k]] = DROP(SPOOFED_SOURCE);
}

static void
input_burst(struct input *in, struct rte_mbuf **pkts, unsigned n)
{
	struct rte_mbuf *packets[SL_BURST];

	in->n_checks = 0;
	for (unsigned i = 0; i < n; i++) {
		uint16_t in_if = sl_packet(pkts[i])->in_if;

		if (in->ifp == NULL || in_if != in->in_if) {
			in->in_if = in_if;
			in->ifp = sl_dataplane_if(in->w->dp, in_if);
		}
		packets[i] = sl_ip_pullup(pkts[i], in->w->dp->jumbo);
		if (unlikely(packets[i] == NULL)) {
			packets[i] = pkts[i];
			in->next[i] = DROP(NO_BUFFER);
		} else {
			in->next[i] = likely(in->ifp != NULL) ? input_one(in, packets[i], i) : DROP(INTERFACE_DOWN);
		}
	}
	if (in->n_checks > 0)
		check_sources(in);
	for (unsigned i = 0; i < n; i++) {
		if (likely(in->next[i] < SL_STAGE_COUNT))
			sl_worker_enqueue(in->w, (enum sl_stage)in->next[i], packets[i]);
		else
			sl_worker_drop(in->w, packets[i], (enum sl_drop)(in->next[i] - SL_STAGE_COUNT));
	}
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
