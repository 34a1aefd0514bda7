#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <string.h>

#include "crypto/init.h"
#include "crypto/random.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"
#include "tests/unit/crypto/vectors.h"

static void setup(void)
{
	cr_assert_eq(sl_crypto_init(), 0);
}

TestSuite(x25519, .init = setup);

/* RFC 7748, section 5.2 and the first iterations of its second test */
Test(x25519, file_vectors)
{
	FILE *f = vectors_open("asymmetric/X25519/rfc7748.txt");
	struct record r;
	unsigned int ran = 0;

	cr_assert_not_null(f, "python3-cryptography-vectors is not installed");
	while (vectors_next(f, &r)) {
		uint8_t scalar[32], u[32], want[32], got[32];

		record_bytes(&r, "INPUT_SCALAR", scalar, sizeof(scalar));
		record_bytes(&r, "INPUT_U", u, sizeof(u));
		record_bytes(&r, "OUTPUT_U", want, sizeof(want));
		cr_assert(sl_x25519_shared(got, scalar, u));
		cr_assert_arr_eq(got, want, 32, "vector %s", record_text(&r, "COUNT"));
		ran++;
	}
	fclose(f);
	cr_assert_eq(ran, 3);
}

Test(x25519, rfc7748_iterated)
{
	uint8_t k[32] = {9}, u[32] = {9}, out[32];

	for (unsigned int i = 0; i < 1000; i++) {
		cr_assert(sl_x25519_shared(out, k, u));
		memcpy(u, k, 32);
		memcpy(k, out, 32);
	}
	cr_assert(is_hex(k, 32, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"));
}

/* RFC 7748, section 6.1 */
Test(x25519, rfc7748_diffie_hellman)
{
	static const char shared[] = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
	uint8_t a[32], b[32], a_pub[32], b_pub[32], s[32];

	unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", a, 32);
	unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", b, 32);
	sl_x25519_public(a_pub, a);
	cr_assert(is_hex(a_pub, 32, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
	sl_x25519_public(b_pub, b);
	cr_assert(is_hex(b_pub, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
	cr_assert(sl_x25519_shared(s, a, b_pub));
	cr_assert(is_hex(s, 32, shared));
	cr_assert(sl_x25519_shared(s, b, a_pub));
	cr_assert(is_hex(s, 32, shared));
}

static void libcrypto_x25519(uint8_t out[32], const uint8_t private_key[32], const uint8_t public_key[32])
{
	EVP_PKEY *priv = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, 32);
	EVP_PKEY *pub = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, public_key, 32);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(priv, NULL);
	size_t n = 32;

	cr_assert(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, pub) == 1);
	cr_assert_eq(EVP_PKEY_derive(ctx, out, &n), 1);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(priv);
	EVP_PKEY_free(pub);
}

Test(x25519, equals_libcrypto)
{
	struct seeded seed = {5};

	for (unsigned int round = 0; round < 300; round++) {
		uint8_t priv[32], pub[32], point[32], want[32], got[32];
		size_t n = 32;
		EVP_PKEY *key;

		seeded_bytes(&seed, priv, 32);
		seeded_bytes(&seed, point, 32);
		/* values above the field's prime, but for 0 and 1, and with the top bit set */
		if (round % 4 == 0)
			memset(point + 1, 0xff, 31), point[0] = (uint8_t)(0xef + round % 17);
		libcrypto_x25519(want, priv, point);
		cr_assert(sl_x25519_shared(got, priv, point));
		cr_assert_arr_eq(got, want, 32, "round %u", round);

		key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, priv, 32);
		cr_assert(EVP_PKEY_get_raw_public_key(key, want, &n));
		EVP_PKEY_free(key);
		sl_x25519_public(pub, priv);
		cr_assert_arr_eq(pub, want, 32, "round %u", round);
	}
}

/* All encodings of points of small order: 0, 1, the two of order 8, p - 1, and those above p. */
static const char *const low_order[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

Test(x25519, p8_low_order_points_fail)
{
	struct seeded seed = {6};

	for (size_t i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++) {
		for (unsigned int top = 0; top < 2; top++) {
			uint8_t priv[32], point[32], out[32];

			seeded_bytes(&seed, priv, 32);
			unhex(low_order[i], point, 32);
			point[31] |= (uint8_t)(top << 7);
			memset(out, 0xaa, 32);
			cr_assert_not(sl_x25519_shared(out, priv, point), "point %zu, top bit %u", i, top);
			cr_assert(sl_is_zero(out, 32), "nothing is left in the output");
		}
	}
}

Test(x25519, p8_clamp)
{
	uint8_t key[32];

	memset(key, 0xff, 32);
	sl_x25519_clamp(key);
	cr_assert_eq(key[0], 0xf8);
	cr_assert_eq(key[31], 0x7f);
	memset(key, 0, 32);
	sl_x25519_clamp(key);
	cr_assert_eq(key[0], 0);
	cr_assert_eq(key[31], 0x40);
}

static void fill_bytes(void *ctx, void *out, size_t n)
{
	memset(out, *(uint8_t *)ctx, n);
}

Test(x25519, keypair_is_clamped_and_fits)
{
	uint8_t byte = 0xff, priv[32], pub[32], want[32];
	struct sl_rng rng = {fill_bytes, &byte};

	sl_x25519_keypair(priv, pub, &rng);
	cr_assert(is_hex(priv, 32, "f8ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"));
	sl_x25519_public(want, priv);
	cr_assert_arr_eq(pub, want, 32);
	sl_x25519_keypair(priv, want, &sl_rng_kernel);
	cr_assert(memcmp(pub, want, 32) != 0, "kernel randomness differs");
}
