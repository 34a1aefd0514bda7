/*
 * The vector kernels by themselves: Poly1305 at its limits, memory beside the buffers, and what stays in the scratch.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crypto/bytes.h"
#include "crypto/wipe.h"
#include "tests/unit/crypto/aead_cases.h"

#define FOR_EACH_KERNEL(kernel) for (unsigned int i_ = 0; ((kernel) = aead_kernel(i_)) != NULL; i_++)

#define COUNT   SL_AEAD_KERNEL_BURST
#define MAC_LEN 400

/* The AEAD's Poly1305 by libsodium: pad16(text) ‖ LE64(0) ‖ LE64(len). */
static void sodium_mac(uint8_t tag[16], const uint8_t *text, size_t len, const uint8_t key[32])
{
	static uint8_t message[AEAD_MAX_LEN + 32];
	size_t padded = (len + 15) / 16 * 16;

	memcpy(message, text, len);
	memset(message + len, 0, padded - len);
	sl_store_le64(message + padded, 0);
	sl_store_le64(message + padded + 8, len);
	crypto_onetimeauth_poly1305(tag, message, padded + 16, key);
}

static void sort_by_len(struct sl_aead_job **order, struct sl_aead_job *jobs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		unsigned int at = i;

		for (; at > 0 && order[at - 1]->len < jobs[i].len; at--)
			order[at] = order[at - 1];
		order[at] = &jobs[i];
	}
}

static void check_macs(const struct sl_aead_kernel *kernel, void *scratch, struct sl_aead_job *jobs,
        const uint8_t (*keys)[32], unsigned int n)
{
	struct sl_aead_job *order[COUNT];
	uint8_t sorted_keys[COUNT][32], tags[COUNT][16], want[16];

	sort_by_len(order, jobs, n);
	for (unsigned int i = 0; i < n; i++)
		memcpy(sorted_keys[i], keys[order[i] - jobs], 32);
	kernel->mac(scratch, order, (const uint8_t(*)[32])sorted_keys, tags, n);
	for (unsigned int i = 0; i < n; i++) {
		sodium_mac(want, order[i]->src, order[i]->len, sorted_keys[i]);
		cr_assert_arr_eq(tags[i], want, 16, "%s: %u bytes, message %u of %u", kernel->name, order[i]->len, i, n);
	}
}

/* Words at the limits of 64-bit words and of limbs of 26 and 44 bits. */
static uint64_t edge_word(struct seeded *seed)
{
	static const uint64_t edges[] = {0, 1, 2, 3, 4, 5, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 4, UINT64_MAX - 5,
	        UINT64_MAX - 6, UINT64_C(1) << 63, UINT64_MAX >> 1, (UINT64_C(1) << 44) - 1, UINT64_C(1) << 44,
	        ~((UINT64_C(1) << 44) - 1), (UINT64_C(1) << 24) - 1, UINT64_C(1) << 24, (UINT64_C(1) << 26) - 1,
	        UINT64_C(0x03ffffff03ffffff), (UINT64_C(1) << 52) - 1, UINT64_C(0x0ffffffc0ffffffc),
	        UINT64_C(0x0ffffffc0fffffff), UINT64_C(0xfffffff000000000)};

	return edges[seeded_below(seed, sizeof(edges) / sizeof(edges[0]))];
}

/* r, s and blocks out of edge words: carries through every limb, sums and products at their limits. */
Test(aead_kernel, poly1305_edge_words)
{
	const struct sl_aead_kernel *kernel;

	FOR_EACH_KERNEL(kernel)
	{
		static uint8_t texts[COUNT][MAC_LEN], keys[COUNT][32];
		unsigned int rounds = kernel->name == sl_aead_avx2.name ? 2000 : 100;
		void *scratch = aead_scratch(kernel);
		struct seeded seed = {200};

		for (unsigned int round = 0; round < rounds; round++) {
			unsigned int n = 1 + round % COUNT;
			struct sl_aead_job jobs[COUNT];

			for (unsigned int i = 0; i < n; i++) {
				bool same = seeded_below(&seed, 3) == 0;
				uint64_t word = edge_word(&seed);

				for (unsigned int at = 0; at < MAC_LEN; at += 8)
					sl_store_le64(texts[i] + at, same ? word : edge_word(&seed));
				for (unsigned int at = 0; at < 32; at += 8)
					sl_store_le64(keys[i] + at, edge_word(&seed));
				jobs[i] = (struct sl_aead_job){.src = texts[i]};
				jobs[i].len = (uint32_t)seeded_below(&seed, MAC_LEN + 1);
			}
			check_macs(kernel, scratch, jobs, (const uint8_t(*)[32])keys, n);
		}
		free(scratch);
	}
}

