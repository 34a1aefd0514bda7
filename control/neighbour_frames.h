/*
 * ARP packets (RFC 826) and neighbour solicitations and advertisements
 * (RFC 4861) as bytes: parsed into one shape for both families, and built.
 * Pure functions on packets of the caller's. Control thread, tests.
 */
#pragma once

#include <stdbool.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/addr.h"

enum sl_neighbour_parse {
	SL_NEIGHBOUR_PARSED,
	SL_NEIGHBOUR_INVALID, /* must be dropped, as the RFCs say */
	SL_NEIGHBOUR_OTHER,   /* well-formed, but neither a request nor an answer: router discovery, redirect, other ARP */
};

/* "Who has `target`, tell `sender`", or "`sender` is at `mac`". */
struct sl_neighbour_message {
	bool request;
	struct sl_ip sender;     /* request: who asks, the zero address where that is not to be told; answer: the one answered for */
	struct sl_ip target;     /* request: the one asked for; answer: family NONE */
	bool has_mac;
	struct rte_ether_addr mac; /* of sender */
	struct sl_ip to;         /* answer: whom it is for; a multicast address or, in ARP, sender itself when for all */
	bool solicited;          /* answer: says that it was asked for */
	bool override;           /* answer: replaces what was known */
};

/* Data at the ARP header. */
enum sl_neighbour_parse sl_neighbour_parse_arp(struct rte_mbuf *m, struct sl_neighbour_message *out);
/* Data at the IPv6 header. Makes m contiguous. */
enum sl_neighbour_parse sl_neighbour_parse_nd(struct rte_mbuf *m, struct sl_neighbour_message *out);

/*
 * Builders: a whole Ethernet frame in the empty packet m, from our address `ours` at `mac`. False without room.
 * request: asks for `target`: everyone where to_mac is NULL (its solicited-node group in IPv6), else that neighbour.
 * answer: tells `to` at to_mac that `ours` is at mac; to_mac NULL: tells everyone, and `to` is not looked at.
 * ours may be the zero address in an IPv4 request.
 */
bool sl_neighbour_build_request(struct rte_mbuf *m, const struct rte_ether_addr *mac, const struct sl_ip *ours,
	const struct sl_ip *target, const struct rte_ether_addr *to_mac);
bool sl_neighbour_build_answer(struct rte_mbuf *m, const struct rte_ether_addr *mac, const struct sl_ip *ours,
	const struct sl_ip *to, const struct rte_ether_addr *to_mac);

/* The solicited-node group of an IPv6 address (RFC 4291 section 2.7.1), and all-nodes. */
struct sl_ip sl_neighbour_solicited_group(const struct sl_ip *ip);
struct sl_ip sl_neighbour_all_nodes(void);
