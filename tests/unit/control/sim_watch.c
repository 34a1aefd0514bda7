/*
 * Transitions, seen from outside: the state before a call and after it. Each
 * function says what one kind of call can have done.
 */
#include "sim.h"

#include "crypto/bytes.h"
#include "crypto/wipe.h"

#define FAR_BEHIND 2000 /* counters */

static const char *const texts[SIM_T_COUNT] = {
#define TEXT(id, text) [SIM_T_##id] = text,
	SIM_TRANSITIONS(TEXT)
#undef TEXT
};

const char *
sim_transition_text(enum sim_transition t)
{
	return texts[t];
}

/* The node's peer, or NULL where a test has removed it. */
static struct sl_proto_peer *
peer_of(const struct sim_node *node)
{
	struct sl_proto_peer *peer = node->ifp->first;

	while (peer && peer != node->peer)
		peer = peer->list_next;
	return peer;
}

void
sim_view(struct sim_node *node, struct sim_view *view)
{
	struct sl_proto_peer *peer = peer_of(node);
	struct sl_outer outer;
	struct sl_peer_totals totals;

	*view = (struct sim_view){.peer = peer, .counters = *sl_proto_if_counters(node->ifp), .staged = node->n_staged};
	if (!peer)
		return;
	for (unsigned i = 0; i < SL_SESSION_ROLES; i++)
		view->slots[i] = peer->sessions[i].slot;
	if (peer->handshake) {
		view->handshake = true;
		view->initiating = peer->handshake->noise.state == SL_NOISE_CREATED_INITIATION;
		view->sends = peer->handshake->sends;
		view->retransmit_at = peer->handshake->retransmit_at;
	}
	sl_peer_totals(&node->peers, peer->slot, &totals);
	view->sent = totals.sent;
	view->zero_at = peer->zero_at;
	view->sweep_at = peer->sweep_at;
	view->unanswered_floor = peer->unanswered.floor;
	view->owed_floor = peer->owed.floor;
	view->again_armed = peer->again_armed;
	view->persist_floor = peer->persist_floor;
	view->last_sent = peer->last_sent;
	view->watch = peer->watch;
	memcpy(view->latest_timestamp, peer->latest_timestamp, SL_TAI64N_LEN);
	memcpy(view->sent_timestamp, peer->sent_timestamp, SL_TAI64N_LEN);
	sl_peer_outer_read(peer->ifp->core->peers, peer->slot, &outer);
	sl_outer_remote(&outer, &view->endpoint);
	view->has_local = outer.local;
}

static bool
empty(uint32_t slot)
{
	return slot == SL_SESSION_NONE;
}

/* What a new session did to the three places. */
static void
saw_rotation(struct sim_node *node, const struct sim_view *was, const struct sim_view *is)
{
	struct sim *sim = node->sim;
	const uint32_t *a = was->slots, *b = is->slots;

	if (is->counters.responses_received > was->counters.responses_received) {
		if (!empty(a[SL_SESSION_NEXT]))
			sim_seen(sim, SIM_T_BEGAN_OVER_NEXT);
		else if (!empty(a[SL_SESSION_CURRENT]))
			sim_seen(sim, SIM_T_BEGAN_REKEY_INITIATOR);
		else
			sim_seen(sim, SIM_T_BEGAN_FIRST_INITIATOR);
	} else if (is->counters.responses_sent > was->counters.responses_sent) {
		sim_seen(sim, empty(a[SL_SESSION_CURRENT]) ? SIM_T_BEGAN_FIRST_RESPONDER : SIM_T_BEGAN_REKEY_RESPONDER);
		if (!empty(a[SL_SESSION_NEXT]))
			sim_seen(sim, SIM_T_NEXT_REPLACED);
		if (!empty(a[SL_SESSION_PREVIOUS]))
			sim_seen(sim, SIM_T_PREVIOUS_DROPPED);
	} else if (!empty(a[SL_SESSION_NEXT]) && b[SL_SESSION_CURRENT] == a[SL_SESSION_NEXT]) {
		sim_seen(sim, empty(a[SL_SESSION_CURRENT]) ? SIM_T_CONFIRMED_FIRST : SIM_T_CONFIRMED_REKEY);
	}
}

