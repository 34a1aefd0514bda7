#include "crypto/ikpsk2.h"

#include <assert.h>
#include <string.h>

#include "crypto/aead_single.h"
#include "crypto/blake2s.h"
#include "crypto/blake2s_batch.h"
#include "crypto/wipe.h"
#include "crypto/x25519_batch.h"

/* Every key encrypts once, so every nonce is 0. */
#define HANDSHAKE_NONCE 0

#define ENC_STATIC_LEN (SL_KEY_LEN + SL_TAG_LEN)

/* BLAKE2s(SL_NOISE_CONSTRUCTION): longer than a hash, so the name is hashed. */
static const uint8_t initial_ck[SL_HASH_LEN] = {
        0x60, 0xe2, 0x6d, 0xae, 0xf3, 0x27, 0xef, 0xc0, 0x2e, 0xc3, 0x35, 0xe2, 0xa0, 0x25, 0xd2, 0xd0, //
        0x16, 0xeb, 0x42, 0x06, 0xf8, 0x72, 0x77, 0xf5, 0x2d, 0x38, 0xd1, 0x98, 0x8b, 0x78, 0xcd, 0x36, //
};

#define LOT     SL_IKPSK2_BATCH
#define MIX_MAX ENC_STATIC_LEN /* the longest thing that is hashed beside h */
static_assert(SL_IKPSK2_PAYLOAD_MAX + SL_TAG_LEN <= MIX_MAX, "a payload is not longer than a key");

/*
 * The handshakes of one call. Each token is taken by all of them before the next one. One that has failed goes on with
 * the others, and its state is wiped in the end. What is secret here is wiped by finish.
 */
struct lot {
	enum sl_simd simd;
	const struct sl_blake2s_kernel *hash;
	unsigned int n;
	struct sl_ikpsk2_job *jobs;
	uint8_t *ck[LOT], *key[LOT];
	struct sl_x25519_job dh[3 * LOT]; /* of the first token of all, then of the second … */
	unsigned int n_dh;
	uint8_t keys[LOT][SL_KEY_LEN]; /* the cipher key that the last token gave */
	uint8_t shared[2][LOT][SL_KEY_LEN];
};

static void begin(struct lot *lot, enum sl_simd simd, struct sl_ikpsk2_job *jobs, unsigned int n)
{
	assert(n <= LOT);
	lot->simd = simd;
	lot->hash = sl_blake2s_kernel_of(simd);
	lot->jobs = jobs;
	lot->n = n;
	lot->n_dh = 0;
	for (unsigned int i = 0; i < n; i++) {
		lot->ck[i] = jobs[i].s->ck;
		lot->key[i] = lot->keys[i];
		jobs[i].result = SL_NOISE_OK;
	}
}

/* The cause that comes first stays. */
static void fail(struct sl_ikpsk2_job *job, enum sl_noise_result cause)
{
	if (job->result == SL_NOISE_OK)
		job->result = cause;
}

/* data: len bytes of each. */
static void mix_hash(struct lot *lot, const uint8_t *const *data, size_t len)
{
	uint8_t rows[LOT][SL_HASH_LEN + MIX_MAX];
	const uint8_t *msgs[LOT];
	uint8_t *outs[LOT];

	assert(len <= MIX_MAX);
	for (unsigned int i = 0; i < lot->n; i++) {
		outs[i] = lot->jobs[i].s->h;
		msgs[i] = rows[i];
		memcpy(rows[i], outs[i], SL_HASH_LEN);
		memcpy(rows[i] + SL_HASH_LEN, data[i], len);
	}
	sl_blake2s_batch(lot->hash, outs, SL_HASH_LEN, NULL, 0, msgs, SL_HASH_LEN + len, lot->n);
	sl_wipe(rows, lot->n * sizeof(rows[0]));
}

