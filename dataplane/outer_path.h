/*
 * The way of a peer's sealed packets from one worker to where they leave: a record for each peer, which says whether the way is
 * still good and where it ends, and links, which hold what the ways over the same neighbour have in common. Links stay in
 * the near caches, and all that a packet over IPv4 needs of a record lies in one line with the counters that it needs
 * (struct sl_peer_sending, peer.h).
 *
 * All of it belongs to one worker and is used on its thread.
 */
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>

#include <rte_ether.h>

#include "dataplane/addr.h"
#include "dataplane/sender.h"

struct sl_peer_sending;
struct sl_peer_receiving;
struct sl_outer;

/* An outer IP header without the destination: IPv4's fixed part, and IPv6's. */
#define SL_OUTER_IP4_BEFORE_DST 16
#define SL_OUTER_IP6_BEFORE_DST 24

/* What ways have in common. Compared byte by byte, so made with sl_outer_link_init, which leaves no byte undefined. */
struct sl_outer_link {
	alignas(64) uint32_t mtu; /* of the interface it leaves by; UINT32_MAX: no limit */
	uint16_t pad_mtu;         /* inner MTU that padding is clamped to; 0: none */
	uint16_t out_if;
	uint8_t outer_len;        /* IP and UDP header */
	bool v4;
	bool to_port;
	bool offload;             /* the port can fill in the UDP checksum */
	uint8_t depth;            /* seals from here to the port */
	uint16_t port;            /* UDP source port, network order */
	uint32_t ip_sum;          /* IPv4 header without destination, length, identification and TOS */
	uint32_t pseudo_sum;      /* pseudo-header without destination and length */
	uint8_t ether[RTE_ETHER_HDR_LEN];
	uint8_t ip[SL_OUTER_IP6_BEFORE_DST];
	/* For ways that do not go to a port directly, and for packets that take the longer way to it. */
	uint32_t next_peer;       /* nested: whom it is sealed for; else SL_PEER_NONE */
	struct sl_ip next_hop;
};

static_assert(sizeof(struct sl_outer_link) == 128, "two lines");

/* Links that peers share, and the name of a link that is a peer's own, because its place among the others is taken. */
#define SL_OUTER_LINKS    256
#define SL_OUTER_LINK_OWN UINT16_MAX

/* Times that a path keeps, 2^27 ns (134 ms) each: so they fit, and do not come round within 18 years of uptime. */
#define SL_PATH_TICK_SHIFT 27

static inline uint32_t
sl_path_tick(uint64_t ns)
{
	return (uint32_t)(ns >> SL_PATH_TICK_SHIFT);
}

/* The way of one peer's packets. ENCAP finds it and keeps it: a way to a port stays good over passes, until something that it
 * was made of has changed. */
struct sl_outer_path {
	/* What it was made of. */
	uint32_t epoch;        /* of the tables; 0: good for one pass */
	uint32_t judge_at;     /* sl_path_tick: from here on it is to be found anew */
	uint32_t session;      /* its id: while the peer's `current` is that, the sending half is where `sender` says */
	uint32_t endpoint_seq; /* the peer's */
	/* The way. */
	uint32_t receiver;     /* index, host order */
	uint16_t port;         /* UDP destination port, network order */
	uint16_t link;         /* place among the links, or SL_OUTER_LINK_OWN */
	uint8_t sender;        /* which of the peer's places has the sending half; SL_PEER_SENDERS: the session's own */
	/* SEAL's, within one burst: packets, and the place of their counters */
	uint8_t take;
	uint8_t turn;
	alignas(4) uint8_t dst[4]; /* address: IPv4's, or the beginning of IPv6's */
};

static_assert(sizeof(struct sl_outer_path) == 32, "half a line");

/* What of it is not needed for each packet over IPv4. */
struct sl_outer_path_rest {
	uint8_t dst[12]; /* the rest of IPv6's address */
	uint32_t pass;   /* of the worker in which it was found last */
};

struct sl_outer_paths {
	/* Sealed packets for ports are on the longer way over FRAGMENT and NEIGHBOUR: what is sealed later follows them. */
	bool detour;
	uint32_t pass;       /* counts calls of ENCAP's first pass: see sl_outer_paths_begin */
	uint32_t epoch;      /* counts the generations of the tables that passes began with; never 0 */
	uint64_t generation; /* of the tables, read when the pass began */
	/* By peer slot: the worker's, owned by struct sl_peers. */
	struct sl_peer_sending *sending;
	struct sl_peer_receiving *receiving;
	struct sl_outer_link *own;    /* by peer slot: address space, touched when used */
	uint32_t capacity;            /* peer slots */
	bool used[SL_OUTER_LINKS];    /* of links: by ways of this epoch */
	struct sl_outer_link links[SL_OUTER_LINKS];
};

/* sending, receiving: the worker's of `capacity` peers, borrowed. NULL where memory is short. */
struct sl_outer_paths *sl_outer_paths_create(
	struct sl_peer_sending *sending, struct sl_peer_receiving *receiving, uint32_t capacity, int socket);
void sl_outer_paths_destroy(struct sl_outer_paths *p);

/*
 * A pass of the worker begins; generation: of the tables. Where it is a new one no way of an earlier pass is good any more,
 * so that all links are free.
 */
static inline void
sl_outer_paths_begin(struct sl_outer_paths *p, uint64_t generation)
{
	p->pass++;
	if (p->generation == generation)
		return;
	p->generation = generation;
	if (++p->epoch == 0)
		p->epoch = 1;
	memset(p->used, 0, sizeof(p->used));
}

/* The headers and sums of a link, all else zero, of a template whose source is set. */
void sl_outer_link_init(struct sl_outer_link *link, const struct sl_outer *outer, const struct rte_ether_hdr *ether);
/*
 * Sets the peer's link to one like `link`: a shared one, or its own where another kind has that place. Returns it. Ways of
 * this epoch keep theirs.
 */
const struct sl_outer_link *sl_outer_link_set(struct sl_outer_paths *p, uint32_t peer, const struct sl_outer_link *link);
/* The destination of a path, that of the template, and the receiver index of its session, host order. */
void sl_outer_path_aim(
	struct sl_outer_path *path, struct sl_outer_path_rest *rest, const struct sl_outer *outer, uint32_t receiver);
