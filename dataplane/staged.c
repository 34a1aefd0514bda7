#include "dataplane/staged.h"

#include <errno.h>

#include <rte_malloc.h>

#include "dataplane/icmp_error.h"
#include "dataplane/lazy.h"
#include "dataplane/outer.h"
#include "dataplane/staged_queue.h"

/* Room that draining leaves in a stage's vector for what ports deliver in the same pass. */
#define DRAIN_RESERVE (SL_VECTOR / 2)

#define DUE_END UINT32_MAX

int
sl_staged_create(struct sl_staged **out, const struct sl_dataplane *dp, int socket)
{
	struct sl_staged *st = rte_zmalloc_socket("sl_staged", sizeof(*st), RTE_CACHE_LINE_SIZE, socket);

	if (st == NULL)
		return -ENOMEM;
	st->limit = RTE_MAX(dp->pool_size / SL_STAGED_SHARE / RTE_MAX(dp->n_workers, 1), 1u);
	st->capacity = dp->peers.capacity;
	st->due_first = st->due_last = DUE_END;
	st->peers = sl_lazy_alloc((size_t)st->capacity * sizeof(*st->peers));
	if (st->peers == NULL) {
		rte_free(st);
		return -ENOMEM;
	}
	sl_neighbour_queues_init(&st->neighbours);
	*out = st;
	return 0;
}

void
sl_staged_destroy(struct sl_staged *st)
{
	if (st == NULL)
		return;
	for (struct rte_mbuf *m = st->oldest; m;) {
		struct rte_mbuf *newer = sl_packet(m)->newer;

		rte_pktmbuf_free(m);
		m = newer;
	}
	sl_lazy_free(st->peers, (size_t)st->capacity * sizeof(*st->peers));
	rte_free(st);
}

/* --- one packet in and out --- */

/* Puts m into the list of all, as the newest. */
static void
age_append(struct sl_worker *w, struct rte_mbuf *m)
{
	struct sl_staged *st = w->staged;
	struct sl_packet *p = sl_packet(m);

	p->older = st->newest;
	p->newer = NULL;
	if (st->newest)
		sl_packet(st->newest)->newer = m;
	else
		st->oldest = m;
	st->newest = m;
	st->total++;
	sl_count(&w->stats.queued, 1);
}

static void
age_remove(struct sl_worker *w, struct rte_mbuf *m)
{
	struct sl_staged *st = w->staged;
	struct sl_packet *p = sl_packet(m);

	if (p->older)
		sl_packet(p->older)->newer = p->newer;
	else
		st->oldest = p->newer;
	if (p->newer)
		sl_packet(p->newer)->older = p->older;
	else
		st->newest = p->older;
	p->older = p->newer = NULL;
	st->total--;
	sl_count(&w->stats.queued, (uint64_t)-1);
}

/*
 * Into its place by age. Nearly always that is the end; a packet that waited for a neighbour and now has to wait for a
 * session stands before younger ones of the same peer.
 */
static void
queue_insert(struct sl_packet_queue *q, struct rte_mbuf *m)
{
	struct sl_packet *p = sl_packet(m);
	struct rte_mbuf *before = q->last;

	if (unlikely(before && sl_packet(before)->staged_at > p->staged_at)) {
		before = NULL;
		for (struct rte_mbuf *at = q->first; sl_packet(at)->staged_at <= p->staged_at; at = sl_packet(at)->link)
			before = at;
	}
	p->link = before ? sl_packet(before)->link : q->first;
	if (before)
		sl_packet(before)->link = m;
	else
		q->first = m;
	if (before == q->last)
		q->last = m;
	q->n++;
}

static void
queue_unlink(struct sl_packet_queue *q, struct rte_mbuf *m)
{
	struct rte_mbuf *before = NULL;

	for (struct rte_mbuf *at = q->first; at != m; at = sl_packet(at)->link)
		before = at;
	if (before)
		sl_packet(before)->link = sl_packet(m)->link;
	else
		q->first = sl_packet(m)->link;
	if (q->last == m)
		q->last = before;
	sl_packet(m)->link = NULL;
	q->n--;
}

