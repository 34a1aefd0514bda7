#include <criterion/criterion.h>

#include "crypto/simd.h"
#include "tests/emulate/checks.h"

#define ROUNDS 20000

/* What the tests of the AVX-512 kernels stand on where the CPU has no AVX-512. */
Test(emulate, does_as_the_manual_says)
{
	uint64_t state = 1;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		const char *wrong = intrinsics_check_emulated(&state);

		cr_assert_null(wrong, "%s, round %u", wrong, i);
	}
}

/* The plain C that the emulation is held against, against the CPU. */
Test(emulate, manual_says_as_the_cpu_does)
{
	uint64_t state = 2;

	if (!sl_simd_supported(SL_SIMD_AVX512) || !__builtin_cpu_supports("avx512ifma"))
		cr_skip_test("this CPU has no AVX-512 with IFMA");
	for (unsigned int i = 0; i < ROUNDS; i++) {
		const char *wrong = intrinsics_check(&state);

		cr_assert_null(wrong, "%s, round %u", wrong, i);
	}
}
