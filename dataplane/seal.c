/*
 * Stage SEAL. In: packets from ENCAP, each with a path that has been checked to its end.
 * Exits: TX (complete frame), FRAGMENT (outer packet above the port's MTU, and what comes behind it), ENCAP (nested);
 * back to waiting where the session's counters ran out.
 *
 * Counters are reserved after every check, with one atomic add per burst and session, for packets that leave in
 * the same pass: what is numbered never waits (protocol.md 42).
 */
#include "dataplane/ip.h"
#include "dataplane/outer.h"
#include "dataplane/outer_write.h"
#include "dataplane/staged.h"

/* Workers may each add a burst to a counter that has just reached its limit: it must not come round to 0. */
static_assert(SL_WORKERS_MAX * SL_BURST <= UINT64_MAX - SL_REJECT_AFTER_MESSAGES, "send counters cannot wrap");
static_assert(SL_BURST <= UINT8_MAX, "struct sl_outer_path counts a burst's packets and turns");
static_assert(SL_PADDING_MULTIPLE <= SL_TAG_LEN, "padding is no longer than the tag");

/* The packets of one path in a burst. */
struct turn {
	struct sl_outer_path *path;
	const struct sl_outer_link *link;
	struct sl_sender *sender;
	uint32_t peer;
	bool data;          /* more than keepalives */
	uint64_t next, end; /* counters reserved and not used yet */
	uint64_t bytes;     /* UDP payload */
};

struct burst {
	unsigned n;
	struct rte_mbuf *pkts[SL_BURST];
	struct turn *turn[SL_BURST]; /* of each packet */
	uint8_t ecn[SL_BURST];
	uint8_t pad[SL_BURST];
	unsigned n_turns;
	struct turn turns[SL_BURST];
	struct sl_aead_job jobs[SL_BURST];
	unsigned n_frames; /* complete ones */
	struct rte_mbuf *frames[SL_BURST];
};

/* Zeros behind a plaintext of len bytes (protocol.md 38). */
static inline uint32_t
padding(uint32_t len, uint32_t mtu)
{
	uint32_t padded;

	if (mtu != 0 && len > mtu)
		len %= mtu;
	padded = RTE_ALIGN_CEIL(len, SL_PADDING_MULTIPLE);
	if (mtu != 0 && padded > mtu)
		padded = mtu;
	return padded - len;
}

/* The ECN bits of the outer header: the inner ones, but CE becomes ECT(0) (protocol.md 39). */
static inline uint8_t
outer_ecn(const struct rte_mbuf *m)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);
	uint8_t ecn;

	if (unlikely(m->data_len < 2))
		return 0;
	ecn = (h[0] >> 4 == 4 ? h[1] : h[1] >> 4) & SL_IP_ECN_MASK;
	return ecn == SL_IP_ECN_CE ? SL_IP_ECN_ECT0 : ecn;
}

/* Room before and behind the plaintext. SL_DROP_COUNT, or why there is none. */
static inline enum sl_drop
make_room(struct rte_mbuf *m, uint16_t head, uint32_t tail)
{
	uint16_t have = rte_pktmbuf_headroom(m);
	uint32_t shift = have < head ? head - have : 0;

	if (likely(shift == 0))
		return likely(rte_pktmbuf_tailroom(m) >= tail) ? SL_DROP_COUNT : SL_DROP_OVERSIZED;
	if (rte_pktmbuf_tailroom(m) < shift + tail || !sl_packet_make_headroom(m, head))
		return SL_DROP_NO_HEADROOM;
	return SL_DROP_COUNT;
}

/* Everything that can go wrong with the packet itself. Returns the packet to go on with, or NULL: dropped. */
static inline struct rte_mbuf *
prepare(struct sl_worker *w, struct burst *b, struct rte_mbuf *m, const struct sl_outer_link *link)
{
	uint32_t total, pad;
	enum sl_drop reason = SL_DROP_COUNT;

	if (unlikely(m->nb_segs > 1)) {
		struct rte_mbuf *one = sl_packet_linearize(m, w->dp->jumbo);

		if (one == NULL) {
			sl_worker_drop(w, m, SL_DROP_OVERSIZED);
			return NULL;
		}
		m = one;
	}
	pad = padding(m->pkt_len, link->pad_mtu);
	total = link->outer_len + SL_DATA_OVERHEAD + m->pkt_len + pad;
	if (unlikely(total > UINT16_MAX))
		reason = SL_DROP_OVERSIZED;
	else
		reason = make_room(m, RTE_ETHER_HDR_LEN + link->outer_len + sizeof(struct sl_msg_data), pad + SL_TAG_LEN);
	if (unlikely(reason != SL_DROP_COUNT)) {
		sl_worker_drop(w, m, reason);
		return NULL;
	}
	b->pad[b->n] = (uint8_t)pad;
	b->ecn[b->n] = outer_ecn(m);
	return m;
}

