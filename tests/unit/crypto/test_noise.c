#include <criterion/criterion.h>
#include <string.h>

#include "crypto/init.h"
#include "crypto/noise.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"
#include "tests/unit/crypto/vectors.h"

#define I_INDEX 0x11223344
#define R_INDEX 0x55667788

static const uint8_t no_psk[32], stamp[12] = {0x40, [11] = 9};

/* Two sides with fixed keys. */
static struct sl_noise_identity i_id, r_id;
static struct sl_noise_handshake i_hs, r_hs;
static uint8_t i_ss[32], r_ss[32], i_eph[32], r_eph[32];
static struct sl_msg_initiation init;
static struct sl_msg_response resp;

static void setup(void)
{
	struct seeded seed = {20};
	uint8_t key[32];

	cr_assert_eq(sl_crypto_init(), 0);
	seeded_bytes(&seed, key, 32);
	cr_assert(sl_noise_identity_init(&i_id, key));
	seeded_bytes(&seed, key, 32);
	cr_assert(sl_noise_identity_init(&r_id, key));
	seeded_bytes(&seed, i_eph, 32);
	seeded_bytes(&seed, r_eph, 32);
	cr_assert(sl_noise_static_static(i_ss, &i_id, r_id.public_key));
	cr_assert(sl_noise_static_static(r_ss, &r_id, i_id.public_key));
	cr_assert_arr_eq(i_ss, r_ss, 32);
	memset(&i_hs, 0, sizeof(i_hs));
	memset(&r_hs, 0, sizeof(r_hs));
}

TestSuite(noise, .init = setup);

static void do_initiation(void)
{
	cr_assert_eq(sl_noise_create_initiation(&i_hs, &i_id, r_id.public_key, i_ss, stamp, i_eph, I_INDEX, &init),
	        SL_NOISE_OK);
}

/* Both halves and the commit. */
static void do_consume(void)
{
	struct sl_noise_interim interim;
	uint8_t got[12];

	cr_assert_eq(sl_noise_consume_initiation_static(&interim, &r_id, &init), SL_NOISE_OK);
	cr_assert_arr_eq(interim.noise.rs, i_id.public_key, 32);
	cr_assert_eq(sl_noise_consume_initiation_finish(&interim, r_ss, got), SL_NOISE_OK);
	cr_assert_arr_eq(got, stamp, 12);
	cr_assert_eq(sl_noise_commit_initiation(&r_hs, &interim), SL_NOISE_OK);
	cr_assert(sl_is_zero(&interim, sizeof(interim)), "committing wipes the interim");
}

static void handshake(const uint8_t *i_psk, const uint8_t *r_psk, enum sl_noise_result want)
{
	do_initiation();
	cr_assert_eq(i_hs.state, SL_NOISE_CREATED_INITIATION);
	do_consume();
	cr_assert_eq(r_hs.state, SL_NOISE_CONSUMED_INITIATION);
	cr_assert_eq(sl_noise_create_response(&r_hs, r_psk, r_eph, R_INDEX, &resp), SL_NOISE_OK);
	cr_assert_eq(r_hs.state, SL_NOISE_CREATED_RESPONSE);
	cr_assert_eq(sl_noise_consume_response(&i_hs, &i_id, i_psk, &resp), want);
}

static void sessions_match(void)
{
	struct sl_noise_keys i_keys, r_keys;

	cr_assert_eq(i_hs.state, SL_NOISE_CONSUMED_RESPONSE);
	cr_assert_eq(sl_noise_begin_session(&i_hs, &i_keys), SL_NOISE_OK);
	cr_assert_eq(sl_noise_begin_session(&r_hs, &r_keys), SL_NOISE_OK);
	cr_assert_arr_eq(i_keys.send, r_keys.recv, 32);
	cr_assert_arr_eq(i_keys.recv, r_keys.send, 32);
	cr_assert(memcmp(i_keys.send, i_keys.recv, 32) != 0);
	cr_assert(i_keys.initiator && !r_keys.initiator);
	cr_assert(i_keys.local_index == I_INDEX && i_keys.remote_index == R_INDEX);
	cr_assert(r_keys.local_index == R_INDEX && r_keys.remote_index == I_INDEX);
	cr_assert(sl_is_zero(&i_hs, sizeof(i_hs)) && sl_is_zero(&r_hs, sizeof(r_hs)),
	        "a session's start wipes the handshake");
	cr_assert_eq(sl_noise_begin_session(&i_hs, &i_keys), SL_NOISE_BAD_STATE);
}

