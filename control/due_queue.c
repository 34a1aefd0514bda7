#include "control/due_queue.h"

#include <errno.h>
#include <stdlib.h>

enum {
	FIRST_ROOM = 16,
};

int
sl_due_reserve(struct sl_due_queue *q, uint32_t n)
{
	uint32_t room = q->room ? q->room : FIRST_ROOM;
	struct sl_due **heap;

	if (n <= q->room)
		return 0;
	while (room < n)
		room *= 2;
	heap = realloc(q->heap, room * sizeof(*heap));
	if (heap == NULL)
		return -ENOMEM;
	q->heap = heap;
	q->room = room;
	return 0;
}

static void
put(struct sl_due_queue *q, uint32_t i, struct sl_due *due)
{
	q->heap[i] = due;
	due->place = i + 1;
}

static void
rise(struct sl_due_queue *q, uint32_t i, struct sl_due *due)
{
	for (; i > 0 && due->at < q->heap[(i - 1) / 2]->at; i = (i - 1) / 2)
		put(q, i, q->heap[(i - 1) / 2]);
	put(q, i, due);
}

static void
sink(struct sl_due_queue *q, uint32_t i, struct sl_due *due)
{
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child + 1 < q->n && q->heap[child + 1]->at < q->heap[child]->at)
			child++;
		if (child >= q->n || q->heap[child]->at >= due->at)
			break;
		put(q, i, q->heap[child]);
		i = child;
	}
	put(q, i, due);
}

void
sl_due_add(struct sl_due_queue *q, struct sl_due *due)
{
	rise(q, q->n++, due);
}

void
sl_due_remove(struct sl_due_queue *q, struct sl_due *due)
{
	uint32_t i = due->place - 1;
	struct sl_due *last;

	if (due->place == 0)
		return;
	due->place = 0;
	last = q->heap[--q->n];
	if (last == due)
		return;
	if (i > 0 && last->at < q->heap[(i - 1) / 2]->at)
		rise(q, i, last);
	else
		sink(q, i, last);
}

void
sl_due_free(struct sl_due_queue *q)
{
	free(q->heap);
	*q = (struct sl_due_queue){0};
}
