/*
 * Cycles per packet of a worker's whole pass, from the frame that comes in to the frame that goes out, over ports in
 * memory: encap and decap, beside the AEAD alone on the same sizes and bursts in the same round.
 *
 *   pass [--json] [--rounds N] [--peers N,N,…] [--sizes N,N,…] [--offload]
 *
 * Rows: inner packets of 64, 512 and 1420 bytes, bursts of 32 and 64, packets in 64 buffers that stay warm and in
 * 8192 that do not, traffic for 1, 1000 and 10000 peers round robin. Figures are TSC cycles per packet: a round's is
 * the median of its bursts, since on a shared machine a burst during which the thread was off its core would outweigh
 * all others; printed are the median over rounds and the quartiles. --offload: ports check and fill in UDP checksums.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_eal.h>

#include "bench/pass_set.h"
#include "crypto/init.h"

#define ROUNDS_MAX  101
#define LIST_MAX    8
#define BUFFERS_MAX 8192
#define PER_ROUND   8192 /* packets of a row and round, at least */
#define AEAD_OFFSET 186  /* where a plaintext lies in its buffer */
#define AEAD_ROOM   2048

struct options {
	bool json, offload;
	unsigned rounds;
	unsigned n_peers, peers[LIST_MAX];
	unsigned n_sizes, sizes[LIST_MAX];
};

