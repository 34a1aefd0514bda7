/*
 * Handshakes of many peers at once between two protocol cores: a hub with all peers on one interface, and spokes, each
 * an interface with a key of its own. What is put together must come out as it would one by one.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <rte_rcu_qsbr.h>

#include "control/proto/internal.h"
#include "crypto/init.h"

#define SPOKES   75 /* more than two batches, and not a multiple of anything */
#define SLOTS    128
#define SESSIONS 1024
#define LINE     1
#define LINES    2
#define ALIGN    64
#define MSGS     512
#define HUB_PORT 51820
#define BUDGET   256
#define START    (1000 * SL_NSEC_PER_SEC)
#define INTERVAL 25 /* s, persistent keepalive */

/* A message on its way. */
struct sent {
	uint8_t data[sizeof(struct sl_msg_initiation)];
	size_t len;
	unsigned spoke; /* its sender, or who gets it */
};

struct side {
	struct sl_peers peers;
	struct sl_session_table sessions;
	struct sl_reclaim reclaim;
	struct rte_rcu_qsbr *rcu;
	struct sl_proto *core;
	struct sent out[MSGS];
	unsigned n;
};

static struct side hub, spokes;
static struct sl_proto_if *hub_if, *spoke_ifs[SPOKES];
static struct sl_proto_peer *hub_peers[SPOKES], *spoke_peers[SPOKES];
static uint64_t now;

static struct sl_endpoint
endpoint_of(unsigned spoke)
{
	return (struct sl_endpoint){.ip = {.family = SL_AF_INET, .bytes = {10, 0, 0, 1}}, .port = (uint16_t)(1000 + spoke)};
}

static const struct sl_endpoint hub_endpoint = {.ip = {.family = SL_AF_INET, .bytes = {10, 0, 0, 2}}, .port = HUB_PORT};

static void
on_send(void *ctx, struct sl_proto_if *ifp, const struct sl_outer *to, const void *msg, size_t len, uint8_t tos)
{
	struct side *s = ctx;
	struct sent *m = &s->out[s->n++];
	struct sl_endpoint remote;

	cr_assert_leq(s->n, MSGS);
	cr_assert_leq(len, sizeof(m->data));
	memcpy(m->data, msg, len);
	m->len = len;
	sl_outer_remote(to, &remote);
	m->spoke = (s == &hub ? remote.port : sl_proto_if_listen_port(ifp)) - 1000;
	cr_assert_lt(m->spoke, SPOKES);
}

static void
on_slot(void *ctx, uint32_t slot)
{
}

static void
on_wall(void *ctx, struct timespec *wall)
{
	*wall = (struct timespec){.tv_sec = (time_t)(now / SL_NSEC_PER_SEC)};
}

static const struct sl_proto_ops ops = {
	.send = on_send, .keepalive = on_slot, .drain = on_slot, .purge = on_slot, .wall = on_wall};

static void
create(struct side *s, enum sl_simd simd)
{
	static const uint8_t random[8] = {1, 2, 3};
	size_t size = (rte_rcu_qsbr_get_memsize(1) + ALIGN - 1) / ALIGN * ALIGN;
	struct sl_proto_config cfg = {
		.peers = &s->peers,
		.sessions = &s->sessions,
		.reclaim = &s->reclaim,
		.line = LINE,
		.rng = sl_rng_kernel,
		.simd = simd,
		.ops = &ops,
		.ctx = s,
		.now = now,
	};

	memset(s, 0, sizeof(*s));
	s->rcu = aligned_alloc(ALIGN, size);
	cr_assert_eq(rte_rcu_qsbr_init(s->rcu, 1), 0);
	sl_reclaim_init(&s->reclaim, s->rcu);
	cr_assert_eq(sl_peers_init(&s->peers, SLOTS, LINES), 0);
	cr_assert_eq(sl_session_table_init(&s->sessions, SESSIONS, random, &s->reclaim, &s->peers), 0);
	cr_assert_eq(sl_proto_create(&s->core, &cfg), 0);
}

static struct sl_proto_if *
add_if(struct side *s, uint16_t l3, uint16_t port)
{
	struct sl_proto_if_config cfg = {.name = "wg", .l3_if = l3, .listen_port = port};
	struct sl_proto_if *ifp;
	uint8_t key[SL_KEY_LEN];

	cr_assert_eq(sl_proto_if_create(s->core, &cfg, &ifp), 0);
	sl_random_bytes(key, sizeof(key));
	sl_proto_if_set_key(ifp, key, now);
	return ifp;
}

