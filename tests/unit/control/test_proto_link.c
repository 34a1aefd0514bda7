/*
 * Two cores over a bad link: whatever it does and whatever happens to them
 * meanwhile, once it heals both converge on a working session within 30 s, no
 * counter is used twice, no replay is accepted, no payload is delivered twice
 * or unsent, and in the end nothing is left over.
 *
 *   SL_SIM_SEEDS  how many seeds (500)
 *   SL_SIM_FIRST  the first of them (1)
 *
 * A seed that fails is run alone by SL_SIM_FIRST=<seed> SL_SIM_SEEDS=1, and tells what happens with SL_SIM_VERBOSE=1.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <time.h>

#include "sim_chaos.h"

#define SEEDS          500
#define SEEDS_FOR_ALL  400 /* from so many on every transition must have happened */
#define REPEAT_EVERY   25
#define HEALING_NS     (30 * SIM_S)
#define WORKING_NS     (5 * SIM_S)
#define MESSAGES_UNDER 100000 /* packets under way at most: what a big burst makes */

static struct sim sim;
static struct chaos chaos;

static struct {
	uint64_t transitions[SIM_T_COUNT];
	uint64_t delivered, packets, virtual_ns, healing_ns, healing_max_ns, healing_max_seed;
	unsigned failed;
} all;

static uint64_t
setting(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 10) : otherwise;
}

static void
fail(uint64_t seed, const char *what)
{
	all.failed++;
	cr_expect_fail("seed %lu: %s; alone: SL_SIM_FIRST=%lu SL_SIM_SEEDS=1", seed, what, seed);
}

static bool
delivers(uint64_t since)
{
	return sim.nodes[0].newest_delivered >= since && sim.nodes[1].newest_delivered >= since;
}

/* From the healing on. */
static void
expect_working_session(uint64_t seed)
{
	uint64_t healed = sim.now, first = sim.next_payload, later;

	while (sim.now < healed + HEALING_NS && !(delivers(first) && sim_connected(&sim)))
		sim_run_for(&sim, SIM_S / 10);
	if (!delivers(first) || !sim_connected(&sim)) {
		fail(seed, "no working session 30 s after the link healed");
		return;
	}
	all.healing_ns += sim.now - healed;
	if (sim.now - healed > all.healing_max_ns) {
		all.healing_max_ns = sim.now - healed;
		all.healing_max_seed = seed;
	}
	later = sim.next_payload;
	sim_run_for(&sim, WORKING_NS);
	if (!delivers(later))
		fail(seed, "the session stopped working");
}

/* The hash of all that happened. */
static uint64_t
run_seed(uint64_t seed)
{
	sim_init(&sim, seed, true);
	sim.keep_events = false;
	sim.strangers = false;
	sim.verbose = getenv("SL_SIM_VERBOSE") != NULL;
	chaos_begin(&chaos, &sim);
	while (sim.now < chaos.until)
		sim_run(&sim, chaos.until);
	if (sim.verbose)
		printf("healed\n");
	chaos_heal(&chaos);
	expect_working_session(seed);
	if (sim.n_messages > MESSAGES_UNDER)
		fail(seed, "packets without end");
	all.virtual_ns += sim.now - SIM_START;
	all.packets += sim.n_packets;
	all.delivered += sim.nodes[0].delivered + sim.nodes[1].delivered;
	for (unsigned t = 0; t < SIM_T_COUNT; t++)
		all.transitions[t] += sim.seen[t];
	sim_fini(&sim);
	if (sim.violations > 0) {
		char what[256];

		snprintf(what, sizeof(what), "%u violations, the first at %.3f s: %s", sim.violations,
			(double)(sim.violation_at - SIM_START) / SIM_S, sim.violation);
		fail(seed, what);
	}
	return sim.trace;
}

static void
report(uint64_t seeds, double cpu)
{
	printf("%lu seeds, %u failures: %.0f h of protocol time in %.1f s of CPU; %lu packets, %lu payloads delivered\n",
		seeds, all.failed, (double)all.virtual_ns / SIM_S / 3600, cpu, all.packets, all.delivered);
	printf("working again after %.1f s on average, %.1f s at most (seed %lu)\n",
		(double)all.healing_ns / SIM_S / (double)seeds, (double)all.healing_max_ns / SIM_S, all.healing_max_seed);
	for (unsigned t = 0; t < SIM_T_COUNT; t++)
		printf("%10lu  %s\n", all.transitions[t], sim_transition_text(t));
}

Test(proto_link, converges, .timeout = 1800)
{
	uint64_t seeds = setting("SL_SIM_SEEDS", SEEDS), first = setting("SL_SIM_FIRST", 1);
	clock_t begun = clock();

	for (uint64_t seed = first; seed < first + seeds; seed++)
		run_seed(seed);
	report(seeds, (double)(clock() - begun) / CLOCKS_PER_SEC);
	if (seeds < SEEDS_FOR_ALL)
		return;
	for (unsigned t = 0; t < SIM_T_COUNT; t++)
		cr_expect_gt(all.transitions[t], 0, "never happened: %s", sim_transition_text(t));
}

/* The same seed is the same run, to the last packet. */
Test(proto_link, repeats_itself, .timeout = 300)
{
	uint64_t seeds = setting("SL_SIM_SEEDS", SEEDS), first = setting("SL_SIM_FIRST", 1);

	for (uint64_t seed = first; seed < first + seeds && seed < first + SEEDS; seed += REPEAT_EVERY) {
		uint64_t trace = run_seed(seed);

		cr_expect_eq(run_seed(seed), trace, "seed %lu: two runs differ", seed);
	}
}
