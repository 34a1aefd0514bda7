/*
 * A peer's timers (protocol.md 27–35). Callers say what happened, never what
 * to arm. One wheel node per peer stands at the earliest of its deadlines;
 * when it expires, all that is due is done and the node moves on.
 *
 * Deadlines that follow from data (30, 31, 33) are not set when a packet is
 * seen, because control does not see packets: they are computed from the
 * workers' stamps whenever the peer is looked at. A worker that sees traffic at
 * a peer which is not watched raises a fact; from then on the peer is watched
 * and looked at every SWEEP_NS, which is well below the shortest such deadline,
 * so each is met exactly. The persistent keepalive needs no watching: when its
 * earliest time comes, newer stamps push it on.
 */
#include "control/proto/internal.h"

#define SWEEP_NS (5 * SL_NSEC_PER_SEC)
/* A worker may stamp before it sees that `watched` was cleared, and we may look before the stamp is seen: look again. */
#define VERIFY_NS (1 * SL_NSEC_PER_SEC)
/* The keepalive that we asked for is stamped as sent by its worker so much later at most. */
#define OWN_KEEPALIVE_NS (100 * SL_NSEC_PER_MSEC)

static_assert(SWEEP_NS < SL_KEEPALIVE_TIMEOUT_NS && SWEEP_NS < SL_NEW_HANDSHAKE_TIME_NS, "seen before it is due");

enum watch {
	WATCH_NOT,
	WATCH,
	WATCH_VERIFY, /* given up a moment ago */
};

enum { NEVER = 0 };

/* --- deadlines that follow from stamps --- */

/*
 * The event that a deadline counts from. since: the first such event that nothing has come after; 0: none. Once the
 * deadline has passed (floor), the next event counts; only the last is known then, so it is kept as it was first seen.
 */
static uint64_t
stamp_base(struct sl_proto_stamp *s, uint64_t since, uint64_t last)
{
	if (since == NEVER) {
		s->latched = NEVER;
		return NEVER;
	}
	if (since > s->floor)
		return since;
	if (s->latched <= s->floor)
		s->latched = last > s->floor ? last : NEVER;
	return s->latched;
}

static void
stamp_dealt_with(struct sl_proto_stamp *s, uint64_t now)
{
	s->floor = now - 1;
	s->latched = NEVER;
}

struct deadlines {
	struct sl_peer_totals totals;
	uint64_t retransmit, zero, sweep;
	uint64_t new_handshake, passive, persistent;
	uint64_t passive_base;
};

/* The jitter is drawn when the time comes, which it seldom does: answers move it on as long as there are any. */
static uint64_t
new_handshake_at(struct sl_proto_peer *peer, const struct sl_peer_totals *t, uint64_t now)
{
	uint64_t base = stamp_base(&peer->unanswered, t->unanswered_since, t->data_sent);
	uint64_t at = base + SL_NEW_HANDSHAKE_TIME_NS;

	if (base == NEVER)
		return NEVER;
	if (now < at)
		return at;
	if (base != peer->jitter_base) {
		peer->jitter_base = base;
		peer->jitter = sl_jitter(peer->ifp->core);
	}
	return at + peer->jitter;
}

static uint64_t
passive_base(struct sl_proto_peer *peer, const struct sl_peer_totals *t)
{
	if (t->data_sent >= peer->again_armed || t->sent > peer->again_armed + OWN_KEEPALIVE_NS)
		peer->again_armed = NEVER;
	if (peer->again_armed != NEVER)
		return peer->again_armed;
	return stamp_base(&peer->owed, t->owed_since, t->data_received);
}

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t
persistent_at(const struct sl_proto_peer *peer, const struct sl_peer_totals *t)
{
	uint64_t base = later(later(t->sent, t->received), peer->persist_floor);

	if (peer->keepalive_interval == 0 || !sl_peer_has_endpoint(peer))
		return NEVER;
	if (peer->keepalive_due)
		return peer->persist_floor;
	return base + peer->keepalive_interval * SL_NSEC_PER_SEC;
}

