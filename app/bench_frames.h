/*
 * The packets that `sluice bench self` sends through its tunnel, and what is to come out. Packet number n is the same in
 * every run: UDP over IPv4 from a host behind the sender to one behind the receiver, of peer n mod peers, whose payload
 * begins with n and goes on with a fixed pattern. So a packet that comes out is compared whole.
 *
 * One thread; no frame is kept.
 */
#pragma once

#include "app/bench_rig.h"

#define SL_FRAMES_MIN 36   /* IPv4, UDP and the number */
#define SL_FRAMES_MAX 8900

#define SL_IMIX 0 /* instead of a size: 64, 570 and 1420 bytes, 7 : 4 : 1 */

/* The size of packet n. */
uint32_t sl_frames_len(uint32_t size, uint64_t n);
/* The mean of sizes, and the largest. */
double sl_frames_mean(uint32_t size);
uint32_t sl_frames_largest(uint32_t size);

/* Packet n in the clear, as it comes in from the LAN of the sender. m is empty and has room. */
void sl_frames_clear(const struct sl_bench_rig *sender, struct rte_mbuf *m, uint64_t n, uint32_t len);

/*
 * The same sealed, as it comes in from outside at the receiver: Ethernet, IPv4, UDP with checksum, data message. `counter`
 * is the message's. Slow: for where the sender is not what is measured.
 */
void sl_frames_sealed(
	const struct sl_bench_rig *receiver, struct rte_mbuf *m, uint64_t n, uint64_t counter, uint32_t len);

/* Whether m is packet n as it leaves by the LAN of the receiver after `hops` gateways. */
bool sl_frames_right(const struct rte_mbuf *m, uint32_t peers, uint64_t n, uint32_t len, unsigned hops);

/* Whether m is packet n sealed, as it leaves the sender, whose messages to peer i have index i. */
bool sl_frames_sealed_right(const struct sl_bench_rig *sender, const struct rte_mbuf *m, uint64_t n, uint32_t len);