/*
 * With r = 1 the accumulator is the sum of the blocks, each with 2^128 added. Two blocks of text and that of the lengths:
 * 3 * 2^128 + the words; so texts are chosen that end just below, at and above 2^130 - 5, where the last subtraction
 * begins to be due. And the same with texts that are all ones, which no sum exceeds.
 */
Test(aead_kernel, poly1305_accumulator_around_the_prime)
{
	const struct sl_aead_kernel *kernel;

	FOR_EACH_KERNEL(kernel)
	{
		static uint8_t texts[COUNT][32], keys[COUNT][32];
		struct sl_aead_job jobs[COUNT];
		void *scratch = aead_scratch(kernel);

		for (unsigned int i = 0; i < COUNT; i++) {
			/* the lengths' block is 32 * 2^64, so the text's two have to make up 2^128 + d - 5 - 32 * 2^64 */
			unsigned __int128 first = (unsigned __int128)0 - ((unsigned __int128)32 << 64) - 100;
			uint64_t second = 100 + i - COUNT / 2 - 5;

			memset(texts[i], 0, 32);
			sl_store_le64(texts[i], (uint64_t)first);
			sl_store_le64(texts[i] + 8, (uint64_t)(first >> 64));
			sl_store_le64(texts[i] + 16, second);
			if (i == 0)
				memset(texts[i], 0xff, 32);
			memset(keys[i], i % 3 == 0 ? 0xff : 0, 32);
			memset(keys[i], 0, 16);
			keys[i][0] = 1;
			jobs[i] = (struct sl_aead_job){.src = texts[i], .len = 32};
		}
		check_macs(kernel, scratch, jobs, (const uint8_t(*)[32])keys, COUNT);
		free(scratch);
	}
}

/* Blocks of ones under an r of ones, for every length: the greatest products there are. */
Test(aead_kernel, poly1305_all_ones)
{
	const struct sl_aead_kernel *kernel;

	FOR_EACH_KERNEL(kernel)
	{
		static uint8_t ones[2048], keys[COUNT][32];
		void *scratch = aead_scratch(kernel);
		struct sl_aead_job jobs[COUNT];

		memset(ones, 0xff, sizeof(ones));
		memset(keys, 0xff, sizeof(keys));
		for (uint32_t len = 0; len + COUNT <= sizeof(ones); len += COUNT) {
			for (unsigned int i = 0; i < COUNT; i++)
				jobs[i] = (struct sl_aead_job){.src = ones, .len = len + i};
			check_macs(kernel, scratch, jobs, (const uint8_t(*)[32])keys, COUNT);
		}
		free(scratch);
	}
}

/* Memory with a page before and behind it that may not be touched. */
struct guarded {
	uint8_t *begin, *end;
};

static struct guarded guarded(size_t room)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (room + page - 1) / page * page;
	uint8_t *p = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	cr_assert_eq(mprotect(p + page, size, PROT_READ | PROT_WRITE), 0);
	return (struct guarded){p + page, p + page + size};
}

#define GUARDED 11 /* messages of a batch */
#define ROOM    9216

struct guards {
	struct guarded src[GUARDED], dst[GUARDED], tag[GUARDED];
};

/* Where len bytes begin: at the first byte, or so that they end `before` bytes before the last. */
static uint8_t *put(struct guarded g, size_t len, int before)
{
	return before >= 0 ? g.end - len - before : g.begin;
}

#define AT_BEGIN (-1)

/* A batch of about that length whose buffers begin or end at a page that may not be touched. */
static void guarded_batch(struct sl_aead *aead, struct guards *g, struct seeded *seed, uint32_t len, int before)
{
	static uint8_t plain[GUARDED][ROOM], want[ROOM], want_tag[16];
	struct sl_aead_job jobs[GUARDED];
	uint8_t key[32] = {1, 2, 3};

	for (unsigned int i = 0; i < GUARDED; i++) {
		uint32_t n = i < 8 ? len : len + i % 3;

		jobs[i] = (struct sl_aead_job){.key = key, .counter = i, .len = n};
		jobs[i].src = put(g->src[i], n, before);
		jobs[i].dst = i % 2 == 0 ? put(g->src[i], n, before) : put(g->dst[i], n, before);
		jobs[i].tag = put(g->tag[i], 16, before < 0 ? AT_BEGIN : 0);
		seeded_bytes(seed, plain[i], n);
		memcpy(put(g->src[i], n, before), plain[i], n);
	}
	sl_aead_seal_batch(aead, jobs, GUARDED);
	for (unsigned int i = 0; i < GUARDED; i++) {
		libcrypto_seal(want, want_tag, plain[i], jobs[i].len, i, key);
		cr_assert(memcmp(jobs[i].dst, want, jobs[i].len) == 0, "%u bytes", jobs[i].len);
		cr_assert_arr_eq(jobs[i].tag, want_tag, 16);
		memcpy(put(g->src[i], jobs[i].len, before), want, jobs[i].len);
	}
	cr_assert_eq(sl_aead_open_batch(aead, jobs, GUARDED), GUARDED, "%u bytes", len);
	for (unsigned int i = 0; i < GUARDED; i++)
		cr_assert(memcmp(jobs[i].dst, plain[i], jobs[i].len) == 0, "%u bytes", jobs[i].len);
}

