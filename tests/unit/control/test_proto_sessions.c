/* The rotation of the three sessions (protocol.md 21–24): tables of steps and what must stand after each. */
#include <stdlib.h>

#include <criterion/criterion.h>
#include <sys/mman.h>

#include "crypto/wipe.h"
#include "dataplane/lazy.h"
#include "sim.h"

static struct sim sim;
static struct sim_node *a;

static void
setup(void)
{
	sim_init(&sim, 1, true);
	a = &sim.nodes[0];
}

static void
teardown(void)
{
	sim_fini(&sim);
}

TestSuite(proto_sessions, .init = setup, .fini = teardown);

/*
 * A session of node 0 that a handshake in that role would give: it goes the whole way of the code by a handshake
 * struct in the state that create_response or consume_response leaves.
 */
static uint32_t
begin(bool initiator)
{
	struct sl_proto_handshake *hs = sl_handshake_get(a->peer);
	uint32_t index, slot;

	cr_assert(sl_handshake_reserve(a->peer, hs, &index));
	slot = hs->slot;
	hs->noise.state = initiator ? SL_NOISE_CONSUMED_RESPONSE : SL_NOISE_CREATED_RESPONSE;
	hs->noise.local_index = index;
	cr_assert(sl_sessions_begin(a->peer, hs, sim.now));
	cr_assert_eq(hs->slot, SL_SESSION_NONE, "the session inherits the index");
	cr_assert_eq(a->sessions.slots[slot].index, index);
	cr_assert_eq(a->sessions.slots[slot].initiator, initiator);
	return slot;
}

/* What workers must find to send on. */
static uint32_t
current_id(void)
{
	uint32_t slot = a->peer->sessions[SL_SESSION_CURRENT].slot;

	return slot == SL_SESSION_NONE ? 0 : sl_session_id(&a->sessions, slot);
}

static void
packet_arrives_on(uint32_t slot)
{
	atomic_fetch_or(&a->sessions.slots[slot].facts, SL_SESSION_CONFIRMED);
	sl_proto_facts(a->core, a->peer->slot, SL_FACT_KEY_CONFIRMED, sim.now);
}

/*
 * i: a session as initiator; r: as responder; c: the first packet on the newest responder session. Sessions are
 * numbered from 1; the three digits are previous, current, next; 0: none.
 */
static const struct {
	const char *steps;
	const char *slots;
} rotations[] = {
	{"", "000"},
	{"i", "010"},
	{"ii", "120"},
	{"iii", "230"},
	{"r", "001"},
	{"rc", "010"},
	{"rr", "002"},
	{"rrc", "020"},
	{"ir", "012"},
	{"irc", "120"},
	{"iir", "023"},
	{"iirc", "230"},
	{"irr", "013"},
	{"iri", "230"},
	{"irci", "230"},
	{"rcr", "012"},
	{"rcrc", "120"},
	{"rcrcrc", "230"},
	{"ri", "120"},
	{"rii", "230"},
	{"riir", "034"},
	{"rcri", "230"},
};

static char
number_of(const uint32_t *slots, unsigned n, uint32_t slot)
{
	for (unsigned i = 0; i < n; i++)
		if (slots[i] == slot)
			return (char)('1' + i);
	return slot == SL_SESSION_NONE ? '0' : '?';
}

