#include <criterion/criterion.h>
#include <string.h>

#include "crypto/aead_single.h"
#include "crypto/bytes.h"
#include "crypto/init.h"
#include "crypto/wipe.h"
#include "tests/unit/crypto/vectors.h"

#define MAX_TEXT 4096

static void setup(void)
{
	cr_assert_eq(sl_crypto_init(), 0);
}

TestSuite(aead_single, .init = setup);

struct vector {
	uint8_t key[32], nonce[12], aad[MAX_TEXT], tag[16], plain[MAX_TEXT], cipher[MAX_TEXT];
	size_t len, aad_len;
	bool valid;
};

/* Both directions of one vector; an invalid one must not open. */
static void check_vector(const struct vector *v, const char *name)
{
	uint8_t sealed[MAX_TEXT + 16], opened[MAX_TEXT];
	uint64_t counter = sl_load_le64(v->nonce + 4);

	memcpy(sealed, v->cipher, v->len);
	memcpy(sealed + v->len, v->tag, 16);
	memset(opened, 0xaa, sizeof(opened));
	cr_assert_eq(
	        sl_aead_open(opened, sealed, v->len + 16, v->aad, v->aad_len, counter, v->key), v->valid, "%s", name);
	if (!v->valid) {
		cr_assert(sl_is_zero(opened, v->len), "%s: plaintext of a forgery", name);
		return;
	}
	cr_assert_arr_eq(opened, v->plain, v->len, "%s", name);
	memset(sealed, 0, sizeof(sealed));
	sl_aead_seal(sealed, v->plain, v->len, v->aad, v->aad_len, counter, v->key);
	cr_assert_arr_eq(sealed, v->cipher, v->len, "%s", name);
	cr_assert_arr_eq(sealed + v->len, v->tag, 16, "%s", name);
}

/* Runs what our interface can say: WireGuard's nonces begin with 4 zero bytes. Returns the number of vectors run. */
static unsigned int run_file(const char *file, const char *const names[6], unsigned int *skipped)
{
	static struct record r;
	static struct vector v;
	FILE *f = vectors_open(file);
	unsigned int ran = 0;

	cr_assert_not_null(f, "python3-cryptography-vectors is not installed");
	*skipped = 0;
	while (vectors_next(f, &r)) {
		if (record_text(&r, names[0]) == NULL)
			continue;
		record_bytes(&r, names[0], v.key, sizeof(v.key));
		record_bytes(&r, names[1], v.nonce, sizeof(v.nonce));
		v.len = record_bytes(&r, names[2], v.plain, sizeof(v.plain));
		v.aad_len = record_bytes(&r, names[3], v.aad, sizeof(v.aad));
		cr_assert_eq(record_bytes(&r, names[4], v.cipher, sizeof(v.cipher)), v.len);
		cr_assert_eq(record_bytes(&r, names[5], v.tag, sizeof(v.tag)), 16);
		v.valid = record_text(&r, "Result") == NULL;
		if (!sl_is_zero(v.nonce, 4)) {
			++*skipped;
			continue;
		}
		check_vector(&v, record_text(&r, "COUNT"));
		ran++;
	}
	fclose(f);
	return ran;
}

/* RFC 8439, appendix A.5 is the first of them. */
Test(aead_single, openssl_file)
{
	static const char *const names[] = {"Key", "IV", "Plaintext", "AAD", "Ciphertext", "Tag"};
	unsigned int skipped;

	cr_assert_eq(run_file("ciphers/ChaCha20Poly1305/openssl.txt", names, &skipped), 5);
	cr_assert_eq(skipped, 0);
}

Test(aead_single, boringssl_file)
{
	static const char *const names[] = {"KEY", "NONCE", "IN", "AD", "CT", "TAG"};
	unsigned int skipped;

	cr_assert_eq(run_file("ciphers/ChaCha20Poly1305/boringssl.txt", names, &skipped), 60);
	cr_assert_eq(skipped, 6);
}

/* draft-irtf-cfrg-xchacha-03, appendix A.3.1 */
Test(aead_single, xchacha20_poly1305)
{
	static const char text[] =
	        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
	        "future, sunscreen would be it.";
	static const char want[] = "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
	                           "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
	                           "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
	                           "21f9664c97637da9768812f615c68b13b52e"
	                           "c0875924c1c7987947deafd8780acf49";
	const size_t len = sizeof(text) - 1;
	uint8_t key[32], nonce[24], aad[12], out[sizeof(text) - 1 + 16], back[sizeof(text)];

	unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key, 32);
	unhex("404142434445464748494a4b4c4d4e4f5051525354555657", nonce, 24);
	unhex("50515253c0c1c2c3c4c5c6c7", aad, 12);
	sl_xaead_seal(out, (const uint8_t *)text, len, aad, sizeof(aad), nonce, key);
	cr_assert(is_hex(out, sizeof(out), want));
	cr_assert(sl_xaead_open(back, out, sizeof(out), aad, sizeof(aad), nonce, key));
	cr_assert_arr_eq(back, text, len);

	for (size_t i = 0; i < sizeof(out); i++) {
		out[i] ^= 1;
		memset(back, 0xaa, sizeof(back));
		cr_assert_not(sl_xaead_open(back, out, sizeof(out), aad, sizeof(aad), nonce, key), "byte %zu", i);
		cr_assert(sl_is_zero(back, len));
		out[i] ^= 1;
	}
	aad[0] ^= 1;
	cr_assert_not(sl_xaead_open(back, out, sizeof(out), aad, sizeof(aad), nonce, key), "associated data");
}

Test(aead_single, tampering_fails)
{
	uint8_t key[32] = {1}, aad[5] = {2}, plain[40] = {3}, sealed[56], out[40];

	sl_aead_seal(sealed, plain, sizeof(plain), aad, sizeof(aad), 7, key);
	cr_assert(sl_aead_open(out, sealed, sizeof(sealed), aad, sizeof(aad), 7, key));
	cr_assert_not(sl_aead_open(out, sealed, sizeof(sealed), aad, sizeof(aad), 8, key), "counter");
	cr_assert_not(sl_aead_open(out, sealed, sizeof(sealed), aad, sizeof(aad) - 1, 7, key), "associated data");
	cr_assert_not(sl_aead_open(out, sealed, sizeof(sealed) - 1, aad, sizeof(aad), 7, key), "length");
	for (size_t n = 0; n < 16; n++)
		cr_assert_not(sl_aead_open(out, sealed, n, aad, sizeof(aad), 7, key), "shorter than a tag: %zu", n);
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 0x80;
		memset(out, 0xaa, sizeof(out));
		cr_assert_not(sl_aead_open(out, sealed, sizeof(sealed), aad, sizeof(aad), 7, key), "byte %zu", i);
		cr_assert(sl_is_zero(out, sizeof(out)));
		sealed[i] ^= 0x80;
	}
	key[0] ^= 1;
	cr_assert_not(sl_aead_open(out, sealed, sizeof(sealed), aad, sizeof(aad), 7, key), "key");
}

Test(aead_single, in_place)
{
	uint8_t key[32] = {1}, buf[48] = "thirty-two bytes of plain text..", want[48];

	sl_aead_seal(want, buf, 32, NULL, 0, 1, key);
	sl_aead_seal(buf, buf, 32, NULL, 0, 1, key);
	cr_assert_arr_eq(buf, want, 48);
	cr_assert(sl_aead_open(buf, buf, 48, NULL, 0, 1, key));
	cr_assert_arr_eq(buf, "thirty-two bytes of plain text..", 32);
}
