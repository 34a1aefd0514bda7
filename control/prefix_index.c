#include "control/prefix_index.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_jhash.h>

#define MIN_SLOTS 16

void
sl_prefix_index_init(struct sl_prefix_index *index, uint32_t seed)
{
	*index = (struct sl_prefix_index){.seed = seed};
}

void
sl_prefix_index_fini(struct sl_prefix_index *index)
{
	free(index->table);
	*index = (struct sl_prefix_index){0};
}

static const struct sl_prefix_key *
key_of(const void *entries, size_t stride, uint32_t number)
{
	return (const struct sl_prefix_key *)((const char *)entries + stride * number);
}

static uint32_t
home(const struct sl_prefix_index *index, const struct sl_prefix_key *key)
{
	uint32_t words[4];

	memcpy(words, key->prefix.addr.bytes, sizeof(words));
	words[0] ^= (uint32_t)key->prefix.len << 24 | (uint32_t)key->prefix.addr.family << 16;
	return rte_jhash_32b(words, 4, index->seed ^ key->space) & index->mask;
}

static bool
equal(const struct sl_prefix_key *a, const struct sl_prefix_key *b)
{
	return a->space == b->space && a->prefix.len == b->prefix.len && sl_ip_equal(&a->prefix.addr, &b->prefix.addr);
}

static void
place(struct sl_prefix_index *index, const void *entries, size_t stride, uint32_t number)
{
	uint32_t slot = home(index, key_of(entries, stride, number));

	while (index->table[slot] != 0)
		slot = (slot + 1) & index->mask;
	index->table[slot] = number + 1;
}

int
sl_prefix_index_reserve(struct sl_prefix_index *index, const void *entries, size_t stride, uint32_t n)
{
	uint32_t slots = MIN_SLOTS, old_slots = index->table ? index->mask + 1 : 0;
	uint32_t *old = index->table;

	/* at most 3/4 full */
	while (slots - slots / 4 < n)
		slots *= 2;
	if (slots <= old_slots)
		return 0;
	index->table = calloc(slots, sizeof(*index->table));
	if (index->table == NULL) {
		index->table = old;
		return -ENOMEM;
	}
	index->mask = slots - 1;
	for (uint32_t i = 0; i < old_slots; i++) {
		if (old[i] != 0)
			place(index, entries, stride, old[i] - 1);
	}
	free(old);
	return 0;
}

static uint32_t
find_slot(const struct sl_prefix_index *index, const void *entries, size_t stride, const struct sl_prefix_key *key)
{
	uint32_t slot;

	if (index->count == 0)
		return SL_PREFIX_INDEX_NONE;
	for (slot = home(index, key); index->table[slot] != 0; slot = (slot + 1) & index->mask) {
		if (equal(key_of(entries, stride, index->table[slot] - 1), key))
			return slot;
	}
	return SL_PREFIX_INDEX_NONE;
}

uint32_t
sl_prefix_index_find(
	const struct sl_prefix_index *index, const void *entries, size_t stride, const struct sl_prefix_key *key)
{
	uint32_t slot = find_slot(index, entries, stride, key);

	return slot == SL_PREFIX_INDEX_NONE ? slot : index->table[slot] - 1;
}

int
sl_prefix_index_add(struct sl_prefix_index *index, const void *entries, size_t stride, uint32_t number)
{
	int rc = sl_prefix_index_reserve(index, entries, stride, index->count + 1);

	if (rc != 0)
		return rc;
	place(index, entries, stride, number);
	index->count++;
	return 0;
}

void
sl_prefix_index_remove(struct sl_prefix_index *index, const void *entries, size_t stride, uint32_t number)
{
	uint32_t hole = find_slot(index, entries, stride, key_of(entries, stride, number));
	uint32_t slot = hole;

	/* Linear probing without tombstones: whatever stands behind the hole and may not stay there moves up. */
	for (;;) {
		uint32_t want;

		slot = (slot + 1) & index->mask;
		if (index->table[slot] == 0)
			break;
		want = home(index, key_of(entries, stride, index->table[slot] - 1));
		if (((slot - want) & index->mask) >= ((slot - hole) & index->mask)) {
			index->table[hole] = index->table[slot];
			hole = slot;
		}
	}
	index->table[hole] = 0;
	index->count--;
}
