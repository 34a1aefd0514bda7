#include "bench/reference.h"

#include <stdlib.h>

#include <intel-ipsec-mb.h>

#include "crypto/bytes.h"

struct bench_reference {
	IMB_MGR *mgr;
	uint8_t nonces[BENCH_REFERENCE_BURST][SL_AEAD_NONCE_LEN];
	uint8_t tags[BENCH_REFERENCE_BURST][SL_TAG_LEN];
};

struct bench_reference *
bench_reference_create(void)
{
	struct bench_reference *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->mgr = alloc_mb_mgr(0);
	if (r->mgr)
		init_mb_mgr_auto(r->mgr, NULL);
	if (!r->mgr || imb_get_errno(r->mgr) != 0) {
		bench_reference_destroy(r);
		return NULL;
	}
	return r;
}

void
bench_reference_destroy(struct bench_reference *r)
{
	if (r && r->mgr)
		free_mb_mgr(r->mgr);
	free(r);
}

static void
fill(struct bench_reference *r, IMB_JOB *out, const struct sl_aead_job *job, unsigned i, bool opening)
{
	sl_store_le64(r->nonces[i] + SL_AEAD_NONCE_LEN - sizeof(uint64_t), job->counter);
	out->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	out->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	out->cipher_direction = opening ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;
	out->chain_order = opening ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
	out->enc_keys = out->dec_keys = job->key;
	out->key_len_in_bytes = SL_KEY_LEN;
	out->iv = r->nonces[i];
	out->iv_len_in_bytes = SL_AEAD_NONCE_LEN;
	out->src = job->src;
	out->dst = job->dst;
	out->cipher_start_src_offset_in_bytes = out->hash_start_src_offset_in_bytes = 0;
	out->msg_len_to_cipher_in_bytes = out->msg_len_to_hash_in_bytes = job->len;
	out->u.CHACHA20_POLY1305.aad = NULL;
	out->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	out->auth_tag_output = opening ? r->tags[i] : job->tag;
	out->auth_tag_output_len_in_bytes = SL_TAG_LEN;
}

static void
run_jobs(struct bench_reference *r, const struct sl_aead_job *jobs, unsigned n, bool opening)
{
	unsigned done = 0;

	for (unsigned i = 0; i < n; i++) {
		fill(r, IMB_GET_NEXT_JOB(r->mgr), &jobs[i], i, opening);
		done += IMB_SUBMIT_JOB_NOCHECK(r->mgr) != NULL;
	}
	while (done < n && IMB_FLUSH_JOB(r->mgr) != NULL)
		done++;
}

static void
run_burst(struct bench_reference *r, const struct sl_aead_job *jobs, unsigned n, bool opening)
{
	IMB_JOB *burst[BENCH_REFERENCE_BURST];
	unsigned done;

	if (IMB_GET_NEXT_BURST(r->mgr, n, burst) != n)
		abort();
	for (unsigned i = 0; i < n; i++)
		fill(r, burst[i], &jobs[i], i, opening);
	done = IMB_SUBMIT_BURST_NOCHECK(r->mgr, n, burst);
	while (done < n)
		done += IMB_FLUSH_BURST(r->mgr, n - done, burst);
}

void
bench_reference_run(
	struct bench_reference *r, enum bench_reference_api api, struct sl_aead_job *jobs, unsigned n, bool opening)
{
	if (api == BENCH_REFERENCE_JOB)
		run_jobs(r, jobs, n, opening);
	else
		run_burst(r, jobs, n, opening);
	for (unsigned i = 0; i < n; i++)
		jobs[i].ok = !opening ||
			((sl_load_le64(jobs[i].tag) ^ sl_load_le64(r->tags[i])) |
				(sl_load_le64(jobs[i].tag + 8) ^ sl_load_le64(r->tags[i] + 8))) == 0;
}
