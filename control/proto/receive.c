/*
 * Handshake messages that came in (protocol.md 16, 19–22, 35, 41). Initiations
 * of one batch go through each stage together: admitted, their senders' static
 * keys decrypted, peers found, timestamps opened, answered. Each stage is a
 * loop over independent items, which is where batch kernels fit.
 */
#include "control/proto/internal.h"
#include "crypto/bytes.h"
#include "crypto/tai64n.h"
#include "crypto/wipe.h"

#define UNCONFIRMED_TO_REPORT 3 /* responses in a row that came to nothing */

/* An initiation on its way through the batch. */
struct item {
	const struct sl_proto_msg *msg;
	struct sl_proto_peer *peer;
	struct sl_noise_interim interim;
	uint8_t timestamp[SL_TAI64N_LEN];
};

struct batch {
	struct sl_proto_if *ifp;
	uint64_t now;
	unsigned n;
	struct item items[SL_PROTO_BATCH];
};

static void
fail(const struct batch *b, const struct item *item, enum sl_failure cause, const uint8_t *key)
{
	sl_failure_note(b->ifp, item->peer, cause, &item->msg->src, key, b->now);
}

/* Keeps the items for which fn says so, in their order. */
static void
stage(struct batch *b, bool (*fn)(struct batch *b, struct item *item))
{
	unsigned kept = 0;

	for (unsigned i = 0; i < b->n; i++) {
		if (!fn(b, &b->items[i])) {
			sl_noise_interim_wipe(&b->items[i].interim);
			continue;
		}
		if (kept != i)
			b->items[kept] = b->items[i];
		kept++;
	}
	b->n = kept;
}

static bool
decrypt_static(struct batch *b, struct item *item)
{
	struct sl_msg_initiation msg;

	memcpy(&msg, item->msg->data, sizeof(msg));
	if (sl_noise_consume_initiation_static(&item->interim, &b->ifp->identity, &msg) == SL_NOISE_OK)
		return true;
	fail(b, item, SL_FAILURE_UNDECRYPTABLE, NULL);
	return false;
}

static bool
find_peer(struct batch *b, struct item *item)
{
	const uint8_t *key = item->interim.noise.rs;

	item->peer = sl_proto_peer_find(b->ifp, key);
	if (!item->peer) {
		fail(b, item, SL_FAILURE_UNKNOWN_KEY, key);
		return false;
	}
	sl_peer_sync_identity(item->peer, b->now);
	if (sl_peer_static_static(item->peer))
		return true;
	fail(b, item, SL_FAILURE_LOW_ORDER, NULL);
	return false;
}

static bool
open_timestamp(struct batch *b, struct item *item)
{
	if (sl_noise_consume_initiation_finish(&item->interim, item->peer->static_static, item->timestamp) == SL_NOISE_OK)
		return true;
	fail(b, item, SL_FAILURE_FORGED, NULL);
	return false;
}

/* Whether the initiation is newer than all before, and not too close to the last (19, 20). */
static bool
fresh(const struct batch *b, const struct item *item)
{
	struct sl_proto_peer *peer = item->peer;

	if (!sl_tai64n_after(item->timestamp, peer->latest_timestamp)) {
		bool same = memcmp(item->timestamp, peer->latest_timestamp, SL_TAI64N_LEN) == 0;

		fail(b, item, same ? SL_FAILURE_REPLAY : SL_FAILURE_CLOCK_BACK, NULL);
		return false;
	}
	if (peer->last_consumed != 0 && b->now - peer->last_consumed < SL_FLOOD_TIME_NS) {
		fail(b, item, SL_FAILURE_FLOOD, NULL);
		return false;
	}
	return true;
}

static void
send_response(struct batch *b, struct item *item, struct sl_proto_handshake *hs, uint32_t index)
{
	struct sl_proto_peer *peer = item->peer;
	struct sl_msg_response msg;
	uint8_t ephemeral[SL_KEY_LEN];
	enum sl_noise_result result;

	sl_rng_bytes(&b->ifp->core->rng, ephemeral, sizeof(ephemeral));
	result = sl_noise_create_response(&hs->noise, peer->psk, ephemeral, index, &msg);
	sl_wipe(ephemeral, sizeof(ephemeral));
	if (result != SL_NOISE_OK || !sl_sessions_begin(peer, hs, b->now)) {
		fail(b, item, SL_FAILURE_FORGED, NULL);
		return;
	}
	sl_timers_session_derived(peer, b->now);
	b->ifp->counters.responses_sent++;
	sl_handshake_send(peer, &msg, sizeof(msg), b->now);
	if (peer->unconfirmed < UINT8_MAX)
		peer->unconfirmed++;
	if (peer->unconfirmed >= UNCONFIRMED_TO_REPORT)
		fail(b, item, SL_FAILURE_UNCONFIRMED, NULL);
}

