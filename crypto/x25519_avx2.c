/*
 * X25519 in 4 lanes with AVX2 and FMA (crypto/x25519_kernel.h): the ladder, on the field of
 * crypto/x25519_avx2_field.h.
 */
#include "crypto/wipe.h"
#include "crypto/x25519_avx2_base.h"
#include "crypto/x25519_avx2_field.h"
#include "crypto/x25519_kernel.h"
#include "crypto/ymm.h"

static_assert(FE_LANES * FE_QUOTIENTS_MAX <= SL_X25519_MOST_MAX, "keys of a call");

#define A24 121665 /* (486662 - 2) / 4, RFC 7748 section 5 */

static const struct sl_fe_bias square_bias = FE_UNBIAS(0, 1);
static const struct sl_fe_bias two_muls_bias = FE_UNBIAS(2, 0);
static const struct sl_fe_bias square_and_mul_bias = FE_UNBIAS(1, 1);
static const struct sl_fe_bias square_less_mul_bias = FE_UNBIAS(-1, 1);

/*
 * A pass: everything that is secret, in one place to be wiped. The ladder's x2, z2, x3 and z3 are there as their sums
 * and differences: a step begins with these, and as the sums of columns they need no carry of their own.
 */
struct pass {
	struct sl_fe x1;
	struct sl_fe a, b; /* x2 + z2, x2 - z2 */
	struct sl_fe c, d; /* x3 + z3, x3 - z3 */
	struct sl_fe_words scalar;
	struct sl_fe_quotients results;
};

/*
 * Tight a plus A24 times loose e. With n = A24 e / 2^51, rounded, which is below 2^18: |a + A24 e - 2^51 n| is at most
 * 2^50 and the 2^15 that the sum was rounded by before, and 19 n < 2^23, so the result is loose and even below
 * 2^50 + 2^23; its product with a loose element stays below 2^102 therefore.
 */
FE_INLINE void add_a24(struct sl_fe *out, const struct sl_fe *a, const struct sl_fe *e)
{
	const sl_real a24 = sl_real_set(A24), high = sl_real_set(FE_HIGH);
	sl_real less[FE_LIMBS], rest[FE_LIMBS]; /* -2^51 n, and what stays */

#pragma GCC unroll 5
	for (int k = 0; k < FE_LIMBS; k++) {
		less[k] = _mm256_sub_pd(high, _mm256_add_pd(high, _mm256_fmadd_pd(e->v[k], a24, a->v[k])));
		rest[k] = _mm256_add_pd(a->v[k], _mm256_fmadd_pd(e->v[k], a24, less[k]));
	}
	out->v[0] = _mm256_fmadd_pd(less[FE_LIMBS - 1], sl_real_set(-FE_FOLD * 0x1p-51), rest[0]);
#pragma GCC unroll 4
	for (int k = 1; k < FE_LIMBS; k++)
		out->v[k] = _mm256_fmadd_pd(less[k - 1], sl_real_set(-0x1p-51), rest[k]);
}

/*
 * One step of the ladder, RFC 7748 section 5, with its names. What follows on a product is not asked for at once, so
 * that the CPU has another one to do meanwhile.
 */
FE_INLINE void step(struct pass *p)
{
	struct sl_fe_columns da, cb, aa_columns, bb_columns, x2, z2, x3, z3;
	struct sl_fe sum, difference, aa, bb, e;

	sl_fe_mul(&da, &p->d, &p->a);
	sl_fe_mul(&cb, &p->c, &p->b);
	sl_fe_carry_both(&sum, &two_muls_bias, &difference, &sl_fe_no_bias, &da, &cb);
	sl_fe_square(&aa_columns, &p->a);
	sl_fe_square(&bb_columns, &p->b);
	sl_fe_carry(&aa, &aa_columns, &square_bias);
	sl_fe_carry(&bb, &bb_columns, &square_bias);
	sl_fe_sub(&e, &aa, &bb);
	sl_fe_square(&z3, &difference);
	sl_fe_carry(&difference, &z3, &square_bias);
	sl_fe_square(&x3, &sum);
	add_a24(&sum, &aa, &e);
	sl_fe_mul(&z3, &difference, &p->x1);
	sl_fe_mul(&x2, &aa, &bb);
	sl_fe_mul(&z2, &e, &sum);
	sl_fe_carry_both(&p->a, &two_muls_bias, &p->b, &sl_fe_no_bias, &x2, &z2);
	sl_fe_carry_both(&p->c, &square_and_mul_bias, &p->d, &square_less_mul_bias, &x3, &z3);
}

