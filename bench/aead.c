/*
 * The batch AEAD against ipsec-mb: TSC cycles per packet and their ratio, both measured in every round, one after the
 * other, on the same buffers, keys and lengths.
 *
 *   aead [--json] [--rounds N] [--quick] [--list] [--all] [--simd LEVEL]
 *
 * The reference is the fastest of ipsec-mb's job and burst APIs without checks, on the manager of this machine's best level
 * and on the SSE manager, which is the better one for short packets where AVX2 is the best; the fastest is taken anew
 * in each round. Payloads are sealed in place at the misalignment they have in packet buffers. A round's
 * figure is the median of its bursts, for on a shared machine a burst during which the thread was off its core
 * would outweigh all others. In each round libcrypto opens packets of each side. --all: also bursts of 8 and 64, other
 * sizes and mixtures, and opening. --simd: the level of ours (the reference keeps the best).
 */
#include <intel-ipsec-mb.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/rows.h"
#include "bench/stats.h"
#include "crypto/aead.h"
#include "crypto/bytes.h"

#define ROUNDS_MAX  101
#define BUFFERS_MAX 8192
#define BURST_MAX   64
#define DATA_AT     186 /* where a plaintext lies in its buffer: headroom, and the headers before it */
#define PER_ROUND   2048
#define KEYS        64
#define SAMPLES     4 /* packets of a round and side that libcrypto opens */

/* How long packets are: one after another from the list, in disorder. */
struct mix {
	const char *name;
	uint32_t len[12];
	unsigned n;
};

static const struct mix mixes[] = {{"64", {64}, 1}, {"128", {128}, 1}, {"256", {256}, 1}, {"512", {512}, 1},
	{"1024", {1024}, 1}, {"1420", {1420}, 1}, {"8900", {8900}, 1},
	{"imix", {64, 576, 64, 64, 1420, 576, 64, 64, 576, 64, 64, 576}, 12},
	{"half", {80, 1424, 1424, 80, 80, 80, 1424, 1424, 80, 1424, 80, 1424}, 12}};

#define MIXES (sizeof(mixes) / sizeof(mixes[0]))

/* One row: what is measured, and on how many buffers. */
struct row {
	const struct mix *mix;
	unsigned burst, buffers;
	bool opening;
	const char *target; /* its name in bench/targets.json, or NULL */
};

static struct {
	uint8_t *memory;
	uint32_t room; /* bytes from one buffer to the next */
	uint8_t keys[KEYS][SL_KEY_LEN];
	struct sl_aead_job jobs[BUFFERS_MAX];
	uint8_t nonces[BUFFERS_MAX][SL_AEAD_NONCE_LEN];
	uint8_t tags[BURST_MAX][SL_TAG_LEN];
	struct sl_aead *ours;
	IMB_MGR *best, *sse;
	EVP_CIPHER_CTX *check;
} b;

static void
die(const char *why)
{
	fprintf(stderr, "aead: %s\n", why);
	exit(1);
}

static void
fill_jobs(const struct row *r)
{
	uint64_t seed = 1;

	for (unsigned i = 0; i < r->buffers; i++) {
		uint32_t len = r->mix->len[i % r->mix->n];
		uint8_t *data = b.memory + (size_t)i * b.room + DATA_AT;

		b.jobs[i] = (struct sl_aead_job){.key = b.keys[bench_random64(&seed) % KEYS],
			.counter = i,
			.src = data,
			.dst = data,
			.tag = data + len,
			.len = len};
		sl_store_le32(b.nonces[i], 0);
		sl_store_le64(b.nonces[i] + sizeof(uint32_t), i);
	}
}

static void
fill_reference(IMB_JOB *out, unsigned i, bool opening, uint8_t *tag)
{
	const struct sl_aead_job *job = &b.jobs[i];

	out->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	out->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	out->cipher_direction = opening ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;
	out->chain_order = opening ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
	out->enc_keys = out->dec_keys = job->key;
	out->key_len_in_bytes = SL_KEY_LEN;
	out->iv = b.nonces[i];
	out->iv_len_in_bytes = SL_AEAD_NONCE_LEN;
	out->src = job->src;
	out->dst = job->dst;
	out->cipher_start_src_offset_in_bytes = out->hash_start_src_offset_in_bytes = 0;
	out->msg_len_to_cipher_in_bytes = out->msg_len_to_hash_in_bytes = job->len;
	out->u.CHACHA20_POLY1305.aad = NULL;
	out->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	out->auth_tag_output = tag;
	out->auth_tag_output_len_in_bytes = SL_TAG_LEN;
}