static const struct {
	enum sl_failure cause;
	enum sim_transition transition;
} failures[] = {
	{SL_FAILURE_REPLAY, SIM_T_TIMESTAMP_REPLAYED},
	{SL_FAILURE_CLOCK_BACK, SIM_T_TIMESTAMP_BACK},
	{SL_FAILURE_FLOOD, SIM_T_FLOOD},
	{SL_FAILURE_UNDECRYPTABLE, SIM_T_UNDECRYPTABLE},
	{SL_FAILURE_FORGED, SIM_T_FORGED},
	{SL_FAILURE_UNKNOWN_KEY, SIM_T_UNKNOWN_KEY},
	{SL_FAILURE_WRONG_PSK, SIM_T_WRONG_PSK},
	{SL_FAILURE_UNCONFIRMED, SIM_T_UNCONFIRMED},
	{SL_FAILURE_NO_ANSWER, SIM_T_NO_ANSWER},
	{SL_FAILURE_LIMITED, SIM_T_LIMITED},
};

/* What holds after every call, and what every call can have done. */
static void
saw_any(struct sim_node *node, const struct sim_view *was, struct sim_view *is)
{
	struct sim *sim = node->sim;

	sim_view(node, is);
	for (unsigned i = 0; i < sizeof(failures) / sizeof(*failures); i++)
		if (is->counters.failures[failures[i].cause] > was->counters.failures[failures[i].cause])
			sim_seen(sim, failures[i].transition);
	if (is->counters.initiations_sent > was->counters.initiations_sent)
		sim_seen(sim, SIM_T_INITIATION_SENT);
	if (is->counters.initiations_sent > was->counters.initiations_sent && was->last_sent != 0 &&
		sim->now - was->last_sent < SL_REKEY_TIMEOUT_NS && is->peer == was->peer)
		sim_violation(sim, "node %u: two initiations within 5 s", node->number);
	if (is->staged < was->staged)
		sim_seen(sim, empty(is->slots[SL_SESSION_CURRENT]) ? SIM_T_STAGED_PURGED : SIM_T_STAGED_SENT);
	if (was->has_local && !is->has_local)
		sim_seen(sim, SIM_T_SOURCE_FORGOTTEN);
	if (!is->peer || is->peer != was->peer)
		return;
	saw_rotation(node, was, is);
	/* A responder's new session ends previous, an initiator's takes next away (22). */
	if (!empty(is->slots[SL_SESSION_PREVIOUS]) && !empty(is->slots[SL_SESSION_NEXT]))
		sim_violation(sim, "node %u: previous and next at once", node->number);
	if (is->counters.initiations_sent > was->counters.initiations_sent &&
		memcmp(is->sent_timestamp, was->sent_timestamp, SL_TAI64N_LEN) <= 0)
		sim_violation(sim, "node %u: initiation that is no newer than the last", node->number);
	if (node->sessions.reserved > SL_SESSION_ROLES + 1)
		sim_violation(sim, "node %u: %u sessions", node->number, node->sessions.reserved);
	if (memcmp(is->latest_timestamp, was->latest_timestamp, SL_TAI64N_LEN) < 0)
		sim_violation(sim, "node %u: greatest timestamp went back", node->number);
}

