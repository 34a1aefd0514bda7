/*
 * Our own addresses, as an exact-match set that is immutable once built: unicast
 * addresses, the broadcast addresses of our IPv4 subnets, and the multicast
 * groups we listen to. Control builds a new set from the whole configuration,
 * publishes the pointer and hands the old set to sl_localaddr_retire; workers
 * load the pointer and look up without locks. Most packets are not for us, so
 * a miss is decided by one bit of a small filter, without a call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/addr.h"
#include "dataplane/reclaim.h"

enum sl_localaddr_flags {
	SL_LOCALADDR_UNICAST = 1 << 0,   /* ours */
	SL_LOCALADDR_BROADCAST = 1 << 1, /* of an IPv4 subnet, and 255.255.255.255 */
	SL_LOCALADDR_MULTICAST = 1 << 2, /* a group we joined: all-nodes, solicited-node */
	/* Ours only for packets that came in on this interface: link-local addresses, multicast, 255.255.255.255 */
	SL_LOCALADDR_SCOPED = 1 << 3,
};

struct sl_localaddr_entry {
	struct sl_ip ip;
	uint8_t flags;  /* enum sl_localaddr_flags */
	uint16_t l3_if; /* the interface that holds the address */
};

struct sl_localaddr;

/* What lookups see of a set before they know that it may hold an address; the rest lies behind it. */
struct sl_localaddr_filter {
	const uint64_t *bits;
	uint32_t mask; /* number of bits - 1 */
};

/*
 * Builds a set of n entries (n may be 0), which are copied. One address may occur on several interfaces; of doubles on
 * one interface the flags are merged. 0 and *out set, -ENOMEM, or -EINVAL for a bad family or more than 65536 entries.
 */
int sl_localaddr_create(struct sl_localaddr **out, const struct sl_localaddr_entry *entries, uint32_t n);
/* Frees it at once: no reader may hold it. NULL is allowed. */
void sl_localaddr_destroy(struct sl_localaddr *set);
/* Frees it once no reader can hold it. Call after another set (or NULL) was published. NULL is allowed. */
void sl_localaddr_retire(struct sl_localaddr *set, struct sl_reclaim *reclaim);

/* The addresses are ours, so the hash need not withstand an attacker: it decides only whether a miss is seen early. */
static inline uint32_t sl_localaddr_hash(uint64_t hi, uint64_t lo)
{
	uint64_t h = (hi ^ lo * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);

	return (uint32_t)(h >> 32) ^ (uint32_t)(h >> 13);
}

static inline uint32_t sl_localaddr_hash4(const void *addr)
{
	uint32_t a;

	memcpy(&a, addr, sizeof(a));
	return sl_localaddr_hash(a, 1);
}

/* False: no address of that hash is in the set, or set is NULL. */
static inline bool sl_localaddr_may_have(const struct sl_localaddr *set, uint32_t hash)
{
	const struct sl_localaddr_filter *filter = (const struct sl_localaddr_filter *)set;

	return set != NULL && filter->bits[(hash & filter->mask) / 64] >> (hash % 64) & 1;
}

/* What is behind the filter, for sl_localaddr_lookup4. */
const struct sl_localaddr_entry *sl_localaddr_find4(
        const struct sl_localaddr *set, const void *addr, uint32_t hash, uint16_t in_if);

/*
 * The entry of an address as seen by a packet that came in on in_if: the one on that interface if there is one, else
 * any that is not SCOPED; NULL if the address is not ours there, or set is NULL. addr: 4 or 16 bytes in network order,
 * at any alignment. The entry lives as long as the set.
 */
static inline const struct sl_localaddr_entry *sl_localaddr_lookup4(
        const struct sl_localaddr *set, const void *addr, uint16_t in_if)
{
	uint32_t hash = sl_localaddr_hash4(addr);

	return sl_localaddr_may_have(set, hash) ? sl_localaddr_find4(set, addr, hash, in_if) : NULL;
}
const struct sl_localaddr_entry *sl_localaddr_lookup6(const struct sl_localaddr *set, const void *addr, uint16_t in_if);
const struct sl_localaddr_entry *sl_localaddr_lookup(
        const struct sl_localaddr *set, const struct sl_ip *ip, uint16_t in_if);