static void
compute(struct sl_proto_peer *peer, struct deadlines *d, uint64_t now)
{
	*d = (struct deadlines){
		.retransmit = peer->handshake ? peer->handshake->retransmit_at : NEVER,
		.zero = peer->zero_at,
		.sweep = peer->sweep_at,
	};
	sl_peer_totals(peer->ifp->core->peers, peer->slot, &d->totals);
	if (!sl_proto_if_usable(peer->ifp))
		return;
	d->new_handshake = new_handshake_at(peer, &d->totals, now);
	d->passive_base = passive_base(peer, &d->totals);
	if (d->passive_base != NEVER)
		d->passive = d->passive_base + SL_KEEPALIVE_TIMEOUT_NS;
	d->persistent = persistent_at(peer, &d->totals);
}

static uint64_t
earliest(const struct deadlines *d)
{
	const uint64_t all[] = {d->retransmit, d->zero, d->sweep, d->new_handshake, d->passive, d->persistent};
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i] != NEVER && all[i] < first)
			first = all[i];
	return first;
}

/* --- watching --- */

static void
set_watched(struct sl_proto_peer *peer, bool watched)
{
	atomic_store(&sl_proto_dp_peer(peer)->watched, watched);
}

static uint64_t
newest(const struct sl_peer_totals *t)
{
	return later(later(t->sent, t->received), later(t->data_sent, t->data_received));
}

static void
watch(struct sl_proto_peer *peer, const struct sl_peer_totals *t, uint64_t now)
{
	set_watched(peer, true);
	peer->watch = WATCH;
	peer->seen = newest(t);
	peer->sweep_at = now + SWEEP_NS;
}

static void
sweep(struct sl_proto_peer *peer, const struct sl_peer_totals *t, uint64_t now)
{
	peer->sweep_at = NEVER;
	if (newest(t) > peer->seen) {
		watch(peer, t, now);
	} else if (peer->watch == WATCH) {
		set_watched(peer, false);
		peer->watch = WATCH_VERIFY;
		peer->sweep_at = now + VERIFY_NS;
	} else {
		peer->watch = WATCH_NOT;
	}
}

/* --- what happens when a deadline has come --- */

/* An empty packet where there is a session, else a handshake, which ends in one. */
static void
send_keepalive(struct sl_proto_peer *peer, uint64_t now)
{
	if (sl_sessions_sendable(peer, now))
		peer->ifp->core->ops->keepalive(peer->ifp->core->ctx, peer->slot);
	else
		sl_handshake_request(peer, now);
}

static void
expired_retransmit(struct sl_proto_peer *peer, uint64_t now)
{
	peer->handshake->retransmit_at = NEVER;
	if (sl_proto_if_usable(peer->ifp))
		sl_handshake_retransmit(peer, now);
}

/* From now on stamps do not tell which data was the first: the next packet shall be seen when it comes, not at a sweep. */
static void
see_next_packet(struct sl_proto_peer *peer, const struct sl_peer_totals *t, uint64_t now)
{
	set_watched(peer, false);
	peer->watch = WATCH_VERIFY;
	peer->seen = newest(t);
	peer->sweep_at = now + VERIFY_NS;
}

static void
expired_new_handshake(struct sl_proto_peer *peer, const struct sl_peer_totals *t, uint64_t now)
{
	stamp_dealt_with(&peer->unanswered, now);
	see_next_packet(peer, t, now);
	sl_peer_forget_source(peer, NULL);
	sl_handshake_request(peer, now);
}

static void
expired_passive(struct sl_proto_peer *peer, const struct deadlines *d, uint64_t now)
{
	bool more = d->totals.data_received > d->passive_base;

	stamp_dealt_with(&peer->owed, now);
	peer->again_armed = more ? now : NEVER;
	send_keepalive(peer, now);
}

static void
expired_persistent(struct sl_proto_peer *peer, uint64_t now)
{
	peer->persist_floor = now;
	peer->keepalive_due = false;
	send_keepalive(peer, now);
}

static void
expired_zero(struct sl_proto_peer *peer)
{
	struct sl_proto_handshake *hs = peer->handshake;
	uint64_t retransmit_at = hs ? hs->retransmit_at : NEVER;
	uint32_t sends = hs ? hs->sends : 0;

	peer->zero_at = NEVER;
	sl_sessions_wipe(peer);
	if (retransmit_at == NEVER) {
		sl_handshake_free(peer);
		return;
	}
	/* Tries that are under way go on. */
	sl_handshake_clear(peer);
	hs->retransmit_at = retransmit_at;
	hs->sends = sends;
}

