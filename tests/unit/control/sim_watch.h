/*
 * What the simulation sees happen in a protocol core: every transition that
 * matters, counted from outside by comparing the core's state before and after
 * each call into it. Product code knows nothing of it. One thread.
 */
#pragma once

#include "control/proto/internal.h"

/* X(identifier, what happened) */
#define SIM_TRANSITIONS(X) \
	X(INITIATION_SENT, "initiation sent") \
	X(INITIATION_ANSWERED, "initiation answered") \
	X(INITIATION_CROSSED, "initiation answered while our own was under way") \
	X(RESPONSE_TAKEN, "response taken") \
	X(RESPONSE_SUPERSEDED, "response to an initiation that is no longer ours") \
	X(BEGAN_FIRST_INITIATOR, "first session as initiator") \
	X(BEGAN_REKEY_INITIATOR, "initiator: current became previous") \
	X(BEGAN_OVER_NEXT, "initiator: next became previous") \
	X(BEGAN_FIRST_RESPONDER, "responder: next, without a current one") \
	X(BEGAN_REKEY_RESPONDER, "responder: next beside the current one") \
	X(NEXT_REPLACED, "responder: next replaced by another") \
	X(PREVIOUS_DROPPED, "responder: previous dropped for next") \
	X(CONFIRMED_FIRST, "next confirmed, became the first current one") \
	X(CONFIRMED_REKEY, "next confirmed, current became previous") \
	X(RECEIVED_PREVIOUS, "data on previous") \
	X(RECEIVED_CURRENT, "data on current") \
	X(RECEIVED_NEXT, "data on next") \
	X(RETRANSMITTED, "timer: initiation retransmitted") \
	X(RETRANSMIT_POSTPONED, "timer: retransmission put off by the 5 s rule") \
	X(GAVE_UP, "timer: gave up") \
	X(NEW_HANDSHAKE, "timer: new handshake for unanswered data") \
	X(PASSIVE_KEEPALIVE, "timer: passive keepalive") \
	X(PASSIVE_AGAIN, "timer: passive keepalive armed once more") \
	X(SECOND_PASSIVE, "timer: second passive keepalive") \
	X(PERSISTENT_KEEPALIVE, "timer: persistent keepalive") \
	X(PERSISTENT_INITIATED, "timer: persistent keepalive without a session") \
	X(ZEROED, "timer: key material zeroed") \
	X(ZEROED_DURING_TRIES, "timer: zeroed while tries go on") \
	X(WATCHED, "traffic at a peer that was not watched") \
	X(UNWATCHED, "peer no longer watched") \
	X(REKEY_SEND_TIME, "rekey on send by age") \
	X(REKEY_SEND_COUNT, "rekey on send by count") \
	X(REKEY_RECEIVE, "rekey on receive") \
	X(SUPPRESSED, "request suppressed by the 5 s rule") \
	X(NO_SEND_OLD, "not sent: session too old") \
	X(NO_SEND_COUNTER, "not sent: counter at the limit") \
	X(NO_SEND_OLD_KEY, "not sent: session of an old private key") \
	X(REFUSED_UNKNOWN, "refused: no such session") \
	X(REFUSED_OLD, "refused: session too old") \
	X(REFUSED_COUNTER, "refused: counter beyond the limit") \
	X(REFUSED_TAG, "refused: tag wrong") \
	X(REFUSED_REPLAY, "refused: counter seen") \
	X(REFUSED_WINDOW, "refused: counter behind the window") \
	X(BEHIND, "taken: counter 2000 and more behind the greatest") \
	X(COUNTER_ZERO, "taken: counter 0") \
	X(MAC1_WRONG, "refused: mac1 wrong") \
	X(TIMESTAMP_REPLAYED, "initiation refused: timestamp seen") \
	X(TIMESTAMP_BACK, "initiation refused: timestamp older") \
	X(FLOOD, "initiation refused: 20 ms") \
	X(UNDECRYPTABLE, "initiation or response refused: does not decrypt") \
	X(FORGED, "initiation refused: timestamp does not decrypt") \
	X(UNKNOWN_KEY, "initiation refused: unknown key") \
	X(WRONG_PSK, "response refused: psk") \
	X(UNCONFIRMED, "responses that nobody takes up") \
	X(NO_ANSWER, "no answer, reported") \
	X(COOKIE_SENT, "cookie sent") \
	X(COOKIE_TAKEN, "cookie taken") \
	X(COOKIE_REFUSED, "cookie refused") \
	X(COOKIE_USED, "message with a cookie sent") \
	X(COOKIE_EXPIRED, "cookie too old to be used") \
	X(COOKIE_ADMITTED, "message with its cookie admitted under load") \
	X(LIMITED, "refused by the limiter") \
	X(STAGED, "packet staged") \
	X(STAGED_OVERFLOW, "staged packets over the cap: oldest dropped") \
	X(STAGED_SENT, "staged packets sent on a new session") \
	X(STAGED_PURGED, "staged packets purged") \
	X(ROAMED_HANDSHAKE, "endpoint moved by a handshake message") \
	X(ROAMED_DATA, "endpoint moved by data") \
	X(SOURCE_FORGOTTEN, "local address forgotten") \
	X(RESTARTED, "restart") \
	X(KEY_CHANGED, "private key changed") \
	X(KEY_GONE, "private key taken away") \
	X(PEER_REPLACED, "peer removed and added") \
	X(PSK_CHANGED, "psk changed") \
	X(WENT_DOWN, "interface down") \
	X(CAME_UP, "interface up") \
	X(CLOCK_BACK, "wall clock stepped back") \
	X(CLOCK_FORWARD, "wall clock stepped forward") \
	X(IDLE_120, "quiet for more than 120 s, then traffic") \
	X(IDLE_165, "quiet for more than 165 s, then traffic") \
	X(IDLE_180, "quiet for more than 180 s, then traffic") \
	X(IDLE_540, "quiet for more than 540 s, then traffic") \
	X(COUNTER_JUMPED_60, "counter taken near 2^60") \
	X(COUNTER_JUMPED_LIMIT, "counter taken near the limit") \
	X(SENT_OWN, "sent by a session whose peer's places were taken") \
	X(SEALED_LATE, "sealed by a session that was not current any more") \
	X(DAMAGED, "message damaged on its way") \
	X(STALLED, "link held everything back")

