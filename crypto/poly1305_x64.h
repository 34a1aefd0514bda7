/*
 * Poly1305 (RFC 8439 section 2.5) in 64-bit registers, as the AVX2 kernel of the batch AEAD uses it: the accumulator is
 * three words, r two, and a block is a piece of straight-line code without a vector instruction, so that it runs on
 * execution units that ChaCha20 leaves idle. Pure; the caller owns and wipes the state. Needs BMI2.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "crypto/bytes.h"
#include "crypto/protocol.h"

#define POLY1305_BLOCK 16

/* h < 2^130 + 2^66 between blocks; s1 is r1 * 5/4, which folds what a product has above 2^130; pad is the key's s. */
struct poly1305 {
	uint64_t h0, h1, h2;
	uint64_t r0, r1, s1;
	uint64_t pad0, pad1;
};

/* The bits of r that are cleared, as little-endian words. */
#define POLY1305_CLAMP0 UINT64_C(0x0ffffffc0fffffff)
#define POLY1305_CLAMP1 UINT64_C(0x0ffffffc0ffffffc)

static inline void poly1305_init(struct poly1305 *p, const uint8_t key[SL_KEY_LEN])
{
	p->h0 = p->h1 = p->h2 = 0;
	p->r0 = sl_load_le64(key) & POLY1305_CLAMP0;
	p->r1 = sl_load_le64(key + 8) & POLY1305_CLAMP1;
	p->s1 = p->r1 + (p->r1 >> 2);
	p->pad0 = sl_load_le64(key + 16);
	p->pad1 = sl_load_le64(key + 24);
}

/*
 * h = (h + block + 2^128) * r, with h in registers. In assembly because gcc 12 makes twice as many instructions of the
 * carries: with h = (h0, h1, h2) after the addition,
 *   d0 = h0*r0 + h1*s1,  d1 = h0*r1 + h1*r0 + h2*s1,  d2 = h2*r0  (h2 <= 6, so d2 and h2*s1 fit 64 bits)
 * and what d2 has above 2 bits is folded back as 5 times itself: (d2 & ~3) + (d2 >> 2).
 */
static inline __attribute__((always_inline)) void poly1305_step(
        uint64_t *h0, uint64_t *h1, uint64_t *h2, const struct poly1305 *p, const uint8_t *block)
{
	uint64_t d0, d0_hi, d1, d1_hi, t;

	__asm__("addq (%[block]), %[h0]\n\t"
	        "adcq 8(%[block]), %[h1]\n\t"
	        "adcq $1, %[h2]\n\t"
	        "movq %c[r0](%[p]), %%rdx\n\t"
	        "mulxq %[h0], %[d0], %[d0_hi]\n\t"
	        "mulxq %[h1], %[d1], %[d1_hi]\n\t"
	        "movq %%rdx, %[t]\n\t"
	        "imulq %[h2], %[t]\n\t"
	        "movq %c[r1](%[p]), %%rdx\n\t"
	        "mulxq %[h0], %%rdx, %[h0]\n\t"
	        "addq %%rdx, %[d1]\n\t"
	        "adcq %[h0], %[d1_hi]\n\t"
	        "movq %c[s1](%[p]), %%rdx\n\t"
	        "imulq %%rdx, %[h2]\n\t"
	        "mulxq %[h1], %[h0], %%rdx\n\t"
	        "addq %[d0], %[h0]\n\t"
	        "adcq %%rdx, %[d0_hi]\n\t"
	        "addq %[h2], %[d1]\n\t"
	        "adcq $0, %[d1_hi]\n\t"
	        "addq %[d1], %[d0_hi]\n\t"
	        "adcq %[t], %[d1_hi]\n\t"
	        "movq %[d1_hi], %[h2]\n\t"
	        "movq %[d1_hi], %[t]\n\t"
	        "andq $-4, %[d1_hi]\n\t"
	        "shrq $2, %[t]\n\t"
	        "andl $3, %k[h2]\n\t"
	        "addq %[t], %[d1_hi]\n\t"
	        "addq %[d1_hi], %[h0]\n\t"
	        "adcq $0, %[d0_hi]\n\t"
	        "adcq $0, %[h2]\n\t"
	        "movq %[d0_hi], %[h1]"
	        : [h0] "+&r"(*h0), [h1] "+&r"(*h1), [h2] "+&r"(*h2), [d0] "=&r"(d0), [d0_hi] "=&r"(d0_hi), [d1] "=&r"(d1),
	        [d1_hi] "=&r"(d1_hi), [t] "=&r"(t)
	        : [p] "r"(p), [block] "r"(block), [r0] "i"(offsetof(struct poly1305, r0)),
	        [r1] "i"(offsetof(struct poly1305, r1)), [s1] "i"(offsetof(struct poly1305, s1)), "m"(*p),
	        "m"(*(const uint8_t(*)[POLY1305_BLOCK])block)
	        : "rdx", "cc");
}

/* Whole blocks; len is a multiple of POLY1305_BLOCK. */
static inline void poly1305_blocks(struct poly1305 *p, const uint8_t *data, size_t len)
{
	uint64_t h0 = p->h0, h1 = p->h1, h2 = p->h2;

	for (size_t at = 0; at < len; at += POLY1305_BLOCK)
		poly1305_step(&h0, &h1, &h2, p, data + at);
	p->h0 = h0;
	p->h1 = h1;
	p->h2 = h2;
}

/* h mod 2^130 - 5, plus the pad, without a branch. */
static inline void poly1305_tag(const struct poly1305 *p, uint8_t tag[SL_TAG_LEN])
{
	unsigned __int128 h = (unsigned __int128)p->h1 << 64 | p->h0;
	unsigned __int128 plus5 = h + 5;
	uint64_t top = p->h2 + (plus5 < h);
	/* all ones where h >= 2^130 - 5; h is below twice that */
	uint64_t mask = 0 - (top >> 2 & 1);
	uint64_t lo = (p->h0 & ~mask) | ((uint64_t)plus5 & mask);
	uint64_t hi = (p->h1 & ~mask) | ((uint64_t)(plus5 >> 64) & mask);

	h = ((unsigned __int128)hi << 64 | lo) + ((unsigned __int128)p->pad1 << 64 | p->pad0);
	sl_store_le64(tag, (uint64_t)h);
	sl_store_le64(tag + 8, (uint64_t)(h >> 64));
}

/*
 * The end of an AEAD message without associated data (RFC 8439 section 2.8): what is left of the ciphertext, padded with
 * zeros, and the lengths. rest may be 0; len is that of the whole message.
 */
static inline void poly1305_finish(
        struct poly1305 *p, const uint8_t *data, size_t rest, uint64_t len, uint8_t tag[SL_TAG_LEN])
{
	uint8_t last[POLY1305_BLOCK] = {0};
	size_t whole = rest / POLY1305_BLOCK * POLY1305_BLOCK;

	poly1305_blocks(p, data, whole);
	if (rest > whole) {
		memcpy(last, data + whole, rest - whole);
		poly1305_blocks(p, last, sizeof(last));
	}
	sl_store_le64(last, 0);
	sl_store_le64(last + 8, len);
	poly1305_blocks(p, last, sizeof(last));
	poly1305_tag(p, tag);
}
