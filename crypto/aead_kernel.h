/*
 * The contract between the batch AEAD's front (crypto/aead.c) and its vector kernels (crypto/aead_avx2*.c,
 * crypto/aead_avx512*.c), which work on many messages at once. The front sorts a burst by length, asks the kernel which
 * messages it is the faster one for, hands those over in one call, and gives the rest to ipsec-mb (crypto/aead_mb.h).
 * Kernels are pure: no state but the scratch memory they are given, which belongs to the caller's context and thus to
 * one core; no lock, allocation or system call. Each is compiled for its instruction set in a library of its own and
 * called only where the CPU has that set. Used by the front, tests and benchmarks alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crypto/aead.h"
#include "crypto/protocol.h"

/* Messages that one call takes at most: a burst of the packet path. */
#define SL_AEAD_KERNEL_BURST 64

/* The longest message that a kernel is given, in bytes; longer ones go to ipsec-mb. */
#define SL_AEAD_KERNEL_MAX_LEN 65535

/* Alignment of the scratch memory, in bytes. */
#define SL_AEAD_SCRATCH_ALIGN 64

/*
 * What every kernel holds to:
 *
 * - n is 1..SL_AEAD_KERNEL_BURST and jobs are sorted by len, the longest first; each len is 0..SL_AEAD_KERNEL_MAX_LEN.
 *   Any mixture must work, also one that `choose` would not have chosen.
 * - src, dst and tag have any alignment; not a byte outside src[0..len), dst[0..len) and the tag is read or written,
 *   and of a message of 0 bytes src and dst are not looked at. dst is src or does not overlap it. Different jobs may
 *   share a key, but no buffer.
 * - ok is the front's: kernels neither read nor write it.
 * - No branch and no address depends on a key, a key stream, a text or a tag.
 * - When it returns, scratch, the registers and the stack it used hold no key, key stream, one-time key or
 *   accumulator. The front clears SL_AEAD_KERNEL_STACK bytes of stack below the call, and the scratch on
 *   destruction; whatever else was written the kernel wipes itself before it returns.
 */
#define SL_AEAD_KERNEL_STACK 4096

struct sl_aead_kernel {
	const char *name;    /* as logs and `show` call it: "avx2", "avx512" */
	size_t scratch_size; /* bytes the context has to provide, all zero at first; a multiple of SL_AEAD_SCRATCH_ALIGN */

	/*
	 * Bit i: the kernel beats ipsec-mb on message i. lens are in bytes and sorted as above, n is at most
	 * SL_AEAD_KERNEL_BURST; the choice is one for the whole burst, as few are not worth filling the lanes for.
	 */
	uint64_t (*choose)(const uint32_t *lens, unsigned int n);

	/* Encrypts src to dst and writes the tag of each job. */
	void (*seal)(void *scratch, struct sl_aead_job *const *jobs, unsigned int n);

	/*
	 * Decrypts src to dst, whether authentic or not, and writes the tag that would be right for job i to tags[i]; the
	 * jobs' own tags are not looked at. The front compares, wipes tags, and dst where they differ.
	 */
	void (*open)(void *scratch, struct sl_aead_job *const *jobs, uint8_t (*tags)[SL_TAG_LEN], unsigned int n);

	/*
	 * For tests: the Poly1305 part alone, by the code that seal and open use. keys[i] is a one-time key r ‖ s
	 * (RFC 8439 section 2.5), the message is src[0..len) of job i as ciphertext: tags[i] is that of
	 * pad16(src) ‖ LE64(0) ‖ LE64(len) as of section 2.8. key, counter, dst and tag of the jobs are ignored.
	 */
	void (*mac)(void *scratch, struct sl_aead_job *const *jobs, const uint8_t (*keys)[SL_KEY_LEN],
	        uint8_t (*tags)[SL_TAG_LEN], unsigned int n);
};

/* ChaCha20 in 8 lanes of 32 bits. Needs AVX2 and BMI2. */
extern const struct sl_aead_kernel sl_aead_avx2;

/* ChaCha20 in 16 lanes of 32 bits, Poly1305 in radix 2^44. Needs AVX-512 F, BW, DQ, VL and IFMA. */
extern const struct sl_aead_kernel sl_aead_avx512;

/*
 * For tests and benchmarks: a context as sl_aead_create's, whose kernel is the given one rather than the level's own
 * (NULL: none). The CPU must be able to run it.
 */
SL_MUST_CHECK struct sl_aead *sl_aead_create_with(enum sl_simd simd, const struct sl_aead_kernel *kernel);
