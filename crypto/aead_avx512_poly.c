/*
 * Poly1305 with one message per 64-bit lane, numbers in three limbs of 44, 44 and 42 bits. Four blocks of 16 bytes are
 * taken at once: h = (h + b0) r⁴ + b1 r³ + b2 r² + b3 r, so that carries are paid for once per 64 bytes and only the
 * first product waits for the step before.
 *
 * Messages of unequal lengths are aligned at their ends: all lanes take their last block in the last step, and shorter
 * ones begin later. Blocks before the beginning are zero, without the bit that marks a block, so h stays zero there.
 * The last block of each is that of the lengths; where no length has a rest of 64 bytes it is taken by itself, so that
 * the steps are what ChaCha20's rows are.
 *
 * IFMA multiplies the low 52 bits of each lane, so limbs need not be exact. Bounds, in bits: limbs of the accumulator
 * 44 + ε, those of a power the same, 20 times as much less than 49, those of a block 52, 44 and 41. Twelve products per
 * limb sum up to less than 2^56 in the low halves and 2^46 in the high ones, so nothing is lost in 64.
 */
#include "crypto/aead_avx512.h"

#include <string.h>

#define LIMB_BITS 44
#define TOP_BITS  42 /* of the last limb: 130 bits in all */
#define LIMB_MASK ((1ULL << LIMB_BITS) - 1)
#define TOP_MASK  ((1ULL << TOP_BITS) - 1)

/* High halves of products count 2^52, which is 8 bits above the next limb. */
#define HIGH_SHIFT (52 - LIMB_BITS)

/* What is above the last limb's high half counts 2^140 = 2^10 · 2^130. */
#define WRAP_SHIFT (2 * LIMB_BITS + 52 - 130)

#define BLOCK_LEN   16
#define STEP_BLOCKS 4
#define HIGH_BIT    (1ULL << (128 - 2 * LIMB_BITS)) /* 2^128 in the last limb: marks a block */

/* How far ahead of its use text is fetched, in bytes. */
#define PREFETCH 384

/* Sums of products: low and high halves for each limb of the result. */
struct sums {
	__m512i low[3], high[3];
};

static inline __m512i times5(__m512i v)
{
	return _mm512_add_epi64(v, _mm512_slli_epi64(v, 2));
}

static inline __attribute__((always_inline)) void multiply_add(
        struct sums *d, __m512i m, __m512i a, __m512i b, __m512i c)
{
	d->low[0] = _mm512_madd52lo_epu64(d->low[0], m, a);
	d->high[0] = _mm512_madd52hi_epu64(d->high[0], m, a);
	d->low[1] = _mm512_madd52lo_epu64(d->low[1], m, b);
	d->high[1] = _mm512_madd52hi_epu64(d->high[1], m, b);
	d->low[2] = _mm512_madd52lo_epu64(d->low[2], m, c);
	d->high[2] = _mm512_madd52hi_epu64(d->high[2], m, c);
}

/* d += m * power. What goes beyond limb 2 counts 2^132 = 4 · 2^130, which is 20 modulo 2^130 - 5. */
static inline __attribute__((always_inline)) void accumulate(
        struct sums *d, const __m512i m[3], const struct sl_avx512_power *power)
{
	multiply_add(d, m[0], power->r[0], power->r[1], power->r[2]);
	multiply_add(d, m[1], power->wrapped[1], power->r[0], power->r[1]);
	multiply_add(d, m[2], power->wrapped[0], power->wrapped[1], power->r[0]);
}

/* h = d modulo 2^130 - 5, in limbs of 44, 44 + ε and 42 bits. */
static inline __attribute__((always_inline)) void carry(__m512i h[3], const struct sums *d)
{
	const __m512i mask = _mm512_set1_epi64(LIMB_MASK);
	__m512i low, mid, top, over;

	mid = _mm512_add_epi64(d->low[1], _mm512_slli_epi64(d->high[0], HIGH_SHIFT));
	mid = _mm512_add_epi64(mid, _mm512_srli_epi64(d->low[0], LIMB_BITS));
	top = _mm512_add_epi64(d->low[2], _mm512_slli_epi64(d->high[1], HIGH_SHIFT));
	top = _mm512_add_epi64(top, _mm512_srli_epi64(mid, LIMB_BITS));
	over = _mm512_add_epi64(_mm512_slli_epi64(d->high[2], WRAP_SHIFT), _mm512_srli_epi64(top, TOP_BITS));
	low = _mm512_add_epi64(_mm512_and_si512(d->low[0], mask), times5(over));
	h[0] = _mm512_and_si512(low, mask);
	h[1] = _mm512_add_epi64(_mm512_and_si512(mid, mask), _mm512_srli_epi64(low, LIMB_BITS));
	h[2] = _mm512_and_si512(top, _mm512_set1_epi64(TOP_MASK));
}

