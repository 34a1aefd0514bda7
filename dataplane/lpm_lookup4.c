#include <rte_branch_prediction.h>

#include "dataplane/lpm_table.h"

/*
 * IPv4 lookups. A burst goes down in three loops over the addresses: to the node at depth 2 (the nodes above it are few
 * and near), to the one at depth 3, and to the end. Each loop asks for what the next one will read, so the memory
 * accesses of a burst overlap. Lanes that stand at an array know the slot they will read. The others, at SPARSE nodes
 * and edges, find theirs between the loops, so that the loops are the same few operations for all.
 *
 * Where there is no node, a lookup goes on through the zeros at block 0 as through an array that holds nothing: paths
 * of different lengths take the same branches.
 */

#define GROUP 32
#define WORTH 4  /* fewer addresses are looked up one by one */
#define BYTES 4u /* of an address: no node is deeper */

/* A slot as two words: value and reference are used apart. */
struct halves {
	uint32_t value, ref;
} __attribute__((may_alias));

static_assert(sizeof(struct halves) == sizeof(uint64_t), "a slot");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the value is a slot's lower half");
static_assert(SL_LPM_ZEROS == SL_LPM_FANOUT * sizeof(struct halves), "an array that holds nothing");

/* How far a lookup has come. */
struct place {
	uint32_t best; /* value */
	uint32_t ref;  /* of the node to look into */
};

static inline bool is_array(uint32_t ref)
{
	return !(ref & 1);
}

static_assert(!(SL_LPM_NONE & 1) && !(SL_LPM_DIRECT & 1) && SL_LPM_SPARSE & 1 && SL_LPM_EDGE & 1, "as is_array says");

static inline bool is_edge(uint32_t ref)
{
	return sl_lpm_kind(ref) == SL_LPM_EDGE;
}

static inline void take(struct place *p, const struct halves *slot)
{
	uint32_t value = slot->value;

	p->ref = slot->ref;
	p->best = value != 0 ? value : p->best;
}

static inline const struct halves *sparse_slot(const struct sl_lpm_sparse *s, uint8_t byte)
{
	return (const struct halves *)&s->slots[sl_lpm_sparse_index(s, byte)];
}

/* The edge's slot, or an empty one where the address does not match. addr: as in the packet. */
static inline const struct halves *edge_slot(const uint8_t *base, const struct sl_lpm_edge *e, const uint8_t *addr)
{
	uint32_t a;

	memcpy(&a, addr, sizeof(a));
	if (((uint64_t)__builtin_bswap32(a) << 32 ^ e->hi) >> (64 - e->len) != 0)
		return sl_lpm_block(base, 0);
	return (const struct halves *)&e->slot;
}

/* Down to the node at depth `to`, or to an edge above it. */
static inline __attribute__((always_inline)) void descend(
        struct place *p, const uint8_t *base, const uint8_t *addr, unsigned depth, unsigned to)
{
	for (; depth < to; depth++) {
		const void *node = sl_lpm_node(base, p->ref);

		if (likely(is_array(p->ref)))
			take(p, (const struct halves *)node + addr[depth]);
		else if (!is_edge(p->ref))
			take(p, sparse_slot(node, addr[depth]));
		else
			return;
	}
}

/* From an edge on to the end. */
static inline void finish(struct place *p, const uint8_t *base, const uint8_t *addr)
{
	while (is_edge(p->ref)) {
		const struct sl_lpm_edge *e = sl_lpm_node(base, p->ref);

		take(p, edge_slot(base, e, addr));
		if (p->ref == 0)
			return;
		descend(p, base, addr, e->len / 8, BYTES);
	}
}

/* Addresses on their way down. */
struct lanes {
	const uint8_t *base;
	const uint32_t *addrs;
	unsigned n;
	uint32_t best[GROUP];             /* values */
	const struct halves *slot[GROUP]; /* where each will look */
	/* Those that do not know it yet, and their nodes. */
	unsigned n_others;
	uint32_t others[GROUP];
	uint32_t nodes[GROUP];
	struct halves ahead[GROUP]; /* made slots, of lanes that went further than the rest */
};

static inline const uint8_t *addr_of(const struct lanes *l, unsigned lane)
{
	return (const uint8_t *)&l->addrs[lane];
}

/* A lane has come to a node at `depth`. */
static inline void arrive(struct lanes *l, unsigned lane, const struct place *p, unsigned depth)
{
	const struct halves *node = sl_lpm_node(l->base, p->ref);

	if (likely(is_array(p->ref))) {
		l->slot[lane] = node += addr_of(l, lane)[depth];
	} else {
		l->others[l->n_others] = lane;
		l->nodes[l->n_others++] = p->ref;
	}
	__builtin_prefetch(node);
	l->best[lane] = p->best;
}

