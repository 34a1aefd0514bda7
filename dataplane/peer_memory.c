#include "dataplane/peer_memory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "dataplane/lazy.h"

struct sl_peer_array {
	char *base;
	size_t size;  /* bytes of an element */
	size_t bytes; /* of all of them */
	bool *there;  /* by unit of SL_LAZY_SMALL bytes */
};

int
sl_peer_memory_add(struct sl_peer_memory *m, void *base, size_t size, uint32_t n)
{
	struct sl_peer_array *arrays = realloc(m->arrays, (m->n + 1) * sizeof(*arrays));
	struct sl_peer_array *a;

	if (!arrays)
		return -ENOMEM;
	m->arrays = arrays;
	a = &arrays[m->n];
	*a = (struct sl_peer_array){.base = base, .size = size, .bytes = n * size};
	a->there = calloc(a->bytes / SL_LAZY_SMALL + 1, sizeof(*a->there));
	if (!a->there)
		return -ENOMEM;
	a->there[0] = true;
	m->n++;
	return 0;
}

void
sl_peer_memory_fini(struct sl_peer_memory *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		free(m->arrays[i].there);
	free(m->arrays);
	*m = (struct sl_peer_memory){0};
}

static void
bring(struct sl_peer_array *a, size_t unit)
{
	size_t from = unit * SL_LAZY_SMALL, left = a->bytes - from;

	sl_lazy_populate(a->base + from, left < SL_LAZY_SMALL ? left : SL_LAZY_SMALL);
	a->there[unit] = true;
}

void
sl_peer_memory_prepare(struct sl_peer_memory *m, uint32_t slot)
{
	for (uint32_t i = 0; i < m->n; i++) {
		struct sl_peer_array *a = &m->arrays[i];
		size_t from = slot * a->size, last = (from + a->size - 1) / SL_LAZY_SMALL;

		/* an element may lie in two */
		for (size_t unit = from / SL_LAZY_SMALL; unit <= last; unit++)
			if (!a->there[unit])
				bring(a, unit);
	}
}
