/*
 * ChaCha20 in 16 lanes: a register holds one word of the state of 16 blocks, which may be any blocks of any messages,
 * so that a burst fills the lanes whatever the lengths of its messages are. The state and the words to be added in the
 * end take 27 of the 32 registers; nothing is spilled.
 */
#include "crypto/aead_avx512.h"

#include "crypto/bytes.h"

#define DOUBLE_ROUNDS 10

/* RFC 8439 section 2.3: "expand 32-byte k" */
#define CONSTANT_0 0x61707865
#define CONSTANT_1 0x3320646e
#define CONSTANT_2 0x79622d32
#define CONSTANT_3 0x6b206574

/* Which 128-bit quarters of two registers a shuffle takes: the lower two of each, the upper two, the even, the odd. */
#define LOWER 0x44
#define UPPER 0xee
#define EVEN  0x88
#define ODD   0xdd

const uint8_t sl_avx512_zero[SL_AVX512_ROW] __attribute__((aligned(SL_AVX512_ROW)));

static inline __m512i two_keys(const uint8_t *a, const uint8_t *b)
{
	__m256i low = _mm256_loadu_si256((const __m256i *)a);
	__m256i high = _mm256_loadu_si256((const __m256i *)b);

	return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* Four registers of rows to four of columns within each 128-bit quarter: out[w] has word w of in[0], in[1], … */
static inline __attribute__((always_inline)) void transpose_words(__m512i v[4])
{
	__m512i a = _mm512_unpacklo_epi32(v[0], v[1]);
	__m512i b = _mm512_unpackhi_epi32(v[0], v[1]);
	__m512i c = _mm512_unpacklo_epi32(v[2], v[3]);
	__m512i d = _mm512_unpackhi_epi32(v[2], v[3]);

	v[0] = _mm512_unpacklo_epi64(a, c);
	v[1] = _mm512_unpackhi_epi64(a, c);
	v[2] = _mm512_unpacklo_epi64(b, d);
	v[3] = _mm512_unpackhi_epi64(b, d);
}

/* The key words of 16 messages, whose keys are at key[0..15]. */
static void key_columns(struct sl_avx512 *s, const uint8_t *const *key, unsigned int at)
{
	__m512i a[4], b[4];

	for (unsigned int i = 0; i < 4; i++) {
		a[i] = two_keys(key[i], key[i + 4]);
		b[i] = two_keys(key[i + 8], key[i + 12]);
	}
	transpose_words(a);
	transpose_words(b);
	for (unsigned int i = 0; i < 4; i++) {
		_mm512_store_si512(&s->column[i][at], _mm512_shuffle_i32x4(a[i], b[i], EVEN));
		_mm512_store_si512(&s->column[i + 4][at], _mm512_shuffle_i32x4(a[i], b[i], ODD));
	}
}

void sl_avx512_columns(struct sl_avx512 *s, struct sl_aead_job *const *jobs, unsigned int n)
{
	const uint8_t *key[SL_AVX512_MESSAGES];
	unsigned int lanes = n <= SL_AVX512_LANES ? SL_AVX512_LANES : SL_AVX512_MESSAGES;

	for (unsigned int i = 0; i < lanes; i++) {
		const struct sl_aead_job *job = jobs[i < n ? i : n - 1];

		key[i] = job->key;
		s->column[SL_AVX512_NONCE_LOW][i] = (uint32_t)job->counter;
		s->column[SL_AVX512_NONCE_HIGH][i] = (uint32_t)(job->counter >> 32);
	}
	for (unsigned int at = 0; at < lanes; at += SL_AVX512_LANES)
		key_columns(s, key + at, at);
}

/* Word i of a row of the state that is turned left by so many words: by none for columns, for diagonals as RFC 8439. */
#define WORD(row, turn, i) (4 * (row) + ((i) + (turn)) % 4)

/* a += b, d = (d ^ a) <<< by in all four columns or diagonals: four chains, none of which waits for its own result. */
#define STEP(x, a, a_turn, b, b_turn, d, d_turn, by)                                                                   \
	do {                                                                                                           \
		_Pragma("GCC unroll 4") for (unsigned int i_ = 0; i_ < 4; i_++)                                        \
		{                                                                                                      \
			__m512i *a_ = &(x)[WORD(a, a_turn, i_)], *d_ = &(x)[WORD(d, d_turn, i_)];                      \
                                                                                                                       \
			*a_ = _mm512_add_epi32(*a_, (x)[WORD(b, b_turn, i_)]);                                         \
			*d_ = _mm512_rol_epi32(_mm512_xor_si512(*d_, *a_), by);                                        \
		}                                                                                                      \
	} while (0)

/* The quarter rounds of RFC 8439 section 2.1 on the four columns (turn 0) or diagonals (turn 1). */
#define QUARTER_ROUNDS(x, turn)                                                                                        \
	do {                                                                                                           \
		STEP(x, 0, 0, 1, turn, 3, 3 * (turn), 16);                                                             \
		STEP(x, 2, 2 * (turn), 3, 3 * (turn), 1, turn, 12);                                                    \
		STEP(x, 0, 0, 1, turn, 3, 3 * (turn), 8);                                                              \
		STEP(x, 2, 2 * (turn), 3, 3 * (turn), 1, turn, 7);                                                     \
	} while (0)

/* The word of each lane's message. */
static inline __m512i column(const struct sl_avx512 *s, unsigned int word, __m512i message)
{
	const uint32_t *c = s->column[word];

	return _mm512_permutex2var_epi32(_mm512_load_si512(c), message, _mm512_load_si512(c + SL_AVX512_LANES));
}

/* Every word of the state, which begins as this and has this added in the end: RFC 8439 section 2.3. */
static inline __attribute__((always_inline)) void begin(
        __m512i x[16], const struct sl_avx512 *s, const struct sl_avx512_pass *pass)
{
	__m512i message = _mm512_load_si512(pass->message);

	x[0] = _mm512_set1_epi32(CONSTANT_0);
	x[1] = _mm512_set1_epi32(CONSTANT_1);
	x[2] = _mm512_set1_epi32(CONSTANT_2);
	x[3] = _mm512_set1_epi32(CONSTANT_3);
#pragma GCC unroll 8
	for (unsigned int i = 0; i < SL_AVX512_KEY_WORDS; i++)
		x[4 + i] = column(s, i, message);
	x[12] = _mm512_load_si512(pass->block);
	x[13] = _mm512_setzero_si512();
	x[14] = column(s, SL_AVX512_NONCE_LOW, message);
	x[15] = column(s, SL_AVX512_NONCE_HIGH, message);
}

/* One of four: within each quarter of four registers, words of rows become words of columns. */
static inline __attribute__((always_inline)) void turn_words(__m512i stream[4])
{
	__m512i v[4] = {stream[0], stream[1], stream[2], stream[3]};

	transpose_words(v);
	for (unsigned int i = 0; i < 4; i++)
		stream[i] = v[i];
}

static inline __attribute__((always_inline)) void put(
        const struct sl_avx512_pass *pass, unsigned int lane, __m512i stream, bool whole)
{
	const uint8_t *src = pass->src[lane];
	uint8_t *dst = pass->dst[lane];
	__mmask64 mask = pass->mask[lane];

	if (whole)
		_mm512_storeu_si512(dst, _mm512_xor_si512(_mm512_loadu_si512(src), stream));
	else
		_mm512_mask_storeu_epi8(dst, mask, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, src), stream));
}

