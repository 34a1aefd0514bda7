/*
 * The field of the AVX2 X25519 (crypto/x25519_avx2_field.h) at its bounds, where keys never bring it: limbs as large as
 * an operation may be given, in all signs, against the same in integers of 128 bits. Compiled for AVX2.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/x25519_avx2_field.h"
#include "tests/unit/crypto/vectors.h"

#define ROUNDS 20000
#define TIGHT  ((1LL << 50) + (1LL << 13))
#define LOOSE  ((1LL << 51) + (1LL << 23))

typedef long long limbs[FE_LIMBS];

static unsigned int mode;

static void setup(void)
{
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
		cr_skip_test("this CPU has no AVX2");
	mode = sl_fe_begin();
}

static void teardown(void)
{
	if (__builtin_cpu_supports("avx2"))
		sl_fe_end(mode);
}

TestSuite(x25519_field, .init = setup, .fini = teardown);

/* The least non-negative value of columns, as bytes. */
static void canonical(uint8_t out[SL_KEY_LEN], const __int128 columns[FE_LIMBS])
{
	unsigned __int128 word = 0;
	__int128 c[FE_LIMBS];
	unsigned int bits = 0, at = 0;

	memcpy(c, columns, sizeof(c));
	for (int pass = 0; pass < 6; pass++) {
		for (int k = 0; k < FE_LIMBS; k++) {
			__int128 up = c[k] >> FE_LIMB_BITS; /* towards minus infinity */

			c[k] -= up * (1LL << FE_LIMB_BITS);
			if (k < FE_LIMBS - 1)
				c[k + 1] += up;
			else
				c[0] += FE_FOLD * up;
		}
	}
	/* now 0..2^255 - 1: once p is taken away if it is p or more */
	if (c[1] == FE_LIMB_MASK && c[2] == FE_LIMB_MASK && c[3] == FE_LIMB_MASK && c[4] == FE_LIMB_MASK &&
	        c[0] >= (__int128)FE_LIMB_MASK - (FE_FOLD - 1)) {
		c[0] -= FE_LIMB_MASK - (FE_FOLD - 1);
		c[1] = c[2] = c[3] = c[4] = 0;
	}
	memset(out, 0, SL_KEY_LEN);
	for (int k = 0; k < FE_LIMBS; k++) {
		word |= (unsigned __int128)c[k] << bits;
		for (bits += FE_LIMB_BITS; bits >= 8; bits -= 8, word >>= 8)
			out[at++] = (uint8_t)word;
	}
	out[at] = (uint8_t)word;
}

static void multiply(__int128 out[FE_LIMBS], const limbs a, const limbs b)
{
	memset(out, 0, FE_LIMBS * sizeof(out[0]));
	for (int i = 0; i < FE_LIMBS; i++)
		for (int j = 0; j < FE_LIMBS; j++)
			out[(i + j) % FE_LIMBS] += (i + j < FE_LIMBS ? 1 : FE_FOLD) * ((__int128)a[i] * b[j]);
}

/* At the bound, near it, small, or anything between. */
static void strange(struct seeded *seed, limbs out, long long bound)
{
	bool extreme = seeded_below(seed, 4) == 0, one_sign = seeded_below(seed, 2) == 0;
	long long sign = seeded_below(seed, 2) ? -1 : 1;

	for (int k = 0; k < FE_LIMBS; k++) {
		long long x;

		switch (extreme ? 0 : seeded_below(seed, 4)) {
		case 0:
			x = bound;
			break;
		case 1:
			x = bound - (long long)seeded_below(seed, 5);
			break;
		case 2:
			x = (long long)seeded_below(seed, 3);
			break;
		default:
			x = (long long)seeded_below(seed, (uint64_t)bound);
		}
		if (!one_sign)
			sign = seeded_below(seed, 2) ? -1 : 1;
		out[k] = sign * x;
	}
}

/* A different element in each lane. */
struct lanes {
	limbs v[FE_LANES];
};

static struct sl_fe to_fe(const struct lanes *from)
{
	double v[FE_LIMBS][FE_LANES];
	struct sl_fe fe;

	for (int k = 0; k < FE_LIMBS; k++) {
		for (int lane = 0; lane < FE_LANES; lane++)
			v[k][lane] = (double)from->v[lane][k];
		fe.v[k] = _mm256_loadu_pd(v[k]);
	}
	return fe;
}

static struct lanes from_fe(const struct sl_fe *fe)
{
	struct lanes lanes;

	for (int k = 0; k < FE_LIMBS; k++) {
		double v[FE_LANES];

		_mm256_storeu_pd(v, fe->v[k]);
		for (int lane = 0; lane < FE_LANES; lane++) {
			lanes.v[lane][k] = (long long)v[lane];
			cr_assert_eq((double)lanes.v[lane][k], v[lane], "limbs are integers");
		}
	}
	return lanes;
}

