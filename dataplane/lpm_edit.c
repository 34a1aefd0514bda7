#include "dataplane/lpm_table.h"

/*
 * The recursion hands down slots whose value is a prefix that ends there, and gives back the slot after the change. In
 * a node such a value is marked as own; a position without one shows the value of the node's list.
 */
static uint64_t below(uint64_t slot)
{
	return sl_lpm_own(slot) ? slot : sl_lpm_slot(0, sl_lpm_ref(slot));
}

static uint64_t in_node(const struct sl_lpm_op *op, uint32_t ref, uint8_t pos, uint64_t slot)
{
	unsigned n_aux;
	const uint64_t *aux = sl_lpm_node_aux(op->t->arena.base, ref, &n_aux);

	if (sl_lpm_value(slot) != 0)
		return sl_lpm_slot(sl_lpm_value(slot), sl_lpm_ref(slot) | SL_LPM_OWN);
	return sl_lpm_slot(sl_lpm_aux_best(aux, n_aux, pos), sl_lpm_child(slot));
}

static unsigned common_bits(struct sl_lpm_bits a, struct sl_lpm_bits b, unsigned limit)
{
	unsigned n = 128;

	if (a.hi != b.hi)
		n = (unsigned)__builtin_clzll(a.hi ^ b.hi);
	else if (a.lo != b.lo)
		n = 64 + (unsigned)__builtin_clzll(a.lo ^ b.lo);
	return n < limit ? n : limit;
}

static uint64_t insert(struct sl_lpm_op *op, uint64_t slot, unsigned depth);

/* Puts what an edge holds into the new node at `depth` that stands above it. */
static void place_edge(struct sl_lpm_op *op, struct sl_lpm_image *im, uint32_t ref, unsigned depth)
{
	const struct sl_lpm_edge *e = sl_lpm_node(op->t->arena.base, ref);
	unsigned rest = e->len - 8 * depth;
	uint8_t pos = sl_lpm_byte((struct sl_lpm_bits){e->hi, e->lo}, depth);

	if (rest > SL_LPM_STRIDE) {
		im->slots[pos] = sl_lpm_slot(sl_lpm_value(im->slots[pos]), ref);
		return;
	}
	if (rest == SL_LPM_STRIDE) {
		uint32_t own = sl_lpm_value(e->slot) != 0 ? SL_LPM_OWN : 0;

		im->slots[pos] = sl_lpm_slot(sl_lpm_value(e->slot), sl_lpm_ref(e->slot) | own);
	} else {
		sl_lpm_image_aux(im, pos, rest, sl_lpm_value(e->slot));
	}
	sl_lpm_replace(op, ref);
}

static void place_prefix(struct sl_lpm_op *op, struct sl_lpm_image *im, unsigned depth)
{
	unsigned rest = op->len - 8 * depth;
	uint8_t pos = sl_lpm_byte(op->key, depth);

	if (rest < SL_LPM_STRIDE)
		sl_lpm_image_aux(im, pos, rest, op->value);
	else if (rest == SL_LPM_STRIDE)
		im->slots[pos] = sl_lpm_slot(op->value, SL_LPM_OWN);
	else
		im->slots[pos] = sl_lpm_slot(
		        sl_lpm_value(im->slots[pos]), sl_lpm_edge_new(op, op->key, op->len, sl_lpm_slot(op->value, 0)));
}

/* The edge and the prefix part within the byte at `split`: a node there holds both. */
static uint32_t split_edge(struct sl_lpm_op *op, uint32_t ref, unsigned depth, unsigned split)
{
	struct sl_lpm_image im = {.n_aux = 0};
	uint32_t node;

	place_edge(op, &im, ref, split);
	place_prefix(op, &im, split);
	if (op->failed)
		return 0;
	node = sl_lpm_node_new(op, split, &im);
	if (op->failed || split == depth)
		return node;
	return sl_lpm_edge_new(op, op->key, 8 * split, sl_lpm_slot(0, node));
}

static uint32_t insert_edge(struct sl_lpm_op *op, uint32_t ref, unsigned depth)
{
	const struct sl_lpm_edge *e = sl_lpm_node(op->t->arena.base, ref);
	unsigned limit = op->len < e->len ? op->len : e->len;
	unsigned common = common_bits(op->key, (struct sl_lpm_bits){e->hi, e->lo}, limit);

	if (common == e->len && common == op->len)
		return sl_lpm_edge_set(op, ref, sl_lpm_slot(op->value, sl_lpm_ref(e->slot)));
	if (common == e->len && e->len % 8 == 0) {
		uint64_t slot = insert(op, e->slot, e->len / 8);

		return op->failed || slot == e->slot ? ref : sl_lpm_edge_set(op, ref, slot);
	}
	if (common == op->len && op->len % 8 == 0)
		return sl_lpm_edge_new(op, op->key, op->len, sl_lpm_slot(op->value, ref));
	return split_edge(op, ref, depth, common / 8);
}

