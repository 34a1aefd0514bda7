/*
 * The queues behind staged.c: heads of packet lists per peer slot and per
 * neighbour, and the set of neighbour queues, found by hash and walked from the
 * oldest on. Worker's thread; fixed memory inside struct sl_staged. The packet
 * lists themselves are staged.c's.
 */
#pragma once

#include "dataplane/staged.h"

/* sl_packet.queue: a peer slot, or a neighbour queue's number with this bit. */
#define SL_QUEUE_NEIGHBOUR (1u << 31)

struct sl_packet_queue {
	struct rte_mbuf *first, *last; /* through sl_packet.link, oldest first */
	uint32_t n;
};

struct sl_peer_queue {
	struct sl_packet_queue packets;
	uint32_t next_due; /* in the list of drains that had no room */
	bool due;
};

struct sl_neighbour_queue {
	struct sl_packet_queue packets;
	struct sl_ip ip;
	uint16_t out_if;
	uint16_t chain;        /* next of the same hash bucket */
	uint16_t older, newer; /* by time of creation; newer: the free list too */
	uint64_t since;        /* ns, the first packet came */
	uint64_t reported;     /* ns, control was told last */
};

#define SL_NEIGHBOUR_BUCKETS (2 * SL_STAGED_NEIGHBOURS) /* a power of two */

struct sl_neighbour_queues {
	uint32_t n;
	uint32_t seed; /* of the hash: addresses behind a port are chosen by strangers */
	uint16_t oldest, newest, free;
	uint16_t buckets[SL_NEIGHBOUR_BUCKETS];
	struct sl_neighbour_queue queues[SL_STAGED_NEIGHBOURS];
};

struct sl_staged {
	uint32_t limit; /* packets */
	uint32_t total;
	uint32_t capacity; /* peer slots */
	uint32_t due_first, due_last;
	struct rte_mbuf *oldest, *newest;
	struct sl_peer_queue *peers;
	struct sl_neighbour_queues neighbours;
};

void sl_neighbour_queues_init(struct sl_neighbour_queues *qs);
/* NULL where there is none. */
struct sl_neighbour_queue *sl_neighbour_queue_find(
	const struct sl_neighbour_queues *qs, uint16_t out_if, const struct sl_ip *ip);
/* Adds an empty queue as the newest; n must be below SL_STAGED_NEIGHBOURS. */
struct sl_neighbour_queue *sl_neighbour_queue_new(
	struct sl_neighbour_queues *qs, uint16_t out_if, const struct sl_ip *ip, uint64_t now);
/* The queue must be empty. */
void sl_neighbour_queue_free(struct sl_neighbour_queues *qs, struct sl_neighbour_queue *q);
/* NULL where there is none. */
struct sl_neighbour_queue *sl_neighbour_queue_oldest(struct sl_neighbour_queues *qs);
struct sl_neighbour_queue *sl_neighbour_queue_newer(struct sl_neighbour_queues *qs, const struct sl_neighbour_queue *q);