struct row {
	unsigned peers, size, burst, buffers;
	double encap[ROUNDS_MAX], decap[ROUNDS_MAX], aead[ROUNDS_MAX];
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

/* The cycles of a round's bursts. */
struct samples {
	unsigned n;
	double cycles[2 * PER_ROUND / SL_BURST * 2];
};

static double
median(struct samples *t)
{
	qsort(t->cycles, t->n, sizeof(t->cycles[0]), by_value);
	return t->cycles[t->n / 2];
}

/* One direction of one round; cycles per packet, or a negative number where packets got lost. */
static double
measure(struct pass_set *s, const struct row *row, bool sealing)
{
	static struct rte_mbuf *frames[BUFFERS_MAX];
	struct samples t = {0};
	unsigned done = 0;

	while (done < PER_ROUND) {
		if (sealing)
			pass_set_clear(s, frames, row->buffers, row->size);
		else
			pass_set_sealed(s, frames, row->buffers, row->size);
		for (unsigned i = 0; i < row->buffers; i += row->burst) {
			uint64_t began = rte_rdtsc_precise();

			sl_worker_receive(s->w, sealing ? PASS_LAN : PASS_WAN, frames + i, (uint16_t)row->burst);
			sl_worker_run(s->w, s->now);
			t.cycles[t.n++] = (double)(rte_rdtsc_precise() - began) / row->burst;
		}
		if (!pass_set_check(s, row->buffers, row->size, sealing))
			return -1;
		done += row->buffers;
	}
	return median(&t);
}

/* The AEAD alone: the same padded sizes, bursts and number of buffers. */
static double
measure_aead(struct pass_set *s, const struct row *row, uint8_t *memory)
{
	uint32_t len = RTE_MIN((row->size + 15) / 16 * 16, 1420u);
	struct sl_aead_job jobs[SL_BURST];
	struct samples t = {0};
	uint64_t counter = 0;
	unsigned done = 0;

	while (done < PER_ROUND) {
		for (unsigned i = 0; i < row->buffers; i += row->burst) {
			uint64_t began;

			for (unsigned k = 0; k < row->burst; k++) {
				uint8_t *data = memory + (size_t)(i + k) * AEAD_ROOM + AEAD_OFFSET;

				jobs[k] = (struct sl_aead_job){s->sessions[(i + k) % s->peers]->send_key, counter++, data, data,
					data + len, len, false};
			}
			began = rte_rdtsc_precise();
			sl_aead_seal_batch(s->aead, jobs, row->burst);
			t.cycles[t.n++] = (double)(rte_rdtsc_precise() - began) / row->burst;
		}
		done += row->buffers;
	}
	return median(&t);
}

static void
print_row(const struct options *o, struct row *row)
{
	struct figure e = summary(row->encap, o->rounds), d = summary(row->decap, o->rounds),
		      a = summary(row->aead, o->rounds);

	if (!o->json) {
		printf("%6u %5u %5u %7u   %6.0f (%5.0f-%5.0f)  %6.0f (%5.0f-%5.0f)  %6.0f (%5.0f-%5.0f)   %4.2f %4.2f\n",
			row->peers, row->size, row->burst, row->buffers, e.median, e.low, e.high, d.median, d.low, d.high,
			a.median, a.low, a.high, e.median / a.median, d.median / a.median);
		return;
	}
	printf("%s\n  {\"peers\": %u, \"size\": %u, \"burst\": %u, \"buffers\": %u, \"rounds\": %u,\n"
	       "   \"encap\": [%.1f, %.1f, %.1f], \"decap\": [%.1f, %.1f, %.1f], \"aead\": [%.1f, %.1f, %.1f]}",
		first_row ? "" : ",", row->peers, row->size, row->burst, row->buffers, o->rounds, e.low, e.median, e.high, d.low,
		d.median, d.high, a.low, a.median, a.high);
	first_row = false;
}

static bool
run_row(const struct options *o, struct pass_set *s, struct row *row, uint8_t *memory)
{
	/* Round -1 warms up. The three kinds alternate, so that a change of the machine's speed meets them alike. */
	for (int i = -1; i < (int)o->rounds; i++) {
		double e = measure(s, row, true), d = measure(s, row, false), a = measure_aead(s, row, memory);

		if (e < 0 || d < 0) {
			fprintf(stderr, "pass: packets were lost or changed (%u bytes, %u peers)\n", row->size, row->peers);
			return false;
		}
		if (i < 0)
			continue;
		row->encap[i] = e;
		row->decap[i] = d;
		row->aead[i] = a;
	}
	print_row(o, row);
	return true;
}

static bool
run_peers(const struct options *o, unsigned peers, uint8_t *memory)
{
	static const unsigned bursts[] = {32, 64}, buffers[] = {64, BUFFERS_MAX};
	struct pass_set *s = pass_set_create(peers, BUFFERS_MAX, o->offload);
	static struct row row;
	bool ok = s != NULL;

	for (unsigned z = 0; z < o->n_sizes; z++)
		for (unsigned k = 0; k < RTE_DIM(buffers); k++)
			for (unsigned b = 0; b < RTE_DIM(bursts); b++) {
				row = (struct row){.peers = peers, .size = o->sizes[z], .burst = bursts[b], .buffers = buffers[k]};
				ok = ok && run_row(o, s, &row, memory);
			}
	if (s)
		pass_set_destroy(s);
	return ok;
}

/* "1,2,3" */
static unsigned
parse_list(const char *text, unsigned *list)
{
	unsigned n = 0;

	while (n < LIST_MAX && *text) {
		char *end;

		list[n++] = (unsigned)strtoul(text, &end, 10);
		if (end == text || list[n - 1] == 0)
			return 0;
		text = *end == ',' ? end + 1 : end;
	}
	return n;
}

static bool
parse_options(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {{"json", no_argument, NULL, 'j'}, {"rounds", required_argument, NULL, 'r'},
		{"peers", required_argument, NULL, 'p'}, {"sizes", required_argument, NULL, 's'},
		{"offload", no_argument, NULL, 'o'}, {0}};
	int c;

	*o = (struct options){.rounds = 9, .n_peers = 3, .peers = {1, 1000, 10000}, .n_sizes = 3, .sizes = {64, 512, 1420}};
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 'j')
			o->json = true;
		else if (c == 'o')
			o->offload = true;
		else if (c == 'r')
			o->rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'p')
			o->n_peers = parse_list(optarg, o->peers);
		else if (c == 's')
			o->n_sizes = parse_list(optarg, o->sizes);
		else
			return false;
	}
	for (unsigned i = 0; i < o->n_sizes; i++)
		if (o->sizes[i] < 28 || o->sizes[i] > 1420)
			return false;
	return o->rounds > 0 && o->rounds <= ROUNDS_MAX && o->n_peers > 0 && o->n_sizes > 0;
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
		fprintf(stderr, "usage: pass [--json] [--rounds N] [--peers N,…] [--sizes N,…] [--offload]\n");
		return 2;
	}
	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	memory = calloc(BUFFERS_MAX, AEAD_ROOM);
	if (start_eal() < 0 || sl_crypto_init() != 0 || !memory)
		return 1;
	if (o.json)
		printf("[");
	else
		printf(" peers  size burst buffers   encap (quartiles)      decap (quartiles)      AEAD alone              "
		       "encap, decap / AEAD\n");
	for (unsigned i = 0; ok && i < o.n_peers; i++)
		ok = run_peers(&o, o.peers[i], memory);
	if (o.json)
		printf("\n]\n");
	free(memory);
	return ok ? 0 : 1;
}
