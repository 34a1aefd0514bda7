/*
 * Handshake messages that came in (protocol.md 16, 19–22, 35, 41). Initiations
 * of one batch go through each stage together: admitted, their senders' static
 * keys decrypted, peers found, timestamps opened, accepted, answered. Each
 * stage is a loop over independent items, or their arithmetic side by side.
 * Responses go before the initiations, together as well.
 */
#include "control/proto/internal.h"
#include "crypto/bytes.h"
#include "crypto/noise_batch.h"
#include "crypto/tai64n.h"
#include "crypto/wipe.h"
#include "crypto/x25519_batch.h"

#define UNCONFIRMED_TO_REPORT 3 /* responses in a row that came to nothing */

/*
 * Messages of one step of control's loop, where a valid initiation takes some 130 µs, X25519 being done one by one; and
 * with lanes for each of them: 33 µs with eight, 50 with four.
 */
#define BUDGET_WITHOUT_LANES 6
#define BUDGET_PER_LANE      4

static_assert(SL_PROTO_BATCH <= SL_NOISE_BATCH, "a batch goes through each step of the handshake in one call");

/* An initiation on its way through the batch. */
struct item {
	const struct sl_proto_msg *msg;
	struct sl_proto_peer *peer;
	uint32_t generation; /* of the identity it is made for */
	uint8_t ss[SL_KEY_LEN]; /* the static-static secret with that identity */
	struct sl_noise_interim interim;
	uint8_t timestamp[SL_TAI64N_LEN];
	enum sl_noise_result result; /* of the last step */
	/* once it is accepted */
	struct sl_proto_handshake *hs;
	uint32_t index;
	uint8_t ephemeral[SL_KEY_LEN];
	struct sl_msg_response response;
};

