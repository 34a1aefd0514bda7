/*
 * The contract between the batch X25519's front (crypto/x25519_batch.c) and its vector kernels
 * (crypto/x25519_avx512.c, crypto/x25519_avx2.c), which multiply many points by many scalars at once, one in each lane.
 * Kernels are pure: no state, lock, allocation or system call. Each is compiled for its instruction set in a library of
 * its own and called only where the CPU has that set. Used by the front, tests and benchmarks alone.
 */
#pragma once

#include <stdint.h>

#include "crypto/protocol.h"

/* What a multiplication costs with the library, in the unit of `worth`: a table makes the base point's cheaper. */
#define SL_X25519_COST_POINT 2
#define SL_X25519_COST_BASE  1

/* Keys that any kernel takes at once. */
#define SL_X25519_MOST_MAX 32

/*
 * Bytes of stack below the caller's frame that a kernel may leave secrets in; the front clears them. Registers the
 * kernel clears itself.
 */
#define SL_X25519_KERNEL_STACK 16384

struct sl_x25519_kernel {
	const char *name;
	unsigned int lanes;      /* keys of a pass */
	unsigned int most;       /* keys of a call, so it makes one pass or some: a multiple of lanes */
	unsigned int worth;      /* a pass is the faster way from this sum of SL_X25519_COST_... on */
	unsigned int worth_base; /* and one of multiply_base, if there is one */

	/*
	 * RFC 7748, section 5, n times: out[i] = X25519(scalars[i], points[i]). n is a multiple of lanes, 1 * lanes up
	 * to `most`. Clamps the scalars, ignores the top bit of a point and takes values of the field's prime and
	 * above. A point of low order gives zero. No branch and no address depends on a scalar or a point. scalars and
	 * points may repeat; out does not overlap them.
	 */
	void (*multiply)(uint8_t (*out)[SL_KEY_LEN], const uint8_t *const *scalars, const uint8_t *const *points,
	        unsigned int n);

	/* The same for the base point; NULL where it is a point like any other. */
	void (*multiply_base)(uint8_t (*out)[SL_KEY_LEN], const uint8_t *const *scalars, unsigned int n);
};

/* 4 lanes, limbs of 51 bits in doubles. Needs AVX2 and FMA. */
extern const struct sl_x25519_kernel sl_x25519_avx2;
/* 8 lanes, radix 2^52. Needs AVX-512 F and IFMA. */
extern const struct sl_x25519_kernel sl_x25519_avx512;