static inline __attribute__((always_inline)) void clear(struct sums *d)
{
	for (unsigned int i = 0; i < 3; i++)
		d->low[i] = d->high[i] = _mm512_setzero_si512();
}

/* The first third of a transposition: even[i] and odd[i] have the even and odd words of rows 2 * i and 2 * i + 1. */
static inline __attribute__((always_inline)) void pair_rows(__m512i even[4], __m512i odd[4], const __m512i rows[8])
{
	for (unsigned int i = 0; i < 4; i++) {
		even[i] = _mm512_unpacklo_epi64(rows[2 * i], rows[2 * i + 1]);
		odd[i] = _mm512_unpackhi_epi64(rows[2 * i], rows[2 * i + 1]);
	}
}

/* Another third each: every second column, to words[0], words[2], words[4] and words[6]. */
static inline __attribute__((always_inline)) void columns(__m512i *words, const __m512i pairs[4])
{
	__m512i a = _mm512_shuffle_i32x4(pairs[0], pairs[1], 0x44);
	__m512i b = _mm512_shuffle_i32x4(pairs[0], pairs[1], 0xee);
	__m512i c = _mm512_shuffle_i32x4(pairs[2], pairs[3], 0x44);
	__m512i d = _mm512_shuffle_i32x4(pairs[2], pairs[3], 0xee);

	words[0] = _mm512_shuffle_i32x4(a, c, 0x88);
	words[2] = _mm512_shuffle_i32x4(a, c, 0xdd);
	words[4] = _mm512_shuffle_i32x4(b, d, 0x88);
	words[6] = _mm512_shuffle_i32x4(b, d, 0xdd);
}

/* Eight rows of a message each to eight columns: words[w] has word w of all. */
static inline __attribute__((always_inline)) void transpose(__m512i words[8], const __m512i rows[8])
{
	__m512i even[4], odd[4];

	pair_rows(even, odd, rows);
	columns(words, even);
	columns(words + 1, odd);
}

/* The 128 bits of a block, which may overlap from limb 0 to limb 1, and above them `bit`. */
static inline __attribute__((always_inline)) void limbs(__m512i m[3], const __m512i words[2], __m512i bit)
{
	__m512i mid = _mm512_slli_epi64(words[1], 64 - LIMB_BITS);

	m[0] = _mm512_and_si512(words[0], _mm512_set1_epi64(LIMB_MASK));
	mid = _mm512_or_si512(mid, _mm512_srli_epi64(words[0], LIMB_BITS));
	m[1] = _mm512_and_si512(mid, _mm512_set1_epi64(LIMB_MASK));
	m[2] = _mm512_or_si512(_mm512_srli_epi64(words[1], 2 * LIMB_BITS - 64), bit);
}

/* The same, less one operation: limb 0 has 52 bits, limb 1 lacks them. Only to be multiplied, not to be added to. */
static inline __attribute__((always_inline)) void limbs_of_factor(__m512i m[3], const __m512i words[2], __m512i bit)
{
	const __m512i mask = _mm512_set1_epi64(LIMB_MASK & ~((1ULL << HIGH_SHIFT) - 1));
	__m512i mid = _mm512_slli_epi64(words[1], 64 - LIMB_BITS);

	m[0] = words[0];
	mid = _mm512_or_si512(mid, _mm512_srli_epi64(words[0], LIMB_BITS));
	m[1] = _mm512_and_si512(mid, mask);
	m[2] = _mm512_or_si512(_mm512_srli_epi64(words[1], 2 * LIMB_BITS - 64), bit);
}

