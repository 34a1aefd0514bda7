#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "dataplane/traffic_histogram.h"

static struct sl_histogram h;
static struct sl_histogram_copy copy, before, since;

static void
take(struct sl_histogram_copy *to)
{
	memset(to, 0, sizeof(*to));
	sl_histogram_gather(to, &h);
}

static int
by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

Test(traffic_histogram, empty)
{
	cr_expect_eq(sl_histogram_percentile(&copy, 500000), 0u);
	cr_expect_eq(sl_histogram_mean(&copy), 0u);
}

/* Every time is told within 1.6%, never too small, and times below 128 ns exactly. */
Test(traffic_histogram, a_single_time)
{
	static const uint64_t times[] = {0, 1, 63, 64, 65, 127, 128, 129, 1000, 4095, 4096, 123456789, UINT64_C(1) << 35,
		(UINT64_C(1) << 36) - 1};

	for (unsigned i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		uint64_t t = times[i], told;

		memset(&h, 0, sizeof(h));
		sl_histogram_add(&h, t);
		take(&copy);
		told = sl_histogram_percentile(&copy, 500000);
		cr_expect(told >= t && told <= t + t / SL_HISTOGRAM_STEPS, "%lu told as %lu", t, told);
		cr_expect(t >= 128 || told == t);
		cr_expect_eq(sl_histogram_percentile(&copy, 0), told);
		cr_expect_eq(sl_histogram_percentile(&copy, 1000000), told);
		cr_expect_eq(sl_histogram_mean(&copy), t);
	}
}

Test(traffic_histogram, times_beyond_the_last_bucket_are_the_longest)
{
	sl_histogram_add(&h, UINT64_MAX);
	sl_histogram_add(&h, UINT64_C(1) << 36);
	take(&copy);
	cr_expect_eq(copy.n, 2u);
	cr_expect_eq(sl_histogram_percentile(&copy, 1), (UINT64_C(1) << 36) - 1);
}

/* Percentiles by nearest rank, against sorted samples of many sizes. */
Test(traffic_histogram, percentiles_of_random_samples)
{
	enum { N = 5000 };
	static const uint32_t asked[] = {0, 1, 100000, 500000, 900000, 990000, 999000, 999999, 1000000};
	static uint64_t samples[N];

	srandom(17);
	for (unsigned i = 0; i < N; i++) {
		samples[i] = (uint64_t)random() >> (random() % 31);
		sl_histogram_add(&h, samples[i]);
	}
	qsort(samples, N, sizeof(samples[0]), by_size);
	take(&copy);
	for (unsigned i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		uint64_t rank = ((uint64_t)N * asked[i] + 999999) / 1000000;
		uint64_t wanted = samples[rank ? rank - 1 : 0], told = sl_histogram_percentile(&copy, asked[i]);

		cr_expect(told >= wanted && told <= wanted + wanted / SL_HISTOGRAM_STEPS, "%u: %lu for %lu", asked[i], told, wanted);
	}
}

Test(traffic_histogram, what_came_since)
{
	for (unsigned i = 0; i < 100; i++)
		sl_histogram_add(&h, 1000000);
	take(&before);
	for (unsigned i = 0; i < 10; i++)
		sl_histogram_add(&h, 50);
	take(&copy);
	sl_histogram_since(&since, &copy, &before);
	cr_expect_eq(since.n, 10u);
	cr_expect_eq(sl_histogram_percentile(&since, 1000000), 50u);
	cr_expect_eq(sl_histogram_mean(&since), 50u);
	sl_histogram_gather(&copy, &h);
	cr_expect_eq(copy.n, 220u, "two histograms become one");
}
