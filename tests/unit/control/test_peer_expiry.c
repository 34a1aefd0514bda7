/* Peers that expire: in the order of their dates, and whoever goes before or gets another date leaves nothing to wait for. */
#include <time.h>

#include <criterion/criterion.h>

#include "wg_rig.h"

#define PEERS  100
#define ROUNDS 20000
#define FAR    INT64_C(4102444800) /* 2100-01-01 */

static struct wg_rig *r;

static void
setup(void)
{
	r = wg_rig_create();
}

static void
teardown(void)
{
	struct sl_due_queue expiry = r->gw.expiry;

	wg_rig_destroy(r);
	sl_due_free(&expiry);
}

TestSuite(peer_expiry, .init = setup, .fini = teardown);

static struct sl_proto_peer *
add(uint32_t n, int64_t expires)
{
	const uint8_t key[SL_KEY_LEN] = {(uint8_t)n, (uint8_t)(n >> 8), 1};
	struct sl_proto_peer *peer;

	cr_assert_eq(sl_gateway_peer_add(r->wg0, key, NULL, SL_SOURCE_FILE, &peer), 0);
	cr_assert_eq(sl_gateway_peer_set_expires(peer, expires), 0);
	return peer;
}

Test(peer_expiry, earliest_first_and_not_before_its_time)
{
	struct sl_proto_peer *peers[PEERS];
	const int64_t now = time(NULL);
	uint32_t n_past = 0;

	for (uint32_t i = 0; i < PEERS; i++)
		peers[i] = add(i, i % 3 == 0 ? FAR + i : now - 1 - (i * 37) % PEERS);
	for (uint32_t i = 0; i < PEERS; i += 7) /* another date, or none */
		cr_assert_eq(sl_gateway_peer_set_expires(peers[i], i % 2 ? FAR : 0), 0);
	for (uint32_t i = 0; i < PEERS; i++)
		n_past += sl_gateway_peer(peers[i])->expires && sl_gateway_peer(peers[i])->expires < now;
	cr_assert_gt(n_past, PEERS / 3);
	for (; n_past > 0; n_past--) {
		int64_t first = FAR, next = FAR;

		for (uint32_t i = 0; i < PEERS; i++)
			if (peers[i] && sl_gateway_peer(peers[i])->expires)
				first = RTE_MIN(first, sl_gateway_peer(peers[i])->expires);
		cr_assert(sl_gateway_expire_peers(&r->gw));
		for (uint32_t i = 0; i < PEERS; i++) {
			const uint8_t key[SL_KEY_LEN] = {(uint8_t)i, 0, 1};

			peers[i] = sl_gateway_peer_find(r->wg0, key);
			if (peers[i] && sl_gateway_peer(peers[i])->expires)
				next = RTE_MIN(next, sl_gateway_peer(peers[i])->expires);
		}
		cr_assert_gt(next, first, "the one with the earliest date has gone");
	}
	cr_expect_not(sl_gateway_expire_peers(&r->gw));
	for (uint32_t i = 0; i < PEERS; i += 21)
		cr_expect_not_null(peers[i]);
}

Test(peer_expiry, who_comes_and_goes_leaves_nothing)
{
	struct sl_proto_peer *stays = add(0, FAR);

	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct sl_proto_peer *peer = add(1 + i % 8, FAR + i);

		cr_assert_eq(sl_gateway_peer_set_expires(peer, FAR - i), 0);
		cr_assert_eq(sl_gateway_peer_set_expires(stays, FAR + i), 0);
		cr_assert_eq(r->gw.expiry.n, 2);
		sl_gateway_peer_remove(peer);
		sl_reclaim_drain(r->gw.dp->reclaim);
	}
	cr_expect_eq(r->gw.expiry.n, 1);
	cr_assert_eq(sl_gateway_peer_set_expires(stays, 0), 0);
	cr_expect_eq(r->gw.expiry.n, 0);
	cr_expect_leq(r->gw.expiry.room, 64);
}
