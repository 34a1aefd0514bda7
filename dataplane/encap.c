/*
 * Stage ENCAP. In: packets with out_peer set: inner packets, keepalives, outer packets of nested tunnels. Decides per
 * run of one peer's packets how they leave, all the way to a port's neighbour, before anything is sealed.
 * Exits: SEAL; ENCAP again (behind packets that waited); ICMP_ERROR; or they wait for a session or a neighbour.
 */
#include <rte_prefetch.h>

#include "dataplane/icmp_error.h"
#include "dataplane/outer.h"
#include "dataplane/staged.h"

/* How long a path is used before it is found anew: control learns of a neighbour in use that late. */
#define PATH_AGE_NS (500 * SL_NSEC_PER_MSEC)
/* Counters below leave more before any limit that someone must be told of than can be sent while a path is used. */
#define PATH_COUNTERS (SL_REKEY_AFTER_MESSAGES / 2)

enum verdict {
	READY,
	REFUSED,         /* reason */
	WAIT_SESSION,    /* of `peer` */
	WAIT_NEIGHBOUR,  /* next_hop on out_if */
	FIRST_PEER,      /* what waits for `peer` goes first */
	FIRST_NEIGHBOUR, /* what waits for next_hop on out_if goes first */
};

struct outcome {
	enum verdict verdict;
	enum sl_drop reason;
	uint32_t peer;
	uint16_t out_if;
	struct sl_ip next_hop;
	struct rte_ether_addr mac; /* READY: of the last hop's neighbour */
	uint8_t depth;             /* READY: seals to the port */
};

/* A run of packets of one peer. */
struct stretch {
	struct rte_mbuf **pkts;
	unsigned n;
	uint32_t peer;
	bool plain; /* no packet of it was in a tunnel before */
	bool good;  /* the path found in an earlier pass serves */
};

/* A run that has to be judged. */
struct run {
	struct rte_mbuf **pkts;
	unsigned n;
	uint32_t peer;
	uint32_t endpoint_seq;       /* before the endpoint was read */
	uint16_t own;                /* the peer's interface */
	const struct sl_outer_link *link; /* of its path of this pass */
	struct sl_session *session;
	uint32_t session_id;         /* what the peer's `current` held */
	struct sl_outer outer;
	struct sl_ip remote;
	uint32_t route;
	struct outcome outcome;
};

struct batch {
	struct run runs[SL_BURST];
	bool waits; /* some run of it waits now */
	/* The last neighbour found: most peers share one. */
	bool cached;
	uint16_t cached_if;
	struct sl_ip cached_ip;
	struct rte_ether_addr cached_mac;
};

/* The session that the peer's `current` says to send on, or NULL where it may not be used any more (protocol.md 24). */
static struct sl_session *
usable_session(const struct sl_worker *w, uint32_t slot, uint32_t current)
{
	const struct sl_sender *sender;
	struct sl_session *s;

	if (current == 0)
		return NULL;
	s = sl_session_find_opened(&w->dp->sessions, current);
	if (unlikely(s == NULL || s->peer != slot))
		return NULL;
	/* Written so that a session made after this pass began counts as new. */
	if (unlikely(w->now >= s->created + SL_REJECT_AFTER_TIME_NS))
		return NULL;
	sender = atomic_load_explicit(&s->sender, memory_order_acquire);
	if (unlikely(sl_sender_counter(sender) >= SL_REJECT_AFTER_MESSAGES))
		return NULL;
	return s;
}

static void
refuse(struct outcome *o, enum sl_drop reason)
{
	o->verdict = REFUSED;
	o->reason = reason;
}

