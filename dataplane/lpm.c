#include "dataplane/lpm.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/lpm_table.h"

int sl_lpm_create(struct sl_lpm **out, struct sl_reclaim *reclaim, uint64_t max_bytes)
{
	struct sl_lpm *t = aligned_alloc(alignof(struct sl_lpm), sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	if (sl_lpm_arena_init(&t->arena, max_bytes != 0 ? max_bytes : SL_LPM_DEFAULT_MAX_BYTES) != 0) {
		free(t);
		return -ENOMEM;
	}
	t->base = t->arena.base;
	t->reclaim = reclaim;
	*out = t;
	return 0;
}

static void free_table(void *ctx, void *ptr)
{
	struct sl_lpm *t = ptr;

	sl_lpm_arena_fini(&t->arena);
	free(t);
}

/* The chunks still waiting were handed in before, so they are freed before the table. */
void sl_lpm_destroy(struct sl_lpm *t)
{
	if (t == NULL)
		return;
	if (t->editing)
		sl_lpm_abort(t);
	if (t->garbage != NULL && t->garbage->n == 0)
		free(t->garbage);
	t->garbage = NULL;
	sl_reclaim_defer(t->reclaim, &t->node, free_table, NULL, t);
}

static void free_garbage(void *ctx, void *ptr)
{
	struct sl_lpm *t = ctx;
	struct sl_lpm_garbage *g = ptr;

	for (uint32_t i = 0; i < g->n; i++)
		sl_lpm_arena_free(&t->arena, g->blocks[i]);
	if (t->garbage == g)
		t->garbage = NULL;
	t->n_garbage--;
	free(g);
}

/*
 * Makes sure that the blocks a change replaces can be noted. Outside an edit the chunk handed in last takes more of
 * them as long as it has no token; an empty one has not been handed in at all.
 */
static bool reserve_garbage(struct sl_lpm *t)
{
	struct sl_lpm_garbage *g = t->garbage;

	if (g != NULL && g->n <= SL_LPM_GARBAGE_BLOCKS - SL_LPM_OP_BLOCKS &&
	        (t->editing || g->n == 0 || sl_reclaim_is_open(&g->reclaim)))
		return true;
	g = malloc(sizeof(*g));
	if (g == NULL)
		return false;
	g->n = 0;
	g->next = t->editing ? t->garbage : NULL;
	t->garbage = g;
	t->n_garbage++;
	return true;
}

static void note_garbage(struct sl_lpm *t, const struct sl_lpm_op *op)
{
	struct sl_lpm_garbage *g = t->garbage;

	if (op->n_replaced == 0)
		return;
	if (g->n == 0 && !t->editing)
		sl_reclaim_defer(t->reclaim, &g->reclaim, free_garbage, t, g);
	memcpy(g->blocks + g->n, op->replaced, op->n_replaced * sizeof(*g->blocks));
	g->n += op->n_replaced;
}

/* From here on readers see that root. */
static void show(struct sl_lpm *t, unsigned family, uint64_t root)
{
	atomic_store_explicit(&t->compact, t->arena.bytes <= SL_LPM_COMPACT, memory_order_relaxed);
	atomic_store_explicit(&t->root[family], root, memory_order_release);
	atomic_fetch_add_explicit(&t->changes, 1, memory_order_release);
}

/* Publishes a change, or takes it back. Returns 0 or -ENOMEM. */
static int finish(struct sl_lpm_op *op, unsigned family, uint64_t root)
{
	struct sl_lpm *t = op->t;

	if (op->failed) {
		for (unsigned i = 0; i < op->n_made; i++)
			sl_lpm_arena_free(&t->arena, op->made[i]);
		return -ENOMEM;
	}
	t->work[family] = root;
	if (!t->editing)
		show(t, family, root);
	note_garbage(t, op);
	for (unsigned i = 0; i < op->n_dropped; i++)
		sl_lpm_arena_free(&t->arena, op->dropped[i]);
	return 0;
}

static bool valid(const struct sl_prefix *p)
{
	return (p->addr.family == SL_AF_INET || p->addr.family == SL_AF_INET6) &&
	       p->len <= sl_family_bits(p->addr.family);
}

static void op_init(struct sl_lpm_op *op, struct sl_lpm *t, const struct sl_prefix *p, uint32_t value)
{
	op->t = t;
	op->key = sl_lpm_mask(sl_lpm_bits_of(&p->addr), p->len);
	op->len = p->len;
	op->value = value;
	op->failed = false;
	op->n_made = op->n_replaced = op->n_dropped = 0;
}

int sl_lpm_set(struct sl_lpm *t, const struct sl_prefix *prefix, uint32_t value, uint32_t *old)
{
	unsigned family = prefix->addr.family == SL_AF_INET6;
	struct sl_lpm_op op;
	uint32_t was;

	if (value == 0 || !valid(prefix))
		return -EINVAL;
	op_init(&op, t, prefix, value);
	was = sl_lpm_find(t, t->work[family], op.key, op.len);
	if (was != value) {
		if (!reserve_garbage(t))
			return -ENOMEM;
		if (finish(&op, family, sl_lpm_insert(&op, t->work[family])) != 0)
			return -ENOMEM;
		t->count += was == 0;
	}
	if (old != NULL)
		*old = was;
	return 0;
}

int sl_lpm_remove(struct sl_lpm *t, const struct sl_prefix *prefix, uint32_t *old)
{
	unsigned family = prefix->addr.family == SL_AF_INET6;
	struct sl_lpm_op op;
	uint32_t was;

	if (!valid(prefix))
		return -EINVAL;
	op_init(&op, t, prefix, 0);
	was = sl_lpm_find(t, t->work[family], op.key, op.len);
	if (was == 0)
		return -ENOENT;
	if (!reserve_garbage(t))
		return -ENOMEM;
	if (finish(&op, family, sl_lpm_delete(&op, t->work[family])) != 0)
		return -ENOMEM;
	t->count--;
	if (old != NULL)
		*old = was;
	return 0;
}

uint32_t sl_lpm_get(const struct sl_lpm *t, const struct sl_prefix *prefix)
{
	if (!valid(prefix))
		return 0;
	return sl_lpm_find(t, t->work[prefix->addr.family == SL_AF_INET6],
	        sl_lpm_mask(sl_lpm_bits_of(&prefix->addr), prefix->len), prefix->len);
}

/* The chunk that may still be open belongs to reclaim; an empty one is kept for the edit. */
void sl_lpm_begin(struct sl_lpm *t)
{
	if (t->garbage != NULL && t->garbage->n != 0)
		t->garbage = NULL;
	if (t->garbage != NULL)
		t->garbage->next = NULL;
	t->editing = true;
	t->edits++;
	t->count_at_begin = t->count;
}

void sl_lpm_commit(struct sl_lpm *t)
{
	struct sl_lpm_garbage *next;

	t->editing = false;
	for (unsigned f = 0; f < SL_LPM_FAMILIES; f++) {
		if (t->work[f] != atomic_load_explicit(&t->root[f], memory_order_relaxed))
			show(t, f, t->work[f]);
	}
	for (struct sl_lpm_garbage *g = t->garbage; g != NULL; g = next) {
		next = g->next;
		if (g->n != 0) {
			sl_reclaim_defer(t->reclaim, &g->reclaim, free_garbage, t, g);
		} else {
			t->n_garbage--;
			free(g);
		}
	}
	t->garbage = NULL;
}

/* Frees the nodes of the running edit below a slot; nodes of before it lead to nodes of before it only. */
static void free_made(struct sl_lpm *t, uint64_t slot)
{
	uint32_t ref = sl_lpm_child(slot);
	void *node = sl_lpm_node(t->arena.base, ref);

	switch (sl_lpm_kind(ref)) {
	case SL_LPM_NONE:
		return;
	case SL_LPM_EDGE:
		if (!sl_lpm_owned(t, ((struct sl_lpm_edge *)node)->stamp))
			return;
		free_made(t, ((struct sl_lpm_edge *)node)->slot);
		break;
	case SL_LPM_DIRECT:
		if (!sl_lpm_owned(t, ((struct sl_lpm_direct *)node)->stamp))
			return;
		for (unsigned i = 0; i < SL_LPM_FANOUT; i++)
			free_made(t, ((struct sl_lpm_direct *)node)->slots[i]);
		break;
	case SL_LPM_SPARSE:
		if (!sl_lpm_owned(t, ((struct sl_lpm_sparse *)node)->stamp))
			return;
		for (unsigned i = 0; i < ((struct sl_lpm_sparse *)node)->n_slots; i++)
			free_made(t, ((struct sl_lpm_sparse *)node)->slots[i]);
		break;
	}
	sl_lpm_arena_free(&t->arena, ref >> SL_LPM_BLOCK_SHIFT);
}

void sl_lpm_abort(struct sl_lpm *t)
{
	struct sl_lpm_garbage *next;

	for (unsigned f = 0; f < SL_LPM_FAMILIES; f++) {
		free_made(t, t->work[f]);
		t->work[f] = atomic_load_explicit(&t->root[f], memory_order_relaxed);
	}
	for (struct sl_lpm_garbage *g = t->garbage; g != NULL; g = next) {
		next = g->next;
		t->n_garbage--;
		free(g);
	}
	t->garbage = NULL;
	t->editing = false;
	t->count = t->count_at_begin;
}

uint64_t sl_lpm_changes(const struct sl_lpm *t)
{
	return atomic_load_explicit(&t->changes, memory_order_acquire);
}

uint64_t sl_lpm_count(const struct sl_lpm *t)
{
	return t->count;
}

uint64_t sl_lpm_memory(const struct sl_lpm *t)
{
	return sizeof(*t) + t->arena.bytes + t->arena.n_slabs * sizeof(struct sl_lpm_slab) +
	       t->n_garbage * sizeof(struct sl_lpm_garbage);
}
