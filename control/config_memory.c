#include "control/config_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/wipe.h"

enum {
	CHUNK_FIRST = 64 * 1024,
	CHUNK_NEXT = 256 * 1024, /* above SL_LARGE_ALLOC: goes back to the system when it is freed */
	ALIGNMENT = 16,
	ARRAY_FIRST = 16,
	MAP_FIRST = 64,
};

struct sl_arena_chunk {
	struct sl_arena_chunk *next;
	size_t used, size;
	_Alignas(ALIGNMENT) uint8_t data[];
};

void sl_config_out_of_memory(void)
{
	fputs("sluice: out of memory while reading the configuration\n", stderr);
	abort();
}

void *sl_config_alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		sl_config_out_of_memory();
	return p;
}

static size_t align_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

/* align: a power of two, at most ALIGNMENT, to which a chunk's size is rounded: so `used` never passes it. */
static void *take(struct sl_arena *arena, size_t size, size_t align)
{
	struct sl_arena_chunk *chunk = arena->chunks;
	void *p;

	if (chunk)
		chunk->used = align_up(chunk->used, align);
	if (!chunk || chunk->size - chunk->used < size) {
		size_t least = chunk ? CHUNK_NEXT : CHUNK_FIRST;
		size_t len = align_up(size > least ? size : least, ALIGNMENT);

		chunk = sl_config_alloc(1, sizeof(*chunk) + len);
		chunk->size = len;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	p = chunk->data + chunk->used;
	chunk->used += size;
	return p;
}

void *sl_arena_alloc(struct sl_arena *arena, size_t size)
{
	return take(arena, size, ALIGNMENT);
}

char *sl_arena_text(struct sl_arena *arena, const char *text, size_t len)
{
	char *copy = take(arena, len + 1, 1);

	memcpy(copy, text, len);
	return copy;
}

static void *copy_to(struct sl_arena *arena, const void *data, size_t size, size_t align)
{
	void *copy;

	if (size == 0)
		return NULL;
	copy = take(arena, size, align);
	memcpy(copy, data, size);
	return copy;
}

void *sl_arena_copy(struct sl_arena *arena, const void *data, size_t size)
{
	return copy_to(arena, data, size, ALIGNMENT);
}

struct sl_prefix *sl_arena_prefixes(struct sl_arena *arena, const struct sl_prefix *prefixes, size_t n)
{
	return copy_to(arena, prefixes, n * sizeof(*prefixes), _Alignof(struct sl_prefix));
}

void sl_arena_free(struct sl_arena *arena)
{
	struct sl_arena_chunk *next;

	for (struct sl_arena_chunk *chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	arena->chunks = NULL;
}

void *sl_array_grow(void *array, uint32_t n, uint32_t *capacity, size_t size)
{
	uint32_t wanted = *capacity ? *capacity * 2 : ARRAY_FIRST;
	void *grown;

	if (n < *capacity)
		return array;
	if (wanted <= n)
		sl_config_out_of_memory();
	grown = sl_config_alloc(wanted, size);
	if (n)
		memcpy(grown, array, n * size);
	sl_array_free(array, *capacity, size);
	*capacity = wanted;
	return grown;
}

void sl_array_free(void *array, uint32_t capacity, size_t size)
{
	if (array)
		sl_wipe(array, capacity * size);
	free(array);
}

void sl_config_map_init(struct sl_config_map *map, size_t key_len)
{
	*map = (struct sl_config_map){.key_len = key_len};
}

void sl_config_map_free(struct sl_config_map *map)
{
	free(map->keys);
	free(map->values);
	free(map->slots);
	sl_config_map_init(map, map->key_len);
}

void sl_config_map_clear(struct sl_config_map *map)
{
	map->count = 0;
	if (map->slots)
		memset(map->slots, 0, map->n_slots * sizeof(*map->slots));
}

/* A multiply and a shift for every 8 bytes: spreads the consecutive addresses that configurations are made of. */
static uint64_t hash(const uint8_t *key, size_t len)
{
	uint64_t h = 0x9e3779b97f4a7c15ULL ^ len;

	while (len) {
		uint64_t word = 0;
		size_t n = len < sizeof(word) ? len : sizeof(word);

		memcpy(&word, key, n);
		h = (h ^ word) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
		key += n;
		len -= n;
	}
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 29;
}

static uint32_t index_in(uint64_t slot)
{
	return (uint32_t)slot;
}

/* The slot that holds key, or the free one where it belongs. There is always a free one. */
static uint64_t *slot_of(const struct sl_config_map *map, const void *key, uint64_t h)
{
	uint32_t mask = map->n_slots - 1;
	uint32_t i = (uint32_t)h & mask;

	for (; map->slots[i]; i = (i + 1) & mask)
		if (map->slots[i] >> 32 == h >> 32 &&
		        memcmp(map->keys + (index_in(map->slots[i]) - 1) * map->key_len, key, map->key_len) == 0)
			break;
	return &map->slots[i];
}

static void slots_grow(struct sl_config_map *map, uint32_t wanted)
{
	uint64_t *slots = sl_config_alloc(wanted, sizeof(*slots));

	for (uint32_t i = 0; i < map->count; i++) {
		uint64_t h = hash(map->keys + i * map->key_len, map->key_len);
		uint32_t j = (uint32_t)h & (wanted - 1);

		while (slots[j])
			j = (j + 1) & (wanted - 1);
		slots[j] = h >> 32 << 32 | (i + 1);
	}
	free(map->slots);
	map->slots = slots;
	map->n_slots = wanted;
}

static void map_grow(struct sl_config_map *map)
{
	uint32_t wanted = map->capacity ? map->capacity * 2 : MAP_FIRST;
	uint8_t *keys = sl_config_alloc(wanted, map->key_len);
	uint32_t *values = sl_config_alloc(wanted, sizeof(*values));

	if (map->count) {
		memcpy(keys, map->keys, map->count * map->key_len);
		memcpy(values, map->values, map->count * sizeof(*values));
	}
	free(map->keys);
	free(map->values);
	map->keys = keys;
	map->values = values;
	map->capacity = wanted;
	slots_grow(map, wanted * 2);
}

uint32_t sl_config_map_find(const struct sl_config_map *map, const void *key)
{
	uint32_t index;

	if (map->count == 0)
		return SL_CONFIG_MAP_NONE;
	index = index_in(*slot_of(map, key, hash(key, map->key_len)));
	return index ? map->values[index - 1] : SL_CONFIG_MAP_NONE;
}

uint32_t sl_config_map_add(struct sl_config_map *map, const void *key, uint32_t value)
{
	uint64_t h = hash(key, map->key_len);
	uint64_t *slot;

	if (map->count == map->capacity)
		map_grow(map);
	slot = slot_of(map, key, h);
	if (*slot)
		return map->values[index_in(*slot) - 1];
	memcpy(map->keys + map->count * map->key_len, key, map->key_len);
	map->values[map->count++] = value;
	*slot = h >> 32 << 32 | map->count;
	return SL_CONFIG_MAP_NONE;
}
