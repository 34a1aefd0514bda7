/*
 * Stage "handshake": WireGuard messages 1 to 3 of the right size, contiguous, data at the message, wg_if and outer_off set.
 *
 * Exits:
 *   (control)  the interface's handshake ring, counted as to_control: class 3 of design.md
 * Drops: bad-mac1 (types 1 and 2; a cookie reply has none), handshake-full, interface-down
 *
 * mac1 of the messages for one interface is computed side by side, so a flood costs a fraction of what it would one by
 * one.
 */
#include "crypto/bytes.h"
#include "crypto/cookie.h"
#include "dataplane/worker.h"

/* Of the n messages in pkts, those of one type and its length whose mac1 is made for our key: a bit for each. */
static uint64_t
right_mac1(const struct sl_blake2s_kernel *kernel, const struct sl_mac_keys *own, struct rte_mbuf **pkts, unsigned n,
	uint32_t type, size_t len)
{
	const uint8_t *msgs[SL_MAC1_BATCH];
	uint8_t place[SL_MAC1_BATCH];
	uint64_t right, bits = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++) {
		msgs[count] = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
		place[count] = (uint8_t)i;
		count += sl_load_le32(msgs[count]) == type && pkts[i]->data_len == len;
	}
	right = sl_mac1_check_batch(kernel, own, msgs, len, count);
	for (unsigned k = 0; k < count; k++)
		bits |= (right >> k & 1) << place[k];
	return bits;
}

/* Which of up to SL_MAC1_BATCH messages are made for this interface's key, as far as mac1 tells (protocol.md 12, 16). */
static uint64_t
addressed(const struct sl_blake2s_kernel *kernel, const struct sl_mac_keys *own, struct rte_mbuf **pkts, unsigned n)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < n; i++)
		bits |= (uint64_t)(sl_load_le32(rte_pktmbuf_mtod(pkts[i], const void *)) == SL_MSG_COOKIE_REPLY) << i;
	bits |= right_mac1(kernel, own, pkts, n, SL_MSG_INITIATION, sizeof(struct sl_msg_initiation));
	return bits | right_mac1(kernel, own, pkts, n, SL_MSG_RESPONSE, sizeof(struct sl_msg_response));
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
	const struct sl_blake2s_kernel *kernel = sl_blake2s_kernel_of(sl_aead_simd(w->aead));
	const struct sl_if *ifp = sl_dataplane_if(w->dp, wg_if);
	unsigned passed = 0;

	if (unlikely(ifp == NULL || ifp->handshakes == NULL)) {
		sl_count(&w->stats.drops[SL_DROP_INTERFACE_DOWN], n);
		rte_pktmbuf_free_bulk(pkts, n);
		return;
	}
	for (unsigned first = 0, count; first < n; first += count) {
		uint64_t ours = 0;

		count = RTE_MIN(n - first, (unsigned)SL_MAC1_BATCH);
		if (ifp->has_key)
			ours = addressed(kernel, &ifp->mac_keys, pkts + first, count);
		if (unlikely(ifp->has_previous_key))
			ours |= addressed(kernel, &ifp->previous_mac_keys, pkts + first, count);
		for (unsigned i = 0; i < count; i++) {
			if (ours >> i & 1)
				pkts[passed++] = pkts[first + i];
			else
				sl_worker_drop(w, pkts[first + i], SL_DROP_BAD_MAC1);
		}
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
