#include "dataplane/outer.h"

#include "dataplane/ip.h"

static enum sl_drop
hop_by_if(struct sl_dataplane *dp, uint16_t id, const struct sl_ip *next_hop, const struct sl_ip *dst,
	struct sl_outer_hop *hop)
{
	uint32_t peer;

	hop->out_if = sl_dataplane_if(dp, id);
	if (unlikely(hop->out_if == NULL))
		return SL_DROP_INTERFACE_DOWN;
	if (hop->out_if->kind == SL_IF_PORT) {
		hop->peer = SL_PEER_NONE;
		hop->next_hop = *next_hop;
		return SL_DROP_COUNT;
	}
	peer = sl_lpm_lookup(hop->out_if->cryptokey, dst);
	if (peer == 0 || peer > dp->peers.capacity)
		return SL_DROP_NO_PEER;
	hop->peer = peer - 1;
	return SL_DROP_COUNT;
}

enum sl_drop
sl_outer_hop(struct sl_dataplane *dp, uint32_t route, const struct sl_ip *dst, struct sl_outer_hop *hop)
{
	uint32_t id = SL_ROUTE_ID(route);

	switch (SL_ROUTE_KIND(route)) {
	case SL_ROUTE_IF:
		return hop_by_if(dp, (uint16_t)id, dst, dst, hop);
	case SL_ROUTE_VIA:
		if (unlikely(id >= SL_NEXT_HOPS))
			return SL_DROP_NO_ROUTE;
		return hop_by_if(dp, dp->routes.next_hops[id].out_if, &dp->routes.next_hops[id].gateway, dst, hop);
	case SL_ROUTE_PEER:
		if (unlikely(id >= dp->peers.capacity))
			return SL_DROP_INTERFACE_DOWN;
		hop->peer = id;
		hop->out_if = sl_dataplane_if(dp, dp->peers.slots[id].wg_if);
		return hop->out_if ? SL_DROP_COUNT : SL_DROP_INTERFACE_DOWN;
	case SL_ROUTE_NONE:
		break;
	}
	return SL_DROP_NO_ROUTE;
}

bool
sl_outer_source(struct sl_outer *outer, const struct sl_if *out_if)
{
	const struct sl_ip *source;
	struct sl_endpoint remote;

	if (outer->local)
		return true;
	sl_outer_remote(outer, &remote);
	source = sl_if_source(out_if, &remote.ip);
	if (source == NULL)
		return false;
	if (outer->family == SL_AF_INET)
		memcpy(outer->hdr + offsetof(struct rte_ipv4_hdr, src_addr), source->bytes, 4);
	else
		memcpy(outer->hdr + offsetof(struct rte_ipv6_hdr, src_addr), source->bytes, 16);
	return true;
}

void
sl_outer_forward(struct sl_worker *w, struct rte_mbuf *m, uint16_t out_if, uint32_t peer, const struct sl_ip *next_hop,
	uint32_t mtu)
{
	struct sl_packet *p = sl_packet(m);

	p->flags = SL_PKT_LOCAL | SL_PKT_OUTER | SL_PKT_FRAGMENT_OK;
	p->out_if = out_if;
	p->out_peer = peer;
	p->resolved = 0;
	if (peer == SL_PEER_NONE)
		p->next_hop = *next_hop;
	else if (++p->nesting >= SL_NESTING_MAX) {
		sl_worker_drop(w, m, SL_DROP_NESTING);
		return;
	}
	if (unlikely(m->pkt_len > mtu || w->stages[SL_STAGE_FRAGMENT]->n > 0))
		sl_worker_enqueue(w, SL_STAGE_FRAGMENT, m);
	else
		sl_worker_enqueue(w, peer != SL_PEER_NONE ? SL_STAGE_ENCAP : SL_STAGE_NEIGHBOUR, m);
}
