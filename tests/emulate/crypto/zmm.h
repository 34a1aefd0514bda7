/* In place of crypto/zmm.h where the AVX-512 kernels are compiled for any CPU: there are no registers to clear. */
#pragma once

static inline void sl_zmm_clear(void)
{
}
