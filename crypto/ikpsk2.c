#include "crypto/ikpsk2.h"

#include <string.h>

#include "crypto/aead_single.h"
#include "crypto/blake2s.h"
#include "crypto/kdf.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"

/* Every key encrypts once, so every nonce is 0. */
#define HANDSHAKE_NONCE 0

#define ENC_STATIC_LEN (SL_KEY_LEN + SL_TAG_LEN)

/* BLAKE2s(SL_NOISE_CONSTRUCTION): longer than a hash, so the name is hashed. */
static const uint8_t initial_ck[SL_HASH_LEN] = {
        0x60, 0xe2, 0x6d, 0xae, 0xf3, 0x27, 0xef, 0xc0, 0x2e, 0xc3, 0x35, 0xe2, 0xa0, 0x25, 0xd2, 0xd0, //
        0x16, 0xeb, 0x42, 0x06, 0xf8, 0x72, 0x77, 0xf5, 0x2d, 0x38, 0xd1, 0x98, 0x8b, 0x78, 0xcd, 0x36, //
};

static void mix_hash(struct sl_ikpsk2 *s, const void *data, size_t n)
{
	struct sl_blake2s hash;

	sl_blake2s_init(&hash, SL_HASH_LEN, NULL, 0);
	sl_blake2s_update(&hash, s->h, sizeof(s->h));
	sl_blake2s_update(&hash, data, n);
	sl_blake2s_final(&hash, s->h);
}

/* Token `e` under a PSK pattern: the ephemeral goes into the hash and into the chaining key. */
static void mix_ephemeral(struct sl_ikpsk2 *s, const uint8_t e_public[SL_KEY_LEN])
{
	mix_hash(s, e_public, SL_KEY_LEN);
	sl_kdf1(s->ck, s->ck, e_public, SL_KEY_LEN);
}

/* A DH token: false where the result is zero. key gets the next cipher key. */
static bool mix_dh(struct sl_ikpsk2 *s, uint8_t key[SL_KEY_LEN], const uint8_t private_key[SL_KEY_LEN],
        const uint8_t public_key[SL_KEY_LEN])
{
	uint8_t dh[SL_KEY_LEN];
	bool ok = sl_x25519_shared(dh, private_key, public_key);

	sl_kdf2(s->ck, key, s->ck, dh, sizeof(dh));
	sl_wipe(dh, sizeof(dh));
	return ok;
}

/* Token `ss`, whose DH is cached; refused all the same where it is zero. */
static bool mix_ss(struct sl_ikpsk2 *s, uint8_t key[SL_KEY_LEN], const uint8_t ss[SL_KEY_LEN])
{
	sl_kdf2(s->ck, key, s->ck, ss, SL_KEY_LEN);
	return !sl_is_zero(ss, SL_KEY_LEN);
}

/* Token `psk`. */
static void mix_psk(struct sl_ikpsk2 *s, uint8_t key[SL_KEY_LEN], const uint8_t psk[SL_KEY_LEN])
{
	uint8_t tau[SL_HASH_LEN];

	sl_kdf3(s->ck, tau, key, s->ck, psk, SL_KEY_LEN);
	mix_hash(s, tau, sizeof(tau));
	sl_wipe(tau, sizeof(tau));
}

static void encrypt_and_hash(
        struct sl_ikpsk2 *s, const uint8_t key[SL_KEY_LEN], const void *src, size_t n, uint8_t *out)
{
	sl_aead_seal(out, src, n, s->h, sizeof(s->h), HANDSHAKE_NONCE, key);
	mix_hash(s, out, n + SL_TAG_LEN);
}

/* n: bytes of plaintext. */
static bool decrypt_and_hash(
        struct sl_ikpsk2 *s, const uint8_t key[SL_KEY_LEN], const uint8_t *enc, size_t n, void *out)
{
	if (!sl_aead_open(out, enc, n + SL_TAG_LEN, s->h, sizeof(s->h), HANDSHAKE_NONCE, key))
		return false;
	mix_hash(s, enc, n + SL_TAG_LEN);
	return true;
}

/* The one way out: the cipher key always goes, the state goes unless all went well. */
static enum sl_noise_result finish(struct sl_ikpsk2 *s, uint8_t key[SL_KEY_LEN], enum sl_noise_result result)
{
	sl_wipe(key, SL_KEY_LEN);
	if (result != SL_NOISE_OK)
		sl_wipe(s, sizeof(*s));
	return result;
}

void sl_ikpsk2_start(
        struct sl_ikpsk2 *s, const void *prologue, size_t prologue_len, const uint8_t responder_static[SL_KEY_LEN])
{
	memset(s, 0, sizeof(*s));
	memcpy(s->ck, initial_ck, sizeof(s->ck));
	memcpy(s->h, initial_ck, sizeof(s->h));
	mix_hash(s, prologue, prologue_len);
	mix_hash(s, responder_static, SL_KEY_LEN); /* <- s */
}

