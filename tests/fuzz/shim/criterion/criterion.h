/*
 * The assertions of the unit tests' fixtures where no Criterion runs: in a
 * fuzzer, or in the replay of its corpus, a failed one ends the process, which
 * is what both take for a finding.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define FUZZ_CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

#define cr_assert(condition, ...)      FUZZ_CHECK(condition)
#define cr_assert_eq(a, b, ...)        FUZZ_CHECK((a) == (b))
#define cr_assert_neq(a, b, ...)       FUZZ_CHECK((a) != (b))
#define cr_assert_lt(a, b, ...)        FUZZ_CHECK((a) < (b))
#define cr_assert_leq(a, b, ...)       FUZZ_CHECK((a) <= (b))
#define cr_assert_geq(a, b, ...)       FUZZ_CHECK((a) >= (b))
#define cr_assert_not_null(a, ...)     FUZZ_CHECK((a) != NULL)
#define cr_expect_eq(a, b, ...)        FUZZ_CHECK((a) == (b))
