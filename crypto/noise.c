/*
 * Noise_IKpsk2, as WireGuard fills it in:
 *
 *   <- s
 *   ...
 *   -> e, es, s, ss, {timestamp}
 *   <- e, ee, se, psk, {}
 *
 * Each message is one call of the pattern (crypto/ikpsk2.c, where the tokens are), made in crypto/noise_batch.c: one
 * handshake is a batch of one.
 */
#include "crypto/noise.h"

#include <string.h>

#include "crypto/noise_batch.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"

bool sl_noise_identity_init(struct sl_noise_identity *id, const uint8_t private_key[SL_KEY_LEN])
{
	/* Zero bits mean "no key"; clamped they would be a key that everyone knows. */
	if (sl_is_zero(private_key, SL_KEY_LEN)) {
		sl_noise_identity_wipe(id);
		return false;
	}
	memmove(id->private_key, private_key, SL_KEY_LEN);
	sl_x25519_clamp(id->private_key);
	sl_x25519_public(id->public_key, id->private_key);
	sl_mac_keys_init(&id->mac_keys, id->public_key);
	id->valid = true;
	return true;
}

void sl_noise_identity_wipe(struct sl_noise_identity *id)
{
	sl_wipe(id, sizeof(*id));
}

bool sl_noise_static_static(
        uint8_t ss[SL_KEY_LEN], const struct sl_noise_identity *id, const uint8_t remote[SL_KEY_LEN])
{
	if (!id->valid) {
		sl_wipe(ss, SL_KEY_LEN);
		return false;
	}
	return sl_x25519_shared(ss, id->private_key, remote);
}

enum sl_noise_result sl_noise_create_initiation(struct sl_noise_handshake *hs, const struct sl_noise_identity *id,
        const uint8_t remote[SL_KEY_LEN], const uint8_t ss[SL_KEY_LEN], const uint8_t timestamp[SL_TAI64N_LEN],
        const uint8_t ephemeral_private[SL_KEY_LEN], uint32_t local_index, struct sl_msg_initiation *msg)
{
	struct sl_noise_initiation job = {.hs = hs,
	        .id = id,
	        .remote = remote,
	        .ss = ss,
	        .timestamp = timestamp,
	        .ephemeral_private = ephemeral_private,
	        .local_index = local_index,
	        .msg = msg};

	sl_noise_create_initiations(SL_SIMD_AUTO, &job, 1);
	return job.result;
}

enum sl_noise_result sl_noise_consume_initiation_static(
        struct sl_noise_interim *interim, const struct sl_noise_identity *id, const struct sl_msg_initiation *msg)
{
	struct sl_noise_received job = {.interim = interim, .msg = msg};

	sl_noise_consume_initiations_static(SL_SIMD_AUTO, id, &job, 1);
	return job.result;
}

enum sl_noise_result sl_noise_consume_initiation_finish(
        struct sl_noise_interim *interim, const uint8_t ss[SL_KEY_LEN], uint8_t timestamp[SL_TAI64N_LEN])
{
	struct sl_noise_received job = {.interim = interim, .ss = ss, .timestamp = timestamp};

	sl_noise_consume_initiations_finish(SL_SIMD_AUTO, &job, 1);
	return job.result;
}

enum sl_noise_result sl_noise_commit_initiation(struct sl_noise_handshake *hs, struct sl_noise_interim *interim)
{
	if (!interim->authenticated)
		return SL_NOISE_BAD_STATE;
	hs->state = SL_NOISE_CONSUMED_INITIATION;
	hs->local_index = 0;
	hs->remote_index = interim->remote_index;
	hs->noise = interim->noise;
	sl_noise_interim_wipe(interim);
	return SL_NOISE_OK;
}

void sl_noise_interim_wipe(struct sl_noise_interim *interim)
{
	sl_wipe(interim, sizeof(*interim));
}

enum sl_noise_result sl_noise_create_response(struct sl_noise_handshake *hs, const uint8_t psk[SL_KEY_LEN],
        const uint8_t ephemeral_private[SL_KEY_LEN], uint32_t local_index, struct sl_msg_response *msg)
{
	struct sl_noise_response job = {
	        .hs = hs, .psk = psk, .ephemeral_private = ephemeral_private, .local_index = local_index, .msg = msg};

	sl_noise_create_responses(SL_SIMD_AUTO, &job, 1);
	return job.result;
}

enum sl_noise_result sl_noise_consume_response(struct sl_noise_handshake *hs, const struct sl_noise_identity *id,
        const uint8_t psk[SL_KEY_LEN], const struct sl_msg_response *msg)
{
	struct sl_noise_answer job = {.hs = hs, .psk = psk, .msg = msg};

	sl_noise_consume_responses(SL_SIMD_AUTO, id, &job, 1);
	return job.result;
}

enum sl_noise_result sl_noise_begin_session(struct sl_noise_handshake *hs, struct sl_noise_keys *keys)
{
	if (hs->state == SL_NOISE_CONSUMED_RESPONSE) {
		sl_ikpsk2_split(&hs->noise, keys->send, keys->recv);
		keys->initiator = true;
	} else if (hs->state == SL_NOISE_CREATED_RESPONSE) {
		sl_ikpsk2_split(&hs->noise, keys->recv, keys->send);
		keys->initiator = false;
	} else {
		return SL_NOISE_BAD_STATE;
	}
	keys->local_index = hs->local_index;
	keys->remote_index = hs->remote_index;
	sl_noise_handshake_wipe(hs);
	return SL_NOISE_OK;
}

void sl_noise_handshake_wipe(struct sl_noise_handshake *hs)
{
	sl_wipe(hs, sizeof(*hs));
}
