/*
 * A ring of tickets that keeps the order of work done out of order. One thread,
 * the owner, appends tickets and takes them back in the order they were
 * appended; any thread, the owner too, claims one that nobody has, does its
 * work and says that it is done. The ring knows numbers of tickets alone:
 * what a ticket stands for lies in an array of the user's, at the same
 * places. Nothing here waits, locks or allocates.
 *
 * A ticket's life:   append → WAITING → claim → CLAIMED → done → DONE → take → free
 * or, where the owner does the work itself:   append_claimed → CLAIMED → …
 * Between take and free the ticket's place still holds what it stands for.
 *
 * The state carries the ticket's number, so a claimer whose view is old fails
 * instead of taking the ticket that has come to the same place since.
 *
 * Memory: what the owner wrote before the append is seen by who claims; what
 * the claimer wrote before `done` is seen by the owner once head_done says so.
 * The memory is the user's; init before any thread looks.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SL_ORDER_TICKETS 128 /* a power of two */
#define SL_ORDER_LINE    64

/* Each on a line of its own: the only lines that two threads write. */
struct sl_order_ticket {
	alignas(SL_ORDER_LINE) _Atomic uint64_t state; /* number * 4 + phase */
};

struct sl_order_ring {
	/* The owner's alone. */
	alignas(SL_ORDER_LINE) uint64_t head; /* the oldest whose place is not free */
	uint64_t next;                        /* the oldest that is out: the next to be taken back */
	uint64_t tail;                        /* the next to be appended */
	/* Written by the owner, read by claimers. */
	alignas(SL_ORDER_LINE) _Atomic uint64_t appended; /* tail */
	_Atomic uint64_t taken;                           /* next as of the last append */
	struct sl_order_ticket tickets[SL_ORDER_TICKETS];
};

void sl_order_ring_init(struct sl_order_ring *r);

/* Owner: tickets appended and not yet taken back. */
static inline unsigned
sl_order_ring_out(const struct sl_order_ring *r)
{
	return (unsigned)(r->tail - r->next);
}

static inline bool
sl_order_ring_full(const struct sl_order_ring *r)
{
	return r->tail - r->head == SL_ORDER_TICKETS;
}

/* Owner: the place of the next ticket, to be filled before it is appended; only while the ring is not full. */
static inline unsigned
sl_order_ring_place(const struct sl_order_ring *r)
{
	return (unsigned)(r->tail % SL_ORDER_TICKETS);
}

/* Owner: the ticket of that place is there for anyone. */
void sl_order_ring_append(struct sl_order_ring *r);
/* Owner: the same, but it is the owner's to work on: sl_order_ring_done has to follow. */
void sl_order_ring_append_claimed(struct sl_order_ring *r);

/*
 * Any thread: takes the oldest ticket that nobody has. *cursor is the thread's own place in this ring, 0 at first, so that
 * it does not look twice at what has been taken. False where there is none.
 */
bool sl_order_ring_claim(struct sl_order_ring *r, uint64_t *cursor, unsigned *place);
/* Any thread: whether a claim would have found something a moment ago. Moves the cursor as a claim does. */
bool sl_order_ring_waiting(struct sl_order_ring *r, uint64_t *cursor);
/* Whoever claimed the ticket at that place: the work is done. */
void sl_order_ring_done(struct sl_order_ring *r, unsigned place);

/* Owner: whether the oldest ticket that is out is done, and its place. */
bool sl_order_ring_next_done(const struct sl_order_ring *r, unsigned *place);
/* Owner: takes that ticket back. Its place is not used again yet. */
static inline void
sl_order_ring_take(struct sl_order_ring *r)
{
	r->next++;
}

/* Owner: the places of all tickets taken back may be filled again. */
static inline void
sl_order_ring_free(struct sl_order_ring *r)
{
	r->head = r->next;
}
