/* BLAKE2s in 8 lanes (crypto/blake2s_kernel.h). Needs AVX2. */
#include <immintrin.h>

#include "crypto/blake2s_kernel.h"

typedef __m256i vec;

#define vec_add(a, b) _mm256_add_epi32(a, b)
#define vec_xor(a, b) _mm256_xor_si256(a, b)
#define vec_set(word) _mm256_set1_epi32((int)(word))

#define vec_rotate(a, count) _mm256_or_si256(_mm256_srli_epi32(a, count), _mm256_slli_epi32(a, 32 - (count)))
#define vec_rotate_12(a)     vec_rotate(a, 12)
#define vec_rotate_7(a)      vec_rotate(a, 7)

/* Whole bytes are moved by a shuffle. */
static inline __attribute__((always_inline)) vec vec_rotate_16(vec a)
{
	return _mm256_shuffle_epi8(
	        a, _mm256_broadcastsi128_si256(_mm_set_epi8(13, 12, 15, 14, 9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2)));
}

static inline __attribute__((always_inline)) vec vec_rotate_8(vec a)
{
	return _mm256_shuffle_epi8(
	        a, _mm256_broadcastsi128_si256(_mm_set_epi8(12, 15, 14, 13, 8, 11, 10, 9, 4, 7, 6, 5, 0, 3, 2, 1)));
}

#include "crypto/blake2s_rounds.h"

#define LANES 8

/* Rows to columns for one half of the blocks: m[i] has word `first` + i of every block. */
BLAKE2S_INLINE void transpose(vec m[LANES], const uint8_t *const *blocks, int first)
{
	vec r[LANES], s[LANES];

#pragma GCC unroll 8
	for (int i = 0; i < LANES; i++)
		r[i] = _mm256_loadu_si256((const vec *)(blocks[i] + first * (int)sizeof(uint32_t)));
#pragma GCC unroll 4
	for (int i = 0; i < LANES; i += 2) {
		s[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
		s[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
	}
#pragma GCC unroll 2
	for (int i = 0; i < LANES; i += 4) {
		r[i] = _mm256_unpacklo_epi64(s[i], s[i + 2]);
		r[i + 1] = _mm256_unpackhi_epi64(s[i], s[i + 2]);
		r[i + 2] = _mm256_unpacklo_epi64(s[i + 1], s[i + 3]);
		r[i + 3] = _mm256_unpackhi_epi64(s[i + 1], s[i + 3]);
	}
#pragma GCC unroll 4
	for (int c = 0; c < 4; c++) {
		m[c] = _mm256_permute2x128_si256(r[c], r[4 + c], 0x20);
		m[4 + c] = _mm256_permute2x128_si256(r[c], r[4 + c], 0x31);
	}
}

static void compress(struct sl_blake2s_words *words, const uint8_t *const *blocks, uint64_t count, bool last)
{
	vec h[8], m[BLAKE2S_WORDS];

#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		h[i] = _mm256_loadu_si256((const vec *)words->words[i]);
	transpose(m, blocks, 0);
	transpose(m + LANES, blocks, LANES);
	blake2s_mix(h, m, count, last);
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		_mm256_storeu_si256((vec *)words->words[i], h[i]);
	_mm256_zeroall();
}

const struct sl_blake2s_kernel sl_blake2s_avx2 = {.name = "avx2", .lanes = LANES, .worth = 3, .compress = compress};
