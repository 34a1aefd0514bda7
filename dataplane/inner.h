/*
 * What a decrypted packet must be to go on: a whole IP packet with a source
 * that is its sender's (protocol.md 40, from the empty plaintext on). No
 * counters and no mbufs: the decap stage asks here for packets of its own, and
 * a worker that opens messages for another one before their replay check.
 * Pure functions on the caller's memory, within a pass of the calling worker
 * (RCU: the interface and its cryptokey table).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane.h"
#include "dataplane/ip.h"

enum sl_inner_verdict {
	SL_INNER_UNSEEN = 0,
	SL_INNER_OK,
	SL_INNER_OK_UNMARKED, /* the same, but a mark of congestion got lost: the inner packet does not understand any */
	SL_INNER_KEEPALIVE,
	SL_INNER_DROP, /* SL_INNER_DROP + enum sl_drop: why not */
};

struct sl_inner {
	uint8_t *data;    /* the plaintext */
	uint32_t peer;    /* slot of the sender */
	uint16_t len;     /* of the plaintext, padding included */
	uint16_t wg_if;   /* interface the message came for */
	bool congested;   /* the outer header was marked */
	uint8_t verdict;  /* in: UNSEEN, or the packet is left alone; out: enum sl_inner_verdict */
	uint16_t total;   /* out, where it may go on: length without padding */
};

/* Judges n ≤ SL_BURST plaintexts, and takes over the outer header's mark of congestion (RFC 6040, protocol.md 39). */
void sl_inner_check(const struct sl_dataplane *dp, struct sl_inner *in, unsigned n);

/* Whether an outer header says that there is congestion. */
static inline bool
sl_inner_congested(const uint8_t *outer)
{
	uint8_t tos = outer[0] >> 4 == 4 ? outer[1] : (uint8_t)(outer[1] >> 4);

	return (tos & SL_IP_ECN_MASK) == SL_IP_ECN_CE;
}
