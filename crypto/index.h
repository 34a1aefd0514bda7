/*
 * Session indices: a keyed permutation of u32, so that (gateway id, slot, generation) packed by the caller becomes an
 * index that a stranger cannot guess, and a received index becomes the slot again without a table. Speck32/64 (Beaulieu
 * et al., 2013, section 4). The index is no secret and protects nothing by itself: a guessed one still fails
 * authentication. The key is written once at start; workers open, control seals; pure otherwise.
 */
#pragma once

#include <stdint.h>

#define SL_INDEX_ROUNDS  22
#define SL_INDEX_KEY_LEN 8

struct sl_index_key {
	uint16_t round[SL_INDEX_ROUNDS];
};

/* Expands 8 random bytes. Bytes are the key words k0, l0, l1, l2, each little-endian. */
void sl_index_key_init(struct sl_index_key *key, const uint8_t seed[SL_INDEX_KEY_LEN]);

uint32_t sl_index_seal(const struct sl_index_key *key, uint32_t plain);
uint32_t sl_index_open(const struct sl_index_key *key, uint32_t index);

/* Opens n indices, many at a time. out may be in. */
void sl_index_open_burst(const struct sl_index_key *key, const uint32_t *in, uint32_t *out, unsigned int n);
