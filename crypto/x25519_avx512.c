/*
 * X25519 in 8 lanes with the 52-bit multiply-add of AVX-512 IFMA (crypto/x25519_kernel.h).
 *
 * A field element is 5 limbs of 52 bits, so 260 bits, where 2^260 = 608 and 2^255 = 19 (mod p). The multiply-add reads
 * the low 52 bits of its operands alone: a limb whose carry has gone to the next one needs no masking when it is
 * multiplied next. Hence two forms:
 *
 *   loose: limbs 0..3 are right in their low 52 bits, whatever stands above; limb 4 is below 2^49. For multiplication.
 *   tight: limbs 0..3 are below 2^52, limb 4 below 2^47 + 2^10, so the value is below 2^255 + 2^218. For all else.
 *
 * Every operation says which it takes and gives. Carries of differences are signed.
 */
#include <immintrin.h>

#include "crypto/wipe.h"
#include "crypto/x25519_base_table.h" /* by the script of that name, when it is built */
#include "crypto/x25519_kernel.h"
#include "crypto/zmm.h"

#define LANES 8
static_assert(LANES <= SL_X25519_MOST_MAX, "keys of a call");

#define LIMBS     5
#define LIMB_BITS 52
#define TOP_BITS  47 /* of limb 4, up to bit 255 */
#define WORDS     4  /* of 64 bits in a key */

#define LIMB_MASK ((1LL << LIMB_BITS) - 1)
#define TOP_MASK  ((1LL << TOP_BITS) - 1)

#define FOLD_260 608    /* 2^260 mod p */
#define FOLD_255 19     /* 2^255 mod p */
#define A24      121665 /* (486662 - 2) / 4, RFC 7748 section 5 */

/* The base point's table: digits to the base of 16, from -7 to 8. */
#define DIGIT_BITS 4
#define DIGITS     64
#define VALUES     8
static_assert(sizeof(base_table_52) == sizeof(uint64_t) * DIGITS * VALUES * 3 * LIMBS, "the table that is expected");

#define INLINE static inline __attribute__((always_inline))

typedef __m512i vec;

struct fe {
	vec v[LIMBS];
};

INLINE vec set(long long value)
{
	return _mm512_set1_epi64(value);
}

INLINE vec madd_lo(vec sum, vec a, vec b)
{
	return _mm512_madd52lo_epu64(sum, a, b);
}

INLINE vec madd_hi(vec sum, vec a, vec b)
{
	return _mm512_madd52hi_epu64(sum, a, b);
}

/* Passes the carries of c[first..last-1] upwards; what they carried stays above bit 52 where it was. */
INLINE void carry(vec *c, int first, int last)
{
#pragma GCC unroll 5
	for (int k = first; k < last; k++)
		c[k + 1] = _mm512_add_epi64(c[k + 1], _mm512_srli_epi64(c[k], LIMB_BITS));
}

INLINE void carry_signed(vec c[LIMBS])
{
#pragma GCC unroll 5
	for (int k = 0; k < LIMBS - 1; k++)
		c[k + 1] = _mm512_add_epi64(c[k + 1], _mm512_srai_epi64(c[k], LIMB_BITS));
}

/* Bits 255 and above of a value whose limb 4 is below 2^62 return as multiples of 19, and carries pass. To loose. */
INLINE void fold_top(vec c[LIMBS])
{
	c[0] = madd_lo(c[0], _mm512_srli_epi64(c[4], TOP_BITS), set(FOLD_255));
	c[4] = _mm512_and_si512(c[4], set(TOP_MASK));
	carry(c, 0, LIMBS - 1);
}

/* Ten columns of a product to loose. The product is below 2^515, so column 9 ends below 2^52. */
INLINE void reduce(struct fe *out, vec c[2 * LIMBS])
{
	vec fold = set(FOLD_260);

	carry(c, LIMBS, 2 * LIMBS - 1);
#pragma GCC unroll 5
	for (int k = 0; k < LIMBS; k++)
		c[k] = madd_lo(c[k], c[k + LIMBS], fold);
#pragma GCC unroll 4
	for (int k = 0; k < LIMBS - 1; k++)
		c[k + 1] = madd_hi(c[k + 1], c[k + LIMBS], fold);
	c[0] = madd_lo(c[0], madd_hi(_mm512_setzero_si512(), c[9], fold), fold);
	fold_top(c);
#pragma GCC unroll 5
	for (int k = 0; k < LIMBS; k++)
		out->v[k] = c[k];
}

