/*
 * Every message and every derived value byte for byte as a second implementation has it (tests/unit/oracle.h): what is
 * wrong in the same way on both sides of our own code shows here (protocol.md 2, 7, 8, 12–14, 19).
 */
#include <criterion/criterion.h>
#include <sodium.h>

#include "crypto/aead.h"
#include "crypto/init.h"
#include "crypto/noise.h"
#include "crypto/tai64n.h"
#include "tests/unit/oracle.h"
#include "tests/unit/test_simd.h"

#define ROUNDS 16

static uint8_t pool[ROUNDS][512];

/* Fixed bytes, the same in every run. */
static void setup(void)
{
	static const uint8_t seed[randombytes_SEEDBYTES] = {3};

	cr_assert_eq(sl_crypto_init(), 0);
	randombytes_buf_deterministic(pool, sizeof(pool), seed);
}

TestSuite(oracle, .init = setup);

/* Two ends in both implementations. */
struct ends {
	const uint8_t *psk, *e1, *e2;
	uint8_t stamp[SL_TAI64N_LEN];
	struct sl_noise_identity initiator, responder;
	uint8_t ss[SL_KEY_LEN];
	struct oracle o_initiator, o_responder;
};

static void make_ends(struct ends *s, unsigned round)
{
	static const uint8_t no_psk[SL_KEY_LEN];
	const uint8_t *p = pool[round];

	cr_assert(sl_noise_identity_init(&s->initiator, p));
	cr_assert(sl_noise_identity_init(&s->responder, p + 32));
	s->psk = round % 2 ? p + 64 : no_psk;
	s->e1 = p + 96;
	s->e2 = p + 128;
	memcpy(s->stamp, p + 160, sizeof(s->stamp));
	cr_assert(sl_noise_static_static(s->ss, &s->initiator, s->responder.public_key));
	oracle_init(&s->o_initiator, p, s->responder.public_key, round % 2 ? s->psk : NULL);
	oracle_init(&s->o_responder, p + 32, s->initiator.public_key, round % 2 ? s->psk : NULL);
	cr_assert_arr_eq(s->o_initiator.public_key, s->initiator.public_key, SL_KEY_LEN);
	cr_assert_arr_eq(s->o_responder.public_key, s->responder.public_key, SL_KEY_LEN);
}

static void respond(struct ends *s, struct sl_noise_handshake *hs, const struct sl_msg_initiation *m1, uint32_t index,
        struct sl_msg_response *m2)
{
	struct sl_noise_interim interim;
	uint8_t stamp[SL_TAI64N_LEN];

	cr_assert_eq(sl_noise_consume_initiation_static(&interim, &s->responder, m1), SL_NOISE_OK);
	cr_assert_arr_eq(interim.noise.rs, s->initiator.public_key, SL_KEY_LEN);
	cr_assert_eq(sl_noise_consume_initiation_finish(&interim, s->ss, stamp), SL_NOISE_OK);
	cr_assert_arr_eq(stamp, s->stamp, sizeof(stamp));
	cr_assert_eq(sl_noise_commit_initiation(hs, &interim), SL_NOISE_OK);
	cr_assert_eq(sl_noise_create_response(hs, s->psk, s->e2, index, m2), SL_NOISE_OK);
}

Test(oracle, p7_both_messages_and_the_keys)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t o1[ORACLE_INITIATION], o2[ORACLE_RESPONSE], stamp[ORACLE_STAMP];
		struct sl_noise_handshake hs1 = {0}, hs2 = {0};
		const uint8_t *cookie = i % 3 ? NULL : pool[i] + 200;
		uint32_t index1 = 0x10000001u * (i + 1), index2 = 0x80000000u + i;
		struct sl_mac_keys to_initiator, to_responder;
		struct sl_noise_keys k1, k2;
		struct sl_msg_initiation m1;
		struct sl_msg_response m2;
		struct ends s;

		make_ends(&s, i);
		sl_mac_keys_init(&to_initiator, s.initiator.public_key);
		sl_mac_keys_init(&to_responder, s.responder.public_key);
		cr_assert_eq(sl_noise_create_initiation(
		                     &hs1, &s.initiator, s.responder.public_key, s.ss, s.stamp, s.e1, index1, &m1),
		        SL_NOISE_OK);
		sl_macs_write(&to_responder, cookie, &m1, sizeof(m1));
		oracle_initiation(&s.o_initiator, s.e1, index1, s.stamp, cookie, o1);
		cr_assert_arr_eq(&m1, o1, sizeof(o1), "message 1, round %u", i);

		cr_assert(oracle_take_initiation(&s.o_responder, o1, stamp));
		cr_assert_arr_eq(stamp, s.stamp, sizeof(stamp));
		respond(&s, &hs2, &m1, index2, &m2);
		sl_macs_write(&to_initiator, cookie, &m2, sizeof(m2));
		oracle_response(&s.o_responder, s.e2, index2, cookie, o2);
		cr_assert_arr_eq(&m2, o2, sizeof(o2), "message 2, round %u", i);

		cr_assert(oracle_take_response(&s.o_initiator, o2));
		cr_assert_eq(sl_noise_consume_response(&hs1, &s.initiator, s.psk, &m2), SL_NOISE_OK);
		cr_assert_eq(sl_noise_begin_session(&hs1, &k1), SL_NOISE_OK);
		cr_assert_eq(sl_noise_begin_session(&hs2, &k2), SL_NOISE_OK);
		cr_assert_arr_eq(k1.send, s.o_initiator.send, SL_KEY_LEN);
		cr_assert_arr_eq(k1.recv, s.o_initiator.recv, SL_KEY_LEN);
		cr_assert_arr_eq(k2.send, s.o_responder.send, SL_KEY_LEN);
		cr_assert_arr_eq(k2.recv, s.o_responder.recv, SL_KEY_LEN);
		cr_assert_eq(k1.remote_index, index2);
		cr_assert_eq(k2.remote_index, index1);
		cr_assert_arr_neq(k1.send, k1.recv, SL_KEY_LEN);
	}
}