/* Token `e` under a PSK pattern: the ephemeral goes into the hash and into the chaining key. */
static void mix_ephemeral(struct lot *lot, const uint8_t *const *e_public)
{
	uint8_t *const *const outs[] = {lot->ck};

	mix_hash(lot, e_public, SL_KEY_LEN);
	sl_kdf_batch(lot->hash, outs, 1, (const uint8_t *const *)lot->ck, e_public, SL_KEY_LEN, lot->n);
}

/* The next cipher key, and the chaining key, from 32 bytes of each. */
static void mix_key(struct lot *lot, const uint8_t *const *data)
{
	uint8_t *const *const outs[] = {lot->ck, lot->key};

	sl_kdf_batch(lot->hash, outs, 2, (const uint8_t *const *)lot->ck, data, SL_KEY_LEN, lot->n);
}

/* Asks for a DH, or with NULL for a public key; of one kind for all jobs, then of the next. */
static void want_dh(struct lot *lot, const uint8_t *private_key, const uint8_t *public_key, uint8_t *out)
{
	lot->dh[lot->n_dh++] = (struct sl_x25519_job){.private_key = private_key, .public_key = public_key, .out = out};
}

/* Does all that was asked for. Those of each kind stand in the order of the jobs. */
static void compute_dh(struct lot *lot)
{
	sl_x25519_batch(lot->simd, lot->dh, lot->n_dh);
	for (unsigned int i = 0; i < lot->n_dh; i++)
		if (!lot->dh[i].ok)
			fail(&lot->jobs[i % lot->n], SL_NOISE_BAD_KEY);
}

/* A DH token, of the results that compute_dh has put there. */
static void mix_dh(struct lot *lot, uint8_t (*shared)[SL_KEY_LEN])
{
	const uint8_t *data[LOT];

	for (unsigned int i = 0; i < lot->n; i++)
		data[i] = shared[i];
	mix_key(lot, data);
}

/* Token `ss`, whose DH is cached; refused all the same where it is zero. */
static void mix_ss(struct lot *lot)
{
	const uint8_t *data[LOT];

	for (unsigned int i = 0; i < lot->n; i++) {
		data[i] = lot->jobs[i].ss;
		if (sl_is_zero(data[i], SL_KEY_LEN))
			fail(&lot->jobs[i], SL_NOISE_BAD_KEY);
	}
	mix_key(lot, data);
}

/* Token `psk`. */
static void mix_psk(struct lot *lot)
{
	uint8_t taus[LOT][SL_HASH_LEN];
	uint8_t *tau[LOT];
	uint8_t *const *const outs[] = {lot->ck, tau, lot->key};
	const uint8_t *psk[LOT];

	for (unsigned int i = 0; i < lot->n; i++) {
		psk[i] = lot->jobs[i].psk;
		tau[i] = taus[i];
	}
	sl_kdf_batch(lot->hash, outs, 3, (const uint8_t *const *)lot->ck, psk, SL_KEY_LEN, lot->n);
	mix_hash(lot, (const uint8_t *const *)tau, SL_HASH_LEN);
	sl_wipe(taus, lot->n * sizeof(taus[0]));
}

/* src: len bytes of each; out gets SL_TAG_LEN more. */
static void encrypt_and_hash(struct lot *lot, const uint8_t *const *src, size_t len, uint8_t *const *out)
{
	for (unsigned int i = 0; i < lot->n; i++) {
		const struct sl_ikpsk2 *s = lot->jobs[i].s;

		sl_aead_seal(out[i], src[i], len, s->h, sizeof(s->h), HANDSHAKE_NONCE, lot->key[i]);
	}
	mix_hash(lot, (const uint8_t *const *)out, len + SL_TAG_LEN);
}

/* len: bytes of plaintext. One that has failed is not decrypted. */
static void decrypt_and_hash(struct lot *lot, const uint8_t *const *enc, size_t len, uint8_t *const *out)
{
	for (unsigned int i = 0; i < lot->n; i++) {
		struct sl_ikpsk2_job *job = &lot->jobs[i];
		const uint8_t *h = job->s->h;

		if (job->result == SL_NOISE_OK &&
		        !sl_aead_open(out[i], enc[i], len + SL_TAG_LEN, h, SL_HASH_LEN, HANDSHAKE_NONCE, lot->key[i]))
			fail(job, SL_NOISE_BAD_AUTH);
	}
	mix_hash(lot, enc, len + SL_TAG_LEN);
}

