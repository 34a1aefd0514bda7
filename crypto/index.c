#include "crypto/index.h"

#include <string.h>

/* Speck32/64: words of 16 bits, rotations 7 and 2, 22 rounds. */
#define ALPHA 7
#define BETA  2
#define LANES 32
#define FEW   4 /* up to this many are opened faster one by one */

static inline uint16_t ror16(uint16_t x, unsigned int n)
{
	return (uint16_t)(x >> n | x << (16 - n));
}

static inline uint16_t rol16(uint16_t x, unsigned int n)
{
	return (uint16_t)(x << n | x >> (16 - n));
}

static inline void seal_round(uint16_t *x, uint16_t *y, uint16_t k)
{
	*x = (uint16_t)(ror16(*x, ALPHA) + *y) ^ k;
	*y = rol16(*y, BETA) ^ *x;
}

static inline void open_round(uint16_t *x, uint16_t *y, uint16_t k)
{
	*y = ror16(*y ^ *x, BETA);
	*x = rol16((uint16_t)((*x ^ k) - *y), ALPHA);
}

void sl_index_key_init(struct sl_index_key *key, const uint8_t seed[SL_INDEX_KEY_LEN])
{
	uint16_t word[4];

	for (unsigned int i = 0; i < 4; i++)
		word[i] = (uint16_t)(seed[2 * i] | seed[2 * i + 1] << 8);
	/* The schedule is the round function itself, keyed by the round's number. */
	for (unsigned int i = 0; i < SL_INDEX_ROUNDS; i++) {
		key->round[i] = word[0];
		seal_round(&word[1 + i % 3], &word[0], (uint16_t)i);
	}
}

uint32_t sl_index_seal(const struct sl_index_key *key, uint32_t plain)
{
	uint16_t x = (uint16_t)(plain >> 16), y = (uint16_t)plain;

	for (unsigned int i = 0; i < SL_INDEX_ROUNDS; i++)
		seal_round(&x, &y, key->round[i]);
	return (uint32_t)x << 16 | y;
}

uint32_t sl_index_open(const struct sl_index_key *key, uint32_t index)
{
	uint16_t x = (uint16_t)(index >> 16), y = (uint16_t)index;

	for (unsigned int i = SL_INDEX_ROUNDS; i-- > 0;)
		open_round(&x, &y, key->round[i]);
	return (uint32_t)x << 16 | y;
}

/* One index a lane; the compiler takes what registers the target has. */
typedef uint16_t lanes __attribute__((vector_size(LANES * sizeof(uint16_t))));
typedef uint32_t wide __attribute__((vector_size(LANES * sizeof(uint32_t))));

static void open_lanes(const struct sl_index_key *key, const uint32_t in[LANES], uint32_t out[LANES])
{
	wide both;
	lanes x, y;

	memcpy(&both, in, sizeof(both));
	x = __builtin_convertvector(both >> 16, lanes);
	y = __builtin_convertvector(both & 0xffff, lanes);
	for (unsigned int i = SL_INDEX_ROUNDS; i-- > 0;) {
		y ^= x;
		y = y >> BETA | y << (16 - BETA);
		x = (x ^ key->round[i]) - y;
		x = x << ALPHA | x >> (16 - ALPHA);
	}
	both = __builtin_convertvector(x, wide) << 16 | __builtin_convertvector(y, wide);
	memcpy(out, &both, sizeof(both));
}

void sl_index_open_burst(const struct sl_index_key *key, const uint32_t *in, uint32_t *out, unsigned int n)
{
	uint32_t rest[LANES] = {0};

	for (; n >= LANES; n -= LANES, in += LANES, out += LANES)
		open_lanes(key, in, out);
	if (n <= FEW) {
		for (unsigned int i = 0; i < n; i++)
			out[i] = sl_index_open(key, in[i]);
		return;
	}
	memcpy(rest, in, n * sizeof(rest[0]));
	open_lanes(key, rest, rest);
	memcpy(out, rest, n * sizeof(rest[0]));
}
