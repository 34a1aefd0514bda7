/*
 * A histogram of times for percentiles: log-linear, 64 steps for each power of
 * two, so that an answer is wrong by 1.6% at most whatever its size. One thread
 * adds; any thread takes copies, and the difference of two copies tells what
 * came between them. Memory is the owner's: 15 KB.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define SL_HISTOGRAM_STEP_BITS 6
#define SL_HISTOGRAM_STEPS     (1u << SL_HISTOGRAM_STEP_BITS)
#define SL_HISTOGRAM_TOP_BITS  36 /* times from 2^36 ns, 69 s, count as that */
#define SL_HISTOGRAM_BUCKETS   ((SL_HISTOGRAM_TOP_BITS - SL_HISTOGRAM_STEP_BITS + 1) * SL_HISTOGRAM_STEPS)

/* As it grows: all zero at first. */
struct sl_histogram {
	_Atomic uint64_t counts[SL_HISTOGRAM_BUCKETS];
	_Atomic uint64_t sum; /* ns */
};

/* As it was at one moment. */
struct sl_histogram_copy {
	uint64_t counts[SL_HISTOGRAM_BUCKETS];
	uint64_t sum;
	uint64_t n;
};

/* One writer. */
void sl_histogram_add(struct sl_histogram *h, uint64_t ns);

/* Adds what h has to a copy, which begins zeroed: several threads' histograms become one. */
void sl_histogram_gather(struct sl_histogram_copy *copy, const struct sl_histogram *h);
/* now - before, where before is an earlier copy of the same. */
void sl_histogram_since(struct sl_histogram_copy *out, const struct sl_histogram_copy *now,
	const struct sl_histogram_copy *before);

/*
 * The time that `millionths` millionths of all samples do not exceed: 500000 is the median, 999000 the 99.9th
 * percentile, 1000000 the largest, 0 the smallest. 0 where there is none.
 */
uint64_t sl_histogram_percentile(const struct sl_histogram_copy *copy, uint32_t millionths);
/* ns; 0 where there is none. */
uint64_t sl_histogram_mean(const struct sl_histogram_copy *copy);
