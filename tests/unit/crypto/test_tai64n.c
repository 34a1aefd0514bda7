#include <criterion/criterion.h>

#include "crypto/tai64n.h"
#include "tests/unit/crypto/vectors.h"

/* protocol.md 19: BE64(0x400000000000000a + seconds), BE32(nanoseconds rounded down to 2^24) */
Test(tai64n, p19_stamps)
{
	static const struct {
		uint64_t sec;
		uint32_t nsec;
		const char *stamp;
	} table[] = {
	        {0, 0, "400000000000000a00000000"},
	        {0, 1, "400000000000000a00000000"},
	        {0, (1U << 24) - 1, "400000000000000a00000000"},
	        {0, 1U << 24, "400000000000000a01000000"},
	        {0, (1U << 24) + 1, "400000000000000a01000000"},
	        {0, 999999999, "400000000000000a3b000000"},
	        {1, 0, "400000000000000b00000000"},
	        {245, 0, "40000000000000ff00000000"},
	        {246, 0, "400000000000010000000000"},
	        {1700000000, 500000000, "400000006553f10a1d000000"},
	        {4294967296, 0, "400000010000000a00000000"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint8_t out[SL_TAI64N_LEN];

		sl_tai64n(out, table[i].sec, table[i].nsec);
		cr_assert(is_hex(out, sizeof(out), table[i].stamp), "%lu.%09u", table[i].sec, table[i].nsec);
	}
}

Test(tai64n, p19_strictly_later)
{
	static const struct {
		uint64_t a_sec;
		uint32_t a_nsec;
		uint64_t b_sec;
		uint32_t b_nsec;
		bool after;
	} table[] = {
	        {5, 0, 5, 0, false},
	        {5, 100, 5, 0, false}, /* one grain */
	        {5, 1U << 24, 5, 0, true},
	        {5, 0, 5, 1U << 24, false},
	        {6, 0, 5, 999999999, true},
	        {5, 999999999, 6, 0, false},
	        {256, 0, 255, 0, true},
	        {246, 0, 245, 0, true}, /* carries into the next byte */
	        {0, 0, 4294967296, 0, false},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint8_t a[SL_TAI64N_LEN], b[SL_TAI64N_LEN];

		sl_tai64n(a, table[i].a_sec, table[i].a_nsec);
		sl_tai64n(b, table[i].b_sec, table[i].b_nsec);
		cr_assert_eq(sl_tai64n_after(a, b), table[i].after, "row %zu", i);
	}
}
