/*
 * Bugs that other implementations had (protocol.md 9), as far as they live in the protocol core. Each test fails where
 * its bug is put in; more of them are in the files of the items that they touch.
 */
#include <criterion/criterion.h>

#include "crypto/bytes.h"
#include "crypto/x25519.h"
#include "sim.h"

static struct sim sim;
static struct sim_node *a, *b;

static void
setup(void)
{
	sim_init(&sim, 77, true);
	sim.link.delay_min = sim.link.delay_max = 0;
	a = &sim.nodes[0];
	b = &sim.nodes[1];
}

static void
teardown(void)
{
	sim_fini(&sim);
}

TestSuite(proto_bugs, .init = setup, .fini = teardown);

/* The last message of that kind which a node sent. */
static struct sim_event
last(unsigned node, uint32_t type)
{
	const struct sim_event *e = sim_last(&sim, SIM_SENT, node, type);

	cr_assert_not_null(e, "node %u sent no message of type %u", node, type);
	return *e;
}

static void
deliver(unsigned node, const struct sim_event *e)
{
	sim_deliver(&sim, node, e->data, e->len, NULL);
}

static void
connect(unsigned initiator)
{
	sim_initiate(&sim, initiator);
	sim_run_for(&sim, 1);
	cr_assert(sim_connected(&sim));
}

/* A forged packet, or the mere word that one came, makes no session current. */
Test(proto_bugs, bug_promotion_before_authentication)
{
	struct sim_event e, forged;

	sim.link.cut = true;
	sim_initiate(&sim, 0);
	e = last(0, SL_MSG_INITIATION);
	deliver(1, &e);
	e = last(1, SL_MSG_RESPONSE);
	deliver(0, &e);
	e = forged = last(0, SL_MSG_DATA);
	forged.data[forged.len - 1] ^= 1;
	deliver(1, &forged);
	cr_assert_eq(b->refused_tags, 1);
	sl_proto_facts(b->core, b->peer->slot, SL_FACT_KEY_CONFIRMED, sim.now);
	cr_assert_neq(b->peer->sessions[SL_SESSION_NEXT].slot, SL_SESSION_NONE);
	cr_assert_eq(atomic_load(&b->peers.slots[b->peer->slot].current), 0);
	cr_assert_eq(b->peer->latest_handshake.tv_sec, 0);
	deliver(1, &e);
	cr_assert_eq(b->peer->sessions[SL_SESSION_NEXT].slot, SL_SESSION_NONE);
	cr_assert_neq(atomic_load(&b->peers.slots[b->peer->slot].current), 0);
}

/*
 * Something is to be sent just after an initiation was answered: an initiation of our own would make the other side's
 * handshake void. The answer counts for the 5 s rule; in the Noise core one cannot come between the two steps at all.
 */
Test(proto_bugs, bug_own_initiation_between_consuming_and_answering)
{
	struct sl_noise_handshake hs = {0};
	struct sl_noise_interim interim;
	struct sl_msg_initiation theirs, ours;
	struct sl_msg_response response;
	uint8_t stamp[SL_TAI64N_LEN], ephemeral[SL_KEY_LEN] = {8};
	struct sim_event e;

	sim.link.cut = true;
	sim_initiate(&sim, 0);
	e = last(0, SL_MSG_INITIATION);
	memcpy(&theirs, e.data, sizeof(theirs));
	deliver(1, &e);
	sim_send(&sim, 1);
	sim_run_for(&sim, SIM_S);
	sim_send(&sim, 1);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 1, SL_MSG_INITIATION), 0);
	e = last(1, SL_MSG_RESPONSE);
	sim.link.cut = false;
	deliver(0, &e);
	sim_run_for(&sim, 1);
	cr_assert(sim_connected(&sim));
	cr_assert_eq(a->delivered, 2);

	cr_assert_eq(sl_noise_consume_initiation_static(&interim, &b->ifp->identity, &theirs), SL_NOISE_OK);
	cr_assert_eq(sl_noise_consume_initiation_finish(&interim, b->peer->static_static, stamp), SL_NOISE_OK);
	cr_assert_eq(sl_noise_commit_initiation(&hs, &interim), SL_NOISE_OK);
	cr_assert_eq(sl_noise_create_initiation(&hs, &b->ifp->identity, a->public_key, b->peer->static_static, stamp,
			     ephemeral, 5, &ours),
		SL_NOISE_OK);
	cr_assert_eq(sl_noise_create_response(&hs, b->peer->psk, ephemeral, 6, &response), SL_NOISE_BAD_STATE);
	sl_noise_handshake_wipe(&hs);
}