/* The one way out: the cipher keys always go, the states go unless all went well. */
static void finish(struct lot *lot)
{
	for (unsigned int i = 0; i < lot->n; i++) {
		struct sl_ikpsk2_job *job = &lot->jobs[i];

		if (job->result != SL_NOISE_OK)
			sl_wipe(job->s, sizeof(*job->s));
	}
	sl_wipe(lot->keys, lot->n * sizeof(lot->keys[0]));
	for (unsigned int kind = 0; kind < 2; kind++)
		sl_wipe(lot->shared[kind], lot->n * sizeof(lot->shared[kind][0]));
}

static void hash_in(uint8_t h[SL_HASH_LEN], const void *data, size_t len)
{
	struct sl_blake2s hash;

	sl_blake2s_init(&hash, SL_HASH_LEN, NULL, 0);
	sl_blake2s_update(&hash, h, SL_HASH_LEN);
	sl_blake2s_update(&hash, data, len);
	sl_blake2s_final(&hash, h);
}

void sl_ikpsk2_start(
        struct sl_ikpsk2 *s, const void *prologue, size_t prologue_len, const uint8_t responder_static[SL_KEY_LEN])
{
	memset(s, 0, sizeof(*s));
	memcpy(s->ck, initial_ck, sizeof(s->ck));
	memcpy(s->h, initial_ck, sizeof(s->h));
	hash_in(s->h, prologue, prologue_len);
	hash_in(s->h, responder_static, SL_KEY_LEN); /* <- s */
}

void sl_ikpsk2_write1_batch(enum sl_simd simd, struct sl_ikpsk2_job *jobs, unsigned int n, size_t payload_len)
{
	const uint8_t *own[LOT] = {NULL}, *payload[LOT] = {NULL};
	uint8_t *e[LOT], *enc_static[LOT] = {NULL}, *enc_payload[LOT] = {NULL};
	struct lot lot;

	begin(&lot, simd, jobs, n);
	for (unsigned int i = 0; i < n; i++) {
		struct sl_ikpsk2 *s = jobs[i].s;

		memcpy(s->e_private, jobs[i].e_private, SL_KEY_LEN);
		memcpy(s->rs, jobs[i].rs, SL_KEY_LEN);
		own[i] = jobs[i].own_public;
		payload[i] = jobs[i].payload;
		e[i] = jobs[i].out;
		enc_static[i] = e[i] + SL_KEY_LEN;
		enc_payload[i] = enc_static[i] + ENC_STATIC_LEN;
		want_dh(&lot, s->e_private, NULL, e[i]);
	}
	for (unsigned int i = 0; i < n; i++)
		want_dh(&lot, jobs[i].s->e_private, jobs[i].s->rs, lot.shared[0][i]);
	compute_dh(&lot);

	/* e */
	mix_ephemeral(&lot, (const uint8_t *const *)e);
	/* es */
	mix_dh(&lot, lot.shared[0]);
	/* s */
	encrypt_and_hash(&lot, own, SL_KEY_LEN, enc_static);
	/* ss */
	mix_ss(&lot);
	/* {payload} */
	encrypt_and_hash(&lot, payload, payload_len, enc_payload);

	for (unsigned int i = 0; i < n; i++)
		if (jobs[i].result != SL_NOISE_OK)
			sl_wipe(jobs[i].out, SL_IKPSK2_MSG1_LEN(payload_len));
	finish(&lot);
}