enum sl_noise_result sl_ikpsk2_write1(struct sl_ikpsk2 *s, const uint8_t own_public[SL_KEY_LEN],
        const uint8_t rs[SL_KEY_LEN], const uint8_t ss[SL_KEY_LEN], const uint8_t e_private[SL_KEY_LEN],
        const void *payload, size_t payload_len, uint8_t *out)
{
	uint8_t *enc_static = out + SL_KEY_LEN;
	uint8_t *enc_payload = enc_static + ENC_STATIC_LEN;
	uint8_t key[SL_KEY_LEN];
	bool ok;

	memcpy(s->e_private, e_private, SL_KEY_LEN);
	memcpy(s->rs, rs, SL_KEY_LEN);

	/* e */
	sl_x25519_public(out, s->e_private);
	mix_ephemeral(s, out);
	/* es */
	ok = mix_dh(s, key, s->e_private, s->rs);
	/* s */
	encrypt_and_hash(s, key, own_public, SL_KEY_LEN, enc_static);
	/* ss */
	ok &= mix_ss(s, key, ss);
	/* {payload} */
	encrypt_and_hash(s, key, payload, payload_len, enc_payload);

	if (!ok)
		sl_wipe(out, SL_IKPSK2_MSG1_LEN(payload_len));
	return finish(s, key, ok ? SL_NOISE_OK : SL_NOISE_BAD_KEY);
}

enum sl_noise_result sl_ikpsk2_read1_static(
        struct sl_ikpsk2 *s, const uint8_t own_private[SL_KEY_LEN], const uint8_t *msg)
{
	const uint8_t *enc_static = msg + SL_KEY_LEN;
	uint8_t key[SL_KEY_LEN];

	/* e */
	memcpy(s->re, msg, SL_KEY_LEN);
	mix_ephemeral(s, s->re);
	/* es */
	if (!mix_dh(s, key, own_private, s->re))
		return finish(s, key, SL_NOISE_BAD_KEY);
	/* s */
	if (!decrypt_and_hash(s, key, enc_static, SL_KEY_LEN, s->rs))
		return finish(s, key, SL_NOISE_BAD_AUTH);
	return finish(s, key, SL_NOISE_OK);
}

enum sl_noise_result sl_ikpsk2_read1_payload(
        struct sl_ikpsk2 *s, const uint8_t ss[SL_KEY_LEN], const uint8_t *enc, size_t payload_len, void *payload)
{
	uint8_t key[SL_KEY_LEN];

	/* ss */
	if (!mix_ss(s, key, ss))
		return finish(s, key, SL_NOISE_BAD_KEY);
	/* {payload} */
	if (!decrypt_and_hash(s, key, enc, payload_len, payload))
		return finish(s, key, SL_NOISE_BAD_AUTH);
	return finish(s, key, SL_NOISE_OK);
}

enum sl_noise_result sl_ikpsk2_write2(struct sl_ikpsk2 *s, const uint8_t psk[SL_KEY_LEN],
        const uint8_t e_private[SL_KEY_LEN], const void *payload, size_t payload_len, uint8_t *out)
{
	uint8_t key[SL_KEY_LEN];
	bool ok;

	memcpy(s->e_private, e_private, SL_KEY_LEN);

	/* e */
	sl_x25519_public(out, s->e_private);
	mix_ephemeral(s, out);
	/* ee */
	ok = mix_dh(s, key, s->e_private, s->re);
	/* se */
	ok &= mix_dh(s, key, s->e_private, s->rs);
	/* psk */
	mix_psk(s, key, psk);
	/* {payload} */
	encrypt_and_hash(s, key, payload, payload_len, out + SL_KEY_LEN);

	if (!ok)
		sl_wipe(out, SL_IKPSK2_MSG2_LEN(payload_len));
	return finish(s, key, ok ? SL_NOISE_OK : SL_NOISE_BAD_KEY);
}

enum sl_noise_result sl_ikpsk2_read2(struct sl_ikpsk2 *s, const uint8_t own_private[SL_KEY_LEN],
        const uint8_t psk[SL_KEY_LEN], const uint8_t *msg, size_t payload_len, void *payload)
{
	uint8_t key[SL_KEY_LEN];

	/* e */
	memcpy(s->re, msg, SL_KEY_LEN);
	mix_ephemeral(s, s->re);
	/* ee */
	if (!mix_dh(s, key, s->e_private, s->re))
		return finish(s, key, SL_NOISE_BAD_KEY);
	/* se */
	if (!mix_dh(s, key, own_private, s->re))
		return finish(s, key, SL_NOISE_BAD_KEY);
	/* psk */
	mix_psk(s, key, psk);
	/* {payload} */
	if (!decrypt_and_hash(s, key, msg + SL_KEY_LEN, payload_len, payload))
		return finish(s, key, SL_NOISE_BAD_AUTH);
	return finish(s, key, SL_NOISE_OK);
}

void sl_ikpsk2_split(
        struct sl_ikpsk2 *s, uint8_t initiator_to_responder[SL_KEY_LEN], uint8_t responder_to_initiator[SL_KEY_LEN])
{
	sl_kdf2(initiator_to_responder, responder_to_initiator, s->ck, NULL, 0);
	sl_wipe(s, sizeof(*s));
}
