#include "crypto/base64.h"

#include "crypto/wipe.h"

/*
 * No tables and no branches on the key: every character is computed by range masks. `below(a, b)` is all ones where a <
 * b; both stay far under 2^31.
 */
static inline uint32_t below(uint32_t a, uint32_t b)
{
	return (uint32_t)((int32_t)(a - b) >> 31);
}

/* The range lo..hi, ends included. */
static inline uint32_t within(uint32_t c, uint32_t lo, uint32_t hi)
{
	return ~below(c, lo) & ~below(hi, c);
}

static char encode6(uint32_t v)
{
	uint32_t c = 'A' + v;

	c += below(25, v) & (uint32_t)('a' - 'A' - 26);
	c += below(51, v) & (uint32_t)('0' - 'a' - 26);
	c += below(61, v) & (uint32_t)('+' - '0' - 10);
	c += below(62, v) & (uint32_t)('/' - '+' - 1);
	return (char)c;
}

/* The value of a character; bad collects all ones for one outside the alphabet. */
static uint32_t decode6(char ch, uint32_t *bad)
{
	uint32_t c = (uint8_t)ch;
	uint32_t upper = within(c, 'A', 'Z'), lower = within(c, 'a', 'z'), digit = within(c, '0', '9');
	uint32_t plus = within(c, '+', '+'), slash = within(c, '/', '/');

	*bad |= ~(upper | lower | digit | plus | slash);
	return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (digit & (c - '0' + 52)) | (plus & 62) | (slash & 63);
}

void sl_key_to_base64(char out[SL_KEY_BASE64_LEN + 1], const uint8_t key[SL_KEY_LEN])
{
	size_t i;

	for (i = 0; i < SL_KEY_LEN / 3; i++) {
		uint32_t v = (uint32_t)key[3 * i] << 16 | (uint32_t)key[3 * i + 1] << 8 | key[3 * i + 2];

		out[4 * i] = encode6(v >> 18);
		out[4 * i + 1] = encode6(v >> 12 & 63);
		out[4 * i + 2] = encode6(v >> 6 & 63);
		out[4 * i + 3] = encode6(v & 63);
	}
	/* 32 = 10 * 3 + 2: the last two bytes fill three characters. */
	uint32_t v = (uint32_t)key[3 * i] << 16 | (uint32_t)key[3 * i + 1] << 8;

	out[4 * i] = encode6(v >> 18);
	out[4 * i + 1] = encode6(v >> 12 & 63);
	out[4 * i + 2] = encode6(v >> 6 & 63);
	out[4 * i + 3] = '=';
	out[SL_KEY_BASE64_LEN] = '\0';
}

bool sl_key_from_base64(uint8_t key[SL_KEY_LEN], const char *text, size_t len)
{
	uint32_t bad = 0, v;
	size_t i;

	if (len != SL_KEY_BASE64_LEN || text[SL_KEY_BASE64_LEN - 1] != '=') {
		sl_wipe(key, SL_KEY_LEN);
		return false;
	}
	for (i = 0; i < SL_KEY_LEN / 3; i++) {
		v = decode6(text[4 * i], &bad) << 18 | decode6(text[4 * i + 1], &bad) << 12 |
		    decode6(text[4 * i + 2], &bad) << 6 | decode6(text[4 * i + 3], &bad);
		key[3 * i] = (uint8_t)(v >> 16);
		key[3 * i + 1] = (uint8_t)(v >> 8);
		key[3 * i + 2] = (uint8_t)v;
	}
	v = decode6(text[4 * i], &bad) << 18 | decode6(text[4 * i + 1], &bad) << 12 |
	    decode6(text[4 * i + 2], &bad) << 6;
	key[3 * i] = (uint8_t)(v >> 16);
	key[3 * i + 1] = (uint8_t)(v >> 8);
	/* Bits that fit in no byte must be zero, or one key would have several texts. */
	bad |= v & 0xff;
	if (bad != 0) {
		sl_wipe(key, SL_KEY_LEN);
		return false;
	}
	return true;
}

static char encode4(uint32_t v)
{
	return (char)('0' + v + (below(9, v) & ('a' - '0' - 10)));
}

static uint32_t decode4(char ch, uint32_t *bad)
{
	uint32_t c = (uint8_t)ch;
	uint32_t digit = within(c, '0', '9'), lower = within(c, 'a', 'f'), upper = within(c, 'A', 'F');

	*bad |= ~(digit | lower | upper);
	return (digit & (c - '0')) | (lower & (c - 'a' + 10)) | (upper & (c - 'A' + 10));
}

void sl_key_to_hex(char out[SL_KEY_HEX_LEN + 1], const uint8_t key[SL_KEY_LEN])
{
	for (size_t i = 0; i < SL_KEY_LEN; i++) {
		out[2 * i] = encode4(key[i] >> 4);
		out[2 * i + 1] = encode4(key[i] & 15);
	}
	out[SL_KEY_HEX_LEN] = '\0';
}

bool sl_key_from_hex(uint8_t key[SL_KEY_LEN], const char *text, size_t len)
{
	uint32_t bad = 0;

	if (len != SL_KEY_HEX_LEN) {
		sl_wipe(key, SL_KEY_LEN);
		return false;
	}
	for (size_t i = 0; i < SL_KEY_LEN; i++)
		key[i] = (uint8_t)(decode4(text[2 * i], &bad) << 4 | decode4(text[2 * i + 1], &bad));
	if (bad != 0) {
		sl_wipe(key, SL_KEY_LEN);
		return false;
	}
	return true;
}
