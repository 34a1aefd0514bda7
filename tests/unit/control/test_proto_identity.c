/* Two identities of one interface: a hub's key is changed without a flag day. Node a is the hub, b one of its peers. */
#include <errno.h>

#include <criterion/criterion.h>

#include "crypto/cookie.h"
#include "crypto/x25519.h"
#include "sim.h"

static struct sim sim;
static struct sim_node *a, *b;
static uint8_t new_private[SL_KEY_LEN], new_public[SL_KEY_LEN];
static const uint8_t none[SL_KEY_LEN];

static void
setup(void)
{
	sim_init(&sim, 4711, true);
	a = &sim.nodes[0];
	b = &sim.nodes[1];
	sl_x25519_keypair(new_private, new_public, &sim.rng);
}

static void
teardown(void)
{
	sim_fini(&sim);
}

TestSuite(proto_identity, .init = setup, .fini = teardown);

static void
connect(void)
{
	sim_send(&sim, 0);
	sim_run_for(&sim, SIM_S);
	cr_assert(sim_connected(&sim));
	sim_forget_events(&sim);
}

static void
rotate(void)
{
	sl_proto_if_set_keys(a->ifp, new_private, a->private_key, sim.now);
}

/* b has another idea of who a is from now on, and no session. */
static void
teach(const uint8_t public_key[SL_KEY_LEN])
{
	sl_proto_peer_remove(b->peer);
	cr_assert_eq(sl_proto_peer_add(b->ifp, public_key, NULL, sim.now, &b->peer), 0);
	sl_proto_peer_set_endpoint(b->peer, &a->self, sim.now);
}

/* b has lost its sessions and says so by calling. */
static void
call(void)
{
	sim_send(&sim, 1);
	sim_run_for(&sim, SIM_S);
}

/* What is sent from now on arrives, each way. */
static void
expect_traffic(void)
{
	uint64_t at_a = a->delivered, at_b = b->delivered;

	sim_send(&sim, 0);
	sim_send(&sim, 1);
	sim_run_for(&sim, SIM_S);
	cr_expect_eq(a->delivered, at_a + 1);
	cr_expect_eq(b->delivered, at_b + 1);
}

Test(proto_identity, the_change_costs_no_session)
{
	uint32_t session;

	connect();
	session = a->peer->sessions[SL_SESSION_CURRENT].slot;
	rotate();
	cr_expect_arr_eq(sl_proto_if_identity(a->ifp)->public_key, new_public, SL_KEY_LEN);
	cr_expect_arr_eq(sl_proto_if_previous(a->ifp)->public_key, a->public_key, SL_KEY_LEN);
	cr_expect_eq(sl_proto_if_n_previous(a->ifp), 1, "everybody is on the old one at first");
	expect_traffic();
	cr_expect_eq(a->peer->sessions[SL_SESSION_CURRENT].slot, session);
	cr_expect_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION) + sim_count(&sim, SIM_SENT, 1, SL_MSG_INITIATION), 0);
}

Test(proto_identity, peers_on_the_old_key_go_on)
{
	connect();
	rotate();
	for (unsigned i = 0; i < 20; i++) {
		sim_run_for(&sim, 30 * SIM_S);
		expect_traffic();
	}
	cr_expect_gt(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION) + sim_count(&sim, SIM_SENT, 1, SL_MSG_INITIATION), 2,
		"sessions were renewed, by either side");
	cr_expect_eq(sl_proto_if_n_previous(a->ifp), 1);
	sim_restart(&sim, 1);
	call();
	expect_traffic();
	cr_expect_eq(sl_proto_if_n_previous(a->ifp), 1);
}

