/*
 * A responder's protocol core with many peers, and the initiations that they send, for bench/handshake.c. Everything is
 * in memory; what the core sends is counted and the last of it kept. One thread; the set owns all.
 */
#pragma once

#include "bench/core.h"

struct handshake_peer;

struct handshake_set {
	struct bench_core core;
	uint64_t now;
	uint32_t n;
	struct handshake_peer *initiators;
	struct sl_proto_msg *msgs; /* one initiation of each peer */
	uint64_t responses;        /* sent by the core so far */
	uint16_t last_to;          /* place of the peer that the last went to */
	struct sl_msg_response last;
};

/* n peers, up to 65535; simd: of the core. NULL after a message on stderr. After sl_crypto_init. */
struct handshake_set *handshake_set_create(uint32_t n, enum sl_simd simd);
void handshake_set_destroy(struct handshake_set *s);

/* A second later: each peer's next initiation lies in msgs. */
void handshake_set_prepare(struct handshake_set *s);
/* Whether every initiation of this turn was answered, the last answer rightly. Frees what the turn before has left. */
bool handshake_set_check(struct handshake_set *s);
