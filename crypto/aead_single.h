/*
 * One-message AEADs with associated data, for handshakes and cookies: ChaCha20-Poly1305 (RFC 8439) and
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha). Called by the control core. Pure: all memory is the caller's. dst may
 * be src or must not overlap it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/attrs.h"
#include "crypto/protocol.h"

/* Writes len + SL_TAG_LEN bytes to dst. Nonce: 4 zero bytes, LE64(counter). */
void sl_aead_seal(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len, uint64_t counter,
        const uint8_t key[SL_KEY_LEN]);

/*
 * Opens src_len bytes, tag included, writing src_len - SL_TAG_LEN to dst. False where the tag does not fit or src_len
 * is shorter than a tag; dst then holds nothing of the plaintext (zeros).
 */
SL_MUST_CHECK bool sl_aead_open(uint8_t *dst, const uint8_t *src, size_t src_len, const void *aad, size_t aad_len,
        uint64_t counter, const uint8_t key[SL_KEY_LEN]);

/* The same with an extended nonce. */
void sl_xaead_seal(uint8_t *dst, const uint8_t *src, size_t len, const void *aad, size_t aad_len,
        const uint8_t nonce[SL_XNONCE_LEN], const uint8_t key[SL_KEY_LEN]);
SL_MUST_CHECK bool sl_xaead_open(uint8_t *dst, const uint8_t *src, size_t src_len, const void *aad, size_t aad_len,
        const uint8_t nonce[SL_XNONCE_LEN], const uint8_t key[SL_KEY_LEN]);
