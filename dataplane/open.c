/*
 * Stage "open": data messages, one segment, data at the message, wg_if and outer_off set. All sessions of a burst are
 * found together and opened in one batch.
 *
 * Exits:
 *   decap      authentic ones: data is the plaintext, session and counter set
 *   (order)    all, where other workers help or what they helped with is still out: they are opened later (order.h)
 * Drops: no-session (also: of another interface), session-expired, bad-tag
 */
#include <rte_prefetch.h>

#include "crypto/aead.h"
#include "crypto/bytes.h"
#include "dataplane/order.h"
#include "dataplane/worker.h"

/* Whether a session still accepts this counter at this time (protocol.md 24, 25). */
static bool
session_accepts(const struct sl_session *s, uint64_t counter, uint64_t now)
{
	/* Control may have stamped a new session later than this pass began. */
	bool aged = now > s->created && now - s->created >= SL_REJECT_AFTER_TIME_NS;

	return !aged && counter < SL_REJECT_AFTER_MESSAGES;
}

static void
find_sessions(struct sl_worker *w, struct rte_mbuf **pkts, struct sl_session **sessions, unsigned n)
{
	uint32_t indices[SL_BURST];

	for (unsigned i = 0; i < n; i++) {
		const struct sl_msg_data *msg = rte_pktmbuf_mtod(pkts[i], const struct sl_msg_data *);

		indices[i] = sl_load_le32(&msg->receiver);
	}
	sl_session_find_burst(&w->dp->sessions, indices, sessions, n);
}

/* Keeps the messages that a session is there for, and makes their jobs. Returns how many. */
static unsigned
prepare(struct sl_worker *w, struct rte_mbuf **pkts, struct sl_session **sessions, struct sl_aead_job *jobs, unsigned n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		struct sl_msg_data *msg = rte_pktmbuf_mtod(pkts[i], struct sl_msg_data *);
		uint32_t len = pkts[i]->data_len - SL_DATA_OVERHEAD;
		uint64_t counter = sl_load_le64(&msg->counter);
		struct sl_packet *p = sl_packet(pkts[i]);
		struct sl_session *s = sessions[i];

		if (unlikely(s == NULL || s->wg_if != p->wg_if)) {
			sl_worker_drop(w, pkts[i], SL_DROP_NO_SESSION);
			continue;
		}
		if (unlikely(!session_accepts(s, counter, w->now))) {
			sl_worker_drop(w, pkts[i], SL_DROP_SESSION_EXPIRED);
			continue;
		}
		p->session = s;
		p->counter = counter;
		jobs[kept] = (struct sl_aead_job){
			.key = s->recv_key,
			.counter = counter,
			.src = msg->ciphertext,
			.dst = msg->ciphertext,
			.tag = msg->ciphertext + len,
			.len = len,
		};
		pkts[kept++] = pkts[i];
	}
	return kept;
}

/* What DECAP will touch of each peer and session comes while the messages are opened. */
static void
fetch_ahead(const struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	const struct sl_peers *peers = &w->dp->peers;
	const struct sl_session *last = NULL;

	for (unsigned i = 0; i < n; i++) {
		const struct sl_packet *p = sl_packet(pkts[i]);

		if (p->session == last)
			continue;
		last = p->session;
		rte_prefetch0(&peers->slots[last->peer]);
		rte_prefetch0(&peers->outers[last->peer]);
		rte_prefetch0(&peers->receiving[w->index][last->peer]);
		rte_prefetch0(sl_replay_word(&last->replay, p->counter));
	}
}

static void
open_burst(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct sl_session *sessions[SL_BURST];
	struct sl_aead_job jobs[SL_BURST];
	unsigned opened = 0;

	find_sessions(w, pkts, sessions, n);
	n = prepare(w, pkts, sessions, jobs, n);
	w->order->opened += n;
	if (unlikely(sl_order_engaged(w))) {
		sl_order_append(w, pkts, jobs, n);
		return;
	}
	fetch_ahead(w, pkts, n);
	if (sl_aead_open_batch(w->aead, jobs, n) == 0) {
		sl_count(&w->stats.drops[SL_DROP_BAD_TAG], n);
		rte_pktmbuf_free_bulk(pkts, n);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (unlikely(!jobs[i].ok)) {
			sl_worker_drop(w, m, SL_DROP_BAD_TAG);
			continue;
		}
		/* one segment, and longer than that: outer-udp has seen to it */
		m->data_off += sizeof(struct sl_msg_data);
		m->data_len = (uint16_t)jobs[i].len;
		m->pkt_len = jobs[i].len;
		pkts[opened++] = m;
	}
	sl_worker_enqueue_bulk(w, SL_STAGE_DECAP, pkts, opened);
}

void
sl_stage_open(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	for (unsigned done = 0; done < n; done += SL_BURST)
		open_burst(w, pkts + done, RTE_MIN(n - done, (unsigned)SL_BURST));
}