/* The peer's state is judged here, after those before it in the batch have changed it. */
static bool
answer(struct batch *b, struct item *item)
{
	struct sl_proto_peer *peer = item->peer;
	struct sl_proto_handshake *hs;
	uint32_t index;

	if (!fresh(b, item))
		return false;
	hs = sl_handshake_get(peer);
	if (!hs || !sl_handshake_reserve(peer, hs, &index)) {
		fail(b, item, SL_FAILURE_NO_INDEX, NULL);
		return false;
	}
	if (sl_noise_commit_initiation(&hs->noise, &item->interim) != SL_NOISE_OK)
		return false;
	memcpy(peer->latest_timestamp, item->timestamp, SL_TAI64N_LEN);
	peer->last_consumed = b->now;
	b->ifp->counters.initiations_received++;
	sl_peer_roam(peer, item->msg);
	sl_timers_handshake_received(peer, item->msg->len, b->now);
	send_response(b, item, hs, index);
	sl_timers_update(peer, b->now);
	return true;
}

static void
take_initiations(struct batch *b)
{
	stage(b, decrypt_static);
	stage(b, find_peer);
	stage(b, open_timestamp);
	stage(b, answer);
	sl_wipe(b->items, sizeof(b->items));
}

/* The peer whose own initiation carries this index, or NULL. */
static struct sl_proto_peer *
initiator_of(struct sl_proto_if *ifp, uint32_t index)
{
	struct sl_proto *core = ifp->core;
	uint32_t slot = sl_session_slot_of(core->sessions, index);
	struct sl_proto_peer *peer;

	if (slot == SL_SESSION_NONE)
		return NULL;
	peer = sl_proto_peer_at(core, sl_proto_session_at(core, slot)->peer);
	if (!peer || peer->ifp != ifp || peer->generation != ifp->generation || !peer->handshake ||
		peer->handshake->slot != slot || peer->handshake->noise.state != SL_NOISE_CREATED_INITIATION)
		return NULL;
	return peer;
}

static void
take_response(struct sl_proto_if *ifp, const struct sl_proto_msg *in, uint64_t now)
{
	struct sl_msg_response msg;
	struct sl_proto_peer *peer;
	enum sl_noise_result result;

	memcpy(&msg, in->data, sizeof(msg));
	peer = initiator_of(ifp, msg.receiver);
	if (!peer) {
		ifp->counters.unexpected++;
		return;
	}
	result = sl_noise_consume_response(&peer->handshake->noise, &ifp->identity, peer->psk, &msg);
	if (result != SL_NOISE_OK) {
		sl_failure_note(ifp, peer, result == SL_NOISE_BAD_AUTH ? SL_FAILURE_WRONG_PSK : SL_FAILURE_UNDECRYPTABLE,
			&in->src, NULL, now);
		return;
	}
	ifp->counters.responses_received++;
	sl_peer_roam(peer, in);
	sl_timers_handshake_received(peer, in->len, now);
	if (sl_sessions_begin(peer, peer->handshake, now)) {
		sl_timers_session_derived(peer, now);
		sl_timers_handshake_complete(peer);
		ifp->core->ops->drain(ifp->core->ctx, peer->slot);
	}
	sl_timers_update(peer, now);
}

/* The type of a message of the right size; 0: none that belongs here. */
static uint32_t
type_of(const struct sl_proto_msg *msg)
{
	uint32_t type = msg->len >= sizeof(type) ? sl_load_le32(msg->data) : 0;

	switch (type) {
	case SL_MSG_INITIATION:
		return msg->len == sizeof(struct sl_msg_initiation) ? type : 0;
	case SL_MSG_RESPONSE:
		return msg->len == sizeof(struct sl_msg_response) ? type : 0;
	case SL_MSG_COOKIE_REPLY:
		return msg->len == sizeof(struct sl_msg_cookie_reply) ? type : 0;
	default:
		return 0;
	}
}

static bool
admitted(struct sl_proto_if *ifp, const struct sl_proto_msg *msg, uint64_t now)
{
	if (!sl_load_is(&ifp->load, now))
		return true;
	switch (sl_cookie_admit(ifp, msg, now)) {
	case SL_ADMITTED:
		return true;
	case SL_ADMIT_COOKIE:
		sl_cookie_answer(ifp, msg, now);
		return false;
	case SL_ADMIT_LIMITED:
		sl_failure_note(ifp, NULL, SL_FAILURE_LIMITED, &msg->src, NULL, now);
		return false;
	}
	return false;
}

static void
take_one(struct batch *b, const struct sl_proto_msg *msg)
{
	uint32_t type = type_of(msg);

	if (type == 0) {
		b->ifp->counters.malformed++;
	} else if (type == SL_MSG_COOKIE_REPLY) {
		sl_cookie_consume(b->ifp, msg, b->now);
	} else if (admitted(b->ifp, msg, b->now)) {
		if (type == SL_MSG_INITIATION)
			b->items[b->n++].msg = msg;
		else
			take_response(b->ifp, msg, b->now);
	}
}

void
sl_proto_receive(struct sl_proto_if *ifp, const struct sl_proto_msg *msgs, unsigned n, uint64_t now)
{
	if (!sl_proto_if_usable(ifp))
		return;
	while (n > 0) {
		unsigned round = n < SL_PROTO_BATCH ? n : SL_PROTO_BATCH;
		struct batch b = {.ifp = ifp, .now = now};

		for (unsigned i = 0; i < round; i++)
			take_one(&b, &msgs[i]);
		take_initiations(&b);
		msgs += round;
		n -= round;
	}
}
