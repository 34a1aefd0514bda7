/*
 * ipsec-mb's burst API without checks: the arguments are ours and right by construction, and its ChaCha20-Poly1305
 * completes each job as it is submitted. The library was built to clear its stack and registers (SAFE_DATA), which init
 * insists on; as its SSE code leaves key stream on the stack even so, we clear that ourselves.
 */
#include "crypto/aead_mb.h"

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/bytes.h"
#include "crypto/wipe.h"

static_assert(SL_AEAD_MB_BURST <= IMB_MAX_BURST_SIZE, "a burst fits the manager");

/*
 * At the AVX2 level, messages up to this many bytes go to the SSE code, which is the faster one there: 403 against 592
 * TSC cycles at 64 bytes, 590 against 738 at 192, but 842 against 781 at 256.
 */
#define AVX2_SMALL_LEN 192

static IMB_MGR *manager(enum sl_simd simd, int *err)
{
	IMB_MGR *mgr = alloc_mb_mgr(0);

	if (mgr == NULL) {
		*err = ENOMEM;
		return NULL;
	}
	if (simd == SL_SIMD_AVX512)
		init_mb_mgr_avx512(mgr);
	else if (simd == SL_SIMD_AVX2)
		init_mb_mgr_avx2(mgr);
	else
		init_mb_mgr_sse(mgr);
	if (imb_get_errno(mgr) != 0 || (mgr->features & IMB_FEATURE_SAFE_DATA) == 0) {
		free_mb_mgr(mgr);
		*err = ENOSYS;
		return NULL;
	}
	return mgr;
}

static void manager_free(IMB_MGR *mgr, size_t size)
{
	if (mgr == NULL)
		return;
	imb_clear_mem(mgr, size);
	free_mb_mgr(mgr);
}

int sl_aead_mb_init(struct sl_aead_mb *mb, enum sl_simd simd)
{
	int err = 0;

	*mb = (struct sl_aead_mb){.mgr_size = imb_get_mb_mgr_size()};
	mb->large = manager(simd, &err);
	if (err == 0 && simd == SL_SIMD_AVX2)
		mb->small = manager(SL_SIMD_SSE, &err);
	return err;
}

void sl_aead_mb_destroy(struct sl_aead_mb *mb)
{
	manager_free(mb->small, mb->mgr_size);
	manager_free(mb->large, mb->mgr_size);
}

/* Fills one library job. The tag goes to tag: the packet's when sealing, ours to compare when opening. */
static void fill(IMB_JOB *out, struct sl_aead_job *job, IMB_CIPHER_DIRECTION direction, uint8_t *nonce, uint8_t *tag)
{
	sl_store_le32(nonce, 0);
	sl_store_le64(nonce + sizeof(uint32_t), job->counter);
	out->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	out->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	out->cipher_direction = direction;
	out->chain_order = direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	out->enc_keys = job->key;
	out->dec_keys = job->key;
	out->key_len_in_bytes = SL_KEY_LEN;
	out->iv = nonce;
	out->iv_len_in_bytes = SL_AEAD_NONCE_LEN;
	out->src = job->src;
	out->dst = job->dst;
	out->cipher_start_src_offset_in_bytes = 0;
	out->hash_start_src_offset_in_bytes = 0;
	out->msg_len_to_cipher_in_bytes = job->len;
	out->msg_len_to_hash_in_bytes = job->len;
	out->u.CHACHA20_POLY1305.aad = NULL;
	out->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	out->auth_tag_output = tag;
	out->auth_tag_output_len_in_bytes = SL_TAG_LEN;
	out->user_data = job;
}

/* Marks what the library gives back. */
static void collect(IMB_JOB *const *done, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		((struct sl_aead_job *)done[i]->user_data)->ok = done[i]->status == IMB_STATUS_COMPLETED;
}

/* More than the library's functions have on the stack. */
#define LIBRARY_STACK 4096

/* Clears what the library has left below the frame of its caller, which calls this next. */
static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t left[LIBRARY_STACK];

	sl_wipe(left, sizeof(left));
}

/* Runs at most SL_AEAD_MB_BURST jobs of one manager; none is left in it. Sets ok where the library did its work. */
static void run(
        IMB_MGR *mgr, struct sl_aead_job *const *jobs, uint8_t *const *tags, uint32_t n, IMB_CIPHER_DIRECTION direction)
{
	uint8_t nonce[SL_AEAD_MB_BURST][SL_AEAD_NONCE_LEN];
	IMB_JOB *batch[SL_AEAD_MB_BURST];
	uint32_t done;

	if (n == 0)
		return;
	/* The manager is empty between calls, so its 256 places always hold a burst. */
	if (IMB_GET_NEXT_BURST(mgr, n, batch) != n)
		return;
	for (uint32_t i = 0; i < n; i++)
		fill(batch[i], jobs[i], direction, nonce[i], tags[i]);
	done = IMB_SUBMIT_BURST_NOCHECK(mgr, n, batch);
	collect(batch, done);
	while (done < n) {
		uint32_t more = IMB_FLUSH_BURST(mgr, n - done, batch);

		if (more == 0)
			break;
		collect(batch, more);
		done += more;
	}
	wipe_stack();
}

/* Splits jobs by length over the managers. tags: where the tags go, or NULL for each job's own. */
static void run_by_length(struct sl_aead_mb *mb, struct sl_aead_job *const *jobs, uint8_t (*tags)[SL_TAG_LEN],
        uint32_t n, IMB_CIPHER_DIRECTION direction)
{
	struct sl_aead_job *small[SL_AEAD_MB_BURST], *large[SL_AEAD_MB_BURST];
	uint8_t *small_tags[SL_AEAD_MB_BURST], *large_tags[SL_AEAD_MB_BURST];
	uint32_t n_small = 0, n_large = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint8_t *tag = tags != NULL ? tags[i] : jobs[i]->tag;

		jobs[i]->ok = false;
		if (mb->small != NULL && jobs[i]->len <= AVX2_SMALL_LEN) {
			small[n_small] = jobs[i];
			small_tags[n_small++] = tag;
		} else {
			large[n_large] = jobs[i];
			large_tags[n_large++] = tag;
		}
	}
	run(mb->small, small, small_tags, n_small, direction);
	run(mb->large, large, large_tags, n_large, direction);
}

void sl_aead_mb_seal(struct sl_aead_mb *mb, struct sl_aead_job *const *jobs, unsigned int n)
{
	run_by_length(mb, jobs, NULL, n, IMB_DIR_ENCRYPT);
}

void sl_aead_mb_open(
        struct sl_aead_mb *mb, struct sl_aead_job *const *jobs, uint8_t (*tags)[SL_TAG_LEN], unsigned int n)
{
	run_by_length(mb, jobs, tags, n, IMB_DIR_DECRYPT);
}
