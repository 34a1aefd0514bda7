/* One peer's messages opened by several workers: when, with which results, and what becomes of them when things change. */
#include <stdlib.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "crypto/wipe.h"
#include "tests/unit/dataplane/order_rig.h"

static struct order_rig o;

static uint64_t
helped(uint16_t worker)
{
	return o.r->dp->workers[worker]->stats.helped[0];
}

/* A pass of the owner with a burst of these; they stay in the ring while a helper has the first batch. */
static void
burst(enum order_kind kind, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		order_receive(&o, order_message(&o, kind, 8));
	rig_run(o.r, 0);
}

Test(order, on_by_itself_under_load_and_off_without)
{
	order_rig_create(&o, 2, 1);
	order_feed(&o, 8);
	cr_expect(!o.order->on, "a few messages are no load");
	for (unsigned i = 0; i < 100; i++)
		order_feed(&o, 8);
	order_collect(&o);
	cr_expect(!o.order->on);
	cr_expect_eq(helped(0) + helped(1), 0, "nothing went through the ring");
	order_until_on(&o);
	order_feed(&o, 4 * SL_BURST);
	order_collect(&o);
	cr_expect_gt(o.owner->stats.queued, 0, "some is left for a helper");
	order_finish(&o);
	for (unsigned i = 0; i < 100; i++)
		order_feed(&o, 1);
	cr_expect(o.order->on, "not at once");
	o.r->now += 2 * SL_NSEC_PER_MSEC;
	for (unsigned i = 0; i < 100; i++)
		order_feed(&o, 1);
	cr_expect(!o.order->on);
	order_finish(&o);
	cr_expect_eq(o.came, o.fed);
	order_rig_destroy(&o);
}

Test(order, not_without_a_worker_that_has_time)
{
	struct rte_mbuf *m;

	order_rig_create(&o, 2, 1);
	for (unsigned i = 0; i < 100; i++) {
		order_feed(&o, SL_BURST);
		for (unsigned k = 0; k < SL_BURST; k++) {
			m = order_message(&o, ORDER_BAD_SUM, 8);
			rig_receive(o.r, 1, RIG_WAN, m);
		}
		rig_run(o.r, 1);
		order_collect(&o);
		if (i > 20) /* by then each knows of the other's load */
			cr_assert(!o.order->on);
	}
	order_rig_destroy(&o);
	order_rig_create(&o, 1, 1);
	order_feed(&o, 50 * SL_BURST);
	order_collect(&o);
	cr_expect(!o.order->on, "a single worker has nobody");
	order_rig_destroy(&o);
}

Test(order, an_idle_worker_opens_and_the_owner_sends)
{
	order_rig_create(&o, 2, 1);
	order_until_on(&o);
	for (unsigned i = 0; i < 40; i++) {
		order_feed(&o, SL_BURST);
		rig_run(o.r, 1);
		order_collect(&o);
	}
	order_finish(&o);
	cr_expect_eq(o.came, o.fed);
	cr_expect_geq(helped(1), 30);
	cr_expect_gt(helped(0), 0);
	cr_expect_eq(o.r->dp->workers[1]->stats.stages[SL_STAGE_HELP].bursts, helped(1));
	cr_expect_gt(o.r->dp->workers[1]->stats.stages[SL_STAGE_HELP].cycles, 0);
	cr_expect_eq(o.r->dp->workers[1]->stats.received, 0);
	cr_expect_eq(o.owner->stats.transmitted, o.fed);
	order_rig_destroy(&o);
}

Test(order, p42_nothing_overtakes_a_batch_that_takes_long)
{
	unsigned place;

	order_rig_create(&o, 2, 1);
	order_until_on(&o);
	order_feed(&o, SL_BURST);
	place = order_claim(&o, 1);
	o.came = 0;
	for (unsigned i = 0; i < 5; i++) {
		order_feed(&o, SL_BURST);
		rig_run(o.r, 0);
		order_collect(&o);
		cr_expect_eq(o.came, 0);
	}
	/* even where the owner has stopped handing out meanwhile */
	o.order->on = false;
	o.order->opened_load = 0;
	order_feed(&o, 10);
	order_collect(&o);
	cr_expect(!o.order->on);
	cr_expect_eq(o.came, 0);
	cr_expect_eq(o.owner->stats.queued, 6 * SL_BURST + 10);
	order_done(&o, 1, place);
	rig_run(o.r, 0);
	order_collect(&o);
	cr_expect_eq(o.came, 6 * SL_BURST + 10, "one pass brings all of it");
	cr_expect_eq(o.owner->stats.queued, 0);
	order_feed(&o, 10);
	cr_expect(!sl_order_any(o.owner), "the direct way is open again");
	order_rig_destroy(&o);
}

