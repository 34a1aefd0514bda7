#include "crypto/x25519.h"

#include <sodium.h>

#include "crypto/wipe.h"

static_assert(crypto_scalarmult_curve25519_BYTES == SL_KEY_LEN, "point");
static_assert(crypto_scalarmult_curve25519_SCALARBYTES == SL_KEY_LEN, "scalar");

void sl_x25519_clamp(uint8_t private_key[SL_KEY_LEN])
{
	private_key[0] &= 0xf8;
	private_key[SL_KEY_LEN - 1] = (private_key[SL_KEY_LEN - 1] & 0x7f) | 0x40;
}

void sl_x25519_private(uint8_t private_key[SL_KEY_LEN], const struct sl_rng *rng)
{
	sl_rng_bytes(rng, private_key, SL_KEY_LEN);
	sl_x25519_clamp(private_key);
}

void sl_x25519_public(uint8_t public_key[SL_KEY_LEN], const uint8_t private_key[SL_KEY_LEN])
{
	/* Cannot fail: the base point is not of low order. */
	(void)crypto_scalarmult_curve25519_base(public_key, private_key);
}

void sl_x25519_keypair(uint8_t private_key[SL_KEY_LEN], uint8_t public_key[SL_KEY_LEN], const struct sl_rng *rng)
{
	sl_x25519_private(private_key, rng);
	sl_x25519_public(public_key, private_key);
}

bool sl_x25519_shared(
        uint8_t out[SL_KEY_LEN], const uint8_t private_key[SL_KEY_LEN], const uint8_t public_key[SL_KEY_LEN])
{
	uint8_t shared[SL_KEY_LEN] = {0};
	bool ok;

	/* The library refuses low-order points early and says so; the check of the result is what we rely on. */
	ok = crypto_scalarmult_curve25519(shared, private_key, public_key) == 0;
	ok &= !sl_is_zero(shared, sizeof(shared));
	for (size_t i = 0; i < SL_KEY_LEN; i++)
		out[i] = shared[i] & (uint8_t) - (int)ok;
	sl_wipe(shared, sizeof(shared));
	return ok;
}
