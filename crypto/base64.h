/*
 * Keys as text: base64 as the `wg` tool writes them (RFC 4648 section 4, 44 characters, one `=`) and hex as its socket
 * speaks. Called by the control core and the commands. Pure; the running time of encoding and decoding does not depend
 * on the key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/attrs.h"
#include "crypto/protocol.h"

/* 44 characters and a NUL. */
void sl_key_to_base64(char out[SL_KEY_BASE64_LEN + 1], const uint8_t key[SL_KEY_LEN]);

/*
 * Reads len characters of text (no NUL needed). False, with key wiped, unless they are exactly the 44 that
 * sl_key_to_base64 writes for some key: no white space, no other alphabet, no stray bits before the `=`.
 */
SL_MUST_CHECK bool sl_key_from_base64(uint8_t key[SL_KEY_LEN], const char *text, size_t len);

/* 64 lower-case digits and a NUL. */
void sl_key_to_hex(char out[SL_KEY_HEX_LEN + 1], const uint8_t key[SL_KEY_LEN]);

/* Reads len characters: exactly 64 digits of either case; otherwise false, with key wiped. */
SL_MUST_CHECK bool sl_key_from_hex(uint8_t key[SL_KEY_LEN], const char *text, size_t len);