static void
reference_burst(IMB_MGR *mgr, unsigned first, unsigned n, bool opening)
{
	IMB_JOB *jobs[BURST_MAX];
	uint32_t done;

	if (IMB_GET_NEXT_BURST(mgr, n, jobs) != n)
		die("ipsec-mb has no room for a burst");
	for (unsigned i = 0; i < n; i++)
		fill_reference(jobs[i], first + i, opening, opening ? b.tags[i] : b.jobs[first + i].tag);
	done = IMB_SUBMIT_BURST_NOCHECK(mgr, n, jobs);
	while (done < n)
		done += IMB_FLUSH_BURST(mgr, n - done, jobs);
}

static void
reference_job(IMB_MGR *mgr, unsigned first, unsigned n, bool opening)
{
	unsigned done = 0;

	for (unsigned i = 0; i < n; i++) {
		fill_reference(IMB_GET_NEXT_JOB(mgr), first + i, opening, opening ? b.tags[i] : b.jobs[first + i].tag);
		done += IMB_SUBMIT_JOB_NOCHECK(mgr) != NULL;
	}
	while (done < n && IMB_FLUSH_JOB(mgr) != NULL)
		done++;
}

static void
reference_compare(unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *tag = b.jobs[first + i].tag;

		b.jobs[first + i].ok = ((sl_load_le64(tag) ^ sl_load_le64(b.tags[i])) |
					       (sl_load_le64(tag + 8) ^ sl_load_le64(b.tags[i] + 8))) == 0;
	}
}

enum side {
	OURS,
	BEST_BURST,
	BEST_JOB,
	SSE_BURST,
	SSE_JOB,
	SIDES
};

static void
burst(enum side side, unsigned first, unsigned n, bool opening)
{
	IMB_MGR *mgr = side == BEST_BURST || side == BEST_JOB ? b.best : b.sse;

	if (side == OURS) {
		if (!opening)
			sl_aead_seal_batch(b.ours, &b.jobs[first], n);
		else if (sl_aead_open_batch(b.ours, &b.jobs[first], n) > n)
			die("more opened than there were");
		return;
	}
	if (side == BEST_BURST || side == SSE_BURST)
		reference_burst(mgr, first, n, opening);
	else
		reference_job(mgr, first, n, opening);
	if (opening)
		reference_compare(first, n);
}

/* Sealed packets must open with libcrypto. */
static void
check_samples(const struct row *r, uint64_t *seed)
{
	static uint8_t plain[9216];

	for (unsigned k = 0; k < SAMPLES; k++) {
		unsigned i = (unsigned)(bench_random64(seed) % r->buffers);
		const struct sl_aead_job *job = &b.jobs[i];
		int n;

		if (!EVP_DecryptInit_ex(b.check, EVP_chacha20_poly1305(), NULL, job->key, b.nonces[i]) ||
			!EVP_CIPHER_CTX_ctrl(b.check, EVP_CTRL_AEAD_SET_TAG, SL_TAG_LEN, job->tag) ||
			!EVP_DecryptUpdate(b.check, plain, &n, job->dst, (int)job->len) ||
			EVP_DecryptFinal_ex(b.check, plain + n, &n) != 1)
			die("libcrypto does not open what was sealed");
	}
}

static void
check_opened(const struct row *r)
{
	for (unsigned i = 0; i < r->buffers; i++)
		if (!b.jobs[i].ok)
			die("a sealed packet did not open");
}

/* One side's cycles per packet in one round. */
static double
measure(const struct row *r, enum side side, uint64_t *seed)
{
	static double cycles[PER_ROUND + BUFFERS_MAX];
	unsigned n = 0;

	for (unsigned done = 0; done < PER_ROUND || done % r->buffers != 0;) {
		unsigned first = done % r->buffers;
		uint64_t began;

		if (r->opening && first == 0)
			for (unsigned i = 0; i < r->buffers; i += BURST_MAX)
				burst(OURS, i, BURST_MAX, false);
		began = bench_tsc();
		burst(side, first, r->burst, r->opening);
		cycles[n++] = (double)(bench_tsc() - began) / r->burst;
		done += r->burst;
	}
	if (r->opening)
		check_opened(r);
	else
		check_samples(r, seed);
	return bench_spread(cycles, n).median;
}

static void
print_row(const struct row *r, double *ours, double *reference, unsigned rounds)
{
	double ratio[ROUNDS_MAX];
	struct bench_spread o, f, x;

	for (unsigned i = 0; i < rounds; i++)
		ratio[i] = reference[i] / ours[i];
	o = bench_spread(ours, rounds);
	f = bench_spread(reference, rounds);
	x = bench_spread(ratio, rounds);
	printf("%-5s %5s B  bursts of %2u, %4u buffers  %6.0f (%5.0f..%5.0f)  ipsec-mb %6.0f (%5.0f..%5.0f)  %5.2fx "
	       "(%.2f..%.2f)\n",
		r->opening ? "open" : "seal", r->mix->name, r->burst, r->buffers, o.median, o.low, o.high, f.median, f.low,
		f.high, x.median, x.low, x.high);
	fflush(stdout);
}