struct batch {
	struct sl_proto_if *ifp;
	uint64_t now;
	unsigned n;
	struct item items[SL_PROTO_BATCH];
	unsigned n_responses;
	const struct sl_proto_msg *responses[SL_PROTO_BATCH];
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

/* The initiations made for one identity. */
static void
decrypt_statics_for(struct batch *b, uint32_t generation)
{
	struct sl_noise_received jobs[SL_PROTO_BATCH];
	struct item *items[SL_PROTO_BATCH];
	unsigned n = 0;

	for (unsigned i = 0; i < b->n; i++) {
		if (b->items[i].generation != generation)
			continue;
		jobs[n] = (struct sl_noise_received){
			.interim = &b->items[i].interim,
			.msg = (const void *)b->items[i].msg->data,
		};
		items[n++] = &b->items[i];
	}
	sl_noise_consume_initiations_static(b->ifp->core->simd, sl_identity_of(b->ifp, generation), jobs, n);
	for (unsigned i = 0; i < n; i++)
		items[i]->result = jobs[i].result;
}

static void
decrypt_statics(struct batch *b)
{
	decrypt_statics_for(b, b->ifp->generation);
	if (b->ifp->previous_generation)
		decrypt_statics_for(b, b->ifp->previous_generation);
}

static bool
decrypted(struct batch *b, struct item *item)
{
	if (item->result == SL_NOISE_OK)
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
	return true;
}

/*
 * That with the identity a peer is on is kept with the peer. One that tries the other may be anybody, so until it has
 * proven itself its secret is the item's alone.
 */
static void
compute_static_statics(struct batch *b)
{
	struct sl_x25519_job jobs[SL_PROTO_BATCH];
	struct sl_proto_peer *peers[SL_PROTO_BATCH];
	unsigned n = 0, others = 0;

	for (unsigned i = 0; i < b->n; i++) {
		struct item *item = &b->items[i];

		if (item->generation == item->peer->generation)
			peers[n++] = item->peer;
		else
			jobs[others++] = (struct sl_x25519_job){
				.private_key = sl_identity_of(b->ifp, item->generation)->private_key,
				.public_key = item->peer->public_key,
				.out = item->ss,
			};
	}
	sl_peers_static_static(b->ifp->core, peers, n);
	sl_x25519_batch(b->ifp->core->simd, jobs, others);
}

static bool
has_static_static(struct batch *b, struct item *item)
{
	if (item->generation == item->peer->generation && sl_peer_static_static(item->peer))
		memcpy(item->ss, item->peer->static_static, sizeof(item->ss));
	if (!sl_is_zero(item->ss, sizeof(item->ss)))
		return true;
	fail(b, item, SL_FAILURE_LOW_ORDER, NULL);
	return false;
}

static void
open_timestamps(struct batch *b)
{
	struct sl_noise_received jobs[SL_PROTO_BATCH];

	for (unsigned i = 0; i < b->n; i++)
		jobs[i] = (struct sl_noise_received){
			.interim = &b->items[i].interim,
			.ss = b->items[i].ss,
			.timestamp = b->items[i].timestamp,
		};
	sl_noise_consume_initiations_finish(b->ifp->core->simd, jobs, b->n);
	for (unsigned i = 0; i < b->n; i++)
		b->items[i].result = jobs[i].result;
}

static bool
authentic(struct batch *b, struct item *item)
{
	if (item->result == SL_NOISE_OK)
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

/* The peer knows us by the identity that it has just used. */
static void
move_identity(struct sl_proto_peer *peer, const struct item *item)
{
	if (peer->generation == item->generation)
		return;
	sl_peer_leave_identity(peer);
	sl_peer_enter_identity(peer, item->generation);
	memcpy(peer->static_static, item->ss, sizeof(peer->static_static));
	peer->static_generation = item->generation;
}

/*
 * The peer's state is judged here, after those before it in the batch have changed it: of two initiations of one peer the
 * later is never accepted with the earlier, for it comes at the same time. So a peer is answered once in a batch.
 */
static bool
accept_initiation(struct batch *b, struct item *item)
{
	struct sl_proto_peer *peer = item->peer;

	if (!fresh(b, item))
		return false;
	item->hs = sl_handshake_get(peer);
	if (!item->hs || !sl_handshake_reserve(peer, item->hs, &item->index)) {
		fail(b, item, SL_FAILURE_NO_INDEX, NULL);
		return false;
	}
	if (sl_noise_commit_initiation(&item->hs->noise, &item->interim) != SL_NOISE_OK)
		return false;
	move_identity(peer, item);
	memcpy(peer->latest_timestamp, item->timestamp, SL_TAI64N_LEN);
	peer->last_consumed = b->now;
	b->ifp->counters.initiations_received++;
	sl_peer_roam(peer, item->msg);
	sl_timers_handshake_received(peer, item->msg->len, b->now);
	sl_rng_bytes(&b->ifp->core->rng, item->ephemeral, sizeof(item->ephemeral));
	return true;
}

static void
create_responses(struct batch *b)
{
	struct sl_noise_response jobs[SL_PROTO_BATCH];

	for (unsigned i = 0; i < b->n; i++) {
		struct item *item = &b->items[i];

		jobs[i] = (struct sl_noise_response){
			.hs = &item->hs->noise,
			.psk = item->peer->psk,
			.ephemeral_private = item->ephemeral,
			.local_index = item->index,
			.msg = &item->response,
		};
	}
	sl_noise_create_responses(b->ifp->core->simd, jobs, b->n);
	for (unsigned i = 0; i < b->n; i++)
		b->items[i].result = jobs[i].result;
}

static void
send_response(struct batch *b, struct item *item)
{
	struct sl_proto_peer *peer = item->peer;

	if (item->result != SL_NOISE_OK || !sl_sessions_begin(peer, item->hs, b->now)) {
		fail(b, item, SL_FAILURE_FORGED, NULL);
		return;
	}
	sl_timers_session_derived(peer, b->now);
	b->ifp->counters.responses_sent++;
	sl_handshake_send(peer, &item->response, sizeof(item->response), b->now);
	if (peer->unconfirmed < UINT8_MAX)
		peer->unconfirmed++;
	if (peer->unconfirmed >= UNCONFIRMED_TO_REPORT)
		fail(b, item, SL_FAILURE_UNCONFIRMED, NULL);
}

static void
take_initiations(struct batch *b)
{
	unsigned all = b->n;

	if (all == 0)
		return;
	decrypt_statics(b);
	stage(b, decrypted);
	stage(b, find_peer);
	compute_static_statics(b);
	stage(b, has_static_static);
	open_timestamps(b);
	stage(b, authentic);
	stage(b, accept_initiation);
	create_responses(b);
	for (unsigned i = 0; i < b->n; i++) {
		send_response(b, &b->items[i]);
		sl_timers_update(b->items[i].peer, b->now);
	}
	sl_wipe(b->items, all * sizeof(b->items[0]));
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
	if (!peer || peer->ifp != ifp || !peer->handshake || !sl_identity_of(ifp, peer->handshake->generation) ||
		peer->handshake->slot != slot || peer->handshake->noise.state != SL_NOISE_CREATED_INITIATION)
		return NULL;
	return peer;
}

/* Responses that are tried side by side, each for a handshake of its own. */
struct answers {
	unsigned n;
	struct sl_proto_peer *peers[SL_PROTO_BATCH];
	const struct sl_proto_msg *msgs[SL_PROTO_BATCH];
	struct sl_noise_answer jobs[SL_PROTO_BATCH];
};

static bool
has_answer_for(const struct answers *a, const struct sl_proto_peer *peer)
{
	for (unsigned i = 0; i < a->n; i++)
		if (a->peers[i] == peer)
			return true;
	return false;
}

/* Those from place `first` on, up to one whose handshake is tried already: that has to see what becomes of it. */
static unsigned
find_initiators(struct batch *b, unsigned first, struct answers *a)
{
	unsigned i;

	a->n = 0;
	for (i = first; i < b->n_responses; i++) {
		struct sl_msg_response msg;
		struct sl_proto_peer *peer;

		memcpy(&msg, b->responses[i]->data, sizeof(msg));
		peer = initiator_of(b->ifp, msg.receiver);
		if (!peer) {
			b->ifp->counters.unexpected++;
			continue;
		}
		if (has_answer_for(a, peer))
			break;
		a->peers[a->n] = peer;
		a->msgs[a->n] = b->responses[i];
		a->jobs[a->n++] = (struct sl_noise_answer){
			.hs = &peer->handshake->noise,
			.psk = peer->psk,
			.msg = (const void *)b->responses[i]->data,
		};
	}
	return i;
}

static void
take_response(struct batch *b, struct sl_proto_peer *peer, const struct sl_proto_msg *in, enum sl_noise_result result)
{
	struct sl_proto_if *ifp = b->ifp;
	uint64_t now = b->now;

	if (result != SL_NOISE_OK) {
		sl_failure_note(ifp, peer, result == SL_NOISE_BAD_AUTH ? SL_FAILURE_WRONG_PSK : SL_FAILURE_UNDECRYPTABLE,
			&in->src, NULL, now);
		return;
	}
	if (peer->handshake->generation != peer->generation) {
		sl_peer_leave_identity(peer);
		sl_peer_enter_identity(peer, peer->handshake->generation);
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

/* Those of the answers that are for initiations made with one identity. */
static void
consume_answers_for(struct batch *b, struct answers *a, uint32_t generation)
{
	struct sl_noise_answer jobs[SL_PROTO_BATCH];
	unsigned places[SL_PROTO_BATCH];
	unsigned n = 0;

	for (unsigned i = 0; i < a->n; i++) {
		if (a->peers[i]->handshake->generation != generation)
			continue;
		places[n] = i;
		jobs[n++] = a->jobs[i];
	}
	sl_noise_consume_responses(b->ifp->core->simd, sl_identity_of(b->ifp, generation), jobs, n);
	for (unsigned i = 0; i < n; i++)
		a->jobs[places[i]] = jobs[i];
}

static void
take_responses(struct batch *b)
{
	struct answers a;

	for (unsigned next = 0; next < b->n_responses;) {
		next = find_initiators(b, next, &a);
		consume_answers_for(b, &a, b->ifp->generation);
		if (b->ifp->previous_generation)
			consume_answers_for(b, &a, b->ifp->previous_generation);
		for (unsigned i = 0; i < a.n; i++)
			take_response(b, a.peers[i], a.msgs[i], a.jobs[i].result);
	}
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
admitted(struct sl_proto_if *ifp, uint32_t generation, const struct sl_proto_msg *msg, uint64_t now)
{
	if (!sl_load_is(&ifp->load, now))
		return true;
	switch (sl_cookie_admit(ifp, msg, now)) {
	case SL_ADMITTED:
		return true;
	case SL_ADMIT_COOKIE:
		sl_cookie_answer(ifp, sl_identity_of(ifp, generation), msg, now);
		return false;
	case SL_ADMIT_LIMITED:
		sl_failure_note(ifp, NULL, SL_FAILURE_LIMITED, &msg->src, NULL, now);
		return false;
	}
	return false;
}

/* What can be done without arithmetic. The type of a message that needs it, and for which identity it is; 0: it is done. */
static uint32_t
sift(struct sl_proto_if *ifp, const struct sl_proto_msg *msg, uint64_t now, uint32_t *generation)
{
	uint32_t type = type_of(msg);

	if (type == 0) {
		ifp->counters.malformed++;
		return 0;
	}
	if (type == SL_MSG_COOKIE_REPLY) {
		sl_cookie_consume(ifp, msg, now);
		return 0;
	}
	*generation = sl_identity_addressed(ifp, msg);
	return admitted(ifp, *generation, msg, now) ? type : 0;
}

static void
enter(struct batch *b, const struct sl_proto_msg *msg, uint32_t type, uint32_t generation)
{
	if (type == SL_MSG_INITIATION)
		b->items[b->n++] = (struct item){.msg = msg, .generation = generation};
	else
		b->responses[b->n_responses++] = msg;
}

static void
begin_batch(struct batch *b, struct sl_proto_if *ifp, uint64_t now)
{
	b->ifp = ifp;
	b->now = now;
	b->n = b->n_responses = 0;
}

void
sl_proto_receive(struct sl_proto_if *ifp, const struct sl_proto_msg *msgs, unsigned n, uint64_t now)
{
	if (!sl_proto_if_usable(ifp))
		return;
	while (n > 0) {
		unsigned round = n < SL_PROTO_BATCH ? n : SL_PROTO_BATCH;
		uint32_t type, generation;
		struct batch b;

		begin_batch(&b, ifp, now);
		for (unsigned i = 0; i < round; i++) {
			type = sift(ifp, &msgs[i], now, &generation);
			if (type)
				enter(&b, &msgs[i], type, generation);
		}
		take_responses(&b);
		take_initiations(&b);
		msgs += round;
		n -= round;
	}
}

void
sl_proto_admit(struct sl_proto_if *ifp, const struct sl_proto_msg *msgs, unsigned n, uint64_t now)
{
	if (!sl_proto_if_usable(ifp))
		return;
	for (unsigned i = 0; i < n; i++) {
		uint32_t generation;

		if (sift(ifp, &msgs[i], now, &generation))
			sl_backlog_put(&ifp->backlog, &msgs[i], generation, now);
	}
	ifp->counters.overdue = ifp->backlog.dropped;
}

bool
sl_proto_work(struct sl_proto_if *ifp, unsigned n, uint64_t now)
{
	struct sl_backlog_entry entries[SL_PROTO_BATCH];
	struct sl_proto_msg msgs[SL_PROTO_BATCH];
	struct batch b;
	bool any;

	if (!sl_proto_if_usable(ifp)) {
		sl_backlog_clear(&ifp->backlog);
		return false;
	}
	begin_batch(&b, ifp, now);
	n = sl_backlog_take(&ifp->backlog, entries, n < SL_PROTO_BATCH ? n : SL_PROTO_BATCH, now, &any);
	for (unsigned i = 0; i < n; i++) {
		const struct sl_backlog_entry *e = &entries[i];

		msgs[i] = (struct sl_proto_msg){.data = e->data, .len = e->len, .src = e->src, .dst_local = e->dst_local};
		/* the identity may have gone while the message waited */
		if (sl_identity_of(ifp, e->generation))
			enter(&b, &msgs[i], type_of(&msgs[i]), e->generation);
	}
	take_responses(&b);
	take_initiations(&b);
	ifp->counters.overdue = ifp->backlog.dropped;
	return any;
}

unsigned
sl_proto_receive_budget(const struct sl_proto *core)
{
	unsigned lanes = sl_x25519_lanes(core->simd), budget = BUDGET_PER_LANE * lanes;

	if (lanes == 1)
		return BUDGET_WITHOUT_LANES;
	return budget < SL_PROTO_BATCH ? budget : SL_PROTO_BATCH;
}
