/*
 * The AVX-512 kernel of the batch AEAD: which blocks go through ChaCha20 together, and when Poly1305 has its turn.
 * Messages are taken in batches of up to 32 that fit the first-level cache. Their rows, which are the blocks 0 (the
 * keys of Poly1305) and then those of the text, message by message, fill passes of 16. When sealing, Poly1305 follows
 * the last pass and reads what has just been written. When opening, it comes as soon as its keys are there, and the
 * ciphertext is decrypted after it; the key stream of text rows that shared the keys' last pass waits in scratch.
 */
#include "crypto/aead_avx512.h"

#include <string.h>

#include "crypto/zmm.h"

/* Rows of a batch: with its tables it fits 48 KB of first-level cache. 16 messages of 1,420 bytes have 384. */
#define BATCH_ROWS 400

/* Blocks of ChaCha20 for a message: that of the key, and those of the text. */
static uint32_t rows_of(uint32_t len)
{
	return 1 + (len + SL_AVX512_ROW - 1) / SL_AVX512_ROW;
}

/* How far the passes of a batch have come: of three, one is made up, one computed and one brought out at a time. */
struct passes {
	unsigned int left;                   /* passes to be computed */
	struct sl_avx512_pass *now, *next;   /* the one to be computed next, and the one that is made up then */
	const struct sl_avx512_pass *to_put; /* computed and not yet brought out, or NULL */
};

static inline void put_run(struct sl_avx512_run *run, const uint8_t *src, uint8_t *dst, uint32_t left,
        unsigned int message, uint32_t block)
{
	*run = (struct sl_avx512_run){.src = src, .dst = dst, .left = left, .message = message, .block = block};
}

/* The first pass: the first keys, which need not be lined up, and if these leave lanes the rows that were. */
static void first_pass(struct sl_avx512 *s, struct sl_avx512_pass *pass, unsigned int n)
{
	unsigned int keys = n < SL_AVX512_LANES ? n : SL_AVX512_LANES;

	pass->whole = true;
	for (unsigned int i = 0; i < keys; i++) {
		pass->message[i] = i;
		pass->block[i] = 0;
		pass->src[i] = sl_avx512_zero;
		pass->dst[i] = s->key[i];
		pass->mask[i] = UINT64_MAX;
	}
	for (unsigned int i = keys; i < SL_AVX512_LANES; i++)
		sl_avx512_next_row(s, pass, i);
}

/* Lines up the rows of n messages, all blocks 0 before the text, and makes up the first pass. */
static void begin_passes(struct sl_avx512 *s, struct passes *p, struct sl_aead_job *const *jobs, unsigned int n)
{
	struct sl_avx512_run *run = s->run;
	uint32_t rows = n;

	for (unsigned int i = SL_AVX512_LANES; i < n; i++)
		put_run(run++, sl_avx512_zero, s->key[i], SL_AVX512_ROW, i, 0);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = jobs[i]->len;

		put_run(run, jobs[i]->src, jobs[i]->dst, len, i, 1);
		run += len > 0;
		rows += (len + SL_AVX512_ROW - 1) / SL_AVX512_ROW;
	}
	put_run(run, sl_avx512_zero, s->kept[0], 0, 0, 0);
	s->next_run = s->run;
	p->left = (rows + SL_AVX512_LANES - 1) / SL_AVX512_LANES;
	p->now = &s->pass[0];
	p->next = &s->pass[1];
	p->to_put = NULL;
	first_pass(s, p->now, n);
}

static void run_pass(struct sl_avx512 *s, struct passes *p)
{
	struct sl_avx512_pass *now = p->now;

	sl_avx512_pass(s, now, p->to_put, p->next);
	p->to_put = now;
	p->now = p->next;
	p->next = p->next == &s->pass[2] ? &s->pass[0] : p->next + 1;
	p->left--;
}

static void put_last(struct sl_avx512 *s, struct passes *p)
{
	if (p->to_put != NULL)
		sl_avx512_last_pass(s, p->to_put);
	p->to_put = NULL;
}

