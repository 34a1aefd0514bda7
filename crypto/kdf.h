/*
 * HMAC-BLAKE2s (RFC 2104) and the key derivation of the WireGuard paper, section 5.4: HKDF (RFC 5869) with the chaining
 * key as salt and empty info. Called by the control core. Pure: outputs are the caller's; nothing secret stays on the
 * stack.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crypto/protocol.h"

/* HMAC with a key of any length. */
void sl_hmac_blake2s(uint8_t out[SL_HASH_LEN], const void *key, size_t key_len, const void *data, size_t n);

/* One, two or three derived keys. An output may be the chaining key itself. data may be NULL where n is 0. */
void sl_kdf1(uint8_t out1[SL_HASH_LEN], const uint8_t ck[SL_HASH_LEN], const void *data, size_t n);
void sl_kdf2(uint8_t out1[SL_HASH_LEN], uint8_t out2[SL_HASH_LEN], const uint8_t ck[SL_HASH_LEN], const void *data,
        size_t n);
void sl_kdf3(uint8_t out1[SL_HASH_LEN], uint8_t out2[SL_HASH_LEN], uint8_t out3[SL_HASH_LEN],
        const uint8_t ck[SL_HASH_LEN], const void *data, size_t n);