Test(proto_sessions, p22_rotation)
{
	for (unsigned i = 0; i < sizeof(rotations) / sizeof(*rotations); i++) {
		char got[SL_SESSION_ROLES + 1] = {0};
		uint32_t slots[8] = {0};
		unsigned n = 0, live = 0;

		for (const char *s = rotations[i].steps; *s; s++) {
			if (*s == 'c')
				packet_arrives_on(slots[n - 1]);
			else
				slots[n++] = begin(*s == 'i');
		}
		for (unsigned r = 0; r < SL_SESSION_ROLES; r++)
			got[r] = number_of(slots, n, a->peer->sessions[r].slot);
		cr_expect_str_eq(got, rotations[i].slots, "after %s", rotations[i].steps);
		/* Workers send on current alone, and receive on what stands in a slot and nothing else. */
		cr_expect_eq(atomic_load(&a->peers.slots[a->peer->slot].current),
			current_id(), "after %s", rotations[i].steps);
		for (unsigned k = 0; k < n; k++)
			live += atomic_load(&a->sessions.slots[slots[k]].live) != SL_SESSION_NONE;
		for (const char *c = rotations[i].slots; *c; c++)
			live -= *c != '0';
		cr_expect_eq(live, 0, "after %s", rotations[i].steps);
		sl_peer_stop(a->peer);
		cr_expect_eq(a->sessions.reserved, 0);
	}
}

Test(proto_sessions, p22_not_before_something_authentic_came)
{
	uint32_t slot = begin(false);

	sl_proto_facts(a->core, a->peer->slot, SL_FACT_KEY_CONFIRMED, sim.now);
	cr_assert_eq(a->peer->sessions[SL_SESSION_NEXT].slot, slot);
	cr_assert_eq(atomic_load(&a->peers.slots[a->peer->slot].current), 0);
	cr_assert_eq(a->peer->latest_handshake.tv_sec, 0);
}

Test(proto_sessions, p24_sendable)
{
	struct sl_session *s = &a->sessions.slots[begin(true)];

	cr_assert(sl_sessions_sendable(a->peer, sim.now));
	cr_assert(sl_sessions_sendable(a->peer, sim.now + 180 * SIM_S - 1));
	cr_assert_not(sl_sessions_sendable(a->peer, sim.now + 180 * SIM_S));
	sl_sender_set_counter(s->sender, UINT64_MAX - (1 << 13) - 1);
	cr_assert(sl_sessions_sendable(a->peer, sim.now));
	sl_sender_set_counter(s->sender, UINT64_MAX - (1 << 13));
	cr_assert_not(sl_sessions_sendable(a->peer, sim.now));
}

/* A whole handshake: who may send when (22, 23), and that data goes both ways. */
Test(proto_sessions, p23_the_responder_waits)
{
	struct sim_node *b = &sim.nodes[1];

	sim_send(&sim, 0);
	sim_run_for(&sim, 10 * SIM_MS); /* the initiation arrives */
	cr_assert_eq(sim_count(&sim, SIM_SENT, 1, SL_MSG_RESPONSE), 1);
	cr_assert_neq(b->peer->sessions[SL_SESSION_NEXT].slot, SL_SESSION_NONE);
	cr_assert_not(sl_sessions_sendable(b->peer, sim.now));
	sim_send(&sim, 1);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 1, SL_MSG_DATA), 0, "nothing on an unconfirmed session");
	cr_assert_eq(b->n_staged, 1);
	sim_run_for(&sim, 10 * SIM_MS); /* the response arrives; what waited goes out */
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_DATA), 1);
	cr_assert_eq(sim_event(&sim, SIM_SENT, 0, SL_MSG_DATA, 0)->len, SL_DATA_OVERHEAD + 16, "no keepalive beside it");
	sim_run_for(&sim, 10 * SIM_MS); /* the first data arrives: confirmed */
	cr_assert_eq(sim_count(&sim, SIM_SENT, 1, SL_MSG_DATA), 1);
	sim_run_for(&sim, 10 * SIM_MS);
	cr_assert_eq(sim.nodes[0].delivered, 1);
	cr_assert_eq(b->delivered, 1);
	cr_assert(sim_connected(&sim));
	cr_assert_eq(sim.violations, 0);
}

/* Without anything that waits the initiator sends a keepalive, and the responder nothing. */
Test(proto_sessions, p23_keepalive_confirms)
{
	sim_initiate(&sim, 0);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_DATA), 1);
	cr_assert_eq(sim_event(&sim, SIM_SENT, 0, SL_MSG_DATA, 0)->len, SL_KEEPALIVE_LEN);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 1, SL_MSG_DATA), 0);
	cr_assert(sim_connected(&sim));
}

