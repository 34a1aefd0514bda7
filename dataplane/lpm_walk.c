#include "dataplane/lpm_table.h"

uint32_t sl_lpm_find(const struct sl_lpm *t, uint64_t root, struct sl_lpm_bits key, unsigned len)
{
	const uint8_t *base = t->arena.base;
	uint64_t slot = root;
	unsigned depth = 0;

	while (len > 8 * depth) {
		uint32_t ref = sl_lpm_child(slot);

		if (sl_lpm_kind(ref) == SL_LPM_NONE)
			return 0;
		if (sl_lpm_kind(ref) == SL_LPM_EDGE) {
			const struct sl_lpm_edge *e = sl_lpm_node(base, ref);

			if (e->len > len || !sl_lpm_match(key, (struct sl_lpm_bits){e->hi, e->lo}, e->len))
				return 0;
			slot = e->slot;
			if (e->len == len)
				return sl_lpm_value(slot);
			if (e->len % 8 != 0)
				return 0;
			depth = e->len / 8;
			continue;
		}
		uint8_t pos = sl_lpm_byte(key, depth);

		if (len < 8 * (depth + 1)) {
			unsigned n_aux;
			const uint64_t *aux = sl_lpm_node_aux(base, ref, &n_aux);
			uint64_t entry = sl_lpm_aux(pos, len - 8 * depth, 0) >> 32;

			for (unsigned i = 0; i < n_aux; i++) {
				if (aux[i] >> 32 == entry)
					return (uint32_t)aux[i];
			}
			return 0;
		}
		slot = sl_lpm_node_slot(base, ref, pos);
		if (!sl_lpm_own(slot))
			slot = sl_lpm_slot(0, sl_lpm_ref(slot));
		depth++;
	}
	return sl_lpm_value(slot);
}

struct walk {
	const uint8_t *base;
	enum sl_family family;
	bool bounded; /* only what is behind (after, after_len) */
	struct sl_lpm_bits after;
	unsigned after_len;
	sl_lpm_walk_fn fn;
	void *ctx;
};

static int compare(struct sl_lpm_bits a, struct sl_lpm_bits b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return a.lo < b.lo ? -1 : a.lo > b.lo;
}

static bool emit(const struct walk *w, struct sl_lpm_bits bits, unsigned len, uint32_t value)
{
	struct sl_prefix p = {.addr.family = (uint8_t)w->family, .len = (uint8_t)len};

	if (w->bounded) {
		int order = compare(bits, w->after);

		if (order < 0 || (order == 0 && len <= w->after_len))
			return true;
	}
	bits.hi = __builtin_bswap64(bits.hi);
	bits.lo = __builtin_bswap64(bits.lo);
	memcpy(p.addr.bytes, &bits.hi, 8);
	memcpy(p.addr.bytes + 8, &bits.lo, 8);
	return w->fn(w->ctx, &p, value);
}

static bool walk_below(const struct walk *w, uint64_t slot, struct sl_lpm_bits path, unsigned depth);

static bool walk_edge(const struct walk *w, const struct sl_lpm_edge *e)
{
	struct sl_lpm_bits bits = {e->hi, e->lo};

	/* all of it lies before */
	if (w->bounded && compare(bits, sl_lpm_mask(w->after, e->len)) < 0)
		return true;
	if (sl_lpm_value(e->slot) != 0 && !emit(w, bits, e->len, sl_lpm_value(e->slot)))
		return false;
	return walk_below(w, e->slot, bits, e->len / 8);
}

static bool walk_node(const struct walk *w, uint32_t ref, struct sl_lpm_bits path, unsigned depth)
{
	unsigned n_aux, i = 0, first = 0;
	const uint64_t *aux = sl_lpm_node_aux(w->base, ref, &n_aux);

	if (w->bounded) {
		int order = compare(path, sl_lpm_mask(w->after, 8 * depth));

		if (order < 0)
			return true;
		if (order == 0)
			first = sl_lpm_byte(w->after, depth);
	}
	for (unsigned pos = first; pos < SL_LPM_FANOUT; pos++) {
		uint64_t slot = sl_lpm_node_slot(w->base, ref, (uint8_t)pos);
		struct sl_lpm_bits bits;

		if (sl_lpm_ref(slot) == 0 && (i == n_aux || sl_lpm_aux_pos(aux[i]) > pos))
			continue;
		bits = sl_lpm_bits_with(path, depth, (uint8_t)pos);
		for (; i < n_aux && sl_lpm_aux_pos(aux[i]) <= pos; i++) {
			if (sl_lpm_aux_pos(aux[i]) == pos &&
			        !emit(w, bits, 8 * depth + sl_lpm_aux_bits(aux[i]), (uint32_t)aux[i]))
				return false;
		}
		if (sl_lpm_own(slot) && !emit(w, bits, 8 * (depth + 1), sl_lpm_value(slot)))
			return false;
		if (!walk_below(w, slot, bits, depth + 1))
			return false;
	}
	return true;
}

static bool walk_below(const struct walk *w, uint64_t slot, struct sl_lpm_bits path, unsigned depth)
{
	uint32_t ref = sl_lpm_child(slot);

	switch (sl_lpm_kind(ref)) {
	case SL_LPM_NONE:
		return true;
	case SL_LPM_EDGE:
		return walk_edge(w, sl_lpm_node(w->base, ref));
	default:
		return walk_node(w, ref, path, depth);
	}
}

bool sl_lpm_walk(
        const struct sl_lpm *t, enum sl_family family, const struct sl_prefix *after, sl_lpm_walk_fn fn, void *ctx)
{
	struct walk w = {.base = t->arena.base, .family = family, .fn = fn, .ctx = ctx};
	struct sl_lpm_bits none = {0, 0};
	uint64_t root = t->work[family == SL_AF_INET6];

	if (after != NULL) {
		w.bounded = true;
		w.after_len = after->len;
		w.after = sl_lpm_mask(sl_lpm_bits_of(&after->addr), after->len);
	}
	if (sl_lpm_value(root) != 0 && !emit(&w, none, 0, sl_lpm_value(root)))
		return false;
	return walk_below(&w, root, none, 0);
}
