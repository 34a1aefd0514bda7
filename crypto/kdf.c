#include "crypto/kdf.h"

#include <string.h>

#include "crypto/blake2s.h"
#include "crypto/wipe.h"

#define HMAC_INNER_PAD 0x36
#define HMAC_OUTER_PAD 0x5c

/* An HMAC of which the data is still to come: both pads are absorbed, which serves every output of one HKDF. */
struct hmac {
	struct sl_blake2s inner;
	struct sl_blake2s outer;
};

static void hmac_init(struct hmac *s, const void *key, size_t key_len)
{
	uint8_t pad[SL_HASH_BLOCK_LEN] = {0};

	if (key_len > SL_HASH_BLOCK_LEN)
		sl_blake2s(pad, SL_HASH_LEN, NULL, 0, key, key_len);
	else if (key_len > 0)
		memcpy(pad, key, key_len);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= HMAC_INNER_PAD;
	sl_blake2s_init(&s->inner, SL_HASH_LEN, NULL, 0);
	sl_blake2s_update(&s->inner, pad, sizeof(pad));
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= HMAC_INNER_PAD ^ HMAC_OUTER_PAD;
	sl_blake2s_init(&s->outer, SL_HASH_LEN, NULL, 0);
	sl_blake2s_update(&s->outer, pad, sizeof(pad));
	sl_wipe(pad, sizeof(pad));
}

static void hmac_final(struct hmac *s, uint8_t out[SL_HASH_LEN])
{
	sl_blake2s_final(&s->inner, out);
	sl_blake2s_update(&s->outer, out, SL_HASH_LEN);
	sl_blake2s_final(&s->outer, out);
}

void sl_hmac_blake2s(uint8_t out[SL_HASH_LEN], const void *key, size_t key_len, const void *data, size_t n)
{
	struct hmac s;

	hmac_init(&s, key, key_len);
	sl_blake2s_update(&s.inner, data, n);
	hmac_final(&s, out);
}

/* RFC 5869: extract with ck, then expand to as many of the outputs as are asked for. */
static void hkdf(uint8_t *const outs[], size_t count, const uint8_t ck[SL_HASH_LEN], const void *data, size_t n)
{
	uint8_t prk[SL_HASH_LEN], block[SL_HASH_LEN + 1];
	struct hmac keyed, s;

	sl_hmac_blake2s(prk, ck, SL_HASH_LEN, data, n);
	hmac_init(&keyed, prk, sizeof(prk));
	for (size_t i = 0; i < count; i++) {
		size_t chained = i > 0 ? SL_HASH_LEN : 0;

		block[chained] = (uint8_t)(i + 1);
		s = keyed;
		sl_blake2s_update(&s.inner, block, chained + 1);
		hmac_final(&s, block);
		memcpy(outs[i], block, SL_HASH_LEN);
	}
	sl_wipe(prk, sizeof(prk));
	sl_wipe(block, sizeof(block));
	sl_wipe(&keyed, sizeof(keyed));
	sl_wipe(&s, sizeof(s));
}

void sl_kdf1(uint8_t out1[SL_HASH_LEN], const uint8_t ck[SL_HASH_LEN], const void *data, size_t n)
{
	uint8_t *const outs[] = {out1};

	hkdf(outs, 1, ck, data, n);
}

void sl_kdf2(
        uint8_t out1[SL_HASH_LEN], uint8_t out2[SL_HASH_LEN], const uint8_t ck[SL_HASH_LEN], const void *data, size_t n)
{
	uint8_t *const outs[] = {out1, out2};

	hkdf(outs, 2, ck, data, n);
}

void sl_kdf3(uint8_t out1[SL_HASH_LEN], uint8_t out2[SL_HASH_LEN], uint8_t out3[SL_HASH_LEN],
        const uint8_t ck[SL_HASH_LEN], const void *data, size_t n)
{
	uint8_t *const outs[] = {out1, out2, out3};

	hkdf(outs, 3, ck, data, n);
}
