#include "crypto/blake2s_batch.h"

#include <assert.h>
#include <string.h>

#include "crypto/blake2s.h"
#include "crypto/blake2s_kernel.h"
#include "crypto/kdf.h"
#include "crypto/wipe.h"

#define LANES SL_BLAKE2S_LANES_MAX
#define BLOCK SL_HASH_BLOCK_LEN

/* A pass: up to the kernel's lanes of messages. Lanes left over repeat lane 0. */
struct pass {
	const struct sl_blake2s_kernel *kernel;
	unsigned int n;
	uint64_t count; /* bytes mixed in so far */
	struct sl_blake2s_words h;
};

const struct sl_blake2s_kernel *sl_blake2s_kernel_of(enum sl_simd simd)
{
	if (simd == SL_SIMD_AUTO)
		simd = sl_simd_best();
	if (simd >= SL_SIMD_AVX512)
		return &sl_blake2s_avx512;
	return simd >= SL_SIMD_AVX2 ? &sl_blake2s_avx2 : NULL;
}

/* The chaining values of a new hash are the same in all lanes; taken from the one definition that there is. */
static void begin(struct pass *p, size_t out_len, size_t key_len)
{
	static const uint8_t no_key[SL_KEY_LEN];
	struct sl_blake2s s;

	sl_blake2s_init(&s, out_len, no_key, key_len);
	for (unsigned int i = 0; i < 8; i++)
		for (unsigned int lane = 0; lane < p->kernel->lanes; lane++)
			p->h.words[i][lane] = s.h[i];
	p->count = 0;
}

static void mix(struct pass *p, const uint8_t *const *blocks, size_t len, bool last)
{
	const uint8_t *all[LANES];

	for (unsigned int lane = 0; lane < p->kernel->lanes; lane++)
		all[lane] = blocks[lane < p->n ? lane : 0];
	p->count += len;
	p->kernel->compress(&p->h, all, p->count, last);
}

/* Pieces of up to a block each, filled up with zeros. */
static void mix_padded(struct pass *p, const uint8_t *const *pieces, size_t len, size_t counted, bool last)
{
	uint8_t padded[LANES][BLOCK];
	const uint8_t *blocks[LANES];

	for (unsigned int i = 0; i < p->n; i++) {
		if (len > 0)
			memcpy(padded[i], pieces[i], len);
		memset(padded[i] + len, 0, BLOCK - len);
		blocks[i] = padded[i];
	}
	mix(p, blocks, counted, last);
	sl_wipe(padded, p->n * sizeof(padded[0]));
}

/* The messages to their end. At least the last block is mixed, so a message of 0 bytes is one only without a key. */
static void mix_messages(struct pass *p, const uint8_t *const *msgs, size_t len)
{
	const uint8_t *at[LANES];
	size_t done = 0;

	for (; len - done > BLOCK; done += BLOCK) {
		for (unsigned int i = 0; i < p->n; i++)
			at[i] = msgs[i] + done;
		mix(p, at, BLOCK, false);
	}
	for (unsigned int i = 0; i < p->n && len > 0; i++)
		at[i] = msgs[i] + done;
	if (len - done == BLOCK)
		mix(p, at, BLOCK, true);
	else
		mix_padded(p, at, len - done, len - done, true);
}

static void end(struct pass *p, uint8_t *const *outs, size_t out_len)
{
	for (unsigned int i = 0; i < p->n; i++) {
		uint32_t hash[8];

		for (unsigned int k = 0; k < 8; k++)
			hash[k] = p->h.words[k][i];
		memcpy(outs[i], hash, out_len);
		sl_wipe(hash, sizeof(hash));
	}
}

static void hash_pass(struct pass *p, uint8_t *const *outs, size_t out_len, const uint8_t *const *keys, size_t key_len,
        const uint8_t *const *msgs, size_t len)
{
	begin(p, out_len, key_len);
	if (key_len > 0)
		mix_padded(p, keys, key_len, BLOCK, len == 0);
	if (key_len == 0 || len > 0)
		mix_messages(p, msgs, len);
	end(p, outs, out_len);
	sl_wipe(&p->h, sizeof(p->h));
}

/* Clears what a pass has left below the frame of its caller: the kernel's share and that of the functions here. */
static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t left[SL_BLAKE2S_KERNEL_STACK + sizeof(struct pass) + LANES * (BLOCK + 2 * sizeof(void *))];

	sl_wipe(left, sizeof(left));
}

/* How many of n the kernel takes next; 0: the rest goes one by one. */
static unsigned int pass_size(const struct sl_blake2s_kernel *kernel, unsigned int n)
{
	if (kernel == NULL || n < kernel->worth)
		return 0;
	return n < kernel->lanes ? n : kernel->lanes;
}

void sl_blake2s_batch(const struct sl_blake2s_kernel *kernel, uint8_t *const *outs, size_t out_len,
        const uint8_t *const *keys, size_t key_len, const uint8_t *const *msgs, size_t len, unsigned int n)
{
	unsigned int i = 0;

	assert(out_len >= 1 && out_len <= SL_HASH_LEN && key_len <= SL_KEY_LEN);
	for (unsigned int taken; (taken = pass_size(kernel, n - i)) > 0; i += taken) {
		struct pass p = {.kernel = kernel, .n = taken};

		hash_pass(
		        &p, outs + i, out_len, key_len > 0 ? keys + i : NULL, key_len, len > 0 ? msgs + i : NULL, len);
		wipe_stack();
	}
	for (; i < n; i++)
		sl_blake2s(outs[i], out_len, key_len > 0 ? keys[i] : NULL, key_len, len > 0 ? msgs[i] : NULL, len);
}

