/*
 * A peer's handshake from our side: when an initiation is sent, and sending
 * one (protocol.md 21, 29, 34). What comes in is in receive.c.
 */
#include <stdlib.h>

#include "control/proto/internal.h"
#include "crypto/bytes.h"
#include "crypto/noise_batch.h"
#include "crypto/tai64n.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"
#include "crypto/x25519_batch.h"

#define GATHER_WITHOUT_LANES 8 /* initiations that come together where X25519 is done one by one */
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
	sl_peer_outer_read(peer->ifp->core->peers, peer->slot, &outer);
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

/* Initiations that are made side by side. */
struct initiations {
	unsigned n;
	struct sl_proto_peer *peers[SL_PROTO_BATCH];
	struct sl_noise_initiation jobs[SL_PROTO_BATCH];
	struct sl_msg_initiation msgs[SL_PROTO_BATCH];
	uint8_t ephemerals[SL_PROTO_BATCH][SL_KEY_LEN];
	uint8_t ss[SL_PROTO_BATCH][SL_KEY_LEN]; /* of those that try the other identity */
};

/*
 * The identity that an initiation is made with: the one that the peer is on, and, where it has another and does not
 * answer, each in turn: it may know us by the other one by now.
 */
static const struct sl_noise_identity *
choose_identity(struct sl_proto_peer *peer, struct sl_proto_handshake *hs, const uint8_t **ss, uint8_t other[SL_KEY_LEN])
{
	uint32_t generation = hs->sends % 2 == 0 ? sl_identity_other(peer->ifp, peer->generation) : peer->generation;
	const struct sl_noise_identity *identity = sl_identity_of(peer->ifp, generation);

	*ss = peer->static_static;
	hs->generation = peer->generation;
	if (generation == peer->generation)
		return identity;
	/* a key of low order, which alone fails here, has been found out before */
	if (!sl_x25519_shared(other, identity->private_key, peer->public_key))
		return sl_identity_of(peer->ifp, peer->generation);
	*ss = other;
	hs->generation = generation;
	return identity;
}

/* All that an initiation needs before its arithmetic, unless something is in its way. */
static void
begin_initiation(struct initiations *in, struct sl_proto_peer *peer, uint64_t now)
{
	struct sl_proto_handshake *hs = sl_handshake_get(peer);
	enum sl_failure cause = obstacle(peer);
	uint8_t *ephemeral = in->ephemerals[in->n];
	const struct sl_noise_identity *identity;
	const uint8_t *ss;
	uint32_t index;

	if (!hs)
		return;
	if (cause != SL_FAILURE_COUNT) {
		sl_failure_note(peer->ifp, peer, cause, NULL, NULL, now);
		return;
	}
	hs->sends++;
	sl_timers_initiated(peer, now);
	if (!sl_handshake_reserve(peer, hs, &index)) {
		sl_failure_note(peer->ifp, peer, SL_FAILURE_NO_INDEX, NULL, NULL, now);
		return;
	}
	next_timestamp(peer);
	identity = choose_identity(peer, hs, &ss, in->ss[in->n]);
	sl_rng_bytes(&peer->ifp->core->rng, ephemeral, SL_KEY_LEN);
	in->jobs[in->n] = (struct sl_noise_initiation){
		.hs = &hs->noise,
		.id = identity,
		.remote = peer->public_key,
		.ss = ss,
		.timestamp = peer->sent_timestamp,
		.ephemeral_private = ephemeral,
		.local_index = index,
		.msg = &in->msgs[in->n],
	};
	in->peers[in->n++] = peer;
}

static void
end_initiation(struct sl_proto_peer *peer, enum sl_noise_result result, struct sl_msg_initiation *msg, uint64_t now)
{
	if (result != SL_NOISE_OK) {
		sl_failure_note(peer->ifp, peer, SL_FAILURE_LOW_ORDER, NULL, NULL, now);
		return;
	}
	peer->ifp->counters.initiations_sent++;
	sl_handshake_send(peer, msg, sizeof(*msg), now);
}

/* To n different peers. */
static void
send_initiations(struct sl_proto *core, struct sl_proto_peer *const *peers, unsigned n, uint64_t now)
{
	struct sl_proto_peer *reachable[SL_PROTO_BATCH] = {NULL};
	struct initiations in;
	unsigned count = 0;

	in.n = 0;
	for (unsigned i = 0; i < n; i++)
		if (sl_peer_has_endpoint(peers[i]))
			reachable[count++] = peers[i];
	sl_peers_static_static(core, reachable, count);
	for (unsigned i = 0; i < n; i++)
		begin_initiation(&in, peers[i], now);
	sl_noise_create_initiations(core->simd, in.jobs, in.n);
	sl_wipe(in.ephemerals, in.n * sizeof(in.ephemerals[0]));
	sl_wipe(in.ss, in.n * sizeof(in.ss[0]));
	for (unsigned i = 0; i < in.n; i++)
		end_initiation(in.peers[i], in.jobs[i].result, &in.msgs[i], now);
}

/* As many as one step of control's loop bears: an initiation costs two X25519 or three. */
static unsigned
gather_limit(const struct sl_proto *core)
{
	return sl_x25519_kernel_of(core->simd) ? SL_PROTO_BATCH : GATHER_WITHOUT_LANES;
}

void
sl_handshakes_gather(struct sl_proto *core, struct sl_proto_gather *gather)
{
	gather->n = 0;
	gather->full = false;
	core->gather = gather;
}

static void
send_gathered(struct sl_proto *core, struct sl_proto_gather *gather, uint64_t now)
{
	if (gather->n == 0)
		return;
	send_initiations(core, gather->peers, gather->n, now);
	for (unsigned i = 0; i < gather->n; i++)
		sl_timers_update(gather->peers[i], now);
	gather->n = 0;
}

void
sl_handshakes_send(struct sl_proto *core, uint64_t now)
{
	struct sl_proto_gather *gather = core->gather;

	core->gather = NULL;
	send_gathered(core, gather, now);
}

/* At once, or with others. A peer that is asked for twice is asked for once. */
static void
initiate(struct sl_proto_peer *peer, uint64_t now)
{
	struct sl_proto *core = peer->ifp->core;
	struct sl_proto_gather *gather = core->gather;

	if (!gather) {
		send_initiations(core, &peer, 1, now);
		return;
	}
	for (unsigned i = 0; i < gather->n; i++)
		if (gather->peers[i] == peer)
			return;
	gather->peers[gather->n++] = peer;
	if (gather->n < gather_limit(core))
		return;
	gather->full = true;
	send_gathered(core, gather, now);
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
		initiate(peer, now);
	}
}

void
sl_handshake_retransmit(struct sl_proto_peer *peer, uint64_t now)
{
	const struct sl_proto *core = peer->ifp->core;
	struct sl_proto_handshake *hs = peer->handshake;

	if (core->ops->unanswered)
		core->ops->unanswered(core->ctx, peer);
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
		initiate(peer, now);
}