static inline __attribute__((always_inline)) void add(__m512i sum[3], const __m512i a[3], const __m512i b[3])
{
	for (unsigned int i = 0; i < 3; i++)
		sum[i] = _mm512_add_epi64(a[i], b[i]);
}

/*
 * One step: h = (h + b0) r⁴ + b1 r³ + b2 r² + b3 r, without the blocks before the first-th. A step that lacks blocks is
 * the first of all lanes, so h is zero then. The products that need h come last.
 */
static inline __attribute__((always_inline)) void step(__m512i h[3], const struct sl_avx512_group *g,
        const __m512i words[8], const __m512i bit[STEP_BLOCKS], unsigned int first)
{
	struct sums d;
	__m512i m[3];

	clear(&d);
#pragma GCC unroll 4
	for (unsigned int i = STEP_BLOCKS - 1; i >= 1; i--) {
		if (i < first)
			continue;
		limbs_of_factor(m, &words[2 * i], bit[i]);
		accumulate(&d, m, &g->power[STEP_BLOCKS - 1 - i]);
	}
	if (first == 0) {
		limbs(m, words, bit[0]);
		add(m, m, h);
		accumulate(&d, m, &g->power[STEP_BLOCKS - 1]);
	}
	carry(h, &d);
}

/* The 64 bytes of each lane that t more steps follow, where all of them are text. */
static inline __attribute__((always_inline)) void load_rows(
        __m512i rows[8], const struct sl_avx512_group *g, uint64_t t)
{
#pragma GCC unroll 8
	for (unsigned int i = 0; i < SL_AVX512_GROUP; i++) {
		const uint8_t *text = (const uint8_t *)(uintptr_t)(g->last[i] - SL_AVX512_ROW * t);

		rows[i] = _mm512_loadu_si512(text);
		__builtin_prefetch(text + PREFETCH);
	}
}

/*
 * The steps before the t-th last down to the end-th last, of which every lane has all 64 bytes as text. The text of the
 * next one is transposed between the products of this one: they need other parts of the CPU.
 */
static inline __attribute__((always_inline)) void whole_steps(
        __m512i h[3], const struct sl_avx512_group *g, uint64_t t, uint64_t end)
{
	const __m512i bit = _mm512_set1_epi64(HIGH_BIT);
	const __m512i bits[STEP_BLOCKS] = {bit, bit, bit, bit};
	__m512i rows[8], words[8], next[8], even[4], odd[4], m[3];
	struct sums d;

	load_rows(rows, g, --t);
	transpose(words, rows);
	while (t > end) {
		clear(&d);
		limbs_of_factor(m, &words[6], bit);
		accumulate(&d, m, &g->power[0]);
		load_rows(rows, g, --t);
		pair_rows(even, odd, rows);
		limbs_of_factor(m, &words[4], bit);
		accumulate(&d, m, &g->power[1]);
		columns(next, even);
		limbs_of_factor(m, &words[2], bit);
		accumulate(&d, m, &g->power[2]);
		columns(next + 1, odd);
		limbs(m, &words[0], bit);
		add(m, m, h);
		accumulate(&d, m, &g->power[3]);
		carry(h, &d);
#pragma GCC unroll 8
		for (unsigned int i = 0; i < 8; i++)
			words[i] = next[i];
		/* The powers are read from memory where they are used: all of them would not fit the registers. */
		__asm__ volatile("" ::: "memory");
	}
	step(h, g, words, bits, 0);
}

/* Which bytes of each lane's 64 are text, and where they are: elsewhere for lanes that have none. */
static inline void edge_bytes(
        const struct sl_avx512_group *g, uint64_t t, bool lengths, uint64_t mask[8], uint64_t at[8])
{
	const __m512i ones = _mm512_set1_epi64(-1), zero = _mm512_setzero_si512();
	__m512i blocks = _mm512_load_si512(g->blocks);
	__m512i offset = _mm512_sub_epi64(_mm512_slli_epi64(blocks, 4), _mm512_set1_epi64(SL_AVX512_ROW * (t + 1)));
	__m512i bytes = _mm512_sllv_epi64(ones, _mm512_max_epi64(_mm512_sub_epi64(zero, offset), zero));
	__m512i address = _mm512_sub_epi64(_mm512_load_si512(g->last), _mm512_set1_epi64(SL_AVX512_ROW * t));
	__m512i none = _mm512_set1_epi64((long long)(uintptr_t)sl_avx512_zero);

	if (lengths) {
		__m512i end = _mm512_sub_epi64(_mm512_load_si512(g->len), offset);

		bytes = _mm512_and_si512(
		        bytes, _mm512_srlv_epi64(ones, _mm512_sub_epi64(_mm512_set1_epi64(SL_AVX512_ROW), end)));
	}
	_mm512_store_si512(mask, bytes);
	_mm512_store_si512(at, _mm512_mask_mov_epi64(none, _mm512_test_epi64_mask(bytes, bytes), address));
}

