/*
 * The costly steps of crypto/noise.h for several handshakes at once, which go through them side by side in the lanes of
 * the SIMD level. Called by the control core. As there: pure functions, all memory is the caller's, and a job that
 * fails leaves what it was given as it was, writes no message, and no secret stays on the stack. n is
 * 0..SL_NOISE_BATCH; no two jobs share memory that is written.
 */
#pragma once

#include "crypto/noise.h"
#include "crypto/simd.h"

#define SL_NOISE_BATCH SL_IKPSK2_BATCH

/* sl_noise_create_initiation, with its arguments and result. */
struct sl_noise_initiation {
	struct sl_noise_handshake *hs;
	const struct sl_noise_identity *id;
	const uint8_t *remote;
	const uint8_t *ss;
	const uint8_t *timestamp;
	const uint8_t *ephemeral_private;
	uint32_t local_index;
	struct sl_msg_initiation *msg;
	enum sl_noise_result result;
};

void sl_noise_create_initiations(enum sl_simd simd, struct sl_noise_initiation *jobs, unsigned int n);

/* sl_noise_consume_initiation_static, then sl_noise_consume_initiation_finish. */
struct sl_noise_received {
	struct sl_noise_interim *interim;
	const struct sl_msg_initiation *msg; /* the first half reads it */
	const uint8_t *ss;                   /* the second half reads it */
	uint8_t *timestamp;                  /* the second half writes it */
	enum sl_noise_result result;
};

void sl_noise_consume_initiations_static(
        enum sl_simd simd, const struct sl_noise_identity *id, struct sl_noise_received *jobs, unsigned int n);
void sl_noise_consume_initiations_finish(enum sl_simd simd, struct sl_noise_received *jobs, unsigned int n);

/* sl_noise_create_response. */
struct sl_noise_response {
	struct sl_noise_handshake *hs;
	const uint8_t *psk;
	const uint8_t *ephemeral_private;
	uint32_t local_index;
	struct sl_msg_response *msg;
	enum sl_noise_result result;
};

void sl_noise_create_responses(enum sl_simd simd, struct sl_noise_response *jobs, unsigned int n);

/* sl_noise_consume_response. */
struct sl_noise_answer {
	struct sl_noise_handshake *hs;
	const uint8_t *psk;
	const struct sl_msg_response *msg;
	enum sl_noise_result result;
};

void sl_noise_consume_responses(
        enum sl_simd simd, const struct sl_noise_identity *id, struct sl_noise_answer *jobs, unsigned int n);
