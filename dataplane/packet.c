#include "dataplane/packet.h"

#include <rte_errno.h>

struct rte_mempool *
sl_packet_pool_create(const char *name, unsigned n, unsigned cache, uint16_t frame_len, int socket)
{
	uint32_t room = RTE_PKTMBUF_HEADROOM + SL_HEADROOM + frame_len + SL_TAILROOM;

	if (room > UINT16_MAX) {
		rte_errno = EINVAL;
		return NULL;
	}
	return rte_pktmbuf_pool_create(name, n, cache, SL_PACKET_PRIV, (uint16_t)room, socket);
}

bool
sl_packet_make_headroom(struct rte_mbuf *m, uint16_t need)
{
	uint16_t have = rte_pktmbuf_headroom(m);
	uint16_t shift;
	char *data;

	if (likely(have >= need))
		return true;
	shift = need - have;
	if (m->nb_segs != 1 || rte_pktmbuf_tailroom(m) < shift)
		return false;
	data = rte_pktmbuf_mtod(m, char *);
	memmove(data + shift, data, m->data_len);
	m->data_off += shift;
	return true;
}

struct rte_mbuf *
sl_packet_linearize(struct rte_mbuf *m, struct rte_mempool *jumbo)
{
	struct rte_mbuf *copy;

	if (likely(m->nb_segs == 1) || rte_pktmbuf_linearize(m) == 0)
		return m;
	copy = rte_pktmbuf_alloc(jumbo);
	if (copy == NULL)
		return NULL;
	if (rte_pktmbuf_tailroom(copy) < m->pkt_len + SL_TAILROOM) {
		rte_pktmbuf_free(copy);
		return NULL;
	}
	*sl_packet(copy) = *sl_packet(m);
	copy->port = m->port;
	copy->hash = m->hash;
	copy->tx_offload = m->tx_offload;
	for (const struct rte_mbuf *seg = m; seg; seg = seg->next)
		memcpy(rte_pktmbuf_append(copy, seg->data_len), rte_pktmbuf_mtod(seg, void *), seg->data_len);
	rte_pktmbuf_free(m);
	return copy;
}
