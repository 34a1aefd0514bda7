#include "crypto/aead_single.h"

#include <sodium.h>
#include <string.h>

#include "crypto/bytes.h"
#include "crypto/wipe.h"

static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == SL_TAG_LEN, "tag");
static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == SL_AEAD_NONCE_LEN, "nonce");
static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == SL_XNONCE_LEN, "extended nonce");
static_assert(crypto_aead_chacha20poly1305_ietf_KEYBYTES == SL_KEY_LEN, "key");

static void counter_nonce(uint8_t nonce[SL_AEAD_NONCE_LEN], uint64_t counter)
{
	sl_store_le32(nonce, 0);
	sl_store_le64(nonce + sizeof(uint32_t), counter);
}

/* What a failed open leaves behind: nothing. */
static bool verdict(int rc, uint8_t *dst, size_t src_len)
{
	if (rc == 0)
		return true;
	if (src_len > SL_TAG_LEN)
		sl_wipe(dst, src_len - SL_TAG_LEN);
	return false;
}

void sl_aead_seal(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len, uint64_t counter,
        const uint8_t key[SL_KEY_LEN])
{
	uint8_t nonce[SL_AEAD_NONCE_LEN];

	counter_nonce(nonce, counter);
	crypto_aead_chacha20poly1305_ietf_encrypt(dst, NULL, src, len, aad, aad_len, NULL, nonce, key);
}

bool sl_aead_open(uint8_t *dst, const uint8_t *src, size_t src_len, const void *aad, size_t aad_len, uint64_t counter,
        const uint8_t key[SL_KEY_LEN])
{
	uint8_t nonce[SL_AEAD_NONCE_LEN];
	int rc;

	counter_nonce(nonce, counter);
	rc = crypto_aead_chacha20poly1305_ietf_decrypt(dst, NULL, NULL, src, src_len, aad, aad_len, nonce, key);
	return verdict(rc, dst, src_len);
}

void sl_xaead_seal(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len,
        const uint8_t nonce[SL_XNONCE_LEN], const uint8_t key[SL_KEY_LEN])
{
	crypto_aead_xchacha20poly1305_ietf_encrypt(dst, NULL, src, len, aad, aad_len, NULL, nonce, key);
}

bool sl_xaead_open(uint8_t *dst, const uint8_t *src, size_t src_len, const void *aad, size_t aad_len,
        const uint8_t nonce[SL_XNONCE_LEN], const uint8_t key[SL_KEY_LEN])
{
	int rc = crypto_aead_xchacha20poly1305_ietf_decrypt(dst, NULL, NULL, src, src_len, aad, aad_len, nonce, key);

	return verdict(rc, dst, src_len);
}
