#include <criterion/criterion.h>

#include "crypto/protocol.h"
#include "dataplane/traffic_gen.h"

#define BEGAN UINT64_C(7000000000)

static struct sl_traffic_plan
plan_of(uint64_t rate, uint64_t duration)
{
	return (struct sl_traffic_plan){.directions = SL_TRAFFIC_TO_SERVER, .flows = 1, .rate = rate, .duration = duration,
		.n_sizes = 1, .sizes = {{100, 1}}};
}

Test(traffic_pace, packets_come_when_they_are_due)
{
	struct sl_traffic_pace p;

	sl_traffic_pace_begin(&p, 1000, BEGAN);
	cr_expect_eq(sl_traffic_pace_due(&p, BEGAN - 1, 9), 0u);
	cr_expect_eq(sl_traffic_pace_due(&p, BEGAN, 9), 1u, "the first at once");
	sl_traffic_pace_take(&p, 1);
	cr_expect_eq(sl_traffic_pace_due(&p, BEGAN + 999999, 9), 0u);
	cr_expect_eq(sl_traffic_pace_wait(&p, BEGAN + 999000), 1000u);
	cr_expect_eq(sl_traffic_pace_due(&p, BEGAN + 1000000, 9), 1u);
	cr_expect_eq(sl_traffic_pace_wait(&p, BEGAN + 1000000), 0u);
	cr_expect_eq(sl_traffic_pace_due(&p, BEGAN + 5000000, 9), 5u);
	cr_expect_eq(sl_traffic_pace_due(&p, BEGAN + 5000000, 3), 3u);
	cr_expect_eq(p.given_up, 0u);
}

/* When the wait that was told is over, there is a packet, and none before, whatever the rate. */
Test(traffic_pace, waits_are_exact)
{
	static const uint64_t rates[] = {1, 3, 7, 999, 1000, 123457, 999999937};

	for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct sl_traffic_pace p;
		uint64_t now = BEGAN;

		sl_traffic_pace_begin(&p, rates[i], now);
		for (unsigned k = 0; k < 1000; k++) {
			uint64_t due = sl_traffic_pace_due(&p, now, 1000), wait;

			sl_traffic_pace_take(&p, due);
			wait = sl_traffic_pace_wait(&p, now);
			cr_assert_gt(wait, 0u);
			cr_assert_eq(sl_traffic_pace_due(&p, now + wait - 1, 1000), 0u, "rate %lu", rates[i]);
			now += wait;
			cr_assert_geq(sl_traffic_pace_due(&p, now, 1000), 1u, "rate %lu", rates[i]);
		}
	}
}

Test(traffic_pace, a_long_pause_is_not_made_up_for)
{
	struct sl_traffic_pace p;

	sl_traffic_pace_begin(&p, 1000, BEGAN);
	cr_expect_eq(sl_traffic_pace_due(&p, BEGAN + SL_NSEC_PER_SEC, 5000), 101u, "100 ms of it are");
	cr_expect_eq(p.given_up, 900u);
	sl_traffic_pace_take(&p, 101);
	cr_expect_eq(sl_traffic_pace_due(&p, BEGAN + SL_NSEC_PER_SEC + SL_NSEC_PER_MSEC, 5000), 1u, "and then the rate holds");
}

Test(traffic_pace, without_a_rate_all_is_due)
{
	struct sl_traffic_pace p;

	sl_traffic_pace_begin(&p, 0, BEGAN);
	cr_expect_eq(sl_traffic_pace_due(&p, BEGAN, 32), 32u);
	cr_expect_eq(sl_traffic_pace_wait(&p, BEGAN), 0u);
}

Test(traffic_mix, sizes_by_weight_and_spread)
{
	const struct sl_traffic_plan imix = {.n_sizes = 3, .sizes = {{64, 7}, {570, 4}, {1420, 1}}};
	struct sl_traffic_mix mix;
	unsigned small = 0, middle = 0, large = 0, row = 0, longest = 0;

	sl_traffic_mix_begin(&mix, &imix);
	for (unsigned i = 0; i < 120; i++) {
		uint16_t size = sl_traffic_mix_next(&mix);

		small += size == 64;
		middle += size == 570;
		large += size == 1420;
		row = size == 64 ? row + 1 : 0;
		longest = row > longest ? row : longest;
	}
	cr_expect_eq(small, 70u);
	cr_expect_eq(middle, 40u);
	cr_expect_eq(large, 10u);
	cr_expect_leq(longest, 2u, "small ones do not come in a row of %u", longest);
}

Test(traffic_gen, shares_make_up_the_whole)
{
	for (unsigned n = 1; n <= 64; n++) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < n; i++)
			sum += sl_traffic_share(1000003, i, n);
		cr_expect_eq(sum, 1000003u);
	}
}