/* The last hop: the port's neighbour. */
static void
judge_neighbour(struct sl_worker *w, struct batch *b, const struct sl_outer_hop *hop, struct outcome *o)
{
	const struct sl_neighbour_key key = {&hop->next_hop, hop->out_if->id};
	enum sl_neighbour_state state;

	o->verdict = READY;
	if (likely(b->cached && b->cached_if == hop->out_if->id && sl_ip_equal(&b->cached_ip, &hop->next_hop))) {
		o->mac = b->cached_mac;
		return;
	}
	o->out_if = hop->out_if->id;
	o->next_hop = hop->next_hop;
	sl_neighbour_lookup_burst(w->dp->neighbours, &key, &state, &o->mac, 1);
	if (state == SL_NEIGHBOUR_FAILED) {
		refuse(o, SL_DROP_NO_NEIGHBOUR);
	} else if (!sl_neighbour_usable(state)) {
		o->verdict = WAIT_NEIGHBOUR;
	} else if (unlikely(sl_staged_has_neighbour(w->staged, o->out_if, &o->next_hop))) {
		o->verdict = FIRST_NEIGHBOUR;
	} else {
		b->cached = true;
		b->cached_if = o->out_if;
		b->cached_ip = o->next_hop;
		b->cached_mac = o->mac;
	}
}

/*
 * A peer on the way: is it there, reachable, with a session and nothing waiting? Fills *outer and *session_id and returns its
 * session; NULL with the outcome set if not.
 */
static struct sl_session *
judge_peer(struct sl_worker *w, uint32_t slot, struct sl_outer *outer, uint32_t *session_id, struct outcome *o)
{
	const struct sl_peer *peer = &w->dp->peers.slots[slot];
	struct sl_session *s;

	if (unlikely(!atomic_load_explicit(&peer->live, memory_order_acquire))) {
		refuse(o, SL_DROP_INTERFACE_DOWN);
		return NULL;
	}
	sl_peer_outer_read(&w->dp->peers, slot, outer);
	if (unlikely(outer->family == SL_AF_NONE)) {
		refuse(o, SL_DROP_NO_ENDPOINT);
		return NULL;
	}
	o->peer = slot;
	*session_id = atomic_load_explicit(&peer->current, memory_order_acquire);
	s = usable_session(w, slot, *session_id);
	if (unlikely(s == NULL)) {
		o->verdict = WAIT_SESSION;
		return NULL;
	}
	if (unlikely(atomic_load_explicit(&w->dp->peers.rest[slot].staged, memory_order_relaxed) != 0 &&
		    sl_staged_peer_count(w->staged, slot) > 0)) {
		o->verdict = FIRST_PEER;
		return NULL;
	}
	o->verdict = READY;
	return s;
}

/* Follows a nested tunnel from the peer of `hop` to the port, so that nothing sealed ever has to wait. */
static void
judge_chain(struct sl_worker *w, struct batch *b, struct sl_outer_hop hop, struct outcome *o)
{
	struct sl_endpoint remote;
	struct sl_outer outer;
	enum sl_drop reason;

	for (unsigned depth = 2; hop.peer != SL_PEER_NONE; depth++) {
		uint32_t slot = hop.peer;
		uint32_t route, session_id;

		if (depth > SL_NESTING_MAX) {
			refuse(o, SL_DROP_NESTING);
			return;
		}
		if (judge_peer(w, slot, &outer, &session_id, o) == NULL)
			return;
		sl_outer_remote(&outer, &remote);
		route = sl_route_lookup_outer(&w->dp->routes, &w->dp->peers, &remote.ip, w->dp->peers.slots[slot].wg_if);
		reason = sl_outer_hop(w->dp, route, &remote.ip, &hop);
		if (reason == SL_DROP_COUNT && !sl_outer_source(&outer, hop.out_if))
			reason = SL_DROP_NO_ROUTE;
		if (reason != SL_DROP_COUNT) {
			refuse(o, reason);
			return;
		}
		o->depth = (uint8_t)depth;
	}
	judge_neighbour(w, b, &hop, o);
}

/* Facts that sending on the session gives rise to (protocol.md 27). */
static void
watch_age(struct sl_worker *w, const struct sl_session *s)
{
	bool old = s->initiator && w->now >= s->created + SL_REKEY_AFTER_TIME_NS;

	if (unlikely(old || sl_sender_counter(s->sender) > SL_REKEY_AFTER_MESSAGES))
		sl_peer_raise(&w->dp->peers, s->peer, SL_FACT_REKEY_SEND);
}

