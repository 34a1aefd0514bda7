#include "dataplane/neighbour.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"

#define ENTRIES_MAX (1u << 20)
#define BUCKETS_MIN 16u
#define GROUP       32 /* keys of a burst in flight at once */

/*
 * An entry never changes once it is in a chain, save its link and the mark: another MAC or state is another entry put
 * in its place with one store. What readers touch lies in the first cache line.
 */
struct entry {
	alignas(64) _Atomic(struct entry *) next;
	uint32_t hash;
	uint16_t out_if;
	uint8_t state; /* enum sl_neighbour_state */
	atomic_bool used;
	struct sl_ip ip;
	struct rte_ether_addr mac;
	struct sl_reclaim_node node;
};

static_assert(offsetof(struct entry, node) <= 64, "one line for readers");

struct sl_neighbours {
	uint32_t mask; /* buckets - 1 */
	uint64_t seed; /* secret: hosts on a LAN choose their addresses */
	_Atomic(struct entry *) *buckets;
	uint32_t count;
	uint32_t max;
	_Atomic uint64_t changes;
	struct sl_reclaim *reclaim;
};

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint32_t hash_key(const struct sl_neighbours *t, uint16_t out_if, const struct sl_ip *ip)
{
	uint64_t hi, lo;

	memcpy(&hi, ip->bytes, 8);
	memcpy(&lo, ip->bytes + 8, 8);
	hi = mix(hi ^ t->seed, UINT64_C(0xa0761d6478bd642f) ^ out_if);
	return (uint32_t)mix(hi ^ lo, t->seed ^ UINT64_C(0xe7037ed1a0b428db) ^ ip->family);
}

static inline bool matches(const struct entry *e, uint32_t hash, uint16_t out_if, const struct sl_ip *ip)
{
	return e->hash == hash && e->out_if == out_if && sl_ip_equal(&e->ip, ip);
}

static inline struct entry *follow(const _Atomic(struct entry *) *link)
{
	return atomic_load_explicit(link, memory_order_acquire);
}

static struct entry *find(const struct sl_neighbours *t, uint32_t hash, uint16_t out_if, const struct sl_ip *ip)
{
	struct entry *e = follow(&t->buckets[hash & t->mask]);

	while (e != NULL && !matches(e, hash, out_if, ip))
		e = follow(&e->next);
	return e;
}

/* The link that leads to the entry of the key, or the end of its chain. */
static _Atomic(struct entry *) *find_link(
        struct sl_neighbours *t, uint32_t hash, uint16_t out_if, const struct sl_ip *ip)
{
	_Atomic(struct entry *) *link = &t->buckets[hash & t->mask];
	struct entry *e;

	while ((e = follow(link)) != NULL && !matches(e, hash, out_if, ip))
		link = &e->next;
	return link;
}

int sl_neighbours_create(struct sl_neighbours **out, uint32_t max_entries, struct sl_reclaim *reclaim)
{
	uint32_t buckets = BUCKETS_MIN;
	struct sl_neighbours *t;

	if (max_entries == 0 || max_entries > ENTRIES_MAX)
		return -EINVAL;
	while (buckets < max_entries)
		buckets *= 2;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->buckets = calloc(buckets, sizeof(*t->buckets));
	if (t->buckets == NULL) {
		free(t);
		return -ENOMEM;
	}
	sl_random_bytes(&t->seed, sizeof(t->seed));
	t->mask = buckets - 1;
	t->max = max_entries;
	t->reclaim = reclaim;
	*out = t;
	return 0;
}

void sl_neighbours_destroy(struct sl_neighbours *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i <= t->mask; i++) {
		struct entry *next;

		for (struct entry *e = follow(&t->buckets[i]); e != NULL; e = next) {
			next = follow(&e->next);
			free(e);
		}
	}
	free(t->buckets);
	free(t);
}

static void free_entry(void *ctx, void *ptr)
{
	free(ptr);
}

static void changed(struct sl_neighbours *t)
{
	atomic_fetch_add_explicit(&t->changes, 1, memory_order_release);
}

uint64_t sl_neighbours_changes(const struct sl_neighbours *t)
{
	return atomic_load_explicit(&t->changes, memory_order_acquire);
}

/* Whether packets are sent otherwise than before. */
static bool matters(const struct entry *old, const struct entry *e)
{
	bool usable = sl_neighbour_usable((enum sl_neighbour_state)e->state);

	return old == NULL || usable != sl_neighbour_usable((enum sl_neighbour_state)old->state) ||
	       (usable && !rte_is_same_ether_addr(&old->mac, &e->mac));
}

int sl_neighbour_set(struct sl_neighbours *t, uint16_t out_if, const struct sl_ip *ip, const struct rte_ether_addr *mac,
        enum sl_neighbour_state state)
{
	uint32_t hash = hash_key(t, out_if, ip);
	_Atomic(struct entry *) *link;
	struct entry *old, *e;

