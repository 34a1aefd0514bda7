/*
 * The AVX2 kernel of the batch AEAD. Work is cut into units of one ChaCha20 block: the first of a message is its Poly1305
 * key, the others its text. A pass (crypto/aead_avx2_pass.h) runs any 8 units, one a lane. A lane stays with a message until
 * its end and then takes the next, which is shorter; so lanes run dry only when the burst does, and then those that are
 * left share the messages that are. Between changes of the lanes passes follow each other without looking at any of that.
 *
 * Poly1305 runs inside the passes: when opening, over the text that the pass is about to decrypt, whose key some
 * earlier pass has made; when sealing, over what the pass before has encrypted.
 */
#include <string.h>

#include "crypto/aead_avx2_pass.h"
#include "crypto/aead_kernel.h"
#include "crypto/wipe.h"

/* Spans wait for a pass in pairs, in the worst case each with an idle partner. */
#define SPANS_MAX (2 * AVX2_LANES)

/* Bytes of a message that are fetched ahead of its first pass. */
#define AHEAD 256

enum lane_state {
	IDLE,
	KEY,  /* makes its message's one-time key */
	TEXT, /* encrypts or decrypts, block after block */
};

struct lane {
	enum lane_state state;
	uint32_t message; /* its place in the burst */
	uint32_t at;      /* the lane's next byte of text */
	uint32_t stride;  /* bytes of text from one pass to the next */
};

/* What passes absorb. n is even, and those at 2i and 2i + 1 are not of one message. */
struct spans {
	struct avx2_span span[SPANS_MAX];
	uint32_t advance[SPANS_MAX]; /* bytes from one pass to the next */
	unsigned int n;
};

struct scratch {
	struct avx2_lanes lanes;
	uint8_t stream[AVX2_LANES][CHACHA20_BLOCK]; /* key streams that are not xored with text at once */
	struct poly1305 poly[SL_AEAD_KERNEL_BURST];
	struct poly1305 nobody; /* absorbs where a pair lacks a message */
	uint8_t zeros[CHACHA20_BLOCK];
};

/* One call. Nothing in it is secret. */
struct run {
	struct scratch *s;
	struct sl_aead_job *const *jobs;
	uint8_t (*tags)[SL_TAG_LEN]; /* NULL: each job's own */
	unsigned int n, started;     /* messages, and those that a lane has taken */
	bool sealing;
	bool changed; /* lanes have other messages than the scratch says */
	struct lane lane[AVX2_LANES];
	uint32_t left[SL_AEAD_KERNEL_BURST]; /* units of text no lane has done */
	struct spans spans[2];
	struct spans *now, *waiting; /* of the lanes as they are; sealed by the pass before */
	uint8_t ended[AVX2_LANES];   /* messages whose tag is to be made */
	unsigned int n_ended;
};

static uint32_t units(uint32_t len)
{
	return (len + CHACHA20_BLOCK - 1) / CHACHA20_BLOCK;
}

/* Brings what the lanes need next into the cache. */
static void fetch(const struct sl_aead_job *job)
{
	_mm_prefetch((const char *)job->key, _MM_HINT_T0);
	for (uint32_t at = 0; at < AHEAD && at < job->len; at += CHACHA20_BLOCK)
		_mm_prefetch((const char *)job->src + at, _MM_HINT_T0);
}

/* Gives lanes that are idle the next messages. */
static void start(struct run *r)
{
	for (unsigned int i = 0; i < AVX2_LANES && r->started < r->n; i++) {
		struct lane *l = &r->lane[i];

		if (l->state != IDLE)
			continue;
		*l = (struct lane){.state = KEY, .message = r->started, .stride = CHACHA20_BLOCK};
		r->left[r->started] = units(r->jobs[r->started]->len);
		if (r->started + AVX2_LANES < r->n)
			fetch(r->jobs[r->started + AVX2_LANES]);
		r->started++;
		r->changed = true;
	}
}

/* Divides the lanes among the messages under way, once no others come and lanes are idle. */
static void share(struct run *r)
{
	uint32_t message[AVX2_LANES];
	unsigned int n = 0, idle = 0;

	for (unsigned int i = 0; i < AVX2_LANES; i++) {
		bool known = false;

		if (r->lane[i].state == KEY)
			return;
		idle += r->lane[i].state == IDLE;
		for (unsigned int k = 0; k < n; k++)
			known |= message[k] == r->lane[i].message;
		if (r->lane[i].state == TEXT && !known)
			message[n++] = r->lane[i].message;
	}
	if (idle == 0 || n == 0)
		return;
	for (unsigned int i = 0; i < AVX2_LANES; i++) {
		unsigned int which = i % n, lanes = AVX2_LANES / n + (which < AVX2_LANES % n);
		uint32_t m = message[which], len = r->jobs[m]->len;
		uint32_t at = (units(len) - r->left[m] + i / n) * CHACHA20_BLOCK;

		r->lane[i] = (struct lane){.state = at < len ? TEXT : IDLE, .message = m, .at = at};
		r->lane[i].stride = lanes * CHACHA20_BLOCK;
	}
	r->changed = true;
}