/* A step in which a lane may begin or may not have begun, or (lengths) the last one, whose last block has the lengths.
 */
static inline __attribute__((always_inline)) void edge_step(
        __m512i h[3], const struct sl_avx512_group *g, uint64_t t, bool lengths, unsigned int first)
{
	alignas(SL_AVX512_ROW) uint64_t mask[SL_AVX512_GROUP], at[SL_AVX512_GROUP];
	const __m512i bit = _mm512_set1_epi64(HIGH_BIT), blocks = _mm512_load_si512(g->blocks);
	__m512i rows[8], words[8], bits[STEP_BLOCKS];

	edge_bytes(g, t, lengths, mask, at);
#pragma GCC unroll 8
	for (unsigned int i = 0; i < SL_AVX512_GROUP; i++)
		rows[i] = _mm512_maskz_loadu_epi8(mask[i], (const uint8_t *)(uintptr_t)at[i]);
	transpose(words, rows);
	if (lengths) /* LE64(0) ‖ LE64(len), where no text was read */
		words[7] = _mm512_load_si512(g->len);
#pragma GCC unroll 4
	for (unsigned int i = 0; i < STEP_BLOCKS; i++) {
		__m512i after = _mm512_set1_epi64((long long)(STEP_BLOCKS * (t + 1) - i));

		bits[i] = _mm512_maskz_mov_epi64(_mm512_cmpge_epi64_mask(blocks, after), bit);
	}
	step(h, g, words, bits, first);
}

/* The first step, where no lane has all four blocks. */
static void begin_step(__m512i h[3], const struct sl_avx512_group *g, uint64_t t, unsigned int first)
{
	if (first == 1)
		edge_step(h, g, t, t == 0, 1);
	else if (first == 2)
		edge_step(h, g, t, t == 0, 2);
	else
		edge_step(h, g, t, t == 0, 3);
}

/* The block of the lengths by itself. */
static inline __attribute__((always_inline)) void lengths_step(__m512i h[3], const struct sl_avx512_group *g)
{
	const __m512i words[2] = {_mm512_setzero_si512(), _mm512_load_si512(g->len)};
	struct sums d;
	__m512i m[3];

	limbs(m, words, _mm512_set1_epi64(HIGH_BIT));
	add(m, m, h);
	clear(&d);
	accumulate(&d, m, &g->power[0]);
	carry(h, &d);
}

/* All steps of a group, whose first message is the longest and last the shortest. */
static void run(struct sl_avx512_group *g)
{
	uint64_t most = g->blocks[0], least = g->blocks[SL_AVX512_GROUP - 1];
	uint64_t t = (most + STEP_BLOCKS - 1) / STEP_BLOCKS;
	uint64_t whole = least / STEP_BLOCKS, end = g->rows_only ? 0 : 1;
	unsigned int first = (unsigned int)(STEP_BLOCKS * t - most);
	__m512i h[3] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};

	if (first > 0)
		begin_step(h, g, --t, first);
	while (t > end && t > whole) {
		edge_step(h, g, --t, false, 0);
		__asm__ volatile("" ::: "memory");
	}
	if (t > end) {
		whole_steps(h, g, t, end);
		t = end;
	}
	if (g->rows_only)
		lengths_step(h, g);
	else if (t > 0)
		edge_step(h, g, 0, true, 0);
	for (unsigned int i = 0; i < 3; i++)
		g->h[i] = h[i];
}

