#include "dataplane/order_ring.h"

#include <assert.h>

#define PHASE_BITS 2

/* 0: the place was never used */
enum phase { WAITING = 1, CLAIMED, DONE };

static_assert((SL_ORDER_TICKETS & (SL_ORDER_TICKETS - 1)) == 0, "places are numbers modulo the size");
static_assert(DONE < 1 << PHASE_BITS, "a phase fits beside the number");

static inline uint64_t
state_of(uint64_t number, enum phase phase)
{
	return number << PHASE_BITS | phase;
}

static inline _Atomic uint64_t *
state_at(struct sl_order_ring *r, uint64_t number)
{
	return &r->tickets[number % SL_ORDER_TICKETS].state;
}

void
sl_order_ring_init(struct sl_order_ring *r)
{
	r->head = r->next = r->tail = 0;
	atomic_init(&r->appended, 0);
	atomic_init(&r->taken, 0);
	for (unsigned i = 0; i < SL_ORDER_TICKETS; i++)
		atomic_init(&r->tickets[i].state, 0);
}

static void
append(struct sl_order_ring *r, enum phase phase)
{
	atomic_store_explicit(state_at(r, r->tail), state_of(r->tail, phase), memory_order_release);
	r->tail++;
	atomic_store_explicit(&r->taken, r->next, memory_order_relaxed);
	/* After the state, so that whoever sees the new tail sees the ticket. */
	atomic_store_explicit(&r->appended, r->tail, memory_order_release);
}

void
sl_order_ring_append(struct sl_order_ring *r)
{
	append(r, WAITING);
}

void
sl_order_ring_append_claimed(struct sl_order_ring *r)
{
	append(r, CLAIMED);
}

/* Moves the cursor to the oldest ticket that waits. False where none does; the cursor is then at the tail. */
static bool
find(struct sl_order_ring *r, uint64_t *cursor)
{
	uint64_t end = atomic_load_explicit(&r->appended, memory_order_acquire);
	uint64_t at = *cursor;
	uint64_t taken;

	if (at >= end)
		return false;
	taken = atomic_load_explicit(&r->taken, memory_order_relaxed);
	if (at < taken)
		at = taken;
	/* A ticket that does not wait will never wait again. */
	for (; at < end; at++)
		if (atomic_load_explicit(state_at(r, at), memory_order_relaxed) == state_of(at, WAITING))
			break;
	*cursor = at;
	return at < end;
}

bool
sl_order_ring_claim(struct sl_order_ring *r, uint64_t *cursor, unsigned *place)
{
	while (find(r, cursor)) {
		uint64_t number = (*cursor)++;
		uint64_t waiting = state_of(number, WAITING);

		if (atomic_compare_exchange_strong_explicit(state_at(r, number), &waiting, state_of(number, CLAIMED),
			    memory_order_acquire, memory_order_relaxed)) {
			*place = (unsigned)(number % SL_ORDER_TICKETS);
			return true;
		}
	}
	return false;
}

bool
sl_order_ring_waiting(struct sl_order_ring *r, uint64_t *cursor)
{
	return find(r, cursor);
}

void
sl_order_ring_done(struct sl_order_ring *r, unsigned place)
{
	_Atomic uint64_t *state = &r->tickets[place].state;
	uint64_t number = atomic_load_explicit(state, memory_order_relaxed) >> PHASE_BITS;

	atomic_store_explicit(state, state_of(number, DONE), memory_order_release);
}

bool
sl_order_ring_next_done(const struct sl_order_ring *r, unsigned *place)
{
	*place = (unsigned)(r->next % SL_ORDER_TICKETS);
	return r->next != r->tail &&
	       atomic_load_explicit(&r->tickets[*place].state, memory_order_acquire) == state_of(r->next, DONE);
}
