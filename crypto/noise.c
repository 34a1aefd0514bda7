/*
 * Noise_IKpsk2, as WireGuard fills it in:
 *
 *   <- s
 *   ...
 *   -> e, es, s, ss, {timestamp}
 *   <- e, ee, se, psk, {}
 *
 * Each message is one call of the pattern (crypto/ikpsk2.c, where the tokens are) on a copy of the state, kept only on
 * success.
 */
#include "crypto/noise.h"

#include <string.h>

#include "crypto/wipe.h"
#include "crypto/x25519.h"

/* The pattern writes and reads these runs of fields as one. */
static_assert(offsetof(struct sl_msg_initiation, mac1) - offsetof(struct sl_msg_initiation, ephemeral) ==
                      SL_IKPSK2_MSG1_LEN(SL_TAI64N_LEN),
        "ephemeral, static, timestamp");
static_assert(
        offsetof(struct sl_msg_response, mac1) - offsetof(struct sl_msg_response, ephemeral) == SL_IKPSK2_MSG2_LEN(0),
        "ephemeral, nothing");

static void start(struct sl_ikpsk2 *s, const uint8_t responder_static[SL_KEY_LEN])
{
	sl_ikpsk2_start(s, SL_NOISE_IDENTIFIER, sizeof(SL_NOISE_IDENTIFIER) - 1, responder_static);
}

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
	struct sl_msg_initiation out = {.type = SL_MSG_INITIATION, .sender = local_index};
	struct sl_ikpsk2 s;
	enum sl_noise_result result;

	if (!id->valid)
		return SL_NOISE_BAD_STATE;
	start(&s, remote);
	result = sl_ikpsk2_write1(&s, id->public_key, remote, ss, ephemeral_private, timestamp, SL_TAI64N_LEN,
	        (uint8_t *)&out + offsetof(struct sl_msg_initiation, ephemeral));
	if (result == SL_NOISE_OK) {
		hs->state = SL_NOISE_CREATED_INITIATION;
		hs->local_index = local_index;
		hs->remote_index = 0;
		hs->noise = s;
		*msg = out;
	}
	sl_wipe(&s, sizeof(s));
	return result;
}

enum sl_noise_result sl_noise_consume_initiation_static(
        struct sl_noise_interim *interim, const struct sl_noise_identity *id, const struct sl_msg_initiation *msg)
{
	enum sl_noise_result result;

	sl_noise_interim_wipe(interim);
	if (!id->valid)
		return SL_NOISE_BAD_STATE;
	start(&interim->noise, id->public_key);
	result = sl_ikpsk2_read1_static(
	        &interim->noise, id->private_key, (const uint8_t *)msg + offsetof(struct sl_msg_initiation, ephemeral));
	if (result != SL_NOISE_OK)
		return result;
	interim->remote_index = msg->sender;
	memcpy(interim->enc_timestamp, msg->enc_timestamp, sizeof(interim->enc_timestamp));
	interim->has_static = true;
	return SL_NOISE_OK;
}

enum sl_noise_result sl_noise_consume_initiation_finish(
        struct sl_noise_interim *interim, const uint8_t ss[SL_KEY_LEN], uint8_t timestamp[SL_TAI64N_LEN])
{
	enum sl_noise_result result = SL_NOISE_BAD_STATE;

	if (interim->has_static && !interim->authenticated)
		result = sl_ikpsk2_read1_payload(&interim->noise, ss, interim->enc_timestamp, SL_TAI64N_LEN, timestamp);
	if (result != SL_NOISE_OK)
		sl_noise_interim_wipe(interim);
	else
		interim->authenticated = true;
	return result;
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
	struct sl_msg_response out = {.type = SL_MSG_RESPONSE, .sender = local_index, .receiver = hs->remote_index};
	struct sl_ikpsk2 s;
	enum sl_noise_result result;

	if (hs->state != SL_NOISE_CONSUMED_INITIATION)
		return SL_NOISE_BAD_STATE;
	s = hs->noise;
	result = sl_ikpsk2_write2(
	        &s, psk, ephemeral_private, NULL, 0, (uint8_t *)&out + offsetof(struct sl_msg_response, ephemeral));
	if (result == SL_NOISE_OK) {
		hs->state = SL_NOISE_CREATED_RESPONSE;
		hs->local_index = local_index;
		hs->noise = s;
		*msg = out;
	}
	sl_wipe(&s, sizeof(s));
	return result;
}

enum sl_noise_result sl_noise_consume_response(struct sl_noise_handshake *hs, const struct sl_noise_identity *id,
        const uint8_t psk[SL_KEY_LEN], const struct sl_msg_response *msg)
{
	struct sl_ikpsk2 s;
	enum sl_noise_result result;

	if (hs->state != SL_NOISE_CREATED_INITIATION || !id->valid)
		return SL_NOISE_BAD_STATE;
	s = hs->noise;
	result = sl_ikpsk2_read2(
	        &s, id->private_key, psk, (const uint8_t *)msg + offsetof(struct sl_msg_response, ephemeral), 0, NULL);
	if (result == SL_NOISE_OK) {
		hs->state = SL_NOISE_CONSUMED_RESPONSE;
		hs->remote_index = msg->sender;
		hs->noise = s;
	}
	sl_wipe(&s, sizeof(s));
	return result;
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