void sl_ikpsk2_read1_static_batch(enum sl_simd simd, struct sl_ikpsk2_job *jobs, unsigned int n)
{
	const uint8_t *e[LOT], *enc_static[LOT];
	uint8_t *rs[LOT];
	struct lot lot;

	begin(&lot, simd, jobs, n);
	for (unsigned int i = 0; i < n; i++) {
		struct sl_ikpsk2 *s = jobs[i].s;

		memcpy(s->re, jobs[i].msg, SL_KEY_LEN);
		e[i] = s->re;
		enc_static[i] = jobs[i].msg + SL_KEY_LEN;
		rs[i] = s->rs;
		want_dh(&lot, jobs[i].own_private, s->re, lot.shared[0][i]);
	}
	compute_dh(&lot);

	/* e */
	mix_ephemeral(&lot, e);
	/* es */
	mix_dh(&lot, lot.shared[0]);
	/* s */
	decrypt_and_hash(&lot, enc_static, SL_KEY_LEN, rs);
	finish(&lot);
}

void sl_ikpsk2_read1_payload_batch(enum sl_simd simd, struct sl_ikpsk2_job *jobs, unsigned int n, size_t payload_len)
{
	const uint8_t *enc[LOT];
	uint8_t *payload[LOT];
	struct lot lot;

	begin(&lot, simd, jobs, n);
	for (unsigned int i = 0; i < n; i++) {
		enc[i] = jobs[i].msg;
		payload[i] = jobs[i].out;
	}
	/* ss */
	mix_ss(&lot);
	/* {payload} */
	decrypt_and_hash(&lot, enc, payload_len, payload);
	finish(&lot);
}

void sl_ikpsk2_write2_batch(enum sl_simd simd, struct sl_ikpsk2_job *jobs, unsigned int n, size_t payload_len)
{
	const uint8_t *payload[LOT] = {NULL};
	uint8_t *e[LOT], *enc[LOT] = {NULL};
	struct lot lot;

	begin(&lot, simd, jobs, n);
	for (unsigned int i = 0; i < n; i++) {
		memcpy(jobs[i].s->e_private, jobs[i].e_private, SL_KEY_LEN);
		e[i] = jobs[i].out;
		enc[i] = e[i] + SL_KEY_LEN;
		payload[i] = jobs[i].payload;
		want_dh(&lot, jobs[i].s->e_private, NULL, e[i]);
	}
	for (unsigned int i = 0; i < n; i++)
		want_dh(&lot, jobs[i].s->e_private, jobs[i].s->re, lot.shared[0][i]);
	for (unsigned int i = 0; i < n; i++)
		want_dh(&lot, jobs[i].s->e_private, jobs[i].s->rs, lot.shared[1][i]);
	compute_dh(&lot);

	/* e */
	mix_ephemeral(&lot, (const uint8_t *const *)e);
	/* ee */
	mix_dh(&lot, lot.shared[0]);
	/* se */
	mix_dh(&lot, lot.shared[1]);
	/* psk */
	mix_psk(&lot);
	/* {payload} */
	encrypt_and_hash(&lot, payload, payload_len, enc);

	for (unsigned int i = 0; i < n; i++)
		if (jobs[i].result != SL_NOISE_OK)
			sl_wipe(jobs[i].out, SL_IKPSK2_MSG2_LEN(payload_len));
	finish(&lot);
}

void sl_ikpsk2_read2_batch(enum sl_simd simd, struct sl_ikpsk2_job *jobs, unsigned int n, size_t payload_len)
{
	const uint8_t *e[LOT], *enc[LOT];
	uint8_t *payload[LOT];
	struct lot lot;

	begin(&lot, simd, jobs, n);
	for (unsigned int i = 0; i < n; i++) {
		struct sl_ikpsk2 *s = jobs[i].s;

		memcpy(s->re, jobs[i].msg, SL_KEY_LEN);
		e[i] = s->re;
		enc[i] = jobs[i].msg + SL_KEY_LEN;
		payload[i] = jobs[i].out;
		want_dh(&lot, s->e_private, s->re, lot.shared[0][i]);
	}
	for (unsigned int i = 0; i < n; i++)
		want_dh(&lot, jobs[i].own_private, jobs[i].s->re, lot.shared[1][i]);
	compute_dh(&lot);

	/* e */
	mix_ephemeral(&lot, e);
	/* ee */
	mix_dh(&lot, lot.shared[0]);
	/* se */
	mix_dh(&lot, lot.shared[1]);
	/* psk */
	mix_psk(&lot);
	/* {payload} */
	decrypt_and_hash(&lot, enc, payload_len, payload);
	finish(&lot);
}

