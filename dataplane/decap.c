/*
 * Stage "decap": authentic data messages, data at the plaintext, session and counter set, the outer headers still before
 * the data at outer_off. What protocol.md 40 lists, in its order, once per run of packets of one session where it can be.
 * The plaintexts that another worker opened come with their verdict (dataplane/order.h); it counts after the replay check.
 *
 * Exits:
 *   ip-input    the inner packet without padding, SL_PKT_DECAPPED, in_if the WireGuard interface, in_peer its sender
 *   (end)       keepalives, counted as delivered
 * Drops: interface-down, replay, bad-inner, source-not-allowed. What is dropped after the replay check has still moved the
 * endpoint and the timers.
 */
#include <rte_prefetch.h>
#include <rte_udp.h>

#include "dataplane/inner.h"
#include "dataplane/ip.h"
#include "dataplane/worker.h"

/* Packets of one session that follow one another. */
struct run {
	struct sl_session *session;
	uint32_t slot; /* of the peer */
	struct sl_peer *peer;
	struct rte_mbuf **pkts;
	unsigned n;
};

static const uint8_t *
outer_header(struct rte_mbuf *m)
{
	return (const uint8_t *)m->buf_addr + sl_packet(m)->outer_off;
}

static const struct rte_udp_hdr *
outer_udp(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(
		m, const struct rte_udp_hdr *, -(int)(sizeof(struct sl_msg_data) + sizeof(struct rte_udp_hdr)));
}

/* Drops what was seen before (protocol.md 26); check and set are one step under the session's lock. */
static void
drop_replays(struct sl_worker *w, struct run *run)
{
	struct sl_session *s = run->session;
	struct rte_mbuf *replayed[SL_BURST];
	unsigned fresh = 0, old = 0;

	rte_spinlock_lock(&s->lock);
	for (unsigned i = 0; i < run->n; i++) {
		uint64_t counter = sl_packet(run->pkts[i])->counter;

		if (likely(counter >= s->receive_floor && sl_replay_accept(&s->replay, counter)))
			run->pkts[fresh++] = run->pkts[i];
		else
			replayed[old++] = run->pkts[i];
	}
	rte_spinlock_unlock(&s->lock);
	run->n = fresh;
	for (unsigned i = 0; i < old; i++)
		sl_worker_drop(w, replayed[i], SL_DROP_REPLAY);
}

/* Whether the endpoint record already says what the outer headers of a packet say. */
static bool
same_endpoint(const struct sl_outer *outer, uint8_t family, const uint8_t *ip, const struct rte_udp_hdr *udp)
{
	uint32_t bytes = sl_family_bytes(family);
	uint32_t src = family == SL_AF_INET ? offsetof(struct rte_ipv4_hdr, src_addr)
					    : offsetof(struct rte_ipv6_hdr, src_addr);
	uint32_t ports = outer->len - (uint32_t)sizeof(*udp);

	/* Their source is our destination and the other way round; the two addresses, and the two ports, lie together. */
	return outer->family == family && outer->local && memcmp(outer->hdr + src, ip + src + bytes, bytes) == 0 &&
	       memcmp(outer->hdr + src + bytes, ip + src, bytes) == 0 &&
	       memcmp(outer->hdr + ports, &udp->dst_port, sizeof(udp->dst_port)) == 0 &&
	       memcmp(outer->hdr + ports + sizeof(udp->src_port), &udp->src_port, sizeof(udp->src_port)) == 0;
}

/* Endpoint and local address as the packet shows them (protocol.md 41). */
static void
update_endpoint(struct sl_worker *w, const struct run *run, struct rte_mbuf *m)
{
	const struct rte_udp_hdr *udp = outer_udp(m);
	const uint8_t *ip = outer_header(m);
	uint8_t family = ip[0] >> 4;
	struct sl_endpoint remote;
	struct sl_outer outer;
	struct sl_ip local;

	sl_peer_outer_read(&w->dp->peers, run->slot, &outer);
	if (likely(same_endpoint(&outer, family, ip, udp)))
		return;
	if (family == SL_AF_INET) {
		remote.ip = sl_ip4(ip + offsetof(struct rte_ipv4_hdr, src_addr));
		local = sl_ip4(ip + offsetof(struct rte_ipv4_hdr, dst_addr));
	} else {
		remote.ip = sl_ip6(ip + offsetof(struct rte_ipv6_hdr, src_addr));
		local = sl_ip6(ip + offsetof(struct rte_ipv6_hdr, dst_addr));
	}
	remote.port = rte_be_to_cpu_16(udp->src_port);
	sl_outer_make(&outer, &remote, &local, rte_be_to_cpu_16(udp->dst_port));
	if (sl_peer_outer_write(&w->dp->peers, run->slot, &outer))
		sl_peer_raise(&w->dp->peers, run->slot, SL_FACT_ENDPOINT);
}

/* Key confirmation and the 165 s check (protocol.md 22, 28). */
static void
note_session(struct sl_worker *w, const struct run *run)
{
	struct sl_session *s = run->session;
	uint32_t current = atomic_load_explicit(&run->peer->current, memory_order_acquire);
	bool is_current = current != 0 && atomic_load_explicit(&s->live, memory_order_relaxed) == current;
	uint32_t facts = atomic_load_explicit(&s->facts, memory_order_relaxed);

	if (unlikely(!(facts & SL_SESSION_CONFIRMED))) {
		atomic_fetch_or(&s->facts, SL_SESSION_CONFIRMED);
		if (!is_current)
			sl_peer_raise(&w->dp->peers, run->slot, SL_FACT_KEY_CONFIRMED);
	}
	if (unlikely(s->initiator && is_current && !(facts & SL_SESSION_REKEY_SENT) && w->now > s->created &&
		     w->now - s->created >= SL_REKEY_AFTER_RECV_TIME_NS))
		sl_peer_raise(&w->dp->peers, run->slot, SL_FACT_REKEY_RECEIVE);
}

