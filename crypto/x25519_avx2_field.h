/*
 * The field of X25519 in 4 lanes, for crypto/x25519_avx2*.c. AVX2 multiplies integers of 32 bits only, but doubles of
 * 53, exactly and twice a cycle with the fused multiply-add; so a limb is a double that holds an integer. Nothing is
 * ever rounded that is not meant to be, and no value but 0 is below 1, so there are no denormals, whose time would
 * depend on them. The rounding mode must be the nearest (sl_fe_begin).
 *
 * An element is 5 signed limbs, of weight 2^51 each, so 2^255 = 19 (mod p) folds whole limbs:
 *
 *   tight: |limb| <= 2^50 + 2^13. What sl_fe_carry gives.
 *   loose: |limb| <= 2^51 + 2^23. A sum or difference of two, and some more.
 *
 * A product of limbs ab below 2^102 is split by two multiply-adds: ab + 3 * 2^102 lies in [2^103, 2^104], where doubles
 * are 2^51 apart, so its low bits count h = ab / 2^51, rounded; and ab - 2^51 h + 3 * 2^51 is exact, with
 * l = ab - 2^51 h in its low bits, |l| <= 2^50. As bits both are integers, so they are summed up with integer
 * additions, which is why there are columns:
 *
 *   columns: 5 signed integers of 64 bits, of weight 2^51 each, plus a bias that depends on how they were computed:
 *   that of the bits of 3 * 2^102 and 3 * 2^51 as often as they were added, modulo 2^64. sl_fe_carry takes it away.
 *
 * A column of a product is the sum of 5 l and 5 h, of which each counts once or 19 times. With tight times loose, |h|
 * is below 2^50 + 2^22, so without bias |column| < 19 * 5 * (2^50 + 2^50 + 2^22) < 2^58; and so are those of squares of
 * tight elements, in which doubled products are fewer. Sums of two are below 2^59, what sl_fe_carry can take.
 */
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "crypto/protocol.h"

#define FE_LANES     4
#define FE_LIMBS     5
#define FE_LIMB_BITS 51
#define FE_WORDS     4 /* of 64 bits in a key */
#define FE_LIMB_MASK ((1ULL << FE_LIMB_BITS) - 1)
#define FE_FOLD      19 /* 2^255 mod p */

#define FE_INLINE static inline __attribute__((always_inline))

typedef __m256d sl_real;
typedef __m256i sl_vec;

struct sl_fe {
	sl_real v[FE_LIMBS];
};

struct sl_fe_columns {
	sl_vec v[FE_LIMBS];
};

/* 3 * 2^102, 3 * 2^51, and their bits. */
#define FE_HIGH      0x1.8p103
#define FE_LOW       0x1.8p52
#define FE_HIGH_BITS 0x4668000000000000ULL
#define FE_LOW_BITS  0x4338000000000000ULL

/* Added to columns before they are carried, so that they are positive: up to 2^62. The limb is then too large by HALF.
 */
#define FE_POSITIVE (1ULL << 61)
#define FE_HALF     (1ULL << 50)

/* Products in column k of nine, 0..8, of a multiplication and of a square. */
#define FE_IN_MUL(k)    ((k) < 0 || (k) > 8 ? 0ULL : (k) < 5 ? (k) + 1ULL : 9ULL - (k))
#define FE_IN_SQUARE(k) ((k) < 0 || (k) > 8 ? 0ULL : (k) < 5 ? (k) / 2 + 1ULL : 5ULL - ((k) + 1) / 2)

/* The bias of column k of ten, and of the five that they are folded into. */
#define FE_BIAS_OF_TEN(in, k) (in(k)*FE_LOW_BITS + in((k)-1) * FE_HIGH_BITS)
#define FE_BIAS(in, k)        (FE_BIAS_OF_TEN(in, k) + FE_FOLD * FE_BIAS_OF_TEN(in, (k) + FE_LIMBS))

/* What sl_fe_carry adds to columns that are a sum of so many products and squares, less than none if subtracted. */
struct sl_fe_bias {
	uint64_t v[FE_LIMBS];
};

#define FE_UNBIAS_COLUMN(k, muls, squares)                                                                             \
	(FE_POSITIVE + FE_HALF - (uint64_t)(muls)*FE_BIAS(FE_IN_MUL, k) - (uint64_t)(squares)*FE_BIAS(FE_IN_SQUARE, k))
