/*
 * Public keys in 4 lanes (crypto/x25519_kernel.h): the base point's multiples are in a table, so a scalar takes 64
 * additions instead of 255 steps of the ladder. They are those of the Edwards curve -x^2 + y^2 = 1 + d x^2 y^2 that
 * belongs to Curve25519 (RFC 7748, section 4.1), on which one formula adds any two points; u = (1 + y) / (1 - y). No
 * clamped scalar is a multiple of the base point's order, so y is not 1 at the end.
 */
#include "crypto/wipe.h"
#include "crypto/x25519_avx2_base.h"
#include "crypto/x25519_avx2_field.h"
#include "crypto/x25519_base_table.h" /* by the script of that name, when it is built */
#include "crypto/ymm.h"

#define DIGIT_BITS 4
#define DIGITS     64
#define VALUES     8

static_assert(sizeof(base_table_51) == sizeof(double) * DIGITS * VALUES * 3 * FE_LIMBS, "the table that is expected");

static const struct sl_fe_bias mul_bias = FE_UNBIAS(1, 0);
static const struct sl_fe_bias less_mul_bias = FE_UNBIAS(-1, 0);
static const struct sl_fe_bias two_muls_bias = FE_UNBIAS(2, 0);

/* A point x, y of the table: y + x, y - x, 2dxy. Loose: limbs are below 2^51. */
struct entry {
	struct sl_fe sum, difference, product;
};

/* Everything that is secret. The point X / Z, Y / Z with T = XY / Z is there as Y + X, Y - X, Z and T, all tight. */
struct pass {
	struct sl_fe sum, difference, z, t;
	struct entry entry;
	struct sl_fe_words scalar;
	sl_vec carry;
	struct sl_fe_quotients results;
};

/*
 * The next digit of the scalars, from the lowest on: four bits and the carry make 0..16, of which 9 and more become
 * negative and carry. So digits are -7..8. There is no carry behind the last, whose topmost bit is clear.
 */
FE_INLINE sl_vec next_digit(struct pass *p, int i)
{
	sl_vec *word = &p->scalar.v[i / (64 / DIGIT_BITS)];
	sl_vec digit = sl_vec_add(_mm256_and_si256(*word, sl_vec_set(15)), p->carry);

	*word = _mm256_srli_epi64(*word, DIGIT_BITS);
	p->carry = _mm256_srli_epi64(sl_vec_add(digit, sl_vec_set(7)), DIGIT_BITS);
	return _mm256_sub_epi64(digit, _mm256_slli_epi64(p->carry, DIGIT_BITS));
}

/* Reads all of a digit's entries and keeps the one whose mask is set; where none is, the limbs are 0. */
FE_INLINE void pick(struct sl_fe *out, const double (*table)[3][FE_LIMBS], int part, const sl_real masks[VALUES + 1])
{
	for (int k = 0; k < FE_LIMBS; k++)
		out->v[k] = sl_real_set(0);
#pragma GCC unroll 8
	for (int value = 1; value <= VALUES; value++)
#pragma GCC unroll 5
		for (int k = 0; k < FE_LIMBS; k++)
			out->v[k] = _mm256_or_pd(out->v[k],
			        _mm256_and_pd(masks[value], _mm256_broadcast_sd(&table[value - 1][part][k])));
}