static uint32_t insert_node(struct sl_lpm_op *op, uint32_t ref, unsigned depth)
{
	unsigned rest = op->len - 8 * depth;
	uint8_t pos = sl_lpm_byte(op->key, depth);
	uint64_t slot, changed;

	if (rest < SL_LPM_STRIDE)
		return sl_lpm_node_set_aux(op, ref, depth, pos, rest, op->value);
	slot = sl_lpm_node_slot(op->t->arena.base, ref, pos);
	changed = insert(op, below(slot), depth + 1);
	if (op->failed)
		return ref;
	changed = in_node(op, ref, pos, changed);
	return changed == slot ? ref : sl_lpm_node_set(op, ref, depth, pos, changed);
}

static uint64_t insert(struct sl_lpm_op *op, uint64_t slot, unsigned depth)
{
	uint32_t ref = sl_lpm_ref(slot);

	if (op->len == 8 * depth)
		return sl_lpm_slot(op->value, ref);
	switch (sl_lpm_kind(ref)) {
	case SL_LPM_NONE:
		ref = sl_lpm_edge_new(op, op->key, op->len, sl_lpm_slot(op->value, 0));
		break;
	case SL_LPM_EDGE:
		ref = insert_edge(op, sl_lpm_child(slot), depth);
		break;
	default:
		ref = insert_node(op, sl_lpm_child(slot), depth);
	}
	return sl_lpm_slot(sl_lpm_value(slot), ref | (sl_lpm_ref(slot) & SL_LPM_OWN));
}

uint64_t sl_lpm_insert(struct sl_lpm_op *op, uint64_t root)
{
	return insert(op, root, 0);
}

static uint64_t delete (struct sl_lpm_op *op, uint64_t slot, unsigned depth);

/* An edge that skips bits only on the way to another edge, or to nothing, goes away. */
static uint32_t delete_edge(struct sl_lpm_op *op, uint32_t ref)
{
	const struct sl_lpm_edge *e = sl_lpm_node(op->t->arena.base, ref);
	uint64_t slot = e->slot;
	enum sl_lpm_kind kind;

	slot = e->len == op->len ? sl_lpm_slot(0, sl_lpm_ref(slot)) : delete (op, slot, e->len / 8);
	if (op->failed || slot == e->slot)
		return ref;
	kind = sl_lpm_kind(sl_lpm_ref(slot));
	if (sl_lpm_value(slot) == 0 && (kind == SL_LPM_NONE || kind == SL_LPM_EDGE)) {
		sl_lpm_replace(op, ref);
		return sl_lpm_ref(slot);
	}
	return sl_lpm_edge_set(op, ref, slot);
}

/* What a node holds: the number of positions with a prefix or a node below, one of them, and its slot. */
struct content {
	unsigned positions;
	uint8_t pos;
	uint64_t slot;
};

static void content_add(struct content *c, unsigned pos, unsigned n, uint64_t slot)
{
	if (n == 0 || sl_lpm_ref(slot) == 0)
		return;
	c->positions += n;
	c->pos = (uint8_t)pos;
	c->slot = slot;
}

static struct content content_of_sparse(const struct sl_lpm_sparse *n, unsigned skip)
{
	struct content c = {0};
	unsigned run = 0, word = 0;
	uint64_t bits = n->bits[0] & ~UINT64_C(1);

	for (unsigned first = 0, end; first < SL_LPM_FANOUT && c.positions < 2; first = end, run++) {
		while (bits == 0 && word < 3)
			bits = n->bits[++word];
		end = bits != 0 ? word * 64 + (unsigned)__builtin_ctzll(bits) : SL_LPM_FANOUT;
		bits &= bits - 1;
		if (skip >= first && skip < end)
			content_add(&c, first == skip ? first + 1 : first, end - first - 1, n->slots[run]);
		else
			content_add(&c, first, end - first, n->slots[run]);
	}
	return c;
}