/* Loose times loose to loose. */
INLINE void mul(struct fe *out, const struct fe *a, const struct fe *b)
{
	vec c[2 * LIMBS];

#pragma GCC unroll 10
	for (int k = 0; k < 2 * LIMBS; k++)
		c[k] = _mm512_setzero_si512();
#pragma GCC unroll 5
	for (int i = 0; i < LIMBS; i++) {
#pragma GCC unroll 5
		for (int j = 0; j < LIMBS; j++)
			c[i + j] = madd_lo(c[i + j], a->v[i], b->v[j]);
#pragma GCC unroll 5
		for (int j = 0; j < LIMBS; j++)
			c[i + j + 1] = madd_hi(c[i + j + 1], a->v[i], b->v[j]);
	}
	reduce(out, c);
}

/* Loose to loose: products of different limbs are counted twice, so their columns are doubled. */
INLINE void square(struct fe *out, const struct fe *a)
{
	vec c[2 * LIMBS];

#pragma GCC unroll 10
	for (int k = 0; k < 2 * LIMBS; k++)
		c[k] = _mm512_setzero_si512();
#pragma GCC unroll 5
	for (int i = 0; i < LIMBS - 1; i++) {
#pragma GCC unroll 5
		for (int j = i + 1; j < LIMBS; j++)
			c[i + j] = madd_lo(c[i + j], a->v[i], a->v[j]);
#pragma GCC unroll 5
		for (int j = i + 1; j < LIMBS; j++)
			c[i + j + 1] = madd_hi(c[i + j + 1], a->v[i], a->v[j]);
	}
#pragma GCC unroll 10
	for (int k = 1; k < 2 * LIMBS - 1; k++)
		c[k] = _mm512_add_epi64(c[k], c[k]);
#pragma GCC unroll 5
	for (int i = 0; i < LIMBS; i++) {
		c[2 * i] = madd_lo(c[2 * i], a->v[i], a->v[i]);
		c[2 * i + 1] = madd_hi(c[2 * i + 1], a->v[i], a->v[i]);
	}
	reduce(out, c);
}

/* Loose to tight, where the value allows: the result of mul and square. */
INLINE void tighten(struct fe *a)
{
#pragma GCC unroll 4
	for (int k = 0; k < LIMBS - 1; k++)
		a->v[k] = _mm512_and_si512(a->v[k], set(LIMB_MASK));
}

/* Tight plus tight to loose. */
INLINE void add(struct fe *out, const struct fe *a, const struct fe *b)
{
#pragma GCC unroll 5
	for (int k = 0; k < LIMBS; k++)
		out->v[k] = _mm512_add_epi64(a->v[k], b->v[k]);
	carry(out->v, 0, LIMBS - 1);
}

/* Tight minus tight to loose: 2p = 2^256 - 38 is added, so the value is positive. */
INLINE void sub(struct fe *out, const struct fe *a, const struct fe *b)
{
#pragma GCC unroll 5
	for (int k = 0; k < LIMBS; k++)
		out->v[k] = _mm512_sub_epi64(a->v[k], b->v[k]);
	out->v[0] = _mm512_sub_epi64(out->v[0], set(2 * FOLD_255));
	out->v[4] = _mm512_add_epi64(out->v[4], set(2LL << TOP_BITS));
	carry_signed(out->v);
}

/* Tight a plus A24 times loose b, to loose. */
INLINE void add_a24(struct fe *out, const struct fe *a, const struct fe *b)
{
	vec a24 = set(A24);

	*out = *a;
#pragma GCC unroll 5
	for (int k = 0; k < LIMBS; k++)
		out->v[k] = madd_lo(out->v[k], b->v[k], a24);
#pragma GCC unroll 4
	for (int k = 0; k < LIMBS - 1; k++)
		out->v[k + 1] = madd_hi(out->v[k + 1], b->v[k], a24);
	out->v[0] = madd_lo(out->v[0], madd_hi(_mm512_setzero_si512(), b->v[4], a24), set(FOLD_260));
	fold_top(out->v);
}

/* Exchanges a and b in the lanes of the mask. */
INLINE void swap(__mmask8 lanes, struct fe *a, struct fe *b)
{
#pragma GCC unroll 5
	for (int k = 0; k < LIMBS; k++) {
		vec x = a->v[k], y = b->v[k];

		a->v[k] = _mm512_mask_blend_epi64(lanes, x, y);
		b->v[k] = _mm512_mask_blend_epi64(lanes, y, x);
	}
}

