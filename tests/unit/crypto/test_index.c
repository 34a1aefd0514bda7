#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/index.h"
#include "tests/unit/crypto/vectors.h"

/* Beaulieu et al. 2013, appendix C: key 1918 1110 0908 0100 */
static const uint8_t paper_seed[8] = {0x00, 0x01, 0x08, 0x09, 0x10, 0x11, 0x18, 0x19};

Test(index, speck32_64_vector)
{
	struct sl_index_key key;

	sl_index_key_init(&key, paper_seed);
	cr_assert_eq(sl_index_seal(&key, 0x6574694c), 0xa86842f2);
	cr_assert_eq(sl_index_open(&key, 0xa86842f2), 0x6574694c);
}

Test(index, open_undoes_seal)
{
	struct seeded seed = {8};

	for (unsigned int round = 0; round < 2000; round++) {
		uint8_t bytes[8];
		struct sl_index_key key;

		seeded_bytes(&seed, bytes, sizeof(bytes));
		sl_index_key_init(&key, bytes);
		for (unsigned int i = 0; i < 50; i++) {
			uint32_t plain = i < 25 ? i : (uint32_t)seeded_next(&seed);

			cr_assert_eq(sl_index_open(&key, sl_index_seal(&key, plain)), plain);
		}
	}
}

/* No two of 2^22 plain values meet: a bitmap over all 2^32 indices. */
Test(index, p21_permutation)
{
	uint8_t *seen = calloc(1, 1UL << 29);
	struct sl_index_key key;

	cr_assert_not_null(seen);
	sl_index_key_init(&key, paper_seed);
	for (uint32_t plain = 0; plain < 1U << 22; plain++) {
		uint32_t index = sl_index_seal(&key, plain);

		cr_assert_eq(seen[index / 8] >> index % 8 & 1, 0, "%u", plain);
		seen[index / 8] |= (uint8_t)(1 << index % 8);
	}
	free(seen);
}

Test(index, p21_key_matters)
{
	uint8_t other_seed[8];
	struct sl_index_key key, other;

	sl_index_key_init(&key, paper_seed);
	for (unsigned int bit = 0; bit < 64; bit++) {
		memcpy(other_seed, paper_seed, 8);
		other_seed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		sl_index_key_init(&other, other_seed);
		cr_assert_neq(sl_index_seal(&key, 1), sl_index_seal(&other, 1), "key bit %u", bit);
	}
}

Test(index, burst_equals_single)
{
	struct seeded seed = {9};
	struct sl_index_key key;
	uint32_t in[101], out[101];

	sl_index_key_init(&key, paper_seed);
	for (unsigned int n = 0; n <= 100; n++) {
		for (unsigned int i = 0; i < 101; i++) {
			in[i] = (uint32_t)seeded_next(&seed);
			out[i] = 0x5a5a5a5a;
		}
		sl_index_open_burst(&key, in, out, n);
		for (unsigned int i = 0; i < n; i++)
			cr_assert_eq(out[i], sl_index_open(&key, in[i]), "%u of %u", i, n);
		for (unsigned int i = n; i < 101; i++)
			cr_assert_eq(out[i], 0x5a5a5a5a, "beyond %u", n);
		sl_index_open_burst(&key, in, in, n);
		cr_assert_arr_eq(in, out, n * sizeof(in[0]), "in place");
	}
}
