/*
 * One pass of the AVX2 kernel: the ChaCha20 block function (RFC 8439 section 2.3) over 8 lanes, each with a key, nonce and
 * counter of its own, and beside it up to 8 spans of 64 bytes for Poly1305. The two share a loop because they use
 * different execution units: the spans then cost little. Part of crypto/aead_avx2.c; memory is its scratch.
 */
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/poly1305_x64.h"

#define AVX2_LANES    8
#define CHACHA20_BLOCK 64

/* A key as ChaCha20 loads it: 8 words. */
#define CHACHA20_KEY_WORDS 8

/* What the lanes of a pass hold. A lane that has nothing to do makes a key stream nobody reads. */
struct avx2_lanes {
	__m256i key[CHACHA20_KEY_WORDS]; /* word by word */
	__m256i block;                   /* counter of the next block */
	__m256i step;                    /* added to it after each pass */
	__m256i nonce_lo, nonce_hi;      /* the nonce's last two words; the first is 0 */
	const uint8_t *src[AVX2_LANES];  /* 64 bytes each, xored with the key stream */
	uint8_t *dst[AVX2_LANES];        /* to here */
	size_t advance[AVX2_LANES];      /* added to both after each pass */
};

/* 64 bytes of a message and the state that absorbs them. */
struct avx2_span {
	struct poly1305 *poly;
	const uint8_t *data;
};

/* Spans that a pass absorbs; those at 2i and 2i + 1 go on together, so they must not be of one message. */
#define AVX2_SPANS 8

/* Writes dst = src ^ key stream in every lane and moves the lanes on. */
void avx2_pass(struct avx2_lanes *lanes);

/*
 * The same, and absorbs all 8 spans: read before the first byte of dst is written, and not affected by it. Messages do
 * not matter where a span is not needed, but memory for it must be there.
 */
void avx2_pass_and_absorb(struct avx2_lanes *lanes, const struct avx2_span spans[AVX2_SPANS]);

/* Turns 8 rows of 8 words into 8 columns. */
static inline __attribute__((always_inline)) void avx2_transpose(__m256i a[8])
{
	__m256i t[8], u[8];

	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]);
		t[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
	}
	for (int i = 0; i < 8; i += 4) {
		u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
		u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
		u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
		u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	for (int i = 0; i < 4; i++) {
		a[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
		a[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
	}
}
