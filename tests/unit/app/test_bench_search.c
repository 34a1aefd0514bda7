#include <criterion/criterion.h>

#include "app/bench_search.h"

#define PERCENT 10000 /* millionths */

/* A link that carries so many packets per second and loses the rest, and a sender that sends so many at most. */
struct link {
	uint64_t carries, sends;
	unsigned seconds;
};

static struct sl_bench_trial_result
trial(const struct link *l, uint64_t rate)
{
	uint64_t sent = rate == 0 || rate > l->sends ? l->sends : rate;

	return (struct sl_bench_trial_result){
		.rate = sent,
		.sent = sent * l->seconds,
		.lost = sent > l->carries ? (sent - l->carries) * l->seconds : 0,
	};
}

static void
run(struct sl_bench_search *s, const struct link *l)
{
	uint64_t rate;

	while (sl_bench_search_next(s, &rate)) {
		struct sl_bench_trial_result r = trial(l, rate);

		cr_assert_leq(s->trials, (unsigned)SL_BENCH_SEARCH_TRIALS);
		cr_assert_eq(sl_bench_search_result(s, &r), r.sent > 0 && r.lost * 1000000 <= r.sent * s->loss);
	}
}

Test(bench_search, finds_what_the_link_carries)
{
	static const uint64_t carried[] = {1, 2, 10, 99, 1000, 12345, 777777, 9999999};

	for (unsigned i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
		const struct link l = {.carries = carried[i], .sends = 10000000, .seconds = 2};
		struct sl_bench_search s;

		sl_bench_search_begin(&s, 0, PERCENT, 0);
		run(&s, &l);
		cr_expect_eq(s.limit, SL_BENCH_LIMIT_LOSS, "%lu", carried[i]);
		cr_expect(s.passed <= carried[i] && s.failed > carried[i], "%lu: %lu to %lu", carried[i], s.passed, s.failed);
		cr_expect(s.failed - s.passed <= 1 || (s.failed - s.passed) * 100 <= s.failed, "%lu: %lu to %lu", carried[i],
			s.passed, s.failed);
	}
}

Test(bench_search, ends_as_it_must)
{
	static const struct {
		const char *what;
		struct link link;
		uint64_t most;
		uint32_t loss;
		enum sl_bench_limit limit;
		uint64_t least, highest; /* of what passed */
		unsigned trials;
	} cases[] = {
		{"a link that carries all", {5000000, 1000000, 1}, 0, 0, SL_BENCH_LIMIT_SENDER, 1000000, 1000000, 1},
		{"a link that carries what is asked for", {5000000, 1000000, 1}, 5000, 0, SL_BENCH_LIMIT_RATE, 5000, 5000, 1},
		{"a sender that cannot send it", {5000000, 4000, 1}, 5000, 0, SL_BENCH_LIMIT_SENDER, 4000, 4000, 1},
		{"a sender just short of it", {5000000, 4950, 1}, 5000, 0, SL_BENCH_LIMIT_RATE, 4950, 4950, 1},
		{"a link that is cut", {0, 1000000, 1}, 0, 0, SL_BENCH_LIMIT_ALL_LOST, 0, 0, 0},
		{"a sender that sends nothing", {5, 0, 1}, 0, 0, SL_BENCH_LIMIT_ALL_LOST, 0, 0, 1},
		{"loss that is allowed", {900, 100000, 10}, 1000, 10 * PERCENT, SL_BENCH_LIMIT_RATE, 1000, 1000, 1},
		{"a little more than is allowed", {900, 100000, 10}, 1010, 10 * PERCENT, SL_BENCH_LIMIT_LOSS, 990, 1000, 0},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_bench_search s;

		sl_bench_search_begin(&s, cases[i].most, PERCENT, cases[i].loss);
		run(&s, &cases[i].link);
		cr_expect_eq(s.limit, cases[i].limit, "%s: %d", cases[i].what, s.limit);
		cr_expect(s.passed >= cases[i].least && s.passed <= cases[i].highest, "%s: %lu", cases[i].what, s.passed);
		cr_expect(cases[i].trials == 0 || s.trials == cases[i].trials, "%s: %u trials", cases[i].what, s.trials);
	}
}

/* A link whose verdicts contradict one another must not keep the search from ending. */
Test(bench_search, ends_on_a_link_that_changes_its_mind)
{
	for (unsigned seed = 0; seed < 1000; seed++) {
		struct sl_bench_search s;
		uint64_t rate;
		unsigned random = seed;

		sl_bench_search_begin(&s, 0, 100, 0);
		while (sl_bench_search_next(&s, &rate)) {
			struct sl_bench_trial_result r = {.rate = rate ? rate : 1000000, .sent = 1000};

			random = random * 1103515245 + 12345;
			r.lost = s.trials == 0 ? 1 : random >> 16 & 1;
			sl_bench_search_result(&s, &r);
			cr_assert_leq(s.trials, (unsigned)SL_BENCH_SEARCH_TRIALS);
		}
		cr_assert_leq(s.passed, s.failed);
	}
}
