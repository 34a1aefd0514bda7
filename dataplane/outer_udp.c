/*
 * Stage "outer-udp": UDP to a listen port of a WireGuard interface (wg_if), data at the IP header, which is checked;
 * m->l3_len leads to the UDP header. No fragments. What comes out is a WireGuard message of a possible size: one segment,
 * data at the message, the outer headers before it at outer_off.
 *
 * Exits:
 *   open       data messages (type 4)
 *   handshake  types 1 to 3
 * Drops: bad-udp-length, bad-udp-checksum, bad-message, nesting, no-buffer, interface-down
 */
#include <netinet/in.h>

#include <rte_udp.h>

#include "crypto/bytes.h"
#include "dataplane/ip.h"
#include "dataplane/order.h"
#include "dataplane/worker.h"

#define IP4_LENGTH 2 /* offset in an IPv4 header */

/* The stage a message of len bytes goes to (protocol.md 1), or SL_STAGE_COUNT where it is none. */
static enum sl_stage
stage_of(const uint8_t *msg, uint32_t len)
{
	if (len < sizeof(uint32_t))
		return SL_STAGE_COUNT;
	switch (sl_load_le32(msg)) {
	case SL_MSG_DATA:
		return len >= SL_DATA_OVERHEAD ? SL_STAGE_OPEN : SL_STAGE_COUNT;
	case SL_MSG_INITIATION:
		return len == sizeof(struct sl_msg_initiation) ? SL_STAGE_HANDSHAKE : SL_STAGE_COUNT;
	case SL_MSG_RESPONSE:
		return len == sizeof(struct sl_msg_response) ? SL_STAGE_HANDSHAKE : SL_STAGE_COUNT;
	case SL_MSG_COOKIE_REPLY:
		return len == sizeof(struct sl_msg_cookie_reply) ? SL_STAGE_HANDSHAKE : SL_STAGE_COUNT;
	default:
		return SL_STAGE_COUNT;
	}
}

/*
 * Leaves the checksum to the worker that will open the message, who reads all of it anyway: one that hands messages out
 * would only have it in the wrong cache (dataplane/order.h).
 */
static bool
check_later(struct rte_mbuf *m, const struct sl_ip_info *info, const struct rte_udp_hdr *udp, uint32_t udp_len)
{
	if (stage_of((const uint8_t *)(udp + 1), udp_len - (uint32_t)sizeof(*udp)) != SL_STAGE_OPEN)
		return false;
	sl_packet(m)->udp_sum = (uint16_t)~sl_csum_fold(sl_csum_pseudo(info->family, info->src, info->dst, IPPROTO_UDP, udp_len));
	return true;
}

/* The UDP checksum by the port's verdict, where the port gives one, else computed, maybe later (protocol.md 3). */
static bool
checksum_right(const struct sl_if *ifp, struct rte_mbuf *m, const struct sl_ip_info *info,
	const struct rte_udp_hdr *udp, uint32_t udp_len, bool later)
{
	uint64_t verdict = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	sl_packet(m)->udp_sum = 0; /* of the tunnel before, where tunnels nest */
	if (udp->dgram_cksum == 0)
		return info->family == SL_AF_INET;
	if (ifp->rx_csum && verdict == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	if (ifp->rx_csum && verdict == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return false;
	if (later && check_later(m, info, udp, udp_len))
		return true;
	return sl_csum_fold(sl_csum_add(
		       sl_csum_pseudo(info->family, info->src, info->dst, IPPROTO_UDP, udp_len), udp, udp_len)) == 0;
}

/* What has to be known of the IP header. That of plain IPv4 was checked by ip-input; others are parsed once more. */
static inline bool
outer_header(const struct rte_mbuf *m, struct sl_ip_info *info)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);

	if (unlikely(m->data_len < SL_IP4_HDR_MIN || h[0] != RTE_IPV4_VHL_DEF))
		return sl_ip_hdr_parse_mbuf(m, info) == SL_IP_OK;
	info->family = SL_AF_INET;
	info->total_len = (uint32_t)h[IP4_LENGTH] << 8 | h[IP4_LENGTH + 1];
	info->src = h + offsetof(struct rte_ipv4_hdr, src_addr);
	info->dst = h + offsetof(struct rte_ipv4_hdr, dst_addr);
	return info->total_len <= m->data_len;
}

/* Checks m and strips its outer headers. SL_DROP_COUNT and *next set, or the reason for which it is dropped. */
static inline enum sl_drop
accept_message(const struct sl_if *ifp, struct rte_mbuf *m, bool later, enum sl_stage *next)
{
	struct sl_packet *p = sl_packet(m);
	const struct rte_udp_hdr *udp;
	struct sl_ip_info info;
	uint32_t udp_len;

	if (unlikely(!outer_header(m, &info) || m->l3_len + sizeof(*udp) > info.total_len))
		return SL_DROP_BAD_UDP_LENGTH;
	if (unlikely(p->flags & SL_PKT_DECAPPED)) {
		if (p->nesting >= SL_NESTING_MAX)
			return SL_DROP_NESTING;
		p->nesting++;
	}
	udp = rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, m->l3_len);
	udp_len = rte_be_to_cpu_16(udp->dgram_len);
	if (unlikely(udp_len < sizeof(*udp) || udp_len > info.total_len - m->l3_len))
		return SL_DROP_BAD_UDP_LENGTH;
	if (unlikely(!checksum_right(ifp, m, &info, udp, udp_len, later)))
		return SL_DROP_BAD_UDP_CHECKSUM;
	*next = stage_of((const uint8_t *)(udp + 1), udp_len - (uint32_t)sizeof(*udp));
	if (unlikely(*next == SL_STAGE_COUNT))
		return SL_DROP_BAD_MESSAGE;
	p->flags = 0;
	p->outer_off = m->data_off;
	sl_ip_trim(m, m->l3_len + udp_len);
	rte_pktmbuf_adj(m, (uint16_t)(m->l3_len + sizeof(*udp)));
	return SL_DROP_COUNT;
}

static uint8_t
input_one(struct sl_worker *w, const struct sl_if *ifp, struct rte_mbuf **at)
{
	enum sl_stage next = SL_STAGE_COUNT;
	struct rte_mbuf *m = *at;
	enum sl_drop reason;

	if (unlikely(ifp == NULL))
		return SL_EXIT_DROP(INTERFACE_DOWN);
	/* Before the headers are stripped: a copy takes along what lies in the packet, not what lies before it. */
	if (unlikely(m->nb_segs > 1)) {
		m = sl_packet_linearize(m, w->dp->jumbo);
		if (m == NULL)
			return SL_EXIT_DROP(NO_BUFFER);
		*at = m;
	}
	reason = accept_message(ifp, m, w->order->on, &next);
	return (uint8_t)(likely(reason == SL_DROP_COUNT) ? (unsigned)next : SL_STAGE_COUNT + (unsigned)reason);
}

static void
input_burst(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	const struct sl_if *ifp = NULL;
	uint16_t in_if = SL_IF_NONE;
	uint8_t next[SL_BURST];

	for (unsigned i = 0; i < n; i++) {
		if (sl_packet(pkts[i])->in_if != in_if) {
			in_if = sl_packet(pkts[i])->in_if;
			ifp = sl_dataplane_if(w->dp, in_if);
		}
		next[i] = input_one(w, ifp, &pkts[i]);
	}
	sl_worker_dispatch(w, pkts, next, n);
}

void
sl_stage_outer_udp(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	for (unsigned done = 0; done < n; done += SL_BURST)
		input_burst(w, pkts + done, RTE_MIN(n - done, (unsigned)SL_BURST));
}
