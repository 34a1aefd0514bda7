/*
 * The memory of one longest-prefix-match table: blocks of 32 bytes to 5 KB,
 * named by a 29-bit number so that a trie slot holds a reference and a value
 * in 8 bytes. Address space is reserved once, so blocks never move under the
 * readers; memory is taken in slabs of 64 KB, each cut into blocks of one
 * size, and an empty slab goes back. Block number 0 names no block; the bytes
 * there stay zero, for readers that look where nothing is. Control thread
 * alone; readers only use sl_lpm_block. Private to the lpm_*.c files.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SL_LPM_UNIT       16u /* bytes per block number */
#define SL_LPM_BLOCK_BITS 29
#define SL_LPM_SLAB_SHIFT 16
#define SL_LPM_SLAB_BYTES (1u << SL_LPM_SLAB_SHIFT)
#define SL_LPM_CLASSES    56
#define SL_LPM_BLOCK_MAX  8192u /* bytes */
#define SL_LPM_ZEROS      2048u /* bytes from block 0 on that are zero, once there is any block */

struct sl_lpm_slab {
	uint32_t next; /* slab number + 1, 0: end; in the list of its class or of free slabs */
	uint32_t prev;
	uint32_t free;  /* block number of the first freed block, 0: none */
	uint16_t live;  /* blocks in use */
	uint16_t fresh; /* blocks never used so far begin here */
	uint8_t size_class;
};

struct sl_lpm_arena {
	uint8_t *base; /* of block 0 */
	void *map;     /* the reserved address space, around the blocks */
	size_t mapped;
	struct sl_lpm_slab *slabs;
	size_t reserved;                  /* bytes of it for blocks */
	size_t slabs_size;                /* bytes of the mapping behind slabs */
	size_t committed;                 /* bytes from base on that may be touched */
	uint32_t n_slabs;                 /* slabs ever used */
	uint32_t n_free;                  /* of them on the free list */
	uint32_t free_slabs;              /* slab number + 1 */
	uint32_t partial[SL_LPM_CLASSES]; /* slab number + 1: slabs of a class with room */
	uint64_t bytes;                   /* in live blocks and zeros */
};

/* 0 or -ENOMEM. max_bytes is rounded up to a slab. */
int sl_lpm_arena_init(struct sl_lpm_arena *a, uint64_t max_bytes);
void sl_lpm_arena_fini(struct sl_lpm_arena *a);

/*
 * A block of at least `bytes` (1..SL_LPM_BLOCK_MAX), content undefined, aligned to a cache line
 * if it is longer than 32 bytes; 0 where memory is short.
 */
uint32_t sl_lpm_arena_alloc(struct sl_lpm_arena *a, size_t bytes);
void sl_lpm_arena_free(struct sl_lpm_arena *a, uint32_t block);

static inline void *sl_lpm_block(const uint8_t *base, uint32_t block)
{
	return (void *)(uintptr_t)(base + (size_t)block * SL_LPM_UNIT);
}
