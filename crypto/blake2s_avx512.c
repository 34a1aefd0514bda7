/* BLAKE2s in 16 lanes (crypto/blake2s_kernel.h). Needs AVX-512 F. */
#include <immintrin.h>

#include "crypto/blake2s_kernel.h"
#include "crypto/zmm.h"

typedef __m512i vec;

#define vec_add(a, b)    _mm512_add_epi32(a, b)
#define vec_xor(a, b)    _mm512_xor_si512(a, b)
#define vec_set(word)    _mm512_set1_epi32((int)(word))
#define vec_rotate_16(a) _mm512_rol_epi32(a, 32 - 16)
#define vec_rotate_12(a) _mm512_rol_epi32(a, 32 - 12)
#define vec_rotate_8(a)  _mm512_rol_epi32(a, 32 - 8)
#define vec_rotate_7(a)  _mm512_rol_epi32(a, 32 - 7)

#include "crypto/blake2s_rounds.h"

#define LANES 16

/* Rows to columns: m[i] has word i of every block. */
BLAKE2S_INLINE void transpose(vec m[BLAKE2S_WORDS], const uint8_t *const *blocks)
{
	vec r[LANES], s[LANES];

#pragma GCC unroll 16
	for (int i = 0; i < LANES; i++)
		r[i] = _mm512_loadu_si512(blocks[i]);
		/* within 128 bits: pairs of rows, then fours */
#pragma GCC unroll 8
	for (int i = 0; i < LANES; i += 2) {
		s[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
		s[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
	}
#pragma GCC unroll 4
	for (int i = 0; i < LANES; i += 4) {
		r[i] = _mm512_unpacklo_epi64(s[i], s[i + 2]);
		r[i + 1] = _mm512_unpackhi_epi64(s[i], s[i + 2]);
		r[i + 2] = _mm512_unpacklo_epi64(s[i + 1], s[i + 3]);
		r[i + 3] = _mm512_unpackhi_epi64(s[i + 1], s[i + 3]);
	}
	/* r[4 k + c] has words c, 4 + c, 8 + c, 12 + c of rows 4 k to 4 k + 3: a transposition of its own, by quarters
	 */
#pragma GCC unroll 4
	for (int c = 0; c < 4; c++) {
		vec even = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88), odd = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xdd);
		vec even_high = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
		vec odd_high = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xdd);

		m[c] = _mm512_shuffle_i32x4(even, even_high, 0x88);
		m[4 + c] = _mm512_shuffle_i32x4(odd, odd_high, 0x88);
		m[8 + c] = _mm512_shuffle_i32x4(even, even_high, 0xdd);
		m[12 + c] = _mm512_shuffle_i32x4(odd, odd_high, 0xdd);
	}
}

static void compress(struct sl_blake2s_words *words, const uint8_t *const *blocks, uint64_t count, bool last)
{
	vec h[8], m[BLAKE2S_WORDS];

#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		h[i] = _mm512_loadu_si512(words->words[i]);
	transpose(m, blocks);
	blake2s_mix(h, m, count, last);
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		_mm512_storeu_si512(words->words[i], h[i]);
	sl_zmm_clear();
}

const struct sl_blake2s_kernel sl_blake2s_avx512 = {.name = "avx512", .lanes = LANES, .worth = 3, .compress = compress};
