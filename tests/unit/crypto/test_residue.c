/*
 * What calls leave on the stack: each runs on a thread whose stack is ours, which is then searched for the secrets that
 * the call had to do with, as they are and as HMAC pads them. The address sanitizer moves locals off the stack, so
 * there the search would find nothing anyway.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "crypto/aead.h"
#include "crypto/blake2s_batch.h"
#include "crypto/blake2s_kernel.h"
#include "crypto/init.h"
#include "crypto/kdf.h"
#include "crypto/noise.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"
#include "crypto/x25519_batch.h"
#include "crypto/x25519_kernel.h"
#include "tests/unit/test_simd.h"

#define STACK_SIZE (256 * 1024)
#define PIECE_LEN  8 /* bytes in a row that betray a key */

static struct sl_noise_identity i_id, r_id;
static struct sl_noise_handshake i_hs, r_hs;
static struct sl_noise_interim interim;
static struct sl_noise_keys i_keys, r_keys;
static struct sl_msg_initiation init;
static struct sl_msg_response resp;
static uint8_t i_eph[32], r_eph[32], psk[32], ss[32], es[32], ee[32], se[32], aead_key[32], stamp[12], out[32];
static struct sl_aead *aead;

static void create_initiation(void)
{
	cr_assert_eq(
	        sl_noise_create_initiation(&i_hs, &i_id, r_id.public_key, ss, stamp, i_eph, 1, &init), SL_NOISE_OK);
}

static void consume_static(void)
{
	cr_assert_eq(sl_noise_consume_initiation_static(&interim, &r_id, &init), SL_NOISE_OK);
}

static void consume_finish(void)
{
	cr_assert_eq(sl_noise_consume_initiation_finish(&interim, ss, stamp), SL_NOISE_OK);
}

static void commit(void)
{
	cr_assert_eq(sl_noise_commit_initiation(&r_hs, &interim), SL_NOISE_OK);
}

static void create_response(void)
{
	cr_assert_eq(sl_noise_create_response(&r_hs, psk, r_eph, 2, &resp), SL_NOISE_OK);
}

static void refuse_response(void)
{
	resp.enc_nothing[0] ^= 1;
	cr_assert_eq(sl_noise_consume_response(&i_hs, &i_id, psk, &resp), SL_NOISE_BAD_AUTH);
	resp.enc_nothing[0] ^= 1;
}

static void consume_response(void)
{
	cr_assert_eq(sl_noise_consume_response(&i_hs, &i_id, psk, &resp), SL_NOISE_OK);
}

static void begin_sessions(void)
{
	cr_assert_eq(sl_noise_begin_session(&i_hs, &i_keys), SL_NOISE_OK);
	cr_assert_eq(sl_noise_begin_session(&r_hs, &r_keys), SL_NOISE_OK);
}

static void derive(void)
{
	sl_kdf3(out, out, out, psk, ss, sizeof(ss));
}

static void seal_and_open(void)
{
	static uint8_t buf[1420], tag[16];
	struct sl_aead_job job = {.key = aead_key, .src = buf, .dst = buf, .tag = tag, .len = sizeof(buf)};

	sl_aead_seal_batch(aead, &job, 1);
	cr_assert_eq(sl_aead_open_batch(aead, &job, 1), 1);
	job.len = 64;
	sl_aead_seal_batch(aead, &job, 1);
}

extern const struct sl_x25519_kernel sl_x25519_avx512_emulated;

/* Eight secrets, of which two are searched for; with the level's kernel, and compiled for any CPU. */
static void multiply_points(void)
{
	uint8_t secrets[8][32];
	struct sl_x25519_job jobs[8];

	for (unsigned int i = 0; i < 8; i++)
		jobs[i] = (struct sl_x25519_job){i_eph, r_id.public_key, secrets[i]};
	jobs[7] = (struct sl_x25519_job){r_eph, i_id.public_key, secrets[7]};
	sl_x25519_batch(SL_SIMD_AUTO, jobs, 8);
	cr_assert_arr_eq(secrets[7], se, 32);
	sl_x25519_batch_with(&sl_x25519_avx512_emulated, jobs, 8);
	cr_assert_arr_eq(secrets[0], es, 32);
	if (sl_simd_supported(SL_SIMD_AVX2))
		sl_x25519_batch(SL_SIMD_AVX2, jobs, 8);
	cr_assert_arr_eq(secrets[7], se, 32);
	for (unsigned int i = 0; i < 8; i++)
		jobs[i].public_key = NULL;
	sl_x25519_batch(SL_SIMD_AUTO, jobs, 8);
	sl_x25519_batch_with(&sl_x25519_avx512_emulated, jobs, 8);
	if (sl_simd_supported(SL_SIMD_AVX2))
		sl_x25519_batch(SL_SIMD_AVX2, jobs, 8);
	sl_wipe(secrets, sizeof(secrets));
}

static void derive_together(const struct sl_blake2s_kernel *kernel)
{
	static uint8_t more[4][32];
	const uint8_t *const cks[] = {psk, aead_key, psk, aead_key}, *const data[] = {ss, ss, es, es};
	uint8_t *const first[] = {out, more[1], more[2], more[3]}, *const second[] = {
	                                                                   more[0], more[1], more[2], more[3]};
	uint8_t *const *const outs[] = {first, second};

	sl_kdf_batch(kernel, outs, 2, cks, data, 32, 4);
	sl_blake2s_batch(kernel, second, 32, cks, 32, data, 32, 4);
}

