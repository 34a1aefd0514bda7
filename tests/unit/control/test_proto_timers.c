/* Every timer of protocol.md section 5 but keepalives, to the nanosecond on a virtual clock. Node 0 is looked at. */
#include "crypto/wipe.h"
#include "pair.h"

TestSuite(proto_timers, .init = pair_setup, .fini = pair_teardown);

/* --- 27, 28: rekey --- */

Test(proto_timers, p27_initiator_rekeys_when_sending_at_120_s)
{
	uint64_t born = connect(0);

	sim_run(&sim, born + 120 * SIM_S - 1);
	sim_send(&sim, 0);
	cr_assert_eq(initiations(0), 0);
	sim_run(&sim, born + 120 * SIM_S);
	cr_assert_eq(initiations(0), 0, "not without sending");
	sim_send(&sim, 0);
	cr_assert_eq(initiations(0), 1);
	cr_assert_eq(data(0), 2, "data goes out on the old session meanwhile");
}

Test(proto_timers, p27_responder_does_not)
{
	uint64_t born = connect(1);

	sim_run(&sim, born + 170 * SIM_S);
	sim_send(&sim, 0);
	cr_assert_eq(initiations(0), 0);
}

Test(proto_timers, p27_after_2_60_messages_in_either_role)
{
	for (unsigned initiator = 0; initiator < 2; initiator++) {
		struct sl_session *s;

		connect(initiator);
		sim_run_for(&sim, 6 * SIM_S); /* past the 5 s rule */
		sim_forget_events(&sim);
		s = sl_sessions_current(a->peer);
		sl_sender_set_counter(s->sender, UINT64_C(1) << 60);
		sl_proto_facts(a->core, a->peer->slot, SL_FACT_REKEY_SEND, sim.now);
		cr_assert_eq(initiations(0), 0, "2^60 itself is not more");
		sim_send(&sim, 0); /* takes 2^60 */
		sim_send(&sim, 0); /* takes the first above */
		cr_assert_eq(initiations(0), 1);
		sim_run_for(&sim, 10 * SIM_S);
	}
}

Test(proto_timers, p28_initiator_rekeys_once_when_receiving_at_165_s)
{
	uint64_t born = connect(0);

	exchange();
	sim_run(&sim, born + 165 * SIM_S - 1);
	sim.link.cut = true; /* what we send is lost, b's packets are put in by hand */
	sim_forget_events(&sim);
	sim_send(&sim, 1);
	sim_deliver(&sim, 0, sim_last(&sim, SIM_SENT, 1, SL_MSG_DATA)->data, 48, NULL);
	cr_assert_eq(initiations(0), 0);
	sim_run(&sim, born + 165 * SIM_S);
	for (unsigned i = 0; i < 3; i++) {
		sim_send(&sim, 1);
		sim_deliver(&sim, 0, sim_last(&sim, SIM_SENT, 1, SL_MSG_DATA)->data, 48, NULL);
		cr_assert_eq(initiations(0), 1);
	}
	cr_assert(atomic_load(&sl_sessions_current(a->peer)->facts) & SL_SESSION_REKEY_SENT);
	/* The 5 s rule would let another one go; the timer's own is still to come, by its jitter. */
	sim_run(&sim, born + 170 * SIM_S);
	sl_proto_facts(a->core, a->peer->slot, SL_FACT_REKEY_RECEIVE, sim.now);
	cr_assert_eq(initiations(0), 1);
}

Test(proto_timers, p28_responder_does_not)
{
	uint64_t born = connect(1);

	exchange();
	sim_run(&sim, born + 170 * SIM_S);
	sim_forget_events(&sim);
	sim.link.cut = true;
	sim_send(&sim, 1);
	sim_deliver(&sim, 0, sim_last(&sim, SIM_SENT, 1, SL_MSG_DATA)->data, 48, NULL);
	cr_assert_eq(initiations(0), 0);
}

