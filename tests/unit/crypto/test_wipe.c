#include <criterion/criterion.h>
#include <string.h>

#include "crypto/random.h"
#include "crypto/wipe.h"

Test(wipe, wipe)
{
	uint8_t buf[34];

	memset(buf, 0xee, sizeof(buf));
	sl_wipe(buf + 1, 32);
	cr_assert(sl_is_zero(buf + 1, 32));
	cr_assert_eq(buf[0], 0xee);
	cr_assert_eq(buf[33], 0xee);
	sl_wipe(buf, 0);
	cr_assert_eq(buf[0], 0xee);
}

Test(wipe, equal_sees_every_bit)
{
	uint8_t a[40], b[40];

	memset(a, 0x3c, sizeof(a));
	memcpy(b, a, sizeof(b));
	cr_assert(sl_equal(a, b, sizeof(a)));
	cr_assert(sl_equal(a, b, 0));
	for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_not(sl_equal(a, b, sizeof(a)), "bit %zu", bit);
		cr_assert(sl_equal(a, b, bit / 8), "bytes before %zu", bit / 8);
		b[bit / 8] = a[bit / 8];
	}
}

Test(wipe, is_zero_sees_every_bit)
{
	uint8_t a[40] = {0};

	cr_assert(sl_is_zero(a, sizeof(a)));
	cr_assert(sl_is_zero(a, 0));
	for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
		a[bit / 8] = (uint8_t)(1 << bit % 8);
		cr_assert_not(sl_is_zero(a, sizeof(a)), "bit %zu", bit);
		a[bit / 8] = 0;
	}
}

/* Large requests too: the kernel gives at most 32 MB at once, and may stop earlier at a signal. */
Test(random, fills_all_of_it)
{
	static uint8_t big[1 << 20];
	uint8_t a[32], b[32];
	size_t zeros = 0;

	sl_random_bytes(a, sizeof(a));
	sl_rng_bytes(&sl_rng_kernel, b, sizeof(b));
	cr_assert(memcmp(a, b, sizeof(a)) != 0);
	sl_random_bytes(big, sizeof(big));
	for (size_t i = 0; i < sizeof(big); i++)
		zeros += big[i] == 0;
	cr_assert(zeros > 3500 && zeros < 4700, "%zu of 4096 expected", zeros);
	sl_random_bytes(NULL, 0);
}
