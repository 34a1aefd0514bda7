/* What changes of an interface do to its peers: key, listen port, addresses, up and down (protocol.md 41, 43, 46). */
#include <errno.h>

#include <criterion/criterion.h>

#include "crypto/x25519.h"
#include "sim.h"

static struct sim sim;
static struct sim_node *a, *b;

static void
setup(void)
{
	sim_init(&sim, 99, true);
	a = &sim.nodes[0];
	b = &sim.nodes[1];
}

static void
teardown(void)
{
	sim_fini(&sim);
}

TestSuite(proto_interface, .init = setup, .fini = teardown);

static void
connect(void)
{
	sim_send(&sim, 0);
	sim_run_for(&sim, SIM_S);
	cr_assert(sim_connected(&sim));
	sim_forget_events(&sim);
}

static struct sl_outer
outer_of(const struct sim_node *node)
{
	struct sl_outer outer;

	sl_peer_outer_read(&node->peers, node->peer->slot, &outer);
	return outer;
}

/* b takes the other key of a in place of the first. */
static void
teach(const uint8_t public_key[SL_KEY_LEN])
{
	sl_proto_peer_remove(b->peer);
	cr_assert_eq(sl_proto_peer_add(b->ifp, public_key, NULL, sim.now, &b->peer), 0);
}

Test(proto_interface, p43_same_key_changes_nothing)
{
	uint8_t unclamped[SL_KEY_LEN];
	uint32_t generation = a->ifp->generation;

	connect();
	memcpy(unclamped, a->private_key, SL_KEY_LEN);
	unclamped[0] |= 7;
	sl_proto_if_set_key(a->ifp, unclamped, sim.now);
	cr_assert_eq(a->ifp->generation, generation);
	cr_assert(sim_connected(&sim));
}

Test(proto_interface, p43_another_key)
{
	uint8_t private_key[SL_KEY_LEN], public_key[SL_KEY_LEN];

	connect();
	sl_x25519_keypair(private_key, public_key, &sim.rng);
	sl_proto_if_set_key(a->ifp, private_key, sim.now);
	cr_assert_eq(atomic_load(&a->peers.slots[a->peer->slot].current), 0, "not sent on");
	cr_assert_not(sl_sessions_sendable(a->peer, sim.now));
	sim_send(&sim, 1);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(a->delivered, 1, "received on all the same");
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), 0, "no initiation without a cause");
	teach(public_key);
	sim_send(&sim, 0);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), 1, "and at once with one");
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(b->delivered, 1 + 1);
	cr_assert(sim_connected(&sim));
}

/* Within the 5 s of the last initiation too. */
Test(proto_interface, p43_the_5_s_stamp_is_reset)
{
	uint8_t private_key[SL_KEY_LEN], public_key[SL_KEY_LEN];

	sim.link.cut = true;
	sim_send(&sim, 0);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), 1);
	sl_x25519_keypair(private_key, public_key, &sim.rng);
	sl_proto_if_set_key(a->ifp, private_key, sim.now);
	cr_assert_eq(a->sessions.reserved, 0, "the handshake is gone");
	sim_run_for(&sim, 20 * SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), 1, "and not retransmitted");
	sim_send(&sim, 0);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), 2);
	sim_run_for(&sim, SIM_S);
	sl_proto_if_set_key(a->ifp, a->private_key, sim.now);
	sim_send(&sim, 0);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), 3, "1 s after the last");
}

Test(proto_interface, p43_a_peer_with_our_new_key_goes)
{
	cr_assert_eq(sl_proto_if_n_peers(a->ifp), 1);
	sl_proto_if_set_key(a->ifp, b->private_key, sim.now);
	cr_assert_eq(sl_proto_if_n_peers(a->ifp), 0);
	cr_assert_null(sl_proto_peer_find(a->ifp, b->public_key));
	a->peer = NULL;
}

