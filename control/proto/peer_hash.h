/*
 * Finds a peer by its interface and public key: chained buckets that grow by one with each peer (linear hashing), so that neither
 * memory nor any step depends on how many peers there may be one day. Control thread alone. Peers are linked by
 * sl_proto_peer.hash_next and are their owner's.
 */
#pragma once

#include <stdint.h>

#include "crypto/attrs.h"
#include "crypto/protocol.h"
#include "crypto/siphash.h"

struct sl_proto_if;
struct sl_proto_peer;

struct sl_peer_hash {
	struct sl_proto_peer **buckets;  /* address space; touched as far as it is used */
	uint32_t room;                   /* buckets there may be */
	uint32_t n;                      /* in use: `half` up to twice as many */
	uint32_t half;                   /* a power of two */
	uint32_t count;                  /* peers */
	uint8_t key[SL_SIPHASH_KEY_LEN]; /* secret: keeps others from choosing public keys that collide */
};

/* For up to `capacity` peers. 0 or -ENOMEM. */
SL_MUST_CHECK int sl_peer_hash_init(struct sl_peer_hash *hash, uint32_t capacity, const uint8_t key[SL_SIPHASH_KEY_LEN]);
/* Fine where init has failed or was not called on zeroed memory. */
void sl_peer_hash_fini(struct sl_peer_hash *hash);
/* Makes ready for n peers in all, so that none has to be moved while they come. */
void sl_peer_hash_reserve(struct sl_peer_hash *hash, uint32_t n);
/* NULL where there is none. */
struct sl_proto_peer *sl_peer_hash_find(
	const struct sl_peer_hash *hash, const struct sl_proto_if *ifp, const uint8_t public_key[SL_KEY_LEN]);
/* The peer has its interface and key, and is not there yet. */
void sl_peer_hash_add(struct sl_peer_hash *hash, struct sl_proto_peer *peer);
/* The peer is there. */
void sl_peer_hash_remove(struct sl_peer_hash *hash, struct sl_proto_peer *peer);
