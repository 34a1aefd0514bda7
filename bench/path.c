/*
 * The targets of the packet path: a worker's whole pass, from the frame that comes in to the frame that goes out, over ports
 * in memory. Bursts of 32. Beside it in every round, as the reference of 1420 bytes, what ipsec-mb's AEAD alone takes for
 * the same keys, padded lengths, bursts and number of buffers; beside 1M peers, the same pass with 1 peer.
 *
 *   path [--json] [--quick] [--rounds N] [--list]
 *
 * Figures are TSC cycles per packet: a round's is the median of its bursts. What came out is compared with what went in, in
 * every chunk. bench/pass measures any other size, burst and number of peers, by stage.
 */
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>

#include "bench/pass_set.h"
#include "bench/reference.h"
#include "bench/rows.h"
#include "bench/stats.h"
#include "crypto/init.h"

#define ROUNDS_MAX   101
#define ROUNDS       15
#define WARM         64
#define COLD         8192
#define BURST        32
#define PER_ROUND    8192u /* packets of a figure and round */
#define AEAD_OFFSET  186   /* where a plaintext lies in its buffer */
#define AEAD_ROOM    2048
#define SMALL        64
#define LARGE        1420
#define PEERS_MANY   10000
#define PEERS_MOST   1000000

static const char *const names[] = {"pass-encap-1420", "pass-encap-1420-8192", "pass-encap-1420-offload", "pass-decap-1420",
	"pass-decap-1420-8192", "pass-decap-1420-offload", "pass-encap-64", "pass-encap-64-8192", "pass-encap-64-offload",
	"pass-decap-64", "pass-decap-64-8192", "pass-decap-64-offload", "pass-10k-peers-64", "pass-10k-peers-1420",
	"pass-1m-peers-64", "pass-1m-peers-1420"};

static struct {
	unsigned rounds;
	uint8_t *memory; /* where the reference works: COLD places */
	struct bench_reference *reference;
	uint64_t counter;
	double bursts[PER_ROUND / BURST];
} b;

/* One row to be: what is measured, and its rounds. */
struct work {
	const char *name;
	struct pass_set *set, *other; /* other: the reference's, or NULL */
	uint32_t size, buffers;
	bool sealing, against_aead;
	double ours[ROUNDS_MAX], reference[ROUNDS_MAX];
};

/* A round of a pass: cycles per packet. Ends the process where packets got lost or changed. */
static double
measure(struct pass_set *s, const struct work *w)
{
	static struct rte_mbuf *frames[COLD];
	unsigned n = 0;

	while (n < PER_ROUND / BURST) {
		if (w->sealing)
			pass_set_clear(s, frames, w->buffers, w->size);
		else
			pass_set_sealed(s, frames, w->buffers, w->size);
		for (uint32_t i = 0; i < w->buffers; i += BURST) {
			uint64_t began = bench_tsc();

			sl_worker_receive(s->w, w->sealing ? PASS_LAN : PASS_WAN, frames + i, BURST);
			sl_worker_run(s->w, s->now);
			b.bursts[n++] = (double)(bench_tsc() - began) / BURST;
		}
		if (!pass_set_check(s, w->buffers, w->size, w->sealing)) {
			fprintf(stderr, "path: packets were lost or changed (%s)\n", w->name);
			exit(1);
		}
	}
	return bench_spread(b.bursts, n).median;
}

/* The same of the reference by one of its APIs. What is opened was sealed before, beside the clock. */
static double
measure_api(const struct work *w, enum bench_reference_api api)
{
	uint32_t len = RTE_MIN((w->size + 15) / 16 * 16, (uint32_t)LARGE);
	struct sl_aead_job jobs[BURST];
	unsigned n = 0;

	while (n < PER_ROUND / BURST)
		for (uint32_t i = 0; i < w->buffers; i += BURST) {
			uint64_t began;

			for (uint32_t k = 0; k < BURST; k++) {
				uint8_t *data = b.memory + (size_t)(i + k) * AEAD_ROOM + AEAD_OFFSET;
				const struct sl_session *s = w->set->sessions[(i + k) % w->set->peers];

				jobs[k] = (struct sl_aead_job){.key = s->sender->key,
					.counter = b.counter++, .src = data, .dst = data, .tag = data + len, .len = len};
			}
			if (!w->sealing)
				bench_reference_run(b.reference, api, jobs, BURST, false);
			began = bench_tsc();
			bench_reference_run(b.reference, api, jobs, BURST, !w->sealing);
			b.bursts[n++] = (double)(bench_tsc() - began) / BURST;
			for (uint32_t k = 0; k < BURST; k++)
				if (!jobs[k].ok)
					abort();
		}
	return bench_spread(b.bursts, n).median;
}

