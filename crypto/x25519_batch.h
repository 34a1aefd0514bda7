/*
 * X25519 (RFC 7748) for many keys at once: shared secrets and public keys in any mixture. Called by the control core
 * for the handshakes that wait together. Where the level has a vector kernel (crypto/x25519_kernel.h), several are
 * computed in its lanes; what is too little for a pass, and everything without a kernel, goes to the library one by
 * one. Pure: all memory is the caller's; nothing secret stays on the stack or in vector registers. Constant time in
 * keys and points; the number of jobs and which of them are public keys is not secret.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/attrs.h"
#include "crypto/protocol.h"
#include "crypto/simd.h"

struct sl_x25519_kernel;

struct sl_x25519_job {
	const uint8_t *private_key; /* SL_KEY_LEN bytes, of any bits: taken as if clamped */
	const uint8_t *public_key;  /* SL_KEY_LEN bytes; NULL: the base point, so out becomes the public key */
	uint8_t *out;               /* SL_KEY_LEN bytes; must be none that another job reads */
	bool ok;                    /* out: false where the result is zero, as sl_x25519_shared says it */
};

/* Does n jobs, any number, at a level that the CPU runs (SL_SIMD_AUTO: the best). */
void sl_x25519_batch(enum sl_simd simd, struct sl_x25519_job *jobs, unsigned int n);

/* The vector kernel that the level uses on this CPU; NULL: none, the library takes all. */
const struct sl_x25519_kernel *sl_x25519_kernel_of(enum sl_simd simd);

/* How many keys one of its passes takes; 1: one by one. */
unsigned int sl_x25519_lanes(enum sl_simd simd);

/* For tests and benchmarks: the same by a kernel that the CPU runs; NULL: by the library alone. */
void sl_x25519_batch_with(const struct sl_x25519_kernel *kernel, struct sl_x25519_job *jobs, unsigned int n);
