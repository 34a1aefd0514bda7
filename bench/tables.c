/*
 * What the longest-prefix-match table costs: lookups in bursts of 32 and one
 * by one, insertions and removals published one by one, and loading as one
 * edit, at 1k, 100k and 1M prefixes. DPDK's rte_fib (DIR24_8, 4-byte next
 * hops) and rte_lpm stand beside it where they can hold the set.
 *
 * Every figure is the median of several rounds with the quartiles beside it,
 * in TSC cycles and ns. Lookups go to random addresses inside random prefixes
 * of the table.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_lpm.h>
#include <rte_rcu_qsbr.h>

#include "bench/tables_set.h"
#include "dataplane/lpm.h"

#define BURST      32
#define QUERIES    65536u
#define ROUNDS_MAX 99
#define CHANGES    2048u /* per round */
#define LPM_LIMIT  1000u /* rte_lpm inserts in quadratic time */

struct spread {
	double q1, median, q3;
};

struct row {
	const char *shape, *table;
	unsigned prefixes;
	struct spread burst, single, insert, remove; /* cycles; single: 0 where there is none */
	double worst;                                /* of insertions and removals, 99.9% of them lie below */
	double load;                                 /* cycles per prefix */
	double bytes;                                /* per prefix, 0: not known */
};

/* One table under test; prefixes are named by their number in the set. */
struct subject {
	const char *name;
	int (*create)(struct subject *s, const struct bench_set *set);
	void (*load)(struct subject *s);
	void (*lookup)(struct subject *s, unsigned first, unsigned n);
	void (*lookup_one)(struct subject *s, unsigned i); /* or NULL */
	void (*insert)(struct subject *s, unsigned i);
	void (*remove)(struct subject *s, unsigned i);
	void (*settle)(struct subject *s); /* between measurements */
	double (*bytes)(struct subject *s);
	void (*destroy)(struct subject *s);
	const struct bench_set *set;
	struct sl_ip *queries;
	struct sl_lpm *lpm;
	struct sl_reclaim reclaim;
	struct rte_fib *fib;
	struct rte_lpm *rte_lpm;
};

static double cycles_per_ns;
static unsigned rounds = 11;
static bool json;
static uint32_t sink[BURST];
static uint64_t sink64[BURST];

static void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static uint32_t host_addr(const struct sl_ip *ip)
{
	uint32_t a;

	memcpy(&a, ip->bytes, sizeof(a));
	return rte_be_to_cpu_32(a);
}

/* --- ours --- */

static uint64_t empty_bytes;

static int ours_create(struct subject *s, const struct bench_set *set)
{
	if (sl_lpm_create(&s->lpm, &s->reclaim, 0) != 0)
		return -ENOMEM;
	empty_bytes = sl_lpm_memory(s->lpm);
	return 0;
}

static void ours_insert(struct subject *s, unsigned i)
{
	if (sl_lpm_set(s->lpm, &s->set->prefixes[i], i + 1, NULL) != 0)
		die("sl_lpm_set failed");
}

static void ours_remove(struct subject *s, unsigned i)
{
	if (sl_lpm_remove(s->lpm, &s->set->prefixes[i], NULL) != 0)
		die("sl_lpm_remove failed");
}

static void ours_load(struct subject *s)
{
	sl_lpm_begin(s->lpm);
	for (unsigned i = 0; i < s->set->n; i++)
		ours_insert(s, i);
	sl_lpm_commit(s->lpm);
}

