#include "dataplane/lpm_table.h"

/*
 * A SPARSE node with more runs than the first becomes DIRECT, a DIRECT one with no more than the second SPARSE. An
 * array is looked into with a third of the instructions; every lookup passes the nodes of the first two bytes, and
 * there are at most 257 of them in a family, so these are arrays early. Further down there may be many: memory counts
 * there.
 */
static const struct {
	unsigned direct_above, sparse_to;
} limits[] = {{2, 1}, {16, 12}, {128, 96}};

#define DEPTHS (sizeof(limits) / sizeof(*limits))

/* Runs up to which the node becomes or stays SPARSE. */
static unsigned sparse_up_to(unsigned depth, bool is_direct)
{
	unsigned i = depth < DEPTHS ? depth : DEPTHS - 1;

	return is_direct ? limits[i].sparse_to : limits[i].direct_above;
}

static const uint8_t *base_of(const struct sl_lpm_op *op)
{
	return op->t->arena.base;
}

/* A block for a node of this kind: its reference, 0 with op->failed where memory is short. */
static uint32_t make(struct sl_lpm_op *op, enum sl_lpm_kind kind, size_t bytes)
{
	uint32_t block = sl_lpm_arena_alloc(&op->t->arena, bytes);

	if (block == 0) {
		op->failed = true;
		return 0;
	}
	assert(op->n_made < SL_LPM_OP_BLOCKS);
	op->made[op->n_made++] = block;
	return block << SL_LPM_BLOCK_SHIFT | kind;
}

static uint64_t stamp_of(const struct sl_lpm_op *op, uint32_t ref)
{
	const void *node = sl_lpm_node(base_of(op), ref);

	switch (sl_lpm_kind(ref)) {
	case SL_LPM_EDGE:
		return ((const struct sl_lpm_edge *)node)->stamp;
	case SL_LPM_DIRECT:
		return ((const struct sl_lpm_direct *)node)->stamp;
	default:
		return ((const struct sl_lpm_sparse *)node)->stamp;
	}
}

void sl_lpm_replace(struct sl_lpm_op *op, uint32_t ref)
{
	uint32_t block = ref >> SL_LPM_BLOCK_SHIFT;

	assert(op->n_replaced < SL_LPM_OP_BLOCKS && op->n_dropped < SL_LPM_OP_BLOCKS);
	if (sl_lpm_owned(op->t, stamp_of(op, ref)))
		op->dropped[op->n_dropped++] = block;
	else
		op->replaced[op->n_replaced++] = block;
}

uint32_t sl_lpm_edge_new(struct sl_lpm_op *op, struct sl_lpm_bits bits, unsigned len, uint64_t slot)
{
	uint32_t ref = make(op, SL_LPM_EDGE, sizeof(struct sl_lpm_edge));
	struct sl_lpm_edge *e = sl_lpm_node(base_of(op), ref);

	if (ref == 0)
		return 0;
	bits = sl_lpm_mask(bits, len);
	*e = (struct sl_lpm_edge){.hi = bits.hi, .lo = bits.lo, .slot = slot, .len = len, .stamp = sl_lpm_stamp(op->t)};
	return ref;
}

uint32_t sl_lpm_edge_set(struct sl_lpm_op *op, uint32_t ref, uint64_t slot)
{
	struct sl_lpm_edge *e = sl_lpm_node(base_of(op), ref);

	if (sl_lpm_owned(op->t, e->stamp)) {
		e->slot = slot;
		return ref;
	}
	sl_lpm_replace(op, ref);
	return sl_lpm_edge_new(op, (struct sl_lpm_bits){e->hi, e->lo}, e->len, slot);
}

uint32_t sl_lpm_aux_best(const uint64_t *aux, unsigned n_aux, uint8_t pos)
{
	uint32_t best = 0;

	/* of the entries that cover a position, a later one is longer */
	for (unsigned i = 0; i < n_aux; i++) {
		unsigned first = sl_lpm_aux_pos(aux[i]);

		if (pos >= first && pos < first + sl_lpm_aux_span(sl_lpm_aux_bits(aux[i])))
			best = (uint32_t)aux[i];
	}
	return best;
}

/* Sets the values of positions first..end-1 that have no prefix of their own from the list. */
static void spread(struct sl_lpm_image *im, unsigned first, unsigned end)
{
	uint32_t values[SL_LPM_FANOUT] = {0};

	for (unsigned i = 0; i < im->n_aux; i++) {
		unsigned from = sl_lpm_aux_pos(im->aux[i]);
		unsigned to = from + sl_lpm_aux_span(sl_lpm_aux_bits(im->aux[i]));

		from = from > first ? from : first;
		to = to < end ? to : end;
		for (unsigned p = from; p < to; p++)
			values[p] = (uint32_t)im->aux[i];
	}
	for (unsigned p = first; p < end; p++) {
		if (!sl_lpm_own(im->slots[p]))
			im->slots[p] = sl_lpm_slot(values[p], sl_lpm_ref(im->slots[p]));
	}
}