/* A pass: everything that is secret, in one place to be wiped. */
struct pass {
	struct fe x1, x2, z2, x3, z3;
	struct fe t[4];
	vec scalar[WORDS];
	uint64_t words[WORDS][LANES];
};

/* One step of the ladder, RFC 7748 section 5, with its names. All of x2, z2, x3, z3 are tight before and after. */
INLINE void step(struct pass *p)
{
	struct fe a, b, c, d, aa, bb, e;

	add(&a, &p->x2, &p->z2);
	sub(&b, &p->x2, &p->z2);
	add(&c, &p->x3, &p->z3);
	sub(&d, &p->x3, &p->z3);
	mul(&d, &d, &a); /* DA */
	mul(&c, &c, &b); /* CB */
	square(&aa, &a);
	square(&bb, &b);
	tighten(&d);
	tighten(&c);
	add(&p->x3, &d, &c);
	sub(&p->z3, &d, &c);
	square(&p->x3, &p->x3);
	square(&p->z3, &p->z3);
	mul(&p->z3, &p->z3, &p->x1);
	mul(&p->x2, &aa, &bb);
	tighten(&aa);
	tighten(&bb);
	sub(&e, &aa, &bb);
	add_a24(&p->z2, &aa, &e);
	mul(&p->z2, &p->z2, &e);
	tighten(&p->x2);
	tighten(&p->z2);
	tighten(&p->x3);
	tighten(&p->z3);
}

static void ladder(struct pass *p)
{
	__mmask8 swapped = 0;

	for (int bit = 254; bit >= 0; bit--) {
		__mmask8 set_in = _mm512_test_epi64_mask(p->scalar[bit / 64], set((long long)(1ULL << bit % 64)));

		swapped ^= set_in;
		swap(swapped, &p->x2, &p->x3);
		swap(swapped, &p->z2, &p->z3);
		swapped = set_in;
		step(p);
	}
	swap(swapped, &p->x2, &p->x3);
	swap(swapped, &p->z2, &p->z3);
}

static __attribute__((noinline)) void square_times(struct fe *a, int times)
{
	struct fe x = *a;

	for (int i = 0; i < times; i++)
		square(&x, &x);
	*a = x;
}

static __attribute__((noinline)) void mul_by(struct fe *a, const struct fe *b)
{
	mul(a, a, b);
}

/*
 * z to the power p - 2 = 2^255 - 21, its inverse, or 0 for 0. With e(n) = z^(2^n - 1): e(2n) = e(n)^(2^n) e(n), and
 * the exponent is 2^250 - 1 followed by the bits 01011.
 */
static void invert(struct fe *z, struct fe t[4])
{
	struct fe *z11 = &t[0], *e = &t[1], *e_n = &t[2], *e50 = &t[3];

	*z11 = *z;
	square_times(z11, 1);
	*e_n = *z11; /* z^2 */
	square_times(e_n, 2);
	mul_by(e_n, z); /* z^9 */
	mul_by(z11, e_n);
	*e = *z11;
	square_times(e, 1);
	mul_by(e, e_n); /* z^31 = e(5) */
	*e_n = *e;
	square_times(e, 5);
	mul_by(e, e_n); /* e(10) */
	*e_n = *e;
	square_times(e, 10);
	mul_by(e, e_n); /* e(20) */
	*e50 = *e;
	square_times(e, 20);
	mul_by(e, e50); /* e(40) */
	square_times(e, 10);
	mul_by(e, e_n); /* e(50) */
	*e50 = *e;
	square_times(e, 50);
	mul_by(e, e50); /* e(100) */
	*e_n = *e;
	square_times(e, 100);
	mul_by(e, e_n); /* e(200) */
	square_times(e, 50);
	mul_by(e, e50); /* e(250) */
	square_times(e, 5);
	mul_by(e, z11); /* 2^255 - 2^5 + 11 */
	*z = *e;
}

/* Four words of little-endian bytes per lane. */
static void load_words(uint64_t (*to)[LANES], vec words[WORDS], const uint8_t *const *from)
{
	for (int lane = 0; lane < LANES; lane++) {
		uint64_t w[WORDS];

		memcpy(w, from[lane], sizeof(w));
		for (int k = 0; k < WORDS; k++)
			to[k][lane] = w[k];
	}
	for (int k = 0; k < WORDS; k++)
		words[k] = _mm512_loadu_si512(to[k]);
}