void sl_ikpsk2_split_batch(enum sl_simd simd, struct sl_ikpsk2 *const *s, uint8_t *const *initiator_to_responder,
        uint8_t *const *responder_to_initiator, unsigned int n)
{
	uint8_t *const *const outs[] = {initiator_to_responder, responder_to_initiator};
	const uint8_t *ck[LOT];

	assert(n <= LOT);
	for (unsigned int i = 0; i < n; i++)
		ck[i] = s[i]->ck;
	sl_kdf_batch(sl_blake2s_kernel_of(simd), outs, 2, ck, NULL, 0, n);
	for (unsigned int i = 0; i < n; i++)
		sl_wipe(s[i], sizeof(*s[i]));
}

/* --- one handshake --- */

enum sl_noise_result sl_ikpsk2_write1(struct sl_ikpsk2 *s, const uint8_t own_public[SL_KEY_LEN],
        const uint8_t rs[SL_KEY_LEN], const uint8_t ss[SL_KEY_LEN], const uint8_t e_private[SL_KEY_LEN],
        const void *payload, size_t payload_len, uint8_t *out)
{
	struct sl_ikpsk2_job job = {.s = s,
	        .own_public = own_public,
	        .rs = rs,
	        .ss = ss,
	        .e_private = e_private,
	        .payload = payload,
	        .out = out};

	sl_ikpsk2_write1_batch(SL_SIMD_AUTO, &job, 1, payload_len);
	return job.result;
}

enum sl_noise_result sl_ikpsk2_read1_static(
        struct sl_ikpsk2 *s, const uint8_t own_private[SL_KEY_LEN], const uint8_t *msg)
{
	struct sl_ikpsk2_job job = {.s = s, .own_private = own_private, .msg = msg};

	sl_ikpsk2_read1_static_batch(SL_SIMD_AUTO, &job, 1);
	return job.result;
}

enum sl_noise_result sl_ikpsk2_read1_payload(
        struct sl_ikpsk2 *s, const uint8_t ss[SL_KEY_LEN], const uint8_t *enc, size_t payload_len, void *payload)
{
	struct sl_ikpsk2_job job = {.s = s, .ss = ss, .msg = enc, .out = payload};

	sl_ikpsk2_read1_payload_batch(SL_SIMD_AUTO, &job, 1, payload_len);
	return job.result;
}

enum sl_noise_result sl_ikpsk2_write2(struct sl_ikpsk2 *s, const uint8_t psk[SL_KEY_LEN],
        const uint8_t e_private[SL_KEY_LEN], const void *payload, size_t payload_len, uint8_t *out)
{
	struct sl_ikpsk2_job job = {.s = s, .psk = psk, .e_private = e_private, .payload = payload, .out = out};

	sl_ikpsk2_write2_batch(SL_SIMD_AUTO, &job, 1, payload_len);
	return job.result;
}

enum sl_noise_result sl_ikpsk2_read2(struct sl_ikpsk2 *s, const uint8_t own_private[SL_KEY_LEN],
        const uint8_t psk[SL_KEY_LEN], const uint8_t *msg, size_t payload_len, void *payload)
{
	struct sl_ikpsk2_job job = {.s = s, .own_private = own_private, .psk = psk, .msg = msg, .out = payload};

	sl_ikpsk2_read2_batch(SL_SIMD_AUTO, &job, 1, payload_len);
	return job.result;
}

void sl_ikpsk2_split(
        struct sl_ikpsk2 *s, uint8_t initiator_to_responder[SL_KEY_LEN], uint8_t responder_to_initiator[SL_KEY_LEN])
{
	sl_ikpsk2_split_batch(SL_SIMD_AUTO, &s, &initiator_to_responder, &responder_to_initiator, 1);
}
