/*
 * Outer WireGuard packets: which way one leaves (a port with its neighbour, or another tunnel), and its IP and UDP
 * headers. Shared by ENCAP, which decides the way of a run of packets, SEAL, which
 * builds the packets, and OUTER_ROUTE, which finishes those that control
 * made. On the worker's thread; paths belong to the worker and live while packets that name them are between ENCAP
 * and SEAL, so within one pass: pointers in them need no RCU of their own.
 */
#pragma once

#include "dataplane/worker.h"

/* Ethernet, IPv6, UDP and the data message's header: what SEAL puts before a plaintext. */
#define SL_SEAL_HEADROOM (RTE_ETHER_HDR_LEN + SL_OUTER_HDR_MAX + (uint16_t)sizeof(struct sl_msg_data))

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

/* One way of one peer's packets. */
struct sl_outer_path {
	struct sl_session *session;
	uint32_t peer;
	uint16_t pad_mtu;        /* inner MTU that padding is clamped to; 0: none */
	uint8_t depth;           /* seals from here to the port */
	bool to_port;
	bool offload;            /* the port can fill in the UDP checksum */
	struct sl_outer_hop hop;
	uint32_t mtu;            /* of hop.out_if; UINT32_MAX: no limit */
	struct rte_ether_hdr ether; /* complete where to_port */
	struct sl_outer outer;      /* source address included */
	uint64_t ip_sum;         /* IPv4 header without length, identification and TOS */
	uint64_t pseudo_sum;     /* pseudo-header without length */
	uint64_t udp_sum;        /* the same and the UDP header without length */
	/* SEAL's, within one burst */
	uint32_t take;           /* packets of the burst */
	uint64_t next, end;      /* counters reserved and not used yet */
	uint64_t bytes;          /* UDP payload */
	bool data;               /* more than keepalives */
};

#define SL_OUTER_RECENT 256 /* a power of two */

struct sl_outer_paths {
	uint32_t n;
	/* Sealed packets for ports are on the longer way over FRAGMENT and NEIGHBOUR: what is sealed later follows them. */
	bool detour;
	uint16_t recent[SL_OUTER_RECENT]; /* peer slot, its low bits → path; a hint */
	struct sl_outer_path path[SL_VECTOR];
};

/* NULL where memory is short. */
struct sl_outer_paths *sl_outer_paths_create(int socket);
void sl_outer_paths_destroy(struct sl_outer_paths *p);

/* Sets the source address of a template where it is still to be chosen. False where the interface has none. */
bool sl_outer_source(struct sl_outer *outer, const struct sl_if *out_if);
/* Computes the sums of a path whose template is complete. */
void sl_outer_sums(struct sl_outer_path *path);

/*
 * Writes the IP and UDP header of a path into `hdr` (outer.len bytes before the data message), for udp_len bytes of
 * UDP header and payload. The payload is complete behind it, unless the port fills in the UDP checksum (offload).
 * ecn: two bits.
 */
void sl_outer_write(const struct sl_outer_path *path, uint8_t *hdr, uint32_t udp_len, uint8_t ecn, uint16_t ip_id,
	bool offload);

/*
 * Hands on a finished outer packet, data at its IP header, that leaves by hop: sets out_if, out_peer, next_hop and flags, and
 * enqueues it at FRAGMENT (above mtu, or behind packets that are), ENCAP (nested; counts nesting) or NEIGHBOUR.
 */
void sl_outer_forward(struct sl_worker *w, struct rte_mbuf *m, const struct sl_outer_hop *hop, uint32_t mtu);
