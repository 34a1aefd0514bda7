#include "dataplane/clock.h"

#include <rte_branch_prediction.h>

#define NSEC_PER_SEC     UINT64_C(1000000000)
#define MEASURE_NS       UINT64_C(10000000)  /* how long the TSC's rate is measured at start */
#define REBASE_NS        (60 * NSEC_PER_SEC) /* the rate is measured over at least the last half of this */
#define STEP_NS          UINT64_C(1000000)   /* a difference above this is no drift: the machine slept, or was moved */
#define READ_TRIES       5

uint64_t
sl_clock_boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

void
sl_clock_wall(struct timespec *out)
{
	clock_gettime(CLOCK_REALTIME, out);
}

/* TSC and boot time of one moment: the pair that was read in the shortest time. */
static void
read_pair(uint64_t *tsc, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	*tsc = *ns = 0;
	for (unsigned i = 0; i < READ_TRIES; i++) {
		uint64_t before = rte_rdtsc(), now = sl_clock_boot_ns(), took = rte_rdtsc() - before;

		if (took < best) {
			best = took;
			*tsc = before + took / 2;
			*ns = now;
		}
	}
}

static uint64_t
rate(uint64_t tsc, uint64_t ns)
{
	return (uint64_t)(((unsigned __int128)ns << SL_CLOCK_SHIFT) / tsc);
}

struct base {
	uint64_t tsc, ns, mult;
};

static uint64_t
to_ns(const struct base *b, uint64_t tsc)
{
	/* the TSC of another core may be a little behind the one that was calibrated on */
	if (tsc <= b->tsc)
		return b->ns;
	return b->ns + (uint64_t)(((unsigned __int128)(tsc - b->tsc) * b->mult) >> SL_CLOCK_SHIFT);
}

static void
publish(struct sl_clock *c, uint64_t tsc, uint64_t ns, uint64_t mult)
{
	uint32_t next = atomic_load_explicit(&c->generation, memory_order_relaxed) + 1;
	struct sl_clock_base *b = &c->bases[next % 2];

	/* a reader that sees one of the values below sees the generation that freed this base, too */
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&b->tsc, tsc, memory_order_relaxed);
	atomic_store_explicit(&b->ns, ns, memory_order_relaxed);
	atomic_store_explicit(&b->mult, mult, memory_order_relaxed);
	atomic_store_explicit(&c->generation, next, memory_order_release);
}

static struct base
load(const struct sl_clock *c)
{
	uint32_t generation;
	struct base b;

	do {
		generation = atomic_load_explicit(&c->generation, memory_order_acquire);
		b.tsc = atomic_load_explicit(&c->bases[generation % 2].tsc, memory_order_relaxed);
		b.ns = atomic_load_explicit(&c->bases[generation % 2].ns, memory_order_relaxed);
		b.mult = atomic_load_explicit(&c->bases[generation % 2].mult, memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
	} while (unlikely(generation != atomic_load_explicit(&c->generation, memory_order_relaxed)));
	return b;
}

void
sl_clock_init(struct sl_clock *c)
{
	uint64_t tsc, ns;

	*c = (struct sl_clock){0};
	read_pair(&c->first_tsc, &c->first_ns);
	do
		read_pair(&tsc, &ns);
	while (ns - c->first_ns < MEASURE_NS || tsc <= c->first_tsc);
	publish(c, tsc, ns, rate(tsc - c->first_tsc, ns - c->first_ns));
}

void
sl_clock_init_source(struct sl_clock *c, sl_clock_fn source, void *ctx)
{
	*c = (struct sl_clock){.source = source, .ctx = ctx};
}

void
sl_clock_calibrate_pair(struct sl_clock *c, uint64_t tsc, uint64_t ns)
{
	struct base b = load(c);
	uint64_t predicted = to_ns(&b, tsc);
	uint64_t error = predicted > ns ? predicted - ns : ns - predicted;

	if (error > STEP_NS || tsc <= c->first_tsc) {
		/* the TSC stood still or began anew: its rate is as it was, but is measured from here on */
		c->first_tsc = tsc;
		c->first_ns = ns;
	} else if (ns - c->first_ns >= MEASURE_NS) {
		b.mult = rate(tsc - c->first_tsc, ns - c->first_ns);
		if (ns - c->first_ns >= REBASE_NS) {
			c->first_tsc += (tsc - c->first_tsc) / 2;
			c->first_ns += (ns - c->first_ns) / 2;
		}
	}
	publish(c, tsc, ns, b.mult);
}

void
sl_clock_calibrate(struct sl_clock *c)
{
	uint64_t tsc, ns;

	if (c->source)
		return;
	read_pair(&tsc, &ns);
	sl_clock_calibrate_pair(c, tsc, ns);
}

uint64_t
sl_clock_read_at(const struct sl_clock *c, uint64_t tsc)
{
	struct base b = load(c);

	return to_ns(&b, tsc);
}

uint64_t
sl_clock_read(const struct sl_clock *c)
{
	return c->source ? c->source(c->ctx) : sl_clock_read_at(c, rte_rdtsc());
}