static inline __attribute__((always_inline)) void set_power(struct sl_avx512_power *power, const __m512i r[3])
{
	for (unsigned int i = 0; i < 3; i++)
		power->r[i] = r[i];
	for (unsigned int i = 0; i < 2; i++)
		power->wrapped[i] = _mm512_slli_epi64(times5(r[i + 1]), 2);
}

static inline __attribute__((always_inline)) void multiply(
        __m512i product[3], const __m512i a[3], const struct sl_avx512_power *b)
{
	struct sums d;

	clear(&d);
	accumulate(&d, a, b);
	carry(product, &d);
}

/* Takes r and s from block 0 of each message's key stream, and wipes it. */
static void take_keys(struct sl_avx512_group *g, uint8_t (*key)[SL_AVX512_ROW], unsigned int n)
{
	const __m512i zero = _mm512_setzero_si512();
	__m512i rows[8], words[8], r[3], power[3];

#pragma GCC unroll 8
	for (unsigned int i = 0; i < SL_AVX512_GROUP; i++)
		rows[i] = _mm512_load_si512(key[i < n ? i : n - 1]);
	for (unsigned int i = 0; i < n; i++)
		_mm512_store_si512(key[i], zero);
	transpose(words, rows);
	words[0] = _mm512_and_si512(words[0], _mm512_set1_epi64(0x0ffffffc0fffffff));
	words[1] = _mm512_and_si512(words[1], _mm512_set1_epi64(0x0ffffffc0ffffffc));
	g->pad[0] = words[2];
	g->pad[1] = words[3];
	limbs(r, words, zero);
	set_power(&g->power[0], r);
	multiply(power, r, &g->power[0]);
	set_power(&g->power[1], power);
	multiply(r, power, &g->power[0]);
	multiply(power, power, &g->power[1]);
	set_power(&g->power[2], r);
	set_power(&g->power[3], power);
}

/* Lanes without a message repeat the last one. */
static void take_texts(struct sl_avx512_group *g, struct sl_aead_job *const *jobs, bool sealed, unsigned int n)
{
	uint32_t all = 0;

	for (unsigned int i = 0; i < n; i++)
		all |= jobs[i]->len;
	g->rows_only = all % SL_AVX512_ROW == 0;
	for (unsigned int i = 0; i < SL_AVX512_GROUP; i++) {
		const struct sl_aead_job *job = jobs[i < n ? i : n - 1];
		uint64_t blocks = ((uint64_t)job->len + BLOCK_LEN - 1) / BLOCK_LEN + !g->rows_only;

		g->len[i] = job->len;
		g->blocks[i] = blocks;
		g->last[i] = (uintptr_t)(sealed ? job->dst : job->src) + BLOCK_LEN * blocks - SL_AVX512_ROW;
	}
}

/* What is above 2^130 goes to limb 0, and what is above the others' bits to the next one: limb 1 may still be 2^44. */
static inline __attribute__((always_inline)) void reduce(__m512i h[3])
{
	const __m512i mask = _mm512_set1_epi64(LIMB_MASK);

	h[2] = _mm512_add_epi64(h[2], _mm512_srli_epi64(h[1], LIMB_BITS));
	h[1] = _mm512_and_si512(h[1], mask);
	h[0] = _mm512_add_epi64(h[0], times5(_mm512_srli_epi64(h[2], TOP_BITS)));
	h[2] = _mm512_and_si512(h[2], _mm512_set1_epi64(TOP_MASK));
	h[1] = _mm512_add_epi64(h[1], _mm512_srli_epi64(h[0], LIMB_BITS));
	h[0] = _mm512_and_si512(h[0], mask);
}