/* The scalars' words to those whose set bits say that a bit differs from the one above it: where the ladder swaps. */
static void to_swaps(struct sl_fe_words *w)
{
	for (int k = 0; k < FE_WORDS; k++) {
		sl_vec above = _mm256_srli_epi64(w->v[k], 1);

		if (k < FE_WORDS - 1)
			above = _mm256_or_si256(above, _mm256_slli_epi64(w->v[k + 1], 63));
		w->v[k] = _mm256_xor_si256(w->v[k], above);
	}
}

/* Bit 255 is clear, and so is bit 0: at the end nothing is swapped. */
static void ladder(struct pass *p)
{
	for (int bit = 254; bit >= 0; bit--) {
		sl_vec *word = &p->scalar.v[bit / 64];

		if (bit == 254)
			*word = sl_vec_add(*word, *word);
		sl_fe_swap(*word, &p->a, &p->c);
		sl_fe_swap(*word, &p->b, &p->d);
		*word = sl_vec_add(*word, *word);
		step(p);
	}
}

/* The ladder for one vector of keys; the results are x / z. */
static __attribute__((noinline)) void run(
        struct pass *p, struct sl_fe *x, struct sl_fe *z, const uint8_t *const *scalars, const uint8_t *const *points)
{
	const sl_real zero = sl_real_set(0), one = sl_real_set(1);
	struct sl_fe_columns sum, difference;

	sl_fe_load_words(&p->scalar, points);
	sl_fe_unpack(&p->x1, &p->scalar);
	sl_fe_load_words(&p->scalar, scalars);
	sl_fe_clamp(&p->scalar);
	to_swaps(&p->scalar);
	p->a = p->b = (struct sl_fe){{one, zero, zero, zero, zero}};
	sl_fe_add(&p->c, &p->x1, &p->a);
	sl_fe_sub(&p->d, &p->x1, &p->a);
	ladder(p);
	/* twice the coordinates: their quotient is the same */
	sl_fe_to_columns(&sum, &p->a);
	sl_fe_to_columns(&difference, &p->b);
	sl_fe_carry_both(x, &sl_fe_no_bias, z, &sl_fe_no_bias, &sum, &difference);
}

static void multiply(
        uint8_t (*out)[SL_KEY_LEN], const uint8_t *const *scalars, const uint8_t *const *points, unsigned int n)
{
	unsigned int mode = sl_fe_begin(), vectors = n / FE_LANES;
	struct pass p;

	for (unsigned int i = 0; i < vectors; i++)
		run(&p, &p.results.x[i], &p.results.z[i], scalars + (size_t)i * FE_LANES,
		        points + (size_t)i * FE_LANES);
	sl_fe_divide(&p.results, vectors);
	sl_fe_pack_quotients(out, &p.results, vectors);
	sl_wipe(&p, sizeof(p));
	sl_ymm_clear();
	sl_fe_end(mode);
}

/* A pass costs what one and a half multiplications of the library do; one for public keys less than a single one. */
const struct sl_x25519_kernel sl_x25519_avx2 = {
        .name = "avx2",
        .lanes = FE_LANES,
        .most = FE_LANES * FE_QUOTIENTS_MAX,
        .worth = SL_X25519_COST_POINT + SL_X25519_COST_BASE,
        .worth_base = SL_X25519_COST_BASE,
        .multiply = multiply,
        .multiply_base = sl_x25519_avx2_base,
};