static struct sl_proto_peer *
add_peer(struct sl_proto_if *ifp, const struct sl_proto_if *other, const struct sl_endpoint *at)
{
	struct sl_proto_peer *peer;

	cr_assert_eq(sl_proto_peer_add(ifp, sl_proto_if_identity(other)->public_key, NULL, now, &peer), 0);
	sl_proto_peer_set_endpoint(peer, at, now);
	return peer;
}

static void
begin(enum sl_simd simd)
{
	cr_assert_eq(sl_crypto_init(), 0);
	now = START;
	create(&hub, simd);
	create(&spokes, simd);
	hub_if = add_if(&hub, 5, HUB_PORT);
	for (unsigned i = 0; i < SPOKES; i++) {
		struct sl_endpoint at = endpoint_of(i);

		spoke_ifs[i] = add_if(&spokes, (uint16_t)(10 + i), at.port);
		hub_peers[i] = add_peer(hub_if, spoke_ifs[i], &at);
		spoke_peers[i] = add_peer(spoke_ifs[i], hub_if, &hub_endpoint);
	}
}

static void
destroy(struct side *s)
{
	while (s->core->ifs) {
		struct sl_proto_if *ifp = s->core->ifs;

		while (ifp->first)
			sl_proto_peer_remove(ifp->first);
		sl_proto_if_destroy(ifp);
	}
	sl_reclaim_drain(&s->reclaim);
	cr_assert_eq(s->sessions.reserved, 0);
	cr_assert_eq(s->core->wheel.armed, 0);
	sl_proto_destroy(s->core);
	sl_session_table_fini(&s->sessions);
	sl_peers_fini(&s->peers);
	free(s->rcu);
}

static void
end(void)
{
	destroy(&hub);
	destroy(&spokes);
}

static void
advance(struct side *s)
{
	while (sl_proto_advance(s->core, now, BUDGET))
		;
}

static struct sl_proto_msg
message(const struct sent *m, bool to_hub)
{
	struct sl_endpoint spoke = endpoint_of(m->spoke);

	return (struct sl_proto_msg){
		.data = m->data,
		.len = m->len,
		.src = to_hub ? spoke : hub_endpoint,
		.dst_local = to_hub ? hub_endpoint.ip : spoke.ip,
	};
}

/* All that the spokes have sent, in one call, each message `copies` times. */
static void
deliver_to_hub(unsigned copies)
{
	static struct sl_proto_msg msgs[MSGS];
	unsigned n = 0;

	for (unsigned i = 0; i < spokes.n; i++)
		for (unsigned c = 0; c < copies; c++)
			msgs[n++] = message(&spokes.out[i], true);
	spokes.n = 0;
	sl_proto_receive(hub_if, msgs, n, now);
}

static void
deliver_to_spokes(void)
{
	for (unsigned i = 0; i < hub.n; i++) {
		struct sl_proto_msg msg = message(&hub.out[i], false);

		sl_proto_receive(spoke_ifs[hub.out[i].spoke], &msg, 1, now);
	}
	hub.n = 0;
}

static const struct sl_session *
session_of(struct side *s, const struct sl_proto_peer *peer, enum sl_session_role role)
{
	cr_assert_neq(peer->sessions[role].slot, SL_SESSION_NONE, "there is a session");
	return sl_proto_session_at(s->core, peer->sessions[role].slot);
}

static void
expect_same_keys(const struct sl_session *initiator, const struct sl_session *responder, unsigned i)
{
	cr_assert_arr_eq(initiator->sender->key, responder->recv_key, SL_KEY_LEN, "spoke %u", i);
	cr_assert_arr_eq(initiator->recv_key, responder->sender->key, SL_KEY_LEN, "spoke %u", i);
	cr_assert_eq(initiator->remote_index, responder->index);
	cr_assert_eq(responder->remote_index, initiator->index);
}