#define FE_UNBIAS(muls, squares)                                                                                       \
	{                                                                                                              \
		{                                                                                                      \
			FE_UNBIAS_COLUMN(0, muls, squares), FE_UNBIAS_COLUMN(1, muls, squares),                        \
			        FE_UNBIAS_COLUMN(2, muls, squares), FE_UNBIAS_COLUMN(3, muls, squares),                \
			        FE_UNBIAS_COLUMN(4, muls, squares)                                                     \
		}                                                                                                      \
	}

static const struct sl_fe_bias sl_fe_no_bias = FE_UNBIAS(0, 0);

FE_INLINE sl_real sl_real_set(double x)
{
	return _mm256_set1_pd(x);
}

FE_INLINE sl_vec sl_vec_set(uint64_t x)
{
	return _mm256_set1_epi64x((long long)x);
}

FE_INLINE sl_vec sl_vec_add(sl_vec a, sl_vec b)
{
	return _mm256_add_epi64(a, b);
}

FE_INLINE void sl_fe_add(struct sl_fe *out, const struct sl_fe *a, const struct sl_fe *b)
{
#pragma GCC unroll 5
	for (int k = 0; k < FE_LIMBS; k++)
		out->v[k] = _mm256_add_pd(a->v[k], b->v[k]);
}

FE_INLINE void sl_fe_sub(struct sl_fe *out, const struct sl_fe *a, const struct sl_fe *b)
{
#pragma GCC unroll 5
	for (int k = 0; k < FE_LIMBS; k++)
		out->v[k] = _mm256_sub_pd(a->v[k], b->v[k]);
}

FE_INLINE void sl_fe_columns_add(
        struct sl_fe_columns *out, const struct sl_fe_columns *a, const struct sl_fe_columns *b)
{
#pragma GCC unroll 5
	for (int k = 0; k < FE_LIMBS; k++)
		out->v[k] = _mm256_add_epi64(a->v[k], b->v[k]);
}

FE_INLINE void sl_fe_columns_sub(
        struct sl_fe_columns *out, const struct sl_fe_columns *a, const struct sl_fe_columns *b)
{
#pragma GCC unroll 5
	for (int k = 0; k < FE_LIMBS; k++)
		out->v[k] = _mm256_sub_epi64(a->v[k], b->v[k]);
}

/* Columns without bias of an element whose limbs are at most 2^51. */
FE_INLINE void sl_fe_to_columns(struct sl_fe_columns *out, const struct sl_fe *a)
{
#pragma GCC unroll 5
	for (int k = 0; k < FE_LIMBS; k++)
		out->v[k] = _mm256_sub_epi64(
		        _mm256_castpd_si256(_mm256_add_pd(a->v[k], sl_real_set(FE_LOW))), sl_vec_set(FE_LOW_BITS));
}

/*
 * Columns, up to 2^59 in size once the bias is gone, to tight. Each hands its upper bits to the next one and keeps
 * 0..2^51 - 1, which is the limb plus HALF; all at once, for what is handed on is small: 2^10 +- 2^8, of which 2^10
 * stands for POSITIVE. From the last to the first it counts 19 times, so 19 * 2^8 < 2^13 remains.
 */
FE_INLINE void sl_fe_carry(struct sl_fe *out, const struct sl_fe_columns *in, const struct sl_fe_bias *bias)
{
	const double one = 0x1p52; /* its low bits are an integer of 52 bits, so or turns one into a double */
	const double handed = FE_POSITIVE >> FE_LIMB_BITS;
	sl_vec low[FE_LIMBS], up[FE_LIMBS];

#pragma GCC unroll 5
	for (int k = 0; k < FE_LIMBS; k++) {
		sl_vec c = sl_vec_add(in->v[k], sl_vec_set(bias->v[k]));

		up[k] = _mm256_srli_epi64(c, FE_LIMB_BITS);
		low[k] = _mm256_or_si256(
		        _mm256_and_si256(c, sl_vec_set(FE_LIMB_MASK)), _mm256_castpd_si256(sl_real_set(one)));
	}
	up[FE_LIMBS - 1] = _mm256_mul_epu32(up[FE_LIMBS - 1], sl_vec_set(FE_FOLD));
	out->v[0] = _mm256_sub_pd(_mm256_castsi256_pd(sl_vec_add(low[0], up[FE_LIMBS - 1])),
	        sl_real_set(one + FE_HALF + FE_FOLD * handed));
#pragma GCC unroll 4
	for (int k = 1; k < FE_LIMBS; k++)
		out->v[k] = _mm256_sub_pd(
		        _mm256_castsi256_pd(sl_vec_add(low[k], up[k - 1])), sl_real_set(one + FE_HALF + handed));
}

