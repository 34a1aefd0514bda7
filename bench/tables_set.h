/*
 * Sets of prefixes for the table benchmark, the same in every run. The caller
 * owns a set and frees it with bench_set_free.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/addr.h"

enum bench_shape {
	BENCH_IPV4_MIXED,     /* /16../32, most of them /24, over the unicast space */
	BENCH_IPV4_HOSTS,     /* /32, one behind another from 10.0.0.0 */
	BENCH_IPV4_SCATTERED, /* /32 anywhere */
	BENCH_IPV6_MIXED,     /* /29../64, most of them /64 */
	BENCH_IPV6_HOSTS,     /* /128, random ones under eight /64 */
	BENCH_IPV6_SCATTERED, /* /128 anywhere in fd00::/8 */
	BENCH_SHAPES
};

struct bench_set {
	const char *name;
	unsigned n;
	struct sl_prefix *prefixes; /* all different, host bits 0 */
};

/* False where memory is short. */
bool bench_set_make(struct bench_set *set, enum bench_shape shape, unsigned n);
void bench_set_free(struct bench_set *set);

/* Random addresses inside random prefixes. */
void bench_set_queries(const struct bench_set *set, struct sl_ip *out, unsigned n);

/* IPv4: the number of /24 in which a longer prefix lies (DIR24_8 needs a block for each). */
uint32_t bench_set_long_blocks(const struct bench_set *set);

/* SplitMix64. */
uint64_t bench_random(uint64_t *state);
