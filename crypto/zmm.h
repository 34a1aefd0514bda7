/*
 * Clearing the 512-bit registers. Used by the AVX-512 kernels alone, at the end of what they do with secrets; only to
 * be run where the CPU has AVX-512.
 */
#pragma once

/* All 32 registers hold zeros afterwards, and their upper halves are clean, so that SSE code runs at full speed. */
static inline void sl_zmm_clear(void)
{
	/* vzeroall reaches only the lower 16 */
	__asm__ volatile("vpxorq %%zmm16, %%zmm16, %%zmm16\n\t"
	                 "vpxorq %%zmm17, %%zmm17, %%zmm17\n\t"
	                 "vpxorq %%zmm18, %%zmm18, %%zmm18\n\t"
	                 "vpxorq %%zmm19, %%zmm19, %%zmm19\n\t"
	                 "vpxorq %%zmm20, %%zmm20, %%zmm20\n\t"
	                 "vpxorq %%zmm21, %%zmm21, %%zmm21\n\t"
	                 "vpxorq %%zmm22, %%zmm22, %%zmm22\n\t"
	                 "vpxorq %%zmm23, %%zmm23, %%zmm23\n\t"
	                 "vpxorq %%zmm24, %%zmm24, %%zmm24\n\t"
	                 "vpxorq %%zmm25, %%zmm25, %%zmm25\n\t"
	                 "vpxorq %%zmm26, %%zmm26, %%zmm26\n\t"
	                 "vpxorq %%zmm27, %%zmm27, %%zmm27\n\t"
	                 "vpxorq %%zmm28, %%zmm28, %%zmm28\n\t"
	                 "vpxorq %%zmm29, %%zmm29, %%zmm29\n\t"
	                 "vpxorq %%zmm30, %%zmm30, %%zmm30\n\t"
	                 "vpxorq %%zmm31, %%zmm31, %%zmm31\n\t"
	                 "vzeroall" ::
	                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
	                 "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19",
	                 "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29",
	                 "xmm30", "xmm31", "memory");
}