/* That a result is tight, and what was wanted in every lane. */
static void expect(const struct sl_fe *got, __int128 (*want)[FE_LIMBS], const char *what, unsigned int round)
{
	struct lanes lanes = from_fe(got);
	uint8_t bytes[FE_LANES][SL_KEY_LEN], wanted[SL_KEY_LEN], same[SL_KEY_LEN];
	struct sl_fe_words words;

	sl_fe_pack(bytes, got, &words);
	for (int lane = 0; lane < FE_LANES; lane++) {
		__int128 limb[FE_LIMBS];

		for (int k = 0; k < FE_LIMBS; k++) {
			cr_assert_leq(llabs(lanes.v[lane][k]), TIGHT, "%s, round %u, limb %d", what, round, k);
			limb[k] = lanes.v[lane][k];
		}
		canonical(wanted, want[lane]);
		canonical(same, limb);
		cr_assert_arr_eq(same, wanted, SL_KEY_LEN, "%s, round %u, lane %d", what, round, lane);
		cr_assert_arr_eq(bytes[lane], wanted, SL_KEY_LEN, "%s packed, round %u, lane %d", what, round, lane);
	}
}

Test(x25519_field, products_of_tight_and_loose)
{
	static const struct sl_fe_bias one = FE_UNBIAS(1, 0), two = FE_UNBIAS(2, 0);
	struct seeded seed = {41};

	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct sl_fe_columns columns[2], sum;
		__int128 want[2][FE_LANES][FE_LIMBS];
		struct sl_fe got;

		for (int i = 0; i < 2; i++) {
			struct lanes a, b;
			struct sl_fe x, y;

			for (int lane = 0; lane < FE_LANES; lane++) {
				strange(&seed, a.v[lane], TIGHT);
				strange(&seed, b.v[lane], LOOSE);
				multiply(want[i][lane], a.v[lane], b.v[lane]);
			}
			x = to_fe(&a);
			y = to_fe(&b);
			if (round % 2)
				sl_fe_mul(&columns[i], &x, &y);
			else
				sl_fe_mul(&columns[i], &y, &x);
			sl_fe_carry(&got, &columns[i], &one);
			expect(&got, want[i], "product", round);
			sl_fe_mul_by(&x, &y);
			expect(&x, want[i], "product by", round);
		}
		sl_fe_columns_sub(&sum, &columns[0], &columns[1]);
		sl_fe_carry(&got, &sum, &sl_fe_no_bias);
		for (int i = 0; i < FE_LANES * FE_LIMBS; i++)
			want[0][i / FE_LIMBS][i % FE_LIMBS] -= want[1][i / FE_LIMBS][i % FE_LIMBS];
		expect(&got, want[0], "difference", round);
		sl_fe_columns_add(&sum, &columns[0], &columns[1]);
		sl_fe_carry(&got, &sum, &two);
		for (int i = 0; i < FE_LANES * FE_LIMBS; i++)
			want[0][i / FE_LIMBS][i % FE_LIMBS] += 2 * want[1][i / FE_LIMBS][i % FE_LIMBS];
		expect(&got, want[0], "sum", round);
	}
}

Test(x25519_field, squares_of_tight_with_products)
{
	static const struct sl_fe_bias square = FE_UNBIAS(0, 1), both = FE_UNBIAS(1, 1), less = FE_UNBIAS(-1, 1);
	struct seeded seed = {42};

	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct sl_fe_columns squares, products, sum;
		__int128 want[FE_LANES][FE_LIMBS], product[FE_LANES][FE_LIMBS];
		struct sl_fe x, y, got;
		struct lanes a, b;

		for (int lane = 0; lane < FE_LANES; lane++) {
			strange(&seed, a.v[lane], TIGHT);
			strange(&seed, b.v[lane], LOOSE);
			multiply(want[lane], a.v[lane], a.v[lane]);
			multiply(product[lane], a.v[lane], b.v[lane]);
		}
		x = to_fe(&a);
		y = to_fe(&b);
		sl_fe_square(&squares, &x);
		sl_fe_carry(&got, &squares, &square);
		expect(&got, want, "square", round);
		sl_fe_mul(&products, &x, &y);
		sl_fe_columns_sub(&sum, &squares, &products);
		sl_fe_carry(&got, &sum, &less);
		for (int i = 0; i < FE_LANES * FE_LIMBS; i++)
			want[i / FE_LIMBS][i % FE_LIMBS] -= product[i / FE_LIMBS][i % FE_LIMBS];
		expect(&got, want, "square less product", round);
		sl_fe_columns_add(&sum, &squares, &products);
		sl_fe_carry(&got, &sum, &both);
		for (int i = 0; i < FE_LANES * FE_LIMBS; i++)
			want[i / FE_LIMBS][i % FE_LIMBS] += 2 * product[i / FE_LIMBS][i % FE_LIMBS];
		expect(&got, want, "square and product", round);
	}
}

