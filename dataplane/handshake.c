/*
 * Stage "handshake": WireGuard messages 1 to 3 of the right size, contiguous, data at the message, wg_if and outer_off set.
 *
 * Exits:
 *   (control)  the interface's handshake ring, counted as to_control: class 3 of design.md
 * Drops: bad-mac1 (types 1 and 2; a cookie reply has none), handshake-full, interface-down
 */
#include "crypto/bytes.h"
#include "crypto/cookie.h"
#include "dataplane/worker.h"

/* Whether a message is made for the key of this interface, as far as mac1 tells (protocol.md 12, 16). */
static bool
addressed_to(const struct sl_mac_keys *own, const struct rte_mbuf *m)
{
	const void *msg = rte_pktmbuf_mtod(m, const void *);

	return sl_load_le32(msg) == SL_MSG_COOKIE_REPLY || sl_mac1_check(own, msg, m->data_len);
}

static void
hand_over(struct sl_worker *w, struct rte_ring *ring, struct rte_mbuf **pkts, unsigned n)
{
	unsigned taken = rte_ring_enqueue_burst(ring, (void **)pkts, n, NULL);

	sl_count(&w->stats.to_control, taken);
	if (unlikely(taken < n)) {
		sl_count(&w->stats.drops[SL_DROP_HANDSHAKE_FULL], n - taken);
		rte_pktmbuf_free_bulk(pkts + taken, n - taken);
	}
}

/* n messages for one interface; packs those that pass to the front of pkts. */
static void
check_run(struct sl_worker *w, uint16_t wg_if, struct rte_mbuf **pkts, unsigned n)
{
	const struct sl_if *ifp = sl_dataplane_if(w->dp, wg_if);
	unsigned passed = 0;

	if (unlikely(ifp == NULL || ifp->handshakes == NULL)) {
		sl_count(&w->stats.drops[SL_DROP_INTERFACE_DOWN], n);
		rte_pktmbuf_free_bulk(pkts, n);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		if (ifp->has_key && addressed_to(&ifp->mac_keys, pkts[i]))
			pkts[passed++] = pkts[i];
		else
			sl_worker_drop(w, pkts[i], SL_DROP_BAD_MAC1);
	}
	if (passed > 0)
		hand_over(w, ifp->handshakes, pkts, passed);
}

void
sl_stage_handshake(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	for (unsigned first = 0, i = 1; first < n; i++) {
		uint16_t wg_if = sl_packet(pkts[first])->wg_if;

		if (i < n && sl_packet(pkts[i])->wg_if == wg_if)
			continue;
		check_run(w, wg_if, pkts + first, i - first);
		first = i;
	}
}