Test(proto_interface, p43_no_key_no_word)
{
	static const uint8_t no_key[SL_KEY_LEN];

	connect();
	sl_proto_if_set_key(a->ifp, no_key, sim.now);
	cr_assert_not(sl_proto_if_identity(a->ifp)->valid);
	sim_send(&sim, 0);
	sim_run_for(&sim, 20 * SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, 0), 0);
	sim_initiate(&sim, 1);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, 0), 0);
}

/* A change of key while its pass over the peers is still to come: nothing of the old key is used. */
Test(proto_interface, p43_many_peers)
{
	uint8_t key[SL_KEY_LEN], private_key[SL_KEY_LEN], public_key[SL_KEY_LEN];
	struct sl_proto_peer *peer;

	for (unsigned i = 0; i < SIM_PEERS - 1; i++) {
		sl_rng_bytes(&sim.rng, key, sizeof(key));
		cr_assert_eq(sl_proto_peer_add(a->ifp, key, NULL, sim.now, &peer), 0);
	}
	sl_x25519_keypair(private_key, public_key, &sim.rng);
	sl_proto_if_set_key(a->ifp, private_key, sim.now);
	sim_run_for(&sim, 1);
	cr_assert_eq(a->core->passes, 0);
	for (peer = a->ifp->first; peer; peer = peer->list_next)
		cr_assert_eq(peer->generation, a->ifp->generation);
}

/* What is confirmed after the change was derived before it: received on, not sent on. */
Test(proto_interface, p43_the_next_session_is_not_sent_on)
{
	uint8_t private_key[SL_KEY_LEN], public_key[SL_KEY_LEN];

	sim.link.delay_min = sim.link.delay_max = SIM_S;
	sim_initiate(&sim, 0);
	sim_run_for(&sim, SIM_S); /* b has answered */
	cr_assert_neq(b->peer->sessions[SL_SESSION_NEXT].slot, SL_SESSION_NONE);
	sl_x25519_keypair(private_key, public_key, &sim.rng);
	sl_proto_if_set_key(b->ifp, private_key, sim.now);
	sim_send(&sim, 0); /* goes out with the response */
	sim_run_for(&sim, 3 * SIM_S);
	cr_assert_eq(b->delivered, 1);
	cr_assert_neq(b->peer->sessions[SL_SESSION_CURRENT].slot, SL_SESSION_NONE, "confirmed");
	cr_assert_eq(atomic_load(&b->peers.slots[b->peer->slot].current), 0);
	cr_assert_not(sl_sessions_sendable(b->peer, sim.now));
}

/* Static-static and the keys of mac1 are those of the identity that is there. */
Test(proto_interface, p43_caches_go_stale)
{
	uint8_t private_key[SL_KEY_LEN], public_key[SL_KEY_LEN], before[SL_KEY_LEN];
	struct sl_msg_initiation m;

	connect();
	memcpy(before, b->peer->static_static, SL_KEY_LEN);
	sl_x25519_keypair(private_key, public_key, &sim.rng);
	sim.link.cut = true;
	sim_run_for(&sim, 10 * SIM_S);
	sim_initiate(&sim, 0);
	memcpy(&m, sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data, sizeof(m));
	cr_assert(sl_mac1_check(&sl_proto_if_identity(b->ifp)->mac_keys, &m, sizeof(m)));
	sl_proto_if_set_key(b->ifp, private_key, sim.now);
	cr_assert_not(sl_mac1_check(&sl_proto_if_identity(b->ifp)->mac_keys, &m, sizeof(m)), "it was for the old key");
	sl_handshake_request(b->peer, sim.now);
	cr_assert_eq(b->peer->static_generation, b->ifp->generation);
	cr_assert_arr_neq(b->peer->static_static, before, SL_KEY_LEN);
}

/* --- 44, 45 --- */

