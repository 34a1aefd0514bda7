#include "dataplane/route.h"

#include <assert.h>

#include <rte_branch_prediction.h>

#define BURST_MAX 64

static inline uint32_t
allowed_default(const struct sl_route_table *rt, uint8_t family)
{
	return atomic_load_explicit(&rt->allowed_default[family == SL_AF_INET6], memory_order_acquire);
}

void
sl_route_lookup_keys(const struct sl_route_table *rt, struct sl_lpm_key *keys, uint32_t *values, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		keys[i].table = rt->lpm;
	sl_lpm_lookup_burst(keys, values, n);
	for (unsigned i = 0; i < n; i++)
		if (unlikely(values[i] == 0) && keys[i].family != SL_AF_NONE)
			values[i] = allowed_default(rt, keys[i].family);
}

void
sl_route_lookup4_burst(const struct sl_route_table *rt, const uint32_t *dst, uint32_t *values, unsigned n)
{
	sl_lpm_lookup4_burst(rt->lpm, allowed_default(rt, SL_AF_INET), dst, values, n);
}

void
sl_route_lookup_burst(const struct sl_route_table *rt, const struct sl_ip *const *dst, uint32_t *values, unsigned n)
{
	struct sl_lpm_key keys[BURST_MAX];

	for (unsigned done = 0; done < n; done += BURST_MAX) {
		unsigned part = n - done < BURST_MAX ? n - done : BURST_MAX;

		for (unsigned i = 0; i < part; i++)
			keys[i] = (struct sl_lpm_key){.addr = dst[done + i]->bytes, .family = dst[done + i]->family};
		sl_route_lookup_keys(rt, keys, values + done, part);
	}
}

uint32_t
sl_route_lookup(const struct sl_route_table *rt, const struct sl_ip *dst)
{
	uint32_t value = sl_lpm_lookup(rt->lpm, dst);

	if (value == 0 && dst->family != SL_AF_NONE)
		value = allowed_default(rt, dst->family);
	return value;
}

/* Whether a route leads into WireGuard interface `own`. */
static bool
leads_into(const struct sl_route_table *rt, const struct sl_peers *peers, uint32_t value, uint16_t own)
{
	uint32_t id = SL_ROUTE_ID(value);

	switch (SL_ROUTE_KIND(value)) {
	case SL_ROUTE_PEER:
		return id < peers->capacity && peers->slots[id].wg_if == own;
	case SL_ROUTE_IF:
		return id == own;
	case SL_ROUTE_VIA:
		return id < SL_NEXT_HOPS && rt->next_hops[id].out_if == own;
	case SL_ROUTE_NONE:
		break;
	}
	return false;
}

/* The longest route that does not lead into `own`, from the longest one down. */
static uint32_t
lookup_past(const struct sl_route_table *rt, const struct sl_peers *peers, const struct sl_ip *dst, uint16_t own)
{
	unsigned max_len = sl_family_bits(dst->family);
	uint32_t value;
	uint8_t len;

	for (;;) {
		value = sl_lpm_lookup_shorter(rt->lpm, dst, max_len, &len);
		if (value == 0 || !leads_into(rt, peers, value, own))
			return value;
		if (len == 0)
			return 0;
		max_len = len - 1u;
	}
}

uint32_t
sl_route_lookup_outer(
	const struct sl_route_table *rt, const struct sl_peers *peers, const struct sl_ip *dst, uint16_t own)
{
	uint32_t value = sl_lpm_lookup(rt->lpm, dst);

	if (unlikely(value != 0 && leads_into(rt, peers, value, own)))
		return lookup_past(rt, peers, dst, own);
	return value;
}

void
sl_route_lookup_outer_burst(const struct sl_route_table *rt, const struct sl_peers *peers,
	const struct sl_ip *const *dst, const uint16_t *own, uint32_t *values, unsigned n)
{
	struct sl_lpm_key keys[BURST_MAX];

	assert(n <= BURST_MAX);
	if (n == 0)
		return;
	for (unsigned i = 0; i < n; i++)
		keys[i] = (struct sl_lpm_key){rt->lpm, dst[i]->bytes, dst[i]->family};
	sl_lpm_lookup_burst(keys, values, n);
	for (unsigned i = 0; i < n; i++)
		if (unlikely(values[i] != 0 && leads_into(rt, peers, values[i], own[i])))
			values[i] = lookup_past(rt, peers, dst[i], own[i]);
}
