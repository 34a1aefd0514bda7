#include "dataplane/lpm_table.h"

/*
 * Lookups of one address go down the trie and keep the last value. A burst
 * does the same for many addresses level by level: every lane touches what was
 * prefetched for it in the pass before, so the memory accesses of all lanes
 * overlap. Lanes are sorted by the kind of node they stand at, so that the
 * branches of the inner loops are the same for a whole list.
 */

#define LANES     32
#define LINE      64 /* bytes */
#define ADDR_ROOM 24 /* 16 bytes, and a byte behind them may be read of a lane that is done */

static inline uint64_t
root_of(const struct sl_lpm *t, bool v6)
{
	return atomic_load_explicit(&t->root[v6], memory_order_acquire);
}

static inline bool
edge_matches(const struct sl_lpm_edge *e, const uint8_t *addr)
{
	struct sl_lpm_bits k;

	memcpy(&k.hi, addr, 8);
	memcpy(&k.lo, addr + 8, 8);
	k.hi = __builtin_bswap64(k.hi);
	k.lo = __builtin_bswap64(k.lo);
	return sl_lpm_match(k, (struct sl_lpm_bits){e->hi, e->lo}, e->len);
}

/* addr: 16 bytes. */
static uint32_t
lookup(const uint8_t *base, uint64_t slot, const uint8_t *addr)
{
	uint32_t best = sl_lpm_value(slot);
	unsigned depth = 0;

	for (;;) {
		uint32_t ref = sl_lpm_child(slot);

		switch (sl_lpm_kind(ref)) {
		case SL_LPM_NONE:
			return best;
		case SL_LPM_EDGE: {
			const struct sl_lpm_edge *e = sl_lpm_node(base, ref);

			if (!edge_matches(e, addr))
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

uint32_t
sl_lpm_lookup4(const struct sl_lpm *t, const void *addr)
{
	uint8_t bytes[16] = {0};

	memcpy(bytes, addr, 4);
	return lookup(t->base, root_of(t, false), bytes);
}

uint32_t
sl_lpm_lookup6(const struct sl_lpm *t, const void *addr)
{
	return lookup(t->base, root_of(t, true), addr);
}

uint32_t
sl_lpm_lookup(const struct sl_lpm *t, const struct sl_ip *ip)
{
	if (ip->family == SL_AF_INET)
		return sl_lpm_lookup4(t, ip->bytes);
	return ip->family == SL_AF_INET6 ? sl_lpm_lookup6(t, ip->bytes) : 0;
}

/* Lanes of a burst. A lane stands at a node, or is done. */
struct burst {
	const uint8_t *base[LANES];
	const uint8_t *node[LANES];
	const uint64_t *slot[LANES]; /* the slot its address selects in the node */
	uint32_t best[LANES];
	uint8_t depth[LANES]; /* of the node; of an edge the depth it leads to */
	uint8_t addr[LANES][ADDR_ROOM];
	unsigned n[4];         /* lanes at a node of each enum sl_lpm_kind */
	uint8_t lanes[4][LANES];
};

static const uint64_t no_slot; /* what an edge that does not match leads to */

/* Moves a lane on to the node behind a slot and prefetches what its pass will touch. */
static inline void
advance(struct burst *b, unsigned lane, uint64_t slot)
{
	uint32_t ref = sl_lpm_ref(slot), value = sl_lpm_value(slot);
	enum sl_lpm_kind kind = sl_lpm_kind(ref);
	const uint8_t *node = sl_lpm_node(b->base[lane], ref);
	size_t direct = kind == SL_LPM_DIRECT ? b->addr[lane][b->depth[lane]] * sizeof(uint64_t) : 0;

	b->best[lane] = value != 0 ? value : b->best[lane];
	b->node[lane] = node;
	b->lanes[kind][b->n[kind]++] = (uint8_t)lane;
	__builtin_prefetch(node + direct);
	__builtin_prefetch(node + direct + (kind == SL_LPM_SPARSE ? LINE : 0));
}

static inline void
select_slots(struct burst *b)
{
	for (unsigned i = 0; i < b->n[SL_LPM_DIRECT]; i++) {
		unsigned lane = b->lanes[SL_LPM_DIRECT][i];
		const struct sl_lpm_direct *d = (const void *)b->node[lane];

		b->slot[lane] = &d->slots[b->addr[lane][b->depth[lane]++]];
	}
	for (unsigned i = 0; i < b->n[SL_LPM_SPARSE]; i++) {
		unsigned lane = b->lanes[SL_LPM_SPARSE][i];
		const struct sl_lpm_sparse *s = (const void *)b->node[lane];

		b->slot[lane] = &s->slots[sl_lpm_sparse_index(s, b->addr[lane][b->depth[lane]++])];
		__builtin_prefetch(b->slot[lane]);
	}
	for (unsigned i = 0; i < b->n[SL_LPM_EDGE]; i++) {
		unsigned lane = b->lanes[SL_LPM_EDGE][i];
		const struct sl_lpm_edge *e = (const void *)b->node[lane];

		b->slot[lane] = edge_matches(e, b->addr[lane]) ? &e->slot : &no_slot;
		b->depth[lane] = e->len / 8;
	}
}

static void
start(struct burst *b, unsigned lane, const struct sl_lpm_key *key)
{
	uint64_t slot = 0;

	b->best[lane] = 0;
	b->depth[lane] = 0;
	b->base[lane] = (const uint8_t *)&no_slot;
	if (key->table != NULL && key->family == SL_AF_INET) {
		memset(b->addr[lane], 0, 16);
		memcpy(b->addr[lane], key->addr, 4);
		b->base[lane] = key->table->base;
		slot = root_of(key->table, false);
	} else if (key->table != NULL && key->family == SL_AF_INET6) {
		memcpy(b->addr[lane], key->addr, 16);
		b->base[lane] = key->table->base;
		slot = root_of(key->table, true);
	}
	advance(b, lane, slot);
}

static void
run(struct burst *b)
{
	while (b->n[SL_LPM_DIRECT] + b->n[SL_LPM_SPARSE] + b->n[SL_LPM_EDGE] > 0) {
		uint8_t lanes[LANES];
		unsigned n = 0;

		select_slots(b);
		for (unsigned kind = SL_LPM_SPARSE; kind <= SL_LPM_EDGE; kind++) {
			memcpy(lanes + n, b->lanes[kind], b->n[kind]);
			n += b->n[kind];
			b->n[kind] = 0;
		}
		b->n[SL_LPM_NONE] = 0;
		for (unsigned i = 0; i < n; i++)
			advance(b, lanes[i], *b->slot[lanes[i]]);
	}
}

void
sl_lpm_lookup_burst(const struct sl_lpm_key *keys, uint32_t *values, unsigned n)
{
	struct burst b;

	while (n > 0) {
		unsigned lanes = n < LANES ? n : LANES;

		memset(b.n, 0, sizeof(b.n));
		for (unsigned i = 0; i < lanes; i++)
			start(&b, i, &keys[i]);
		run(&b);
		memcpy(values, b.best, lanes * sizeof(*values));
		keys += lanes;
		values += lanes;
		n -= lanes;
	}
}

/* The longest of a node's prefixes that contain the address, of length at most max_len; false where there is none. */
static bool
best_in_node(const uint8_t *base, uint32_t ref, uint8_t pos, unsigned depth, unsigned max_len, uint32_t *value, uint8_t *len)
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

uint32_t
sl_lpm_lookup_shorter(const struct sl_lpm *t, const struct sl_ip *ip, unsigned max_len, uint8_t *len)
{
	uint64_t slot = ip->family == SL_AF_NONE ? 0 : root_of(t, ip->family == SL_AF_INET6);
	uint32_t best = sl_lpm_value(slot);
	unsigned depth = 0;
	uint8_t best_len = 0;

	while (8 * depth < max_len && sl_lpm_kind(sl_lpm_ref(slot)) != SL_LPM_NONE) {
		uint32_t ref = sl_lpm_child(slot);

		if (sl_lpm_kind(ref) == SL_LPM_EDGE) {
			const struct sl_lpm_edge *e = sl_lpm_node(t->base, ref);

			if (e->len > max_len || !edge_matches(e, ip->bytes))
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
