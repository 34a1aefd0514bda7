/*
 * Outer WireGuard packets: which way one leaves, a port with its neighbour or another tunnel. Shared by ENCAP, which decides
 * the way of a run of packets (outer_path.h), SEAL, which builds the packets, and OUTER_ROUTE, which finishes those that
 * control made. On the worker's thread. Packets between ENCAP and SEAL, so within one pass, name their path by out_peer.
 */
#pragma once

#include "dataplane/ip.h"
#include "dataplane/outer_path.h"
#include "dataplane/worker.h"

/* Where an outer packet goes next. */
struct sl_outer_hop {
	const struct sl_if *out_if;  /* a port or, nested, the WireGuard interface of `peer` */
	uint32_t peer;               /* nested: whom it is sealed for; else SL_PEER_NONE */
	struct sl_ip next_hop;       /* port: the neighbour */
};

/*
 * Turns a route value for an outer packet to dst into a hop. Returns SL_DROP_COUNT, or the reason why there is none.
 */
enum sl_drop sl_outer_hop(struct sl_dataplane *dp, uint32_t route, const struct sl_ip *dst, struct sl_outer_hop *hop);

static inline struct sl_outer_path *
sl_outer_path(const struct sl_outer_paths *p, uint32_t peer)
{
	return &p->sending[peer].path;
}

static inline struct sl_outer_path_rest *
sl_outer_path_rest(const struct sl_outer_paths *p, uint32_t peer)
{
	return &p->receiving[peer].path;
}

static inline const struct sl_outer_link *
sl_outer_link(const struct sl_outer_paths *p, uint32_t peer)
{
	uint16_t place = p->sending[peer].path.link;

	return likely(place != SL_OUTER_LINK_OWN) ? &p->links[place] : &p->own[peer];
}

/*
 * The sending half by which packets of this path are sealed. Only while the peer's `current` names the path's session, or did in
 * this pass: a session's memory is its own until the pass is over.
 */
static inline struct sl_sender *
sl_outer_sender(struct sl_dataplane *dp, uint32_t peer, const struct sl_outer_path *path)
{
	const struct sl_session_table *t = &dp->sessions;

	return likely(path->sender < SL_PEER_SENDERS) ? sl_peer_sender(&dp->peers, peer, path->sender) :
							&t->slots[path->session & ((1u << t->slot_bits) - 1)].own;
}

/* Sets the source address of a template where it is still to be chosen. False where the interface has none. */
bool sl_outer_source(struct sl_outer *outer, const struct sl_if *out_if);
/*
 * Hands on a finished outer packet, data at its IP header, that leaves by an interface: nested to `peer`, or with peer
 * SL_PEER_NONE to next_hop. Sets out_if, out_peer, next_hop and flags, and enqueues it at FRAGMENT (above mtu, or behind packets
 * that are), ENCAP (nested; counts nesting) or NEIGHBOUR.
 */
void sl_outer_forward(struct sl_worker *w, struct rte_mbuf *m, uint16_t out_if, uint32_t peer, const struct sl_ip *next_hop,
	uint32_t mtu);