/* Takes a packet out of wherever it waits. */
static void
take(struct sl_worker *w, struct rte_mbuf *m)
{
	struct sl_staged *st = w->staged;
	uint32_t queue = sl_packet(m)->queue;

	if (queue & SL_QUEUE_NEIGHBOUR) {
		struct sl_neighbour_queue *q = &st->neighbours.queues[queue & ~SL_QUEUE_NEIGHBOUR];

		queue_unlink(&q->packets, m);
		if (q->packets.n == 0)
			sl_neighbour_queue_free(&st->neighbours, q);
	} else {
		queue_unlink(&st->peers[queue].packets, m);
		atomic_fetch_sub_explicit(&w->dp->peers.rest[queue].staged, 1, memory_order_relaxed);
	}
	age_remove(w, m);
}

static void
put(struct sl_worker *w, struct sl_packet_queue *q, uint32_t queue, struct rte_mbuf *m)
{
	struct sl_packet *p = sl_packet(m);

	p->queue = queue;
	p->session = NULL;
	if (p->staged_at == 0)
		p->staged_at = w->now;
	queue_insert(q, m);
	age_append(w, m);
}

/* Makes room for one more packet within the worker's share. */
static void
make_room(struct sl_worker *w)
{
	while (w->staged->total >= w->staged->limit) {
		struct rte_mbuf *m = w->staged->oldest;

		take(w, m);
		sl_worker_drop(w, m, SL_DROP_STAGED_FULL);
	}
}

bool
sl_staged_any(const struct sl_staged *st)
{
	return st->total != 0;
}

/* --- peers --- */

void
sl_staged_add_peer(struct sl_worker *w, struct rte_mbuf *m, uint32_t slot)
{
	struct sl_packet_queue *q = &w->staged->peers[slot].packets;
	_Atomic uint32_t *staged = &w->dp->peers.rest[slot].staged;

	/* What comes after it for this peer may not pass it: ENCAP has to look. */
	sl_outer_path(w->paths, slot)->epoch = 0;
	make_room(w);
	/* Counted before it is looked at, so that two workers cannot both take the last place. */
	if (atomic_fetch_add_explicit(staged, 1, memory_order_relaxed) >= SL_MAX_STAGED_PACKETS) {
		struct rte_mbuf *old = q->first;

		if (old == NULL) { /* all places are held by other workers */
			atomic_fetch_sub_explicit(staged, 1, memory_order_relaxed);
			sl_worker_drop(w, m, SL_DROP_STAGED_OLD);
			return;
		}
		take(w, old);
		sl_worker_drop(w, old, SL_DROP_STAGED_OLD);
	}
	put(w, q, slot, m);
}

unsigned
sl_staged_peer_count(const struct sl_staged *st, uint32_t slot)
{
	return st->peers[slot].packets.n;
}

unsigned
sl_staged_take_peer(struct sl_worker *w, uint32_t slot, struct rte_mbuf **out)
{
	struct sl_packet_queue *q = &w->staged->peers[slot].packets;
	unsigned n = 0;

	while (q->first) {
		out[n] = q->first;
		take(w, out[n]);
		n++;
	}
	return n;
}

/* --- neighbours --- */

static void
report_miss(struct sl_worker *w, struct sl_neighbour_queue *q)
{
	struct sl_neighbour_miss miss = {.ip = q->ip, .out_if = q->out_if};

	q->reported = w->now;
	/* A full ring needs no count: the miss is reported again. */
	rte_ring_mp_enqueue_elem(w->dp->misses, &miss, sizeof(miss));
}

static void
drop_queue(struct sl_worker *w, struct sl_neighbour_queue *q, enum sl_drop reason)
{
	for (unsigned n = q->packets.n; n > 0; n--) {
		struct rte_mbuf *m = q->packets.first;

		take(w, m);
		sl_worker_drop(w, m, reason);
	}
}

