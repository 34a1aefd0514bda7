/*
 * The ten rounds of BLAKE2s over vectors of lanes (RFC 7693, sections 2.6 to 3.2), for the kernels alone. Before it is
 * included they define the type vec, and vec_add, vec_xor, vec_set, and the rotations to the right vec_rotate_16, _12,
 * _8 and _7.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BLAKE2S_ROUNDS 10
#define BLAKE2S_WORDS  16 /* of the working vector and of a block */

static const uint32_t blake2s_iv[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint8_t blake2s_sigma[BLAKE2S_ROUNDS][BLAKE2S_WORDS] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
        {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
        {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
        {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
        {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
        {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
        {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
        {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
        {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

#define BLAKE2S_INLINE static inline __attribute__((always_inline))

/* The halves of the mixing function G. */
BLAKE2S_INLINE void blake2s_first_half(vec *a, vec *b, vec *c, vec *d, vec word)
{
	*a = vec_add(vec_add(*a, *b), word);
	*d = vec_rotate_16(vec_xor(*d, *a));
	*c = vec_add(*c, *d);
	*b = vec_rotate_12(vec_xor(*b, *c));
}

BLAKE2S_INLINE void blake2s_second_half(vec *a, vec *b, vec *c, vec *d, vec word)
{
	*a = vec_add(vec_add(*a, *b), word);
	*d = vec_rotate_8(vec_xor(*d, *a));
	*c = vec_add(*c, *d);
	*b = vec_rotate_7(vec_xor(*b, *c));
}

/* Four of them beside each other, half by half so that their chains overlap: columns, or diagonals. */
BLAKE2S_INLINE void blake2s_four(vec v[BLAKE2S_WORDS], const vec m[BLAKE2S_WORDS], const uint8_t *sigma, int diagonal)
{
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		blake2s_first_half(&v[i], &v[4 + (i + diagonal) % 4], &v[8 + (i + 2 * diagonal) % 4],
		        &v[12 + (i + 3 * diagonal) % 4], m[sigma[2 * i]]);
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		blake2s_second_half(&v[i], &v[4 + (i + diagonal) % 4], &v[8 + (i + 2 * diagonal) % 4],
		        &v[12 + (i + 3 * diagonal) % 4], m[sigma[2 * i + 1]]);
}

/* Mixes the message words into the chaining values. */
BLAKE2S_INLINE void blake2s_mix(vec h[8], const vec m[BLAKE2S_WORDS], uint64_t count, bool last)
{
	vec v[BLAKE2S_WORDS];

#pragma GCC unroll 8
	for (int i = 0; i < 8; i++) {
		v[i] = h[i];
		v[8 + i] = vec_set(blake2s_iv[i]);
	}
	v[12] = vec_set(blake2s_iv[4] ^ (uint32_t)count);
	v[13] = vec_set(blake2s_iv[5] ^ (uint32_t)(count >> 32));
	v[14] = vec_set(last ? ~blake2s_iv[6] : blake2s_iv[6]);
#pragma GCC unroll 10
	for (int r = 0; r < BLAKE2S_ROUNDS; r++) {
		blake2s_four(v, m, blake2s_sigma[r], 0);
		blake2s_four(v, m, blake2s_sigma[r] + 8, 1);
	}
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++)
		h[i] = vec_xor(h[i], vec_xor(v[i], v[8 + i]));
}
