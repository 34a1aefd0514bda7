#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <string.h>

#include "crypto/kdf.h"
#include "tests/unit/crypto/vectors.h"

Test(kdf, p6_hmac_equals_libcrypto)
{
	struct seeded seed = {3};
	uint8_t key[200], in[300], want[32], got[32];

	for (unsigned int round = 0; round < 2000; round++) {
		size_t key_len = seeded_below(&seed, sizeof(key) + 1), n = seeded_below(&seed, sizeof(in) + 1);

		seeded_bytes(&seed, key, key_len);
		seeded_bytes(&seed, in, n);
		cr_assert_not_null(HMAC(EVP_blake2s256(), key, (int)key_len, in, n, want, NULL));
		sl_hmac_blake2s(got, key, key_len, in, n);
		cr_assert_arr_eq(got, want, 32, "round %u: key %zu, %zu bytes", round, key_len, n);
	}
}

static void libcrypto_hkdf(uint8_t *out, size_t out_len, const uint8_t salt[32], uint8_t *in, size_t n)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	char digest[] = "BLAKE2S-256";
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
	        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, in, n),
	        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt, 32),
	        OSSL_PARAM_construct_end()};

	cr_assert(EVP_KDF_derive(ctx, out, out_len, params));
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

Test(kdf, p6_hkdf_equals_libcrypto)
{
	static const size_t lens[] = {0, 1, 12, 31, 32, 33, 64, 65, 200};
	struct seeded seed = {4};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		uint8_t ck[32], in[200], want[96], a[32], b[32], c[32];

		seeded_bytes(&seed, ck, sizeof(ck));
		seeded_bytes(&seed, in, sizeof(in));
		libcrypto_hkdf(want, sizeof(want), ck, in, lens[i]);
		sl_kdf1(a, ck, in, lens[i]);
		cr_assert_arr_eq(a, want, 32, "kdf1, %zu bytes", lens[i]);
		sl_kdf2(a, b, ck, in, lens[i]);
		cr_assert_arr_eq(a, want, 32, "kdf2, %zu bytes", lens[i]);
		cr_assert_arr_eq(b, want + 32, 32, "kdf2, %zu bytes", lens[i]);
		sl_kdf3(a, b, c, ck, in, lens[i]);
		cr_assert_arr_eq(a, want, 32, "kdf3, %zu bytes", lens[i]);
		cr_assert_arr_eq(b, want + 32, 32, "kdf3, %zu bytes", lens[i]);
		cr_assert_arr_eq(c, want + 64, 32, "kdf3, %zu bytes", lens[i]);
		sl_kdf2(ck, b, ck, in, lens[i]);
		cr_assert_arr_eq(ck, want, 32, "the chaining key in place");
		cr_assert_arr_eq(b, want + 32, 32, "the chaining key in place");
	}
}

Test(kdf, p6_no_data)
{
	uint8_t ck[32] = {7}, a[32], b[32];

	sl_kdf1(a, ck, NULL, 0);
	sl_kdf1(b, ck, "", 0);
	cr_assert_arr_eq(a, b, 32);
}