Test(proto_identity, a_peer_moves_with_its_first_handshake)
{
	connect();
	rotate();
	teach(new_public);
	cr_expect_eq(sl_proto_if_n_previous(a->ifp), 1);
	call();
	expect_traffic();
	cr_expect_eq(sl_proto_if_n_previous(a->ifp), 0);
	cr_expect_not(sl_proto_peer_on_previous(a->peer));
	sl_proto_if_set_keys(a->ifp, new_private, none, sim.now);
	sim_forget_events(&sim);
	expect_traffic();
	cr_expect_eq(sim_count(&sim, SIM_SENT, 1, SL_MSG_INITIATION), 0, "dropping the old key costs it nothing");
	teach(a->public_key);
	sim_send(&sim, 1);
	sim_run_for(&sim, SIM_S);
	cr_expect_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_RESPONSE), 0, "nobody answers to the old key any more");
}

Test(proto_identity, dropping_the_old_key_cuts_off_stragglers)
{
	connect();
	rotate();
	sl_proto_if_set_keys(a->ifp, new_private, none, sim.now);
	cr_expect_not(sl_sessions_sendable(a->peer, sim.now));
	cr_expect_not(sl_proto_if_previous(a->ifp)->valid);
	sim_run_for(&sim, 200 * SIM_S);
	sim_forget_events(&sim);
	sim_send(&sim, 1);
	sim_run_for(&sim, SIM_S);
	cr_expect_eq(sim_count(&sim, SIM_SENT, 1, SL_MSG_INITIATION), 1);
	cr_expect_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_RESPONSE), 0);
}

/* A peer that only listens cannot tell that it has moved: we find out. */
Test(proto_identity, our_initiations_try_both)
{
	rotate();
	teach(new_public);
	sim_send(&sim, 0);
	sim_run_for(&sim, 4 * SIM_S);
	cr_expect_not(sim_connected(&sim), "the first goes out as who we were");
	sim_run_for(&sim, 3 * SIM_S);
	cr_expect(sim_connected(&sim), "the second as who we are");
	cr_expect_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), 2);
	cr_expect_eq(sl_proto_if_n_previous(a->ifp), 0);
	expect_traffic();
	sim_forget_events(&sim);
	sim_run_for(&sim, 125 * SIM_S);
	expect_traffic();
	cr_expect_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), 1, "the next one with the key that it has answered to");
}

/* Whoever knows a peer's public key can make initiations in its name that do not prove it: they move nobody. */
Test(proto_identity, only_proof_moves_a_peer)
{
	struct sl_msg_initiation msg;

	connect();
	rotate();
	teach(new_public);
	sim.link.cut = true;
	sim_send(&sim, 1);
	memcpy(&msg, b->last, sizeof(msg));
	msg.enc_timestamp[0] ^= 1;
	sl_macs_write(&sl_proto_if_identity(a->ifp)->mac_keys, NULL, &msg, sizeof(msg));
	sim_run_for(&sim, SIM_MS);
	sim_deliver(&sim, 0, &msg, sizeof(msg), NULL);
	cr_expect_eq(sl_proto_if_n_previous(a->ifp), 1, "its tag is wrong");
	cr_expect(sl_sessions_sendable(a->peer, sim.now));
}

Test(proto_identity, the_change_can_be_taken_back)
{
	connect();
	rotate();
	teach(new_public);
	call();
	expect_traffic();
	sl_proto_if_set_keys(a->ifp, a->private_key, new_private, sim.now);
	cr_expect_eq(sl_proto_if_n_previous(a->ifp), 1, "it is on what is the previous one now");
	expect_traffic();
	sl_proto_if_set_keys(a->ifp, a->private_key, none, sim.now);
	cr_expect_not(sl_sessions_sendable(a->peer, sim.now));
	teach(a->public_key);
	call();
	expect_traffic();
}

Test(proto_identity, a_peer_with_either_key_of_ours_goes)
{
	struct sl_proto_peer *peer;

	sl_proto_if_set_keys(a->ifp, new_private, b->private_key, sim.now);
	cr_expect_eq(sl_proto_if_n_peers(a->ifp), 0);
	a->peer = NULL;
	cr_expect_eq(sl_proto_peer_add(a->ifp, new_public, NULL, sim.now, &peer), -ELOOP);
	cr_expect_eq(sl_proto_peer_add(a->ifp, b->public_key, NULL, sim.now, &peer), -ELOOP);
}