/* Keeps the key stream of the text that is in a pass from that lane on; `kept` says where it belongs. */
static void keep(struct sl_avx512 *s, struct sl_avx512_pass *pass, unsigned int text, struct sl_avx512_pass *kept)
{
	*kept = *pass;
	for (unsigned int i = text; i < SL_AVX512_LANES; i++) {
		pass->src[i] = sl_avx512_zero;
		pass->dst[i] = s->kept[i];
	}
	for (unsigned int i = 0; i < text; i++)
		kept->mask[i] = 0;
}

/* Decrypts the rows that waited, and wipes their key stream. */
static void use_kept(struct sl_avx512 *s, const struct sl_avx512_pass *kept)
{
	for (unsigned int i = 0; i < SL_AVX512_LANES; i++) {
		__m512i text = _mm512_maskz_loadu_epi8(kept->mask[i], kept->src[i]);
		__m512i stream = _mm512_load_si512(s->kept[i]);

		_mm512_mask_storeu_epi8(kept->dst[i], kept->mask[i], _mm512_xor_si512(text, stream));
		_mm512_store_si512(s->kept[i], _mm512_setzero_si512());
	}
}

/* Messages of the next batch: whole groups of Poly1305 while they fit, at least one. */
static unsigned int batch(struct sl_aead_job *const *jobs, unsigned int n)
{
	uint32_t rows = 0;
	unsigned int count = 0;

	if (n <= SL_AVX512_MESSAGES && n * rows_of(jobs[0]->len) <= BATCH_ROWS)
		return n;
	while (count < n && count < SL_AVX512_MESSAGES) {
		unsigned int group = n - count < SL_AVX512_GROUP ? n - count : SL_AVX512_GROUP;

		for (unsigned int i = 0; i < group; i++)
			rows += rows_of(jobs[count + i]->len);
		if (count > 0 && rows > BATCH_ROWS)
			break;
		count += group;
	}
	return count;
}

/* Wipes what the batches of a call leave: keys, a key stream, and the registers. All else was wiped as it was used up.
 */
static void leave(struct sl_avx512 *s)
{
	const __m512i zero = _mm512_setzero_si512();

	for (unsigned int i = 0; i < SL_AVX512_COLUMNS; i++)
		for (unsigned int j = 0; j < SL_AVX512_MESSAGES; j += SL_AVX512_LANES)
			_mm512_store_si512(&s->column[i][j], zero);
	for (unsigned int i = 0; i < 16; i++)
		s->stream[i] = zero;
	__asm__ volatile("" ::: "memory");
	sl_zmm_clear();
}

static void seal_batch(struct sl_avx512 *s, struct sl_aead_job *const *jobs, unsigned int n)
{
	struct passes p;

	sl_avx512_columns(s, jobs, n);
	begin_passes(s, &p, jobs, n);
	while (p.left > 0)
		run_pass(s, &p);
	put_last(s, &p);
	sl_avx512_poly(s, jobs, NULL, n);
}

static void open_batch(
        struct sl_avx512 *s, struct sl_aead_job *const *jobs, uint8_t (*tags)[SL_TAG_LEN], unsigned int n)
{
	struct sl_avx512_pass kept;
	unsigned int keys = n;
	struct passes p;

	sl_avx512_columns(s, jobs, n);
	begin_passes(s, &p, jobs, n);
	for (; keys > SL_AVX512_LANES; keys -= SL_AVX512_LANES)
		run_pass(s, &p);
	keep(s, p.now, keys, &kept);
	run_pass(s, &p);
	put_last(s, &p);
	sl_avx512_poly(s, jobs, tags, n);
	use_kept(s, &kept);
	while (p.left > 0)
		run_pass(s, &p);
	put_last(s, &p);
}

static void seal_all(void *scratch, struct sl_aead_job *const *jobs, unsigned int n)
{
	for (unsigned int now; n > 0; jobs += now, n -= now) {
		now = batch(jobs, n);
		seal_batch(scratch, jobs, now);
	}
	leave(scratch);
}