/* A lane at an edge: its slot at depth `to`. Nodes behind edges that end above it are rare. */
static inline const struct halves *pass_edge(struct lanes *l, unsigned lane, uint32_t ref, unsigned to)
{
	const struct sl_lpm_edge *e = sl_lpm_node(l->base, ref);
	const struct halves *slot = edge_slot(l->base, e, addr_of(l, lane));
	struct place p;

	if (likely(slot->ref == 0 || e->len == 8 * to))
		return slot;
	p = (struct place){slot->value, slot->ref};
	descend(&p, l->base, addr_of(l, lane), e->len / 8, to);
	if (to == BYTES)
		finish(&p, l->base, addr_of(l, lane));
	l->ahead[lane] = (struct halves){p.best, p.ref};
	return &l->ahead[lane];
}

/* Lanes that are at no array at `depth` find their slots. */
static inline void find_slots(struct lanes *l, unsigned depth)
{
	for (unsigned i = 0; i < l->n_others; i++) {
		uint32_t lane = l->others[i], ref = l->nodes[i];
		const struct halves *slot;

		if (is_edge(ref))
			slot = pass_edge(l, lane, ref, depth + 1);
		else
			slot = sparse_slot(sl_lpm_node(l->base, ref), addr_of(l, lane)[depth]);
		__builtin_prefetch(slot);
		l->slot[lane] = slot;
	}
	l->n_others = 0;
}

/* edge: the one that the root leads to, or NULL. */
static inline __attribute__((always_inline)) void start(
        struct lanes *l, struct place root, const struct sl_lpm_edge *edge)
{
	for (unsigned i = 0; i < l->n; i++) {
		const uint8_t *addr = addr_of(l, i);
		struct place p = root;

		if (edge != NULL)
			take(&p, edge_slot(l->base, edge, addr));
		descend(&p, l->base, addr, edge != NULL ? edge->len / 8 : 0, 2);
		arrive(l, i, &p, 2);
	}
}

/* n ≤ GROUP; the root has a node. */
static void lookup_group(const uint8_t *base, struct place root, const uint32_t *addrs, uint32_t *values, unsigned n)
{
	const struct sl_lpm_edge *edge = sl_lpm_node(base, root.ref);
	struct lanes l;

	l.base = base;
	l.addrs = addrs;
	l.n = n;
	l.n_others = 0;
	/* an edge to the node at depth 3, or to none, is for the second loop */
	if (is_edge(root.ref) && edge->len < 24)
		start(&l, root, edge);
	else
		start(&l, root, NULL);
	if (l.n_others > 0)
		find_slots(&l, 2);
	for (unsigned i = 0; i < n; i++) {
		struct place p = {.best = l.best[i]};

		take(&p, l.slot[i]);
		arrive(&l, i, &p, 3);
	}
	if (l.n_others > 0)
		find_slots(&l, 3);
	for (unsigned i = 0; i < n; i++) {
		struct place p = {.best = l.best[i]};

		take(&p, l.slot[i]);
		values[i] = p.best;
	}
}

/* All of the way of one address. */
static inline uint32_t lookup_one(const uint8_t *base, struct place root, const uint8_t *addr)
{
	struct place p = root;

	descend(&p, base, addr, 0, BYTES);
	finish(&p, base, addr);
	return p.best;
}

/* Whether the loops are worth what they cost: in near caches there is nothing to overlap that the core does not. */
static inline bool is_worth(const struct sl_lpm *t, unsigned n)
{
	return n >= WORTH && !sl_lpm_is_compact(t);
}

void sl_lpm_lookup4_burst(
        const struct sl_lpm *t, uint32_t otherwise, const uint32_t *addrs, uint32_t *values, unsigned n)
{
	uint64_t slot = sl_lpm_root(t, false);
	struct place root = {sl_lpm_value(slot) != 0 ? sl_lpm_value(slot) : otherwise, sl_lpm_ref(slot)};

	if (unlikely(root.ref == 0)) {
		for (unsigned i = 0; i < n; i++)
			values[i] = root.best;
		return;
	}
	if (!is_worth(t, n)) {
		for (unsigned i = 0; i < n; i++)
			values[i] = lookup_one(t->base, root, (const uint8_t *)&addrs[i]);
		return;
	}
	for (unsigned group; n > 0; addrs += group, values += group, n -= group) {
		group = n < GROUP ? n : GROUP;
		lookup_group(t->base, root, addrs, values, group);
	}
}

uint32_t sl_lpm_lookup4(const struct sl_lpm *t, const void *addr)
{
	uint64_t slot = sl_lpm_root(t, false);
	struct place root = {sl_lpm_value(slot), sl_lpm_ref(slot)};

	return root.ref != 0 ? lookup_one(t->base, root, addr) : root.best;
}