/* A u-coordinate, below 2^255: tight. */
static void unpack(struct fe *out, const vec w[WORDS])
{
	vec mask = set(LIMB_MASK);

	out->v[0] = _mm512_and_si512(w[0], mask);
	out->v[1] = _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64(w[0], 52), _mm512_slli_epi64(w[1], 12)), mask);
	out->v[2] = _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64(w[1], 40), _mm512_slli_epi64(w[2], 24)), mask);
	out->v[3] = _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64(w[2], 28), _mm512_slli_epi64(w[3], 36)), mask);
	out->v[4] = _mm512_and_si512(_mm512_srli_epi64(w[3], 16), set(TOP_MASK));
}

/* The least non-negative value of a tight element, below 2p, as bytes. */
static void pack(uint64_t (*words)[LANES], uint8_t (*out)[SL_KEY_LEN], const struct fe *a)
{
	struct fe r = *a, q = *a;
	vec w[WORDS];

	/* a + 19 reaches 2^255 exactly where a reaches p: then 19 is added and bit 255 dropped. */
	q.v[0] = _mm512_add_epi64(q.v[0], set(FOLD_255));
	carry(q.v, 0, LIMBS - 1);
	r.v[0] = madd_lo(r.v[0], _mm512_srli_epi64(q.v[4], TOP_BITS), set(FOLD_255));
	carry(r.v, 0, LIMBS - 1);
	tighten(&r);
	r.v[4] = _mm512_and_si512(r.v[4], set(TOP_MASK));

	w[0] = _mm512_or_si512(r.v[0], _mm512_slli_epi64(r.v[1], 52));
	w[1] = _mm512_or_si512(_mm512_srli_epi64(r.v[1], 12), _mm512_slli_epi64(r.v[2], 40));
	w[2] = _mm512_or_si512(_mm512_srli_epi64(r.v[2], 24), _mm512_slli_epi64(r.v[3], 28));
	w[3] = _mm512_or_si512(_mm512_srli_epi64(r.v[3], 36), _mm512_slli_epi64(r.v[4], 16));
	for (int k = 0; k < WORDS; k++)
		_mm512_storeu_si512(words[k], w[k]);
	for (int lane = 0; lane < LANES; lane++)
		for (int k = 0; k < WORDS; k++)
			memcpy(out[lane] + k * (int)sizeof(uint64_t), &words[k][lane], sizeof(uint64_t));
}

/* RFC 7748, section 5. */
static void clamp(vec scalar[WORDS])
{
	scalar[0] = _mm512_and_si512(scalar[0], set(~7LL));
	scalar[3] = _mm512_or_si512(_mm512_and_si512(scalar[3], set(INT64_MAX)), set(1LL << 62));
}

static void multiply(
        uint8_t (*out)[SL_KEY_LEN], const uint8_t *const *scalars, const uint8_t *const *points, unsigned int n)
{
	vec zero = _mm512_setzero_si512();
	struct fe one = {{set(1), zero, zero, zero, zero}};
	struct pass p;

	load_words(p.words, p.scalar, points);
	unpack(&p.x1, p.scalar);
	load_words(p.words, p.scalar, scalars);
	clamp(p.scalar);
	p.x2 = one;
	p.z2 = (struct fe){{zero, zero, zero, zero, zero}};
	p.x3 = p.x1;
	p.z3 = one;

	ladder(&p);
	invert(&p.z2, p.t);
	mul(&p.x2, &p.x2, &p.z2);
	tighten(&p.x2);
	pack(p.words, out, &p.x2);
	sl_wipe(&p, sizeof(p));
	sl_zmm_clear();
}

/* A pass for public keys, as crypto/x25519_avx2_base.c says, with its names. Everything that is secret. */
struct base_pass {
	struct fe x, y, z, t; /* tight */
	struct fe sum, difference, product;
	struct fe scratch[4];
	vec scalar[WORDS], carry;
	uint64_t words[WORDS][LANES];
};

/* Reads all of a digit's entries and keeps the one whose mask is set; where none is, the limbs are 0. Tight. */
INLINE void pick(struct fe *out, const uint64_t (*table)[3][LIMBS], int part, const __mmask8 masks[VALUES])
{
	for (int k = 0; k < LIMBS; k++)
		out->v[k] = _mm512_setzero_si512();
	for (int value = 0; value < VALUES; value++)
		for (int k = 0; k < LIMBS; k++)
			out->v[k] =
			        _mm512_mask_blend_epi64(masks[value], out->v[k], set((long long)table[value][part][k]));
}

