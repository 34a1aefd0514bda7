/*
 * Cycles per packet of a worker's whole pass, from the frame that comes in to the frame that goes out, over ports in
 * memory: encap and decap, beside the AEAD alone on the same sizes and bursts in the same round.
 *
 *   pass [--json] [--stages] [--rounds N] [--peers N,N,…] [--zipf] [--sizes N,N,…,imix] [--bursts N,N,…]
 *        [--buffers N,N,…] [--only encap|decap] [--offload]
 *
 * Rows: inner packets of 64, 512 and 1420 bytes, bursts of 32 and 64, packets in 64 buffers that stay warm and in
 * 8192 that do not, traffic for 1, 1000 and 10000 peers round robin, or with --zipf by popularity. Figures are TSC
 * cycles per packet: a round's is the median of its bursts, since on a shared machine a burst during which the thread
 * was off its core would outweigh all others; printed are the median over rounds and the quartiles. --stages: where
 * they went, by the worker's own counters; "rest" is what lies between stages, and the receiving. --offload: ports
 * check and fill in UDP checksums.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>

#include "bench/pass_set.h"
#include "crypto/init.h"

#define ROUNDS_MAX  101
#define LIST_MAX    8
#define BUFFERS_MAX 8192
#define PER_ROUND   8192 /* packets of a row and round, at least */
#define BURST_MIN   4
#define PEERS_MAX   2000000
#define AEAD_OFFSET 186  /* where a plaintext lies in its buffer */
#define AEAD_ROOM   2048

struct list {
	unsigned n, of[LIST_MAX];
};

enum { ENCAP = 1, DECAP = 2 };

struct options {
	bool json, offload, stages, zipf;
	unsigned rounds;
	unsigned ways; /* ENCAP and DECAP */
	struct list peers, sizes, bursts, buffers;
};

/* By round: the pass, and its stages. */
struct way {
	double pass[ROUNDS_MAX], stages[SL_STAGE_COUNT][ROUNDS_MAX];
};

struct row {
	unsigned peers, size, burst, buffers;
	struct way encap, decap;
	double aead[ROUNDS_MAX];
};

struct figure {
	double low, median, high;
};

static bool first_row = true;

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct figure
summary(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return (struct figure){v[n / 4], v[n / 2], v[n - 1 - n / 4]};
}

/* The cycles per packet of a round's bursts. */
struct samples {
	unsigned n;
	double cycles[2 * PER_ROUND / BURST_MIN];
};

static void
sample(struct samples *t, uint64_t cycles, unsigned burst)
{
	if (t->n < RTE_DIM(t->cycles))
		t->cycles[t->n++] = (double)cycles / burst;
}

static double
median(struct samples *t)
{
	qsort(t->cycles, t->n, sizeof(t->cycles[0]), by_value);
	return t->n > 0 ? t->cycles[t->n / 2] : 0;
}

static uint64_t
stage_cycles(const struct pass_set *s, unsigned stage)
{
	return atomic_load_explicit(&s->w->stats.stages[stage].cycles, memory_order_relaxed);
}

/* One direction of one round; false where packets got lost. */
static bool
measure(struct pass_set *s, const struct row *row, bool sealing, struct way *out, int round)
{
	static struct rte_mbuf *frames[BUFFERS_MAX];
	static struct samples pass, stages[SL_STAGE_COUNT];
	uint64_t before[SL_STAGE_COUNT];
	unsigned done = 0;

	pass.n = 0;
	for (unsigned k = 0; k < SL_STAGE_COUNT; k++)
		stages[k].n = 0;
	for (; done < PER_ROUND; done += row->buffers) {
		if (sealing)
			pass_set_clear(s, frames, row->buffers, row->size);
		else
			pass_set_sealed(s, frames, row->buffers, row->size);
		for (unsigned i = 0; i < row->buffers; i += row->burst) {
			unsigned n = RTE_MIN(row->burst, row->buffers - i);
			uint64_t began;

			for (unsigned k = 0; k < SL_STAGE_COUNT; k++)
				before[k] = stage_cycles(s, k);
			began = rte_rdtsc_precise();
			sl_worker_receive(s->w, sealing ? PASS_LAN : PASS_WAN, frames + i, (uint16_t)n);
			sl_worker_run(s->w, s->now);
			sample(&pass, rte_rdtsc_precise() - began, n);
			for (unsigned k = 0; k < SL_STAGE_COUNT; k++)
				sample(&stages[k], stage_cycles(s, k) - before[k], n);
		}
		if (!pass_set_check(s, row->buffers, row->size, sealing))
			return false;
	}
	for (unsigned k = 0; round >= 0 && k < SL_STAGE_COUNT; k++)
		out->stages[k][round] = median(&stages[k]);
	if (round >= 0)
		out->pass[round] = median(&pass);
	return true;
}

