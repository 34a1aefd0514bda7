#include "dataplane/csum.h"

#include <immintrin.h>

/*
 * Vectors multiply and add signed 16-bit words to 32-bit lanes. So words are taken less 2^15, and what that takes away
 * is added in the end. A lane takes at most 2^16 a step: so many bytes at a time cannot overflow it, nor the sum of lanes.
 */
#define PIECE       ((size_t)1 << 16)
#define LESS        0x8000
#define WIDE_FROM   128 /* bytes from which wider vectors pay */

/* Up to 15 bytes. */
static inline uint64_t
add_tail(uint64_t sum, const uint8_t *p, size_t n)
{
	uint32_t word;

	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (n > 0) {
		word = 0;
		memcpy(&word, p, n);
		sum += word;
	}
	return sum;
}

/* Two words of the running sum become one, so that nothing is lost however often it is added to. */
static inline uint64_t
settle(uint64_t sum)
{
	return (sum & UINT32_MAX) + (sum >> 32);
}

static inline int32_t
add_lanes(__m128i lanes)
{
	lanes = _mm_add_epi32(lanes, _mm_shuffle_epi32(lanes, _MM_SHUFFLE(1, 0, 3, 2)));
	lanes = _mm_add_epi32(lanes, _mm_shuffle_epi32(lanes, _MM_SHUFFLE(2, 3, 0, 1)));
	return _mm_cvtsi128_si32(lanes);
}

static inline uint64_t
add_piece_sse(const uint8_t *p, size_t n)
{
	const __m128i ones = _mm_set1_epi16(1), less = _mm_set1_epi16((int16_t)LESS);
	__m128i a = _mm_setzero_si128(), b = a;
	size_t i = 0;

	for (; i + 32 <= n; i += 32) {
		__m128i v = _mm_loadu_si128((const void *)(p + i)), w = _mm_loadu_si128((const void *)(p + i + 16));

		a = _mm_add_epi32(a, _mm_madd_epi16(_mm_xor_si128(v, less), ones));
		b = _mm_add_epi32(b, _mm_madd_epi16(_mm_xor_si128(w, less), ones));
	}
	if (i < n) {
		__m128i v = _mm_loadu_si128((const void *)(p + i));

		a = _mm_add_epi32(a, _mm_madd_epi16(_mm_xor_si128(v, less), ones));
	}
	return (uint64_t)((int64_t)add_lanes(_mm_add_epi32(a, b)) + (int64_t)(n / 2 * LESS));
}

uint64_t
sl_csum_add_sse(uint64_t sum, const void *data, size_t n)
{
	const uint8_t *p = data;

	sum = settle(sum);
	while (n >= sizeof(__m128i)) {
		size_t part = n < PIECE ? n & ~(sizeof(__m128i) - 1) : PIECE;

		sum += add_piece_sse(p, part);
		p += part;
		n -= part;
	}
	return add_tail(sum, p, n);
}

#define AVX2 __attribute__((target("avx2")))

/* n: a multiple of 64. */
AVX2 static inline uint64_t
add_piece_avx2(const uint8_t *p, size_t n)
{
	const __m256i ones = _mm256_set1_epi16(1), less = _mm256_set1_epi16((int16_t)LESS);
	__m256i a = _mm256_setzero_si256(), b = a;

	for (size_t i = 0; i < n; i += 64) {
		__m256i v = _mm256_loadu_si256((const void *)(p + i)), w = _mm256_loadu_si256((const void *)(p + i + 32));

		a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_xor_si256(v, less), ones));
		b = _mm256_add_epi32(b, _mm256_madd_epi16(_mm256_xor_si256(w, less), ones));
	}
	a = _mm256_add_epi32(a, b);
	return (uint64_t)((int64_t)add_lanes(_mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1))) +
		(int64_t)(n / 2 * LESS));
}

AVX2 uint64_t
sl_csum_add_avx2(uint64_t sum, const void *data, size_t n)
{
	const uint8_t *p = data;

	sum = settle(sum);
	while (n >= 2 * sizeof(__m256i)) {
		size_t part = n < PIECE ? n & ~(2 * sizeof(__m256i) - 1) : PIECE;

		sum += add_piece_avx2(p, part);
		p += part;
		n -= part;
	}
	return sl_csum_add_sse(sum, p, n);
}

uint64_t
sl_csum_add(uint64_t sum, const void *data, size_t n)
{
	return n >= WIDE_FROM && __builtin_cpu_supports("avx2") ? sl_csum_add_avx2(sum, data, n) :
								  sl_csum_add_sse(sum, data, n);
}
