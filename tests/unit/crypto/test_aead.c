#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/aead_single.h"
#include "crypto/bytes.h"
#include "crypto/wipe.h"
#include "tests/unit/crypto/vectors.h"

#define MAX_LEN   9000
#define MAX_COUNT 64
#define SLACK     64 /* room for misalignment and for bytes that must not change */
#define CANARY    0xc5

/* Each test runs once per level that the CPU has. */
static const enum sl_simd levels[] = {SL_SIMD_SSE, SL_SIMD_AVX2, SL_SIMD_AVX512};

#define FOR_EACH_LEVEL(aead)                                                                                           \
	for (unsigned int level_ = 0; level_ < 3; level_++)                                                            \
		for (struct sl_aead *aead = open_level(levels[level_]); aead != NULL;                                  \
		        sl_aead_destroy(aead), aead = NULL)

static struct sl_aead *open_level(enum sl_simd simd)
{
	struct sl_aead *aead = sl_aead_create(simd);

	if (!sl_simd_supported(simd)) {
		cr_assert_null(aead, "%s is not on this CPU", sl_simd_name(simd));
		cr_assert_eq(errno, ENOTSUP);
		return NULL;
	}
	cr_assert_not_null(aead, "%s", sl_simd_name(simd));
	cr_assert_eq(sl_aead_simd(aead), simd);
	return aead;
}

static void libcrypto_seal(
        uint8_t *dst, uint8_t tag[16], const uint8_t *src, size_t len, uint64_t counter, const uint8_t key[32])
{
	static EVP_CIPHER_CTX *ctx;
	uint8_t nonce[12] = {0};
	int n;

	if (ctx == NULL)
		ctx = EVP_CIPHER_CTX_new();
	sl_store_le64(nonce + 4, counter);
	cr_assert(EVP_EncryptInit_ex(ctx, EVP_chacha20_poly1305(), NULL, key, nonce));
	if (len > 0)
		cr_assert(EVP_EncryptUpdate(ctx, dst, &n, src, (int)len));
	cr_assert(EVP_EncryptFinal_ex(ctx, dst + len, &n));
	cr_assert(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag));
}

/* One message of a random batch: where it lies, and what libcrypto makes of it. */
struct message {
	uint8_t key[32];
	uint8_t plain[MAX_LEN], want[MAX_LEN], want_tag[16];
	uint8_t in[MAX_LEN + SLACK], out[MAX_LEN + SLACK], tag[16 + SLACK];
	uint32_t len, in_at, out_at, tag_at;
	uint64_t counter;
	bool in_place, forged;
};

static struct message messages[MAX_COUNT];
static struct sl_aead_job jobs[MAX_COUNT];

/* Lengths: half of them small, where the code changes path often. */
static uint32_t random_len(struct seeded *seed, unsigned int at)
{
	static const uint32_t edges[] = {
	        0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 191, 192, 193, 255, 256, 257, 1420, 8999, MAX_LEN};

	switch ((at + seeded_below(seed, 4)) % 4) {
	case 0:
		return edges[seeded_below(seed, sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return (uint32_t)seeded_below(seed, 300);
	case 2:
		return (uint32_t)seeded_below(seed, 1500);
	default:
		return (uint32_t)seeded_below(seed, MAX_LEN + 1);
	}
}

static void make_batch(struct seeded *seed, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct message *m = &messages[i];

		m->len = random_len(seed, i);
		m->counter = i % 3 == 0 ? seeded_next(seed) : seeded_below(seed, 1000);
		m->in_at = (uint32_t)seeded_below(seed, SLACK / 2);
		m->out_at = (uint32_t)seeded_below(seed, SLACK / 2);
		m->tag_at = (uint32_t)seeded_below(seed, SLACK);
		m->in_place = seeded_below(seed, 2);
		m->forged = seeded_below(seed, 4) == 0;
		seeded_bytes(seed, m->key, sizeof(m->key));
		seeded_bytes(seed, m->plain, m->len);
		libcrypto_seal(m->want, m->want_tag, m->plain, m->len, m->counter, m->key);
		memset(m->in, CANARY, sizeof(m->in));
		memset(m->out, CANARY, sizeof(m->out));
		memset(m->tag, CANARY, sizeof(m->tag));
		jobs[i] = (struct sl_aead_job){.key = m->key, .counter = m->counter, .len = m->len};
		jobs[i].src = m->in + m->in_at;
		jobs[i].dst = m->in_place ? m->in + m->in_at : m->out + m->out_at;
		jobs[i].tag = m->tag + m->tag_at;
	}
}

static void check_surroundings(const uint8_t *buf, size_t size, size_t at, size_t len, const char *what)
{
	for (size_t i = 0; i < size; i++)
		if ((i < at || i >= at + len) && buf[i] != CANARY)
			cr_assert_fail("%s: byte %zu beside %zu+%zu was written", what, i, at, len);
}

static void check_message(const struct message *m, const struct sl_aead_job *job, const uint8_t *want, const char *what)
{
	check_surroundings(m->in, sizeof(m->in), m->in_at, m->len, what);
	check_surroundings(m->out, sizeof(m->out), m->out_at, m->in_place ? 0 : m->len, what);
	check_surroundings(m->tag, sizeof(m->tag), m->tag_at, 16, what);
	if (want != NULL)
		cr_assert_arr_eq(job->dst, want, m->len, "%s: %u bytes", what, m->len);
	else
		cr_assert(sl_is_zero(job->dst, m->len), "%s: %u bytes of a forgery", what, m->len);
}

static void seal_round(struct sl_aead *aead, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		memcpy(messages[i].in + messages[i].in_at, messages[i].plain, messages[i].len);
	sl_aead_seal_batch(aead, jobs, count);
	for (unsigned int i = 0; i < count; i++) {
		cr_assert(jobs[i].ok);
		check_message(&messages[i], &jobs[i], messages[i].want, "seal");
		cr_assert_arr_eq(jobs[i].tag, messages[i].want_tag, 16, "tag of %u bytes", messages[i].len);
		if (!messages[i].in_place)
			cr_assert_arr_eq(jobs[i].src, messages[i].plain, messages[i].len, "the source is only read");
	}
}

static void open_round(struct sl_aead *aead, struct seeded *seed, unsigned int count)
{
	unsigned int good = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct message *m = &messages[i];

		memset(m->in, CANARY, sizeof(m->in));
		memset(m->out, CANARY, sizeof(m->out));
		memcpy(m->in + m->in_at, m->want, m->len);
		memcpy(m->tag + m->tag_at, m->want_tag, 16);
		if (m->forged) {
			uint32_t at = (uint32_t)seeded_below(seed, m->len + 16);
			uint8_t bit = (uint8_t)(1 << seeded_below(seed, 8));

			*(at < m->len ? &m->in[m->in_at + at] : &m->tag[m->tag_at + at - m->len]) ^= bit;
		}
		jobs[i].ok = m->forged; /* must be overwritten */
		good += !m->forged;
	}
	cr_assert_eq(sl_aead_open_batch(aead, jobs, count), good);
	for (unsigned int i = 0; i < count; i++) {
		cr_assert_eq(jobs[i].ok, !messages[i].forged, "verdict on %u bytes", messages[i].len);
		check_message(&messages[i], &jobs[i], messages[i].forged ? NULL : messages[i].plain, "open");
	}
}

