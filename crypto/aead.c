/*
 * The front of the batch AEAD: takes bursts apart between the level's vector kernel (crypto/aead_kernel.h), which wants
 * many messages sorted by length, and ipsec-mb (crypto/aead_mb.h), which is better at few; compares tags, and wipes what
 * must not outlive a call.
 */
#include "crypto/aead.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/aead_kernel.h"
#include "crypto/aead_mb.h"
#include "crypto/bytes.h"
#include "crypto/wipe.h"

/* Messages taken apart at once. */
#define BURST SL_AEAD_KERNEL_BURST
static_assert(BURST <= SL_AEAD_MB_BURST, "what no kernel wants fits one call of ipsec-mb");

/* A sort key holds a length, and below it the place in the burst. */
#define PLACE_BITS 6
#define PLACE_MASK (BURST - 1)
static_assert(1 << PLACE_BITS == BURST, "a place fits its bits");
static_assert(SL_AEAD_KERNEL_MAX_LEN <= INT32_MAX >> PLACE_BITS, "a length fits beside a place");

/*
 * Where there is AVX-512 without IFMA, messages up to this many bytes go to the AVX2 kernel: ipsec-mb, which has AVX-512
 * code for them, was measured to be the slower one at 256 bytes (496 against 400 cycles), and not at 1024.
 */
#define AVX2_LONGEST 512

struct sl_aead {
	enum sl_simd simd;
	const struct sl_aead_kernel *kernel; /* NULL: ipsec-mb takes all */
	uint32_t longest; /* message that the kernel is asked about, in bytes */
	void *scratch;
	struct sl_aead_mb mb;
	char backend[64];
};

/* A burst taken apart. */
struct split {
	struct sl_aead_job *kernel[BURST], *mb[BURST];
	unsigned int n_kernel, n_mb;
};

struct sl_aead *sl_aead_create_with(enum sl_simd simd, const struct sl_aead_kernel *kernel)
{
	struct sl_aead *aead;
	int err = 0;

	if (simd > SL_SIMD_AVX512) {
		errno = EINVAL;
		return NULL;
	}
	if (!sl_simd_supported(simd)) {
		errno = ENOTSUP;
		return NULL;
	}
	aead = calloc(1, sizeof(*aead));
	if (aead == NULL)
		return NULL;
	aead->simd = simd == SL_SIMD_AUTO ? sl_simd_best() : simd;
	err = sl_aead_mb_init(&aead->mb, aead->simd);
	snprintf(aead->backend, sizeof(aead->backend), "%s%s%sipsec-mb %s", kernel != NULL ? "batch " : "",
	        kernel != NULL ? kernel->name : "", kernel != NULL ? " + " : "", sl_simd_name(aead->simd));
	if (err == 0 && kernel != NULL) {
		aead->kernel = kernel;
		aead->longest = kernel == &sl_aead_avx2 && aead->simd == SL_SIMD_AVX512 ? AVX2_LONGEST
		                                                                        : SL_AEAD_KERNEL_MAX_LEN;
		aead->scratch = aligned_alloc(SL_AEAD_SCRATCH_ALIGN, kernel->scratch_size);
		if (aead->scratch != NULL)
			memset(aead->scratch, 0, kernel->scratch_size);
		else
			err = ENOMEM;
	}
	if (err != 0) {
		sl_aead_destroy(aead);
		errno = err;
		return NULL;
	}
	return aead;
}

struct sl_aead *sl_aead_create(enum sl_simd simd)
{
	enum sl_simd level = simd == SL_SIMD_AUTO ? sl_simd_best() : simd;
	const struct sl_aead_kernel *kernel = NULL;

	if (level == SL_SIMD_AVX512 && sl_simd_ifma())
		kernel = &sl_aead_avx512;
	else if (level >= SL_SIMD_AVX2)
		kernel = &sl_aead_avx2;
	return sl_aead_create_with(simd, kernel);
}

void sl_aead_destroy(struct sl_aead *aead)
{
	if (aead == NULL)
		return;
	sl_aead_mb_destroy(&aead->mb);
	if (aead->scratch != NULL)
		sl_wipe(aead->scratch, aead->kernel->scratch_size);
	free(aead->scratch);
	sl_wipe(aead, sizeof(*aead));
	free(aead);
}

enum sl_simd sl_aead_simd(const struct sl_aead *aead)
{
	return aead->simd;
}

const char *sl_aead_backend(const struct sl_aead *aead)
{
	return aead->backend;
}

/*
 * Sorts by length, the longest first; lengths that are equal keep their order. Counting for each key how many are greater
 * takes no branch on them, which a sort of random lengths would mispredict.
 */
static void sort(struct sl_aead_job **jobs, uint32_t *lens, unsigned int n)
{
	struct sl_aead_job *unsorted[BURST];
	int32_t keys[BURST];

	memcpy(unsorted, jobs, n * sizeof(jobs[0]));
	for (unsigned int i = 0; i < n; i++)
		keys[i] = (int32_t)(lens[i] << PLACE_BITS | (PLACE_MASK - i));
	for (unsigned int i = 0; i < n; i++) {
		unsigned int rank = 0;

		for (unsigned int j = 0; j < n; j++)
			rank += keys[j] > keys[i];
		jobs[rank] = unsorted[i];
		lens[rank] = (uint32_t)keys[i] >> PLACE_BITS;
	}
}

