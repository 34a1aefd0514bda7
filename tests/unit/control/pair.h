/*
 * What tests of timers share: two nodes (sim.h) whose link has no delay, of which node 0 is looked at, and questions
 * about what they did. Each test program has its own pair. One thread.
 */
#pragma once

#include <criterion/criterion.h>

#include "sim.h"

#define JITTER SL_TIMER_JITTER_MAX_NS

static struct sim sim;
static struct sim_node *a, *b;

static inline void
pair_setup(void)
{
	sim_init(&sim, 42, true);
	a = &sim.nodes[0];
	b = &sim.nodes[1];
	sim.link.delay_min = sim.link.delay_max = 0;
}

static inline void
pair_teardown(void)
{
	sim_fini(&sim);
}

/* A confirmed session, node `initiator` having begun it; the time then. */
static inline uint64_t
connect(unsigned initiator)
{
	sim_initiate(&sim, initiator);
	sim_run_for(&sim, 1);
	cr_assert(sim_connected(&sim));
	cr_assert_eq(sl_sessions_current(a->peer)->initiator, initiator == 0);
	sim_forget_events(&sim);
	return sl_sessions_current(a->peer)->created;
}

static inline unsigned
initiations(unsigned node)
{
	return sim_count(&sim, SIM_SENT, node, SL_MSG_INITIATION);
}

static inline unsigned
data(unsigned node)
{
	return sim_count(&sim, SIM_SENT, node, SL_MSG_DATA);
}

static inline uint64_t
time_of(enum sim_event_kind kind, unsigned node, uint32_t type, unsigned nth)
{
	const struct sim_event *e = sim_event(&sim, kind, node, type, nth);

	cr_assert_not_null(e, "event %u of kind %d did not happen", nth, kind);
	return e->at;
}

/* Both ends quiet: neither has anything unanswered or owed. */
static inline void
exchange(void)
{
	sim_send(&sim, 0);
	sim_run_for(&sim, 1);
	sim_send(&sim, 1);
	sim_run_for(&sim, 1);
	sim_send(&sim, 0);
	sim_run_for(&sim, 1);
}
