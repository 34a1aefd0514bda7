/*
 * In place of the compiler's immintrin.h where the AVX-512 kernels are compiled a second time, for any CPU, so that
 * unit tests verify them on machines without AVX-512: SIMDe's intrinsics in plain C, and those that it lacks. All that
 * the kernels use are held against plain C in tests/unit/crypto/test_emulate.c. Used by tests alone; slow.
 */
#pragma once

#define SIMDE_NO_NATIVE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <stdint.h>
#include <string.h>

typedef uint8_t __mmask8;
typedef uint64_t __mmask64;

typedef uint64_t emulated_lanes[8];

static inline __m512i emulated_join(const emulated_lanes lanes)
{
	__m512i v;

	memcpy(&v, lanes, sizeof(v));
	return v;
}

/* a[i] + the low or high 52 bits of the product of the low 52 bits of b[i] and c[i] */
static inline __m512i emulated_madd52(__m512i a, __m512i b, __m512i c, int shift)
{
	const uint64_t low = (1ULL << 52) - 1;
	emulated_lanes x, y, z;

	memcpy(x, &a, sizeof(x));
	memcpy(y, &b, sizeof(y));
	memcpy(z, &c, sizeof(z));
	for (int i = 0; i < 8; i++)
		x[i] += (uint64_t)((unsigned __int128)(y[i] & low) * (z[i] & low) >> shift) & low;
	return emulated_join(x);
}

#define _mm512_madd52lo_epu64(a, b, c) emulated_madd52(a, b, c, 0)
#define _mm512_madd52hi_epu64(a, b, c) emulated_madd52(a, b, c, 52)

static inline uint8_t emulated_cmplt_epu64_mask(__m512i a, __m512i b)
{
	emulated_lanes x, y;
	uint8_t mask = 0;

	memcpy(x, &a, sizeof(x));
	memcpy(y, &b, sizeof(y));
	for (int i = 0; i < 8; i++)
		mask |= (uint8_t)((x[i] < y[i]) << i);
	return mask;
}

/* The sign fills up from above; a count of 64 or more leaves nothing else. */
static inline __m512i emulated_srai_epi64(__m512i a, unsigned int by)
{
	emulated_lanes x;

	memcpy(x, &a, sizeof(x));
	for (int i = 0; i < 8; i++)
		x[i] = (uint64_t)((int64_t)x[i] >> (by < 64 ? by : 63));
	return emulated_join(x);
}

#define _mm512_cmplt_epu64_mask(a, b) emulated_cmplt_epu64_mask(a, b)
#define _mm512_srai_epi64(a, by)      emulated_srai_epi64(a, by)
#define _mm256_zeroall()              ((void)0)

/* Bytes whose bit in the mask is 0 are not touched, so they may lie where nothing is mapped. */
static inline __m512i emulated_maskz_loadu_epi8(uint64_t mask, const void *p)
{
	uint8_t bytes[64] = {0};
	__m512i v;

	for (int i = 0; i < 64; i++)
		if (mask >> i & 1)
			bytes[i] = ((const uint8_t *)p)[i];
	memcpy(&v, bytes, sizeof(v));
	return v;
}

static inline void emulated_mask_storeu_epi8(void *p, uint64_t mask, __m512i v)
{
	uint8_t bytes[64];

	memcpy(bytes, &v, sizeof(bytes));
	for (int i = 0; i < 64; i++)
		if (mask >> i & 1)
			((uint8_t *)p)[i] = bytes[i];
}

#define _mm512_maskz_loadu_epi8(mask, p)    emulated_maskz_loadu_epi8(mask, p)
#define _mm512_mask_storeu_epi8(p, mask, v) emulated_mask_storeu_epi8(p, mask, v)