/* Tight sum and difference of columns. */
FE_INLINE void sl_fe_carry_both(struct sl_fe *sum, const struct sl_fe_bias *sum_bias, struct sl_fe *difference,
        const struct sl_fe_bias *difference_bias, const struct sl_fe_columns *x, const struct sl_fe_columns *y)
{
	struct sl_fe_columns both;

	sl_fe_columns_add(&both, x, y);
	sl_fe_carry(sum, &both, sum_bias);
	sl_fe_columns_sub(&both, x, y);
	sl_fe_carry(difference, &both, difference_bias);
}

/* Exchanges a and b in the lanes whose top bit is set. */
FE_INLINE void sl_fe_swap(sl_vec lanes, struct sl_fe *a, struct sl_fe *b)
{
	sl_real mask = _mm256_castsi256_pd(lanes);

#pragma GCC unroll 5
	for (int k = 0; k < FE_LIMBS; k++) {
		sl_real x = a->v[k], y = b->v[k];

		a->v[k] = _mm256_blendv_pd(x, y, mask);
		b->v[k] = _mm256_blendv_pd(y, x, mask);
	}
}

/* Columns of a * b, where one is tight and the other tight or loose. */
void sl_fe_mul(struct sl_fe_columns *out, const struct sl_fe *a, const struct sl_fe *b);
/* Columns of a * a, where a is tight. */
void sl_fe_square(struct sl_fe_columns *out, const struct sl_fe *a);
/* a = a * b, where a is tight and b tight or loose. */
void sl_fe_mul_by(struct sl_fe *a, const struct sl_fe *b);

/* The words of 4 keys. */
struct sl_fe_words {
	sl_vec v[FE_WORDS];
};

void sl_fe_load_words(struct sl_fe_words *out, const uint8_t *const from[FE_LANES]);
/* RFC 7748, section 5. */
void sl_fe_clamp(struct sl_fe_words *scalars);
/* Words, of which the top bits are ignored, to tight. */
void sl_fe_unpack(struct sl_fe *out, const struct sl_fe_words *words);
/* The least non-negative value of a tight element, as bytes; t is memory for it. */
void sl_fe_pack(uint8_t (*out)[SL_KEY_LEN], const struct sl_fe *a, struct sl_fe_words *t);

/*
 * Quotients x / z that are computed together, since most of one is an inversion and they can share it. All memory for
 * it; what is in it is secret and left to the caller.
 */
#define FE_QUOTIENTS_MAX 8
struct sl_fe_quotients {
	struct sl_fe x[FE_QUOTIENTS_MAX], z[FE_QUOTIENTS_MAX]; /* tight */
	struct sl_fe product[FE_QUOTIENTS_MAX];                /* of the first z */
	struct sl_fe inverse, t[4];
	struct sl_fe_words words;
};

/* x[i] = x[i] / z[i], or 0 where z[i] is 0, for i below n, 1..FE_QUOTIENTS_MAX. */
void sl_fe_divide(struct sl_fe_quotients *q, unsigned int n);
/* All of them as bytes, FE_LANES times n keys. */
void sl_fe_pack_quotients(uint8_t (*out)[SL_KEY_LEN], struct sl_fe_quotients *q, unsigned int n);

/* Sets what the arithmetic needs of the thread, and gives it back. */
static inline unsigned int sl_fe_begin(void)
{
	const unsigned int masked_nearest =
	        0x1f80; /* MXCSR's value after reset: exceptions masked, rounds to nearest */
	unsigned int before = _mm_getcsr();

	_mm_setcsr(masked_nearest);
	return before;
}

static inline void sl_fe_end(unsigned int before)
{
	_mm_setcsr(before);
}
