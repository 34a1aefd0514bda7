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
#include "crypto/simd.h"

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

/* Jobs of one call at most, and bytes of a payload. */
#define SL_IKPSK2_BATCH       32
#define SL_IKPSK2_PAYLOAD_MAX 32

/*
 * One handshake's part in a call that takes n of them, 1..SL_IKPSK2_BATCH, through the same step together: their DHs,
 * hashes and derived keys are computed in the lanes of the SIMD level (crypto/x25519_batch.h, crypto/blake2s_batch.h).
 * Each call reads the fields that it names; no two jobs share s or out. result is the outcome of that job alone.
 */
struct sl_ikpsk2_job {
	struct sl_ikpsk2 *s;
	const uint8_t *own_public;
	const uint8_t *own_private;
	const uint8_t *rs;
	const uint8_t *ss; /* DH of both static keys, computed before */
	const uint8_t *e_private;
	const uint8_t *psk;
	const uint8_t *msg;  /* what is read */
	const void *payload; /* what is written into a message */
	uint8_t *out;        /* the message written, or the payload read */
	enum sl_noise_result result;
};

/*
 * Initiator, message 1: s (after start), own_public, rs (which s->rs becomes), ss, e_private, payload. Writes
 * SL_IKPSK2_MSG1_LEN(payload_len) bytes to out.
 */
void sl_ikpsk2_write1_batch(enum sl_simd simd, struct sl_ikpsk2_job *jobs, unsigned int n, size_t payload_len);

/* Responder, message 1 up to token `s`: s, own_private, msg (80 bytes). s->rs is then the initiator's static key. */
void sl_ikpsk2_read1_static_batch(enum sl_simd simd, struct sl_ikpsk2_job *jobs, unsigned int n);

/* Responder, message 1 from token `ss` on: s, ss, msg (payload_len + SL_TAG_LEN bytes after the first 80), out. */
void sl_ikpsk2_read1_payload_batch(enum sl_simd simd, struct sl_ikpsk2_job *jobs, unsigned int n, size_t payload_len);

/* Responder, message 2: s, psk, e_private, payload. Writes SL_IKPSK2_MSG2_LEN(payload_len) bytes to out. */
void sl_ikpsk2_write2_batch(enum sl_simd simd, struct sl_ikpsk2_job *jobs, unsigned int n, size_t payload_len);

/* Initiator, message 2: s, own_private, psk, msg (SL_IKPSK2_MSG2_LEN(payload_len) bytes), out. */
void sl_ikpsk2_read2_batch(enum sl_simd simd, struct sl_ikpsk2_job *jobs, unsigned int n, size_t payload_len);

/* --- the same for one handshake, at the best level of this CPU --- */

SL_MUST_CHECK enum sl_noise_result sl_ikpsk2_write1(struct sl_ikpsk2 *s, const uint8_t own_public[SL_KEY_LEN],
        const uint8_t rs[SL_KEY_LEN], const uint8_t ss[SL_KEY_LEN], const uint8_t e_private[SL_KEY_LEN],
        const void *payload, size_t payload_len, uint8_t *out);
SL_MUST_CHECK enum sl_noise_result sl_ikpsk2_read1_static(
        struct sl_ikpsk2 *s, const uint8_t own_private[SL_KEY_LEN], const uint8_t *msg);
SL_MUST_CHECK enum sl_noise_result sl_ikpsk2_read1_payload(
        struct sl_ikpsk2 *s, const uint8_t ss[SL_KEY_LEN], const uint8_t *enc, size_t payload_len, void *payload);
SL_MUST_CHECK enum sl_noise_result sl_ikpsk2_write2(struct sl_ikpsk2 *s, const uint8_t psk[SL_KEY_LEN],
        const uint8_t e_private[SL_KEY_LEN], const void *payload, size_t payload_len, uint8_t *out);
SL_MUST_CHECK enum sl_noise_result sl_ikpsk2_read2(struct sl_ikpsk2 *s, const uint8_t own_private[SL_KEY_LEN],
        const uint8_t psk[SL_KEY_LEN], const uint8_t *msg, size_t payload_len, void *payload);

/* Split: the two session keys of each, and the states wiped. */
void sl_ikpsk2_split_batch(enum sl_simd simd, struct sl_ikpsk2 *const *s, uint8_t *const *initiator_to_responder,
        uint8_t *const *responder_to_initiator, unsigned int n);
void sl_ikpsk2_split(
        struct sl_ikpsk2 *s, uint8_t initiator_to_responder[SL_KEY_LEN], uint8_t responder_to_initiator[SL_KEY_LEN]);
