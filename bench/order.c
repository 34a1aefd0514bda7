/*
 * One peer's messages opened by two workers against one, in order: 1420 bytes of inner packet, from the frame that comes in
 * to the frame that goes out, over ports in memory. The packets are made before, control does nothing, each worker stays
 * on a core of its own. Rounds of one worker and of two take turns.
 *
 *   order [--json] [--quick] [--rounds N] [--offload] [--stages]
 *
 * A round's figure is the median over its chunks of 512 packets, so that a moment in which the system gave a core to
 * somebody else does not outweigh the rest; the best round of each kind is told too. Every packet's place in the order is
 * checked as it leaves. --offload: ports check UDP checksums. --stages: where the cycles went.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_pause.h>

#include "bench/pass_set.h"
#include "bench/rows.h"
#include "bench/stats.h"
#include "crypto/init.h"
#include "dataplane/order.h"

#define ROUNDS     31
#define ROUNDS_MAX 1001
#define PACKETS    8192
#define CHUNK      512
#define CHUNKS     (PACKETS / CHUNK)
#define INNER      1420
#define OWNER_CORE  0 /* the nth of bench_pin */
#define HELPER_CORE 1

static struct {
	struct pass_set *one, *two;
	double hz;
	_Atomic bool run, stop, parked;
	uint64_t reordered, lost;
	bool stages;
	struct rte_mbuf *frames[PACKETS], *order[PACKETS];
} b;

/* --- the helping worker --- */

static void *
helper_main(void *arg)
{
	struct sl_worker *w = b.two->dp->workers[1];

	bench_pin(HELPER_CORE);
	while (!atomic_load_explicit(&b.stop, memory_order_relaxed)) {
		bool run = atomic_load_explicit(&b.run, memory_order_acquire);

		atomic_store_explicit(&b.parked, !run, memory_order_release);
		if (run)
			sl_worker_run(w, b.two->now);
		else
			sched_yield();
		rte_pause();
	}
	return NULL;
}

static void
set_helper(bool run)
{
	atomic_store(&b.run, run);
	while (atomic_load(&b.parked) == run)
		sched_yield();
}

/* --- the owner --- */

/* No more than the ring holds: a port's queue would hold the rest. */
static void
await_room(struct pass_set *s)
{
	struct sl_order *o = s->w->order;

	while (o->packets + SL_BURST > o->limit || sl_order_ring_out(&o->ring) + 2 > SL_ORDER_TICKETS)
		sl_worker_run(s->w, s->now);
}

/* Packets per second of one round. */
static double
measure(struct pass_set *s, double *busy)
{
	double chunks[CHUNKS];
	uint64_t before = 0, after = 0;

	pass_set_sealed(s, b.frames, PACKETS, INNER);
	memcpy(b.order, b.frames, sizeof(b.order));
	for (unsigned i = 0; i < SL_STAGE_COUNT; i++)
		before += s->w->stats.stages[i].cycles;
	for (unsigned c = 0; c < CHUNKS; c++) {
		uint64_t began = bench_tsc();

		for (unsigned i = 0; i < CHUNK; i += SL_BURST) {
			await_room(s);
			sl_worker_receive(s->w, PASS_WAN, b.frames + c * CHUNK + i, SL_BURST);
			sl_worker_run(s->w, s->now);
		}
		chunks[c] = (double)(bench_tsc() - began);
	}
	while (sl_order_any(s->w))
		sl_worker_run(s->w, s->now);
	for (unsigned i = 0; i < SL_STAGE_COUNT; i++)
		after += s->w->stats.stages[i].cycles;
	*busy = (double)(after - before) / PACKETS;
	for (unsigned i = 0; i < s->n_out; i++)
		b.reordered += s->out[i] != b.order[i];
	b.lost += PACKETS - s->n_out;
	if (!pass_set_check(s, PACKETS, INNER, false))
		b.lost++;
	return CHUNK / bench_spread(chunks, CHUNKS).median * b.hz;
}

static double
helped_cycles(void)
{
	return (double)b.two->dp->workers[1]->stats.stages[SL_STAGE_HELP].cycles;
}

static void
print(const char *what, const char *unit, double *values, unsigned n)
{
	double best = values[0];

	for (unsigned i = 1; i < n; i++)
		best = values[i] > best ? values[i] : best;
	bench_info(what, unit, values, n);
	fprintf(stderr, "  best round: %.0f\n", best);
}