enum sim_transition {
#define SIM_TRANSITION_ENUM(id, text) SIM_T_##id,
	SIM_TRANSITIONS(SIM_TRANSITION_ENUM)
#undef SIM_TRANSITION_ENUM
	SIM_T_COUNT
};

struct sim_node;

/* A node's state as it was before a call. */
struct sim_view {
	struct sl_proto_peer *peer;
	uint32_t slots[SL_SESSION_ROLES];
	bool handshake, initiating, confirmed, has_local;
	uint32_t sends;
	uint64_t retransmit_at, zero_at, sweep_at, sent;
	uint64_t unanswered_floor, owed_floor, again_armed, persist_floor, last_sent, stamp_floor;
	uint8_t watch;
	uint8_t latest_timestamp[SL_TAI64N_LEN], sent_timestamp[SL_TAI64N_LEN];
	unsigned staged;
	struct sl_endpoint endpoint;
	struct sl_proto_if_counters counters;
};

const char *sim_transition_text(enum sim_transition t);
void sim_view(struct sim_node *node, struct sim_view *view);
/* After a handshake message of that type, facts, or a timer of the peer. */
void sim_saw_message(struct sim_node *node, const struct sim_view *before, uint32_t type);
void sim_saw_facts(struct sim_node *node, const struct sim_view *before, uint32_t facts);
void sim_saw_timer(struct sim_node *node, const struct sim_view *before);
/* Before a handshake message of the node leaves. */
void sim_saw_sent(struct sim_node *node, const void *msg, size_t len);
/* Before authentic data is taken on a session. */
void sim_saw_data(struct sim_node *node, const struct sl_session *s, uint64_t counter);
