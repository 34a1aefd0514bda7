#include "tests/unit/crypto/aead_cases.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/bytes.h"
#include "crypto/wipe.h"

/* crypto/aead_avx512*.c with intrinsics in plain C. */
extern const struct sl_aead_kernel sl_aead_avx512_emulated;

#define EMULATED_SLOWER 50

static struct aead_message messages[AEAD_MAX_COUNT];
static struct sl_aead_job jobs[AEAD_MAX_COUNT];

struct aead_message *aead_messages = messages;
struct sl_aead_job *aead_jobs = jobs;

const struct sl_aead_kernel *aead_kernel(unsigned int i)
{
	const struct sl_aead_kernel *there[3];
	unsigned int n = 0;

	if (sl_simd_supported(SL_SIMD_AVX2))
		there[n++] = &sl_aead_avx2;
	if (sl_simd_ifma())
		there[n++] = &sl_aead_avx512;
	there[n++] = &sl_aead_avx512_emulated;
	return i < n ? there[i] : NULL;
}

static uint64_t choose_all(const uint32_t *lens, unsigned int n)
{
	for (unsigned int i = 1; i < n; i++)
		cr_assert(lens[i - 1] >= lens[i], "the front sorts");
	return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

bool aead_subject(unsigned int i, struct aead_subject *out)
{
	static struct sl_aead_kernel greedy[3];
	static const char *const names[] = {"all by the first kernel", "all by the second", "all by the third"};
	const struct sl_aead_kernel *kernel;

	for (enum sl_simd simd = SL_SIMD_SSE; simd <= SL_SIMD_AVX512; simd++) {
		if (!sl_simd_supported(simd)) {
			cr_assert_null(sl_aead_create(simd), "%s is not on this CPU", sl_simd_name(simd));
			cr_assert_eq(errno, ENOTSUP);
		} else if (i-- == 0) {
			*out = (struct aead_subject){sl_simd_name(simd), simd, NULL, 1};
			return true;
		}
	}
	kernel = aead_kernel(i);
	if (kernel == NULL)
		return false;
	greedy[i] = *kernel;
	greedy[i].choose = choose_all;
	*out = (struct aead_subject){names[i], SL_SIMD_SSE, &greedy[i], 1};
	if (kernel == &sl_aead_avx512_emulated)
		out->slower = EMULATED_SLOWER;
	return true;
}

struct sl_aead *aead_subject_create(const struct aead_subject *subject)
{
	struct sl_aead *aead = subject->kernel != NULL ? sl_aead_create_with(subject->simd, subject->kernel)
	                                               : sl_aead_create(subject->simd);

	cr_assert_not_null(aead, "%s", subject->name);
	cr_assert_eq(sl_aead_simd(aead), subject->simd);
	return aead;
}

void *aead_scratch(const struct sl_aead_kernel *kernel)
{
	void *scratch = aligned_alloc(SL_AEAD_SCRATCH_ALIGN, kernel->scratch_size);

	cr_assert_not_null(scratch);
	memset(scratch, 0, kernel->scratch_size);
	return scratch;
}

void libcrypto_seal(uint8_t *dst, uint8_t tag[SL_TAG_LEN], const uint8_t *src, size_t len, uint64_t counter,
        const uint8_t key[SL_KEY_LEN])
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
	cr_assert(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SL_TAG_LEN, tag));
}

