/*
 * SipHash-2-4: a keyed value over a few bytes, for what must be hard to guess but is no secret's protection: cookies and
 * check values of measuring packets, places in hashes. Pure, no state, any core.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SL_SIPHASH_KEY_LEN 16

/* The 64-bit value of n bytes under a key (Aumasson and Bernstein, 2012). */
uint64_t sl_siphash(const uint8_t key[SL_SIPHASH_KEY_LEN], const void *data, size_t n);
