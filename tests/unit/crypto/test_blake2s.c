#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "crypto/blake2s.h"
#include "crypto/wipe.h"
#include "tests/unit/crypto/vectors.h"

#define INPUT_LEN 1100

/* RFC 7693, appendix B */
Test(blake2s, rfc7693_abc)
{
	uint8_t out[32];

	sl_blake2s(out, sizeof(out), NULL, 0, "abc", 3);
	cr_assert(is_hex(out, sizeof(out), "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"));
}

static void self_test_sequence(uint8_t *out, size_t n, uint32_t seed)
{
	uint32_t a = 0xdead4bad * seed, b = 1;

	for (size_t i = 0; i < n; i++) {
		uint32_t t = a + b;

		a = b;
		b = t;
		out[i] = (uint8_t)(t >> 24);
	}
}

/* RFC 7693, appendix E: a hash over hashes, plain and keyed, of many lengths */
Test(blake2s, rfc7693_self_test)
{
	static const size_t out_lens[] = {16, 20, 28, 32};
	static const size_t in_lens[] = {0, 3, 64, 65, 255, 1024};
	uint8_t in[1024], md[32], key[32];
	struct sl_blake2s all;

	sl_blake2s_init(&all, 32, NULL, 0);
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 6; j++) {
			size_t out_len = out_lens[i], in_len = in_lens[j];

			self_test_sequence(in, in_len, (uint32_t)in_len);
			sl_blake2s(md, out_len, NULL, 0, in, in_len);
			sl_blake2s_update(&all, md, out_len);
			self_test_sequence(key, out_len, (uint32_t)out_len);
			sl_blake2s(md, out_len, key, out_len, in, in_len);
			sl_blake2s_update(&all, md, out_len);
		}
	}
	sl_blake2s_final(&all, md);
	cr_assert(is_hex(md, sizeof(md), "6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe"));
}

Test(blake2s, file_vectors)
{
	FILE *f = vectors_open("hashes/blake2/blake2s.txt");
	struct record r;
	unsigned int ran = 0;

	cr_assert_not_null(f, "python3-cryptography-vectors is not installed");
	while (vectors_next(f, &r)) {
		uint8_t msg[1024], md[32], out[32];
		size_t n = (size_t)atoi(record_text(&r, "Len")) / 8;

		record_bytes(&r, "Msg", msg, sizeof(msg));
		record_bytes(&r, "MD", md, sizeof(md));
		sl_blake2s(out, sizeof(out), NULL, 0, msg, n);
		cr_assert_arr_eq(out, md, sizeof(md), "%zu bytes", n);
		ran++;
	}
	fclose(f);
	cr_assert_eq(ran, 7);
}

/* Every length around block borders, in one call and cut in two at every place. */
Test(blake2s, incremental_equals_one_shot)
{
	struct seeded seed = {1};
	uint8_t in[200], key[32], want[32], got[32];

	seeded_bytes(&seed, in, sizeof(in));
	seeded_bytes(&seed, key, sizeof(key));
	for (size_t n = 0; n <= sizeof(in); n++) {
		for (size_t key_len = 0; key_len <= 32; key_len += 16) {
			sl_blake2s(want, 32, key, key_len, in, n);
			for (size_t cut = 0; cut <= n; cut++) {
				struct sl_blake2s s;

				sl_blake2s_init(&s, 32, key, key_len);
				sl_blake2s_update(&s, in, cut);
				sl_blake2s_update(&s, in + cut, n - cut);
				sl_blake2s_final(&s, got);
				cr_assert_arr_eq(got, want, 32, "%zu bytes cut at %zu", n, cut);
				cr_assert(sl_is_zero(&s, sizeof(s)), "the state is wiped");
			}
		}
	}
}

static void libcrypto_blake2s_mac(
        uint8_t *out, size_t out_len, const uint8_t *key, size_t key_len, const void *in, size_t n)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &out_len), OSSL_PARAM_construct_end()};

	cr_assert(EVP_MAC_init(ctx, key, key_len, params));
	cr_assert(EVP_MAC_update(ctx, in, n));
	cr_assert(EVP_MAC_final(ctx, out, NULL, 32));
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

Test(blake2s, equals_libcrypto)
{
	struct seeded seed = {2};
	uint8_t in[INPUT_LEN], key[32], want[32], got[33];

	for (unsigned int round = 0; round < 3000; round++) {
		size_t n = seeded_below(&seed, sizeof(in) + 1), out_len = 1 + seeded_below(&seed, 32);
		size_t key_len = 1 + seeded_below(&seed, 32);

		seeded_bytes(&seed, in, n);
		seeded_bytes(&seed, key, sizeof(key));
		libcrypto_blake2s_mac(want, out_len, key, key_len, in, n);
		got[out_len] = 0x5a;
		sl_blake2s(got, out_len, key, key_len, in, n);
		cr_assert_arr_eq(
		        got, want, out_len, "round %u: %zu bytes, key %zu, out %zu", round, n, key_len, out_len);
		cr_assert_eq(got[out_len], 0x5a, "writes out_len bytes only");
		if (out_len == 16) {
			sl_blake2s_mac128(got, key, key_len, in, n);
			cr_assert_arr_eq(got, want, 16);
		}
		EVP_Digest(in, n, want, NULL, EVP_blake2s256(), NULL);
		sl_blake2s(got, 32, NULL, 0, in, n);
		cr_assert_arr_eq(got, want, 32, "round %u: plain, %zu bytes", round, n);
	}
}
