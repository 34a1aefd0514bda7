/*
 * A peer's handshake from our side: when an initiation is sent, and sending
 * one (protocol.md 21, 29, 34). What comes in is in receive.c.
 */
#include <stdlib.h>

#include "control/proto/internal.h"
#include "crypto/bytes.h"
#include "crypto/tai64n.h"
#include "crypto/wipe.h"

#define UNANSWERED_TO_REPORT 3 /* initiations before people are told; again when giving up */

struct sl_proto_handshake *
sl_handshake_get(struct sl_proto_peer *peer)
{
	if (!peer->handshake) {
		peer->handshake = calloc(1, sizeof(*peer->handshake));
		if (!peer->handshake)
			return NULL;
		peer->handshake->slot = SL_SESSION_NONE;
		sl_mac_keys_init(&peer->handshake->keys, peer->public_key);
	}
	return peer->handshake;
}

static void
release_index(struct sl_proto_peer *peer, struct sl_proto_handshake *hs)
{
	if (hs->slot != SL_SESSION_NONE)
		sl_session_release(peer->ifp->core->sessions, hs->slot);
	hs->slot = SL_SESSION_NONE;
}

void
sl_handshake_clear(struct sl_proto_peer *peer)
{
	struct sl_proto_handshake *hs = peer->handshake;

	if (!hs)
		return;
	release_index(peer, hs);
	sl_noise_handshake_wipe(&hs->noise);
	hs->retransmit_at = 0;
	hs->sends = 0;
}

void
sl_handshake_free(struct sl_proto_peer *peer)
{
	if (!peer->handshake)
		return;
	sl_handshake_clear(peer);
	sl_wipe(peer->handshake, sizeof(*peer->handshake));
	free(peer->handshake);
	peer->handshake = NULL;
}

bool
sl_handshake_reserve(struct sl_proto_peer *peer, struct sl_proto_handshake *hs, uint32_t *index)
{
	struct sl_proto *core = peer->ifp->core;

	release_index(peer, hs);
	sl_noise_handshake_wipe(&hs->noise);
	hs->slot = sl_session_reserve(core->sessions, peer->slot, peer->ifp->l3_if);
	if (hs->slot == SL_SESSION_NONE)
		return false;
	*index = sl_proto_session_at(core, hs->slot)->index;
	return true;
}

uint32_t
sl_jitter(struct sl_proto *core)
{
	uint32_t random;

	sl_rng_bytes(&core->rng, &random, sizeof(random));
	return random % (SL_TIMER_JITTER_MAX_NS + 1);
}

static bool
too_soon(const struct sl_proto_peer *peer, uint64_t now)
{
	return peer->last_sent != 0 && now - peer->last_sent < SL_REKEY_TIMEOUT_NS;
}

/* Later than every one before, also when our wall clock has gone back: the peer would refuse it otherwise (19). */
static void
next_timestamp(struct sl_proto_peer *peer)
{
	struct sl_proto *core = peer->ifp->core;
	uint8_t *last = peer->sent_timestamp;
	uint8_t stamp[SL_TAI64N_LEN];
	struct timespec wall;

	core->ops->wall(core->ctx, &wall);
	sl_tai64n(stamp, (uint64_t)wall.tv_sec, (uint32_t)wall.tv_nsec);
	if (sl_tai64n_after(stamp, last)) {
		memcpy(last, stamp, sizeof(stamp));
		return;
	}
	for (unsigned i = SL_TAI64N_LEN - sizeof(uint32_t); i-- > 0;) {
		if (++last[i] != 0)
			break;
	}
}

void
sl_handshake_send(struct sl_proto_peer *peer, void *msg, size_t len, uint64_t now)
{
	struct sl_proto *core = peer->ifp->core;
	struct sl_proto_handshake *hs = peer->handshake;
	struct sl_outer outer;

	peer->last_sent = now;
	sl_cookie_jar_stamp(&hs->jar, now, &hs->keys, msg, len);
	sl_peer_outer_read(sl_proto_dp_peer(peer), &outer);
	core->ops->send(core->ctx, peer->ifp, &outer, msg, len, SL_HANDSHAKE_TOS);
	sl_timers_handshake_sent(peer, len, now);
}

/* Why an initiation cannot be made for the peer now; SL_FAILURE_COUNT: it can. */
static enum sl_failure
obstacle(struct sl_proto_peer *peer)
{
	if (!sl_peer_has_endpoint(peer))
		return SL_FAILURE_NO_ENDPOINT;
	if (!sl_peer_static_static(peer))
		return SL_FAILURE_LOW_ORDER;
	return SL_FAILURE_COUNT;
}

static void
send_initiation(struct sl_proto_peer *peer, struct sl_proto_handshake *hs, uint64_t now)
{
	struct sl_proto_if *ifp = peer->ifp;
	enum sl_failure cause = obstacle(peer);
	struct sl_msg_initiation msg;
	uint8_t ephemeral[SL_KEY_LEN];
	enum sl_noise_result result;
	uint32_t index;

	if (cause != SL_FAILURE_COUNT) {
		sl_failure_note(ifp, peer, cause, NULL, NULL, now);
		return;
	}
	hs->sends++;
	sl_timers_initiated(peer, now);
	if (!sl_handshake_reserve(peer, hs, &index)) {
		sl_failure_note(ifp, peer, SL_FAILURE_NO_INDEX, NULL, NULL, now);
		return;
	}
	next_timestamp(peer);
	sl_rng_bytes(&ifp->core->rng, ephemeral, sizeof(ephemeral));
	result = sl_noise_create_initiation(&hs->noise, &ifp->identity, peer->public_key, peer->static_static,
		peer->sent_timestamp, ephemeral, index, &msg);
	sl_wipe(ephemeral, sizeof(ephemeral));
	if (result != SL_NOISE_OK) {
		sl_failure_note(ifp, peer, SL_FAILURE_LOW_ORDER, NULL, NULL, now);
		return;
	}
	ifp->counters.initiations_sent++;
	sl_handshake_send(peer, &msg, sizeof(msg), now);
}

void
sl_handshake_request(struct sl_proto_peer *peer, uint64_t now)
{
	struct sl_proto_handshake *hs;

	sl_peer_sync_identity(peer, now);
	if (!sl_proto_if_usable(peer->ifp))
		return;
	hs = sl_handshake_get(peer);
	if (!hs)
		return;
	/* The count is of retransmissions: an initiation that is out counts as the first of the new twenty. */
	hs->sends = hs->retransmit_at != 0 ? 1 : 0;
	if (!too_soon(peer, now)) {
		hs->sends = 0;
		send_initiation(peer, hs, now);
	}
}

void
sl_handshake_retransmit(struct sl_proto_peer *peer, uint64_t now)
{
	struct sl_proto_handshake *hs = peer->handshake;

	if (hs->sends == UNANSWERED_TO_REPORT || hs->sends >= SL_MAX_HANDSHAKES)
		sl_failure_note(peer->ifp, peer, SL_FAILURE_NO_ANSWER, NULL, NULL, now);
	if (hs->sends >= SL_MAX_HANDSHAKES) {
		sl_timers_gave_up(peer, now);
		return;
	}
	sl_peer_forget_source(peer, NULL);
	/* A response was sent meanwhile: its session may still be used. Looked at again when the 5 s rule lets us. */
	if (too_soon(peer, now))
		hs->retransmit_at = peer->last_sent + SL_REKEY_TIMEOUT_NS + sl_jitter(peer->ifp->core);
	else
		send_initiation(peer, hs, now);
}
