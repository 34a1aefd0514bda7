#include "dataplane/localaddr.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define MAX_ENTRIES 65536u
#define FILTER_MIN  512u /* bits: a cache line */
#define FILTER_LOAD 16u  /* bits per entry: one miss in 16 goes on to the table */

/*
 * Entries of one address stand behind one another in `entries`; a table of hashed places names the first of them.
 * places: index + 1 into entries, 0: empty; linear probing, at most half full.
 */
struct sl_localaddr {
	struct sl_localaddr_filter filter; /* the first member: sl_localaddr_may_have sees no more */
	uint32_t place_mask;
	uint32_t n;
	const uint32_t *places;
	const struct sl_localaddr_entry *entries;
	struct sl_reclaim_node node;
	uint64_t memory[]; /* filter, places, entries */
};

static_assert(offsetof(struct sl_localaddr, filter) == 0, "what sl_localaddr_may_have sees");

static inline uint32_t hash6(const void *addr)
{
	uint64_t a[2];

	memcpy(a, addr, sizeof(a));
	return sl_localaddr_hash(a[0], a[1]);
}

static uint32_t hash_ip(const struct sl_ip *ip)
{
	return ip->family == SL_AF_INET ? sl_localaddr_hash4(ip->bytes) : hash6(ip->bytes);
}

static int order(const void *a, const void *b)
{
	const struct sl_localaddr_entry *x = a, *y = b;
	int c = memcmp(&x->ip, &y->ip, sizeof(x->ip));

	return c != 0 ? c : (int)x->l3_if - (int)y->l3_if;
}

/* Sorts, and merges entries that name one address on one interface. Returns how many remain. */
static uint32_t tidy(struct sl_localaddr_entry *e, uint32_t n)
{
	uint32_t kept = 0;

	qsort(e, n, sizeof(*e), order);
	for (uint32_t i = 0; i < n; i++) {
		if (kept > 0 && order(&e[kept - 1], &e[i]) == 0)
			e[kept - 1].flags |= e[i].flags;
		else
			e[kept++] = e[i];
	}
	return kept;
}

static uint32_t power_of_two(uint32_t at_least)
{
	return at_least <= 1 ? 1 : 1u << (32 - __builtin_clz(at_least - 1));
}

static void fill(struct sl_localaddr *set, uint64_t *filter, uint32_t *places)
{
	for (uint32_t i = 0; i < set->n; i++) {
		uint32_t h = hash_ip(&set->entries[i].ip), at = h >> 8;

		filter[(h & set->filter.mask) / 64] |= UINT64_C(1) << (h % 64);
		if (i > 0 && sl_ip_equal(&set->entries[i].ip, &set->entries[i - 1].ip))
			continue;
		while (places[at & set->place_mask] != 0)
			at++;
		places[at & set->place_mask] = i + 1;
	}
}

int sl_localaddr_create(struct sl_localaddr **out, const struct sl_localaddr_entry *entries, uint32_t n)
{
	struct sl_localaddr_entry *copy;
	struct sl_localaddr *set;
	uint32_t bits, places;

	if (n > MAX_ENTRIES)
		return -EINVAL;
	bits = n * FILTER_LOAD > FILTER_MIN ? power_of_two(n * FILTER_LOAD) : FILTER_MIN;
	places = power_of_two(2 * n + 2);
	for (uint32_t i = 0; i < n; i++) {
		if (sl_family_bytes(entries[i].ip.family) == 0)
			return -EINVAL;
	}
	set = calloc(1, sizeof(*set) + bits / 8 + places * sizeof(uint32_t) + n * sizeof(*entries));
	if (set == NULL)
		return -ENOMEM;
	set->filter = (struct sl_localaddr_filter){set->memory, bits - 1};
	set->place_mask = places - 1;
	set->places = (const uint32_t *)(set->memory + bits / 64);
	copy = (struct sl_localaddr_entry *)(set->memory + bits / 64 + places / 2);
	if (n > 0)
		memcpy(copy, entries, n * sizeof(*entries));
	set->entries = copy;
	set->n = tidy(copy, n);
	fill(set, set->memory, (uint32_t *)(set->memory + bits / 64));
	*out = set;
	return 0;
}

void sl_localaddr_destroy(struct sl_localaddr *set)
{
	free(set);
}

static void free_set(void *ctx, void *ptr)
{
	free(ptr);
}

void sl_localaddr_retire(struct sl_localaddr *set, struct sl_reclaim *reclaim)
{
	if (set != NULL)
		sl_reclaim_defer(reclaim, &set->node, free_set, NULL, set);
}

/* len: 4 or 16, a constant at every call. */
static inline const struct sl_localaddr_entry *find(
        const struct sl_localaddr *set, const void *addr, uint8_t family, size_t len, uint32_t h, uint16_t in_if)
{
	const struct sl_localaddr_entry *found = NULL;
	uint32_t i;

	for (uint32_t at = h >> 8;; at++) {
		i = set->places[at & set->place_mask];
		if (i == 0)
			return NULL;
		if (set->entries[i - 1].ip.family == family && memcmp(set->entries[i - 1].ip.bytes, addr, len) == 0)
			break;
	}
	for (i--; i < set->n; i++) {
		const struct sl_localaddr_entry *e = &set->entries[i];

		if (e->ip.family != family || memcmp(e->ip.bytes, addr, len) != 0)
			break;
		if (e->l3_if == in_if)
			return e;
		if (found == NULL && !(e->flags & SL_LOCALADDR_SCOPED))
			found = e;
	}
	return found;
}

const struct sl_localaddr_entry *sl_localaddr_find4(
        const struct sl_localaddr *set, const void *addr, uint32_t hash, uint16_t in_if)
{
	return find(set, addr, SL_AF_INET, 4, hash, in_if);
}

const struct sl_localaddr_entry *sl_localaddr_lookup6(const struct sl_localaddr *set, const void *addr, uint16_t in_if)
{
	uint32_t h = hash6(addr);

	if (!sl_localaddr_may_have(set, h))
		return NULL;
	return find(set, addr, SL_AF_INET6, 16, h, in_if);
}

const struct sl_localaddr_entry *sl_localaddr_lookup(
        const struct sl_localaddr *set, const struct sl_ip *ip, uint16_t in_if)
{
	if (ip->family == SL_AF_INET)
		return sl_localaddr_lookup4(set, ip->bytes, in_if);
	return ip->family == SL_AF_INET6 ? sl_localaddr_lookup6(set, ip->bytes, in_if) : NULL;
}