/* Runs a generator to its end, looking every `step` ns; how many data packets. Numbers must be in order within each flow. */
static uint64_t
run(struct sl_traffic_gen *g, const struct sl_traffic_gen_config *cfg, const struct sl_traffic_plan *plan, uint64_t step)
{
	uint64_t next[SL_TRAFFIC_FLOWS_MAX] = {0}, data = 0, probes = 0;
	struct sl_traffic_packet packets[32];

	sl_traffic_gen_begin(g, cfg, plan, BEGAN);
	for (uint64_t now = BEGAN; !atomic_load(&g->ended); now += step) {
		unsigned n;

		cr_assert_lt(now, BEGAN + 2 * plan->duration + SL_NSEC_PER_SEC);
		while ((n = sl_traffic_gen_take(g, now, packets, 32)) > 0) {
			for (unsigned i = 0; i < n; i++) {
				const struct sl_traffic_header *h = &packets[i].header;

				cr_assert_eq(h->session, cfg->session);
				cr_assert_eq(h->trial, cfg->trial);
				cr_assert_eq(h->stamp, now);
				if (h->type == SL_TRAFFIC_PROBE) {
					probes++;
					continue;
				}
				data++;
				cr_assert_eq(h->seq, next[h->flow]++, "flow %u", h->flow);
			}
			sl_traffic_gen_sent(g, packets, n);
		}
	}
	cr_expect_eq(sl_traffic_gen_total(g), data);
	cr_expect_eq(atomic_load(&g->probes_sent), probes);
	return data;
}

Test(traffic_gen, a_trial_has_as_many_packets_as_planned)
{
	static struct sl_traffic_gen g;
	static const uint64_t steps[] = {1000, 333333, 10 * SL_NSEC_PER_MSEC, 60 * SL_NSEC_PER_MSEC};
	const struct sl_traffic_plan plan = plan_of(5000, SL_NSEC_PER_SEC / 2);
	const struct sl_traffic_gen_config cfg = {.session = 8, .trial = 3, .first_flow = 0, .flow_step = 1, .n_flows = 4,
		.data = true, .probes = 100, .rate = 5000};

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		cr_expect_eq(run(&g, &cfg, &plan, steps[i]), 2500u, "looking every %lu ns", steps[i]);
		cr_expect_eq(atomic_load(&g.bytes), 250000u);
		for (unsigned f = 0; f < 4; f++)
			cr_expect_eq(atomic_load(&g.sent[f]), 625u);
		cr_expect(atomic_load(&g.probes_sent) >= 44 && atomic_load(&g.probes_sent) <= 50);
	}
}

Test(traffic_gen, every_worker_serves_its_own_flows)
{
	static struct sl_traffic_gen g;
	const struct sl_traffic_plan plan = plan_of(1000, SL_NSEC_PER_SEC);
	const struct sl_traffic_gen_config cfg = {.session = 8, .trial = 3, .first_flow = 1, .flow_step = 3, .n_flows = 2,
		.data = true, .rate = 1000};
	struct sl_traffic_packet packets[4];

	sl_traffic_gen_begin(&g, &cfg, &plan, BEGAN);
	cr_assert_eq(sl_traffic_gen_take(&g, BEGAN + 3 * SL_NSEC_PER_MSEC, packets, 4), 4u);
	cr_expect_eq(packets[0].header.flow, 1);
	cr_expect_eq(packets[1].header.flow, 4);
	cr_expect_eq(packets[2].header.flow, 1);
	cr_expect_eq(packets[2].header.seq, 1u);
}

Test(traffic_gen, a_share_of_nothing_sends_nothing)
{
	static struct sl_traffic_gen g;
	const struct sl_traffic_plan plan = plan_of(1, SL_NSEC_PER_SEC);
	const struct sl_traffic_gen_config none = {.session = 8, .trial = 1, .flow_step = 1, .n_flows = 1, .data = true, .rate = 0};
	const struct sl_traffic_gen_config probes = {.session = 8, .trial = 1, .flow_step = 1, .n_flows = 1, .probes = 10};

	cr_expect_eq(run(&g, &none, &plan, SL_NSEC_PER_MSEC), 0u, "a rate of 1 that others have is not `no limit`");
	cr_expect_eq(run(&g, &probes, &plan, SL_NSEC_PER_MSEC), 0u);
	cr_expect_eq(atomic_load(&g.probes_sent), 10u);
}

Test(traffic_gen, without_a_rate_it_ends_with_the_time)
{
	static struct sl_traffic_gen g;
	const struct sl_traffic_plan plan = plan_of(0, SL_NSEC_PER_SEC);
	const struct sl_traffic_gen_config cfg = {.session = 8, .trial = 1, .flow_step = 1, .n_flows = 1, .data = true};
	struct sl_traffic_packet packets[32];

	sl_traffic_gen_begin(&g, &cfg, &plan, BEGAN);
	cr_expect_eq(sl_traffic_gen_take(&g, BEGAN + SL_NSEC_PER_SEC - 1, packets, 32), 32u);
	cr_expect_eq(sl_traffic_gen_wait(&g, BEGAN), 0u);
	cr_expect_eq(sl_traffic_gen_take(&g, BEGAN + SL_NSEC_PER_SEC, packets, 32), 0u);
	cr_expect(atomic_load(&g.ended));
}
