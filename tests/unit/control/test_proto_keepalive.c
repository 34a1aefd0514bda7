/* Keepalives (protocol.md 31, 33), to the nanosecond on a virtual clock. Node 0 is looked at. */
#include "pair.h"

TestSuite(proto_keepalive, .init = pair_setup, .fini = pair_teardown);

/* --- 31: passive keepalive --- */

static uint64_t
receive_one(void)
{
	sim_forget_events(&sim);
	sim_send(&sim, 1);
	sim_run_for(&sim, 1);
	return sim.now - 1;
}

Test(proto_keepalive, p31_10_s_after_data_received)
{
	uint64_t got;

	connect(0);
	exchange();
	sim_run_for(&sim, 33 * SIM_S);
	got = receive_one();
	sim_run(&sim, got + 60 * SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 1);
	cr_assert_eq(time_of(SIM_KEEPALIVE, 0, 0, 0), got + 10 * SIM_S);
	cr_assert_eq(initiations(1), 0, "b has heard from us in time");
}

Test(proto_keepalive, p31_once_more_if_more_data_came)
{
	uint64_t got;

	connect(0);
	exchange();
	sim_run_for(&sim, 33 * SIM_S);
	got = receive_one();
	sim_run_for(&sim, 3 * SIM_S);
	sim_send(&sim, 1);
	sim_run(&sim, got + 90 * SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 2);
	cr_assert_eq(time_of(SIM_KEEPALIVE, 0, 0, 0), got + 10 * SIM_S);
	cr_assert_eq(time_of(SIM_KEEPALIVE, 0, 0, 1), got + 20 * SIM_S);
}

/* The second one, too: also by data that is sent just after the first. */
Test(proto_keepalive, p31_data_cancels_the_second)
{
	static const uint64_t after_ns[] = {0, 1, 50 * SIM_MS, SIM_S, 10 * SIM_S - 1};

	connect(0);
	exchange();
	for (unsigned i = 0; i < sizeof(after_ns) / sizeof(*after_ns); i++) {
		uint64_t got;

		sim_run_for(&sim, 33 * SIM_S);
		got = receive_one();
		sim_run_for(&sim, 3 * SIM_S);
		sim_send(&sim, 1);
		sim_run(&sim, got + 10 * SIM_S);
		cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 1);
		sim_run_for(&sim, after_ns[i]);
		sim_send(&sim, 0);
		sim_run(&sim, got + 21 * SIM_S);
		cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 1, "data %lu ns after the first", after_ns[i]);
	}
}

Test(proto_keepalive, p31_any_send_cancels)
{
	connect(0);
	exchange();
	sim_run_for(&sim, 33 * SIM_S);
	receive_one();
	sim_run_for(&sim, 9 * SIM_S);
	sim_send(&sim, 0);
	sim_run_for(&sim, 60 * SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 0);
}

Test(proto_keepalive, p31_a_keepalive_received_owes_nothing)
{
	connect(0);
	exchange();
	sim_run_for(&sim, 33 * SIM_S);
	sim_forget_events(&sim);
	b->ifp->core->ops->keepalive(b, b->peer->slot);
	sim_run_for(&sim, 60 * SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 0);
}

/* --- 33: persistent keepalive --- */

Test(proto_keepalive, p33_switching_on_sends_at_once)
{
	connect(0);
	sim_run_for(&sim, SIM_S);
	sl_proto_peer_set_keepalive(a->peer, 25, sim.now);
	sim_run_for(&sim, 0);
	cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 1);
	sl_proto_peer_set_keepalive(a->peer, 20, sim.now);
	sim_run_for(&sim, 0);
	cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 1, "changing it does not");
}

Test(proto_keepalive, p33_every_interval)
{
	static const uint16_t intervals[] = {1, 2, 25};

	connect(0);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t start;

		sl_proto_peer_set_keepalive(a->peer, 0, sim.now);
		sim_run_for(&sim, SIM_S);
		sl_proto_peer_set_keepalive(a->peer, intervals[i], sim.now);
		start = sim.now;
		sim_forget_events(&sim);
		sim_run_for(&sim, 2 * intervals[i] * SIM_S);
		cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 3, "interval %u", intervals[i]);
		for (unsigned k = 0; k < 3; k++)
			cr_assert_eq(time_of(SIM_KEEPALIVE, 0, 0, k), start + k * intervals[i] * SIM_S);
	}
}

Test(proto_keepalive, p33_any_packet_in_either_direction_puts_it_off)
{
	uint64_t last;

	connect(0);
	sl_proto_peer_set_keepalive(a->peer, 8, sim.now);
	sim_run_for(&sim, SIM_S);
	sim_forget_events(&sim);
	for (unsigned i = 0; i < 10; i++) {
		sim_send(&sim, i % 2);
		sim_run_for(&sim, 4 * SIM_S);
	}
	last = sim.now - 4 * SIM_S;
	cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 0);
	sim_run(&sim, last + 8 * SIM_S - 1);
	cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 0);
	sim_run(&sim, last + 8 * SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_KEEPALIVE, 0, 0), 1);
}

Test(proto_keepalive, p33_starts_a_handshake_without_a_session)
{
	sl_proto_peer_set_keepalive(a->peer, 10, sim.now);
	sim_run_for(&sim, 1);
	cr_assert(sim_connected(&sim));
	sim_run_for(&sim, 1000 * SIM_S);
	cr_assert(sim_connected(&sim), "and keeps one");
}

/* It stays after giving up and starts afresh. */
Test(proto_keepalive, p33_outlives_giving_up)
{
	sim.link.cut = true;
	sl_proto_peer_set_keepalive(a->peer, 200, sim.now);
	sim_run_for(&sim, 150 * SIM_S);
	cr_assert_eq(initiations(0), 20);
	sim.link.cut = false;
	sim_run_for(&sim, 200 * SIM_S);
	cr_assert(sim_connected(&sim));
}

Test(proto_keepalive, p33_waits_for_key_and_endpoint)
{
	static const struct sl_endpoint nowhere;
	static const uint8_t no_key[SL_KEY_LEN];

	sl_proto_if_set_key(a->ifp, no_key, sim.now);
	sl_proto_peer_set_endpoint(a->peer, &nowhere, sim.now);
	sl_proto_peer_set_keepalive(a->peer, 1, sim.now);
	sim_run_for(&sim, 10 * SIM_S);
	cr_assert_eq(initiations(0), 0);
	sl_proto_peer_set_endpoint(a->peer, &b->self, sim.now);
	sim_run_for(&sim, 10 * SIM_S);
	cr_assert_eq(initiations(0), 0);
	sl_proto_if_set_key(a->ifp, a->private_key, sim.now);
	sim_run_for(&sim, 0);
	cr_assert_eq(initiations(0), 1, "at once");
}

/* A key that was taken away and comes back is like one that comes: it does not wait for the interval. */
Test(proto_keepalive, p33_a_key_that_comes_starts_it)
{
	static const uint8_t no_key[SL_KEY_LEN];

	connect(0);
	sl_proto_peer_set_keepalive(a->peer, 200, sim.now);
	sim_run_for(&sim, SIM_S);
	sl_proto_if_set_key(a->ifp, no_key, sim.now);
	sim_run_for(&sim, SIM_S);
	sim_forget_events(&sim);
	sl_proto_if_set_key(a->ifp, a->private_key, sim.now);
	sim_run_for(&sim, 0);
	cr_assert_eq(initiations(0), 1);
}