static void look_up(struct entry *out, const double (*table)[3][FE_LIMBS], sl_vec digit)
{
	const sl_vec negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), digit);
	const sl_vec size = _mm256_sub_epi64(_mm256_xor_si256(digit, negative), negative);
	const sl_real sign = _mm256_and_pd(_mm256_castsi256_pd(negative), sl_real_set(-0.0));
	sl_real masks[VALUES + 1], one;

	for (int value = 0; value <= VALUES; value++)
		masks[value] = _mm256_castsi256_pd(_mm256_cmpeq_epi64(size, sl_vec_set((uint64_t)value)));
	pick(&out->sum, table, 0, masks);
	pick(&out->difference, table, 1, masks);
	pick(&out->product, table, 2, masks);
	/* none of it: the neutral point 0, 1 */
	one = _mm256_and_pd(masks[0], sl_real_set(1));
	out->sum.v[0] = _mm256_or_pd(out->sum.v[0], one);
	out->difference.v[0] = _mm256_or_pd(out->difference.v[0], one);
	/* minus x, y is -x, y */
	sl_fe_swap(negative, &out->sum, &out->difference);
	for (int k = 0; k < FE_LIMBS; k++)
		out->product.v[k] = _mm256_xor_pd(out->product.v[k], sign);
}

/* Adds the entry, with the names of "Twisted Edwards Curves Revisited" (Hisil et al.), section 3.1, for a = -1. */
static void add_entry(struct pass *p)
{
	struct sl_fe_columns a, b, c, d, x, y, z, t;
	struct sl_fe e, f, g, h;

	sl_fe_mul(&a, &p->difference, &p->entry.difference);
	sl_fe_mul(&b, &p->sum, &p->entry.sum);
	sl_fe_mul(&c, &p->t, &p->entry.product);
	sl_fe_carry_both(&h, &two_muls_bias, &e, &sl_fe_no_bias, &b, &a);
	sl_fe_to_columns(&d, &p->z);
	sl_fe_columns_add(&d, &d, &d);
	sl_fe_carry_both(&g, &mul_bias, &f, &less_mul_bias, &d, &c);
	sl_fe_mul(&x, &e, &f);
	sl_fe_mul(&y, &g, &h);
	sl_fe_mul(&z, &f, &g);
	sl_fe_mul(&t, &e, &h);
	sl_fe_carry_both(&p->sum, &two_muls_bias, &p->difference, &sl_fe_no_bias, &y, &x);
	sl_fe_carry(&p->z, &z, &mul_bias);
	sl_fe_carry(&p->t, &t, &mul_bias);
}

/* One vector of keys; the results are u / v. */
static __attribute__((noinline)) void run(
        struct pass *p, struct sl_fe *u, struct sl_fe *v, const uint8_t *const *scalars)
{
	const sl_real zero = sl_real_set(0);
	const struct sl_fe one = {{sl_real_set(1), zero, zero, zero, zero}};
	struct sl_fe_columns y, z;

	sl_fe_load_words(&p->scalar, scalars);
	sl_fe_clamp(&p->scalar);
	p->carry = _mm256_setzero_si256();
	p->sum = p->difference = p->z = one;
	p->t = (struct sl_fe){{zero, zero, zero, zero, zero}};
	for (int i = 0; i < DIGITS; i++) {
		look_up(&p->entry, base_table_51[i], next_digit(p, i));
		add_entry(p);
	}
	/* (Z + Y) / (Z - Y), both doubled */
	sl_fe_to_columns(&y, &p->sum);
	sl_fe_to_columns(&z, &p->difference);
	sl_fe_columns_add(&y, &y, &z);
	sl_fe_to_columns(&z, &p->z);
	sl_fe_columns_add(&z, &z, &z);
	sl_fe_carry_both(u, &sl_fe_no_bias, v, &sl_fe_no_bias, &z, &y);
}

void sl_x25519_avx2_base(uint8_t (*out)[SL_KEY_LEN], const uint8_t *const *scalars, unsigned int n)
{
	unsigned int mode = sl_fe_begin(), vectors = n / FE_LANES;
	struct pass p;

	for (unsigned int i = 0; i < vectors; i++)
		run(&p, &p.results.x[i], &p.results.z[i], scalars + (size_t)i * FE_LANES);
	sl_fe_divide(&p.results, vectors);
	sl_fe_pack_quotients(out, &p.results, vectors);
	sl_wipe(&p, sizeof(p));
	sl_ymm_clear();
	sl_fe_end(mode);
}
