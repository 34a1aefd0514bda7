/*
 * The L2 neighbour table: (L3 interface, address) → MAC address and state.
 * Control alone writes, from ARP and neighbour discovery; workers look up at
 * the same time without locks, between two quiescent reports. Entries belong
 * to the table and are freed through struct sl_reclaim. The number of entries
 * is limited at creation, memory is taken per entry.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "dataplane/addr.h"
#include "dataplane/reclaim.h"

struct sl_neighbours;

enum sl_neighbour_state {
	SL_NEIGHBOUR_NONE = 0,   /* no entry */
	SL_NEIGHBOUR_INCOMPLETE, /* being resolved: no MAC yet */
	SL_NEIGHBOUR_FAILED,     /* did not answer: packets are dropped until control tries again */
	SL_NEIGHBOUR_REACHABLE,  /* confirmed lately; from here on there is a MAC */
	SL_NEIGHBOUR_STALE,      /* to be confirmed when used */
	SL_NEIGHBOUR_PERMANENT,  /* configured */
};

/* Whether packets can be sent to it. */
static inline bool sl_neighbour_usable(enum sl_neighbour_state state)
{
	return state >= SL_NEIGHBOUR_REACHABLE;
}

struct sl_neighbour_key {
	const struct sl_ip *ip;
	uint16_t out_if; /* L3 interface id */
};

/* max_entries: 1..2^20. 0 and *out set, -EINVAL, or -ENOMEM. reclaim is borrowed and must outlive the table. */
int sl_neighbours_create(struct sl_neighbours **out, uint32_t max_entries, struct sl_reclaim *reclaim);
/* After all readers have stopped. Drain reclaim first. NULL is allowed. */
void sl_neighbours_destroy(struct sl_neighbours *t);

/* --- control --- */

/*
 * Inserts an entry or replaces its MAC and state as one step for readers. mac may be NULL for INCOMPLETE and FAILED.
 * 0; -ENOSPC at max_entries; -ENOMEM; -EINVAL for state NONE, a bad family, or a usable state without a MAC. On an
 * error the table is as it was.
 */
int sl_neighbour_set(struct sl_neighbours *t, uint16_t out_if, const struct sl_ip *ip, const struct rte_ether_addr *mac,
        enum sl_neighbour_state state);
/* 0 or -ENOENT. */
int sl_neighbour_remove(struct sl_neighbours *t, uint16_t out_if, const struct sl_ip *ip);
/* Removes all entries of an interface; returns how many. */
uint32_t sl_neighbour_remove_if(struct sl_neighbours *t, uint16_t out_if);
/* Whether a worker has sent to this entry since the last call: a stale entry that is used wants to be confirmed. */
bool sl_neighbour_take_used(struct sl_neighbours *t, uint16_t out_if, const struct sl_ip *ip);
uint32_t sl_neighbour_count(const struct sl_neighbours *t);

/* Called for one entry; false ends the walk. It may set or remove the entry it was called for, no other. */
typedef bool (*sl_neighbour_walk_fn)(void *ctx, uint16_t out_if, const struct sl_ip *ip,
        const struct rte_ether_addr *mac, enum sl_neighbour_state state);
/*
 * Walks the table in slices: begin with *cursor 0; each call visits at most `budget` entries (a few more to finish a
 * bucket) and moves the cursor on; *cursor is 0 again after the last. Entries that exist all the while are visited
 * once.
 */
void sl_neighbour_walk(struct sl_neighbours *t, uint32_t *cursor, uint32_t budget, sl_neighbour_walk_fn fn, void *ctx);

/* --- workers and control --- */

/* Counts changes of MACs and of what is usable: an answer holds as long as this stays what it was before the lookup. */
uint64_t sl_neighbours_changes(const struct sl_neighbours *t);

/* True and *mac set if there is a usable entry. Marks it as used. */
bool sl_neighbour_lookup(struct sl_neighbours *t, uint16_t out_if, const struct sl_ip *ip, struct rte_ether_addr *mac);

/* States (NONE where there is no entry) and, for usable ones, MACs of n keys, memory accesses overlapped. Marks as
 * used. */
void sl_neighbour_lookup_burst(struct sl_neighbours *t, const struct sl_neighbour_key *keys,
        enum sl_neighbour_state *states, struct rte_ether_addr *macs, unsigned n);
