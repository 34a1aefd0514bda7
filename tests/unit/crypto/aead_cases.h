/*
 * Whom the tests of the batch AEAD try: a context at each level this CPU has, as the gateway makes it, and each vector
 * kernel as one that has to take every message. The AVX-512 kernel is also there compiled with intrinsics in
 * plain C, for machines without AVX-512. And messages with what libcrypto makes of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/aead_kernel.h"
#include "tests/unit/crypto/vectors.h"

struct aead_subject {
	const char *name;
	enum sl_simd simd;
	const struct sl_aead_kernel *kernel; /* takes every message; NULL: as sl_aead_create does */
	unsigned int slower;                 /* that many times; campaigns do so much less */
};

/* The ith subject that this CPU can run; false behind the last. */
bool aead_subject(unsigned int i, struct aead_subject *out);

/* Fails the test where there is none. */
struct sl_aead *aead_subject_create(const struct aead_subject *subject);

/* For every subject a fresh context. `break` ends them all. */
#define FOR_EACH_AEAD(aead, subject)                                                                                   \
	for (unsigned int subject_ = 0; aead_subject(subject_, &(subject)); subject_++)                                \
		for (struct sl_aead *aead = aead_subject_create(&(subject)); aead != NULL;                             \
		        sl_aead_destroy(aead), aead = NULL)

/* The ith kernel that this CPU can run, as it is; NULL behind the last. */
const struct sl_aead_kernel *aead_kernel(unsigned int i);

/* Zeroed scratch for it; free() it. */
void *aead_scratch(const struct sl_aead_kernel *kernel);

/* What libcrypto makes of a message. */
void libcrypto_seal(uint8_t *dst, uint8_t tag[SL_TAG_LEN], const uint8_t *src, size_t len, uint64_t counter,
        const uint8_t key[SL_KEY_LEN]);

/* Room around a buffer for misalignment and for bytes that must not change. */
#define AEAD_SLACK  64
#define AEAD_CANARY 0xc5

#define AEAD_MAX_LEN   9000
#define AEAD_MAX_COUNT 100

/* One message of a random batch: where it lies, and what libcrypto makes of it. */
struct aead_message {
	uint8_t key[SL_KEY_LEN];
	uint8_t plain[AEAD_MAX_LEN], want[AEAD_MAX_LEN], want_tag[SL_TAG_LEN];
	uint8_t in[AEAD_MAX_LEN + AEAD_SLACK], out[AEAD_MAX_LEN + AEAD_SLACK], tag[SL_TAG_LEN + AEAD_SLACK];
	uint32_t len, in_at, out_at, tag_at;
	uint64_t counter;
	bool in_place, forged;
};

/* AEAD_MAX_COUNT of each, the jobs of the messages. */
extern struct aead_message *aead_messages;
extern struct sl_aead_job *aead_jobs;

/* How long the messages of a batch are. */
enum aead_lengths {
	AEAD_ANY,     /* 0..AEAD_MAX_LEN, often at the edges of blocks */
	AEAD_SMALL,   /* 0..300 */
	AEAD_EQUAL,   /* all the same, 0..1500 */
	AEAD_TRAFFIC, /* a handful of lengths, as traffic has */
	AEAD_LENGTHS
};

/* Makes count messages, all but their text in place. */
void aead_make(struct seeded *seed, unsigned int count, enum aead_lengths lengths);

/* Makes message i again, with that length. */
void aead_make_one(struct seeded *seed, unsigned int i, uint32_t len);

/* Seals and opens the messages made; every byte in and beside the buffers, every verdict. */
void aead_check_seal(struct sl_aead *aead, unsigned int count);
void aead_check_open(struct sl_aead *aead, struct seeded *seed, unsigned int count);