/*
 * Another of four, after those: quarter q of x[4 * i + j] now has words 4 * i .. 4 * i + 3 of lane 4 * q + j, so four
 * registers make the blocks of four lanes.
 */
static inline __attribute__((always_inline)) void put_four(
        const __m512i x[16], const struct sl_avx512_pass *pass, unsigned int j, bool whole)
{
	__m512i a = _mm512_shuffle_i32x4(x[j], x[4 + j], LOWER);
	__m512i b = _mm512_shuffle_i32x4(x[j], x[4 + j], UPPER);
	__m512i c = _mm512_shuffle_i32x4(x[8 + j], x[12 + j], LOWER);
	__m512i d = _mm512_shuffle_i32x4(x[8 + j], x[12 + j], UPPER);

	put(pass, j, _mm512_shuffle_i32x4(a, c, EVEN), whole);
	put(pass, 4 + j, _mm512_shuffle_i32x4(a, c, ODD), whole);
	put(pass, 8 + j, _mm512_shuffle_i32x4(b, d, EVEN), whole);
	put(pass, 12 + j, _mm512_shuffle_i32x4(b, d, ODD), whole);
}

/* Rows of the next pass that are made up in each of the first eight double rounds. */
#define ROWS_AT_ONCE 2
static_assert(ROWS_AT_ONCE * 8 == SL_AVX512_LANES, "all rows");

