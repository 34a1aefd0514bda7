/*
 * BLAKE2s (RFC 7693), plain and keyed, in portable C. Called by the control core for handshakes, and by workers for the
 * mac1 of handshake messages. Pure: the state is the caller's, may live on the stack, and is wiped by final.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crypto/protocol.h"

struct sl_blake2s {
	uint32_t h[8];
	uint64_t count; /* bytes compressed so far */
	uint8_t buf[SL_HASH_BLOCK_LEN];
	uint8_t buf_len;
	uint8_t out_len;
};

/* Starts a hash of out_len bytes, 1..SL_HASH_LEN, with a key of 0..SL_KEY_LEN bytes (key may be NULL where key_len is
 * 0). */
void sl_blake2s_init(struct sl_blake2s *s, size_t out_len, const void *key, size_t key_len);
void sl_blake2s_update(struct sl_blake2s *s, const void *data, size_t n);
/* Writes out_len bytes and wipes the state. */
void sl_blake2s_final(struct sl_blake2s *s, uint8_t *out);

/* All of it in one call. */
void sl_blake2s(uint8_t *out, size_t out_len, const void *key, size_t key_len, const void *data, size_t n);

/* Keyed BLAKE2s with 16 bytes of output: the MAC of WireGuard's cookies and of mac1, mac2. */
void sl_blake2s_mac128(uint8_t mac[SL_MAC_LEN], const void *key, size_t key_len, const void *data, size_t n);