static double
measure_reference(const struct work *w)
{
	double job, burst;

	if (w->other)
		return measure(w->other, w);
	job = measure_api(w, BENCH_REFERENCE_JOB);
	burst = measure_api(w, BENCH_REFERENCE_BURST_API);
	return job < burst ? job : burst;
}

/* All works in turn, round by round; round -1 warms up. */
static void
run(struct work *works, unsigned n)
{
	for (int round = -1; round < (int)b.rounds; round++)
		for (unsigned i = 0; i < n; i++) {
			struct work *w = &works[i];
			double ours = measure(w->set, w), other = w->other || w->against_aead ? measure_reference(w) : 0;

			if (round < 0)
				continue;
			w->ours[round] = ours;
			w->reference[round] = other;
		}
	for (unsigned i = 0; i < n; i++)
		bench_row(works[i].name, works[i].ours, works[i].other || works[i].against_aead ? works[i].reference : NULL,
			b.rounds);
}

static struct pass_set *
make(const char *name, uint32_t peers, bool offload, bool zipf)
{
	struct pass_set *s = pass_set_create_workers(name, 1, peers, COLD, offload, zipf);

	if (!s)
		exit(1);
	return s;
}

static void
run_one_peer(void)
{
	struct pass_set *plain = make("plain", 1, false, false), *offload = make("offload", 1, true, false);
	static struct work works[12];
	unsigned n = 0;

	for (unsigned i = 0; i < 4; i++) {
		uint32_t size = i < 2 ? LARGE : SMALL;
		bool sealing = i % 2 == 0, large = size == LARGE;
		const char *const *name = &names[n];

		works[n++] = (struct work){name[0], plain, NULL, size, WARM, sealing, large, {0}, {0}};
		works[n++] = (struct work){name[1], plain, NULL, size, COLD, sealing, large, {0}, {0}};
		works[n++] = (struct work){name[2], offload, NULL, size, WARM, sealing, large, {0}, {0}};
	}
	run(works, n);
	pass_set_destroy(offload);
	pass_set_destroy(plain);
}

static void
run_many_peers(void)
{
	struct pass_set *many = make("many", PEERS_MANY, false, false);
	static struct work works[] = {
		{.name = "pass-10k-peers-64", .size = SMALL, .buffers = WARM, .sealing = true},
		{.name = "pass-10k-peers-1420", .size = LARGE, .buffers = WARM, .sealing = true},
	};

	works[0].set = works[1].set = many;
	run(works, 2);
	pass_set_destroy(many);
}

/* A packet to each peer: memory that is touched for the first time is no cost of one. */
static void
touch_all(struct pass_set *s)
{
	struct work w = {.name = "touching all peers", .size = SMALL, .buffers = COLD, .sealing = true};
	uint32_t *turns = s->turns;

	s->turns = NULL;
	for (uint32_t done = 0; done < s->peers; done += RTE_MAX(PER_ROUND, COLD))
		measure(s, &w);
	s->turns = turns;
}

static void
run_most_peers(void)
{
	struct pass_set *most = make("most", PEERS_MOST, false, true), *one = make("one", 1, false, false);
	static struct work works[] = {
		{.name = "pass-1m-peers-64", .size = SMALL, .buffers = WARM, .sealing = true},
		{.name = "pass-1m-peers-1420", .size = LARGE, .buffers = WARM, .sealing = true},
	};

	works[0].set = works[1].set = most;
	works[0].other = works[1].other = one;
	touch_all(most);
	run(works, 2);
	pass_set_destroy(one);
	pass_set_destroy(most);
}

static int
start_eal(void)
{
	char *argv[] = {"path", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "512", "--log-level", "4"};

	return rte_eal_init(RTE_DIM(argv), argv);
}

int
main(int argc, char **argv)
{
	bench_begin("path", names, RTE_DIM(names), &argc, argv);
	if (argc > 1) {
		fprintf(stderr, "path: unknown option %s\n", argv[1]);
		return 2;
	}
	b.rounds = bench_rounds(ROUNDS, ROUNDS_MAX);
	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	b.memory = calloc(COLD, AEAD_ROOM);
	b.reference = bench_reference_create();
	if (start_eal() < 0 || sl_crypto_init() != 0 || !b.memory || !b.reference)
		return 1;
	bench_pin(0);
	run_one_peer();
	run_many_peers();
	run_most_peers();
	bench_reference_destroy(b.reference);
	free(b.memory);
	return bench_end();
}