void
sl_staged_add_neighbour(struct sl_worker *w, struct rte_mbuf *m, uint16_t out_if, const struct sl_ip *ip)
{
	struct sl_neighbour_queues *qs = &w->staged->neighbours;
	struct sl_neighbour_queue *q;
	bool first;

	make_room(w);
	q = sl_neighbour_queue_find(qs, out_if, ip);
	if (q && q->packets.n >= SL_STAGED_NEIGHBOUR_PACKETS) {
		struct rte_mbuf *old = q->packets.first;

		take(w, old);
		sl_worker_drop(w, old, SL_DROP_STAGED_OLD);
	}
	first = q == NULL;
	if (first) {
		if (qs->n == SL_STAGED_NEIGHBOURS)
			drop_queue(w, sl_neighbour_queue_oldest(qs), SL_DROP_STAGED_FULL);
		q = sl_neighbour_queue_new(qs, out_if, ip, w->now);
	}
	put(w, &q->packets, SL_QUEUE_NEIGHBOUR | (uint32_t)(q - qs->queues), m);
	if (first)
		report_miss(w, q);
}

bool
sl_staged_has_neighbour(const struct sl_staged *st, uint16_t out_if, const struct sl_ip *ip)
{
	return st->neighbours.n > 0 && sl_neighbour_queue_find(&st->neighbours, out_if, ip) != NULL;
}

static void
release_queue(struct sl_worker *w, struct sl_neighbour_queue *q)
{
	for (unsigned n = q->packets.n; n > 0; n--) {
		struct rte_mbuf *m = q->packets.first;

		take(w, m);
		sl_worker_enqueue(w, sl_packet(m)->out_peer != SL_PEER_NONE ? SL_STAGE_ENCAP : SL_STAGE_NEIGHBOUR, m);
	}
}

void
sl_staged_release_neighbour(struct sl_worker *w, uint16_t out_if, const struct sl_ip *ip)
{
	struct sl_neighbour_queue *q = sl_neighbour_queue_find(&w->staged->neighbours, out_if, ip);

	if (q)
		release_queue(w, q);
}

/* The neighbour did not answer: what waited is dropped, and its senders are told (RFC 1812 5.2.7.1). */
static void
give_up(struct sl_worker *w, struct sl_neighbour_queue *q)
{
	for (unsigned n = q->packets.n; n > 0; n--) {
		struct rte_mbuf *m = q->packets.first;

		take(w, m);
		if (sl_worker_room(w, SL_STAGE_ICMP_ERROR) > 0)
			sl_icmp_reject(w, m, SL_DROP_NO_NEIGHBOUR, SL_ICMP_HOST_UNREACHABLE, 0);
		else
			sl_worker_drop(w, m, SL_DROP_NO_NEIGHBOUR);
	}
}

static void
judge_neighbour(struct sl_worker *w, struct sl_neighbour_queue *q, enum sl_neighbour_state state)
{
	if (sl_neighbour_usable(state)) {
		if (sl_worker_room(w, SL_STAGE_ENCAP) > DRAIN_RESERVE &&
			sl_worker_room(w, SL_STAGE_NEIGHBOUR) > DRAIN_RESERVE)
			release_queue(w, q);
	} else if (state == SL_NEIGHBOUR_FAILED || w->now - q->since >= SL_STAGED_NEIGHBOUR_NS) {
		give_up(w, q);
	} else if (w->now - q->reported >= SL_STAGED_MISS_NS) {
		report_miss(w, q);
	}
}

static void
check_neighbours(struct sl_worker *w)
{
	struct sl_neighbour_queues *qs = &w->staged->neighbours;
	struct sl_neighbour_queue *batch[SL_BURST];
	struct sl_neighbour_key keys[SL_BURST];
	enum sl_neighbour_state states[SL_BURST];
	struct rte_ether_addr macs[SL_BURST];
	struct sl_neighbour_queue *q = sl_neighbour_queue_oldest(qs);

	while (q) {
		unsigned n = 0;

		for (; q && n < SL_BURST; q = sl_neighbour_queue_newer(qs, q), n++) {
			batch[n] = q;
			keys[n] = (struct sl_neighbour_key){&q->ip, q->out_if};
		}
		sl_neighbour_lookup_burst(w->dp->neighbours, keys, states, macs, n);
		/* q, the next one, stays: judging a queue frees that queue alone. */
		for (unsigned i = 0; i < n; i++)
			judge_neighbour(w, batch[i], states[i]);
	}
}

/* --- commands --- */

