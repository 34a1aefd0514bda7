#include "control/prefix_index.h"

#include <errno.h>
#include <sys/mman.h>

#include <rte_jhash.h>

#define MIN_SLOTS     1024 /* a page */
#define MOVED_AT_ONCE 16   /* slots of the old table: it is empty long before the new one is full */
#define GONE          UINT32_MAX /* in the old table, whose numbers do not move up */

void
sl_prefix_index_init(struct sl_prefix_index *index, uint32_t seed)
{
	*index = (struct sl_prefix_index){.seed = seed};
}

/* Zeroed, and only touched where it is used: neither making nor freeing a large one takes long. NULL without memory. */
static uint32_t *
table_new(uint32_t slots)
{
	void *table = mmap(NULL, slots * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return table == MAP_FAILED ? NULL : table;
}

static void
table_free(uint32_t *table, uint32_t slots)
{
	if (table)
		munmap(table, slots * sizeof(*table));
}

void
sl_prefix_index_fini(struct sl_prefix_index *index)
{
	table_free(index->table, index->mask + 1);
	table_free(index->old, index->old_mask + 1);
	*index = (struct sl_prefix_index){0};
}

static const struct sl_prefix_key *
key_of(const void *entries, size_t stride, uint32_t number)
{
	return (const struct sl_prefix_key *)((const char *)entries + stride * number);
}

static uint32_t
hash_of(const struct sl_prefix_index *index, const struct sl_prefix_key *key)
{
	uint32_t words[4];

	memcpy(words, key->prefix.addr.bytes, sizeof(words));
	words[0] ^= (uint32_t)key->prefix.len << 24 | (uint32_t)key->prefix.addr.family << 16;
	return rte_jhash_32b(words, 4, index->seed ^ key->space);
}

static uint32_t
home(const struct sl_prefix_index *index, const struct sl_prefix_key *key)
{
	return hash_of(index, key) & index->mask;
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

/* Moves some slots of the old table to the new one. They stay in the old one too, for what is found behind them. */
static void
move_some(struct sl_prefix_index *index, const void *entries, size_t stride, uint32_t n)
{
	for (; index->old && n > 0; n--) {
		uint32_t value = index->old[index->moved];

		if (value != 0 && value != GONE)
			place(index, entries, stride, value - 1);
		if (index->moved++ == index->old_mask) {
			table_free(index->old, index->old_mask + 1);
			index->old = NULL;
		}
	}
}

int
sl_prefix_index_reserve(struct sl_prefix_index *index, const void *entries, size_t stride, uint32_t n)
{
	uint32_t slots = MIN_SLOTS, old_slots = index->table ? index->mask + 1 : 0;
	uint32_t *table;

	/* at most 3/4 full */
	while (slots - slots / 4 < n)
		slots *= 2;
	if (slots <= old_slots)
		return 0;
	table = table_new(slots);
	if (table == NULL)
		return -ENOMEM;
	move_some(index, entries, stride, UINT32_MAX);
	index->old = index->table;
	index->old_mask = index->mask;
	index->moved = 0;
	index->table = table;
	index->mask = slots - 1;
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

/* The same in the old table, moved or not. */
static uint32_t
find_old(const struct sl_prefix_index *index, const void *entries, size_t stride, const struct sl_prefix_key *key)
{
	if (index->old == NULL || index->count == 0)
		return SL_PREFIX_INDEX_NONE;
	for (uint32_t slot = hash_of(index, key) & index->old_mask; index->old[slot] != 0; slot = (slot + 1) & index->old_mask) {
		if (index->old[slot] != GONE && equal(key_of(entries, stride, index->old[slot] - 1), key))
			return slot;
	}
	return SL_PREFIX_INDEX_NONE;
}

uint32_t
sl_prefix_index_find(
	const struct sl_prefix_index *index, const void *entries, size_t stride, const struct sl_prefix_key *key)
{
	uint32_t slot = find_slot(index, entries, stride, key);

	if (slot != SL_PREFIX_INDEX_NONE)
		return index->table[slot] - 1;
	slot = find_old(index, entries, stride, key);
	return slot == SL_PREFIX_INDEX_NONE ? slot : index->old[slot] - 1;
}

int
sl_prefix_index_add(struct sl_prefix_index *index, const void *entries, size_t stride, uint32_t number)
{
	int rc = sl_prefix_index_reserve(index, entries, stride, index->count + 1);

	if (rc != 0)
		return rc;
	move_some(index, entries, stride, MOVED_AT_ONCE);
	place(index, entries, stride, number);
	index->count++;
	return 0;
}

/* Linear probing without tombstones: whatever stands behind the hole and may not stay there moves up. */
static void
close_hole(struct sl_prefix_index *index, const void *entries, size_t stride, uint32_t hole)
{
	for (uint32_t slot = hole;;) {
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
}

void
sl_prefix_index_remove(struct sl_prefix_index *index, const void *entries, size_t stride, uint32_t number)
{
	const struct sl_prefix_key *key = key_of(entries, stride, number);
	uint32_t slot = find_slot(index, entries, stride, key), old = find_old(index, entries, stride, key);

	if (slot != SL_PREFIX_INDEX_NONE)
		close_hole(index, entries, stride, slot);
	if (old != SL_PREFIX_INDEX_NONE)
		index->old[old] = GONE;
	index->count--;
	move_some(index, entries, stride, MOVED_AT_ONCE);
}
