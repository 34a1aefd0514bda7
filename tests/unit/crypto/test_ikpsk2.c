#include <criterion/criterion.h>
#include <string.h>

#include "crypto/aead_single.h"
#include "crypto/blake2s.h"
#include "crypto/ikpsk2.h"
#include "crypto/init.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"
#include "tests/unit/crypto/vectors.h"

static void setup(void)
{
	cr_assert_eq(sl_crypto_init(), 0);
}

TestSuite(ikpsk2, .init = setup);

/* protocol.md 5: ck0 and h0, then h = H(h || responder static) */
Test(ikpsk2, p5_initial_values)
{
	uint8_t rs[32] = {5}, h0_rs[64], want[32];
	struct sl_ikpsk2 s;

	unhex("2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3", h0_rs, 32);
	memcpy(h0_rs + 32, rs, 32);
	sl_blake2s(want, 32, NULL, 0, h0_rs, 64);
	sl_ikpsk2_start(&s, SL_NOISE_IDENTIFIER, strlen(SL_NOISE_IDENTIFIER), rs);
	cr_assert(is_hex(s.ck, 32, "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36"));
	cr_assert_arr_eq(s.h, want, 32);

	sl_blake2s(want, 32, NULL, 0, SL_NOISE_CONSTRUCTION, strlen(SL_NOISE_CONSTRUCTION));
	cr_assert_arr_eq(s.ck, want, 32, "the constant is the hash of the name");
}

/* The Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s vector of the cacophony set. */
static const char prologue_hex[] = "4a6f686e2047616c74";
static const char psk_hex[] = "54686973206973206d7920417573747269616e20706572737065637469766521";
static const char init_static_hex[] = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1";
static const char init_ephemeral_hex[] = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
static const char resp_static_hex[] = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893";
static const char resp_static_public_hex[] = "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62";
static const char resp_ephemeral_hex[] = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";

static const struct {
	const char *payload, *ciphertext;
} vector[] = {
        {"4c756477696720766f6e204d69736573", "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944"
                                             "001e21de9f98ddd8e2ad57527207feb56253c9c94a9e496782ecfcb2a75fbcaf"
                                             "1b52948cc48daefe660c62119ab5000980c84831215f2441eba616548e832985"
                                             "464cf17e51ee93109008399a21f7e13f"},
        {"4d757272617920526f746862617264", "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843"
                                           "cb765f2caef0751b8f007572dab0322217755c0632f365717edbf34d33e87a"},
        {"462e20412e20486179656b", "8153ca9833bc3c1b91a7e66e5f4d4f5b59bf9e64c2f20d15f0bba7"},
        {"4361726c204d656e676572", "07af0c9c86e1b4e80f36b04ff7688d51141af3debd0332f0a705ef"},
        {"4a65616e2d426170746973746520536179", "6ab1467c0448cc78394494abaaf23afce0e234315d6e2624dcbfa8a21c1c4d073d"},
        {"457567656e2042f6686d20766f6e2042617765726b",
                "dfc346c0d2296ae6cf1acf6f12b8456a1dba228cf8d8b774aacf1c47fc53aa80ebc7a4c292"},
};

struct party {
	uint8_t priv[32], pub[32], ephemeral[32], ss[32];
	struct sl_ikpsk2 s;
};

static struct party initiator, responder;
static uint8_t psk[32];

static void parties(void)
{
	uint8_t prologue[16];
	size_t n = unhex(prologue_hex, prologue, sizeof(prologue));

	unhex(psk_hex, psk, 32);
	unhex(init_static_hex, initiator.priv, 32);
	unhex(init_ephemeral_hex, initiator.ephemeral, 32);
	unhex(resp_static_hex, responder.priv, 32);
	unhex(resp_ephemeral_hex, responder.ephemeral, 32);
	sl_x25519_public(initiator.pub, initiator.priv);
	sl_x25519_public(responder.pub, responder.priv);
	cr_assert(is_hex(responder.pub, 32, resp_static_public_hex));
	cr_assert(sl_x25519_shared(initiator.ss, initiator.priv, responder.pub));
	cr_assert(sl_x25519_shared(responder.ss, responder.priv, initiator.pub));
	sl_ikpsk2_start(&initiator.s, prologue, n, responder.pub);
	sl_ikpsk2_start(&responder.s, prologue, n, responder.pub);
}

