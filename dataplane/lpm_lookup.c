#include <rte_branch_prediction.h>

#include "dataplane/lpm_table.h"

/*
 * Lookups of one address go down the trie and keep the last value. A burst of keys does so one by one where the tables
 * are compact: the near caches hold them, and the core overlaps some lookups by itself. Of the other keys it has the
 * IPv4 addresses, as far as they are for one table, looked up by sl_lpm_lookup4_burst. With the rest it goes down level
 * by level: every lane touches what was prefetched for it in the pass before, so the memory accesses of all lanes
 * overlap. Lanes are sorted by the kind of node they stand at, so that the branches of the inner loops are the same for
 * a whole list.
 */

#define LANES     32
#define ADDR_ROOM 24 /* 16 bytes; a byte behind them may be read of a lane that is done */

/* addr: 16 bytes. */
static inline struct sl_lpm_bits load_bits(const uint8_t *addr)
{
	struct sl_lpm_bits k;

	memcpy(&k, addr, sizeof(k));
	return (struct sl_lpm_bits){__builtin_bswap64(k.hi), __builtin_bswap64(k.lo)};
}

static inline bool edge_matches(const struct sl_lpm_edge *e, struct sl_lpm_bits k)
{
	unsigned len = e->len;
	uint64_t hi = k.hi ^ e->hi;

	if (len <= 64)
		return hi >> (64 - len) == 0;
	return (hi | (k.lo ^ e->lo) >> (128 - len)) == 0;
}

/* addr: 16 bytes. */
static uint32_t lookup(const uint8_t *base, uint64_t slot, const uint8_t *addr)
{
	struct sl_lpm_bits bits = load_bits(addr);
	uint32_t best = sl_lpm_value(slot);
	unsigned depth = 0;

	for (;;) {
		uint32_t ref = sl_lpm_child(slot);

		switch (sl_lpm_kind(ref)) {
		case SL_LPM_NONE:
			return best;
		case SL_LPM_EDGE: {
			const struct sl_lpm_edge *e = sl_lpm_node(base, ref);

			if (!edge_matches(e, bits))
				return best;
			slot = e->slot;
			depth = e->len / 8;
			break;
		}
		default:
			slot = sl_lpm_node_slot(base, ref, addr[depth++]);
		}
		if (sl_lpm_value(slot) != 0)
			best = sl_lpm_value(slot);
	}
}

uint32_t sl_lpm_lookup6(const struct sl_lpm *t, const void *addr)
{
	return lookup(t->base, sl_lpm_root(t, true), addr);
}

uint32_t sl_lpm_lookup(const struct sl_lpm *t, const struct sl_ip *ip)
{
	if (ip->family == SL_AF_INET)
		return sl_lpm_lookup4(t, ip->bytes);
	return ip->family == SL_AF_INET6 ? sl_lpm_lookup6(t, ip->bytes) : 0;
}

/* One address on its way down. */
struct lane {
	alignas(64) const uint8_t *node; /* where it stands; of a SPARSE node, once it is known, the slot */
	const uint8_t *base;
	struct sl_lpm_bits bits;
	uint32_t best;
	uint32_t depth; /* of the node; of an edge the depth it leads to */
	uint8_t addr[ADDR_ROOM];
};

static_assert(sizeof(struct lane) == 64, "a line");

/* Lanes by the kind of node they stand at; those at none are done. */
struct lists {
	struct lane **end[4];
	struct lane *lanes[4][LANES];
};

static inline void lists_clear(struct lists *l)
{
	for (unsigned kind = 0; kind < 4; kind++)
		l->end[kind] = l->lanes[kind];
}

/* Moves a lane on to the node behind a slot, prefetches what its pass will touch, and puts it on that node's list. */
static inline __attribute__((always_inline)) void advance(struct lane *l, struct lists *to, uint64_t slot)
{
	uint32_t ref = sl_lpm_ref(slot), value = sl_lpm_value(slot);
	enum sl_lpm_kind kind = sl_lpm_kind(ref);
	const uint8_t *node = sl_lpm_node(l->base, ref);

	l->best = value != 0 ? value : l->best;
	if (kind == SL_LPM_DIRECT)
		node += l->addr[l->depth] * sizeof(uint64_t);
	l->node = node;
	__builtin_prefetch(node);
	*to->end[kind]++ = l;
}