/* Counters, stamps, and the word to control that there is something to look at. */
static void
note_traffic(struct sl_worker *w, const struct run *run)
{
	uint64_t bytes = 0;
	bool data = false;

	for (unsigned i = 0; i < run->n; i++) {
		bytes += run->pkts[i]->data_len + SL_DATA_OVERHEAD;
		data |= run->pkts[i]->data_len > 0;
	}
	sl_peer_stamp_received(&w->dp->peers, w->index, run->slot, w->now, bytes, data);
	if (unlikely(!atomic_load_explicit(&run->peer->watched, memory_order_relaxed)))
		sl_peer_raise(&w->dp->peers, run->slot, SL_FACT_ACTIVE);
}

/*
 * Whether the session's peer is. Messages that wait to be opened outlive a pass: by then its slot may be another peer's.
 */
static bool
still_there(const struct run *run)
{
	return atomic_load_explicit(&run->peer->live, memory_order_acquire) == run->session->incarnation;
}

/* One run up to its plaintexts; returns how many packets are left of it. */
static unsigned
receive_run(struct sl_worker *w, struct run *run)
{
	run->slot = run->session->peer;
	run->peer = &w->dp->peers.slots[run->slot];
	if (unlikely(!still_there(run))) {
		sl_count(&w->stats.drops[SL_DROP_INTERFACE_DOWN], run->n);
		rte_pktmbuf_free_bulk(run->pkts, run->n);
		return 0;
	}
	drop_replays(w, run);
	if (unlikely(run->n == 0))
		return 0;
	update_endpoint(w, run, run->pkts[run->n - 1]);
	note_session(w, run);
	note_traffic(w, run);
	return run->n;
}

/* Splits a burst into runs and packs what is left of each to the front. */
static unsigned
receive_runs(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	unsigned kept = 0;

	for (unsigned first = 0, i = 1; first < n; i++) {
		struct run run = {.session = sl_packet(pkts[first])->session, .pkts = pkts + first};
		unsigned left;

		if (i < n && sl_packet(pkts[i])->session == run.session)
			continue;
		run.n = i - first;
		left = receive_run(w, &run);
		if (unlikely(kept != first))
			memmove(pkts + kept, run.pkts, left * sizeof(*pkts));
		kept += left;
		first = i;
	}
	return kept;
}

/* What is known of the plaintexts: by this worker now, or by the one that opened them. */
static void
look_inside(struct sl_worker *w, struct rte_mbuf **pkts, struct sl_inner *in, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct sl_packet *p = sl_packet(pkts[i]);

		in[i] = (struct sl_inner){
			.data = rte_pktmbuf_mtod(pkts[i], uint8_t *),
			.peer = p->session->peer,
			.len = pkts[i]->data_len,
			.wg_if = p->wg_if,
			.verdict = p->verdict,
			.total = p->inner_len,
			.congested = p->verdict == SL_INNER_UNSEEN && sl_inner_congested(outer_header(pkts[i])),
		};
	}
	sl_inner_check(w->dp, in, n);
}

/* A verdict other than OK. False where the packet has ended with it. */
static bool
may_go_on(struct sl_worker *w, struct rte_mbuf *m, uint8_t verdict)
{
	switch (verdict) {
	case SL_INNER_OK_UNMARKED:
		sl_count(&w->stats.ecn_mismatch, 1);
		return true;
	case SL_INNER_KEEPALIVE:
		sl_count(&w->stats.delivered, 1);
		rte_pktmbuf_free(m);
		return false;
	default:
		sl_worker_drop(w, m, (enum sl_drop)(verdict - SL_INNER_DROP));
		return false;
	}
}

static void
decap_burst(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct sl_inner in[SL_BURST];
	unsigned kept = 0;

	n = receive_runs(w, pkts, n);
	look_inside(w, pkts, in, n);
	for (unsigned i = 0; i < n; i++) {
		struct sl_packet *p = sl_packet(pkts[i]);

		if (unlikely(in[i].verdict != SL_INNER_OK && !may_go_on(w, pkts[i], in[i].verdict)))
			continue;
		sl_ip_trim(pkts[i], in[i].total);
		p->flags = SL_PKT_DECAPPED;
		p->in_if = p->wg_if;
		p->in_peer = in[i].peer;
		p->session = NULL;
		p->verdict = SL_INNER_UNSEEN; /* it may come round again: a tunnel in a tunnel */
		/* The port's verdicts were about the outer headers. */
		pkts[i]->ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK);
		pkts[kept++] = pkts[i];
	}
	sl_worker_enqueue_bulk(w, SL_STAGE_IP_INPUT, pkts, kept);
}

void
sl_stage_decap(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	for (unsigned done = 0; done < n; done += SL_BURST) {
		unsigned part = RTE_MIN(n - done, (unsigned)SL_BURST);

		for (unsigned i = 0; i < part; i++)
			rte_prefetch0(&w->dp->peers.slots[sl_packet(pkts[done + i])->session->peer]);
		decap_burst(w, pkts + done, part);
	}
}
