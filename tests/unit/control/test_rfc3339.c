/* Points in time as they are written in configurations. */
#include <criterion/criterion.h>
#include <string.h>

#include "control/rfc3339.h"

static const struct {
	const char *text;
	int64_t seconds; /* -1: refused */
} cases[] = {
        {"1970-01-01", 0},
        {"1970-01-01T00:00:00Z", 0},
        {"2026-12-31T23:59:59Z", 1798761599},
        {"2026-12-31t23:59:59z", 1798761599},
        {"2026-12-31 23:59:59Z", 1798761599},
        {"2027-01-01T00:59:59+01:00", 1798761599},
        {"2026-12-31T18:29:59-05:30", 1798761599},
        {"2024-02-29", 1709164800},
        {"2000-02-29", 951782400},
        {"9999-12-31T23:59:59Z", 253402300799},
        {"2023-02-29", -1},
        {"1900-02-29", -1},
        {"2100-02-29", -1},
        {"1969-12-31", -1},
        {"1970-01-01T00:00:00+00:01", -1},
        {"2026-00-10", -1},
        {"2026-13-10", -1},
        {"2026-04-31", -1},
        {"2026-04-00", -1},
        {"2026-04-30T24:00:00Z", -1},
        {"2026-04-30T23:60:00Z", -1},
        {"2026-04-30T23:00:60Z", -1},
        {"2026-04-30T23:00:00", -1},
        {"2026-04-30T23:00Z", -1},
        {"2026-04-30T23:00:00.5Z", -1},
        {"2026-04-30T23:00:00+1:00", -1},
        {"2026-04-30T23:00:00+24:00", -1},
        {"2026-04-30T23:00:00+01:60", -1},
        {"2026-04-30T23:00:00Z ", -1},
        {"2026-4-30", -1},
        {"26-04-30", -1},
        {"30d", -1},
        {"", -1},
};

Test(rfc3339, parses_or_refuses)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t got = -2;
		bool ok = sl_time_parse(cases[i].text, &got);

		cr_expect_eq(ok, cases[i].seconds >= 0, "'%s'", cases[i].text);
		cr_expect_eq(got, ok ? cases[i].seconds : -2, "'%s' is %lld", cases[i].text, (long long)got);
	}
}

Test(rfc3339, writes_what_it_reads)
{
	static const char *const texts[] = {"1970-01-01T00:00:00Z", "2026-12-31T23:59:59Z", "9999-12-31T23:59:59Z"};
	char text[SL_TIME_STRLEN];
	int64_t seconds;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cr_assert(sl_time_parse(texts[i], &seconds));
		cr_expect_str_eq(sl_time_format(seconds, text), texts[i]);
	}
}
