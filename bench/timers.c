/*
 * What peers' timers cost the control core: the protocol core with 100,000 peers, on a virtual clock that goes in milliseconds. Workers' part,
 * stamps and facts, is played and not measured; no handshake is made, for sessions are younger than two minutes. Measured is all that control
 * does: facts, expired timers, and what follows from them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "bench/core.h"
#include "bench/rows.h"
#include "bench/stats.h"
#include "control/proto/internal.h"

#define PEERS       100000
#define ROUNDS_MAX  20
#define SETTLE_S    12 /* until each pattern is as it stays */
#define MEASURED_S  30
#define BUDGET      128
#define FACTS       64
#define PERCENT     100.0
#define PACKET      128

struct rig {
	struct bench_core core;
	struct sl_proto_peer **at;
	uint32_t cursor;
	uint64_t now;
	uint64_t cycles; /* of control */
	uint64_t keepalives;
};

static void
on_send(void *ctx, struct sl_proto_if *ifp, const struct sl_outer *to, const void *msg, size_t len, uint8_t tos)
{
}

static void
on_slot(void *ctx, uint32_t slot)
{
}

/* The worker sends it: an empty packet of 32 bytes. */
static void
on_keepalive(void *ctx, uint32_t slot)
{
	struct rig *r = ctx;

	r->keepalives++;
	sl_peer_stamp_sent(&r->core.peers, BENCH_WORKER_LINE, slot, r->now, 32, false);
}

static void
on_wall(void *ctx, struct timespec *now)
{
	*now = (struct timespec){.tv_sec = 1};
}

static const struct sl_proto_ops ops = {
	.send = on_send, .keepalive = on_keepalive, .drain = on_slot, .purge = on_slot, .wall = on_wall};

/* A session as a handshake leaves it, without one. */
static bool
give_session(struct rig *r, struct sl_proto_peer *peer)
{
	struct sl_session_keys keys = {.initiator = true, .created = r->now};
	struct sl_proto_handshake *hs = sl_handshake_get(peer);
	uint32_t index;

	if (hs == NULL || !sl_handshake_reserve(peer, hs, &index))
		return false;
	sl_session_publish(&r->core.sessions, hs->slot, &keys);
	peer->sessions[SL_SESSION_CURRENT].slot = hs->slot;
	atomic_store(&sl_proto_dp_peer(peer)->current, sl_session_id(&r->core.sessions, hs->slot));
	hs->slot = SL_SESSION_NONE;
	sl_timers_session_derived(peer, r->now);
	sl_timers_update(peer, r->now);
	return true;
}

static bool
add_peers(struct rig *r)
{
	const struct sl_endpoint endpoint = {.ip = {.family = SL_AF_INET, .bytes = {10, 0, 0, 1}}, .port = 51820};
	uint8_t key[SL_KEY_LEN];

	for (uint32_t i = 0; i < PEERS; i++) {
		sl_random_bytes(key, sizeof(key));
		if (sl_proto_peer_add(r->core.ifp, key, NULL, r->now, &r->at[i]) != 0 || !give_session(r, r->at[i]))
			return false;
		sl_proto_peer_set_endpoint(r->at[i], &endpoint, r->now);
	}
	return true;
}

static bool
create(struct rig *r)
{
	const struct sl_proto_config cfg = {.ops = &ops, .ctx = r, .now = r->now};

	r->at = calloc(PEERS, sizeof(struct sl_proto_peer *));
	return r->at && bench_core_create(&r->core, PEERS, 4 * PEERS, cfg) && add_peers(r);
}

static void
destroy(struct rig *r)
{
	for (uint32_t i = 0; i < PEERS; i++)
		sl_proto_peer_remove(r->at[i]);
	bench_core_destroy(&r->core);
	free(r->at);
}

