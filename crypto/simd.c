#include "crypto/simd.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
        [SL_SIMD_AUTO] = "auto",
        [SL_SIMD_SSE] = "sse",
        [SL_SIMD_AVX2] = "avx2",
        [SL_SIMD_AVX512] = "avx512",
};

#define NAMES (sizeof(names) / sizeof(names[0]))

const char *sl_simd_name(enum sl_simd simd)
{
	return (size_t)simd < NAMES ? names[simd] : "unknown";
}

bool sl_simd_parse(const char *name, enum sl_simd *out)
{
	for (size_t i = 0; i < NAMES; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum sl_simd)i;
			return true;
		}
	}
	return false;
}

bool sl_simd_supported(enum sl_simd simd)
{
	/* The compiler's run-time support asks the CPU, and the operating system about the wide registers. */
	__builtin_cpu_init();
	switch (simd) {
	case SL_SIMD_AUTO:
		return sl_simd_best() != SL_SIMD_AUTO;
	case SL_SIMD_SSE:
		return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("aes") &&
		       __builtin_cpu_supports("pclmul");
	case SL_SIMD_AVX2:
		return sl_simd_supported(SL_SIMD_SSE) && __builtin_cpu_supports("avx2") &&
		       __builtin_cpu_supports("bmi2");
	case SL_SIMD_AVX512:
		return sl_simd_supported(SL_SIMD_AVX2) && __builtin_cpu_supports("avx512f") &&
		       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
		       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
	}
	return false;
}

bool sl_simd_ifma(void)
{
	return sl_simd_supported(SL_SIMD_AVX512) && __builtin_cpu_supports("avx512ifma");
}

enum sl_simd sl_simd_best(void)
{
	for (enum sl_simd simd = SL_SIMD_AVX512; simd > SL_SIMD_AUTO; simd--)
		if (sl_simd_supported(simd))
			return simd;
	return SL_SIMD_AUTO;
}