Test(ikpsk2, p11_cacophony_vector)
{
	uint8_t payload[64], out[256], got[64], i2r[2][32], r2i[2][32];
	size_t n;

	parties();
	n = unhex(vector[0].payload, payload, sizeof(payload));
	cr_assert_eq(sl_ikpsk2_write1(&initiator.s, initiator.pub, responder.pub, initiator.ss, initiator.ephemeral,
	                     payload, n, out),
	        SL_NOISE_OK);
	cr_assert(is_hex(out, SL_IKPSK2_MSG1_LEN(n), vector[0].ciphertext));
	cr_assert_eq(sl_ikpsk2_read1_static(&responder.s, responder.priv, out), SL_NOISE_OK);
	cr_assert_arr_eq(responder.s.rs, initiator.pub, 32);
	cr_assert_eq(sl_ikpsk2_read1_payload(&responder.s, responder.ss, out + 80, n, got), SL_NOISE_OK);
	cr_assert_arr_eq(got, payload, n);

	n = unhex(vector[1].payload, payload, sizeof(payload));
	cr_assert_eq(sl_ikpsk2_write2(&responder.s, psk, responder.ephemeral, payload, n, out), SL_NOISE_OK);
	cr_assert(is_hex(out, SL_IKPSK2_MSG2_LEN(n), vector[1].ciphertext));
	cr_assert_eq(sl_ikpsk2_read2(&initiator.s, initiator.priv, psk, out, n, got), SL_NOISE_OK);
	cr_assert_arr_eq(got, payload, n);
	cr_assert_arr_eq(initiator.s.h, responder.s.h, 32);

	sl_ikpsk2_split(&initiator.s, i2r[0], r2i[0]);
	sl_ikpsk2_split(&responder.s, i2r[1], r2i[1]);
	cr_assert_arr_eq(i2r[0], i2r[1], 32);
	cr_assert_arr_eq(r2i[0], r2i[1], 32);
	cr_assert(sl_is_zero(&initiator.s, sizeof(initiator.s)) && sl_is_zero(&responder.s, sizeof(responder.s)));
	for (unsigned int i = 2; i < sizeof(vector) / sizeof(vector[0]); i++) {
		n = unhex(vector[i].payload, payload, sizeof(payload));
		sl_aead_seal(out, payload, n, NULL, 0, (i - 2) / 2, i % 2 == 0 ? i2r[0] : r2i[0]);
		cr_assert(is_hex(out, n + 16, vector[i].ciphertext), "transport message %u", i);
	}
}

/* A failed call leaves nothing in the state it was given. */
Test(ikpsk2, p10_failures_wipe)
{
	uint8_t zero[80] = {0}, out[256], payload[16] = {1};

	parties();
	cr_assert_eq(sl_ikpsk2_write1(
	                     &initiator.s, initiator.pub, responder.pub, zero, initiator.ephemeral, payload, 16, out),
	        SL_NOISE_BAD_KEY, "static-static of zero");
	cr_assert(sl_is_zero(&initiator.s, sizeof(initiator.s)));
	cr_assert(sl_is_zero(out, SL_IKPSK2_MSG1_LEN(16)), "no half message either");

	parties();
	cr_assert_eq(sl_ikpsk2_write1(
	                     &initiator.s, initiator.pub, zero, initiator.ss, initiator.ephemeral, payload, 16, out),
	        SL_NOISE_BAD_KEY, "low-order responder");
	cr_assert(sl_is_zero(&initiator.s, sizeof(initiator.s)));

	parties();
	cr_assert_eq(
	        sl_ikpsk2_read1_static(&responder.s, responder.priv, zero), SL_NOISE_BAD_KEY, "low-order ephemeral");
	cr_assert(sl_is_zero(&responder.s, sizeof(responder.s)));

	parties();
	memset(out, 9, sizeof(out));
	cr_assert_eq(sl_ikpsk2_read1_static(&responder.s, responder.priv, out), SL_NOISE_BAD_AUTH, "random bytes");
	cr_assert(sl_is_zero(&responder.s, sizeof(responder.s)));
}
