/*
 * Erasing and comparing secrets. Pure, no state, used on any core. The running time depends on the length alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "crypto/attrs.h"

/* Overwrites n bytes with zeros; never optimised away. */
static inline void sl_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}

/* Whether n bytes are equal. */
SL_MUST_CHECK static inline bool sl_equal(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a;
	const volatile uint8_t *y = b;
	uint32_t diff = 0;

	for (size_t i = 0; i < n; i++)
		diff |= x[i] ^ y[i];
	return (diff - 1) >> 31;
}

/* Whether n bytes are all zero. */
SL_MUST_CHECK static inline bool sl_is_zero(const void *p, size_t n)
{
	const volatile uint8_t *x = p;
	uint32_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= x[i];
	return (any - 1) >> 31;
}
