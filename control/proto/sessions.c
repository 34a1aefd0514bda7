/*
 * The rotation of a peer's three sessions (protocol.md 22): previous, current
 * and next. Workers find all of them by index and receive on them; they send
 * on the one that the peer's `current` names, which is switched before any
 * session that it named is taken away or retired. One that `current` has named
 * and names no more is never sent on again, nor is a next one that became previous
 * or belongs to an old private key: these are retired as soon as `current` is switched.
 */
#include "control/proto/internal.h"
#include "crypto/wipe.h"

static void
set_current(struct sl_proto_peer *peer, const struct sl_proto_session *s)
{
	uint32_t value = 0;

	if (s->slot != SL_SESSION_NONE && !s->no_send)
		value = sl_session_id(peer->ifp->core->sessions, s->slot);
	atomic_store_explicit(&sl_proto_dp_peer(peer)->current, value, memory_order_release);
}

/* After `current` was switched: the session only receives from now on. */
static void
retire(struct sl_proto_peer *peer, const struct sl_proto_session *s)
{
	if (s->slot != SL_SESSION_NONE)
		sl_session_retire(peer->ifp->core->sessions, s->slot);
}

static void
drop(struct sl_proto_peer *peer, struct sl_proto_session s)
{
	if (s.slot != SL_SESSION_NONE)
		sl_session_release(peer->ifp->core->sessions, s.slot);
}

static const struct sl_proto_session none = {.slot = SL_SESSION_NONE};

static void
rotate_initiator(struct sl_proto_peer *peer, struct sl_proto_session new)
{
	struct sl_proto_session *s = peer->sessions;
	struct sl_proto_session old_previous = s[SL_SESSION_PREVIOUS], old_current = none;

	if (s[SL_SESSION_NEXT].slot != SL_SESSION_NONE) {
		old_current = s[SL_SESSION_CURRENT];
		s[SL_SESSION_PREVIOUS] = s[SL_SESSION_NEXT];
		s[SL_SESSION_NEXT] = none;
	} else {
		s[SL_SESSION_PREVIOUS] = s[SL_SESSION_CURRENT];
	}
	s[SL_SESSION_CURRENT] = new;
	set_current(peer, &new);
	retire(peer, &s[SL_SESSION_PREVIOUS]);
	drop(peer, old_current);
	drop(peer, old_previous);
}

static void
rotate_responder(struct sl_proto_peer *peer, struct sl_proto_session new)
{
	struct sl_proto_session *s = peer->sessions;

	drop(peer, s[SL_SESSION_NEXT]);
	drop(peer, s[SL_SESSION_PREVIOUS]);
	s[SL_SESSION_NEXT] = new;
	s[SL_SESSION_PREVIOUS] = none;
}

bool
sl_sessions_begin(struct sl_proto_peer *peer, struct sl_proto_handshake *hs, uint64_t now)
{
	struct sl_proto_session new = {.slot = hs->slot};
	struct sl_noise_keys keys;
	struct sl_session_keys session;

	if (sl_noise_begin_session(&hs->noise, &keys) != SL_NOISE_OK)
		return false;
	session = (struct sl_session_keys){
		.remote_index = keys.remote_index,
		.initiator = keys.initiator,
		.incarnation = atomic_load_explicit(&sl_proto_dp_peer(peer)->live, memory_order_relaxed),
		.created = now,
	};
	memcpy(session.send, keys.send, SL_KEY_LEN);
	memcpy(session.recv, keys.recv, SL_KEY_LEN);
	sl_wipe(&keys, sizeof(keys));
	sl_peer_memory_prepare(&peer->ifp->core->peers->memory, peer->slot);
	sl_session_publish(peer->ifp->core->sessions, new.slot, &session);
	hs->slot = SL_SESSION_NONE;
	if (session.initiator)
		rotate_initiator(peer, new);
	else
		rotate_responder(peer, new);
	sl_wipe(&session, sizeof(session));
	return true;
}

bool
sl_sessions_confirm(struct sl_proto_peer *peer)
{
	struct sl_proto_session *s = peer->sessions;
	struct sl_proto_session old_previous = s[SL_SESSION_PREVIOUS];
	const struct sl_session *next;

	if (s[SL_SESSION_NEXT].slot == SL_SESSION_NONE)
		return false;
	next = sl_proto_session_at(peer->ifp->core, s[SL_SESSION_NEXT].slot);
	if (!(atomic_load_explicit(&next->facts, memory_order_acquire) & SL_SESSION_CONFIRMED))
		return false;
	s[SL_SESSION_PREVIOUS] = s[SL_SESSION_CURRENT];
	s[SL_SESSION_CURRENT] = s[SL_SESSION_NEXT];
	s[SL_SESSION_NEXT] = none;
	set_current(peer, &s[SL_SESSION_CURRENT]);
	retire(peer, &s[SL_SESSION_PREVIOUS]);
	drop(peer, old_previous);
	return true;
}

void
sl_sessions_expire_sending(struct sl_proto_peer *peer)
{
	peer->sessions[SL_SESSION_CURRENT].no_send = true;
	peer->sessions[SL_SESSION_NEXT].no_send = true;
	set_current(peer, &peer->sessions[SL_SESSION_CURRENT]);
	retire(peer, &peer->sessions[SL_SESSION_CURRENT]);
	retire(peer, &peer->sessions[SL_SESSION_NEXT]);
}

void
sl_sessions_wipe(struct sl_proto_peer *peer)
{
	set_current(peer, &none);
	for (unsigned i = 0; i < SL_SESSION_ROLES; i++) {
		drop(peer, peer->sessions[i]);
		peer->sessions[i] = none;
	}
}

struct sl_session *
sl_sessions_current(const struct sl_proto_peer *peer)
{
	uint32_t slot = peer->sessions[SL_SESSION_CURRENT].slot;

	return slot == SL_SESSION_NONE ? NULL : sl_proto_session_at(peer->ifp->core, slot);
}

bool
sl_sessions_sendable(const struct sl_proto_peer *peer, uint64_t now)
{
	const struct sl_session *s = sl_sessions_current(peer);

	return s && !peer->sessions[SL_SESSION_CURRENT].no_send && now - s->created < SL_REJECT_AFTER_TIME_NS &&
		sl_sender_counter(s->sender) < SL_REJECT_AFTER_MESSAGES;
}