/* Writes keys, nonces and counters of the lanes to the scratch. */
static void load(struct run *r)
{
	struct avx2_lanes *lanes = &r->s->lanes;
	uint32_t block[AVX2_LANES], step[AVX2_LANES], lo[AVX2_LANES], hi[AVX2_LANES];

	for (unsigned int i = 0; i < AVX2_LANES; i++) {
		const struct lane *l = &r->lane[i];
		const struct sl_aead_job *job = r->jobs[l->message];

		lanes->key[i] = _mm256_loadu_si256((const __m256i *)job->key);
		block[i] = l->state == TEXT ? 1 + l->at / CHACHA20_BLOCK : 0;
		step[i] = l->stride / CHACHA20_BLOCK;
		lo[i] = (uint32_t)job->counter;
		hi[i] = (uint32_t)(job->counter >> 32);
	}
	avx2_transpose(lanes->key);
	memcpy(&lanes->block, block, sizeof(block));
	memcpy(&lanes->step, step, sizeof(step));
	memcpy(&lanes->nonce_lo, lo, sizeof(lo));
	memcpy(&lanes->nonce_hi, hi, sizeof(hi));
	r->changed = false;
}

static void add_nobody(struct run *r)
{
	r->now->span[r->now->n] = (struct avx2_span){&r->s->nobody, r->s->zeros};
	r->now->advance[r->now->n++] = 0;
}

static void add_span(struct run *r, struct poly1305 *poly, const uint8_t *data, uint32_t advance)
{
	struct spans *s = r->now;

	if (s->n % 2 == 1 && s->span[s->n - 1].poly == poly)
		add_nobody(r);
	s->span[s->n] = (struct avx2_span){poly, data};
	s->advance[s->n++] = advance;
}

/* Points the lanes to their text, or to the scratch; returns how many passes they can go on so. */
static uint32_t aim(struct run *r)
{
	struct avx2_lanes *lanes = &r->s->lanes;
	uint32_t passes = UINT32_MAX;

	r->now->n = 0;
	for (unsigned int i = 0; i < AVX2_LANES; i++) {
		const struct lane *l = &r->lane[i];
		const struct sl_aead_job *job = r->jobs[l->message];
		uint32_t whole = l->state == TEXT ? (job->len - l->at) / CHACHA20_BLOCK : 0;

		if (whole == 0) {
			lanes->src[i] = r->s->zeros;
			lanes->dst[i] = r->s->stream[i];
			lanes->advance[i] = 0;
			if (l->state != IDLE)
				passes = 1;
			continue;
		}
		lanes->src[i] = job->src + l->at;
		lanes->dst[i] = job->dst + l->at;
		lanes->advance[i] = l->stride;
		add_span(r, &r->s->poly[l->message], r->sealing ? lanes->dst[i] : lanes->src[i], l->stride);
		if (l->stride > CHACHA20_BLOCK)
			whole = (whole - 1) / (l->stride / CHACHA20_BLOCK) + 1;
		passes = whole < passes ? whole : passes;
	}
	if (r->now->n % 2 == 1)
		add_nobody(r);
	return passes;
}

static void absorb(const struct spans *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		poly1305_blocks(s->span[i].poly, s->span[i].data, CHACHA20_BLOCK);
}

/* One pass, and the spans beside it, which move on. */
static void go(struct run *r, struct spans *s)
{
	if (s->n == 0) {
		avx2_pass(&r->s->lanes);
	} else if (s->n > AVX2_SPANS) {
		absorb(s);
		avx2_pass(&r->s->lanes);
	} else {
		for (unsigned int i = s->n; i < AVX2_SPANS; i++)
			s->span[i] = (struct avx2_span){&r->s->nobody, r->s->zeros};
		avx2_pass_and_absorb(&r->s->lanes, s->span);
	}
}

static void move_on(struct spans *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		s->span[i].data += s->advance[i];
}

/* Makes the tags of messages whose whole blocks have all been absorbed. */
static void finish(struct run *r)
{
	for (unsigned int i = 0; i < r->n_ended; i++) {
		const struct sl_aead_job *job = r->jobs[r->ended[i]];
		const uint8_t *text = r->sealing ? job->dst : job->src;
		uint32_t rest = job->len % CHACHA20_BLOCK;

		poly1305_finish(&r->s->poly[r->ended[i]], text + (job->len - rest), rest, job->len,
		        r->tags != NULL ? r->tags[r->ended[i]] : job->tag);
	}
	r->n_ended = 0;
}

/* As many passes as the lanes can go without a change. */
static uint32_t go_on(struct run *r)
{
	uint32_t passes = aim(r);

	if (r->sealing) {
		struct spans *sealed = r->now;

		go(r, r->waiting);
		finish(r);
		for (uint32_t i = 1; i < passes; i++) {
			go(r, sealed);
			move_on(sealed);
		}
		r->now = r->waiting;
		r->waiting = sealed;
		return passes;
	}
	for (uint32_t i = 0; i < passes; i++) {
		go(r, r->now);
		move_on(r->now);
	}
	return passes;
}

