#include "dataplane/csum.h"

#include <stdlib.h>

#include <criterion/criterion.h>
#include <rte_ip.h>

#define LONGEST 300000u /* several times what a vector of sums takes at once */
#define EDGE    64

static uint8_t *buf;

typedef uint64_t (*add_fn)(uint64_t sum, const void *data, size_t n);

static const struct {
	const char *name;
	add_fn add;
	bool wide;
} ways[] = {
	{"as the CPU has it", sl_csum_add, false},
	{"SSE", sl_csum_add_sse, false},
	{"AVX2", sl_csum_add_avx2, true},
};

static void
fill(unsigned kind)
{
	uint64_t seed = kind;

	for (size_t i = 0; i < LONGEST + EDGE; i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1;
		buf[i] = kind == 0 ? 0 : kind == 1 ? 0xff : kind == 2 ? (uint8_t)(i % 2 * 0x80) : (uint8_t)(seed >> 56);
	}
}

/* RFC 1071's own words: 16 bits at a time, the last byte alone where there is one. */
static uint64_t
plain_add(uint64_t sum, const uint8_t *p, size_t n)
{
	for (; n >= 2; n -= 2, p += 2)
		sum += (uint64_t)p[0] | (uint64_t)p[1] << 8;
	return n > 0 ? sum + p[0] : sum;
}

static void
check_all(size_t off, size_t len)
{
	static const uint64_t sums[] = {0, 1, 0xffff, UINT32_MAX, UINT64_C(0xffffffff00000000), UINT64_MAX};

	for (unsigned w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
		if (ways[w].wide && !__builtin_cpu_supports("avx2"))
			continue;
		for (unsigned s = 0; s < sizeof(sums) / sizeof(sums[0]); s++) {
			uint64_t folded = (sums[s] & UINT32_MAX) + (sums[s] >> 32);
			uint16_t want = sl_csum_fold(plain_add(folded, buf + off, len));

			cr_assert_eq(sl_csum_fold(ways[w].add(sums[s], buf + off, len)), want, "%s, %zu bytes at %zu, sum %#lx",
				ways[w].name, len, off, sums[s]);
		}
	}
}

Test(csum, every_length_and_alignment)
{
	buf = malloc(LONGEST + EDGE);
	for (unsigned kind = 0; kind < 5; kind++) {
		fill(kind);
		for (size_t len = 0; len <= 400; len++)
			for (size_t off = 0; off < 33; off += 1 + off / 4)
				check_all(off, len);
		for (size_t len = 1400; len <= 1500; len++)
			check_all(len % 17, len);
		for (size_t len = 65500; len <= 65600; len += 3)
			check_all(1, len);
		check_all(3, LONGEST);
	}
	free(buf);
}

Test(csum, as_dpdk_has_it)
{
	buf = malloc(LONGEST + EDGE);
	fill(3);
	for (size_t len = 0; len < 2048; len++)
		cr_assert_eq(sl_csum_fold(sl_csum_add(0, buf + len % 5, len)), (uint16_t)~rte_raw_cksum(buf + len % 5, len));
	fill(0);
	cr_expect_eq(sl_csum_fold(sl_csum_add(0, buf, 2048)), 0xffff);
	free(buf);
}

/* Nothing before the first byte or behind the last one counts, nor is read where it would matter: buffers of that length. */
Test(csum, reads_no_more_than_there_is)
{
	for (size_t len = 1; len < 300; len++) {
		uint8_t *exact = malloc(len);

		memset(exact, 0xa5, len);
		for (unsigned w = 0; w < sizeof(ways) / sizeof(ways[0]); w++)
			if (!ways[w].wide || __builtin_cpu_supports("avx2"))
				cr_assert_eq(sl_csum_fold(ways[w].add(0, exact, len)), sl_csum_fold(plain_add(0, exact, len)));
		free(exact);
	}
}

Test(csum, mending)
{
	for (uint32_t before = 0; before < 65536; before += 251)
		for (uint32_t after = 0; after < 65536; after += 257) {
			uint16_t words[3] = {0x1234, (uint16_t)before, 0xfedc}, sum;

			sum = sl_csum_fold(sl_csum_add(0, words, sizeof(words)));
			words[1] = (uint16_t)after;
			cr_assert_eq(sl_csum_replace16(sum, (uint16_t)before, (uint16_t)after),
				sl_csum_fold(sl_csum_add(0, words, sizeof(words))));
		}
}