Test(order, a_batch_that_nobody_takes_is_the_owners)
{
	order_rig_create(&o, 2, 1);
	order_until_on(&o);
	o.came = 0;
	order_feed(&o, SL_BURST);
	order_collect(&o);
	cr_expect_eq(o.came, 0, "left for the helper");
	rig_run(o.r, 0);
	order_collect(&o);
	cr_expect_eq(o.came, SL_BURST, "but no longer than nothing else is to do");
	order_rig_destroy(&o);
}

Test(order, verdicts_are_those_of_the_direct_way)
{
	static const struct {
		enum order_kind kind;
		enum sl_drop reason; /* SL_DROP_COUNT: none */
	} cases[] = {
		{ORDER_GOOD, SL_DROP_COUNT},
		{ORDER_MARKED, SL_DROP_COUNT},
		{ORDER_KEEPALIVE, SL_DROP_COUNT},
		{ORDER_BAD_TAG, SL_DROP_BAD_TAG},
		{ORDER_BAD_SUM, SL_DROP_BAD_UDP_CHECKSUM},
		{ORDER_BAD_SOURCE, SL_DROP_SOURCE_NOT_ALLOWED},
		{ORDER_BAD_INNER, SL_DROP_BAD_INNER},
	};

	order_rig_create(&o, 2, 1);
	for (unsigned ring = 0; ring < 2; ring++) {
		for (unsigned i = 0; i < RTE_DIM(cases); i++) {
			uint64_t drops = rig_all_drops(o.r), delivered = o.owner->stats.delivered;
			uint64_t ecn = o.owner->stats.ecn_mismatch;
			unsigned before, place = 0;

			if (ring) {
				order_until_on(&o);
				order_feed(&o, 1); /* whose batch holds the others back */
				place = order_claim(&o, 1);
			}
			before = (unsigned)o.came;
			burst(cases[i].kind, 40);
			order_collect(&o);
			if (ring) {
				cr_expect_eq(o.came, before);
				cr_expect_eq(rig_all_drops(o.r), drops, "nothing is said before its turn");
				order_done(&o, 1, place);
			}
			order_finish(&o);
			cr_expect_eq(o.came - before, (cases[i].kind == ORDER_GOOD || cases[i].kind == ORDER_MARKED ? 40 : 0) + ring);
			cr_expect_eq(rig_all_drops(o.r) - drops, cases[i].reason == SL_DROP_COUNT ? 0 : 40);
			if (cases[i].reason != SL_DROP_COUNT)
				cr_expect_eq(rig_drops(o.r, cases[i].reason), 40 * (ring + 1), "%s", sl_drop_name(cases[i].reason));
			cr_expect_eq(o.owner->stats.delivered - delivered, cases[i].kind == ORDER_KEEPALIVE ? 40 : 0);
			cr_expect_eq(o.owner->stats.ecn_mismatch - ecn, cases[i].kind == ORDER_MARKED ? 20 : 0);
		}
	}
	order_rig_destroy(&o);
}

Test(order, a_forged_message_moves_nothing)
{
	struct sl_peer_totals before, after;
	uint64_t counter;
	unsigned place;

	order_rig_create(&o, 2, 1);
	order_until_on(&o);
	sl_peer_totals(&o.r->dp->peers, ORDER_PEER, &before);
	order_feed(&o, 1);
	place = order_claim(&o, 1);
	counter = o.counter;
	burst(ORDER_BAD_TAG, 20);
	burst(ORDER_BAD_SUM, 20);
	order_done(&o, 1, place);
	order_finish(&o);
	sl_peer_totals(&o.r->dp->peers, ORDER_PEER, &after);
	cr_expect_eq(after.rx_bytes - before.rx_bytes, SL_IP4_HDR_MIN + SL_UDP_HDR_LEN + 8 + 12 + SL_DATA_OVERHEAD, "but the one");
	for (unsigned i = 0; i < 40; i++)
		order_receive(&o, order_replay(&o, counter + i, o.number++));
	rig_run(o.r, 0);
	order_finish(&o);
	cr_expect_eq(rig_drops(o.r, SL_DROP_REPLAY), 0, "the true ones are still new");
	order_rig_destroy(&o);
}

