#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <string.h>

#include "crypto/base64.h"
#include "crypto/wipe.h"
#include "tests/unit/crypto/vectors.h"

/* Against libcrypto's encoder, and back. */
Test(base64, round_trip)
{
	struct seeded seed = {7};

	for (unsigned int round = 0; round < 5000; round++) {
		uint8_t key[32], back[32];
		char text[45], want[45];

		seeded_bytes(&seed, key, sizeof(key));
		memset(text, 'x', sizeof(text));
		sl_key_to_base64(text, key);
		EVP_EncodeBlock((unsigned char *)want, key, 32);
		cr_assert_str_eq(text, want);
		cr_assert(sl_key_from_base64(back, text, strlen(text)), "%s", text);
		cr_assert_arr_eq(back, key, 32);
	}
}

/* Every character at every place: accepted exactly where re-encoding gives the same text. */
Test(base64, every_character_everywhere)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[] = "mGf3QyzC3J8TMTyOXhZrm8bA0sZ1YqKo4y2vWkJ9n0E=";

	for (size_t at = 0; at < 44; at++) {
		char saved = text[at];

		for (unsigned int c = 0; c < 256; c++) {
			uint8_t key[32];
			char again[45];
			const char *found = c != 0 ? strchr(alphabet, (int)c) : NULL;
			bool want = at == 43 ? c == '=' : found != NULL && (at != 42 || (found - alphabet) % 4 == 0);

			text[at] = (char)c;
			memset(key, 0xaa, 32);
			cr_assert_eq(sl_key_from_base64(key, text, 44), want, "character %u at %zu", c, at);
			if (want) {
				sl_key_to_base64(again, key);
				cr_assert_arr_eq(again, text, 44);
			} else {
				cr_assert(sl_is_zero(key, 32), "a refused text leaves no key");
			}
		}
		text[at] = saved;
	}
}

Test(base64, refused)
{
	static const char *const texts[] = {
	        "", "=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* no padding */
	        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",         /* 33 bytes */
	        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",        /* too much padding */
	        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",         /* 31 bytes */
	        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",         /* stray bits */
	        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",       /* a line end */
	        " AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",        /* a space before */
	        " AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",         /* a space inside the 44 */
	        "AAAAAAAAAAAAAAAAAAAA-AAAAAAAAAAAAAAAAAAAAAA=",         /* the other alphabet */
	        "AAAAAAAAAAAAAAAAAAAA=AAAAAAAAAAAAAAAAAAAAAA=",         /* padding inside */
	};
	uint8_t key[32];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_assert_not(sl_key_from_base64(key, texts[i], strlen(texts[i])), "\"%s\"", texts[i]);
}

Test(base64, hex)
{
	static const char lower[] = "00ff0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab";
	static const char upper[] = "00FF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789AB";
	uint8_t key[32], want[32];
	char text[65];

	unhex(lower, want, 32);
	cr_assert(sl_key_from_hex(key, lower, 64));
	cr_assert_arr_eq(key, want, 32);
	cr_assert(sl_key_from_hex(key, upper, 64));
	cr_assert_arr_eq(key, want, 32);
	sl_key_to_hex(text, key);
	cr_assert_str_eq(text, lower);

	cr_assert_not(sl_key_from_hex(key, lower, 63));
	cr_assert(sl_is_zero(key, 32));
	cr_assert_not(sl_key_from_hex(key, lower, 0));
	for (size_t at = 0; at < 64; at++) {
		for (unsigned int c = 0; c < 256; c++) {
			bool want_ok = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

			memcpy(text, lower, 64);
			text[at] = (char)c;
			cr_assert_eq(sl_key_from_hex(key, text, 64), want_ok, "character %u at %zu", c, at);
		}
	}
}
