/*
 * 16 state vectors and what a quarter round needs beside them do not fit 16 registers. So of the third row, two vectors
 * are always in memory and change places with the other two between pairs of quarter rounds. Left to itself the
 * compiler spills two to three times as much; therefore the moves and the shuffles with constants in memory
 * are spelled out.
 */
#include "crypto/aead_avx2_pass.h"

/* Byte shuffles that rotate each 32-bit word left by 16 and by 8. */
static const uint8_t rotate16[32] __attribute__((aligned(32))) = {
        2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13};
static const uint8_t rotate8[32] __attribute__((aligned(32))) = {
        3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14};

/* "expa", "nd 3", "2-by", "te k" */
#define WORD0 0x61707865
#define WORD1 0x3320646e
#define WORD2 0x79622d32
#define WORD3 0x6b206574

static inline __attribute__((always_inline)) __m256i shuffle(__m256i x, const uint8_t order[32])
{
	__asm__("vpshufb %1, %0, %0" : "+x"(x) : "m"(*(const __m256i *)order));
	return x;
}

#define ROTATE(x, n) _mm256_or_si256(_mm256_slli_epi32(x, n), _mm256_srli_epi32(x, 32 - (n)))
#define ADD(x, y)    x = _mm256_add_epi32(x, y)
#define XOR(x, y)    x = _mm256_xor_si256(x, y)
#define PUT(m, x)    __asm__("vmovdqa %1, %0" : "=m"(m) : "x"(x))
#define GET(x, m)    __asm__("vmovdqa %1, %0" : "=x"(x) : "m"(m))

/* Two quarter rounds at once. */
#define PAIR(a0, a1, b0, b1, c0, c1, d0, d1)                                                                           \
	do {                                                                                                           \
		ADD(a0, b0);                                                                                           \
		ADD(a1, b1);                                                                                           \
		XOR(d0, a0);                                                                                           \
		XOR(d1, a1);                                                                                           \
		d0 = shuffle(d0, rotate16);                                                                            \
		d1 = shuffle(d1, rotate16);                                                                            \
		ADD(c0, d0);                                                                                           \
		ADD(c1, d1);                                                                                           \
		XOR(b0, c0);                                                                                           \
		XOR(b1, c1);                                                                                           \
		b0 = ROTATE(b0, 12);                                                                                   \
		b1 = ROTATE(b1, 12);                                                                                   \
		ADD(a0, b0);                                                                                           \
		ADD(a1, b1);                                                                                           \
		XOR(d0, a0);                                                                                           \
		XOR(d1, a1);                                                                                           \
		d0 = shuffle(d0, rotate8);                                                                             \
		d1 = shuffle(d1, rotate8);                                                                             \
		ADD(c0, d0);                                                                                           \
		ADD(c1, d1);                                                                                           \
		XOR(b0, c0);                                                                                           \
		XOR(b1, c1);                                                                                           \
		b0 = ROTATE(b0, 7);                                                                                    \
		b1 = ROTATE(b1, 7);                                                                                    \
	} while (0)

/*
 * A column and a diagonal round, with one statement for Poly1305 after each pair. c0 and c1 hold vectors 8 and 9 before
 * and after, rest[0..1] are where these go meanwhile, rest[2..3] hold 10 and 11.
 */
#define DOUBLE_ROUND(poly0, poly1, poly2, poly3)                                                                       \
	do {                                                                                                           \
		PAIR(x0, x1, x4, x5, c0, c1, x12, x13);                                                                \
		poly0;                                                                                                 \
		PUT(rest[0], c0);                                                                                      \
		PUT(rest[1], c1);                                                                                      \
		GET(c0, rest[2]);                                                                                      \
		GET(c1, rest[3]);                                                                                      \
		PAIR(x2, x3, x6, x7, c0, c1, x14, x15);                                                                \
		poly1;                                                                                                 \
		PAIR(x0, x1, x5, x6, c0, c1, x15, x12);                                                                \
		poly2;                                                                                                 \
		PUT(rest[2], c0);                                                                                      \
		PUT(rest[3], c1);                                                                                      \
		GET(c0, rest[0]);                                                                                      \
		GET(c1, rest[1]);                                                                                      \
		PAIR(x2, x3, x7, x4, c0, c1, x13, x14);                                                                \
		poly3;                                                                                                 \
	} while (0)