Test(order, a_marked_packet_comes_out_marked_trimmed_and_whole)
{
	uint8_t packet[RIG_PACKET];

	order_rig_create(&o, 2, 1);
	order_until_on(&o);
	for (size_t len = 8; len < 900; len += 37) {
		order_receive(&o, order_message(&o, ORDER_MARKED, len));
		rig_run(o.r, 0);
		for (unsigned i = 0; i < 2; i++) /* by the helper or by the owner */
			rig_run(o.r, (uint16_t)(len % 2 ? 1 - i : i));
		rig_run(o.r, 0);
		cr_assert_eq(o.r->n_sent, 1);
		cr_assert_eq(rig_bytes(o.r->sent[0].m, packet, sizeof(packet)), RTE_ETHER_HDR_LEN + 28 + len);
		cr_expect_eq(packet[RTE_ETHER_HDR_LEN + 1] & 3, (o.number - 1) % 2 ? 3 : 0);
		cr_expect_eq(sl_ip4_checksum(packet + RTE_ETHER_HDR_LEN, SL_IP4_HDR_MIN), 0);
		cr_expect_eq(packet[RTE_ETHER_HDR_LEN + 8], 63);
		order_collect(&o);
	}
	order_rig_destroy(&o);
}

/* A message and its copy, on either side of each change of ways. */
Test(order, replays_are_refused_once_whichever_way_they_come)
{
	uint64_t replays = 0;
	unsigned place;

	order_rig_create(&o, 2, 1);
	for (unsigned way = 0; way < 4; way++) {
		bool first = way & 1, second = way & 2;
		uint64_t counter, number;

		order_until_on(&o);
		order_feed(&o, 1);
		place = order_claim(&o, 1);
		counter = o.counter;
		number = o.number;
		o.order->on = first;
		burst(ORDER_GOOD, 5);
		o.order->on = second;
		for (unsigned i = 0; i < 5; i++)
			order_receive(&o, order_replay(&o, counter + i, number + i));
		rig_run(o.r, 0);
		order_done(&o, 1, place);
		order_finish(&o);
		replays += 5;
		for (unsigned i = 0; i < 5; i++) /* and long after */
			order_receive(&o, order_replay(&o, counter + i, number + i));
		rig_run(o.r, 0);
		order_finish(&o);
		replays += 5;
		cr_expect_eq(rig_drops(o.r, SL_DROP_REPLAY), replays, "way %u", way);
	}
	cr_expect_eq(o.came + replays, o.fed);
	order_rig_destroy(&o);
}

Test(order, a_full_ring_drops_and_does_not_block)
{
	uint64_t full;
	unsigned place;

	order_rig_create(&o, 2, 1);
	order_until_on(&o);
	order_feed(&o, SL_BURST);
	place = order_claim(&o, 1);
	o.came = 0;
	order_feed(&o, 20 * SL_BURST);
	order_collect(&o);
	full = rig_drops(o.r, SL_DROP_ORDER_FULL);
	cr_expect_eq(o.came, 0);
	cr_expect_gt(full, 0);
	cr_expect_eq(o.owner->stats.queued, 21 * SL_BURST - full);
	cr_expect_leq(o.owner->stats.queued, o.order->limit);
	cr_expect_gt(o.owner->stats.queued, o.order->limit - SL_BURST);
	rig_check_conservation(o.r, 0);
	order_done(&o, 1, place);
	order_finish(&o);
	cr_expect_eq(o.came, 21 * SL_BURST - full);
	order_feed(&o, SL_BURST);
	order_finish(&o);
	cr_expect_eq(rig_drops(o.r, SL_DROP_ORDER_FULL), full, "and then there is room again");
	order_rig_destroy(&o);
}

Test(order, a_session_taken_away_lives_until_its_last_batch)
{
	struct sl_session *old;
	unsigned place;

	order_rig_create(&o, 2, 1);
	order_until_on(&o);
	o.came = 0;
	order_feed(&o, 2 * SL_BURST);
	place = order_claim(&o, 1);
	old = o.s.s;
	sl_session_release(&o.r->dp->sessions, o.s.slot);
	for (unsigned i = 0; i < 10; i++)
		sl_reclaim_poll(o.r->dp->reclaim);
	cr_expect(!sl_is_zero(old->recv_key, SL_KEY_LEN), "its messages are still to be opened");
	o.s = rig_session(o.r, ORDER_PEER, false, true);
	o.counter = 0;
	cr_expect_neq(o.s.s, old, "nor is its place another's");
	order_feed(&o, SL_BURST);
	order_done(&o, 1, place);
	order_finish(&o);
	cr_expect_eq(o.came, 3 * SL_BURST, "nothing is lost when keys change");
	cr_expect_eq(old->held, 0);
	for (unsigned i = 0; i < 2; i++)
		sl_reclaim_poll(o.r->dp->reclaim);
	cr_expect(sl_is_zero(old->recv_key, SL_KEY_LEN));
	cr_expect(sl_is_zero(old->sender->key, SL_KEY_LEN));
	order_rig_destroy(&o);
}