/* Xors n < 64 bytes. */
static void xor_rest(uint8_t *dst, const uint8_t *src, const uint8_t *stream, uint32_t n)
{
	uint32_t at = 0;

	for (; at + sizeof(__m128i) <= n; at += sizeof(__m128i)) {
		__m128i text = _mm_loadu_si128((const __m128i *)(src + at));

		_mm_storeu_si128((__m128i *)(dst + at),
		        _mm_xor_si128(text, _mm_loadu_si128((const __m128i *)(stream + at))));
	}
	if (n - at >= sizeof(uint64_t)) {
		sl_store_le64(dst + at, sl_load_le64(src + at) ^ sl_load_le64(stream + at));
		at += sizeof(uint64_t);
	}
	for (; at < n; at++)
		dst[at] = src[at] ^ stream[at];
}

/* Looks what the lanes have done in that many passes, and what they do next. */
static void settle(struct run *r, uint32_t passes)
{
	unsigned int rests = 0;
	uint32_t rest_at[AVX2_LANES];

	for (unsigned int i = 0; i < AVX2_LANES; i++) {
		struct lane *l = &r->lane[i];
		uint32_t len = r->jobs[l->message]->len;

		if (l->state == IDLE)
			continue;
		if (l->state == KEY) {
			poly1305_init(&r->s->poly[l->message], r->s->stream[i]);
			l->state = len > 0 ? TEXT : IDLE;
		} else {
			if (len - l->at < CHACHA20_BLOCK) {
				rests |= 1u << i;
				rest_at[i] = l->at;
			}
			r->left[l->message] -= passes;
			l->at += passes * l->stride;
			if (l->at >= len)
				l->state = IDLE;
		}
		if (r->left[l->message] == 0)
			r->ended[r->n_ended++] = (uint8_t)l->message;
	}
	/* When opening in place, the rest of the ciphertext is still needed. */
	if (!r->sealing)
		finish(r);
	for (; rests != 0; rests &= rests - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(rests);
		const struct sl_aead_job *job = r->jobs[r->lane[i].message];

		xor_rest(job->dst + rest_at[i], job->src + rest_at[i], r->s->stream[i], job->len - rest_at[i]);
	}
}

/* Clears what is secret in scratch and registers. */
static void clear(struct scratch *s, unsigned int n)
{
	sl_wipe(s->lanes.key, sizeof(s->lanes.key));
	sl_wipe(s->stream, sizeof(s->stream));
	sl_wipe(s->poly, n * sizeof(s->poly[0]));
	sl_wipe(&s->nobody, sizeof(s->nobody));
	_mm256_zeroall();
}

static void run(struct scratch *s, struct sl_aead_job *const *jobs, uint8_t (*tags)[SL_TAG_LEN], unsigned int n,
        bool sealing)
{
	struct run r;

	r.s = s;
	r.jobs = jobs;
	r.tags = tags;
	r.n = n;
	r.started = r.n_ended = 0;
	r.sealing = sealing;
	memset(r.lane, 0, sizeof(r.lane));
	r.now = &r.spans[0];
	r.waiting = &r.spans[1];
	r.waiting->n = 0;
	for (unsigned int i = 0; i < AVX2_LANES && i < n; i++)
		fetch(jobs[i]);
	for (;;) {
		unsigned int busy = 0;

		if (r.started < n)
			start(&r);
		else
			share(&r);
		for (unsigned int i = 0; i < AVX2_LANES; i++)
			busy |= r.lane[i].state;
		if (busy == IDLE)
			break;
		if (r.changed)
			load(&r);
		settle(&r, go_on(&r));
	}
	absorb(r.waiting);
	finish(&r);
	clear(s, n);
}

static void seal(void *scratch, struct sl_aead_job *const *jobs, unsigned int n)
{
	run(scratch, jobs, NULL, n, true);
}

static void open(void *scratch, struct sl_aead_job *const *jobs, uint8_t (*tags)[SL_TAG_LEN], unsigned int n)
{
	run(scratch, jobs, tags, n, false);
}

static void mac(void *scratch, struct sl_aead_job *const *jobs, const uint8_t (*keys)[SL_KEY_LEN],
        uint8_t (*tags)[SL_TAG_LEN], unsigned int n)
{
	struct scratch *s = scratch;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t rest = jobs[i]->len % CHACHA20_BLOCK;

		poly1305_init(&s->poly[i], keys[i]);
		poly1305_blocks(&s->poly[i], jobs[i]->src, jobs[i]->len - rest);
		poly1305_finish(&s->poly[i], jobs[i]->src + (jobs[i]->len - rest), rest, jobs[i]->len, tags[i]);
	}
	clear(s, n);
}

static uint64_t choose(const uint32_t *lens, unsigned int n)
{
	return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

const struct sl_aead_kernel sl_aead_avx2 = {
        .name = "avx2",
        .scratch_size = (sizeof(struct scratch) + SL_AEAD_SCRATCH_ALIGN - 1) / SL_AEAD_SCRATCH_ALIGN * SL_AEAD_SCRATCH_ALIGN,
        .choose = choose,
        .seal = seal,
        .open = open,
        .mac = mac,
};
