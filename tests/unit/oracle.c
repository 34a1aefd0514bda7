#include "tests/unit/oracle.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TAG 16

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* --- little-endian numbers --- */

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void put64(uint8_t *p, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | p[bytes];
	return v;
}

/* --- primitives --- */

/* out = BLAKE2s-256(a || b); out may be a or b. */
static void hash(uint8_t out[32], const void *a, size_t a_len, const void *b, size_t b_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(EVP_DigestInit_ex(ctx, EVP_blake2s256(), NULL) == 1);
	must(EVP_DigestUpdate(ctx, a, a_len) == 1);
	must(EVP_DigestUpdate(ctx, b, b_len) == 1);
	must(EVP_DigestFinal_ex(ctx, out, NULL) == 1);
	EVP_MD_CTX_free(ctx);
}

static void hmac(uint8_t out[32], const uint8_t key[32], const void *a, size_t a_len, const void *b, size_t b_len)
{
	uint8_t whole[96], mac[32];
	unsigned n = sizeof(mac);

	must(a_len + b_len <= sizeof(whole));
	if (a_len)
		memcpy(whole, a, a_len);
	memcpy(whole + a_len, b, b_len);
	must(HMAC(EVP_blake2s256(), key, 32, whole, a_len + b_len, mac, &n) != NULL && n == sizeof(mac));
	memcpy(out, mac, sizeof(mac));
}

/* Keyed BLAKE2s with 16 bytes of output */
static void keyed(uint8_t out[16], const uint8_t *key, size_t key_len, const void *in, size_t len)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	size_t size = 16;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end()};

	must(EVP_MAC_init(ctx, key, key_len, params) == 1);
	must(EVP_MAC_update(ctx, in, len) == 1);
	must(EVP_MAC_final(ctx, out, &size, 16) == 1 && size == 16);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

/* False where the shared secret is zero. */
static bool dh(uint8_t out[32], const uint8_t private_key[32], const uint8_t public_key[32])
{
	EVP_PKEY *own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, 32);
	EVP_PKEY *other = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, public_key, 32);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);
	size_t n = 32;
	bool ok;

	must(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, other) == 1);
	ok = EVP_PKEY_derive(ctx, out, &n) == 1;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(other);
	EVP_PKEY_free(own);
	return ok;
}

static void nonce_of(uint8_t nonce[12], uint64_t counter)
{
	memset(nonce, 0, 4);
	put64(nonce + 4, counter);
}

static void seal(uint8_t *out, const uint8_t key[32], uint64_t counter, const void *plain, size_t len, const void *aad,
        size_t aad_len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[12];
	int n;

	nonce_of(nonce, counter);
	must(EVP_EncryptInit_ex(ctx, EVP_chacha20_poly1305(), NULL, key, nonce) == 1);
	if (aad_len)
		must(EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_len) == 1);
	if (len)
		must(EVP_EncryptUpdate(ctx, out, &n, plain, (int)len) == 1 && n == (int)len);
	must(EVP_EncryptFinal_ex(ctx, out + len, &n) == 1 && n == 0);
	must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, out + len) == 1);
	EVP_CIPHER_CTX_free(ctx);
}

