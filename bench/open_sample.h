/*
 * Opens a sealed message with libcrypto: what the product sealed is looked at by a library that it does not use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* sealed: len bytes, the tag last; plain: len - 16 bytes. Nonce: 4 zero bytes and LE64(counter). Whether it is authentic. */
bool bench_open_sample(
	uint8_t *plain, const uint8_t *sealed, size_t len, uint64_t counter, const uint8_t key[32]);
