/*
 * Stage TX. In: complete Ethernet frames with out_if. Out: the ports, a run of frames per port; what a port does not
 * take is dropped.
 */
#include "dataplane/worker.h"

/* Hands frames of one port over. */
static void
flush(struct sl_worker *w, const struct sl_if *out, struct rte_mbuf **frames, uint16_t n)
{
	uint16_t took = w->tx(w->tx_ctx, out->port, frames, n);

	sl_count(&w->stats.transmitted, took);
	if (likely(took == n))
		return;
	sl_count(&w->stats.drops[SL_DROP_PORT_FULL], n - took);
	rte_pktmbuf_free_bulk(frames + took, n - took);
}

/* Sends all frames for `id` among the n, in order, and moves the others together. Returns how many are left. */
static unsigned
send_for(struct sl_worker *w, uint16_t id, struct rte_mbuf **pkts, unsigned n)
{
	const struct sl_if *out = sl_dataplane_if(w->dp, id);
	struct rte_mbuf *frames[SL_BURST];
	unsigned left = 0;
	uint16_t k = 0;

	for (unsigned i = 0; i < n; i++) {
		if (sl_packet(pkts[i])->out_if != id) {
			pkts[left++] = pkts[i];
		} else if (unlikely(out == NULL || out->kind != SL_IF_PORT)) {
			sl_worker_drop(w, pkts[i], SL_DROP_INTERFACE_DOWN);
		} else if (unlikely(pkts[i]->pkt_len > (uint32_t)out->mtu + RTE_ETHER_HDR_LEN)) {
			sl_worker_drop(w, pkts[i], SL_DROP_OVERSIZED);
		} else {
			frames[k++] = pkts[i];
			if (k == SL_BURST) {
				flush(w, out, frames, k);
				k = 0;
			}
		}
	}
	if (k > 0)
		flush(w, out, frames, k);
	return left;
}

void
sl_stage_tx(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	while (n > 0)
		n = send_for(w, sl_packet(pkts[0])->out_if, pkts, n);
}
