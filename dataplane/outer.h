/*
 * Outer WireGuard packets: which way one leaves (a port with its neighbour, or another tunnel), and its IP and UDP
 * headers. Shared by ENCAP, which decides the way of a run of packets, SEAL, which
 * builds the packets, and OUTER_ROUTE, which finishes those that control
 * made. On the worker's thread; paths belong to the worker. Packets between ENCAP and SEAL, so within one pass, name theirs
 * by out_peer. A path has no pointers but that to its session, which is compared before it is followed in another pass.
 */
#pragma once

#include <stdalign.h>

#include "dataplane/ip.h"
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

/* Ethernet, IPv6, UDP and the data message's header: the most SEAL puts before a plaintext. */
#define SL_OUTER_HEADERS (RTE_ETHER_HDR_LEN + SL_OUTER_HDR_MAX + (uint16_t)sizeof(struct sl_msg_data))

/*
 * The way of one peer's packets from this worker: all that SEAL needs. ENCAP finds it and keeps it: a way to a port stays good
 * over passes, until something that it was made of has changed.
 */
struct sl_outer_path {
	/* What it was made of. */
	alignas(64) uint64_t generation; /* of the tables; 0: good for one pass */
	struct sl_session *session;
	uint64_t judge_at;       /* ns: from here on it is to be found anew */
	uint32_t live;           /* the session's */
	uint32_t endpoint_seq;   /* the peer's */
	/* The way. */
	uint32_t mtu;            /* of the interface it leaves by; UINT32_MAX: no limit */
	uint16_t pad_mtu;        /* inner MTU that padding is clamped to; 0: none */
	uint16_t out_if;
	uint8_t outer_len;       /* IP and UDP header */
	bool v4;
	bool to_port : 1;
	bool offload : 1;        /* the port can fill in the UDP checksum */
	uint8_t depth;           /* seals from here to the port */
	/* SEAL's, within one burst: packets, and the place of their counters */
	uint16_t take;
	uint16_t turn;
	uint32_t ip_sum;         /* IPv4 header without length, identification and TOS */
	uint32_t pseudo_sum;     /* pseudo-header without length */
	uint32_t udp_sum;        /* the same and the UDP header without length */
	uint32_t pass;           /* of the worker in which it was found last */
	/* Ethernet, IP and UDP header and that of the data message, one behind the other; IPv4's end in the second line. */
	uint8_t headers[SL_OUTER_HEADERS];
	/* For those that do not go to a port directly. */
	uint32_t next_peer;      /* nested: whom it is sealed for; else SL_PEER_NONE */
	struct sl_ip next_hop;
};

static_assert(offsetof(struct sl_outer_path, headers) == 64, "what decides in one line");
static_assert(sizeof(struct sl_outer_path) == 192, "three lines, of which IPv4 to a port needs two");

struct sl_outer_paths {
	/* Sealed packets for ports are on the longer way over FRAGMENT and NEIGHBOUR: what is sealed later follows them. */
	bool detour;
	uint32_t pass;       /* counts calls of ENCAP's first pass: see sl_outer_paths_begin */
	uint64_t generation; /* of the tables, read when the pass began */
	uint32_t capacity;   /* peer slots */
	struct sl_outer_path *path; /* by peer slot: address space, touched when used */
};

/* NULL where memory is short. */
struct sl_outer_paths *sl_outer_paths_create(uint32_t capacity, int socket);
void sl_outer_paths_destroy(struct sl_outer_paths *p);

/* A pass of the worker begins. */
static inline void
sl_outer_paths_begin(struct sl_outer_paths *p, const struct sl_dataplane *dp)
{
	p->pass++;
	p->generation = sl_dataplane_generation(dp);
}

/* Sets the source address of a template where it is still to be chosen. False where the interface has none. */
bool sl_outer_source(struct sl_outer *outer, const struct sl_if *out_if);
/* Makes the headers and the sums of a path from a template whose source is set; of its session's remote index, too. */
void sl_outer_prepare(struct sl_outer_path *path, const struct sl_outer *outer, const struct rte_ether_hdr *ether);

/*
 * Writes the headers of a path before `data`, the plaintext of a message with that counter, all but the UDP checksum. udp_len:
 * bytes of UDP header and payload; ecn: two bits; ip_id: IPv4's identification.
 */
static inline void
sl_outer_write(const struct sl_outer_path *path, uint8_t *data, uint64_t counter, uint32_t udp_len, uint8_t ecn, uint16_t ip_id)
{
	uint16_t len = rte_cpu_to_be_16((uint16_t)udp_len);
	uint8_t *udp = data - sizeof(struct sl_msg_data) - SL_UDP_HDR_LEN;

	if (likely(path->v4)) {
		uint16_t total = rte_cpu_to_be_16((uint16_t)(udp_len + SL_IP4_HDR_MIN));
		uint16_t id = rte_cpu_to_be_16(ip_id), tos = rte_cpu_to_be_16(ecn);
		uint16_t checksum = sl_csum_fold((uint64_t)path->ip_sum + total + id + tos);
		uint8_t *ip = udp - SL_IP4_HDR_MIN;

		memcpy(ip - RTE_ETHER_HDR_LEN, path->headers,
			RTE_ETHER_HDR_LEN + SL_IP4_HDR_MIN + SL_UDP_HDR_LEN + sizeof(struct sl_msg_data));
		ip[1] = ecn;
		memcpy(ip + 2, &total, sizeof(total));
		memcpy(ip + 4, &id, sizeof(id));
		memcpy(ip + 10, &checksum, sizeof(checksum));
	} else {
		uint8_t *ip = udp - SL_IP6_HDR_LEN;

		memcpy(ip - RTE_ETHER_HDR_LEN, path->headers, sizeof(path->headers));
		ip[1] = (uint8_t)(ecn << 4);
		memcpy(ip + 4, &len, sizeof(len));
	}
	memcpy(udp + 4, &len, sizeof(len));
	counter = rte_cpu_to_le_64(counter);
	memcpy(data - sizeof(counter), &counter, sizeof(counter));
}

/* Fills in the UDP checksum behind which udp_len - 8 bytes of payload are complete, or what the port wants in its place. */
static inline void
sl_outer_checksum(const struct sl_outer_path *path, uint8_t *udp, uint32_t udp_len, bool offload)
{
	uint16_t len = rte_cpu_to_be_16((uint16_t)udp_len), checksum;

	if (offload) {
		/* The port wants the sum of the pseudo-header, not complemented, in the field. */
		checksum = (uint16_t)~sl_csum_fold((uint64_t)path->pseudo_sum + len);
	} else {
		/* The length counts twice: in the pseudo-header and in the header. */
		uint64_t sum = path->udp_sum + 2u * (uint64_t)len;

		sum = sl_csum_add(sum, udp + SL_UDP_HDR_LEN, udp_len - SL_UDP_HDR_LEN);
		checksum = sl_csum_fold(sum);
		if (checksum == 0)
			checksum = UINT16_MAX;
	}
	memcpy(udp + 6, &checksum, sizeof(checksum));
}

/*
 * Hands on a finished outer packet, data at its IP header, that leaves by an interface: nested to `peer`, or with peer
 * SL_PEER_NONE to next_hop. Sets out_if, out_peer, next_hop and flags, and enqueues it at FRAGMENT (above mtu, or behind packets
 * that are), ENCAP (nested; counts nesting) or NEIGHBOUR.
 */
void sl_outer_forward(struct sl_worker *w, struct rte_mbuf *m, uint16_t out_if, uint32_t peer, const struct sl_ip *next_hop,
	uint32_t mtu);
