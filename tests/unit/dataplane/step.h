/*
 * Stepping the calling thread by the CPU's trap flag: while it is on, SIGTRAP comes after each instruction, and the handler
 * looks at, or changes, what another core would at that moment.
 */
#pragma once

#include <stdbool.h>

#if !defined(__x86_64__)
#error "stepping is written for the trap flag of x86-64"
#endif

/* From the next instruction on, respectively no longer. */
static inline void
step(bool on)
{
	if (on)
		__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
	else
		__asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}
