/*
 * What control knows of each neighbour: found by (interface, address), ordered
 * by when something is to be done about it, and, while unresolved, by age. The
 * dataplane's table holds what workers need of it; control/neighbours.c keeps
 * the two alike. Control thread; entries belong to this set.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_ether.h>

#include "dataplane/addr.h"
#include "dataplane/neighbour.h"

struct sl_neighbour_entry {
	struct sl_ip ip;
	uint8_t state; /* enum sl_neighbour_state */
	uint16_t l3_if;
	uint8_t tries; /* requests without an answer */
	struct rte_ether_addr mac;
	uint64_t deadline;  /* ns */
	uint64_t used;      /* ns: last seen in use, or made */
	uint32_t heap;      /* place in the heap */
	struct sl_neighbour_entry *chain;
	TAILQ_ENTRY(sl_neighbour_entry) age; /* in `unresolved`, while INCOMPLETE or FAILED */
};

TAILQ_HEAD(sl_neighbour_ages, sl_neighbour_entry);

struct sl_neighbour_entries {
	struct sl_neighbour_entry **buckets;
	uint32_t n_buckets; /* a power of two */
	struct sl_neighbour_entry **heap; /* earliest deadline first */
	uint32_t n, max;
	uint64_t seed;
	struct sl_neighbour_ages unresolved; /* oldest first */
	uint32_t n_unresolved;
};

/* 0 or -ENOMEM. */
int sl_neighbour_entries_init(struct sl_neighbour_entries *s, uint32_t max, uint64_t seed);
void sl_neighbour_entries_fini(struct sl_neighbour_entries *s);

struct sl_neighbour_entry *sl_neighbour_entries_find(
	const struct sl_neighbour_entries *s, uint16_t l3_if, const struct sl_ip *ip);
/* A new entry in state NONE without a deadline; NULL when there are `max`, or no memory. */
struct sl_neighbour_entry *sl_neighbour_entries_add(
	struct sl_neighbour_entries *s, uint16_t l3_if, const struct sl_ip *ip);
void sl_neighbour_entries_remove(struct sl_neighbour_entries *s, struct sl_neighbour_entry *e);
/* All of an interface. */
void sl_neighbour_entries_remove_if(struct sl_neighbour_entries *s, uint16_t l3_if);
/* The entry keeps its place in `unresolved` for as long as it is INCOMPLETE or FAILED. */
void sl_neighbour_entries_set_state(
	struct sl_neighbour_entries *s, struct sl_neighbour_entry *e, enum sl_neighbour_state state);
void sl_neighbour_entries_set_deadline(struct sl_neighbour_entries *s, struct sl_neighbour_entry *e, uint64_t deadline);

/* The entry with the earliest deadline, or NULL. */
static inline struct sl_neighbour_entry *
sl_neighbour_entries_first(const struct sl_neighbour_entries *s)
{
	return s->n ? s->heap[0] : NULL;
}
