/*
 * Two cores over a bad link: whatever it does, once it heals both converge on
 * a working session within 30 s, no payload is delivered twice or unsent, and
 * no counter is used twice.
 */
#include <criterion/criterion.h>

#include "sim.h"

#define SEEDS      300
#define HEALING_NS (30 * SIM_S)

static struct sim sim;

/* How often something that matters happened over all seeds: none of it may stay at nothing. */
static struct {
	uint64_t delivered, replays_refused, no_session, completed, initiations, responses, unexpected, restarts;
} seen;

struct traffic {
	unsigned node;
	uint64_t pause_max; /* ns between two payloads */
	uint64_t until;
};

static void
send_some(struct sim *s, void *arg)
{
	struct traffic *t = arg;

	sim_send(s, t->node);
	if (s->now < t->until)
		sim_at(s, s->now + 1 + sim_random(s, t->pause_max), send_some, t);
}

static void
note_node(struct sim_node *node)
{
	const struct sl_proto_if_counters *c = sl_proto_if_counters(node->ifp);

	seen.completed += c->completed;
	seen.initiations += c->initiations_received;
	seen.responses += c->responses_received;
	seen.unexpected += c->unexpected;
}

static void
restart(struct sim *s, void *arg)
{
	note_node(arg);
	sim_restart(s, ((struct sim_node *)arg)->number);
	seen.restarts++;
}

static void
step_wall(struct sim *s, void *arg)
{
	struct sim_node *node = arg;

	node->wall_offset += ((int64_t)sim_random(s, 2000) - 1000) * (int64_t)SIM_S;
}

static void
bad_time(uint64_t length, struct traffic traffic[2])
{
	static const uint64_t delays[] = {SIM_MS, 20 * SIM_MS, 500 * SIM_MS, 4 * SIM_S, 60 * SIM_S};

	sim.link.loss = (double)sim_random(&sim, 60) / 100;
	sim.link.duplication = (double)sim_random(&sim, 30) / 100;
	sim.link.delay_max = delays[sim_random(&sim, 5)];
	sim.link.delay_min = sim.link.delay_max / 100;
	for (unsigned i = 0; i < 2; i++) {
		static const uint64_t pauses[] = {SIM_S / 2, 8 * SIM_S, 40 * SIM_S, 300 * SIM_S};

		traffic[i] = (struct traffic){.node = i, .pause_max = pauses[sim_random(&sim, 4)], .until = sim.now + length};
		sim_at(&sim, sim.now + sim_random(&sim, SIM_S), send_some, &traffic[i]);
		if (sim_random(&sim, 4) == 0)
			sl_proto_peer_set_keepalive(sim.nodes[i].peer, (uint16_t)(1 + sim_random(&sim, 60)), sim.now);
	}
	if (sim_random(&sim, 4) == 0)
		sim_at(&sim, sim.now + sim_random(&sim, length), restart, &sim.nodes[sim_random(&sim, 2)]);
	if (sim_random(&sim, 4) == 0)
		sim_at(&sim, sim.now + sim_random(&sim, length), step_wall, &sim.nodes[sim_random(&sim, 2)]);
	sim_run_for(&sim, length);
}

static void
one_seed(uint64_t seed)
{
	struct traffic bad[2], good[2];
	uint64_t healed, last[2];

	sim_init(&sim, seed, true);
	sim.keep_events = false;
	bad_time((100 + sim_random(&sim, 700)) * SIM_S, bad);
	sim.link = (struct sim_link){.delay_min = 10 * SIM_MS, .delay_max = 10 * SIM_MS};
	healed = sim.now;
	for (unsigned i = 0; i < 2; i++) {
		good[i] = (struct traffic){.node = i, .pause_max = SIM_S, .until = healed + HEALING_NS + 5 * SIM_S};
		sim_at(&sim, sim.now, send_some, &good[i]);
		last[i] = sim.nodes[i].delivered;
	}
	sim_run(&sim, healed + HEALING_NS);
	cr_expect(sim_connected(&sim), "seed %lu: no session 30 s after the link healed", seed);
	for (unsigned i = 0; i < 2; i++) {
		struct sim_node *node = &sim.nodes[i];

		cr_expect(node->delivered > last[i], "seed %lu: nothing reached node %u", seed, i);
		last[i] = node->delivered;
	}
	sim_run_for(&sim, 5 * SIM_S);
	for (unsigned i = 0; i < 2; i++) {
		struct sim_node *node = &sim.nodes[i];

		cr_expect(node->delivered > last[i], "seed %lu: node %u gets nothing any more", seed, i);
		seen.delivered += node->delivered;
		seen.replays_refused += node->refused_replays;
		seen.no_session += node->refused_sessions;
		note_node(node);
		cr_expect_leq(node->sessions.reserved, 4, "seed %lu: %u sessions", seed, node->sessions.reserved);
	}
	cr_expect_eq(sim.violations, 0, "seed %lu: %u violations", seed, sim.violations);
	sim_fini(&sim);
}

Test(proto_link, converges, .timeout = 300)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		one_seed(seed);
	cr_expect_gt(seen.delivered, SEEDS * 20);
	cr_expect_gt(seen.replays_refused, 0);
	cr_expect_gt(seen.no_session, 0);
	cr_expect_gt(seen.completed, SEEDS);
	cr_expect_gt(seen.initiations, SEEDS);
	cr_expect_gt(seen.responses, SEEDS);
	cr_expect_gt(seen.unexpected, 0);
	cr_expect_gt(seen.restarts, 0);
}

/* The same seed is the same run. */
Test(proto_link, repeats_itself)
{
	uint64_t delivered[2], random[2];

	for (unsigned i = 0; i < 2; i++) {
		struct traffic traffic[2];

		sim_init(&sim, 77, true);
		bad_time(300 * SIM_S, traffic);
		delivered[i] = sim.nodes[0].delivered * 1000 + sim.nodes[1].delivered;
		random[i] = sim_random(&sim, UINT64_MAX);
		sim_fini(&sim);
	}
	cr_assert_eq(delivered[0], delivered[1]);
	cr_assert_eq(random[0], random[1]);
}