/* A worker has received a packet of the peer, or sent one to it, or both; as the stages do. */
static void
packet(struct rig *r, struct sl_proto_peer *peer, bool received, bool sent)
{
	struct sl_peer *dp = sl_proto_dp_peer(peer);

	if (received)
		sl_peer_stamp_received(&r->core.peers, BENCH_WORKER_LINE, peer->slot, r->now, PACKET, true);
	if (sent)
		sl_peer_stamp_sent(&r->core.peers, BENCH_WORKER_LINE, peer->slot, r->now, PACKET, true);
	if (!atomic_load_explicit(&dp->watched, memory_order_relaxed))
		sl_peer_raise(&r->core.peers, peer->slot, SL_FACT_ACTIVE);
}

/* A turn of control's loop, as far as it is about peers. */
static void
control(struct rig *r)
{
	uint32_t slots[FACTS], facts[FACTS];
	uint64_t began = bench_tsc();
	unsigned n;

	while ((n = sl_peers_take_facts(&r->core.peers, &r->cursor, slots, facts, FACTS)) > 0)
		sl_proto_facts_batch(r->core.proto, slots, facts, n, r->now);
	while (sl_proto_advance(r->core.proto, r->now, BUDGET))
		;
	r->cycles += bench_tsc() - began;
}

struct pattern {
	const char *what;
	uint32_t per_second; /* peers with a packet in a second */
	bool received, sent;
	uint16_t keepalive; /* s */
};

static const struct pattern patterns[] = {
	{"each a packet a second in both directions", PEERS, true, true, 0},
	{"each a packet a second to us, which is owed keepalives", PEERS, true, false, 0},
	{"each a packet in ten seconds in both directions", PEERS / 10, true, true, 0},
	{"silent but for keepalives every 25 seconds", 0, false, false, 25},
};

static void
run(struct rig *r, const struct pattern *p, unsigned seconds)
{
	uint32_t next = 0, due = 0;

	for (unsigned ms = 0; ms < seconds * 1000; ms++) {
		r->now += SL_NSEC_PER_MSEC;
		for (due += p->per_second; due >= 1000; due -= 1000) {
			packet(r, r->at[next], p->received, p->sent);
			next = (next + 1) % PEERS;
		}
		control(r);
	}
}

/* Percent of a core. */
static double
measure(const struct pattern *p, double hz)
{
	struct rig r = {.now = SL_NSEC_PER_SEC};
	double share = -1;

	if (create(&r)) {
		for (uint32_t i = 0; p->keepalive && i < PEERS; i++) {
			r.now += SL_NSEC_PER_SEC * p->keepalive / PEERS;
			sl_proto_peer_set_keepalive(r.at[i], p->keepalive, r.now);
		}
		run(&r, p, SETTLE_S);
		r.cycles = r.keepalives = 0;
		run(&r, p, MEASURED_S);
		share = PERCENT * (double)r.cycles / (hz * MEASURED_S);
		fprintf(stderr, "%s: %.0f cycles a peer and second, %llu keepalives\n", p->what, (double)r.cycles / PEERS / MEASURED_S,
			(unsigned long long)r.keepalives);
		destroy(&r);
	}
	return share;
}

int
main(int argc, char **argv)
{
	static const char *const names[] = {"timers-active", "timers-owed", "timers-seldom", "timers-keepalive"};
	double shares[RTE_DIM(patterns)][ROUNDS_MAX], hz;
	unsigned rounds;

	bench_begin("timers", names, RTE_DIM(names), &argc, argv);
	rounds = bench_rounds(3, ROUNDS_MAX);
	bench_pin(0);
	hz = bench_tsc_hz();
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned i = 0; i < RTE_DIM(patterns); i++)
			shares[i][round] = measure(&patterns[i], hz);
	for (unsigned i = 0; i < RTE_DIM(patterns); i++) {
		if (shares[i][0] < 0)
			bench_missing(names[i], "memory for 100,000 peers runs out");
		else
			bench_row(names[i], shares[i], NULL, rounds);
	}
	return bench_end();
}
