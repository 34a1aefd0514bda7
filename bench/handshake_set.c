#include "bench/handshake_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/noise_batch.h"
#include "crypto/tai64n.h"

#define PORT_OF(i)       ((uint16_t)(1 + (i))) /* a peer's source port names it */
#define SESSIONS_PER_PEER 8

struct handshake_peer {
	struct sl_noise_identity id;
	struct sl_noise_handshake hs;
	struct sl_proto_peer *peer;
	uint8_t ss[SL_KEY_LEN];
	struct sl_msg_initiation msg;
	uint32_t index;
};

static void
on_send(void *ctx, struct sl_proto_if *ifp, const struct sl_outer *to, const void *msg, size_t len, uint8_t tos)
{
	struct handshake_set *s = ctx;
	struct sl_endpoint remote;

	if (len != sizeof(s->last))
		return;
	s->responses++;
	memcpy(&s->last, msg, len);
	sl_outer_remote(to, &remote);
	s->last_to = (uint16_t)(remote.port - PORT_OF(0));
}

static void
on_slot(void *ctx, uint32_t slot)
{
}

static void
on_wall(void *ctx, struct timespec *now)
{
	const struct handshake_set *s = ctx;

	*now = (struct timespec){.tv_sec = (time_t)(s->now / SL_NSEC_PER_SEC)};
}

static const struct sl_proto_ops ops = {
	.send = on_send, .keepalive = on_slot, .drain = on_slot, .purge = on_slot, .wall = on_wall};

static bool
add_initiators(struct handshake_set *s)
{
	const struct sl_noise_identity *responder = sl_proto_if_identity(s->core.ifp);

	for (uint32_t i = 0; i < s->n; i++) {
		struct handshake_peer *p = &s->initiators[i];
		uint8_t key[SL_KEY_LEN];

		sl_random_bytes(key, sizeof(key));
		if (!sl_noise_identity_init(&p->id, key) || !sl_noise_static_static(p->ss, &p->id, responder->public_key) ||
			sl_proto_peer_add(s->core.ifp, p->id.public_key, s, s->now, &p->peer) != 0)
			return false;
		s->msgs[i] = (struct sl_proto_msg){
			.data = (const uint8_t *)&p->msg,
			.len = sizeof(p->msg),
			.src = {.ip = {.family = SL_AF_INET, .bytes = {10, 0, 0, 1}}, .port = PORT_OF(i)},
			.dst_local = {.family = SL_AF_INET, .bytes = {10, 0, 0, 2}},
		};
	}
	return true;
}

struct handshake_set *
handshake_set_create(uint32_t n, enum sl_simd simd)
{
	struct handshake_set *s = calloc(1, sizeof(*s));
	struct sl_proto_config cfg = {.simd = simd, .ops = &ops, .ctx = s, .now = SL_NSEC_PER_SEC};

	if (!s)
		return NULL;
	s->n = n;
	s->now = cfg.now;
	s->initiators = calloc(n, sizeof(*s->initiators));
	s->msgs = calloc(n, sizeof(*s->msgs));
	if (!s->initiators || !s->msgs || !bench_core_create(&s->core, n, n * SESSIONS_PER_PEER, cfg) || !add_initiators(s)) {
		fprintf(stderr, "bench: no memory for %u peers\n", n);
		return NULL;
	}
	return s;
}

void
handshake_set_destroy(struct handshake_set *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		sl_proto_peer_remove(s->initiators[i].peer);
	bench_core_destroy(&s->core);
	free(s->initiators);
	free(s->msgs);
	free(s);
}

void
handshake_set_prepare(struct handshake_set *s)
{
	const uint8_t *responder = sl_proto_if_identity(s->core.ifp)->public_key;
	struct sl_noise_initiation jobs[SL_NOISE_BATCH];
	uint8_t ephemerals[SL_NOISE_BATCH][SL_KEY_LEN], stamp[SL_TAI64N_LEN];

	s->now += SL_NSEC_PER_SEC;
	s->responses = 0;
	sl_tai64n(stamp, s->now / SL_NSEC_PER_SEC, 0);
	for (uint32_t first = 0; first < s->n; first += SL_NOISE_BATCH) {
		unsigned count = s->n - first < SL_NOISE_BATCH ? s->n - first : SL_NOISE_BATCH;

		sl_random_bytes(ephemerals, sizeof(ephemerals));
		for (unsigned i = 0; i < count; i++) {
			struct handshake_peer *p = &s->initiators[first + i];

			jobs[i] = (struct sl_noise_initiation){.hs = &p->hs,
				.id = &p->id,
				.remote = responder,
				.ss = p->ss,
				.timestamp = stamp,
				.ephemeral_private = ephemerals[i],
				.local_index = ++p->index,
				.msg = &p->msg};
		}
		sl_noise_create_initiations(SL_SIMD_AUTO, jobs, count);
	}
}

bool
handshake_set_check(struct handshake_set *s)
{
	static const uint8_t no_psk[SL_KEY_LEN];
	struct handshake_peer *p = &s->initiators[s->last_to % s->n];

	sl_reclaim_drain(&s->core.reclaim); /* sessions of the rounds before, all of them: a poll takes some */
	return s->responses == s->n && sl_noise_consume_response(&p->hs, &p->id, no_psk, &s->last) == SL_NOISE_OK;
}
