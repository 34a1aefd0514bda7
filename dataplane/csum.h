/*
 * Internet checksums (RFC 1071): sums in memory order, their folding, and the mending of one after a change. Pure
 * functions on the caller's memory, at any alignment, on any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Adds n bytes to a running sum; n must be even but for the last piece. Fold with sl_csum_fold. Any CPU. */
uint64_t sl_csum_add(uint64_t sum, const void *data, size_t n);

/* The two ways it has; the second needs AVX2. */
uint64_t sl_csum_add_sse(uint64_t sum, const void *data, size_t n);
uint64_t sl_csum_add_avx2(uint64_t sum, const void *data, size_t n);

/* The complement of the folded sum: as it stands in a header (network order in memory). 0 over data whose checksum is right. */
static inline uint16_t
sl_csum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Mends an IPv4 header checksum after one aligned 16-bit word of the header changed (RFC 1624, eqn. 3); memory order. */
static inline uint16_t
sl_csum_replace16(uint16_t checksum, uint16_t before, uint16_t after)
{
	uint32_t sum = (uint16_t)~checksum + (uint32_t)(uint16_t)~before + after;

	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}
