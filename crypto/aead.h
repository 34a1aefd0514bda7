/*
 * ChaCha20-Poly1305 (RFC 8439) over batches of data messages, each with its own key and counter: the only AEAD
 * interface of the packet path. Every worker has a context of its own and calls it from its own core alone; nothing in
 * here locks, allocates (create aside) or makes a syscall. The context belongs to its creator; jobs, keys and buffers
 * belong to the caller and are not kept beyond a call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/attrs.h"
#include "crypto/protocol.h"
#include "crypto/simd.h"

struct sl_aead;

/*
 * One message. Associated data is empty and the nonce is 4 zero bytes followed by LE64(counter). src, dst and tag need
 * no alignment. dst is src, or does not overlap it; tag overlaps neither (it usually follows dst when sealing and src
 * when opening). len may be 0, and src and dst are then not read or written.
 */
struct sl_aead_job {
	const uint8_t *key; /* SL_KEY_LEN bytes */
	uint64_t counter;
	const uint8_t *src; /* seal: plaintext; open: ciphertext */
	uint8_t *dst;
	uint8_t *tag; /* SL_TAG_LEN bytes; seal writes it, open only reads it */
	uint32_t len; /* bytes of plaintext, the tag not counted */
	bool ok;      /* open: authentic; seal: done (false, and dst wiped, only where the library refuses) */
};

/*
 * A context running at that level; AUTO takes the best the CPU has. NULL with errno: ENOTSUP (the CPU lacks that
 * level), ENOSYS (ipsec-mb refuses to run here), ENOMEM, EINVAL (no such level).
 */
SL_MUST_CHECK struct sl_aead *sl_aead_create(enum sl_simd simd);

/* Wipes and frees; NULL is allowed. */
void sl_aead_destroy(struct sl_aead *aead);

/* The level the context runs at, never AUTO. */
enum sl_simd sl_aead_simd(const struct sl_aead *aead);

/* What does the work, for logs and `show`: "batch avx2 + ipsec-mb avx2". The context's, as long as it is there. */
const char *sl_aead_backend(const struct sl_aead *aead);

/* Encrypts n messages: dst and tag are written. Any n, also 0. */
void sl_aead_seal_batch(struct sl_aead *aead, struct sl_aead_job *jobs, unsigned int n);

/*
 * Authenticates and decrypts n messages; returns how many are authentic and says which in ok. The plaintext of one that
 * is not is wiped: dst then holds zeros. Tags are compared in constant time.
 */
SL_MUST_CHECK unsigned int sl_aead_open_batch(struct sl_aead *aead, struct sl_aead_job *jobs, unsigned int n);
