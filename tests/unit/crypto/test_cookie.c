#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "crypto/blake2s.h"
#include "crypto/cookie.h"
#include "crypto/init.h"
#include "crypto/wipe.h"
#include "tests/unit/crypto/vectors.h"

static struct sl_mac_keys ours, other;
static const uint8_t our_public[32] = {1, 2, 3}, other_public[32] = {4, 5, 6};

static void setup(void)
{
	cr_assert_eq(sl_crypto_init(), 0);
	sl_mac_keys_init(&ours, our_public);
	sl_mac_keys_init(&other, other_public);
}

TestSuite(cookie, .init = setup);

static void libcrypto_mac(uint8_t out[16], const uint8_t *key, size_t key_len, const void *in, size_t n)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	size_t out_len = 16;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &out_len), OSSL_PARAM_construct_end()};

	cr_assert(EVP_MAC_init(ctx, key, key_len, params));
	cr_assert(EVP_MAC_update(ctx, in, n));
	cr_assert(EVP_MAC_final(ctx, out, NULL, 16));
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

/* protocol.md 12, computed by a second library */
Test(cookie, p12_macs_as_libcrypto_makes_them)
{
	uint8_t label[40], key[32], cookie[16] = {7}, want[16];
	struct sl_msg_response msg;

	memcpy(label, "mac1----", 8);
	memcpy(label + 8, our_public, 32);
	EVP_Digest(label, 40, key, NULL, EVP_blake2s256(), NULL);
	cr_assert_arr_eq(ours.mac1, key, 32);

	memset(&msg, 0x42, sizeof(msg));
	sl_macs_write(&ours, cookie, &msg, sizeof(msg));
	libcrypto_mac(want, key, 32, &msg, 60);
	cr_assert_arr_eq(msg.mac1, want, 16);
	libcrypto_mac(want, cookie, 16, &msg, 76);
	cr_assert_arr_eq(msg.mac2, want, 16);

	memcpy(label, "cookie--", 8);
	EVP_Digest(label, 40, key, NULL, EVP_blake2s256(), NULL);
	cr_assert_arr_eq(ours.cookie, key, 32);

	sl_macs_write(&ours, NULL, &msg, sizeof(msg));
	cr_assert(sl_is_zero(msg.mac2, 16), "no cookie, no mac2");
}

Test(cookie, p12_mac1_covers_every_bit)
{
	struct sl_msg_initiation msg;
	uint8_t *bytes = (uint8_t *)&msg;

	memset(&msg, 0x17, sizeof(msg));
	sl_macs_write(&ours, NULL, &msg, sizeof(msg));
	cr_assert(sl_mac1_check(&ours, &msg, sizeof(msg)));
	cr_assert_not(sl_mac1_check(&other, &msg, sizeof(msg)), "meant for another");
	for (size_t bit = 0; bit < 8 * sizeof(msg); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_eq(sl_mac1_check(&ours, &msg, sizeof(msg)), bit / 8 >= 132, "bit %zu", bit);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t len = 0; len < sizeof(msg); len++)
		cr_assert_not(sl_mac1_check(&ours, &msg, len), "%zu bytes", len);
}

Test(cookie, p12_mac2_covers_every_bit)
{
	uint8_t cookie[16] = {3, 1, 4}, wrong[16] = {3, 1, 5};
	struct sl_msg_initiation msg;
	uint8_t *bytes = (uint8_t *)&msg;

	memset(&msg, 0x17, sizeof(msg));
	sl_macs_write(&ours, cookie, &msg, sizeof(msg));
	cr_assert(sl_mac2_check(cookie, &msg, sizeof(msg)));
	cr_assert_not(sl_mac2_check(wrong, &msg, sizeof(msg)));
	for (size_t bit = 0; bit < 8 * sizeof(msg); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_not(sl_mac2_check(cookie, &msg, sizeof(msg)), "bit %zu", bit);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t len = 0; len < SL_MACS_LEN; len++)
		cr_assert_not(sl_mac2_check(cookie, &msg, len), "%zu bytes", len);
}

