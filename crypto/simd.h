/*
 * The vector width that crypto kernels run at: what the CPU has, and what the configuration's `simd:` asks for. Pure;
 * called at start-up and by tests.
 */
#pragma once

#include <stdbool.h>

#include "crypto/attrs.h"

/* In rising order, so that levels compare. */
enum sl_simd {
	SL_SIMD_AUTO,
	SL_SIMD_SSE, /* SSE4.2 and AES-NI: the least ipsec-mb runs on */
	SL_SIMD_AVX2,
	SL_SIMD_AVX512, /* F, BW, CD, DQ, VL */
};

/* "auto", "sse", "avx2", "avx512". */
const char *sl_simd_name(enum sl_simd simd);

/* The level of that name, lower case; false and *out untouched for any other text. */
SL_MUST_CHECK bool sl_simd_parse(const char *name, enum sl_simd *out);

/* Whether this CPU and operating system run that level; AUTO: whether they run any. */
SL_MUST_CHECK bool sl_simd_supported(enum sl_simd simd);

/* Whether this CPU has the 52-bit multiply-add of AVX-512 (IFMA), which SL_SIMD_AVX512 alone does not promise. */
SL_MUST_CHECK bool sl_simd_ifma(void);

/* The widest level supported; SL_SIMD_AUTO where there is none. */
enum sl_simd sl_simd_best(void);