/* A key with any bits is the key that it is clamped to, in messages too. */
Test(oracle, p8_private_keys_are_clamped)
{
	uint8_t raw[SL_KEY_LEN], same[SL_KEY_LEN];
	struct sl_noise_identity a, b;

	memcpy(raw, pool[0], sizeof(raw));
	raw[0] |= 7;
	raw[31] |= 0x80;
	raw[31] &= 0xbf;
	memcpy(same, raw, sizeof(same));
	same[0] &= 0xf8;
	same[31] = (same[31] & 0x7f) | 0x40;
	cr_assert(sl_noise_identity_init(&a, raw));
	cr_assert(sl_noise_identity_init(&b, same));
	cr_assert_arr_eq(a.private_key, same, SL_KEY_LEN);
	cr_assert_arr_eq(a.public_key, b.public_key, SL_KEY_LEN);
}

static const struct {
	size_t len;
	uint8_t address[16];
	uint16_t port;
} sources[] = {
        {4, {192, 0, 2, 1}, 1},
        {4, {192, 0, 2, 1}, 0xfffe},
        {4, {0}, 0},
        {16, {0x20, 1, 0xd, 0xb8, [15] = 9}, 51820},
        {16, {192, 0, 2, 1}, 1},
};

Test(oracle, p13_cookies)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		uint8_t got[SL_COOKIE_LEN], want[SL_COOKIE_LEN];
		uint16_t port_be = __builtin_bswap16(sources[i].port);

		sl_cookie_compute(got, pool[i], sources[i].address, sources[i].len, port_be);
		oracle_cookie(want, pool[i], sources[i].address, sources[i].len, sources[i].port);
		cr_assert_arr_eq(got, want, sizeof(want), "source %zu", i);
	}
}

Test(oracle, p14_cookie_replies)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		const uint8_t *key = pool[i], *cookie = pool[i] + 32, *nonce = pool[i] + 48, *mac1 = pool[i] + 80;
		uint8_t want[ORACLE_COOKIE_REPLY], opened[SL_COOKIE_LEN];
		struct sl_msg_cookie_reply reply;
		struct sl_mac_keys keys;

		sl_mac_keys_init(&keys, key);
		sl_cookie_reply_create(&reply, &keys, cookie, nonce, mac1, 0x12345678u + i);
		oracle_cookie_reply(want, key, cookie, nonce, mac1, 0x12345678u + i);
		cr_assert_arr_eq(&reply, want, sizeof(want), "round %u", i);
		cr_assert(sl_cookie_reply_open(opened, &reply, &keys, mac1));
		cr_assert_arr_eq(opened, cookie, SL_COOKIE_LEN);
		want[40] ^= 1;
		memcpy(&reply, want, sizeof(want));
		cr_assert_not(sl_cookie_reply_open(opened, &reply, &keys, mac1));
	}
}

Test(oracle, p19_stamps)
{
	static const struct {
		uint64_t s;
		uint32_t ns;
	} times[] = {{0, 0}, {0, 1}, {1700000000, (1u << 24) - 1}, {1700000000, 1u << 24}, {1700000000, (1u << 24) + 1},
	        {1700000000, 999999999}, {UINT32_MAX, 500000000}, {UINT64_C(1) << 40, 3}};

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		uint8_t got[SL_TAI64N_LEN], want[SL_TAI64N_LEN];

		sl_tai64n(got, times[i].s, times[i].ns);
		oracle_stamp(want, times[i].s, times[i].ns);
		cr_assert_arr_eq(got, want, sizeof(want), "time %zu", i);
	}
}

/* All sizes of a small packet, and counters at every width, through the batch that workers use. */
Test(oracle, p2_data_messages)
{
	static const uint64_t counters[] = {0, 1, 255, 256, UINT32_MAX, UINT64_C(1) << 32, UINT64_C(0x0123456789abcdef),
	        SL_REKEY_AFTER_MESSAGES, SL_REJECT_AFTER_MESSAGES - 1};
	struct sl_aead *aead = sl_aead_create(test_simd());
	struct oracle o;

	cr_assert_not_null(aead);
	oracle_init(&o, pool[0], pool[1], NULL);
	memcpy(o.send, pool[2], sizeof(o.send));
	memcpy(o.recv, pool[2], sizeof(o.recv));
	o.peer_index = o.own_index = 0x89abcdef;
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		for (size_t len = 0; len <= 256; len += 16) {
			uint8_t got[512], want[512], plain[512];
			struct sl_msg_data header = {SL_MSG_DATA, o.peer_index, counters[i]};
			struct sl_aead_job job = {.key = o.send,
			        .counter = counters[i],
			        .src = (uint8_t *)pool[3],
			        .dst = got + 16,
			        .tag = got + 16 + len,
			        .len = (uint32_t)len};
			uint64_t counter;

			memcpy(got, &header, sizeof(header));
			sl_aead_seal_batch(aead, &job, 1);
			oracle_seal(&o, counters[i], pool[3], len, want);
			cr_assert_arr_eq(got, want, len + ORACLE_DATA, "counter %lu, %zu bytes", counters[i], len);
			cr_assert_eq(oracle_open(&o, got, len + ORACLE_DATA, &counter, plain), (long)len);
			cr_assert_eq(counter, counters[i]);
			cr_assert_arr_eq(plain, pool[3], len);
		}
	}
	sl_aead_destroy(aead);
}
