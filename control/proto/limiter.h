/*
 * The token bucket of handshakes whose mac2 was right (protocol.md 18): 20 per
 * second and 5 at once for each source, which is an IPv4 address or an IPv6
 * /64. Bounded: at the cap new sources are refused. Memory comes with the
 * first source and stays until fini. Control thread alone; one per interface.
 */
#pragma once

#include "crypto/random.h"
#include "dataplane/addr.h"

#define SL_LIMITER_ENTRIES 8192
#define SL_LIMITER_SEED    16 /* bytes */

struct sl_limiter_entry {
	uint64_t prefix;   /* network bits, zero-extended */
	uint64_t tokens;   /* ns worth of time */
	uint64_t at;       /* ns, when tokens was right */
	uint32_t next;     /* in the bucket or the free list, + 1; 0: none */
	uint8_t family;    /* SL_AF_NONE: free */
};

/* All zero is a valid start. */
struct sl_limiter {
	struct sl_limiter_entry *entries; /* SL_LIMITER_ENTRIES */
	uint32_t *buckets;                /* as many; entry + 1 */
	uint32_t free;                    /* entry + 1 */
	uint32_t used;
	uint64_t collected_at;            /* ns */
	uint8_t seed[SL_LIMITER_SEED];    /* so that strangers cannot aim at one bucket */
};

/* Whether a handshake message of this source may be worked on. False without memory. */
bool sl_limiter_allow(struct sl_limiter *l, const struct sl_ip *src, uint64_t now, const struct sl_rng *rng);
void sl_limiter_fini(struct sl_limiter *l);
