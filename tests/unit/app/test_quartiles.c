#include <string.h>

#include <criterion/criterion.h>

#include "app/quartiles.h"

Test(quartiles, of_few_and_of_many)
{
	static const struct {
		uint32_t n;
		double v[9];
		struct sl_quartiles want;
	} cases[] = {
		{0, {0}, {0, 0, 0}},
		{1, {7}, {7, 7, 7}},
		{2, {9, 1}, {1, 5, 9}},
		{3, {3, 1, 2}, {1, 2, 3}},
		{4, {4, 1, 3, 2}, {2, 2.5, 3}},
		{9, {9, 8, 7, 6, 5, 4, 3, 2, 1}, {3, 5, 7}},
		{5, {1, 1, 1, 1, 1000000}, {1, 1, 1}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double v[9];
		struct sl_quartiles q;

		memcpy(v, cases[i].v, sizeof(v));
		q = sl_quartiles(v, cases[i].n);
		cr_expect_eq(q.low, cases[i].want.low, "case %zu: low %g", i, q.low);
		cr_expect_eq(q.median, cases[i].want.median, "case %zu: median %g", i, q.median);
		cr_expect_eq(q.high, cases[i].want.high, "case %zu: high %g", i, q.high);
	}
}

/* What was there first makes room for what came last. */
Test(quartiles, samples_are_the_latest)
{
	static struct sl_samples s;

	for (unsigned i = 0; i < 1000; i++)
		sl_samples_add(&s, 1e9);
	for (unsigned i = 0; i < SL_SAMPLES; i++)
		sl_samples_add(&s, i % 3);
	cr_assert_eq(s.n, 1000 + SL_SAMPLES);
	cr_assert_eq(sl_samples_quartiles(&s).median, 1);
	cr_assert_eq(sl_samples_quartiles(&s).high, 2);
	s.n = 0;
	cr_assert_eq(sl_samples_quartiles(&s).high, 0);
}
