/*
 * BLAKE2s and HKDF in lanes: every kernel there is, natively where the CPU runs it, and AVX-512 compiled for any CPU
 * (tests/emulate), against crypto/blake2s.c, crypto/kdf.c and libcrypto.
 */
#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "crypto/blake2s.h"
#include "crypto/blake2s_batch.h"
#include "crypto/blake2s_kernel.h"
#include "crypto/kdf.h"
#include "tests/unit/crypto/vectors.h"

#define MESSAGES 40
#define LEN_MAX  300
#define GUARD    0xa5

extern const struct sl_blake2s_kernel sl_blake2s_avx512_emulated;

static const struct sl_blake2s_kernel *kernels[4];
static unsigned int n_kernels;

static void setup(void)
{
	kernels[0] = NULL;
	kernels[1] = &sl_blake2s_avx512_emulated;
	n_kernels = 2;
	if (sl_simd_supported(SL_SIMD_AVX2))
		kernels[n_kernels++] = &sl_blake2s_avx2;
	if (sl_simd_supported(SL_SIMD_AVX512))
		kernels[n_kernels++] = &sl_blake2s_avx512;
}

TestSuite(blake2s_batch, .init = setup);

static const char *name_of(unsigned int k)
{
	return kernels[k] == NULL ? "one by one" : kernels[k]->name;
}

/* Messages at odd addresses, each in memory of its own. */
struct set {
	uint8_t msg[MESSAGES][LEN_MAX + 1];
	uint8_t key[MESSAGES][32];
	uint8_t out[3][MESSAGES + 1][33];
	const uint8_t *msgs[MESSAGES], *keys[MESSAGES];
	uint8_t *outs[3][MESSAGES];
};

static void prepare(struct set *s, struct seeded *seed)
{
	seeded_bytes(seed, s->msg, sizeof(s->msg));
	seeded_bytes(seed, s->key, sizeof(s->key));
	memset(s->out, GUARD, sizeof(s->out));
	for (unsigned int i = 0; i < MESSAGES; i++) {
		s->msgs[i] = s->msg[i] + i % 2;
		s->keys[i] = s->key[i];
		for (unsigned int j = 0; j < 3; j++)
			s->outs[j][i] = s->out[j][i];
	}
}

static void expect_untouched(const struct set *s, unsigned int j, unsigned int n, size_t out_len)
{
	for (unsigned int i = 0; i <= MESSAGES; i++)
		for (size_t at = i < n ? out_len : 0; at < sizeof(s->out[j][i]); at++)
			cr_assert_eq(s->out[j][i][at], GUARD, "message %u of %u, byte %zu", i, n, at);
}

Test(blake2s_batch, every_length_and_kind)
{
	static const size_t key_lens[] = {0, 16, 32}, out_lens[] = {16, 32};
	struct seeded seed = {21};

	for (unsigned int k = 0; k < n_kernels; k++) {
		for (size_t len = 0; len <= LEN_MAX; len++) {
			size_t key_len = key_lens[len % 3], out_len = out_lens[len / 3 % 2];
			unsigned int n = 1 + (unsigned int)seeded_below(&seed, MESSAGES);
			struct set s;

			prepare(&s, &seed);
			sl_blake2s_batch(
			        kernels[k], s.outs[0], out_len, key_len > 0 ? s.keys : NULL, key_len, s.msgs, len, n);
			for (unsigned int i = 0; i < n; i++) {
				uint8_t want[32];

				sl_blake2s(want, out_len, s.keys[i], key_len, s.msgs[i], len);
				cr_assert_arr_eq(s.out[0][i], want, out_len, "%s: %zu bytes, key %zu, message %u of %u",
				        name_of(k), len, key_len, i, n);
			}
			expect_untouched(&s, 0, n, out_len);
		}
	}
}

Test(blake2s_batch, every_count)
{
	struct seeded seed = {22};

	for (unsigned int k = 0; k < n_kernels; k++) {
		for (unsigned int n = 0; n <= MESSAGES; n++) {
			struct set s;

			prepare(&s, &seed);
			sl_blake2s_batch(kernels[k], s.outs[0], 16, s.keys, 32, s.msgs, 116, n);
			for (unsigned int i = 0; i < n; i++) {
				uint8_t want[16];

				sl_blake2s_mac128(want, s.keys[i], 32, s.msgs[i], 116);
				cr_assert_arr_eq(s.out[0][i], want, 16, "%s: message %u of %u", name_of(k), i, n);
			}
			expect_untouched(&s, 0, n, 16);
		}
	}
}

static void libcrypto_mac(uint8_t *out, size_t out_len, const uint8_t *key, size_t key_len, const void *in, size_t n)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &out_len), OSSL_PARAM_construct_end()};

	cr_assert(EVP_MAC_init(ctx, key, key_len, params) && EVP_MAC_update(ctx, in, n));
	cr_assert(EVP_MAC_final(ctx, out, NULL, 32));
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

Test(blake2s_batch, equals_libcrypto)
{
	struct seeded seed = {23};

	for (unsigned int k = 0; k < n_kernels; k++) {
		for (unsigned int round = 0; round < 100; round++) {
			size_t len = seeded_below(&seed, LEN_MAX + 1), key_len = 1 + seeded_below(&seed, 32);
			size_t out_len = 1 + seeded_below(&seed, 32);
			unsigned int n = 1 + (unsigned int)seeded_below(&seed, 20);
			uint8_t want[32];
			struct set s;

			prepare(&s, &seed);
			sl_blake2s_batch(kernels[k], s.outs[0], out_len, s.keys, key_len, s.msgs, len, n);
			sl_blake2s_batch(kernels[k], s.outs[1], 32, NULL, 0, s.msgs, len, n);
			for (unsigned int i = 0; i < n; i++) {
				libcrypto_mac(want, out_len, s.keys[i], key_len, s.msgs[i], len);
				cr_assert_arr_eq(s.out[0][i], want, out_len, "%s, round %u", name_of(k), round);
				EVP_Digest(s.msgs[i], len, want, NULL, EVP_blake2s256(), NULL);
				cr_assert_arr_eq(s.out[1][i], want, 32, "%s, round %u", name_of(k), round);
			}
			expect_untouched(&s, 0, n, out_len);
		}
	}
}

