/*
 * Sending halves: which place a session gets, complete before it is named, and when its key goes and the place is free again.
 */
#include "dataplane/sender.h"

#include <signal.h>

#include "tests/unit/dataplane/sender_rig.h"
#include "tests/unit/dataplane/step.h"

TestSuite(sender, .init = sender_setup, .fini = sender_teardown);

Test(sender, two_places_then_its_own)
{
	uint32_t slots[4], other;

	for (uint32_t i = 0; i < 4; i++) {
		slots[i] = publish(PEER, 100 + i, 1000);
		cr_expect_eq(place_of(slots[i]), i < 2 ? i : 2, "session %u", i);
	}
	other = publish(PEER + 1, 200, 1000);
	cr_expect_eq(place_of(other), 0, "another peer's places are others");
	for (uint32_t i = 0; i < 4; i++) {
		cr_expect(has_key(table.slots[slots[i]].sender, 100 + i));
		cr_expect_eq(sl_sender_counter(table.slots[slots[i]].sender), SL_REJECT_AFTER_MESSAGES - 1000);
	}
}

/* A place whose counters have run out, or past their end, is its session's nevertheless. */
Test(sender, without_counters_a_place_is_taken)
{
	uint32_t first = publish(PEER, 1, 0), second = publish(PEER, 2, 1);

	cr_expect_eq(sl_sender_take(table.slots[second].sender, 3), SL_REJECT_AFTER_MESSAGES - 1);
	cr_expect_eq(sl_sender_counter(table.slots[second].sender), SL_REJECT_AFTER_MESSAGES + 2);
	cr_expect_eq(place_of(publish(PEER, 3, 1)), 2);
	cr_expect(has_key(table.slots[first].sender, 1));
	cr_expect(has_key(table.slots[second].sender, 2));
}

/* Memory that nobody has written is no sending half: the counter in it is the first that may not be used. */
Test(sender, p25_zeros_have_no_counter)
{
	struct sl_sender s = {0};

	cr_expect_eq(sl_sender_counter(&s), SL_REJECT_AFTER_MESSAGES);
	cr_expect_eq(sl_sender_take(&s, 64), SL_REJECT_AFTER_MESSAGES);
	cr_expect_gt(sl_sender_counter(&s), SL_REJECT_AFTER_MESSAGES);
	sl_sender_set_counter(&s, 0);
	cr_expect_eq(sl_sender_take(&s, 2), 0);
	cr_expect_eq(sl_sender_counter(&s), 2);
}

Test(sender, p10_a_retired_key_goes_after_the_workers)
{
	/* In the peer's places and in the session's own. */
	for (unsigned place = 0; place <= SL_PEER_SENDERS; place++) {
		uint32_t slot = publish(PEER, 100 + place, 1000);
		struct sl_session *s = &table.slots[slot];
		struct sl_sender *sender = s->sender;

		cr_assert_eq(place_of(slot), place);
		sl_sender_set_counter(sender, 17);
		begin_pass(0);
		sl_session_retire(&table, slot);
		sl_session_retire(&table, slot);
		cr_expect_eq(reclaim.pending, 1, "once");
		grace();
		cr_expect(has_key(sender, 100 + place), "a worker may be sealing by it");
		cr_expect_eq(sl_sender_counter(sender), 17);
		cr_expect_eq(s->sender, sender);
		rte_rcu_qsbr_quiescent(rcu, 0);
		grace();
		cr_expect(is_free(sender));
		cr_expect_eq(place_of(slot), 2);
		cr_expect(is_free(s->sender));
		cr_expect_eq(sl_session_id(&table, slot), sl_index_open(&table.key, s->index), "it goes on receiving");
		cr_expect_eq(s->recv_key[0], 0x77);
		sl_session_retire(&table, slot);
		cr_expect_eq(reclaim.pending, 0, "what has ended does not end again");
		rte_rcu_qsbr_thread_offline(rcu, 0);
		if (place < SL_PEER_SENDERS)
			cr_assert_eq(place_of(publish(PEER, 200 + place, 1000)), place, "free again");
	}
}

/*
 * Retiring and releasing in any order and at any distance: r: retire, l: release, p: poll, q: the worker reports. Whatever
 * comes, the key stays until the worker has reported after the first of the two, and then place and slot return once.
 */
