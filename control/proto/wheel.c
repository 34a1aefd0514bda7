#include "control/proto/wheel.h"

#define SLOT_MASK   (SL_WHEEL_SLOTS - 1)
/* Less than a revolution of the last level by one of its slots, so that nothing lands in the slot where we stand. */
#define TICKS_AHEAD (((uint64_t)SL_WHEEL_SLOTS - 1) << ((SL_WHEEL_LEVELS - 1) * SL_WHEEL_BITS))

static inline uint64_t
tick_of(uint64_t ns)
{
	return ns >> SL_WHEEL_TICK_SHIFT;
}

void
sl_wheel_init(struct sl_wheel *w, uint64_t now)
{
	*w = (struct sl_wheel){.tick = tick_of(now)};
}

/* The slot of a tick as seen from w->tick: the lowest level in which both lie in one revolution. */
static uint16_t
slot_of(const struct sl_wheel *w, uint64_t tick)
{
	unsigned level = 0;

	if (tick < w->tick)
		tick = w->tick;
	if (tick - w->tick > TICKS_AHEAD)
		tick = w->tick + TICKS_AHEAD;
	while (level < SL_WHEEL_LEVELS - 1 && (tick ^ w->tick) >> ((level + 1) * SL_WHEEL_BITS))
		level++;
	return (uint16_t)(level * SL_WHEEL_SLOTS + (tick >> (level * SL_WHEEL_BITS) & SLOT_MASK));
}

static void
link_node(struct sl_wheel *w, struct sl_wheel_node *node)
{
	uint16_t slot = slot_of(w, tick_of(node->deadline));

	node->slot = slot;
	node->next = w->slots[slot];
	node->link = &w->slots[slot];
	if (node->next)
		node->next->link = &node->next;
	w->slots[slot] = node;
	w->occupied[slot / SL_WHEEL_SLOTS][(slot & SLOT_MASK) / 64] |= UINT64_C(1) << (slot % 64);
}

static void
unlink_node(struct sl_wheel *w, struct sl_wheel_node *node)
{
	uint16_t slot = node->slot;

	*node->link = node->next;
	if (node->next)
		node->next->link = node->link;
	node->link = NULL;
	if (w->slots[slot] == NULL)
		w->occupied[slot / SL_WHEEL_SLOTS][(slot & SLOT_MASK) / 64] &= ~(UINT64_C(1) << (slot % 64));
}

void
sl_wheel_arm(struct sl_wheel *w, struct sl_wheel_node *node, uint64_t deadline)
{
	if (node->link) {
		if (node->deadline == deadline)
			return;
		unlink_node(w, node);
	} else {
		w->armed++;
	}
	node->deadline = deadline;
	link_node(w, node);
}

void
sl_wheel_cancel(struct sl_wheel *w, struct sl_wheel_node *node)
{
	if (!node->link)
		return;
	unlink_node(w, node);
	w->armed--;
}

/* The first occupied slot of a level from `from` on, or SL_WHEEL_SLOTS. */
static unsigned
first_occupied(const struct sl_wheel *w, unsigned level, unsigned from)
{
	for (unsigned word = from / 64; word < SL_WHEEL_SLOTS / 64; word++) {
		uint64_t bits = w->occupied[level][word];

		if (word == from / 64)
			bits &= UINT64_MAX << (from % 64);
		if (bits)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return SL_WHEEL_SLOTS;
}

/* The first tick of the next slot that has nodes. In the last level it may lie in the next revolution. */
static uint64_t
next_tick(const struct sl_wheel *w)
{
	for (unsigned level = 0; level < SL_WHEEL_LEVELS; level++) {
		unsigned shift = level * SL_WHEEL_BITS;
		unsigned here = w->tick >> shift & SLOT_MASK;
		unsigned slot = first_occupied(w, level, here);
		uint64_t revolution = w->tick >> shift >> SL_WHEEL_BITS << SL_WHEEL_BITS;

		if (slot == SL_WHEEL_SLOTS && level == SL_WHEEL_LEVELS - 1) {
			slot = first_occupied(w, level, 0);
			revolution += SL_WHEEL_SLOTS;
		}
		if (slot != SL_WHEEL_SLOTS) {
			uint64_t tick = (revolution + slot) << shift;

			return tick > w->tick ? tick : w->tick;
		}
	}
	return UINT64_MAX;
}

/* Moves to a tick, which must not pass occupied slots, and spreads the higher slots that begin there over lower levels. */
static void
move_to(struct sl_wheel *w, uint64_t tick)
{
	uint64_t changed = tick ^ w->tick;

	w->tick = tick;
	for (unsigned level = SL_WHEEL_LEVELS - 1; level > 0; level--) {
		unsigned slot = level * SL_WHEEL_SLOTS + (unsigned)(tick >> (level * SL_WHEEL_BITS) & SLOT_MASK);
		struct sl_wheel_node *list;

		if (changed >> (level * SL_WHEEL_BITS) == 0)
			continue;
		list = w->slots[slot];
		while (list) {
			struct sl_wheel_node *node = list;

			list = node->next;
			unlink_node(w, node);
			link_node(w, node);
		}
	}
}

static struct sl_wheel_node *
take_due(struct sl_wheel *w, uint64_t now)
{
	struct sl_wheel_node *node = w->slots[w->tick & SLOT_MASK];

	while (node && node->deadline > now)
		node = node->next;
	if (node)
		sl_wheel_cancel(w, node);
	return node;
}

struct sl_wheel_node *
sl_wheel_expire(struct sl_wheel *w, uint64_t now)
{
	uint64_t end = tick_of(now);

	for (;;) {
		struct sl_wheel_node *node = take_due(w, now);
		uint64_t next;

		if (node)
			return node;
		if (w->tick >= end)
			return NULL;
		/* What is left in this slot, if anything, is later than now, and so in tick `end` at the earliest. */
		next = w->armed ? next_tick(w) : UINT64_MAX;
		move_to(w, next > w->tick && next < end ? next : end);
	}
}

uint64_t
sl_wheel_next(const struct sl_wheel *w)
{
	const struct sl_wheel_node *node;
	uint64_t tick, first = UINT64_MAX;

	if (w->armed == 0)
		return UINT64_MAX;
	tick = next_tick(w);
	if ((tick ^ w->tick) >> SL_WHEEL_BITS != 0)
		return tick << SL_WHEEL_TICK_SHIFT;
	for (node = w->slots[tick & SLOT_MASK]; node; node = node->next)
		if (node->deadline < first)
			first = node->deadline;
	return first;
}