/*
 * ipsec-mb reads behind a text that it opens: never more than the tag that follows in a packet. What it writes is held by
 * the random batches.
 */
Test(aead_kernel, not_a_byte_beyond_the_buffers)
{
	struct aead_subject subject;
	struct guards g;

	for (unsigned int i = 0; i < GUARDED; i++) {
		g.src[i] = guarded(ROOM);
		g.dst[i] = guarded(ROOM);
		g.tag[i] = guarded(16);
	}
	FOR_EACH_AEAD(aead, subject)
	{
		uint32_t step = subject.slower > 1 ? 13 : 1;
		int before = subject.kernel != NULL ? 0 : SL_TAG_LEN;
		struct seeded seed = {201};

		for (uint32_t len = 0; len <= 300; len += step) {
			guarded_batch(aead, &g, &seed, len, AT_BEGIN);
			guarded_batch(aead, &g, &seed, len, before);
		}
		for (uint32_t around = 512; around < ROOM - 64; around = around * 2 + 64)
			for (uint32_t len = around - 17 * step; len <= around + 17; len += step)
				guarded_batch(aead, &g, &seed, len, before);
	}
}

/* Bytes in a row that betray a secret; fewer would also be found where an address happens to have them. */
#define PIECE_LEN 8

static void check_absent(
        const uint8_t *memory, size_t size, const uint8_t *secret, size_t len, const char *what, const char *who)
{
	for (size_t at = 0; at + PIECE_LEN <= len; at += PIECE_LEN)
		if (!sl_is_zero(secret + at, PIECE_LEN))
			cr_assert_null(memmem(memory, size, secret + at, PIECE_LEN), "%s leaves %s (byte %zu of it)", who, what,
			        at);
}

/* A key that all messages share stands word by word in vectors that have a lane for each. */
static void check_key_absent(const uint8_t *memory, size_t size, const uint8_t key[32], const char *who)
{
	for (unsigned int word = 0; word < 32; word += 4) {
		uint8_t lanes[PIECE_LEN];

		memcpy(lanes, key + word, 4);
		memcpy(lanes + 4, key + word, 4);
		check_absent(memory, size, lanes, PIECE_LEN, "a word of a key", who);
	}
	check_absent(memory, size, key, 32, "a key", who);
}

static void check_scratch(const uint8_t *scratch, size_t size, const struct sl_aead_job *job, const uint8_t *tag,
        const char *who)
{
	uint8_t stream[64 + ROOM] = {0}, nonce[12] = {0}, accumulator[16], r[16];
	unsigned __int128 h;

	sl_store_le64(nonce + 4, job->counter);
	crypto_stream_chacha20_ietf_xor_ic(stream, stream, 64 + job->len, nonce, 0, job->key);
	check_key_absent(scratch, size, job->key, who);
	check_absent(scratch, size, stream, 64 + job->len, "a key stream", who);
	for (unsigned int i = 0; i < 16; i++)
		r[i] = stream[i] & (i % 4 == 3 ? 0x0f : i % 4 == 0 && i > 0 ? 0xfc : 0xff);
	check_absent(scratch, size, r, 16, "a one-time key", who);
	h = ((unsigned __int128)sl_load_le64(tag + 8) << 64 | sl_load_le64(tag)) -
	    ((unsigned __int128)sl_load_le64(stream + 24) << 64 | sl_load_le64(stream + 16));
	sl_store_le64(accumulator, (uint64_t)h);
	sl_store_le64(accumulator + 8, (uint64_t)(h >> 64));
	check_absent(scratch, size, accumulator, 16, "an accumulator", who);
}