static void ours_lookup(struct subject *s, unsigned first, unsigned n)
{
	struct sl_lpm_key keys[BURST];
	uint32_t addrs[BURST];

	if (s->queries[first].family == SL_AF_INET) {
		for (unsigned i = 0; i < n; i++)
			memcpy(&addrs[i], s->queries[first + i].bytes, sizeof(addrs[i]));
		sl_lpm_lookup4_burst(s->lpm, 0, addrs, sink, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		keys[i] = (struct sl_lpm_key){s->lpm, s->queries[first + i].bytes, s->queries[first + i].family};
	sl_lpm_lookup_burst(keys, sink, n);
}

static void ours_lookup_one(struct subject *s, unsigned i)
{
	sink[0] += sl_lpm_lookup(s->lpm, &s->queries[i]);
}

static void ours_settle(struct subject *s)
{
	while (sl_reclaim_poll(&s->reclaim) > 0) {
	}
}

static double ours_bytes(struct subject *s)
{
	return (double)(sl_lpm_memory(s->lpm) - empty_bytes);
}

static void ours_destroy(struct subject *s)
{
	sl_lpm_destroy(s->lpm);
	sl_reclaim_drain(&s->reclaim);
}

/* --- rte_fib --- */

static int fib_create(struct subject *s, const struct bench_set *set)
{
	struct rte_fib_conf conf = {
	        .type = RTE_FIB_DIR24_8,
	        .max_routes = (int)set->n + 1024,
	        .dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_4B, .num_tbl8 = bench_set_long_blocks(set) + 1024},
	};

	s->fib = rte_fib_create("bench", SOCKET_ID_ANY, &conf);
	return s->fib != NULL ? 0 : -rte_errno;
}

static void fib_insert(struct subject *s, unsigned i)
{
	const struct sl_prefix *p = &s->set->prefixes[i];

	if (rte_fib_add(s->fib, host_addr(&p->addr), p->len, i + 1) != 0)
		die("rte_fib_add failed");
}

static void fib_remove(struct subject *s, unsigned i)
{
	const struct sl_prefix *p = &s->set->prefixes[i];

	if (rte_fib_delete(s->fib, host_addr(&p->addr), p->len) != 0)
		die("rte_fib_delete failed");
}

static void fib_load(struct subject *s)
{
	for (unsigned i = 0; i < s->set->n; i++)
		fib_insert(s, i);
}

static void fib_lookup(struct subject *s, unsigned first, unsigned n)
{
	uint32_t ips[BURST];

	for (unsigned i = 0; i < n; i++)
		ips[i] = host_addr(&s->queries[first + i]);
	rte_fib_lookup_bulk(s->fib, ips, sink64, (int)n);
}

static void fib_destroy(struct subject *s)
{
	rte_fib_free(s->fib);
}

/* --- rte_lpm --- */

static int lpm_create(struct subject *s, const struct bench_set *set)
{
	struct rte_lpm_config conf = {.max_rules = set->n + 1024, .number_tbl8s = bench_set_long_blocks(set) + 1024};

	s->rte_lpm = rte_lpm_create("bench", SOCKET_ID_ANY, &conf);
	return s->rte_lpm != NULL ? 0 : -rte_errno;
}

static void lpm_insert(struct subject *s, unsigned i)
{
	const struct sl_prefix *p = &s->set->prefixes[i];

	if (rte_lpm_add(s->rte_lpm, host_addr(&p->addr), p->len, i + 1) != 0)
		die("rte_lpm_add failed");
}

static void lpm_remove(struct subject *s, unsigned i)
{
	const struct sl_prefix *p = &s->set->prefixes[i];

	if (rte_lpm_delete(s->rte_lpm, host_addr(&p->addr), p->len) != 0)
		die("rte_lpm_delete failed");
}

static void lpm_load(struct subject *s)
{
	for (unsigned i = 0; i < s->set->n; i++)
		lpm_insert(s, i);
}

static void lpm_lookup(struct subject *s, unsigned first, unsigned n)
{
	uint32_t ips[BURST];

	for (unsigned i = 0; i < n; i++)
		ips[i] = host_addr(&s->queries[first + i]);
	rte_lpm_lookup_bulk(s->rte_lpm, ips, sink, n);
}

static void lpm_destroy(struct subject *s)
{
	rte_lpm_free(s->rte_lpm);
}

static const struct subject ours = {.name = "sluice",
        .create = ours_create,
        .load = ours_load,
        .lookup = ours_lookup,
        .lookup_one = ours_lookup_one,
        .insert = ours_insert,
        .remove = ours_remove,
        .settle = ours_settle,
        .bytes = ours_bytes,
        .destroy = ours_destroy};
static const struct subject fib = {.name = "rte_fib",
        .create = fib_create,
        .load = fib_load,
        .lookup = fib_lookup,
        .insert = fib_insert,
        .remove = fib_remove,
        .destroy = fib_destroy};
static const struct subject dpdk_lpm = {.name = "rte_lpm",
        .create = lpm_create,
        .load = lpm_load,
        .lookup = lpm_lookup,
        .insert = lpm_insert,
        .remove = lpm_remove,
        .destroy = lpm_destroy};

/* --- measuring --- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct spread spread_of(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), by_value);
	return (struct spread){values[n / 4], values[n / 2], values[n - 1 - n / 4]};
}

static void measure_lookups(struct subject *s, struct row *row)
{
	double burst[ROUNDS_MAX], single[ROUNDS_MAX];

	for (unsigned r = 0; r < rounds; r++) {
		uint64_t t0 = rte_rdtsc();

		for (unsigned i = 0; i < QUERIES; i += BURST)
			s->lookup(s, i, BURST);
		burst[r] = (double)(rte_rdtsc() - t0) / QUERIES;
		t0 = rte_rdtsc();
		for (unsigned i = 0; s->lookup_one != NULL && i < QUERIES; i++)
			s->lookup_one(s, i);
		single[r] = s->lookup_one != NULL ? (double)(rte_rdtsc() - t0) / QUERIES : 0;
	}
	row->burst = spread_of(burst, rounds);
	row->single = spread_of(single, rounds);
}

/* Takes random prefixes out and puts them back, one by one, each published at once. */
static void measure_changes(struct subject *s, struct row *row)
{
	static double each[2 * CHANGES * ROUNDS_MAX];
	double insert[ROUNDS_MAX], removal[ROUNDS_MAX];
	uint64_t state = 99;
	unsigned n = 0;

	for (unsigned r = 0; r < rounds; r++) {
		uint64_t sum_insert = 0, sum_remove = 0;

		for (unsigned i = 0; i < CHANGES; i++) {
			unsigned which = (unsigned)(bench_random(&state) % s->set->n);
			uint64_t t0 = rte_rdtsc(), t1, t2;

			s->remove(s, which);
			t1 = rte_rdtsc();
			s->insert(s, which);
			t2 = rte_rdtsc();
			sum_remove += t1 - t0;
			sum_insert += t2 - t1;
			each[n++] = (double)(t1 - t0);
			each[n++] = (double)(t2 - t1);
			if (s->settle != NULL && i % 64 == 63)
				s->settle(s);
		}
		insert[r] = (double)sum_insert / CHANGES;
		removal[r] = (double)sum_remove / CHANGES;
	}
	row->insert = spread_of(insert, rounds);
	row->remove = spread_of(removal, rounds);
	qsort(each, n, sizeof(*each), by_value);
	row->worst = each[(size_t)n * 999 / 1000];
}

static void print_spread(const char *name, struct spread s, bool last)
{
	if (json)
		printf("\"%s-cycles\": [%.1f, %.1f, %.1f], \"%s-ns\": [%.1f, %.1f, %.1f]%s", name, s.q1, s.median, s.q3,
		        name, s.q1 / cycles_per_ns, s.median / cycles_per_ns, s.q3 / cycles_per_ns, last ? "" : ", ");
	else if (s.median == 0)
		printf(" %27s", "-");
	else
		printf(" %6.0f %7.1f (%4.0f..%5.0f)", s.median, s.median / cycles_per_ns, s.q1 / cycles_per_ns,
		        s.q3 / cycles_per_ns);
}

static void print_row(const struct row *r)
{
	static bool some;

	if (json) {
		printf("%s\n  {\"shape\": \"%s\", \"table\": \"%s\", \"prefixes\": %u, \"rounds\": %u, ",
		        some ? "," : "", r->shape, r->table, r->prefixes, rounds);
		print_spread("burst", r->burst, false);
		print_spread("single", r->single, false);
		print_spread("insert", r->insert, false);
		print_spread("remove", r->remove, false);
		printf("\"change-p999-ns\": %.1f, \"load-ns\": %.1f, \"bytes-per-prefix\": %.1f}",
		        r->worst / cycles_per_ns, r->load / cycles_per_ns, r->bytes);
	} else {
		printf("%-16s %-8s %8u", r->shape, r->table, r->prefixes);
		print_spread("", r->burst, false);
		print_spread("", r->single, false);
		print_spread("", r->insert, false);
		print_spread("", r->remove, false);
		printf(" %8.0f %6.0f", r->worst / cycles_per_ns, r->load / cycles_per_ns);
		if (r->bytes > 0)
			printf(" %6.1f\n", r->bytes);
		else
			printf(" %6s\n", "-");
	}
	some = true;
	fflush(stdout);
}

static void run(
        const struct subject *kind, const struct bench_set *set, struct sl_ip *queries, struct rte_rcu_qsbr *rcu)
{
	struct subject s = *kind;
	struct row row = {.shape = set->name, .table = kind->name, .prefixes = set->n};
	uint64_t t0;

	s.set = set;
	s.queries = queries;
	sl_reclaim_init(&s.reclaim, rcu);
	if (s.create(&s, set) != 0) {
		fprintf(stderr, "bench: no memory for %s with %u prefixes (%s)\n", kind->name, set->n, set->name);
		return;
	}
	t0 = rte_rdtsc();
	s.load(&s);
	row.load = (double)(rte_rdtsc() - t0) / set->n;
	if (s.settle != NULL)
		s.settle(&s);
	row.bytes = s.bytes != NULL ? s.bytes(&s) / set->n : 0;
	measure_lookups(&s, &row);
	measure_changes(&s, &row);
	s.destroy(&s);
	print_row(&row);
}

static void measure_clock(void)
{
	struct timespec a, b;
	uint64_t t0, t1;

	clock_gettime(CLOCK_MONOTONIC, &a);
	t0 = rte_rdtsc();
	usleep(50000);
	clock_gettime(CLOCK_MONOTONIC, &b);
	t1 = rte_rdtsc();
	cycles_per_ns = (double)(t1 - t0) / ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec));
}

