/*
 * Integers in unaligned memory, by byte order. Pure; used on any core. Everything goes through memcpy, which compiles
 * to one load or store.
 */
#pragma once

#include <assert.h>
#include <stdint.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "loads and stores of little-endian values are plain copies");

static inline uint32_t sl_load_le32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t sl_load_le64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void sl_store_le32(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void sl_store_le64(void *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void sl_store_be32(void *p, uint32_t v)
{
	sl_store_le32(p, __builtin_bswap32(v));
}

static inline void sl_store_be64(void *p, uint64_t v)
{
	sl_store_le64(p, __builtin_bswap64(v));
}
