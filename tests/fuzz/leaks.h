/*
 * What a fixture makes once per process is held by memory of DPDK's, where a
 * leak checker does not look: it is told not to count what is allocated while
 * checks are off.
 */
#pragma once

#include <stdbool.h>

#if defined(__SANITIZE_ADDRESS__)
#define FUZZ_LSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FUZZ_LSAN 1
#endif
#endif

#ifdef FUZZ_LSAN
#include <sanitizer/lsan_interface.h>
#endif

static inline void
fuzz_leak_checks(bool on)
{
#ifdef FUZZ_LSAN
	if (on)
		__lsan_enable();
	else
		__lsan_disable();
#endif
}
