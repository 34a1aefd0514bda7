/*
 * What of a packet's cost is memory that no cache knows: for peers drawn as in bench/path's row of a million peers, a
 * loop that fetches the lines which encap touches by peer (its record with keys and counters, the way, the worker's
 * line) and then reads a word of each, and does nothing else: what these accesses cost when all of them overlap one
 * another, and no other work. The lookup is not among them.
 *
 *   touch [PEERS [ROUNDS]]
 *
 * TSC cycles per packet, bursts of 32: the median of a round, the median and the quartiles over rounds. Between two
 * bursts of the loop the worker carries packets to other peers, so that caches hold what they hold there.
 */
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_prefetch.h>

#include "bench/pass_set.h"
#include "bench/stats.h"
#include "crypto/init.h"
#include "dataplane/outer.h"

#define PEERS      1000000
#define PEERS_MAX  2000000
#define ROUNDS     15
#define ROUNDS_MAX 101
#define BURST      32
#define BURSTS     256 /* of a round */
#define SIZE       64
#define BUFFERS    8192

static void fetch(const struct sl_worker *w, const uint32_t *peers)
{
	const struct sl_dataplane *dp = w->dp;

	for (unsigned i = 0; i < BURST; i++)
		rte_prefetch0(&dp->peers.slots[peers[i]]);
	for (unsigned i = 0; i < BURST; i++)
		rte_prefetch0(sl_outer_path(w->paths, peers[i]));
}

static uint64_t look(const struct sl_worker *w, const uint32_t *peers)
{
	const struct sl_dataplane *dp = w->dp;
	uint64_t sum = 0;

	for (unsigned i = 0; i < BURST; i++) {
		const struct sl_peer *peer = &dp->peers.slots[peers[i]];

		sum += atomic_load(&peer->current) + sl_sender_counter(&peer->first);
		sum += sl_outer_path(w->paths, peers[i])->epoch;
	}
	return sum;
}

/* Packets to the next n peers go through the worker. */
static void carry(struct pass_set *s, uint32_t n)
{
	static struct rte_mbuf *frames[BUFFERS];

	pass_set_clear(s, frames, n, SIZE);
	for (uint32_t i = 0; i < n; i += BURST) {
		sl_worker_receive(s->w, PASS_LAN, frames + i, BURST);
		sl_worker_run(s->w, s->now);
	}
	if (!pass_set_check(s, n, SIZE, true))
		exit(1);
}

static double measure(struct pass_set *s)
{
	static double bursts[BURSTS];

	for (unsigned n = 0; n < BURSTS; n++) {
		uint32_t peers[BURST];
		uint64_t began;

		carry(s, 2 * BURST);
		for (unsigned i = 0; i < BURST; i++)
			peers[i] = pass_set_peer(s, s->next++);
		began = bench_tsc();
		fetch(s->w, peers);
		if (look(s->w, peers) == 0) /* a limit is never 0: so the words are read */
			abort();
		bursts[n] = (double)(bench_tsc() - began) / BURST;
	}
	return bench_spread(bursts, BURSTS).median;
}

/* A packet to each peer: memory that is touched for the first time is no cost of one. */
static void touch_all(struct pass_set *s)
{
	uint32_t *turns = s->turns;

	s->turns = NULL;
	for (uint32_t done = 0; done < s->peers; done += BUFFERS)
		carry(s, BUFFERS);
	s->turns = turns;
}

int main(int argc, char **argv)
{
	char *eal[] = {
	        "touch", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "512", "--log-level", "4"};
	unsigned peers = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : PEERS;
	unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : ROUNDS;
	double values[ROUNDS_MAX];
	struct bench_spread spread;
	struct pass_set *s;

	if (argc > 3 || peers == 0 || peers > PEERS_MAX || rounds == 0 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: touch [PEERS [ROUNDS]]\n");
		return 2;
	}
	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	if (rte_eal_init(RTE_DIM(eal), eal) < 0 || sl_crypto_init() != 0)
		return 1;
	bench_pin(0);
	s = pass_set_create(peers, BUFFERS, false, true);
	if (!s)
		return 1;
	touch_all(s);
	for (unsigned i = 0; i < rounds; i++)
		values[i] = measure(s);
	spread = bench_spread(values, rounds);
	printf("%u peers, Zipf traffic: %.0f TSC cycles/packet (%.0f-%.0f) to touch what encap touches by peer\n",
	        peers, spread.median, spread.low, spread.high);
	pass_set_destroy(s);
	return 0;
}
