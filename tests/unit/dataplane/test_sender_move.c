/*
 * A session that is sent on moves to its peer's first place when that is free, and no counter is used twice meanwhile.
 */
#include "dataplane/sender.h"

#include <signal.h>

#include "tests/unit/dataplane/sender_rig.h"
#include "tests/unit/dataplane/step.h"

TestSuite(sender_move, .init = sender_setup, .fini = sender_teardown);

static void
make_current_of(uint32_t peer, uint32_t slot)
{
	atomic_store(&peers.slots[peer].current, sl_session_id(&table, slot));
}

/* Two sessions, the second sent on from its place, the first retired; a worker is in a pass that began before. */
static void
about_to_move(uint32_t slots[2])
{
	slots[0] = publish(PEER, 100, 1000);
	make_current_of(PEER, slots[0]);
	slots[1] = publish(PEER, 101, 1000);
	begin_pass(0);
	make_current_of(PEER, slots[1]);
	sl_session_retire(&table, slots[0]);
	sl_reclaim_poll(&reclaim);
	cr_assert_eq(place_of(slots[1]), 1);
}

static void
reported(void)
{
	rte_rcu_qsbr_quiescent(rcu, 0);
	sl_reclaim_poll(&reclaim);
}

Test(sender_move, the_session_that_is_sent_on_moves)
{
	struct sl_sender *first = sl_peer_sender(&peers, PEER, 0), *second = sl_peer_sender(&peers, PEER, 1);
	uint32_t slots[2], seq, next;

	about_to_move(slots);
	seq = atomic_load(&peers.slots[PEER].endpoint_seq);
	for (unsigned i = 0; i < 7; i++)
		sl_sender_take(second, 1);
	reported();
	cr_expect_eq(place_of(slots[1]), 0, "nobody seals by the first place any more");
	cr_expect(has_key(first, 101));
	cr_expect_eq(sl_sender_counter(first), SL_REJECT_AFTER_MESSAGES - 1000 + 7, "the counter goes on");
	cr_expect_eq(sl_sender_counter(second), SL_REJECT_AFTER_MESSAGES, "and is not to be had twice");
	cr_expect(has_key(second, 101), "a worker may be sealing by it");
	cr_expect_eq(atomic_load(&peers.slots[PEER].endpoint_seq), seq + 2, "kept ways are found anew");
	next = publish(PEER, 102, 1000);
	cr_expect_eq(place_of(next), 2, "so it is not free yet");
	sl_reclaim_poll(&reclaim);
	reported();
	cr_expect(is_free(second));
	cr_expect_eq(place_of(publish(PEER, 103, 1000)), 1);
	cr_expect_eq(place_of(next), 2);
	cr_expect_eq(sl_sender_counter(first), SL_REJECT_AFTER_MESSAGES - 1000 + 7);
	rte_rcu_qsbr_thread_offline(rcu, 0);
}

/* Only the session that is sent on moves, and counters that have run out stay so. */
Test(sender_move, what_moves)
{
	uint32_t first = publish(PEER, 100, 1000), second = publish(PEER, 101, 0), own = publish(PEER, 102, 1000);

	sl_session_retire(&table, first);
	grace();
	grace();
	cr_expect_eq(place_of(second), 1, "none is sent on");
	make_current_of(PEER, second);
	sl_session_retire(&table, own);
	grace();
	grace();
	cr_expect_eq(place_of(second), 0);
	sl_sender_take(table.slots[second].sender, 9);
	grace();
	first = publish(PEER, 103, 1000);
	cr_expect_eq(place_of(first), 1);
	own = publish(PEER, 104, 1000);
	make_current_of(PEER, own);
	sl_session_retire(&table, second);
	grace();
	grace();
	cr_expect_eq(place_of(own), 0, "from its own place too");
	cr_expect(is_free(&table.slots[own].own));
	cr_expect_eq(place_of(first), 1);
	make_current_of(PEER, first);
	sl_session_release(&table, own);
	grace();
	grace();
	cr_expect_eq(place_of(first), 0, "where the other was released, not retired");
	cr_expect_eq(sl_sender_counter(table.slots[first].sender), SL_REJECT_AFTER_MESSAGES - 1000);
}

Test(sender_move, counters_that_have_run_out_move_with_the_session)
{
	uint32_t slots[2];

	about_to_move(slots);
	cr_expect_lt(sl_sender_take(table.slots[slots[1]].sender, 1003), SL_REJECT_AFTER_MESSAGES);
	reported();
	cr_expect_eq(place_of(slots[1]), 0);
	cr_expect_eq(sl_sender_counter(table.slots[slots[1]].sender), SL_REJECT_AFTER_MESSAGES + 3);
	rte_rcu_qsbr_thread_offline(rcu, 0);
}

