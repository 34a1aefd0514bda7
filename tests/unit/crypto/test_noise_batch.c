/*
 * Handshakes side by side: every count, at every SIMD level of this CPU, with some that must fail among them, hold
 * against the same handshakes one by one.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/init.h"
#include "crypto/noise_batch.h"
#include "crypto/wipe.h"
#include "crypto/x25519.h"
#include "tests/unit/crypto/vectors.h"

#define N SL_NOISE_BATCH

static const enum sl_simd levels[] = {SL_SIMD_SSE, SL_SIMD_AVX2, SL_SIMD_AVX512};

#define FOR_EACH_LEVEL(simd)                                                                                           \
	for (const enum sl_simd *simd = levels; simd < levels + 3; simd++)                                             \
		if (sl_simd_supported(*simd))

/* N initiators, one responder. What may be done to an initiator's handshake on its way is said by `fault`. */
enum fault {
	FINE,
	LOW_ORDER,   /* an ephemeral of low order */
	DAMAGED,     /* a bit of what is encrypted first */
	DAMAGED_END, /* a bit of the timestamp */
	WRONG_STATE,
	FAULTS,
};

struct pair {
	enum fault fault;
	struct sl_noise_identity id;
	uint8_t ss[32], psk[32], ephemeral[2][32], stamp[12], got_stamp[12];
	struct sl_noise_handshake initiator, responder;
	struct sl_noise_interim interim;
	struct sl_msg_initiation msg1;
	struct sl_msg_response msg2;
	enum sl_noise_result results[4]; /* of the four steps */
	struct sl_noise_keys keys[2];
};

static struct sl_noise_identity responder;

static void setup(void)
{
	struct seeded seed = {31};
	uint8_t key[32];

	cr_assert_eq(sl_crypto_init(), 0);
	seeded_bytes(&seed, key, 32);
	cr_assert(sl_noise_identity_init(&responder, key));
}

TestSuite(noise_batch, .init = setup);

static void prepare(struct pair *pairs, unsigned int n, uint64_t from, bool faults)
{
	struct seeded seed = {from};

	memset(pairs, 0, n * sizeof(*pairs));
	for (unsigned int i = 0; i < n; i++) {
		struct pair *p = &pairs[i];
		uint8_t key[32];

		seeded_bytes(&seed, key, 32);
		cr_assert(sl_noise_identity_init(&p->id, key));
		seeded_bytes(&seed, p->psk, 32);
		seeded_bytes(&seed, p->ephemeral, sizeof(p->ephemeral));
		seeded_bytes(&seed, p->stamp, sizeof(p->stamp));
		cr_assert(sl_noise_static_static(p->ss, &responder, p->id.public_key));
		p->fault = faults ? (enum fault)(seeded_next(&seed) % (2 * FAULTS)) : FINE;
		if (p->fault >= FAULTS)
			p->fault = FINE;
		p->initiator.local_index = p->responder.local_index = 77;
	}
}

/* The initiators have one identity each, so their messages are made one by one here. */
static void make_initiations(struct pair *pairs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct pair *p = &pairs[i];

		cr_assert_eq(sl_noise_create_initiation(&p->initiator, &p->id, responder.public_key, p->ss, p->stamp,
		                     p->ephemeral[0], 1000 + i, &p->msg1),
		        SL_NOISE_OK);
		if (p->fault == LOW_ORDER)
			memset(p->msg1.ephemeral, 0, 32);
		else if (p->fault == DAMAGED)
			p->msg1.enc_static[i % 48] ^= 0x10;
		else if (p->fault == DAMAGED_END)
			p->msg1.enc_timestamp[i % 28] ^= 0x01;
	}
}

static void take_initiations(enum sl_simd simd, struct pair *pairs, unsigned int n)
{
	struct sl_noise_received jobs[N];

	for (unsigned int i = 0; i < n; i++)
		jobs[i] = (struct sl_noise_received){.interim = &pairs[i].interim,
		        .msg = &pairs[i].msg1,
		        .ss = pairs[i].ss,
		        .timestamp = pairs[i].got_stamp};
	sl_noise_consume_initiations_static(simd, &responder, jobs, n);
	for (unsigned int i = 0; i < n; i++)
		pairs[i].results[0] = jobs[i].result;
	sl_noise_consume_initiations_finish(simd, jobs, n);
	for (unsigned int i = 0; i < n; i++)
		pairs[i].results[1] = jobs[i].result;
}