Test(proto_timers, p24_nothing_is_sent_from_180_s_on)
{
	uint64_t born = connect(1);

	sim_run(&sim, born + 180 * SIM_S - 1);
	sim.link.cut = true; /* b would rekey otherwise */
	sim_send(&sim, 0);
	cr_assert_eq(data(0), 1);
	cr_assert_eq(initiations(0), 0);
	sim_run(&sim, born + 180 * SIM_S);
	sim_forget_events(&sim);
	sim_send(&sim, 0);
	cr_assert_eq(data(0), 0);
	cr_assert_eq(initiations(0), 1);
	cr_assert_eq(a->n_staged, 1);
}

/* A fact that was raised for an earlier session says nothing about the present one. */
Test(proto_timers, p27_p28_facts_are_checked)
{
	uint64_t born = connect(1);

	sim.link.cut = true;
	sim_run(&sim, born + 170 * SIM_S);
	sl_proto_facts(a->core, a->peer->slot, SL_FACT_REKEY_SEND | SL_FACT_REKEY_RECEIVE, sim.now);
	cr_assert_eq(initiations(0), 0, "a responder's session");
	sl_proto_facts(b->core, b->peer->slot, SL_FACT_REKEY_RECEIVE, sim.now);
	cr_assert_eq(initiations(1), 1, "the initiator's");
}

/* A fact that comes early, as from a worker whose pass began later than ours, is judged by our time. */
Test(proto_timers, p27_facts_come_in_their_time)
{
	uint64_t born = connect(0);

	sim.link.cut = true;
	sim_run(&sim, born + 120 * SIM_S - 1);
	sl_proto_facts(a->core, a->peer->slot, SL_FACT_REKEY_SEND, sim.now);
	cr_assert_eq(initiations(0), 0);
	sim_run(&sim, born + 120 * SIM_S);
	sl_proto_facts(a->core, a->peer->slot, SL_FACT_REKEY_SEND, sim.now);
	cr_assert_eq(initiations(0), 1);
}

/* --- 29: retransmission and giving up --- */

Test(proto_timers, p29_retransmits_every_5_s_and_gives_up_after_20)
{
	uint64_t last = 0;
	bool jitter_differs = false;

	sim.link.cut = true;
	sim_send(&sim, 0);
	cr_assert_eq(time_of(SIM_SENT, 0, SL_MSG_INITIATION, 0), sim.now, "at once");
	sim_run_for(&sim, 300 * SIM_S);
	cr_assert_eq(initiations(0), 20);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t at = time_of(SIM_SENT, 0, SL_MSG_INITIATION, i);

		if (i > 0) {
			cr_assert_geq(at - last, 5 * SIM_S);
			cr_assert_leq(at - last, 5 * SIM_S + JITTER);
			jitter_differs |= at - last != time_of(SIM_SENT, 0, SL_MSG_INITIATION, 1) - SIM_START;
		}
		last = at;
	}
	cr_assert(jitter_differs);
	cr_assert_eq(sim_count(&sim, SIM_PURGE, 0, 0), 1);
	cr_assert_geq(time_of(SIM_PURGE, 0, 0, 0), last + 5 * SIM_S);
	cr_assert_leq(time_of(SIM_PURGE, 0, 0, 0), last + 5 * SIM_S + JITTER);
	cr_assert_eq(a->n_staged, 0);
	cr_assert_eq(sl_proto_peer_failures(a->peer)->count[SL_FAILURE_NO_ANSWER], 2, "told after three, and when giving up");
}

Test(proto_timers, p29_a_new_request_sets_the_count_back)
{
	sim.link.cut = true;
	sim_send(&sim, 0);
	sim_run_for(&sim, 90 * SIM_S);
	sim_send(&sim, 0); /* suppressed by the 5 s rule or not: the count is 0 again */
	sim_forget_events(&sim);
	sim_run_for(&sim, 300 * SIM_S);
	cr_assert_eq(initiations(0), 19, "with the one that was out, 20");
}

