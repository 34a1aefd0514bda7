/*
 * Peers and sessions without a dataplane, for tests of sending halves: what control does to them, and workers that are in a
 * pass or not.
 */
#pragma once

#include <stdlib.h>

#include <criterion/criterion.h>

#include "crypto/wipe.h"
#include "dataplane/peer.h"
#include "dataplane/session.h"
#include "tests/unit/dataplane/qsbr.h"

#define PEERS    4
#define PEER     2
#define SESSIONS 4096
#define WORKERS  3

static const uint8_t secret[SL_INDEX_KEY_LEN] = {3, 1, 4, 1, 5, 9, 2, 6};

static struct rte_rcu_qsbr *rcu;
static struct sl_reclaim reclaim;
static struct sl_peers peers;
static struct sl_session_table table;

static inline void
sender_setup(void)
{
	rcu = test_qsbr(WORKERS);
	sl_reclaim_init(&reclaim, rcu);
	cr_assert_eq(sl_peers_init(&peers, PEERS, 1), 0);
	cr_assert_eq(sl_session_table_init(&table, SESSIONS, secret, &reclaim, &peers), 0);
}

static inline void
sender_teardown(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		rte_rcu_qsbr_thread_offline(rcu, i);
	sl_reclaim_drain(&reclaim);
	sl_session_table_fini(&table);
	sl_peers_fini(&peers);
	free(rcu);
}

static inline void
begin_pass(unsigned worker)
{
	rte_rcu_qsbr_thread_register(rcu, worker);
	rte_rcu_qsbr_thread_online(rcu, worker);
}

/* The grace period of everything handed in so far, with no worker in a pass. */
static inline void
grace(void)
{
	sl_reclaim_poll(&reclaim);
	sl_reclaim_poll(&reclaim);
}

/* A key that is no other session's: it begins with the number. */
static inline void
key_of(uint8_t key[SL_KEY_LEN], uint32_t number)
{
	memset(key, 0xa5, SL_KEY_LEN);
	memcpy(key, &number, sizeof(number));
}

/* left: how many counters it has. */
static inline uint32_t
publish(uint32_t peer, uint32_t number, uint64_t left)
{
	struct sl_session_keys keys = {
		.remote_index = number, .created = 5, .send_counter = SL_REJECT_AFTER_MESSAGES - left};
	uint32_t slot = sl_session_reserve(&table, peer, 0);

	cr_assert_neq(slot, SL_SESSION_NONE);
	key_of(keys.send, number);
	memset(keys.recv, 0x77, sizeof(keys.recv));
	sl_session_publish(&table, slot, &keys);
	return slot;
}

/* The place of a session: 0 and 1 are the peer's, 2 its own. */
static inline unsigned
place_of(uint32_t slot)
{
	const struct sl_session *s = &table.slots[slot];

	for (unsigned i = 0; i < SL_PEER_SENDERS; i++)
		if (s->sender == sl_peer_sender(&peers, s->peer, i))
			return i;
	cr_assert_eq(s->sender, &s->own);
	return SL_PEER_SENDERS;
}

static inline bool
is_free(const struct sl_sender *place)
{
	return sl_sender_counter(place) == SL_REJECT_AFTER_MESSAGES && sl_is_zero(place->key, SL_KEY_LEN);
}

static inline bool
has_key(const struct sl_sender *place, uint32_t number)
{
	uint8_t key[SL_KEY_LEN];

	key_of(key, number);
	return memcmp(place->key, key, SL_KEY_LEN) == 0;
}