/* One level: every lane of `from` looks into its node and moves on to `to`. */
static void pass(const struct lists *from, struct lists *to)
{
	lists_clear(to);
	for (struct lane *const *p = from->lanes[SL_LPM_SPARSE]; p < from->end[SL_LPM_SPARSE]; p++) {
		struct lane *l = *p;
		const struct sl_lpm_sparse *s = (const void *)l->node;

		l->node = (const uint8_t *)&s->slots[sl_lpm_sparse_index(s, l->addr[l->depth++])];
		__builtin_prefetch(l->node);
	}
	for (struct lane *const *p = from->lanes[SL_LPM_DIRECT]; p < from->end[SL_LPM_DIRECT]; p++) {
		(*p)->depth++;
		advance(*p, to, *(const uint64_t *)(*p)->node);
	}
	for (struct lane *const *p = from->lanes[SL_LPM_EDGE]; p < from->end[SL_LPM_EDGE]; p++) {
		struct lane *l = *p;
		const struct sl_lpm_edge *e = (const void *)l->node;
		uint64_t slot = edge_matches(e, l->bits) ? e->slot : 0;

		l->best = sl_lpm_value(slot) != 0 ? sl_lpm_value(slot) : l->best;
		if (sl_lpm_ref(slot) != 0) {
			l->depth = e->len / 8;
			advance(l, to, slot);
		}
	}
	for (struct lane *const *p = from->lanes[SL_LPM_SPARSE]; p < from->end[SL_LPM_SPARSE]; p++)
		advance(*p, to, *(const uint64_t *)(*p)->node);
}

static inline bool more(const struct lists *l)
{
	return l->end[SL_LPM_SPARSE] != l->lanes[SL_LPM_SPARSE] || l->end[SL_LPM_DIRECT] != l->lanes[SL_LPM_DIRECT] ||
	       l->end[SL_LPM_EDGE] != l->lanes[SL_LPM_EDGE];
}

/* The root node is hot, so a lane looks into it at once; it is the same for all lanes of a table, so branches are
 * foreseen. */
static inline uint64_t look_into_root(struct lane *l, uint64_t slot)
{
	uint32_t ref = sl_lpm_child(slot);

	l->best = sl_lpm_value(slot);
	l->depth = 0;
	if (sl_lpm_kind(ref) == SL_LPM_NONE)
		return 0;
	if (sl_lpm_kind(ref) == SL_LPM_EDGE) {
		const struct sl_lpm_edge *e = sl_lpm_node(l->base, ref);

		l->depth = e->len / 8;
		return edge_matches(e, l->bits) ? e->slot : 0;
	}
	return sl_lpm_node_slot(l->base, ref, l->addr[l->depth++]);
}

static inline void start(struct lane *l, struct lists *to, const struct sl_lpm_key *key)
{
	const struct sl_lpm *t = key->table;
	struct sl_lpm_bits k = {0, 0};

	if (key->family == SL_AF_INET) {
		uint32_t a;

		memcpy(&a, key->addr, sizeof(a));
		k.hi = a;
	} else {
		memcpy(&k, key->addr, sizeof(k));
	}
	memcpy(l->addr, &k, sizeof(k));
	l->bits = (struct sl_lpm_bits){__builtin_bswap64(k.hi), __builtin_bswap64(k.lo)};
	l->base = t->base;
	advance(l, to, look_into_root(l, sl_lpm_root(t, key->family == SL_AF_INET6)));
}

/* What becomes of the keys of a group. */
struct group {
	const struct sl_lpm_key *keys;
	/* IPv4 addresses for one table, and the places of their keys */
	const struct sl_lpm *table;
	unsigned n_addrs;
	uint32_t addrs[LANES];
	uint8_t addr_of[LANES];
	unsigned n_lanes;
	uint8_t lane_of[LANES];
};

/* Looks up what needs neither, and collects the others. */
static void sort_keys(struct group *g, uint32_t *values, unsigned n)
{
	g->table = NULL;
	g->n_addrs = g->n_lanes = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct sl_lpm_key *k = &g->keys[i];

		if (unlikely(k->table == NULL || (k->family != SL_AF_INET && k->family != SL_AF_INET6))) {
			values[i] = 0;
			continue;
		}
		if (likely(sl_lpm_is_compact(k->table))) {
			values[i] = k->family == SL_AF_INET ? sl_lpm_lookup4(k->table, k->addr)
			                                    : sl_lpm_lookup6(k->table, k->addr);
		} else if (likely(k->family == SL_AF_INET && (k->table == g->table || g->table == NULL))) {
			g->table = k->table;
			memcpy(&g->addrs[g->n_addrs], k->addr, sizeof(*g->addrs));
			g->addr_of[g->n_addrs++] = (uint8_t)i;
		} else {
			g->lane_of[g->n_lanes++] = (uint8_t)i;
		}
	}
}

