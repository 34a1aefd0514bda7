/*
 * Things by the time they are due, earliest first: a heap of nodes that lie in
 * their owners, so that any of them can be taken out again. No lock; memory is
 * only had by reserving, so that adding cannot fail where nobody could be told.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sl_due {
	uint64_t at;    /* ns, or what else all of a queue count in; not to be changed while it is in a queue */
	uint32_t place; /* the queue's: 0: in none, else one more than where it is */
};

/* All zero at the start. */
struct sl_due_queue {
	struct sl_due **heap;
	uint32_t n, room;
};

/* Room for n nodes in all. 0 or -ENOMEM. */
int sl_due_reserve(struct sl_due_queue *q, uint32_t n);
/* The node is in no queue, and there is room for it. */
void sl_due_add(struct sl_due_queue *q, struct sl_due *due);
/* The node is in this queue or in none. */
void sl_due_remove(struct sl_due_queue *q, struct sl_due *due);
/* Forgets the nodes, which are their owners'. */
void sl_due_free(struct sl_due_queue *q);

/* NULL: empty. */
static inline struct sl_due *
sl_due_first(const struct sl_due_queue *q)
{
	return q->n ? q->heap[0] : NULL;
}
