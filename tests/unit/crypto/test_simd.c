#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "crypto/simd.h"

Test(simd, names_round_trip)
{
	static const char *const names[] = {"auto", "sse", "avx2", "avx512"};

	for (unsigned int i = 0; i < 4; i++) {
		enum sl_simd simd = SL_SIMD_AVX512;

		cr_assert(sl_simd_parse(names[i], &simd));
		cr_assert_eq((unsigned int)simd, i);
		cr_assert_str_eq(sl_simd_name(simd), names[i]);
	}
}

Test(simd, other_names_are_refused)
{
	static const char *const names[] = {"", "AVX2", "avx", "avx2 ", "sse4", "none"};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		enum sl_simd simd = SL_SIMD_AVX2;

		cr_assert_not(sl_simd_parse(names[i], &simd), "%s", names[i]);
		cr_assert_eq(simd, SL_SIMD_AVX2);
	}
}

/* Whether the kernel lists a flag for this CPU: a second opinion. */
static bool cpuinfo_has(const char *flag)
{
	static char line[8192];
	char want[64];
	FILE *f = fopen("/proc/cpuinfo", "r");
	bool found = false;

	cr_assert_not_null(f);
	snprintf(want, sizeof(want), " %s ", flag);
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = ' ';
		found = strncmp(line, "flags", 5) == 0 && strstr(line, want) != NULL;
	}
	fclose(f);
	return found;
}

Test(simd, supported_as_the_kernel_says)
{
	bool avx2 = cpuinfo_has("avx2") && cpuinfo_has("bmi2");
	bool avx512 = avx2 && cpuinfo_has("avx512f") && cpuinfo_has("avx512bw") && cpuinfo_has("avx512cd") &&
	              cpuinfo_has("avx512dq") && cpuinfo_has("avx512vl");

	cr_assert_eq(sl_simd_supported(SL_SIMD_SSE), cpuinfo_has("sse4_2") && cpuinfo_has("aes"));
	cr_assert_eq(sl_simd_supported(SL_SIMD_AVX2), avx2);
	cr_assert_eq(sl_simd_supported(SL_SIMD_AVX512), avx512);
	cr_assert_eq(sl_simd_best(), avx512 ? SL_SIMD_AVX512 : avx2 ? SL_SIMD_AVX2 : SL_SIMD_SSE);
	cr_assert(sl_simd_supported(SL_SIMD_AUTO));
	cr_assert_not(sl_simd_supported((enum sl_simd)9));
}
