/*
 * ipsec-mb's ChaCha20-Poly1305 as a reference: its "nocheck" job and burst APIs with this machine's best manager, the fastest
 * that library has. One thread; jobs, keys and buffers stay the caller's.
 */
#pragma once

#include "crypto/aead.h"

#define BENCH_REFERENCE_BURST 64

struct bench_reference;

/* Which of the two APIs. */
enum bench_reference_api {
	BENCH_REFERENCE_JOB,
	BENCH_REFERENCE_BURST_API,
	BENCH_REFERENCE_APIS
};

/* NULL where there is no memory or ipsec-mb does not run here. */
struct bench_reference *bench_reference_create(void);
void bench_reference_destroy(struct bench_reference *r);

/* Seals or opens n ≤ BENCH_REFERENCE_BURST messages in place; `ok` tells which are authentic (sealing: all). */
void bench_reference_run(
	struct bench_reference *r, enum bench_reference_api api, struct sl_aead_job *jobs, unsigned n, bool opening);