Test(noise, p7_handshake_without_psk)
{
	handshake(no_psk, no_psk, SL_NOISE_OK);
	cr_assert(init.type == 1 && init.sender == I_INDEX);
	cr_assert(resp.type == 2 && resp.sender == R_INDEX && resp.receiver == I_INDEX);
	cr_assert(sl_is_zero(init.mac1, 32) && sl_is_zero(resp.mac1, 32), "macs are written when a message goes out");
	sessions_match();
}

Test(noise, p7_handshake_with_psk)
{
	uint8_t psk[32] = {0xfe, 0xed};

	handshake(psk, psk, SL_NOISE_OK);
	sessions_match();
}

/* The PSK must be the same on both sides, and goes into the keys. */
Test(noise, p7_wrong_psk)
{
	uint8_t psk[32] = {1}, other[32] = {2};
	struct sl_noise_handshake before;

	handshake(other, psk, SL_NOISE_BAD_AUTH);
	cr_assert_eq(i_hs.state, SL_NOISE_CREATED_INITIATION);
	before = i_hs;
	cr_assert_eq(sl_noise_consume_response(&i_hs, &i_id, no_psk, &resp), SL_NOISE_BAD_AUTH);
	cr_assert(memcmp(&before, &i_hs, sizeof(before)) == 0, "a failed response changes nothing");
	cr_assert_eq(sl_noise_consume_response(&i_hs, &i_id, psk, &resp), SL_NOISE_OK, "the right one still works");
	sessions_match();
}

static void refuses_initiation(const char *what, size_t at)
{
	struct sl_noise_interim interim;
	uint8_t got[12];
	enum sl_noise_result result;

	memset(got, 0, sizeof(got));
	result = sl_noise_consume_initiation_static(&interim, &r_id, &init);
	if (result == SL_NOISE_OK)
		result = sl_noise_consume_initiation_finish(&interim, r_ss, got);
	cr_assert_neq(result, SL_NOISE_OK, "%s %zu", what, at);
	cr_assert(sl_is_zero(&interim, sizeof(interim)), "%s %zu: interim", what, at);
	cr_assert(sl_is_zero(got, sizeof(got)), "%s %zu: timestamp", what, at);
	cr_assert_eq(sl_noise_commit_initiation(&r_hs, &interim), SL_NOISE_BAD_STATE);
	cr_assert(sl_is_zero(&r_hs, sizeof(r_hs)), "%s %zu: handshake", what, at);
}

Test(noise, p9_tampered_initiation)
{
	uint8_t *bytes = (uint8_t *)&init;

	do_initiation();
	for (size_t at = 8; at < 116; at++) {
		bytes[at] ^= 0x20;
		refuses_initiation("byte", at);
		bytes[at] ^= 0x20;
	}
	do_consume();
}

Test(noise, p9_tampered_response)
{
	uint8_t *bytes = (uint8_t *)&resp;
	struct sl_noise_handshake before;

	handshake(no_psk, no_psk, SL_NOISE_OK);
	do_initiation();
	memset(&r_hs, 0, sizeof(r_hs));
	do_consume();
	cr_assert_eq(sl_noise_create_response(&r_hs, no_psk, r_eph, R_INDEX, &resp), SL_NOISE_OK);
	before = i_hs;
	for (size_t at = 12; at < 60; at++) {
		bytes[at] ^= 0x20;
		cr_assert_neq(sl_noise_consume_response(&i_hs, &i_id, no_psk, &resp), SL_NOISE_OK, "byte %zu", at);
		cr_assert(memcmp(&before, &i_hs, sizeof(before)) == 0, "byte %zu: handshake", at);
		bytes[at] ^= 0x20;
	}
	cr_assert_eq(sl_noise_consume_response(&i_hs, &i_id, no_psk, &resp), SL_NOISE_OK);
	cr_assert_eq(sl_noise_consume_response(&i_hs, &i_id, no_psk, &resp), SL_NOISE_BAD_STATE, "a second time");
	sessions_match();
}

