#include "crypto/x25519_batch.h"

#include <string.h>

#include "crypto/wipe.h"
#include "crypto/x25519.h"
#include "crypto/x25519_kernel.h"

#define LANES SL_X25519_LANES_MAX

static const uint8_t base_point[SL_KEY_LEN] = {9};

const struct sl_x25519_kernel *sl_x25519_kernel_of(enum sl_simd simd)
{
	if (simd == SL_SIMD_AUTO)
		simd = sl_simd_best();
	return simd >= SL_SIMD_AVX512 && __builtin_cpu_supports("avx512ifma") ? &sl_x25519_avx512 : NULL;
}

static void by_library(struct sl_x25519_job *jobs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		jobs[i].ok = true;
		if (jobs[i].public_key != NULL)
			jobs[i].ok = sl_x25519_shared(jobs[i].out, jobs[i].private_key, jobs[i].public_key);
		else
			sl_x25519_public(jobs[i].out, jobs[i].private_key);
	}
}

/* Clears what a kernel has left below the frame of its caller, which calls this next. */
static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t left[SL_X25519_KERNEL_STACK];

	sl_wipe(left, sizeof(left));
}

/* One pass for up to the kernel's lanes; those left over repeat the first job. */
static void pass(const struct sl_x25519_kernel *kernel, struct sl_x25519_job *jobs, unsigned int n)
{
	const uint8_t *scalars[LANES], *points[LANES];
	uint8_t out[LANES][SL_KEY_LEN];

	for (unsigned int i = 0; i < kernel->lanes; i++) {
		const struct sl_x25519_job *job = &jobs[i < n ? i : 0];

		scalars[i] = job->private_key;
		points[i] = job->public_key != NULL ? job->public_key : base_point;
	}
	kernel->multiply(out, scalars, points);
	wipe_stack();
	for (unsigned int i = 0; i < n; i++) {
		memcpy(jobs[i].out, out[i], SL_KEY_LEN);
		jobs[i].ok = !sl_is_zero(out[i], SL_KEY_LEN);
	}
	sl_wipe(out, sizeof(out));
}

static unsigned int library_cost(const struct sl_x25519_job *jobs, unsigned int n)
{
	unsigned int cost = 0;

	for (unsigned int i = 0; i < n; i++)
		cost += jobs[i].public_key != NULL ? SL_X25519_COST_POINT : SL_X25519_COST_BASE;
	return cost;
}

void sl_x25519_batch_with(const struct sl_x25519_kernel *kernel, struct sl_x25519_job *jobs, unsigned int n)
{
	while (kernel != NULL && n > 0) {
		unsigned int taken = n < kernel->lanes ? n : kernel->lanes;

		if (library_cost(jobs, taken) < kernel->worth)
			break;
		pass(kernel, jobs, taken);
		jobs += taken;
		n -= taken;
	}
	by_library(jobs, n);
}

void sl_x25519_batch(enum sl_simd simd, struct sl_x25519_job *jobs, unsigned int n)
{
	sl_x25519_batch_with(sl_x25519_kernel_of(simd), jobs, n);
}
