/*
 * What a worker knows of a packet beside its bytes. It lives in the mbuf's
 * private area (pools are made with sl_packet_pool_create), so it costs no
 * allocation and travels with the mbuf through stages and rings. Whoever holds
 * the mbuf owns it. Ports' rx does not clear it: sl_packet_init does.
 *
 * Convention between stages: after the ethernet stage the mbuf's data begins
 * at the L3 header. After outer UDP it begins at the WireGuard message, and
 * the outer headers still stand before it in the same buffer at `outer_off`.
 */
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/addr.h"

struct sl_session;

#define SL_PEER_NONE   UINT32_MAX
#define SL_IF_NONE     UINT16_MAX
#define SL_NESTING_MAX 4

/*
 * Outer headers of one tunnel at most: WireGuard 16 + UDP 8 + IPv6 40. Ports deliver packets with DPDK's fixed
 * RTE_PKTMBUF_HEADROOM; a packet that needs more (nested tunnels) is moved towards the tail of its own buffer
 * (sl_packet_make_headroom), for which every buffer of our pools has SL_HEADROOM spare bytes.
 */
#define SL_HEADROOM_LEVEL 64
#define SL_HEADROOM       (SL_NESTING_MAX * SL_HEADROOM_LEVEL)
/* Tag and padding behind the plaintext. */
#define SL_TAILROOM 32

enum sl_packet_flag {
	SL_PKT_LOCAL = 1 << 0,     /* made by this gateway: no spoofing check, TTL is not decremented */
	SL_PKT_OUTER = 1 << 1,     /* an outer WireGuard packet of interface wg_if: routed as config.md's Routing says */
	SL_PKT_KEEPALIVE = 1 << 2, /* seal an empty plaintext; mbuf data length is 0 */
	SL_PKT_DECAPPED = 1 << 3,  /* came out of a tunnel: in_if is a WireGuard interface, in_peer its sender */
	SL_PKT_FRAGMENT_OK = 1 << 4, /* may be fragmented on the way out (IPv4 without DF, outer packets) */
	SL_PKT_REASSEMBLED = 1 << 5,
	SL_PKT_UDP_CSUM = 1 << 6,  /* outer UDP checksum still to be filled in by software or the port */
	SL_PKT_ICMP_ERROR = 1 << 7, /* is itself an ICMP error made here */
};

/* Why a packet goes to the control core (class 2 of design.md). */
enum sl_punt {
	SL_PUNT_ARP,   /* data at the ARP header */
	SL_PUNT_LOCAL, /* data at the IP header; for one of our addresses or a joined multicast group (ND, ICMP echo, …) */
	SL_PUNT_TRAFFIC, /* likewise, a control message of `sluice bench` (dataplane/traffic.h) */
};

struct sl_packet {
	/* What every packet begins with: sl_packet_init. A cache line. */
	uint16_t in_if;    /* L3 interface it came in on; SL_IF_NONE where made here */
	uint16_t out_if;   /* L3 interface it leaves by, once routed */
	uint32_t in_peer;  /* sender, once authenticated; else SL_PEER_NONE */
	uint32_t out_peer; /* peer it is sealed for; else SL_PEER_NONE */
	uint16_t wg_if;    /* the WireGuard interface of an outer packet, in either direction */
	uint16_t outer_off; /* from buf_addr to the outer L3 header of a received WireGuard message */
	uint8_t flags;     /* enum sl_packet_flag */
	uint8_t nesting;   /* tunnels entered or left so far */
	uint8_t punt;      /* enum sl_punt, on the way to control */
	uint8_t icmp_type; /* ICMP error to be made of it, in its own family's numbers; icmp_code, icmp_mtu go with it */
	uint8_t icmp_code;
	uint8_t drop;     /* enum sl_drop: why it is dropped once the ICMP error is made */
	uint8_t sealed;   /* 1: holds a reserved counter of a session, so it never waits */
	uint8_t resolved; /* 1: next_mac is known */
	uint32_t icmp_mtu;
	union {
		uint16_t udp_sum;   /* until it is opened: of the pseudo-header, where the outer UDP checksum is still to be checked */
		uint16_t inner_len; /* afterwards, of a plaintext judged before decap: without padding */
	};
	uint8_t verdict;            /* enum sl_inner_verdict of such a plaintext */
	struct rte_ether_addr next_mac;
	uint64_t counter;           /* of the data message */
	struct sl_session *session; /* while being opened or sealed; valid within one pass (RCU) */
	uint64_t staged_at;         /* ns, worker clock: when it first began to wait; 0: never */
	/* Written before they are read, so not initialised. */
	alignas(64) struct sl_ip next_hop; /* neighbour to resolve on out_if */
	uint32_t queue;             /* while staged: the queue it is in */
	struct rte_mbuf *link;      /* list of staged packets of one queue */
	struct rte_mbuf *older, *newer; /* all staged packets of a worker in order of age */
};

#define SL_PACKET_FRESH 64 /* bytes that sl_packet_init writes */

static_assert(offsetof(struct sl_packet, next_hop) == SL_PACKET_FRESH, "a packet begins with one line");
static_assert(sizeof(struct sl_packet) <= 128, "two cache lines at most");
#define SL_PACKET_PRIV 128

/* A packet that nothing is known of. */
extern const struct sl_packet sl_packet_fresh;

static inline struct sl_packet *
sl_packet(struct rte_mbuf *m)
{
	return (struct sl_packet *)rte_mbuf_to_priv(m);
}

static inline void
sl_packet_init(struct rte_mbuf *m, uint16_t in_if)
{
	struct sl_packet *p = sl_packet(m);

	memcpy(p, &sl_packet_fresh, SL_PACKET_FRESH);
	p->in_if = in_if;
}

/*
 * A pool of n mbufs with room for sl_packet, and for frame_len bytes beside SL_HEADROOM and SL_TAILROOM.
 * name: unique within the process. Returns NULL with rte_errno set.
 */
struct rte_mempool *sl_packet_pool_create(const char *name, unsigned n, unsigned cache, uint16_t frame_len, int socket);

/*
 * Gives m at least `need` bytes of headroom, moving its (contiguous) data towards the tail of its buffer where it
 * must. False where the buffer has no such room: the caller drops it under SL_DROP_NO_HEADROOM. `outer_off` is
 * void afterwards.
 */
bool sl_packet_make_headroom(struct rte_mbuf *m, uint16_t need);

/*
 * Makes m one contiguous segment, in place where its first buffer has room, else by a copy into `jumbo`.
 * Returns the packet to go on with (m is then freed), or NULL with m untouched where neither is possible.
 */
struct rte_mbuf *sl_packet_linearize(struct rte_mbuf *m, struct rte_mempool *jumbo);
