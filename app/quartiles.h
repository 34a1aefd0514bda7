/*
 * Figures that were measured many times: the middle one, and between what the middle half lies. On a shared machine a
 * mean tells of the neighbours. Samples belong to whoever measures; one thread.
 */
#pragma once

#include <stdint.h>

struct sl_quartiles {
	double low, median, high;
};

/* Sorts v. The median of an even number is the mean of the two in the middle; all zero where n is 0. */
struct sl_quartiles sl_quartiles(double *v, uint32_t n);

#define SL_SAMPLES 4096

/* The latest SL_SAMPLES figures. Start with n = 0. */
struct sl_samples {
	uint64_t n; /* added so far */
	double v[SL_SAMPLES];
};

static inline void
sl_samples_add(struct sl_samples *s, double v)
{
	s->v[s->n++ % SL_SAMPLES] = v;
}

/* Sorts what is there: for the end of a measurement. */
struct sl_quartiles sl_samples_quartiles(struct sl_samples *s);