/* The AEAD alone: the same peers, padded sizes, bursts and number of buffers. */
static double
measure_aead(struct pass_set *s, const struct row *row, uint8_t *memory)
{
	static struct samples t;
	struct sl_aead_job jobs[SL_BURST];
	uint64_t counter = 0;
	uint32_t turn = 0;

	t.n = 0;
	for (unsigned done = 0; done < PER_ROUND; done += row->buffers) {
		for (unsigned i = 0; i < row->buffers; i += row->burst) {
			unsigned n = RTE_MIN(row->burst, row->buffers - i);
			uint64_t began;

			for (unsigned k = 0; k < n; k++) {
				uint32_t len = RTE_MIN(RTE_ALIGN_CEIL(pass_size(row->size, i + k), 16u), 1420u);
				uint8_t *data = memory + (size_t)(i + k) * AEAD_ROOM + AEAD_OFFSET;

				jobs[k] = (struct sl_aead_job){s->sessions[pass_set_peer(s, turn++)]->sender->key, counter++,
					data, data, data + len, len, false};
			}
			began = rte_rdtsc_precise();
			sl_aead_seal_batch(s->aead, jobs, n);
			sample(&t, rte_rdtsc_precise() - began, n);
		}
	}
	return median(&t);
}

/* --- printing --- */

static void
print_stages(const struct options *o, struct way *way, const char *name)
{
	double rest = summary(way->pass, o->rounds).median;

	printf("%s", o->json ? "" : "      ");
	printf(o->json ? ", \"%s-stages\": {" : "%s:", name);
	for (unsigned k = 0; k < SL_STAGE_COUNT; k++) {
		double cycles = summary(way->stages[k], o->rounds).median;

		rest -= cycles;
		if (cycles > 0)
			printf(o->json ? "\"%s\": %.1f, " : " %s %.1f,", sl_stage_name(k), cycles);
	}
	printf(o->json ? "\"rest\": %.1f}" : " rest %.1f\n", rest);
}

static void
print_figure(const char *name, struct figure f)
{
	printf(", \"%s\": [%.1f, %.1f, %.1f]", name, f.low, f.median, f.high);
}

static void
print_json(const struct options *o, struct row *row)
{
	printf("%s\n  {\"peers\": %u, \"traffic\": \"%s\", \"size\": %u, \"burst\": %u, \"buffers\": %u, \"rounds\": %u",
		first_row ? "" : ",", row->peers, o->zipf ? "zipf" : "round-robin", row->size, row->burst, row->buffers,
		o->rounds);
	if (o->ways & ENCAP)
		print_figure("encap", summary(row->encap.pass, o->rounds));
	if (o->ways & DECAP)
		print_figure("decap", summary(row->decap.pass, o->rounds));
	print_figure("aead", summary(row->aead, o->rounds));
	if (o->stages && o->ways & ENCAP)
		print_stages(o, &row->encap, "encap");
	if (o->stages && o->ways & DECAP)
		print_stages(o, &row->decap, "decap");
	printf("}");
	first_row = false;
}

static void
print_text(const struct options *o, struct row *row)
{
	struct figure e = summary(row->encap.pass, o->rounds), d = summary(row->decap.pass, o->rounds),
		      a = summary(row->aead, o->rounds);
	char size[16] = "imix";

	if (row->size != PASS_IMIX)
		snprintf(size, sizeof(size), "%u", row->size);
	printf("%7u %5s %5u %7u   %6.0f (%5.0f-%5.0f)  %6.0f (%5.0f-%5.0f)  %6.0f (%5.0f-%5.0f)   %4.2f %4.2f\n", row->peers,
		size, row->burst, row->buffers, e.median, e.low, e.high, d.median, d.low, d.high, a.median, a.low, a.high,
		e.median / a.median, d.median / a.median);
	if (o->stages && o->ways & ENCAP)
		print_stages(o, &row->encap, "encap");
	if (o->stages && o->ways & DECAP)
		print_stages(o, &row->decap, "decap");
	fflush(stdout);
}

/* --- rows --- */

static bool
run_row(const struct options *o, struct pass_set *s, struct row *row, uint8_t *memory)
{
	/* Round -1 warms up. The three kinds alternate, so that a change of the machine's speed meets them alike. */
	for (int i = -1; i < (int)o->rounds; i++) {
		double aead;

		if ((o->ways & ENCAP && !measure(s, row, true, &row->encap, i)) ||
			(o->ways & DECAP && !measure(s, row, false, &row->decap, i))) {
			fprintf(stderr, "pass: packets were lost or changed (%u bytes, %u peers)\n", row->size, row->peers);
			return false;
		}
		aead = measure_aead(s, row, memory);
		if (i >= 0)
			row->aead[i] = aead;
	}
	if (o->json)
		print_json(o, row);
	else
		print_text(o, row);
	return true;
}

