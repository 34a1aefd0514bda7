/* Points in time come out in their order. */
#include <criterion/criterion.h>

#include "control/expiry.h"

Test(expiry, earliest_first_and_not_before_its_time)
{
	struct sl_expiry e = {0};
	struct sl_expiry_entry got;
	uint64_t random = 1;
	int64_t last = -1;

	cr_expect_not(sl_expiry_due(&e, INT64_MAX, &got));
	for (uint32_t i = 0; i < 5000; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		cr_assert_eq(sl_expiry_add(&e, (int64_t)(random >> 54), i), 0);
	}
	for (int64_t now = 0; now < 1024; now++) {
		while (sl_expiry_due(&e, now, &got)) {
			cr_assert_geq(got.when, last);
			cr_assert_eq(got.when, now, "each comes out at its very second");
			last = got.when;
			sl_expiry_take(&e);
		}
	}
	cr_expect_eq(e.n, 0);
	sl_expiry_free(&e);
}
