#include "crypto/x25519_avx2_field.h"

#include <stdbool.h>
#include <string.h>

static const struct sl_fe_bias mul_bias = FE_UNBIAS(1, 0);
static const struct sl_fe_bias square_bias = FE_UNBIAS(0, 1);

/*
 * Keeps the compiler from rearranging the sum that it is put around: it would make longer chains or, of additions,
 * multiplications that AVX2 lacks.
 */
FE_INLINE sl_vec as_written(sl_vec x)
{
	__asm__("" : "+x"(x));
	return x;
}

/* Reads a limb where it is used. Ten limbs at once would leave no register for the columns. */
FE_INLINE sl_real read_again(const sl_real *x)
{
	return *(const volatile sl_real *)x;
}

FE_INLINE void product(sl_vec *low, sl_vec *high, sl_real a, sl_real b)
{
	sl_real h = _mm256_fmadd_pd(a, b, sl_real_set(FE_HIGH));

	*high = _mm256_castpd_si256(h);
	*low = _mm256_castpd_si256(_mm256_fmadd_pd(a, b, _mm256_sub_pd(sl_real_set(FE_HIGH + FE_LOW), h)));
}

/* A product's column k of nine: the sums of its low parts, and of its high ones, which belong to the next. */
struct column {
	sl_vec low, high;
};

FE_INLINE void count(struct column *c, bool first, sl_real a, sl_real b)
{
	sl_vec low, high;

	product(&low, &high, a, b);
	c->low = first ? low : as_written(sl_vec_add(c->low, low));
	c->high = first ? high : as_written(sl_vec_add(c->high, high));
}

FE_INLINE struct column mul_column(int k, const struct sl_fe *a, const struct sl_fe *b)
{
	struct column c;
	bool first = true;

#pragma GCC unroll 5
	for (int i = 0; i < FE_LIMBS; i++) {
		if (k - i < 0 || k - i >= FE_LIMBS)
			continue;
		count(&c, first, a->v[i], read_again(&b->v[k - i]));
		first = false;
	}
	return c;
}

/* Products of different limbs are there once, with the doubled limb. */
FE_INLINE struct column square_column(int k, const struct sl_fe *a, const struct sl_fe *twice)
{
	struct column c;
	bool first = true;

#pragma GCC unroll 5
	for (int i = 0; i < FE_LIMBS; i++) {
		int j = k - i;

		if (j < i || j >= FE_LIMBS)
			continue;
		count(&c, first, a->v[j], i == j ? a->v[i] : read_again(&twice->v[i]));
		first = false;
	}
	return c;
}

FE_INLINE sl_vec fold(sl_vec x)
{
	sl_vec nine = sl_vec_add(x, as_written(_mm256_slli_epi64(x, 3)));

	return sl_vec_add(x, as_written(sl_vec_add(nine, nine)));
}

/*
 * Nine columns to five. Column k takes in column k + 5, and for the few registers' sake they are computed in the order
 * 4, 5, 0, 6, 1, 7, 2, 8, 3, so that what is handed to the next column has not long to wait.
 */
#define FOLD_COLUMNS(out, get, ...)                                                                                    \
	do {                                                                                                           \
		struct column fourth = get(FE_LIMBS - 1, __VA_ARGS__), upper, lower;                                   \
		sl_vec into_upper = fourth.high, into_lower = _mm256_setzero_si256();                                  \
		_Pragma("GCC unroll 4") for (int k = 0; k < FE_LIMBS - 1; k++)                                         \
		{                                                                                                      \
			sl_vec sum;                                                                                    \
                                                                                                                       \
			upper = get(k + FE_LIMBS, __VA_ARGS__);                                                        \
			sum = fold(sl_vec_add(upper.low, into_upper));                                                 \
			into_upper = upper.high;                                                                       \
			lower = get(k, __VA_ARGS__);                                                                   \
			if (k > 0)                                                                                     \
				sum = sl_vec_add(sum, into_lower);                                                     \
			(out)->v[k] = sl_vec_add(lower.low, sum);                                                      \
			into_lower = lower.high;                                                                       \
		}                                                                                                      \
		(out)->v[FE_LIMBS - 1] = sl_vec_add(sl_vec_add(fourth.low, into_lower), fold(into_upper));             \
	} while (0)

void sl_fe_mul(struct sl_fe_columns *out, const struct sl_fe *a, const struct sl_fe *b)
{
	struct sl_fe kept = *a;

	FOLD_COLUMNS(out, mul_column, &kept, b);
}