/*
 * Until when a path may be used without looking at the session's age and the neighbour: sending on an old session has to be
 * told, one too old is none, and control wants to know of neighbours that are used.
 */
static uint64_t
judge_at(const struct sl_worker *w, const struct sl_session *s)
{
	uint64_t old = s->created + (s->initiator ? SL_REKEY_AFTER_TIME_NS : SL_REJECT_AFTER_TIME_NS);

	return RTE_MIN(old, w->now + PATH_AGE_NS);
}

/* How the run's packets leave, but for what differs between peers. */
static void
make_link(struct sl_worker *w, const struct run *r, const struct sl_outer_hop *hop, struct sl_outer_link *link)
{
	const struct sl_if *own = sl_dataplane_if(w->dp, r->own);
	bool v4 = r->outer.family == SL_AF_INET, to_port = hop->peer == SL_PEER_NONE;
	struct rte_ether_hdr ether = {0};

	if (to_port)
		ether = (struct rte_ether_hdr){
			.dst_addr = r->outcome.mac,
			.src_addr = hop->out_if->mac,
			.ether_type = rte_cpu_to_be_16(v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6),
		};
	sl_outer_link_init(link, &r->outer, &ether);
	link->mtu = hop->out_if->mtu ? hop->out_if->mtu : UINT32_MAX;
	link->pad_mtu = own ? own->mtu : 0;
	link->out_if = hop->out_if->id;
	link->to_port = to_port;
	if (to_port)
		link->offload = v4 ? hop->out_if->tx_udp_csum4 : hop->out_if->tx_udp_csum6;
	link->depth = r->outcome.depth;
	link->next_peer = hop->peer;
	link->next_hop = hop->next_hop;
}

/* Which of the peer's places has the session's sending half. */
static uint8_t
place_of(const struct sl_worker *w, const struct run *r)
{
	const struct sl_sender *sender = atomic_load_explicit(&r->session->sender, memory_order_acquire);

	for (uint8_t i = 0; i < SL_PEER_SENDERS; i++)
		if (sender == sl_peer_sender(&w->dp->peers, r->peer, i))
			return i;
	return SL_PEER_SENDERS;
}

/* Writes down the way that was found. */
static void
keep_path(struct sl_worker *w, struct run *r, const struct sl_outer_hop *hop)
{
	struct sl_outer_path *path = sl_outer_path(w->paths, r->peer);
	struct sl_outer_link link;
	bool keep;

	path->session = r->session_id;
	path->sender = place_of(w, r);
	path->endpoint_seq = r->endpoint_seq;
	path->judge_at = sl_path_tick(judge_at(w, r->session));
	sl_outer_path_rest(w->paths, r->peer)->pass = w->paths->pass;
	sl_outer_path_aim(path, sl_outer_path_rest(w->paths, r->peer), &r->outer, r->session->remote_index);
	make_link(w, r, hop, &link);
	r->link = sl_outer_link_set(w->paths, r->peer, &link);
	/* Of a nested tunnel the sessions outside this one were looked at, which are not compared again; nor are counters. */
	keep = link.to_port && sl_sender_counter(r->session->sender) < PATH_COUNTERS;
	path->epoch = keep ? w->paths->epoch : 0;
}

/* Finds the way of a run whose session is known; the run's link is set where the outcome is READY. */
static void
find_way(struct sl_worker *w, struct batch *b, struct run *r)
{
	struct sl_outer_hop hop;
	enum sl_drop reason;

	reason = sl_outer_hop(w->dp, r->route, &r->remote, &hop);
	if (likely(reason == SL_DROP_COUNT) && unlikely(!sl_outer_source(&r->outer, hop.out_if)))
		reason = SL_DROP_NO_ROUTE;
	if (unlikely(reason != SL_DROP_COUNT)) {
		refuse(&r->outcome, reason);
		return;
	}
	r->outcome.depth = 1;
	judge_chain(w, b, hop, &r->outcome);
	if (likely(r->outcome.verdict == READY)) {
		keep_path(w, r, &hop);
		watch_age(w, r->session);
	}
}

