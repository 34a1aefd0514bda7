/*
 * The search for the highest rate without loss, as RFC 2544 section 26.1 does
 * it: trials of a fixed length, each at one rate, halving the interval between
 * the highest rate that passed and the lowest that did not. Pure: results of
 * trials go in, the next rate comes out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SL_BENCH_MILLION       1000000u
#define SL_BENCH_SEARCH_TRIALS 40     /* halving ends long before this */
#define SL_BENCH_SHORT         20000u /* millionths by which a sender may miss its rate and have kept it */

enum sl_bench_limit {
	SL_BENCH_LIMIT_NONE,   /* the search goes on */
	SL_BENCH_LIMIT_LOSS,   /* more is lost at a higher rate */
	SL_BENCH_LIMIT_RATE,   /* nothing was lost at the highest rate asked for */
	SL_BENCH_LIMIT_SENDER, /* the sender could send no more */
	SL_BENCH_LIMIT_ALL_LOST, /* no rate was free of loss */
};

struct sl_bench_search {
	uint32_t resolution; /* millionths of the lowest rate that failed: the search ends when the interval is this small */
	uint32_t loss;       /* millionths of the packets that a trial may lose and pass; RFC 2544: 0 */
	uint64_t most;       /* packets per second; 0: as many as the sender can */
	uint64_t passed, failed; /* the highest that passed, the lowest that did not; 0: none yet */
	unsigned trials;
	enum sl_bench_limit limit;
};

/* What one trial at the rate that was asked for came to. */
struct sl_bench_trial_result {
	uint64_t rate;     /* packets per second, as sent */
	uint64_t sent, lost;
};

void sl_bench_search_begin(struct sl_bench_search *s, uint64_t most, uint32_t resolution, uint32_t loss);
/* The rate of the next trial, packets per second; 0: without limit. False: the search has ended, s->limit says why. */
bool sl_bench_search_next(const struct sl_bench_search *s, uint64_t *rate);
/* The result of that trial. Whether it passed. */
bool sl_bench_search_result(struct sl_bench_search *s, const struct sl_bench_trial_result *result);
