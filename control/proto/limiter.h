/*
 * The token bucket of handshakes whose mac2 was right (protocol.md 18): 20 per
 * second and 5 at once for each source, which is an IPv4 address or an IPv6
 * /64. Bounded: at the cap new sources are refused. The cap is above the peers
 * that may come back together after an outage. Memory is touched as far as
 * sources are there, and stays until fini. Control thread alone; one per
 * interface.
 */
#pragma once

#include "crypto/random.h"
#include "dataplane/addr.h"

#define SL_LIMITER_ENTRIES 131072
#define SL_LIMITER_SEED    16 /* bytes */
#define SL_LIMITER_COLLECT 4  /* idle entries that one call takes away at most */

/* Links are places + 1; 0: none. */
struct sl_limiter_entry {
	uint64_t prefix;       /* network bits, zero-extended */
	uint64_t tokens;       /* ns worth of time */
	uint64_t at;           /* ns, when tokens was right */
	uint32_t next;         /* in the bucket or the free list */
	uint32_t bucket;
	uint32_t older, newer; /* by last use */
	uint8_t family;
};

/* All zero is a valid start. */
struct sl_limiter {
	struct sl_limiter_entry *entries; /* SL_LIMITER_ENTRIES */
	uint32_t *buckets;                /* as many; links */
	uint32_t free;                    /* link */
	uint32_t fresh;                   /* entries from here on were never used */
	uint32_t used;
	uint32_t oldest, newest;          /* by last use; links */
	uint8_t seed[SL_LIMITER_SEED];    /* so that strangers cannot aim at one bucket */
};

/* Whether a handshake message of this source may be worked on. False without memory. */
bool sl_limiter_allow(struct sl_limiter *l, const struct sl_ip *src, uint64_t now, const struct sl_rng *rng);
void sl_limiter_fini(struct sl_limiter *l);
