#include "dataplane/outer.h"

#include <netinet/in.h>

#include <rte_malloc.h>

#include "dataplane/ip.h"

struct sl_outer_paths *
sl_outer_paths_create(int socket)
{
	return rte_zmalloc_socket("sl_outer_paths", sizeof(struct sl_outer_paths), RTE_CACHE_LINE_SIZE, socket);
}

void
sl_outer_paths_destroy(struct sl_outer_paths *p)
{
	rte_free(p);
}

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
sl_outer_sums(struct sl_outer_path *path)
{
	const uint8_t *hdr = path->outer.hdr;
	const uint8_t *udp = hdr + path->outer.len - SL_UDP_HDR_LEN;

	if (path->outer.family == SL_AF_INET) {
		path->ip_sum = sl_csum_add(0, hdr, SL_IP4_HDR_MIN);
		path->pseudo_sum = sl_csum_pseudo(SL_AF_INET, hdr + 12, hdr + 16, IPPROTO_UDP, 0);
	} else {
		path->pseudo_sum = sl_csum_pseudo(SL_AF_INET6, hdr + 8, hdr + 24, IPPROTO_UDP, 0);
	}
	path->udp_sum = sl_csum_add(path->pseudo_sum, udp, SL_UDP_HDR_LEN);
}

static void
write_ip4(const struct sl_outer_path *path, uint8_t *hdr, uint32_t total, uint8_t ecn, uint16_t ip_id)
{
	uint16_t first = rte_cpu_to_be_16((uint16_t)(RTE_IPV4_VHL_DEF << 8 | ecn));
	uint16_t len = rte_cpu_to_be_16((uint16_t)total);
	uint16_t id = rte_cpu_to_be_16(ip_id);
	uint16_t tos = rte_cpu_to_be_16(ecn);
	uint16_t checksum = sl_csum_fold(path->ip_sum + len + id + tos);

	memcpy(hdr, &first, sizeof(first));
	memcpy(hdr + 2, &len, sizeof(len));
	memcpy(hdr + 4, &id, sizeof(id));
	memcpy(hdr + 10, &checksum, sizeof(checksum));
}

static void
write_ip6(uint8_t *hdr, uint32_t udp_len, uint8_t ecn)
{
	uint32_t first = rte_cpu_to_be_32(6u << 28 | (uint32_t)ecn << 20);
	uint16_t len = rte_cpu_to_be_16((uint16_t)udp_len);

	memcpy(hdr, &first, sizeof(first));
	memcpy(hdr + 4, &len, sizeof(len));
}

void
sl_outer_write(const struct sl_outer_path *path, uint8_t *hdr, uint32_t udp_len, uint8_t ecn, uint16_t ip_id,
	bool offload)
{
	uint32_t ip_len = path->outer.len - SL_UDP_HDR_LEN;
	uint16_t len = rte_cpu_to_be_16((uint16_t)udp_len);
	uint8_t *udp = hdr + ip_len;
	uint16_t checksum;

	if (path->outer.family == SL_AF_INET) {
		memcpy(hdr, path->outer.hdr, SL_IP4_HDR_MIN + SL_UDP_HDR_LEN);
		write_ip4(path, hdr, ip_len + udp_len, ecn, ip_id);
	} else {
		memcpy(hdr, path->outer.hdr, SL_IP6_HDR_LEN + SL_UDP_HDR_LEN);
		write_ip6(hdr, udp_len, ecn);
	}
	memcpy(udp + 4, &len, sizeof(len));
	if (offload) {
		/* The port wants the sum of the pseudo-header, not complemented, in the field. */
		checksum = (uint16_t)~sl_csum_fold(path->pseudo_sum + len);
	} else {
		/* The length counts twice: in the pseudo-header and in the header. */
		uint64_t sum = path->udp_sum + 2u * (uint64_t)len;

		sum = sl_csum_add(sum, udp + SL_UDP_HDR_LEN, udp_len - SL_UDP_HDR_LEN);
		checksum = sl_csum_fold(sum);
		if (checksum == 0)
			checksum = UINT16_MAX;
	}
	memcpy(udp + 6, &checksum, sizeof(checksum));
}

void
sl_outer_forward(struct sl_worker *w, struct rte_mbuf *m, const struct sl_outer_hop *hop, uint32_t mtu)
{
	struct sl_packet *p = sl_packet(m);

	p->flags = SL_PKT_LOCAL | SL_PKT_OUTER | SL_PKT_FRAGMENT_OK;
	p->out_if = hop->out_if->id;
	p->out_peer = hop->peer;
	p->resolved = 0;
	if (hop->peer == SL_PEER_NONE)
		p->next_hop = hop->next_hop;
	else if (++p->nesting >= SL_NESTING_MAX) {
		sl_worker_drop(w, m, SL_DROP_NESTING);
		return;
	}
	if (unlikely(m->pkt_len > mtu || w->stages[SL_STAGE_FRAGMENT]->n > 0))
		sl_worker_enqueue(w, SL_STAGE_FRAGMENT, m);
	else
		sl_worker_enqueue(w, hop->peer != SL_PEER_NONE ? SL_STAGE_ENCAP : SL_STAGE_NEIGHBOUR, m);
}