/* What began to wait just before the session came is not left behind. */
Test(proto_sessions, waiting_beside_a_session_goes_out)
{
	sim_initiate(&sim, 0);
	sim_run_for(&sim, SIM_S);
	sim_forget_events(&sim);
	a->staged[0] = sim.next_payload++;
	a->n_staged = 1;
	sim.payloads = realloc(sim.payloads, 16);
	sim.payloads[a->staged[0]] = 1;
	atomic_store(&a->peers.rest[a->peer->slot].staged, 1);
	sl_peer_raise(&a->peers, a->peer->slot, SL_FACT_NEED_SESSION);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_INITIATION), 0);
	cr_assert_eq(sim.nodes[1].delivered, 1);
}

Test(proto_sessions, p21_a_new_handshake_frees_the_old_index)
{
	uint32_t index[2];

	sim.link.cut = true;
	for (unsigned i = 0; i < 2; i++) {
		sim_initiate(&sim, 0);
		memcpy(&index[i], sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data + 4, 4);
		cr_assert_eq(a->sessions.reserved, 1);
		cr_assert_neq(sl_session_slot_of(&a->sessions, index[i]), SL_SESSION_NONE);
		sim_run_for(&sim, 5 * SIM_S);
	}
	cr_assert_neq(index[0], index[1]);
	cr_assert_eq(sl_session_slot_of(&a->sessions, index[0]), SL_SESSION_NONE);
}

/* --- where the sending halves are --- */

/* Of node 0's peer: bits 0 and 1 the places in its record that are taken. */
static unsigned
places_taken(void)
{
	unsigned taken = a->peers.rest[a->peer->slot].taken;

	for (unsigned i = 0; i < SL_PEER_SENDERS; i++)
		cr_assert_eq(~taken >> i & 1, sl_is_zero(sl_peer_sender(&a->peers, a->peer->slot, i)->key, SL_KEY_LEN),
			"taken, or wiped");
	return taken;
}

/* Which place a session of node 0 has: 1 or 2; 0: its own. */
static unsigned
place_of(uint32_t slot)
{
	const struct sl_sender *s = a->sessions.slots[slot].sender;

	for (unsigned i = 0; i < SL_PEER_SENDERS; i++)
		if (s == sl_peer_sender(&a->peers, a->peer->slot, i))
			return i + 1;
	return 0;
}

static void
grace(void)
{
	sl_reclaim_poll(&a->reclaim);
	sl_reclaim_poll(&a->reclaim);
}

/* In the steady state the current session is in the first place and the next one in the other, whoever initiates. */
Test(proto_sessions, p22_the_current_session_is_in_the_first_place)
{
	for (unsigned i = 0; i < 400; i++) {
		bool initiator = i < 100 || (i >= 200 && i * 7 % 5 < 2);
		uint32_t previous = a->peer->sessions[SL_SESSION_CURRENT].slot, slot = begin(initiator);

		if (!initiator) {
			cr_assert_eq(places_taken(), i == 0 ? 1 : 3, "as long as it waits, round %u", i);
			packet_arrives_on(slot);
		}
		cr_assert_eq(place_of(slot), i == 0 ? 1 : 2, "round %u", i);
		if (previous != SL_SESSION_NONE)
			cr_assert_eq(place_of(previous), 1, "until no worker can be sealing by it");
		grace();
		cr_assert_eq(place_of(slot), 1, "round %u", i);
		grace();
		cr_assert_eq(places_taken(), 1, "round %u", i);
		if (previous != SL_SESSION_NONE) {
			cr_assert_eq(place_of(previous), 0);
			cr_assert_neq(sl_session_id(&a->sessions, previous), SL_SESSION_NONE, "it is received on");
			cr_assert(sl_is_zero(a->sessions.slots[previous].sender->key, SL_KEY_LEN));
		}
	}
}

