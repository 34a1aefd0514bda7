#include "app/pool.h"

#include <stdlib.h>
#include <string.h>

#include "control/config_memory.h"

/* A run of taken addresses, both ends included. */
struct range {
	struct sl_ip first, last;
};

struct ranges {
	struct range *list;
	uint32_t n, capacity;
};

bool
sl_pool_prefix(const struct sl_config_interface *ifp, uint32_t i, struct sl_prefix *out)
{
	if (i >= (ifp->n_pool ? ifp->n_pool : ifp->n_addresses))
		return false;
	*out = ifp->n_pool ? ifp->pool[i] : ifp->addresses[i].prefix;
	sl_prefix_mask(out);
	return true;
}

bool
sl_pool_has(const struct sl_config_interface *ifp, uint8_t family)
{
	struct sl_prefix prefix;

	for (uint32_t i = 0; sl_pool_prefix(ifp, i, &prefix); i++)
		if (prefix.addr.family == family && prefix.len < sl_family_bits(family))
			return true;
	return false;
}

/* The last address of a prefix whose host bits are zero. */
static struct sl_ip
last_of(const struct sl_prefix *prefix)
{
	struct sl_ip ip = prefix->addr;

	for (unsigned bit = prefix->len; bit < sl_family_bits(ip.family); bit++)
		ip.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return ip;
}

/* The address after; false after the last there is. */
static bool
step(struct sl_ip *ip)
{
	for (unsigned i = sl_family_bytes(ip->family); i-- > 0;)
		if (++ip->bytes[i] != 0)
			return true;
	return false;
}

static void
take(struct ranges *r, const struct sl_ip *first, const struct sl_ip *last)
{
	r->list = sl_array_grow(r->list, r->n, &r->capacity, sizeof(*r->list));
	r->list[r->n++] = (struct range){*first, *last};
}

static int
by_first(const void *a, const void *b)
{
	return memcmp(&((const struct range *)a)->first, &((const struct range *)b)->first, sizeof(struct sl_ip));
}

/* Whether a, of whatever length, is in the pool's prefix and smaller than it. */
static bool
is_part(const struct sl_prefix *pool, const struct sl_prefix *a)
{
	return a->len > pool->len && sl_prefix_contains(pool, &a->addr);
}

static void
take_parts(struct ranges *r, const struct sl_prefix *pool, const struct sl_prefix *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_ip last = last_of(&list[i]);

		if (is_part(pool, &list[i]))
			take(r, &list[i].addr, &last);
	}
}

/* What is taken of one prefix by the files: its ends, our addresses, and what peers have, also those that are disabled. */
static void
collect(const struct sl_config_interface *ifp, const struct sl_prefix *pool, struct ranges *r)
{
	struct sl_ip end = last_of(pool);

	if (pool->len + 1u < sl_family_bits(pool->addr.family)) {
		/* the network's own address, or the routers' (RFC 4291 section 2.6.1) */
		take(r, &pool->addr, &pool->addr);
		if (pool->addr.family == SL_AF_INET)
			take(r, &end, &end);
	}
	for (uint32_t i = 0; i < ifp->n_addresses; i++)
		if (sl_prefix_contains(pool, &ifp->addresses[i].prefix.addr))
			take(r, &ifp->addresses[i].prefix.addr, &ifp->addresses[i].prefix.addr);
	for (uint32_t i = 0; i < ifp->n_peers; i++)
		take_parts(r, pool, ifp->peers[i].allowed_ips, ifp->peers[i].n_allowed_ips);
}

/* The first address of the prefix in no range. */
static bool
first_free(const struct sl_prefix *pool, const struct ranges *r, struct sl_ip *out)
{
	struct sl_ip end = last_of(pool);

	*out = pool->addr;
	for (uint32_t i = 0; i < r->n; i++) {
		if (memcmp(&r->list[i].first, out, sizeof(*out)) > 0)
			return true;
		if (memcmp(&r->list[i].last, out, sizeof(*out)) < 0)
			continue;
		*out = r->list[i].last;
		if (memcmp(out, &end, sizeof(*out)) >= 0 || !step(out))
			return false;
	}
	return memcmp(out, &end, sizeof(*out)) <= 0;
}

bool
sl_pool_next(const struct sl_config_interface *ifp, uint8_t family, const struct sl_prefix *taken, uint32_t n,
	struct sl_prefix *out)
{
	struct sl_prefix pool;

	for (uint32_t i = 0; sl_pool_prefix(ifp, i, &pool); i++) {
		struct ranges r = {0};
		bool found;

		if (pool.addr.family != family || pool.len == sl_family_bits(family))
			continue;
		collect(ifp, &pool, &r);
		take_parts(&r, &pool, taken, n);
		qsort(r.list, r.n, sizeof(*r.list), by_first);
		found = first_free(&pool, &r, &out->addr);
		sl_array_free(r.list, r.capacity, sizeof(*r.list));
		out->len = (uint8_t)sl_family_bits(family);
		if (found)
			return true;
	}
	return false;
}