static inline bool
due(uint64_t deadline, uint64_t now)
{
	return deadline != NEVER && deadline <= now;
}

void
sl_timers_run(struct sl_proto_peer *peer, uint64_t now)
{
	struct deadlines d;

	sl_peer_sync_identity(peer, now);
	compute(peer, &d, now);
	if (due(d.zero, now))
		expired_zero(peer);
	if (due(d.retransmit, now))
		expired_retransmit(peer, now);
	if (due(d.sweep, now))
		sweep(peer, &d.totals, now);
	if (due(d.new_handshake, now))
		expired_new_handshake(peer, &d.totals, now);
	if (due(d.passive, now))
		expired_passive(peer, &d, now);
	if (due(d.persistent, now))
		expired_persistent(peer, now);
	sl_timers_update(peer, now);
}

void
sl_timers_update(struct sl_proto_peer *peer, uint64_t now)
{
	struct sl_wheel *wheel = &peer->ifp->core->wheel;
	struct deadlines d;
	uint64_t first;

	compute(peer, &d, now);
	first = earliest(&d);
	if (first == UINT64_MAX)
		sl_wheel_cancel(wheel, &peer->timer);
	else
		sl_wheel_arm(wheel, &peer->timer, first);
}

/* --- events --- */

void
sl_timers_handshake_received(struct sl_proto_peer *peer, size_t len, uint64_t now)
{
	struct sl_proto *core = peer->ifp->core;

	sl_peer_stamp_received(core->peers, core->line, peer->slot, now, len, false);
}

void
sl_timers_handshake_sent(struct sl_proto_peer *peer, size_t len, uint64_t now)
{
	struct sl_proto *core = peer->ifp->core;

	sl_peer_stamp_sent(core->peers, core->line, peer->slot, now, len, false);
}

void
sl_timers_initiated(struct sl_proto_peer *peer, uint64_t now)
{
	peer->handshake->retransmit_at = now + SL_REKEY_TIMEOUT_NS + sl_jitter(peer->ifp->core);
}

void
sl_timers_session_derived(struct sl_proto_peer *peer, uint64_t now)
{
	peer->zero_at = now + SL_ZERO_KEYS_TIME_NS;
}

void
sl_timers_handshake_complete(struct sl_proto_peer *peer)
{
	struct sl_proto *core = peer->ifp->core;

	if (peer->handshake) {
		peer->handshake->retransmit_at = NEVER;
		peer->handshake->sends = 0;
	}
	peer->unconfirmed = 0;
	peer->ifp->counters.completed++;
	core->ops->wall(core->ctx, &peer->latest_handshake);
}

void
sl_timers_gave_up(struct sl_proto_peer *peer, uint64_t now)
{
	struct sl_proto *core = peer->ifp->core;

	stamp_dealt_with(&peer->owed, now);
	peer->again_armed = NEVER;
	core->ops->purge(core->ctx, peer->slot);
	if (peer->zero_at == NEVER)
		peer->zero_at = now + SL_ZERO_KEYS_TIME_NS;
}

void
sl_timers_active(struct sl_proto_peer *peer, uint64_t now)
{
	struct sl_peer_totals totals;

	if (peer->watch == WATCH)
		return;
	sl_peer_totals(peer->ifp->core->peers, peer->slot, &totals);
	watch(peer, &totals, now);
}

void
sl_timers_persistent_on(struct sl_proto_peer *peer, uint64_t now)
{
	peer->keepalive_due = true;
	peer->persist_floor = now;
}

void
sl_timers_stop(struct sl_proto_peer *peer)
{
	struct sl_peer_totals totals;

	sl_peer_totals(peer->ifp->core->peers, peer->slot, &totals);
	peer->unanswered = (struct sl_proto_stamp){.floor = totals.data_sent};
	peer->owed = (struct sl_proto_stamp){.floor = totals.data_received};
	sl_wheel_cancel(&peer->ifp->core->wheel, &peer->timer);
	set_watched(peer, false);
	peer->watch = WATCH_NOT;
	peer->sweep_at = NEVER;
	peer->zero_at = NEVER;
	peer->again_armed = NEVER;
	peer->keepalive_due = false;
	if (peer->handshake)
		peer->handshake->retransmit_at = NEVER;
}
