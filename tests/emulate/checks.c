#include "tests/emulate/checks.h"

#include <immintrin.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A register in all its views. */
union reg {
	__m512i v;
	uint64_t q[8];
	uint32_t d[16];
	uint8_t b[64];
};

/* What every check has: random operands, counts that are sometimes too large, and masks. */
static union reg a, b, c, counts, got, want;
static uint8_t k;
static uint64_t k64;

static uint64_t next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* Random, and in one lane of four an edge. */
static uint64_t operand(uint64_t *state)
{
	static const uint64_t edges[] = {0, 1, UINT64_MAX, (1ULL << 52) - 1, 1ULL << 63, INT64_MAX, 0xfffff00000000000};
	uint64_t x = next(state);

	return x % 4 == 0 ? edges[(x >> 8) % (sizeof(edges) / sizeof(edges[0]))] : next(state);
}

static void fill(uint64_t *state)
{
	for (int i = 0; i < 8; i++) {
		a.q[i] = operand(state);
		b.q[i] = next(state) % 8 == 0 ? a.q[i] : operand(state);
		c.q[i] = operand(state);
		counts.q[i] = next(state) % 80;
	}
	k = (uint8_t)next(state);
	k64 = next(state) & next(state);
}

#define LOW52(x) ((x) & ((1ULL << 52) - 1))

/* Compares a whole register with what the expression gives for each lane i. */
#define LANES(name, call, lanes, field, expression)                                                                    \
	do {                                                                                                           \
		got.v = (call);                                                                                        \
		for (int i = 0; i < (lanes); i++)                                                                      \
			want.field[i] = (expression);                                                                  \
		if (memcmp(&got, &want, sizeof(got)) != 0)                                                             \
			return name;                                                                                   \
	} while (0)
#define QUADS(name, call, expression) LANES(#name, name call, 8, q, expression)
#define WORDS(name, call, expression) LANES(#name, name call, 16, d, expression)
#define MASKS(name, call, expression)                                                                                  \
	do {                                                                                                           \
		uint8_t mask = 0;                                                                                      \
                                                                                                                       \
		for (int i = 0; i < 8; i++)                                                                            \
			mask |= (uint8_t)((expression) << i);                                                          \
		if ((uint8_t)name call != mask)                                                                        \
			return #name;                                                                                  \
	} while (0)

static const char *check_arithmetic(void)
{
	WORDS(_mm512_add_epi32, (a.v, b.v), a.d[i] + b.d[i]);
	QUADS(_mm512_add_epi64, (a.v, b.v), a.q[i] + b.q[i]);
	QUADS(_mm512_sub_epi64, (a.v, b.v), a.q[i] - b.q[i]);
	QUADS(_mm512_and_si512, (a.v, b.v), a.q[i] & b.q[i]);
	QUADS(_mm512_or_si512, (a.v, b.v), a.q[i] | b.q[i]);
	QUADS(_mm512_xor_si512, (a.v, b.v), a.q[i] ^ b.q[i]);
	QUADS(_mm512_max_epi64, (a.v, b.v), (int64_t)a.q[i] > (int64_t)b.q[i] ? a.q[i] : b.q[i]);
	QUADS(_mm512_madd52lo_epu64, (a.v, b.v, c.v),
	        a.q[i] + (uint64_t)LOW52((unsigned __int128)LOW52(b.q[i]) * LOW52(c.q[i])));
	QUADS(_mm512_madd52hi_epu64, (a.v, b.v, c.v),
	        a.q[i] + (uint64_t)((unsigned __int128)LOW52(b.q[i]) * LOW52(c.q[i]) >> 52));
	QUADS(_mm512_mask_add_epi64, (a.v, k, b.v, c.v), k >> i & 1 ? b.q[i] + c.q[i] : a.q[i]);
	QUADS(_mm512_mask_and_epi64, (a.v, k, b.v, c.v), k >> i & 1 ? b.q[i] & c.q[i] : a.q[i]);
	QUADS(_mm512_mask_mov_epi64, (a.v, k, b.v), k >> i & 1 ? b.q[i] : a.q[i]);
	QUADS(_mm512_maskz_mov_epi64, (k, b.v), k >> i & 1 ? b.q[i] : 0);
	QUADS(_mm512_mask_blend_epi64, (k, a.v, b.v), k >> i & 1 ? b.q[i] : a.q[i]);
	QUADS(_mm512_set1_epi64, ((long long)b.q[3]), b.q[3]);
	WORDS(_mm512_set1_epi32, ((int)b.d[5]), b.d[5]);
	QUADS(_mm512_setzero_si512, (), 0);
	return NULL;
}

static const char *check_shifts(void)
{
	QUADS(_mm512_slli_epi64, (a.v, 8), a.q[i] << 8);
	QUADS(_mm512_slli_epi64, (a.v, 44), a.q[i] << 44);
	QUADS(_mm512_srli_epi64, (a.v, 2), a.q[i] >> 2);
	QUADS(_mm512_srli_epi64, (a.v, 42), a.q[i] >> 42);
	QUADS(_mm512_srai_epi64, (a.v, 51), (uint64_t)((int64_t)a.q[i] >> 51));
	QUADS(_mm512_sllv_epi64, (a.v, counts.v), counts.q[i] < 64 ? a.q[i] << counts.q[i] : 0);
	QUADS(_mm512_srlv_epi64, (a.v, counts.v), counts.q[i] < 64 ? a.q[i] >> counts.q[i] : 0);
	WORDS(_mm512_rol_epi32, (a.v, 7), a.d[i] << 7 | a.d[i] >> 25);
	WORDS(_mm512_rol_epi32, (a.v, 16), a.d[i] << 16 | a.d[i] >> 16);
	return NULL;
}

