/*
 * What only the AVX-512 kernel distinguishes: lengths that are whole rows of 64 bytes or not, groups of 8 for Poly1305,
 * batches of 32 or of so many rows, key streams kept from the last pass of keys. Run natively where the CPU can, and
 * with intrinsics in plain C everywhere. SL_AEAD_BATCHES in the environment: batches of the campaign.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/crypto/aead_cases.h"

/* crypto/aead_avx512*.c with intrinsics in plain C. */
extern const struct sl_aead_kernel sl_aead_avx512_emulated;

#define BATCHES 1500

#define FOR_EACH_KERNEL(kernel)                                                                                        \
	for (unsigned int i_ = 0; ((kernel) = aead_kernel(i_)) != NULL; i_++)                                          \
		if (strcmp((kernel)->name, sl_aead_avx512.name) == 0)

static struct {
	uint8_t key[32], *text, *sealed, *work, want_tag[16], tag[16];
} messages[SL_AEAD_KERNEL_BURST];

static uint32_t lens[SL_AEAD_KERNEL_BURST];

static int longer_first(const void *a, const void *b)
{
	return *(const uint32_t *)a < *(const uint32_t *)b ? 1 : -1;
}

static void make(struct seeded *seed, struct sl_aead_job *jobs, struct sl_aead_job **order, unsigned int n)
{
	qsort(lens, n, sizeof(lens[0]), longer_first);
	for (unsigned int i = 0; i < n; i++) {
		size_t room = lens[i] > 0 ? lens[i] : 1;

		/* of exactly that size, so that sanitizers see what goes beyond */
		messages[i].text = malloc(room);
		messages[i].sealed = malloc(room);
		messages[i].work = malloc(room);
		seeded_bytes(seed, messages[i].key, sizeof(messages[i].key));
		seeded_bytes(seed, messages[i].text, lens[i]);
		jobs[i] = (struct sl_aead_job){.key = messages[i].key, .counter = seeded_next(seed), .len = lens[i]};
		jobs[i].src = seeded_below(seed, 2) ? messages[i].text : messages[i].work;
		jobs[i].dst = messages[i].work;
		jobs[i].tag = messages[i].tag;
		libcrypto_seal(messages[i].sealed, messages[i].want_tag, messages[i].text, lens[i], jobs[i].counter,
		        messages[i].key);
		memcpy(messages[i].work, messages[i].text, lens[i]);
		order[i] = &jobs[i];
	}
}

/* Seals and opens messages of the lengths in lens. */
static void check(const struct sl_aead_kernel *kernel, void *scratch, struct seeded *seed, unsigned int n)
{
	struct sl_aead_job jobs[SL_AEAD_KERNEL_BURST], *order[SL_AEAD_KERNEL_BURST];
	uint8_t tags[SL_AEAD_KERNEL_BURST][16];

	make(seed, jobs, order, n);
	kernel->seal(scratch, order, n);
	for (unsigned int i = 0; i < n; i++) {
		cr_assert_arr_eq(messages[i].tag, messages[i].want_tag, 16, "%u of %u, %u bytes", i, n, lens[i]);
		if (memcmp(messages[i].work, messages[i].sealed, lens[i]) != 0)
			cr_assert_fail("%u of %u: sealed %u bytes", i, n, lens[i]);
		if (jobs[i].src != jobs[i].dst)
			jobs[i].src = messages[i].sealed;
	}
	kernel->open(scratch, order, tags, n);
	for (unsigned int i = 0; i < n; i++) {
		cr_assert_arr_eq(tags[i], messages[i].want_tag, 16, "%u of %u, %u bytes", i, n, lens[i]);
		if (memcmp(messages[i].work, messages[i].text, lens[i]) != 0)
			cr_assert_fail("%u of %u: opened %u bytes", i, n, lens[i]);
		free(messages[i].text);
		free(messages[i].sealed);
		free(messages[i].work);
	}
}

/* Multiples of 64, of 16 and of 1, up to a few rows or to many, equal or not: every count in turn. */
Test(aead_avx512, lengths_by_rows)
{
	const char *batches = getenv("SL_AEAD_BATCHES");
	unsigned long rounds = batches != NULL ? strtoul(batches, NULL, 10) : BATCHES;
	const struct sl_aead_kernel *kernel;

	FOR_EACH_KERNEL(kernel)
	{
		static const uint32_t most[] = {1, 64, 130, 256, 700, 1500, 9000};
		static const uint32_t units[] = {1, 16, 64, 64};
		void *scratch = aead_scratch(kernel);
		struct seeded seed = {300};

		for (unsigned long round = 0; round < rounds; round++) {
			unsigned int n = 1 + round % SL_AEAD_KERNEL_BURST;
			uint32_t limit = most[seeded_below(&seed, sizeof(most) / sizeof(most[0]))];
			uint32_t unit = units[seeded_below(&seed, sizeof(units) / sizeof(units[0]))];
			bool equal = seeded_below(&seed, 3) == 0;

			for (unsigned int i = 0; i < n; i++)
				lens[i] = equal && i > 0 ? lens[0]
				                         : (uint32_t)seeded_below(&seed, limit + 1) / unit * unit;
			check(kernel, scratch, &seed, n);
		}
		free(scratch);
	}
}

/* A group whose lanes begin at every step and block there is, and one with a single long message. */
Test(aead_avx512, lanes_that_begin_at_different_steps)
{
	const struct sl_aead_kernel *kernel;

	FOR_EACH_KERNEL(kernel)
	{
		void *scratch = aead_scratch(kernel);
		struct seeded seed = {301};

		for (uint32_t longest = 0; longest < 330; longest += 3) {
			for (unsigned int i = 0; i < 9; i++)
				lens[i] = longest * (9 - i) / 9;
			check(kernel, scratch, &seed, 9);
			memset(lens, 0, sizeof(lens));
			lens[0] = longest;
			check(kernel, scratch, &seed, 8);
		}
		free(scratch);
	}
}

/* The longest that a kernel is given. */
Test(aead_avx512, longest)
{
	const struct sl_aead_kernel *kernel;

	FOR_EACH_KERNEL(kernel)
	{
		void *scratch = aead_scratch(kernel);
		struct seeded seed = {302};

		for (unsigned int i = 0; i < 10; i++)
			lens[i] = SL_AEAD_KERNEL_MAX_LEN - 16 * i * i;
		check(kernel, scratch, &seed, 10);
		free(scratch);
	}
}

/*
 * Which messages are left to ipsec-mb: few of them, and the longest where they would have lanes to themselves; but a
 * burst of equal ones is the kernel's, whatever their length.
 */
Test(aead_avx512, chooses_by_cost)
{
	const struct {
		unsigned int n;
		uint32_t lens[12];
		uint64_t chosen;
	} cases[] = {
	        {1, {64}, 0},
	        {2, {1420, 1420}, 0},
	        {8, {64, 64, 64, 64, 64, 64, 64, 64}, 0xff},
	        {8, {0, 0, 0, 0, 0, 0, 0, 0}, 0xff},
	        {8, {8900, 8900, 8900, 8900, 8900, 8900, 8900, 8900}, 0xff},
	        {12, {8900, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64}, 0xffe},
	        {12, {9000, 8900, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64}, 0xffc},
	        {12, {1420, 1420, 1420, 1420, 1420, 1420, 64, 64, 64, 64, 64, 64}, 0xfff},
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(sl_aead_avx512_emulated.choose(cases[i].lens, cases[i].n), cases[i].chosen, "case %u", i);
}
