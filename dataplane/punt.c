/*
 * Stage "punt": class 2 of design.md, what control must see: ARP, and packets for us that no stage of ours answers.
 *
 * Exits:
 *   (control)  dp->to_control, counted as to_control
 *   (traffic)  what is a running bench's own (dataplane/traffic.h)
 * Drops: control-full, not-for-us
 */
#include "dataplane/traffic.h"
#include "dataplane/worker.h"

void
sl_stage_punt(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct sl_traffic *traffic = atomic_load_explicit(&w->dp->traffic, memory_order_acquire);
	unsigned taken;

	if (unlikely(traffic != NULL))
		n = sl_traffic_sift(w, traffic, pkts, n);
	taken = rte_ring_enqueue_burst(w->dp->to_control, (void **)pkts, n, NULL);
	sl_count(&w->stats.to_control, taken);
	if (unlikely(taken < n)) {
		sl_count(&w->stats.drops[SL_DROP_CONTROL_FULL], n - taken);
		rte_pktmbuf_free_bulk(pkts + taken, n - taken);
	}
}
