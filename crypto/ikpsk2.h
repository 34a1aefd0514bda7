/*
 * The handshake pattern Noise_IKpsk2 with 25519, ChaChaPoly and BLAKE2s (Noise specification rev 34), for any prologue
 * and payload:
 *
 *   <- s
 *   ...
 *   -> e, es, s, ss
 *   <- e, ee, se, psk
 *
 * WireGuard's messages are crypto/noise.h on top of this; tests run the public vectors on it. Pure functions of their
 * arguments: no time, no randomness, no globals. A function that fails wipes the state it was given, so callers work on
 * a copy and keep it only on success. Called by the control core; all memory is the caller's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crypto/attrs.h"
#include "crypto/protocol.h"

/* Outcomes by cause. */
enum sl_noise_result {
	SL_NOISE_OK = 0,
	SL_NOISE_BAD_STATE, /* the call does not fit what happened before */
	SL_NOISE_BAD_KEY,   /* a DH result is zero: a low-order key */
	SL_NOISE_BAD_AUTH,  /* a tag does not fit: wrong key or PSK, forged or damaged */
};

struct sl_ikpsk2 {
	uint8_t ck[SL_HASH_LEN];
	uint8_t h[SL_HASH_LEN];
	uint8_t e_private[SL_KEY_LEN]; /* own ephemeral */
	uint8_t rs[SL_KEY_LEN];        /* the other's static public key */
	uint8_t re[SL_KEY_LEN];        /* the other's ephemeral public key */
};

/* Sizes of a message with a payload of n bytes */
#define SL_IKPSK2_MSG1_LEN(n) (SL_KEY_LEN + SL_KEY_LEN + SL_TAG_LEN + (n) + SL_TAG_LEN)
#define SL_IKPSK2_MSG2_LEN(n) (SL_KEY_LEN + (n) + SL_TAG_LEN)

/* ck and h before any message: the protocol's name, the prologue, the pre-message `<- s`. Public values. */
void sl_ikpsk2_start(
        struct sl_ikpsk2 *s, const void *prologue, size_t prologue_len, const uint8_t responder_static[SL_KEY_LEN]);

/*
 * Initiator, message 1. After start, with rs set by this call. ss: DH of both static keys, computed before. Writes
 * SL_IKPSK2_MSG1_LEN(payload_len) bytes to out.
 */
SL_MUST_CHECK enum sl_noise_result sl_ikpsk2_write1(struct sl_ikpsk2 *s, const uint8_t own_public[SL_KEY_LEN],
        const uint8_t rs[SL_KEY_LEN], const uint8_t ss[SL_KEY_LEN], const uint8_t e_private[SL_KEY_LEN],
        const void *payload, size_t payload_len, uint8_t *out);

/* Responder, message 1 up to token `s`: s->rs is then the initiator's static key. msg: the first 80 bytes. */
SL_MUST_CHECK enum sl_noise_result sl_ikpsk2_read1_static(
        struct sl_ikpsk2 *s, const uint8_t own_private[SL_KEY_LEN], const uint8_t *msg);

/* Responder, message 1 from token `ss` on. enc: payload_len + SL_TAG_LEN bytes that follow the first 80. */
SL_MUST_CHECK enum sl_noise_result sl_ikpsk2_read1_payload(
        struct sl_ikpsk2 *s, const uint8_t ss[SL_KEY_LEN], const uint8_t *enc, size_t payload_len, void *payload);

/* Responder, message 2: writes SL_IKPSK2_MSG2_LEN(payload_len) bytes to out. */
SL_MUST_CHECK enum sl_noise_result sl_ikpsk2_write2(struct sl_ikpsk2 *s, const uint8_t psk[SL_KEY_LEN],
        const uint8_t e_private[SL_KEY_LEN], const void *payload, size_t payload_len, uint8_t *out);

/* Initiator, message 2: SL_IKPSK2_MSG2_LEN(payload_len) bytes. */
SL_MUST_CHECK enum sl_noise_result sl_ikpsk2_read2(struct sl_ikpsk2 *s, const uint8_t own_private[SL_KEY_LEN],
        const uint8_t psk[SL_KEY_LEN], const uint8_t *msg, size_t payload_len, void *payload);

/* Split: the two session keys, and the state wiped. */
void sl_ikpsk2_split(
        struct sl_ikpsk2 *s, uint8_t initiator_to_responder[SL_KEY_LEN], uint8_t responder_to_initiator[SL_KEY_LEN]);