static void
collect(struct sl_worker *w, struct burst *b, struct rte_mbuf **pkts, unsigned n)
{
	b->n = b->n_turns = b->n_frames = 0;
	for (unsigned i = 0; i < n; i++) {
		uint32_t peer = sl_packet(pkts[i])->out_peer;
		struct sl_outer_path *path = sl_outer_path(w->paths, peer);
		const struct sl_outer_link *link = sl_outer_link(w->paths, peer);
		struct rte_mbuf *m = prepare(w, b, pkts[i], link);

		if (unlikely(m == NULL))
			continue;
		if (path->take++ == 0) {
			path->turn = (uint8_t)b->n_turns++;
			b->turns[path->turn].path = path;
			b->turns[path->turn].link = link;
			b->turns[path->turn].sender = sl_outer_sender(w->dp, peer, path);
			b->turns[path->turn].peer = peer;
		}
		b->turn[b->n] = &b->turns[path->turn];
		b->pkts[b->n++] = m;
	}
}

/*
 * The place has no counter left: the session may have moved to another since ENCAP looked, within this pass. Returns the next
 * counter, taken where there was one. The session is there until the pass is over, and a place is its until then.
 */
static __attribute__((cold, noinline)) uint64_t
take_elsewhere(struct sl_worker *w, struct turn *t)
{
	const struct sl_session_table *sessions = &w->dp->sessions;
	struct sl_session *s = &sessions->slots[t->path->session & ((1u << sessions->slot_bits) - 1)];

	t->sender = atomic_load_explicit(&s->sender, memory_order_acquire);
	if (sl_sender_counter(t->sender) >= SL_REJECT_AFTER_MESSAGES)
		return SL_REJECT_AFTER_MESSAGES;
	return sl_sender_take(t->sender, t->path->take);
}

/* Takes counters for the path's packets of this burst: next..end-1, fewer than asked for at the session's limit. */
static void
reserve(struct sl_worker *w, struct turn *t)
{
	struct sl_outer_path *path = t->path;
	struct sl_sender *s = t->sender;
	uint64_t base = sl_sender_counter(s), limit = SL_REJECT_AFTER_MESSAGES;

	if (likely(base < limit))
		base = sl_sender_take(s, path->take);
	if (unlikely(base >= limit))
		base = take_elsewhere(w, t);
	t->next = base;
	t->end = base < limit ? base + RTE_MIN(limit - base, (uint64_t)path->take) : base;
	t->bytes = 0;
	t->data = false;
	path->take = 0;
}

/* No counter is left for this packet, or its session just moves: it waits, as does a keepalive, which may confirm a key. */
static void
restage(struct sl_worker *w, struct rte_mbuf *m, uint32_t peer)
{
	const struct sl_packet *p = sl_packet(m);

	sl_peer_raise(&w->dp->peers, peer, SL_FACT_NEED_SESSION);
	if (p->sealed)
		sl_worker_drop(w, m, SL_DROP_STAGED_GIVEN_UP);
	else
		sl_staged_add_peer(w, m, peer);
}

/* Pads the plaintext, leaves room for the tag, writes all headers before it. */
static inline void
frame(struct sl_worker *w, struct rte_mbuf *m, struct turn *t, uint32_t pad, uint8_t ecn, struct sl_aead_job *job)
{
	const struct sl_outer_link *link = t->link;
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t len = m->pkt_len + pad;
	uint32_t message = len + SL_DATA_OVERHEAD;
	uint64_t counter = t->next++;

	/* a length that is known: padding is shorter than the tag, whose place is behind it */
	memset(data + m->pkt_len, 0, SL_TAG_LEN);
	t->bytes += message;
	t->data |= m->pkt_len > 0;
	*job = (struct sl_aead_job){
		.key = t->sender->key,
		.counter = counter,
		.src = data,
		.dst = data,
		.tag = data + len,
		.len = len,
	};
	sl_outer_write(link, t->path, sl_outer_path_rest(w->paths, t->peer), data, counter, message + SL_UDP_HDR_LEN, ecn,
		link->v4 ? sl_worker_ip_id(w) : 0);
	m->data_off -= link->outer_len + sizeof(struct sl_msg_data);
	m->data_len = (uint16_t)(link->outer_len + message);
	m->pkt_len = m->data_len;
}