/* (h mod p + s) mod 2^128 of each lane, as two words. */
static inline __attribute__((always_inline)) void finish(__m512i tag[2], const struct sl_avx512_group *g)
{
	const __m512i mask = _mm512_set1_epi64(LIMB_MASK), one = _mm512_set1_epi64(1);
	__m512i h[3] = {g->h[0], g->h[1], g->h[2]}, low, mid, top;
	__mmask8 above, over;

	reduce(h);
	/* h - p is h + 5 - 2^130 */
	low = _mm512_add_epi64(h[0], _mm512_set1_epi64(5));
	mid = _mm512_add_epi64(h[1], _mm512_srli_epi64(low, LIMB_BITS));
	top = _mm512_add_epi64(h[2], _mm512_srli_epi64(mid, LIMB_BITS));
	above = _mm512_cmpgt_epi64_mask(top, _mm512_set1_epi64(TOP_MASK));
	h[0] = _mm512_mask_and_epi64(h[0], above, low, mask);
	h[1] = _mm512_mask_and_epi64(h[1], above, mid, mask);
	h[2] = _mm512_mask_mov_epi64(h[2], above, top);
	/* Where nothing was subtracted, limb 1 may still be 2^44. The bits from 128 up are shifted out. */
	h[2] = _mm512_add_epi64(h[2], _mm512_srli_epi64(h[1], LIMB_BITS));
	h[1] = _mm512_and_si512(h[1], mask);
	low = _mm512_or_si512(h[0], _mm512_slli_epi64(h[1], LIMB_BITS));
	mid = _mm512_srli_epi64(h[1], 64 - LIMB_BITS);
	mid = _mm512_or_si512(mid, _mm512_slli_epi64(h[2], 2 * LIMB_BITS - 64));
	tag[0] = _mm512_add_epi64(low, g->pad[0]);
	over = _mm512_cmplt_epu64_mask(tag[0], low);
	tag[1] = _mm512_add_epi64(mid, g->pad[1]);
	tag[1] = _mm512_mask_add_epi64(tag[1], over, tag[1], one);
}

static void put_tags(
        struct sl_avx512_group *g, struct sl_aead_job *const *jobs, uint8_t (*tags)[SL_TAG_LEN], unsigned int n)
{
	alignas(SL_AVX512_ROW) uint8_t pair[2][SL_AVX512_ROW];
	__m512i words[2];

	finish(words, g);
	/* tag i is quarter i / 2 of pair[i % 2] */
	_mm512_store_si512(pair[0], _mm512_unpacklo_epi64(words[0], words[1]));
	_mm512_store_si512(pair[1], _mm512_unpackhi_epi64(words[0], words[1]));
	for (unsigned int i = 0; i < n; i++)
		memcpy(tags != NULL ? tags[i] : jobs[i]->tag, &pair[i % 2][i / 2 * SL_TAG_LEN], SL_TAG_LEN);
}

/* By whole registers, while the next group is worked on. */
static void wipe(struct sl_avx512_group *g)
{
	const __m512i zero = _mm512_setzero_si512();

	for (unsigned int i = 0; i < STEP_BLOCKS; i++) {
		for (unsigned int j = 0; j < 3; j++)
			_mm512_store_si512(&g->power[i].r[j], zero);
		for (unsigned int j = 0; j < 2; j++)
			_mm512_store_si512(&g->power[i].wrapped[j], zero);
	}
	for (unsigned int i = 0; i < 2; i++)
		_mm512_store_si512(&g->pad[i], zero);
	for (unsigned int i = 0; i < 3; i++)
		_mm512_store_si512(&g->h[i], zero);
	__asm__ volatile("" ::: "memory");
}

/* Messages of the group that begins at that one. */
static unsigned int members(unsigned int at, unsigned int n)
{
	return n - at < SL_AVX512_GROUP ? n - at : SL_AVX512_GROUP;
}

/* Each part for all groups before the next part: the CPU works on a group while another waits for its own results. */
void sl_avx512_poly(struct sl_avx512 *s, struct sl_aead_job *const *jobs, uint8_t (*tags)[SL_TAG_LEN], unsigned int n)
{
	struct sl_avx512_group *group = s->group;

	for (unsigned int at = 0; at < n; at += SL_AVX512_GROUP) {
		take_texts(&group[at / SL_AVX512_GROUP], jobs + at, tags == NULL, members(at, n));
		take_keys(&group[at / SL_AVX512_GROUP], &s->key[at], members(at, n));
	}
	for (unsigned int at = 0; at < n; at += SL_AVX512_GROUP)
		run(&group[at / SL_AVX512_GROUP]);
	for (unsigned int at = 0; at < n; at += SL_AVX512_GROUP) {
		put_tags(&group[at / SL_AVX512_GROUP], jobs + at, tags != NULL ? tags + at : NULL, members(at, n));
		wipe(&group[at / SL_AVX512_GROUP]);
	}
}
