#include "crypto/x25519_batch.h"

#include <string.h>

#include "crypto/wipe.h"
#include "crypto/x25519.h"
#include "crypto/x25519_kernel.h"

#define MOST SL_X25519_MOST_MAX

static const uint8_t base_point[SL_KEY_LEN] = {9};

const struct sl_x25519_kernel *sl_x25519_kernel_of(enum sl_simd simd)
{
	if (simd == SL_SIMD_AUTO)
		simd = sl_simd_best();
	if (simd >= SL_SIMD_AVX512 && __builtin_cpu_supports("avx512ifma"))
		return &sl_x25519_avx512;
	if (simd >= SL_SIMD_AVX2 && __builtin_cpu_supports("fma"))
		return &sl_x25519_avx2;
	return NULL;
}

unsigned int sl_x25519_lanes(enum sl_simd simd)
{
	const struct sl_x25519_kernel *kernel = sl_x25519_kernel_of(simd);

	return kernel != NULL ? kernel->lanes : 1;
}

static void by_library(struct sl_x25519_job *job)
{
	job->ok = true;
	if (job->public_key != NULL)
		job->ok = sl_x25519_shared(job->out, job->private_key, job->public_key);
	else
		sl_x25519_public(job->out, job->private_key);
}

/* Jobs that wait for a pass. */
struct lot {
	unsigned int n;
	struct sl_x25519_job *jobs[MOST];
};

/* Clears what a kernel has left below the frame of its caller, which calls this next. */
static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t left[SL_X25519_KERNEL_STACK];

	sl_wipe(left, sizeof(left));
}

/* The lot's jobs, not none; what is missing to full passes repeats the first. base: all are public keys. */
static void call(const struct sl_x25519_kernel *kernel, struct lot *lot, bool base)
{
	const unsigned int n = (lot->n + kernel->lanes - 1) / kernel->lanes * kernel->lanes;
	const uint8_t *scalars[MOST], *points[MOST];
	uint8_t out[MOST][SL_KEY_LEN];

	for (unsigned int i = 0; i < n; i++) {
		const struct sl_x25519_job *job = lot->jobs[i < lot->n ? i : 0];

		scalars[i] = job->private_key;
		points[i] = job->public_key != NULL ? job->public_key : base_point;
	}
	if (base)
		kernel->multiply_base(out, scalars, n);
	else
		kernel->multiply(out, scalars, points, n);
	wipe_stack();
	for (unsigned int i = 0; i < lot->n; i++) {
		memcpy(lot->jobs[i]->out, out[i], SL_KEY_LEN);
		lot->jobs[i]->ok = !sl_is_zero(out[i], SL_KEY_LEN);
	}
	sl_wipe(out, n * sizeof(out[0]));
}

/* Does the lot's jobs, the last of them one by one where that is faster than another pass. */
static void finish(const struct sl_x25519_kernel *kernel, struct lot *lot, bool base)
{
	unsigned int full = lot->n - lot->n % kernel->lanes, cost = 0;

	for (unsigned int i = full; i < lot->n; i++)
		cost += lot->jobs[i]->public_key != NULL ? SL_X25519_COST_POINT : SL_X25519_COST_BASE;
	if (cost < (base ? kernel->worth_base : kernel->worth)) {
		for (; lot->n > full; lot->n--)
			by_library(lot->jobs[lot->n - 1]);
	}
	if (lot->n > 0)
		call(kernel, lot, base);
	lot->n = 0;
}

/* Public keys cost nothing in lanes that points leave free, so the last ones go there, if that saves them a pass. */
static void join(const struct sl_x25519_kernel *kernel, struct lot *points, struct lot *bases)
{
	unsigned int used = points->n % kernel->lanes, last = bases->n % kernel->lanes;

	if (used == 0 || used + last > kernel->lanes)
		return;
	for (; last > 0; last--)
		points->jobs[points->n++] = bases->jobs[--bases->n];
}

void sl_x25519_batch_with(const struct sl_x25519_kernel *kernel, struct sl_x25519_job *jobs, unsigned int n)
{
	struct lot points = {.n = 0}, bases = {.n = 0};

	for (unsigned int i = 0; i < n; i++) {
		bool base = kernel != NULL && kernel->multiply_base != NULL && jobs[i].public_key == NULL;
		struct lot *lot = base ? &bases : &points;

		if (kernel == NULL) {
			by_library(&jobs[i]);
			continue;
		}
		lot->jobs[lot->n++] = &jobs[i];
		if (lot->n == kernel->most)
			finish(kernel, lot, base);
	}
	if (kernel == NULL)
		return;
	join(kernel, &points, &bases);
	finish(kernel, &bases, true);
	finish(kernel, &points, false);
}

void sl_x25519_batch(enum sl_simd simd, struct sl_x25519_job *jobs, unsigned int n)
{
	sl_x25519_batch_with(sl_x25519_kernel_of(simd), jobs, n);
}
