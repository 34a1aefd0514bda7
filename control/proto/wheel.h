/*
 * A hierarchical timing wheel: one deadline per node, a million nodes, constant
 * cost to arm and cancel. Deadlines are ns of the boot clock and kept exactly:
 * a node never expires early, and expires in the first sl_wheel_expire at or
 * after its deadline. Nodes lie in their owners; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_WHEEL_TICK_SHIFT 20 /* 2^20 ns, about 1 ms */
#define SL_WHEEL_BITS       8
#define SL_WHEEL_SLOTS      (1 << SL_WHEEL_BITS)
#define SL_WHEEL_LEVELS     4  /* 2^52 ns, about 52 days; later deadlines wait in the last level */

/* All zero: not armed. */
struct sl_wheel_node {
	struct sl_wheel_node *next;
	struct sl_wheel_node **link; /* what points to this node; NULL: not armed */
	uint64_t deadline;           /* ns */
	uint16_t slot;               /* level × SL_WHEEL_SLOTS + slot */
};

struct sl_wheel {
	uint64_t tick; /* all deadlines of earlier ticks have expired */
	uint64_t armed; /* nodes */
	uint64_t occupied[SL_WHEEL_LEVELS][SL_WHEEL_SLOTS / 64];
	struct sl_wheel_node *slots[SL_WHEEL_LEVELS * SL_WHEEL_SLOTS];
};

void sl_wheel_init(struct sl_wheel *w, uint64_t now);
/* Arms, or moves to another deadline. One that has passed expires in the next sl_wheel_expire. */
void sl_wheel_arm(struct sl_wheel *w, struct sl_wheel_node *node, uint64_t deadline);
/* Fine on a node that is not armed. */
void sl_wheel_cancel(struct sl_wheel *w, struct sl_wheel_node *node);

static inline bool
sl_wheel_armed(const struct sl_wheel_node *node)
{
	return node->link != NULL;
}

/* One node whose deadline is at or before now, disarmed; NULL when there is none left. Order within a tick is any. */
struct sl_wheel_node *sl_wheel_expire(struct sl_wheel *w, uint64_t now);
/* No node expires before this; where a node of the lowest level is next, its exact deadline. UINT64_MAX: none armed. */
uint64_t sl_wheel_next(const struct sl_wheel *w);
