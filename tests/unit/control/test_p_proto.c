/* Items of the protocol that the core's other tests leave open (protocol.md 1, 9, 17, 21). */
#include <criterion/criterion.h>

#include "crypto/bytes.h"
#include "sim.h"

static struct sim sim;
static struct sim_node *a, *b;

static void setup(void)
{
	sim_init(&sim, 21, true);
	sim.link.cut = true;
	a = &sim.nodes[0];
	b = &sim.nodes[1];
}

static void teardown(void)
{
	sim_fini(&sim);
}

TestSuite(proto_items, .init = setup, .fini = teardown);

/* A worker judges size and type before; control does not take its word for it. */
Test(proto_items, p1_sizes_and_types_are_judged_again)
{
	static const size_t sizes[] = {0, 148, 92, 64, 32};
	static uint8_t bytes[160];
	unsigned malformed = 0;

	for (uint32_t type = 0; type <= 4; type++) {
		for (size_t len = 0; len < sizeof(bytes); len++) {
			struct sl_proto_msg msg = {.data = bytes, .len = len, .src = b->self, .dst_local = a->self.ip};
			uint64_t before = sl_proto_if_counters(a->ifp)->malformed;
			bool right = type >= 1 && type <= 3 && len == sizes[type];

			sl_store_le32(bytes, type);
			sl_proto_receive(a->ifp, &msg, 1, sim.now);
			cr_assert_eq(sl_proto_if_counters(a->ifp)->malformed - before, !right, "type %u, %zu bytes",
			        type, len);
			malformed += !right;
		}
	}
	sl_store_le32(bytes, 0x01000001);
	sl_proto_receive(a->ifp,
	        &(struct sl_proto_msg){.data = bytes, .len = 148, .src = b->self, .dst_local = a->self.ip}, 1, sim.now);
	cr_assert_eq(sl_proto_if_counters(a->ifp)->malformed, malformed + 1, "a reserved byte");
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, 0), 0);
}

/*
 * Both steps of one handshake arrive together, or the state moves on between them: what is committed is judged by the
 * state as it is then. Here our own initiation is made void by theirs, and the answer to ours comes after it.
 */
Test(proto_items, p9_an_answer_to_what_was_replaced)
{
	struct sl_msg_initiation ours, theirs;
	struct sl_msg_response answer;

	sim_initiate(&sim, 0);
	memcpy(&ours, sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data, sizeof(ours));
	sim_initiate(&sim, 1);
	memcpy(&theirs, sim_last(&sim, SIM_SENT, 1, SL_MSG_INITIATION)->data, sizeof(theirs));
	sim_deliver(&sim, 1, &ours, sizeof(ours), NULL);
	memcpy(&answer, sim_last(&sim, SIM_SENT, 1, SL_MSG_RESPONSE)->data, sizeof(answer));
	sim_deliver(&sim, 0, &theirs, sizeof(theirs), NULL);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, SL_MSG_RESPONSE), 1, "theirs is answered although ours is out");
	sim_deliver(&sim, 0, &answer, sizeof(answer), NULL);
	cr_assert_eq(sl_proto_if_counters(a->ifp)->unexpected, 1);
	cr_assert_eq(a->peer->sessions[SL_SESSION_CURRENT].slot, SL_SESSION_NONE);
	cr_assert_neq(a->peer->sessions[SL_SESSION_NEXT].slot, SL_SESSION_NONE);
}

/* The session has the handshake's index, and both are told apart by what asks for them. */
Test(proto_items, p21_the_session_inherits_the_index)
{
	const struct sl_session *s;
	uint32_t index;

	sim_initiate(&sim, 0);
	memcpy(&index, sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data + 4, sizeof(index));
	s = &a->sessions.slots[sl_session_slot_of(&a->sessions, index)];
	cr_assert_eq(atomic_load(&s->live), SL_SESSION_NONE, "no data is received on a handshake");
	sim.link.cut = false;
	sim_run_for(&sim, 6 * SIM_S);
	s = sl_sessions_current(a->peer);
	cr_assert_not_null(s);
	memcpy(&index, sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data + 4, sizeof(index));
	cr_assert_eq(s->index, index);
	cr_assert_eq(a->sessions.reserved, 1, "the first attempt's index is free");
}