/* Only the count, not the timer: the try under way keeps its time. */
Test(proto_timers, p29_even_a_suppressed_request_sets_the_count_back)
{
	sim.link.cut = true;
	sim_send(&sim, 0);
	sim_run_for(&sim, 11 * SIM_S);
	cr_assert_eq(a->peer->handshake->sends, 3);
	cr_assert_lt(sim.now - a->peer->last_sent, 5 * SIM_S);
	sim_send(&sim, 0);
	cr_assert_eq(initiations(0), 3);
	cr_assert_eq(a->peer->handshake->sends, 1, "the one that is out is the first");
	sim_forget_events(&sim);
	sim_run_for(&sim, 300 * SIM_S);
	cr_assert_eq(initiations(0), 19);
}

/* Data came after the last try: the keepalive for it goes with the tries, the session is there and could carry it. */
Test(proto_timers, p29_giving_up_cancels_the_passive_keepalive)
{
	struct sim_event data_of_b;
	uint64_t last;

	connect(0);
	exchange();
	sim_run_for(&sim, 30 * SIM_S);
	sim.link.cut = true;
	sim_forget_events(&sim);
	sim_send(&sim, 1);
	data_of_b = *sim_last(&sim, SIM_SENT, 1, SL_MSG_DATA);
	sim_initiate(&sim, 0);
	while (initiations(0) < 20)
		sim_run_for(&sim, SIM_S / 10);
	last = time_of(SIM_SENT, 0, SL_MSG_INITIATION, 19);
	sim_run(&sim, last + 2 * SIM_S);
	sim_forget_events(&sim);
	sim_deliver(&sim, 0, data_of_b.data, data_of_b.len, NULL);
	cr_assert_eq(a->delivered, 2);
	sim_run(&sim, last + 30 * SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_PURGE, 0, 0), 1);
	cr_assert(sl_sessions_sendable(a->peer, sim.now));
	cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 0);
}

/* Zeroing that counts from a session is not put off. */
Test(proto_timers, p29_giving_up_leaves_pending_zeroing)
{
	uint64_t born = connect(0);

	sim.link.cut = true;
	sim_run(&sim, born + 200 * SIM_S);
	sim_send(&sim, 0);
	sim_run(&sim, born + 540 * SIM_S - 1);
	cr_assert_eq(sim_count(&sim, SIM_PURGE, 0, 0), 1, "it gave up");
	cr_assert(a->sessions.reserved != 0);
	sim_run(&sim, born + 540 * SIM_S);
	cr_assert_eq(a->sessions.reserved, 0);
}

Test(proto_timers, p29_an_answer_ends_it)
{
	connect(0);
	sim_run_for(&sim, 60 * SIM_S);
	cr_assert_eq(initiations(0), 0);
	cr_assert_eq(sl_proto_peer_failures(a->peer)->count[SL_FAILURE_NO_ANSWER], 0);
}

/* --- 30: new handshake --- */

Test(proto_timers, p30_15_s_after_the_first_unanswered_data)
{
	uint64_t sent;

	connect(0);
	exchange();
	sim_run_for(&sim, 30 * SIM_S);
	sim.link.cut = true;
	sim_forget_events(&sim);
	sent = sim.now;
	for (unsigned s = 0; s < 14; s++) { /* later ones do not put it off */
		sim_send(&sim, 0);
		sim_run_for(&sim, SIM_S);
	}
	sim_run(&sim, sent + 15 * SIM_S - 1);
	cr_assert_eq(initiations(0), 0);
	sim_run(&sim, sent + 15 * SIM_S + JITTER);
	cr_assert_eq(initiations(0), 1);
}

Test(proto_timers, p30_keepalives_do_not_count)
{
	connect(0);
	exchange();
	sim_run_for(&sim, 30 * SIM_S);
	sim.link.cut = true;
	sl_proto_peer_set_keepalive(a->peer, 3, sim.now);
	sim_forget_events(&sim);
	sim_run_for(&sim, 60 * SIM_S);
	cr_assert_geq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 20);
	cr_assert_eq(initiations(0), 0);
}

Test(proto_timers, p30_anything_authentic_cancels)
{
	connect(0);
	exchange();
	sim_run_for(&sim, 30 * SIM_S);
	sim.link.cut = true;
	sim_forget_events(&sim);
	sim_send(&sim, 0);
	sim_run_for(&sim, 14 * SIM_S);
	sim.link.cut = false;
	b->ifp->core->ops->keepalive(b, b->peer->slot);
	sim_run_for(&sim, 1);
	sim.link.cut = true;
	sim_run_for(&sim, 60 * SIM_S);
	cr_assert_eq(initiations(0), 0);
}