/* The peer goes while its messages are out; another one gets its slot at once. */
Test(order, a_removed_peers_messages_end)
{
	struct sl_peer *peer;
	struct sl_peer_totals totals;
	unsigned place;

	order_rig_create(&o, 2, 1);
	order_until_on(&o);
	o.came = 0;
	order_feed(&o, SL_BURST);
	place = order_claim(&o, 1);
	peer = &o.r->dp->peers.slots[ORDER_PEER];
	atomic_store(&peer->live, 0);
	sl_session_release(&o.r->dp->sessions, o.s.slot);
	sl_reclaim_poll(o.r->dp->reclaim);
	sl_peer_stamps_clear(&o.r->dp->peers, ORDER_PEER);
	atomic_store(&peer->live, sl_peers_incarnation(&o.r->dp->peers));
	o.s = rig_session(o.r, ORDER_PEER, false, true);
	o.counter = 0;
	order_done(&o, 1, place);
	order_finish(&o);
	cr_expect_eq(o.came, 0);
	cr_expect_eq(rig_drops(o.r, SL_DROP_INTERFACE_DOWN), SL_BURST);
	sl_peer_totals(&o.r->dp->peers, ORDER_PEER, &totals);
	cr_expect_eq(totals.rx_bytes, 0, "the new peer has received nothing");
	order_feed(&o, SL_BURST);
	order_finish(&o);
	cr_expect_eq(o.came, SL_BURST);
	order_rig_destroy(&o);
}

Test(order, a_removed_interfaces_messages_end)
{
	order_rig_create(&o, 2, 1);
	order_until_on(&o);
	o.came = 0;
	order_feed(&o, SL_BURST);
	sl_dataplane_clear_if(o.r->dp, RIG_WG0);
	sl_reclaim_poll(o.r->dp->reclaim);
	rig_run(o.r, 1);
	order_finish(&o);
	cr_expect_eq(o.came, 0);
	cr_expect_eq(rig_drops(o.r, SL_DROP_INTERFACE_DOWN), SL_BURST);
	rig_publish_if(o.r, RIG_WG0);
	order_rig_destroy(&o);
}

Test(order, a_worker_that_stops_takes_everything_back)
{
	order_rig_create(&o, 2, 1);
	order_until_on(&o);
	order_feed(&o, 3 * SL_BURST);
	sl_order_stop(o.owner);
	order_finish(&o);
	cr_expect_eq(o.came, o.fed);
	cr_expect(!o.order->on);
	cr_expect(!atomic_load(&o.order->available));
	sl_order_stop(o.r->dp->workers[1]);
	rig_run(o.r, 1);
	cr_expect(!atomic_load(&o.r->dp->workers[1]->order->available), "nor does it offer help");
	order_rig_destroy(&o);
}

Test(order, a_worker_destroyed_frees_what_is_out)
{
	order_rig_create(&o, 2, 1);
	order_until_on(&o);
	order_feed(&o, 3 * SL_BURST);
	order_claim(&o, 1);
	cr_expect_gt(o.s.s->held, 0);
	order_collect(&o);
	sl_worker_destroy(o.owner);
	cr_expect_eq(o.s.s->held, 0);
	cr_expect_eq(rte_mempool_in_use_count(o.r->dp->pool), 0);
	o.r->dp->n_workers = 2;
	sl_worker_destroy(o.r->dp->workers[1]);
	o.r->dp->n_workers = 0;
	rig_destroy(o.r);
	free(o.seen);
}

/* One sleeper, woken once however much is handed out until it could be there; nobody is woken who is awake. */
Test(order, a_sleeping_helper_is_woken_once)
{
	struct sl_waker *waker;
	uint64_t wakes = 0;

	order_rig_create(&o, 2, 1);
	order_until_on(&o);
	waker = &o.r->dp->workers[1]->waker;
	order_feed(&o, 4 * SL_BURST);
	cr_expect_neq(read(waker->fd, &wakes, sizeof(wakes)), (ssize_t)sizeof(wakes), "it was awake");
	sl_waker_doze(waker);
	o.r->now += SL_NSEC_PER_MSEC / 2;
	order_feed(&o, 4 * SL_BURST);
	cr_expect_eq(read(waker->fd, &wakes, sizeof(wakes)), (ssize_t)sizeof(wakes));
	cr_expect_eq(wakes, 1);
	cr_expect(sl_order_wanted(o.r->dp->workers[1]), "what it would have found at its last look");
	sl_waker_rise(waker);
	order_finish(&o);
	cr_expect(!sl_order_wanted(o.r->dp->workers[1]));
	order_rig_destroy(&o);
}
