/*
 * BLAKE2s (RFC 7693) and what the key schedule makes of it, over many messages of one length at once. Called by workers
 * for the mac1 of a burst, and by the control core for handshakes that go through their steps together. Where the level
 * has a vector kernel (crypto/blake2s_kernel.h), messages are hashed in its lanes; too few for that, and everything
 * without one, go through crypto/blake2s.h and crypto/kdf.h one by one. Pure: all memory is the caller's; nothing
 * secret stays on the stack or in vector registers.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crypto/protocol.h"
#include "crypto/simd.h"

struct sl_blake2s_kernel;

/* The vector kernel that the level (SL_SIMD_AUTO: the best) uses on this CPU; NULL: none, all goes one by one. */
const struct sl_blake2s_kernel *sl_blake2s_kernel_of(enum sl_simd simd);

/*
 * outs[i] = the hash of out_len bytes, 1..SL_HASH_LEN, of msgs[i], len bytes, for any n; keys[i] of key_len bytes, 0..
 * SL_KEY_LEN (keys may be NULL where that is 0). An output may be a key or a message of its own i, and may repeat.
 */
void sl_blake2s_batch(const struct sl_blake2s_kernel *kernel, uint8_t *const *outs, size_t out_len,
        const uint8_t *const *keys, size_t key_len, const uint8_t *const *msgs, size_t len, unsigned int n);

/* Derived keys that sl_kdf_batch gives at most. */
#define SL_KDF_OUTPUTS_MAX 3

/*
 * sl_kdf1, 2 or 3 (crypto/kdf.h), n times: `outputs` says which, outs[j][i] is output j of i, derived from the chaining
 * key cks[i] and data[i], len bytes, 0..SL_KEY_LEN (data may be NULL where that is 0). An output may be the chaining
 * key.
 */
void sl_kdf_batch(const struct sl_blake2s_kernel *kernel, uint8_t *const *const *outs, unsigned int outputs,
        const uint8_t *const *cks, const uint8_t *const *data, size_t len, unsigned int n);