Test(proto_interface, p44_our_own_key_is_no_peer)
{
	struct sl_proto_peer *peer;

	cr_assert_eq(sl_proto_peer_add(a->ifp, a->public_key, NULL, sim.now, &peer), -ELOOP);
	cr_assert_eq(sl_proto_if_n_peers(a->ifp), 1);
	cr_assert_eq(sl_proto_peer_add(b->ifp, b->private_key, NULL, sim.now, &peer), 0, "other bytes are another's");
}

Test(proto_interface, p45_the_same_listen_port_changes_nothing)
{
	struct sl_outer before, after;

	connect();
	before = outer_of(a);
	cr_assert(before.local);
	sl_proto_if_set_listen_port(a->ifp, sl_proto_if_listen_port(a->ifp), sim.now);
	after = outer_of(a);
	cr_assert_arr_eq((const uint8_t *)&before, (const uint8_t *)&after, sizeof(before));
	cr_assert_eq(a->core->passes, 0);
	sl_proto_if_set_listen_port(a->ifp, sl_proto_if_listen_port(a->ifp) + 1, sim.now);
	cr_assert_not(outer_of(a).local);
}

/* --- 39 --- */

Test(proto_interface, p39_cookie_replies_have_tos_0)
{
	sl_proto_if_note_load(b->ifp, 1, 1, sim.now);
	sim_initiate(&sim, 0);
	sim_run_for(&sim, SIM_S / 2);
	cr_assert_eq(sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->tos, 0x88);
	cr_assert_not_null(sim_last(&sim, SIM_SENT, 1, SL_MSG_COOKIE_REPLY));
	cr_assert_eq(sim_last(&sim, SIM_SENT, 1, SL_MSG_COOKIE_REPLY)->tos, 0);
}

/* --- 41 --- */

Test(proto_interface, p41_roams_by_handshakes_and_answers_from_the_address_that_was_hit)
{
	struct sl_endpoint elsewhere = {.port = 4444}, remote;
	struct sl_ip local, hit;
	struct sl_outer outer;
	struct sl_proto_msg msg = {.len = sizeof(struct sl_msg_initiation)};

	cr_assert(sl_ip_parse("2001:db8::77", &elsewhere.ip));
	cr_assert(sl_ip_parse("2001:db8::1", &hit));
	sim.link.cut = true;
	sim_initiate(&sim, 0);
	msg.data = sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data;
	msg.src = elsewhere;
	msg.dst_local = hit;
	sl_proto_receive(b->ifp, &msg, 1, sim.now);
	outer = outer_of(b);
	sl_outer_remote(&outer, &remote);
	cr_assert(sl_endpoint_equal(&remote, &elsewhere));
	cr_assert(sl_outer_local(&outer, &local));
	cr_assert(sl_ip_equal(&local, &hit));
	cr_assert(sl_endpoint_equal(&sim_last(&sim, SIM_SENT, 1, SL_MSG_RESPONSE)->to, &elsewhere), "the response goes there");
}

Test(proto_interface, p41_not_by_what_is_not_authentic)
{
	struct sl_endpoint elsewhere = {.port = 4444};
	struct sl_msg_initiation m;

	connect();
	sim.link.cut = true;
	sim_run_for(&sim, 6 * SIM_S);
	sim_initiate(&sim, 0);
	memcpy(&m, sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data, sizeof(m));
	m.enc_timestamp[0] ^= 1;
	sl_macs_write(&sl_proto_if_identity(b->ifp)->mac_keys, NULL, &m, sizeof(m));
	cr_assert(sl_ip_parse("198.51.100.9", &elsewhere.ip));
	sim_deliver(&sim, 1, &m, sizeof(m), &elsewhere);
	cr_assert_eq(sl_proto_peer_failures(b->peer)->count[SL_FAILURE_FORGED], 1);
	for (unsigned i = 0; i < 2; i++) {
		struct sl_outer outer = outer_of(b);
		struct sl_endpoint remote;

		sl_outer_remote(&outer, &remote);
		cr_assert(sl_endpoint_equal(&remote, &a->self));
	}
}