/* protocol.md 13: MAC(secret, ip || port), the port as it stands in the UDP header */
Test(cookie, p13_cookie_of_a_source)
{
	uint8_t secret[32] = {8, 8}, got[16], want[16], other_port[16];
	const uint8_t v4[] = {192, 0, 2, 1, 0x12, 0x34};
	uint8_t v6[18] = {0x20, 0x01, 0x0d, 0xb8, [15] = 9, [16] = 0x12, [17] = 0x34};
	uint16_t port_be;

	memcpy(&port_be, v4 + 4, 2);
	libcrypto_mac(want, secret, 32, v4, sizeof(v4));
	sl_cookie_compute(got, secret, v4, 4, port_be);
	cr_assert_arr_eq(got, want, 16);
	libcrypto_mac(want, secret, 32, v6, sizeof(v6));
	sl_cookie_compute(got, secret, v6, 16, port_be);
	cr_assert_arr_eq(got, want, 16);
	sl_cookie_compute(other_port, secret, v6, 16, (uint16_t)(port_be + 1));
	cr_assert(memcmp(got, other_port, 16) != 0);
}

static void counting_bytes(void *ctx, void *out, size_t n)
{
	memset(out, ++*(uint8_t *)ctx, n);
}

/* protocol.md 13: the secret lives 120 s */
Test(cookie, p13_secret_is_renewed)
{
	static const struct {
		uint64_t now;
		uint8_t secrets_made;
	} table[] = {{5, 1}, {6, 1}, {5 + SL_COOKIE_SECRET_TIME_NS - 1, 1}, {5 + SL_COOKIE_SECRET_TIME_NS, 2},
	        {5 + 2 * SL_COOKIE_SECRET_TIME_NS - 1, 2}, {5 + 2 * SL_COOKIE_SECRET_TIME_NS, 3}};
	uint8_t made = 0, ip[4] = {10, 0, 0, 1}, got[16], want[16], bytes[32];
	struct sl_rng rng = {counting_bytes, &made};
	struct sl_cookie_secret secret = {0};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		sl_cookie_make(&secret, table[i].now, &rng, ip, 4, 99, got);
		cr_assert_eq(made, table[i].secrets_made, "row %zu", i);
		memset(bytes, table[i].secrets_made, sizeof(bytes));
		sl_cookie_compute(want, bytes, ip, 4, 99);
		cr_assert_arr_eq(got, want, 16);
	}
}

/* protocol.md 14 and 15 */
Test(cookie, p14_reply_round_trip)
{
	const uint8_t cookie[16] = {0xc0, 0x0c}, nonce[24] = {7}, mac1[16] = {0x11}, wrong_mac1[16] = {0x12};
	struct sl_msg_cookie_reply reply;
	uint8_t *bytes = (uint8_t *)&reply, got[16];

	sl_cookie_reply_create(&reply, &ours, cookie, nonce, mac1, 0xa1b2c3d4);
	cr_assert_eq(reply.type, 3);
	cr_assert_eq(reply.receiver, 0xa1b2c3d4);
	cr_assert_arr_eq(reply.nonce, nonce, 24);
	cr_assert(memcmp(reply.enc_cookie, cookie, 16) != 0);
	cr_assert(sl_cookie_reply_open(got, &reply, &ours, mac1));
	cr_assert_arr_eq(got, cookie, 16);

	cr_assert_not(sl_cookie_reply_open(got, &reply, &ours, wrong_mac1), "another message was answered");
	cr_assert(sl_is_zero(got, 16));
	cr_assert_not(sl_cookie_reply_open(got, &reply, &other, mac1), "another peer");
	for (size_t at = offsetof(struct sl_msg_cookie_reply, nonce); at < sizeof(reply); at++) {
		bytes[at] ^= 1;
		cr_assert_not(sl_cookie_reply_open(got, &reply, &ours, mac1), "byte %zu", at);
		bytes[at] ^= 1;
	}
}