Test(sender, retired_and_released)
{
	static const struct {
		const char *steps;
		bool place_free, slot_free; /* after them */
	} cases[] = {
		{"r", false, false},
		{"rp", false, false},
		{"rqp", false, false}, /* the token came after the report */
		{"rpqp", true, false},
		{"l", false, false},
		{"lp", false, false},
		{"lpqp", true, true},
		{"rl", false, false},
		{"rlp", false, false},
		{"rlpqp", true, true},
		{"rpl", false, false},
		{"rplp", false, false},
		{"rplqp", true, false}, /* the release has no token yet */
		{"rplqpqp", true, true},
		{"rplpqp", true, true},
		{"rpqplp", true, false},
		{"rpqplpqp", true, true},
		{"rrlpqp", true, true},
		{"rpqprlpqp", true, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t slot = publish(PEER, 100, 1000), next, free = table.free;
		struct sl_sender *sender = table.slots[slot].sender;

		begin_pass(0);
		cr_assert_eq(place_of(slot), 0);
		for (const char *c = cases[i].steps; *c; c++) {
			if (*c == 'r')
				sl_session_retire(&table, slot);
			else if (*c == 'l')
				sl_session_release(&table, slot);
			else if (*c == 'p')
				sl_reclaim_poll(&reclaim);
			else
				rte_rcu_qsbr_quiescent(rcu, 0);
			cr_assert(is_free(sender) ||
					(has_key(sender, 100) && sl_sender_counter(sender) == SL_REJECT_AFTER_MESSAGES - 1000),
				"%s", cases[i].steps);
		}
		cr_expect_eq(is_free(sender), cases[i].place_free, "place after %s", cases[i].steps);
		cr_expect_eq(table.free - free, cases[i].slot_free, "slot after %s", cases[i].steps);
		next = publish(PEER, 101, 1000);
		cr_expect_eq(place_of(next), cases[i].place_free ? 0 : 1, "the next session after %s", cases[i].steps);
		rte_rcu_qsbr_thread_offline(rcu, 0);
		if (!strchr(cases[i].steps, 'l'))
			sl_session_release(&table, slot);
		grace();
		cr_expect(has_key(table.slots[next].sender, 101), "the old session leaves alone what is no longer its own");
		sl_session_release(&table, next);
		grace();
		grace();
		cr_expect_eq(reclaim.pending, 0);
		cr_expect_eq(table.free, table.used, "after %s", cases[i].steps);
		cr_expect(is_free(sl_peer_sender(&peers, PEER, 0)) && is_free(sl_peer_sender(&peers, PEER, 1)));
	}
}

/* Messages that a released session was found for keep its receiving half, and no more. */
Test(sender, messages_on_their_way_do_not_keep_the_place)
{
	uint32_t slot = publish(PEER, 100, 1000), next;
	struct sl_session *s = &table.slots[slot];

	sl_session_hold(s);
	sl_session_release(&table, slot);
	grace();
	cr_expect(is_free(sl_peer_sender(&peers, PEER, 0)));
	cr_expect_eq(s->recv_key[0], 0x77);
	cr_expect_eq(table.free, 0);
	next = publish(PEER, 101, 1000);
	cr_expect_eq(place_of(next), 0);
	for (unsigned i = 0; i < 5; i++)
		grace(); /* the old session is asked again */
	cr_expect(has_key(sl_peer_sender(&peers, PEER, 0), 101), "it does not wipe another's place");
	sl_session_let_go(s);
	grace();
	cr_expect(sl_is_zero(s->recv_key, SL_KEY_LEN));
	cr_expect_eq(table.free, 1);
	cr_expect(has_key(sl_peer_sender(&peers, PEER, 0), 101));
}

/* A peer's slot that another peer has got shares no place with the sessions of the one before. */
Test(sender, a_peer_slot_used_again)
{
	uint32_t old[2] = {publish(PEER, 100, 1000), publish(PEER, 101, 1000)}, new;

	begin_pass(0);
	for (unsigned i = 0; i < 2; i++)
		sl_session_release(&table, old[i]);
	sl_reclaim_poll(&reclaim);
	atomic_store(&peers.slots[PEER].live, sl_peers_incarnation(&peers));
	new = publish(PEER, 300, 1000);
	cr_expect_eq(place_of(new), 2, "a worker may still be sealing by both");
	for (unsigned i = 0; i < 2; i++)
		cr_expect(has_key(sl_peer_sender(&peers, PEER, i), 100 + i));
	rte_rcu_qsbr_quiescent(rcu, 0);
	sl_reclaim_poll(&reclaim);
	cr_expect(has_key(table.slots[new].sender, 300));
	cr_expect_eq(place_of(new), 2, "it stays where it is");
	cr_expect_eq(place_of(publish(PEER, 301, 1000)), 0);
}

/* --- publishing, looked at between any two instructions of it --- */

static uint32_t watched;
static unsigned steps, found, incomplete;

static void
look(int signal)
{
	uint32_t current = atomic_load(&peers.slots[PEER].current);
	const struct sl_session *s = current ? sl_session_find_opened(&table, current) : NULL;
	const struct sl_session *live = &table.slots[watched];

	(void)signal;
	steps++;
	if (s == NULL && atomic_load(&live->live) != SL_SESSION_NONE)
		s = live;
	if (s == NULL)
		return;
	found++;
	incomplete += !has_key(s->sender, 500) || sl_sender_counter(s->sender) != 3;
}

Test(sender, bug_nonce_reuse_nothing_is_named_before_it_is_complete)
{
	struct sl_session_keys keys = {.created = 5, .send_counter = 3};
	struct sigaction action = {.sa_handler = look}, before;

	key_of(keys.send, 500);
	cr_assert_eq(sigaction(SIGTRAP, &action, &before), 0);
	for (unsigned place = 0; place <= SL_PEER_SENDERS; place++) {
		watched = sl_session_reserve(&table, PEER, 0);
		atomic_store(&peers.slots[PEER].current, 0);
		steps = found = 0;
		step(true);
		sl_session_publish(&table, watched, &keys);
		atomic_store_explicit(&peers.slots[PEER].current, sl_session_id(&table, watched), memory_order_release);
		step(false);
		cr_assert_eq(place_of(watched), place);
		cr_expect_gt(steps, 50, "the thread was stepped");
		cr_expect_gt(found, 0, "the last steps saw it");
		cr_expect_eq(incomplete, 0, "place %u", place);
	}
	sigaction(SIGTRAP, &before, NULL);
}