void sl_lpm_image_aux(struct sl_lpm_image *im, uint8_t pos, unsigned bits, uint32_t value)
{
	uint64_t entry = sl_lpm_aux(pos, bits, value);
	unsigned i = 0;

	while (i < im->n_aux && im->aux[i] >> 32 < entry >> 32)
		i++;
	if (i < im->n_aux && im->aux[i] >> 32 == entry >> 32) {
		im->aux[i] = entry;
		if (value == 0) {
			im->n_aux--;
			memmove(im->aux + i, im->aux + i + 1, (im->n_aux - i) * sizeof(*im->aux));
		}
	} else if (value != 0) {
		memmove(im->aux + i + 1, im->aux + i, (im->n_aux - i) * sizeof(*im->aux));
		im->aux[i] = entry;
		im->n_aux++;
	}
	spread(im, pos, pos + sl_lpm_aux_span(bits));
}

static void image_of(const struct sl_lpm_op *op, uint32_t ref, struct sl_lpm_image *im)
{
	const uint64_t *aux = sl_lpm_node_aux(base_of(op), ref, &im->n_aux);

	memcpy(im->aux, aux, im->n_aux * sizeof(*aux));
	if (sl_lpm_kind(ref) == SL_LPM_DIRECT) {
		memcpy(im->slots, ((const struct sl_lpm_direct *)sl_lpm_node(base_of(op), ref))->slots,
		        sizeof(im->slots));
		return;
	}
	const struct sl_lpm_sparse *n = sl_lpm_node(base_of(op), ref);
	unsigned run = 0;

	for (unsigned word = 0; word < 4; word++) {
		uint64_t bits = n->bits[word];

		for (unsigned p = word * 64; p < word * 64 + 64; p++, bits >>= 1) {
			run += bits & 1;
			im->slots[p] = n->slots[run - 1];
		}
	}
}

/* Where runs begin. Returns how many there are. */
static unsigned find_runs(const uint64_t slots[SL_LPM_FANOUT], uint64_t bits[4])
{
	unsigned runs = 0;

	for (unsigned word = 0; word < 4; word++) {
		uint64_t b = 0;

		for (unsigned i = 0; i < 64; i++) {
			unsigned p = word * 64 + i;

			b |= (uint64_t)(p == 0 || slots[p] != slots[p - 1]) << i;
		}
		bits[word] = b;
		runs += (unsigned)__builtin_popcountll(b);
	}
	return runs;
}

static void set_ranks(struct sl_lpm_sparse *n)
{
	unsigned rank = 0;

	for (unsigned word = 0; word < 4; word++) {
		n->rank[word] = (uint8_t)rank;
		rank += (unsigned)__builtin_popcountll(n->bits[word]);
	}
	n->n_slots = (uint16_t)rank;
}

static uint32_t build_direct(struct sl_lpm_op *op, const struct sl_lpm_image *im, unsigned runs)
{
	uint32_t ref = make(op, SL_LPM_DIRECT, sizeof(struct sl_lpm_direct) + im->n_aux * sizeof(*im->aux));
	struct sl_lpm_direct *d = sl_lpm_node(base_of(op), ref);

	if (ref == 0)
		return 0;
	memcpy(d->slots, im->slots, sizeof(d->slots));
	memcpy(d->aux, im->aux, im->n_aux * sizeof(*im->aux));
	d->stamp = sl_lpm_stamp(op->t);
	d->n_runs = (uint16_t)runs;
	d->n_aux = (uint16_t)im->n_aux;
	d->reserved = 0;
	return ref;
}

static uint32_t build_sparse(struct sl_lpm_op *op, const struct sl_lpm_image *im, const uint64_t bits[4], unsigned runs)
{
	uint32_t ref = make(op, SL_LPM_SPARSE, sizeof(struct sl_lpm_sparse) + (runs + im->n_aux) * sizeof(*im->aux));
	struct sl_lpm_sparse *n = sl_lpm_node(base_of(op), ref);
	unsigned run = 0;

	if (ref == 0)
		return 0;
	memcpy(n->bits, bits, sizeof(n->bits));
	set_ranks(n);
	n->stamp = sl_lpm_stamp(op->t);
	n->n_aux = (uint16_t)im->n_aux;
	for (unsigned word = 0; word < 4; word++) {
		for (uint64_t b = bits[word]; b != 0; b &= b - 1)
			n->slots[run++] = im->slots[word * 64 + (unsigned)__builtin_ctzll(b)];
	}
	memcpy(n->slots + run, im->aux, im->n_aux * sizeof(*im->aux));
	return ref;
}

/* was_direct: what it takes the place of. */
static uint32_t build(struct sl_lpm_op *op, unsigned depth, const struct sl_lpm_image *im, bool was_direct)
{
	uint64_t bits[4];
	unsigned runs = find_runs(im->slots, bits);

	return runs > sparse_up_to(depth, was_direct) ? build_direct(op, im, runs) : build_sparse(op, im, bits, runs);
}

uint32_t sl_lpm_node_new(struct sl_lpm_op *op, unsigned depth, const struct sl_lpm_image *im)
{
	return build(op, depth, im, false);
}