/* Counts until it is clear that there are two or more. Leaves out position `skip` (256: none). */
static struct content content_of(const uint8_t *base, uint32_t ref, unsigned skip)
{
	const struct sl_lpm_direct *d = sl_lpm_node(base, ref);
	struct content c = {0};

	if (sl_lpm_kind(ref) == SL_LPM_SPARSE)
		return content_of_sparse(sl_lpm_node(base, ref), skip);
	for (unsigned pos = 0; pos < SL_LPM_FANOUT && c.positions < 2; pos++)
		content_add(&c, pos, pos != skip, d->slots[pos]);
	return c;
}

/* The only thing left in a node becomes an edge, or what stands below it takes the node's place. */
static uint32_t only_position(struct sl_lpm_op *op, const struct content *c, unsigned depth)
{
	uint32_t child = sl_lpm_child(c->slot);
	uint32_t value = sl_lpm_own(c->slot) ? sl_lpm_value(c->slot) : 0;

	if (value == 0 && sl_lpm_kind(child) == SL_LPM_EDGE)
		return child;
	return sl_lpm_edge_new(
	        op, sl_lpm_bits_with(op->key, depth, c->pos), 8 * (depth + 1), sl_lpm_slot(value, child));
}

static uint32_t delete_aux(struct sl_lpm_op *op, uint32_t ref, unsigned depth, unsigned rest)
{
	const uint8_t *base = op->t->arena.base;
	uint8_t pos = sl_lpm_byte(op->key, depth);
	struct content c = {.positions = 2};
	unsigned n_aux;
	const uint64_t *aux = sl_lpm_node_aux(base, ref, &n_aux);

	if (n_aux <= 2)
		c = content_of(base, ref, SL_LPM_FANOUT);
	if (c.positions + n_aux - 1 > 1)
		return sl_lpm_node_set_aux(op, ref, depth, pos, rest, 0);
	sl_lpm_replace(op, ref);
	if (c.positions == 1)
		return only_position(op, &c, depth);
	if (n_aux == 1)
		return 0;
	uint64_t left = aux[0] >> 32 == sl_lpm_aux(pos, rest, 0) >> 32 ? aux[1] : aux[0];

	return sl_lpm_edge_new(op, sl_lpm_bits_with(op->key, depth, sl_lpm_aux_pos(left)),
	        8 * depth + sl_lpm_aux_bits(left), sl_lpm_slot((uint32_t)left, 0));
}

static uint32_t delete_node(struct sl_lpm_op *op, uint32_t ref, unsigned depth)
{
	const uint8_t *base = op->t->arena.base;
	unsigned rest = op->len - 8 * depth, n_aux;
	uint8_t pos = sl_lpm_byte(op->key, depth);
	const uint64_t *aux = sl_lpm_node_aux(base, ref, &n_aux);
	struct content c = {.positions = 2};
	uint64_t slot, changed;

	if (rest < SL_LPM_STRIDE)
		return delete_aux(op, ref, depth, rest);
	slot = sl_lpm_node_slot(base, ref, pos);
	changed = delete (op, below(slot), depth + 1);
	if (op->failed)
		return ref;
	changed = in_node(op, ref, pos, changed);
	if (changed == slot)
		return ref;
	if (n_aux <= 1) {
		c = content_of(base, ref, pos);
		content_add(&c, pos, 1, changed);
	}
	if (c.positions + n_aux > 1)
		return sl_lpm_node_set(op, ref, depth, pos, changed);
	sl_lpm_replace(op, ref);
	if (c.positions == 1)
		return only_position(op, &c, depth);
	if (n_aux == 0)
		return 0;
	return sl_lpm_edge_new(op, sl_lpm_bits_with(op->key, depth, sl_lpm_aux_pos(aux[0])),
	        8 * depth + sl_lpm_aux_bits(aux[0]), sl_lpm_slot((uint32_t)aux[0], 0));
}

static uint64_t delete (struct sl_lpm_op *op, uint64_t slot, unsigned depth)
{
	uint32_t ref = sl_lpm_child(slot);

	if (op->len == 8 * depth)
		return sl_lpm_slot(0, ref);
	if (sl_lpm_kind(ref) == SL_LPM_EDGE)
		ref = delete_edge(op, ref);
	else
		ref = delete_node(op, ref, depth);
	return sl_lpm_slot(sl_lpm_value(slot), ref | (sl_lpm_ref(slot) & SL_LPM_OWN));
}

uint64_t sl_lpm_delete(struct sl_lpm_op *op, uint64_t root)
{
	return delete (op, root, 0);
}