void sl_fe_square(struct sl_fe_columns *out, const struct sl_fe *a)
{
	struct sl_fe kept = *a, twice;

	sl_fe_add(&twice, &kept, &kept);
	__asm__("" : "+m"(twice));
	FOLD_COLUMNS(out, square_column, &kept, &twice);
}

void sl_fe_mul_by(struct sl_fe *a, const struct sl_fe *b)
{
	struct sl_fe_columns c;

	sl_fe_mul(&c, a, b);
	sl_fe_carry(a, &c, &mul_bias);
}

static void square_times(struct sl_fe *a, int times)
{
	struct sl_fe_columns c;

	for (int i = 0; i < times; i++) {
		sl_fe_square(&c, a);
		sl_fe_carry(a, &c, &square_bias);
	}
}

/* z = 1 / z, by the chain of crypto/x25519_avx512.c: with e(n) = z^(2^n - 1), e(2n) = e(n)^(2^n) e(n). */
static void invert(struct sl_fe *z, struct sl_fe t[4])
{
	struct sl_fe *z11 = &t[0], *e = &t[1], *e_n = &t[2], *e50 = &t[3];

	*z11 = *z;
	square_times(z11, 1);
	*e_n = *z11; /* z^2 */
	square_times(e_n, 2);
	sl_fe_mul_by(e_n, z); /* z^9 */
	sl_fe_mul_by(z11, e_n);
	*e = *z11;
	square_times(e, 1);
	sl_fe_mul_by(e, e_n); /* z^31 = e(5) */
	*e_n = *e;
	square_times(e, 5);
	sl_fe_mul_by(e, e_n); /* e(10) */
	*e_n = *e;
	square_times(e, 10);
	sl_fe_mul_by(e, e_n); /* e(20) */
	*e50 = *e;
	square_times(e, 20);
	sl_fe_mul_by(e, e50); /* e(40) */
	square_times(e, 10);
	sl_fe_mul_by(e, e_n); /* e(50) */
	*e50 = *e;
	square_times(e, 50);
	sl_fe_mul_by(e, e50); /* e(100) */
	*e_n = *e;
	square_times(e, 100);
	sl_fe_mul_by(e, e_n); /* e(200) */
	square_times(e, 50);
	sl_fe_mul_by(e, e50); /* e(250) */
	square_times(e, 5);
	sl_fe_mul_by(e, z11); /* 2^255 - 2^5 + 11 */
	*z = *e;
}

/*
 * A zero among factors would make the product zero, so it counts as 1, and its x as 0. The limbs of a tight zero are
 * all 0: their sum can be nothing else, for it is smaller than p, and no limb reaches another one's weight.
 */
static void take_out_zero(struct sl_fe *x, struct sl_fe *z)
{
	sl_real zero = _mm256_cmp_pd(z->v[0], sl_real_set(0), _CMP_EQ_OQ);

	for (int k = 1; k < FE_LIMBS; k++)
		zero = _mm256_and_pd(zero, _mm256_cmp_pd(z->v[k], sl_real_set(0), _CMP_EQ_OQ));
	for (int k = 0; k < FE_LIMBS; k++)
		x->v[k] = _mm256_andnot_pd(zero, x->v[k]);
	z->v[0] = _mm256_or_pd(z->v[0], _mm256_and_pd(zero, sl_real_set(1)));
}

/* One inversion, of the product of all z. From its end: 1 / z = (product of those before) / (product up to it). */
void sl_fe_divide(struct sl_fe_quotients *q, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		take_out_zero(&q->x[i], &q->z[i]);
		q->product[i] = q->z[i];
		if (i > 0)
			sl_fe_mul_by(&q->product[i], &q->product[i - 1]);
	}
	q->inverse = q->product[n - 1];
	invert(&q->inverse, q->t);
	for (unsigned int i = n - 1; i > 0; i--) {
		sl_fe_mul_by(&q->x[i], &q->product[i - 1]);
		sl_fe_mul_by(&q->x[i], &q->inverse);
		sl_fe_mul_by(&q->inverse, &q->z[i]);
	}
	sl_fe_mul_by(&q->x[0], &q->inverse);
}

void sl_fe_pack_quotients(uint8_t (*out)[SL_KEY_LEN], struct sl_fe_quotients *q, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		sl_fe_pack(out + (size_t)i * FE_LANES, &q->x[i], &q->words);
}

