/*
 * The AVX-512 intrinsics that the kernels use, on random registers, against what Intel's manual says in plain C: once
 * as the CPU does them, once as tests/emulate/immintrin.h does. Compiled twice from tests/emulate/checks.c.
 */
#pragma once

#include <stdint.h>

/* The name of an intrinsic that does something else than it should, or NULL. state: of the random numbers. */
const char *intrinsics_check(uint64_t *state);
const char *intrinsics_check_emulated(uint64_t *state);