/* The slow way: through an image of the whole node. */
static uint32_t rebuild_with(struct sl_lpm_op *op, uint32_t ref, unsigned depth, uint8_t pos, uint64_t slot)
{
	struct sl_lpm_image im;

	image_of(op, ref, &im);
	im.slots[pos] = slot;
	sl_lpm_replace(op, ref);
	return build(op, depth, &im, sl_lpm_kind(ref) == SL_LPM_DIRECT);
}

static uint32_t direct_set(struct sl_lpm_op *op, uint32_t ref, unsigned depth, uint8_t pos, uint64_t slot)
{
	struct sl_lpm_direct *d = sl_lpm_node(base_of(op), ref);
	size_t bytes = sizeof(*d) + d->n_aux * sizeof(*d->aux);
	uint64_t old = d->slots[pos];
	int runs = d->n_runs;

	if (pos > 0)
		runs += (slot != d->slots[pos - 1]) - (old != d->slots[pos - 1]);
	if (pos < SL_LPM_FANOUT - 1)
		runs += (slot != d->slots[pos + 1]) - (old != d->slots[pos + 1]);
	if (runs <= (int)sparse_up_to(depth, true))
		return rebuild_with(op, ref, depth, pos, slot);
	if (!sl_lpm_owned(op->t, d->stamp)) {
		const struct sl_lpm_direct *from = d;

		sl_lpm_replace(op, ref);
		ref = make(op, SL_LPM_DIRECT, bytes);
		if (ref == 0)
			return 0;
		d = sl_lpm_node(base_of(op), ref);
		memcpy(d, from, bytes);
		d->stamp = sl_lpm_stamp(op->t);
	}
	d->slots[pos] = slot;
	d->n_runs = (uint16_t)runs;
	return ref;
}

/* The run of the position becomes up to three: what is before it, the position, what is behind it. */
static uint32_t sparse_set(struct sl_lpm_op *op, uint32_t ref, unsigned depth, uint8_t pos, uint64_t slot)
{
	struct sl_lpm_sparse *n = sl_lpm_node(base_of(op), ref), *to;
	unsigned run = sl_lpm_sparse_index(n, pos); /* of pos */
	bool starts = n->bits[pos / 64] >> (pos % 64) & 1;
	unsigned before = run + !starts; /* runs that begin before pos */
	uint64_t bits[4];
	unsigned next = pos + 1u, behind = run + 1,
	         total; /* behind: the first run that begins behind pos + 1 or at it */
	uint64_t next_slot = 0;
	bool differs_before, differs_behind = false;

	memcpy(bits, n->bits, sizeof(bits));
	differs_before = pos == 0 || slot != n->slots[before - 1];
	bits[pos / 64] = (bits[pos / 64] & ~(UINT64_C(1) << (pos % 64))) | (uint64_t)differs_before << (pos % 64);
	if (next < SL_LPM_FANOUT) {
		bool next_starts = n->bits[next / 64] >> (next % 64) & 1;

		next_slot = n->slots[run + next_starts];
		behind = run + 1 + next_starts;
		differs_behind = slot != next_slot;
		bits[next / 64] = (bits[next / 64] & ~(UINT64_C(1) << (next % 64))) | (uint64_t)differs_behind
		                                                                              << (next % 64);
	}
	if (sl_lpm_owned(op->t, n->stamp) && memcmp(bits, n->bits, sizeof(bits)) == 0) {
		if (differs_before)
			n->slots[run] = slot;
		return ref;
	}
	total = before + differs_before + differs_behind + (n->n_slots - behind);
	if (total > sparse_up_to(depth, false))
		return rebuild_with(op, ref, depth, pos, slot);
	sl_lpm_replace(op, ref);
	ref = make(op, SL_LPM_SPARSE, sizeof(*n) + (total + n->n_aux) * sizeof(*n->slots));
	if (ref == 0)
		return 0;
	to = sl_lpm_node(base_of(op), ref);
	memcpy(to->bits, bits, sizeof(bits));
	set_ranks(to);
	to->stamp = sl_lpm_stamp(op->t);
	to->n_aux = n->n_aux;
	memcpy(to->slots, n->slots, before * sizeof(*n->slots));
	if (differs_before)
		to->slots[before++] = slot;
	if (differs_behind)
		to->slots[before++] = next_slot;
	memcpy(to->slots + before, n->slots + behind, (n->n_slots - behind + n->n_aux) * sizeof(*n->slots));
	return ref;
}

uint32_t sl_lpm_node_set(struct sl_lpm_op *op, uint32_t ref, unsigned depth, uint8_t pos, uint64_t slot)
{
	return sl_lpm_kind(ref) == SL_LPM_DIRECT ? direct_set(op, ref, depth, pos, slot)
	                                         : sparse_set(op, ref, depth, pos, slot);
}

uint32_t sl_lpm_node_set_aux(
        struct sl_lpm_op *op, uint32_t ref, unsigned depth, uint8_t pos, unsigned bits, uint32_t value)
{
	struct sl_lpm_image im;

	image_of(op, ref, &im);
	sl_lpm_image_aux(&im, pos, bits, value);
	sl_lpm_replace(op, ref);
	return build(op, depth, &im, sl_lpm_kind(ref) == SL_LPM_DIRECT);
}
