/*
 * Packets for our own addresses that are neither neighbour discovery nor
 * WireGuard: echo requests (RFC 792, RFC 4443) are answered, on ports and on
 * WireGuard interfaces alike; UDP and TCP get "port unreachable" within a
 * limit; all else is counted and dropped. No I/O, no clock. Control
 * thread alone; owns nothing but its counters, borrows the dataplane.
 */
#pragma once

#include <stdint.h>

#include "control/control_out.h"
#include "dataplane/dataplane.h"

#define SL_ICMP_UNREACHABLE_PER_SECOND 100
#define SL_ICMP_UNREACHABLE_BURST      50

struct sl_icmp_echo_stats {
	uint64_t echo_replies;
	uint64_t unreachables;         /* sent */
	uint64_t unreachables_limited; /* not sent, for the limit */
	uint64_t invalid;              /* malformed or wrong checksum */
	uint64_t ignored;              /* nothing to answer: other protocols, other ICMP, multicast, broadcast, fragments */
	uint64_t no_room;              /* the ring to a worker was full */
};

struct sl_icmp_echo {
	struct sl_dataplane *dp;
	struct sl_control_out out;
	uint64_t tokens; /* of the limit, in ns of its refill */
	uint64_t filled; /* ns */
	uint16_t ip_id;  /* identification of the next IPv4 packet */
	struct sl_icmp_echo_stats stats;
};

void sl_icmp_echo_init(struct sl_icmp_echo *e, struct sl_dataplane *dp, const struct sl_control_out *out);
/* A packet punted as SL_PUNT_LOCAL: data at the IP header. Passes over. */
void sl_icmp_echo_packet(struct sl_icmp_echo *e, struct rte_mbuf *m, uint64_t now);