static const char *check_compares(void)
{
	MASKS(_mm512_cmplt_epu64_mask, (a.v, b.v), a.q[i] < b.q[i]);
	MASKS(_mm512_cmpge_epi64_mask, (a.v, b.v), (int64_t)a.q[i] >= (int64_t)b.q[i]);
	MASKS(_mm512_cmpgt_epi64_mask, (a.v, b.v), (int64_t)a.q[i] > (int64_t)b.q[i]);
	MASKS(_mm512_test_epi64_mask, (a.v, b.v), (a.q[i] & b.q[i]) != 0);
	return NULL;
}

static const char *check_permutations(void)
{
	WORDS(_mm512_unpacklo_epi32, (a.v, b.v), (i & 1 ? b : a).d[i / 4 * 4 + i % 4 / 2]);
	WORDS(_mm512_unpackhi_epi32, (a.v, b.v), (i & 1 ? b : a).d[i / 4 * 4 + 2 + i % 4 / 2]);
	QUADS(_mm512_unpacklo_epi64, (a.v, b.v), (i & 1 ? b : a).q[i / 2 * 2]);
	QUADS(_mm512_unpackhi_epi64, (a.v, b.v), (i & 1 ? b : a).q[i / 2 * 2 + 1]);
	/* the control names a quarter of a twice, then of b twice, two bits each */
	WORDS(_mm512_shuffle_i32x4, (a.v, b.v, 0x44), (i < 8 ? a : b).d[i % 8]);
	WORDS(_mm512_shuffle_i32x4, (a.v, b.v, 0xee), (i < 8 ? a : b).d[8 + i % 8]);
	WORDS(_mm512_shuffle_i32x4, (a.v, b.v, 0x88), (i < 8 ? a : b).d[i % 8 / 4 * 8 + i % 4]);
	WORDS(_mm512_shuffle_i32x4, (a.v, b.v, 0xdd), (i < 8 ? a : b).d[i % 8 / 4 * 8 + 4 + i % 4]);
	WORDS(_mm512_permutex2var_epi32, (a.v, c.v, b.v), (c.d[i] & 16 ? b : a).d[c.d[i] & 15]);
	return NULL;
}

static const char *check_memory(uint64_t at)
{
	static union reg plain;
	static uint8_t bytes[128], stored[128];
	__m256i half = _mm256_loadu_si256((const __m256i *)&b.b[at % 32]);

	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i ^ a.b[i % 64]);
	got.v = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)&a)), half, 1);
	memcpy(want.b, a.b, 32);
	memcpy(want.b + 32, b.b + at % 32, 32);
	if (memcmp(&got, &want, sizeof(got)) != 0)
		return "_mm512_inserti64x4";
	LANES("_mm512_loadu_si512", _mm512_loadu_si512(bytes + at), 64, b, bytes[at + (unsigned int)i]);
	LANES("_mm512_load_si512", _mm512_load_si512(&a), 64, b, a.b[i]);
	_mm512_store_si512(&plain, b.v);
	if (memcmp(&plain, &b, sizeof(b)) != 0)
		return "_mm512_store_si512";
	memcpy(stored, bytes, sizeof(bytes));
	_mm512_storeu_si512(stored + at, b.v);
	memcpy(bytes + at, &b, sizeof(b));
	if (memcmp(stored, bytes, sizeof(bytes)) != 0)
		return "_mm512_storeu_si512";
	LANES("_mm512_maskz_loadu_epi8", _mm512_maskz_loadu_epi8(k64, bytes + at), 64, b,
	        k64 >> i & 1 ? bytes[at + (unsigned int)i] : 0);
	_mm512_mask_storeu_epi8(stored + at, k64, c.v);
	for (unsigned int i = 0; i < 64; i++)
		if (k64 >> i & 1)
			bytes[at + i] = c.b[i];
	return memcmp(stored, bytes, sizeof(bytes)) != 0 ? "_mm512_mask_storeu_epi8" : NULL;
}

/* Bytes that the mask leaves out may lie where nothing is mapped; a fault here ends the test. */
static const char *check_guarded(unsigned int at)
{
	static uint8_t *page;
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t head = at == 0 ? 0 : UINT64_MAX >> (64 - at), tail = ~head;

	if (page == NULL) {
		page = mmap(NULL, 3 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED || mprotect(page + size, size, PROT_READ | PROT_WRITE) != 0)
			return "mmap";
	}
	memset(page + size, 1, size);
	/* the last bytes of the page and beyond, the first ones and those before */
	_mm512_mask_storeu_epi8(page + 2 * size - at, head, b.v);
	LANES("guarded load", _mm512_maskz_loadu_epi8(head, page + 2 * size - at), 64, b,
	        (unsigned int)i < at ? b.b[i] : 0);
	_mm512_mask_storeu_epi8(page + size - at, tail, c.v);
	LANES("guarded load", _mm512_maskz_loadu_epi8(tail, page + size - at), 64, b,
	        (unsigned int)i < at ? 0 : c.b[i]);
	return NULL;
}

const char *intrinsics_check(uint64_t *state)
{
	const char *wrong;

	fill(state);
	wrong = check_arithmetic();
	if (wrong == NULL)
		wrong = check_shifts();
	if (wrong == NULL)
		wrong = check_compares();
	if (wrong == NULL)
		wrong = check_permutations();
	if (wrong == NULL)
		wrong = check_memory(next(state) % 64);
	return wrong != NULL ? wrong : check_guarded((unsigned int)(next(state) % 64));
}