/* Half of them small, where the code changes path often. */
static uint32_t any_length(struct seeded *seed, unsigned int at)
{
	static const uint32_t edges[] = {0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 191, 192, 193, 255, 256, 257, 511,
	        512, 513, 1023, 1024, 1025, 1420, 8999, AEAD_MAX_LEN};

	switch ((at + seeded_below(seed, 4)) % 4) {
	case 0:
		return edges[seeded_below(seed, sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return (uint32_t)seeded_below(seed, 300);
	case 2:
		return (uint32_t)seeded_below(seed, 1500);
	default:
		return (uint32_t)seeded_below(seed, AEAD_MAX_LEN + 1);
	}
}

void aead_make_one(struct seeded *seed, unsigned int i, uint32_t len)
{
	struct aead_message *m = &messages[i];

	m->len = len;
	m->counter = i % 3 == 0 ? seeded_next(seed) : seeded_below(seed, 1000);
	m->in_at = (uint32_t)seeded_below(seed, AEAD_SLACK / 2);
	m->out_at = (uint32_t)seeded_below(seed, AEAD_SLACK / 2);
	m->tag_at = (uint32_t)seeded_below(seed, AEAD_SLACK);
	m->in_place = seeded_below(seed, 2);
	m->forged = seeded_below(seed, 4) == 0;
	seeded_bytes(seed, m->key, sizeof(m->key));
	seeded_bytes(seed, m->plain, m->len);
	libcrypto_seal(m->want, m->want_tag, m->plain, m->len, m->counter, m->key);
	memset(m->tag, AEAD_CANARY, sizeof(m->tag));
	jobs[i] = (struct sl_aead_job){.key = m->key, .counter = m->counter, .len = m->len};
	jobs[i].src = m->in + m->in_at;
	jobs[i].dst = m->in_place ? m->in + m->in_at : m->out + m->out_at;
	jobs[i].tag = m->tag + m->tag_at;
}

void aead_make(struct seeded *seed, unsigned int count, enum aead_lengths lengths)
{
	static const uint32_t traffic[] = {0, 64, 80, 576, 1420, 1424};
	uint32_t equal = (uint32_t)seeded_below(seed, 1500);

	for (unsigned int i = 0; i < count; i++) {
		uint32_t len = equal;

		if (lengths == AEAD_ANY)
			len = any_length(seed, i);
		else if (lengths == AEAD_SMALL)
			len = (uint32_t)seeded_below(seed, 301);
		else if (lengths == AEAD_TRAFFIC)
			len = traffic[seeded_below(seed, sizeof(traffic) / sizeof(traffic[0]))];
		aead_make_one(seed, i, len);
	}
}

static void check_surroundings(const uint8_t *buf, size_t at, size_t len, const char *what)
{
	/* what lies further off than this, no misplaced vector reaches */
	size_t end = at + len + AEAD_SLACK / 2;

	for (size_t i = 0; i < end; i++) {
		if (i == at)
			i += len;
		if (i < end && buf[i] != AEAD_CANARY)
			cr_assert_fail("%s: byte %zu beside %zu+%zu was written", what, i, at, len);
	}
}

/* Text where it belongs, and bytes around it that must stay. */
static void place(struct aead_message *m, const uint8_t *text)
{
	memset(m->in, AEAD_CANARY, m->in_at);
	memcpy(m->in + m->in_at, text, m->len);
	memset(m->in + m->in_at + m->len, AEAD_CANARY, AEAD_SLACK / 2);
	memset(m->out, AEAD_CANARY, m->out_at + m->len + AEAD_SLACK / 2);
	memset(m->tag, AEAD_CANARY, sizeof(m->tag));
}

static void check_message(const struct aead_message *m, const struct sl_aead_job *job, const uint8_t *want,
        const char *what)
{
	check_surroundings(m->in, m->in_at, m->len, what);
	check_surroundings(m->out, m->out_at, m->in_place ? 0 : m->len, what);
	for (size_t i = 0; i < sizeof(m->tag); i++)
		if ((i < m->tag_at || i >= m->tag_at + SL_TAG_LEN) && m->tag[i] != AEAD_CANARY)
			cr_assert_fail("%s: byte %zu beside the tag was written", what, i);
	if (want != NULL && memcmp(job->dst, want, m->len) != 0)
		cr_assert_fail("%s: %u bytes are not libcrypto's", what, m->len);
	if (want == NULL && !sl_is_zero(job->dst, m->len))
		cr_assert_fail("%s: %u bytes of a forgery", what, m->len);
}

void aead_check_seal(struct sl_aead *aead, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		place(&messages[i], messages[i].plain);
		jobs[i].ok = false;
	}
	sl_aead_seal_batch(aead, jobs, count);
	for (unsigned int i = 0; i < count; i++) {
		const struct aead_message *m = &messages[i];

		cr_assert(jobs[i].ok);
		check_message(m, &jobs[i], m->want, "seal");
		if (memcmp(jobs[i].tag, m->want_tag, SL_TAG_LEN) != 0)
			cr_assert_fail("the tag of %u bytes (%u of %u) is not libcrypto's", m->len, i, count);
		if (!m->in_place && memcmp(jobs[i].src, m->plain, m->len) != 0)
			cr_assert_fail("the source is only read");
	}
}

void aead_check_open(struct sl_aead *aead, struct seeded *seed, unsigned int count)
{
	unsigned int good = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct aead_message *m = &messages[i];

		place(m, m->want);
		memcpy(m->tag + m->tag_at, m->want_tag, SL_TAG_LEN);
		if (m->forged) {
			uint32_t at = (uint32_t)seeded_below(seed, m->len + SL_TAG_LEN);
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