Test(aead_kernel, scratch_holds_no_secret)
{
	const struct sl_aead_kernel *kernel;

	FOR_EACH_KERNEL(kernel)
	{
		static uint8_t text[COUNT][ROOM], keys[COUNT][32], tags[COUNT][16];
		uint8_t *scratch = aead_scratch(kernel);
		struct seeded seed = {202};

		seeded_bytes(&seed, keys, sizeof(keys));
		for (unsigned int n = 1; n <= COUNT; n += 7) {
			struct sl_aead_job jobs[COUNT], *order[COUNT];

			for (unsigned int i = 0; i < n; i++) {
				seeded_bytes(&seed, text[i], 600);
				jobs[i] = (struct sl_aead_job){keys[0], i, text[i], text[i], tags[i],
				        (uint32_t)seeded_below(&seed, 600), false};
			}
			sort_by_len(order, jobs, n);
			kernel->seal(scratch, order, n);
			for (unsigned int i = 0; i < n; i++)
				check_scratch(scratch, kernel->scratch_size, order[i], order[i]->tag, kernel->name);
			kernel->open(scratch, order, tags, n);
			for (unsigned int i = 0; i < n; i++)
				check_scratch(scratch, kernel->scratch_size, order[i], tags[i], kernel->name);
			kernel->mac(scratch, order, (const uint8_t(*)[32])keys, tags, n);
			for (unsigned int i = 0; i < n; i++)
				check_absent(scratch, kernel->scratch_size, keys[i] + 16, 16, "s of a one-time key", kernel->name);
		}
		free(scratch);
	}
}

#define STACK_SIZE (256 * 1024)

/* Messages that a thread seals and opens, so that its stack can be searched afterwards. */
static struct {
	struct sl_aead *aead;
	struct sl_aead_job jobs[COUNT];
	unsigned int n, opened;
} on_thread;

static void *seal_and_open(void *unused)
{
	(void)unused;
	sl_aead_seal_batch(on_thread.aead, on_thread.jobs, on_thread.n);
	on_thread.opened = sl_aead_open_batch(on_thread.aead, on_thread.jobs, on_thread.n);
	return NULL;
}

static void run_on(uint8_t *stack)
{
	pthread_attr_t attr;
	pthread_t thread;

	cr_assert_eq(pthread_attr_init(&attr), 0);
	cr_assert_eq(pthread_attr_setstack(&attr, stack, STACK_SIZE), 0);
	cr_assert_eq(pthread_create(&thread, &attr, seal_and_open, NULL), 0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attr);
}

/*
 * Also of ipsec-mb, which was built to clear what it leaves. The kernel in plain C is compiled like no other code, and so
 * is everything for the address sanitizer, whose frames are greater than what the front clears.
 */
Test(aead_kernel, stack_holds_no_secret)
{
	uint8_t *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct aead_subject subject;

	cr_assert_neq(stack, MAP_FAILED);
	FOR_EACH_AEAD(aead, subject)
	{
		static uint8_t text[COUNT][ROOM], key[32], tags[COUNT][16];
		struct seeded seed = {204};

		seeded_bytes(&seed, key, sizeof(key));
#ifdef __SANITIZE_ADDRESS__
		subject.slower = 2;
#endif
		for (unsigned int n = 1; n <= COUNT && subject.slower == 1; n += 9) {
			on_thread.aead = aead;
			on_thread.n = n;
			for (unsigned int i = 0; i < n; i++) {
				seeded_bytes(&seed, text[i], 600);
				on_thread.jobs[i] = (struct sl_aead_job){key, i, text[i], text[i], tags[i],
				        (uint32_t)seeded_below(&seed, 600), false};
			}
			memset(stack, 0, STACK_SIZE);
			run_on(stack);
			cr_assert_eq(on_thread.opened, n);
			for (unsigned int i = 0; i < n; i++)
				check_scratch(stack, STACK_SIZE, &on_thread.jobs[i], on_thread.jobs[i].tag, subject.name);
		}
	}
	munmap(stack, STACK_SIZE);
}

/* What a kernel chooses are messages that are there. */
Test(aead_kernel, chooses_what_is_there)
{
	const struct sl_aead_kernel *kernel;

	FOR_EACH_KERNEL(kernel)
	{
		struct seeded seed = {203};

		for (unsigned int round = 0; round < 1000; round++) {
			unsigned int n = 1 + round % COUNT;
			uint32_t lens[COUNT], len = SL_AEAD_KERNEL_MAX_LEN;

			for (unsigned int i = 0; i < n; i++) {
				len -= (uint32_t)seeded_below(&seed, len / 8 + 1);
				lens[i] = len;
			}
			if (n < 64)
				cr_assert_eq(kernel->choose(lens, n) >> n, 0, "%s, %u messages", kernel->name, n);
		}
		cr_assert_neq(kernel->choose((const uint32_t[COUNT]){0}, COUNT), 0, "%s never works", kernel->name);
	}
}