/* The count of bytes goes into two words of the state: a kernel is asked past 2^32 directly, crypto/blake2s.c as well.
 */
Test(blake2s_batch, counts_above_32_bits)
{
	struct seeded seed = {24};

	for (unsigned int k = 1; k < n_kernels; k++) {
		const uint8_t *blocks[SL_BLAKE2S_LANES_MAX];
		uint8_t block[64], out[32], got[32];
		struct sl_blake2s_words h;
		struct sl_blake2s s;

		sl_blake2s_init(&s, 32, NULL, 0);
		seeded_bytes(&seed, block, sizeof(block));
		s.count = UINT64_C(0x12fffffff0);
		for (unsigned int i = 0; i < SL_BLAKE2S_LANES_MAX; i++) {
			blocks[i] = block;
			for (unsigned int w = 0; w < 8; w++)
				h.words[w][i] = s.h[w];
		}
		kernels[k]->compress(&h, blocks, s.count + 64, false);
		kernels[k]->compress(&h, blocks, s.count + 128, true);
		sl_blake2s_update(&s, block, 64);
		sl_blake2s_update(&s, block, 64);
		sl_blake2s_final(&s, out);
		for (unsigned int i = 0; i < kernels[k]->lanes; i++) {
			for (unsigned int w = 0; w < 8; w++)
				memcpy(got + 4 * w, &h.words[w][i], 4);
			cr_assert_arr_eq(got, out, 32, "%s, lane %u", name_of(k), i);
		}
	}
}

static void kdf_one(unsigned int outputs, uint8_t want[3][32], const uint8_t *ck, const uint8_t *data, size_t len)
{
	if (outputs == 1)
		sl_kdf1(want[0], ck, data, len);
	else if (outputs == 2)
		sl_kdf2(want[0], want[1], ck, data, len);
	else
		sl_kdf3(want[0], want[1], want[2], ck, data, len);
}

Test(blake2s_batch, kdf_equals_the_single_one)
{
	struct seeded seed = {25};

	for (unsigned int k = 0; k < n_kernels; k++) {
		for (unsigned int n = 1; n <= MESSAGES; n++) {
			for (unsigned int outputs = 1; outputs <= 3; outputs++) {
				size_t len = n % 5 == 0 ? 0 : n % 7 == 0 ? seeded_below(&seed, 33) : 32;
				uint8_t *const *outs[3];
				struct set s;

				prepare(&s, &seed);
				for (unsigned int j = 0; j < 3; j++)
					outs[j] = s.outs[j];
				sl_kdf_batch(kernels[k], outs, outputs, s.keys, len > 0 ? s.msgs : NULL, len, n);
				for (unsigned int i = 0; i < n; i++) {
					uint8_t want[3][32];

					kdf_one(outputs, want, s.keys[i], s.msgs[i], len);
					for (unsigned int j = 0; j < outputs; j++)
						cr_assert_arr_eq(s.out[j][i], want[j], 32,
						        "%s: output %u of %u, %u of %u", name_of(k), j, outputs, i, n);
				}
				for (unsigned int j = 0; j < 3; j++)
					expect_untouched(&s, j, j < outputs ? n : 0, 32);
			}
		}
	}
}

/* As the key schedule calls it: the chaining key is an output, the hash is its own message. */
Test(blake2s_batch, outputs_may_be_inputs)
{
	struct seeded seed = {26};

	for (unsigned int k = 0; k < n_kernels; k++) {
		uint8_t want[3][32], hash[32];
		uint8_t *cks[MESSAGES], *hashed[MESSAGES];
		uint8_t *const *outs[3];
		struct set s, before;

		prepare(&s, &seed);
		for (unsigned int i = 0; i < MESSAGES; i++) {
			cks[i] = s.key[i];
			hashed[i] = s.msg[i] + i % 2;
		}
		outs[0] = cks;
		outs[1] = s.outs[1];
		before = s;
		sl_kdf_batch(kernels[k], outs, 2, s.keys, s.msgs, 32, MESSAGES);
		sl_blake2s_batch(kernels[k], hashed, 32, NULL, 0, s.msgs, 80, MESSAGES);
		for (unsigned int i = 0; i < MESSAGES; i++) {
			kdf_one(2, want, before.key[i], before.msg[i] + i % 2, 32);
			cr_assert_arr_eq(s.key[i], want[0], 32);
			cr_assert_arr_eq(s.out[1][i], want[1], 32);
			sl_blake2s(hash, 32, NULL, 0, before.msg[i] + i % 2, 80);
			cr_assert_arr_eq(s.msg[i] + i % 2, hash, 32);
		}
	}
}

Test(blake2s_batch, kernels_by_level)
{
	cr_assert_null(sl_blake2s_kernel_of(SL_SIMD_SSE));
	cr_assert_eq(sl_blake2s_kernel_of(SL_SIMD_AVX2), &sl_blake2s_avx2);
	cr_assert_eq(sl_blake2s_kernel_of(SL_SIMD_AVX512), &sl_blake2s_avx512);
	cr_assert_eq(sl_blake2s_kernel_of(SL_SIMD_AUTO), sl_blake2s_kernel_of(sl_simd_best()));
}
