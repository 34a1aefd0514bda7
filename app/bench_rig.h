/*
 * One end of a tunnel for `sluice bench self`: a gateway's dataplane with one worker, in memory. A port inside, a port
 * outside, and a WireGuard interface with any number of peers, each with a live session. Frames go in by
 * sl_worker_receive and come out into `out`. What a packet meets is what it meets in a gateway; only the ports are not
 * there, and the handshakes, whose keys are made up.
 *
 * Two rigs of one run are the two ends: peer i of the sender is peer i of the receiver. Hosts behind the sender are
 * SL_RIG_SOURCE + i, hosts behind the receiver SL_RIG_TARGET + i, and both are an allowed IP of peer i.
 *
 * One thread, after EAL has started. The creator owns the rig, and the frames in `out`.
 */
#pragma once

#include "dataplane/worker.h"

/* L3 interfaces and, for ports, port ids. */
enum { SL_RIG_WAN = 1, SL_RIG_LAN, SL_RIG_WG };

#define SL_RIG_PEERS_MAX 1000000u

/* Addresses, host order. 198.18.0.0/15 is for benchmarks (RFC 2544). */
#define SL_RIG_SOURCE   0x0a000001u /* 10.0.0.1 and on: up to /9 */
#define SL_RIG_TARGET   0x0a800001u /* 10.128.0.1 and on: up to /9 */
#define SL_RIG_SENDER   0xc6120001u /* 198.18.0.1: the sender's outside */
#define SL_RIG_RECEIVER 0xc6120002u /* 198.18.0.2 */
#define SL_RIG_LISTEN   51820

#define SL_RIG_OUTER     (SL_IP4_HDR_MIN + SL_UDP_HDR_LEN + SL_DATA_OVERHEAD) /* before and behind a padded packet */
#define SL_RIG_MTU_ROOM  80 /* between a port's MTU and the WireGuard interface's */

struct sl_bench_rig {
	struct sl_dataplane *dp;
	struct sl_worker *w;
	uint32_t peers;
	bool sender;
	uint16_t mtu;             /* of the WireGuard interface */
	struct sl_session **sessions; /* by peer */
	struct rte_mbuf **out;    /* what the worker sent, in order */
	uint32_t n_out, room;
};

struct sl_bench_rig_config {
	uint32_t peers;
	bool sender;
	enum sl_simd simd;
	uint16_t mtu;
	uint32_t room; /* frames that come out before n_out is set to 0 */
	/* the other end, whose session indices the messages are for; NULL: message to peer i has index i */
	const struct sl_bench_rig *other;
};

/* 0 or a negative errno with nothing left behind. */
int sl_bench_rig_create(struct sl_bench_rig **out, const struct sl_bench_rig_config *cfg);
/* Frees `out`'s frames too. NULL is allowed. */
void sl_bench_rig_destroy(struct sl_bench_rig *rig);

/* Replaces the interfaces by ones of that MTU. 0 or -ENOMEM. */
int sl_bench_rig_set_mtu(struct sl_bench_rig *rig, uint16_t mtu);

/* The key of messages from the sender to peer i: the same in every run, worth nothing. */
void sl_bench_rig_key(uint32_t i, uint8_t key[static SL_KEY_LEN]);

/* The MAC address of a port of either end. */
struct rte_ether_addr sl_bench_rig_mac(bool sender, uint16_t port);

/* The length of a packet of `len` bytes once padded (whitepaper, 5.4.6). */
uint32_t sl_bench_rig_padded(const struct sl_bench_rig *rig, uint32_t len);
