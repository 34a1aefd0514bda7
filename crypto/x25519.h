/*
 * X25519 (RFC 7748). Called by the control core and the key commands. Pure: all memory is the caller's. Constant time
 * in the private key.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/attrs.h"
#include "crypto/protocol.h"
#include "crypto/random.h"

/* Clamps a private key in place, as it is done before one is stored. */
void sl_x25519_clamp(uint8_t private_key[SL_KEY_LEN]);

/* A fresh, clamped private key. */
void sl_x25519_private(uint8_t private_key[SL_KEY_LEN], const struct sl_rng *rng);

/* The public key of a private one (which is taken as if clamped). */
void sl_x25519_public(uint8_t public_key[SL_KEY_LEN], const uint8_t private_key[SL_KEY_LEN]);

/* Both. */
void sl_x25519_keypair(uint8_t private_key[SL_KEY_LEN], uint8_t public_key[SL_KEY_LEN], const struct sl_rng *rng);

/* The shared secret. False, and out all zero, where the result is zero: the public key is of low order and must be
 * refused. */
SL_MUST_CHECK bool sl_x25519_shared(
        uint8_t out[SL_KEY_LEN], const uint8_t private_key[SL_KEY_LEN], const uint8_t public_key[SL_KEY_LEN]);
