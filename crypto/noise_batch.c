/*
 * Each job works on a copy of its handshake, which is kept only on success. Jobs that do not fit their handshake's
 * state are left out, the others go to the pattern (crypto/ikpsk2.c) together.
 */
#include "crypto/noise_batch.h"

#include <assert.h>
#include <string.h>

#include "crypto/wipe.h"

/* The pattern writes and reads these runs of fields as one. */
static_assert(offsetof(struct sl_msg_initiation, mac1) - offsetof(struct sl_msg_initiation, ephemeral) ==
                      SL_IKPSK2_MSG1_LEN(SL_TAI64N_LEN),
        "ephemeral, static, timestamp");
static_assert(
        offsetof(struct sl_msg_response, mac1) - offsetof(struct sl_msg_response, ephemeral) == SL_IKPSK2_MSG2_LEN(0),
        "ephemeral, nothing");

/* The jobs that take part, and their copies. */
struct lot {
	unsigned int n;
	unsigned int job[SL_NOISE_BATCH];
	struct sl_ikpsk2 s[SL_NOISE_BATCH];
	struct sl_ikpsk2_job jobs[SL_NOISE_BATCH];
};

/* One more that takes part: job i, with s for a copy. */
static struct sl_ikpsk2_job *enter(struct lot *lot, unsigned int i, struct sl_ikpsk2 *s)
{
	struct sl_ikpsk2_job *job = &lot->jobs[lot->n];

	*job = (struct sl_ikpsk2_job){.s = s};
	lot->job[lot->n++] = i;
	return job;
}

static struct sl_ikpsk2_job *enter_copy(struct lot *lot, unsigned int i, const struct sl_ikpsk2 *s)
{
	struct sl_ikpsk2 *copy = &lot->s[lot->n];

	if (s != NULL)
		*copy = *s;
	return enter(lot, i, copy);
}

static void leave(struct lot *lot)
{
	sl_wipe(lot->s, lot->n * sizeof(lot->s[0]));
}

static void start(struct sl_ikpsk2 *s, const uint8_t responder_static[SL_KEY_LEN])
{
	sl_ikpsk2_start(s, SL_NOISE_IDENTIFIER, sizeof(SL_NOISE_IDENTIFIER) - 1, responder_static);
}

void sl_noise_create_initiations(enum sl_simd simd, struct sl_noise_initiation *jobs, unsigned int n)
{
	struct sl_msg_initiation out[SL_NOISE_BATCH];
	struct lot lot;

	assert(n <= SL_NOISE_BATCH);
	lot.n = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct sl_ikpsk2_job *job;

		jobs[i].result = SL_NOISE_BAD_STATE;
		if (!jobs[i].id->valid)
			continue;
		job = enter_copy(&lot, i, NULL);
		start(job->s, jobs[i].remote);
		job->own_public = jobs[i].id->public_key;
		job->rs = jobs[i].remote;
		job->ss = jobs[i].ss;
		job->e_private = jobs[i].ephemeral_private;
		job->payload = jobs[i].timestamp;
		job->out = out[i].ephemeral;
	}
	sl_ikpsk2_write1_batch(simd, lot.jobs, lot.n, SL_TAI64N_LEN);
	for (unsigned int k = 0; k < lot.n; k++) {
		struct sl_noise_initiation *job = &jobs[lot.job[k]];
		struct sl_msg_initiation *msg = &out[lot.job[k]];

		job->result = lot.jobs[k].result;
		if (job->result != SL_NOISE_OK)
			continue;
		job->hs->state = SL_NOISE_CREATED_INITIATION;
		job->hs->local_index = job->local_index;
		job->hs->remote_index = 0;
		job->hs->noise = lot.s[k];
		msg->type = SL_MSG_INITIATION;
		msg->sender = job->local_index;
		memset(msg->mac1, 0, SL_MACS_LEN);
		*job->msg = *msg;
	}
	leave(&lot);
}

void sl_noise_consume_initiations_static(
        enum sl_simd simd, const struct sl_noise_identity *id, struct sl_noise_received *jobs, unsigned int n)
{
	struct lot lot;

	assert(n <= SL_NOISE_BATCH);
	lot.n = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct sl_ikpsk2_job *job;