/* A message for another gateway, and one from a peer whose static key is not proven. */
Test(noise, p9_wrong_identity)
{
	struct sl_noise_interim interim;
	uint8_t key[32] = {9}, got[12], wrong_ss[32] = {1};
	struct sl_noise_identity third;

	cr_assert(sl_noise_identity_init(&third, key));
	do_initiation();
	cr_assert_eq(sl_noise_consume_initiation_static(&interim, &third, &init), SL_NOISE_BAD_AUTH);
	cr_assert(sl_is_zero(&interim, sizeof(interim)));
	cr_assert_eq(sl_noise_consume_initiation_static(&interim, &r_id, &init), SL_NOISE_OK);
	cr_assert_eq(sl_noise_commit_initiation(&r_hs, &interim), SL_NOISE_BAD_STATE, "not before the second half");
	cr_assert_eq(sl_noise_consume_initiation_finish(&interim, wrong_ss, got), SL_NOISE_BAD_AUTH);
	cr_assert(sl_is_zero(&interim, sizeof(interim)));
	cr_assert_eq(sl_noise_consume_initiation_finish(&interim, r_ss, got), SL_NOISE_BAD_STATE);
}

static const char *const low_order[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

/* protocol.md 8: every DH that can be zero is refused, on each side. */
Test(noise, p8_low_order_keys)
{
	for (size_t i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++) {
		uint8_t point[32], ss[32], zero_ss[32] = {0};
		struct sl_noise_handshake hs = {0}, before;
		struct sl_noise_interim interim;
		struct sl_msg_initiation msg, untouched;

		unhex(low_order[i], point, 32);
		cr_assert_not(sl_noise_static_static(ss, &i_id, point), "%s", low_order[i]);
		cr_assert(sl_is_zero(ss, 32));

		memset(&msg, 0x77, sizeof(msg));
		untouched = msg;
		cr_assert_eq(
		        sl_noise_create_initiation(&hs, &i_id, point, ss, stamp, i_eph, 1, &msg), SL_NOISE_BAD_KEY);
		cr_assert_eq(sl_noise_create_initiation(&hs, &i_id, point, i_ss, stamp, i_eph, 1, &msg),
		        SL_NOISE_BAD_KEY, "es alone");
		cr_assert_eq(sl_noise_create_initiation(&hs, &i_id, r_id.public_key, zero_ss, stamp, i_eph, 1, &msg),
		        SL_NOISE_BAD_KEY, "ss alone");
		cr_assert(sl_is_zero(&hs, sizeof(hs)) && memcmp(&msg, &untouched, sizeof(msg)) == 0, "nothing is sent");

		do_initiation();
		memcpy(init.ephemeral, point, 32);
		cr_assert_eq(sl_noise_consume_initiation_static(&interim, &r_id, &init), SL_NOISE_BAD_KEY, "es");

		do_initiation();
		memset(&r_hs, 0, sizeof(r_hs));
		do_consume();
		before = r_hs;
		memcpy(r_hs.noise.re, point, 32);
		cr_assert_eq(sl_noise_create_response(&r_hs, no_psk, r_eph, R_INDEX, &resp), SL_NOISE_BAD_KEY, "ee");
		r_hs = before;
		memcpy(r_hs.noise.rs, point, 32);
		cr_assert_eq(sl_noise_create_response(&r_hs, no_psk, r_eph, R_INDEX, &resp), SL_NOISE_BAD_KEY, "se");
		cr_assert_eq(r_hs.state, SL_NOISE_CONSUMED_INITIATION);
		r_hs = before;
		cr_assert_eq(sl_noise_create_response(&r_hs, no_psk, r_eph, R_INDEX, &resp), SL_NOISE_OK);
		memcpy(resp.ephemeral, point, 32);
		before = i_hs;
		cr_assert_eq(sl_noise_consume_response(&i_hs, &i_id, no_psk, &resp), SL_NOISE_BAD_KEY, "ee");
		cr_assert(memcmp(&before, &i_hs, sizeof(before)) == 0);
	}
}

/* An initiator whose static-static is zero fails at the second half, as does a proof of nothing. */
Test(noise, p8_zero_static_static_is_refused_by_the_responder)
{
	struct sl_noise_interim interim;
	uint8_t zero[32] = {0}, got[12];

	do_initiation();
	cr_assert_eq(sl_noise_consume_initiation_static(&interim, &r_id, &init), SL_NOISE_OK);
	cr_assert_eq(sl_noise_consume_initiation_finish(&interim, zero, got), SL_NOISE_BAD_KEY);
	cr_assert(sl_is_zero(&interim, sizeof(interim)));
}

Test(noise, p9_calls_out_of_order)
{
	struct sl_noise_keys keys;
	enum sl_noise_state states[] = {SL_NOISE_ZEROED, SL_NOISE_CREATED_INITIATION, SL_NOISE_CONSUMED_INITIATION,
	        SL_NOISE_CREATED_RESPONSE, SL_NOISE_CONSUMED_RESPONSE};

	handshake(no_psk, no_psk, SL_NOISE_OK);
	for (unsigned int i = 0; i < 5; i++) {
		struct sl_noise_handshake hs = r_hs;

		hs.state = states[i];
		if (states[i] != SL_NOISE_CONSUMED_INITIATION)
			cr_assert_eq(
			        sl_noise_create_response(&hs, no_psk, r_eph, 1, &resp), SL_NOISE_BAD_STATE, "%u", i);
		if (states[i] != SL_NOISE_CREATED_INITIATION)
			cr_assert_eq(sl_noise_consume_response(&hs, &i_id, no_psk, &resp), SL_NOISE_BAD_STATE, "%u", i);
		if (states[i] != SL_NOISE_CREATED_RESPONSE && states[i] != SL_NOISE_CONSUMED_RESPONSE)
			cr_assert_eq(sl_noise_begin_session(&hs, &keys), SL_NOISE_BAD_STATE, "%u", i);
		cr_assert_eq(hs.state, states[i]);
	}
}

/* A new initiation makes the answer to the old one worthless. */
Test(noise, p9_response_to_a_superseded_initiation)
{
	handshake(no_psk, no_psk, SL_NOISE_OK);
	i_eph[3] ^= 1;
	do_initiation();
	cr_assert_eq(sl_noise_consume_response(&i_hs, &i_id, no_psk, &resp), SL_NOISE_BAD_AUTH);
	cr_assert_eq(i_hs.state, SL_NOISE_CREATED_INITIATION);
}

Test(noise, p8_identity)
{
	uint8_t zero[32] = {0}, ones[32], ss[32];
	struct sl_noise_identity id;
	struct sl_noise_interim interim;

	memset(&id, 0x55, sizeof(id));
	cr_assert_not(sl_noise_identity_init(&id, zero), "zeros mean no identity");
	cr_assert(sl_is_zero(&id, sizeof(id)));
	cr_assert_not(sl_noise_static_static(ss, &id, r_id.public_key));
	cr_assert(sl_is_zero(ss, 32));
	cr_assert_eq(sl_noise_create_initiation(&i_hs, &id, r_id.public_key, i_ss, stamp, i_eph, 1, &init),
	        SL_NOISE_BAD_STATE);
	cr_assert_eq(sl_noise_consume_initiation_static(&interim, &id, &init), SL_NOISE_BAD_STATE);

	memset(ones, 0xff, 32);
	cr_assert(sl_noise_identity_init(&id, ones));
	cr_assert(id.private_key[0] == 0xf8 && id.private_key[31] == 0x7f, "clamped");
	sl_x25519_public(ss, ones);
	cr_assert_arr_eq(id.public_key, ss, 32);
	sl_noise_identity_wipe(&id);
	cr_assert(sl_is_zero(&id, sizeof(id)));
}