/* An index that was looked up and then given to something else finds nothing, for a handshake and for a session. */
Test(proto_bugs, bug_index_replaced_while_looked_up)
{
	uint32_t slot = sl_session_reserve(&a->sessions, a->peer->slot, 7), again;
	uint32_t old = a->sessions.slots[slot].index;
	struct sl_session_keys keys = {.created = sim.now};
	struct sl_session *found;

	sl_session_publish(&a->sessions, slot, &keys);
	sl_session_find_burst(&a->sessions, &old, &found, 1);
	cr_assert_eq(found, &a->sessions.slots[slot]);
	sl_session_release(&a->sessions, slot);
	cr_assert_eq(sl_session_slot_of(&a->sessions, old), SL_SESSION_NONE, "at once");
	sl_session_find_burst(&a->sessions, &old, &found, 1);
	cr_assert_null(found);
	sl_reclaim_drain(&a->reclaim);
	do
		again = sl_session_reserve(&a->sessions, a->peer->slot, 7);
	while (again != slot && again != SL_SESSION_NONE);
	cr_assert_eq(again, slot, "the slot is used again");
	cr_assert_neq(a->sessions.slots[slot].index, old);
	cr_assert_eq(sl_session_slot_of(&a->sessions, old), SL_SESSION_NONE);
	sl_session_publish(&a->sessions, slot, &keys);
	sl_session_find_burst(&a->sessions, &old, &found, 1);
	cr_assert_null(found);
}

/* A response whose ephemeral key makes every shared secret zero. */
Test(proto_bugs, bug_zero_dh_in_a_response)
{
	struct sim_event e, bad;
	struct sl_msg_response m;

	sim.link.cut = true;
	sim_initiate(&sim, 0);
	e = last(0, SL_MSG_INITIATION);
	deliver(1, &e);
	e = bad = last(1, SL_MSG_RESPONSE);
	for (uint8_t low = 0; low < 2; low++) { /* the points 0 and 1 */
		memcpy(&m, e.data, sizeof(m));
		memset(m.ephemeral, 0, sizeof(m.ephemeral));
		m.ephemeral[0] = low;
		sl_macs_write(&sl_proto_if_identity(a->ifp)->mac_keys, NULL, &m, sizeof(m));
		memcpy(bad.data, &m, sizeof(m));
		deliver(0, &bad);
		cr_assert_eq(sl_proto_peer_failures(a->peer)->count[SL_FAILURE_UNDECRYPTABLE], low + 1u, "refused for its key");
		cr_assert_eq(sl_proto_peer_failures(a->peer)->count[SL_FAILURE_WRONG_PSK], 0, "before anything is decrypted by it");
		cr_assert_null(sl_sessions_current(a->peer));
	}
	deliver(0, &e);
	cr_assert_not_null(sl_sessions_current(a->peer), "the right one is still taken");
}

/* One interface is flooded; what peers of another send is not held up by cookies. */
Test(proto_bugs, bug_load_shared_between_interfaces)
{
	struct sl_proto_if_config cfg = {.name = "wg1", .l3_if = 8, .listen_port = 1};
	struct sl_proto_if *other;

	cr_assert_eq(sl_proto_if_create(b->core, &cfg, &other), 0);
	sl_proto_if_note_load(other, 1, 1, sim.now);
	cr_assert(sl_proto_if_under_load(other, sim.now));
	sim_initiate(&sim, 0);
	sim_run_for(&sim, 1);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 1, SL_MSG_COOKIE_REPLY), 0);
	cr_assert(sim_connected(&sim));
	sl_proto_if_destroy(other);
}

/* Any number of peers: each is served, in all orders of what became due together. */
Test(proto_bugs, bug_peer_counts_fuzzed)
{
	static const unsigned odd[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 47, 61, 62, 63};

	for (unsigned k = 0; k < 24; k++) {
		unsigned n = k < sizeof(odd) / sizeof(*odd) ? odd[k] : 1 + (unsigned)sim_random(&sim, SIM_PEERS - 1);
		uint8_t key[SL_KEY_LEN];

		sim_fini(&sim);
		sim_init(&sim, 500 + k, true);
		sim.link.cut = true;
		for (unsigned i = 0; i < n; i++) {
			struct sl_proto_peer *peer;

			sl_rng_bytes(&sim.rng, key, sizeof(key));
			cr_assert_eq(sl_proto_peer_add(a->ifp, key, NULL, sim.now, &peer), 0);
			sl_proto_peer_set_endpoint(peer, &b->self, sim.now);
			sl_proto_peer_set_keepalive(peer, 25, sim.now);
		}
		sim_run_for(&sim, 0);
		cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), n, "%u peers", n);
		sim_run_for(&sim, 5 * SIM_S + SL_TIMER_JITTER_MAX_NS);
		cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), 2 * n, "%u peers", n);
		sl_proto_if_set_up(a->ifp, false, sim.now);
		cr_assert_eq(a->sessions.reserved, 0);
		cr_assert_eq(a->core->wheel.armed, 0);
	}
}