static void open_all(void *scratch, struct sl_aead_job *const *jobs, uint8_t (*tags)[SL_TAG_LEN], unsigned int n)
{
	for (unsigned int now; n > 0; jobs += now, tags += now, n -= now) {
		now = batch(jobs, n);
		open_batch(scratch, jobs, tags, now);
	}
	leave(scratch);
}

static void mac_all(void *scratch, struct sl_aead_job *const *jobs, const uint8_t (*keys)[SL_KEY_LEN],
        uint8_t (*tags)[SL_TAG_LEN], unsigned int n)
{
	struct sl_avx512 *s = scratch;

	for (unsigned int now; n > 0; jobs += now, keys += now, tags += now, n -= now) {
		now = batch(jobs, n);
		for (unsigned int i = 0; i < now; i++)
			memcpy(s->key[i], keys[i], SL_KEY_LEN);
		sl_avx512_poly(s, jobs, tags, now);
	}
	leave(s);
}

/*
 * Costs in cycles, of which only ratios matter: a pass, a step of Poly1305 over 64 bytes of a group, what else a group
 * and a call cost; ipsec-mb's AVX-512 by bytes of the message, of which long ones cost less each.
 */
enum {
	COST_PASS = 430,
	COST_STEP = 60,
	COST_GROUP = 130,
	COST_CALL = 150,
	COST_MB = 255,
	COST_MB_SHORT_16 = 15, /* for 16 bytes, up to */
	MB_SHORT = 512,        /* bytes; and beyond, for 32: */
	COST_MB_LONG_32 = 19,
};

/* The longest messages that may be left to ipsec-mb while others are not: more of them fill lanes of their own. */
#define OUTLIERS 3

static uint32_t mb_cost(uint32_t len)
{
	uint32_t within = len < MB_SHORT ? len : MB_SHORT;

	return COST_MB + within * COST_MB_SHORT_16 / 16 + (len - within) * COST_MB_LONG_32 / 32;
}

/* What n messages that have so many rows cost; each group takes the steps of its first and longest. */
static uint32_t kernel_cost(const uint32_t *lens, unsigned int n, uint32_t rows)
{
	uint32_t cost = COST_CALL + COST_PASS * ((rows + SL_AVX512_LANES - 1) / SL_AVX512_LANES);

	for (unsigned int i = 0; i < n; i += SL_AVX512_GROUP)
		cost += COST_GROUP + COST_STEP * rows_of(lens[i]);
	return cost;
}

/* All of them, but for the longest few where those would have Poly1305's lanes to themselves, and but for a burst of
 * few. */
static uint64_t choose(const uint32_t *lens, unsigned int n)
{
	const uint64_t all = UINT64_MAX >> (SL_AEAD_KERNEL_BURST - n);
	uint32_t rows = 0, left = 0, best = UINT32_MAX;
	uint64_t chosen = 0;

	if (n >= SL_AVX512_GROUP && lens[0] <= 2 * lens[SL_AVX512_GROUP - 1] + SL_AVX512_ROW)
		return all;
	for (unsigned int i = 0; i < n; i++)
		rows += rows_of(lens[i]);
	for (unsigned int skip = 0; skip < n && skip <= OUTLIERS; skip++) {
		uint32_t cost = left + kernel_cost(lens + skip, n - skip, rows);

		if (cost < best) {
			best = cost;
			chosen = all << skip & all;
		}
		left += mb_cost(lens[skip]);
		rows -= rows_of(lens[skip]);
	}
	if (n >= SL_AVX512_GROUP)
		return chosen;
	for (unsigned int i = OUTLIERS + 1; i < n; i++)
		left += mb_cost(lens[i]);
	return left <= best ? 0 : chosen;
}

const struct sl_aead_kernel sl_aead_avx512 = {
        .name = "avx512",
        .scratch_size = sizeof(struct sl_avx512),
        .choose = choose,
        .seal = seal_all,
        .open = open_all,
        .mac = mac_all,
};