/* --- what becomes of a run --- */

static void
wait_session(struct sl_worker *w, const struct run *r)
{
	sl_peer_raise(&w->dp->peers, r->outcome.peer, SL_FACT_NEED_SESSION);
	for (unsigned i = 0; i < r->n; i++) {
		const struct sl_packet *p = sl_packet(r->pkts[i]);

		if (unlikely(p->sealed || p->flags & SL_PKT_KEEPALIVE))
			sl_worker_drop(w, r->pkts[i], SL_DROP_STAGED_GIVEN_UP);
		else
			sl_staged_add_peer(w, r->pkts[i], r->outcome.peer);
	}
}

static void
wait_neighbour(struct sl_worker *w, const struct run *r)
{
	for (unsigned i = 0; i < r->n; i++) {
		if (unlikely(sl_packet(r->pkts[i])->sealed))
			sl_worker_drop(w, r->pkts[i], SL_DROP_NO_NEIGHBOUR);
		else
			sl_staged_add_neighbour(w, r->pkts[i], r->outcome.out_if, &r->outcome.next_hop);
	}
}

static void
drop_run(struct sl_worker *w, const struct run *r)
{
	enum sl_drop reason = r->outcome.reason;
	bool tell = reason == SL_DROP_NO_ENDPOINT || reason == SL_DROP_NO_ROUTE || reason == SL_DROP_NO_PEER ||
		reason == SL_DROP_NO_NEIGHBOUR;

	for (unsigned i = 0; i < r->n; i++) {
		if (tell)
			sl_icmp_reject(w, r->pkts[i], reason, SL_ICMP_HOST_UNREACHABLE, 0);
		else
			sl_worker_drop(w, r->pkts[i], reason);
	}
}

static void
send_run(struct sl_worker *w, const struct run *r)
{
	unsigned deepest = SL_NESTING_MAX - r->link->depth;

	for (unsigned i = 0; i < r->n; i++) {
		if (unlikely(sl_packet(r->pkts[i])->nesting > deepest))
			sl_worker_drop(w, r->pkts[i], SL_DROP_NESTING);
		else
			sl_worker_enqueue(w, SL_STAGE_SEAL, r->pkts[i]);
	}
}

/*
 * Whether an earlier run of the same peer in this batch has begun to wait, while control made the way free in between:
 * this run then may not pass it.
 */
static bool
would_overtake(const struct batch *b, const struct run *r)
{
	for (const struct run *e = b->runs; e < r; e++)
		if (e->peer == r->peer && (e->outcome.verdict == WAIT_SESSION || e->outcome.verdict == WAIT_NEIGHBOUR))
			return true;
	return false;
}

/* Returns false where older packets have to go first: they are then in ENCAP's next vector, and the run is untouched. */
static bool
dispose(struct sl_worker *w, struct batch *b, const struct run *r)
{
	struct rte_mbuf *waiting[SL_MAX_STAGED_PACKETS];
	unsigned n;

	switch (r->outcome.verdict) {
	case READY:
		if (unlikely(b->waits && would_overtake(b, r)))
			return false;
		send_run(w, r);
		return true;
	case REFUSED:
		drop_run(w, r);
		return true;
	case WAIT_SESSION:
		wait_session(w, r);
		b->waits = true;
		return true;
	case WAIT_NEIGHBOUR:
		wait_neighbour(w, r);
		b->waits = true;
		return true;
	case FIRST_NEIGHBOUR:
		sl_staged_release_neighbour(w, r->outcome.out_if, &r->outcome.next_hop);
		return false;
	case FIRST_PEER:
		n = sl_staged_take_peer(w, r->outcome.peer, waiting);
		for (unsigned i = 0; i < n; i++)
			sl_worker_enqueue(w, SL_STAGE_ENCAP, waiting[i]);
		return false;
	}
	return true;
}

