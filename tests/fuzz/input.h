/*
 * A fuzz input taken apart from the front: what is missing reads as zero, so
 * every string of bytes is an input. Single thread; the bytes are the fuzzer's.
 */
#pragma once

#include <criterion/criterion.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct fuzz_input {
	const uint8_t *p;
	size_t n;
};

/* One input; the fuzzer calls it with any bytes, the replay with those of the corpus. Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline uint8_t
fuzz_u8(struct fuzz_input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

static inline uint16_t
fuzz_u16(struct fuzz_input *in)
{
	uint8_t low = fuzz_u8(in);

	return (uint16_t)(low | fuzz_u8(in) << 8);
}

/* Copies at most `room` bytes, as many as a length in front of them says and there are; returns how many. */
static inline size_t
fuzz_bytes(struct fuzz_input *in, uint8_t *out, size_t room)
{
	size_t n = fuzz_u16(in);

	if (n > in->n)
		n = in->n;
	if (n > room)
		n = room;
	if (n > 0)
		memcpy(out, in->p, n);
	in->p += n;
	in->n -= n;
	return n;
}