/* len: of the plaintext. */
static bool unseal(uint8_t *out, const uint8_t key[32], uint64_t counter, const uint8_t *in, size_t len,
        const void *aad, size_t aad_len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[12], tag[TAG];
	bool ok;
	int n;

	nonce_of(nonce, counter);
	memcpy(tag, in + len, TAG);
	must(EVP_DecryptInit_ex(ctx, EVP_chacha20_poly1305(), NULL, key, nonce) == 1);
	if (aad_len)
		must(EVP_DecryptUpdate(ctx, NULL, &n, aad, (int)aad_len) == 1);
	if (len)
		must(EVP_DecryptUpdate(ctx, out, &n, in, (int)len) == 1 && n == (int)len);
	must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1);
	ok = EVP_DecryptFinal_ex(ctx, tag, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

/* --- Noise --- */

/* HKDF(ck, input): as many outputs as are not NULL. */
static void kdf(const uint8_t ck[32], const void *input, size_t len, uint8_t *t1, uint8_t *t2, uint8_t *t3)
{
	static const uint8_t n1 = 1, n2 = 2, n3 = 3;
	uint8_t t0[32], a[32], b[32], c[32];

	hmac(t0, ck, NULL, 0, input, len);
	hmac(a, t0, NULL, 0, &n1, 1);
	hmac(b, t0, a, 32, &n2, 1);
	hmac(c, t0, b, 32, &n3, 1);
	memcpy(t1, a, 32);
	if (t2)
		memcpy(t2, b, 32);
	if (t3)
		memcpy(t3, c, 32);
}

static void mix_hash(struct oracle *o, const void *data, size_t len)
{
	hash(o->h, o->h, 32, data, len);
}

/* MixKey: the chaining key, and the key of the next encryption. */
static bool mix_dh(struct oracle *o, uint8_t key[32], const uint8_t private_key[32], const uint8_t public_key[32])
{
	uint8_t secret[32];

	if (!dh(secret, private_key, public_key))
		return false;
	kdf(o->ck, secret, 32, o->ck, key, NULL);
	return true;
}

static void mix_ephemeral(struct oracle *o, const uint8_t e[32])
{
	mix_hash(o, e, 32);
	kdf(o->ck, e, 32, o->ck, NULL, NULL);
}

static void mix_psk(struct oracle *o, uint8_t key[32])
{
	uint8_t tau[32];

	kdf(o->ck, o->psk, 32, o->ck, tau, key);
	mix_hash(o, tau, 32);
}

static void start(struct oracle *o, const uint8_t responder[32])
{
	static const char name[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
	static const char prologue[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

	hash(o->ck, name, strlen(name), "", 0);
	hash(o->h, o->ck, 32, prologue, strlen(prologue));
	mix_hash(o, responder, 32);
}

static void hashed_seal(struct oracle *o, uint8_t *out, const uint8_t key[32], const void *plain, size_t len)
{
	seal(out, key, 0, plain, len, o->h, 32);
	mix_hash(o, out, len + TAG);
}

static bool hashed_open(struct oracle *o, uint8_t *out, const uint8_t key[32], const uint8_t *in, size_t len)
{
	if (!unseal(out, key, 0, in, len, o->h, 32))
		return false;
	mix_hash(o, in, len + TAG);
	return true;
}

/* --- macs and cookies --- */

static void labelled(uint8_t key[32], const char *label, const uint8_t public_key[32])
{
	hash(key, label, strlen(label), public_key, 32);
}

void oracle_mac1(uint8_t mac[ORACLE_MAC], const uint8_t recipient[ORACLE_KEY], const uint8_t *msg, size_t msg_len)
{
	uint8_t key[32];

	labelled(key, "mac1----", recipient);
	keyed(mac, key, 32, msg, msg_len - 32);
}

void oracle_mac2(uint8_t mac[ORACLE_MAC], const uint8_t cookie[ORACLE_COOKIE], const uint8_t *msg, size_t msg_len)
{
	keyed(mac, cookie, 16, msg, msg_len - 16);
}

static void put_macs(const struct oracle *o, const uint8_t *cookie, uint8_t *msg, size_t len)
{
	oracle_mac1(msg + len - 32, o->peer_key, msg, len);
	memset(msg + len - 16, 0, 16);
	if (cookie)
		oracle_mac2(msg + len - 16, cookie, msg, len);
}

static bool mac1_is_right(const struct oracle *o, const uint8_t *msg, size_t len)
{
	uint8_t mac[16];

	oracle_mac1(mac, o->public_key, msg, len);
	return memcmp(mac, msg + len - 32, 16) == 0;
}

void oracle_cookie(uint8_t cookie[ORACLE_COOKIE], const uint8_t secret[ORACLE_KEY], const uint8_t *address,
        size_t address_len, uint16_t port)
{
	uint8_t source[18];

	memcpy(source, address, address_len);
	source[address_len] = (uint8_t)(port >> 8);
	source[address_len + 1] = (uint8_t)port;
	keyed(cookie, secret, 32, source, address_len + 2);
}

void oracle_cookie_reply(uint8_t msg[ORACLE_COOKIE_REPLY], const uint8_t answerer[ORACLE_KEY],
        const uint8_t cookie[ORACLE_COOKIE], const uint8_t nonce[ORACLE_NONCE], const uint8_t mac1[ORACLE_MAC],
        uint32_t index)
{
	uint8_t key[32];

	labelled(key, "cookie--", answerer);
	put32(msg, 3);
	put32(msg + 4, index);
	memcpy(msg + 8, nonce, 24);
	must(crypto_aead_xchacha20poly1305_ietf_encrypt(msg + 32, NULL, cookie, 16, mac1, 16, NULL, nonce, key) == 0);
}

bool oracle_open_cookie_reply(uint8_t cookie[ORACLE_COOKIE], const uint8_t msg[ORACLE_COOKIE_REPLY],
        const uint8_t answerer[ORACLE_KEY], const uint8_t mac1[ORACLE_MAC])
{
	uint8_t key[32];

	labelled(key, "cookie--", answerer);
	return get(msg, 4) == 3 && crypto_aead_xchacha20poly1305_ietf_decrypt(
	                                   cookie, NULL, NULL, msg + 32, 32, mac1, 16, msg + 8, key) == 0;
}

/* --- messages --- */

void oracle_public(uint8_t public_key[ORACLE_KEY], const uint8_t private_key[ORACLE_KEY])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, 32);
	size_t n = 32;

	must(EVP_PKEY_get_raw_public_key(key, public_key, &n) == 1 && n == 32);
	EVP_PKEY_free(key);
}

void oracle_init(
        struct oracle *o, const uint8_t private_key[ORACLE_KEY], const uint8_t peer_key[ORACLE_KEY], const uint8_t *psk)
{
	memset(o, 0, sizeof(*o));
	memcpy(o->private_key, private_key, 32);
	o->private_key[0] &= 248;
	o->private_key[31] = (o->private_key[31] & 127) | 64;
	oracle_public(o->public_key, o->private_key);
	memcpy(o->peer_key, peer_key, 32);
	if (psk)
		memcpy(o->psk, psk, 32);
}

void oracle_initiation(struct oracle *o, const uint8_t ephemeral[ORACLE_KEY], uint32_t index,
        const uint8_t stamp[ORACLE_STAMP], const uint8_t *cookie, uint8_t msg[ORACLE_INITIATION])
{
	uint8_t key[32];

	start(o, o->peer_key);
	memcpy(o->own_ephemeral, ephemeral, 32);
	o->own_index = index;
	put32(msg, 1);
	put32(msg + 4, index);
	oracle_public(msg + 8, ephemeral);
	mix_ephemeral(o, msg + 8);
	must(mix_dh(o, key, ephemeral, o->peer_key));
	hashed_seal(o, msg + 40, key, o->public_key, 32);
	must(mix_dh(o, key, o->private_key, o->peer_key));
	hashed_seal(o, msg + 88, key, stamp, 12);
	put_macs(o, cookie, msg, ORACLE_INITIATION);
}

bool oracle_take_initiation(struct oracle *o, const uint8_t msg[ORACLE_INITIATION], uint8_t stamp[ORACLE_STAMP])
{
	uint8_t key[32], sender[32];

	if (get(msg, 4) != 1 || !mac1_is_right(o, msg, ORACLE_INITIATION))
		return false;
	start(o, o->public_key);
	o->peer_index = (uint32_t)get(msg + 4, 4);
	memcpy(o->peer_ephemeral, msg + 8, 32);
	mix_ephemeral(o, msg + 8);
	if (!mix_dh(o, key, o->private_key, msg + 8) || !hashed_open(o, sender, key, msg + 40, 32))
		return false;
	if (memcmp(sender, o->peer_key, 32) != 0)
		return false;
	return mix_dh(o, key, o->private_key, sender) && hashed_open(o, stamp, key, msg + 88, 12);
}

void oracle_response(struct oracle *o, const uint8_t ephemeral[ORACLE_KEY], uint32_t index, const uint8_t *cookie,
        uint8_t msg[ORACLE_RESPONSE])
{
	uint8_t key[32];

	o->own_index = index;
	put32(msg, 2);
	put32(msg + 4, index);
	put32(msg + 8, o->peer_index);
	oracle_public(msg + 12, ephemeral);
	mix_ephemeral(o, msg + 12);
	must(mix_dh(o, key, ephemeral, o->peer_ephemeral));
	must(mix_dh(o, key, ephemeral, o->peer_key));
	mix_psk(o, key);
	hashed_seal(o, msg + 44, key, "", 0);
	put_macs(o, cookie, msg, ORACLE_RESPONSE);
	kdf(o->ck, "", 0, o->recv, o->send, NULL);
}

bool oracle_take_response(struct oracle *o, const uint8_t msg[ORACLE_RESPONSE])
{
	uint8_t key[32], nothing[1];

	if (get(msg, 4) != 2 || get(msg + 8, 4) != o->own_index || !mac1_is_right(o, msg, ORACLE_RESPONSE))
		return false;
	mix_ephemeral(o, msg + 12);
	if (!mix_dh(o, key, o->own_ephemeral, msg + 12) || !mix_dh(o, key, o->private_key, msg + 12))
		return false;
	mix_psk(o, key);
	if (!hashed_open(o, nothing, key, msg + 44, 0))
		return false;
	o->peer_index = (uint32_t)get(msg + 4, 4);
	kdf(o->ck, "", 0, o->send, o->recv, NULL);
	return true;
}

void oracle_seal(const struct oracle *o, uint64_t counter, const void *plain, size_t len, uint8_t *msg)
{
	put32(msg, 4);
	put32(msg + 4, o->peer_index);
	put64(msg + 8, counter);
	seal(msg + 16, o->send, counter, plain, len, NULL, 0);
}

long oracle_open(const struct oracle *o, const uint8_t *msg, size_t len, uint64_t *counter, uint8_t *plain)
{
	if (len < ORACLE_DATA || get(msg, 4) != 4 || get(msg + 4, 4) != o->own_index)
		return -1;
	*counter = get(msg + 8, 8);
	if (!unseal(plain, o->recv, *counter, msg + 16, len - ORACLE_DATA, NULL, 0))
		return -1;
	return (long)(len - ORACLE_DATA);
}

void oracle_stamp(uint8_t stamp[ORACLE_STAMP], uint64_t seconds, uint32_t nanoseconds)
{
	uint64_t label = (UINT64_C(1) << 62) + 10 + seconds;

	nanoseconds -= nanoseconds % (1u << 24);
	for (unsigned i = 0; i < 8; i++)
		stamp[i] = (uint8_t)(label >> (56 - 8 * i));
	for (unsigned i = 0; i < 4; i++)
		stamp[8 + i] = (uint8_t)(nanoseconds >> (24 - 8 * i));
}
