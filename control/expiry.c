#include "control/expiry.h"

#include <errno.h>
#include <stdlib.h>

enum {
	FIRST_ROOM = 64,
};

void sl_expiry_free(struct sl_expiry *e)
{
	free(e->heap);
	*e = (struct sl_expiry){0};
}

static void swap(struct sl_expiry *e, uint32_t a, uint32_t b)
{
	struct sl_expiry_entry entry = e->heap[a];

	e->heap[a] = e->heap[b];
	e->heap[b] = entry;
}

int sl_expiry_add(struct sl_expiry *e, int64_t when, uint32_t peer)
{
	if (e->n == e->room) {
		uint32_t room = e->room ? e->room * 2 : FIRST_ROOM;
		struct sl_expiry_entry *heap = realloc(e->heap, room * sizeof(*heap));

		if (heap == NULL)
			return -ENOMEM;
		e->heap = heap;
		e->room = room;
	}
	e->heap[e->n] = (struct sl_expiry_entry){when, peer};
	for (uint32_t i = e->n++; i > 0 && e->heap[i].when < e->heap[(i - 1) / 2].when; i = (i - 1) / 2)
		swap(e, i, (i - 1) / 2);
	return 0;
}

bool sl_expiry_due(const struct sl_expiry *e, int64_t now, struct sl_expiry_entry *out)
{
	if (e->n == 0 || e->heap[0].when > now)
		return false;
	*out = e->heap[0];
	return true;
}

void sl_expiry_take(struct sl_expiry *e)
{
	uint32_t i = 0;

	e->heap[0] = e->heap[--e->n];
	for (;;) {
		uint32_t least = i;

		for (uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < e->n; child++)
			if (e->heap[child].when < e->heap[least].when)
				least = child;
		if (least == i)
			return;
		swap(e, i, least);
		i = least;
	}
}
