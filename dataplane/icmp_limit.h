/*
 * How many ICMP errors a worker sends: a token bucket per source and one over
 * all, on the worker's clock. Sources share a fixed array of buckets under a
 * seeded hash (IPv6 by /64, since a host owns one), so a flood of sources
 * costs no memory; two sources in one bucket share its tokens. One per worker,
 * used by that worker alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/addr.h"

#define SL_ICMP_LIMIT_BUCKETS       1024 /* a power of two */
#define SL_ICMP_LIMIT_SOURCE_RATE   10   /* errors per second to one source */
#define SL_ICMP_LIMIT_SOURCE_BURST  10
#define SL_ICMP_LIMIT_GLOBAL_RATE   1000 /* errors per second of one worker */
#define SL_ICMP_LIMIT_GLOBAL_BURST  100

struct sl_icmp_limit;

/* seed: of the hash, unpredictable. NULL where memory is short. */
struct sl_icmp_limit *sl_icmp_limit_create(uint64_t seed, int socket);
void sl_icmp_limit_destroy(struct sl_icmp_limit *l);

/* Whether an error may be sent to `to` at `now` ns; takes a token from both buckets, or from none. */
bool sl_icmp_limit_allow(struct sl_icmp_limit *l, const struct sl_ip *to, uint64_t now);