void sl_fe_load_words(struct sl_fe_words *out, const uint8_t *const from[FE_LANES])
{
	for (int lane = 0; lane < FE_LANES; lane++)
		for (int k = 0; k < FE_WORDS; k++)
			memcpy((uint8_t *)&out->v[k] + lane * (int)sizeof(uint64_t),
			        from[lane] + k * (int)sizeof(uint64_t), sizeof(uint64_t));
}

void sl_fe_clamp(struct sl_fe_words *scalars)
{
	scalars->v[0] = _mm256_and_si256(scalars->v[0], sl_vec_set(~7ULL));
	scalars->v[3] = _mm256_and_si256(scalars->v[3], sl_vec_set(~0ULL >> 1));
	scalars->v[3] = _mm256_or_si256(scalars->v[3], sl_vec_set(1ULL << 62));
}

/* Bits 51 * k.. of words where they begin in word k - 1 at bit `from`. */
FE_INLINE sl_vec across(const struct sl_fe_words *w, int k, int from)
{
	return _mm256_or_si256(_mm256_srli_epi64(w->v[k - 1], from), _mm256_slli_epi64(w->v[k], 64 - from));
}

void sl_fe_unpack(struct sl_fe *out, const struct sl_fe_words *words)
{
	struct sl_fe_columns c;

	c.v[0] = words->v[0];
	c.v[1] = across(words, 1, 51);
	c.v[2] = across(words, 2, 38);
	c.v[3] = across(words, 3, 25);
	c.v[4] = _mm256_srli_epi64(words->v[3], 12);
	for (int k = 0; k < FE_LIMBS; k++)
		c.v[k] = _mm256_and_si256(c.v[k], sl_vec_set(FE_LIMB_MASK));
	sl_fe_carry(out, &c, &sl_fe_no_bias);
}

/* Passes what is above bit 51 of positive columns upwards; in the last one it stays. */
static void carry_positive(struct sl_fe_columns *c)
{
	for (int k = 0; k < FE_LIMBS - 1; k++) {
		c->v[k + 1] = sl_vec_add(c->v[k + 1], _mm256_srli_epi64(c->v[k], FE_LIMB_BITS));
		c->v[k] = _mm256_and_si256(c->v[k], sl_vec_set(FE_LIMB_MASK));
	}
}

void sl_fe_pack(uint8_t (*out)[SL_KEY_LEN], const struct sl_fe *a, struct sl_fe_words *t)
{
	struct sl_fe_columns r, q;

	/* |a| < p by far, and all limbs of p are larger than a's: a + p is above 0 and below 2p in positive columns. */
	sl_fe_to_columns(&r, a);
	r.v[0] = sl_vec_add(r.v[0], sl_vec_set(FE_LIMB_MASK - (FE_FOLD - 1)));
	for (int k = 1; k < FE_LIMBS; k++)
		r.v[k] = sl_vec_add(r.v[k], sl_vec_set(FE_LIMB_MASK));
	carry_positive(&r);
	/* That plus 19 reaches 2^255 exactly where it reaches p: then 19 is added and bit 255 dropped. */
	q = r;
	q.v[0] = sl_vec_add(q.v[0], sl_vec_set(FE_FOLD));
	carry_positive(&q);
	r.v[0] = sl_vec_add(r.v[0], _mm256_mul_epu32(_mm256_srli_epi64(q.v[4], FE_LIMB_BITS), sl_vec_set(FE_FOLD)));
	carry_positive(&r);
	r.v[4] = _mm256_and_si256(r.v[4], sl_vec_set(FE_LIMB_MASK));

	t->v[0] = _mm256_or_si256(r.v[0], _mm256_slli_epi64(r.v[1], 51));
	t->v[1] = _mm256_or_si256(_mm256_srli_epi64(r.v[1], 13), _mm256_slli_epi64(r.v[2], 38));
	t->v[2] = _mm256_or_si256(_mm256_srli_epi64(r.v[2], 26), _mm256_slli_epi64(r.v[3], 25));
	t->v[3] = _mm256_or_si256(_mm256_srli_epi64(r.v[3], 39), _mm256_slli_epi64(r.v[4], 12));
	for (int lane = 0; lane < FE_LANES; lane++)
		for (int k = 0; k < FE_WORDS; k++)
			memcpy(out[lane] + k * (int)sizeof(uint64_t),
			        (const uint8_t *)&t->v[k] + lane * (int)sizeof(uint64_t), sizeof(uint64_t));
}