/* Retired and released at any time after it has moved, steps as above: both places return, once, and not too early. */
Test(sender_move, moved_and_retired_and_released)
{
	static const char *const cases[] = {"r", "l", "rl", "rpl", "rpqp", "rpqpl", "rplqp", "lpqp", "rpqplpqp", "pr", "pl", "prl",
		"pqprpqpl", "prpqpl", "pqpl", "pqprl", "qprqpl", "rqpqplqp"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_sender *first = sl_peer_sender(&peers, PEER, 0), *second = sl_peer_sender(&peers, PEER, 1);
		uint32_t slots[2], next;
		unsigned reports = 0;

		about_to_move(slots);
		reported();
		cr_assert_eq(place_of(slots[1]), 0);
		atomic_store(&peers.slots[PEER].current, 0);
		for (const char *c = cases[i]; *c; c++) {
			if (*c == 'r')
				sl_session_retire(&table, slots[1]);
			else if (*c == 'l')
				sl_session_release(&table, slots[1]);
			else if (*c == 'p')
				sl_reclaim_poll(&reclaim);
			else if (++reports)
				rte_rcu_qsbr_quiescent(rcu, 0);
			cr_assert(is_free(first) || has_key(first, 101), "%s", cases[i]);
			cr_assert(is_free(second) || has_key(second, 101), "%s", cases[i]);
			cr_assert(reports > 0 || (has_key(first, 101) && has_key(second, 101)), "%s: a worker holds both", cases[i]);
		}
		rte_rcu_qsbr_thread_offline(rcu, 0);
		if (!strchr(cases[i], 'l'))
			sl_session_release(&table, slots[1]);
		sl_session_release(&table, slots[0]);
		for (unsigned k = 0; k < 4; k++)
			grace();
		cr_expect_eq(reclaim.pending, 0);
		cr_expect_eq(table.free, table.used, "after %s", cases[i]);
		cr_expect(is_free(first) && is_free(second), "after %s", cases[i]);
		cr_expect_eq(peers.rest[PEER].taken, 0);
		next = publish(PEER, 200, 1000);
		cr_expect_eq(place_of(next), 0);
		sl_session_release(&table, next);
		grace();
	}
}

/*
 * Between any two instructions of the move a worker seals: by the place that it found before, by what that one's session says
 * where there is nothing left in it, and by what it finds now.
 */
static struct {
	const struct sl_session *session;
	struct sl_sender *found;
	uint8_t used[4096];
	unsigned took, in_vain, twice, wrong;
} between;

static void
take_between(struct sl_sender *place)
{
	uint64_t counter = sl_sender_counter(place);

	if (counter < SL_REJECT_AFTER_MESSAGES)
		counter = sl_sender_take(place, 1);
	if (counter >= SL_REJECT_AFTER_MESSAGES) {
		between.in_vain++;
		return;
	}
	between.took++;
	between.wrong += !has_key(place, 101);
	between.twice += between.used[counter]++ != 0;
}

static void
seal_between(int signal)
{
	(void)signal;
	take_between(between.found);
	take_between(between.session->sender);
}

Test(sender_move, bug_nonce_reuse_between_any_two_instructions_of_the_move)
{
	struct sigaction action = {.sa_handler = seal_between}, before;
	struct sl_session_keys keys = {.remote_index = 101, .created = 5};
	uint32_t old = publish(PEER, 100, 1000), slot = sl_session_reserve(&table, PEER, 0);

	key_of(keys.send, 101);
	sl_session_publish(&table, slot, &keys);
	make_current_of(PEER, slot);
	begin_pass(0);
	sl_session_retire(&table, old);
	sl_reclaim_poll(&reclaim);
	between.session = &table.slots[slot];
	between.found = between.session->sender;
	cr_assert_eq(place_of(slot), 1);
	cr_assert_eq(sigaction(SIGTRAP, &action, &before), 0);
	rte_rcu_qsbr_quiescent(rcu, 0);
	step(true);
	sl_reclaim_poll(&reclaim);
	step(false);
	sigaction(SIGTRAP, &before, NULL);
	cr_expect_eq(place_of(slot), 0);
	cr_expect_gt(between.took, 100, "%u", between.took);
	cr_expect_gt(between.in_vain, 0, "some came between closing and opening");
	cr_expect_eq(between.twice, 0, "counters used twice under one key: %u", between.twice);
	cr_expect_eq(between.wrong, 0, "sealed with another key: %u", between.wrong);
	cr_expect_eq(sl_sender_counter(between.session->sender), between.took);
	rte_rcu_qsbr_thread_offline(rcu, 0);
}
