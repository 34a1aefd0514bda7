#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/aead_single.h"
#include "crypto/bytes.h"
#include "crypto/wipe.h"
#include "tests/unit/crypto/aead_cases.h"

enum { SHARES = 4 };

/* The campaign's shares run side by side, each with a seed of its own. */
ParameterizedTestParameters(aead, random_batches)
{
	static unsigned int shares[SHARES];

	for (unsigned int i = 0; i < SHARES; i++)
		shares[i] = i;
	return cr_make_param_array(unsigned int, shares, SHARES);
}

/*
 * Counts of 0..100, lengths of 0..9000, in place and not, misaligned; byte for byte, and not a byte more. SL_AEAD_BATCHES
 * in the environment says how many batches over all shares, for a campaign.
 */
ParameterizedTest(const unsigned int *share, aead, random_batches, .timeout = 24 * 60 * 60)
{
	const char *campaign = getenv("SL_AEAD_BATCHES");
	unsigned long batches = campaign != NULL ? strtoul(campaign, NULL, 10) : 16 * (AEAD_MAX_COUNT + 1);
	struct aead_subject subject;

	cr_assert_neq(batches, 0);
	FOR_EACH_AEAD(aead, subject)
	{
		struct seeded seed = {100 + ((uint64_t)*share << 32)};

		for (unsigned long round = *share; round < batches / subject.slower + SHARES; round += SHARES) {
			unsigned int count = (unsigned int)(round * 37 % (AEAD_MAX_COUNT + 1));
			unsigned long nth = round / SHARES;
			/* long messages take the most time: fewer of them in a campaign */
			enum aead_lengths lengths = nth % 16 == 0 ? AEAD_ANY : 1 + nth % (AEAD_LENGTHS - 1);

			aead_make(&seed, count, lengths);
			aead_check_seal(aead, count);
			aead_check_open(aead, &seed, count);
		}
	}
}

/* Every length of small packets, alone and among others of every length. */
Test(aead, every_small_length)
{
	struct aead_subject subject;

	FOR_EACH_AEAD(aead, subject)
	{
		struct seeded seed = {101};

		for (uint32_t len = 0; len <= 1100; len += subject.slower > 1 ? 7 : 1) {
			unsigned int count = len % 2 == 0 ? 1 : 9;

			for (unsigned int i = 0; i < count; i++)
				aead_make_one(&seed, i, len + i / 4);
			aead_check_seal(aead, count);
			aead_check_open(aead, &seed, count);
		}
	}
}

/* A message that no kernel takes, among some that it does. */
Test(aead, longer_than_kernels_take)
{
	enum { LONG = SL_AEAD_KERNEL_MAX_LEN + 1 };
	static uint8_t text[3][LONG], want[LONG], tags[3][16], want_tag[16];
	uint8_t key[32] = {77};
	struct aead_subject subject;

	FOR_EACH_AEAD(aead, subject)
	{
		struct sl_aead_job many[3];

		for (unsigned int i = 0; i < 3; i++) {
			many[i] = (struct sl_aead_job){key, i, text[i], text[i], tags[i], i == 1 ? LONG : LONG - 1, false};
			memset(text[i], (int)i, LONG);
		}
		sl_aead_seal_batch(aead, many, 3);
		for (unsigned int i = 0; i < 3; i++) {
			memset(want, (int)i, LONG);
			libcrypto_seal(want, want_tag, want, many[i].len, i, key);
			cr_assert(memcmp(text[i], want, many[i].len) == 0, "%s: message %u", subject.name, i);
			cr_assert_arr_eq(tags[i], want_tag, 16);
		}
		text[1][LONG / 2] ^= 1;
		cr_assert_eq(sl_aead_open_batch(aead, many, 3), 2);
		cr_assert(many[0].ok && !many[1].ok && many[2].ok);
		cr_assert(sl_is_zero(text[1], LONG));
		cr_assert_eq(text[2][LONG - 2], 2);
	}
}

/* The AEAD vectors of the package: all carry associated data, which changes their tag but not their ciphertext. */
Test(aead, file_vectors)
{
	struct aead_subject subject;

	FOR_EACH_AEAD(aead, subject)
	{
		static struct record r;
		FILE *f = vectors_open("ciphers/ChaCha20Poly1305/boringssl.txt");
		unsigned int ran = 0;

		cr_assert_not_null(f, "python3-cryptography-vectors is not installed");
		while (vectors_next(f, &r)) {
			uint8_t key[32], nonce[12], plain[2048], cipher[2048], out[2048], tag[16], sealed[2048 + 16];
			struct sl_aead_job job = {.key = key, .src = plain, .dst = out, .tag = tag};

			record_bytes(&r, "KEY", key, sizeof(key));
			record_bytes(&r, "NONCE", nonce, sizeof(nonce));
			if (!sl_is_zero(nonce, 4))
				continue;
			job.counter = sl_load_le64(nonce + 4);
			job.len = (uint32_t)record_bytes(&r, "IN", plain, sizeof(plain));
			record_bytes(&r, "CT", cipher, sizeof(cipher));
			sl_aead_seal_batch(aead, &job, 1);
			cr_assert_arr_eq(out, cipher, job.len, "vector %s", record_text(&r, "COUNT"));
			sl_aead_seal(sealed, plain, job.len, NULL, 0, job.counter, key);
			cr_assert_arr_eq(tag, sealed + job.len, 16, "vector %s", record_text(&r, "COUNT"));
			ran++;
		}
		fclose(f);
		cr_assert_eq(ran, 60);
	}
}