static bool
run_peers(const struct options *o, unsigned peers, uint8_t *memory)
{
	struct pass_set *s = pass_set_create(peers, BUFFERS_MAX, o->offload, o->zipf);
	static struct row row;
	bool ok = s != NULL;

	for (unsigned z = 0; z < o->sizes.n; z++)
		for (unsigned k = 0; k < o->buffers.n; k++)
			for (unsigned b = 0; b < o->bursts.n; b++) {
				row = (struct row){.peers = peers,
					.size = o->sizes.of[z],
					.burst = o->bursts.of[b],
					.buffers = o->buffers.of[k]};
				ok = ok && run_row(o, s, &row, memory);
			}
	if (s)
		pass_set_destroy(s);
	return ok;
}

/* "1,2": numbers from low to high, and "imix" where `mix` says so. An empty list for anything else. */
static struct list
parse_list(const char *text, unsigned low, unsigned high, bool mix)
{
	struct list l = {0};

	while (l.n < LIST_MAX && *text) {
		bool imix = mix && strncmp(text, "imix", 4) == 0;
		char *end = (char *)(uintptr_t)text + 4;

		l.of[l.n] = imix ? PASS_IMIX : (unsigned)strtoul(text, &end, 10);
		if (end == text || (!imix && (l.of[l.n] < low || l.of[l.n] > high)))
			return (struct list){0};
		l.n++;
		text = *end == ',' ? end + 1 : end;
	}
	return l;
}

static unsigned
parse_way(const char *text)
{
	return strcmp(text, "encap") == 0 ? ENCAP : strcmp(text, "decap") == 0 ? DECAP : 0;
}

static bool
parse_options(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {{"json", no_argument, NULL, 'j'}, {"rounds", required_argument, NULL, 'r'},
		{"peers", required_argument, NULL, 'p'}, {"sizes", required_argument, NULL, 's'},
		{"bursts", required_argument, NULL, 'b'}, {"buffers", required_argument, NULL, 'f'},
		{"only", required_argument, NULL, 'w'}, {"stages", no_argument, NULL, 't'}, {"zipf", no_argument, NULL, 'z'},
		{"offload", no_argument, NULL, 'o'}, {0}};
	int c;

	*o = (struct options){.rounds = 9, .ways = ENCAP | DECAP, .peers = {3, {1, 1000, 10000}},
		.sizes = {3, {64, 512, 1420}}, .bursts = {2, {32, 64}}, .buffers = {2, {64, BUFFERS_MAX}}};
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'j': o->json = true; break;
		case 'o': o->offload = true; break;
		case 't': o->stages = true; break;
		case 'z': o->zipf = true; break;
		case 'r': o->rounds = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'w': o->ways = parse_way(optarg); break;
		case 'p': o->peers = parse_list(optarg, 1, PEERS_MAX, false); break;
		case 's': o->sizes = parse_list(optarg, 28, 1420, true); break;
		case 'b': o->bursts = parse_list(optarg, BURST_MIN, SL_BURST, false); break;
		case 'f': o->buffers = parse_list(optarg, SL_BURST, BUFFERS_MAX, false); break;
		default: return false;
		}
	}
	return o->rounds > 0 && o->rounds <= ROUNDS_MAX && o->ways && o->peers.n > 0 && o->sizes.n > 0 &&
		o->bursts.n > 0 && o->buffers.n > 0;
}

static int
start_eal(void)
{
	char *argv[] = {"pass", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "512", "--log-level", "4"};

	return rte_eal_init(RTE_DIM(argv), argv);
}

int
main(int argc, char **argv)
{
	struct options o;
	uint8_t *memory;
	bool ok = true;

	if (!parse_options(&o, argc, argv)) {
		fprintf(stderr, "usage: pass [--json] [--stages] [--rounds N] [--peers N,…] [--zipf] [--sizes N,…,imix]\n"
				"            [--bursts N,…] [--buffers N,…] [--only encap|decap] [--offload]\n");
		return 2;
	}
	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	memory = calloc(BUFFERS_MAX, AEAD_ROOM);
	if (start_eal() < 0 || sl_crypto_init() != 0 || !memory)
		return 1;
	if (o.json)
		printf("[");
	else
		printf("  peers  size burst buffers   encap (quartiles)      decap (quartiles)      AEAD alone              "
		       "encap, decap / AEAD\n");
	for (unsigned i = 0; ok && i < o.peers.n; i++)
		ok = run_peers(&o, o.peers.of[i], memory);
	if (o.json)
		printf("\n]\n");
	free(memory);
	return ok ? 0 : 1;
}
