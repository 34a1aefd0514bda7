/*
 * Time. Workers read nanoseconds of CLOCK_BOOTTIME derived from the TSC: no
 * syscall, and a clock that went on during suspend. Control calibrates it
 * every SL_CLOCK_CALIBRATE_NS or more often; any thread reads. Each worker
 * reads through a reader of its own, which never goes back, whatever a
 * calibration corrects. Control
 * itself uses sl_clock_boot_ns and sl_clock_wall. A source of the caller's can
 * take the TSC's place: tests move time as they like. Owned by the gateway; readers borrow it.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include <rte_cycles.h>

#define SL_CLOCK_CALIBRATE_NS UINT64_C(100000000)

/* A source of nanoseconds; ctx is its owner's. Called on any thread that reads the clock. */
typedef uint64_t (*sl_clock_fn)(void *ctx);

/* How TSC becomes time: ns + (reading - tsc) * mult / 2^SL_CLOCK_SHIFT */
#define SL_CLOCK_SHIFT 32

struct sl_clock_base {
	_Atomic uint64_t tsc, ns, mult;
};

struct sl_clock {
	sl_clock_fn source; /* NULL: the TSC */
	void *ctx;
	/* bases[generation % 2] holds; control writes the other one and then counts on: a reader never waits for it */
	_Atomic uint32_t generation;
	struct sl_clock_base bases[2];
	/* control only: where measuring of the TSC's rate began */
	uint64_t first_tsc, first_ns;
};

/* Over the TSC, whose rate is measured for 10 ms. */
void sl_clock_init(struct sl_clock *c);
/* Over a source of the caller's, which both workers and control then see. */
void sl_clock_init_source(struct sl_clock *c, sl_clock_fn source, void *ctx);
/* Control: corrects drift, and after a suspend brings workers to the present. */
void sl_clock_calibrate(struct sl_clock *c);
/* The same with a pair of readings: what sl_clock_calibrate and tests do. */
void sl_clock_calibrate_pair(struct sl_clock *c, uint64_t tsc, uint64_t ns);

/* Any thread: ns of the boot clock. May be some 100 ns behind an earlier answer after a calibration. */
uint64_t sl_clock_read(const struct sl_clock *c);
/* What a clock over the TSC says at that reading of it. */
uint64_t sl_clock_read_at(const struct sl_clock *c, uint64_t tsc);

/* One thread's view that never goes back. Zero-initialise, then set clock. */
struct sl_clock_reader {
	const struct sl_clock *clock;
	uint64_t last;
};

static inline uint64_t
sl_clock_reader_now(struct sl_clock_reader *r)
{
	uint64_t now = sl_clock_read(r->clock);

	if (now > r->last)
		r->last = now;
	return r->last;
}

/* CLOCK_BOOTTIME by the kernel, ns. */
uint64_t sl_clock_boot_ns(void);
/* CLOCK_REALTIME, for TAI64N and for people. */
void sl_clock_wall(struct timespec *out);