/* --- a batch of runs that have to be judged --- */

/* Peers and sessions of all runs, memory accesses overlapped. */
static void
judge_peers(struct sl_worker *w, struct batch *b, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		struct run *r = &b->runs[i];
		const struct sl_peer *peer = &w->dp->peers.slots[r->peer];
		struct sl_endpoint remote;

		r->own = peer->wg_if;
		r->remote = (struct sl_ip){0};
		r->link = NULL;
		r->endpoint_seq = atomic_load_explicit(&peer->endpoint_seq, memory_order_acquire);
		r->session = judge_peer(w, r->peer, &r->outer, &r->session_id, &r->outcome);
		if (likely(r->session != NULL)) {
			sl_outer_remote(&r->outer, &remote);
			r->remote = remote.ip;
		}
	}
}

/* The link of the path that an earlier run of this pass found, or NULL. */
static const struct sl_outer_link *
recent_link(const struct sl_worker *w, const struct run *r)
{
	bool found = sl_outer_path_rest(w->paths, r->peer)->pass == w->paths->pass &&
		sl_outer_path(w->paths, r->peer)->session == r->session_id;

	return found ? sl_outer_link(w->paths, r->peer) : NULL;
}

static void
find_ways(struct sl_worker *w, struct batch *b, unsigned from, unsigned to)
{
	const struct sl_ip *dst[SL_BURST];
	uint16_t own[SL_BURST];
	uint32_t routes[SL_BURST];

	for (unsigned i = from; i < to; i++) {
		dst[i] = &b->runs[i].remote;
		own[i] = b->runs[i].own;
	}
	sl_route_lookup_outer_burst(&w->dp->routes, &w->dp->peers, dst + from, own + from, routes + from, to - from);
	for (unsigned i = from; i < to; i++) {
		struct run *r = &b->runs[i];

		if (unlikely(r->session == NULL))
			continue;
		r->link = recent_link(w, r);
		r->route = routes[i];
		if (r->link == NULL)
			find_way(w, b, r);
	}
}

/* What of the peer's session decides: one line. */
static void
fetch_session(const struct sl_worker *w, uint32_t peer)
{
	const struct sl_session_table *t = &w->dp->sessions;
	uint32_t current = atomic_load_explicit(&w->dp->peers.slots[peer].current, memory_order_relaxed);

	if (likely(current != 0))
		rte_prefetch0(&t->slots[current & ((1u << t->slot_bits) - 1)]);
}

/* Judges the runs from..to-1 and disposes of their packets. Returns the first of which older packets go first, or `to`. */
static unsigned
judge(struct sl_worker *w, struct batch *b, const struct stretch *runs, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		b->runs[i].pkts = runs[i].pkts;
		b->runs[i].n = runs[i].n;
		b->runs[i].peer = runs[i].peer;
		rte_prefetch0(&w->dp->peers.outers[runs[i].peer]);
		fetch_session(w, runs[i].peer);
	}
	judge_peers(w, b, from, to);
	find_ways(w, b, from, to);
	for (unsigned i = from; i < to; i++)
		if (unlikely(!dispose(w, b, &b->runs[i])))
			return i;
	return to;
}

/* --- all runs --- */

/* Cuts the packets into runs; returns how many there are, and in *took how many packets they have. */
static unsigned
gather(struct stretch *runs, struct rte_mbuf **pkts, unsigned n, unsigned *took)
{
	unsigned n_runs = 0, i = 0;

	while (i < n && n_runs < SL_BURST) {
		struct stretch *r = &runs[n_runs++];
		uint8_t nested = 0;

		r->pkts = pkts + i;
		r->peer = sl_packet(pkts[i])->out_peer;
		do
			nested |= sl_packet(pkts[i++])->nesting;
		while (i < n && sl_packet(pkts[i])->out_peer == r->peer);
		r->n = (unsigned)(pkts + i - r->pkts);
		r->plain = nested == 0;
	}
	*took = i;
	return n_runs;
}

