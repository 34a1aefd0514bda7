#include "bench/open_sample.h"

#include <string.h>

#include <openssl/evp.h>

#include "crypto/bytes.h"
#include "crypto/protocol.h"

bool
bench_open_sample(uint8_t *plain, const uint8_t *sealed, size_t len, uint64_t counter, const uint8_t key[32])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[SL_AEAD_NONCE_LEN] = {0}, tag[SL_TAG_LEN];
	int n = 0;
	bool ok;

	if (ctx == NULL || len < SL_TAG_LEN) {
		EVP_CIPHER_CTX_free(ctx);
		return false;
	}
	sl_store_le64(nonce + sizeof(nonce) - sizeof(counter), counter);
	memcpy(tag, sealed + len - SL_TAG_LEN, SL_TAG_LEN);
	ok = EVP_DecryptInit_ex(ctx, EVP_chacha20_poly1305(), NULL, key, nonce) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SL_TAG_LEN, tag) == 1 &&
		EVP_DecryptUpdate(ctx, plain, &n, sealed, (int)(len - SL_TAG_LEN)) == 1 &&
		EVP_DecryptFinal_ex(ctx, plain + n, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}