Test(cookie, p15_jar_takes_one_reply_to_one_message)
{
	const uint8_t cookie[16] = {0xc0}, nonce[24] = {1};
	struct sl_msg_initiation msg;
	struct sl_msg_cookie_reply reply, forged;
	struct sl_cookie_jar jar = {0}, before;

	memset(&msg, 0x33, sizeof(msg));
	sl_cookie_reply_create(&reply, &ours, cookie, nonce, msg.mac1, 1);
	cr_assert_not(sl_cookie_jar_consume(&jar, 0, &ours, &reply), "nothing was sent yet");

	sl_cookie_jar_stamp(&jar, 0, &ours, &msg, sizeof(msg));
	cr_assert(sl_mac1_check(&ours, &msg, sizeof(msg)));
	cr_assert(sl_is_zero(msg.mac2, 16));
	sl_cookie_reply_create(&reply, &ours, cookie, nonce, msg.mac1, 1);
	forged = reply;
	forged.enc_cookie[0] ^= 1;
	before = jar;
	cr_assert_not(sl_cookie_jar_consume(&jar, 0, &ours, &forged));
	cr_assert(memcmp(&jar, &before, sizeof(jar)) == 0, "a forgery changes nothing");

	cr_assert(sl_cookie_jar_consume(&jar, 0, &ours, &reply), "the real one still counts");
	cr_assert_not(sl_cookie_jar_consume(&jar, 0, &ours, &reply), "replayed");

	sl_cookie_jar_stamp(&jar, 1, &ours, &msg, sizeof(msg));
	cr_assert(sl_mac2_check(cookie, &msg, sizeof(msg)), "the cookie is used");
	msg.sender++;
	sl_cookie_jar_stamp(&jar, 2, &ours, &msg, sizeof(msg));
	cr_assert_not(sl_cookie_jar_consume(&jar, 2, &ours, &reply), "answers an older message");
}

/* protocol.md 13: used while younger than 115 s */
Test(cookie, p13_cookie_is_used_for_115_s)
{
	static const struct {
		uint64_t age;
		bool used;
	} table[] = {{0, true}, {SL_COOKIE_USE_TIME_NS - 1, true}, {SL_COOKIE_USE_TIME_NS, false},
	        {SL_COOKIE_USE_TIME_NS + 1, false}, {1000 * SL_NSEC_PER_SEC, false}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct sl_cookie_jar jar = {.cookie = {5}, .born_ns = 777, .has_cookie = true};
		struct sl_msg_response msg = {.type = SL_MSG_RESPONSE};

		sl_cookie_jar_stamp(&jar, 777 + table[i].age, &ours, &msg, sizeof(msg));
		cr_assert_eq(sl_is_zero(msg.mac2, 16), !table[i].used, "row %zu", i);
		cr_assert_eq(sl_is_zero(jar.cookie, 16), !table[i].used, "an old cookie is wiped");
	}
}

/* Each of a batch by itself, at every level of this CPU. */
Test(cookie, p12_mac1_of_many_messages)
{
	static const enum sl_simd levels[] = {SL_SIMD_SSE, SL_SIMD_AVX2, SL_SIMD_AVX512};
	static uint8_t msg[SL_MAC1_BATCH][sizeof(struct sl_msg_initiation)];
	const uint8_t *msgs[SL_MAC1_BATCH];
	struct seeded seed = {41};
	struct sl_mac_keys own;
	uint8_t key[32];

	seeded_bytes(&seed, key, sizeof(key));
	sl_mac_keys_init(&own, key);
	for (unsigned int l = 0; l < 3; l++) {
		if (!sl_simd_supported(levels[l]))
			continue;
		for (unsigned int n = 0; n <= SL_MAC1_BATCH; n++) {
			size_t len = n % 2 ? sizeof(struct sl_msg_initiation) : sizeof(struct sl_msg_response);
			uint64_t want = 0;

			seeded_bytes(&seed, msg, sizeof(msg));
			for (unsigned int i = 0; i < n; i++) {
				msgs[i] = msg[i];
				sl_macs_write(&own, NULL, msg[i], len);
				if (seeded_below(&seed, 3) == 0)
					msg[i][seeded_below(&seed, len - SL_MAC_LEN)] ^=
					        (uint8_t)(1 << seeded_below(&seed, 8));
				else
					want |= UINT64_C(1) << i;
			}
			cr_assert_eq(sl_mac1_check_batch(sl_blake2s_kernel_of(levels[l]), &own, msgs, len, n), want,
			        "%s, %u messages", sl_simd_name(levels[l]), n);
		}
	}
	cr_assert_eq(sl_mac1_check_batch(NULL, &own, msgs, SL_MACS_LEN - 1, 3), 0, "too short for macs");
}
