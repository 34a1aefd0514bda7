/*
 * What the parts of the AVX-512 kernel of the batch AEAD share: ChaCha20 (crypto/aead_avx512_chacha.c) makes key stream
 * for any 16 pairs of message and block at once, Poly1305 (crypto/aead_avx512_poly.c) takes one message per lane of 64
 * bits, and crypto/aead_avx512.c says what goes into which pass. Everything secret lies in struct sl_avx512, the
 * context's scratch memory, which is wiped part by part as soon as it has been used. Used by these three files alone.
 */
#pragma once

#include <immintrin.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "crypto/aead_kernel.h"

/* Messages worked on together: as many as a permutation of two registers of 32-bit words can tell apart. */
#define SL_AVX512_MESSAGES 32

#define SL_AVX512_LANES  16 /* blocks of ChaCha20 in a pass */
#define SL_AVX512_GROUP  8  /* messages of Poly1305 side by side */
#define SL_AVX512_GROUPS (SL_AVX512_MESSAGES / SL_AVX512_GROUP)
#define SL_AVX512_ROW    64 /* bytes of a ChaCha20 block, and of a register */

/* The words of the ChaCha20 state that differ between messages: eight of the key, two of the nonce. */
enum {
	SL_AVX512_KEY_WORDS = 8,
	SL_AVX512_NONCE_LOW = SL_AVX512_KEY_WORDS,
	SL_AVX512_NONCE_HIGH,
	SL_AVX512_COLUMNS,
};

/* A power of r in limbs of 44 bits; and limbs 1 and 2 times 20, to be multiplied with where they wrap. */
struct sl_avx512_power {
	__m512i r[3];
	__m512i wrapped[2];
};

/* Poly1305 of 8 messages, one per 64-bit lane. */
struct sl_avx512_group {
	/* secret */
	struct sl_avx512_power power[4]; /* r, r², r³, r⁴ */
	__m512i pad[2];                  /* s, the last thing added */
	__m512i h[3];                    /* the accumulator in limbs of 44 bits, the top one of 42 */
	/* not secret */
	alignas(SL_AVX512_ROW) uint64_t len[SL_AVX512_GROUP]; /* bytes of text */
	/* 16-byte blocks, of which unless rows_only the last is that of the lengths; and the address of the last four
	 */
	alignas(SL_AVX512_ROW) uint64_t blocks[SL_AVX512_GROUP], last[SL_AVX512_GROUP];
	bool rows_only; /* every length is a multiple of 64 */
};

/* 16 blocks of key stream and where they go: dst = src ^ key stream in the bytes of mask. */
struct sl_avx512_pass {
	alignas(SL_AVX512_ROW) uint32_t message[SL_AVX512_LANES];
	alignas(SL_AVX512_ROW) uint32_t block[SL_AVX512_LANES];
	const uint8_t *src[SL_AVX512_LANES];
	uint8_t *dst[SL_AVX512_LANES];
	uint64_t mask[SL_AVX512_LANES];
	bool whole; /* no mask lacks a byte */
};

/* Rows of a message that are still to be put into passes, the next one first. */
struct sl_avx512_run {
	const uint8_t *src;
	uint8_t *dst;
	uint32_t left; /* bytes */
	uint32_t message, block;
};

/* The keys' rows, the texts', and one that never ends and has no bytes, for lanes that are left over. */
#define SL_AVX512_RUNS (2 * SL_AVX512_MESSAGES + 1)

struct sl_avx512 {
	/* column[w][i / 16] has word w of message i in lane i % 16 */
	alignas(SL_AVX512_ROW) uint32_t column[SL_AVX512_COLUMNS][SL_AVX512_MESSAGES];
	alignas(SL_AVX512_ROW) uint8_t key[SL_AVX512_MESSAGES][SL_AVX512_ROW]; /* block 0: the key of Poly1305 */
	alignas(SL_AVX512_ROW) uint8_t kept[SL_AVX512_LANES][SL_AVX512_ROW];   /* key stream that waits for Poly1305 */
	__m512i stream[16]; /* of the last pass: word i of 16 blocks */
	struct sl_avx512_group group[SL_AVX512_GROUPS];
	/* not secret; here to keep the stack small */
	struct sl_avx512_run run[SL_AVX512_RUNS], *next_run;
	struct sl_avx512_pass pass[3];
};

/* 64 zero bytes, for lanes that have no text. */
extern const uint8_t sl_avx512_zero[SL_AVX512_ROW];

/* Fills the columns of s from the keys and counters of n jobs, 1..SL_AVX512_MESSAGES. */
void sl_avx512_columns(struct sl_avx512 *s, struct sl_aead_job *const *jobs, unsigned int n);

/* Puts the next row of the runs of s into a lane, and asks for its text. No branch: lengths of traffic are not
 * foreseen. */
static inline __attribute__((always_inline)) void sl_avx512_next_row(
        struct sl_avx512 *s, struct sl_avx512_pass *pass, unsigned int lane)
{
	struct sl_avx512_run *run = s->next_run;
	uint32_t left = run->left;
	uint32_t take = left < SL_AVX512_ROW ? left : SL_AVX512_ROW;

	__builtin_prefetch(run->src);
	pass->message[lane] = run->message;
	pass->block[lane] = run->block;
	pass->src[lane] = run->src;
	pass->dst[lane] = run->dst;
	pass->mask[lane] = take < SL_AVX512_ROW ? ~(UINT64_MAX << take) : UINT64_MAX;
	pass->whole &= take == SL_AVX512_ROW;
	run->src += take;
	run->dst += take;
	run->left = left - take;
	run->block++;
	s->next_run = run + (left - 1 < SL_AVX512_ROW);
}

/*
 * ChaCha20 (RFC 8439 section 2.3) of 16 blocks of the messages in the columns of s. Its key stream is left in s, to be
 * brought out during the next pass: `previous`, or NULL for the first. Makes up `next` from the runs meanwhile.
 */
void sl_avx512_pass(struct sl_avx512 *s, const struct sl_avx512_pass *pass, const struct sl_avx512_pass *previous,
        struct sl_avx512_pass *next);

/* Brings out what the last pass has left. */
void sl_avx512_last_pass(struct sl_avx512 *s, const struct sl_avx512_pass *previous);

/*
 * Poly1305 (RFC 8439 section 2.8, without associated data) of the ciphertext of n jobs, 1..SL_AVX512_MESSAGES, the
 * longest first; the key of job i is in s->key[i]. When sealing, tags is NULL, the ciphertext is in dst, and each job
 * gets its tag; else it is in src, and the tags go to tags[0..n). Wipes s->key and what is secret in s->group.
 */
void sl_avx512_poly(struct sl_avx512 *s, struct sl_aead_job *const *jobs, uint8_t (*tags)[SL_TAG_LEN], unsigned int n);