static void answer(enum sl_simd simd, struct pair *pairs, unsigned int n)
{
	struct sl_noise_response jobs[N];

	for (unsigned int i = 0; i < n; i++) {
		if (pairs[i].results[1] == SL_NOISE_OK && pairs[i].fault != WRONG_STATE)
			cr_assert_eq(sl_noise_commit_initiation(&pairs[i].responder, &pairs[i].interim), SL_NOISE_OK);
		jobs[i] = (struct sl_noise_response){.hs = &pairs[i].responder,
		        .psk = pairs[i].psk,
		        .ephemeral_private = pairs[i].ephemeral[1],
		        .local_index = 2000 + i,
		        .msg = &pairs[i].msg2};
	}
	sl_noise_create_responses(simd, jobs, n);
	for (unsigned int i = 0; i < n; i++)
		pairs[i].results[2] = jobs[i].result;
}

static void expect_results(const struct pair *p, unsigned int i)
{
	static const enum sl_noise_result want[FAULTS][3] = {
	        [FINE] = {SL_NOISE_OK, SL_NOISE_OK, SL_NOISE_OK},
	        [LOW_ORDER] = {SL_NOISE_BAD_KEY, SL_NOISE_BAD_STATE, SL_NOISE_BAD_STATE},
	        [DAMAGED] = {SL_NOISE_BAD_AUTH, SL_NOISE_BAD_STATE, SL_NOISE_BAD_STATE},
	        [DAMAGED_END] = {SL_NOISE_OK, SL_NOISE_BAD_AUTH, SL_NOISE_BAD_STATE},
	        [WRONG_STATE] = {SL_NOISE_OK, SL_NOISE_OK, SL_NOISE_BAD_STATE},
	};

	for (unsigned int step = 0; step < 3; step++)
		cr_assert_eq(p->results[step], want[p->fault][step], "pair %u, fault %d, step %u", i, p->fault, step);
	if (p->results[1] == SL_NOISE_OK)
		cr_assert_arr_eq(p->got_stamp, p->stamp, 12);
	else
		cr_assert(sl_is_zero(&p->interim, sizeof(p->interim)), "a failure wipes the interim");
	if (p->results[2] != SL_NOISE_OK) {
		cr_assert(sl_is_zero(&p->msg2, sizeof(p->msg2)), "no message of a failure");
		cr_assert_eq(p->responder.state, SL_NOISE_ZEROED);
	}
}

/* Each side's keys after the last message, one by one; a response that fits no other initiator. */
static void finish(struct pair *p, unsigned int i)
{
	struct sl_noise_answer wrong = {.hs = &p->initiator, .psk = responder.public_key, .msg = &p->msg2};
	struct sl_noise_answer right = {.hs = &p->initiator, .psk = p->psk, .msg = &p->msg2};

	sl_noise_consume_responses(SL_SIMD_AUTO, &p->id, &wrong, 1);
	cr_assert_eq(wrong.result, SL_NOISE_BAD_AUTH);
	sl_noise_consume_responses(SL_SIMD_AUTO, &p->id, &right, 1);
	cr_assert_eq(right.result, SL_NOISE_OK);
	cr_assert_eq(sl_noise_begin_session(&p->initiator, &p->keys[0]), SL_NOISE_OK);
	cr_assert_eq(sl_noise_begin_session(&p->responder, &p->keys[1]), SL_NOISE_OK);
	cr_assert_arr_eq(p->keys[0].send, p->keys[1].recv, 32);
	cr_assert_arr_eq(p->keys[0].recv, p->keys[1].send, 32);
	cr_assert_eq(p->keys[0].remote_index, 2000 + i);
	cr_assert_eq(p->keys[1].remote_index, 1000 + i);
}

Test(noise_batch, p9_each_job_fails_or_succeeds_alone)
{
	static struct pair pairs[N];

	FOR_EACH_LEVEL(simd)
	{
		for (unsigned int n = 1; n <= N; n += n < 9 ? 1 : 5) {
			prepare(pairs, n, n, n > 1);
			make_initiations(pairs, n);
			take_initiations(*simd, pairs, n);
			answer(*simd, pairs, n);
			for (unsigned int i = 0; i < n; i++) {
				expect_results(&pairs[i], i);
				if (pairs[i].fault == FINE)
					finish(&pairs[i], i);
			}
		}
	}
}

