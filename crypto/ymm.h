/*
 * Clearing the 256-bit registers. Used by AVX2 kernels alone, at the end of what they do with secrets; only to be run
 * where the CPU has AVX.
 */
#pragma once

/* All 16 registers hold zeros afterwards, and their upper halves are clean, so that SSE code runs at full speed. */
static inline void sl_ymm_clear(void)
{
	__asm__ volatile("vzeroall" ::
	                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
	                 "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory");
}