/* All spokes come back at once: their initiations are made in one sweep of the timers, over many private keys. */
static void
spokes_initiate(enum sl_simd simd)
{
	const struct sl_proto_if_counters *c;
	unsigned lost;

	begin(simd);
	for (unsigned i = 0; i < SPOKES; i++)
		sl_proto_peer_set_keepalive(spoke_peers[i], INTERVAL, now);
	advance(&spokes);
	cr_assert_eq(spokes.n, SPOKES, "one initiation each");
	advance(&spokes);
	cr_assert_eq(spokes.n, SPOKES, "and no other");
	for (unsigned i = 0; i < SPOKES; i++)
		cr_assert_eq(spoke_peers[i]->handshake->sends, 1);

	lost = spokes.out[7].spoke;
	spokes.out[7].data[60] ^= 1;
	deliver_to_hub(2);
	c = sl_proto_if_counters(hub_if);
	cr_assert_eq(c->initiations_received, SPOKES - 1);
	cr_assert_eq(c->responses_sent, SPOKES - 1);
	cr_assert_eq(c->failures[SL_FAILURE_REPLAY] + c->failures[SL_FAILURE_FLOOD], SPOKES - 1);
	cr_assert_eq(c->failures[SL_FAILURE_UNDECRYPTABLE], 2);
	cr_assert_eq(hub.n, SPOKES - 1);
	deliver_to_spokes();
	for (unsigned i = 0; i < SPOKES; i++) {
		if (i == lost)
			continue;
		cr_assert_eq(sl_proto_if_counters(spoke_ifs[i])->responses_received, 1);
		expect_same_keys(session_of(&spokes, spoke_peers[i], SL_SESSION_CURRENT),
			session_of(&hub, hub_peers[i], SL_SESSION_NEXT), i);
	}
	/* the lost one is tried again, alone */
	now += SL_REKEY_TIMEOUT_NS + SL_TIMER_JITTER_MAX_NS;
	advance(&spokes);
	cr_assert_eq(spokes.n, 1);
	cr_assert_eq(spokes.out[0].spoke, lost);
	end();
}

/* The hub comes back: it initiates to all, and consumes their answers together. */
static void
hub_initiates(enum sl_simd simd)
{
	static const uint8_t psk[SL_KEY_LEN] = {9};
	const struct sl_proto_if_counters *c;

	begin(simd);
	for (unsigned i = 0; i < SPOKES; i++)
		sl_proto_peer_set_keepalive(hub_peers[i], INTERVAL, now);
	sl_proto_peer_set_psk(hub_peers[11], psk);
	advance(&hub);
	cr_assert_eq(hub.n, SPOKES);
	deliver_to_spokes();
	cr_assert_eq(spokes.n, SPOKES);
	deliver_to_hub(3);
	c = sl_proto_if_counters(hub_if);
	cr_assert_eq(c->responses_received, SPOKES - 1);
	cr_assert_eq(c->completed, SPOKES - 1);
	cr_assert_eq(c->unexpected, 2 * (SPOKES - 1), "copies answer nothing any more");
	cr_assert_eq(c->failures[SL_FAILURE_WRONG_PSK], 3);
	for (unsigned i = 0; i < SPOKES; i++) {
		if (i == 11)
			continue;
		expect_same_keys(session_of(&hub, hub_peers[i], SL_SESSION_CURRENT),
			session_of(&spokes, spoke_peers[i], SL_SESSION_NEXT), i);
	}
	end();
}

/* Workers ask for all sessions at once. */
static void
facts_initiate(enum sl_simd simd)
{
	uint32_t slots[SPOKES + 1], facts[SPOKES + 1];

	begin(simd);
	for (unsigned i = 0; i < SPOKES; i++) {
		slots[i] = hub_peers[i]->slot;
		facts[i] = SL_FACT_NEED_SESSION | SL_FACT_ACTIVE;
	}
	slots[SPOKES] = SLOTS - 1; /* no peer */
	facts[SPOKES] = SL_FACT_NEED_SESSION;
	sl_proto_peer_set_endpoint(hub_peers[3], &(struct sl_endpoint){0}, now);
	sl_proto_facts_batch(hub.core, slots, facts, SPOKES + 1, now);
	cr_assert_eq(hub.n, SPOKES - 1);
	cr_assert_eq(sl_proto_if_counters(hub_if)->failures[SL_FAILURE_NO_ENDPOINT], 1);
	sl_proto_facts_batch(hub.core, slots, facts, SPOKES, now);
	cr_assert_eq(hub.n, SPOKES - 1, "one per 5 s");
	end();
}

static void
at_every_level(void (*test)(enum sl_simd simd))
{
	static const enum sl_simd levels[] = {SL_SIMD_SSE, SL_SIMD_AVX2, SL_SIMD_AVX512};

	for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (sl_simd_supported(levels[i]))
			test(levels[i]);
}

Test(proto_batch, many_initiators_at_once)
{
	at_every_level(spokes_initiate);
}

Test(proto_batch, many_answers_at_once)
{
	at_every_level(hub_initiates);
}

Test(proto_batch, many_sessions_asked_for_at_once)
{
	at_every_level(facts_initiate);
}