static inline __attribute__((always_inline)) void make_rows(
        struct sl_avx512 *s, struct sl_avx512_pass *next, unsigned int i)
{
#pragma GCC unroll 2
	for (unsigned int j = 0; j < ROWS_AT_ONCE; j++)
		sl_avx512_next_row(s, next, ROWS_AT_ONCE * i + j);
}

/* All ten double rounds, and among them the eight parts of bringing out the previous pass and making up the next. */
static inline __attribute__((always_inline)) void rounds(__m512i x[16], struct sl_avx512 *s,
        const struct sl_avx512_pass *previous, bool whole, struct sl_avx512_pass *next)
{
#pragma GCC unroll 1
	for (unsigned int i = 0; i < 4; i++) {
		QUARTER_ROUNDS(x, 0);
		turn_words(&s->stream[4 * i]);
		make_rows(s, next, i);
		QUARTER_ROUNDS(x, 1);
	}
#pragma GCC unroll 1
	for (unsigned int i = 0; i < 4; i++) {
		QUARTER_ROUNDS(x, 0);
		put_four(s->stream, previous, i, whole);
		make_rows(s, next, 4 + i);
		QUARTER_ROUNDS(x, 1);
	}
#pragma GCC unroll 1
	for (unsigned int i = 0; i < DOUBLE_ROUNDS - 8; i++) {
		QUARTER_ROUNDS(x, 0);
		QUARTER_ROUNDS(x, 1);
	}
}

/* The same of the first pass. */
static inline __attribute__((always_inline)) void first_rounds(
        __m512i x[16], struct sl_avx512 *s, struct sl_avx512_pass *next)
{
#pragma GCC unroll 1
	for (unsigned int i = 0; i < 8; i++) {
		QUARTER_ROUNDS(x, 0);
		make_rows(s, next, i);
		QUARTER_ROUNDS(x, 1);
	}
#pragma GCC unroll 1
	for (unsigned int i = 0; i < DOUBLE_ROUNDS - 8; i++) {
		QUARTER_ROUNDS(x, 0);
		QUARTER_ROUNDS(x, 1);
	}
}

void sl_avx512_pass(struct sl_avx512 *s, const struct sl_avx512_pass *pass, const struct sl_avx512_pass *previous,
        struct sl_avx512_pass *next)
{
	__m512i x[16], first[16];

	begin(first, s, pass);
	for (unsigned int i = 0; i < 16; i++)
		x[i] = first[i];
	next->whole = true;
	if (previous == NULL)
		first_rounds(x, s, next);
	else if (previous->whole)
		rounds(x, s, previous, true, next);
	else
		rounds(x, s, previous, false, next);
#pragma GCC unroll 16
	for (unsigned int i = 0; i < 16; i++)
		s->stream[i] = _mm512_add_epi32(x[i], first[i]);
}

void sl_avx512_last_pass(struct sl_avx512 *s, const struct sl_avx512_pass *previous)
{
	for (unsigned int i = 0; i < 4; i++)
		turn_words(&s->stream[4 * i]);
	for (unsigned int i = 0; i < 4; i++)
		put_four(s->stream, previous, i, false);
}
