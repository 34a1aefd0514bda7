/*
 * TAI64N timestamps of initiations: 8 bytes of seconds and 4 of nanoseconds, big-endian, so that memcmp orders them.
 * Pure; called by the control core. Nanoseconds are rounded down to 2^24 so that the clock's fine grain is not shown to
 * strangers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "crypto/bytes.h"
#include "crypto/protocol.h"

#define SL_TAI64N_EPOCH      0x400000000000000aULL /* 1970-01-01 as TAI64, ten leap seconds */
#define SL_TAI64N_GRAIN_NSEC (1U << 24)

/* The stamp of a wall-clock time: Unix seconds and nanoseconds < 10^9. */
static inline void sl_tai64n(uint8_t out[SL_TAI64N_LEN], uint64_t sec, uint32_t nsec)
{
	sl_store_be64(out, SL_TAI64N_EPOCH + sec);
	sl_store_be32(out + 8, nsec & ~(SL_TAI64N_GRAIN_NSEC - 1));
}

/* Whether a is strictly later than b. */
static inline bool sl_tai64n_after(const uint8_t a[SL_TAI64N_LEN], const uint8_t b[SL_TAI64N_LEN])
{
	return memcmp(a, b, SL_TAI64N_LEN) > 0;
}
