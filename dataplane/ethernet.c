/*
 * Stage "ethernet": frames as ports deliver them, data at the Ethernet header.
 *
 * Exits:
 *   ip-input   IPv4 and IPv6, data at the IP header
 *   punt       ARP, data at the ARP header, SL_PUNT_ARP
 * Drops: truncated, oversized, not-for-us, not-ip, bad-ip-header (version and type disagree), no-buffer, interface-down
 */
#include <rte_ether.h>

#include "dataplane/ip.h"
#include "dataplane/worker.h"

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

/* Whether a frame is nothing but an IP packet for this port's own address: what judge would say, in fewer looks. */
static inline bool
plain(const struct rte_mbuf *m, const struct sl_if *ifp)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t first, first_own;
	uint16_t rest, rest_own, type;

	if (unlikely(m->data_len <= RTE_ETHER_HDR_LEN || m->pkt_len > (uint32_t)ifp->mtu + RTE_ETHER_HDR_LEN))
		return false;
	memcpy(&first, frame, sizeof(first));
	memcpy(&rest, frame + sizeof(first), sizeof(rest));
	memcpy(&first_own, ifp->mac.addr_bytes, sizeof(first));
	memcpy(&rest_own, ifp->mac.addr_bytes + sizeof(first), sizeof(rest));
	memcpy(&type, frame + offsetof(struct rte_ether_hdr, ether_type), sizeof(type));
	if (unlikely(first != first_own || rest != rest_own))
		return false;
	return (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) && frame[RTE_ETHER_HDR_LEN] >> 4 == 4) ||
		(type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) && frame[RTE_ETHER_HDR_LEN] >> 4 == 6);
}

/* Strips the header of a frame that goes on. Returns its exit; *at is replaced where its segments had to be joined. */
static inline uint8_t
input_one(struct sl_worker *w, const struct sl_if *ifp, struct rte_mbuf **at)
{
	struct rte_mbuf *m = sl_ip_pullup(*at, w->dp->jumbo);
	unsigned next = SL_STAGE_IP_INPUT;

	if (unlikely(m == NULL))
		return SL_EXIT_DROP(NO_BUFFER);
	*at = m;
	if (unlikely(!plain(m, ifp)))
		next = judge(m, ifp);
	if (unlikely(next >= SL_STAGE_COUNT))
		return (uint8_t)next;
	rte_pktmbuf_adj(m, RTE_ETHER_HDR_LEN);
	if (unlikely(next == SL_STAGE_PUNT))
		sl_packet(m)->punt = SL_PUNT_ARP;
	return (uint8_t)next;
}

static void
input_burst(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	const struct sl_if *ifp = NULL;
	uint16_t in_if = SL_IF_NONE;
	uint8_t next[SL_BURST];

	for (unsigned i = 0; i < n; i++) {
		if (ifp == NULL || sl_packet(pkts[i])->in_if != in_if) {
			in_if = sl_packet(pkts[i])->in_if;
			ifp = sl_dataplane_if(w->dp, in_if);
		}
		if (unlikely(ifp == NULL || ifp->kind != SL_IF_PORT))
			next[i] = SL_EXIT_DROP(INTERFACE_DOWN);
		else
			next[i] = input_one(w, ifp, &pkts[i]);
	}
	sl_worker_dispatch(w, pkts, next, n);
}

void
sl_stage_ethernet(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	for (unsigned done = 0; done < n; done += SL_BURST)
		input_burst(w, pkts + done, RTE_MIN(n - done, (unsigned)SL_BURST));
}
