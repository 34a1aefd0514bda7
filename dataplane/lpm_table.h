/*
 * The inside of struct sl_lpm and of a change to it. Private to the lpm_*.c
 * files. Readers use the first cache line only.
 *
 * A change (struct sl_lpm_op) collects the blocks it made and those it
 * replaced; at its end either the new ones are published and the old ones
 * handed to reclaim, or, where memory was short, the new ones are freed and
 * nothing has happened. Within sl_lpm_begin/commit every node made bears the
 * stamp of this edit: no reader can see it yet, so further changes of the same
 * edit change it in place. A change needs no more memory once it has changed a
 * node in place, since its parents are of the same edit and keep their size.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "dataplane/lpm.h"
#include "dataplane/lpm_arena.h"
#include "dataplane/lpm_node.h"

#define SL_LPM_FAMILIES 2 /* roots: [0] IPv4, [1] IPv6 */

/* Bytes of nodes up to which a table is compact: a part of the second-level cache, which packets and sessions need too. */
#define SL_LPM_COMPACT (UINT64_C(192) << 10)

/* Blocks of one change: a level has at most one node and two edges, and every level takes a byte of the address. */
#define SL_LPM_OP_BLOCKS 64

/* Replaced blocks on their way to reclaim. */
#define SL_LPM_GARBAGE_BLOCKS (SL_LPM_OP_BLOCKS + 40)

struct sl_lpm_garbage {
	struct sl_reclaim_node reclaim;
	struct sl_lpm_garbage *next; /* of the same edit */
	uint32_t n;
	uint32_t blocks[SL_LPM_GARBAGE_BLOCKS];
};

struct sl_lpm {
	_Atomic uint64_t root[SL_LPM_FAMILIES]; /* slots at depth 0, as readers see them */
	const uint8_t *base;                    /* of the arena */
	_Atomic uint64_t changes;               /* of what readers see, so far */
	_Atomic bool compact;                   /* few enough nodes that the near caches hold them */

	alignas(64) struct sl_lpm_arena arena;
	uint64_t work[SL_LPM_FAMILIES]; /* the roots with the changes since begin */
	uint64_t count;
	bool editing;
	uint64_t edits; /* begun so far: the stamp of the running one; nodes made outside have stamp 0 */
	uint64_t count_at_begin;
	struct sl_lpm_garbage *garbage; /* takes replaced blocks; of an edit the newest of a list */
	uint64_t n_garbage;             /* chunks allocated */
	struct sl_reclaim *reclaim;
	struct sl_reclaim_node node;
};

struct sl_lpm_op {
	struct sl_lpm *t;
	struct sl_lpm_bits key; /* host bits 0 */
	unsigned len;
	uint32_t value;
	bool failed; /* memory was short: the results of the functions below are meaningless */
	unsigned n_made, n_replaced, n_dropped;
	uint32_t made[SL_LPM_OP_BLOCKS];     /* block numbers, freed if the change fails */
	uint32_t replaced[SL_LPM_OP_BLOCKS]; /* readers may see them */
	uint32_t dropped[SL_LPM_OP_BLOCKS];  /* of the running edit: freed at once when the change has succeeded */
};

/* The stamp of new nodes, and whether a node may be changed in place. */
static inline uint64_t sl_lpm_stamp(const struct sl_lpm *t)
{
	return t->editing ? t->edits : 0;
}

static inline bool sl_lpm_owned(const struct sl_lpm *t, uint64_t stamp)
{
	return t->editing && stamp == t->edits;
}

/* --- lpm_build.c: nodes out of nodes. They return references; on failure op->failed is set. --- */

/* Notes that the node will not be part of the table after the change. */
void sl_lpm_replace(struct sl_lpm_op *op, uint32_t ref);

uint32_t sl_lpm_edge_new(struct sl_lpm_op *op, struct sl_lpm_bits bits, unsigned len, uint64_t slot);
/* The edge with another slot, in place or copied. */
uint32_t sl_lpm_edge_set(struct sl_lpm_op *op, uint32_t ref, uint64_t slot);

/* A node while it is built: all positions, and the list of shorter prefixes. */
struct sl_lpm_image {
	uint64_t slots[SL_LPM_FANOUT];
	unsigned n_aux;
	uint64_t aux[SL_LPM_AUX_MAX];
};

/* Adds, replaces or (value 0) removes a list entry, and spreads the values over the positions. */
void sl_lpm_image_aux(struct sl_lpm_image *im, uint8_t pos, unsigned bits, uint32_t value);
/* depth: of the node, as everywhere; it tells whether few runs are worth an array. */
uint32_t sl_lpm_node_new(struct sl_lpm_op *op, unsigned depth, const struct sl_lpm_image *im);
/* SPARSE or DIRECT with one position, or one list entry, changed; in place or copied. */
uint32_t sl_lpm_node_set(struct sl_lpm_op *op, uint32_t ref, unsigned depth, uint8_t pos, uint64_t slot);
uint32_t sl_lpm_node_set_aux(
        struct sl_lpm_op *op, uint32_t ref, unsigned depth, uint8_t pos, unsigned bits, uint32_t value);

/* The value that the list of the node gives a position, 0 for none. */
uint32_t sl_lpm_aux_best(const uint64_t *aux, unsigned n_aux, uint8_t pos);

/* --- lpm_edit.c: one prefix into or out of the trie below a root slot; returns the new root slot. --- */

uint64_t sl_lpm_insert(struct sl_lpm_op *op, uint64_t root);
/* The prefix must be there. */
uint64_t sl_lpm_delete(struct sl_lpm_op *op, uint64_t root);

/* --- lpm_walk.c --- */

/* Value of exactly this prefix below the root slot, 0 for none. */
uint32_t sl_lpm_find(const struct sl_lpm *t, uint64_t root, struct sl_lpm_bits key, unsigned len);

/* --- helpers shared by the files --- */

static inline bool sl_lpm_is_compact(const struct sl_lpm *t)
{
	return atomic_load_explicit(&t->compact, memory_order_relaxed);
}

/* The root slot of a family, as readers see it. */
static inline uint64_t sl_lpm_root(const struct sl_lpm *t, bool v6)
{
	return atomic_load_explicit(&t->root[v6], memory_order_acquire);
}

static inline struct sl_lpm_bits sl_lpm_mask(struct sl_lpm_bits k, unsigned len)
{
	unsigned __int128 x = (unsigned __int128)k.hi << 64 | k.lo;

	x = len == 0 ? 0 : x >> (128 - len) << (128 - len);
	return (struct sl_lpm_bits){(uint64_t)(x >> 64), (uint64_t)x};
}

static inline struct sl_lpm_bits sl_lpm_bits_of(const struct sl_ip *ip)
{
	struct sl_lpm_bits k;

	memcpy(&k.hi, ip->bytes, 8);
	memcpy(&k.lo, ip->bytes + 8, 8);
	k.hi = __builtin_bswap64(k.hi);
	k.lo = __builtin_bswap64(k.lo);
	return sl_lpm_mask(k, sl_family_bits(ip->family));
}

/* The first 8 * depth bits of k, then this byte. */
static inline struct sl_lpm_bits sl_lpm_bits_with(struct sl_lpm_bits k, unsigned depth, uint8_t byte)
{
	k = sl_lpm_mask(k, 8 * depth);
	if (depth < 8)
		k.hi |= (uint64_t)byte << (56 - 8 * depth);
	else
		k.lo |= (uint64_t)byte << (120 - 8 * depth);
	return k;
}
