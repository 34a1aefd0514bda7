/*
 * What workers told of a peer (class 1 of design.md). A fact may be older than
 * what control has done since, so each is checked against the present state.
 */
#include "control/proto/internal.h"

/* An initiator's session, or any that has sent very much, wants a successor (27). */
static bool
rekey_to_send(const struct sl_session *s, uint64_t now)
{
	if (sl_sender_counter(s->sender) > SL_REKEY_AFTER_MESSAGES)
		return true;
	return s->initiator && now - s->created >= SL_REKEY_AFTER_TIME_NS;
}

static void
rekey_on_send(struct sl_proto_peer *peer, uint64_t now)
{
	const struct sl_session *current = sl_sessions_current(peer);

	if (current && !peer->sessions[SL_SESSION_CURRENT].no_send && rekey_to_send(current, now))
		sl_handshake_request(peer, now);
}

/* Once per session (28). */
static void
rekey_on_receive(struct sl_proto_peer *peer, uint64_t now)
{
	struct sl_session *current = sl_sessions_current(peer);

	if (!sl_sessions_sendable(peer, now) || !current->initiator || now - current->created < SL_REKEY_AFTER_RECV_TIME_NS)
		return;
	if (atomic_fetch_or(&current->facts, SL_SESSION_REKEY_SENT) & SL_SESSION_REKEY_SENT)
		return;
	sl_handshake_request(peer, now);
}

static bool
packets_wait(const struct sl_proto_peer *peer)
{
	return atomic_load_explicit(&peer->ifp->core->peers->rest[peer->slot].staged, memory_order_acquire) != 0;
}

static void
drain(struct sl_proto_peer *peer)
{
	if (packets_wait(peer))
		peer->ifp->core->ops->drain(peer->ifp->core->ctx, peer->slot);
}

/* The first authentic packet of a responder's session (22, 35). */
static void
key_confirmed(struct sl_proto_peer *peer)
{
	if (!sl_sessions_confirm(peer))
		return;
	sl_timers_handshake_complete(peer);
	drain(peer);
}

/* What waits may have begun to wait just before the session came, and missed being sent. */
static void
need_session(struct sl_proto_peer *peer, uint64_t now)
{
	if (sl_sessions_sendable(peer, now))
		drain(peer);
	else
		sl_handshake_request(peer, now);
}

void
sl_proto_facts_batch(struct sl_proto *core, const uint32_t *slots, const uint32_t *facts, unsigned n, uint64_t now)
{
	struct sl_proto_gather gather;

	sl_handshakes_gather(core, &gather);
	for (unsigned i = 0; i < n; i++)
		sl_proto_facts(core, slots[i], facts[i], now);
	sl_handshakes_send(core, now);
}

void
sl_proto_facts(struct sl_proto *core, uint32_t slot, uint32_t facts, uint64_t now)
{
	struct sl_proto_peer *peer = sl_proto_peer_at(core, slot);

	if (!peer || !peer->ifp->up)
		return;
	sl_peer_sync_identity(peer, now);
	if (facts & SL_FACT_KEY_CONFIRMED)
		key_confirmed(peer);
	if (facts & SL_FACT_NEED_SESSION)
		need_session(peer, now);
	if (facts & SL_FACT_REKEY_SEND)
		rekey_on_send(peer, now);
	if (facts & SL_FACT_REKEY_RECEIVE)
		rekey_on_receive(peer, now);
	if (facts & SL_FACT_ACTIVE)
		sl_timers_active(peer, now);
	sl_timers_update(peer, now);
}
