#include "crypto/siphash.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

static_assert(SL_SIPHASH_KEY_LEN == crypto_shorthash_siphash24_KEYBYTES, "the library's key");
static_assert(sizeof(uint64_t) == crypto_shorthash_siphash24_BYTES, "the library's result");

uint64_t
sl_siphash(const uint8_t key[SL_SIPHASH_KEY_LEN], const void *data, size_t n)
{
	uint64_t value;

	crypto_shorthash_siphash24((unsigned char *)&value, data, n, key);
	return value;
}