/* Sends on what waits for the peer, or remembers to do so when there is room. */
static void
drain_peer(struct sl_worker *w, uint32_t slot)
{
	struct sl_staged *st = w->staged;
	struct sl_peer_queue *q = &st->peers[slot];
	struct rte_mbuf *pkts[SL_MAX_STAGED_PACKETS];
	unsigned n;

	if (sl_worker_room(w, SL_STAGE_ENCAP) >= DRAIN_RESERVE + q->packets.n) {
		n = sl_staged_take_peer(w, slot, pkts);
		for (unsigned i = 0; i < n; i++)
			sl_worker_enqueue(w, SL_STAGE_ENCAP, pkts[i]);
		return;
	}
	if (q->due)
		return;
	q->due = true;
	q->next_due = DUE_END;
	if (st->due_last == DUE_END)
		st->due_first = slot;
	else
		st->peers[st->due_last].next_due = slot;
	st->due_last = slot;
}

static void
drain_due(struct sl_worker *w)
{
	struct sl_staged *st = w->staged;

	while (st->due_first != DUE_END) {
		uint32_t slot = st->due_first;
		struct sl_peer_queue *q = &st->peers[slot];

		if (sl_worker_room(w, SL_STAGE_ENCAP) < DRAIN_RESERVE + q->packets.n)
			return;
		st->due_first = q->next_due;
		if (st->due_first == DUE_END)
			st->due_last = DUE_END;
		q->due = false;
		drain_peer(w, slot);
	}
}

/* An empty packet for ENCAP. */
static void
send_keepalive(struct sl_worker *w, uint32_t slot)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);

	sl_count(&w->stats.from_control, 1);
	if (m == NULL) {
		sl_count(&w->stats.drops[SL_DROP_NO_BUFFER], 1);
		return;
	}
	sl_packet_init(m, SL_IF_NONE);
	sl_packet(m)->flags = SL_PKT_LOCAL | SL_PKT_KEEPALIVE;
	sl_packet(m)->out_peer = slot;
	sl_worker_enqueue(w, SL_STAGE_ENCAP, m);
}

/*
 * Whether a new session that nothing was sent on yet wants a keepalive to confirm the key: only the initiator's does
 * (protocol.md 23). Control tells all workers of a session; after the first keepalive the counter is not 0.
 */
static bool
wants_confirmation(const struct sl_dataplane *dp, uint32_t slot)
{
	const struct sl_peer *peer = &dp->peers.slots[slot];
	uint32_t current = atomic_load_explicit(&peer->current, memory_order_acquire);
	const struct sl_session *s;
	uint64_t counter;

	if (current == 0 || atomic_load_explicit(&dp->peers.rest[slot].staged, memory_order_relaxed) != 0)
		return false;
	s = sl_session_find_opened(&dp->sessions, current);
	if (s == NULL || !s->initiator)
		return false;
	counter = sl_sender_counter(s->sender);
	/* none at all: it may just be moving to another place */
	return counter == 0 || counter >= SL_REJECT_AFTER_MESSAGES;
}

static void
purge_peer(struct sl_worker *w, uint32_t slot)
{
	struct rte_mbuf *pkts[SL_MAX_STAGED_PACKETS];
	unsigned n = sl_staged_take_peer(w, slot, pkts);

	for (unsigned i = 0; i < n; i++)
		sl_worker_drop(w, pkts[i], SL_DROP_STAGED_GIVEN_UP);
}

void
sl_staged_command(struct sl_worker *w, const struct sl_command *cmd)
{
	if (cmd->peer >= w->staged->capacity)
		return;
	switch (cmd->op) {
	case SL_CMD_KEEPALIVE:
		send_keepalive(w, cmd->peer);
		break;
	case SL_CMD_DRAIN_PEER:
		if (sl_staged_peer_count(w->staged, cmd->peer) > 0)
			drain_peer(w, cmd->peer);
		else if (wants_confirmation(w->dp, cmd->peer))
			send_keepalive(w, cmd->peer);
		break;
	case SL_CMD_PURGE_PEER:
		purge_peer(w, cmd->peer);
		break;
	default:
		break;
	}
}

void
sl_staged_housekeeping(struct sl_worker *w)
{
	drain_due(w);
	if (w->staged->neighbours.n > 0)
		check_neighbours(w);
}
