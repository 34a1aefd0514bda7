/*
 * Randomness from the kernel, and the seam by which tests put in their own. Called by the control core and the
 * commands, never in the packet path (it is a syscall). No memory is owned; an sl_rng's context belongs to whoever made
 * it.
 */
#pragma once

#include <stddef.h>

struct sl_rng {
	void (*bytes)(void *ctx, void *out, size_t n);
	void *ctx;
};

/* Fills out with n bytes of getrandom(2). Does not return without them: aborts where the kernel refuses. */
void sl_random_bytes(void *out, size_t n);

/* The source over sl_random_bytes. */
extern const struct sl_rng sl_rng_kernel;

static inline void sl_rng_bytes(const struct sl_rng *rng, void *out, size_t n)
{
	rng->bytes(rng->ctx, out, n);
}