/* Columns as large as carry takes, to its bound and one below, in both signs; and elements of the size of p. */
Test(x25519_field, columns_at_the_bound)
{
	struct seeded seed = {43};

	for (unsigned int round = 0; round < ROUNDS; round++) {
		long long v[FE_LIMBS][FE_LANES];
		__int128 want[FE_LANES][FE_LIMBS];
		struct sl_fe_columns columns;
		struct sl_fe got;

		for (int lane = 0; lane < FE_LANES; lane++) {
			limbs c;

			strange(&seed, c, round % 2 ? 1LL << 59 : (1LL << 51) - 1);
			if (round % 4 == 0) /* p and its neighbours, as far as they are there */
				for (int k = 0; k < FE_LIMBS; k++)
					c[k] = (long long)FE_LIMB_MASK -
					       (k == 0 ? (long long)seeded_below(&seed, 40) : 0);
			for (int k = 0; k < FE_LIMBS; k++)
				want[lane][k] = v[k][lane] = c[k];
		}
		for (int k = 0; k < FE_LIMBS; k++)
			columns.v[k] = _mm256_loadu_si256((const void *)v[k]);
		sl_fe_carry(&got, &columns, &sl_fe_no_bias);
		expect(&got, want, "carry", round);
		sl_fe_to_columns(&columns, &got);
		sl_fe_carry(&got, &columns, &sl_fe_no_bias);
		expect(&got, want, "back and forth", round);
	}
}

/* Elements that pack has to reduce in each way: around 0 and around p, with limbs of either sign. */
Test(x25519_field, pack_of_zero_and_its_neighbours)
{
	for (long long x = -40; x <= 40; x++) {
		for (unsigned int shape = 0; shape < 3; shape++) {
			__int128 want[FE_LANES][FE_LIMBS];
			struct lanes a;
			struct sl_fe fe;

			for (int lane = 0; lane < FE_LANES; lane++) {
				limbs c = {x + lane};

				if (shape > 0) { /* the same, with a limb borrowed */
					c[2] += shape == 1 ? 1 : -1;
					c[1] -= shape == 1 ? TIGHT : -TIGHT;
				}
				for (int k = 0; k < FE_LIMBS; k++)
					want[lane][k] = a.v[lane][k] = c[k];
			}
			fe = to_fe(&a);
			expect(&fe, want, "pack", (unsigned int)(x + 40));
		}
	}
}

/* Every count, with zeros among them: x / z times z is x, and 0 where z is. */
Test(x25519_field, quotients_that_share_an_inversion)
{
	struct seeded seed = {44};

	for (unsigned int round = 0; round < 200; round++) {
		const unsigned int n = 1 + round % FE_QUOTIENTS_MAX;
		__int128 want[FE_QUOTIENTS_MAX][FE_LANES][FE_LIMBS];
		struct sl_fe z[FE_QUOTIENTS_MAX];
		struct sl_fe_quotients q;

		for (unsigned int i = 0; i < n; i++) {
			struct lanes x, y;

			for (int lane = 0; lane < FE_LANES; lane++) {
				bool zero = seeded_below(&seed, 8) == 0;

				strange(&seed, x.v[lane], TIGHT);
				strange(&seed, y.v[lane], TIGHT);
				if (zero)
					memset(y.v[lane], 0, sizeof(y.v[lane]));
				else if (round % 2)
					y.v[lane][4] = TIGHT - 1;
				else
					y.v[lane][0] = 1;
				for (int k = 0; k < FE_LIMBS; k++)
					want[i][lane][k] = zero ? 0 : x.v[lane][k];
			}
			q.x[i] = to_fe(&x);
			q.z[i] = z[i] = to_fe(&y);
		}
		sl_fe_divide(&q, n);
		for (unsigned int i = 0; i < n; i++) {
			uint8_t bytes[FE_QUOTIENTS_MAX * FE_LANES][SL_KEY_LEN], alone[FE_LANES][SL_KEY_LEN];

			sl_fe_pack_quotients(bytes, &q, n);
			sl_fe_pack(alone, &q.x[i], &q.words);
			cr_assert_arr_eq(bytes[i * FE_LANES], alone, sizeof(alone));
			sl_fe_mul_by(&z[i], &q.x[i]);
			expect(&z[i], want[i], "quotient", round);
		}
	}
}