/* Gives the kernel what it chooses of the messages in s->kernel, and ipsec-mb the rest. */
static void choose(const struct sl_aead *aead, struct split *s, const uint32_t *lens)
{
	unsigned int count = s->n_kernel;
	uint64_t chosen = aead->kernel->choose(lens, count);

	if (chosen == UINT64_MAX >> (BURST - count))
		return;
	s->n_kernel = 0;
	for (unsigned int i = 0; i < count; i++) {
		struct sl_aead_job *job = s->kernel[i];

		/* the order is kept in both, and what is overwritten has been read */
		s->kernel[s->n_kernel] = s->mb[s->n_mb] = job;
		s->n_kernel += chosen >> i & 1;
		s->n_mb += ~chosen >> i & 1;
	}
}

/* Says who takes which of at most BURST jobs. */
static void take_apart(const struct sl_aead *aead, struct sl_aead_job *jobs, unsigned int n, struct split *s)
{
	uint32_t lens[BURST], last = UINT32_MAX;
	bool sorted = true;

	s->n_kernel = s->n_mb = 0;
	for (unsigned int i = 0; i < n; i++) {
		if (aead->kernel == NULL || jobs[i].len > aead->longest) {
			s->mb[s->n_mb++] = &jobs[i];
			continue;
		}
		sorted &= jobs[i].len <= last;
		last = lens[s->n_kernel] = jobs[i].len;
		s->kernel[s->n_kernel++] = &jobs[i];
	}
	if (s->n_kernel == 0)
		return;
	if (!sorted)
		sort(s->kernel, lens, s->n_kernel);
	choose(aead, s, lens);
}

/* Clears what a kernel has left below the frame of its caller, which calls this next. */
static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t left[SL_AEAD_KERNEL_STACK];

	sl_wipe(left, sizeof(left));
}

static void seal_burst(struct sl_aead *aead, struct sl_aead_job *jobs, unsigned int n)
{
	struct split s;

	take_apart(aead, jobs, n, &s);
	if (s.n_kernel > 0) {
		aead->kernel->seal(aead->scratch, s.kernel, s.n_kernel);
		wipe_stack();
	}
	for (unsigned int i = 0; i < s.n_kernel; i++)
		s.kernel[i]->ok = true;
	sl_aead_mb_seal(&aead->mb, s.mb, s.n_mb);
	for (unsigned int i = 0; i < s.n_mb; i++) {
		/* Sealed in place, what the library did not take would still be plaintext. */
		if (!s.mb[i]->ok && s.mb[i]->len > 0)
			sl_wipe(s.mb[i]->dst, s.mb[i]->len);
	}
}

void sl_aead_seal_batch(struct sl_aead *aead, struct sl_aead_job *jobs, unsigned int n)
{
	for (unsigned int done = 0; done < n; done += BURST)
		seal_burst(aead, jobs + done, n - done < BURST ? n - done : BURST);
}

/* No branch on where tags differ. */
static bool tag_equal(const uint8_t a[SL_TAG_LEN], const uint8_t b[SL_TAG_LEN])
{
	uint64_t diff = (sl_load_le64(a) ^ sl_load_le64(b)) |
	                (sl_load_le64(a + sizeof(uint64_t)) ^ sl_load_le64(b + sizeof(uint64_t)));

	return diff == 0;
}

/* Says in ok which of the decrypted messages are authentic, and wipes the others. */
static unsigned int judge(struct sl_aead_job *const *jobs, uint8_t (*tags)[SL_TAG_LEN], unsigned int n)
{
	unsigned int authentic = 0;

	for (unsigned int i = 0; i < n; i++) {
		jobs[i]->ok = jobs[i]->ok && tag_equal(tags[i], jobs[i]->tag);
		authentic += jobs[i]->ok;
		if (!jobs[i]->ok && jobs[i]->len > 0)
			sl_wipe(jobs[i]->dst, jobs[i]->len);
	}
	/* The right tag of a forged message would let it be forged. */
	sl_wipe(tags, n * sizeof(tags[0]));
	return authentic;
}

static unsigned int open_burst(struct sl_aead *aead, struct sl_aead_job *jobs, unsigned int n)
{
	uint8_t tags[BURST][SL_TAG_LEN];
	unsigned int authentic = 0;
	struct split s;

	take_apart(aead, jobs, n, &s);
	if (s.n_kernel > 0) {
		aead->kernel->open(aead->scratch, s.kernel, tags, s.n_kernel);
		wipe_stack();
		for (unsigned int i = 0; i < s.n_kernel; i++)
			s.kernel[i]->ok = true;
		authentic += judge(s.kernel, tags, s.n_kernel);
	}
	if (s.n_mb > 0) {
		sl_aead_mb_open(&aead->mb, s.mb, tags, s.n_mb);
		authentic += judge(s.mb, tags, s.n_mb);
	}
	return authentic;
}

unsigned int sl_aead_open_batch(struct sl_aead *aead, struct sl_aead_job *jobs, unsigned int n)
{
	unsigned int authentic = 0;

	for (unsigned int done = 0; done < n; done += BURST)
		authentic += open_burst(aead, jobs + done, n - done < BURST ? n - done : BURST);
	return authentic;
}
