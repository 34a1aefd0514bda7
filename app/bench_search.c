#include "app/bench_search.h"

void
sl_bench_search_begin(struct sl_bench_search *s, uint64_t most, uint32_t resolution, uint32_t loss)
{
	*s = (struct sl_bench_search){.most = most, .resolution = resolution, .loss = loss};
}

static uint64_t
middle(const struct sl_bench_search *s)
{
	return s->passed + (s->failed - s->passed) / 2;
}

bool
sl_bench_search_next(const struct sl_bench_search *s, uint64_t *rate)
{
	if (s->limit != SL_BENCH_LIMIT_NONE)
		return false;
	*rate = s->failed == 0 ? s->most : middle(s);
	return true;
}

static bool
within(uint64_t part, uint64_t whole, uint32_t millionths)
{
	return (unsigned __int128)part * SL_BENCH_MILLION <= (unsigned __int128)whole * millionths;
}

/* Whether the interval has become so small that the search is over. */
static bool
close_enough(const struct sl_bench_search *s)
{
	return s->failed - s->passed <= 1 || within(s->failed - s->passed, s->failed, s->resolution) ||
		s->trials >= SL_BENCH_SEARCH_TRIALS;
}

static void
on_passed(struct sl_bench_search *s, uint64_t wanted, uint64_t rate)
{
	/* the sender did not keep the rate: a higher one would be the same trial again */
	bool fell_short = wanted == 0 || (rate < wanted && !within(wanted - rate, wanted, SL_BENCH_SHORT));

	s->passed = rate > s->passed ? rate : s->passed;
	if (fell_short)
		s->limit = SL_BENCH_LIMIT_SENDER;
	else if (s->failed == 0)
		s->limit = SL_BENCH_LIMIT_RATE;
}

bool
sl_bench_search_result(struct sl_bench_search *s, const struct sl_bench_trial_result *result)
{
	uint64_t wanted = s->failed == 0 ? s->most : middle(s);
	bool passed = result->sent > 0 && within(result->lost, result->sent, s->loss);

	s->trials++;
	if (passed) {
		on_passed(s, wanted, result->rate);
	} else {
		/* a sender that fell short has lost at what it did send */
		uint64_t failed = wanted == 0 || result->rate < wanted ? result->rate : wanted;

		s->failed = s->failed && s->failed < failed ? s->failed : failed;
	}
	if (s->limit == SL_BENCH_LIMIT_NONE && s->failed <= s->passed + 1 && s->passed == 0)
		s->limit = SL_BENCH_LIMIT_ALL_LOST;
	else if (s->limit == SL_BENCH_LIMIT_NONE && close_enough(s))
		s->limit = s->passed ? SL_BENCH_LIMIT_LOSS : SL_BENCH_LIMIT_ALL_LOST;
	return passed;
}
