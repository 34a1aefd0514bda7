/*
 * Why handshakes fail, by cause: counted per peer and per interface, and told
 * to people in one line each with the likely reason, limited in rate per peer
 * and in all. Control thread alone; counts lie in their owners.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/protocol.h"

/* X(identifier, stable name, what happened, what is likely or to be done) */
#define SL_FAILURES(X) \
	X(NO_ANSWER, "no-answer", "no answer", \
		"endpoint wrong, peer down, a firewall between, or the peer does not know our public key") \
	X(WRONG_PSK, "wrong-psk", "the response does not decrypt", "the preshared keys of the two sides differ") \
	X(UNCONFIRMED, "unconfirmed", "our responses are not taken up", \
		"the preshared keys of the two sides differ, or our packets do not reach the peer") \
	X(CLOCK_BACK, "clock-gone-back", "initiation older than one before", \
		"the peer's clock has gone back, or an old initiation was sent again") \
	X(REPLAY, "replayed-initiation", "initiation seen before", "doubled on its way, or sent again by someone else") \
	X(FLOOD, "too-many-initiations", "initiations too close together", "the peer, or someone with its key, hurries") \
	X(FORGED, "forged-initiation", "initiation that its claimed sender did not make", \
		"damaged on its way, or someone pretends to be the peer") \
	X(LOW_ORDER, "low-order-key", "the peer's public key is of low order", "no handshake is possible, correct the key") \
	X(NO_ENDPOINT, "no-endpoint", "no endpoint is known", "set one, or wait for the peer to begin") \
	X(NO_INDEX, "no-index", "all sessions are in use", "raise the number of peers the gateway is made for") \
	X(UNKNOWN_KEY, "unknown-key", "unknown public key", "no peer of this interface has it") \
	X(UNDECRYPTABLE, "undecryptable", "initiation or response that does not decrypt", "damaged on its way, or forged") \
	X(LIMITED, "limited", "too many initiations from one source under load", "a flood, or many peers behind one address")

enum sl_failure {
#define SL_FAILURE_ENUM(id, name, text, hint) SL_FAILURE_##id,
	SL_FAILURES(SL_FAILURE_ENUM)
#undef SL_FAILURE_ENUM
	SL_FAILURE_COUNT
};

/* Static storage. */
const char *sl_failure_name(enum sl_failure cause);
const char *sl_failure_text(enum sl_failure cause);
const char *sl_failure_hint(enum sl_failure cause);

/* A peer's; all zero at the start. */
struct sl_failure_counts {
	uint16_t count[SL_FAILURE_COUNT]; /* stay at UINT16_MAX; the interface's counters are wide */
	uint8_t last_cause;               /* enum sl_failure, where `last` is not 0 */
	uint8_t logged_cause;             /* that of the last line */
	uint64_t last;                    /* ns, boot clock; 0: none yet */
	uint64_t logged;                  /* ns: the last line; 0: none yet */
};

struct sl_proto_if;
struct sl_proto_peer;

#define SL_FAILURE_LINE_LEN 320

struct sl_failure_report {
	struct sl_proto_if *ifp;
	struct sl_proto_peer *peer; /* NULL where it is not known: UNKNOWN_KEY, UNDECRYPTABLE, LIMITED */
	enum sl_failure cause;
	uint64_t suppressed;        /* lines left out before this one because there were too many in all */
	const char *line;           /* "peer frankfurt: handshake failed: no answer; endpoint wrong, …" */
};

/* At most this many lines: per peer one a minute, one in ten seconds when the cause changes; in all a bucket. */
#define SL_FAILURE_PEER_TIME_NS   (60 * SL_NSEC_PER_SEC)
#define SL_FAILURE_CHANGE_TIME_NS (10 * SL_NSEC_PER_SEC)
#define SL_FAILURE_PER_SECOND     5
#define SL_FAILURE_BURST          20

/* The bucket of a core. */
struct sl_failure_limit {
	uint64_t tokens; /* ns worth of time */
	uint64_t at;     /* ns */
	uint64_t suppressed;
};

/* Whether one more line may go out at now; counts it as suppressed otherwise. */
bool sl_failure_limit_take(struct sl_failure_limit *limit, uint64_t now);