/* The peer's clock has gone back and it has forgotten what it sent: refused, and the owner is told why. */
Test(proto_bugs, bug_clock_stepping_back_is_told_by_its_reason)
{
	struct sim_event e;

	connect(0);
	sim_run_for(&sim, 10 * SIM_S);
	a->wall_offset = -3600 * (int64_t)SIM_S;
	sim_restart(&sim, 0);
	sim_initiate(&sim, 0);
	sim_run_for(&sim, 1);
	cr_assert_eq(sl_proto_peer_failures(b->peer)->count[SL_FAILURE_CLOCK_BACK], 1);
	cr_assert_eq(sl_proto_peer_failures(b->peer)->count[SL_FAILURE_REPLAY], 0);
	cr_assert_eq(sl_proto_peer_failures(b->peer)->count[SL_FAILURE_FLOOD], 0);
	cr_assert_not_null(strstr(b->last_line, "clock"), "%s", b->last_line);
	e = last(0, SL_MSG_INITIATION);
	a->wall_offset = 0;
	sim_restart(&sim, 0);
	sim_run_for(&sim, 10 * SIM_S);
	connect(0);
	e = last(0, SL_MSG_INITIATION);
	deliver(1, &e);
	cr_assert_eq(sl_proto_peer_failures(b->peer)->count[SL_FAILURE_REPLAY], 1, "the same again is another reason");
	cr_assert_eq(sl_proto_peer_failures(b->peer)->count[SL_FAILURE_CLOCK_BACK], 1);
}

/* n payloads of b sent now, their packets held back. */
static void
hold(struct sim_event *held, unsigned n)
{
	sim.link.cut = true;
	for (unsigned i = 0; i < n; i++) {
		sim_send(&sim, 1);
		held[i] = last(1, SL_MSG_DATA);
	}
	sim.link.cut = false;
}

/* Packets of three sessions arrive mixed and backwards around two rekeys; none is lost while its session stands. */
Test(proto_bugs, bug_reordering_across_a_rekey)
{
	enum { N = 8 };
	struct sim_event first[N], second[N], third[N];
	uint64_t before;

	connect(0);
	hold(first, N);
	sim_run_for(&sim, 6 * SIM_S);
	connect(0);
	hold(second, N);
	before = a->delivered;
	for (unsigned i = 0; i < N / 2; i++) { /* previous and current */
		deliver(0, &second[N - 1 - i]);
		deliver(0, &first[N - 1 - i]);
	}
	cr_assert_eq(a->delivered - before, N);
	/* a third, that b begins: next at a, until its first packet, which comes before the second's last ones */
	sim_run_for(&sim, 6 * SIM_S);
	sim.link.cut = true;
	sim_initiate(&sim, 1);
	third[0] = last(1, SL_MSG_INITIATION);
	deliver(0, &third[0]);
	third[0] = last(0, SL_MSG_RESPONSE);
	deliver(1, &third[0]);
	hold(third, N);
	before = a->delivered;
	deliver(0, &second[0]);
	cr_assert_neq(a->peer->sessions[SL_SESSION_NEXT].slot, SL_SESSION_NONE, "still next");
	for (unsigned i = 0; i < N; i++) {
		deliver(0, &third[N - 1 - i]);
		if (i > 0 && i < N / 2)
			deliver(0, &second[i]);
	}
	cr_assert_eq(a->peer->sessions[SL_SESSION_NEXT].slot, SL_SESSION_NONE);
	cr_assert_eq(a->delivered - before, N + N / 2);
	cr_assert_eq(a->refused_replays, 0);
	cr_assert_eq(a->refused_tags, 0);
	/* What came already does not come again, and of the first session nothing more. */
	before = a->delivered;
	for (unsigned i = 0; i < N; i++) {
		deliver(0, &first[i]);
		deliver(0, &second[i]);
		deliver(0, &third[i]);
	}
	cr_assert_eq(a->delivered, before);
	cr_assert_eq(sim.violations, 0);
}

/* Not even a place among the sessions or a try that is repeated is had for a peer whose key is of low order. */
Test(proto_bugs, bug_low_order_keys_send_nothing)
{
	static const uint8_t keys[][SL_KEY_LEN] = {{0}, {1}};

	for (unsigned i = 0; i < 2; i++) {
		struct sl_proto_peer *peer;

		cr_assert_eq(sl_proto_peer_add(a->ifp, keys[i], NULL, sim.now, &peer), 0);
		sl_proto_peer_set_endpoint(peer, &b->self, sim.now);
		sl_proto_peer_set_keepalive(peer, 1, sim.now);
		sim_run_for(&sim, 30 * SIM_S);
		cr_assert_eq(sim_count(&sim, SIM_SENT, 0, 0), 0);
		cr_assert_eq(a->sessions.reserved, 0);
		cr_assert_eq(peer->handshake->retransmit_at, 0);
	}
}
