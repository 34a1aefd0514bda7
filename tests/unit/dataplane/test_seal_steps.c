/*
 * Counters of a session that another core uses at the same time, without luck: the sealing thread is stepped by the CPU's trap flag, and
 * between any two of its instructions "the other core" takes a counter.
 */
#include <signal.h>
#include <stdatomic.h>

#include "tests/unit/dataplane/egress.h"
#include "tests/unit/dataplane/step.h"

#define PACKETS 3

static struct sl_sender *sender;
static uint64_t steps; /* and so many counters taken between them */
static uint64_t ours[PACKETS];

static void
take_one(int signal)
{
	(void)signal;
	steps++;
	sl_sender_take(sender, 1);
}

Test(seal_steps, bug_nonce_reuse_between_any_two_instructions, .timeout = 120)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	struct sigaction action = {.sa_handler = take_one}, before;
	uint8_t plain[RIG_PACKET];

	sender = s.s->sender;
	cr_assert_eq(sigaction(SIGTRAP, &action, &before), 0);
	for (unsigned burst = 1; burst <= PACKETS; burst++) {
		uint64_t first = sl_sender_counter(sender), last;

		steps = 0;
		for (unsigned i = 0; i < burst; i++)
			put(r, SL_STAGE_FORWARD, inner4(r, 100));
		step(true);
		rig_run(r, 0);
		step(false);
		last = sl_sender_counter(sender);
		cr_expect_gt(steps, 1000, "the thread was stepped");
		cr_expect_eq(last - first, steps + burst, "a burst of %u: every counter was given once", burst);
		cr_assert_eq(r->n_sent, burst);
		for (unsigned i = 0; i < burst; i++) {
			cr_expect_eq(sent_plain(r, i, &s, plain, &ours[i]), 112);
			cr_expect(ours[i] >= first && ours[i] < last);
			cr_expect(i == 0 || ours[i] > ours[i - 1], "in order, none twice");
		}
		rig_forget_sent(r);
	}
	sigaction(SIGTRAP, &before, NULL);
	finish(r);
}
