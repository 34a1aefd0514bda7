/* The hash of peers by key: found, and found alone, however many come and go while it grows. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/proto/internal.h"
#include "crypto/random.h"

enum { MANY = 5000 };

static struct sl_proto_if ifs[2] = {{.l3_if = 1}, {.l3_if = 2}};
static struct sl_peer_hash hash;
static const uint8_t hash_key[SL_SIPHASH_KEY_LEN] = {7};
static struct sl_proto_peer *peers;
static bool there[MANY];

static void
setup(void)
{
	struct sl_rng rng = sl_rng_kernel;

	peers = calloc(MANY, sizeof(*peers));
	for (unsigned i = 0; i < MANY; i++) {
		peers[i].ifp = &ifs[i % 2];
		sl_rng_bytes(&rng, peers[i].public_key, SL_KEY_LEN);
	}
	/* the same key at both interfaces, and keys that differ in one bit */
	memcpy(peers[1].public_key, peers[0].public_key, SL_KEY_LEN);
	memcpy(peers[2].public_key, peers[0].public_key, SL_KEY_LEN);
	peers[2].public_key[31] ^= 1;
}

static void
teardown(void)
{
	sl_peer_hash_fini(&hash);
	free(peers);
}

TestSuite(peer_hash, .init = setup, .fini = teardown);

static void
change(unsigned i)
{
	if (there[i])
		sl_peer_hash_remove(&hash, &peers[i]);
	else
		sl_peer_hash_add(&hash, &peers[i]);
	there[i] = !there[i];
}

static void
check_all(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MANY; i++) {
		const struct sl_proto_peer *found = sl_peer_hash_find(&hash, peers[i].ifp, peers[i].public_key);

		cr_assert_eq(found, there[i] ? &peers[i] : NULL, "peer %u", i);
		n += there[i];
	}
	cr_assert_eq(hash.count, n);
}

Test(peer_hash, finds_what_is_there)
{
	cr_assert_eq(sl_peer_hash_init(&hash, MANY, hash_key), 0);
	check_all();
	for (unsigned i = 0; i < MANY; i++) {
		change(i);
		if (i % 613 == 0)
			check_all();
	}
	check_all();
	cr_assert_eq(hash.n, MANY, "a bucket for each peer");
	srand(3);
	for (unsigned k = 0; k < 20 * MANY; k++)
		change((unsigned)rand() % MANY);
	check_all();
	for (unsigned i = 0; i < MANY; i++)
		if (there[i])
			change(i);
	check_all();
}

/* Ready for all, for half of them and for more than there is room for: the same peers are found. */
Test(peer_hash, ready_for_those_that_come)
{
	static const uint32_t ready[] = {MANY, MANY / 2 + 7, 3 * MANY};

	for (unsigned k = 0; k < 3; k++) {
		cr_assert_eq(sl_peer_hash_init(&hash, MANY, hash_key), 0);
		memset(there, 0, sizeof(there));
		change(MANY - 1);
		sl_peer_hash_reserve(&hash, ready[k]);
		cr_assert_eq(hash.n, ready[k] < MANY ? ready[k] : MANY);
		for (unsigned i = 0; i < MANY - 1; i++)
			change(i);
		check_all();
		for (unsigned i = 0; i < MANY; i += 3)
			change(i);
		check_all();
		sl_peer_hash_fini(&hash);
	}
}

Test(peer_hash, holds_more_than_it_has_buckets)
{
	cr_assert_eq(sl_peer_hash_init(&hash, 100, hash_key), 0);
	for (unsigned i = 0; i < MANY; i++)
		change(i);
	cr_assert_leq(hash.n, 100);
	check_all();
}

/*
 * Keys that differ in such bits that a hash which multiplies and shifts word by word has one value for all of them,
 * whatever it begins with.
 */
Test(peer_hash, no_key_is_made_to_collide_with_another)
{
	enum { FAMILY = 8 };
	unsigned longest = 0;

	cr_assert_eq(sl_peer_hash_init(&hash, MANY, hash_key), 0);
	for (unsigned i = 0; i < FAMILY; i++) {
		memcpy(peers[i].public_key, peers[0].public_key, SL_KEY_LEN);
		peers[i].ifp = &ifs[0];
		for (unsigned word = 0; word < 3; word++) {
			if (!(i & 1u << word))
				continue;
			peers[i].public_key[8 * word + 7] ^= 0x80;
			peers[i].public_key[8 * word + 15] ^= 0x80;
			peers[i].public_key[8 * word + 11] ^= 0x80;
		}
	}
	for (unsigned i = 0; i < FAMILY; i++)
		change(i);
	for (unsigned i = 0; i < hash.n; i++) {
		unsigned n = 0;

		for (const struct sl_proto_peer *peer = hash.buckets[i]; peer; peer = peer->hash_next)
			n++;
		longest = n > longest ? n : longest;
	}
	cr_expect_lt(longest, FAMILY / 2);
}
