/* The TSC clock with readings of the test's, and against the kernel's. */
#include <criterion/criterion.h>

#include "dataplane/clock.h"

#define SEC UINT64_C(1000000000)
#define HZ  UINT64_C(2600000000) /* of the TSC in the table below */
#define NEAR(a, b, ns) ((a) > (b) ? (a) - (b) <= (ns) : (b) - (a) <= (ns))

static struct sl_clock
made(uint64_t tsc, uint64_t ns)
{
	struct sl_clock c = {.first_tsc = tsc - HZ, .first_ns = ns - SEC};

	c.bases[0].mult = (uint64_t)(((unsigned __int128)SEC << SL_CLOCK_SHIFT) / HZ);
	c.bases[0].tsc = tsc;
	c.bases[0].ns = ns;
	return c;
}

Test(clock, runs_at_the_rate_of_the_tsc)
{
	struct sl_clock c = made(1000 * HZ, 500 * SEC);

	cr_expect_eq(sl_clock_read_at(&c, 1000 * HZ), 500 * SEC);
	cr_expect(NEAR(sl_clock_read_at(&c, 1001 * HZ), 501 * SEC, 1));
	cr_expect(NEAR(sl_clock_read_at(&c, 1000 * HZ + HZ / 1000000), 500 * SEC + 1000, 1));
	cr_expect_eq(sl_clock_read_at(&c, 999 * HZ), 500 * SEC, "a core whose TSC is behind");
	/* months without a calibration do not overflow */
	cr_expect(NEAR(sl_clock_read_at(&c, (1000 + 10000000) * HZ), (500 + 10000000) * SEC, SEC / 100));
}

Test(clock, calibration_follows_drift)
{
	struct sl_clock c = made(1000 * HZ, 500 * SEC);

	/* the TSC is 100 ppm faster than it was measured */
	for (uint64_t i = 1; i <= 600; i++) {
		uint64_t tsc = 1000 * HZ + i * (HZ / 10 + HZ / 100000), ns = 500 * SEC + i * (SEC / 10);
		uint64_t before = sl_clock_read_at(&c, tsc);

		cr_assert(NEAR(before, ns, 20000), "calibration %lu", (unsigned long)i);
		sl_clock_calibrate_pair(&c, tsc, ns);
		cr_assert_eq(sl_clock_read_at(&c, tsc), ns);
	}
	cr_expect(NEAR(sl_clock_read_at(&c, 1061 * HZ + 61 * HZ / 10000), 561 * SEC, 5000), "the rate was learned");
}

Test(clock, p35_a_suspend_brings_it_to_the_present_at_its_old_rate)
{
	struct sl_clock c = made(1000 * HZ, 500 * SEC);

	/* the TSC went on, but stood still for an hour of boot time */
	sl_clock_calibrate_pair(&c, 1001 * HZ, 4101 * SEC);
	cr_expect_eq(sl_clock_read_at(&c, 1001 * HZ), 4101 * SEC);
	cr_expect(NEAR(sl_clock_read_at(&c, 1002 * HZ), 4102 * SEC, 10));
	/* the TSC began anew */
	sl_clock_calibrate_pair(&c, HZ, 8000 * SEC);
	cr_expect(NEAR(sl_clock_read_at(&c, 2 * HZ), 8001 * SEC, 10));
	sl_clock_calibrate_pair(&c, 2 * HZ, 8001 * SEC);
	cr_expect(NEAR(sl_clock_read_at(&c, 3 * HZ), 8002 * SEC, 10));
}

static uint64_t
source(void *ctx)
{
	return *(uint64_t *)ctx;
}

Test(clock, a_source_takes_its_place_and_a_reader_never_goes_back)
{
	uint64_t now = 7;
	struct sl_clock c;
	struct sl_clock_reader r = {.clock = &c};

	sl_clock_init_source(&c, source, &now);
	cr_expect_eq(sl_clock_read(&c), 7);
	cr_expect_eq(sl_clock_reader_now(&r), 7);
	now = 5;
	cr_expect_eq(sl_clock_read(&c), 5);
	cr_expect_eq(sl_clock_reader_now(&r), 7);
	now = 9;
	sl_clock_calibrate(&c);
	cr_expect_eq(sl_clock_reader_now(&r), 9);
}

Test(clock, agrees_with_the_kernel)
{
	struct sl_clock c;
	struct sl_clock_reader r = {.clock = &c};
	struct timespec wall;
	uint64_t last = 0;

	sl_clock_init(&c);
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t before = sl_clock_boot_ns(), now = sl_clock_read(&c), after = sl_clock_boot_ns();

		if (i % 1000 == 0)
			sl_clock_calibrate(&c);
		cr_assert_geq(now + 100000, before);
		cr_assert_leq(now, after + 100000);
		now = sl_clock_reader_now(&r);
		cr_assert_geq(now, last);
		last = now;
	}
	sl_clock_wall(&wall);
	cr_expect_gt(wall.tv_sec, 1600000000);
}
