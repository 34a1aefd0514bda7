/*
 * What the measuring programs share: medians and quartiles over rounds, a thread that stays on one core, and the TSC.
 * Each program has one measuring thread; nothing here keeps state. Figures become rows through bench/rows.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* First quartile, median, third quartile. */
struct bench_spread {
	double low, median, high;
};

/* Sorts v, n > 0 figures. The median of an even number is the mean of the two in the middle. */
struct bench_spread bench_spread(double *v, unsigned n);

/*
 * Pins the calling thread to the nth of the cores it may use now, counted from the last one backwards (0: the last, which
 * interrupts and other work use least), wrapping round. Returns the core, or -1 where the system refuses.
 */
int bench_pin(unsigned nth);
/* How many cores this process could use when it started. */
unsigned bench_cores(void);

/* TSC before and after what is measured: no instruction moves across. */
uint64_t bench_tsc(void);
/* TSC cycles of a second, measured once against the monotonic clock (takes 50 ms). */
double bench_tsc_hz(void);
/* Monotonic nanoseconds. */
uint64_t bench_now_ns(void);

/* SplitMix64: the same numbers in every run from the same seed. */
uint64_t bench_random64(uint64_t *state);