/*
 * The entry of the next digit, from the lowest on: four bits and the carry make 0..16, of which 9 and more become
 * negative and carry.
 */
INLINE void look_up(struct base_pass *p, int i)
{
	vec *word = &p->scalar[i / (64 / DIGIT_BITS)], zero = _mm512_setzero_si512();
	vec digit = _mm512_add_epi64(_mm512_and_si512(*word, set(15)), p->carry);
	__mmask8 negative = _mm512_cmplt_epu64_mask(set(VALUES), digit), masks[VALUES], none;
	vec size = _mm512_mask_blend_epi64(negative, digit, _mm512_sub_epi64(set(16), digit));
	struct fe minus, nothing = {{zero, zero, zero, zero, zero}};

	*word = _mm512_srli_epi64(*word, DIGIT_BITS);
	p->carry = _mm512_mask_blend_epi64(negative, zero, set(1));
	for (int value = 1; value <= VALUES; value++)
		masks[value - 1] = (__mmask8)~_mm512_test_epi64_mask(_mm512_xor_si512(size, set(value)), set(-1));
	none = (__mmask8)~_mm512_test_epi64_mask(size, set(-1));
	pick(&p->sum, base_table_52[i], 0, masks);
	pick(&p->difference, base_table_52[i], 1, masks);
	pick(&p->product, base_table_52[i], 2, masks);
	p->sum.v[0] = _mm512_mask_blend_epi64(none, p->sum.v[0], set(1));
	p->difference.v[0] = _mm512_mask_blend_epi64(none, p->difference.v[0], set(1));
	swap(negative, &p->sum, &p->difference);
	sub(&minus, &nothing, &p->product);
	swap(negative, &p->product, &minus);
}

/* The product is tight afterwards. */
static __attribute__((noinline)) void mul_tight(struct fe *out, const struct fe *a, const struct fe *b)
{
	mul(out, a, b);
	tighten(out);
}

static void add_entry(struct base_pass *p)
{
	struct fe a, b, c, d, e, f, g, h;

	sub(&a, &p->y, &p->x);
	mul_tight(&a, &a, &p->difference);
	add(&b, &p->y, &p->x);
	mul_tight(&b, &b, &p->sum);
	mul_tight(&c, &p->t, &p->product);
	add(&d, &p->z, &p->z);
	tighten(&d);
	fold_top(d.v);
	tighten(&d);
	sub(&e, &b, &a);
	sub(&f, &d, &c);
	add(&g, &d, &c);
	add(&h, &b, &a);
	mul_tight(&p->x, &e, &f);
	mul_tight(&p->y, &g, &h);
	mul_tight(&p->z, &f, &g);
	mul_tight(&p->t, &e, &h);
}

static void multiply_base(uint8_t (*out)[SL_KEY_LEN], const uint8_t *const *scalars, unsigned int n)
{
	vec zero = _mm512_setzero_si512();
	struct base_pass p;
	struct fe u, v;

	load_words(p.words, p.scalar, scalars);
	clamp(p.scalar);
	p.carry = zero;
	p.x = p.t = (struct fe){{zero, zero, zero, zero, zero}};
	p.y = p.z = (struct fe){{set(1), zero, zero, zero, zero}};
	for (int i = 0; i < DIGITS; i++) {
		look_up(&p, i);
		add_entry(&p);
	}
	add(&u, &p.z, &p.y);
	sub(&v, &p.z, &p.y);
	invert(&v, p.scratch);
	mul_tight(&p.x, &u, &v);
	pack(p.words, out, &p.x);
	sl_wipe(&p, sizeof(p));
	sl_zmm_clear();
}

/*
 * A pass costs little more than one multiplication of the library does, so it is worth it for one and a base point. One
 * for public keys has a third of its multiplications.
 */
const struct sl_x25519_kernel sl_x25519_avx512 = {
        .name = "avx512",
        .lanes = LANES,
        .most = LANES,
        .worth = SL_X25519_COST_POINT + SL_X25519_COST_BASE,
        .worth_base = SL_X25519_COST_BASE,
        .multiply = multiply,
        .multiply_base = multiply_base,
};