/*
 * Whether what an earlier pass found out still holds: the same tables, peer, endpoint and session, none of them old. Whatever
 * differs, or has to be told, is found and told by judging the run; so is what waits for a peer (sl_staged_add_peer), and
 * counters do not come near their limit while a way is kept. The session is the same where
 * `current` has its id (which comes again after 256 sessions in one slot at the earliest, more than there are in a path's
 * age), and its sending half is then where it was: so the session itself is not looked at.
 */
static inline bool
still_good(const struct sl_worker *w, const struct stretch *r)
{
	const struct sl_peer *peer = &w->dp->peers.slots[r->peer];
	const struct sl_outer_path *path = sl_outer_path(w->paths, r->peer);
	uint32_t current = atomic_load_explicit(&peer->current, memory_order_acquire);

	return likely(path->epoch == w->paths->epoch && r->plain && sl_path_tick(w->now) < path->judge_at &&
		      atomic_load_explicit(&peer->live, memory_order_acquire) &&
		      atomic_load_explicit(&peer->endpoint_seq, memory_order_acquire) == path->endpoint_seq &&
		      current == path->session);
}

/* Those on a good path. Returns the first that is not. */
static unsigned
send_good(struct sl_worker *w, struct batch *b, const struct stretch *runs, unsigned from, unsigned n)
{
	unsigned packets = 0, i = from;

	for (; i < n && runs[i].good; i++) {
		packets += runs[i].n;
		b->runs[i].peer = runs[i].peer;
		b->runs[i].outcome.verdict = READY;
	}
	sl_worker_enqueue_bulk(w, SL_STAGE_SEAL, runs[from].pkts, packets);
	return i;
}

/* What SEAL needs besides the peer's line and the path's: another place, the peer's own link, the rest of an IPv6 address. */
static inline void
fetch_rest(const struct sl_worker *w, uint32_t peer)
{
	const struct sl_outer_path *path = sl_outer_path(w->paths, peer);

	if (path->sender != 0)
		rte_prefetch0(sl_outer_sender(w->dp, peer, path));
	if (unlikely(path->link == SL_OUTER_LINK_OWN))
		rte_prefetch0(&w->paths->own[peer]);
	if (path->link == SL_OUTER_LINK_OWN || !w->paths->links[path->link].v4)
		rte_prefetch0(sl_outer_path_rest(w->paths, peer));
}

/* Disposes of runs. Returns how many were disposed of: all, or those before one that older packets go before. */
static unsigned
handle(struct sl_worker *w, struct batch *b, struct stretch *runs, unsigned n)
{
	unsigned i = 0;

	b->cached = b->waits = false;
	for (unsigned k = 0; k < n; k++) {
		runs[k].good = still_good(w, &runs[k]);
		if (likely(runs[k].good))
			fetch_rest(w, runs[k].peer);
	}
	while (i < n) {
		unsigned to = i + 1, judged;

		/* Once something waits, what follows may belong behind it. */
		if (likely(runs[i].good && !b->waits)) {
			i = send_good(w, b, runs, i, n);
			continue;
		}
		while (to < n && (!runs[to].good || b->waits))
			to++;
		judged = judge(w, b, runs, i, to);
		if (unlikely(judged < to))
			return judged;
		i = to;
	}
	return n;
}

void
sl_stage_encap(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct stretch runs[SL_BURST];
	struct batch b;

	for (unsigned done = 0; done < n;) {
		unsigned took, n_runs = gather(runs, pkts + done, n - done, &took), disposed;

		disposed = handle(w, &b, runs, n_runs);
		if (unlikely(disposed < n_runs)) {
			/* Behind what waited come this run and all that follow, in their order. */
			done = (unsigned)(runs[disposed].pkts - pkts);
			sl_worker_enqueue_bulk(w, SL_STAGE_ENCAP, pkts + done, n - done);
			return;
		}
		done += took;
	}
}
