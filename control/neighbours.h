/*
 * ARP (RFC 826, 5227) and IPv6 neighbour discovery (RFC 4861) for our port
 * interfaces: answers for our addresses, resolves what workers missed, keeps
 * known entries fresh, and writes the dataplane's neighbour table. Inputs are
 * packets, misses and time; outputs are frames through sl_control_out and
 * table writes. No I/O, no clock. Control thread alone; owns its entries,
 * borrows the dataplane.
 *
 * Learning is narrow: from requests for our own addresses by neighbours on a connected prefix, and from answers
 * to our own requests. Gateways are neighbours like any other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/control_out.h"
#include "dataplane/dataplane.h"
#include "dataplane/localaddr.h"

#define SL_NEIGHBOUR_RETRY_NS     (1 * SL_NSEC_PER_SEC)  /* between requests */
#define SL_NEIGHBOUR_TRIES        3
#define SL_NEIGHBOUR_NEGATIVE_NS  (5 * SL_NSEC_PER_SEC)  /* how long a neighbour that did not answer is left alone */
#define SL_NEIGHBOUR_REACHABLE_NS (30 * SL_NSEC_PER_SEC) /* confirmed entries are probed after this */
#define SL_NEIGHBOUR_STALE_NS     (5 * SL_NSEC_PER_SEC)  /* how often a stale entry is looked at for use */
#define SL_NEIGHBOUR_IDLE_NS      (600 * SL_NSEC_PER_SEC) /* an unused entry goes after this */
#define SL_NEIGHBOUR_UNRESOLVED   4096                   /* incomplete and failed entries; the oldest goes */

struct sl_neighbour_protocol;

struct sl_neighbour_protocol_stats {
	uint64_t arp_received, arp_sent;
	uint64_t nd_received, nd_sent;
	uint64_t invalid;   /* malformed, bad checksum, hop limit not 255 */
	uint64_t ignored;   /* valid, but nothing for us to do: RS, RA, redirect, requests for others */
	uint64_t conflicts; /* somebody else claims one of our addresses */
	uint64_t evicted;   /* unresolved entries pushed out by newer ones */
	uint64_t no_room;   /* the table or the ring to a worker was full, or no buffer */
	uint64_t failed;    /* neighbours that did not answer */
};

struct sl_neighbour_protocol_config {
	struct sl_dataplane *dp; /* interfaces and neighbour table */
	struct sl_control_out out;
	uint32_t max_entries;    /* of the neighbour table, as given to sl_dataplane_create */
	uint64_t seed;           /* hash seed, secret */
};

/* 0 and *out set, or -ENOMEM. */
int sl_neighbour_protocol_create(struct sl_neighbour_protocol **out, const struct sl_neighbour_protocol_config *cfg);
void sl_neighbour_protocol_destroy(struct sl_neighbour_protocol *np);

/* A packet punted as SL_PUNT_ARP: data at the ARP header. Passes over. */
void sl_neighbour_protocol_arp(struct sl_neighbour_protocol *np, struct rte_mbuf *m, uint64_t now);
/* Whether a packet punted as SL_PUNT_LOCAL is neighbour discovery (ICMPv6 133–137), so for sl_neighbour_protocol_nd. */
bool sl_neighbour_protocol_is_nd(const struct rte_mbuf *m);
/* Data at the IPv6 header. Passes over. */
void sl_neighbour_protocol_nd(struct sl_neighbour_protocol *np, struct rte_mbuf *m, uint64_t now);
/* An element of dp->misses. */
void sl_neighbour_protocol_miss(struct sl_neighbour_protocol *np, const struct sl_neighbour_miss *miss, uint64_t now);

/*
 * A port interface with its addresses was published, or its addresses changed: tells the network of each address
 * (gratuitous ARP, unsolicited NA), and once more a second later.
 */
void sl_neighbour_protocol_announce(struct sl_neighbour_protocol *np, uint16_t l3_if, uint64_t now);
/* The interface goes: forgets its neighbours. */
void sl_neighbour_protocol_forget_if(struct sl_neighbour_protocol *np, uint16_t l3_if);

/* When sl_neighbour_protocol_tick is due, ns; UINT64_MAX: nothing waits. */
uint64_t sl_neighbour_protocol_deadline(const struct sl_neighbour_protocol *np);
/* Serves at most `budget` timers that are due. */
void sl_neighbour_protocol_tick(struct sl_neighbour_protocol *np, uint64_t now, unsigned budget);

const struct sl_neighbour_protocol_stats *sl_neighbour_protocol_stats(const struct sl_neighbour_protocol *np);

#define SL_NEIGHBOUR_GROUPS_MAX (SL_IF_MAX_ADDRESSES + 1)
/*
 * The multicast groups a port interface listens to: all-nodes and the solicited-node group of each of its IPv6 addresses
 * (RFC 4291 section 2.7.1), as entries for sl_localaddr_create. Returns how many; 0 without IPv6 addresses.
 */
unsigned sl_neighbour_groups(const struct sl_if *ifp, struct sl_localaddr_entry out[SL_NEIGHBOUR_GROUPS_MAX]);