static void
run_row(const struct row *r, unsigned rounds)
{
	double ours[ROUNDS_MAX], reference[ROUNDS_MAX];
	uint64_t seed = 7;

	fill_jobs(r);
	/* Round -1 warms up. */
	for (int i = -1; i < (int)rounds; i++) {
		double cycles[SIDES];

		for (enum side side = OURS; side < SIDES; side++)
			cycles[side] = measure(r, side, &seed);
		if (i < 0)
			continue;
		ours[i] = cycles[OURS];
		reference[i] = cycles[BEST_BURST];
		for (enum side side = BEST_JOB; side < SIDES; side++)
			reference[i] = cycles[side] < reference[i] ? cycles[side] : reference[i];
	}
	if (r->target != NULL)
		bench_row(r->target, ours, reference, rounds);
	else
		print_row(r, ours, reference, rounds);
}

static const struct mix *
mix_named(const char *name)
{
	for (unsigned i = 0; i < MIXES; i++)
		if (strcmp(mixes[i].name, name) == 0)
			return &mixes[i];
	die("no such mixture");
	return NULL;
}

static void
run_all(unsigned rounds)
{
	static const unsigned bursts[] = {8, 32, 64}, buffers[] = {64, BUFFERS_MAX};

	for (unsigned opening = 0; opening < 2; opening++)
		for (unsigned m = 0; m < MIXES; m++)
			for (unsigned k = 0; k < 2; k++)
				for (unsigned i = 0; i < 3; i++)
					run_row(&(struct row){&mixes[m], bursts[i], buffers[k], opening, NULL}, rounds);
}

static IMB_MGR *
manager(enum sl_simd simd)
{
	IMB_MGR *mgr = alloc_mb_mgr(0);

	if (mgr == NULL)
		die("no memory");
	if (simd == SL_SIMD_AVX512)
		init_mb_mgr_avx512(mgr);
	else if (simd == SL_SIMD_AVX2)
		init_mb_mgr_avx2(mgr);
	else
		init_mb_mgr_sse(mgr);
	if (imb_get_errno(mgr) != 0)
		die("ipsec-mb does not start");
	return mgr;
}

static void
set_up(enum sl_simd simd)
{
	uint64_t seed = 3;

	b.room = 9216 + 512;
	b.memory = calloc(BUFFERS_MAX, b.room);
	b.ours = sl_aead_create(simd);
	b.check = EVP_CIPHER_CTX_new();
	if (b.memory == NULL || b.ours == NULL || b.check == NULL)
		die("no memory, or no such level on this CPU");
	b.best = manager(sl_simd_best());
	b.sse = manager(SL_SIMD_SSE);
	for (unsigned i = 0; i < sizeof(b.keys); i++)
		((uint8_t *)b.keys)[i] = (uint8_t)bench_random64(&seed);
	bench_pin(0);
}

int
main(int argc, char **argv)
{
	static const char *const targets[] = {"aead-64", "aead-256", "aead-512", "aead-1420", "aead-imix", "aead-64-8192",
		"aead-256-8192", "aead-512-8192", "aead-1420-8192", "aead-imix-8192"};
	enum { TARGETS = sizeof(targets) / sizeof(targets[0]) };
	struct bench_options o = bench_begin("aead", targets, TARGETS, &argc, argv);
	enum sl_simd simd = SL_SIMD_AUTO;
	bool all = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--all") == 0 && !o.json) {
			all = true;
		} else if (strcmp(argv[i], "--simd") != 0 || argv[i + 1] == NULL || !sl_simd_parse(argv[++i], &simd)) {
			fprintf(stderr, "usage: aead [--json] [--rounds N] [--quick] [--list] [--all] [--simd LEVEL]\n");
			return 2;
		}
	}
	set_up(simd);
	if (!o.json)
		printf("%s\n", sl_aead_backend(b.ours));
	for (unsigned i = 0; i < TARGETS; i++) {
		char name[16];
		bool many = strstr(targets[i], "-8192") != NULL;

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(targets[i] + 5, "-"), targets[i] + 5);
		run_row(&(struct row){mix_named(name), 32, many ? BUFFERS_MAX : 64, false, targets[i]},
			bench_rounds(many ? 9 : 15, ROUNDS_MAX));
	}
	if (all)
		run_all(bench_rounds(7, ROUNDS_MAX));
	return bench_end();
}
