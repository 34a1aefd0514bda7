/*
 * Memory of a configuration being loaded: an arena for what lives as long as the description, arrays that grow and
 * leave no secret behind, and a map from fixed-length keys (names, prefixes, public keys) to indices, for finding what
 * is given twice among a hundred thousand. Internal to the configuration; one thread at a time. When memory runs out
 * the process ends with a message: a description that lacks a part must never be applied.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/addr.h"

struct sl_arena_chunk;

struct sl_arena {
	struct sl_arena_chunk *chunks;
};

/* Zeroed memory for any type, valid until sl_arena_free. */
void *sl_arena_alloc(struct sl_arena *arena, size_t size);
/* A NUL-terminated copy of len bytes. */
char *sl_arena_text(struct sl_arena *arena, const char *text, size_t len);
/* A copy of size bytes; NULL for none. */
void *sl_arena_copy(struct sl_arena *arena, const void *data, size_t size);
/* A copy of n prefixes, without a gap; NULL for none. */
struct sl_prefix *sl_arena_prefixes(struct sl_arena *arena, const struct sl_prefix *prefixes, size_t n);
void sl_arena_free(struct sl_arena *arena);

/*
 * Bytes from which on a process that runs for long has its allocations mapped one by one (mallopt): what a load has used for
 * a hundred thousand peers goes back to the system with each reload.
 */
#define SL_LARGE_ALLOC (128 * 1024)

/* Ends the process. */
__attribute__((noreturn)) void sl_config_out_of_memory(void);
/* calloc that does not fail. */
void *sl_config_alloc(size_t n, size_t size);

/*
 * Makes room for one more element of `size` bytes after the n there are, and returns the array. When it moves, the old
 * memory is wiped. *capacity counts elements. The owner frees it with sl_array_free.
 */
void *sl_array_grow(void *array, uint32_t n, uint32_t *capacity, size_t size);
/* Wipes the whole array and frees it. */
void sl_array_free(void *array, uint32_t capacity, size_t size);

/* Open addressing; keys are copied. */
struct sl_config_map {
	size_t key_len;
	uint8_t *keys; /* count × key_len, in order of insertion */
	uint32_t *values;
	uint32_t count, capacity;
	uint64_t *slots;  /* low half: index + 1 into keys, 0: free; high half: a part of the hash */
	uint32_t n_slots; /* a power of two, or 0 */
};

#define SL_CONFIG_MAP_NONE UINT32_MAX

void sl_config_map_init(struct sl_config_map *map, size_t key_len);
void sl_config_map_free(struct sl_config_map *map);
/* Forgets all keys and keeps the memory. */
void sl_config_map_clear(struct sl_config_map *map);
/* The value of key, or SL_CONFIG_MAP_NONE. */
uint32_t sl_config_map_find(const struct sl_config_map *map, const void *key);
/* Adds key with value unless it is there; returns the value it had before, SL_CONFIG_MAP_NONE if none. */
uint32_t sl_config_map_add(struct sl_config_map *map, const void *key, uint32_t value);
