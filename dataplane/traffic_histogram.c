#include "dataplane/traffic_histogram.h"

#define MILLION UINT64_C(1000000)

/* Times below 64 ns have a bucket each; above, the 6 bits behind the leading one choose it. */
static unsigned
bucket_of(uint64_t ns)
{
	unsigned top;

	if (ns >> SL_HISTOGRAM_TOP_BITS)
		return SL_HISTOGRAM_BUCKETS - 1;
	if (ns < SL_HISTOGRAM_STEPS)
		return (unsigned)ns;
	top = 63 - (unsigned)__builtin_clzll(ns);
	return (top - SL_HISTOGRAM_STEP_BITS + 1) * SL_HISTOGRAM_STEPS +
		((unsigned)(ns >> (top - SL_HISTOGRAM_STEP_BITS)) & (SL_HISTOGRAM_STEPS - 1));
}

/* The largest time of a bucket. */
static uint64_t
bucket_end(unsigned bucket)
{
	unsigned octave = bucket / SL_HISTOGRAM_STEPS;
	uint64_t step = bucket % SL_HISTOGRAM_STEPS;

	if (octave == 0)
		return step;
	return ((SL_HISTOGRAM_STEPS + step + 1) << (octave - 1)) - 1;
}

static void
count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

void
sl_histogram_add(struct sl_histogram *h, uint64_t ns)
{
	count(&h->counts[bucket_of(ns)], 1);
	count(&h->sum, ns);
}

void
sl_histogram_gather(struct sl_histogram_copy *copy, const struct sl_histogram *h)
{
	for (unsigned i = 0; i < SL_HISTOGRAM_BUCKETS; i++) {
		uint64_t n = atomic_load_explicit(&h->counts[i], memory_order_relaxed);

		copy->counts[i] += n;
		copy->n += n;
	}
	copy->sum += atomic_load_explicit(&h->sum, memory_order_relaxed);
}

void
sl_histogram_since(
	struct sl_histogram_copy *out, const struct sl_histogram_copy *now, const struct sl_histogram_copy *before)
{
	for (unsigned i = 0; i < SL_HISTOGRAM_BUCKETS; i++)
		out->counts[i] = now->counts[i] - before->counts[i];
	out->sum = now->sum - before->sum;
	out->n = now->n - before->n;
}

uint64_t
sl_histogram_percentile(const struct sl_histogram_copy *copy, uint32_t millionths)
{
	uint64_t wanted, seen = 0;

	if (copy->n == 0)
		return 0;
	/* the rank of the sample, rounded up and at least the first (nearest rank) */
	wanted = (uint64_t)(((unsigned __int128)copy->n * millionths + MILLION - 1) / MILLION);
	wanted = wanted ? wanted : 1;
	for (unsigned i = 0; i < SL_HISTOGRAM_BUCKETS; i++) {
		seen += copy->counts[i];
		if (seen >= wanted)
			return bucket_end(i);
	}
	return bucket_end(SL_HISTOGRAM_BUCKETS - 1);
}

uint64_t
sl_histogram_mean(const struct sl_histogram_copy *copy)
{
	return copy->n ? copy->sum / copy->n : 0;
}