/* One initiator of many peers: its messages and the consumption of the answers. */
Test(noise_batch, p9_many_initiations_and_their_answers)
{
	static struct pair pairs[N];

	FOR_EACH_LEVEL(simd)
	{
		struct sl_noise_initiation out[N];
		struct sl_noise_answer in[N];

		prepare(pairs, N, 99, false);
		for (unsigned int i = 0; i < N; i++) {
			struct pair *p = &pairs[i];

			if (i % 7 == 3)
				memset(p->ss, 0, 32);
			out[i] = (struct sl_noise_initiation){&p->initiator, &responder, p->id.public_key, p->ss, p->stamp,
			        p->ephemeral[0], 500 + i, &p->msg1, SL_NOISE_OK};
		}
		sl_noise_create_initiations(*simd, out, N);
		for (unsigned int i = 0; i < N; i++) {
			struct pair *p = &pairs[i];
			bool bad = i % 7 == 3;

			cr_assert_eq(out[i].result, bad ? SL_NOISE_BAD_KEY : SL_NOISE_OK);
			cr_assert_eq(p->initiator.state, bad ? SL_NOISE_ZEROED : SL_NOISE_CREATED_INITIATION);
			in[i] = (struct sl_noise_answer){&p->initiator, p->psk, &p->msg2, SL_NOISE_OK};
			if (bad) {
				cr_assert(sl_is_zero(&p->msg1, sizeof(p->msg1)));
				cr_assert_eq(p->initiator.local_index, 77, "left as it was");
				continue;
			}
			cr_assert_eq(sl_noise_consume_initiation_static(&p->interim, &p->id, &p->msg1), SL_NOISE_OK);
			cr_assert_arr_eq(p->interim.noise.rs, responder.public_key, 32);
			cr_assert_eq(sl_noise_consume_initiation_finish(&p->interim, p->ss, p->got_stamp), SL_NOISE_OK);
			cr_assert_arr_eq(p->got_stamp, p->stamp, 12);
			cr_assert_eq(sl_noise_commit_initiation(&p->responder, &p->interim), SL_NOISE_OK);
			cr_assert_eq(sl_noise_create_response(&p->responder, p->psk, p->ephemeral[1], 9, &p->msg2),
			        SL_NOISE_OK);
			if (i % 5 == 1)
				p->msg2.enc_nothing[3] ^= 2;
			else if (i % 5 == 2)
				memset(p->msg2.ephemeral, 0, 32);
		}
		sl_noise_consume_responses(*simd, &responder, in, N);
		for (unsigned int i = 0; i < N; i++) {
			enum sl_noise_result want = i % 7 == 3   ? SL_NOISE_BAD_STATE
			                            : i % 5 == 1 ? SL_NOISE_BAD_AUTH
			                            : i % 5 == 2 ? SL_NOISE_BAD_KEY
			                                         : SL_NOISE_OK;

			cr_assert_eq(in[i].result, want, "answer %u", i);
			if (want != SL_NOISE_OK) {
				cr_assert_neq(pairs[i].initiator.state, SL_NOISE_CONSUMED_RESPONSE);
				continue;
			}
			cr_assert_eq(sl_noise_begin_session(&pairs[i].initiator, &pairs[i].keys[0]), SL_NOISE_OK);
			cr_assert_eq(sl_noise_begin_session(&pairs[i].responder, &pairs[i].keys[1]), SL_NOISE_OK);
			cr_assert_arr_eq(pairs[i].keys[0].send, pairs[i].keys[1].recv, 32);
			cr_assert_arr_eq(pairs[i].keys[0].recv, pairs[i].keys[1].send, 32);
		}
	}
}

Test(noise_batch, p9_nothing_without_an_identity)
{
	static const struct sl_noise_identity none;
	static struct pair pairs[2];
	struct sl_noise_received jobs[2];
	struct sl_noise_answer answers[2];

	prepare(pairs, 2, 5, false);
	make_initiations(pairs, 2);
	for (unsigned int i = 0; i < 2; i++) {
		jobs[i] = (struct sl_noise_received){.interim = &pairs[i].interim, .msg = &pairs[i].msg1};
		answers[i] = (struct sl_noise_answer){&pairs[i].initiator, pairs[i].psk, &pairs[i].msg2, SL_NOISE_OK};
	}
	sl_noise_consume_initiations_static(SL_SIMD_AUTO, &none, jobs, 2);
	sl_noise_consume_responses(SL_SIMD_AUTO, &none, answers, 2);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(jobs[i].result, SL_NOISE_BAD_STATE);
		cr_assert_eq(answers[i].result, SL_NOISE_BAD_STATE);
	}
	sl_noise_consume_initiations_finish(SL_SIMD_AUTO, jobs, 0);
}