/* Where the cycles of all rounds went. */
static void
print_stages(const char *who, const struct sl_worker *w, unsigned rounds)
{
	for (unsigned i = 0; i < SL_STAGE_COUNT; i++) {
		double cycles = (double)w->stats.stages[i].cycles, packets = (double)w->stats.stages[i].packets;

		if (cycles > 0)
			fprintf(stderr, "%s %-12s %7.1f cycles of each packet, %7.1f of each that it took\n", who,
				sl_stage_name((enum sl_stage)i), cycles / PACKETS / (rounds + 1), packets > 0 ? cycles / packets : 0.0);
	}
}

static void
run_rounds(unsigned rounds)
{
	static double one[ROUNDS_MAX], two[ROUNDS_MAX], owner1[ROUNDS_MAX], owner2[ROUNDS_MAX], helper[ROUNDS_MAX],
		share[ROUNDS_MAX], reordered[ROUNDS_MAX];
	struct sl_worker *w = b.two->w, *h = b.two->dp->workers[1];

	/* Round -1 warms up. */
	for (int i = -1; i < (int)rounds; i++) {
		unsigned k = i < 0 ? 0 : (unsigned)i;
		uint64_t batches = h->stats.helped[0], own = w->stats.helped[0];
		double cycles;

		one[k] = measure(b.one, &owner1[k]);
		b.reordered = 0;
		set_helper(true);
		cycles = helped_cycles();
		two[k] = measure(b.two, &owner2[k]);
		set_helper(false);
		helper[k] = (helped_cycles() - cycles) / PACKETS;
		batches = h->stats.helped[0] - batches;
		own = w->stats.helped[0] - own;
		share[k] = 100.0 * (double)batches / (double)(batches + own + !(batches + own));
		reordered[k] = (double)b.reordered;
	}
	print("one worker", "packets/s", one, rounds);
	print("two workers", "packets/s", two, rounds);
	bench_info("cycles of the one worker", "TSC cycles/packet", owner1, rounds);
	bench_info("cycles of the owner of two", "TSC cycles/packet", owner2, rounds);
	bench_info("cycles of its helper", "TSC cycles/packet", helper, rounds);
	bench_info("batches that the helper opened", "%", share, rounds);
	if (b.stages) {
		print_stages("one worker", b.one->w, rounds);
		print_stages("owner", w, rounds);
		print_stages("helper", h, rounds);
	}
	bench_row("one-peer-two-workers", two, one, rounds);
	bench_row("one-peer-reordered", reordered, NULL, rounds);
}

static bool
set_up(bool offload)
{
	char *eal[] = {"order", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "512", "--log-level", "4"};

	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	bench_cores(); /* before EAL takes all but one from this thread */
	if (rte_eal_init(RTE_DIM(eal), eal) < 0 || sl_crypto_init() != 0)
		return false;
	b.one = pass_set_create_workers("one", 1, 1, PACKETS, offload, false);
	b.two = pass_set_create_workers("two", 2, 1, PACKETS, offload, false);
	b.hz = bench_tsc_hz();
	return b.one && b.two;
}

int
main(int argc, char **argv)
{
	static const char *const names[] = {"one-peer-two-workers", "one-peer-reordered"};
	bool offload = false;
	cpu_set_t cores;
	pthread_t thread;

	bench_begin("order", names, RTE_DIM(names), &argc, argv);
	for (int i = 1; i < argc; i++) {
		offload |= strcmp(argv[i], "--offload") == 0;
		b.stages |= strcmp(argv[i], "--stages") == 0;
		if (strcmp(argv[i], "--offload") != 0 && strcmp(argv[i], "--stages") != 0) {
			fputs("usage: order [--json] [--quick] [--rounds N] [--offload] [--stages]\n", stderr);
			return 2;
		}
	}
	if (bench_cores() < 2) {
		for (unsigned i = 0; i < RTE_DIM(names); i++)
			bench_missing(names[i], "two workers need two cores");
		return bench_end();
	}
	if (sched_getaffinity(0, sizeof(cores), &cores) != 0 || !set_up(offload) ||
		sched_setaffinity(0, sizeof(cores), &cores) != 0 || pthread_create(&thread, NULL, helper_main, NULL) != 0)
		return 1;
	bench_pin(OWNER_CORE);
	run_rounds(bench_rounds(ROUNDS, ROUNDS_MAX));
	atomic_store(&b.stop, true);
	pthread_join(thread, NULL);
	pass_set_destroy(b.one);
	pass_set_destroy(b.two);
	if (b.lost > 0) {
		fprintf(stderr, "order: %lu packets were lost or changed\n", b.lost);
		return 1;
	}
	return bench_end();
}