void
sim_saw_message(struct sim_node *node, const struct sim_view *before, uint32_t type)
{
	const struct sl_proto_if_counters *was = &before->counters, *is;
	struct sim *sim = node->sim;
	struct sim_view after;

	saw_any(node, before, &after);
	is = &after.counters;
	if (is->initiations_received > was->initiations_received) {
		sim_seen(sim, SIM_T_INITIATION_ANSWERED);
		if (before->initiating)
			sim_seen(sim, SIM_T_INITIATION_CROSSED);
		if (memcmp(after.latest_timestamp, before->latest_timestamp, SL_TAI64N_LEN) <= 0)
			sim_violation(sim, "node %u: initiation accepted twice", node->number);
	}
	if (is->responses_received > was->responses_received) {
		sim_seen(sim, SIM_T_RESPONSE_TAKEN);
		if (after.retransmit_at != 0)
			sim_violation(sim, "node %u: tries go on after the response", node->number);
		if (after.sent != sim->now && node->jump_to == 0)
			sim_violation(sim, "node %u: nothing sent right after the response", node->number);
	}
	if (is->unexpected > was->unexpected)
		sim_seen(sim, type == SL_MSG_COOKIE_REPLY ? SIM_T_COOKIE_REFUSED : SIM_T_RESPONSE_SUPERSEDED);
	if (is->cookies_sent > was->cookies_sent)
		sim_seen(sim, SIM_T_COOKIE_SENT);
	else if (type != SL_MSG_COOKIE_REPLY && is->failures[SL_FAILURE_LIMITED] == was->failures[SL_FAILURE_LIMITED] &&
		sl_proto_if_under_load(node->ifp, sim->now))
		sim_seen(sim, SIM_T_COOKIE_ADMITTED);
	if (is->cookies_received > was->cookies_received)
		sim_seen(sim, SIM_T_COOKIE_TAKEN);
	if (type == SL_MSG_COOKIE_REPLY && !sl_endpoint_equal(&before->endpoint, &after.endpoint))
		sim_violation(sim, "node %u: roamed on a cookie reply", node->number);
	if (before->endpoint.ip.family != SL_AF_NONE && !sl_endpoint_equal(&before->endpoint, &after.endpoint))
		sim_seen(sim, SIM_T_ROAMED_HANDSHAKE);
}

void
sim_saw_facts(struct sim_node *node, const struct sim_view *before, uint32_t facts)
{
	const struct sl_session *current = before->peer ? sl_sessions_current(before->peer) : NULL;
	struct sim *sim = node->sim;
	struct sim_view after;
	bool sent;

	saw_any(node, before, &after);
	if (!before->peer)
		return;
	sent = after.counters.initiations_sent > before->counters.initiations_sent;
	if (before->watch != after.watch)
		sim_seen(sim, SIM_T_WATCHED);
	if (sent && facts & SL_FACT_REKEY_SEND && current) {
		bool many = sl_sender_counter(current->sender) > SL_REKEY_AFTER_MESSAGES;

		sim_seen(sim, many ? SIM_T_REKEY_SEND_COUNT : SIM_T_REKEY_SEND_TIME);
	}
	if (sent && facts & SL_FACT_REKEY_RECEIVE && !(facts & (SL_FACT_NEED_SESSION | SL_FACT_REKEY_SEND)))
		sim_seen(sim, SIM_T_REKEY_RECEIVE);
	if (!sent && facts & SL_FACT_NEED_SESSION && !sl_sessions_sendable(node->peer, sim->now) &&
		sl_proto_if_usable(node->ifp) && sim->now - node->peer->last_sent < SL_REKEY_TIMEOUT_NS)
		sim_seen(sim, SIM_T_SUPPRESSED);
}

/* The retransmission timer's three ends. */
static void
saw_retransmit(struct sim_node *node, const struct sim_view *was, const struct sim_view *is)
{
	struct sim *sim = node->sim;

	if (was->retransmit_at == 0 || was->retransmit_at > sim->now || !sl_proto_if_usable(node->ifp))
		return;
	if (was->sends >= SL_MAX_HANDSHAKES) {
		sim_seen(sim, SIM_T_GAVE_UP);
		if (is->staged != 0)
			sim_violation(sim, "node %u: packets staged after giving up", node->number);
		if (is->zero_at == 0)
			sim_violation(sim, "node %u: no zeroing after giving up", node->number);
	} else if (is->counters.initiations_sent > was->counters.initiations_sent) {
		sim_seen(sim, SIM_T_RETRANSMITTED);
	} else {
		sim_seen(sim, SIM_T_RETRANSMIT_POSTPONED);
	}
	if (was->sends < SL_MAX_HANDSHAKES && is->retransmit_at == 0)
		sim_violation(sim, "node %u: tries ended before the last", node->number);
}

