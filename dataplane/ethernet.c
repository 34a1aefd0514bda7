/*
 * Stage "ethernet": frames as ports deliver them, data at the Ethernet header.
 *
 * Exits:
 *   ip-input   IPv4 and IPv6, data at the IP header
 *   punt       ARP, data at the ARP header, SL_PUNT_ARP
 * Drops: truncated, oversized, not-for-us, not-ip, bad-ip-header (version and type disagree), no-buffer, interface-down
 */
#include <rte_ether.h>
#include <rte_prefetch.h>

#include "dataplane/ip.h"
#include "dataplane/worker.h"

#define PREFETCH_AHEAD   4
#define IP4_DST_OFFSET   16
#define IP6_DST_OFFSET   24
#define IP4_GROUP_FIRST  224 /* first byte of multicast, and of 255.255.255.255 */
#define IP6_GROUP_FIRST  0xff

/* A frame to a group carries a packet to a group; anything else would be forwarded by every router on the link (RFC 1812 3.3.4). */
static bool
group_packet(const struct rte_mbuf *m, uint16_t type)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_HDR_LEN);
	uint32_t have = m->data_len - RTE_ETHER_HDR_LEN;

	if (type == RTE_ETHER_TYPE_IPV4)
		return have > IP4_DST_OFFSET && ip[IP4_DST_OFFSET] >= IP4_GROUP_FIRST;
	if (type == RTE_ETHER_TYPE_IPV6)
		return have > IP6_DST_OFFSET && ip[IP6_DST_OFFSET] == IP6_GROUP_FIRST;
	return true;
}

/* The stage a frame goes on to, or the reason why it does not, plus SL_STAGE_COUNT. */
static unsigned
judge(const struct rte_mbuf *m, const struct sl_if *ifp)
{
	const uint8_t *payload = rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_HDR_LEN);
	struct rte_ether_hdr eth;
	uint16_t type;

	if (unlikely(m->data_len <= sizeof(eth)))
		return SL_STAGE_COUNT + SL_DROP_TRUNCATED;
	if (unlikely(m->pkt_len > ifp->mtu + sizeof(eth)))
		return SL_STAGE_COUNT + SL_DROP_OVERSIZED;
	memcpy(&eth, rte_pktmbuf_mtod(m, const void *), sizeof(eth)); /* ports may deliver at odd addresses */
	type = rte_be_to_cpu_16(eth.ether_type);
	if (unlikely(!rte_is_same_ether_addr(&eth.dst_addr, &ifp->mac))) {
		if (!rte_is_multicast_ether_addr(&eth.dst_addr) || !group_packet(m, type))
			return SL_STAGE_COUNT + SL_DROP_NOT_FOR_US;
	}
	switch (type) {
	case RTE_ETHER_TYPE_IPV4:
		return payload[0] >> 4 == 4 ? SL_STAGE_IP_INPUT : SL_STAGE_COUNT + SL_DROP_BAD_IP_HEADER;
	case RTE_ETHER_TYPE_IPV6:
		return payload[0] >> 4 == 6 ? SL_STAGE_IP_INPUT : SL_STAGE_COUNT + SL_DROP_BAD_IP_HEADER;
	case RTE_ETHER_TYPE_ARP:
		return SL_STAGE_PUNT;
	default:
		return SL_STAGE_COUNT + SL_DROP_NOT_IP;
	}
}

static void
input_one(struct sl_worker *w, const struct sl_if *ifp, struct rte_mbuf *frame)
{
	struct rte_mbuf *m = sl_ip_pullup(frame, w->dp->jumbo);
	unsigned next;

	if (unlikely(m == NULL)) {
		sl_worker_drop(w, frame, SL_DROP_NO_BUFFER);
		return;
	}
	next = judge(m, ifp);
	if (unlikely(next >= SL_STAGE_COUNT)) {
		sl_worker_drop(w, m, (enum sl_drop)(next - SL_STAGE_COUNT));
		return;
	}
	rte_pktmbuf_adj(m, RTE_ETHER_HDR_LEN);
	if (next == SL_STAGE_PUNT)
		sl_packet(m)->punt = SL_PUNT_ARP;
	sl_worker_enqueue(w, (enum sl_stage)next, m);
}

void
sl_stage_ethernet(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	const struct sl_if *ifp = NULL;
	uint16_t in_if = SL_IF_NONE;

	for (unsigned i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (unsigned i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + PREFETCH_AHEAD], void *));
		if (ifp == NULL || sl_packet(pkts[i])->in_if != in_if) {
			in_if = sl_packet(pkts[i])->in_if;
			ifp = sl_dataplane_if(w->dp, in_if);
		}
		if (unlikely(ifp == NULL || ifp->kind != SL_IF_PORT))
			sl_worker_drop(w, pkts[i], SL_DROP_INTERFACE_DOWN);
		else
			input_one(w, ifp, pkts[i]);
	}
}
