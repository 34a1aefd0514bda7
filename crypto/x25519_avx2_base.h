/*
 * The half of the AVX2 X25519 that computes public keys. Called through sl_x25519_avx2 (crypto/x25519_kernel.h) alone,
 * whose rules it keeps.
 */
#pragma once

#include <stdint.h>

#include "crypto/protocol.h"

void sl_x25519_avx2_base(uint8_t (*out)[SL_KEY_LEN], const uint8_t *const *scalars, unsigned int n);