static void
saw_zero(struct sim_node *node, const struct sim_view *was, const struct sim_view *is)
{
	if (was->zero_at == 0 || was->zero_at > node->sim->now)
		return;
	sim_seen(node->sim, is->handshake ? SIM_T_ZEROED_DURING_TRIES : SIM_T_ZEROED);
	if (!empty(is->slots[0]) || !empty(is->slots[1]) || !empty(is->slots[2]))
		sim_violation(node->sim, "node %u: sessions left after zeroing", node->number);
}

void
sim_saw_timer(struct sim_node *node, const struct sim_view *before)
{
	struct sim *sim = node->sim;
	struct sim_view after;
	bool gave_up = before->retransmit_at != 0 && before->retransmit_at <= sim->now && before->sends >= SL_MAX_HANDSHAKES;

	saw_any(node, before, &after);
	saw_retransmit(node, before, &after);
	saw_zero(node, before, &after);
	if (after.unanswered_floor != before->unanswered_floor)
		sim_seen(sim, SIM_T_NEW_HANDSHAKE);
	if (after.owed_floor != before->owed_floor && !gave_up) {
		sim_seen(sim, before->again_armed ? SIM_T_SECOND_PASSIVE : SIM_T_PASSIVE_KEEPALIVE);
		if (after.again_armed)
			sim_seen(sim, SIM_T_PASSIVE_AGAIN);
		if (before->again_armed == 0 && before->sent > 0 && sim->now - before->sent < SL_KEEPALIVE_TIMEOUT_NS)
			sim_violation(sim, "node %u: passive keepalive although something was sent", node->number);
	}
	if (after.persist_floor != before->persist_floor) {
		bool initiated = after.counters.initiations_sent > before->counters.initiations_sent;

		sim_seen(sim, initiated ? SIM_T_PERSISTENT_INITIATED : SIM_T_PERSISTENT_KEEPALIVE);
	}
	if (before->sweep_at != 0 && after.sweep_at == 0)
		sim_seen(sim, SIM_T_UNWATCHED);
}

void
sim_saw_sent(struct sim_node *node, const void *msg, size_t len)
{
	const struct sl_cookie_jar *jar;
	struct sim *sim = node->sim;
	bool mac2;

	if (sl_load_le32(msg) == SL_MSG_COOKIE_REPLY || !peer_of(node) || !node->peer->handshake)
		return;
	jar = &node->peer->handshake->jar;
	mac2 = !sl_is_zero((const uint8_t *)msg + len - SL_MAC_LEN, SL_MAC_LEN);
	if (mac2)
		sim_seen(sim, SIM_T_COOKIE_USED);
	else if (jar->born_ns != 0)
		sim_seen(sim, SIM_T_COOKIE_EXPIRED);
	if (mac2 && sim->now - jar->born_ns >= SL_COOKIE_USE_TIME_NS)
		sim_violation(sim, "node %u: cookie used after its time", node->number);
}

void
sim_saw_data(struct sim_node *node, const struct sl_session *s, uint64_t counter)
{
	static const enum sim_transition on[SL_SESSION_ROLES] = {
		[SL_SESSION_PREVIOUS] = SIM_T_RECEIVED_PREVIOUS,
		[SL_SESSION_CURRENT] = SIM_T_RECEIVED_CURRENT,
		[SL_SESSION_NEXT] = SIM_T_RECEIVED_NEXT,
	};
	uint32_t slot = (uint32_t)(s - node->sessions.slots);
	bool found = false;

	if (!peer_of(node))
		return;
	for (unsigned i = 0; i < SL_SESSION_ROLES; i++) {
		if (node->peer->sessions[i].slot != slot)
			continue;
		found = true;
		sim_seen(node->sim, on[i]);
	}
	if (!found)
		sim_violation(node->sim, "node %u: data on a session that has no place", node->number);
	if (counter == 0)
		sim_seen(node->sim, SIM_T_COUNTER_ZERO);
	if (s->replay.greatest > counter && s->replay.greatest - counter >= FAR_BEHIND)
		sim_seen(node->sim, SIM_T_BEHIND);
}