Test(proto_interface, p41_local_address_forgotten_on_retransmit)
{
	connect();
	cr_assert(outer_of(a).local);
	sim_run_for(&sim, 200 * SIM_S);
	sim.link.cut = true;
	sim_forget_events(&sim);
	sim_send(&sim, 0);
	cr_assert(sim_event(&sim, SIM_SENT, 0, SL_MSG_INITIATION, 0)->has_local);
	sim_run_for(&sim, 6 * SIM_S);
	cr_assert_not(sim_event(&sim, SIM_SENT, 0, SL_MSG_INITIATION, 1)->has_local);
	cr_assert(sl_endpoint_equal(&sim_event(&sim, SIM_SENT, 0, SL_MSG_INITIATION, 1)->to, &b->self), "the remote one is not");
}

Test(proto_interface, p41_local_address_forgotten_by_a_new_handshake)
{
	connect();
	sim_send(&sim, 1);
	sim_run_for(&sim, SIM_S);
	sim.link.cut = true;
	sim_forget_events(&sim);
	sim_send(&sim, 0);
	sim_run_for(&sim, 14 * SIM_S);
	cr_assert(outer_of(a).local);
	sim_run_for(&sim, 2 * SIM_S);
	cr_assert_not(sim_event(&sim, SIM_SENT, 0, SL_MSG_INITIATION, 0)->has_local);
}

Test(proto_interface, p41_forgotten_when_no_longer_ours_or_the_port_changes)
{
	struct sl_ip other;
	struct sl_outer outer;

	connect();
	cr_assert(sl_ip_parse("192.0.2.99", &other));
	sl_proto_if_forget_source(a->ifp, &other, sim.now);
	cr_assert(outer_of(a).local, "another address is meant");
	sl_proto_if_forget_source(a->ifp, &a->self.ip, sim.now);
	cr_assert_not(outer_of(a).local);
	sim_send(&sim, 1);
	sim_run_for(&sim, SIM_S);
	cr_assert(outer_of(a).local);
	sl_proto_if_set_listen_port(a->ifp, 1234, sim.now);
	outer = outer_of(a);
	cr_assert_not(outer.local);
	cr_assert_eq(outer.hdr[20] << 8 | outer.hdr[21], 1234, "the source port");
	sl_proto_if_forget_source(a->ifp, NULL, sim.now);
	cr_assert_not(outer_of(a).local);
}

/* --- 46 --- */

Test(proto_interface, p46_down)
{
	connect();
	sl_proto_peer_set_keepalive(a->peer, 5, sim.now);
	sim_run_for(&sim, SIM_S);
	sim_forget_events(&sim);
	sl_proto_if_set_up(a->ifp, false, sim.now);
	cr_assert_eq(a->sessions.reserved, 0);
	cr_assert_null(a->peer->handshake);
	cr_assert_eq(sim_count(&sim, SIM_PURGE, 0, 0), 1);
	cr_assert_eq(sl_proto_next(a->core), UINT64_MAX);
	cr_assert_eq(atomic_load(&a->peers.slots[a->peer->slot].current), 0);
	sim_send(&sim, 0);
	sim_send(&sim, 1);
	sim_run_for(&sim, 200 * SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, 0), 0);
	sl_proto_if_set_up(a->ifp, true, sim.now);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(sim_event(&sim, SIM_SENT, 0, SL_MSG_INITIATION, 0)->at, sim.now - SIM_S, "a persistent keepalive at once");
	cr_assert(sim_connected(&sim));
}

/* Data that was unanswered before it went down does not start anything when it is up again. */
Test(proto_interface, p46_up_again_without_a_cause)
{
	connect();
	sim.link.cut = true;
	sim_send(&sim, 0);
	sl_proto_if_set_up(a->ifp, false, sim.now);
	sl_proto_if_set_up(a->ifp, true, sim.now);
	sim_forget_events(&sim);
	sim_run_for(&sim, 100 * SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, 0), 0);
}