static void lookup_addrs(const struct group *g, uint32_t *values, unsigned n)
{
	uint32_t found[LANES];

	if (likely(g->n_addrs == n)) {
		sl_lpm_lookup4_burst(g->table, 0, g->addrs, values, n);
		return;
	}
	sl_lpm_lookup4_burst(g->table, 0, g->addrs, found, g->n_addrs);
	for (unsigned i = 0; i < g->n_addrs; i++)
		values[g->addr_of[i]] = found[i];
}

/* All at once, level by level. */
static void lookup_lanes(const struct group *g, uint32_t *values)
{
	struct lane lanes[LANES];
	struct lists lists[2];
	unsigned turn = 0;

	lists_clear(&lists[0]);
	for (unsigned i = 0; i < g->n_lanes; i++)
		start(&lanes[i], &lists[0], &g->keys[g->lane_of[i]]);
	for (; more(&lists[turn]); turn ^= 1)
		pass(&lists[turn], &lists[turn ^ 1]);
	for (unsigned i = 0; i < g->n_lanes; i++)
		values[g->lane_of[i]] = lanes[i].best;
}

void sl_lpm_lookup_burst(const struct sl_lpm_key *keys, uint32_t *values, unsigned n)
{
	struct group g;

	for (unsigned part; n > 0; keys += part, values += part, n -= part) {
		part = n < LANES ? n : LANES;
		g.keys = keys;
		sort_keys(&g, values, part);
		if (g.n_addrs > 0)
			lookup_addrs(&g, values, part);
		if (g.n_lanes > 0)
			lookup_lanes(&g, values);
	}
}

/* The longest of a node's prefixes that contain the address, of length at most max_len; false where there is none. */
static bool best_in_node(
        const uint8_t *base, uint32_t ref, uint8_t pos, unsigned depth, unsigned max_len, uint32_t *value, uint8_t *len)
{
	uint64_t slot = sl_lpm_node_slot(base, ref, pos);
	unsigned n_aux;
	const uint64_t *aux = sl_lpm_node_aux(base, ref, &n_aux);
	bool found = false;

	if (sl_lpm_own(slot) && 8 * (depth + 1) <= max_len) {
		*value = sl_lpm_value(slot);
		*len = (uint8_t)(8 * (depth + 1));
		return true;
	}
	for (unsigned i = 0; i < n_aux; i++) {
		unsigned first = sl_lpm_aux_pos(aux[i]), bits = sl_lpm_aux_bits(aux[i]);

		if (pos < first || pos >= first + sl_lpm_aux_span(bits) || 8 * depth + bits > max_len)
			continue;
		*value = (uint32_t)aux[i];
		*len = (uint8_t)(8 * depth + bits);
		found = true;
	}
	return found;
}

uint32_t sl_lpm_lookup_shorter(const struct sl_lpm *t, const struct sl_ip *ip, unsigned max_len, uint8_t *len)
{
	uint64_t slot = ip->family == SL_AF_NONE ? 0 : sl_lpm_root(t, ip->family == SL_AF_INET6);
	uint32_t best = sl_lpm_value(slot);
	unsigned depth = 0;
	uint8_t best_len = 0;

	while (8 * depth < max_len && sl_lpm_kind(sl_lpm_ref(slot)) != SL_LPM_NONE) {
		uint32_t ref = sl_lpm_child(slot);

		if (sl_lpm_kind(ref) == SL_LPM_EDGE) {
			const struct sl_lpm_edge *e = sl_lpm_node(t->base, ref);

			if (e->len > max_len || !edge_matches(e, load_bits(ip->bytes)))
				break;
			slot = e->slot;
			depth = e->len / 8;
			if (sl_lpm_value(slot) != 0) {
				best = sl_lpm_value(slot);
				best_len = e->len;
			}
			continue;
		}
		best_in_node(t->base, ref, ip->bytes[depth], depth, max_len, &best, &best_len);
		slot = sl_lpm_node_slot(t->base, ref, ip->bytes[depth]);
		depth++;
	}
	if (len != NULL)
		*len = best_len;
	return best;
}
