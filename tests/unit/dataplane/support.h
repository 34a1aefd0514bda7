/*
 * What tests of stages and workers stand on: a dataplane with two ports and
 * two WireGuard interfaces, workers on a virtual clock whose transmissions are
 * caught, and builders of packets with right lengths and checksums. A test has
 * one rig at a time; the rig owns everything made through it. Failures inside
 * are Criterion assertions.
 *
 *   WAN  203.0.113.10/24 2001:db8::10/64 fe80::1, a port with a gateway: default routes to 203.0.113.1, 2001:db8::1
 *   LAN  10.20.0.1/16 fd00:20::1/64
 *   WG0  10.64.0.1/16 fd00:64::1/64, listen port 51820
 *   WG1  10.65.0.1/16 fd00:65::1/64, listen port 51821
 */
#pragma once

#include "dataplane/ip.h"
#include "dataplane/worker.h"

enum { RIG_WAN = 1, RIG_LAN = 2, RIG_WG0 = 3, RIG_WG1 = 4, RIG_IFS };

#define RIG_WG0_PORT 51820
#define RIG_WG1_PORT 51821
#define RIG_MTU      1500
#define RIG_WG_MTU   1420
#define RIG_SENT_MAX 4096
#define RIG_START_NS (1000 * SL_NSEC_PER_SEC)
#define RIG_PACKET   9216 /* room for a built packet */

struct rig_sent {
	uint16_t worker;
	uint16_t port; /* DPDK port: RIG_WAN or RIG_LAN */
	struct rte_mbuf *m;
};

struct rig {
	struct sl_dataplane *dp;
	struct sl_worker *w; /* the first */
	uint64_t now;
	struct sl_if ifs[RIG_IFS]; /* as published; change and call rig_publish_if */
	struct rig_sent sent[RIG_SENT_MAX];
	unsigned n_sent;
	uint16_t tx_refuse; /* ports take this many packets less than offered */
	uint32_t mbufs_before;
	struct rig_tx *tx; /* per worker */
};

/* --- the rig --- */

/* EAL without hugepages, devices or files; once per process. */
void rig_eal(void);
struct rig *rig_create(uint16_t workers);
/* Frees what was sent and all else; checks that every mbuf came back. */
void rig_destroy(struct rig *r);
void rig_publish_if(struct rig *r, uint16_t id);

/* Makes slot a live, watched peer of wg_if. endpoint "addr:port" or NULL; local: our address it was last seen at, or NULL. */
void rig_peer(struct rig *r, uint32_t slot, uint16_t wg_if, const char *endpoint, const char *local);
/* Allowed IP of a peer: cryptokey table and route table (length 0: allowed default). */
void rig_allow(struct rig *r, uint32_t slot, const char *prefix);
void rig_route(struct rig *r, const char *prefix, uint32_t value);
/* A usable neighbour with MAC address 02:aa:00:00:00:`last`. */
void rig_neighbour(struct rig *r, uint16_t out_if, const char *ip, uint8_t last);

struct rig_session {
	uint32_t slot;
	uint32_t index;        /* ours: receiver of messages to us */
	uint32_t remote_index; /* theirs */
	uint8_t send[SL_KEY_LEN], recv[SL_KEY_LEN]; /* our sending and receiving key */
	struct sl_session *s;
};

/* A live session of a peer, created now; current: the one it sends on. Keys differ per slot. */
struct rig_session rig_session(struct rig *r, uint32_t peer, bool initiator, bool current);

/* Pass of worker `worker` at r->now. */
void rig_run(struct rig *r, uint16_t worker);
void rig_receive(struct rig *r, uint16_t worker, uint16_t in_if, struct rte_mbuf *m);
/* Frees what was caught so far. */
void rig_forget_sent(struct rig *r);
/* Control's share of housekeeping: frees what no worker holds. */
void rig_reclaim(struct rig *r);

/* --- a stage by itself --- */

/* Runs one stage function on packets as if they came from the stage before. */
void rig_stage(struct rig *r, sl_stage_fn fn, struct rte_mbuf **pkts, unsigned n);
/* Takes the packet in front of a stage's vector, or NULL. */
struct rte_mbuf *rig_take(struct rig *r, enum sl_stage stage);
unsigned rig_waiting(const struct rig *r, enum sl_stage stage);
uint64_t rig_drops(const struct rig *r, enum sl_drop reason);
uint64_t rig_all_drops(const struct rig *r);
/*
 * Where the one packet that a stage was given went: its next stage, or RIG_DROPPED(reason). It is freed, or handed over
 * in *taken (NULL after a drop) where taken is not NULL; drop counters are zero again. Anything else fails the test.
 */
#define RIG_DROPPED(reason) (SL_STAGE_COUNT + SL_DROP_##reason)
unsigned rig_exit(struct rig *r, struct rte_mbuf **taken);
/* "ip-input", or "dropped: bad-tag". */
const char *rig_exit_name(unsigned exit);
/* Takes from a ring to control, or NULL. */
struct rte_mbuf *rig_take_ring(struct rte_ring *ring);

/*
 * received + generated + from_control = transmitted + drops + delivered + to_control + merged + queued, for every worker.
 * stray: packets put into stages by hand, not counted as received.
 */
void rig_check_conservation(const struct rig *r, uint64_t stray);

/* --- packets --- */

struct rig_flow {
	const char *src, *dst;
	uint16_t sport, dport;
	uint8_t proto; /* 0: UDP */
	uint8_t tos;
	uint8_t ttl;   /* 0: 64 */
	bool df;
	bool no_udp_sum;
	uint16_t id;
};

struct sl_ip rig_ip(const char *text);
/* Each writes to `out` (RIG_PACKET bytes) and returns the length. */
size_t rig_udp(uint8_t *out, const struct rig_flow *flow, const void *payload, size_t len);
/* IP header of any protocol with len bytes behind it. */
size_t rig_ip_packet(uint8_t *out, const struct rig_flow *flow, const void *payload, size_t len);
/* Ethernet header before a packet: dst NULL for the MAC of interface in_if. */
size_t rig_ether(const struct rig *r, uint8_t *out, uint16_t in_if, const struct rte_ether_addr *dst, uint16_t type,
	const void *packet, size_t len);
/* Data message to us: plaintext padded with zeros to `padded` bytes (0: to 16) and sealed for the session. */
size_t rig_data(uint8_t *out, const struct rig_session *s, uint64_t counter, const void *plain, size_t len, size_t padded);
/* Opens a data message from us; the plaintext's length, or -1 where it is not authentic. */
int rig_open(uint8_t *out, const struct rig_session *s, const void *msg, size_t len);
/* Rewrites IP and UDP checksums after a change to a packet without extension headers. */
void rig_fix_checksums(uint8_t *packet);

/* An mbuf with these bytes in segments of at most seg bytes (0: one segment), initialised for in_if. */
struct rte_mbuf *rig_mbuf(struct rig *r, uint16_t in_if, const void *bytes, size_t len, size_t seg);
/* One segment whose last byte is the last before a page that faults when touched. */
struct rte_mbuf *rig_mbuf_guarded(struct rig *r, uint16_t in_if, const void *bytes, size_t len);
/* Data message over UDP from the flow's source: the IP packet as ip-input sees it. Data length as rig_data pads. */
struct rte_mbuf *rig_wireguard(struct rig *r, uint16_t in_if, const struct rig_flow *flow, const struct rig_session *s,
	uint64_t counter, const void *plain, size_t len);
/* Copies a packet's bytes out; returns the length. */
size_t rig_bytes(const struct rte_mbuf *m, uint8_t *out, size_t room);
