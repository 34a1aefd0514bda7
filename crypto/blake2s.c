#include "crypto/blake2s.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "crypto/bytes.h"
#include "crypto/wipe.h"

/* RFC 7693, section 2.6: the first 32 bits of the fractions of the square roots of the first eight primes. */
static const uint32_t iv[8] = {
        0x6a09e667,
        0xbb67ae85,
        0x3c6ef372,
        0xa54ff53a,
        0x510e527f,
        0x9b05688c,
        0x1f83d9ab,
        0x5be0cd19,
};

static inline __attribute__((always_inline)) uint32_t ror(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

/* Section 3.1: the mixing function. */
#define G(a, b, c, d, x, y)                                                                                            \
	do {                                                                                                           \
		a += b + (x);                                                                                          \
		d = ror(d ^ a, 16);                                                                                    \
		c += d;                                                                                                \
		b = ror(b ^ c, 12);                                                                                    \
		a += b + (y);                                                                                          \
		d = ror(d ^ a, 8);                                                                                     \
		c += d;                                                                                                \
		b = ror(b ^ c, 7);                                                                                     \
	} while (0)

/* One round with its row of section 2.7's SIGMA: four columns, then four diagonals. */
#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15)                                    \
	do {                                                                                                           \
		G(v0, v4, v8, v12, m[s0], m[s1]);                                                                      \
		G(v1, v5, v9, v13, m[s2], m[s3]);                                                                      \
		G(v2, v6, v10, v14, m[s4], m[s5]);                                                                     \
		G(v3, v7, v11, v15, m[s6], m[s7]);                                                                     \
		G(v0, v5, v10, v15, m[s8], m[s9]);                                                                     \
		G(v1, v6, v11, v12, m[s10], m[s11]);                                                                   \
		G(v2, v7, v8, v13, m[s12], m[s13]);                                                                    \
		G(v3, v4, v9, v14, m[s14], m[s15]);                                                                    \
	} while (0)

/* Section 3.2: mixes one block into the state; count includes it. */
static void compress(uint32_t h[8], const uint8_t *block, uint64_t count, bool last)
{
	uint32_t v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
	uint32_t v8 = iv[0], v9 = iv[1], v10 = iv[2], v11 = iv[3];
	uint32_t v12 = iv[4] ^ (uint32_t)count, v13 = iv[5] ^ (uint32_t)(count >> 32);
	uint32_t v14 = last ? ~iv[6] : iv[6], v15 = iv[7];
	uint32_t m[16];

	memcpy(m, block, sizeof(m));

	ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
	ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);
	ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);
	ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);
	ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);
	ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);
	ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);
	ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);
	ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);

	h[0] ^= v0 ^ v8;
	h[1] ^= v1 ^ v9;
	h[2] ^= v2 ^ v10;
	h[3] ^= v3 ^ v11;
	h[4] ^= v4 ^ v12;
	h[5] ^= v5 ^ v13;
	h[6] ^= v6 ^ v14;
	h[7] ^= v7 ^ v15;
}

void sl_blake2s_init(struct sl_blake2s *s, size_t out_len, const void *key, size_t key_len)
{
	assert(out_len >= 1 && out_len <= SL_HASH_LEN && key_len <= SL_KEY_LEN);

	memcpy(s->h, iv, sizeof(iv));
	/* Parameter block, section 2.5: fanout 1, depth 1, key length, digest length. */
	s->h[0] ^= 0x01010000U ^ (uint32_t)key_len << 8 ^ (uint32_t)out_len;
	s->count = 0;
	s->out_len = (uint8_t)out_len;
	s->buf_len = 0;
	if (key_len > 0) {
		memset(s->buf, 0, sizeof(s->buf));
		memcpy(s->buf, key, key_len);
		s->buf_len = SL_HASH_BLOCK_LEN;
	}
}

void sl_blake2s_update(struct sl_blake2s *s, const void *data, size_t n)
{
	const uint8_t *p = data;
	size_t room = SL_HASH_BLOCK_LEN - s->buf_len;

	if (n == 0)
		return;
	/* The last block is flagged as such, so a full buffer is kept until more is known to follow. */
	if (n > room) {
		memcpy(s->buf + s->buf_len, p, room);
		s->count += SL_HASH_BLOCK_LEN;
		compress(s->h, s->buf, s->count, false);
		p += room;
		n -= room;
		s->buf_len = 0;
		while (n > SL_HASH_BLOCK_LEN) {
			s->count += SL_HASH_BLOCK_LEN;
			compress(s->h, p, s->count, false);
			p += SL_HASH_BLOCK_LEN;
			n -= SL_HASH_BLOCK_LEN;
		}
	}
	memcpy(s->buf + s->buf_len, p, n);
	s->buf_len += (uint8_t)n;
}

void sl_blake2s_final(struct sl_blake2s *s, uint8_t *out)
{
	s->count += s->buf_len;
	memset(s->buf + s->buf_len, 0, SL_HASH_BLOCK_LEN - s->buf_len);
	compress(s->h, s->buf, s->count, true);
	memcpy(out, s->h, s->out_len);
	sl_wipe(s, sizeof(*s));
}

void sl_blake2s(uint8_t *out, size_t out_len, const void *key, size_t key_len, const void *data, size_t n)
{
	struct sl_blake2s s;

	sl_blake2s_init(&s, out_len, key, key_len);
	sl_blake2s_update(&s, data, n);
	sl_blake2s_final(&s, out);
}

void sl_blake2s_mac128(uint8_t mac[SL_MAC_LEN], const void *key, size_t key_len, const void *data, size_t n)
{
	sl_blake2s(mac, SL_MAC_LEN, key, key_len, data, n);
}