		sl_noise_interim_wipe(jobs[i].interim);
		jobs[i].result = SL_NOISE_BAD_STATE;
		if (!id->valid)
			continue;
		job = enter(&lot, i, &jobs[i].interim->noise);
		start(job->s, id->public_key);
		job->own_private = id->private_key;
		job->msg = jobs[i].msg->ephemeral;
	}
	sl_ikpsk2_read1_static_batch(simd, lot.jobs, lot.n);
	for (unsigned int k = 0; k < lot.n; k++) {
		struct sl_noise_received *job = &jobs[lot.job[k]];
		struct sl_noise_interim *interim = job->interim;

		job->result = lot.jobs[k].result;
		if (job->result != SL_NOISE_OK)
			continue;
		interim->remote_index = job->msg->sender;
		memcpy(interim->enc_timestamp, job->msg->enc_timestamp, sizeof(interim->enc_timestamp));
		interim->has_static = true;
	}
}

void sl_noise_consume_initiations_finish(enum sl_simd simd, struct sl_noise_received *jobs, unsigned int n)
{
	struct lot lot;

	assert(n <= SL_NOISE_BATCH);
	lot.n = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct sl_noise_interim *interim = jobs[i].interim;
		struct sl_ikpsk2_job *job;

		jobs[i].result = SL_NOISE_BAD_STATE;
		if (!interim->has_static || interim->authenticated) {
			sl_noise_interim_wipe(interim);
			continue;
		}
		job = enter(&lot, i, &interim->noise);
		job->ss = jobs[i].ss;
		job->msg = interim->enc_timestamp;
		job->out = jobs[i].timestamp;
	}
	sl_ikpsk2_read1_payload_batch(simd, lot.jobs, lot.n, SL_TAI64N_LEN);
	for (unsigned int k = 0; k < lot.n; k++) {
		struct sl_noise_received *job = &jobs[lot.job[k]];

		job->result = lot.jobs[k].result;
		if (job->result != SL_NOISE_OK)
			sl_noise_interim_wipe(job->interim);
		else
			job->interim->authenticated = true;
	}
}

void sl_noise_create_responses(enum sl_simd simd, struct sl_noise_response *jobs, unsigned int n)
{
	struct sl_msg_response out[SL_NOISE_BATCH];
	struct lot lot;

	assert(n <= SL_NOISE_BATCH);
	lot.n = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct sl_ikpsk2_job *job;

		jobs[i].result = SL_NOISE_BAD_STATE;
		if (jobs[i].hs->state != SL_NOISE_CONSUMED_INITIATION)
			continue;
		job = enter_copy(&lot, i, &jobs[i].hs->noise);
		job->psk = jobs[i].psk;
		job->e_private = jobs[i].ephemeral_private;
		job->out = out[i].ephemeral;
	}
	sl_ikpsk2_write2_batch(simd, lot.jobs, lot.n, 0);
	for (unsigned int k = 0; k < lot.n; k++) {
		struct sl_noise_response *job = &jobs[lot.job[k]];
		struct sl_msg_response *msg = &out[lot.job[k]];

		job->result = lot.jobs[k].result;
		if (job->result != SL_NOISE_OK)
			continue;
		msg->type = SL_MSG_RESPONSE;
		msg->sender = job->local_index;
		msg->receiver = job->hs->remote_index;
		memset(msg->mac1, 0, SL_MACS_LEN);
		*job->msg = *msg;
		job->hs->state = SL_NOISE_CREATED_RESPONSE;
		job->hs->local_index = job->local_index;
		job->hs->noise = lot.s[k];
	}
	leave(&lot);
}

void sl_noise_consume_responses(
        enum sl_simd simd, const struct sl_noise_identity *id, struct sl_noise_answer *jobs, unsigned int n)
{
	struct lot lot;

	assert(n <= SL_NOISE_BATCH);
	lot.n = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct sl_ikpsk2_job *job;

		jobs[i].result = SL_NOISE_BAD_STATE;
		if (jobs[i].hs->state != SL_NOISE_CREATED_INITIATION || !id->valid)
			continue;
		job = enter_copy(&lot, i, &jobs[i].hs->noise);
		job->own_private = id->private_key;
		job->psk = jobs[i].psk;
		job->msg = jobs[i].msg->ephemeral;
	}
	sl_ikpsk2_read2_batch(simd, lot.jobs, lot.n, 0);
	for (unsigned int k = 0; k < lot.n; k++) {
		struct sl_noise_answer *job = &jobs[lot.job[k]];

		job->result = lot.jobs[k].result;
		if (job->result != SL_NOISE_OK)
			continue;
		job->hs->state = SL_NOISE_CONSUMED_RESPONSE;
		job->hs->remote_index = job->msg->sender;
		job->hs->noise = lot.s[k];
	}
	leave(&lot);
}