static void derive_in_lanes(void)
{
	derive_together(sl_blake2s_kernel_of(SL_SIMD_AUTO));
	if (sl_simd_supported(SL_SIMD_AVX2))
		derive_together(&sl_blake2s_avx2);
}

/* Not a call of ours: shows that the search finds what is there. */
static void leave_a_key(void)
{
	volatile uint8_t local[600];

	for (size_t i = 0; i < sizeof(local); i++)
		local[i] = aead_key[i % sizeof(aead_key)];
}

static void *thread_main(void *step)
{
	(*(void (**)(void))step)();
	return NULL;
}

static void run_on(uint8_t *stack, void (*step)(void))
{
	pthread_attr_t attr;
	pthread_t thread;

	cr_assert_eq(pthread_attr_init(&attr), 0);
	cr_assert_eq(pthread_attr_setstack(&attr, stack, STACK_SIZE), 0);
	cr_assert_eq(pthread_create(&thread, &attr, thread_main, &step), 0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attr);
}

/* Whether any piece of the secret, xored with pad, lies in the stack. */
static bool found(const uint8_t *stack, const uint8_t secret[32], uint8_t pad)
{
	uint8_t padded[32];

	for (size_t i = 0; i < sizeof(padded); i++)
		padded[i] = secret[i] ^ pad;
	for (size_t piece = 0; piece < sizeof(padded); piece += PIECE_LEN)
		if (memmem(stack, STACK_SIZE, padded + piece, PIECE_LEN) != NULL)
			return true;
	return false;
}

static void search(const uint8_t *stack, const char *step)
{
	const struct {
		const char *name;
		const uint8_t *bytes;
	} secrets[] = {
	        {"initiator's private key", i_id.private_key},
	        {"responder's private key", r_id.private_key},
	        {"initiator's ephemeral", i_eph},
	        {"responder's ephemeral", r_eph},
	        {"PSK", psk},
	        {"static-static", ss},
	        {"DH of es", es},
	        {"DH of ee", ee},
	        {"DH of se", se},
	        {"initiator's chaining key", i_hs.noise.ck},
	        {"responder's chaining key", r_hs.noise.ck},
	        {"interim chaining key", interim.noise.ck},
	        {"sending key", i_keys.send},
	        {"receiving key", i_keys.recv},
	        {"derived key", out},
	        {"AEAD key", aead_key},
	};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		if (sl_is_zero(secrets[i].bytes, 32))
			continue;
		cr_assert_not(found(stack, secrets[i].bytes, 0), "%s leaves the %s", step, secrets[i].name);
#ifdef __OPTIMIZE__
		cr_assert_not(found(stack, secrets[i].bytes, 0x36), "%s leaves the %s", step, secrets[i].name);
		cr_assert_not(found(stack, secrets[i].bytes, 0x5c), "%s leaves the %s", step, secrets[i].name);
#endif
	}
}

static void setup(void)
{
	uint8_t key[32];

	cr_assert_eq(sl_crypto_init(), 0);
	for (unsigned int i = 0; i < 32; i++) {
		key[i] = (uint8_t)(7 * i + 1);
		i_eph[i] = (uint8_t)(11 * i + 3);
		r_eph[i] = (uint8_t)(13 * i + 5);
		psk[i] = (uint8_t)(17 * i + 9);
		aead_key[i] = (uint8_t)(19 * i + 7);
	}
	cr_assert(sl_noise_identity_init(&i_id, key));
	key[9] ^= 0x55;
	for (unsigned int i = 0; i < 32; i++)
		key[i] = (uint8_t)(key[i] * 23 + 2);
	cr_assert(sl_noise_identity_init(&r_id, key));
	cr_assert(sl_noise_static_static(ss, &i_id, r_id.public_key));
	cr_assert(sl_x25519_shared(es, i_eph, r_id.public_key));
	cr_assert(sl_x25519_shared(se, r_eph, i_id.public_key));
	sl_x25519_public(key, r_eph);
	cr_assert(sl_x25519_shared(ee, i_eph, key));
	aead = sl_aead_create(test_simd());
	cr_assert_not_null(aead);
}

Test(residue, p10_no_secret_stays_on_the_stack, .init = setup)
{
	static const struct {
		const char *name;
		void (*call)(void);
	} steps[] = {
	        {"create_initiation", create_initiation},
	        {"consume_initiation_static", consume_static},
	        {"consume_initiation_finish", consume_finish},
	        {"commit_initiation", commit},
	        {"create_response", create_response},
	        {"consume_response of a forgery", refuse_response},
	        {"consume_response", consume_response},
	        {"begin_session", begin_sessions},
	        {"kdf3", derive},
	        {"aead", seal_and_open},
	        {"x25519_batch", multiply_points},
	        {"kdf_batch", derive_in_lanes},
	};
	uint8_t *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(stack, MAP_FAILED);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		memset(stack, 0, STACK_SIZE);
		run_on(stack, steps[i].call);
		search(stack, steps[i].name);
	}
	memset(stack, 0, STACK_SIZE);
	run_on(stack, leave_a_key);
#ifndef __SANITIZE_ADDRESS__
	cr_assert(found(stack, aead_key, 0), "the search finds a key that is there");
#endif
	munmap(stack, STACK_SIZE);
	sl_aead_destroy(aead);
}