/* Numbers and frames the packets; those beyond the session's limit leave the burst. */
static void
number(struct sl_worker *w, struct burst *b)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];
		struct turn *t = b->turn[i];

		if (unlikely(t->next == t->end)) {
			restage(w, m, t->peer);
			continue;
		}
		frame(w, m, t, b->pad[i], b->ecn[i], &b->jobs[kept]);
		b->turn[kept] = t;
		b->pkts[kept++] = m;
	}
	b->n = kept;
}

/* What does not leave whole by the port at once: nested, to be fragmented, or behind such packets. */
static void
send_round(struct sl_worker *w, struct rte_mbuf *m, const struct sl_outer_link *link)
{
	struct sl_packet *p = sl_packet(m);

	p->sealed = 1;
	if (!link->to_port) {
		sl_outer_forward(w, m, link->out_if, link->next_peer, &link->next_hop, link->mtu);
		return;
	}
	p->flags = SL_PKT_LOCAL | SL_PKT_OUTER | SL_PKT_FRAGMENT_OK;
	p->out_if = link->out_if;
	p->out_peer = SL_PEER_NONE;
	p->next_hop = link->next_hop;
	memcpy(&p->next_mac, link->ether, sizeof(p->next_mac));
	p->resolved = 1;
	w->paths->detour = true;
	sl_worker_enqueue(w, SL_STAGE_FRAGMENT, m);
}

/* The sealed packet gets its checksum and goes off. */
static inline void
send_out(struct sl_worker *w, struct burst *b, struct rte_mbuf *m, const struct turn *t)
{
	const struct sl_outer_link *link = t->link;
	uint32_t udp_len = m->pkt_len - link->outer_len + SL_UDP_HDR_LEN;
	bool whole = link->to_port && m->pkt_len <= link->mtu && !w->paths->detour;
	bool offload = link->offload && whole;

	sl_outer_checksum(link, t->path, sl_outer_path_rest(w->paths, t->peer),
		rte_pktmbuf_mtod(m, uint8_t *) + link->outer_len - SL_UDP_HDR_LEN, udp_len, offload);
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	if (offload) {
		m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM | (link->v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
		m->l2_len = RTE_ETHER_HDR_LEN;
		m->l3_len = link->outer_len - SL_UDP_HDR_LEN;
	}
	if (unlikely(!whole)) {
		send_round(w, m, link);
		return;
	}
	/* The Ethernet header stands before the others. */
	m->data_off -= RTE_ETHER_HDR_LEN;
	m->data_len += RTE_ETHER_HDR_LEN;
	m->pkt_len += RTE_ETHER_HDR_LEN;
	sl_packet(m)->out_if = link->out_if;
	b->frames[b->n_frames++] = m;
}

/* What control learns of the sending: stamps and bytes, and that there is traffic at a peer it does not watch. */
static void
stamp(struct sl_worker *w, const struct turn *t)
{
	struct sl_peers *peers = &w->dp->peers;

	if (unlikely(t->bytes == 0))
		return;
	sl_peer_stamp_sent(peers, w->index, t->peer, w->now, t->bytes, t->data);
	if (!atomic_load_explicit(&peers->slots[t->peer].watched, memory_order_relaxed))
		sl_peer_raise(peers, t->peer, SL_FACT_ACTIVE);
}

void
sl_stage_seal(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct burst b;

	for (unsigned done = 0; done < n; done += SL_BURST) {
		collect(w, &b, pkts + done, RTE_MIN(n - done, (unsigned)SL_BURST));
		for (unsigned i = 0; i < b.n_turns; i++)
			reserve(w, &b.turns[i]);
		number(w, &b);
		sl_aead_seal_batch(w->aead, b.jobs, b.n);
		for (unsigned i = 0; i < b.n; i++)
			send_out(w, &b, b.pkts[i], b.turn[i]);
		sl_worker_enqueue_bulk(w, SL_STAGE_TX, b.frames, b.n_frames);
		for (unsigned i = 0; i < b.n_turns; i++)
			stamp(w, &b.turns[i]);
	}
}
