/*
 * Finds a numbered entry by (space, prefix): an open-addressed hash of 32-bit
 * numbers into an array of keys that the caller owns. Prefixes are masked.
 * Control thread alone; no locks, memory 4 to 8 bytes per entry. A table that
 * grows is moved by and by, a few numbers with each change, so no change takes
 * long, however many entries there are.
 */
#pragma once

#include <stdint.h>

#include "dataplane/addr.h"

#define SL_PREFIX_INDEX_NONE UINT32_MAX

/* First member of every entry that is indexed. */
struct sl_prefix_key {
	struct sl_prefix prefix; /* host bits zero */
	uint16_t space;          /* such as an L3 interface id */
};

struct sl_prefix_index {
	uint32_t *table; /* entry number + 1; 0: empty */
	uint32_t mask;
	uint32_t count;
	uint32_t seed;
	uint32_t *old; /* the smaller table, while it is being moved; NULL: none */
	uint32_t old_mask, moved; /* slots of it, from the first */
};

/* All zero is a valid empty index; seed is a secret that keeps others from choosing colliding prefixes. */
void sl_prefix_index_init(struct sl_prefix_index *index, uint32_t seed);
void sl_prefix_index_fini(struct sl_prefix_index *index);

/* Room for n entries in all: the first time at once, later by and by. entries, stride: the caller's array. 0 or -ENOMEM. */
int sl_prefix_index_reserve(struct sl_prefix_index *index, const void *entries, size_t stride, uint32_t n);
/* The number of the entry with this key, or SL_PREFIX_INDEX_NONE. */
uint32_t sl_prefix_index_find(
	const struct sl_prefix_index *index, const void *entries, size_t stride, const struct sl_prefix_key *key);
/* Adds entry `number`, whose key is in the array already and not in the index. 0 or -ENOMEM. */
int sl_prefix_index_add(struct sl_prefix_index *index, const void *entries, size_t stride, uint32_t number);
/* Removes entry `number`, which is in the index and whose key is still in the array. */
void sl_prefix_index_remove(struct sl_prefix_index *index, const void *entries, size_t stride, uint32_t number);
