/*
 * The vector level that tests run their crypto at: what SL_TEST_SIMD names (sse, avx2, avx512), else the best that the
 * CPU has. scripts/test goes through the levels. A name that is none, or a level that the CPU lacks, fails the test which
 * asks. Any thread.
 */
#pragma once

#include <criterion/criterion.h>
#include <stdlib.h>

#include "crypto/simd.h"

static inline enum sl_simd
test_simd(void)
{
	const char *name = getenv("SL_TEST_SIMD");
	enum sl_simd simd = SL_SIMD_AUTO;

	cr_assert(name == NULL || sl_simd_parse(name, &simd), "SL_TEST_SIMD");
	cr_assert(sl_simd_supported(simd), "SL_TEST_SIMD is more than this CPU has");
	return simd;
}
