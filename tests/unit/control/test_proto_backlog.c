/* What waits behind a ring under load: first in first out, for as long as an answer makes sense, and within its bounds. */
#include <criterion/criterion.h>

#include "control/proto/backlog.h"
#include "sim.h"

#define START UINT64_C(5000000000)
#define SOME  1000 /* more than a piece of memory holds */

static struct sl_backlog backlog;

static void
teardown(void)
{
	sl_backlog_clear(&backlog);
}

TestSuite(proto_backlog, .fini = teardown);

/* An initiation that is its own number. */
static bool
put(uint32_t number, uint64_t at)
{
	struct sl_msg_initiation text = {.type = SL_MSG_INITIATION, .sender = number};
	struct sl_proto_msg msg = {.data = (const uint8_t *)&text, .len = sizeof(text), .src.port = (uint16_t)number};

	return sl_backlog_put(&backlog, &msg, number + 1, at);
}

static uint32_t
number_of(const struct sl_backlog_entry *e)
{
	uint32_t number;

	memcpy(&number, e->data + offsetof(struct sl_msg_initiation, sender), sizeof(number));
	cr_assert_eq(e->generation, number + 1);
	cr_assert_eq(e->src.port, (uint16_t)number);
	cr_assert_eq(e->len, sizeof(struct sl_msg_initiation));
	return number;
}

Test(proto_backlog, first_in_first_out)
{
	struct sl_backlog_entry out[32];
	uint32_t next = 0, in = 0;
	bool any;

	cr_assert_eq(sl_backlog_take(&backlog, out, 32, START, &any), 0);
	cr_assert_not(any);
	/* it grows and shrinks, and is empty now and then */
	for (unsigned round = 0; round < 40; round++) {
		for (unsigned i = 0; i < round % 3 * 100; i++)
			cr_assert(put(in++, START));
		for (unsigned left = round * 8, n; left > 0; left -= n) {
			n = sl_backlog_take(&backlog, out, RTE_MIN(left, 32u), START + 1, &any);
			cr_assert_eq(any, n > 0);
			for (unsigned i = 0; i < n; i++)
				cr_assert_eq(number_of(&out[i]), next++);
			if (n == 0)
				break;
		}
		cr_assert_eq(backlog.n, in - next);
	}
	cr_assert_eq(next, in);
	cr_assert_eq(backlog.dropped, 0);
}

Test(proto_backlog, what_is_overdue_is_dropped)
{
	struct sl_backlog_entry out[32];
	uint64_t later = START + SL_REKEY_TIMEOUT_NS;
	unsigned calls = 0;
	bool any;

	for (uint32_t i = 0; i < SOME; i++)
		cr_assert(put(i, START));
	cr_assert(put(SOME, START + 1));
	cr_assert_eq(sl_backlog_take(&backlog, out, 1, later - 1, &any), 1, "5 s less 1 ns");
	cr_assert_eq(number_of(out), 0);
	/* a step takes only some of them */
	while (sl_backlog_take(&backlog, out, 32, later, &any) == 0) {
		cr_assert(any);
		calls++;
	}
	cr_assert_gt(calls, 1);
	cr_assert_eq(number_of(out), SOME, "it came 1 ns later");
	cr_assert_eq(backlog.dropped, SOME - 1);
	cr_assert_eq(backlog.n, 0);
	cr_assert_null(backlog.first, "memory returns");
}

Test(proto_backlog, bounded)
{
	struct sl_backlog_entry out[1];
	bool any;

	for (uint32_t i = 0; i < SL_BACKLOG_MAX; i++)
		cr_assert(put(i, START));
	cr_assert_not(put(0, START));
	cr_assert_eq(backlog.dropped, 1);
	cr_assert_eq(sl_backlog_take(&backlog, out, 1, START, &any), 1);
	cr_assert(put(0, START), "there is room again");
	sl_backlog_clear(&backlog);
	cr_assert_eq(backlog.n, 0);
	cr_assert(put(7, START));
	cr_assert_eq(sl_backlog_take(&backlog, out, 1, START, &any), 1);
	cr_assert_eq(number_of(out), 7);
}

/* --- behind an interface --- */

static struct sim sim;

static void
sim_setup(void)
{
	sim_init(&sim, 5, true);
	sim.link.cut = true;
}

static void
sim_teardown(void)
{
	sim_fini(&sim);
}

TestSuite(proto_admit, .init = sim_setup, .fini = sim_teardown);

/* Node 0 sends an initiation, which comes to node 1 with its present load. */
static void
admit(void)
{
	const struct sim_event *e;
	struct sl_proto_msg msg;

	sim_initiate(&sim, 0);
	e = sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION);
	msg = (struct sl_proto_msg){.data = e->data, .len = e->len, .src = sim.nodes[0].self, .dst_local = sim.nodes[1].self.ip};
	sl_proto_admit(sim.nodes[1].ifp, &msg, 1, sim.now);
}

static unsigned
sent(uint32_t type)
{
	return sim_count(&sim, SIM_SENT, 1, type);
}

Test(proto_admit, waits_for_its_turn_and_is_answered)
{
	struct sl_proto_if *ifp = sim.nodes[1].ifp;

	admit();
	cr_assert_eq(sl_proto_if_waiting(ifp), 1);
	cr_assert_eq(sent(SL_MSG_RESPONSE), 0, "nothing is computed yet");
	cr_assert(sl_proto_work(ifp, 1, sim.now + SL_REKEY_TIMEOUT_NS - 1));
	cr_assert_eq(sent(SL_MSG_RESPONSE), 1);
	cr_assert_eq(sl_proto_if_waiting(ifp), 0);
	cr_assert_not(sl_proto_work(ifp, 1, sim.now));
}

Test(proto_admit, p16_without_a_cookie_nothing_waits)
{
	struct sl_proto_if *ifp = sim.nodes[1].ifp;

	sl_proto_if_note_load(ifp, 1, 1, sim.now);
	admit();
	cr_assert_eq(sl_proto_if_waiting(ifp), 0);
	cr_assert_eq(sent(SL_MSG_COOKIE_REPLY), 1);
	cr_assert_not(sl_proto_work(ifp, 1, sim.now));
	cr_assert_eq(sent(SL_MSG_RESPONSE), 0);
}

Test(proto_admit, not_answered_when_its_sender_has_sent_another)
{
	struct sl_proto_if *ifp = sim.nodes[1].ifp;

	admit();
	cr_assert(sl_proto_work(ifp, 1, sim.now + SL_REKEY_TIMEOUT_NS));
	cr_assert_eq(sent(SL_MSG_RESPONSE), 0);
	cr_assert_eq(sl_proto_if_counters(ifp)->overdue, 1);
}

Test(proto_admit, the_identity_may_go_meanwhile)
{
	struct sl_proto_if *ifp = sim.nodes[1].ifp;
	const uint8_t other[SL_KEY_LEN] = {8, 1}, none[SL_KEY_LEN] = {0};

	admit();
	sl_proto_if_set_key(ifp, other, sim.now);
	cr_assert(sl_proto_work(ifp, 1, sim.now));
	cr_assert_eq(sent(SL_MSG_RESPONSE), 0);
	cr_assert_eq(sim_count(&sim, SIM_FAILURE, 1, 0), 0, "nobody has failed");
	admit();
	sl_proto_if_set_key(ifp, none, sim.now);
	cr_assert_not(sl_proto_work(ifp, 1, sim.now));
	cr_assert_eq(sl_proto_if_waiting(ifp), 0, "without a key nothing waits");
}