/* Every count of 1..64, lengths 0..9000, in place and not, misaligned; byte for byte, and not a byte more. */
Test(aead, equals_libcrypto)
{
	FOR_EACH_LEVEL(aead)
	{
		struct seeded seed = {100};

		for (unsigned int round = 0; round < 2 * MAX_COUNT; round++) {
			unsigned int count = 1 + round % MAX_COUNT;

			make_batch(&seed, count);
			seal_round(aead, count);
			open_round(aead, &seed, count);
		}
	}
}

/* Every length of small packets. */
Test(aead, every_small_length)
{
	FOR_EACH_LEVEL(aead)
	{
		struct seeded seed = {101};

		for (uint32_t len = 0; len <= 1100; len++) {
			make_batch(&seed, 1);
			seeded_bytes(&seed, messages[0].plain, len);
			messages[0].len = jobs[0].len = len;
			libcrypto_seal(messages[0].want, messages[0].want_tag, messages[0].plain, len,
			        messages[0].counter, messages[0].key);
			seal_round(aead, 1);
			open_round(aead, &seed, 1);
		}
	}
}

/* The AEAD vectors of the package: all carry associated data, which changes their tag but not their ciphertext. */
Test(aead, file_vectors)
{
	FOR_EACH_LEVEL(aead)
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

/* Each byte of a small packet, its tag and its counter, each bit. */
Test(aead, every_bit_of_a_small_packet)
{
	FOR_EACH_LEVEL(aead)
	{
		uint8_t key[32] = {9}, sealed[40 + 16], work[40 + 16];
		struct sl_aead_job job = {.key = key, .counter = 5, .src = sealed, .dst = sealed, .tag = sealed + 40};

		job.len = 40;
		memset(sealed, 'x', sizeof(sealed));
		sl_aead_seal_batch(aead, &job, 1);
		job.src = job.dst = work;
		job.tag = work + 40;
		for (unsigned int bit = 0; bit < 8 * sizeof(sealed); bit++) {
			memcpy(work, sealed, sizeof(work));
			work[bit / 8] ^= (uint8_t)(1 << bit % 8);
			cr_assert_eq(sl_aead_open_batch(aead, &job, 1), 0, "bit %u", bit);
			cr_assert_not(job.ok);
			cr_assert(sl_is_zero(work, 40), "bit %u: plaintext", bit);
		}
		for (unsigned int bit = 0; bit < 64; bit++) {
			memcpy(work, sealed, sizeof(work));
			job.counter = 5 ^ 1ULL << bit;
			cr_assert_eq(sl_aead_open_batch(aead, &job, 1), 0, "counter bit %u", bit);
		}
		memcpy(work, sealed, sizeof(work));
		job.counter = 5;
		cr_assert_eq(sl_aead_open_batch(aead, &job, 1), 1);
	}
}

/* A forgery among good ones spoils only itself; more than one internal burst. */
Test(aead, one_bad_in_a_big_batch)
{
	enum { COUNT = 200, LEN = 100 };

	FOR_EACH_LEVEL(aead)
	{
		static uint8_t buf[COUNT][LEN + 16];
		static struct sl_aead_job many[COUNT];
		uint8_t key[32] = {3};

		for (unsigned int bad = 0; bad < COUNT; bad += 13) {
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
	FOR_EACH_LEVEL(aead)
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
	sl_aead_destroy(aead);
	sl_aead_destroy(NULL);
	cr_assert_null(sl_aead_create((enum sl_simd)77));
	cr_assert_eq(errno, EINVAL);
}