/* The first to be sent after a receive counts, not the receive (section 9). */
Test(proto_timers, bug_rekey_clock_counts_from_the_send_not_the_receive)
{
	uint64_t sent;

	connect(0);
	exchange();
	sim_run_for(&sim, 100 * SIM_S);
	sim.link.cut = true;
	sim_forget_events(&sim);
	sim_send(&sim, 0);
	sent = sim.now;
	sim_run(&sim, sent + 15 * SIM_S - 1);
	cr_assert_eq(initiations(0), 0);
	sim_run(&sim, sent + 15 * SIM_S + JITTER);
	cr_assert_eq(initiations(0), 1);
}

/* Still nothing: the next data after it starts it anew. */
Test(proto_timers, p30_again_for_data_after_it)
{
	uint64_t first, again;

	connect(0);
	exchange();
	sim.link.cut = true;
	sim_forget_events(&sim);
	sim_send(&sim, 0);
	sim_run_for(&sim, 16 * SIM_S);
	cr_assert_eq(initiations(0), 1);
	first = a->peer->unanswered.floor;
	sim_send(&sim, 0);
	again = sim.now;
	sim_run(&sim, again + 15 * SIM_S - 1);
	cr_assert_eq(a->peer->unanswered.floor, first);
	sim_run(&sim, again + 15 * SIM_S + JITTER);
	cr_assert_gt(a->peer->unanswered.floor, first);
}

/* The second time, too, it is the first data that counts, however much follows it. */
Test(proto_timers, p30_again_15_s_after_the_first_data_after_it)
{
	uint64_t first, again;

	connect(0);
	exchange();
	sim.link.cut = true;
	sim_forget_events(&sim);
	for (unsigned i = 0; i < 60; i++) {
		sim_send(&sim, 0);
		sim_run_for(&sim, SIM_S / 4);
	}
	while (a->peer->unanswered.floor == 0)
		sim_run_for(&sim, SIM_MS);
	first = a->peer->unanswered.floor;
	again = sim.now;
	for (unsigned i = 0; i < 56; i++) {
		sim_send(&sim, 0);
		sim_run_for(&sim, SIM_S / 4);
	}
	sim_run(&sim, again + 15 * SIM_S - 1);
	cr_assert_eq(a->peer->unanswered.floor, first);
	sim_run(&sim, again + 15 * SIM_S + JITTER);
	cr_assert_gt(a->peer->unanswered.floor, first);
}

/* --- 32: zeroing --- */

static bool
any_session(const struct sim_node *node)
{
	return node->sessions.reserved != 0;
}

Test(proto_timers, p32_540_s_after_the_last_session)
{
	static const uint8_t zero[SL_KEY_LEN];
	uint64_t born = connect(0);
	uint32_t slot = a->peer->sessions[SL_SESSION_CURRENT].slot;
	const struct sl_sender *sender = a->sessions.slots[slot].sender;

	sim_run(&sim, born + 540 * SIM_S - 1);
	cr_assert(any_session(a));
	cr_assert(!sl_is_zero(sender->key, SL_KEY_LEN));
	cr_assert_not_null(a->peer->handshake);
	sim_run(&sim, born + 540 * SIM_S);
	cr_assert_not(any_session(a));
	cr_assert_not(any_session(b));
	cr_assert_null(a->peer->handshake);
	cr_assert_eq(atomic_load(&a->peers.slots[a->peer->slot].current), 0);
	sl_reclaim_drain(&a->reclaim);
	cr_assert_arr_eq(sender->key, zero, SL_KEY_LEN);
	cr_assert_arr_eq(a->sessions.slots[slot].recv_key, zero, SL_KEY_LEN);
	cr_assert_eq(sl_proto_next(a->core), UINT64_MAX, "an idle peer has no timer");
}

