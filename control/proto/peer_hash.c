#include "control/proto/peer_hash.h"

#include <errno.h>
#include <string.h>

#include "control/proto/internal.h"
#include "dataplane/lazy.h"

#define FIRST_BUCKETS 64

int
sl_peer_hash_init(struct sl_peer_hash *hash, uint32_t capacity, const uint8_t key[SL_SIPHASH_KEY_LEN])
{
	uint32_t room = capacity < FIRST_BUCKETS ? FIRST_BUCKETS : capacity;

	*hash = (struct sl_peer_hash){.room = room, .n = FIRST_BUCKETS, .half = FIRST_BUCKETS};
	memcpy(hash->key, key, sizeof(hash->key));
	hash->buckets = sl_lazy_alloc_dense(room * sizeof(*hash->buckets));
	return hash->buckets ? 0 : -ENOMEM;
}

void
sl_peer_hash_fini(struct sl_peer_hash *hash)
{
	sl_lazy_free(hash->buckets, hash->room * sizeof(*hash->buckets));
	*hash = (struct sl_peer_hash){0};
}

static uint64_t
hash_of(const struct sl_peer_hash *hash, const struct sl_proto_if *ifp, const uint8_t public_key[SL_KEY_LEN])
{
	uint8_t both[SL_KEY_LEN + sizeof(ifp->l3_if)];

	memcpy(both, public_key, SL_KEY_LEN);
	memcpy(both + SL_KEY_LEN, &ifp->l3_if, sizeof(ifp->l3_if));
	return sl_siphash(hash->key, both, sizeof(both));
}

/* Buckets below n - half are those that were split already: one more bit tells their two halves apart. */
static struct sl_proto_peer **
bucket_of(const struct sl_peer_hash *hash, const struct sl_proto_if *ifp, const uint8_t public_key[SL_KEY_LEN])
{
	uint64_t h = hash_of(hash, ifp, public_key);
	uint64_t wide = h & (2 * (uint64_t)hash->half - 1);

	return &hash->buckets[wide < hash->n ? wide : h & (hash->half - 1)];
}

struct sl_proto_peer *
sl_peer_hash_find(const struct sl_peer_hash *hash, const struct sl_proto_if *ifp, const uint8_t public_key[SL_KEY_LEN])
{
	struct sl_proto_peer *peer = *bucket_of(hash, ifp, public_key);

	while (peer && (peer->ifp != ifp || memcmp(peer->public_key, public_key, SL_KEY_LEN) != 0))
		peer = peer->hash_next;
	return peer;
}

/* One more bucket, which takes its peers from the one that was to hold them until now. */
static void
split(struct sl_peer_hash *hash)
{
	struct sl_proto_peer *list;

	if (hash->n == hash->room)
		return;
	if (hash->n == 2 * hash->half)
		hash->half = hash->n;
	list = hash->buckets[hash->n - hash->half];
	hash->buckets[hash->n - hash->half] = NULL;
	hash->n++;
	while (list) {
		struct sl_proto_peer *peer = list;
		struct sl_proto_peer **bucket = bucket_of(hash, peer->ifp, peer->public_key);

		list = peer->hash_next;
		peer->hash_next = *bucket;
		*bucket = peer;
	}
}

void
sl_peer_hash_reserve(struct sl_peer_hash *hash, uint32_t n)
{
	while (hash->n < n && hash->n < hash->room)
		split(hash);
}

void
sl_peer_hash_add(struct sl_peer_hash *hash, struct sl_proto_peer *peer)
{
	struct sl_proto_peer **bucket;

	if (++hash->count > hash->n)
		split(hash);
	bucket = bucket_of(hash, peer->ifp, peer->public_key);
	peer->hash_next = *bucket;
	*bucket = peer;
}

void
sl_peer_hash_remove(struct sl_peer_hash *hash, struct sl_proto_peer *peer)
{
	struct sl_proto_peer **link = bucket_of(hash, peer->ifp, peer->public_key);

	while (*link != peer)
		link = &(*link)->hash_next;
	*link = peer->hash_next;
	hash->count--;
}