	if (state == SL_NEIGHBOUR_NONE || state > SL_NEIGHBOUR_PERMANENT || sl_family_bytes(ip->family) == 0 ||
	        (sl_neighbour_usable(state) && mac == NULL))
		return -EINVAL;
	link = find_link(t, hash, out_if, ip);
	old = follow(link);
	if (old == NULL && t->count == t->max)
		return -ENOSPC;
	e = aligned_alloc(alignof(struct entry), sizeof(*e));
	if (e == NULL)
		return -ENOMEM;
	memset(e, 0, sizeof(*e));
	e->hash = hash;
	e->out_if = out_if;
	e->state = (uint8_t)state;
	e->ip = *ip;
	if (mac != NULL)
		e->mac = *mac;
	if (old != NULL) {
		atomic_init(&e->next, follow(&old->next));
		atomic_init(&e->used, atomic_load_explicit(&old->used, memory_order_relaxed));
	}
	atomic_store_explicit(link, e, memory_order_release);
	if (matters(old, e))
		changed(t);
	if (old != NULL)
		sl_reclaim_defer(t->reclaim, &old->node, free_entry, NULL, old);
	else
		t->count++;
	return 0;
}

/* Takes the entry behind the link out of its chain; readers that stand at it still find the rest of the chain. */
static void unlink_entry(struct sl_neighbours *t, _Atomic(struct entry *) *link)
{
	struct entry *e = follow(link);

	atomic_store_explicit(link, follow(&e->next), memory_order_release);
	changed(t);
	sl_reclaim_defer(t->reclaim, &e->node, free_entry, NULL, e);
	t->count--;
}

int sl_neighbour_remove(struct sl_neighbours *t, uint16_t out_if, const struct sl_ip *ip)
{
	_Atomic(struct entry *) *link = find_link(t, hash_key(t, out_if, ip), out_if, ip);

	if (follow(link) == NULL)
		return -ENOENT;
	unlink_entry(t, link);
	return 0;
}

uint32_t sl_neighbour_remove_if(struct sl_neighbours *t, uint16_t out_if)
{
	uint32_t before = t->count;

	for (uint32_t i = 0; i <= t->mask && t->count > 0; i++) {
		_Atomic(struct entry *) *link = &t->buckets[i];
		struct entry *e;

		while ((e = follow(link)) != NULL) {
			if (e->out_if == out_if)
				unlink_entry(t, link);
			else
				link = &e->next;
		}
	}
	return before - t->count;
}

bool sl_neighbour_take_used(struct sl_neighbours *t, uint16_t out_if, const struct sl_ip *ip)
{
	struct entry *e = find(t, hash_key(t, out_if, ip), out_if, ip);

	return e != NULL && atomic_exchange_explicit(&e->used, false, memory_order_relaxed);
}

uint32_t sl_neighbour_count(const struct sl_neighbours *t)
{
	return t->count;
}

void sl_neighbour_walk(struct sl_neighbours *t, uint32_t *cursor, uint32_t budget, sl_neighbour_walk_fn fn, void *ctx)
{
	uint32_t visited = 0;

	while (*cursor <= t->mask && visited < budget) {
		struct entry *next;

		for (struct entry *e = follow(&t->buckets[*cursor]); e != NULL; e = next) {
			next = follow(&e->next);
			visited++;
			if (!fn(ctx, e->out_if, &e->ip, &e->mac, (enum sl_neighbour_state)e->state)) {
				*cursor = 0;
				return;
			}
		}
		++*cursor;
	}
	if (*cursor > t->mask)
		*cursor = 0;
}

/* Reads an entry for a packet; writes to its line only when it was not marked yet. */
static inline enum sl_neighbour_state use(struct entry *e, struct rte_ether_addr *mac)
{
	enum sl_neighbour_state state = e != NULL ? (enum sl_neighbour_state)e->state : SL_NEIGHBOUR_NONE;

	if (!sl_neighbour_usable(state))
		return state;
	*mac = e->mac;
	if (!atomic_load_explicit(&e->used, memory_order_relaxed))
		atomic_store_explicit(&e->used, true, memory_order_relaxed);
	return state;
}

bool sl_neighbour_lookup(struct sl_neighbours *t, uint16_t out_if, const struct sl_ip *ip, struct rte_ether_addr *mac)
{
	return sl_neighbour_usable(use(find(t, hash_key(t, out_if, ip), out_if, ip), mac));
}

void sl_neighbour_lookup_burst(struct sl_neighbours *t, const struct sl_neighbour_key *keys,
        enum sl_neighbour_state *states, struct rte_ether_addr *macs, unsigned n)
{
	uint32_t hashes[GROUP];

	while (n > 0) {
		unsigned group = n < GROUP ? n : GROUP;

		for (unsigned i = 0; i < group; i++) {
			hashes[i] = hash_key(t, keys[i].out_if, keys[i].ip);
			__builtin_prefetch(&t->buckets[hashes[i] & t->mask]);
		}
		for (unsigned i = 0; i < group; i++)
			__builtin_prefetch(follow(&t->buckets[hashes[i] & t->mask]));
		for (unsigned i = 0; i < group; i++)
			states[i] = use(find(t, hashes[i], keys[i].out_if, keys[i].ip), &macs[i]);
		keys += group;
		states += group;
		macs += group;
		n -= group;
	}
}