Test(proto_timers, p32_counts_from_the_last_session)
{
	uint64_t born = connect(0), second;

	sim_run(&sim, born + 400 * SIM_S);
	second = connect(0);
	sim_run(&sim, second + 540 * SIM_S - 1);
	cr_assert(any_session(a));
	sim_run(&sim, second + 540 * SIM_S);
	cr_assert_not(any_session(a));
}

Test(proto_timers, p32_armed_by_giving_up)
{
	uint64_t gave_up;

	sim.link.cut = true;
	sim_send(&sim, 0);
	sim_run_for(&sim, 120 * SIM_S);
	gave_up = time_of(SIM_PURGE, 0, 0, 0);
	sim_run(&sim, gave_up + 540 * SIM_S - 1);
	cr_assert_not_null(a->peer->handshake);
	sim_run(&sim, gave_up + 540 * SIM_S);
	cr_assert_null(a->peer->handshake);
	cr_assert_not(any_session(a));
}

/* --- 34: one initiation in 5 s --- */

Test(proto_timers, p34_one_initiation_in_5_s)
{
	uint64_t first = sim.now;

	sim.link.cut = true;
	sl_handshake_request(a->peer, first);
	sl_handshake_request(a->peer, first + 5 * SIM_S - 1);
	cr_assert_eq(initiations(0), 1);
	sl_handshake_request(a->peer, first + 5 * SIM_S);
	cr_assert_eq(initiations(0), 2);
}

Test(proto_timers, p34_a_response_counts_too)
{
	uint64_t answered = connect(1);

	sim.link.cut = true;
	sl_handshake_request(a->peer, answered + 5 * SIM_S - 1);
	cr_assert_eq(initiations(0), 0);
	sl_handshake_request(a->peer, answered + 5 * SIM_S);
	cr_assert_eq(initiations(0), 1);
}

/* --- 35 --- */

Test(proto_timers, p35_latest_handshake)
{
	sim.link.delay_min = sim.link.delay_max = 2 * SIM_S;
	sim_initiate(&sim, 0);
	sim_run(&sim, SIM_START + 3 * SIM_S);
	cr_assert_eq(b->peer->latest_handshake.tv_sec, 0, "not when the response is sent");
	sim_run(&sim, SIM_START + 5 * SIM_S);
	cr_assert_eq((uint64_t)a->peer->latest_handshake.tv_sec, SIM_WALL + 1000 + 4);
	cr_assert_eq(b->peer->latest_handshake.tv_sec, 0);
	sim_run(&sim, SIM_START + 7 * SIM_S);
	cr_assert_eq((uint64_t)b->peer->latest_handshake.tv_sec, SIM_WALL + 1000 + 6);
}

/* --- watching --- */

Test(proto_timers, quiet_peers_are_not_watched)
{
	connect(0);
	exchange();
	cr_assert_eq(atomic_load(&a->peers.slots[a->peer->slot].watched), 1);
	sim_run_for(&sim, 25 * SIM_S); /* b's passive keepalive comes after 10 s */
	cr_assert_eq(atomic_load(&a->peers.slots[a->peer->slot].watched), 0);
	sim_send(&sim, 0);
	cr_assert_eq(atomic_load(&a->peers.slots[a->peer->slot].watched), 1);
}

/* A worker stamped just as the watch was given up, and saw it still there: noticed all the same. */
Test(proto_timers, a_stamp_in_the_gap_is_noticed)
{
	uint64_t stamped;

	connect(0);
	exchange();
	sim_run_for(&sim, 11 * SIM_S); /* b's passive keepalive has come */
	sim.link.cut = true;
	while (atomic_load(&a->peers.slots[a->peer->slot].watched))
		sim_run_for(&sim, SIM_S / 10);
	sim_forget_events(&sim);
	stamped = sim.now;
	sl_peer_stamp_sent(&a->peers, 0, a->peer->slot, stamped, 48, true); /* and no ACTIVE */
	sim_run(&sim, stamped + 15 * SIM_S - 1);
	cr_assert_eq(initiations(0), 0);
	sim_run(&sim, stamped + 15 * SIM_S + JITTER);
	cr_assert_eq(initiations(0), 1);
}
