#include "dataplane/packet.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf_pool_ops.h>

const struct sl_packet sl_packet_fresh = {
	.in_if = SL_IF_NONE,
	.out_if = SL_IF_NONE,
	.in_peer = SL_PEER_NONE,
	.out_peer = SL_PEER_NONE,
	.wg_if = SL_IF_NONE,
};

/*
 * Without hugepages a pool of IOVA-contiguous objects puts one object into each 4 KB page, at its beginning: half the
 * memory is lost, and all headers share one set of the first-level cache. Virtual addresses are IOVAs then, so objects
 * are contiguous anyway.
 */
static unsigned
pool_flags(void)
{
	return rte_eal_has_hugepages() ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
}

struct rte_mempool *
sl_packet_pool_create(const char *name, unsigned n, unsigned cache, uint16_t frame_len, int socket)
{
	uint32_t room = RTE_PKTMBUF_HEADROOM + SL_HEADROOM + frame_len + SL_TAILROOM;
	struct rte_pktmbuf_pool_private priv = {
		.mbuf_data_room_size = (uint16_t)room,
		.mbuf_priv_size = SL_PACKET_PRIV,
	};
	struct rte_mempool *mp;

	if (room > UINT16_MAX) {
		rte_errno = EINVAL;
		return NULL;
	}
	mp = rte_mempool_create_empty(name, n, (unsigned)sizeof(struct rte_mbuf) + SL_PACKET_PRIV + room, cache, sizeof(priv),
		socket, pool_flags());
	if (!mp)
		return NULL;
	if (rte_mempool_set_ops_byname(mp, rte_mbuf_best_mempool_ops(), NULL) != 0) {
		rte_mempool_free(mp);
		rte_errno = ENOTSUP;
		return NULL;
	}
	rte_pktmbuf_pool_init(mp, &priv);
	if (rte_mempool_populate_default(mp) < 0) {
		rte_mempool_free(mp);
		rte_errno = ENOMEM;
		return NULL;
	}
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return mp;
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
