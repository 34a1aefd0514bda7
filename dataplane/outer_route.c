/*
 * Stage OUTER_ROUTE. In: outer WireGuard packets of control (SL_CMD_OUTER: handshake messages, cookie replies), data at
 * the IP header, wg_if set; source address, identification and checksums may still be missing.
 * Exits: NEIGHBOUR, ENCAP (nested), FRAGMENT.
 */
#include <netinet/in.h>

#include "dataplane/ip.h"
#include "dataplane/outer.h"

/* Fills in what control left open. False where there is no source address. */
static bool
complete(struct sl_worker *w, struct rte_mbuf *m, const struct sl_ip_info *info, const struct sl_if *out_if)
{
	uint8_t *h = rte_pktmbuf_mtod(m, uint8_t *);
	struct sl_ip src = sl_ip_of(info->family, info->src);
	struct sl_ip dst = sl_ip_of(info->family, info->dst);
	uint8_t *udp = h + info->hdr_len;
	uint16_t checksum = 0;

	if (sl_ip_is_zero(&src)) {
		const struct sl_ip *chosen = sl_if_source(out_if, &dst);

		if (chosen == NULL)
			return false;
		memcpy(h + (info->src - h), chosen->bytes, sl_family_bytes(info->family));
	}
	if (info->family == SL_AF_INET) {
		uint16_t id = rte_cpu_to_be_16(sl_worker_ip_id(w));

		memcpy(h + 4, &id, sizeof(id));
		memcpy(h + 10, &checksum, sizeof(checksum));
		checksum = sl_ip4_checksum(h, info->hdr_len);
		memcpy(h + 10, &checksum, sizeof(checksum));
	}
	memset(udp + 6, 0, sizeof(checksum));
	checksum = sl_udp_checksum(m, info, info->hdr_len, info->total_len - info->hdr_len);
	if (checksum == 0)
		checksum = UINT16_MAX;
	memcpy(udp + 6, &checksum, sizeof(checksum));
	return true;
}

static enum sl_drop
route_one(struct sl_worker *w, struct rte_mbuf *m)
{
	struct sl_packet *p = sl_packet(m);
	struct sl_outer_hop hop;
	struct sl_ip_info info;
	enum sl_drop reason;
	struct sl_ip dst;
	uint32_t route, hdrs;

	if (sl_ip_hdr_parse_mbuf(m, &info) != SL_IP_OK || info.proto != IPPROTO_UDP)
		return SL_DROP_BAD_IP_HEADER;
	hdrs = info.hdr_len + (uint32_t)SL_UDP_HDR_LEN;
	if (info.total_len < hdrs || m->data_len < hdrs)
		return SL_DROP_BAD_IP_HEADER;
	dst = sl_ip_of(info.family, info.dst);
	route = sl_route_lookup_outer(&w->dp->routes, &w->dp->peers, &dst, p->wg_if);
	reason = sl_outer_hop(w->dp, route, &dst, &hop);
	if (reason != SL_DROP_COUNT)
		return reason;
	if (!complete(w, m, &info, hop.out_if))
		return SL_DROP_NO_ROUTE;
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	sl_outer_forward(w, m, hop.out_if->id, hop.peer, &hop.next_hop, hop.out_if->mtu ? hop.out_if->mtu : UINT32_MAX);
	return SL_DROP_COUNT;
}

void
sl_stage_outer_route(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		enum sl_drop reason = route_one(w, pkts[i]);

		if (unlikely(reason != SL_DROP_COUNT))
			sl_worker_drop(w, pkts[i], reason);
	}
}
