/*
 * The one route table that decides first for every packet (config.md,
 * Routing). Control writes; workers look up. Which of several sources of one
 * prefix wins (connected over static over allowed IP) is decided by control
 * before it gets here.
 *
 * A value names what the packet meets:
 *   PEER  the prefix is an allowed IP that won: the peer is known without a cryptokey lookup,
 *         since within one interface the longest route is the longest allowed IP
 *   IF    an interface: on a port the destination itself is the neighbour; on a WireGuard interface the cryptokey
 *         table chooses the peer
 *   VIA   a next hop of the table below
 * Allowed IPs of length 0 stand apart from the table, because outer packets ignore them.
 */
#pragma once

#include <stdatomic.h>

#include "dataplane/addr.h"
#include "dataplane/lpm.h"
#include "dataplane/peer.h"

enum sl_route_kind {
	SL_ROUTE_NONE = 0,
	SL_ROUTE_PEER = 1,
	SL_ROUTE_IF = 2,
	SL_ROUTE_VIA = 3,
};

#define SL_ROUTE_KIND_SHIFT 28
#define SL_ROUTE(kind, id)  ((uint32_t)(kind) << SL_ROUTE_KIND_SHIFT | (uint32_t)(id))
#define SL_ROUTE_KIND(v)    ((enum sl_route_kind)((v) >> SL_ROUTE_KIND_SHIFT))
#define SL_ROUTE_ID(v)      ((v) & ((1u << SL_ROUTE_KIND_SHIFT) - 1))

#define SL_NEXT_HOPS 4096

struct sl_next_hop {
	struct sl_ip gateway; /* the neighbour to resolve on out_if */
	uint16_t out_if;
};

struct sl_route_table {
	struct sl_lpm *lpm;
	/* 0/0 and ::/0 as allowed IPs; used where lpm has no answer and the packet is no outer one. [0] IPv4, [1] IPv6 */
	_Atomic uint32_t allowed_default[2];
	struct sl_next_hop next_hops[SL_NEXT_HOPS]; /* entries are written before a route names them, reused after RCU */
};

/* Worker: for inner and clear packets. dst[i] as in sl_lpm_lookup_burst; 0: no route. */
void sl_route_lookup_burst(const struct sl_route_table *rt, const struct sl_ip *const *dst, uint32_t *values, unsigned n);

/* The same for keys whose addresses may stand in packets; their tables are set here. */
void sl_route_lookup_keys(const struct sl_route_table *rt, struct sl_lpm_key *keys, uint32_t *values, unsigned n);

/* The same for IPv4 alone: addresses in network order. */
void sl_route_lookup4_burst(const struct sl_route_table *rt, const uint32_t *dst, uint32_t *values, unsigned n);

/* One address; otherwise the same. */
uint32_t sl_route_lookup(const struct sl_route_table *rt, const struct sl_ip *dst);

/*
 * Worker: for an outer packet of WireGuard interface `own`: ignores allowed IPs of length 0, and routes into `own`, for
 * which the next shorter prefix is taken.
 */
uint32_t sl_route_lookup_outer(
	const struct sl_route_table *rt, const struct sl_peers *peers, const struct sl_ip *dst, uint16_t own);

/* The same for n addresses; own[i] is the interface of the i-th. Their memory accesses overlap. n ≤ 64. */
void sl_route_lookup_outer_burst(const struct sl_route_table *rt, const struct sl_peers *peers,
	const struct sl_ip *const *dst, const uint16_t *own, uint32_t *values, unsigned n);
