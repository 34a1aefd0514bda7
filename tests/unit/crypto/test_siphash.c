#include <criterion/criterion.h>

#include "crypto/siphash.h"

/* The example of the paper's appendix A: key 00..0f, message 00..0e. */
Test(siphash, the_papers_example)
{
	uint8_t key[SL_SIPHASH_KEY_LEN], message[15];
	const uint8_t wanted[8] = {0xe5, 0x45, 0xbe, 0x49, 0x61, 0xca, 0x29, 0xa1};
	uint64_t value;

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	for (unsigned i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
	value = sl_siphash(key, message, sizeof(message));
	cr_expect_arr_eq(&value, wanted, sizeof(wanted));
	key[0] ^= 1;
	cr_expect_neq(sl_siphash(key, message, sizeof(message)), value);
}