#define STEP_A(n) poly1305_step(&a0, &a1, &a2, a->poly, a->data + (n)*POLY1305_BLOCK)
#define STEP_B(n) poly1305_step(&b0, &b1, &b2, b->poly, b->data + (n)*POLY1305_BLOCK)

/* Bytes ahead of the lanes' text that are fetched: two passes. */
#define AHEAD (2 * CHACHA20_BLOCK)

/* Xors half a block of each lane, which is in the rows' columns. */
static inline __attribute__((always_inline)) void put_half(const struct avx2_lanes *lanes, __m256i rows[8], size_t at)
{
	avx2_transpose(rows);
	for (int i = 0; i < AVX2_LANES; i++) {
		__m256i text = _mm256_loadu_si256((const __m256i *)(lanes->src[i] + at));

		_mm256_storeu_si256((__m256i *)(lanes->dst[i] + at), _mm256_xor_si256(rows[i], text));
	}
}

static inline __attribute__((always_inline)) void move_on(struct avx2_lanes *lanes)
{
	lanes->block = _mm256_add_epi32(lanes->block, lanes->step);
	for (int i = 0; i < AVX2_LANES; i++) {
		lanes->src[i] += lanes->advance[i];
		_mm_prefetch((const char *)lanes->src[i] + AHEAD, _MM_HINT_T0);
		lanes->dst[i] += lanes->advance[i];
	}
}

static inline __attribute__((always_inline)) void pass(struct avx2_lanes *lanes, const struct avx2_span *spans)
{
	const __m256i *key = lanes->key;
	__m256i x0 = _mm256_set1_epi32(WORD0), x1 = _mm256_set1_epi32(WORD1), x2 = _mm256_set1_epi32(WORD2),
	        x3 = _mm256_set1_epi32(WORD3), x4 = key[0], x5 = key[1], x6 = key[2], x7 = key[3], c0 = key[4],
	        c1 = key[5], x12 = lanes->block, x13 = _mm256_setzero_si256(), x14 = lanes->nonce_lo,
	        x15 = lanes->nonce_hi, rest[4];

	PUT(rest[2], key[6]);
	PUT(rest[3], key[7]);
	for (int i = 0; i < 4; i++) {
		if (spans == NULL) {
			DOUBLE_ROUND(, , , );
			DOUBLE_ROUND(, , , );
			continue;
		}

		const struct avx2_span *a = &spans[2 * i], *b = a + 1;
		uint64_t a0 = a->poly->h0, a1 = a->poly->h1, a2 = a->poly->h2;
		uint64_t b0 = b->poly->h0, b1 = b->poly->h1, b2 = b->poly->h2;

		DOUBLE_ROUND(STEP_A(0), STEP_B(0), STEP_A(1), STEP_B(1));
		DOUBLE_ROUND(STEP_A(2), STEP_B(2), STEP_A(3), STEP_B(3));
		a->poly->h0 = a0;
		a->poly->h1 = a1;
		a->poly->h2 = a2;
		b->poly->h0 = b0;
		b->poly->h1 = b1;
		b->poly->h2 = b2;
	}
	DOUBLE_ROUND(, , , );
	DOUBLE_ROUND(, , , );

	__m256i low[8] = {_mm256_add_epi32(x0, _mm256_set1_epi32(WORD0)),
	        _mm256_add_epi32(x1, _mm256_set1_epi32(WORD1)), _mm256_add_epi32(x2, _mm256_set1_epi32(WORD2)),
	        _mm256_add_epi32(x3, _mm256_set1_epi32(WORD3)), _mm256_add_epi32(x4, key[0]),
	        _mm256_add_epi32(x5, key[1]), _mm256_add_epi32(x6, key[2]), _mm256_add_epi32(x7, key[3])};
	__m256i high[8] = {_mm256_add_epi32(c0, key[4]), _mm256_add_epi32(c1, key[5]),
	        _mm256_add_epi32(rest[2], key[6]), _mm256_add_epi32(rest[3], key[7]),
	        _mm256_add_epi32(x12, lanes->block), x13, _mm256_add_epi32(x14, lanes->nonce_lo),
	        _mm256_add_epi32(x15, lanes->nonce_hi)};

	put_half(lanes, low, 0);
	put_half(lanes, high, CHACHA20_BLOCK / 2);
	move_on(lanes);
}

void avx2_pass(struct avx2_lanes *lanes)
{
	pass(lanes, NULL);
}

void avx2_pass_and_absorb(struct avx2_lanes *lanes, const struct avx2_span spans[AVX2_SPANS])
{
	pass(lanes, spans);
}
