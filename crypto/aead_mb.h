/*
 * ChaCha20-Poly1305 by ipsec-mb, one message after another: what the batch AEAD (crypto/aead.c) does with messages that
 * no vector kernel is the faster one for, and with all of them where there is none. Belongs to one context and so to
 * one core; nothing but init allocates. Jobs and buffers belong to the caller and are not kept beyond a call.
 */
#pragma once

#include <stddef.h>

#include "crypto/aead.h"

/* Messages that one call takes at most. */
#define SL_AEAD_MB_BURST 64

struct IMB_MGR;

struct sl_aead_mb {
	struct IMB_MGR *large;
	struct IMB_MGR *small; /* takes short messages; NULL: large takes all */
	size_t mgr_size;
};

/* Sets up for that level (not AUTO), which the CPU must have. 0, or ENOSYS (the library refuses to run here), ENOMEM. */
SL_MUST_CHECK int sl_aead_mb_init(struct sl_aead_mb *mb, enum sl_simd simd);

/* Wipes and frees what init allocated; also after init failed. */
void sl_aead_mb_destroy(struct sl_aead_mb *mb);

/* Encrypts n messages and writes their tags. ok says whether the library did its work. */
void sl_aead_mb_seal(struct sl_aead_mb *mb, struct sl_aead_job *const *jobs, unsigned int n);

/*
 * Decrypts n messages, whether authentic or not; the tag that would be right for job i goes to tags[i], and the jobs'
 * own are not looked at. ok says whether the library did its work, which is no verdict.
 */
void sl_aead_mb_open(
        struct sl_aead_mb *mb, struct sl_aead_job *const *jobs, uint8_t (*tags)[SL_TAG_LEN], unsigned int n);
