#include "bench/stats.h"

#include <sched.h>
#include <time.h>
#include <x86intrin.h>

#include "app/quartiles.h"

#define TSC_SAMPLE_NS 50000000u

static cpu_set_t usable;
static bool usable_known;

struct bench_spread
bench_spread(double *v, unsigned n)
{
	struct sl_quartiles q = sl_quartiles(v, n);

	return (struct bench_spread){q.low, q.median, q.high};
}

/* Before the first bench_pin narrows it. */
static void
know_usable(void)
{
	if (usable_known)
		return;
	if (sched_getaffinity(0, sizeof(usable), &usable) != 0)
		CPU_ZERO(&usable);
	usable_known = true;
}

unsigned
bench_cores(void)
{
	know_usable();
	return (unsigned)CPU_COUNT(&usable);
}

int
bench_pin(unsigned nth)
{
	unsigned n = bench_cores();
	cpu_set_t one;

	if (n == 0)
		return -1;
	nth %= n;
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
		if (!CPU_ISSET(cpu, &usable) || nth-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		return sched_setaffinity(0, sizeof(one), &one) == 0 ? cpu : -1;
	}
	return -1;
}

uint64_t
bench_tsc(void)
{
	uint64_t tsc;

	_mm_mfence();
	_mm_lfence();
	tsc = __rdtsc();
	_mm_lfence();
	return tsc;
}

uint64_t
bench_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double
bench_tsc_hz(void)
{
	static double hz;
	uint64_t tsc, began, now;

	if (hz > 0)
		return hz;
	began = bench_now_ns();
	tsc = bench_tsc();
	do {
		now = bench_now_ns();
	} while (now - began < TSC_SAMPLE_NS);
	hz = (double)(bench_tsc() - tsc) * 1e9 / (double)(now - began);
	return hz;
}

uint64_t
bench_random64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}