static struct rte_rcu_qsbr *start_eal(void)
{
	char dir[] = "/tmp/sluice-bench-XXXXXX";
	char *argv[] = {"bench", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "1024", "--log-level",
	        "4", NULL};
	size_t size = rte_rcu_qsbr_get_memsize(1);
	struct rte_rcu_qsbr *rcu = aligned_alloc(64, (size + 63) & ~(size_t)63);

	if (mkdtemp(dir) == NULL || setenv("XDG_RUNTIME_DIR", dir, 1) != 0)
		die("no temporary folder");
	if (rcu == NULL || rte_eal_init(sizeof(argv) / sizeof(*argv) - 1, argv) < 0)
		die("EAL did not start");
	memset(rcu, 0, size);
	rte_rcu_qsbr_init(rcu, 1);
	rmdir(dir);
	return rcu;
}

static void run_all(struct rte_rcu_qsbr *rcu, unsigned max)
{
	static struct sl_ip queries[QUERIES];
	static const unsigned sizes[] = {1000, 100000, 1000000};

	for (enum bench_shape shape = 0; shape < BENCH_SHAPES; shape++) {
		for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes) && sizes[i] <= max; i++) {
			struct bench_set set;

			if (!bench_set_make(&set, shape, sizes[i]))
				die("no memory");
			bench_set_queries(&set, queries, QUERIES);
			run(&ours, &set, queries, rcu);
			if (set.prefixes[0].addr.family == SL_AF_INET)
				run(&fib, &set, queries, rcu);
			if (set.prefixes[0].addr.family == SL_AF_INET && set.n <= LPM_LIMIT)
				run(&dpdk_lpm, &set, queries, rcu);
			bench_set_free(&set);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
	        {"rounds", required_argument, NULL, 'r'}, {"max", required_argument, NULL, 'm'}, {0}};
	unsigned max = UINT32_MAX;
	struct rte_rcu_qsbr *rcu;
	int c;

	while ((c = getopt_long(argc, argv, "jr:m:", options, NULL)) != -1) {
		if (c == 'j') {
			json = true;
		} else if (c == 'r' && atoi(optarg) > 0 && atoi(optarg) <= ROUNDS_MAX) {
			rounds = (unsigned)atoi(optarg);
		} else if (c == 'm' && atoi(optarg) > 0) {
			max = (unsigned)atoi(optarg);
		} else {
			fprintf(stderr, "usage: tables [--json] [--rounds 1..%u] [--max PREFIXES]\n", ROUNDS_MAX);
			return 2;
		}
	}
	rcu = start_eal();
	measure_clock();
	if (json)
		printf("{\"cycles-per-ns\": %.4f, \"spread\": [\"quartile\", \"median\", \"quartile\"], \"rows\": [",
		        cycles_per_ns);
	else
		printf("TSC %.3f GHz; median cycles, median ns (quartiles in ns), per operation; %u rounds\n"
		       "%-16s %-8s %8s %27s %27s %27s %27s %8s %6s %6s\n",
		        cycles_per_ns, rounds, "shape", "table", "prefixes", "lookup, burst of 32", "lookup, one",
		        "insert", "remove", "p99.9 ns", "load", "B each");
	run_all(rcu, max);
	if (json)
		printf("\n]}\n");
	rte_eal_cleanup();
	free(rcu);
	return 0;
}