/* The key stream of RFC 8439's appendix A.1, test vector 2: key and nonce all zero, block 1. */
Test(aead, rfc8439_key_stream)
{
	struct aead_subject subject;

	FOR_EACH_AEAD(aead, subject)
	{
		uint8_t key[32] = {0}, text[20][64], tag[20][16];
		struct sl_aead_job many[20];

		memset(text, 0, sizeof(text));
		for (unsigned int i = 0; i < 20; i++)
			many[i] = (struct sl_aead_job){key, 0, text[i], text[i], tag[i], 64, false};
		sl_aead_seal_batch(aead, many, 20);
		for (unsigned int i = 0; i < 20; i++)
			cr_assert(is_hex(text[i], 64,
			                  "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
			                  "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"),
			        "%s: message %u", subject.name, i);
	}
}

/* Each bit of a small packet, its tag and its counter; the others of the batch are not concerned. */
Test(aead, every_bit_of_a_small_packet)
{
	enum { COUNT = 13, LEN = 40, BITS = 8 * (LEN + 16) };
	struct aead_subject subject;

	FOR_EACH_AEAD(aead, subject)
	{
		uint8_t key[32] = {9}, sealed[COUNT][LEN + 16], work[COUNT][LEN + 16];
		struct sl_aead_job many[COUNT];

		memset(sealed, 'x', sizeof(sealed));
		for (unsigned int i = 0; i < COUNT; i++)
			many[i] = (struct sl_aead_job){key, 5, sealed[i], sealed[i], sealed[i] + LEN, LEN, false};
		sl_aead_seal_batch(aead, many, COUNT);
		for (unsigned int bit = 0; bit < BITS + 64; bit++) {
			unsigned int bad = bit % COUNT;

			memcpy(work, sealed, sizeof(work));
			for (unsigned int i = 0; i < COUNT; i++)
				many[i] = (struct sl_aead_job){key, 5, work[i], work[i], work[i] + LEN, LEN, false};
			if (bit < BITS)
				work[bad][bit / 8] ^= (uint8_t)(1 << bit % 8);
			else
				many[bad].counter ^= UINT64_C(1) << (bit - BITS);
			cr_assert_eq(sl_aead_open_batch(aead, many, COUNT), COUNT - 1, "bit %u", bit);
			for (unsigned int i = 0; i < COUNT; i++) {
				cr_assert_eq(many[i].ok, i != bad, "bit %u", bit);
				cr_assert_eq(work[i][17], i != bad ? 'x' : 0);
			}
			cr_assert(sl_is_zero(work[bad], LEN), "bit %u: plaintext", bit);
		}
	}
}

/* A forgery among good ones spoils only itself; more than one internal burst. */
Test(aead, one_bad_in_a_big_batch)
{
	struct aead_subject subject;

	enum { COUNT = 200, LEN = 100 };

	FOR_EACH_AEAD(aead, subject)
	{
		static uint8_t buf[COUNT][LEN + 16];
		static struct sl_aead_job many[COUNT];
		uint8_t key[32] = {3};

		for (unsigned int bad = 0; bad < COUNT; bad += 13 * subject.slower) {
			for (unsigned int i = 0; i < COUNT; i++) {
				memset(buf[i], (int)i, LEN);
				many[i] = (struct sl_aead_job){.key = key,
				        .counter = i,
				        .src = buf[i],
				        .dst = buf[i],
				        .tag = buf[i] + LEN,
				        .len = LEN};
			}
			sl_aead_seal_batch(aead, many, COUNT);
			buf[bad][LEN / 2] ^= 4;
			cr_assert_eq(sl_aead_open_batch(aead, many, COUNT), COUNT - 1);
			for (unsigned int i = 0; i < COUNT; i++) {
				cr_assert_eq(many[i].ok, i != bad);
				cr_assert_eq(buf[i][7], i != bad ? (uint8_t)i : 0);
			}
		}
	}
}

Test(aead, empty_batch_and_empty_message)
{
	struct aead_subject subject;

	FOR_EACH_AEAD(aead, subject)
	{
		uint8_t key[32] = {1}, tag[16], want[16];
		struct sl_aead_job job = {.key = key, .counter = 42, .tag = tag};

		sl_aead_seal_batch(aead, NULL, 0);
		cr_assert_eq(sl_aead_open_batch(aead, NULL, 0), 0);
		/* a keepalive: no text at all, so no buffers either */
		sl_aead_seal_batch(aead, &job, 1);
		libcrypto_seal(want, want, want, 0, 42, key);
		cr_assert_arr_eq(tag, want, 16);
		cr_assert_eq(sl_aead_open_batch(aead, &job, 1), 1);
		tag[3] ^= 1;
		cr_assert_eq(sl_aead_open_batch(aead, &job, 1), 0);
	}
}

Test(aead, create)
{
	struct sl_aead *aead = sl_aead_create(SL_SIMD_AUTO);

	cr_assert_not_null(aead);
	cr_assert_eq(sl_aead_simd(aead), sl_simd_best());
	cr_assert_not_null(strstr(sl_aead_backend(aead), sl_simd_name(sl_simd_best())));
	cr_assert_eq(strstr(sl_aead_backend(aead), "batch") != NULL, sl_simd_best() > SL_SIMD_SSE);
	sl_aead_destroy(aead);
	aead = sl_aead_create(SL_SIMD_SSE);
	cr_assert_str_eq(sl_aead_backend(aead), "ipsec-mb sse");
	sl_aead_destroy(aead);
	sl_aead_destroy(NULL);
	cr_assert_null(sl_aead_create((enum sl_simd)77));
	cr_assert_eq(errno, EINVAL);
}