/* --- HMAC and HKDF in lanes: crypto/kdf.c, with the same names --- */

/* Both pads absorbed, data still to come. */
struct hmac {
	struct pass inner, outer;
};

#define HMAC_INNER_PAD 0x36
#define HMAC_OUTER_PAD 0x5c

static void absorb_pad(struct pass *p, const uint8_t *const *keys, uint8_t pad, bool last)
{
	uint8_t padded[LANES][BLOCK];
	const uint8_t *blocks[LANES];

	for (unsigned int i = 0; i < p->n; i++) {
		for (unsigned int k = 0; k < SL_KEY_LEN; k++)
			padded[i][k] = keys[i][k] ^ pad;
		memset(padded[i] + SL_KEY_LEN, pad, BLOCK - SL_KEY_LEN);
		blocks[i] = padded[i];
	}
	begin(p, SL_HASH_LEN, 0);
	mix(p, blocks, BLOCK, last);
	sl_wipe(padded, p->n * sizeof(padded[0]));
}

/* empty: the messages will have 0 bytes, so the inner pad is all that is hashed. */
static void hmac_init(
        struct hmac *s, const struct sl_blake2s_kernel *kernel, const uint8_t *const *keys, unsigned int n, bool empty)
{
	s->inner.kernel = s->outer.kernel = kernel;
	s->inner.n = s->outer.n = n;
	absorb_pad(&s->inner, keys, HMAC_INNER_PAD, empty);
	absorb_pad(&s->outer, keys, HMAC_OUTER_PAD, false);
}

/* Messages of 0 to BLOCK bytes. The state stays as it was. */
static void hmac_of(const struct hmac *s, uint8_t *const *outs, const uint8_t *const *msgs, size_t len)
{
	struct pass p = s->inner;

	if (len > 0)
		mix_messages(&p, msgs, len);
	end(&p, outs, SL_HASH_LEN);
	p = s->outer;
	mix_messages(&p, (const uint8_t *const *)outs, SL_HASH_LEN);
	end(&p, outs, SL_HASH_LEN);
	sl_wipe(&p, sizeof(p));
}

/* RFC 5869: extract, then expand. The blocks that are expanded go where the outputs are to be only at the end. */
static void kdf_pass(const struct sl_blake2s_kernel *kernel, uint8_t *const *const *outs, unsigned int outputs,
        unsigned int first, const uint8_t *const *cks, const uint8_t *const *data, size_t len, unsigned int n)
{
	uint8_t blocks[SL_KDF_OUTPUTS_MAX + 1][LANES][SL_HASH_LEN + 1];
	uint8_t *rows[SL_KDF_OUTPUTS_MAX + 1][LANES];
	struct hmac s;

	for (unsigned int j = 0; j <= outputs; j++)
		for (unsigned int i = 0; i < n; i++)
			rows[j][i] = blocks[j][i];
	hmac_init(&s, kernel, cks, n, len == 0);
	hmac_of(&s, rows[0], data, len); /* the key of the expansion */
	hmac_init(&s, kernel, (const uint8_t *const *)rows[0], n, false);
	for (unsigned int j = 1; j <= outputs; j++) {
		size_t chained = j > 1 ? SL_HASH_LEN : 0;

		/* the row before, with the number behind it; the first is the number alone */
		for (unsigned int i = 0; i < n; i++)
			rows[j - 1][i][chained] = (uint8_t)j;
		hmac_of(&s, rows[j], (const uint8_t *const *)rows[j - 1], chained + 1);
	}
	wipe_stack();
	for (unsigned int j = 0; j < outputs; j++)
		for (unsigned int i = 0; i < n; i++)
			memcpy(outs[j][first + i], blocks[j + 1][i], SL_HASH_LEN);
	sl_wipe(&s, sizeof(s));
	sl_wipe(blocks, sizeof(blocks));
}

void sl_kdf_batch(const struct sl_blake2s_kernel *kernel, uint8_t *const *const *outs, unsigned int outputs,
        const uint8_t *const *cks, const uint8_t *const *data, size_t len, unsigned int n)
{
	unsigned int i = 0;

	assert(outputs >= 1 && outputs <= SL_KDF_OUTPUTS_MAX && len <= SL_KEY_LEN);
	for (unsigned int taken; (taken = pass_size(kernel, n - i)) > 0; i += taken)
		kdf_pass(kernel, outs, outputs, i, cks + i, len > 0 ? data + i : NULL, len, taken);
	for (; i < n; i++) {
		const uint8_t *in = len > 0 ? data[i] : NULL;

		if (outputs == 1)
			sl_kdf1(outs[0][i], cks[i], in, len);
		else if (outputs == 2)
			sl_kdf2(outs[0][i], outs[1][i], cks[i], in, len);
		else
			sl_kdf3(outs[0][i], outs[1][i], outs[2][i], cks[i], in, len);
	}
}
