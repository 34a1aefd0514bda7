/*
 * The nodes of the longest-prefix-match trie. Private to the lpm_*.c files:
 * control builds nodes, workers read them. A node belongs to the table whose
 * arena it lies in, and is never changed while a reader can see it.
 *
 * A slot is 8 bytes: the value of a prefix (0: none, so what was found above
 * stays) and a reference to the node below. There are three kinds of node:
 *
 *   SPARSE, DIRECT  test the byte at their depth d and hold the prefixes with 8d < length ≤ 8d + 8. Each of the 256
 *                   positions has a slot; its value is that of the longest of those prefixes, its reference leads on.
 *                   DIRECT is the plain array of 256 slots. SPARSE joins neighbouring equal slots to one run: a bit
 *                   marks where a run begins, so the slot of a position is found by counting bits.
 *   EDGE            holds the first `len` bits that an address must have, from bit 0 on, and one slot: its value is the
 *                   prefix of that length, its reference (only where len is a multiple of 8) the node at depth len / 8.
 *                   A lone prefix is one EDGE; bytes that all prefixes below share are skipped by one EDGE.
 *
 * A slot whose value is a prefix of its own (length 8d + 8) and not one spread over several positions says so in its
 * `own` bit. The shorter prefixes of a node (8d < length < 8d + 8) also stand in a list behind the slots, in the order
 * (position, length), since a longer one may hide them from all slots.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/lpm_arena.h"

#define SL_LPM_STRIDE  8 /* bits */
#define SL_LPM_FANOUT  (1u << SL_LPM_STRIDE)
#define SL_LPM_AUX_MAX (SL_LPM_FANOUT - 2) /* prefixes of 1..7 bits */

enum sl_lpm_kind {
	SL_LPM_NONE = 0,
	SL_LPM_SPARSE = 1,
	SL_LPM_DIRECT = 2,
	SL_LPM_EDGE = 3,
};

/* Reference: block number << 3 | own << 2 | kind. Slot: reference << 32 | value. */
#define SL_LPM_KIND_MASK   3u
#define SL_LPM_OWN         4u
#define SL_LPM_BLOCK_SHIFT 3

static_assert(SL_LPM_BLOCK_BITS + SL_LPM_BLOCK_SHIFT == 32, "a reference fills half a slot");

struct sl_lpm_sparse {
	uint64_t bits[4]; /* bit p: a run begins at position p; bit 0 is always set */
	uint64_t stamp;   /* of the edit that made it, see lpm_table.h */
	uint8_t rank[4];  /* runs that begin before the word */
	uint16_t n_slots;
	uint16_t n_aux;
	uint64_t slots[]; /* n_slots slots, then n_aux list entries */
};

struct sl_lpm_direct {
	uint64_t slots[SL_LPM_FANOUT];
	uint64_t stamp;
	uint16_t n_runs;
	uint16_t n_aux;
	uint32_t reserved;
	uint64_t aux[];
};

struct sl_lpm_edge {
	uint64_t hi, lo; /* the bits as a number, most significant first; beyond len they are 0 */
	uint64_t slot;
	uint64_t len : 8;
	uint64_t stamp : 56;
};

static_assert(sizeof(struct sl_lpm_sparse) == 48, "header");
static_assert(sizeof(struct sl_lpm_edge) == 32, "half a cache line");
static_assert(sizeof(struct sl_lpm_direct) + SL_LPM_AUX_MAX * 8 <= SL_LPM_BLOCK_MAX, "largest node");

/* An address or prefix, widened to 128 bits: IPv4 in the first four bytes. */
struct sl_lpm_bits {
	uint64_t hi, lo;
};

static inline uint32_t sl_lpm_value(uint64_t slot)
{
	return (uint32_t)slot;
}

static inline uint32_t sl_lpm_ref(uint64_t slot)
{
	return (uint32_t)(slot >> 32);
}

