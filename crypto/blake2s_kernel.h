/*
 * The contract between the batch BLAKE2s (crypto/blake2s_batch.c) and its vector kernels (crypto/blake2s_avx2.c,
 * crypto/blake2s_avx512.c): one message per lane of 32 bits, all of one length. Kernels are pure: no state, lock,
 * allocation or system call. Each is compiled for its instruction set in a library of its own and called only where the
 * CPU has that set. Used by the batch, tests and benchmarks alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Lanes of the widest kernel. */
#define SL_BLAKE2S_LANES_MAX 16

/* Bytes of stack below the caller's frame that a kernel may leave secrets in; the batch clears them. */
#define SL_BLAKE2S_KERNEL_STACK 2048

/* Chaining values: words[i][lane]. */
struct sl_blake2s_words {
	_Alignas(64) uint32_t words[8][SL_BLAKE2S_LANES_MAX];
};

struct sl_blake2s_kernel {
	const char *name;
	unsigned int lanes; /* up to SL_BLAKE2S_LANES_MAX */
	unsigned int worth; /* from so many messages on a pass is the faster way */

	/*
	 * RFC 7693, section 3.2, in every lane: mixes blocks[lane], 64 bytes at any alignment, into the chaining
	 * values. count: bytes so far, this block's included. Blocks may repeat. No branch and no address depends on
	 * what is in them; registers hold nothing of it when it returns.
	 */
	void (*compress)(struct sl_blake2s_words *h, const uint8_t *const *blocks, uint64_t count, bool last);
};

extern const struct sl_blake2s_kernel sl_blake2s_avx2;   /* 8 lanes */
extern const struct sl_blake2s_kernel sl_blake2s_avx512; /* 16 lanes; needs AVX-512 F */