/* Sessions that follow one another faster than workers report go on in their own memory. */
Test(proto_sessions, p22_more_sessions_than_places)
{
	uint32_t slots[4];

	rte_rcu_qsbr_thread_register(a->rcu, 0);
	rte_rcu_qsbr_thread_online(a->rcu, 0);
	for (unsigned i = 0; i < 4; i++)
		slots[i] = begin(true);
	grace();
	cr_expect_eq(place_of(slots[2]), 0);
	cr_expect_eq(place_of(slots[3]), 0);
	cr_expect_eq(places_taken(), 3, "nobody has reported");
	cr_expect(sl_sessions_sendable(a->peer, sim.now));
	rte_rcu_qsbr_quiescent(a->rcu, 0);
	grace();
	cr_expect_eq(places_taken(), 1);
	cr_expect(sl_is_zero(a->sessions.slots[slots[2]].own.key, SL_KEY_LEN), "previous");
	cr_expect_eq(place_of(slots[3]), 1, "current");
	cr_expect(!sl_is_zero(a->sessions.slots[slots[3]].own.key, SL_KEY_LEN), "where it was a worker may be sealing by it");
	cr_expect(sl_sessions_sendable(a->peer, sim.now));
	cr_expect_eq(place_of(begin(true)), 2);
	rte_rcu_qsbr_thread_offline(a->rcu, 0);
	grace();
	grace();
	cr_expect(sl_is_zero(&a->sessions.slots[slots[3]].own, sizeof(struct sl_sender)));
}

/* Sessions that are never sent on, or not any more, give up their places: next ones that others take over, or of an old key. */
Test(proto_sessions, p22_places_of_sessions_not_sent_on)
{
	uint32_t current = begin(true), next = begin(false), other;

	cr_assert_eq(places_taken(), 3);
	other = begin(false); /* in place of `next` */
	cr_expect_eq(place_of(other), 0);
	grace();
	cr_expect_eq(places_taken(), place_of(current));
	next = begin(false);
	cr_expect_neq(place_of(next), 0);
	other = begin(true); /* current; `next` becomes previous without having been sent on */
	grace();
	cr_expect_eq(place_of(next), 0);
	cr_expect_neq(sl_session_id(&a->sessions, next), SL_SESSION_NONE);
	cr_expect_eq(places_taken(), place_of(other));
	next = begin(false);
	sl_sessions_expire_sending(a->peer);
	cr_assert_eq(atomic_load(&a->peers.slots[a->peer->slot].current), 0);
	grace();
	cr_expect_eq(places_taken(), 0, "of an old private key");
	packet_arrives_on(next);
	cr_expect_eq(atomic_load(&a->peers.slots[a->peer->slot].current), 0);
	begin(true);
	begin(false);
	cr_expect_neq(places_taken(), 0);
	sl_peer_stop(a->peer);
	grace();
	cr_expect_eq(places_taken(), 0);
	cr_expect_eq(a->sessions.free, a->sessions.used);
}

/* What workers keep of a peer is in memory before they may use its session: see dataplane/peer_memory.h. */
Test(proto_sessions, memory_of_workers_is_there_before_the_session)
{
	const size_t size = 2 * SL_LAZY_SMALL, bytes = SIM_PEERS * size;
	char *array = sl_lazy_alloc_dense(bytes), *second = array + a->peer->slot * size + SL_LAZY_SMALL;
	unsigned char resident;

	cr_assert_not_null(array);
	cr_assert_eq(sl_peer_memory_add(&a->peers.memory, array, size, SIM_PEERS), 0);
	cr_assert_eq(mincore(second, 1, &resident), 0);
	cr_assert_eq(resident & 1, 0);
	begin(true);
	cr_assert_eq(mincore(second, 1, &resident), 0);
	cr_assert_eq(resident & 1, 1);
	sl_lazy_free(array, bytes);
}