static inline bool sl_lpm_own(uint64_t slot)
{
	return sl_lpm_ref(slot) & SL_LPM_OWN;
}

/* The reference to the node below, without the own bit. */
static inline uint32_t sl_lpm_child(uint64_t slot)
{
	return sl_lpm_ref(slot) & ~SL_LPM_OWN;
}

static inline enum sl_lpm_kind sl_lpm_kind(uint32_t ref)
{
	return (enum sl_lpm_kind)(ref & SL_LPM_KIND_MASK);
}

static inline uint64_t sl_lpm_slot(uint32_t value, uint32_t ref)
{
	return (uint64_t)ref << 32 | value;
}

static inline void *sl_lpm_node(const uint8_t *base, uint32_t ref)
{
	/* a block's number times its size, with one operation less */
	return (void *)(uintptr_t)(base + (size_t)(ref & ~(SL_LPM_KIND_MASK | SL_LPM_OWN)) *
	                                          (SL_LPM_UNIT >> SL_LPM_BLOCK_SHIFT));
}

static inline uint8_t sl_lpm_byte(struct sl_lpm_bits k, unsigned depth)
{
	return (uint8_t)(depth < 8 ? k.hi >> (56 - 8 * depth) : k.lo >> (120 - 8 * depth));
}

/* Whether the first len bits of a and b are equal; len 1..128. */
static inline bool sl_lpm_match(struct sl_lpm_bits a, struct sl_lpm_bits b, unsigned len)
{
	unsigned __int128 x = (unsigned __int128)(a.hi ^ b.hi) << 64 | (a.lo ^ b.lo);

	return x >> (128 - len) == 0;
}

/* The slot's place in slots[] of the position. */
static inline unsigned sl_lpm_sparse_index(const struct sl_lpm_sparse *n, uint8_t pos)
{
	size_t at = pos, word = at / 64;
	uint64_t upto = n->bits[word] << (63 - at % 64); /* without the bits of later positions */

	return n->rank[word] + (unsigned)__builtin_popcountll(upto) - 1;
}

/* List entries: value, position of the first address, bits beyond 8d. Their order as numbers is (position, length). */
static inline uint64_t sl_lpm_aux(uint8_t pos, unsigned bits, uint32_t value)
{
	return (uint64_t)pos << 40 | (uint64_t)bits << 32 | value;
}

static inline uint8_t sl_lpm_aux_pos(uint64_t aux)
{
	return (uint8_t)(aux >> 40);
}

static inline unsigned sl_lpm_aux_bits(uint64_t aux)
{
	return (unsigned)(aux >> 32) & 0xff;
}

/* Positions that a prefix of so many bits beyond 8d covers. */
static inline unsigned sl_lpm_aux_span(unsigned bits)
{
	return SL_LPM_FANOUT >> bits;
}

/* SPARSE or DIRECT. */
static inline uint64_t sl_lpm_node_slot(const uint8_t *base, uint32_t ref, uint8_t pos)
{
	if (sl_lpm_kind(ref) == SL_LPM_DIRECT)
		return ((const struct sl_lpm_direct *)sl_lpm_node(base, ref))->slots[pos];
	const struct sl_lpm_sparse *n = sl_lpm_node(base, ref);

	return n->slots[sl_lpm_sparse_index(n, pos)];
}

/* SPARSE or DIRECT: the list of shorter prefixes. */
static inline const uint64_t *sl_lpm_node_aux(const uint8_t *base, uint32_t ref, unsigned *n_aux)
{
	if (sl_lpm_kind(ref) == SL_LPM_DIRECT) {
		const struct sl_lpm_direct *d = sl_lpm_node(base, ref);

		*n_aux = d->n_aux;
		return d->aux;
	}
	const struct sl_lpm_sparse *n = sl_lpm_node(base, ref);

	*n_aux = n->n_aux;
	return n->slots + n->n_slots;
}
